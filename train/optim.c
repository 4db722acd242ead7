/* optim.c - see optim.h. Threads take pieces (share.h). Muon: momentum, then five Newton-Schulz steps that
 * replace the singular values of the update by about 1, then the root-mean-square of an AdamW update (0.2, Liu et
 * al. 2025), so that one learning rate serves both. c_attn is three matrices side by side. */
#include "train/optim.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/hash.h"
#include "common/memory.h"

size_t optimizer_work_bytes(const gpt_shape *shape) { return (4 + 4 + 1 + 1) * (size_t)shape->n_embd * (size_t)shape->n_embd * sizeof(float); }

size_t optimizer_bytes(const gpt_shape *shape, const optim_settings *set) {
    gpt_layout at = gpt_layout_of(shape);
    size_t work = set->borrows ? 0 : optimizer_work_bytes(shape), ranks = set->ranks > 1 ? (size_t)set->ranks : 1;
    size_t each = at.total_floats * set->moments + (set->moments == MOMENTS_INT8 ? at.total_floats / SHARE_BLOCK * sizeof(float) : 0);
    size_t layers = (size_t)shape->n_layer * at.layer_floats * set->moments;
    /* Second moments of the layers' matrices stay away: leave_matrices_out. */
    return set->kind == OPTIM_MUON ? (2 * each - layers) / ranks + work : 2 * each / ranks;
}

static int moment_alloc(optim_moment *x, const optimizer *o, const char *what, wt_err *err) {
    size_t least = SHARE_BLOCK;         /* a rank may own nothing */
    x->bytes = (o->share.numbers + least) * o->set.moments;
    x->numbers = wt_big_alloc(x->bytes, what, err);
    if (!x->numbers || o->set.moments != MOMENTS_INT8) return x->numbers ? 0 : -1;
    x->scale_bytes = (o->share.blocks + 1) * sizeof *x->scales;
    x->scales = wt_big_alloc(x->scale_bytes, what, err);
    return x->scales ? 0 : -1;
}

static void moment_free(optim_moment *x) {
    if (x->numbers) wt_big_free(x->numbers, x->bytes);
    if (x->scales) wt_big_free(x->scales, x->scale_bytes);
}

/* Muon never touches the second moments of the layers' matrices. Small pages keep those of the vectors between them from
 * bringing them in. */
static void leave_matrices_out(const optimizer *o) {
    size_t page = 4096, from = SIZE_MAX, to = 0;
    for (size_t p = 0; p < o->share.n_pieces; p++)
        if (o->share.pieces[p].layer >= 0 && o->share.pieces[p].local != SHARE_NONE) {
            if (from == SIZE_MAX) from = o->share.pieces[p].local;
            to = o->share.pieces[p].local + o->share.pieces[p].n;
        }
    if (from == SIZE_MAX) return;
    uintptr_t begin = ((uintptr_t)o->var.numbers + from * o->set.moments + page - 1) / page * page, end = ((uintptr_t)o->var.numbers + to * o->set.moments) / page * page;
    if (end > begin) madvise((void *)begin, end - begin, MADV_NOHUGEPAGE);     /* only a wish */
}

int optimizer_init(optimizer *o, gpt *m, const optim_settings *set, wt_err *err) {
    *o = (optimizer){.m = m, .set = *set};
    if (!o->set.moments) o->set.moments = MOMENTS_FP32;
    share_init(&o->share, &m->shape, set->rank, set->ranks, set->kind == OPTIM_MUON);
    int failed = moment_alloc(&o->mean, o, "the optimizer's first moments", err) || moment_alloc(&o->var, o, "the optimizer's second moments", err);
    if (!failed && set->kind == OPTIM_MUON) {
        leave_matrices_out(o);
        if (!set->borrows) o->work = wt_big_alloc(optimizer_work_bytes(&m->shape), "Muon's matrices", err);
        failed = !set->borrows && !o->work;
    }
    if (failed) optimizer_reset(o);
    return failed ? -1 : 0;
}

void optimizer_reset(optimizer *o) {
    moment_free(&o->mean), moment_free(&o->var);
    if (o->work) wt_big_free(o->work, optimizer_work_bytes(&o->m->shape));
    share_reset(&o->share);
    *o = (optimizer){0};
}

/* Gradients at a place of the layout: with fused updates all layers share one place. */
static float *grad_of(const gpt *m, const share_piece *p) {
    if (p->layer >= 0) return gpt_grad_layer(m, p->layer) + (p->at - m->at.layers - (size_t)p->layer * m->at.layer_floats);
    return p->at < m->at.layers ? m->grad + p->at : gpt_grad_final(m) + (p->at - m->at.lnf_w);
}

double optimizer_grad_squares(const optimizer *o, int part) {
    const gpt *m = o->m;
    double total = 0, *sums = wt_xcalloc(o->share.n_pieces, sizeof *sums);
    for (size_t i = 0; i < o->share.n_spans; i++) {
        const share_span *span = &o->share.spans[i];
        if (span->part != part) continue;
#pragma omp parallel for num_threads(m->threads) schedule(static) if (span->last - span->first > 4)
        for (size_t p = span->first; p < span->last; p++) {
            const share_piece *piece = &o->share.pieces[p];
            if (piece->local != SHARE_NONE) sums[p] = m->k->sum_squares(grad_of(m, piece), piece->n);
        }
        for (size_t p = span->first; p < span->last; p++) total += sums[p];
    }
    free(sums);
    return total;
}

/* Where n numbers of a piece are. */
typedef struct {
    float *w, *g;
    char *mean, *var;
} piece_memory;
static piece_memory memory_of(const optimizer *o, const share_piece *p, size_t from) {
    size_t at = (p->local + from) * o->set.moments;
    return (piece_memory){o->m->w + p->at + from, grad_of(o->m, p) + from, (char *)o->mean.numbers + at, (char *)o->var.numbers + at};
}

void optimizer_update_piece(const optimizer *o, const optim_rates *rates, const share_piece *p, size_t from, size_t n) {
    const kernels *k = o->m->k;
    piece_memory at = memory_of(o, p, from);
    const adamw_scalars *x = p->at < o->m->at.wpe ? &rates->embedding : p->decays ? &rates->matrices : &rates->vectors;
    uint64_t hash = wt_mix64(rates->step * 0x9e3779b97f4a7c15u + p->at);
    uint32_t noise = (uint32_t)(hash ^ hash >> 32) + (uint32_t)from;      /* a number's noise does not depend on `from` */
    size_t block = p->block + from / SHARE_BLOCK;
    switch (o->set.moments) {
    case MOMENTS_FP32: k->adamw(at.w, (float *)(void *)at.mean, (float *)(void *)at.var, at.g, x, n); break;
    case MOMENTS_BF16: k->adamw_bf16(at.w, (uint16_t *)(void *)at.mean, (uint16_t *)(void *)at.var, at.g, x, noise, n); break;
    case MOMENTS_INT8:
        k->adamw_int8(at.w, (int8_t *)at.mean, (uint8_t *)at.var, o->mean.scales + block, o->var.scales + block, at.g, x, noise, n);
    }
}

void optimizer_piece_memory(const optimizer *o, const share_piece *p, size_t from, size_t n, gemm_ahead *ahead) {
    piece_memory at = memory_of(o, p, from);
    size_t unit = 4 * AHEAD_LINE, fp32 = (n * sizeof(float) + unit - 1) / unit * 4, moments = (n * o->set.moments + unit - 1) / unit * 4;
    *ahead = (gemm_ahead){{(char *)at.w, (char *)at.g, at.mean, at.var}, {fp32, fp32, moments, moments}, {AHEAD_LINE, AHEAD_LINE, AHEAD_LINE, AHEAD_LINE}, 0};
}

optim_rates optimizer_rates(const optimizer *o, const optim_step *s) {
    optim_rates x = {.step = s->step};
    x.vectors = (adamw_scalars){.beta1 = (float)o->set.beta1, .beta2 = (float)s->beta2, .epsilon = (float)o->set.epsilon,
                                .step_size = (float)(s->learning_rate / (1 - pow(o->set.beta1, (double)s->step))),
                                .root_scale = (float)(1 / sqrt(1 - pow(s->beta2, (double)s->step))), .decay = 1, .grad_scale = (float)s->grad_scale};
    x.matrices = x.vectors;
    x.matrices.decay = (float)(1 - s->learning_rate * o->set.weight_decay);
    x.embedding = x.matrices;
    if (o->set.embed_scale > 0) x.embedding.step_size = (float)(x.embedding.step_size * o->set.embed_scale);
    return x;
}

static void adamw_span(optimizer *o, const share_span *span, const optim_step *s) {
    optim_rates rates = optimizer_rates(o, s);
#pragma omp parallel for num_threads(o->m->threads) schedule(static) if (span->last - span->first > 4)
    for (size_t p = span->first; p < span->last; p++) {
        const share_piece *piece = &o->share.pieces[p];
        if (piece->local != SHARE_NONE) optimizer_update_piece(o, &rates, piece, 0, piece->n);
    }
}

/* ---- Muon ---- */
typedef struct {
    bool trans_a, trans_b, accumulate;
} form;
static void product(const gpt *m, form f, int M, int N, int K, const float *A, int lda, const float *B, int ldb, float *C, int ldc) {
    gemm_run(m->team, &(gemm_call){.trans_a = f.trans_a, .trans_b = f.trans_b, .M = M, .N = N, .K = K, .A = A, .B = B, .C = C,
                                   .lda = (size_t)lda, .ldb = (size_t)ldb, .ldc = (size_t)ldc, .accumulate = f.accumulate});
}

/* X (r,c) -> about U V^T of its singular value decomposition. Y: r x c, A, A2: k x k with k = min(r,c). */
static void orthogonalize(const gpt *m, float *X, float *Y, float *A, float *A2, int r, int c) {
    static const float a = 3.4445f, b = -4.7750f, cc = 2.0315f;
    size_t n = (size_t)r * (size_t)c, kk = (size_t)(r < c ? r : c) * (size_t)(r < c ? r : c);
    int k = r < c ? r : c;
    double squares = 0;
    for (size_t i = 0; i < n; i += SHARE_PIECE) squares += m->k->sum_squares(X + i, n - i < SHARE_PIECE ? n - i : SHARE_PIECE);
    m->k->scale(X, (float)(1 / (sqrt(squares) + 1e-12)), n);
    for (int step = 0; step < 5; step++) {
        if (r <= c) product(m, (form){false, true, false}, k, k, c, X, c, X, c, A, k);
        else product(m, (form){true, false, false}, k, k, r, X, c, X, c, A, k);
        product(m, (form){false, false, false}, k, k, k, A, k, A, k, A2, k);
        m->k->scale(A2, cc, kk);
        m->k->add_scaled(A2, b, A, kk);
        memcpy(Y, X, n * sizeof *Y);
        m->k->scale(Y, a, n);
        if (r <= c) product(m, (form){false, false, true}, r, c, k, A2, k, X, c, Y, c);
        else product(m, (form){false, false, true}, r, c, k, X, c, A2, k, Y, c);
        memcpy(X, Y, n * sizeof *X);
    }
}

/* A matrix whose pieces are this rank's, all of them. */
static void muon_span(optimizer *o, const share_span *span, const optim_step *s) {
    gpt *m = o->m;
    const share_piece *first = &o->share.pieces[span->first];
    if (first->local == SHARE_NONE) return;
    gpt_tensor_info info = gpt_tensor_describe(m, span->tensor), *t = &info;
    float *moments = (float *)o->mean.numbers + first->local;
    int C = m->shape.n_embd, blocks = t->cols == 3 * C ? 3 : 1, r = t->rows, c = t->cols / blocks;
    float *w = m->w + t->offset, *g = grad_of(m, first), *X = o->work ? o->work : gpt_scratch_lend(m, optimizer_work_bytes(&m->shape)), *Y = X + 4 * (size_t)C * C, *A = Y + 4 * (size_t)C * C, *A2 = A + (size_t)C * C;
    assert(X);
    float mu = (float)o->set.muon_momentum, clip = (float)s->grad_scale, decay = (float)(1 - s->learning_rate * o->set.weight_decay);
    float step = (float)(s->learning_rate * 0.2 * sqrt((double)(r > c ? r : c)));
    for (int block = 0; block < blocks; block++) {
#pragma omp parallel for num_threads(m->threads) schedule(static)
        for (int i = 0; i < r; i++)
            for (int j = 0; j < c; j++) {
                size_t at = (size_t)i * (size_t)t->cols + (size_t)(block * c + j);
                float *moment = moments + at, gi = g[at] * clip;
                *moment = mu * *moment + gi;
                X[(size_t)i * (size_t)c + (size_t)j] = gi + mu * *moment;      /* Nesterov */
            }
        orthogonalize(m, X, Y, A, A2, r, c);
#pragma omp parallel for num_threads(m->threads) schedule(static)
        for (int i = 0; i < r; i++) {
            float *row = w + (size_t)i * (size_t)t->cols + (size_t)(block * c);
            m->k->scale(row, decay, (size_t)c);
            m->k->add_scaled(row, -step, X + (size_t)i * (size_t)c, (size_t)c);
        }
    }
}

void optimizer_update_span(optimizer *o, size_t i, const optim_step *step) {
    const share_span *span = &o->share.spans[i];
    if (span->tensor >= 0) muon_span(o, span, step);
    else adamw_span(o, span, step);
    o->m->grad_stale = true;
    /* Padding rows behind the vocabulary get gradients of exactly 0 from the head; nothing moves them. */
}

void optimizer_update(optimizer *o, int part, const optim_step *step) {
    for (size_t i = 0; i < o->share.n_spans; i++)
        if (o->share.spans[i].part == part) optimizer_update_span(o, i, step);
}

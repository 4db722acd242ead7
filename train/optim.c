/* optim.c - see optim.h. A part is a list of tensors, a tensor a list of pieces of PIECE numbers; a
 * thread takes pieces. Muon: momentum, then five Newton-Schulz steps that replace the singular values
 * of the update by about 1, then the root-mean-square of an AdamW update (0.2, Liu et al. 2025), so
 * that one learning rate serves both. c_attn is three matrices side by side. */
#include "train/optim.h"

#include <math.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

enum { PIECE = 1 << 15 };

size_t optimizer_bytes(const gpt_shape *shape, const optim_settings *set) {
    gpt_layout at = gpt_layout_of(shape);
    size_t C = (size_t)shape->n_embd, each = at.total_floats * (set->bf16 ? 2 : 4);
    size_t layers = (size_t)shape->n_layer * at.layer_floats * (set->bf16 ? 2 : 4);
    /* Muon never touches the second moments of the layers' matrices: their pages stay away. */
    return set->kind == OPTIM_MUON ? 2 * each - layers + (4 * C * C * 2 + 2 * C * C) * sizeof(float) : 2 * each;
}

int optimizer_init(optimizer *o, gpt *m, const optim_settings *set, wt_err *err) {
    size_t C = (size_t)m->shape.n_embd;
    *o = (optimizer){.m = m, .set = *set, .moment_bytes = m->at.total_floats * (set->bf16 ? 2 : 4)};
    o->mean = wt_big_alloc(o->moment_bytes, "the optimizer's first moments", err);
    o->var = o->mean ? wt_big_alloc(o->moment_bytes, "the optimizer's second moments", err) : NULL;
    if (o->var && set->kind == OPTIM_MUON) {
        o->work_bytes = (2 * 4 * C * C + 2 * C * C) * sizeof(float);
        o->work = wt_big_alloc(o->work_bytes, "Muon's matrices", err);
    }
    if (!o->var || (o->work_bytes && !o->work)) {
        optimizer_reset(o);
        return -1;
    }
    return 0;
}

void optimizer_reset(optimizer *o) {
    if (o->mean) wt_big_free(o->mean, o->moment_bytes);
    if (o->var) wt_big_free(o->var, o->moment_bytes);
    if (o->work) wt_big_free(o->work, o->work_bytes);
    *o = (optimizer){0};
}

static bool in_part(const gpt *m, int i, int part) { return gpt_tensor_describe(m, i).layer == part; }

/* Gradients of a tensor: with fused updates all layers share one place. */
static float *grad_of(const gpt *m, const gpt_tensor_info *t) {
    if (t->layer >= 0) return gpt_grad_layer(m, t->layer) + (t->offset - m->at.layers - (size_t)t->layer * m->at.layer_floats);
    return t->offset < m->at.layers ? m->grad + t->offset : gpt_grad_final(m) + (t->offset - m->at.lnf_w);
}

double optimizer_grad_squares(const gpt *m, int part) {
    double total = 0;
    int first = part < 0 ? 0 : 2 + part * LAYER_TENSORS, end = part < 0 ? gpt_tensor_count(m) : first + LAYER_TENSORS;
    for (int i = first; i < end; i++) {
        if (!in_part(m, i, part)) continue;
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        const float *g = grad_of(m, &t);
        size_t n = (size_t)t.rows * (size_t)t.cols, pieces = (n + PIECE - 1) / PIECE;
        double *sums = wt_xcalloc(pieces, sizeof *sums);
#pragma omp parallel for num_threads(m->threads) schedule(static) if (pieces > 4)
        for (size_t p = 0; p < pieces; p++) sums[p] = m->k->sum_squares(g + p * PIECE, n - p * PIECE < PIECE ? n - p * PIECE : PIECE);
        for (size_t p = 0; p < pieces; p++) total += sums[p];
        free(sums);
    }
    return total;
}

static void adamw_tensor(optimizer *o, const gpt_tensor_info *t, const optim_step *s) {
    gpt *m = o->m;
    float *w = m->w + t->offset, *g = grad_of(m, t);
    size_t n = (size_t)t->rows * (size_t)t->cols, pieces = (n + PIECE - 1) / PIECE;
    adamw_scalars x = {.beta1 = (float)o->set.beta1, .beta2 = (float)s->beta2, .epsilon = (float)o->set.epsilon,
                       .step_size = (float)(s->learning_rate / (1 - pow(o->set.beta1, (double)s->step))),
                       .root_scale = (float)(1 / sqrt(1 - pow(s->beta2, (double)s->step))),
                       .decay = (float)(1 - s->learning_rate * (t->decays ? o->set.weight_decay : 0)),
                       .grad_scale = (float)s->grad_scale};
#pragma omp parallel for num_threads(m->threads) schedule(static) if (pieces > 4)
    for (size_t p = 0; p < pieces; p++) {
        size_t at = p * PIECE, k = n - at < PIECE ? n - at : PIECE, all = t->offset + at;
        if (o->set.bf16)
            m->k->adamw_bf16(w + at, (uint16_t *)o->mean + all, (uint16_t *)o->var + all, g + at, &x, wt_mix64(s->step * 0x9e3779b97f4a7c15u + all), k);
        else
            m->k->adamw(w + at, (float *)o->mean + all, (float *)o->var + all, g + at, &x, k);
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
    for (size_t i = 0; i < n; i += PIECE) squares += m->k->sum_squares(X + i, n - i < PIECE ? n - i : PIECE);
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

static void muon_tensor(optimizer *o, const gpt_tensor_info *t, const optim_step *s) {
    gpt *m = o->m;
    int C = m->shape.n_embd, blocks = t->cols == 3 * C ? 3 : 1, r = t->rows, c = t->cols / blocks;
    float *w = m->w + t->offset, *g = grad_of(m, t), *X = o->work, *Y = X + 4 * (size_t)C * C, *A = Y + 4 * (size_t)C * C, *A2 = A + (size_t)C * C;
    float mu = (float)o->set.muon_momentum, clip = (float)s->grad_scale, decay = (float)(1 - s->learning_rate * o->set.weight_decay);
    float step = (float)(s->learning_rate * 0.2 * sqrt((double)(r > c ? r : c)));
    for (int block = 0; block < blocks; block++) {
#pragma omp parallel for num_threads(m->threads) schedule(static)
        for (int i = 0; i < r; i++)
            for (int j = 0; j < c; j++) {
                size_t at = (size_t)i * (size_t)t->cols + (size_t)(block * c + j);
                float *moment = (float *)o->mean + t->offset + at, gi = g[at] * clip;
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

void optimizer_update(optimizer *o, int part, const optim_step *step) {
    const gpt *m = o->m;
    int first = part < 0 ? 0 : 2 + part * LAYER_TENSORS, end = part < 0 ? gpt_tensor_count(m) : first + LAYER_TENSORS;
    for (int i = first; i < end; i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        if (t.layer != part) continue;
        if (o->set.kind == OPTIM_MUON && t.layer >= 0 && t.rows > 1) muon_tensor(o, &t, step);
        else adamw_tensor(o, &t, step);
    }
    o->m->grad_stale = true;
    /* Padding rows behind the vocabulary get gradients of exactly 0 from the head; nothing moves them. */
}

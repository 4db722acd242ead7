/* pass.c - one forward pass over B windows of T tokens, and the backward pass behind it.
 *
 * Kept of each layer for the backward pass (10 C floats a token): its input x, qkv, the attention's
 * output, the stream after it (x2) and the hidden layer before gelu. The norms' and gelu's outputs
 * are computed again where they are needed, for less than it costs to fetch them. Of the first
 * `again` layers only x is kept (C floats) and their forward pass runs again before their
 * backward pass; they share the memory of the one behind them. The head and the loss go in chunks of rows: logits become their own gradient in
 * place, and B*T x V never exists.
 *
 * Sums over rows (biases, norms, loss) are cut into fixed blocks that do not depend on the number of
 * threads, so the bits do not either.   N = B * T rows everywhere. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "common/memory.h"
#include "train/model.h"

enum { HEAD_ROWS = 512, NORM_ROWS = 64 };
#define TOGETHER ((size_t)1 << 15)           /* numbers that are worth waking the team */

/* Kept activations of one layer. */
typedef struct {
    float *qkv, *att, *x2, *fc;              /* (N,3C) (N,C) (N,C) (N,4C) */
    float *lse;                              /* (B,H,T) */
    float *mean1, *rstd1, *mean2, *rstd2;    /* (N) */
} layer_acts;

struct gpt_scratch {
    float *memory;
    size_t bytes;
    int B, T;
    bool backward;
    int again;
    float *x;                                /* (L+1, N, C), or (2, N, C) without a backward pass */
    float *acts;                             /* sets of layer activations */
    size_t acts_floats;                      /* one set */
    int n_sets;
    float *norm, *wide, *dx, *dnorm;         /* (N,C) (N,4C) (N,C) (N,C) */
    float *mean_f, *rstd_f;                  /* (N) */
    float *scores;                           /* attention blocks of all threads */
    float *logits;                           /* (HEAD_ROWS, Vp) */
    float *sums;                             /* partial sums of the norms: blocks x 2C */
    double *losses;                          /* (N) */
};

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
static int min_int(int a, int b) { return a < b ? a : b; }

/* Lays the arrays out; with memory NULL only counts. */
static size_t scratch_place(gpt_scratch *s, const gpt_shape *shape, int threads) {
    size_t C = (size_t)shape->n_embd, L = (size_t)shape->n_layer, N = (size_t)s->B * (size_t)s->T;
    size_t NC = round_up(N * C, 64), Nr = round_up(N, 64), used = 0, Vp = round_up((size_t)shape->vocab, 64);
    float *base = s->memory;
#define TAKE(field, floats) (s->field = base ? base + used : NULL, used += round_up((floats), 64))
    s->acts_floats = 9 * NC + round_up(N * (size_t)shape->n_head, 64) + 4 * Nr;
    s->n_sets = s->backward ? (int)L - s->again : 1;
    TAKE(x, NC * (s->backward ? L + 1 : 2));
    TAKE(acts, s->acts_floats * (size_t)s->n_sets);
    TAKE(norm, NC);
    TAKE(wide, 4 * NC);
    TAKE(mean_f, N);
    TAKE(rstd_f, N);
    TAKE(scores, (size_t)threads * attention_scratch_floats(s->T, shape->n_embd / shape->n_head, s->backward));
    TAKE(logits, (N < HEAD_ROWS ? N : HEAD_ROWS) * Vp);
    s->losses = base ? (double *)(void *)(base + used) : NULL, used += round_up(2 * N, 64);
    if (s->backward) {
        TAKE(dx, NC);
        TAKE(dnorm, NC);
        TAKE(sums, (N / NORM_ROWS + 1) * 2 * C);
    }
#undef TAKE
    return used * sizeof(float);
}

size_t gpt_scratch_bytes(const gpt_shape *shape, int B, int T, bool backward, int again, int threads) {
    gpt_scratch s = {.B = B, .T = T, .backward = backward, .again = again};
    return scratch_place(&s, shape, threads);
}

void gpt_scratch_free(gpt_scratch *s) {
    if (!s) return;
    if (s->memory) wt_big_free(s->memory, s->bytes);
    free(s);
}

/* The scratch at hand, laid out anew for this pass, or a larger one. */
static gpt_scratch *scratch_for(gpt *m, const gpt_pass *p, wt_err *err) {
    gpt_scratch *s = m->scratch;
    if (s && s->B == p->B && s->T == p->T && s->backward >= p->backward && s->again == p->again) return s;
    gpt_scratch want = {.B = p->B, .T = p->T, .backward = p->backward, .again = p->again};
    size_t bytes = scratch_place(&want, &m->shape, m->threads);
    if (!s || s->bytes < bytes) {
        gpt_scratch_free(s);
        s = m->scratch = NULL;
        want.memory = wt_big_alloc(bytes, "activations", err);
        if (!want.memory) return NULL;
        want.bytes = bytes;
        s = m->scratch = wt_xmalloc(sizeof *s);
        *s = want;
    }
    s->B = p->B, s->T = p->T, s->backward = p->backward, s->again = p->again;
    scratch_place(s, &m->shape, m->threads);
    return s;
}

int gpt_scratch_reserve(gpt *m, const gpt_pass *p, wt_err *err) { return scratch_for(m, p, err) ? 0 : -1; }

void *gpt_scratch_lend(const gpt *m, size_t bytes) { return m->scratch && m->scratch->bytes >= bytes ? m->scratch->memory : NULL; }

static layer_acts acts_of(const gpt_scratch *s, const gpt_shape *shape, int l) {
    size_t N = (size_t)s->B * (size_t)s->T, NC = round_up(N * (size_t)shape->n_embd, 64), Nr = round_up(N, 64);
    float *p = s->acts + (size_t)(s->backward && l > s->again ? l - s->again : 0) * s->acts_floats;
    layer_acts a = {.qkv = p, .att = p + 3 * NC, .x2 = p + 4 * NC, .fc = p + 5 * NC, .mean1 = p + 9 * NC};
    a.rstd1 = a.mean1 + Nr, a.mean2 = a.rstd1 + Nr, a.rstd2 = a.mean2 + Nr, a.lse = a.rstd2 + Nr;
    return a;
}

static float *stream_at(const gpt_scratch *s, const gpt_shape *shape, int l) {
    size_t NC = round_up((size_t)s->B * (size_t)s->T * (size_t)shape->n_embd, 64);
    return s->x + (s->backward ? (size_t)l : (size_t)(l & 1)) * NC;
}

/* ---- pieces over all rows ---- */
static void norm_forward(const gpt *m, float *out, float *mean, float *rstd, const float *x, const float *w,
                         const float *b, int N) {
    size_t C = (size_t)m->shape.n_embd;
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)N * C > TOGETHER)
    for (int i = 0; i < N; i++)
        m->k->layernorm(out + (size_t)i * C, mean + i, rstd + i, x + (size_t)i * C, w, b, m->shape.ln_eps, C);
}

static void norm_again(const gpt *m, float *out, const float *mean, const float *rstd, const float *x, const float *w,
                       const float *b, int N) {
    size_t C = (size_t)m->shape.n_embd;
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)N * C > TOGETHER)
    for (int i = 0; i < N; i++) m->k->normalized(out + (size_t)i * C, x + (size_t)i * C, w, b, mean[i], rstd[i], C);
}

static void norm_backward(const gpt *m, float *dx, float *dw, float *db, const float *dout, const float *x,
                          const float *w, const float *mean, const float *rstd, float *sums, int N) {
    size_t C = (size_t)m->shape.n_embd;
    int blocks = (N + NORM_ROWS - 1) / NORM_ROWS;
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)N * C > TOGETHER)
    for (int block = 0; block < blocks; block++) {
        float *part = sums + (size_t)block * 2 * C;
        memset(part, 0, 2 * C * sizeof *part);
        for (int i = block * NORM_ROWS; i < min_int(N, (block + 1) * NORM_ROWS); i++)
            m->k->layernorm_grad(dx + (size_t)i * C, part, part + C, dout + (size_t)i * C, x + (size_t)i * C, w,
                                 mean[i], rstd[i], C);
    }
    for (int block = 0; block < blocks; block++) {
        m->k->add(dw, sums + (size_t)block * 2 * C, C);
        m->k->add(db, sums + (size_t)block * 2 * C + C, C);
    }
}

/* out[j] += sum of x[:,j]; a thread owns columns. */
static void add_column_sums(const gpt *m, float *out, const float *x, int N, size_t n) {
    enum { STRIP = 128 };
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)N * n > TOGETHER)
    for (size_t j = 0; j < n; j += STRIP)
        for (int i = 0; i < N; i++) m->k->add(out + j, x + (size_t)i * n + j, n - j < STRIP ? n - j : STRIP);
}

/* out (N,n) = in (N,k) w (k,n), then the finish. */
static void forward_product(const gpt *m, int N, int n, int k, const float *in, const float *w, float *out,
                            gemm_epilogue finish) {
    gemm_run(m->team, &(gemm_call){.M = N, .N = n, .K = k, .A = in, .B = w, .C = out, .lda = (size_t)k,
                                   .ldb = (size_t)n, .ldc = (size_t)n, .finish = finish});
}
/* din (N,k) = dout (N,n) w^T. */
static void input_gradient(const gpt *m, int N, int n, int k, const float *dout, const float *w, float *din,
                           gemm_epilogue finish) {
    gemm_run(m->team, &(gemm_call){.trans_b = true, .M = N, .N = k, .K = n, .A = dout, .B = w, .C = din,
                                   .lda = (size_t)n, .ldb = (size_t)n, .ldc = (size_t)k, .finish = finish});
}
/* dw (k,n) += in^T dout. */
static void weight_gradient(const gpt *m, int N, int n, int k, const float *in, const float *dout, float *dw, bool add) {
    gemm_run(m->team, &(gemm_call){.trans_a = true, .M = k, .N = n, .K = N, .A = in, .B = dout, .C = dw,
                                   .lda = (size_t)k, .ldb = (size_t)n, .ldc = (size_t)n, .accumulate = add});
}

/* ---- embedding ---- */
static void embed(const gpt *m, float *x, const uint32_t *tokens, int B, int T) {
    size_t C = (size_t)m->shape.n_embd;
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)B * (size_t)T * C > TOGETHER)
    for (int i = 0; i < B * T; i++) {
        memcpy(x + (size_t)i * C, m->w + m->at.wpe + (size_t)(i % T) * C, C * sizeof(float));
        m->k->add(x + (size_t)i * C, m->w + m->at.wte + (size_t)tokens[i] * C, C);
    }
}

static void embed_backward(const gpt *m, const float *dx, const uint32_t *tokens, int B, int T) {
    enum { STRIP = 64 };
    size_t C = (size_t)m->shape.n_embd;
    float *dwte = m->grad + m->at.wte, *dwpe = m->grad + m->at.wpe;
#pragma omp parallel for num_threads(m->threads) schedule(static) if ((size_t)B * (size_t)T * C > TOGETHER)
    for (size_t j = 0; j < C; j += STRIP) {
        size_t n = C - j < STRIP ? C - j : STRIP;
        for (int i = 0; i < B * T; i++) {
            m->k->add(dwte + (size_t)tokens[i] * C + j, dx + (size_t)i * C + j, n);
            m->k->add(dwpe + (size_t)(i % T) * C + j, dx + (size_t)i * C + j, n);
        }
    }
}

/* ---- one layer ---- */
static void layer_forward(const gpt *m, gpt_scratch *s, int l, const int32_t *key_start) {
    int N = s->B * s->T, C = m->shape.n_embd;
    gpt_layer w = gpt_weights_of(m, l);
    layer_acts a = acts_of(s, &m->shape, l);
    float *x = stream_at(s, &m->shape, l), *next = stream_at(s, &m->shape, l + 1);
    size_t ld = (size_t)C;
    norm_forward(m, s->norm, a.mean1, a.rstd1, x, w.ln1_w, w.ln1_b, N);
    forward_product(m, N, 3 * C, C, s->norm, w.qkv_w, a.qkv, (gemm_epilogue){.op = GEMM_BIAS, .bias = w.qkv_b});
    attention_forward(m->team, m->k, a.qkv, a.att, a.lse, s->scores, key_start, s->B, s->T, C, m->shape.n_head);
    forward_product(m, N, C, C, a.att, w.att_w, a.x2,
                    (gemm_epilogue){.op = GEMM_BIAS_ADD, .bias = w.att_b, .aux = x, .ld_aux = ld});
    norm_forward(m, s->norm, a.mean2, a.rstd2, a.x2, w.ln2_w, w.ln2_b, N);
    forward_product(m, N, 4 * C, C, s->norm, w.fc_w, a.fc,
                    (gemm_epilogue){.op = GEMM_BIAS_GELU, .bias = w.fc_b, .aux = s->wide, .ld_aux = 4 * ld});
    forward_product(m, N, C, 4 * C, s->wide, w.out_w, next,
                    (gemm_epilogue){.op = GEMM_BIAS_ADD, .bias = w.out_b, .aux = a.x2, .ld_aux = ld});
}

static void zero_vectors(const gpt *m, const gpt_layer *g) {
    float *const of_c[] = {g->ln1_w, g->ln1_b, g->att_b, g->ln2_w, g->ln2_b, g->out_b};
    size_t C = (size_t)m->shape.n_embd;
    for (size_t i = 0; i < sizeof of_c / sizeof *of_c; i++) memset(of_c[i], 0, C * sizeof(float));
    memset(g->qkv_b, 0, 3 * C * sizeof(float)), memset(g->fc_b, 0, 4 * C * sizeof(float));
}

/* add: to the gradients there; else they are stale, and are overwritten. */
static void layer_backward(const gpt *m, gpt_scratch *s, int l, const int32_t *key_start, bool add) {
    int N = s->B * s->T, C = m->shape.n_embd;
    gpt_layer w = gpt_weights_of(m, l), g = gpt_layer_at(&m->at, gpt_grad_layer(m, l));
    layer_acts a = acts_of(s, &m->shape, l);
    float *x = stream_at(s, &m->shape, l), *dx = s->dx, *hidden = a.fc, *dhidden = s->wide, *dqkv = s->wide;
    size_t ld = (size_t)C;
    gemm_epilogue plain = {GEMM_PLAIN};

    if (!add) zero_vectors(m, &g);
    add_column_sums(m, g.out_b, dx, N, ld);
    input_gradient(m, N, C, 4 * C, dx, w.out_w, dhidden,
                   (gemm_epilogue){.op = GEMM_GELU_GRAD, .aux = hidden, .ld_aux = 4 * ld});       /* after gelu from here on */
    weight_gradient(m, N, C, 4 * C, hidden, dx, g.out_w, add);
    add_column_sums(m, g.fc_b, dhidden, N, 4 * ld);
    norm_again(m, s->norm, a.mean2, a.rstd2, a.x2, w.ln2_w, w.ln2_b, N);
    weight_gradient(m, N, 4 * C, C, s->norm, dhidden, g.fc_w, add);
    input_gradient(m, N, 4 * C, C, dhidden, w.fc_w, s->dnorm, plain);
    norm_backward(m, dx, g.ln2_w, g.ln2_b, s->dnorm, a.x2, w.ln2_w, a.mean2, a.rstd2, s->sums, N);

    add_column_sums(m, g.att_b, dx, N, ld);
    weight_gradient(m, N, C, C, a.att, dx, g.att_w, add);
    input_gradient(m, N, C, C, dx, w.att_w, s->dnorm, plain);
    attention_backward(m->team, m->k, a.qkv, a.att, a.lse, s->dnorm, dqkv, s->scores, key_start, s->B, s->T, C,
                       m->shape.n_head);
    add_column_sums(m, g.qkv_b, dqkv, N, 3 * ld);
    norm_again(m, s->norm, a.mean1, a.rstd1, x, w.ln1_w, w.ln1_b, N);
    weight_gradient(m, N, 3 * C, C, s->norm, dqkv, g.qkv_w, add);
    input_gradient(m, N, 3 * C, C, dqkv, w.qkv_w, s->dnorm, plain);
    norm_backward(m, dx, g.ln1_w, g.ln1_b, s->dnorm, x, w.ln1_w, a.mean1, a.rstd1, s->sums, N);
}

/* ---- head and loss ---- */
/* One row of logits: loss, log-probability, best id; leaves its gradient times `weight` in place. */
static double loss_row(const gpt *m, float *z, uint32_t target, float weight, bool backward) {
    size_t V = (size_t)m->shape.vocab, Vp = (size_t)m->at.Vp;
    if (target == GPT_IGNORE) {
        if (backward) memset(z, 0, Vp * sizeof *z);
        return 0;
    }
    float max = m->k->max(z, V), wanted = z[target];
    float sum = m->k->exp_scaled(z, 1, max, V);
    if (backward) {
        m->k->scale(z, weight / sum, V);
        z[target] -= weight;
        memset(z + V, 0, (Vp - V) * sizeof *z);
    }
    return (double)max - (double)wanted + log((double)sum);
}

static uint32_t best_of(const float *z, size_t n) {
    size_t best = 0;
    for (size_t j = 1; j < n; j++)
        if (z[j] > z[best]) best = j;
    return (uint32_t)best;
}

static void head_chunk(const gpt *m, gpt_scratch *s, const gpt_pass *p, int first, int rows, float weight,
                       const float *norm, float *dnorm, bool add) {
    size_t C = (size_t)m->shape.n_embd, V = (size_t)m->shape.vocab, Vp = (size_t)m->at.Vp;
    const float *wte = m->w + m->at.wte, *in = norm + (size_t)first * C;
    gemm_run(m->team, &(gemm_call){.trans_b = true, .M = rows, .N = (int)Vp, .K = (int)C, .A = in, .B = wte,
                                   .C = s->logits, .lda = C, .ldb = C, .ldc = Vp});
#pragma omp parallel for num_threads(m->threads) schedule(dynamic) if ((size_t)rows * V > TOGETHER)
    for (int r = 0; r < rows; r++) {
        float *z = s->logits + (size_t)r * Vp;
        int i = first + r;
        uint32_t target = p->targets ? p->targets[i] : GPT_IGNORE;
        if (p->logits) memcpy(p->logits + (size_t)i * V, z, V * sizeof *z);
        if (p->best) p->best[i] = target == GPT_IGNORE ? GPT_IGNORE : best_of(z, V);
        s->losses[i] = loss_row(m, z, target, weight, p->backward);
        if (p->logprob) p->logprob[i] = (float)-s->losses[i];
    }
    if (!p->backward) return;
    gemm_run(m->team, &(gemm_call){.M = rows, .N = (int)C, .K = (int)Vp, .A = s->logits, .B = wte,
                                   .C = dnorm + (size_t)first * C, .lda = Vp, .ldb = C, .ldc = C});
    gemm_run(m->team, &(gemm_call){.trans_a = true, .M = (int)Vp, .N = (int)C, .K = rows, .A = s->logits, .B = in,
                                   .C = m->grad + m->at.wte, .lda = Vp, .ldb = C, .ldc = C, .accumulate = add});
}

static double head(const gpt *m, gpt_scratch *s, const gpt_pass *p, bool add) {
    int N = p->B * p->T, asked = 0;
    const float *x = stream_at(s, &m->shape, m->shape.n_layer);
    norm_forward(m, s->norm, s->mean_f, s->rstd_f, x, m->w + m->at.lnf_w, m->w + m->at.lnf_b, N);
    for (int i = 0; i < N; i++) asked += p->targets && p->targets[i] != GPT_IGNORE;
    float weight = asked ? p->weight / (float)asked : 0;
    for (int i = 0; i < N; i += HEAD_ROWS) head_chunk(m, s, p, i, min_int(HEAD_ROWS, N - i), weight, s->norm, s->dnorm, add || i > 0);
    double loss = 0;
    for (int i = 0; i < N; i++) loss += s->losses[i];
    return asked ? loss / asked : 0;
}

static int check_pass(const gpt *m, const gpt_pass *p, wt_err *err) {
    if (p->B < 1 || p->T < 1 || p->T > m->shape.n_ctx)
        return wt_fail(err, WT_EARG, "%d windows of %d tokens: the model's context is %d", p->B, p->T, m->shape.n_ctx);
    if ((double)p->B * p->T > 1 << 28) return wt_fail(err, WT_EARG, "%d windows of %d tokens are too many for one pass", p->B, p->T);
    for (int i = 0; i < p->B * p->T; i++) {
        uint32_t t = p->tokens[i], y = p->targets ? p->targets[i] : GPT_IGNORE;
        if (t >= (uint32_t)m->shape.vocab || (y != GPT_IGNORE && y >= (uint32_t)m->shape.vocab))
            return wt_fail(err, WT_EARG, "token %u at position %d is not below the vocabulary of %d", t >= (uint32_t)m->shape.vocab ? t : y, i, m->shape.vocab);
    }
    return 0;
}

int gpt_pass_run(gpt *m, const gpt_pass *p, double *loss, wt_err *err) {
    if (check_pass(m, p, err)) return -1;
    gpt_scratch *s = scratch_for(m, p, err);
    if (!s) return -1;
    int L = m->shape.n_layer, N = p->B * p->T, C = m->shape.n_embd;
    if (p->part_wanted) p->part_wanted(p, -1);
    embed(m, stream_at(s, &m->shape, 0), p->tokens, p->B, p->T);
    for (int l = 0; l < L; l++) {
        if (p->part_wanted) p->part_wanted(p, l);
        layer_forward(m, s, l, p->key_start);
    }
    if (p->part_wanted) p->part_wanted(p, L);
    bool add = !m->grad_stale;      /* once: a fused update makes them stale again while this pass runs */
    double mean_loss = head(m, s, p, add);
    if (loss) *loss = mean_loss;
    if (!p->backward) return 0;

    float *dlnf_w = gpt_grad_final(m), *dlnf_b = dlnf_w + (m->at.lnf_b - m->at.lnf_w);
    m->grad_stale = false;
    if (!add) {
        memset(m->grad + m->at.wpe, 0, (size_t)m->shape.n_ctx * (size_t)C * sizeof(float));
        memset(dlnf_w, 0, (size_t)C * sizeof(float)), memset(dlnf_b, 0, (size_t)C * sizeof(float));
    }
    memset(s->dx, 0, (size_t)N * (size_t)C * sizeof *s->dx);
    norm_backward(m, s->dx, dlnf_w, dlnf_b, s->dnorm, stream_at(s, &m->shape, L), m->w + m->at.lnf_w, s->mean_f,
                  s->rstd_f, s->sums, N);
    for (int l = L - 1; l >= 0; l--) {
        if (l < s->again) layer_forward(m, s, l, p->key_start);
        layer_backward(m, s, l, p->key_start, add && m->grad_layer_stride);      /* layers that share a place overwrite */
        if (p->part_done) p->part_done(p->ctx, l);
    }
    embed_backward(m, s->dx, p->tokens, p->B, p->T);
    if (p->part_done) p->part_done(p->ctx, -1);
    return 0;
}

/* ---- the public verbs ---- */
int gpt_grad_add(gpt *m, const uint32_t *tokens, const uint32_t *targets, int B, int T, float weight, double *loss,
                 wt_err *err) {
    if (gpt_grad_alloc(m, false, err)) return -1;
    return gpt_pass_run(m, &(gpt_pass){.B = B, .T = T, .tokens = tokens, .targets = targets, .backward = true, .weight = weight},
                        loss, err);
}
int gpt_score(gpt *m, const uint32_t *tokens, int B, int T, const uint32_t *targets, float *logprob, uint32_t *best,
              wt_err *err) {
    return gpt_pass_run(m, &(gpt_pass){.B = B, .T = T, .tokens = tokens, .targets = targets, .logprob = logprob, .best = best},
                        NULL, err);
}
int gpt_logits(gpt *m, const uint32_t *tokens, int B, int T, float *logits, wt_err *err) {
    return gpt_pass_run(m, &(gpt_pass){.B = B, .T = T, .tokens = tokens, .logits = logits}, NULL, err);
}

/* attention.c - causal attention in row blocks (Dao et al. 2022 without the GPU): ATTENTION_ROWS
 * queries against all keys up to the last of them, so that the scores of a block stay in the second
 * cache and T x T never exists. Of the forward pass only the logarithm of each row's sum (lse) is
 * kept; the backward pass computes the scores again:
 *     S = scale Q K^T    P = exp(S - lse)    O = P V
 *     dV = P^T dO    dP = dO V^T    dS = P * (dP - rowsum(dO * O))    dQ = scale dS K    dK = scale dS^T Q
 * key_start gives each query its first visible key (its document's start): keys before it are cut.
 * One (b,h) belongs to one thread, so sums have one order. Memory O(T), time 2 T^2 D (1 + 2.5). */
#include <math.h>
#include <omp.h>

#include "train/model.h"

typedef struct {
    gemm_team *team;
    const kernels *k;
    int T, C, D, t;           /* D: channels of a head; t: this thread */
    float scale;
    const int32_t *key_start; /* of this window, or NULL */
} head_ctx;

/* out (m,n) = or += op(A) op(B), of one head. */
static void product(const head_ctx *x, bool ta, bool tb, int M, int N, int K, const float *A, int lda, const float *B,
                    int ldb, float *out, int ldc, bool accumulate) {
    gemm_run_alone(x->team, x->t, &(gemm_call){.trans_a = ta, .trans_b = tb, .M = M, .N = N, .K = K, .A = A, .B = B,
                                               .C = out, .lda = (size_t)lda, .ldb = (size_t)ldb, .ldc = (size_t)ldc,
                                               .accumulate = accumulate});
}

static int first_key(const head_ctx *x, int i) { return x->key_start ? x->key_start[i] : 0; }

/* Row i of the block's scores, for keys from..to-1: softmax in place; keys outside become 0. */
static float softmax_row(const head_ctx *x, float *s, int i, int from, int to) {
    int a = first_key(x, i) - from, e = i + 1 - from, n = to - from;
    float max = x->k->max(s + a, (size_t)(e - a)) * x->scale;
    float sum = x->k->exp_scaled(s + a, x->scale, max, (size_t)(e - a));
    x->k->scale(s + a, 1 / sum, (size_t)(e - a));
    memset(s, 0, (size_t)a * sizeof *s);
    memset(s + e, 0, (size_t)(n - e) * sizeof *s);
    return max + logf(sum);
}

static void head_forward(const head_ctx *x, const float *q, float *out, float *lse, float *S) {
    const float *key = q + x->C, *value = q + 2 * x->C;
    int ld = 3 * x->C;
    for (int i = 0; i < x->T; i += ATTENTION_ROWS) {
        int m = x->T - i < ATTENTION_ROWS ? x->T - i : ATTENTION_ROWS, from = first_key(x, i), n = i + m - from;
        product(x, false, true, m, n, x->D, q + (size_t)i * ld, ld, key + (size_t)from * ld, ld, S, n, false);
        for (int r = 0; r < m; r++) lse[i + r] = softmax_row(x, S + (size_t)r * n, i + r, from, i + m);
        product(x, false, false, m, x->D, n, S, n, value + (size_t)from * ld, ld, out + (size_t)i * x->C, x->C, false);
    }
}

static void head_backward(const head_ctx *x, const float *q, const float *out, const float *lse, const float *dout,
                          float *dq, float *P, float *dP) {
    const float *key = q + x->C, *value = q + 2 * x->C;
    float *dkey = dq + x->C, *dvalue = dq + 2 * x->C;
    int ld = 3 * x->C, C = x->C, D = x->D;
    for (int i = 0; i < x->T; i += ATTENTION_ROWS) {
        int m = x->T - i < ATTENTION_ROWS ? x->T - i : ATTENTION_ROWS, from = first_key(x, i), n = i + m - from;
        const float *qi = q + (size_t)i * ld, *doi = dout + (size_t)i * C;
        product(x, false, true, m, n, D, qi, ld, key + (size_t)from * ld, ld, P, n, false);
        product(x, false, true, m, n, D, doi, C, value + (size_t)from * ld, ld, dP, n, false);
        for (int r = 0; r < m; r++) {
            int a = first_key(x, i + r) - from, e = i + r + 1 - from;
            float *p = P + (size_t)r * n, *dp = dP + (size_t)r * n;
            float delta = x->k->dot(doi + (size_t)r * C, out + (size_t)(i + r) * C, (size_t)D);
            x->k->attention_grad_row(p + a, dp + a, x->scale, lse[i + r], delta, (size_t)(e - a));
            memset(p, 0, (size_t)a * sizeof *p), memset(p + e, 0, (size_t)(n - e) * sizeof *p);
            memset(dp, 0, (size_t)a * sizeof *dp), memset(dp + e, 0, (size_t)(n - e) * sizeof *dp);
        }
        /* Keys before this block were set by earlier blocks: add. The block's own keys are new: set. */
        if (i > from) {
            product(x, true, false, i - from, D, m, P, n, doi, C, dvalue + (size_t)from * ld, ld, true);
            product(x, true, false, i - from, D, m, dP, n, qi, ld, dkey + (size_t)from * ld, ld, true);
        }
        product(x, true, false, m, D, m, P + (i - from), n, doi, C, dvalue + (size_t)i * ld, ld, false);
        product(x, true, false, m, D, m, dP + (i - from), n, qi, ld, dkey + (size_t)i * ld, ld, false);
        product(x, false, false, m, D, n, dP, n, key + (size_t)from * ld, ld, dq + (size_t)i * ld, ld, false);
    }
}

static head_ctx context(gemm_team *team, const kernels *k, const int32_t *key_start, int b, int T, int C, int H) {
    return (head_ctx){team, k, T, C, C / H, omp_get_thread_num(), 1 / sqrtf((float)(C / H)),
                      key_start ? key_start + (size_t)b * T : NULL};
}

void attention_forward(gemm_team *team, const kernels *k, const float *qkv, float *out, float *lse, float *scratch,
                       const int32_t *key_start, int B, int T, int C, int H) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(gemm_team_threads(team)) if (B * T * C > 1 << 14)
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            head_ctx x = context(team, k, key_start, b, T, C, H);
            size_t head = (size_t)h * (size_t)x.D;
            head_forward(&x, qkv + (size_t)b * T * 3 * C + head, out + (size_t)b * T * C + head,
                         lse + ((size_t)b * H + h) * T, scratch + (size_t)x.t * ATTENTION_ROWS * T);
        }
}

void attention_backward(gemm_team *team, const kernels *k, const float *qkv, const float *out, const float *lse,
                        const float *dout, float *dqkv, float *scratch, const int32_t *key_start, int B, int T, int C,
                        int H) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(gemm_team_threads(team)) if (B * T * C > 1 << 14)
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            head_ctx x = context(team, k, key_start, b, T, C, H);
            size_t head = (size_t)h * (size_t)x.D, at3 = (size_t)b * T * 3 * C + head, at1 = (size_t)b * T * C + head;
            float *P = scratch + (size_t)x.t * 2 * ATTENTION_ROWS * T;
            head_backward(&x, qkv + at3, out + at1, lse + ((size_t)b * H + h) * T, dout + at1, dqkv + at3, P,
                          P + (size_t)ATTENTION_ROWS * T);
        }
}

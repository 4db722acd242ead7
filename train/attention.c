/* attention.c - causal attention in row blocks (Dao et al. 2022 without the GPU): ATTENTION_ROWS
 * queries against all keys up to the last of them, so that the scores of a block stay in the second
 * cache and T x T never exists. Of the forward pass only the logarithm of each row's sum (lse) is
 * kept; the backward pass computes the scores again:
 *     S = scale Q K^T    P = exp(S - lse)    O = P V
 *     dV = P^T dO    dP = dO V^T    dS = P * (dP - rowsum(dO * O))    dQ = scale dS K    dK = scale dS^T Q
 * key_start gives each query its first visible key (its document's start): keys before it are cut.
 * K and V are packed once a head for the tiles of the matrix product; P and dS go to their tiles a panel at a
 * time. Tiles above the diagonal are not computed, and sums over keys end (over queries: begin) at the diagonal:
 * a row's scores are 0 for the few keys behind it that share its tile. One (b,h) belongs to one thread, so sums
 * have one order. Memory O(T), time 2 T^2 D (1 + 2.5) / 2. */
#include <math.h>
#include <omp.h>

#include "train/model.h"

enum { DEPTH = 512, TILE_MAX = 64 };  /* keys of one packed panel; rows or columns of a tile, at the most */

typedef struct {
    const kernels *k;
    int T, C, D;              /* D: channels of a head */
    int ld;                   /* of a block's scores */
    float scale;
    const int32_t *key_start; /* of this window, or NULL */
    /* This thread's memory. S, dS: (ATTENTION_ROWS, ld). Packed: K^T and V^T (D,T), K or V (T,D), a panel of
     * left sides, the block's Q and dO as left and as right sides. */
    float *S, *dS, *key_t, *value_t, *by_key, *panel, *q_left, *do_left, *q_right, *do_right;
} head_ctx;

static int min_int(int a, int b) { return a < b ? a : b; }
static size_t padded(int n) { return ((size_t)n + TILE_MAX - 1) / TILE_MAX * TILE_MAX; }

/* Lays the arrays out in memory, or only counts. */
static size_t place(head_ctx *x, float *memory, bool backward) {
    size_t used = 0, scores = ATTENTION_ROWS * (padded(x->T) + TILE_MAX), keys = padded(x->T) * padded(x->D);
    size_t block = padded(ATTENTION_ROWS) * padded(x->D);
    x->ld = (int)padded(x->T) + TILE_MAX;
#define TAKE(field, floats) (x->field = memory ? memory + used : NULL, used += (floats))
    TAKE(S, scores);
    TAKE(key_t, keys);
    TAKE(by_key, keys);
    TAKE(panel, (size_t)TILE_MAX * DEPTH);
    TAKE(q_left, block);
    if (backward) {
        TAKE(dS, scores);
        TAKE(value_t, keys);
        TAKE(do_left, block);
        TAKE(q_right, block);
        TAKE(do_right, block);
    }
#undef TAKE
    return used;
}

size_t attention_scratch_floats(int T, int D, bool backward) { return place(&(head_ctx){.T = T, .D = D}, NULL, backward); }

static int first_key(const head_ctx *x, int i) { return x->key_start ? x->key_start[i] : 0; }

/* Scores of m queries from i on and the keys from .. i + m - 1, by tiles that reach below the diagonal. */
static void block_scores(const head_ctx *x, const float *left, const float *right, int i, int m, int from, float *S) {
    const kernels *k = x->k;
    for (int j = from; j < i + m; j += k->nr)
        for (int r = 0; r < m; r += k->mr)
            if (j < i + r + k->mr)
                k->gemm_tile((size_t)x->D, left + (size_t)r * (size_t)x->D, right + (size_t)j * (size_t)x->D,
                             S + (size_t)r * (size_t)x->ld + (j - from), (size_t)x->ld, min_int(k->mr, m - r), k->nr, false, NULL);
}

/* out (m,D) = S times rows `from` .. of the packed right side (T,D), each row up to its diagonal. */
static void sum_over_keys(const head_ctx *x, const float *S, const float *right, int i, int m, int from, float *out, int ldc) {
    const kernels *k = x->k;
    for (int r = 0; r < m; r += k->mr) {
        int rows = min_int(k->mr, m - r), end = i + r + rows - from;
        for (int p = 0; p < end; p += DEPTH) {
            int depth = min_int(DEPTH, end - p);
            k->pack_a(false, S + (size_t)r * (size_t)x->ld + p, (size_t)x->ld, rows, depth, x->panel);
            for (int j = 0; j < x->D; j += k->nr)
                k->gemm_tile((size_t)depth, x->panel, right + (size_t)j * (size_t)x->T + (size_t)(from + p) * (size_t)k->nr,
                             out + (size_t)r * (size_t)ldc + j, (size_t)ldc, rows, min_int(k->nr, x->D - j), p > 0, NULL);
        }
    }
}

/* out, rows `from` .. i + m - 1, += S^T times the block's packed right side (m,D), from the diagonal on. */
static void add_over_queries(const head_ctx *x, const float *S, const float *right, int i, int m, int from, float *out, int ldc) {
    const kernels *k = x->k;
    for (int key = from; key < i + m; key += k->mr) {
        int rows = min_int(k->mr, i + m - key), first = key > i ? key - i : 0;
        k->pack_a(true, S + (size_t)first * (size_t)x->ld + (key - from), (size_t)x->ld, rows, m - first, x->panel);
        for (int j = 0; j < x->D; j += k->nr)
            k->gemm_tile((size_t)(m - first), x->panel, right + (size_t)j * (size_t)m + (size_t)first * (size_t)k->nr,
                         out + (size_t)key * (size_t)ldc + j, (size_t)ldc, rows, min_int(k->nr, x->D - j), true, NULL);
    }
}

/* Zeros for the keys that row i does not see: those before its document, and as many behind it as a tile can hold. */
static void mask_row(const head_ctx *x, float *s, int i, int from) {
    memset(s, 0, (size_t)(first_key(x, i) - from) * sizeof *s);
    memset(s + (i + 1 - from), 0, (size_t)x->k->mr * sizeof *s);
}

/* First key of a block, down to the start of a tile. */
static int block_start(const head_ctx *x, int i) { return first_key(x, i) / x->k->nr * x->k->nr; }

static void head_forward(const head_ctx *x, const float *q, float *out, float *lse) {
    const kernels *k = x->k;
    size_t ld = 3 * (size_t)x->C, C = (size_t)x->C;
    k->pack_b(true, q + C, ld, x->D, x->T, x->key_t);
    k->pack_b(false, q + 2 * C, ld, x->T, x->D, x->by_key);
    for (int i = 0; i < x->T; i += ATTENTION_ROWS) {
        int m = min_int(ATTENTION_ROWS, x->T - i), from = block_start(x, i);
        float inverse[ATTENTION_ROWS];
        k->pack_a(false, q + (size_t)i * ld, ld, m, x->D, x->q_left);
        block_scores(x, x->q_left, x->key_t, i, m, from, x->S);
        for (int r = 0; r < m; r++) {
            float *row = x->S + (size_t)r * (size_t)x->ld, *s = row + (first_key(x, i + r) - from);
            size_t n = (size_t)(i + r + 1 - first_key(x, i + r));
            float max = k->max(s, n) * x->scale, sum = k->exp_scaled(s, x->scale, max, n);
            inverse[r] = 1 / sum, lse[i + r] = max + logf(sum);
            mask_row(x, row, i + r, from);
        }
        sum_over_keys(x, x->S, x->by_key, i, m, from, out + (size_t)i * C, x->C);
        for (int r = 0; r < m; r++) k->scale(out + (size_t)(i + r) * C, inverse[r], (size_t)x->D);
    }
}

static void head_backward(const head_ctx *x, const float *q, const float *out, const float *lse, const float *dout, float *dq) {
    const kernels *k = x->k;
    size_t ld = 3 * (size_t)x->C, C = (size_t)x->C, D = (size_t)x->D;
    float *dkey = dq + C, *dvalue = dq + 2 * C;
    k->pack_b(true, q + C, ld, x->D, x->T, x->key_t);
    k->pack_b(true, q + 2 * C, ld, x->D, x->T, x->value_t);
    k->pack_b(false, q + C, ld, x->T, x->D, x->by_key);
    for (int i = 0; i < x->T; i++) memset(dkey + (size_t)i * ld, 0, D * sizeof *dkey), memset(dvalue + (size_t)i * ld, 0, D * sizeof *dvalue);
    for (int i = 0; i < x->T; i += ATTENTION_ROWS) {
        int m = min_int(ATTENTION_ROWS, x->T - i), from = block_start(x, i);
        const float *qi = q + (size_t)i * ld, *doi = dout + (size_t)i * C;
        k->pack_a(false, qi, ld, m, x->D, x->q_left);
        k->pack_a(false, doi, C, m, x->D, x->do_left);
        k->pack_b(false, qi, ld, m, x->D, x->q_right);
        k->pack_b(false, doi, C, m, x->D, x->do_right);
        block_scores(x, x->q_left, x->key_t, i, m, from, x->S);
        block_scores(x, x->do_left, x->value_t, i, m, from, x->dS);
        for (int r = 0; r < m; r++) {
            float *p = x->S + (size_t)r * (size_t)x->ld, *dp = x->dS + (size_t)r * (size_t)x->ld;
            int first = first_key(x, i + r), a = first - from;
            float delta = k->dot(doi + (size_t)r * C, out + (size_t)(i + r) * C, D);
            k->attention_grad_row(p + a, dp + a, x->scale, lse[i + r], delta, (size_t)(i + r + 1 - first));
            mask_row(x, p, i + r, from), mask_row(x, dp, i + r, from);
        }
        add_over_queries(x, x->S, x->do_right, i, m, from, dvalue, 3 * x->C);
        add_over_queries(x, x->dS, x->q_right, i, m, from, dkey, 3 * x->C);
        sum_over_keys(x, x->dS, x->by_key, i, m, from, dq + (size_t)i * ld, 3 * x->C);
    }
}

static head_ctx context(const kernels *k, const int32_t *key_start, int b, int T, int C, int H, float *scratch, bool backward) {
    head_ctx x = {.k = k, .T = T, .C = C, .D = C / H, .scale = 1 / sqrtf((float)(C / H)),
                  .key_start = key_start ? key_start + (size_t)b * (size_t)T : NULL};
    size_t floats = place(&x, NULL, backward);
    place(&x, scratch + (size_t)omp_get_thread_num() * floats, backward);
    return x;
}

void attention_forward(gemm_team *team, const kernels *k, const float *qkv, float *out, float *lse, float *scratch,
                       const int32_t *key_start, int B, int T, int C, int H) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(gemm_team_threads(team)) if (B * T * C > 1 << 14)
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            head_ctx x = context(k, key_start, b, T, C, H, scratch, false);
            size_t head = (size_t)h * (size_t)x.D;
            head_forward(&x, qkv + (size_t)b * T * 3 * C + head, out + (size_t)b * T * C + head,
                         lse + ((size_t)b * H + h) * T);
        }
}

void attention_backward(gemm_team *team, const kernels *k, const float *qkv, const float *out, const float *lse,
                        const float *dout, float *dqkv, float *scratch, const int32_t *key_start, int B, int T, int C,
                        int H) {
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(gemm_team_threads(team)) if (B * T * C > 1 << 14)
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++) {
            head_ctx x = context(k, key_start, b, T, C, H, scratch, true);
            size_t head = (size_t)h * (size_t)x.D, at3 = (size_t)b * T * 3 * C + head, at1 = (size_t)b * T * C + head;
            head_backward(&x, qkv + at3, out + at1, lse + ((size_t)b * H + h) * T, dout + at1, dqkv + at3);
        }
}

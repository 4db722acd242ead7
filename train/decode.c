/* decode.c - incremental decoding with a key-value cache. A step of M rows reads every weight once,
 * so it is bound by memory: with few rows the product runs straight over the stored matrix, each
 * thread on its own columns, without packing; many rows (a prompt) go through gemm. Keys and values
 * lie as (layer, sequence, position, 2C), so that one position is one block. */
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#include "common/memory.h"
#include "train/model.h"

enum { SKINNY = 8, ROWS_MAX = 256 };         /* rows that skip gemm; rows of one pass */

struct gpt_cache {
    gpt *m;
    int n_seqs;
    int *length;
    float *kv;                               /* (L, n_seqs, n_ctx, 2C) */
    size_t kv_bytes;
    float *x, *norm, *qkv, *att, *wide;      /* (ROWS_MAX, ...) */
    float *scores;                           /* per thread: n_ctx */
    float *work;
    size_t work_bytes;
};

gpt_cache *gpt_cache_new(gpt *m, int n_seqs, wt_err *err) {
    size_t C = (size_t)m->shape.n_embd, T = (size_t)m->shape.n_ctx, R = ROWS_MAX;
    if (n_seqs < 1 || n_seqs > 1 << 16) {
        wt_fail(err, WT_EARG, "%d sequences at a time are out of range", n_seqs);
        return NULL;
    }
    gpt_cache *c = wt_xcalloc(1, sizeof *c);
    c->m = m, c->n_seqs = n_seqs;
    c->length = wt_xcalloc((size_t)n_seqs, sizeof *c->length);
    c->kv_bytes = (size_t)m->shape.n_layer * (size_t)n_seqs * T * 2 * C * sizeof(float);
    c->work_bytes = (R * 10 * C + (size_t)m->threads * T) * sizeof(float);
    c->kv = wt_big_alloc(c->kv_bytes, "keys and values of the sequences", err);
    c->work = c->kv ? wt_big_alloc(c->work_bytes, "decoding", err) : NULL;
    if (!c->work) {
        gpt_cache_free(c);
        return NULL;
    }
    c->x = c->work, c->norm = c->x + R * C, c->qkv = c->norm + R * C, c->att = c->qkv + 3 * R * C;
    c->wide = c->att + R * C, c->scores = c->wide + 4 * R * C;
    return c;
}

void gpt_cache_free(gpt_cache *c) {
    if (!c) return;
    if (c->kv) wt_big_free(c->kv, c->kv_bytes);
    if (c->work) wt_big_free(c->work, c->work_bytes);
    free(c->length);
    free(c);
}

int gpt_cache_length(const gpt_cache *c, int seq) { return c->length[seq]; }
void gpt_cache_truncate(gpt_cache *c, int seq, int n) {
    if (n < c->length[seq]) c->length[seq] = n;
}

static float *kv_at(const gpt_cache *c, int layer, int seq, int position) {
    size_t T = (size_t)c->m->shape.n_ctx, C2 = 2 * (size_t)c->m->shape.n_embd;
    return c->kv + (((size_t)layer * (size_t)c->n_seqs + (size_t)seq) * T + (size_t)position) * C2;
}

void gpt_cache_copy(gpt_cache *c, int to, int from) {
    size_t bytes = (size_t)c->length[from] * 2 * (size_t)c->m->shape.n_embd * sizeof(float);
    if (to == from) return;
    for (int l = 0; l < c->m->shape.n_layer; l++) memcpy(kv_at(c, l, to, 0), kv_at(c, l, from, 0), bytes);
    c->length[to] = c->length[from];
}

/* out (M,n) = in (M,k) w (k,n), then the finish. */
static void product(const gpt *m, int M, int n, int k, const float *in, const float *w, float *out, const gemm_epilogue *e) {
    if (M > SKINNY) {
        gemm_run(m->team, &(gemm_call){.M = M, .N = n, .K = k, .A = in, .B = w, .C = out, .lda = (size_t)k, .ldb = (size_t)n, .ldc = (size_t)n, .finish = *e});
        return;
    }
#pragma omp parallel num_threads(m->threads) if (n * k > 1 << 15)
    {
        int t = omp_get_thread_num(), threads = omp_get_num_threads(), lines = (n + 15) / 16;
        int from = (int)((int64_t)lines * t / threads) * 16, to = (int)((int64_t)lines * (t + 1) / threads) * 16;
        if (to > n) to = n;
        if (from < to) {
            m->k->skinny(M, k, to - from, in, (size_t)k, w + from, (size_t)n, out + from, (size_t)n);
            m->k->finish(e, out + from, (size_t)n, 0, from, M, to - from);
        }
    }
}

static void norm_rows(const gpt *m, float *out, const float *x, const float *w, const float *b, int M) {
    size_t C = (size_t)m->shape.n_embd;
    float mean, rstd;
    for (int i = 0; i < M; i++) m->k->layernorm(out + (size_t)i * C, &mean, &rstd, x + (size_t)i * C, w, b, m->shape.ln_eps, C);
}

/* One head of one row against its sequence's positions 0..n-1. */
static void attend(const gpt *m, const float *q, const float *kv, int n, float *scores, float *out) {
    size_t C = (size_t)m->shape.n_embd, D = C / (size_t)m->shape.n_head;
    float scale = 1 / sqrtf((float)D);
    for (int j = 0; j < n; j++) scores[j] = m->k->dot(q, kv + (size_t)j * 2 * C, D);
    float max = m->k->max(scores, (size_t)n) * scale, sum = m->k->exp_scaled(scores, scale, max, (size_t)n);
    memset(out, 0, D * sizeof *out);
    for (int j = 0; j < n; j++) m->k->add_scaled(out, scores[j], kv + (size_t)j * 2 * C + C, D);
    m->k->scale(out, 1 / sum, D);
}

static void layer_step(gpt_cache *c, int l, const gpt_row *rows, const int *position, int M) {
    const gpt *m = c->m;
    int C = m->shape.n_embd, H = m->shape.n_head, D = C / H;
    size_t ld = (size_t)C;
    gpt_layer w = gpt_weights_of(m, l);
    norm_rows(m, c->norm, c->x, w.ln1_w, w.ln1_b, M);
    product(m, M, 3 * C, C, c->norm, w.qkv_w, c->qkv, &(gemm_epilogue){.op = GEMM_BIAS, .bias = w.qkv_b});
    for (int i = 0; i < M; i++)
        memcpy(kv_at(c, l, rows[i].seq, position[i]), c->qkv + (size_t)i * 3 * ld + ld, 2 * ld * sizeof(float));
#pragma omp parallel for collapse(2) schedule(dynamic) num_threads(m->threads) if (M * C > 1 << 12)
    for (int i = 0; i < M; i++)
        for (int h = 0; h < H; h++)
            attend(m, c->qkv + (size_t)i * 3 * ld + (size_t)(h * D), kv_at(c, l, rows[i].seq, 0) + h * D, position[i] + 1,
                   c->scores + (size_t)omp_get_thread_num() * (size_t)m->shape.n_ctx, c->att + (size_t)i * ld + (size_t)(h * D));
    product(m, M, C, C, c->att, w.att_w, c->norm, &(gemm_epilogue){.op = GEMM_BIAS_ADD, .bias = w.att_b, .aux = c->x, .ld_aux = ld});
    memcpy(c->x, c->norm, (size_t)M * ld * sizeof(float));
    norm_rows(m, c->norm, c->x, w.ln2_w, w.ln2_b, M);
    /* qkv and att are free now and adjacent: room for the 4C of the hidden layer before gelu. */
    product(m, M, 4 * C, C, c->norm, w.fc_w, c->qkv, &(gemm_epilogue){.op = GEMM_BIAS_GELU, .bias = w.fc_b, .aux = c->wide, .ld_aux = 4 * ld});
    product(m, M, C, 4 * C, c->wide, w.out_w, c->norm, &(gemm_epilogue){.op = GEMM_BIAS_ADD, .bias = w.out_b, .aux = c->x, .ld_aux = ld});
    memcpy(c->x, c->norm, (size_t)M * ld * sizeof(float));
}

/* Logits of `M` rows of normed: SKINNY rows at a time, each id's embedding read once for them. */
static void head_step(const gpt_cache *c, const float *normed, int M, float *logits) {
    const gpt *m = c->m;
    size_t C = (size_t)m->shape.n_embd, V = (size_t)m->shape.vocab;
    for (int i = 0; i < M; i += SKINNY) {
        int n = M - i < SKINNY ? M - i : SKINNY;
#pragma omp parallel for schedule(static) num_threads(m->threads) if (V * C > 1 << 15)
        for (size_t v = 0; v < V; v++) {
            float y[SKINNY];
            m->k->dots(n, (int)C, normed + (size_t)i * C, C, m->w + m->at.wte + v * C, y);
            for (int r = 0; r < n; r++) logits[(size_t)(i + r) * V + v] = y[r];
        }
    }
}

/* At most ROWS_MAX rows. */
static int decode_rows(gpt_cache *c, const gpt_row *rows, int M, float *logits) {
    const gpt *m = c->m;
    size_t C = (size_t)m->shape.n_embd;
    int position[ROWS_MAX], wanted = 0;
    for (int i = 0; i < M; i++) {
        position[i] = c->length[rows[i].seq]++;
        memcpy(c->x + (size_t)i * C, m->w + m->at.wpe + (size_t)position[i] * C, C * sizeof(float));
        m->k->add(c->x + (size_t)i * C, m->w + m->at.wte + (size_t)rows[i].token * C, C);
    }
    for (int l = 0; l < m->shape.n_layer; l++) layer_step(c, l, rows, position, M);
    for (int i = 0; i < M; i++)
        if (rows[i].want) memmove(c->x + (size_t)wanted++ * C, c->x + (size_t)i * C, C * sizeof(float));
    if (!wanted) return 0;
    norm_rows(m, c->norm, c->x, m->w + m->at.lnf_w, m->w + m->at.lnf_b, wanted);
    head_step(c, c->norm, wanted, logits);
    return wanted;
}

static int check_rows(const gpt_cache *c, const gpt_row *rows, int n, wt_err *err) {
    int *added = wt_xcalloc((size_t)c->n_seqs, sizeof *added), result = 0;
    for (int i = 0; result == 0 && i < n; i++) {
        if (rows[i].seq < 0 || rows[i].seq >= c->n_seqs) result = wt_fail(err, WT_EARG, "sequence %d of %d does not exist", rows[i].seq, c->n_seqs);
        else if (rows[i].token >= (uint32_t)c->m->shape.vocab) result = wt_fail(err, WT_EARG, "token %u is not below the vocabulary of %d", rows[i].token, c->m->shape.vocab);
        else if (c->length[rows[i].seq] + ++added[rows[i].seq] > c->m->shape.n_ctx)
            result = wt_fail(err, WT_ELIMIT, "the context of %d tokens is full", c->m->shape.n_ctx);
    }
    free(added);
    return result;
}

int gpt_decode(gpt_cache *c, const gpt_row *rows, int n_rows, float *logits, wt_err *err) {
    if (check_rows(c, rows, n_rows, err)) return -1;
    for (int i = 0; i < n_rows; i += ROWS_MAX)
        logits += (size_t)decode_rows(c, rows + i, n_rows - i < ROWS_MAX ? n_rows - i : ROWS_MAX, logits) * (size_t)c->m->shape.vocab;
    return 0;
}

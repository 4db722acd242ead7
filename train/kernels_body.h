/* kernels_body.h - the body of kernels_portable.c, kernels_avx2.c and kernels_avx512.c, which set MR,
 * NV and KERNELS and include it. The tile of a matrix product is MR rows by NV vectors: MR * NV
 * accumulators stay in registers, one step of k loads NV vectors of B and broadcasts MR numbers of A
 * (Goto, van de Geijn 2008). gelu is the tanh form of GPT-2, written as x * sigmoid(2u) with
 * u = sqrt(2/pi) (x + 0.044715 x^3), which needs one exp and no tanh. */
#include "train/kernels.h"
#include "train/simd.h"

#define NR (NV * W)
#define AHEAD_EVERY (W == 16 ? 1 : 2)
/* How far packing asks for memory before it reads it: the processor foresees no strides of pages. */
enum { AHEAD_ROWS = 4, AHEAD_COLUMNS = 48 };
#define INLINE static inline __attribute__((always_inline))
/* Stops the compiler from reading a B vector again as the memory operand of every product, which
 * makes the loop bound by loads. */
#if W > 1
#define KEEP(v) __asm__("" : "+v"(v))
#else
#define KEEP(v) (void)(v)
#endif

/* One step of k: NV vectors of B, m numbers of A. */
INLINE void tile_step(int m, vec sum[MR][NV], const float *a, const float *b) {
    vec bv[NV];
#if W > 1
    __builtin_prefetch(a + 24 * MR);
#endif
#pragma GCC unroll 4
    for (int j = 0; j < NV; j++) {
        bv[j] = v_load(b + j * W);
        KEEP(bv[j]);
    }
#pragma GCC unroll 32
    for (int i = 0; i < m; i++) {
        vec av = v_set(a[i]);
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++) sum[i][j] = v_fma(av, bv[j], sum[i][j]);
    }
}

/* Most steps of k, four at a time, each with a line of what is asked for ahead; returns how many. Where there is nothing
 * to ask for, the line is one that is at hand. */
INLINE size_t tile_steps_ahead(int m, size_t k, vec sum[MR][NV], const float *a, const float *b, gemm_ahead *ahead) {
    size_t p = 0, step = 0, left = SIZE_MAX;
    const char *at = (const char *)&left;
    bool asks = ahead && gemm_ahead_left(ahead);
    if (asks) at = ahead->at[ahead->run], left = ahead->lines[ahead->run], step = ahead->step[ahead->run];
    for (; p + 4 <= k; p += 4) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++, a += MR, b += NR) {
            if (i % AHEAD_EVERY == 0) {
                __builtin_prefetch(at, 0, 2);
                at += step;
            }
            tile_step(m, sum, a, b);
        }
        left -= 4 / AHEAD_EVERY;
        if (!left) {
            ahead->lines[ahead->run++] = 0;
            asks = gemm_ahead_left(ahead);
            if (asks) at = ahead->at[ahead->run], left = ahead->lines[ahead->run], step = ahead->step[ahead->run];
            else at = (const char *)&left, left = SIZE_MAX, step = 0;
        }
    }
    if (asks) ahead->at[ahead->run] = at, ahead->lines[ahead->run] = left;
    return p;
}

INLINE void tile_rows(int m, size_t k, const float *restrict a, const float *restrict b, float *c,
                      size_t ldc, bool accumulate, gemm_ahead *ahead) {
    vec sum[MR][NV];
#pragma GCC unroll 32
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++) sum[i][j] = v_set(0);
    size_t p = 0;
#if W > 1
    /* The first steps of k fetch C, a row a step: all rows at once would queue up before A and B. */
    const float *row = c;
    for (; p < k && p < (size_t)m; p++, a += MR, b += NR, row += ldc) {
        for (int j = 0; j < NR; j += 16) __builtin_prefetch(row + j, 1);
        tile_step(m, sum, a, b);
    }
    size_t done = tile_steps_ahead(m, k - p, sum, a, b, ahead);
    p += done, a += done * MR, b += done * NR;
#else
    if (ahead) ahead->run = AHEAD_RUNS;
#endif
    for (; p < k; p++, a += MR, b += NR) tile_step(m, sum, a, b);
#pragma GCC unroll 32
    for (int i = 0; i < m; i++)
#pragma GCC unroll 4
        for (int j = 0; j < NV; j++) {
            float *out = c + (size_t)i * ldc + j * W;
            v_store(out, accumulate ? v_add(v_load(out), sum[i][j]) : sum[i][j]);
        }
}

static void tile_full(size_t k, const float *a, const float *b, float *c, size_t ldc, int m, bool acc,
                      gemm_ahead *ahead) {
#define ROWS(M) case M: tile_rows(M, k, a, b, c, ldc, acc, ahead); return;
    switch (m) {
        ROWS(1) ROWS(2) ROWS(3) ROWS(4)
#if MR > 4
        ROWS(5) ROWS(6)
#endif
#if MR > 6
        ROWS(7) ROWS(8) ROWS(9) ROWS(10) ROWS(11) ROWS(12)
#endif
#if MR > 12
        ROWS(13) ROWS(14)
#endif
    }
#undef ROWS
}

static void gemm_tile(size_t k, const float *a, const float *b, float *c, size_t ldc, int m, int n,
                      bool accumulate, gemm_ahead *ahead) {
    if (n == NR) {
        tile_full(k, a, b, c, ldc, m, accumulate, ahead);
        return;
    }
    float edge[MR * NR] __attribute__((aligned(64)));
    tile_full(k, a, b, edge, NR, m, false, ahead);
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            float *out = c + (size_t)i * ldc + j;
            *out = (accumulate ? *out : 0) + edge[i * NR + j];
        }
}

/* out[p * stride + i] = in[i * ld + p] for i < W, p < W: one square block on its other side. */
#if W == 16
INLINE void transpose_block(const float *in, size_t ld, float *out, size_t stride, int rows, int cols) {
    __m512 r[16], t[16];
    __mmask16 keep = v_mask((size_t)cols);
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = i < rows ? _mm512_maskz_loadu_ps(keep, in + (size_t)i * ld) : _mm512_setzero_ps();
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
    /* r[4q + s], 128-bit lane l: column 4l + s of rows 4q .. 4q+3 */
#pragma GCC unroll 4
    for (int s = 0; s < 4; s++) {
        __m512 lo01 = _mm512_shuffle_f32x4(r[s], r[4 + s], 0x44), hi01 = _mm512_shuffle_f32x4(r[s], r[4 + s], 0xee);
        __m512 lo23 = _mm512_shuffle_f32x4(r[8 + s], r[12 + s], 0x44), hi23 = _mm512_shuffle_f32x4(r[8 + s], r[12 + s], 0xee);
        t[s] = _mm512_shuffle_f32x4(lo01, lo23, 0x88);
        t[4 + s] = _mm512_shuffle_f32x4(lo01, lo23, 0xdd);
        t[8 + s] = _mm512_shuffle_f32x4(hi01, hi23, 0x88);
        t[12 + s] = _mm512_shuffle_f32x4(hi01, hi23, 0xdd);
    }
    __mmask16 width = v_mask((size_t)rows);
#pragma GCC unroll 16
    for (int p = 0; p < 16; p++)
        if (p < cols) _mm512_mask_storeu_ps(out + (size_t)p * stride, width, t[p]);
}
#elif W == 8
INLINE void transpose_block(const float *in, size_t ld, float *out, size_t stride, int rows, int cols) {
    __m256 r[8], t[8];
    if (cols < 8) {
        for (int p = 0; p < cols; p++)
            for (int i = 0; i < rows; i++) out[(size_t)p * stride + i] = in[(size_t)i * ld + p];
        return;
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) r[i] = i < rows ? v_load(in + (size_t)i * ld) : _mm256_setzero_ps();
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
    }
#pragma GCC unroll 8
    for (int p = 0; p < 8; p++) {
        __m256 low = r[p & 3], high = r[4 + (p & 3)];
        __m256 x = p < 4 ? _mm256_permute2f128_ps(low, high, 0x20) : _mm256_permute2f128_ps(low, high, 0x31);
        if (rows == 8) v_store(out + (size_t)p * stride, x);
        else v_store_n(out + (size_t)p * stride, x, (size_t)rows);
    }
}
#endif

/* A panel of `width` interleaved rows: out[p * width + i] = in[i * ld + p], zero for i >= rows. */
static void interleave(const float *in, size_t ld, int rows, int width, int k, float *out) {
    if (rows < width) memset(out, 0, (size_t)k * (size_t)width * sizeof *out);
#if W > 1
    for (int i = 0; i < rows; i += W)
        for (int p = 0; p < k; p += W) {
            for (int r = i; r < rows && r < i + W; r++) __builtin_prefetch(in + (size_t)r * ld + p + AHEAD_COLUMNS);
            transpose_block(in + (size_t)i * ld + p, ld, out + (size_t)p * width + i, (size_t)width,
                            rows - i < W ? rows - i : W, k - p < W ? k - p : W);
        }
#else
    for (int i = 0; i < rows; i++)
        for (int p = 0; p < k; p++) out[(size_t)p * width + i] = in[(size_t)i * ld + p];
#endif
}

/* The same from memory that runs along the panel, n panels at once: rows of the matrix may lie a power of two
 * apart, where each costs a miss and few fit the first cache, so that one is read as far as possible. */
INLINE void copy_panels(const float *in, size_t ld, int n, int width, int k, float *out) {
    for (int p = 0; p < k; p++, in += ld, out += width) {
#if W > 1
        for (int i = 0; i < n * width; i += 16) __builtin_prefetch(in + AHEAD_ROWS * ld + i);
#endif
        for (int panel = 0; panel < n; panel++) {
            const float *from = in + panel * width;
            float *to = out + (size_t)panel * (size_t)width * (size_t)k;
            int i = 0;
            for (; i + W <= width; i += W) v_store(to + i, v_load(from + i));
            if (W > 1 && i < width) v_store_n(to + i, v_load_n(from + i, (size_t)(width - i)), (size_t)(width - i));
        }
    }
}

/* All panels of one side. along: numbers of a panel's row are neighbours in memory. */
INLINE void pack(bool along, const float *in, size_t ld, int rows, int width, int k, float *out) {
    enum { GROUP = 4 };
    while (rows > 0) {
        int n = along && rows >= GROUP * width ? GROUP : 1, m = rows < width ? rows : width;
        if (!along) interleave(in, ld, m, width, k, out);
        else if (n == GROUP) copy_panels(in, ld, GROUP, width, k, out);
        else if (m == width) copy_panels(in, ld, 1, width, k, out);
        else
            for (int p = 0; p < k; p++)
                for (int i = 0; i < width; i++) out[(size_t)p * width + i] = i < m ? in[(size_t)p * ld + i] : 0;
        rows -= n * width, out += (size_t)(n * width) * (size_t)k;
        in += along ? (size_t)(n * width) : (size_t)(n * width) * ld;
    }
}

static void pack_a(bool transposed, const float *a, size_t ld, int rows, int k, float *out) {
    pack(transposed, a, ld, rows, MR, k, out);
}

static void pack_b(bool transposed, const float *b, size_t ld, int k, int cols, float *out) {
    pack(!transposed, b, ld, cols, NR, k, out);
}

/* ---- gelu ---- */
#define GELU_2K 1.5957691216057308f /* 2 sqrt(2/pi) */
INLINE vec sigmoid_2u(vec x) {
    vec u = v_mul(v_mul(x, v_set(-GELU_2K)), v_fma(v_mul(x, x), v_set(0.044715f), v_set(1)));
    return v_div(v_set(1), v_add(v_set(1), v_exp(u)));
}
INLINE vec v_gelu(vec x) { return v_mul(x, sigmoid_2u(x)); }
/* gelu'(x) = s + x s (1 - s) 2u'(x), s = sigmoid(2u) */
INLINE vec v_gelu_grad(vec x, vec s) {
    vec du = v_mul(v_set(GELU_2K), v_fma(v_mul(x, x), v_set(3 * 0.044715f), v_set(1)));
    return v_fma(v_mul(x, du), v_mul(s, v_sub(v_set(1), s)), s);
}

/* One loop over vectors and its tail: BODY sees `at`, LOAD(p) and STORE(p, x). */
#define EACH(n, BODY)                                              \
    do {                                                           \
        size_t at = 0, total_ = (n);                               \
        {                                                          \
            for (; at + W <= total_; at += W) { BODY(v_load, v_store_w, W) } \
        }                                                          \
        if (W > 1 && at < total_) {                                \
            size_t left_ = total_ - at;                            \
            (void)left_;                                           \
            BODY(v_load_left, v_store_left, left_)                 \
        }                                                          \
    } while (0)
#define v_store_w(p, x) v_store(p, x)
#define v_load_left(p) v_load_n(p, left_)
#define v_store_left(p, x) v_store_n(p, x, left_)

static void gelu(float *y, const float *x, size_t n) {
#define BODY(LOAD, STORE, N) STORE(y + at, v_gelu(LOAD(x + at)));
    EACH(n, BODY);
#undef BODY
}

static void finish(const gemm_epilogue *e, float *c, size_t ldc, int row, int col, int m, int n) {
    for (int i = 0; i < m; i++, c += ldc) {
        const float *bias = e->bias ? e->bias + col : NULL;
        float *aux = e->aux ? e->aux + (size_t)(row + i) * e->ld_aux + col : NULL;
        switch (e->op) {
        case GEMM_PLAIN:
            break;
        case GEMM_BIAS:
#define BODY(LOAD, STORE, N) STORE(c + at, v_add(LOAD(c + at), LOAD(bias + at)));
            EACH((size_t)n, BODY);
#undef BODY
            break;
        case GEMM_BIAS_ADD:
#define BODY(LOAD, STORE, N) STORE(c + at, v_add(v_add(LOAD(c + at), LOAD(bias + at)), LOAD(aux + at)));
            EACH((size_t)n, BODY);
#undef BODY
            break;
        case GEMM_BIAS_GELU:
#define BODY(LOAD, STORE, N)                              \
    vec x = v_add(LOAD(c + at), LOAD(bias + at));         \
    STORE(c + at, x);                                     \
    STORE(aux + at, v_gelu(x));
            EACH((size_t)n, BODY);
#undef BODY
            break;
        case GEMM_GELU_GRAD:
#define BODY(LOAD, STORE, N)                                     \
    vec x = LOAD(aux + at), s = sigmoid_2u(x);                   \
    STORE(c + at, v_mul(LOAD(c + at), v_gelu_grad(x, s)));       \
    STORE(aux + at, v_mul(x, s));
            EACH((size_t)n, BODY);
#undef BODY
            break;
        }
    }
}

/* ---- few rows ---- eight rows of w at a time, so that y is read and written once for eight */
INLINE void skinny_rows(int m, int k, int n, const float *x, size_t ldx, const float *w, size_t ldw,
                        float *y, size_t ldy) {
    int p = 0;
    for (int i = 0; i < m; i++) memset(y + (size_t)i * ldy, 0, (size_t)n * sizeof *y);
    for (; p + 8 <= k; p += 8) {
        const float *block = w + (size_t)p * ldw;
#define BODY(LOAD, STORE, N)                                                                \
    vec sum[8];                                                                             \
    for (int i = 0; i < m; i++) sum[i] = LOAD(y + (size_t)i * ldy + at);                    \
    for (int q = 0; q < 8; q++) {                                                           \
        vec wv = LOAD(block + (size_t)q * ldw + at);                                        \
        for (int i = 0; i < m; i++) sum[i] = v_fma(v_set(x[(size_t)i * ldx + p + q]), wv, sum[i]); \
    }                                                                                       \
    for (int i = 0; i < m; i++) STORE(y + (size_t)i * ldy + at, sum[i]);
        EACH((size_t)n, BODY);
#undef BODY
    }
    for (; p < k; p++)
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++) y[(size_t)i * ldy + j] += x[(size_t)i * ldx + p] * w[(size_t)p * ldw + j];
}
static void skinny(int m, int k, int n, const float *x, size_t ldx, const float *w, size_t ldw, float *y,
                   size_t ldy) {
    switch (m) {
    case 1: skinny_rows(1, k, n, x, ldx, w, ldw, y, ldy); return;
    case 2: skinny_rows(2, k, n, x, ldx, w, ldw, y, ldy); return;
    case 3: skinny_rows(3, k, n, x, ldx, w, ldw, y, ldy); return;
    case 4: skinny_rows(4, k, n, x, ldx, w, ldw, y, ldy); return;
    default: skinny_rows(m, k, n, x, ldx, w, ldw, y, ldy); return;
    }
}

INLINE void dots_rows(int m, int k, const float *x, size_t ldx, const float *w, float *y) {
    vec sum[8];
    for (int i = 0; i < m; i++) sum[i] = v_set(0);
#define BODY(LOAD, STORE, N)                                                                  \
    vec wv = LOAD(w + at);                                                                    \
    for (int i = 0; i < m; i++) sum[i] = v_fma(LOAD(x + (size_t)i * ldx + at), wv, sum[i]);
    EACH((size_t)k, BODY);
#undef BODY
    for (int i = 0; i < m; i++) y[i] = v_sum(sum[i]);
}
static void dots(int m, int k, const float *x, size_t ldx, const float *w, float *y) {
    switch (m) {
    case 1: y[0] = 0; /* two chains, for one row waits for its own sums */
        {
            vec s0 = v_set(0), s1 = v_set(0), s2 = v_set(0), s3 = v_set(0);
            int p = 0;
            for (; p + 4 * W <= k; p += 4 * W) {
                s0 = v_fma(v_load(x + p), v_load(w + p), s0);
                s1 = v_fma(v_load(x + p + W), v_load(w + p + W), s1);
                s2 = v_fma(v_load(x + p + 2 * W), v_load(w + p + 2 * W), s2);
                s3 = v_fma(v_load(x + p + 3 * W), v_load(w + p + 3 * W), s3);
            }
            float sum = v_sum(v_add(v_add(s0, s1), v_add(s2, s3)));
            for (; p < k; p++) sum += x[p] * w[p];
            y[0] = sum;
        }
        return;
    case 2: dots_rows(2, k, x, ldx, w, y); return;
    case 3: dots_rows(3, k, x, ldx, w, y); return;
    case 4: dots_rows(4, k, x, ldx, w, y); return;
    default: dots_rows(m, k, x, ldx, w, y); return;
    }
}

/* ---- layer norm (Ba et al. 2016): two passes, for the difference of squares loses digits ---- */
static void normalized(float *out, const float *x, const float *w, const float *b, float mean, float rstd,
                       size_t n) {
    vec mv = v_set(mean), rv = v_set(rstd);
#define BODY(LOAD, STORE, N) \
    STORE(out + at, v_fma(v_mul(v_sub(LOAD(x + at), mv), rv), LOAD(w + at), LOAD(b + at)));
    EACH(n, BODY);
#undef BODY
}
static void layernorm(float *out, float *mean, float *rstd, const float *x, const float *w, const float *b,
                      float eps, size_t n) {
    vec sum = v_set(0);
    float rest = 0;
    size_t full = n / W * W;
    for (size_t i = 0; i < full; i += W) sum = v_add(sum, v_load(x + i));
    for (size_t i = full; i < n; i++) rest += x[i];
    float mu = (v_sum(sum) + rest) / (float)n;
    vec mv = v_set(mu), squares = v_set(0);
    rest = 0;
    for (size_t i = 0; i < full; i += W) {
        vec d = v_sub(v_load(x + i), mv);
        squares = v_fma(d, d, squares);
    }
    for (size_t i = full; i < n; i++) rest += (x[i] - mu) * (x[i] - mu);
    float r = 1 / sqrtf((v_sum(squares) + rest) / (float)n + eps);
    *mean = mu, *rstd = r;
    normalized(out, x, w, b, mu, r, n);
}
static void layernorm_grad(float *dx, float *dw, float *db, const float *dout, const float *x, const float *w,
                           float mean, float rstd, size_t n) {
    vec mv = v_set(mean), rv = v_set(rstd), sum_v = v_set(0), dot_v = v_set(0);
    /* The mean of d(norm) and of d(norm) * norm; tails load zeros, so they add nothing to either. */
#define BODY(LOAD, STORE, N)                                                \
    vec g = LOAD(dout + at), norm = v_mul(v_sub(LOAD(x + at), mv), rv);     \
    vec e = v_mul(g, LOAD(w + at));                                         \
    sum_v = v_add(sum_v, e), dot_v = v_fma(e, norm, dot_v);                 \
    STORE(dw + at, v_fma(g, norm, LOAD(dw + at)));                          \
    STORE(db + at, v_add(LOAD(db + at), g));
    EACH(n, BODY);
#undef BODY
    vec s = v_set(v_sum(sum_v) / (float)n), t = v_set(v_sum(dot_v) / (float)n);
#define BODY(LOAD, STORE, N)                                                              \
    vec norm = v_mul(v_sub(LOAD(x + at), mv), rv);                                        \
    vec e = v_mul(LOAD(dout + at), LOAD(w + at));                                         \
    STORE(dx + at, v_fma(rv, v_fnma(norm, t, v_sub(e, s)), LOAD(dx + at)));
    EACH(n, BODY);
#undef BODY
}

/* ---- plain rows ---- */
static void add(float *y, const float *x, size_t n) {
#define BODY(LOAD, STORE, N) STORE(y + at, v_add(LOAD(y + at), LOAD(x + at)));
    EACH(n, BODY);
#undef BODY
}
static void add_scaled(float *y, float factor, const float *x, size_t n) {
    vec f = v_set(factor);
#define BODY(LOAD, STORE, N) STORE(y + at, v_fma(f, LOAD(x + at), LOAD(y + at)));
    EACH(n, BODY);
#undef BODY
}
static void scale(float *x, float factor, size_t n) {
    vec f = v_set(factor);
#define BODY(LOAD, STORE, N) STORE(x + at, v_mul(LOAD(x + at), f));
    EACH(n, BODY);
#undef BODY
}
static float dot(const float *x, const float *y, size_t n) {
    vec sum = v_set(0);
#define BODY(LOAD, STORE, N) sum = v_fma(LOAD(x + at), LOAD(y + at), sum);
    EACH(n, BODY);
#undef BODY
    return v_sum(sum);
}
static float max(const float *x, size_t n) {
    float best = x[0];
    size_t i = 0;
    if (n >= W) {
        vec m = v_load(x);
        for (i = W; i + W <= n; i += W) m = v_max(m, v_load(x + i));
        best = v_hmax(m);
    }
    for (; i < n; i++) best = x[i] > best ? x[i] : best;
    return best;
}
static float exp_scaled(float *x, float factor, float shift, size_t n) {
    vec f = v_set(factor), s = v_set(-shift), sum = v_set(0);
    size_t full = n / W * W;
    float rest = 0;
    for (size_t i = 0; i < full; i += W) {
        vec e = v_exp(v_fma(v_load(x + i), f, s));
        v_store(x + i, e);
        sum = v_add(sum, e);
    }
    if (full < n) {
        v_store_n(x + full, v_exp(v_fma(v_load_n(x + full, n - full), f, s)), n - full);
        for (size_t i = full; i < n; i++) rest += x[i];
    }
    return v_sum(sum) + rest;
}
static void attention_grad_row(float *p, float *dp, float factor, float lse, float delta, size_t n) {
    vec f = v_set(factor), l = v_set(-lse), d = v_set(delta);
#define BODY(LOAD, STORE, N)                                        \
    vec e = v_exp(v_fma(LOAD(p + at), f, l));                       \
    STORE(p + at, e);                                               \
    STORE(dp + at, v_mul(v_mul(e, f), v_sub(LOAD(dp + at), d)));
    EACH(n, BODY);
#undef BODY
}
static double sum_squares(const float *x, size_t n) {
    double total = 0;
    for (size_t i = 0; i < n; i += 4096) total += dot(x + i, x + i, n - i < 4096 ? n - i : 4096);
    return total;
}

/* ---- AdamW (Loshchilov, Hutter 2019): decay is outside of the moments ---- */
static void adamw(float *w, float *m, float *v, const float *g, const adamw_scalars *s, size_t n) {
    vec b1 = v_set(s->beta1), b2 = v_set(s->beta2), c1 = v_set(1 - s->beta1), c2 = v_set(1 - s->beta2);
    vec eps = v_set(s->epsilon), step = v_set(s->step_size), root = v_set(s->root_scale);
    vec decay = v_set(s->decay), clip = v_set(s->grad_scale);
#define BODY(LOAD, STORE, N)                                                                  \
    vec gv = v_mul(LOAD(g + at), clip);                                                       \
    vec mv = v_fma(b1, LOAD(m + at), v_mul(c1, gv));                                          \
    vec vv = v_fma(b2, LOAD(v + at), v_mul(c2, v_mul(gv, gv)));                               \
    vec down = v_div(v_mul(step, mv), v_fma(v_sqrt(vv), root, eps));                          \
    STORE(m + at, mv);                                                                        \
    STORE(v + at, vv);                                                                        \
    STORE(w + at, v_sub(v_mul(decay, LOAD(w + at)), down));
    EACH(n, BODY);
#undef BODY
}

/* The same with moments of 16 bits (bfloat16), rounded at random so that small changes are kept on
 * average: v moves by (1 - beta2) of itself, far less than half a bfloat16 step. The noise is a hash
 * of (step, index), so results do not depend on who computes what. */
static inline float bf16_to_float(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static inline uint16_t bf16_round(float x, uint32_t noise16) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)((bits + noise16) >> 16);
}
static inline uint32_t noise_bits(uint32_t x) {
    uint32_t h = x * 0x9e3779b1u;
    h ^= h >> 15, h *= 0x85ebca77u, h ^= h >> 13, h *= 0xc2b2ae3du;
    return h ^ h >> 16;
}
static void adamw_bf16(float *restrict w, uint16_t *restrict m, uint16_t *restrict v, const float *restrict g, const adamw_scalars *s,
                       uint32_t noise, size_t n) {
    enum { BLOCK = 256 };
    float mb[BLOCK], vb[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t k = n - at < BLOCK ? n - at : BLOCK;
        for (size_t i = 0; i < k; i++) mb[i] = bf16_to_float(m[at + i]), vb[i] = bf16_to_float(v[at + i]);
        adamw(w + at, mb, vb, g + at, s, k);
        for (size_t i = 0; i < k; i++) {
            uint32_t h = noise_bits((uint32_t)(at + i) + noise);
            m[at + i] = bf16_round(mb[i], h & 0xffff);
            v[at + i] = bf16_round(vb[i], h >> 16);
        }
    }
}

/* Moments of 8 bits, in blocks of 256 that share `top`, a power of two at or above their largest. Code c of C (127
 * with a sign for m, 255 for v) stands for top (c/C)^4: neighbours differ by about 4/c of themselves, from 1.6 % at
 * the top of v to 16 % at a ten-thousandth of it, and C^-4 is the least. Rounding is at random between the two
 * neighbours, so that it is right on average (v moves far less than a code each step). Because top is a power of two
 * it stays for many steps, and codes whose numbers stay do so too. A v above 0 keeps a code above 0: w would run
 * away else. */
static inline float fourth(float x) { return x * x * (x * x); }
static inline float top_of(const float *x, size_t n) {
    uint32_t most = 0, bits;
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, x + i, 4);
        bits &= 0x7fffffffu;
        most = bits > most ? bits : most;
    }
    most = (most + 0x7fffffu) & 0xff800000u;
    float top;
    memcpy(&top, &most, 4);
    return top;
}
static inline int code8(float share, float C, float noise) {
    float low = floorf(sqrtf(sqrtf(share)) * C), a = fourth(low / C), b = fourth((low + 1) / C);
    return (int)low + (share - a > noise * (b - a));
}
static void adamw_int8(float *w, int8_t *m, uint8_t *v, float *m_top, float *v_top, const float *g, const adamw_scalars *s,
                       uint32_t noise, size_t n) {
    enum { BLOCK = 256 };
    float mb[BLOCK], vb[BLOCK];
    for (size_t at = 0, block = 0; at < n; at += BLOCK, block++) {
        size_t k = n - at < BLOCK ? n - at : BLOCK;
        for (size_t i = 0; i < k; i++) {
            float c = (float)m[at + i];
            mb[i] = copysignf(m_top[block] * fourth(c * (1 / 127.f)), c);
            vb[i] = v_top[block] * fourth((float)v[at + i] * (1 / 255.f));
        }
        adamw(w + at, mb, vb, g + at, s, k);
        float mt = m_top[block] = top_of(mb, k), vt = v_top[block] = top_of(vb, k);
        float per_m = mt > 0 ? 1 / mt : 0, per_v = vt > 0 ? 1 / vt : 0;
        for (size_t i = 0; i < k; i++) {
            uint32_t h = noise_bits((uint32_t)(at + i) + noise);
            int cm = code8(fabsf(mb[i]) * per_m, 127, (float)(h & 0xffff) * 0x1p-16f);
            int cv = code8(vb[i] * per_v, 255, (float)(h >> 16) * 0x1p-16f);
            cm = cm < 127 ? cm : 127, cv = cv < 255 ? cv : 255;
            m[at + i] = (int8_t)(mb[i] < 0 ? -cm : cm);
            v[at + i] = (uint8_t)(cv == 0 && vb[i] > 0 ? 1 : cv);
        }
    }
}

const kernels KERNELS = {
    .name = KERNELS_NAME, .mr = MR, .nr = NR,
    .gemm_tile = gemm_tile, .pack_a = pack_a, .pack_b = pack_b, .finish = finish,
    .skinny = skinny, .dots = dots,
    .layernorm = layernorm, .layernorm_grad = layernorm_grad, .normalized = normalized,
    .gelu = gelu, .add = add, .max = max, .exp_scaled = exp_scaled, .scale = scale, .dot = dot,
    .add_scaled = add_scaled, .attention_grad_row = attention_grad_row, .sum_squares = sum_squares,
    .adamw = adamw, .adamw_bf16 = adamw_bf16, .adamw_int8 = adamw_int8,
};

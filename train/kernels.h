/* kernels.h - the innermost loops, one table for each set of instructions. kernels_body.h is compiled
 * three times (portable, AVX2, AVX-512); kernels_best() asks the processor once. WT_KERNELS=portable,
 * avx2 or avx512 in the environment overrides it, for tests and measurements. All run in the caller's
 * thread. Vectors need no alignment; n may be any number. */
#ifndef WT_TRAIN_KERNELS_H
#define WT_TRAIN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happens to a finished tile of C = op(A) op(B) before it is left alone. i, j: row, column. */
typedef enum {
    GEMM_PLAIN,        /* nothing */
    GEMM_BIAS,         /* c += bias[j] */
    GEMM_BIAS_ADD,     /* c += bias[j] + aux[i,j]            (residual stream) */
    GEMM_BIAS_GELU,    /* c += bias[j]; aux[i,j] = gelu(c) */
    GEMM_GELU_GRAD     /* c *= gelu'(aux[i,j]); aux[i,j] = gelu(aux[i,j]) */
} gemm_finish;

typedef struct {
    gemm_finish op;
    const float *bias;
    float *aux;
    size_t ld_aux;
} gemm_epilogue;

/* Memory that will soon be read, in up to four runs. A tile of the matrix product asks for a cache line in each step of
 * k (AVX2: in every other), so that the wait hides behind the arithmetic. */
enum { AHEAD_RUNS = 4, AHEAD_LINE = 64 };
typedef struct {
    const char *at[AHEAD_RUNS];   /* next line of each run */
    size_t lines[AHEAD_RUNS];     /* left of it; multiples of 4; 0: no more runs */
    size_t step[AHEAD_RUNS];      /* bytes from line to line */
    int run;                      /* the one that is asked for */
} gemm_ahead;
static inline bool gemm_ahead_left(const gemm_ahead *x) { return x->run < AHEAD_RUNS && x->lines[x->run]; }

typedef struct {
    float beta1, beta2, epsilon;
    float step_size;      /* learning rate / (1 - beta1^t) */
    float root_scale;     /* 1 / sqrt(1 - beta2^t) */
    float decay;          /* 1 - learning rate * weight decay */
    float grad_scale;     /* clipping */
} adamw_scalars;

typedef struct {
    const char *name;
    int mr, nr;           /* tile of the matrix product */

    /* ---- matrix product ---- a: packed (k, mr), b: packed (k, nr); c (m,n) += or = a^T b, m <= mr, n <= nr.
     * ahead, or NULL: moves on as lines are asked for. */
    void (*gemm_tile)(size_t k, const float *a, const float *b, float *c, size_t ldc, int m, int n,
                      bool accumulate, gemm_ahead *ahead);
    /* Packs rows x k of A (element (i,p) at a[i*ld+p], or a[p*ld+i] if transposed) as panels of mr rows. */
    void (*pack_a)(bool transposed, const float *a, size_t ld, int rows, int k, float *out);
    /* Packs k x cols of B (element (p,j) at b[p*ld+j], or b[j*ld+p] if transposed) as panels of nr columns. */
    void (*pack_b)(bool transposed, const float *b, size_t ld, int k, int cols, float *out);
    void (*finish)(const gemm_epilogue *e, float *c, size_t ldc, int i, int j, int m, int n);
    /* y (m,n) (+)= x (m,k) w (k,n) for few rows m <= 8: reads w once (decoding). */
    void (*skinny)(int m, int k, int n, const float *x, size_t ldx, const float *w, size_t ldw, float *y,
                   size_t ldy);
    /* y[i] = x[i,:] . w[:] for m <= 8 rows. */
    void (*dots)(int m, int k, const float *x, size_t ldx, const float *w, float *y);

    /* ---- rows ---- */
    void (*layernorm)(float *out, float *mean, float *rstd, const float *x, const float *w, const float *b,
                      float eps, size_t n);
    /* dx += gradient through the norm; dw, db += */
    void (*layernorm_grad)(float *dx, float *dw, float *db, const float *dout, const float *x,
                           const float *w, float mean, float rstd, size_t n);
    void (*normalized)(float *out, const float *x, const float *w, const float *b, float mean, float rstd,
                       size_t n);        /* layernorm again from kept mean and rstd */
    void (*gelu)(float *y, const float *x, size_t n);
    void (*add)(float *y, const float *x, size_t n);                     /* y += x */
    float (*max)(const float *x, size_t n);                              /* n > 0 */
    float (*exp_scaled)(float *x, float scale, float shift, size_t n);   /* x = exp(x*scale - shift); sum */
    void (*scale)(float *x, float factor, size_t n);
    float (*dot)(const float *x, const float *y, size_t n);
    void (*add_scaled)(float *y, float factor, const float *x, size_t n);
    /* p = exp(p*scale - lse); dp = p * scale * (dp - delta) */
    void (*attention_grad_row)(float *p, float *dp, float scale, float lse, float delta, size_t n);
    double (*sum_squares)(const float *x, size_t n);

    /* ---- optimizer ---- w, m, v updated, g read */
    void (*adamw)(float *w, float *m, float *v, const float *g, const adamw_scalars *s, size_t n);
    void (*adamw_bf16)(float *w, uint16_t *m, uint16_t *v, const float *g, const adamw_scalars *s,
                       uint32_t noise, size_t n);
    /* m, v: codes; m_top, v_top: powers of two, one for each 256 numbers */
    void (*adamw_int8)(float *w, int8_t *m, uint8_t *v, float *m_top, float *v_top, const float *g,
                       const adamw_scalars *s, uint32_t noise, size_t n);
} kernels;

extern const kernels kernels_portable;
#if defined(__x86_64__)
extern const kernels kernels_avx2, kernels_avx512;
#endif
const kernels *kernels_best(void);
const kernels *kernels_named(const char *name);       /* NULL: unknown, or not on this processor */

#endif

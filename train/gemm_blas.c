/* gemm_blas.c - the system's BLAS behind gemm_run, for processors without kernels of ours, or where
 * WT_GEMM=blas asks for it (WT_GEMM=own never). It is opened when first wanted and told to use one
 * thread: our team cuts C into slices, so that two pools of threads do not fight for the cores. */
#include <dlfcn.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "train/gemm_blas.h"

typedef void (*sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static sgemm_fn open_blas(void) {
    static const char *const names[] = {"libopenblas.so.0", "libopenblas.so", "libcblas.so.3", "libblas.so.3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        sgemm_fn sgemm = handle ? (sgemm_fn)dlsym(handle, "cblas_sgemm") : NULL;
        void (*set_threads)(int) = handle ? (void (*)(int))dlsym(handle, "openblas_set_num_threads") : NULL;
        if (set_threads) set_threads(1);
        if (sgemm) return sgemm;
    }
    return NULL;
}

static sgemm_fn sgemm;

bool gemm_blas_wanted(const kernels *k) {
    const char *choice = getenv("WT_GEMM");
    bool wanted = choice && *choice ? !strcmp(choice, "blas") : k == &kernels_portable;
    if (wanted && !sgemm) sgemm = open_blas();
    return wanted && sgemm;
}

/* Columns from..to of C. */
static void slice(const kernels *k, const gemm_call *g, int from, int to) {
    enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
    if (from >= to) return;
    const float *b = g->trans_b ? g->B + (size_t)from * g->ldb : g->B + from;
    sgemm(ROW_MAJOR, g->trans_a ? TRANSPOSED : PLAIN, g->trans_b ? TRANSPOSED : PLAIN, g->M, to - from, g->K, 1, g->A, (int)g->lda, b,
          (int)g->ldb, g->accumulate ? 1 : 0, g->C + from, (int)g->ldc);
    if (g->finish.op != GEMM_PLAIN) k->finish(&g->finish, g->C + from, g->ldc, 0, from, g->M, to - from);
}

void gemm_blas_run(const kernels *k, int threads, const gemm_call *g) {
#pragma omp parallel num_threads(threads)
    {
        int t = omp_get_thread_num(), n = omp_get_num_threads(), strips = (g->N + 15) / 16;
        int from = (int)((int64_t)strips * t / n) * 16, to = (int)((int64_t)strips * (t + 1) / n) * 16;
        slice(k, g, from, to < g->N ? to : g->N);
    }
}

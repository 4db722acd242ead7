/* train_gemm.c - our matrix product beside OpenBLAS and oneDNN at the shapes of GPT-2 124M, in one run,
 * call by call in turn. For each library: GFLOP/s best and median for Y = X W, dX = dY W^T, dW += X^T dY,
 * and the total weighted as in one training step. One JSON line a result.
 *     train_gemm THREADS TOKENS RUNS [NAME=LIBRARY.so ...]
 * One thread: thread CPU time; more: wall time. */
#include <dlfcn.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/hash.h"
#include "train/gemm.h"

typedef void (*cblas_sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                               float *, int);
typedef int (*dnnl_sgemm_fn)(char, char, int64_t, int64_t, int64_t, float, const float *, int64_t, const float *,
                             int64_t, float, float *, int64_t);
typedef struct {
    const char *name;
    cblas_sgemm_fn cblas;
    dnnl_sgemm_fn dnnl;
} library;

static int threads;
static gemm_team *team;

static double now(void) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void product(const library *lib, bool ta, bool tb, int M, int N, int K, const float *A, const float *B,
                    float beta, float *C) {
    int lda = ta ? M : K, ldb = tb ? K : N;
    if (lib->dnnl)
        lib->dnnl(ta ? 'T' : 'N', tb ? 'T' : 'N', M, N, K, 1, A, lda, B, ldb, beta, C, N);
    else if (lib->cblas)
        lib->cblas(101, ta ? 112 : 111, tb ? 112 : 111, M, N, K, 1, A, lda, B, ldb, beta, C, N);
    else
        gemm_run(team, &(gemm_call){.trans_a = ta, .trans_b = tb, .M = M, .N = N, .K = K, .A = A, .B = B, .C = C,
                                    .lda = (size_t)lda, .ldb = (size_t)ldb, .ldc = (size_t)N, .accumulate = beta != 0});
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a - *(const double *)b;
    return (x > 0) - (x < 0);
}

static float *numbers(size_t n) {
    float *x = wt_big_alloc(n * sizeof *x, "matrices", NULL);
    for (size_t i = 0; i < n; i++) x[i] = (float)(wt_mix64(i) >> 40) * 0x1p-24f - 0.5f;
    return x;
}

int main(int argc, char **argv) {
    static const struct { const char *name; int K, N, weight; } shape[] = {
        {"qkv", 768, 2304, 12}, {"proj", 768, 768, 12}, {"fc", 768, 3072, 12}, {"fcproj", 3072, 768, 12},
        {"head", 768, 50304, 1}};
    static double seconds[8][3][64];
    library lib[8] = {{.name = "own"}};
    double total_flops = 0, best[8] = {0}, median[8] = {0};
    int n_libs = 1;
    threads = argc > 1 ? atoi(argv[1]) : 2;
    int M = argc > 2 ? atoi(argv[2]) : 1024, runs = argc > 3 ? atoi(argv[3]) : 5;
    setenv("OMP_NUM_THREADS", threads == 1 ? "1" : argv[1], 1);
    setenv("OPENBLAS_NUM_THREADS", threads == 1 ? "1" : argv[1], 1);
    omp_set_num_threads(threads);
    for (int i = 4; i < argc && n_libs < 8; i++) {
        char *equals = strchr(argv[i], '=');
        void *handle = equals ? dlopen(equals + 1, RTLD_NOW | RTLD_LOCAL) : NULL;
        if (!handle) continue;
        *equals = 0;
        lib[n_libs].name = argv[i];
        lib[n_libs].dnnl = (dnnl_sgemm_fn)dlsym(handle, "dnnl_sgemm");
        if (!lib[n_libs].dnnl) lib[n_libs].cblas = (cblas_sgemm_fn)dlsym(handle, "cblas_sgemm");
        n_libs++;
    }
    team = gemm_team_new(kernels_best(), threads, NULL);
    float *X = numbers((size_t)M * 3072), *Wt = numbers((size_t)768 * 50304), *Y = numbers((size_t)M * 50304);
    float *dW = numbers((size_t)768 * 50304);
    for (int s = 0; s < 5; s++) {
        int K = shape[s].K, N = shape[s].N;
        bool head = s == 4;   /* the head's matrix is stored (V,C), the others (in,out) */
        double flops = 2.0 * M * K * N;
        for (int run = 0; run < runs; run++)
            for (int op = 0; op < 3; op++)
                for (int l0 = 0; l0 < n_libs; l0++) {
                    int l = (l0 + run) % n_libs;
                    if (threads > 1) usleep(20000);
                    if (threads > 1) product(&lib[l], false, false, 64, 768, 768, X, Wt, 0, Y); /* wake the team */
                    double start = now();
                    if (op == 0) product(&lib[l], false, head, M, N, K, X, Wt, 0, Y);
                    else if (op == 1) product(&lib[l], false, !head, M, K, N, Y, Wt, 0, X);
                    else if (head) product(&lib[l], true, false, N, K, M, Y, X, 1, dW);
                    else product(&lib[l], true, false, K, N, M, X, Y, 1, dW);
                    seconds[l][op][run] = now() - start;
                }
        total_flops += 3 * shape[s].weight * flops;
        for (int l = 0; l < n_libs; l++) {
            printf("{\"bench\":\"train_gemm\",\"kernels\":\"%s\",\"threads\":%d,\"tokens\":%d,\"shape\":\"%s\",\"library\":\"%s\"",
                   kernels_best()->name, threads, M, shape[s].name, lib[l].name);
            for (int op = 0; op < 3; op++) {
                qsort(seconds[l][op], (size_t)runs, sizeof(double), compare);
                double b = seconds[l][op][0], m = seconds[l][op][runs / 2];
                printf(",\"%s\":[%.1f,%.1f]", (const char *[]){"forward", "dX", "dW"}[op], flops / b * 1e-9, flops / m * 1e-9);
                best[l] += shape[s].weight * b, median[l] += shape[s].weight * m;
            }
            printf("}\n");
        }
        fflush(stdout);
    }
    for (int l = 0; l < n_libs; l++)
        printf("{\"bench\":\"train_gemm\",\"kernels\":\"%s\",\"threads\":%d,\"tokens\":%d,\"shape\":\"step\",\"library\":\"%s\","
               "\"gflops_best\":%.1f,\"gflops_median\":%.1f}\n",
               kernels_best()->name, threads, M, lib[l].name, total_flops / best[l] * 1e-9, total_flops / median[l] * 1e-9);
    return 0;
}

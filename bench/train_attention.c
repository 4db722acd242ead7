/* train_attention.c - attention alone, forward and backward, one thread, random numbers: GFLOP/s of the products below
 * the diagonal (7 of T^2/2 D: two forward, five backward), in CPU time, beside the matrix product's rate in the same run.
 *     train_attention [T [C [H [ROUNDS]]]] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/memory.h"
#include "train/model.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    int T = argc > 1 ? atoi(argv[1]) : 1024, C = argc > 2 ? atoi(argv[2]) : 768, H = argc > 3 ? atoi(argv[3]) : 12;
    int rounds = argc > 4 ? atoi(argv[4]) : 15, N = 768;
    const kernels *k = kernels_best();
    gemm_team *team = gemm_team_new(k, 1, NULL);
    size_t n = (size_t)T * (size_t)C, product = (size_t)N * (size_t)N;
    float *all = wt_big_alloc((8 * n + 3 * product) * sizeof *all, "numbers", NULL), *lse = malloc((size_t)H * (size_t)T * sizeof *lse);
    float *scratch = malloc(attention_scratch_floats(T, C / H, true) * sizeof *scratch);
    if (!team || !all || !lse || !scratch) return 1;
    for (size_t i = 0; i < 8 * n + 3 * product; i++) all[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
    float *qkv = all, *dqkv = all + 3 * n, *out = all + 6 * n, *dout = all + 7 * n, *m = all + 8 * n;
    double forward = 1e9, backward = 1e9, gemm = 1e9;
    for (int i = 0; i < rounds; i++) {
        double t0 = now();
        attention_forward(team, k, qkv, out, lse, scratch, NULL, 1, T, C, H);
        double t1 = now();
        attention_backward(team, k, qkv, out, lse, dout, dqkv, scratch, NULL, 1, T, C, H);
        double t2 = now();
        gemm_run(team, &(gemm_call){.M = N, .N = N, .K = N, .A = m, .B = m + product, .C = m + 2 * product, .lda = (size_t)N, .ldb = (size_t)N, .ldc = (size_t)N});
        double t3 = now();
        if (t1 - t0 < forward) forward = t1 - t0;
        if (t2 - t1 < backward) backward = t2 - t1;
        if (t3 - t2 < gemm) gemm = t3 - t2;
    }
    double one = (double)T * (double)T * (double)C * 1e-9, rate = 2.0 * N * N * N * 1e-9 / gemm; /* 2 T^2 D / 2 of all heads */
    printf("{\"bench\":\"train_attention\",\"kernels\":\"%s\",\"T\":%d,\"C\":%d,\"H\":%d,\"forward_gflops\":%.1f,\"backward_gflops\":%.1f,"
           "\"both_gflops\":%.1f,\"gemm_gflops\":%.1f,\"share_of_gemm\":%.3f}\n", k->name, T, C, H, 2 * one / forward, 5 * one / backward,
           7 * one / (forward + backward), rate, 7 * one / (forward + backward) / rate);
    wt_big_free(all, (8 * n + 3 * product) * sizeof *all);
    free(lse), free(scratch);
    gemm_team_free(team);
    return 0;
}

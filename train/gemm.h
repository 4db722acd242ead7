/* gemm.h - matrix products: C (M,N) = or += op(A) (M,K) op(B) (K,N), row-major, with a finish fused
 * into the last pass. Each number of C is summed in one order that depends on K alone, so results are
 * the same bits for any number of threads. Kernel sets may differ in the last bits. */
#ifndef WT_TRAIN_GEMM_H
#define WT_TRAIN_GEMM_H

#include "common/err.h"
#include "train/kernels.h"

typedef struct gemm_team gemm_team;

typedef struct {
    bool trans_a, trans_b;        /* A is stored (K,M), B is stored (N,K) */
    int M, N, K;
    const float *A, *B;
    size_t lda, ldb, ldc;
    float *C;
    bool accumulate;              /* C += */
    gemm_epilogue finish;         /* {0}: none */
} gemm_call;

/* A team of threads with room for packed panels. WT_ENOMEM. */
gemm_team *gemm_team_new(const kernels *kernels, int threads, wt_err *err);
void gemm_team_free(gemm_team *team);
int gemm_team_threads(const gemm_team *team);
/* All threads of the team work on one product; called from outside of parallel regions. */
void gemm_run(gemm_team *team, const gemm_call *call);
/* One thread (index i_thread of the team) computes alone; for use inside a parallel region. */
void gemm_run_alone(gemm_team *team, int i_thread, const gemm_call *call);
/* Something that threads do beside their products: called before tiles, with the steps of k that the thread has made since
 * the last call; the answer is what the tile asks memory for meanwhile (NULL: nothing). before_tile NULL: nothing any
 * more. Products by the system's BLAS have no tiles. */
void gemm_beside(gemm_team *team, gemm_ahead *(*before_tile)(void *ctx, int i_thread, int steps), void *ctx);
/* The plain loop in double that explains it. */
void gemm_ref(const gemm_call *call);

#endif

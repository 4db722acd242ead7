/* cluster.h - several machines by MPI, or one machine without it. Built with MPI=1 the calls go to
 * MPI; else rank is 0 of 1 and they do nothing. Calls are collective unless said otherwise. Only the
 * main thread calls (MPI_THREAD_FUNNELED). */
#ifndef WT_COMMON_CLUSTER_H
#define WT_COMMON_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

void wt_cluster_init(int *argc, char ***argv);        /* wt_tool_start does it */
void wt_cluster_end(void);                            /* wt_tool_end does it */
void wt_cluster_abort(int exit_code);                 /* ends all ranks; from any rank */
int wt_cluster_rank(void);
int wt_cluster_size(void);
void wt_cluster_barrier(void);
void wt_cluster_sum_u64(uint64_t *x, size_t n);       /* in place, on all ranks */
void wt_cluster_sum_f32(float *x, size_t n);
void wt_cluster_sum_f64(double *x, size_t n);
void wt_cluster_max_u64(uint64_t *x, size_t n);
void wt_cluster_or_u64(uint64_t *x, size_t n);
void wt_cluster_broadcast(void *bytes, size_t n, int root);
/* Every rank gives send[r] bytes from parts[r] to each rank r; received bytes come back joined in
 * rank order in *out (malloc), counts[r] from each. */
void wt_cluster_exchange(void *const *parts, const size_t *send, void **out, size_t *counts);
/* True on all ranks if it is true on any. */
bool wt_cluster_any(bool flag);

#endif

/* cluster.h - several machines by MPI, or one machine without it. Built with MPI=1 the calls go to
 * MPI; else rank is 0 of 1 and they do nothing. Calls are collective unless said otherwise, and come from
 * the main thread only. */
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
int wt_cluster_here(void);                            /* ranks on this machine, who share its memory; not collective */
void wt_cluster_barrier(void);
void wt_cluster_sum_u64(uint64_t *x, size_t n);       /* in place, on all ranks */
void wt_cluster_max_u64(uint64_t *x, size_t n);
void wt_cluster_or_u64(uint64_t *x, size_t n);
double wt_cluster_sum_f64(double x);                  /* over the ranks in their order: the same bits on all and in every run */
void wt_cluster_broadcast(void *bytes, size_t n, int root);
/* Every rank gives send[r] bytes from parts[r] to each rank r; received bytes come back joined in
 * rank order in *out (malloc), counts[r] from each. */
void wt_cluster_exchange(void *const *parts, const size_t *send, void **out, size_t *counts);
/* The same n bytes to all others; counts[own rank] is 0. */
void wt_cluster_tell(const void *own, size_t n, void **out, size_t *counts);
/* True on all ranks if it is true on any. */
bool wt_cluster_any(bool flag);
/* What fails on one rank fails on all: the others must not wait for it. 0 where no rank's result is a failure; else -1 on all,
 * with the error of the first rank that failed (a rank's own, where the first was only asked to stop). */
int wt_cluster_agree(int result, wt_err *err);
/* n bytes of rank `from` come to rank `to`; other ranks may call as well. */
void wt_cluster_move(void *bytes, size_t n, int from, int to);
uint64_t wt_cluster_sent_bytes(void);                 /* by this rank so far, without MPI's own words */

/* ---- sums and copies that travel while the caller computes ----
 * x is cut into slices: rank r's is x[cuts[r]..cuts[r + 1]). x and what was started on it belong to the work until
 * wt_cluster_finish, which waits and frees it (NULL: nothing to do); works of one kind may be under way together, in
 * the same order on all ranks. A thread of the library keeps MPI busy meanwhile. */
typedef struct wt_cluster_work wt_cluster_work;
/* A rank's own slice becomes its sum over all ranks, always added in the order of ranks; other slices stay. */
wt_cluster_work *wt_cluster_sum_start(float *x, const size_t *cuts);
/* Every rank gets the slices of all. */
wt_cluster_work *wt_cluster_gather_start(float *x, const size_t *cuts);
bool wt_cluster_done(wt_cluster_work *work);          /* not collective: finish would not wait */
size_t wt_cluster_work_bytes(const wt_cluster_work *work);   /* memory it holds */
void wt_cluster_finish(wt_cluster_work *work, int threads);  /* threads: for the sums */

#endif

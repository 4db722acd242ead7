/* pipeline.h - reads in one thread, works in many, writes in one, in the order of reading. So
 * results do not depend on the number of threads. Items live in a ring of slots, made once and
 * used again; memory is bounded by n_slots. The first error stops all and is returned; so does
 * wt_stop_requested() when stop_on_signal is set: what was read is finished and written, then
 * WT_ESTOP is returned. With threads == 1 all runs in the caller's thread, in the same order. */
#ifndef WT_COMMON_PIPELINE_H
#define WT_COMMON_PIPELINE_H

#include <stdbool.h>

#include "common/err.h"

typedef struct {
    void *ctx;                                         /* given to all callbacks */
    int threads;                                       /* workers; below 1: all cores */
    int n_slots;                                       /* 0: 4 a thread */
    bool stop_on_signal;
    bool in_place;                                     /* the workers read and write too: one reads at a time, one
                                                          writes at a time, any of them; no threads besides */
    void *(*item_new)(void *ctx);                      /* one slot's storage */
    void (*item_free)(void *ctx, void *item);
    int (*read)(void *ctx, void *item, wt_err *err);   /* 1 filled, 0 end, -1 error */
    int (*work)(void *ctx, void *item, int i_thread, wt_err *err);   /* 0 or -1 */
    int (*write)(void *ctx, void *item, wt_err *err);  /* 0 or -1; may be NULL */
    void (*beside)(void *ctx);                         /* may be NULL: called by the workers now and then, beside all
                                                          else and several at once: for work that has no turn */
} wt_pipeline;

int wt_pipeline_run(const wt_pipeline *pipeline, wt_err *err);

/* To be called by `write` of a pipeline in place: runs task(ctx, i) for i in 0..n-1, in this thread and in those that
 * are between two items, and returns when all are done. false, and nothing is run: called from elsewhere. */
bool wt_pipeline_tasks(int n, void (*task)(void *ctx, int i), void *ctx);

#endif

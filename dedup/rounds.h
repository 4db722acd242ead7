/* rounds.h - batches of input dealt to the ranks of the cluster (common/cluster.h) and met again in order.
 *
 * Where batches may end is known to all (cuts, see lines.h); only the rank that a cut is dealt to reads what lies before it and works on
 * it. In a round each rank has several batches behind each other, so that it jumps once, and as one is slow and the
 * next quick: waiting for the slowest of many costs less than for the slowest of two. The batches of rank r come before
 * those of rank r + 1:
 *     rounds *x = rounds_new(&config, &err);
 *     while ((got = rounds_next(x, &err)) > 0) {         read, and worked on
 *         rounds_share(x, pack, unpack, &err);           what was made of each batch comes to all ranks
 *         for (size_t i = 0; i < rounds_size(x); i++) ... rounds_item(x, i)    in the order of the input
 *     }
 *     rounds_free(x);
 * Alone, a rank has all turns and nothing travels. _next and _share are collective. */
#ifndef WT_DEDUP_ROUNDS_H
#define WT_DEDUP_ROUNDS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/str.h"

typedef struct {
    void *ctx;                  /* given to all callbacks */
    int threads;                /* of this rank */
    int turns;                  /* batches of a rank in a round, or two a thread where those are more */
    void *(*item_new)(void *ctx);
    void (*item_free)(void *ctx, void *item);
    /* Cuts that are surely still to come before a round must end, 1 or more, the same on all ranks: a short round is
     * dealt fairly, too. Should there be more after all, they come in the next round. */
    uint64_t (*ahead)(void *ctx);
    int (*go)(void *ctx, uint64_t from, uint64_t to, wt_err *err);   /* to this rank's cuts of the round; 0 or -1 */
    int (*read)(void *ctx, void *item, wt_err *err);                 /* 1 filled, 0 none is left of them, -1 */
    int (*work)(void *ctx, void *item, int i_thread, wt_err *err);   /* 0 or -1 */
    int (*meet)(void *ctx, const void *item, wt_err *err);           /* every batch of the round, in order; the same result on all */
} rounds_config;

typedef struct rounds rounds;

rounds *rounds_new(const rounds_config *config);
void rounds_free(rounds *x);
/* 1; 0 behind the last batch; -1: what fails on one rank fails on all. WT_ESTOP where any was asked to stop. */
int rounds_next(rounds *x, wt_err *err);

size_t rounds_size(const rounds *x);
void *rounds_item(const rounds *x, size_t i);
bool rounds_is_mine(const rounds *x, size_t i);
/* pack appends a batch of mine to bytes; unpack takes a batch of another rank from their front. Pieces keep their order. */
int rounds_share(rounds *x, void (*pack)(void *ctx, const void *item, wt_buf *bytes),
                 void (*unpack)(void *ctx, void *item, wt_str *bytes), wt_err *err);

/* For pack and unpack: n bytes, and how many they are. */
void pack_bytes(wt_buf *bytes, const void *from, size_t n);
wt_str unpack_bytes(wt_str *bytes);                   /* borrowed */

#endif

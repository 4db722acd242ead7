/* ranks.h - several processes that train one model. Together: gradients are summed and weights handed round in every
 * step, each rank keeping the moments of its share (ZeRO-1). Apart: each rank takes its own AdamW steps, and every H
 * steps the mean of their weights moves the common ones by an outer step with Nesterov momentum (DiLoCo, Douillard et
 * al. 2023). With one rank nothing travels. */
#ifndef WT_TRAIN_RANKS_H
#define WT_TRAIN_RANKS_H

#include "common/cluster.h"
#include "train/share.h"

/* Spans that are on their way, in the order they were started. */
typedef struct {
    const share_map *share;
    wt_cluster_work **work;       /* a ring of n_spans */
    size_t first, n;
    size_t bytes;                 /* that they hold */
    int threads;
    double waited_s;              /* for others, since the caller set it to 0 */
} exchange;

void exchange_init(exchange *x, const share_map *share, int threads);
void exchange_reset(exchange *x);
/* values[position in the layout]: begins to add up a span. Those that have come meanwhile are finished. */
void exchange_sum(exchange *x, float *values, size_t span);
/* Begins to hand round a span of the weights. */
void exchange_gather(exchange *x, float *weights, size_t span);
void exchange_finish(exchange *x);

typedef struct {
    share_map share;
    float *weights, *momentum;    /* this rank's share: common weights after the last outer step; momentum */
    size_t bytes;                 /* of each */
    exchange x;
} outer_state;

int outer_init(outer_state *o, const gpt *m, wt_err *err);       /* the common weights are m's */
void outer_reset(outer_state *o);
void outer_step(outer_state *o, gpt *m, double rate, double momentum);

#endif

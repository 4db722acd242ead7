/* near.h - the band filters and the votes. A batch is judged as a whole: bands are looked up in the
 * filters as they stood before it, and documents of the batch that share a band key are known
 * exactly, so bands can be asked in any order, by any thread or machine, with one result. */
#ifndef WT_DEDUP_NEAR_H
#define WT_DEDUP_NEAR_H

#include "dedup/bloom.h"
#include "dedup/sketch.h"

typedef struct {
    sketch_plan plan;
    bloom **band;               /* plan.bands filters */
    double rate_now;            /* of the filters before the last batch: a mean */
    uint32_t votes_now;         /* from which its documents were duplicates */
    void *scratch;              /* of a batch: fresh memory for each would be cleared by the kernel each time */
    size_t scratch_bytes;
} near_set;

int near_init(near_set *near, const sketch_plan *plan, const bloom_config *each, wt_err *err);
void near_reset(near_set *near);

/* keys: n documents of plan.bands band keys. votes[i]: bands of document i that an earlier kept
 * document has. Documents with fewer than near->votes_now (set here) are kept and, unless test_only,
 * remembered. */
int near_judge(near_set *near, const uint64_t *keys, size_t n, bool test_only, uint32_t *votes,
               int threads, wt_err *err);

#endif

/* keyset.h - a set of keys as 16 Bloom filters, one for each sixteenth of the key space. The shards
 * have nothing to do with each other, so threads and machines can own them, and what each answers
 * depends on the order of its own keys alone: the same for any number of owners. */
#ifndef WT_DEDUP_KEYSET_H
#define WT_DEDUP_KEYSET_H

#include "common/hash.h"
#include "dedup/bloom.h"

enum { KEYSET_SHARDS = 16 };

typedef struct {
    bloom *shard[KEYSET_SHARDS];
    void *scratch;              /* of keyset_do, kept from batch to batch */
    size_t scratch_bytes;
    bool spread;                /* over the ranks of the cluster: rank r owns shards r, r + ranks, ... */
} keyset;

static inline unsigned keyset_shard_of(uint64_t key) {
    return (unsigned)((key * 0x9fb21c651e98df25u) >> 60);  /* not the bits that choose a block */
}

int keyset_init(keyset *set, const bloom_config *total, wt_err *err);
void keyset_reset(keyset *set);

typedef enum { KEYSET_TEST, KEYSET_ADD } keyset_verb;

/* Tests keys, or adds them, in order; seen[i] says whether key i was there before.
 *   group_end   NULL: each key sees those before it. Else n_groups ascending ends of groups of keys
 *               (documents): a key does not see those of its own group
 *   threads     share the shards
 * For a spread set this is a collective call: all ranks give the same keys and get the same answers. */
int keyset_do(keyset *set, keyset_verb verb, const uint64_t *keys, size_t n,
              const size_t *group_end, size_t n_groups, uint8_t *seen, int threads, wt_err *err);

/* The shards' numbers joined: sums of sizes and keys, means of fill and rates. Collective for a spread set, whose
 * owners read their shards. */
void keyset_stats(const keyset *set, int threads, bloom_stats *stats);

/* Runs task(ctx, i) for i in 0..n-1 in up to `threads` threads; where a pipeline's item is judged, in the pipeline's. */
void parallel_tasks(int threads, int n, void (*task)(void *ctx, int i), void *ctx);

#endif

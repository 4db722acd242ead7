/* rng.h - random numbers that are the same everywhere: xoshiro256** (Blackman, Vigna 2018), seeded
 * by splitmix64 from (seed, stream), so that every thread, document or sample has its own stream.
 * The state is plain data: save it, restore it, continue bit for bit. */
#ifndef WT_COMMON_RNG_H
#define WT_COMMON_RNG_H

#include <stdint.h>

typedef struct {
    uint64_t s[4];
} wt_rng;

void wt_rng_init(wt_rng *rng, uint64_t seed, uint64_t stream);
uint64_t wt_rng_u64(wt_rng *rng);
uint64_t wt_rng_below(wt_rng *rng, uint64_t n);       /* uniform in 0..n-1, unbiased; n > 0 */
double wt_rng_double(wt_rng *rng);                    /* uniform in [0, 1), 53 bits */
double wt_rng_normal(wt_rng *rng);                    /* mean 0, deviation 1 (Box-Muller, one of two) */

/* A keyed permutation of 0..n-1 in O(1) memory and time: a 6-round Feistel network with cycle
 * walking. index must be below n. wt_permute_inverse undoes it. */
uint64_t wt_permute(uint64_t index, uint64_t n, uint64_t key);
uint64_t wt_permute_inverse(uint64_t value, uint64_t n, uint64_t key);

#endif

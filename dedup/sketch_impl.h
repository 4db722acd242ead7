/* sketch_impl.h - what the files of the sketch share; nobody else includes it. */
#ifndef WT_DEDUP_SKETCH_IMPL_H
#define WT_DEDUP_SKETCH_IMPL_H

#include "dedup/sketch.h"

#define SKETCH_GOLDEN 0x9e3779b97f4a7c15u
#define SKETCH_EMPTY UINT32_MAX

/* Puts the keys of a round from 1 to n_bins - 1 into the bins; limit[bin] is what a value must be below: 0 for
 * bins that earlier rounds filled, else what bins[bin] has. Returns how many empty bins were filled. */
int sketch_round_avx512(const uint64_t *keys, size_t n, uint32_t n_bins, uint32_t round, uint32_t *bins,
                        uint32_t *limit);

#endif

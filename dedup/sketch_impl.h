/* sketch_impl.h - what the files of the sketch share; nobody else includes it. */
#ifndef WT_DEDUP_SKETCH_IMPL_H
#define WT_DEDUP_SKETCH_IMPL_H

#include <stdbool.h>

#include "dedup/sketch.h"

#define SKETCH_GOLDEN 0x9e3779b97f4a7c15u
#define SKETCH_EMPTY UINT32_MAX

/* Puts the keys of a round from 1 to n_bins - 1 into the bins that were empty before it, which `empty` has as bits. */
enum { SKETCH_EMPTY_WORDS = SKETCH_BINS_MAX / 32 };
void sketch_round_avx512(const uint64_t *keys, size_t n, uint32_t n_bins, uint32_t round, const uint32_t *empty,
                         uint32_t *bins);
/* Sets the bits; returns whether there are any. */
bool sketch_empty_avx512(const uint32_t *bins, uint32_t n_bins, uint32_t *empty);

#endif

/* pairs.h - which merge joins two tokens, for ids of 16 bits. Inside bpe/.
 *
 * Unknown words are what a fresh encoder spends its time on, and there each step asks for two pairs that depend
 * on the step before: the time is that of memory, 100 ns and more where a table is not in the processor's
 * cache, and text and words run through that cache all the time. So the tables are small. A bit tells most
 * pairs that no merge joins (half of all questions; 64 KiB), and ten of the others are a line of the processor's cache
 * (512 KiB for GPT-2's merges). */
#ifndef WT_BPE_PAIRS_H
#define WT_BPE_PAIRS_H

#include <stdint.h>
#if defined __AVX512F__
#include <immintrin.h>
#endif

#include "common/str.h"

enum { BPE_PAIRS_LINE = 10, BPE_PAIRS_FILTER_BITS = 19 };

/* A full line goes on in the next. */
typedef struct {
    uint32_t pair[BPE_PAIRS_LINE];          /* left << 16 | right */
    uint16_t result[BPE_PAIRS_LINE];
    uint32_t n;
} bpe_pairs_line;

typedef struct {
    bpe_pairs_line *line;
    uint32_t mask;
    uint64_t filter[1 << (BPE_PAIRS_FILTER_BITS - 6)];
} bpe_pairs;

static inline uint32_t bpe_pairs_hash(uint32_t pair) { return (uint32_t)((pair * 0x9E3779B97F4A7C15u) >> 32); }
static inline uint32_t bpe_pairs_bit(uint32_t hash) { return hash >> (32 - BPE_PAIRS_FILTER_BITS); }

/* What the merge of the two makes, UINT32_MAX where there is none. */
static inline uint32_t bpe_pairs_find(const bpe_pairs *p, uint32_t left, uint32_t right) {
    uint32_t pair = left << 16 | right, hash = bpe_pairs_hash(pair), bit = bpe_pairs_bit(hash);
    if (!(p->filter[bit >> 6] >> (bit & 63) & 1))
        return UINT32_MAX;
    for (uint32_t i = hash;; i++) {
        const bpe_pairs_line *line = &p->line[i & p->mask];
#if defined __AVX512F__
        uint32_t found = _mm512_cmpeq_epi32_mask(_mm512_load_si512(line), _mm512_set1_epi32((int)pair));
#else
        uint32_t found = 0;
        for (int k = 0; k < BPE_PAIRS_LINE; k++)
            found |= (uint32_t)(line->pair[k] == pair) << k;
#endif
        if (found &= (1u << line->n) - 1)
            return line->result[__builtin_ctz(found)];
        if (__builtin_expect(line->n < BPE_PAIRS_LINE, 1))
            return UINT32_MAX;
    }
}

#endif

/* bloom_avx512.c - a line of block512 and two-line is one register here. A word of a key's hash holds seven
 * bit numbers; each is broadcast, and the lane whose 64 bits it falls into shifts a one there: lanes where the shift
 * is below 0 or beyond 63 become 0 by themselves. One test and one store do the rest. The plain twin is line_do() in
 * bloom.c. */
#include <immintrin.h>

#include "dedup/bloom_impl.h"

static inline __m512i mask_of(uint64_t hash, int k) {
    const __m512i shifts = _mm512_setr_epi64(0, 9, 18, 27, 36, 45, 54, 63), one = _mm512_set1_epi64(1);
    const __m512i first = _mm512_setr_epi64(0, 64, 128, 192, 256, 320, 384, 448);       /* bit of each lane */
    __m512i mask = _mm512_setzero_si512();
    for (uint64_t seed = hash;; seed += BLOOM_PIECES_STEP, k -= 7) {
        __m512i bits = _mm512_and_si512(_mm512_srlv_epi64(_mm512_set1_epi64((long long)wt_mix64(seed)), shifts), _mm512_set1_epi64(511));
        __m512i lane = _mm512_setzero_si512();
        for (int left = k < 7 ? k : 7; left > 0; left--) {
            __m512i bit = _mm512_sub_epi64(_mm512_permutexvar_epi64(lane, bits), first);
            mask = _mm512_or_si512(mask, _mm512_sllv_epi64(one, bit));
            lane = _mm512_add_epi64(lane, one);
        }
        if (k <= 7) return mask;
    }
}

static inline bool line_add(uint64_t *line, uint64_t hash, int k) {
    __m512i mask = mask_of(hash, k), old = _mm512_loadu_si512(line);
    _mm512_storeu_si512(line, _mm512_or_si512(old, mask));
    return _mm512_test_epi64_mask(_mm512_andnot_si512(old, mask), mask) == 0;
}
static inline bool line_test(const uint64_t *line, uint64_t hash, int k) {
    __m512i mask = mask_of(hash, k);
    return _mm512_test_epi64_mask(_mm512_andnot_si512(_mm512_loadu_si512(line), mask), mask) == 0;
}

void line_add_avx512(const bloom_layer *l, const uint64_t *keys, size_t n, uint8_t *seen) {
    uint64_t n_lines = l->plan.n_blocks;
    for (size_t i = 0; i < n; i++) {
        if (l->plan.variant == BLOOM_BLOCK512) {
            seen[i] = line_add(l->words + wt_fastrange64(keys[i], n_lines) * LINE_WORDS, keys[i], l->plan.k);
            continue;
        }
        uint64_t a = two_line_hash(keys[i], 0), b = two_line_hash(keys[i], 1);
        bool seen_a = line_add(l->words + wt_fastrange64(a, n_lines) * LINE_WORDS, a, l->plan.k);
        bool seen_b = line_add(l->words + (wt_fastrange64(b, n_lines) + n_lines) * LINE_WORDS, b, l->plan.k);
        seen[i] = seen_a & seen_b;
    }
}

void line_test_avx512(const bloom_layer *l, const uint64_t *keys, size_t n, uint8_t *seen) {
    uint64_t n_lines = l->plan.n_blocks;
    for (size_t i = 0; i < n; i++) {
        if (l->plan.variant == BLOOM_BLOCK512) {
            seen[i] = line_test(l->words + wt_fastrange64(keys[i], n_lines) * LINE_WORDS, keys[i], l->plan.k);
            continue;
        }
        uint64_t a = two_line_hash(keys[i], 0);
        seen[i] = line_test(l->words + wt_fastrange64(a, n_lines) * LINE_WORDS, a, l->plan.k);
        if (!seen[i]) continue;
        uint64_t b = two_line_hash(keys[i], 1);
        seen[i] = line_test(l->words + (wt_fastrange64(b, n_lines) + n_lines) * LINE_WORDS, b, l->plan.k);
    }
}

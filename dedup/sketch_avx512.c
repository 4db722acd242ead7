/* sketch_avx512.c - one round of the sketch, eight keys at a time. In later rounds most bins are closed, so
 * most keys end at the comparison; those that go on are taken one by one. Twin: round_plain() in sketch.c. */
#include <immintrin.h>

#include "common/hash.h"
#include "dedup/sketch_impl.h"

static inline __m512i mix64x8(__m512i x) {
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 30));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)0xbf58476d1ce4e5b9u));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 27));
    x = _mm512_mullo_epi64(x, _mm512_set1_epi64((long long)0x94d049bb133111ebu));
    return _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
}

int sketch_round_avx512(const uint64_t *keys, size_t n, uint32_t n_bins, uint32_t round, uint32_t *bins,
                        uint32_t *limit) {
    const __m512i t = _mm512_set1_epi64(n_bins), add = _mm512_set1_epi64((long long)(round * SKETCH_GOLDEN));
    const __m256i largest = _mm256_set1_epi32((int)(SKETCH_EMPTY - 1));
    int filled = 0;
    for (size_t i = 0; i < n; i += 8) {
        __mmask8 lanes = n - i < 8 ? (__mmask8)((1u << (n - i)) - 1) : (__mmask8)0xff;
        __m512i hash = mix64x8(_mm512_add_epi64(_mm512_maskz_loadu_epi64(lanes, keys + i), add));
        __m256i bin = _mm512_cvtepi64_epi32(_mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(hash, 32), t), 32));
        __m256i value = _mm256_min_epu32(_mm512_cvtepi64_epi32(hash), largest);
        __m256i below = _mm256_i32gather_epi32((const int *)limit, bin, 4);
        lanes = _mm256_mask_cmplt_epu32_mask(lanes, value, below);
        if (!lanes) continue;
        uint32_t to[8], least[8];
        _mm256_storeu_si256((__m256i *)to, bin);
        _mm256_storeu_si256((__m256i *)least, value);
        for (; lanes; lanes &= (__mmask8)(lanes - 1)) {
            int lane = __builtin_ctz(lanes);
            if (least[lane] >= limit[to[lane]]) continue;
            filled += limit[to[lane]] == SKETCH_EMPTY;
            bins[to[lane]] = limit[to[lane]] = least[lane];
        }
    }
    return filled;
}

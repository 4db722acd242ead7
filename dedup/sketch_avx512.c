/* sketch_avx512.c - one round of the sketch, eight keys at a time. Whether a key's bin is still open cannot be
 * guessed, so keys that pass the comparison are lined up without a branch, some hundred at a time, and then taken
 * one by one. Twin: round_plain() in sketch.c. */
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

/* Puts those of n <= CHUNK keys into to[] and least[] whose value is below the limit of their bin; returns how many. */
enum { CHUNK = 256 };
static size_t candidates(const uint64_t *keys, size_t n, uint32_t n_bins, uint64_t offset, const uint32_t *limit,
                         uint32_t *to, uint32_t *least) {
    const __m512i t = _mm512_set1_epi64(n_bins), add = _mm512_set1_epi64((long long)offset);
    const __m256i largest = _mm256_set1_epi32((int)(SKETCH_EMPTY - 1));
    size_t found = 0;
    for (size_t i = 0; i < n; i += 8) {
        __mmask8 lanes = n - i < 8 ? (__mmask8)((1u << (n - i)) - 1) : (__mmask8)0xff;
        __m512i hash = mix64x8(_mm512_add_epi64(_mm512_maskz_loadu_epi64(lanes, keys + i), add));
        __m256i bin = _mm512_cvtepi64_epi32(_mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(hash, 32), t), 32));
        __m256i value = _mm256_min_epu32(_mm512_cvtepi64_epi32(hash), largest);
        __m256i below = _mm256_i32gather_epi32((const int *)limit, bin, 4);
        lanes = _mm256_mask_cmplt_epu32_mask(lanes, value, below);
        _mm256_storeu_si256((__m256i *)(to + found), _mm256_maskz_compress_epi32(lanes, bin));
        _mm256_storeu_si256((__m256i *)(least + found), _mm256_maskz_compress_epi32(lanes, value));
        found += (size_t)__builtin_popcount(lanes);
    }
    return found;
}

int sketch_round_avx512(const uint64_t *keys, size_t n, uint32_t n_bins, uint32_t round, uint32_t *bins,
                        uint32_t *limit) {
    uint32_t to[CHUNK + 8], least[CHUNK + 8];
    int filled = 0;
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t found = candidates(keys + at, n - at < CHUNK ? n - at : CHUNK, n_bins, round * SKETCH_GOLDEN, limit, to, least);
        for (size_t i = 0; i < found; i++) {
            if (least[i] >= limit[to[i]]) continue;
            filled += limit[to[i]] == SKETCH_EMPTY;
            bins[to[i]] = limit[to[i]] = least[i];
        }
    }
    return filled;
}

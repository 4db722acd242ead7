/* sketch_avx512.c - one round of the sketch, sixteen keys at a time. In the second round of a short document few
 * bins are empty still, in the last ones a handful: the empty ones are bits in two registers, and a permutation and a
 * rotation tell which keys fell into one. Those cannot be guessed, so they are lined up without a branch, some
 * hundred at a time, and then taken one by one. Twin: round_plain() in sketch.c. */
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

bool sketch_empty_avx512(const uint32_t *bins, uint32_t n_bins, uint32_t *empty) {
    uint32_t any = 0;
    memset(empty, 0, SKETCH_EMPTY_WORDS * sizeof *empty);
    for (uint32_t bin = 0; bin < n_bins; bin += 16) {
        __mmask16 lanes = n_bins - bin < 16 ? (__mmask16)((1u << (n_bins - bin)) - 1) : (__mmask16)0xffff;
        __m512i x = _mm512_maskz_loadu_epi32(lanes, bins + bin);
        uint32_t found = _mm512_mask_cmpeq_epi32_mask(lanes, x, _mm512_set1_epi32((int)SKETCH_EMPTY));
        empty[bin / 32] |= found << bin % 32;
        any |= found;
    }
    return any != 0;
}

/* Even lanes are of the first eight keys, odd ones of the others. */
static inline __mmask16 lanes_of(size_t n) {
    if (n >= 16) return (__mmask16)0xffff;
    unsigned first = n < 8 ? (1u << n) - 1 : 0xff, second = n > 8 ? (1u << (n - 8)) - 1 : 0;
    return (__mmask16)(_pdep_u32(first, 0x5555) | _pdep_u32(second, 0xaaaa));
}

/* Puts those of n <= CHUNK keys into to[] and least[] whose bin was empty; returns how many. */
enum { CHUNK = 256 };
static size_t candidates(const uint64_t *keys, size_t n, uint32_t n_bins, uint64_t offset, const uint32_t *empty,
                         uint32_t *to, uint32_t *least) {
    const __m512i t = _mm512_set1_epi64(n_bins), add = _mm512_set1_epi64((long long)offset), one = _mm512_set1_epi32(1);
    const __m512i largest = _mm512_set1_epi32((int)(SKETCH_EMPTY - 1));
    const __m512i low = _mm512_loadu_si512(empty), high = _mm512_loadu_si512(empty + 16);
    size_t found = 0;
    for (size_t i = 0; i < n; i += 16) {
        size_t left = n - i;
        __mmask8 a_lanes = left >= 8 ? (__mmask8)0xff : (__mmask8)((1u << left) - 1);
        __mmask8 b_lanes = left >= 16 ? (__mmask8)0xff : left > 8 ? (__mmask8)((1u << (left - 8)) - 1) : (__mmask8)0;
        __m512i a = mix64x8(_mm512_add_epi64(_mm512_maskz_loadu_epi64(a_lanes, keys + i), add));
        __m512i b = mix64x8(_mm512_add_epi64(_mm512_maskz_loadu_epi64(b_lanes, keys + i + 8), add));
        __m512i a_bin = _mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(a, 32), t), 32);
        __m512i b_bin = _mm512_mul_epu32(_mm512_srli_epi64(b, 32), t);                   /* in the upper half */
        __m512i bin = _mm512_mask_blend_epi32(0xaaaa, a_bin, b_bin);
        __m512i value = _mm512_min_epu32(_mm512_mask_blend_epi32(0xaaaa, a, _mm512_slli_epi64(b, 32)), largest);
        __m512i word = _mm512_permutex2var_epi32(low, _mm512_srli_epi32(bin, 5), high);
        __mmask16 lanes = _mm512_mask_test_epi32_mask(lanes_of(left), word, _mm512_rolv_epi32(one, bin));
        _mm512_storeu_si512(to + found, _mm512_maskz_compress_epi32(lanes, bin));
        _mm512_storeu_si512(least + found, _mm512_maskz_compress_epi32(lanes, value));
        found += (size_t)__builtin_popcount(lanes);
    }
    return found;
}

void sketch_round_avx512(const uint64_t *keys, size_t n, uint32_t n_bins, uint32_t round, const uint32_t *empty,
                         uint32_t *bins) {
    uint32_t to[CHUNK + 16], least[CHUNK + 16];
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t found = candidates(keys + at, n - at < CHUNK ? n - at : CHUNK, n_bins, round * SKETCH_GOLDEN, empty, to, least);
        for (size_t i = 0; i < found; i++) {
            uint32_t old = bins[to[i]];
            bins[to[i]] = least[i] < old ? least[i] : old;
        }
    }
}

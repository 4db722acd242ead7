/* words_avx2.c - which bytes of a block belong to words, 32 at a time. Twin: run_mask_plain(). */
#include <immintrin.h>

#include "dedup/words_impl.h"

/* Signed bytes: those from 0x80 on are below 0. */
static inline uint32_t alnum32(__m256i v) {
    __m256i lower = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
    __m256i letter = _mm256_and_si256(_mm256_cmpgt_epi8(lower, _mm256_set1_epi8('a' - 1)),
                                      _mm256_cmpgt_epi8(_mm256_set1_epi8('z' + 1), lower));
    __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('0' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('9' + 1), v));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(letter, digit), v));
}
static inline uint32_t nonspace32(__m256i v) {
    __m256i control = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8(8)),
                                       _mm256_cmpgt_epi8(_mm256_set1_epi8(14), v));
    __m256i space = _mm256_or_si256(control, _mm256_cmpeq_epi8(v, _mm256_set1_epi8(' ')));
    return ~(uint32_t)_mm256_movemask_epi8(space);
}

void runs_find_avx2(const char *text, size_t n_blocks, int run, uint64_t *masks) {
    for (size_t i = 0; i < n_blocks; i++) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(text + 64 * i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(text + 64 * i + 32));
        masks[i] = run == RUN_ALNUM ? alnum32(a) | (uint64_t)alnum32(b) << 32
                                    : nonspace32(a) | (uint64_t)nonspace32(b) << 32;
    }
}

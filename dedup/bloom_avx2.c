/* bloom_avx2.c - split256 with one vector: eight multiplies make eight bit numbers, one shift makes
 * the mask, one test and one store do the rest. The plain twin is layer_do() in bloom.c. */
#include <immintrin.h>

#include "dedup/bloom_impl.h"

static inline __m256i mask_of(uint64_t key) {
    __m256i salt = _mm256_loadu_si256((const __m256i *)SPLIT_SALT);
    __m256i bit = _mm256_srli_epi32(_mm256_mullo_epi32(_mm256_set1_epi32((int)(uint32_t)key), salt), 27);
    return _mm256_sllv_epi32(_mm256_set1_epi32(1), bit);
}

void split_add_avx2(uint64_t *words, uint64_t n_blocks, const uint64_t *keys, size_t n,
                    uint8_t *seen) {
    for (size_t i = 0; i < n; i++) {
        __m256i *block = (__m256i *)(words + split_block(keys[i], n_blocks) * SPLIT_WORDS);
        __m256i mask = mask_of(keys[i]), old = _mm256_load_si256(block);
        seen[i] = (uint8_t)_mm256_testc_si256(old, mask);
        _mm256_store_si256(block, _mm256_or_si256(old, mask));
    }
}

void split_test_avx2(const uint64_t *words, uint64_t n_blocks, const uint64_t *keys, size_t n,
                     uint8_t *seen) {
    for (size_t i = 0; i < n; i++) {
        const __m256i *block =
            (const __m256i *)(words + split_block(keys[i], n_blocks) * SPLIT_WORDS);
        seen[i] = (uint8_t)_mm256_testc_si256(_mm256_load_si256(block), mask_of(keys[i]));
    }
}

double split_rate_avx2(const uint64_t *words, uint64_t n_blocks, uint64_t *bits_set) {
    return split_rate_sum(words, n_blocks, bits_set);
}
double line_rate_avx2(const uint64_t *words, uint64_t n_lines, const double *power, uint64_t *bits_set) {
    return line_rate_sum(words, n_lines, power, bits_set);
}

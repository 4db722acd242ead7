/* json_avx2.c - json_scan.h with 32 bytes a register. */
#if defined(__AVX2__) && defined(__PCLMUL__)
#include <immintrin.h>

#include "common/json_impl.h"

static inline uint64_t both(__m256i low, __m256i high) {
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

/* 64 bytes of which n are the text's; the others, where a block ends the text, are spaces. */
static inline const char *padded(const char *text, size_t n, char tail[64]) {
    if (n == 64) return text;
    memset(tail, ' ', 64);
    return memcpy(tail, text, n);
}

static inline wt_json_masks block_masks(const char *text, size_t n) {
    char tail[64];
    text = padded(text, n, tail);
    __m256i a = _mm256_loadu_si256((const __m256i *)text), b = _mm256_loadu_si256((const __m256i *)(text + 32));
    const __m256i quote = _mm256_set1_epi8('"'), slash = _mm256_set1_epi8('\\'), control = _mm256_set1_epi8(0x1f);
    return (wt_json_masks){
        .quote = both(_mm256_cmpeq_epi8(a, quote), _mm256_cmpeq_epi8(b, quote)),
        .backslash = both(_mm256_cmpeq_epi8(a, slash), _mm256_cmpeq_epi8(b, slash)),
        .control = both(_mm256_cmpeq_epi8(_mm256_min_epu8(a, control), a), _mm256_cmpeq_epi8(_mm256_min_epu8(b, control), b))};
}

static uint64_t simple_escapes(const char *text, size_t n) {
    char tail[64];
    __m256i found[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    text = padded(text, n, tail);
    for (const char *c = "/\"\\nrtbf"; *c; c++)
        for (int i = 0; i < 2; i++)
            found[i] = _mm256_or_si256(found[i], _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(text + 32 * i)), _mm256_set1_epi8(*c)));
    return both(found[0], found[1]);
}

#define SIMPLE_ESCAPES simple_escapes
#define BLOCK_MASKS block_masks
#define PICK wt_json_pick_avx2
#include "common/json_scan.h"
#else
typedef int nothing_here;                    /* not this processor's */
#endif

/* words_avx512.c - which bytes of a block belong to words, 64 at a time. Twin: run_mask_plain(). */
#include <immintrin.h>

#include "dedup/words_impl.h"

static inline uint64_t between(__m512i v, char low, char high) {
    __m512i from_low = _mm512_sub_epi8(v, _mm512_set1_epi8(low));
    return _mm512_cmple_epu8_mask(from_low, _mm512_set1_epi8((char)(high - low)));
}

void runs_find_avx512(const char *text, size_t n_blocks, int run, uint64_t *masks) {
    for (size_t i = 0; i < n_blocks; i++) {
        __m512i v = _mm512_loadu_si512(text + 64 * i);
        if (run == RUN_ALNUM) {
            __m512i lower = _mm512_or_si512(v, _mm512_set1_epi8(0x20));
            masks[i] = between(lower, 'a', 'z') | between(v, '0', '9') | _mm512_movepi8_mask(v);
        } else {
            masks[i] = ~(between(v, 9, 13) | _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(' ')));
        }
    }
}

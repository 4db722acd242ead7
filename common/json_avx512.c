/* json_avx512.c - json_scan.h with 64 bytes a register and comparisons that give masks at once. */
#if defined(__AVX512BW__) && defined(__PCLMUL__)
#include <immintrin.h>

#include "common/json_impl.h"

/* Of the n <= 64 bytes at text; those behind read as 0xff. */
static inline __m512i bytes_at(const char *text, size_t n) {
    if (n == 64) return _mm512_loadu_si512(text);
    return _mm512_mask_loadu_epi8(_mm512_set1_epi8(-1), ((uint64_t)1 << n) - 1, text);
}

static inline wt_json_masks block_masks(const char *text, size_t n) {
    __m512i x = bytes_at(text, n);
    return (wt_json_masks){.quote = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"')),
                           .backslash = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\\')),
                           .control = _mm512_cmplt_epu8_mask(x, _mm512_set1_epi8(0x20))};
}

static uint64_t simple_escapes(const char *text, size_t n) {
    __m512i x = bytes_at(text, n);
    uint64_t found = 0;
    for (const char *c = "/\"\\nrtbf"; *c; c++) found |= _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(*c));
    return found;
}

#define SIMPLE_ESCAPES simple_escapes
#define BLOCK_MASKS block_masks
#define PICK wt_json_pick_avx512
#include "common/json_scan.h"
#else
typedef int nothing_here;                    /* not this processor's */
#endif

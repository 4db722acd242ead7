/* split_avx2.c - the three patterns with AVX2: 64 bytes are two registers, whose sign bits become the
 * class masks. */
#include <immintrin.h>

#include "bpe/split_modern.h"

typedef struct {
    __m256i lo, hi;
} block;

static inline uint64_t bits(__m256i lo, __m256i hi) {
    return (uint32_t)_mm256_movemask_epi8(lo) | (uint64_t)(uint32_t)_mm256_movemask_epi8(hi) << 32;
}

static inline __m256i range_half(__m256i x, uint8_t first, uint8_t last) {
    __m256i span = _mm256_set1_epi8((char)(last - first));
    x = _mm256_sub_epi8(x, _mm256_set1_epi8((char)first));
    return _mm256_cmpeq_epi8(_mm256_min_epu8(x, span), x);
}

static inline uint64_t in_range(block b, uint8_t first, uint8_t last) {
    return bits(range_half(b.lo, first, last), range_half(b.hi, first, last));
}

static inline uint64_t equal(block b, uint8_t c) {
    __m256i x = _mm256_set1_epi8((char)c);
    return bits(_mm256_cmpeq_epi8(b.lo, x), _mm256_cmpeq_epi8(b.hi, x));
}

static inline block_masks classify(block b, const uint8_t *class_of, const uint8_t *p, const uint8_t *end,
                                   bpe_split_kind kind) {
    __m256i low = _mm256_set1_epi8(0x20);
    block folded = {_mm256_or_si256(b.lo, low), _mm256_or_si256(b.hi, low)};
    block_masks m = {0};
    m.letter = in_range(folded, 'a', 'z');
    m.number = in_range(b, '0', '9');
    m.blank = equal(b, ' ');
    m.quote = equal(b, '\'');
    m.space = m.blank | in_range(b, 9, 13);
    if (kind != BPE_SPLIT_GPT2)
        m.newline = equal(b, '\n') | equal(b, '\r');
    if (kind == BPE_SPLIT_O200K) {
        m.slash = equal(b, '/');
        m.upper = in_range(b, 'A', 'Z');
        m.lower = m.letter & ~m.upper;
    }
    m.wide = bits(b.lo, b.hi);
    if (m.wide)
        classify_wide(&m, class_of, p, end);
    return m;
}

static inline block block_load(const uint8_t *p, size_t left) {
    uint8_t copy[64] = {0};
    if (left < 64) {
        memcpy(copy, p, left);
        p = copy;
    }
    return (block){_mm256_loadu_si256((const __m256i *)p), _mm256_loadu_si256((const __m256i *)(p + 32))};
}

static inline __attribute__((always_inline)) size_t split(bpe_split_kind kind, const uint8_t *class_of, const uint8_t *text,
                                                          size_t n, size_t at, uint32_t *ends, size_t cap) {
    const uint8_t *end = text + n;
    size_t n_ends = 0, i = at;
    while (i < n && n_ends + 64 < cap) {
        size_t left = n - i;
        uint64_t valid = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
        block_masks m = classify(block_load(text + i, left), class_of, text + i, end, kind);
        bool all = true;
        uint64_t starts = kind == BPE_SPLIT_GPT2 ? gpt2_starts(&m, valid, text + i, end)
                                                 : modern_starts(&m, valid, text + i, end, kind == BPE_SPLIT_O200K, &all);
        starts &= ~UINT64_C(1);
        for (uint64_t s = starts; s; s &= s - 1)
            ends[n_ends++] = (uint32_t)(i - at) + (uint32_t)__builtin_ctzll(s);
        if (left <= 64 && all) {
            ends[n_ends++] = (uint32_t)(n - at);
            i = n;
        } else if (starts) {
            i += 63 - (size_t)__builtin_clzll(starts);
        } else {                            /* a long pretoken, or a block that the masks leave to the plain machine */
            size_t stop = all || left <= 64 ? i + 1 : i + 64;
            for (; i < stop && n_ends < cap; n_ends++)
                ends[n_ends] = (uint32_t)((i = bpe_split_plain(kind, text, n, i)) - at);
        }
    }
    return n_ends;
}

size_t bpe_split_gpt2_avx2(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                           size_t cap) {
    return split(BPE_SPLIT_GPT2, class_of, text, n, at, ends, cap);
}

size_t bpe_split_cl100k_avx2(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                             size_t cap) {
    return split(BPE_SPLIT_CL100K, class_of, text, n, at, ends, cap);
}

size_t bpe_split_o200k_avx2(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                            size_t cap) {
    return split(BPE_SPLIT_O200K, class_of, text, n, at, ends, cap);
}

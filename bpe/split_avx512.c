/* split_avx512.c - the three patterns with AVX-512: 64 bytes are one register, classes are mask
 * registers, and vpcompressb writes the boundaries' positions. */
#include <immintrin.h>

#include "bpe/split_modern.h"

#define TARGET __attribute__((target("avx512vbmi2,avx512vbmi")))

static inline __m512i bytes_of(uint8_t c) { return _mm512_set1_epi8((char)c); }
static inline uint64_t in_range(__m512i x, uint8_t first, uint8_t last) {
    return _mm512_cmple_epu8_mask(_mm512_sub_epi8(x, bytes_of(first)), bytes_of((uint8_t)(last - first)));
}

/* Whole blocks of scripts whose characters' first byte tells the class: Han, Hangul, Cyrillic, and the
 * quotes and dashes of U+2010..2027. Takes them out of m->wide. `cases`: upper and lower case matter. */
static inline void classify_common(block_masks *m, __m512i x, bool cases) {
    uint64_t next = in_range(x, 0x80, 0xBF);            /* continuation bytes */
    uint64_t two = next >> 1, three = two & next >> 2;
    uint64_t han = (in_range(x, 0xE4, 0xE9) | in_range(x, 0xEB, 0xEC)) & three;
    /* U+4DC0..4DFF are hexagrams: E4 B7 */
    han &= ~(_mm512_cmpeq_epi8_mask(x, bytes_of(0xE4)) & _mm512_cmpeq_epi8_mask(x, bytes_of(0xB7)) >> 1);
    uint64_t cyrillic = in_range(x, 0xD0, 0xD1) & two;
    if (cases) {                        /* U+0400..042F; U+0430..045F; behind them the cases alternate */
        uint64_t d0 = _mm512_cmpeq_epi8_mask(x, bytes_of(0xD0)), first = next & in_range(x, 0x80, 0x9F);
        uint64_t upper = cyrillic & d0 & in_range(x, 0x80, 0xAF) >> 1, lower = cyrillic & ~upper & (d0 | first >> 1);
        m->upper |= upper | upper << 1, m->lower |= lower | lower << 1;
        cyrillic = upper | lower;
    }
    uint64_t dash = _mm512_cmpeq_epi8_mask(x, bytes_of(0xE2)) & _mm512_cmpeq_epi8_mask(x, bytes_of(0x80)) >> 1 &
                    in_range(x, 0x90, 0xA7) >> 2;
    uint64_t letters = han | han << 1 | han << 2 | cyrillic | cyrillic << 1;
    uint64_t done = letters | dash | dash << 1 | dash << 2;
    m->letter |= letters;
    m->inner |= (han | dash) << 1 | (han | dash) << 2 | cyrillic << 1;
    m->wide &= ~done;
}

static inline block_masks classify(__m512i x, const uint8_t *class_of, const uint8_t *p, const uint8_t *end,
                                   bpe_split_kind kind) {
    block_masks m = {0};
    m.letter = in_range(_mm512_or_si512(x, bytes_of(0x20)), 'a', 'z');
    if (kind != BPE_SPLIT_GPT2)
        m.newline = _mm512_cmpeq_epi8_mask(x, bytes_of('\n')) | _mm512_cmpeq_epi8_mask(x, bytes_of('\r'));
    if (kind == BPE_SPLIT_O200K) {
        m.slash = _mm512_cmpeq_epi8_mask(x, bytes_of('/'));
        m.upper = in_range(x, 'A', 'Z');
        m.lower = m.letter & ~m.upper;
    }
    m.number = in_range(x, '0', '9');
    m.blank = _mm512_cmpeq_epi8_mask(x, bytes_of(' '));
    m.quote = _mm512_cmpeq_epi8_mask(x, bytes_of('\''));
    m.space = m.blank | in_range(x, 9, 13);
    m.wide = _mm512_movepi8_mask(x);
    if (m.wide) {
        classify_common(&m, x, kind == BPE_SPLIT_O200K);
        classify_wide(&m, class_of, p, end);
    }
    return m;
}

/* Writes base + i for each bit i of starts; 64 places must be free. */
TARGET static inline unsigned write_positions(uint32_t *out, uint64_t starts, uint32_t base) {
    static const uint8_t index[64] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    unsigned n = (unsigned)__builtin_popcountll(starts);
    __m512i packed = _mm512_maskz_compress_epi8(starts, _mm512_loadu_si512(index));
    __m512i add = _mm512_set1_epi32((int)base);
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed)), add));
    if (n > 16) {
        _mm512_storeu_si512(out + 16, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 1)), add));
        if (n > 32) {
            _mm512_storeu_si512(out + 32, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 2)), add));
            _mm512_storeu_si512(out + 48, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(packed, 3)), add));
        }
    }
    return n;
}

TARGET static inline __attribute__((always_inline)) size_t split(bpe_split_kind kind, const uint8_t *class_of, const uint8_t *text,
                                                                 size_t n, size_t at, uint32_t *ends, size_t cap) {
    const uint8_t *end = text + n;
    size_t n_ends = 0, i = at;
    while (i < n && n_ends + 64 < cap) {
        __builtin_prefetch(text + i + 512, 0, 0);      /* the next block's place is known late */
        size_t left = n - i;
        uint64_t valid = left >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << left) - 1;
        __m512i x = _mm512_maskz_loadu_epi8(valid, text + i);
        block_masks m = classify(x, class_of, text + i, end, kind);
        bool all = true;
        uint64_t starts = kind == BPE_SPLIT_GPT2 ? gpt2_starts(&m, valid, text + i, end)
                                                 : modern_starts(&m, valid, text + i, end, kind == BPE_SPLIT_O200K, &all);
        starts &= ~UINT64_C(1);
        if (starts)
            n_ends += write_positions(ends + n_ends, starts, (uint32_t)(i - at));
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

TARGET size_t bpe_split_gpt2_avx512(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                                    size_t cap) {
    return split(BPE_SPLIT_GPT2, class_of, text, n, at, ends, cap);
}

TARGET size_t bpe_split_cl100k_avx512(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                                      size_t cap) {
    return split(BPE_SPLIT_CL100K, class_of, text, n, at, ends, cap);
}

TARGET size_t bpe_split_o200k_avx512(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at, uint32_t *ends,
                                     size_t cap) {
    return split(BPE_SPLIT_O200K, class_of, text, n, at, ends, cap);
}

/* merge_avx512.c - words of up to 16 bytes merged in two registers, one of ids and one of the ranks of their
 * pairs: the least rank is found without branches, the joined pair closes up by vpcompressd, and
 * whether a pair is known takes one compare of a line of eight. Registers are stored to be indexed and never
 * loaded back, for a wide load behind narrow stores would wait for them. */
#include <immintrin.h>

#include "bpe/model.h"

static inline uint32_t pair_rank(const bpe_model *m, uint32_t left, uint32_t right, bool narrow) {
    uint32_t result;
    return narrow ? bpe_pairs_find(m->pairs, left, right) : bpe_pair_rank(m, left, right, &result);
}

static inline __attribute__((always_inline)) size_t merge(const bpe_model *m, const uint8_t *bytes, size_t n,
                                                          uint32_t *out, bool narrow) {
    const __m512i none = _mm512_set1_epi32(-1);
    __mmask16 all = (__mmask16)((1u << n) - 1), pairs = (__mmask16)(all >> 1);
    __m512i a = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(all, bytes));
    __m512i b = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(pairs, bytes + 1));
    __m512i ids = _mm512_mask_i32gather_epi32(none, all, a, m->byte_id, 4);
    __m512i rank = _mm512_mask_i32gather_epi32(none, pairs, _mm512_or_si512(_mm512_slli_epi32(a, 8), b), m->byte_pair_rank, 4);
    uint32_t id[17];
    for (;;) {
        uint32_t least = _mm512_reduce_min_epu32(rank);
        if (least == UINT32_MAX)
            break;
        __m512i joined = _mm512_set1_epi32((int)least);
        unsigned here = _mm512_cmpeq_epi32_mask(rank, joined);
        here &= -here;
        ids = _mm512_mask_mov_epi32(ids, (__mmask16)here, joined);
        ids = _mm512_mask_compress_epi32(none, (__mmask16)~(here << 1), ids);
        rank = _mm512_mask_compress_epi32(none, (__mmask16)~here, rank);
        _mm512_storeu_si512(id, ids);
        id[16] = UINT32_MAX;
        unsigned at = (unsigned)__builtin_ctz(here);
        uint32_t after = id[at + 1] == UINT32_MAX ? UINT32_MAX : pair_rank(m, least, id[at + 1], narrow);
        rank = _mm512_mask_set1_epi32(rank, (__mmask16)here, (int)after);
        if (at) {
            uint32_t before = pair_rank(m, id[at - 1], least, narrow);
            rank = _mm512_mask_set1_epi32(rank, (__mmask16)(here >> 1), (int)before);
        }
    }
    unsigned n_ids = (unsigned)__builtin_popcount(_mm512_cmpneq_epi32_mask(ids, none));
    _mm512_mask_storeu_epi32(out, (__mmask16)((1u << n_ids) - 1), ids);
    return n_ids;
}

size_t bpe_merge_word_avx512(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids) {
    return m->pairs ? merge(m, bytes, n, ids, true) : merge(m, bytes, n, ids, false);
}

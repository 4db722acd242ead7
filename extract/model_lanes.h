/* model_lanes.h - the trees of sixteen rows at once (QuickScorer: Lucchese et al. 2015, with lanes as in
 * RapidScorer: Ye et al. 2018). Nobody walks a tree: that would be one unforeseeable branch or one late load a
 * level. A split whose condition is false rules out the leaves on its left; so each row has a word of the leaves
 * still possible, all splits of a tree are asked one after the other, and the leaf that is left is the lowest
 * bit. Leaf values are added in the trees' order: the sums are the walk's to the last bit. QuickScorer's sorted
 * thresholds with an early end were slower here, by the mispredicted ends (docs/experiments/extract.md).
 * Plain C on vectors, but for two places; compiled once for each set of instructions under the name LANES_RUN. */
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "extract/model.h"

typedef float lane_floats __attribute__((vector_size(64), aligned(64), may_alias));
typedef uint32_t lane_words __attribute__((vector_size(64), aligned(64), may_alias));
typedef int32_t lane_ints __attribute__((vector_size(64), aligned(64), may_alias));

/* Which leaves are left. columns[16 * f + lane]: feature f of a row. */
static inline void tree_rule_out(const model_split *s, const model_split *end, const float *columns, lane_words *left) {
    lane_words w = (lane_words){0} - 1;
    for (; s < end; s++) {
        const lane_floats x = *(const lane_floats *)(columns + 16 * (size_t)s->feature);
#if defined(__AVX512F__)
        __mmask16 above = _mm512_cmp_ps_mask((__m512)x, _mm512_set1_ps(s->threshold), _CMP_GT_OQ);
        w = (lane_words)_mm512_mask_and_epi32((__m512i)w, above, (__m512i)w, _mm512_set1_epi32((int)s->leaves_right));
#else
        w &= ~(lane_words)(x > (lane_floats){0} + s->threshold) | s->leaves_right;
#endif
    }
    *left = w;
}

/* Adds the leaf at each lane's lowest bit, whose place is the exponent of that bit as a float. */
static inline void tree_add(const float *leaf, const lane_words *left, lane_floats *sum) {
    const lane_words bit = *left & -*left;
    const lane_floats power = __builtin_convertvector((lane_ints)bit, lane_floats);
    const lane_words place = (((lane_words)power >> 23) & 255) - 127;
#if defined(__AVX512F__)
    *sum += (lane_floats)_mm512_permutex2var_ps(_mm512_load_ps(leaf), (__m512i)place, _mm512_load_ps(leaf + 16));
#else
    for (int lane = 0; lane < 16; lane++) (*sum)[lane] += leaf[place[lane]];
#endif
}

/* Goes through the trees [first, end). A sum that is beyond MODEL_SURE where it is looked at stays as it is. */
static void LANES_RUN(const model_trees *m, uint32_t first, uint32_t end, const float *columns, float *sums) {
    lane_floats sum = *(const lane_floats *)sums, next = sum;
    lane_ints open = (lane_ints){0} - 1;
    for (uint32_t k = first; k < end; k++) {
        if (k && k % MODEL_CHECK_TREES == 0) {
            sum = next = (lane_floats)(((lane_ints)next & open) | ((lane_ints)sum & ~open));
            open = (sum < MODEL_SURE) & (sum > -MODEL_SURE);
        }
        lane_words left;
        tree_rule_out(m->split + m->first[k], m->split + m->first[k + 1], columns, &left);
        tree_add(m->leaf + MODEL_LEAVES * (size_t)k, &left, &next);
    }
    *(lane_floats *)sums = (lane_floats)(((lane_ints)next & open) | ((lane_ints)sum & ~open));
}

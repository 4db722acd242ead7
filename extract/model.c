/* model.c - see model.h and model_lanes.h. */
#include <math.h>
#include <stdlib.h>

#define LANES_RUN model_lanes_plain
#include "extract/model_lanes.h"

#define MODEL_MAGIC 0x776d3032u
enum { FEATURES_MAX = 512 };

extern const uint32_t model_data[];
extern const size_t model_data_words;

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int open_weights(model_weights *w, const uint32_t **p, const uint32_t *end, wt_err *err) {
    if (end - *p < 1) return wt_fail(err, WT_EDATA, "model is cut");
    uint32_t n = *(*p)++;
    if (n == 0 || (n & (n - 1)) || (size_t)(end - *p) < 2 * (size_t)n)
        return wt_fail(err, WT_EDATA, "model has %u slots", n);
    w->mask = n - 1;
    w->slot = *p;
    *p += 2 * (size_t)n;
    uint32_t used = 0;
    for (uint32_t i = 0; i < n; i++) used += w->slot[2 * i] != 0;
    return used < n ? 0 : wt_fail(err, WT_EDATA, "model has no empty slot");
}

static int open_trees(model_trees *m, const uint32_t **p, const uint32_t *end, uint32_t n_features,
                      wt_err *err) {
    if (end - *p < 3) return wt_fail(err, WT_EDATA, "model is cut");
    m->n_trees = *(*p)++;
    m->base = float_of(*(*p)++);
    m->n_nodes = *(*p)++;
    if ((size_t)(end - *p) < m->n_trees + 2 * (size_t)m->n_nodes)
        return wt_fail(err, WT_EDATA, "model is cut");
    m->root = *p;
    *p += m->n_trees;
    m->node = *p;
    *p += 2 * (size_t)m->n_nodes;
    for (uint32_t i = 0; i < m->n_trees; i++)
        if (m->root[i] >= m->n_nodes) return wt_fail(err, WT_EDATA, "model tree %u has no root", i);
    for (uint32_t i = 0; i < m->n_nodes; i++) {
        uint32_t feature = m->node[2 * i] >> 16, left = m->node[2 * i] & 0xffff;
        if (feature == 0xffff) continue;
        if (feature >= n_features || left == 0 || i + left + 1 >= m->n_nodes)
            return wt_fail(err, WT_EDATA, "model node %u points outside", i);
    }
    return 0;
}

/* ---- the trees as lanes want them ---- */
/* Leaves get their numbers from left to right. Returns how many there are up to here; -1: too many. */
static int place_tree(const uint32_t *x, int n_leaves, float *leaf, model_split *split, uint32_t *n_splits) {
    if (x[0] >= 0xffff0000u) {
        if (n_leaves == MODEL_LEAVES) return -1;
        leaf[n_leaves] = float_of(x[1]);
        return n_leaves + 1;
    }
    const uint32_t *left = x + 2 * (size_t)(x[0] & 0xffff);
    int middle = place_tree(left, n_leaves, leaf, split, n_splits);
    if (middle < 0 || middle == MODEL_LEAVES) return -1;
    uint32_t below = ((uint32_t)1 << middle) - ((uint32_t)1 << n_leaves);
    split[(*n_splits)++] = (model_split){float_of(x[1]), ~below, x[0] >> 16};
    return place_tree(left + 2, middle, leaf, split, n_splits);
}

static void free_lanes(model_trees *m) {
    free(m->split), free(m->first), free(m->leaf);
    m->split = NULL, m->first = NULL, m->leaf = NULL;
}

static void place_trees(model_trees *m) {
    if (m->n_trees == 0) return;
    m->split = wt_xcalloc((size_t)m->n_trees * MODEL_LEAVES, sizeof *m->split);
    m->first = wt_xcalloc((size_t)m->n_trees + 1, sizeof *m->first);
    m->leaf = aligned_alloc(64, (size_t)m->n_trees * MODEL_LEAVES * sizeof *m->leaf);
    bool good = m->leaf != NULL;
    uint32_t n = 0;
    for (uint32_t k = 0; k < m->n_trees && good; k++) {
        float *leaf = m->leaf + (size_t)k * MODEL_LEAVES;
        memset(leaf, 0, MODEL_LEAVES * sizeof *leaf);
        good = place_tree(m->node + 2 * (size_t)m->root[k], 0, leaf, m->split, &n) > 0;
        m->first[k + 1] = n;
    }
    for (uint32_t i = 0; i < n; i++) good = good && m->split[i].feature < FEATURES_MAX;
    if (!good) free_lanes(m);
}

int model_open(content_model *m, const uint32_t *words, size_t n_words, wt_err *err) {
    *m = (content_model){0};
    if (n_words < 4 || words[0] != MODEL_MAGIC || words[1] != n_words)
        return wt_fail(err, WT_EDATA, "not an extraction model");
    const uint32_t *p = words + 4, *end = words + n_words;
    if (open_weights(&m->path, &p, end, err) || open_weights(&m->word, &p, end, err) ||
        open_weights(&m->section, &p, end, err) ||
        open_trees(&m->round[0], &p, end, words[2], err) || open_trees(&m->round[1], &p, end, words[3], err))
        return -1;
    place_trees(&m->round[0]);
    place_trees(&m->round[1]);
    return 0;
}

void model_close(content_model *m) {
    free_lanes(&m->round[0]);
    free_lanes(&m->round[1]);
    *m = (content_model){0};
}

static content_model builtin;
__attribute__((constructor)) static void builtin_open(void) {
    if (model_data_words == 0 || model_open(&builtin, model_data, model_data_words, NULL)) builtin = (content_model){0};
}
const content_model *model_builtin(void) { return &builtin; }

/* ---- one row after the other ---- */
static float tree_value(const uint32_t *x, const float *row) {
    for (;;) {
        uint32_t head = x[0];
        if (head >= 0xffff0000u) return float_of(x[1]);
        x += 2 * (size_t)((head & 0xffff) + (row[head >> 16] > float_of(x[1])));
    }
}

void model_score_plain(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out) {
    for (size_t i = 0; i < n; i++) {
        out[i] = m->base;
        for (uint32_t k = 0; k < m->n_trees; k++) {
            if (k && k % MODEL_CHECK_TREES == 0 && !(fabsf(out[i]) < MODEL_SURE)) break;
            out[i] += tree_value(m->node + 2 * (size_t)m->root[k], rows + i * n_features);
        }
    }
}

/* ---- sixteen rows at once ---- */
typedef void (*lanes_run)(const model_trees *m, uint32_t first, uint32_t end, const float *columns, float *sums);
lanes_run model_lanes_avx2(void), model_lanes_avx512(void);

static lanes_run lanes_for_this_machine(model_isa most) {
#ifdef __x86_64__
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
    if (most >= MODEL_AVX512 && avx512 && model_lanes_avx512()) return model_lanes_avx512();
    if (most >= MODEL_AVX2 && __builtin_cpu_supports("avx2") && model_lanes_avx2()) return model_lanes_avx2();
#endif
    return model_lanes_plain;
}

/* Rows become columns, four by four. */
static void turn(const float *const row[16], size_t n_features, float *columns) {
    typedef float four __attribute__((vector_size(16), aligned(4)));
    size_t f = 0;
    for (; f + 4 <= n_features; f += 4)
        for (int lane = 0; lane < 16; lane += 4) {
            four a = *(const four *)(row[lane] + f), b = *(const four *)(row[lane + 1] + f);
            four c = *(const four *)(row[lane + 2] + f), d = *(const four *)(row[lane + 3] + f);
            four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            float *to = columns + 16 * f + lane;
            *(four *)to = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
            *(four *)(to + 16) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
            *(four *)(to + 32) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
            *(four *)(to + 48) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
        }
    for (; f < n_features; f++)
        for (int lane = 0; lane < 16; lane++) columns[16 * f + (size_t)lane] = row[lane][f];
}

/* Scores the rows named in active and keeps those that are not sure. Returns how many. */
static size_t score_active(const model_trees *m, lanes_run run, uint32_t first, uint32_t end, const float *rows, size_t n_features,
                           uint32_t *active, size_t n_active, float *out) {
    _Alignas(64) float columns[16 * FEATURES_MAX], sums[16];
    size_t left = 0;
    for (size_t i = 0; i < n_active; i += 16) {
        const float *row[16];
        size_t n_rows = n_active - i < 16 ? n_active - i : 16;
        for (size_t k = 0; k < 16; k++) {
            uint32_t r = active[i + (k < n_rows ? k : 0)];
            row[k] = rows + r * n_features;
            sums[k] = out[r];
        }
        turn(row, n_features, columns);
        run(m, first, end, columns, sums);
        for (size_t k = 0; k < n_rows; k++) {
            uint32_t r = active[i + k];
            out[r] = sums[k];
            if (fabsf(sums[k]) < MODEL_SURE) active[left++] = r;
        }
    }
    return left;
}

/* Rows that are not sure yet move together now and then: as turning rows into columns has its cost, after one look,
 * then two, four ... more. */
void model_score_most(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out, model_isa most) {
    enum { BATCH = 256 };
    if (!m->split || n_features > FEATURES_MAX) {
        model_score_plain(m, rows, n, n_features, out);
        return;
    }
    lanes_run run = lanes_for_this_machine(most);
    for (size_t start = 0; start < n; start += BATCH) {
        uint32_t active[BATCH], first = 0, end = MODEL_CHECK_TREES;
        size_t n_active = n - start < BATCH ? n - start : BATCH;
        for (size_t i = 0; i < n_active; i++) active[i] = (uint32_t)(start + i), out[start + i] = m->base;
        for (; first < m->n_trees && n_active; first = end, end *= 2)
            n_active = score_active(m, run, first, end < m->n_trees ? end : m->n_trees, rows, n_features, active, n_active, out);
    }
}

void model_score(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out) {
    model_score_most(m, rows, n, n_features, out, MODEL_AVX512);
}

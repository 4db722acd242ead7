/* model.c - see model.h. */
#include "extract/model.h"

#include <math.h>

#define MODEL_MAGIC 0x776d3031u

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

int model_open(content_model *m, const uint32_t *words, size_t n_words, wt_err *err) {
    *m = (content_model){0};
    if (n_words < 4 || words[0] != MODEL_MAGIC || words[1] != n_words)
        return wt_fail(err, WT_EDATA, "not an extraction model");
    const uint32_t *p = words + 4, *end = words + n_words;
    return open_weights(&m->path, &p, end, err) || open_weights(&m->word, &p, end, err) ||
                   open_trees(&m->round[0], &p, end, words[2], err) ||
                   open_trees(&m->round[1], &p, end, words[3], err)
               ? -1
               : 0;
}

static content_model builtin;
__attribute__((constructor)) static void builtin_open(void) {
    if (model_data_words == 0 || model_open(&builtin, model_data, model_data_words, NULL)) builtin = (content_model){0};
}
const content_model *model_builtin(void) { return &builtin; }

static float tree_value(const uint32_t *x, const float *row) {
    for (;;) {
        uint32_t head = x[0];
        if (head >= 0xffff0000u) return float_of(x[1]);
        x += 2 * (size_t)((head & 0xffff) + (row[head >> 16] > float_of(x[1])));
    }
}

/* One step of a row; at a leaf it stands still, without a branch. */
static inline const uint32_t *tree_step(const uint32_t *x, const float *row) {
    uint32_t head = x[0], inner = head < 0xffff0000u ? UINT32_MAX : 0;
    uint32_t step = (head & 0xffff) + (row[head >> 16 & inner] > float_of(x[1]));
    return x + 2 * (size_t)(step & inner);
}

/* Four rows at once: their walks do not wait for each other's loads. */
static void tree_add4(const uint32_t *root, const float *const row[4], float *const out[4]) {
    const uint32_t *a = root, *b = root, *c = root, *d = root;
    while ((a[0] & b[0] & c[0] & d[0]) < 0xffff0000u) {
        a = tree_step(a, row[0]);
        b = tree_step(b, row[1]);
        c = tree_step(c, row[2]);
        d = tree_step(d, row[3]);
    }
    *out[0] += float_of(a[1]);
    *out[1] += float_of(b[1]);
    *out[2] += float_of(c[1]);
    *out[3] += float_of(d[1]);
}

void model_score(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out) {
    enum { BATCH = 256 };
    for (size_t start = 0; start < n; start += BATCH) {
        uint32_t active[BATCH];
        size_t n_active = n - start < BATCH ? n - start : BATCH;
        for (size_t i = 0; i < n_active; i++) {
            active[i] = (uint32_t)i;
            out[start + i] = m->base;
        }
        for (uint32_t k = 0; k < m->n_trees; k++) {
            const uint32_t *root = m->node + 2 * (size_t)m->root[k];
            size_t i = 0;
            for (; i + 4 <= n_active; i += 4) {
                const float *row[4];
                float *sum[4];
                for (int k4 = 0; k4 < 4; k4++) {
                    row[k4] = rows + (start + active[i + (size_t)k4]) * n_features;
                    sum[k4] = &out[start + active[i + (size_t)k4]];
                }
                tree_add4(root, row, sum);
            }
            for (; i < n_active; i++)
                out[start + active[i]] += tree_value(root, rows + (start + active[i]) * n_features);
            if ((k + 1) % MODEL_CHECK_TREES) continue;
            size_t left = 0;
            for (i = 0; i < n_active; i++)
                if (fabsf(out[start + active[i]]) < MODEL_SURE) active[left++] = active[i];
            n_active = left;
        }
    }
}

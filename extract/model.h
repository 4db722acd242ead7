/* model.h - the learned tables: weights for words and class names, and two rounds of boosted
 * regression trees. One flat array of 32-bit words, compiled in (model_data.c, written by
 * tests/ref/train_extract.py) or read from a file for cross-validation. Layout:
 *   [0] magic 0x776d3032   [1] words in all   [2] n features of round 1   [3] n features of round 2
 *   then for each of: path weights, word weights, weights of the words of headings
 *     [n slots, a power of two] [hash, weight as float bits] x n      (hash 0 = empty)
 *   then for each round: [n trees] [base as float bits] [n nodes] roots x n trees,
 *     nodes: [feature << 16 | left child's distance] [threshold or leaf value as float bits]
 *     feature 0xffff marks a leaf; the right child stands behind the left one.. */
#ifndef WT_EXTRACT_MODEL_H
#define WT_EXTRACT_MODEL_H

#include "common/err.h"
#include "common/str.h"

typedef struct {
    uint32_t mask;
    const uint32_t *slot;
} model_weights;

/* A row whose sum is beyond this after a round of trees is sure, and sees no more of them: 0.95 or 0.05.
 * Four of five blocks are plain boilerplate or plain text and stop early. */
#define MODEL_SURE 3.0f
enum { MODEL_CHECK_TREES = 20, MODEL_LEAVES = 32 };

/* The same trees as sixteen rows at once want them (model_lanes.h): the nodes of tree k are
 * split[first[k]] up to split[first[k + 1]], its leaves leaf[MODEL_LEAVES * k], leftmost first. */
typedef struct {
    float threshold;
    uint32_t leaves_right;          /* bits of the leaves that a row above the threshold may still reach */
    uint32_t feature;
} model_split;

typedef struct {
    uint32_t n_trees, n_nodes;
    float base;
    const uint32_t *root, *node;
    model_split *split;             /* NULL where a tree has over MODEL_LEAVES leaves */
    uint32_t *first;
    float *leaf;
} model_trees;

typedef struct {
    model_weights path, word, section;
    model_trees round[2];
} content_model;

const content_model *model_builtin(void);
/* words stay the caller's and must outlive the model. WT_EDATA where they do not fit together. */
int model_open(content_model *m, const uint32_t *words, size_t n_words, wt_err *err);
void model_close(content_model *m);

/* FNV-1a with a finish; 0 never comes out. */
static inline uint32_t model_hash_add(uint32_t h, unsigned char c) { return (h ^ c) * 0x01000193u; }
static inline uint32_t model_hash_end(uint32_t h) {
    h ^= h >> 15;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    return h ? h : 1;
}
#define MODEL_HASH_SEED 0x811c9dc5u

/* Four slots are looked at side by side: where the chain of full slots ends is anyone's guess, and a wrong guess
 * costs more than three needless looks. */
static inline float model_weight(const model_weights *w, uint32_t hash) {
    typedef uint32_t four __attribute__((vector_size(16), aligned(4)));
    if (!w->slot) return 0;
    for (uint32_t i = hash & w->mask;; i = (i + 4) & w->mask) {
        uint32_t wrapped[8];
        const uint32_t *p = w->slot + 2 * (size_t)i;
        if (__builtin_expect(i + 3 > w->mask, 0)) {
            for (uint32_t k = 0; k < 4; k++) memcpy(wrapped + 2 * k, w->slot + 2 * (size_t)((i + k) & w->mask), 8);
            p = wrapped;
        }
        four a = *(const four *)p, b = *(const four *)(p + 4);
        four hashes = __builtin_shufflevector(a, b, 0, 2, 4, 6), weights = __builtin_shufflevector(a, b, 1, 3, 5, 7);
        four hit = (four)(hashes == hash), end = hit | (four)(hashes == 0);
        four found = weights & hit;
        found |= __builtin_shufflevector(found, found, 2, 3, 0, 1);
        end |= __builtin_shufflevector(end, end, 2, 3, 0, 1);
        uint32_t bits = found[0] | found[1];
        if (__builtin_expect(!(end[0] | end[1]), 0)) continue;
        float x;
        memcpy(&x, &bits, sizeof x);
        return x;
    }
}

/* The trees' sum for each of n rows of features: the log-odds that a block is kept. */
void model_score(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out);
/* The same, bit for bit: with no better instructions than those named; and walking the trees of one row after the
 * other, which trees of more leaves need. */
typedef enum { MODEL_SSE2, MODEL_AVX2, MODEL_AVX512 } model_isa;
void model_score_most(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out, model_isa most);
void model_score_plain(const model_trees *m, const float *rows, size_t n, size_t n_features, float *out);

#endif

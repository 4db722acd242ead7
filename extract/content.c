/* content.c - which blocks are the page's text: cut, describe, score twice, choose.
 * The choice: keep the blocks above the threshold with the highest expected F1. For chances p and
 * lengths L that is 2 sum_kept(p L) / (sum_kept(L) + sum_all(p L)), and the best set is always the
 * likeliest blocks down to some chance, so one sort finds it. */
#include "extract/content.h"

#include <math.h>
#include <stdlib.h>

void content_init(content *c, const content_model *model) {
    memset(c, 0, sizeof *c);
    c->model = model;
}

void content_free(content *c) {
    wt_buf_free(&c->text);
    free(c->block);
    free(c->element);
    free(c->element_of);
    free(c->row);
    content_free_facts(c);
    free(c->memo);
    free(c->kind_slot);
    memset(c, 0, sizeof *c);
}

const char *const content_why_text[] = {"undecided", "likely content", "likely boilerplate", "completes a table or code", "stands beside the text"};

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

static int cmp_chance(const void *a, const void *b) {
    const content_block *x = *(content_block *const *)a, *y = *(content_block *const *)b;
    if (x->chance != y->chance) return x->chance < y->chance ? 1 : -1;
    return x < y ? -1 : x > y;
}

void content_choose(content *c) {
    if (c->n_blocks == 0) return;
    content_block **order = wt_xmalloc(c->n_blocks * sizeof *order);
    double expected = 0;
    for (size_t i = 0; i < c->n_blocks; i++) {
        order[i] = &c->block[i];
        expected += (double)c->block[i].chance * c->block[i].len;
    }
    qsort(order, c->n_blocks, sizeof *order, cmp_chance);
    double hit = 0, len = 0, best = 0;
    size_t n_best = 0;
    for (size_t i = 0; i < c->n_blocks; i++) {
        hit += (double)order[i]->chance * order[i]->len;
        len += order[i]->len;
        double f1 = 2 * hit / (len + expected + 1e-9);
        if (f1 >= best) best = f1, n_best = i + 1;
    }
    for (size_t i = 0; i < c->n_blocks; i++) {
        order[i]->keep = i < n_best;
        order[i]->why = i < n_best ? WHY_LIKELY : WHY_UNLIKELY;
    }
    free(order);
}

/* ---- whole tables and code ---- */
static uint32_t table_of(const content *c, const content_block *b) {
    if (!b->row || !b->cell || b->flags & IN_PRE || content_at(c, b->cell)->n_blocks > 1 || b->len > 400) return 0;
    uint32_t n = b->row;
    while (n && c->tree->node[n].tag != HTML_TAG_table) n = c->tree->node[n].parent;
    return n;
}

static bool is_kept_near(const content *c, size_t i, int step, int reach) {
    for (int k = 1; k <= reach; k++) {
        size_t j = i + (size_t)(ptrdiff_t)(k * step);
        if (j >= c->n_blocks) return false;
        if (c->block[j].keep) return true;
    }
    return false;
}

/* Blocks i up to end, all of one table or one block of code, stay or go together: they stay where half of their
 * text is kept, or where none is but kept text stands close on both sides. */
static void complete_run(content *c, size_t i, size_t end) {
    const uint32_t elsewhere = IN_NAV | IN_FOOTER | IN_ASIDE | IN_FORM | IN_HIDDEN;
    uint64_t len = 0, kept = 0, links = 0;
    for (size_t k = i; k < end; k++) {
        const content_block *b = &c->block[k];
        if (b->flags & elsewhere) return;
        len += b->len;
        links += b->link_len;
        kept += b->keep ? b->len : 0;
    }
    if (kept == len || links * 2 > len) return;
    bool between = is_kept_near(c, i, -1, 3) && is_kept_near(c, end - 1, 1, 3);
    if (kept * 2 < len && !between) return;
    for (size_t k = i; k < end; k++)
        if (!c->block[k].keep) c->block[k].keep = true, c->block[k].why = WHY_COMPLETES;
}

static void complete_runs(content *c) {
    for (size_t i = 0; i < c->n_blocks;) {
        uint32_t table = table_of(c, &c->block[i]);
        size_t end = i + 1;
        if (table)
            while (end < c->n_blocks && table_of(c, &c->block[end]) == table) end++;
        if (table ? end - i >= 4 : c->block[i].flags & IN_PRE) complete_run(c, i, end);
        i = end;
    }
}

/* ---- what stands beside the text ---- */
/* The caption of a figure that holds no other text: of a picture, not of a listing or a table. */
static bool is_caption_of_picture(const content *c, const content_block *b) {
    const html_node *node = c->tree->node;
    uint32_t n = b->element;
    while (n && node[n].tag != HTML_TAG_figcaption) n = node[n].parent;
    if (!n) return false;
    uint32_t figure = node[n].parent;
    return node[figure].tag != HTML_TAG_figure || content_at(c, figure)->n_blocks == content_at(c, n)->n_blocks;
}

/* Documentation writes its notes and warnings as asides. */
static bool is_note(const content *c, const content_block *b) {
    static const char *const words[] = {"note", "warning", "tip", "caution", "important", "danger", "admonition", "callout", "alert"};
    const html_node *node = c->tree->node;
    uint32_t n = b->element;
    while (n && node[n].tag != HTML_TAG_aside) n = node[n].parent;
    wt_str class = n ? html_attr_get(c->tree, n, HTML_ATTR_class) : WT_STR("");
    while (class.len) {
        wt_str name = wt_str_cut(&class, ' ');
        for (size_t k = 0; k < sizeof words / sizeof *words; k++)
            if (wt_str_starts(name, wt_str_of(words[k])) || wt_str_ends(name, wt_str_of(words[k]))) return true;
    }
    return false;
}

static bool is_beside(const content *c, const content_block *b) {
    if (b->flags & IN_SIGNATURE) return !(b->flags & (IN_CODE | IN_PRE));
    if (b->flags & IN_ASIDE) return !is_note(c, b);
    return b->flags & IN_CAPTION && is_caption_of_picture(c, b);
}

/* Dialogs (terms, sign-up, a chart of sizes) are not the text of a page that has text outside them. Nor are asides,
 * signatures of a forum's members and captions of pictures, where that is the larger part: one that nobody closed
 * holds the rest of the page. */
static void drop_beside(content *c) {
    enum { ENOUGH = 500 };
    uint64_t outside = 0, beside = 0;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (b->keep && !(b->flags & IN_DIALOG)) *(is_beside(c, b) ? &beside : &outside) += b->len;
    }
    if (outside <= ENOUGH) return;
    for (size_t i = 0; i < c->n_blocks; i++) {
        content_block *b = &c->block[i];
        if (b->keep && (b->flags & IN_DIALOG || (beside < outside && is_beside(c, b)))) b->keep = false, b->why = WHY_BESIDE;
    }
}

/* Scores all blocks. Rows are large, so they are made for a batch of blocks at a time: for nearly every page that is
 * one batch, and round 2 finds round 1's columns there. */
static void score_round(content *c, int round) {
    enum { BATCH = 1024 };
    const size_t batch = c->want_rows && c->n_blocks > BATCH ? c->n_blocks : BATCH;
    const model_trees *trees = &c->model->round[round];
    float *score = wt_xmalloc((batch < c->n_blocks ? batch : c->n_blocks + 1) * sizeof *score);
    for (size_t first = 0; first < c->n_blocks; first += batch) {
        size_t end = first + batch < c->n_blocks ? first + batch : c->n_blocks;
        if (round == 0 || c->n_blocks > batch) content_fill_features(c, first, end);
        if (round == 1) content_fill_round2(c, first, end);
        if (round == 1 && trees->n_trees == 0) continue;
        model_score(trees, c->row, end - first, N_FEATURES2, score);
        for (size_t i = first; i < end; i++) c->block[i].score = score[i - first];
    }
    free(score);
}

static void give_back(content *c) {
    enum { KEPT_BYTES = 64 << 20 };
    if (c->blocks_cap * sizeof *c->block + c->elements_cap * sizeof *c->element + c->nodes_cap * sizeof *c->element_of + c->text.cap <= KEPT_BYTES) return;
    const content_model *model = c->model;
    bool want_rows = c->want_rows;
    content_free(c);
    c->model = model, c->want_rows = want_rows;
}

void content_find(content *c, const html_tree *t, const page_meta *meta) {
    give_back(c);
    content_cut(c, t, meta);
    content_look(c);
    for (int round = 0; round < 2; round++) {
        if (round == 1 && c->model->round[1].n_trees == 0 && !c->want_rows) break;
        if (round == 1) content_look_round2(c);
        score_round(c, round);
        if (round == 1) content_end_round2(c);
        for (size_t i = 0; i < c->n_blocks; i++) {
            content_block *b = &c->block[i];
            b->chance = sigmoid(b->score);
            if (round == 0) b->first_chance = b->chance;
        }
    }
    content_choose(c);
    complete_runs(c);
    drop_beside(c);
}

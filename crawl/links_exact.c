/* links_exact.c - two tables, keyed by post and by page. Strings stay on disk: the tables remember a
 * post by its number in the store, and the last reading hands out the numbers that were chosen.
 *
 * The same post may lie in several dumps (re-ingested months, overlapping collections): the copy
 * retrieved last counts, then the one with the greater score, then the first. Only then scores are
 * compared or added up, so that no vote counts twice. */
#include "crawl/links_exact.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"
#include "common/tool.h"

#define BYTES_PER_POST 160

typedef struct {
    uint64_t id;                    /* hash of page and post id; 0: free slot */
    uint64_t number;                /* of the copy that counts */
    int64_t retrieved_s, score;
} copy_slot;

typedef struct {
    wt_hash128 key;
    uint64_t number, n_posts;       /* n_posts 0: free slot */
    int64_t best, sum;
} page_slot;

typedef struct {
    uint64_t number;
    int64_t score;
} choice;

typedef struct {
    const links_rules *rules;
    uint64_t i_pass, n_passes, number, mask;
    copy_slot *copy;
    page_slot *page;
    choice *chosen;
    size_t n_chosen, chosen_cap, next;
    links_exact_counts *counts;
    links_post_fn each;
    void *ctx;
} chooser;

static bool in_pass(const chooser *c, const links_post *post) {
    return wt_fastrange64(post->key.hi, c->n_passes) == c->i_pass;
}

static copy_slot *find_copy(const chooser *c, const links_post *post) {
    uint64_t id = wt_hash64(post->id.ptr, post->id.len, post->key.lo) | 1;
    uint64_t i = wt_mix64(id) & c->mask;
    while (c->copy[i].id && c->copy[i].id != id) i = (i + 1) & c->mask;
    if (!c->copy[i].id) c->copy[i] = (copy_slot){id, UINT64_MAX, INT64_MIN, INT64_MIN};
    return &c->copy[i];
}

static int note_copy(void *ctx, const links_post *post, wt_err *err) {
    chooser *c = ctx;
    uint64_t number = c->number++;
    if (!in_pass(c, post) || !post->id.len) return 0;
    copy_slot *s = find_copy(c, post);
    bool later = post->retrieved_s > s->retrieved_s ||
                 (post->retrieved_s == s->retrieved_s && post->score > s->score);
    if (later || s->number == UINT64_MAX)
        s->number = number, s->retrieved_s = post->retrieved_s, s->score = post->score;
    return 0;
}

static int note_page(void *ctx, const links_post *post, wt_err *err) {
    chooser *c = ctx;
    uint64_t number = c->number++;
    if (!in_pass(c, post)) return 0;
    if (post->id.len && find_copy(c, post)->number != number) {
        c->counts->copies++;
        return 0;
    }
    uint64_t i = post->key.lo & c->mask;
    while (c->page[i].n_posts && (c->page[i].key.lo != post->key.lo || c->page[i].key.hi != post->key.hi))
        i = (i + 1) & c->mask;
    page_slot *p = &c->page[i];
    if (!p->n_posts) *p = (page_slot){.key = post->key, .best = INT64_MIN};
    if (!p->n_posts || post->score > p->best) p->best = post->score, p->number = number;
    p->n_posts++;
    p->sum += post->score;
    return 0;
}

static void collect(chooser *c) {
    for (uint64_t i = 0; i <= c->mask; i++) {
        const page_slot *p = &c->page[i];
        if (!p->n_posts) continue;
        int64_t score = c->rules->sum_scores ? p->sum : p->best;
        if (score < c->rules->min_score) {
            c->counts->too_low += p->n_posts;
            continue;
        }
        c->counts->duplicates += p->n_posts - 1;
        WT_GROW(c->chosen, c->chosen_cap, c->n_chosen + 1);
        c->chosen[c->n_chosen++] = (choice){p->number, score};
    }
}

static int hand_out(void *ctx, const links_post *post, wt_err *err) {
    chooser *c = ctx;
    uint64_t number = c->number++;
    if (c->next == c->n_chosen || c->chosen[c->next].number != number) return 0;
    links_post chosen = *post;
    chosen.score = c->chosen[c->next++].score;
    return c->each(c->ctx, &chosen, err);
}

static int by_number(const void *a, const void *b) {
    const choice *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int one_pass(chooser *c, const links_store *store, wt_err *err) {
    memset(c->copy, 0, (c->mask + 1) * sizeof *c->copy);
    memset(c->page, 0, (c->mask + 1) * sizeof *c->page);
    c->number = 0;
    if (links_store_read(store, note_copy, c, err)) return -1;
    c->number = 0;
    if (links_store_read(store, note_page, c, err)) return -1;
    collect(c);
    return wt_stop_requested() ? wt_stop_error(err) : 0;
}

int links_exact_choose(const links_store *store, const links_rules *rules, uint64_t n_posts,
                       uint64_t memory_bytes, links_post_fn each, void *ctx, links_exact_counts *counts,
                       wt_err *err) {
    *counts = (links_exact_counts){0};
    uint64_t n_slots = 1024, passes = 1;
    while (n_slots * (sizeof(copy_slot) + sizeof(page_slot)) * 2 <= memory_bytes && n_slots < 2 * n_posts) n_slots *= 2;
    passes = (n_posts * 8 + n_slots * 5 - 1) / (n_slots * 5);       /* at most 5/8 full, on average */
    chooser c = {.rules = rules, .n_passes = passes ? passes : 1, .mask = n_slots - 1, .counts = counts,
                 .each = each, .ctx = ctx};
    size_t copy_bytes = n_slots * sizeof *c.copy, page_bytes = n_slots * sizeof *c.page;
    c.copy = wt_big_alloc(copy_bytes, "the table of posts", err);
    c.page = c.copy ? wt_big_alloc(page_bytes, "the table of pages", err) : NULL;
    int result = c.page ? 0 : -1;
    for (; result == 0 && c.i_pass < c.n_passes; c.i_pass++) result = one_pass(&c, store, err);
    wt_big_free(c.copy, copy_bytes);
    wt_big_free(c.page, page_bytes);
    if (result == 0) {
        if (c.n_chosen) qsort(c.chosen, c.n_chosen, sizeof *c.chosen, by_number);
        c.number = 0;
        result = links_store_read(store, hand_out, &c, err);
    }
    free(c.chosen);
    return result;
}

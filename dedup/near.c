/* near.c - votes of the bands. Inside a batch, equal band keys are found with a small table; they form
 * groups, and a group votes once a document of it was kept. Groups are walked in document order. */
#include "dedup/near.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "dedup/bloom_impl.h"
#include "dedup/keyset.h"

#define NONE UINT32_MAX

int near_init(near_set *near, const sketch_plan *plan, const bloom_config *each, wt_err *err) {
    near->plan = *plan;
    near->band = wt_xcalloc((size_t)plan->bands, sizeof *near->band);
    for (int i = 0; i < plan->bands; i++)
        if (!(near->band[i] = i ? bloom_new_planned(each, &near->band[0]->layer[0].plan, err) : bloom_new_with(each, err))) {
            near_reset(near);
            return -1;
        }
    return 0;
}

void near_reset(near_set *near) {
    for (int i = 0; near->band && i < near->plan.bands; i++) bloom_free(near->band[i]);
    free(near->band);
    free(near->scratch);
    near->band = NULL;
    near->scratch = NULL;
    near->scratch_bytes = 0;
}

/* What one band knows about the batch. */
typedef struct {
    uint8_t *seen;              /* n: in the filter */
    uint32_t *group;            /* n: group of equal keys, or NONE */
    uint32_t n_groups;
} band_view;

typedef struct {
    near_set *near;
    const uint64_t *keys;       /* n x bands */
    size_t n;
    band_view *view;
    const uint8_t *kept;
    bool failed;
    wt_err err;
} near_work;

static void column(const near_work *w, int band, uint64_t *out) {
    for (size_t i = 0; i < w->n; i++) out[i] = w->keys[i * (size_t)w->near->plan.bands + (size_t)band];
}

/* Documents whose key here is equal get a common group. */
static void group_equal(const uint64_t *key, size_t n, band_view *v) {
    size_t size = 16;
    while (size < 2 * n) size *= 2;
    uint32_t *slot = wt_xmalloc(size * sizeof *slot);
    memset(slot, 0xff, size * sizeof *slot);
    for (size_t i = 0; i < n; i++) {
        v->group[i] = NONE;
        if (v->seen[i]) continue;
        size_t at = (key[i] >> 7) & (size - 1);
        while (slot[at] != NONE && key[slot[at]] != key[i]) at = (at + 1) & (size - 1);
        if (slot[at] == NONE) {
            slot[at] = (uint32_t)i;
            continue;
        }
        uint32_t first = slot[at];
        if (v->group[first] == NONE) v->group[first] = v->n_groups++;
        v->group[i] = v->group[first];
    }
    free(slot);
}

static bool band_is_mine(int band) { return band % wt_cluster_size() == wt_cluster_rank(); }

static void band_look(void *ctx, int band) {
    near_work *w = ctx;
    if (!band_is_mine(band)) return;
    band_view *v = &w->view[band];
    uint64_t *key = wt_xmalloc(w->n * sizeof *key);
    column(w, band, key);
    bloom_test_batch(w->near->band[band], key, w->n, v->seen);
    group_equal(key, w->n, v);
    free(key);
}

static void band_remember(void *ctx, int band) {
    near_work *w = ctx;
    if (!band_is_mine(band)) return;
    uint64_t *key = wt_xmalloc(w->n * sizeof *key);
    size_t n_kept = 0;
    column(w, band, key);
    for (size_t i = 0; i < w->n; i++)
        if (w->kept[i]) key[n_kept++] = key[i];
    bloom_add_batch(w->near->band[band], key, n_kept, NULL);
    free(key);
}

/* Walks the documents in order: who is kept lets its groups vote for those behind it. */
static void count_votes(const near_work *w, uint32_t *votes, uint8_t *kept) {
    int bands = w->near->plan.bands;
    uint8_t **alive = wt_xmalloc((size_t)bands * sizeof *alive);
    for (int b = 0; b < bands; b++) alive[b] = wt_xcalloc(w->view[b].n_groups + 1, 1);
    for (size_t i = 0; i < w->n; i++) {
        uint32_t n = 0;
        for (int b = 0; b < bands; b++) {
            uint32_t group = w->view[b].group[i];
            n += w->view[b].seen[i] || (group != NONE && alive[b][group]);
        }
        votes[i] = n;
        kept[i] = n < w->near->votes_now;
        for (int b = 0; kept[i] && b < bands; b++)
            if (w->view[b].group[i] != NONE) alive[b][w->view[b].group[i]] = 1;
    }
    for (int b = 0; b < bands; b++) free(alive[b]);
    free(alive);
}

/* How often the filters err now, from their counts of keys, so the same for any number of threads; with
 * ranks, each tells the rates of its bands. */
static void ask_rate(near_set *near) {
    int bands = near->plan.bands;
    uint64_t *bits = wt_xcalloc((size_t)bands, sizeof *bits);
    double rate, sum = 0;
    for (int b = 0; b < bands; b++)
        if (band_is_mine(b)) {
            rate = bloom_fp_quick(near->band[b]);
            memcpy(&bits[b], &rate, sizeof rate);
        }
    if (wt_cluster_size() > 1) wt_cluster_or_u64(bits, (size_t)bands);
    for (int b = 0; b < bands; b++) {
        memcpy(&rate, &bits[b], sizeof rate);
        sum += rate;
    }
    near->rate_now = sum / bands;
    near->votes_now = (uint32_t)sketch_votes(&near->plan, near->rate_now);
    free(bits);
}

/* The views lie in one block of words, so that ranks join what each knows of its bands by one OR.
 * Groups count from 1 there: 0 is what another rank's bands say. */
static void join_ranks(near_work *w, uint64_t *block, size_t words) {
    int bands = w->near->plan.bands;
    if (wt_cluster_size() == 1) return;
    for (int b = 0; b < bands; b++)
        for (size_t i = 0; i < w->n; i++) w->view[b].group[i] = band_is_mine(b) ? w->view[b].group[i] + 1 : 0;
    wt_cluster_or_u64(block, words);
    for (int b = 0; b < bands; b++)
        for (size_t i = 0; i < w->n; i++) {
            uint32_t group = --w->view[b].group[i];
            if (group != NONE && group >= w->view[b].n_groups) w->view[b].n_groups = group + 1;
        }
}

/* Zeroed words; the last ones end here. */
static uint64_t *scratch(near_set *near, size_t words) {
    if (words * 8 > near->scratch_bytes) {
        free(near->scratch);
        near->scratch = wt_xmalloc(near->scratch_bytes = words * 8);
    }
    return memset(near->scratch, 0, words * 8);
}

int near_judge(near_set *near, const uint64_t *keys, size_t n, bool test_only, uint32_t *votes,
               int threads, wt_err *err) {
    if (n == 0) return 0;
    int bands = near->plan.bands, result = 0;
    if (n < 64) threads = 1;
    uint8_t *kept = wt_xmalloc(n);
    near_work w = {.near = near, .keys = keys, .n = n, .kept = kept};
    size_t wide = (n + 7) / 8 * 8, words = (size_t)bands * wide * 5 / 8;
    uint64_t *block = scratch(near, words);
    w.view = wt_xcalloc((size_t)bands, sizeof *w.view);
    for (int b = 0; b < bands; b++) {
        w.view[b].group = (uint32_t *)block + (size_t)b * wide;
        w.view[b].seen = (uint8_t *)((uint32_t *)block + (size_t)bands * wide) + (size_t)b * wide;
    }
    ask_rate(near);
    for (int b = 0; b < bands && !test_only && !result; b++)
        if (band_is_mine(b)) result = bloom_reserve(near->band[b], n, err);
    if (wt_cluster_any(result != 0)) {
        if (!result) result = wt_fail(err, WT_ENOMEM, "another rank had no memory for its filters");
    } else {
        parallel_tasks(threads, bands, band_look, &w);
        join_ranks(&w, block, words);
        if (test_only)
            for (int b = 0; b < bands; b++) memset(w.view[b].group, 0xff, n * sizeof *w.view[b].group);
        count_votes(&w, votes, kept);
        if (!test_only) parallel_tasks(threads, bands, band_remember, &w);
    }
    free(w.view), free(kept);
    return result;
}

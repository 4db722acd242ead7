/* near.c - votes of the bands. Inside a batch, equal band keys are found with a small table; they form
 * groups, and a group votes once a document of it was kept. Groups are walked in document order. Few documents
 * are in a group, so members are lists; with ranks, each tells the others of its bands in one message a batch. */
#include "dedup/near.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "dedup/bloom_impl.h"
#include "dedup/keyset.h"
#include "dedup/rounds.h"

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
    uint32_t doc, group;
} member;

typedef struct {
    uint8_t *seen;              /* n: in the filter */
    member *member;             /* of groups of equal keys that are not in the filter */
    size_t n_members, cap;
    uint32_t n_groups;
} band_view;

typedef struct {
    near_set *near;
    const uint64_t *keys;       /* n x bands */
    size_t n;
    band_view *view;
    uint8_t *kept;
    double *rate;               /* of each band's filter, before the batch */
    /* of all bands */
    uint32_t *votes;            /* n: of filters, then of groups as well */
    member *member;
    size_t n_members, cap;
    uint32_t n_groups;
    bool failed;                /* on any rank */
} near_work;

static void column(const near_work *w, int band, uint64_t *out) {
    for (size_t i = 0; i < w->n; i++) out[i] = w->keys[i * (size_t)w->near->plan.bands + (size_t)band];
}

static void member_add(band_view *v, uint32_t doc, uint32_t group) {
    WT_GROW(v->member, v->cap, v->n_members + 1);
    v->member[v->n_members++] = (member){doc, group};
}

/* Documents whose key here is equal get a common group. */
static void group_equal(const uint64_t *key, size_t n, band_view *v) {
    size_t size = 16;
    while (size < 2 * n) size *= 2;
    uint32_t *slot = wt_xmalloc((size + n) * sizeof *slot), *group = slot + size;
    memset(slot, 0xff, size * sizeof *slot);
    for (size_t i = 0; i < n; i++) {
        group[i] = NONE;
        if (v->seen[i]) continue;
        size_t at = (key[i] >> 7) & (size - 1);
        while (slot[at] != NONE && key[slot[at]] != key[i]) at = (at + 1) & (size - 1);
        if (slot[at] == NONE) {
            slot[at] = (uint32_t)i;
            continue;
        }
        uint32_t first = slot[at];
        if (group[first] == NONE) member_add(v, first, group[first] = v->n_groups++);
        member_add(v, (uint32_t)i, group[first]);
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

/* ---- all bands ---- */

/* Rates are from the filters' counts of keys, so the same for any number of threads. */
static int bands_prepare(near_work *w, bool test_only, wt_err *err) {
    int result = 0;
    for (int b = 0; b < w->near->plan.bands; b++) {
        if (!band_is_mine(b)) continue;
        w->rate[b] = bloom_fp_quick(w->near->band[b]);
        if (!test_only && !result) result = bloom_reserve(w->near->band[b], w->n, err);
    }
    return result;
}

static void join_members(near_work *w, const member *from, size_t n, uint32_t n_groups) {
    WT_GROW(w->member, w->cap, w->n_members + n);
    for (size_t i = 0; i < n; i++) {
        member m;
        memcpy(&m, (const char *)from + i * sizeof m, sizeof m);
        w->member[w->n_members++] = (member){m.doc, m.group + w->n_groups};
    }
    w->n_groups += n_groups;
}

/* This rank's bands. */
static void join_own(near_work *w, bool test_only) {
    for (int b = 0; b < w->near->plan.bands; b++) {
        const band_view *v = &w->view[b];
        if (!band_is_mine(b)) continue;
        for (size_t i = 0; i < w->n; i++) w->votes[i] += v->seen[i];
        if (!test_only) join_members(w, v->member, v->n_members, v->n_groups);
    }
}

static void tell(const near_work *w, wt_buf *bytes) {
    pack_bytes(bytes, &w->failed, sizeof w->failed);
    pack_bytes(bytes, &w->n_groups, sizeof w->n_groups);
    pack_bytes(bytes, w->votes, w->n * sizeof *w->votes);
    pack_bytes(bytes, w->member, w->n_members * sizeof *w->member);
    for (int b = wt_cluster_rank(); b < w->near->plan.bands; b += wt_cluster_size()) wt_buf_add(bytes, &w->rate[b], sizeof *w->rate);
}

static void hear(near_work *w, wt_str bytes, int from) {
    bool failed;
    uint32_t n_groups, votes;
    memcpy(&failed, unpack_bytes(&bytes).ptr, sizeof failed);
    memcpy(&n_groups, unpack_bytes(&bytes).ptr, sizeof n_groups);
    wt_str theirs = unpack_bytes(&bytes);
    for (size_t i = 0; i < w->n; i++) {
        memcpy(&votes, theirs.ptr + i * sizeof votes, sizeof votes);
        w->votes[i] += votes;
    }
    theirs = unpack_bytes(&bytes);
    join_members(w, (const member *)theirs.ptr, theirs.len / sizeof(member), n_groups);
    for (int b = from; b < w->near->plan.bands; b += wt_cluster_size(), bytes.ptr += sizeof *w->rate)
        memcpy(&w->rate[b], bytes.ptr, sizeof *w->rate);
    w->failed |= failed;
}

/* Each rank's bands are told to all. */
static void join_ranks(near_work *w) {
    size_t size = (size_t)wt_cluster_size();
    if (size == 1) return;
    wt_buf own = {0};
    tell(w, &own);
    void *all;
    size_t *got = wt_xcalloc(size, sizeof *got);
    wt_cluster_tell(own.ptr, own.len, &all, got);
    const char *at = all;
    for (size_t r = 0; r < size; at += got[r++])
        if (r != (size_t)wt_cluster_rank()) hear(w, (wt_str){at, got[r]}, (int)r);
    free(all), free(got);
    wt_buf_free(&own);
}

static void take_rate(const near_work *w) {
    double sum = 0;
    for (int b = 0; b < w->near->plan.bands; b++) sum += w->rate[b];
    w->near->rate_now = sum / w->near->plan.bands;
    w->near->votes_now = (uint32_t)sketch_votes(&w->near->plan, w->near->rate_now);
}

/* Groups of each document behind each other: those of document i end at end[i]. */
static uint32_t *groups_by_document(const near_work *w, size_t *end) {
    uint32_t *group = wt_xmalloc((w->n_members + 1) * sizeof *group);
    memset(end, 0, w->n * sizeof *end);
    for (size_t k = 0; k < w->n_members; k++) end[w->member[k].doc]++;
    for (size_t i = 0, at = 0; i < w->n; i++) at += end[i], end[i] = at - end[i];
    for (size_t k = 0; k < w->n_members; k++) group[end[w->member[k].doc]++] = w->member[k].group;
    return group;
}

/* Walks the documents in order: who is kept lets its groups vote for those behind it. */
static void count_votes(near_work *w) {
    size_t *end = wt_xmalloc((w->n + 1) * sizeof *end), at = 0;
    uint32_t *group = groups_by_document(w, end);
    uint8_t *alive = wt_xcalloc(w->n_groups + 1, 1);
    for (size_t i = 0; i < w->n; at = end[i++]) {
        for (size_t k = at; k < end[i]; k++) w->votes[i] += alive[group[k]];
        w->kept[i] = w->votes[i] < w->near->votes_now;
        for (size_t k = at; w->kept[i] && k < end[i]; k++) alive[group[k]] = 1;
    }
    free(end), free(group), free(alive);
}

/* The last scratch ends here. */
static void *scratch(near_set *near, size_t bytes) {
    if (bytes > near->scratch_bytes) {
        free(near->scratch);
        near->scratch = wt_xmalloc(near->scratch_bytes = bytes);
    }
    return near->scratch;
}

int near_judge(near_set *near, const uint64_t *keys, size_t n, bool test_only, uint32_t *votes,
               int threads, wt_err *err) {
    if (n == 0) return 0;
    int bands = near->plan.bands;
    if (n < 64) threads = 1;
    near_work w = {.near = near, .keys = keys, .n = n, .votes = votes, .kept = wt_xmalloc(n)};
    w.view = wt_xcalloc((size_t)bands, sizeof *w.view);
    w.rate = wt_xcalloc((size_t)bands, sizeof *w.rate);
    uint8_t *seen = scratch(near, (size_t)bands * n);
    for (int b = 0; b < bands; b++) w.view[b].seen = seen + (size_t)b * n;
    memset(votes, 0, n * sizeof *votes);
    int result = bands_prepare(&w, test_only, err);
    w.failed = result != 0;
    if (!result) {
        parallel_tasks(threads, bands, band_look, &w);
        join_own(&w, test_only);
    }
    join_ranks(&w);
    take_rate(&w);
    if (!w.failed) {
        count_votes(&w);
        if (!test_only) parallel_tasks(threads, bands, band_remember, &w);
    } else if (!result) {
        result = wt_fail(err, WT_ENOMEM, "another rank had no memory for its filters");
    }
    for (int b = 0; b < bands; b++) free(w.view[b].member);
    free(w.view), free(w.rate), free(w.kept), free(w.member);
    return result;
}

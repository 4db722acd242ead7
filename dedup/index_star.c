/* index_star.c - from band keys on disk to star clusters.
 *
 * Documents are renamed to their ranks, best first. Those with equal sketches have the same neighbours,
 * so only the best of them takes part (all ranks of a cluster sort alike). Each group of equal band keys is compared pair by pair; a pair
 * that is similar becomes an edge (better, worse) in the group of the first band that it shares, hence
 * once. Edges sorted by rank are walked once: when a document comes up as the better end, all that could
 * drop it has been seen. Groups lie in the range of their key, and ranges are dealt to ranks; one rank walks. */
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "dedup/index_impl.h"
#include "dedup/rounds.h"

enum { ITEM_RECORDS = 1 << 15, ITEM_PAIRS = 1 << 15 };

typedef struct {
    const index_set *set;
    uint32_t *doc_at, *rank_of; /* rank -> document and back */
    uint32_t *like;             /* rank -> best rank of the same sketch */
    spill *bands, *edges;
    spill_record ahead;         /* read from bands, not yet in a group */
    bool has_ahead;
    spill_record *group;        /* of equal keys, value: rank */
    size_t n_group, group_cap, row;
    uint64_t n_read, n_compared, n_edges;
} star;

int index_matches_needed(double threshold) {
    int m = (int)(threshold * INDEX_BINS);
    return m + (threshold * INDEX_BINS - m > 1e-9);
}

int index_matches(const uint16_t a[INDEX_BINS], const uint16_t b[INDEX_BINS]) {
    uint16_t n = 0;
    for (int i = 0; i < INDEX_BINS; i++) n = (uint16_t)(n + (a[i] == b[i]));
    return n;
}

static int band_start(int band, int n_bands) { return band * INDEX_BINS / n_bands; }

uint64_t index_band_key(const uint16_t *bins, int band, int n_bands) {
    int start = band_start(band, n_bands), end = band_start(band + 1, n_bands);
    return wt_hash64(bins + start, (size_t)(end - start) * sizeof *bins, (uint64_t)band + 1);
}

static uint64_t first_common_key(const uint16_t *a, const uint16_t *b, int n_bands) {
    for (int band = 0; band < n_bands; band++) {
        int start = band_start(band, n_bands), end = band_start(band + 1, n_bands);
        if (memcmp(a + start, b + start, (size_t)(end - start) * sizeof *a) == 0)
            return index_band_key(a, band, n_bands);
    }
    return 0;                                         /* cannot be: see index.h */
}

static const uint16_t *bins_of(const star *s, uint32_t rank) {
    return s->set->bins + (size_t)s->doc_at[rank] * INDEX_BINS;
}

/* ---- ranks ---- */

/* Smaller for larger scores. */
static uint64_t score_key(double score) {
    uint64_t bits;
    score += 0.0;                                     /* no -0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 63 ? bits : ~(bits | (uint64_t)1 << 63);
}

static void rank_documents(star *s, spill_record *r, spill_record *scratch) {
    size_t n = s->set->n;
    for (size_t i = 0; i < n; i++) r[i] = (spill_record){score_key(s->set->doc[i].score), i};
    spill_sort(r, scratch, n);
    for (size_t i = 0; i < n; i++) {
        s->doc_at[i] = (uint32_t)r[i].value;
        s->rank_of[r[i].value] = (uint32_t)i;
    }
}

static void find_alike(star *s, spill_record *r, spill_record *scratch) {
    size_t n = s->set->n;
    for (size_t i = 0; i < n; i++) {
        r[i] = (spill_record){s->set->doc[s->doc_at[i]].sketch_hash, i};
        s->like[i] = (uint32_t)i;
    }
    spill_sort(r, scratch, n);
    for (size_t i = 0, first = 0; i < n; i++) {
        if (r[i].key != r[first].key) first = i;
        uint32_t a = (uint32_t)r[first].value, b = (uint32_t)r[i].value;
        if (s->set->doc[s->doc_at[a]].cause != DEDUP_KEEP || s->set->doc[s->doc_at[b]].cause != DEDUP_KEEP) continue;
        if (memcmp(bins_of(s, a), bins_of(s, b), INDEX_BINS * sizeof(uint16_t)) == 0) s->like[b] = a;
    }
}

/* ---- groups to edges ---- */

typedef struct {
    spill_record *record;       /* groups */
    spill_record *edge;
    size_t n, cap, n_edges, edge_cap;
    size_t row, row_end;        /* records to compare with those of their group behind them */
    uint64_t n_compared;
} item;

static void *item_new(void *ctx) { return wt_xcalloc(1, sizeof(item)); }
static void item_free(void *ctx, void *slot) {
    item *it = slot;
    free(it->record), free(it->edge);
    free(it);
}

static int next_record(star *s, wt_err *err) {
    int got = spill_next(s->bands, &s->ahead, err);
    s->has_ahead = got > 0;
    s->n_read += s->has_ahead;
    return got < 0 ? -1 : 0;
}

/* The next group of two or more; only the best document of each sketch is in it. 1, 0 at the end, -1. */
static int group_read(star *s, wt_err *err) {
    s->row = 0;
    do {
        uint64_t key = s->ahead.key;
        s->n_group = 0;
        while (s->has_ahead && s->ahead.key == key) {
            uint32_t rank = s->rank_of[s->ahead.value];
            if (s->like[rank] == rank) {
                WT_GROW(s->group, s->group_cap, s->n_group + 1);
                s->group[s->n_group++] = (spill_record){key, rank};
            }
            if (next_record(s, err)) return -1;
        }
    } while (s->has_ahead && s->n_group < 2);
    if (s->n_group < 2) s->n_group = 0;
    return s->n_group > 0;
}

static void item_add_group(const star *s, item *it) {
    WT_GROW(it->record, it->cap, it->n + s->n_group);
    memcpy(it->record + it->n, s->group, s->n_group * sizeof *s->group);
    it->n += s->n_group;
    it->row_end = it->n;
}

/* Pages of one template make groups of any size: some rows of their triangle of pairs at a time. */
static void item_take_rows(star *s, item *it) {
    item_add_group(s, it);
    it->row = s->row;
    it->row_end = s->row + 1 + ITEM_PAIRS / s->n_group;
    if (it->row_end >= s->n_group) it->row_end = s->n_group;
    s->row = it->row_end;
    if (s->row == s->n_group) s->n_group = 0;
}

/* Small groups together, or a piece of a large one. */
static int item_read(void *ctx, void *slot, wt_err *err) {
    star *s = ctx;
    item *it = slot;
    it->n = it->row = it->row_end = 0;
    wt_progress_set(s->n_read);
    while (it->n < ITEM_RECORDS) {
        if (s->n_group == 0) {
            int got = group_read(s, err);
            if (got < 0) return -1;
            if (got == 0) break;
        }
        bool large = s->n_group * s->n_group > 2 * (size_t)ITEM_PAIRS;
        if (large && it->n > 0) break;                /* in the next item */
        if (large) {
            item_take_rows(s, it);
            break;
        }
        item_add_group(s, it);
        s->n_group = 0;
    }
    return it->n > 0;
}

static void compare(const star *s, item *it, const spill_record *x, const spill_record *y) {
    uint32_t a = (uint32_t)x->value, b = (uint32_t)y->value;
    int n_bands = index_bands(s->set->min_matches), matches = index_matches(bins_of(s, a), bins_of(s, b));
    it->n_compared++;
    if (matches < s->set->min_matches || first_common_key(bins_of(s, a), bins_of(s, b), n_bands) != x->key) return;
    WT_GROW(it->edge, it->edge_cap, it->n_edges + 1);
    it->edge[it->n_edges++] = (spill_record){a < b ? (uint64_t)a << 32 | b : (uint64_t)b << 32 | a, (uint64_t)matches};
}

static int item_work(void *ctx, void *slot, int i_thread, wt_err *err) {
    star *s = ctx;
    item *it = slot;
    it->n_edges = it->n_compared = 0;
    for (size_t i = it->row; i < it->row_end; i++)
        for (size_t j = i + 1; j < it->n && it->record[j].key == it->record[i].key; j++)
            compare(s, it, &it->record[i], &it->record[j]);
    return 0;
}

static int item_write(void *ctx, void *slot, wt_err *err) {
    star *s = ctx;
    item *it = slot;
    for (size_t i = 0; i < it->n_edges; i++)
        if (spill_add(s->edges, it->edge[i].key, it->edge[i].value, err)) return -1;
    s->n_edges += it->n_edges;
    s->n_compared += it->n_compared;
    return 0;
}

/* Of one range. Returns the runs of edges, or -1. */
static int find_edges(star *s, int range, wt_err *err) {
    const index_set *set = s->set;
    spill_free(s->bands);
    spill_free(s->edges);
    s->edges = NULL;
    s->n_group = 0;
    s->bands = spill_open(set->dir, "bands", range, range + 1, set->n_runs, set->memory / 2, err);
    if (s->bands) s->edges = spill_new(set->dir, "edges", range, set->memory / 2, err);
    if (!s->edges || next_record(s, err)) return -1;
    wt_pipeline p = {.ctx = s, .threads = set->threads, .stop_on_signal = true, .item_new = item_new,
                     .item_free = item_free, .read = item_read, .work = item_work, .write = item_write};
    return wt_pipeline_run(&p, err) ? -1 : spill_end(s->edges, err);
}

/* ---- edges to stars ---- */

/* best[rank]: the kept document in whose name this one goes; its own rank where it stays. */
static int walk_edges(star *s, const int *n_runs, index_decision *best, wt_err *err) {
    spill_record edge;
    int got;
    spill_free(s->edges);
    s->edges = spill_open(s->set->dir, "edges", 0, s->set->n_ranges, n_runs, s->set->memory, err);
    if (!s->edges) return -1;
    for (size_t i = 0; i < s->set->n; i++) best[i] = (index_decision){(uint32_t)i, INDEX_BINS};
    while ((got = spill_next(s->edges, &edge, err)) > 0) {
        uint32_t better = (uint32_t)(edge.key >> 32), worse = (uint32_t)edge.key;
        if (best[better].kept == better && best[worse].kept == worse)
            best[worse] = (index_decision){better, (uint32_t)edge.value};
    }
    return got;
}

static void name_documents(const star *s, const index_decision *best, index_decision *decision) {
    for (size_t i = 0; i < s->set->n; i++) {
        index_decision d = best[s->like[i]];
        decision[s->doc_at[i]] = (index_decision){s->doc_at[d.kept], d.matches};
    }
}

/* Fills n_runs of the edges of all ranges, on all ranks. */
static int find_all_edges(star *s, int *n_runs, wt_err *err) {
    int n_ranges = s->set->n_ranges, result = 0;
    uint64_t *told = wt_xcalloc((size_t)n_ranges + 2, sizeof *told);
    for (int range = wt_cluster_rank(); range < n_ranges && !result; range += wt_cluster_size()) {
        int n = find_edges(s, range, err);
        if (n < 0) result = -1;
        else told[range] = (uint64_t)n;
    }
    told[n_ranges] = s->n_compared, told[n_ranges + 1] = s->n_edges;
    wt_cluster_sum_u64(told, (size_t)n_ranges + 2);
    for (int range = 0; range < n_ranges; range++) n_runs[range] = (int)told[range];
    wt_report_count("pairs compared", told[n_ranges]);
    wt_report_count("pairs similar", told[n_ranges + 1]);
    free(told);
    return wt_cluster_agree(result, err);
}

static int decide(star *s, index_decision *decision, wt_err *err) {
    size_t n = s->set->n, bytes = 2 * (n + 1) * sizeof(spill_record);
    spill_record *room = wt_big_alloc(bytes, "ranks of the documents", err);
    if (wt_cluster_agree(room ? 0 : -1, err)) return -1;
    rank_documents(s, room, room + n);
    find_alike(s, room, room + n);
    wt_big_free(room, bytes);
    int *n_runs = wt_xcalloc((size_t)s->set->n_ranges, sizeof *n_runs);
    int result = find_all_edges(s, n_runs, err);
    if (!result && wt_cluster_rank() == 0) {
        index_decision *best = wt_xmalloc((n + 1) * sizeof *best);
        result = walk_edges(s, n_runs, best, err);
        if (!result) name_documents(s, best, decision);
        free(best);
        spill_remove(s->set->dir, "edges", s->set->n_ranges, n_runs);
    }
    free(n_runs);
    return wt_cluster_agree(result, err);
}

int index_decide(const index_set *set, index_decision *decision, wt_err *err) {
    star s = {.set = set};
    uint32_t **table[] = {&s.doc_at, &s.rank_of, &s.like};
    for (int i = 0; i < 3; i++) *table[i] = wt_xmalloc((set->n + 1) * sizeof **table[i]);
    int result = decide(&s, decision, err);
    for (int i = 0; i < 3; i++) free(*table[i]);
    free(s.group);
    spill_free(s.bands);
    spill_free(s.edges);
    return result;
}

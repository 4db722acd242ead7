/* recount.c - two passes over the records: one sums counts by a few bits of the pairs' hash, which tells for nearly all
 * pairs that they cannot reach the floor; one counts the others. A third fills the lists. */
#include "bpe/recount.h"

#include <stdlib.h>

#include "common/hash.h"

typedef struct {
    uint64_t key;                   /* ~0: empty */
    int64_t count;
    uint64_t n;
} tally;

typedef struct {
    tally *slot;
    size_t mask, n, size_max;
} tally_table;

static tally *tally_find(const tally_table *t, uint64_t key) {
    size_t i = (key * 0x9E3779B97F4A7C15u >> 20) & t->mask;
    while (t->slot[i].key != key && t->slot[i].key != UINT64_MAX)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

static void tally_init(tally_table *t, size_t size, size_t size_max) {
    *t = (tally_table){wt_xmalloc(size * sizeof(tally)), size - 1, 0, size_max};
    memset(t->slot, 0xFF, size * sizeof(tally));
}

/* False where the table may not grow. */
static bool tally_add(tally_table *t, uint64_t key, int64_t count) {
    tally *s = tally_find(t, key);
    if (s->key == UINT64_MAX) {
        if (2 * t->n > t->mask) {
            tally_table old = *t;
            if (2 * (old.mask + 1) > old.size_max)
                return false;
            tally_init(t, 2 * (old.mask + 1), old.size_max);
            for (size_t i = 0; i <= old.mask; i++)
                if (old.slot[i].key != UINT64_MAX)
                    *tally_find(t, old.slot[i].key) = old.slot[i];
            t->n = old.n;
            free(old.slot);
            s = tally_find(t, key);
        }
        *s = (tally){key, 0, 0};
        t->n++;
    }
    s->count += count;
    s->n++;
    return true;
}

/* A floor that the merges still to come will probably stay above. Frequencies of merges fall about
 * as 1 / rank; half of what that says leaves room. best: no pair has more. */
static int64_t next_floor(const bpe_live *L, int64_t best, const bpe_recount_plan *plan) {
    int64_t before = L->floor.count;
    bool first = before == INT64_MAX;
    int64_t guess = first ? best / (2 * ((int64_t)plan->target + 1))
                          : (int64_t)((double)before / 2 * plan->n_merges / (plan->target + 1.0));
    if (!first && guess > before / 2)
        guess = before / 2;
    return guess < plan->lowest ? plan->lowest : guess;
}

/* Sums of counts by a few bits of the pairs' hash: no pair has more than its sum. After some merges there are
 * millions of distinct pairs, nearly all below the floor; those whose sum is below it need no entry. */
typedef struct {
    int64_t *sum;
    int bits;
} sketch;

static int64_t *sketch_at(const sketch *s, uint64_t key) {
    return &s->sum[wt_mix64(key) >> (64 - s->bits)];
}

static sketch sketch_of_pairs(bpe_records *records, size_t memory, int64_t *best) {
    sketch s = {NULL, 12};
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    while (s.bits < 21 && (size_t)1 << s.bits < bpe_records_bytes(records) && sizeof *s.sum << s.bits < memory / 3)
        s.bits++;
    s.sum = wt_xcalloc((size_t)1 << s.bits, sizeof *s.sum);
    while (bpe_records_next(records, &at, &record)) {
        uint32_t n = bpe_record_pairs(records, record, id, &count);
        for (uint32_t i = 0; i + 1 < n; i++)
            *sketch_at(&s, bpe_pair_key(id[i], id[i + 1])) += count;
    }
    *best = 0;
    for (size_t i = 0; i < (size_t)1 << s.bits; i++)
        *best = s.sum[i] > *best ? s.sum[i] : *best;
    return s;
}

/* Counts the pairs that may reach the floor and whose hash ends in `bits` bits of `part`; those that do reach it become
 * candidates. Where the table is too small, it does so for two halves of them. */
static void tally_pairs(bpe_live *L, bpe_records *records, size_t memory, const sketch *s, int bits, uint64_t part, bpe_candidates *c) {
    tally_table t;
    uint64_t at = 0, keep = ((uint64_t)1 << bits) - 1;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    bool fits = true;
    size_t size_max = 1 << 12;      /* a growing table is there twice */
    while (2 * size_max * sizeof(tally) * 3 / 2 < memory)
        size_max *= 2;
    tally_init(&t, 1 << 12, size_max);
    while (fits && bpe_records_next(records, &at, &record)) {
        uint32_t n = bpe_record_pairs(records, record, id, &count);
        for (uint32_t i = 0; i + 1 < n && fits; i++) {
            uint64_t key = bpe_pair_key(id[i], id[i + 1]);
            if ((!bits || (wt_mix64(key) & keep) == part) && *sketch_at(s, key) >= L->floor.count)
                fits = tally_add(&t, key, count);
        }
    }
    for (size_t i = 0; fits && i <= t.mask; i++) {
        const tally *y = &t.slot[i];
        if (y->key != UINT64_MAX && bpe_live_reaches(L, y->count, y->key) && !bpe_live_too_long(L, (uint32_t)(y->key >> 32), (uint32_t)y->key))
            bpe_candidates_add(c, y->count, y->key, y->n);
    }
    free(t.slot);
    if (!fits) {
        tally_pairs(L, records, memory, s, bits + 1, part, c);
        tally_pairs(L, records, memory, s, bits + 1, part | (uint64_t)1 << bits, c);
    } else if (bits) {
        bpe_live_choose(L, c, L->lists_max / 2);
    }
}

static void fill_lists(bpe_live *L, bpe_records *records) {
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    while (bpe_records_next(records, &at, &record)) {
        uint32_t n = bpe_record_pairs(records, record, id, &count);
        for (uint32_t i = 0; i + 1 < n; i++) {
            uint32_t found = *bpe_live_slot(L, bpe_pair_key(id[i], id[i + 1]));
            if (found)
                bpe_live_add_record(L, found - 1, record);
        }
    }
}

void bpe_recount(bpe_live *L, bpe_records *records, const bpe_recount_plan *plan) {
    int64_t best;
    bpe_candidates c = {0};
    bpe_live_clear(L);
    sketch s = sketch_of_pairs(records, plan->memory, &best);
    L->floor = (bpe_scored){next_floor(L, best, plan), BPE_ANY_KEY};
    tally_pairs(L, records, plan->memory, &s, 0, 0, &c);
    free(s.sum);
    bpe_live_choose(L, &c, L->lists_max / 2);
    uint64_t n_listed = 0;
    for (size_t i = 0; i < c.n; i++)
        n_listed += bpe_live_has_no_list(L, c.item[i].n) ? 0 : c.item[i].n;
    bpe_live_reserve(L, n_listed);
    for (size_t i = 0; i < c.n; i++) {
        bpe_scored item = c.item[i].item;
        bpe_live_add(L, (uint32_t)(item.key >> 32), (uint32_t)item.key, item.count,
                     c.item[i].n < BPE_NO_LIST ? (uint32_t)c.item[i].n : BPE_NO_LIST - 1);
    }
    free(c.item);
    bpe_live_compact_later(L);
    fill_lists(L, records);
}

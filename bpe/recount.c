/* recount.c - passes over the records: one sums counts by a few bits of the pairs' hash, which tells for nearly all
 * pairs that they cannot reach the floor; one counts the others; one fills the lists. In little memory the first two are
 * done for a part of the pairs after the other. */
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
    if (!first && guess < before / 4 && L->floor.key != BPE_ANY_KEY)
        guess = before / 4;         /* memory had raised it, and would again */
    return guess < plan->lowest ? plan->lowest : guess;
}

/* Which pairs: those whose hash ends in `bits` bits of `part`. */
typedef struct {
    int bits;
    uint64_t part;
} share;

static inline bool in_share(const share *h, uint64_t hash) { return (hash & (((uint64_t)1 << h->bits) - 1)) == h->part; }

/* Sums of counts by a few bits of the pairs' hash: no pair has more than its sum. After some merges there are
 * millions of distinct pairs, nearly all below the floor; those whose sum is below it need no entry. */
typedef struct {
    int64_t *sum;
    int bits;
    int64_t best;
    uint64_t total;                 /* of all sums */
} sketch;

static int64_t *sketch_at(const sketch *s, uint64_t hash) { return &s->sum[hash >> (64 - s->bits)]; }

static void sketch_init(sketch *s, const bpe_records *records, size_t memory) {
    *s = (sketch){.bits = 12};
    while (s->bits < 21 && (size_t)1 << s->bits < bpe_records_bytes(records) && sizeof *s->sum << s->bits < memory / 3)
        s->bits++;
    s->sum = wt_xmalloc(sizeof *s->sum << s->bits);
}

static void sketch_fill(sketch *s, bpe_records *records, share h) {
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    memset(s->sum, 0, sizeof *s->sum << s->bits);
    while (bpe_records_next(records, &at, &record)) {
        uint32_t n = bpe_record_pairs(records, record, id, &count);
        for (uint32_t i = 0; i + 1 < n; i++) {
            uint64_t hash = wt_mix64(bpe_pair_key(id[i], id[i + 1]));
            if (in_share(&h, hash))
                *sketch_at(s, hash) += count;
        }
    }
    s->best = 0, s->total = 0;
    for (size_t i = 0; i < (size_t)1 << s->bits; i++) {
        s->best = s->sum[i] > s->best ? s->sum[i] : s->best;
        s->total += (uint64_t)s->sum[i];
    }
}

/* Bits of hash by which the sketch's pairs must be divided so that the rare among them share sums well below the floor. */
static int bits_too_coarse(const sketch *s, int64_t floor) {
    int bits = 0;
    while (bits < 16 && s->total >> s->bits >> bits > (uint64_t)floor / 2)
        bits++;
    return bits;
}

/* Counts the pairs of a share that may reach the floor; those that do become candidates. Where the table is too small, it
 * does so for parts of them, each with a sketch of its own where the one at hand is too coarse to tell much. */
static void tally_pairs(bpe_live *L, bpe_records *records, size_t memory, sketch *s, share h, bpe_candidates *c) {
    tally_table t;
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    bool fits = true;
    size_t size_max = 1 << 12;      /* a growing table is there twice */
    while (2 * size_max * sizeof(tally) * 3 / 2 < memory / 3 * 2)
        size_max *= 2;
    tally_init(&t, 1 << 12, size_max);
    while (fits && bpe_records_next(records, &at, &record)) {
        uint32_t n = bpe_record_pairs(records, record, id, &count);
        for (uint32_t i = 0; i + 1 < n && fits; i++) {
            uint64_t key = bpe_pair_key(id[i], id[i + 1]), hash = wt_mix64(key);
            if (in_share(&h, hash) && *sketch_at(s, hash) >= L->floor.count)
                fits = tally_add(&t, key, count);
        }
    }
    for (size_t i = 0; fits && i <= t.mask; i++) {
        const tally *y = &t.slot[i];
        if (y->key != UINT64_MAX && bpe_live_reaches(L, y->count, y->key) && !bpe_live_too_long(L, (uint32_t)(y->key >> 32), (uint32_t)y->key))
            bpe_candidates_add(c, y->count, y->key, y->n);
    }
    free(t.slot);
    if (fits) {
        if (h.bits)
            bpe_live_choose(L, c, L->lists_max / 2);
        return;
    }
    int coarse = bits_too_coarse(s, L->floor.count), bits = coarse ? coarse : 1;
    for (uint64_t i = 0; i < (uint64_t)1 << bits; i++) {
        share part = {h.bits + bits, h.part | i << h.bits};
        if (coarse)
            sketch_fill(s, records, part);
        tally_pairs(L, records, memory, s, part, c);
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
    bpe_candidates c = {0};
    sketch s;
    bpe_live_clear(L);
    sketch_init(&s, records, plan->memory);
    sketch_fill(&s, records, (share){0, 0});
    if (!plan->same_floor)
        L->floor = (bpe_scored){next_floor(L, s.best, plan), BPE_ANY_KEY};
    tally_pairs(L, records, plan->memory, &s, (share){0, 0}, &c);
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

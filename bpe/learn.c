/* learn.c - learns BPE merges from word counts (Sennrich et al. 2016, algorithm 1), exactly as a full
 * recount before every merge would (the naive twin in the tests is that), in a small part of its time.
 *
 * For each pair that matters we keep its count and the list of records that hold it. A merge visits
 * those records only. It changes the counts of pairs at its two sides; these are summed in dense
 * arrays by neighbour and then applied once per distinct neighbour, so hashing costs per neighbour
 * and not per occurrence. A heap gives the next pair; entries whose count has changed since are
 * pushed back with the true one.
 *
 * The floor: a pair with the new token gets all its occurrences in the very step that makes the
 * token and can only lose some later. So a pair that is born worse than the floor can be forgotten,
 * with its list, as long as the best pair is not worse than it; most pairs are. When none is left above the floor,
 * it is lowered and all words are counted once more. This is exact for any floor, and for one that rises while
 * we go: what it passes is found again by the next recount. The floor is a count and, among pairs of that count, a
 * place in the order of ties.
 *
 * So memory decides the floor and never the merges. Lists get a share of it: a recount takes the best pairs whose
 * lists fit half of the share, and where the lists of newborn pairs would overflow it, the floor rises over the worst
 * pairs. Pairs that are in so many records that their list alone would be too much have none: their merge
 * visits all records. Words are records (records.h), which go to disk where they would not fit. */
#include <stdlib.h>

#include "bpe/count.h"
#include "bpe/records.h"
#include "common/hash.h"
#include "common/memory.h"

enum { NO_LIST = UINT32_MAX };      /* words of a pair whose merge visits all records */
enum { PAIR_COST = 16 };            /* what a pair takes besides its list, in entries of lists */
#define ANY_KEY UINT64_MAX          /* of a floor: all pairs of its count are above it */

typedef struct {
    uint32_t left, right;
    int64_t count;                  /* 0: dead */
    uint64_t at;                    /* in the lists: records that hold it, or held it once */
    uint32_t n_words, cap_words;    /* NO_LIST */
} pair;

typedef struct {
    int64_t count;
    uint64_t key;                   /* left << 32 | right */
} heap_item;

/* What one merge does to the pairs at a neighbour id. (x, left) and (x, new) for x on the left side;
 * (right, y) and (new, y) for y on the right. */
typedef struct {
    int64_t left_old, left_new, right_old, right_new;
    uint32_t n_left, n_right;       /* occurrences of the new pairs */
    uint32_t left_pair, right_pair; /* index of a new pair while its list is filled */
    bool touched;
} delta;

typedef struct {
    uint32_t neighbour, record;
} occurrence;

typedef struct {
    occurrence *item;
    size_t n, cap;
} occurrences;

typedef struct {
    const bpe_train_options *options;
    size_t memory;                  /* for all that grows with the words */
    size_t passing;                 /* ... of it, for a recount's tables */
    bpe_records records;

    uint32_t *lists;
    uint64_t n_listed, cap_lists, lists_max;

    pair *pairs;
    size_t n_pairs, cap_pairs, pairs_max, compact_at;
    uint32_t *slot;                 /* open addressing over pairs; 0: empty, else index + 1 */
    size_t slot_mask, n_slots;
    heap_item *heap;
    size_t n_heap, cap_heap;
    heap_item floor;
    size_t merging;                 /* index of the pair that is being merged */

    wt_buf token_bytes;
    uint64_t *token_at;             /* n_tokens + 1 positions */
    uint32_t n_tokens, cap_tokens;
    bpe_merge *merge;
    uint32_t n_merges, cap_merges;

    delta *deltas;
    uint32_t *touched;
    size_t n_touched, cap_deltas;
    occurrences left_seen, right_seen;
    size_t seen_max;
    bool seen_lost;                 /* there were more; lists are filled by a second visit */
} learner;

/* ---- tokens ---- */
static wt_str token_text(const learner *L, uint32_t id) {
    return (wt_str){L->token_bytes.ptr + L->token_at[id], L->token_at[id + 1] - L->token_at[id]};
}

static void token_add(learner *L, wt_str a, wt_str b) {
    /* a and b may lie in token_bytes itself, so room first */
    size_t a_at = a.ptr >= L->token_bytes.ptr ? (size_t)(a.ptr - L->token_bytes.ptr) : SIZE_MAX;
    size_t b_at = b.ptr >= L->token_bytes.ptr ? (size_t)(b.ptr - L->token_bytes.ptr) : SIZE_MAX;
    bool own = L->token_bytes.ptr && a_at < L->token_bytes.len;
    wt_buf_reserve(&L->token_bytes, a.len + b.len);
    if (own)
        a.ptr = L->token_bytes.ptr + a_at, b.ptr = L->token_bytes.ptr + (b.len ? b_at : 0);
    size_t cap = L->cap_tokens;
    WT_GROW(L->token_at, cap, L->n_tokens + 2);
    L->cap_tokens = (uint32_t)cap;
    L->token_at[L->n_tokens++] = L->token_bytes.len;
    wt_buf_add(&L->token_bytes, a.ptr, a.len);
    if (b.len)
        wt_buf_add(&L->token_bytes, b.ptr, b.len);
    L->token_at[L->n_tokens] = L->token_bytes.len;
}

/* ---- pairs by key ---- */
static uint64_t pair_key(uint32_t left, uint32_t right) { return (uint64_t)left << 32 | right; }

static size_t pair_home(const learner *L, uint64_t key) {
    return (key * 0x9E3779B97F4A7C15u >> 20) & L->slot_mask;
}

static uint32_t *pair_slot(const learner *L, uint64_t key) {
    size_t i = pair_home(L, key);
    while (L->slot[i] && pair_key(L->pairs[L->slot[i] - 1].left, L->pairs[L->slot[i] - 1].right) != key)
        i = (i + 1) & L->slot_mask;
    return &L->slot[i];
}

static pair *pair_find(const learner *L, uint32_t left, uint32_t right) {
    uint32_t *s = pair_slot(L, pair_key(left, right));
    return *s ? &L->pairs[*s - 1] : NULL;
}

/* Dead pairs leave the table when it is rebuilt. */
static void slots_rebuild(learner *L) {
    size_t live = 0;
    for (size_t i = 0; i < L->n_pairs; i++)
        live += L->pairs[i].count > 0;
    size_t size = 1024;
    while (size < 4 * live)
        size *= 2;
    free(L->slot);
    L->slot = wt_xcalloc(size, sizeof *L->slot);
    L->slot_mask = size - 1, L->n_slots = live;
    for (size_t i = 0; i < L->n_pairs; i++)
        if (L->pairs[i].count > 0)
            *pair_slot(L, pair_key(L->pairs[i].left, L->pairs[i].right)) = (uint32_t)i + 1;
}

static bool has_no_list(const learner *L, uint64_t n) { return n > L->lists_max / 4; }

/* In n records at most. Room for its list has been made. */
static uint32_t pair_new(learner *L, uint32_t left, uint32_t right, int64_t count, uint32_t n) {
    if (!L->slot || 2 * (L->n_slots + 1) > L->slot_mask)
        slots_rebuild(L);
    WT_GROW(L->pairs, L->cap_pairs, L->n_pairs + 1);
    bool none = has_no_list(L, n);
    L->pairs[L->n_pairs] = (pair){left, right, count, L->n_listed, none ? NO_LIST : 0, none ? 0 : n};
    L->n_listed += none ? 0 : n;
    *pair_slot(L, pair_key(left, right)) = (uint32_t)L->n_pairs + 1;
    L->n_slots++;
    return (uint32_t)L->n_pairs++;
}

static void pair_kill(pair *p) {
    p->count = 0, p->n_words = p->cap_words = 0;
}

/* A record is seen with all its occurrences together, so that looking at the last is enough. */
static void pair_add_record(learner *L, uint32_t index, uint32_t record) {
    pair *p = &L->pairs[index];
    uint32_t *list = L->lists + p->at;
    if (p->cap_words && p->n_words < p->cap_words && (p->n_words == 0 || list[p->n_words - 1] != record))
        list[p->n_words++] = record;
}

/* ---- the heap: best pair on top ---- */
static bool ties_before(const learner *L, uint64_t a, uint64_t b) {
    if (L->options->ties != BPE_TIES_BYTES)
        return a < b;
    int order = wt_str_cmp(token_text(L, (uint32_t)(a >> 32)), token_text(L, (uint32_t)(b >> 32)));
    if (order == 0)
        order = wt_str_cmp(token_text(L, (uint32_t)a), token_text(L, (uint32_t)b));
    return order > 0;
}

static inline bool better(const learner *L, const heap_item *a, const heap_item *b) {
    return a->count != b->count ? a->count > b->count : ties_before(L, a->key, b->key);
}

/* Not worse than the floor. */
static inline bool reaches(const learner *L, int64_t count, uint64_t key) {
    if (count != L->floor.count || L->floor.key == ANY_KEY)
        return count >= L->floor.count;
    return key == L->floor.key || ties_before(L, key, L->floor.key);
}

static void heap_push(learner *L, heap_item item) {
    WT_GROW(L->heap, L->cap_heap, L->n_heap + 1);
    size_t i = L->n_heap++;
    for (; i && better(L, &item, &L->heap[(i - 1) / 4]); i = (i - 1) / 4)
        L->heap[i] = L->heap[(i - 1) / 4];
    L->heap[i] = item;
}

static void heap_sink(learner *L, size_t i, heap_item item) {
    for (;;) {
        size_t first = 4 * i + 1, best = first;
        if (first >= L->n_heap)
            break;
        for (size_t k = first + 1; k < first + 4 && k < L->n_heap; k++)
            if (better(L, &L->heap[k], &L->heap[best]))
                best = k;
        if (!better(L, &L->heap[best], &item))
            break;
        L->heap[i] = L->heap[best];
        i = best;
    }
    L->heap[i] = item;
}

/* The best live pair, out of the heap; NULL where none has the floor's count. */
static pair *heap_take(learner *L) {
    while (L->n_heap) {
        heap_item top = L->heap[0];
        pair *p = pair_find(L, (uint32_t)(top.key >> 32), (uint32_t)top.key);
        int64_t now = p ? p->count : 0;
        if (now == top.count) {
            heap_item last = L->heap[--L->n_heap];
            if (L->n_heap)
                heap_sink(L, 0, last);
            return p;
        }
        if (now > 0 && reaches(L, now, top.key)) {
            heap_sink(L, 0, (heap_item){now, top.key});
            continue;
        }
        if (p)
            pair_kill(p);           /* a later recount finds it again, should it be needed */
        heap_item last = L->heap[--L->n_heap];
        if (L->n_heap)
            heap_sink(L, 0, last);
    }
    return NULL;
}

/* Pairs that are dead or have fallen below the floor leave the array, and with it the heap. */
static void pairs_compact(learner *L) {
    size_t n = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        const pair *p = &L->pairs[i];
        if (p->count > 0 && reaches(L, p->count, pair_key(p->left, p->right)))
            L->pairs[n++] = *p;
    }
    L->n_pairs = n;
    L->compact_at = n + n / 4 + (1 << 12);
    slots_rebuild(L);
    L->n_heap = 0;                  /* nor are they in the heap any more */
    for (size_t i = 0; i < n; i++)
        heap_push(L, (heap_item){L->pairs[i].count, pair_key(L->pairs[i].left, L->pairs[i].right)});
}

/* ---- the floor and the lists ---- */
typedef struct {
    heap_item item;
    uint64_t n;                     /* records */
} candidate;

typedef struct {
    candidate *item;
    size_t n, cap;
} candidates;

static void candidates_add(candidates *c, int64_t count, uint64_t key, uint64_t n) {
    WT_GROW(c->item, c->cap, c->n + 1);
    c->item[c->n++] = (candidate){{count, key}, n};
}

static int by_better(const void *a, const void *b, void *learner_) {
    const candidate *x = a, *y = b;
    return better(learner_, &x->item, &y->item) ? -1 : better(learner_, &y->item, &x->item);
}

/* Keeps the best whose lists have no more than `room` entries together, and raises the floor to the worst of them
 * if any had to go. The best is always kept. */
static void candidates_keep(learner *L, candidates *c, uint64_t room) {
    uint64_t sum = 0;
    size_t kept = 0;
    if (c->n)                       /* else there is no array */
        qsort_r(c->item, c->n, sizeof *c->item, by_better, L);
    for (; kept < c->n; kept++) {
        sum += PAIR_COST + (has_no_list(L, c->item[kept].n) ? 0 : c->item[kept].n);
        if (sum > room && kept)
            break;
    }
    if (kept < c->n)
        L->floor = c->item[kept - 1].item;
    c->n = kept;
}

/* Lists of dead pairs are squeezed out. All lists must be complete. */
static void lists_squeeze(learner *L) {
    uint64_t out = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        pair *p = &L->pairs[i];
        if (i != L->merging && !reaches(L, p->count, pair_key(p->left, p->right)))
            pair_kill(p);           /* it would be forgotten when its turn comes */
        uint64_t n = p->n_words == NO_LIST ? 0 : p->n_words;
        if (n)                      /* there may be no lists at all yet */
            memmove(L->lists + out, L->lists + p->at, n * sizeof *L->lists);
        p->at = out, p->cap_words = (uint32_t)n;
        out += n;
    }
    L->n_listed = out;
}

/* Makes room for n more entries of lists; false where they would be more than their share. */
static bool lists_reserve(learner *L, uint64_t n) {
    if (L->n_listed + n <= L->cap_lists)
        return true;
    lists_squeeze(L);
    uint64_t need = L->n_listed + L->n_listed / 4 + n + (1 << 16);
    if (need > L->lists_max)
        need = L->lists_max;
    if (L->n_listed + n > need)
        return false;
    if (need > L->cap_lists) {
        L->cap_lists = need;
        L->lists = wt_xrealloc(L->lists, L->cap_lists * sizeof *L->lists);
    }
    return true;
}

/* ---- counting all pairs ---- */
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

static bool too_long(const learner *L, uint32_t left, uint32_t right) {
    uint32_t max = L->options->max_token_bytes;
    return max && token_text(L, left).len + token_text(L, right).len > max;
}

static int64_t lowest_count(const learner *L) {
    return L->options->min_frequency ? (int64_t)L->options->min_frequency : 1;
}

/* A floor that the merges still to come will probably stay above. Frequencies of merges fall about
 * as 1 / rank; half of what that says leaves room. best: no pair has more. */
static int64_t next_floor(const learner *L, int64_t best, uint32_t target) {
    int64_t before = L->floor.count;
    bool first = before == INT64_MAX;
    int64_t guess = first ? best / (2 * ((int64_t)target + 1))
                          : (int64_t)((double)before / 2 * L->n_merges / (target + 1.0));
    if (!first && guess > before / 2)
        guess = before / 2;
    return guess < lowest_count(L) ? lowest_count(L) : guess;
}

/* A record's ids, and behind them the first of the link behind it: all its pairs begin in it. */
static uint32_t record_pairs(learner *L, uint32_t record, uint32_t id[BPE_LINK_IDS + 1], int64_t *count) {
    bpe_record *r = bpe_record_at(&L->records, record);
    *count = (int64_t)bpe_record_count(r);
    bool goes_on = r->flags & BPE_LINK_NEXT;
    uint32_t n = bpe_record_load(&L->records, record, id), next;
    if (goes_on && n && (next = bpe_link_next(&L->records, record)) != BPE_NO_RECORD) {
        uint32_t behind[BPE_LINK_IDS];
        bpe_record_load(&L->records, next, behind);
        id[n++] = behind[0];
    }
    return n;
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

static sketch sketch_of_pairs(learner *L, int64_t *best) {
    sketch s = {NULL, 12};
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    while (s.bits < 21 && (size_t)1 << s.bits < bpe_records_bytes(&L->records) && sizeof *s.sum << s.bits < L->passing / 3)
        s.bits++;
    s.sum = wt_xcalloc((size_t)1 << s.bits, sizeof *s.sum);
    while (bpe_records_next(&L->records, &at, &record)) {
        uint32_t n = record_pairs(L, record, id, &count);
        for (uint32_t i = 0; i + 1 < n; i++)
            *sketch_at(&s, pair_key(id[i], id[i + 1])) += count;
    }
    *best = 0;
    for (size_t i = 0; i < (size_t)1 << s.bits; i++)
        *best = s.sum[i] > *best ? s.sum[i] : *best;
    return s;
}

/* Counts the pairs that may reach the floor and whose hash ends in `bits` bits of `part`; those that do reach it become
 * candidates. Where the table is too small, it does so for two halves of them. */
static void tally_pairs(learner *L, const sketch *s, int bits, uint64_t part, candidates *c) {
    tally_table t;
    uint64_t at = 0, keep = ((uint64_t)1 << bits) - 1;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    bool fits = true;
    size_t size_max = 1 << 12;      /* a growing table is there twice */
    while (2 * size_max * sizeof(tally) * 3 / 2 < L->passing)
        size_max *= 2;
    tally_init(&t, 1 << 12, size_max);
    while (fits && bpe_records_next(&L->records, &at, &record)) {
        uint32_t n = record_pairs(L, record, id, &count);
        for (uint32_t i = 0; i + 1 < n && fits; i++) {
            uint64_t key = pair_key(id[i], id[i + 1]);
            if ((!bits || (wt_mix64(key) & keep) == part) && *sketch_at(s, key) >= L->floor.count)
                fits = tally_add(&t, key, count);
        }
    }
    for (size_t i = 0; fits && i <= t.mask; i++) {
        const tally *y = &t.slot[i];
        if (y->key != UINT64_MAX && reaches(L, y->count, y->key) && !too_long(L, (uint32_t)(y->key >> 32), (uint32_t)y->key))
            candidates_add(c, y->count, y->key, y->n);
    }
    free(t.slot);
    if (!fits) {
        tally_pairs(L, s, bits + 1, part, c);
        tally_pairs(L, s, bits + 1, part | (uint64_t)1 << bits, c);
    } else if (bits) {
        candidates_keep(L, c, L->lists_max / 2);
    }
}

static void fill_lists(learner *L) {
    uint64_t at = 0;
    uint32_t record, id[BPE_LINK_IDS + 1];
    int64_t count;
    while (bpe_records_next(&L->records, &at, &record)) {
        uint32_t n = record_pairs(L, record, id, &count);
        for (uint32_t i = 0; i + 1 < n; i++) {
            uint32_t found = *pair_slot(L, pair_key(id[i], id[i + 1]));
            if (found)
                pair_add_record(L, found - 1, record);
        }
    }
}

/* Counts all pairs of all words anew, lowers the floor, and keeps those that reach it. */
static void recount(learner *L, uint32_t target) {
    int64_t best;
    candidates c = {0};
    L->n_pairs = L->n_heap = L->n_slots = 0;
    L->n_listed = 0;
    sketch s = sketch_of_pairs(L, &best);
    L->floor = (heap_item){next_floor(L, best, target), ANY_KEY};
    tally_pairs(L, &s, 0, 0, &c);
    free(s.sum);
    candidates_keep(L, &c, L->lists_max / 2);
    uint64_t n_listed = 0;
    for (size_t i = 0; i < c.n; i++)
        n_listed += has_no_list(L, c.item[i].n) ? 0 : c.item[i].n;
    lists_reserve(L, n_listed);
    slots_rebuild(L);
    for (size_t i = 0; i < c.n; i++) {
        heap_item item = c.item[i].item;
        pair_new(L, (uint32_t)(item.key >> 32), (uint32_t)item.key, item.count,
                 c.item[i].n < NO_LIST ? (uint32_t)c.item[i].n : NO_LIST - 1);
        heap_push(L, item);
    }
    free(c.item);
    L->compact_at = L->n_pairs + L->n_pairs / 4 + (1 << 12);
    fill_lists(L);
}

/* ---- one merge ---- */
static delta *delta_of(learner *L, uint32_t id) {
    delta *d = &L->deltas[id];
    if (!d->touched) {
        d->touched = true;
        L->touched[L->n_touched++] = id;
    }
    return d;
}

static void saw(learner *L, occurrences *o, uint32_t neighbour, uint32_t record) {
    if (o->n == L->seen_max) {
        L->seen_lost = true;
        return;
    }
    WT_GROW(o->item, o->cap, o->n + 1);
    o->item[o->n++] = (occurrence){neighbour, record};
}

static void saw_left(learner *L, uint32_t x, uint32_t record, int64_t count, uint32_t left,
                     uint32_t fresh) {
    /* (x, left) is gone. Where x is the new token itself that pair was counted on its right. */
    if (x == fresh)
        delta_of(L, left)->right_new -= count;
    else
        delta_of(L, x)->left_old -= count;
    delta *d = delta_of(L, x);
    d->left_new += count;
    d->n_left++;
    saw(L, &L->left_seen, x, record);
}

static void saw_right(learner *L, uint32_t y, uint32_t record, int64_t count) {
    delta *d = delta_of(L, y);
    d->right_old -= count;
    d->right_new += count;
    d->n_right++;
    saw(L, &L->right_seen, y, record);
}

/* The id before a link, and in which record it is; the id `k` behind one. BPE_NONE at the ends of a chain. */
static uint32_t id_before(learner *L, uint32_t record, uint32_t *in) {
    uint32_t id[BPE_LINK_IDS], previous = bpe_link_previous(&L->records, record);
    if (previous == BPE_NO_RECORD)
        return BPE_NONE;
    *in = previous;
    uint32_t n = bpe_record_load(&L->records, previous, id);
    return id[n - 1];
}

static uint32_t id_behind(learner *L, uint32_t record, uint32_t k) {
    uint32_t id[BPE_LINK_IDS];
    while ((record = bpe_link_next(&L->records, record)) != BPE_NO_RECORD) {
        uint32_t n = bpe_record_load(&L->records, record, id);
        if (k < n)
            return id[k];
        k -= n;
    }
    return BPE_NONE;
}

/* The same as merge_in_record for a link of a chain: a pair belongs to the link that its left token is in. */
static void merge_in_link(learner *L, uint32_t record, uint32_t left, uint32_t right, uint32_t fresh) {
    uint32_t id[BPE_LINK_IDS], n = bpe_record_load(&L->records, record, id), out = 0;
    int64_t count = (int64_t)bpe_record_count(bpe_record_at(&L->records, record));
    bool changed = false;
    for (uint32_t i = 0; i < n;) {
        bool at_end = i + 1 == n;
        if (id[i] != left || (at_end ? id_behind(L, record, 0) : id[i + 1]) != right) {
            id[out++] = id[i++];
            continue;
        }
        uint32_t in = record, x = out > 0 ? id[out - 1] : id_before(L, record, &in);
        uint32_t y = i + 2 < n ? id[i + 2] : id_behind(L, record, at_end);
        if (x != BPE_NONE)
            saw_left(L, x, in, count, left, fresh);
        if (y != BPE_NONE)
            saw_right(L, y, record, count);
        if (at_end)
            bpe_link_drop_first(&L->records, bpe_link_next(&L->records, record));
        id[out++] = fresh;
        i += 2;
        changed = true;
    }
    if (changed)
        bpe_record_store(&L->records, record, id, out);
}

/* Joins left and right wherever they meet in a record, from the left on. Once for each width of ids. */
#define MERGE_IN_RECORD(name, id_type)                                                               \
    static void name(learner *L, uint32_t record, uint32_t left, uint32_t right, uint32_t fresh) {   \
        bpe_record *r = bpe_record_at(&L->records, record);                                          \
        id_type *id = bpe_record_ids(r);                                                             \
        uint32_t n = r->n, i = 0;                                                                    \
        if (r->flags) {                                                                              \
            merge_in_link(L, record, left, right, fresh);                                            \
            return;                                                                                  \
        }                                                                                            \
        while (i + 1 < n && (id[i] != left || id[i + 1] != right))                                   \
            i++;                                                                                     \
        if (i + 1 >= n)                                                                              \
            return;                                                                                  \
        int64_t count = (int64_t)bpe_record_count(r);                                                \
        uint32_t out = i;                                                                            \
        while (i < n) {                                                                              \
            if (id[i] != left || i + 1 == n || id[i + 1] != right) {                                 \
                id[out++] = id[i++];                                                                 \
                continue;                                                                            \
            }                                                                                        \
            if (out > 0)                                                                             \
                saw_left(L, id[out - 1], record, count, left, fresh);                                \
            if (i + 2 < n)                                                                           \
                saw_right(L, id[i + 2], record, count);                                              \
            id[out++] = (id_type)fresh;                                                              \
            i += 2;                                                                                  \
        }                                                                                            \
        r->n = (uint8_t)out;                                                                         \
        bpe_record_changed(&L->records, record);                                                     \
    }
MERGE_IN_RECORD(merge_in_narrow, uint16_t)
MERGE_IN_RECORD(merge_in_wide, uint32_t)

/* ---- what a merge does to other pairs ---- */
static void lower_count(learner *L, uint32_t left, uint32_t right, int64_t change) {
    pair *p = change ? pair_find(L, left, right) : NULL;
    if (p && p->count > 0)
        p->count = p->count + change > 0 ? p->count + change : 0;
}

static bool is_born(const learner *L, uint32_t left, uint32_t right, int64_t count) {
    return count > 0 && reaches(L, count, pair_key(left, right)) && !too_long(L, left, right);
}

static uint32_t born(learner *L, uint32_t left, uint32_t right, int64_t count, uint32_t n) {
    if (!is_born(L, left, right, count))
        return BPE_NONE;
    heap_push(L, (heap_item){count, pair_key(left, right)});
    return pair_new(L, left, right, count, n);
}

/* Entries that the lists of newborn pairs need; as candidates, too, where that is asked for. */
static uint64_t newborn_entries(learner *L, uint32_t fresh, candidates *c) {
    uint64_t sum = 0;
    for (size_t k = 0; k < L->n_touched; k++) {
        uint32_t x = L->touched[k];
        const delta *d = &L->deltas[x];
        for (int side = 0; side < 2; side++) {
            uint32_t left = side ? fresh : x, right = side ? x : fresh, n = side ? d->n_right : d->n_left;
            int64_t count = side ? d->right_new : d->left_new;
            if (!is_born(L, left, right, count))
                continue;
            sum += has_no_list(L, n) ? 0 : n;
            if (c)
                candidates_add(c, count, pair_key(left, right), n);
        }
    }
    return sum;
}

/* Room for the lists of newborn pairs, where need be by raising the floor over the worst pairs, old and new. */
static void make_room_for_newborn(learner *L, uint32_t fresh) {
    bool many = L->n_pairs + 2 * L->n_touched > L->pairs_max;
    if (!many && lists_reserve(L, newborn_entries(L, fresh, NULL)))
        return;
    candidates c = {0};
    newborn_entries(L, fresh, &c);
    uint64_t merging = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        const pair *p = &L->pairs[i];
        uint64_t n = p->n_words == NO_LIST ? 0 : p->n_words;
        if (i == L->merging)
            merging = n;
        else if (p->count > 0)
            candidates_add(&c, p->count, pair_key(p->left, p->right), n);
    }
    candidates_keep(L, &c, (L->lists_max - merging) / 2);
    free(c.item);
    lists_squeeze(L);
    lists_reserve(L, newborn_entries(L, fresh, NULL));
    L->compact_at = 0;
}

/* The lists of newborn pairs, by another visit: where `fresh` stands, and what is beside it. */
static void fill_newborn(learner *L, uint32_t record, uint32_t fresh) {
    uint32_t id[BPE_LINK_IDS + 1], in = record;
    int64_t count;
    uint32_t n = record_pairs(L, record, id, &count), own = bpe_record_at(&L->records, record)->n;
    for (uint32_t i = 0; i < own; i++) {
        if (id[i] != fresh)
            continue;
        uint32_t x = i ? id[i - 1] : id_before(L, record, &in), p;
        if (x != BPE_NONE && (p = L->deltas[x].left_pair) != BPE_NONE)
            pair_add_record(L, p, i ? record : in);
        if (i + 1 < n && id[i + 1] != fresh && (p = L->deltas[id[i + 1]].right_pair) != BPE_NONE)
            pair_add_record(L, p, record);
    }
}

/* Calls visit for all records of the pair that is being merged. */
typedef void visitor(learner *L, uint32_t record, uint32_t left, uint32_t right, uint32_t fresh);
static void visit_records(learner *L, visitor *visit, uint32_t fresh) {
    enum { AHEAD = 8 };
    const pair p = L->pairs[L->merging];
    uint64_t at = 0;
    uint32_t record;
    if (p.n_words == NO_LIST)
        while (bpe_records_next(&L->records, &at, &record))
            visit(L, record, p.left, p.right, fresh);
    for (uint32_t i = 0; p.n_words != NO_LIST && i < p.n_words; i++) {
        const uint32_t *list = L->lists + p.at;
        if (i + AHEAD < p.n_words && L->records.file < 0)
            __builtin_prefetch(bpe_record_at(&L->records, list[i + AHEAD]), 1);
        visit(L, list[i], p.left, p.right, fresh);
    }
}

static void visit_newborn(learner *L, uint32_t record, uint32_t left, uint32_t right, uint32_t fresh) {
    fill_newborn(L, record, fresh);
}

static void add_seen(learner *L) {
    for (size_t k = 0; k < L->left_seen.n; k++) {
        uint32_t p = L->deltas[L->left_seen.item[k].neighbour].left_pair;
        if (p != BPE_NONE)
            pair_add_record(L, p, L->left_seen.item[k].record);
    }
    for (size_t k = 0; k < L->right_seen.n; k++) {
        uint32_t p = L->deltas[L->right_seen.item[k].neighbour].right_pair;
        if (p != BPE_NONE)
            pair_add_record(L, p, L->right_seen.item[k].record);
    }
}

static void apply_deltas(learner *L, uint32_t left, uint32_t right, uint32_t fresh) {
    for (size_t k = 0; k < L->n_touched; k++) {
        uint32_t x = L->touched[k];
        lower_count(L, x, left, L->deltas[x].left_old);
        lower_count(L, right, x, L->deltas[x].right_old);
    }
    make_room_for_newborn(L, fresh);
    for (size_t k = 0; k < L->n_touched; k++) {
        uint32_t x = L->touched[k];
        delta *d = &L->deltas[x];
        d->left_pair = born(L, x, fresh, d->left_new, d->n_left);
        d->right_pair = born(L, fresh, x, d->right_new, d->n_right);
    }
    if (L->seen_lost)
        visit_records(L, visit_newborn, fresh);
    else
        add_seen(L);
    for (size_t k = 0; k < L->n_touched; k++)
        L->deltas[L->touched[k]] = (delta){0};
    L->n_touched = L->left_seen.n = L->right_seen.n = 0;
    L->seen_lost = false;
}

static void merge_pair(learner *L, pair *p) {
    uint32_t left = p->left, right = p->right, fresh = L->n_tokens;
    L->merging = (size_t)(p - L->pairs);
    token_add(L, token_text(L, left), token_text(L, right));
    if (L->n_tokens >= L->cap_deltas) {
        size_t cap = L->n_tokens + L->n_tokens / 4;
        L->deltas = wt_xrealloc(L->deltas, cap * sizeof *L->deltas);
        memset(L->deltas + L->cap_deltas, 0, (cap - L->cap_deltas) * sizeof *L->deltas);
        L->touched = wt_xrealloc(L->touched, cap * sizeof *L->touched);
        L->cap_deltas = cap;
    }
    visit_records(L, L->records.wide ? merge_in_wide : merge_in_narrow, fresh);
    apply_deltas(L, left, right, fresh);
    pair_kill(&L->pairs[L->merging]);
    L->merging = SIZE_MAX;
    if (L->n_pairs > L->compact_at)
        pairs_compact(L);
    size_t cap = L->cap_merges;
    WT_GROW(L->merge, cap, L->n_merges + 1);
    L->cap_merges = (uint32_t)cap;
    L->merge[L->n_merges] = (bpe_merge){left, right, fresh, L->n_merges};
    L->n_merges++;
}

/* ---- from words to records, and from merges to a model ---- */
static uint32_t first_id(const learner *L, uint8_t byte) {
    return L->options->ties == BPE_TIES_HF ? BPE_BYTE_RANK[byte] : byte;
}

static void start_tokens(learner *L) {
    const bpe_model *base = L->options->extend;
    uint8_t byte_of[256];
    for (int b = 0; b < 256; b++)
        byte_of[first_id(L, (uint8_t)b)] = (uint8_t)b;
    for (int i = 0; i < 256 && !base; i++)
        token_add(L, (wt_str){(char *)&byte_of[i], 1}, (wt_str){NULL, 0});
    for (uint32_t id = 0; base && id < bpe_vocab_size(base); id++)
        token_add(L, bpe_token_bytes(base, id), (wt_str){NULL, 0});
}

/* The ids that a word begins with. */
static uint32_t first_ids(const learner *L, wt_str text, uint32_t *ids) {
    if (L->options->extend)
        return (uint32_t)bpe_merge_piece(L->options->extend, (const uint8_t *)text.ptr, text.len, ids);
    for (size_t i = 0; i < text.len; i++)
        ids[i] = first_id(L, (uint8_t)text.ptr[i]);
    return (uint32_t)text.len;
}

/* Ids of a word, or of a part of one, as one record or as links of a chain. */
static int add_records(learner *L, const uint32_t *ids, uint32_t n, uint64_t count, bool first, bool last, wt_err *err) {
    uint32_t max = L->records.wide ? BPE_LINK_IDS_WIDE : BPE_LINK_IDS;
    if (first && last && n <= max)
        return bpe_records_add(&L->records, count, ids, n, 0, err);
    for (uint32_t i = 0; i < n; i += max) {
        bool ends = n - i <= max;
        uint8_t flags = (first && i == 0 ? 0 : BPE_LINK_PREVIOUS) | (last && ends ? 0 : BPE_LINK_NEXT);
        if (bpe_records_add(&L->records, count, ids + i, ends ? n - i : max, flags, err))
            return -1;
    }
    return 0;
}

/* Merges of a tokenizer to extend must see a word as a whole, so its parts are put together for it. */
static int add_word(learner *L, const bpe_word *w, wt_buf *whole, uint32_t **ids, size_t *cap_ids, wt_err *err) {
    wt_str text = w->text;
    bool first = w->at == 0, last = w->last;
    if (L->options->extend && w->len > BPE_PART_MAX) {
        wt_buf_add_str(whole, text);
        if (!last)
            return 0;
        text = wt_buf_view(whole), first = true;
    }
    WT_GROW(*ids, *cap_ids, BPE_ROOM(text.len));
    uint32_t n = first_ids(L, text, *ids);
    wt_buf_clear(whole);
    return first && last && n < 2 ? 0 : add_records(L, *ids, n, w->count, first, last, err);
}

/* Words of one token have no pairs and are left out. */
static int start_records(learner *L, const bpe_words *words, wt_err *err) {
    bool wide = L->options->vocab_size > 65536;
    uint64_t room = 20 * words->n + (wide ? 5 : 3) * words->n_bytes;
    wt_buf whole = {0};
    uint32_t *ids = NULL;
    size_t cap_ids = 0;
    bpe_reader reader;
    int more, bad = 0;
    unsigned __int128 total = 0;
    if (bpe_records_init(&L->records, wide, room, L->memory / 4 * 3, L->options->temp_dir, err))
        return -1;
    bpe_reader_init(&reader, words, 0, bpe_words_end(words));
    while (!bad && (more = bpe_reader_next(&reader, err)) == 1) {
        const bpe_word *w = &reader.word;
        total += (unsigned __int128)w->count * w->text.len;
        bad = total > INT64_MAX ? wt_fail(err, WT_ELIMIT, "the words' counts add up to more than 2^63 bytes")
                                : add_word(L, w, &whole, &ids, &cap_ids, err);
    }
    bpe_reader_free(&reader);
    wt_buf_free(&whole);
    free(ids);
    return bad || more < 0 ? -1 : bpe_records_seal(&L->records, err);
}

/* Shares of the memory: records up to three quarters, or a quarter for their blocks; of the rest most for
 * lists and pairs, and what a recount or a merge needs for the moment. */
static void share_memory(learner *L) {
    size_t records = L->records.file < 0 ? bpe_records_bytes(&L->records) : L->memory / 4;
    size_t rest = L->memory - records;
    L->lists_max = rest / 8 * 3 / sizeof *L->lists;
    L->pairs_max = L->options->vocab_size + L->lists_max / PAIR_COST;     /* twice what a rising floor leaves */
    L->seen_max = rest / 16 / sizeof(occurrence);
    L->passing = rest / 3;
}

static bpe_model *make_model(const learner *L, const bpe_counter *counter, wt_err *err) {
    const bpe_model *base = L->options->extend;
    const bpe_added_set *specials = bpe_counter_specials(counter);
    bpe_build build = {0};
    uint32_t n_base = base ? bpe_vocab_size(base) : 0;
    for (uint32_t id = 0; id < L->n_tokens; id++) {
        if (id >= n_base || base->kind[id] == BPE_TOKEN_PLAIN)
            bpe_build_token(&build, id, token_text(L, id), 0);
        build.gaps_allowed |= id < n_base && base->kind[id] != BPE_TOKEN_PLAIN;
    }
    for (size_t i = 0; base && i < base->added.n; i++)
        bpe_build_token(&build, base->added.item[i].id,
                        (wt_str){base->added.item[i].text, base->added.item[i].len},
                        base->added.item[i].special ? 1 : 2);
    for (size_t i = 0; i < specials->n; i++)
        bpe_build_token(&build, L->n_tokens + (uint32_t)i,
                        (wt_str){specials->item[i].text, specials->item[i].len}, 1);
    for (uint32_t k = 0; base && k < base->n_merges; k++)
        bpe_build_merge(&build, base->merge[k].left, base->merge[k].right, base->merge[k].result, k);
    for (uint32_t k = 0; k < L->n_merges; k++)
        bpe_build_merge(&build, L->merge[k].left, L->merge[k].right, L->merge[k].result,
                        (base ? base->n_merges : 0) + k);
    return bpe_build_finish(&build, bpe_splitter_new(bpe_counter_pattern(counter), NULL), err);
}

/* What only merging needs; the model is made without it. */
static void learner_drop(learner *L) {
    bpe_records_free(&L->records);
    free(L->lists);
    free(L->pairs);
    free(L->slot);
    free(L->heap);
    free(L->left_seen.item);
    free(L->right_seen.item);
    free(L->deltas);
    free(L->touched);
}

/* Every token of a model to extend must be made by a merge, or a new merge might spell it again. */
static int check_base(const bpe_model *base, wt_err *err) {
    uint8_t *made = wt_xcalloc(bpe_vocab_size(base), 1);
    for (uint32_t k = 0; k < base->n_merges; k++)
        made[base->merge[k].result] = 1;
    int result = base->whole_first ? wt_fail(err, WT_EARG, "a tokenizer that takes whole words first "
                                             "cannot be extended") : 0;
    for (uint32_t id = 0; id < bpe_vocab_size(base) && !result; id++)
        if (base->kind[id] == BPE_TOKEN_PLAIN && bpe_token_bytes(base, id).len > 1 && !made[id])
            result = wt_fail(err, WT_EARG, "token %u is made by no merge; such a tokenizer cannot be "
                             "extended", id);
    free(made);
    return result;
}

static int learn_merges(learner *L, uint32_t target, int (*progress)(void *ctx, uint32_t merges), void *ctx, wt_err *err) {
    while (L->n_merges < target) {
        pair *p = L->floor.count == INT64_MAX ? NULL : heap_take(L);
        if (p)
            merge_pair(L, p);
        else if (L->floor.count > lowest_count(L) || L->floor.key != ANY_KEY)
            recount(L, target);
        else
            break;
        if (L->records.failed) {
            if (err)
                *err = L->records.err;
            return -1;
        }
        if (p && progress && progress(ctx, L->n_merges))
            return wt_fail(err, WT_ESTOP, "stopped after %u merges", L->n_merges);
    }
    return 0;
}

bpe_model *bpe_learn(bpe_counter *counter, int (*progress)(void *ctx, uint32_t merges), void *ctx,
                     wt_err *err) {
    learner L = {.options = bpe_counter_options(counter), .floor = {INT64_MAX, ANY_KEY}, .merging = SIZE_MAX};
    bpe_model *model = NULL;
    if (L.options->extend && check_base(L.options->extend, err))
        return NULL;
    start_tokens(&L);
    uint32_t target = L.options->vocab_size - L.n_tokens - (uint32_t)bpe_counter_specials(counter)->n;
    bpe_words *words = bpe_counter_take(counter);
    L.memory = bpe_learning_memory(L.options);
    int bad = start_records(&L, words, err);
    bpe_words_free(words);
    if (!bad) {
        share_memory(&L);
        bad = learn_merges(&L, target, progress, ctx, err);
    }
    learner_drop(&L);
    if (!bad)
        model = make_model(&L, counter, err);
    wt_buf_free(&L.token_bytes);
    free(L.token_at);
    free(L.merge);
    return model;
}

bpe_model *bpe_model_prefix(const bpe_model *model, uint32_t vocab_size, wt_err *err) {
    uint32_t n_plain = 0, n_added = (uint32_t)model->added.n, next = 0;
    for (uint32_t id = 0; id < model->n_ids; id++)
        n_plain += model->kind[id] == BPE_TOKEN_PLAIN;
    uint32_t want = vocab_size - n_added;
    if (n_plain && (model->kind[n_plain - 1] != BPE_TOKEN_PLAIN || model->whole_first)) {
        wt_fail(err, WT_EARG, "smaller vocabularies cannot be cut out of an extended tokenizer");
        return NULL;
    }
    if (vocab_size < 256 + n_added || want > n_plain) {
        wt_fail(err, WT_EARG, "a vocabulary of %u cannot be cut out of one of %u", vocab_size, n_plain + n_added);
        return NULL;
    }
    bpe_build build = {0};
    for (uint32_t id = 0; id < model->n_ids && next < want; id++)
        if (model->kind[id] == BPE_TOKEN_PLAIN)
            bpe_build_token(&build, next++, bpe_token_bytes(model, id), 0);
    for (size_t i = 0; i < model->added.n; i++)
        bpe_build_token(&build, next++, (wt_str){model->added.item[i].text, model->added.item[i].len},
                        model->added.item[i].special ? 1 : 2);
    for (uint32_t k = 0; k < model->n_merges; k++)
        if (model->merge[k].result < want)
            bpe_build_merge(&build, model->merge[k].left, model->merge[k].right, model->merge[k].result, k);
    return bpe_build_finish(&build, bpe_splitter_new(bpe_splitter_regex(model->splitter), NULL), err);
}

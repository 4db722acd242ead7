/* live.h - the pairs that may yet be merged, best first: those that are not worse than a floor. Inside bpe/.
 *
 * For each live pair: its count, and the list of records that hold it, in order. A heap gives the best; its entries may be
 * out of date, for counts fall without it, and are put right when they come to the top.
 *
 * The floor: a pair with a new token gets all its occurrences in the very merge that makes the token and can only lose
 * some later. So a pair that is born worse than the floor can be forgotten, with its list, as long as the best pair is not
 * worse than it; most pairs are. When none is left above the floor, it is lowered and all pairs are counted anew
 * (recount.h). This is exact for any floor, and for one that rises while we go: what it passes is found again by
 * the next recount. The floor is a count and, among pairs of that count, a place in the order of ties.
 *
 * So memory decides the floor and never the merges. Lists get a share of it, and where those of newborn pairs would
 * overflow it, the floor rises over the worst pairs. A pair in so many records that its list alone would be too much has
 * none: its merge visits all records. */
#ifndef WT_BPE_LIVE_H
#define WT_BPE_LIVE_H

#include "bpe/bpe.h"

/* ---- tokens ---- */
typedef struct {
    wt_buf bytes;
    uint64_t *at;                   /* n + 1 positions */
    uint32_t n, cap;
} bpe_tokens;

static inline wt_str bpe_token_text(const bpe_tokens *t, uint32_t id) {
    return (wt_str){t->bytes.ptr + t->at[id], t->at[id + 1] - t->at[id]};
}
void bpe_token_add(bpe_tokens *tokens, wt_str a, wt_str b);     /* a and b joined; they may be texts of tokens */
void bpe_tokens_free(bpe_tokens *tokens);

/* ---- pairs ---- */
enum { BPE_NO_LIST = UINT32_MAX };      /* n_records of a pair whose merge visits all */
enum { BPE_LIVE_COST = 16 };            /* what a pair takes besides its list, in entries of lists */
#define BPE_ANY_KEY UINT64_MAX          /* of a floor: all pairs of its count are above it */

typedef struct {
    uint32_t left, right;
    int64_t count;                      /* 0: dead */
    uint64_t at;                        /* in the lists: records that hold it, or held it once */
    uint32_t n_records, cap_records;
} bpe_live_pair;

typedef struct {
    int64_t count;
    uint64_t key;                       /* left << 32 | right */
} bpe_scored;

typedef struct {
    const bpe_tokens *tokens;           /* borrowed */
    bpe_ties ties;
    uint32_t max_token_bytes;           /* 0: any */

    uint32_t *lists;
    uint64_t n_listed, cap_lists, lists_max;

    bpe_live_pair *pairs;
    size_t n_pairs, cap_pairs, pairs_max, compact_at;
    uint32_t *slot;                     /* open addressing over pairs; 0: empty, else index + 1 */
    size_t slot_mask, n_slots;
    bpe_scored *heap;
    size_t n_heap, cap_heap;
    bpe_scored floor;
    size_t merging;                     /* index of the pair that is being merged; SIZE_MAX: none */
} bpe_live;

void bpe_live_free(bpe_live *live);
void bpe_live_clear(bpe_live *live);    /* no pairs any more; only lists give their memory back */

static inline uint64_t bpe_pair_key(uint32_t left, uint32_t right) { return (uint64_t)left << 32 | right; }
static inline uint64_t bpe_live_key(const bpe_live_pair *p) { return bpe_pair_key(p->left, p->right); }

/* Where a pair's index + 1 is or would be; there must be some slots. */
static inline uint32_t *bpe_live_slot(const bpe_live *live, uint64_t key) {
    size_t i = (key * 0x9E3779B97F4A7C15u >> 20) & live->slot_mask;
    while (live->slot[i] && bpe_live_key(&live->pairs[live->slot[i] - 1]) != key)
        i = (i + 1) & live->slot_mask;
    return &live->slot[i];
}
static inline bpe_live_pair *bpe_live_find(const bpe_live *live, uint32_t left, uint32_t right) {
    uint32_t *s = bpe_live_slot(live, bpe_pair_key(left, right));
    return *s ? &live->pairs[*s - 1] : NULL;
}

/* Not worse than the floor. */
bool bpe_live_wins_tie(const bpe_live *live, uint64_t key);     /* of those that have the floor's count */
static inline bool bpe_live_reaches(const bpe_live *live, int64_t count, uint64_t key) {
    return count == live->floor.count ? bpe_live_wins_tie(live, key) : count > live->floor.count;
}
/* Its token would be longer than is allowed. */
bool bpe_live_too_long(const bpe_live *live, uint32_t left, uint32_t right);
bool bpe_live_has_no_list(const bpe_live *live, uint64_t n_records);

/* A pair in n records at most; its index. Room for its list has been made. */
uint32_t bpe_live_add(bpe_live *live, uint32_t left, uint32_t right, int64_t count, uint32_t n);
void bpe_live_kill(bpe_live_pair *pair);
/* Records come in order, each with all its occurrences together. */
static inline void bpe_live_add_record(bpe_live *live, uint32_t index, uint32_t record) {
    bpe_live_pair *p = &live->pairs[index];
    uint32_t *list = live->lists + p->at;
    if (p->cap_records && p->n_records < p->cap_records && (p->n_records == 0 || list[p->n_records - 1] != record))
        list[p->n_records++] = record;
}
/* The best pair, out of the heap; NULL where none reaches the floor. */
bpe_live_pair *bpe_live_take(bpe_live *live);
/* Pairs that are dead or have fallen below the floor leave arrays and heap. To be done where n_pairs is above compact_at. */
void bpe_live_compact(bpe_live *live);
static inline void bpe_live_compact_later(bpe_live *live) { live->compact_at = live->n_pairs + live->n_pairs / 4 + (1 << 12); }

/* ---- pairs that want to live ---- */
typedef struct {
    bpe_scored item;
    uint64_t n;                         /* records */
} bpe_candidate;

typedef struct {
    bpe_candidate *item;
    size_t n, cap;
} bpe_candidates;

void bpe_candidates_add(bpe_candidates *candidates, int64_t count, uint64_t key, uint64_t n);
/* Keeps the best whose lists have no more than `room` entries together, and raises the floor to the worst of them
 * if any had to go. The best is always kept. */
void bpe_live_choose(bpe_live *live, bpe_candidates *candidates, uint64_t room);
/* Makes room for n more entries of lists; false where they would be more than their share. All lists must be complete. */
bool bpe_live_reserve(bpe_live *live, uint64_t n);
/* Raises the floor over the worst, of those that live and of the newborn, so that no more than half of the lists' share
 * is in use. What falls goes at once, but for the one that is being merged. */
void bpe_live_raise_floor(bpe_live *live, bpe_candidates *newborn);

#endif

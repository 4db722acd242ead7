/* live.c - live pairs: a table by key, lists of records, a heap with four children a node, and the floor. */
#include "bpe/live.h"

#include <stdlib.h>

/* ---- tokens ---- */
void bpe_token_add(bpe_tokens *t, wt_str a, wt_str b) {
    /* a and b may lie in bytes itself, so room first */
    size_t a_at = a.ptr >= t->bytes.ptr ? (size_t)(a.ptr - t->bytes.ptr) : SIZE_MAX;
    size_t b_at = b.ptr >= t->bytes.ptr ? (size_t)(b.ptr - t->bytes.ptr) : SIZE_MAX;
    bool own = t->bytes.ptr && a_at < t->bytes.len;
    wt_buf_reserve(&t->bytes, a.len + b.len);
    if (own)
        a.ptr = t->bytes.ptr + a_at, b.ptr = t->bytes.ptr + (b.len ? b_at : 0);
    size_t cap = t->cap;
    WT_GROW(t->at, cap, t->n + 2);
    t->cap = (uint32_t)cap;
    t->at[t->n++] = t->bytes.len;
    wt_buf_add(&t->bytes, a.ptr, a.len);
    if (b.len)
        wt_buf_add(&t->bytes, b.ptr, b.len);
    t->at[t->n] = t->bytes.len;
}

void bpe_tokens_free(bpe_tokens *t) {
    wt_buf_free(&t->bytes);
    free(t->at);
    *t = (bpe_tokens){0};
}

/* ---- pairs by key ---- */
/* Dead pairs leave the table when it is rebuilt. */
static void slots_rebuild(bpe_live *L) {
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
            *bpe_live_slot(L, bpe_live_key(&L->pairs[i])) = (uint32_t)i + 1;
}

bool bpe_live_has_no_list(const bpe_live *L, uint64_t n) { return n > L->lists_max / 4; }

void bpe_live_kill(bpe_live_pair *p) {
    p->count = 0, p->n_records = p->cap_records = 0;
}

/* ---- the heap: best pair on top ---- */
static bool ties_before(const bpe_live *L, uint64_t a, uint64_t b) {
    if (L->ties != BPE_TIES_BYTES)
        return a < b;
    int order = wt_str_cmp(bpe_token_text(L->tokens, (uint32_t)(a >> 32)), bpe_token_text(L->tokens, (uint32_t)(b >> 32)));
    if (order == 0)
        order = wt_str_cmp(bpe_token_text(L->tokens, (uint32_t)a), bpe_token_text(L->tokens, (uint32_t)b));
    return order > 0;
}

static inline bool better(const bpe_live *L, const bpe_scored *a, const bpe_scored *b) {
    return a->count != b->count ? a->count > b->count : ties_before(L, a->key, b->key);
}

bool bpe_live_wins_tie(const bpe_live *L, uint64_t key) {
    return L->floor.key == BPE_ANY_KEY || key == L->floor.key || ties_before(L, key, L->floor.key);
}

static void heap_push(bpe_live *L, bpe_scored item) {
    WT_GROW(L->heap, L->cap_heap, L->n_heap + 1);
    size_t i = L->n_heap++;
    for (; i && better(L, &item, &L->heap[(i - 1) / 4]); i = (i - 1) / 4)
        L->heap[i] = L->heap[(i - 1) / 4];
    L->heap[i] = item;
}

static void heap_sink(bpe_live *L, size_t i, bpe_scored item) {
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

uint32_t bpe_live_add(bpe_live *L, uint32_t left, uint32_t right, int64_t count, uint32_t n) {
    if (!L->slot || 2 * (L->n_slots + 1) > L->slot_mask)
        slots_rebuild(L);
    WT_GROW(L->pairs, L->cap_pairs, L->n_pairs + 1);
    bool none = bpe_live_has_no_list(L, n);
    L->pairs[L->n_pairs] = (bpe_live_pair){left, right, count, L->n_listed, none ? BPE_NO_LIST : 0, none ? 0 : n};
    L->n_listed += none ? 0 : n;
    *bpe_live_slot(L, bpe_pair_key(left, right)) = (uint32_t)L->n_pairs + 1;
    L->n_slots++;
    heap_push(L, (bpe_scored){count, bpe_pair_key(left, right)});
    return (uint32_t)L->n_pairs++;
}

bpe_live_pair *bpe_live_take(bpe_live *L) {
    while (L->n_heap) {
        bpe_scored top = L->heap[0];
        bpe_live_pair *p = bpe_live_find(L, (uint32_t)(top.key >> 32), (uint32_t)top.key);
        int64_t now = p ? p->count : 0;
        if (now == top.count) {
            bpe_scored last = L->heap[--L->n_heap];
            if (L->n_heap)
                heap_sink(L, 0, last);
            return p;
        }
        if (now > 0 && bpe_live_reaches(L, now, top.key)) {
            heap_sink(L, 0, (bpe_scored){now, top.key});
            continue;
        }
        if (p)
            bpe_live_kill(p);       /* a later recount finds it again, should it be needed */
        bpe_scored last = L->heap[--L->n_heap];
        if (L->n_heap)
            heap_sink(L, 0, last);
    }
    return NULL;
}

void bpe_live_compact(bpe_live *L) {
    size_t n = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        const bpe_live_pair *p = &L->pairs[i];
        if (p->count > 0 && bpe_live_reaches(L, p->count, bpe_live_key(p)))
            L->pairs[n++] = *p;
    }
    L->n_pairs = n;
    bpe_live_compact_later(L);
    slots_rebuild(L);
    L->n_heap = 0;                  /* nor are they in the heap any more */
    for (size_t i = 0; i < n; i++)
        heap_push(L, (bpe_scored){L->pairs[i].count, bpe_live_key(&L->pairs[i])});
}

/* ---- the floor and the lists ---- */
void bpe_candidates_add(bpe_candidates *c, int64_t count, uint64_t key, uint64_t n) {
    WT_GROW(c->item, c->cap, c->n + 1);
    c->item[c->n++] = (bpe_candidate){{count, key}, n};
}

static int by_better(const void *a, const void *b, void *live) {
    const bpe_candidate *x = a, *y = b;
    return better(live, &x->item, &y->item) ? -1 : better(live, &y->item, &x->item);
}

void bpe_live_choose(bpe_live *L, bpe_candidates *c, uint64_t room) {
    uint64_t sum = 0;
    size_t kept = 0;
    if (c->n)                       /* else there is no array */
        qsort_r(c->item, c->n, sizeof *c->item, by_better, L);
    for (; kept < c->n; kept++) {
        sum += BPE_LIVE_COST + (bpe_live_has_no_list(L, c->item[kept].n) ? 0 : c->item[kept].n);
        if (sum > room && kept)
            break;
    }
    if (kept < c->n)
        L->floor = c->item[kept - 1].item;
    c->n = kept;
}

/* Lists of dead pairs are squeezed out. All lists must be complete. */
static void lists_squeeze(bpe_live *L) {
    uint64_t out = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        bpe_live_pair *p = &L->pairs[i];
        if (i != L->merging && !bpe_live_reaches(L, p->count, bpe_live_key(p)))
            bpe_live_kill(p);       /* it would be forgotten when its turn comes */
        uint64_t n = p->n_records == BPE_NO_LIST ? 0 : p->n_records;
        if (n)                      /* there may be no lists at all yet */
            memmove(L->lists + out, L->lists + p->at, n * sizeof *L->lists);
        p->at = out, p->cap_records = (uint32_t)n;
        out += n;
    }
    L->n_listed = out;
}

bool bpe_live_reserve(bpe_live *L, uint64_t n) {
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

bool bpe_live_too_long(const bpe_live *L, uint32_t left, uint32_t right) {
    uint32_t max = L->max_token_bytes;
    return max && bpe_token_text(L->tokens, left).len + bpe_token_text(L->tokens, right).len > max;
}

void bpe_live_raise_floor(bpe_live *L, bpe_candidates *newborn) {
    uint64_t merging = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        const bpe_live_pair *p = &L->pairs[i];
        uint64_t n = p->n_records == BPE_NO_LIST ? 0 : p->n_records;
        if (i == L->merging)
            merging = n;
        else if (p->count > 0)
            bpe_candidates_add(newborn, p->count, bpe_live_key(p), n);
    }
    bpe_live_choose(L, newborn, (L->lists_max - merging) / 2);
    lists_squeeze(L);
    L->compact_at = 0;
}

void bpe_live_clear(bpe_live *L) {
    L->n_pairs = L->n_heap = L->n_slots = 0;
    free(L->lists);
    L->lists = NULL, L->n_listed = L->cap_lists = 0;
    slots_rebuild(L);
}

void bpe_live_free(bpe_live *L) {
    free(L->lists);
    free(L->pairs);
    free(L->slot);
    free(L->heap);
    *L = (bpe_live){0};
}

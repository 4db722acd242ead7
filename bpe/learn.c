/* learn.c - learns BPE merges from word counts (Sennrich et al. 2016, algorithm 1), exactly as a full
 * recount before every merge would (learn_plain in the tests is that), in a small part of its time.
 *
 * For each pair that matters we keep its count and the list of words that hold it. A merge visits
 * those words only. It changes the counts of pairs at its two sides; these are summed in dense
 * arrays by neighbour and then applied once per distinct neighbour, so hashing costs per neighbour
 * and not per occurrence. A heap gives the next pair; entries whose count has changed since are
 * pushed back with the true one.
 *
 * The floor: a pair with the new token gets all its occurrences in the very step that makes the
 * token and can only lose some later. So a pair that is born below the floor F can be forgotten,
 * with its list, as long as the best pair has at least F; most pairs are. When the best falls
 * below F, F is lowered and all words are counted once more. This is exact for any F.
 *
 * Words are records in one array of 32-bit cells: count (2 cells), length, ids. Cells never move; words
 * shrink in place. The lists of words lie one behind the other in the order of their pairs; when there is no room
 * behind the last, those of dead pairs are squeezed out.
 *
 * Words, records and lists grow with the corpus, and are arrays that may lie on disk (paged.h): where what learning
 * needs is more than the memory that was granted, they do. Pairs above the floor, which every merge looks up here
 * and there, grow with the vocabulary only and stay in memory. */
#include <stdlib.h>

#include "bpe/count.h"
#include "common/hash.h"
#include "common/memory.h"

typedef struct {
    uint32_t left, right;
    int64_t count;                  /* 0: dead */
    uint64_t at;                    /* in the lists: records that hold it, or held it once */
    uint32_t n_words, cap_words;
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
    uint32_t neighbour, word;
} occurrence;

typedef struct {
    const bpe_train_options *options;
    bpe_paged paged;
    uint64_t memory;
    uint32_t *cells;                /* word records */
    size_t n_cells;
    int unit_bits;                  /* records start at multiples of so many cells, so that 32 bits reach them */
    uint32_t *record;               /* where each word's record starts */
    size_t n_words;

    uint32_t *lists;
    uint64_t n_listed, cap_lists;

    pair *pairs;
    size_t n_pairs, cap_pairs;
    uint32_t *slot;                 /* open addressing over pairs; 0: empty, else index + 1 */
    size_t slot_mask, n_slots;
    heap_item *heap;
    size_t n_heap, cap_heap;
    int64_t floor;

    wt_buf token_bytes;
    uint64_t *token_at;             /* n_tokens + 1 positions */
    uint32_t n_tokens, cap_tokens;
    bpe_merge *merge;
    uint32_t n_merges, cap_merges;

    delta *deltas;
    uint32_t *touched;
    size_t n_touched, cap_deltas;
    occurrence *left_seen, *right_seen;
    size_t n_left_seen, n_right_seen, cap_left_seen, cap_right_seen;
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

/* Room for its list has been made. */
static uint32_t pair_new(learner *L, uint32_t left, uint32_t right, int64_t count, uint32_t cap) {
    if (!L->slot || 2 * (L->n_slots + 1) > L->slot_mask)
        slots_rebuild(L);
    WT_GROW(L->pairs, L->cap_pairs, L->n_pairs + 1);
    L->pairs[L->n_pairs] = (pair){left, right, count, L->n_listed, 0, cap};
    L->n_listed += cap;
    *pair_slot(L, pair_key(left, right)) = (uint32_t)L->n_pairs + 1;
    L->n_slots++;
    return (uint32_t)L->n_pairs++;
}

static void pair_kill(pair *p) {
    p->count = 0, p->n_words = p->cap_words = 0;
}

/* A word is seen with all its occurrences together, so that looking at the last is enough. */
static void pair_add_word(learner *L, uint32_t index, uint32_t word) {
    pair *p = &L->pairs[index];
    uint32_t *list = L->lists + p->at;
    if ((p->n_words == 0 || list[p->n_words - 1] != word) && p->n_words < p->cap_words)
        list[p->n_words++] = word;
}

/* Makes room for n more entries of lists. All lists must be complete. */
static void lists_reserve(learner *L, uint64_t n) {
    if (L->n_listed + n <= L->cap_lists)
        return;
    uint64_t out = 0;
    for (size_t i = 0; i < L->n_pairs; i++) {
        pair *p = &L->pairs[i];
        if (p->count < L->floor)
            pair_kill(p);           /* it would be forgotten when its turn comes */
        memmove(L->lists + out, L->lists + p->at, p->n_words * sizeof *L->lists);
        p->at = out, p->cap_words = p->n_words;
        out += p->n_words;
    }
    L->n_listed = out;
    if (out + out / 4 + n > L->cap_lists) {
        L->cap_lists = out + out / 4 + n + (1 << 16);
        L->lists = bpe_paged_resize(&L->paged, L->lists, L->cap_lists * sizeof *L->lists);
    }
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
        if (now >= L->floor) {
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

/* ---- records ---- */
typedef struct {
    uint64_t count;
    uint32_t n, *id;
} record_view;

static inline record_view record_at(const learner *L, uint32_t word) {
    uint32_t *c = L->cells + ((size_t)word << L->unit_bits);
    return (record_view){(uint64_t)c[1] << 32 | c[0], c[2], c + 3};
}

/* ---- counting all pairs ---- */
typedef struct {
    uint64_t key;                   /* ~0: empty */
    int64_t count;
    uint32_t n, pair;
} tally;

typedef struct {
    tally *slot;
    size_t mask, n;
} tally_table;

static tally *tally_find(const tally_table *t, uint64_t key) {
    size_t i = (key * 0x9E3779B97F4A7C15u >> 20) & t->mask;
    while (t->slot[i].key != key && t->slot[i].key != UINT64_MAX)
        i = (i + 1) & t->mask;
    return &t->slot[i];
}

static void tally_init(tally_table *t, size_t size) {
    *t = (tally_table){wt_xmalloc(size * sizeof(tally)), size - 1, 0};
    memset(t->slot, 0xFF, size * sizeof(tally));
}

static void tally_add(tally_table *t, uint64_t key, int64_t count) {
    tally *s = tally_find(t, key);
    if (s->key == UINT64_MAX) {
        if (2 * t->n > t->mask) {
            tally_table old = *t;
            tally_init(t, 2 * (old.mask + 1));
            for (size_t i = 0; i <= old.mask; i++)
                if (old.slot[i].key != UINT64_MAX)
                    *tally_find(t, old.slot[i].key) = old.slot[i];
            t->n = old.n;
            free(old.slot);
            s = tally_find(t, key);
        }
        *s = (tally){key, 0, 0, 0};
        t->n++;
    }
    s->count += count;
    s->n++;
}

static bool too_long(const learner *L, uint32_t left, uint32_t right) {
    uint32_t max = L->options->max_token_bytes;
    return max && token_text(L, left).len + token_text(L, right).len > max;
}

/* A floor that the merges still to come will probably stay above. Frequencies of merges fall about
 * as 1 / rank; half of what that says leaves room. */
static int64_t next_floor(const learner *L, int64_t best, uint32_t target) {
    int64_t lowest = L->options->min_frequency ? (int64_t)L->options->min_frequency : 1;
    int64_t guess = L->floor == INT64_MAX ? best / (2 * ((int64_t)target + 1))
                  : (int64_t)((double)L->floor / 2 * L->n_merges / (target + 1.0));
    if (L->floor != INT64_MAX && guess > L->floor / 2)
        guess = L->floor / 2;
    return guess < lowest ? lowest : guess;
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

static sketch sketch_of_pairs(learner *L) {
    sketch s = {NULL, 12};
    while (s.bits < 21 && (size_t)1 << s.bits < L->n_cells && sizeof *s.sum << s.bits < L->memory / 16)
        s.bits++;
    s.sum = wt_xcalloc((size_t)1 << s.bits, sizeof *s.sum);
    for (size_t w = 0; w < L->n_words; w++) {
        record_view r = record_at(L, L->record[w]);
        for (uint32_t i = 0; i + 1 < r.n; i++)
            *sketch_at(&s, pair_key(r.id[i], r.id[i + 1])) += (int64_t)r.count;
    }
    return s;
}

/* Pairs that may reach `floor`, with their counts. */
static tally_table tally_pairs(learner *L, int64_t floor) {
    tally_table t;
    sketch s = sketch_of_pairs(L);
    tally_init(&t, 1 << 12);
    for (size_t w = 0; w < L->n_words; w++) {
        record_view r = record_at(L, L->record[w]);
        for (uint32_t i = 0; i + 1 < r.n; i++) {
            uint64_t key = pair_key(r.id[i], r.id[i + 1]);
            if (*sketch_at(&s, key) >= floor)
                tally_add(&t, key, (int64_t)r.count);
        }
    }
    free(s.sum);
    return t;
}

/* Counts all pairs of all words anew, lowers the floor, and keeps those that reach it. The first floor
 * depends on the best pair; then all pairs are of bytes, and few. */
static void recount(learner *L, uint32_t target) {
    bool first = L->floor == INT64_MAX;
    if (!first)
        L->floor = next_floor(L, 0, target);
    L->n_pairs = L->n_heap = L->n_slots = 0;
    L->n_listed = 0;
    tally_table t = tally_pairs(L, first ? 0 : L->floor);
    int64_t best = 0;
    for (size_t i = 0; i <= t.mask; i++)
        if (t.slot[i].key != UINT64_MAX && t.slot[i].count > best)
            best = t.slot[i].count;
    if (first)
        L->floor = next_floor(L, best, target);
    slots_rebuild(L);
    uint64_t n_listed = 0;
    for (size_t i = 0; i <= t.mask; i++)
        n_listed += t.slot[i].key != UINT64_MAX && t.slot[i].count >= L->floor ? t.slot[i].n : 0;
    lists_reserve(L, n_listed);
    for (size_t i = 0; i <= t.mask; i++) {
        tally *s = &t.slot[i];
        uint32_t left = (uint32_t)(s->key >> 32), right = (uint32_t)s->key;
        bool keep = s->key != UINT64_MAX && s->count >= L->floor && !too_long(L, left, right);
        s->pair = keep ? pair_new(L, left, right, s->count, s->n) : BPE_NONE;
        if (keep)
            heap_push(L, (heap_item){s->count, s->key});
    }
    for (size_t w = 0; w < L->n_words; w++) {
        record_view r = record_at(L, L->record[w]);
        for (uint32_t i = 0; i + 1 < r.n; i++) {
            const tally *s = tally_find(&t, pair_key(r.id[i], r.id[i + 1]));
            if (s->key != UINT64_MAX && s->pair != BPE_NONE)
                pair_add_word(L, s->pair, L->record[w]);
        }
    }
    free(t.slot);
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

static void saw_left(learner *L, uint32_t x, uint32_t word, int64_t count, uint32_t left,
                     uint32_t fresh) {
    /* (x, left) is gone. Where x is the new token itself that pair was counted on its right. */
    if (x == fresh)
        delta_of(L, left)->right_new -= count;
    else
        delta_of(L, x)->left_old -= count;
    delta *d = delta_of(L, x);
    d->left_new += count;
    d->n_left++;
    BPE_PAGED_GROW(&L->paged, L->left_seen, L->cap_left_seen, L->n_left_seen + 1);
    L->left_seen[L->n_left_seen++] = (occurrence){x, word};
}

static void saw_right(learner *L, uint32_t y, uint32_t word, int64_t count) {
    delta *d = delta_of(L, y);
    d->right_old -= count;
    d->right_new += count;
    d->n_right++;
    BPE_PAGED_GROW(&L->paged, L->right_seen, L->cap_right_seen, L->n_right_seen + 1);
    L->right_seen[L->n_right_seen++] = (occurrence){y, word};
}

/* Joins left and right wherever they meet in a word, from the left on. */
static void merge_in_word(learner *L, uint32_t word, uint32_t left, uint32_t right, uint32_t fresh) {
    record_view r = record_at(L, word);
    uint32_t out = 0;
    for (uint32_t i = 0; i < r.n;) {
        if (r.id[i] != left || i + 1 == r.n || r.id[i + 1] != right) {
            r.id[out++] = r.id[i++];
            continue;
        }
        if (out > 0)
            saw_left(L, r.id[out - 1], word, (int64_t)r.count, left, fresh);
        if (i + 2 < r.n)
            saw_right(L, r.id[i + 2], word, (int64_t)r.count);
        r.id[out++] = fresh;
        i += 2;
    }
    L->cells[((size_t)word << L->unit_bits) + 2] = out;
}

static void lower_count(learner *L, uint32_t left, uint32_t right, int64_t change) {
    pair *p = change ? pair_find(L, left, right) : NULL;
    if (p && p->count > 0)
        p->count = p->count + change > 0 ? p->count + change : 0;
}

static uint32_t born(learner *L, uint32_t left, uint32_t right, int64_t count, uint32_t n) {
    if (count < L->floor || count <= 0 || too_long(L, left, right))
        return BPE_NONE;
    heap_push(L, (heap_item){count, pair_key(left, right)});
    return pair_new(L, left, right, count, n);
}

static void apply_deltas(learner *L, uint32_t left, uint32_t right, uint32_t fresh) {
    lists_reserve(L, L->n_left_seen + L->n_right_seen);
    for (size_t k = 0; k < L->n_touched; k++) {
        uint32_t x = L->touched[k];
        delta *d = &L->deltas[x];
        lower_count(L, x, left, d->left_old);
        lower_count(L, right, x, d->right_old);
        d->left_pair = born(L, x, fresh, d->left_new, d->n_left);
        d->right_pair = born(L, fresh, x, d->right_new, d->n_right);
    }
    for (size_t k = 0; k < L->n_left_seen; k++) {
        uint32_t p = L->deltas[L->left_seen[k].neighbour].left_pair;
        if (p != BPE_NONE)
            pair_add_word(L, p, L->left_seen[k].word);
    }
    for (size_t k = 0; k < L->n_right_seen; k++) {
        uint32_t p = L->deltas[L->right_seen[k].neighbour].right_pair;
        if (p != BPE_NONE)
            pair_add_word(L, p, L->right_seen[k].word);
    }
    for (size_t k = 0; k < L->n_touched; k++)
        L->deltas[L->touched[k]] = (delta){0};
    L->n_touched = L->n_left_seen = L->n_right_seen = 0;
}

static void merge_pair(learner *L, pair *p) {
    uint32_t left = p->left, right = p->right, fresh = L->n_tokens, n = p->n_words;
    const uint32_t *word = L->lists + p->at;
    token_add(L, token_text(L, left), token_text(L, right));
    if (L->n_tokens >= L->cap_deltas) {
        size_t cap = 2 * (size_t)L->n_tokens;
        L->deltas = wt_xrealloc(L->deltas, cap * sizeof *L->deltas);
        memset(L->deltas + L->cap_deltas, 0, (cap - L->cap_deltas) * sizeof *L->deltas);
        L->touched = wt_xrealloc(L->touched, cap * sizeof *L->touched);
        L->cap_deltas = cap;
    }
    pair_kill(p);
    enum { AHEAD = 8 };
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(L->cells + ((size_t)word[i + AHEAD] << L->unit_bits), 1);
        merge_in_word(L, word[i], left, right, fresh);
    }
    apply_deltas(L, left, right, fresh);
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

uint64_t bpe_learning_memory(uint64_t words, uint64_t bytes) {
    /* text, position and count; a record and where it is; lists of nearly all pairs; pairs, tallies, tokens */
    return words * 16 + bytes + words * 16 + bytes * 4 + bytes * 3 + (16 << 20);
}

/* Counts the cells of all records, and the longest word. */
static int size_records(learner *L, bpe_words *words, size_t *cells, size_t *longest, wt_err *err) {
    unsigned __int128 total = 0;
    *cells = 0, *longest = 1;
    for (size_t w = 0; w < words->n; w++) {
        size_t n = bpe_words_text(words, w).len, unit = (size_t)1 << L->unit_bits;
        *cells += n > 1 ? (n + 3 + unit - 1) / unit * unit : 0;
        *longest = n > *longest ? n : *longest;
        total += (unsigned __int128)words->count[w] * n;
    }
    return total > INT64_MAX ? wt_fail(err, WT_ELIMIT, "the words' counts add up to more than 2^63 bytes") : 0;
}

static void fill_record(learner *L, wt_str text, uint64_t count, uint32_t *ids) {
    const bpe_model *base = L->options->extend;
    uint32_t *c = L->cells + L->n_cells;
    c[0] = (uint32_t)count, c[1] = (uint32_t)(count >> 32);
    if (base) {
        c[2] = (uint32_t)bpe_merge_piece(base, (const uint8_t *)text.ptr, text.len, ids);
        memcpy(c + 3, ids, c[2] * sizeof *ids);
    } else {
        c[2] = (uint32_t)text.len;
        for (size_t i = 0; i < text.len; i++)
            c[3 + i] = first_id(L, (uint8_t)text.ptr[i]);
    }
    size_t unit = (size_t)1 << L->unit_bits;
    L->record[L->n_words++] = (uint32_t)(L->n_cells >> L->unit_bits);
    L->n_cells += (3 + c[2] + unit - 1) / unit * unit;
}

/* Words of one token have no pairs and are left out. */
static int start_records(learner *L, bpe_words *words, wt_err *err) {
    size_t cells, longest;
    L->unit_bits = L->paged.on_disk || words->n_bytes > UINT32_MAX / 4 ? 2 : 0;
    if (size_records(L, words, &cells, &longest, err))
        return -1;
    if (cells >> L->unit_bits > UINT32_MAX)
        return wt_fail(err, WT_ELIMIT, "the distinct words are longer than 64 GiB together");
    L->cells = bpe_paged_resize(&L->paged, NULL, (cells + 1) * sizeof *L->cells);
    L->record = bpe_paged_resize(&L->paged, NULL, (words->n + 1) * sizeof *L->record);
    uint32_t *ids = L->options->extend ? wt_xmalloc(BPE_ROOM(longest) * sizeof *ids) : NULL;
    for (size_t w = 0; w < words->n; w++) {
        wt_str text = bpe_words_text(words, w);
        if (text.len > 1)
            fill_record(L, text, words->count[w], ids);
    }
    free(ids);
    bpe_words_free(words);
    return 0;
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

static void learner_free(learner *L) {
    bpe_paged_resize(&L->paged, L->cells, 0);
    bpe_paged_resize(&L->paged, L->record, 0);
    bpe_paged_resize(&L->paged, L->lists, 0);
    free(L->pairs);
    free(L->slot);
    free(L->heap);
    bpe_paged_resize(&L->paged, L->left_seen, 0);
    bpe_paged_resize(&L->paged, L->right_seen, 0);
    wt_buf_free(&L->token_bytes);
    free(L->token_at);
    free(L->merge);
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

bpe_model *bpe_learn(bpe_counter *counter, int (*progress)(void *ctx, uint32_t merges), void *ctx,
                     wt_err *err) {
    learner L = {.options = bpe_counter_options(counter), .floor = INT64_MAX};
    bpe_model *model = NULL;
    if (L.options->extend && check_base(L.options->extend, err))
        return NULL;
    start_tokens(&L);
    uint32_t target = L.options->vocab_size - L.n_tokens - (uint32_t)bpe_counter_specials(counter)->n;
    int64_t lowest = L.options->min_frequency ? (int64_t)L.options->min_frequency : 1;
    bpe_words *words = bpe_counter_take(counter);
    L.memory = bpe_counter_memory(counter);
    bpe_paged_init(&L.paged, bpe_counter_learning_memory(counter) > L.memory, L.options->temp_dir);
    int stop = start_records(&L, words, err);
    while (!stop && L.n_merges < target) {
        if (L.paged.failed) {
            if (err)
                *err = L.paged.err;
            stop = -1;
            break;
        }
        pair *p = L.floor == INT64_MAX ? NULL : heap_take(&L);
        if (p) {
            merge_pair(&L, p);
            if (progress && progress(ctx, L.n_merges))
                stop = wt_fail(err, WT_ESTOP, "stopped after %u merges", L.n_merges);
        } else if (L.floor > lowest) {
            recount(&L, target);
        } else {
            break;
        }
    }
    if (!stop)
        model = make_model(&L, counter, err);
    learner_free(&L);
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

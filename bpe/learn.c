/* learn.c - learns BPE merges from word counts (Sennrich et al. 2016, algorithm 1), exactly as a full
 * recount before every merge would (the naive twin in the tests is that), in a small part of its time.
 *
 * For each pair that matters we keep its count and the list of records that hold it (live.h tells which do). A merge
 * visits those records only. It changes the counts of pairs at its two sides; these are summed in dense
 * arrays by neighbour and then applied once per distinct neighbour, so hashing costs per neighbour
 * and not per occurrence.
 *
 * Words are records (records.h), which go to disk where they would not fit the memory. */
#include <stdlib.h>

#include "bpe/count.h"
#include "bpe/live.h"
#include "bpe/recount.h"
#include "bpe/records.h"

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
    size_t passing;                 /* memory for a recount's tables */
    bool tight;                     /* the records take most of the memory, or did */
    uint32_t ids_room;              /* memory is set aside for so many ids */
    bpe_records records;
    uint64_t gone;                  /* ids fewer in the records than there is room for */
    bpe_tokens tokens;
    bpe_live live;
    bpe_merge *merge;
    uint32_t n_merges, cap_merges;

    delta *deltas;
    uint32_t *touched;
    size_t n_touched, cap_deltas;
    occurrences left_seen, right_seen;
    size_t seen_max;
    bool seen_lost;                 /* there were more; lists are filled by a second visit */
} learner;

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
    if (!changed)
        return;
    L->gone += n - out;
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
        L->gone += n - out;                                                                          \
        r->n = (uint8_t)out;                                                                         \
        bpe_record_changed(&L->records, record);                                                     \
    }
MERGE_IN_RECORD(merge_in_narrow, uint16_t)
MERGE_IN_RECORD(merge_in_wide, uint32_t)

/* ---- what a merge does to other pairs ---- */
static void lower_count(learner *L, uint32_t left, uint32_t right, int64_t change) {
    bpe_live_pair *p = change ? bpe_live_find(&L->live, left, right) : NULL;
    if (p && p->count > 0)
        p->count = p->count + change > 0 ? p->count + change : 0;
}

static bool is_born(const learner *L, uint32_t left, uint32_t right, int64_t count) {
    return count > 0 && bpe_live_reaches(&L->live, count, bpe_pair_key(left, right)) && !bpe_live_too_long(&L->live, left, right);
}

static uint32_t born(learner *L, uint32_t left, uint32_t right, int64_t count, uint32_t n) {
    if (!is_born(L, left, right, count))
        return BPE_NONE;
    return bpe_live_add(&L->live, left, right, count, n);
}

/* Entries that the lists of newborn pairs need; as candidates, too, where that is asked for. */
static uint64_t newborn_entries(learner *L, uint32_t fresh, bpe_candidates *c) {
    uint64_t sum = 0;
    for (size_t k = 0; k < L->n_touched; k++) {
        uint32_t x = L->touched[k];
        const delta *d = &L->deltas[x];
        for (int side = 0; side < 2; side++) {
            uint32_t left = side ? fresh : x, right = side ? x : fresh, n = side ? d->n_right : d->n_left;
            int64_t count = side ? d->right_new : d->left_new;
            if (!is_born(L, left, right, count))
                continue;
            sum += bpe_live_has_no_list(&L->live, n) ? 0 : n;
            if (c)
                bpe_candidates_add(c, count, bpe_pair_key(left, right), n);
        }
    }
    return sum;
}

/* Room for the lists of newborn pairs, where need be by raising the floor over the worst pairs, old and new. */
static void make_room_for_newborn(learner *L, uint32_t fresh) {
    bool many = L->live.n_pairs + 2 * L->n_touched > L->live.pairs_max;
    if (!many && bpe_live_reserve(&L->live, newborn_entries(L, fresh, NULL)))
        return;
    bpe_candidates c = {0};
    newborn_entries(L, fresh, &c);
    bpe_live_raise_floor(&L->live, &c);
    free(c.item);
    bpe_live_reserve(&L->live, newborn_entries(L, fresh, NULL));
}

/* The lists of newborn pairs, by another visit: where `fresh` stands, and what is beside it. */
static void fill_newborn(learner *L, uint32_t record, uint32_t fresh) {
    uint32_t id[BPE_LINK_IDS + 1], in = record;
    int64_t count;
    uint32_t n = bpe_record_pairs(&L->records, record, id, &count), own = bpe_record_at(&L->records, record)->n;
    for (uint32_t i = 0; i < own; i++) {
        if (id[i] != fresh)
            continue;
        uint32_t x = i ? id[i - 1] : id_before(L, record, &in), p;
        if (x != BPE_NONE && (p = L->deltas[x].left_pair) != BPE_NONE)
            bpe_live_add_record(&L->live, p, i ? record : in);
        if (i + 1 < n && id[i + 1] != fresh && (p = L->deltas[id[i + 1]].right_pair) != BPE_NONE)
            bpe_live_add_record(&L->live, p, record);
    }
}

/* Calls visit for all records of the pair that is being merged. */
typedef void visitor(learner *L, uint32_t record, uint32_t left, uint32_t right, uint32_t fresh);
static void visit_records(learner *L, visitor *visit, uint32_t fresh) {
    enum { AHEAD = 8 };
    const bpe_live_pair p = L->live.pairs[L->live.merging];
    uint64_t at = 0;
    uint32_t record;
    if (p.n_records == BPE_NO_LIST)
        while (bpe_records_next(&L->records, &at, &record))
            visit(L, record, p.left, p.right, fresh);
    for (uint32_t i = 0; p.n_records != BPE_NO_LIST && i < p.n_records; i++) {
        const uint32_t *list = L->live.lists + p.at;
        if (i + AHEAD < p.n_records && L->records.file < 0)
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
            bpe_live_add_record(&L->live, p, L->left_seen.item[k].record);
    }
    for (size_t k = 0; k < L->right_seen.n; k++) {
        uint32_t p = L->deltas[L->right_seen.item[k].neighbour].right_pair;
        if (p != BPE_NONE)
            bpe_live_add_record(&L->live, p, L->right_seen.item[k].record);
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

static void merge_pair(learner *L, bpe_live_pair *p) {
    uint32_t left = p->left, right = p->right, fresh = L->tokens.n;
    L->live.merging = (size_t)(p - L->live.pairs);
    bpe_token_add(&L->tokens, bpe_token_text(&L->tokens, left), bpe_token_text(&L->tokens, right));
    if (L->tokens.n >= L->cap_deltas) {
        size_t cap = L->tokens.n + L->tokens.n / 4;
        L->deltas = wt_xrealloc(L->deltas, cap * sizeof *L->deltas);
        memset(L->deltas + L->cap_deltas, 0, (cap - L->cap_deltas) * sizeof *L->deltas);
        L->touched = wt_xrealloc(L->touched, cap * sizeof *L->touched);
        L->cap_deltas = cap;
    }
    visit_records(L, L->records.wide ? merge_in_wide : merge_in_narrow, fresh);
    apply_deltas(L, left, right, fresh);
    bpe_live_kill(&L->live.pairs[L->live.merging]);
    L->live.merging = SIZE_MAX;
    if (L->live.n_pairs > L->live.compact_at)
        bpe_live_compact(&L->live);
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
        bpe_token_add(&L->tokens, (wt_str){(char *)&byte_of[i], 1}, (wt_str){NULL, 0});
    for (uint32_t id = 0; base && id < bpe_vocab_size(base); id++)
        bpe_token_add(&L->tokens, bpe_token_bytes(base, id), (wt_str){NULL, 0});
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
    size_t memory = bpe_learning_memory(L->options, L->options->vocab_size) / 4 * 3;
    if (bpe_records_init(&L->records, wide, room, memory, L->options->temp_dir, err))
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

/* Shares of the memory. Records that are all in it have up to three quarters, blocks of those on disk five
 * eighths. Where it is tight, memory is set aside for as many ids again as there are and not for all that are to come. Of the rest a good third
 * is for lists and as much for pairs, and with both gone two thirds for a recount. */
static int share_memory(learner *L, wt_err *err) {
    bool on_disk = L->records.file >= 0;
    uint32_t all = L->options->vocab_size, room = 2 * L->tokens.n + 4096;
    L->tight |= on_disk || bpe_records_bytes(&L->records) > bpe_learning_memory(L->options, all) / 2;
    L->ids_room = L->tight && room < all ? room : all;
    size_t memory = bpe_learning_memory(L->options, L->ids_room), records = bpe_records_bytes(&L->records);
    if (on_disk && records > memory / 8 * 5)
        records = memory / 8 * 5;
    if (on_disk && bpe_records_frames(&L->records, records, err))
        return -1;
    size_t rest = memory - records;
    L->live.lists_max = rest / 8 * 3 / sizeof *L->live.lists;
    L->live.pairs_max = L->ids_room + L->live.lists_max / BPE_LIVE_COST;     /* twice what a rising floor leaves */
    L->seen_max = rest / 16 / sizeof(occurrence);
    L->passing = rest / 3 * 2;
    return 0;
}

static void build_added(bpe_build *build, uint32_t id, const bpe_added *a) {
    bpe_build_token(build, id, (wt_str){a->text, a->len}, a->special ? BPE_ADDED_SPECIAL : BPE_ADDED_TEXT);
}

static bpe_model *make_model(const learner *L, const bpe_counter *counter, wt_err *err) {
    const bpe_model *base = L->options->extend;
    const bpe_added_set *specials = bpe_counter_specials(counter);
    bpe_build build = {0};
    uint32_t n_base = base ? bpe_vocab_size(base) : 0;
    for (uint32_t id = 0; id < L->tokens.n; id++) {
        if (id >= n_base || base->kind[id] == BPE_TOKEN_PLAIN)
            bpe_build_token(&build, id, bpe_token_text(&L->tokens, id), BPE_ADDED_NOT);
        build.gaps_allowed |= id < n_base && base->kind[id] != BPE_TOKEN_PLAIN;
    }
    for (size_t i = 0; base && i < base->added.n; i++)
        build_added(&build, base->added.item[i].id, &base->added.item[i]);
    for (size_t i = 0; i < specials->n; i++)
        build_added(&build, L->tokens.n + (uint32_t)i, &specials->item[i]);
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
    bpe_live_free(&L->live);
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

static int64_t lowest_count(const learner *L) {
    return L->options->min_frequency ? (int64_t)L->options->min_frequency : 1;
}

/* At least one of so many bytes of the records is of ids that are gone. */
static bool one_gone_of(const learner *L, int bytes) {
    return L->gone * (L->records.wide ? 4 : 2) > bpe_records_bytes(&L->records) / (uint64_t)bytes;
}

/* Records on disk are worth a recount for being written anew. Where ids need memory, it is shared anew. */
static bool wants_recount(const learner *L) {
    return (L->records.file >= 0 && one_gone_of(L, 5)) || (L->tokens.n >= L->ids_room && L->ids_room < L->options->vocab_size);
}

/* Counts all pairs anew, with the same floor or a lower one. Lists are made anew by it, so records may change places. */
static int recount(learner *L, uint32_t target, bool same_floor, wt_err *err) {
    bpe_live_clear(&L->live);
    if (L->tight && one_gone_of(L, 10)) {
        if (bpe_records_compact(&L->records, err))
            return -1;
        L->gone = 0;
    }
    if (L->tight && share_memory(L, err))
        return -1;
    bpe_recount(&L->live, &L->records, &(bpe_recount_plan){L->passing, L->n_merges, target, lowest_count(L), same_floor});
    return 0;
}

/* A letter that is repeated for megabytes makes tokens that double: they would be held several times over, in the model and its
 * files, too. */
static int check_token(const learner *L, const bpe_live_pair *p, wt_err *err) {
    size_t bytes = bpe_token_text(&L->tokens, p->left).len + bpe_token_text(&L->tokens, p->right).len;
    if (L->tokens.bytes.len + bytes <= L->options->memory / 10)
        return 0;
    return wt_fail(err, WT_ELIMIT, "after %u merges the tokens would be longer together than %llu MiB, a tenth of the memory, the next alone %zu bytes; "
                   "limit the bytes of a token (max-token-bytes) or give more memory", L->n_merges,
                   (unsigned long long)(L->options->memory / 10 >> 20), bytes);
}

static int learn_merges(learner *L, uint32_t target, int (*progress)(void *ctx, uint32_t merges), void *ctx, wt_err *err) {
    bool counted = false;
    while (L->n_merges < target) {
        if (counted && wants_recount(L) && recount(L, target, true, err))
            return -1;
        bpe_live_pair *p = counted ? bpe_live_take(&L->live) : NULL;
        if (p && check_token(L, p, err))
            return -1;
        if (p)
            merge_pair(L, p);
        else if (L->live.floor.count <= lowest_count(L) && L->live.floor.key == BPE_ANY_KEY)
            break;
        else if (recount(L, target, false, err))
            return -1;
        counted = true;
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
    const bpe_train_options *o = bpe_counter_options(counter);
    learner L = {.options = o};
    L.live = (bpe_live){.tokens = &L.tokens, .ties = o->ties, .max_token_bytes = o->max_token_bytes,
                        .floor = {INT64_MAX, BPE_ANY_KEY}, .merging = SIZE_MAX};
    bpe_model *model = NULL;
    if (L.options->extend && check_base(L.options->extend, err))
        return NULL;
    start_tokens(&L);
    uint32_t target = L.options->vocab_size - L.tokens.n - (uint32_t)bpe_counter_specials(counter)->n;
    bpe_words *words = bpe_counter_take(counter);
    int bad = start_records(&L, words, err);
    bpe_words_free(words);
    if (!bad)
        bad = share_memory(&L, err) || learn_merges(&L, target, progress, ctx, err);
    learner_drop(&L);
    if (!bad)
        model = make_model(&L, counter, err);
    bpe_tokens_free(&L.tokens);
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
            bpe_build_token(&build, next++, bpe_token_bytes(model, id), BPE_ADDED_NOT);
    for (size_t i = 0; i < model->added.n; i++)
        build_added(&build, next++, &model->added.item[i]);
    for (uint32_t k = 0; k < model->n_merges; k++)
        if (model->merge[k].result < want)
            bpe_build_merge(&build, model->merge[k].left, model->merge[k].right, model->merge[k].result, k);
    return bpe_build_finish(&build, bpe_splitter_new(bpe_splitter_regex(model->splitter), NULL), err);
}

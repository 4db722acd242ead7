/* count.c - how often each pretoken occurs, in bounded memory, exactly.
 *
 * Each thread counts into a table of its own: 24-byte slots for words of up to 15 bytes (key.h), a
 * second table for longer ones. A slot's place is the top bits of its word's hash, so a table read
 * from start to end is in order of hash. A table that has reached its share of the memory is
 * written to a temporary file in that order and emptied; at the end all tables and spilled runs
 * are brought together one range of hashes after the other, so that no step needs more memory than
 * the words of one range. A range that has too many is taken in several passes by further bits of the hash.
 *
 * Words above LONG_MAX_BYTES (a text without any place to cut is one word) stay out of the tables: they go to a file at
 * once, and of each its hash is kept. Equal hashes at the end are compared byte by byte.
 *
 * The sums do not depend on who counted what, so neither do the merges. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpe/count.h"
#include "bpe/key.h"
#include "bpe/model.h"
#include "bpe/sort.h"
#include "bpe/words.h"
#include "common/cluster.h"
#include "common/hash.h"
#include "common/memory.h"

const uint8_t BPE_KEY_MASK[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                  255, 255, 255, 255, 255, 255, 255, 255};

enum { BATCH = 192, RANGE_BITS = 8, RANGES = 1 << RANGE_BITS, TABLE_BITS_MIN = 12, LONG_MAX_BYTES = 4096 };

typedef struct {
    bpe_key key;
    uint64_t count;                 /* 0: empty */
} short_slot;

typedef struct {
    uint64_t hash, count;           /* count 0: empty */
    uint64_t at;                    /* in bytes */
    uint32_t len;
} long_slot;

/* One thread's words, or one range's. */
typedef struct {
    short_slot *slot;
    int bits;                       /* of the number of slots */
    int skip;                       /* leading bits of a hash that do not count: all words of a range share them */
    size_t n;
    long_slot *long_words;
    int long_bits;
    size_t n_long;
    wt_buf bytes;                   /* of long words */
} table;

typedef struct {
    uint64_t offset[RANGES + 1];    /* in the file, of each range of one spilled run */
} run;

/* A word that is in a file of its kind, not in a table. */
typedef struct {
    uint64_t hash, len, count, at;
    const bpe_words *file;
} giant;

typedef struct {
    table words;
    bpe_split_state *split;
    bpe_words spill;
    run *runs;
    size_t n_runs, cap_runs;
    bpe_words giants;               /* their bytes, one behind the other */
    giant *giant;
    size_t n_giants, cap_giants;
    bool mapped;                    /* the text lies in a mapped file */
    bpe_key key[BATCH];
    uint64_t hash[BATCH];
    uint32_t ends[BATCH];
} worker;

struct bpe_counter {
    bpe_train_options options;
    bpe_splitter *splitter;
    bpe_added_set specials;
    char *special_text;
    worker **workers;               /* apart, so that threads do not share lines */
    int threads;
    uint64_t share;                 /* bytes of memory for one worker's table */
    bpe_words words;                /* after finish */
    uint64_t spilled;
};

/* ---- tables ---- */
/* Huge pages for huge tables only: clearing one costs as much as filling a small table. */
static short_slot *slots_alloc(int bits, wt_err *err) {
    size_t bytes = sizeof(short_slot) << bits;
    return bytes < 1 << 21 ? wt_xcalloc(1, bytes) : wt_big_alloc(bytes, "a word table", err);
}

static void slots_free(short_slot *slot, int bits) {
    size_t bytes = sizeof(short_slot) << bits;
    if (bytes < 1 << 21)
        free(slot);
    else
        wt_big_free(slot, bytes);
}

static void table_init(table *t, int skip) {
    *t = (table){.bits = TABLE_BITS_MIN, .long_bits = 8, .skip = skip};
    t->slot = slots_alloc(t->bits, NULL);
    t->long_words = wt_xcalloc((size_t)1 << t->long_bits, sizeof(long_slot));
}

static void table_free(table *t) {
    slots_free(t->slot, t->bits);
    free(t->long_words);
    wt_buf_free(&t->bytes);
    *t = (table){0};
}

static uint64_t table_bytes(const table *t) {
    return (sizeof(short_slot) << t->bits) + (sizeof(long_slot) << t->long_bits) + t->bytes.len;
}

static bool key_eq(bpe_key a, bpe_key b) { return !((a.lo ^ b.lo) | (a.hi ^ b.hi)); }

static short_slot *short_find(const table *t, bpe_key key, uint64_t hash) {
    size_t mask = ((size_t)1 << t->bits) - 1, i = hash << t->skip >> (64 - t->bits);
    while (t->slot[i].count && !key_eq(t->slot[i].key, key))
        i = (i + 1) & mask;
    return &t->slot[i];
}

static int short_grow(table *t, wt_err *err) {
    table old = *t;
    t->bits++;
    t->slot = slots_alloc(t->bits, err);
    if (!t->slot) {
        *t = old;
        return -1;
    }
    for (size_t i = 0; i < (size_t)1 << old.bits; i++)
        if (old.slot[i].count)
            *short_find(t, old.slot[i].key, bpe_key_hash(old.slot[i].key)) = old.slot[i];
    slots_free(old.slot, old.bits);
    return 0;
}

static bool short_full(const table *t) { return t->n >= (size_t)5 << (t->bits - 3); }

static int short_add(table *t, bpe_key key, uint64_t count, wt_err *err) {
    short_slot *s = short_find(t, key, bpe_key_hash(key));
    if (!s->count) {
        if (short_full(t)) {
            if (short_grow(t, err))
                return -1;
            s = short_find(t, key, bpe_key_hash(key));
        }
        s->key = key;
        t->n++;
    }
    s->count += count;
    return 0;
}

static long_slot *long_find(const table *t, wt_str word, uint64_t hash) {
    size_t mask = ((size_t)1 << t->long_bits) - 1, i = hash << t->skip >> (64 - t->long_bits);
    for (;; i = (i + 1) & mask) {
        long_slot *s = &t->long_words[i];
        if (!s->count || (s->hash == hash && s->len == word.len &&
                          memcmp(t->bytes.ptr + s->at, word.ptr, word.len) == 0))
            return s;
    }
}

static void long_grow(table *t) {
    long_slot *old = t->long_words;
    size_t n = (size_t)1 << t->long_bits++, mask = 2 * n - 1;
    t->long_words = wt_xcalloc(2 * n, sizeof *old);
    for (size_t k = 0; k < n; k++)
        if (old[k].count) {
            size_t i = old[k].hash << t->skip >> (64 - t->long_bits);
            while (t->long_words[i].count)
                i = (i + 1) & mask;
            t->long_words[i] = old[k];
        }
    free(old);
}

static void long_add(table *t, wt_str word, uint64_t count) {
    uint64_t hash = wt_hash64(word.ptr, word.len, 0);
    long_slot *s = long_find(t, word, hash);
    if (!s->count) {
        if (t->n_long >= (size_t)5 << (t->long_bits - 3)) {
            long_grow(t);
            s = long_find(t, word, hash);
        }
        *s = (long_slot){.hash = hash, .at = t->bytes.len, .len = (uint32_t)word.len};
        wt_buf_add_str(&t->bytes, word);
        t->n_long++;
    }
    s->count += count;
}

static int table_add(table *t, wt_str word, uint64_t count, wt_err *err) {
    if (word.len <= BPE_KEY_MAX)
        return short_add(t, bpe_key_copy((const uint8_t *)word.ptr, word.len), count, err);
    long_add(t, word, count);
    return 0;
}

/* ---- walking a table in order of hash ---- A word may stand behind its place, never before it,
 * but for those that went over the end of the table to its start. So ranges are told by hash. */
static unsigned range_of(uint64_t hash) { return (unsigned)(hash >> (64 - RANGE_BITS)); }

typedef int visitor(void *ctx, wt_str word, uint64_t count, wt_err *err);

static int visit_short(const short_slot *s, visitor *visit, void *ctx, wt_err *err) {
    uint8_t bytes[16];
    memcpy(bytes, &s->key, 16);
    return visit(ctx, (wt_str){(char *)bytes, bpe_key_len(s->key)}, s->count, err);
}

static int visit_long(const table *t, const long_slot *s, visitor *visit, void *ctx, wt_err *err) {
    return visit(ctx, (wt_str){t->bytes.ptr + s->at, s->len}, s->count, err);
}

static int visit_all(const table *t, visitor *visit, void *ctx, wt_err *err) {
    for (size_t k = 0; k < (size_t)1 << t->bits; k++)
        if (t->slot[k].count && visit_short(&t->slot[k], visit, ctx, err))
            return -1;
    for (size_t k = 0; k < (size_t)1 << t->long_bits; k++)
        if (t->long_words[k].count && visit_long(t, &t->long_words[k], visit, ctx, err))
            return -1;
    return 0;
}

static int visit_range(const table *t, unsigned range, visitor *visit, void *ctx, wt_err *err) {
    size_t n = (size_t)1 << t->bits, per = n >> RANGE_BITS;
    for (size_t k = range * per;; k++) {
        const short_slot *s = &t->slot[k & (n - 1)];
        if (k >= (range + 1) * per && (!s->count || k >= range * per + n))
            break;
        if (s->count && range_of(bpe_key_hash(s->key)) == range && visit_short(s, visit, ctx, err))
            return -1;
    }
    n = (size_t)1 << t->long_bits, per = n >> RANGE_BITS;
    for (size_t k = range * per;; k++) {
        const long_slot *s = &t->long_words[k & (n - 1)];
        if (k >= (range + 1) * per && (!s->count || k >= range * per + n))
            break;
        if (s->count && range_of(s->hash) == range && visit_long(t, s, visit, ctx, err))
            return -1;
    }
    return 0;
}

/* ---- spilling ---- */
static int add_to_words(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    return bpe_words_add(ctx, word, count, err);
}

static int worker_spill(worker *w, wt_err *err) {
    WT_GROW(w->runs, w->cap_runs, w->n_runs + 1);
    run *r = &w->runs[w->n_runs++];
    int result = 0;
    for (unsigned range = 0; !result && range < RANGES; range++) {
        r->offset[range] = bpe_words_end(&w->spill);
        result = visit_range(&w->words, range, add_to_words, &w->spill, err);
    }
    r->offset[RANGES] = bpe_words_end(&w->spill);
    if (!result)
        result = bpe_words_flush(&w->spill, err);
    table_free(&w->words);          /* small again, or what it keeps would leave no room for more words */
    table_init(&w->words, 0);
    return result;
}

static int add_giant(worker *w, wt_str word, uint64_t count, wt_err *err) {
    WT_GROW(w->giant, w->cap_giants, w->n_giants + 1);
    w->giant[w->n_giants++] = (giant){wt_hash64(word.ptr, word.len, 0), word.len, count, bpe_words_end(&w->giants), &w->giants};
    for (size_t at = 0; at < word.len; at += BPE_PART_MAX)
        if (bpe_words_part(&w->giants, (wt_str){word.ptr + at, word.len - at < BPE_PART_MAX ? word.len - at : BPE_PART_MAX}, err))
            return -1;
    return 0;
}

/* ---- counting ---- */
/* Room for what a batch of words of so many bytes may add; a table that may not grow goes to disk. A table that grows
 * is there twice for a moment. */
static int make_room(bpe_counter *c, worker *w, size_t bytes, wt_err *err) {
    table *t = &w->words;
    bool short_tight = t->n + BATCH >= (size_t)5 << (t->bits - 3);
    bool long_tight = t->n_long + BATCH >= (size_t)5 << (t->long_bits - 3);
    uint64_t after = table_bytes(t) + bytes + (short_tight ? 2 * sizeof(short_slot) << t->bits : 0) +
                     (long_tight ? 2 * sizeof(long_slot) << t->long_bits : 0);
    if (after > c->share && t->n + t->n_long > BATCH)
        return worker_spill(w, err);
    return short_tight ? short_grow(t, err) : 0;
}

/* Counts the words text[0, ends[0]), text[ends[0], ends[1]) ... The slots of a batch are fetched
 * while its last keys are made. */
static int count_batch(worker *w, const uint8_t *text, const uint8_t *text_end, size_t n_ends, wt_err *err) {
    table *t = &w->words;
    int shift = 64 - t->bits;
    size_t n_keys = 0;
    uint32_t start = 0;
    for (size_t i = 0; i < n_ends; i++) {
        const uint8_t *p = text + start;
        size_t n = w->ends[i] - start;
        start = w->ends[i];
        if (n > BPE_KEY_MAX) {
            if (n <= LONG_MAX_BYTES)
                long_add(t, (wt_str){(const char *)p, n}, 1);
            else if (add_giant(w, (wt_str){(const char *)p, n}, 1, err))
                return -1;
            continue;
        }
        bpe_key key = text_end - p >= 16 ? bpe_key_load(p, n) : bpe_key_copy(p, n);
        uint64_t hash = bpe_key_hash(key);
        __builtin_prefetch(&t->slot[hash >> shift], 1);
        w->key[n_keys] = key, w->hash[n_keys++] = hash;
    }
    for (size_t i = 0; i < n_keys; i++) {
        short_slot *s = short_find(t, w->key[i], w->hash[i]);
        t->n += s->count == 0;
        s->key = w->key[i];
        s->count++;
    }
    return 0;
}

/* Pages of a mapped text that were counted: [*from, to), as far as they are whole. */
static void give_back(const uint8_t **from, const uint8_t *to) {
    uintptr_t a = ((uintptr_t)*from + 4095) & ~(uintptr_t)4095, b = (uintptr_t)to & ~(uintptr_t)4095;
    if (b > a)
        madvise((void *)a, b - a, MADV_DONTNEED);
    *from = to;
}

static int count_text(bpe_counter *c, worker *w, wt_str text, wt_err *err) {
    enum { GIVE_BACK = 1 << 20 };
    const uint8_t *p = (const uint8_t *)text.ptr, *given = p;
    for (size_t at = 0;;) {
        ptrdiff_t n = bpe_split(w->split, p, text.len, at, w->ends, BATCH, err);
        if (n <= 0)
            return (int)n;
        size_t bytes = w->ends[n - 1] < BATCH * LONG_MAX_BYTES ? w->ends[n - 1] : BATCH * LONG_MAX_BYTES;
        if (make_room(c, w, bytes, err) || count_batch(w, p + at, p + text.len, (size_t)n, err))
            return -1;
        at += w->ends[n - 1];
        if (w->mapped && p + at - given > GIVE_BACK)
            give_back(&given, p + at);
    }
}

int bpe_counter_add(bpe_counter *c, int i_thread, wt_str document, wt_err *err) {
    for (size_t at = 0; at < document.len;) {
        size_t start;
        ptrdiff_t found = bpe_added_find(&c->specials, document, at, BPE_SPECIAL_ALL, &start);
        if (count_text(c, c->workers[i_thread], (wt_str){document.ptr + at, start - at}, err))
            return -1;
        at = start + (found >= 0 ? c->specials.item[found].len : 0);
    }
    return 0;
}

int bpe_counter_add_mapped(bpe_counter *c, int i_thread, wt_str document, wt_err *err) {
    c->workers[i_thread]->mapped = true;
    int result = bpe_counter_add(c, i_thread, document, err);
    c->workers[i_thread]->mapped = false;
    return result;
}

int bpe_counter_add_word(bpe_counter *c, int i_thread, wt_str word, uint64_t count, wt_err *err) {
    worker *w = c->workers[i_thread];
    if (count == 0 || word.len == 0)
        return 0;
    if (word.len > LONG_MAX_BYTES)
        return add_giant(w, word, count, err);
    return make_room(c, w, word.len, err) ? -1 : table_add(&w->words, word, count, err);
}

size_t bpe_counter_cut(const bpe_counter *c, wt_str text) {
    return bpe_added_cut(&c->specials, c->splitter, text, BPE_SPECIAL_ALL);
}

/* ---- life ---- */
static void copy_specials(bpe_counter *c, const bpe_train_options *o) {
    size_t bytes = 0, at = 0;
    for (size_t i = 0; i < o->n_specials; i++)
        bytes += o->specials[i].len;
    c->special_text = wt_xmalloc(bytes + 1);
    c->specials.item = wt_xcalloc(o->n_specials + 1, sizeof *c->specials.item);
    for (size_t i = 0; i < o->n_specials; i++) {
        memcpy(c->special_text + at, o->specials[i].ptr, o->specials[i].len);
        c->specials.item[c->specials.n++] = (bpe_added){c->special_text + at,
                                                        (uint32_t)o->specials[i].len, 0, true};
        at += o->specials[i].len;
    }
    bpe_added_index(&c->specials);
}

/* Code, libraries, stacks, small buffers. */
#define PROCESS_BYTES ((uint64_t)12 << 20)

static int threads_of(const bpe_train_options *o) { return o->threads > 0 ? o->threads : wt_cpu_count(); }
static uint64_t memory_of(const bpe_train_options *o) { return o->memory ? o->memory : 512 << 20; }

/* An id takes about so much while merges are learned: its bytes and merge, sums by neighbour, pairs with their places
 * in table and heap. */
#define ID_BYTES ((uint64_t)512)

uint64_t bpe_memory_least(const bpe_train_options *o) {
    return PROCESS_BYTES + ((uint64_t)12 << 20) + ID_BYTES * o->vocab_size + ((uint64_t)4 << 20) * (uint64_t)threads_of(o);
}

size_t bpe_learning_memory(const bpe_train_options *o, uint32_t n_ids) {
    return (size_t)(memory_of(o) - PROCESS_BYTES - ID_BYTES * n_ids);
}

static worker *worker_new(const bpe_counter *c) {
    worker *w = wt_xcalloc(1, sizeof *w);
    w->split = bpe_split_state_new(c->splitter);
    bpe_words_init(&w->spill, 1 << 20, c->options.temp_dir);
    bpe_words_init(&w->giants, 1 << 20, c->options.temp_dir);
    table_init(&w->words, 0);
    return w;
}

static int check_options(const bpe_train_options *o, wt_err *err) {
    for (size_t i = 0; i < o->n_specials; i++) {
        if (o->specials[i].len == 0)
            return wt_fail(err, WT_EARG, "a special token is empty");
        for (size_t k = 0; k < i; k++)
            if (wt_str_eq(o->specials[i], o->specials[k]))
                return wt_fail(err, WT_EARG, "the special token '%.*s' is given twice",
                               WT_FMT(o->specials[i]));
    }
    uint64_t base = o->extend ? bpe_vocab_size(o->extend) : 256;
    if (o->vocab_size > BPE_ID_MAX)
        return wt_fail(err, WT_EARG, "a vocabulary of %u is too large: %d ids are the most", o->vocab_size, BPE_ID_MAX);
    if (o->vocab_size < base + o->n_specials)
        return wt_fail(err, WT_EARG, "a vocabulary of %u is too small: %llu %s and %zu special tokens come first", o->vocab_size,
                       (unsigned long long)base, o->extend ? "tokens" : "bytes", o->n_specials);
    if (memory_of(o) < bpe_memory_least(o))
        return wt_fail(err, WT_EARG, "a vocabulary of %u on %d threads needs at least %llu MiB of memory, and %llu are given",
                       o->vocab_size, threads_of(o), (unsigned long long)((bpe_memory_least(o) + (1 << 20) - 1) >> 20),
                       (unsigned long long)(memory_of(o) >> 20));
    return 0;
}

bpe_counter *bpe_counter_new(const bpe_train_options *options, wt_err *err) {
    if (check_options(options, err))
        return NULL;
    const char *pattern = options->pattern ? options->pattern
                        : options->extend ? bpe_splitter_regex(options->extend->splitter) : "gpt2";
    bpe_splitter *splitter = bpe_splitter_new(pattern, err);
    if (!splitter)
        return NULL;
    bpe_counter *c = wt_xcalloc(1, sizeof *c);
    c->options = *options;
    c->options.memory = memory_of(options);
    c->splitter = splitter;
    copy_specials(c, options);
    c->threads = threads_of(options);
    /* Half is for tables. The other is for the text that is read, and at the end for the words that are brought
     * together while tables are still full. */
    c->share = (c->options.memory - PROCESS_BYTES) / 2 / (uint64_t)c->threads;
    bpe_words_init(&c->words, (size_t)(c->options.memory - PROCESS_BYTES) / 8, options->temp_dir);
    c->workers = wt_xcalloc((size_t)c->threads, sizeof *c->workers);
    for (int i = 0; i < c->threads; i++)
        c->workers[i] = worker_new(c);
    return c;
}

static void worker_free(worker *w) {
    if (!w)
        return;
    bpe_split_state_free(w->split);
    table_free(&w->words);
    bpe_words_free(&w->spill);
    bpe_words_free(&w->giants);
    free(w->runs);
    free(w->giant);
    free(w);
}

static void workers_free(bpe_counter *c) {
    for (int i = 0; i < c->threads && c->workers; i++) {
        worker_free(c->workers[i]);
        c->workers[i] = NULL;
    }
}

void bpe_counter_free(bpe_counter *c) {
    if (!c)
        return;
    workers_free(c);
    free(c->workers);
    bpe_words_free(&c->words);
    bpe_splitter_free(c->splitter);
    free(c->specials.item);
    free(c->special_text);
    free(c);
}

/* ---- bringing it together ---- */
/* One pass over a range: the words whose hash has `bits` bits `part` behind those of the range. */
typedef struct {
    table sum;
    int bits;
    uint64_t part;
} range_pass;

static int add_to_pass(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    range_pass *p = ctx;
    uint64_t hash = word.len <= BPE_KEY_MAX ? bpe_key_hash(bpe_key_copy((const uint8_t *)word.ptr, word.len))
                                            : wt_hash64(word.ptr, word.len, 0);
    if (p->bits && hash << RANGE_BITS >> (64 - p->bits) != p->part)
        return 0;
    return table_add(&p->sum, word, count, err);
}

static int read_range(const worker *w, unsigned range, range_pass *pass, wt_err *err) {
    int more = 0;
    for (size_t k = 0; k < w->n_runs && more >= 0; k++) {
        bpe_reader r;
        bpe_reader_init(&r, &w->spill, w->runs[k].offset[range], w->runs[k].offset[range + 1]);
        while ((more = bpe_reader_next(&r, err)) == 1)
            if (add_to_pass(pass, r.word.text, r.word.count, err)) {
                more = -1;
                break;
            }
        bpe_reader_free(&r);
    }
    return more < 0 ? -1 : 0;
}

/* Passes over a range, in bits: so many that the words of one need no more than a thread's part of the memory. A
 * spilled word of 10 bytes takes up to 80 in a table. */
static int pass_bits(const bpe_counter *c, unsigned range) {
    uint64_t bytes = 0, room = c->share / 4;
    int bits = 0;
    for (int i = 0; i < c->threads; i++) {
        const worker *w = c->workers[i];
        bytes += table_bytes(&w->words) / RANGES;
        for (size_t k = 0; k < w->n_runs; k++)
            bytes += 8 * (w->runs[k].offset[range + 1] - w->runs[k].offset[range]);
    }
    while (bytes >> bits > room && bits < 32)
        bits++;
    return bits;
}

/* The words whose hash lies in one range, summed over all threads. */
static int gather_range(bpe_counter *c, unsigned range, bpe_words *out, wt_err *err) {
    if (c->threads == 1 && c->workers[0]->n_runs == 0)
        return visit_range(&c->workers[0]->words, range, add_to_words, out, err);
    int bits = pass_bits(c, range), result = 0;
    for (uint64_t part = 0; part >> bits == 0 && !result; part++) {
        range_pass pass = {.bits = bits, .part = part};
        table_init(&pass.sum, RANGE_BITS + bits);
        for (int i = 0; i < c->threads && !result; i++)
            result = visit_range(&c->workers[i]->words, range, add_to_pass, &pass, err) ||
                     read_range(c->workers[i], range, &pass, err) ? -1 : 0;
        if (!result)
            result = visit_all(&pass.sum, add_to_words, out, err);
        table_free(&pass.sum);
    }
    return result;
}

/* ---- words that are in no table ---- */
static int by_hash(const void *a, const void *b) {
    const giant *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->len > y->len) - (x->len < y->len);
}

static int giants_differ(const giant *a, const giant *b, char *buf, bool *differ, wt_err *err) {
    *differ = a->hash != b->hash || a->len != b->len;
    for (uint64_t at = 0; at < a->len && !*differ; at += BPE_PART_MAX) {
        size_t n = a->len - at < BPE_PART_MAX ? (size_t)(a->len - at) : BPE_PART_MAX;
        if (bpe_words_bytes(a->file, a->at + at, buf, n, err) ||
            bpe_words_bytes(b->file, b->at + at, buf + BPE_PART_MAX, n, err))
            return -1;
        *differ = memcmp(buf, buf + BPE_PART_MAX, n) != 0;
    }
    return 0;
}

static int copy_giant(bpe_words *to, const giant *g, char *buf, wt_err *err) {
    if (bpe_words_begin(to, g->len, g->count, err))
        return -1;
    for (uint64_t at = 0; at < g->len; at += BPE_PART_MAX) {
        size_t n = g->len - at < BPE_PART_MAX ? (size_t)(g->len - at) : BPE_PART_MAX;
        if (bpe_words_bytes(g->file, g->at + at, buf, n, err) || bpe_words_part(to, (wt_str){buf, n}, err))
            return -1;
    }
    return 0;
}

/* Sums those that are equal into the first of them. */
static int sum_giants(giant *g, size_t n, char *buf, wt_err *err) {
    qsort(g, n, sizeof *g, by_hash);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; g[i].count && k < n && g[k].hash == g[i].hash; k++) {
            bool differ = g[k].count == 0;
            if (!differ && giants_differ(&g[i], &g[k], buf, &differ, err))
                return -1;
            if (!differ)
                g[i].count += g[k].count, g[k].count = 0;
        }
    return 0;
}

static int gather_giants(bpe_counter *c, wt_err *err) {
    giant *all = NULL;
    size_t n = 0, cap = 0;
    int result = 0;
    for (int i = 0; i < c->threads && !result; i++) {
        worker *w = c->workers[i];
        for (size_t k = 0; k < w->n_giants; k++) {
            WT_GROW(all, cap, n + 1);
            all[n++] = w->giant[k];
        }
        result = w->n_giants ? bpe_words_flush(&w->giants, err) : 0;
    }
    if (n && !result) {
        char *buf = wt_xmalloc(2 * BPE_PART_MAX);
        result = sum_giants(all, n, buf, err);
        for (size_t i = 0; i < n && !result; i++)
            result = all[i].count ? copy_giant(&c->words, &all[i], buf, err) : 0;
        free(buf);
    }
    free(all);
    return result;
}

/* ---- ranges in many threads ---- */
typedef struct {
    bpe_counter *counter;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    int next, appended;             /* range that no thread has taken yet; and whose words come next */
    wt_err *err;
    bool failed;
} gathering;

static int copy_words(bpe_words *to, const bpe_words *from, wt_err *err) {
    bpe_reader r;
    int more;
    bpe_reader_init(&r, from, 0, bpe_words_end(from));
    while ((more = bpe_reader_next(&r, err)) == 1)
        if (bpe_words_add(to, r.word.text, r.word.count, err)) {
            more = -1;
            break;
        }
    bpe_reader_free(&r);
    return more;
}

/* A thread waits with its range's words until those before are there: the order is always the same, and no more
 * ranges are in memory than there are threads. */
static void append_range(gathering *g, int range, const bpe_words *words, const wt_err *error) {
    wt_err inner = {0};
    pthread_mutex_lock(&g->lock);
    while (g->appended != range)
        pthread_cond_wait(&g->turn, &g->lock);
    if (!error && !g->failed && copy_words(&g->counter->words, words, &inner))
        error = &inner;
    if (error && !g->failed && g->err)
        *g->err = *error;
    g->failed |= error != NULL;
    g->appended++;
    pthread_cond_broadcast(&g->turn);
    pthread_mutex_unlock(&g->lock);
}

static void *gather_some(void *argument) {
    gathering *g = argument;
    for (;;) {
        bpe_words words;
        wt_err error = {0};
        pthread_mutex_lock(&g->lock);
        int range = g->failed ? RANGES : g->next++;
        pthread_mutex_unlock(&g->lock);
        if (range >= RANGES)
            return NULL;
        bpe_words_init(&words, (size_t)g->counter->share / 4, g->counter->options.temp_dir);
        int result = gather_range(g->counter, (unsigned)range, &words, &error);
        append_range(g, range, &words, result ? &error : NULL);
        bpe_words_free(&words);
    }
}

static int gather_all(bpe_counter *c, wt_err *err) {
    gathering g = {.counter = c, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};
    pthread_t *thread = wt_xcalloc((size_t)c->threads, sizeof *thread);
    int n = 0;
    while (n < c->threads - 1 && pthread_create(&thread[n], NULL, gather_some, &g) == 0)
        n++;
    gather_some(&g);
    while (n)
        pthread_join(thread[--n], NULL);
    free(thread);
    return g.failed ? -1 : gather_giants(c, err);
}

/* The words of all workers become the counter's; workers are gone. */
static int gather(bpe_counter *c, wt_err *err) {
    int result = gather_all(c, err);
    for (int i = 0; i < c->threads; i++)
        c->spilled += c->workers[i]->spill.file_bytes + c->workers[i]->giants.file_bytes;
    workers_free(c);
    return result;
}

/* ---- several machines ---- Each rank owns the words of a range of hashes: all send it theirs, it adds
 * them up as if it had counted them, and rank 0 gets the sums. They travel in rounds, so that no rank holds more than
 * the words of one round; but each word as a whole. */
typedef int receiver(bpe_counter *c, wt_str word, uint64_t count, wt_err *err);

static int receive_to_table(bpe_counter *c, wt_str word, uint64_t count, wt_err *err) {
    return bpe_counter_add_word(c, 0, word, count, err);
}

static int receive_to_words(bpe_counter *c, wt_str word, uint64_t count, wt_err *err) {
    return bpe_words_add(&c->words, word, count, err);
}

static int receive(bpe_counter *c, const char *bytes, size_t n, receiver *take, wt_err *err) {
    bpe_words got = {.buf = {(char *)bytes, n, n}, .file = -1};
    bpe_reader r;
    wt_buf whole = {0};
    int more;
    bpe_reader_init(&r, &got, 0, n);
    while ((more = bpe_reader_next(&r, err)) == 1) {
        bpe_word w = r.word;
        if (w.len > BPE_PART_MAX) {
            wt_buf_add_str(&whole, w.text);
            w.text = wt_buf_view(&whole);
        }
        if (!w.last)
            continue;
        if (take(c, w.text, w.count, err)) {
            more = -1;
            break;
        }
        wt_buf_clear(&whole);
    }
    bpe_reader_free(&r);
    wt_buf_free(&whole);
    return more;
}

/* Fills a round: words until one rank's part is full. 1 where more are to come, 0, -1. */
static int fill_round(bpe_reader *from, bpe_words *part, size_t n_ranks, bool to_owner, size_t part_max, wt_err *err) {
    size_t owner = 0;
    int more;
    while ((more = bpe_reader_next(from, err)) == 1) {
        const bpe_word *w = &from->word;
        if (w->at == 0) {           /* of a long word the first part decides */
            owner = to_owner ? wt_fastrange64(wt_hash64(w->text.ptr, w->text.len, 1), n_ranks) : 0;
            bpe_words_begin(&part[owner], w->len, w->count, err);
        }
        wt_buf_add_str(&part[owner].buf, w->text);
        if (w->last && part[owner].buf.len >= part_max)
            return 1;
    }
    return more;
}

static int exchange(bpe_counter *c, const bpe_words *words, bool to_owner, receiver *take, wt_err *err) {
    size_t n_ranks = (size_t)wt_cluster_size(), part_max = (size_t)c->options.memory / 16 / n_ranks;
    bpe_words *part = wt_xcalloc(n_ranks, sizeof *part);
    void **bytes = wt_xcalloc(n_ranks, sizeof *bytes), *got;
    size_t *send = wt_xcalloc(n_ranks, sizeof *send), *counts = wt_xcalloc(n_ranks, sizeof *counts);
    bpe_reader from;
    int more = 1, failed = 0;
    bpe_reader_init(&from, words, 0, bpe_words_end(words));
    for (size_t r = 0; r < n_ranks; r++)
        bpe_words_init(&part[r], SIZE_MAX, NULL);
    do {
        if (more == 1 && (more = fill_round(&from, part, n_ranks, to_owner, part_max, err)) < 0)
            failed = -1;
        size_t n = 0;
        for (size_t r = 0; r < n_ranks; r++)
            bytes[r] = part[r].buf.ptr, send[r] = part[r].buf.len;
        wt_cluster_exchange(bytes, send, &got, counts);
        for (size_t r = 0; r < n_ranks; r++) {
            n += counts[r];
            wt_buf_clear(&part[r].buf);
        }
        if (!failed && receive(c, got, n, take, err))
            failed = more = -1;
        free(got);
    } while (wt_cluster_any(more == 1));
    for (size_t r = 0; r < n_ranks; r++)
        bpe_words_free(&part[r]);
    bpe_reader_free(&from);
    free(part);
    free(bytes);
    free(send);
    free(counts);
    return failed;
}

static int sum_over_ranks(bpe_counter *c, wt_err *err) {
    bpe_words own = c->words;
    bpe_words_init(&c->words, own.memory, c->options.temp_dir);
    c->threads = 1;
    c->workers[0] = worker_new(c);
    int result = exchange(c, &own, true, receive_to_table, err);
    bpe_words_free(&own);
    if (!result)
        result = gather(c, err);
    if (wt_cluster_agree(result, err))
        return -1;
    own = c->words;
    bpe_words_init(&c->words, own.memory, c->options.temp_dir);
    result = exchange(c, &own, false, receive_to_words, err);
    bpe_words_free(&own);
    wt_cluster_sum_u64(&c->spilled, 1);
    return result;
}

int bpe_counter_finish(bpe_counter *c, wt_err *err) {
    int result = wt_cluster_agree(gather(c, err), err);
    return result || wt_cluster_size() == 1 ? result : sum_over_ranks(c, err);
}

uint64_t bpe_counter_words(const bpe_counter *c) { return c->words.n; }
uint64_t bpe_counter_total(const bpe_counter *c) { return c->words.total; }
uint64_t bpe_counter_spilled(const bpe_counter *c) { return c->spilled; }

int bpe_counter_visit(const bpe_counter *c, visitor *visit, void *ctx, wt_err *err) {
    /* entries and bytes may grow to twice what they hold */
    return bpe_words_visit_sorted(&c->words, (size_t)(c->options.memory - PROCESS_BYTES) / 3, c->options.temp_dir, visit, ctx, err);
}

bpe_words *bpe_counter_take(bpe_counter *c) { return &c->words; }
const bpe_train_options *bpe_counter_options(const bpe_counter *c) { return &c->options; }
const bpe_added_set *bpe_counter_specials(const bpe_counter *c) { return &c->specials; }
const char *bpe_counter_pattern(const bpe_counter *c) { return bpe_splitter_regex(c->splitter); }

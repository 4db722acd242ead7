/* count.c - how often each pretoken occurs, in bounded memory, exactly.
 *
 * Each thread counts into a table of its own: 24-byte slots for words of up to 15 bytes (key.h), a
 * second table for longer ones. A slot's place is the top bits of its word's hash, so a table read
 * from start to end is in order of hash. A table that has reached its share of the memory is
 * written to a temporary file in that order and emptied; at the end all tables and spilled runs
 * are brought together one range of hashes after the other, so that no step needs more memory than
 * the words of one range.
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
#include "common/cluster.h"
#include "common/hash.h"
#include "common/memory.h"

const uint8_t BPE_KEY_MASK[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                  255, 255, 255, 255, 255, 255, 255, 255};

enum { BATCH = 192, RANGE_BITS = 8, RANGES = 1 << RANGE_BITS, TABLE_BITS_MIN = 12 };

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

typedef struct {
    table words;
    bpe_split_state *split;
    int file;                       /* -1: nothing spilled */
    uint64_t file_bytes;
    run *runs;
    size_t n_runs, cap_runs;
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
    return (sizeof(short_slot) << t->bits) + (sizeof(long_slot) << t->long_bits) + t->bytes.cap;
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

/* ---- spilling ---- a word is: length, count (both in base 128), bytes */
typedef struct {
    int file;
    uint64_t at;
    wt_buf buf;
} spill;

static int spill_flush(spill *s, wt_err *err) {
    for (size_t done = 0; done < s->buf.len;) {
        ssize_t n = pwrite(s->file, s->buf.ptr + done, s->buf.len - done, (off_t)s->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wt_fail_errno(err, "cannot write the temporary file of words");
        done += (size_t)n, s->at += (uint64_t)n;
    }
    wt_buf_clear(&s->buf);
    return 0;
}

static void add_varint(wt_buf *b, uint64_t x) {
    for (; x >= 128; x >>= 7)
        wt_buf_add_char(b, (char)(x | 128));
    wt_buf_add_char(b, (char)x);
}

static uint64_t take_varint(const char **p) {
    uint64_t x = 0;
    for (int shift = 0;; shift += 7) {
        uint8_t byte = (uint8_t)*(*p)++;
        x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return x;
    }
}

static int spill_word(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    spill *s = ctx;
    add_varint(&s->buf, word.len);
    add_varint(&s->buf, count);
    wt_buf_add_str(&s->buf, word);
    return s->buf.len >= (1 << 20) ? spill_flush(s, err) : 0;
}

static int worker_spill(worker *w, const char *temp_dir, wt_err *err) {
    if (w->file < 0 && (w->file = bpe_temp_file(temp_dir, err)) < 0)
        return -1;
    spill s = {.file = w->file, .at = w->file_bytes};
    WT_GROW(w->runs, w->cap_runs, w->n_runs + 1);
    run *r = &w->runs[w->n_runs++];
    int result = 0;
    for (unsigned range = 0; !result && range < RANGES; range++) {
        r->offset[range] = s.at + s.buf.len;
        result = visit_range(&w->words, range, spill_word, &s, err);
    }
    r->offset[RANGES] = s.at + s.buf.len;
    result = result ? -1 : spill_flush(&s, err);
    w->file_bytes = s.at;
    wt_buf_free(&s.buf);
    table_free(&w->words);          /* small again, or what it keeps would leave no room for more words */
    table_init(&w->words, 0);
    return result;
}

/* ---- counting ---- */
/* Room for what one batch may add; a table that may not grow goes to disk. */
static int make_room(bpe_counter *c, worker *w, wt_err *err) {
    table *t = &w->words;
    bool short_tight = t->n + BATCH >= (size_t)5 << (t->bits - 3);
    uint64_t after = table_bytes(t) + (short_tight ? 2 * sizeof(short_slot) << t->bits : 0);
    if (after > c->share && t->n + t->n_long > BATCH)
        return worker_spill(w, c->options.temp_dir, err);
    return short_tight ? short_grow(t, err) : 0;
}

/* Counts the words text[0, ends[0]), text[ends[0], ends[1]) ... The slots of a batch are fetched
 * while its last keys are made. */
static void count_batch(worker *w, const uint8_t *text, const uint8_t *text_end, size_t n_ends) {
    table *t = &w->words;
    int shift = 64 - t->bits;
    size_t n_keys = 0;
    uint32_t start = 0;
    for (size_t i = 0; i < n_ends; i++) {
        const uint8_t *p = text + start;
        size_t n = w->ends[i] - start;
        start = w->ends[i];
        if (n > BPE_KEY_MAX) {
            long_add(t, (wt_str){(const char *)p, n}, 1);
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
}

static int count_text(bpe_counter *c, worker *w, wt_str text, wt_err *err) {
    const uint8_t *p = (const uint8_t *)text.ptr;
    for (size_t at = 0;;) {
        ptrdiff_t n = bpe_split(w->split, p, text.len, at, w->ends, BATCH, err);
        if (n <= 0)
            return (int)n;
        if (make_room(c, w, err))
            return -1;
        count_batch(w, p + at, p + text.len, (size_t)n);
        at += w->ends[n - 1];
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

int bpe_counter_add_word(bpe_counter *c, int i_thread, wt_str word, uint64_t count, wt_err *err) {
    worker *w = c->workers[i_thread];
    if (count == 0 || word.len == 0)
        return 0;
    return make_room(c, w, err) ? -1 : table_add(&w->words, word, count, err);
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
    if (o->vocab_size < base + o->n_specials || o->vocab_size > BPE_ID_MAX)
        return wt_fail(err, WT_EARG, "a vocabulary of %u cannot be: %llu bytes or tokens that are there "
                       "already and %zu specials come first, and %d is the most", o->vocab_size,
                       (unsigned long long)base, o->n_specials, BPE_ID_MAX);
    if (o->memory && o->memory < 16 << 20)
        return wt_fail(err, WT_EARG, "counting needs at least 16 MiB of memory");
    return 0;
}

uint64_t bpe_counter_memory(const bpe_counter *c) { return c->options.memory ? c->options.memory : 512 << 20; }

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
    c->splitter = splitter;
    copy_specials(c, options);
    c->threads = options->threads > 0 ? options->threads : wt_cpu_count();
    /* A quarter stays free for buffers and for one range of hashes at the end. */
    c->share = bpe_counter_memory(c) / 4 * 3 / (uint64_t)c->threads;
    c->workers = wt_xcalloc((size_t)c->threads, sizeof *c->workers);
    for (int i = 0; i < c->threads; i++) {
        c->workers[i] = wt_xcalloc(1, sizeof **c->workers);
        c->workers[i]->file = -1;
        c->workers[i]->split = bpe_split_state_new(splitter);
        table_init(&c->workers[i]->words, 0);
    }
    return c;
}

static void worker_free(worker *w) {
    if (!w)
        return;
    bpe_split_state_free(w->split);
    table_free(&w->words);
    free(w->runs);
    if (w->file >= 0)
        close(w->file);
    free(w);
}

void bpe_words_free(bpe_words *words) {
    words->at = bpe_paged_resize(&words->paged, words->at, 0);
    words->count = bpe_paged_resize(&words->paged, words->count, 0);
    words->bytes = bpe_paged_resize(&words->paged, words->bytes, 0);
    words->n = words->cap_at = words->cap_count = words->n_bytes = words->cap_bytes = 0;
}

void bpe_counter_free(bpe_counter *c) {
    if (!c)
        return;
    for (int i = 0; i < c->threads && c->workers; i++)
        worker_free(c->workers[i]);
    free(c->workers);
    bpe_words_free(&c->words);
    bpe_splitter_free(c->splitter);
    free(c->specials.item);
    free(c->special_text);
    free(c);
}

/* ---- bringing it together ---- */
void bpe_words_add(bpe_words *words, wt_str word, uint64_t count) {
    BPE_PAGED_GROW(&words->paged, words->at, words->cap_at, words->n + 2);
    BPE_PAGED_GROW(&words->paged, words->count, words->cap_count, words->n + 2);
    BPE_PAGED_GROW(&words->paged, words->bytes, words->cap_bytes, words->n_bytes + word.len + 1);
    words->at[words->n] = words->n_bytes;
    words->count[words->n++] = count;
    memcpy(words->bytes + words->n_bytes, word.ptr, word.len);
    words->n_bytes += word.len;
    words->at[words->n] = words->n_bytes;
}

static int add_to_table(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    return table_add(ctx, word, count, err);
}

static int add_to_words(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    bpe_words_add(ctx, word, count);
    return 0;
}

static int add_spilled(const char *p, size_t n, visitor *add, void *ctx, wt_err *err) {
    for (const char *end = p + n; p < end;) {
        uint64_t len = take_varint(&p), count = take_varint(&p);
        if (add(ctx, (wt_str){p, len}, count, err))
            return -1;
        p += len;
    }
    return 0;
}

static int read_range(worker *w, unsigned range, table *into, wt_err *err) {
    wt_buf bytes = {0};
    int result = 0;
    for (size_t k = 0; k < w->n_runs && !result; k++) {
        uint64_t at = w->runs[k].offset[range], n = w->runs[k].offset[range + 1] - at;
        wt_buf_clear(&bytes);
        wt_buf_reserve(&bytes, n);
        while (bytes.len < n) {
            ssize_t got = pread(w->file, bytes.ptr + bytes.len, n - bytes.len, (off_t)(at + bytes.len));
            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0) {
                result = wt_fail_errno(err, "cannot read the temporary file of words");
                break;
            }
            bytes.len += (size_t)got;
        }
        if (!result)
            result = add_spilled(bytes.ptr, bytes.len, add_to_table, into, err);
    }
    wt_buf_free(&bytes);
    return result;
}

/* The words whose hash lies in one range, summed over all threads. */
static int gather_range(bpe_counter *c, unsigned range, bpe_words *out, wt_err *err) {
    bool alone = c->threads == 1 && c->workers[0]->n_runs == 0;
    if (alone)
        return visit_range(&c->workers[0]->words, range, add_to_words, out, err);
    table sum;
    table_init(&sum, RANGE_BITS);
    int result = 0;
    for (int i = 0; i < c->threads && !result; i++)
        result = visit_range(&c->workers[i]->words, range, add_to_table, &sum, err) ||
                 read_range(c->workers[i], range, &sum, err) ? -1 : 0;
    if (!result)
        result = visit_all(&sum, add_to_words, out, err);
    table_free(&sum);
    return result;
}

/* ---- several machines ---- Each rank owns the words of a range of hashes: all send it theirs, it adds
 * them up, and rank 0 gets the sums. */
/* Sends each word to the rank that `owner` says; gives back what this rank got. */
static void exchange_words(const bpe_words *words, size_t n_ranks, bool to_owner, void **got, size_t *got_bytes) {
    wt_buf *part = wt_xcalloc(n_ranks, sizeof *part);
    void **bytes = wt_xcalloc(n_ranks, sizeof *bytes);
    size_t *send = wt_xcalloc(n_ranks, sizeof *send), *counts = wt_xcalloc(n_ranks, sizeof *counts);
    for (size_t i = 0; i < words->n; i++) {
        wt_str w = bpe_words_text(words, i);
        wt_buf *b = &part[to_owner ? wt_fastrange64(wt_hash64(w.ptr, w.len, 1), n_ranks) : 0];
        add_varint(b, w.len);
        add_varint(b, words->count[i]);
        wt_buf_add_str(b, w);
    }
    for (size_t r = 0; r < n_ranks; r++)
        bytes[r] = part[r].ptr, send[r] = part[r].len;
    wt_cluster_exchange(bytes, send, got, counts);
    *got_bytes = 0;
    for (size_t r = 0; r < n_ranks; r++) {
        *got_bytes += counts[r];
        wt_buf_free(&part[r]);
    }
    free(part);
    free(bytes);
    free(send);
    free(counts);
}

static int sum_over_ranks(bpe_counter *c, wt_err *err) {
    size_t n_ranks = (size_t)wt_cluster_size(), n;
    void *got = NULL;
    table sum;
    exchange_words(&c->words, n_ranks, true, &got, &n);
    bpe_words_free(&c->words);
    table_init(&sum, 0);
    int result = add_spilled(got, n, add_to_table, &sum, err);
    free(got);
    if (!result)
        result = visit_all(&sum, add_to_words, &c->words, err);
    table_free(&sum);
    if (wt_cluster_any(result != 0))
        return result ? -1 : wt_fail(err, WT_EIO, "another rank failed");
    exchange_words(&c->words, n_ranks, false, &got, &n);
    bpe_words_free(&c->words);
    result = add_spilled(got, n, add_to_words, &c->words, err);
    free(got);
    wt_cluster_sum_u64(&c->spilled, 1);
    return result;
}

typedef struct {
    bpe_counter *counter;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    int next, appended;             /* range that no thread has taken yet; and whose words come next */
    wt_err *err;
    bool failed;
} gathering;

/* A thread waits with its range's words until those before are there: the order is always the same, and no more
 * ranges are in memory than there are threads. */
static void append_range(gathering *g, int range, const bpe_words *words, const wt_err *error) {
    pthread_mutex_lock(&g->lock);
    while (g->appended != range)
        pthread_cond_wait(&g->turn, &g->lock);
    if (error && !g->failed && g->err)
        *g->err = *error;
    g->failed |= error != NULL;
    for (size_t i = 0; i < words->n && !g->failed; i++)
        bpe_words_add(&g->counter->words, bpe_words_text(words, i), words->count[i]);
    g->appended++;
    pthread_cond_broadcast(&g->turn);
    pthread_mutex_unlock(&g->lock);
}

static void *gather_some(void *argument) {
    gathering *g = argument;
    for (;;) {
        bpe_words words = {0};
        wt_err error = {0};
        pthread_mutex_lock(&g->lock);
        int range = g->failed ? RANGES : g->next++;
        pthread_mutex_unlock(&g->lock);
        if (range >= RANGES)
            return NULL;
        int result = gather_range(g->counter, (unsigned)range, &words, &error);
        append_range(g, range, &words, result ? &error : NULL);
        bpe_words_free(&words);
    }
}

static bool gather_all(bpe_counter *c, wt_err *err) {
    gathering g = {.counter = c, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};
    pthread_t *thread = wt_xcalloc((size_t)c->threads, sizeof *thread);
    int n = 0;
    while (n < c->threads - 1 && pthread_create(&thread[n], NULL, gather_some, &g) == 0)
        n++;
    gather_some(&g);
    while (n)
        pthread_join(thread[--n], NULL);
    free(thread);
    return g.failed;
}

/* At most so much is needed for the words of all tables and runs and to learn from them: words that several
 * have are counted more than once. */
static uint64_t memory_for_words(const bpe_counter *c) {
    uint64_t words = 0, bytes = 0;
    for (int i = 0; i < c->threads; i++) {
        const worker *w = c->workers[i];
        words += w->words.n + w->words.n_long + w->file_bytes / 10;
        bytes += 8 * w->words.n + w->words.bytes.len + w->file_bytes / 10 * 8;
    }
    return bpe_learning_memory(words, bytes);
}

int bpe_counter_finish(bpe_counter *c, wt_err *err) {
    bpe_paged_init(&c->words.paged, memory_for_words(c) > bpe_counter_memory(c), c->options.temp_dir);
    bool failed = gather_all(c, err);
    for (int i = 0; i < c->threads; i++) {
        c->spilled += c->workers[i]->file_bytes;
        worker_free(c->workers[i]);
        c->workers[i] = NULL;
    }
    if (c->words.paged.failed && !failed) {
        failed = true;
        if (err)
            *err = c->words.paged.err;
    }
    if (wt_cluster_size() == 1)
        return failed ? -1 : 0;
    if (wt_cluster_any(failed))
        return failed ? -1 : wt_fail(err, WT_EIO, "another rank failed");
    return sum_over_ranks(c, err);
}

uint64_t bpe_counter_words(const bpe_counter *c) { return c->words.n; }
uint64_t bpe_counter_learning_memory(const bpe_counter *c) {
    return bpe_learning_memory(c->words.n, c->words.n_bytes);
}
uint64_t bpe_counter_spilled(const bpe_counter *c) { return c->spilled; }

uint64_t bpe_counter_total(const bpe_counter *c) {
    uint64_t total = 0;
    for (size_t i = 0; i < c->words.n; i++)
        total += c->words.count[i];
    return total;
}

static int by_count(const void *a, const void *b, void *ctx) {
    const bpe_words *w = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (w->count[x] != w->count[y])
        return w->count[x] > w->count[y] ? -1 : 1;
    return wt_str_cmp(bpe_words_text(w, x), bpe_words_text(w, y));
}

int bpe_counter_visit(const bpe_counter *c, visitor *visit, void *ctx, wt_err *err) {
    uint32_t *order = wt_xmalloc((c->words.n + 1) * sizeof *order);
    for (size_t i = 0; i < c->words.n; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, c->words.n, sizeof *order, by_count, (void *)&c->words);
    int result = 0;
    for (size_t i = 0; i < c->words.n && !result; i++)
        result = visit(ctx, bpe_words_text(&c->words, order[i]), c->words.count[order[i]], err);
    free(order);
    return result;
}

bpe_words *bpe_counter_take(bpe_counter *c) { return &c->words; }
const bpe_train_options *bpe_counter_options(const bpe_counter *c) { return &c->options; }
const bpe_added_set *bpe_counter_specials(const bpe_counter *c) { return &c->specials; }
const char *bpe_counter_pattern(const bpe_counter *c) { return bpe_splitter_regex(c->splitter); }

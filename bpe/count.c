/* count.c - how often each pretoken occurs, in bounded memory, exactly.
 *
 * Each thread counts into a table of its own (word_table.h). A table that has reached its share of the memory is
 * written to a temporary file in order of hash and emptied; at the end all tables and spilled runs are brought together
 * (count_gather.c). Words above LONG_MAX_BYTES stay out of the tables: they go to a file at once (giants.h).
 *
 * The sums do not depend on who counted what, so neither do the merges. */
#include <stdlib.h>
#include <sys/mman.h>

#include "bpe/count_impl.h"
#include "bpe/sort.h"
#include "common/cluster.h"
#include "common/memory.h"

enum { BATCH = BPE_COUNT_BATCH, LONG_MAX_BYTES = 4096 };

/* ---- spilling ---- */
int bpe_add_to_words(void *words, wt_str word, uint64_t count, wt_err *err) {
    return bpe_words_add(words, word, count, err);
}

static int worker_spill(bpe_count_worker *w, wt_err *err) {
    WT_GROW(w->runs, w->cap_runs, w->n_runs + 1);
    bpe_spilled_run *r = &w->runs[w->n_runs++];
    int result = 0;
    for (unsigned range = 0; !result && range < BPE_RANGES; range++) {
        r->offset[range] = bpe_words_end(&w->spill);
        result = bpe_word_table_visit_range(&w->words, range, bpe_add_to_words, &w->spill, err);
    }
    r->offset[BPE_RANGES] = bpe_words_end(&w->spill);
    if (!result)
        result = bpe_words_flush(&w->spill, err);
    bpe_word_table_free(&w->words);          /* small again, or what it keeps would leave no room for more words */
    bpe_word_table_init(&w->words, 0);
    return result;
}

/* ---- counting ---- */
/* Room for what a batch of words of so many bytes may add; a table that may not grow goes to disk. A table that grows
 * is there twice for a moment. */
static int make_room(bpe_counter *c, bpe_count_worker *w, size_t bytes, wt_err *err) {
    bpe_word_table *t = &w->words;
    bool short_tight = bpe_short_tight(t, BATCH), long_tight = bpe_long_tight(t, BATCH);
    uint64_t after = bpe_word_table_bytes(t) + bytes + (short_tight ? 2 * sizeof(bpe_short_slot) << t->bits : 0) +
                     (long_tight ? 2 * sizeof(bpe_long_slot) << t->long_bits : 0);
    if (after > c->share && t->n + t->n_long > BATCH)
        return worker_spill(w, err);
    return short_tight ? bpe_word_table_grow(t, err) : 0;
}

/* Counts the words text[0, ends[0]), text[ends[0], ends[1]) ... The slots of a batch are fetched
 * while its last keys are made. */
static int count_batch(bpe_count_worker *w, const uint8_t *text, const uint8_t *text_end, size_t n_ends, wt_err *err) {
    bpe_word_table *t = &w->words;
    int shift = 64 - t->bits;
    size_t n_keys = 0;
    uint32_t start = 0;
    for (size_t i = 0; i < n_ends; i++) {
        const uint8_t *p = text + start;
        size_t n = w->ends[i] - start;
        start = w->ends[i];
        if (n > BPE_KEY_MAX) {
            if (n <= LONG_MAX_BYTES)
                bpe_word_table_add_long(t, (wt_str){(const char *)p, n}, 1);
            else if (bpe_giants_add(&w->giants, (wt_str){(const char *)p, n}, 1, err))
                return -1;
            continue;
        }
        bpe_key key = text_end - p >= 16 ? bpe_key_load(p, n) : bpe_key_copy(p, n);
        uint64_t hash = bpe_key_hash(key);
        __builtin_prefetch(&t->slot[hash >> shift], 1);
        w->key[n_keys] = key, w->hash[n_keys++] = hash;
    }
    for (size_t i = 0; i < n_keys; i++) {
        bpe_short_slot *s = bpe_short_find(t, w->key[i], w->hash[i]);
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

static int count_text(bpe_counter *c, bpe_count_worker *w, wt_str text, wt_err *err) {
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
    bpe_count_worker *w = c->workers[i_thread];
    if (count == 0 || word.len == 0)
        return 0;
    if (word.len > LONG_MAX_BYTES)
        return bpe_giants_add(&w->giants, word, count, err);
    return make_room(c, w, word.len, err) ? -1 : bpe_word_table_add(&w->words, word, count, err);
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

bpe_count_worker *bpe_count_worker_new(const bpe_counter *c) {
    bpe_count_worker *w = wt_xcalloc(1, sizeof *w);
    w->split = bpe_split_state_new(c->splitter);
    bpe_words_init(&w->spill, 1 << 20, c->options.temp_dir);
    bpe_giants_init(&w->giants, c->options.temp_dir);
    bpe_word_table_init(&w->words, 0);
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
        c->workers[i] = bpe_count_worker_new(c);
    return c;
}

static void worker_free(bpe_count_worker *w) {
    if (!w)
        return;
    bpe_split_state_free(w->split);
    bpe_word_table_free(&w->words);
    bpe_words_free(&w->spill);
    bpe_giants_free(&w->giants);
    free(w->runs);
    free(w);
}

void bpe_count_workers_free(bpe_counter *c) {
    for (int i = 0; i < c->threads && c->workers; i++) {
        worker_free(c->workers[i]);
        c->workers[i] = NULL;
    }
}

void bpe_counter_free(bpe_counter *c) {
    if (!c)
        return;
    bpe_count_workers_free(c);
    free(c->workers);
    bpe_words_free(&c->words);
    bpe_splitter_free(c->splitter);
    free(c->specials.item);
    free(c->special_text);
    free(c);
}

/* ---- what was counted ---- */
int bpe_counter_finish(bpe_counter *c, wt_err *err) {
    int result = wt_cluster_agree(bpe_counter_gather(c, err), err);
    return result ? result : bpe_counter_sum_ranks(c, err);
}

uint64_t bpe_counter_words(const bpe_counter *c) { return c->words.n; }
uint64_t bpe_counter_total(const bpe_counter *c) { return c->words.total; }
uint64_t bpe_counter_spilled(const bpe_counter *c) { return c->spilled; }

int bpe_counter_visit(const bpe_counter *c, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    /* entries and bytes may grow to twice what they hold */
    return bpe_words_visit_sorted(&c->words, (size_t)(c->options.memory - PROCESS_BYTES) / 3, c->options.temp_dir, visit, ctx, err);
}

bpe_words *bpe_counter_take(bpe_counter *c) { return &c->words; }
const bpe_train_options *bpe_counter_options(const bpe_counter *c) { return &c->options; }
const bpe_added_set *bpe_counter_specials(const bpe_counter *c) { return &c->specials; }
const char *bpe_counter_pattern(const bpe_counter *c) { return bpe_splitter_regex(c->splitter); }

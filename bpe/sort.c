/* sort.c - an external merge sort of counted words. As many as fit the memory are sorted at once and written as a run;
 * then up to FAN_IN runs at a time become one, until one pass can go through all that are left. Where all words
 * fit there is no run and no file. */
#include "bpe/sort.h"

#include <stdlib.h>

enum { FAN_IN = 32 };

typedef struct {
    uint64_t count;
    size_t at, len;                 /* in the block's bytes */
} entry;

typedef struct {
    wt_buf bytes;
    entry *entries;
    size_t n, cap;
} block;

typedef struct {
    uint64_t from, to;
} run;

typedef struct {
    bpe_words words;                /* of all runs, one behind the other */
    run *runs;
    size_t n, cap;
} run_list;

static int words_cmp(uint64_t count_a, wt_str a, uint64_t count_b, wt_str b) {
    if (count_a != count_b)
        return count_a > count_b ? -1 : 1;
    wt_str x = {a.ptr, a.len < BPE_PART_MAX ? a.len : BPE_PART_MAX}, y = {b.ptr, b.len < BPE_PART_MAX ? b.len : BPE_PART_MAX};
    int order = wt_str_cmp(x, y);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- words that fit the memory ---- */
static wt_str entry_text(const block *b, const entry *e) { return (wt_str){b->bytes.ptr + e->at, e->len}; }

static int entries_cmp(const void *a, const void *b, void *in) {
    const entry *x = a, *y = b;
    return words_cmp(x->count, entry_text(in, x), y->count, entry_text(in, y));
}

static int block_visit(block *b, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    if (b->n)
        qsort_r(b->entries, b->n, sizeof *b->entries, entries_cmp, b);
    for (size_t i = 0; i < b->n; i++)
        if (visit(ctx, entry_text(b, &b->entries[i]), b->entries[i].count, err))
            return -1;
    return 0;
}

static int to_words(void *words, wt_str word, uint64_t count, wt_err *err) { return bpe_words_add(words, word, count, err); }

static int block_to_run(block *b, run_list *runs, wt_err *err) {
    WT_GROW(runs->runs, runs->cap, runs->n + 1);
    run *r = &runs->runs[runs->n++];
    r->from = bpe_words_end(&runs->words);
    if (block_visit(b, to_words, &runs->words, err))
        return -1;
    r->to = bpe_words_end(&runs->words);
    wt_buf_clear(&b->bytes);
    b->n = 0;
    return 0;
}

static void block_add(block *b, const bpe_word *w) {
    if (w->at == 0) {
        WT_GROW(b->entries, b->cap, b->n + 1);
        b->entries[b->n++] = (entry){w->count, b->bytes.len, (size_t)w->len};
    }
    wt_buf_add_str(&b->bytes, w->text);
}

/* ---- runs ---- */
typedef struct {
    bpe_reader reader;
    wt_buf whole;                   /* of a word that came in parts */
    wt_str text;
    uint64_t count;
    bool ended;
} cursor;

static int cursor_next(cursor *c, wt_err *err) {
    wt_buf_clear(&c->whole);
    for (;;) {
        int more = bpe_reader_next(&c->reader, err);
        c->ended = more == 0;
        if (more <= 0)
            return more;
        const bpe_word *w = &c->reader.word;
        c->count = w->count, c->text = w->text;
        if (w->len > BPE_PART_MAX)
            wt_buf_add_str(&c->whole, w->text), c->text = wt_buf_view(&c->whole);
        if (w->last)
            return 0;
    }
}

static int merge_runs(const run_list *runs, size_t first, size_t n, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    cursor *c = wt_xcalloc(n, sizeof *c);
    int result = 0;
    for (size_t i = 0; i < n; i++)
        bpe_reader_init(&c[i].reader, &runs->words, runs->runs[first + i].from, runs->runs[first + i].to);
    for (size_t i = 0; i < n && !result; i++)
        result = cursor_next(&c[i], err);
    while (!result) {
        cursor *best = NULL;
        for (size_t i = 0; i < n; i++)
            if (!c[i].ended && (!best || words_cmp(c[i].count, c[i].text, best->count, best->text) < 0))
                best = &c[i];
        if (!best)
            break;
        result = visit(ctx, best->text, best->count, err) || cursor_next(best, err) ? -1 : 0;
    }
    for (size_t i = 0; i < n; i++) {
        bpe_reader_free(&c[i].reader);
        wt_buf_free(&c[i].whole);
    }
    free(c);
    return result;
}

/* Every FAN_IN runs become one. */
static int shorten(run_list *runs, const char *temp_dir, wt_err *err) {
    run_list fewer = {0};
    int result = 0;
    bpe_words_init(&fewer.words, 0, temp_dir);
    for (size_t i = 0; i < runs->n && !result; i += FAN_IN) {
        uint64_t from = bpe_words_end(&fewer.words);
        result = merge_runs(runs, i, runs->n - i < FAN_IN ? runs->n - i : FAN_IN, to_words, &fewer.words, err);
        WT_GROW(fewer.runs, fewer.cap, fewer.n + 1);
        fewer.runs[fewer.n++] = (run){from, bpe_words_end(&fewer.words)};
    }
    bpe_words_free(&runs->words);
    free(runs->runs);
    *runs = fewer;
    return result;
}

int bpe_words_visit_sorted(const bpe_words *words, size_t memory, const char *temp_dir, bpe_word_visitor *visit, void *ctx,
                           wt_err *err) {
    block b = {0};
    run_list runs = {0};
    bpe_reader reader;
    int more, result = 0;
    bpe_words_init(&runs.words, 0, temp_dir);
    bpe_reader_init(&reader, words, 0, bpe_words_end(words));
    while ((more = bpe_reader_next(&reader, err)) == 1) {
        const bpe_word *w = &reader.word;
        bool full = b.bytes.len + w->text.len + (b.n + 1) * sizeof(entry) > memory;
        if (full && w->at == 0 && b.n && block_to_run(&b, &runs, err)) {
            more = -1;
            break;
        }
        block_add(&b, w);
    }
    bpe_reader_free(&reader);
    if (more == 0 && runs.n == 0)
        result = block_visit(&b, visit, ctx, err);
    else if (more == 0)
        result = b.n ? block_to_run(&b, &runs, err) : 0;
    wt_buf_free(&b.bytes);
    free(b.entries);
    while (more == 0 && !result && runs.n > FAN_IN)
        result = shorten(&runs, temp_dir, err);
    if (more == 0 && !result && runs.n)
        result = merge_runs(&runs, 0, runs.n, visit, ctx, err);
    bpe_words_free(&runs.words);
    free(runs.runs);
    return more < 0 ? -1 : result;
}

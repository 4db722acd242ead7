/* stats.c - how a tokenizer does on a text. Each distinct word is encoded once and weighted by its
 * count, so a large text costs no more than its vocabulary. Special tokens are text here. */
#include "bpe/stats.h"

#include <stdio.h>
#include <stdlib.h>

#include "bpe/model.h"
#include "common/json.h"

enum { SHOWN = 10 };

typedef struct {
    bpe_stats *stats;
    const bpe_model *model;
    uint32_t *ids;
    size_t cap;
} fill;

static int fill_word(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    fill *f = ctx;
    WT_GROW(f->ids, f->cap, BPE_ROOM(word.len));
    size_t n = bpe_merge_piece(f->model, (const uint8_t *)word.ptr, word.len, f->ids);
    f->stats->words += count;
    f->stats->distinct_words++;
    f->stats->tokens += n * count;
    f->stats->whole_words += n == 1 ? count : 0;
    for (size_t i = 0; i < n; i++)
        f->stats->uses[f->ids[i]] += count;
    return 0;
}

int bpe_stats_fill(bpe_stats *stats, const bpe_model *model, const bpe_counter *counter, uint64_t bytes,
                   wt_err *err) {
    *stats = (bpe_stats){.bytes = bytes, .n_ids = bpe_vocab_size(model)};
    stats->uses = wt_xcalloc(stats->n_ids, sizeof *stats->uses);
    fill f = {stats, model, NULL, 0};
    int result = bpe_counter_visit(counter, fill_word, &f, err);
    free(f.ids);
    for (uint32_t id = 0; id < stats->n_ids; id++)
        stats->n_used += stats->uses[id] > 0;
    return result;
}

void bpe_stats_free(bpe_stats *stats) { free(stats->uses); }

/* Ids by some order of theirs. */
typedef int order(const void *a, const void *b, void *model);
static int by_length(const void *a, const void *b, void *model) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t m = bpe_token_bytes(model, x).len, n = bpe_token_bytes(model, y).len;
    return m != n ? (m > n ? -1 : 1) : (x > y) - (x < y);
}

/* The SHOWN first ids among those that occur (or do not), joined as names. */
static size_t choose(const bpe_model *m, const bpe_stats *s, bool used, uint32_t out[SHOWN]) {
    uint32_t *id = wt_xmalloc((s->n_ids + 1) * sizeof *id);
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_ids; i++)
        if (m->kind[i] == BPE_TOKEN_PLAIN && (s->uses[i] > 0) == used)
            id[n++] = i;
    if (used)
        qsort_r(id, n, sizeof *id, by_length, (void *)m);
    n = n < SHOWN ? n : SHOWN;
    memcpy(out, id, n * sizeof *id);
    free(id);
    return n;
}

static void add_names(wt_buf *out, const bpe_model *m, const uint32_t *id, size_t n) {
    for (size_t i = 0; i < n; i++) {
        wt_buf name = {0};
        bpe_bytes_to_chars(&name, bpe_token_bytes(m, id[i]));
        wt_buf_add_char(out, i ? ',' : '[');
        wt_json_add_string(out, wt_buf_view(&name));
        wt_buf_free(&name);
    }
    wt_buf_printf(out, n ? "]" : "[]");
}

static double ratio(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : 0; }

static void print_json(wt_buf *out, const char *name, const bpe_model *m, const bpe_stats *s) {
    uint32_t id[SHOWN];
    wt_buf_printf(out, "{\"tokenizer\":");
    wt_json_add_string(out, wt_str_of(name));
    wt_buf_printf(out, ",\"pattern\":");
    wt_json_add_string(out, wt_str_of(bpe_pattern(m)));
    wt_buf_printf(out, ",\"vocab_size\":%u,\"bytes\":%llu,\"words\":%llu,\"distinct_words\":%llu,\"tokens\":%llu",
                  s->n_ids, (unsigned long long)s->bytes, (unsigned long long)s->words,
                  (unsigned long long)s->distinct_words, (unsigned long long)s->tokens);
    wt_buf_printf(out, ",\"bytes_per_token\":%.4f,\"tokens_per_word\":%.4f,\"words_of_one_token\":%.4f,"
                       "\"used_ids\":%u,\"longest\":", ratio(s->bytes, s->tokens), ratio(s->tokens, s->words),
                  ratio(s->whole_words, s->words), s->n_used);
    add_names(out, m, id, choose(m, s, true, id));
    wt_buf_printf(out, ",\"unused_first\":");
    add_names(out, m, id, choose(m, s, false, id));
    wt_buf_add_char(out, '}');
}

static void print_names(wt_buf *out, const char *title, const char *const *name, bpe_model *const *model,
                        const bpe_stats *stats, size_t n, bool used) {
    for (size_t i = 0; i < n; i++) {
        uint32_t id[SHOWN];
        wt_buf_printf(out, "%s%s%s: ", title, n > 1 ? ", " : "", n > 1 ? name[i] : "");
        add_names(out, model[i], id, choose(model[i], &stats[i], used, id));
        wt_buf_add_char(out, '\n');
    }
}

static void print_table(wt_buf *out, const char *const *name, bpe_model *const *model, const bpe_stats *s,
                        size_t n) {
    static const char *const row[] = {"tokenizer", "pattern", "ids", "bytes", "words", "distinct words", "tokens",
                                      "bytes a token", "tokens a word", "words of one token", "ids that occur"};
    for (size_t r = 0; r < sizeof row / sizeof *row; r++) {
        wt_buf_printf(out, "%-20s", row[r]);
        for (size_t i = 0; i < n; i++) {
            char cell[64];
            unsigned long long count[] = {s[i].n_ids, s[i].bytes, s[i].words, s[i].distinct_words, s[i].tokens};
            if (r == 0)
                snprintf(cell, sizeof cell, "%s", strlen(name[i]) > 20 ? name[i] + strlen(name[i]) - 20 : name[i]);
            else if (r == 1)
                snprintf(cell, sizeof cell, "%.20s", bpe_pattern(model[i]));
            else if (r < 7)
                snprintf(cell, sizeof cell, "%llu", count[r - 2]);
            else if (r < 9)
                snprintf(cell, sizeof cell, "%.4f", r == 7 ? ratio(s[i].bytes, s[i].tokens) : ratio(s[i].tokens, s[i].words));
            else
                snprintf(cell, sizeof cell, "%.2f %%", 100 * (r == 9 ? ratio(s[i].whole_words, s[i].words)
                                                                      : ratio(s[i].n_used, s[i].n_ids)));
            wt_buf_printf(out, " %20s", cell);
        }
        wt_buf_add_char(out, '\n');
    }
    print_names(out, "longest in use", name, model, s, n, true);
    print_names(out, "first unused", name, model, s, n, false);
}

void bpe_stats_print(wt_buf *out, const char *const *name, bpe_model *const *model, const bpe_stats *stats,
                     size_t n, bool json) {
    if (!json) {
        print_table(out, name, model, stats, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        wt_buf_printf(out, i ? "," : "[");
        print_json(out, name[i], model[i], &stats[i]);
    }
    wt_buf_printf(out, "]\n");
}

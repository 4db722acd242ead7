/* giants.c - lists of words in files (giants.h). */
#include <stdlib.h>

#include "bpe/giants.h"
#include "common/hash.h"

void bpe_giants_init(bpe_giants *g, const char *temp_dir) {
    *g = (bpe_giants){0};
    bpe_words_init(&g->file, 1 << 20, temp_dir);
}

void bpe_giants_free(bpe_giants *g) {
    bpe_words_free(&g->file);
    free(g->giant);
}

/* Words are written and read in parts; the length of the one at `at`. */
static size_t part_bytes(uint64_t len, uint64_t at) { return len - at < BPE_PART_MAX ? (size_t)(len - at) : BPE_PART_MAX; }

int bpe_giants_add(bpe_giants *g, wt_str word, uint64_t count, wt_err *err) {
    WT_GROW(g->giant, g->cap, g->n + 1);
    g->giant[g->n++] = (bpe_giant){.hash = wt_hash64(word.ptr, word.len, 0), .len = word.len, .count = count,
                                   .at = bpe_words_end(&g->file), .file = &g->file};
    for (size_t at = 0; at < word.len; at += BPE_PART_MAX)
        if (bpe_words_part(&g->file, (wt_str){word.ptr + at, part_bytes(word.len, at)}, err))
            return -1;
    return 0;
}

static int by_hash(const void *a, const void *b) {
    const bpe_giant *x = a, *y = b;
    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : (x->len > y->len) - (x->len < y->len);
}

/* buf: room for two parts. */
static int differ(const bpe_giant *a, const bpe_giant *b, char *buf, bool *result, wt_err *err) {
    *result = a->hash != b->hash || a->len != b->len;
    for (uint64_t at = 0; at < a->len && !*result; at += BPE_PART_MAX) {
        size_t n = part_bytes(a->len, at);
        if (bpe_words_bytes(a->file, a->at + at, buf, n, err) ||
            bpe_words_bytes(b->file, b->at + at, buf + BPE_PART_MAX, n, err))
            return -1;
        *result = memcmp(buf, buf + BPE_PART_MAX, n) != 0;
    }
    return 0;
}

static int copy(bpe_words *to, const bpe_giant *g, char *buf, wt_err *err) {
    if (bpe_words_begin(to, g->len, g->count, err))
        return -1;
    for (uint64_t at = 0; at < g->len; at += BPE_PART_MAX) {
        size_t n = part_bytes(g->len, at);
        if (bpe_words_bytes(g->file, g->at + at, buf, n, err) || bpe_words_part(to, (wt_str){buf, n}, err))
            return -1;
    }
    return 0;
}

/* Sums those that are equal into the first of them; the others' counts become 0. */
static int sum_equal(bpe_giant *g, size_t n, char *buf, wt_err *err) {
    qsort(g, n, sizeof *g, by_hash);
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; g[i].count && k < n && g[k].hash == g[i].hash; k++) {
            bool other = g[k].count == 0;
            if (!other && differ(&g[i], &g[k], buf, &other, err))
                return -1;
            if (!other)
                g[i].count += g[k].count, g[k].count = 0;
        }
    return 0;
}

int bpe_giants_write(bpe_giants *const *lists, size_t n_lists, bpe_words *out, wt_err *err) {
    bpe_giant *all = NULL;
    size_t n = 0, cap = 0;
    int result = 0;
    for (size_t i = 0; i < n_lists && !result; i++) {
        bpe_giants *g = lists[i];
        for (size_t k = 0; k < g->n; k++) {
            WT_GROW(all, cap, n + 1);
            all[n++] = g->giant[k];
        }
        result = g->n ? bpe_words_flush(&g->file, err) : 0;
    }
    if (n && !result) {
        char *buf = wt_xmalloc(2 * BPE_PART_MAX);
        result = sum_equal(all, n, buf, err);
        for (size_t i = 0; i < n && !result; i++)
            result = all[i].count ? copy(out, &all[i], buf, err) : 0;
        free(buf);
    }
    free(all);
    return result;
}

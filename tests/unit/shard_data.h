/* shard_data.h - datasets for the tests of shard/: documents of random bytes and a tokenizer that gives
 * each byte an id, so that the expected stream is known without the code under test. */
#ifndef WT_TESTS_SHARD_DATA_H
#define WT_TESTS_SHARD_DATA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "common/rng.h"
#include "common/tool.h"
#include "shard/format.h"

/* ids are byte * spread, the end of text is vocab - 1. */
typedef struct {
    uint32_t spread;
} byte_tokenizer;

static int byte_encode(void *ctx, int i_thread, wt_str text, uint32_t **tokens, size_t *n, size_t *cap,
                       wt_err *err) {
    const byte_tokenizer *t = ctx;
    (void)i_thread;
    (void)err;
    WT_GROW(*tokens, *cap, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        (*tokens)[i] = (uint8_t)text.ptr[i] * t->spread;
    *n = text.len;
    return 0;
}

static byte_tokenizer narrow = {1};
__attribute__((unused)) static byte_tokenizer wide = {270};

static shard_write_options byte_options(byte_tokenizer *t) {
    shard_write_options o = {.encode = byte_encode, .ctx = t, .val_fraction = 0.1,
                             .shard_tokens = 100000, .shuffle = true, .threads = 2};
    o.tokenizer.vocab = 255 * t->spread + 2;
    o.tokenizer.eot = o.tokenizer.vocab - 1;
    snprintf(o.tokenizer.name, sizeof o.tokenizer.name, "bytes");
    memset(o.tokenizer.sha256, (int)t->spread, 32);
    return o;
}

/* n documents "doc-I" of random letters, 1 to max_bytes long; text[i] is the text. */
typedef struct {
    size_t n;
    char **text;
} documents;

static documents documents_new(size_t n, size_t max_bytes, uint64_t seed) {
    documents d = {n, wt_xcalloc(n, sizeof *d.text)};
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++) {
        size_t bytes = 1 + wt_rng_below(&rng, max_bytes);
        d.text[i] = wt_xcalloc(bytes + 1, 1);
        for (size_t k = 0; k < bytes; k++)
            d.text[i][k] = (char)('a' + wt_rng_below(&rng, 1 + wt_rng_below(&rng, 26)));
    }
    return d;
}

static void documents_free(documents *d) {
    for (size_t i = 0; i < d->n; i++)
        free(d->text[i]);
    free(d->text);
}

static void documents_write(const documents *d, const char *path) {
    wt_buf b = {0};
    for (size_t i = 0; i < d->n; i++)
        wt_buf_printf(&b, "{\"id\":\"doc-%zu\",\"text\":\"%s\"}\n", i, d->text[i]);
    assert_int_equal(wt_write_file(path, wt_buf_view(&b), NULL), 0);
    wt_buf_free(&b);
}

static void must(int result, const wt_err *err) {
    if (result)
        fail_msg("%s", err->text);
}

static void dataset_write(const char *dir, const char *input, const shard_write_options *o) {
    wt_paths inputs = {0};
    wt_err err = {0};
    must(wt_paths_add(&inputs, input, NULL, &err), &err);
    must(shard_write(dir, &inputs, o, &err), &err);
    wt_paths_free(&inputs);
}

static inline shard_set *set_of(const char *dir, const char *split) {
    wt_err err = {0};
    shard_set *set = shard_set_open(dir, split, &err);
    if (!set)
        fail_msg("%s", err.text);
    return set;
}

static inline uint32_t *set_all(shard_set *set) {
    wt_err err = {0};
    uint64_t n = shard_set_tokens(set);
    uint32_t *tokens = wt_xmalloc((n + 1) * 4);
    must(shard_set_read(set, 0, n, tokens, &err), &err);
    return tokens;
}

#endif

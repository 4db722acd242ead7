/* bpe_encode.c - ids against tiktoken's (tests/ref/bpe_goldens.h, with GPT-2's vocabulary from
 * $WT_SHARED), against a naive twin on learned vocabularies, and decode as the exact inverse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "bpe/model.h"
#include "common/fs.h"
#include "common/rng.h"
#include "tests/ref/bpe_goldens.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static bpe_model *gpt2(void) {
    const char *shared = getenv("WT_SHARED") ? getenv("WT_SHARED") : "../shared";
    char *path = wt_path_join(shared, "gpt2");
    bpe_model *m = wt_exists(path) ? bpe_model_load(path, NULL, NULL) : NULL;
    free(path);
    return m;
}

static void sentence(wt_buf *out, int n, uint64_t seed) {
    for (int i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        wt_buf_add_str(out, wt_str_of(golden_pieces[(seed >> 33) % COUNT_OF(golden_pieces)]));
    }
}

static bpe_model *learned(const char *pattern, uint32_t vocab) {
    wt_err err = {0};
    wt_buf text = {0};
    wt_str eot[] = {WT_STR("<|endoftext|>"), WT_STR("<|end|>"), WT_STR("<|end of|>")};
    sentence(&text, 5000, vocab);
    bpe_train_options o = {.vocab_size = vocab, .pattern = pattern, .threads = 1, .specials = eot, .n_specials = 3};
    bpe_counter *c = bpe_counter_new(&o, &err);
    assert_int_equal(bpe_counter_add(c, 0, wt_buf_view(&text), &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    assert_non_null(m);
    bpe_counter_free(c);
    wt_buf_free(&text);
    return m;
}

static uint32_t *encode(bpe_encoder *e, wt_str text, bpe_special special, size_t *n) {
    wt_err err = {0};
    /* an exact copy and exact room, so that reading or writing beyond is seen */
    char *exact = malloc(text.len + 1);
    memcpy(exact, text.ptr, text.len);
    uint32_t *ids = malloc(BPE_ROOM(text.len) * sizeof *ids);
    ptrdiff_t got = bpe_encode(e, (wt_str){exact, text.len}, special, ids, &err);
    assert_true(got >= 0);
    *n = (size_t)got;
    free(exact);
    return ids;
}

static void ids_are_tiktokens(void **state) {
    bpe_model *m = gpt2();
    if (!m) {
        print_message("# skipped: no GPT-2 vocabulary in ../shared\n");
        return;
    }
    assert_int_equal(bpe_vocab_size(m), 50257);
    assert_int_equal(bpe_end_of_text(m), 50256);
    bpe_encoder *e = bpe_encoder_new(m, 0);
    for (int round = 0; round < 2; round++)     /* the second from the cache */
        for (size_t i = 0; i < COUNT_OF(golden_ids); i++) {
            size_t n;
            uint32_t *ids = encode(e, wt_str_of(golden_ids[i].text), BPE_SPECIAL_NONE, &n);
            assert_int_equal(n, golden_ids[i].n);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(ids[k], golden_ids[i].ids[k]);
            free(ids);
        }
    bpe_encoder_free(e);
    bpe_model_free(m);
}

/* ---- the naive twin: lowest rank, leftmost, until none is left ---- */
static size_t twin_piece(const bpe_model *m, const uint8_t *p, size_t n, uint32_t *ids) {
    for (size_t i = 0; i < n; i++)
        ids[i] = bpe_token_id(m, (wt_str){(const char *)p + i, 1});
    for (;;) {
        uint32_t best = UINT32_MAX, best_result = 0;
        size_t best_at = 0;
        for (size_t i = 0; i + 1 < n; i++)
            for (uint32_t k = 0; k < m->n_merges; k++)
                if (m->merge[k].left == ids[i] && m->merge[k].right == ids[i + 1] && k < best)
                    best = k, best_at = i, best_result = m->merge[k].result;
        if (best == UINT32_MAX)
            return n;
        ids[best_at] = best_result;
        memmove(ids + best_at + 1, ids + best_at + 2, (n - best_at - 2) * sizeof *ids);
        n--;
    }
}

static size_t twin_encode(const bpe_model *m, wt_str text, uint32_t *ids) {
    size_t n = 0;
    bpe_split_kind kind = bpe_splitter_kind(m->splitter);
    for (size_t at = 0; at < text.len;) {
        size_t end = bpe_split_plain(kind, (const uint8_t *)text.ptr, text.len, at);
        n += twin_piece(m, (const uint8_t *)text.ptr + at, end - at, ids + n);
        at = end;
    }
    return n;
}

static void random_bytes(wt_buf *out, wt_rng *rng, size_t n) {
    wt_buf_clear(out);
    while (out->len < n) {
        if (wt_rng_below(rng, 3) == 0)
            wt_buf_add_char(out, (char)wt_rng_u64(rng));
        else if (wt_rng_below(rng, 12) == 0)
            for (uint64_t k = wt_rng_below(rng, 90); k; k--)
                wt_buf_add_char(out, "ae^ \n"[wt_rng_below(rng, 5)]);
        else
            wt_buf_add_str(out, wt_str_of(golden_pieces[wt_rng_below(rng, COUNT_OF(golden_pieces))]));
    }
}

static void equals_the_twin_and_comes_back(void **state) {
    static const char *const pattern[] = {"gpt2", "cl100k", "o200k"};
    wt_rng rng;
    wt_rng_init(&rng, 7, 0);
    for (int k = 0; k < 3; k++) {
        bpe_model *m = learned(pattern[k], 500);
        bpe_encoder *e = bpe_encoder_new(m, 1 << 16);       /* a small cache that overflows */
        wt_buf text = {0}, back = {0};
        wt_err err = {0};
        for (int i = 0; i < 150; i++) {
            size_t n, n_twin;
            random_bytes(&text, &rng, wt_rng_below(&rng, i % 10 ? 200 : 3000));
            uint32_t *ids = encode(e, wt_buf_view(&text), BPE_SPECIAL_NONE, &n);
            uint32_t *twin = malloc((text.len + 1) * sizeof *twin);
            n_twin = twin_encode(m, wt_buf_view(&text), twin);
            assert_int_equal(n, n_twin);
            assert_memory_equal(ids, twin, n * sizeof *ids);
            uint16_t *narrow = malloc(BPE_ROOM(text.len) * sizeof *narrow);
            assert_int_equal(bpe_encode_u16(e, wt_buf_view(&text), BPE_SPECIAL_NONE, narrow, &err), n);
            for (size_t x = 0; x < n; x++)
                assert_int_equal(narrow[x], ids[x]);
            wt_buf_clear(&back);
            assert_int_equal(bpe_decode(m, ids, n, &back, &err), 0);
            assert_int_equal(back.len, text.len);
            assert_memory_equal(back.ptr ? back.ptr : "", text.ptr ? text.ptr : "", text.len);
            free(ids);
            free(twin);
            free(narrow);
        }
        wt_buf_free(&text);
        wt_buf_free(&back);
        bpe_encoder_free(e);
        bpe_model_free(m);
    }
}

/* The register kernel against the plain loop, where this processor has it. */
static void words_merge_the_same_with_vectors(void **state) {
    bpe_model *m = learned("gpt2", 900);
    bool avx512 = m->avx512;
    wt_rng rng;
    wt_rng_init(&rng, 11, 0);
    wt_buf text = {0};
    for (int i = 0; i < 40000; i++) {
        uint32_t ids[64], plain[64];
        random_bytes(&text, &rng, 40);
        const uint8_t *word = (const uint8_t *)text.ptr + wt_rng_below(&rng, 16);
        size_t n = 1 + wt_rng_below(&rng, 16);
        m->avx512 = avx512;
        size_t n_ids = bpe_merge_piece(m, word, n, ids);
        m->avx512 = false;
        assert_int_equal(n_ids, bpe_merge_piece(m, word, n, plain));
        assert_memory_equal(ids, plain, n_ids * sizeof *ids);
    }
    wt_buf_free(&text);
    bpe_model_free(m);
}

static void specials_leftmost_then_longest(void **state) {
    bpe_model *m = learned("gpt2", 400);
    bpe_encoder *e = bpe_encoder_new(m, 0);
    uint32_t eot = bpe_end_of_text(m), end = bpe_token_id(m, WT_STR("<|end|>")), of = bpe_token_id(m, WT_STR("<|end of|>"));
    size_t n, n_text;
    uint32_t *ids = encode(e, WT_STR("<|end|><|endoftext|><|end of|><|end"), BPE_SPECIAL_ALL, &n);
    assert_int_equal(ids[0], end);
    assert_int_equal(ids[1], eot);
    assert_int_equal(ids[2], of);
    uint32_t *text = encode(e, WT_STR("<|end"), BPE_SPECIAL_NONE, &n_text);
    assert_int_equal(n, 3 + n_text);
    assert_memory_equal(ids + 3, text, n_text * sizeof *ids);
    free(ids);
    free(text);
    ids = encode(e, WT_STR("<|endoftext|>"), BPE_SPECIAL_NONE, &n);
    assert_true(n > 1);
    for (size_t i = 0; i < n; i++)
        assert_false(bpe_token_is_special(m, ids[i]));
    assert_true(bpe_token_is_special(m, eot));
    free(ids);
    bpe_encoder_free(e);
    bpe_model_free(m);
}

static void parts_are_the_whole(void **state) {
    static const char *const pattern[] = {"gpt2", "cl100k", "o200k"};
    wt_rng rng;
    wt_rng_init(&rng, 8, 0);
    unsigned n_cuts = 0;
    for (int k = 0; k < 3; k++) {
        bpe_model *m = learned(pattern[k], 450);
        bpe_encoder *e = bpe_encoder_new(m, 0);
        wt_buf text = {0};
        for (int i = 0; i < 300; i++) {
            size_t n, n_a, n_b;
            random_bytes(&text, &rng, 300);
            wt_buf_add_str(&text, WT_STR(" a <|end of|> b <|end of"));
            wt_str all = wt_buf_view(&text);
            all.len -= wt_rng_below(&rng, 30);
            size_t cut = bpe_cut(m, all, BPE_SPECIAL_ALL);
            n_cuts += cut > 0;
            uint32_t *ids = encode(e, wt_buf_view(&text), BPE_SPECIAL_ALL, &n);
            uint32_t *a = encode(e, (wt_str){text.ptr, cut}, BPE_SPECIAL_ALL, &n_a);
            uint32_t *b = encode(e, (wt_str){text.ptr + cut, text.len - cut}, BPE_SPECIAL_ALL, &n_b);
            assert_int_equal(n, n_a + n_b);
            assert_memory_equal(ids, a, n_a * sizeof *ids);
            assert_memory_equal(ids + n_a, b, n_b * sizeof *ids);
            free(ids);
            free(a);
            free(b);
        }
        wt_buf_free(&text);
        bpe_encoder_free(e);
        bpe_model_free(m);
    }
    assert_true(n_cuts > 500);
}

/* Quadratic work on a million characters would take hours; this ends. */
static void hostile_texts_end(void **state) {
    bpe_model *m = learned("gpt2", 600);
    bpe_encoder *e = bpe_encoder_new(m, 0);
    static const char *const unit[] = {"^", "\xE4\xB8\xAD\xE6\x96\x87", "a", " ", "'s", "\xFF", "aab"};
    for (size_t k = 0; k < COUNT_OF(unit); k++) {
        wt_buf text = {0}, back = {0};
        wt_err err = {0};
        for (int i = 0; i < 300000; i++)
            wt_buf_add_str(&text, wt_str_of(unit[k]));
        size_t n;
        uint32_t *ids = encode(e, wt_buf_view(&text), BPE_SPECIAL_NONE, &n);
        assert_int_equal(bpe_decode(m, ids, n, &back, &err), 0);
        assert_int_equal(back.len, text.len);
        assert_memory_equal(back.ptr, text.ptr, text.len);
        free(ids);
        wt_buf_free(&text);
        wt_buf_free(&back);
    }
    bpe_encoder_free(e);
    bpe_model_free(m);
}

static void unknown_ids_are_named_with_their_place(void **state) {
    bpe_model *m = learned("gpt2", 300);
    wt_buf out = {0};
    wt_err err = {0};
    uint32_t ids[] = {65, 66, 300, 67};
    assert_int_equal(bpe_decode(m, ids, 4, &out, &err), -1);
    assert_int_equal(err.code, WT_EDATA);
    assert_non_null(strstr(err.text, "id 300 at position 2"));
    assert_int_equal(out.len, 2);
    assert_null(bpe_token_bytes(m, 300).ptr);
    assert_int_equal(bpe_decode(m, ids, 0, &out, &err), 0);
    wt_buf_free(&out);
    bpe_model_free(m);
}

typedef struct {
    const bpe_model *model;
    wt_str text;
    uint32_t *ids;
    size_t n;
} thread_job;

static void *encode_in_thread(void *argument) {
    thread_job *j = argument;
    bpe_encoder *e = bpe_encoder_new(j->model, 0);
    for (int i = 0; i < 5; i++) {
        free(j->ids);
        j->ids = encode(e, j->text, BPE_SPECIAL_ALL, &j->n);
    }
    bpe_encoder_free(e);
    return NULL;
}

static void one_model_serves_many_threads(void **state) {
    bpe_model *m = learned("gpt2", 500);
    wt_buf text = {0};
    sentence(&text, 20000, 3);
    thread_job job[4];
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) {
        job[i] = (thread_job){m, wt_buf_view(&text), NULL, 0};
        assert_int_equal(pthread_create(&thread[i], NULL, encode_in_thread, &job[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(thread[i], NULL);
    for (int i = 1; i < 4; i++) {
        assert_int_equal(job[i].n, job[0].n);
        assert_memory_equal(job[i].ids, job[0].ids, job[0].n * sizeof(uint32_t));
    }
    for (int i = 0; i < 4; i++)
        free(job[i].ids);
    wt_buf_free(&text);
    bpe_model_free(m);
}

/* ---- encoders that share their words ---- */
enum { PARTS = 60 };

typedef struct {
    bpe_encoder *encoder;
    const wt_str *part;
    uint32_t *const *ids;           /* what one encoder alone makes of each part */
    const size_t *n;
    int first, n_wrong;             /* each thread begins elsewhere, so that each has words to add */
} share_job;

static void *encode_parts(void *argument) {
    share_job *j = argument;
    for (int k = 0; k < 2 * PARTS; k++) {
        int i = (j->first + k) % PARTS;
        size_t n;
        uint32_t *ids = encode(j->encoder, j->part[i], BPE_SPECIAL_NONE, &n);
        j->n_wrong += n != j->n[i] || memcmp(ids, j->ids[i], n * sizeof *ids);
        free(ids);
    }
    bpe_encoder_free(j->encoder);   /* in any order, while others go on */
    return NULL;
}

/* New words, short and long, and more of them than a small table holds: it grows, and begins anew. */
static void new_words(wt_buf *out, wt_rng *rng, int n) {
    static const char *const syllable[] = {"ka", "st", "re", "on", "mi", "ung", "xq", "\xC3\xA4", "th", "zz"};
    for (int i = 0; i < n; i++) {
        wt_buf_add_char(out, ' ');
        for (uint64_t k = 1 + wt_rng_below(rng, i % 16 ? 5 : 30); k; k--)
            wt_buf_add_str(out, wt_str_of(syllable[wt_rng_below(rng, COUNT_OF(syllable))]));
    }
}

static void encoders_share_their_words(void **state) {
    static const size_t cache_bytes[] = {1 << 16, 1 << 18, 0};
    wt_rng rng;
    wt_rng_init(&rng, 13, 0);
    bpe_model *m = learned("gpt2", 500);
    wt_buf text[PARTS] = {{0}};
    wt_str part[PARTS];
    uint32_t *ids[PARTS];
    size_t n[PARTS];
    bpe_encoder *alone = bpe_encoder_new(m, 0);
    for (int i = 0; i < PARTS; i++) {
        new_words(&text[i], &rng, 1500);
        part[i] = wt_buf_view(&text[i]);
        ids[i] = encode(alone, part[i], BPE_SPECIAL_NONE, &n[i]);
    }
    uint32_t *twin = malloc((part[0].len + 1) * sizeof *twin);
    assert_int_equal(twin_encode(m, part[0], twin), n[0]);
    assert_memory_equal(twin, ids[0], n[0] * sizeof *twin);
    free(twin);
    for (size_t c = 0; c < COUNT_OF(cache_bytes); c++)
        for (int threads = 1; threads <= 4; threads++) {
            share_job job[4];
            pthread_t thread[4];
            for (int t = 0; t < threads; t++)
                job[t] = (share_job){t ? bpe_encoder_share(job[0].encoder) : bpe_encoder_new(m, cache_bytes[c]),
                                     part, ids, n, t * PARTS / threads, 0};
            for (int t = 0; t < threads; t++)
                assert_int_equal(pthread_create(&thread[t], NULL, encode_parts, &job[t]), 0);
            for (int t = 0; t < threads; t++) {
                pthread_join(thread[t], NULL);
                assert_int_equal(job[t].n_wrong, 0);
            }
        }
    for (int i = 0; i < PARTS; i++) {
        wt_buf_free(&text[i]);
        free(ids[i]);
    }
    bpe_encoder_free(alone);
    bpe_model_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_tiktokens), cmocka_unit_test(equals_the_twin_and_comes_back),
        cmocka_unit_test(words_merge_the_same_with_vectors),
        cmocka_unit_test(specials_leftmost_then_longest), cmocka_unit_test(parts_are_the_whole),
        cmocka_unit_test(hostile_texts_end), cmocka_unit_test(unknown_ids_are_named_with_their_place),
        cmocka_unit_test(one_model_serves_many_threads), cmocka_unit_test(encoders_share_their_words),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

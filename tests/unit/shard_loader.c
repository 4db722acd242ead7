/* Reading and sampling: the stream against the documents that were written, every window once an
 * epoch, and the same samples for any thread count, cache, prefetch and place to resume. */
#include "shard_data.h"

#include <pthread.h>

/* The stream holds each document once, whole, with its end-of-text id, in one of the splits. */
static void every_document_once(byte_tokenizer *t, int token_bytes) {
    documents d = documents_new(400, 3000, 1);
    documents_write(&d, "docs.jsonl");
    wt_remove_tree("set", NULL);
    shard_write_options o = byte_options(t);
    o.token_bytes = token_bytes;
    dataset_write("set", "docs.jsonl", &o);
    bool *seen = wt_xcalloc(d.n, sizeof *seen);
    uint64_t n_docs = 0;
    for (int split = 0; split < 2; split++) {
        shard_set *set = set_of("set", SHARD_SPLIT_NAME[split]);
        uint32_t *tokens = set_all(set);
        for (uint64_t i = 0; i < shard_set_docs(set); i++) {
            shard_doc doc;
            wt_err err = {0};
            must(shard_set_doc(set, i, &doc, &err), &err);
            size_t number = doc.i_record, bytes = strlen(d.text[number]);
            char id[32];
            assert_true(number < d.n);
            assert_false(seen[number]);
            seen[number] = true;
            snprintf(id, sizeof id, "doc-%zu", number);
            assert_true(doc.id_hash == wt_hash64(id, strlen(id), 0));
            assert_int_equal(doc.n_tokens, bytes + 1);
            for (size_t k = 0; k < bytes; k++)
                assert_int_equal(tokens[doc.first + k], (uint8_t)d.text[number][k] * t->spread);
            assert_int_equal(tokens[doc.first + bytes], o.tokenizer.eot);
            n_docs++;
        }
        free(tokens);
        shard_set_close(set);
    }
    assert_int_equal(n_docs, d.n);
    free(seen);
    documents_free(&d);
}

static void documents_narrow(void **state) { every_document_once(&narrow, 0); }
static void documents_wide(void **state) { every_document_once(&wide, 0); }
static void documents_three_bytes(void **state) { every_document_once(&wide, 3); }

/* A dataset that the following tests share. */
static int dataset_setup(void **state) {
    documents d = documents_new(600, 4000, 2);
    shard_write_options o = byte_options(&narrow);
    wt_remove_tree("big", NULL);
    documents_write(&d, "big.jsonl");
    dataset_write("big", "big.jsonl", &o);
    documents_free(&d);
    return 0;
}

static void ranges_equal_the_stream(void **state) {
    shard_set *set = set_of("big", "train");
    uint32_t *all = set_all(set), part[5000];
    uint64_t n = shard_set_tokens(set);
    wt_rng rng;
    wt_err err = {0};
    wt_rng_init(&rng, 3, 0);
    assert_true(n > 1000000);
    shard_set_cache(set, 1);                    /* the least: frames come and go */
    for (int i = 0; i < 3000; i++) {
        size_t len = wt_rng_below(&rng, 5000);
        uint64_t first = wt_rng_below(&rng, n - len + 1);
        must(shard_set_read(set, first, len, part, &err), &err);
        assert_memory_equal(part, all + first, 4 * len);
    }
    assert_int_equal(shard_set_read(set, n - 3, 4, part, &err), -1);
    assert_int_equal(err.code, WT_EARG);
    assert_int_equal(shard_set_read(set, UINT64_MAX - 1, 4, part, &err), -1);
    free(all);
    shard_set_close(set);
}

static void document_starts_equal_the_table(void **state) {
    shard_set *set = set_of("big", "train");
    uint64_t n = shard_set_tokens(set), n_docs = shard_set_docs(set);
    bool *starts = wt_xcalloc(n, 1);
    wt_err err = {0};
    for (uint64_t i = 0; i < n_docs; i++) {
        shard_doc doc;
        must(shard_set_doc(set, i, &doc, &err), &err);
        starts[doc.first] = true;
    }
    wt_rng rng;
    wt_rng_init(&rng, 4, 0);
    for (int i = 0; i < 500; i++) {
        uint32_t offset[9000];
        size_t len = wt_rng_below(&rng, 9000), n_offsets, want = 0;
        uint64_t first = wt_rng_below(&rng, n - len + 1);
        must(shard_set_doc_starts(set, first, len, offset, &n_offsets, &err), &err);
        for (size_t k = 0; k < len; k++)
            if (starts[first + k])
                assert_int_equal(offset[want++], k);
        assert_int_equal(want, n_offsets);
    }
    free(starts);
    shard_set_close(set);
}

static void each_window_once_an_epoch(void **state) {
    shard_set *set = set_of("big", "train");
    wt_err err = {0};
    for (size_t T = 7; T < 3000; T = T * 5 + 1) {
        shard_loader *loader = shard_loader_new(set, T, 11, NULL, &err);
        uint64_t W = shard_loader_windows(loader), same_place = 0;
        assert_int_equal(W, (shard_set_tokens(set) - 1) / T);
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            bool *seen = wt_xcalloc(W, 1);
            for (uint64_t i = 0; i < W; i++) {
                uint64_t first = shard_loader_first(loader, epoch * W + i);
                assert_int_equal(first % T, 0);
                assert_false(seen[first / T]);
                seen[first / T] = true;
                same_place += epoch && first == shard_loader_first(loader, i);
            }
            free(seen);
        }
        assert_true(same_place < 30);           /* two a pair of epochs by chance */
        shard_loader_free(loader);
    }
    shard_set_close(set);
}

static void seeds_give_other_orders(void **state) {
    shard_set *set = set_of("big", "train");
    shard_loader *a = shard_loader_new(set, 64, 1, NULL, NULL);
    shard_loader *b = shard_loader_new(set, 64, 2, NULL, NULL);
    shard_loader *c = shard_loader_new(set, 64, 1, NULL, NULL);
    int same = 0;
    for (uint64_t i = 0; i < 1000; i++) {
        same += shard_loader_first(a, i) == shard_loader_first(b, i);
        assert_true(shard_loader_first(a, i) == shard_loader_first(c, i));
    }
    assert_true(same < 10);
    shard_loader_free(a);
    shard_loader_free(b);
    shard_loader_free(c);
    shard_set_close(set);
}

static void sequential_windows_follow(void **state) {
    shard_set *set = set_of("big", "val");
    shard_loader_options o = {.order = SHARD_SEQUENTIAL};
    shard_loader *loader = shard_loader_new(set, 100, 9, &o, NULL);
    uint32_t *all = set_all(set), window[101];
    for (uint64_t i = 0; i < shard_loader_windows(loader); i++) {
        assert_int_equal(shard_loader_get(loader, i, window, NULL), 0);
        assert_memory_equal(window, all + 100 * i, sizeof window);
    }
    free(all);
    shard_loader_free(loader);
    shard_set_close(set);
}

/* ---- the same samples however they are asked for ---- */
enum { T_TEST = 128, SAMPLES = 4000 };

typedef struct {
    shard_loader *loader;
    int rank, ranks;
    uint64_t *hash;             /* of each sample */
} rank_work;

static void *rank_run(void *arg) {
    rank_work *w = arg;
    uint32_t window[T_TEST + 1];
    enum { AHEAD = 16 };
    for (uint64_t i = (uint64_t)w->rank; i < SAMPLES; i += (uint64_t)w->ranks) {
        shard_loader_expect(w->loader, i, (uint64_t)w->ranks, AHEAD);
        if (shard_loader_get(w->loader, i, window, NULL))
            abort();
        w->hash[i] = wt_hash64(window, sizeof window, i);
    }
    return NULL;
}

static void samples_hash(int ranks, int prefetch, size_t cache, uint64_t *hash) {
    shard_set *set = set_of("big", "train");
    shard_loader_options o = {.prefetch_threads = prefetch, .prefetch_windows = 64};
    rank_work work[8];
    pthread_t thread[8];
    shard_set_cache(set, cache);
    shard_loader *loader = shard_loader_new(set, T_TEST, 77, &o, NULL);
    for (int r = 0; r < ranks; r++) {
        work[r] = (rank_work){loader, r, ranks, hash};
        pthread_create(&thread[r], NULL, rank_run, &work[r]);
    }
    for (int r = 0; r < ranks; r++)
        pthread_join(thread[r], NULL);
    shard_loader_free(loader);
    shard_set_close(set);
}

static void samples_do_not_depend_on_threads(void **state) {
    static uint64_t want[SAMPLES], got[SAMPLES];
    samples_hash(1, 0, (size_t)64 << 20, want);
    for (int ranks = 1; ranks <= 8; ranks += 3)
        for (int prefetch = 0; prefetch <= 2; prefetch++) {
            memset(got, 0, sizeof got);
            samples_hash(ranks, prefetch, prefetch == 1 ? 1 : (size_t)1 << 20, got);
            assert_memory_equal(got, want, sizeof want);
        }
}

static void resuming_is_going_on(void **state) {
    static uint64_t want[SAMPLES];
    samples_hash(1, 0, (size_t)64 << 20, want);
    wt_rng rng;
    wt_rng_init(&rng, 5, 0);
    for (int kill = 0; kill < 50; kill++) {
        shard_set *set = set_of("big", "train");
        shard_loader *loader = shard_loader_new(set, T_TEST, 77, NULL, NULL);
        uint64_t i = wt_rng_below(&rng, SAMPLES - 10);
        uint32_t window[T_TEST + 1];
        for (uint64_t end = i + 10; i < end; i++) {
            assert_int_equal(shard_loader_get(loader, i, window, NULL), 0);
            assert_true(wt_hash64(window, sizeof window, i) == want[i]);
        }
        shard_loader_free(loader);
        shard_set_close(set);
    }
}

static void a_wish_that_nobody_fetches_harms_nothing(void **state) {
    shard_set *set = set_of("big", "train");
    shard_loader_options o = {.prefetch_threads = 2, .prefetch_windows = 8};
    shard_loader *loader = shard_loader_new(set, 64, 1, &o, NULL);
    uint32_t a[65], b[65];
    for (uint64_t i = 0; i < 200; i++) {
        shard_loader_expect(loader, i * 7, 3, 20);
        assert_int_equal(shard_loader_get(loader, i, a, NULL), 0);
        assert_int_equal(shard_set_read(set, shard_loader_first(loader, i), 65, b, NULL), 0);
        assert_memory_equal(a, b, sizeof a);
    }
    shard_loader_free(loader);
    shard_set_close(set);
}

static void too_few_tokens_is_said(void **state) {
    shard_set *set = set_of("big", "val");
    wt_err err = {0};
    assert_null(shard_loader_new(set, shard_set_tokens(set), 1, NULL, &err));
    assert_int_equal(err.code, WT_EARG);
    assert_null(shard_loader_new(set, 0, 1, NULL, &err));
    shard_set_close(set);
    assert_null(shard_set_open("big", "test", &err));
    assert_int_equal(err.code, WT_EARG);
    assert_null(shard_set_open("nothing", "train", &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_narrow),
        cmocka_unit_test(documents_wide),
        cmocka_unit_test(documents_three_bytes),
        cmocka_unit_test(ranges_equal_the_stream),
        cmocka_unit_test(document_starts_equal_the_table),
        cmocka_unit_test(each_window_once_an_epoch),
        cmocka_unit_test(seeds_give_other_orders),
        cmocka_unit_test(sequential_windows_follow),
        cmocka_unit_test(samples_do_not_depend_on_threads),
        cmocka_unit_test(resuming_is_going_on),
        cmocka_unit_test(a_wish_that_nobody_fetches_harms_nothing),
        cmocka_unit_test(too_few_tokens_is_said),
    };
    return cmocka_run_group_tests(tests, dataset_setup, NULL);
}

/* dedup_bloom.c - properties of the Bloom filter. Oracles: Parquet's published table of bits a key,
 * naive twins with a byte a bit, the formula for the rate, and the union of key sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/rng.h"
#include "dedup/bloom_impl.h"

static const bloom_variant ALL[] = {BLOOM_SPLIT256, BLOOM_BLOCK512, BLOOM_TWO_LINE, BLOOM_CLASSIC};

static bloom *filter(bloom_variant v, uint64_t capacity, double rate) {
    wt_err err = {0};
    bloom *b = bloom_new_with(
        &(bloom_config){.capacity = capacity, .fp_rate = rate, .variant = v, .keys = "test"}, &err);
    if (!b) fail_msg("%s", err.text);
    return b;
}

static uint64_t *random_keys(size_t n, uint64_t stream) {
    uint64_t *keys = malloc(n * sizeof *keys);
    wt_rng rng;
    wt_rng_init(&rng, 1, stream);
    for (size_t i = 0; i < n; i++) keys[i] = wt_rng_u64(&rng);
    return keys;
}

/* BloomFilter.md of the Parquet format states these bits a key for split blocks. */
static void sizes_match_the_published_table(void **state) {
    static const struct { double rate, bits; } table[] = {
        {0.1, 6.0}, {0.01, 10.5}, {0.001, 16.9}, {0.0001, 26.4}, {0.00001, 41.0}};
    for (size_t i = 0; i < 5; i++) {
        bloom_plan plan;
        assert_int_equal(bloom_plan_make(BLOOM_SPLIT256, 10000000, table[i].rate, &plan, NULL), 0);
        assert_true(fabs(plan.bits_per_key - table[i].bits) < 0.12);
    }
    /* classic: least bits for k = 27 at 1e-8 are 38.3432 a key, by hand. */
    bloom_plan classic, two;
    assert_int_equal(bloom_plan_make(BLOOM_CLASSIC, 1000000, 1e-8, &classic, NULL), 0);
    assert_true(fabs(classic.bits_per_key - 38.3432) < 1e-3);
    assert_true(classic.fp_rate <= 1e-8);
    assert_int_equal(bloom_plan_make(BLOOM_AUTO, 1000000, 1e-8, &two, NULL), 0);
    assert_int_equal(two.variant, BLOOM_TWO_LINE);
    assert_true(two.bits_per_key < 1.16 * classic.bits_per_key);
}

static void plans_keep_the_rate_and_say_no(void **state) {
    wt_err err = {0};
    bloom_plan plan;
    for (int v = 0; v < 4; v++)
        for (double rate = 0.3; rate > 1e-9; rate /= 7) {
            assert_int_equal(bloom_plan_make(ALL[v], 12345, rate, &plan, &err), 0);
            assert_true(plan.fp_rate <= rate * 1.0001);
            assert_true(plan.fp_rate >= rate * 0.9);
        }
    assert_int_equal(bloom_plan_make(BLOOM_AUTO, 0, 0.01, &plan, &err), -1);
    assert_int_equal(bloom_plan_make(BLOOM_AUTO, 10, 0.0, &plan, &err), -1);
    assert_int_equal(bloom_plan_make(BLOOM_AUTO, 10, NAN, &plan, &err), -1);
    assert_int_equal(err.code, WT_EARG);
    assert_null(bloom_new((uint64_t)1 << 46, 1e-6, &err));
    assert_int_equal(err.code, WT_ENOMEM);
    assert_non_null(strstr(err.text, "needs"));
    assert_non_null(strstr(err.text, "are free"));
}

/* Measured over formula, at the target fill and at twice of it. Probes are chosen so that thousands
 * of hits are expected: 5 % is three deviations and more. */
static void measured_rate_is_the_formula(void **state) {
    static const struct { bloom_variant v; double rate; size_t fill, probes; } cases[] = {
        {BLOOM_BLOCK512, 0.2, 1, 200000},    {BLOOM_BLOCK512, 0.06, 1, 400000},
        {BLOOM_SPLIT256, 0.05, 1, 400000},   {BLOOM_SPLIT256, 0.01, 1, 1000000},
        {BLOOM_SPLIT256, 0.01, 2, 200000},   {BLOOM_SPLIT256, 0.003, 1, 3000000},
        {BLOOM_BLOCK512, 0.01, 1, 1000000},  {BLOOM_BLOCK512, 0.001, 1, 8000000},
        {BLOOM_BLOCK512, 0.0005, 2, 1000000}, {BLOOM_TWO_LINE, 0.001, 1, 8000000},
        {BLOOM_TWO_LINE, 1e-4, 1, 40000000}, {BLOOM_TWO_LINE, 1e-8, 4, 8000000},
        {BLOOM_CLASSIC, 0.01, 1, 1000000},   {BLOOM_CLASSIC, 0.001, 1, 8000000}};
    enum { N = 60000, BATCH = 4096 };
    uint8_t seen[BATCH];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        bloom *b = filter(cases[c].v, N, cases[c].rate);
        size_t n = N * cases[c].fill, hits = 0;
        uint64_t *keys = random_keys(n, 100 + c), probe[BATCH];
        bloom_add_batch(b, keys, n, NULL);
        wt_rng rng;
        wt_rng_init(&rng, 2, c);
        for (size_t i = 0; i < cases[c].probes; i += BATCH) {
            for (int j = 0; j < BATCH; j++) probe[j] = wt_rng_u64(&rng);
            bloom_test_batch(b, probe, BATCH, seen);
            for (int j = 0; j < BATCH; j++) hits += seen[j];
        }
        double probes = ceil((double)cases[c].probes / BATCH) * BATCH;
        double measured = (double)hits / probes, formula = bloom_plan_rate(&b->layer[0].plan, (double)n);
        print_message("# %-8s rate %-6g fill %zu: %zu hits, measured/formula %.4f\n",
                      bloom_variant_name(cases[c].v), cases[c].rate, cases[c].fill, hits,
                      measured / formula);
        assert_true(hits > 2000);
        assert_true(fabs(measured / formula - 1) < 0.05);
        free(keys);
        bloom_free(b);
    }
}

/* Where probes cannot measure (1e-8), the bits themselves tell the rate exactly. */
static void rate_from_the_bits_is_the_formula(void **state) {
    static const double rates[] = {1e-2, 1e-3, 1e-4, 1e-6, 1e-8};
    uint64_t *keys = random_keys(1000000, 7);
    for (int v = 0; v < 4; v++)
        for (int r = 0; r < 5; r++) {
            bloom *b = filter(ALL[v], 1000000, rates[r]);
            bloom_stats s;
            bloom_add_batch(b, keys, 1000000, NULL);
            bloom_stats_read(b, &s);
            print_message("# %-8s rate %g: bits/formula %.4f, keys estimated %.0f\n",
                          bloom_variant_name(ALL[v]), rates[r], s.fp_now / b->layer[0].plan.fp_rate,
                          s.n_estimate);
            assert_true(fabs(s.fp_now / b->layer[0].plan.fp_rate - 1) < 0.05);
            assert_true(fabs(s.n_estimate / 1e6 - 1) < 0.01);
            assert_true(fabs(s.fp_now / s.fp_formula - 1) < 0.05);
            assert_false(bloom_overfull(b));
            bloom_free(b);
        }
    free(keys);
}

/* ---- twins: one byte a bit, one bit at a time ---- */

static bool twin_bit(uint8_t *bits, uint64_t i) {
    bool old = bits[i];
    bits[i] = 1;
    return old;
}
/* By the words of Parquet's BloomFilter.md. */
static bool twin_split(uint8_t *bits, uint64_t n_blocks, uint64_t key) {
    static const uint32_t salt[8] = {0x47b6137bU, 0x44974d91U, 0x8824ad5bU, 0xa2b7289dU,
                                     0x705495c7U, 0x2df1424bU, 0x9efc4947U, 0x5c6bfb31U};
    uint64_t block = ((key >> 32) * n_blocks) >> 32;
    bool seen = true;
    for (int i = 0; i < 8; i++) {
        uint32_t y = (uint32_t)key * salt[i];
        seen &= twin_bit(bits, block * 256 + (uint64_t)i * 32 + (y >> 27));
    }
    return seen;
}
static bool twin_line(uint8_t *bits, uint64_t line, uint64_t hash, int k) {
    bool seen = true;
    for (int i = 0; i < k; i++) {
        uint64_t word = wt_mix64(hash + (uint64_t)(i / 7) * 0x9e3779b97f4a7c15u);
        seen &= twin_bit(bits, line * 512 + (word >> (9 * (i % 7)) & 511));
    }
    return seen;
}
static uint64_t mul_high(uint64_t a, uint64_t b) { return (uint64_t)((unsigned __int128)a * b >> 64); }

static bool twin_add(uint8_t *bits, const bloom_plan *p, uint64_t key) {
    uint64_t a = wt_mix64(key + 0xd6e8feb86659fd93u), c = wt_mix64(key + 0xa0761d6478bd642fu);
    bool seen = true;
    switch (p->variant) {
    case BLOOM_SPLIT256: return twin_split(bits, p->n_blocks, key);
    case BLOOM_BLOCK512: return twin_line(bits, mul_high(key, p->n_blocks), key, p->k);
    case BLOOM_TWO_LINE:
        seen = twin_line(bits, mul_high(a, p->n_blocks), a, p->k);
        return seen & twin_line(bits, p->n_blocks + mul_high(c, p->n_blocks), c, p->k);
    default:
        for (int i = 0; i < p->k; i++)
            seen &= twin_bit(bits, mul_high(a + (uint64_t)i * (c | 1), p->n_blocks));
        return seen;
    }
}

static void every_way_in_equals_the_twin(void **state) {
    enum { N = 20000 };
    uint64_t *keys = random_keys(N, 3);
    for (int i = 0; i < N; i += 3) keys[i] = keys[i / 2];      /* repeats, near and far */
    static uint8_t expect[N], got[N];
    for (int v = 0; v < 4; v++)
        for (int r = 0; r < 4; r++) {
            static const double rates[] = {0.15, 0.02, 1e-6, 1e-9};    /* from 3 to 2 x 14 bits a key */
            double rate = rates[r];
            bloom *single = filter(ALL[v], N / 2, rate), *batch = filter(ALL[v], N / 2, rate);
            bloom *shared = filter(ALL[v], N / 2, rate), *shared1 = filter(ALL[v], N / 2, rate);
            const bloom_plan *p = &single->layer[0].plan;
            uint8_t *bits = calloc(p->bytes, 8);
            uint64_t n_new = 0;
            for (int i = 0; i < N; i++) {
                expect[i] = twin_add(bits, p, keys[i]);
                n_new += !expect[i];
                assert_int_equal(bloom_test(single, keys[i]), expect[i]);
                assert_int_equal(bloom_add(single, keys[i]), expect[i]);
                assert_int_equal(bloom_add_shared(shared1, keys[i]), expect[i]);
                assert_true(bloom_test(single, keys[i]));
            }
            for (uint64_t i = 0; i < p->bytes * 8; i++)
                if (bits[i] != (single->layer[0].words[i / 64] >> (i % 64) & 1))
                    fail_msg("bit %llu differs", (unsigned long long)i);
            bloom_add_batch(batch, keys, N - 5, got);
            bloom_add_batch(batch, keys + N - 5, 5, got + N - 5);
            assert_memory_equal(got, expect, N);
            bloom_add_batch_shared(shared, keys, N, got);
            assert_memory_equal(got, expect, N);
            bloom *same[] = {batch, shared, shared1};
            for (int i = 0; i < 3; i++) {
                assert_memory_equal(same[i]->layer[0].words, single->layer[0].words, p->bytes);
                assert_int_equal(bloom_n_added(same[i]), n_new);
                bloom_free(same[i]);
            }
            bloom_test_batch(single, keys, N, got);
            for (int i = 0; i < N; i++) assert_int_equal(got[i], 1);
            free(bits);
            bloom_free(single);
        }
    free(keys);
}

/* Old layers are asked by the batch, and only what none of them holds goes into the newest. */
static void batches_of_a_growing_filter_are_single_calls(void **state) {
    enum { N = 20000, STEP = 700 };
    static const double rates[] = {0.15, 0.01, 1e-3, 1e-6};
    uint64_t *keys = random_keys(N, 4);
    for (int i = 0; i < N; i += 3) keys[i] = keys[i / 2];
    for (int r = 0; r < 4; r++) {
        bloom_config config = {.capacity = 1000, .fp_rate = rates[r], .grow = true, .seed = 5};
        bloom *single = bloom_new_with(&config, NULL), *batch = bloom_new_with(&config, NULL);
        uint8_t got[STEP], tested[STEP];
        for (size_t at = 0; at < N; at += STEP) {
            size_t n = N - at < STEP ? N - at : STEP;
            bloom_reserve(single, n, NULL), bloom_reserve(batch, n, NULL);
            bloom_test_batch(batch, keys + at, n, tested);
            for (size_t i = 0; i < n; i++) assert_int_equal(tested[i], bloom_test(single, keys[at + i]));
            bloom_add_batch(batch, keys + at, n, got);
            for (size_t i = 0; i < n; i++) assert_int_equal(got[i], bloom_add(single, keys[at + i]));
        }
        assert_true(batch->n_layers > 3);
        assert_int_equal(bloom_n_added(batch), bloom_n_added(single));
        for (int l = 0; l < batch->n_layers; l++)
            assert_memory_equal(batch->layer[l].words, single->layer[l].words, batch->layer[l].plan.bytes);
        bloom_free(single), bloom_free(batch);
    }
    free(keys);
}

static void a_growing_filter_keeps_its_rate(void **state) {
    enum { N = 200000, PROBES = 2000000 };
    wt_err err = {0};
    bloom *b = bloom_new_with(&(bloom_config){.capacity = 1000, .fp_rate = 0.01, .grow = true}, &err);
    uint64_t *keys = random_keys(N, 5);
    for (int i = 0; i < N; i++) {
        assert_int_equal(bloom_reserve(b, 1, &err), 0);
        bloom_add(b, keys[i]);
    }
    for (int i = 0; i < N; i++) assert_true(bloom_test(b, keys[i]));
    bloom_stats s;
    bloom_stats_read(b, &s);
    assert_int_equal(s.n_layers, 8);                  /* 1000 * (1 + 2 + ... + 128) = 255000 */
    uint64_t *probe = random_keys(PROBES, 6);
    size_t hits = 0;
    for (int i = 0; i < PROBES; i++) hits += bloom_test(b, probe[i]);
    double measured = (double)hits / PROBES;
    assert_true(measured < 0.01);
    assert_true(fabs(measured / s.fp_now - 1) < 0.05);
    assert_true(fabs(measured / s.fp_formula - 1) < 0.05);
    free(probe);
    free(keys);
    bloom_free(b);
}

/* ---- files ---- */

static char *temp_path(void) {
    static char path[64];
    snprintf(path, sizeof path, "/tmp/dedup_bloom.%d", (int)getpid());
    return path;
}

static void poke(const char *path, long at, uint8_t flip) {
    FILE *f = fopen(path, "r+b");
    fseek(f, at, SEEK_SET);
    int c = fgetc(f);
    fseek(f, at, SEEK_SET);
    fputc(c ^ flip, f);
    fclose(f);
}

static void files_come_back_and_damage_is_named(void **state) {
    enum { N = 150000 };
    uint64_t *keys = random_keys(N, 8);
    char *path = temp_path();
    for (int v = 0; v < 5; v++) {
        wt_err err = {0};
        bloom_config config = {.capacity = N, .fp_rate = 1e-6, .seed = 9, .keys = "words=uax29 n=13",
                               .variant = v < 4 ? ALL[v] : BLOOM_AUTO, .grow = v == 4};
        if (v == 4) config.capacity = N / 10;
        bloom *b = bloom_new_with(&config, &err);
        for (int i = 0; i < N; i++) bloom_reserve(b, 1, &err), bloom_add(b, keys[i]);
        assert_int_equal(bloom_save(b, path, &err), 0);
        bloom *loaded = bloom_load(path, &err), *mapped = bloom_map(path, true, &err);
        assert_non_null(loaded);
        assert_non_null(mapped);
        assert_int_equal(bloom_check_same(loaded, &config, &err), 0);
        assert_int_equal(bloom_n_added(loaded), bloom_n_added(b));
        assert_int_equal(loaded->n_layers, b->n_layers);
        for (int i = 0; i < N; i++) {
            assert_true(bloom_test(loaded, keys[i]));
            assert_true(bloom_test(mapped, keys[i]));
        }
        for (int l = 0; l < b->n_layers; l++)
            assert_memory_equal(mapped->layer[l].words, b->layer[l].words, b->layer[l].plan.bytes);
        assert_int_equal(bloom_or(mapped, b, &err), -1);
        bloom_free(mapped);
        bloom_free(loaded);
        poke(path, 4096 + 3000, 4);                  /* a bit of the body */
        assert_null(bloom_load(path, &err));
        assert_int_equal(err.code, WT_EDATA);
        assert_non_null(strstr(err.text, "chunk 0 of layer 0"));
        assert_null(bloom_map(path, true, &err));
        poke(path, 4096 + 3000, 4);
        poke(path, 40, 1);                            /* the header */
        assert_null(bloom_load(path, &err));
        assert_non_null(strstr(err.text, "header"));
        poke(path, 40, 1);
        poke(path, 8, 3);                             /* the version */
        assert_null(bloom_load(path, &err));
        assert_non_null(strstr(err.text, "version 2, this program reads version 1"));
        poke(path, 8, 3);
        assert_int_equal(truncate(path, 4096 + 5000), 0);
        assert_null(bloom_load(path, &err));
        assert_null(bloom_map(path, false, &err));
        assert_int_equal(truncate(path, 17), 0);
        assert_null(bloom_load(path, &err));
        bloom_free(b);
    }
    wt_err err = {0};
    unlink(path);
    assert_null(bloom_load(path, &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    free(keys);
}

static void union_is_the_filter_of_both(void **state) {
    enum { N = 30000 };
    uint64_t *keys = random_keys(N, 11);
    for (int v = 0; v < 4; v++) {
        wt_err err = {0};
        bloom *a = filter(ALL[v], N, 1e-4), *b = filter(ALL[v], N, 1e-4), *both = filter(ALL[v], N, 1e-4);
        bloom_add_batch(a, keys, N / 2, NULL);
        bloom_add_batch(b, keys + N / 2, N / 2, NULL);
        bloom_add_batch(both, keys, N, NULL);
        assert_int_equal(bloom_or(a, b, &err), 0);
        assert_memory_equal(a->layer[0].words, both->layer[0].words, a->layer[0].plan.bytes);
        bloom *other = filter(ALL[v], 2 * N, 1e-4);
        assert_int_equal(bloom_or(a, other, &err), -1);
        bloom_free(other);
        other = bloom_new_with(&(bloom_config){.capacity = N, .fp_rate = 1e-4, .variant = ALL[v],
                                               .keys = "other"}, &err);
        assert_int_equal(bloom_or(a, other, &err), -1);
        assert_non_null(strstr(err.text, "'test'"));
        assert_non_null(strstr(err.text, "'other'"));
        bloom_free(other);
        bloom_free(a);
        bloom_free(b);
        bloom_free(both);
    }
    free(keys);
}

static void parquet_bytes_follow_the_specification(void **state) {
    wt_err err = {0};
    wt_buf out = {0};
    bloom *b = bloom_new_with(&(bloom_config){.capacity = 1000, .fp_rate = 0.01,
                                              .variant = BLOOM_SPLIT256}, &err);
    for (int i = 0; i < 1000; i++) bloom_add(b, wt_xxh64(&i, 4, 0));
    assert_int_equal(bloom_export_parquet(b, &out, &err), 0);
    uint64_t bytes = b->layer[0].plan.bytes;
    size_t header = out.len - bytes;
    assert_int_equal((uint8_t)out.ptr[0], 0x15);
    uint64_t zigzag = 0;
    size_t at = 1;
    for (int shift = 0;; shift += 7) {
        uint8_t c = (uint8_t)out.ptr[at++];
        zigzag |= (uint64_t)(c & 127) << shift;
        if (c < 128) break;
    }
    assert_int_equal(zigzag / 2, bytes);
    assert_memory_equal(out.ptr + at, "\x1c\x1c\0\0\x1c\x1c\0\0\x1c\x1c\0\0\0", 13);
    assert_int_equal(at + 13, header);
    assert_memory_equal(out.ptr + header, b->layer[0].words, bytes);
    bloom_free(b);
    b = bloom_new_with(&(bloom_config){.capacity = 1000, .fp_rate = 0.01, .seed = 1}, &err);
    assert_int_equal(bloom_export_parquet(b, &out, &err), -1);
    bloom_free(b);
    wt_buf_free(&out);
}

/* ---- threads ---- */

enum { THREADS = 4, SHARED_N = 100000 };
typedef struct {
    bloom *b;
    const uint64_t *keys;
    size_t n_new;
    int i;
} worker;

static void *worker_run(void *arg) {
    worker *w = arg;
    uint8_t seen[1000];
    /* Ranges overlap by half, so every key comes from two threads. */
    size_t from = (size_t)w->i * SHARED_N / 2;
    for (size_t at = 0; at < SHARED_N; at += 1000) {
        bloom_add_batch_shared(w->b, w->keys + from + at, 1000, seen);
        for (int i = 0; i < 1000; i++) w->n_new += !seen[i];
    }
    return NULL;
}

static void threads_lose_nothing(void **state) {
    size_t n = SHARED_N / 2 * (THREADS + 1);
    uint64_t *keys = random_keys(n, 12);
    for (int v = 0; v < 4; v++) {
        bloom *b = filter(ALL[v], n, 1e-4), *one = filter(ALL[v], n, 1e-4);
        pthread_t thread[THREADS];
        worker w[THREADS];
        size_t n_new = 0;
        for (int i = 0; i < THREADS; i++) {
            w[i] = (worker){b, keys, 0, i};
            pthread_create(&thread[i], NULL, worker_run, &w[i]);
        }
        for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL), n_new += w[i].n_new;
        bloom_add_batch(one, keys, n, NULL);
        assert_memory_equal(b->layer[0].words, one->layer[0].words, b->layer[0].plan.bytes);
        assert_int_equal(bloom_n_added(b), n_new);
        assert_true((double)n_new >= (double)n * (1 - 1e-4));     /* of each key one thread was told "new", but for false hits */
        bloom_free(b);
        bloom_free(one);
    }
    free(keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_match_the_published_table),
        cmocka_unit_test(plans_keep_the_rate_and_say_no),
        cmocka_unit_test(measured_rate_is_the_formula),
        cmocka_unit_test(rate_from_the_bits_is_the_formula),
        cmocka_unit_test(every_way_in_equals_the_twin),
        cmocka_unit_test(batches_of_a_growing_filter_are_single_calls),
        cmocka_unit_test(a_growing_filter_keeps_its_rate),
        cmocka_unit_test(files_come_back_and_damage_is_named),
        cmocka_unit_test(union_is_the_filter_of_both),
        cmocka_unit_test(parquet_bytes_follow_the_specification),
        cmocka_unit_test(threads_lose_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

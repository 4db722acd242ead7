/* dedup_sketch.c - the sketch equals its definition, estimates the Jaccard similarity without bias,
 * and the bands call duplicates as often as the formula says; batches, threads and reloading do not
 * change a verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/rng.h"
#include "dedup/dedup.h"

static void fill(wt_rng *rng, uint64_t *keys, size_t n) {
    for (size_t i = 0; i < n; i++) keys[i] = wt_rng_u64(rng);
}

static void fast_equals_the_definition(void **state) {
    static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 40, 100, 255, 257, 1000};
    static const int bins[] = {1, 5, 31, 32, 33, 133, 256, 444, 513, 1024};
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    for (int s = 0; s < 14; s++)
        for (int b = 0; b < 10; b++) {
            uint64_t keys[1000];
            uint32_t fast[SKETCH_BINS_MAX], plain[SKETCH_BINS_MAX];
            fill(&rng, keys, sizes[s]);
            sketch_make(keys, sizes[s], bins[b], fast);
            sketch_make_plain(keys, sizes[s], bins[b], plain);
            assert_memory_equal(fast, plain, (size_t)bins[b] * sizeof *fast);
        }
}

/* Two sets of n keys that share some: share of equal bins against |A and B| / |A or B|. */
static double equal_bins(wt_rng *rng, size_t n, size_t shared, int t) {
    uint64_t *a = malloc(n * sizeof *a), *b = malloc(n * sizeof *b);
    uint32_t x[SKETCH_BINS_MAX], y[SKETCH_BINS_MAX];
    int same = 0;
    fill(rng, a, n);
    fill(rng, b, n);
    memcpy(b, a, shared * sizeof *a);
    sketch_make(a, n, t, x);
    sketch_make(b, n, t, y);
    for (int i = 0; i < t; i++) same += x[i] == y[i];
    free(a), free(b);
    return (double)same / t;
}

static void equal_bins_estimate_jaccard(void **state) {
    static const struct { size_t n, shared; } cases[] = {{20, 15}, {60, 40}, {300, 270}, {2000, 1000}, {2000, 1900}};
    enum { PAIRS = 400, T = 128 };
    wt_rng rng;
    wt_rng_init(&rng, 2, 0);
    for (int c = 0; c < 5; c++) {
        double J = (double)cases[c].shared / (double)(2 * cases[c].n - cases[c].shared), mean = 0, square = 0;
        for (int i = 0; i < PAIRS; i++) {
            double e = equal_bins(&rng, cases[c].n, cases[c].shared, T);
            mean += e / PAIRS;
            square += (e - J) * (e - J) / PAIRS;
        }
        print_message("# J %.3f: mean %.4f, deviation %.4f (independent bins: %.4f)\n", J, mean, sqrt(square), sqrt(J * (1 - J) / T));
        assert_true(fabs(mean - J) < 4 * sqrt(J * (1 - J) / T / PAIRS) + 1e-9);
        assert_true(sqrt(square) < 1.1 * sqrt(J * (1 - J) / T));
    }
}

static void bands_follow_the_curve(void **state) {
    sketch_plan plan = {22, 5, 8, 0};
    enum { PAIRS = 2000, N = 600 };
    wt_rng rng;
    wt_rng_init(&rng, 3, 0);
    for (size_t shared = 480; shared <= 580; shared += 20) {
        double J = (double)shared / (2 * N - (double)shared), called = 0;
        for (int i = 0; i < PAIRS; i++) {
            uint64_t a[N], b[N], x[22], y[22];
            uint32_t bins[110];
            int votes = 0;
            fill(&rng, a, N);
            fill(&rng, b, N);
            memcpy(b, a, shared * sizeof *a);
            sketch_make(a, N, 110, bins);
            sketch_bands(bins, &plan, x);
            sketch_make(b, N, 110, bins);
            sketch_bands(bins, &plan, y);
            for (int k = 0; k < 22; k++) votes += x[k] == y[k];
            called += votes >= plan.votes;
        }
        double formula = sketch_recall(&plan, J, 0), error = sqrt(formula * (1 - formula) / PAIRS);
        print_message("# J %.3f: called %.4f, formula %.4f\n", J, called / PAIRS, formula);
        assert_true(fabs(called / PAIRS - formula) < 4 * error + 0.015);  /* bins are a little better than independent */
    }
}

static void the_solver_keeps_its_budget(void **state) {
    static const double thresholds[] = {0.5, 0.7, 0.8, 0.9}, budgets[] = {18, 35, 60};
    for (int t = 0; t < 4; t++)
        for (int b = 0; b < 3; b++) {
            sketch_plan plan;
            assert_int_equal(sketch_solve(thresholds[t], budgets[b], 1e-4, &plan, NULL), 0);
            assert_true(sketch_bytes_per_doc(&plan) <= budgets[b] * 1.01);
            for (double rate = 0; rate <= plan.band_fp_rate; rate += plan.band_fp_rate / 20) {
                assert_true(sketch_recall(&plan, 0, rate) <= 2e-4);      /* checked at eighths of the fill */
                assert_true(sketch_recall(&plan, thresholds[t] - 0.2, rate) < (t ? 0.1 : 0.25));
                assert_true(sketch_recall(&plan, 1, rate) > 0.999);
            }
        }
    wt_err err = {0};
    sketch_plan plan;
    assert_int_equal(sketch_solve(0.8, 1, 1e-4, &plan, &err), -1);
    assert_int_equal(sketch_solve(1.5, 35, 1e-4, &plan, &err), -1);
    assert_int_equal(err.code, WT_EARG);
}

/* The search has a table of its own. */
static void the_solver_knows_what_filters_cost(void **state) {
    for (double rate = 0.24; rate > 0.0033; rate *= 0.9) {
        bloom_plan filter;
        assert_int_equal(bloom_plan_make(BLOOM_AUTO, 1000000, rate, &filter, NULL), 0);
        double got = sketch_rate_of_bits(filter.bits_per_key);
        assert_true(got > rate * 0.97 && got < rate * 1.03);
    }
    assert_true(sketch_rate_of_bits(1) == 1);
}

/* Unrelated minima of long documents are small numbers. A key that sums them finds thousands of false
 * friends among these pairs. */
static void long_unrelated_documents_share_no_band(void **state) {
    sketch_plan plan = {9, 13, 1, 0.001};
    enum { DOCS = 400, N = 5000 };
    uint64_t *seen = malloc(DOCS * 9 * sizeof *seen), *keys = malloc(N * sizeof *keys);
    size_t equal = 0;
    wt_rng rng;
    wt_rng_init(&rng, 4, 0);
    for (int d = 0; d < DOCS; d++) {
        uint32_t bins[117];
        fill(&rng, keys, N);
        sketch_make(keys, N, 117, bins);
        sketch_bands(bins, &plan, seen + 9 * d);
        for (int e = 0; e < d; e++)
            for (int b = 0; b < 9; b++) equal += seen[9 * d + b] == seen[9 * e + b];
    }
    assert_int_equal(equal, 0);
    free(seen), free(keys);
}

/* ---- verdicts ---- */

static void make_text(char *text, size_t size, uint64_t doc, uint64_t change) {
    wt_rng rng;
    wt_rng_init(&rng, 9, doc);
    size_t at = 0;
    for (int i = 0; at + 20 < size && i < 120; i++) {
        uint64_t word = wt_rng_below(&rng, 50000);
        if (change && i % 60 == 30) word += change * 100000;
        at += (size_t)snprintf(text + at, size - at, "w%llx ", (unsigned long long)word);
    }
}

enum { DOCS = 1200 };
static void judge_all(const dedup_rules *rules, int threads, const char *through, uint8_t *cause) {
    wt_err err = {0};
    char text[2000];
    dedup *d = dedup_new(rules, &err);
    if (!d) fail_msg("%s", err.text);
    dedup_batch *batch = dedup_batch_new();
    for (int i = 0; i < DOCS; i++) {
        make_text(text, sizeof text, (uint64_t)(i % 7 == 3 ? i / 2 : i), i % 7 == 3 && i % 2 ? (uint64_t)i : 0);
        dedup_batch_add(d, batch, wt_str_of(text), (wt_str){0});
        if (i % 100 < 99) continue;
        assert_int_equal(dedup_judge(d, batch, threads, &err), 0);
        for (size_t k = 0; k < dedup_batch_size(batch); k++)
            cause[i - 99 + (int)k] = (uint8_t)dedup_batch_verdict(batch, k).cause;
        dedup_batch_clear(batch);
        if (!through) continue;
        assert_int_equal(dedup_save(d, through, WT_STR("{}"), &err), 0);
        dedup_free(d);
        d = dedup_load(through, rules, NULL, &err);
        if (!d) fail_msg("%s", err.text);
    }
    dedup_batch_free(batch);
    dedup_free(d);
}

static void verdicts_stay_the_same(void **state) {
    dedup_rules rules = dedup_rules_default();
    rules.ngram = 5;
    rules.paragraphs = true;
    rules.expect = 2000;
    uint8_t one[DOCS], many[DOCS], saved[DOCS];
    char path[64];
    snprintf(path, sizeof path, "/tmp/dedup_sketch.%d", (int)getpid());
    judge_all(&rules, 1, NULL, one);
    judge_all(&rules, 5, NULL, many);
    judge_all(&rules, 2, path, saved);
    unlink(path);
    assert_memory_equal(one, many, DOCS);
    assert_memory_equal(one, saved, DOCS);
    int wrong = 0, dropped = 0;
    for (int i = 0; i < DOCS; i++) {
        dropped += one[i] != DEDUP_KEEP;
        wrong += one[i] != DEDUP_KEEP && i % 7 != 3;
    }
    assert_int_equal(wrong, 0);
    assert_true(dropped > DOCS / 7 * 8 / 10);
}

static dedup_cause judge_one(dedup *d, const char *text) {
    dedup_batch *batch = dedup_batch_new();
    dedup_batch_add(d, batch, wt_str_of(text), (wt_str){0});
    assert_int_equal(dedup_judge(d, batch, 1, NULL), 0);
    dedup_cause cause = dedup_batch_verdict(batch, 0).cause;
    dedup_batch_free(batch);
    return cause;
}

static void short_documents_and_repeats(void **state) {
    dedup_rules rules = dedup_rules_default();
    rules.exact = false;
    rules.expect = 1000;
    dedup *d = dedup_new(&rules, NULL);
    assert_int_equal(judge_one(d, "two words"), DEDUP_KEEP);      /* never one empty sketch for all */
    assert_int_equal(judge_one(d, "other words"), DEDUP_KEEP);
    assert_int_equal(judge_one(d, "!"), DEDUP_KEEP);
    assert_int_equal(judge_one(d, "Two, words"), DEDUP_NEAR);
    dedup_free(d);
    rules = (dedup_rules){.ngram = 3, .overlap = 0.8, .expect = 1000, .shingle = 5};
    d = dedup_new(&rules, NULL);
    assert_int_equal(judge_one(d, "a b c a b c a b c a b c a b c a b c"), DEDUP_KEEP);   /* repeats of its own */
    assert_int_equal(judge_one(d, "a b c a b c a b c"), DEDUP_NGRAM);
    dedup_free(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fast_equals_the_definition),
        cmocka_unit_test(equal_bins_estimate_jaccard),
        cmocka_unit_test(bands_follow_the_curve),
        cmocka_unit_test(the_solver_keeps_its_budget),
        cmocka_unit_test(the_solver_knows_what_filters_cost),
        cmocka_unit_test(long_unrelated_documents_share_no_band),
        cmocka_unit_test(verdicts_stay_the_same),
        cmocka_unit_test(short_documents_and_repeats),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dedup_index.c - the index against its naive twin: all pairs compared, documents taken best first; and
 * the external sort against qsort. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/in.h"
#include "common/json.h"
#include "dedup/index.h"
#include "dedup/index_impl.h"

/* The last documents are pages of one template: their bands make groups that are compared in pieces. */
enum { N_DOCS = 1500, N_FREE = 1100, VOCABULARY = 400 };

static char folder[] = "/tmp/wt-index-XXXXXX";
static uint64_t random_state = 88172645463325252u;
static uint32_t any(uint32_t n) {
    random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 33) % n;
}

/* Words by number; three of four documents are edits of earlier ones, edits of edits too. */
typedef struct {
    uint16_t word[120];
    int n_words;
    double score;               /* below 0: none */
    wt_buf text;
} made;
static made doc[N_DOCS];

static void make_documents(void) {
    for (int i = 0; i < N_DOCS; i++) {
        made *d = &doc[i];
        if (i >= N_FREE) {
            d->n_words = 100;
            for (int w = 0; w < 100; w++) d->word[w] = (uint16_t)w;
            for (uint32_t edits = 1 + any(4); edits > 0; edits--) d->word[any(100)] = (uint16_t)any(VOCABULARY);
        } else if (i > 10 && any(4)) {
            const made *from = &doc[i - 1 - (int)any(i < 40 ? (uint32_t)i : 40)];
            memcpy(d->word, from->word, sizeof d->word);
            d->n_words = from->n_words;
            for (uint32_t edits = any(6); edits-- > 0 && d->n_words;)
                d->word[any((uint32_t)d->n_words)] = (uint16_t)any(VOCABULARY);
            if (any(5) == 0 && d->n_words > 8) d->n_words -= (int)any(6);
        } else {
            d->n_words = any(8) ? 20 + (int)any(100) : (int)any(6);
            for (int w = 0; w < d->n_words; w++) d->word[w] = (uint16_t)any(VOCABULARY);
        }
        d->score = any(6) ? (double)any(20) : -1;
        for (int w = 0; w < d->n_words; w++) wt_buf_printf(&d->text, "%sw%u", w ? " " : "", d->word[w]);
        if (d->n_words == 0) wt_buf_printf(&d->text, "%s", any(2) ? "?!" : "...");
    }
}

static char *path_in_folder(const char *name) { return wt_path_join(folder, name); }

static void write_documents(const char *path) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < N_DOCS; i++) {
        fprintf(f, "{\"id\":\"d%d\",\"text\":\"%s\",\"metadata\":{\"x\":1", i, doc[i].text.ptr);
        if (doc[i].score >= 0) fprintf(f, ",\"score\":%g", doc[i].score);
        fprintf(f, "}}\n");
    }
    assert_int_equal(fclose(f), 0);
}

/* ---- the twin ---- */

static double rank_score(int i, const char *keep) {
    if (strcmp(keep, "first") == 0) return 0;
    return strcmp(keep, "longest") == 0 ? (double)doc[i].text.len : doc[i].score;
}
static const char *order_keep;
static int by_rank(const void *a, const void *b) {
    int i = *(const int *)a, j = *(const int *)b;
    double x = rank_score(i, order_keep), y = rank_score(j, order_keep);
    return x != y ? (x < y) - (x > y) : i - j;
}

static void twin(const dedup_rules *rules, const char *keep, index_decision *out) {
    static uint16_t bins[N_DOCS][INDEX_BINS];
    static int order[N_DOCS];
    u64_list words = {0}, shingles = {0};
    for (int i = 0; i < N_DOCS; i++) {
        index_sketch(rules, wt_buf_view(&doc[i].text), &words, &shingles, bins[i]);
        order[i] = i;
        out[i] = (index_decision){(uint32_t)i, INDEX_BINS};
    }
    int wrong = 0;
    order_keep = keep;
    qsort(order, N_DOCS, sizeof *order, by_rank);
    for (int j = 1; j < N_DOCS; j++)
        for (int i = 0; i < j; i++) {
            int a = order[i], b = order[j], same = 0;
            if (out[a].kept != (uint32_t)a) continue;
            for (int k = 0; k < INDEX_BINS; k++) same += bins[a][k] == bins[b][k];
            wrong += same != index_matches(bins[a], bins[b]);
            if ((double)same / INDEX_BINS < rules->threshold) continue;
            out[b] = (index_decision){(uint32_t)a, (uint32_t)same};
            break;
        }
    assert_int_equal(wrong, 0);
    free(words.at), free(shingles.at);
}

/* ---- what the tool wrote ---- */

static int number_of(wt_json id) { return atoi(id.raw.ptr + 1); }

static void read_output(const char *out, index_decision *got) {
    wt_err err = {0};
    wt_str line;
    uint64_t too_long = 0;
    for (int i = 0; i < N_DOCS; i++) got[i] = (index_decision){(uint32_t)i, INDEX_BINS};
    char *path = wt_path_join(out, "dropped.jsonl.zst");
    wt_in *in = wt_in_open(path, &err);
    assert_non_null(in);
    while (wt_in_line(in, 1 << 20, &line, &too_long, &err) > 0) {
        wt_json json;
        double score;
        assert_int_equal(wt_json_parse(line, &json, &err), 0);
        int i = number_of(wt_json_get(json, "id"));
        assert_int_equal(wt_json_double(wt_json_get(json, "score"), &score), 0);
        got[i] = (index_decision){(uint32_t)number_of(wt_json_get(json, "kept_id")), (uint32_t)(score * INDEX_BINS + 0.5)};
        int64_t number;
        assert_int_equal(wt_json_i64(wt_json_get(json, "kept_number"), &number), 0);
        assert_int_equal(number, got[i].kept);
    }
    wt_in_close(in);
    free(path);
}

static void check_against_twin(double threshold, const char *keep, int threads, uint64_t memory) {
    static index_decision want[N_DOCS], got[N_DOCS];
    wt_err err = {0};
    wt_paths inputs = {0};
    wt_buf key = {0};
    char *docs = path_in_folder("docs.jsonl"), *out = path_in_folder("out");
    assert_int_equal(wt_paths_add(&inputs, docs, WT_JSONL_SUFFIXES, &err), 0);
    index_job job = {.all = {.inputs = &inputs, .output = out, .rules = dedup_rules_default(), .part_bytes = 100000,
                             .threads = threads, .force = true}, .keep = keep, .memory = memory};
    job.all.rules.threshold = threshold;
    index_key(&job, &key);
    job.all.key = wt_buf_view(&key);
    if (index_run(&job, &err)) fail_msg("%s", err.text);
    twin(&job.all.rules, keep, want);
    read_output(out, got);
    int dropped = 0;
    for (int i = 0; i < N_DOCS; i++) {
        assert_int_equal(got[i].kept, want[i].kept);
        if (want[i].kept == (uint32_t)i) continue;
        assert_int_equal(got[i].matches, want[i].matches);
        assert_int_equal(want[want[i].kept].kept, want[i].kept);      /* a star's centre stays */
        dropped++;
    }
    print_message("# threshold %g, keep %s: %d of %d dropped\n", threshold, keep, dropped, N_DOCS);
    assert_true(dropped > 100 && dropped < N_DOCS - 100);
    wt_buf_free(&key);
    wt_paths_free(&inputs);
    free(docs), free(out);
}

static void test_equals_twin(void **state) {
    check_against_twin(0.8, "longest", 1, 1 << 20);
    check_against_twin(0.8, "first", 2, 1 << 30);
    check_against_twin(0.8, "score", 3, 0);           /* the least memory: many runs */
    check_against_twin(0.5, "longest", 2, 1 << 24);
    check_against_twin(0.95, "score", 1, 1 << 24);
    check_against_twin(1, "first", 2, 1 << 24);
}

static void test_matches_needed(void **state) {
    assert_int_equal(index_matches_needed(1), 256);
    assert_int_equal(index_matches_needed(0.5), 128);
    assert_int_equal(index_matches_needed(0.8), 205);
    for (int bands = 1; bands <= 180; bands++) {      /* bands cover each bin once: others differ */
        uint16_t bins[INDEX_BINS] = {0};
        for (int i = 0; i < INDEX_BINS; i++) {
            int changed = 0;
            uint64_t before[180];
            for (int b = 0; b < bands; b++) before[b] = index_band_key(bins, b, bands);
            bins[i]++;
            for (int b = 0; b < bands; b++) changed += index_band_key(bins, b, bands) != before[b];
            assert_int_equal(changed, 1);
        }
    }
}

static int by_key(const void *a, const void *b) {
    const spill_record *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static void check_spill(size_t n, uint32_t n_keys) {
    wt_err err = {0};
    spill_record *all = malloc((n + 1) * sizeof *all), next;
    spill *s = spill_new(folder, "test", 0, 0, &err);
    assert_non_null(s);
    for (size_t i = 0; i < n; i++) {
        all[i] = (spill_record){(uint64_t)any(n_keys) * 0x9e3779b97f4a7c15u, i};
        assert_int_equal(spill_add(s, all[i].key, all[i].value, &err), 0);
    }
    int n_runs = spill_end(s, &err);
    spill_free(s);
    assert_int_equal(n_runs, (n + 4095) / 4096);
    s = spill_open(folder, "test", 0, 1, &n_runs, 0, &err);
    assert_non_null(s);
    qsort(all, n, sizeof *all, by_key);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(spill_next(s, &next, &err), 1);
        assert_true(next.key == all[i].key && next.value == all[i].value);
    }
    assert_int_equal(spill_next(s, &next, &err), 0);
    spill_free(s);
    spill_remove(folder, "test", 1, &n_runs);
    free(all);
}

static void test_spill(void **state) {
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 50000};
    for (int i = 0; i < 6; i++) {
        check_spill(sizes[i], 1u << 30);
        check_spill(sizes[i], 100);
    }
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!mkdtemp(folder)) return 1;
    make_documents();
    char *docs = path_in_folder("docs.jsonl");
    write_documents(docs);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spill), cmocka_unit_test(test_matches_needed),
                                       cmocka_unit_test(test_equals_twin)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i < N_DOCS; i++) wt_buf_free(&doc[i].text);
    free(docs);
    wt_err err = {0};
    return wt_remove_tree(folder, &err) || failed ? 1 : 0;
}

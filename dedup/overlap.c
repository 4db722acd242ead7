/* overlap.c - the n-grams of test sets in training sets. The keys of all test sets lie in memory, in text order; both ways
 * (overlap_ways.c) end in one byte a key saying which training sets have it, and everything that is printed
 * (overlap_print.c) is counted from those. */
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/tool.h"
#include "dedup/overlap_impl.h"

static int load_test(overlap *o, size_t i_set, wt_err *err) {
    overlap_test *t = &o->test[i_set];
    overlap_source source = {.paths = &o->job->test[i_set].paths, .lines = o->job->lines};
    overlap_block block = {0};
    overlap_keys k = {.arena = wt_arena_new(0)};
    int got;
    while ((got = overlap_block_read(&source, &block, err)) > 0)
        for (size_t i = 0, at = 0; i < block.end.n; at = block.end.at[i++]) {
            wt_str document = {block.bytes.ptr + at, block.end.at[i] - at};
            if (wt_str_trim(document).len == 0) continue;
            if (!overlap_document_keys(o->job, document, block.json, &k)) {
                source.bad++;
                continue;
            }
            for (size_t r = 0; r < k.runs.n; r++) list_add(&t->runs, t->keys.n + k.runs.at[r]);
            list_add_all(&t->keys, &k.keys);
            WT_GROW(t->at, t->cap, t->n + 1);
            t->at[t->n++] = (overlap_example){t->keys.n, wt_arena_copy(o->ids, k.id)};
        }
    wt_in_close(source.in);
    if (source.bad) wt_report_drop("test line is not JSON", source.bad);
    if (source.too_long) wt_report_drop("test line too long", source.too_long);
    wt_buf_free(&block.bytes);
    free(block.end.at);
    overlap_keys_free(&k);
    return got;
}

typedef struct {
    uint64_t key;
    size_t at;
} keyed;

static int by_key(const void *a, const void *b) {
    const keyed *x = a, *y = b;
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : (x->at > y->at) - (x->at < y->at);
}

static void find_distinct(overlap_test *t) {
    keyed *all = wt_xmalloc((t->keys.n + 1) * sizeof *all);
    for (size_t i = 0; i < t->keys.n; i++) all[i] = (keyed){t->keys.at[i], i};
    qsort(all, t->keys.n, sizeof *all, by_key);
    t->distinct = wt_xmalloc((t->keys.n + 1) * sizeof *t->distinct);
    for (size_t i = 0; i < t->keys.n; i++)
        if (i == 0 || all[i].key != all[i - 1].key) t->distinct[t->n_distinct++] = all[i].at;
    free(all);
}

/* Where the two ways disagree, that is told behind the results. */
static int write_results(const overlap *o, wt_err *err) {
    const overlap_job *job = o->job;
    int way = job->mode == OVERLAP_INVERTED, result = 0, disagree = 0;
    wt_buf json = {0}, text = {0};
    wt_err disagreement = {0};
    if (job->mode == OVERLAP_BOTH) disagree = overlap_check_agreement(o, &json, &text, &disagreement);
    if (wt_cluster_rank() == 0) {
        result = overlap_write_table(o, way, wt_buf_view(&json), wt_buf_view(&text), err);
        if (!result && job->examples) result = overlap_write_examples(o, way, err);
    }
    wt_buf_free(&json);
    wt_buf_free(&text);
    if (!result && disagree && err) *err = disagreement;
    return result ? result : disagree;
}

static int run_ways(overlap *o, wt_err *err) {
    const overlap_job *job = o->job;
    for (size_t s = 0; s < job->n_tests; s++) {
        if (load_test(o, s, err)) return -1;
        if (o->test[s].keys.n == 0)
            return wt_fail(err, WT_EDATA, "test set '%s' has no example of %d words", job->test[s].name, job->ngram);
        find_distinct(&o->test[s]);
        for (int way = 0; way < 2; way++) o->test[s].found[way] = wt_xcalloc(o->test[s].keys.n, 1);
    }
    if (job->mode != OVERLAP_BLOOM && overlap_run_inverted(o, err)) return -1;
    for (size_t g = 0; g < job->n_trains && job->mode != OVERLAP_INVERTED; g++)
        if (overlap_run_bloom(o, g, err)) return -1;
    return write_results(o, err);
}

static bool reads_stdin(const overlap_set *sets, size_t n) {
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < sets[s].paths.n; i++)
            if (strcmp(sets[s].paths.path[i], "-") == 0) return true;
    return false;
}

int overlap_run(const overlap_job *job, wt_err *err) {
    if (job->ngram < 1 || job->ngram > 1000)
        return wt_fail(err, WT_EARG, "n-grams of %d words: give 1 to 1000", job->ngram);
    if (job->n_trains == 0 || job->n_tests == 0 || job->n_trains > OVERLAP_TRAINS_MAX)
        return wt_fail(err, WT_EARG, "give test sets with --test and 1 to %d training sets with --train",
                       OVERLAP_TRAINS_MAX);
    if ((job->contaminated || job->clean) && job->mode == OVERLAP_BLOOM)
        return wt_fail(err, WT_EARG, "--contaminated and --clean need --mode inverted or both");
    if (wt_cluster_size() > 1 && (reads_stdin(job->train, job->n_trains) || reads_stdin(job->test, job->n_tests)))
        return wt_fail(err, WT_EARG, "several ranks cannot share standard input: give files, or start one process");
    overlap o = {.job = job, .ids = wt_arena_new(0)};
    o.test = wt_xcalloc(job->n_tests, sizeof *o.test);
    int result = run_ways(&o, err);
    for (size_t s = 0; s < job->n_tests; s++) {
        overlap_test *t = &o.test[s];
        free(t->keys.at), free(t->runs.at), free(t->at), free(t->found[0]), free(t->found[1]), free(t->distinct);
    }
    for (size_t g = 0; g < job->n_trains && !result; g++) {
        wt_report_count("training documents", o.fact[g].documents);
        wt_report_count("training bytes", o.fact[g].bytes);
    }
    free(o.test);
    wt_arena_free(o.ids);
    return result;
}

/* overlap_train.c - a pass over one training set, in many threads and on several ranks: its keys go to a counter, a filter
 * or the table of test n-grams, and its documents to the files that --contaminated and --clean name.
 *
 * Each rank reads all text and makes the keys of every n-th block. What needs no order is joined at the end.
 * Filling a filter and writing documents do: they go in rounds of a block a rank, keys to the owners of their shards
 * and lines to rank 0, in the order that one rank would have. */
#include <stdlib.h>

#include "common/cluster.h"
#include "common/json.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "dedup/overlap_impl.h"

typedef struct {
    overlap_block block;
    overlap_keys keys;
    uint8_t *hit;
    size_t hit_cap;
    uint64_t documents, words, ngrams, bad;
    wt_buf list, clean;
    uint64_t contaminated;
    u64_list to_add;            /* keys of the block, for the filter */
} train_item;

static void *train_item_new(void *ctx) {
    train_item *t = wt_xcalloc(1, sizeof *t);
    t->keys.arena = wt_arena_new(0);
    return t;
}
static void train_item_free(void *ctx, void *item) {
    train_item *t = item;
    wt_buf_free(&t->block.bytes), wt_buf_free(&t->list), wt_buf_free(&t->clean);
    free(t->block.end.at), free(t->hit), free(t->to_add.at);
    overlap_keys_free(&t->keys);
    free(t);
}

/* The next block of this rank. */
static int train_read(void *ctx, void *item, wt_err *err) {
    overlap_pass *p = ctx;
    train_item *t = item;
    int got, rank = wt_cluster_rank();
    do got = overlap_block_read(&p->source, &t->block, err);
    while (got > 0 && p->n_blocks++ % (uint64_t)wt_cluster_size() != (uint64_t)rank);
    return got;
}

/* The keys of one document; how many of them are the test sets'. */
static uint64_t train_use(overlap_pass *p, train_item *t, int i_thread) {
    const u64_list *keys = &t->keys.keys;
    if (p->hll) overlap_hll_add(p->hll + (size_t)i_thread * OVERLAP_HLL_N, keys->at, keys->n);
    if (p->filter) list_add_all(&t->to_add, keys);
    if (!p->table) return 0;
    WT_GROW(t->hit, t->hit_cap, keys->n);
    bloom_test_batch(p->table->gate, keys->at, keys->n, t->hit);
    return overlap_table_mark(p->table, keys->at, t->hit, keys->n, (uint8_t)(1 << p->i_train));
}

static void train_sort_out(const overlap_pass *p, train_item *t, wt_str document, uint64_t hits) {
    bool bad = hits >= p->o->job->min_hits;
    if (!bad) {
        wt_buf_add_str(&t->clean, document);
        return;
    }
    t->contaminated++;
    wt_buf_printf(&t->list, "{\"id\":");
    wt_json_add_string(&t->list, t->keys.id);
    wt_buf_printf(&t->list, ",\"train\":");
    wt_json_add_string(&t->list, wt_str_of(p->o->job->train[p->i_train].name));
    wt_buf_printf(&t->list, ",\"hits\":%llu,\"ngrams\":%zu}\n", (unsigned long long)hits, t->keys.keys.n);
}

static void train_item_clear(train_item *t) {
    t->documents = t->words = t->ngrams = t->bad = t->contaminated = 0;
    t->list.len = t->clean.len = t->to_add.n = 0;
}

static int train_work(void *ctx, void *item, int i_thread, wt_err *err) {
    overlap_pass *p = ctx;
    train_item *t = item;
    train_item_clear(t);
    for (size_t i = 0, at = 0; i < t->block.end.n; at = t->block.end.at[i++]) {
        wt_str document = {t->block.bytes.ptr + at, t->block.end.at[i] - at};
        if (!overlap_document_keys(p->o->job, document, t->block.json, &t->keys)) {
            t->bad++;
            continue;
        }
        uint64_t hits = train_use(p, t, i_thread);
        if (p->writes) train_sort_out(p, t, document, hits);
        t->documents++;
        t->words += t->keys.n_words;
        t->ngrams += t->keys.keys.n;
    }
    return 0;
}

static void train_count(overlap_pass *p, const train_item *t) {
    overlap_facts *f = &p->o->fact[p->i_train];
    f->documents += t->documents;
    f->words += t->words;
    f->ngrams += t->ngrams;
    f->bytes += t->block.bytes.len;
    p->source.bad += t->bad;
    p->contaminated += t->contaminated;
    wt_progress_set(f->documents);
}

static int filter_add(overlap_pass *p, train_item *t, const uint64_t *keys, size_t n, wt_err *err) {
    WT_GROW(t->hit, t->hit_cap, n);
    return keyset_do(p->filter, KEYSET_ADD, keys, n, NULL, 0, t->hit, p->o->job->threads, err);
}

static int train_write(void *ctx, void *item, wt_err *err) {
    overlap_pass *p = ctx;
    train_item *t = item;
    train_count(p, t);
    if (p->filter && filter_add(p, t, t->to_add.at, t->to_add.n, err)) return -1;
    if (p->list && wt_out_str(p->list, wt_buf_view(&t->list), err)) return -1;
    if (p->clean && wt_out_str(p->clean, wt_buf_view(&t->clean), err)) return -1;
    return 0;
}

/* ---- several ranks ---- */

/* The keys of a round go to the owners of their shards, in the order of blocks. */
static int ranks_add_keys(overlap_pass *p, train_item *t, wt_err *err) {
    int size = wt_cluster_size();
    u64_list *to = wt_xcalloc((size_t)size, sizeof *to);
    void *all, **parts = wt_xcalloc((size_t)size, sizeof *parts);
    size_t n = 0, *send = wt_xcalloc(2 * (size_t)size, sizeof *send), *counts = send + size;
    for (size_t i = 0; i < t->to_add.n; i++)
        list_add(&to[keyset_shard_of(t->to_add.at[i]) % (unsigned)size], t->to_add.at[i]);
    for (int r = 0; r < size; r++) parts[r] = to[r].at, send[r] = to[r].n * sizeof *to[r].at;
    wt_cluster_exchange(parts, send, &all, counts);
    for (int r = 0; r < size; r++) {
        free(to[r].at);
        n += counts[r] / sizeof(uint64_t);
    }
    int result = filter_add(p, t, all, n, err);
    free(all), free(parts), free(send), free(to);
    return result;
}

/* Rank 0 writes what all have for `out`, in the order of blocks. */
static int ranks_write(wt_out *out, wt_buf *text, wt_err *err) {
    size_t size = (size_t)wt_cluster_size(), *send = wt_xcalloc(2 * size, sizeof *send), *counts = send + size;
    void *all, **parts = wt_xcalloc(size, sizeof *parts);
    int result = 0;
    parts[0] = text->ptr, send[0] = text->len;
    wt_cluster_exchange(parts, send, &all, counts);
    const char *at = all;
    for (size_t r = 0; r < size && out && !result; at += counts[r++])
        result = wt_out_str(out, (wt_str){at, counts[r]}, err);
    free(all), free(parts), free(send);
    return result;
}

/* Rounds of one block a rank, for passes whose blocks must meet in order. */
static int ranks_rounds(overlap_pass *p, wt_err *err) {
    train_item *t = train_item_new(p);
    const overlap_job *job = p->o->job;
    int result = 0;
    bool more = true;
    while (!result && more) {
        int got = wt_stop_requested() ? wt_stop_error(err) : train_read(p, t, err);
        train_item_clear(t);
        if (got > 0) result = train_work(p, t, 0, err);
        if (got > 0 && !result) train_count(p, t);
        result = wt_cluster_agree(got < 0 ? -1 : result, err);
        more = !result && wt_cluster_any(got > 0);
        if (more && p->filter) result = ranks_add_keys(p, t, err);
        if (more && p->writes && job->contaminated && !result) result = ranks_write(p->list, &t->list, err);
        if (more && p->writes && job->clean && !result) result = ranks_write(p->clean, &t->clean, err);
    }
    train_item_free(p, t);
    return result;
}

static int train_blocks(overlap_pass *p, wt_err *err) {
    if (wt_cluster_size() > 1 && (p->filter || p->writes)) return ranks_rounds(p, err);
    wt_pipeline pipeline = {.ctx = p, .threads = p->o->job->threads, .stop_on_signal = true, .item_new = train_item_new,
                            .item_free = train_item_free, .read = train_read, .work = train_work,
                            .write = train_write};
    return wt_cluster_agree(wt_pipeline_run(&pipeline, err), err);
}

int overlap_pass_run(overlap_pass *p, const char *label, wt_err *err) {
    const overlap_job *job = p->o->job;
    p->source = (overlap_source){.paths = &job->train[p->i_train].paths, .lines = job->lines};
    p->writes = p->table && (job->contaminated || job->clean);
    p->n_blocks = 0;
    overlap_facts *f = &p->o->fact[p->i_train];
    f->documents = f->words = f->ngrams = f->bytes = 0;
    wt_progress_begin(label, "documents", 0);
    int result = train_blocks(p, err);
    wt_progress_end();
    wt_in_close(p->source.in);
    if (result) return -1;
    uint64_t sum[] = {f->documents, f->words, f->ngrams, f->bytes, p->source.bad};
    wt_cluster_sum_u64(sum, sizeof sum / sizeof *sum);
    f->documents = sum[0], f->words = sum[1], f->ngrams = sum[2], f->bytes = sum[3];
    if (sum[4]) wt_report_drop("training line is not JSON", sum[4]);
    if (p->source.too_long) wt_report_drop("training line too long", p->source.too_long);     /* each rank saw all lines */
    if (f->ngrams == 0)
        return wt_fail(err, WT_EDATA, "training set '%s' has no document of %d words", job->train[p->i_train].name,
                       job->ngram);
    return 0;
}

/* overlap.c - the n-grams of test sets in training sets. The keys of all test sets lie in memory, in
 * text order; both ways end in one byte a key saying which training sets have it, and everything that
 * is printed is counted from those.
 *
 * On several ranks each reads all training text and makes the keys of every n-th block. The table is
 * everybody's, and what was found is joined at the end. Of the filter each rank owns the shards r,
 * r + ranks, ..., and keys go to their owners block by block, in the order that one rank would have. */
#include "dedup/overlap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/doc.h"
#include "common/hash.h"
#include "common/in.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/pipeline.h"
#include "common/rng.h"
#include "common/tool.h"
#include "dedup/bloom.h"
#include "dedup/keyset.h"
#include "dedup/words_impl.h"

/* ---- test sets ---- */

typedef struct {
    size_t key_end;             /* of its keys; they begin where the last example's end */
    wt_str id;                  /* may be empty */
} example;

typedef struct {
    u64_list keys;
    u64_list runs;              /* ends of runs of neighbouring n-grams: strings of the examples */
    example *at;
    size_t n, cap;
    uint8_t *found[2];          /* bit g: training set g has the key; [0] bloom, [1] inverted */
    size_t *distinct;           /* indexes of keys, one a distinct key */
    size_t n_distinct;
} test_set;

typedef struct {
    uint64_t documents, words, ngrams, bytes;
    double distinct;            /* estimated */
    bloom_stats filter;
    uint64_t probes, probe_hits;
} train_facts;

typedef struct {
    const overlap_job *job;
    test_set *test;
    train_facts fact[OVERLAP_TRAINS_MAX];
    wt_arena *ids;
} overlap;

/* ---- reading documents of any kind: batches of lines, or a whole file of plain text ---- */

typedef struct {
    const wt_paths *paths;
    size_t i_path;
    wt_in *in;
    bool json, lines;
    uint64_t too_long, bad;
} doc_source;

typedef struct {
    wt_buf bytes;
    u64_list end;               /* of each document */
    bool json;
} doc_block;

static int block_read(doc_source *s, doc_block *b, wt_err *err) {
    enum { BLOCK = 4 << 20 };
    b->bytes.len = b->end.n = 0;
    while (b->end.n == 0) {
        if (!s->in) {
            if (s->i_path == s->paths->n) return 0;
            if (!(s->in = wt_in_open(s->paths->path[s->i_path], err))) return -1;
            s->json = false;
        }
        wt_str line;
        int got = 1;
        bool first = wt_in_offset(s->in) == 0;
        while (b->bytes.len < BLOCK && (got = wt_in_line(s->in, WT_DOC_LINE_MAX, &line, &s->too_long, err)) > 0) {
            wt_str trimmed = wt_str_trim(line);
            if (first && trimmed.len) s->json = trimmed.ptr[0] == '{', first = false;
            wt_buf_add_str(&b->bytes, line);
            wt_buf_add_char(&b->bytes, '\n');
            if (s->json || s->lines) list_add(&b->end, b->bytes.len);
            /* A whole file of plain text is one document, however long. */
            else if (b->bytes.len >= BLOCK)
                while ((got = wt_in_line(s->in, WT_DOC_LINE_MAX, &line, &s->too_long, err)) > 0) {
                    wt_buf_add_str(&b->bytes, line);
                    wt_buf_add_char(&b->bytes, '\n');
                }
        }
        if (got < 0) return -1;
        if (b->end.n == 0 && b->bytes.len > 0) list_add(&b->end, b->bytes.len);
        b->json = s->json;
        if (got == 0) {
            wt_in_close(s->in);
            s->in = NULL;
            s->i_path++;
        }
    }
    return 1;
}

typedef struct {
    u64_list words, keys, runs;
    wt_arena *arena;
    wt_str id;
    uint64_t n_words;
} doc_keys;

static void string_keys(const overlap_job *job, wt_str text, doc_keys *k) {
    k->words.n = 0;
    words_hash(job->words, text, &k->words);
    k->n_words += k->words.n;
    size_t before = k->keys.n;
    words_ngrams(k->words.at, k->words.n, job->ngram, &k->keys);
    if (k->keys.n > before) list_add(&k->runs, k->keys.n);
}

/* All strings of a value, each for itself: test sets keep their text under many names. */
static void value_keys(const overlap_job *job, wt_json value, doc_keys *k, int depth) {
    if (value.kind == WT_JSON_STRING) {
        string_keys(job, wt_json_string(value, k->arena), k);
        return;
    }
    wt_json_iter it;
    wt_json inner;
    wt_str key;
    if ((value.kind != WT_JSON_ARRAY && value.kind != WT_JSON_OBJECT) || depth > 16 ||
        wt_json_iter_init(&it, value, NULL))
        return;
    while (wt_json_next(&it, &key, &inner, NULL) > 0)
        if (value.kind == WT_JSON_ARRAY || !wt_str_eq(key, WT_STR("id"))) value_keys(job, inner, k, depth + 1);
}

/* Returns false for a line that is not JSON. */
static bool document_keys(const overlap_job *job, wt_str document, bool json, doc_keys *k) {
    static const wt_str fields[2] = {{"text", 4}, {"id", 2}};
    wt_json value[2], whole;
    wt_arena_reset(k->arena);
    k->keys.n = k->runs.n = 0;
    k->n_words = 0;
    k->id = (wt_str){0};
    if (!json) {
        string_keys(job, document, k);
        return true;
    }
    document = wt_str_trim(document);
    if (document.len == 0) return true;
    if (wt_json_pick(document, fields, 2, value, NULL)) return false;
    k->id = value[1].kind == WT_JSON_STRING ? wt_json_string(value[1], k->arena) : value[1].raw;
    if (value[0].kind == WT_JSON_STRING) string_keys(job, wt_json_string(value[0], k->arena), k);
    else if (wt_json_parse(document, &whole, NULL) == 0) value_keys(job, whole, k, 0);
    return true;
}

static void doc_keys_free(doc_keys *k) {
    free(k->words.at), free(k->keys.at), free(k->runs.at);
    wt_arena_free(k->arena);
}

static int load_test(overlap *o, size_t i_set, wt_err *err) {
    test_set *t = &o->test[i_set];
    doc_source source = {.paths = &o->job->test[i_set].paths, .lines = o->job->lines};
    doc_block block = {0};
    doc_keys k = {.arena = wt_arena_new(0)};
    int got;
    while ((got = block_read(&source, &block, err)) > 0)
        for (size_t i = 0, at = 0; i < block.end.n; at = block.end.at[i++]) {
            wt_str document = {block.bytes.ptr + at, block.end.at[i] - at};
            if (wt_str_trim(document).len == 0) continue;
            if (!document_keys(o->job, document, block.json, &k)) {
                source.bad++;
                continue;
            }
            for (size_t r = 0; r < k.runs.n; r++) list_add(&t->runs, t->keys.n + k.runs.at[r]);
            list_room(&t->keys, k.keys.n);
            if (k.keys.n) memcpy(t->keys.at + t->keys.n, k.keys.at, k.keys.n * sizeof *k.keys.at);
            t->keys.n += k.keys.n;
            WT_GROW(t->at, t->cap, t->n + 1);
            t->at[t->n++] = (example){t->keys.n, wt_arena_copy(o->ids, k.id)};
        }
    wt_in_close(source.in);
    if (source.bad) wt_report_drop("test line is not JSON", source.bad);
    wt_buf_free(&block.bytes);
    free(block.end.at);
    doc_keys_free(&k);
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

static void find_distinct(test_set *t) {
    keyed *all = wt_xmalloc((t->keys.n + 1) * sizeof *all);
    for (size_t i = 0; i < t->keys.n; i++) all[i] = (keyed){t->keys.at[i], i};
    qsort(all, t->keys.n, sizeof *all, by_key);
    t->distinct = wt_xmalloc((t->keys.n + 1) * sizeof *t->distinct);
    for (size_t i = 0; i < t->keys.n; i++)
        if (i == 0 || all[i].key != all[i - 1].key) t->distinct[t->n_distinct++] = all[i].at;
    free(all);
}

/* ---- the training text, in many threads ---- */

/* HyperLogLog (Flajolet et al. 2007): 2^14 registers, 0.8 % off. */
enum { HLL_BITS = 14, HLL_N = 1 << HLL_BITS };

static void hll_add(uint8_t *hll, const uint64_t *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = wt_mix64(keys[i] + GOLDEN);
        uint8_t rank = (uint8_t)(__builtin_clzll(hash << HLL_BITS | 1 << (HLL_BITS - 1)) + 1);
        uint8_t *reg = &hll[hash >> (64 - HLL_BITS)];
        if (rank > *reg) *reg = rank;
    }
}

static double hll_count(const uint8_t *hll) {
    double sum = 0, zeros = 0;
    for (int i = 0; i < HLL_N; i++) sum += ldexp(1, -hll[i]), zeros += hll[i] == 0;
    double raw = 0.7213 / (1 + 1.079 / HLL_N) * HLL_N * (double)HLL_N / sum;
    return raw < 2.5 * HLL_N && zeros > 0 ? HLL_N * log(HLL_N / zeros) : raw;
}

/* Every rank gets the registers of all. */
static void hll_join(uint8_t *hll) {
    uint64_t *wide = wt_xmalloc(HLL_N * sizeof *wide);
    for (int i = 0; i < HLL_N; i++) wide[i] = hll[i];
    wt_cluster_max_u64(wide, HLL_N);
    for (int i = 0; i < HLL_N; i++) hll[i] = (uint8_t)wide[i];
    free(wide);
}

/* All test keys with the training sets that have them: open addressing, half full at most, behind a
 * filter that stays in the cache and turns most training n-grams away. */
typedef struct {
    uint64_t *key, mask;
    uint8_t *found;
    bloom *gate;
} key_table;

typedef struct {
    overlap *o;
    size_t i_train;
    doc_source source;
    /* what is done with the keys: one of */
    uint8_t *hll;               /* HLL_N for each thread */
    keyset *filter;
    key_table *table;
    wt_out *list, *clean;       /* of contaminated and of other documents; rank 0 has them */
    bool writes;                /* some rank has */
    uint64_t contaminated;
    uint64_t n_blocks;          /* read so far */
} train_pass;

typedef struct {
    doc_block block;
    doc_keys keys;
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
    doc_keys_free(&t->keys);
    free(t);
}

/* The next block of this rank. */
static int train_read(void *ctx, void *item, wt_err *err) {
    train_pass *p = ctx;
    train_item *t = item;
    int got, rank = wt_cluster_rank();
    do got = block_read(&p->source, &t->block, err);
    while (got > 0 && p->n_blocks++ % (uint64_t)wt_cluster_size() != (uint64_t)rank);
    return got;
}

static uint64_t table_mark(key_table *t, const uint64_t *keys, const uint8_t *maybe, size_t n, uint8_t bit) {
    uint64_t hits = 0;
    for (size_t i = 0; i < n; i++) {
        if (!maybe[i]) continue;
        uint64_t at = wt_mix64(keys[i]) & t->mask;
        while (t->key[at] && t->key[at] != keys[i]) at = (at + 1) & t->mask;
        if (!t->key[at]) continue;
        hits++;
        if (!(__atomic_load_n(&t->found[at], __ATOMIC_RELAXED) & bit))
            __atomic_fetch_or(&t->found[at], bit, __ATOMIC_RELAXED);
    }
    return hits;
}

/* The keys of one document; how many of them are the test sets'. */
static uint64_t train_use(train_pass *p, train_item *t, int i_thread) {
    const u64_list *keys = &t->keys.keys;
    if (p->hll) hll_add(p->hll + (size_t)i_thread * HLL_N, keys->at, keys->n);
    if (p->filter && keys->n) {
        list_room(&t->to_add, keys->n);
        memcpy(t->to_add.at + t->to_add.n, keys->at, keys->n * sizeof *keys->at);
        t->to_add.n += keys->n;
    }
    if (!p->table) return 0;
    WT_GROW(t->hit, t->hit_cap, keys->n);
    bloom_test_batch(p->table->gate, keys->at, keys->n, t->hit);
    return table_mark(p->table, keys->at, t->hit, keys->n, (uint8_t)(1 << p->i_train));
}

static void train_sort_out(const train_pass *p, train_item *t, wt_str document, uint64_t hits) {
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
    train_pass *p = ctx;
    train_item *t = item;
    train_item_clear(t);
    for (size_t i = 0, at = 0; i < t->block.end.n; at = t->block.end.at[i++]) {
        wt_str document = {t->block.bytes.ptr + at, t->block.end.at[i] - at};
        if (!document_keys(p->o->job, document, t->block.json, &t->keys)) {
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

static void train_count(train_pass *p, const train_item *t) {
    train_facts *f = &p->o->fact[p->i_train];
    f->documents += t->documents;
    f->words += t->words;
    f->ngrams += t->ngrams;
    f->bytes += t->block.bytes.len;
    p->source.bad += t->bad;
    p->contaminated += t->contaminated;
    wt_progress_set(f->documents);
}

static int filter_add(train_pass *p, train_item *t, const uint64_t *keys, size_t n, wt_err *err) {
    WT_GROW(t->hit, t->hit_cap, n);
    return keyset_do(p->filter, KEYSET_ADD, keys, n, NULL, 0, t->hit, p->o->job->threads, err);
}

static int train_write(void *ctx, void *item, wt_err *err) {
    train_pass *p = ctx;
    train_item *t = item;
    train_count(p, t);
    if (p->filter && filter_add(p, t, t->to_add.at, t->to_add.n, err)) return -1;
    if (p->list && wt_out_str(p->list, wt_buf_view(&t->list), err)) return -1;
    if (p->clean && wt_out_str(p->clean, wt_buf_view(&t->clean), err)) return -1;
    return 0;
}

/* ---- several ranks ---- */

/* The keys of a round go to the owners of their shards, in the order of blocks. */
static int ranks_add_keys(train_pass *p, train_item *t, wt_err *err) {
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
static int ranks_rounds(train_pass *p, wt_err *err) {
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

static int train_blocks(train_pass *p, wt_err *err) {
    if (wt_cluster_size() > 1 && (p->filter || p->writes)) return ranks_rounds(p, err);
    wt_pipeline pipeline = {.ctx = p, .threads = p->o->job->threads, .stop_on_signal = true, .item_new = train_item_new,
                            .item_free = train_item_free, .read = train_read, .work = train_work,
                            .write = train_write};
    return wt_cluster_agree(wt_pipeline_run(&pipeline, err), err);
}

static int train_stream(train_pass *p, const char *label, wt_err *err) {
    const overlap_job *job = p->o->job;
    p->source = (doc_source){.paths = &job->train[p->i_train].paths, .lines = job->lines};
    p->writes = p->table && (job->contaminated || job->clean);
    p->n_blocks = 0;
    train_facts *f = &p->o->fact[p->i_train];
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
    if (f->ngrams == 0)
        return wt_fail(err, WT_EDATA, "training set '%s' has no document of %d words", job->train[p->i_train].name,
                       job->ngram);
    return 0;
}

/* ---- the paper's way ---- */

static int count_distinct(overlap *o, size_t i_train, wt_err *err) {
    int threads = o->job->threads > 0 ? o->job->threads : wt_cpu_count();
    uint8_t *hll = wt_xcalloc((size_t)threads, HLL_N);
    train_pass pass = {.o = o, .i_train = i_train, .hll = hll};
    int result = train_stream(&pass, "counting n-grams", err);
    for (int t = 1; t < threads; t++)
        for (int i = 0; i < HLL_N; i++)
            if (hll[t * HLL_N + i] > hll[i]) hll[i] = hll[t * HLL_N + i];
    if (!result && wt_cluster_size() > 1) hll_join(hll);
    o->fact[i_train].distinct = hll_count(hll);
    free(hll);
    return result;
}

/* Random keys stand for strings that no document has. */
static void probe_filter(const overlap *o, keyset *filter, train_facts *f) {
    enum { BATCH = 1 << 16 };
    uint64_t *keys = wt_xmalloc(BATCH * sizeof *keys);
    uint8_t *seen = wt_xmalloc(BATCH);
    wt_rng rng;
    wt_rng_init(&rng, o->job->seed, 0x70726f6265);
    f->probe_hits = 0;
    for (f->probes = 0; f->probes < o->job->probes; f->probes += BATCH) {
        for (int i = 0; i < BATCH; i++) keys[i] = wt_rng_u64(&rng);
        keyset_do(filter, KEYSET_TEST, keys, BATCH, NULL, 0, seen, o->job->threads, NULL);
        for (int i = 0; i < BATCH; i++) f->probe_hits += seen[i];
    }
    free(keys), free(seen);
}

static void note_found(overlap *o, int way, size_t i_train, keyset *filter) {
    for (size_t s = 0; s < o->job->n_tests; s++) {
        test_set *t = &o->test[s];
        uint8_t *seen = wt_xmalloc(t->keys.n);
        keyset_do(filter, KEYSET_TEST, t->keys.at, t->keys.n, NULL, 0, seen, o->job->threads, NULL);
        for (size_t i = 0; i < t->keys.n; i++) t->found[way][i] |= (uint8_t)(seen[i] << i_train);
        free(seen);
    }
}

static int run_bloom(overlap *o, size_t i_train, wt_err *err) {
    uint64_t capacity = o->job->expect;
    train_facts *f = &o->fact[i_train];
    if (!capacity) {
        if (count_distinct(o, i_train, err)) return -1;
        capacity = (uint64_t)(f->distinct * 1.03) + 1000;     /* above the count's own error */
    }
    keyset filter;
    bloom_config config = {.capacity = capacity, .fp_rate = o->job->fp_rate};
    if (keyset_init(&filter, &config, err)) return wt_context(err, "--mode inverted needs no filter; bloom");
    train_pass pass = {.o = o, .i_train = i_train, .filter = &filter};
    int result = train_stream(&pass, "filling the filter", err);
    if (!result) {
        filter.spread = wt_cluster_size() > 1;        /* only now: while filling, ranks gave different keys */
        keyset_stats(&filter, o->job->threads, &f->filter);
        probe_filter(o, &filter, f);
        note_found(o, 0, i_train, &filter);
        if (f->filter.fp_now > 1.5 * o->job->fp_rate && wt_cluster_rank() == 0)
            wt_warn("the filter of '%s' holds %llu n-grams and was made for %llu: rate %.2g; give a larger --expect",
                    o->job->train[i_train].name, (unsigned long long)f->filter.n_added,
                    (unsigned long long)capacity, f->filter.fp_now);
    }
    keyset_reset(&filter);
    return result;
}

/* ---- the other way round ---- */

static int table_make(const overlap *o, key_table *t, wt_err *err) {
    uint64_t n = 0, size = 1024;
    for (size_t s = 0; s < o->job->n_tests; s++) n += o->test[s].n_distinct;
    while (size < 2 * n) size *= 2;
    *t = (key_table){.mask = size - 1};
    t->key = wt_big_alloc(size * sizeof *t->key, "the table of test n-grams", err);
    t->found = t->key ? wt_big_alloc(size, "the table of test n-grams", err) : NULL;
    t->gate = t->found ? bloom_new(n + 64, 0.01, err) : NULL;
    if (!t->gate) return -1;
    for (size_t s = 0; s < o->job->n_tests; s++)
        for (size_t i = 0; i < o->test[s].n_distinct; i++) {
            uint64_t key = o->test[s].keys.at[o->test[s].distinct[i]], at = wt_mix64(key) & t->mask;
            while (t->key[at] && t->key[at] != key) at = (at + 1) & t->mask;
            t->key[at] = key;
            bloom_add(t->gate, key);
        }
    return 0;
}

static void table_free(key_table *t) {
    if (t->key) wt_big_free(t->key, (t->mask + 1) * sizeof *t->key);
    if (t->found) wt_big_free(t->found, t->mask + 1);
    bloom_free(t->gate);
}

static void note_table(overlap *o, const key_table *t) {
    for (size_t s = 0; s < o->job->n_tests; s++) {
        test_set *set = &o->test[s];
        for (size_t i = 0; i < set->keys.n; i++) {
            uint64_t key = set->keys.at[i], at = wt_mix64(key) & t->mask;
            while (t->key[at] != key) at = (at + 1) & t->mask;
            set->found[1][i] = t->found[at];
        }
    }
}

static int open_outputs(const overlap_job *job, train_pass *p, wt_err *err) {
    if (wt_cluster_rank() != 0) return 0;
    if (job->contaminated && !(p->list = wt_out_open(job->contaminated, err))) return -1;
    if (job->clean && !(p->clean = wt_out_open(job->clean, err))) return -1;
    return 0;
}

static int close_outputs(train_pass *p, int result, wt_err *err) {
    wt_out *outs[2] = {p->list, p->clean};
    for (int i = 0; i < 2; i++) {
        if (!outs[i]) continue;
        if (result) wt_out_abort(outs[i]);
        else result = wt_out_commit(outs[i], err);
    }
    return result;
}

static int run_inverted(overlap *o, wt_err *err) {
    key_table table;
    train_pass pass = {.o = o, .table = &table};
    int result = table_make(o, &table, err);
    if (!result) result = wt_cluster_agree(open_outputs(o->job, &pass, err), err);
    for (size_t g = 0; g < o->job->n_trains && !result; g++) {
        pass.i_train = g;
        result = train_stream(&pass, "streaming", err);
    }
    result = wt_cluster_agree(close_outputs(&pass, result, err), err);
    if (!result) {
        wt_cluster_or_u64((uint64_t *)table.found, (table.mask + 1) / sizeof(uint64_t));
        wt_cluster_sum_u64(&pass.contaminated, 1);
        note_table(o, &table);
    }
    if (!result && (o->job->contaminated || o->job->clean))
        wt_report_count("contaminated documents", pass.contaminated);
    table_free(&table);
    return result;
}

/* ---- what comes out ---- */

typedef struct {
    uint64_t positions, distinct, examples;
} found_counts;

static found_counts count_found(const test_set *t, int way, size_t i_train) {
    found_counts c = {0};
    const uint8_t *found = t->found[way];
    for (size_t i = 0; i < t->keys.n; i++) c.positions += found[i] >> i_train & 1;
    for (size_t i = 0; i < t->n_distinct; i++) c.distinct += found[t->distinct[i]] >> i_train & 1;
    for (size_t e = 0, at = 0; e < t->n; e++) {
        bool any = false;
        for (; at < t->at[e].key_end; at++) any |= found[at] >> i_train & 1;
        c.examples += any;
    }
    return c;
}

static double percent(uint64_t part, uint64_t whole) { return whole ? 100.0 * (double)part / (double)whole : 0; }

static void print_rows(const overlap *o, int way, bool distinct, wt_buf *out) {
    const overlap_job *job = o->job;
    wt_buf_printf(out, "\n%% of %s %d-grams found%s\n%-24s", distinct ? "distinct" : "all", job->ngram,
                  distinct ? " (each counted once)" : "", "");
    for (size_t s = 0; s < job->n_tests; s++) wt_buf_printf(out, " %12.12s", job->test[s].name);
    wt_buf_printf(out, " %12s\n", "mean");
    for (size_t g = 0; g < job->n_trains; g++) {
        double sum = 0;
        wt_buf_printf(out, "%-24.24s", job->train[g].name);
        for (size_t s = 0; s < job->n_tests; s++) {
            const test_set *t = &o->test[s];
            found_counts c = count_found(t, way, g);
            double share = distinct ? percent(c.distinct, t->n_distinct) : percent(c.positions, t->keys.n);
            sum += share;
            wt_buf_printf(out, " %11.2f%%", share);
        }
        wt_buf_printf(out, " %11.2f%%\n", sum / (double)job->n_tests);
    }
}

/* Zero hits in n probes leave 3/n as the 95 % bound of the rate. */
static double rate_bound(const train_facts *f) {
    return f->probes ? ((double)f->probe_hits + 3 + 2 * sqrt((double)f->probe_hits)) / (double)f->probes : 1;
}

static void print_table(const overlap *o, int way, wt_buf *out) {
    const overlap_job *job = o->job;
    for (size_t g = 0; g < job->n_trains; g++) {
        const train_facts *f = &o->fact[g];
        wt_buf_printf(out, "train '%s': %llu documents, %llu words, %llu %d-grams\n", job->train[g].name,
                      (unsigned long long)f->documents, (unsigned long long)f->words,
                      (unsigned long long)f->ngrams, job->ngram);
        if (f->filter.bytes)
            wt_buf_printf(out, "  filter %s, %llu bytes, %.0f distinct; rate wanted %.1e, from its bits %.2e; %llu "
                          "probes, %llu found (95 %% bound %.1e)\n", bloom_variant_name(f->filter.variant),
                          (unsigned long long)f->filter.bytes, f->filter.n_estimate, job->fp_rate,
                          f->filter.fp_now, (unsigned long long)f->probes,
                          (unsigned long long)f->probe_hits, rate_bound(f));
    }
    for (size_t s = 0; s < job->n_tests; s++)
        wt_buf_printf(out, "test '%s': %zu examples, %zu %d-grams, %zu distinct\n", job->test[s].name, o->test[s].n,
                      o->test[s].keys.n, job->ngram, o->test[s].n_distinct);
    print_rows(o, way, false, out);
    print_rows(o, way, true, out);
}

static void json_train(const overlap *o, size_t g, wt_buf *out) {
    const train_facts *f = &o->fact[g];
    wt_buf_printf(out, "%s{\"name\":", g ? "," : "");
    wt_json_add_string(out, wt_str_of(o->job->train[g].name));
    wt_buf_printf(out, ",\"documents\":%llu,\"words\":%llu,\"ngrams\":%llu", (unsigned long long)f->documents,
                  (unsigned long long)f->words, (unsigned long long)f->ngrams);
    if (f->filter.bytes)
        wt_buf_printf(out, ",\"filter\":{\"layout\":\"%s\",\"bytes\":%llu,\"distinct\":%.0f,\"rate_wanted\":%g,"
                      "\"rate_from_bits\":%.4g,\"probes\":%llu,\"probe_hits\":%llu,\"rate_bound_95\":%.3g}",
                      bloom_variant_name(f->filter.variant), (unsigned long long)f->filter.bytes,
                      f->filter.n_estimate, o->job->fp_rate, f->filter.fp_now,
                      (unsigned long long)f->probes, (unsigned long long)f->probe_hits, rate_bound(f));
    wt_buf_add_char(out, '}');
}

static void json_test(const overlap *o, size_t s, int way, wt_buf *out) {
    const test_set *t = &o->test[s];
    wt_buf_printf(out, "%s{\"name\":", s ? "," : "");
    wt_json_add_string(out, wt_str_of(o->job->test[s].name));
    wt_buf_printf(out, ",\"examples\":%zu,\"ngrams\":%zu,\"distinct\":%zu,\"overlap\":[", t->n, t->keys.n, t->n_distinct);
    for (size_t g = 0; g < o->job->n_trains; g++) {
        found_counts c = count_found(t, way, g);
        wt_buf_printf(out, "%s{\"train\":", g ? "," : "");
        wt_json_add_string(out, wt_str_of(o->job->train[g].name));
        wt_buf_printf(out, ",\"ngrams\":%llu,\"percent\":%.4f,\"distinct\":%llu,\"percent_distinct\":%.4f,"
                      "\"examples\":%llu}", (unsigned long long)c.positions, percent(c.positions, t->keys.n),
                      (unsigned long long)c.distinct, percent(c.distinct, t->n_distinct),
                      (unsigned long long)c.examples);
    }
    wt_buf_printf(out, "]}");
}

/* How the two ways compare: what only one of them found. */
static int check_agreement(const overlap *o, wt_buf *json, wt_buf *text, wt_err *err) {
    uint64_t n = 0, only_bloom = 0, only_table = 0;
    for (size_t s = 0; s < o->job->n_tests; s++)
        for (size_t i = 0; i < o->test[s].n_distinct; i++) {
            size_t at = o->test[s].distinct[i];
            uint8_t a = o->test[s].found[0][at], b = o->test[s].found[1][at];
            n += o->job->n_trains;
            only_bloom += (uint64_t)__builtin_popcount(a & ~b);
            only_table += (uint64_t)__builtin_popcount(b & ~a);
        }
    double expected = (double)n * o->job->fp_rate, limit = expected + 4 * sqrt(expected) + 1;
    wt_buf_printf(json, "{\"distinct\":%llu,\"only_bloom\":%llu,\"only_inverted\":%llu,\"expected\":%.3g}",
                  (unsigned long long)n, (unsigned long long)only_bloom, (unsigned long long)only_table, expected);
    wt_buf_printf(text, "\nbloom and inverted agree on %llu of %llu; only bloom %llu (%.2g expected), only inverted %llu\n",
                  (unsigned long long)(n - only_bloom - only_table), (unsigned long long)n,
                  (unsigned long long)only_bloom, expected, (unsigned long long)only_table);
    if (only_table == 0 && (double)only_bloom <= limit) return 0;
    return wt_fail(err, WT_EDATA, "the two ways disagree: only bloom %llu, at most %.0f expected, only inverted %llu",
                   (unsigned long long)only_bloom, limit, (unsigned long long)only_table);
}

static int write_table(const overlap *o, int way, wt_str json_agreement, wt_str text_agreement, wt_err *err) {
    const overlap_job *job = o->job;
    static const char *const modes[] = {"bloom", "inverted", "both"};
    wt_buf out = {0};
    if (job->json) {
        wt_buf_printf(&out, "{\"ngram\":%d,\"words\":\"%s\",\"mode\":\"%s\",\"train\":[", job->ngram,
                      words_rule_name(job->words), modes[job->mode]);
        for (size_t g = 0; g < job->n_trains; g++) json_train(o, g, &out);
        wt_buf_printf(&out, "],\"test\":[");
        for (size_t s = 0; s < job->n_tests; s++) json_test(o, s, way, &out);
        wt_buf_printf(&out, "]%s%.*s}\n", json_agreement.len ? ",\"agreement\":" : "", WT_FMT(json_agreement));
    } else {
        print_table(o, way, &out);
        wt_buf_add_str(&out, text_agreement);
    }
    wt_out *file = wt_out_open(job->output, err);
    int result = file ? wt_out_str(file, wt_buf_view(&out), err) : -1;
    if (file && result) wt_out_abort(file);
    else if (file) result = wt_out_commit(file, err);
    wt_buf_free(&out);
    return result;
}

/* The longest run of neighbouring n-grams that any training set has, in words. */
static size_t longest_match(const test_set *t, int way, size_t from, size_t to, size_t *i_run, int n) {
    size_t best = 0, now = 0;
    while (*i_run < t->runs.n && t->runs.at[*i_run] <= from) ++*i_run;
    for (size_t i = from; i < to; i++) {
        if (*i_run < t->runs.n && i == t->runs.at[*i_run]) now = 0, ++*i_run;
        now = t->found[way][i] ? now + 1 : 0;
        if (now > best) best = now;
    }
    return best ? best + (size_t)n - 1 : 0;
}

static int write_examples(const overlap *o, int way, wt_err *err) {
    const overlap_job *job = o->job;
    wt_out *out = wt_out_open(job->examples, err);
    wt_buf line = {0};
    int result = out ? 0 : -1;
    for (size_t s = 0; s < job->n_tests && !result; s++) {
        const test_set *t = &o->test[s];
        for (size_t e = 0, from = 0, i_run = 0; e < t->n && !result; from = t->at[e++].key_end) {
            size_t to = t->at[e].key_end, hits = 0;
            for (size_t i = from; i < to; i++) hits += t->found[way][i] != 0;
            line.len = 0;
            wt_buf_printf(&line, "{\"test\":");
            wt_json_add_string(&line, wt_str_of(job->test[s].name));
            wt_buf_printf(&line, ",\"example\":%zu,\"id\":", e);
            wt_json_add_string(&line, t->at[e].id);
            wt_buf_printf(&line, ",\"ngrams\":%zu,\"found\":%zu,\"percent\":%.4f,\"longest_words\":%zu}\n", to - from,
                          hits, percent(hits, to - from), longest_match(t, way, from, to, &i_run, job->ngram));
            result = wt_out_str(out, wt_buf_view(&line), err);
        }
    }
    wt_buf_free(&line);
    if (out && result) wt_out_abort(out);
    else if (out) result = wt_out_commit(out, err);
    return result;
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
    if (job->mode != OVERLAP_BLOOM && run_inverted(o, err)) return -1;
    for (size_t g = 0; g < job->n_trains && job->mode != OVERLAP_INVERTED; g++)
        if (run_bloom(o, g, err)) return -1;
    int way = job->mode == OVERLAP_INVERTED;
    wt_buf json = {0}, text = {0};
    int disagree = 0;
    wt_err disagreement = {0};
    if (job->mode == OVERLAP_BOTH) disagree = check_agreement(o, &json, &text, &disagreement);
    bool writes = wt_cluster_rank() == 0;
    int result = writes ? write_table(o, way, wt_buf_view(&json), wt_buf_view(&text), err) : 0;
    if (!result && writes && job->examples) result = write_examples(o, way, err);
    wt_buf_free(&json);
    wt_buf_free(&text);
    if (!result && disagree && err) *err = disagreement;
    return result ? result : disagree;
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
        test_set *t = &o.test[s];
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

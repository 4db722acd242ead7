/* overlap_ways.c - the paper's way and the other way round (overlap.h), each from passes over the training text to one byte
 * a test key that says which training sets have it. */
#include <math.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/rng.h"
#include "common/tool.h"
#include "dedup/overlap_impl.h"

/* ---- how many distinct keys (HyperLogLog, Flajolet et al. 2007) ---- 2^14 registers: 0.8 % off. */

void overlap_hll_add(uint8_t *hll, const uint64_t *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = wt_mix64(keys[i] + GOLDEN);
        uint8_t rank = (uint8_t)(__builtin_clzll(hash << OVERLAP_HLL_BITS | 1 << (OVERLAP_HLL_BITS - 1)) + 1);
        uint8_t *reg = &hll[hash >> (64 - OVERLAP_HLL_BITS)];
        if (rank > *reg) *reg = rank;
    }
}

static double hll_count(const uint8_t *hll) {
    double sum = 0, zeros = 0;
    for (int i = 0; i < OVERLAP_HLL_N; i++) sum += ldexp(1, -hll[i]), zeros += hll[i] == 0;
    double raw = 0.7213 / (1 + 1.079 / OVERLAP_HLL_N) * OVERLAP_HLL_N * (double)OVERLAP_HLL_N / sum;
    return raw < 2.5 * OVERLAP_HLL_N && zeros > 0 ? OVERLAP_HLL_N * log(OVERLAP_HLL_N / zeros) : raw;
}

/* Every rank gets the registers of all. */
static void hll_join(uint8_t *hll) {
    uint64_t *wide = wt_xmalloc(OVERLAP_HLL_N * sizeof *wide);
    for (int i = 0; i < OVERLAP_HLL_N; i++) wide[i] = hll[i];
    wt_cluster_max_u64(wide, OVERLAP_HLL_N);
    for (int i = 0; i < OVERLAP_HLL_N; i++) hll[i] = (uint8_t)wide[i];
    free(wide);
}

/* ---- the paper's way ---- */

static int count_distinct(overlap *o, size_t i_train, wt_err *err) {
    int threads = o->job->threads > 0 ? o->job->threads : wt_cpu_count();
    uint8_t *hll = wt_xcalloc((size_t)threads, OVERLAP_HLL_N);
    overlap_pass pass = {.o = o, .i_train = i_train, .hll = hll};
    int result = overlap_pass_run(&pass, "counting n-grams", err);
    for (int t = 1; t < threads; t++)
        for (int i = 0; i < OVERLAP_HLL_N; i++)
            if (hll[t * OVERLAP_HLL_N + i] > hll[i]) hll[i] = hll[t * OVERLAP_HLL_N + i];
    if (!result && wt_cluster_size() > 1) hll_join(hll);
    o->fact[i_train].distinct = hll_count(hll);
    free(hll);
    return result;
}

/* Random keys stand for strings that no document has. */
static void probe_filter(const overlap *o, keyset *filter, overlap_facts *f) {
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

static void note_found(overlap *o, size_t i_train, keyset *filter) {
    for (size_t s = 0; s < o->job->n_tests; s++) {
        overlap_test *t = &o->test[s];
        uint8_t *seen = wt_xmalloc(t->keys.n);
        keyset_do(filter, KEYSET_TEST, t->keys.at, t->keys.n, NULL, 0, seen, o->job->threads, NULL);
        for (size_t i = 0; i < t->keys.n; i++) t->found[0][i] |= (uint8_t)(seen[i] << i_train);
        free(seen);
    }
}

int overlap_run_bloom(overlap *o, size_t i_train, wt_err *err) {
    uint64_t capacity = o->job->expect;
    overlap_facts *f = &o->fact[i_train];
    if (!capacity) {
        if (count_distinct(o, i_train, err)) return -1;
        capacity = (uint64_t)(f->distinct * 1.03) + 1000;     /* above the count's own error */
    }
    keyset filter;
    bloom_config config = {.capacity = capacity, .fp_rate = o->job->fp_rate};
    if (keyset_init(&filter, &config, err)) return wt_context(err, "--mode inverted needs no filter; bloom");
    overlap_pass pass = {.o = o, .i_train = i_train, .filter = &filter};
    int result = overlap_pass_run(&pass, "filling the filter", err);
    if (!result) {
        filter.spread = wt_cluster_size() > 1;        /* only now: while filling, ranks gave different keys */
        keyset_stats(&filter, o->job->threads, &f->filter);
        probe_filter(o, &filter, f);
        note_found(o, i_train, &filter);
        if (f->filter.fp_now > 1.5 * o->job->fp_rate && wt_cluster_rank() == 0)
            wt_warn("the filter of '%s' holds %llu n-grams and was made for %llu: rate %.2g; give a larger --expect",
                    o->job->train[i_train].name, (unsigned long long)f->filter.n_added,
                    (unsigned long long)capacity, f->filter.fp_now);
    }
    keyset_reset(&filter);
    return result;
}

/* ---- the other way round ---- */

/* Where a key is or would be. */
static inline uint64_t table_find(const overlap_table *t, uint64_t key) {
    uint64_t at = wt_mix64(key) & t->mask;
    while (t->key[at] && t->key[at] != key) at = (at + 1) & t->mask;
    return at;
}

uint64_t overlap_table_mark(overlap_table *t, const uint64_t *keys, const uint8_t *maybe, size_t n, uint8_t bit) {
    uint64_t hits = 0;
    for (size_t i = 0; i < n; i++) {
        if (!maybe[i]) continue;
        uint64_t at = table_find(t, keys[i]);
        if (!t->key[at]) continue;
        hits++;
        if (!(__atomic_load_n(&t->found[at], __ATOMIC_RELAXED) & bit))
            __atomic_fetch_or(&t->found[at], bit, __ATOMIC_RELAXED);
    }
    return hits;
}

static int table_make(const overlap *o, overlap_table *t, wt_err *err) {
    uint64_t n = 0, size = 1024;
    for (size_t s = 0; s < o->job->n_tests; s++) n += o->test[s].n_distinct;
    while (size < 2 * n) size *= 2;
    *t = (overlap_table){.mask = size - 1};
    t->key = wt_big_alloc(size * sizeof *t->key, "the table of test n-grams", err);
    t->found = t->key ? wt_big_alloc(size, "the table of test n-grams", err) : NULL;
    t->gate = t->found ? bloom_new(n + 64, 0.01, err) : NULL;
    if (!t->gate) return -1;
    for (size_t s = 0; s < o->job->n_tests; s++)
        for (size_t i = 0; i < o->test[s].n_distinct; i++) {
            uint64_t key = o->test[s].keys.at[o->test[s].distinct[i]];
            t->key[table_find(t, key)] = key;
            bloom_add(t->gate, key);
        }
    return 0;
}

static void table_free(overlap_table *t) {
    if (t->key) wt_big_free(t->key, (t->mask + 1) * sizeof *t->key);
    if (t->found) wt_big_free(t->found, t->mask + 1);
    bloom_free(t->gate);
}

static void note_table(overlap *o, const overlap_table *t) {
    for (size_t s = 0; s < o->job->n_tests; s++) {
        overlap_test *set = &o->test[s];
        for (size_t i = 0; i < set->keys.n; i++) set->found[1][i] = t->found[table_find(t, set->keys.at[i])];
    }
}

static int open_outputs(const overlap_job *job, overlap_pass *p, wt_err *err) {
    if (wt_cluster_rank() != 0) return 0;
    if (job->contaminated && !(p->list = wt_out_open(job->contaminated, err))) return -1;
    if (job->clean && !(p->clean = wt_out_open(job->clean, err))) return -1;
    return 0;
}

static int close_outputs(overlap_pass *p, int result, wt_err *err) {
    wt_out *outs[2] = {p->list, p->clean};
    for (int i = 0; i < 2; i++) {
        if (!outs[i]) continue;
        if (result) wt_out_abort(outs[i]);
        else result = wt_out_commit(outs[i], err);
    }
    return result;
}

int overlap_run_inverted(overlap *o, wt_err *err) {
    overlap_table table;
    overlap_pass pass = {.o = o, .table = &table};
    int result = wt_cluster_agree(table_make(o, &table, err), err);
    if (!result) result = wt_cluster_agree(open_outputs(o->job, &pass, err), err);
    for (size_t g = 0; g < o->job->n_trains && !result; g++) {
        pass.i_train = g;
        result = overlap_pass_run(&pass, "streaming", err);
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

/* keyset.c - keys are dealt to their shards, each shard answers in order, answers go back to where
 * the keys stood. Dealing costs about 2 ns a key and buys threads that share nothing. */
#include "dedup/keyset.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/pipeline.h"
#include "dedup/bloom_impl.h"

/* ---- tasks ---- */

typedef struct {
    void (*task)(void *ctx, int i);
    void *ctx;
    int n, next;
} task_queue;

static void *task_worker(void *arg) {
    task_queue *q = arg;
    for (int i; (i = __atomic_fetch_add(&q->next, 1, __ATOMIC_RELAXED)) < q->n;) q->task(q->ctx, i);
    return NULL;
}

void parallel_tasks(int threads, int n, void (*task)(void *ctx, int i), void *ctx) {
    enum { THREADS_MAX = 64 };
    pthread_t thread[THREADS_MAX];
    task_queue q = {task, ctx, n, 0};
    int started = 0;
    if (threads > 1 && wt_pipeline_tasks(n, task, ctx)) return;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    if (threads > n) threads = n;
    while (started < threads - 1 && pthread_create(&thread[started], NULL, task_worker, &q) == 0)
        started++;
    task_worker(&q);                                  /* this thread works too, or alone */
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
}

/* ---- the set ---- */

int keyset_init(keyset *set, const bloom_config *total, wt_err *err) {
    *set = (keyset){0};
    bloom_config one = *total;
    one.capacity = total->capacity / KEYSET_SHARDS + 1;
    /* Shares of a known total scatter by their square root. */
    one.capacity += (uint64_t)(4 * __builtin_sqrt((double)one.capacity));
    for (int i = 0; i < KEYSET_SHARDS; i++)
        if (!(set->shard[i] = i ? bloom_new_planned(&one, &set->shard[0]->layer[0].plan, err) : bloom_new_with(&one, err))) {
            keyset_reset(set);
            return -1;
        }
    return 0;
}

void keyset_reset(keyset *set) {
    for (int i = 0; i < KEYSET_SHARDS; i++) bloom_free(set->shard[i]);
    free(set->scratch);
    *set = (keyset){0};
}

typedef struct {
    const keyset *set;
    bloom_stats of[KEYSET_SHARDS];
} shard_stats;

static void shard_stats_read(void *ctx, int i) {
    shard_stats *s = ctx;
    if (!s->set->spread || i % wt_cluster_size() == wt_cluster_rank()) bloom_stats_read(s->set->shard[i], &s->of[i]);
}

void keyset_stats(const keyset *set, int threads, bloom_stats *stats) {
    shard_stats shards = {.set = set};
    *stats = (bloom_stats){0};
    parallel_tasks(threads, KEYSET_SHARDS, shard_stats_read, &shards);
    for (int i = 0; i < KEYSET_SHARDS; i++) {
        if (set->spread) wt_cluster_broadcast(&shards.of[i], sizeof shards.of[i], i % wt_cluster_size());
        bloom_stats s = shards.of[i];
        s.bytes += stats->bytes, s.capacity += stats->capacity, s.n_added += stats->n_added;
        s.n_estimate += stats->n_estimate;
        s.fill = stats->fill + s.fill / KEYSET_SHARDS;
        s.fp_now = stats->fp_now + s.fp_now / KEYSET_SHARDS;
        s.fp_formula = stats->fp_formula + s.fp_formula / KEYSET_SHARDS;
        if (stats->n_layers > s.n_layers) s.n_layers = stats->n_layers;
        *stats = s;
    }
}

typedef struct {
    keyset *set;
    keyset_verb verb;
    size_t begin[KEYSET_SHARDS + 1];    /* of each shard's keys */
    uint64_t *keys;
    uint8_t *seen;
    const size_t *group_end;            /* per shard, n_groups of them; NULL: none */
    size_t n_groups;
    bool failed[KEYSET_SHARDS];
    wt_err err[KEYSET_SHARDS];
} deal;

enum { FETCH_AHEAD = 48 };

static void shard_do(void *ctx, int i) {
    deal *d = ctx;
    bloom *b = d->set->shard[i];
    size_t begin = d->begin[i], end = d->begin[i + 1];
    if (begin == end) return;
    if (d->set->spread && i % wt_cluster_size() != wt_cluster_rank()) return;
    if (d->verb == KEYSET_TEST) {
        bloom_test_batch(b, d->keys + begin, end - begin, d->seen + begin);
        return;
    }
    if (bloom_reserve(b, end - begin, &d->err[i])) {
        d->failed[i] = true;
        return;
    }
    if (!d->group_end) {
        bloom_add_batch(b, d->keys + begin, end - begin, d->seen + begin);
        return;
    }
    /* Documents may have a handful of keys here: lines are fetched across their borders. */
    const size_t *group_end = d->group_end + (size_t)i * d->n_groups;
    for (size_t g = 0, at = begin, fetched = begin; g < d->n_groups; at = group_end[g++]) {
        size_t ahead = group_end[g] + FETCH_AHEAD < end ? group_end[g] + FETCH_AHEAD : end;
        if (group_end[g] - at < FETCH_AHEAD && fetched < ahead) {
            bloom_prefetch(b, d->keys + fetched, ahead - fetched);
            fetched = ahead;
        }
        bloom_test_batch(b, d->keys + at, group_end[g] - at, d->seen + at);
        bloom_add_batch(b, d->keys + at, group_end[g] - at, NULL);
    }
}

int keyset_do(keyset *set, keyset_verb verb, const uint64_t *keys, size_t n,
              const size_t *group_end, size_t n_groups, uint8_t *seen, int threads, wt_err *err) {
    if (n == 0) return 0;
    bool grouped = verb == KEYSET_ADD && group_end;
    deal d = {.set = set, .verb = verb, .n_groups = n_groups};
    size_t count[KEYSET_SHARDS] = {0}, at[KEYSET_SHARDS];
    for (size_t i = 0; i < n; i++) count[keyset_shard_of(keys[i])]++;
    for (int s = 0; s < KEYSET_SHARDS; s++) at[s] = d.begin[s], d.begin[s + 1] = d.begin[s] + count[s];
    /* Keys, places, ends of groups, answers: fresh memory for each batch would be cleared each time. */
    size_t n_ends = grouped ? KEYSET_SHARDS * n_groups : 0, words = 2 * n + n_ends + n / 8 + 1;
    if (words * 8 > set->scratch_bytes) {
        free(set->scratch);
        set->scratch = wt_xmalloc(set->scratch_bytes = words * 8);
    }
    d.keys = set->scratch;
    size_t *place = set->scratch;                     /* where key i went */
    place += n;
    size_t *ends = grouped ? place + n : NULL;
    d.seen = (uint8_t *)(place + n + n_ends);         /* whole words, for the reduction */
    memset(d.seen, 0, (n / 8 + 1) * 8);
    for (size_t i = 0, g = 0; i < n || (grouped && g < n_groups);) {
        size_t end = grouped ? group_end[g] : n;
        for (; i < end; i++) {
            unsigned s = keyset_shard_of(keys[i]);
            place[i] = at[s];
            d.keys[at[s]++] = keys[i];
        }
        if (grouped) {
            for (int s = 0; s < KEYSET_SHARDS; s++) ends[(size_t)s * n_groups + g] = at[s];
            g++;
        }
    }
    d.group_end = ends;
    parallel_tasks(n < 4096 ? 1 : threads, KEYSET_SHARDS, shard_do, &d);
    int result = 0;
    for (int s = 0; s < KEYSET_SHARDS && !result; s++)
        if (d.failed[s]) {
            result = -1;
            if (err) *err = d.err[s];
        }
    d.seen[n] = result != 0;                          /* told with the answers */
    if (set->spread) wt_cluster_or_u64((uint64_t *)d.seen, n / 8 + 1);
    for (size_t i = 0; i < n; i++) seen[i] = d.seen[place[i]];
    return d.seen[n] && !result ? wt_fail(err, WT_ENOMEM, "another rank had no memory for its filters") : result;
}

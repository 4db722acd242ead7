/* dedup_bloom.c - ns a key of the Bloom layouts: test and insert in one, batched and single, plain and
 * shared, beside a plain classic filter of k = 7 written here as everyone writes it. One filter a
 * layout, larger than the caches; layouts take turns, medians of the rounds; one JSON line each.
 *     dedup_bloom [MiB 256] [rounds 5] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/hash.h"
#include "common/memory.h"
#include "common/rng.h"
#include "dedup/bloom.h"

enum { N = 1 << 20, BATCH = 4096 };

static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}
static double median(double *x, int n) {
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

/* The yardstick: k = 7 bits anywhere, double hashing, one key after the other. */
static uint64_t *plain_bits, plain_n;
static int plain_add(uint64_t key) {
    uint64_t step = wt_mix64(key) | 1;
    int seen = 1;
    for (int i = 0; i < 7; i++, key += step) {
        uint64_t bit = wt_fastrange64(key, plain_n), mask = (uint64_t)1 << (bit & 63);
        seen &= (plain_bits[bit >> 6] & mask) != 0;
        plain_bits[bit >> 6] |= mask;
    }
    return seen;
}

typedef enum { PLAIN_K7, SINGLE, BATCHED, SHARED, TEST } way;
static const char *const WAYS[] = {"plain", "single", "batch", "shared", "test"};

typedef struct {
    const char *name;
    bloom *filter;
    way how;
    double ns[32];
} entry;

static double run(entry *e, const uint64_t *keys) {
    static uint8_t seen[BATCH];
    volatile int sink = 0;
    double from = cpu_now();
    switch (e->how) {
    case PLAIN_K7: for (int i = 0; i < N; i++) sink += plain_add(keys[i]); break;
    case SINGLE: for (int i = 0; i < N; i++) sink += bloom_add(e->filter, keys[i]); break;
    case BATCHED: for (int i = 0; i < N; i += BATCH) bloom_add_batch(e->filter, keys + i, BATCH, seen); break;
    case SHARED: for (int i = 0; i < N; i += BATCH) bloom_add_batch_shared(e->filter, keys + i, BATCH, seen); break;
    case TEST: for (int i = 0; i < N; i += BATCH) bloom_test_batch(e->filter, keys + i, BATCH, seen); break;
    }
    return (cpu_now() - from) / N * 1e9;
}

int main(int argc, char **argv) {
    uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 256) << 20;
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    static const struct { bloom_variant v; double rate; } layouts[] = {
        {BLOOM_SPLIT256, 0.01}, {BLOOM_BLOCK512, 1e-3}, {BLOOM_TWO_LINE, 1e-6}, {BLOOM_TWO_LINE, 1e-8},
        {BLOOM_CLASSIC, 0.01}, {BLOOM_CLASSIC, 1e-8}};
    enum { LAYOUTS = sizeof layouts / sizeof *layouts };
    entry entries[1 + LAYOUTS * 4];
    int n = 0;
    wt_err err = {0};
    uint64_t *keys = malloc(N * sizeof *keys);
    wt_rng rng;
    plain_n = bytes * 8;
    plain_bits = wt_big_alloc(bytes, "the yardstick", &err);
    entries[n++] = (entry){"classic k=7", NULL, PLAIN_K7, {0}};
    for (int i = 0; i < LAYOUTS; i++) {
        bloom_plan plan;
        bloom_plan_make(layouts[i].v, 1000000, layouts[i].rate, &plan, NULL);
        bloom *b = bloom_new_with(&(bloom_config){.capacity = (uint64_t)((double)bytes * 8 / plan.bits_per_key),
                                                  .fp_rate = layouts[i].rate, .variant = layouts[i].v}, &err);
        if (!b) return fprintf(stderr, "%s\n", err.text), 1;
        char *name = malloc(40);
        snprintf(name, 40, "%s %g", bloom_variant_name(layouts[i].v), layouts[i].rate);
        for (int how = SINGLE; how <= TEST; how++) entries[n++] = (entry){name, b, (way)how, {0}};
    }
    for (int r = 0; r < rounds; r++)
        for (int e = 0; e < n; e++) {
            wt_rng_init(&rng, (uint64_t)r, (uint64_t)e);
            for (int i = 0; i < N; i++) keys[i] = wt_rng_u64(&rng);
            entries[e].ns[r] = run(&entries[e], keys);
        }
    double yardstick = median(entries[0].ns, rounds);
    for (int e = 0; e < n; e++) {
        double ns = median(entries[e].ns, rounds);
        printf("{\"bench\":\"dedup_bloom\",\"filter\":\"%s\",\"way\":\"%s\",\"MiB\":%llu,\"ns_per_key\":%.1f,"
               "\"min\":%.1f,\"max\":%.1f,\"of_classic_k7\":%.3f}\n", entries[e].name, WAYS[entries[e].how],
               (unsigned long long)(bytes >> 20), ns, entries[e].ns[0], entries[e].ns[rounds - 1], ns / yardstick);
    }
    return 0;
}

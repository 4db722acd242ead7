/* dedup_bloom.c - uses webtext's Bloom filter and its rules in a program of one's own: reads lines from
 * standard input and prints those that are neither seen before nor similar to a line that was kept.
 *     cc dedup_bloom.c -lwebtext ... && ./dedup_bloom < lines.txt */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/in.h"
#include "dedup/dedup.h"

static int fail(const wt_err *err) {
    fprintf(stderr, "dedup_bloom: %s\n", err->text);
    return 1;
}

/* The filter alone: what share of the lines was there before, exactly the same? */
static int count_repeats(bloom *filter, wt_str line) {
    return bloom_add(filter, wt_hash64(line.ptr, line.len, 0));
}

int main(void) {
    wt_err err = {0};
    bloom *filter = bloom_new(1000000, 1e-6, &err);
    dedup_rules rules = dedup_rules_default();
    rules.expect = 1000000;
    rules.threshold = 0.7;
    dedup *d = filter ? dedup_new(&rules, &err) : NULL;
    wt_in *in = d ? wt_in_open("-", &err) : NULL;
    if (!in) return fail(&err);

    dedup_batch *batch = dedup_batch_new();
    wt_str line;
    uint64_t too_long = 0, n_lines = 0, n_repeats = 0, n_kept = 0;
    int got;
    while ((got = wt_in_line(in, 1 << 20, &line, &too_long, &err)) > 0) {
        n_lines++;
        n_repeats += (uint64_t)count_repeats(filter, line);
        dedup_batch_clear(batch);
        dedup_batch_add(d, batch, line, (wt_str){0});
        if (dedup_judge(d, batch, 1, &err)) return fail(&err);
        if (dedup_batch_verdict(batch, 0).cause != DEDUP_KEEP) continue;
        printf("%.*s\n", WT_FMT(line));
        n_kept++;
    }
    if (got < 0) return fail(&err);

    bloom_stats stats;
    bloom_stats_read(filter, &stats);
    fprintf(stderr, "%llu lines, %llu the same as an earlier one, %llu kept; filter %.1f %% full, rate now %.2g\n",
            (unsigned long long)n_lines, (unsigned long long)n_repeats, (unsigned long long)n_kept,
            100 * stats.fill, stats.fp_now);
    dedup_batch_free(batch);
    dedup_free(d);
    bloom_free(filter);
    wt_in_close(in);
    return 0;
}

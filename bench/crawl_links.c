/* crawl_links.c - one parser core without reading and decoding: a dump in memory, its lines judged, and
 * beside it what judging rests on: finding the members (wt_json_pick), finding the lines (memchr).
 *
 *     crawl_links DUMP [RUNS]      one JSON line each: GB of JSON a CPU second, median of RUNS (7) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/in.h"
#include "common/json.h"
#include "crawl/crawl.h"

static wt_buf dump;
static links_rules *rules;
static links_stats *stats;
static wt_arena *arena;

static uint64_t find_lines(void) {
    uint64_t n = 0;
    for (wt_str rest = wt_buf_view(&dump); rest.len; n++) wt_str_cut(&rest, '\n');
    return n;
}

static uint64_t pick_members(void) {
    static const wt_str keys[] = {{"url", 3}, {"score", 5}, {"subreddit", 9}, {"id", 2}, {"created_utc", 11}, {"is_self", 7}, {"over_18", 7}};
    wt_json v[7];
    uint64_t n = 0;
    for (wt_str rest = wt_buf_view(&dump); rest.len;) n += wt_json_pick(wt_str_cut(&rest, '\n'), keys, 7, v, NULL) == 0;
    return n;
}

static uint64_t judge_lines(void) {
    links_post post;
    uint64_t n = 0;
    for (wt_str rest = wt_buf_view(&dump); rest.len; n++) {
        if (n % 1000 == 0) wt_arena_reset(arena);
        links_judge(rules, wt_str_cut(&rest, '\n'), arena, &post, stats);
    }
    return n;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int ascending(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static void measure(const char *what, uint64_t (*run)(void), int runs) {
    double *rate = wt_xmalloc((size_t)runs * sizeof *rate);
    uint64_t n = 0;
    for (int i = 0; i < runs; i++) {
        double start = cpu_seconds();
        n = run();
        rate[i] = (double)dump.len / 1e9 / (cpu_seconds() - start);
    }
    qsort(rate, (size_t)runs, sizeof *rate, ascending);
    printf("{\"bench\":\"crawl_links\",\"what\":\"%s\",\"records\":%llu,\"bytes\":%zu,\"GB_per_cpu_s\":%.3f,\"least\":%.3f,\"most\":%.3f}\n", what,
           (unsigned long long)n, dump.len, rate[runs / 2], rate[0], rate[runs - 1]);
    free(rate);
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: crawl_links DUMP [RUNS]\n"), 2;
    wt_err err = {0};
    int runs = argc > 2 ? atoi(argv[2]) : 7;
    wt_in *in = wt_in_open(argv[1], &err);
    ptrdiff_t n = in ? 1 : -1;
    while (n > 0 && dump.len < (size_t)2 << 30) {
        wt_buf_reserve(&dump, 1 << 20);
        n = wt_in_read(in, dump.ptr + dump.len, 1 << 20, &err);
        if (n > 0) dump.len += (size_t)n;
    }
    if (n < 0) return fprintf(stderr, "%s\n", err.text), 1;
    rules = links_rules_new("webtext", &err);
    stats = wt_xcalloc(1, sizeof *stats);
    arena = wt_arena_new(1 << 20);
    measure("lines", find_lines, runs);
    measure("pick", pick_members, runs);
    measure("judge", judge_lines, runs);
    wt_arena_free(arena);
    links_rules_free(rules);
    free(stats);
    wt_in_close(in);
    wt_buf_free(&dump);
    return 0;
}

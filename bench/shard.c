/* bench/shard.c - speeds of a token dataset, one JSON line each: `shard DATASET [RUNS]`. Medians of CPU
 * time in one thread. bench/shard.py makes the dataset and measures the peers beside it.
 *   encode      compressing the tokens of the train split into frames, in memory
 *   decode      reading the split from front to end through the set, checks included
 *   window      one shuffled window of 1,025 tokens, cold (nearly no cache) and warm (all cached)
 *   open        shard_set_open: headers, indexes, seek tables of all shards
 *   permute     one index of the shuffle */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/memory.h"
#include "common/rng.h"
#include "common/tool.h"
#include "shard/format.h"

enum { T = 1024, WINDOWS = 4000 };

static double thread_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *x, size_t n, double q) {
    qsort(x, n, sizeof *x, by_value);
    return x[(size_t)(q * (double)(n - 1))];
}

static void result(const char *what, double value, const char *unit) {
    printf("{\"bench\":\"shard\",\"who\":\"wt-shard\",\"what\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"}\n", what, value,
           unit);
    fflush(stdout);
}

static void must(int failed, const wt_err *err) {
    if (failed) {
        fprintf(stderr, "bench/shard: %s\n", err->text);
        exit(1);
    }
}

static void encode_bench(const uint32_t *tokens, uint64_t n, int width, int level, int runs) {
    double *s = wt_xcalloc((size_t)runs, sizeof *s);
    uint8_t *frame = wt_xmalloc(SHARD_FRAME_TOKENS * 4);
    size_t bound = ZSTD_compressBound(SHARD_FRAME_TOKENS * 4), bytes = 0;
    char *out = wt_xmalloc(bound), what[64];
    ZSTD_CCtx *cctx = shard_cctx_new(level);
    for (int r = 0; r < runs; r++) {
        double start = thread_seconds();
        bytes = 0;
        for (uint64_t at = 0; at < n; at += SHARD_FRAME_TOKENS) {
            size_t m = n - at < SHARD_FRAME_TOKENS ? n - at : SHARD_FRAME_TOKENS;
            shard_pack(frame, tokens + at, m, width);
            bytes += ZSTD_compress2(cctx, out, bound, frame, m * (size_t)width);
        }
        s[r] = thread_seconds() - start;
    }
    snprintf(what, sizeof what, "encode level %d", level);
    result(what, (double)n / quantile(s, (size_t)runs, 0.5) / 1e6, "Mtok/s");
    snprintf(what, sizeof what, "size level %d", level);
    result(what, 8.0 * (double)bytes / (double)n, "bit/token");
    ZSTD_freeCCtx(cctx);
    free(frame);
    free(out);
    free(s);
}

static void decode_bench(const char *dir, uint32_t *tokens, int runs) {
    double *s = wt_xcalloc((size_t)runs, sizeof *s);
    uint64_t n = 0;
    wt_err err = {0};
    for (int r = 0; r < runs; r++) {
        shard_set *set = shard_set_open(dir, "train", &err);
        must(!set, &err);
        n = shard_set_tokens(set);
        double start = thread_seconds();
        for (uint64_t at = 0; at < n; at += SHARD_FRAME_TOKENS) {
            size_t m = n - at < SHARD_FRAME_TOKENS ? n - at : SHARD_FRAME_TOKENS;
            must(shard_set_read(set, at, m, tokens, &err), &err);
        }
        s[r] = thread_seconds() - start;
        shard_set_close(set);
    }
    result("decode", (double)n / quantile(s, (size_t)runs, 0.5) / 1e6, "Mtok/s");
    free(s);
}

static void window_bench(const char *dir, bool warm) {
    static double s[WINDOWS];
    uint32_t window[T + 1];
    wt_err err = {0};
    shard_set *set = shard_set_open(dir, "train", &err);
    must(!set, &err);
    shard_set_cache(set, warm ? (size_t)4 << 30 : 1);
    shard_loader *loader = shard_loader_new(set, T, 1, NULL, &err);
    must(!loader, &err);
    if (warm)
        for (uint64_t i = 0; i < shard_loader_windows(loader); i++)
            must(shard_loader_get(loader, i, window, &err), &err);
    for (int i = 0; i < WINDOWS; i++) {
        double start = wt_now();
        must(shard_loader_get(loader, (uint64_t)i, window, &err), &err);
        s[i] = 1e6 * (wt_now() - start);
    }
    result(warm ? "window p50 cached" : "window p50", quantile(s, WINDOWS, 0.5), "us");
    result(warm ? "window p99 cached" : "window p99", quantile(s, WINDOWS, 0.99), "us");
    shard_loader_free(loader);
    shard_set_close(set);
}

static void open_bench(const char *dir, int runs) {
    double *s = wt_xcalloc((size_t)runs, sizeof *s);
    for (int r = 0; r < runs; r++) {
        wt_err err = {0};
        double start = wt_now();
        shard_set *set = shard_set_open(dir, "train", &err);
        must(!set, &err);
        s[r] = 1e3 * (wt_now() - start);
        shard_set_close(set);
    }
    result("open", quantile(s, (size_t)runs, 0.5), "ms");
    free(s);
}

static void permute_bench(void) {
    uint64_t n = 8823810, sum = 0;
    double start = thread_seconds();
    for (uint64_t i = 0; i < 2000000; i++)
        sum += wt_permute(i, n, 7);
    double ns = 1e9 * (thread_seconds() - start) / 2e6;
    result(sum ? "permute" : "", ns, "ns");
}

int main(int argc, char **argv) {
    wt_err err = {0};
    int runs = argc > 2 ? atoi(argv[2]) : 5;
    if (argc < 2 || runs < 1) {
        fprintf(stderr, "usage: shard DATASET [RUNS]\n");
        return 2;
    }
    shard_set *set = shard_set_open(argv[1], "train", &err);
    must(!set, &err);
    uint64_t n = shard_set_tokens(set);
    int width = shard_set_tokenizer(set)->vocab <= 65536 ? 2 : 4;
    uint32_t *tokens = wt_big_alloc(n * 4, "the tokens of the split", &err);
    must(!tokens || shard_set_read(set, 0, n, tokens, &err), &err);
    shard_set_close(set);
    static const int levels[] = {3, 6, 9, 19};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        encode_bench(tokens, n, width, levels[i], levels[i] > 12 ? 1 : runs);
    decode_bench(argv[1], tokens, runs);
    window_bench(argv[1], false);
    window_bench(argv[1], true);
    open_bench(argv[1], 20);
    permute_bench();
    wt_big_free(tokens, n * 4);
    return 0;
}

/* dedup_state.c - Bloom filter and state files with foreign bytes: they load and answer, or are refused
 * with a word. The first byte chooses whether the checksums are mended, so that what lies behind them
 * is reached too. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/hash.h"
#include "dedup/dedup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char path[64];

static void write_file(const uint8_t *data, size_t n) {
    FILE *f = fopen(path, "wb");
    fwrite(data, 1, n, f);
    fclose(f);
}

static void use_filter(void) {
    wt_err err = {0};
    bloom *b = bloom_load(path, &err);
    assert(b || (err.code != WT_OK && err.text[0]));
    if (b) {
        bloom_stats s;
        bloom_add(b, 77);
        assert(bloom_test(b, 77));
        bloom_stats_read(b, &s);
    }
    bloom_free(b);
    b = bloom_map(path, true, &err);
    if (b) bloom_test(b, 12345);
    bloom_free(b);
}

static void use_state(void) {
    wt_err err = {0};
    wt_buf note = {0}, json = {0};
    dedup *d = dedup_load(path, NULL, &note, &err);
    assert(d || (err.code != WT_OK && err.text[0]));
    if (d) {
        dedup_batch *batch = dedup_batch_new();
        dedup_batch_add(d, batch, WT_STR("some words that make a text of more than five"), WT_STR("http://a.b/"));
        dedup_judge(d, batch, 1, &err);
        dedup_describe(d, 1, &json, NULL);
        dedup_batch_free(batch);
    }
    dedup_free(d);
    wt_buf_free(&note);
    wt_buf_free(&json);
}

static void mend(uint8_t *p, size_t n) {
    if (n >= 4096 && p[2] == 'B') {
        uint64_t hash = wt_hash64(p, 4088, 0);
        memcpy(p + 4088, &hash, 8);
    }
    if (n >= 64 && p[2] == 'D') {
        uint64_t json = 0, hash;
        memcpy(&json, p + 16, 8);
        if (json <= n - 64) {
            hash = wt_hash64(p + 64, json, 0);
            memcpy(p + 40, &hash, 8);
        }
        hash = wt_hash64(p, 56, 0);
        memcpy(p + 56, &hash, 8);
    }
}

/* Starts from whole files, which no fuzzer would find. */
static uint8_t *seed_file(int which, size_t *n) {
    static uint8_t *bytes[2];
    static size_t size[2];
    if (!bytes[which]) {
        wt_err err = {0};
        wt_buf b = {0};
        if (which == 0) {
            bloom *f = bloom_new(200, 1e-3, &err);
            bloom_add(f, 5);
            assert(bloom_save(f, path, &err) == 0);
            bloom_free(f);
        } else {
            dedup_rules rules = dedup_rules_default();
            rules.expect = 20;
            rules.near = false;
            dedup *d = dedup_new(&rules, &err);
            assert(dedup_save(d, path, WT_STR("{}"), &err) == 0);
            dedup_free(d);
        }
        assert(wt_read_file(path, 64 << 20, &b, &err) == 0);
        bytes[which] = (uint8_t *)b.ptr, size[which] = b.len;
    }
    *n = size[which];
    return bytes[which];
}

/* data: flags, then triples (place, value) that change a whole file; or a whole file as it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (n < 1) return 0;
    snprintf(path, sizeof path, "/tmp/fuzz_dedup.%d", (int)getpid());
    size_t size;
    if (data[0] & 4) {
        write_file(data + 1, n - 1);
    } else {
        const uint8_t *whole = seed_file(data[0] & 1, &size);
        uint8_t *copy = wt_xmalloc(size);
        memcpy(copy, whole, size);
        for (size_t i = 1; i + 2 < n; i += 3) copy[(data[i] | (size_t)data[i + 1] << 8) % (size < 8192 ? size : 8192)] = data[i + 2];
        if (data[0] & 2) mend(copy, size);
        write_file(copy, data[0] & 8 ? size / 2 : size);
        free(copy);
    }
    use_filter();
    use_state();
    unlink(path);
    return 0;
}

/* state.c - writes and reads state.wtts: magic, version, a fixed block of numbers, the moments, a hash
 * over all of it. Every number is little-endian at a fixed place. */
#include "train/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/out.h"

#define MAGIC "WTTRAIN1"
enum { HEADER_BYTES = 256, CHUNK = 16 << 20 };

static void put64(uint8_t *at, uint64_t x) {
    for (int i = 0; i < 8; i++) at[i] = (uint8_t)(x >> 8 * i);
}
static uint64_t get64(const uint8_t *at) {
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--) x = x << 8 | at[i];
    return x;
}
static void put_double(uint8_t *at, double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    put64(at, bits);
}
static double get_double(const uint8_t *at) {
    uint64_t bits = get64(at);
    double x;
    memcpy(&x, &bits, 8);
    return x;
}

/* A hash of any length by chaining the hashes of 16 MiB pieces. */
static uint64_t hash_on(uint64_t seed, const void *bytes, size_t n) {
    for (const char *p = bytes; n; ) {
        size_t k = n < CHUNK ? n : CHUNK;
        seed = wt_hash64(p, k, seed);
        p += k, n -= k;
    }
    return seed;
}

uint64_t state_hash_weights(const gpt *m) {
    uint64_t h = 0;
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        h = hash_on(h, m->w + t.offset, (size_t)t.rows * (size_t)t.cols * sizeof(float));
    }
    return h;
}

static void fill_header(uint8_t *h, const train_state *s, const optimizer *o) {
    memset(h, 0, HEADER_BYTES);
    memcpy(h, MAGIC, 8);
    put64(h + 8, 1);
    put64(h + 16, o->m->at.total_floats);
    put64(h + 24, o->set.bf16 ? 2 : 4);
    put64(h + 32, (uint64_t)o->set.kind);
    put64(h + 40, s->step), put64(h + 48, s->samples), put64(h + 56, s->tokens);
    put_double(h + 64, s->loss_smooth), put_double(h + 72, s->best_loss), put_double(h + 80, s->rate_scale);
    put_double(h + 88, s->previous_norm), put64(h + 96, s->best_step), put64(h + 104, s->skipped);
    put64(h + 112, s->rollbacks), put64(h + 120, s->skipped_in_row), put64(h + 128, s->weights_hash);
    memcpy(h + 136, s->dataset, 32);
    put64(h + 168, s->unproven);
}

int state_save(const char *path, const train_state *s, const optimizer *o, wt_err *err) {
    uint8_t header[HEADER_BYTES], tail[8];
    fill_header(header, s, o);
    uint64_t h = hash_on(0, header, sizeof header);
    h = hash_on(hash_on(h, o->mean, o->moment_bytes), o->var, o->moment_bytes);
    put64(tail, h);
    wt_out *out = wt_out_open(path, err);
    if (!out) return -1;
    if (wt_out_write(out, header, sizeof header, err) || wt_out_write(out, o->mean, o->moment_bytes, err) ||
        wt_out_write(out, o->var, o->moment_bytes, err) || wt_out_write(out, tail, 8, err)) {
        wt_out_abort(out);
        return -1;
    }
    return wt_out_commit(out, err);
}

static int read_all(FILE *f, void *out, size_t n) { return fread(out, 1, n, f) == n ? 0 : -1; }

static int load_from(FILE *f, train_state *s, optimizer *o, wt_err *err) {
    uint8_t h[HEADER_BYTES], tail[8];
    if (read_all(f, h, sizeof h) || memcmp(h, MAGIC, 8)) return wt_fail(err, WT_EDATA, "not a training state");
    if (get64(h + 8) != 1) return wt_fail(err, WT_EDATA, "version %llu of the format; this program knows 1", (unsigned long long)get64(h + 8));
    if (get64(h + 16) != o->m->at.total_floats || get64(h + 24) != (o->set.bf16 ? 2u : 4u) || get64(h + 32) != (uint64_t)o->set.kind)
        return wt_fail(err, WT_EDATA, "made for another model, optimizer or width of moments");
    if (read_all(f, o->mean, o->moment_bytes) || read_all(f, o->var, o->moment_bytes) || read_all(f, tail, 8) || getc(f) != EOF)
        return wt_fail(err, WT_EDATA, "its length is wrong (cut short?)");
    uint64_t want = hash_on(0, h, sizeof h);
    want = hash_on(hash_on(want, o->mean, o->moment_bytes), o->var, o->moment_bytes);
    if (get64(tail) != want) return wt_fail(err, WT_EDATA, "its checksum is wrong: the file is damaged");
    *s = (train_state){.step = get64(h + 40), .samples = get64(h + 48), .tokens = get64(h + 56), .loss_smooth = get_double(h + 64),
                       .best_loss = get_double(h + 72), .rate_scale = get_double(h + 80), .previous_norm = get_double(h + 88),
                       .best_step = get64(h + 96), .skipped = get64(h + 104), .rollbacks = get64(h + 112),
                       .skipped_in_row = get64(h + 120), .weights_hash = get64(h + 128), .unproven = get64(h + 168) != 0};
    memcpy(s->dataset, h + 136, 32);
    return 0;
}

int state_load(const char *path, train_state *s, optimizer *o, wt_err *err) {
    FILE *f = fopen(path, "re");
    if (!f) return wt_fail_errno(err, "cannot open '%s'", path);
    int result = load_from(f, s, o, err);
    fclose(f);
    return result ? wt_context(err, "'%s'", path) : 0;
}

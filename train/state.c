/* state.c - writes and reads state.wtts and its like: magic, version, a fixed block of numbers, arrays, a hash over
 * all of it. Every number is little-endian at a fixed place. Arrays go through a buffer of 16 MiB, slice by slice in
 * the order of the layout, wherever the slices are. */
#include "train/state.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/hash.h"
#include "common/out.h"

#define MAGIC "WTTRAIN1"
#define MAGIC_OUTER "WTOUTER1"
enum { HEADER_BYTES = 256, CHUNK = 16 << 20, ARRAYS_MAX = 5 };

/* An array in the layout of the weights, or of their blocks; `own` is this rank's share of it, span after span. */
typedef struct {
    const share_map *share;
    void *own;
    size_t width;
    bool blocks;
} array;

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

static size_t slice_bytes(const array *a, size_t span, int rank) {
    const size_t *cuts = share_cuts(a->share, span);
    return a->width * (a->blocks ? share_blocks(a->share, span, rank) : cuts[rank + 1] - cuts[rank]);
}

/* ---- writing ---- */
typedef struct {
    wt_out *out;                  /* NULL: another rank writes */
    uint8_t *chunk;
    size_t fill;
    uint64_t hash;
    int failed;
    wt_err *err;
} writer;

static void write_chunk(writer *w) {
    w->hash = hash_on(w->hash, w->chunk, w->fill);
    if (!w->failed) w->failed = wt_out_write(w->out, w->chunk, w->fill, w->err);
    w->fill = 0;
}

static void write_bytes(writer *w, const uint8_t *bytes, size_t n) {
    while (n) {
        size_t k = n < CHUNK - w->fill ? n : CHUNK - w->fill;
        memcpy(w->chunk + w->fill, bytes, k);
        w->fill += k, bytes += k, n -= k;
        if (w->fill == CHUNK) write_chunk(w);
    }
}

/* Owners hand in their slices also after a failure, for they do not know of it. */
static void write_array(writer *w, const array *a) {
    uint8_t *own = a->own, *theirs = NULL;
    size_t cap = 0;
    for (size_t i = 0; i < a->share->n_spans; i++)
        for (int r = 0; r < a->share->ranks; r++) {
            size_t n = slice_bytes(a, i, r);
            bool mine = r == a->share->rank;
            if (!mine && w->out) WT_GROW(theirs, cap, n);
            uint8_t *slice = mine ? own : theirs;
            if (a->share->ranks > 1) wt_cluster_move(slice, n, r, 0);
            if (w->out) write_bytes(w, slice, n);
            if (mine) own += n;
        }
    if (w->out) write_chunk(w);
    free(theirs);
}

static int arrays_save(const char *path, const uint8_t header[HEADER_BYTES], const array *arrays, int n, wt_err *err) {
    uint8_t tail[8];
    writer w = {.err = err};
    if (arrays->share->rank == 0 && !(w.out = wt_out_open(path, err))) w.failed = -1;
    if (arrays->share->ranks > 1 && wt_cluster_any(w.failed)) { /* nobody begins to hand in */
        if (w.out) wt_out_abort(w.out);
        return w.failed;
    }
    if (w.failed) return -1;
    if (w.out) {
        w.chunk = wt_xmalloc(CHUNK);
        write_bytes(&w, header, HEADER_BYTES);
        write_chunk(&w);
    }
    for (int i = 0; i < n; i++) write_array(&w, &arrays[i]);
    free(w.chunk);
    if (!w.out) return 0;
    put64(tail, w.hash);
    if (w.failed || wt_out_write(w.out, tail, 8, err)) {
        wt_out_abort(w.out);
        return -1;
    }
    return wt_out_commit(w.out, err);
}

/* ---- reading ---- */
typedef struct {
    FILE *f;
    uint8_t *chunk;
    size_t fill, used;
    uint64_t hash;
} reader;

static uint64_t array_bytes(const array *a) {
    uint64_t n = 0;
    for (size_t i = 0; i < a->share->n_spans; i++)
        for (int r = 0; r < a->share->ranks; r++) n += slice_bytes(a, i, r);
    return n;
}

/* Pages of zeros that were never written (Muon's second moments) stay untouched. */
static void copy_news(uint8_t *to, const uint8_t *from, size_t n) {
    enum { PAGE = 4096 };
    for (size_t i = 0; i < n; i += PAGE) {
        size_t k = n - i < PAGE ? n - i : PAGE;
        if (memcmp(to + i, from + i, k)) memcpy(to + i, from + i, k);
    }
}

static int read_array(reader *in, const array *a) {
    uint64_t left = array_bytes(a);
    uint8_t *own = a->own;
    in->fill = in->used = 0;
    for (size_t i = 0; i < a->share->n_spans; i++)
        for (int r = 0; r < a->share->ranks; r++)
            for (size_t n = slice_bytes(a, i, r); n;) {
                if (in->used == in->fill) {
                    in->fill = left < CHUNK ? left : CHUNK, in->used = 0, left -= in->fill;
                    if (fread(in->chunk, 1, in->fill, in->f) != in->fill) return -1;
                    in->hash = hash_on(in->hash, in->chunk, in->fill);
                }
                size_t k = n < in->fill - in->used ? n : in->fill - in->used;
                if (r == a->share->rank) copy_news(own, in->chunk + in->used, k), own += k;
                in->used += k, n -= k;
            }
    return 0;
}

/* Behind the header, which is read and known to be of this kind. */
static int arrays_load(FILE *f, const uint8_t header[HEADER_BYTES], const array *arrays, int n, wt_err *err) {
    uint8_t tail[8];
    reader in = {.f = f, .chunk = wt_xmalloc(CHUNK), .hash = hash_on(0, header, HEADER_BYTES)};
    int failed = 0;
    for (int i = 0; !failed && i < n; i++) failed = read_array(&in, &arrays[i]);
    free(in.chunk);
    if (failed || fread(tail, 1, 8, f) != 8 || getc(f) != EOF) return wt_fail(err, WT_EDATA, "its length is wrong (cut short?)");
    return get64(tail) == in.hash ? 0 : wt_fail(err, WT_EDATA, "its checksum is wrong: the file is damaged");
}

static FILE *open_state(const char *path, const char *magic, uint8_t h[HEADER_BYTES], wt_err *err) {
    FILE *f = fopen(path, "re");
    if (!f) {
        wt_fail_errno(err, "cannot open '%s'", path);
        return NULL;
    }
    int failed = 0;
    if (fread(h, 1, HEADER_BYTES, f) != HEADER_BYTES || memcmp(h, magic, 8)) failed = wt_fail(err, WT_EDATA, "'%s' is not a training state", path);
    else if (get64(h + 8) != 1) failed = wt_fail(err, WT_EDATA, "'%s' has version %llu of the format; this program knows 1", path, (unsigned long long)get64(h + 8));
    if (!failed) return f;
    fclose(f);
    return NULL;
}

/* ---- state.wtts, rank-NNNN.wtts ---- */
static void fill_header(uint8_t *h, const train_state *s, const optimizer *o, bool weights) {
    memset(h, 0, HEADER_BYTES);
    memcpy(h, MAGIC, 8);
    put64(h + 8, 1);
    put64(h + 16, o->m->at.total_floats);
    put64(h + 24, o->set.moments);
    put64(h + 32, (uint64_t)o->set.kind);
    put64(h + 40, s->step), put64(h + 48, s->samples), put64(h + 56, s->tokens);
    put_double(h + 64, s->loss_smooth), put_double(h + 72, s->best_loss), put_double(h + 80, s->rate_scale);
    put_double(h + 88, s->previous_norm), put64(h + 96, s->best_step), put64(h + 104, s->skipped);
    put64(h + 112, s->rollbacks), put64(h + 120, s->skipped_in_row), put64(h + 128, s->weights_hash);
    memcpy(h + 136, s->dataset, 32);
    put64(h + 168, s->unproven), put64(h + 176, weights);
}

static int arrays_of(const optimizer *o, bool weights, array out[ARRAYS_MAX]) {
    int n = 0;
    const optim_moment *both[] = {&o->mean, &o->var};
    for (int i = 0; i < 2; i++) {
        out[n++] = (array){&o->share, both[i]->numbers, o->set.moments, false};
        if (both[i]->scales) out[n++] = (array){&o->share, both[i]->scales, sizeof(float), true};
    }
    if (weights) out[n++] = (array){&o->share, o->m->w, sizeof(float), false};
    return n;
}

int state_save(const char *path, const train_state *s, const optimizer *o, bool weights, wt_err *err) {
    uint8_t header[HEADER_BYTES];
    array arrays[ARRAYS_MAX];
    fill_header(header, s, o, weights);
    return arrays_save(path, header, arrays, arrays_of(o, weights, arrays), err);
}

int state_load(const char *path, train_state *s, optimizer *o, bool weights, wt_err *err) {
    uint8_t h[HEADER_BYTES];
    array arrays[ARRAYS_MAX];
    FILE *f = open_state(path, MAGIC, h, err);
    if (!f) return -1;
    int result = 0;
    if (get64(h + 16) != o->m->at.total_floats || get64(h + 24) != o->set.moments || get64(h + 32) != (uint64_t)o->set.kind || get64(h + 176) != weights)
        result = wt_fail(err, WT_EDATA, "made for another model, optimizer or width of moments");
    else result = arrays_load(f, h, arrays, arrays_of(o, weights, arrays), err);
    fclose(f);
    if (result) return wt_context(err, "'%s'", path);
    *s = (train_state){.step = get64(h + 40), .samples = get64(h + 48), .tokens = get64(h + 56), .loss_smooth = get_double(h + 64),
                       .best_loss = get_double(h + 72), .rate_scale = get_double(h + 80), .previous_norm = get_double(h + 88),
                       .best_step = get64(h + 96), .skipped = get64(h + 104), .rollbacks = get64(h + 112),
                       .skipped_in_row = get64(h + 120), .weights_hash = get64(h + 128), .unproven = get64(h + 168) != 0};
    memcpy(s->dataset, h + 136, 32);
    return 0;
}

/* ---- outer.wtts ---- */
int state_save_outer(const char *path, const share_map *share, float *weights, float *momentum, uint64_t step, wt_err *err) {
    uint8_t h[HEADER_BYTES] = {0};
    memcpy(h, MAGIC_OUTER, 8);
    put64(h + 8, 1), put64(h + 16, share->spans[share->n_spans - 1].end), put64(h + 24, step);
    return arrays_save(path, h, (array[]){{share, weights, sizeof(float), false}, {share, momentum, sizeof(float), false}}, 2, err);
}

int state_load_outer(const char *path, const share_map *share, float *weights, float *momentum, uint64_t *step, wt_err *err) {
    uint8_t h[HEADER_BYTES];
    FILE *f = open_state(path, MAGIC_OUTER, h, err);
    if (!f) return -1;
    int result = get64(h + 16) != share->spans[share->n_spans - 1].end ? wt_fail(err, WT_EDATA, "made for another model") : 0;
    if (result == 0) result = arrays_load(f, h, (array[]){{share, weights, sizeof(float), false}, {share, momentum, sizeof(float), false}}, 2, err);
    fclose(f);
    *step = get64(h + 24);
    return result ? wt_context(err, "'%s'", path) : 0;
}

/* bloom_file.c - the filter as a file: a 4096-byte header, the bits of each layer at a multiple of
 * 4096 so that they can be mapped as they are, then one XXH3 a MiB of bits. docs/formats/dedup.md
 * has the byte table. Everything is checked before it is believed: a header by its own hash, sizes
 * against the file's, a chunk by its checksum (for mapped files when asked). */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/out.h"
#include "dedup/bloom_impl.h"

enum {
    PAGE = 4096, VERSION = 1, CHUNK = 1 << 20, FLAG_GROW = 1,
    AT_MAGIC = 0, AT_VERSION = 8, AT_PAGE = 12, AT_SEED = 16, AT_CAPACITY = 24, AT_RATE = 32,
    AT_FLAGS = 40, AT_N_LAYERS = 44, AT_SUMS = 48, AT_SUMS_HASH = 56, AT_FILE_BYTES = 64,
    AT_KEYS = 128, AT_LAYERS = 512, LAYER_BYTES = 64, AT_HASH = PAGE - 8
};
static const char MAGIC[8] = {'W', 'T', 'B', 'L', 'O', 'O', 'M', '\n'};

static void put_u32(uint8_t *p, uint32_t x) { memcpy(p, &x, 4); }
static void put_u64(uint8_t *p, uint64_t x) { memcpy(p, &x, 8); }
static void put_f64(uint8_t *p, double x) { memcpy(p, &x, 8); }
static uint32_t get_u32(const uint8_t *p) { uint32_t x; memcpy(&x, p, 4); return x; }
static uint64_t get_u64(const uint8_t *p) { uint64_t x; memcpy(&x, p, 8); return x; }
static double get_f64(const uint8_t *p) { double x; memcpy(&x, p, 8); return x; }

static uint64_t round_page(uint64_t n) { return (n + PAGE - 1) & ~(uint64_t)(PAGE - 1); }
static uint64_t chunks_of(uint64_t bytes) { return (bytes + CHUNK - 1) / CHUNK; }

static uint64_t n_chunks(const bloom *b) {
    uint64_t n = 0;
    for (int i = 0; i < b->n_layers; i++) n += chunks_of(b->layer[i].plan.bytes);
    return n;
}

uint64_t bloom_file_bytes(const bloom *b) {
    uint64_t n = PAGE;
    for (int i = 0; i < b->n_layers; i++) n += round_page(b->layer[i].plan.bytes);
    return n + round_page(n_chunks(b) * 8);
}

/* ---- writing ---- */

static uint64_t chunk_hash(const uint64_t *words, uint64_t bytes, uint64_t chunk) {
    uint64_t at = chunk * CHUNK, n = bytes - at < CHUNK ? bytes - at : CHUNK;
    return wt_hash64((const uint8_t *)words + at, n, 0);
}

static void header_build(const bloom *b, uint64_t sums_at, uint64_t sums_hash, uint8_t *page) {
    memset(page, 0, PAGE);
    memcpy(page + AT_MAGIC, MAGIC, 8);
    put_u32(page + AT_VERSION, VERSION);
    put_u32(page + AT_PAGE, PAGE);
    put_u64(page + AT_SEED, b->seed);
    put_u64(page + AT_CAPACITY, b->capacity);
    put_f64(page + AT_RATE, b->fp_rate);
    put_u32(page + AT_FLAGS, b->grow ? FLAG_GROW : 0);
    put_u32(page + AT_N_LAYERS, (uint32_t)b->n_layers);
    put_u64(page + AT_SUMS, sums_at);
    put_u64(page + AT_SUMS_HASH, sums_hash);
    put_u64(page + AT_FILE_BYTES, bloom_file_bytes(b));
    strcpy((char *)page + AT_KEYS, b->keys);
    uint64_t at = PAGE;
    for (int i = 0; i < b->n_layers; i++) {
        const bloom_layer *l = &b->layer[i];
        uint8_t *p = page + AT_LAYERS + i * LAYER_BYTES;
        put_u32(p, (uint32_t)l->plan.variant);
        put_u32(p + 4, (uint32_t)l->plan.k);
        put_u64(p + 8, l->plan.n_blocks);
        put_u64(p + 16, l->plan.bytes);
        put_u64(p + 24, at);
        put_u64(p + 32, l->capacity);
        put_u64(p + 40, l->n_added);
        put_f64(p + 48, l->plan.fp_rate);
        at += round_page(l->plan.bytes);
    }
    put_u64(page + AT_HASH, wt_hash64(page, AT_HASH, 0));
}

/* A file of its own, or a place in one. */
typedef struct {
    wt_out *out;                /* NULL: the place */
    int file;
    uint64_t at;
} sink;

static int sink_write(sink *s, const void *bytes, uint64_t n, wt_err *err) {
    if (s->out) return wt_out_write(s->out, bytes, n, err);
    for (const uint8_t *p = bytes; n > 0;) {
        ssize_t put = pwrite(s->file, p, n < (1u << 30) ? n : 1u << 30, (off_t)s->at);
        if (put < 0) return wt_fail_errno(err, "cannot write a filter");
        p += put, s->at += (uint64_t)put, n -= (uint64_t)put;
    }
    return 0;
}

static int write_padded(sink *to, const void *bytes, uint64_t n, wt_err *err) {
    static const uint8_t zero[PAGE];
    return sink_write(to, bytes, n, err) || sink_write(to, zero, round_page(n) - n, err) ? -1 : 0;
}

static int filter_write(const bloom *b, sink *to, wt_err *err) {
    uint8_t page[PAGE];
    uint64_t n_sums = n_chunks(b), at = 0;
    uint64_t *sums = wt_xmalloc(n_sums * 8);
    for (int i = 0; i < b->n_layers; i++) {
        const bloom_layer *l = &b->layer[i];
        for (uint64_t c = 0; c < chunks_of(l->plan.bytes); c++)
            sums[at++] = chunk_hash(l->words, l->plan.bytes, c);
    }
    uint64_t sums_at = bloom_file_bytes(b) - round_page(n_sums * 8);
    header_build(b, sums_at, wt_hash64(sums, n_sums * 8, 0), page);
    int result = sink_write(to, page, PAGE, err);
    for (int i = 0; i < b->n_layers && !result; i++)
        result = write_padded(to, b->layer[i].words, b->layer[i].plan.bytes, err);
    if (!result) result = write_padded(to, sums, n_sums * 8, err);
    free(sums);
    return result;
}

int bloom_save(const bloom *b, const char *path, wt_err *err) {
    wt_out *out = wt_out_open(path, err);
    if (!out) return -1;
    if (filter_write(b, &(sink){.out = out}, err)) {
        wt_out_abort(out);
        return -1;
    }
    return wt_out_commit(out, err);
}

int bloom_write_at(const bloom *b, int file, uint64_t at, wt_err *err) {
    return filter_write(b, &(sink){.file = file, .at = at}, err);
}

/* ---- reading ---- */

typedef struct {
    int fd;
    const char *path;
    uint64_t at, file_bytes;    /* where the filter starts; size of the whole file */
    uint64_t body_at[LAYERS_MAX], sums_at, sums_hash;
} source;

static int read_at(const source *s, void *bytes, uint64_t n, uint64_t at, wt_err *err) {
    uint8_t *p = bytes;
    while (n > 0) {
        ssize_t got = pread(s->fd, p, n < (1u << 30) ? n : 1u << 30, (off_t)(s->at + at));
        if (got < 0) return wt_fail_errno(err, "cannot read '%s'", s->path);
        if (got == 0) return wt_fail(err, WT_EDATA, "filter '%s' ends early, at byte %llu", s->path,
                                     (unsigned long long)(s->at + at));
        p += got, at += (uint64_t)got, n -= (uint64_t)got;
    }
    return 0;
}

static int open_source(const char *path, uint64_t at, source *s, wt_err *err) {
    struct stat st;
    *s = (source){.fd = open(path, O_RDONLY | O_CLOEXEC), .path = path, .at = at};
    if (s->fd < 0) return wt_fail_errno(err, "cannot open filter '%s'", path);
    if (fstat(s->fd, &st)) return wt_fail_errno(err, "cannot read '%s'", path);
    s->file_bytes = (uint64_t)st.st_size;
    if (s->file_bytes < at || s->file_bytes - at < PAGE)
        return wt_fail(err, WT_EDATA, "'%s' is not a filter: %llu bytes are too few", path,
                       (unsigned long long)s->file_bytes);
    return 0;
}

/* One layer's sizes have to follow from each other and lie in the file. */
static int layer_parse(const source *s, const uint8_t *p, int i, bloom_layer *l, uint64_t *body_at,
                       wt_err *err) {
    uint64_t blocks = get_u64(p + 8), unit;
    l->plan.variant = (bloom_variant)get_u32(p);
    l->plan.k = (int)get_u32(p + 4);
    l->plan.n_blocks = blocks;
    l->plan.bytes = get_u64(p + 16);
    *body_at = get_u64(p + 24);
    l->capacity = get_u64(p + 32);
    l->n_added = get_u64(p + 40);
    l->plan.fp_rate = get_f64(p + 48);
    l->plan.bits_per_key = l->capacity ? l->plan.bytes * 8.0 / (double)l->capacity : 0;
    switch (l->plan.variant) {
    case BLOOM_SPLIT256: unit = 32; break;
    case BLOOM_BLOCK512: unit = 64; break;
    case BLOOM_TWO_LINE: unit = 128; break;
    case BLOOM_CLASSIC: unit = 0; break;
    default:
        return wt_fail(err, WT_EDATA, "filter '%s': layer %d has the unknown layout %u", s->path, i,
                       (unsigned)l->plan.variant);
    }
    bool ok = blocks > 0 && blocks < (uint64_t)1 << 56 && l->plan.k >= 1 && l->plan.k <= 64 &&
              (unit ? l->plan.bytes == blocks * unit : blocks % 64 == 0 && l->plan.bytes == blocks / 8) &&
              (l->plan.variant != BLOOM_SPLIT256 || l->plan.k == 8) && *body_at % PAGE == 0 &&
              *body_at <= s->file_bytes - s->at && l->plan.bytes <= s->file_bytes - s->at - *body_at;
    if (!ok)
        return wt_fail(err, WT_EDATA, "filter '%s': the sizes of layer %d do not fit together or "
                       "into the file", s->path, i);
    return 0;
}

static bloom *header_parse(source *s, const uint8_t *page, wt_err *err) {
    uint32_t n_layers = get_u32(page + AT_N_LAYERS);
    if (memcmp(page, MAGIC, 8) != 0) {
        wt_fail(err, WT_EDATA, "'%s' is not a filter of webtext (magic bytes differ)", s->path);
        return NULL;
    }
    if (get_u32(page + AT_VERSION) != VERSION) {
        wt_fail(err, WT_EDATA, "filter '%s' has version %u, this program reads version %d", s->path,
                get_u32(page + AT_VERSION), VERSION);
        return NULL;
    }
    if (get_u64(page + AT_HASH) != wt_hash64(page, AT_HASH, 0) || n_layers < 1 ||
        n_layers > LAYERS_MAX || page[AT_KEYS + KEYS_TEXT_MAX] != 0) {
        wt_fail(err, WT_EDATA, "filter '%s': the header at byte %llu is damaged", s->path,
                (unsigned long long)s->at);
        return NULL;
    }
    bloom_config config = {.capacity = get_u64(page + AT_CAPACITY), .fp_rate = get_f64(page + AT_RATE),
                           .seed = get_u64(page + AT_SEED),
                           .grow = get_u32(page + AT_FLAGS) & FLAG_GROW,
                           .keys = (const char *)page + AT_KEYS};
    bloom *b = bloom_alloc(&config, err);
    if (!b) return NULL;
    for (uint32_t i = 0; i < n_layers; i++) {
        bloom_layer *l = &b->layer[i];
        if (layer_parse(s, page + AT_LAYERS + i * LAYER_BYTES, (int)i, l, &s->body_at[i], err)) {
            free(b);
            return NULL;
        }
    }
    b->n_layers = (int)n_layers;
    s->sums_at = get_u64(page + AT_SUMS);
    s->sums_hash = get_u64(page + AT_SUMS_HASH);
    uint64_t room = s->file_bytes - s->at;
    if (s->sums_at > room || n_chunks(b) * 8 > room - s->sums_at) {
        wt_fail(err, WT_EDATA, "filter '%s' ends before its checksums", s->path);
        free(b);
        return NULL;
    }
    return b;
}

static int check_chunks(const bloom *b, const source *s, const uint64_t *sums, wt_err *err) {
    uint64_t n_sums = n_chunks(b), at = 0;
    if (wt_hash64(sums, n_sums * 8, 0) != s->sums_hash)
        return wt_fail(err, WT_EDATA, "filter '%s': the checksums at byte %llu are damaged", s->path,
                       (unsigned long long)(s->at + s->sums_at));
    for (int i = 0; i < b->n_layers; i++)
        for (uint64_t c = 0; c < chunks_of(b->layer[i].plan.bytes); c++)
            if (chunk_hash(b->layer[i].words, b->layer[i].plan.bytes, c) != sums[at++])
                return wt_fail(err, WT_EDATA,
                               "filter '%s': chunk %llu of layer %d (at byte %llu) is damaged; make "
                               "the filter again", s->path, (unsigned long long)c, i,
                               (unsigned long long)(s->at + s->body_at[i] + c * CHUNK));
    return 0;
}

static int load_bodies(bloom *b, const source *s, bool empty, wt_err *err) {
    int n_layers = b->n_layers;
    b->n_layers = 0;                                  /* grows as memory is had, for bloom_free */
    for (int i = 0; i < n_layers; i++) {
        uint64_t n_added = b->layer[i].n_added;
        bloom_plan plan = b->layer[i].plan;
        if (bloom_layer_add(b, &plan, b->layer[i].capacity, err)) return -1;
        b->layer[i].n_added = n_added;
        if (!empty && read_at(s, b->layer[i].words, plan.bytes, s->body_at[i], err)) return -1;
    }
    if (empty) return 0;
    uint64_t n_sums = n_chunks(b);
    uint64_t *sums = wt_xmalloc(n_sums * 8);
    int result = read_at(s, sums, n_sums * 8, s->sums_at, err);
    if (!result) result = check_chunks(b, s, sums, err);
    free(sums);
    return result;
}

static bloom *load_at(const char *path, uint64_t at, bool empty, wt_err *err) {
    source s;
    uint8_t page[PAGE];
    bloom *b = NULL;
    if (open_source(path, at, &s, err) == 0 && read_at(&s, page, PAGE, 0, err) == 0 &&
        (b = header_parse(&s, page, err)) && load_bodies(b, &s, empty, err)) {
        bloom_free(b);
        b = NULL;
    }
    if (s.fd >= 0) close(s.fd);
    return b;
}

bloom *bloom_load_at(const char *path, uint64_t at, wt_err *err) { return load_at(path, at, false, err); }
bloom *bloom_load_empty_at(const char *path, uint64_t at, wt_err *err) { return load_at(path, at, true, err); }
bloom *bloom_load(const char *path, wt_err *err) { return bloom_load_at(path, 0, err); }

static int map_bodies(bloom *b, const source *s, bool verify, wt_err *err) {
    void *map = mmap(NULL, s->file_bytes, PROT_READ, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED) return wt_fail_errno(err, "cannot map '%s'", s->path);
    b->map = map;
    b->map_bytes = s->file_bytes;
    for (int i = 0; i < b->n_layers; i++)
        b->layer[i].words = (uint64_t *)((char *)map + s->body_at[i]);
    madvise(map, s->file_bytes, MADV_RANDOM);
    return verify ? check_chunks(b, s, (const uint64_t *)((char *)map + s->sums_at), err) : 0;
}

bloom *bloom_map(const char *path, bool verify, wt_err *err) {
    source s;
    uint8_t page[PAGE];
    bloom *b = NULL;
    if (open_source(path, 0, &s, err) == 0 && read_at(&s, page, PAGE, 0, err) == 0 &&
        (b = header_parse(&s, page, err)) && map_bodies(b, &s, verify, err)) {
        if (b->map) bloom_free(b);
        else free(b);
        b = NULL;
    }
    if (s.fd >= 0) close(s.fd);
    return b;
}

/* ---- Parquet ---- */

static void varint(wt_buf *out, uint32_t x) {
    for (; x >= 128; x >>= 7) wt_buf_add_char(out, (char)(x | 128));
    wt_buf_add_char(out, (char)x);
}

/* BloomFilterHeader in Thrift's compact protocol: field 1 is the i32 numBytes (zigzag varint); 2, 3
 * and 4 are unions, of which the first member, an empty struct, is taken: BLOCK, XXHASH,
 * UNCOMPRESSED. A field starts with (step of the field number) << 4 | type; 5 is i32, 12 a struct. */
int bloom_export_parquet(const bloom *b, wt_buf *out, wt_err *err) {
    const bloom_plan *p = &b->layer[0].plan;
    if (b->n_layers != 1 || p->variant != BLOOM_SPLIT256 || b->seed != 0)
        return wt_fail(err, WT_EARG, "Parquet takes one split256 layer with seed 0, this filter has "
                       "%d of %s and seed %llu", b->n_layers, bloom_variant_name(p->variant),
                       (unsigned long long)b->seed);
    if (p->bytes > INT32_MAX)
        return wt_fail(err, WT_EARG, "Parquet takes filters below 2 GiB, this one has %llu bytes",
                       (unsigned long long)p->bytes);
    wt_buf_add_char(out, 0x15);
    varint(out, (uint32_t)p->bytes << 1);
    for (int field = 2; field <= 4; field++)
        wt_buf_add(out, "\x1c\x1c\0\0", 4);           /* struct { struct {} } */
    wt_buf_add_char(out, 0);
    wt_buf_add(out, b->layer[0].words, p->bytes);
    return 0;
}

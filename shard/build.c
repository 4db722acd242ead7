/* build.c - shard_write: from JSON lines to a dataset, in two passes.
 *
 * The first reads documents in blocks of lines, tokenises them in parallel and appends each one's
 * tokens to a spill file, chosen by the top bits (up to 8) of its key; the key is a hash of the document's id
 * under the seed, or its number where no shuffle is wanted. The second sorts one spill file after the
 * other by key and hands the documents to shard_write_docs: a shuffle of the whole corpus with 24
 * bytes of memory a document of 1/256 of it, at the price of writing the tokens twice.
 *
 * A journal beside the spill files says how far the first pass got: after a kill, files are cut back
 * to what it says and reading goes on behind the lines it counts. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/doc.h"
#include "common/memory.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "shard/format.h"

#define BLOCK_BYTES ((size_t)1 << 20)           /* of lines, a piece of work */
#define BUCKET_BYTES ((uint64_t)256 << 20)      /* without shuffle, a file ends above this */
#define PENDING_BYTES ((size_t)64 << 10)        /* gathered for a file before it is written to */
#define JOURNAL_BYTES ((uint64_t)256 << 20)     /* spilled between two lines of the journal */
#define INPUT_BYTES_A_BUCKET ((int64_t)16 << 20)    /* as stored; text may be five times as much */
enum { BUCKET_BITS_MAX = 8, RECORD_BYTES = 40 };
enum { SEED_SPLIT = 0x5711, SEED_ORDER = 0x0dde };

/* What the first pass has done; all of it is in the journal. */
typedef struct {
    uint64_t i_input, n_lines;          /* inputs finished; lines read of the next */
    uint64_t n_records, n_tokens;       /* documents and tokens spilled */
    uint64_t broken, no_text, empty, too_long;
    uint64_t finished;                  /* 1: the first pass is over */
    uint8_t chain[32];                  /* SHA-256 chained over the hashes of ids and texts */
    uint64_t *input_docs;               /* documents taken from each input */
    uint64_t *bucket_bytes;
    size_t n_buckets, cap_buckets;
} spill_state;

typedef struct {
    int fd;                             /* -1: not open */
    wt_buf pending;
} bucket;

typedef struct {
    uint64_t order_hash, id_hash, text_hash, n_tokens, at;
    int split;
} spill_doc;

typedef struct {
    wt_buf lines;
    size_t i_input;
    bool input_ends;                    /* after these lines */
    uint64_t n_lines, broken, no_text, empty, too_long;
    spill_doc *doc;
    size_t n_docs, cap_docs;
    wt_buf tokens;                      /* packed, each document's with its end-of-text id */
} block_item;

typedef struct {
    wt_arena *arena;
    uint32_t *tokens;
    size_t cap;
} worker_scratch;

typedef struct {
    const char *dir;
    const wt_paths *inputs;
    const shard_write_options *o;
    int width, threads;
    int bucket_bits;                    /* of the key choose the spill file; the order is the same for any */
    char *spill_dir, *journal_path;
    char key[65];                       /* of the settings that the spill depends on */
    spill_state state;
    bucket *bucket;
    uint64_t since_journal;
    bool limit_reached;
    wt_in *in;                          /* reading side: the open input and its number */
    size_t i_input;
    uint64_t raw_before;
    worker_scratch *scratch;
} building;

/* Small inputs need few files: each costs a sync. */
static int bucket_bits_for(const wt_paths *inputs) {
    int64_t total = 0;
    int bits = 0;
    for (size_t i = 0; i < inputs->n; i++) {
        int64_t bytes = strcmp(inputs->path[i], "-") ? wt_file_bytes(inputs->path[i]) : -1;
        if (bytes < 0)
            return BUCKET_BITS_MAX;     /* a stream: of any size */
        total += bytes;
    }
    while (bits < BUCKET_BITS_MAX && total >> bits > INPUT_BYTES_A_BUCKET)
        bits++;
    return bits;
}

/* ---- journal ---- */
static void spill_key(building *b) {
    const shard_write_options *o = b->o;
    wt_buf text = {0};
    char hex[65];
    wt_hex(o->tokenizer.sha256, 32, hex);
    wt_buf_printf(&text, "%s %u %d %d %d %llu %.17g %llu", hex, o->tokenizer.eot, b->width, b->bucket_bits, o->shuffle,
                  (unsigned long long)o->seed, o->val_fraction, (unsigned long long)o->limit);
    for (size_t i = 0; i < b->inputs->n; i++)
        wt_buf_printf(&text, "\n%s %lld", b->inputs->path[i],
                      (long long)wt_file_bytes(b->inputs->path[i]));
    uint8_t sha[32];
    wt_sha256(text.ptr, text.len, sha);
    wt_hex(sha, 32, b->key);
    wt_buf_free(&text);
}

/* The numbers of the journal by name, so that writing and reading cannot disagree. */
typedef struct {
    const char *name;
    uint64_t *value;
} journal_number;
enum { JOURNAL_NUMBERS = 9 };

static void journal_numbers(spill_state *s, journal_number list[JOURNAL_NUMBERS]) {
    journal_number all[JOURNAL_NUMBERS] = {
        {"input", &s->i_input}, {"lines", &s->n_lines}, {"records", &s->n_records},
        {"tokens", &s->n_tokens}, {"broken", &s->broken}, {"no_text", &s->no_text},
        {"empty", &s->empty}, {"too_long", &s->too_long}, {"finished", &s->finished}};
    memcpy(list, all, sizeof all);
}

static void json_list(wt_buf *out, const char *name, const uint64_t *x, size_t n) {
    wt_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        wt_buf_printf(out, i ? ",%llu" : "%llu", (unsigned long long)x[i]);
    wt_buf_add_char(out, ']');
}

static int bucket_flush(building *b, size_t i, bool durable, wt_err *err) {
    bucket *k = &b->bucket[i];
    for (size_t done = 0; done < k->pending.len;) {
        ssize_t r = write(k->fd, k->pending.ptr + done, k->pending.len - done);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return wt_fail_errno(err, "cannot write to '%s'", b->spill_dir);
        done += (size_t)r;
    }
    wt_buf_clear(&k->pending);
    if (durable && k->fd >= 0 && fdatasync(k->fd))
        return wt_fail_errno(err, "cannot write to '%s'", b->spill_dir);
    return 0;
}

static int journal_write(building *b, wt_err *err) {
    journal_number number[JOURNAL_NUMBERS];
    wt_buf json = {0};
    char hex[65];
    for (size_t i = 0; i < b->state.n_buckets; i++)
        if (bucket_flush(b, i, true, err))
            return -1;
    journal_numbers(&b->state, number);
    wt_hex(b->state.chain, 32, hex);
    wt_buf_printf(&json, "{\"key\":\"%s\",\"chain\":\"%s\"", b->key, hex);
    for (int i = 0; i < JOURNAL_NUMBERS; i++)
        wt_buf_printf(&json, ",\"%s\":%llu", number[i].name, (unsigned long long)*number[i].value);
    json_list(&json, "buckets", b->state.bucket_bytes, b->state.n_buckets);
    json_list(&json, "documents", b->state.input_docs, b->inputs->n);
    wt_buf_add_str(&json, WT_STR("}\n"));
    int failed = wt_write_file(b->journal_path, wt_buf_view(&json), err);
    wt_buf_free(&json);
    b->since_journal = 0;
    return failed;
}

static void buckets_grow(building *b, size_t n) {
    spill_state *s = &b->state;
    if (n > s->cap_buckets) {
        s->cap_buckets = n > 2 * s->cap_buckets ? n : 2 * s->cap_buckets;
        s->bucket_bytes = wt_xrealloc(s->bucket_bytes, s->cap_buckets * 8);
        b->bucket = wt_xrealloc(b->bucket, s->cap_buckets * sizeof *b->bucket);
    }
    for (; s->n_buckets < n; s->n_buckets++) {
        s->bucket_bytes[s->n_buckets] = 0;
        b->bucket[s->n_buckets] = (bucket){.fd = -1};
    }
}

static char *bucket_path(const building *b, size_t i) {
    char name[32];
    snprintf(name, sizeof name, "%05zu.tokens", i);
    return wt_path_join(b->spill_dir, name);
}

static int json_numbers(wt_json list, uint64_t *out, size_t n) {
    wt_json_iter it;
    wt_json v;
    int64_t x;
    size_t i = 0;
    if (wt_json_iter_init(&it, list, NULL))
        return -1;
    while (wt_json_next(&it, NULL, &v, NULL) > 0) {
        if (i == n || wt_json_i64(v, &x) || x < 0)
            return -1;
        out[i++] = (uint64_t)x;
    }
    return i == n ? 0 : -1;
}

static size_t json_length(wt_json list) {
    wt_json_iter it;
    wt_json v;
    size_t n = 0;
    if (wt_json_iter_init(&it, list, NULL))
        return 0;
    while (wt_json_next(&it, NULL, &v, NULL) > 0)
        n++;
    return n;
}

static int chain_parse(wt_json v, uint8_t out[32]) {
    if (v.kind != WT_JSON_STRING || v.raw.len != 64)
        return -1;
    for (int i = 0; i < 32; i++) {
        char pair[3] = {v.raw.ptr[2 * i], v.raw.ptr[2 * i + 1], 0}, *end;
        out[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end)
            return -1;
    }
    return 0;
}

static int journal_parse(building *b, wt_str text) {
    journal_number number[JOURNAL_NUMBERS];
    wt_json v;
    if (wt_json_parse(text, &v, NULL) ||
        !wt_str_eq(wt_json_get(v, "key").raw, wt_str_of(b->key)) ||
        chain_parse(wt_json_get(v, "chain"), b->state.chain))
        return -1;
    journal_numbers(&b->state, number);
    for (int i = 0; i < JOURNAL_NUMBERS; i++) {
        int64_t x;
        if (wt_json_i64(wt_json_get(v, number[i].name), &x) || x < 0)
            return -1;
        *number[i].value = (uint64_t)x;
    }
    wt_json sizes = wt_json_get(v, "buckets");
    buckets_grow(b, json_length(sizes));
    return json_numbers(sizes, b->state.bucket_bytes, b->state.n_buckets) ||
           json_numbers(wt_json_get(v, "documents"), b->state.input_docs, b->inputs->n);
}

static void state_clear(building *b) {
    spill_state *s = &b->state;
    for (size_t i = 0; i < s->n_buckets; i++) {
        if (b->bucket[i].fd >= 0)
            close(b->bucket[i].fd);
        wt_buf_free(&b->bucket[i].pending);
    }
    free(b->bucket);
    free(s->bucket_bytes);
    free(s->input_docs);
    b->bucket = NULL;
    *s = (spill_state){0};
}

/* Cuts each spill file back to the size in the journal. */
static bool buckets_cut(building *b) {
    for (size_t i = 0; i < b->state.n_buckets; i++) {
        char *path = bucket_path(b, i);
        int64_t bytes = wt_file_bytes(path);
        uint64_t want = b->state.bucket_bytes[i];
        bool good = (want == 0 && bytes <= 0) ||
                    (bytes >= 0 && (uint64_t)bytes >= want && truncate(path, (off_t)want) == 0);
        free(path);
        if (!good)
            return false;
    }
    return true;
}

/* Takes up an earlier run's spill where there is one that fits, else starts an empty one. */
static int spill_begin(building *b, wt_err *err) {
    wt_buf text = {0};
    b->state.input_docs = wt_xcalloc(b->inputs->n + 1, 8);
    bool found = wt_exists(b->journal_path) &&
                 wt_read_file(b->journal_path, (uint64_t)1 << 30, &text, NULL) == 0 &&
                 journal_parse(b, wt_buf_view(&text)) == 0 && buckets_cut(b);
    wt_buf_free(&text);
    if (found)
        return 0;
    state_clear(b);
    b->state.input_docs = wt_xcalloc(b->inputs->n + 1, 8);
    if (wt_exists(b->spill_dir) && wt_remove_tree(b->spill_dir, err))
        return -1;
    return wt_mkdirs(b->spill_dir, err);
}

/* ---- first pass: reading ---- */
static int lines_skip(building *b, wt_err *err) {
    wt_str line;
    uint64_t too_long = 0;      /* these are in the journal's counts */
    for (uint64_t i = 0; i < b->state.n_lines; i++) {
        int more = wt_in_line(b->in, WT_DOC_LINE_MAX, &line, &too_long, err);
        if (more < 0)
            return -1;
        if (more == 0)
            return wt_fail(err, WT_EDATA, "'%s' has fewer lines than when the run began",
                           b->inputs->path[b->i_input]);
    }
    return 0;
}

static int block_read(void *ctx, void *p, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    if (__atomic_load_n(&b->limit_reached, __ATOMIC_RELAXED) || b->i_input == b->inputs->n)
        return 0;
    if (!b->in) {
        b->in = wt_in_open(b->inputs->path[b->i_input], err);
        if (!b->in || (b->i_input == b->state.i_input && lines_skip(b, err)))
            return -1;
    }
    item->i_input = b->i_input;
    item->too_long = 0;
    int more = wt_in_block(b->in, BLOCK_BYTES, WT_DOC_LINE_MAX, &item->lines, &item->too_long, err);
    if (more < 0)
        return -1;
    wt_progress_set(b->raw_before + wt_in_raw_offset(b->in));
    item->input_ends = more == 0;
    if (more == 0) {
        wt_buf_clear(&item->lines);
        b->raw_before += wt_in_raw_offset(b->in);
        wt_in_close(b->in);
        b->in = NULL;
        b->i_input++;
    }
    return 1;
}

/* ---- first pass: tokenising ---- */
static int doc_tokens(building *b, int i_thread, block_item *item, const wt_doc *d, wt_err *err) {
    worker_scratch *s = &b->scratch[i_thread];
    const shard_write_options *o = b->o;
    size_t n = 0;
    wt_str id = d->id.len ? d->id : d->text;
    if (o->encode(o->ctx, i_thread, d->text, &s->tokens, &n, &s->cap, err))
        return wt_context(err, "document '%.*s'", (int)(id.len < 80 ? id.len : 80), id.ptr);
    for (size_t i = 0; i < n; i++)
        if (s->tokens[i] >= o->tokenizer.vocab)
            return wt_fail(err, WT_EDATA, "id %u is above the tokenizer's %u", s->tokens[i],
                           o->tokenizer.vocab);
    WT_GROW(item->doc, item->cap_docs, item->n_docs + 1);
    item->doc[item->n_docs++] = (spill_doc){
        .order_hash = wt_hash64(id.ptr, id.len, wt_mix64(o->seed + SEED_ORDER)),
        .id_hash = wt_hash64(id.ptr, id.len, 0),
        .text_hash = wt_hash64(d->text.ptr, d->text.len, 0),
        .n_tokens = n + 1,
        .at = item->tokens.len,
        .split = (double)wt_hash64(id.ptr, id.len, SEED_SPLIT) < o->val_fraction * 0x1p64};
    wt_buf_reserve(&item->tokens, (n + 1) * (size_t)b->width);
    uint8_t *out = (uint8_t *)item->tokens.ptr + item->tokens.len;
    shard_pack(out, s->tokens, n, b->width);
    shard_pack(out + n * (size_t)b->width, &o->tokenizer.eot, 1, b->width);
    item->tokens.len += (n + 1) * (size_t)b->width;
    return 0;
}

static int block_work(void *ctx, void *p, int i_thread, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    wt_arena *arena = b->scratch[i_thread].arena;
    wt_str rest = wt_buf_view(&item->lines);
    item->n_docs = item->n_lines = item->broken = item->no_text = item->empty = 0;
    wt_buf_clear(&item->tokens);
    while (rest.len) {
        wt_str line = wt_str_trim(wt_str_cut(&rest, '\n'));
        wt_doc doc;
        item->n_lines++;
        if (line.len == 0)
            continue;
        wt_arena_reset(arena);
        if (wt_doc_parse(line, arena, &doc, NULL))
            item->broken++;
        else if (!doc.has_text)
            item->no_text++;
        else if (doc.text.len == 0)
            item->empty++;
        else if (doc_tokens(b, i_thread, item, &doc, err))
            return wt_context(err, "'%s'", b->inputs->path[item->i_input]);
    }
    return 0;
}

/* ---- first pass: spilling, in the order of reading ---- */
static int bucket_of(building *b, uint64_t key, size_t *i, wt_err *err) {
    spill_state *s = &b->state;
    if (b->o->shuffle) {
        *i = b->bucket_bits ? key >> (64 - b->bucket_bits) : 0;
        buckets_grow(b, (size_t)1 << b->bucket_bits);
    } else {
        *i = s->n_buckets ? s->n_buckets - 1 : 0;
        buckets_grow(b, *i + 1);
        if (s->bucket_bytes[*i] > BUCKET_BYTES) {
            if (bucket_flush(b, *i, true, err))
                return -1;
            close(b->bucket[*i].fd);
            b->bucket[*i].fd = -1;
            buckets_grow(b, ++*i + 1);
        }
    }
    if (b->bucket[*i].fd < 0) {
        char *path = bucket_path(b, *i);
        b->bucket[*i].fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        int failed = b->bucket[*i].fd < 0 ? wt_fail_errno(err, "cannot write '%s'", path) : 0;
        free(path);
        return failed;
    }
    return 0;
}

static int doc_spill(building *b, const spill_doc *d, const char *tokens, wt_err *err) {
    spill_state *s = &b->state;
    uint8_t record[RECORD_BYTES], link[48];
    uint64_t key = b->o->shuffle ? d->order_hash : s->n_records;
    size_t bytes = d->n_tokens * (size_t)b->width, i;
    if (bucket_of(b, key, &i, err))
        return -1;
    put_u64(record, key);
    put_u64(record + 8, d->id_hash);
    put_u64(record + 16, s->n_records);
    put_u64(record + 24, d->n_tokens);
    put_u64(record + 32, (uint64_t)d->split);
    wt_buf_add(&b->bucket[i].pending, record, RECORD_BYTES);
    wt_buf_add(&b->bucket[i].pending, tokens, bytes);
    s->bucket_bytes[i] += RECORD_BYTES + bytes;
    memcpy(link, s->chain, 32);
    put_u64(link + 32, d->id_hash);
    put_u64(link + 40, d->text_hash);
    wt_sha256(link, sizeof link, s->chain);
    s->n_records++;
    s->n_tokens += d->n_tokens;
    b->since_journal += RECORD_BYTES + bytes;
    return b->bucket[i].pending.len > PENDING_BYTES ? bucket_flush(b, i, false, err) : 0;
}

static int block_write(void *ctx, void *p, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    spill_state *s = &b->state;
    if (b->limit_reached)
        return 0;
    for (size_t i = 0; i < item->n_docs; i++) {
        if (b->o->limit && s->n_records == b->o->limit) {
            __atomic_store_n(&b->limit_reached, true, __ATOMIC_RELAXED);
            return 0;
        }
        if (doc_spill(b, &item->doc[i], item->tokens.ptr + item->doc[i].at, err))
            return -1;
        s->input_docs[item->i_input]++;
    }
    s->broken += item->broken, s->no_text += item->no_text, s->empty += item->empty;
    s->too_long += item->too_long;
    s->n_lines += item->n_lines;
    if (item->input_ends)
        s->i_input = item->i_input + 1, s->n_lines = 0;
    return b->since_journal > JOURNAL_BYTES ? journal_write(b, err) : 0;
}

static void *block_new(void *ctx) { return wt_xcalloc(1, sizeof(block_item)); }

static void block_free(void *ctx, void *p) {
    block_item *item = p;
    wt_buf_free(&item->lines);
    wt_buf_free(&item->tokens);
    free(item->doc);
    free(item);
}

static int spill_all(building *b, wt_err *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < b->inputs->n; i++) {
        int64_t bytes = wt_file_bytes(b->inputs->path[i]);
        total += bytes > 0 ? (uint64_t)bytes : 0;
        if (i < b->state.i_input)
            b->raw_before += bytes > 0 ? (uint64_t)bytes : 0;
    }
    b->i_input = b->state.i_input;
    b->scratch = wt_xcalloc((size_t)b->threads, sizeof *b->scratch);
    for (int i = 0; i < b->threads; i++)
        b->scratch[i].arena = wt_arena_new(0);
    wt_pipeline pipeline = {.ctx = b, .threads = b->threads, .stop_on_signal = true,
                            .item_new = block_new, .item_free = block_free, .read = block_read,
                            .work = block_work, .write = block_write};
    wt_progress_begin("tokenising", "bytes", total);
    int failed = wt_pipeline_run(&pipeline, err);
    wt_progress_end();
    for (int i = 0; i < b->threads; i++) {
        wt_arena_free(b->scratch[i].arena);
        free(b->scratch[i].tokens);
    }
    free(b->scratch);
    wt_in_close(b->in);
    if (failed && err && err->code == WT_ESTOP)
        journal_write(b, NULL);
    if (failed)
        return -1;
    b->state.finished = 1;
    return journal_write(b, err);
}

/* ---- second pass: spill files to documents in order ---- */
typedef struct {
    uint64_t key, i_record, at;
} sort_row;

typedef struct {
    building *b;
    size_t i_bucket;                    /* next to open */
    const uint8_t *bytes;               /* mapped */
    size_t n_bytes;
    sort_row *row;
    size_t n_rows, cap_rows, i_row;
} spill_reader;

static int row_order(const void *a, const void *b) {
    const sort_row *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->i_record > y->i_record) - (x->i_record < y->i_record);
}

static void bucket_unmap(spill_reader *r) {
    if (r->bytes)
        munmap((void *)r->bytes, r->n_bytes);
    r->bytes = NULL;
}

static int bucket_map(spill_reader *r, wt_err *err) {
    building *b = r->b;
    size_t width = (size_t)b->width, i = r->i_bucket++;
    bucket_unmap(r);
    r->n_rows = r->i_row = 0;
    r->n_bytes = b->state.bucket_bytes[i];
    if (r->n_bytes == 0)
        return 0;
    char *path = bucket_path(b, i);
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed = 0;
    void *map = MAP_FAILED;
    if (fd < 0 || (uint64_t)wt_file_bytes(path) != r->n_bytes)
        failed = wt_fail(err, WT_EDATA, "'%s' is missing or cut; remove '%s' and run again", path,
                         b->spill_dir);
    else if ((map = mmap(NULL, r->n_bytes, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        failed = wt_fail_errno(err, "cannot map '%s'", path);
    if (fd >= 0)
        close(fd);
    free(path);
    if (failed)
        return -1;
    r->bytes = map;
    madvise(map, r->n_bytes, MADV_WILLNEED);
    for (size_t at = 0; at < r->n_bytes;) {
        const uint8_t *p = r->bytes + at;
        size_t left = r->n_bytes - at;
        if (left < RECORD_BYTES || get_u64(p + 24) > (left - RECORD_BYTES) / width)
            return wt_fail(err, WT_EDATA, "'%s' is damaged; remove it and run again", b->spill_dir);
        WT_GROW(r->row, r->cap_rows, r->n_rows + 1);
        r->row[r->n_rows++] = (sort_row){get_u64(p), get_u64(p + 16), at};
        at += RECORD_BYTES + get_u64(p + 24) * width;
    }
    qsort(r->row, r->n_rows, sizeof *r->row, row_order);
    return 0;
}

static int spill_next(void *ctx, shard_input_doc *doc, wt_err *err) {
    spill_reader *r = ctx;
    while (r->i_row == r->n_rows) {
        if (r->i_bucket == r->b->state.n_buckets)
            return 0;
        if (bucket_map(r, err))
            return -1;
    }
    const uint8_t *p = r->bytes + r->row[r->i_row++].at;
    *doc = (shard_input_doc){.split = get_u64(p + 32) != 0, .id_hash = get_u64(p + 8),
                             .i_record = get_u64(p + 16), .n = get_u64(p + 24),
                             .tokens = p + RECORD_BYTES};
    return 1;
}

/* ---- the dataset's description ---- */
static void origin_json(const building *b, wt_buf *out) {
    const spill_state *s = &b->state;
    wt_buf_printf(out, "{\"documents\": %llu, \"broken\": %llu, \"no_text\": %llu, \"empty\": %llu, "
                       "\"too_long\": %llu, \"inputs\": [",
                  (unsigned long long)s->n_records, (unsigned long long)s->broken,
                  (unsigned long long)s->no_text, (unsigned long long)s->empty,
                  (unsigned long long)s->too_long);
    for (size_t i = 0; i < b->inputs->n; i++) {
        const char *path = b->inputs->path[i], *slash = strrchr(path, '/');
        wt_buf_printf(out, i ? ", {\"name\": " : "{\"name\": ");
        wt_json_add_string(out, wt_str_of(slash ? slash + 1 : path));
        wt_buf_printf(out, ", \"documents\": %llu}", (unsigned long long)s->input_docs[i]);
    }
    wt_buf_add_str(out, WT_STR("]}"));
}

static int shards_from_spill(building *b, wt_err *err) {
    const shard_write_options *o = b->o;
    shard_manifest m = {.tokenizer = o->tokenizer, .token_bytes = b->width,
                        .boundary = SHARD_BOUNDARY_EOT_AFTER, .frame_tokens = SHARD_FRAME_TOKENS,
                        .shard_tokens = o->shard_tokens, .seed = o->shuffle ? o->seed : 0,
                        .val_fraction = o->val_fraction, .shuffle = o->shuffle,
                        .level = o->level ? o->level : SHARD_LEVEL_DEFAULT};
    memcpy(m.input_sha256, b->state.chain, 32);
    shard_manifest_name(&m);
    origin_json(b, &m.origin);
    spill_reader reader = {.b = b};
    int failed = shard_write_docs(b->dir, &m, b->threads, b->state.n_tokens, spill_next, &reader,
                                  err);
    bucket_unmap(&reader);
    free(reader.row);
    if (!failed)
        shard_manifest_report(&m);
    shard_manifest_free(&m);
    return failed;
}

int shard_options_check(const shard_write_options *o, int *width, wt_err *err) {
    *width = o->token_bytes ? o->token_bytes : o->tokenizer.vocab <= 65536 ? 2 : 4;
    if (*width < 2 || *width > 4 || o->tokenizer.vocab > (uint64_t)1 << (8 * *width))
        return wt_fail(err, WT_EARG, "%u ids do not fit into %d bytes a token", o->tokenizer.vocab,
                       *width);
    if (o->tokenizer.eot >= o->tokenizer.vocab)
        return wt_fail(err, WT_EARG, "the tokenizer has no end-of-text token");
    if (!(o->val_fraction >= 0 && o->val_fraction < 1))
        return wt_fail(err, WT_EARG, "a validation fraction of %g is not in [0, 1)",
                       o->val_fraction);
    if (o->shard_tokens == 0 || o->shard_tokens > (uint64_t)1 << 36)
        return wt_fail(err, WT_EARG, "shards of %llu tokens; 1 to 68 G are possible",
                       (unsigned long long)o->shard_tokens);
    if (o->level < 0 || o->level > 22)
        return wt_fail(err, WT_EARG, "level %d is not in 1..22", o->level);
    return 0;
}

int shard_write(const char *dir, const wt_paths *inputs, const shard_write_options *options,
                wt_err *err) {
    building b = {.dir = dir, .inputs = inputs, .o = options,
                  .threads = options->threads < 1 ? wt_cpu_count() : options->threads};
    if (shard_options_check(options, &b.width, err) || wt_mkdirs(dir, err))
        return -1;
    b.bucket_bits = bucket_bits_for(inputs);
    b.spill_dir = wt_path_join(dir, "spill");
    b.journal_path = wt_path_join(b.spill_dir, "journal.json");
    spill_key(&b);
    int failed = spill_begin(&b, err) || (!b.state.finished && spill_all(&b, err));
    if (!failed && b.state.n_records == 0)
        failed = wt_fail(err, WT_EDATA, "no document with text in the input");
    failed = failed || shards_from_spill(&b, err) || wt_remove_tree(b.spill_dir, err);
    if (!failed) {
        wt_report_count("documents in", b.state.n_records + b.state.broken + b.state.no_text +
                                            b.state.empty + b.state.too_long);
        wt_report_drop("broken line", b.state.broken);
        wt_report_drop("no text", b.state.no_text);
        wt_report_drop("empty text", b.state.empty);
        wt_report_drop("line too long", b.state.too_long);
    }
    state_clear(&b);
    free(b.spill_dir);
    free(b.journal_path);
    return failed ? -1 : 0;
}

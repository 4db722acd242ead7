/* spill.c - files of buckets, a journal that says how much of them counts, and a reader that sorts one after the other. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/json.h"
#include "shard/spill.h"

#define BUCKET_BYTES ((uint64_t)256 << 20)      /* without shuffle, a file ends above this */
#define PENDING_BYTES ((size_t)64 << 10)        /* gathered for a file before it is written to */
#define JOURNAL_BYTES ((uint64_t)256 << 20)     /* spilled between two lines of the journal */
enum { RECORD_BYTES = 40 };

/* ---- files ---- */
static char *bucket_path(const shard_spill *p, size_t i) {
    char name[32];
    snprintf(name, sizeof name, "%05zu.tokens", i);
    return wt_path_join(p->dir, name);
}

static int bucket_flush(shard_spill *p, size_t i, bool durable, wt_err *err) {
    shard_spill_bucket *k = &p->bucket[i];
    for (size_t done = 0; done < k->pending.len;) {
        ssize_t r = write(k->fd, k->pending.ptr + done, k->pending.len - done);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return wt_fail_errno(err, "cannot write to '%s'", p->dir);
        done += (size_t)r;
    }
    wt_buf_clear(&k->pending);
    if (durable && k->fd >= 0 && fdatasync(k->fd))
        return wt_fail_errno(err, "cannot write to '%s'", p->dir);
    return 0;
}

static void buckets_grow(shard_spill *p, size_t n) {
    shard_spill_state *s = &p->state;
    if (n > s->cap_buckets) {
        s->cap_buckets = n > 2 * s->cap_buckets ? n : 2 * s->cap_buckets;
        s->bucket_bytes = wt_xrealloc(s->bucket_bytes, s->cap_buckets * 8);
        p->bucket = wt_xrealloc(p->bucket, s->cap_buckets * sizeof *p->bucket);
    }
    for (; s->n_buckets < n; s->n_buckets++) {
        s->bucket_bytes[s->n_buckets] = 0;
        p->bucket[s->n_buckets] = (shard_spill_bucket){.fd = -1};
    }
}

/* ---- journal ---- */
/* The numbers of the journal by name, so that writing and reading cannot disagree. */
typedef struct {
    const char *name;
    uint64_t *value;
} journal_number;
enum { JOURNAL_NUMBERS = 9 };

static void journal_numbers(shard_spill_state *s, journal_number list[JOURNAL_NUMBERS]) {
    journal_number all[JOURNAL_NUMBERS] = {
        {"input", &s->i_input}, {"lines", &s->n_lines}, {"records", &s->n_records},
        {"tokens", &s->n_tokens}, {"broken", &s->broken}, {"no_text", &s->no_text},
        {"empty", &s->empty}, {"too_long", &s->too_long}, {"finished", &s->finished}};
    memcpy(list, all, sizeof all);
}

static void add_numbers(wt_buf *out, const char *name, const uint64_t *x, size_t n) {
    wt_buf_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < n; i++)
        wt_buf_printf(out, i ? ",%llu" : "%llu", (unsigned long long)x[i]);
    wt_buf_add_char(out, ']');
}

int shard_spill_save(shard_spill *p, wt_err *err) {
    journal_number number[JOURNAL_NUMBERS];
    wt_buf json = {0};
    char hex[65];
    for (size_t i = 0; i < p->state.n_buckets; i++)
        if (bucket_flush(p, i, true, err))
            return -1;
    journal_numbers(&p->state, number);
    wt_hex(p->state.chain, 32, hex);
    wt_buf_printf(&json, "{\"key\":\"%s\",\"chain\":\"%s\"", p->key, hex);
    for (int i = 0; i < JOURNAL_NUMBERS; i++)
        wt_buf_printf(&json, ",\"%s\":%llu", number[i].name, (unsigned long long)*number[i].value);
    add_numbers(&json, "buckets", p->state.bucket_bytes, p->state.n_buckets);
    add_numbers(&json, "documents", p->state.input_docs, p->n_inputs);
    wt_buf_add_str(&json, WT_STR("}\n"));
    int failed = wt_write_file(p->journal_path, wt_buf_view(&json), err);
    wt_buf_free(&json);
    p->since_journal = 0;
    return failed;
}

static int parse_numbers(wt_json list, uint64_t *out, size_t n) {
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

static int journal_parse(shard_spill *p, wt_str text) {
    journal_number number[JOURNAL_NUMBERS];
    wt_json v;
    if (wt_json_parse(text, &v, NULL) ||
        !wt_str_eq(wt_json_get(v, "key").raw, wt_str_of(p->key)) ||
        chain_parse(wt_json_get(v, "chain"), p->state.chain))
        return -1;
    journal_numbers(&p->state, number);
    for (int i = 0; i < JOURNAL_NUMBERS; i++) {
        int64_t x;
        if (wt_json_i64(wt_json_get(v, number[i].name), &x) || x < 0)
            return -1;
        *number[i].value = (uint64_t)x;
    }
    wt_json sizes = wt_json_get(v, "buckets");
    buckets_grow(p, json_length(sizes));
    return parse_numbers(sizes, p->state.bucket_bytes, p->state.n_buckets) ||
           parse_numbers(wt_json_get(v, "documents"), p->state.input_docs, p->n_inputs);
}

/* ---- life ---- */
static void state_clear(shard_spill *p) {
    shard_spill_state *s = &p->state;
    for (size_t i = 0; i < s->n_buckets; i++) {
        if (p->bucket[i].fd >= 0)
            close(p->bucket[i].fd);
        wt_buf_free(&p->bucket[i].pending);
    }
    free(p->bucket);
    free(s->bucket_bytes);
    free(s->input_docs);
    p->bucket = NULL;
    *s = (shard_spill_state){0};
}

/* Cuts each file back to the size in the journal. */
static bool buckets_cut(shard_spill *p) {
    for (size_t i = 0; i < p->state.n_buckets; i++) {
        char *path = bucket_path(p, i);
        int64_t bytes = wt_file_bytes(path);
        uint64_t want = p->state.bucket_bytes[i];
        bool good = (want == 0 && bytes <= 0) ||
                    (bytes >= 0 && (uint64_t)bytes >= want && truncate(path, (off_t)want) == 0);
        free(path);
        if (!good)
            return false;
    }
    return true;
}

int shard_spill_begin(shard_spill *p, const char *dir, wt_err *err) {
    wt_buf text = {0};
    p->dir = wt_path_join(dir, "spill");
    p->journal_path = wt_path_join(p->dir, "journal.json");
    p->state.input_docs = wt_xcalloc(p->n_inputs + 1, 8);
    bool found = wt_exists(p->journal_path) &&
                 wt_read_file(p->journal_path, (uint64_t)1 << 30, &text, NULL) == 0 &&
                 journal_parse(p, wt_buf_view(&text)) == 0 && buckets_cut(p);
    wt_buf_free(&text);
    if (found)
        return 0;
    state_clear(p);
    p->state.input_docs = wt_xcalloc(p->n_inputs + 1, 8);
    if (wt_exists(p->dir) && wt_remove_tree(p->dir, err))
        return -1;
    return wt_mkdirs(p->dir, err);
}

void shard_spill_free(shard_spill *p) {
    state_clear(p);
    free(p->dir);
    free(p->journal_path);
}

int shard_spill_remove(shard_spill *p, wt_err *err) { return wt_remove_tree(p->dir, err); }

/* ---- adding ---- */
bool shard_spill_save_due(const shard_spill *p) { return p->since_journal > JOURNAL_BYTES; }

static int bucket_of(shard_spill *p, uint64_t key, size_t *i, wt_err *err) {
    shard_spill_state *s = &p->state;
    if (p->shuffle) {
        *i = p->bucket_bits ? key >> (64 - p->bucket_bits) : 0;
        buckets_grow(p, (size_t)1 << p->bucket_bits);
    } else {
        *i = s->n_buckets ? s->n_buckets - 1 : 0;
        buckets_grow(p, *i + 1);
        if (s->bucket_bytes[*i] > BUCKET_BYTES) {
            if (bucket_flush(p, *i, true, err))
                return -1;
            close(p->bucket[*i].fd);
            p->bucket[*i].fd = -1;
            buckets_grow(p, ++*i + 1);
        }
    }
    if (p->bucket[*i].fd < 0) {
        char *path = bucket_path(p, *i);
        p->bucket[*i].fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        int failed = p->bucket[*i].fd < 0 ? wt_fail_errno(err, "cannot write '%s'", path) : 0;
        free(path);
        return failed;
    }
    return 0;
}

int shard_spill_add(shard_spill *p, const shard_spill_doc *d, const char *tokens, wt_err *err) {
    shard_spill_state *s = &p->state;
    uint8_t record[RECORD_BYTES], link[48];
    uint64_t key = p->shuffle ? d->order_hash : s->n_records;
    size_t bytes = d->n_tokens * (size_t)p->width, i;
    if (bucket_of(p, key, &i, err))
        return -1;
    put_u64(record, key);
    put_u64(record + 8, d->id_hash);
    put_u64(record + 16, s->n_records);
    put_u64(record + 24, d->n_tokens);
    put_u64(record + 32, (uint64_t)d->split);
    wt_buf_add(&p->bucket[i].pending, record, RECORD_BYTES);
    wt_buf_add(&p->bucket[i].pending, tokens, bytes);
    s->bucket_bytes[i] += RECORD_BYTES + bytes;
    memcpy(link, s->chain, 32);
    put_u64(link + 32, d->id_hash);
    put_u64(link + 40, d->text_hash);
    wt_sha256(link, sizeof link, s->chain);
    s->n_records++;
    s->n_tokens += d->n_tokens;
    p->since_journal += RECORD_BYTES + bytes;
    return p->bucket[i].pending.len > PENDING_BYTES ? bucket_flush(p, i, false, err) : 0;
}

/* ---- reading back ---- */
static int row_order(const void *a, const void *b) {
    const shard_spill_row *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->i_record > y->i_record) - (x->i_record < y->i_record);
}

static void bucket_unmap(shard_spill_reader *r) {
    if (r->bytes)
        munmap((void *)r->bytes, r->n_bytes);
    r->bytes = NULL;
}

/* The bucket's documents by key, and by number among equals. */
static int bucket_sort(shard_spill_reader *r, wt_err *err) {
    size_t width = (size_t)r->spill->width;
    for (size_t at = 0; at < r->n_bytes;) {
        const uint8_t *record = r->bytes + at;
        size_t left = r->n_bytes - at;
        if (left < RECORD_BYTES || get_u64(record + 24) > (left - RECORD_BYTES) / width)
            return wt_fail(err, WT_EDATA, "'%s' is damaged; remove it and run again", r->spill->dir);
        WT_GROW(r->row, r->cap_rows, r->n_rows + 1);
        r->row[r->n_rows++] = (shard_spill_row){get_u64(record), get_u64(record + 16), at};
        at += RECORD_BYTES + get_u64(record + 24) * width;
    }
    qsort(r->row, r->n_rows, sizeof *r->row, row_order);
    return 0;
}

/* Maps the next bucket. */
static int bucket_map(shard_spill_reader *r, wt_err *err) {
    const shard_spill *s = r->spill;
    size_t i = r->i_bucket++;
    bucket_unmap(r);
    r->n_rows = r->i_row = 0;
    r->n_bytes = s->state.bucket_bytes[i];
    if (r->n_bytes == 0)
        return 0;
    char *path = bucket_path(s, i);
    int fd = open(path, O_RDONLY | O_CLOEXEC), failed = 0;
    void *map = MAP_FAILED;
    if (fd < 0 || (uint64_t)wt_file_bytes(path) != r->n_bytes)
        failed = wt_fail(err, WT_EDATA, "'%s' is missing or cut; remove '%s' and run again", path, s->dir);
    else if ((map = mmap(NULL, r->n_bytes, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        failed = wt_fail_errno(err, "cannot map '%s'", path);
    if (fd >= 0)
        close(fd);
    free(path);
    if (failed)
        return -1;
    r->bytes = map;
    madvise(map, r->n_bytes, MADV_WILLNEED);
    return bucket_sort(r, err);
}

int shard_spill_next(void *ctx, shard_input_doc *doc, wt_err *err) {
    shard_spill_reader *r = ctx;
    while (r->i_row == r->n_rows) {
        if (r->i_bucket == r->spill->state.n_buckets)
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

void shard_spill_reader_free(shard_spill_reader *r) {
    bucket_unmap(r);
    free(r->row);
}

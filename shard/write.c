/* write.c - documents in order to shard files. The reader of the pipeline only copies: it fills a frame
 * of its document's split, and says when a shard ends (before the document that would make it too
 * long; documents never cross shards). Workers compress frames. The writer appends them in order, so
 * the bytes do not depend on the number of threads. A shard is written as NAME.part and renamed when
 * it is whole; after a kill, the whole ones are kept and their documents passed over. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "shard/format.h"

/* What goes through the pipeline: a frame, and perhaps the end of its shard. */
typedef struct {
    int split;
    uint32_t n;                 /* tokens; 0: only the end */
    uint8_t *tokens;            /* packed */
    uint64_t hash;
    wt_buf stored;              /* the compressed frame */
    bool last;
    shard_docs docs;            /* of the whole shard, with the last */
} frame_item;

/* The reading side of a split: the frame being filled and the shard being cut. */
typedef struct {
    uint64_t docs_to_skip;      /* in shards that are there already */
    uint32_t n;                 /* tokens in frame */
    uint8_t *frame;
    uint64_t shard_tokens;      /* in the open shard so far */
    shard_docs docs;            /* of the open shard */
} split_cutter;

/* The writing side: the open file. */
typedef struct {
    int fd;
    char *path, *part;          /* NULL: none open */
    shard_header header;
    uint64_t bytes, stored_hash;
    wt_buf frames;              /* u32 stored bytes, u64 hash a frame */
    wt_digest *digest;
} split_writer;

typedef struct {
    const char *dir;
    shard_manifest *manifest;
    shard_next_doc *next;
    void *next_ctx;
    size_t frame_bytes;
    bool ended;
    shard_input_doc doc;        /* being copied */
    uint64_t doc_at;            /* its tokens that are copied */
    bool doc_pending;
    split_cutter cutter[SHARD_SPLITS];
    split_writer writer[SHARD_SPLITS];
    uint32_t next_shard[SHARD_SPLITS];
    uint64_t next_token[SHARD_SPLITS];
    int threads;
    ZSTD_CCtx **cctx;           /* one a thread */
} shard_writing;

/* ---- reading side ---- */
static void cutter_emit(shard_writing *w, split_cutter *c, frame_item *item, bool last) {
    item->split = (int)(c - w->cutter);
    item->n = c->n;
    item->last = last;
    uint8_t *empty = item->tokens;
    item->tokens = c->frame;
    c->frame = empty;
    c->n = 0;
    if (last) {
        shard_docs_free(&item->docs);
        item->docs = c->docs;
        c->docs = (shard_docs){0};
        c->shard_tokens = 0;
    }
}

/* Copies tokens of the pending document; true when the frame is full. */
static bool cutter_fill(shard_writing *w, split_cutter *c) {
    size_t width = (size_t)w->manifest->token_bytes;
    uint64_t left = w->doc.n - w->doc_at, room = w->manifest->frame_tokens - c->n;
    uint32_t take = (uint32_t)(left < room ? left : room);
    memcpy(c->frame + c->n * width, w->doc.tokens + w->doc_at * width, take * width);
    c->n += take;
    w->doc_at += take;
    if (w->doc_at == w->doc.n) {
        shard_docs_add(&c->docs, w->doc.n, w->doc.id_hash, w->doc.i_record);
        w->doc_pending = false;
    }
    return c->n == w->manifest->frame_tokens;
}

/* Starts the next document. 1; 0 at the end; 2 when the open shard must end before it; -1. */
static int doc_begin(shard_writing *w, wt_err *err) {
    for (;;) {
        int more = w->next(w->next_ctx, &w->doc, err);
        if (more <= 0)
            return more;
        split_cutter *c = &w->cutter[w->doc.split];
        if (c->docs_to_skip > 0) {
            c->docs_to_skip--;
            wt_progress_add(w->doc.n);
            continue;
        }
        w->doc_pending = true;
        w->doc_at = 0;
        bool full = c->shard_tokens > 0 &&
                    c->shard_tokens + w->doc.n > w->manifest->shard_tokens;
        if (!full)
            c->shard_tokens += w->doc.n;
        return full ? 2 : 1;
    }
}

static int frame_read(void *ctx, void *p, wt_err *err) {
    shard_writing *w = ctx;
    for (;;) {
        if (w->doc_pending) {
            split_cutter *c = &w->cutter[w->doc.split];
            if (cutter_fill(w, c)) {
                cutter_emit(w, c, p, false);
                return 1;
            }
        } else if (!w->ended) {
            int more = doc_begin(w, err);
            if (more < 0)
                return -1;
            if (more == 2) {
                split_cutter *c = &w->cutter[w->doc.split];
                cutter_emit(w, c, p, true);
                c->shard_tokens = w->doc.n;
                return 1;
            }
            w->ended = more == 0;
        } else {
            for (int split = 0; split < SHARD_SPLITS; split++)
                if (w->cutter[split].docs.n) {
                    cutter_emit(w, &w->cutter[split], p, true);
                    return 1;
                }
            return 0;
        }
    }
}

/* ---- work ---- */
static int frame_work(void *ctx, void *p, int i_thread, wt_err *err) {
    shard_writing *w = ctx;
    frame_item *item = p;
    wt_buf_clear(&item->stored);
    if (item->n == 0)
        return 0;
    size_t n = (size_t)item->n * (size_t)w->manifest->token_bytes, bound = ZSTD_compressBound(n);
    wt_buf_reserve(&item->stored, bound);
    item->hash = wt_xxh64(item->tokens, n, 0);
    size_t packed = ZSTD_compress2(w->cctx[i_thread], item->stored.ptr, bound, item->tokens, n);
    if (ZSTD_isError(packed))
        return wt_fail(err, WT_ENOMEM, "cannot compress: %s", ZSTD_getErrorName(packed));
    item->stored.len = packed;
    return 0;
}

/* ---- writing side ---- */
static int bytes_append(split_writer *s, const void *bytes, size_t n, wt_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t r = pwrite(s->fd, (const char *)bytes + done, n - done, (off_t)(s->bytes + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return wt_fail_errno(err, "cannot write '%s'", s->part);
        done += (size_t)r;
    }
    s->bytes += n;
    return 0;
}

static int writer_open(shard_writing *w, int split, wt_err *err) {
    split_writer *s = &w->writer[split];
    const shard_manifest *m = w->manifest;
    char name[64];
    snprintf(name, sizeof name, "%s-%05u.wts.zst", SHARD_SPLIT_NAME[split], w->next_shard[split]);
    s->path = wt_path_join(w->dir, name);
    snprintf(name, sizeof name, "%s-%05u.wts.zst.part", SHARD_SPLIT_NAME[split],
             w->next_shard[split]);
    s->part = wt_path_join(w->dir, name);
    s->header = (shard_header){.token_bytes = (uint8_t)m->token_bytes,
                               .codec = SHARD_CODEC_RAW,
                               .boundary = (uint8_t)m->boundary,
                               .split = (uint8_t)split,
                               .vocab = m->tokenizer.vocab,
                               .eot = m->tokenizer.eot,
                               .frame_tokens = m->frame_tokens,
                               .shard_no = w->next_shard[split],
                               .first_token = w->next_token[split]};
    memcpy(s->header.tokenizer_sha256, m->tokenizer.sha256, 32);
    memcpy(s->header.dataset_uuid, m->dataset_uuid, 16);
    memcpy(s->header.input_sha256, m->input_sha256, 32);
    s->stored_hash = 0;
    s->bytes = SHARD_HEADER_BYTES;      /* it is written when its numbers are known */
    wt_buf_clear(&s->frames);
    if (!s->digest)
        s->digest = wt_digest_new(WT_SHA256);
    s->fd = open(s->part, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->fd < 0 ? wt_fail_errno(err, "cannot write '%s'", s->part) : 0;
}

static int writer_frame(shard_writing *w, split_writer *s, const frame_item *item, wt_err *err) {
    uint8_t row[12];
    put_u32(row, (uint32_t)item->stored.len);
    put_u64(row + 4, item->hash);
    wt_buf_add(&s->frames, row, 12);
    s->stored_hash = wt_xxh64(item->stored.ptr, item->stored.len, s->stored_hash);
    shard_digest_tokens(s->digest, item->tokens, item->n, w->manifest->token_bytes);
    s->header.n_tokens += item->n;
    s->header.n_frames++;
    wt_progress_add(item->n);
    return bytes_append(s, item->stored.ptr, item->stored.len, err);
}

static void add_u32(wt_buf *out, uint32_t x) { wt_buf_add(out, &x, 4); }
static void add_u64(wt_buf *out, uint64_t x) { wt_buf_add(out, &x, 8); }

static void index_encode(const split_writer *s, const uint8_t root[32], uint64_t docs_bytes,
                         wt_buf *out) {
    uint32_t n = s->header.n_frames;
    add_u32(out, SHARD_MAGIC_INDEX);
    add_u32(out, 80 + 8 * n);
    wt_buf_add(out, "WTINDEX1", 8);
    add_u32(out, n);
    add_u32(out, 0);
    wt_buf_add(out, root, 32);
    add_u64(out, s->stored_hash);
    add_u64(out, s->bytes - docs_bytes);
    add_u64(out, docs_bytes);
    for (uint32_t i = 0; i < n; i++)
        wt_buf_add(out, s->frames.ptr + 12 * (size_t)i + 4, 8);
    add_u64(out, wt_xxh64(out->ptr, out->len, 0));
}

static void seek_entry(wt_buf *out, uint64_t stored, uint64_t decoded, uint32_t checksum) {
    add_u32(out, (uint32_t)stored);
    add_u32(out, (uint32_t)decoded);
    add_u32(out, checksum);
}

/* The zstd seekable format's table, so that its readers open the file too. */
static void seek_encode(const split_writer *s, uint64_t docs_bytes, uint64_t index_bytes,
                        wt_buf *out) {
    const shard_header *h = &s->header;
    add_u32(out, SHARD_MAGIC_SEEK);
    add_u32(out, 12 * (h->n_frames + 3) + 9);
    seek_entry(out, SHARD_HEADER_BYTES, 0, 0);
    for (uint32_t i = 0; i < h->n_frames; i++) {
        const uint8_t *row = (const uint8_t *)s->frames.ptr + 12 * (size_t)i;
        uint64_t left = h->n_tokens - (uint64_t)i * h->frame_tokens;
        uint64_t n = left < h->frame_tokens ? left : h->frame_tokens;
        seek_entry(out, get_u32(row), n * h->token_bytes, (uint32_t)get_u64(row + 4));
    }
    seek_entry(out, docs_bytes, 0, 0);
    seek_entry(out, index_bytes, 0, 0);
    add_u32(out, h->n_frames + 3);
    wt_buf_add_char(out, (char)0x80);
    add_u32(out, SHARD_MAGIC_SEEK_END);
}

static int writer_tables(split_writer *s, const shard_docs *docs, uint8_t root[32], wt_err *err) {
    wt_buf table = {0}, index = {0};
    s->header.n_docs = docs->n;
    int failed = shard_docs_encode(docs, &s->header, &table, err);
    if (!failed) {
        s->stored_hash = wt_xxh64(table.ptr, table.len, s->stored_hash);
        failed = bytes_append(s, table.ptr, table.len, err);
    }
    if (!failed) {
        index_encode(s, root, table.len, &index);
        size_t index_bytes = index.len;
        seek_encode(s, table.len, index_bytes, &index);
        failed = bytes_append(s, index.ptr, index.len, err);
    }
    wt_buf_free(&table);
    wt_buf_free(&index);
    return failed;
}

static int writer_header(split_writer *s, wt_err *err) {
    uint8_t bytes[SHARD_HEADER_BYTES];
    uint64_t end = s->bytes;
    shard_header_encode(&s->header, bytes);
    s->bytes = 0;
    int failed = bytes_append(s, bytes, sizeof bytes, err);
    s->bytes = end;
    if (!failed && fsync(s->fd))
        failed = wt_fail_errno(err, "cannot write '%s'", s->part);
    return failed;
}

static void writer_close(split_writer *s) {
    if (s->path)
        close(s->fd);
    free(s->path);
    free(s->part);
    s->path = s->part = NULL;
}

static int entry_add(shard_writing *w, int split, const char *path, const shard_header *h,
                     const uint8_t root[32], uint64_t bytes, wt_err *err) {
    shard_entry *e = shard_manifest_add(w->manifest, strrchr(path, '/') + 1);
    e->split = split;
    e->bytes = bytes;
    e->tokens = h->n_tokens;
    e->docs = h->n_docs;
    e->frames = h->n_frames;
    e->first_token = h->first_token;
    memcpy(e->content_root, root, 32);
    w->next_shard[split]++;
    w->next_token[split] += h->n_tokens;
    return shard_file_sha256(path, e->sha256, err);
}

static int writer_finish(shard_writing *w, int split, const shard_docs *docs, wt_err *err) {
    split_writer *s = &w->writer[split];
    uint8_t root[32];
    wt_digest_end(s->digest, root);
    if (writer_tables(s, docs, root, err) || writer_header(s, err))
        return -1;
    if (rename(s->part, s->path))
        return wt_fail_errno(err, "cannot rename '%s'", s->part);
    if (wt_sync_dir_of(s->path, err) ||
        entry_add(w, split, s->path, &s->header, root, s->bytes, err))
        return -1;
    writer_close(s);
    return 0;
}

static int frame_write(void *ctx, void *p, wt_err *err) {
    shard_writing *w = ctx;
    frame_item *item = p;
    split_writer *s = &w->writer[item->split];
    if (!s->path && writer_open(w, item->split, err))
        return -1;
    if (item->n && writer_frame(w, s, item, err))
        return -1;
    return item->last ? writer_finish(w, item->split, &item->docs, err) : 0;
}

/* ---- taking up an earlier run ---- */

/* Keeps the whole shards of this very dataset that lie in the folder, up to the first gap. */
static int kept_shards(shard_writing *w, int split, wt_err *err) {
    for (;;) {
        char name[64];
        shard_file f;
        snprintf(name, sizeof name, "%s-%05u.wts.zst", SHARD_SPLIT_NAME[split],
                 w->next_shard[split]);
        char *path = wt_path_join(w->dir, name);
        bool kept = wt_exists(path) && shard_file_open(&f, path, NULL) == 0;
        int failed = 0;
        if (kept) {
            const shard_header *h = &f.header;
            kept = memcmp(h->dataset_uuid, w->manifest->dataset_uuid, 16) == 0 &&
                   h->shard_no == w->next_shard[split] && h->split == split &&
                   h->first_token == w->next_token[split];
            if (kept) {
                w->cutter[split].docs_to_skip += h->n_docs;
                failed = entry_add(w, split, path, h, f.content_root, f.bytes, err);
            }
            shard_file_close(&f);
        }
        free(path);
        if (!kept || failed)
            return failed;
    }
}

/* ---- the whole ---- */
static void *item_new(void *ctx) {
    shard_writing *w = ctx;
    frame_item *item = wt_xcalloc(1, sizeof *item);
    item->tokens = wt_xmalloc(w->frame_bytes);
    return item;
}

static void item_free(void *ctx, void *p) {
    frame_item *item = p;
    free(item->tokens);
    wt_buf_free(&item->stored);
    shard_docs_free(&item->docs);
    free(item);
}

static int entry_order(const void *a, const void *b) {
    const shard_entry *x = a, *y = b;
    if (x->split != y->split)
        return x->split - y->split;
    return (x->first_token > y->first_token) - (x->first_token < y->first_token);
}

static int manifest_write(const char *dir, shard_manifest *m, wt_err *err) {
    wt_buf json = {0};
    char *path = wt_path_join(dir, SHARD_INDEX_NAME);
    if (m->n)
        qsort(m->entry, m->n, sizeof *m->entry, entry_order);
    shard_manifest_json(m, &json);
    int failed = wt_write_file(path, wt_buf_view(&json), err);
    wt_buf_free(&json);
    free(path);
    return failed;
}

static void writing_free(shard_writing *w) {
    for (int split = 0; split < SHARD_SPLITS; split++) {
        split_cutter *c = &w->cutter[split];
        split_writer *s = &w->writer[split];
        free(c->frame);
        shard_docs_free(&c->docs);
        if (s->part)
            unlink(s->part);
        writer_close(s);
        wt_buf_free(&s->frames);
        wt_digest_free(s->digest);
    }
    for (int i = 0; i < w->threads; i++)
        ZSTD_freeCCtx(w->cctx[i]);
    free(w->cctx);
}

int shard_write_docs(const char *dir, shard_manifest *manifest, int threads, uint64_t n_tokens,
                     shard_next_doc *next, void *ctx, wt_err *err) {
    shard_writing w = {.dir = dir, .manifest = manifest, .next = next, .next_ctx = ctx,
                       .threads = threads < 1 ? wt_cpu_count() : threads};
    w.frame_bytes = (size_t)manifest->frame_tokens * (size_t)manifest->token_bytes;
    w.cctx = wt_xcalloc((size_t)w.threads, sizeof *w.cctx);
    for (int i = 0; i < w.threads; i++)
        w.cctx[i] = shard_cctx_new(manifest->level);
    int failed = 0;
    for (int split = 0; split < SHARD_SPLITS; split++) {
        w.cutter[split].frame = wt_xmalloc(w.frame_bytes);
        failed = failed || kept_shards(&w, split, err);
    }
    wt_pipeline pipeline = {.ctx = &w, .threads = w.threads, .stop_on_signal = true,
                            .item_new = item_new, .item_free = item_free, .read = frame_read,
                            .work = frame_work, .write = frame_write};
    wt_progress_begin("writing shards", "tokens", n_tokens);
    failed = failed || wt_pipeline_run(&pipeline, err);
    wt_progress_end();
    writing_free(&w);
    return failed || manifest_write(dir, manifest, err) ? -1 : 0;
}

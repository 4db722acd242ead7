/* file.c - one shard, opened for reading. The end of the file tells where everything is: the seek
 * table lists the stored frames, the index before it their hashes. Opening reads the header and these
 * two, and holds every number against the others, so that a flipped bit in any of them is found;
 * frames are checked when they are read. Damage is reported with the file's name and the frame. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shard/format.h"

static const char INDEX_NAME[8] = {'W', 'T', 'I', 'N', 'D', 'E', 'X', '1'};
enum { INDEX_FIXED = 80, SEEK_ENTRY = 12, SEEK_FOOTER = 9 };

static int damaged(const char *what, wt_err *err) {
    return wt_fail(err, WT_EDATA, "%s", what);
}

static int read_all(int fd, void *bytes, size_t n, uint64_t offset, wt_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t r = pread(fd, (char *)bytes + done, n - done, (off_t)(offset + done));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return wt_fail_errno(err, "cannot read");
        if (r == 0)
            return damaged("the file is cut short", err);
        done += (size_t)r;
    }
    return 0;
}

static int read_at(const shard_file *f, void *bytes, size_t n, uint64_t offset, wt_err *err) {
    if (f->fd >= 0)
        return read_all(f->fd, bytes, n, offset, err);
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wt_fail_errno(err, "cannot open it again");
    int failed = read_all(fd, bytes, n, offset, err);
    close(fd);
    return failed;
}

/* Bytes of index and seek table of a shard of n frames. The seek table lists them, the header, the
 * document table and the index. */
static uint64_t index_bytes(uint64_t n) { return INDEX_FIXED + 8 * n + 8; }
static uint64_t seek_bytes(uint64_t n) { return 8 + SEEK_ENTRY * (n + 3) + SEEK_FOOTER; }

static int index_decode(shard_file *f, const uint8_t *p, wt_err *err) {
    uint32_t n = f->header.n_frames;
    uint64_t total = index_bytes(n);
    if (get_u32(p) != SHARD_MAGIC_INDEX || get_u32(p + 4) != total - 8 ||
        memcmp(p + 8, INDEX_NAME, 8) != 0 || get_u32(p + 16) != n || get_u32(p + 20) != 0 ||
        get_u64(p + total - 8) != wt_xxh64(p, total - 8, 0))
        return damaged("the index is damaged", err);
    memcpy(f->content_root, p + 24, 32);
    f->stored_hash = get_u64(p + 56);
    f->docs_offset = get_u64(p + 64);
    f->docs_bytes = get_u64(p + 72);
    memcpy(f->frame_hash, p + INDEX_FIXED, 8 * (size_t)n);
    return 0;
}

static int seek_entry_check(const uint8_t *entry, uint64_t stored, uint64_t decoded,
                            uint32_t checksum) {
    return get_u32(entry) == stored && get_u32(entry + 4) == decoded &&
                   get_u32(entry + 8) == checksum
               ? 0
               : -1;
}

static int seek_decode(shard_file *f, const uint8_t *p, uint64_t index_at, wt_err *err) {
    uint32_t n = f->header.n_frames;
    uint64_t total = seek_bytes(n), at = SHARD_HEADER_BYTES;
    const uint8_t *entry = p + 8, *footer = p + total - SEEK_FOOTER;
    int bad = get_u32(p) != SHARD_MAGIC_SEEK || get_u32(p + 4) != total - 8 ||
              get_u32(footer) != n + 3 || footer[4] != 0x80 ||
              get_u32(footer + 5) != SHARD_MAGIC_SEEK_END ||
              seek_entry_check(entry, SHARD_HEADER_BYTES, 0, 0);
    for (uint32_t i = 0; i < n && !bad; i++) {
        entry += SEEK_ENTRY;
        f->frame_offset[i] = at;
        at += get_u32(entry);
        bad = seek_entry_check(entry, get_u32(entry),
                               (uint64_t)shard_file_frame_tokens(f, i) * f->header.token_bytes,
                               (uint32_t)f->frame_hash[i]);
    }
    if (bad)
        return damaged("the seek table is damaged", err);
    f->frame_offset[n] = at;
    if (at != f->docs_offset || f->docs_bytes < 8 || f->docs_bytes != index_at - at ||
        seek_entry_check(entry + SEEK_ENTRY, f->docs_bytes, 0, 0) ||
        seek_entry_check(entry + 2 * SEEK_ENTRY, index_bytes(n), 0, 0))
        return damaged("the seek table contradicts the index", err);
    return 0;
}

static int tables_read(shard_file *f, wt_err *err) {
    uint32_t n = f->header.n_frames;
    uint64_t tail = index_bytes(n) + seek_bytes(n);
    if (f->bytes < SHARD_HEADER_BYTES + tail)
        return damaged("the file is cut short", err);
    f->frame_offset = calloc((size_t)n + 1, 8);
    f->frame_hash = calloc(n, 8);
    uint8_t *bytes = malloc(tail);
    int failed = 0;
    if (!f->frame_offset || !f->frame_hash || !bytes)
        failed = wt_fail(err, WT_ENOMEM, "no memory for the index of %u frames", n);
    else
        failed = read_at(f, bytes, tail, f->bytes - tail, err) || index_decode(f, bytes, err) ||
                 seek_decode(f, bytes + index_bytes(n), f->bytes - tail, err);
    free(bytes);
    return failed ? -1 : 0;
}

static int file_read(shard_file *f, wt_err *err) {
    struct stat st;
    uint8_t header[SHARD_HEADER_BYTES];
    if (fstat(f->fd, &st))
        return wt_fail_errno(err, "cannot read");
    if (!S_ISREG(st.st_mode))
        return wt_fail(err, WT_EDATA, "not a regular file");
    f->bytes = (uint64_t)st.st_size;
    if (f->bytes < SHARD_HEADER_BYTES)
        return damaged("not a token shard", err);
    if (read_at(f, header, sizeof header, 0, err) || shard_header_decode(header, &f->header, err))
        return -1;
    return tables_read(f, err);
}

int shard_file_open(shard_file *f, const char *path, wt_err *err) {
    *f = (shard_file){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (f->fd < 0)
        return wt_fail_errno(err, "cannot open '%s'", path);
    f->path = wt_xstrdup(path);
    if (file_read(f, err)) {
        shard_file_close(f);
        return wt_context(err, "shard '%s'", path);
    }
    return 0;
}

void shard_file_rest(shard_file *f) {
    close(f->fd);
    f->fd = -1;
}

void shard_file_close(shard_file *f) {
    if (f->path && f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->frame_offset);
    free(f->frame_hash);
    *f = (shard_file){.fd = -1};
}

uint32_t shard_file_frame_tokens(const shard_file *f, uint32_t i) {
    uint64_t left = f->header.n_tokens - (uint64_t)i * f->header.frame_tokens;
    return left < f->header.frame_tokens ? (uint32_t)left : f->header.frame_tokens;
}

int shard_file_frame(const shard_file *f, uint32_t i, ZSTD_DCtx *dctx, wt_buf *stored, uint8_t *out,
                     wt_err *err) {
    size_t n = f->frame_offset[i + 1] - f->frame_offset[i];
    size_t decoded = (size_t)shard_file_frame_tokens(f, i) * f->header.token_bytes;
    const char *why = NULL;
    /* A stored frame is never much larger than what it holds: no size from the file is believed. */
    if (n > ZSTD_compressBound(decoded))
        why = "its size is not possible";
    wt_buf_clear(stored);
    if (!why) {
        wt_buf_reserve(stored, n);
        if (read_at(f, stored->ptr, n, f->frame_offset[i], err))
            return wt_context(err, "shard '%s': frame %u", f->path, i);
        stored->len = n;
        if (ZSTD_getFrameContentSize(stored->ptr, n) != decoded ||
            ZSTD_findFrameCompressedSize(stored->ptr, n) != n)
            why = "its size is not the table's";
        else if (ZSTD_decompressDCtx(dctx, out, decoded, stored->ptr, n) != decoded)
            why = "its bytes do not decode";
        else if (wt_xxh64(out, decoded, 0) != f->frame_hash[i])
            why = "its tokens are not those of the index";
    }
    if (why)
        return wt_fail(err, WT_EDATA, "shard '%s': frame %u of %u is damaged: %s", f->path, i,
                       f->header.n_frames, why);
    return 0;
}

int shard_file_docs(const shard_file *f, shard_docs *docs, wt_err *err) {
    *docs = (shard_docs){0};
    char *bytes = malloc(f->docs_bytes);
    int failed;
    if (!bytes)
        failed = wt_fail(err, WT_ENOMEM, "no memory for the document table");
    else
        failed = read_at(f, bytes, f->docs_bytes, f->docs_offset, err) ||
                 shard_docs_decode((wt_str){bytes, f->docs_bytes}, &f->header, docs, err);
    free(bytes);
    return failed ? wt_context(err, "shard '%s'", f->path) : 0;
}

/* ---- checking all of it ---- */

/* The stored bytes themselves: a flipped bit that decodes to the same tokens is still damage. */
static int stored_check(const shard_file *f, wt_buf *bytes, wt_err *err) {
    uint64_t hash = 0;
    for (uint32_t i = 0; i <= f->header.n_frames; i++) {
        uint64_t at = f->frame_offset[i];
        size_t n = i < f->header.n_frames ? f->frame_offset[i + 1] - at : f->docs_bytes;
        wt_buf_clear(bytes);
        wt_buf_reserve(bytes, n);
        if (read_at(f, bytes->ptr, n, at, err))
            return -1;
        hash = wt_xxh64(bytes->ptr, n, hash);
    }
    return hash == f->stored_hash ? 0 : damaged("a stored byte was changed", err);
}

/* Each document ends in the end-of-text id where the header says so. */
static int boundary_check(const shard_header *h, const shard_docs *d, uint64_t *i_doc,
                          uint64_t first, const uint8_t *tokens, uint32_t n, wt_err *err) {
    if (h->boundary != SHARD_BOUNDARY_EOT_AFTER)
        return 0;
    for (; *i_doc < d->n && d->start[*i_doc + 1] <= first + n; ++*i_doc) {
        uint32_t id;
        size_t place = (size_t)(d->start[*i_doc + 1] - 1 - first);
        shard_unpack(&id, tokens + place * h->token_bytes, 1, h->token_bytes);
        if (id != h->eot)
            return wt_fail(err, WT_EDATA, "document %llu does not end in the end-of-text id",
                           (unsigned long long)*i_doc);
    }
    return 0;
}

static int ids_check(const shard_header *h, const uint8_t *tokens, uint32_t n, wt_err *err) {
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id;
        shard_unpack(&id, tokens + (size_t)i * h->token_bytes, 1, h->token_bytes);
        if (id >= h->vocab)
            return wt_fail(err, WT_EDATA, "id %u is above the vocabulary of %u", id, h->vocab);
    }
    return 0;
}

static int frames_check(const shard_file *f, const shard_docs *docs, wt_buf *stored, wt_err *err) {
    const shard_header *h = &f->header;
    ZSTD_DCtx *dctx = ZSTD_createDCtx();
    wt_digest *digest = wt_digest_new(WT_SHA256);
    uint8_t *tokens = wt_xmalloc((size_t)h->frame_tokens * h->token_bytes), root[32];
    uint64_t i_doc = 0;
    int failed = 0;
    for (uint32_t i = 0; i < h->n_frames && !failed; i++) {
        uint32_t n = shard_file_frame_tokens(f, i);
        failed = shard_file_frame(f, i, dctx, stored, tokens, err) ||
                 boundary_check(h, docs, &i_doc, (uint64_t)i * h->frame_tokens, tokens, n, err) ||
                 ids_check(h, tokens, n, err);
        if (!failed)
            shard_digest_tokens(digest, tokens, n, h->token_bytes);
    }
    wt_digest_end(digest, root);
    if (!failed && memcmp(root, f->content_root, 32) != 0)
        failed = damaged("the tokens are not those of the content root", err);
    free(tokens);
    wt_digest_free(digest);
    ZSTD_freeDCtx(dctx);
    return failed ? -1 : 0;
}

int shard_verify_file(const char *path, uint8_t sha256[32], wt_err *err) {
    shard_file f;
    shard_docs docs = {0};
    wt_buf bytes = {0};
    if (shard_file_open(&f, path, err))
        return -1;
    int failed = shard_file_docs(&f, &docs, err);
    if (!failed && (frames_check(&f, &docs, &bytes, err) || stored_check(&f, &bytes, err))) {
        failed = -1;
        if (strstr(err ? err->text : "", path) == NULL)
            wt_context(err, "shard '%s'", path);
    }
    shard_docs_free(&docs);
    wt_buf_free(&bytes);
    shard_file_close(&f);
    if (!failed && sha256)
        failed = shard_file_sha256(path, sha256, err);
    return failed;
}

int shard_file_sha256(const char *path, uint8_t out[32], wt_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wt_fail_errno(err, "cannot open '%s'", path);
    enum { CHUNK = 1 << 20 };
    char *bytes = wt_xmalloc(CHUNK);
    wt_digest *digest = wt_digest_new(WT_SHA256);
    ssize_t n;
    while ((n = read(fd, bytes, CHUNK)) > 0)
        wt_digest_add(digest, bytes, (size_t)n);
    int failed = n < 0 ? wt_fail_errno(err, "cannot read '%s'", path) : 0;
    wt_digest_end(digest, out);
    wt_digest_free(digest);
    free(bytes);
    close(fd);
    return failed;
}

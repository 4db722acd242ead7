/* in.c - one reader for every compression. A file is a chain: bytes of the file (raw), a decoder
 * chosen by the first bytes, decoded bytes (a span [at, end)). Each decoder step fills the span anew
 * and never crosses from one gzip member or zstd frame into the next, so that the offset of the
 * member that a byte came from is always known. For plain files the span lies in the raw buffer
 * itself. An error is kept: bytes decoded before it are handed out first, then each call fails. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd_errors.h>

#include "common/in_impl.h"
#include "common/tool.h"

#define WINDOW_LOG_MAX 31            /* Reddit dumps are written with --long=31 */
#define XZ_MEMORY_MAX ((uint64_t)2 << 30)
#define DICTIONARY_MAX ((uint32_t)16 << 20)
#define RESYNCS_MAX 1000

/* ---- the file's bytes ---- */

wt_in *wt_in_open(const char *path, wt_err *err) {
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        wt_fail_errno(err, "cannot open '%s'", path);
        return NULL;
    }
    struct stat st = {0};
    if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        if (!is_stdin) close(fd);
        errno = EISDIR;
        wt_fail_errno(err, "cannot read '%s'", path);
        return NULL;
    }
    wt_in *in = wt_xcalloc(1, sizeof *in);
    in->name = wt_xstrdup(is_stdin ? "standard input" : path);
    in->fd = fd;
    in->own_fd = !is_stdin;
    in->own_raw = true;
    in->raw_stop = UINT64_MAX;
    in->raw = wt_xmalloc(WT_IN_CHUNK);
    if (S_ISREG(st.st_mode)) in->raw_bytes = (uint64_t)st.st_size;
#ifdef POSIX_FADV_SEQUENTIAL
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
    wt_debug("reading %s, %llu bytes", in->name, (unsigned long long)in->raw_bytes);
    return in;
}

wt_in *wt_in_open_range(const char *path, uint64_t from, uint64_t to, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    if (in && lseek(in->fd, (off_t)from, SEEK_SET) < 0) {
        wt_fail_errno(err, "cannot read '%s' from byte %llu on", path, (unsigned long long)from);
        wt_in_close(in);
        return NULL;
    }
    if (in) in->kind = KIND_PLAIN, in->raw_base = from, in->raw_stop = to > from ? to : from;
    return in;
}

wt_in *wt_in_memory(wt_str bytes, const char *name) {
    wt_in *in = wt_xcalloc(1, sizeof *in);
    in->name = wt_xstrdup(name);
    in->fd = -1;
    in->raw = (uint8_t *)bytes.ptr;
    in->raw_len = bytes.len;
    in->raw_bytes = bytes.len;
    in->raw_end = true;
    return in;
}

void wt_in_close(wt_in *in) {
    if (!in) return;
    ZSTD_freeDCtx(in->zstd);
    if (in->kind == KIND_GZIP) inflateEnd(&in->gzip), libdeflate_free_decompressor(in->whole);
    if (in->kind == KIND_XZ) lzma_end(&in->xz);
    if (in->kind == KIND_BZIP2) BZ2_bzDecompressEnd(&in->bzip2);
    if (in->own_fd) close(in->fd);
    if (in->own_raw) free(in->raw);
    free(in->decoded);
    wt_buf_free(&in->line);
    free(in->name);
    free(in);
}

/* Reads once more from the file, behind what is there. 0 or -1. */
static int raw_more(wt_in *in, wt_err *err) {
    if (in->raw_end) return 0;
    if (in->raw_at > 0) {
        memmove(in->raw, in->raw + in->raw_at, in->raw_len - in->raw_at);
        in->raw_base += in->raw_at;
        in->raw_len -= in->raw_at;
        in->raw_at = 0;
    }
    ssize_t n;
    size_t room = WT_IN_CHUNK - in->raw_len;
    uint64_t left = in->raw_stop - (in->raw_base + in->raw_len);
    if (room > left) room = (size_t)left;
    do n = read(in->fd, in->raw + in->raw_len, room);
    while (n < 0 && errno == EINTR);
    if (n < 0) return wt_fail_errno(err, "cannot read '%s'", in->name);
    if (n == 0) in->raw_end = true;
    in->raw_len += (size_t)n;
    return 0;
}

int wt_in_raw_need(wt_in *in, size_t n, wt_err *err) {
    while (in->raw_len - in->raw_at < n && !in->raw_end)
        if (raw_more(in, err)) return -1;
    return 0;
}

bool wt_in_raw_seek(wt_in *in, uint64_t to) {
    if (to >= in->raw_base && to <= in->raw_base + in->raw_len) {
        in->raw_at = (size_t)(to - in->raw_base);
        return true;
    }
    if (in->fd < 0 || lseek(in->fd, (off_t)to, SEEK_SET) < 0) return false;
    in->raw_base = to;
    in->raw_at = in->raw_len = 0;
    in->raw_end = false;
    return true;
}

/* ---- what is it? ---- */

static bool is_skippable(const uint8_t *b) {
    return (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18;
}

static kind kind_of(const uint8_t *b, size_t n) {
    if (n >= 4 && memcmp(b, "\x28\xb5\x2f\xfd", 4) == 0) return KIND_ZSTD;
    if (n >= 8 && is_skippable(b)) return KIND_ZSTD;
    if (n >= 3 && memcmp(b, "\x1f\x8b\x08", 3) == 0) return KIND_GZIP;
    if (n >= 6 && memcmp(b, "\xfd" "7zXZ", 6) == 0) return KIND_XZ;
    /* "BZh9" may well begin a text; the magic of the first block or of an empty stream may not. */
    if (n >= 10 && memcmp(b, "BZh", 3) == 0 && b[3] >= '1' && b[3] <= '9' &&
        (memcmp(b + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
         memcmp(b + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0))
        return KIND_BZIP2;
    return KIND_PLAIN;
}

static int damaged(const wt_in *in, const char *what, wt_err *err) {
    return wt_fail(err, WT_EDATA, "'%s' is damaged near byte %llu: %s", in->name,
                   (unsigned long long)(in->raw_base + in->raw_at), what);
}

static int cut(const wt_in *in, const char *what, wt_err *err) {
    return wt_fail(err, WT_EDATA, "'%s' is cut off at byte %llu, inside a %s", in->name,
                   (unsigned long long)(in->raw_base + in->raw_len), what);
}

/* A .warc.zst may begin with its dictionary in a skippable frame, itself perhaps compressed. */
static int load_dictionary(wt_in *in, wt_err *err) {
    if (wt_in_raw_need(in, 8, err)) return -1;
    const uint8_t *b = in->raw + in->raw_at;
    if (wt_in_raw_left(in) < 8 || !is_skippable(b) || b[0] != 0x5d) return 0;
    uint32_t size = b[4] | b[5] << 8 | b[6] << 16 | (uint32_t)b[7] << 24;
    if (size == 0 || size > DICTIONARY_MAX) return 0;
    wt_buf dict = {0}, plain = {0};
    in->raw_at += 8;
    while (dict.len < size) {
        if (wt_in_raw_need(in, 1, err)) return wt_buf_free(&dict), -1;
        size_t n = wt_in_raw_left(in) < size - dict.len ? wt_in_raw_left(in) : size - dict.len;
        if (n == 0) return wt_buf_free(&dict), cut(in, "zstd dictionary", err);
        wt_buf_add(&dict, in->raw + in->raw_at, n);
        in->raw_at += n;
    }
    int result = 0;
    if (memcmp(dict.ptr, "\x28\xb5\x2f\xfd", 4) == 0) {
        result = wt_decode_body(wt_buf_view(&dict), WT_STR("zstd"), DICTIONARY_MAX, &plain, err);
        if (result) wt_context(err, "dictionary of '%s'", in->name);
    }
    wt_str use = plain.len ? wt_buf_view(&plain) : wt_buf_view(&dict);
    if (!result && ZSTD_isError(ZSTD_DCtx_loadDictionary(in->zstd, use.ptr, use.len)))
        result = damaged(in, "its dictionary cannot be used", err);
    wt_buf_free(&dict);
    wt_buf_free(&plain);
    return result;
}

static int decoder_start(wt_in *in, wt_err *err) {
    if (wt_in_raw_need(in, 16, err)) return -1;
    kind k = kind_of(in->raw + in->raw_at, wt_in_raw_left(in));
    bool ready = true;
    if (k == KIND_ZSTD) {
        in->zstd = ZSTD_createDCtx();
        ready = in->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax,
                                                                 WINDOW_LOG_MAX));
    } else if (k == KIND_GZIP) {
        in->whole = libdeflate_alloc_decompressor();
        ready = inflateInit2(&in->gzip, 15 + 16) == Z_OK && in->whole;
    } else if (k == KIND_XZ) {
        ready = lzma_stream_decoder(&in->xz, XZ_MEMORY_MAX, LZMA_CONCATENATED) == LZMA_OK;
    } else if (k == KIND_BZIP2) {
        ready = BZ2_bzDecompressInit(&in->bzip2, 0, 0) == BZ_OK;
    }
    if (!ready) return wt_fail(err, WT_ENOMEM, "no memory to decompress '%s'", in->name);
    in->kind = k;
    if (k != KIND_PLAIN) in->decoded = wt_xmalloc(WT_IN_CHUNK);
    return k == KIND_ZSTD ? load_dictionary(in, err) : 0;
}

/* ---- decoders: each makes some bytes, or uses some, or says why not ----
 * They take raw bytes, put n bytes into decoded[], and set in_member false at a member's end. */

static int step_zstd(wt_in *in, size_t *n, wt_err *err) {
    ZSTD_inBuffer src = {in->raw + in->raw_at, wt_in_raw_left(in), 0};
    ZSTD_outBuffer dst = {in->decoded, WT_IN_CHUNK, 0};
    size_t left = ZSTD_decompressStream(in->zstd, &dst, &src);
    if (ZSTD_isError(left)) {
        /* Out of memory for a huge window is no damage. */
        if (ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation)
            return wt_fail(err, WT_ENOMEM, "no memory for the zstd window of '%s'", in->name);
        return damaged(in, ZSTD_getErrorName(left), err);
    }
    in->raw_at += src.pos;
    in->in_member = left != 0;
    *n = dst.pos;
    return 0;
}

/* A small member at once by libdeflate, which takes 0.4 of zlib's time. False: too large, not all in raw, or damaged; zlib
 * then begins it anew and says which. */
static bool whole_gzip_member(wt_in *in, size_t *n) {
    size_t used;
    if (libdeflate_gzip_decompress_ex(in->whole, in->raw + in->raw_at, wt_in_raw_left(in), in->decoded, WT_IN_CHUNK, &used, n)) {
        *n = 0;
        return false;
    }
    in->raw_at += used;
    in->in_member = false;
    return true;
}

static int step_gzip(wt_in *in, size_t *n, wt_err *err) {
    if (in->raw_base + in->raw_at == in->member_at && whole_gzip_member(in, n)) return 0;
    in->gzip.next_in = in->raw + in->raw_at;
    in->gzip.avail_in = wt_in_raw_left(in) > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uInt)wt_in_raw_left(in);
    in->gzip.next_out = in->decoded;
    in->gzip.avail_out = WT_IN_CHUNK;
    int code = inflate(&in->gzip, Z_NO_FLUSH);
    in->raw_at = (size_t)(in->gzip.next_in - in->raw);
    *n = WT_IN_CHUNK - in->gzip.avail_out;
    if (code == Z_STREAM_END) {
        in->in_member = false;
        inflateReset(&in->gzip);
    } else if (code != Z_OK && code != Z_BUF_ERROR) {
        return damaged(in, in->gzip.msg ? in->gzip.msg : "not a gzip member", err);
    }
    return 0;
}

static int step_bzip2(wt_in *in, size_t *n, wt_err *err) {
    in->bzip2.next_in = (char *)in->raw + in->raw_at;
    in->bzip2.avail_in = wt_in_raw_left(in) > UINT32_MAX / 2 ? UINT32_MAX / 2 : (unsigned)wt_in_raw_left(in);
    in->bzip2.next_out = (char *)in->decoded;
    in->bzip2.avail_out = WT_IN_CHUNK;
    int code = BZ2_bzDecompress(&in->bzip2);
    in->raw_at = (size_t)((uint8_t *)in->bzip2.next_in - in->raw);
    *n = WT_IN_CHUNK - in->bzip2.avail_out;
    if (code == BZ_STREAM_END) {
        in->in_member = false;
        BZ2_bzDecompressEnd(&in->bzip2);
        memset(&in->bzip2, 0, sizeof in->bzip2);
        if (BZ2_bzDecompressInit(&in->bzip2, 0, 0) != BZ_OK)
            return wt_fail(err, WT_ENOMEM, "no memory to decompress '%s'", in->name);
    } else if (code != BZ_OK) {
        return damaged(in, "bzip2 data error", err);
    }
    return 0;
}

static int step_xz(wt_in *in, size_t *n, wt_err *err) {
    in->xz.next_in = in->raw + in->raw_at;
    in->xz.avail_in = wt_in_raw_left(in);
    in->xz.next_out = in->decoded;
    in->xz.avail_out = WT_IN_CHUNK;
    lzma_ret code = lzma_code(&in->xz, in->raw_end ? LZMA_FINISH : LZMA_RUN);
    in->raw_at = (size_t)(in->xz.next_in - in->raw);
    *n = WT_IN_CHUNK - in->xz.avail_out;
    if (code == LZMA_STREAM_END) in->in_member = false, in->done = true;
    else if (code == LZMA_MEM_ERROR || code == LZMA_MEMLIMIT_ERROR)
        return wt_fail(err, WT_ENOMEM, "no memory for the xz dictionary of '%s'", in->name);
    else if (code == LZMA_BUF_ERROR && in->raw_end && !*n) return cut(in, "xz stream", err);
    else if (code != LZMA_OK && code != LZMA_BUF_ERROR) return damaged(in, "xz data error", err);
    return 0;
}

/* Between members: is there another one? Zero padding behind the last is allowed (tapes, gzip). */
static int member_begin(wt_in *in, wt_err *err) {
    if (in->kind == KIND_GZIP || in->kind == KIND_BZIP2) {
        if (wt_in_raw_need(in, 10, err)) return -1;
        if (wt_in_raw_left(in) && in->raw[in->raw_at] == 0) {
            while (wt_in_raw_left(in) && in->raw[in->raw_at] == 0) {
                in->raw_at++;
                if (wt_in_raw_need(in, 1, err)) return -1;
            }
            if (wt_in_raw_left(in)) return damaged(in, "bytes behind the last member", err);
        } else if (wt_in_raw_left(in) && in->raw_base + in->raw_at > 0 &&
                   kind_of(in->raw + in->raw_at, wt_in_raw_left(in)) != in->kind) {
            if (wt_in_raw_left(in) >= 10) return damaged(in, "bytes behind the last member", err);
            return cut(in, in->kind == KIND_GZIP ? "gzip member" : "bzip2 stream", err);
        }
    } else if (wt_in_raw_need(in, 1, err)) {
        return -1;
    }
    if (wt_in_raw_left(in) == 0) {
        in->done = true;
        return 0;
    }
    in->member_at = in->raw_base + in->raw_at;
    in->member_made = 0;
    in->in_member = true;
    /* A pipe's bytes are not waited for. */
    return in->kind == KIND_GZIP && in->raw_bytes ? wt_in_raw_need(in, WT_IN_CHUNK / 2, err) : 0;
}

static const char *const MEMBER_NAME[] = {"file", "file", "zstd frame", "gzip member", "xz stream",
                                          "bzip2 stream"};

/* Fills the span with at least one byte, all of one member. 1, 0 at the end, -1. */
static int span_fill(wt_in *in, wt_err *err) {
    if (in->kind == KIND_UNKNOWN && decoder_start(in, err)) return -1;
    while (!in->done) {
        if (in->kind == KIND_PLAIN) {
            if (wt_in_raw_need(in, 1, err)) return -1;
            in->at = in->raw + in->raw_at;
            in->end = in->raw + in->raw_len;
            in->raw_at = in->raw_len;
            in->done = in->at == in->end;
            return in->at < in->end;
        }
        if (!in->in_member) {
            if (member_begin(in, err)) return -1;
            continue;
        }
        size_t n = 0;
        if (wt_in_raw_need(in, 1, err)) return -1;
        size_t raw_before = in->raw_at;
        int code = in->kind == KIND_ZSTD ? step_zstd(in, &n, err)
                 : in->kind == KIND_GZIP ? step_gzip(in, &n, err)
                 : in->kind == KIND_XZ   ? step_xz(in, &n, err)
                                         : step_bzip2(in, &n, err);
        if (n > 0) {
            in->at = in->decoded;
            in->end = in->decoded + n;
            in->member_made += n;
            if (code) in->failed = true;     /* hand out what came before the damage */
            return 1;
        }
        if (code) return -1;
        if (in->in_member && wt_in_raw_left(in) == 0 && in->raw_end && in->raw_at == raw_before &&
            in->kind != KIND_XZ)
            return cut(in, MEMBER_NAME[in->kind], err);
    }
    return 0;
}

void wt_in_learn(wt_in *in) {
    if (in->kind == KIND_UNKNOWN && !in->failed && decoder_start(in, &in->err)) in->failed = true;
}

int wt_in_span_next(wt_in *in, wt_err *err) {
    if (!in->failed) {
        int got = span_fill(in, &in->err);
        if (got >= 0) return got;
        in->failed = true;
    }
    in->told = true;
    if (err) *err = in->err;
    return -1;
}

bool wt_in_resync(wt_in *in) {
    if (!in->told) return true;
    in->failed = in->told = false;
    in->at = in->end = NULL;
    in->done = true;
    bool packed = in->kind == KIND_GZIP || in->kind == KIND_ZSTD;
    if (!packed || ++in->n_resyncs > RESYNCS_MAX) return false;
    wt_in_raw_seek(in, in->member_at + 1);   /* its decoder may have run into the next ones; a pipe goes on from where it is */
    for (; wt_in_raw_need(in, 10, NULL) == 0 && wt_in_raw_left(in) >= 10; in->raw_at++) {
        const uint8_t *b = in->raw + in->raw_at;
        if (kind_of(b, 10) != in->kind || (in->kind == KIND_GZIP && (b[3] & 0xe0))) continue;
        if (in->kind == KIND_GZIP) inflateReset(&in->gzip);
        else ZSTD_DCtx_reset(in->zstd, ZSTD_reset_session_only);
        in->done = in->in_member = false;
        return true;
    }
    return false;
}

/* ---- reading ---- */

int wt_in_starts_with(wt_in *in, wt_str start, wt_err *err) {
    /* Of a slow pipe enough that the first bytes of a member come out together. */
    if (in->kind == KIND_UNKNOWN && wt_in_raw_need(in, 4096, err)) return -1;
    int there = wt_in_span(in, err);
    return there > 0 ? wt_str_starts((wt_str){(const char *)in->at, (size_t)(in->end - in->at)}, start) : there;
}

ptrdiff_t wt_in_read(wt_in *in, void *bytes, size_t n, wt_err *err) {
    size_t got = 0;
    while (got < n) {
        int more = wt_in_span(in, err);
        if (more < 0 && got == 0) return -1;
        if (more <= 0) break;
        size_t take = (size_t)(in->end - in->at) < n - got ? (size_t)(in->end - in->at) : n - got;
        memcpy((char *)bytes + got, in->at, take);
        in->at += take;
        got += take;
    }
    in->offset += got;
    return (ptrdiff_t)got;
}

const char *wt_in_name(const wt_in *in) { return in->name; }

bool wt_in_is_plain(wt_in *in) {
    wt_in_learn(in);
    return in->kind == KIND_PLAIN;
}

uint64_t wt_in_offset(const wt_in *in) { return in->offset; }
uint64_t wt_in_raw_bytes(const wt_in *in) { return in->raw_bytes; }
uint64_t wt_in_raw_offset(const wt_in *in) {
    size_t unread = in->kind == KIND_PLAIN ? (size_t)(in->end - in->at) : 0;
    return in->raw_base + in->raw_at - unread;
}

uint64_t wt_in_member_offset(wt_in *in) {
    wt_in_span(in, &(wt_err){0});
    return in->kind == KIND_PLAIN ? in->offset : in->member_at;
}

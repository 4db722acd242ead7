/* out.c - output that appears whole. Bytes are gathered in a buffer of fixed size and compressed
 * when it is full or the member ends, never at the caller's own boundaries, so that the compressed
 * bytes depend on the data alone. Devices and pipes cannot be renamed over: those are written in
 * place. The first error is kept and told again by every later call. */
#include "common/out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/fs.h"
#include "common/tool.h"

#define GATHER ((size_t)256 << 10)
#define PROVENANCE_MAGIC 0x184D2A57u         /* one of zstd's 16 skippable magics */
#define PROVENANCE_TAG "wtprov1\n"           /* the last 8 bytes of its content, before: its length */
#define PROVENANCE_MAX ((size_t)16 << 20)

typedef enum { PLAIN, ZSTD, GZIP } coding;

struct wt_out {
    char *path, *part;                       /* part: NULL where written in place */
    int fd;
    coding coding;
    int level;
    ZSTD_CCtx *zstd;
    z_stream gzip;
    uint8_t *gathered, *packed;
    size_t n_gathered, packed_cap;
    bool in_member, any_member;
    uint64_t raw_bytes;
    bool failed;
    wt_err err;
};

static bool ends_with(const char *path, const char *suffix) {
    return wt_str_ends(wt_str_of(path), wt_str_of(suffix));
}

static int out_failed(wt_out *out, wt_err *err) {
    out->failed = true;
    if (err) *err = out->err;
    return -1;
}

static void out_free(wt_out *out) {
    if (out->fd >= 0 && out->fd != STDOUT_FILENO) close(out->fd);
    ZSTD_freeCCtx(out->zstd);
    if (out->coding == GZIP) deflateEnd(&out->gzip);
    free(out->gathered);
    free(out->packed);
    free(out->path);
    free(out->part);
    free(out);
}

static bool coder_start(wt_out *out, int level) {
    if (out->coding == ZSTD) {
        out->zstd = ZSTD_createCCtx();
        out->packed_cap = ZSTD_CStreamOutSize();
        return out->zstd &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_compressionLevel,
                                                    level ? level : 3)) &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(out->zstd, ZSTD_c_checksumFlag, 1));
    }
    out->packed_cap = GATHER;
    return out->coding == PLAIN || deflateInit2(&out->gzip, level ? level : 6, Z_DEFLATED, 15 + 16,
                                                8, Z_DEFAULT_STRATEGY) == Z_OK;
}

wt_out *wt_out_open_level(const char *path, int level, wt_err *err) {
    bool is_stdout = !path || strcmp(path, "-") == 0;
    wt_out *out = wt_xcalloc(1, sizeof *out);
    out->path = wt_xstrdup(is_stdout ? "standard output" : path);
    out->coding = is_stdout ? PLAIN
                : ends_with(path, ".zst") ? ZSTD
                : ends_with(path, ".gz") ? GZIP : PLAIN;
    struct stat st;
    bool in_place = is_stdout || (stat(path, &st) == 0 && !S_ISREG(st.st_mode));
    if (is_stdout) {
        out->fd = STDOUT_FILENO;
    } else if (in_place) {
        out->fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        wt_buf part = {0};
        wt_buf_printf(&part, "%s.part", path);
        out->part = part.ptr;
        out->fd = open(out->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    }
    if (out->fd < 0) {
        wt_fail_errno(err, "cannot write '%s'", in_place ? path : out->part);
        out->coding = PLAIN;
        out_free(out);
        return NULL;
    }
    if (!coder_start(out, level)) {
        wt_fail(err, WT_ENOMEM, "no memory to compress '%s'", path);
        wt_out_abort(out);
        return NULL;
    }
    out->gathered = wt_xmalloc(GATHER);
    out->packed = wt_xmalloc(out->packed_cap);
    return out;
}

wt_out *wt_out_open(const char *path, wt_err *err) { return wt_out_open_level(path, 0, err); }

static int write_raw(wt_out *out, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0) {
        ssize_t done = write(out->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return wt_fail_errno(&out->err, "cannot write '%s'", out->path);
        p += done;
        n -= (size_t)done;
        out->raw_bytes += (uint64_t)done;
    }
    return 0;
}

static int pack_zstd(wt_out *out, bool end) {
    ZSTD_inBuffer src = {out->gathered, out->n_gathered, 0};
    size_t left;
    do {
        ZSTD_outBuffer dst = {out->packed, out->packed_cap, 0};
        left = ZSTD_compressStream2(out->zstd, &dst, &src, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return wt_fail(&out->err, WT_EIO, "cannot compress '%s': %s", out->path,
                           ZSTD_getErrorName(left));
        if (write_raw(out, out->packed, dst.pos)) return -1;
    } while (end ? left != 0 : src.pos < src.size);
    return 0;
}

static int pack_gzip(wt_out *out, bool end) {
    out->gzip.next_in = out->gathered;
    out->gzip.avail_in = (uInt)out->n_gathered;
    int code;
    do {
        out->gzip.next_out = out->packed;
        out->gzip.avail_out = (uInt)out->packed_cap;
        code = deflate(&out->gzip, end ? Z_FINISH : Z_NO_FLUSH);
        if (write_raw(out, out->packed, out->packed_cap - out->gzip.avail_out)) return -1;
    } while (end ? code != Z_STREAM_END : out->gzip.avail_out == 0);
    if (end) deflateReset(&out->gzip);
    return 0;
}

/* Passes on what was gathered; end closes the member. */
static int drain(wt_out *out, bool end) {
    int result = out->coding == ZSTD ? pack_zstd(out, end)
               : out->coding == GZIP ? pack_gzip(out, end)
                                     : write_raw(out, out->gathered, out->n_gathered);
    out->n_gathered = 0;
    out->in_member = !end;
    out->any_member = true;
    return result;
}

int wt_out_write(wt_out *out, const void *bytes, size_t n, wt_err *err) {
    if (out->failed) return out_failed(out, err);
    const char *p = bytes;
    while (n > 0) {
        if (out->n_gathered == GATHER && drain(out, false)) return out_failed(out, err);
        size_t room = GATHER - out->n_gathered, take = n < room ? n : room;
        memcpy(out->gathered + out->n_gathered, p, take);
        out->n_gathered += take;
        p += take;
        n -= take;
    }
    return 0;
}

int wt_out_str(wt_out *out, wt_str s, wt_err *err) { return wt_out_write(out, s.ptr, s.len, err); }

int wt_out_printf(wt_out *out, wt_err *err, const char *format, ...) {
    wt_buf text = {0};
    va_list args;
    va_start(args, format);
    wt_buf_vprintf(&text, format, args);
    va_end(args);
    int result = wt_out_write(out, text.ptr, text.len, err);
    wt_buf_free(&text);
    return result;
}

int wt_out_flush_member(wt_out *out, wt_err *err) {
    if (out->failed) return out_failed(out, err);
    if (out->n_gathered == 0 && !out->in_member) return 0;
    return drain(out, true) ? out_failed(out, err) : 0;
}

int wt_out_packed(wt_out *out, const void *packed, size_t n, wt_err *err) {
    if (wt_out_flush_member(out, err)) return -1;
    if (n == 0) return 0;
    out->any_member = true;
    return write_raw(out, packed, n) ? out_failed(out, err) : 0;
}

static void put_u32(uint8_t *p, uint32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> (8 * i));
}

static uint32_t get_u32(const uint8_t *p) {
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* zstd: a skippable frame { magic, size, JSON, u32 JSON bytes, tag }.
 * gzip: an empty member whose comment is { JSON, "\n%08x" JSON bytes, tag }. */
int wt_out_provenance(wt_out *out, wt_str json, wt_err *err) {
    if (out->coding == PLAIN || json.len > PROVENANCE_MAX) return 0;
    /* A file without data still gets a frame, so that other readers take it for what it is. */
    if (wt_out_flush_member(out, err)) return -1;
    if (!out->any_member && drain(out, true)) return out_failed(out, err);
    wt_buf b = {0};
    if (out->coding == ZSTD) {
        uint8_t head[8], tail[4];
        put_u32(head, PROVENANCE_MAGIC);
        put_u32(head + 4, (uint32_t)(json.len + 4 + 8));
        put_u32(tail, (uint32_t)json.len);
        wt_buf_add(&b, head, 8);
        wt_buf_add_str(&b, json);
        wt_buf_add(&b, tail, 4);
        wt_buf_add(&b, PROVENANCE_TAG, 8);
    } else {
        static const char head[10] = {0x1f, (char)0x8b, 8, 0x10, 0, 0, 0, 0, 0, 3};
        static const char empty[10] = {3, 0};            /* no data, CRC 0, length 0 */
        wt_buf_add(&b, head, sizeof head);
        wt_buf_add_str(&b, json);
        wt_buf_printf(&b, "\n%08zx", json.len);
        wt_buf_add(&b, PROVENANCE_TAG, 8 + 1);           /* with the comment's NUL */
        wt_buf_add(&b, empty, sizeof empty);
    }
    int result = write_raw(out, b.ptr, b.len);
    wt_buf_free(&b);
    return result ? out_failed(out, err) : 0;
}

int wt_in_provenance(const char *path, wt_buf *json, wt_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return wt_fail_errno(err, "cannot open '%s'", path);
    int found = 0;
    uint8_t tail[64];
    off_t size = lseek(fd, 0, SEEK_END);
    off_t at = -1;
    uint32_t n = 0;
    if (size >= 20 && pread(fd, tail, 12, size - 12) == 12 &&
        memcmp(tail + 4, PROVENANCE_TAG, 8) == 0) {
        n = get_u32(tail);
        at = size - 12 - (off_t)n;
    } else if (size >= 38 && pread(fd, tail, 28, size - 28) == 28 &&
               memcmp(tail + 9, PROVENANCE_TAG, 9) == 0 && tail[0] == '\n') {
        char digits[9] = {0};
        memcpy(digits, tail + 1, 8);
        n = (uint32_t)strtoul(digits, NULL, 16);
        at = size - 28 - (off_t)n;
    }
    if (at >= 8 && n <= PROVENANCE_MAX) {
        wt_buf_reserve(json, n);
        found = pread(fd, json->ptr + json->len, n, at) == (ssize_t)n;
        if (found) json->len += n, json->ptr[json->len] = 0;
    }
    close(fd);
    return found;
}

int wt_out_commit(wt_out *out, wt_err *err) {
    int result = 0;
    if (out->failed) {
        result = out_failed(out, err);
    } else if (out->n_gathered > 0 || out->in_member || (!out->any_member && out->coding != PLAIN)) {
        if (drain(out, true)) result = out_failed(out, err);
    }
    if (result == 0 && out->part) {
        if (fsync(out->fd)) {
            result = wt_fail_errno(err, "cannot write '%s'", out->path);
        } else if (rename(out->part, out->path)) {
            result = wt_fail_errno(err, "cannot rename '%s'", out->part);
        } else {
            free(out->part);
            out->part = NULL;
            result = wt_sync_dir_of(out->path, err);
        }
    }
    if (result && out->part) unlink(out->part);
    if (result == 0) wt_debug("wrote %s, %llu bytes", out->path, (unsigned long long)out->raw_bytes);
    out_free(out);
    return result;
}

void wt_out_abort(wt_out *out) {
    if (!out) return;
    if (out->part) unlink(out->part);
    out_free(out);
}

int wt_out_whole(const char *path, wt_str bytes, wt_err *err) {
    wt_out *out = wt_out_open(path, err);
    if (!out) return -1;
    if (wt_out_str(out, bytes, err) == 0) return wt_out_commit(out, err);
    wt_out_abort(out);
    return -1;
}

uint64_t wt_out_raw_bytes(const wt_out *out) { return out->raw_bytes; }

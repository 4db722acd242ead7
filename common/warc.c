/* warc.c - WARC records (ISO 28500:2017) and the HTTP messages in them. Real archives hold lines
 * that end in LF alone, folded fields, target URIs in angle brackets (wget), versions 0.17 to 1.1
 * and bodies whose chunked coding was undone but is still announced; all of that is read. What is
 * written is by the book: one gzip member or zstd frame a record. A damaged record is told once; the next
 * call looks for the next member or line that starts one, so that it costs itself alone. */
#include "common/warc.h"

#include <libdeflate.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>

#define MAX_BLANK_LINES 64

/* ---- header fields ---- */

/* The next line of *rest, without its line end. */
static wt_str take_line(wt_str *rest) {
    wt_str line = wt_str_cut(rest, '\n');
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') line.len--;
    return line;
}

static bool is_folded(wt_str line) {
    return line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
}

wt_str wt_http_field(wt_str header, const char *name) {
    wt_str want = wt_str_of(name);
    while (header.len > 0) {
        wt_str line = take_line(&header);
        if (line.len <= want.len || is_folded(line)) continue;
        wt_str left = line;
        wt_str field = wt_str_cut(&left, ':');
        if (field.len == line.len || !wt_str_eq_nocase(wt_str_trim(field), want)) continue;
        return wt_str_trim(left);
    }
    return (wt_str){0};
}

wt_str wt_warc_field(const wt_warc_record *record, const char *name) {
    return wt_http_field(record->header, name);
}

/* ---- reading records ---- */

struct wt_warc_reader {
    wt_in *in;
    size_t max_block;
    wt_buf header, block;
    bool lost;                   /* the last call failed: look for the next record's first line */
};

wt_warc_reader *wt_warc_reader_new(wt_in *in, size_t max_block) {
    wt_warc_reader *r = wt_xcalloc(1, sizeof *r);
    r->in = in;
    r->max_block = max_block;
    return r;
}

void wt_warc_reader_free(wt_warc_reader *r) {
    if (!r) return;
    wt_buf_free(&r->header);
    wt_buf_free(&r->block);
    free(r);
}

static int not_warc(wt_warc_reader *r, uint64_t offset, const char *what, wt_err *err) {
    r->lost = true;
    return wt_fail(err, WT_EDATA, "'%s': bad WARC record at byte %llu: %s", wt_in_name(r->in),
                   (unsigned long long)offset, what);
}

/* Finds the line "WARC/1.x". 1, 0 at the end, -1. */
static int find_version(wt_warc_reader *r, uint64_t *offset, wt_err *err) {
    uint64_t too_long = 0;
    for (int blank = 0;; blank++) {
        wt_str line;
        uint64_t here = wt_in_member_offset(r->in);
        int more = wt_in_line(r->in, WT_WARC_HEADER_MAX, &line, &too_long, err);
        if (more <= 0) return more;
        if (wt_str_starts(line, WT_STR("WARC/"))) {
            *offset = here;
            r->lost = false;
            return 1;
        }
        if (r->lost) continue;
        if (line.len > 0 || blank >= MAX_BLANK_LINES || too_long)
            return not_warc(r, here, "no WARC version line", err);
    }
}

/* Reads header lines up to the empty one; a folded line joins the one before it. 0 or -1. */
static int read_header(wt_warc_reader *r, uint64_t offset, wt_err *err) {
    wt_buf_clear(&r->header);
    for (;;) {
        wt_str line;
        uint64_t too_long = 0;
        int more = wt_in_line(r->in, WT_WARC_HEADER_MAX, &line, &too_long, err);
        if (more < 0) return -1;
        if (more == 0) return not_warc(r, offset, "cut off in its header", err);
        if (too_long || r->header.len + line.len > WT_WARC_HEADER_MAX)
            return not_warc(r, offset, "its header is too long", err);
        if (line.len == 0) return 0;
        if (is_folded(line) && r->header.len >= 2) {
            r->header.len -= 2;
            line = wt_str_trim(line);
            wt_buf_add_char(&r->header, ' ');
        }
        wt_buf_add_str(&r->header, line);
        wt_buf_add(&r->header, "\r\n", 2);
    }
}

static int read_length(wt_str text, uint64_t *length) {
    uint64_t x = 0;
    if (text.len == 0 || text.len > 19) return -1;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return -1;
        x = x * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *length = x;
    return 0;
}

static int read_block(wt_warc_reader *r, uint64_t offset, uint64_t length, wt_err *err) {
    uint64_t left = length;
    char waste[16384];
    wt_buf_clear(&r->block);
    while (left > 0) {
        bool keep = r->block.len < r->max_block;
        size_t want = keep ? r->max_block - r->block.len : sizeof waste;
        if (want > 65536) want = 65536;      /* grow as bytes come: lengths are foreign */
        if (want > left) want = (size_t)left;
        if (keep) wt_buf_reserve(&r->block, want);
        ptrdiff_t got = wt_in_read(r->in, keep ? r->block.ptr + r->block.len : waste, want, err);
        if (got < 0) return -1;
        if (got == 0) return not_warc(r, offset, "cut off in its block", err);
        if (keep) r->block.len += (size_t)got;
        left -= (uint64_t)got;
    }
    if (r->block.ptr) r->block.ptr[r->block.len] = 0;
    return 0;
}

int wt_warc_next(wt_warc_reader *r, wt_warc_record *record, wt_err *err) {
    uint64_t offset = 0;
    memset(record, 0, sizeof *record);
    if (!wt_in_resync(r->in)) return 0;          /* behind a damaged member the next one may be sound */
    int more = find_version(r, &offset, err);
    if (more <= 0) return more;
    if (read_header(r, offset, err)) return -1;
    record->header = wt_buf_view(&r->header);
    record->offset = offset;
    if (read_length(wt_warc_field(record, "Content-Length"), &record->content_length))
        return not_warc(r, offset, "no usable Content-Length", err);
    if (read_block(r, offset, record->content_length, err)) return -1;
    record->block = wt_buf_view(&r->block);
    record->cut = record->block.len < record->content_length;
    record->type = wt_warc_field(record, "WARC-Type");
    record->date = wt_warc_field(record, "WARC-Date");
    record->record_id = wt_warc_field(record, "WARC-Record-ID");
    record->content_type = wt_warc_field(record, "Content-Type");
    record->payload_digest = wt_warc_field(record, "WARC-Payload-Digest");
    record->truncated = wt_warc_field(record, "WARC-Truncated");
    wt_str uri = wt_warc_field(record, "WARC-Target-URI");
    if (uri.len >= 2 && uri.ptr[0] == '<' && uri.ptr[uri.len - 1] == '>')
        uri = (wt_str){uri.ptr + 1, uri.len - 2};
    record->target_uri = uri;
    return 1;
}

/* ---- HTTP messages ---- */

static bool hex_value(char c, unsigned *x) {
    if (c >= '0' && c <= '9') return *x = (unsigned)(c - '0'), true;
    c |= 0x20;
    if (c >= 'a' && c <= 'f') return *x = (unsigned)(c - 'a' + 10), true;
    return false;
}

/* Undoes chunked coding. What a cut or damaged coding gave so far is kept. Returns false where the
 * body does not begin with a chunk at all. */
static bool dechunk(wt_str body, wt_buf *out) {
    const char *p = body.ptr, *end = p + body.len;
    bool any = false;
    for (;;) {
        uint64_t size = 0;
        unsigned digit;
        int n_digits = 0;
        while (p < end && hex_value(*p, &digit) && n_digits < 16) {
            size = size << 4 | digit;
            n_digits++;
            p++;
        }
        const char *line_end = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        bool good = n_digits > 0 && line_end && (*p == '\r' || *p == '\n' || *p == ';' || *p == ' ');
        if (!good) return any;
        any = true;
        p = line_end + 1;
        if (size == 0) return true;
        size_t take = size < (uint64_t)(end - p) ? (size_t)size : (size_t)(end - p);
        wt_buf_add(out, p, take);
        p += take;
        if (p < end && *p == '\r') p++;
        if (p < end && *p == '\n') p++;
    }
}

int wt_http_parse(wt_str block, wt_buf *scratch, wt_http_message *message, wt_err *err) {
    memset(message, 0, sizeof *message);
    wt_str rest = block;
    wt_str line = take_line(&rest);
    if (!wt_str_starts(line, WT_STR("HTTP/")) || line.len < 9)
        return wt_fail(err, WT_EDATA, "not an HTTP response");
    wt_str_cut(&line, ' ');
    line = wt_str_trim(line);
    if (line.len < 3) return wt_fail(err, WT_EDATA, "an HTTP response without status");
    for (int i = 0; i < 3; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9')
            return wt_fail(err, WT_EDATA, "an HTTP response without status");
        message->status = message->status * 10 + (line.ptr[i] - '0');
    }
    const char *start = rest.ptr, *stop = start;
    while (rest.len > 0) {
        stop = rest.ptr;
        if (take_line(&rest).len == 0) break;
        stop = rest.ptr;
    }
    message->header = (wt_str){start, (size_t)(stop - start)};
    message->body = rest;
    message->content_type = wt_http_field(message->header, "Content-Type");
    message->content_encoding = wt_http_field(message->header, "Content-Encoding");
    wt_str coding = wt_http_field(message->header, "Transfer-Encoding");
    wt_str last = coding;
    while (coding.len > 0) last = wt_str_trim(wt_str_cut(&coding, ','));
    if (wt_str_eq_nocase(last, WT_STR("chunked")) && scratch) {
        wt_buf_clear(scratch);
        if (dechunk(rest, scratch)) message->body = wt_buf_view(scratch);
    }
    return 0;
}

/* ---- writing ---- */

static void encode_plain(wt_buf *out, wt_str type, const wt_warc_pair *fields, int n_fields,
                         wt_str block) {
    wt_buf_printf(out, "WARC/1.1\r\nWARC-Type: %.*s\r\n", WT_FMT(type));
    for (int i = 0; i < n_fields; i++) {
        wt_buf_add_str(out, fields[i].name);
        wt_buf_add_str(out, WT_STR(": "));
        wt_buf_add_str(out, fields[i].value);
        wt_buf_add_str(out, WT_STR("\r\n"));
    }
    wt_buf_printf(out, "Content-Length: %zu\r\n\r\n", block.len);
    wt_buf_add_str(out, block);
    wt_buf_add_str(out, WT_STR("\r\n\r\n"));
}

/* libdeflate: at level 1 it takes 0.57 of zlib's time and gives 7% less. A compressor is a few hundred
 * KB, so each thread keeps its own for the level it used last. */
typedef struct {
    struct libdeflate_compressor *compressor;
    int level;
} gzip_state;

static pthread_key_t gzip_key;
static pthread_once_t gzip_once = PTHREAD_ONCE_INIT;

static void gzip_state_free(void *p) {
    gzip_state *g = p;
    libdeflate_free_compressor(g->compressor);
    free(g);
}

static void gzip_free_main(void) {           /* the main thread ends without its destructors */
    gzip_state *g = pthread_getspecific(gzip_key);
    if (g) gzip_state_free(g);
    pthread_setspecific(gzip_key, NULL);
}

static void gzip_key_make(void) {
    pthread_key_create(&gzip_key, gzip_state_free);
    atexit(gzip_free_main);
}

static struct libdeflate_compressor *gzip_compressor(int level) {
    pthread_once(&gzip_once, gzip_key_make);
    gzip_state *g = pthread_getspecific(gzip_key);
    if (!g) {
        g = wt_xcalloc(1, sizeof *g);
        pthread_setspecific(gzip_key, g);
    }
    if (!g->compressor || g->level != level) {
        libdeflate_free_compressor(g->compressor);
        g->compressor = libdeflate_alloc_compressor(level);
        g->level = level;
    }
    return g->compressor;
}

static int add_gzip(wt_buf *out, wt_str plain, int level, wt_err *err) {
    struct libdeflate_compressor *c = gzip_compressor(level ? level : 6);
    if (!c) return wt_fail(err, WT_ENOMEM, "no memory to compress a WARC record");
    size_t bound = libdeflate_gzip_compress_bound(c, plain.len);
    wt_buf_reserve(out, bound);
    size_t n = libdeflate_gzip_compress(c, plain.ptr, plain.len, out->ptr + out->len, bound);
    if (n == 0) return wt_fail(err, WT_EIO, "cannot compress a WARC record");
    out->len += n;
    out->ptr[out->len] = 0;
    return 0;
}

/* The .warc.zst specification wants the content size and a checksum in each frame, and windows of
 * at most 8 MiB. */
static int add_zstd(wt_buf *out, wt_str plain, int level, wt_err *err) {
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c) return wt_fail(err, WT_ENOMEM, "no memory to compress a WARC record");
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level ? level : 3);
    ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    if (plain.len > (size_t)8 << 20) ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 23);
    size_t bound = ZSTD_compressBound(plain.len);
    wt_buf_reserve(out, bound);
    size_t n = ZSTD_compress2(c, out->ptr + out->len, bound, plain.ptr, plain.len);
    ZSTD_freeCCtx(c);
    if (ZSTD_isError(n))
        return wt_fail(err, WT_EIO, "cannot compress a WARC record: %s", ZSTD_getErrorName(n));
    out->len += n;
    out->ptr[out->len] = 0;
    return 0;
}

int wt_warc_encode(wt_buf *out, wt_str type, const wt_warc_pair *fields, int n_fields,
                   wt_str block, wt_warc_coding coding, int level, wt_err *err) {
    if (coding == WT_WARC_PLAIN) {
        encode_plain(out, type, fields, n_fields, block);
        return 0;
    }
    wt_buf plain = {0};
    encode_plain(&plain, type, fields, n_fields, block);
    int result = coding == WT_WARC_GZIP ? add_gzip(out, wt_buf_view(&plain), level, err)
                                        : add_zstd(out, wt_buf_view(&plain), level, err);
    wt_buf_free(&plain);
    return result;
}

void wt_warc_uuid(const uint8_t random[16], char out[48]) {
    uint8_t b[16];
    memcpy(b, random, 16);
    b[6] = (b[6] & 0x0f) | 0x40;             /* version 4, RFC 9562 */
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(out, 48, "<urn:uuid:%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x>",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

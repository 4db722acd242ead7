/* in_body.c - HTTP bodies out of their codings, in memory and to a limit: a body that unfolds to more costs what the limit
 * says and no more. */
#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "common/in.h"

#define HTTP_WINDOW_LOG_MAX 23       /* 8 MiB, RFC 9659 */
#define HTTP_CODINGS_MAX 5
#define PIECE_BYTES ((size_t)64 << 10)

/* Room for the next piece of out; 0 where the limit is reached. */
static size_t body_room(wt_buf *out, size_t start, size_t max_bytes) {
    size_t left = max_bytes - (out->len - start);
    size_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;
    wt_buf_reserve(out, piece + 1);          /* one more: to see that the limit is passed */
    return piece + 1;
}

static int body_limit(size_t max_bytes, const char *coding, wt_err *err) {
    return wt_fail(err, WT_ELIMIT, "%s body decodes to more than %zu bytes", coding, max_bytes);
}

/* Takes n new bytes into out; true where that passes the limit (then cut there). */
static bool body_took(wt_buf *out, size_t start, size_t max_bytes, size_t n) {
    out->len += n;
    bool over = out->len - start > max_bytes;
    if (over) out->len = start + max_bytes;
    out->ptr[out->len] = 0;
    return over;
}

/* window_bits, as zlib has it: 15 + 16 gzip, 15 zlib, -15 bare deflate. */
static int body_inflate(wt_str body, int window_bits, size_t max_bytes, wt_buf *out, wt_err *err) {
    z_stream z = {.next_in = (Bytef *)body.ptr, .avail_in = (uInt)body.len};
    if (inflateInit2(&z, window_bits) != Z_OK)
        return wt_fail(err, WT_ENOMEM, "no memory to decompress a body");
    size_t start = out->len;
    bool over = false;
    int code = Z_OK;
    while (!over && code == Z_OK) {
        size_t room = body_room(out, start, max_bytes);
        z.next_out = (Bytef *)out->ptr + out->len;
        z.avail_out = (uInt)room;
        code = inflate(&z, Z_NO_FLUSH);
        over = body_took(out, start, max_bytes, room - z.avail_out);
        /* Several gzip members in a row are one body; anything else behind it is passed over. */
        if (code == Z_STREAM_END && !over && window_bits > 15 && z.avail_in > 2 &&
            memcmp(z.next_in, "\x1f\x8b\x08", 3) == 0 && inflateReset(&z) == Z_OK)
            code = Z_OK;
        if (code == Z_BUF_ERROR && z.avail_in > 0) code = Z_OK;
    }
    inflateEnd(&z);
    if (over) return body_limit(max_bytes, window_bits > 15 ? "gzip" : "deflate", err);
    if (code == Z_STREAM_END) return 0;
    return wt_fail(err, WT_EDATA, code == Z_BUF_ERROR ? "compressed body is cut off"
                                                      : "compressed body is damaged");
}

static int body_brotli(wt_str body, size_t max_bytes, wt_buf *out, wt_err *err) {
    BrotliDecoderState *br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    if (!br) return wt_fail(err, WT_ENOMEM, "no memory to decompress a body");
    const uint8_t *src = (const uint8_t *)body.ptr;
    size_t left = body.len, start = out->len;
    bool over = false;
    BrotliDecoderResult code = BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT;
    while (!over && code == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT) {
        size_t room = body_room(out, start, max_bytes), free_bytes = room;
        uint8_t *dst = (uint8_t *)out->ptr + out->len;
        code = BrotliDecoderDecompressStream(br, &left, &src, &free_bytes, &dst, NULL);
        over = body_took(out, start, max_bytes, room - free_bytes);
    }
    BrotliDecoderDestroyInstance(br);
    if (over) return body_limit(max_bytes, "brotli", err);
    if (code == BROTLI_DECODER_RESULT_SUCCESS) return 0;
    return wt_fail(err, WT_EDATA, code == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT
                                      ? "brotli body is cut off" : "brotli body is damaged");
}

static int body_zstd(wt_str body, size_t max_bytes, wt_buf *out, wt_err *err) {
    ZSTD_DCtx *d = ZSTD_createDCtx();
    if (!d) return wt_fail(err, WT_ENOMEM, "no memory to decompress a body");
    ZSTD_DCtx_setParameter(d, ZSTD_d_windowLogMax, HTTP_WINDOW_LOG_MAX);
    ZSTD_inBuffer src = {body.ptr, body.len, 0};
    size_t start = out->len, left = 1;
    bool over = false, moved = true;
    while (!over && moved && !ZSTD_isError(left) && (src.pos < src.size || left != 0)) {
        size_t room = body_room(out, start, max_bytes), src_before = src.pos;
        ZSTD_outBuffer dst = {out->ptr + out->len, room, 0};
        left = ZSTD_decompressStream(d, &dst, &src);
        moved = dst.pos > 0 || src.pos > src_before;
        over = body_took(out, start, max_bytes, dst.pos);
    }
    ZSTD_freeDCtx(d);
    if (over) return body_limit(max_bytes, "zstd", err);
    if (ZSTD_isError(left))
        return wt_fail(err, WT_EDATA, "zstd body is damaged: %s", ZSTD_getErrorName(left));
    return left == 0 ? 0 : wt_fail(err, WT_EDATA, "zstd body is cut off");
}

static int body_deflate(wt_str body, size_t max_bytes, wt_buf *out, wt_err *err) {
    /* RFC 9110 says zlib; many servers send bare deflate. The zlib header tells them apart. */
    const uint8_t *b = (const uint8_t *)body.ptr;
    bool zlib = body.len >= 2 && (b[0] & 15) == 8 && (b[0] * 256 + b[1]) % 31 == 0;
    size_t start = out->len;
    wt_err first = {0};
    int result = body_inflate(body, zlib ? 15 : -15, max_bytes, out, &first);
    if (result && zlib && first.code == WT_EDATA && out->len == start)
        result = body_inflate(body, -15, max_bytes, out, &first);
    if (result && err) *err = first;
    return result;
}

static int body_decode_one(wt_str body, wt_str coding, size_t max_bytes, wt_buf *out, wt_err *err) {
    if (body.len == 0) return 0;
    if (wt_str_eq_nocase(coding, WT_STR("gzip")) || wt_str_eq_nocase(coding, WT_STR("x-gzip")))
        return body_inflate(body, 15 + 16, max_bytes, out, err);
    if (wt_str_eq_nocase(coding, WT_STR("deflate"))) return body_deflate(body, max_bytes, out, err);
    if (wt_str_eq_nocase(coding, WT_STR("br"))) return body_brotli(body, max_bytes, out, err);
    if (wt_str_eq_nocase(coding, WT_STR("zstd"))) return body_zstd(body, max_bytes, out, err);
    return wt_fail(err, WT_EDATA, "unknown content coding '%.*s'", WT_FMT(coding));
}

int wt_decode_body(wt_str body, wt_str content_encoding, size_t max_bytes, wt_buf *out,
                   wt_err *err) {
    wt_str list[HTTP_CODINGS_MAX];
    int n = 0;
    while (content_encoding.len > 0) {
        wt_str one = wt_str_trim(wt_str_cut(&content_encoding, ','));
        if (one.len == 0 || wt_str_eq_nocase(one, WT_STR("identity"))) continue;
        if (n == HTTP_CODINGS_MAX)
            return wt_fail(err, WT_ELIMIT, "more than %d content codings", HTTP_CODINGS_MAX);
        list[n++] = one;
    }
    if (n == 0) {
        bool over = body.len > max_bytes;
        wt_buf_add(out, body.ptr, over ? max_bytes : body.len);
        return over ? body_limit(max_bytes, "plain", err) : 0;
    }
    wt_buf middle[2] = {{0}, {0}};
    int result = 0;
    for (int i = n - 1; i >= 0 && result == 0; i--) {    /* the last coding was applied last */
        wt_buf *to = i == 0 ? out : &middle[i & 1];
        if (i > 0) wt_buf_clear(to);
        result = body_decode_one(body, list[i], max_bytes, to, err);
        body = wt_buf_view(to);
    }
    wt_buf_free(&middle[0]);
    wt_buf_free(&middle[1]);
    return result;
}

/* format.c - header, document table and token packing: bytes to structs and back. A decoder trusts no
 * number before it has compared it with the others and with the bytes at hand. */
#include "shard/format.h"

#include <stdlib.h>

#include "common/hash.h"

const char *const SHARD_SPLIT_NAME[SHARD_SPLITS] = {"train", "val"};

/* ---- header ---- */
static const char HEADER_NAME[8] = {'W', 'T', 'S', 'H', 'A', 'R', 'D', '1'};

void shard_header_encode(const shard_header *h, uint8_t out[SHARD_HEADER_BYTES]) {
    memset(out, 0, SHARD_HEADER_BYTES);
    put_u32(out, SHARD_MAGIC_HEADER);
    put_u32(out + 4, SHARD_HEADER_BYTES - 8);
    memcpy(out + 8, HEADER_NAME, 8);
    put_u32(out + 16, SHARD_VERSION);
    out[24] = h->token_bytes;
    out[25] = h->codec;
    out[26] = h->boundary;
    out[27] = h->split;
    put_u32(out + 28, h->vocab);
    put_u32(out + 32, h->eot);
    put_u32(out + 36, h->frame_tokens);
    put_u32(out + 40, h->shard_no);
    put_u32(out + 44, h->n_frames);
    put_u64(out + 48, h->first_token);
    put_u64(out + 56, h->n_tokens);
    put_u64(out + 64, h->n_docs);
    memcpy(out + 72, h->tokenizer_sha256, 32);
    memcpy(out + 136, h->dataset_uuid, 16);
    memcpy(out + 152, h->input_sha256, 32);
    put_u64(out + SHARD_HEADER_BYTES - 8, wt_xxh64(out, SHARD_HEADER_BYTES - 8, 0));
}

static int header_check(const shard_header *h, wt_err *err) {
    if (h->codec != SHARD_CODEC_RAW)
        return wt_fail(err, WT_EDATA, "codec %d is not known to this version", h->codec);
    uint64_t ids = (uint64_t)1 << (8 * (h->token_bytes & 7));
    uint64_t frames = h->frame_tokens ? (h->n_tokens + h->frame_tokens - 1) / h->frame_tokens : 0;
    if (h->token_bytes < 2 || h->token_bytes > 4 || h->vocab == 0 || h->vocab > ids ||
        h->boundary > SHARD_BOUNDARY_EOT_AFTER || h->split >= SHARD_SPLITS ||
        h->frame_tokens == 0 || h->frame_tokens > SHARD_FRAME_TOKENS_MAX || h->n_tokens == 0 ||
        h->n_tokens > (uint64_t)SHARD_SEEK_FRAMES_MAX * SHARD_FRAME_TOKENS_MAX ||
        h->n_docs == 0 || h->n_docs > h->n_tokens || h->n_frames != frames ||
        h->n_frames > SHARD_SEEK_FRAMES_MAX - 3)
        return wt_fail(err, WT_EDATA, "the header contradicts itself");
    return 0;
}

int shard_header_decode(const uint8_t b[SHARD_HEADER_BYTES], shard_header *h, wt_err *err) {
    if (get_u32(b) != SHARD_MAGIC_HEADER || memcmp(b + 8, HEADER_NAME, 8) != 0)
        return wt_fail(err, WT_EDATA, "not a token shard");
    if (get_u64(b + SHARD_HEADER_BYTES - 8) != wt_xxh64(b, SHARD_HEADER_BYTES - 8, 0))
        return wt_fail(err, WT_EDATA, "the header is damaged");
    if (get_u32(b + 16) != SHARD_VERSION)
        return wt_fail(err, WT_EDATA, "format version %u; this program reads %u", get_u32(b + 16),
                       SHARD_VERSION);
    if (get_u32(b + 4) != SHARD_HEADER_BYTES - 8)
        return wt_fail(err, WT_EDATA, "the header contradicts itself");
    *h = (shard_header){
        .token_bytes = b[24], .codec = b[25], .boundary = b[26], .split = b[27],
        .vocab = get_u32(b + 28), .eot = get_u32(b + 32), .frame_tokens = get_u32(b + 36),
        .shard_no = get_u32(b + 40), .n_frames = get_u32(b + 44), .first_token = get_u64(b + 48),
        .n_tokens = get_u64(b + 56), .n_docs = get_u64(b + 64)};
    memcpy(h->tokenizer_sha256, b + 72, 32);
    memcpy(h->dataset_uuid, b + 136, 16);
    memcpy(h->input_sha256, b + 152, 32);
    return header_check(h, err);
}

/* ---- document table ---- */
static const char DOCS_NAME[8] = {'W', 'T', 'D', 'O', 'C', 'S', '0', '1'};
enum { DOCS_FIXED = 48 };       /* bytes of the skippable frame before the per-frame list */

void shard_docs_add(shard_docs *d, uint64_t n_tokens, uint64_t id_hash, uint64_t i_record) {
    if (d->n + 2 > d->cap) {
        d->cap = d->cap ? 2 * d->cap : 64;
        d->start = wt_xrealloc(d->start, d->cap * sizeof *d->start);
        d->id_hash = wt_xrealloc(d->id_hash, d->cap * sizeof *d->id_hash);
        d->i_record = wt_xrealloc(d->i_record, d->cap * sizeof *d->i_record);
    }
    if (d->n == 0)
        d->start[0] = 0;
    d->id_hash[d->n] = id_hash;
    d->i_record[d->n] = i_record;
    d->start[d->n + 1] = d->start[d->n] + n_tokens;
    d->n++;
}

void shard_docs_free(shard_docs *d) {
    free(d->start);
    free(d->id_hash);
    free(d->i_record);
    *d = (shard_docs){0};
}

static void add_varint(wt_buf *out, uint64_t x) {
    for (; x >= 128; x >>= 7)
        wt_buf_add_char(out, (char)(x | 128));
    wt_buf_add_char(out, (char)x);
}

/* LEB128, at most 64 bits. 0, or -1 where the bytes end or the number is too long. */
static int get_varint(const uint8_t **at, const uint8_t *end, uint64_t *x) {
    *x = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return shift == 63 && byte > 1 ? -1 : 0;
    }
    return -1;
}

/* Columns compress better than rows: lengths, then ids (which do not compress), then records. */
static void docs_columns(const shard_docs *d, wt_buf *raw) {
    for (uint64_t i = 0; i < d->n; i++)
        add_varint(raw, d->start[i + 1] - d->start[i]);
    wt_buf_add(raw, d->id_hash, d->n * 8);
    for (uint64_t i = 0; i < d->n; i++)
        add_varint(raw, d->i_record[i]);
}

/* first[f]: the document that holds the first token of frame f. */
static void docs_of_frames(const shard_docs *d, const shard_header *h, uint8_t *out) {
    uint64_t i = 0;
    for (uint32_t f = 0; f < h->n_frames; f++) {
        while (d->start[i + 1] <= (uint64_t)f * h->frame_tokens)
            i++;
        put_u32(out + 4 * (size_t)f, (uint32_t)i);
    }
}

int shard_docs_encode(const shard_docs *d, const shard_header *h, wt_buf *out, wt_err *err) {
    wt_buf raw = {0};
    docs_columns(d, &raw);
    size_t list = 4 * (size_t)h->n_frames, bound = ZSTD_compressBound(raw.len), at = out->len;
    if (d->n > UINT32_MAX || DOCS_FIXED + list + bound + 8 > UINT32_MAX) {
        wt_buf_free(&raw);
        return wt_fail(err, WT_ELIMIT, "a shard of %llu documents; lower --shard-tokens",
                       (unsigned long long)d->n);
    }
    wt_buf_reserve(out, DOCS_FIXED + list + bound + 8);
    uint8_t *p = (uint8_t *)out->ptr + at;
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, 3);
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
    size_t packed = ZSTD_compress2(cctx, p + DOCS_FIXED + list, bound, raw.ptr, raw.len);
    ZSTD_freeCCtx(cctx);
    if (ZSTD_isError(packed)) {
        wt_buf_free(&raw);
        return wt_fail(err, WT_ENOMEM, "cannot compress: %s", ZSTD_getErrorName(packed));
    }
    size_t total = DOCS_FIXED + list + packed + 8;
    put_u32(p, SHARD_MAGIC_DOCS);
    put_u32(p + 4, (uint32_t)(total - 8));
    memcpy(p + 8, DOCS_NAME, 8);
    put_u32(p + 16, 0);
    put_u32(p + 20, h->n_frames);
    put_u64(p + 24, d->n);
    put_u64(p + 32, raw.len);
    put_u64(p + 40, packed);
    docs_of_frames(d, h, p + DOCS_FIXED);
    put_u64(p + total - 8, wt_xxh64(p, total - 8, 0));
    out->len += total;
    out->ptr[out->len] = 0;
    wt_buf_free(&raw);
    return 0;
}

static int columns_read(const uint8_t *raw, size_t raw_bytes, uint64_t n_docs,
                        const shard_header *h, shard_docs *d) {
    const uint8_t *at = raw, *end = raw + raw_bytes;
    uint64_t n = 0, start = 0;
    d->start[0] = 0;
    for (; n < n_docs; n++) {
        uint64_t length;
        if (get_varint(&at, end, &length) || length == 0 || length > h->n_tokens - start)
            return -1;
        d->start[n + 1] = start += length;
    }
    if (start != h->n_tokens || (uint64_t)(end - at) < 8 * n_docs)
        return -1;
    memcpy(d->id_hash, at, 8 * n_docs);
    at += 8 * n_docs;
    for (n = 0; n < n_docs; n++)
        if (get_varint(&at, end, &d->i_record[n]))
            return -1;
    d->n = n_docs;
    return at == end ? 0 : -1;
}

static int docs_unpack(const uint8_t *packed, size_t packed_bytes, size_t raw_bytes,
                       const shard_header *h, shard_docs *d, wt_err *err) {
    uint64_t n = h->n_docs;
    uint8_t *raw = malloc(raw_bytes);
    d->start = malloc((n + 1) * 8);
    d->id_hash = malloc(n * 8);
    d->i_record = malloc(n * 8);
    d->cap = n + 1;
    int failed = 0;
    if (!raw || !d->start || !d->id_hash || !d->i_record)
        failed = wt_fail(err, WT_ENOMEM, "no memory for a table of %llu documents",
                         (unsigned long long)n);
    else if (ZSTD_decompress(raw, raw_bytes, packed, packed_bytes) != raw_bytes ||
             columns_read(raw, raw_bytes, n, h, d))
        failed = wt_fail(err, WT_EDATA, "the document table is damaged");
    free(raw);
    return failed;
}

static bool frames_list_agrees(const shard_docs *d, const shard_header *h, const uint8_t *list) {
    uint8_t *mine = wt_xmalloc(4 * (size_t)h->n_frames + 1);
    docs_of_frames(d, h, mine);
    bool same = memcmp(mine, list, 4 * (size_t)h->n_frames) == 0;
    free(mine);
    return same;
}

int shard_docs_decode(wt_str frame, const shard_header *h, shard_docs *d, wt_err *err) {
    const uint8_t *p = (const uint8_t *)frame.ptr;
    size_t list = 4 * (size_t)h->n_frames;
    *d = (shard_docs){0};
    if (frame.len < DOCS_FIXED + list + 8 || get_u32(p) != SHARD_MAGIC_DOCS ||
        get_u64(p + frame.len - 8) != wt_xxh64(p, frame.len - 8, 0))
        return wt_fail(err, WT_EDATA, "the document table is damaged");
    size_t packed = frame.len - DOCS_FIXED - list - 8;
    uint64_t raw_bytes = get_u64(p + 32);
    /* A row takes at least 10 bytes and at most three numbers of 10. */
    if (get_u32(p + 4) != frame.len - 8 || memcmp(p + 8, DOCS_NAME, 8) != 0 ||
        get_u32(p + 16) != 0 || get_u32(p + 20) != h->n_frames || get_u64(p + 24) != h->n_docs ||
        get_u64(p + 40) != packed || raw_bytes < 10 * h->n_docs || raw_bytes > 28 * h->n_docs ||
        ZSTD_getFrameContentSize(p + DOCS_FIXED + list, packed) != raw_bytes)
        return wt_fail(err, WT_EDATA, "the document table contradicts the header");
    if (docs_unpack(p + DOCS_FIXED + list, packed, raw_bytes, h, d, err) == 0 &&
        frames_list_agrees(d, h, p + DOCS_FIXED))
        return 0;
    if (d->n)
        wt_fail(err, WT_EDATA, "the document table contradicts itself");
    shard_docs_free(d);
    return -1;
}

/* ---- tokens ---- */
void shard_pack(uint8_t *out, const uint32_t *tokens, size_t n, int token_bytes) {
    if (token_bytes == 4) {
        memcpy(out, tokens, 4 * n);
    } else if (token_bytes == 3) {
        for (size_t i = 0; i < n; i++)
            memcpy(out + 3 * i, &tokens[i], 3);
    } else {
        for (size_t i = 0; i < n; i++) {
            uint16_t id = (uint16_t)tokens[i];
            memcpy(out + 2 * i, &id, 2);
        }
    }
}

void shard_unpack(uint32_t *out, const uint8_t *tokens, size_t n, int token_bytes) {
    if (token_bytes == 4) {
        memcpy(out, tokens, 4 * n);
    } else if (token_bytes == 3) {
        for (size_t i = 0; i < n; i++) {
            out[i] = 0;
            memcpy(&out[i], tokens + 3 * i, 3);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            uint16_t id;
            memcpy(&id, tokens + 2 * i, 2);
            out[i] = id;
        }
    }
}

void shard_digest_tokens(wt_digest *digest, const uint8_t *tokens, size_t n, int token_bytes) {
    uint32_t wide[4096];
    for (size_t i = 0; i < n; i += 4096) {
        size_t m = n - i < 4096 ? n - i : 4096;
        shard_unpack(wide, tokens + i * (size_t)token_bytes, m, token_bytes);
        wt_digest_add(digest, wide, 4 * m);
    }
}

ZSTD_CCtx *shard_cctx_new(int level) {
    ZSTD_CCtx *cctx = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_compressionLevel, level ? level : SHARD_LEVEL_DEFAULT);
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_minMatch, 4);
    ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
    return cctx;
}

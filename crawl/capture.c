/* capture.c - writes the records that capture.h describes. */
#include "crawl/capture.h"

#include <stdlib.h>
#include <time.h>

#include "common/hash.h"
#include "common/in.h"
#include "common/tool.h"
#include "common/warc.h"

#define SAMPLE_BYTES ((size_t)8 << 10)

struct capture_writer {
    int level;
    bool keep_requests;
    wt_rng rng;
    wt_digest *sha;
    wt_buf block, body, sample;
};

capture_writer *capture_writer_new(int level, bool keep_requests, uint64_t seed) {
    capture_writer *w = wt_xcalloc(1, sizeof *w);
    w->level = level;
    w->keep_requests = keep_requests;
    wt_rng_init(&w->rng, seed, 0);
    w->sha = wt_digest_new(WT_SHA1);
    return w;
}

void capture_writer_free(capture_writer *w) {
    if (!w)
        return;
    wt_digest_free(w->sha);
    wt_buf_free(&w->block);
    wt_buf_free(&w->body);
    wt_buf_free(&w->sample);
    free(w);
}

static void new_id(capture_writer *w, char out[48]) {
    uint64_t bits[2] = {wt_rng_u64(&w->rng), wt_rng_u64(&w->rng)};
    wt_warc_uuid((const uint8_t *)bits, out);
}

static void digest_text(const uint8_t sha1[20], char out[48]) {
    memcpy(out, "sha1:", 5);
    wt_base32(sha1, 20, out + 5);
}

static void digest_of(capture_writer *w, wt_str bytes, uint8_t sha1[20], char text[48]) {
    uint8_t all[32];
    wt_digest_add(w->sha, bytes.ptr, bytes.len);
    wt_digest_end(w->sha, all);
    memcpy(sha1, all, 20);
    digest_text(sha1, text);
}

static const char *truncated_word(fetch_cut cut) {
    static const char *const words[] = {NULL, "length", "unspecified", "time", "disconnect"};
    return words[cut];
}

static void add(wt_warc_pair *fields, int *n, wt_str name, const char *value) {
    fields[(*n)++] = (wt_warc_pair){name, wt_str_of(value)};
}

/* A bomb is a coded body that decodes to more than CAPTURE_DECODED_MAX. Nothing here needs the decoded
 * body, so that only suspects are decoded: bodies that are large enough (deflate gives 1032:1 at most)
 * and whose first 8 KiB already give 50:1, which pages do not. */
static bool is_bomb(capture_writer *w, wt_str payload, wt_str coding) {
    wt_err err = {0};
    if (coding.len == 0 || payload.len < CAPTURE_DECODED_MAX / 1032)
        return false;
    wt_buf_clear(&w->sample);
    wt_str start = {payload.ptr, SAMPLE_BYTES};
    wt_decode_body(start, coding, 50 * SAMPLE_BYTES, &w->sample, &err);
    if (err.code != WT_ELIMIT)
        return false;
    wt_buf_clear(&w->sample);
    err = (wt_err){0};
    wt_decode_body(payload, coding, CAPTURE_DECODED_MAX, &w->sample, &err);
    wt_buf_free(&w->sample);
    return err.code == WT_ELIMIT;
}

int capture_encode(capture_writer *w, const fetch *x, capture *out, wt_err *err) {
    char date[32], response_id[48], request_id[48], block_digest[48], payload_digest[48];
    uint8_t sha1[20];
    wt_warc_pair fields[12];
    wt_http_message message;
    int n = 0;
    wt_iso_time(x->start_unix_ms / 1000, date);
    new_id(w, response_id);
    wt_buf_clear(&out->records);
    wt_buf_clear(&w->block);
    wt_buf_add_str(&w->block, wt_buf_view(&x->header));
    wt_buf_add_str(&w->block, wt_buf_view(&x->body));
    wt_str block = wt_buf_view(&w->block), payload = wt_buf_view(&x->body);
    if (wt_http_parse(block, &w->body, &message, NULL) == 0)
        payload = message.body;
    else
        memset(&message, 0, sizeof message);
    digest_of(w, payload, out->digest, payload_digest);
    digest_of(w, block, sha1, block_digest);
    out->payload_bytes = payload.len;
    out->bomb = is_bomb(w, payload, message.content_encoding);

    add(fields, &n, WT_STR("WARC-Record-ID"), response_id);
    add(fields, &n, WT_STR("WARC-Date"), date);
    add(fields, &n, WT_STR("WARC-Target-URI"), x->url);
    if (x->ip[0])
        add(fields, &n, WT_STR("WARC-IP-Address"), x->ip);
    if (x->http2)
        add(fields, &n, WT_STR("WARC-Protocol"), "h2");
    /* Of a chunked body the standard's payload is what is inside the chunks; warcio and others digest the
     * chunks as well and call anything else damage. The state has the true one; no field is better than
     * one that half of the readers refuse. */
    if (wt_http_field(wt_buf_view(&x->header), "Transfer-Encoding").len == 0)
        add(fields, &n, WT_STR("WARC-Payload-Digest"), payload_digest);
    add(fields, &n, WT_STR("WARC-Block-Digest"), block_digest);
    if (truncated_word(x->cut))
        add(fields, &n, WT_STR("WARC-Truncated"), truncated_word(x->cut));
    add(fields, &n, WT_STR("Content-Type"), "application/http;msgtype=response");
    if (wt_warc_encode(&out->records, WT_STR("response"), fields, n, block, WT_WARC_GZIP, w->level, err))
        return wt_context(err, "the record of '%s'", x->url);
    out->response_bytes = out->records.len;
    if (!w->keep_requests)
        return 0;

    n = 0;
    new_id(w, request_id);
    digest_of(w, wt_buf_view(&x->request), sha1, block_digest);
    add(fields, &n, WT_STR("WARC-Record-ID"), request_id);
    add(fields, &n, WT_STR("WARC-Date"), date);
    add(fields, &n, WT_STR("WARC-Target-URI"), x->url);
    add(fields, &n, WT_STR("WARC-Concurrent-To"), response_id);
    add(fields, &n, WT_STR("WARC-Block-Digest"), block_digest);
    add(fields, &n, WT_STR("Content-Type"), "application/http;msgtype=request");
    return wt_warc_encode(&out->records, WT_STR("request"), fields, n, wt_buf_view(&x->request),
                          WT_WARC_GZIP, w->level, err);
}

int capture_encode_info(capture_writer *w, const char *filename, wt_str text, wt_buf *out, wt_err *err) {
    char id[48], date[32];
    wt_warc_pair fields[5];
    int n = 0;
    new_id(w, id);
    wt_iso_time((int64_t)time(NULL), date);
    add(fields, &n, WT_STR("WARC-Record-ID"), id);
    add(fields, &n, WT_STR("WARC-Date"), date);
    add(fields, &n, WT_STR("WARC-Filename"), filename);
    add(fields, &n, WT_STR("Content-Type"), "application/warc-fields");
    return wt_warc_encode(out, WT_STR("warcinfo"), fields, n, text, WT_WARC_GZIP, w->level, err);
}

/* capture.h - one HTTP exchange as WARC/1.1 records (ISO 28500:2017): the response, then the request
 * that points to it, each its own gzip member; both carry the date at which the request was sent.
 *
 * The response's block is what came over the wire, chunked coding and all. The payload's digest is over
 * the body with the transfer coding undone and the content coding kept, as the standard's keepers
 * read it (iipc/warc-specifications 22); it is returned for every capture, and written into the record
 * where all readers agree on it: where the body was not chunked. A status line of HTTP/2 is written as HTTP/1.1 with the field
 * WARC-Protocol: h2. A body that was cut says so in WARC-Truncated. */
#ifndef WT_CRAWL_CAPTURE_H
#define WT_CRAWL_CAPTURE_H

#include "common/err.h"
#include "common/rng.h"
#include "common/str.h"
#include "crawl/fetch.h"

#define CAPTURE_DECODED_MAX ((size_t)16 << 20)

typedef struct capture_writer capture_writer;         /* scratch of one thread */

typedef struct {
    wt_buf records;             /* the members, ready for the file */
    size_t response_bytes;      /* of the first member */
    uint64_t payload_bytes;     /* body without transfer coding */
    uint8_t digest[20];         /* SHA-1 of the payload */
    bool bomb;                  /* decodes to more than CAPTURE_DECODED_MAX */
} capture;

/* level: gzip 1..9.  keep_requests: also write request records. */
capture_writer *capture_writer_new(int level, bool keep_requests, uint64_t seed);
void capture_writer_free(capture_writer *w);

/* Replaces *out. The exchange must have an answer (status above 0). */
int capture_encode(capture_writer *w, const fetch *exchange, capture *out, wt_err *err);

/* The record a file starts with. fields: "name: value\r\n" lines as application/warc-fields. */
int capture_encode_info(capture_writer *w, const char *filename, wt_str fields, wt_buf *out,
                        wt_err *err);

#endif

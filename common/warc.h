/* warc.h - WARC/1.0 and 1.1 records (ISO 28500:2017), read from anything wt_in opens and written as
 * one gzip member (or zstd frame) a record. */
#ifndef WT_COMMON_WARC_H
#define WT_COMMON_WARC_H

#include "common/err.h"
#include "common/in.h"
#include "common/str.h"

#define WT_WARC_HEADER_MAX ((size_t)1 << 20)

typedef struct {
    wt_str type, target_uri, date, record_id, content_type, payload_digest, truncated;
    wt_str header;              /* all header lines as they stand */
    wt_str block;               /* the record's block; cut at max_block */
    uint64_t content_length;    /* as declared */
    uint64_t offset;            /* of the member in the file (decoded offset where plain) */
    bool cut;                   /* block is shorter than content_length because of max_block */
} wt_warc_record;

typedef struct wt_warc_reader wt_warc_reader;
wt_warc_reader *wt_warc_reader_new(wt_in *in, size_t max_block);  /* in stays the caller's */
void wt_warc_reader_free(wt_warc_reader *reader);
/* The next record, borrowed until the next call. 1, 0 at the end, -1 (WT_EDATA: not a WARC, cut in the
 * middle or damaged; names the offset). After -1 the next call goes on with the next sound record. */
int wt_warc_next(wt_warc_reader *reader, wt_warc_record *record, wt_err *err);
wt_str wt_warc_field(const wt_warc_record *record, const char *name);   /* empty where absent */

/* An HTTP message in a block: status line, header lines, body (chunked coding undone into `scratch`
 * where needed). WT_EDATA where it is not HTTP/1.x. */
typedef struct {
    int status;
    wt_str header, body;
    wt_str content_type, content_encoding;             /* header values, trimmed; may be empty */
} wt_http_message;
int wt_http_parse(wt_str block, wt_buf *scratch, wt_http_message *message, wt_err *err);
wt_str wt_http_field(wt_str header, const char *name); /* first value, trimmed; empty where absent */

typedef enum { WT_WARC_GZIP, WT_WARC_ZSTD, WT_WARC_PLAIN } wt_warc_coding;
typedef struct {
    wt_str name, value;
} wt_warc_pair;
/* Appends one encoded record to out: "WARC/1.1", WARC-Type, the given fields in order,
 * Content-Length, block, two CRLF; as one gzip member or zstd frame with checksum. */
int wt_warc_encode(wt_buf *out, wt_str type, const wt_warc_pair *fields, int n_fields,
                   wt_str block, wt_warc_coding coding, int level, wt_err *err);
void wt_warc_uuid(const uint8_t random[16], char out[48]);  /* "<urn:uuid:...>", version 4 */

#endif

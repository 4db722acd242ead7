/* in_impl.h - what in.c (the file and its decoders), in_lines.c and in_stretch.c (lines of what is decoded) share. */
#ifndef WT_COMMON_IN_IMPL_H
#define WT_COMMON_IN_IMPL_H

#include <bzlib.h>
#include <libdeflate.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include "common/in.h"

typedef enum { KIND_UNKNOWN, KIND_PLAIN, KIND_ZSTD, KIND_GZIP, KIND_XZ, KIND_BZIP2 } kind;

struct wt_in {
    char *name;
    int fd;                          /* -1: all of the input is in raw already */
    bool raw_end;                    /* the file has no more bytes than raw holds */
    bool own_fd, own_raw;
    uint8_t *raw;                    /* bytes of the file: raw[raw_at .. raw_len) is not yet used */
    size_t raw_at, raw_len;
    uint64_t raw_base;               /* offset in the file of raw[0] */
    uint64_t raw_stop;               /* offset where reading stops; UINT64_MAX: at the file's end */
    uint64_t raw_bytes;

    kind kind;
    ZSTD_DCtx *zstd;
    z_stream gzip;
    struct libdeflate_decompressor *whole;  /* for members that lie in raw and fit into decoded */
    lzma_stream xz;
    bz_stream bzip2;
    bool in_member;                  /* the decoder is inside a member */
    bool done;                       /* nothing more will be decoded */
    uint64_t member_at;              /* file offset of the member the span belongs to */
    uint64_t member_made;            /* decoded bytes of it so far */

    uint8_t *decoded;                /* CHUNK bytes, absent for plain */
    const uint8_t *at, *end;         /* decoded bytes not yet handed out */
    uint64_t offset;
    wt_buf line;                     /* a line that does not lie in one span */
    bool failed, told;               /* told: the caller knows of the failure */
    int n_resyncs;
    wt_err err;
};

#define WT_IN_CHUNK ((size_t)256 << 10)

/* What kind it is, before a byte is asked for. An error is kept and told by the next read. */
void wt_in_learn(wt_in *in);
/* Makes sure of at least n unused raw bytes (n <= WT_IN_CHUNK), or of the file's end. */
int wt_in_raw_need(wt_in *in, size_t n, wt_err *err);
static inline size_t wt_in_raw_left(const wt_in *in) { return in->raw_len - in->raw_at; }
/* Offset `to` of the file is read next. False where it cannot be reached: a pipe, or behind the end of memory. */
bool wt_in_raw_seek(wt_in *in, uint64_t to);

int wt_in_span_next(wt_in *in, wt_err *err);
/* Sees to it that there is at least one decoded byte; [at, end) is of one member. 1, 0 at the end, -1 with the first error,
 * for ever. */
static inline int wt_in_span(wt_in *in, wt_err *err) { return in->at < in->end ? 1 : wt_in_span_next(in, err); }

#endif

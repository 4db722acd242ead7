/* in.h - reading files in any compression. zstd (windows up to 2 GiB), gzip, xz, bzip2 and plain
 * are told apart by their first bytes, never by name; concatenated frames and members are read
 * through; zstd skippable frames are skipped. Memory is bounded: buffers of 256 KiB and what the
 * decoder's window takes. A cut or damaged stream is WT_EDATA with the file's name and offset. */
#ifndef WT_COMMON_IN_H
#define WT_COMMON_IN_H

#include "common/err.h"
#include "common/str.h"

typedef struct wt_in wt_in;

wt_in *wt_in_open(const char *path, wt_err *err);     /* "-" is standard input */
/* Bytes [from, to) of a file as they are stored, compressed or not; as far as there are any. Not of a pipe. */
wt_in *wt_in_open_range(const char *path, uint64_t from, uint64_t to, wt_err *err);
wt_in *wt_in_memory(wt_str bytes, const char *name);  /* borrowed bytes; same detection */
void wt_in_close(wt_in *in);

/* Reads up to n decoded bytes. Returns how many, 0 at the end, -1 on failure. */
ptrdiff_t wt_in_read(wt_in *in, void *bytes, size_t n, wt_err *err);

/* Whether what comes next begins with these few bytes, which stay to be read: 1, 0, -1 on failure. A gzip member or
 * zstd frame that holds less than them does not. */
int wt_in_starts_with(wt_in *in, wt_str start, wt_err *err);

/* The next line without its '\n' (and without a '\r' before it); borrowed until the next call.
 * Returns 1; 0 at the end; -1 on failure. A last line without '\n' counts. A line of more than
 * max_bytes is skipped whole, *too_long counts it, and reading goes on with the next. */
int wt_in_line(wt_in *in, size_t max_bytes, wt_str *line, uint64_t *too_long, wt_err *err);

/* Whole lines, for workers: fills `block` with as many complete lines as fit about `want` bytes
 * (always at least one), each with its '\n'. Returns 1, 0 at the end, -1. Same too_long rule. */
int wt_in_block(wt_in *in, size_t want, size_t max_line, wt_buf *block, uint64_t *too_long,
                wt_err *err);

/* Whole lines again, cut where no one has to look at what lies between the cuts: appends the next `want` bytes to `bytes`, and
 * what follows them to the end of its line (nothing, where they end with one). NULL passes over the same bytes: a plain
 * file is not read for that, nor are zstd frames decoded that tell their sizes. Adds to *passed how many they were, with the '\n'
 * that a last line without one gets. A line is kept up to max_line + 1 of its bytes behind `want`, so a longer one shows.
 * Returns 1; 0: the input ended first, also where nothing was left; -1. */
int wt_in_stretch(wt_in *in, uint64_t want, size_t max_line, wt_buf *bytes, uint64_t *passed, wt_err *err);

const char *wt_in_name(const wt_in *in);
bool wt_in_is_plain(wt_in *in);                       /* stored as it is read: not compressed */
uint64_t wt_in_offset(const wt_in *in);               /* decoded bytes handed out */
uint64_t wt_in_raw_offset(const wt_in *in);           /* bytes taken from the file */
uint64_t wt_in_raw_bytes(const wt_in *in);            /* the file's size; 0 where unknown */
/* Offset in the file of the gzip member or zstd frame that the next byte handed out belongs to. */
uint64_t wt_in_member_offset(wt_in *in);

/* Behind a failure: goes to the next place in the file that looks like the beginning of a gzip member or zstd
 * frame, so that a damaged one costs itself alone. True where reading can go on (also where nothing had
 * failed); else the input is at its end. A thousand times at most. */
bool wt_in_resync(wt_in *in);

/* Decodes a whole HTTP body ("gzip", "deflate", "br", "zstd", "identity", or a list "a, b") into
 * out. At most max_bytes come out (WT_ELIMIT; out then holds what came before). */
int wt_decode_body(wt_str body, wt_str content_encoding, size_t max_bytes, wt_buf *out,
                   wt_err *err);

#endif

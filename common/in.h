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

/* Many lines at a time, for those who keep them: appends to `lines` until it holds `max_lines`, or `max_bytes` or
 * more. Lines of white space alone are no lines: they lie in front of the next one. Returns 1 where that is
 * reached, 0 at the end of the input (with what came before it), -1. Same too_long rule. */
typedef struct {
    wt_buf bytes;               /* lines behind each other, each with its '\n' */
    size_t *end;                /* of each line, behind the '\n' */
    size_t n, cap, n_bytes;
    uint64_t n_blank;           /* lines of white space */
    bool pass;                  /* bytes and end stay empty: lines are counted alone */
} wt_lines;
int wt_in_lines(wt_in *in, wt_lines *lines, size_t max_lines, size_t max_bytes, size_t max_line, uint64_t *too_long,
                wt_err *err);
void wt_lines_clear(wt_lines *lines);                 /* memory kept, and `pass` */
void wt_lines_free(wt_lines *lines);
/* Line i without white space around it. */
static inline wt_str wt_lines_at(const wt_lines *lines, size_t i) {
    const char *line = lines->bytes.ptr + (i ? lines->end[i - 1] : 0);
    size_t n = (size_t)(lines->bytes.ptr + lines->end[i] - line) - 1;
    bool tight = (unsigned char)line[0] > ' ' && (unsigned char)line[n - 1] > ' ';
    return tight ? (wt_str){line, n} : wt_str_trim((wt_str){line, n});
}

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

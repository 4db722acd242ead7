/* lines.h - the documents of many files as one sequence of lines, cut into batches, and those into parts of the output.
 *
 * A part ends behind the first line that makes it part_bytes. Inside a part cuts lie at multiples of batch_bytes, each
 * moved to the end of the line there. So where a batch ends follows from bytes alone, wherever files begin and end, and
 * whoever does not want some batches goes behind them all without reading what lies before (wt_in_stretch): ranks take the
 * cuts of a round each from one number on, and tell each other afterwards where their batches were. */
#ifndef WT_DEDUP_LINES_H
#define WT_DEDUP_LINES_H

#include <stdbool.h>

#include "common/fs.h"
#include "common/in.h"

/* A place in the input: this many decoded bytes of file i were taken. */
typedef struct {
    uint64_t i_file, byte;
} lines_place;

typedef struct {
    wt_buf bytes;               /* of this rank's batches alone */
    uint64_t n_bytes, in_part;  /* in_part: bytes of the part before it */
    uint64_t i_part;
    uint64_t i_cut;             /* rises with each batch; a number is left out where a line goes on behind a cut */
    bool ends_part;
    lines_place after;
    wt_str *line;               /* by lines_split(): without white space around them, and none of white space alone */
    size_t n, cap;
    uint64_t n_too_long;        /* of more than WT_DOC_LINE_MAX bytes, which are left out */
} lines_batch;

void lines_batch_free(lines_batch *batch);            /* what it holds */
void lines_split(lines_batch *batch);
/* Bytes of the first n lines and what lies between them. */
uint64_t lines_bytes(const lines_batch *batch, size_t n);

typedef struct lines lines;

/* part_bytes 0: the input is one part. Borrows the paths. */
lines *lines_new(const wt_paths *inputs, uint64_t batch_bytes, uint64_t part_bytes);
void lines_free(lines *in);
/* Goes to the beginning of a part, before anything else was taken. */
void lines_begin_at(lines *in, lines_place at, uint64_t i_part);
/* 1; 0 at the end of the input or of what lines_go allows; -1. */
int lines_next(lines *in, lines_batch *batch, wt_err *err);

/* ---- several ranks: rounds of cuts ----
 * All call lines_ahead, then each goes to its own cuts and takes batches, then all meet all batches of the round, in order. */
/* Cuts that are left of the part or of the input behind the last round, the same for all: few where it is
 * not known better (compressed files count as what they take on disk), one at the least. */
uint64_t lines_ahead(lines *in);
/* Batches between these two of them come next, perhaps none. 0 or -1. */
int lines_go(lines *in, uint64_t from, uint64_t to, wt_err *err);
/* WT_EDATA where the batch does not begin at the end of the one before. */
int lines_meet(lines *in, const lines_batch *batch, wt_err *err);
void lines_pack(const lines_batch *batch, wt_buf *bytes);         /* where it lies, without its bytes */
void lines_unpack(lines_batch *batch, wt_str *bytes);

#endif

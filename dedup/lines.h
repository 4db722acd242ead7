/* lines.h - the documents of many files as one sequence of lines, cut into batches, and those into parts of the output.
 *
 * A part ends behind the first line that makes it part_bytes. Inside a part cuts lie at multiples of batch_bytes, each
 * moved to the end of the line there. So where a batch ends follows from bytes alone, wherever files begin and end, and
 * whoever does not want a batch goes to its end without reading what lies before it (wt_in_stretch). */
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
    wt_buf bytes;               /* empty where the batch was passed over */
    uint64_t n_bytes;           /* also then */
    uint64_t i_part;
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
/* 1; 0 at the end; -1. `mine`: its bytes are wanted. */
int lines_next(lines *in, lines_batch *batch, bool mine, wt_err *err);
/* Batches that are left of the part or of the input, the same for all who took the same so far: few where it is
 * not known better (compressed files count as what they take on disk), one at the least. */
uint64_t lines_ahead(const lines *in);

#endif

/* source.h - texts out of files in pieces that threads can work on alone: whole lines of JSONL or
 * plain text, or parts of one long text cut where no token crosses. Inside bpe/ and tools/. */
#ifndef WT_BPE_SOURCE_H
#define WT_BPE_SOURCE_H

#include "bpe/bpe.h"
#include "common/in.h"
#include "common/memory.h"

typedef enum {
    BPE_INPUT_JSONL,    /* a document a line, its "text" */
    BPE_INPUT_TEXT,     /* a document a file */
    BPE_INPUT_LINES     /* a document a line of plain text, without its line end */
} bpe_input;

typedef struct {
    wt_buf bytes;
    bool ends_document;             /* TEXT: the file ends here */
    wt_str mapped;                  /* in place of bytes: a temporary file, for a text too long for memory */
    size_t n_kept;                  /* of lines: those within the limit, in bytes */
} bpe_piece;

void bpe_piece_reset(bpe_piece *piece);                 /* gives the mapping back; bytes stay for use again */

typedef struct {
    size_t i_path;
    uint64_t from, to;              /* to 0: the whole file, in whatever compression */
    bool ends;                      /* it goes to the file's end */
} bpe_span;

typedef struct {
    char **path;
    size_t n_paths;
    bpe_input input;
    size_t piece_bytes;             /* about this much at a time; 0: 4 MiB */
    uint64_t limit;                 /* documents; 0: all */
    size_t (*cut)(const void *ctx, wt_str text);    /* as bpe_cut */
    const void *cut_ctx;
    /* This rank's share: byte ranges of plain files, cut between documents or where no token crosses; other files as a
     * whole, the largest first to whom has least. With a limit (but see bpe_source_find_limit) each rank reads all up to
     * it and takes every n-th piece. */
    size_t rank, n_ranks;
    uint64_t last_bytes;            /* of the last file only so many; 0: all */
    bool long_to_file;              /* a text that cannot be cut, or a long line, goes to a temporary file, not to memory */
    const char *temp_dir;           /* for it */
    /* private */
    bpe_span *span;
    size_t n_spans, cap_spans, i_span;
    uint64_t share_bytes;           /* of the files, for progress */
    wt_in *in;
    wt_buf carry;
    uint64_t n_pieces, n_documents, bytes_done, too_long;
} bpe_source;

/* Finds out this rank's share; share_bytes are there after it. bpe_source_read does it if it was not done. */
int bpe_source_plan(bpe_source *source, wt_err *err);

/* For several ranks: turns a limit into fewer files, with last_bytes of the last, so that they can be shared. One rank looks
 * for the place and tells the others. False where that cannot be: lines of files that are compressed, standard input. */
int bpe_source_find_limit(const bpe_source *source, bool *can, uint64_t *n_paths, uint64_t *last_bytes, wt_err *err);

/* The next piece. 1, 0 at the end, -1. */
int bpe_source_read(bpe_source *source, bpe_piece *piece, wt_err *err);
void bpe_source_close(bpe_source *source);
/* Position in all files together, in bytes as stored, for progress. */
uint64_t bpe_source_position(const bpe_source *source);

/* What a piece held. */
typedef struct {
    uint64_t documents, bytes, not_json, no_text;
} bpe_piece_facts;

/* Calls take for each document of a piece (TEXT: for the part of one). The arena is for decoded strings;
 * it is reset. */
int bpe_piece_each(const bpe_source *source, const bpe_piece *piece, wt_arena *arena,
                   int (*take)(void *ctx, wt_str text, wt_err *err), void *ctx,
                   bpe_piece_facts *facts, wt_err *err);

#endif

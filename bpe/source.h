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
} bpe_piece;

typedef struct {
    char **path;
    size_t n_paths, i_path;
    bpe_input input;
    size_t piece_bytes;             /* about this much at a time; 0: 4 MiB */
    uint64_t limit;                 /* documents; 0: all */
    size_t (*cut)(const void *ctx, wt_str text);    /* as bpe_cut */
    const void *cut_ctx;
    size_t rank, n_ranks;           /* takes pieces whose number is rank modulo n_ranks */
    /* private */
    wt_in *in;
    wt_buf carry;
    uint64_t n_pieces, n_documents, bytes_done, too_long;
} bpe_source;

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

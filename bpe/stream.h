/* stream.h - whole files through the tokenizer or into a counter, in many threads, in bounded memory; and files of counted
 * words. Inside bpe/ and tools/. */
#ifndef WT_BPE_STREAM_H
#define WT_BPE_STREAM_H

#include "bpe/source.h"
#include "common/fs.h"

typedef enum { BPE_IDS_TEXT, BPE_IDS_U16, BPE_IDS_U32 } bpe_ids;

typedef struct {
    const bpe_model *model;
    char **path;
    size_t n_paths;
    bpe_input input;
    bpe_ids ids;
    bpe_special special;
    const char *output, *offsets;   /* NULL: standard output; none */
    int threads;
    uint64_t limit, cache_bytes;
    uint64_t n_ids, too_long;       /* out */
} bpe_stream;

int bpe_stream_encode(bpe_stream *stream, bpe_piece_facts *facts, wt_err *err);
int bpe_stream_decode(bpe_stream *stream, wt_err *err);

/* Counts the words of files (paths may be none) by the counter's options. Collective; facts are of all ranks, *too_long (lines
 * passed over) of this one. WT_ESTOP where a signal came. */
int bpe_count_files(bpe_counter *counter, const wt_paths *paths, bpe_input input, uint64_t limit, bpe_piece_facts *facts,
                    uint64_t *too_long, wt_err *err);

/* Files of words: a line is COUNT SP WORD, the word's bytes as GPT-2's printable characters. */
int bpe_counts_write(const bpe_counter *counter, const char *path, wt_err *err);
int bpe_counts_read(bpe_counter *counter, const char *path, wt_err *err);

#endif

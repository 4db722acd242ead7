/* giants.h - words too long for a table, with their counts: a text without any place to cut is one word, and may be of
 * gigabytes. They lie in a file, and of each only its hash is in memory; equal hashes are compared byte by byte
 * when all are there. Inside bpe/. */
#ifndef WT_BPE_GIANTS_H
#define WT_BPE_GIANTS_H

#include "bpe/words.h"

typedef struct {
    uint64_t hash, len, count;
    uint64_t at;                    /* of its first byte in the file */
    const bpe_words *file;
} bpe_giant;

typedef struct {
    bpe_giant *giant;
    size_t n, cap;
    bpe_words file;                 /* their bytes alone, one behind the other */
} bpe_giants;

/* The giants point to their list's file: it must stay where it is until they are written. */
void bpe_giants_init(bpe_giants *giants, const char *temp_dir);
void bpe_giants_free(bpe_giants *giants);
int bpe_giants_add(bpe_giants *giants, wt_str word, uint64_t count, wt_err *err);
/* Appends the words of n lists to `out`, equal ones once with the sum of their counts, in order of hash. */
int bpe_giants_write(bpe_giants *const *lists, size_t n, bpe_words *out, wt_err *err);

#endif

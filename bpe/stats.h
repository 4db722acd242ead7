/* stats.h - how a tokenizer does on counted words. Inside bpe/ and tools/. */
#ifndef WT_BPE_STATS_H
#define WT_BPE_STATS_H

#include "bpe/bpe.h"

typedef struct {
    uint64_t bytes, words, distinct_words, tokens;
    uint64_t whole_words;           /* words that are one token */
    uint64_t *uses;                 /* of each id */
    uint32_t n_ids, n_used;         /* ids of the vocabulary; those that occur */
} bpe_stats;

int bpe_stats_fill(bpe_stats *stats, const bpe_model *model, const bpe_counter *counter, uint64_t bytes,
                   wt_err *err);
void bpe_stats_free(bpe_stats *stats);
/* A table, or JSON: one column or object a tokenizer. */
void bpe_stats_print(wt_buf *out, const char *const *name, bpe_model *const *model, const bpe_stats *stats,
                     size_t n, bool json);

#endif

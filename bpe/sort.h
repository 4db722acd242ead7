/* sort.h - counted words in order, whatever memory there is. Inside bpe/. */
#ifndef WT_BPE_SORT_H
#define WT_BPE_SORT_H

#include "bpe/words.h"

/* Calls visit for each word, most frequent first, then in byte order (of their first BPE_PART_MAX bytes, then the shorter
 * first). Needs about `memory` bytes, or as many as the longest word has. */
int bpe_words_visit_sorted(const bpe_words *words, size_t memory, const char *temp_dir, bpe_word_visitor *visit, void *ctx,
                           wt_err *err);

#endif

/* count.h - distinct words with their counts. Inside bpe/. */
#ifndef WT_BPE_COUNT_H
#define WT_BPE_COUNT_H

#include "bpe/model.h"
#include "bpe/words.h"

/* What the learner needs of a finished counter. */
bpe_words *bpe_counter_take(bpe_counter *counter);            /* free them to save memory */
const bpe_train_options *bpe_counter_options(const bpe_counter *counter);
const bpe_added_set *bpe_counter_specials(const bpe_counter *counter);
const char *bpe_counter_pattern(const bpe_counter *counter);
/* Bytes of --memory for what grows with the words while there are so many ids: all but the process itself and theirs. */
size_t bpe_learning_memory(const bpe_train_options *options, uint32_t n_ids);

/* Counts a part of a document that is a mapped file: its pages are given back as counting goes on. */
int bpe_counter_add_mapped(bpe_counter *counter, int i_thread, wt_str document, wt_err *err);

#endif

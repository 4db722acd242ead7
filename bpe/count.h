/* count.h - distinct words with their counts. Inside bpe/. */
#ifndef WT_BPE_COUNT_H
#define WT_BPE_COUNT_H

#include "bpe/model.h"
#include "bpe/paged.h"

typedef struct {
    uint64_t *at;                   /* n + 1 positions in bytes */
    uint64_t *count;
    size_t n, cap_at, cap_count;
    char *bytes;
    size_t n_bytes, cap_bytes;
    bpe_paged paged;                /* where they are */
} bpe_words;

void bpe_words_add(bpe_words *words, wt_str word, uint64_t count);
void bpe_words_free(bpe_words *words);
static inline wt_str bpe_words_text(const bpe_words *w, size_t i) {
    return (wt_str){w->bytes + w->at[i], w->at[i + 1] - w->at[i]};
}

/* What the learner needs of a finished counter. */
bpe_words *bpe_counter_take(bpe_counter *counter);            /* empty it to save memory */
const bpe_train_options *bpe_counter_options(const bpe_counter *counter);
const bpe_added_set *bpe_counter_specials(const bpe_counter *counter);
const char *bpe_counter_pattern(const bpe_counter *counter);
uint64_t bpe_counter_memory(const bpe_counter *counter);      /* --memory */
/* Memory that learning from that many words of so many bytes takes. */
uint64_t bpe_learning_memory(uint64_t words, uint64_t bytes);

#endif

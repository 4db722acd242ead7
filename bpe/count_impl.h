/* count_impl.h - what the parts of the counter share: count.c (texts into the tables of threads), count_gather.c (the
 * tables of all threads into one list of words), count_ranks.c (the lists of all ranks into one). */
#ifndef WT_BPE_COUNT_IMPL_H
#define WT_BPE_COUNT_IMPL_H

#include "bpe/count.h"
#include "bpe/giants.h"
#include "bpe/word_table.h"

enum { BPE_COUNT_BATCH = 192 };

/* One spilled table. */
typedef struct {
    uint64_t offset[BPE_RANGES + 1];    /* in the spill file, of each range */
} bpe_spilled_run;

/* What one thread has counted. */
typedef struct {
    bpe_word_table words;
    bpe_words spill;
    bpe_spilled_run *runs;
    size_t n_runs, cap_runs;
    bpe_giants giants;
    bpe_split_state *split;
    bool mapped;                    /* the text lies in a mapped file */
    bpe_key key[BPE_COUNT_BATCH];   /* of one batch of words */
    uint64_t hash[BPE_COUNT_BATCH];
    uint32_t ends[BPE_COUNT_BATCH];
} bpe_count_worker;

struct bpe_counter {
    bpe_train_options options;
    bpe_splitter *splitter;
    bpe_added_set specials;
    char *special_text;
    bpe_count_worker **workers;     /* apart, so that threads do not share lines */
    int threads;
    uint64_t share;                 /* bytes of memory for one worker's table */
    bpe_words words;                /* after finish */
    uint64_t spilled;
};

/* count.c */
bpe_count_worker *bpe_count_worker_new(const bpe_counter *counter);
void bpe_count_workers_free(bpe_counter *counter);
int bpe_add_to_words(void *words, wt_str word, uint64_t count, wt_err *err);   /* a visitor */
/* count_gather.c: the words of all workers become the counter's; workers are gone. */
int bpe_counter_gather(bpe_counter *counter, wt_err *err);
/* count_ranks.c: the words of all ranks become rank 0's, where more than one counts. Collective. */
int bpe_counter_sum_ranks(bpe_counter *counter, wt_err *err);

#endif

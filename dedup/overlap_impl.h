/* overlap_impl.h - what the files of overlap share: overlap.c (test sets, and what is done in which order), overlap_docs.c
 * (documents into keys), overlap_train.c (passes over the training text), overlap_ways.c (bloom and inverted),
 * overlap_print.c (results). */
#ifndef WT_DEDUP_OVERLAP_IMPL_H
#define WT_DEDUP_OVERLAP_IMPL_H

#include "common/in.h"
#include "common/memory.h"
#include "common/out.h"
#include "dedup/bloom.h"
#include "dedup/keyset.h"
#include "dedup/overlap.h"
#include "dedup/words_impl.h"

typedef struct {
    size_t key_end;             /* of its keys; they begin where the last example's end */
    wt_str id;                  /* may be empty */
} overlap_example;

/* A test set: the keys of its n-grams in text order, and what was found of them. */
typedef struct {
    u64_list keys;
    u64_list runs;              /* ends of runs of neighbouring n-grams: strings of the examples */
    overlap_example *at;
    size_t n, cap;
    uint8_t *found[2];          /* bit g: training set g has the key; [0] bloom, [1] inverted */
    size_t *distinct;           /* indexes of keys, one a distinct key */
    size_t n_distinct;
} overlap_test;

/* What is known of a training set behind its passes. */
typedef struct {
    uint64_t documents, words, ngrams, bytes;
    double distinct;            /* n-grams, estimated */
    bloom_stats filter;
    uint64_t probes, probe_hits;
} overlap_facts;

typedef struct {
    const overlap_job *job;
    overlap_test *test;
    overlap_facts fact[OVERLAP_TRAINS_MAX];
    wt_arena *ids;
} overlap;

static inline void list_add_all(u64_list *to, const u64_list *from) {
    list_room(to, from->n);
    if (from->n) memcpy(to->at + to->n, from->at, from->n * sizeof *from->at);
    to->n += from->n;
}

/* ---- overlap_docs.c ---- */
typedef struct {
    const wt_paths *paths;
    size_t i_path;
    wt_in *in;                  /* the open one; NULL: the next is to be opened */
    bool json, lines;           /* what it holds; the job's word for plain text */
    uint64_t too_long, bad;     /* lines passed over */
} overlap_source;

typedef struct {
    wt_buf bytes;
    u64_list end;               /* of each document */
    bool json;
} overlap_block;

/* The next documents of one file: about 4 MiB, or one that is longer. 1, 0 behind the last file, -1. */
int overlap_block_read(overlap_source *source, overlap_block *block, wt_err *err);

typedef struct {
    u64_list words;             /* scratch */
    u64_list keys, runs;        /* of the document: see overlap_test */
    wt_arena *arena;
    wt_str id;                  /* in the arena or the document */
    uint64_t n_words;
} overlap_keys;

/* Fills k anew. False for a line that is not JSON. */
bool overlap_document_keys(const overlap_job *job, wt_str document, bool json, overlap_keys *k);
void overlap_keys_free(overlap_keys *k);

/* ---- overlap_ways.c ---- */
enum { OVERLAP_HLL_BITS = 14, OVERLAP_HLL_N = 1 << OVERLAP_HLL_BITS };
/* A counter of distinct keys is OVERLAP_HLL_N registers. */
void overlap_hll_add(uint8_t *hll, const uint64_t *keys, size_t n);

/* All test keys with the training sets that have them: open addressing, half full at most, behind a
 * filter that stays in the cache and turns most training n-grams away. */
typedef struct {
    uint64_t *key, mask;
    uint8_t *found;             /* as in overlap_test */
    bloom *gate;
} overlap_table;

/* Sets `bit` for those of n keys that the gate let through and the table has; returns how many. From any thread. */
uint64_t overlap_table_mark(overlap_table *table, const uint64_t *keys, const uint8_t *maybe, size_t n, uint8_t bit);

/* Both collective; found[0] of one training set, found[1] of all. */
int overlap_run_bloom(overlap *o, size_t i_train, wt_err *err);
int overlap_run_inverted(overlap *o, wt_err *err);

/* ---- overlap_train.c ---- */
typedef struct {
    overlap *o;
    size_t i_train;
    overlap_source source;
    /* what is done with the keys: one of */
    uint8_t *hll;               /* OVERLAP_HLL_N for each thread */
    keyset *filter;
    overlap_table *table;
    wt_out *list, *clean;       /* of contaminated and of other documents; rank 0 has them */
    bool writes;                /* some rank has */
    uint64_t contaminated;
    uint64_t n_blocks;          /* read so far */
} overlap_pass;

/* Fills the training set's facts. Collective. */
int overlap_pass_run(overlap_pass *pass, const char *label, wt_err *err);

/* ---- overlap_print.c ---- way: 0 bloom, 1 inverted */
/* Says in JSON and in words how the two ways compare; fails (WT_EDATA) where the filter's rate does not explain it. */
int overlap_check_agreement(const overlap *o, wt_buf *json, wt_buf *text, wt_err *err);
int overlap_write_table(const overlap *o, int way, wt_str json_agreement, wt_str text_agreement, wt_err *err);
int overlap_write_examples(const overlap *o, int way, wt_err *err);

#endif

/* overlap.h - how much of a test set was in a training set (Radford et al. 2019, section 4): the share
 * of the test set's n-grams of lower-cased alphanumeric words that occur in the training documents.
 *
 *   bloom      the paper's way: a filter of the training n-grams, then the test n-grams are asked. The
 *              filter grows with the training set: 44 bits an n-gram at a rate of 1e-8
 *   inverted   the other way round: a table of the test n-grams, and the training text streams past
 *              it. Exact up to collisions of 64-bit keys, and as small as the test sets
 * N-grams do not cross documents, nor the strings of one example.
 * On several ranks (common/cluster.h) both give what one rank gives: each makes the keys of its share of the
 * training text, and of the filter each holds its shards, so that the ranks' memory adds up. */
#ifndef WT_DEDUP_OVERLAP_H
#define WT_DEDUP_OVERLAP_H

#include <stdbool.h>

#include "common/fs.h"
#include "dedup/words.h"

typedef enum { OVERLAP_BLOOM, OVERLAP_INVERTED, OVERLAP_BOTH } overlap_mode;
enum { OVERLAP_TRAINS_MAX = 8 };

typedef struct {
    char *name;
    wt_paths paths;
} overlap_set;

typedef struct {
    overlap_set *train, *test;
    size_t n_trains, n_tests;
    int ngram;
    words_rule words;
    double fp_rate;
    uint64_t expect;            /* distinct training n-grams; 0: counted in a pass of its own */
    overlap_mode mode;
    uint64_t probes;            /* random strings asked to verify the rate */
    bool lines;                 /* plain text: one document a line */
    int threads;
    bool json;
    const char *output;         /* the table; NULL: standard output */
    const char *examples;       /* JSON lines, one an example; NULL: none */
    const char *contaminated;   /* JSON lines, one a training document with test n-grams; NULL */
    const char *clean;          /* the training documents without those; NULL */
    uint64_t min_hits;          /* test n-grams that make a document contaminated */
    uint64_t seed;
} overlap_job;

/* Collective; rank 0 writes the files. */
int overlap_run(const overlap_job *job, wt_err *err);

#endif

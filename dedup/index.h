/* index.h - near-duplicates by an index of all documents, in two passes, where dedup.h judges in one.
 * A filter keeps the first of similar documents and cannot say what they were similar to; the index
 * keeps the best and says which.
 *
 *   pass 1   a sketch of 256 bins of 16 bits a document, and its band keys, sorted on disk (spill.h)
 *   between  documents that share a band are compared by their sketches. Documents are then taken best
 *            first: one that is similar to a kept one is dropped in the name of the best such. So a
 *            cluster is a star around what is kept, never a chain: with A ~ B ~ C and A !~ C, keeping A
 *            drops B and leaves C
 *   pass 2   reads the documents again and writes them
 *
 * Exact with respect to the sketches: m = ceil(threshold * 256) bins must agree, so at most 256 - m
 * differ, and one of 257 - m bands is equal as a whole. No pair is missed, and each is verified. The
 * share of equal bins estimates the Jaccard similarity J with a deviation of sqrt(J (1 - J) / 256),
 * 0.025 at 0.8.
 *
 * Memory: `memory` and 52 bytes a document. Disk, in OUT/.state until the end: 570 bytes a document and
 * 16 a band (52 of them at 0.8). The output is the same for any number of threads and any memory. A
 * rerun starts again behind the last complete one of the steps above. Several ranks (common/cluster.h) need the folder
 * in common; each takes `memory` and 44 bytes a document (the first 52), and their output is that of one. */
#ifndef WT_DEDUP_INDEX_H
#define WT_DEDUP_INDEX_H

#include "dedup/job.h"
#include "dedup/marks.h"

enum { INDEX_BINS = 256 };

typedef struct {
    dedup_job all;              /* inputs: files, they are read twice; output: a folder; of the rules words, shingle,
                                   threshold, seed */
    corpus_mode mode;
    const char *keep;           /* "longest" (bytes of text), "first", or a metadata field: the largest
                                   number is kept, none is the smallest. Of equals the first */
    uint64_t memory;            /* bytes for sorting */
} index_job;

int index_run(const index_job *job, wt_err *err);
void index_key(const index_job *job, wt_buf *key);

/* The sketch of one text; the lists are scratch. A text with fewer words than a shingle has is one
 * shingle, a text without words is its bytes, white space aside. */
void index_sketch(const dedup_rules *rules, wt_str text, u64_list *words, u64_list *shingles,
                  uint16_t bins[INDEX_BINS]);
int index_matches(const uint16_t a[INDEX_BINS], const uint16_t b[INDEX_BINS]);   /* equal bins */
int index_matches_needed(double threshold);

#endif

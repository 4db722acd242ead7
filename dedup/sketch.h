/* sketch.h - near-duplicates: a document's shingles as a few bins, bins as band keys, and how many
 * bands must agree.
 *
 * The sketch is Fast Similarity Sketching (Dahlgaard, Knudsen, Thorup 2017): t bins, and the share of
 * equal bins of two documents estimates the Jaccard similarity J of their shingle sets. In round i
 * each shingle falls into one bin with a value that starts with i; a bin keeps its smallest. Long
 * documents fill all bins in the first round, at one hash a shingle; short ones take more rounds.
 *
 * r bins make a band key, b bands a document, one Bloom filter a band. A document is a duplicate when
 * at least c of its b keys were seen: P = P[Binomial(b, J^r) >= c]. Asking for c instead of one makes
 * the curve steeper for the same number of hashes, and lets each filter err in many cases of a hundred, as c
 * errors must meet: 3.5 to 6 bits a key are best, and buy more bands. As the filters fill, they cast more
 * votes of their own, so a solved plan asks for more: c is `votes` with empty filters, `votes_full` with full. */
#ifndef WT_DEDUP_SKETCH_H
#define WT_DEDUP_SKETCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

enum { SKETCH_BINS_MAX = 1024 };

typedef struct {
    int bands, rows, votes;     /* b, r, c; the sketch has bands * rows bins */
    double band_fp_rate;        /* of each band's filter when it is full */
    int votes_full;             /* c then; 0: c is always the same */
} sketch_plan;

/* n shingle keys (n > 0, well mixed) into n_bins bins. */
void sketch_make(const uint64_t *keys, size_t n, int n_bins, uint32_t *bins);
/* The same by the definition, round by round and bin by bin: the twin. */
void sketch_make_plain(const uint64_t *keys, size_t n, int n_bins, uint32_t *bins);
void sketch_bands(const uint32_t *bins, const sketch_plan *plan, uint64_t *band_keys);

/* The plan of the highest expected F1 (sketch.c says under which assumptions) for a similarity threshold in
 * [0.3, 0.99], a chance of at most fp_rate to drop an unrelated document, and filter bytes a document. */
int sketch_solve(double threshold, double bytes_per_doc, double fp_rate, sketch_plan *plan,
                 wt_err *err);
/* Fills band_fp_rate for given bands, rows and votes: unrelated documents meet full filters. */
void sketch_plan_rate(sketch_plan *plan, double fp_rate);
/* The votes that make a duplicate while the filters err at this rate. */
int sketch_votes(const sketch_plan *plan, double rate_now);
double sketch_bytes_per_doc(const sketch_plan *plan);
/* The rate of a filter of so many bits a key; 1 below what any filter of ours has. */
double sketch_rate_of_bits(double bits);
/* Chance that two documents of similarity J are called duplicates while the filters err at this rate. */
double sketch_recall(const sketch_plan *plan, double J, double rate_now);
/* The similarity that makes this many votes the expected number. */
double sketch_similarity(const sketch_plan *plan, int votes, double rate_now);
/* What is to be expected of the plan, as text: precision and recall, and the chances by similarity. */
void sketch_print_curve(const sketch_plan *plan, double threshold, wt_buf *out);

#endif

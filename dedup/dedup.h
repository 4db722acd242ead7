/* dedup.h - the front door of the de-duplication stage: which documents were there before?
 *
 * A `dedup` holds what was seen, in Bloom filters, and judges documents in the order they are given:
 *     dedup_rules rules = dedup_rules_default();          exact and near
 *     dedup *d = dedup_new(&rules, &err);
 *     dedup_batch *batch = dedup_batch_new();
 *     dedup_batch_add(d, batch, text, url);               as often as wanted: the costly half; may
 *                                                         run in many threads, one batch each
 *     dedup_judge(d, batch, 1, &err);                     in the order of the corpus
 *     dedup_verdict v = dedup_batch_verdict(batch, i);
 *     dedup_batch_clear(batch); ... dedup_free(d);
 * The verdicts depend on the documents, their order and where batches end, on nothing else.
 *
 * Rules, asked in this order; the first that speaks decides:
 *   read-only   keys of another set (dedup_read_only), which is only asked
 *   url         the normal form of the URL was seen
 *   exact       the text was seen, white space aside
 *   near        enough of the sketch's bands were seen (sketch.h); a text with fewer words than a
 *               shingle has is judged by its whole-text key. Only kept documents are remembered, so
 *               chains of small changes do not drift
 *   ngram       the share of n-grams seen in earlier documents is at least `overlap`
 *   paragraphs  paragraphs that were seen are taken out, the document goes when nothing is left
 * Repeats inside a document never count against it. */
#ifndef WT_DEDUP_DEDUP_H
#define WT_DEDUP_DEDUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"
#include "dedup/bloom.h"
#include "dedup/sketch.h"
#include "dedup/words.h"

typedef enum {
    DEDUP_KEEP, DEDUP_NOT_JSON, DEDUP_NO_TEXT, DEDUP_READ_ONLY, DEDUP_URL, DEDUP_EXACT, DEDUP_NEAR,
    DEDUP_NGRAM, DEDUP_PARAGRAPHS, DEDUP_N_CAUSES
} dedup_cause;
const char *dedup_cause_name(dedup_cause cause);      /* "keep", "not-json", ... */

typedef enum { NGRAM_DOCUMENT, NGRAM_PARAGRAPH, NGRAM_BOTH } ngram_unit;

typedef struct {
    bool exact, near, urls, paragraphs;
    int ngram;                  /* words in an n-gram for the ngram rule; 0: no such rule */
    ngram_unit unit;            /* what the ngram rule takes out */
    double overlap;             /* share of seen n-grams from which it does [0.8] */
    int paragraph_count;        /* 0: keep the first; N: drop a paragraph found in >= N documents
                                   (dedup_count_paragraphs first) */
    words_rule words;
    int shingle;                /* words in a shingle of the near rule [5] */
    double threshold;           /* similarity from which documents are near [0.8] */
    double bytes_per_doc;       /* filter bytes a document for the near rule [35] */
    sketch_plan plan;           /* bands 0: solved from the two above */
    double fp_rate;             /* 0: 1e-6 a key for url, exact, paragraphs; 1e-4 a document for near;
                                   0.01 an n-gram. Else this for all */
    uint64_t expect;            /* documents; 0: filters grow as they fill */
    uint64_t seed;
} dedup_rules;
dedup_rules dedup_rules_default(void);
/* WT_EARG for what cannot be; solves the plan of the near rule where it is not given. */
int dedup_rules_check(dedup_rules *rules, wt_err *err);

/* What the keys depend on, as a JSON object: part of a run's identity and of state files. */
void dedup_rules_write(const dedup_rules *rules, wt_buf *json);

typedef struct dedup dedup;
typedef struct dedup_batch dedup_batch;

/* WT_EARG, or WT_ENOMEM naming the bytes needed and free. */
dedup *dedup_new(const dedup_rules *rules, wt_err *err);
void dedup_free(dedup *d);
const dedup_rules *dedup_rules_of(const dedup *d);    /* with the plan that was solved */

/* ---- judging ---- */
typedef struct {
    size_t start, end;          /* bytes of the text */
    double score;               /* share of its keys that were seen */
} dedup_span;

typedef struct {
    dedup_cause cause;
    dedup_cause rule;           /* for DEDUP_READ_ONLY: which rule's keys */
    double score;               /* exact, url: 1; near: estimated similarity; ngram: share seen */
    int votes;                  /* near: bands that were seen */
    const dedup_span *removed;  /* paragraphs taken out of a kept document; borrowed */
    size_t n_removed;
} dedup_verdict;

/* False: only URLs matter, and dedup_batch_add does not look at texts. */
bool dedup_wants_text(const dedup *d);
dedup_batch *dedup_batch_new(void);
void dedup_batch_free(dedup_batch *batch);
/* Documents that a batch should hold at the most: band keys are some hundred bytes of each, other rules like to be asked seldom. */
size_t dedup_batch_docs(const dedup *d);
void dedup_batch_clear(dedup_batch *batch);
void dedup_batch_add(const dedup *d, dedup_batch *batch, wt_str text, wt_str url);
/* A place in the order for what is no document: its verdict is `cause` from the start. */
void dedup_batch_skip(dedup_batch *batch, dedup_cause cause);
size_t dedup_batch_size(const dedup_batch *batch);
void dedup_batch_cut(dedup_batch *batch, size_t n);    /* forgets all behind the first n, which are as many at the most */
/* Decides about the batch and remembers it. Batches in corpus order, one at a time. */
int dedup_judge(dedup *d, dedup_batch *batch, int threads, wt_err *err);
dedup_verdict dedup_batch_verdict(const dedup_batch *batch, size_t i);
/* First pass for paragraph_count: only counts. Any order, one batch at a time. */
int dedup_count_paragraphs(dedup *d, dedup_batch *batch, int threads, wt_err *err);

/* ---- several machines (common/cluster.h) ----
 * Every rank has a dedup of the same rules and owns a share of the filters. A batch is made on one rank
 * and its bytes go to the others; then all ranks judge it, with one result: dedup_judge, dedup_count_paragraphs,
 * dedup_save, dedup_describe and dedup_bytes are collective when there is more than one rank. */
void dedup_batch_pack(const dedup *d, const dedup_batch *batch, wt_buf *bytes);     /* behind what is there */
/* From the front, which moves on. Spans of removed paragraphs are known to the batch that was packed alone. */
void dedup_batch_unpack(const dedup *d, dedup_batch *batch, wt_str *bytes);

/* ---- state ---- */
/* The state is a file (docs/formats/dedup.md; its name must not end in .zst or .gz) of the rules, a
 * note of the caller's (JSON) and the filters. Loading refuses a file of other rules, naming both values. Each rank
 * writes and reads the filters that it owns, so the file is one that all of them see. */
int dedup_save(const dedup *d, const char *path, wt_str note, wt_err *err);
dedup *dedup_load(const char *path, const dedup_rules *rules, wt_buf *note, wt_err *err);   /* rules NULL: the file's */
int dedup_load_note(const char *path, wt_buf *note, wt_err *err);         /* without the filters */
/* Adds the keys of a state file as read-only: rules the file has are asked even where `d` does not
 * have them; parameters they share must be equal. */
int dedup_read_only(dedup *d, const char *path, wt_err *err);
typedef struct {
    uint64_t keys_loaded, keys_tested, keys_hit;
} dedup_read_only_counts;
dedup_read_only_counts dedup_read_only_stats(const dedup *d);

/* Fill, rate and bytes of each rule's filters as JSON; the text names filters past 1.5 times their
 * rate in `warnings` (may be NULL). Reads all bits. */
void dedup_describe(const dedup *d, int threads, wt_buf *json, wt_buf *warnings);
uint64_t dedup_bytes(const dedup *d);

#endif

/* index_impl.h - what index.c (files) and index_star.c (clusters) share; nobody else includes it. */
#ifndef WT_DEDUP_INDEX_IMPL_H
#define WT_DEDUP_INDEX_IMPL_H

#include "dedup/index.h"
#include "dedup/spill.h"

/* What pass 1 leaves of a document, beside its bins. */
typedef struct {
    double score;               /* the largest is kept */
    uint64_t sketch_hash;
    uint64_t id_at;             /* in the file of ids, as JSON */
    uint32_t id_bytes, cause;   /* DEDUP_KEEP: it has a sketch */
} index_doc;

typedef struct {
    const char *dir;            /* with the runs of "bands", the keys cut into ranges */
    const index_doc *doc;       /* n */
    const uint16_t *bins;       /* n x INDEX_BINS */
    size_t n;
    int min_matches, n_ranges, threads;
    const int *n_runs;          /* n_ranges */
    uint64_t memory;
} index_set;

/* kept: number of the document that stays, its own where it does. */
typedef struct {
    uint32_t kept, matches;
} index_decision;

/* Fills n decisions, on rank 0; the others may give NULL. Collective: ranges of keys are dealt to the ranks. */
int index_decide(const index_set *set, index_decision *decision, wt_err *err);

static inline int index_bands(int min_matches) { return INDEX_BINS - min_matches + 1; }
uint64_t index_band_key(const uint16_t *bins, int band, int n_bands);

#endif

/* recount.h - all pairs of all records counted anew: those that reach a lower floor come to live. Inside bpe/. */
#ifndef WT_BPE_RECOUNT_H
#define WT_BPE_RECOUNT_H

#include "bpe/live.h"
#include "bpe/records.h"

typedef struct {
    size_t memory;                  /* bytes for its tables */
    uint32_t n_merges, target;      /* done, and wanted in all: they decide the floor */
    int64_t lowest;                 /* that it may have */
} bpe_recount_plan;

/* The first floor of all is set where live->floor.count is INT64_MAX. */
void bpe_recount(bpe_live *live, bpe_records *records, const bpe_recount_plan *plan);

#endif

/* recount.h - all pairs of all records counted anew: those that reach the floor, a lower one, come to live. Inside bpe/. */
#ifndef WT_BPE_RECOUNT_H
#define WT_BPE_RECOUNT_H

#include "bpe/live.h"
#include "bpe/records.h"

typedef struct {
    size_t memory;                  /* bytes for its tables, while there are no lists */
    uint32_t n_merges, target;      /* done, and wanted in all: they decide the floor */
    int64_t lowest;                 /* that it may have */
    bool same_floor;                /* it stays: only the records have changed places */
} bpe_recount_plan;

/* The first floor of all is set where live->floor.count is INT64_MAX. */
void bpe_recount(bpe_live *live, bpe_records *records, const bpe_recount_plan *plan);

#endif

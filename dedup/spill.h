/* spill.h - sorts more 64-bit keys (each with a value) than memory holds: full buffers are sorted and
 * written as runs, and the runs are merged while they are read. Equal keys come back in the order in
 * which they were added. Keys may be cut into ranges: each is written by one spill, on any machine that shares the
 * folder, and they are read one by one or together. One thread at a time. */
#ifndef WT_DEDUP_SPILL_H
#define WT_DEDUP_SPILL_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

typedef struct {
    uint64_t key, value;
} spill_record;

/* Sorts by key, stable. `scratch` has room for n as well. */
void spill_sort(spill_record *records, spill_record *scratch, size_t n);

typedef struct spill spill;

/* Runs are files DIR/NAME-RANGE-0, DIR/NAME-RANGE-1, ... `bytes` bounds the memory, both ways. */
spill *spill_new(const char *dir, const char *name, int range, uint64_t bytes, wt_err *err);
int spill_add(spill *s, uint64_t key, uint64_t value, wt_err *err);
/* All runs are on disk, synced; returns how many, -1 on failure. */
int spill_end(spill *s, wt_err *err);
void spill_free(spill *s);                            /* the files stay */

/* Reading what spill_end() left of ranges [from, to), now or in another process; n_runs[i]: of range i. WT_ELIMIT
 * for more runs than can be open at once: more `bytes` while writing make fewer. */
spill *spill_open(const char *dir, const char *name, int from, int to, const int *n_runs, uint64_t bytes, wt_err *err);
int spill_next(spill *s, spill_record *out, wt_err *err);     /* 1, 0 at the end, -1 */
void spill_remove(const char *dir, const char *name, int n_ranges, const int *n_runs);

#endif

/* tally.h - counts by name: domains, languages, status codes. Not shared between threads. */
#ifndef WT_COMMON_TALLY_H
#define WT_COMMON_TALLY_H

#include "common/str.h"

typedef struct wt_tally wt_tally;
typedef struct {
    wt_str name;            /* borrowed from the tally */
    uint64_t n;
} wt_tally_entry;

wt_tally *wt_tally_new(void);
void wt_tally_free(wt_tally *t);
void wt_tally_add(wt_tally *t, wt_str name, uint64_t n);
size_t wt_tally_names(const wt_tally *t);
/* All entries, greatest first, equals in byte order of their names; free() the list. */
wt_tally_entry *wt_tally_sorted(const wt_tally *t, size_t *n);
/* The `most` greatest as JSON: [["name",count],...]. */
void wt_tally_write_top(const wt_tally *t, size_t most, wt_buf *json);

#endif

/* tally.h - counts by name: domains, status codes. Not shared between threads. */
#ifndef WT_CRAWL_TALLY_H
#define WT_CRAWL_TALLY_H

#include "common/str.h"

typedef struct tally tally;

tally *tally_new(void);
void tally_free(tally *t);
void tally_add(tally *t, wt_str name, uint64_t n);
size_t tally_names(const tally *t);
/* The `most` greatest as JSON: [["name",count],...], greatest first, equals in byte order. */
void tally_write_top(const tally *t, size_t most, wt_buf *json);

#endif

/* store.h - the WARC files of a crawl: DIR/warc/00000.warc.gz, 00001 ... each of about 1 GB.
 *
 * Appending gathers in memory; store_sync writes, waits for the disk and notes the lengths in the
 * state's open transaction. Opening cuts every file back to its committed length, so a torn gzip
 * member that a kill left behind is gone before anything is added. One thread. */
#ifndef WT_CRAWL_STORE_H
#define WT_CRAWL_STORE_H

#include "common/err.h"
#include "common/str.h"
#include "crawl/capture.h"
#include "crawl/state.h"

typedef struct store store;

/* info: fields of each file's warcinfo record. file_bytes: a file that reached it is the last's predecessor. */
store *store_open(const char *dir, crawl_state *state, uint64_t file_bytes, wt_str info, capture_writer *writer,
                  wt_err *err);
void store_close(store *s);               /* what is not synced is lost */
/* Where the records will stand. */
int store_append(store *s, wt_str records, int n_records, int *number, uint64_t *offset, wt_err *err);
int store_sync(store *s, wt_err *err);
uint64_t store_pending(const store *s);   /* bytes that store_sync would write */

#endif

/* out.h - files that appear whole or not at all. Bytes go to NAME.part; commit syncs, renames and
 * syncs the folder; abort removes it. Compression follows the name: .zst, .gz, else plain. The
 * compressed bytes depend on the data alone. NULL or "-" is standard output, where commit
 * flushes. A full disk is WT_EIO with the name at the write that failed. */
#ifndef WT_COMMON_OUT_H
#define WT_COMMON_OUT_H

#include "common/err.h"
#include "common/str.h"

typedef struct wt_out wt_out;

wt_out *wt_out_open(const char *path, wt_err *err);
wt_out *wt_out_open_level(const char *path, int level, wt_err *err);  /* 0: the default, zstd 3 */
int wt_out_write(wt_out *out, const void *bytes, size_t n, wt_err *err);
int wt_out_str(wt_out *out, wt_str s, wt_err *err);
int wt_out_printf(wt_out *out, wt_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends the current zstd frame or gzip member, so that readers can start here. */
int wt_out_flush_member(wt_out *out, wt_err *err);
/* Appends whole zstd frames or gzip members that the caller compressed (other threads, say) behind what
 * was written so far. Only for files of that ending. */
int wt_out_packed(wt_out *out, const void *packed, size_t n, wt_err *err);
/* Facts about the making of the file (JSON), as a zstd skippable frame or gzip comment member at
 * the end; readers pass over it, wt_in_provenance finds it. Nothing for plain files. */
int wt_out_provenance(wt_out *out, wt_str json, wt_err *err);
int wt_out_commit(wt_out *out, wt_err *err);          /* frees out, also on failure */
void wt_out_abort(wt_out *out);                       /* frees out; the .part is removed */
int wt_out_whole(const char *path, wt_str bytes, wt_err *err);        /* opened, written and committed */
uint64_t wt_out_raw_bytes(const wt_out *out);         /* written to the file so far */

/* Reads back what wt_out_provenance wrote. 1 found, 0 none, -1 error. */
int wt_in_provenance(const char *path, wt_buf *json, wt_err *err);

#endif

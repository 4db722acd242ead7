/* parts.h - names of the files of a corpus, and the dropped documents of all parts as one file. */
#ifndef WT_DEDUP_PARTS_H
#define WT_DEDUP_PARTS_H

#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

char *parts_kept_path(const char *output, uint64_t i_part);       /* free() it */
char *parts_dropped_path(const char *work_dir, uint64_t i_part);  /* until they are joined */
/* OUTPUT/dropped.jsonl.zst from the files of n parts, in order: frames of zstd stand behind each other. */
int parts_join_dropped(const char *output, const char *work_dir, uint64_t n, wt_str provenance, wt_err *err);

#endif

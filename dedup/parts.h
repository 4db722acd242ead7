/* parts.h - the files of a corpus: a part is what is kept of a stretch of the input and, until all parts are there, a file of what
 * was dropped of it. */
#ifndef WT_DEDUP_PARTS_H
#define WT_DEDUP_PARTS_H

#include <stdint.h>

#include "common/err.h"
#include "common/str.h"
#include "dedup/rank_frames.h"

char *parts_kept_path(const char *output, uint64_t i_part);       /* free() it */
char *parts_dropped_path(const char *work_dir, uint64_t i_part);  /* until they are joined */

typedef struct {
    rank_frames *kept, *dropped;                                  /* NULL: not open; dropped also where it is not wanted */
} part_files;

/* Collective, as rank_frames; ranks take turns at writing. */
int part_open(part_files *part, const char *kept_path, const char *dropped_path, uint64_t i_part, wt_press *press, int threads,
              wt_err *err);
int part_meet(part_files *part, wt_err *err);
int part_commit(part_files *part, wt_str provenance, wt_err *err);  /* closes it, also on failure */
void part_abort(part_files *part);

/* OUTPUT/dropped.jsonl.zst from the files of n parts, in order: frames of zstd stand behind each other. */
int parts_join_dropped(const char *output, const char *work_dir, uint64_t n, wt_str provenance, wt_err *err);

#endif

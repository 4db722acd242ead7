/* frames.h - lines into a file of zstd frames that several threads compress. Frames end behind the first
 * line that makes them 4 MiB, so the bytes depend on the lines alone, and a reader can start at any
 * frame. Files of other endings are written as wt_out does. */
#ifndef WT_DEDUP_FRAMES_H
#define WT_DEDUP_FRAMES_H

#include "common/out.h"

typedef struct frames frames;

frames *frames_open(const char *path, int threads, wt_err *err);
int frames_write(frames *f, wt_str s, wt_err *err);   /* a line may come in pieces; '\n' ends it */
/* Frees f, also on failure. `provenance` may be empty. */
int frames_commit(frames *f, wt_str provenance, wt_err *err);
void frames_abort(frames *f);

#endif

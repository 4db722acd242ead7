/* rank_frames.h - lines into a file of zstd frames, as common/frames.h, which the ranks of the cluster compress in turns.
 * Compressing a corpus costs more than judging it, and one rank alone writes a file. So all ranks give the same lines; frame i
 * is kept and compressed by rank i % ranks, and goes to the writer when they meet. The file has the bytes that
 * wt_frames makes of the same lines. _open, _meet and _commit are collective. */
#ifndef WT_DEDUP_RANK_FRAMES_H
#define WT_DEDUP_RANK_FRAMES_H

#include "common/err.h"
#include "common/str.h"

typedef struct rank_frames rank_frames;

rank_frames *rank_frames_open(const char *path, int writer, int threads, wt_err *err);
int rank_frames_write(rank_frames *f, wt_str lines, wt_err *err);    /* each with its '\n' */
int rank_frames_meet(rank_frames *f, wt_err *err);                   /* what is full is compressed and written */
/* Frees f, also on failure. `provenance` may be empty. */
int rank_frames_commit(rank_frames *f, wt_str provenance, wt_err *err);
void rank_frames_abort(rank_frames *f);

#endif

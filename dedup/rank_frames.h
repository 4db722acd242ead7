/* rank_frames.h - lines into a file of zstd frames, as common/frames.h, which the ranks of the cluster fill and compress together.
 * Compressing a corpus costs more than judging it, and one rank alone writes a file. So each rank gives the lines that it has
 * at hand, those of rank r before those of rank r + 1; when they meet they tell each other how long their lines are, which tells
 * where frames end. A frame is compressed by the rank that has its first line; of its lines only those travel that another rank has. The
 * file has the bytes that wt_frames makes of the same lines; on one rank it is wt_frames.
 * _open, _meet and _commit are collective. */
#ifndef WT_DEDUP_RANK_FRAMES_H
#define WT_DEDUP_RANK_FRAMES_H

#include "common/frames.h"

typedef struct rank_frames rank_frames;

/* The press is that of one rank alone. */
rank_frames *rank_frames_open(const char *path, int writer, wt_press *press, int threads, wt_err *err);
/* A line may come in pieces, as to wt_frames_write. */
int rank_frames_write(rank_frames *f, wt_str s, wt_err *err);
int rank_frames_meet(rank_frames *f, wt_err *err);    /* lines that are written afterwards come behind those of all ranks so far */
/* Frees f, also on failure. `provenance` may be empty. */
int rank_frames_commit(rank_frames *f, wt_str provenance, wt_err *err);
void rank_frames_abort(rank_frames *f);

#endif

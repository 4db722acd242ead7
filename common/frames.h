/* frames.h - lines into files of zstd frames that several threads compress. A frame ends behind the first line
 * that makes it 4 MiB, so the bytes depend on the lines alone, and a reader can start at any frame.
 *
 * Compressing costs more than all else that is done to a line, and needs no order; filling frames needs it. So a
 * writer only fills, and full frames wait in a press, which any number of files share:
 *     press = wt_press_new(threads);
 *     f = wt_frames_open("part.jsonl.zst", press, &err);
 *     wt_frames_write(f, lines, &err);       one thread at a time
 *     wt_press_work(press);                  threads that are free: compress what waits, append it in order
 *     wt_frames_commit(f, provenance, &err);
 * Should more than `threads` frames wait, the writer compresses, too: memory is bounded, and nobody has to
 * call wt_press_work. Files of other endings are written as wt_out does (out.h). */
#ifndef WT_COMMON_FRAMES_H
#define WT_COMMON_FRAMES_H

#include "common/out.h"

typedef struct wt_press wt_press;
typedef struct wt_frames wt_frames;

wt_press *wt_press_new(int threads);                  /* 1: each frame is compressed by its writer, at once */
void wt_press_work(wt_press *press);                  /* until nothing waits; what fails is told by the file's verbs */
void wt_press_free(wt_press *press);                  /* behind its last file */

wt_frames *wt_frames_open(const char *path, wt_press *press, wt_err *err);
/* A line may come in pieces; '\n' ends it. A failure may be of frames that were written before. */
int wt_frames_write(wt_frames *f, wt_str s, wt_err *err);
/* Frees f, also on failure. `provenance` may be empty. */
int wt_frames_commit(wt_frames *f, wt_str provenance, wt_err *err);
void wt_frames_abort(wt_frames *f);

/* One frame as above, for those who append it themselves. It ends behind the first line that makes it so many bytes. */
enum { WT_FRAME_BYTES = 4 << 20 };
int wt_frame_pack(wt_str lines, wt_buf *packed, wt_err *err);

#endif

/* fates.h - what is written of a document once it was judged: its line, or what became of it. */
#ifndef WT_DEDUP_FATES_H
#define WT_DEDUP_FATES_H

#include "dedup/marks.h"
#include "dedup/parts.h"

typedef struct {
    corpus_mode mode;
    part_files *part;           /* where lines go; without a `dropped` file nothing is told of what was dropped */
    wt_arena *arena;            /* reset for each document */
    wt_buf scratch;
} fates;

/* plain_id: the id where it may be written as it was read, else NULL. */
int fate_write(fates *f, wt_str line, wt_str plain_id, const dedup_verdict *v, wt_err *err);
/* Whether the document is in what was kept, and whether it stays there with attributes that say it would go. */
bool fate_keeps(corpus_mode mode, const dedup_verdict *v);
bool fate_marks(corpus_mode mode, const dedup_verdict *v);

#endif

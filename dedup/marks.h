/* marks.h - what becomes of documents that would be dropped: they go, or attributes in Dolma's shape say so. */
#ifndef WT_DEDUP_MARKS_H
#define WT_DEDUP_MARKS_H

#include "common/doc.h"
#include "dedup/dedup.h"

typedef enum {
    CORPUS_DROP,                /* write what is kept */
    CORPUS_MARK,                /* write all, with "attributes" saying what would go */
    CORPUS_ATTRIBUTES           /* write only "id" and "attributes" */
} corpus_mode;

/* {"dedup__RULE":[[start,end,score],...]}, in characters of the text; {} for nothing to say. */
void marks_attributes(wt_buf *out, const dedup_verdict *v, wt_str text);
size_t marks_count_chars(wt_str text);
/* The document's line in a mode other than CORPUS_DROP. Changes doc. */
void marks_document(wt_buf *out, corpus_mode mode, wt_doc *doc, wt_str attributes, wt_arena *arena);

#endif

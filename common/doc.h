/* doc.h - documents as JSON lines in Dolma's shape: {"id","text","source","created","added",
 * "metadata":{...}}. What the line of tools passes from extract to dedup to bpe to shard.
 * Unknown top-level fields are kept (wt_doc.rest) when a document is rewritten. */
#ifndef WT_COMMON_DOC_H
#define WT_COMMON_DOC_H

#include "common/in.h"
#include "common/json.h"
#include "common/memory.h"

#define WT_DOC_LINE_MAX ((size_t)256 << 20)           /* longest line that is read, bytes */

typedef struct {
    wt_str id, text, source, created, added;          /* decoded; empty where absent */
    wt_json metadata;                                  /* raw object; kind NONE where absent */
    wt_str rest;                                       /* other members, raw: "a":1,"b":[] */
    bool has_text;                                     /* "text" is there and a string */
} wt_doc;

/* Slices point into line or arena. WT_EDATA for a line that is not an object. */
int wt_doc_parse(wt_str line, wt_arena *arena, wt_doc *doc, wt_err *err);
void wt_doc_write(wt_buf *out, const wt_doc *doc);    /* one line with '\n' */
wt_str wt_doc_meta(const wt_doc *doc, const char *key, wt_arena *arena); /* a metadata string */

#endif

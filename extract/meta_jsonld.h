/* meta_jsonld.h - schema.org statements in <script type="application/ld+json">. */
#ifndef WT_EXTRACT_META_JSONLD_H
#define WT_EXTRACT_META_JSONLD_H

#include "extract/meta.h"

typedef struct {
    wt_str headline, name, author, date, modified, publisher, site, description, body, lang, license, url;
    wt_str page_date;               /* of a WebPage or another type that is no article */
    wt_str person;                  /* the first Person described */
    page_kind kind;
} jsonld;

/* Reads one script's text into *out; what is there already stays. Broken JSON is passed over. */
void jsonld_read(wt_str script, wt_arena *arena, jsonld *out);

#endif

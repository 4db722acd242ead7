/* meta.h - what a page says about itself. Sources in the order of trust: JSON-LD, Open Graph and
 * other <meta>, microdata, visible text by class and place, the URL. All slices live in the arena
 * or in the tree. */
#ifndef WT_EXTRACT_META_H
#define WT_EXTRACT_META_H

#include "common/memory.h"
#include "extract/tree.h"

typedef enum { PAGE_UNKNOWN, PAGE_ARTICLE, PAGE_PRODUCT, PAGE_THREAD, PAGE_SITE, PAGE_LIST, PAGE_OTHER } page_kind;

typedef struct {
    wt_str title, author, date, modified, site, url, description, license, lang;
    wt_str head_title, og_title, heading;   /* <title>, og:title, the h1 */
    wt_str json_body;                       /* articleBody of JSON-LD, as plain text */
    wt_str json_text;                       /* what JSON-LD says the page's main object is, as plain text */
    wt_str generator;
    wt_str address;                         /* where it was fetched from, else what it calls itself */
    page_kind kind;                         /* og:type or JSON-LD @type */
    bool has_viewport, noindex;
    bool day_first;                         /* 3/4/2020 is the 3rd of April here */
} page_meta;

/* Reads the page's metadata. url: where it was fetched from; may be empty. */
void meta_read(const html_tree *t, wt_str url, wt_arena *arena, page_meta *meta);

#endif

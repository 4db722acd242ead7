/* explain.h - the page that `wt-extract explain` shows. */
#ifndef WT_EXTRACT_EXPLAIN_H
#define WT_EXTRACT_EXPLAIN_H

#include "extract/content.h"
#include "extract/extract.h"

/* One HTML page that loads nothing: what was found, what the filters say, a map of the page, and its blocks with the reasons. */
void explain_page(const content *c, const extract_page *page, wt_buf *out);

#endif

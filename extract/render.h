/* render.h - the kept blocks as text, Markdown or TEI. */
#ifndef WT_EXTRACT_RENDER_H
#define WT_EXTRACT_RENDER_H

#include "extract/content.h"

void render_text(const content *c, wt_buf *out);
void render_markdown(const content *c, wt_str base_url, wt_buf *out);
/* A TEI P5 document with header; see render_tei.c. Where `instead` is not empty, its lines are the body. */
void render_tei(const content *c, const page_meta *meta, wt_str instead, wt_buf *out);

/* What stands between two kept blocks in plain text: a tab between cells of a row, a line end within
 * a list or table, an empty line else. */
wt_str render_gap(const content *c, const content_block *a, const content_block *b);
/* Lower where the block stands for layout only: a table that holds paragraphs is no table of data. */
bool render_is_table_cell(const content *c, const content_block *b);

#endif

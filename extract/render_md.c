#include "extract/render.h"
#include "extract/tree.h"
void render_markdown(const content *c, wt_str base_url, wt_buf *out) { render_text(c, out); }
void render_tei(const content *c, const page_meta *meta, wt_buf *out) { render_text(c, out); }
int html_parse_xml(html_tree *t, wt_str page, wt_err *err) { return -1; }

#include "extract/tree.h"
void html_parse(html_tree *t, wt_str page) { html_parse_gumbo(t, page, NULL); }

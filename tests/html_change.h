/* html_change.h - for tests of what changes a page's tree: pages, and the text that is to be left of each. */
#ifndef WT_TESTS_HTML_CHANGE_H
#define WT_TESTS_HTML_CHANGE_H

#include "extract/tree.h"

typedef struct { const char *what, *html, *text; } html_case;

/* All text but what is in scripts, NUL-ended. */
static void html_all_text(const html_tree *t, wt_buf *out) {
    for (uint32_t n = t->node[0].first; n;) {
        if (t->node[n].tag == HTML_TEXT) wt_buf_add_str(out, html_text_of(t, n));
        n = t->node[n].tag == HTML_TAG_script ? html_skip(t, n, 0) : html_next(t, n, 0);
    }
    wt_buf_add_char(out, '\0');
}

static void check_html_changes(const html_case *cases, size_t n, void (*change)(html_tree *t)) {
    html_tree t;
    wt_buf out = {0};
    html_tree_init(&t);
    for (size_t i = 0; i < n; i++) {
        html_tree_clear(&t);
        wt_buf_clear(&out);
        html_parse(&t, wt_str_of(cases[i].html));
        change(&t);
        html_all_text(&t, &out);
        if (strcmp(out.ptr, cases[i].text) != 0) fail_msg("%s: '%s' where '%s' is expected", cases[i].what, out.ptr, cases[i].text);
    }
    wt_buf_free(&out);
    html_tree_free(&t);
}

#endif

/* tidy.c - see tidy.h. One pass over the nodes; each element that may be meant looks at no more than a few nodes below
 * it, so the cost is that of the pass. */
#include "extract/tidy.h"

/* Without white space, no-break spaces and the sign that asks for a plain form of the one before, at both ends. */
static wt_str trim_sign(wt_str s) {
    for (;;) {
        s = wt_str_trim(s);
        if (s.len >= 2 && memcmp(s.ptr, "\xc2\xa0", 2) == 0) s.ptr += 2, s.len -= 2;
        else if (s.len >= 2 && memcmp(s.ptr + s.len - 2, "\xc2\xa0", 2) == 0) s.len -= 2;
        else if (s.len >= 3 && memcmp(s.ptr + s.len - 3, "\xef\xb8\x8e", 3) == 0) s.len -= 3;
        else return s;
    }
}

/* The text below n where it is short and all in one text node; empty else. */
static wt_str short_text(const html_tree *t, uint32_t n) {
    enum { NODES_MAX = 6, BYTES_MAX = 40 };
    wt_str found = WT_STR("");
    int looks = 0;
    for (uint32_t x = t->node[n].first; x; x = html_next(t, x, n)) {
        if (++looks > NODES_MAX) return WT_STR("");
        if (t->node[x].tag != HTML_TEXT) continue;
        wt_str s = html_text_of(t, x);
        if (s.len > BYTES_MAX) return WT_STR("");
        s = trim_sign(s);
        if (s.len && found.len) return WT_STR("");
        if (s.len) found = s;
    }
    return found;
}

static bool has_word(wt_str list, wt_str word) {
    while (list.len)
        if (wt_str_eq(wt_str_cut(&list, ' '), word)) return true;
    return false;
}

/* A link within the page that shows one sign. */
static bool is_mark(const html_tree *t, uint32_t n) {
    static const char *const signs[] = {"\xc2\xb6", "\xc2\xa7", "#", "\xf0\x9f\x94\x97", "\xe2\x86\xa9", "\xe2\x97\x86"};
    if (wt_str_find(html_attr_get(t, n, HTML_ATTR_href), WT_STR("#")) < 0) return false;
    wt_str text = short_text(t, n);
    for (size_t i = 0; text.len && i < sizeof signs / sizeof *signs; i++)
        if (wt_str_eq(text, wt_str_of(signs[i]))) return true;
    return false;
}

static bool copies(wt_str s) {
    return s.len < 100 && (wt_str_holds_nocase(s, WT_STR("clipboard")) || (wt_str_holds_nocase(s, WT_STR("copy")) && !wt_str_holds_nocase(s, WT_STR("copyright"))));
}

/* A button, or a link of a button's class, of a few words, whose names say that it copies. */
static bool is_copy_button(const html_tree *t, uint32_t n) {
    wt_str class = html_attr_get(t, n, HTML_ATTR_class);
    bool named = copies(class) || copies(html_attr_get(t, n, HTML_ATTR_id)) || copies(html_attr_get(t, n, HTML_ATTR_title));
    return named && (t->node[n].tag == HTML_TAG_button || wt_str_holds_nocase(class, WT_STR("btn")) || wt_str_holds_nocase(class, WT_STR("button"))) &&
           short_text(t, n).len;
}

/* ---- code as a row of <div class="line"> ---- */
static bool is_line(const html_tree *t, uint32_t n) {
    return t->node[n].tag == HTML_TAG_div && has_word(html_attr_get(t, n, HTML_ATTR_class), WT_STR("line"));
}

static bool is_white(const html_tree *t, uint32_t n) {
    return t->node[n].tag == HTML_TEXT && wt_str_trim(html_text_of(t, n)).len == 0;
}

/* The number at the start of a line, and the space behind it. */
static void drop_number(html_tree *t, uint32_t line) {
    uint32_t x = t->node[line].first;
    while (x && t->node[x].tag == HTML_TAG_a && !t->node[x].first) x = t->node[x].next;        /* the line's anchor */
    if (!x || t->node[x].tag != HTML_TAG_span || !has_word(html_attr_get(t, x, HTML_ATTR_class), WT_STR("lineno"))) return;
    uint32_t behind = t->node[x].next;
    html_tree_unlink(t, x);
    if (!behind || t->node[behind].tag != HTML_TEXT) return;
    wt_str s = html_text_of(t, behind);
    uint32_t space = s.len && *s.ptr == ' ' ? 1 : s.len >= 2 && memcmp(s.ptr, "\xc2\xa0", 2) == 0 ? 2 : 0;
    t->node[behind].off += space, t->node[behind].len -= space;
}

static void lines_to_pre(html_tree *t, uint32_t n) {
    uint32_t x = t->node[n].first;
    while (x && is_white(t, x)) x = t->node[x].next;
    if (!x || !is_line(t, x)) return;
    t->node[n].tag = HTML_TAG_pre;
    for (uint32_t next; x; x = next) {
        next = t->node[x].next;
        bool is_tip = t->node[x].tag == HTML_TAG_div && has_word(html_attr_get(t, x, HTML_ATTR_class), WT_STR("ttc"));
        if (is_tip || is_white(t, x)) html_tree_unlink(t, x);
        else if (is_line(t, x)) drop_number(t, x);
    }
}

void tidy_tree(html_tree *t) {
    const uint32_t n_nodes = t->n_nodes;
    for (uint32_t n = 1; n < n_nodes; n++) {
        uint16_t tag = t->node[n].tag;
        if (tag != HTML_TAG_a && tag != HTML_TAG_button && tag != HTML_TAG_div && tag != HTML_TAG_span) continue;
        if (!t->node[n].parent) continue;
        if (tag == HTML_TAG_a && is_mark(t, n)) html_tree_unlink(t, n);
        else if ((tag == HTML_TAG_a || tag == HTML_TAG_button) && is_copy_button(t, n)) html_tree_unlink(t, n);
        else if (tag == HTML_TAG_span && has_word(html_attr_get(t, n, HTML_ATTR_class), WT_STR("mw-editsection"))) html_tree_unlink(t, n);
        else if (tag == HTML_TAG_div && has_word(html_attr_get(t, n, HTML_ATTR_class), WT_STR("fragment"))) lines_to_pre(t, n);
    }
}

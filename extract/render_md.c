/* render_md.c - kept blocks as Markdown (CommonMark, tables as in GFM). A block is written from its own
 * nodes, so that emphasis, code and links inside it come through; what stands around it (list, quote,
 * heading, table) comes from its ancestors. */
#include <stdlib.h>

#include "extract/formulas.h"
#include "extract/render.h"

enum { MARK_BOLD = 1, MARK_ITALIC = 2, MARK_CODE = 4, MARK_FORMULA = 8 };      /* the last has no sign: TeX as it stands */

typedef struct {
    const content *c;
    wt_buf *out;
    wt_str base;            /* scheme://host of the page, for links without one */
    bool space, line_start;
    unsigned marks;         /* open at the end of out */
    uint32_t item;          /* the last numbered one, and its number */
    int number;
} writer;

static bool is_ancestor(const html_tree *t, uint32_t above, uint32_t n) {
    while (n && n != above) n = t->node[n].parent;
    return n == above;
}

/* Emphasis and code in force at a text node, looking up to the block's element. */
static unsigned marks_at(const html_tree *t, uint32_t n, uint32_t element) {
    unsigned marks = t->node[n].tag == HTML_TEXT && formulas_is_one(t, n) ? MARK_FORMULA : 0;
    for (; n && n != element; n = t->node[n].parent) {
        uint16_t tag = t->node[n].tag;
        if (tag == HTML_TAG_b || tag == HTML_TAG_strong) marks |= MARK_BOLD;
        if (tag == HTML_TAG_i || tag == HTML_TAG_em) marks |= MARK_ITALIC;
        if (tag == HTML_TAG_code || tag == HTML_TAG_tt || tag == HTML_TAG_samp || tag == HTML_TAG_kbd) marks |= MARK_CODE;
    }
    return marks & MARK_CODE ? MARK_CODE : marks;
}

static uint32_t link_at(const html_tree *t, uint32_t n, uint32_t element) {
    for (; n && n != element; n = t->node[n].parent)
        if (t->node[n].tag == HTML_TAG_a && html_attr_get(t, n, HTML_ATTR_href).len) return n;
    return 0;
}

static void set_marks(writer *w, unsigned marks) {
    static const struct {
        unsigned mark;
        const char *text;
    } signs[] = {{MARK_BOLD, "**"}, {MARK_ITALIC, "*"}, {MARK_CODE, "`"}};
    if (marks == w->marks) return;
    for (int k = 2; k >= 0; k--)
        if (w->marks & signs[k].mark) wt_buf_add_str(w->out, wt_str_of(signs[k].text));
    if (w->space) wt_buf_add_char(w->out, ' '), w->space = false;
    for (int k = 0; k < 3; k++)
        if (marks & signs[k].mark) wt_buf_add_str(w->out, wt_str_of(signs[k].text));
    w->marks = marks;
}

static void put_text(writer *w, wt_str s, bool in_table) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool nbsp = c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] == 0xa0;
        if (c <= ' ' || nbsp) {
            w->space = !w->line_start;
            i += nbsp;
            continue;
        }
        size_t hidden = c < 0x80 ? 0 : content_invisible((const unsigned char *)s.ptr + i, s.len - i);
        if (hidden) {
            i += hidden - 1;
            continue;
        }
        if (w->space) wt_buf_add_char(w->out, ' ');
        bool special = !(w->marks & (MARK_CODE | MARK_FORMULA)) && (c == '*' || c == '_' || c == '`' || c == '[' || c == ']' || c == '\\' || c == '<');
        if (special || (in_table && c == '|') || (w->line_start && (c == '#' || c == '>'))) wt_buf_add_char(w->out, '\\');
        w->space = w->line_start = false;
        wt_buf_add_char(w->out, (char)c);
    }
}

static void put_target(writer *w, wt_str href) {
    wt_buf_add_str(w->out, WT_STR("]("));
    if (href.len && href.ptr[0] == '/' && !(href.len > 1 && href.ptr[1] == '/')) wt_buf_add_str(w->out, w->base);
    for (size_t i = 0; i < href.len; i++) {
        char c = href.ptr[i];
        if ((unsigned char)c <= ' ' || c == '(' || c == ')' || c == '<' || c == '>') wt_buf_printf(w->out, "%%%02X", (unsigned char)c);
        else wt_buf_add_char(w->out, c);
    }
    wt_buf_add_char(w->out, ')');
}

static void put_inline(writer *w, const content_block *b, bool in_table) {
    const html_tree *t = w->c->tree;
    uint32_t link = 0;
    w->space = false;
    w->line_start = true;
    for (uint32_t n = b->first;;) {
        const html_node *x = &t->node[n];
        if (x->tag == HTML_TEXT) {
            wt_str s = html_text_of(t, n);
            uint32_t now = b->heading ? 0 : link_at(t, n, b->element);
            if (now != link) {
                set_marks(w, 0);
                if (link) put_target(w, html_attr_get(t, link, HTML_ATTR_href));
                if (now) {
                    while (s.len && (unsigned char)*s.ptr <= ' ') s.ptr++, s.len--, w->space = !w->line_start;
                    if (w->space) wt_buf_add_char(w->out, ' '), w->space = false;
                    wt_buf_add_char(w->out, '[');
                }
                link = now;
            }
            if (wt_str_trim(s).len) set_marks(w, marks_at(t, n, b->element) & (b->heading ? MARK_FORMULA : ~0u));
            put_text(w, s, in_table);
        } else if (x->tag == HTML_TAG_br) {
            set_marks(w, 0);
            if (link) put_target(w, html_attr_get(t, link, HTML_ATTR_href)), link = 0;
            wt_buf_add_str(w->out, in_table ? WT_STR("<br>") : b->heading ? WT_STR(" ") : WT_STR("  \n"));
            w->space = false;
            w->line_start = true;
        }
        if (n == b->last) break;
        n = html_is_element(t, n) && content_skips(w->c, x) ? html_skip(t, n, 0) : html_next(t, n, 0);
        if (!n) break;
    }
    set_marks(w, 0);
    if (link) put_target(w, html_attr_get(t, link, HTML_ATTR_href));
}

/* The language of a code block: class="language-c", "lang-c", "highlight-source-c". */
static wt_str code_language(const content *c, const content_block *b) {
    const html_tree *t = c->tree;
    uint32_t n = t->node[b->first].parent;
    for (int k = 0; n && k < 4; k++, n = t->node[n].parent) {
        wt_str class = html_attr_get(t, n, HTML_ATTR_class);
        while (class.len) {
            wt_str word = wt_str_cut(&class, ' ');
            static const char *const prefixes[] = {"language-", "lang-", "highlight-source-", "brush:"};
            for (int p = 0; p < 4; p++) {
                wt_str prefix = wt_str_of(prefixes[p]);
                if (wt_str_starts(word, prefix) && word.len < 40) return (wt_str){word.ptr + prefix.len, word.len - prefix.len};
            }
        }
    }
    return (wt_str){NULL, 0};
}

static void put_code(writer *w, const content_block *b, wt_str prefix) {
    wt_str text = {w->c->text.ptr + b->text, b->text_len};
    const char *fence = wt_str_find(text, WT_STR("```")) >= 0 ? "~~~~" : "```";
    wt_buf_add_str(w->out, wt_str_of(fence));
    wt_buf_add_str(w->out, code_language(w->c, b));
    while (text.len) {
        wt_buf_add_char(w->out, '\n');
        wt_buf_add_str(w->out, prefix);
        wt_buf_add_str(w->out, wt_str_cut(&text, '\n'));
    }
    wt_buf_add_char(w->out, '\n');
    wt_buf_add_str(w->out, prefix);
    wt_buf_add_str(w->out, wt_str_of(fence));
}

/* "> " a quote, two or three spaces a list around the item. */
static void make_prefix(const content *c, const content_block *b, wt_buf *prefix) {
    wt_buf_clear(prefix);
    for (uint32_t e = b->element; e; e = c->tree->node[e].parent)
        if (c->tree->node[e].tag == HTML_TAG_blockquote) wt_buf_add_str(prefix, WT_STR("> "));
    int depth = content_at(c, b->element)->list_depth;
    for (int k = 1; k < depth && k < 8; k++) wt_buf_add_str(prefix, WT_STR("    "));
}

/* "3. " or "- " for the first block of an item. */
static void put_bullet(writer *w, const content_block *b) {
    const html_tree *t = w->c->tree;
    uint32_t list = t->node[b->item].parent;
    if (t->node[list].tag != HTML_TAG_ol) {
        wt_buf_add_str(w->out, WT_STR("- "));
        return;
    }
    wt_str start = html_attr_get(t, list, HTML_ATTR_start);
    int number = start.len && start.len < 7 && *start.ptr >= '0' && *start.ptr <= '9' ? atoi(start.ptr) : 1, n_between = 0;
    uint32_t n = t->node[b->item].prev;
    for (; n && n != w->item; n = t->node[n].prev) n_between += t->node[n].tag == HTML_TAG_li;
    if (n) number = w->number + 1;              /* those before it were counted */
    number += n_between;
    w->item = b->item;
    w->number = number;
    wt_buf_printf(w->out, "%d. ", number);
}

/* All kept cells of the rows that follow, as one GFM table. Returns the index behind it. */
static size_t put_table(writer *w, size_t i) {
    const content *c = w->c;
    uint32_t row = 0, table = 0;
    size_t n_cells = 0;
    bool header_done = false;
    for (; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (!b->keep) continue;
        if (!render_is_table_cell(c, b)) break;
        uint32_t here = c->tree->node[b->row].parent;
        while (here && c->tree->node[here].tag != HTML_TAG_table) here = c->tree->node[here].parent;
        if (table && here != table) break;
        table = here;
        if (b->row != row) {
            if (row) wt_buf_add_str(w->out, WT_STR(" |\n"));
            if (row && !header_done) {
                for (size_t k = 0; k < n_cells; k++) wt_buf_add_str(w->out, WT_STR("| --- "));
                wt_buf_add_str(w->out, WT_STR("|\n"));
                header_done = true;
            }
            row = b->row;
            n_cells = 0;
        }
        wt_buf_add_str(w->out, n_cells++ ? WT_STR(" | ") : WT_STR("| "));
        put_inline(w, b, true);
    }
    wt_buf_add_str(w->out, WT_STR(" |"));
    if (!header_done) {
        wt_buf_add_char(w->out, '\n');
        for (size_t k = 0; k < n_cells; k++) wt_buf_add_str(w->out, WT_STR("| --- "));
        wt_buf_add_char(w->out, '|');
    }
    return i;
}

void render_markdown(const content *c, wt_str base_url, wt_buf *out) {
    writer w = {.c = c, .out = out};
    ptrdiff_t scheme = wt_str_find(base_url, WT_STR("://"));
    if (scheme > 0) {
        size_t end = (size_t)scheme + 3;
        while (end < base_url.len && base_url.ptr[end] != '/') end++;
        w.base = (wt_str){base_url.ptr, end};
    }
    wt_buf prefix = {0};
    const content_block *before = NULL;
    for (size_t i = 0; i < c->n_blocks;) {
        const content_block *b = &c->block[i];
        if (!b->keep) {
            i++;
            continue;
        }
        bool tight = before && b->item && before->item && wt_str_eq(render_gap(c, before, b), WT_STR("\n")) && !render_is_table_cell(c, b);
        if (before) wt_buf_add_str(out, tight ? WT_STR("\n") : WT_STR("\n\n"));
        make_prefix(c, b, &prefix);
        wt_buf_add_str(out, wt_buf_view(&prefix));
        if (render_is_table_cell(c, b)) {
            size_t next = put_table(&w, i);
            before = &c->block[next - 1];
            i = next;
            continue;
        }
        bool new_item = b->item && c->tree->node[b->item].tag == HTML_TAG_li && (!before || before->item != b->item) && !b->heading;
        if (b->heading) {
            for (int k = 0; k < b->heading; k++) wt_buf_add_char(out, '#');
            wt_buf_add_char(out, ' ');
            put_inline(&w, b, false);
        } else if (b->flags & IN_PRE) {
            put_code(&w, b, wt_buf_view(&prefix));
        } else {
            if (new_item) put_bullet(&w, b);
            else if (b->item && before && is_ancestor(c->tree, b->item, before->element)) wt_buf_add_str(out, WT_STR("  "));
            put_inline(&w, b, false);
        }
        before = b;
        i++;
    }
    if (out->len) wt_buf_add_char(out, '\n');
    wt_buf_free(&prefix);
}

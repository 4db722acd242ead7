/* render_md.c - kept blocks as Markdown (CommonMark, tables as in GFM). A block is written from its own
 * nodes, so that emphasis, code and links inside it come through; what stands around it comes from its ancestors: quotes and
 * items of lists are containers, kept on a stack from block to block, and each line begins with what its containers ask for.
 * Markdown has no lists of terms: terms and what is said of them become paragraphs. */
#include <stdlib.h>

#include "extract/formulas.h"
#include "extract/link.h"
#include "extract/render.h"

enum { CONTAINERS_MAX = 16, COLUMNS_MAX = 64 };
enum { MARK_BOLD = 1, MARK_ITALIC = 2, MARK_CODE = 4, MARK_FORMULA = 8 };      /* the last has no sign: TeX as it stands */

typedef struct {            /* a quote, or an item of a list */
    uint32_t node;
    int indent;             /* of what stands in an item: the width of its bullet; 0 where none was written; -1 a quote */
} container;

typedef struct {
    const content *c;
    wt_buf *out;
    wt_str base;            /* what links are relative to; empty: not known */
    wt_buf url;             /* scratch */
    bool space, line_start, last;       /* last: the text in work is the block's last */
    unsigned marks;         /* open at the end of out */
    container in[CONTAINERS_MAX];       /* those of the block in work, from the outermost on */
    int n_in;
    uint32_t item;          /* the last numbered one, and its number */
    int number;
} writer;

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

/* Links that only a script follows are none. */
static bool is_link(const html_tree *t, uint32_t n) {
    if (t->node[n].tag != HTML_TAG_a) return false;
    wt_str href = wt_str_trim(html_attr_get(t, n, HTML_ATTR_href)), scheme = link_scheme(href);
    return href.len && !wt_str_eq_nocase(scheme, WT_STR("javascript")) && !wt_str_eq_nocase(scheme, WT_STR("data"));
}

static uint32_t link_at(const html_tree *t, uint32_t n, uint32_t element) {
    for (; n && n != element; n = t->node[n].parent)
        if (is_link(t, n)) return n;
    return 0;
}

static const struct {
    unsigned mark;
    const char *text;
} signs[] = {{MARK_BOLD, "**"}, {MARK_ITALIC, "*"}, {MARK_CODE, "`"}};

static void close_marks(writer *w) {
    for (int k = 2; k >= 0; k--)
        if (w->marks & signs[k].mark) wt_buf_add_str(w->out, wt_str_of(signs[k].text));
    w->marks = 0;
}

static void put_space(writer *w) {
    if (w->space) wt_buf_add_char(w->out, ' ');
    w->space = false;
}

static void set_marks(writer *w, unsigned marks) {
    if (marks == w->marks) return;
    close_marks(w);
    put_space(w);
    for (int k = 0; k < 3; k++)
        if (marks & signs[k].mark) wt_buf_add_str(w->out, wt_str_of(signs[k].text));
    w->marks = marks;
}

static bool is_letter(unsigned char c) { return c >= 0x80 || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z'); }

/* Would the sign at s.ptr[i] be read as Markdown? Next to an end of s it may be. */
static bool is_special(const writer *w, wt_str s, size_t i) {
    unsigned char c = (unsigned char)s.ptr[i], before = i ? (unsigned char)s.ptr[i - 1] : 0, after = i + 1 < s.len ? (unsigned char)s.ptr[i + 1] : 0;
    switch (c) {
    case '`': case '\\': return true;
    case '*': return !(before && before <= ' ' && after && after <= ' ');
    case '_': return !(is_letter(before) && is_letter(after));
    case ']': return (!after && !w->last) || after == '(' || after == '[' || after == ':';
    case '<': return !after || after == '/' || after == '!' || after == '?' || ((after | 32) >= 'a' && (after | 32) <= 'z');
    case '#': case '>': return w->line_start;
    default: return false;
    }
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
        put_space(w);
        bool special = !(w->marks & (MARK_CODE | MARK_FORMULA)) && is_special(w, s, i);
        if (special || (in_table && c == '|')) wt_buf_add_char(w->out, '\\');
        w->line_start = false;
        wt_buf_add_char(w->out, (char)c);
    }
}

/* What each line of the block in work begins with, by the first n of its containers. */
static void put_prefix(writer *w, int n) {
    for (int i = 0; i < n; i++) {
        if (w->in[i].indent < 0) wt_buf_add_str(w->out, WT_STR("> "));
        for (int k = 0; k < w->in[i].indent; k++) wt_buf_add_char(w->out, ' ');
    }
}

static void new_line(writer *w, int n_containers) {
    while (w->out->len && w->out->ptr[w->out->len - 1] == ' ') w->out->len--;
    wt_buf_add_char(w->out, '\n');
    put_prefix(w, n_containers);
}

static void end_link(writer *w, uint32_t link) {
    close_marks(w);
    if (!link) return;
    wt_buf_clear(&w->url);
    link_resolve(w->base, html_attr_get(w->c->tree, link, HTML_ATTR_href), &w->url);
    wt_buf_add_str(w->out, WT_STR("]("));
    for (size_t i = 0; i < w->url.len; i++) {
        char c = w->url.ptr[i];
        if ((unsigned char)c <= ' ' || c == '(' || c == ')' || c == '<' || c == '>') wt_buf_printf(w->out, "%%%02X", (unsigned char)c);
        else wt_buf_add_char(w->out, c);
    }
    wt_buf_add_char(w->out, ')');
}

/* White space alone, also such that does not break. */
static bool is_blank(wt_str s) {
    while (s.len) {
        bool nbsp = s.len > 1 && memcmp(s.ptr, "\xc2\xa0", 2) == 0;
        if (!nbsp && (unsigned char)*s.ptr > ' ') return false;
        s.ptr += 1 + nbsp, s.len -= 1u + nbsp;
    }
    return true;
}

static void begin_link(writer *w, wt_str *text) {
    while (text->len) {
        bool nbsp = text->len > 1 && memcmp(text->ptr, "\xc2\xa0", 2) == 0;
        if (!nbsp && (unsigned char)*text->ptr > ' ') break;
        text->ptr += 1 + nbsp, text->len -= 1u + nbsp;
        w->space = !w->line_start;
    }
    put_space(w);
    wt_buf_add_char(w->out, '[');
    w->line_start = false;
}

static void put_break(writer *w, const content_block *b, bool in_table) {
    w->space = false;
    w->line_start = !in_table && !b->heading;
    if (in_table) wt_buf_add_str(w->out, WT_STR("<br>"));
    else if (b->heading) w->space = true;
    else {
        wt_buf_add_str(w->out, WT_STR("  \n"));
        put_prefix(w, w->n_in);
    }
}

static void put_inline(writer *w, const content_block *b, bool in_table) {
    const html_tree *t = w->c->tree;
    uint32_t link = 0;
    w->space = false;
    w->line_start = true;
    for (uint32_t n = b->first;;) {
        const html_node *x = &t->node[n];
        wt_str s = x->tag == HTML_TEXT ? html_text_of(t, n) : WT_STR("");
        if (x->tag == HTML_TEXT && is_blank(s)) {
            w->space = w->space || (s.len && !w->line_start);
        } else if (x->tag == HTML_TEXT) {
            uint32_t now = b->heading ? 0 : link_at(t, n, b->element);
            if (now != link) {
                end_link(w, link);
                if (now) begin_link(w, &s);
                link = now;
            }
            set_marks(w, marks_at(t, n, b->element) & (b->heading ? MARK_FORMULA : ~0u));
            w->last = n == b->last;
            put_text(w, s, in_table);
        } else if (x->tag == HTML_TAG_br) {
            end_link(w, link);
            link = 0;
            put_break(w, b, in_table);
        }
        if (n == b->last) break;
        n = html_is_element(t, n) && content_skips(w->c, x) ? html_skip(t, n, 0) : html_next(t, n, 0);
        if (!n) break;
    }
    end_link(w, link);
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

static void put_code(writer *w, const content_block *b) {
    wt_str text = {w->c->text.ptr + b->text, b->text_len};
    const char *fence = wt_str_find(text, WT_STR("```")) >= 0 ? "~~~~" : "```";
    wt_buf_add_str(w->out, wt_str_of(fence));
    wt_buf_add_str(w->out, code_language(w->c, b));
    while (text.len) {
        new_line(w, w->n_in);
        wt_buf_add_str(w->out, wt_str_cut(&text, '\n'));
    }
    new_line(w, w->n_in);
    wt_buf_add_str(w->out, wt_str_of(fence));
}

/* ---- containers ---- */
/* Quotes and items around a block, the outermost first. */
static int containers_of(const content *c, const content_block *b, container *in) {
    const html_node *node = c->tree->node;
    int n = 0, n_all = 0;
    for (uint32_t e = b->element; e; e = node[e].parent) n_all += node[e].tag == HTML_TAG_blockquote || node[e].tag == HTML_TAG_li;
    int i = n_all;
    for (uint32_t e = b->element; e; e = node[e].parent) {
        if (node[e].tag != HTML_TAG_blockquote && node[e].tag != HTML_TAG_li) continue;
        if (--i >= CONTAINERS_MAX) continue;
        in[i] = (container){e, node[e].tag == HTML_TAG_blockquote ? -1 : 0};
        n++;
    }
    return n;
}

/* "3. " or "- ". Returns its width. */
static int put_bullet(writer *w, uint32_t item) {
    const html_tree *t = w->c->tree;
    uint32_t list = t->node[item].parent;
    if (t->node[list].tag != HTML_TAG_ol) {
        wt_buf_add_str(w->out, WT_STR("- "));
        return 2;
    }
    wt_str start = html_attr_get(t, list, HTML_ATTR_start);
    int number = start.len && start.len < 7 && *start.ptr >= '0' && *start.ptr <= '9' ? atoi(start.ptr) : 1, n_between = 0;
    uint32_t n = t->node[item].prev;
    for (; n && n != w->item; n = t->node[n].prev) n_between += t->node[n].tag == HTML_TAG_li;
    if (n) number = w->number + 1;              /* those before it were counted */
    number += n_between;
    w->item = item;
    w->number = number;
    size_t before = w->out->len;
    wt_buf_printf(w->out, "%d. ", number);
    return (int)(w->out->len - before);
}

/* Ends what stood before and begins b: the empty line between, what the line begins with, and a bullet where b is the first
 * of its item. Items that begin with a heading, a table or another list are layout: they get none. */
static void begin_block(writer *w, const content_block *before, const content_block *b, bool is_table) {
    container in[CONTAINERS_MAX];
    const int n = containers_of(w->c, b, in);
    int same = 0;
    while (same < n && same < w->n_in && w->in[same].node == in[same].node) in[same] = w->in[same], same++;
    bool bullet = same < n && in[n - 1].indent == 0 && !b->heading && !is_table;
    bool tight = before && bullet && before->item && b->item && w->n_in && !render_is_table_cell(w->c, before) &&
                 wt_str_eq(render_gap(w->c, before, b), WT_STR("\n"));
    memcpy(w->in, in, (size_t)n * sizeof *in);
    if (before && !tight) new_line(w, same);
    w->n_in = n;
    if (before) new_line(w, bullet ? n - 1 : n);
    else put_prefix(w, bullet ? n - 1 : n);
    if (bullet) w->in[n - 1].indent = put_bullet(w, in[n - 1].node);
}

/* ---- tables ---- */
static uint32_t table_of(const content *c, const content_block *b) {
    uint32_t e = c->tree->node[b->row].parent;
    while (e && c->tree->node[e].tag != HTML_TAG_table) e = c->tree->node[e].parent;
    return e;
}

typedef struct {
    uint32_t row, cell;         /* the last one asked for */
    int column;
} column_finder;

/* The column a cell stands in: cells before it in its row count as many as they span. Cells are asked for in their order. */
static int column_of(column_finder *f, const html_tree *t, const content_block *b) {
    int column = 0;
    uint32_t from = f->row == b->row ? f->cell : 0, n = b->cell;
    for (;;) {
        n = t->node[n].prev;
        if (!n) break;
        if (t->node[n].tag != HTML_TAG_td && t->node[n].tag != HTML_TAG_th) continue;
        wt_str span = html_attr_get(t, n, HTML_ATTR_colspan);
        column += span.len == 1 && *span.ptr >= '1' && *span.ptr <= '9' ? *span.ptr - '0' : span.len == 2 ? atoi(span.ptr) > 1 ? atoi(span.ptr) : 1 : 1;
        if (n == from) {
            column += f->column;
            break;
        }
        if (column >= COLUMNS_MAX) break;
    }
    *f = (column_finder){b->row, b->cell, column < COLUMNS_MAX ? column : COLUMNS_MAX - 1};
    return f->column;
}

/* The kept cells from block i on that are one table. Returns the index behind it; used: the columns that hold something. */
static size_t table_end(const content *c, size_t i, uint64_t *used) {
    column_finder f = {0};
    uint32_t table = table_of(c, &c->block[i]);
    *used = 0;
    for (; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (!b->keep) continue;
        if (!render_is_table_cell(c, b) || table_of(c, b) != table) break;
        *used |= (uint64_t)1 << column_of(&f, c->tree, b);
    }
    return i;
}

/* As one GFM table; its first row is the head, and as wide as any: cells beyond it would not be shown. */
static void put_table(writer *w, size_t i, size_t end, uint64_t used) {
    const content *c = w->c;
    const int n_columns = __builtin_popcountll(used);
    uint32_t row = 0;
    int at = 0, n_rows = 0;
    column_finder f = {0};
    for (; i <= end; i++) {
        const content_block *b = &c->block[i];
        if (i < end && !b->keep) continue;
        if (i == end || b->row != row) {
            if (row) wt_buf_add_str(w->out, WT_STR(" |"));
            while (n_rows == 1 && at++ < n_columns) wt_buf_add_str(w->out, WT_STR("  |"));
            if (n_rows == 1) {
                new_line(w, w->n_in);
                for (int k = 0; k < n_columns; k++) wt_buf_add_str(w->out, WT_STR("| --- "));
                wt_buf_add_char(w->out, '|');
            }
            if (i == end) break;
            if (row) new_line(w, w->n_in);
            row = b->row, at = 0, n_rows++;
        }
        int column = __builtin_popcountll(used & (((uint64_t)1 << column_of(&f, c->tree, b)) - 1));
        if (at) wt_buf_add_char(w->out, ' ');
        for (; at < column; at++) wt_buf_add_str(w->out, WT_STR("|  "));
        wt_buf_add_str(w->out, WT_STR("| "));
        at++;
        put_inline(w, b, true);
    }
}

/* ---- the page ---- */
/* The address that links are relative to: the page's, or what it names in <base>. */
static void find_base(const content *c, wt_str url, wt_buf *base) {
    const html_tree *t = c->tree;
    enum { NODES_LOOKED_AT = 1000 };
    int looks = 0;
    for (uint32_t n = t->node[0].first; n && looks < NODES_LOOKED_AT; n = html_next(t, n, 0), looks++) {
        if (t->node[n].tag == HTML_TAG_body) break;
        if (t->node[n].tag != HTML_TAG_base || !html_attr_get(t, n, HTML_ATTR_href).len) continue;
        link_resolve(url, html_attr_get(t, n, HTML_ATTR_href), base);
        return;
    }
    wt_buf_add_str(base, url);
}

void render_markdown(const content *c, wt_str url, wt_buf *out) {
    wt_buf base = {0};
    find_base(c, url, &base);
    writer w = {.c = c, .out = out, .base = wt_buf_view(&base)};
    const content_block *before = NULL;
    size_t layout_end = 0;
    for (size_t i = 0; i < c->n_blocks;) {
        const content_block *b = &c->block[i];
        if (!b->keep) {
            i++;
            continue;
        }
        uint64_t used = 0;
        size_t end = i >= layout_end && render_is_table_cell(c, b) ? table_end(c, i, &used) : i + 1;
        bool is_table = __builtin_popcountll(used) > 1;
        if (used && !is_table) layout_end = end, end = i + 1;       /* one column is no table of data */
        begin_block(&w, before, b, is_table);
        if (is_table) {
            put_table(&w, i, end, used);
        } else if (b->heading) {
            for (int k = 0; k < b->heading; k++) wt_buf_add_char(out, '#');
            wt_buf_add_char(out, ' ');
            put_inline(&w, b, false);
        } else if (b->flags & IN_PRE) {
            put_code(&w, b);
        } else {
            put_inline(&w, b, false);
        }
        before = &c->block[end - 1];
        while (!before->keep) before--;
        i = end;
    }
    if (out->len) wt_buf_add_char(out, '\n');
    wt_buf_free(&base);
    wt_buf_free(&w.url);
}

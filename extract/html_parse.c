/* html_parse.c - our HTML parser: the HTML standard's tree construction (13.2.6) on an arena.
 * It follows the standard step by step, adoption agency and foster parenting included, with scripting
 * off. What it leaves out: the tree of <template> is kept as ordinary children, doctypes keep no
 * name, the customisable <select> of 2025 is not in. What it adds, for pages built to hurt: at most
 * 512 elements are open at once (a deeper start tag closes the one before it, its text is kept), and
 * formatting elements are reopened only so often. Nothing recurses; time is linear but for these
 * bounded stacks. Source: html.spec.whatwg.org, sections 13.2.4 and 13.2.6. */
#include <stdlib.h>

#include "extract/html_token.h"

typedef enum {
    INITIAL, BEFORE_HTML, BEFORE_HEAD, IN_HEAD, IN_HEAD_NOSCRIPT, AFTER_HEAD, IN_BODY, IN_TEXT, IN_TABLE,
    IN_TABLE_TEXT, IN_CAPTION, IN_COLUMN_GROUP, IN_TABLE_BODY, IN_ROW, IN_CELL, IN_SELECT, IN_SELECT_IN_TABLE,
    IN_TEMPLATE, AFTER_BODY, IN_FRAMESET, AFTER_FRAMESET, AFTER_AFTER_BODY, AFTER_AFTER_FRAMESET
} insertion_mode;

enum { FORMATTING_MAX = 256, TEMPLATES_MAX = 64, PENDING_MAX = 64, MARKER = 0, MERGE_MAX = 1 << 16 };

typedef struct {
    html_tree *t;
    tokenizer z;
    insertion_mode mode, original_mode;
    uint32_t open[HTML_DEPTH_MAX + 8];
    int n_open;
    uint32_t formatting[FORMATTING_MAX];            /* MARKER: a marker */
    int n_formatting;
    insertion_mode template_mode[TEMPLATES_MAX];
    int n_templates;
    uint32_t head, form;
    bool frameset_ok, foster, skip_newline;
    html_token pending[PENDING_MAX];                /* text in a table */
    int n_pending;
    uint64_t reopen_budget;
    uint64_t move_budget;                           /* bytes of text that may move, to join what comes behind a foreign tag */
} builder;

typedef html_token token;
#define TAG(name) HTML_TAG_##name

static bool process(builder *b, token *k);

/* ---- the stack of open elements ---- */
static html_node *node(const builder *b, uint32_t n) { return &b->t->node[n]; }
static uint32_t current(const builder *b) { return b->n_open ? b->open[b->n_open - 1] : 0; }
static bool is_html(const builder *b, uint32_t n, html_tag tag) {
    return node(b, n)->tag == tag && node(b, n)->ns == HTML_NS_HTML;
}
static bool current_is(const builder *b, html_tag tag) { return is_html(b, current(b), tag); }
static void pop(builder *b) {
    if (b->n_open > 1) b->n_open--;
}
static int open_index(const builder *b, uint32_t n) {
    for (int i = b->n_open - 1; i >= 0; i--)
        if (b->open[i] == n) return i;
    return -1;
}
static void remove_open(builder *b, uint32_t n) {
    int i = open_index(b, n);
    if (i <= 0) return;
    memmove(b->open + i, b->open + i + 1, (size_t)(b->n_open - i - 1) * sizeof *b->open);
    b->n_open--;
}
static bool has_open(const builder *b, html_tag tag) {
    for (int i = b->n_open - 1; i >= 0; i--)
        if (is_html(b, b->open[i], tag)) return true;
    return false;
}
/* Pops up to and with the first of tag. */
static void pop_until(builder *b, html_tag tag) {
    while (b->n_open > 1) {
        bool last = current_is(b, tag);
        b->n_open--;
        if (last) return;
    }
}

/* ---- scopes ---- */
typedef enum { SCOPE, SCOPE_LIST, SCOPE_BUTTON, SCOPE_TABLE, SCOPE_SELECT } scope_kind;

static bool ends_scope(const html_node *e, scope_kind kind) {
    if (kind == SCOPE_SELECT) return !(e->ns == HTML_NS_HTML && (e->tag == TAG(optgroup) || e->tag == TAG(option)));
    if (e->ns == HTML_NS_HTML) {
        switch (e->tag) {
        case TAG(html): case TAG(table): case TAG(template): return true;
        case TAG(applet): case TAG(caption): case TAG(td): case TAG(th): case TAG(marquee): case TAG(object):
            return kind != SCOPE_TABLE;
        case TAG(ol): case TAG(ul): return kind == SCOPE_LIST;
        case TAG(button): return kind == SCOPE_BUTTON;
        default: return false;
        }
    }
    if (kind == SCOPE_TABLE) return false;
    if (e->ns == HTML_NS_MATH)
        return e->tag == TAG(mi) || e->tag == TAG(mo) || e->tag == TAG(mn) || e->tag == TAG(ms) || e->tag == TAG(mtext) ||
               e->tag == TAG(annotation_xml);
    return e->tag == TAG(foreignobject) || e->tag == TAG(desc) || e->tag == TAG(title);
}
static bool in_scope_kind(const builder *b, html_tag tag, scope_kind kind) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        if (is_html(b, b->open[i], tag)) return true;
        if (ends_scope(node(b, b->open[i]), kind)) return false;
    }
    return false;
}
static bool in_scope(const builder *b, html_tag tag) { return in_scope_kind(b, tag, SCOPE); }
static bool in_button_scope(const builder *b, html_tag tag) { return in_scope_kind(b, tag, SCOPE_BUTTON); }
static bool in_table_scope(const builder *b, html_tag tag) { return in_scope_kind(b, tag, SCOPE_TABLE); }
static bool is_heading(html_tag tag) { return tag >= TAG(h1) && tag <= TAG(h6); }
static bool heading_in_scope(const builder *b) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        const html_node *e = node(b, b->open[i]);
        if (e->ns == HTML_NS_HTML && is_heading(e->tag)) return true;
        if (ends_scope(e, SCOPE)) return false;
    }
    return false;
}
static bool node_in_scope(const builder *b, uint32_t n) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        if (b->open[i] == n) return true;
        if (ends_scope(node(b, b->open[i]), SCOPE)) return false;
    }
    return false;
}

/* ---- inserting ---- */
typedef struct {
    uint32_t parent, before;        /* before 0: as last child */
} place;

static bool is_table_part(html_tag tag) {
    return tag == TAG(table) || tag == TAG(tbody) || tag == TAG(tfoot) || tag == TAG(thead) || tag == TAG(tr);
}

static place place_for(const builder *b, uint32_t target) {
    const html_node *e = node(b, target);
    if (!b->foster || e->ns != HTML_NS_HTML || !is_table_part(e->tag)) return (place){target, 0};
    for (int i = b->n_open - 1; i >= 0; i--) {
        uint32_t n = b->open[i];
        if (is_html(b, n, TAG(template))) return (place){n, 0};
        if (!is_html(b, n, TAG(table))) continue;
        if (node(b, n)->parent) return (place){node(b, n)->parent, n};
        return (place){i > 0 ? b->open[i - 1] : b->open[0], 0};
    }
    return (place){b->open[0], 0};
}

static void link_at(builder *b, place p, uint32_t n) {
    if (p.before) html_tree_insert(b->t, n, p.before);
    else html_tree_append(b->t, p.parent, n);
}

static void push(builder *b, uint32_t n) { b->open[b->n_open++] = n; }

static void make_room(builder *b) {
    if (b->n_open >= HTML_DEPTH_MAX) b->n_open--;
}

static uint32_t make_element(builder *b, const token *k, int ns) {
    uint32_t n = html_tree_add(b->t, k->tag);
    html_node *e = node(b, n);
    e->ns = (uint8_t)ns;
    e->off = k->first_attr;
    e->n_attrs = k->n_attrs;
    e->len = k->tag == HTML_TAG_UNKNOWN ? k->off : 0;
    return n;
}

static uint32_t insert_foreign(builder *b, const token *k, int ns) {
    make_room(b);
    place p = place_for(b, current(b));
    uint32_t n = make_element(b, k, ns);
    link_at(b, p, n);
    push(b, n);
    return n;
}
static uint32_t insert(builder *b, const token *k) { return insert_foreign(b, k, HTML_NS_HTML); }
static uint32_t insert_tag(builder *b, html_tag tag) { return insert(b, &(token){.kind = TOKEN_START, .tag = tag}); }
static void insert_void(builder *b, const token *k) {
    insert(b, k);
    b->n_open--;
}

/* The text node that text at this place would join; 0 none. */
static uint32_t text_before(const builder *b, place p) {
    uint32_t n = p.before ? node(b, p.before)->prev : node(b, p.parent)->last;
    return n && node(b, n)->tag == HTML_TEXT ? n : 0;
}

/* Appends to a text that something parts from these bytes: both go to the tail. False where pages of nothing else
 * have moved enough; then the text gets a node of its own. */
static bool join_text(builder *b, html_node *x, uint32_t off, uint32_t len) {
    wt_buf *bytes = &b->t->bytes;
    size_t move = x->off + x->len == bytes->len ? 0 : x->len;
    if (move + len > b->move_budget) return false;
    b->move_budget -= move + len;
    wt_buf_reserve(bytes, move + len);
    if (move) {
        memcpy(bytes->ptr + bytes->len, bytes->ptr + x->off, move);
        x->off = (uint32_t)bytes->len;
        bytes->len += move;
    }
    memcpy(bytes->ptr + bytes->len, bytes->ptr + off, len);
    bytes->len += len;
    bytes->ptr[bytes->len] = 0;
    x->len += len;
    return true;
}

static void insert_text(builder *b, uint32_t off, uint32_t len) {
    if (len == 0) return;
    place p = place_for(b, current(b));
    if (p.parent == 0) return;
    uint32_t n = text_before(b, p);
    if (n && node(b, n)->len < MERGE_MAX) {
        html_node *x = node(b, n);
        if (x->off + x->len == off) {
            x->len += len;
            return;
        }
        if (join_text(b, x, off, len)) return;
    }
    n = html_tree_add(b->t, HTML_TEXT);
    node(b, n)->off = off;
    node(b, n)->len = len;
    link_at(b, p, n);
}

static void insert_comment(builder *b, const token *k, place p) {
    uint32_t n = html_tree_add(b->t, HTML_COMMENT);
    node(b, n)->off = k->off;
    node(b, n)->len = k->len;
    link_at(b, p, n);
}
static void insert_comment_here(builder *b, const token *k) { insert_comment(b, k, place_for(b, current(b))); }

/* ---- formatting elements ---- */
static bool same_formatting(const builder *b, uint32_t x, uint32_t y) {
    const html_node *p = node(b, x), *q = node(b, y);
    if (p->tag != q->tag || p->ns != q->ns || p->n_attrs != q->n_attrs) return false;
    for (uint32_t i = 0; i < p->n_attrs; i++) {
        const html_attr *a = &b->t->attr[p->off + i];
        bool found = false;
        for (uint32_t j = 0; j < q->n_attrs && !found; j++) {
            const html_attr *c = &b->t->attr[q->off + (i + j) % q->n_attrs];         /* mostly in the same order */
            found = a->name_len == c->name_len && a->value_len == c->value_len &&
                    memcmp(b->t->bytes.ptr + a->name, b->t->bytes.ptr + c->name, a->name_len) == 0 &&
                    memcmp(b->t->bytes.ptr + a->value, b->t->bytes.ptr + c->value, a->value_len) == 0;
        }
        if (!found) return false;
    }
    return true;
}

static void formatting_remove_at(builder *b, int i) {
    memmove(b->formatting + i, b->formatting + i + 1, (size_t)(b->n_formatting - i - 1) * sizeof *b->formatting);
    b->n_formatting--;
}

static void formatting_push(builder *b, uint32_t n) {
    int same = 0, earliest = -1;
    for (int i = b->n_formatting - 1; i >= 0 && b->formatting[i] != MARKER; i--)
        if (same_formatting(b, b->formatting[i], n)) same++, earliest = i;
    if (same >= 3) formatting_remove_at(b, earliest);               /* the Noah's Ark clause */
    if (b->n_formatting == FORMATTING_MAX) formatting_remove_at(b, 0);
    b->formatting[b->n_formatting++] = n;
}
static void formatting_marker(builder *b) {
    if (b->n_formatting == FORMATTING_MAX) formatting_remove_at(b, 0);
    b->formatting[b->n_formatting++] = MARKER;
}
static void formatting_clear(builder *b) {
    while (b->n_formatting && b->formatting[--b->n_formatting] != MARKER) {
    }
}
static int formatting_index(const builder *b, uint32_t n) {
    for (int i = b->n_formatting - 1; i >= 0; i--)
        if (b->formatting[i] == n) return i;
    return -1;
}

static token token_of(const builder *b, uint32_t n) {
    const html_node *e = node(b, n);
    return (token){.kind = TOKEN_START, .tag = e->tag, .first_attr = e->off, .n_attrs = e->n_attrs, .off = e->len};
}

static void reconstruct(builder *b) {
    int i = b->n_formatting - 1;
    if (i < 0 || b->formatting[i] == MARKER || open_index(b, b->formatting[i]) >= 0) return;
    while (i > 0 && b->formatting[i - 1] != MARKER && open_index(b, b->formatting[i - 1]) < 0) i--;
    for (; i < b->n_formatting; i++) {
        if (b->reopen_budget == 0) return;
        b->reopen_budget--;
        token k = token_of(b, b->formatting[i]);
        b->formatting[i] = insert(b, &k);
    }
}

/* ---- implied ends ---- */
static bool implies_end(const html_node *e) {
    if (e->ns != HTML_NS_HTML) return false;
    switch (e->tag) {
    case TAG(dd): case TAG(dt): case TAG(li): case TAG(optgroup): case TAG(option): case TAG(p): case TAG(rb): case TAG(rp):
    case TAG(rt): case TAG(rtc):
        return true;
    default: return false;
    }
}
static void imply_ends(builder *b, html_tag except) {
    while (implies_end(node(b, current(b))) && node(b, current(b))->tag != except && b->n_open > 1) b->n_open--;
}
static void imply_all_ends(builder *b) {
    for (;;) {
        const html_node *e = node(b, current(b));
        bool part = e->ns == HTML_NS_HTML && (e->tag == TAG(caption) || e->tag == TAG(colgroup) || e->tag == TAG(tbody) ||
                                              e->tag == TAG(td) || e->tag == TAG(tfoot) || e->tag == TAG(th) ||
                                              e->tag == TAG(thead) || e->tag == TAG(tr));
        if (b->n_open <= 1 || !(part || implies_end(e))) return;
        b->n_open--;
    }
}
static void close_p(builder *b) {
    imply_ends(b, TAG(p));
    pop_until(b, TAG(p));
}
static void close_p_in_scope(builder *b) {
    if (in_button_scope(b, TAG(p))) close_p(b);
}

/* ---- the adoption agency ---- */
static void any_other_end(builder *b, const token *k);

static bool is_special(const html_node *e) {
    if (e->ns == HTML_NS_HTML) return e->tag < HTML_N_TAGS && html_tag_flags[e->tag] & HTML_F_SPECIAL;
    if (e->ns == HTML_NS_MATH)
        return e->tag == TAG(mi) || e->tag == TAG(mo) || e->tag == TAG(mn) || e->tag == TAG(ms) || e->tag == TAG(mtext) ||
               e->tag == TAG(annotation_xml);
    return e->tag == TAG(foreignobject) || e->tag == TAG(desc) || e->tag == TAG(title);
}

static uint32_t clone(builder *b, uint32_t n) {
    token k = token_of(b, n);
    return make_element(b, &k, HTML_NS_HTML);
}

static void move_children(builder *b, uint32_t from, uint32_t to) {
    for (uint32_t c = node(b, from)->first; c;) {
        uint32_t next = node(b, c)->next;
        html_tree_unlink(b->t, c);
        html_tree_append(b->t, to, c);
        c = next;
    }
}

/* One round of the outer loop. Returns false when the algorithm ends. */
static bool adopt_once(builder *b, const token *k) {
    int i_format = b->n_formatting - 1;
    while (i_format >= 0 && b->formatting[i_format] != MARKER && node(b, b->formatting[i_format])->tag != k->tag) i_format--;
    if (i_format < 0 || b->formatting[i_format] == MARKER) {
        any_other_end(b, k);
        return false;
    }
    uint32_t format = b->formatting[i_format];
    int i_open = open_index(b, format);
    if (i_open < 0) {
        formatting_remove_at(b, i_format);
        return false;
    }
    if (!node_in_scope(b, format)) return false;
    int i_block = -1;
    for (int i = i_open + 1; i < b->n_open && i_block < 0; i++)
        if (is_special(node(b, b->open[i]))) i_block = i;
    if (i_block < 0) {
        b->n_open = i_open > 1 ? i_open : 1;
        formatting_remove_at(b, i_format);
        return false;
    }
    uint32_t block = b->open[i_block], ancestor = b->open[i_open > 0 ? i_open - 1 : 0], last = block;
    int bookmark = i_format, i_node = i_block;
    for (int inner = 1;; inner++) {
        uint32_t n = b->open[--i_node];
        if (n == format) break;
        int i = formatting_index(b, n);
        if (inner > 3 && i >= 0) {
            formatting_remove_at(b, i);
            if (i < bookmark) bookmark--;
            i = -1;
        }
        if (i < 0) {
            memmove(b->open + i_node, b->open + i_node + 1, (size_t)(b->n_open - i_node - 1) * sizeof *b->open);
            b->n_open--;
            continue;
        }
        uint32_t copy = clone(b, n);
        b->formatting[i] = copy;
        b->open[i_node] = copy;
        if (last == block) bookmark = i + 1;
        html_tree_unlink(b->t, last);
        html_tree_append(b->t, copy, last);
        last = copy;
    }
    html_tree_unlink(b->t, last);
    link_at(b, place_for(b, ancestor), last);
    uint32_t copy = clone(b, format);
    move_children(b, block, copy);
    html_tree_append(b->t, block, copy);
    int i = formatting_index(b, format);
    formatting_remove_at(b, i);
    if (i < bookmark) bookmark--;
    if (bookmark > b->n_formatting) bookmark = b->n_formatting;
    memmove(b->formatting + bookmark + 1, b->formatting + bookmark, (size_t)(b->n_formatting - bookmark) * sizeof *b->formatting);
    b->formatting[bookmark] = copy;
    b->n_formatting++;
    remove_open(b, format);
    i = open_index(b, block);
    memmove(b->open + i + 2, b->open + i + 1, (size_t)(b->n_open - i - 1) * sizeof *b->open);
    b->open[i + 1] = copy;
    b->n_open++;
    return true;
}

static void adopt(builder *b, const token *k) {
    uint32_t n = current(b);
    if (is_html(b, n, k->tag) && formatting_index(b, n) < 0) {
        pop(b);
        return;
    }
    for (int outer = 0; outer < 8; outer++) {
        if (b->reopen_budget == 0) {
            any_other_end(b, k);
            return;
        }
        b->reopen_budget--;
        if (!adopt_once(b, k)) return;
    }
}

static bool same_tag(const builder *b, uint32_t n, const token *k) {
    const html_node *e = node(b, n);
    if (e->tag != k->tag) return false;
    return k->tag != HTML_TAG_UNKNOWN || strcmp(b->t->bytes.ptr + e->len, b->t->bytes.ptr + k->off) == 0;
}

static void any_other_end(builder *b, const token *k) {
    for (int i = b->n_open - 1; i > 0; i--) {
        uint32_t n = b->open[i];
        if (node(b, n)->ns == HTML_NS_HTML && same_tag(b, n, k)) {
            imply_ends(b, k->tag == HTML_TAG_UNKNOWN ? HTML_N_TAGS : k->tag);
            b->n_open = i;
            return;
        }
        if (is_special(node(b, n))) return;
    }
}

/* ---- small helpers of the modes ---- */
static void merge_attrs(builder *b, uint32_t n, const token *k) {
    html_node *e = node(b, n);
    for (uint32_t i = 0; i < k->n_attrs; i++) {
        html_attr a = b->t->attr[k->first_attr + i];
        bool has = false;
        for (uint32_t j = 0; j < e->n_attrs && !has; j++) {
            const html_attr *c = &b->t->attr[e->off + j];
            has = a.name_len == c->name_len && memcmp(b->t->bytes.ptr + a.name, b->t->bytes.ptr + c->name, a.name_len) == 0;
        }
        if (has || e->n_attrs >= HTML_ATTRS_MAX) continue;
        if (e->n_attrs == 0 || e->off + e->n_attrs != b->t->n_attrs) {       /* to the end of the array */
            WT_GROW(b->t->attr, b->t->attrs_cap, b->t->n_attrs + e->n_attrs + 1);
            memcpy(b->t->attr + b->t->n_attrs, b->t->attr + e->off, e->n_attrs * sizeof *b->t->attr);
            e->off = b->t->n_attrs;
            b->t->n_attrs += e->n_attrs;
        }
        WT_GROW(b->t->attr, b->t->attrs_cap, b->t->n_attrs + 1);
        b->t->attr[b->t->n_attrs++] = a;
        e->n_attrs++;
    }
}

static void raw_text(builder *b, const token *k, raw_kind kind) {
    insert(b, k);
    b->z.raw = kind;
    b->z.raw_tag = k->tag;
    b->original_mode = b->mode;
    b->mode = IN_TEXT;
}

static void reset_mode(builder *b) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        const html_node *e = node(b, b->open[i]);
        bool last = i == 0;
        html_tag tag = e->ns == HTML_NS_HTML ? (html_tag)e->tag : HTML_TAG_UNKNOWN;
        if (tag == TAG(select)) {
            b->mode = IN_SELECT;
            for (int j = i - 1; j > 0; j--) {
                if (is_html(b, b->open[j], TAG(template))) break;
                if (is_html(b, b->open[j], TAG(table))) {
                    b->mode = IN_SELECT_IN_TABLE;
                    break;
                }
            }
            return;
        }
        if ((tag == TAG(td) || tag == TAG(th)) && !last) b->mode = IN_CELL;
        else if (tag == TAG(tr)) b->mode = IN_ROW;
        else if (tag == TAG(tbody) || tag == TAG(thead) || tag == TAG(tfoot)) b->mode = IN_TABLE_BODY;
        else if (tag == TAG(caption)) b->mode = IN_CAPTION;
        else if (tag == TAG(colgroup)) b->mode = IN_COLUMN_GROUP;
        else if (tag == TAG(table)) b->mode = IN_TABLE;
        else if (tag == TAG(template)) b->mode = b->n_templates ? b->template_mode[b->n_templates - 1] : IN_BODY;
        else if (tag == TAG(head) && !last) b->mode = IN_HEAD;
        else if (tag == TAG(body)) b->mode = IN_BODY;
        else if (tag == TAG(frameset)) b->mode = IN_FRAMESET;
        else if (tag == TAG(html)) b->mode = b->head ? AFTER_HEAD : BEFORE_HEAD;
        else if (last) b->mode = IN_BODY;
        else continue;
        return;
    }
}

/* Splits leading white space off a text token; true where something else is left in *k. */
static bool cut_space(const builder *b, token *k, token *space) {
    const char *p = b->t->bytes.ptr + k->off;
    uint32_t n = 0;
    while (n < k->len && (p[n] == ' ' || p[n] == '\n' || p[n] == '\t' || p[n] == '\f' || p[n] == '\r')) n++;
    *space = *k;
    space->len = n;
    k->off += n;
    k->len -= n;
    return k->len > 0;
}
static bool is_start(const token *k, html_tag tag) { return k->kind == TOKEN_START && k->tag == tag; }
static bool is_end(const token *k, html_tag tag) { return k->kind == TOKEN_END && k->tag == tag; }

/* ---- modes before the body: each returns true to have the token processed again ---- */
static bool initial(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_TEXT && !cut_space(b, k, &space)) return false;
    if (k->kind == TOKEN_COMMENT) {
        insert_comment(b, k, (place){0, 0});
        return false;
    }
    b->mode = BEFORE_HTML;
    if (k->kind == TOKEN_DOCTYPE) {
        html_tree_append(b->t, 0, html_tree_add(b->t, HTML_DOCTYPE));
        b->t->quirks = k->quirks;
        return false;
    }
    b->t->quirks = true;
    return true;
}

static void open_html(builder *b, const token *k) {
    uint32_t n = make_element(b, k, HTML_NS_HTML);
    html_tree_append(b->t, 0, n);
    b->open[0] = n;
    b->n_open = 1;
    b->mode = BEFORE_HEAD;
}

static bool before_html(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (k->kind == TOKEN_COMMENT) {
        insert_comment(b, k, (place){0, 0});
        return false;
    }
    if (k->kind == TOKEN_TEXT && !cut_space(b, k, &space)) return false;
    if (is_start(k, TAG(html))) {
        open_html(b, k);
        return false;
    }
    if (k->kind == TOKEN_END && k->tag != TAG(head) && k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
    open_html(b, &(token){.kind = TOKEN_START, .tag = TAG(html)});
    return true;
}

static bool in_body(builder *b, token *k);

static bool before_head(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (k->kind == TOKEN_COMMENT) {
        insert_comment_here(b, k);
        return false;
    }
    if (k->kind == TOKEN_TEXT && !cut_space(b, k, &space)) return false;
    if (is_start(k, TAG(html))) return in_body(b, k);
    if (is_start(k, TAG(head))) {
        b->head = insert(b, k);
        b->mode = IN_HEAD;
        return false;
    }
    if (k->kind == TOKEN_END && k->tag != TAG(head) && k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
    b->head = insert_tag(b, TAG(head));
    b->mode = IN_HEAD;
    return true;
}

static void end_template(builder *b) {
    if (!has_open(b, TAG(template))) return;
    imply_all_ends(b);
    pop_until(b, TAG(template));
    formatting_clear(b);
    if (b->n_templates) b->n_templates--;
    reset_mode(b);
}

/* Start and end tags that the head knows. 0: not one; 1: done; 2: process again. */
static int head_tags(builder *b, token *k) {
    if (k->kind == TOKEN_END) {
        if (k->tag != TAG(template)) return 0;
        end_template(b);
        return 1;
    }
    switch (k->tag) {
    case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta):
        insert_void(b, k);
        return 1;
    case TAG(title): raw_text(b, k, RAW_RCDATA); return 1;
    case TAG(noframes): case TAG(style): raw_text(b, k, RAW_TEXT); return 1;
    case TAG(script): raw_text(b, k, RAW_SCRIPT); return 1;
    case TAG(template):
        insert(b, k);
        formatting_marker(b);
        b->frameset_ok = false;
        b->mode = IN_TEMPLATE;
        if (b->n_templates < TEMPLATES_MAX) b->template_mode[b->n_templates++] = IN_TEMPLATE;
        else b->template_mode[TEMPLATES_MAX - 1] = IN_TEMPLATE;
        return 1;
    default: return 0;
    }
}

static bool in_head(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: {
        token space;
        bool more = cut_space(b, k, &space);
        insert_text(b, space.off, space.len);
        if (!more) return false;
        break;
    }
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START:
        if (k->tag == TAG(html)) return in_body(b, k);
        if (k->tag == TAG(head)) return false;
        if (k->tag == TAG(noscript)) {
            insert(b, k);
            b->mode = IN_HEAD_NOSCRIPT;
            return false;
        }
        if (head_tags(b, k)) return false;
        break;
    case TOKEN_END:
        if (k->tag == TAG(head)) {
            pop(b);
            b->mode = AFTER_HEAD;
            return false;
        }
        if (head_tags(b, k)) return false;
        if (k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
        break;
    case TOKEN_EOF: break;
    }
    pop(b);
    b->mode = AFTER_HEAD;
    return true;
}

static bool in_head_noscript(builder *b, token *k) {
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (is_start(k, TAG(html))) return in_body(b, k);
    if (is_end(k, TAG(noscript))) {
        pop(b);
        b->mode = IN_HEAD;
        return false;
    }
    if (k->kind == TOKEN_COMMENT) return in_head(b, k);
    if (k->kind == TOKEN_TEXT) {
        token space;
        bool more = cut_space(b, k, &space);
        insert_text(b, space.off, space.len);
        if (!more) return false;
    }
    if (k->kind == TOKEN_START) {
        switch (k->tag) {
        case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes): case TAG(style):
            return in_head(b, k);
        case TAG(head): case TAG(noscript): return false;
        default: break;
        }
    }
    if (k->kind == TOKEN_END && k->tag != TAG(br)) return false;
    pop(b);
    b->mode = IN_HEAD;
    return true;
}

static bool after_head(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: {
        token space;
        bool more = cut_space(b, k, &space);
        insert_text(b, space.off, space.len);
        if (!more) return false;
        break;
    }
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START:
        switch (k->tag) {
        case TAG(html): return in_body(b, k);
        case TAG(body):
            insert(b, k);
            b->frameset_ok = false;
            b->mode = IN_BODY;
            return false;
        case TAG(frameset):
            insert(b, k);
            b->mode = IN_FRAMESET;
            return false;
        case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes):
        case TAG(script): case TAG(style): case TAG(template): case TAG(title):
            push(b, b->head);
            in_head(b, k);
            remove_open(b, b->head);
            return false;
        case TAG(head): return false;
        default: break;
        }
        break;
    case TOKEN_END:
        if (k->tag == TAG(template)) return in_head(b, k);
        if (k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
        break;
    case TOKEN_EOF: break;
    }
    insert_tag(b, TAG(body));
    b->mode = IN_BODY;
    return true;
}

/* ---- the body ---- */
static void body_text(builder *b, token *k) {
    reconstruct(b);
    token rest = *k, space;
    if (b->frameset_ok && cut_space(b, &rest, &space)) b->frameset_ok = false;
    insert_text(b, k->off, k->len);
}

static void start_li(builder *b, const token *k, html_tag one, html_tag two) {
    b->frameset_ok = false;
    for (int i = b->n_open - 1; i > 0; i--) {
        const html_node *e = node(b, b->open[i]);
        if (e->ns == HTML_NS_HTML && (e->tag == one || e->tag == two)) {
            html_tag tag = e->tag;
            imply_ends(b, tag);
            pop_until(b, tag);
            break;
        }
        if (is_special(e) && e->tag != TAG(address) && e->tag != TAG(div) && e->tag != TAG(p)) break;
    }
    close_p_in_scope(b);
    insert(b, k);
}

static bool is_hidden_input(const builder *b, const token *k) {
    for (uint32_t i = 0; i < k->n_attrs; i++) {
        const html_attr *a = &b->t->attr[k->first_attr + i];
        if (a->id == HTML_ATTR_type)
            return wt_str_eq_nocase((wt_str){b->t->bytes.ptr + a->value, a->value_len}, WT_STR("hidden"));
    }
    return false;
}

static void start_frameset_in_body(builder *b, const token *k) {
    if (b->n_open < 2 || !is_html(b, b->open[1], TAG(body)) || !b->frameset_ok) return;
    html_tree_unlink(b->t, b->open[1]);
    b->n_open = 1;
    insert(b, k);
    b->mode = IN_FRAMESET;
}

static bool body_start(builder *b, token *k) {
    switch (k->tag) {
    case TAG(html):
        if (!has_open(b, TAG(template))) merge_attrs(b, b->open[0], k);
        return false;
    case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes): case TAG(script):
    case TAG(style): case TAG(template): case TAG(title):
        head_tags(b, k);
        return false;
    case TAG(body):
        if (b->n_open < 2 || !is_html(b, b->open[1], TAG(body)) || has_open(b, TAG(template))) return false;
        b->frameset_ok = false;
        merge_attrs(b, b->open[1], k);
        return false;
    case TAG(frameset): start_frameset_in_body(b, k); return false;
    case TAG(address): case TAG(article): case TAG(aside): case TAG(blockquote): case TAG(center): case TAG(details):
    case TAG(dialog): case TAG(dir): case TAG(div): case TAG(dl): case TAG(fieldset): case TAG(figcaption): case TAG(figure):
    case TAG(footer): case TAG(header): case TAG(hgroup): case TAG(main): case TAG(menu): case TAG(nav): case TAG(ol):
    case TAG(p): case TAG(section): case TAG(summary): case TAG(ul):
        close_p_in_scope(b);
        insert(b, k);
        return false;
    case TAG(h1): case TAG(h2): case TAG(h3): case TAG(h4): case TAG(h5): case TAG(h6):
        close_p_in_scope(b);
        if (node(b, current(b))->ns == HTML_NS_HTML && is_heading(node(b, current(b))->tag)) pop(b);
        insert(b, k);
        return false;
    case TAG(pre): case TAG(listing):
        close_p_in_scope(b);
        insert(b, k);
        b->skip_newline = true;
        b->frameset_ok = false;
        return false;
    case TAG(form): {
        bool in_template = has_open(b, TAG(template));
        if (b->form && !in_template) return false;
        close_p_in_scope(b);
        uint32_t n = insert(b, k);
        if (!in_template) b->form = n;
        return false;
    }
    case TAG(li): start_li(b, k, TAG(li), TAG(li)); return false;
    case TAG(dd): case TAG(dt): start_li(b, k, TAG(dd), TAG(dt)); return false;
    case TAG(plaintext):
        close_p_in_scope(b);
        insert(b, k);
        b->z.raw = RAW_PLAINTEXT;
        return false;
    case TAG(button):
        if (in_scope(b, TAG(button))) {
            imply_ends(b, HTML_N_TAGS);
            pop_until(b, TAG(button));
        }
        reconstruct(b);
        insert(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(a):
        for (int i = b->n_formatting - 1; i >= 0 && b->formatting[i] != MARKER; i--) {
            uint32_t n = b->formatting[i];
            if (node(b, n)->tag != TAG(a)) continue;
            adopt(b, k);
            int j = formatting_index(b, n);
            if (j >= 0) formatting_remove_at(b, j);
            remove_open(b, n);
            break;
        }
        reconstruct(b);
        formatting_push(b, insert(b, k));
        return false;
    case TAG(b): case TAG(big): case TAG(code): case TAG(em): case TAG(font): case TAG(i): case TAG(s): case TAG(small):
    case TAG(strike): case TAG(strong): case TAG(tt): case TAG(u):
        reconstruct(b);
        formatting_push(b, insert(b, k));
        return false;
    case TAG(nobr):
        reconstruct(b);
        if (in_scope(b, TAG(nobr))) {
            adopt(b, k);
            reconstruct(b);
        }
        formatting_push(b, insert(b, k));
        return false;
    case TAG(applet): case TAG(marquee): case TAG(object):
        reconstruct(b);
        insert(b, k);
        formatting_marker(b);
        b->frameset_ok = false;
        return false;
    case TAG(table):
        if (!b->t->quirks) close_p_in_scope(b);
        insert(b, k);
        b->frameset_ok = false;
        b->mode = IN_TABLE;
        return false;
    case TAG(image):
        k->tag = TAG(img);
        /* fall through */
    case TAG(area): case TAG(br): case TAG(embed): case TAG(img): case TAG(keygen): case TAG(wbr):
        reconstruct(b);
        insert_void(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(input):
        reconstruct(b);
        insert_void(b, k);
        if (!is_hidden_input(b, k)) b->frameset_ok = false;
        return false;
    case TAG(param): case TAG(source): case TAG(track): insert_void(b, k); return false;
    case TAG(hr):
        close_p_in_scope(b);
        insert_void(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(textarea):
        raw_text(b, k, RAW_RCDATA);
        b->skip_newline = true;
        b->frameset_ok = false;
        return false;
    case TAG(xmp):
        close_p_in_scope(b);
        reconstruct(b);
        b->frameset_ok = false;
        raw_text(b, k, RAW_TEXT);
        return false;
    case TAG(iframe):
        b->frameset_ok = false;
        raw_text(b, k, RAW_TEXT);
        return false;
    case TAG(noembed): raw_text(b, k, RAW_TEXT); return false;
    case TAG(select):
        reconstruct(b);
        insert(b, k);
        b->frameset_ok = false;
        b->mode = b->mode == IN_TABLE || b->mode == IN_CAPTION || b->mode == IN_TABLE_BODY || b->mode == IN_ROW || b->mode == IN_CELL
                      ? IN_SELECT_IN_TABLE : IN_SELECT;
        return false;
    case TAG(optgroup): case TAG(option):
        if (current_is(b, TAG(option))) pop(b);
        reconstruct(b);
        insert(b, k);
        return false;
    case TAG(rb): case TAG(rtc):
        if (in_scope(b, TAG(ruby))) imply_ends(b, HTML_N_TAGS);
        insert(b, k);
        return false;
    case TAG(rp): case TAG(rt):
        if (in_scope(b, TAG(ruby))) imply_ends(b, TAG(rtc));
        insert(b, k);
        return false;
    case TAG(math): case TAG(svg):
        reconstruct(b);
        insert_foreign(b, k, k->tag == TAG(svg) ? HTML_NS_SVG : HTML_NS_MATH);
        if (k->self_closing) pop(b);
        return false;
    case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(frame): case TAG(head): case TAG(tbody): case TAG(td):
    case TAG(tfoot): case TAG(th): case TAG(thead): case TAG(tr):
        return false;
    default:
        reconstruct(b);
        insert(b, k);
        return false;
    }
}

static bool body_end(builder *b, token *k) {
    switch (k->tag) {
    case TAG(template): end_template(b); return false;
    case TAG(body): case TAG(html):
        if (!in_scope(b, TAG(body))) return false;
        b->mode = AFTER_BODY;
        return k->tag == TAG(html);
    case TAG(address): case TAG(article): case TAG(aside): case TAG(blockquote): case TAG(button): case TAG(center):
    case TAG(details): case TAG(dialog): case TAG(dir): case TAG(div): case TAG(dl): case TAG(fieldset): case TAG(figcaption):
    case TAG(figure): case TAG(footer): case TAG(header): case TAG(hgroup): case TAG(listing): case TAG(main): case TAG(menu):
    case TAG(nav): case TAG(ol): case TAG(pre): case TAG(section): case TAG(summary): case TAG(ul):
        if (!in_scope(b, k->tag)) return false;
        imply_ends(b, HTML_N_TAGS);
        pop_until(b, k->tag);
        return false;
    case TAG(form):
        if (has_open(b, TAG(template))) {
            if (!in_scope(b, TAG(form))) return false;
            imply_ends(b, HTML_N_TAGS);
            pop_until(b, TAG(form));
        } else {
            uint32_t n = b->form;
            b->form = 0;
            if (!n || !node_in_scope(b, n)) return false;
            imply_ends(b, HTML_N_TAGS);
            remove_open(b, n);
        }
        return false;
    case TAG(p):
        if (!in_button_scope(b, TAG(p))) insert_tag(b, TAG(p));
        close_p(b);
        return false;
    case TAG(li):
        if (!in_scope_kind(b, TAG(li), SCOPE_LIST)) return false;
        imply_ends(b, TAG(li));
        pop_until(b, TAG(li));
        return false;
    case TAG(dd): case TAG(dt):
        if (!in_scope(b, k->tag)) return false;
        imply_ends(b, k->tag);
        pop_until(b, k->tag);
        return false;
    case TAG(h1): case TAG(h2): case TAG(h3): case TAG(h4): case TAG(h5): case TAG(h6):
        if (!heading_in_scope(b)) return false;
        imply_ends(b, HTML_N_TAGS);
        while (b->n_open > 1) {
            const html_node *e = node(b, current(b));
            bool last = e->ns == HTML_NS_HTML && is_heading(e->tag);
            b->n_open--;
            if (last) break;
        }
        return false;
    case TAG(a): case TAG(b): case TAG(big): case TAG(code): case TAG(em): case TAG(font): case TAG(i): case TAG(nobr):
    case TAG(s): case TAG(small): case TAG(strike): case TAG(strong): case TAG(tt): case TAG(u):
        adopt(b, k);
        return false;
    case TAG(applet): case TAG(marquee): case TAG(object):
        if (!in_scope(b, k->tag)) return false;
        imply_ends(b, HTML_N_TAGS);
        pop_until(b, k->tag);
        formatting_clear(b);
        return false;
    case TAG(br): {
        token br = {.kind = TOKEN_START, .tag = TAG(br)};
        return body_start(b, &br);
    }
    default: any_other_end(b, k); return false;
    }
}

static bool in_template(builder *b, token *k);

static bool in_body(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: body_text(b, k); return false;
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START: return body_start(b, k);
    case TOKEN_END: return body_end(b, k);
    case TOKEN_EOF: return b->n_templates ? in_template(b, k) : false;
    }
    return false;
}

/* ---- tables ---- */
static void clear_to(builder *b, html_tag one, html_tag two, html_tag three) {
    while (b->n_open > 1) {
        html_tag tag = node(b, current(b))->ns == HTML_NS_HTML ? node(b, current(b))->tag : HTML_TAG_UNKNOWN;
        if (tag == one || tag == two || tag == three || tag == TAG(template) || tag == TAG(html)) return;
        b->n_open--;
    }
}
static void clear_to_table(builder *b) { clear_to(b, TAG(table), TAG(table), TAG(table)); }
static void clear_to_body(builder *b) { clear_to(b, TAG(tbody), TAG(tfoot), TAG(thead)); }
static void clear_to_row(builder *b) { clear_to(b, TAG(tr), TAG(tr), TAG(tr)); }

static bool in_body_fostered(builder *b, token *k) {
    b->foster = true;
    bool again = in_body(b, k);
    b->foster = false;
    return again;
}

static bool in_table(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT:
        if (is_table_part(node(b, current(b))->tag) && node(b, current(b))->ns == HTML_NS_HTML) {
            b->n_pending = 0;
            b->original_mode = b->mode;
            b->mode = IN_TABLE_TEXT;
            return true;
        }
        return in_body_fostered(b, k);
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(caption):
            clear_to_table(b);
            formatting_marker(b);
            insert(b, k);
            b->mode = IN_CAPTION;
            return false;
        case TAG(colgroup):
            clear_to_table(b);
            insert(b, k);
            b->mode = IN_COLUMN_GROUP;
            return false;
        case TAG(col):
            clear_to_table(b);
            insert_tag(b, TAG(colgroup));
            b->mode = IN_COLUMN_GROUP;
            return true;
        case TAG(tbody): case TAG(tfoot): case TAG(thead):
            clear_to_table(b);
            insert(b, k);
            b->mode = IN_TABLE_BODY;
            return false;
        case TAG(td): case TAG(th): case TAG(tr):
            clear_to_table(b);
            insert_tag(b, TAG(tbody));
            b->mode = IN_TABLE_BODY;
            return true;
        case TAG(table):
            if (!in_table_scope(b, TAG(table))) return false;
            pop_until(b, TAG(table));
            reset_mode(b);
            return true;
        case TAG(style): case TAG(script): case TAG(template): head_tags(b, k); return false;
        case TAG(input):
            if (!is_hidden_input(b, k)) return in_body_fostered(b, k);
            insert_void(b, k);
            return false;
        case TAG(form):
            if (has_open(b, TAG(template)) || b->form) return false;
            b->form = insert(b, k);
            pop(b);
            return false;
        default: return in_body_fostered(b, k);
        }
    case TOKEN_END:
        switch (k->tag) {
        case TAG(table):
            if (!in_table_scope(b, TAG(table))) return false;
            pop_until(b, TAG(table));
            reset_mode(b);
            return false;
        case TAG(body): case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(html): case TAG(tbody): case TAG(td):
        case TAG(tfoot): case TAG(th): case TAG(thead): case TAG(tr):
            return false;
        case TAG(template): head_tags(b, k); return false;
        default: return in_body_fostered(b, k);
        }
    }
    return false;
}

static void flush_table_text(builder *b) {
    bool text = false;
    for (int i = 0; i < b->n_pending && !text; i++) {
        token copy = b->pending[i], space;
        text = cut_space(b, &copy, &space);
    }
    for (int i = 0; i < b->n_pending; i++) {
        if (text) in_body_fostered(b, &b->pending[i]);
        else insert_text(b, b->pending[i].off, b->pending[i].len);
    }
    b->n_pending = 0;
}

static bool in_table_text(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT && b->n_pending < PENDING_MAX) {
        b->pending[b->n_pending++] = *k;
        return false;
    }
    flush_table_text(b);
    b->mode = b->original_mode;
    return true;
}

static bool end_caption(builder *b) {
    if (!in_table_scope(b, TAG(caption))) return false;
    imply_ends(b, HTML_N_TAGS);
    pop_until(b, TAG(caption));
    formatting_clear(b);
    b->mode = IN_TABLE;
    return true;
}

static bool in_caption(builder *b, token *k) {
    if (is_end(k, TAG(caption))) return end_caption(b), false;
    bool table_start = k->kind == TOKEN_START &&
                       (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) || k->tag == TAG(tbody) ||
                        k->tag == TAG(td) || k->tag == TAG(tfoot) || k->tag == TAG(th) || k->tag == TAG(thead) || k->tag == TAG(tr));
    if (table_start || is_end(k, TAG(table))) return end_caption(b);
    if (k->kind == TOKEN_END &&
        (k->tag == TAG(body) || k->tag == TAG(col) || k->tag == TAG(colgroup) || k->tag == TAG(html) || k->tag == TAG(tbody) ||
         k->tag == TAG(td) || k->tag == TAG(tfoot) || k->tag == TAG(th) || k->tag == TAG(thead) || k->tag == TAG(tr)))
        return false;
    return in_body(b, k);
}

static bool in_column_group(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: {
        token space;
        bool more = cut_space(b, k, &space);
        insert_text(b, space.off, space.len);
        if (!more) return false;
        break;
    }
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return in_body(b, k);
    case TOKEN_START:
        if (k->tag == TAG(html)) return in_body(b, k);
        if (k->tag == TAG(col)) {
            insert_void(b, k);
            return false;
        }
        if (k->tag == TAG(template)) return head_tags(b, k), false;
        break;
    case TOKEN_END:
        if (k->tag == TAG(col)) return false;
        if (k->tag == TAG(template)) return head_tags(b, k), false;
        if (k->tag == TAG(colgroup)) {
            if (!current_is(b, TAG(colgroup))) return false;
            pop(b);
            b->mode = IN_TABLE;
            return false;
        }
        break;
    }
    if (!current_is(b, TAG(colgroup))) return false;
    pop(b);
    b->mode = IN_TABLE;
    return true;
}

static bool in_table_body(builder *b, token *k) {
    if (is_start(k, TAG(tr))) {
        clear_to_body(b);
        insert(b, k);
        b->mode = IN_ROW;
        return false;
    }
    if (is_start(k, TAG(th)) || is_start(k, TAG(td))) {
        clear_to_body(b);
        insert_tag(b, TAG(tr));
        b->mode = IN_ROW;
        return true;
    }
    if (k->kind == TOKEN_END && (k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead))) {
        if (!in_table_scope(b, k->tag)) return false;
        clear_to_body(b);
        pop(b);
        b->mode = IN_TABLE;
        return false;
    }
    bool part = k->kind == TOKEN_START && (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                           k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead));
    if (part || is_end(k, TAG(table))) {
        if (!in_table_scope(b, TAG(tbody)) && !in_table_scope(b, TAG(thead)) && !in_table_scope(b, TAG(tfoot))) return false;
        clear_to_body(b);
        pop(b);
        b->mode = IN_TABLE;
        return true;
    }
    if (k->kind == TOKEN_END && (k->tag == TAG(body) || k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                 k->tag == TAG(html) || k->tag == TAG(td) || k->tag == TAG(th) || k->tag == TAG(tr)))
        return false;
    return in_table(b, k);
}

static bool end_row(builder *b) {
    if (!in_table_scope(b, TAG(tr))) return false;
    clear_to_row(b);
    pop(b);
    b->mode = IN_TABLE_BODY;
    return true;
}

static bool in_row(builder *b, token *k) {
    if (is_start(k, TAG(th)) || is_start(k, TAG(td))) {
        clear_to_row(b);
        insert(b, k);
        b->mode = IN_CELL;
        formatting_marker(b);
        return false;
    }
    if (is_end(k, TAG(tr))) return end_row(b), false;
    bool part = k->kind == TOKEN_START && (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                           k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead) || k->tag == TAG(tr));
    if (part || is_end(k, TAG(table))) return end_row(b);
    if (k->kind == TOKEN_END && (k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead)))
        return in_table_scope(b, k->tag) && end_row(b);
    if (k->kind == TOKEN_END && (k->tag == TAG(body) || k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                 k->tag == TAG(html) || k->tag == TAG(td) || k->tag == TAG(th)))
        return false;
    return in_table(b, k);
}

static void close_cell(builder *b) {
    imply_ends(b, HTML_N_TAGS);
    while (b->n_open > 1) {
        const html_node *e = node(b, current(b));
        bool last = e->ns == HTML_NS_HTML && (e->tag == TAG(td) || e->tag == TAG(th));
        b->n_open--;
        if (last) break;
    }
    formatting_clear(b);
    b->mode = IN_ROW;
}

static bool in_cell(builder *b, token *k) {
    if (k->kind == TOKEN_END) {
        switch (k->tag) {
        case TAG(td): case TAG(th):
            if (!in_table_scope(b, k->tag)) return false;
            imply_ends(b, HTML_N_TAGS);
            pop_until(b, k->tag);
            formatting_clear(b);
            b->mode = IN_ROW;
            return false;
        case TAG(body): case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(html): return false;
        case TAG(table): case TAG(tbody): case TAG(tfoot): case TAG(thead): case TAG(tr):
            if (!in_table_scope(b, k->tag)) return false;
            close_cell(b);
            return true;
        default: return in_body(b, k);
        }
    }
    if (k->kind == TOKEN_START) {
        switch (k->tag) {
        case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(tbody): case TAG(td): case TAG(tfoot): case TAG(th):
        case TAG(thead): case TAG(tr):
            if (!in_table_scope(b, TAG(td)) && !in_table_scope(b, TAG(th))) return false;
            close_cell(b);
            return true;
        default: break;
        }
    }
    return in_body(b, k);
}

/* ---- select, template, the end ---- */
static bool in_select(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: insert_text(b, k->off, k->len); return false;
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(html): return in_body(b, k);
        case TAG(option):
            if (current_is(b, TAG(option))) pop(b);
            insert(b, k);
            return false;
        case TAG(optgroup):
            if (current_is(b, TAG(option))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            insert(b, k);
            return false;
        case TAG(hr):
            if (current_is(b, TAG(option))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            insert_void(b, k);
            return false;
        case TAG(select): case TAG(input): case TAG(keygen): case TAG(textarea):
            if (!in_scope_kind(b, TAG(select), SCOPE_SELECT)) return false;
            pop_until(b, TAG(select));
            reset_mode(b);
            return k->tag != TAG(select);
        case TAG(script): case TAG(template): head_tags(b, k); return false;
        default: return false;
        }
    case TOKEN_END:
        switch (k->tag) {
        case TAG(optgroup):
            if (current_is(b, TAG(option)) && b->n_open > 1 && is_html(b, b->open[b->n_open - 2], TAG(optgroup))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            return false;
        case TAG(option):
            if (current_is(b, TAG(option))) pop(b);
            return false;
        case TAG(select):
            if (!in_scope_kind(b, TAG(select), SCOPE_SELECT)) return false;
            pop_until(b, TAG(select));
            reset_mode(b);
            return false;
        case TAG(template): head_tags(b, k); return false;
        default: return false;
        }
    }
    return false;
}

static bool in_select_in_table(builder *b, token *k) {
    bool part = (k->kind == TOKEN_START || k->kind == TOKEN_END) &&
                (k->tag == TAG(caption) || k->tag == TAG(table) || k->tag == TAG(tbody) || k->tag == TAG(tfoot) ||
                 k->tag == TAG(thead) || k->tag == TAG(tr) || k->tag == TAG(td) || k->tag == TAG(th));
    if (!part) return in_select(b, k);
    if (k->kind == TOKEN_END && !in_table_scope(b, k->tag)) return false;
    pop_until(b, TAG(select));
    reset_mode(b);
    return true;
}

static bool template_again(builder *b, insertion_mode mode) {
    if (b->n_templates) b->template_mode[b->n_templates - 1] = mode;
    b->mode = mode;
    return true;
}

static bool in_template(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: case TOKEN_COMMENT: case TOKEN_DOCTYPE: return in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes):
        case TAG(script): case TAG(style): case TAG(template): case TAG(title):
            head_tags(b, k);
            return false;
        case TAG(caption): case TAG(colgroup): case TAG(tbody): case TAG(tfoot): case TAG(thead): return template_again(b, IN_TABLE);
        case TAG(col): return template_again(b, IN_COLUMN_GROUP);
        case TAG(tr): return template_again(b, IN_TABLE_BODY);
        case TAG(td): case TAG(th): return template_again(b, IN_ROW);
        default: return template_again(b, IN_BODY);
        }
    case TOKEN_END:
        if (k->tag == TAG(template)) head_tags(b, k);
        return false;
    case TOKEN_EOF:
        if (!has_open(b, TAG(template))) return false;
        pop_until(b, TAG(template));
        formatting_clear(b);
        if (b->n_templates) b->n_templates--;
        reset_mode(b);
        return b->n_open > 1;
    }
    return false;
}

static bool after_body(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_TEXT && !cut_space(b, &copy, &space)) return in_body(b, k);
    if (k->kind == TOKEN_COMMENT) {
        insert_comment(b, k, (place){b->open[0], 0});
        return false;
    }
    if (k->kind == TOKEN_DOCTYPE || k->kind == TOKEN_EOF) return false;
    if (is_start(k, TAG(html))) return in_body(b, k);
    if (is_end(k, TAG(html))) {
        b->mode = AFTER_AFTER_BODY;
        return false;
    }
    b->mode = IN_BODY;
    return true;
}

static bool after_after_body(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_COMMENT) {
        insert_comment(b, k, (place){0, 0});
        return false;
    }
    if (k->kind == TOKEN_DOCTYPE || is_start(k, TAG(html)) || (k->kind == TOKEN_TEXT && !cut_space(b, &copy, &space)))
        return in_body(b, k);
    if (k->kind == TOKEN_EOF) return false;
    b->mode = IN_BODY;
    return true;
}

static void insert_spaces(builder *b, const token *k) {
    for (uint32_t i = 0; i < k->len; i++) {
        char c = b->t->bytes.ptr[k->off + i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '\r') insert_text(b, k->off + i, 1);
    }
}

static bool in_frameset(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) insert_spaces(b, k);
    else if (k->kind == TOKEN_COMMENT) insert_comment_here(b, k);
    else if (is_start(k, TAG(html))) return in_body(b, k);
    else if (is_start(k, TAG(frameset))) insert(b, k);
    else if (is_end(k, TAG(frameset))) {
        pop(b);
        if (!current_is(b, TAG(frameset))) b->mode = AFTER_FRAMESET;
    } else if (is_start(k, TAG(frame))) insert_void(b, k);
    else if (is_start(k, TAG(noframes))) head_tags(b, k);
    return false;
}

static bool after_frameset(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) insert_spaces(b, k);
    else if (k->kind == TOKEN_COMMENT) insert_comment_here(b, k);
    else if (is_start(k, TAG(html))) return in_body(b, k);
    else if (is_end(k, TAG(html))) b->mode = AFTER_AFTER_FRAMESET;
    else if (is_start(k, TAG(noframes))) head_tags(b, k);
    return false;
}

static bool after_after_frameset(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_COMMENT) insert_comment(b, k, (place){0, 0});
    else if (k->kind == TOKEN_DOCTYPE || is_start(k, TAG(html)) || (k->kind == TOKEN_TEXT && !cut_space(b, &copy, &space)))
        return in_body(b, k);
    else if (is_start(k, TAG(noframes))) head_tags(b, k);
    return false;
}

/* ---- SVG and MathML ---- */
static bool is_math_text_point(const html_node *e) {
    return e->ns == HTML_NS_MATH && (e->tag == TAG(mi) || e->tag == TAG(mo) || e->tag == TAG(mn) || e->tag == TAG(ms) || e->tag == TAG(mtext));
}
static bool is_html_point(const builder *b, const html_node *e, uint32_t n) {
    if (e->ns == HTML_NS_SVG) return e->tag == TAG(foreignobject) || e->tag == TAG(desc) || e->tag == TAG(title);
    if (e->ns != HTML_NS_MATH || e->tag != TAG(annotation_xml)) return false;
    wt_str v = html_attr_get(b->t, n, HTML_ATTR_encoding);
    return wt_str_eq_nocase(v, WT_STR("text/html")) || wt_str_eq_nocase(v, WT_STR("application/xhtml+xml"));
}

static bool is_foreign_token(const builder *b, const token *k) {
    uint32_t n = current(b);
    const html_node *e = node(b, n);
    if (b->n_open == 0 || e->ns == HTML_NS_HTML || k->kind == TOKEN_EOF) return false;
    if (is_math_text_point(e) && (k->kind == TOKEN_TEXT || (k->kind == TOKEN_START && k->tag != TAG(mglyph) && k->tag != TAG(malignmark))))
        return false;
    if (e->ns == HTML_NS_MATH && e->tag == TAG(annotation_xml) && is_start(k, TAG(svg))) return false;
    if (is_html_point(b, e, n) && (k->kind == TOKEN_TEXT || k->kind == TOKEN_START)) return false;
    return true;
}

static bool breaks_out(const builder *b, const token *k) {
    switch (k->tag) {
    case TAG(b): case TAG(big): case TAG(blockquote): case TAG(body): case TAG(br): case TAG(center): case TAG(code): case TAG(dd):
    case TAG(div): case TAG(dl): case TAG(dt): case TAG(em): case TAG(embed): case TAG(h1): case TAG(h2): case TAG(h3):
    case TAG(h4): case TAG(h5): case TAG(h6): case TAG(head): case TAG(hr): case TAG(i): case TAG(img): case TAG(li):
    case TAG(listing): case TAG(menu): case TAG(meta): case TAG(nobr): case TAG(ol): case TAG(p): case TAG(pre): case TAG(ruby):
    case TAG(s): case TAG(small): case TAG(span): case TAG(strong): case TAG(strike): case TAG(sub): case TAG(sup):
    case TAG(table): case TAG(tt): case TAG(u): case TAG(ul): case TAG(var):
        return true;
    case TAG(font):
        for (uint32_t i = 0; i < k->n_attrs; i++) {
            uint16_t id = b->t->attr[k->first_attr + i].id;
            if (id == HTML_ATTR_color || id == HTML_ATTR_face || id == HTML_ATTR_size) return true;
        }
        return false;
    default: return false;
    }
}

static bool in_foreign(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: {
        token rest = *k, space;
        if (cut_space(b, &rest, &space)) b->frameset_ok = false;
        insert_text(b, k->off, k->len);
        return false;
    }
    case TOKEN_COMMENT: insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: case TOKEN_EOF: return false;
    case TOKEN_START:
        if (breaks_out(b, k)) {
            while (b->n_open > 1) {
                const html_node *e = node(b, current(b));
                if (e->ns == HTML_NS_HTML || is_math_text_point(e) || is_html_point(b, e, current(b))) break;
                b->n_open--;
            }
            return true;
        }
        insert_foreign(b, k, node(b, current(b))->ns);
        if (k->self_closing) pop(b);
        return false;
    case TOKEN_END:
        if (k->tag == TAG(br) || k->tag == TAG(p)) {
            while (b->n_open > 1 && node(b, current(b))->ns != HTML_NS_HTML) b->n_open--;
            return true;
        }
        for (int i = b->n_open - 1; i > 0; i--) {
            if (same_tag(b, b->open[i], k)) {
                b->n_open = i;
                return false;
            }
            if (node(b, b->open[i - 1])->ns == HTML_NS_HTML) break;
        }
        /* by the rules of the mode: the element may be of HTML further up */
        for (int i = b->n_open - 1; i > 0; i--) {
            if (node(b, b->open[i])->ns == HTML_NS_HTML) {
                insertion_mode mode = b->mode;
                return mode == IN_BODY ? body_end(b, k) : process(b, k);
            }
        }
        return false;
    }
    return false;
}

/* ---- dispatch ---- */
static bool in_text(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) {
        insert_text(b, k->off, k->len);
        return false;
    }
    pop(b);
    b->mode = b->original_mode;
    return k->kind == TOKEN_EOF;
}

static bool process(builder *b, token *k) {
    static bool (*const modes[])(builder *, token *) = {
        initial, before_html, before_head, in_head, in_head_noscript, after_head, in_body, in_text, in_table, in_table_text,
        in_caption, in_column_group, in_table_body, in_row, in_cell, in_select, in_select_in_table, in_template, after_body,
        in_frameset, after_frameset, after_after_body, after_after_frameset};
    return modes[b->mode](b, k);
}

void html_parse(html_tree *t, wt_str page) {
    builder *b = wt_xcalloc(1, sizeof *b);
    b->t = t;
    b->frameset_ok = true;
    b->reopen_budget = 20000 + page.len / 4;
    b->move_budget = 65536 + 2 * page.len;
    tokenizer_init(&b->z, t, page);
    token k;
    do {
        t->over = t->over || (t->memory_max && html_tree_cost(t) > t->memory_max);
        if (t->over) b->z.at = b->z.end;        /* the tree ends as at the page's end */
        b->z.cdata = b->n_open && node(b, current(b))->ns != HTML_NS_HTML;
        tokenizer_next(&b->z, &k);
        if (b->skip_newline) {
            b->skip_newline = false;
            if (k.kind == TOKEN_TEXT && t->bytes.ptr[k.off] == '\n') {
                k.off++;
                if (--k.len == 0) continue;
            }
        }
        for (int again = 0; again < 64; again++) {
            bool repeat = is_foreign_token(b, &k) ? in_foreign(b, &k) : process(b, &k);
            if (!repeat) break;
        }
    } while (k.kind != TOKEN_EOF);
    free(b);
}

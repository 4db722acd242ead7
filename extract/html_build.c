/* html_build.c - the steps of tree construction that the insertion modes are made of: the stack of open elements, scopes,
 * inserting with foster parents, formatting elements and the adoption agency. */
#include "extract/html_build.h"

enum { MERGE_MAX = 1 << 16 };     /* a text joins one before it up to so many bytes */

/* ---- the stack of open elements ---- */
static int open_index(const builder *b, uint32_t n) {
    for (int i = b->n_open - 1; i >= 0; i--)
        if (b->open[i] == n) return i;
    return -1;
}
void build_remove_open(builder *b, uint32_t n) {
    int i = open_index(b, n);
    if (i <= 0) return;
    memmove(b->open + i, b->open + i + 1, (size_t)(b->n_open - i - 1) * sizeof *b->open);
    b->n_open--;
}
bool build_has_open(const builder *b, html_tag tag) {
    for (int i = b->n_open - 1; i >= 0; i--)
        if (is_html(b, b->open[i], tag)) return true;
    return false;
}
/* Pops up to and with the first of tag. */
void build_pop_until(builder *b, html_tag tag) {
    while (b->n_open > 1) {
        bool last = current_is(b, tag);
        b->n_open--;
        if (last) return;
    }
}

/* ---- scopes ---- */
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
bool build_in_scope_kind(const builder *b, html_tag tag, scope_kind kind) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        if (is_html(b, b->open[i], tag)) return true;
        if (ends_scope(node(b, b->open[i]), kind)) return false;
    }
    return false;
}
bool build_heading_in_scope(const builder *b) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        const html_node *e = node(b, b->open[i]);
        if (e->ns == HTML_NS_HTML && is_heading(e->tag)) return true;
        if (ends_scope(e, SCOPE)) return false;
    }
    return false;
}
bool build_node_in_scope(const builder *b, uint32_t n) {
    for (int i = b->n_open - 1; i >= 0; i--) {
        if (b->open[i] == n) return true;
        if (ends_scope(node(b, b->open[i]), SCOPE)) return false;
    }
    return false;
}

/* ---- inserting ---- */
bool build_is_table_part(html_tag tag) {
    return tag == TAG(table) || tag == TAG(tbody) || tag == TAG(tfoot) || tag == TAG(thead) || tag == TAG(tr);
}

static place place_for(const builder *b, uint32_t target) {
    const html_node *e = node(b, target);
    if (!b->foster || e->ns != HTML_NS_HTML || !build_is_table_part(e->tag)) return (place){target, 0};
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


static void make_room(builder *b) {
    if (b->n_open >= HTML_DEPTH_MAX) b->n_open--;
}

uint32_t build_make_element(builder *b, const token *k, int ns) {
    uint32_t n = html_tree_add(b->t, k->tag);
    html_node *e = node(b, n);
    e->ns = (uint8_t)ns;
    e->off = k->first_attr;
    e->n_attrs = k->n_attrs;
    e->len = k->tag == HTML_TAG_UNKNOWN ? k->off : 0;
    return n;
}

uint32_t build_insert_foreign(builder *b, const token *k, int ns) {
    make_room(b);
    place p = place_for(b, current(b));
    uint32_t n = build_make_element(b, k, ns);
    link_at(b, p, n);
    push(b, n);
    return n;
}
uint32_t build_insert(builder *b, const token *k) { return build_insert_foreign(b, k, HTML_NS_HTML); }
uint32_t build_insert_tag(builder *b, html_tag tag) { return build_insert(b, &(token){.kind = TOKEN_START, .tag = tag}); }
void build_insert_void(builder *b, const token *k) {
    build_insert(b, k);
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

void build_insert_text(builder *b, uint32_t off, uint32_t len) {
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

void build_insert_comment(builder *b, const token *k, place p) {
    uint32_t n = html_tree_add(b->t, HTML_COMMENT);
    node(b, n)->off = k->off;
    node(b, n)->len = k->len;
    link_at(b, p, n);
}
void build_insert_comment_here(builder *b, const token *k) { build_insert_comment(b, k, place_for(b, current(b))); }

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

void build_formatting_remove_at(builder *b, int i) {
    memmove(b->formatting + i, b->formatting + i + 1, (size_t)(b->n_formatting - i - 1) * sizeof *b->formatting);
    b->n_formatting--;
}

void build_formatting_push(builder *b, uint32_t n) {
    int same = 0, earliest = -1;
    for (int i = b->n_formatting - 1; i >= 0 && b->formatting[i] != MARKER; i--)
        if (same_formatting(b, b->formatting[i], n)) same++, earliest = i;
    if (same >= 3) build_formatting_remove_at(b, earliest);               /* the Noah's Ark clause */
    if (b->n_formatting == FORMATTING_MAX) build_formatting_remove_at(b, 0);
    b->formatting[b->n_formatting++] = n;
}
void build_formatting_marker(builder *b) {
    if (b->n_formatting == FORMATTING_MAX) build_formatting_remove_at(b, 0);
    b->formatting[b->n_formatting++] = MARKER;
}
void build_formatting_clear(builder *b) {
    while (b->n_formatting && b->formatting[--b->n_formatting] != MARKER) {
    }
}
int build_formatting_index(const builder *b, uint32_t n) {
    for (int i = b->n_formatting - 1; i >= 0; i--)
        if (b->formatting[i] == n) return i;
    return -1;
}

static token token_of(const builder *b, uint32_t n) {
    const html_node *e = node(b, n);
    return (token){.kind = TOKEN_START, .tag = e->tag, .first_attr = e->off, .n_attrs = e->n_attrs, .off = e->len};
}

void build_reconstruct(builder *b) {
    int i = b->n_formatting - 1;
    if (i < 0 || b->formatting[i] == MARKER || open_index(b, b->formatting[i]) >= 0) return;
    while (i > 0 && b->formatting[i - 1] != MARKER && open_index(b, b->formatting[i - 1]) < 0) i--;
    for (; i < b->n_formatting; i++) {
        if (b->reopen_budget == 0) return;
        b->reopen_budget--;
        token k = token_of(b, b->formatting[i]);
        b->formatting[i] = build_insert(b, &k);
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
void build_imply_ends(builder *b, html_tag except) {
    while (implies_end(node(b, current(b))) && node(b, current(b))->tag != except && b->n_open > 1) b->n_open--;
}
void build_imply_all_ends(builder *b) {
    for (;;) {
        const html_node *e = node(b, current(b));
        bool part = e->ns == HTML_NS_HTML && (e->tag == TAG(caption) || e->tag == TAG(colgroup) || e->tag == TAG(tbody) ||
                                              e->tag == TAG(td) || e->tag == TAG(tfoot) || e->tag == TAG(th) ||
                                              e->tag == TAG(thead) || e->tag == TAG(tr));
        if (b->n_open <= 1 || !(part || implies_end(e))) return;
        b->n_open--;
    }
}
void build_close_p(builder *b) {
    build_imply_ends(b, TAG(p));
    build_pop_until(b, TAG(p));
}
void build_close_p_in_scope(builder *b) {
    if (in_button_scope(b, TAG(p))) build_close_p(b);
}

/* ---- the adoption agency ---- */
bool build_is_special(const html_node *e) {
    if (e->ns == HTML_NS_HTML) return e->tag < HTML_N_TAGS && html_tag_flags[e->tag] & HTML_F_SPECIAL;
    if (e->ns == HTML_NS_MATH)
        return e->tag == TAG(mi) || e->tag == TAG(mo) || e->tag == TAG(mn) || e->tag == TAG(ms) || e->tag == TAG(mtext) ||
               e->tag == TAG(annotation_xml);
    return e->tag == TAG(foreignobject) || e->tag == TAG(desc) || e->tag == TAG(title);
}

static uint32_t clone(builder *b, uint32_t n) {
    token k = token_of(b, n);
    return build_make_element(b, &k, HTML_NS_HTML);
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
        build_any_other_end(b, k);
        return false;
    }
    uint32_t format = b->formatting[i_format];
    int i_open = open_index(b, format);
    if (i_open < 0) {
        build_formatting_remove_at(b, i_format);
        return false;
    }
    if (!build_node_in_scope(b, format)) return false;
    int i_block = -1;
    for (int i = i_open + 1; i < b->n_open && i_block < 0; i++)
        if (build_is_special(node(b, b->open[i]))) i_block = i;
    if (i_block < 0) {
        b->n_open = i_open > 1 ? i_open : 1;
        build_formatting_remove_at(b, i_format);
        return false;
    }
    uint32_t block = b->open[i_block], ancestor = b->open[i_open > 0 ? i_open - 1 : 0], last = block;
    int bookmark = i_format, i_node = i_block;
    for (int inner = 1;; inner++) {
        uint32_t n = b->open[--i_node];
        if (n == format) break;
        int i = build_formatting_index(b, n);
        if (inner > 3 && i >= 0) {
            build_formatting_remove_at(b, i);
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
    int i = build_formatting_index(b, format);
    build_formatting_remove_at(b, i);
    if (i < bookmark) bookmark--;
    if (bookmark > b->n_formatting) bookmark = b->n_formatting;
    memmove(b->formatting + bookmark + 1, b->formatting + bookmark, (size_t)(b->n_formatting - bookmark) * sizeof *b->formatting);
    b->formatting[bookmark] = copy;
    b->n_formatting++;
    build_remove_open(b, format);
    i = open_index(b, block);
    memmove(b->open + i + 2, b->open + i + 1, (size_t)(b->n_open - i - 1) * sizeof *b->open);
    b->open[i + 1] = copy;
    b->n_open++;
    return true;
}

void build_adopt(builder *b, const token *k) {
    uint32_t n = current(b);
    if (is_html(b, n, k->tag) && build_formatting_index(b, n) < 0) {
        pop(b);
        return;
    }
    for (int outer = 0; outer < 8; outer++) {
        if (b->reopen_budget == 0) {
            build_any_other_end(b, k);
            return;
        }
        b->reopen_budget--;
        if (!adopt_once(b, k)) return;
    }
}

bool build_same_tag(const builder *b, uint32_t n, const token *k) {
    const html_node *e = node(b, n);
    if (e->tag != k->tag) return false;
    return k->tag != HTML_TAG_UNKNOWN || strcmp(b->t->bytes.ptr + e->len, b->t->bytes.ptr + k->off) == 0;
}

void build_any_other_end(builder *b, const token *k) {
    for (int i = b->n_open - 1; i > 0; i--) {
        uint32_t n = b->open[i];
        if (node(b, n)->ns == HTML_NS_HTML && build_same_tag(b, n, k)) {
            build_imply_ends(b, k->tag == HTML_TAG_UNKNOWN ? HTML_N_TAGS : k->tag);
            b->n_open = i;
            return;
        }
        if (build_is_special(node(b, n))) return;
    }
}

/* ---- small helpers of the modes ---- */
void build_merge_attrs(builder *b, uint32_t n, const token *k) {
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

void build_raw_text(builder *b, const token *k, raw_kind kind) {
    build_insert(b, k);
    b->z.raw = kind;
    b->z.raw_tag = k->tag;
    b->original_mode = b->mode;
    b->mode = IN_TEXT;
}

void build_reset_mode(builder *b) {
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

bool build_cut_space(const builder *b, token *k, token *space) {
    const char *p = b->t->bytes.ptr + k->off;
    uint32_t n = 0;
    while (n < k->len && (p[n] == ' ' || p[n] == '\n' || p[n] == '\t' || p[n] == '\f' || p[n] == '\r')) n++;
    *space = *k;
    space->len = n;
    k->off += n;
    k->len -= n;
    return k->len > 0;
}

bool build_insert_space(builder *b, token *k) {
    token space;
    bool more = build_cut_space(b, k, &space);
    build_insert_text(b, space.off, space.len);
    return more;
}

/* <input type=hidden> */
bool build_is_hidden_input(const builder *b, const token *k) {
    for (uint32_t i = 0; i < k->n_attrs; i++) {
        const html_attr *a = &b->t->attr[k->first_attr + i];
        if (a->id == HTML_ATTR_type)
            return wt_str_eq_nocase((wt_str){b->t->bytes.ptr + a->value, a->value_len}, WT_STR("hidden"));
    }
    return false;
}

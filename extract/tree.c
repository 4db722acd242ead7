/* tree.c - the node array, names by hash, and the walks. */
#include "extract/tree.h"

#include <stdlib.h>

enum { V = HTML_F_VOID, S = HTML_F_SPECIAL, F = HTML_F_FORMATTING, B = HTML_F_BLOCK };
const uint8_t html_tag_flags[HTML_DOCTYPE + 1] = {
    0,
#define HTML_TAG(name, flags) flags,
#include "extract/tags.def"
#undef HTML_TAG
};
static const char *const tag_names[] = {
    "",
#define HTML_TAG(name, flags) #name,
#include "extract/tags.def"
#undef HTML_TAG
};
static const char *const attr_names[] = {
    "",
#define HTML_ATTR(id, name) name,
#include "extract/attrs.def"
#undef HTML_ATTR
};

/* ---- names: two small open-addressed tables, filled before main ---- */
enum { TAG_SLOTS = 1024, ATTR_SLOTS = 128 };
static uint8_t tag_slot[TAG_SLOTS], attr_slot[ATTR_SLOTS];
static uint8_t tag_len[HTML_N_TAGS], attr_len[HTML_N_ATTRS];

static uint32_t name_hash(const char *s, size_t n) {
    uint32_t h = (uint32_t)n * 0x9e3779b1u;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)s[i]) * 0x01000193u;
    return h ^ h >> 15;
}

__attribute__((constructor)) static void names_fill(void) {
    for (int i = 1; i < HTML_N_TAGS; i++) {
        const char *name = i == HTML_TAG_annotation_xml ? "annotation-xml" : tag_names[i];
        tag_len[i] = (uint8_t)strlen(name);
        uint32_t h = name_hash(name, tag_len[i]);
        while (tag_slot[h % TAG_SLOTS]) h++;
        tag_slot[h % TAG_SLOTS] = (uint8_t)i;
    }
    for (int i = 1; i < HTML_N_ATTRS; i++) {
        attr_len[i] = (uint8_t)strlen(attr_names[i]);
        uint32_t h = name_hash(attr_names[i], attr_len[i]);
        while (attr_slot[h % ATTR_SLOTS]) h++;
        attr_slot[h % ATTR_SLOTS] = (uint8_t)i;
    }
}

const char *html_tag_name(html_tag tag) {
    if (tag == HTML_TAG_annotation_xml) return "annotation-xml";
    return tag < HTML_N_TAGS ? tag_names[tag] : "";
}

html_tag html_tag_of(const char *name, size_t n) {
    if (n > 14) return HTML_TAG_UNKNOWN;
    for (uint32_t h = name_hash(name, n);; h++) {
        int i = tag_slot[h % TAG_SLOTS];
        if (i == 0) return HTML_TAG_UNKNOWN;
        if (tag_len[i] == n && memcmp(html_tag_name((html_tag)i), name, n) == 0) return (html_tag)i;
    }
}

html_attr_id html_attr_of(const char *name, size_t n) {
    if (n > 11) return HTML_ATTR_OTHER;
    for (uint32_t h = name_hash(name, n);; h++) {
        int i = attr_slot[h % ATTR_SLOTS];
        if (i == 0) return HTML_ATTR_OTHER;
        if (attr_len[i] == n && memcmp(attr_names[i], name, n) == 0) return (html_attr_id)i;
    }
}

const char *html_node_name(const html_tree *t, uint32_t n) {
    const html_node *x = &t->node[n];
    return x->tag == HTML_TAG_UNKNOWN ? t->bytes.ptr + x->len : html_tag_name(x->tag);
}

/* ---- building ---- */
void html_tree_init(html_tree *t) {
    memset(t, 0, sizeof *t);
    html_tree_clear(t);
}

void html_tree_clear(html_tree *t) {
    /* One huge page must not keep its memory for the rest of the run. */
    if (t->nodes_cap > (1u << 20) || t->bytes.cap > ((size_t)64 << 20)) html_tree_free(t);
    t->n_nodes = t->n_attrs = 0;
    t->quirks = t->over = false;
    wt_buf_clear(&t->bytes);
    html_tree_add(t, HTML_DOCUMENT);
}

void html_tree_free(html_tree *t) {
    free(t->node);
    free(t->attr);
    wt_buf_free(&t->bytes);
    memset(t, 0, sizeof *t);
}

uint32_t html_tree_add(html_tree *t, html_tag tag) {
    WT_GROW(t->node, t->nodes_cap, t->n_nodes + 1 < 1024 ? 1024 : t->n_nodes + 1);
    t->node[t->n_nodes] = (html_node){.tag = (uint16_t)tag};
    return t->n_nodes++;
}

void html_tree_append(html_tree *t, uint32_t parent, uint32_t child) {
    html_node *p = &t->node[parent], *c = &t->node[child];
    c->parent = parent;
    c->prev = p->last;
    c->next = 0;
    if (p->last) t->node[p->last].next = child;
    else p->first = child;
    p->last = child;
}

void html_tree_insert(html_tree *t, uint32_t child, uint32_t before) {
    html_node *b = &t->node[before], *c = &t->node[child];
    c->parent = b->parent;
    c->prev = b->prev;
    c->next = before;
    if (b->prev) t->node[b->prev].next = child;
    else t->node[b->parent].first = child;
    b->prev = child;
}

void html_tree_unlink(html_tree *t, uint32_t child) {
    html_node *c = &t->node[child];
    if (c->prev) t->node[c->prev].next = c->next;
    else if (t->node[c->parent].first == child) t->node[c->parent].first = c->next;
    else return;                                    /* was not linked */
    if (c->next) t->node[c->next].prev = c->prev;
    else t->node[c->parent].last = c->prev;
    c->parent = c->prev = c->next = 0;
}

uint32_t html_tree_keep(html_tree *t, const char *bytes, size_t n) {
    uint32_t at = (uint32_t)t->bytes.len;
    wt_buf_add(&t->bytes, bytes, n);
    return at;
}

void html_tree_add_text(html_tree *t, uint32_t parent, wt_str s) {
    uint32_t n = html_tree_add(t, HTML_TEXT);
    t->node[n].off = html_tree_keep(t, s.ptr, s.len);
    t->node[n].len = (uint32_t)s.len;
    html_tree_append(t, parent, n);
}

void html_tree_add_attr(html_tree *t, uint32_t element, wt_str name, wt_str value) {
    html_node *e = &t->node[element];
    if (e->n_attrs >= HTML_ATTRS_MAX) return;
    WT_GROW(t->attr, t->attrs_cap, t->n_attrs + 1 < 1024 ? 1024 : t->n_attrs + 1);
    if (e->n_attrs == 0) e->off = t->n_attrs;
    size_t name_len = name.len < 0xffff ? name.len : 0xffff;
    uint32_t name_at = html_tree_keep(t, name.ptr, name_len);
    uint32_t value_at = html_tree_keep(t, value.ptr, value.len);
    t->attr[t->n_attrs++] = (html_attr){name_at, value_at, (uint32_t)value.len, (uint16_t)name_len,
                                        (uint16_t)html_attr_of(name.ptr, name_len)};
    e->n_attrs++;
}

/* ---- reading ---- */
wt_str html_attr_get(const html_tree *t, uint32_t n, html_attr_id id) {
    const html_node *e = &t->node[n];
    if (e->tag >= HTML_N_TAGS) return (wt_str){NULL, 0};
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        if (a->id == id) return (wt_str){t->bytes.ptr + a->value, a->value_len};
    }
    return (wt_str){NULL, 0};
}

void html_text_below(const html_tree *t, uint32_t n, size_t max, wt_buf *out) {
    size_t start = out->len;
    bool space = false;
    for (uint32_t x = n; x && out->len - start <= max; x = html_next(t, x, n)) {
        if (t->node[x].tag != HTML_TEXT) {
            if (t->node[x].tag < HTML_N_TAGS &&
                (html_tag_flags[t->node[x].tag] & HTML_F_BLOCK || t->node[x].tag == HTML_TAG_br))
                space = true;
            continue;
        }
        wt_str s = html_text_of(t, x);
        for (size_t i = 0; i < s.len && out->len - start <= max; i++) {
            unsigned char c = (unsigned char)s.ptr[i];
            bool nbsp = c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] == 0xa0;
            if (c <= ' ' || nbsp) {
                space = true;
                i += nbsp;
                continue;
            }
            if (space && out->len > start) wt_buf_add_char(out, ' ');
            space = false;
            wt_buf_add_char(out, (char)c);
        }
    }
}

/* ---- the form of html5lib-tests ---- */
static void dump_attrs(const html_tree *t, uint32_t n, int depth, wt_buf *out) {
    const html_node *e = &t->node[n];
    uint8_t order[HTML_ATTRS_MAX];
    for (int i = 0; i < e->n_attrs; i++) {              /* sorted by name, by insertion */
        const html_attr *a = &t->attr[e->off + i];
        wt_str name = {t->bytes.ptr + a->name, a->name_len};
        int j = i;
        for (; j > 0; j--) {
            const html_attr *b = &t->attr[e->off + order[j - 1]];
            if (wt_str_cmp((wt_str){t->bytes.ptr + b->name, b->name_len}, name) <= 0) break;
            order[j] = order[j - 1];
        }
        order[j] = (uint8_t)i;
    }
    for (int i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + order[i]];
        wt_buf_printf(out, "| %*s%.*s=\"", 2 * depth + 2, "", a->name_len, t->bytes.ptr + a->name);
        wt_buf_add(out, t->bytes.ptr + a->value, a->value_len);
        wt_buf_add(out, "\"\n", 2);
    }
}

static void dump_node(const html_tree *t, uint32_t n, int depth, wt_buf *out) {
    const html_node *x = &t->node[n];
    wt_buf_printf(out, "| %*s", 2 * depth, "");
    if (x->tag == HTML_TEXT || x->tag == HTML_COMMENT) {
        wt_str s = html_text_of(t, n);
        wt_buf_add_str(out, x->tag == HTML_TEXT ? WT_STR("\"") : WT_STR("<!-- "));
        wt_buf_add_str(out, s);
        wt_buf_add_str(out, x->tag == HTML_TEXT ? WT_STR("\"\n") : WT_STR(" -->\n"));
    } else if (x->tag == HTML_DOCTYPE) {
        wt_buf_add_str(out, WT_STR("<!DOCTYPE>\n"));
    } else {
        wt_buf_printf(out, "<%s%s>\n",
                      x->ns == HTML_NS_SVG ? "svg " : x->ns == HTML_NS_MATH ? "math " : "",
                      html_node_name(t, n));
        dump_attrs(t, n, depth, out);
    }
}

void html_tree_dump(const html_tree *t, wt_buf *out) {
    int depth = 0;
    uint32_t n = t->node[0].first;
    while (n) {
        dump_node(t, n, depth, out);
        if (t->node[n].first) {
            n = t->node[n].first;
            depth++;
            continue;
        }
        while (n && !t->node[n].next) n = t->node[n].parent, depth--;
        if (n) n = t->node[n].next;
    }
}

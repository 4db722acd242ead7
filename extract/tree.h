/* tree.h - a parsed page as one array of nodes. Whoever parsed it (our own parser, gumbo or
 * libxml2), readers see the same: nodes are 32-bit numbers, node 0 is the document and also means
 * "none", text and attribute values are slices of one byte buffer. Nothing is freed node by node,
 * and no walk recurses, so a page of a million nested tags is only a long array.
 * A tree is used by one thread; html_tree_clear makes it ready for the next page. */
#ifndef WT_EXTRACT_TREE_H
#define WT_EXTRACT_TREE_H

#include "common/err.h"
#include "common/str.h"

#define HTML_DEPTH_MAX 512      /* deeper start tags become siblings, as in Blink and WebKit */
#define HTML_ATTRS_MAX 200      /* more attributes on one tag are dropped */
#define HTML_NODE_COST 156      /* bytes that a node can cost: here, and as a block or an element that holds one */

typedef enum {
    HTML_TAG_UNKNOWN,
#define HTML_TAG(name, flags) HTML_TAG_##name,
#include "extract/tags.def"
#undef HTML_TAG
    HTML_N_TAGS,
    HTML_DOCUMENT = HTML_N_TAGS, HTML_TEXT, HTML_COMMENT, HTML_DOCTYPE
} html_tag;

typedef enum {
    HTML_ATTR_OTHER,
#define HTML_ATTR(id, name) HTML_ATTR_##id,
#include "extract/attrs.def"
#undef HTML_ATTR
    HTML_N_ATTRS
} html_attr_id;

enum { HTML_F_VOID = 1, HTML_F_SPECIAL = 2, HTML_F_FORMATTING = 4, HTML_F_BLOCK = 8 };
enum { HTML_NS_HTML, HTML_NS_SVG, HTML_NS_MATH };

typedef struct {
    uint32_t parent, prev, next, first, last;
    uint32_t off;       /* text, comment: start in bytes; element: its first attribute */
    uint32_t len;       /* text, comment: bytes; unknown element: where its name (NUL-ended) is */
    uint16_t tag;       /* html_tag */
    uint8_t ns;
    uint8_t n_attrs;
} html_node;

typedef struct {
    uint32_t name, value;           /* starts in bytes */
    uint32_t value_len;
    uint16_t name_len;
    uint16_t id;                    /* html_attr_id */
} html_attr;

typedef struct {
    html_node *node;
    uint32_t n_nodes, nodes_cap;
    html_attr *attr;
    uint32_t n_attrs, attrs_cap;
    wt_buf bytes;                   /* the page in UTF-8, then text that had to be rewritten */
    bool quirks;                    /* tables do not close paragraphs */
    bool over;                      /* our own parser stopped: the rest would need more than memory_max */
    size_t memory_max;              /* 0: no limit. Set for each page */
} html_tree;

/* Bytes that extracting this page can need at the most: page, tree, blocks, texts. */
static inline size_t html_tree_cost(const html_tree *t) {
    return 4 * t->bytes.len + (size_t)t->n_nodes * HTML_NODE_COST + (size_t)t->n_attrs * sizeof *t->attr;
}

void html_tree_init(html_tree *t);
void html_tree_clear(html_tree *t);         /* empty: only the document node; memory is kept */
void html_tree_free(html_tree *t);

/* Parsers. Each takes a page in UTF-8 (any bytes are survived) and fills an empty tree.
 * html_parse: our own, the HTML standard's tree construction on the arena.
 * html_parse_gumbo: gumbo with its known faults fenced; -1 (WT_ELIMIT) where the page is nested
 * too deep or too big for it. html_parse_xml: libxml2, for XHTML, feeds and other XML. */
void html_parse(html_tree *t, wt_str page);
int html_parse_gumbo(html_tree *t, wt_str page, wt_err *err);
int html_parse_xml(html_tree *t, wt_str page, wt_err *err);

/* Building. Names are lower case; the slices are copied where they are not in t->bytes. */
uint32_t html_tree_add(html_tree *t, html_tag tag);                     /* not yet linked */
void html_tree_append(html_tree *t, uint32_t parent, uint32_t child);   /* as last child */
void html_tree_insert(html_tree *t, uint32_t child, uint32_t before);   /* before a sibling */
void html_tree_unlink(html_tree *t, uint32_t child);
void html_tree_add_text(html_tree *t, uint32_t parent, wt_str s);       /* a text node as last child; s must not lie in t->bytes */
uint32_t html_tree_keep(html_tree *t, const char *bytes, size_t n);     /* copy into t->bytes */
void html_tree_add_attr(html_tree *t, uint32_t element, wt_str name, wt_str value);

/* Names. */
html_tag html_tag_of(const char *name, size_t n);       /* lower case; UNKNOWN where not listed */
html_attr_id html_attr_of(const char *name, size_t n);
const char *html_tag_name(html_tag tag);
const char *html_node_name(const html_tree *t, uint32_t n);
extern const uint8_t html_tag_flags[];

/* Reading. */
static inline bool html_is_element(const html_tree *t, uint32_t n) {
    return t->node[n].tag < HTML_N_TAGS;
}
static inline wt_str html_text_of(const html_tree *t, uint32_t n) {     /* text and comment nodes */
    return (wt_str){t->bytes.ptr + t->node[n].off, t->node[n].len};
}
wt_str html_attr_get(const html_tree *t, uint32_t n, html_attr_id id);  /* ptr NULL where absent */
/* Document order: the next node, and the next that is not below n; 0 at the end of top's subtree. */
static inline uint32_t html_skip(const html_tree *t, uint32_t n, uint32_t top) {
    while (n != top) {
        if (t->node[n].next) return t->node[n].next;
        n = t->node[n].parent;
    }
    return 0;
}
static inline uint32_t html_next(const html_tree *t, uint32_t n, uint32_t top) {
    return t->node[n].first ? t->node[n].first : html_skip(t, n, top);
}
/* The text below n, white space folded to single spaces; no more than a byte or two beyond max. */
void html_text_below(const html_tree *t, uint32_t n, size_t max, wt_buf *out);
/* The tree in the line form of html5lib-tests ("| <p>"), to compare parsers with. */
void html_tree_dump(const html_tree *t, wt_buf *out);

#endif

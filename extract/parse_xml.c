/* parse_xml.c - XHTML that is sent as XML, RSS, Atom and other XML, by libxml2's reader: no entities from
 * outside, no network, errors mended. Feeds are turned into pages while they are read: item and entry
 * become <article>, their title <h2>, description, content and summary a <div> whose escaped HTML is
 * parsed in its turn by our HTML parser once, so that tags in it do not show as text. */
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>

#include "extract/tree.h"

enum { XML_BYTES_MAX = 64 << 20 };

static html_tag tag_of_element(const xmlNode *x) {
    char name[16] = {0};
    size_t n = strlen((const char *)x->name);
    if (n >= sizeof name) return HTML_TAG_UNKNOWN;
    for (size_t i = 0; i < n; i++) name[i] = (char)(x->name[i] >= 'A' && x->name[i] <= 'Z' ? x->name[i] | 32 : x->name[i]);
    if (strcmp(name, "item") == 0 || strcmp(name, "entry") == 0) return HTML_TAG_article;
    if (strcmp(name, "rss") == 0 || strcmp(name, "feed") == 0 || strcmp(name, "tei") == 0) return HTML_TAG_html;
    if (strcmp(name, "channel") == 0) return HTML_TAG_body;
    if (strcmp(name, "title") == 0 && x->parent && x->parent->name &&
        (strcmp((const char *)x->parent->name, "item") == 0 || strcmp((const char *)x->parent->name, "entry") == 0))
        return HTML_TAG_h2;
    if (strcmp(name, "description") == 0 || strcmp(name, "summary") == 0 || strcmp(name, "content") == 0 || strcmp(name, "encoded") == 0)
        return HTML_TAG_div;
    if (strcmp(name, "pubdate") == 0 || strcmp(name, "published") == 0 || strcmp(name, "updated") == 0) return HTML_TAG_time;
    return html_tag_of(name, n);
}

static bool is_feed_html(const xmlNode *x) {
    const char *n = (const char *)x->name;
    return strcmp(n, "description") == 0 || strcmp(n, "summary") == 0 || strcmp(n, "content") == 0 || strcmp(n, "encoded") == 0;
}

/* The escaped HTML in a feed's text: its body's nodes are copied below `parent`. */
static void add_markup(html_tree *t, uint32_t parent, wt_str markup) {
    html_tree inner;
    html_tree_init(&inner);
    html_parse(&inner, markup);
    uint32_t *map = wt_xcalloc(inner.n_nodes, sizeof *map);
    for (uint32_t n = inner.node[0].first; n; n = html_next(&inner, n, 0)) {
        const html_node *x = &inner.node[n];
        if (x->tag == HTML_TAG_html || x->tag == HTML_TAG_head || x->tag == HTML_TAG_body || x->tag == HTML_DOCTYPE) {
            map[n] = parent;
            continue;
        }
        uint32_t copy = html_tree_add(t, x->tag);
        map[n] = copy;
        if (x->tag < HTML_N_TAGS) {
            if (x->tag == HTML_TAG_UNKNOWN) t->node[copy].len = html_tree_keep(t, html_node_name(&inner, n), strlen(html_node_name(&inner, n)) + 1);
            for (uint32_t i = 0; i < x->n_attrs; i++) {
                const html_attr *a = &inner.attr[x->off + i];
                html_tree_add_attr(t, copy, (wt_str){inner.bytes.ptr + a->name, a->name_len}, (wt_str){inner.bytes.ptr + a->value, a->value_len});
            }
        } else {
            t->node[copy].off = html_tree_keep(t, inner.bytes.ptr + x->off, x->len);
            t->node[copy].len = x->len;
        }
        html_tree_append(t, x->parent ? map[x->parent] : parent, copy);
    }
    free(map);
    html_tree_free(&inner);
}

static void add_text(html_tree *t, uint32_t parent, const xmlNode *x) {
    wt_str s = wt_str_of((const char *)x->content);
    if (!s.len) return;
    if (x->parent && x->parent->name && is_feed_html(x->parent) && memchr(s.ptr, '<', s.len)) {
        add_markup(t, parent, s);
        return;
    }
    uint32_t n = html_tree_add(t, HTML_TEXT);
    t->node[n].off = html_tree_keep(t, s.ptr, s.len);
    t->node[n].len = (uint32_t)s.len;
    html_tree_append(t, parent, n);
}

static uint32_t add_element(html_tree *t, uint32_t parent, const xmlNode *x) {
    html_tag tag = tag_of_element(x);
    uint32_t n = html_tree_add(t, tag);
    if (tag == HTML_TAG_UNKNOWN) t->node[n].len = html_tree_keep(t, (const char *)x->name, strlen((const char *)x->name) + 1);
    if (x->ns && x->ns->href && strcmp((const char *)x->ns->href, "http://www.w3.org/2000/svg") == 0) t->node[n].ns = HTML_NS_SVG;
    for (const xmlAttr *a = x->properties; a; a = a->next) {
        xmlChar *value = xmlNodeListGetString(x->doc, a->children, 1);
        html_tree_add_attr(t, n, wt_str_of((const char *)a->name), wt_str_of(value ? (const char *)value : ""));
        xmlFree(value);
    }
    html_tree_append(t, parent, n);
    return n;
}

static void quiet(void *ctx, const char *format, ...) {}

int html_parse_xml(html_tree *t, wt_str page, wt_err *err) {
    if (page.len > XML_BYTES_MAX) return wt_fail(err, WT_ELIMIT, "XML of %zu bytes is too big", page.len);
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (!parser) return wt_fail(err, WT_ENOMEM, "no memory for an XML parser");
    parser->sax->error = parser->sax->warning = quiet;
    parser->sax->serror = NULL;
    xmlDocPtr doc = xmlCtxtReadMemory(parser, page.ptr, (int)page.len, NULL, "UTF-8",
                                      XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    xmlFreeParserCtxt(parser);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root) {
        if (doc) xmlFreeDoc(doc);
        return wt_fail(err, WT_EDATA, "not XML");
    }
    /* libxml2 stops at 256 levels; the walk follows its own links */
    const xmlNode *x = root;
    uint32_t parent = 0;
    while (x) {
        uint32_t n = 0;
        if (x->type == XML_ELEMENT_NODE) n = add_element(t, parent, x);
        else if (x->type == XML_TEXT_NODE || x->type == XML_CDATA_SECTION_NODE) add_text(t, parent, x);
        if (n && x->children) {
            parent = n;
            x = x->children;
            continue;
        }
        while (x && x != root && !x->next) {
            x = x->parent;
            parent = parent ? t->node[parent].parent : 0;
        }
        if (!x || x == root) break;
        x = x->next;
    }
    xmlFreeDoc(doc);
    return 0;
}

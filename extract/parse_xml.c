/* parse_xml.c - XHTML that is sent as XML, TEI and other XML, by libxml2's reader: no entities from outside,
 * no network, errors mended. Feeds become pages in parse_feed.c. */
#include <libxml/HTMLparser.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <stdlib.h>

#include "extract/parse_xml.h"

enum { XML_BYTES_MAX = 64 << 20, ENTITY_TEXT_MAX = 256 };

/* TEI's names for what HTML has, too. */
static const struct { const char *tei; html_tag tag; } tei_tags[] = {
    {"TEI", HTML_TAG_html}, {"TEI.2", HTML_TAG_html}, {"teiHeader", HTML_TAG_head}, {"head", HTML_TAG_h2}, {"list", HTML_TAG_ul},
    {"item", HTML_TAG_li}, {"row", HTML_TAG_tr}, {"cell", HTML_TAG_td}, {"quote", HTML_TAG_blockquote}, {"lb", HTML_TAG_br},
    {"hi", HTML_TAG_em}, {"ab", HTML_TAG_pre}};

static html_tag tag_of_name(const xmlNode *x) {
    const xmlNode *root = xmlDocGetRootElement(x->doc);
    bool is_tei = strncmp((const char *)root->name, "TEI", 3) == 0;
    for (size_t i = 0; is_tei && i < sizeof tei_tags / sizeof *tei_tags; i++)
        if (strcmp((const char *)x->name, tei_tags[i].tei) == 0) return tei_tags[i].tag;
    char name[16] = {0};
    size_t n = strlen((const char *)x->name);
    if (n >= sizeof name) return HTML_TAG_UNKNOWN;
    for (size_t i = 0; i < n; i++) name[i] = (char)(x->name[i] >= 'A' && x->name[i] <= 'Z' ? x->name[i] | 32 : x->name[i]);
    return html_tag_of(name, n);
}

static bool is_text(const xmlNode *x) {
    if (!x || (x->type != XML_TEXT_NODE && x->type != XML_CDATA_SECTION_NODE)) return false;
    return wt_str_trim(wt_str_of((const char *)x->content)).len > 0;
}

/* Elements that are not HTML's are lines of their own, as in a sitemap, unless they stand in the middle of a text. */
static html_tag tag_of_element(const html_tree *t, uint32_t parent, const xmlNode *x) {
    html_tag tag = tag_of_name(x);
    if (tag != HTML_TAG_UNKNOWN) return tag;
    uint32_t before = t->node[parent].last;
    bool in_line = is_text(x->prev) || is_text(x->next) || (before && x->prev && t->node[before].tag == HTML_TAG_UNKNOWN);
    return in_line || (x->ns && x->ns->href && xmlStrstr(x->ns->href, BAD_CAST "w3.org/")) ? HTML_TAG_UNKNOWN : HTML_TAG_div;
}

/* ---- text ---- */
/* What a reference stands for. Entities that hold others or markup are not opened: they could grow without end. */
static wt_str entity_text(const xmlNode *reference) {
    const xmlEntity *e = xmlGetDocEntity(reference->doc, reference->name);
    wt_str s = e && e->content ? wt_str_of((const char *)e->content) : WT_STR("");
    bool plain = s.len <= ENTITY_TEXT_MAX && !memchr(s.ptr, '<', s.len) && !memchr(s.ptr, '&', s.len);
    return plain ? s : WT_STR("");
}

static wt_str own_text(const xmlNode *x) {
    if (x->type == XML_ENTITY_REF_NODE) return entity_text(x);
    return x->type == XML_TEXT_NODE || x->type == XML_CDATA_SECTION_NODE ? wt_str_of((const char *)x->content) : WT_STR("");
}

/* The node behind x in document order that is neither above nor outside top; NULL at the end. */
static const xmlNode *next_node(const xmlNode *x, const xmlNode *top) {
    if (x->type == XML_ELEMENT_NODE && x->children) return x->children;
    while (!x->next && x->parent != top) x = x->parent;
    return x->next;
}

void xml_text(const xmlNode *first, wt_buf *out) {
    for (const xmlNode *x = first; x; x = next_node(x, first->parent)) wt_buf_add_str(out, own_text(x));
}

/* Where a page names an entity of HTML without its DTD, or with one that is not fetched, it is declared now. */
static xmlEntityPtr get_entity(void *ctx, const xmlChar *name) {
    xmlParserCtxtPtr parser = ctx;
    xmlEntityPtr known = xmlSAX2GetEntity(ctx, name);
    const htmlEntityDesc *html = known ? NULL : htmlEntityLookup(name);
    if (!html || !parser->myDoc) return known;
    xmlChar utf8[8] = {0};
    xmlCopyCharMultiByte(utf8, (int)html->value);
    if (!parser->myDoc->intSubset) xmlCreateIntSubset(parser->myDoc, NULL, NULL, NULL);
    return xmlAddDocEntity(parser->myDoc, name, XML_INTERNAL_GENERAL_ENTITY, NULL, NULL, utf8);
}

/* ---- elements ---- */
static uint32_t add_element(html_tree *t, uint32_t parent, const xmlNode *x) {
    html_tag tag = tag_of_element(t, parent, x);
    uint32_t n = html_tree_add(t, tag);
    if (tag == HTML_TAG_UNKNOWN) t->node[n].len = html_tree_keep(t, (const char *)x->name, strlen((const char *)x->name) + 1);
    if (x->ns && x->ns->href && strcmp((const char *)x->ns->href, "http://www.w3.org/2000/svg") == 0) t->node[n].ns = HTML_NS_SVG;
    wt_buf value = {0};
    for (const xmlAttr *a = x->properties; a; a = a->next) {
        wt_buf_clear(&value);
        xml_text(a->children, &value);
        html_tree_add_attr(t, n, wt_str_of((const char *)a->name), wt_buf_view(&value));
    }
    wt_buf_free(&value);
    html_tree_append(t, parent, n);
    return n;
}

/* libxml2 stops at 256 levels; the walk follows its own links all the same. */
void xml_add(html_tree *t, uint32_t parent, const xmlNode *first) {
    const xmlNode *x = first, *next;
    for (; x; x = next) {
        uint32_t n = x->type == XML_ELEMENT_NODE ? add_element(t, parent, x) : 0;
        wt_str text = n ? WT_STR("") : own_text(x);
        if (text.len) html_tree_add_text(t, parent, text);
        next = next_node(x, first->parent);
        if (next && n && next == x->children) parent = n;
        else for (const xmlNode *up = x; next && up->parent != next->parent; up = up->parent) parent = t->node[parent].parent;
    }
}

static void quiet(void *ctx, const char *format, ...) {}

int html_parse_xml(html_tree *t, wt_str page, wt_err *err) {
    if (page.len > XML_BYTES_MAX) return wt_fail(err, WT_ELIMIT, "XML of %zu bytes is too big", page.len);
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (!parser) return wt_fail(err, WT_ENOMEM, "no memory for an XML parser");
    parser->sax->error = parser->sax->warning = quiet;
    parser->sax->serror = NULL;
    parser->sax->getEntity = get_entity;
    xmlDocPtr doc = xmlCtxtReadMemory(parser, page.ptr, (int)page.len, NULL, "UTF-8",
                                      XML_PARSE_RECOVER | XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    xmlFreeParserCtxt(parser);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    if (!root) {
        if (doc) xmlFreeDoc(doc);
        return wt_fail(err, WT_EDATA, "not XML");
    }
    if (feed_is_root(root)) feed_add(t, root);
    else xml_add(t, 0, root);
    xmlFreeDoc(doc);
    return 0;
}

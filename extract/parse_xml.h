/* parse_xml.h - between the readers of XML: pages and documents (parse_xml.c), feeds (parse_feed.c). */
#ifndef WT_EXTRACT_PARSE_XML_H
#define WT_EXTRACT_PARSE_XML_H

#include <libxml/tree.h>

#include "extract/tree.h"

/* Copies x, its later siblings and all below them to the end of parent's children. */
void xml_add(html_tree *t, uint32_t parent, const xmlNode *x);

/* Appends the text below first and its later siblings, at any depth. Declared entities that stand for plain text and
 * HTML's named ones are resolved; others give nothing. */
void xml_text(const xmlNode *first, wt_buf *out);

/* Is this the root of a feed: rss, feed (Atom), rdf:RDF (RSS 0.9 and 1.0)? */
bool feed_is_root(const xmlNode *root);
/* Fills an empty tree with the page that a feed stands for; see parse_feed.c. */
void feed_add(html_tree *t, const xmlNode *root);

#endif

/* parse_feed.c - RSS 0.9 to 2.0 and Atom as the page a reader of feeds would show: the feed's title as
 * the heading, each item an <article> of its title and its fullest text (content:encoded before
 * description, content before summary), what the feed says of itself in <meta> and <link>. Text that is
 * escaped HTML is parsed by our HTML parser. Item links, categories, counters and ids stay out.
 *
 * Elements are known by their names and usual prefixes, for feeds in the wild forget to declare them. */
#include <stdlib.h>

#include "extract/parse_xml.h"

/* ---- reading ---- */
static bool named(const xmlNode *x, const char *prefix, const char *name) {
    if (x->type != XML_ELEMENT_NODE) return false;
    const char *own = (const char *)x->name, *colon = strchr(own, ':');
    wt_str p = x->ns && x->ns->prefix ? wt_str_of((const char *)x->ns->prefix) : colon ? (wt_str){own, (size_t)(colon - own)} : WT_STR("");
    if (wt_str_eq(p, WT_STR("atom")) || wt_str_eq(p, WT_STR("rss"))) p = WT_STR("");
    return wt_str_eq(p, wt_str_of(prefix)) && wt_str_eq_nocase(wt_str_of(colon ? colon + 1 : own), wt_str_of(name));
}

/* One way to say something: the element, its prefix, and for Atom's persons the element below it. */
typedef struct { const char *prefix, *name, *below; } way;

/* The child of x that comes first in ways, which end in {0}, and is not empty; NULL where none. */
static const xmlNode *find(const xmlNode *x, const way *ways) {
    for (; ways->name; ways++)
        for (const xmlNode *c = x->children; c; c = c->next) {
            if (!named(c, ways->prefix, ways->name)) continue;
            const xmlNode *said = ways->below ? find(c, (const way[]){{"", ways->below, NULL}, {0}}) : c;
            if (said && said->children) return said;
        }
    return NULL;
}

/* What x or its attribute says, in buf; empty where there is none. */
static wt_str below(const xmlNode *first, wt_buf *buf) {
    wt_buf_clear(buf);
    xml_text(first, buf);
    return buf->len ? wt_str_trim(wt_buf_view(buf)) : WT_STR("");
}

static wt_str text_of(const xmlNode *x, wt_buf *buf) { return below(x ? x->children : NULL, buf); }

static wt_str attribute_of(const xmlNode *x, const char *name, wt_buf *buf) {
    const xmlAttr *a = xmlHasProp(x, (const xmlChar *)name);
    return below(a ? a->children : NULL, buf);
}

/* ---- building ---- */
static uint32_t add(html_tree *t, uint32_t parent, html_tag tag) {
    uint32_t n = html_tree_add(t, tag);
    html_tree_append(t, parent, n);
    return n;
}

static void add_meta(html_tree *t, uint32_t head, const char *name, wt_str content) {
    if (!content.len) return;
    uint32_t n = add(t, head, HTML_TAG_meta);
    html_tree_add_attr(t, n, WT_STR("name"), wt_str_of(name));
    html_tree_add_attr(t, n, WT_STR("content"), content);
}

static void add_link(html_tree *t, uint32_t head, const char *rel, wt_str href) {
    if (!href.len) return;
    uint32_t n = add(t, head, HTML_TAG_link);
    html_tree_add_attr(t, n, WT_STR("rel"), wt_str_of(rel));
    html_tree_add_attr(t, n, WT_STR("href"), href);
}

static void copy_element(html_tree *t, uint32_t copy, const html_tree *from, uint32_t n) {
    const html_node *x = &from->node[n];
    t->node[copy].ns = x->ns;
    if (x->tag == HTML_TAG_UNKNOWN) t->node[copy].len = html_tree_keep(t, html_node_name(from, n), strlen(html_node_name(from, n)) + 1);
    for (uint32_t i = 0; i < x->n_attrs; i++) {
        const html_attr *a = &from->attr[x->off + i];
        html_tree_add_attr(t, copy, (wt_str){from->bytes.ptr + a->name, a->name_len}, (wt_str){from->bytes.ptr + a->value, a->value_len});
    }
}

/* Parses markup and copies its body's nodes below parent. t->over where both together need too much. */
static void add_markup(html_tree *t, uint32_t parent, wt_str markup) {
    html_tree inner;
    html_tree_init(&inner);
    size_t cost = html_tree_cost(t);
    if (t->memory_max) inner.memory_max = cost < t->memory_max ? t->memory_max - cost : 1;
    html_parse(&inner, markup);
    t->over = t->over || inner.over;
    uint32_t *map = wt_xcalloc(inner.n_nodes, sizeof *map);
    for (uint32_t n = inner.node[0].first; n; n = html_next(&inner, n, 0)) {
        const html_node *x = &inner.node[n];
        map[n] = parent;
        if (x->tag == HTML_TAG_html || x->tag == HTML_TAG_head || x->tag == HTML_TAG_body || x->tag == HTML_DOCTYPE) continue;
        uint32_t copy = map[n] = add(t, x->parent ? map[x->parent] : parent, x->tag);
        if (x->tag < HTML_N_TAGS) {
            copy_element(t, copy, &inner, n);
        } else {
            t->node[copy].off = html_tree_keep(t, inner.bytes.ptr + x->off, x->len);
            t->node[copy].len = x->len;
        }
    }
    free(map);
    html_tree_free(&inner);
}

/* What x says: Atom's XHTML as it stands, plain text as text, all else as the escaped HTML it mostly is. */
static void add_said(html_tree *t, uint32_t parent, const xmlNode *x) {
    wt_buf type = {0}, said = {0};
    wt_str kind = attribute_of(x, "type", &type), text = text_of(x, &said);
    bool markup = memchr(text.ptr, '<', text.len) || memchr(text.ptr, '&', text.len);
    if (wt_str_find(kind, WT_STR("xhtml")) >= 0 || xmlFirstElementChild((xmlNode *)(uintptr_t)x)) xml_add(t, parent, x->children);
    else if (markup && !wt_str_eq(kind, WT_STR("text"))) add_markup(t, parent, text);
    else if (text.len) html_tree_add_text(t, parent, text);
    wt_buf_free(&type);
    wt_buf_free(&said);
}

/* ---- the feed ---- */
static const way titles[] = {{"", "title", NULL}, {"dc", "title", NULL}, {0}};
static const way texts[] = {{"content", "encoded", NULL}, {"", "content", NULL}, {"", "description", NULL}, {"", "summary", NULL},
                            {"itunes", "summary", NULL}, {"dc", "description", NULL}, {0}};
static const way descriptions[] = {{"", "description", NULL}, {"", "subtitle", NULL}, {"", "tagline", NULL}, {"itunes", "summary", NULL}, {0}};
static const way authors[] = {{"", "author", "name"}, {"dc", "creator", NULL}, {"", "author", NULL}, {"", "managingEditor", NULL},
                              {"itunes", "author", NULL}, {0}};
static const way published[] = {{"", "pubDate", NULL}, {"", "published", NULL}, {"", "issued", NULL}, {"dc", "date", NULL},
                                {"", "updated", NULL}, {"", "modified", NULL}, {0}};
static const way updated[] = {{"", "lastBuildDate", NULL}, {"", "updated", NULL}, {"", "modified", NULL}, {"dcterms", "modified", NULL}, {0}};
static const way languages[] = {{"", "language", NULL}, {"dc", "language", NULL}, {0}};
static const way rights[] = {{"", "copyright", NULL}, {"", "rights", NULL}, {"dc", "rights", NULL}, {0}};

bool feed_is_root(const xmlNode *root) {
    return named(root, "", "rss") || named(root, "", "feed") || named(root, "rdf", "RDF");
}

static bool is_item(const xmlNode *x) { return named(x, "", "item") || named(x, "", "entry"); }

/* The next item: in the channel (RSS 2.0, Atom), or behind it (RSS 1.0). */
static const xmlNode *next_item(const xmlNode *x) {
    while (x && !is_item(x)) x = x->next;
    return x;
}

/* "jane@example.org (Jane Doe)" is Jane Doe; an address alone is nobody. */
static wt_str person(wt_str s) {
    if (!memchr(s.ptr, '@', s.len)) return s;
    const char *open = memchr(s.ptr, '(', s.len), *close = open ? memchr(open, ')', (size_t)(s.ptr + s.len - open)) : NULL;
    return close ? (wt_str){open + 1, (size_t)(close - open) - 1} : WT_STR("");
}

static void add_fact(html_tree *t, uint32_t head, const char *name, const xmlNode *x) {
    wt_buf buf = {0};
    wt_str text = text_of(x, &buf);
    add_meta(t, head, name, strcmp(name, "author") == 0 ? person(text) : text);
    wt_buf_free(&buf);
}

/* The feed's author, or the one that all its items name. */
static const xmlNode *author_of(const xmlNode *channel, const xmlNode *item) {
    const xmlNode *first = find(channel, authors);
    if (first) return first;
    wt_buf name = {0}, other = {0};
    for (const xmlNode *i = item; i; i = next_item(i->next)) {
        const xmlNode *x = find(i, authors);
        if (!first) first = x, text_of(x, &name);
        if (x && wt_str_eq(text_of(x, &other), wt_str_trim(wt_buf_view(&name)))) continue;
        first = NULL;
        break;
    }
    wt_buf_free(&name);
    wt_buf_free(&other);
    return first;
}

static void add_links(html_tree *t, uint32_t head, const xmlNode *channel) {
    wt_buf rel = {0}, href = {0};
    for (const xmlNode *x = channel->children; x; x = x->next) {
        if (named(x, "creativeCommons", "license")) add_link(t, head, "license", text_of(x, &href));
        if (named(x, "cc", "license")) add_link(t, head, "license", attribute_of(x, "resource", &href));
        if (!named(x, "", "link")) continue;
        wt_str kind = attribute_of(x, "rel", &rel), to = attribute_of(x, "href", &href);
        if (wt_str_eq(kind, WT_STR("license"))) add_link(t, head, "license", to);
        if (wt_str_eq(kind, WT_STR("self"))) add_link(t, head, "canonical", to);
    }
    wt_buf_free(&rel);
    wt_buf_free(&href);
}

static void add_head(html_tree *t, uint32_t head, const xmlNode *channel, const xmlNode *item) {
    const xmlNode *title = find(channel, titles), *date = item ? find(item, published) : NULL;
    if (title) add_said(t, add(t, head, HTML_TAG_title), title);
    add_fact(t, head, "description", find(channel, descriptions));
    add_fact(t, head, "author", author_of(channel, item));
    add_fact(t, head, "article:published_time", date ? date : find(channel, published));
    add_fact(t, head, "article:modified_time", find(channel, updated));
    add_fact(t, head, "dc.rights", find(channel, rights));
    add_links(t, head, channel);
}

static void add_item(html_tree *t, uint32_t main, const xmlNode *item) {
    const xmlNode *title = find(item, titles), *text = find(item, texts);
    uint32_t article = add(t, main, HTML_TAG_article);
    if (title) add_said(t, add(t, article, HTML_TAG_h2), title);
    if (text) add_said(t, add(t, article, HTML_TAG_div), text);
}

void feed_add(html_tree *t, const xmlNode *root) {
    const xmlNode *channel = root->children;
    while (channel && !named(channel, "", "channel")) channel = channel->next;
    if (!channel) channel = root;                                       /* Atom */
    const xmlNode *item = next_item(channel->children);
    if (!item) item = next_item(root->children);
    uint32_t html = add(t, 0, HTML_TAG_html);
    wt_buf lang = {0};
    wt_str said = text_of(find(channel, languages), &lang);
    html_tree_add_attr(t, html, WT_STR("lang"), said.len ? said : attribute_of(root, "lang", &lang));
    wt_buf_free(&lang);
    add_head(t, add(t, html, HTML_TAG_head), channel, item);
    uint32_t main = add(t, add(t, html, HTML_TAG_body), HTML_TAG_main);
    if (find(channel, titles)) add_said(t, add(t, main, HTML_TAG_h1), find(channel, titles));
    for (; item && !t->over; item = next_item(item->next)) {
        add_item(t, main, item);
        t->over = t->over || (t->memory_max && html_tree_cost(t) > t->memory_max);
    }
}

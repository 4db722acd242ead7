/* parse_gumbo.c - the tree as gumbo 0.10.1 builds it: the conforming parser that our own is
 * compared with, and a choice for the user. gumbo is unmaintained; its known faults are fenced:
 *   - freeing recurses once a level: all its memory comes from a private arena and is dropped whole;
 *   - nesting costs quadratic time: pages that open more than 4,000 tags deep are refused;
 *   - numeric character references overflow an int: too long ones are rewritten before it sees them;
 *   - each parse error is stored: none are asked for. */
#include <gumbo.h>
#include <stdlib.h>

#include "common/memory.h"
#include "extract/tree.h"

enum { PAGE_MAX = 256 << 20, NESTING_MAX = 4000 };

static void *arena_malloc(void *arena, size_t n) { return wt_arena_alloc(arena, n ? n : 1); }
static void arena_keep(void *arena, void *p) {}

/* How deep the page's tags could nest at the most, counted without any rule of HTML. */
static size_t nesting_bound(wt_str page) {
    size_t depth = 0, max = 0;
    const char *p = page.ptr, *end = page.ptr + page.len;
    while (p < end && (p = memchr(p, '<', (size_t)(end - p))) && p + 1 < end) {
        p++;
        if (*p == '/') depth -= depth > 0;
        else if ((*p | 32) >= 'a' && (*p | 32) <= 'z') {
            size_t n = 0;
            char name[8] = {0};
            while (n < 7 && p + n < end && ((p[n] | 32) >= 'a' && (p[n] | 32) <= 'z')) {
                name[n] = (char)(p[n] | 32);
                n++;
            }
            html_tag tag = html_tag_of(name, n);
            if (html_tag_flags[tag] & HTML_F_VOID || tag == HTML_TAG_p || tag == HTML_TAG_li ||
                tag == HTML_TAG_td || tag == HTML_TAG_tr || tag == HTML_TAG_option)
                continue;                       /* closes itself */
            if (++depth > max) max = depth;
        }
    }
    return max;
}

/* "&#4294967361;" must not become "A": references of more than 7 digits become U+FFFD. */
static bool fence_references(wt_str page, wt_buf *out) {
    const char *p = page.ptr, *end = page.ptr + page.len, *copied = p;
    while (p < end && (p = memchr(p, '&', (size_t)(end - p)))) {
        const char *start = p++;
        if (p >= end || *p != '#') continue;
        p++;
        bool hex = p < end && (*p | 32) == 'x';
        p += hex;
        while (p < end && *p == '0') p++;
        const char *digits = p;
        while (p < end && ((*p >= '0' && *p <= '9') ||
                           (hex && (*p | 32) >= 'a' && (*p | 32) <= 'f'))) p++;
        if (p - digits <= 7) continue;
        wt_buf_add(out, copied, (size_t)(start - copied));
        wt_buf_add_str(out, WT_STR("&#xFFFD"));
        copied = p;
    }
    if (copied == page.ptr) return false;
    wt_buf_add(out, copied, (size_t)(end - copied));
    return true;
}

static uint32_t element_from(html_tree *t, const GumboNode *g) {
    const GumboElement *e = &g->v.element;
    char lower[64];
    const char *name = gumbo_normalized_tagname(e->tag);
    size_t n = strlen(name);
    if (e->tag == GUMBO_TAG_UNKNOWN || e->tag_namespace != GUMBO_NAMESPACE_HTML) {
        GumboStringPiece piece = e->original_tag;
        if (piece.length) {
            gumbo_tag_from_original_text(&piece);
            name = piece.data, n = piece.length < sizeof lower ? piece.length : sizeof lower - 1;
        }
    }
    for (size_t i = 0; i < n && i < sizeof lower; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 32 : name[i]);
    html_tag tag = html_tag_of(lower, n);
    uint32_t x = html_tree_add(t, tag);
    t->node[x].ns = (uint8_t)(e->tag_namespace == GUMBO_NAMESPACE_SVG      ? HTML_NS_SVG
                              : e->tag_namespace == GUMBO_NAMESPACE_MATHML ? HTML_NS_MATH
                                                                           : HTML_NS_HTML);
    if (tag == HTML_TAG_UNKNOWN) {
        lower[n < sizeof lower ? n : sizeof lower - 1] = 0;
        t->node[x].len = html_tree_keep(t, lower, strlen(lower) + 1);
    }
    for (unsigned i = 0; i < e->attributes.length; i++) {
        const GumboAttribute *a = e->attributes.data[i];
        html_tree_add_attr(t, x, wt_str_of(a->name), wt_str_of(a->value));
    }
    return x;
}

static uint32_t node_from(html_tree *t, const GumboNode *g) {
    if (g->type == GUMBO_NODE_ELEMENT || g->type == GUMBO_NODE_TEMPLATE) return element_from(t, g);
    uint32_t x = html_tree_add(t, g->type == GUMBO_NODE_COMMENT ? HTML_COMMENT : HTML_TEXT);
    size_t n = strlen(g->v.text.text);
    t->node[x].off = html_tree_keep(t, g->v.text.text, n);
    t->node[x].len = (uint32_t)n;
    return x;
}

static const GumboVector *children_of(const GumboNode *g) {
    if (g->type == GUMBO_NODE_DOCUMENT) return &g->v.document.children;
    if (g->type == GUMBO_NODE_ELEMENT || g->type == GUMBO_NODE_TEMPLATE) return &g->v.element.children;
    return NULL;
}

/* Copies in document order with a stack of (gumbo node, our node, next child). */
static void copy_tree(html_tree *t, const GumboNode *document) {
    struct frame {
        const GumboNode *g;
        uint32_t ours;
        unsigned i;
    } *stack = NULL;
    size_t depth = 0, cap = 0;
    WT_GROW(stack, cap, 64);
    stack[depth++] = (struct frame){document, 0, 0};
    while (depth) {
        struct frame *f = &stack[depth - 1];
        const GumboVector *v = children_of(f->g);
        if (!v || f->i >= v->length) {
            depth--;
            continue;
        }
        const GumboNode *child = v->data[f->i++];
        uint32_t x = node_from(t, child);
        html_tree_append(t, f->ours, x);
        if (children_of(child)) {
            WT_GROW(stack, cap, depth + 1);
            stack[depth++] = (struct frame){child, x, 0};
        }
    }
    free(stack);
}

int html_parse_gumbo(html_tree *t, wt_str page, wt_err *err) {
    if (page.len > PAGE_MAX) return wt_fail(err, WT_ELIMIT, "page of %zu bytes is too big", page.len);
    if (nesting_bound(page) > NESTING_MAX)
        return wt_fail(err, WT_ELIMIT, "tags are nested more than %d deep", NESTING_MAX);
    wt_buf fenced = {0};
    if (fence_references(page, &fenced)) page = wt_buf_view(&fenced);
    wt_arena *arena = wt_arena_new(1 << 20);
    GumboOptions options = kGumboDefaultOptions;
    options.allocator = arena_malloc;
    options.deallocator = arena_keep;
    options.userdata = arena;
    options.max_errors = 0;
    GumboOutput *output = gumbo_parse_with_options(&options, page.ptr ? page.ptr : "", page.len);
    t->quirks = output->document->v.document.doc_type_quirks_mode == GUMBO_DOCTYPE_QUIRKS;
    copy_tree(t, output->document);
    wt_arena_free(arena);
    wt_buf_free(&fenced);
    return 0;
}

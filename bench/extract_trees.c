/* extract_trees.c - compares our parser's trees with gumbo's: prints the pages whose dumps differ and
 * the first line that does. usage: extract_trees LIST   (as extract_dump takes it) */
#include <stdio.h>
#include <stdlib.h>

#include "common/in.h"
#include "extract/charset.h"
#include "extract/tree.h"

/* A form that gumbo's known ways do not change: it splits text nodes, moves white space over the end of
 * an element, writes U+FFFD for control characters and keeps no doctype node. Two lines an element. */
static void canonical(const html_tree *t, wt_buf *out) {
    wt_buf_clear(out);
    bool in_text = false;
    int depth = 0;
    for (uint32_t n = t->node[0].first; n;) {
        const html_node *x = &t->node[n];
        if (x->tag == HTML_TEXT || x->tag == HTML_COMMENT) {
            wt_str s = html_text_of(t, n);
            if (!in_text || x->tag == HTML_COMMENT) wt_buf_add_str(out, x->tag == HTML_TEXT ? WT_STR("\n") : WT_STR("\n!"));
            size_t before = out->len;
            for (size_t i = 0; i < s.len; i++) {
                unsigned char c = (unsigned char)s.ptr[i];
                if (i + 3 <= s.len && memcmp(s.ptr + i, "\xef\xbf\xbd", 3) == 0) i += 2;
                else if (c == 0xef && i + 2 < s.len && (unsigned char)s.ptr[i + 1] == 0xbf && (unsigned char)s.ptr[i + 2] >= 0xbe) i += 2;
                else if (c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0) i++;
                else if (c > ' ' && c != 127) wt_buf_add_char(out, (char)c);
            }
            if (out->len == before && !in_text && x->tag == HTML_TEXT) out->len--;
            else if (x->tag == HTML_TEXT) in_text = true;
            if (x->tag == HTML_COMMENT) in_text = false;
        } else if (x->tag != HTML_DOCTYPE) {
            wt_buf_printf(out, "\n%d<%s", depth, html_node_name(t, n));
            for (uint32_t i = 0; i < x->n_attrs; i++) {
                const html_attr *a = &t->attr[x->off + i];
                if (x->ns == HTML_NS_HTML) wt_buf_printf(out, " %.*s", a->name_len, t->bytes.ptr + a->name);
            }
            in_text = false;
        }
        if (x->first) {
            n = x->first;
            depth++;
            continue;
        }
        while (n && !t->node[n].next) n = t->node[n].parent, depth--;
        if (n) n = t->node[n].next;
    }
    wt_buf_add_char(out, '\n');
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_in *list = argc > 1 ? wt_in_open(argv[1], &err) : NULL;
    if (!list) return fprintf(stderr, "usage: extract_trees LIST\n"), 2;
    wt_buf page = {0}, utf8 = {0}, a = {0}, b = {0};
    html_tree x, y;
    html_tree_init(&x), html_tree_init(&y);
    size_t n = 0, n_same = 0;
    wt_str line;
    while (wt_in_line(list, 1 << 20, &line, NULL, &err) == 1) {
        wt_str id = wt_str_cut(&line, '\t');
        char *name = wt_xstrndup(id), *path = wt_xstrndup(wt_str_cut(&line, '\t'));
        wt_str_cut(&line, '\t');
        char *type = wt_xstrndup(line);
        wt_in *in = wt_in_open(path, &err);
        if (!in) return fprintf(stderr, "%s\n", err.text), 1;
        wt_buf_clear(&page);
        for (ptrdiff_t got = 1; got > 0;) {
            wt_buf_reserve(&page, 1 << 16);
            got = wt_in_read(in, page.ptr + page.len, 1 << 16, &err);
            if (got > 0) page.len += (size_t)got;
        }
        wt_in_close(in);
        charset_choice choice;
        wt_str text = charset_decode(wt_buf_view(&page), wt_str_of(type), &utf8, &choice);
        html_tree_clear(&x), html_tree_clear(&y);
        html_parse(&x, text);
        if (html_parse_gumbo(&y, text, &err)) printf("%s: gumbo: %s\n", name, err.text);
        wt_buf_clear(&a), wt_buf_clear(&b);
        canonical(&x, &a), canonical(&y, &b);
        wt_str p = wt_buf_view(&a), q = wt_buf_view(&b);
        n++;
        n_same += wt_str_eq(p, q);
        for (int i = 1; p.len || q.len; i++) {
            wt_str l = wt_str_cut(&p, '\n'), m = wt_str_cut(&q, '\n');
            if (wt_str_eq(l, m)) continue;
            printf("%s:%d\n  ours  %.*s\n  gumbo %.*s\n", name, i, (int)(l.len < 160 ? l.len : 160), l.ptr, (int)(m.len < 160 ? m.len : 160), m.ptr);
            break;
        }
        free(name), free(path), free(type);
    }
    printf("%zu of %zu trees are equal\n", n_same, n);
    wt_in_close(list);
    return 0;
}

/* The parser against the standard's own examples (13.2.4 and 13.2.6, worked out by hand from the text of
 * the standard), against gumbo on random markup, and on input built to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/rng.h"
#include "extract/html_token.h"
#include "extract/tree.h"

static html_tree t;

static void check_tree(const char *page, const char *expected) {
    wt_buf dump = {0};
    html_tree_clear(&t);
    html_parse(&t, wt_str_of(page));
    html_tree_dump(&t, &dump);
    assert_string_equal(dump.ptr, expected);
    wt_buf_free(&dump);
}

#define BODY "| <html>\n|   <head>\n|   <body>\n"

static void test_standard(void **state) {
    check_tree("<p>One<p>Two", BODY "|     <p>\n|       \"One\"\n|     <p>\n|       \"Two\"\n");
    /* misnested tags: b and i (13.2.10.1) */
    check_tree("<p>1<b>2<i>3</b>4</i>5</p>",
               BODY "|     <p>\n|       \"1\"\n|       <b>\n|         \"2\"\n|         <i>\n|           \"3\"\n|       <i>\n|         \"4\"\n|       \"5\"\n");
    /* misnested tags: b and p (13.2.10.2) */
    check_tree("<b>1<p>2</b>3</p>", BODY "|     <b>\n|       \"1\"\n|     <p>\n|       <b>\n|         \"2\"\n|       \"3\"\n");
    /* unexpected markup in tables (13.2.10.3): foster parenting */
    check_tree("<table><b><tr><td>aaa</td></tr>bbb</table>ccc",
               BODY "|     <b>\n|     <b>\n|       \"bbb\"\n|     <table>\n|       <tbody>\n|         <tr>\n|           <td>\n|             \"aaa\"\n|     <b>\n|       \"ccc\"\n");
    check_tree("<ul><li>a<li>b<ul><li>c</ul></ul>",
               BODY "|     <ul>\n|       <li>\n|         \"a\"\n|       <li>\n|         \"b\"\n|         <ul>\n|           <li>\n|             \"c\"\n");
    check_tree("<script>if (a<b) \"</p>\"</script>x", "| <html>\n|   <head>\n|     <script>\n|       \"if (a<b) \"</p>\"\"\n|   <body>\n|     \"x\"\n");
    check_tree("<textarea>\n<b>&amp;</textarea>", BODY "|     <textarea>\n|       \"<b>&\"\n");
    check_tree("a<!-- b --!>c", BODY "|     \"a\"\n|     <!--  b  -->\n|     \"c\"\n");
    check_tree("<svg><path/><title><p>x</p></title></svg>y", BODY "|     <svg svg>\n|       <svg path>\n|       <svg title>\n|         <p>\n|           \"x\"\n|     \"y\"\n");
    check_tree("<a href=1 HREF=2 x='&lt;&notit;'>", BODY "|     <a>\n|       href=\"1\"\n|       x=\"<&notit;\"\n");
}

static void check_reference(const char *in, size_t took, const char *out) {
    char buffer[16];
    size_t n = 0;
    assert_int_equal(html_reference(in, in + strlen(in), false, buffer, &n), took);
    if (took) assert_memory_equal(buffer, out, strlen(out));
}

static void test_references(void **state) {
    check_reference("&amp;", 5, "&");
    check_reference("&ampx", 4, "&");
    check_reference("&notit;", 4, "\xc2\xac");
    check_reference("&notin;", 7, "\xe2\x88\x89");
    check_reference("&nothing", 4, "\xc2\xac");
    check_reference("&bogus;", 0, "");
    check_reference("&#128;", 6, "\xe2\x82\xac");
    check_reference("&#x100000041;", 13, "\xef\xbf\xbd");       /* gumbo 0.10.1 says "A" */
    check_reference("&#4294967361;", 13, "\xef\xbf\xbd");
    check_reference("&#xD800;", 8, "\xef\xbf\xbd");
    check_reference("&#;", 0, "");
    check_reference("&CounterClockwiseContourIntegral;", 33, "\xe2\x88\xb3");
}

/* The elements in document order with their depth; text joined and without white space: what gumbo's
 * known ways (split text nodes, white space moved over an end tag) do not touch. */
static void skeleton(const html_tree *x, wt_buf *out) {
    wt_buf_clear(out);
    int depth = 0;
    for (uint32_t n = x->node[0].first; n;) {
        if (html_is_element(x, n)) wt_buf_printf(out, "\n%d%s ", depth, html_node_name(x, n));
        if (x->node[n].tag == HTML_TEXT) {
            wt_str s = html_text_of(x, n);
            for (size_t i = 0; i < s.len; i++)
                if (s.ptr[i] > ' ') wt_buf_add_char(out, s.ptr[i]);
        }
        if (x->node[n].first) {
            n = x->node[n].first;
            depth++;
            continue;
        }
        while (n && !x->node[n].next) n = x->node[n].parent, depth--;
        if (n) n = x->node[n].next;
    }
}

/* Random soup of tags that gumbo 0.10.1 treats as the standard does. It is not asked for more than a few
 * open formatting elements: its <a> handling differs once the adoption agency has run eight times. */
static void test_random_against_gumbo(void **state) {
    static const char *const tags[] = {"div", "p", "b", "i", "em", "ul", "li", "table", "tr", "td", "th", "tbody", "h1", "h2",
                                       "span", "dl", "dt", "dd", "pre", "section", "nobr", "caption", "button", "option"};
    enum { N_TAGS = sizeof tags / sizeof *tags };
    html_tree g;
    html_tree_init(&g);
    wt_buf page = {0}, a = {0}, b = {0};
    wt_rng rng;
    wt_err err;
    int n_same = 0, n = 3000;
    for (int i = 0; i < n; i++) {
        wt_rng_init(&rng, 7, (uint64_t)i);
        wt_buf_clear(&page);
        wt_buf_add_str(&page, WT_STR("<!DOCTYPE html><body>"));
        for (int k = 0; k < 14; k++) {
            uint64_t what = wt_rng_below(&rng, 8);
            const char *tag = tags[wt_rng_below(&rng, N_TAGS)];
            if (what < 4) wt_buf_printf(&page, "<%s>", tag);
            else if (what < 6) wt_buf_printf(&page, "</%s>", tag);
            else wt_buf_printf(&page, "t%d", k);
        }
        html_tree_clear(&t);
        html_tree_clear(&g);
        html_parse(&t, wt_buf_view(&page));
        assert_int_equal(html_parse_gumbo(&g, wt_buf_view(&page), &err), 0);
        skeleton(&t, &a);
        skeleton(&g, &b);
        bool same = wt_str_eq(wt_buf_view(&a), wt_buf_view(&b));
        n_same += same;
        if (!same && i - n_same < 1) print_message("# differs: %s\n# ours:%s\n# gumbo:%s\n", page.ptr, a.ptr, b.ptr);
    }
    print_message("# %d of %d random pages have gumbo's tree\n", n_same, n);
    assert_true(n_same == n);
    html_tree_free(&g);
    wt_buf_free(&page);
    wt_buf_free(&a);
    wt_buf_free(&b);
}

/* Links up and down agree, and no walk is longer than the tree. */
static void check_links(void) {
    uint32_t seen = 0;
    for (uint32_t n = t.node[0].first; n; n = html_next(&t, n, 0)) {
        seen++;
        assert_true(seen < t.n_nodes);
        const html_node *x = &t.node[n];
        if (x->next) assert_int_equal(t.node[x->next].prev, n);
        if (x->first) assert_int_equal(t.node[x->first].parent, n);
        if (x->tag == HTML_TEXT) assert_true((size_t)x->off + x->len <= t.bytes.len);
    }
}

static void repeat(wt_buf *b, const char *s, int n) {
    wt_buf_clear(b);
    for (int i = 0; i < n; i++) wt_buf_add_str(b, wt_str_of(s));
}

static void test_hostile(void **state) {
    static const char *const pieces[] = {"<div>", "<b>", "<table>", "<table><tr><td>", "<svg>", "<a>", "<font color=red>", "<p><b>", "<template>",
                                         "<select>", "&", "&#", "<", "</", "<!--", "<![CDATA[", "<a b", "<x a='", "<table>a", "<button>", "<li>x"};
    wt_buf b = {0};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        repeat(&b, pieces[i], 20000);
        html_tree_clear(&t);
        html_parse(&t, wt_buf_view(&b));
        check_links();
        int depth = 0, max = 0;
        for (uint32_t n = t.node[0].first; n;) {
            if (t.node[n].first) {
                n = t.node[n].first;
                if (++depth > max) max = depth;
                continue;
            }
            while (n && !t.node[n].next) n = t.node[n].parent, depth--;
            if (n) n = t.node[n].next;
        }
        assert_true(max <= HTML_DEPTH_MAX + 16);
    }
    wt_buf_free(&b);
}

static void test_random_bytes(void **state) {
    static const char alphabet[] = "<>/!-=\"' abpi&#;\0\n\xc3\xa9<td";
    wt_buf b = {0};
    wt_rng rng;
    for (int i = 0; i < 2000; i++) {
        wt_rng_init(&rng, 11, (uint64_t)i);
        wt_buf_clear(&b);
        for (int k = 0; k < 300; k++) wt_buf_add_char(&b, alphabet[wt_rng_below(&rng, sizeof alphabet - 1)]);
        html_tree_clear(&t);
        html_parse(&t, wt_buf_view(&b));
        check_links();
    }
    wt_buf_free(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard), cmocka_unit_test(test_references), cmocka_unit_test(test_random_against_gumbo),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_random_bytes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    html_tree_init(&t);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    html_tree_free(&t);
    return failed;
}

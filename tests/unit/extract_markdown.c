/* Markdown as CommonMark and GFM read it, and what links mean: pages and answers written by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/extract.h"
#include "extract/link.h"

/* The examples of RFC 3986, section 5.4, that pages write. */
static void test_links(void **state) {
    static const char *const cases[][3] = {
        {"http://a/b/c/d;p?q", "g", "http://a/b/c/g"}, {"http://a/b/c/d;p?q", "./g", "http://a/b/c/g"},
        {"http://a/b/c/d;p?q", "g/", "http://a/b/c/g/"}, {"http://a/b/c/d;p?q", "/g", "http://a/g"},
        {"http://a/b/c/d;p?q", "//g", "http://g"}, {"http://a/b/c/d;p?q", "?y", "http://a/b/c/d;p?y"},
        {"http://a/b/c/d;p?q", "g?y#s", "http://a/b/c/g?y#s"}, {"http://a/b/c/d;p?q", "#s", "http://a/b/c/d;p?q#s"},
        {"http://a/b/c/d;p?q", "", "http://a/b/c/d;p?q"}, {"http://a/b/c/d;p?q", ".", "http://a/b/c/"},
        {"http://a/b/c/d;p?q", "..", "http://a/b/"}, {"http://a/b/c/d;p?q", "../g", "http://a/b/g"},
        {"http://a/b/c/d;p?q", "../..", "http://a/"}, {"http://a/b/c/d;p?q", "../../../g", "http://a/g"},
        {"http://a/b/c/d;p?q", "/../g", "http://a/g"}, {"http://a/b/c/d;p?q", "./g/.", "http://a/b/c/g/"},
        {"http://a/b/c/d;p?q", "g/../h", "http://a/b/c/h"}, {"http://a/b/c/d;p?q", "g?y/../x", "http://a/b/c/g?y/../x"},
        {"http://a/b/c/d;p?q", "mailto:m@a", "mailto:m@a"}, {"http://a", "g", "http://a/g"}, {"http://a?q", "g", "http://a/g"},
        {"", "../g", "../g"}, {"page.html", "g", "g"},
    };
    wt_buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wt_buf_clear(&out);
        link_resolve(wt_str_of(cases[i][0]), wt_str_of(cases[i][1]), &out);
        wt_buf_add_char(&out, '\0');
        assert_string_equal(out.ptr, cases[i][2]);
    }
    wt_buf_free(&out);
}

#define PROSE "<p>The river rises in the hills behind the town, and it takes nine days to reach the sea, as the ferrymen who live on it say.</p>"
#define SAID "The river rises in the hills behind the town, and it takes nine days to reach the sea, as the ferrymen who live on it say.\n\n"

static const struct { const char *what, *html, *md; } pages[] = {
    {"what belongs to an item is as deep as its text",
     "<ol start=9><li><p>First the boat is made ready, which takes a morning.</p><pre>make boat\n  --dry\n\ndone</pre><p>Then it is let down into the water.</p></li>"
     "<li>Second, the oars:<ul><li>one for the left hand</li><li>one for the right hand</li></ul></li><li>Third, go on board.</li></ol>",
     "9. First the boat is made ready, which takes a morning.\n\n   ```\n   make boat\n     --dry\n\n   done\n   ```\n\n   Then it is let down into the water.\n"
     "10. Second, the oars:\n    - one for the left hand\n    - one for the right hand\n11. Third, go on board.\n\n"},
    {"terms do not run into what is said of them",
     "<dl><dt>Ferry</dt><dd>A boat that goes from one bank to the other.</dd><dt>Oar</dt><dd>What one rows with, made of ash.</dd></dl>",
     "Ferry\n\nA boat that goes from one bank to the other.\n\nOar\n\nWhat one rows with, made of ash.\n\n"},
    {"a quote is one, whatever stands in it",
     "<blockquote><p>All rivers run into the sea; yet the sea is not full.</p><ul><li>unto the place whence they come</li></ul><p>Thither they return<br># again.</p></blockquote>",
     "> All rivers run into the sea; yet the sea is not full.\n>\n> - unto the place whence they come\n>\n> Thither they return  \n> \\# again.\n\n"},
    {"cells keep their columns, and the head is as wide as any row",
     "<table><tr><th>River</th><th>Length in days</th></tr><tr><td>Ash</td><td></td><td>a|b</td></tr><tr><td colspan=2>Birch</td><td>dry in summer</td></tr>"
     "<tr><td>Elm</td><td>nine</td><td>wide</td></tr></table>",
     "| River | Length in days |  |\n| --- | --- | --- |\n| Ash |  | a\\|b |\n| Birch |  | dry in summer |\n| Elm | nine | wide |\n\n"},
    {"a table of one column is layout",
     "<table><tr><td>Of boats and of the people that sail them.</td></tr><tr><td>Of oars and of the trees they are made of.</td></tr></table>",
     "Of boats and of the people that sail them.\n\nOf oars and of the trees they are made of.\n\n"},
    {"links",
     "<p>See [ <a href='../maps/a b.html'>&nbsp;the maps&nbsp;</a> | <a href='#top'><code>flow</code> </a>and <a href='javascript:x()'>the menu</a>], or <a href='/x'> </a>go on.</p>",
     "See [ [the maps](http://h.example/docs/maps/a%20b.html) | [`flow`](http://h.example/docs/v2/#top) and the menu], or go on.\n\n"},
    {"only what would be read as Markdown is escaped",
     "<p>The words read_me_first, _so_, 2 * 3, a*b, [in], [x](y), a < b and &lt;b> stand here in a line.</p>",
     "The words read_me_first, \\_so\\_, 2 * 3, a\\*b, [in], [x\\](y), a < b and \\<b> stand here in a line.\n\n"},
};

static void test_pages(void **state) {
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_MARKDOWN}, NULL);
    wt_buf html = {0};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        extract_page p;
        wt_buf_clear(&html);
        wt_buf_printf(&html, "<base href='/docs/v2/'><h1>Rivers</h1><main>" PROSE "%s" PROSE PROSE "</main>", pages[i].html);
        assert_int_equal(extract_run(x, wt_buf_view(&html), WT_STR("http://h.example/a/b.html"), WT_STR(""), &p, NULL), 0);
        wt_buf_clear(&html);
        wt_buf_printf(&html, SAID "%s" SAID, pages[i].md);
        if (wt_str_find(p.text, wt_buf_view(&html)) < 0) fail_msg("%s: '%.*s'", pages[i].what, (int)p.text.len, p.text.ptr);
    }
    wt_buf_free(&html);
    extractor_free(x);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_links), cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

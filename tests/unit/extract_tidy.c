/* What generators put beside the text for the reader's mouse, and code drawn without <pre>: how each writes it, and what
 * is to be left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/extract.h"
#include "extract/tidy.h"
#include "tests/html_change.h"

static const html_case cases[] = {
    {"Sphinx", "<h1>Rivers<a class='headerlink' href='#rivers' title='Permalink'>\xc2\xb6</a></h1>", "Rivers"},
    {"texinfo, behind a space", "<strong>flow</strong> <em>(a)</em><a class='copiable-link' href='#x'> \xc2\xb6</a>", "flow (a)"},
    {"rustdoc, before the words", "<h2><a class='doc-anchor' href='#e'>\xc2\xa7</a>Examples</h2>", "Examples"},
    {"in an element of its own", "<h3>A <a href='p.html#a'><span aria-hidden=true>#</span></a></h3>", "A "},
    {"Doxygen", "<h2><span class='permalink'><a href='#f'>\xe2\x97\x86&nbsp;</a></span>f()</h2>", "f()"},
    {"back from a note", "<li>Note. <a href='#r1'>\xe2\x86\xa9\xef\xb8\x8e</a></li>", "Note. "},
    {"MediaWiki", "<h2>Mouth<span class='mw-editsection'>[<a href='?action=edit'>edit</a>]</span></h2>", "Mouth"},
    {"a button that copies", "<h1>f<button id='copy-path' title='Copy path'>Copy item path</button></h1>", "f"},
    {"a link that does", "<a class='btn btn-clipboard' href='#'>Copy</a>x", "x"},
    {"signs that are text", "<p>\xc2\xa7 5 and <a href='/tags#c'>C#</a>, <a href='/number'>#</a></p>", "\xc2\xa7 5 and C#, #"},
    {"buttons that are text", "<h3><button class='copyright'>Whose is it?</button> <button>How to copy?</button></h3>", "Whose is it? How to copy?"},
    {"a shared address", "<a class='button' title='Copy link to clipboard' href='/t'>https://rivers.example/a/long/way/to/the/sea/t</a>",
     "https://rivers.example/a/long/way/to/the/sea/t"},
};

static void test_marks_and_buttons(void **state) { check_html_changes(cases, sizeof cases / sizeof *cases, tidy_tree); }

#define PROSE "<p>The river rises in the hills behind the town, and it takes nine days to reach the sea, as the ferrymen who live on it say.</p>"

static void check_text(const char *html, const char *expected) {
    extractor *x = extractor_new(&(extract_options){0}, NULL);
    extract_page p;
    assert_int_equal(extract_run(x, wt_str_of(html), WT_STR(""), WT_STR(""), &p, NULL), 0);
    if (wt_str_find(p.text, wt_str_of(expected)) < 0) fail_msg("'%.*s' lacks '%s'", (int)p.text.len, p.text.ptr, expected);
    extractor_free(x);
}

static void test_code_of_lines(void **state) {
    check_text("<h1>Rivers</h1>" PROSE
               "<div class='fragment'><div class='line'><a id='l1'></a><span class='lineno'>    1</span>&#160;<span>int</span> flow(<a href='#r'>river</a> *r) {</div>\n"
               "<div class='line'><a id='l2'></a><span class='lineno'>    2</span>&#160;    return r->width;</div>\n"
               "<div class='line'>&#160;</div>\n<div class='line'>}</div>\n<div class='ttc'><div class='ttname'>river</div></div></div>" PROSE PROSE,
               "say.\n\nint flow(river *r) {\n    return r->width;\n \n}\n\nThe river");
    check_text("<h1>Rivers</h1>" PROSE "<pre>if (a)\n\xc2\xa0\xc2\xa0\xc2\xa0\xc2\xa0" "b\xe2\x80\x8b();</pre>" PROSE PROSE, "say.\n\nif (a)\n    b();\n\nThe river");
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_marks_and_buttons), cmocka_unit_test(test_code_of_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

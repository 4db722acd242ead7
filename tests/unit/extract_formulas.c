/* Formulas as TeX: how each renderer writes one, and what is to stand in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/extract.h"
#include "extract/formulas.h"

static const struct { const char *what, *html, *text; } cases[] = {
    {"KaTeX, in a line",
     "a <span class='katex'><span class='katex-mathml'><math><semantics><mrow><mi>E</mi></mrow><annotation encoding='application/x-tex'>E=mc^2"
     "</annotation></semantics></math></span><span class='katex-html' aria-hidden='true'>E=mc2</span></span> b", "a $E=mc^2$ b"},
    {"KaTeX, displayed",
     "<span class='katex-display'><span class='katex'><span class='katex-mathml'><math display='block'><semantics><mi>x</mi><annotation "
     "encoding='application/x-tex'> x </annotation></semantics></math></span><span class='katex-html'>x</span></span></span>", "$$x$$"},
    {"MediaWiki, MathML hidden behind an image",
     "<span class='mwe-math-element'><span class='mwe-math-mathml-inline' style='display: none;'><math alttext='{\\displaystyle a_{1}}'><semantics>"
     "<mi>a</mi><annotation encoding='application/x-tex'>{\\displaystyle a_{1}}</annotation></semantics></math></span>"
     "<img class='mwe-math-fallback-image-inline' alt='{\\displaystyle a_{1}}'></span>", "$a_{1}$"},
    {"LaTeXML", "<math alttext='\\alpha' display='inline'><mi>&alpha;</mi></math>", "$\\alpha$"},
    {"MathJax 2 before it ran", "a <script type='math/tex'>x<y</script> b", "a $x<y$ b"},
    {"MathJax 2 after it ran",
     "a <span class='MathJax_Preview'>[x]</span><span class='MathJax'><nobr>x</nobr></span><script type='math/tex'>x</script> b", "a $x$ b"},
    {"kramdown, displayed", "<script type='math/tex; mode=display'>% <![CDATA[\nx %]]></script>", "$$x$$"},
    {"MathJax 3 with the formula for readers aloud",
     "<mjx-container><mjx-math>x</mjx-math><mjx-assistive-mml><math><mi>x</mi><annotation encoding='TeX'>x</annotation></math></mjx-assistive-mml></mjx-container>",
     "$x$"},
    {"WordPress", "e <img class='latex' alt='e^{i\\pi}'> f", "e $e^{i\\pi}$ f"},
    {"CodeCogs", "<img src='https://latex.codecogs.com/gif.latex?x' alt='$x$'>", "$x$"},
    {"old MediaWiki", "<img class='mwe tex' alt='\\frac{1}{2}'>", "$\\frac{1}{2}$"},
    {"MathML alone", "<math><mi>x</mi><mo>=</mo><mn>2</mn></math>", "x=2"},
    {"other scripts and images", "a<script type='text/javascript'>b</script><img alt='c' class='photo'>", "a"},
    {"an annotation that is no TeX", "<math><mi>x</mi><annotation encoding='application/mathematica'>y</annotation></math>", "xy"},
    {"an empty one", "<math alttext=' '><mi>x</mi></math><img class=latex alt=' '>", "x"},
};

/* All text but what is in scripts. */
static void text_of(const html_tree *t, wt_buf *out) {
    for (uint32_t n = t->node[0].first; n;) {
        if (t->node[n].tag == HTML_TEXT) wt_buf_add_str(out, html_text_of(t, n));
        n = t->node[n].tag == HTML_TAG_script ? html_skip(t, n, 0) : html_next(t, n, 0);
    }
    wt_buf_add_char(out, '\0');
}

static void test_renderers(void **state) {
    html_tree t;
    wt_buf out = {0};
    html_tree_init(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        html_tree_clear(&t);
        wt_buf_clear(&out);
        html_parse(&t, wt_str_of(cases[i].html));
        formulas_to_tex(&t);
        text_of(&t, &out);
        if (strcmp(out.ptr, cases[i].text) != 0) fail_msg("%s: '%s' where '%s' is expected", cases[i].what, out.ptr, cases[i].text);
    }
    wt_buf_free(&out);
    html_tree_free(&t);
}

/* TeX is not escaped in Markdown; what only looks like it is. */
static void test_markdown(void **state) {
    wt_str page = WT_STR("<h1>On <math alttext='a_1'></math> and a_1</h1><p>The number <img class=latex alt='a_1*b_2'> and the words a_1*b_2 stand here, "
                         "one beside the other, so that they are long enough for a text.</p>");
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_MARKDOWN}, NULL);
    extract_page p;
    assert_int_equal(extract_run(x, page, WT_STR(""), WT_STR(""), &p, NULL), 0);
    assert_true(wt_str_find(p.text, WT_STR("# On $a_1$ and a_1")) >= 0);
    assert_true(wt_str_find(p.text, WT_STR("number $a_1*b_2$ and the words a_1\\*b_2 stand")) >= 0);
    extractor_free(x);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_renderers), cmocka_unit_test(test_markdown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Formulas as TeX: how each renderer writes one, and what is to stand in its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/extract.h"
#include "extract/formulas.h"
#include "tests/html_change.h"

static const html_case cases[] = {
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

static void test_renderers(void **state) { check_html_changes(cases, sizeof cases / sizeof *cases, formulas_to_tex); }

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

/* TEI output is well-formed, and valid by a small DTD: of each element's content model in TEI P5 the part that we use, so
 * that what is valid here is valid there. Pages: hostile ones, and 400 of random blocks. tests/peers/extract_tei.sh asks a
 * DTD of the TEI Consortium. */
#include <libxml/parser.h>
#include <libxml/valid.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/rng.h"
#include "extract/extract.h"
#include "tests/hostile_pages.h"

static const char dtd_text[] =
    "<!ELEMENT TEI (teiHeader, text)><!ATTLIST TEI xmlns CDATA #FIXED 'http://www.tei-c.org/ns/1.0'>"
    "<!ELEMENT teiHeader (fileDesc, profileDesc?)>"
    "<!ELEMENT fileDesc (titleStmt, publicationStmt, sourceDesc)>"
    "<!ELEMENT titleStmt (title, author?)>"
    "<!ELEMENT publicationStmt (publisher, availability?, date?)>"
    "<!ELEMENT availability (licence)>"
    "<!ELEMENT sourceDesc (bibl)><!ELEMENT bibl (title?, idno?)>"
    "<!ELEMENT profileDesc (abstract?, langUsage?)>"
    "<!ELEMENT abstract (p)><!ELEMENT langUsage (language)>"
    "<!ELEMENT language EMPTY><!ATTLIST language ident NMTOKEN #REQUIRED>"
    "<!ELEMENT text (body)><!ELEMENT body (div+)>"
    "<!ELEMENT div (head*, (p | ab | list | table | quote)*)>"
    "<!ELEMENT ab (code)><!ELEMENT list (item+)><!ELEMENT table (row+)><!ELEMENT row (cell+)>"
    "<!ELEMENT title (#PCDATA)><!ELEMENT author (#PCDATA)><!ELEMENT publisher (#PCDATA)><!ELEMENT licence (#PCDATA)>"
    "<!ELEMENT date (#PCDATA)><!ELEMENT idno (#PCDATA)><!ELEMENT p (#PCDATA)><!ELEMENT code (#PCDATA)>"
    "<!ELEMENT item (#PCDATA)><!ELEMENT cell (#PCDATA)><!ELEMENT head (#PCDATA)><!ELEMENT quote (#PCDATA)>";
static xmlDtdPtr dtd;

static void check_page(extractor *x, wt_str page, const char *name) {
    wt_err err = {0};
    extract_page p;
    assert_int_equal(extract_run(x, page, WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err), 0);
    xmlDocPtr doc = xmlReadMemory(p.text.ptr, (int)p.text.len, NULL, NULL, XML_PARSE_NONET | XML_PARSE_HUGE);
    if (!doc) fail_msg("not well-formed: %s", name);
    xmlValidCtxtPtr valid = xmlNewValidCtxt();
    if (!xmlValidateDtd(valid, doc, dtd)) fail_msg("not valid: %s: %.400s", name, p.text.ptr);
    xmlFreeValidCtxt(valid);
    xmlFreeDoc(doc);
}

static void test_hostile(void **state) {
    wt_err err = {0};
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_TEI}, &err);
    for (int i = 0; i < N_HOSTILE_PAGES; i++) {
        wt_buf page = {0};
        hostile_make(&hostile_pages[i], 20000, &page);
        check_page(x, wt_buf_view(&page), hostile_pages[i].name);
        wt_buf_free(&page);
    }
    extractor_free(x);
}

static void test_random_blocks(void **state) {
    static const char *const pieces[] = {
        "<h2>A heading", "<h3>Another</h3>", "<p>", "</p>", "<ul><li>", "<li>", "</ul>", "<ol><li>", "</ol>", "<blockquote>", "</blockquote>",
        "<pre>int x = 1 &lt; 2;\n</pre>", "<pre><code>a\1b &amp; c</code></pre>", "<table><tr><td>", "<td>", "<th>", "<tr>", "</table>",
        "<dl><dt>", "<dd>", "</dl>", "<br>", "<caption>", "<figure>", "<div>", "</div>", "<article>", "</article>", "<code>", "</code>"};
    static const char *const meta[] = {
        "<html lang=\"id, en\">", "<html lang=en_US>", "<html lang='\"'>", "<meta name=author content='A & <B>'>", "<meta name=description content='d \x01 e'>",
        "<link rel=license href=\"http://x/?a&b\">", "<meta property=og:site_name content=\"\xef\xbf\xbf\">", "<title>\x0c</title>", "<title>a</title>",
        "<script type=\"application/ld+json\">{\"@type\":\"Article\",\"inLanguage\":\"lang=\"}</script>"};
    wt_err err = {0};
    wt_rng rng;
    wt_rng_init(&rng, 4, 0);
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_TEI}, &err);
    wt_buf page = {0};
    for (int i = 0; i < 400; i++) {
        wt_buf_clear(&page);
        for (int k = 0; k < 3; k++) wt_buf_add_str(&page, wt_str_of(meta[wt_rng_below(&rng, sizeof meta / sizeof *meta)]));
        wt_buf_add_str(&page, WT_STR("<article>"));
        for (int k = 0; k < 40; k++) {
            hostile_add(&page, pieces[wt_rng_below(&rng, sizeof pieces / sizeof *pieces)], 0);
            if (wt_rng_below(&rng, 2)) wt_buf_add_str(&page, WT_STR("The tide comes in twice a day, and goes out again as the moon wills. "));
            else wt_buf_add_str(&page, WT_STR("6 m \xff"));
        }
        check_page(x, wt_buf_view(&page), page.ptr);
    }
    wt_buf_free(&page);
    extractor_free(x);
}

static void test_json_alone(void **state) {
    wt_err err = {0};
    wt_buf page = {0};
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_TEI}, &err);
    wt_buf_add_str(&page, WT_STR("<title>t</title><script type=\"application/ld+json\">{\"@type\":\"Article\",\"articleBody\":\""));
    for (int i = 0; i < 30; i++) wt_buf_add_str(&page, WT_STR("The tide comes in, & goes out again.\\n"));
    wt_buf_add_str(&page, WT_STR("\"}</script><p>Loading"));
    check_page(x, wt_buf_view(&page), "article in JSON-LD");
    wt_buf_free(&page);
    extractor_free(x);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    xmlParserInputBufferPtr in = xmlParserInputBufferCreateMem(dtd_text, sizeof dtd_text - 1, XML_CHAR_ENCODING_UTF8);
    dtd = in ? xmlIOParseDTD(NULL, in, XML_CHAR_ENCODING_UTF8) : NULL;
    if (!dtd) return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_random_blocks),
        cmocka_unit_test(test_json_alone),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    xmlFreeDtd(dtd);
    xmlCleanupParser();
    return failed;
}

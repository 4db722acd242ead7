/* Pages built to be slow (tests/hostile_pages.h), a quarter of a megabyte each, through everything that reads a page: each
 * format, `explain`, the filters, a site's lines. No time is asserted: the test ends in seconds where all is linear, and
 * bench/extract_hostile.c has the times at one, two and four times the size. Numbered items keep their numbers, texts that
 * may not move any more are all there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "extract/extract.h"
#include "tests/hostile_pages.h"

enum { BYTES = 250000, BYTES_SANITIZED = 30000 };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const size_t page_bytes = BYTES_SANITIZED;
#else
static const size_t page_bytes = BYTES;
#endif

static void run_formats(const hostile_page *h) {
    wt_buf page = {0}, out = {0};
    wt_err err = {0};
    hostile_make(h, page_bytes, &page);
    for (int format = 0; format < 3; format++) {
        extractor *x = extractor_new(&(extract_options){.format = (extract_format)format}, &err);
        extract_page p;
        assert_non_null(x);
        assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err), 0);
        if (format == EXTRACT_TEXT) {
            site_lines *lines = site_lines_new();
            site_lines_count(lines, WT_STR("http://x.org/"), p.text);
            site_lines_cut(lines, WT_STR("http://x.org/"), p.text, &out);
            site_lines_free(lines);
            for (extract_filter f = FILTER_WEBTEXT; f <= FILTER_FINEWEB; f++) {
                wt_str text = p.text;
                wt_buf_clear(&out);
                extract_filter_run(f, &text, WT_STR("http://x.org/"), &out);
            }
            wt_buf_clear(&out);
            extract_explain(x, &out);
            assert_true(out.len > 0);
        }
        extractor_free(x);
    }
    wt_buf_free(&page);
    wt_buf_free(&out);
}

static void test_hostile(void **state) {
    for (int i = 0; i < N_HOSTILE_PAGES; i++) run_formats(&hostile_pages[i]);
}

/* `times` pieces, extracted; how often the wanted string stands in the text. */
static size_t count_in(extract_format format, const char *start, const char *piece, size_t times, const char *wanted) {
    wt_buf page = {0};
    wt_err err = {0};
    extract_page p;
    size_t n = 0;
    extractor *x = extractor_new(&(extract_options){.format = format}, &err);
    wt_buf_add_str(&page, wt_str_of(start));
    for (size_t i = 0; i < times; i++) hostile_add(&page, piece, i);
    assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR(""), WT_STR(""), &p, &err), 0);
    for (ptrdiff_t at; (at = wt_str_find(p.text, wt_str_of(wanted))) >= 0; n++) p.text.ptr += at + 1, p.text.len -= (size_t)at + 1;
    extractor_free(x);
    wt_buf_free(&page);
    return n;
}

static void test_numbers(void **state) {
    const char *start = "<title>t</title><article><p>The list of the things that were found when the house was opened, in full.</p><ol>";
    const char *item = "<li>This thing number \2 was found in a room of the house, and nobody could say what it had been used for.</li>";
    const char *gap = "<li></li><li>This thing number \2 was found in a room of the house, and nobody could say what it had been used for.</li>";
    assert_int_equal(count_in(EXTRACT_MARKDOWN, start, item, 30, "\n30. This thing number 29 was"), 1);
    assert_int_equal(count_in(EXTRACT_MARKDOWN, start, item, 30, "\n7. This thing number 6 was"), 1);
    assert_int_equal(count_in(EXTRACT_MARKDOWN, start, gap, 30, "\n14. This thing number 6 was"), 1);      /* empty ones count */
}

static void test_text_between_end_tags(void **state) {
    const char *start = "<title>t</title><article><p>The words of a paragraph that is parted by tags which close nothing, ";
    size_t n = page_bytes / 20;
    assert_int_equal(count_in(EXTRACT_TEXT, start, "word</x a=\"&amp;\"> ", n, "word"), n + 1);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_text_between_end_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

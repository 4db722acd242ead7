/* common_doc.c - documents read, write and read back the same; other tools' fields stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/doc.h"

static void a_document_reads_and_writes_back(void **state) {
    const char *line = "{\"id\":\"7\",\"text\":\"a \\\"b\\\"\\n\\u00e9\",\"source\":\"s\",\"created\":\"2017-01-02T03:04:05Z\","
                       "\"added\":\"2018-01-01T00:00:00Z\",\"metadata\":{\"url\":\"http:\\/\\/x\\/\",\"n\":1},"
                       "\"version\":\"v1\",\"attributes\":{\"k\":[1,2]}}\n";
    wt_arena *arena = wt_arena_new(0);
    wt_doc doc, again;
    wt_buf out = {0}, twice = {0};
    assert_int_equal(wt_doc_parse(wt_str_of(line), arena, &doc, NULL), 0);
    assert_true(doc.has_text && wt_str_eq(doc.text, WT_STR("a \"b\"\n\xc3\xa9")));
    assert_true(wt_str_eq(wt_doc_meta(&doc, "url", arena), WT_STR("http://x/")));
    assert_int_equal(wt_doc_meta(&doc, "n", arena).len, 0);
    assert_true(wt_str_eq(doc.rest, WT_STR("\"version\":\"v1\",\"attributes\":{\"k\":[1,2]}")));
    wt_doc_write(&out, &doc);
    assert_true(out.ptr[out.len - 1] == '\n');
    assert_int_equal(wt_json_check((wt_str){out.ptr, out.len - 1}, NULL), 0);
    assert_int_equal(wt_doc_parse(wt_buf_view(&out), arena, &again, NULL), 0);
    wt_doc_write(&twice, &again);
    assert_string_equal(out.ptr, twice.ptr);
    wt_doc_write(&twice, &doc);              /* a second line behind the first */
    assert_int_equal(twice.len, 2 * out.len);
    wt_buf_free(&out), wt_buf_free(&twice);
    wt_arena_free(arena);
}

static void odd_documents(void **state) {
    wt_arena *arena = wt_arena_new(0);
    wt_doc doc;
    static const char *const wrong[] = {"", "[]", "{", "\"x\"", "{\"id\":}", "{\"text\":\"a}", "{\"a\":1}}", "{\"a\":1,}", "{} {}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        wt_err err = {0};
        if (wt_doc_parse(wt_str_of(wrong[i]), arena, &doc, &err) == 0) fail_msg("%s was accepted", wrong[i]);
        assert_int_equal(err.code, WT_EDATA);
    }
    assert_int_equal(wt_doc_parse(WT_STR("{}"), arena, &doc, NULL), 0);
    assert_false(doc.has_text);
    assert_int_equal(wt_doc_parse(WT_STR(" {\"text\":null,\"id\":12,\"metadata\":null} "), arena, &doc, NULL), 0);
    assert_false(doc.has_text);
    assert_true(wt_str_eq(doc.id, WT_STR("12")) && doc.metadata.kind == WT_JSON_NONE);
    assert_int_equal(wt_doc_parse(WT_STR("{\"text\":\"\"}"), arena, &doc, NULL), 0);
    assert_true(doc.has_text && doc.text.len == 0);
    assert_int_equal(wt_doc_meta(&doc, "url", arena).len, 0);
    wt_buf out = {0};
    wt_doc_write(&out, &doc);
    assert_string_equal(out.ptr, "{\"id\":\"\",\"text\":\"\"}\n");
    wt_buf_free(&out);
    wt_arena_free(arena);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_reads_and_writes_back),
        cmocka_unit_test(odd_documents),
    };
    return cmocka_run_group_tests_name("common_doc", tests, NULL, NULL);
}

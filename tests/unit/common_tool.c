/* common_tool.c - values of options, whose output it is (fresh, continue, done, another's), the report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/tool.h"

static void values_parse(void **state) {
    static const struct { const char *text; uint64_t count, bytes; } good[] = {
        {"0", 0, 0}, {"12", 12, 12}, {"3k", 3000, 3072}, {"2M", 2000000, 2097152}, {"1G", 1000000000, 1073741824}};
    uint64_t x;
    int64_t t;
    wt_err err = {0};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(wt_parse_count(good[i].text, &x, &err), 0);
        assert_int_equal(x, good[i].count);
        assert_int_equal(wt_parse_bytes(good[i].text, &x, &err), 0);
        assert_int_equal(x, good[i].bytes);
    }
    assert_int_equal(wt_parse_bytes("2KiB", &x, &err), 0);
    assert_int_equal(x, 2048);
    assert_int_equal(wt_parse_bytes("3GiB", &x, &err), 0);
    assert_int_equal(x, 3221225472);
    static const char *const wrong[] = {"", "x", "-1", "1x", "1 k", "99999999999999999999", "99999999999999G", "0x10", " 1", "+1", "inf", "nan", "-2k"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (wt_parse_count(wrong[i], &x, &err) == 0) fail_msg("count '%s' was taken as %llu", wrong[i], (unsigned long long)x);
        assert_int_equal(err.code, WT_EARG);
        assert_int_equal(wt_parse_bytes(wrong[i], &x, &err), -1);
    }
    assert_int_equal(wt_parse_count("1.5", &x, &err), -1);
    assert_int_equal(wt_parse_count("2.3k", &x, &err), 0);
    assert_int_equal(x, 2300);
    assert_int_equal(wt_parse_time("2017-12-31T23:59:59Z", &t, &err), 0);
    assert_int_equal(t, 1514764799);
    assert_int_equal(wt_parse_time("1970-01-01", &t, &err), 0);
    assert_int_equal(t, 0);
    assert_int_equal(wt_parse_time("yesterday", &t, &err), -1);
    char text[32];
    wt_iso_time(1514764799, text);
    assert_string_equal(text, "2017-12-31T23:59:59Z");
}

static void options_are_set_by_type(void **state) {
    bool flag = false;
    const char *string = NULL, *choice = "a";
    int64_t i = 0;
    double f = 0;
    wt_list list = {0};
    wt_err err = {0};
    wt_opt o[] = {{"flag", 0, WT_OPT_FLAG, &flag}, {"string", 0, WT_OPT_STRING, &string}, {"int", 0, WT_OPT_INT, &i},
                  {"float", 0, WT_OPT_FLOAT, &f}, {"choice", 0, WT_OPT_CHOICE, &choice, "a|b"}, {"list", 0, WT_OPT_LIST, &list}};
    assert_int_equal(wt_opt_set(&o[0], "true", &err), 0);
    assert_int_equal(wt_opt_set(&o[1], "", &err), 0);
    assert_int_equal(wt_opt_set(&o[2], "-2k", &err), 0);
    assert_int_equal(i, -2000);
    assert_int_equal(wt_opt_set(&o[2], "1k", &err), 0);
    assert_int_equal(i, 1000);
    assert_int_equal(wt_opt_set(&o[2], "10000000000G", &err), -1);
    assert_int_equal(wt_opt_set(&o[2], "--7", &err) & wt_opt_set(&o[2], "-", &err) & wt_opt_set(&o[2], "1.5", &err), -1);
    assert_int_equal(wt_opt_set(&o[2], "-7", &err), 0);
    assert_int_equal(wt_opt_set(&o[3], "1e-6", &err), 0);
    assert_int_equal(wt_opt_set(&o[4], "b", &err), 0);
    assert_int_equal(wt_opt_set(&o[5], "x", &err) | wt_opt_set(&o[5], "y", &err), 0);
    assert_true(flag && string[0] == 0 && i == -7 && f == 1e-6 && choice[0] == 'b' && list.n == 2 && list.item[1][0] == 'y');
    static const char *const wrong[] = {"maybe", NULL, "1.5", "abc", "c"};
    for (int k = 0; k < 5; k++) {
        if (!wrong[k]) continue;
        assert_int_equal(wt_opt_set(&o[k], wrong[k], &err), -1);
        assert_int_equal(err.code, WT_EARG);
        assert_non_null(strstr(err.text, o[k].name));
    }
    assert_int_equal(wt_opt_set(&o[3], "inf", &err) | wt_opt_set(&o[3], "1e999", &err) | wt_opt_set(&o[3], "nan", &err), -1);
    free(list.item);
}

static const wt_str KEY_A = {"{\"n\":1,\"input\":\"x\"}", 19}, KEY_B = {"{\"n\":2,\"input\":\"x\"}", 19};

static void a_run_is_fresh_continued_done_or_anothers(void **state) {
    wt_err err = {0};
    for (int is_dir = 0; is_dir < 2; is_dir++) {
        const char *out = is_dir ? "dir" : "file";
        assert_int_equal(wt_run_begin(out, is_dir, KEY_A, false, &err), WT_RUN_FRESH);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_A, false, &err), WT_RUN_CONTINUE);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_B, false, &err), WT_RUN_FRESH);    /* the other one had nothing yet */
        assert_int_equal(wt_run_begin(out, is_dir, KEY_A, false, &err), WT_RUN_FRESH);
        const char *work = is_dir ? "dir/.hidden" : "file.part";
        assert_int_equal(wt_write_file(work, WT_STR("x"), &err), 0);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_B, false, &err), -1);
        assert_int_equal(err.code, WT_EEXIST);
        assert_non_null(strstr(err.text, "'n'"));                    /* it says what differs */
        assert_non_null(strstr(err.text, "--force"));
        if (!is_dir) assert_int_equal(wt_write_file(out, WT_STR("data"), &err), 0);
        assert_int_equal(wt_run_finish(out, is_dir, KEY_A, &err), 0);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_A, false, &err), WT_RUN_DONE);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_B, false, &err), -1);
        if (is_dir) assert_int_equal(wt_write_file("dir/leftover", WT_STR("x"), &err), 0);
        assert_int_equal(wt_run_begin(out, is_dir, KEY_B, true, &err), WT_RUN_FRESH);
        assert_false(wt_exists("dir/leftover"));
        assert_true(is_dir || !wt_exists("file"));
    }
    assert_int_equal(wt_run_begin(NULL, false, KEY_A, false, &err), WT_RUN_FRESH);
}

static void what_others_made_is_not_touched(void **state) {
    wt_err err = {0};
    assert_int_equal(wt_write_file("mine", WT_STR("precious"), &err), 0);
    assert_int_equal(wt_run_begin("mine", false, KEY_A, false, &err), -1);
    assert_int_equal(err.code, WT_EEXIST);
    assert_int_equal(wt_run_begin("mine", true, KEY_A, false, &err), -1);
    assert_int_equal(wt_mkdirs("full", &err), 0);
    assert_int_equal(wt_write_file("full/x", WT_STR("precious"), &err), 0);
    assert_int_equal(wt_run_begin("full", true, KEY_A, false, &err), -1);
    assert_int_equal(wt_run_begin("full", true, KEY_A, true, &err), -1);       /* not even by force: not ours */
    assert_int_equal(wt_run_begin("full", false, KEY_A, true, &err), -1);
    assert_true(wt_exists("full/x"));
    assert_int_equal(wt_mkdirs("empty", &err), 0);
    assert_int_equal(wt_run_begin("empty", true, KEY_A, false, &err), WT_RUN_FRESH);
    assert_int_equal(wt_write_file("file.run.json", WT_STR("{damaged"), &err), 0);
    assert_int_equal(wt_run_begin("file", false, KEY_A, false, &err), -1);
    assert_int_equal(wt_run_begin("/dev/null", false, KEY_A, false, &err), WT_RUN_FRESH);
}

static void keys_tell_inputs_apart(void **state) {
    wt_err err = {0};
    wt_buf a = {0}, b = {0}, c = {0};
    wt_buf big = {0};
    for (int i = 0; i < 40000; i++) wt_buf_add_str(&big, WT_STR("12345"));
    wt_write_file("in", wt_buf_view(&big), &err);
    wt_run_key_input(&a, "in");
    wt_run_key_input(&b, "in");
    assert_string_equal(a.ptr, b.ptr);
    assert_int_equal(wt_json_check(wt_buf_view(&a), NULL), 0);
    big.ptr[big.len - 1] = 'x';
    wt_write_file("in", wt_buf_view(&big), &err);
    wt_run_key_input(&c, "in");
    assert_string_not_equal(a.ptr, c.ptr);
    wt_buf_free(&a), wt_buf_free(&b), wt_buf_free(&c), wt_buf_free(&big);
}

static void the_report_is_json_and_adds_up(void **state) {
    static const wt_tool tool = {.name = "wt-test", .summary = "a test", .usage = "", .inputs_optional = true};
    char *argv[] = {"wt-test", "-q", NULL};
    wt_args args;
    wt_tool_start(&tool, 2, argv, &args);
    wt_report_count("documents in", 3), wt_report_count("documents in", 4);
    wt_report_drop("too \"short\"", 2);
    wt_report_number("speed", 1.5);
    wt_report_string("name", "a\nb");
    wt_report_json("more", WT_STR("[1,2]"));
    assert_int_equal(wt_report_get("documents in"), 7);
    assert_int_equal(wt_report_get("nothing"), 0);
    wt_buf out = {0};
    wt_report_write(&out);
    wt_err err = {0};
    if (wt_json_check(wt_buf_view(&out), &err)) fail_msg("%s: %s", err.text, out.ptr);
    assert_non_null(strstr(out.ptr, "\"documents in\":7"));
    wt_buf_free(&out);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_parse),
        cmocka_unit_test(options_are_set_by_type),
        cmocka_unit_test(a_run_is_fresh_continued_done_or_anothers),
        cmocka_unit_test(what_others_made_is_not_touched),
        cmocka_unit_test(keys_tell_inputs_apart),
        cmocka_unit_test(the_report_is_json_and_adds_up),
    };
    return cmocka_run_group_tests_name("common_tool", tests, NULL, NULL);
}

/* common_out.c - files appear whole or not at all, read back equal, and their bytes do not depend on
 * the sizes of the writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/in.h"
#include "common/out.h"
#include "common/rng.h"

static const char *const NAMES[] = {"o.txt", "o.gz", "o.zst"};

static void make_text(wt_buf *b, size_t n) {
    wt_rng rng;
    wt_rng_init(&rng, n, 1);
    while (b->len < n) wt_buf_printf(b, "%llu words and words\n", (unsigned long long)wt_rng_below(&rng, 9999));
    b->len = n;
}

static void write_in_pieces(const char *path, wt_str s, size_t piece) {
    wt_err err = {0};
    wt_out *out = wt_out_open(path, &err);
    assert_non_null(out);
    for (size_t i = 0; i < s.len; i += piece)
        assert_int_equal(wt_out_write(out, s.ptr + i, s.len - i < piece ? s.len - i : piece, &err), 0);
    assert_int_equal(wt_out_commit(out, &err), 0);
}

static void read_whole(const char *path, wt_buf *out) {
    wt_in *in = wt_in_open(path, NULL);
    assert_non_null(in);
    ptrdiff_t n;
    do {
        wt_buf_reserve(out, 65536);
        n = wt_in_read(in, out->ptr + out->len, 65536, NULL);
        assert_true(n >= 0);
        out->len += (size_t)n;
    } while (n > 0);
    wt_in_close(in);
}

static void bytes_depend_on_the_data_alone(void **state) {
    static const size_t sizes[] = {0, 1, 262144, 262145, 2000000};
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 5; k++) {
            wt_buf text = {0}, got = {0}, one = {0}, two = {0};
            make_text(&text, sizes[k]);
            write_in_pieces(NAMES[i], wt_buf_view(&text), 1 << 24);
            assert_int_equal(wt_read_file(NAMES[i], 1 << 24, &one, NULL), 0);
            write_in_pieces(NAMES[i], wt_buf_view(&text), 4097);
            assert_int_equal(wt_read_file(NAMES[i], 1 << 24, &two, NULL), 0);
            assert_int_equal(one.len, two.len);
            assert_true(one.len == 0 || memcmp(one.ptr, two.ptr, one.len) == 0);
            read_whole(NAMES[i], &got);
            assert_int_equal(got.len, text.len);
            assert_true(got.len == 0 || memcmp(got.ptr, text.ptr, got.len) == 0);
            assert_true(i == 0 || one.len > 0);      /* an empty .zst is a frame all the same */
            wt_buf_free(&text), wt_buf_free(&got), wt_buf_free(&one), wt_buf_free(&two);
        }
}

static void nothing_under_the_name_before_commit(void **state) {
    for (int i = 0; i < 3; i++) {
        unlink(NAMES[i]);
        char part[32];
        snprintf(part, sizeof part, "%s.part", NAMES[i]);
        wt_out *out = wt_out_open(NAMES[i], NULL);
        wt_out_printf(out, NULL, "%d words", 2);
        assert_false(wt_exists(NAMES[i]));
        assert_true(wt_exists(part));
        wt_out_abort(out);
        assert_false(wt_exists(NAMES[i]) || wt_exists(part));
    }
    wt_out_abort(NULL);
}

static void members_and_provenance(void **state) {
    for (int i = 0; i < 3; i++) {
        wt_out *out = wt_out_open_level(NAMES[i], 9, NULL);
        assert_int_equal(wt_out_str(out, WT_STR("first"), NULL), 0);
        assert_int_equal(wt_out_flush_member(out, NULL), 0);
        uint64_t second = wt_out_raw_bytes(out);
        assert_int_equal(wt_out_flush_member(out, NULL), 0);     /* an empty one is not made */
        assert_int_equal(wt_out_raw_bytes(out), second);
        assert_int_equal(wt_out_str(out, WT_STR("second"), NULL), 0);
        assert_int_equal(wt_out_provenance(out, WT_STR("{\"tool\":\"t\"}"), NULL), 0);
        assert_int_equal(wt_out_commit(out, NULL), 0);
        wt_buf got = {0}, json = {0};
        read_whole(NAMES[i], &got);
        assert_int_equal(got.len, 11);
        assert_memory_equal(got.ptr, "firstsecond", 11);
        assert_int_equal(wt_in_provenance(NAMES[i], &json, NULL), i > 0);
        if (i > 0) assert_string_equal(json.ptr, "{\"tool\":\"t\"}");
        if (i > 0) {                                 /* the second member stands alone */
            wt_buf raw = {0};
            assert_int_equal(wt_read_file(NAMES[i], 1 << 20, &raw, NULL), 0);
            wt_in *in = wt_in_memory((wt_str){raw.ptr + second, raw.len - second}, "tail");
            char text[16];
            assert_int_equal(wt_in_read(in, text, 16, NULL), 6);
            wt_in_close(in);
            wt_buf_free(&raw);
        }
        wt_buf_free(&got), wt_buf_free(&json);
    }
    wt_buf json = {0};
    wt_out *out = wt_out_open("empty.zst", NULL);    /* nothing but where it comes from */
    wt_out_provenance(out, WT_STR("{}"), NULL);
    assert_int_equal(wt_out_commit(out, NULL), 0);
    assert_int_equal(wt_in_provenance("empty.zst", &json, NULL), 1);
    assert_int_equal(wt_in_provenance("none", &json, NULL), -1);
    wt_buf_free(&json);
}

static void failures_are_told(void **state) {
    wt_err err = {0};
    assert_null(wt_out_open("no-folder/x", &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    if (!wt_exists("/dev/full")) skip();
    wt_out *out = wt_out_open("/dev/full", &err);    /* a device is written in place */
    assert_non_null(out);
    wt_out_str(out, WT_STR("x"), &err);
    assert_int_equal(wt_out_commit(out, &err), -1);
    assert_int_equal(err.code, WT_EIO);
    assert_non_null(strstr(err.text, "/dev/full"));
    assert_true(wt_exists("/dev/full"));
}

static void devices_are_not_renamed_over(void **state) {
    wt_out *out = wt_out_open("/dev/null", NULL);
    assert_non_null(out);
    assert_int_equal(wt_out_str(out, WT_STR("x"), NULL), 0);
    assert_int_equal(wt_out_commit(out, NULL), 0);
    assert_int_not_equal(access("/dev/null.part", F_OK), 0);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_depend_on_the_data_alone),
        cmocka_unit_test(nothing_under_the_name_before_commit),
        cmocka_unit_test(members_and_provenance),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(devices_are_not_renamed_over),
    };
    return cmocka_run_group_tests_name("common_out", tests, NULL, NULL);
}

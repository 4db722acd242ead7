/* common_warc.c - records read back as written in every coding; real archives' habits are read; a
 * damaged record costs itself alone; HTTP messages and chunked coding against hand vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/rng.h"
#include "common/warc.h"

static void encode(wt_buf *out, int i, wt_str block, wt_warc_coding coding) {
    char uri[64];
    snprintf(uri, sizeof uri, "http://host%d.example/%d", i % 7, i);
    wt_warc_pair fields[] = {{WT_STR("WARC-Target-URI"), wt_str_of(uri)},
                             {WT_STR("WARC-Date"), WT_STR("2017-01-02T03:04:05Z")},
                             {WT_STR("Content-Type"), WT_STR("application/http;msgtype=response")}};
    assert_int_equal(wt_warc_encode(out, WT_STR("response"), fields, 3, block, coding, 0, NULL), 0);
}

static void records_read_back_in_every_coding(void **state) {
    enum { N = 40 };
    for (wt_warc_coding coding = WT_WARC_GZIP; coding <= WT_WARC_PLAIN; coding++) {
        wt_buf file = {0}, blocks[N] = {0};
        uint64_t starts[N];
        wt_rng rng;
        wt_rng_init(&rng, 3, 0);
        for (int i = 0; i < N; i++) {
            size_t n = wt_rng_below(&rng, i % 5 ? 3000 : 400000);
            for (size_t k = 0; k < n; k++) wt_buf_add_char(&blocks[i], "ab\r\n\0WARC/1.0"[wt_rng_below(&rng, 13)]);
            starts[i] = file.len;
            encode(&file, i, wt_buf_view(&blocks[i]), coding);
        }
        for (int limit = 0; limit < 2; limit++) {
            size_t max_block = limit ? 1000 : 1 << 20;
            wt_in *in = wt_in_memory(wt_buf_view(&file), "w");
            wt_warc_reader *reader = wt_warc_reader_new(in, max_block);
            wt_warc_record r;
            wt_err err = {0};
            for (int i = 0; i < N; i++) {
                if (wt_warc_next(reader, &r, &err) != 1) fail_msg("record %d: %s", i, err.text);
                size_t kept = blocks[i].len < max_block ? blocks[i].len : max_block;
                assert_int_equal(r.content_length, blocks[i].len);
                assert_int_equal(r.block.len, kept);
                assert_true(kept == 0 || memcmp(r.block.ptr, blocks[i].ptr, kept) == 0);
                assert_int_equal(r.cut, kept < blocks[i].len);
                assert_int_equal(r.offset, starts[i]);
                assert_true(wt_str_eq(r.type, WT_STR("response")) && wt_str_starts(r.target_uri, WT_STR("http://host")));
                assert_true(wt_str_eq(wt_warc_field(&r, "warc-date"), WT_STR("2017-01-02T03:04:05Z")));
                assert_int_equal(wt_warc_field(&r, "WARC-IP-Address").len, 0);
            }
            assert_int_equal(wt_warc_next(reader, &r, &err), 0);
            assert_int_equal(wt_warc_next(reader, &r, &err), 0);
            wt_warc_reader_free(reader);
            wt_in_close(in);
        }
        for (int i = 0; i < N; i++) wt_buf_free(&blocks[i]);
        wt_buf_free(&file);
    }
}

static int count_records(wt_str file, int *n_bad, wt_err *err) {
    wt_in *in = wt_in_memory(file, "w");
    wt_warc_reader *reader = wt_warc_reader_new(in, 1 << 20);
    wt_warc_record r;
    int n = 0, got, bad = 0;
    while ((got = wt_warc_next(reader, &r, err)) != 0 && bad < 100) {
        n += got == 1;
        bad += got == -1;
    }
    wt_warc_reader_free(reader);
    wt_in_close(in);
    *n_bad = bad;
    return n;
}

static void a_cut_file_gives_its_whole_records_and_an_error(void **state) {
    for (wt_warc_coding coding = WT_WARC_GZIP; coding <= WT_WARC_PLAIN; coding++) {
        wt_buf file = {0};
        size_t ends[5];
        for (int i = 0; i < 5; i++) {
            encode(&file, i, WT_STR("some block of bytes"), coding);
            ends[i] = file.len;
        }
        for (size_t n = 0; n < file.len; n++) {
            int whole = 0, bad;
            for (int i = 0; i < 5; i++) whole += n >= ends[i];
            wt_err err = {0};
            int got = count_records((wt_str){file.ptr, n}, &bad, &err);
            /* Plain records are whole without their last line ends, packed ones nearly so. */
            assert_true(got == whole || got == whole + 1);
            bool between = n == 0 || n == ends[0] || n == ends[1] || n == ends[2] || n == ends[3];
            if (between) assert_int_equal(bad, 0);
            if (!between && got == whole && coding != WT_WARC_PLAIN) assert_true(bad > 0 && err.code == WT_EDATA);
        }
        wt_buf_free(&file);
    }
}

static void a_damaged_member_costs_itself_alone(void **state) {
    enum { N = 30 };
    for (wt_warc_coding coding = WT_WARC_GZIP; coding <= WT_WARC_ZSTD; coding++)
        for (int victim = 0; victim < N; victim += 7)
            for (int from_file = 0; from_file < 2; from_file++) {
                wt_buf file = {0}, block = {0};
                size_t starts[N + 1];
                wt_rng rng;
                wt_rng_init(&rng, 9, (uint64_t)victim);
                for (int i = 0; i < N; i++) {
                    wt_buf_clear(&block);
                    for (size_t k = wt_rng_below(&rng, 60000) + 200; k > 0; k--) wt_buf_add_char(&block, (char)wt_rng_below(&rng, 200));
                    starts[i] = file.len;
                    encode(&file, i, wt_buf_view(&block), coding);
                }
                starts[N] = file.len;
                size_t middle = (starts[victim] + starts[victim + 1]) / 2;
                for (int k = 0; k < 8; k++) file.ptr[middle + (size_t)k] ^= 0x5a;
                wt_in *in;
                if (from_file) {
                    assert_int_equal(wt_write_file("damaged.warc", wt_buf_view(&file), NULL), 0);
                    in = wt_in_open("damaged.warc", NULL);
                } else {
                    in = wt_in_memory(wt_buf_view(&file), "w");
                }
                wt_warc_reader *reader = wt_warc_reader_new(in, 1 << 20);
                wt_warc_record r;
                wt_err err = {0};
                int n = 0, bad = 0, got;
                while ((got = wt_warc_next(reader, &r, &err)) != 0 && n + bad < 200) {
                    n += got == 1 && r.offset != starts[victim];
                    bad += got == -1;
                    if (got == -1) assert_int_equal(err.code, WT_EDATA);
                }
                assert_int_equal(n, N - 1);
                assert_true(bad >= 1 && bad <= 3);
                wt_warc_reader_free(reader);
                wt_in_close(in);
                wt_buf_free(&file), wt_buf_free(&block);
            }
}

static void what_is_no_record_is_told_once(void **state) {
    wt_str file = WT_STR("WARC/1.0\nWARC-Type: warcinfo\nContent-Length: 2\n\nab\n\n"
                         "garbage\nmore garbage\n"
                         "WARC/1.1\r\nWARC-Type: response\r\nContent-Length: x\r\n\r\n\r\n\r\n"
                         "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <http://a/>\r\nX-Folded: a\r\n  b\r\n"
                         "Content-Length: 3\r\n\r\nabc\r\n\r\n\n");
    wt_in *in = wt_in_memory(file, "w");
    wt_warc_reader *reader = wt_warc_reader_new(in, 100);
    wt_warc_record r;
    wt_err err = {0};
    assert_int_equal(wt_warc_next(reader, &r, &err), 1);
    assert_true(wt_str_eq(r.block, WT_STR("ab")));
    assert_int_equal(wt_warc_next(reader, &r, &err), -1);
    assert_int_equal(err.code, WT_EDATA);
    assert_non_null(strstr(err.text, "byte"));
    assert_int_equal(wt_warc_next(reader, &r, &err), -1);       /* no length */
    assert_int_equal(wt_warc_next(reader, &r, &err), 1);
    assert_true(wt_str_eq(r.target_uri, WT_STR("http://a/")) && wt_str_eq(r.block, WT_STR("abc")));
    assert_true(wt_str_eq(wt_warc_field(&r, "X-Folded"), WT_STR("a b")));
    assert_int_equal(wt_warc_next(reader, &r, &err), 0);
    wt_warc_reader_free(reader);
    wt_in_close(in);
    int bad;
    assert_int_equal(count_records(WT_STR("<html>no archive</html>\n"), &bad, &err), 0);
    assert_int_equal(bad, 1);
    assert_int_equal(count_records(WT_STR("WARC/1.0\r\nContent-Length: 99999999999999999\r\n\r\nx"), &bad, &err), 0);
    assert_int_equal(bad, 1);
}

static void http_messages(void **state) {
    static const struct { const char *block, *body, *type; int status; } good[] = {
        {"HTTP/1.1 200 OK\r\nContent-Type: text/html \r\n\r\nhello", "hello", "text/html", 200},
        {"HTTP/1.0 404\nA: b\n\nx", "x", "", 404},
        {"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n", "", "", 301},
        {"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: r\r\n\r\n", "abcde", "", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\nabc\n0\n\n", "abc", "", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc", "abc", "", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "ab", "", 200},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n<html>was undone", "<html>was undone", "", 200},
        {"HTTP/1.1 200 OK\r\n\r\n", "", "", 200}, {"HTTP/1.1 200 OK\r\nA: b", "", "", 200}, {"HTTP/1.1 200 OK", "", "", 200},
        {"HTTP/1.1 200 OK\r\nX: y\r\n folded\r\nno colon\r\n\r\nb", "b", "", 200}};
    wt_buf scratch = {0};
    wt_http_message m;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wt_err err = {0};
        if (wt_http_parse(wt_str_of(good[i].block), &scratch, &m, &err)) fail_msg("%s: %s", good[i].block, err.text);
        assert_int_equal(m.status, good[i].status);
        if (!wt_str_eq(m.body, wt_str_of(good[i].body))) fail_msg("%s gave %.*s", good[i].block, WT_FMT(m.body));
        assert_true(wt_str_eq(m.content_type, wt_str_of(good[i].type)));
    }
    static const char *const wrong[] = {"", "hello", "HTTP/1.1", "HTTP/1.1 \r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "ICY 200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(wt_http_parse(wt_str_of(wrong[i]), &scratch, &m, NULL), -1);
    wt_str header = WT_STR("A: 1\r\nb :2\r\nContent-Encoding:\tgzip \r\na: 3\r\n");
    assert_true(wt_str_eq(wt_http_field(header, "a"), WT_STR("1")) && wt_str_eq(wt_http_field(header, "B"), WT_STR("2")));
    assert_true(wt_str_eq(wt_http_field(header, "content-encoding"), WT_STR("gzip")));
    assert_int_equal(wt_http_field(header, "Content").len, 0);
    wt_buf_free(&scratch);
}

static void identifiers_have_the_form_of_version_4(void **state) {
    uint8_t random[16];
    char id[48];
    memset(random, 0xff, 16);
    wt_warc_uuid(random, id);
    assert_string_equal(id, "<urn:uuid:ffffffff-ffff-4fff-bfff-ffffffffffff>");
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_read_back_in_every_coding),
        cmocka_unit_test(a_cut_file_gives_its_whole_records_and_an_error),
        cmocka_unit_test(a_damaged_member_costs_itself_alone),
        cmocka_unit_test(what_is_no_record_is_told_once),
        cmocka_unit_test(http_messages),
        cmocka_unit_test(identifiers_have_the_form_of_version_4),
    };
    return cmocka_run_group_tests_name("common_warc", tests, NULL, NULL);
}

/* Encodings of the web: characters where iconv's tables and the WHATWG Encoding Standard's part, bad bytes, and ends in the middle.
 * What is expected is the standard's; encoding_rs 0.8 gave the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/utf8.h"
#include "extract/charset.h"

#define BYTES(literal) literal, sizeof(literal) - 1
static const struct {
    const char *label, *bytes;
    size_t n;
    const char *utf8;
} cases[] = {
    {"koi8-u", BYTES("\xd0\xae\xbe"), "\u043f\u045e\u040e"},
    {"macintosh", BYTES("\xc6"), "\u2206"},
    {"x-mac-cyrillic", BYTES("\xff"), "\u20ac"},
    {"windows-1252", BYTES("\x80\x81\x93"), "\u20ac\xc2\x81\u201c"},
    {"windows-1255", BYTES("\xe0\xca"), "\u05d0\u05ba"},
    {"windows-1258", BYTES("a"), "a"},                              /* held back for an accent to come */
    {"gbk", BYTES("\x80\xa1\xa1\xa3\xa0"), "\u20ac\u3000\u3000"},
    {"gb18030", BYTES("\x81\x30\x81\x30"), "\xc2\x80"},
    {"gb2312", BYTES("\xc4\xe3\xff<p>"), "\u4f60\ufffd<p>"},
    {"gbk", BYTES("\xc4<p>"), "\ufffd<p>"},                          /* never takes markup along */
    {"big5", BYTES("\xa1\x45\xa1\x4e\xa1\xe3"), "\u2027\ufe51\uff5e"},
    {"euc-jp", BYTES("\xad\xa1\xad\xea\xfc\xe2"), "\u2460\u3231\u9ad9"},  /* circled digits, company signs, kanji of names */
    {"euc-jp", BYTES("\xa1\xc1\xa1\xdd"), "\uff5e\uff0d"},
    {"euc-jp", BYTES("\x8e\xb1\x8f\xb0\xa1"), "\uff71\u4e02"},
    {"euc-jp", BYTES("\xa3\xa1<p>\xa4"), "\ufffd<p>\ufffd"},
    {"iso-2022-jp", BYTES("a\33$B%F\33(IB\33(J\\\33(Bc"), "a\u30c6\uff82\u00a5c"},
    {"iso-2022-jp", BYTES("\33$B-!\33(B"), "\u2460"},
    {"shift_jis", BYTES("\x87\x40\xb1\x80"), "\u2460\uff71\xc2\x80"},
    {"shift_jis", BYTES("\x81<p>"), "\ufffd<p>"},
    {"euc-kr", BYTES("\xb0\xa1\xa2\xe8"), "\uac00\ufffd"},           /* glibc steps over the last two before it refuses them */
    {"euc-kr", BYTES("\xa2\xe8\xb0\xa1"), "\ufffd\uac00"},
    {"euc-kr", BYTES("\xa2\xe8\xff\xa2\xe8\xa2\xe8"), "\ufffd\ufffd\ufffd\ufffd"},
};

static void test_characters(void **state) {
    wt_buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wt_buf type = {0};
        charset_choice choice;
        wt_buf_clear(&out);
        wt_buf_printf(&type, "text/html; charset=%s", cases[i].label);
        wt_str got = charset_decode((wt_str){cases[i].bytes, cases[i].n}, wt_buf_view(&type), &out, &choice);
        if (!wt_str_eq(got, wt_str_of(cases[i].utf8)))
            fail_msg("case %zu, %s: '%.*s' where '%s' is expected", i, cases[i].label, WT_FMT(got), cases[i].utf8);
        wt_buf_free(&type);
    }
    wt_buf_free(&out);
}

/* Any two bytes at the page's end, in every encoding: UTF-8 comes out, and no more than the bytes can stand for. */
static void test_ends(void **state) {
    static const char *const labels[] = {"gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "windows-1255", "windows-1258",
                                         "windows-874", "koi8-u", "macintosh", "iso-8859-8", "ibm866"};
    wt_buf out = {0}, type = {0};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        wt_buf_clear(&type);
        wt_buf_printf(&type, "text/html; charset=%s", labels[i]);
        for (int pair = 0; pair < 1 << 16; pair += pair < 1 << 15 ? 7 : 1) {
            char page[3] = {'-', (char)(pair >> 8), (char)pair};
            charset_choice choice;
            wt_buf_clear(&out);
            wt_str got = charset_decode((wt_str){page, 3}, wt_buf_view(&type), &out, &choice);
            if (!wt_utf8_valid(got) || got.len > 9 || got.len < 1 || got.ptr[0] != '-')
                fail_msg("%s: - and %04x give %zu bytes '%.*s'", labels[i], pair, got.len, WT_FMT(got));
        }
    }
    wt_buf_free(&out);
    wt_buf_free(&type);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_characters), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

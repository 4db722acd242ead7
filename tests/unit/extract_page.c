/* Charset choice, dates, model, filters, site boilerplate and whole pages: what is expected is written by
 * hand beside each case. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/hash.h"
#include "common/rng.h"
#include "extract/charset.h"
#include "extract/content.h"
#include "extract/extract.h"
#include "extract/meta_date.h"

/* ---- charset ---- */
static void check_charset(wt_str page, const char *type, const char *name, const char *how, const char *utf8) {
    wt_buf out = {0};
    charset_choice c;
    wt_str got = charset_decode(page, wt_str_of(type), &out, &c);
    assert_string_equal(c.name, name);
    assert_string_equal(c.how, how);
    if (utf8) assert_true(wt_str_find(got, wt_str_of(utf8)) >= 0);
    wt_buf_free(&out);
}

static void test_charset(void **state) {
    check_charset(WT_STR("\xef\xbb\xbf<p>\xc3\xa9"), "text/html; charset=latin1", "utf-8", "bom", "\xc3\xa9");
    check_charset(WT_STR("\xff\xfe<\0p\0>\0\xe9\0"), "", "utf-16le", "bom", "<p>\xc3\xa9");
    check_charset(WT_STR("<\0p\0>\0\xe9\0"), "", "utf-16le", "utf-16", "<p>\xc3\xa9");
    check_charset(WT_STR("<p>caf\xe9"), "text/html; charset=\"ISO-8859-1\"", "windows-1252", "http", "caf\xc3\xa9");
    check_charset(WT_STR("<meta charset=windows-1251><p>\xcf\xf0\xe8\xe2\xe5\xf2"), "", "windows-1251", "meta", "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
    check_charset(WT_STR("<meta http-equiv=Content-Type content='text/html; charset=gb2312'><p>\xc4\xe3\xba\xc3"), "", "gbk", "meta", "\xe4\xbd\xa0\xe5\xa5\xbd");
    check_charset(WT_STR("<!-- <meta charset=koi8-r> --><p>\x93quote\x94"), "", "windows-1252", "guess", "\xe2\x80\x9cquote\xe2\x80\x9d");
    check_charset(WT_STR("<meta charset=iso-8859-1><p>\xe2\x82\xac stays"), "", "utf-8", "valid", "\xe2\x82\xac");
    check_charset(WT_STR("<meta charset=utf-16><p>ascii"), "", "utf-8", "meta", "ascii");
    wt_buf late = {0};
    wt_buf_add_str(&late, WT_STR("<html><!--"));
    for (int i = 0; i < 2000; i++) wt_buf_add_char(&late, 'x');
    wt_buf_add_str(&late, WT_STR("--><meta charset=iso-8859-2><p>\xb1"));
    check_charset(wt_buf_view(&late), "", "iso-8859-2", "late-meta", "\xc4\x85");
    wt_buf_free(&late);
    assert_null(charset_of_label(WT_STR("no-such")));
    assert_string_equal(charset_of_label(WT_STR(" Latin1 ")), "windows-1252");
}

/* ---- dates ---- */
static void check_date(const char *text, bool day_first, const char *expected) {
    char out[40] = "";
    bool found = date_find(wt_str_of(text), day_first, out);
    assert_int_equal(found, *expected != 0);
    if (found) assert_string_equal(out, expected);
}

static void test_dates(void **state) {
    check_date("2019-05-06T10:20:30+0100", false, "2019-05-06T10:20:30+01:00");
    check_date("2019-05-06 10:20", false, "2019-05-06T10:20:00");
    check_date("Published on May 6th, 2019", false, "2019-05-06");
    check_date("6. M\xc3\xa4rz 2022", true, "2022-03-06");
    check_date("03/04/2020", false, "2020-03-04");
    check_date("03/04/2020", true, "2020-04-03");
    check_date("25/04/2020", false, "2020-04-25");
    check_date("01.02.22", true, "2022-02-01");
    check_date("2019\xe5\xb9\xb4" "5\xe6\x9c\x88" "6\xe6\x97\xa5", false, "2019-05-06");
    check_date("1557129600", false, "2019-05-06");
    check_date("version 2.4.1 of 17 items", false, "");
    check_date("1234-56-78", false, "");
    char out[40];
    assert_true(date_in_url(WT_STR("http://x.org/2019/05/06/title"), out));
    assert_string_equal(out, "2019-05-06");
    assert_false(date_in_url(WT_STR("http://x.org/item/20191399"), out));
}

/* ---- the trees ---- */
static void test_model_rows(void **state) {
    /* two trees by hand: x0 <= 1 ? -0.5 : (x1 <= 2 ? 0.25 : 4); and x1 <= 0 ? 1 : -1 */
    union {
        float f;
        uint32_t u;
    } v[] = {{1}, {-0.5f}, {2}, {0.25f}, {4}, {0}, {1}, {-1}};
    const uint32_t leaf = 0xffff0000u;
    uint32_t words[] = {0x776d3032u, 0, 2, 2, 1, 0, 0, 1, 0, 0, 1, 0, 0, 2, 0, 8, 0, 5,
                        0u << 16 | 1, v[0].u, leaf, v[1].u, 1u << 16 | 1, v[2].u, leaf, v[3].u, leaf, v[4].u,
                        1u << 16 | 1, v[5].u, leaf, v[6].u, leaf, v[7].u, 0, 0, 0};
    words[1] = sizeof words / sizeof *words;
    content_model m;
    wt_err err;
    assert_int_equal(model_open(&m, words, words[1], &err), 0);
    const float rows[] = {1, 0, 2, 2, 2, 3, 0, 5};
    float out[4];
    model_score(&m.round[0], rows, 4, 2, out);
    assert_float_equal(out[0], 0.5f, 0);
    assert_float_equal(out[1], -0.75f, 0);
    assert_float_equal(out[2], 3, 0);
    assert_float_equal(out[3], -1.5f, 0);
    model_close(&m);
    words[18] = 7u << 16 | 1;
    assert_int_equal(model_open(&m, words, words[1], &err), -1);
    assert_int_equal(model_open(&m, words, 9, &err), -1);
    assert_true(model_builtin()->round[0].n_trees > 10);
}

/* A random tree of n leaves behind *at, root first as model.h wants it. */
static void grow(uint32_t *node, uint32_t place, uint32_t *end, int n_leaves, int n_features, uint64_t *random) {
    float x = (float)((int)(wt_mix64(++*random) % 2001) - 1000) / 250.0f;
    memcpy(&node[2 * place + 1], &x, sizeof x);
    if (n_leaves == 1) {
        node[2 * place] = 0xffff0000u;
        return;
    }
    uint32_t left = *end;
    int n_left = 1 + (int)(wt_mix64(++*random) % (uint64_t)(n_leaves - 1));
    *end += 2;
    node[2 * place] = (uint32_t)(wt_mix64(++*random) % (uint64_t)n_features) << 16 | (left - place);
    grow(node, left, end, n_left, n_features, random);
    grow(node, left + 1, end, n_leaves - n_left, n_features, random);
}

static void test_model_lanes(void **state) {
    enum { TREES = 67, FEATURES = 11, ROWS = 300, NODES = TREES * 80 };
    uint32_t *words = calloc(24 + TREES + 2 * NODES, sizeof *words);
    float *rows = malloc(ROWS * FEATURES * sizeof *rows), want[ROWS], got[ROWS];
    uint64_t random = 7;
    for (int i = 0; i < ROWS * FEATURES; i++) {
        uint64_t r = wt_mix64(++random);
        rows[i] = r % 50 == 0 ? NAN : r % 50 == 1 ? INFINITY : (float)((int)(r % 2001) - 1000) / 250.0f;
    }
    for (int most_leaves = 1; most_leaves <= 40; most_leaves++) {
        const uint32_t head[] = {0x776d3032u, 0, FEATURES, FEATURES, 1, 0, 0, 1, 0, 0, 1, 0, 0, TREES, 0, 0};
        memcpy(words, head, sizeof head);
        uint32_t *root = words + 16, *node = root + TREES, end = 0;
        for (int k = 0; k < TREES; k++) {
            root[k] = end++;
            grow(node, root[k], &end, 1 + (int)(wt_mix64(++random) % (uint64_t)most_leaves), FEATURES, &random);
            for (uint32_t i = root[k]; i < end; i++) {       /* small leaves, so that some rows stay unsure */
                float x;
                memcpy(&x, &node[2 * i + 1], sizeof x);
                x *= node[2 * i] == 0xffff0000u ? 0.1f : 1;
                memcpy(&node[2 * i + 1], &x, sizeof x);
            }
        }
        words[15] = end;
        words[1] = 16 + TREES + 2 * end + 3;
        memset(node + 2 * end, 0, 3 * sizeof *node);
        content_model m;
        wt_err err;
        assert_int_equal(model_open(&m, words, words[1], &err), 0);
        assert_true(most_leaves > MODEL_LEAVES || m.round[0].split);
        for (size_t n = 0; n <= ROWS; n += n < 40 ? 1 : 97) {
            model_score_plain(&m.round[0], rows, n, FEATURES, want);
            for (model_isa isa = MODEL_SSE2; isa <= MODEL_AVX512; isa++) {
                model_score_most(&m.round[0], rows, n, FEATURES, got, isa);
                assert_memory_equal(got, want, n * sizeof *got);
            }
        }
        model_close(&m);
    }
    free(words);
    free(rows);
}

/* ---- filters ---- */
static const char *judge(extract_filter filter, const char *text, const char *url) {
    wt_buf scratch = {0};
    wt_str s = wt_str_of(text);
    const char *rule = extract_filter_run(filter, &s, wt_str_of(url), &scratch);
    wt_buf_free(&scratch);
    return rule;
}

/* The i-th of many different words of n letters (n >= 5). */
static void add_word(wt_buf *b, int i, int n) {
    for (int k = 0; k < n; k++, i /= 25) wt_buf_add_char(b, (char)(k < 5 ? 'a' + i % 25 : 'z'));
}
static void add_words(wt_buf *b, int from, int to) {
    for (int i = from; i < to; i++) wt_buf_add_char(b, ' '), add_word(b, i, 5);
}
static bool falls(extract_filter filter, wt_buf *text, const char *rule) {
    const char *got = judge(filter, text->ptr, "http://x.org/");
    return got && strcmp(got, rule) == 0;
}
static void start(wt_buf *b, const char *text) {
    wt_buf_clear(b);
    wt_buf_add_str(b, wt_str_of(text));
}

static void test_filter_webtext(void **state) {
    wt_buf b = {0};
    for (int filter = FILTER_WEBTEXT; filter <= FILTER_FINEWEB; filter++) {
        wt_str none = {0};
        assert_non_null(extract_filter_run((extract_filter)filter, &none, WT_STR(""), &b));
    }
    wt_buf_clear(&b);
    for (int n = 127; n <= 128; n++) {
        start(&b, "");
        add_words(&b, 0, n);
        assert_int_equal(falls(FILTER_WEBTEXT, &b, "webtext: under 128 tokens"), n < 128);
    }
    assert_string_equal(judge(FILTER_WEBTEXT, b.ptr, "https://en.wikipedia.org/wiki/X"), "webtext: wikipedia");
    assert_null(judge(FILTER_WEBTEXT, b.ptr, "https://x.org/wikipedia.org"));
    wt_buf_free(&b);
}

/* Each rule with a text on its threshold and one just behind it. */
static void test_filter_gopher(void **state) {
    wt_buf b = {0};
    for (int out = 0; out < 2; out++) {
        start(&b, "the of"), add_words(&b, 0, 48 - out);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: under 50 words"), out);
        start(&b, "the of"), add_words(&b, 0, 99998 + out);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: over 100000 words"), out);
        start(&b, out ? "the of abc" : "the of abcd");                                /* 57 words of three letters more: 180 letters in 60 words */
        for (int i = 0; i < 57; i++) wt_buf_printf(&b, " %c%cq", 'a' + i % 7, 'a' + i / 7);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: mean word length"), out);
        start(&b, "the of ");
        add_word(&b, 0, 25 + out);
        for (int i = 1; i < 48; i++) wt_buf_add_char(&b, ' '), add_word(&b, i, 10);  /* 500 letters in 50 words */
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: mean word length"), out);
        start(&b, "the of"), add_words(&b, 0, 88);
        for (int i = 0; i < 10 + out; i++) wt_buf_add_str(&b, WT_STR(" #"));
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: hash signs"), out);
        start(&b, "the of");
        for (int i = 0; i < 10 + out; i++) wt_buf_add_str(&b, i % 2 ? WT_STR(" ... ") : WT_STR(" \xe2\x80\xa6 "));
        add_words(&b, 0, 88);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: ellipses"), out);
        for (int bullet = 0; bullet < 2; bullet++) {
            start(&b, "");
            for (int i = 0; i < 10; i++) {
                wt_buf_add_str(&b, i < 9 + out ? bullet ? WT_STR("- the of") : WT_STR("\xe2\x80\xa2 the of") : WT_STR("* the of"));
                add_words(&b, 9 * i, 9 * i + 9), wt_buf_add_str(&b, WT_STR("\n\n"));
            }
            assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: bullet lines"), out);
        }
        start(&b, "");
        for (int i = 0; i < 10; i++) wt_buf_add_str(&b, WT_STR("the of")), add_words(&b, 9 * i, 9 * i + 9), wt_buf_add_str(&b, i < 3 + out ? WT_STR("...\n") : WT_STR("\n"));
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: lines end in ellipsis"), out);
        start(&b, "the of"), add_words(&b, 0, 78 - out);
        for (int i = 0; i < 20 + out; i++) wt_buf_printf(&b, " %d", 1000 + i);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: words without letters"), out);
        start(&b, out ? "the The Of" : "the of"), add_words(&b, 0, 60);
        assert_int_equal(falls(FILTER_GOPHER, &b, "gopher: stop words"), out);
    }
    wt_buf_free(&b);
}

static void check_repeats(int n_words, int repeats, bool top, double most, const char *rule) {
    wt_buf b = {0};
    int n_out = 0, n_in = 0;
    const int phrase_chars = n_words * 5 + (top ? n_words - 1 : 0), counted = (top ? repeats : repeats - 1) * phrase_chars;
    for (int more = (int)(counted / (most + 0.008) / 6) - repeats * (n_words + 1); n_in < 3; more++) {
        start(&b, "the of");
        for (int k = 0; k < repeats; k++) add_words(&b, 100000, 100000 + n_words), add_words(&b, k, k + 1);
        add_words(&b, 1000, 1000 + (more > 0 ? more : 0));
        bool out = (double)counted / (double)b.len > most;
        out ? n_out++ : n_in++;
        assert_int_equal(falls(FILTER_FINEWEB, &b, rule), out);
    }
    assert_true(n_out > 0);
    wt_buf_free(&b);
}

static void test_filter_repetition(void **state) {
    static const char *const of_lines[2][2] = {{"gopher: duplicate paragraphs", "gopher: characters in duplicate paragraphs"}, {"gopher: duplicate lines", "gopher: characters in duplicate lines"}};
    wt_buf b = {0};
    for (int line = 0; line < 2; line++)
        for (int out = 0; out < 2; out++) {
            start(&b, "");
            for (int i = 0; i < 10 + out; i++) {                    /* three of ten say again what the first says; four of eleven */
                if (i < 4 + out) wt_buf_add_str(&b, WT_STR("the of all"));
                else add_words(&b, 20 * i, 20 * i + 20);
                wt_buf_add_str(&b, line ? WT_STR("\n") : WT_STR("\n\n"));
            }
            assert_int_equal(falls(FILTER_GOPHER, &b, of_lines[line][0]), out);
            start(&b, "the of");
            for (int i = 0; i < 8; i++) {                           /* two of nine, 238 letters: a fifth of 1,190 */
                wt_buf_add_str(&b, line ? WT_STR("\n") : WT_STR("\n\n"));
                add_words(&b, i < 3 ? 0 : 20 * i, i < 3 ? 20 : 20 * i + 8);
            }
            while (b.len < (size_t)(1190 - out)) wt_buf_add_char(&b, 'x');
            assert_int_equal(falls(FILTER_FINEWEB, &b, of_lines[line][1]), out);
        }
    wt_buf_free(&b);
    static const double top[] = {0.20, 0.18, 0.16}, all[] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};
    char rule[40];
    for (int n = 2; n <= 4; n++) snprintf(rule, sizeof rule, "gopher: top %d-gram", n), check_repeats(n, 20, true, top[n - 2], rule);
    for (int n = 5; n <= 10; n++) snprintf(rule, sizeof rule, "gopher: duplicate %d-grams", n), check_repeats(n, 40, false, all[n - 5], rule);
}

/* C4 goes by lines; a page is dropped for what its good lines hold. */
static void check_c4(const char *line, const char *kept, const char *rule) {
    wt_buf b = {0}, scratch = {0};
    wt_buf_printf(&b, "One two three.\nOne two four.\n\nOne two five. And \"six.\" Or seven.\n%s\n", line);
    wt_str text = wt_buf_view(&b);
    const char *got = extract_filter_run(FILTER_C4, &text, WT_STR(""), &scratch);
    if (rule) assert_string_equal(got, rule);
    else {
        assert_null(got);
        wt_str head = WT_STR("One two three.\nOne two four.\nOne two five. And \"six.\" Or seven.\n");
        assert_true(wt_str_starts(text, head));
        assert_true(wt_str_eq(wt_str_trim((wt_str){text.ptr + head.len, text.len - head.len}), wt_str_of(kept)));
    }
    wt_buf_free(&b);
    wt_buf_free(&scratch);
}

static void test_filter_c4(void **state) {
    static const char *const stay[] = {"three words stay.", "three words stay!", "three words stay?", "three words \"stay.\"", "three words 'stay'"};
    static const char *const go[] = {"two words.", "no full stop", "three dots end...", "the javascript is off.", "these Terms of Use hold.", "our Privacy Policy holds.",
                                     "a cookie policy holds.", "it uses cookies here.", "the use of cookies here.", "we use cookies here.", "a bracket { without end", "lorem ipsum without end", "javascript { goes first."};
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) check_c4(stay[i], stay[i], NULL);
    for (size_t i = 0; i < sizeof go / sizeof *go; i++) check_c4(go[i], "", NULL);
    check_c4("some [1] cited[23] words[edit] are[citation needed] here[].", "some  cited words are here.", NULL);
    check_c4("a line with {a bracket}.", NULL, "c4: curly bracket");
    check_c4("a Lorem Ipsum line.", NULL, "c4: lorem ipsum");
    wt_buf b = {0};
    for (int n = 1000; n <= 1001; n++) {
        start(&b, "a long ");
        for (int i = 0; i < n - 1; i++) wt_buf_add_str(&b, WT_STR("\xc3\xa9"));
        wt_buf_add_char(&b, '.');
        check_c4(b.ptr, n == 1000 ? b.ptr : "", NULL);
    }
    assert_null(judge(FILTER_C4, "One is here. Two is here.\nThree is here. Mr. Four is here.\nThe U.S. is five.\n", ""));
    assert_string_equal(judge(FILTER_C4, "One is here. Two is here.\nThree is here.\nMr. Four, of the U.S. embassy.\n", ""), "c4: under 5 sentences");
    wt_buf_free(&b);
}

static void test_filter_fineweb(void **state) {
    wt_buf b = {0};
    for (int out = 0; out < 2; out++) {
        start(&b, "");
        for (int i = 0; i < 25; i++) wt_buf_add_str(&b, WT_STR("the of")), add_words(&b, 8 * i, 8 * i + 8), wt_buf_add_str(&b, i < 3 - out ? WT_STR("!\n") : WT_STR("\"\n"));
        assert_int_equal(falls(FILTER_FINEWEB, &b, "fineweb: lines end without punctuation"), out);
        start(&b, "");
        for (int i = 0; i < 100; i++) {                             /* a short line has 30 letters at the most */
            wt_buf_add_str(&b, WT_STR("the"));
            add_words(&b, 8 * i, 8 * i + (i < 67 + out ? 4 : 8));
            wt_buf_add_str(&b, i < 67 + out ? WT_STR("qo.\n") : WT_STR(" of.\n"));
        }
        assert_int_equal(falls(FILTER_FINEWEB, &b, "fineweb: short lines"), out);
        start(&b, "the of and so on.\nthe of and so on.\n");         /* 17 letters stand twice: a hundredth of 1,700 */
        for (int i = 0; i < 25; i++) add_words(&b, 10 * i, 10 * i + 10), wt_buf_add_str(&b, WT_STR(" ends.\n"));
        wt_buf_add_str(&b, WT_STR("and then it ends"));
        size_t chars = 2 * 17 + 25 * (10 * 6 - 1 + 6) + 16;
        for (; chars < (size_t)(1700 - out); chars++) wt_buf_add_char(&b, '.');
        assert_int_equal(falls(FILTER_FINEWEB, &b, "fineweb: characters in duplicate lines"), out);
    }
    /* line ends a word: 91 lines of three words, and words more until 90 of 300 are line ends */
    for (int more = 24; more <= 28; more++) {
        start(&b, "");
        for (int i = 0; i < 91; i++) {
            wt_buf_add_str(&b, i % 2 ? WT_STR("the ") : WT_STR("of "));
            add_word(&b, 3 * i, 13), wt_buf_add_char(&b, ' '), add_word(&b, 3 * i + 1, 13);
            if (i < 12) wt_buf_add_char(&b, '.');
            wt_buf_add_char(&b, '\n');
        }
        b.len--;
        add_words(&b, 5000, 5000 + more - 12);
        bool out = 90.0 / (91 * 3 + more) > 0.3;
        assert_int_equal(falls(FILTER_FINEWEB, &b, "fineweb: line ends per word"), out);
    }
    wt_buf_free(&b);
}

static void test_site_lines(void **state) {
    site_lines *s = site_lines_new();
    wt_buf page = {0}, out = {0};
    for (int i = 0; i < 10; i++) {
        wt_buf_clear(&page);
        wt_buf_printf(&page, "Subscribe to our letter\nStory number %d\n\nEnd of story %d\n", i, i);
        site_lines_count(s, WT_STR("http://a.org/x"), wt_buf_view(&page));
    }
    site_lines_count(s, WT_STR("http://b.org/"), WT_STR("Subscribe to our letter\nother\n"));
    assert_int_equal(site_lines_cut(s, WT_STR("https://www.a.org/y"), wt_buf_view(&page), &out), 1);
    assert_string_equal(out.ptr, "Story number 9\n\nEnd of story 9\n");
    wt_buf_clear(&out);
    assert_int_equal(site_lines_cut(s, WT_STR("http://b.org/"), WT_STR("Subscribe to our letter\nother\n"), &out), 0);
    wt_buf_free(&page);
    wt_buf_free(&out);
    site_lines_free(s);
}

/* ---- pages ---- */
static const char article[] =
    "<!DOCTYPE html><html lang=en><head><title>How tides work | Sea Site</title><meta property=og:site_name content='Sea Site'>"
    "<script type='application/ld+json'>{\"@type\":\"NewsArticle\",\"headline\":\"How tides work\",\"author\":[{\"@type\":\"Person\",\"name\":\"Ann\\u0065 Lee\"}],"
    "\"datePublished\":\"2020-03-04T05:06:07Z\"}</script><link rel=canonical href='/tides'><link rel=license href='https://cc.example/by'></head><body>"
    "<nav><ul><li><a href=/>Home</a></li><li><a href=/news>News</a></li><li><a href=/contact>Contact</a></li></ul></nav>"
    "<main><article><h1>How tides work</h1><p>The sea rises and falls twice a day on most coasts, and the reason for it is the pull of the moon on the water.</p>"
    "<p>The side of the earth that faces the moon is pulled more than its centre, and the centre more than the far side, so that two bulges form.</p>"
    "<pre>  height = a * cos(t)\n    + b</pre><table><tr><th>Port</th><th>Range</th></tr><tr><td>Brest</td><td>6 m</td></tr></table>"
    "<ul><li>Spring tides come with the new and the full moon.</li><li>Neap tides come with the half moon, a week later.</li></ul>"
    "<p>The sun does the same with less force, which is why the highest tides come when both of them pull along one line.</p></article></main>"
    "<footer>&copy; 2020 Sea Site. <a href=/privacy>Privacy policy</a> <a href=/terms>Terms</a></footer></body></html>";

static bool has(wt_str s, const char *part) { return wt_str_find(s, wt_str_of(part)) >= 0; }

static void check_article(extract_parser parser) {
    wt_err err;
    extractor *x = extractor_new(&(extract_options){.parser = parser}, &err);
    extract_page p;
    assert_int_equal(extract_run(x, wt_str_of(article), WT_STR("https://sea.example/tides?x"), WT_STR("text/html"), &p, &err), 0);
    assert_true(has(p.text, "two bulges form.\n\n  height") || has(p.text, "two bulges form.\n\nheight"));
    assert_true(has(p.text, "\n    + b\n"));
    assert_true(has(p.text, "Brest\t6 m"));
    assert_true(has(p.text, "full moon.\nNeap tides"));
    assert_false(has(p.text, "Privacy"));
    assert_false(has(p.text, "Contact"));
    assert_true(wt_str_eq(p.title, WT_STR("How tides work")));
    assert_true(wt_str_eq(p.author, WT_STR("Anne Lee")));
    assert_true(wt_str_eq(p.date, WT_STR("2020-03-04T05:06:07Z")));
    assert_true(wt_str_eq(p.site, WT_STR("Sea Site")));
    assert_true(wt_str_eq(p.url, WT_STR("https://sea.example/tides")));
    assert_true(wt_str_eq(p.license, WT_STR("https://cc.example/by")));
    assert_true(wt_str_eq(p.lang, WT_STR("en")) && p.lang_reliable);
    extractor_free(x);
}

static void test_article(void **state) {
    check_article(EXTRACT_PARSER_FAST);
    check_article(EXTRACT_PARSER_GUMBO);
}

/* References that were escaped twice are decoded, and white space among them stays no line of its own. */
static void titles_and_descriptions_are_one_line(void **state) {
    static const char page[] =
        "<html><head><title>Salt &amp;amp;&amp;#10; Sea &amp;NewLine;&amp;nbsp;Air</title><meta name=description content='&amp;#160;\n Tides,&amp;#8;&amp;Tab;twice '>"
        "</head><body><p>The sea rises and falls twice a day on most coasts.</p></body></html>";
    wt_err err;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    extract_page p;
    assert_int_equal(extract_run(x, wt_str_of(page), WT_STR("https://sea.example/"), WT_STR("text/html"), &p, &err), 0);
    assert_true(wt_str_eq(p.title, WT_STR("Salt & Sea Air")));
    assert_true(wt_str_eq(p.description, WT_STR("Tides, twice")));
    extractor_free(x);
}

/* Prose in a dialog, an aside, a signature or a picture's caption goes where there is a text outside it, and stays where
 * there is none. */
static void text_beside_the_text(void **state) {
    static const char prose[] =
        "<p>The tide comes in twice a day on most coasts, and the boats that lie in the mud at noon are afloat again before the evening. "
        "Nobody here looks at a clock for it; the gulls say when.</p><p>In spring the water reaches the wall below the church, and people "
        "carry their chairs out to see it, as their grandparents did when the harbour was still full of herring.</p><p>By the first week "
        "of June the sand has moved again, and the children have to learn anew where it is safe to wade and where the ground gives way.</p>";
    static const char terms[] = "<p>We keep what you tell us for as long as the law asks, and share it with those who carry your parcel to your door.</p>";
    static const char *const beside[][2] = {
        {"<div role=dialog>", "</div>"},
        {"<aside>", "</aside>"},
        {"<div class='post-signature'>", "</div>"},
        {"<figure><img src=bay.jpg><figcaption>", "</figcaption></figure>"},
    };
    wt_err err;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    for (size_t k = 0; k < 2 * sizeof beside / sizeof *beside; k++) {
        const bool both = k & 1;
        const char *const *tag = beside[k / 2];
        wt_buf page = {0};
        wt_buf_printf(&page, "<title>The tide</title><body><article><h1>The tide</h1>%s%s%s%s%s</article>", both ? prose : "", tag[0],
                      both ? terms : prose, tag[1], both ? prose : "");
        extract_page p;
        assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR("https://sea.example/tide"), WT_STR("text/html"), &p, &err), 0);
        assert_true(wt_str_find(p.text, WT_STR("safe to wade")) >= 0);
        assert_true(wt_str_find(p.text, WT_STR("your parcel")) < 0);
        wt_buf_free(&page);
    }
    extractor_free(x);
}

/* Documentation has asides that are notes, and signatures that are methods'. */
static void notes_and_methods_stay(void **state) {
    static const char page[] =
        "<title>Class Reader</title><body><main><h1>Class Reader</h1><p>A reader takes characters from a source, one at a time or many at once, and knows where it stands in it. "
        "Most programs want a buffered one, since a call of the system for each character costs more than all the rest of the work.</p>%s<p>When the source comes to its end, the "
        "reader gives minus one and stays there. It may be closed more than once, and reading from a closed one is an error that is told by an exception. A reader that is shared by "
        "threads needs a lock of its own, for the position is moved by each of them, and the characters that one has taken are lost to the others.</p></main>";
    static const char *const kept[] = {
        "<aside class='note'><p>Close the reader when the work is done, or the file stays open for as long as the program runs.</p></aside>",
        "<aside class='docs-admonition'><p>Close the reader when the work is done, or the file stays open for as long as the program runs.</p></aside>",
        "<div class='member-signature'><span>public</span> int skip(long count, Reader done) throws IOException, IllegalArgumentException</div>",
        "<p class='func_signature'>public int skip(long count, Reader done) throws IOException, IllegalArgumentException, and nothing else</p>"};
    wt_err err;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
        wt_buf html = {0};
        wt_buf_printf(&html, page, kept[k]);
        extract_page p;
        assert_int_equal(extract_run(x, wt_buf_view(&html), WT_STR("https://docs.example/reader"), WT_STR("text/html"), &p, &err), 0);
        if (wt_str_find(p.text, WT_STR(" done")) < 0) fail_msg("lost: %s", kept[k]);
        wt_buf_free(&html);
    }
    extractor_free(x);
}

/* An aside that nobody closed holds the rest of the page. */
static void an_open_aside_is_the_page(void **state) {
    wt_err err;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    wt_buf page = {0};
    wt_buf_add_str(&page, WT_STR("<title>The tide</title><body><article><h1>The tide</h1>"));
    for (int i = 0; i < 24; i++) {
        if (i == 6) wt_buf_add_str(&page, WT_STR("<aside>"));
        wt_buf_printf(&page, "<p>In week %d of the year the tide came in twice a day as it does on most coasts, and the boats that lay in the mud at noon were "
                             "afloat again before the evening.</p>", i);
    }
    extract_page p;
    assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR("https://sea.example/tide"), WT_STR("text/html"), &p, &err), 0);
    assert_true(wt_str_find(p.text, WT_STR("In week 3 ")) >= 0 && wt_str_find(p.text, WT_STR("In week 20 ")) >= 0);
    wt_buf_free(&page);
    extractor_free(x);
}

/* The caption of a listing is no picture's. */
static void captions_of_listings_stay(void **state) {
    static const char page[] =
        "<title>Files</title><body><main><h1>Reading a file</h1><p>A program that reads a file has to say what happens when there is none, and most programs "
        "say it badly, for the case is rare while they are written and frequent when they are used.</p><p>So the name of the file belongs into the message, with the "
        "reason that the system gave, and the way out if there is one.</p><figure class=listing><pre><code>FILE *f = fopen(name, \"r\");\nif (!f) return fail(name);\n</code></pre>"
        "<figcaption>Listing 9-3: Opening a file</figcaption></figure><p>The second line of listing 9-3 is the one that people leave out. They find out a year later, at "
        "night, from a log that says nothing but that a number was not zero.</p><p>What the function does with the name is its own affair, but it should quote it, so that "
        "an empty one can be seen.</p></main>";
    wt_err err;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    extract_page p;
    assert_int_equal(extract_run(x, wt_str_of(page), WT_STR("https://files.example/9"), WT_STR("text/html"), &p, &err), 0);
    assert_true(wt_str_find(p.text, WT_STR("Opening a file")) >= 0);
    extractor_free(x);
}

/* Code in the markups of the web comes out as the lines it was written in, without the numbers beside them. */
static void test_code(void **state) {
    static const char *const codes[] = {
        "<pre><span class=\"linenos\">1</span>if (a)\n<span class=\"linenos\">2</span>    b(10);\n\n<span class=\"linenos\">4</span>c();</pre>",
        "<table class=highlighttable><tr><td class=linenos><pre>1\n2\n3\n4</pre></td><td class=code><pre>if (a)\n    b(10);\n\nc();</pre></td></tr></table>",
        "<table class=\"highlight js-file-line-container\"><tr><td class=blob-num>1</td><td class=blob-code>if (a)</td></tr>\n"
        "<tr><td class=blob-num>2</td><td class=blob-code>    b(<b>10</b>);</td></tr>\n<tr><td class=blob-num>3</td><td class=blob-code>\n</td></tr>\n"
        "<tr><td class=blob-num>4</td><td class=blob-code>c();</td></tr></table>",
        "<div class=syntaxhighlighter><table><tr><td class=gutter><div>1</div><div>2</div><div>3</div><div>4</div></td><td class=code><div class=container>"
        "<div class=line>if (a)</div><div class=line>    b(10);</div><div class=line>&nbsp;</div><div class=line>c();</div></div></td></tr></table></div>",
        "<pre><code><div>if (a)</div><div>    b(10);</div><div><br></div><div>c();</div></code></pre>",
    };
    extract_options options = {0};
    extractor *x = extractor_new(&options, NULL);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        wt_buf page = {0};
        static const char prose[] = "<p>The parser keeps the buffer while the lock is held, and the writer checks it before the next call. "
                                    "The reader returns the segment once per page, and the cache drops it after a restart.</p>";
        wt_buf_printf(&page, "<html><title>On code</title><body><article><h1>On code</h1>%s%s%s</article></body></html>", prose, codes[i], prose);
        extract_page out;
        assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR(""), WT_STR("text/html; charset=utf-8"), &out, NULL), 0);
        wt_buf text = {0};                  /* white space that no one sees does not count */
        for (size_t k = 0; k < out.text.len; k++) {
            bool nbsp = (unsigned char)out.text.ptr[k] == 0xc2 && k + 1 < out.text.len && (unsigned char)out.text.ptr[k + 1] == 0xa0;
            if (out.text.ptr[k] == '\n') while (text.len && text.ptr[text.len - 1] == ' ') text.len--;
            wt_buf_add_char(&text, nbsp ? ' ' : out.text.ptr[k]);
            k += nbsp;
        }
        if (wt_str_find(wt_buf_view(&text), WT_STR("\n\nif (a)\n    b(10);\n\nc();\n\n")) < 0)
            fail_msg("markup %zu gives: %.*s", i, (int)text.len, text.ptr);
        wt_buf_free(&page), wt_buf_free(&text);
    }
    extractor_free(x);
}

/* Who wrote it: each page names somebody else, too, or in a way that misleads. */
static void test_authors(void **state) {
    static const struct {
        const char *author, *markup;
    } cases[] = {
        {"Jane Doe", "<div class='content-sidebar-wrap'><h1>How tides work</h1><p class='author'>Jane Doe</p><p>TEXT</div>"},
        {"Jane Doe", "<h1>How tides work</h1><div class='elementor-element elementor-widget'><h4 class='author-box__name'>Jane Doe</h4></div><p>TEXT"},
        {"", "<h1>How tides work</h1><p>TEXT<div class='sidebar'><p class='author'>Jane Doe</p></div>"},
        {"Jane Doe", "<h1>How tides work</h1><div itemprop=author itemscope><span itemprop=name>Jane Doe</span> <span>Discussion starter</span></div><p>TEXT"},
        {"Jane Doe", "<a href='/users/'>users</a><h1>How tides work</h1><a href='/users/jane'>Jane Doe</a><p>TEXT"},
        {"Jane Doe", "<h1>How tides work</h1><ul><li class='author-title'>Artikel von:</li><li><address>Jane Doe</address></ul><p>TEXT"},
        {"", "<h1>How tides work</h1><p>TEXT<address>12 Harbour Street</address>"},
        {"Jane Doe", "<h1>How tides work</h1><p><span>By</span><span>Jane Doe</span></p><p>TEXT"},
        {"jane1982", "<h1>How tides work</h1><p>by jane1982</p><p>TEXT"},
        {"Jane Doe", "<script type='application/ld+json'>{\"@type\":\"NewsArticle\",\"author\":{\"name\":\", The Daily Tide\"}}</script><h1>How tides work</h1>"
                     "<a rel=author href='/x'>Jane Doe</a><p>TEXT"},
        {"Jane Doe", "<article><h1>How tides work</h1><p>TEXT<footer class='post-footer'>Posted by <a rel=author href='/x'>Jane Doe</a></footer></article>"},
    };
    static const char text[] = "The tide comes in twice a day, and goes out again as the moon wills it to, which everybody on the coast knows from the tables.";
    wt_err err = {0};
    extractor *x = extractor_new(&(extract_options){0}, &err);
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        wt_buf page = {0};
        wt_str rest = wt_str_of(cases[k].markup);
        ptrdiff_t at = wt_str_find(rest, WT_STR("TEXT"));
        extract_page p;
        wt_buf_printf(&page, "<title>How tides work</title><body>%.*s%s%s", (int)at, rest.ptr, text, rest.ptr + at + 4);
        assert_int_equal(extract_run(x, wt_buf_view(&page), WT_STR("http://tide.example/x"), WT_STR(""), &p, &err), 0);
        if (!wt_str_eq(p.author, wt_str_of(cases[k].author))) fail_msg("case %zu: '%.*s', not '%s'", k, WT_FMT(p.author), cases[k].author);
        wt_buf_free(&page);
    }
    extractor_free(x);
}

static void test_formats(void **state) {
    wt_err err;
    extract_page p;
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_MARKDOWN}, &err);
    assert_int_equal(extract_run(x, wt_str_of(article), WT_STR("https://sea.example/"), WT_STR(""), &p, &err), 0);
    assert_true(has(p.text, "# How tides work\n"));
    assert_true(has(p.text, "| Port | Range |\n| --- | --- |\n| Brest | 6 m |"));
    assert_true(has(p.text, "- Spring tides"));
    assert_true(has(p.text, "```\n"));
    wt_buf html = {0};
    extract_explain(x, &html);
    assert_true(has(wt_buf_view(&html), "Privacy policy") && has(wt_buf_view(&html), "class=\"b d\""));
    wt_buf_free(&html);
    extractor_free(x);
    x = extractor_new(&(extract_options){.format = EXTRACT_TEI}, &err);
    assert_int_equal(extract_run(x, wt_str_of(article), WT_STR(""), WT_STR(""), &p, &err), 0);
    assert_true(has(p.text, "<cell>Brest</cell>") && has(p.text, "<head>How tides work</head>"));
    extractor_free(x);
}

/* What `explain` shows loads and runs nothing, whatever stands in the page's text, names and metadata. */
static void test_explain(void **state) {
    static const html_tag wanted[] = {HTML_TAG_html, HTML_TAG_head, HTML_TAG_meta, HTML_TAG_title, HTML_TAG_style, HTML_TAG_body, HTML_TAG_p, HTML_TAG_h1,
        HTML_TAG_table, HTML_TAG_tbody, HTML_TAG_tr, HTML_TAG_th, HTML_TAG_td, HTML_TAG_span, HTML_TAG_div, HTML_TAG_a, HTML_TAG_label, HTML_TAG_input, HTML_TAG_b};
    static const char nasty[] =
        "<html lang='\"><img src=http://x/>'><title>a</title><meta name=author content='\"><script>alert(1)</script>'><meta name=description content='&lt;iframe src=x>'>"
        "<style>body{display:none}</style><script>document.body.innerHTML=''</script><base href=http://x/><div class='\"><img src=x onerror=alert(1)>' id='\"></div>'>"
        "<p>The tide comes in twice a day &lt;script>alert(1)&lt;/script> and goes out again as the moon wills it to.</p><a href='javascript:alert(1)'>more</a>"
        "<img src=http://x/y.png><div style='position:fixed;inset:0'>A banner over everything</div></div>";
    wt_err err = {0};
    extract_page p;
    wt_buf html = {0};
    html_tree t;
    extractor *x = extractor_new(&(extract_options){0}, &err);
    html_tree_init(&t);
    assert_int_equal(extract_run(x, wt_str_of(nasty), WT_STR("http://x/\"><img src=y>"), WT_STR(""), &p, &err), 0);
    extract_explain(x, &html);
    html_parse(&t, wt_buf_view(&html));
    for (uint32_t n = t.node[0].first; n; n = html_next(&t, n, 0)) {
        if (!html_is_element(&t, n)) continue;
        bool known = false;
        for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) known = known || t.node[n].tag == wanted[k];
        if (!known) fail_msg("explain holds a <%s>", html_node_name(&t, n));
        wt_str href = html_attr_get(&t, n, HTML_ATTR_href);
        assert_true(!href.len || *href.ptr == '#');
    }
    assert_true(has(wt_buf_view(&html), "default-src 'none'") && has(wt_buf_view(&html), "A banner over everything") && has(wt_buf_view(&html), "fineweb"));
    wt_buf_clear(&html);
    assert_int_equal(extract_run(x, (wt_str){NULL, 0}, WT_STR(""), WT_STR(""), &p, &err), 0);
    extract_explain(x, &html);                  /* an empty page */
    assert_true(has(wt_buf_view(&html), "no text"));
    html_tree_free(&t);
    wt_buf_free(&html);
    extractor_free(x);
}

/* Cut anywhere, the page still gives an answer; so do an empty one, binary, and one over the limit. */
static void test_bad_input(void **state) {
    wt_err err;
    extract_page p;
    extractor *x = extractor_new(&(extract_options){.page_bytes_max = 1 << 20}, &err);
    for (size_t n = 0; n < sizeof article; n += 7)
        assert_int_equal(extract_run(x, (wt_str){article, n}, WT_STR(""), WT_STR(""), &p, &err), 0);
    wt_buf b = {0};
    wt_rng rng;
    wt_rng_init(&rng, 3, 0);
    for (int i = 0; i < 100000; i++) wt_buf_add_char(&b, (char)wt_rng_below(&rng, 256));
    assert_int_equal(extract_run(x, wt_buf_view(&b), WT_STR(""), WT_STR(""), &p, &err), 0);
    assert_int_equal(extract_run(x, wt_buf_view(&b), WT_STR(""), WT_STR("text/html; charset=utf-16le"), &p, &err), 0);
    wt_buf_clear(&b);
    for (int i = 0; i < 50000; i++) wt_buf_add_str(&b, WT_STR("<div><p>word "));
    assert_int_equal(extract_run(x, wt_buf_view(&b), WT_STR(""), WT_STR(""), &p, &err), 0);
    wt_buf_reserve(&b, 2 << 20);
    memset(b.ptr, 'x', 2 << 20);
    assert_int_equal(extract_run(x, (wt_str){b.ptr, 2 << 20}, WT_STR(""), WT_STR(""), &p, &err), -1);
    assert_int_equal(err.code, WT_ELIMIT);
    assert_null(extractor_new(&(extract_options){.model_path = "/nonexistent"}, &err));
    wt_buf_free(&b);
    extractor_free(x);
}

/* A page of nothing but tags is refused where it may need more than the memory allowed, long before it does; the next
 * page is read as ever. Text of the same length is not. */
static void test_memory(void **state) {
    wt_err err;
    extract_page p;
    extractor *x = extractor_new(&(extract_options){.page_memory_max = 20 << 20}, &err);
    wt_buf cells = {0}, prose = {0};
    wt_buf_add_str(&cells, WT_STR("<table>"));
    while (cells.len < 1000000) wt_buf_add_str(&cells, WT_STR("<tr><td>1<td>2"));
    while (prose.len < 1000000) wt_buf_add_str(&prose, WT_STR("<p>A paragraph of prose, with <b>some</b> words that stand out, and an end.</p>\n"));
    assert_int_equal(extract_run(x, wt_buf_view(&cells), WT_STR(""), WT_STR(""), &p, &err), -1);
    assert_int_equal(err.code, WT_ENOMEM);
    assert_non_null(strstr(err.text, "may need more than 20 MiB"));
    assert_int_equal(extract_run(x, wt_str_of(article), WT_STR(""), WT_STR(""), &p, &err), 0);
    assert_true(has(p.text, "two bulges form."));
    assert_int_equal(extract_run(x, wt_buf_view(&prose), WT_STR(""), WT_STR(""), &p, &err), 0);
    wt_buf_free(&cells);
    wt_buf_free(&prose);
    extractor_free(x);
}

/* What no reader sees goes from text and Markdown alike; what a script's spelling or an emoji needs stays. */
static void test_invisible(void **state) {
    wt_str page = WT_STR("<p>Soft&shy;hyphen, zero&#8203;width, &#65279;mark, <ruby>\xe6\xbc\xa2<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>, "
                         "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae and \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac stand in this sentence, "
                         "which is long enough, as sentences go, to be the text of a page.</p>");
    wt_str expected = WT_STR("Softhyphen, zerowidth, mark, \xe6\xbc\xa2, \xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae and "
                             "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac stand");
    for (int format = EXTRACT_TEXT; format <= EXTRACT_TEI; format++) {
        extractor *x = extractor_new(&(extract_options){.format = (extract_format)format}, NULL);
        extract_page p;
        assert_int_equal(extract_run(x, page, WT_STR(""), WT_STR(""), &p, NULL), 0);
        if (wt_str_find(p.text, expected) < 0) fail_msg("format %d: %.*s", format, WT_FMT(p.text));
        extractor_free(x);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_charset), cmocka_unit_test(test_dates), cmocka_unit_test(test_model_rows),
        cmocka_unit_test(test_model_lanes),
        cmocka_unit_test(test_filter_webtext), cmocka_unit_test(test_filter_gopher), cmocka_unit_test(test_filter_repetition),
        cmocka_unit_test(test_filter_c4), cmocka_unit_test(test_filter_fineweb), cmocka_unit_test(test_site_lines), cmocka_unit_test(test_article),
        cmocka_unit_test(titles_and_descriptions_are_one_line), cmocka_unit_test(text_beside_the_text), cmocka_unit_test(captions_of_listings_stay),
        cmocka_unit_test(an_open_aside_is_the_page), cmocka_unit_test(notes_and_methods_stay),
        cmocka_unit_test(test_code), cmocka_unit_test(test_authors), cmocka_unit_test(test_formats), cmocka_unit_test(test_explain), cmocka_unit_test(test_bad_input), cmocka_unit_test(test_memory), cmocka_unit_test(test_invisible),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

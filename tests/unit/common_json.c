/* common_json.c - the scanner against hand-written verdicts, a recursive twin that builds a tree, and
 * round trips of strings and numbers. Random documents are mutated byte by byte: scanner and twin have
 * to agree on every verdict and every picked value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/json_impl.h"
#include "common/rng.h"
#include "common/utf8.h"

/* ---- the twin: one function a rule of RFC 8259, NULL where it does not hold ---- */

static const char *t_value(const char *p, const char *e, int depth);

static const char *t_ws(const char *p, const char *e) {
    while (p < e && strchr(" \t\r\n", *p) && *p) p++;
    return p;
}

static const char *t_string(const char *p, const char *e) {
    if (p >= e || *p++ != '"') return NULL;
    while (p < e && *p != '"') {
        if ((unsigned char)*p < 32) return NULL;
        if (*p++ != '\\') continue;
        if (p >= e || !*p) return NULL;
        char c = *p++;
        if (c == 'u') {
            for (int i = 0; i < 4; i++, p++)
                if (p >= e || !*p || !strchr("0123456789abcdefABCDEF", *p)) return NULL;
        } else if (!strchr("\"\\/bfnrt", c)) {
            return NULL;
        }
    }
    return p < e ? p + 1 : NULL;
}

static const char *t_digits(const char *p, const char *e) {
    const char *s = p;
    while (p < e && *p >= '0' && *p <= '9') p++;
    return p > s ? p : NULL;
}

static const char *t_number(const char *p, const char *e) {
    if (p < e && *p == '-') p++;
    if (p < e && *p == '0') p++;
    else if (!(p = t_digits(p, e))) return NULL;
    if (p < e && *p == '.' && !(p = t_digits(p + 1, e))) return NULL;
    if (p < e && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < e && (*p == '+' || *p == '-')) p++;
        p = t_digits(p, e);
    }
    return p;
}

static const char *t_word(const char *p, const char *e, const char *w) {
    size_t n = strlen(w);
    return (size_t)(e - p) >= n && memcmp(p, w, n) == 0 ? p + n : NULL;
}

static const char *t_container(const char *p, const char *e, char close, int depth) {
    if (depth == 0) return NULL;
    p = t_ws(p + 1, e);
    if (p < e && *p == close) return p + 1;
    for (;;) {
        if (close == '}') {
            if (!(p = t_string(p, e))) return NULL;
            p = t_ws(p, e);
            if (p >= e || *p++ != ':') return NULL;
            p = t_ws(p, e);
        }
        if (!(p = t_value(p, e, depth - 1))) return NULL;
        p = t_ws(p, e);
        if (p < e && *p == close) return p + 1;
        if (p >= e || *p++ != ',') return NULL;
        p = t_ws(p, e);
    }
}

static const char *t_value(const char *p, const char *e, int depth) {
    if (p >= e) return NULL;
    switch (*p) {
    case '{': return t_container(p, e, '}', depth);
    case '[': return t_container(p, e, ']', depth);
    case '"': return t_string(p, e);
    case 't': return t_word(p, e, "true");
    case 'f': return t_word(p, e, "false");
    case 'n': return t_word(p, e, "null");
    default: return t_number(p, e);
    }
}

static bool twin_accepts(wt_str s) {
    const char *e = s.ptr + s.len, *p = t_value(t_ws(s.ptr, e), e, 512);
    return p && t_ws(p, e) == e && wt_utf8_valid(s);
}

/* ---- hand vectors ---- */

static void verdicts_by_hand(void **state) {
    static const char *const good[] = {
        "0", "-0", "1", "-12.5e+3", "0.1E-2", "true", "false", "null", "\"\"", "\"a\\u00e9\\/\\\\\\\"\"",
        "[]", "{}", " [ 1 , 2 ] ", "{\"a\":{\"b\":[{}]},\"a\":1}", "\"\\uD800\"", "\t\r\n1\n", "[[[[]]]]",
        "\"\x7f\"", "[-0.0,1e5]", "{\"\":\"\"}"};
    static const char *const wrong[] = {
        "", " ", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "truee",
        "True", "'a'", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"a\tb\"", "[", "]",
        "[1", "[1,]", "[,1]", "[1 2]", "{", "}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{,}", "{a:1}",
        "{\"a\":1 \"b\":2}", "[1}", "{\"a\":1]", "1 2", "[]]", "{}{}", "/**/1", "[1]x", "\"\x80\"",
        "\"\xed\xa0\x80\"", "\"\xc0\xaf\"", "\xef\xbb\xbf" "1", "\"a\\\"", "-01", "[1,,2]", "{\"a\"::1}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        wt_err err = {0};
        if (wt_json_check(wt_str_of(good[i]), &err)) fail_msg("%s: %s", good[i], err.text);
        assert_true(twin_accepts(wt_str_of(good[i])));
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        wt_err err = {0};
        if (!wt_json_check(wt_str_of(wrong[i]), &err)) fail_msg("%s was accepted", wrong[i]);
        assert_int_equal(err.code, WT_EDATA);
        assert_false(twin_accepts(wt_str_of(wrong[i])));
    }
    assert_int_equal(wt_json_check((wt_str){"1\0", 2}, NULL), -1);      /* NUL is a byte like others */
    assert_int_equal(wt_json_check((wt_str){"\"\\\0\"", 4}, NULL), -1);
}

static void damage_is_placed(void **state) {
    static const struct { const char *text, *what; } bad[] = {
        {"{\"a\":}", "bad JSON at byte 5: "}, {"{\n\"a\":1,\n\"b\":x}", "bad JSON at byte 13, line 3: "},
        {"[\"a\",\n\"\x80\"]", "bad JSON at byte 7, line 2: not UTF-8"}, {"", "bad JSON at byte 0: "}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wt_err err = {0};
        assert_int_equal(wt_json_check(wt_str_of(bad[i].text), &err), -1);
        if (!strstr(err.text, bad[i].what)) fail_msg("'%s' is not in '%s'", bad[i].what, err.text);
    }
}

static void depth_is_bounded_at_512(void **state) {
    wt_buf b = {0};
    for (int depth = 510; depth <= 514; depth++) {
        wt_buf_clear(&b);
        for (int i = 0; i < depth; i++) wt_buf_add_char(&b, '[');
        for (int i = 0; i < depth; i++) wt_buf_add_char(&b, ']');
        assert_int_equal(wt_json_check(wt_buf_view(&b), NULL), depth <= 512 ? 0 : -1);
        assert_int_equal(twin_accepts(wt_buf_view(&b)), depth <= 512);
    }
    wt_buf_clear(&b);
    for (int i = 0; i < 3000000; i++) wt_buf_add_char(&b, i % 2 ? '{' : '[');
    assert_int_equal(wt_json_check(wt_buf_view(&b), NULL), -1);
    wt_buf_free(&b);
}

/* ---- random documents ---- */

static void random_space(wt_rng *r, wt_buf *b) {
    while (wt_rng_below(r, 12) == 0) wt_buf_add_char(b, " \t\r\n"[wt_rng_below(r, 3)]);
}

static void random_string(wt_rng *r, wt_buf *b) {
    static const char *const parts[] = {"a", "score", "\\\"", "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "\xc3\xa9",
                                        "\xf0\x9f\x98\x80", "{", "}", "[", "]", ",", ":", " ", "\\/", "\\ud800", "\x7f"};
    wt_buf_add_char(b, '"');
    uint64_t n = wt_rng_below(r, 4) ? wt_rng_below(r, 6) : wt_rng_below(r, 120);
    while (n--) {
        if (wt_rng_below(r, 2)) wt_buf_add_str(b, wt_str_of(parts[wt_rng_below(r, sizeof parts / sizeof *parts)]));
        else wt_buf_add(b, "the quick brown fox ", wt_rng_below(r, 21));
    }
    wt_buf_add_char(b, '"');
}

static const char *const KEYS[] = {"id", "url", "score", "title", "created_utc", "a", "over_18", "media"};
enum { N_KEYS = 8 };

static void random_value(wt_rng *r, wt_buf *b, int depth) {
    static const char *const plain[] = {"0", "-1", "12345678901234567890", "1.5e3", "true", "false", "null", "1e999"};
    random_space(r, b);
    uint64_t kind = wt_rng_below(r, depth > 4 ? 2 : 4);
    if (kind == 0) wt_buf_add_str(b, wt_str_of(plain[wt_rng_below(r, 8)]));
    if (kind == 1) random_string(r, b);
    if (kind >= 2) {
        wt_buf_add_char(b, kind == 2 ? '[' : '{');
        random_space(r, b);
        uint64_t n = wt_rng_below(r, 6);
        for (uint64_t i = 0; i < n; i++) {
            if (i) wt_buf_add_char(b, ',');
            random_space(r, b);
            if (kind == 3) {
                if (wt_rng_below(r, 2)) wt_buf_printf(b, "\"%s\"", KEYS[wt_rng_below(r, N_KEYS)]);
                else random_string(r, b);
                random_space(r, b);
                wt_buf_add_char(b, ':');
            }
            random_value(r, b, depth + 1);
        }
        wt_buf_add_char(b, kind == 2 ? ']' : '}');
    }
    random_space(r, b);
}

static void random_object(wt_rng *r, wt_buf *b) {
    wt_buf_add_char(b, '{');
    uint64_t n = wt_rng_below(r, 12);
    for (uint64_t i = 0; i < n; i++) {
        if (i) wt_buf_add_char(b, ',');
        random_space(r, b);
        if (wt_rng_below(r, 3)) wt_buf_printf(b, "\"%s\"", KEYS[wt_rng_below(r, N_KEYS)]);
        else random_string(r, b);
        wt_buf_add_char(b, ':');
        random_value(r, b, 0);
    }
    wt_buf_add_char(b, '}');
}

static void mutate(wt_rng *r, wt_buf *b) {
    static const char bytes[] = "{}[]\",:\\ue01-.tfn \n\x1f\x80";
    uint64_t n = wt_rng_below(r, 3);
    while (n-- && b->len) {
        size_t i = wt_rng_below(r, b->len);
        switch (wt_rng_below(r, 4)) {
        case 0: b->ptr[i] = bytes[wt_rng_below(r, sizeof bytes)]; break;
        case 1: memmove(b->ptr + i, b->ptr + i + 1, b->len - i - 1), b->len--; break;
        case 2: b->ptr[i] = (char)(b->ptr[i] ^ 1 << wt_rng_below(r, 8)); break;
        default: b->len = i; break;
        }
    }
}

/* What pick has to find, by the iterator and the decoded names. */
static void twin_pick(wt_str line, bool first, wt_json *values) {
    wt_json object;
    wt_json_iter it;
    wt_str key;
    wt_json value;
    wt_arena *arena = wt_arena_new(0);
    memset(values, 0, N_KEYS * sizeof *values);
    assert_int_equal(wt_json_parse(line, &object, NULL), 0);
    assert_int_equal(wt_json_iter_init(&it, object, NULL), 0);
    while (wt_json_next(&it, &key, &value, NULL) == 1) {
        const char *e = key.ptr - 1 + key.len + 2;
        assert_ptr_equal(t_string(key.ptr - 1, e), e);
        for (int i = 0; i < N_KEYS; i++)
            if (wt_str_eq(wt_json_unescape(key, arena), wt_str_of(KEYS[i])) && !(first && values[i].kind))
                values[i] = value;
    }
    wt_arena_free(arena);
}

static void assert_values_same(const wt_json *a, const wt_json *b) {
    for (int i = 0; i < N_KEYS; i++) {
        assert_int_equal(a[i].kind, b[i].kind);
        if (a[i].kind) assert_true(a[i].raw.ptr == b[i].raw.ptr && a[i].raw.len == b[i].raw.len);
    }
}

static void scanner_equals_the_twin_on_random_and_mutated_lines(void **state) {
    wt_rng r;
    wt_rng_init(&r, 20170101, 0);
    wt_str keys[N_KEYS];
    int n_good = 0, n_bad = 0, n_first_more = 0;
    for (int i = 0; i < N_KEYS; i++) keys[i] = wt_str_of(KEYS[i]);
    for (int round = 0; round < 60000; round++) {
        wt_buf b = {0};
        random_object(&r, &b);
        if (round % 3) mutate(&r, &b);
        /* An exact copy on the heap, so that the address sanitizer sees reads behind the end. */
        char *copy = malloc(b.len ? b.len : 1);
        memcpy(copy, b.ptr, b.len);
        wt_str line = {copy, b.len};
        const char *e = line.ptr + line.len, *p = t_ws(line.ptr, e);
        bool grammar = (p = t_value(p, e, 512)) && t_ws(p, e) == e;
        bool object = grammar && *t_ws(line.ptr, e) == '{';
        wt_json values[N_KEYS], want[N_KEYS], whole;
        assert_int_equal(wt_json_check(line, NULL) == 0, twin_accepts(line));
        assert_int_equal(wt_json_parse(line, &whole, NULL) == 0, grammar);
        assert_int_equal(wt_json_pick(line, keys, N_KEYS, values, NULL) == 0, object);
        if (object) {
            twin_pick(line, false, want);
            assert_values_same(values, want);
            assert_int_equal(wt_json_pick_first(line, keys, N_KEYS, values, NULL), 0);
            twin_pick(line, true, want);
            assert_values_same(values, want);
            n_good++;
        } else {
            /* pick_first may have found all before the damage; then it is right about them. */
            n_first_more += wt_json_pick_first(line, keys, N_KEYS, values, NULL) == 0;
            n_bad++;
        }
        free(copy);
        wt_buf_free(&b);
    }
    assert_true(n_good > 20000 && n_bad > 10000);
    assert_true(n_first_more < n_bad / 50);
}

/* Fast scanners say yes exactly where the plain one does, with the same values, on lines of all lengths: whole
 * windows, parts of one, strings across their borders, runs of backslashes at every place. */
static void fast_scanners_equal_the_plain_one(void **state) {
    int (*const fast[])(wt_str, const wt_json_keys *, wt_json *, bool) = {
#if defined(__x86_64__)
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") ? wt_json_pick_avx2 : NULL,
        __builtin_cpu_supports("avx512bw") ? wt_json_pick_avx512 : NULL,
#endif
        NULL};
    wt_str names[N_KEYS];
    wt_json_keys keys;
    for (int i = 0; i < N_KEYS; i++) names[i] = wt_str_of(KEYS[i]);
    wt_json_keys_init(&keys, names, N_KEYS);
    wt_rng r;
    wt_rng_init(&r, 5, 5);
    static const char *const pieces[] = {"\\\\", "\\\"", "\\n", "\\u00E9", "\\/", "def,{}[]:12", "a", "a somewhat longer piece "};
    int n_good = 0;
    for (int round = 0; round < 40000; round++) {
        wt_buf b = {0};
        wt_buf_add_char(&b, '{');
        for (uint64_t n = wt_rng_below(&r, 8); n > 0; n--) {
            wt_buf_printf(&b, "\"%s\":\"", KEYS[wt_rng_below(&r, N_KEYS)]);
            for (uint64_t k = wt_rng_below(&r, round % 50 ? 80 : 4000); k > 0; k--)
                wt_buf_add_str(&b, wt_str_of(pieces[wt_rng_below(&r, 8)]));
            wt_buf_add_str(&b, WT_STR("\","));
            if (wt_rng_below(&r, 3) == 0) {
                wt_buf_printf(&b, "\"%s\":", KEYS[wt_rng_below(&r, N_KEYS)]);
                random_value(&r, &b, 0);
                wt_buf_add_char(&b, ',');
            }
        }
        wt_buf_printf(&b, "\"id\":%d}", round);
        if (round % 2) mutate(&r, &b);
        char *copy = malloc(b.len ? b.len : 1);
        memcpy(copy, b.ptr, b.len);
        wt_str line = {copy, b.len};
        for (int first = 0; first < 2; first++) {
            wt_json want[N_KEYS], got[N_KEYS];
            bool good = wt_json_pick_plain(line, &keys, want, first, NULL) == 0;
            n_good += good;
            for (size_t i = 0; i < sizeof fast / sizeof *fast; i++) {
                if (!fast[i]) continue;
                memset(got, 0, sizeof got);
                bool fast_good = fast[i](line, &keys, got, first) == 0;
                if (fast_good != good) fail_msg("scanner %zu says %d: %.*s", i, fast_good, WT_FMT(line));
                if (good) assert_values_same(got, want);
            }
        }
        free(copy);
        wt_buf_free(&b);
    }
    assert_true(n_good > 10000);
}

static void pick_takes_the_last_and_pick_first_the_first(void **state) {
    wt_str line = WT_STR("{\"url\":1,\"x\":{\"url\":2},\"url\":3,\"\\u0075rl\":4,\"id\":\"i\"}");
    wt_str keys[] = {WT_STR("url"), WT_STR("id"), WT_STR("none")};
    wt_json v[3];
    assert_int_equal(wt_json_pick(line, keys, 3, v, NULL), 0);
    assert_true(wt_str_eq(v[0].raw, WT_STR("4")) && v[2].kind == WT_JSON_NONE);
    assert_int_equal(wt_json_pick_first(line, keys, 3, v, NULL), 0);
    assert_true(wt_str_eq(v[0].raw, WT_STR("1")) && wt_str_eq(v[1].raw, WT_STR("i")));
    /* Once all are found the rest is not looked at. */
    assert_int_equal(wt_json_pick_first(WT_STR("{\"url\":1,\"id\":2,broken"), keys, 2, v, NULL), 0);
    assert_int_equal(wt_json_pick(WT_STR("{\"url\":1,\"id\":2,broken"), keys, 2, v, NULL), -1);
    assert_int_equal(wt_json_pick_first(WT_STR("[1]"), keys, 2, v, NULL), -1);
    assert_int_equal(wt_json_pick_first(WT_STR(""), keys, 2, v, NULL), -1);
}

/* ---- strings and numbers ---- */

static void strings_decode(void **state) {
    static const char *const cases[][2] = {
        {"plain", "plain"}, {"a\\nb\\t\\\"\\\\\\/\\b\\f\\r", "a\nb\t\"\\/\b\f\r"}, {"\\u00e9\\u20AC", "\xc3\xa9\xe2\x82\xac"},
        {"\\ud83d\\ude00", "\xf0\x9f\x98\x80"}, {"\\ud83d!", "\xef\xbf\xbd!"}, {"\\ude00", "\xef\xbf\xbd"},
        {"\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80"}, {"\\ud83d\\n", "\xef\xbf\xbd\n"},
        {"\xff" "a\xc3", "\xef\xbf\xbd" "a\xef\xbf\xbd"}, {"", ""}, {"https:\\/\\/a.b\\/c?d=1&amp;e", "https://a.b/c?d=1&amp;e"}};
    wt_arena *arena = wt_arena_new(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wt_str got = wt_json_unescape(wt_str_of(cases[i][0]), arena);
        if (!wt_str_eq(got, wt_str_of(cases[i][1]))) fail_msg("%s gave %.*s", cases[i][0], WT_FMT(got));
    }
    wt_str nul = wt_json_unescape(WT_STR("a\\u0000b"), arena);
    assert_true(wt_str_eq(nul, (wt_str){"a\0b", 3}));
    wt_arena_free(arena);
}

/* The sanitizer refuses null + 0, which is what an empty slice may hold. */
static void a_null_pointer_of_length_0_is_the_empty_text(void **state) {
    static const wt_str keys[] = {{"a", 1}};
    wt_str empty = {NULL, 0};
    wt_json value;
    wt_buf out = {0};
    assert_int_equal(wt_json_parse(empty, &value, NULL), -1);
    assert_int_equal(wt_json_check(empty, NULL), -1);
    assert_int_equal(wt_json_pick(empty, keys, 1, &value, NULL), -1);
    wt_json_add_string(&out, empty);
    assert_string_equal(out.ptr, "\"\"");
    wt_buf_free(&out);
}

static void written_strings_read_back(void **state) {
    wt_rng r;
    wt_rng_init(&r, 7, 0);
    wt_arena *arena = wt_arena_new(0);
    for (int round = 0; round < 20000; round++) {
        char bytes[64];
        size_t n = wt_rng_below(&r, 64);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(wt_rng_below(&r, 3) ? wt_rng_below(&r, 128) : wt_rng_below(&r, 256));
        wt_buf json = {0}, want = {0};
        wt_json_add_string(&json, (wt_str){bytes, n});
        assert_int_equal(wt_json_check(wt_buf_view(&json), NULL), 0);
        wt_json value;
        assert_int_equal(wt_json_parse(wt_buf_view(&json), &value, NULL), 0);
        wt_utf8_repair(&want, (wt_str){bytes, n});
        assert_true(wt_str_eq(wt_json_string(value, arena), wt_buf_view(&want)));
        wt_arena_reset(arena);
        wt_buf_free(&json), wt_buf_free(&want);
    }
    wt_arena_free(arena);
}

static wt_json value_of(const char *text) {
    wt_json value = {0};
    wt_json_parse(wt_str_of(text), &value, NULL);
    return value;
}

static void numbers_read(void **state) {
    int64_t i;
    double d;
    static const struct { const char *text; int64_t want; } ints[] = {
        {"0", 0}, {"-5", -5}, {"1706745600.0", 1706745600}, {"1e3", 1000}, {"\"1400000000\"", 1400000000}, {"-0", 0},
        {"9223372036854775807", INT64_MAX}, {"-9223372036854775808", INT64_MIN}};
    for (size_t k = 0; k < sizeof ints / sizeof *ints; k++) {
        assert_int_equal(wt_json_i64(value_of(ints[k].text), &i), 0);
        assert_true(i == ints[k].want);
    }
    static const char *const no[] = {"1.5", "9223372036854775808", "-9223372036854775809", "\"\"", "\"x\"", "\"-\"", "true",
                                     "null", "[1]", "1e300", "\" 1\"", "\"0x10\""};
    for (size_t k = 0; k < sizeof no / sizeof *no; k++) assert_int_equal(wt_json_i64(value_of(no[k]), &i), -1);
    assert_int_equal(wt_json_double(value_of("-2.5e-3"), &d), 0);
    assert_true(d == -2.5e-3);
    assert_int_equal(wt_json_double(value_of("null"), &d), -1);
}

static void doubles_written_read_back_exactly(void **state) {
    wt_rng r;
    wt_rng_init(&r, 11, 0);
    for (int round = 0; round < 20000; round++) {
        union { uint64_t u; double d; } x = {.u = wt_rng_u64(&r)};
        if (round % 2) x.d = (double)wt_rng_below(&r, 100000) / 100;
        wt_buf b = {0};
        wt_json_add_double(&b, x.d);
        double back;
        if (isfinite(x.d)) {
            assert_int_equal(wt_json_double(value_of(b.ptr), &back), 0);
            assert_true(back == x.d);
        } else {
            assert_string_equal(b.ptr, "null");
        }
        wt_buf_free(&b);
    }
    wt_buf b = {0};
    wt_json_add_double(&b, 0.1);
    assert_string_equal(b.ptr, "0.1");
    wt_buf_free(&b);
}

static void members_are_found_by_name(void **state) {
    wt_json object = value_of("{\"a\":1,\"b\":{\"c\":[1,\"x\",true]},\"d\\u0065\":\"v\"}");
    assert_true(wt_str_eq(wt_json_get(object, "de").raw, WT_STR("v")));
    wt_json list = wt_json_get(wt_json_get(object, "b"), "c");
    wt_json_iter it;
    wt_json value;
    int n = 0;
    assert_int_equal(wt_json_iter_init(&it, list, NULL), 0);
    while (wt_json_next(&it, NULL, &value, NULL) == 1) n++;
    assert_int_equal(n, 3);
    assert_true(wt_json_true(value));
    assert_int_equal(wt_json_get(object, "none").kind, WT_JSON_NONE);
    assert_int_equal(wt_json_get(list, "a").kind, WT_JSON_NONE);
    assert_int_equal(wt_json_iter_init(&it, wt_json_get(object, "a"), NULL), -1);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_by_hand),
        cmocka_unit_test(damage_is_placed), cmocka_unit_test(depth_is_bounded_at_512),
        cmocka_unit_test(scanner_equals_the_twin_on_random_and_mutated_lines),
        cmocka_unit_test(fast_scanners_equal_the_plain_one),
        cmocka_unit_test(pick_takes_the_last_and_pick_first_the_first),
        cmocka_unit_test(strings_decode),
        cmocka_unit_test(a_null_pointer_of_length_0_is_the_empty_text),
        cmocka_unit_test(written_strings_read_back),
        cmocka_unit_test(numbers_read),
        cmocka_unit_test(doubles_written_read_back_exactly),
        cmocka_unit_test(members_are_found_by_name),
    };
    return cmocka_run_group_tests_name("common_json", tests, NULL, NULL);
}

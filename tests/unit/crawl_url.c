/* crawl_url.c - addresses: RFC 3986's own examples, the rules of the URL standard that browsers keep,
 * and properties (a normal form is its own normal form; equal pages have equal keys). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/rng.h"
#include "crawl/url.h"

static wt_arena *arena;

static const char *normal(const char *raw, const crawl_url *base) {
    crawl_url url;
    crawl_url_fault fault = crawl_url_parse(wt_str_of(raw), base, arena, &url);
    return fault ? crawl_url_fault_text(fault) : url.text.ptr;
}

typedef struct {
    const char *raw, *want;
} pair;

static void check_pairs(const pair *list, size_t n, const crawl_url *base) {
    for (size_t i = 0; i < n; i++) {
        const char *got = normal(list[i].raw, base);
        if (strcmp(got, list[i].want)) print_error("input: %s\n", list[i].raw);
        assert_string_equal(got, list[i].want);
    }
}
#define CHECK(list, base) check_pairs(list, sizeof list / sizeof *list, base)

/* RFC 3986, 5.4: all references but those of other schemes; fragments do not belong to a fetch. */
static void rfc3986_references(void **state) {
    static const pair list[] = {
        {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"}, {"g/", "http://a/b/c/g/"},
        {"/g", "http://a/g"}, {"//g", "http://g/"}, {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"}, {"#s", "http://a/b/c/d;p?q"}, {"g#s", "http://a/b/c/g"},
        {"g?y#s", "http://a/b/c/g?y"}, {";x", "http://a/b/c/;x"}, {"g;x", "http://a/b/c/g;x"},
        {"g;x?y#s", "http://a/b/c/g;x?y"}, {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"},
        {"./", "http://a/b/c/"}, {"..", "http://a/b/"}, {"../", "http://a/b/"},
        {"../g", "http://a/b/g"}, {"../..", "http://a/"}, {"../../", "http://a/"},
        {"../../g", "http://a/g"}, {"../../../g", "http://a/g"}, {"../../../../g", "http://a/g"},
        {"/./g", "http://a/g"}, {"/../g", "http://a/g"}, {"g.", "http://a/b/c/g."},
        {".g", "http://a/b/c/.g"}, {"g..", "http://a/b/c/g.."}, {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"}, {"./g/.", "http://a/b/c/g/"}, {"g/./h", "http://a/b/c/g/h"},
        {"g/../h", "http://a/b/c/h"}, {"g;x=1/./y", "http://a/b/c/g;x=1/y"},
        {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/./x", "http://a/b/c/g?y/./x"},
        {"g?y/../x", "http://a/b/c/g?y/../x"}, {"http:g", "http://a/b/c/g"},
    };
    crawl_url base;
    assert_int_equal(crawl_url_parse(WT_STR("http://a/b/c/d;p?q"), NULL, arena, &base), 0);
    CHECK(list, &base);
}

static void normal_form(void **state) {
    static const pair list[] = {
        {"http://example.com", "http://example.com/"},
        {"HTTP://EXAMPLE.com:80/%7euser/a%2fb?x=%e2%82%ac#top", "http://example.com/~user/a%2Fb?x=%E2%82%AC"},
        {"https://example.com:443", "https://example.com/"},
        {"http://example.com:443/", "http://example.com:443/"},
        {"http://example.com:/", "http://example.com/"},
        {"http://example.com:00080/", "http://example.com/"},
        {"http://user:p@ss@example.com/", "http://example.com/"},
        {"http://example.com/a/./b/../../c", "http://example.com/c"},
        {"http://example.com/%2e%2E/x/.%2e/y", "http://example.com/y"},
        {"http://example.com//a//b", "http://example.com//a//b"},
        {"http://example.com/a b\"<>`{}|^", "http://example.com/a%20b%22%3C%3E%60%7B%7D%7C%5E"},
        {"http://example.com/100%", "http://example.com/100%25"},
        {"http://example.com/%zz%4", "http://example.com/%25zz%254"},
        {"http://example.com/?a[]=1&b=x y", "http://example.com/?a%5B%5D=1&b=x%20y"},
        {"http://example.com?x=1", "http://example.com/?x=1"},
        {"http://example.com/?", "http://example.com/?"},
        {"http://example.com/\xc3\xa9\xe2\x82\xac", "http://example.com/%C3%A9%E2%82%AC"},
        {"http://example.com./a", "http://example.com/a"},
        {"http://EXAMPLE%2ecom/", "http://example.com/"},
        {"http://ex_ample.com/", "http://ex_ample.com/"},
        {"http://r3---sn-4g5e.example.com/", "http://r3---sn-4g5e.example.com/"},
    };
    CHECK(list, NULL);
}

/* What browsers forgive (URL standard: leading and trailing controls, tabs and newlines, slashes). */
static void browsers_forgive(void **state) {
    static const pair list[] = {
        {"  http://example.com/a \n", "http://example.com/a"},
        {"ht\ntp://exa\tmple.com/\ra", "http://example.com/a"},
        {"http:\\\\example.com\\a\\b", "http://example.com/a/b"},
        {"http:example.com/", "http://example.com/"},
        {"http:////example.com/", "http://example.com/"},
        {"http://example.com\\@evil.test/", "http://example.com/@evil.test/"},
        {"http://example.com/?q=a\\b", "http://example.com/?q=a%5Cb"},
    };
    CHECK(list, NULL);
}

static void hosts(void **state) {
    static const pair list[] = {
        {"http://B\xc3\xbc" "cher.example/", "http://xn--bcher-kva.example/"},
        {"http://stra\xc3\x9f" "e.de/", "http://xn--strae-oqa.de/"},
        {"http://\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe3\x80\x82jp/", "http://xn--wgv71a119e.jp/"},
        {"http://%E6%97%A5%E6%9C%AC%E8%AA%9E.jp/", "http://xn--wgv71a119e.jp/"},
        {"http://\xf0\x9f\x92\xa9.la/", "http://xn--ls8h.la/"},
        {"http://\xe2\x98\x83.net/", "http://xn--n3h.net/"},
        {"http://i\xe2\x9d\xa4.ws/", "http://xn--i-7iq.ws/"},
        {"http://I\xe2\x9d\xa4\xef\xb8\x8f.ws/", "http://xn--i-7iq.ws/"},
        {"http://127.1/", "http://127.0.0.1/"},
        {"http://2130706433/", "http://127.0.0.1/"},
        {"http://0x7f.1/", "http://127.0.0.1/"},
        {"http://017700000001/", "http://127.0.0.1/"},
        {"http://0/", "http://0.0.0.0/"},
        {"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "http://127.0.0.1/"},
        {"http://192.168.257/", "http://192.168.1.1/"},
        {"http://1.2.3.4./", "http://1.2.3.4/"},
        {"http://[::1]/", "http://[::1]/"},
        {"http://[2001:DB8:0:0:0:0:0:1]:8080/x", "http://[2001:db8::1]:8080/x"},
        {"http://[::ffff:7f00:1]/", "http://[::ffff:127.0.0.1]/"},
    };
    CHECK(list, NULL);
}

static void faults(void **state) {
    static const struct { const char *raw; crawl_url_fault want; } list[] = {
        {"", CRAWL_URL_EMPTY}, {"  \t ", CRAWL_URL_EMPTY}, {"/r/pics/comments/1", CRAWL_URL_RELATIVE},
        {"//example.com/", CRAWL_URL_RELATIVE}, {"www.example.com", CRAWL_URL_RELATIVE},
        {"mailto:a@b.c", CRAWL_URL_SCHEME}, {"javascript:alert(1)", CRAWL_URL_SCHEME},
        {"magnet:?xt=urn", CRAWL_URL_SCHEME}, {"ftp://example.com/", CRAWL_URL_SCHEME},
        {"httpx://example.com/", CRAWL_URL_SCHEME}, {"http://", CRAWL_URL_HOST},
        {"http:///", CRAWL_URL_HOST}, {"http://?x", CRAWL_URL_HOST}, {"http://a b.com/", CRAWL_URL_HOST},
        {"http://a..b/", CRAWL_URL_HOST}, {"http://.a/", CRAWL_URL_HOST}, {"http://a%00b/", CRAWL_URL_HOST},
        {"http://256.256.256.256/", CRAWL_URL_HOST}, {"http://1.2.3.4.5/", CRAWL_URL_HOST},
        {"http://0xffffffffff/", CRAWL_URL_HOST}, {"http://1.2.3.08/", CRAWL_URL_HOST},
        {"http://a.b.0x/", CRAWL_URL_HOST}, {"http://[::1/", CRAWL_URL_HOST},
        {"http://[1::2::3]/", CRAWL_URL_HOST}, {"http://[fe80::1%eth0]/", CRAWL_URL_HOST},
        {"http://e\xef\xbf\xbd" "x.com/", CRAWL_URL_HOST}, {"http://user@/", CRAWL_URL_HOST}, {"http://\xc2\xad/", CRAWL_URL_HOST},
        {"http://a.com:65536/", CRAWL_URL_PORT}, {"http://a.com:x/", CRAWL_URL_PORT},
        {"http://a.com:-1/", CRAWL_URL_PORT},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        crawl_url url;
        crawl_url_fault got = crawl_url_parse(wt_str_of(list[i].raw), NULL, arena, &url);
        if (got != list[i].want) print_error("input: %s\n", list[i].raw);
        assert_int_equal(got, list[i].want);
    }
    char label[80] = "http://";
    memset(label + 7, 'a', 64);
    strcpy(label + 71, ".com");
    assert_string_equal(normal(label, NULL), "host that cannot exist");
    wt_buf wide = {0};
    wt_buf_add_str(&wide, WT_STR("http://a.com/"));
    while (wide.len < CRAWL_URL_MAX) wt_buf_add_char(&wide, 'x');
    assert_string_equal(normal(wide.ptr, NULL), wide.ptr);
    wt_buf_add_char(&wide, 'x');
    assert_string_equal(normal(wide.ptr, NULL), "address too long");
    wt_buf_free(&wide);
}

static void parts_are_slices(void **state) {
    crawl_url u;
    assert_int_equal(crawl_url_parse(WT_STR("HTTPS://X.com:8443/p/q?a=b"), NULL, arena, &u), 0);
    assert_true(wt_str_eq(u.scheme, WT_STR("https")) && wt_str_eq(u.host, WT_STR("x.com")));
    assert_true(wt_str_eq(u.authority, WT_STR("x.com:8443")) && u.port == 8443 && !u.is_ip);
    assert_true(wt_str_eq(u.path, WT_STR("/p/q")) && wt_str_eq(u.query, WT_STR("a=b")));
    assert_true(wt_str_eq(u.target, WT_STR("/p/q?a=b")) && u.has_query);
    assert_int_equal(crawl_url_parse(WT_STR("?"), &u, arena, &u), 0);
    assert_string_equal(u.text.ptr, "https://x.com:8443/p/q?");
    assert_true(u.has_query && !u.query.len);
}

static void entities_once(void **state) {
    static const pair list[] = {
        {"?a=1&amp;b=2", "?a=1&b=2"}, {"&amp;lt;", "&lt;"}, {"&amp;amp;", "&amp;"}, {"&lt;&gt;", "<>"},
        {"?a=1&copy=2&reg=3&para=4&times=5", "?a=1&copy=2&reg=3&para=4&times=5"},
        {"&AMP;", "&AMP;"}, {"&quot;&#39;", "&quot;&#39;"}, {"&", "&"}, {"&am", "&am"}, {"", ""},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        wt_str got = crawl_url_unescape(wt_str_of(list[i].raw), arena);
        assert_true(wt_str_eq(got, wt_str_of(list[i].want)));
    }
}

static void keys(void **state) {
    static const struct { const char *raw; unsigned merges; const char *want; } list[] = {
        {"http://a.com/x?utm_source=r&b=1&fbclid=9", 0, "http://a.com/x?b=1"},
        {"http://a.com/x?utm_source=r", 0, "http://a.com/x"},
        {"http://a.com/x?", 0, "http://a.com/x"},
        {"http://a.com/x?b=2&a=1", 0, "http://a.com/x?b=2&a=1"},
        {"http://a.com/x?b=2&a=1&", CRAWL_MERGE_QUERY, "http://a.com/x?a=1&b=2"},
        {"http://a.com/x?sutm_a=1&utm=2", 0, "http://a.com/x?sutm_a=1&utm=2"},
        {"https://www.a.com/x/", CRAWL_MERGE_SCHEME | CRAWL_MERGE_WWW | CRAWL_MERGE_SLASH, "://a.com/x"},
        {"https://a.com/", CRAWL_MERGE_SLASH, "https://a.com/"},
        {"https://www.com/", CRAWL_MERGE_WWW, "https://www.com/"},
        {"https://m.a.com:81/", CRAWL_MERGE_MOBILE, "https://a.com:81/"},
    };
    wt_buf key = {0};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        crawl_url url;
        assert_int_equal(crawl_url_parse(wt_str_of(list[i].raw), NULL, arena, &url), 0);
        crawl_url_key(&url, list[i].merges, &key);
        assert_string_equal(key.ptr, list[i].want);
        assert_string_equal(url.text.ptr, list[i].raw);     /* the fetch keeps what the key forgets */
    }
    wt_buf many = {0};                                      /* more parameters than fit on the stack */
    wt_buf_add_str(&many, WT_STR("http://a.com/?p199"));
    for (int i = 198; i >= 100; i--) wt_buf_printf(&many, "&p%d", i);
    crawl_url url;
    assert_int_equal(crawl_url_parse(wt_buf_view(&many), NULL, arena, &url), 0);
    crawl_url_key(&url, 0, &key);
    assert_string_equal(key.ptr, many.ptr);
    crawl_url_key(&url, CRAWL_MERGE_QUERY, &key);
    assert_true(wt_str_starts(wt_buf_view(&key), WT_STR("http://a.com/?p100&p101&")));
    wt_buf_free(&many);
    wt_buf_free(&key);
}

static void registered_domains(void **state) {
    static const pair list[] = {
        {"www.example.co.uk", "example.co.uk"}, {"a.b.example.com", "example.com"},
        {"example.com", "example.com"}, {"com", "com"}, {"co.uk", "co.uk"},
        {"127.0.0.1", "127.0.0.1"}, {"[::1]", "[::1]"}, {"me.github.io", "me.github.io"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_true(wt_str_eq(crawl_host_site(wt_str_of(list[i].raw)), wt_str_of(list[i].want)));
}

static void domain_sets(void **state) {
    crawl_domains *set = crawl_domains_new();
    static const char *const lines[] = {"Example.com", "*.one.test", ".two.test", "http://three.test/",
                                        "b\xc3\xbc" "cher.example", "10.0.0.1"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_true(crawl_domains_add(set, wt_str_of(lines[i])));
    assert_false(crawl_domains_add(set, WT_STR("")));
    assert_false(crawl_domains_add(set, WT_STR("a b")));
    assert_int_equal(crawl_domains_count(set), 6);
    static const struct { const char *host; bool want; } list[] = {
        {"example.com", true}, {"a.b.example.com", true}, {"notexample.com", false}, {"com", false},
        {"example.com.au", false}, {"one.test", true}, {"x.two.test", true}, {"three.test", true},
        {"www.xn--bcher-kva.example", true}, {"10.0.0.1", true}, {"1.10.0.0", false},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        assert_int_equal(crawl_domains_cover(set, wt_str_of(list[i].host)), list[i].want);
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "d%d.test", i);
        assert_true(crawl_domains_add(set, wt_str_of(name)));
    }
    assert_true(crawl_domains_cover(set, WT_STR("x.d999.test")));
    assert_false(crawl_domains_cover(set, WT_STR("d1000.test")));
    crawl_domains_free(set);
}

/* Any bytes: the normal form is printable ASCII, and its own normal form. */
static void normal_form_is_a_fixed_point(void **state) {
    static const char alphabet[] = "abcXYZ019%%%2eEfF./\\?#@:[]&;= \t~-_\xc3\xa9\xe2\x98\x83{}|";
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    int parsed = 0;
    for (int round = 0; round < 20000; round++) {
        char raw[64] = "http://a.b";
        size_t n = 7 + wt_rng_below(&rng, 4), end = n + wt_rng_below(&rng, 40);
        while (n < end) raw[n++] = alphabet[wt_rng_below(&rng, sizeof alphabet - 1)];
        crawl_url one, two;
        if (crawl_url_parse((wt_str){raw, n}, NULL, arena, &one)) continue;
        parsed++;
        for (size_t i = 0; i < one.text.len; i++)
            assert_true(one.text.ptr[i] > ' ' && one.text.ptr[i] < 127);
        assert_int_equal(crawl_url_parse(one.text, NULL, arena, &two), CRAWL_URL_OK);
        assert_string_equal(one.text.ptr, two.text.ptr);
        wt_arena_reset(arena);
    }
    assert_true(parsed > 2000);
}

static int setup(void **state) { return arena = wt_arena_new(0), 0; }
static int teardown(void **state) { return wt_arena_free(arena), 0; }

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc3986_references), cmocka_unit_test(normal_form),
        cmocka_unit_test(browsers_forgive), cmocka_unit_test(hosts), cmocka_unit_test(faults),
        cmocka_unit_test(parts_are_slices), cmocka_unit_test(entities_once), cmocka_unit_test(keys),
        cmocka_unit_test(registered_domains), cmocka_unit_test(domain_sets),
        cmocka_unit_test(normal_form_is_a_fixed_point),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

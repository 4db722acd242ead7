/* crawl_robots.c - robots.txt against the examples of RFC 9309, against what Google has published about
 * its own reading, by kind, and against a naive twin: a matcher that tries every way, on random rules
 * and paths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/rng.h"
#include "crawl/robots.h"

static bool allows(const char *text, const char *token, const char *target) {
    robots *r = robots_parse(wt_str_of(text), wt_str_of(token));
    bool yes = robots_allowed(r, wt_str_of(target));
    robots_free(r);
    return yes;
}

typedef struct {
    const char *text, *token, *target;
    bool allowed;
} vector;

static void check_vectors(const vector *v, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (allows(v[i].text, v[i].token, v[i].target) != v[i].allowed)
            fail_msg("vector %zu: %s for %s with '%s'", i, v[i].target, v[i].token, v[i].text);
}
#define CHECK(v) check_vectors(v, sizeof(v) / sizeof *(v))

/* RFC 9309, 5.1: the simple example. */
#define SIMPLE "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n" \
    "User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n" \
    "User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\nUser-Agent: quxbot\n"
/* RFC 9309, 5.2: longest match. */
#define LONGEST "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n"

static void examples_of_the_rfc(void **state) {
    static const vector v[] = {
        {SIMPLE, "otherbot", "/publications/x", true},      {SIMPLE, "otherbot", "/example/", false},
        {SIMPLE, "otherbot", "/a/b.gif", false},            {SIMPLE, "otherbot", "/a/b.gif?x", true},
        {SIMPLE, "foobot", "/", false},                     {SIMPLE, "foobot", "/example/page.html", true},
        {SIMPLE, "foobot", "/example/allowed.gif", true},   {SIMPLE, "foobot", "/publications/", false},
        {SIMPLE, "BarBot", "/example/page.html", false},    {SIMPLE, "bazbot", "/example/page.html", false},
        {SIMPLE, "bazbot", "/a.gif", true},                 {SIMPLE, "quxbot", "/example/", true},
        {SIMPLE, "quxbot", "/a.gif", true},                 {LONGEST, "foobot", "/example/page/", true},
        {LONGEST, "foobot", "/example/page/disallowed.gif", false},
        /* 2.2.2: percent-encoding */
        {"user-agent: a\ndisallow: /foo/bar?baz=quz", "a", "/foo/bar?baz=quz", false},
        {"user-agent: a\ndisallow: /foo/bar?baz=http://foo.bar", "a", "/foo/bar?baz=http%3A%2F%2Ffoo.bar", false},
        {"user-agent: a\ndisallow: /foo/bar?baz=http%3A%2F%2Ffoo.bar", "a", "/foo/bar?baz=http://foo.bar", false},
        {"user-agent: a\ndisallow: /foo/bar/\xe3\x83\x84", "a", "/foo/bar/%E3%83%84", false},
        {"user-agent: a\ndisallow: /foo/bar/%e3%83%84", "a", "/foo/bar/\xe3\x83\x84", false},
        {"user-agent: a\ndisallow: /foo/bar/%62%61%7A", "a", "/foo/bar/baz", false},
        /* 2.2.3: special characters */
        {"user-agent: a\ndisallow: /this/path/exactly$", "a", "/this/path/exactly", false},
        {"user-agent: a\ndisallow: /this/path/exactly$", "a", "/this/path/exactly/", true},
        {"user-agent: a\ndisallow: /this/*/exactly", "a", "/this/and/that/exactly?x", false},
        {"user-agent: a\ndisallow: /path/file-with-a-%2A.html", "a", "/path/file-with-a-*.html", false},
        {"user-agent: a\ndisallow: /path/file-with-a-%2A.html", "a", "/path/file-with-a-b.html", true},
        {"user-agent: a\ndisallow: /path/foo-%24", "a", "/path/foo-$", false},
        {"user-agent: a\ndisallow: /path/foo-%24", "a", "/path/foo-", true},
        /* 2.2: rules before any group; other lines; groups joined; comments */
        {"disallow: /\nuser-agent: a\nallow: /x", "a", "/y", true},
        {"user-agent: a\nsitemap: http://x/\ndisallow: /x\nsitemap: y\ndisallow: /y", "a", "/y", false},
        {"user-agent: a\ndisallow: /x\n\nuser-agent: b\ndisallow: /\n\nuser-agent: A\ndisallow: /y", "a", "/y", false},
        {"user-agent: a\nuser-agent: b\ndisallow: /x", "a", "/x", false},
        {"user-agent: a\nsitemap: z\nuser-agent: b\ndisallow: /x", "a", "/x", false},
        {"user-agent: a # us\ndisallow: /x # not this", "a", "/x", false},
        {"user-agent: a\n\n\ndisallow: /x", "a", "/x", false},
        /* allow wins a tie; "/robots.txt" is always allowed */
        {"user-agent: a\ndisallow: /x\nallow: /x", "a", "/x", true},
        {"user-agent: *\ndisallow: /", "a", "/robots.txt", true},
        {"user-agent: *\ndisallow: /", "a", "/robots.txt?x", true},
        {"", "a", "/x", true},
        {"user-agent: *\ndisallow:", "a", "/x", true},
    };
    CHECK(v);
}

/* What Google documents beyond or beside the RFC ("How Google interprets the robots.txt specification").
 * Kind 1: same reading. Kind 2: its leniency, which we share. Kind 3: we follow the RFC instead. */
static void googles_reading(void **state) {
    static const vector same[] = {
        {"user-agent: a\ndisallow: /fish", "a", "/fish.html", false},
        {"user-agent: a\ndisallow: /fish", "a", "/fishheads/yummy.html", false},
        {"user-agent: a\ndisallow: /fish", "a", "/Fish.asp", true},
        {"user-agent: a\ndisallow: /fish", "a", "/catfish", true},
        {"user-agent: a\ndisallow: /fish", "a", "/?id=fish", true},
        {"user-agent: a\ndisallow: /fish*", "a", "/fish/salmon.html", false},
        {"user-agent: a\ndisallow: /fish/", "a", "/fish", true},
        {"user-agent: a\ndisallow: /fish/", "a", "/fish/?id=anything", false},
        {"user-agent: a\ndisallow: /*.php", "a", "/folder/filename.php?parameters", false},
        {"user-agent: a\ndisallow: /*.php", "a", "/", true},
        {"user-agent: a\ndisallow: /*.php", "a", "/windows.PHP", true},
        {"user-agent: a\ndisallow: /*.php$", "a", "/filename.php", false},
        {"user-agent: a\ndisallow: /*.php$", "a", "/filename.php/", true},
        {"user-agent: a\ndisallow: /*.php$", "a", "/filename.php5", true},
        {"user-agent: a\ndisallow: /fish*.php", "a", "/fishheads/catfish.php?parameters", false},
        {"user-agent: a\ndisallow: /fish*.php", "a", "/Fish.PHP", true},
        {"user-agent: a\nallow: /p\ndisallow: /", "a", "/page", true},
        {"user-agent: a\nallow: /folder\ndisallow: /folder", "a", "/folder/page", true},
        {"user-agent: a\nallow: /page\ndisallow: /*.htm", "a", "/page.htm", false},
        {"user-agent: a\nallow: /page\ndisallow: /*.ph", "a", "/page.php5", true},
        {"user-agent: a\nallow: /$\ndisallow: /", "a", "/", true},
        {"user-agent: a\nallow: /$\ndisallow: /", "a", "/page.htm", false},
        {"\xef\xbb\xbfuser-agent: a\ndisallow: /x", "a", "/x", false},
        {"\xef\xbbuser-agent: a\ndisallow: /x", "a", "/x", false},
        {"user-agent: a\rdisallow: /x\rallow: /y", "a", "/x", false},
        {"user-agent: a\r\ndisallow: /x\r\n", "a", "/x", false},
        {"USER-AGENT: A\nDISALLOW: /x", "a", "/x", false},
        {"user-agent:a\ndisallow:/x", "a", "/x", false},
        {"  user-agent :  a  \n\tdisallow\t:\t/x\t", "a", "/x", false},
        {"user-agent: a/1.2 (info)\ndisallow: /x", "a", "/x", false},
        {"user-agent: ab\ndisallow: /x", "a", "/x", true},
        {"user-agent: * baz\ndisallow: /x", "a", "/x", false},
        {"user-agent: *baz\ndisallow: /x", "a", "/x", true},
        {"user-agent: a\ndisallow: x", "a", "/x", true},
        {"user-agent: a\ndisallow: /x\nunknown: /y\nallow: /x/y", "a", "/x/y", true},
        {"user-agent: *\ndisallow: /x\n\nuser-agent: a\n", "a", "/x", true},
    };
    static const vector lenient[] = {
        {"user-agent a\ndisallow /x", "a", "/x", false},
        {"useragent: a\ndisallow: /x", "a", "/x", false},
        {"user agent: a\ndissallow: /x", "a", "/x", false},
        {"user-agent: a\ndissalow: /x", "a", "/x", false},
        {"user-agent: a\ndisalow: /x", "a", "/x", false},
        {"user-agent: a\ndiasllow: /x", "a", "/x", false},
        {"user-agent: a\ndisallaw: /x", "a", "/x", false},
        {"disallow these pages please", "a", "/x", true},
    };
    static const vector rfc_instead[] = {
        {"user-agent: a\ndisallow: /foo/bar/%62%61%7A", "a", "/foo/bar/baz", false},
        {"user-agent: a\ndisallow: /\nallow: /allowed-slash/index.html", "a", "/allowed-slash/", false},
    };
    CHECK(same);
    CHECK(lenient);
    CHECK(rfc_instead);
}

static void delays_and_limits(void **state) {
    robots *r = robots_parse(WT_STR("user-agent: *\ncrawl-delay: 2.5\ndisallow: /x\nuser-agent: b\ncrawl-delay: 9"), WT_STR("a"));
    assert_true(robots_crawl_delay(r) == 2.5);
    assert_int_equal(robots_rule_count(r), 1);
    robots_free(r);
    r = robots_parse(WT_STR("user-agent: *\ncrawl-delay: soon\ncrawl-delay: -4\ncrawl-delay: nan\ncrawl-delay: 1e999"), WT_STR("a"));
    assert_true(robots_crawl_delay(r) == -1);
    robots_free(r);
    /* A rule at the end of 512 KiB counts, one behind it does not. */
    wt_buf b = {0};
    wt_buf_add_str(&b, WT_STR("user-agent: a\ndisallow: /near\n"));
    while (b.len < ROBOTS_BYTES_MAX)
        wt_buf_add_str(&b, WT_STR("# filling\n"));
    wt_buf_add_str(&b, WT_STR("disallow: /far\n"));
    r = robots_parse(wt_buf_view(&b), WT_STR("a"));
    assert_false(robots_allowed(r, WT_STR("/near")));
    assert_true(robots_allowed(r, WT_STR("/far")));
    robots_free(r);
    wt_buf_free(&b);
    r = robots_constant(false);
    assert_false(robots_allowed(r, WT_STR("/")));
    assert_true(robots_allowed(r, WT_STR("/robots.txt")));
    robots_free(r);
}

/* The patterns that kill back-tracking matchers: must come back, and with the right answer. */
static void stars_without_end(void **state) {
    wt_buf rule = {0}, path = {0};
    wt_buf_add_str(&rule, WT_STR("user-agent: a\ndisallow: /"));
    for (int i = 0; i < 2000; i++)
        wt_buf_add_str(&rule, WT_STR("*a"));
    wt_buf_add_char(&rule, 'b');
    wt_buf_add_char(&path, '/');
    for (int i = 0; i < 8000; i++)
        wt_buf_add_char(&path, 'a');
    robots *r = robots_parse(wt_buf_view(&rule), WT_STR("a"));
    assert_true(robots_allowed(r, wt_buf_view(&path)));
    wt_buf_add_char(&path, 'b');
    assert_false(robots_allowed(r, wt_buf_view(&path)));
    robots_free(r);
    wt_buf_free(&rule), wt_buf_free(&path);
}

/* ---- the naive twin: tries every place a star can end ---- */
static bool naive_match(const char *p, const char *s) {
    if (*p == 0)
        return true;
    if (*p == '$' && p[1] == 0)
        return *s == 0;
    if (*p == '*')
        return naive_match(p + 1, s) || (*s && naive_match(p, s + 1));
    return *p == *s && naive_match(p + 1, s + 1);
}

static void random_rules_and_the_twin(void **state) {
    wt_rng rng;
    wt_rng_init(&rng, 7, 0);
    for (int round = 0; round < 4000; round++) {
        struct {
            char pattern[16];
            bool allow;
        } rule[6];
        char text[512] = "user-agent: a\n", path[16] = "/";
        int n = 1 + (int)wt_rng_below(&rng, 6);
        for (int i = 0; i < n; i++) {
            static const char alphabet[] = "ab/*c*";
            size_t len = wt_rng_below(&rng, 9);
            rule[i].pattern[0] = '/';
            for (size_t k = 1; k <= len; k++)
                rule[i].pattern[k] = alphabet[wt_rng_below(&rng, 6)];
            rule[i].pattern[len + 1] = 0;
            if (wt_rng_below(&rng, 4) == 0)
                strcat(rule[i].pattern, "$");
            rule[i].allow = wt_rng_below(&rng, 2);
            sprintf(text + strlen(text), "%s: %s\n", rule[i].allow ? "allow" : "disallow", rule[i].pattern);
        }
        robots *r = robots_parse(wt_str_of(text), WT_STR("a"));
        for (int k = 0; k < 20; k++) {
            size_t len = wt_rng_below(&rng, 12), longest = 0;
            for (size_t i = 1; i <= len; i++)
                path[i] = "ab/c"[wt_rng_below(&rng, 4)];
            path[len + 1] = 0;
            bool allowed = true;
            for (int i = 0; i < n; i++) {
                size_t octets = strlen(rule[i].pattern);
                if (!naive_match(rule[i].pattern, path) || octets < longest)
                    continue;
                allowed = rule[i].allow || (octets == longest && allowed && longest > 0);
                longest = octets;
            }
            if (robots_allowed(r, wt_str_of(path)) != allowed)
                fail_msg("%s with\n%s: the twin says %d", path, text, allowed);
        }
        robots_free(r);
    }
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc), cmocka_unit_test(googles_reading),
        cmocka_unit_test(delays_and_limits),   cmocka_unit_test(stars_without_end),
        cmocka_unit_test(random_rules_and_the_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

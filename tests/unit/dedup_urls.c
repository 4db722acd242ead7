/* dedup_urls.c - URLs that name the same page, by a naive canonical form: lower-cased host without "www." and
 * default port, path without slashes at its end, query without utm_*, no scheme, no fragment. Of random URLs from a few
 * parts, a URL is dropped exactly where its form was there before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <ctype.h>
#include <stdlib.h>

#include "common/rng.h"
#include "dedup/dedup.h"

static const char *const SCHEMES[] = {"http://", "https://", "HTTP://", "", "ftp://", "longschemes://"};
static const char *const HOSTS[] = {"a.de", "A.de", "www.a.de", "WWW.A.DE", "a.de:80", "a.de:443", "a.de:8080", "www.", "x",
                                    "a-rather-long-host-name.example.org", "www.A-rather-long-host-name.example.ORG:80"};
static const char *const PATHS[] = {"", "/", "//", "/p", "/p/", "/P", "/a/longer/path/of/thirty/two/b", "/a/longer/path/of/thirty/two/b//", "/p:80/w"};
static const char *const QUERIES[] = {"", "?", "?q=1", "?q=1&", "?utm_source=a&q=1", "?q=1&utm_x=2", "?q=2", "?a=1&b=2", "?b=2&a=1",
                                      "?utm_medium=0123456789abcdef", "?an_argument=of_more_than_sixteen&b", "?&&an_argument=of_more_than_sixteen&b"};
static const char *const FRAGMENTS[] = {"", "#", "#top", "#?q=1&b/c", "#a-fragment-of-more-than-sixteen"};
#define PICK(LIST) LIST[wt_rng_below(rng, sizeof LIST / sizeof *LIST)]

static void random_url(wt_rng *rng, wt_buf *url) {
    const char *space = wt_rng_below(rng, 9) ? "" : " \t";
    const char *scheme = PICK(SCHEMES), *host = PICK(HOSTS), *path = PICK(PATHS), *query = PICK(QUERIES), *fragment = PICK(FRAGMENTS);
    url->len = 0;
    wt_buf_printf(url, "%s%s%s%s%s%s%s", space, scheme, host, path, query, fragment, space);
}

static void canonical(wt_str url, wt_buf *out) {
    url = wt_str_trim(url);
    ptrdiff_t colon = wt_str_find(url, WT_STR("://"));
    if (colon >= 0 && colon < 10) url.ptr += colon + 3, url.len -= (size_t)colon + 3;
    ptrdiff_t hash = wt_str_find(url, WT_STR("#"));
    if (hash >= 0) url.len = (size_t)hash;
    ptrdiff_t mark = wt_str_find(url, WT_STR("?"));
    wt_str query = {0}, pair;
    if (mark >= 0) query = (wt_str){url.ptr + mark + 1, url.len - (size_t)mark - 1}, url.len = (size_t)mark;
    ptrdiff_t slash = wt_str_find(url, WT_STR("/"));
    wt_str host = {url.ptr, slash >= 0 ? (size_t)slash : url.len}, path = {url.ptr + host.len, url.len - host.len};
    while (path.len && path.ptr[path.len - 1] == '/') path.len--;
    out->len = 0;
    for (size_t i = 0; i < host.len; i++) wt_buf_add_char(out, (char)tolower((unsigned char)host.ptr[i]));
    if (wt_str_starts(wt_buf_view(out), WT_STR("www.")) && out->len > 4) memmove(out->ptr, out->ptr + 4, out->len -= 4);
    if (wt_str_ends(wt_buf_view(out), WT_STR(":80"))) out->len -= 3;
    else if (wt_str_ends(wt_buf_view(out), WT_STR(":443"))) out->len -= 4;
    wt_buf_add_char(out, '\n');
    wt_buf_add_str(out, path);
    while (query.len) {
        pair = wt_str_cut(&query, '&');
        if (pair.len == 0 || wt_str_starts(pair, WT_STR("utm_"))) continue;
        wt_buf_add_char(out, '\n');
        wt_buf_add_str(out, pair);
    }
}

static void a_url_is_dropped_where_its_form_was_there(void **state) {
    enum { N = 6000 };
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    wt_err err = {0};
    dedup_rules rules = dedup_rules_default();
    rules.exact = rules.near = false;
    rules.urls = true;
    dedup *d = dedup_new(&rules, &err);
    assert_non_null(d);
    dedup_batch *batch = dedup_batch_new();
    static char *forms[N];
    size_t n_forms = 0, n_dropped = 0;
    wt_buf url = {0}, form = {0};
    for (int i = 0; i < N; i++) {
        random_url(&rng, &url);
        canonical(wt_buf_view(&url), &form);
        char *exact = malloc(url.len);                /* so that a read behind its end is seen */
        memcpy(exact, url.ptr, url.len);
        dedup_batch_clear(batch);
        dedup_batch_add(d, batch, WT_STR("x"), (wt_str){exact, url.len});
        assert_int_equal(dedup_judge(d, batch, 1, &err), 0);
        bool dropped = dedup_batch_verdict(batch, 0).cause == DEDUP_URL, known = false;
        for (size_t f = 0; f < n_forms && !known; f++) known = wt_str_eq(wt_str_of(forms[f]), wt_buf_view(&form));
        if (dropped != known) fail_msg("'%.*s' was %sdropped", WT_FMT(wt_buf_view(&url)), dropped ? "" : "not ");
        if (!known) forms[n_forms++] = wt_xstrndup(wt_buf_view(&form));
        n_dropped += dropped;
        free(exact);
    }
    assert_true(n_forms > 200 && n_dropped > 1000);
    for (size_t f = 0; f < n_forms; f++) free(forms[f]);
    wt_buf_free(&url), wt_buf_free(&form);
    dedup_batch_free(batch);
    dedup_free(d);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_dropped_where_its_form_was_there),
    };
    return cmocka_run_group_tests_name("dedup_urls", tests, NULL, NULL);
}

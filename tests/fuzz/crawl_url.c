/* crawl_url.c - any bytes as an address, alone and relative to another: no crash, and what parses is
 * printable ASCII, is its own normal form, and has slices that lie in it. */
#include <stdio.h>
#include <stdlib.h>

#include "crawl/url.h"

static void must(bool truth, const char *what) {
    if (truth) return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static bool inside(wt_str part, wt_str whole) {
    return part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len;
}

static void check(const crawl_url *url, wt_arena *arena) {
    crawl_url again;
    for (size_t i = 0; i < url->text.len; i++) must(url->text.ptr[i] > ' ' && url->text.ptr[i] < 127, "printable");
    must(url->text.len <= CRAWL_URL_MAX && url->path.ptr[0] == '/', "limits");
    must(inside(url->host, url->text) && inside(url->target, url->text) && inside(url->query, url->text), "slices");
    must(crawl_url_parse(url->text, NULL, arena, &again) == CRAWL_URL_OK, "a normal form parses");
    must(wt_str_eq(url->text, again.text), "a normal form is its own");
    wt_buf key = {0}, same = {0};
    crawl_url_key(url, 31, &key);
    crawl_url_key(&again, 31, &same);
    must(wt_str_eq(wt_buf_view(&key), wt_buf_view(&same)), "equal addresses have equal keys");
    must(crawl_host_site(url->host).len > 0, "a site");
    wt_buf_free(&key), wt_buf_free(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_arena *arena = wt_arena_new(0);
    crawl_url url, relative;
    wt_str text = {(const char *)data, size}, rest = text, first = wt_str_cut(&rest, '\n');
    if (crawl_url_parse(text, NULL, arena, &url) == CRAWL_URL_OK) check(&url, arena);
    if (crawl_url_parse(first, NULL, arena, &url) == CRAWL_URL_OK &&
        crawl_url_parse(rest, &url, arena, &relative) == CRAWL_URL_OK)
        check(&relative, arena);
    wt_str plain = crawl_url_unescape(text, arena), host;
    must(plain.len <= text.len, "decoding never grows");
    crawl_host_normalize(text, arena, &host);
    wt_arena_free(arena);
    return 0;
}

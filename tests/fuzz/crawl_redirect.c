/* crawl_redirect.c - any bytes as the header of an answer: Location, Retry-After and the rest as the crawler
 * takes them, and the record that is made of it. */
#include <stdint.h>
#include <stdlib.h>

#include "common/warc.h"
#include "crawl/capture.h"
#include "crawl/crawler_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static capture_writer *writer;
    static wt_arena *arena;
    if (!writer) {
        writer = capture_writer_new(1, true, 1);
        arena = wt_arena_new(0);
    }
    wt_arena_reset(arena);
    crawl_url base, url;
    crawl_url_parse(WT_STR("http://example.com/a/b?c"), NULL, arena, &base);
    wt_str header = {(const char *)data, size};
    wt_str location = wt_http_field(header, "Location");
    if (location.len && crawl_url_parse(location, &base, arena, &url) == CRAWL_URL_OK) {
        crawl_url again;
        if (crawl_url_parse(url.text, NULL, arena, &again) != CRAWL_URL_OK || !wt_str_eq(url.text, again.text))
            abort();                                   /* a normal form stays as it is */
    }
    double wait = retry_after(header);
    if (!(wait >= -1))
        abort();
    fetch x = {.url = "http://example.com/", .status = 200};
    capture out = {0};
    const char *blank = memmem(data, size, "\r\n\r\n", 4);
    size_t n = blank ? (size_t)(blank + 4 - (const char *)data) : size;
    wt_buf_add(&x.header, data, n);
    wt_buf_add(&x.body, data + n, size - n);
    if (capture_encode(writer, &x, &out, NULL))
        abort();
    fetch_reset(&x);
    wt_buf_free(&out.records);
    return 0;
}

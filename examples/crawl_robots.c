/* crawl_robots.c - may this address be fetched, and is it one of the public Internet? The crawl stage as a
 * library: robots.txt of a file or standard input, addresses as arguments.
 *
 *     crawl_robots robots.txt MyBot http://example.com/private/x http://example.com/ */
#include <stdio.h>

#include "common/fs.h"
#include "crawl/crawl.h"

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_buf text = {0};
    if (argc < 4) {
        fprintf(stderr, "usage: crawl_robots FILE NAME URL...\n");
        return 2;
    }
    if (wt_read_file(argv[1], ROBOTS_BYTES_MAX, &text, &err)) {
        fprintf(stderr, "crawl_robots: %s\n", err.text);
        return 1;
    }
    robots *rules = robots_parse(wt_buf_view(&text), wt_str_of(argv[2]));
    wt_arena *arena = wt_arena_new(0);
    if (robots_crawl_delay(rules) >= 0)
        printf("%s should wait %g seconds between requests\n", argv[2], robots_crawl_delay(rules));
    for (int i = 3; i < argc; i++) {
        crawl_url url;
        char why[200];
        crawl_url_fault fault = crawl_url_parse(wt_str_of(argv[i]), NULL, arena, &url);
        if (fault) {
            printf("%s: %s\n", argv[i], crawl_url_fault_text(fault));
            continue;
        }
        char host[256];
        snprintf(host, sizeof host, "%.*s", WT_FMT(url.host));
        const char *special = address_special_text(host, NULL);
        robots_reason(rules, url.target, why, sizeof why);
        printf("%.*s: %s%s%s%s%s\n", WT_FMT(url.text), robots_allowed(rules, url.target) ? "allowed" : "forbidden",
               why[0] ? " by " : "", why, special ? ", but the host is a special address: " : "", special ? special : "");
    }
    wt_arena_free(arena);
    robots_free(rules);
    wt_buf_free(&text);
    return 0;
}

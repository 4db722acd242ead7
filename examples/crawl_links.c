/* crawl_links.c - the domains that one subreddit recommends, from a dump: the link stage used from another
 * program. A post comes to the callback when it passes the rules; pages are told apart by their key.
 *
 *     crawl_links RS_2016-01.zst science                                                             */
#include <stdio.h>
#include <stdlib.h>

#include "common/tally.h"
#include "crawl/crawl.h"

typedef struct {
    wt_tally *domains;
    bool *seen;             /* by the low bits of the key: an example's idea of a set */
    uint64_t pages;
} summary;

#define SEEN_BITS 24

static int each_post(void *ctx, const links_post *post, wt_err *err) {
    summary *s = ctx;
    uint64_t slot = post->key.lo >> (64 - SEEN_BITS);
    if (s->seen[slot]) return 0;
    s->seen[slot] = true;
    s->pages++;
    wt_arena *arena = wt_arena_new(0);
    crawl_url url;
    if (crawl_url_parse(post->url, NULL, arena, &url) == CRAWL_URL_OK) wt_tally_add(s->domains, crawl_host_site(url.host), 1);
    wt_arena_free(arena);
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return fprintf(stderr, "usage: crawl_links DUMP [SUBREDDIT]\n"), 2;
    wt_err err = {0};
    links_rules *rules = links_rules_new("webtext", &err);
    links_stats *stats = calloc(1, sizeof *stats);
    summary s = {.domains = wt_tally_new(), .seen = calloc(1 << SEEN_BITS, sizeof(bool))};
    if (!rules || !stats || !s.seen) return 1;
    rules->min_score = 10;
    if (argc > 2) links_names_add(rules->only_subreddits, wt_str_of(argv[2]));

    int result = links_scan_file(argv[1], rules, 0, each_post, &s, stats, &err);
    if (result) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        size_t n;
        wt_tally_entry *top = wt_tally_sorted(s.domains, &n);
        printf("%llu of %llu records are pages to read\n", (unsigned long long)s.pages,
               (unsigned long long)links_stats_records(stats));
        for (size_t i = 0; i < n && i < 20; i++) printf("%8llu  %.*s\n", (unsigned long long)top[i].n, WT_FMT(top[i].name));
        free(top);
    }
    wt_tally_free(s.domains);
    links_rules_free(rules);
    free(s.seen), free(stats);
    return result ? 1 : 0;
}

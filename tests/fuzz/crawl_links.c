/* crawl_links.c - any bytes as a dump: no crash, every record counted once, every post sound. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "crawl/crawl.h"

static int check_post(void *ctx, const links_post *post, wt_err *err) {
    ++*(uint64_t *)ctx;
    if (!wt_str_starts(post->url, WT_STR("http")) || post->score < 3) abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static links_rules *rules;
    static links_stats stats;
    if (!rules && !(rules = links_rules_new("webtext", NULL))) abort();
    char path[64];
    int fd = memfd_create("dump", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    uint64_t posts = 0;
    wt_err err = {0};
    int result = links_scan_file(path, rules, 1, check_post, &posts, &stats, &err);
    close(fd);
    if (posts != stats.verdict[LINKS_TAKEN] && result == 0) abort();
    if (result && !err.text[0]) abort();
    return 0;
}

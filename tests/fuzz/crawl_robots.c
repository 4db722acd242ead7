/* crawl_robots.c - any bytes as robots.txt, with a path behind the first NUL. */
#include <stdint.h>
#include <stdlib.h>

#include "crawl/robots.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_str all = {(const char *)data, size}, path = {"/", 1};
    const char *nul = size ? memchr(data, 0, size) : NULL;
    if (nul) {
        path = (wt_str){nul + 1, size - (size_t)(nul + 1 - all.ptr)};
        all.len = (size_t)(nul - all.ptr);
        if (path.len > 4096)
            path.len = 4096;
    }
    char why[100];
    robots *r = robots_parse(all, WT_STR("webtext"));
    bool yes = robots_allowed(r, path);
    robots_reason(r, path, why, sizeof why);
    if (!yes && !why[0])
        abort();                                       /* a refusal has a rule */
    if (robots_crawl_delay(r) < -1)
        abort();
    robots_free(r);
    return 0;
}

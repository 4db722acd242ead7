/* crawl_robots.c - how fast robots.txt is read and asked: a usual file of 40 rules, the largest that counts (512 KiB),
 * and a rule of 1,000 stars made to hurt. One line of JSON. */
#include <stdio.h>

#include "common/rng.h"
#include "common/tool.h"
#include "crawl/robots.h"

static wt_buf make_file(size_t bytes, int n_rules) {
    wt_buf b = {0};
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    wt_buf_add_str(&b, WT_STR("User-agent: *\n"));
    for (int i = 0; (n_rules ? i < n_rules : 1) && b.len < bytes; i++)
        wt_buf_printf(&b, i % 5 ? "Disallow: /dir%d/page%d\n" : "Disallow: /dir%d/*/print%d$\n",
                      (int)wt_rng_below(&rng, 1000), i);
    return b;
}

static double parse_ms(wt_str text, int times) {
    double t = wt_cpu_seconds();
    for (int i = 0; i < times; i++)
        robots_free(robots_parse(text, WT_STR("webtext")));
    return (wt_cpu_seconds() - t) / times * 1000;
}

static double asks_per_s(wt_str text, wt_str path, int times) {
    robots *r = robots_parse(text, WT_STR("webtext"));
    double t = wt_cpu_seconds();
    int yes = 0;
    for (int i = 0; i < times; i++)
        yes += robots_allowed(r, path);
    t = wt_cpu_seconds() - t;
    robots_free(r);
    return yes >= 0 ? times / t : 0;
}

int main(void) {
    wt_buf usual = make_file((size_t)1 << 30, 40), large = make_file(ROBOTS_BYTES_MAX, 0), evil = {0};
    wt_buf_add_str(&evil, WT_STR("User-agent: *\nDisallow: /"));
    for (int i = 0; i < 1000; i++)
        wt_buf_add_str(&evil, WT_STR("*a"));
    wt_buf_add_str(&evil, WT_STR("b\n"));
    char path[2049];
    memset(path, 'a', 2048);
    path[0] = '/', path[2048] = 0;
    wt_str page = WT_STR("/articles/2017/11/some-title-of-a-page.html?id=7");
    printf("{\"bench\":\"robots\",\"usual_parse_us\":%.1f,\"usual_asks_per_s\":%.0f,\"large_parse_ms\":%.2f,\"large_asks_per_s\":%.0f,"
           "\"evil_asks_per_s\":%.0f}\n",
           parse_ms(wt_buf_view(&usual), 20000) * 1000, asks_per_s(wt_buf_view(&usual), page, 2000000),
           parse_ms(wt_buf_view(&large), 50), asks_per_s(wt_buf_view(&large), page, 20000),
           asks_per_s(wt_buf_view(&evil), wt_str_of(path), 2000));
    return 0;
}

/* crawl_fetch.c - how many pages a CPU second the fetching engine takes alone: no robots.txt, no archive,
 * no state. crawl_fetch LIST CONNECTIONS: fetches each address of the list once, all from 127.0.0.1. */
#include <stdio.h>
#include <stdlib.h>

#include "common/in.h"
#include "common/memory.h"
#include "common/tool.h"
#include "crawl/fetch.h"
#include "crawl/url.h"

typedef struct {
    fetch x;
    crawl_url url;
    wt_arena *arena;
} item;

static bool start_next(fetcher *f, wt_in *in, item *it) {
    wt_str line;
    uint64_t too_long = 0;
    wt_arena_reset(it->arena);
    if (wt_in_line(in, 65536, &line, &too_long, NULL) != 1 ||
        crawl_url_parse(line, NULL, it->arena, &it->url) != CRAWL_URL_OK)
        return false;
    it->x.url = it->url.text.ptr;
    it->x.host = it->url.host;
    it->x.port = it->url.port;
    it->x.address = "127.0.0.1";
    it->x.body_max = 4 << 20;
    fetcher_start(f, &it->x);
    return true;
}

int main(int argc, char **argv) {
    fetch_options options = {.user_agent = "bench", .timeout_s = 60, .connect_timeout_s = 10, .low_speed_s = 20,
                             .low_speed_bytes = 1, .allow_private = true};
    wt_err err = {0};
    if (argc != 3)
        return 2;
    int n_conns = atoi(argv[2]), n_running = 0;
    uint64_t pages = 0, bytes = 0, failed = 0;
    options.connections = n_conns;
    fetch_global_init();
    wt_in *in = wt_in_open(argv[1], &err);
    fetcher *f = fetcher_new(&options, &err);
    if (!in || !f) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    item *items = wt_xcalloc((size_t)n_conns, sizeof *items);
    double wall = wt_now(), cpu = wt_cpu_seconds();
    for (int i = 0; i < n_conns; i++) {
        items[i].arena = wt_arena_new(4096);
        n_running += start_next(f, in, &items[i]);
    }
    while (n_running) {
        for (fetch *x = fetcher_wait(f, 1), *next; x; x = next) {
            next = x->next;
            pages += x->end == FETCH_OK && x->status == 200;
            failed += x->end != FETCH_OK || x->status != 200;
            bytes += x->body.len;
            n_running += start_next(f, in, (item *)x) - 1;
        }
    }
    cpu = wt_cpu_seconds() - cpu;
    wall = wt_now() - wall;
    printf("{\"pages\":%llu,\"failed\":%llu,\"bytes\":%llu,\"cpu_s\":%.3f,\"wall_s\":%.3f,\"pages_per_cpu_s\":%.0f,\"peak_mb\":%.1f}\n",
           (unsigned long long)pages, (unsigned long long)failed, (unsigned long long)bytes, cpu, wall,
           (double)pages / cpu, (double)wt_memory_peak() / 1048576.0);
    for (int i = 0; i < n_conns; i++) {
        fetch_reset(&items[i].x);
        wt_arena_free(items[i].arena);
    }
    free(items);
    fetcher_free(f);
    wt_in_close(in);
    return failed ? 1 : 0;
}

/* crawler.h - crawls a list of addresses into WARC files, politely, and survives being killed.
 *
 * DIR/warc/NNNNN.warc.gz holds every answer, DIR/state.sqlite what came of every address (both in
 * docs/formats/crawl.md). Every address of the list gets exactly one outcome; every answer that counts
 * exactly one response record. A crawl that was stopped or killed goes on when called again with
 * the same list. Nothing but the list and its redirects is followed. */
#ifndef WT_CRAWL_CRAWLER_H
#define WT_CRAWL_CRAWLER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

typedef struct {
    const char *output;         /* DIR, exists */
    char **inputs;              /* link lists: JSON lines with "url", or one address a line */
    int n_inputs;
    uint64_t limit;             /* take this many addresses of the list; 0: all */

    /* manners */
    const char *user_agent;
    const char *robots_token;   /* NULL: taken from user_agent */
    bool ignore_robots;
    int per_host;               /* connections to one host at a time */
    double delay_s;             /* rest of a host between requests */
    double backoff_s;           /* first rest after 429, 503 and failures; doubles */
    double retry_after_max_s;   /* who asks for more is left alone */
    int retries;                /* of an address, after its first try */

    /* limits */
    int max_conns;
    double timeout_s;
    uint64_t max_bytes;         /* of a body, on the wire */
    int max_redirects;
    bool any_type;              /* also fetch what is no text */

    /* network */
    bool allow_private;
    const char *const *connect_to;    /* HOST:PORT:ADDR:PORT, as curl's */
    int n_connect_to;
    const char *cacert, *proxy;
    bool http2;
    bool give_up_names;         /* addresses are given up also where no name at all was known */

    /* output */
    int level;                  /* gzip */
    bool no_requests;           /* leave request records out */
    uint64_t file_bytes;
    int threads;
    uint64_t seed;
} crawler_options;

#define CRAWLER_DEFAULTS                                                                             \
    .per_host = 1, .delay_s = 2, .backoff_s = 30, .retry_after_max_s = 3600, .retries = 3,           \
    .max_conns = 1000, .timeout_s = 60, .max_bytes = 4 << 20, .max_redirects = 10, .level = 1,       \
    .file_bytes = 1000000000, .threads = 1

/* The product token robots.txt knows us by: the first word of a user agent, or what stands behind
 * "compatible;". */
wt_str crawler_token(const char *user_agent);

/* 0: every address has its outcome. -1: WT_ESTOP (signal; the state is saved) or another error. */
int crawler_run(const crawler_options *options, wt_err *err);

#endif

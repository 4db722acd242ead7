/* fetch.h - many HTTP requests at once in one thread: libcurl's multi_socket interface on epoll.
 *
 * One request is one exchange: redirects are not followed, cookies, caches and credentials do not
 * exist. What came over the wire is kept as it came: transfer and content codings are not undone.
 * Limits hold for headers, body bytes, time and speed; addresses that are not public are refused
 * at the socket (address.h), whatever name, redirect or DNS answer led there.
 *
 * A fetcher belongs to one thread; only fetcher_wake may be called from others. */
#ifndef WT_CRAWL_FETCH_H
#define WT_CRAWL_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

#define FETCH_HEADER_MAX ((size_t)64 << 10)           /* all header lines of an answer together */

typedef enum {
    FETCH_OK,           /* an answer came; see cut */
    FETCH_DNS,          /* the name has no address */
    FETCH_CONNECT,      /* refused, unreachable, too long until connected */
    FETCH_TLS,          /* no handshake, or a certificate that does not hold */
    FETCH_TIMEOUT,      /* the time for the whole exchange was over */
    FETCH_SLOW,         /* under the least speed for too long */
    FETCH_BROKEN,       /* the connection ended early, or what came is not HTTP */
    FETCH_HEADERS,      /* header lines beyond FETCH_HEADER_MAX */
    FETCH_PRIVATE,      /* an address that is not public */
    FETCH_REFUSED,      /* the library would not take the address */
    FETCH_STOPPED       /* fetcher_abandon */
} fetch_end;
const char *fetch_end_name(fetch_end end);

typedef enum {          /* why the body is not whole (WARC-Truncated) */
    FETCH_WHOLE,
    FETCH_CUT_LENGTH,   /* body_max was reached */
    FETCH_CUT_TYPE,     /* not text: broken off by us */
    FETCH_CUT_TIME,     /* FETCH_TIMEOUT or FETCH_SLOW within the body */
    FETCH_CUT_LOST      /* FETCH_BROKEN within the body */
} fetch_cut;

/* Whether that is a proxy's URL (WT_EARG) and something listens there (WT_EIO). What it says names no password. */
int fetch_proxy_check(const char *proxy, wt_err *err);

typedef struct {
    const char *user_agent;
    const char *accept;         /* value of Accept; NULL: pages */
    double timeout_s;           /* whole exchange; 60 */
    double connect_timeout_s;   /* 10 */
    double low_speed_s;         /* this long under low_speed_bytes a second ends it; 20 */
    uint64_t low_speed_bytes;   /* 500 */
    bool allow_private;
    bool http2;                 /* offer HTTP/2 on TLS */
    bool any_type;              /* do not break off what is no text */
    const char *proxy;          /* NULL: none */
    const char *cacert;         /* NULL: the system's */
    int connections;            /* kept in the cache */
    uint64_t seed;
} fetch_options;

typedef struct fetch {
    /* the question; all strings live until the answer is handled */
    const char *url;            /* normal form (url.h) */
    wt_str host;                /* as in the URL */
    int port;
    const char *address;        /* connect to this IP; NULL: let the library resolve */
    int address_port;           /* 0: port */
    uint64_t body_max;          /* wire bytes */
    bool any_type;              /* as above, for this one (robots.txt) */
    bool last;                  /* close the connection: nothing more is wanted of this host */
    void *owner;

    /* the answer */
    fetch_end end;
    fetch_cut cut;
    int status;                 /* 0 where no status line came */
    bool http2;
    wt_buf request;             /* as sent */
    wt_buf header, body;        /* header: status line to empty line; body: wire bytes */
    char ip[64];
    char error[256];            /* in words, where end is not FETCH_OK */
    int64_t start_unix_ms;
    double took_s, first_byte_s;

    struct fetch *next;         /* in lists */
    struct fetch *prev;         /* inside the fetcher */
    void *handle;
    size_t header_bytes;
} fetch;

typedef struct fetcher fetcher;

void fetch_global_init(void);   /* once, before threads */
fetcher *fetcher_new(const fetch_options *options, wt_err *err);
void fetcher_free(fetcher *f);
void fetcher_start(fetcher *f, fetch *job);           /* borrowed until it comes back */
/* Works until something is finished, or timeout_s is over, or somebody woke it. Returns the finished
 * ones as a list, NULL where there are none. */
fetch *fetcher_wait(fetcher *f, double timeout_s);
fetch *fetcher_abandon(fetcher *f);                   /* all that run come back as FETCH_STOPPED */
void fetcher_wake(fetcher *f);                        /* from any thread */
int fetcher_running(const fetcher *f);
uint64_t fetcher_bytes(const fetcher *f);             /* of bodies that are coming in; from any thread */
void fetch_reset(fetch *job);                         /* frees the answer */

#endif

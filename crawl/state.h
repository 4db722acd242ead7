/* state.h - what a crawl has done and has to do: one SQLite file that a person can query while the
 * crawl runs (docs/formats/crawl.md has its tables).
 *
 * The static part (urls) is written once, in the order of the links, and appended to by redirects; the
 * growing part (fetches) gets one row an address. An address without a row in fetches is still to
 * be fetched. Rows come in transactions of a second's work, behind the bytes they speak of: the WARC
 * files are synced first, then their lengths and the rows are committed together. So after any kill
 * the committed lengths say where each file is whole, and what is behind them was never committed.
 *
 * One thread. Ids start at 1; hosts at 0. */
#ifndef WT_CRAWL_STATE_H
#define WT_CRAWL_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

typedef struct crawl_state crawl_state;

/* Opens DIR/state.sqlite, making it and its tables where it is not there. Refuses a second crawler. */
crawl_state *crawl_state_open(const char *dir, wt_err *err);
void crawl_state_close(crawl_state *s);               /* what is not committed is lost */

int crawl_state_begin(crawl_state *s, wt_err *err);   /* a transaction, where none is open */
int crawl_state_commit(crawl_state *s, wt_err *err);

/* ---- the list ---- */
bool crawl_state_imported(crawl_state *s);            /* the list is complete */
int crawl_state_import_reset(crawl_state *s, wt_err *err);            /* empties all tables */
int crawl_state_import_end(crawl_state *s, wt_err *err);              /* index; marks it complete */
int crawl_state_add_host(crawl_state *s, uint32_t host, wt_str name, wt_err *err);
/* via: the id whose redirect led here, 0: from the list. */
int crawl_state_add_url(crawl_state *s, uint32_t id, wt_str url, uint32_t host, uint64_t key,
                        uint32_t via, int hops, wt_err *err);

typedef int (*crawl_state_host_fn)(void *ctx, uint32_t host, wt_str name, double until_unix,
                                   int failures, bool parked, wt_err *err);
typedef int (*crawl_state_url_fn)(void *ctx, uint32_t id, uint32_t host, wt_err *err);
int crawl_state_each_host(crawl_state *s, crawl_state_host_fn fn, void *ctx, wt_err *err);
int crawl_state_each_pending(crawl_state *s, crawl_state_url_fn fn, void *ctx, wt_err *err);
uint32_t crawl_state_last_url(crawl_state *s);        /* greatest id; 0: none */
uint64_t crawl_state_count(crawl_state *s);           /* addresses */

/* The address of an id. WT_ENOTFOUND where there is none. */
int crawl_state_get_url(crawl_state *s, uint32_t id, wt_buf *url, uint32_t *via, int *hops, wt_err *err);
uint32_t crawl_state_find_url(crawl_state *s, wt_str url, uint64_t key);   /* id, 0: unknown */
uint64_t crawl_state_key(wt_str url);

/* ---- what came of it ---- */
typedef struct {
    const char *outcome;        /* "ok", "redirect", "http", "robots", ... (docs/formats/crawl.md) */
    int status;                 /* 0: no answer */
    const char *detail;         /* words, NULL: none */
    const char *cut;            /* WARC-Truncated, NULL: whole */
    wt_str type;                /* Content-Type */
    const char *ip;
    const uint8_t *digest;      /* 20 bytes; NULL: no record */
    uint64_t payload_bytes;
    int warc;                   /* file number, -1: no record */
    uint64_t offset, length;    /* of the response record in it */
    int64_t time_ms;            /* Unix time of the request, 0: none was made */
    double took_s;
    int tries;
    uint32_t target;            /* id a redirect leads to */
} crawl_outcome;
int crawl_state_put(crawl_state *s, uint32_t id, const crawl_outcome *outcome, wt_err *err);

int crawl_state_put_host(crawl_state *s, uint32_t host, double until_unix, int failures, bool parked,
                         const char *why, wt_err *err);

/* origin: "scheme://host[:port]". status: of the answer, 0: none came. Bodies are kept for a day's use. */
int crawl_state_put_robots(crawl_state *s, wt_str origin, int64_t time_s, const char *outcome, int status,
                           wt_str body, wt_err *err);
/* 1 found, 0 none newer than since_s, -1 error. outcome: "rules", "none", "unreachable". */
int crawl_state_get_robots(crawl_state *s, wt_str origin, int64_t since_s, char outcome[16], wt_buf *body,
                           int64_t *time_s, wt_err *err);

int crawl_state_put_warc(crawl_state *s, int number, const char *name, uint64_t bytes, uint64_t records,
                         wt_err *err);
typedef int (*crawl_state_warc_fn)(void *ctx, int number, const char *name, uint64_t bytes,
                                   uint64_t records, wt_err *err);
int crawl_state_each_warc(crawl_state *s, crawl_state_warc_fn fn, void *ctx, wt_err *err);

/* Redirects to hosts of other ranks, until those have them in their own state. */
int crawl_state_put_outbox(crawl_state *s, int rank, wt_str url, int hops, wt_err *err);
int crawl_state_clear_outbox(crawl_state *s, wt_err *err);
typedef int (*crawl_state_outbox_fn)(void *ctx, int rank, wt_str url, int hops);
int crawl_state_each_outbox(crawl_state *s, crawl_state_outbox_fn fn, void *ctx, wt_err *err);

/* ---- questions, also while a crawl runs; they open DIR/state.sqlite for reading ---- */
/* {"urls":..,"done":..,"pending":..,"outcomes":{..},"statuses":{..},"hosts":{..},"warc":{..}} */
int crawl_state_status(const char *dir, wt_buf *json, wt_err *err);
/* The same and more for a page about the crawl: types, top_hosts, failures, sizes, times, progress. */
int crawl_state_report(const char *dir, wt_buf *json, wt_err *err);
/* All that is known about one address, as JSON lines: it, and the hops behind it. */
int crawl_state_why(const char *dir, wt_str url, wt_buf *json, wt_err *err);

#endif

/* work.h - the threads of a crawl: each runs a fetcher of its own, and packs what comes in into WARC
 * records while it is warm in the cache. A host always belongs to the same thread, so that its
 * connection is found again. */
#ifndef WT_CRAWL_WORK_H
#define WT_CRAWL_WORK_H

#include "crawl/capture.h"
#include "crawl/fetch.h"

typedef struct exchange {
    fetch x;                    /* question and answer; x.next links lists */
    bool keep_body;             /* the caller reads it (robots.txt); else it is freed once packed */
    bool captured;              /* cap is filled: there was an answer */
    capture cap;
    int pack_error;             /* capture_encode failed: err says why */
    wt_err *err;                /* malloc; NULL without pack_error */
} exchange;

/* Called from a worker's thread with finished exchanges, linked by x.next. */
typedef void (*work_done_fn)(void *ctx, exchange *list);

typedef struct work_pool work_pool;
work_pool *work_pool_new(int threads, const fetch_options *options, int level, bool keep_requests,
                         work_done_fn done, void *ctx, wt_err *err);
void work_submit(work_pool *p, uint32_t host, exchange *e);
uint64_t work_bytes(const work_pool *p);  /* of bodies that are coming in */
void work_abandon(work_pool *p);          /* all that run come back as FETCH_STOPPED */
void work_pool_free(work_pool *p);        /* after all have come back */

#endif

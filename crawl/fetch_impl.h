/* fetch_impl.h - between fetch.c (many transfers on one epoll) and fetch_slot.c (one transfer). */
#ifndef WT_CRAWL_FETCH_IMPL_H
#define WT_CRAWL_FETCH_IMPL_H

#include <curl/curl.h>

#include "crawl/fetch.h"

/* A multi handle; fetch.c says why there are several. */
typedef struct lane {
    struct fetcher *fetcher;
    CURLM *multi;
    double timer;               /* when libcurl wants to be called; -1: not */
    struct slot *free_slots;
} lane;

/* An easy handle, used again and again, and its transfer. */
typedef struct slot {
    CURL *easy;
    struct fetcher *fetcher;
    lane *lane;
    fetch *job;
    struct curl_slist *resolve, *connect_to;
    char *forget;               /* "-host:port": the entry to take out of the DNS table next time */
    char error[CURL_ERROR_SIZE];
    const char *private_kind;   /* what the refused address was */
    bool too_much_header, in_body, sniffed;
    struct slot *next;          /* in the list of free ones */
} slot;

struct fetcher {
    fetch_options options;
    int epoll, wake;
    lane *lane;
    int n_lanes;
    struct curl_slist *headers;
    _Atomic uint64_t body_bytes;
    fetch *running;             /* doubly linked */
    int n_running;
    fetch *done;
};

slot *slot_new(lane *l);                              /* what is the same for all transfers is set here */
void slot_free(slot *s);
void slot_begin(slot *s, fetch *job);                 /* tells the handle of the job, which starts empty */
void slot_judge(slot *s, CURLcode code);              /* libcurl's code and what we noted, as one of our ends */

#endif

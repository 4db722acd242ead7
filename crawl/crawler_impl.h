/* crawler_impl.h - what the parts of the crawler share: crawler.c (turns and the loop), crawler_jobs.c (jobs, tasks, hosts),
 * crawler_send.c (where to connect), crawler_outcome.c (what became of it), crawler_robots.c (robots.txt of
 * origins), crawler_ranks.c (per-address manners, several machines), crawler_open.c (list, options, report).
 * int results are 0, or -1 with *err: of the state or the archive, and so the end of the crawl. */
#ifndef WT_CRAWL_CRAWLER_IMPL_H
#define WT_CRAWL_CRAWLER_IMPL_H

#include <arpa/inet.h>
#include <pthread.h>

#include "common/memory.h"
#include "crawl/crawler.h"
#include "crawl/frontier.h"
#include "crawl/resolve.h"
#include "crawl/robots.h"
#include "crawl/state.h"
#include "crawl/store.h"
#include "crawl/url.h"
#include "crawl/work.h"

#define FRONT_BIT 0x80000000u           /* a frontier item that is a task, not an id */
#define SAVE_EVERY_S 1.0
#define SAVE_BYTES ((uint64_t)32 << 20)
#define BODIES_BYTES ((uint64_t)256 << 20)      /* while more is coming in, nothing new is begun */
#define STOP_GRACE_S 3.0                /* for transfers that run when a signal comes */
#define DNS_KEEP_S 600.0
#define ROBOTS_KEEP_S 86400             /* RFC 9309, 2.4 */
#define ROBOTS_HOPS 5                   /* RFC 9309, 2.3.1.2 */
#define CRAWL_DELAY_MAX_S 300.0         /* who asks for more gets this */

typedef enum { JOB_PAGE, JOB_ROBOTS } job_kind;
enum { STAGE_FETCHED, STAGE_RESOLVED };

/* One robots.txt: of a scheme, host and port. */
typedef struct origin {
    struct origin *next;        /* in its bucket */
    uint64_t hash;
    uint32_t host;
    bool fetching;
    char failed[14];            /* why there are no rules: "unreachable" (5xx, 429), "dns" ...; "" */
    uint8_t failures;
    int64_t time_s;             /* when its robots.txt was read */
    robots *rules;              /* NULL: not known */
    char name[];                /* "http://example.com" */
} origin;

typedef struct job {
    exchange e;                 /* first: the queue holds exchanges */
    struct job *next_free;
    wt_arena *arena;            /* url lies in it */
    job_kind kind;
    int stage, tries, hops;
    uint32_t id, host;
    crawl_url url;
    origin *origin;
    resolve_result resolved;
    bool looked_up;             /* the name asked for is the URL's own host */
    bool detoured;              /* by --connect-to */
    size_t ip;                  /* its turn at an address, + 1; 0: none */
    char address[64];
} job;

typedef struct {                /* something to do before a host's queue goes on */
    job_kind kind;
    uint32_t id;
    int tries, hops;
    origin *origin;
    char *url;                  /* malloc; of JOB_ROBOTS */
} task;

typedef struct {
    uint8_t bytes[16];
    uint8_t family;             /* 0: address unknown */
    bool troubled;              /* its row in the state says so */
    bool nameless;              /* counted as such */
    float expires;
    double ip_turn;             /* when its turn at its address comes; 0: none was promised */
} host_info;

/* Many hosts share an address (blogs, CDNs): it has manners of its own. */
typedef struct {
    uint64_t hash;              /* of the IPv4 address or the IPv6 /64; 0: free */
    double next_time;           /* of the next turn that is not promised */
    uint32_t in_flight;
} ip_entry;

typedef struct {
    wt_str host, to;
    int port, to_port;
} detour;

#define MAX_OUTCOMES 32

typedef struct crawler {
    crawler_options options;
    wt_str token;
    crawl_state *state;
    store *store;
    capture_writer *writer;
    frontier *frontier;
    work_pool *workers;
    resolver *resolver;

    pthread_mutex_t lock;       /* of queue */
    pthread_cond_t news;
    exchange *queue;

    job **all_jobs, *free_jobs;
    size_t n_jobs, cap_jobs;
    int n_active, n_asking;     /* jobs; those of them at the resolver */
    uint64_t n_reached;         /* names that the resolver knew, answers that came */
    uint64_t n_nameless;        /* hosts whose name it did not know */
    bool names_judged;          /* that it knew no name is no fault of this machine */
    task *task;
    size_t n_tasks, cap_tasks;
    uint32_t *free_task;
    size_t n_free_tasks, cap_free_tasks;

    struct host_entry {
        uint64_t hash;
        uint32_t host;
    } *host_map;
    size_t cap_host_map;
    uint32_t n_hosts;
    host_info *info;
    size_t cap_info;

    ip_entry *ip;
    size_t n_ips, cap_ips;

    int rank, n_ranks;
    wt_buf *outgoing;           /* per rank: "hops TAB url LF" of redirects to its hosts */
    bool sent;                  /* the outbox in the state can be emptied */
    double exchanged_at;

    origin **bucket;
    size_t n_buckets, n_origins;

    detour *detour;
    size_t n_detours;

    uint32_t last_id;
    uint64_t n_urls, n_done, n_ok, total_payload, bad_lines, bad_urls, repeated, n_listed;
    uint64_t n_outcome[MAX_OUTCOMES];   /* in the order of outcome_names */
    double saved_at;
    wt_buf scratch;
} crawler;

/* crawler.c */
int crawler_save(crawler *c, wt_err *err);
/* From workers and resolvers, in their threads. */
void crawler_exchanges_done(void *ctx, exchange *list);
void crawler_name_resolved(void *ctx, void *owner, resolve_result result, const char *ip, const char *why);

/* crawler_jobs.c */
job *job_new(crawler *c);
void job_free(crawler *c, job *j);
void job_put_back(crawler *c, const job *j);          /* the page comes again, before the host's others */
uint32_t task_add(crawler *c, task t);                /* an item for the front of a host's queue */
task task_take(crawler *c, uint32_t item);            /* its url is the taker's to free */
uint32_t host_get(crawler *c, wt_str name, wt_err *err);      /* known or new; UINT32_MAX on an error */
void host_learn(crawler *c, wt_str name, uint32_t host);      /* that the state has */
double unix_now(void);

/* crawler_send.c: both hand the job on, or end it. */
int job_send(crawler *c, job *j, wt_err *err);
int job_resolved(crawler *c, job *j, wt_err *err);

/* crawler_outcome.c */
/* One row for the job's address; with record: the answer goes into the archive before it. */
int outcome_put(crawler *c, job *j, const char *outcome, const char *detail, bool record, uint32_t target,
                wt_err *err);
/* Adds an address that is new to the list while the crawl runs. */
int url_add(crawler *c, const crawl_url *url, uint32_t via, int hops, uint32_t *id, wt_err *err);
/* The host's turn is over: tells the frontier, parks the host where that was the last straw. */
int turn_end(crawler *c, job *j, frontier_result result, double retry_after_s, wt_err *err);
int page_done(crawler *c, job *j, wt_err *err);       /* outcome or another try, and the end of the turn */
bool failure_is_final(const job *j);                  /* another try would end the same way */
double retry_after(wt_str header);                    /* seconds; -1 where there is none */

/* crawler_robots.c */
typedef enum { ROBOTS_ALLOW, ROBOTS_FORBID, ROBOTS_WAIT, ROBOTS_FETCH, ROBOTS_ERROR } robots_answer;
/* May this page be fetched? With FORBID `why` names the rule. Sets j->origin. */
robots_answer robots_ask(crawler *c, job *j, char *why, size_t why_bytes, wt_err *err);
int robots_turn(crawler *c, job *j, wt_err *err);     /* makes the page's job one for robots.txt */
int robots_done(crawler *c, job *j, wt_err *err);
int robots_settle(crawler *c, origin *o, const char *outcome, int status, wt_str body, wt_err *err);
void origin_drop(crawler *c, origin *o);              /* forgets it, where nobody needs it now */
void origins_free(crawler *c);

/* crawler_ranks.c */
/* May a connection to this job's address begin now? If not, the host is put off and the job is over. */
bool ip_turn_begin(crawler *c, job *j, double now);
void ip_turn_end(crawler *c, job *j);
int rank_of_host(const crawler *c, wt_str host);
int rank_send(crawler *c, int rank, wt_str url, int hops, wt_err *err);
/* Every second, on all ranks at once. 1: go on, 0: all ranks are done, -1: stopped or failed. */
int ranks_meet(crawler *c, wt_err *err);
int ranks_open(crawler *c, wt_err *err);

/* crawler_open.c */
int crawler_open(crawler *c, wt_err *err);
void crawler_report(crawler *c);
void outcome_count(crawler *c, const char *outcome);

#endif

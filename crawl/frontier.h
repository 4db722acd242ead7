/* frontier.h - which URL may be fetched next, so that no host is hurt.
 *
 * Every host has a queue and a time before which it is left alone. Hosts wait in a heap by that time;
 * those whose time has come stand in a second heap, those with most work left first (in classes of
 * powers of two, within a class who waited longest): a list crawl is as long as its largest host, so
 * that one must never stand still. The clock is the caller's: seconds of any monotonic clock.
 *
 * The rule of politeness: after an answer the host rests for
 *     max(delay, its Crawl-delay, slow_factor * seconds the answer took)
 * counted from the END of the transfer when one connection a host is allowed, else from its start.
 * A busy host (429, 503) rests as long as it says in Retry-After, else backoff * 2^n with jitter; so
 * does one that cannot be reached, and after `dead_after` of these in a row it is parked.
 *
 * Items are 31-bit numbers of the caller, 4 bytes each in memory; the high bit is the caller's too, but
 * items with it may only be put in front. One thread. */
#ifndef WT_CRAWL_FRONTIER_H
#define WT_CRAWL_FRONTIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int per_host;               /* connections at once to a host; 1 is polite */
    double delay_s;             /* rest between requests */
    double delay_max_s;         /* cap of the rest that a slow answer causes (not of Crawl-delay) */
    double slow_factor;         /* times the answer's duration; 3 */
    double backoff_s, backoff_max_s;
    int dead_after;             /* failures to connect in a row until a host is parked */
    uint64_t seed;              /* of the jitter */
} frontier_options;

typedef enum {
    FRONTIER_ANSWERED,          /* any answer that is not BUSY */
    FRONTIER_BUSY,              /* 429, 503: the host asks for rest */
    FRONTIER_UNREACHED,         /* no answer: name, connection, TLS, time */
    FRONTIER_UNASKED            /* nothing was sent after all: no rest is owed */
} frontier_result;

typedef struct frontier frontier;

frontier *frontier_new(const frontier_options *options);
void frontier_free(frontier *f);

/* Hosts are numbers 0, 1, 2 ... of the caller; a new one is known from its first use. */
void frontier_add(frontier *f, uint32_t host, uint32_t item);        /* behind the host's others */
void frontier_add_front(frontier *f, uint32_t host, uint32_t item);  /* before them */
void frontier_add_urgent(frontier *f, uint32_t host, uint32_t item); /* before those, even while held */

/* Takes an item whose host may be asked now; the host is then "asked" until frontier_done.
 * False where none may be. */
bool frontier_take(frontier *f, double now, uint32_t *host, uint32_t *item);
double frontier_next_time(const frontier *f, double now);  /* when to come again; INFINITY: only after a done */

/* The answer is there.  took_s: duration of the answer;  retry_after_s: -1 where none was given.
 * Returns true where the host has just been parked; its items then leave by frontier_drain(). */
bool frontier_done(frontier *f, uint32_t host, double now, frontier_result result, double took_s,
                   double retry_after_s);

void frontier_set_crawl_delay(frontier *f, uint32_t host, double seconds);
/* Nothing but urgent items of this host is handed out between hold and release: its robots.txt is being
 * fetched, perhaps from another host that waits for this one in turn. */
void frontier_hold(frontier *f, uint32_t host);
void frontier_release(frontier *f, uint32_t host);
void frontier_postpone(frontier *f, uint32_t host, double until);     /* not before `until` */
void frontier_park(frontier *f, uint32_t host);       /* for good */
bool frontier_parked(const frontier *f, uint32_t host);
/* Takes the next item of a host without regard to time; false when it has none. */
bool frontier_drain(frontier *f, uint32_t host, uint32_t *item);
/* Restores what an earlier run knew: not before `until`, after n failures in a row. */
void frontier_restore(frontier *f, uint32_t host, double until, int failures);

uint64_t frontier_pending(const frontier *f);         /* items in all queues */
uint64_t frontier_host_pending(const frontier *f, uint32_t host);
uint32_t frontier_hosts_pending(const frontier *f);   /* hosts with items */
int frontier_failures(const frontier *f, uint32_t host);
double frontier_until(const frontier *f, uint32_t host);

#endif

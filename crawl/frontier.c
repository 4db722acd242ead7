/* frontier.c - per-host queues threaded through one array, two heaps of hosts.
 *
 * next[item] links the items of a host: 4 bytes an item, no allocation in the steady state. Items put
 * in front (retries, robots.txt) are few and lie in nodes of their own. A host stands in at most one
 * heap (`queued`); who is held, busy or empty when it comes to the top is dropped there and comes
 * back with the event that changes this. So keys in heaps are never changed in place. */
#include "crawl/frontier.h"

#include <math.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/str.h"

#define NONE UINT32_MAX

typedef struct front_node {
    struct front_node *next;
    uint32_t item;
} front_node;

typedef struct {
    uint32_t head, tail;        /* of the FIFO, NONE: empty */
    uint32_t n_items;           /* both queues */
    uint16_t in_flight;
    uint8_t failures;
    bool queued, held, parked;
    float crawl_delay;          /* 0: none */
    double next_time;
    front_node *urgent, *front; /* taken in this order, then the FIFO */
} host;

typedef struct {
    double key;
    uint32_t host;
} entry;

typedef struct {
    entry *at;
    size_t n, cap;
} heap;

struct frontier {
    frontier_options options;
    host *host;
    size_t n_hosts, cap_hosts;
    uint32_t *next;
    size_t n_next, cap_next;
    heap waiting, ready;
    uint64_t n_items;
    uint32_t n_hosts_pending;
};

/* ---- heap of (key, host), smallest first; ties to the smaller host number ---- */
static bool before(entry a, entry b) { return a.key != b.key ? a.key < b.key : a.host < b.host; }

static void heap_push(heap *h, entry e) {
    WT_GROW(h->at, h->cap, h->n + 1);
    size_t i = h->n++;
    while (i > 0 && before(e, h->at[(i - 1) / 2])) {
        h->at[i] = h->at[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    h->at[i] = e;
}

static entry heap_pop(heap *h) {
    entry top = h->at[0], last = h->at[--h->n];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && before(h->at[child + 1], h->at[child]))
            child++;
        if (!before(h->at[child], last))
            break;
        h->at[i] = h->at[child];
        i = child;
    }
    if (h->n)
        h->at[i] = last;
    return top;
}

/* ---- hosts ---- */
frontier *frontier_new(const frontier_options *options) {
    frontier *f = wt_xcalloc(1, sizeof *f);
    f->options = *options;
    return f;
}

void frontier_free(frontier *f) {
    if (!f)
        return;
    uint32_t waste;
    for (uint32_t i = 0; i < f->n_hosts; i++)
        while (f->host[i].urgent || f->host[i].front)
            frontier_drain(f, i, &waste);
    free(f->host);
    free(f->next);
    free(f->waiting.at);
    free(f->ready.at);
    free(f);
}

static host *host_at(frontier *f, uint32_t id) {
    if (id >= f->n_hosts) {
        WT_GROW(f->host, f->cap_hosts, (size_t)id + 1);
        for (size_t i = f->n_hosts; i <= id; i++)
            f->host[i] = (host){.head = NONE, .tail = NONE};
        f->n_hosts = (size_t)id + 1;
    }
    return &f->host[id];
}

static bool can_be_asked(const frontier *f, const host *h) {
    return h->n_items > 0 && (!h->held || h->urgent) && !h->parked && h->in_flight < f->options.per_host;
}

static void place(frontier *f, uint32_t id) {
    host *h = &f->host[id];
    if (h->queued || !can_be_asked(f, h))
        return;
    h->queued = true;
    heap_push(&f->waiting, (entry){h->next_time, id});
}

/* More work first, in classes of powers of two; within a class by waiting time. Times are below 2^30
 * seconds and classes below 64, so both fit a double's 53 bits to the millisecond. */
static double ready_key(const host *h, double time) {
    int class = 31 - __builtin_clz(h->n_items | 1);
    return (double)(32 - class) * 1099511627776.0 + time;
}

void frontier_add(frontier *f, uint32_t id, uint32_t item) {
    host *h = host_at(f, id);
    if (item >= f->n_next) {
        WT_GROW(f->next, f->cap_next, (size_t)item + 1);
        f->n_next = (size_t)item + 1;
    }
    f->next[item] = NONE;
    if (h->head == NONE)
        h->head = item;
    else
        f->next[h->tail] = item;
    h->tail = item;
    f->n_hosts_pending += h->n_items++ == 0;
    f->n_items++;
    place(f, id);
}

static void add_node(frontier *f, uint32_t id, uint32_t item, bool urgent) {
    host *h = host_at(f, id);
    front_node *node = wt_xmalloc(sizeof *node), **list = urgent ? &h->urgent : &h->front;
    *node = (front_node){*list, item};
    *list = node;
    f->n_hosts_pending += h->n_items++ == 0;
    f->n_items++;
    place(f, id);
}

void frontier_add_front(frontier *f, uint32_t id, uint32_t item) { add_node(f, id, item, false); }
void frontier_add_urgent(frontier *f, uint32_t id, uint32_t item) { add_node(f, id, item, true); }

bool frontier_drain(frontier *f, uint32_t id, uint32_t *item) {
    host *h = host_at(f, id);
    front_node **list = h->urgent ? &h->urgent : &h->front;
    if (h->n_items == 0)
        return false;
    if (*list) {
        front_node *node = *list;
        *item = node->item;
        *list = node->next;
        free(node);
    } else {
        *item = h->head;
        h->head = f->next[*item];
        if (h->head == NONE)
            h->tail = NONE;
    }
    f->n_items--;
    f->n_hosts_pending -= --h->n_items == 0;
    return true;
}

static double rest_of(const frontier *f, const host *h, double took_s) {
    const frontier_options *o = &f->options;
    double slow = took_s * o->slow_factor;
    double rest = slow < o->delay_max_s ? slow : o->delay_max_s;
    if (rest < o->delay_s)
        rest = o->delay_s;
    return rest < (double)h->crawl_delay ? (double)h->crawl_delay : rest;
}

bool frontier_take(frontier *f, double now, uint32_t *id, uint32_t *item) {
    while (f->waiting.n && f->waiting.at[0].key <= now) {
        entry e = heap_pop(&f->waiting);
        host *h = &f->host[e.host];
        if (h->next_time > now && can_be_asked(f, h))  /* a rest was added meanwhile */
            heap_push(&f->waiting, (entry){h->next_time, e.host});
        else
            heap_push(&f->ready, (entry){ready_key(h, h->next_time), e.host});
    }
    while (f->ready.n) {
        entry e = heap_pop(&f->ready);
        host *h = &f->host[e.host];
        h->queued = false;
        if (!can_be_asked(f, h) || h->next_time > now) {
            place(f, e.host);
            continue;
        }
        frontier_drain(f, e.host, item);
        *id = e.host;
        h->in_flight++;
        h->next_time = now + rest_of(f, h, 0);
        place(f, e.host);                              /* matters with per_host above 1 */
        return true;
    }
    return false;
}

double frontier_next_time(const frontier *f, double now) {
    if (f->ready.n)
        return now;
    return f->waiting.n ? f->waiting.at[0].key : INFINITY;
}

/* backoff * 2^(n-1), times 1.0 to 1.5 so that hosts which fell together do not rise together. */
static double backoff_of(const frontier *f, uint32_t id, int failures) {
    double wait = f->options.backoff_s * ldexp(1, failures > 20 ? 20 : failures - 1);
    uint64_t bits = wt_mix64(f->options.seed ^ ((uint64_t)id << 8) ^ (uint64_t)failures);
    wait *= 1.0 + 0.5 * (double)(bits >> 11) * 0x1p-53;
    return wait < f->options.backoff_max_s ? wait : f->options.backoff_max_s;
}

bool frontier_done(frontier *f, uint32_t id, double now, frontier_result result, double took_s,
                   double retry_after_s) {
    host *h = host_at(f, id);
    double until = now;
    bool newly_parked = false;
    h->in_flight--;
    if (result == FRONTIER_ANSWERED) {
        h->failures = 0;
        double start = f->options.per_host > 1 ? now - took_s : now;
        until = start + rest_of(f, h, took_s);
    } else if (result == FRONTIER_BUSY || result == FRONTIER_UNREACHED) {
        h->failures += h->failures < 255;
        double rest = rest_of(f, h, took_s);
        double wait = retry_after_s >= 0 ? retry_after_s : backoff_of(f, id, h->failures);
        until = now + (wait > rest ? wait : rest);
        if (result == FRONTIER_UNREACHED && h->failures >= f->options.dead_after && !h->parked)
            newly_parked = h->parked = true;
    } else if (f->options.per_host == 1) {
        h->next_time = now;
    }
    if (until > h->next_time)
        h->next_time = until;
    place(f, id);
    return newly_parked;
}

void frontier_set_crawl_delay(frontier *f, uint32_t id, double seconds) {
    host *h = host_at(f, id);
    h->crawl_delay = (float)seconds;
}
void frontier_hold(frontier *f, uint32_t id) { host_at(f, id)->held = true; }
void frontier_release(frontier *f, uint32_t id) {
    host_at(f, id)->held = false;
    place(f, id);
}
void frontier_postpone(frontier *f, uint32_t id, double until) {
    host *h = host_at(f, id);
    if (until > h->next_time)
        h->next_time = until;
}
void frontier_park(frontier *f, uint32_t id) { host_at(f, id)->parked = true; }
bool frontier_parked(const frontier *f, uint32_t id) {
    return id < f->n_hosts && f->host[id].parked;
}
void frontier_restore(frontier *f, uint32_t id, double until, int failures) {
    host *h = host_at(f, id);
    h->next_time = until;
    h->failures = (uint8_t)(failures > 255 ? 255 : failures);
}

uint64_t frontier_pending(const frontier *f) { return f->n_items; }
uint64_t frontier_host_pending(const frontier *f, uint32_t id) {
    return id < f->n_hosts ? f->host[id].n_items : 0;
}
uint32_t frontier_hosts_pending(const frontier *f) { return f->n_hosts_pending; }
int frontier_failures(const frontier *f, uint32_t id) { return id < f->n_hosts ? f->host[id].failures : 0; }
double frontier_until(const frontier *f, uint32_t id) { return id < f->n_hosts ? f->host[id].next_time : 0; }

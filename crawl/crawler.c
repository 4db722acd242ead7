/* crawler.c - the crawl's one decision maker. It alone touches the state, the frontier and the WARC
 * files; resolvers find addresses, workers fetch and pack, both hand back jobs in one queue.
 *
 *     frontier -> robots known? -> allowed? -> address known? -> worker -> outcome, record, redirect
 *
 * A job lives from frontier_take to its outcome and holds its host's turn meanwhile. What has to be
 * asked first (robots.txt of an origin) is put in front of the host's queue as a task.
 *
 * Once a second the WARC bytes are synced and the outcomes committed (state.h says why in this
 * order). So a kill costs at most the fetches of the last second, which are made again. */
#include "crawl/crawler.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/hash.h"
#include "common/in.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/tool.h"
#include "common/warc.h"
#include "crawl/address.h"
#include "crawl/crawler_impl.h"

/* ---- jobs and tasks ---- */
job *job_new(crawler *c) {
    job *j = c->free_jobs;
    if (j) {
        c->free_jobs = j->next_free;
    } else {
        j = wt_xcalloc(1, sizeof *j);
        j->arena = wt_arena_new(2048);
        WT_GROW(c->all_jobs, c->cap_jobs, c->n_jobs + 1);
        c->all_jobs[c->n_jobs++] = j;
    }
    c->n_active++;
    return j;
}

void job_free(crawler *c, job *j) {
    wt_arena *arena = j->arena;
    fetch_reset(&j->e.x);
    wt_buf_free(&j->e.cap.records);
    free(j->e.err);
    wt_arena_reset(arena);
    *j = (job){.arena = arena, .next_free = c->free_jobs};
    c->free_jobs = j;
    c->n_active--;
}

uint32_t task_add(crawler *c, task t) {
    uint32_t i;
    if (c->n_free_tasks) {
        i = c->free_task[--c->n_free_tasks];
    } else {
        WT_GROW(c->task, c->cap_tasks, c->n_tasks + 1);
        i = (uint32_t)c->n_tasks++;
    }
    c->task[i] = t;
    return i | FRONT_BIT;
}

task task_take(crawler *c, uint32_t item) {
    uint32_t i = item & ~FRONT_BIT;
    WT_GROW(c->free_task, c->cap_free_tasks, c->n_free_tasks + 1);
    c->free_task[c->n_free_tasks++] = i;
    task t = c->task[i];
    c->task[i].url = NULL;                             /* the taker's now */
    return t;
}

/* The page comes again, before the host's others. */
static void put_back(crawler *c, const job *j) {
    frontier_add_front(c->frontier, j->host, task_add(c, (task){.kind = JOB_PAGE, .id = j->id, .tries = j->tries}));
}

/* ---- hosts ---- */
uint32_t host_find(crawler *c, wt_str name) {
    uint64_t hash = wt_hash64(name.ptr, name.len, 1) | 1;
    for (size_t i = hash & (c->cap_host_map - 1); c->cap_host_map && c->host_map[i].hash;
         i = (i + 1) & (c->cap_host_map - 1))
        if (c->host_map[i].hash == hash)
            return c->host_map[i].host;
    return UINT32_MAX;
}

static void host_map_put(crawler *c, uint64_t hash, uint32_t host) {
    size_t i = hash & (c->cap_host_map - 1);
    while (c->host_map[i].hash)
        i = (i + 1) & (c->cap_host_map - 1);
    c->host_map[i].hash = hash;
    c->host_map[i].host = host;
}

void host_learn(crawler *c, wt_str name, uint32_t host) {
    if (2 * ((size_t)c->n_hosts + 1) > c->cap_host_map) {
        size_t cap = c->cap_host_map;
        struct host_entry *old = c->host_map;
        c->cap_host_map = cap ? 2 * cap : 1024;
        c->host_map = wt_xcalloc(c->cap_host_map, sizeof *c->host_map);
        for (size_t i = 0; i < cap; i++)
            if (old[i].hash)
                host_map_put(c, old[i].hash, old[i].host);
        free(old);
    }
    host_map_put(c, wt_hash64(name.ptr, name.len, 1) | 1, host);
    if (host >= c->n_hosts)
        c->n_hosts = host + 1;
    WT_GROW(c->info, c->cap_info, (size_t)c->n_hosts);
    c->info[host] = (host_info){0};
}

/* The number of a host, new or not. UINT32_MAX on an error of the state. */
uint32_t host_get(crawler *c, wt_str name, wt_err *err) {
    uint32_t host = host_find(c, name);
    if (host != UINT32_MAX)
        return host;
    host = c->n_hosts;
    if (crawl_state_begin(c->state, err) || crawl_state_add_host(c->state, host, name, err))
        return UINT32_MAX;
    host_learn(c, name, host);
    return host;
}

double unix_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- outcomes ---- */
static const char *cut_word(fetch_cut cut) {
    static const char *const words[] = {NULL, "length", "type", "time", "disconnect"};
    return words[cut];
}

/* One row for this address; with record: the answer goes into the archive before it. */
int outcome_put(crawler *c, job *j, const char *outcome, const char *detail, bool record, uint32_t target,
                wt_err *err) {
    crawl_outcome o = {.outcome = outcome, .detail = detail, .warc = -1, .target = target,
                       .tries = j->tries, .time_ms = j->e.x.start_unix_ms, .took_s = j->e.x.took_s,
                       .status = j->e.x.status, .ip = j->e.x.ip};
    if (crawl_state_begin(c->state, err))
        return -1;
    if (record && j->e.captured) {
        if (store_append(c->store, wt_buf_view(&j->e.cap.records), c->options.no_requests ? 1 : 2, &o.warc,
                         &o.offset, err))
            return -1;
        o.length = j->e.cap.response_bytes;
        o.digest = j->e.cap.digest;
        o.payload_bytes = j->e.cap.payload_bytes;
        o.cut = cut_word(j->e.x.cut);
        o.type = wt_http_field(wt_buf_view(&j->e.x.header), "Content-Type");
        if (o.type.len > 200)
            o.type.len = 200;
        c->total_payload += o.payload_bytes;
    }
    if (j->kind == JOB_PAGE) {
        if (crawl_state_put(c->state, j->id, &o, err))
            return -1;
        c->n_done++;
        outcome_count(c, outcome);
    }
    return 0;
}

/* An address that is given up without a job of its own: its host is parked. */
static int outcome_parked(crawler *c, uint32_t id, const char *why, wt_err *err) {
    crawl_outcome o = {.outcome = "host-parked", .detail = why, .warc = -1};
    if (crawl_state_begin(c->state, err) || crawl_state_put(c->state, id, &o, err))
        return -1;
    c->n_done++;
    outcome_count(c, o.outcome);
    return 0;
}

int host_give_up(crawler *c, uint32_t host, const char *why, wt_err *err) {
    uint32_t item;
    frontier_park(c->frontier, host);
    if (crawl_state_begin(c->state, err) || crawl_state_put_host(c->state, host, 0, frontier_failures(c->frontier, host), true, why, err))
        return -1;
    while (frontier_drain(c->frontier, host, &item)) {
        if (!(item & FRONT_BIT)) {
            if (outcome_parked(c, item, why, err))
                return -1;
            continue;
        }
        task t = task_take(c, item);
        if (t.kind == JOB_PAGE && outcome_parked(c, t.id, why, err))
            return -1;
        if (t.kind == JOB_ROBOTS) {
            if (robots_settle(c, t.origin, "unreachable", 0, (wt_str){0}, err))
                return -1;
            free(t.url);
        }
    }
    return 0;
}

/* The turn is over: tells the frontier, parks the host where that was the last straw. */
int turn_end(crawler *c, job *j, frontier_result result, double retry_after_s, wt_err *err) {
    double now = wt_now();
    ip_turn_end(c, j);
    bool parked = frontier_done(c->frontier, j->host, now, result, j->e.x.took_s, retry_after_s);
    int failures = frontier_failures(c->frontier, j->host);
    host_info *info = &c->info[j->host];
    if (result == FRONTIER_UNREACHED)
        info->family = 0;                              /* ask for its address again */
    if (parked) {
        char why[200];
        snprintf(why, sizeof why, "%d failures in a row, the last: %.150s", failures, j->e.x.error);
        return host_give_up(c, j->host, why, err);
    }
    if (failures > 0 || info->troubled) {
        info->troubled = failures > 0;
        if (crawl_state_begin(c->state, err))
            return -1;
        return crawl_state_put_host(c->state, j->host,
                                    failures ? unix_now() + frontier_until(c->frontier, j->host) - now : 0,
                                    failures, false, failures ? fetch_end_name(j->e.x.end) : NULL, err);
    }
    return 0;
}

/* ---- redirects ---- */
static bool is_ancestor(crawler *c, uint32_t id, uint32_t target) {
    wt_buf url = {0};
    bool found = id == target;
    for (int i = 0; !found && id && i <= c->options.max_redirects; i++) {
        uint32_t via = 0;
        if (crawl_state_get_url(c->state, id, &url, &via, NULL, NULL))
            break;
        id = via;
        found = id == target;
    }
    wt_buf_free(&url);
    return found;
}

/* Adds an address that is new to the list while the crawl runs. */
int url_add(crawler *c, const crawl_url *url, uint32_t via, int hops, uint32_t *id, wt_err *err) {
    uint32_t host = host_get(c, url->host, err);
    if (host == UINT32_MAX)
        return -1;
    *id = ++c->last_id;
    if (crawl_state_begin(c->state, err) ||
        crawl_state_add_url(c->state, *id, url->text, host, crawl_state_key(url->text), via, hops, err))
        return -1;
    c->n_urls++;
    if (frontier_parked(c->frontier, host))
        return outcome_parked(c, *id, "its host was given up before", err);
    frontier_add(c->frontier, host, *id);
    return 0;
}

/* Finds or adds the address a redirect names. 0 and *outcome says what became of it. */
static int follow(crawler *c, job *j, wt_str location, uint32_t *target, const char **outcome,
                  const char **detail, wt_err *err) {
    crawl_url url;
    *target = 0;
    crawl_url_fault fault = crawl_url_parse(location, &j->url, j->arena, &url);
    if (fault != CRAWL_URL_OK) {
        *outcome = "bad-redirect";
        *detail = crawl_url_fault_text(fault);
        return 0;
    }
    *outcome = "redirect";
    int rank = rank_of_host(c, url.host);
    if (rank != c->rank) {
        if (j->hops + 1 > c->options.max_redirects)
            *outcome = "redirect-limit";
        return j->hops + 1 > c->options.max_redirects ? 0 : rank_send(c, rank, url.text, j->hops + 1, err);
    }
    uint32_t id = crawl_state_find_url(c->state, url.text, crawl_state_key(url.text));
    if (id) {
        *target = id;
        if (is_ancestor(c, j->id, id))
            *outcome = "redirect-loop";
        return 0;
    }
    if (j->hops + 1 > c->options.max_redirects) {
        *outcome = "redirect-limit";
        return 0;
    }
    return url_add(c, &url, j->id, j->hops + 1, target, err);
}

static bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Retry-After: seconds or an HTTP date; -1 where absent or neither. */
double retry_after(wt_str header) {
    wt_str value = wt_http_field(header, "Retry-After");
    char text[64];
    struct tm tm = {0};
    if (value.len == 0 || value.len >= sizeof text)
        return -1;
    memcpy(text, value.ptr, value.len);
    text[value.len] = 0;
    char *end;
    double s = strtod(text, &end);
    if (end != text && *end == 0 && s >= 0 && isfinite(s) && strspn(text, "0123456789.") == value.len)
        return s;
    if (strptime(text, "%a, %d %b %Y %H:%M:%S", &tm)) {
        double until = (double)timegm(&tm) - unix_now();
        return until > 0 ? until : 0;
    }
    return -1;
}

/* ---- what came back for a page ---- */
bool failure_is_final(const job *j) {
    fetch_end end = j->e.x.end;
    return end == FETCH_TLS || end == FETCH_HEADERS || end == FETCH_REFUSED || end == FETCH_PRIVATE ||
           (end == FETCH_DNS && j->resolved == RESOLVE_NO_NAME);
}

static int page_failed(crawler *c, job *j, wt_err *err) {
    const fetch *x = &j->e.x;
    bool final = failure_is_final(j), reached = final || x->status > 0;
    if (!final && j->tries <= c->options.retries)
        put_back(c, j);
    else if (outcome_put(c, j, j->e.captured ? "cut" : fetch_end_name(x->end), x->error, true, 0, err))
        return -1;
    if (turn_end(c, j, reached ? FRONTIER_ANSWERED : FRONTIER_UNREACHED, -1, err))
        return -1;
    return final && x->end == FETCH_DNS ? host_give_up(c, j->host, x->error, err) : 0;
}

static int page_busy(crawler *c, job *j, wt_err *err) {
    double wait = retry_after(wt_buf_view(&j->e.x.header));
    bool too_long = wait > c->options.retry_after_max_s;
    if (!too_long && j->tries <= c->options.retries) {
        put_back(c, j);
        return turn_end(c, j, FRONTIER_BUSY, wait, err);
    }
    if (outcome_put(c, j, "busy", too_long ? "asks for more rest than --max-retry-after" : NULL, true, 0, err))
        return -1;
    if (too_long && turn_end(c, j, FRONTIER_BUSY, wait, err) == 0)
        return host_give_up(c, j->host, "asks for more rest than --max-retry-after", err);
    return too_long ? -1 : turn_end(c, j, FRONTIER_BUSY, wait, err);
}

static int page_done(crawler *c, job *j, wt_err *err) {
    const fetch *x = &j->e.x;
    const char *outcome = "ok", *detail = NULL;
    uint32_t target = 0;
    if (x->end == FETCH_STOPPED) {
        put_back(c, j);
        return turn_end(c, j, FRONTIER_UNASKED, -1, err);
    }
    if (x->end != FETCH_OK)
        return page_failed(c, j, err);
    if (x->status == 429 || x->status == 503)
        return page_busy(c, j, err);
    wt_str location = wt_http_field(wt_buf_view(&x->header), "Location");
    if (is_redirect(x->status) && location.len) {
        if (follow(c, j, location, &target, &outcome, &detail, err))
            return -1;
    } else if (j->e.captured && j->e.cap.bomb) {
        outcome = "bomb";
        detail = "its coding hides more than 16 MiB";
    } else if (x->cut == FETCH_CUT_TYPE) {
        outcome = "type";
    } else if (x->status < 200 || x->status > 299) {
        outcome = "http";
    }
    if (outcome_put(c, j, outcome, detail, strcmp(outcome, "bomb") != 0, target, err))
        return -1;
    return turn_end(c, j, FRONTIER_ANSWERED, -1, err);
}

/* ---- sending ---- */
static void give_queue(crawler *c, exchange *list) {
    pthread_mutex_lock(&c->lock);
    exchange *last = list;
    while (last->x.next)
        last = (exchange *)last->x.next;
    last->x.next = (fetch *)c->queue;
    c->queue = list;
    pthread_cond_signal(&c->news);
    pthread_mutex_unlock(&c->lock);
}

void crawler_exchanges_done(void *ctx, exchange *list) { give_queue(ctx, list); }

void crawler_name_resolved(void *ctx, void *owner, resolve_result result, const char *ip, const char *why) {
    crawler *c = ctx;
    job *j = owner;
    j->stage = STAGE_RESOLVED;
    j->resolved = result;
    if (ip)
        snprintf(j->address, sizeof j->address, "%s", ip);
    snprintf(j->e.x.error, sizeof j->e.x.error, "%s", why);
    j->e.x.next = NULL;
    give_queue(c, &j->e);
}

/* Not now: the address that the host lies at is busy with other hosts. The job comes again. */
static void give_back(crawler *c, job *j) {
    if (j->kind == JOB_PAGE)
        put_back(c, j);
    else if (j->hops == 0)
        j->origin->fetching = false;                   /* the page behind it asks again */
    else
        frontier_add_urgent(c->frontier, j->host,
                            task_add(c, (task){.kind = JOB_ROBOTS, .origin = j->origin, .hops = j->hops,
                                               .url = wt_xstrndup(j->url.text)}));
    frontier_done(c->frontier, j->host, wt_now(), FRONTIER_UNASKED, 0, -1);
    frontier_postpone(c->frontier, j->host, c->info[j->host].ip_turn);
    job_free(c, j);
}

static void to_worker(crawler *c, job *j) {
    fetch *x = &j->e.x;
    if (!ip_turn_begin(c, j, wt_now())) {
        give_back(c, j);
        return;
    }
    j->tries++;
    j->stage = STAGE_FETCHED;
    x->url = j->url.text.ptr;
    x->host = j->url.host;
    x->port = j->url.port;
    x->address = j->address[0] ? j->address : NULL;
    x->body_max = j->kind == JOB_ROBOTS ? ROBOTS_BYTES_MAX : c->options.max_bytes;
    x->any_type = j->kind == JOB_ROBOTS;
    x->last = j->kind == JOB_PAGE && frontier_host_pending(c->frontier, j->host) == 0;
    j->e.keep_body = j->kind == JOB_ROBOTS;
    x->owner = j;
    work_submit(c->workers, j->host, &j->e);
}

/* --connect-to: where a host and port is sent instead. */
static bool connect_elsewhere(crawler *c, const job *j, wt_str *host, int *port) {
    for (size_t i = 0; i < c->n_detours; i++) {
        const detour *d = &c->detour[i];
        if ((d->host.len == 0 || wt_str_eq_nocase(d->host, j->url.host)) &&
            (d->port == 0 || d->port == j->url.port)) {
            if (d->to.len)
                *host = d->to;
            if (d->to_port)
                *port = d->to_port;
            return true;
        }
    }
    return false;
}

static int fail_now(crawler *c, job *j, fetch_end end, wt_err *err) {
    j->e.x.end = end;
    j->e.x.start_unix_ms = 0;
    j->tries++;
    int result = j->kind == JOB_PAGE ? page_done(c, j, err) : robots_done(c, j, err);
    job_free(c, j);
    return result;
}

/* Ports at which no web server listens but services that a request could confuse. */
static bool port_is_foreign(int port) {
    static const int ports[] = {7,   9,   11,  13,  15,  17,  19,  20,  21,  22,  23,  25,  37,   42,   43,   53,   69,
                                77,  79,  87,  95,  101, 102, 103, 104, 109, 110, 111, 113, 115,  117,  119,  123,  135,
                                137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526,  530,  531,  532,  540,
                                548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045,
                                5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 11211, 27017};
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++)
        if (ports[i] == port)
            return true;
    return false;
}

/* Finds out where to connect, then hands the job on. */
int job_send(crawler *c, job *j, wt_err *err) {
    wt_str host = j->url.host;
    char text[256];
    bool is_ip;
    if (!c->options.allow_private && port_is_foreign(j->url.port)) {
        snprintf(j->e.x.error, sizeof j->e.x.error, "port %d is not for web pages", j->url.port);
        return fail_now(c, j, FETCH_REFUSED, err);
    }
    j->e.x.address_port = j->url.port;
    bool elsewhere = j->detoured = connect_elsewhere(c, j, &host, &j->e.x.address_port);
    if (host.len >= 2 && host.ptr[0] == '[')
        host = (wt_str){host.ptr + 1, host.len - 2};
    snprintf(text, sizeof text, "%.*s", WT_FMT(host));
    const char *special = address_special_text(text, &is_ip);
    if (is_ip && special && !c->options.allow_private) {
        snprintf(j->e.x.ip, sizeof j->e.x.ip, "%.60s", text);
        snprintf(j->e.x.error, sizeof j->e.x.error, "%.60s is a %s address", text, special);
        return fail_now(c, j, FETCH_PRIVATE, err);
    }
    if (is_ip) {
        snprintf(j->address, sizeof j->address, "%.60s", text);
        to_worker(c, j);
        return 0;
    }
    if (c->options.proxy) {                            /* the proxy knows names */
        to_worker(c, j);
        return 0;
    }
    host_info *info = &c->info[j->host];
    if (!elsewhere && info->family && wt_now() < info->expires) {
        inet_ntop(info->family, info->bytes, j->address, sizeof j->address);
        to_worker(c, j);
        return 0;
    }
    j->looked_up = !elsewhere;
    c->n_asking++;
    resolver_ask(c->resolver, wt_str_of(text), j->tries, j);
    return 0;
}

static int job_resolved(crawler *c, job *j, wt_err *err) {
    c->n_asking--;
    if (j->resolved == RESOLVE_PRIVATE)
        return fail_now(c, j, FETCH_PRIVATE, err);
    if (j->resolved != RESOLVE_OK)
        return fail_now(c, j, FETCH_DNS, err);
    host_info *info = &c->info[j->host];
    if (j->looked_up) {
        info->family = strchr(j->address, ':') ? AF_INET6 : AF_INET;
        inet_pton(info->family, j->address, info->bytes);
        info->expires = (float)(wt_now() + DNS_KEEP_S);
    }
    to_worker(c, j);
    return 0;
}

/* ---- a turn begins ---- */
static int job_fill(crawler *c, job *j, uint32_t item, wt_err *err) {
    wt_str text;
    j->id = item;
    if (item & FRONT_BIT) {
        task t = task_take(c, item);
        j->kind = t.kind, j->id = t.id, j->tries = t.tries, j->origin = t.origin, j->hops = t.hops;
        if (t.kind == JOB_ROBOTS) {
            text = wt_arena_copy(j->arena, wt_str_of(t.url));
            free(t.url);
            return crawl_url_parse(text, NULL, j->arena, &j->url) == CRAWL_URL_OK
                       ? 0 : wt_fail(err, WT_EDATA, "'%.*s' is no address", WT_FMT(text));
        }
    }
    if (crawl_state_get_url(c->state, j->id, &c->scratch, NULL, &j->hops, err))
        return -1;
    text = wt_arena_copy(j->arena, wt_buf_view(&c->scratch));
    return crawl_url_parse(text, NULL, j->arena, &j->url) == CRAWL_URL_OK
               ? 0 : wt_fail(err, WT_EDATA, "address %u of the state, '%.*s', is no address", j->id, WT_FMT(text));
}

static int dispatch(crawler *c, uint32_t host, uint32_t item, wt_err *err) {
    job *j = job_new(c);
    j->host = host;
    if (job_fill(c, j, item, err))
        return -1;
    if (j->kind == JOB_ROBOTS || c->options.ignore_robots)
        return job_send(c, j, err);
    char why[200];
    switch (robots_ask(c, j, why, sizeof why, err)) {
    case ROBOTS_ALLOW:
        return job_send(c, j, err);
    case ROBOTS_FORBID: {
        const char *failed = j->origin->failed;        /* a host that is not there has no robots.txt */
        const char *outcome = !failed[0] ? "robots" : strcmp(failed, "unreachable") ? failed : "robots-unreachable";
        int result = outcome_put(c, j, outcome, why, false, 0, err);
        frontier_done(c->frontier, host, wt_now(), FRONTIER_UNASKED, 0, -1);
        job_free(c, j);
        return result;
    }
    case ROBOTS_WAIT:                                  /* another of this host asks already */
        put_back(c, j);
        frontier_hold(c->frontier, host);
        frontier_done(c->frontier, host, wt_now(), FRONTIER_UNASKED, 0, -1);
        job_free(c, j);
        return 0;
    case ROBOTS_FETCH:                                 /* this turn goes to robots.txt */
        put_back(c, j);
        return robots_turn(c, j, err);
    default:
        return -1;
    }
}

/* ---- saving ---- */
int save(crawler *c, wt_err *err) {
    c->saved_at = wt_now();
    if (crawl_state_begin(c->state, err) || store_sync(c->store, err) || crawl_state_commit(c->state, err))
        return wt_context(err, "cannot save the crawl");
    return 0;
}

/* ---- the loop ---- */
static exchange *wait_for_news(crawler *c, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double ns = (double)until.tv_nsec + seconds * 1e9;
    until.tv_sec += (time_t)(ns / 1e9);
    until.tv_nsec = (long)fmod(ns, 1e9);
    pthread_mutex_lock(&c->lock);
    while (!c->queue && seconds > 0 && pthread_cond_timedwait(&c->news, &c->lock, &until) == 0)
        ;
    exchange *list = c->queue;
    c->queue = NULL;
    pthread_mutex_unlock(&c->lock);
    return list;
}

static int handle(crawler *c, exchange *list, wt_err *err) {
    int result = 0;
    while (list) {
        job *j = (job *)list;
        list = (exchange *)j->e.x.next;
        if (result) {                                  /* an error ends the crawl: only tidy up */
            c->n_asking -= j->stage == STAGE_RESOLVED;
            job_free(c, j);
            continue;
        }
        if (j->stage == STAGE_RESOLVED) {
            result = job_resolved(c, j, err);
            continue;
        }
        if (j->e.pack_error) {
            if (err)
                *err = *j->e.err;
            result = -1;
        } else {
            result = j->kind == JOB_PAGE ? page_done(c, j, err) : robots_done(c, j, err);
        }
        if (j->origin && frontier_host_pending(c->frontier, j->host) == 0)
            origin_drop(c, j->origin);
        job_free(c, j);
    }
    return result;
}

static void show_progress(crawler *c) {
    wt_progress_set(c->n_done);
    wt_progress_note("%d connections, %u hosts to go, %llu pages, %.1f MB", c->n_active,
                     frontier_hosts_pending(c->frontier), (unsigned long long)c->n_ok,
                     (double)c->total_payload / 1e6);
}

static int crawl_loop(crawler *c, wt_err *err) {
    uint32_t host, item;
    for (;;) {
        int go_on = ranks_meet(c, err);
        if (go_on <= 0)
            return go_on;
        double now = wt_now();
        bool room = work_bytes(c->workers) < BODIES_BYTES;
        while (room && c->n_active < c->options.max_conns && frontier_take(c->frontier, now, &host, &item))
            if (dispatch(c, host, item, err))
                return -1;
        double wait = SAVE_EVERY_S;
        if (room && c->n_active < c->options.max_conns) {
            double next = frontier_next_time(c->frontier, now) - now;
            wait = next < wait ? (next > 0.0005 ? next : 0.0005) : wait;
        }
        if (handle(c, wait_for_news(c, wait < 0.1 ? wait : 0.1), err))
            return -1;
        if (wt_now() - c->saved_at >= SAVE_EVERY_S || store_pending(c->store) > SAVE_BYTES) {
            if (save(c, err))
                return -1;
            show_progress(c);
        }
    }
    return 0;
}

/* In-flight transfers get a moment to end, then are given back. Names still being asked for are left. */
static int wind_down(crawler *c, bool keep, wt_err *err) {
    double until = wt_now() + (keep ? STOP_GRACE_S : 0);
    int result = 0;
    bool abandoned = false;
    while (c->n_active > c->n_asking) {
        if (!abandoned && wt_now() >= until) {
            work_abandon(c->workers);
            abandoned = true;
        }
        exchange *list = wait_for_news(c, 0.05);
        for (exchange *e = list; e; e = (exchange *)e->x.next)
            if (((job *)e)->stage == STAGE_RESOLVED) {  /* do not start it now */
                ((job *)e)->stage = STAGE_FETCHED;
                e->x.end = FETCH_STOPPED;
                c->n_asking--;
            }
        while (list && (!keep || result)) {
            job *j = (job *)list;
            list = (exchange *)list->x.next;
            job_free(c, j);
        }
        result = list ? handle(c, list, err) : result;
    }
    return result;
}

static void crawler_close(crawler *c) {
    work_pool_free(c->workers);
    resolver_free(c->resolver);
    frontier_free(c->frontier);
    store_close(c->store);
    capture_writer_free(c->writer);
    crawl_state_close(c->state);
    origins_free(c);
    for (size_t i = 0; i < c->n_jobs; i++) {           /* also those whose name nobody answered for */
        job *j = c->all_jobs[i];
        fetch_reset(&j->e.x);
        wt_buf_free(&j->e.cap.records);
        free(j->e.err);
        wt_arena_free(j->arena);
        free(j);
    }
    free(c->all_jobs);
    for (size_t i = 0; i < c->n_tasks; i++)
        free(c->task[i].url);
    free(c->task);
    free(c->free_task);
    free(c->host_map);
    free(c->info);
    free(c->detour);
    free(c->ip);
    for (int i = 0; c->outgoing && i < c->n_ranks; i++)
        wt_buf_free(&c->outgoing[i]);
    free(c->outgoing);
    wt_buf_free(&c->scratch);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->news);
}

int crawler_run(const crawler_options *options, wt_err *err) {
    crawler c = {.options = *options};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&c.lock, NULL);
    pthread_cond_init(&c.news, &monotonic);
    c.saved_at = wt_now();
    int result = crawler_open(&c, err);
    if (result == 0) {
        wt_progress_begin("crawl", "address", c.n_urls);
        wt_progress_set(c.n_done);
        result = crawl_loop(&c, err);
        bool keep = result == 0 || (err && err->code == WT_ESTOP);
        wt_err late = {0};
        if (wind_down(&c, keep, &late) && keep) {
            *err = late;
            result = -1;
        } else if (keep && save(&c, &late)) {
            *err = late;
            result = -1;
        }
        wt_progress_end();
        if (keep)
            crawler_report(&c);
    }
    crawler_close(&c);
    return result;
}

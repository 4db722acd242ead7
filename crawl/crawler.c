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
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/cluster.h"
#include "common/tool.h"
#include "crawl/crawler_impl.h"

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
        job_put_back(c, j);
        frontier_hold(c->frontier, host);
        frontier_done(c->frontier, host, wt_now(), FRONTIER_UNASKED, 0, -1);
        job_free(c, j);
        return 0;
    case ROBOTS_FETCH:                                 /* this turn goes to robots.txt */
        job_put_back(c, j);
        return robots_turn(c, j, err);
    default:
        return -1;
    }
}

/* ---- saving ---- */
enum { NAMELESS_MANY = 10 };        /* hosts: a list as unknown as that is no accident */

/* A machine off the network knows no name. That says nothing about the addresses, so while nothing was reached no outcome
 * is committed, and at the end a long list stays in the queue. Collective. */
static int judge_names(crawler *c, wt_err *err) {
    uint64_t sums[] = {c->n_reached, c->n_nameless};
    wt_cluster_sum_u64(sums, 2);
    c->names_judged = sums[0] > 0 || sums[1] < NAMELESS_MANY || c->options.give_up_names;
    return c->names_judged ? 0 : wt_fail(err, WT_EIO, "the resolver knew none of %llu names: is this machine on the network? Their addresses stay in the queue: "
                                         "the same command tries them again, and with --give-up-names it ends the crawl without them", (unsigned long long)sums[1]);
}

int crawler_save(crawler *c, wt_err *err) {
    c->saved_at = wt_now();
    if (c->n_nameless && !c->n_reached && !c->names_judged)
        return 0;
    if (crawl_state_begin(c->state, err) || store_sync(c->store, err) || crawl_state_commit(c->state, err))
        return wt_context(err, "cannot save the crawl");
    return 0;
}

/* ---- the queue of what workers and resolvers hand back ---- */
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

/* ---- the loop ---- */
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
        c->n_reached += j->e.x.status > 0;
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
            if (crawler_save(c, err))
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
        if (result == 0)
            result = judge_names(&c, err);
        bool keep = result == 0 || (err && err->code == WT_ESTOP);
        wt_err late = {0};
        if (wind_down(&c, keep, &late) && keep) {
            *err = late;
            result = -1;
        } else if (keep && crawler_save(&c, &late)) {
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

/* crawler_robots.c - whose robots.txt is known, and how it becomes known (RFC 9309, 2.3).
 *
 * An origin's file is fetched in a turn of its host, when the first page of the origin comes up. It is
 * kept a day, in the state too. Redirects are followed over at most five hops, each in a turn of the
 * host it leads to; the rules that come of it are those of the origin we began with. 4xx: all is
 * allowed. 429, 5xx or no answer: tried again with back-off like a page, then all is forbidden. */
#include <stdio.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/in.h"
#include "common/tool.h"
#include "common/warc.h"
#include "crawl/crawler_impl.h"

/* ---- the table of origins ---- */
static void origins_grow(crawler *c) {
    size_t n = c->n_buckets ? 2 * c->n_buckets : 1024;
    origin **bucket = wt_xcalloc(n, sizeof *bucket);
    for (size_t i = 0; i < c->n_buckets; i++)
        while (c->bucket[i]) {
            origin *o = c->bucket[i];
            c->bucket[i] = o->next;
            o->next = bucket[o->hash & (n - 1)];
            bucket[o->hash & (n - 1)] = o;
        }
    free(c->bucket);
    c->bucket = bucket;
    c->n_buckets = n;
}

static origin *origin_get(crawler *c, const crawl_url *url, uint32_t host) {
    size_t n = (size_t)(url->authority.ptr + url->authority.len - url->text.ptr);
    uint64_t hash = wt_hash64(url->text.ptr, n, 2);
    if (c->n_origins >= c->n_buckets)
        origins_grow(c);
    origin **head = &c->bucket[hash & (c->n_buckets - 1)];
    for (origin *o = *head; o; o = o->next)
        if (o->hash == hash && strlen(o->name) == n && memcmp(o->name, url->text.ptr, n) == 0)
            return o;
    origin *o = wt_xcalloc(1, sizeof *o + n + 1);
    o->hash = hash;
    o->host = host;
    memcpy(o->name, url->text.ptr, n);
    o->next = *head;
    *head = o;
    c->n_origins++;
    return o;
}

void origin_drop(crawler *c, origin *o) {
    if (o->fetching)
        return;
    origin **at = &c->bucket[o->hash & (c->n_buckets - 1)];
    while (*at && *at != o)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = o->next;
    robots_free(o->rules);
    free(o);
    c->n_origins--;
}

void origins_free(crawler *c) {
    for (size_t i = 0; i < c->n_buckets; i++)
        while (c->bucket[i]) {
            origin *o = c->bucket[i];
            c->bucket[i] = o->next;
            robots_free(o->rules);
            free(o);
        }
    free(c->bucket);
}

/* ---- rules ---- */
static void origin_set(crawler *c, origin *o, const char *outcome, wt_str body, int64_t time_s) {
    robots_free(o->rules);
    bool rules = strcmp(outcome, "rules") == 0, none = strcmp(outcome, "none") == 0;
    snprintf(o->failed, sizeof o->failed, "%s", rules || none ? "" : outcome);
    o->rules = rules ? robots_parse(body, c->token) : robots_constant(none);
    o->time_s = time_s;
    double delay = robots_crawl_delay(o->rules);
    if (delay > 0)
        frontier_set_crawl_delay(c->frontier, o->host, delay < CRAWL_DELAY_MAX_S ? delay : CRAWL_DELAY_MAX_S);
}

int robots_settle(crawler *c, origin *o, const char *outcome, int status, wt_str body, wt_err *err) {
    int64_t now = (int64_t)unix_now();
    if (body.len > ROBOTS_BYTES_MAX)
        body.len = ROBOTS_BYTES_MAX;
    origin_set(c, o, outcome, body, now);
    o->fetching = false;
    frontier_release(c->frontier, o->host);
    if (crawl_state_begin(c->state, err))
        return -1;
    return crawl_state_put_robots(c->state, wt_str_of(o->name), now, outcome, status, body, err);
}

robots_answer robots_ask(crawler *c, job *j, char *why, size_t why_bytes, wt_err *err) {
    origin *o = j->origin = origin_get(c, &j->url, j->host);
    int64_t oldest = (int64_t)unix_now() - ROBOTS_KEEP_S, time_s;
    if (o->fetching)
        return ROBOTS_WAIT;
    if (!o->rules) {
        char outcome[16];
        int found = crawl_state_get_robots(c->state, wt_str_of(o->name), oldest, outcome, &c->scratch, &time_s, err);
        if (found < 0)
            return ROBOTS_ERROR;
        if (found)
            origin_set(c, o, outcome, wt_buf_view(&c->scratch), time_s);
    }
    if (!o->rules || o->time_s < oldest)
        return ROBOTS_FETCH;
    if (robots_allowed(o->rules, j->url.target))
        return ROBOTS_ALLOW;
    if (o->failed[0])
        snprintf(why, why_bytes, "robots.txt could not be fetched: %s", o->failed);
    else
        robots_reason(o->rules, j->url.target, why, why_bytes);
    return ROBOTS_FORBID;
}

/* ---- fetching ---- */
int robots_turn(crawler *c, job *j, wt_err *err) {
    origin *o = j->origin;
    char *text = wt_arena_printf(j->arena, "%s/robots.txt", o->name);
    j->kind = JOB_ROBOTS;
    j->id = 0;
    j->tries = j->hops = 0;
    if (crawl_url_parse(wt_str_of(text), NULL, j->arena, &j->url) != CRAWL_URL_OK)
        return wt_fail(err, WT_EDATA, "'%s' is no address", text);
    o->fetching = true;
    return job_send(c, j, err);
}

/* Not this time: the page that asked is still in the queue and will ask again after the back-off. */
static int robots_failed(crawler *c, job *j, double wait, wt_err *err) {
    origin *o = j->origin;
    bool own_host = j->host == o->host;
    bool busy = j->e.x.end == FETCH_OK;
    bool final = failure_is_final(j) || wait > c->options.retry_after_max_s;
    bool settled = ++o->failures > c->options.retries || !own_host || final;
    if (settled) {
        const char *outcome = busy || !own_host ? "unreachable" : fetch_end_name(j->e.x.end);
        if (robots_settle(c, o, outcome, j->e.x.status, (wt_str){0}, err))
            return -1;
    } else {
        o->fetching = false;
        frontier_release(c->frontier, o->host);
    }
    /* Once it is settled nothing more is asked of this origin: the pages need not wait to hear it. */
    return turn_end(c, j, settled ? FRONTIER_ANSWERED : busy ? FRONTIER_BUSY : FRONTIER_UNREACHED, wait, err);
}

/* 1: the next hop is under way; 0: too many, or nowhere. */
static int robots_hop(crawler *c, job *j, wt_str location, wt_err *err) {
    crawl_url url;
    origin *o = j->origin;
    if (j->hops >= ROBOTS_HOPS || crawl_url_parse(location, &j->url, j->arena, &url) != CRAWL_URL_OK)
        return 0;
    uint32_t host = host_get(c, url.host, err);
    if (host == UINT32_MAX)
        return -1;
    if (frontier_parked(c->frontier, host))
        return 0;
    if (host != o->host)
        frontier_hold(c->frontier, o->host);
    task t = {.kind = JOB_ROBOTS, .origin = o, .hops = j->hops + 1, .url = wt_xstrndup(url.text)};
    frontier_add_urgent(c->frontier, host, task_add(c, t));
    return 1;
}

static int robots_record(crawler *c, job *j, wt_err *err) {
    return outcome_put(c, j, "robots.txt", NULL, true, 0, err);
}

int robots_done(crawler *c, job *j, wt_err *err) {
    fetch *x = &j->e.x;
    origin *o = j->origin;
    wt_str header = wt_buf_view(&x->header), body = {0};
    const char *outcome = "none";
    wt_buf plain = {0}, scratch = {0};
    int result = 0;
    if (x->end == FETCH_STOPPED) {
        o->fetching = false;
        return turn_end(c, j, FRONTIER_UNASKED, -1, err);
    }
    if (x->end != FETCH_OK)
        return robots_failed(c, j, -1, err);
    if (x->status == 429 || x->status >= 500)
        return robots_failed(c, j, retry_after(header), err);
    if (robots_record(c, j, err))
        return -1;
    wt_str location = wt_http_field(header, "Location");
    if (x->status >= 300 && x->status < 400 && location.len) {
        int hop = robots_hop(c, j, location, err);
        if (hop)
            return hop < 0 ? -1 : turn_end(c, j, FRONTIER_ANSWERED, -1, err);
    } else if (x->status >= 200 && x->status < 300) {
        wt_http_message message;
        wt_buf_add_str(&plain, header);
        wt_buf_add_str(&plain, wt_buf_view(&x->body));
        body = wt_buf_view(&x->body);
        outcome = "rules";
        wt_buf decoded = {0};
        if (wt_http_parse(wt_buf_view(&plain), &scratch, &message, NULL) == 0) {
            wt_decode_body(message.body, message.content_encoding, ROBOTS_BYTES_MAX, &decoded, NULL);
            body = message.content_encoding.len ? wt_buf_view(&decoded) : message.body;
        }
        result = robots_settle(c, o, outcome, x->status, body, err);
        wt_buf_free(&decoded);
        wt_buf_free(&plain);
        wt_buf_free(&scratch);
        return result ? -1 : turn_end(c, j, FRONTIER_ANSWERED, -1, err);
    }
    if (robots_settle(c, o, outcome, x->status, body, err))
        return -1;
    return turn_end(c, j, FRONTIER_ANSWERED, -1, err);
}

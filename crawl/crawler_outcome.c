/* crawler_outcome.c - what becomes of an address: its row in the state, its record in the archive, the address it redirects to,
 * another try; and what that means for its host. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/tool.h"
#include "common/warc.h"
#include "crawl/crawler_impl.h"

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

/* Parks the host; all addresses that wait for it have their outcome. */
static int host_give_up(crawler *c, uint32_t host, const char *why, wt_err *err) {
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
        job_put_back(c, j);
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
        job_put_back(c, j);
        return turn_end(c, j, FRONTIER_BUSY, wait, err);
    }
    if (outcome_put(c, j, "busy", too_long ? "asks for more rest than --max-retry-after" : NULL, true, 0, err))
        return -1;
    if (too_long && turn_end(c, j, FRONTIER_BUSY, wait, err) == 0)
        return host_give_up(c, j->host, "asks for more rest than --max-retry-after", err);
    return too_long ? -1 : turn_end(c, j, FRONTIER_BUSY, wait, err);
}

int page_done(crawler *c, job *j, wt_err *err) {
    const fetch *x = &j->e.x;
    const char *outcome = "ok", *detail = NULL;
    uint32_t target = 0;
    if (x->end == FETCH_STOPPED) {
        job_put_back(c, j);
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

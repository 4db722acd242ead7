/* crawler_send.c - from a job to a worker: may this port be asked, which address has the name, is it that address's turn? */
#include <stdio.h>

#include "common/tool.h"
#include "crawl/address.h"
#include "crawl/crawler_impl.h"

/* Not now: the address that the host lies at is busy with other hosts. The job comes again. */
static void give_back(crawler *c, job *j) {
    if (j->kind == JOB_PAGE)
        job_put_back(c, j);
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

int job_resolved(crawler *c, job *j, wt_err *err) {
    c->n_asking--;
    bool known = j->resolved == RESOLVE_OK || j->resolved == RESOLVE_PRIVATE;
    c->n_reached += known;
    c->n_nameless += !known && !c->info[j->host].nameless;
    c->info[j->host].nameless |= !known;
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

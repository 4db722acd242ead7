/* fetch.c - libcurl's multi_socket interface on epoll (see fetch.h for what it promises).
 *
 * Choices that measurements made (docs/experiments/crawl.md): easy handles are kept and used again; limits on
 * connections are the caller's, for libcurl's own queue eats the timeout.
 *
 * A fetcher is several multi handles ("lanes") on one epoll, a host always in the same. libcurl 7.88
 * walks all open connections of a multi handle whenever a transfer is removed, and its tables have 71
 * and 97 buckets: with 10,000 connections in one multi handle 40% of all time went there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/tool.h"
#include "crawl/fetch_impl.h"

#define ACCEPT_PAGES "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1"

#define WAKE UINT64_MAX         /* the eventfd, among lane and socket numbers */
#define LANE_CONNECTIONS 128
#define LANES_MAX 128

const char *fetch_end_name(fetch_end end) {
    static const char *const names[] = {"ok",     "dns",     "connect", "tls",     "timeout", "slow",
                                        "broken", "headers", "private", "refused", "stopped"};
    return names[end];
}

void fetch_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

/* ---- the proxy, before the crawl ---- */
static const char *proxy_default_port(const char *scheme) {
    return strcmp(scheme, "https") == 0 ? "443" : "1080";      /* as libcurl has it */
}

static bool is_proxy_scheme(const char *scheme) {
    static const char *const known[] = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(scheme, known[i]) == 0)
            return true;
    return false;
}

static int proxy_connect(const char *host, const char *port, wt_err *err) {
    CURL *e = curl_easy_init();
    wt_buf url = {0};
    wt_buf_printf(&url, "http://%s:%s/", host, port);
    curl_easy_setopt(e, CURLOPT_URL, url.ptr);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT, 10L);
    CURLcode code = curl_easy_perform(e);
    curl_easy_cleanup(e);
    wt_buf_free(&url);
    return code == CURLE_OK ? 0 : wt_fail(err, WT_EIO, "no proxy answers at %s port %s: %s", host, port, curl_easy_strerror(code));
}

int fetch_proxy_check(const char *proxy, wt_err *err) {
    CURLU *u = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    wt_buf full = {0};
    fetch_global_init();
    wt_buf_printf(&full, "%s%s", strstr(proxy, "://") ? "" : "http://", proxy);
    CURLUcode code = curl_url_set(u, CURLUPART_URL, full.ptr, CURLU_NON_SUPPORT_SCHEME);
    if (code == CURLUE_OK)
        code = curl_url_get(u, CURLUPART_SCHEME, &scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(u, CURLUPART_HOST, &host, 0);
    int result = 0;
    if (code != CURLUE_OK || host[0] == 0)
        result = wt_fail(err, WT_EARG, "--proxy is no URL like http://host:port: %s", code ? curl_url_strerror(code) : "no host");
    else if (!is_proxy_scheme(scheme))
        result = wt_fail(err, WT_EARG, "--proxy: '%s' is not one of http, https, socks4, socks4a, socks5, socks5h", scheme);
    else
        result = proxy_connect(host, curl_url_get(u, CURLUPART_PORT, &port, 0) == CURLUE_OK ? port : proxy_default_port(scheme), err);
    curl_free(scheme), curl_free(host), curl_free(port);
    curl_url_cleanup(u);
    wt_buf_free(&full);
    return result;
}

/* ---- callbacks of the multi handle ---- */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known) {
    lane *l = user;
    int epoll = l->fetcher->epoll;
    struct epoll_event event = {.data.u64 = (uint64_t)(l - l->fetcher->lane) << 32 | (uint32_t)fd};
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
        if (errno == EEXIST)
            epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
        else if (errno == ENOENT)
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    if (!known)
        curl_multi_assign(l->multi, fd, l);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *user) {
    lane *l = user;
    (void)multi;
    l->timer = timeout_ms < 0 ? -1 : wt_now() + (double)timeout_ms / 1000;
    return 0;
}

/* ---- life ---- */
static bool lane_init(lane *l, fetcher *f) {
    int connections = f->options.connections > 0 ? f->options.connections : 64;
    l->fetcher = f;
    l->timer = -1;
    l->multi = curl_multi_init();
    if (!l->multi)
        return false;
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    /* Half as much again: hosts do not fall into lanes evenly. */
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)(connections / f->n_lanes * 3 / 2 + 16));
    curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return true;
}

fetcher *fetcher_new(const fetch_options *options, wt_err *err) {
    fetcher *f = wt_xcalloc(1, sizeof *f);
    char line[512];
    bool good = true;
    f->options = *options;
    f->n_lanes = 1 + options->connections / LANE_CONNECTIONS;
    f->n_lanes = f->n_lanes > LANES_MAX ? LANES_MAX : f->n_lanes;
    f->lane = wt_xcalloc((size_t)f->n_lanes, sizeof *f->lane);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    for (int i = 0; i < f->n_lanes; i++)
        good &= lane_init(&f->lane[i], f);
    if (f->epoll < 0 || f->wake < 0 || !good) {
        wt_fail_errno(err, "cannot make an event queue for the network");
        fetcher_free(f);
        return NULL;
    }
    epoll_ctl(f->epoll, EPOLL_CTL_ADD, f->wake, &(struct epoll_event){.events = EPOLLIN, .data.u64 = WAKE});
    snprintf(line, sizeof line, "Accept: %s", options->accept ? options->accept : ACCEPT_PAGES);
    f->headers = curl_slist_append(NULL, line);
    f->headers = curl_slist_append(f->headers, "Accept-Encoding: gzip");
    return f;
}

void fetcher_free(fetcher *f) {
    if (!f)
        return;
    fetcher_abandon(f);
    for (int i = 0; i < f->n_lanes; i++) {
        lane *l = &f->lane[i];
        while (l->free_slots) {
            slot *s = l->free_slots;
            l->free_slots = s->next;
            slot_free(s);
        }
        if (l->multi)
            curl_multi_cleanup(l->multi);
    }
    free(f->lane);
    curl_slist_free_all(f->headers);
    if (f->epoll >= 0)
        close(f->epoll);
    if (f->wake >= 0)
        close(f->wake);
    free(f);
}

static void list_done(fetcher *f, fetch *job) {
    job->next = f->done;
    f->done = job;
}

void fetcher_start(fetcher *f, fetch *job) {
    lane *l = &f->lane[wt_hash64(job->host.ptr, job->host.len, 0) % (uint64_t)f->n_lanes];
    slot *s = l->free_slots;
    if (s)
        l->free_slots = s->next;
    else
        s = slot_new(l);
    slot_begin(s, job);
    job->prev = NULL;
    job->next = f->running;
    if (f->running)
        f->running->prev = job;
    f->running = job;
    f->n_running++;
    curl_multi_add_handle(l->multi, s->easy);          /* asks for the timer; the rest in _wait */
}

static void unlink_running(fetcher *f, fetch *job) {
    if (job->prev)
        job->prev->next = job->next;
    else
        f->running = job->next;
    if (job->next)
        job->next->prev = job->prev;
    job->next = job->prev = NULL;
    f->n_running--;
}

static void slot_release(slot *s) {
    s->fetcher->body_bytes -= s->job->body.len;
    s->job = NULL;
    s->next = s->lane->free_slots;
    s->lane->free_slots = s;
}

static void finish(fetcher *f, slot *s, CURLcode code) {
    fetch *job = s->job;
    char *ip = NULL;
    slot_judge(s, code);
    if (!job->ip[0] && !f->options.proxy && curl_easy_getinfo(s->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip)
        snprintf(job->ip, sizeof job->ip, "%s", ip);
    curl_easy_getinfo(s->easy, CURLINFO_TOTAL_TIME, &job->took_s);
    curl_easy_getinfo(s->easy, CURLINFO_STARTTRANSFER_TIME, &job->first_byte_s);
    curl_multi_remove_handle(s->lane->multi, s->easy);
    unlink_running(f, job);
    slot_release(s);
    list_done(f, job);
}

/* Lets libcurl work on one socket, or on what is due (CURL_SOCKET_TIMEOUT), and takes what ended. */
static void lane_turn(lane *l, curl_socket_t fd, int mask) {
    int running, left;
    curl_multi_socket_action(l->multi, fd, mask, &running);
    for (CURLMsg *m; (m = curl_multi_info_read(l->multi, &left));) {
        if (m->msg != CURLMSG_DONE)
            continue;
        char *own = NULL;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &own);
        finish(l->fetcher, (slot *)(void *)own, m->data.result);
    }
}

static double next_timer(const fetcher *f, double until) {
    for (int i = 0; i < f->n_lanes; i++)
        if (f->lane[i].timer >= 0 && f->lane[i].timer < until)
            until = f->lane[i].timer;
    return until;
}

fetch *fetcher_wait(fetcher *f, double timeout_s) {
    struct epoll_event events[256];
    double now = wt_now(), end = now + timeout_s;
    bool woken = false;
    while (!f->done && !woken) {
        double until = next_timer(f, end);
        int n = epoll_wait(f->epoll, events, 256, until <= now ? 0 : (int)((until - now) * 1000 + 0.999));
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == WAKE) {
                uint64_t count;
                if (read(f->wake, &count, sizeof count) > 0)
                    woken = true;
                continue;
            }
            int mask = (events[i].events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                       (events[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
            lane_turn(&f->lane[events[i].data.u64 >> 32], (curl_socket_t)(uint32_t)events[i].data.u64, mask);
        }
        now = wt_now();
        for (int i = 0; i < f->n_lanes; i++)
            if (f->lane[i].timer >= 0 && now >= f->lane[i].timer) {
                f->lane[i].timer = -1;
                lane_turn(&f->lane[i], CURL_SOCKET_TIMEOUT, 0);
            }
        if (now >= end)
            break;
    }
    fetch *list = f->done;
    f->done = NULL;
    return list;
}

fetch *fetcher_abandon(fetcher *f) {
    while (f->running) {
        slot *s = f->running->handle;
        fetch *job = s->job;
        curl_multi_remove_handle(s->lane->multi, s->easy);
        job->end = FETCH_STOPPED;
        unlink_running(f, job);
        slot_release(s);
        list_done(f, job);
    }
    fetch *list = f->done;
    f->done = NULL;
    return list;
}

void fetcher_wake(fetcher *f) {
    uint64_t one = 1;
    if (write(f->wake, &one, sizeof one) < 0)
        return;                                        /* the counter is full: it wakes anyway */
}

uint64_t fetcher_bytes(const fetcher *f) { return f->body_bytes; }
int fetcher_running(const fetcher *f) { return f->n_running; }

void fetch_reset(fetch *job) {
    wt_buf_free(&job->request);
    wt_buf_free(&job->header);
    wt_buf_free(&job->body);
}

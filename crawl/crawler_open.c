/* crawler_open.c - before and after the crawl: the list into the state, the state into the frontier,
 * options into their parts, and the numbers at the end. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/in.h"
#include "common/json.h"
#include "common/tool.h"
#include "crawl/crawler_impl.h"

#define LINE_MAX_BYTES ((size_t)1 << 20)
#define RESOLVER_THREADS 32

/* ---- a set of 64-bit hashes, while the list is read ---- */
typedef struct {
    uint64_t *slot;
    size_t n, cap;
    bool has_zero;
} hash_set;

static bool set_add(hash_set *s, uint64_t hash) {
    if (hash == 0) {
        bool is_new = !s->has_zero;
        s->has_zero = true;
        return is_new;
    }
    if (5 * (s->n + 1) > 4 * s->cap) {                 /* 45M addresses fit in 2^26 slots, 512 MiB */
        hash_set bigger = {.cap = s->cap ? 2 * s->cap : 1 << 16, .has_zero = s->has_zero};
        bigger.slot = wt_xcalloc(bigger.cap, sizeof *bigger.slot);
        for (size_t i = 0; i < s->cap; i++)
            if (s->slot[i])
                set_add(&bigger, s->slot[i]);
        free(s->slot);
        *s = bigger;
    }
    size_t i = hash & (s->cap - 1);
    while (s->slot[i] && s->slot[i] != hash)
        i = (i + 1) & (s->cap - 1);
    if (s->slot[i])
        return false;
    s->slot[i] = hash;
    s->n++;
    return true;
}

/* ---- the list ---- */
/* The address in a line: "url" of a JSON object, or the line itself. */
static wt_str line_url(wt_str line, wt_arena *arena) {
    static const wt_str keys[] = {WT_STR("url")};
    wt_json value;
    line = wt_str_trim(line);
    if (line.len == 0 || line.ptr[0] == '#')
        return (wt_str){0};
    if (line.ptr[0] != '{')
        return line;
    if (wt_json_pick(line, keys, 1, &value, NULL) || value.kind != WT_JSON_STRING)
        return (wt_str){"", 0};
    return wt_json_string(value, arena);
}

static int take_line(crawler *c, wt_str line, hash_set *seen, wt_arena *arena, wt_err *err) {
    crawl_url url;
    wt_arena_reset(arena);
    wt_str text = line_url(line, arena);
    if (!text.ptr)
        return 0;
    if (text.len == 0) {
        c->bad_lines++;
        return 0;
    }
    if (crawl_url_parse(text, NULL, arena, &url) != CRAWL_URL_OK) {
        c->bad_urls++;
        return 0;
    }
    uint64_t key = crawl_state_key(url.text);
    bool ours = rank_of_host(c, url.host) == c->rank;
    if (!ours && !c->options.limit)
        return 0;
    if (!set_add(seen, key)) {
        c->repeated += ours;
        return 0;
    }
    c->n_listed++;
    if (!ours)
        return 0;
    if (c->last_id == FRONT_BIT - 1)
        return wt_fail(err, WT_ELIMIT, "more than %u addresses in one crawl", FRONT_BIT - 1);
    uint32_t host = host_get(c, url.host, err);
    if (host == UINT32_MAX)
        return -1;
    return crawl_state_add_url(c->state, ++c->last_id, url.text, host, key, 0, 0, err);
}

static int read_list(crawler *c, const char *path, hash_set *seen, wt_arena *arena, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    wt_str line;
    int more = -1;
    uint64_t n = 0;
    if (!in)
        return -1;
    while ((!c->options.limit || c->n_listed < c->options.limit) &&
           (more = wt_in_line(in, LINE_MAX_BYTES, &line, &c->bad_lines, err)) == 1) {
        if (take_line(c, line, seen, arena, err)) {
            more = -1;
            break;
        }
        if (++n % 4096 == 0 && wt_stop_requested()) {
            more = wt_stop_error(err);
            break;
        }
        wt_progress_set(c->last_id);
    }
    if (c->options.limit && c->n_listed >= c->options.limit)
        more = 0;
    wt_in_close(in);
    return more < 0 ? -1 : 0;
}

/* All in one transaction: a list is in the state whole or not at all. */
static int import_list(crawler *c, wt_err *err) {
    hash_set seen = {0};
    wt_arena *arena = wt_arena_new(0);
    int result = 0;
    if (crawl_state_begin(c->state, err) || crawl_state_import_reset(c->state, err))
        result = -1;
    wt_progress_begin("reading the list", "address", c->options.limit);
    for (int i = 0; result == 0 && i < c->options.n_inputs; i++)
        result = read_list(c, c->options.inputs[i], &seen, arena, err);
    wt_progress_end();
    if (result == 0)
        result = crawl_state_import_end(c->state, err);
    wt_arena_free(arena);
    free(seen.slot);
    return result;
}

/* ---- the state into memory ---- */
static int load_host(void *ctx, uint32_t host, wt_str name, double until, int failures, bool parked, wt_err *err) {
    crawler *c = ctx;
    (void)err;
    host_learn(c, name, host);
    if (failures) {
        double wait = until - unix_now();
        frontier_restore(c->frontier, host, wt_now() + (wait > 0 ? wait : 0), failures);
        c->info[host].troubled = true;
    }
    if (parked)
        frontier_park(c->frontier, host);
    return 0;
}

static int load_url(void *ctx, uint32_t id, uint32_t host, wt_err *err) {
    crawler *c = ctx;
    (void)err;
    frontier_add(c->frontier, host, id);
    return 0;
}

static int load_state(crawler *c, wt_err *err) {
    c->n_hosts = 0;
    free(c->host_map);
    c->host_map = NULL;
    c->cap_host_map = 0;
    if (crawl_state_each_host(c->state, load_host, c, err) || crawl_state_each_pending(c->state, load_url, c, err))
        return -1;
    c->last_id = crawl_state_last_url(c->state);
    c->n_urls = crawl_state_count(c->state);
    c->n_done = c->n_urls - frontier_pending(c->frontier);
    return 0;
}

/* ---- options ---- */
wt_str crawler_token(const char *user_agent) {
    const char *p = user_agent, *inner = strstr(user_agent, "compatible;");
    if (inner && strncmp(user_agent, "Mozilla/", 8) == 0)
        for (p = inner + 11; *p == ' '; p++)
            ;
    size_t n = 0;
    while ((p[n] >= 'a' && p[n] <= 'z') || (p[n] >= 'A' && p[n] <= 'Z') || p[n] == '-' || p[n] == '_')
        n++;
    return (wt_str){p, n};
}

/* One part of HOST:PORT:ADDR:PORT; addresses of IPv6 stand in brackets. */
static wt_str detour_part(wt_str *rest) {
    wt_str part = *rest;
    if (part.len && part.ptr[0] == '[') {
        const char *end = memchr(part.ptr, ']', part.len);
        if (end) {
            part.len = (size_t)(end + 1 - part.ptr);
            rest->ptr += part.len, rest->len -= part.len;
            if (rest->len && rest->ptr[0] == ':')
                rest->ptr++, rest->len--;
            return part;
        }
    }
    return wt_str_cut(rest, ':');
}

static int add_detour(crawler *c, const char *text, wt_err *err) {
    wt_str rest = wt_str_of(text), ports[2];
    detour d = {0};
    int n_colons = 0;
    for (const char *p = text; *p; p++) {
        if (*p == '[' && strchr(p, ']'))
            p = strchr(p, ']');
        n_colons += *p == ':';
    }
    d.host = detour_part(&rest);
    ports[0] = detour_part(&rest);
    d.to = detour_part(&rest);
    ports[1] = rest;
    if (n_colons != 3)
        return wt_fail(err, WT_EARG, "--connect-to '%s' is not HOST:PORT:ADDR:PORT", text);
    for (int i = 0; i < 2; i++) {
        long port = 0;
        for (size_t k = 0; k < ports[i].len; k++) {
            char ch = ports[i].ptr[k];
            if (ch < '0' || ch > '9' || port > 65535)
                return wt_fail(err, WT_EARG, "--connect-to '%s': '%.*s' is no port", text, WT_FMT(ports[i]));
            port = port * 10 + (ch - '0');
        }
        *(i ? &d.to_port : &d.port) = (int)port;
    }
    c->detour = wt_xrealloc(c->detour, (c->n_detours + 1) * sizeof *c->detour);
    c->detour[c->n_detours++] = d;
    return 0;
}

/* Each connection is a file; two more a worker, the archive, the state. */
static void raise_file_limit(crawler *c) {
    struct rlimit limit;
    uint64_t need = 2 * (uint64_t)c->options.max_conns + 128;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < need) {
        limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > need ? need : limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < need) {
        int fits = (int)((limit.rlim_cur > 256 ? limit.rlim_cur - 128 : 128) / 2);
        wt_warn("%llu open files are allowed: %d connections instead of %d", (unsigned long long)limit.rlim_cur,
                fits, c->options.max_conns);
        c->options.max_conns = fits;
    }
}

static int open_parts(crawler *c, wt_err *err) {
    const crawler_options *o = &c->options;
    char info[1024];
    frontier_options manners = {.per_host = o->per_host, .delay_s = o->delay_s, .delay_max_s = 60,
                                .slow_factor = o->delay_s > 0 ? 3 : 0, .backoff_s = o->backoff_s,
                                .backoff_max_s = 3600, .dead_after = 5, .seed = o->seed};
    fetch_options net = {.user_agent = o->user_agent, .timeout_s = o->timeout_s,
                         .connect_timeout_s = o->timeout_s < 10 ? o->timeout_s : 10,
                         .low_speed_s = 20, .low_speed_bytes = 500,
                         .allow_private = o->allow_private, .http2 = o->http2, .any_type = o->any_type,
                         .proxy = o->proxy, .cacert = o->cacert,
                         .connections = o->max_conns / o->threads + 16};
    c->frontier = frontier_new(&manners);
    snprintf(info, sizeof info, "software: webtext wt-crawl/%s\r\nformat: WARC File Format 1.1\r\n"
             "conformsTo: https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
             "robots: %s\r\nhttp-header-user-agent: %s\r\n", WT_VERSION,
             o->ignore_robots ? "ignore" : "obey (RFC 9309)", o->user_agent);
    c->writer = capture_writer_new(o->level, !o->no_requests, (uint64_t)(unix_now() * 1e6));
    c->store = store_open(o->output, c->state, o->file_bytes, wt_str_of(info), c->writer, err);
    c->resolver = resolver_new(RESOLVER_THREADS, o->allow_private, crawler_name_resolved, c);
    if (!c->store)
        return -1;
    fetch_global_init();
    c->workers = work_pool_new(o->threads, &net, o->level, !o->no_requests, crawler_exchanges_done, c, err);
    return c->workers ? 0 : -1;
}

int crawler_open(crawler *c, wt_err *err) {
    c->token = c->options.robots_token ? wt_str_of(c->options.robots_token) : crawler_token(c->options.user_agent);
    if (c->token.len == 0)
        return wt_fail(err, WT_EARG, "the user agent '%s' does not begin with a name that robots.txt could use",
                       c->options.user_agent);
    for (int i = 0; i < c->options.n_connect_to; i++)
        if (add_detour(c, c->options.connect_to[i], err))
            return -1;
    raise_file_limit(c);
    c->rank = wt_cluster_rank();
    c->n_ranks = wt_cluster_size();
    if (!(c->state = crawl_state_open(c->options.output, err)))
        return -1;
    if (!crawl_state_imported(c->state) && import_list(c, err))
        return -1;
    return open_parts(c, err) || load_state(c, err) || ranks_open(c, err) ? -1 : 0;
}

/* ---- the end ---- */
static const char *const outcome_names[] = {
    "ok", "http", "redirect", "redirect-loop", "redirect-limit", "bad-redirect", "type", "cut", "bomb", "busy",
    "robots", "robots-unreachable", "dns", "connect", "tls", "timeout", "slow", "broken", "headers", "private",
    "refused", "host-parked",
};
#define N_OUTCOMES (sizeof outcome_names / sizeof *outcome_names)

void outcome_count(crawler *c, const char *outcome) {
    c->n_ok += strcmp(outcome, "ok") == 0;
    for (size_t i = 0; i < N_OUTCOMES; i++)
        if (strcmp(outcome_names[i], outcome) == 0) {
            c->n_outcome[i]++;
            return;
        }
}

/* Collective: the numbers are those of all ranks. */
void crawler_report(crawler *c) {
    uint64_t sums[] = {c->n_urls, c->n_done, c->n_ok, c->total_payload, c->bad_lines + c->bad_urls, c->repeated};
    wt_cluster_sum_u64(sums, 4);
    wt_cluster_sum_u64(c->n_outcome, N_OUTCOMES);
    wt_report_count("addresses", sums[0]);
    wt_report_count("addresses done", sums[1]);
    wt_report_count("pages", sums[2]);
    wt_report_count("payload bytes", sums[3]);
    if (sums[4])
        wt_report_count("lines without an address", sums[4]);
    if (sums[5])
        wt_report_count("addresses listed again", sums[5]);
    for (size_t i = 1; i < N_OUTCOMES; i++)
        if (c->n_outcome[i])
            wt_report_drop(outcome_names[i], c->n_outcome[i]);
}

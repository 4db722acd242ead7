/* crawler_ranks.c - manners towards addresses, and several machines.
 *
 * Addresses: a million blogs may live at four addresses. Beside its host's rest a connection needs a
 * turn at its address (IPv4, or the /64 of IPv6): at most 4 * per_host connections at once, and delay/8
 * between two starts. A host that finds its address busy is promised the next free moment and put
 * off till then, so that waiting costs neither a connection nor a search. Addresses given with
 * --connect-to are exempt: they stand for others.
 *
 * Machines: a host belongs to the rank that the hash of its name falls to; each rank crawls its own
 * into a folder of its own. A redirect to another rank's host goes into the state's outbox, is handed
 * over when the ranks meet (once a second), and leaves the outbox when the receiver has committed
 * it. An address that arrives twice after a kill is known by then. robots.txt redirects are not handed
 * over: the rank that needs the file fetches it. */
#include <math.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/hash.h"
#include "common/tool.h"
#include "crawl/crawler_impl.h"

#define MEET_EVERY_S 1.0

/* ---- addresses ---- */
static size_t ip_find(crawler *c, const char *address) {
    uint8_t bytes[16];
    bool six = strchr(address, ':') != NULL;
    if (inet_pton(six ? AF_INET6 : AF_INET, address, bytes) != 1)
        return SIZE_MAX;
    uint64_t hash = wt_hash64(bytes, six ? 8 : 4, six) | 1;
    if (2 * (c->n_ips + 1) > c->cap_ips) {
        size_t cap = c->cap_ips;
        ip_entry *old = c->ip;
        c->cap_ips = cap ? 2 * cap : 256;
        c->ip = wt_xcalloc(c->cap_ips, sizeof *c->ip);
        for (size_t i = 0; i < cap; i++)
            if (old[i].hash) {
                size_t k = old[i].hash & (c->cap_ips - 1);
                while (c->ip[k].hash)
                    k = (k + 1) & (c->cap_ips - 1);
                c->ip[k] = old[i];
            }
        free(old);
    }
    size_t i = hash & (c->cap_ips - 1);
    while (c->ip[i].hash && c->ip[i].hash != hash)
        i = (i + 1) & (c->cap_ips - 1);
    if (!c->ip[i].hash) {
        c->ip[i].hash = hash;
        c->n_ips++;
    }
    return i;
}

bool ip_turn_begin(crawler *c, job *j, double now) {
    double gap = c->options.delay_s / 8;
    host_info *info = &c->info[j->host];
    size_t i = j->detoured || !j->address[0] || gap == 0 ? SIZE_MAX : ip_find(c, j->address);
    if (i == SIZE_MAX)
        return true;
    ip_entry *ip = &c->ip[i];
    bool full = ip->in_flight >= 4 * (uint32_t)c->options.per_host;
    bool promised = info->ip_turn > 0;
    double turn = promised ? info->ip_turn : ip->next_time;
    if (!full && now >= turn) {
        if (!promised)
            ip->next_time = now + gap;
        info->ip_turn = 0;
        ip->in_flight++;
        j->ip = i + 1;
        return true;
    }
    if (!promised || now >= turn) {                    /* the next free moment is this host's */
        info->ip_turn = ip->next_time > now + gap ? ip->next_time : now + gap;
        ip->next_time = info->ip_turn + gap;
    }
    return false;
}

void ip_turn_end(crawler *c, job *j) {
    if (j->ip) {
        size_t i = ip_find(c, j->address);             /* the table may have grown meanwhile */
        c->ip[i].in_flight--;
    }
    j->ip = 0;
}

/* ---- ranks ---- */
int rank_of_host(const crawler *c, wt_str host) {
    return c->n_ranks < 2 ? c->rank : (int)wt_fastrange64(wt_hash64(host.ptr, host.len, 3), (uint64_t)c->n_ranks);
}

static int note_outgoing(void *ctx, int rank, wt_str url, int hops) {
    crawler *c = ctx;
    wt_buf_printf(&c->outgoing[rank], "%d\t%.*s\n", hops, WT_FMT(url));
    return 0;
}

int rank_send(crawler *c, int rank, wt_str url, int hops, wt_err *err) {
    note_outgoing(c, rank, url, hops);
    return crawl_state_begin(c->state, err) || crawl_state_put_outbox(c->state, rank, url, hops, err) ? -1 : 0;
}

int ranks_open(crawler *c, wt_err *err) {
    if (c->n_ranks < 2)
        return 0;
    c->outgoing = wt_xcalloc((size_t)c->n_ranks, sizeof *c->outgoing);
    return crawl_state_each_outbox(c->state, note_outgoing, c, err);
}

static int receive(crawler *c, wt_str text, wt_err *err) {
    wt_arena *arena = wt_arena_new(0);
    int result = 0;
    while (text.len && result == 0) {
        wt_str line = wt_str_cut(&text, '\n');
        int hops = atoi(line.ptr);
        crawl_url url;
        uint32_t id;
        wt_str_cut(&line, '\t');
        wt_arena_reset(arena);
        if (crawl_url_parse(line, NULL, arena, &url) == CRAWL_URL_OK &&
            !crawl_state_find_url(c->state, url.text, crawl_state_key(url.text)))
            result = url_add(c, &url, 0, hops, &id, err);
    }
    wt_arena_free(arena);
    return result;
}

static int hand_over(crawler *c, wt_err *err) {
    size_t n = (size_t)c->n_ranks, total = 0;
    void **parts = wt_xcalloc(n, sizeof *parts), *got = NULL;
    size_t *send = wt_xcalloc(n, sizeof *send), *counts = wt_xcalloc(n, sizeof *counts);
    int result = 0;
    for (size_t r = 0; r < n; r++) {
        parts[r] = c->outgoing[r].ptr;
        send[r] = c->outgoing[r].len;
    }
    wt_cluster_exchange(parts, send, &got, counts);
    for (size_t r = 0; r < n; r++) {
        total += counts[r];
        c->sent |= send[r] > 0;
        wt_buf_clear(&c->outgoing[r]);
    }
    if (total)
        result = receive(c, (wt_str){got, total}, err) || crawler_save(c, err);
    free(got), free(parts), free(send), free(counts);
    return result;
}

int ranks_meet(crawler *c, wt_err *err) {
    bool work = frontier_pending(c->frontier) > 0 || c->n_active > 0;
    if (c->n_ranks < 2)
        return wt_stop_requested() ? wt_stop_error(err) : work;
    if (wt_now() - c->exchanged_at < MEET_EVERY_S)
        return 1;
    if (wt_cluster_agree(hand_over(c, err), err))      /* what was received is committed now, on all ranks */
        return -1;
    bool failed = c->sent && (crawl_state_begin(c->state, err) || crawl_state_clear_outbox(c->state, err));
    c->sent = false;
    c->exchanged_at = wt_now();
    if (wt_cluster_any(wt_stop_requested()))
        return wt_stop_error(err);
    work = frontier_pending(c->frontier) > 0 || c->n_active > 0;
    bool any = wt_cluster_any(work);
    return failed ? -1 : any;
}

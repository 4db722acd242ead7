/* fetch.c - libcurl's multi_socket interface on epoll (see fetch.h for what it promises).
 *
 * Choices that measurements made (docs/experiments/crawl.md): CAPATH is NULL, for with a folder
 * libcurl parses the certificate store anew for every connection (26 times the CPU); easy handles are
 * kept and used again; names are resolved by the caller and handed in with CURLOPT_RESOLVE, each
 * handle taking its last entry out again, so that libcurl's small DNS table stays small; limits on
 * connections are the caller's, for libcurl's own queue eats the timeout.
 *
 * A fetcher is several multi handles ("lanes") on one epoll, a host always in the same. libcurl 7.88
 * walks all open connections of a multi handle whenever a transfer is removed, and its tables have 71
 * and 97 buckets: with 10,000 connections in one multi handle 40% of all time went there.
 *
 * The request is written down by the same rule that libcurl sends it by, so that no debug callback
 * is needed; a test compares it with what a server received. */
#include "crawl/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/hash.h"
#include "common/tool.h"
#include "common/warc.h"
#include "crawl/address.h"

#define ACCEPT_PAGES "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1"

#define WAKE UINT64_MAX         /* the eventfd, among lane and socket numbers */
#define SNIFF_BYTES ((size_t)512)
#define LANE_CONNECTIONS 128
#define LANES_MAX 128

typedef struct lane {
    struct fetcher *fetcher;
    CURLM *multi;
    double timer;               /* when libcurl wants to be called; -1: not */
    struct slot *free_slots;
} lane;

typedef struct slot {
    CURL *easy;
    struct fetcher *fetcher;
    lane *lane;
    fetch *job;
    struct curl_slist *resolve, *connect_to;
    char *forget;               /* "-host:port": the entry to take out of the DNS table next time */
    char error[CURL_ERROR_SIZE];
    const char *private_kind;   /* what the refused address was */
    bool too_much_header, in_body, sniffed;
    struct slot *next;          /* in the list of free ones */
} slot;

struct fetcher {
    fetch_options options;
    int epoll, wake;
    lane *lane;
    int n_lanes;
    struct curl_slist *headers;
    _Atomic uint64_t body_bytes;
    fetch *running;             /* doubly linked */
    int n_running;
    fetch *done;
};

const char *fetch_end_name(fetch_end end) {
    static const char *const names[] = {"ok",     "dns",     "connect", "tls",     "timeout", "slow",
                                        "broken", "headers", "private", "refused", "stopped"};
    return names[end];
}

void fetch_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

/* ---- what is text ---- */
static bool type_is_text(wt_str type) {
    wt_str kind = type;
    kind = wt_str_trim(wt_str_cut(&kind, ';'));
    static const char *const good[] = {"text/html", "application/xhtml+xml", "text/plain", "text/xml",
                                       "application/xml", "text/markdown", "text/x-markdown",
                                       "text", "html", "text/*", "application/octet-stream",
                                       "unknown/unknown", "*/*", "content/unknown"};
    if (kind.len == 0 || memchr(kind.ptr, '/', kind.len) == NULL)
        return true;                                   /* none, or nonsense: the bytes will tell */
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (wt_str_eq_nocase(kind, wt_str_of(good[i])))
            return true;
    return kind.len >= 8 && strncasecmp(kind.ptr, "text/htm", 8) == 0;
}

/* Do the first bytes of a body that is not coded belong to a file that is no text? */
static bool bytes_are_binary(wt_str s) {
    static const struct {
        const char *bytes;
        size_t n;
    } magic[] = {{"%PDF-", 5}, {"\x89PNG", 4}, {"\xff\xd8\xff", 3}, {"GIF8", 4}, {"PK\3\4", 4},
                 {"\x1f\x8b", 2}, {"RIFF", 4}, {"\0\0\0", 3}, {"ID3", 3}, {"OggS", 4}, {"\x7f" "ELF", 4},
                 {"Rar!", 4}, {"7z\xbc\xaf", 4}, {"BZh", 3}, {"\xfd" "7zXZ", 5}, {"MZ\x90", 3}};
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (s.len >= magic[i].n && memcmp(s.ptr, magic[i].bytes, magic[i].n) == 0)
            return true;
    if (s.len >= 2 && (memcmp(s.ptr, "\xff\xfe", 2) == 0 || memcmp(s.ptr, "\xfe\xff", 2) == 0))
        return false;                                  /* UTF-16 */
    size_t n_nul = 0, n = s.len < SNIFF_BYTES ? s.len : SNIFF_BYTES;
    for (size_t i = 0; i < n; i++)
        n_nul += s.ptr[i] == 0;
    return n_nul > n / 64 && n >= 64 && n_nul < n / 3; /* a third of NUL: UTF-16 without a mark */
}

/* ---- callbacks of one transfer ---- */
static wt_str header_view(const fetch *job) { return wt_buf_view(&job->header); }

static size_t on_header(char *line, size_t size, size_t n, void *user) {
    slot *s = user;
    fetch *job = s->job;
    size_t bytes = size * n;
    job->header_bytes += bytes;                        /* of all blocks: a flood of 1xx counts */
    if (job->header_bytes > FETCH_HEADER_MAX) {
        s->too_much_header = true;
        return 0;
    }
    if (bytes >= 5 && memcmp(line, "HTTP/", 5) == 0 && !s->in_body) {
        wt_buf_clear(&job->header);                    /* an earlier block was 1xx or the proxy's */
        job->http2 = bytes > 6 && line[5] == '2';
        const char *space = memchr(line, ' ', bytes);
        job->status = space ? atoi(space) : 0;
        if (job->http2 && space) {                     /* readers of archives know HTTP/1 only */
            wt_buf_add_str(&job->header, WT_STR("HTTP/1.1"));
            wt_buf_add(&job->header, space, bytes - (size_t)(space - line));
            return bytes;
        }
    }
    if (s->in_body)
        return bytes;                                  /* trailers stand in the wire bytes already */
    wt_buf_add(&job->header, line, bytes);
    bool empty_line = bytes <= 2 && (line[0] == '\r' || line[0] == '\n');
    if (empty_line && job->status >= 200 && job->status < 300 && !job->any_type &&
        !s->fetcher->options.any_type && !type_is_text(wt_http_field(header_view(job), "Content-Type"))) {
        job->cut = FETCH_CUT_TYPE;
        return 0;
    }
    return bytes;
}

/* The first bytes of the body proper: behind the first chunk's size line where there is one. */
static wt_str first_bytes(const fetch *job) {
    wt_str body = wt_buf_view(&job->body);
    if (wt_http_field(header_view(job), "Transfer-Encoding").len) {
        const char *line_end = memchr(body.ptr, '\n', body.len);
        size_t skip = line_end ? (size_t)(line_end + 1 - body.ptr) : body.len;
        body.ptr += skip, body.len -= skip;
    }
    return body;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *user) {
    slot *s = user;
    fetch *job = s->job;
    size_t n_bytes = size * n;
    bool first = !s->in_body;
    s->in_body = true;
    size_t room = job->body.len < job->body_max ? (size_t)(job->body_max - job->body.len) : 0;
    if (first && n_bytes < room) {                     /* grow once where the length is known */
        curl_off_t length = -1;
        curl_easy_getinfo(s->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        if (length > 0 && (uint64_t)length <= job->body_max && length < (1 << 20))
            wt_buf_reserve(&job->body, (size_t)length);
    }
    wt_buf_add(&job->body, bytes, n_bytes < room ? n_bytes : room);
    s->fetcher->body_bytes += n_bytes < room ? n_bytes : room;
    if (n_bytes > room) {
        job->cut = FETCH_CUT_LENGTH;
        return 0;
    }
    if (!s->sniffed && job->status < 300 && !job->any_type && !s->fetcher->options.any_type &&
        wt_http_field(header_view(job), "Content-Encoding").len == 0) {
        wt_str start = first_bytes(job);               /* may come in pieces */
        s->sniffed = start.len >= SNIFF_BYTES;
        if (bytes_are_binary(start)) {
            job->cut = FETCH_CUT_TYPE;
            return 0;
        }
    }
    return n_bytes;
}

static curl_socket_t on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address) {
    slot *s = user;
    const fetch_options *o = &s->fetcher->options;
    (void)purpose;
    const char *kind = o->allow_private || o->proxy ? NULL : address_special(&address->addr);
    if (kind) {
        s->private_kind = kind;
        address_format(&address->addr, s->job->ip);
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* Again right before the request goes out: connections are used again. */
static int on_prereq(void *user, char *ip, char *local_ip, int port, int local_port) {
    slot *s = user;
    const fetch_options *o = &s->fetcher->options;
    (void)local_ip, (void)port, (void)local_port;
    const char *kind = o->allow_private || o->proxy ? NULL : address_special_text(ip, NULL);
    if (!kind)
        return CURL_PREREQFUNC_OK;
    s->private_kind = kind;
    snprintf(s->job->ip, sizeof s->job->ip, "%s", ip);
    return CURL_PREREQFUNC_ABORT;
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

static void slot_free(slot *s) {
    curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->resolve);
    curl_slist_free_all(s->connect_to);
    free(s->forget);
    free(s);
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

/* What is the same for all requests is set once in a handle's life. */
static slot *slot_new(lane *l) {
    fetcher *f = l->fetcher;
    const fetch_options *o = &f->options;
    slot *s = wt_xcalloc(1, sizeof *s);
    CURL *e = s->easy = curl_easy_init();
    s->fetcher = f;
    s->lane = l;
    curl_easy_setopt(e, CURLOPT_PRIVATE, s);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, s->error);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, f->headers);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)(o->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(e, CURLOPT_HTTP_TRANSFER_DECODING, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(e, CURLOPT_PROXY, o->proxy ? o->proxy : "");
    curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    curl_easy_setopt(e, CURLOPT_CAINFO, o->cacert ? o->cacert : info->cainfo ? info->cainfo
                                                    : "/etc/ssl/certs/ca-certificates.crt");
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(o->timeout_s * 1000));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_timeout_s * 1000));
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, (long)o->low_speed_bytes);
    curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME, (long)(o->low_speed_s < 1 ? 1 : o->low_speed_s));
    curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 8192L);
    curl_easy_setopt(e, CURLOPT_DNS_CACHE_TIMEOUT, -1L);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, s);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, s);
    return s;
}

/* Puts the address that the caller chose into libcurl's DNS table for this name; where the port
 * differs too, the connection is sent elsewhere. */
static void slot_pin(slot *s, const fetch *job) {
    char line[640];
    curl_slist_free_all(s->resolve);
    curl_slist_free_all(s->connect_to);
    s->resolve = s->connect_to = NULL;
    if (s->forget)
        s->resolve = curl_slist_append(NULL, s->forget);
    free(s->forget);
    s->forget = NULL;
    int port = job->address_port ? job->address_port : job->port;
    if (job->address && job->host.len && job->host.ptr[0] == '[') {    /* literal: not looked up */
        bool six = strchr(job->address, ':') != NULL;
        snprintf(line, sizeof line, six ? "::[%s]:%d" : "::%s:%d", job->address, port);
        s->connect_to = curl_slist_append(NULL, line);
    } else if (job->address && port != job->port) {           /* another port, and the name stays: libcurl looks */
        snprintf(line, sizeof line, ":::%d", port);    /* for open connections by name */
        s->connect_to = curl_slist_append(NULL, line);
    }
    if (job->address && job->host.len && job->host.ptr[0] != '[') {
        snprintf(line, sizeof line, "%.*s:%d:%s", WT_FMT(job->host), port, job->address);
        s->resolve = curl_slist_append(s->resolve, line);
        snprintf(line, sizeof line, "-%.*s:%d", WT_FMT(job->host), port);
        s->forget = wt_xstrdup(line);
    }
    curl_easy_setopt(s->easy, CURLOPT_RESOLVE, s->resolve);
    curl_easy_setopt(s->easy, CURLOPT_CONNECT_TO, s->connect_to);
}

/* The request as libcurl writes it: built-in fields first, ours behind them. */
static void write_request(const fetcher *f, fetch *job) {
    const char *p = strstr(job->url, "://");
    const char *authority = p ? p + 3 : job->url;
    size_t n = strcspn(authority, "/?");
    const char *target = authority + n;
    wt_buf_clear(&job->request);
    wt_buf_printf(&job->request, "GET %s%s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: %s\r\n",
                  *target == '/' ? "" : "/", target, (int)n, authority, f->options.user_agent);
    for (const struct curl_slist *h = f->headers; h; h = h->next)
        wt_buf_printf(&job->request, "%s\r\n", h->data);
    wt_buf_add(&job->request, "\r\n", 2);
}

static int64_t unix_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
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
    s->job = job;
    s->private_kind = NULL;
    s->too_much_header = s->in_body = s->sniffed = false;
    s->error[0] = 0;
    job->handle = s;
    job->end = FETCH_OK, job->cut = FETCH_WHOLE, job->status = 0, job->http2 = false;
    job->header_bytes = 0;
    job->ip[0] = job->error[0] = 0;
    wt_buf_clear(&job->header);
    wt_buf_clear(&job->body);
    job->start_unix_ms = unix_ms();
    write_request(f, job);
    slot_pin(s, job);
    curl_easy_setopt(s->easy, CURLOPT_URL, job->url);
    curl_easy_setopt(s->easy, CURLOPT_FORBID_REUSE, job->last ? 1L : 0L);
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

/* libcurl's code and what we noted in the callbacks, as one of our ends. */
static void judge(slot *s, fetch *job, CURLcode code) {
    bool header_whole = job->status >= 200 && job->header.len >= 2 &&
                        (s->in_body || job->header.ptr[job->header.len - 2] == '\r' ||
                         job->header.ptr[job->header.len - 2] == '\n');
    if (s->private_kind) {
        job->end = FETCH_PRIVATE;
        snprintf(job->error, sizeof job->error, "%s is a %s address", job->ip, s->private_kind);
        return;
    }
    if (s->too_much_header) {
        job->end = FETCH_HEADERS;
        snprintf(job->error, sizeof job->error, "header lines of more than %d KiB", (int)(FETCH_HEADER_MAX >> 10));
        return;
    }
    if (code == CURLE_OK || job->cut != FETCH_WHOLE)
        return;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST: case CURLE_COULDNT_RESOLVE_PROXY:
        job->end = FETCH_DNS;
        break;
    case CURLE_COULDNT_CONNECT:
        job->end = FETCH_CONNECT;
        break;
    case CURLE_SSL_CONNECT_ERROR: case CURLE_PEER_FAILED_VERIFICATION: case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM: case CURLE_SSL_CACERT_BADFILE: case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: case CURLE_SSL_ENGINE_NOTFOUND:
        job->end = FETCH_TLS;
        break;
    case CURLE_OPERATION_TIMEDOUT: {
        double connected = 0;
        curl_easy_getinfo(s->easy, CURLINFO_PRETRANSFER_TIME, &connected);
        job->end = connected == 0 ? FETCH_CONNECT : strstr(s->error, "too slow") ? FETCH_SLOW : FETCH_TIMEOUT;
        break;
    }
    case CURLE_OUT_OF_MEMORY:                          /* libcurl's word for a line beyond its 100 KB */
        job->end = job->status ? FETCH_HEADERS : FETCH_REFUSED;
        snprintf(s->error, sizeof s->error, job->status ? "a header line of more than 100 KB" : "out of memory");
        break;
    case CURLE_URL_MALFORMAT: case CURLE_BAD_FUNCTION_ARGUMENT:
        job->end = FETCH_REFUSED;
        break;
    case CURLE_FILESIZE_EXCEEDED:
    default:
        job->end = FETCH_BROKEN;
    }
    snprintf(job->error, sizeof job->error, "%s", s->error[0] ? s->error : curl_easy_strerror(code));
    if (header_whole && job->body.len)
        job->cut = job->end == FETCH_TIMEOUT || job->end == FETCH_SLOW ? FETCH_CUT_TIME : FETCH_CUT_LOST;
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
    judge(s, job, code);
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

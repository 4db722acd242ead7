/* fetch_slot.c - one transfer: what libcurl is told of it, what is noted while bytes come in and where they are cut, and how
 * it ended.
 *
 * Choices that measurements made (docs/experiments/crawl.md): CAPATH is NULL, for with a folder
 * libcurl parses the certificate store anew for every connection (26 times the CPU); names are resolved by the
 * caller and handed in with CURLOPT_RESOLVE, each handle taking its last entry out again, so that libcurl's small
 * DNS table stays small.
 *
 * The request is written down by the same rule that libcurl sends it by, so that no debug callback
 * is needed; a test compares it with what a server received. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "common/warc.h"
#include "crawl/address.h"
#include "crawl/fetch_impl.h"

#define SNIFF_BYTES ((size_t)512)

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

/* ---- life ---- */
/* What is the same for all requests is set once in a handle's life. */
slot *slot_new(lane *l) {
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

void slot_free(slot *s) {
    curl_easy_cleanup(s->easy);
    curl_slist_free_all(s->resolve);
    curl_slist_free_all(s->connect_to);
    free(s->forget);
    free(s);
}

/* ---- beginning and end ---- */
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

void slot_begin(slot *s, fetch *job) {
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
    write_request(s->fetcher, job);
    slot_pin(s, job);
    curl_easy_setopt(s->easy, CURLOPT_URL, job->url);
    curl_easy_setopt(s->easy, CURLOPT_FORBID_REUSE, job->last ? 1L : 0L);
}

void slot_judge(slot *s, CURLcode code) {
    fetch *job = s->job;
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

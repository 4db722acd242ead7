/* webserver.c - a web of many hosts on loopback, well-behaved or not, for tests and the demo.
 *
 *   webserver --root DIR [--map FILE] [--port N] [--tls-port N --cert FILE --key FILE]
 *             [--port-file FILE] [--log FILE] [--delay S] [--child] | --list-faults
 *
 * It listens on 127.0.0.1 only. A port of 0 (the default for --port) is chosen by the system; the
 * ports are written to --port-file, whole, as lines "http PORT" and "https PORT". --child ends the
 * server when its parent ends. One thread a connection; HTTP/1.1 with keep-alive; GET and HEAD.
 *
 * HOSTS. The Host field names a folder: DIR/HOST/PATH answers http://HOST/PATH, an index.html answers
 * for its folder, and a file named "PATH?QUERY" for a target with that query. Hosts without a
 * folder are answered from DIR/_any, where that exists, else by 404. With --map, lines
 * "URL<TAB>FILE[<TAB>META]" give single URLs (scheme as asked, or "//host/..." for both schemes); these
 * files are decompressed before they are sent.
 *
 * META. A file FILE.meta beside FILE (FILE itself may be absent: an empty body) holds lines:
 *   status: 301 Moved          the status line's number and words (200 OK)
 *   header: Name: value        added; replaces a field of that name that the server would send
 *   delay: S                   waits before answering
 *   drip: BYTES MS             sends the body in pieces of BYTES with MS between
 *   coding: gzip|deflate       compresses the body and says so
 *   chunked: BYTES             sends the body in chunks of that size
 *   raw: yes                   FILE is all that goes over the wire; then the connection closes
 *   fault: NAME [ARG]          one of the faults below
 *   times: N                   the meta holds for the first N requests, then FILE is served plainly
 *
 * FAULTS. http://ANYHOST/_fault/NAME/ARG, or by meta; --list-faults tells what each does.
 *
 * LOG. One line a request, tab-separated: seconds at its arrival, seconds at its end (both Unix time
 * with microseconds), connection number, scheme, host, method, target, status, body bytes sent. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "common/fs.h"
#include "common/hash.h"
#include "common/in.h"
#include "common/warc.h"

#define HEADER_MAX ((size_t)64 << 10)
#define FILE_MAX ((uint64_t)256 << 20)

static struct {
    const char *root, *map, *cert, *key, *port_file, *log;
    int port, tls_port;
    double delay_s;
    bool child, list_faults;
} opt = {.tls_port = -1};

static SSL_CTX *tls;
static int log_fd = -1;

typedef struct {
    int fd;
    SSL *ssl;
    unsigned long number;
    wt_buf in;                   /* bytes read and not yet used */
    bool broken;                 /* a write failed, or a fault wants the connection closed */
} conn;

typedef struct {
    const char *scheme;
    char *method, *target, *host;
    wt_str header;
    int status;                  /* what was answered, for the log */
    uint64_t sent;               /* body bytes */
    bool close;
} request;

/* ---- bytes over the wire ---- */

static void pause_s(double s) {
    struct timespec t = {(time_t)s, (long)((s - (double)(time_t)s) * 1e9)};
    while (nanosleep(&t, &t) && errno == EINTR) {}
}

static double unix_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool send_bytes(conn *c, const void *bytes, size_t n) {
    const char *p = bytes;
    while (n > 0 && !c->broken) {
        ssize_t k = c->ssl ? SSL_write(c->ssl, p, n > 1 << 20 ? 1 << 20 : (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);
        if (k < 0 && !c->ssl && errno == EINTR) continue;
        if (k <= 0) c->broken = true;
        else p += k, n -= (size_t)k;
    }
    return !c->broken;
}

static bool send_text(conn *c, const char *text) { return send_bytes(c, text, strlen(text)); }

/* For literals with NUL bytes in them. */
#define SEND_BODY(c, r, literal) send_body((c), (r), (literal), sizeof(literal) - 1)

static bool send_body(conn *c, request *r, const void *bytes, size_t n) {
    bool good = send_bytes(c, bytes, n);
    if (good) r->sent += n;
    return good;
}

static ssize_t receive(conn *c) {
    wt_buf_reserve(&c->in, 8192);
    ssize_t k = c->ssl ? SSL_read(c->ssl, c->in.ptr + c->in.len, 8192) : recv(c->fd, c->in.ptr + c->in.len, 8192, 0);
    if (k > 0) c->in.len += (size_t)k;
    return k;
}

/* Closes with a reset in place of an orderly end. */
static void reset(conn *c) {
    struct linger now = {1, 0};
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    c->broken = true;
}

/* ---- faults: each answers in its own way ---- */

static void head(conn *c, request *r, int status, const char *fields) {
    char line[64];
    r->status = status;
    snprintf(line, sizeof line, "HTTP/1.1 %d Test\r\n", status);
    send_text(c, line);
    send_text(c, fields);
}

#define HTML "Content-Type: text/html\r\n"
#define CHUNKED HTML "Transfer-Encoding: chunked\r\n\r\n"

static void page(conn *c, request *r, int status, const char *fields, const char *body) {
    char length[64];
    snprintf(length, sizeof length, "Content-Length: %zu\r\n\r\n", strlen(body));
    head(c, r, status, HTML);
    send_text(c, fields);
    send_text(c, length);
    send_body(c, r, body, strlen(body));
}

static const char PAGE[] = "<!doctype html><title>Fault</title><p>A page behind a fault, with a little text.</p>\n";

static long arg_number(const char *arg, long otherwise) { return arg && *arg ? atol(arg) : otherwise; }

static unsigned times_asked(const char *host, const char *target);

static void f_status(conn *c, request *r, const char *arg) { page(c, r, (int)arg_number(arg, 500), "", PAGE); }
static void f_retry(conn *c, request *r, const char *arg) {
    long n = arg_number(arg, 1);
    const char *after = arg && strchr(arg, '/') ? strchr(arg, '/') + 1 : "1";
    char field[200];
    snprintf(field, sizeof field, "Retry-After: %.150s\r\n", after);
    if (times_asked(r->host, r->target) <= (unsigned)n) page(c, r, 429, field, "slow down");
    else page(c, r, 200, "", PAGE);
}
static void f_endless(conn *c, request *r, const char *arg) {
    char block[8192];
    memset(block, 'x', sizeof block);
    head(c, r, 200, HTML "Connection: close\r\n\r\n");
    while (send_body(c, r, block, sizeof block)) {}
}
static void f_drip(conn *c, request *r, const char *arg) {
    long ms = arg_number(arg, 1000);
    head(c, r, 200, HTML "Content-Length: 100000\r\n\r\n");
    while (SEND_BODY(c, r, "x") && r->sent < 100000) pause_s((double)ms / 1000);
}
static void f_drip_header(conn *c, request *r, const char *arg) {
    long ms = arg_number(arg, 1000);
    r->status = 200;
    send_text(c, "HTTP/1.1 200 OK\r\nX-Slow: ");
    while (send_text(c, "x")) pause_s((double)ms / 1000);
}
static void f_stall(conn *c, request *r, const char *arg) {
    for (long left = arg_number(arg, 3600); left > 0 && !c->broken; left--) {
        char byte;
        pause_s(1);
        if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0) c->broken = true;
    }
    c->broken = true;
}
static void f_stall_body(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML "Content-Length: 100000\r\n\r\nhalf a page");
    f_stall(c, r, arg);
}
static void f_close(conn *c, request *r, const char *arg) { c->broken = true; }
static void f_reset(conn *c, request *r, const char *arg) { reset(c); }
static void f_reset_header(conn *c, request *r, const char *arg) {
    send_text(c, "HTTP/1.1 200 OK\r\nContent-Ty");
    reset(c);
}
static void f_reset_body(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML "Content-Length: 100000\r\n\r\n");
    send_body(c, r, PAGE, sizeof PAGE - 1);
    pause_s(0.05);
    reset(c);
}
static void f_length(conn *c, request *r, const char *arg) {
    char field[300];
    snprintf(field, sizeof field, HTML "Content-Length: %.200s\r\nConnection: close\r\n\r\n", arg ? arg : "1000000");
    head(c, r, 200, field);
    send_body(c, r, PAGE, sizeof PAGE - 1);
    c->broken = true;
}
static void f_two_lengths(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML "Content-Length: 10\r\nContent-Length: 20\r\n\r\n0123456789");
    c->broken = true;
}
/* ARG MiB of zeros that take a thousandth of it on the wire, with a right check sum. */
static void f_gzip_bomb(conn *c, request *r, const char *arg) {
    size_t mib = (size_t)arg_number(arg, 256), n;
    uint8_t *zeros = wt_xcalloc(1, 1 << 20), *packed = wt_xmalloc(1 << 16), tail[10] = {3, 0};
    z_stream z = {.next_in = zeros, .avail_in = 1 << 20, .next_out = packed, .avail_out = 1 << 16};
    deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FULL_FLUSH);               /* a block that stands alone and can be said again */
    n = z.total_out;
    deflateEnd(&z);
    uLong crc = crc32(0, zeros, 1 << 20), all = 0, size = (uLong)mib << 20;
    head(c, r, 200, HTML "Content-Encoding: gzip\r\nConnection: close\r\n\r\n");
    SEND_BODY(c, r, "\x1f\x8b\x08\0\0\0\0\0\0\x03");
    for (size_t i = 0; i < mib && send_body(c, r, packed, n); i++) all = i ? crc32_combine(all, crc, 1 << 20) : crc;
    for (int i = 0; i < 4; i++) tail[2 + i] = (uint8_t)(all >> 8 * i), tail[6 + i] = (uint8_t)(size >> 8 * i);
    send_body(c, r, tail, 10);
    free(zeros), free(packed);
    c->broken = true;
}
static void f_cut_gzip(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML "Content-Encoding: gzip\r\nContent-Length: 12\r\n\r\n\x1f\x8b\x08");
    SEND_BODY(c, r, "\0\0\0\0\0\x03\xb3\xc9\x30");
}
static void f_not_gzip(conn *c, request *r, const char *arg) { page(c, r, 200, "Content-Encoding: gzip\r\n", PAGE); }
static void f_header_flood(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML);
    for (long i = 0, n = arg_number(arg, 100000); i < n && !c->broken; i++) {
        char field[64];
        snprintf(field, sizeof field, "X-Field-%ld: flood\r\n", i);
        send_text(c, field);
    }
    send_text(c, "Content-Length: 0\r\n\r\n");
}
static void f_long_header(conn *c, request *r, const char *arg) {
    size_t n = (size_t)arg_number(arg, 1 << 20);
    char *x = wt_xmalloc(n);
    memset(x, 'x', n);
    head(c, r, 200, HTML "X-Long: ");
    send_bytes(c, x, n);
    send_text(c, "\r\nContent-Length: 0\r\n\r\n");
    free(x);
}
static void f_nul_header(conn *c, request *r, const char *arg) {
    head(c, r, 200, HTML);
    SEND_BODY(c, r, "X-Nul: a\0b\r\nContent-Length: 2\r\n\r\nok");
}
static void f_interim_flood(conn *c, request *r, const char *arg) {
    for (long i = 0, n = arg_number(arg, 100000); i < n && !c->broken; i++) send_text(c, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
    page(c, r, 200, "", PAGE);
}
static void f_http09(conn *c, request *r, const char *arg) {
    send_body(c, r, PAGE, sizeof PAGE - 1);
    c->broken = true;
}
static void f_garbage(conn *c, request *r, const char *arg) {
    for (int i = 0; i < 4096; i++) {
        char byte = (char)(wt_mix64((uint64_t)i) & 255);
        send_bytes(c, &byte, 1);
    }
    c->broken = true;
}
static void f_redirect(conn *c, request *r, const char *arg) {
    long left = arg_number(arg, 3);
    char field[200];
    snprintf(field, sizeof field, "Location: /_fault/redirect/%ld\r\n", left - 1);
    if (left > 0) page(c, r, 302, field, "on");
    else page(c, r, 200, "", PAGE);
}
static void f_loop(conn *c, request *r, const char *arg) {
    page(c, r, 301, arg && *arg == '2' ? "Location: /_fault/loop/1\r\n" : "Location: /_fault/loop/2\r\n", "round");
}
static void f_to(conn *c, request *r, const char *arg) {
    char field[900];
    snprintf(field, sizeof field, "Location: %.800s\r\n", arg ? arg : "/");
    page(c, r, 302, field, "there");
}
static void f_no_location(conn *c, request *r, const char *arg) { page(c, r, 302, "", "nowhere"); }
static void f_long_location(conn *c, request *r, const char *arg) {
    size_t n = (size_t)arg_number(arg, 200000);
    char *x = wt_xmalloc(n);
    memset(x, 'x', n);
    head(c, r, 302, "Location: /");
    send_bytes(c, x, n);
    send_text(c, "\r\nContent-Length: 0\r\n\r\n");
    free(x);
}
static void f_bad_location(conn *c, request *r, const char *arg) { page(c, r, 302, "Location: /caf\xe9 \xff\x01/x\r\n", "there"); }
static void f_chunk_bad(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED);
    SEND_BODY(c, r, "5\r\nhello\r\nzz\r\nworld\r\n0\r\n\r\n");
    c->broken = true;
}
static void f_chunk_huge(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED);
    SEND_BODY(c, r, "ffffffffffffffff\r\nhello");
    c->broken = true;
}
static void f_chunk_endless(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED);
    while (SEND_BODY(c, r, "10\r\n0123456789abcdef\r\n")) {}
}
static void f_chunk_unended(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED);
    SEND_BODY(c, r, "5\r\nhello\r\n");
    c->broken = true;
}
static void f_chunk_extras(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED);
    SEND_BODY(c, r, "0005;name=\"value\"\r\nhello\r\n6 ; a\r\n world\r\n0\r\nX-Trailer: yes\r\n\r\n");
}
static void f_chunk_line(conn *c, request *r, const char *arg) {
    head(c, r, 200, CHUNKED "5;");
    while (send_text(c, "extension-without-end;")) {}
}
static void f_no_type(conn *c, request *r, const char *arg) {
    head(c, r, 200, "Content-Length: 85\r\n\r\n");
    send_body(c, r, PAGE, 85);
}
static void f_no_body(conn *c, request *r, const char *arg) { head(c, r, (int)arg_number(arg, 204), "\r\n"); }
static void f_cookie(conn *c, request *r, const char *arg) {
    bool has = wt_http_field(r->header, "Cookie").len > 0;
    page(c, r, has ? 200 : 302, has ? "" : "Set-Cookie: seen=1\r\nLocation: /_fault/cookie\r\n", PAGE);
}

static const struct {
    const char *name, *what;
    void (*answer)(conn *c, request *r, const char *arg);
} FAULTS[] = {
    {"status", "ARG is the status (500)", f_status},
    {"retry", "N/AFTER: 429 with Retry-After: AFTER for the first N requests (1/1), then a page", f_retry},
    {"endless", "a body without end", f_endless},
    {"drip", "a body of 100,000 bytes, one each ARG ms (1000)", f_drip},
    {"drip-header", "a header without end, one byte each ARG ms", f_drip_header},
    {"stall", "takes the request and says nothing for ARG s (3600)", f_stall},
    {"stall-body", "half a page, then nothing", f_stall_body},
    {"close", "closes without an answer", f_close},
    {"reset", "resets without an answer", f_reset},
    {"reset-header", "resets in the middle of the header", f_reset_header},
    {"reset-body", "resets in the middle of the body", f_reset_body},
    {"length", "Content-Length: ARG (1000000) before a body of 85 bytes; try 5, -1, x, 99999999999999999999", f_length},
    {"two-lengths", "Content-Length twice, different", f_two_lengths},
    {"gzip-bomb", "ARG MiB of zeros (256), compressed", f_gzip_bomb},
    {"cut-gzip", "a gzip body that breaks off", f_cut_gzip},
    {"not-gzip", "plain text that claims to be gzip", f_not_gzip},
    {"header-flood", "ARG header fields (100000)", f_header_flood},
    {"long-header", "one header field of ARG bytes (1048576)", f_long_header},
    {"nul-header", "a NUL in a header field", f_nul_header},
    {"interim-flood", "ARG interim 103 answers (100000), then a page", f_interim_flood},
    {"http09", "a body without status line or header", f_http09},
    {"garbage", "4096 bytes that are no HTTP", f_garbage},
    {"redirect", "a chain of ARG redirects (3) to a page", f_redirect},
    {"loop", "two redirects to each other", f_loop},
    {"to", "a redirect to ARG, as it stands", f_to},
    {"no-location", "302 without Location", f_no_location},
    {"long-location", "a Location of ARG bytes (200000)", f_long_location},
    {"bad-location", "a Location of bytes that are neither URL nor UTF-8", f_bad_location},
    {"chunk-bad", "a chunk size that is no number", f_chunk_bad},
    {"chunk-huge", "a chunk size of 2^64-1", f_chunk_huge},
    {"chunk-endless", "chunks without end", f_chunk_endless},
    {"chunk-unended", "closes before the last chunk", f_chunk_unended},
    {"chunk-extras", "chunk extensions and a trailer; right", f_chunk_extras},
    {"chunk-line", "a chunk line without end", f_chunk_line},
    {"no-type", "a page without Content-Type", f_no_type},
    {"no-body", "status ARG (204) and nothing else; try 304", f_no_body},
    {"cookie", "redirects to itself until a cookie comes back", f_cookie},
};
enum { N_FAULTS = sizeof FAULTS / sizeof *FAULTS };

static bool answer_fault(conn *c, request *r, const char *name, size_t name_bytes, const char *arg) {
    for (int i = 0; i < N_FAULTS; i++)
        if (strlen(FAULTS[i].name) == name_bytes && memcmp(FAULTS[i].name, name, name_bytes) == 0) {
            FAULTS[i].answer(c, r, arg);
            return true;
        }
    return false;
}

/* How often this target was asked for, this time included. */
static unsigned times_asked(const char *host, const char *target) {
    static struct count { uint64_t key; unsigned n; } *table;
    static size_t n_table, cap;
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint64_t key = wt_hash64(host, strlen(host), 1) ^ wt_hash64(target, strlen(target), 2);
    pthread_mutex_lock(&lock);
    size_t i = 0;
    while (i < n_table && table[i].key != key) i++;
    if (i == n_table) {
        WT_GROW(table, cap, n_table + 1);
        table[n_table++] = (struct count){key, 0};
    }
    unsigned n = ++table[i].n;
    pthread_mutex_unlock(&lock);
    return n;
}

/* ---- pages ---- */

typedef struct {
    char *url, *file, *meta;
} mapping;
static mapping *map;
static size_t n_map, map_cap;

static int by_url(const void *a, const void *b) { return strcmp(((const mapping *)a)->url, ((const mapping *)b)->url); }

static int map_load(const char *path, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    wt_str line;
    int more;
    if (!in) return -1;
    while ((more = wt_in_line(in, 1 << 20, &line, NULL, err)) == 1) {
        WT_GROW(map, map_cap, n_map + 1);
        mapping *m = &map[n_map++];
        m->url = wt_xstrndup(wt_str_cut(&line, '\t'));
        m->file = wt_xstrndup(wt_str_cut(&line, '\t'));
        m->meta = line.len ? wt_xstrndup(line) : NULL;
    }
    wt_in_close(in);
    if (n_map) qsort(map, n_map, sizeof *map, by_url);
    return more;
}

static mapping *map_find(const request *r) {
    wt_buf url = {0};
    mapping *found = NULL;
    for (int both = 0; both < 2 && !found && n_map; both++) {
        wt_buf_clear(&url);
        wt_buf_printf(&url, "%s%s//%s%s", both ? "" : r->scheme, both ? "" : ":", r->host, r->target);
        found = bsearch(&(mapping){.url = url.ptr}, map, n_map, sizeof *map, by_url);
    }
    wt_buf_free(&url);
    return found;
}

static char *unescape(const char *s, size_t n) {
    char *out = wt_xmalloc(n + 1), *p = out;
    for (size_t i = 0; i < n; i++) {
        unsigned x;
        if (s[i] == '%' && i + 2 < n && sscanf(s + i + 1, "%2x", &x) == 1) *p++ = (char)x, i += 2;
        else *p++ = s[i];
    }
    *p = 0;
    return out;
}

static bool is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool with_meta(wt_buf *path) {
    if (is_file(path->ptr)) return true;
    wt_buf_add_str(path, WT_STR(".meta"));
    bool found = is_file(path->ptr);
    path->len -= 5, path->ptr[path->len] = 0;
    return found;
}

/* The file that answers, with a ".meta" beside it or not. */
static bool find_file(const request *r, wt_buf *path) {
    size_t n = strcspn(r->target, "?");
    char *name = unescape(r->target, n);
    bool found = false;
    for (int any = 0; any < 2 && !found; any++) {
        wt_buf_clear(path);
        wt_buf_printf(path, "%s/%s", opt.root, any ? "_any" : r->host);
        if (!wt_is_dir(path->ptr) || strstr(r->host, "..") || strchr(r->host, '/') || strstr(name, "..")) continue;
        size_t host_bytes = path->len;
        wt_buf_printf(path, "%s%s", name, r->target + n);        /* with its query */
        if (!(found = with_meta(path)) && r->target[n]) {
            path->len = host_bytes;
            wt_buf_printf(path, "%s", name);
            found = with_meta(path);
        }
        if (!found && wt_is_dir(path->ptr)) {
            wt_buf_printf(path, "%sindex.html", path->ptr[path->len - 1] == '/' ? "" : "/");
            found = with_meta(path);
        }
    }
    free(name);
    return found;
}

static const char *type_of(const char *path) {
    static const char *const types[][2] = {{".txt", "text/plain; charset=utf-8"}, {".xml", "application/xml"}, {".json", "application/json"},
        {".png", "image/png"}, {".jpg", "image/jpeg"}, {".pdf", "application/pdf"}, {".css", "text/css"}, {".js", "text/javascript"},
        {".xhtml", "application/xhtml+xml"}, {".gz", "application/gzip"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (wt_str_ends(wt_str_of(path), wt_str_of(types[i][0]))) return types[i][1];
    return "text/html";
}

static void pack_body(wt_buf *body, bool gzip) {
    wt_buf out = {0};
    z_stream z = {.next_in = (Bytef *)body->ptr, .avail_in = (uInt)body->len};
    deflateInit2(&z, 6, Z_DEFLATED, gzip ? 15 + 16 : 15, 8, Z_DEFAULT_STRATEGY);
    size_t bound = deflateBound(&z, body->len);
    wt_buf_reserve(&out, bound);
    z.next_out = (Bytef *)out.ptr, z.avail_out = (uInt)bound;
    deflate(&z, Z_FINISH);
    out.len = z.total_out;
    deflateEnd(&z);
    wt_buf_free(body);
    *body = out;
}

/* A header field, unless the meta gives one of that name. */
static void add_field(wt_buf *header, wt_str meta_fields, const char *name, const char *value) {
    if (wt_http_field(meta_fields, name).len == 0) wt_buf_printf(header, "%s: %s\r\n", name, value);
}

static void send_pieces(conn *c, request *r, wt_str body, size_t piece, double pause, bool chunked) {
    for (size_t i = 0; i < body.len && !c->broken; i += piece) {
        size_t n = body.len - i < piece ? body.len - i : piece;
        char size[32];
        snprintf(size, sizeof size, "%zx\r\n", n);
        if (chunked) send_text(c, size);
        send_body(c, r, body.ptr + i, n);
        if (chunked) send_text(c, "\r\n");
        if (pause > 0) pause_s(pause);
    }
    if (chunked) send_text(c, "0\r\n\r\n");
}

static void answer_file(conn *c, request *r, const char *type, wt_buf *body, wt_str meta) {
    wt_buf header = {0}, fields = {0};
    wt_str status = wt_http_field(meta, "status"), coding = wt_http_field(meta, "coding"), rest = meta;
    wt_str chunked = wt_http_field(meta, "chunked"), drip = wt_http_field(meta, "drip"), fault = wt_http_field(meta, "fault");
    wt_str delay = wt_http_field(meta, "delay");
    while (rest.len) {
        wt_str line = wt_str_cut(&rest, '\n');
        if (wt_str_starts(line, WT_STR("header:"))) {
            wt_buf_add_str(&fields, wt_str_trim((wt_str){line.ptr + 7, line.len - 7}));
            wt_buf_add_str(&fields, WT_STR("\r\n"));
        }
    }
    if (delay.len) pause_s(atof(delay.ptr));
    if (fault.len) {
        char *arg = wt_xstrndup(fault), *name = arg;
        size_t n = strcspn(name, " \t");
        if (!answer_fault(c, r, name, n, name[n] ? name + n + 1 : NULL)) page(c, r, 500, "", "no such fault");
        free(arg);
    } else if (wt_http_field(meta, "raw").len) {
        send_body(c, r, body->ptr, body->len);
        c->broken = true;
    } else {
        if (coding.len) pack_body(body, coding.ptr[0] == 'g');
        r->status = status.len ? atoi(status.ptr) : 200;
        wt_buf_printf(&header, "HTTP/1.1 %.*s\r\n", status.len ? (int)status.len : 6, status.len ? status.ptr : "200 OK");
        char number[32];
        snprintf(number, sizeof number, "%zu", body->len);
        add_field(&header, wt_buf_view(&fields), "Content-Type", type);
        if (coding.len) add_field(&header, wt_buf_view(&fields), "Content-Encoding", coding.ptr[0] == 'g' ? "gzip" : "deflate");
        if (chunked.len) add_field(&header, wt_buf_view(&fields), "Transfer-Encoding", "chunked");
        else add_field(&header, wt_buf_view(&fields), "Content-Length", number);
        if (r->close) wt_buf_printf(&header, "Connection: close\r\n");
        wt_buf_add_str(&header, wt_buf_view(&fields));
        wt_buf_printf(&header, "\r\n");
        size_t piece = chunked.len ? (size_t)atol(chunked.ptr) : drip.len ? (size_t)atol(drip.ptr) : body->len;
        const char *ms = drip.len ? memchr(drip.ptr, ' ', drip.len) : NULL;
        if (piece == 0) piece = 1;
        bool whole = !chunked.len && !drip.len && body->len < 1 << 20 && strcmp(r->method, "HEAD") != 0;
        if (whole) {                         /* one write, so that small pages are one packet */
            wt_buf_add_str(&header, wt_buf_view(body));
            if (send_bytes(c, header.ptr, header.len)) r->sent += body->len;
        } else {
            send_bytes(c, header.ptr, header.len);
            if (strcmp(r->method, "HEAD") != 0)
                send_pieces(c, r, wt_buf_view(body), piece, ms ? atof(ms) / 1000 : 0, chunked.len > 0);
        }
    }
    wt_buf_free(&header);
    wt_buf_free(&fields);
}

static int read_decoded(const char *path, wt_buf *out) {
    wt_in *in = wt_in_open(path, NULL);
    ptrdiff_t n = -1;
    while (in && out->len < FILE_MAX) {
        wt_buf_reserve(out, 65536);
        n = wt_in_read(in, out->ptr + out->len, 65536, NULL);
        if (n <= 0) break;
        out->len += (size_t)n;
    }
    wt_in_close(in);
    return n < 0 ? -1 : 0;
}

static void answer(conn *c, request *r) {
    wt_buf path = {0}, body = {0}, meta = {0};
    wt_str target = wt_str_of(r->target);
    if (opt.delay_s > 0) pause_s(opt.delay_s);
    if (wt_str_starts(target, WT_STR("/_fault/"))) {
        const char *name = r->target + 8;
        size_t n = strcspn(name, "/?");
        char *arg = name[n] ? unescape(name + n + 1, strlen(name + n + 1)) : NULL;
        if (!answer_fault(c, r, name, n, arg)) page(c, r, 404, "", "no such fault");
        free(arg);
        return;
    }
    mapping *m = map_find(r);
    if (m) {
        if (read_decoded(m->file, &body)) c->broken = true;
        if (m->meta) wt_read_file(m->meta, FILE_MAX, &meta, NULL);
    } else if (opt.root && find_file(r, &path)) {
        if (is_file(path.ptr)) wt_read_file(path.ptr, FILE_MAX, &body, NULL);
        wt_buf_add_str(&path, WT_STR(".meta"));
        if (is_file(path.ptr)) wt_read_file(path.ptr, FILE_MAX, &meta, NULL);
        path.len -= 5, path.ptr[path.len] = 0;
    } else {
        page(c, r, 404, r->close ? "Connection: close\r\n" : "", "<!doctype html><title>404</title><p>Not here.\n");
        wt_buf_free(&path);
        return;
    }
    wt_str times = wt_http_field(wt_buf_view(&meta), "times");
    if (times.len && times_asked(r->host, r->target) > (unsigned)atoi(times.ptr)) wt_buf_clear(&meta);
    answer_file(c, r, m ? "text/html" : type_of(path.ptr), &body, wt_buf_view(&meta));
    wt_buf_free(&path), wt_buf_free(&body), wt_buf_free(&meta);
}

/* ---- connections ---- */

static void log_request(const conn *c, const request *r, double start) {
    wt_buf line = {0};
    if (log_fd < 0) return;
    wt_buf_printf(&line, "%.6f\t%.6f\t%lu\t%s\t%s\t%s\t%s\t%d\t%llu\n", start, unix_now(), c->number, r->scheme, r->host, r->method,
                  r->target, r->status, (unsigned long long)r->sent);
    if (write(log_fd, line.ptr, line.len) < 0) perror("webserver: log");      /* O_APPEND: lines stay whole */
    wt_buf_free(&line);
}

/* Reads one request and answers it. False where the connection is done. */
static bool serve_one(conn *c) {
    ptrdiff_t stop;
    while ((stop = wt_str_find(wt_buf_view(&c->in), WT_STR("\r\n\r\n"))) < 0)
        if (c->in.len > HEADER_MAX || receive(c) <= 0) return false;
    double start = unix_now();
    wt_str rest = {c->in.ptr, (size_t)stop + 2};
    wt_str line = wt_str_cut(&rest, '\n');
    request r = {.scheme = c->ssl ? "https" : "http", .header = rest};
    r.method = wt_xstrndup(wt_str_cut(&line, ' '));
    r.target = wt_xstrndup(wt_str_cut(&line, ' '));
    wt_str host = wt_http_field(rest, "Host");
    r.host = wt_xstrndup(wt_str_cut(&host, ':'));
    for (char *p = r.host; *p; p++) if (*p >= 'A' && *p <= 'Z') *p += 32;
    r.close = wt_str_eq_nocase(wt_http_field(rest, "Connection"), WT_STR("close")) || wt_str_starts(line, WT_STR("HTTP/1.0"));
    answer(c, &r);
    log_request(c, &r, start);
    bool more = !r.close && !c->broken;
    free(r.method), free(r.target), free(r.host);
    memmove(c->in.ptr, c->in.ptr + stop + 4, c->in.len - (size_t)stop - 4);
    c->in.len -= (size_t)stop + 4;
    return more;
}

static void *serve(void *arg) {
    conn *c = arg;
    int on = 1;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->ssl && SSL_accept(c->ssl) != 1) c->broken = true;
    while (!c->broken && serve_one(c)) {}
    if (c->ssl) {
        if (!c->broken) SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    close(c->fd);
    wt_buf_free(&c->in);
    free(c);
    return NULL;
}

typedef struct {
    int fd;
    bool secure;
} listener;

static void *accept_all(void *arg) {
    listener *l = arg;
    static unsigned long n_conns;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 << 10);
    pthread_attr_setdetachstate(&small, PTHREAD_CREATE_DETACHED);
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) pause_s(0.05);
            continue;
        }
        conn *c = wt_xcalloc(1, sizeof *c);
        c->fd = fd;
        c->number = __atomic_add_fetch(&n_conns, 1, __ATOMIC_RELAXED);
        if (l->secure && (c->ssl = SSL_new(tls))) SSL_set_fd(c->ssl, fd);
        pthread_t thread;
        if (pthread_create(&thread, &small, serve, c)) {
            close(fd);
            SSL_free(c->ssl);
            free(c);
        }
    }
    return NULL;
}

static int listen_on(int port, int *got) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 1024)) {
        fprintf(stderr, "webserver: cannot listen on port %d: %s\n", port, strerror(errno));
        exit(1);
    }
    getsockname(fd, (struct sockaddr *)&a, &n);
    *got = ntohs(a.sin_port);
    return fd;
}

static void parse_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *o = argv[i], *v = i + 1 < argc ? argv[i + 1] : "";
        if (!strcmp(o, "--child")) opt.child = true;
        else if (!strcmp(o, "--list-faults")) opt.list_faults = true;
        else if (i++, !strcmp(o, "--root")) opt.root = v;
        else if (!strcmp(o, "--map")) opt.map = v;
        else if (!strcmp(o, "--port")) opt.port = atoi(v);
        else if (!strcmp(o, "--tls-port")) opt.tls_port = atoi(v);
        else if (!strcmp(o, "--cert")) opt.cert = v;
        else if (!strcmp(o, "--key")) opt.key = v;
        else if (!strcmp(o, "--port-file")) opt.port_file = v;
        else if (!strcmp(o, "--log")) opt.log = v;
        else if (!strcmp(o, "--delay")) opt.delay_s = atof(v);
        else {
            fprintf(stderr, "webserver: unknown option '%s'; the head of webserver.c tells the options\n", o);
            exit(2);
        }
    }
}

int main(int argc, char **argv) {
    wt_err err = {0};
    parse_options(argc, argv);
    if (opt.list_faults) {
        for (int i = 0; i < N_FAULTS; i++) printf("%-15s %s\n", FAULTS[i].name, FAULTS[i].what);
        return 0;
    }
    signal(SIGPIPE, SIG_IGN);
    if (opt.child) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (opt.map && map_load(opt.map, &err)) {
        fprintf(stderr, "webserver: %s\n", err.text);
        return 1;
    }
    if (opt.log) log_fd = open(opt.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    listener plain = {0}, secure = {.secure = true};
    int port, tls_port;
    plain.fd = listen_on(opt.port, &port);
    wt_buf ports = {0};
    wt_buf_printf(&ports, "http %d\n", port);
    if (opt.tls_port >= 0) {
        tls = SSL_CTX_new(TLS_server_method());
        if (!opt.cert || !opt.key || SSL_CTX_use_certificate_chain_file(tls, opt.cert) != 1 ||
            SSL_CTX_use_PrivateKey_file(tls, opt.key, SSL_FILETYPE_PEM) != 1) {
            fprintf(stderr, "webserver: cannot use certificate '%s' with key '%s'\n", opt.cert ? opt.cert : "", opt.key ? opt.key : "");
            return 1;
        }
        secure.fd = listen_on(opt.tls_port, &tls_port);
        wt_buf_printf(&ports, "https %d\n", tls_port);
        pthread_t thread;
        pthread_create(&thread, NULL, accept_all, &secure);
    }
    if (!opt.port_file) fputs(ports.ptr, stderr);
    else if (wt_write_file(opt.port_file, wt_buf_view(&ports), &err)) {
        fprintf(stderr, "webserver: %s\n", err.text);
        return 1;
    }
    accept_all(&plain);
    return 0;
}

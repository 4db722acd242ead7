/* url.c - the parser, the normal form and the dedupe key of web addresses (url.h).
 * One pass over the bytes into a block of the arena: a byte grows to three at most ("%41"), a host has
 * its own limit, so the room is known before. Paths are written segment by segment; ".." takes the
 * last segment off what was written, so no second pass removes dots (RFC 3986, 5.2.4).
 *
 * Sources: RFC 3986; WHATWG URL (living standard) for what browsers forgive. We differ from WHATWG
 * where the normal form of RFC 3986 section 6 merges what it keeps apart ("%7e" and "~"), and drop
 * what a fetch does not send (fragment) or should not (user name). */
#include "crawl/url.h"

#include <stdlib.h>

#include "crawl/url_host.h"

#define PORT_CHARS 6                     /* ":65535" */

enum {
    C_UNRESERVED = 1,   /* letters, digits, - . _ ~ : decoded where they are encoded */
    C_PATH = 2,         /* stands in a path as it is */
    C_QUERY = 4         /* stands in a query as it is */
};

/* RFC 3986: pchar = unreserved / pct-encoded / sub-delims / ":" / "@"; query = pchar / "/" / "?". */
static const uint8_t class_of[256] = {
    ['!'] = 6, ['$'] = 6, ['&'] = 6, ['\''] = 6, ['('] = 6, [')'] = 6, ['*'] = 6, ['+'] = 6,
    [','] = 6, [';'] = 6, ['='] = 6, [':'] = 6, ['@'] = 6, ['/'] = 6, ['?'] = 4,
    ['-'] = 7, ['.'] = 7, ['_'] = 7, ['~'] = 7, ['0'] = 7, ['1'] = 7, ['2'] = 7, ['3'] = 7,
    ['4'] = 7, ['5'] = 7, ['6'] = 7, ['7'] = 7, ['8'] = 7, ['9'] = 7, ['A'] = 7, ['B'] = 7,
    ['C'] = 7, ['D'] = 7, ['E'] = 7, ['F'] = 7, ['G'] = 7, ['H'] = 7, ['I'] = 7, ['J'] = 7,
    ['K'] = 7, ['L'] = 7, ['M'] = 7, ['N'] = 7, ['O'] = 7, ['P'] = 7, ['Q'] = 7, ['R'] = 7,
    ['S'] = 7, ['T'] = 7, ['U'] = 7, ['V'] = 7, ['W'] = 7, ['X'] = 7, ['Y'] = 7, ['Z'] = 7,
    ['a'] = 7, ['b'] = 7, ['c'] = 7, ['d'] = 7, ['e'] = 7, ['f'] = 7, ['g'] = 7, ['h'] = 7,
    ['i'] = 7, ['j'] = 7, ['k'] = 7, ['l'] = 7, ['m'] = 7, ['n'] = 7, ['o'] = 7, ['p'] = 7,
    ['q'] = 7, ['r'] = 7, ['s'] = 7, ['t'] = 7, ['u'] = 7, ['v'] = 7, ['w'] = 7, ['x'] = 7,
    ['y'] = 7, ['z'] = 7,
};

const char *crawl_url_fault_text(crawl_url_fault fault) {
    static const char *const text[] = {
        "no fault", "empty address", "address too long", "address without a scheme",
        "scheme is not http or https", "host that cannot exist", "bad port",
    };
    return text[fault];
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- the parts as they stand in the raw text ---- */
typedef struct {
    wt_str scheme, authority, path, query;
    bool has_scheme, has_authority, has_query;
} parts;

static inline bool is_slash(char c) { return c == '/' || c == '\\'; }

/* Control bytes and spaces at both ends go, tabs and newlines inside too. */
static wt_str clean(wt_str s, wt_arena *arena) {
    while (s.len && (unsigned char)s.ptr[0] <= ' ') s.ptr++, s.len--;
    while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ') s.len--;
    if (!s.len || !(memchr(s.ptr, '\t', s.len) || memchr(s.ptr, '\n', s.len) ||
                    memchr(s.ptr, '\r', s.len)))
        return s;
    char *copy = wt_arena_alloc(arena, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != '\t' && s.ptr[i] != '\n' && s.ptr[i] != '\r') copy[n++] = s.ptr[i];
    return (wt_str){copy, n};
}

static size_t scheme_length(wt_str s) {
    size_t i = 0;
    for (; i < s.len; i++) {
        char c = s.ptr[i], lower = c | 0x20;
        bool letter = lower >= 'a' && lower <= 'z';
        if (c == ':') return i;
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
            return 0;
    }
    return 0;
}

static wt_str slice(wt_str s, size_t from, size_t to) {
    return (wt_str){s.ptr + from, to - from};
}

static parts split(wt_str s, bool has_base) {
    parts p = {0};
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == '#') s.len = i;
    size_t at = scheme_length(s);
    if (at) {
        p.has_scheme = true;
        p.scheme = slice(s, 0, at++);
    }
    size_t slashes = 0;
    while (at + slashes < s.len && is_slash(s.ptr[at + slashes])) slashes++;
    /* Behind "http:" any number of slashes leads to the host. Without a scheme it takes two. */
    p.has_authority = p.has_scheme || (has_base && slashes >= 2);
    if (p.has_authority) {
        at += slashes;
        size_t end = at;
        while (end < s.len && !is_slash(s.ptr[end]) && s.ptr[end] != '?') end++;
        p.authority = slice(s, at, end);
        at = end;
    }
    size_t end = at;
    while (end < s.len && s.ptr[end] != '?') end++;
    p.path = slice(s, at, end);
    if (end < s.len) {
        p.has_query = true;
        p.query = slice(s, end + 1, s.len);
    }
    return p;
}

/* ---- writing the normal form ---- */
/* Appends bytes of a path segment or query; returns the new end. */
static char *put_escaped(char *out, wt_str s, int allowed) {
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '%' && i + 2 < s.len && hex_value(s.ptr[i + 1]) >= 0 &&
            hex_value(s.ptr[i + 2]) >= 0) {
            unsigned char byte =
                (unsigned char)(hex_value(s.ptr[i + 1]) << 4 | hex_value(s.ptr[i + 2]));
            i += 2;
            if (class_of[byte] & C_UNRESERVED) {
                *out++ = (char)byte;
                continue;
            }
            c = byte;
        } else if (class_of[c] & allowed) {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%', *out++ = hex[c >> 4], *out++ = hex[c & 15];
    }
    return out;
}

/* 1 for ".", 2 for "..", 0 for all else; "%2e" is a dot. */
static int dots_of(wt_str segment) {
    int n = 0;
    for (size_t i = 0; i < segment.len; n++) {
        if (segment.ptr[i] == '.') {
            i++;
        } else if (i + 2 < segment.len && segment.ptr[i] == '%' && segment.ptr[i + 1] == '2' &&
                   (segment.ptr[i + 2] | 0x20) == 'e') {
            i += 3;
        } else {
            return 0;
        }
    }
    return n <= 2 ? n : 0;
}

/* Appends "/segment" for each segment of `path`, which continues what lies in root..out (empty or
 * ending before a '/'). A dot segment at the end leaves its slash. */
static char *put_path(char *root, char *out, wt_str path) {
    size_t at = 0;
    if (path.len && is_slash(path.ptr[0])) at = 1;
    for (;;) {
        size_t end = at;
        while (end < path.len && !is_slash(path.ptr[end])) end++;
        wt_str segment = slice(path, at, end);
        bool last = end >= path.len;
        int dots = dots_of(segment);
        if (dots == 2)
            while (out > root && *--out != '/') {}
        if (dots == 0) {
            *out++ = '/';
            out = put_escaped(out, segment, C_PATH);
        } else if (last) {
            *out++ = '/';
        }
        if (last) return out;
        at = end + 1;
    }
}

/* Host and port out of "user:pw@host:port". */
static crawl_url_fault split_authority(wt_str authority, wt_str *host, wt_str *port) {
    for (size_t i = authority.len; i-- > 0;)
        if (authority.ptr[i] == '@') {
            authority = slice(authority, i + 1, authority.len);
            break;
        }
    *host = authority;
    *port = (wt_str){0};
    for (size_t i = authority.len; i-- > 0 && authority.ptr[i] != ']';)
        if (authority.ptr[i] == ':') {
            *host = slice(authority, 0, i);
            *port = slice(authority, i + 1, authority.len);
            break;
        }
    return host->len ? CRAWL_URL_OK : CRAWL_URL_HOST;
}

static crawl_url_fault parse_port(wt_str text, int *port) {
    int n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return CRAWL_URL_PORT;
        n = n * 10 + (text.ptr[i] - '0');
        if (n > 65535) return CRAWL_URL_PORT;
    }
    if (text.len) *port = n;
    return CRAWL_URL_OK;
}

/* Writes "scheme://host[:port]" and fills those fields. */
static crawl_url_fault put_authority(char **out, wt_str scheme, wt_str authority, crawl_url *url) {
    wt_str host, port;
    crawl_url_fault fault = split_authority(authority, &host, &port);
    int own_port = scheme.len == 5 ? 443 : 80;
    url->port = own_port;
    if (!fault) fault = parse_port(port, &url->port);
    if (fault) return fault;
    char *p = *out;
    memcpy(p, scheme.ptr, scheme.len);
    url->scheme = (wt_str){p, scheme.len};
    p += scheme.len;
    memcpy(p, "://", 3);
    p += 3;
    int n = crawl_host_write(host, p, &url->is_ip);
    if (n <= 0) return CRAWL_URL_HOST;
    url->host = (wt_str){p, (size_t)n};
    p += n;
    if (url->port != own_port) {
        char digits[PORT_CHARS];
        int k = 0;
        for (int v = url->port; v || k == 0; v /= 10) digits[k++] = (char)('0' + v % 10);
        *p++ = ':';
        while (k) *p++ = digits[--k];
    }
    url->authority = (wt_str){url->host.ptr, (size_t)(p - url->host.ptr)};
    *out = p;
    return CRAWL_URL_OK;
}

/* RFC 3986, 5.2.2: what a reference without an authority takes from its base. */
static char *put_relative(char *root, char *out, const parts *p, const crawl_url *base) {
    if (p->path.len && is_slash(p->path.ptr[0])) return put_path(root, out, p->path);
    size_t keep = base->path.len;
    if (p->path.len)                            /* the base's folder, without its last '/' */
        while (base->path.ptr[--keep] != '/') {}
    memcpy(out, base->path.ptr, keep);
    out += keep;
    return p->path.len ? put_path(root, out, p->path) : out;
}

crawl_url_fault crawl_url_parse(wt_str text, const crawl_url *base, wt_arena *arena,
                                crawl_url *url) {
    if (text.len > 4 * CRAWL_URL_MAX) return CRAWL_URL_TOO_LONG;
    text = clean(text, arena);
    if (!text.len && !base) return CRAWL_URL_EMPTY;
    if (text.len > CRAWL_URL_MAX) return CRAWL_URL_TOO_LONG;
    parts p = split(text, base != NULL);
    wt_str scheme = base ? base->scheme : WT_STR("");
    if (p.has_scheme) {
        bool tls = p.scheme.len == 5;
        scheme = tls ? WT_STR("https") : WT_STR("http");
        if (!wt_str_eq_nocase(p.scheme, scheme)) return CRAWL_URL_SCHEME;
        /* "http:page" is relative to a base of the same scheme, as browsers have it. */
        bool bare = p.scheme.len + 1 >= text.len || !is_slash(text.ptr[p.scheme.len + 1]);
        if (bare && base && wt_str_eq(scheme, base->scheme))
            return crawl_url_parse(slice(text, p.scheme.len + 1, text.len), base, arena, url);
    } else if (!base) {
        return CRAWL_URL_RELATIVE;
    }
    wt_str authority = p.has_authority ? p.authority : base->authority;
    size_t room = 3 * text.len + CRAWL_HOST_MAX + 32 + (base ? base->text.len : 0);
    char *start = wt_arena_alloc(arena, room), *out = start;
    crawl_url_fault fault = put_authority(&out, scheme, authority, url);
    if (fault) return fault;

    char *path = out;
    out = p.has_authority ? put_path(path, out, p.path) : put_relative(path, out, &p, base);
    url->path = (wt_str){path, (size_t)(out - path)};
    url->has_query = p.has_query;
    url->query = (wt_str){out, 0};
    if (p.has_query) {
        *out++ = '?';
        char *query = out;
        out = put_escaped(out, p.query, C_QUERY);
        url->query = (wt_str){query, (size_t)(out - query)};
    } else if (!p.has_authority && !p.path.len && base->has_query) {
        *out++ = '?';
        memcpy(out, base->query.ptr, base->query.len);
        url->has_query = true;
        url->query = (wt_str){out, base->query.len};
        out += base->query.len;
    }
    *out = 0;
    url->text = (wt_str){start, (size_t)(out - start)};
    url->target = (wt_str){path, (size_t)(out - path)};
    return url->text.len > CRAWL_URL_MAX ? CRAWL_URL_TOO_LONG : CRAWL_URL_OK;
}

/* ---- entities ---- */
wt_str crawl_url_unescape(wt_str text, wt_arena *arena) {
    static const struct { char name[6]; uint8_t len; char byte; } entity[] = {
        {"&amp;", 5, '&'}, {"&lt;", 4, '<'}, {"&gt;", 4, '>'},
    };
    const char *amp = memchr(text.ptr, '&', text.len);
    if (!amp) return text;
    char *copy = wt_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        char c = text.ptr[i];
        size_t step = 1;
        for (size_t k = 0; c == '&' && step == 1 && k < 3; k++)
            if (text.len - i >= entity[k].len &&
                memcmp(text.ptr + i, entity[k].name, entity[k].len) == 0)
                c = entity[k].byte, step = entity[k].len;
        copy[n++] = c;
        i += step;
    }
    return (wt_str){copy, n};
}

/* ---- the dedupe key ---- */
bool crawl_url_is_tracking(wt_str name) {
    /* Click ids of ad networks, mail campaigns and share buttons; each names the visitor. */
    static const char *const list[] = {
        "fbclid", "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "yclid", "twclid",
        "ttclid", "igshid", "igsh", "mc_cid", "mc_eid", "_hsenc", "_hsmi", "mkt_tok", "ref_src",
        "ref_url", "vero_id", "oly_enc_id", "oly_anon_id", "__twitter_impression", "_openstat",
    };
    if (name.len >= 4 && memcmp(name.ptr, "utm_", 4) == 0) return true;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (wt_str_eq(name, wt_str_of(list[i]))) return true;
    return false;
}

static wt_str drop_prefix(wt_str host, const char *prefix) {
    wt_str p = wt_str_of(prefix);
    bool named = host.len > p.len && wt_str_starts(host, p) &&
                 memchr(host.ptr + p.len, '.', host.len - p.len);
    return named ? slice(host, p.len, host.len) : host;
}

static int compare_slices(const void *a, const void *b) {
    return wt_str_cmp(*(const wt_str *)a, *(const wt_str *)b);
}

static void add_query(wt_buf *key, wt_str query, bool sorted) {
    wt_str one[64], *list = one;            /* nearly all queries fit: no allocation */
    size_t n = 0, cap = 64;
    while (query.len) {
        wt_str parameter = wt_str_cut(&query, '&'), rest = parameter;
        if (!parameter.len || crawl_url_is_tracking(wt_str_cut(&rest, '='))) continue;
        if (n == cap) {
            wt_str *grown = wt_xmalloc(2 * cap * sizeof *grown);
            memcpy(grown, list, n * sizeof *grown);
            if (list != one) free(list);
            list = grown, cap *= 2;
        }
        list[n++] = parameter;
    }
    if (sorted) qsort(list, n, sizeof *list, compare_slices);
    for (size_t i = 0; i < n; i++) {
        wt_buf_add_char(key, i ? '&' : '?');
        wt_buf_add_str(key, list[i]);
    }
    if (list != one) free(list);
}

void crawl_url_key(const crawl_url *url, unsigned merges, wt_buf *key) {
    wt_buf_clear(key);
    if (!(merges & CRAWL_MERGE_SCHEME)) wt_buf_add_str(key, url->scheme);
    wt_buf_add(key, "://", 3);
    wt_str authority = url->authority;
    if (merges & CRAWL_MERGE_WWW) authority = drop_prefix(authority, "www.");
    if (merges & CRAWL_MERGE_MOBILE) {
        authority = drop_prefix(authority, "m.");
        authority = drop_prefix(authority, "mobile.");
        authority = drop_prefix(authority, "amp.");
    }
    wt_buf_add_str(key, authority);
    wt_str path = url->path;
    if (merges & CRAWL_MERGE_SLASH)
        while (path.len > 1 && path.ptr[path.len - 1] == '/') path.len--;
    wt_buf_add_str(key, path);
    if (url->query.len) add_query(key, url->query, merges & CRAWL_MERGE_QUERY);
}

/* url.h - web addresses in one normal form. Two texts come of each address: the one that is fetched
 * (crawl_url.text) and the key that tells whether two addresses mean the same page
 * (crawl_url_key). The key may forget more than the fetch may: tracking parameters, and by choice the
 * scheme, "www." and so on.
 *
 * Parsing follows what browsers do with http and https (WHATWG URL: spaces at the ends, tabs and
 * newlines inside, back slashes, missing or many slashes, 0x7f.1 as an IPv4 address, names beyond
 * ASCII by UTS 46), the normal form follows RFC 3986 section 6: scheme and host in lower case, no
 * default port, no fragment, no user name, no dot segments, "/" for the empty path, %XX in capitals,
 * unreserved characters decoded, everything that the grammar does not allow encoded. Parsing a
 * normal form gives the same bytes.
 *
 * All functions may run in many threads at once (each with its own arena). */
#ifndef WT_CRAWL_URL_H
#define WT_CRAWL_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/memory.h"
#include "common/str.h"

#define CRAWL_URL_MAX ((size_t)8192)    /* longest address that is accepted, in bytes, raw or normal */

/* Why an address is no address for us. */
typedef enum {
    CRAWL_URL_OK = 0,
    CRAWL_URL_EMPTY,        /* nothing but white space */
    CRAWL_URL_TOO_LONG,     /* more than CRAWL_URL_MAX bytes */
    CRAWL_URL_RELATIVE,     /* no scheme, and no base to complete it from */
    CRAWL_URL_SCHEME,       /* mailto:, javascript:, ftp: ... */
    CRAWL_URL_HOST,         /* no host, or none that could exist */
    CRAWL_URL_PORT          /* not a number below 65536 */
} crawl_url_fault;
const char *crawl_url_fault_text(crawl_url_fault fault);

typedef struct {
    wt_str text;            /* normal form; NUL behind it. The other slices lie in it */
    wt_str scheme;          /* "http" or "https" */
    wt_str host;            /* lower case, A-labels; IPv6 with its brackets */
    wt_str authority;       /* host, and ":port" where it is not the scheme's own */
    wt_str path;            /* starts with '/' */
    wt_str query;           /* behind '?'; has_query tells "a?" from "a" */
    wt_str target;          /* path and "?query": what a request line and robots.txt speak of */
    int port;
    bool has_query;
    bool is_ip;             /* the host is an IPv4 or IPv6 address */
} crawl_url;

/* Parses text, relative to base where that is not NULL. *url lives as long as the arena. */
crawl_url_fault crawl_url_parse(wt_str text, const crawl_url *base, wt_arena *arena,
                                crawl_url *url);

/* What crawl_url_key forgets beyond tracking parameters and an empty query. */
enum {
    CRAWL_MERGE_SCHEME = 1,  /* http and https */
    CRAWL_MERGE_WWW = 2,     /* a leading "www." */
    CRAWL_MERGE_MOBILE = 4,  /* a leading "m.", "mobile." or "amp." */
    CRAWL_MERGE_SLASH = 8,   /* a slash at the end of the path */
    CRAWL_MERGE_QUERY = 16   /* the order of the parameters */
};
/* Puts the dedupe key into *key (cleared first). */
void crawl_url_key(const crawl_url *url, unsigned merges, wt_buf *key);
/* utm_source, fbclid, gclid ...: parameters that tell who came, never which page. */
bool crawl_url_is_tracking(wt_str parameter_name);

/* Decodes exactly &amp; &lt; &gt;, once: what Reddit's API escaped. Other entities stay, for
 * "?a=1&copy=2" has none. A slice of text where there is nothing to do, else in the arena. */
wt_str crawl_url_unescape(wt_str text, wt_arena *arena);

/* A host (or a line of a list: "*.example.com", "http://example.com/") in the form that crawl_url.host
 * has. false where it is none. */
bool crawl_host_normalize(wt_str host, wt_arena *arena, wt_str *out);
/* The part of a normal host that somebody registered ("example.co.uk" of "a.b.example.co.uk"), by the
 * Public Suffix List; the host itself for IP addresses and bare suffixes. A slice of host. */
wt_str crawl_host_site(wt_str host);

/* A set of domains; a member covers its subdomains too. */
typedef struct crawl_domains crawl_domains;
crawl_domains *crawl_domains_new(void);
void crawl_domains_free(crawl_domains *set);
bool crawl_domains_add(crawl_domains *set, wt_str domain);           /* false: no domain */
bool crawl_domains_cover(const crawl_domains *set, wt_str host);     /* host in normal form */
size_t crawl_domains_count(const crawl_domains *set);
uint64_t crawl_domains_hash(const crawl_domains *set);               /* of the members, in any order */

#endif

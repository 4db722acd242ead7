/* resolve.h - names to addresses, in a few threads of their own.
 *
 * getaddrinfo blocks and cannot be cancelled; libcurl's own resolver starts a thread a name without
 * limit. Here a fixed number of threads asks, so that dead name servers cost waiting, never memory.
 * The caller keeps what he learned and pins it for the connection, so that what was checked is what
 * is connected to. */
#ifndef WT_CRAWL_RESOLVE_H
#define WT_CRAWL_RESOLVE_H

#include <stdbool.h>

#include "common/str.h"

typedef enum { RESOLVE_OK, RESOLVE_NO_NAME, RESOLVE_FAILED, RESOLVE_PRIVATE } resolve_result;

/* Called from a resolver's thread. ip is set with RESOLVE_OK; why in words otherwise. */
typedef void (*resolver_fn)(void *ctx, void *owner, resolve_result result, const char *ip, const char *why);

typedef struct resolver resolver;
resolver *resolver_new(int threads, bool allow_private, resolver_fn answer, void *ctx);
/* pick: which of several addresses to give, modulo their number: count up after failures. */
void resolver_ask(resolver *r, wt_str host, int pick, void *owner);
void resolver_free(resolver *r);          /* questions that were not answered are forgotten */

#endif

/* robots.h - the Robots Exclusion Protocol, RFC 9309.
 *
 * A robots.txt is reduced to the rules that concern one crawler: all groups that name its product
 * token, merged; else the "*" groups; else nothing, which allows all. A question then costs one pass
 * over those rules, longest first. There is no recursion and no back-tracking: a pattern with s
 * stars against a path of n bytes takes O(n * s) at worst, whoever wrote it.
 *
 * Lenient where site owners err and their wish is plain ("dissallow", "Disallow /x"): a crawler that
 * reads more prohibitions than were written does no harm. */
#ifndef WT_CRAWL_ROBOTS_H
#define WT_CRAWL_ROBOTS_H

#include <stdbool.h>

#include "common/str.h"

#define ROBOTS_BYTES_MAX ((size_t)512 << 10)          /* the rest of a longer file is not read */

typedef struct robots robots;

/* Never fails: bytes that are no robots.txt hold no rules.
 *   body    the file, any bytes; not kept
 *   token   our product token, letters and "-_" only, e.g. "webtext"; case does not matter */
robots *robots_parse(wt_str body, wt_str token);
/* What a missing file (RFC 9309, 2.3.1.3: allow) or an unreachable one (2.3.1.4: forbid) means. */
robots *robots_constant(bool allow);
void robots_free(robots *rules);

/* May we fetch this?  target: path and query as in the request line, "/a/b?c". "/robots.txt" always.
 * Threads may ask at once. */
bool robots_allowed(const robots *rules, wt_str target);
/* The rule that decided, as written but normalised, with its verb: "disallow /private*"; in `out`,
 * cut to its size; "" where no rule matched. */
void robots_reason(const robots *rules, wt_str target, char *out, size_t out_bytes);

double robots_crawl_delay(const robots *rules);       /* seconds; -1 where none is given */
int robots_rule_count(const robots *rules);

#endif

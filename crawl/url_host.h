/* url_host.h - the host part of an address: names, IPv4, IPv6. Inside the stage only. */
#ifndef WT_CRAWL_URL_HOST_H
#define WT_CRAWL_URL_HOST_H

#include <stdbool.h>

#include "common/str.h"

#define CRAWL_HOST_MAX 256      /* room that crawl_host_write needs */

/* Writes the normal form of a raw host (percent coding and Unicode allowed) to out. Returns its
 * length, at most 253 for names; 0 where no such host can exist. */
int crawl_host_write(wt_str raw, char *out, bool *is_ip);

#endif

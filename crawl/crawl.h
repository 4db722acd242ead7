/* crawl.h - the crawl stage for other programs: which links to take from Reddit's dumps (links.h),
 * addresses in normal form (url.h). */
#ifndef WT_CRAWL_CRAWL_H
#define WT_CRAWL_CRAWL_H

#include "crawl/links.h"
#include "crawl/url.h"

#endif

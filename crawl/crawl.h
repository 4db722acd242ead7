/* crawl.h - the crawl stage for other programs: which links to take from Reddit's dumps (links.h),
 * addresses in normal form (url.h), what robots.txt allows (robots.h), which network addresses are public
 * (address.h), many requests at once (fetch.h), and the whole polite crawler (crawler.h, state.h). */
#ifndef WT_CRAWL_CRAWL_H
#define WT_CRAWL_CRAWL_H

#include "crawl/address.h"
#include "crawl/crawler.h"
#include "crawl/fetch.h"
#include "crawl/links.h"
#include "crawl/robots.h"
#include "crawl/state.h"
#include "crawl/url.h"

#endif

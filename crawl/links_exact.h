/* links_exact.h - one post for each page, chosen with all its posts in view: for sums of scores, for the
 * best score instead of the first that suffices, and for dumps that hold the same post twice. */
#ifndef WT_CRAWL_LINKS_EXACT_H
#define WT_CRAWL_LINKS_EXACT_H

#include "crawl/links_store.h"

typedef struct {
    uint64_t copies;        /* posts that another dump holds in a later state */
    uint64_t duplicates;    /* posts of a page beside the one chosen */
    uint64_t too_low;       /* posts of pages whose sum stays below min_score */
} links_exact_counts;

/* Calls each(ctx, post) for one post a page: that with the greatest score (the first of equals), its
 * score replaced by the sum where rules->sum_scores is set; in the order of the posts.
 *   n_posts        in the store
 *   memory_bytes   for the tables (160 bytes a post where all is done in one pass); pages are divided
 *                  over as many passes as it takes, so less memory means more reading */
int links_exact_choose(const links_store *store, const links_rules *rules, uint64_t n_posts,
                       uint64_t memory_bytes, links_post_fn each, void *ctx, links_exact_counts *counts,
                       wt_err *err);

#endif

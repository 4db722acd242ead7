/* links_store.h - the posts taken from each dump, kept on disk between scanning and choosing, so that
 * dumps are scanned in any order and in parallel, on several machines, and a killed run scans none
 * of them twice. A store is a folder:
 *     00000.posts.zst    the posts of input 0, in its order (records of links_store.c)
 *     00000.json         its counts; written last, so that without it the input is scanned again
 * It lives beside the output while a run is not finished. */
#ifndef WT_CRAWL_LINKS_STORE_H
#define WT_CRAWL_LINKS_STORE_H

#include "common/err.h"
#include "crawl/links.h"

typedef struct {
    const char *folder;
    char *const *input;
    int n_inputs;
    int threads;
    uint64_t limit_bytes;       /* memory that decoders' windows may take together; 0: 3/4 of free */
} links_store;

/* Scans every input that has no posts yet, several at a time; with MPI each rank its share (the folder
 * is one that all ranks see). */
int links_store_fill(const links_store *store, const links_rules *rules, wt_err *err);
/* The counts of one input, once it was scanned. */
int links_store_stats(const links_store *store, int input, links_stats *stats, wt_err *err);

/* Calls each(ctx, post) for all posts of all inputs, in order of inputs and posts. */
int links_store_read(const links_store *store, links_post_fn each, void *ctx, wt_err *err);

#endif

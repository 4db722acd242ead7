/* links.h - which links to take from Reddit's submission dumps. WebText is the set of pages that people
 * on Reddit linked to and others gave at least 3 karma (Radford et al. 2019, section 2.1); the rules
 * here are that one, those of its open successors, and whatever a user makes of them.
 *
 * A dump is one submission a line (Pushshift, Arctic Shift), in any compression; JSON arrays and
 * listings of Reddit's and Arctic Shift's API are read too. Only members of the record itself count,
 * never those of nested objects. Every record gets exactly one verdict, and verdicts are counted.
 *
 *     links_rules *rules = links_rules_new("webtext", err);
 *     links_scan_file("RS_2017-01.zst", rules, threads, each_post, ctx, &stats, err);
 *     links_rules_free(rules);
 *
 * Rules are read-only while a scan runs and may serve many threads. */
#ifndef WT_CRAWL_LINKS_H
#define WT_CRAWL_LINKS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/hash.h"
#include "common/memory.h"
#include "crawl/url.h"

#define LINKS_LINE_MAX ((size_t)16 << 20)       /* longest record that is read, bytes */
#define LINKS_DOCUMENT_MAX ((size_t)256 << 20)  /* longest JSON array or listing on one line */

/* What became of a record. In this order the questions are asked; the first "no" counts. */
typedef enum {
    LINKS_TAKEN,
    LINKS_TOO_LONG,         /* a line of more than LINKS_LINE_MAX bytes */
    LINKS_BROKEN,           /* not a JSON object */
    LINKS_ADVERTISEMENT,    /* promoted */
    LINKS_SELF,             /* is_self: text, no link; also a crosspost of one */
    LINKS_NO_URL,           /* url absent, null or empty */
    LINKS_OVER_18,
    LINKS_SUBREDDIT,        /* on the list of those left out, or not on the list of those wanted */
    LINKS_DATE,             /* before --since, behind --until, or without a date where one is asked */
    LINKS_HIDDEN_SCORE,     /* hide_score: the score is not final */
    LINKS_NO_SCORE,
    LINKS_LOW_SCORE,
    LINKS_RELATIVE_URL,     /* no scheme: a place on Reddit itself */
    LINKS_OTHER_SCHEME,     /* mailto:, ftp: ... */
    LINKS_BAD_URL,          /* no such host or port */
    LINKS_LONG_URL,
    LINKS_DOMAIN,           /* on the list of excluded domains */
    LINKS_FILE_TYPE,        /* the path ends in .jpg, .mp4 ... */
    LINKS_N_VERDICTS
} links_verdict;
const char *links_verdict_text(links_verdict verdict);      /* "self post", "score too low" ... */

/* ---- rules ---- */
typedef struct links_names links_names;         /* a set of words, letter case ignored */

typedef struct {
    int64_t min_score;
    bool sum_scores;            /* min_score is for the sum over all posts of an address: the scan then
                                   takes posts of any score, and the sum is the caller's */
    bool keep_over_18, keep_hidden_scores;
    int64_t since_s, until_s;   /* seconds since 1970, both included; INT64_MIN, INT64_MAX: open */
    size_t min_url_bytes;
    unsigned merges;            /* CRAWL_MERGE_*: what the key forgets */
    crawl_domains *exclude_domains;
    links_names *exclude_extensions, *exclude_subreddits, *only_subreddits;
} links_rules;

/* PRESET: "webtext" (score >= 3, no over_18, without the sites that are missing in OpenAI's list of
 * WebText's domains), "openwebtext" (Gokaslan and Cohen's list), "owt2" (sum of scores >= 3, no
 * lists), "none" (every link). NULL with WT_EARG for another name. */
links_rules *links_rules_new(const char *preset, wt_err *err);
void links_rules_free(links_rules *rules);
/* Adds the lines of a file ('#' begins a comment). WT_EDATA names the line that is no domain. */
int links_rules_add_domains(links_rules *rules, const char *path, wt_err *err);
int links_names_add_file(links_names *names, const char *path, wt_err *err);
void links_names_add(links_names *names, wt_str name);      /* "/r/", "r/" and "." in front go */
bool links_names_have(const links_names *names, wt_str name);
size_t links_names_count(const links_names *names);
/* All that decides the outcome as JSON members, without braces; lists as counts and hashes. */
void links_rules_describe(const links_rules *rules, wt_buf *json);

/* ---- posts ---- */
typedef struct {
    wt_str url;                 /* normal form, for fetching */
    wt_str subreddit, id;       /* UTF-8; empty where absent */
    wt_hash128 key;             /* of crawl_url_key(url): equal for equal pages */
    int64_t score, created_s, retrieved_s;
    bool has_created;
} links_post;

/* ---- counts ---- */
#define LINKS_N_BINS 13         /* scores: below 0, 0, 1, 2, 3-4, 5-9, 10-19 ... 5000 and more */
#define LINKS_N_MONTHS 600      /* from 2005-01 */

typedef struct {
    uint64_t n, hidden, reaching;           /* reaching: score >= rules.min_score */
    int64_t sum;
} links_month;

typedef struct {
    uint64_t verdict[LINKS_N_VERDICTS];
    uint64_t bins[LINKS_N_BINS];        /* link posts by score */
    uint64_t bytes;                     /* of lines */
    links_month month[LINKS_N_MONTHS];  /* link posts; those without a date are not here */
} links_stats;

void links_stats_add(links_stats *into, const links_stats *from);
uint64_t links_stats_records(const links_stats *stats);     /* sum of all verdicts */
const char *links_bin_text(int bin);
void links_stats_write(const links_stats *stats, wt_buf *json);     /* an object */
int links_stats_read(links_stats *stats, wt_str json, wt_err *err);
void links_month_name(int month, char out[16]);             /* "2017-03" */
/* A month of 1,000 link posts or more whose scores cannot be meant: mean below 2.5 or most hidden
 * (the dumps of 2023-08 to 2023-10 hold scores of posts a minute old). */
bool links_month_degenerate(const links_month *month);

/* ---- scanning ---- */
/* The verdict on one record. *post is filled where it is LINKS_TAKEN; its slices lie in the record or
 * the arena. stats may be NULL. */
links_verdict links_judge(const links_rules *rules, wt_str record, wt_arena *arena,
                          links_post *post, links_stats *stats);

typedef int (*links_post_fn)(void *ctx, const links_post *post, wt_err *err);
/* Calls each(ctx, post) for every post taken, in the order of the file, from one thread at a time.
 * stats: set to this file's. A truncated or damaged file is WT_EDATA; WT_ESTOP after a signal. */
int links_scan_file(const char *path, const links_rules *rules, int threads, links_post_fn each,
                    void *ctx, links_stats *stats, wt_err *err);

#endif

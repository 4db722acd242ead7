/* links.c - the verdict on one record. The record is walked once and only the members that matter are
 * noted; nearly all records end at the cheap questions (self post, low score), so strings are
 * decoded and addresses parsed for the few that pass them.
 *
 * What dumps of twenty years hold: created_utc as integer, string or float; url null where
 * url_overridden_by_dest has it; "&amp;" in addresses before 2023; crossposts, whose url is a place on
 * Reddit while crosspost_parent_list[0] holds the page; scores that are null or not final. */
#include "crawl/links.h"

#include "common/json.h"

enum {
    K_URL, K_SCORE, K_SUBREDDIT, K_ID, K_CREATED, K_SELF, K_OVER_18, K_PROMOTED, K_HIDDEN, K_PARENTS,
    K_DEST, K_RETRIEVED_ON, K_RETRIEVED_UTC, K_META, N_KEYS
};
#define KEY(literal) {literal, sizeof(literal) - 1}
static const wt_str keys[N_KEYS] = {
    KEY("url"), KEY("score"), KEY("subreddit"), KEY("id"), KEY("created_utc"), KEY("is_self"),
    KEY("over_18"), KEY("promoted"), KEY("hide_score"), KEY("crosspost_parent_list"),
    KEY("url_overridden_by_dest"), KEY("retrieved_on"), KEY("retrieved_utc"), KEY("_meta"),
};

const char *links_verdict_text(links_verdict verdict) {
    static const char *const text[LINKS_N_VERDICTS] = {
        "taken", "line too long", "broken record", "advertisement", "self post", "no url", "over 18",
        "subreddit", "date", "hidden score", "no score", "score too low", "relative url",
        "not http or https", "bad url", "url too long", "excluded domain", "file type",
    };
    return text[verdict];
}

/* Seconds since 1970 from 1388534400, "1388534400" or 1706745600.0. */
static bool time_of(wt_json value, int64_t *seconds) {
    double d;
    if (wt_json_i64(value, seconds) == 0) return true;
    if (wt_json_double(value, &d) || !(d > -1e12 && d < 1e12)) return false;
    *seconds = (int64_t)d;
    return true;
}

static int64_t retrieved(const wt_json *v) {
    int64_t latest = 0, t;
    if (time_of(v[K_RETRIEVED_ON], &t)) latest = t;
    if (time_of(v[K_RETRIEVED_UTC], &t) && t > latest) latest = t;
    if (v[K_META].kind == WT_JSON_OBJECT &&
        time_of(wt_json_get(v[K_META], "retrieved_2nd_on"), &t) && t > latest)
        latest = t;
    return latest;
}

/* Months since 2005-01 of a time, by the civil calendar (days_from_civil turned round, Hinnant
 * 2013); -1 outside the table. */
static int month_of(int64_t seconds) {
    if (seconds < 1104537600 || seconds >= (int64_t)1 << 40) return -1;
    int64_t z = seconds / 86400 + 719468, era = z / 146097, doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month0 = mp < 10 ? mp + 2 : mp - 10, year = yoe + era * 400 + (month0 <= 1);
    int64_t index = (year - 2005) * 12 + month0;
    return index < LINKS_N_MONTHS ? (int)index : -1;
}

static int bin_of(int64_t score) {
    static const int64_t from[LINKS_N_BINS - 1] = {0, 1, 2, 3, 5, 10, 20, 50, 100, 500, 1000, 5000};
    int bin = 0;
    while (bin < LINKS_N_BINS - 1 && score >= from[bin]) bin++;
    return bin;
}

const char *links_bin_text(int bin) {
    static const char *const text[LINKS_N_BINS] = {
        "below 0", "0", "1", "2", "3-4", "5-9", "10-19", "20-49", "50-99", "100-499", "500-999",
        "1000-4999", "5000+",
    };
    return text[bin];
}

static void count_score(links_stats *stats, const links_rules *rules, int64_t score, bool hidden,
                        int month) {
    stats->bins[bin_of(score)]++;
    if (month < 0) return;
    links_month *m = &stats->month[month];
    m->n++;
    m->hidden += hidden;
    m->reaching += score >= rules->min_score;
    m->sum += score;
}

static links_verdict of_fault(crawl_url_fault fault) {
    switch (fault) {
    case CRAWL_URL_OK: return LINKS_TAKEN;
    case CRAWL_URL_EMPTY: return LINKS_NO_URL;
    case CRAWL_URL_TOO_LONG: return LINKS_LONG_URL;
    case CRAWL_URL_RELATIVE: return LINKS_RELATIVE_URL;
    case CRAWL_URL_SCHEME: return LINKS_OTHER_SCHEME;
    default: return LINKS_BAD_URL;
    }
}

static bool on_reddit(wt_str host) {
    return wt_str_eq(host, WT_STR("reddit.com")) || wt_str_ends(host, WT_STR(".reddit.com")) ||
           wt_str_eq(host, WT_STR("redd.it"));
}

static links_verdict parse(wt_json value, wt_arena *arena, crawl_url *url) {
    wt_str text = crawl_url_unescape(wt_json_string(value, arena), arena);
    links_verdict verdict = of_fault(crawl_url_parse(text, NULL, arena, url));
    /* A host without a dot is somebody's own machine. */
    if (verdict == LINKS_TAKEN && !url->is_ip && !memchr(url->host.ptr, '.', url->host.len))
        return LINKS_BAD_URL;
    return verdict;
}

/* The address of a record: its own, or, where that leads back to Reddit, that of the post it
 * repeats. */
static links_verdict find_url(const links_rules *rules, const wt_json *v, wt_arena *arena, crawl_url *url) {
    wt_json own = v[K_URL].kind == WT_JSON_STRING ? v[K_URL] : v[K_DEST];
    links_verdict verdict = parse(own, arena, url);
    if (v[K_PARENTS].kind != WT_JSON_ARRAY || !(verdict == LINKS_RELATIVE_URL ||
                                                (verdict == LINKS_TAKEN && on_reddit(url->host))))
        return verdict;
    wt_json_iter it;
    wt_json parent, p[N_KEYS];
    if (wt_json_iter_init(&it, v[K_PARENTS], NULL) || wt_json_next(&it, NULL, &parent, NULL) != 1 ||
        parent.kind != WT_JSON_OBJECT || wt_json_pick(parent.raw, keys, N_KEYS, p, NULL))
        return verdict;
    if (wt_json_true(p[K_SELF])) return LINKS_SELF;
    if (wt_json_true(p[K_OVER_18]) && !rules->keep_over_18) return LINKS_OVER_18;
    wt_json theirs = p[K_URL].kind == WT_JSON_STRING ? p[K_URL] : p[K_DEST];
    return theirs.kind == WT_JSON_STRING ? parse(theirs, arena, url) : verdict;
}

static wt_str extension_of(wt_str path) {
    for (size_t i = path.len; i-- > 0 && path.ptr[i] != '/';)
        if (path.ptr[i] == '.') return (wt_str){path.ptr + i + 1, path.len - i - 1};
    return (wt_str){0};
}

/* The questions that need no address. */
static links_verdict judge_post(const links_rules *rules, const wt_json *v, links_post *post,
                                links_stats *stats) {
    if (wt_json_true(v[K_PROMOTED])) return LINKS_ADVERTISEMENT;
    if (wt_json_true(v[K_SELF])) return LINKS_SELF;
    bool has_url = (v[K_URL].kind == WT_JSON_STRING && v[K_URL].raw.len) ||
                   (v[K_DEST].kind == WT_JSON_STRING && v[K_DEST].raw.len);
    if (!has_url) return LINKS_NO_URL;
    bool has_score = wt_json_i64(v[K_SCORE], &post->score) == 0;
    post->has_created = time_of(v[K_CREATED], &post->created_s);
    if (stats && has_score)
        count_score(stats, rules, post->score, wt_json_true(v[K_HIDDEN]),
                    post->has_created ? month_of(post->created_s) : -1);
    if (!rules->keep_over_18 && wt_json_true(v[K_OVER_18])) return LINKS_OVER_18;
    if (links_names_count(rules->exclude_subreddits) &&
        links_names_have(rules->exclude_subreddits, v[K_SUBREDDIT].raw))
        return LINKS_SUBREDDIT;
    if (links_names_count(rules->only_subreddits) &&
        !links_names_have(rules->only_subreddits, v[K_SUBREDDIT].raw))
        return LINKS_SUBREDDIT;
    bool dated = rules->since_s != INT64_MIN || rules->until_s != INT64_MAX;
    if (dated && (!post->has_created || post->created_s < rules->since_s || post->created_s > rules->until_s))
        return LINKS_DATE;
    if (!rules->keep_hidden_scores && wt_json_true(v[K_HIDDEN])) return LINKS_HIDDEN_SCORE;
    if (!has_score) return LINKS_NO_SCORE;
    return post->score < rules->min_score && !rules->sum_scores ? LINKS_LOW_SCORE : LINKS_TAKEN;
}

static links_verdict judge(const links_rules *rules, wt_str record, wt_arena *arena, links_post *post,
                           links_stats *stats) {
    wt_json v[N_KEYS];
    if (wt_json_pick(record, keys, N_KEYS, v, NULL)) return LINKS_BROKEN;
    *post = (links_post){0};
    links_verdict verdict = judge_post(rules, v, post, stats);
    if (verdict != LINKS_TAKEN) return verdict;
    crawl_url url;
    verdict = find_url(rules, v, arena, &url);
    if (verdict != LINKS_TAKEN) return verdict;
    if (url.text.len < rules->min_url_bytes) return LINKS_BAD_URL;
    if (crawl_domains_cover(rules->exclude_domains, url.host)) return LINKS_DOMAIN;
    if (links_names_have(rules->exclude_extensions, extension_of(url.path))) return LINKS_FILE_TYPE;
    wt_buf key = {0};
    crawl_url_key(&url, rules->merges, &key);
    post->key = wt_hash128_of(key.ptr, key.len, 0);
    wt_buf_free(&key);
    post->url = url.text;
    post->subreddit = wt_json_string(v[K_SUBREDDIT], arena);
    post->id = wt_json_string(v[K_ID], arena);
    post->retrieved_s = retrieved(v);
    return LINKS_TAKEN;
}

links_verdict links_judge(const links_rules *rules, wt_str record, wt_arena *arena, links_post *post,
                          links_stats *stats) {
    links_verdict verdict = judge(rules, record, arena, post, stats);
    if (stats) stats->verdict[verdict]++;
    return verdict;
}

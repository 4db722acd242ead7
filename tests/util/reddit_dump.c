/* reddit_dump.c - makes submissions as Reddit's dumps hold them, for benchmarks and tests: the members of
 * an era in their order, nested previews with addresses of their own, escaped slashes, selftexts. The
 * numbers follow the real months: 44% self posts, a third of the scores at 3 or more, half of the links
 * to a few dozen sites, 9% over 18.
 *
 *     reddit_dump N ERA [SEED]     ERA is 2014 (1 KB a record), 2017 (2 KB) or 2024 (4.5 KB)          */
#include <stdio.h>
#include <stdlib.h>

#include "common/rng.h"
#include "common/str.h"

static wt_rng rng;
static uint64_t below(uint64_t n) { return wt_rng_below(&rng, n); }

static const char *const words[] = {
    "the", "of", "a", "to", "in", "that", "new", "why", "how", "what", "people", "world", "year", "first", "after", "just", "about",
    "from", "this", "found", "made", "finally", "game", "news", "science", "video", "photo", "today", "best", "old", "city", "water",
};
static const char *const sites[] = {
    "imgur.com", "i.imgur.com", "www.youtube.com", "youtu.be", "i.redd.it", "twitter.com", "www.reddit.com", "gfycat.com",
    "en.wikipedia.org", "www.facebook.com", "www.nytimes.com", "www.washingtonpost.com", "www.theguardian.com", "www.bbc.co.uk",
    "www.cnn.com", "github.com", "medium.com", "www.bloomberg.com", "arstechnica.com", "www.reuters.com", "docs.google.com",
};

static void add_words(wt_buf *b, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        const char *w = words[below(32) * below(32) / 32];
        wt_buf_printf(b, i ? " %s" : "%s", w);
        if (below(40) == 0) wt_buf_add_str(b, WT_STR(" \\\"quoted\\\""));
        if (below(60) == 0) wt_buf_add_str(b, WT_STR("\\n\\n"));
        if (below(200) == 0) wt_buf_add_str(b, WT_STR("\\u2019s \\ud83d\\ude00"));
    }
}

static void add_url(wt_buf *b, bool escaped) {
    char site[64];
    uint64_t page = below(2000000000);
    if (below(2)) snprintf(site, sizeof site, "%s", sites[below(21) * below(21) / 21]);
    else snprintf(site, sizeof site, "www.site%llu.%s", (unsigned long long)(below(3000) * below(3000) / 300),
                  below(3) ? "com" : below(2) ? "org" : "co.uk");
    if (below(10) == 0) page %= 5000;                       /* some pages are posted again */
    wt_buf_printf(b, "http%s:%s%s%s", below(2) ? "s" : "", escaped ? "\\/\\/" : "//", site, escaped ? "\\/" : "/");
    if (below(8) == 0) wt_buf_printf(b, "%llx.jpg", (unsigned long long)page);
    else if (below(3)) wt_buf_printf(b, "%s-%s-%s-%llu", words[below(32)], words[below(32)], words[below(32)], (unsigned long long)page);
    else wt_buf_printf(b, "watch?v=%llx%sfeature=share", (unsigned long long)page, escaped ? "&amp;" : "&");
}

static long a_score(void) {
    uint64_t r = below(100);
    return r < 8 ? 0 : r < 48 ? 1 : r < 66 ? 2 : r < 90 ? 3 + (long)below(20) : r < 98 ? 20 + (long)below(400) : 400 + (long)below(40000);
}

static void add_preview(wt_buf *b, bool escaped) {
    wt_buf_add_str(b, WT_STR(",\"preview\":{\"enabled\":true,\"images\":[{\"id\":\"x\",\"resolutions\":["));
    for (int i = 0; i < 5; i++) {
        wt_buf_printf(b, "%s{\"height\":%d,\"url\":\"", i ? "," : "", 60 << i);
        add_url(b, escaped);
        wt_buf_printf(b, "\",\"width\":%d}", 108 << i);
    }
    wt_buf_add_str(b, WT_STR("],\"source\":{\"height\":1080,\"url\":\""));
    add_url(b, escaped);
    wt_buf_add_str(b, WT_STR("\",\"width\":1920},\"variants\":{}}]}"));
}

/* The dozens of members that nobody asks for. */
static void add_ballast(wt_buf *b, int n) {
    static const char *const name[] = {
        "all_awardings\":[]", "allow_live_comments\":false", "approved_at_utc\":null", "archived\":false", "author_flair_background_color\":\"\"",
        "author_flair_css_class\":null", "author_flair_richtext\":[]", "author_flair_text\":null", "author_fullname\":\"t2_abc12\"",
        "author_is_blocked\":false", "author_premium\":false", "awarders\":[]", "can_gild\":false", "can_mod_post\":false", "category\":null",
        "clicked\":false", "content_categories\":null", "contest_mode\":false", "discussion_type\":null", "distinguished\":null", "edited\":false",
        "gilded\":0", "gildings\":{}", "hidden\":false", "is_created_from_ads_ui\":false", "is_crosspostable\":true", "is_meta\":false",
        "is_original_content\":false", "is_reddit_media_domain\":false", "is_robot_indexable\":true", "is_video\":false",
        "link_flair_background_color\":\"#ea0027\"", "link_flair_css_class\":\"news\"", "link_flair_richtext\":[{\"e\":\"text\",\"t\":\"News\"}]",
        "link_flair_template_id\":\"8a1f0c60-1f0e-11ea-9d36-0e2f1a4f1a4f\"", "link_flair_text\":\"News\"", "link_flair_text_color\":\"light\"",
        "locked\":false", "media\":null", "media_embed\":{}", "media_only\":false", "mod_note\":null", "mod_reports\":[]", "no_follow\":true",
        "num_crossposts\":0", "num_reports\":null", "parent_whitelist_status\":\"all_ads\"", "pinned\":false", "pwls\":6", "quarantine\":false",
    };
    for (int i = 0; i < n; i++) wt_buf_printf(b, ",\"%s", name[i % 50]);
}

static void add_record(wt_buf *b, int era, uint64_t i) {
    bool self = below(100) < 44, escaped = era < 2024;
    long created = (era - 1970) * 31556952L + (long)below(31556952);
    wt_buf_printf(b, "{\"author\":\"user%llu\"", (unsigned long long)below(1000000));
    add_ballast(b, era == 2014 ? 16 : era == 2017 ? 28 : 50);
    if (era >= 2017 && !self && below(3)) add_preview(b, escaped);
    if (era == 2024) add_preview(b, escaped);
    wt_buf_printf(b, ",\"created_utc\":%s%ld%s,\"domain\":\"example.com\",\"hide_score\":false,\"id\":\"%llx\",\"is_self\":%s,\"name\":\"t3_%llx\"",
                  era == 2014 ? "\"" : "", created, era == 2014 ? "\"" : "", (unsigned long long)(0x5000000 + i), self ? "true" : "false",
                  (unsigned long long)(0x5000000 + i));
    wt_buf_printf(b, ",\"num_comments\":%llu,\"over_18\":%s,\"permalink\":\"/r/x/comments/%llx/\",\"retrieved_on\":%ld,\"score\":%ld,\"selftext\":\"",
                  (unsigned long long)below(300), below(100) < 9 ? "true" : "false", (unsigned long long)i, created + 100000, a_score());
    if (self) add_words(b, below(8) ? 20 + below(180) : below(1500));
    wt_buf_printf(b, "\",\"stickied\":false,\"subreddit\":\"%s%llu\",\"subreddit_id\":\"t5_2qh\",\"thumbnail\":\"default\",\"title\":\"", words[below(32)],
                  (unsigned long long)below(400));
    add_words(b, 4 + below(14));
    wt_buf_add_str(b, WT_STR("\",\"ups\":1,\"url\":\""));
    if (self) wt_buf_printf(b, "https:%s/r/x/comments/%llx/", escaped ? "\\/\\/www.reddit.com" : "//www.reddit.com", (unsigned long long)i);
    else add_url(b, escaped);
    wt_buf_add_str(b, WT_STR("\"}\n"));
}

int main(int argc, char **argv) {
    if (argc < 3) return fprintf(stderr, "usage: reddit_dump N 2014|2017|2024 [SEED]\n"), 2;
    wt_buf b = {0};
    wt_rng_init(&rng, argc > 3 ? strtoull(argv[3], NULL, 10) : 1, 0);
    for (uint64_t i = 0, n = strtoull(argv[1], NULL, 10); i < n; i++) {
        add_record(&b, atoi(argv[2]), i);
        if (b.len < 1 << 20 && i + 1 < n) continue;
        if (fwrite(b.ptr, 1, b.len, stdout) != b.len) return 1;
        b.len = 0;
    }
    return 0;
}

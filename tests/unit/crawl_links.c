/* crawl_links.c - what twenty years of dumps hold, one property a test: the verdict of a record, what
 * is taken from it, and how files that are not one record a line are read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/fs.h"
#include "crawl/crawl.h"
#include "crawl/links_exact.h"
#include "crawl/links_store.h"

static wt_arena *arena;
static links_rules *webtext;
static links_post post;

static const char *verdict_with(const links_rules *rules, const char *record) {
    return links_verdict_text(links_judge(rules, wt_str_of(record), arena, &post, NULL));
}
#define EXPECT(want, record) assert_string_equal(verdict_with(webtext, record), want)

static void assert_url(const char *want) {
    if (!wt_str_eq(post.url, wt_str_of(want))) print_error("url: %.*s\n", WT_FMT(post.url));
    assert_true(wt_str_eq(post.url, wt_str_of(want)));
}

static void one_verdict_a_record(void **state) {
    EXPECT("taken", "{\"url\":\"http://a.com/\",\"score\":3}");
    EXPECT("score too low", "{\"url\":\"http://a.com/\",\"score\":2}");
    EXPECT("advertisement", "{\"url\":\"http://a.com/\",\"score\":9,\"promoted\":true,\"is_self\":true}");
    EXPECT("self post", "{\"url\":\"http://a.com/\",\"score\":9,\"is_self\":true,\"over_18\":true}");
    EXPECT("over 18", "{\"url\":\"http://a.com/\",\"score\":1,\"over_18\":true}");
    EXPECT("no url", "{\"score\":9}");
    EXPECT("no url", "{\"url\":null,\"score\":9}");
    EXPECT("no url", "{\"url\":\"\",\"score\":9}");
    EXPECT("no url", "{\"url\":\"  \",\"score\":9}");
    EXPECT("no score", "{\"url\":\"http://a.com/\"}");
    EXPECT("no score", "{\"url\":\"http://a.com/\",\"score\":null}");
    EXPECT("relative url", "{\"url\":\"/r/pics/comments/1/x/\",\"score\":9}");
    EXPECT("not http or https", "{\"url\":\"mailto:a@b.c\",\"score\":9}");
    EXPECT("not http or https", "{\"url\":\"magnet:?xt=urn:btih:1\",\"score\":9}");
    EXPECT("bad url", "{\"url\":\"http://a b/\",\"score\":9}");
    EXPECT("bad url", "{\"url\":\"http://intranet/\",\"score\":9}");
    EXPECT("excluded domain", "{\"url\":\"http://en.wikipedia.org/wiki/X\",\"score\":9}");
    EXPECT("excluded domain", "{\"url\":\"https://i.imgur.com/abc\",\"score\":9}");
    EXPECT("taken", "{\"url\":\"https://notimgur.com/abc\",\"score\":9}");
    EXPECT("file type", "{\"url\":\"http://a.com/x.JPG?y=1\",\"score\":9}");
    EXPECT("taken", "{\"url\":\"http://a.com/x.jpg/\",\"score\":9}");
    EXPECT("taken", "{\"url\":\"http://a.com/page.html\",\"score\":9}");
}

static void broken_records(void **state) {
    EXPECT("broken record", "");
    EXPECT("broken record", "null");
    EXPECT("broken record", "{\"url\":\"http://a.com/\",\"score\":9");
    EXPECT("broken record", "{\"url\":\"http://a.com/\",\"score\":9}}");
    EXPECT("broken record", "{\"url\":\"http://a.com/\" \"score\":9}");
    EXPECT("broken record", "{\"url\":\"http://a.com/,\"score\":9}");
}

static void times_of_all_kinds(void **state) {
    static const struct { const char *text; int64_t want; } list[] = {
        {"1388534400", 1388534400}, {"\"1388534401\"", 1388534401}, {"1706745600.0", 1706745600},
        {"\"1388534402.0\"", 1388534402}, {"1.5e9", 1500000000}, {"1388534400.75", 1388534400},
    };
    char record[200];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        snprintf(record, sizeof record, "{\"created_utc\":%s,\"url\":\"http://a.com\",\"score\":3}", list[i].text);
        EXPECT("taken", record);
        assert_true(post.has_created);
        assert_int_equal(post.created_s, list[i].want);
    }
    EXPECT("taken", "{\"created_utc\":null,\"url\":\"http://a.com\",\"score\":3}");
    assert_false(post.has_created);
    EXPECT("taken", "{\"created_utc\":\"soon\",\"url\":\"http://a.com\",\"score\":3}");
    assert_false(post.has_created);
}

static void addresses_as_written(void **state) {
    EXPECT("taken", "{\"url\":\"http:\\/\\/a.com\\/?x=1&amp;y=2&amp;copy=3\",\"score\":9}");
    assert_url("http://a.com/?x=1&y=2&copy=3");
    EXPECT("taken", "{\"url\":\"http://a.com/?x=1&copy=2\",\"score\":9}");
    assert_url("http://a.com/?x=1&copy=2");
    EXPECT("taken", "{\"url\":\"http://a.com/\\ud83d\\ude00\\u00e9\",\"score\":9}");
    assert_url("http://a.com/%F0%9F%98%80%C3%A9");
    EXPECT("taken", "{\"url\":\"http://a.com/\\ud83d\",\"score\":9}");        /* half of a pair */
    assert_url("http://a.com/%EF%BF%BD");
    EXPECT("taken", "{\"url\":\"http://a.com/a b\",\"score\":9,\"subreddit\":\"x\\u00e9\",\"id\":\"k2\"}");
    assert_url("http://a.com/a%20b");
    assert_true(wt_str_eq(post.subreddit, WT_STR("x\xc3\xa9")) && wt_str_eq(post.id, WT_STR("k2")));
    /* 2022-08: url is null, the other field has it. */
    EXPECT("taken", "{\"url\":null,\"url_overridden_by_dest\":\"http://b.com/\",\"score\":9}");
    assert_url("http://b.com/");
    wt_buf record = {0};
    wt_buf_add_str(&record, WT_STR("{\"score\":9,\"url\":\"http://a.com/"));
    for (int i = 0; i < 82248; i++) wt_buf_add_char(&record, 'x');
    wt_buf_add_str(&record, WT_STR("\"}"));
    EXPECT("url too long", record.ptr);
    wt_buf_free(&record);
}

/* Members of nested objects come before the record's own and must not be taken for them. */
static void nested_members(void **state) {
    EXPECT("taken",
           "{\"preview\":{\"images\":[{\"source\":{\"url\":\"http://no.com/\",\"score\":1}}]},"
           "\"media\":{\"oembed\":{\"url\":\"http://no.com/\",\"is_self\":true,\"over_18\":true}},"
           "\"title\":\"\\\"url\\\":\\\"http://no.com\\\"\",\"url\":\"http://yes.com/\",\"score\":7,"
           "\"crosspost_parent_list\":[{\"url\":\"http://no.com/\",\"score\":1,\"over_18\":true}]}");
    assert_url("http://yes.com/");
    assert_int_equal(post.score, 7);
    EXPECT("no url", "{\"media\":{\"url\":\"http://no.com/\"},\"score\":7}");
}

static void crossposts(void **state) {
    EXPECT("taken", "{\"url\":\"/r/x/comments/1/\",\"score\":7,\"crosspost_parent_list\":[{\"url\":\"http://a.com/p\",\"score\":1}]}");
    assert_url("http://a.com/p");
    EXPECT("taken", "{\"url\":\"https://www.reddit.com/r/x/comments/1/\",\"score\":7,"
                    "\"crosspost_parent_list\":[{\"url\":\"http://a.com/q\"},{\"url\":\"http://b.com/\"}]}");
    assert_url("http://a.com/q");
    EXPECT("self post", "{\"url\":\"/r/x/\",\"score\":7,\"crosspost_parent_list\":[{\"is_self\":true,\"url\":\"http://a.com/\"}]}");
    EXPECT("over 18", "{\"url\":\"/r/x/\",\"score\":7,\"crosspost_parent_list\":[{\"over_18\":true,\"url\":\"http://a.com/\"}]}");
    EXPECT("relative url", "{\"url\":\"/r/x/\",\"score\":7,\"crosspost_parent_list\":[]}");
    EXPECT("relative url", "{\"url\":\"/r/x/\",\"score\":7,\"crosspost_parent_list\":null}");
    EXPECT("excluded domain", "{\"url\":\"https://redd.it/x\",\"score\":7,\"crosspost_parent_list\":[{\"title\":\"t\"}]}");
}

static void rules_are_data(void **state) {
    links_rules *r = links_rules_new("none", NULL);
    assert_string_equal(verdict_with(r, "{\"url\":\"http://imgur.com/a.jpg\",\"score\":-5,\"over_18\":true}"), "taken");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://imgur.com/a.jpg\"}"), "no score");
    links_names_add(r->exclude_subreddits, WT_STR("/r/Pics"));
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"subreddit\":\"pICS\"}"), "subreddit");
    links_names_add(r->only_subreddits, WT_STR("science"));
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"subreddit\":\"Science\"}"), "taken");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"subreddit\":\"history\"}"), "subreddit");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1}"), "subreddit");
    links_rules_free(r);
    r = links_rules_new("none", NULL);
    r->since_s = 100, r->until_s = 200, r->keep_hidden_scores = false;
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"created_utc\":99}"), "date");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"created_utc\":100}"), "taken");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"created_utc\":\"200\"}"), "taken");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"created_utc\":201}"), "date");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1}"), "date");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com\",\"score\":1,\"created_utc\":150,\"hide_score\":true}"), "hidden score");
    links_rules_free(r);
    r = links_rules_new("openwebtext", NULL);
    assert_string_equal(verdict_with(r, "{\"url\":\"http://github.com/x\",\"score\":9}"), "excluded domain");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://video.google.com/\",\"score\":9}"), "excluded domain");
    assert_string_equal(verdict_with(r, "{\"url\":\"http://a.com/x.txt\",\"score\":9}"), "file type");
    links_rules_free(r);
    r = links_rules_new("owt2", NULL);
    assert_string_equal(verdict_with(r, "{\"url\":\"http://imgur.com/x\",\"score\":-2,\"over_18\":true}"), "taken");
    links_rules_free(r);
    wt_err err = {0};
    assert_null(links_rules_new("best", &err));
    assert_int_equal(err.code, WT_EARG);
}

/* ---- files ---- */
typedef struct {
    wt_buf urls;
    links_stats stats;
} scanned;

static int note_url(void *ctx, const links_post *p, wt_err *err) {
    scanned *s = ctx;
    wt_buf_add_str(&s->urls, p->url);
    wt_buf_printf(&s->urls, " %ld\n", (long)p->score);
    return 0;
}

static int scan_text(const char *text, size_t n, int threads, scanned *s, wt_err *err) {
    assert_int_equal(wt_write_file("dump", (wt_str){text, n}, NULL), 0);
    wt_buf_clear(&s->urls);
    return links_scan_file("dump", webtext, threads, note_url, s, &s->stats, err);
}

static void expect_scan(const char *text, const char *urls, uint64_t records, uint64_t broken) {
    scanned s = {0};
    assert_int_equal(scan_text(text, strlen(text), 1, &s, NULL), 0);
    if (strcmp(s.urls.ptr ? s.urls.ptr : "", urls)) print_error("dump: %s\n", text);
    assert_string_equal(s.urls.ptr ? s.urls.ptr : "", urls);
    if (links_stats_records(&s.stats) != records || s.stats.verdict[LINKS_BROKEN] != broken) print_error("dump: %s\n", text);
    assert_int_equal(links_stats_records(&s.stats), records);
    assert_int_equal(s.stats.verdict[LINKS_BROKEN], broken);
    wt_buf_free(&s.urls);
}

#define A "{\"url\":\"http://a.com/\",\"score\":3}"
#define B "{\"url\":\"http://b.com/\",\"score\":4}"
#define LOW "{\"url\":\"http://c.com/\",\"score\":1}"
static const char both[] = "http://a.com/ 3\nhttp://b.com/ 4\n";

static void containers(void **state) {
    expect_scan("", "", 0, 0);
    expect_scan("\n\n  \n", "", 0, 0);
    expect_scan(A "\n" B "\n" LOW "\n", both, 3, 0);
    expect_scan("\xef\xbb\xbf" A "\r\n\r\n" B, both, 2, 0);
    expect_scan("[" A "," LOW "," B "]", both, 3, 0);                        /* one line */
    expect_scan("[" A "," B "]\n[" LOW "]\n", both, 3, 0);                   /* arrays, one a line */
    expect_scan("[\n" A ",\n" LOW ",\n" B "\n]\n", both, 3, 0);              /* a record a line */
    expect_scan("[" A ",\n" B "]\n", both, 2, 0);
    expect_scan("[\n  {\n    \"url\": \"http://a.com/\",\n    \"score\": 3\n  },\n" B "]", both, 2, 0);
    expect_scan("{\n  \"url\": \"http://a.com/\",\n  \"score\": 3\n}\n", "http://a.com/ 3\n", 1, 0);
    expect_scan("[\n]\n", "", 0, 0);
    expect_scan("[]", "", 0, 0);
}

static void listings(void **state) {
#define T3(x) "{\"kind\":\"t3\",\"data\":" x "}"
#define LISTING(x) "{\"kind\":\"Listing\",\"data\":{\"after\":\"t3_x\",\"children\":[" x "]}}"
    expect_scan(LISTING(T3(A) "," T3(LOW) "," T3(B)) "\n", both, 3, 0);
    expect_scan("[" LISTING(T3(A)) "," LISTING(T3(B) ",{\"kind\":\"t1\",\"data\":{\"body\":\"x\"}}") "]", both, 3, 0);
    expect_scan("{\"data\":[" A "," B "]}", both, 2, 0);                      /* Arctic Shift's API */
    expect_scan("{\n\"data\": [\n" A ",\n" B "]}", both, 2, 0);
    expect_scan(T3(A) "\n" T3(B) "\n", both, 2, 0);
    char deep[4096] = "";
    for (int i = 0; i < 100; i++) strcat(deep, "{\"data\":");
    strcat(deep, A);
    for (int i = 0; i < 100; i++) strcat(deep, "}");
    expect_scan(deep, "", 1, 0);                                             /* bounded, no record */
}

static void damage(void **state) {
    expect_scan("{\"url\":\"http://x.com/\n" A "\n" B "\n", both, 3, 1);      /* cut first line */
    expect_scan(A "\n" B "\n{\"url\":\"http://x.c", both, 3, 1);             /* cut last line */
    expect_scan(A B "\n", both, 2, 0);                                       /* no newline between */
    expect_scan(A " " B "{\"url\":\n", both, 3, 1);
    expect_scan(A "garbage\n" B "\n", both, 3, 1);
    expect_scan("garbage\n" A "\n" B "\n", both, 3, 1);
    expect_scan("123\n\"x\"\n" A "\n" B "\n", both, 4, 2);
    expect_scan(A "\n{\"title\":\"\xff\xfe\"}\n" B "\n", both, 3, 0);         /* bad UTF-8 elsewhere */
    static const char nul[] = "\0\0\0\0" A "\n\0\0\n" B "\0\0\n{\"a\":\0}\n";
    scanned s = {0};
    assert_int_equal(scan_text(nul, sizeof nul - 1, 1, &s, NULL), 0);
    assert_string_equal(s.urls.ptr, both);
    assert_int_equal(links_stats_records(&s.stats), 3);
    wt_buf_free(&s.urls);
    wt_err err = {0};
    assert_int_equal(scan_text("[\n  {\n \"url\":", 14, 1, &s, &err), -1);    /* half a document */
    assert_int_equal(err.code, WT_EDATA);
    assert_non_null(strstr(err.text, "dump"));
    assert_int_equal(links_scan_file("no-such-file", webtext, 1, note_url, &s, &s.stats, &err), -1);
    assert_int_equal(err.code, WT_ENOTFOUND);
    wt_buf_free(&s.urls);
}

static void lines_have_a_limit(void **state) {
    wt_buf text = {0};
    wt_buf_add_str(&text, WT_STR("{\"selftext\":\""));
    while (text.len < LINKS_LINE_MAX) wt_buf_add(&text, "0123456789abcdef", 16);
    wt_buf_add_str(&text, WT_STR("\",\"url\":\"http://x.com/\",\"score\":9}\n" A "\n"));
    size_t long_line = text.len;
    wt_buf_add_str(&text, WT_STR(B "\n"));
    wt_buf again = {0};                                                      /* also behind the first block */
    wt_buf_add(&again, text.ptr + long_line, text.len - long_line);
    wt_buf_add_str(&again, wt_buf_view(&text));
    scanned s = {0};
    assert_int_equal(scan_text(text.ptr, text.len, 1, &s, NULL), 0);
    assert_string_equal(s.urls.ptr, both);
    assert_int_equal(s.stats.verdict[LINKS_TOO_LONG], 1);
    assert_int_equal(scan_text(again.ptr, again.len, 2, &s, NULL), 0);
    assert_int_equal(s.stats.verdict[LINKS_TOO_LONG], 1);
    assert_int_equal(s.stats.verdict[LINKS_TAKEN], 3);
    wt_buf_free(&text), wt_buf_free(&again), wt_buf_free(&s.urls);
}

static void threads_change_nothing(void **state) {
    wt_buf text = {0};
    for (int i = 0; i < 60000; i++)
        wt_buf_printf(&text, "{\"title\":\"%0200d\",\"url\":\"http://h%d.com/%d\",\"score\":%d,\"created_utc\":%d}\n", i,
                      i % 999, i, i % 7, 1400000000 + i * 100);
    scanned one = {0}, many = {0};
    assert_int_equal(scan_text(text.ptr, text.len, 1, &one, NULL), 0);
    assert_true(one.stats.bytes > (uint64_t)12 << 20);
    for (int threads = 2; threads <= 5; threads += 3) {
        assert_int_equal(scan_text(text.ptr, text.len, threads, &many, NULL), 0);
        assert_true(wt_str_eq(wt_buf_view(&one.urls), wt_buf_view(&many.urls)));
        assert_memory_equal(&one.stats, &many.stats, sizeof one.stats);
    }
    wt_buf_free(&text), wt_buf_free(&one.urls), wt_buf_free(&many.urls);
}

static void counts_by_month_and_score(void **state) {
    links_stats *s = wt_xcalloc(1, sizeof *s), *back = wt_xcalloc(1, sizeof *back);
    char record[200];
    static const long t[] = {1104537599, 1104537600, 1107215999, 1107216000, 1483228799, 1483228800, 1709164800};
    for (int i = 0; i < 7; i++) {       /* the last second of 2004 ... a leap day of 2024 */
        snprintf(record, sizeof record, "{\"url\":\"http://a.com\",\"score\":%d,\"created_utc\":%ld,\"hide_score\":%s}", i,
                 t[i], i == 6 ? "true" : "false");
        links_judge(webtext, wt_str_of(record), arena, &post, s);
    }
    assert_int_equal(s->month[0].n, 2);
    assert_int_equal(s->month[1].n, 1);
    assert_int_equal(s->month[143].n, 1);       /* 2016-12 */
    assert_int_equal(s->month[144].sum, 5);
    assert_int_equal(s->month[229].hidden, 1);  /* 2024-02 */
    assert_int_equal(s->bins[1] + s->bins[2] + s->bins[3], 3);
    char name[16];
    links_month_name(229, name);
    assert_string_equal(name, "2024-02");
    wt_buf json = {0};
    links_stats_write(s, &json);
    assert_int_equal(links_stats_read(back, wt_buf_view(&json), NULL), 0);
    assert_memory_equal(s, back, sizeof *s);
    assert_false(links_month_degenerate(&(links_month){.n = 999, .sum = 999}));
    assert_true(links_month_degenerate(&(links_month){.n = 1000, .sum = 1010}));
    assert_true(links_month_degenerate(&(links_month){.n = 1000, .sum = 90000, .hidden = 600}));
    assert_false(links_month_degenerate(&(links_month){.n = 1000, .sum = 2500}));
    wt_buf_free(&json);
    free(s), free(back);
}

/* ---- the exact choice ---- */
static void exact_choice(void **state) {
    static const char one[] =
        "{\"url\":\"http://a.com/\",\"score\":2,\"id\":\"a1\",\"retrieved_on\":10}\n"
        "{\"url\":\"http://a.com/?utm_source=x\",\"score\":9,\"id\":\"a2\"}\n"
        "{\"url\":\"http://b.com/\",\"score\":1,\"id\":\"b1\"}\n"
        "{\"url\":\"http://b.com/\",\"score\":1,\"id\":\"b2\"}\n"
        "{\"url\":\"http://c.com/\",\"score\":50,\"id\":\"c1\",\"retrieved_on\":10}\n";
    static const char two[] =
        "{\"url\":\"http://a.com/\",\"score\":3,\"id\":\"a1\",\"retrieved_on\":5}\n"          /* older copy */
        "{\"url\":\"http://c.com/\",\"score\":4,\"id\":\"c1\",\"_meta\":{\"retrieved_2nd_on\":20}}\n"
        "{\"url\":\"http://b.com/\",\"score\":1,\"id\":\"b3\"}\n"
        "{\"url\":\"http://d.com/\",\"score\":7}\n{\"url\":\"http://d.com/\",\"score\":7}\n";
    char *inputs[] = {"one", "two"};
    assert_int_equal(wt_write_file("one", wt_str_of(one), NULL) || wt_write_file("two", wt_str_of(two), NULL), 0);
    assert_int_equal(wt_mkdirs("store", NULL), 0);
    links_rules *rules = links_rules_new("owt2", NULL);
    links_store store = {.folder = "store", .input = inputs, .n_inputs = 2, .threads = 2};
    wt_err err = {0};
    assert_int_equal(links_store_fill(&store, rules, &err), 0);
    static const char *const want[] = {
        "http://a.com/?utm_source=x 11\nhttp://b.com/ 3\nhttp://c.com/ 4\nhttp://d.com/ 14\n",
        "http://a.com/?utm_source=x 9\nhttp://c.com/ 4\nhttp://d.com/ 7\n"};
    for (int sum = 1; sum >= 0; sum--)
        for (uint64_t memory = 1; memory <= (uint64_t)1 << 24; memory <<= 24) {
            scanned s = {0};
            links_exact_counts counts;
            rules->sum_scores = sum;
            assert_int_equal(links_exact_choose(&store, rules, 10, memory, note_url, &s, &counts, &err), 0);
            assert_string_equal(s.urls.ptr, want[!sum]);
            assert_int_equal(counts.copies, 2);
            assert_int_equal(counts.duplicates, sum ? 4 : 2);
            assert_int_equal(counts.too_low, sum ? 0 : 3);
            wt_buf_free(&s.urls);
        }
    links_rules_free(rules);
}

static int setup(void **state) {
    arena = wt_arena_new(0);
    webtext = links_rules_new("webtext", NULL);
    return webtext ? 0 : -1;
}
static int teardown(void **state) {
    links_rules_free(webtext);
    wt_arena_free(arena);
    return 0;
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_verdict_a_record), cmocka_unit_test(broken_records),
        cmocka_unit_test(times_of_all_kinds), cmocka_unit_test(addresses_as_written),
        cmocka_unit_test(nested_members), cmocka_unit_test(crossposts), cmocka_unit_test(rules_are_data),
        cmocka_unit_test(containers), cmocka_unit_test(listings), cmocka_unit_test(damage),
        cmocka_unit_test(lines_have_a_limit), cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(counts_by_month_and_score), cmocka_unit_test(exact_choice),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

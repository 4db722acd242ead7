/* state_report.c - what a page about a crawl wants to know beyond its status: types, hosts, sizes, times,
 * and what the failures said. Opens the state for reading; a running crawl is not disturbed. */
#include <sqlite3.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/json.h"
#include "crawl/state.h"

/* [[name, n, ...], ...]: text columns as strings, the rest as numbers. */
static int add_rows(sqlite3 *db, wt_buf *json, const char *key, const char *query, wt_err *err) {
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(db, query, -1, &q, NULL) != SQLITE_OK)
        return wt_fail(err, WT_EDATA, "the crawl's state cannot be read: %s", sqlite3_errmsg(db));
    wt_buf_printf(json, ",\"%s\":[", key);
    for (int n = 0; sqlite3_step(q) == SQLITE_ROW; n++) {
        wt_buf_add_str(json, n ? WT_STR(",[") : WT_STR("["));
        for (int i = 0; i < sqlite3_column_count(q); i++) {
            if (i) wt_buf_add_char(json, ',');
            const char *text = (const char *)sqlite3_column_text(q, i);
            if (sqlite3_column_type(q, i) == SQLITE_INTEGER) wt_buf_add_str(json, wt_str_of(text));
            else wt_json_add_string(json, wt_str_of(text ? text : ""));
        }
        wt_buf_add_char(json, ']');
    }
    wt_buf_add_char(json, ']');
    return sqlite3_finalize(q) == SQLITE_OK ? 0 : wt_fail(err, WT_EDATA, "the crawl's state cannot be read: %s", sqlite3_errmsg(db));
}

/* How many lie between powers of two: [[256, n], [512, n], ...]; the first holds all below, the last all
 * above. */
static void add_histogram(wt_buf *json, const char *key, const uint64_t *n, int first, int last) {
    wt_buf_printf(json, ",\"%s\":[", key);
    for (int e = first; e <= last; e++)
        wt_buf_printf(json, "%s[%llu,%llu]", e > first ? "," : "", 1ull << e, (unsigned long long)n[e]);
    wt_buf_add_char(json, ']');
}

static int power_of(int64_t x, int first, int last) {
    int e = x > 0 ? 63 - __builtin_clzll((uint64_t)x) : 0;
    return e < first ? first : e > last ? last : e;
}

/* Bytes of bodies and milliseconds of requests, in one pass. */
static int add_histograms(sqlite3 *db, wt_buf *json, wt_err *err) {
    uint64_t sizes[64] = {0}, times[64] = {0};
    sqlite3_stmt *q;
    if (sqlite3_prepare_v2(db, "SELECT outcome = 'ok', bytes, took_ms FROM fetches WHERE status > 0", -1, &q, NULL) != SQLITE_OK)
        return wt_fail(err, WT_EDATA, "the crawl's state cannot be read: %s", sqlite3_errmsg(db));
    while (sqlite3_step(q) == SQLITE_ROW) {
        if (sqlite3_column_int(q, 0)) sizes[power_of(sqlite3_column_int64(q, 1), 8, 24)]++;
        times[power_of(sqlite3_column_int64(q, 2), 2, 16)]++;
    }
    add_histogram(json, "sizes", sizes, 8, 24);
    add_histogram(json, "times", times, 2, 16);
    return sqlite3_finalize(q) == SQLITE_OK ? 0 : wt_fail(err, WT_EDATA, "the crawl's state cannot be read: %s", sqlite3_errmsg(db));
}

int crawl_state_report(const char *dir, wt_buf *json, wt_err *err) {
    static const struct { const char *key, *query; } part[] = {
        {"types", "SELECT lower(trim(substr(type, 1, instr(type || ';', ';') - 1))) AS t, count(*) FROM fetches"
                  " WHERE outcome = 'ok' GROUP BY t ORDER BY 2 DESC, 1 LIMIT 12"},
        {"top_hosts", "SELECT hosts.name, count(*) FROM fetches JOIN urls USING(id) JOIN hosts ON hosts.id = urls.host"
                      " WHERE outcome = 'ok' GROUP BY hosts.id ORDER BY 2 DESC, 1 LIMIT 15"},
        {"failures", "SELECT outcome, coalesce(detail, ''), count(*) FROM fetches WHERE outcome NOT IN ('ok', 'redirect')"
                     " GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20"},
        /* 200 slices of the time from the first request to the last: seconds since the first, pages so far. */
        {"progress", "WITH t AS (SELECT min(time_ms) AS a, max(time_ms) + 1 AS z FROM fetches WHERE time_ms > 0)"
                     " SELECT ((time_ms - a) * 200 / (z - a) + 1) * (z - a) / 200000 AS s, sum(outcome = 'ok'), count(*)"
                     " FROM fetches, t WHERE time_ms > 0 GROUP BY (time_ms - a) * 200 / (z - a) ORDER BY 1"},
    };
    char *path = wt_path_join(dir, "state.sqlite");
    sqlite3 *db = NULL;
    int result = crawl_state_status(dir, json, err);
    if (result == 0 && sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
        result = wt_fail(err, WT_EDATA, "'%s' is no crawl state: %s", path, sqlite3_errmsg(db));
    if (result == 0) {
        sqlite3_busy_timeout(db, 10000);
        json->len--;                                    /* the status object goes on */
        for (size_t i = 0; i < sizeof part / sizeof *part && result == 0; i++)
            result = add_rows(db, json, part[i].key, part[i].query, err);
        if (result == 0) result = add_histograms(db, json, err);
        wt_buf_add_char(json, '}');
    }
    sqlite3_close(db);
    free(path);
    return result;
}

/* state.c - the crawl's memory in SQLite (see state.h for the order of writing).
 *
 * Why SQLite on the hot path: an address costs about 10 us of it in a crawl where fetching and
 * packing it costs 300 to 800, and anybody can look into the file while the crawl runs. What makes
 * it cheap: urls is written once and in order, fetches is a table of its own so that no row grows,
 * transactions hold a second of work, and the one index beside the primary keys is built after the
 * list is in. */
#include "crawl/state.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"

#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS hosts(id INTEGER PRIMARY KEY, name TEXT NOT NULL, until REAL,"
    " failures INTEGER, parked INTEGER, why TEXT);"
    "CREATE TABLE IF NOT EXISTS urls(id INTEGER PRIMARY KEY, url TEXT NOT NULL, host INTEGER NOT NULL,"
    " key INTEGER NOT NULL, via INTEGER, hops INTEGER);"
    "CREATE TABLE IF NOT EXISTS fetches(id INTEGER PRIMARY KEY, outcome TEXT NOT NULL, status INTEGER,"
    " detail TEXT, cut TEXT, type TEXT, ip TEXT, sha1 BLOB, bytes INTEGER, warc INTEGER,"
    " offset INTEGER, length INTEGER, time_ms INTEGER, took_ms INTEGER, tries INTEGER, target INTEGER);"
    "CREATE TABLE IF NOT EXISTS robots(origin TEXT PRIMARY KEY, time INTEGER, outcome TEXT,"
    " status INTEGER, body BLOB) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS warcs(number INTEGER PRIMARY KEY, name TEXT, bytes INTEGER, records INTEGER);"
    "CREATE TABLE IF NOT EXISTS outbox(rank INTEGER, url TEXT, hops INTEGER);"
    "CREATE VIEW IF NOT EXISTS pages AS SELECT urls.id, url, hosts.name AS host,"
    " coalesce(outcome, 'pending') AS outcome, status, detail, cut, type, ip, fetches.bytes AS bytes,"
    " warcs.name AS warc, offset, length, datetime(time_ms/1000, 'unixepoch') AS time, took_ms, tries,"
    " (SELECT u.url FROM urls u WHERE u.id = target) AS target,"
    " (SELECT u.url FROM urls u WHERE u.id = via) AS via"
    " FROM urls JOIN hosts ON hosts.id = urls.host LEFT JOIN fetches ON fetches.id = urls.id"
    " LEFT JOIN warcs ON warcs.number = fetches.warc;";

enum { Q_ADD_HOST, Q_ADD_URL, Q_GET_URL, Q_FIND_URL, Q_PUT, Q_PUT_HOST, Q_PUT_ROBOTS, Q_GET_ROBOTS,
       Q_PUT_WARC, Q_PUT_OUTBOX, Q_N };
static const char *const queries[Q_N] = {
    [Q_ADD_HOST] = "INSERT OR IGNORE INTO hosts(id, name) VALUES(?, ?)",
    [Q_ADD_URL] = "INSERT INTO urls VALUES(?, ?, ?, ?, ?, ?)",
    [Q_GET_URL] = "SELECT url, via, hops FROM urls WHERE id = ?",
    [Q_FIND_URL] = "SELECT id FROM urls WHERE key = ? AND url = ?",
    [Q_PUT] = "INSERT INTO fetches VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [Q_PUT_HOST] = "UPDATE hosts SET until = ?, failures = ?, parked = ?, why = ? WHERE id = ?",
    [Q_PUT_ROBOTS] = "INSERT OR REPLACE INTO robots VALUES(?, ?, ?, ?, ?)",
    [Q_GET_ROBOTS] = "SELECT outcome, body, time FROM robots WHERE origin = ? AND time >= ?",
    [Q_PUT_OUTBOX] = "INSERT INTO outbox VALUES(?, ?, ?)",
    [Q_PUT_WARC] = "INSERT OR REPLACE INTO warcs VALUES(?, ?, ?, ?)",
};

struct crawl_state {
    sqlite3 *db;
    sqlite3_stmt *q[Q_N];
    char *path;
    int lock;
    bool open;                  /* a transaction is */
};

static int sql_fail(crawl_state *s, wt_err *err) {
    int code = sqlite3_errcode(s->db);
    bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return wt_fail(err, damaged ? WT_EDATA : WT_EIO, "'%s': %s", s->path, sqlite3_errmsg(s->db));
}

static int sql_exec(crawl_state *s, const char *text, wt_err *err) {
    return sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : sql_fail(s, err);
}

static int64_t sql_int(sqlite3 *db, const char *text, int64_t otherwise) {
    sqlite3_stmt *q;
    int64_t x = otherwise;
    if (sqlite3_prepare_v2(db, text, -1, &q, NULL) != SQLITE_OK)
        return otherwise;
    if (sqlite3_step(q) == SQLITE_ROW && sqlite3_column_type(q, 0) != SQLITE_NULL)
        x = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return x;
}

/* ---- binding ---- */
static void bind_text(sqlite3_stmt *q, int i, wt_str text) {
    sqlite3_bind_text(q, i, text.ptr ? text.ptr : "", (int)text.len, SQLITE_STATIC);
}
static void bind_word(sqlite3_stmt *q, int i, const char *text) {
    if (text && text[0])
        sqlite3_bind_text(q, i, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, i);
}
static void bind_some(sqlite3_stmt *q, int i, int64_t x) {   /* 0: nothing */
    if (x)
        sqlite3_bind_int64(q, i, x);
    else
        sqlite3_bind_null(q, i);
}
static int run(crawl_state *s, sqlite3_stmt *q, wt_err *err) {
    int code = sqlite3_step(q);
    int result = code == SQLITE_DONE ? 0 : sql_fail(s, err);
    sqlite3_reset(q);
    return result;
}

/* ---- life ---- */
static int take_lock(crawl_state *s, const char *dir, wt_err *err) {
    char *path = wt_path_join(dir, "lock");
    s->lock = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    int result = 0;
    if (s->lock < 0)
        result = wt_fail_errno(err, "cannot open '%s'", path);
    else if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        result = wt_fail(err, WT_EEXIST, "another wt-crawl is at work in '%s'", dir);
    free(path);
    return result;
}

static int open_database(crawl_state *s, wt_err *err) {
    if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        return sql_fail(s, err);
    sqlite3_busy_timeout(s->db, 10000);
    if (sql_exec(s, "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                    "PRAGMA wal_autocheckpoint=4000; PRAGMA cache_size=-65536",
                 err) || sql_exec(s, schema, err))
        return -1;
    int64_t version = sql_int(s->db, "SELECT value FROM meta WHERE key='schema'", 0);
    if (version > SCHEMA_VERSION)
        return wt_fail(err, WT_EDATA, "'%s' has schema %lld, this wt-crawl knows %d", s->path,
                       (long long)version, SCHEMA_VERSION);
    if (version == 0 && sql_exec(s, "INSERT INTO meta VALUES('schema', 1)", err))
        return -1;
    for (int i = 0; i < Q_N; i++)
        if (sqlite3_prepare_v3(s->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT, &s->q[i], NULL) != SQLITE_OK)
            return sql_fail(s, err);
    return 0;
}

crawl_state *crawl_state_open(const char *dir, wt_err *err) {
    crawl_state *s = wt_xcalloc(1, sizeof *s);
    s->path = wt_path_join(dir, "state.sqlite");
    s->lock = -1;
    if (take_lock(s, dir, err) || open_database(s, err)) {
        crawl_state_close(s);
        return NULL;
    }
    return s;
}

void crawl_state_close(crawl_state *s) {
    if (!s)
        return;
    if (s->open)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    for (int i = 0; i < Q_N; i++)
        sqlite3_finalize(s->q[i]);
    sqlite3_close(s->db);
    if (s->lock >= 0)
        close(s->lock);
    free(s->path);
    free(s);
}

int crawl_state_begin(crawl_state *s, wt_err *err) {
    if (s->open)
        return 0;
    if (sql_exec(s, "BEGIN IMMEDIATE", err))
        return -1;
    s->open = true;
    return 0;
}

int crawl_state_commit(crawl_state *s, wt_err *err) {
    if (!s->open)
        return 0;
    if (sql_exec(s, "COMMIT", err))
        return -1;
    s->open = false;
    return 0;
}

/* ---- the list ---- */
bool crawl_state_imported(crawl_state *s) {
    return sql_int(s->db, "SELECT value FROM meta WHERE key='imported'", 0) != 0;
}

int crawl_state_import_reset(crawl_state *s, wt_err *err) {
    return sql_exec(s, "DROP INDEX IF EXISTS urls_key; DELETE FROM urls; DELETE FROM hosts; DELETE FROM fetches;"
                       "DELETE FROM robots; DELETE FROM warcs; DELETE FROM meta WHERE key='imported'", err);
}

int crawl_state_import_end(crawl_state *s, wt_err *err) {
    if (crawl_state_begin(s, err) ||
        sql_exec(s, "CREATE INDEX IF NOT EXISTS urls_key ON urls(key);"
                    "INSERT OR REPLACE INTO meta VALUES('listed', (SELECT count(*) FROM urls));"
                    "INSERT OR REPLACE INTO meta VALUES('started', strftime('%s','now'));"
                    "INSERT OR REPLACE INTO meta VALUES('imported', 1)", err))
        return -1;
    return crawl_state_commit(s, err);
}

int crawl_state_add_host(crawl_state *s, uint32_t host, wt_str name, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_ADD_HOST];
    sqlite3_bind_int64(q, 1, host);
    bind_text(q, 2, name);
    return run(s, q, err);
}

uint64_t crawl_state_key(wt_str url) { return wt_hash64(url.ptr, url.len, 0); }

int crawl_state_add_url(crawl_state *s, uint32_t id, wt_str url, uint32_t host, uint64_t key,
                        uint32_t via, int hops, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_ADD_URL];
    sqlite3_bind_int64(q, 1, id);
    bind_text(q, 2, url);
    sqlite3_bind_int64(q, 3, host);
    sqlite3_bind_int64(q, 4, (int64_t)key);
    bind_some(q, 5, via);
    bind_some(q, 6, hops);
    return run(s, q, err);
}

int crawl_state_each_host(crawl_state *s, crawl_state_host_fn fn, void *ctx, wt_err *err) {
    sqlite3_stmt *q;
    int result = 0, code = SQLITE_DONE;
    if (sqlite3_prepare_v2(s->db, "SELECT id, name, until, failures, parked FROM hosts ORDER BY id", -1, &q,
                           NULL) != SQLITE_OK)
        return sql_fail(s, err);
    while (result == 0 && (code = sqlite3_step(q)) == SQLITE_ROW) {
        wt_str name = {(const char *)sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1)};
        result = fn(ctx, (uint32_t)sqlite3_column_int64(q, 0), name, sqlite3_column_double(q, 2),
                    sqlite3_column_int(q, 3), sqlite3_column_int(q, 4) != 0, err);
    }
    if (result == 0 && code != SQLITE_DONE)
        result = sql_fail(s, err);
    sqlite3_finalize(q);
    return result;
}

int crawl_state_each_pending(crawl_state *s, crawl_state_url_fn fn, void *ctx, wt_err *err) {
    sqlite3_stmt *q;
    int result = 0, code = SQLITE_DONE;
    if (sqlite3_prepare_v2(s->db, "SELECT urls.id, host FROM urls LEFT JOIN fetches ON fetches.id = urls.id"
                                  " WHERE fetches.id IS NULL ORDER BY urls.id", -1, &q, NULL) != SQLITE_OK)
        return sql_fail(s, err);
    while (result == 0 && (code = sqlite3_step(q)) == SQLITE_ROW)
        result = fn(ctx, (uint32_t)sqlite3_column_int64(q, 0), (uint32_t)sqlite3_column_int64(q, 1), err);
    if (result == 0 && code != SQLITE_DONE)
        result = sql_fail(s, err);
    sqlite3_finalize(q);
    return result;
}

uint32_t crawl_state_last_url(crawl_state *s) {
    return (uint32_t)sql_int(s->db, "SELECT max(id) FROM urls", 0);
}

uint64_t crawl_state_count(crawl_state *s) { return (uint64_t)sql_int(s->db, "SELECT count(*) FROM urls", 0); }

int crawl_state_get_url(crawl_state *s, uint32_t id, wt_buf *url, uint32_t *via, int *hops, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_GET_URL];
    sqlite3_bind_int64(q, 1, id);
    int code = sqlite3_step(q), result = 0;
    if (code == SQLITE_ROW) {
        wt_buf_clear(url);
        wt_buf_add(url, sqlite3_column_text(q, 0), (size_t)sqlite3_column_bytes(q, 0));
        if (via)
            *via = (uint32_t)sqlite3_column_int64(q, 1);
        if (hops)
            *hops = sqlite3_column_int(q, 2);
    } else if (code == SQLITE_DONE) {
        result = wt_fail(err, WT_ENOTFOUND, "'%s' has no address %u", s->path, id);
    } else {
        result = sql_fail(s, err);
    }
    sqlite3_reset(q);
    return result;
}

uint32_t crawl_state_find_url(crawl_state *s, wt_str url, uint64_t key) {
    sqlite3_stmt *q = s->q[Q_FIND_URL];
    sqlite3_bind_int64(q, 1, (int64_t)key);
    bind_text(q, 2, url);
    uint32_t id = sqlite3_step(q) == SQLITE_ROW ? (uint32_t)sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(q);
    return id;
}

/* ---- what came of it ---- */
int crawl_state_put(crawl_state *s, uint32_t id, const crawl_outcome *o, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_PUT];
    int i = 0;
    sqlite3_bind_int64(q, ++i, id);
    bind_word(q, ++i, o->outcome);
    bind_some(q, ++i, o->status);
    bind_word(q, ++i, o->detail);
    bind_word(q, ++i, o->cut);
    if (o->type.len)
        bind_text(q, ++i, o->type);
    else
        sqlite3_bind_null(q, ++i);
    bind_word(q, ++i, o->ip);
    if (o->digest)
        sqlite3_bind_blob(q, ++i, o->digest, 20, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, ++i);
    if (o->digest)
        sqlite3_bind_int64(q, ++i, (int64_t)o->payload_bytes);
    else
        sqlite3_bind_null(q, ++i);
    for (int k = 0; k < 3; k++) {
        int64_t value = k == 0 ? o->warc : k == 1 ? (int64_t)o->offset : (int64_t)o->length;
        if (o->warc >= 0)
            sqlite3_bind_int64(q, ++i, value);
        else
            sqlite3_bind_null(q, ++i);
    }
    bind_some(q, ++i, o->time_ms);
    if (o->time_ms)
        sqlite3_bind_int64(q, ++i, (int64_t)(o->took_s * 1000 + 0.5));
    else
        sqlite3_bind_null(q, ++i);
    bind_some(q, ++i, o->tries);
    bind_some(q, ++i, o->target);
    return run(s, q, err);
}

int crawl_state_put_host(crawl_state *s, uint32_t host, double until_unix, int failures, bool parked,
                         const char *why, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_PUT_HOST];
    if (until_unix > 0)
        sqlite3_bind_double(q, 1, until_unix);
    else
        sqlite3_bind_null(q, 1);
    bind_some(q, 2, failures);
    bind_some(q, 3, parked);
    bind_word(q, 4, why);
    sqlite3_bind_int64(q, 5, host);
    return run(s, q, err);
}

int crawl_state_put_robots(crawl_state *s, wt_str origin, int64_t time_s, const char *outcome, int status,
                           wt_str body, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_PUT_ROBOTS];
    bind_text(q, 1, origin);
    sqlite3_bind_int64(q, 2, time_s);
    bind_word(q, 3, outcome);
    bind_some(q, 4, status);
    if (body.len)
        sqlite3_bind_blob(q, 5, body.ptr, (int)body.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, 5);
    return run(s, q, err);
}

int crawl_state_get_robots(crawl_state *s, wt_str origin, int64_t since_s, char outcome[16], wt_buf *body,
                           int64_t *time_s, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_GET_ROBOTS];
    bind_text(q, 1, origin);
    sqlite3_bind_int64(q, 2, since_s);
    int code = sqlite3_step(q), result = 0;
    if (code == SQLITE_ROW) {
        const char *word = (const char *)sqlite3_column_text(q, 0);
        snprintf(outcome, 16, "%s", word ? word : "");
        wt_buf_clear(body);
        wt_buf_add(body, sqlite3_column_blob(q, 1), (size_t)sqlite3_column_bytes(q, 1));
        *time_s = sqlite3_column_int64(q, 2);
        result = 1;
    } else if (code != SQLITE_DONE) {
        result = sql_fail(s, err);
    }
    sqlite3_reset(q);
    return result;
}

int crawl_state_put_warc(crawl_state *s, int number, const char *name, uint64_t bytes, uint64_t records,
                         wt_err *err) {
    sqlite3_stmt *q = s->q[Q_PUT_WARC];
    sqlite3_bind_int(q, 1, number);
    bind_word(q, 2, name);
    sqlite3_bind_int64(q, 3, (int64_t)bytes);
    sqlite3_bind_int64(q, 4, (int64_t)records);
    return run(s, q, err);
}

int crawl_state_each_warc(crawl_state *s, crawl_state_warc_fn fn, void *ctx, wt_err *err) {
    sqlite3_stmt *q;
    int result = 0, code = SQLITE_DONE;
    if (sqlite3_prepare_v2(s->db, "SELECT number, name, bytes, records FROM warcs ORDER BY number", -1, &q,
                           NULL) != SQLITE_OK)
        return sql_fail(s, err);
    while (result == 0 && (code = sqlite3_step(q)) == SQLITE_ROW)
        result = fn(ctx, sqlite3_column_int(q, 0), (const char *)sqlite3_column_text(q, 1),
                    (uint64_t)sqlite3_column_int64(q, 2), (uint64_t)sqlite3_column_int64(q, 3), err);
    if (result == 0 && code != SQLITE_DONE)
        result = sql_fail(s, err);
    sqlite3_finalize(q);
    return result;
}

/* ---- other ranks ---- */
int crawl_state_put_outbox(crawl_state *s, int rank, wt_str url, int hops, wt_err *err) {
    sqlite3_stmt *q = s->q[Q_PUT_OUTBOX];
    sqlite3_bind_int(q, 1, rank);
    bind_text(q, 2, url);
    sqlite3_bind_int(q, 3, hops);
    return run(s, q, err);
}

int crawl_state_clear_outbox(crawl_state *s, wt_err *err) { return sql_exec(s, "DELETE FROM outbox", err); }

int crawl_state_each_outbox(crawl_state *s, crawl_state_outbox_fn fn, void *ctx, wt_err *err) {
    sqlite3_stmt *q;
    int result = 0, code = SQLITE_DONE;
    if (sqlite3_prepare_v2(s->db, "SELECT rank, url, hops FROM outbox", -1, &q, NULL) != SQLITE_OK)
        return sql_fail(s, err);
    while (result == 0 && (code = sqlite3_step(q)) == SQLITE_ROW)
        result = fn(ctx, sqlite3_column_int(q, 0),
                    (wt_str){(const char *)sqlite3_column_text(q, 1), (size_t)sqlite3_column_bytes(q, 1)},
                    sqlite3_column_int(q, 2));
    if (result == 0 && code != SQLITE_DONE)
        result = sql_fail(s, err);
    sqlite3_finalize(q);
    return result;
}

/* ---- questions ---- */
static int open_reader(const char *dir, sqlite3 **db, wt_err *err) {
    char *path = wt_path_join(dir, "state.sqlite");
    int result = 0;
    if (!wt_exists(path))
        result = wt_fail(err, WT_ENOTFOUND, "'%s' holds no crawl: no file '%s'", dir, path);
    else if (sqlite3_open_v2(path, db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
             (sqlite3_busy_timeout(*db, 10000), sql_int(*db, "SELECT value FROM meta WHERE key='schema'", 0) == 0))
        result = wt_fail(err, WT_EDATA, "'%s' is no crawl state: %s", path, sqlite3_errmsg(*db));
    free(path);
    return result;
}

/* {"a":1,"b":2} from rows (name, count). */
static void add_counts(sqlite3 *db, wt_buf *json, const char *key, const char *text) {
    sqlite3_stmt *q;
    const char *comma = "";
    wt_buf_printf(json, ",\"%s\":{", key);
    if (sqlite3_prepare_v2(db, text, -1, &q, NULL) == SQLITE_OK) {
        while (sqlite3_step(q) == SQLITE_ROW) {
            const char *name = (const char *)sqlite3_column_text(q, 0);
            wt_buf_printf(json, "%s", comma);
            wt_json_add_string(json, wt_str_of(name ? name : "none"));
            wt_buf_printf(json, ":%lld", (long long)sqlite3_column_int64(q, 1));
            comma = ",";
        }
        sqlite3_finalize(q);
    }
    wt_buf_add_char(json, '}');
}

int crawl_state_status(const char *dir, wt_buf *json, wt_err *err) {
    sqlite3 *db = NULL;
    if (open_reader(dir, &db, err)) {
        sqlite3_close(db);
        return -1;
    }
    sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);       /* one moment for all counts */
    int64_t urls = sql_int(db, "SELECT count(*) FROM urls", 0);
    int64_t done = sql_int(db, "SELECT count(*) FROM fetches", 0);
    int64_t listed = sql_int(db, "SELECT value FROM meta WHERE key='listed'", urls);
    wt_buf_printf(json, "{\"urls\":%lld,\"listed\":%lld,\"from_redirects\":%lld,\"done\":%lld,\"pending\":%lld",
                  (long long)urls, (long long)listed, (long long)(urls - listed), (long long)done,
                  (long long)(urls - done));
    wt_buf_printf(json, ",\"pages\":%lld,\"payload_bytes\":%lld",
                  (long long)sql_int(db, "SELECT count(*) FROM fetches WHERE outcome='ok'", 0),
                  (long long)sql_int(db, "SELECT sum(bytes) FROM fetches", 0));
    add_counts(db, json, "outcomes", "SELECT outcome, count(*) FROM fetches GROUP BY 1 ORDER BY 2 DESC, 1");
    add_counts(db, json, "statuses", "SELECT status, count(*) FROM fetches WHERE status>0 GROUP BY 1 ORDER BY 1");
    wt_buf_printf(json, ",\"hosts\":{\"known\":%lld,\"parked\":%lld,\"failing\":%lld}",
                  (long long)sql_int(db, "SELECT count(*) FROM hosts", 0),
                  (long long)sql_int(db, "SELECT count(*) FROM hosts WHERE parked=1", 0),
                  (long long)sql_int(db, "SELECT count(*) FROM hosts WHERE failures>0", 0));
    add_counts(db, json, "pending_hosts",
               "SELECT hosts.name, count(*) FROM urls JOIN hosts ON hosts.id=urls.host LEFT JOIN fetches"
               " ON fetches.id=urls.id WHERE fetches.id IS NULL GROUP BY urls.host ORDER BY 2 DESC, 1 LIMIT 10");
    add_counts(db, json, "robots", "SELECT outcome, count(*) FROM robots GROUP BY 1 ORDER BY 1");
    wt_buf_printf(json, ",\"warc\":{\"files\":%lld,\"records\":%lld,\"bytes\":%lld}}",
                  (long long)sql_int(db, "SELECT count(*) FROM warcs", 0),
                  (long long)sql_int(db, "SELECT sum(records) FROM warcs", 0),
                  (long long)sql_int(db, "SELECT sum(bytes) FROM warcs", 0));
    sqlite3_close(db);
    return 0;
}

/* A row as a JSON object, absent values left out. */
static void add_row(sqlite3_stmt *q, wt_buf *json) {
    const char *comma = "";
    wt_buf_add_char(json, '{');
    for (int i = 0; i < sqlite3_column_count(q); i++) {
        int type = sqlite3_column_type(q, i);
        if (type == SQLITE_NULL)
            continue;
        wt_buf_printf(json, "%s\"%s\":", comma, sqlite3_column_name(q, i));
        comma = ",";
        if (type == SQLITE_INTEGER)
            wt_buf_printf(json, "%lld", (long long)sqlite3_column_int64(q, i));
        else
            wt_json_add_string(json, (wt_str){(const char *)sqlite3_column_text(q, i),
                                              (size_t)sqlite3_column_bytes(q, i)});
    }
    wt_buf_add_str(json, WT_STR("}\n"));
}

int crawl_state_why(const char *dir, wt_str url, wt_buf *json, wt_err *err) {
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int result = open_reader(dir, &db, err), n = 0;
    if (result == 0 &&
        sqlite3_prepare_v2(db, "WITH RECURSIVE chain(id, n) AS (SELECT id, 0 FROM urls WHERE key = ?1 AND url = ?2"
                               " UNION SELECT target, n + 1 FROM chain JOIN fetches USING(id)"
                               " WHERE target IS NOT NULL AND n < 50)"
                               " SELECT pages.*, h.until AS host_until, h.why AS host_why FROM chain JOIN pages USING(id)"
                               " JOIN urls u ON u.id = chain.id JOIN hosts h ON h.id = u.host ORDER BY n",
                           -1, &q, NULL) != SQLITE_OK)
        result = wt_fail(err, WT_EIO, "'%s': %s", dir, sqlite3_errmsg(db));
    if (result == 0) {
        sqlite3_bind_int64(q, 1, (int64_t)crawl_state_key(url));
        bind_text(q, 2, url);
        for (; sqlite3_step(q) == SQLITE_ROW; n++)
            add_row(q, json);
        if (n == 0)
            result = wt_fail(err, WT_ENOTFOUND, "'%.*s' is not in the list of '%s'", WT_FMT(url), dir);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return result;
}

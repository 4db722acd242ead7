/* links_store.c - posts on disk: fixed fields, then the three strings, in a zstd stream. Little-endian
 * and private to one run (the run's key holds the tool's version), so there is no format to keep.
 *
 * Files are the unit of parallel work while there are as many as threads: then each thread decodes and
 * judges its own and nobody waits. With fewer files the threads left over judge blocks. Big files go
 * first, so that none is left alone at the end. A decoder of a dump written with --long=31 needs 2 GiB
 * for its window: files are opened only while windows fit into memory. */
#include "crawl/links_store.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/in.h"
#include "common/out.h"
#include "common/tool.h"


typedef struct {
    uint64_t key_lo, key_hi;
    int64_t score, created_s, retrieved_s;
    uint32_t url_bytes, subreddit_bytes, id_bytes, has_created;
} fixed_fields;

static char *file_of(const links_store *store, int input, const char *suffix) {
    char name[40];
    snprintf(name, sizeof name, "%05d%s", input, suffix);
    return wt_path_join(store->folder, name);
}

/* ---- writing ---- */
static int write_post(void *ctx, const links_post *post, wt_err *err) {
    wt_out *out = ctx;
    fixed_fields f = {post->key.lo, post->key.hi, post->score, post->created_s, post->retrieved_s,
                      (uint32_t)post->url.len, (uint32_t)post->subreddit.len, (uint32_t)post->id.len,
                      post->has_created};
    return wt_out_write(out, &f, sizeof f, err) || wt_out_str(out, post->url, err) ||
           wt_out_str(out, post->subreddit, err) || wt_out_str(out, post->id, err) ? -1 : 0;
}

static int scan_one(const links_store *store, const links_rules *rules, int input, int threads, wt_err *err) {
    links_stats *stats = wt_xmalloc(sizeof *stats);
    char *posts = file_of(store, input, ".posts.zst"), *counts = file_of(store, input, ".json");
    wt_out *out = wt_out_open_level(posts, 1, err);
    int result = out ? links_scan_file(store->input[input], rules, threads, write_post, out, stats, err) : -1;
    if (result == 0) result = wt_out_commit(out, err);
    else if (out) wt_out_abort(out);
    wt_buf json = {0};
    links_stats_write(stats, &json);
    if (result == 0) result = wt_write_file(counts, wt_buf_view(&json), err);
    wt_buf_free(&json);
    free(posts), free(counts), free(stats);
    return result;
}

/* ---- which file next ---- */
typedef struct {
    int input;
    int64_t bytes;
    uint64_t window;
} work;

typedef struct {
    const links_store *store;
    const links_rules *rules;
    work *todo;
    int n_todo, next, running;
    uint64_t windows, windows_max;
    bool failed;
    wt_err err;
    pthread_mutex_t lock;
    pthread_cond_t finished;
} crew;

/* What a decoder needs for this file, by the header of its first zstd frame (RFC 8878, 3.1.1.1.2). */
static uint64_t window_of(const char *path) {
    uint8_t h[14] = {0};
    FILE *f = strcmp(path, "-") ? fopen(path, "re") : NULL;
    size_t n = f ? fread(h, 1, sizeof h, f) : 0;
    if (f) fclose(f);
    if (n < 6 || memcmp(h, "\x28\xb5\x2f\xfd", 4) != 0) return (uint64_t)1 << 20;
    bool single = h[4] & 32;
    if (single) {
        int size_bytes = h[4] >> 6 == 0 ? 1 : 1 << (h[4] >> 6), dictionary = "\0\1\2\4"[h[4] & 3];
        uint64_t size = 0;
        for (int i = 0; i < size_bytes && 5 + dictionary + i < 14; i++)
            size |= (uint64_t)h[5 + dictionary + i] << (8 * i);
        return size < (uint64_t)1 << 31 ? size : (uint64_t)1 << 31;
    }
    uint64_t base = (uint64_t)1 << (10 + (h[5] >> 3));
    return base + base / 8 * (h[5] & 7);
}

static int bigger_first(const void *a, const void *b) {
    const work *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes < y->bytes) - (x->bytes > y->bytes) : x->input - y->input;
}

static void *crew_member(void *argument) {
    crew *c = argument;
    pthread_mutex_lock(&c->lock);
    while (!c->failed && c->next < c->n_todo) {
        work w = c->todo[c->next];
        if (c->running && c->windows + w.window > c->windows_max) {
            pthread_cond_wait(&c->finished, &c->lock);
            continue;
        }
        int left = c->n_todo - c->next + c->running;       /* files that could run side by side */
        int threads = left < c->store->threads ? c->store->threads / left : 1;
        c->next++, c->running++, c->windows += w.window;
        pthread_mutex_unlock(&c->lock);
        wt_err err = {0};
        int result = scan_one(c->store, c->rules, w.input, threads, &err);
        pthread_mutex_lock(&c->lock);
        c->running--, c->windows -= w.window;
        if (result && !c->failed) c->failed = true, c->err = err;
        pthread_cond_broadcast(&c->finished);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

int links_store_stats(const links_store *store, int input, links_stats *stats, wt_err *err) {
    char *counts = file_of(store, input, ".json");
    wt_buf json = {0};
    int result = wt_read_file(counts, 1 << 20, &json, err) || links_stats_read(stats, wt_buf_view(&json), err);
    wt_buf_free(&json);
    free(counts);
    return result ? -1 : 0;
}

/* Which inputs this rank has still to scan. */
static int list_work(const links_store *store, work *todo) {
    int n = 0;
    for (int i = 0; i < store->n_inputs; i++) {
        if (i % wt_cluster_size() != wt_cluster_rank()) continue;
        char *counts = file_of(store, i, ".json");
        int64_t bytes = wt_file_bytes(store->input[i]);
        if (!wt_exists(counts)) todo[n++] = (work){i, bytes, window_of(store->input[i])};
        else if (bytes > 0) wt_progress_add((uint64_t)bytes);
        free(counts);
    }
    qsort(todo, (size_t)n, sizeof *todo, bigger_first);
    return n;
}

int links_store_fill(const links_store *store, const links_rules *rules, wt_err *err) {
    crew c = {.store = store, .rules = rules,
              .windows_max = store->limit_bytes ? store->limit_bytes : wt_memory_available() / 4 * 3,
              .lock = PTHREAD_MUTEX_INITIALIZER, .finished = PTHREAD_COND_INITIALIZER};
    c.todo = wt_xcalloc((size_t)store->n_inputs + 1, sizeof *c.todo);
    c.n_todo = list_work(store, c.todo);
    int n = c.n_todo < store->threads ? c.n_todo : store->threads, started = 0;
    pthread_t *thread = wt_xcalloc((size_t)n + 1, sizeof *thread);
    while (started < n - 1 && pthread_create(&thread[started], NULL, crew_member, &c) == 0) started++;
    crew_member(&c);
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    free(thread), free(c.todo);
    if (c.failed && err) *err = c.err;
    return c.failed ? -1 : 0;
}

/* ---- reading ---- */
static int read_all(wt_in *in, void *bytes, size_t n, wt_err *err) {
    size_t got = 0;
    while (got < n) {
        ptrdiff_t k = wt_in_read(in, (char *)bytes + got, n - got, err);
        if (k < 0) return -1;
        if (k == 0) break;
        got += (size_t)k;
    }
    if (got && got < n) return wt_fail(err, WT_EDATA, "'%s' ends in the middle of a post", wt_in_name(in));
    return got > 0;
}

static int read_one(wt_in *in, links_post_fn each, void *ctx, wt_err *err) {
    fixed_fields f;
    wt_buf text = {0};
    int more;
    while ((more = read_all(in, &f, sizeof f, err)) > 0) {
        size_t n = (size_t)f.url_bytes + f.subreddit_bytes + f.id_bytes;
        wt_buf_clear(&text);
        wt_buf_reserve(&text, n);
        if (n && (more = read_all(in, text.ptr, n, err)) <= 0) break;
        links_post post = {
            .url = {text.ptr, f.url_bytes}, .subreddit = {text.ptr + f.url_bytes, f.subreddit_bytes},
            .id = {text.ptr + f.url_bytes + f.subreddit_bytes, f.id_bytes}, .key = {f.key_lo, f.key_hi},
            .score = f.score, .created_s = f.created_s, .retrieved_s = f.retrieved_s,
            .has_created = f.has_created != 0};
        if ((more = each(ctx, &post, err))) break;
    }
    wt_buf_free(&text);
    return more ? -1 : 0;
}

int links_store_read(const links_store *store, links_post_fn each, void *ctx, wt_err *err) {
    for (int i = 0; i < store->n_inputs; i++) {
        char *posts = file_of(store, i, ".posts.zst");
        wt_in *in = wt_in_open(posts, err);
        int result = in ? read_one(in, each, ctx, err) : -1;
        wt_in_close(in);
        free(posts);
        if (result) return -1;
    }
    return 0;
}

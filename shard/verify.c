/* verify.c - a whole dataset: that every byte of every shard is sound, that the shards are those that
 * index.json names, and that they fit together. Shards are checked in parallel; each damaged one is
 * named. */
#include <stdlib.h>

#include "common/pipeline.h"
#include "common/tool.h"
#include "shard/format.h"

typedef struct {
    size_t i;
    int failed;
    wt_err err;
} check_item;

typedef struct {
    const char *dir;
    const shard_manifest *manifest;
    size_t next, n_bad;
    wt_err first;
} checking;

static int check_read(void *ctx, void *p, wt_err *err) {
    checking *c = ctx;
    check_item *item = p;
    if (c->next == c->manifest->n)
        return 0;
    item->i = c->next++;
    return 1;
}

static int check_work(void *ctx, void *p, int i_thread, wt_err *err) {
    checking *c = ctx;
    check_item *item = p;
    const shard_entry *e = &c->manifest->entry[item->i];
    uint8_t sha256[32];
    char *path = wt_path_join(c->dir, e->name);
    item->err = (wt_err){0};
    item->failed = shard_verify_file(path, sha256, &item->err);
    if (!item->failed && memcmp(sha256, e->sha256, 32) != 0)
        item->failed = wt_fail(&item->err, WT_EDATA,
                               "shard '%s' is sound but not the one that " SHARD_INDEX_NAME
                               " names", path);
    wt_progress_add(e->tokens);
    free(path);
    return 0;
}

static int check_write(void *ctx, void *p, wt_err *err) {
    checking *c = ctx;
    check_item *item = p;
    if (!item->failed)
        return 0;
    if (c->n_bad++ == 0)
        c->first = item->err;
    else
        wt_warn("%s", item->err.text);
    return 0;
}

static void *check_new(void *ctx) { return wt_xcalloc(1, sizeof(check_item)); }
static void check_free(void *ctx, void *p) { free(p); }

int shard_verify(const char *dir, int threads, wt_err *err) {
    shard_manifest m;
    if (shard_manifest_read(&m, dir, err))
        return -1;
    checking c = {.dir = dir, .manifest = &m};
    uint64_t tokens = 0;
    for (size_t i = 0; i < m.n; i++)
        tokens += m.entry[i].tokens;
    wt_pipeline pipeline = {.ctx = &c, .threads = threads, .stop_on_signal = true,
                            .item_new = check_new, .item_free = check_free, .read = check_read,
                            .work = check_work, .write = check_write};
    wt_progress_begin("verifying", "tokens", tokens);
    int failed = wt_pipeline_run(&pipeline, err);
    wt_progress_end();
    if (!failed && c.n_bad) {
        if (err)
            *err = c.first;
        failed = -1;
        if (c.n_bad > 1)
            wt_context(err, "%zu of %zu shards are damaged; the first", c.n_bad, m.n);
    }
    for (int split = 0; split < SHARD_SPLITS && !failed; split++) {
        shard_set *set = shard_set_open(dir, SHARD_SPLIT_NAME[split], err);
        failed = set ? 0 : -1;
        shard_set_close(set);
    }
    wt_report_count("shards", m.n);
    wt_report_count("tokens", tokens);
    shard_manifest_free(&m);
    return failed;
}

int shard_info(const char *dir, wt_buf *json, wt_err *err) {
    shard_manifest m;
    if (shard_manifest_read(&m, dir, err))
        return -1;
    shard_manifest_json(&m, json);
    shard_manifest_free(&m);
    return 0;
}

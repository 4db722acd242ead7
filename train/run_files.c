/* run_files.c - a run's folder: checkpoints that appear whole, the links to the newest and the best, and a
 * log that knows only what was saved. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "train/run.h"

char *run_path(const run *r, const char *name) { return wt_path_join(r->o.output, name); }

static void step_name(uint64_t step, char out[32]) { snprintf(out, 32, "step-%08llu", (unsigned long long)step); }

/* Points the link run/NAME at a checkpoint, in one rename. */
static int set_link(const run *r, const char *name, const char *target, wt_err *err) {
    char *path = run_path(r, name);
    wt_buf part = {0};
    wt_buf_printf(&part, "%s.part", path);
    unlink(part.ptr);
    int result = symlink(target, part.ptr) || rename(part.ptr, path) ? wt_fail_errno(err, "cannot link '%s'", path) : wt_sync_dir_of(path, err);
    wt_buf_free(&part);
    free(path);
    return result;
}

enum { CHECKPOINTS_MAX = 4096 };
/* Steps of the checkpoints in the run's folder, newest first. */
static size_t list_checkpoints(const run *r, uint64_t steps[CHECKPOINTS_MAX]) {
    wt_paths list = {0};
    size_t n = 0;
    static const char *const suffix[] = {"state.wtts", NULL};
    if (wt_paths_add(&list, r->o.output, suffix, NULL) == 0)
        for (size_t i = 0; i < list.n && n < CHECKPOINTS_MAX; i++) {
            unsigned long long step;
            const char *at = strstr(list.path[i], "/step-");
            if (!at || sscanf(at, "/step-%8llu/state.wtts", &step) != 1 || strstr(at, ".part")) continue;
            size_t j = n;
            while (j > 0 && steps[j - 1] < step) j--;
            if (j > 0 && steps[j - 1] == step) continue;     /* seen once more through a link */
            memmove(steps + j + 1, steps + j, (n++ - j) * sizeof *steps);
            steps[j] = step;
        }
    wt_paths_free(&list);
    return n;
}

static int remove_checkpoint(const run *r, uint64_t step, wt_err *err) {
    char name[32];
    step_name(step, name);
    char *path = run_path(r, name);
    int result = wt_remove_tree(path, err);
    free(path);
    return result;
}

/* While a rollback is unproven the older ones stay: the newest may be bad as well. */
static int drop_old_checkpoints(const run *r, wt_err *err) {
    uint64_t steps[CHECKPOINTS_MAX];
    int result = 0;
    if (r->o.keep <= 0 || r->at.unproven) return 0;
    size_t n = list_checkpoints(r, steps), kept = 0;
    for (size_t i = 0; result == 0 && i < n; i++) {
        if (kept < (size_t)r->o.keep || steps[i] == r->at.step) kept++;
        else if (steps[i] != r->at.best_step) result = remove_checkpoint(r, steps[i], err);
    }
    return result;
}

int run_discard_latest(const run *r, wt_err *err) {
    uint64_t steps[CHECKPOINTS_MAX];
    unsigned long long bad;
    char target[64] = "", name[32], *path = run_path(r, "latest");
    ssize_t length = readlink(path, target, sizeof target - 1);
    free(path);
    if (length <= 0 || sscanf(target, "step-%8llu", &bad) != 1) return wt_fail(err, WT_EDATA, "'%s/latest' is not a link to a checkpoint", r->o.output);
    size_t n = list_checkpoints(r, steps), i = 0;
    while (i < n && steps[i] >= bad) i++;
    if (i == n)
        return wt_fail(err, WT_EDATA, "the run diverged twice from the weights of step %llu, and there is no checkpoint before it; lower --lr or raise --warmup", bad);
    step_name(steps[i], name);
    return set_link(r, "latest", name, err) || remove_checkpoint(r, bad, err) ? -1 : 0;
}

/* Files of ranks that train apart: rank 0's are the checkpoint's own. */
static char *rank_path(const char *dir, int rank) {
    char name[32];
    snprintf(name, sizeof name, "rank-%04d.wtts", rank);
    return wt_path_join(dir, name);
}

/* Every rank its part of the state; the folder is there. */
static int save_state(run *r, const char *dir, wt_err *err) {
    int rank = wt_cluster_rank(), result = 0;
    bool apart = run_apart(r);
    char *state = apart && rank ? rank_path(dir, rank) : wt_path_join(dir, "state.wtts"), *outer = wt_path_join(dir, "outer.wtts");
    if (apart || rank == 0) r->at.weights_hash = state_hash_weights(r->m);
    result = state_save(state, &r->at, &r->opt, apart && rank, err);
    if (wt_cluster_any(result != 0)) result = -1;
    if (apart && result == 0) result = state_save_outer(outer, &r->outer.share, r->outer.weights, r->outer.momentum, r->at.step, err);
    free(state), free(outer);
    return result;
}

/* A whole checkpoint takes its name, and the links point at it. */
static int publish(run *r, const char *part, const char *final, const char *name, wt_err *err) {
    if (wt_remove_tree(final, err)) return -1;
    if (rename(part, final)) return wt_fail_errno(err, "cannot rename '%s'", part);
    if (wt_sync_dir_of(final, err) || set_link(r, "latest", name, err)) return -1;
    if (r->at.best_step == r->at.step && r->at.best_loss < INFINITY && set_link(r, "best", name, err)) return -1;
    return drop_old_checkpoints(r, err);
}

/* Every rank fails where one does, with its words. */
static int fail_together(int result, wt_err *err) {
    for (int rank = 0; rank < wt_cluster_size(); rank++) {
        int failed = result != 0;
        wt_cluster_broadcast(&failed, sizeof failed, rank);
        if (!failed) continue;
        wt_err words = err ? *err : (wt_err){0};
        wt_cluster_broadcast(&words, sizeof words, rank);
        if (err) *err = words;
        return -1;
    }
    return 0;
}

int run_save(run *r, wt_err *err) {
    char name[32];
    bool first = wt_cluster_rank() == 0;
    int result = 0;
    behind_finish(r->behind);
    if (r->updated) r->at.unproven = false;
    step_name(r->at.step, name);
    char *final = run_path(r, name);
    wt_buf part = {0};
    wt_buf_printf(&part, "%s.part", final);
    if (first && (wt_remove_tree(part.ptr, err) || gpt_save(r->m, part.ptr, r->tokenizer_dir, err))) result = -1;
    result = fail_together(result, err);
    if (result == 0) result = fail_together(save_state(r, part.ptr, err), err);
    if (result == 0 && first) result = publish(r, part.ptr, final, name, err);
    result = fail_together(result, err);
    if (result) wt_context(err, "saving step %llu", (unsigned long long)r->at.step);
    free(final);
    wt_buf_free(&part);
    return result;
}

/* A rank that has no state of its own, for there were fewer, begins with that of another. */
static int saved_rank(const char *dir, int rank) {
    int saved = 1;
    for (bool there = true; there; saved += there) {
        char *path = rank_path(dir, saved);
        there = wt_exists(path);
        free(path);
    }
    return rank % saved;
}

static int load_state(run *r, const char *dir, wt_err *err) {
    int from = run_apart(r) ? saved_rank(dir, wt_cluster_rank()) : 0;
    char *path = from ? rank_path(dir, from) : wt_path_join(dir, "state.wtts"), *outer = wt_path_join(dir, "outer.wtts");
    uint64_t step = 0;
    int result = state_load(path, &r->at, &r->opt, from > 0, err);
    if (result == 0 && run_apart(r)) result = state_load_outer(outer, &r->outer.share, r->outer.weights, r->outer.momentum, &step, err);
    if (result == 0 && run_apart(r) && step != r->at.step) result = wt_fail(err, WT_EDATA, "'%s' belongs to another checkpoint", outer);
    free(path), free(outer);
    return result;
}

int run_load(run *r, wt_err *err) {
    char *dir = run_path(r, "latest");
    int result = 0;
    gpt *saved = gpt_load(dir, 1, err);
    if (!saved) result = -1;
    else if (saved->at.total_floats != r->m->at.total_floats || memcmp(&saved->at, &r->m->at, sizeof saved->at))
        result = wt_fail(err, WT_EDATA, "'%s' has another shape than this run", dir);
    else {
        memcpy(r->m->w, saved->w, r->m->at.total_floats * sizeof(float));
        result = load_state(r, dir, err);
    }
    uint8_t print[32];
    shard_set_fingerprint(r->data, print);
    if (result == 0 && memcmp(print, r->at.dataset, 32)) result = wt_fail(err, WT_EDATA, "'%s' was trained on other shards", dir);
    if (result == 0 && state_hash_weights(r->m) != r->at.weights_hash)
        result = wt_fail(err, WT_EDATA, "'%s': the weights are not the ones that were saved with state.wtts", dir);
    gpt_free(saved);
    free(dir);
    return fail_together(result, err);
}

/* ---- log ---- */
/* Opens log.jsonl behind the lines up to the current step: what came after was not saved and comes again. */
int run_open_log(run *r, wt_err *err) {
    if (wt_cluster_rank() != 0) return 0;
    wt_buf old = {0}, kept = {0};
    r->log_path = run_path(r, "log.jsonl");
    int result = 0;
    if (wt_exists(r->log_path)) result = wt_read_file(r->log_path, (uint64_t)4 << 30, &old, err);
    for (wt_str rest = wt_buf_view(&old); result == 0 && rest.len;) {
        wt_str line = wt_str_cut(&rest, '\n');
        wt_json top;
        int64_t step;
        if (wt_json_parse(line, &top, NULL) || wt_json_i64(wt_json_get(top, "step"), &step) || (uint64_t)step > r->at.step) continue;
        wt_buf_add_str(&kept, line), wt_buf_add_char(&kept, '\n');
    }
    if (result == 0) result = wt_write_file(r->log_path, wt_buf_view(&kept), err);
    wt_buf_free(&old), wt_buf_free(&kept);
    if (result == 0 && !(r->log = fopen(r->log_path, "ae"))) result = wt_fail_errno(err, "cannot open '%s'", r->log_path);
    return result;
}

int run_log_line(run *r, wt_buf *line, wt_err *err) {
    wt_buf_add_str(line, WT_STR("}\n"));
    int result = 0;
    if (r->log && (fwrite(line->ptr, 1, line->len, r->log) != line->len || fflush(r->log))) result = wt_fail_errno(err, "cannot write '%s'", r->log_path);
    wt_buf_free(line);
    return result;
}

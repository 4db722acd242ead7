/* tool_run.c - whose output is this? A run has a key: the JSON of all that decides its bytes. It is
 * written beside the output before work begins and marked complete after, so that the same command
 * goes on or has nothing to do, and another command cannot overwrite by accident. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/tool_impl.h"

static bool unknown_input;          /* the key names standard input or a pipe: its bytes are not known */

static char *run_file(const char *output, bool is_dir) {
    if (is_dir) return wt_path_join(output, "run.json");
    wt_buf b = {0};
    wt_buf_printf(&b, "%s.run.json", output);
    return b.ptr;
}

static int write_state(const char *path, const char *state, wt_str key, wt_err *err) {
    wt_buf json = {0};
    wt_buf_printf(&json, "{\"state\":\"%s\",\"tool\":\"%s\",\"version\":\"%s\",", state,
                  wt_this.tool ? wt_this.tool->name : "webtext", WT_VERSION);
    wt_add_args(&json);
    wt_buf_printf(&json, ",\"key\":%.*s}\n", WT_FMT(key));
    int result = wt_write_file(path, wt_buf_view(&json), err);
    wt_buf_free(&json);
    return result;
}

static bool is_regular(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

/* A kill before the first state was in place leaves its .part: that folder is empty as well. */
static bool is_empty_dir(const char *path) {
    DIR *dir = opendir(path);
    if (!dir) return false;
    bool empty = true;
    for (struct dirent *e; empty && (e = readdir(dir));)
        empty = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                strcmp(e->d_name, "run.json.part") == 0;
    closedir(dir);
    return empty;
}

/* ---- an unfinished run that has nothing yet protects nothing ---- */
static int stop_at_file(const char *path, const struct stat *s, int type, struct FTW *at) {
    bool ours = at->level == 1 && strcmp(path + at->base, "run.json") == 0;
    return type != FTW_D && !ours;
}

static bool holds_nothing(const char *output, bool is_dir) {
    if (is_dir) return nftw(output, stop_at_file, 16, FTW_PHYS) == 0;
    static const char *const work[] = {"", ".part", ".posts"};     /* .posts: what wt-links has scanned */
    bool none = true;
    for (int i = 0; i < 3 && none; i++) {
        wt_buf path = {0};
        wt_buf_printf(&path, "%s%s", output, work[i]);
        none = !wt_exists(path.ptr);
        wt_buf_free(&path);
    }
    return none;
}

/* Names the first member in which two keys differ. */
static void name_difference(wt_json mine, wt_json theirs, wt_buf *out) {
    wt_json_iter it;
    wt_str name;
    wt_json value;
    if (wt_json_iter_init(&it, mine, NULL)) return;
    while (wt_json_next(&it, &name, &value, NULL) > 0) {
        char *key = wt_xstrndup(name);
        wt_json other = wt_json_get(theirs, key);
        free(key);
        if (other.kind == value.kind && wt_str_eq(other.raw, value.raw)) continue;
        if (value.raw.len + other.raw.len > 300 || other.kind == WT_JSON_NONE)
            wt_buf_printf(out, "its '%.*s' differs", WT_FMT(name));
        else
            wt_buf_printf(out, "its '%.*s' is %.*s and not %.*s", WT_FMT(name), WT_FMT(other.raw), WT_FMT(value.raw));
        return;
    }
    wt_buf_printf(out, "it was made with other settings");
}

static int clear_output(const char *output, bool is_dir, const char *state_path, wt_err *err) {
    if (is_dir) return wt_remove_tree(output, err);
    wt_buf part = {0};
    wt_buf_printf(&part, "%s.part", output);
    int result = wt_remove_tree(output, err) || wt_remove_tree(part.ptr, err) || wt_remove_tree(state_path, err);
    wt_buf_free(&part);
    return result ? -1 : 0;
}

/* Of the state file: whether the output is ours, and how far. WT_RUN_FRESH: another's, which came to nothing. */
static int compare(const char *output, bool is_dir, wt_str key, wt_str stored, wt_err *err) {
    wt_json all, mine;
    if (wt_json_parse(stored, &all, err)) return wt_context(err, "'%s' has a damaged run file", output);
    wt_json theirs = wt_json_get(all, "key"), state = wt_json_get(all, "state"), tool = wt_json_get(all, "tool");
    if (wt_json_parse(key, &mine, err)) return -1;
    if (wt_str_eq(theirs.raw, mine.raw))
        return wt_str_eq(state.raw, WT_STR("complete")) ? WT_RUN_DONE : WT_RUN_CONTINUE;
    bool running = wt_str_eq(state.raw, WT_STR("running"));
    if (running && holds_nothing(output, is_dir)) return WT_RUN_FRESH;
    wt_buf difference = {0};
    name_difference(mine, theirs, &difference);
    wt_fail(err, WT_EEXIST, "'%s' is the %soutput of another run of %.*s: %s; choose another output or give --force",
            output, running ? "unfinished " : "", WT_FMT(tool.raw), difference.ptr);
    wt_buf_free(&difference);
    return -1;
}

/* ---- one writer at a time ----
 * The lock is on the output's folder, or on the run.json of a file. It ends with the process, however that
 * ends; where the file system knows no locks there is none. A process holds one: that of its last output. */
static int lock_fd = -1;

static void unlock(void) {
    if (lock_fd >= 0) close(lock_fd);
    lock_fd = -1;
}

static int lock(const char *output, const char *locked, wt_err *err) {
    enum { TRIES = 20 };
    unlock();
    int fd = open(locked, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    /* A worker of a run that was killed may outlive it by a moment. */
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK; i++) {
        if (i == TRIES) {
            close(fd);
            return wt_fail(err, WT_EEXIST, "'%s' is being written by another process: let it end, or stop it", output);
        }
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    }
    lock_fd = fd;
    return 0;
}

static int claim(const char *output, bool is_dir, const char *path, wt_str key, wt_err *err) {
    if (is_dir && (wt_mkdirs(output, err) || lock(output, output, err))) return -1;
    if (write_state(path, "running", key, err)) return -1;
    return !is_dir && lock(output, path, err) ? -1 : WT_RUN_FRESH;
}

static int begin(const char *output, bool is_dir, wt_str key, bool force, const char *path, wt_err *err) {
    if (is_dir && wt_exists(output) && !wt_is_dir(output))
        return wt_fail(err, WT_EEXIST, "'%s' is a file and a folder is wanted", output);
    if (!is_dir && wt_is_dir(output))
        return wt_fail(err, WT_EEXIST, "'%s' is a folder and a file is wanted", output);
    if (!is_dir && wt_exists(output) && !is_regular(output)) return WT_RUN_FRESH;     /* /dev/null, a pipe */
    if ((is_dir && wt_mkdirs(output, err)) || lock(output, is_dir ? output : path, err)) return -1;
    bool ours = wt_exists(path), there = wt_exists(output);
    if (!ours && (is_dir ? is_empty_dir(output) : !there)) return claim(output, is_dir, path, key, err);
    if (!ours && (is_dir || !force))
        return wt_fail(err, WT_EEXIST, "'%s' exists and was not made by this command; choose another output%s",
                       output, is_dir ? " or empty the folder" : " or give --force");
    int result = WT_RUN_FRESH;
    if (!force) {
        wt_buf stored = {0};
        result = wt_read_file(path, 64 << 20, &stored, err);
        if (result == 0) result = compare(output, is_dir, key, wt_buf_view(&stored), err);
        wt_buf_free(&stored);
    }
    /* A file output that says complete but is gone is made again. */
    if (result == WT_RUN_DONE && !there) result = WT_RUN_FRESH;
    if (result != WT_RUN_FRESH) return result;
    return clear_output(output, is_dir, path, err) ? -1 : claim(output, is_dir, path, key, err);
}

int wt_run_begin(const char *output, bool is_dir, wt_str key, bool force, wt_err *err) {
    if (!output) return WT_RUN_FRESH;
    int result = 0;
    char *path = run_file(output, is_dir);
    if (wt_cluster_rank() == 0) result = begin(output, is_dir, key, force, path, err);
    free(path);
    if (wt_cluster_size() > 1) {
        wt_err shared = err ? *err : (wt_err){0};
        wt_cluster_broadcast(&result, sizeof result, 0);
        wt_cluster_broadcast(&shared, sizeof shared, 0);
        if (result < 0 && err) *err = shared;
    }
    if (result == WT_RUN_DONE)
        wt_info("'%s' is complete already; nothing to do%s", output,
                unknown_input ? " (what comes from a pipe is not compared; --force makes it again)" : "");
    if (result == WT_RUN_CONTINUE) wt_info("continuing '%s'", output);
    return result;
}

int wt_run_finish(const char *output, bool is_dir, wt_str key, wt_err *err) {
    if (!output) return 0;
    wt_cluster_barrier();
    if (wt_cluster_rank() != 0) return 0;
    char *path = run_file(output, is_dir);
    int result = wt_exists(path) ? write_state(path, "complete", key, err) : 0;
    free(path);
    unlock();
    return result;
}

void wt_run_key_input(wt_buf *key, const char *path) {
    enum { PROBE = 64 << 10 };
    if (key->len && key->ptr[key->len - 1] != '[') wt_buf_add_char(key, ',');
    const char *slash = strrchr(path, '/');
    wt_buf_printf(key, "{\"name\":");
    wt_json_add_string(key, wt_str_of(slash ? slash + 1 : path));
    /* What is read from a pipe here, the run would not see. */
    int64_t bytes = is_regular(path) ? wt_file_bytes(path) : -1;
    FILE *f = bytes >= 0 ? fopen(path, "re") : NULL;
    unknown_input |= !f;
    if (f) {
        char *probe = wt_xmalloc(2 * PROBE);
        size_t n = fread(probe, 1, PROBE, f);
        if (bytes > PROBE && fseeko(f, bytes > 2 * PROBE ? bytes - PROBE : PROBE, SEEK_SET) == 0)
            n += fread(probe + n, 1, PROBE, f);
        wt_buf_printf(key, ",\"bytes\":%ld,\"xxh3\":\"%016lx\"", (long)bytes, (unsigned long)wt_hash64(probe, n, 0));
        free(probe);
        fclose(f);
    }
    wt_buf_add_char(key, '}');
}

void wt_provenance(wt_buf *json, wt_str key) {
    wt_buf_printf(json, "{\"tool\":\"%s\",\"version\":\"%s\",\"seed\":%lu,\"key\":%.*s}",
                  wt_this.tool ? wt_this.tool->name : "webtext", WT_VERSION,
                  (unsigned long)(wt_this.args ? wt_this.args->seed : 0), WT_FMT(key));
}

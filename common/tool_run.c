/* tool_run.c - whose output is this? A run has a key: the JSON of all that decides its bytes. It is
 * written beside the output before work begins and marked complete after, so that the same command
 * goes on or has nothing to do, and another command cannot overwrite by accident. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/tool_impl.h"

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

static int begin_fresh(const char *output, bool is_dir, const char *path, wt_str key, wt_err *err) {
    if (is_dir && wt_mkdirs(output, err)) return -1;
    return write_state(path, "running", key, err) ? -1 : WT_RUN_FRESH;
}

static int compare(const char *output, wt_str key, wt_str stored, wt_err *err) {
    wt_json all, mine;
    if (wt_json_parse(stored, &all, err)) return wt_context(err, "'%s' has a damaged run file", output);
    wt_json theirs = wt_json_get(all, "key"), state = wt_json_get(all, "state"), tool = wt_json_get(all, "tool");
    if (wt_json_parse(key, &mine, err)) return -1;
    if (wt_str_eq(theirs.raw, mine.raw))
        return wt_str_eq(state.raw, WT_STR("complete")) ? WT_RUN_DONE : WT_RUN_CONTINUE;
    wt_buf difference = {0};
    name_difference(mine, theirs, &difference);
    wt_fail(err, WT_EEXIST, "'%s' is the output of another run of %.*s: %s; choose another output or give --force",
            output, WT_FMT(tool.raw), difference.ptr);
    wt_buf_free(&difference);
    return -1;
}

static int begin(const char *output, bool is_dir, wt_str key, bool force, const char *path, wt_err *err) {
    bool ours = wt_exists(path), there = wt_exists(output);
    if (is_dir && there && !wt_is_dir(output))
        return wt_fail(err, WT_EEXIST, "'%s' is a file and a folder is wanted", output);
    if (!is_dir && wt_is_dir(output))
        return wt_fail(err, WT_EEXIST, "'%s' is a folder and a file is wanted", output);
    if (!is_dir && there && !is_regular(output)) return WT_RUN_FRESH;     /* /dev/null, a pipe */
    if (!ours && !there) return begin_fresh(output, is_dir, path, key, err);
    if (!ours && is_dir && is_empty_dir(output)) return begin_fresh(output, is_dir, path, key, err);
    if (!ours && (is_dir || !force))
        return wt_fail(err, WT_EEXIST, "'%s' exists and was not made by this command; choose another output%s",
                       output, is_dir ? " or empty the folder" : " or give --force");
    if (force) {
        if (clear_output(output, is_dir, path, err)) return -1;
        return begin_fresh(output, is_dir, path, key, err);
    }
    wt_buf stored = {0};
    int result = wt_read_file(path, 64 << 20, &stored, err);
    if (result == 0) result = compare(output, key, wt_buf_view(&stored), err);
    wt_buf_free(&stored);
    /* A file output that says complete but is gone is made again. */
    if (result == WT_RUN_DONE && !there) result = begin_fresh(output, is_dir, path, key, err);
    return result;
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
    if (result == WT_RUN_DONE) wt_info("'%s' is complete already; nothing to do", output);
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
    return result;
}

void wt_run_key_input(wt_buf *key, const char *path) {
    enum { PROBE = 64 << 10 };
    if (key->len && key->ptr[key->len - 1] != '[') wt_buf_add_char(key, ',');
    const char *slash = strrchr(path, '/');
    wt_buf_printf(key, "{\"name\":");
    wt_json_add_string(key, wt_str_of(slash ? slash + 1 : path));
    int64_t bytes = strcmp(path, "-") ? wt_file_bytes(path) : -1;
    FILE *f = bytes >= 0 ? fopen(path, "re") : NULL;
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

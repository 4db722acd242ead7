/* fs.c - lists of inputs in one fixed order, and files that are replaced whole. */
#include "common/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const WT_JSONL_SUFFIXES[] = {
    ".jsonl", ".jsonl.zst", ".jsonl.gz", ".jsonl.xz", ".jsonl.bz2", ".ndjson", ".ndjson.zst",
    ".ndjson.gz", ".ndjson.xz", ".ndjson.bz2", ".json", ".json.zst", ".json.gz", ".json.xz",
    ".json.bz2", NULL};
const char *const WT_WARC_SUFFIXES[] = {".warc", ".warc.gz", ".warc.zst", NULL};

static void push(wt_paths *list, char *path) {
    WT_GROW(list->path, list->cap, list->n + 1);
    list->path[list->n++] = path;
}

/* Takes the path. What cannot be read is known before a run has claimed its output. */
static int push_readable(wt_paths *list, char *path, wt_err *err) {
    if (strcmp(path, "-") == 0 || access(path, R_OK) == 0) {
        push(list, path);
        return 0;
    }
    wt_fail_errno(err, "cannot open '%s'", path);
    free(path);
    return -1;
}

static bool wanted(const char *name, const char *const *suffixes) {
    if (name[0] == '.' || wt_str_ends(wt_str_of(name), WT_STR(".part"))) return false;
    if (!suffixes) return true;
    /* What our own tools leave beside the data is not data. */
    static const char *const own[] = {"run.json", "report.json", "index.json", "dropped.jsonl.zst", NULL};
    for (int i = 0; own[i]; i++)
        if (strcmp(name, own[i]) == 0) return false;
    for (int i = 0; suffixes[i]; i++)
        if (wt_str_ends(wt_str_of(name), wt_str_of(suffixes[i]))) return true;
    return false;
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_folder(wt_paths *list, const char *path, const char *const *suffixes, int depth,
                      wt_err *err) {
    if (depth > 64) return wt_fail(err, WT_ELIMIT, "folder '%s' is nested deeper than 64", path);
    DIR *dir = opendir(path);
    if (!dir) return wt_fail_errno(err, "cannot open folder '%s'", path);
    wt_paths names = {0};
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.') push(&names, wt_path_join(path, e->d_name));
    closedir(dir);
    if (names.n) qsort(names.path, names.n, sizeof *names.path, by_bytes);
    int result = 0;
    for (size_t i = 0; i < names.n && result == 0; i++) {
        char *full = names.path[i];
        const char *base = strrchr(full, '/') + 1;
        struct stat s;
        if (stat(full, &s)) {
            /* A link to nowhere, say: a corpus must not shrink in silence. */
            if (wanted(base, suffixes)) result = wt_fail_errno(err, "cannot open '%s'", full);
        } else if (S_ISDIR(s.st_mode)) {
            result = add_folder(list, full, suffixes, depth + 1, err);
        } else if (wanted(base, suffixes)) {
            result = push_readable(list, full, err);
            names.path[i] = NULL;
        }
    }
    wt_paths_free(&names);
    return result;
}

static int none_found(const char *path, const char *const *suffixes, wt_err *err) {
    wt_buf names = {0};
    for (int i = 0; suffixes && suffixes[i]; i++)
        wt_buf_printf(&names, "%s%s", i ? " " : "; looked for names ending in ", suffixes[i]);
    wt_fail(err, WT_ENOTFOUND, "no input files in folder '%s'%s", path, names.len ? names.ptr : "");
    wt_buf_free(&names);
    return -1;
}

int wt_paths_add(wt_paths *list, const char *path, const char *const *suffixes, wt_err *err) {
    struct stat s;
    if (strcmp(path, "-") != 0 && stat(path, &s)) return wt_fail_errno(err, "cannot open '%s'", path);
    if (strcmp(path, "-") == 0 || !S_ISDIR(s.st_mode)) return push_readable(list, wt_xstrdup(path), err);
    size_t before = list->n;
    if (add_folder(list, path, suffixes, 0, err)) return -1;
    return list->n > before ? 0 : none_found(path, suffixes, err);
}

void wt_paths_free(wt_paths *list) {
    for (size_t i = 0; i < list->n; i++) free(list->path[i]);
    free(list->path);
    *list = (wt_paths){0};
}

bool wt_exists(const char *path) { return access(path, F_OK) == 0; }

bool wt_is_dir(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

int64_t wt_file_bytes(const char *path) {
    struct stat s;
    return stat(path, &s) == 0 ? (int64_t)s.st_size : -1;
}

int wt_mkdirs(const char *path, wt_err *err) {
    char *copy = wt_xstrdup(path);
    int result = 0;
    for (char *p = copy + 1; result == 0; p++) {
        if (*p != '/' && *p) continue;
        char kept = *p;
        *p = 0;
        if (mkdir(copy, 0777) && errno != EEXIST) result = wt_fail_errno(err, "cannot make folder '%s'", copy);
        *p = kept;
        if (!kept) break;
    }
    free(copy);
    if (result == 0 && !wt_is_dir(path))
        return wt_fail(err, WT_EEXIST, "'%s' exists and is not a folder", path);
    return result;
}

int wt_read_file(const char *path, uint64_t max_bytes, wt_buf *out, wt_err *err) {
    FILE *f = fopen(path, "re");
    if (!f) return wt_fail_errno(err, "cannot open '%s'", path);
    int result = 0;
    for (;;) {
        wt_buf_reserve(out, 64 << 10);
        size_t n = fread(out->ptr + out->len, 1, 64 << 10, f);
        out->len += n;
        if (out->len > max_bytes) {
            result = wt_fail(err, WT_ELIMIT, "'%s' is larger than %lu bytes", path, (unsigned long)max_bytes);
            break;
        }
        if (n == 0) break;
    }
    if (result == 0 && ferror(f)) result = wt_fail_errno(err, "cannot read '%s'", path);
    fclose(f);
    wt_buf_reserve(out, 1);
    out->ptr[out->len] = 0;
    return result;
}

static int write_all(int fd, const char *p, size_t n) {
    while (n) {
        ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return -1;
        p += k, n -= (size_t)k;
    }
    return 0;
}

int wt_write_file(const char *path, wt_str bytes, wt_err *err) {
    wt_buf part = {0};
    wt_buf_printf(&part, "%s.part", path);
    int fd = open(part.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int result = 0;
    if (fd < 0) {
        result = wt_fail_errno(err, "cannot write '%s'", path);
    } else {
        if (write_all(fd, bytes.ptr, bytes.len) || fsync(fd))
            result = wt_fail_errno(err, "cannot write '%s'", path);
        if (close(fd) && result == 0) result = wt_fail_errno(err, "cannot write '%s'", path);
        if (result == 0 && rename(part.ptr, path))
            result = wt_fail_errno(err, "cannot rename '%s' to '%s'", part.ptr, path);
        if (result) unlink(part.ptr);
        else result = wt_sync_dir_of(path, err);
    }
    wt_buf_free(&part);
    return result;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw) {
    return remove(path);
}

int wt_remove_tree(const char *path, wt_err *err) {
    struct stat s;
    if (lstat(path, &s)) return 0;
    if (!S_ISDIR(s.st_mode) ? unlink(path) : nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS))
        return wt_fail_errno(err, "cannot remove '%s'", path);
    return 0;
}

int wt_sync_dir_of(const char *path, wt_err *err) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? wt_xstrndup((wt_str){path, slash == path ? 1 : (size_t)(slash - path)}) : wt_xstrdup(".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = 0;
    /* Some file systems cannot sync a folder (EINVAL): nothing more can be done there. */
    if (fd < 0 || (fsync(fd) && errno != EINVAL && errno != EROFS))
        result = wt_fail_errno(err, "cannot sync folder '%s'", dir);
    if (fd >= 0) close(fd);
    free(dir);
    return result;
}

char *wt_path_join(const char *dir, const char *name) {
    size_t n = strlen(dir);
    wt_buf b = {0};
    wt_buf_printf(&b, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
    return b.ptr;
}

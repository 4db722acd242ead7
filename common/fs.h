/* fs.h - files and folders by name: lists of inputs, whole files, atomic replacement. */
#ifndef WT_COMMON_FS_H
#define WT_COMMON_FS_H

#include "common/err.h"
#include "common/str.h"

typedef struct {
    char **path;      /* owned */
    size_t n, cap;
} wt_paths;

/* Adds PATH; where it is a folder, instead all regular files below it whose names match one of the
 * `suffixes` (NULL-terminated list, e.g. {".jsonl", ".jsonl.zst", NULL}; NULL: all), sorted by
 * byte order of their path; names starting with '.' and ending in ".part" are passed over.
 * "-" stays "-". WT_ENOTFOUND where there is no such file or an empty folder. */
int wt_paths_add(wt_paths *list, const char *path, const char *const *suffixes, wt_err *err);
void wt_paths_free(wt_paths *list);
extern const char *const WT_JSONL_SUFFIXES[];         /* .jsonl .ndjson .json + .zst .gz .xz .bz2 */
extern const char *const WT_WARC_SUFFIXES[];          /* .warc .warc.gz .warc.zst */

bool wt_exists(const char *path);
bool wt_is_dir(const char *path);
int64_t wt_file_bytes(const char *path);              /* -1: none */
int wt_mkdirs(const char *path, wt_err *err);         /* like mkdir -p */
int wt_read_file(const char *path, uint64_t max_bytes, wt_buf *out, wt_err *err); /* as stored */
int wt_write_file(const char *path, wt_str bytes, wt_err *err);  /* whole or not at all, synced */
int wt_remove_tree(const char *path, wt_err *err);
int wt_sync_dir_of(const char *path, wt_err *err);    /* makes a rename in it durable */
char *wt_path_join(const char *dir, const char *name);/* free() it */

#endif

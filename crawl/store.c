/* store.c - appending to WARC files and cutting them back (see store.h). */
#include "crawl/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fs.h"

#define GATHER_BYTES ((size_t)4 << 20)

struct store {
    crawl_state *state;
    capture_writer *writer;
    char *dir;                  /* DIR/warc */
    char *info;
    uint64_t file_bytes;
    int fd, number;             /* the file that grows; fd -1: none yet */
    uint64_t bytes, records;    /* of it, with what is gathered */
    wt_buf gathered;
};

static void file_name(int number, char out[32]) { snprintf(out, 32, "%05d.warc.gz", number); }

static int write_gathered(store *s, wt_err *err) {
    const char *p = s->gathered.ptr;
    size_t left = s->gathered.len;
    char name[32];
    file_name(s->number, name);
    while (left > 0) {
        ssize_t n = write(s->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wt_fail_errno(err, "cannot write '%s/%s'", s->dir, name);
        p += n;
        left -= (size_t)n;
    }
    wt_buf_clear(&s->gathered);
    return 0;
}

int store_sync(store *s, wt_err *err) {
    char name[32];
    if (s->fd < 0)
        return 0;
    file_name(s->number, name);
    if (write_gathered(s, err))
        return -1;
    if (fdatasync(s->fd) != 0)
        return wt_fail_errno(err, "cannot sync '%s/%s'", s->dir, name);
    return crawl_state_put_warc(s->state, s->number, name, s->bytes, s->records, err);
}

static int open_file(store *s, int number, wt_err *err) {
    char name[32];
    file_name(number, name);
    char *path = wt_path_join(s->dir, name);
    s->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int result = s->fd < 0 ? wt_fail_errno(err, "cannot open '%s'", path) : wt_sync_dir_of(path, err);
    free(path);
    s->number = number;
    return result;
}

/* A new file: the old one is synced and its length noted first. */
static int roll(store *s, wt_err *err) {
    char name[32];
    int number = s->fd < 0 ? s->number : s->number + 1;
    if (s->fd >= 0) {
        if (store_sync(s, err))
            return -1;
        close(s->fd);
    }
    if (open_file(s, number, err))
        return -1;
    file_name(number, name);
    s->bytes = s->records = 0;
    if (capture_encode_info(s->writer, name, wt_str_of(s->info), &s->gathered, err))
        return -1;
    s->bytes = s->gathered.len;
    s->records = 1;
    return 0;
}

int store_append(store *s, wt_str records, int n_records, int *number, uint64_t *offset, wt_err *err) {
    if ((s->fd < 0 || s->bytes >= s->file_bytes) && roll(s, err))
        return -1;
    *number = s->number;
    *offset = s->bytes;
    wt_buf_add_str(&s->gathered, records);
    s->bytes += records.len;
    s->records += (uint64_t)n_records;
    return s->gathered.len >= GATHER_BYTES ? write_gathered(s, err) : 0;
}

uint64_t store_pending(const store *s) { return s->gathered.len; }

/* Cuts one file back to what was committed. */
static int restore_file(void *ctx, int number, const char *name, uint64_t bytes, uint64_t records, wt_err *err) {
    store *s = ctx;
    char *path = wt_path_join(s->dir, name ? name : "");
    int64_t there = wt_file_bytes(path);
    int result = 0;
    if (there < (int64_t)bytes)
        result = wt_fail(err, WT_EDATA, "'%s' has %lld bytes, the crawl's state knows of %llu: part of it is lost; "
                         "bring the file back, or crawl anew with --force", path, (long long)there,
                         (unsigned long long)bytes);
    else if (there > (int64_t)bytes && truncate(path, (off_t)bytes) != 0)
        result = wt_fail_errno(err, "cannot cut '%s' to %llu bytes", path, (unsigned long long)bytes);
    s->number = number;
    s->bytes = bytes;
    s->records = records;
    free(path);
    return result;
}

/* Files above the last committed one hold nothing that is committed. */
static int remove_younger(store *s, wt_err *err) {
    DIR *d = opendir(s->dir);
    if (!d)
        return wt_fail_errno(err, "cannot open folder '%s'", s->dir);
    for (struct dirent *e; (e = readdir(d));) {
        int number, n = 0;
        if (sscanf(e->d_name, "%d.warc.gz%n", &number, &n) == 1 && n > 0 && e->d_name[n] == 0 &&
            number > s->number)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    return 0;
}

store *store_open(const char *dir, crawl_state *state, uint64_t file_bytes, wt_str info, capture_writer *writer,
                  wt_err *err) {
    store *s = wt_xcalloc(1, sizeof *s);
    s->state = state;
    s->writer = writer;
    s->file_bytes = file_bytes;
    s->fd = -1;
    s->number = -1;
    s->dir = wt_path_join(dir, "warc");
    s->info = wt_xstrndup(info);
    if (wt_mkdirs(s->dir, err) || crawl_state_each_warc(state, restore_file, s, err) || remove_younger(s, err) ||
        (s->number >= 0 && open_file(s, s->number, err))) {
        store_close(s);
        return NULL;
    }
    if (s->number < 0)
        s->number = 0;
    return s;
}

void store_close(store *s) {
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    wt_buf_free(&s->gathered);
    free(s->dir);
    free(s->info);
    free(s);
}

/* spill.c - runs sorted by radix (byte after byte from below, which is stable), merged by a heap of
 * run numbers ordered by (key, run). A run is its records as they lie in memory. */
#include "dedup/spill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/memory.h"
#include "common/str.h"

enum { RUNS_MAX = 900, RUN_BUFFER_MIN = 4096 };       /* open files; records */

typedef struct {
    FILE *file;
    spill_record *buffer;
    size_t n, at;
} run_reader;

struct spill {
    char *dir, *name;
    /* writing */
    spill_record *records, *scratch;
    size_t n, cap, block_bytes;
    int range, n_runs;
    /* reading */
    run_reader *run;
    int *heap, n_heap;
    size_t run_cap;
};

void spill_sort(spill_record *records, spill_record *scratch, size_t n) {
    spill_record *from = records, *to = scratch;
    size_t count[8][256];
    memset(count, 0, sizeof count);
    for (size_t i = 0; i < n; i++)
        for (int byte = 0; byte < 8; byte++) count[byte][records[i].key >> (8 * byte) & 255]++;
    for (int byte = 0; byte < 8 && n > 0; byte++) {
        size_t *place = count[byte], sum = 0;
        if (place[records[0].key >> (8 * byte) & 255] == n) continue;  /* all alike here */
        for (int digit = 0; digit < 256; digit++) {
            size_t here = place[digit];
            place[digit] = sum;
            sum += here;
        }
        for (size_t i = 0; i < n; i++) to[place[from[i].key >> (8 * byte) & 255]++] = from[i];
        spill_record *swap = from;
        from = to;
        to = swap;
    }
    if (from != records) memcpy(records, from, n * sizeof *records);
}

static char *run_path(const char *dir, const char *name, int range, int i_run) {
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/%s-%d-%d", dir, name, range, i_run);
    return path.ptr;
}

static spill *spill_make(const char *dir, const char *name) {
    spill *s = wt_xcalloc(1, sizeof *s);
    s->dir = wt_xstrdup(dir);
    s->name = wt_xstrdup(name);
    return s;
}

/* ---- writing ---- */

spill *spill_new(const char *dir, const char *name, int range, uint64_t bytes, wt_err *err) {
    spill *s = spill_make(dir, name);
    s->range = range;
    s->cap = (size_t)(bytes / (2 * sizeof(spill_record)));
    if (s->cap < RUN_BUFFER_MIN) s->cap = RUN_BUFFER_MIN;
    s->block_bytes = 2 * s->cap * sizeof(spill_record);
    s->records = wt_big_alloc(s->block_bytes, "sorting", err);
    if (!s->records) {
        spill_free(s);
        return NULL;
    }
    s->scratch = s->records + s->cap;
    return s;
}

static int run_write(spill *s, wt_err *err) {
    if (s->n == 0) return 0;
    char *path = run_path(s->dir, s->name, s->range, s->n_runs++);
    FILE *file = fopen(path, "wb");
    spill_sort(s->records, s->scratch, s->n);
    bool good = file && fwrite(s->records, sizeof *s->records, s->n, file) == s->n && fflush(file) == 0 &&
                fsync(fileno(file)) == 0;
    if (!good) wt_fail_errno(err, "cannot write '%s'", path);
    if (file && fclose(file) && good) good = wt_fail_errno(err, "cannot write '%s'", path) == 0;
    free(path);
    s->n = 0;
    return good ? 0 : -1;
}

int spill_add(spill *s, uint64_t key, uint64_t value, wt_err *err) {
    if (s->n == s->cap && run_write(s, err)) return -1;
    s->records[s->n++] = (spill_record){key, value};
    return 0;
}

int spill_end(spill *s, wt_err *err) {
    if (run_write(s, err)) return -1;
    wt_big_free(s->records, s->block_bytes);
    s->records = s->scratch = NULL;
    return s->n_runs;
}

void spill_free(spill *s) {
    if (!s) return;
    if (s->records) wt_big_free(s->records, s->block_bytes);
    for (int i = 0; s->run && i < s->n_runs; i++) {
        if (s->run[i].file) fclose(s->run[i].file);
        free(s->run[i].buffer);
    }
    free(s->run), free(s->heap), free(s->dir), free(s->name);
    free(s);
}

void spill_remove(const char *dir, const char *name, int n_ranges, const int *n_runs) {
    for (int range = 0; range < n_ranges; range++)
        for (int i = 0; i < n_runs[range]; i++) {
            char *path = run_path(dir, name, range, i);
            unlink(path);
            free(path);
        }
}

/* ---- reading ---- */

static int run_fill(const spill *s, run_reader *run, wt_err *err) {
    run->n = fread(run->buffer, sizeof *run->buffer, s->run_cap, run->file);
    run->at = 0;
    return ferror(run->file) ? wt_fail_errno(err, "cannot read a run of '%s/%s'", s->dir, s->name) : 0;
}

static bool comes_first(const spill *s, int a, int b) {
    uint64_t x = s->run[a].buffer[s->run[a].at].key, y = s->run[b].buffer[s->run[b].at].key;
    return x < y || (x == y && a < b);
}

static void sift_down(spill *s, int at) {
    for (;;) {
        int least = at;
        for (int child = 2 * at + 1; child <= 2 * at + 2 && child < s->n_heap; child++)
            if (comes_first(s, s->heap[child], s->heap[least])) least = child;
        if (least == at) return;
        int swap = s->heap[at];
        s->heap[at] = s->heap[least];
        s->heap[least] = swap;
        at = least;
    }
}

static int run_open(spill *s, int i, int range, int i_run, wt_err *err) {
    char *path = run_path(s->dir, s->name, range, i_run);
    s->run[i].file = fopen(path, "rb");
    s->run[i].buffer = wt_xmalloc(s->run_cap * sizeof *s->run[i].buffer);
    int result = s->run[i].file ? run_fill(s, &s->run[i], err) : wt_fail_errno(err, "cannot read '%s'", path);
    free(path);
    if (!result && s->run[i].n > 0) s->heap[s->n_heap++] = i;
    return result;
}

static int runs_open(spill *s, int from, int to, const int *n_runs, wt_err *err) {
    int n = 0;
    for (int range = from; range < to; range++)
        for (int i_run = 0; i_run < n_runs[range]; i_run++)
            if (run_open(s, n++, range, i_run, err)) return -1;
    for (int i = s->n_heap / 2; i-- > 0;) sift_down(s, i);
    return 0;
}

spill *spill_open(const char *dir, const char *name, int from, int to, const int *runs_of, uint64_t bytes, wt_err *err) {
    int n_runs = 0;
    for (int range = from; range < to; range++) n_runs += runs_of[range];
    if (n_runs > RUNS_MAX) {
        wt_fail(err, WT_ELIMIT, "%d sorted runs are more than %d; give more memory", n_runs, RUNS_MAX);
        return NULL;
    }
    spill *s = spill_make(dir, name);
    s->n_runs = n_runs;
    s->run = wt_xcalloc((size_t)n_runs + 1, sizeof *s->run);
    s->heap = wt_xcalloc((size_t)n_runs + 1, sizeof *s->heap);
    s->run_cap = (size_t)(bytes / sizeof(spill_record)) / (size_t)(n_runs + 1);
    if (s->run_cap < RUN_BUFFER_MIN) s->run_cap = RUN_BUFFER_MIN;
    if (s->run_cap > 1 << 18) s->run_cap = 1 << 18;
    if (runs_open(s, from, to, runs_of, err)) {
        spill_free(s);
        return NULL;
    }
    return s;
}

int spill_next(spill *s, spill_record *out, wt_err *err) {
    if (s->n_heap == 0) return 0;
    run_reader *run = &s->run[s->heap[0]];
    *out = run->buffer[run->at++];
    if (run->at == run->n && run_fill(s, run, err)) return -1;
    if (run->n == 0) s->heap[0] = s->heap[--s->n_heap];
    sift_down(s, 0);
    return 1;
}

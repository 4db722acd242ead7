/* frames.c - a full frame stands in two lines at once: that of the press, from which any thread takes the first,
 * and that of its file, whose first may be appended once it is compressed. One lock guards both; it is not held
 * while a frame is compressed, nor while one is appended, which one thread a file does at a time. Frames that are done with and
 * zstd's contexts are used again. */
#include "common/frames.h"

#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

enum { FRAME_BYTES = WT_FRAME_BYTES, LEVEL = 3 };

typedef struct frame {
    struct frame *next, *behind;             /* in the press (or among the spare ones); in the file */
    wt_frames *file;
    wt_buf lines, packed;
    ZSTD_CCtx *zstd;
    bool done;                               /* may be appended */
} frame;

struct wt_press {
    pthread_mutex_t lock;
    pthread_cond_t news;                     /* a frame was compressed or appended */
    frame *first, *last, *spare;             /* first to last wait */
    int n_full, n_full_most;                 /* frames that are full and not yet appended */
};

struct wt_frames {
    wt_out *out;
    wt_press *press;
    bool is_zstd, appending, failed;
    frame *filling, *first, *last;           /* first to last are full */
    wt_err err;
};

wt_press *wt_press_new(int threads) {
    wt_press *p = wt_xcalloc(1, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->news, NULL);
    p->n_full_most = threads > 1 ? threads : 0;
    return p;
}

void wt_press_free(wt_press *p) {
    if (!p) return;
    for (frame *f = p->spare, *next; f; f = next) {
        next = f->next;
        wt_buf_free(&f->lines);
        ZSTD_freeCCtx(f->zstd);
        wt_buf_free(&f->packed);
        free(f);
    }
    pthread_cond_destroy(&p->news);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

wt_frames *wt_frames_open(const char *path, wt_press *press, wt_err *err) {
    wt_out *out = wt_out_open(path, err);
    if (!out) return NULL;
    wt_frames *f = wt_xcalloc(1, sizeof *f);
    *f = (wt_frames){.out = out, .press = press, .is_zstd = wt_str_ends(wt_str_of(path ? path : "-"), WT_STR(".zst"))};
    return f;
}

static int pack(ZSTD_CCtx **zstd, wt_str lines, wt_buf *packed, wt_err *err) {
    size_t bound = ZSTD_compressBound(lines.len);
    if (!*zstd) *zstd = ZSTD_createCCtx();
    if (!*zstd) return wt_fail(err, WT_ENOMEM, "no memory to compress lines");
    packed->len = 0;
    wt_buf_reserve(packed, bound);
    ZSTD_CCtx_setParameter(*zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(*zstd, ZSTD_c_checksumFlag, 1);
    size_t n = ZSTD_compress2(*zstd, packed->ptr, bound, lines.ptr, lines.len);
    if (ZSTD_isError(n)) return wt_fail(err, WT_EIO, "cannot compress lines: %s", ZSTD_getErrorName(n));
    packed->len = n;
    return 0;
}

int wt_frame_pack(wt_str lines, wt_buf *packed, wt_err *err) {
    ZSTD_CCtx *zstd = NULL;
    int result = pack(&zstd, lines, packed, err);
    ZSTD_freeCCtx(zstd);
    return result;
}

/* ---- the lock is held between, not during, the work of these ---- */

static void file_fails(wt_frames *file, const wt_err *err) {
    if (!file->failed) file->err = *err;
    file->failed = true;
}

static void append_done(wt_press *p, wt_frames *file) {
    if (file->appending) return;
    file->appending = true;
    while (file->first && file->first->done) {
        frame *f = file->first;
        wt_err err = {0};
        if (!file->failed) {
            pthread_mutex_unlock(&p->lock);
            int result = wt_out_packed(file->out, f->packed.ptr, f->packed.len, &err);
            pthread_mutex_lock(&p->lock);
            if (result) file_fails(file, &err);
        }
        file->first = f->behind;
        f->lines.len = 0;
        f->next = p->spare;
        p->spare = f;
        p->n_full--;
    }
    file->appending = false;
}

static void press_first(wt_press *p) {
    frame *f = p->first;
    wt_err err = {0};
    p->first = f->next;
    if (!f->file->failed) {
        pthread_mutex_unlock(&p->lock);
        int result = pack(&f->zstd, wt_buf_view(&f->lines), &f->packed, &err);
        pthread_mutex_lock(&p->lock);
        if (result) file_fails(f->file, &err);
    }
    f->done = true;
    append_done(p, f->file);
    pthread_cond_broadcast(&p->news);
}

static void press_or_wait(wt_press *p) {
    if (p->first) press_first(p);
    else pthread_cond_wait(&p->news, &p->lock);
}

static void frame_is_full(wt_press *p, wt_frames *file) {
    frame *f = file->filling;
    file->filling = NULL;
    f->next = f->behind = NULL;
    if (p->first) p->last->next = f;
    else p->first = f;
    p->last = f;
    if (file->first) file->last->behind = f;
    else file->first = f;
    file->last = f;
    p->n_full++;
}

/* ---- the verbs ---- */

void wt_press_work(wt_press *p) {
    pthread_mutex_lock(&p->lock);
    while (p->first) press_first(p);
    pthread_mutex_unlock(&p->lock);
}

static frame *frame_begin(wt_frames *file) {
    wt_press *p = file->press;
    pthread_mutex_lock(&p->lock);
    frame *f = p->spare;
    if (f) p->spare = f->next;
    pthread_mutex_unlock(&p->lock);
    if (!f) f = wt_xcalloc(1, sizeof *f);
    wt_buf_reserve(&f->lines, FRAME_BYTES + (64 << 10));     /* growing would move pages, which all cores hear of */
    f->file = file;
    f->done = false;
    return f;
}

int wt_frames_write(wt_frames *file, wt_str s, wt_err *err) {
    if (!file->is_zstd) return wt_out_str(file->out, s, err);
    if (s.len == 0) return 0;
    if (!file->filling) file->filling = frame_begin(file);
    wt_buf *lines = &file->filling->lines;
    wt_buf_add_str(lines, s);
    if (lines->len < FRAME_BYTES || s.ptr[s.len - 1] != '\n') return 0;
    wt_press *p = file->press;
    pthread_mutex_lock(&p->lock);
    frame_is_full(p, file);
    while (p->n_full > p->n_full_most) press_or_wait(p);
    bool failed = file->failed;
    pthread_mutex_unlock(&p->lock);
    if (failed && err) *err = file->err;
    return failed ? -1 : 0;
}

/* Until all frames of the file are appended. */
static void finish(wt_frames *file, bool failed) {
    wt_press *p = file->press;
    pthread_mutex_lock(&p->lock);
    if (failed) file_fails(file, &(wt_err){0});
    if (file->filling) frame_is_full(p, file);
    while (file->first || file->appending) press_or_wait(p);
    pthread_mutex_unlock(&p->lock);
}

int wt_frames_commit(wt_frames *file, wt_str provenance, wt_err *err) {
    finish(file, false);
    int result = file->failed ? -1 : 0;
    if (result && err) *err = file->err;
    if (!result && provenance.len) result = wt_out_provenance(file->out, provenance, err);
    if (result) wt_out_abort(file->out);
    else result = wt_out_commit(file->out, err);
    free(file);
    return result;
}

void wt_frames_abort(wt_frames *file) {
    if (!file) return;
    finish(file, true);
    wt_out_abort(file->out);
    free(file);
}

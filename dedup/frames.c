/* frames.c - blocks of lines are gathered, one a thread; when all are full they are compressed at the
 * same time and appended in order. */
#include "dedup/frames.h"

#include <stdlib.h>
#include <zstd.h>

#include "dedup/keyset.h"

enum { FRAME_BYTES = 4 << 20, LEVEL = 3, BLOCKS_MAX = 32 };

typedef struct {
    wt_buf lines;
    ZSTD_CCtx *zstd;
    char *packed;
    size_t packed_cap, n_packed;
} block;

struct frames {
    wt_out *out;
    bool is_zstd;
    int threads, n_full;        /* blocks; the one behind the full ones is being filled */
    block *block;
};

frames *frames_open(const char *path, int threads, wt_err *err) {
    wt_out *out = wt_out_open(path, err);
    if (!out) return NULL;
    frames *f = wt_xcalloc(1, sizeof *f);
    f->out = out;
    f->threads = threads < 1 ? 1 : threads < BLOCKS_MAX ? threads : BLOCKS_MAX;
    f->is_zstd = wt_str_ends(wt_str_of(path ? path : "-"), WT_STR(".zst"));
    f->block = wt_xcalloc((size_t)f->threads, sizeof *f->block);
    return f;
}

static void frames_free(frames *f) {
    for (int i = 0; i < f->threads; i++) {
        wt_buf_free(&f->block[i].lines);
        ZSTD_freeCCtx(f->block[i].zstd);
        free(f->block[i].packed);
    }
    free(f->block);
    free(f);
}

static void pack(void *ctx, int i) {
    block *b = &((frames *)ctx)->block[i];
    size_t bound = ZSTD_compressBound(b->lines.len);
    if (!b->zstd) b->zstd = ZSTD_createCCtx();
    if (bound > b->packed_cap) b->packed = wt_xrealloc(b->packed, b->packed_cap = bound);
    b->n_packed = (size_t)-1;                         /* an error code of zstd */
    if (!b->zstd) return;
    ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(b->zstd, ZSTD_c_checksumFlag, 1);
    b->n_packed = ZSTD_compress2(b->zstd, b->packed, b->packed_cap, b->lines.ptr, b->lines.len);
}

/* Compresses n blocks and appends them. */
static int flush(frames *f, int n, wt_err *err) {
    int result = 0;
    parallel_tasks(f->threads, n, pack, f);
    for (int i = 0; i < n && !result; i++) {
        block *b = &f->block[i];
        if (ZSTD_isError(b->n_packed))
            result = wt_fail(err, WT_EIO, "cannot compress documents: %s", ZSTD_getErrorName(b->n_packed));
        else result = wt_out_packed(f->out, b->packed, b->n_packed, err);
        b->lines.len = 0;
    }
    f->n_full = 0;
    return result;
}

int frames_write(frames *f, wt_str s, wt_err *err) {
    if (!f->is_zstd) return wt_out_str(f->out, s, err);
    if (s.len == 0) return 0;
    block *b = &f->block[f->n_full];
    wt_buf_add_str(&b->lines, s);
    if (b->lines.len < FRAME_BYTES || s.ptr[s.len - 1] != '\n') return 0;
    return ++f->n_full == f->threads ? flush(f, f->threads, err) : 0;
}

int frames_commit(frames *f, wt_str provenance, wt_err *err) {
    int n = f->n_full + (f->is_zstd && f->block[f->n_full].lines.len > 0);
    int result = flush(f, n, err);
    if (!result && provenance.len) result = wt_out_provenance(f->out, provenance, err);
    if (result) wt_out_abort(f->out);
    else result = wt_out_commit(f->out, err);
    frames_free(f);
    return result;
}

void frames_abort(frames *f) {
    if (!f) return;
    wt_out_abort(f->out);
    frames_free(f);
}

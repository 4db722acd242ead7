/* rank_frames.c - see rank_frames.h. Of the frames of others only the length is known here, which tells where they end. */
#include "dedup/rank_frames.h"

#include <stdlib.h>

#include "common/cluster.h"
#include "common/frames.h"
#include "common/out.h"
#include "dedup/keyset.h"
#include "dedup/rounds.h"

typedef struct {
    wt_buf lines, packed;
    wt_err err;
    bool failed;
} frame;

struct rank_frames {
    wt_out *out;                /* the writer's */
    int writer, threads;
    bool is_zstd;
    size_t i_met, i_filling;    /* frames [i_met, i_filling) are full and not yet written */
    size_t filled;              /* bytes of the one behind them */
    wt_buf filling;             /* where it is mine */
    frame *full;                /* mine */
    size_t n_full, cap;
};

static bool is_mine(size_t i_frame) { return i_frame % (size_t)wt_cluster_size() == (size_t)wt_cluster_rank(); }

rank_frames *rank_frames_open(const char *path, int writer, int threads, wt_err *err) {
    rank_frames *f = wt_xcalloc(1, sizeof *f);
    *f = (rank_frames){.writer = writer, .threads = threads};
    f->is_zstd = wt_str_ends(wt_str_of(path ? path : "-"), WT_STR(".zst"));
    bool writes = writer == wt_cluster_rank();
    if (writes) f->out = wt_out_open(path, err);
    if (!wt_cluster_agree(writes && !f->out ? -1 : 0, err)) return f;
    rank_frames_abort(f);
    return NULL;
}

static void frame_end(rank_frames *f) {
    if (is_mine(f->i_filling)) {
        WT_GROW(f->full, f->cap, f->n_full + 1);
        f->full[f->n_full++] = (frame){.lines = f->filling};
        f->filling = (wt_buf){0};
    }
    f->i_filling++;
    f->filled = 0;
}

/* Bytes of `lines` that still belong to the frame. */
static size_t frame_room(const rank_frames *f, wt_str lines) {
    size_t least = WT_FRAME_BYTES - f->filled;
    if (lines.len < least) return lines.len;
    const char *stop = memchr(lines.ptr + least - 1, '\n', lines.len - least + 1);
    return stop ? (size_t)(stop + 1 - lines.ptr) : lines.len;
}

int rank_frames_write(rank_frames *f, wt_str lines, wt_err *err) {
    if (!f->is_zstd) return f->out ? wt_out_str(f->out, lines, err) : 0;
    while (lines.len > 0) {
        size_t n = frame_room(f, lines);
        if (is_mine(f->i_filling)) wt_buf_add(&f->filling, lines.ptr, n);
        f->filled += n;
        lines.ptr += n, lines.len -= n;
        if (f->filled >= WT_FRAME_BYTES) frame_end(f);
    }
    return 0;
}

static void pack(void *ctx, int i) {
    frame *full = &((rank_frames *)ctx)->full[i];
    full->failed = wt_frame_pack(wt_buf_view(&full->lines), &full->packed, &full->err) != 0;
}

static int pack_all(rank_frames *f, wt_err *err) {
    parallel_tasks(f->threads, (int)f->n_full, pack, f);
    for (size_t i = 0; i < f->n_full; i++)
        if (f->full[i].failed) {
            if (err) *err = f->full[i].err;
            return -1;
        }
    return 0;
}

/* The frames of all ranks come to the writer; each rank's in their order. */
static int gather(rank_frames *f, wt_err *err) {
    size_t size = (size_t)wt_cluster_size();
    wt_buf own = {0};
    for (size_t i = 0; i < f->n_full; i++) pack_bytes(&own, f->full[i].packed.ptr, f->full[i].packed.len);
    void **part = wt_xcalloc(size, sizeof *part), *all;
    size_t *send = wt_xcalloc(2 * size, sizeof *send), *got = send + size;
    part[f->writer] = own.ptr, send[f->writer] = own.len;
    wt_cluster_exchange(part, send, &all, got);
    wt_str *from = wt_xcalloc(size, sizeof *from);
    const char *at = all;
    for (size_t r = 0; r < size; at += got[r++]) from[r] = (wt_str){at, got[r]};
    int result = 0;
    for (size_t i = f->i_met; f->out && i < f->i_filling && !result; i++) {
        wt_str packed = unpack_bytes(&from[i % size]);
        result = wt_out_packed(f->out, packed.ptr, packed.len, err);
    }
    free(from), free(all), free(part), free(send);
    wt_buf_free(&own);
    return result;
}

static void forget_full(rank_frames *f) {
    for (size_t i = 0; i < f->n_full; i++) {
        wt_buf_free(&f->full[i].lines);
        wt_buf_free(&f->full[i].packed);
    }
    f->n_full = 0;
    f->i_met = f->i_filling;
}

int rank_frames_meet(rank_frames *f, wt_err *err) {
    if (f->i_met == f->i_filling) return 0;           /* the same on all ranks */
    int result = wt_cluster_agree(pack_all(f, err), err);
    if (!result) result = wt_cluster_agree(gather(f, err), err);
    forget_full(f);
    return result;
}

int rank_frames_commit(rank_frames *f, wt_str provenance, wt_err *err) {
    if (f->filled > 0) frame_end(f);
    int result = rank_frames_meet(f, err);
    if (!result && f->out && provenance.len) result = wt_out_provenance(f->out, provenance, err);
    if (!result && f->out) {
        result = wt_out_commit(f->out, err);
        f->out = NULL;
    }
    rank_frames_abort(f);
    return wt_cluster_agree(result, err);
}

void rank_frames_abort(rank_frames *f) {
    if (!f) return;
    if (f->out) wt_out_abort(f->out);
    forget_full(f);
    wt_buf_free(&f->filling);
    free(f->full);
    free(f);
}

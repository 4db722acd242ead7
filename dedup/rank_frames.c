/* rank_frames.c - see rank_frames.h. What was compressed at one meeting goes to the writer at the next, together with the
 * lengths of lines that tell what to compress then; so ranks wait for each other only once they have done both, and the
 * keys of the batches that follow. */
#include "dedup/rank_frames.h"

#include <stdlib.h>

#include "common/cluster.h"
#include "dedup/keyset.h"
#include "dedup/rounds.h"

/* Lines of one frame that one rank has: bytes [at, at + n) of what it wrote since the last meeting. */
typedef struct {
    size_t i_frame, at, n;
    int from;
} piece;

/* A frame of this meeting; the first of them may have been begun before. */
typedef struct {
    int owner;                  /* who compresses it */
    bool is_full;
} plan;

/* A frame of mine. */
typedef struct {
    wt_str lines;
    wt_buf own;                 /* holds them, where they do not lie in f->lines */
    wt_buf packed;
    wt_err err;
    bool failed;
} frame;

struct rank_frames {
    wt_frames *alone;           /* instead of all else, on one rank */
    wt_out *out;                /* the writer's */
    int writer, threads, size, rank;
    bool is_zstd;
    wt_buf lines;               /* mine, since the last meeting */
    uint32_t *length;           /* of each */
    size_t n_lines, length_cap, line_at;
    int filling_owner;          /* of the frame that is not full; -1: none */
    size_t filled;
    wt_buf filling;             /* where it is mine */
    uint64_t *n_given;          /* frames that each rank got so far */
    frame *full;                /* mine, not yet sent */
    size_t n_full, full_cap;
    int *sender;                /* whose the next frames of the file are, not yet written; their order */
    size_t n_senders, sender_cap;
};

/* What all ranks gave to an exchange: rank r's is part[r]. */
typedef struct {
    void *bytes;
    wt_str *part;
} gifts;

static rank_frames *frames_new(int writer, int threads) {
    rank_frames *f = wt_xcalloc(1, sizeof *f);
    *f = (rank_frames){.writer = writer, .threads = threads, .size = wt_cluster_size(), .rank = wt_cluster_rank(), .filling_owner = -1};
    f->n_given = wt_xcalloc((size_t)f->size, sizeof *f->n_given);
    return f;
}

rank_frames *rank_frames_open(const char *path, int writer, wt_press *press, int threads, wt_err *err) {
    rank_frames *f = frames_new(writer, threads);
    bool writes = writer == f->rank, good;
    f->is_zstd = wt_str_ends(wt_str_of(path ? path : "-"), WT_STR(".zst"));
    if (f->size == 1) good = (f->alone = wt_frames_open(path, press, err)) != NULL;
    else good = !writes || (f->out = wt_out_open(path, err)) != NULL;
    if (!wt_cluster_agree(good ? 0 : -1, err)) return f;
    rank_frames_abort(f);
    return NULL;
}

int rank_frames_write(rank_frames *f, wt_str s, wt_err *err) {
    if (f->alone) return wt_frames_write(f->alone, s, err);
    if (s.len == 0) return 0;
    wt_buf_add_str(&f->lines, s);
    if (s.ptr[s.len - 1] != '\n') return 0;
    if (f->lines.len - f->line_at > UINT32_MAX) return wt_fail(err, WT_ELIMIT, "a line of %zu bytes", f->lines.len - f->line_at);
    WT_GROW(f->length, f->length_cap, f->n_lines + 1);
    f->length[f->n_lines++] = (uint32_t)(f->lines.len - f->line_at);
    f->line_at = f->lines.len;
    return 0;
}

/* ---- exchanges ---- */

/* to[r] goes to rank r; what all gave to this one comes back, its own gift as it is. */
static gifts exchange(const rank_frames *f, const wt_buf *to) {
    size_t size = (size_t)f->size;
    gifts g = {.part = wt_xcalloc(size, sizeof *g.part)};
    void **part = wt_xcalloc(size, sizeof *part);
    size_t *send = wt_xcalloc(2 * size, sizeof *send), *got = send + size;
    for (size_t r = 0; r < size; r++) part[r] = to[r].ptr, send[r] = r == (size_t)f->rank ? 0 : to[r].len;
    wt_cluster_exchange(part, send, &g.bytes, got);
    const char *at = g.bytes;
    for (size_t r = 0; r < size; at += got[r++]) g.part[r] = r == (size_t)f->rank ? wt_buf_view(&to[r]) : (wt_str){at, got[r]};
    free(part), free(send);
    return g;
}

static wt_buf *boxes_new(const rank_frames *f) { return wt_xcalloc((size_t)f->size, sizeof(wt_buf)); }
static void boxes_free(const rank_frames *f, wt_buf *box) {
    for (int r = 0; r < f->size; r++) wt_buf_free(&box[r]);
    free(box);
}
static void gifts_free(gifts *g) { free(g->bytes), free(g->part); }

static void forget_full(rank_frames *f) {
    for (size_t i = 0; i < f->n_full; i++) wt_buf_free(&f->full[i].own), wt_buf_free(&f->full[i].packed);
    f->n_full = 0;
}

/* ---- the file ---- */

/* The writer has the compressed frames of each rank, in its order. */
static int write_frames(rank_frames *f, wt_str *from, wt_err *err) {
    int result = 0;
    for (size_t i = 0; f->out && i < f->n_senders && !result; i++) {
        wt_str packed = unpack_bytes(&from[f->sender[i]]);
        result = wt_out_packed(f->out, packed.ptr, packed.len, err);
    }
    f->n_senders = 0;
    return result;
}

static int write_plain(rank_frames *f, wt_err *err) {
    wt_buf *box = boxes_new(f);
    int result = 0;
    wt_buf_add_str(&box[f->writer], wt_buf_view(&f->lines));
    gifts g = exchange(f, box);
    for (int r = 0; f->out && r < f->size && !result; r++) result = wt_out_str(f->out, g.part[r], err);
    gifts_free(&g), boxes_free(f, box);
    f->lines.len = f->line_at = f->n_lines = 0;
    return result;
}

/* ---- who compresses what ---- */

typedef struct {
    plan *frame;
    size_t n_frames, frame_cap;
    piece *piece;
    size_t n_pieces, piece_cap;
} deal;

/* Frames end behind the first line that makes them WT_FRAME_BYTES. */
static void deal_cut(const rank_frames *f, deal *d, const wt_str *lengths) {
    size_t filled = f->filled;
    if (f->filling_owner >= 0) {
        WT_GROW(d->frame, d->frame_cap, 1);
        d->frame[d->n_frames++] = (plan){f->filling_owner, false};
    }
    for (int r = 0; r < f->size; r++) {
        uint32_t length;
        size_t n = lengths[r].len / sizeof length, at = 0, begun = 0;
        for (size_t i = 0; i < n; i++) {
            memcpy(&length, lengths[r].ptr + i * sizeof length, sizeof length);
            if (filled == 0) {
                WT_GROW(d->frame, d->frame_cap, d->n_frames + 1);
                d->frame[d->n_frames++] = (plan){r, false};
            }
            filled += length, at += length;
            bool full = filled >= WT_FRAME_BYTES;
            if (full || i + 1 == n) {
                WT_GROW(d->piece, d->piece_cap, d->n_pieces + 1);
                d->piece[d->n_pieces++] = (piece){d->n_frames - 1, begun, at - begun, r};
                begun = at;
            }
            if (full) d->frame[d->n_frames - 1].is_full = true, filled = 0;
        }
    }
}

/* Who has most gives one to who has least, while that helps: a frame at the end that is nearer. */
static void deal_balance(rank_frames *f, deal *d) {
    size_t first = f->filling_owner >= 0;             /* who began a frame ends it */
    for (size_t i = first; i < d->n_frames; i++) f->n_given[d->frame[i].owner]++;
    for (bool moved = true; moved;) {
        int most = 0, least = 0;
        moved = false;
        for (int r = 1; r < f->size; r++) {
            if (f->n_given[r] > f->n_given[most]) most = r;
            if (f->n_given[r] < f->n_given[least]) least = r;
        }
        size_t found = d->n_frames;
        for (size_t i = first; i < d->n_frames && !(found < d->n_frames && least < most); i++)
            if (d->frame[i].owner == most) found = i;
        if (f->n_given[most] < f->n_given[least] + 2 || found == d->n_frames) break;
        d->frame[found].owner = least;
        f->n_given[most]--, f->n_given[least]++;
        moved = true;
    }
}

/* Lines that another rank compresses go to it, in the order of pieces. */
static gifts deal_send(const rank_frames *f, const deal *d, wt_buf *box) {
    bool any = false;
    for (size_t i = 0; i < d->n_pieces; i++) {
        const piece *p = &d->piece[i];
        int owner = d->frame[p->i_frame].owner;
        any |= owner != p->from;
        if (owner != p->from && p->from == f->rank) wt_buf_add(&box[owner], f->lines.ptr + p->at, p->n);
    }
    return any ? exchange(f, box) : (gifts){0};
}

static frame *full_add(rank_frames *f, frame x) {
    WT_GROW(f->full, f->full_cap, f->n_full + 1);
    f->full[f->n_full] = x;
    return &f->full[f->n_full++];
}

/* Mine of the frames: what lies in one piece here stays there until it is compressed. */
static void deal_take(rank_frames *f, const deal *d, wt_str *from) {
    for (size_t i = 0; i < d->n_pieces; i++) {
        const piece *p = &d->piece[i];
        const plan *frame_plan = &d->frame[p->i_frame];
        bool last = i + 1 == d->n_pieces || d->piece[i + 1].i_frame != p->i_frame;
        if (frame_plan->owner != f->rank) continue;
        wt_str lines = {f->lines.ptr + p->at, p->n};
        if (p->from != f->rank) {
            lines.ptr = from[p->from].ptr;
            from[p->from].ptr += p->n, from[p->from].len -= p->n;
        }
        if (last && frame_plan->is_full && f->filling.len == 0 && p->from == f->rank) {
            full_add(f, (frame){.lines = lines});
            continue;
        }
        wt_buf_add_str(&f->filling, lines);
        if (last && frame_plan->is_full) {
            frame *x = full_add(f, (frame){.own = f->filling});
            x->lines = wt_buf_view(&x->own);
            f->filling = (wt_buf){0};
        }
    }
}

static void remember_order(rank_frames *f, const deal *d) {
    for (size_t i = 0; i < d->n_frames && d->frame[i].is_full; i++) {
        WT_GROW(f->sender, f->sender_cap, f->n_senders + 1);
        f->sender[f->n_senders++] = d->frame[i].owner;
    }
}

static void pack(void *ctx, int i) {
    frame *full = &((rank_frames *)ctx)->full[i];
    full->failed = wt_frame_pack(full->lines, &full->packed, &full->err) != 0;
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

static size_t filled_after(const rank_frames *f, const deal *d) {
    if (d->n_frames == 0 || d->frame[d->n_frames - 1].is_full) return 0;
    size_t n = d->n_frames == 1 ? f->filled : 0;
    for (size_t i = 0; i < d->n_pieces; i++)
        if (d->piece[i].i_frame == d->n_frames - 1) n += d->piece[i].n;
    return n;
}

static int deal_lines(rank_frames *f, const wt_str *lengths, wt_err *err) {
    deal d = {0};
    deal_cut(f, &d, lengths);
    deal_balance(f, &d);
    wt_buf *box = boxes_new(f);
    gifts g = deal_send(f, &d, box);
    deal_take(f, &d, g.part);
    remember_order(f, &d);
    f->filled = filled_after(f, &d);
    f->filling_owner = f->filled ? d.frame[d.n_frames - 1].owner : -1;
    int result = pack_all(f, err);
    f->lines.len = f->line_at = f->n_lines = 0;
    gifts_free(&g), boxes_free(f, box);
    free(d.frame), free(d.piece);
    return result;
}

/* ---- the verbs ---- */

int rank_frames_meet(rank_frames *f, wt_err *err) {
    if (f->alone) return 0;
    if (!f->is_zstd) return wt_cluster_agree(write_plain(f, err), err);
    wt_buf *box = boxes_new(f);
    for (int r = 0; r < f->size; r++) pack_bytes(&box[r], f->length, f->n_lines * sizeof *f->length);
    for (size_t i = 0; i < f->n_full; i++) pack_bytes(&box[f->writer], f->full[i].packed.ptr, f->full[i].packed.len);
    forget_full(f);
    gifts g = exchange(f, box);
    wt_str *lengths = wt_xcalloc((size_t)f->size, sizeof *lengths);
    for (int r = 0; r < f->size; r++) lengths[r] = unpack_bytes(&g.part[r]);
    int result = write_frames(f, g.part, err), dealt = deal_lines(f, lengths, result ? NULL : err);
    gifts_free(&g), boxes_free(f, box);
    free(lengths);
    return wt_cluster_agree(result ? result : dealt, err);
}

/* The last frame is not full. */
static int end_filling(rank_frames *f, wt_err *err) {
    if (f->filling_owner < 0) return 0;
    WT_GROW(f->sender, f->sender_cap, f->n_senders + 1);
    f->sender[f->n_senders++] = f->filling_owner;
    if (f->filling_owner == f->rank) {
        frame *x = full_add(f, (frame){.own = f->filling});
        x->lines = wt_buf_view(&x->own);
        f->filling = (wt_buf){0};
        pack(f, (int)f->n_full - 1);
        if (x->failed && err) *err = x->err;
    }
    bool failed = f->filling_owner == f->rank && f->full[f->n_full - 1].failed;
    f->filling_owner = -1, f->filled = 0;
    return failed ? -1 : 0;
}

static int commit_all(rank_frames *f, wt_str provenance, wt_err *err) {
    if (rank_frames_meet(f, err) || wt_cluster_agree(end_filling(f, err), err) || rank_frames_meet(f, err)) return -1;
    int result = f->out && provenance.len ? wt_out_provenance(f->out, provenance, err) : 0;
    if (!result && f->out) {
        result = wt_out_commit(f->out, err);
        f->out = NULL;
    }
    return wt_cluster_agree(result, err);
}

int rank_frames_commit(rank_frames *f, wt_str provenance, wt_err *err) {
    int result;
    if (f->alone) {
        result = wt_frames_commit(f->alone, provenance, err);
        f->alone = NULL;
    } else {
        result = commit_all(f, provenance, err);
    }
    rank_frames_abort(f);
    return result;
}

void rank_frames_abort(rank_frames *f) {
    if (!f) return;
    wt_frames_abort(f->alone);
    if (f->out) wt_out_abort(f->out);
    forget_full(f);
    wt_buf_free(&f->filling), wt_buf_free(&f->lines);
    free(f->length), free(f->full), free(f->sender), free(f->n_given);
    free(f);
}

/* lines.c - see lines.h. */
#include "dedup/lines.h"

#include <stdlib.h>

#include "common/doc.h"
#include "dedup/rounds.h"

enum { KIND_UNKNOWN, KIND_PLAIN, KIND_OTHER };

/* Where all ranks are between two rounds. */
typedef struct {
    lines_place at;
    uint64_t i_part, in_part;
} meeting;

struct lines {
    const wt_paths *inputs;
    uint64_t *file_bytes;       /* of each on disk, or UINT64_MAX */
    uint8_t *kind;              /* of each, as it was looked at */
    uint64_t batch_bytes, part_bytes;
    wt_in *in;
    lines_place at;
    uint64_t i_part, in_part;   /* bytes of the part so far */
    meeting met;
    uint64_t stop;              /* of in_part; UINT64_MAX: only the input ends */
};

lines *lines_new(const wt_paths *inputs, uint64_t batch_bytes, uint64_t part_bytes) {
    lines *in = wt_xcalloc(1, sizeof *in);
    *in = (lines){.inputs = inputs, .batch_bytes = batch_bytes, .part_bytes = part_bytes ? part_bytes : UINT64_MAX, .stop = UINT64_MAX};
    in->kind = wt_xcalloc(inputs->n + 1, 1);
    in->file_bytes = wt_xcalloc(inputs->n + 1, sizeof *in->file_bytes);
    for (size_t i = 0; i < inputs->n; i++) in->file_bytes[i] = (uint64_t)wt_file_bytes(inputs->path[i]);
    return in;
}

void lines_free(lines *in) {
    if (!in) return;
    wt_in_close(in->in);
    free(in->file_bytes), free(in->kind);
    free(in);
}

void lines_begin_at(lines *in, lines_place at, uint64_t i_part) {
    in->at = at, in->i_part = i_part;
    in->met = (meeting){at, i_part, 0};
}

/* The file at hand, from the place on. */
static int file_open(lines *in, wt_err *err) {
    uint64_t passed = 0;
    in->in = wt_in_open(in->inputs->path[in->at.i_file], err);
    if (!in->in) return -1;
    return in->at.byte && wt_in_stretch(in->in, in->at.byte, WT_DOC_LINE_MAX, NULL, &passed, err) < 0 ? -1 : 0;
}

static void file_close(lines *in) {
    wt_in_close(in->in);
    in->in = NULL;
    in->at = (lines_place){in->at.i_file + 1, 0};
}

/* Bytes up to where the next cut is looked for. */
static uint64_t to_cut(const lines *in) {
    uint64_t n = in->batch_bytes - in->in_part % in->batch_bytes, left = in->part_bytes - in->in_part;
    return n < left ? n : left;
}

/* Cuts of a part before those of the next one. */
static uint64_t part_cuts(const lines *in) { return (in->part_bytes - 1) / in->batch_bytes + 1; }

int lines_next(lines *in, lines_batch *b, wt_err *err) {
    uint64_t want = to_cut(in);
    b->bytes.len = b->n = b->n_bytes = b->n_too_long = 0;
    b->i_part = in->i_part, b->in_part = in->in_part;
    b->i_cut = in->i_part * part_cuts(in) + in->in_part / in->batch_bytes;
    if (in->in_part >= in->stop) return 0;
    wt_buf_reserve(&b->bytes, (want < in->batch_bytes ? want : in->batch_bytes) + (64 << 10));
    while (b->n_bytes < want && in->at.i_file < in->inputs->n) {
        if (!in->in && file_open(in, err)) return -1;
        uint64_t before = b->n_bytes;
        int got = wt_in_stretch(in->in, want - b->n_bytes, WT_DOC_LINE_MAX, &b->bytes, &b->n_bytes, err);
        if (got < 0) return -1;
        in->at.byte += b->n_bytes - before;
        if (got == 0) file_close(in);
    }
    in->in_part += b->n_bytes;
    b->ends_part = in->in_part >= in->part_bytes;
    if (b->ends_part) in->in_part = 0, in->i_part++;
    if (b->ends_part && in->stop < UINT64_MAX) in->stop = 0;
    b->after = in->at;
    return b->n_bytes > 0;
}

/* ---- several ranks ---- */

static bool file_is_plain(lines *in, size_t i) {
    if (in->kind[i] == KIND_UNKNOWN) {
        wt_in *look = wt_in_open(in->inputs->path[i], NULL);
        in->kind[i] = look && wt_in_is_plain(look) ? KIND_PLAIN : KIND_OTHER;
        wt_in_close(look);
    }
    return in->kind[i] == KIND_PLAIN;
}

uint64_t lines_ahead(lines *in) {
    uint64_t left = 0, end = in->met.in_part;
    lines_place at = in->met.at;
    bool half = at.i_file < in->inputs->n && at.byte > 0;
    if (half && in->file_bytes[at.i_file] < UINT64_MAX && !file_is_plain(in, at.i_file)) left = UINT64_MAX;
    for (size_t i = at.i_file; i < in->inputs->n && left < UINT64_MAX; i++)
        left = in->file_bytes[i] > UINT64_MAX - left ? UINT64_MAX : left + in->file_bytes[i];
    if (left < UINT64_MAX) left = left > at.byte ? left - at.byte : 0;
    end = left > in->part_bytes - end ? in->part_bytes : end + left;
    uint64_t cuts = end ? (end - 1) / in->batch_bytes + 1 : 1, passed = in->met.in_part / in->batch_bytes;
    return cuts > passed ? cuts - passed : 1;
}

/* From wherever this rank is to the meeting's place, and n bytes behind it to the end of the line there, in one go: a frame of
 * zstd that lies between is not decoded. */
static int go_behind(lines *in, uint64_t n, wt_err *err) {
    if (in->at.i_file != in->met.at.i_file || in->at.byte > in->met.at.byte || !in->in) {
        wt_in_close(in->in);
        in->in = NULL;
        in->at = (lines_place){in->met.at.i_file, 0};
    }
    uint64_t between = in->met.at.byte - in->at.byte, want = between + n, passed = 0;
    while (passed < want && in->at.i_file < in->inputs->n) {
        uint64_t before = passed;
        if (!in->in && !(in->in = wt_in_open(in->inputs->path[in->at.i_file], err))) return -1;
        int got = wt_in_stretch(in->in, want - passed, WT_DOC_LINE_MAX, NULL, &passed, err);
        if (got < 0) return -1;
        in->at.byte += passed - before;
        if (got == 0) file_close(in);
    }
    if (passed < between)
        return wt_fail(err, WT_EDATA, "'%s' ends before byte %llu, which was read before", in->inputs->path[in->met.at.i_file],
                       (unsigned long long)in->met.at.byte);
    in->i_part = in->met.i_part;
    in->in_part = in->met.in_part + passed - between;
    return 0;
}

int lines_go(lines *in, uint64_t from, uint64_t to, wt_err *err) {
    uint64_t base = in->met.in_part / in->batch_bytes, behind = from ? (base + from) * in->batch_bytes - in->met.in_part : 0;
    in->stop = 0;
    if (from == to || in->at.i_file == in->inputs->n) return 0;
    if (go_behind(in, behind, err)) return -1;
    in->stop = (base + to) * in->batch_bytes < in->part_bytes ? (base + to) * in->batch_bytes : in->part_bytes;
    return 0;
}

int lines_meet(lines *in, const lines_batch *b, wt_err *err) {
    if (b->i_part != in->met.i_part || b->in_part != in->met.in_part)
        return wt_fail(err, WT_EDATA, "ranks disagree about the input near '%s', byte %llu: it is damaged, or was changed meanwhile",
                       in->inputs->path[in->met.at.i_file < in->inputs->n ? in->met.at.i_file : in->inputs->n - 1], (unsigned long long)in->met.at.byte);
    in->met.at = b->after;
    in->met.in_part += b->n_bytes;
    if (b->ends_part) in->met.in_part = 0, in->met.i_part++;
    return 0;
}

typedef struct {
    uint64_t n_bytes, in_part, i_part, i_cut, ends_part;
    lines_place after;
} packed_batch;

void lines_pack(const lines_batch *b, wt_buf *bytes) {
    packed_batch p = {b->n_bytes, b->in_part, b->i_part, b->i_cut, b->ends_part, b->after};
    pack_bytes(bytes, &p, sizeof p);
}

void lines_unpack(lines_batch *b, wt_str *bytes) {
    packed_batch p;
    memcpy(&p, unpack_bytes(bytes).ptr, sizeof p);
    b->bytes.len = b->n = 0;
    b->n_bytes = p.n_bytes, b->in_part = p.in_part, b->i_part = p.i_part, b->i_cut = p.i_cut;
    b->ends_part = p.ends_part, b->after = p.after;
}

void lines_split(lines_batch *b) {
    const char *p = b->bytes.ptr, *end = p + b->bytes.len;
    for (const char *stop; p < end; p = stop + 1) {
        stop = memchr(p, '\n', (size_t)(end - p));    /* is there: a stretch ends with one */
        wt_str line = {p, (size_t)(stop - p)};
        if (line.len > WT_DOC_LINE_MAX) {
            b->n_too_long++;
            continue;
        }
        bool tight = line.len > 0 && (uint8_t)p[0] > ' ' && (uint8_t)stop[-1] > ' ';
        if (!tight) line = wt_str_trim(line);
        if (line.len == 0) continue;
        WT_GROW(b->line, b->cap, b->n + 1);
        b->line[b->n++] = line;
    }
}

uint64_t lines_bytes(const lines_batch *b, size_t n) {
    if (n == b->n) return b->n_bytes;
    return n ? (uint64_t)(b->line[n - 1].ptr + b->line[n - 1].len + 1 - b->bytes.ptr) : 0;
}

void lines_batch_free(lines_batch *b) {
    wt_buf_free(&b->bytes);
    free(b->line);
    *b = (lines_batch){0};
}

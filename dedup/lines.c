/* lines.c - see lines.h. */
#include "dedup/lines.h"

#include <stdlib.h>

#include "common/doc.h"

struct lines {
    const wt_paths *inputs;
    uint64_t *file_bytes;       /* of each on disk, or UINT64_MAX */
    uint64_t batch_bytes, part_bytes;
    wt_in *in;
    bool is_plain;              /* what `in` reads */
    lines_place at;
    uint64_t i_part, in_part;   /* bytes of the part so far */
};

lines *lines_new(const wt_paths *inputs, uint64_t batch_bytes, uint64_t part_bytes) {
    lines *in = wt_xcalloc(1, sizeof *in);
    *in = (lines){.inputs = inputs, .batch_bytes = batch_bytes, .part_bytes = part_bytes ? part_bytes : UINT64_MAX};
    in->file_bytes = wt_xcalloc(inputs->n + 1, sizeof *in->file_bytes);
    for (size_t i = 0; i < inputs->n; i++) in->file_bytes[i] = (uint64_t)wt_file_bytes(inputs->path[i]);
    return in;
}

void lines_free(lines *in) {
    if (!in) return;
    wt_in_close(in->in);
    free(in->file_bytes);
    free(in);
}

void lines_begin_at(lines *in, lines_place at, uint64_t i_part) { in->at = at, in->i_part = i_part; }

/* The file at hand, from the place on. */
static int file_open(lines *in, wt_err *err) {
    uint64_t passed = 0;
    in->in = wt_in_open(in->inputs->path[in->at.i_file], err);
    if (!in->in) return -1;
    in->is_plain = wt_in_is_plain(in->in);
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

int lines_next(lines *in, lines_batch *b, bool mine, wt_err *err) {
    uint64_t want = to_cut(in);
    b->bytes.len = b->n = b->n_bytes = b->n_too_long = 0;
    b->i_part = in->i_part;
    if (mine) wt_buf_reserve(&b->bytes, (want < in->batch_bytes ? want : in->batch_bytes) + (64 << 10));
    while (b->n_bytes < want && in->at.i_file < in->inputs->n) {
        if (!in->in && file_open(in, err)) return -1;
        uint64_t before = b->n_bytes;
        int got = wt_in_stretch(in->in, want - b->n_bytes, WT_DOC_LINE_MAX, mine ? &b->bytes : NULL, &b->n_bytes, err);
        if (got < 0) return -1;
        in->at.byte += b->n_bytes - before;
        if (got == 0) file_close(in);
    }
    in->in_part += b->n_bytes;
    b->ends_part = in->in_part >= in->part_bytes;
    if (b->ends_part) in->in_part = 0, in->i_part++;
    b->after = in->at;
    return b->n_bytes > 0;
}

uint64_t lines_ahead(const lines *in) {
    uint64_t left = 0;
    if (in->in && !in->is_plain) left = UINT64_MAX;
    for (size_t i = in->at.i_file; i < in->inputs->n && left < UINT64_MAX; i++)
        left = in->file_bytes[i] > UINT64_MAX - left ? UINT64_MAX : left + in->file_bytes[i];
    if (left < UINT64_MAX) left = left > in->at.byte ? left - in->at.byte : 0;
    if (left > in->part_bytes - in->in_part) left = in->part_bytes - in->in_part;
    return left ? (left - 1) / in->batch_bytes + 1 : 1;
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

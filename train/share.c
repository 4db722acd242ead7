/* share.c - see share.h. Spans hold about 4 M numbers (16 MiB), so that buffers for what is on its way stay
 * small and the first of a layer travel while its last are summed. */
#include "train/share.h"

#include <stdlib.h>

enum { SPAN_NUMBERS = 4 << 20 };

static size_t blocks_of(uint32_t n) { return (n + SHARE_BLOCK - 1) / SHARE_BLOCK; }

/* Tensors follow each other in the layout, so pieces do, too. */
static void cut_pieces(share_map *s, const gpt *m) {
    size_t cap = 0;
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        size_t n = (size_t)t.rows * (size_t)t.cols;
        for (size_t at = 0; at < n; at += SHARE_PIECE) {
            WT_GROW(s->pieces, cap, s->n_pieces + 1);
            s->pieces[s->n_pieces++] = (share_piece){t.offset + at, (uint32_t)(n - at < SHARE_PIECE ? n - at : SHARE_PIECE), i, t.layer, t.decays, SHARE_NONE, SHARE_NONE};
        }
    }
}

static void join_spans(share_map *s, const gpt *m, bool whole_matrices) {
    size_t cap = 0;
    share_span *span = NULL;
    for (size_t p = 0; p < s->n_pieces; p++) {
        const share_piece *piece = &s->pieces[p];
        bool whole = whole_matrices && piece->layer >= 0 && gpt_tensor_describe(m, piece->tensor).rows > 1;
        bool joins = span && span->part == piece->layer && span->tensor == (whole ? piece->tensor : -1) && (whole || piece->at - span->begin < SPAN_NUMBERS);
        if (!joins) {
            WT_GROW(s->spans, cap, s->n_spans + 1);
            span = &s->spans[s->n_spans++];
            *span = (share_span){.part = piece->layer, .begin = p ? piece->at : 0, .first = p, .tensor = whole ? piece->tensor : -1};
            if (p) span[-1].end = piece->at;
        }
        span->last = p + 1;
    }
    span->end = m->at.total_floats;
}

/* The rank with the least work so far takes a whole matrix; others are cut into equal runs of pieces. */
static void cut_span(share_map *s, size_t i, size_t *load) {
    const share_span *span = &s->spans[i];
    size_t *cuts = s->cuts + i * (size_t)(s->ranks + 1), p = span->first;
    int owner = 0;
    for (int r = 1; r < s->ranks; r++)
        if (load[r] < load[owner]) owner = r;
    if (span->tensor >= 0) load[owner] += span->end - span->begin;
    for (int r = 0; r <= s->ranks; r++) {
        if (span->tensor >= 0) {
            cuts[r] = r <= owner ? span->begin : span->end;
            continue;
        }
        size_t want = span->begin + (span->end - span->begin) * (size_t)r / (size_t)s->ranks;
        while (p < span->last && s->pieces[p].at < want) p++;
        cuts[r] = r == 0 ? span->begin : p < span->last ? s->pieces[p].at : span->end;
    }
}

static void place_own(share_map *s) {
    for (size_t i = 0; i < s->n_spans; i++) {
        const size_t *cuts = share_cuts(s, i);
        size_t from = cuts[s->rank], to = cuts[s->rank + 1];
        for (size_t p = s->spans[i].first; p < s->spans[i].last; p++) {
            share_piece *piece = &s->pieces[p];
            if (piece->at < from || piece->at >= to) continue;
            piece->local = s->numbers + piece->at - from, piece->block = s->blocks;
            s->blocks += blocks_of(piece->n);
        }
        s->numbers += to - from;
    }
}

void share_init(share_map *s, const gpt_shape *shape, int rank, int ranks, bool whole_matrices) {
    gpt m = {.shape = *shape, .at = gpt_layout_of(shape)};     /* only to name tensors */
    *s = (share_map){.rank = rank, .ranks = ranks > 1 ? ranks : 1};
    cut_pieces(s, &m);
    join_spans(s, &m, whole_matrices);
    s->cuts = wt_xcalloc(s->n_spans * (size_t)(s->ranks + 1), sizeof *s->cuts);
    size_t *load = wt_xcalloc((size_t)s->ranks, sizeof *load);
    for (size_t i = 0; i < s->n_spans; i++) cut_span(s, i, load);
    free(load);
    place_own(s);
}

void share_reset(share_map *s) {
    free(s->pieces), free(s->spans), free(s->cuts);
    *s = (share_map){0};
}

size_t share_blocks(const share_map *s, size_t span, int rank) {
    const size_t *cuts = share_cuts(s, span);
    size_t n = 0;
    for (size_t p = s->spans[span].first; p < s->spans[span].last; p++)
        if (s->pieces[p].at >= cuts[rank] && s->pieces[p].at < cuts[rank + 1]) n += blocks_of(s->pieces[p].n);
    return n;
}

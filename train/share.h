/* share.h - the parameters cut into pieces, spans and shares. A piece is at most 32,768 numbers of one tensor:
 * what one thread takes. A span is a run of pieces of one part (a layer, or what is outside of them) that ranks
 * reduce, update and gather at once; each rank owns a run of its pieces, or one rank all of them. Moments are kept
 * by owners only (ZeRO-1, Rajbhandari et al. 2020). Pieces, their blocks and their noise do not depend on the
 * number of ranks, so an update gives the same bits whoever makes it.
 * Positions are numbers in the layout of the weights. */
#ifndef WT_TRAIN_SHARE_H
#define WT_TRAIN_SHARE_H

#include "train/model.h"

enum { SHARE_PIECE = 1 << 15, SHARE_BLOCK = 256 };   /* a block: numbers with one scale, moments of 8 bits */
#define SHARE_NONE SIZE_MAX

typedef struct {
    size_t at;
    uint32_t n;
    int tensor, layer;            /* layer -1: outside of them */
    bool decays;
    size_t local, block;          /* place in the owner's moments; SHARE_NONE: another rank's */
} share_piece;

typedef struct {
    int part;
    size_t begin, end;            /* with the padding behind tensors */
    size_t first, last;           /* pieces [first, last) */
    int tensor;                   /* a matrix that one rank owns whole; -1: cut between ranks */
} share_span;

typedef struct {
    int rank, ranks;
    share_piece *pieces;
    share_span *spans;
    size_t n_pieces, n_spans;
    size_t *cuts;                 /* (n_spans, ranks + 1): rank r owns [cuts[r], cuts[r + 1]) of a span */
    size_t numbers, blocks;       /* this rank's */
} share_map;

/* whole_matrices: layers' matrices are owned whole (Muon). */
void share_init(share_map *s, const gpt_shape *shape, int rank, int ranks, bool whole_matrices);
void share_reset(share_map *s);
static inline const size_t *share_cuts(const share_map *s, size_t span) { return s->cuts + span * (size_t)(s->ranks + 1); }
/* Blocks of the pieces that a rank owns in a span. */
size_t share_blocks(const share_map *s, size_t span, int rank);

#endif

/* optim.h - AdamW (Loshchilov, Hutter 2019) and Muon (Jordan et al. 2024; matrices by Muon, the rest
 * by AdamW) over the parts of a gpt. Moments lie in the order of the weights: in fp32; in bfloat16 with stochastic
 * rounding; or in 8 bits, as the fourth root of their share of a power of two that a block of 256 has in common
 * (after Dettmers et al. 2021), with stochastic rounding. With several ranks each keeps and updates its share.
 * Results do not depend on threads, nor on ranks where the gradients are the same. */
#ifndef WT_TRAIN_OPTIM_H
#define WT_TRAIN_OPTIM_H

#include "train/model.h"
#include "train/share.h"

typedef enum { OPTIM_ADAMW, OPTIM_MUON } optim_kind;

typedef enum { MOMENTS_INT8 = 1, MOMENTS_BF16 = 2, MOMENTS_FP32 = 4 } optim_moments;   /* bytes of a number */

typedef struct {
    optim_kind kind;
    optim_moments moments;        /* Muon: fp32 */
    int rank, ranks;              /* whose share is kept and updated; ranks 0 or 1: everything */
    double beta1, beta2, epsilon, weight_decay;
    double muon_momentum;
    bool borrows;                 /* Muon's matrices lie in the memory of the passes, which is reserved: updates are made between passes */
    double embed_scale;           /* the token embedding's (and head's) rate, in learning rates; 0: 1 */
} optim_settings;

/* One kind of moment of this rank's share. */
typedef struct {
    void *numbers;
    float *scales;                /* of the blocks, 8 bits only */
    size_t bytes, scale_bytes;
} optim_moment;

typedef struct {
    gpt *m;
    optim_settings set;
    share_map share;
    optim_moment mean, var;
    float *work;                  /* Muon's temporaries; NULL: borrowed */
} optimizer;

int optimizer_init(optimizer *o, gpt *m, const optim_settings *set, wt_err *err);
void optimizer_reset(optimizer *o);
size_t optimizer_bytes(const gpt_shape *shape, const optim_settings *set);
size_t optimizer_work_bytes(const gpt_shape *shape);     /* of Muon's matrices, which optimizer_bytes counts where they are not borrowed */

typedef struct {
    uint64_t step;                /* 1 for the first: bias correction, noise */
    double learning_rate, beta2;
    double grad_scale;            /* clipping */
} optim_step;
/* A step's numbers for AdamW. */
typedef struct {
    uint64_t step;
    adamw_scalars vectors, matrices, embedding;
} optim_rates;
optim_rates optimizer_rates(const optimizer *o, const optim_step *step);
/* Updates n numbers of a piece of this rank, from a multiple of SHARE_BLOCK on; not Muon's. */
void optimizer_update_piece(const optimizer *o, const optim_rates *rates, const share_piece *piece, size_t from, size_t n);
/* What that reads: weights, gradients and both moments. */
void optimizer_piece_memory(const optimizer *o, const share_piece *piece, size_t from, size_t n, gemm_ahead *ahead);
/* Updates a part from its gradients: layer l, -1: what is outside of the layers. All parts are updated between
 * two passes: the next pass overwrites the gradients instead of adding to them. */
void optimizer_update(optimizer *o, int part, const optim_step *step);
void optimizer_update_span(optimizer *o, size_t span, const optim_step *step);
/* Sum of squared gradients of a part, as far as this rank owns it, always added in the same order. */
double optimizer_grad_squares(const optimizer *o, int part);

#endif

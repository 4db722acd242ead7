/* optim.h - AdamW (Loshchilov, Hutter 2019) and Muon (Jordan et al. 2024; matrices by Muon, the rest
 * by AdamW) over the parts of a gpt. Moments lie in the layout of the weights, in fp32 or in
 * bfloat16 with stochastic rounding. Results do not depend on threads. */
#ifndef WT_TRAIN_OPTIM_H
#define WT_TRAIN_OPTIM_H

#include "train/model.h"

typedef enum { OPTIM_ADAMW, OPTIM_MUON } optim_kind;

typedef struct {
    optim_kind kind;
    bool bf16;                    /* moments of 16 bits */
    double beta1, beta2, epsilon, weight_decay;
    double muon_momentum;
} optim_settings;

typedef struct {
    gpt *m;
    optim_settings set;
    void *mean, *var;             /* total_floats numbers each */
    size_t moment_bytes;          /* of each */
    float *work;                  /* Muon's temporaries */
    size_t work_bytes;
} optimizer;

int optimizer_init(optimizer *o, gpt *m, const optim_settings *set, wt_err *err);
void optimizer_reset(optimizer *o);
size_t optimizer_bytes(const gpt_shape *shape, const optim_settings *set);

typedef struct {
    uint64_t step;                /* 1 for the first: bias correction, noise */
    double learning_rate, beta2;
    double grad_scale;            /* clipping */
} optim_step;
/* Updates a part from its gradients: layer l, -1: what is outside of the layers. All parts are updated between
 * two passes: the next pass overwrites the gradients instead of adding to them. */
void optimizer_update(optimizer *o, int part, const optim_step *step);
/* Sum of squared gradients of a part, always added in the same order. */
double optimizer_grad_squares(const gpt *m, int part);

#endif

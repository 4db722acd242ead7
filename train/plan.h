/* plan.h - how a run will fit: bytes by part, operations, and the mode that a memory limit asks for. */
#ifndef WT_TRAIN_PLAN_H
#define WT_TRAIN_PLAN_H

#include "train/optim.h"

typedef struct {
    int again;                    /* layers that are computed again instead of keeping their activations */
    optim_moments moments;
    bool borrows;                 /* Muon works in the activations' memory */
    bool fused;                   /* update each layer as soon as its gradients are there */
    int micro_batch;              /* windows of one pass */
    uint64_t weight_bytes, gradient_bytes, moment_bytes, activation_bytes, panel_bytes, exchange_bytes, total;
    double flops_token;
} train_plan;

/* What is asked of a plan. */
typedef struct {
    int T, micro_batch, windows;  /* windows: of one optimizer step, on this rank */
    bool muon;
    int threads, ranks;
    bool apart;                   /* ranks train apart and exchange weights now and then */
    uint64_t limit;               /* bytes */
    bool inexact;                 /* modes that change the arithmetic may be chosen (small moments, fused update) */
    int recompute, fused;         /* 1 on, 0 off, -1 as needed */
    int moments;                  /* an optim_moments; 0: as needed */
} plan_request;

/* Bytes of one mode. */
void plan_count(train_plan *plan, const gpt_shape *shape, const plan_request *want);
/* The first mode that fits into the limit, from the fastest to the smallest. WT_ENOMEM tells what is needed and the
 * nearest configuration that fits; WT_EARG: what is asked for does not go together. */
int plan_choose(train_plan *plan, const gpt_shape *shape, const plan_request *want, wt_err *err);
/* tokens: of the whole run; gflops: measured rate of the matrix product, 0: unknown. */
void plan_print(const train_plan *plan, const gpt_shape *shape, int T, uint64_t tokens, double gflops);

#endif

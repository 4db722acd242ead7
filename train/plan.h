/* plan.h - how a run will fit: bytes by part, operations, and the mode that a memory limit asks for. */
#ifndef WT_TRAIN_PLAN_H
#define WT_TRAIN_PLAN_H

#include "train/optim.h"

typedef struct {
    gpt_keep keep;                /* recompute layers or keep their activations */
    bool bf16;                    /* moments */
    bool fused;                   /* update each layer as soon as its gradients are there */
    int micro_batch;              /* windows of one pass */
    uint64_t weights, gradients, moments, activations, panels, total;   /* bytes */
    double flops_token;
} train_plan;

/* Bytes of one mode. */
void plan_count(train_plan *plan, const gpt_shape *shape, int T, bool muon, int threads);
/* The first mode that fits into `limit` bytes, from the fastest to the smallest; modes that change
 * the arithmetic (bf16 moments, fused update) only if inexact is set. windows: of one optimizer step.
 * WT_ENOMEM tells what is needed and the nearest configuration that fits. */
int plan_choose(train_plan *plan, const gpt_shape *shape, int T, int micro_batch, int windows, bool muon, int threads,
                uint64_t limit, bool inexact, int recompute /* -1 auto, 0 off, 1 on */, wt_err *err);
void plan_print(const train_plan *plan, const gpt_shape *shape, int T, double gflops);

#endif

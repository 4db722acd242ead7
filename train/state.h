/* state.h - what a run remembers besides the weights: state.wtts in a checkpoint
 * (docs/formats/train.md). Checked whole before anything is used. */
#ifndef WT_TRAIN_STATE_H
#define WT_TRAIN_STATE_H

#include "train/optim.h"

typedef struct {
    uint64_t step, samples, tokens;     /* optimizer steps; windows and tokens consumed */
    double loss_smooth, best_loss, rate_scale, previous_norm;
    uint64_t best_step, skipped, rollbacks, skipped_in_row;
    uint64_t weights_hash;
    bool unproven;                      /* rolled back, and no checkpoint after a good step since */
    uint8_t dataset[32];                /* fingerprint of the training split */
} train_state;

int state_save(const char *path, const train_state *state, const optimizer *o, wt_err *err);
int state_load(const char *path, train_state *state, optimizer *o, wt_err *err);
uint64_t state_hash_weights(const gpt *m);

#endif

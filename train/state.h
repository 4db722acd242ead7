/* state.h - what a run remembers besides the weights: state.wtts in a checkpoint, and rank-NNNN.wtts and outer.wtts
 * where ranks train apart (docs/formats/train.md). Checked whole before anything is used. The bytes do not depend on
 * the number of ranks: owners hand in their shares, and take them. */
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

/* Collective where the optimizer is shared by ranks: rank 0 writes, all read. weights: the model's follow the moments
 * (of a rank that trains apart). */
int state_save(const char *path, const train_state *state, const optimizer *o, bool weights, wt_err *err);
int state_load(const char *path, train_state *state, optimizer *o, bool weights, wt_err *err);
uint64_t state_hash_weights(const gpt *m);

/* Two arrays of floats that are shared by ranks: weights at the last exchange, momentum (outer.wtts). */
int state_save_outer(const char *path, const share_map *share, float *weights, float *momentum, uint64_t step, wt_err *err);
int state_load_outer(const char *path, const share_map *share, float *weights, float *momentum, uint64_t *step, wt_err *err);

#endif

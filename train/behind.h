/* behind.h - a step's update, made while the next step's forward pass computes. AdamW reads 16 bytes a parameter and
 * writes 12, about as long as a tenth of a step of 256 tokens takes, and nothing else can be done with gradients before
 * their norm is known. So the update waits: what the next pass needs first is updated at once, and while the products of
 * a layer run, their threads fetch and update the next layer's weights and some of the embedding's, a chunk at a time.
 * Each number is updated once, from the same numbers as without: the bits are the same.
 * One process; not for layer-by-layer updates, which are made while gradients are in the cache. */
#ifndef WT_TRAIN_BEHIND_H
#define WT_TRAIN_BEHIND_H

#include "train/optim.h"

typedef struct behind behind;

behind *behind_new(optimizer *o);
void behind_free(behind *b);
/* Instead of optimizer_update for every part. Weights are whole again, and may be read, after behind_finish(), or as the
 * pass asks for them. */
void behind_update(behind *b, const optim_step *step);
/* To be called as gpt_pass's part_wanted asks, with the pass. */
void behind_wanted(behind *b, const gpt_pass *pass, int part);
void behind_finish(behind *b);

#endif

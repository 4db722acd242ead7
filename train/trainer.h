/* trainer.h - a training run: shards in, run/ out. run/ holds log.jsonl and checkpoints step-NNNNNNNN/
 * (Hugging Face directories with state.wtts beside the weights), and the links `latest` and `best`.
 * A run that was stopped or killed goes on from `latest`, bit for bit as if nothing had happened. */
#ifndef WT_TRAIN_TRAINER_H
#define WT_TRAIN_TRAINER_H

#include "train/train.h"

typedef enum { TRAIN_OPTIMIZER_AUTO, TRAIN_ADAMW, TRAIN_MUON } train_optimizer;
typedef enum { TRAIN_COSINE, TRAIN_WSD, TRAIN_LINEAR } train_schedule;
typedef enum { TRAIN_RECOMPUTE_AUTO, TRAIN_RECOMPUTE_ON, TRAIN_RECOMPUTE_OFF } train_recompute;

typedef enum { TRAIN_UPDATE_AUTO, TRAIN_UPDATE_WHOLE, TRAIN_UPDATE_LAYERS } train_update;

typedef struct {
    const char *shards, *output;
    const char *model;              /* name or LxCxH; not used with init_from */
    const char *init_from;          /* Hugging Face directory, or NULL */
    int seq_len;
    uint64_t batch_tokens;          /* of one optimizer step; 0: by the width */
    uint64_t micro_batch;           /* windows of one pass; 0: chosen */
    uint64_t steps, tokens;         /* length of the run: one of them, or */
    double epochs;                  /* passes over the data */
    double learning_rate;           /* 0: by the model's size */
    double final_rate;              /* share of learning_rate at the end */
    train_schedule schedule;
    double cooldown;                /* wsd: share of the run */
    double warmup;                  /* steps; below 0: chosen */
    uint64_t ramp_tokens;           /* the batch grows from an eighth over so many tokens; 0: no */
    train_optimizer optimizer;      /* auto: Muon for a new model where its moments fit */
    double embed_rate;              /* of the token embedding, which is the head as well; 0: chosen */
    double weight_decay, beta1, beta2;   /* beta2 0: by its half-life */
    uint64_t beta2_half_life;       /* tokens; 0: chosen */
    double grad_clip;               /* 0: none */
    train_recompute recompute;
    train_update update;            /* layers: each as soon as its gradients are there, clipped by the norm before */
    int moments;                    /* bytes of one: 4, 2 or 1; 0: 4, or less where memory asks for it */
    uint64_t memory;                /* bytes; 0: what is free, and exact arithmetic only */
    bool plan_only;
    bool document_mask, document_rows;
    uint64_t eval_every, eval_tokens, save_every, sample_every, log_every;
    int keep;                       /* checkpoints that stay besides the best; 0: all */
    uint64_t sample_tokens;
    uint64_t seed;
    int threads;
    uint64_t sync_every;            /* several ranks: steps each takes alone (DiLoCo); 0: all steps together */
    double outer_rate, outer_momentum;
    bool force;
} train_options;

train_options train_defaults(void);
/* Runs to the end, or to a stop signal (WT_ESTOP, saved). */
int train_run(const train_options *options, wt_err *err);

#endif

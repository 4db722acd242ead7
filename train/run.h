/* run.h - the inside of a training run, shared by trainer.c (options, plan, loop), run_step.c (one optimizer
 * step), run_files.c (checkpoints, log) and run_watch.c (validation, samples, what is logged). */
#ifndef WT_TRAIN_RUN_H
#define WT_TRAIN_RUN_H

#include <stdio.h>

#include "bpe/bpe.h"
#include "shard/shard.h"
#include "train/behind.h"
#include "train/plan.h"
#include "train/ranks.h"
#include "train/state.h"
#include "train/trainer.h"

typedef struct {
    train_options o;
    gpt_shape shape;
    gpt *m;
    optimizer opt;
    behind *behind;                /* updates that wait for the next pass; NULL: none do */
    train_plan plan;
    exchange x;                    /* gradients and weights on their way between ranks */
    outer_state outer;             /* --sync diloco */
    train_state at;
    shard_set *data, *val;
    shard_loader *feed, *val_feed;
    bpe_model *tokens_of_text;
    char *tokenizer_dir, *log_path;
    FILE *log;
    uint64_t windows, total_samples, warmup_samples, ramp_samples;   /* of a full step; of the run */
    double beta2_half_life;
    double gflops;                 /* what the matrix product reaches on this machine */
    uint32_t *inputs, *targets, *window;
    int32_t *key_start;
    bool muon;                     /* the optimizer that was chosen */
    double last_loss, last_norm, last_rate;
    double step_cpu;               /* CPU seconds of the last step, all threads, this rank */
    double squares;                /* of the gradients so far, fused updates */
    bool bad_part, updated;        /* updated: the last step was sound and changed the weights */
    const optim_step *fused_step;
    bool last_pass, idle;          /* idle: the last step had no window for this rank */
    uint64_t sent_bytes;           /* to other ranks, when the line of the log before was written */
    double waited_s;               /* for other ranks, since then */
} run;

/* Ranks take their own steps and meet every sync_every of them. */
static inline bool run_apart(const run *r) { return r->o.sync_every > 0; }

/* ---- run_files.c ---- */
char *run_path(const run *r, const char *name);      /* free() it */
int run_save(run *r, wt_err *err);
int run_load(run *r, wt_err *err);                   /* from run/latest */
/* Takes the checkpoint behind `latest` away, for its weights give no finite loss; `latest` becomes the one before. */
int run_discard_latest(const run *r, wt_err *err);
int run_open_log(run *r, wt_err *err);
/* Writes a line, which has no end yet, and frees it. */
int run_log_line(run *r, wt_buf *line, wt_err *err);

/* ---- run_step.c ---- */
/* Windows first, first + 1, ... as inputs, targets and, if asked, each token's first visible key. */
int run_read_windows(run *r, shard_loader *feed, shard_set *set, uint64_t first, int n, wt_err *err);
int run_step(run *r, wt_err *err);
/* Whether the weights give a loss that is finite and not far above guessing, on every rank: what is saved must. 1, 0, -1 on failure. */
int run_is_sound(run *r, wt_err *err);
/* Fails with what a person needs to know of a run that diverged, and the ways out. */
int run_diverged(const run *r, const char *what, wt_err *err);

/* ---- run_watch.c ---- */
/* What is due after a step besides the checkpoint: log, validation, sample. */
int run_watch(run *r, double seconds, double share, double rate, bool last, wt_err *err);
static inline bool run_every(uint64_t step, uint64_t n, bool last) { return n && (step % n == 0 || last); }

#endif

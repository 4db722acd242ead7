/* train.h - GPT-2 on CPUs: make or load a model, train it, score text with it, sample from it.
 *
 * A model is a gpt: its shape and its weights in fp32. It lives on disk as a Hugging Face directory
 * (config.json, model.safetensors, tokenizer files) that `transformers` opens as it is.
 *     gpt *model = gpt_load("run/latest", 2, &err);             two threads
 *     gpt_score(model, tokens, 1, T, targets, logprob, NULL, &err);
 *     gpt_free(model);
 * Ids are uint32_t below gpt_shape.vocab; every verb checks them (WT_EARG). A model may be used by
 * one caller at a time: it runs its own OpenMP team inside and keeps its scratch memory.
 * Letters: B batch, T time (tokens), C channels (n_embd), V vocabulary, L layers, H heads. */
#ifndef WT_TRAIN_H
#define WT_TRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/rng.h"
#include "common/str.h"

/* ---- shape ---- */
typedef struct {
    int n_layer, n_head, n_embd;  /* L, H, C; C is a multiple of H */
    int n_ctx;                    /* longest context, tokens */
    int vocab;                    /* V */
    float ln_eps;                 /* 1e-5 in all GPT-2s */
    int eot;                      /* id of <|endoftext|>; -1: none known */
} gpt_shape;

/* "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl" (the paper's four sizes) or "LxCxH" ("4x128x4").
 * Fills L, H, C; sets ln_eps; leaves the rest. WT_EARG for other words. */
int gpt_shape_named(const char *name, gpt_shape *shape, wt_err *err);
uint64_t gpt_shape_params(const gpt_shape *shape);    /* as the paper counts: no padding, tied head */
/* Floating point operations of a forward and backward pass for one token at length T. */
double gpt_shape_flops(const gpt_shape *shape, int T);

/* ---- models ---- */
typedef struct gpt gpt;

/* Random weights as GPT-2's: normal(0, 0.02), projections into the residual stream / sqrt(2 L),
 * biases 0, norms 1. The same seed gives the same weights on every machine.
 * threads: the OpenMP team all verbs of this model run on (below 1: all cores). */
gpt *gpt_new(const gpt_shape *shape, uint64_t seed, int threads, wt_err *err);
/* From a Hugging Face GPT-2 directory: F32, F16 or BF16 safetensors (one file or shards with their
 * index), names with or without "transformer.". WT_EDATA names the file and what is wrong. A run
 * folder stands for its latest checkpoint. */
gpt *gpt_load(const char *dir, int threads, wt_err *err);
void gpt_free(gpt *model);
const gpt_shape *gpt_shape_of(const gpt *model);
const char *gpt_dir_of(const gpt *model);             /* where it was loaded from; NULL: nowhere */
/* Writes config.json, generation_config.json, model.safetensors into dir, and the tokenizer files
 * found in tokenizer_dir (NULL: none). Each file appears whole or not at all. */
int gpt_save(const gpt *model, const char *dir, const char *tokenizer_dir, wt_err *err);
/* GGUF v3, architecture gpt2, F32, with the tokenizer of tokenizer_dir (vocab.json, merges.txt). */
int gpt_export_gguf(const gpt *model, const char *path, const char *tokenizer_dir, wt_err *err);

/* One named tensor of the model, in the checkpoint's shape: "h.0.attn.c_attn.weight" is (C, 3C). */
typedef struct {
    const char *name;             /* without "transformer." */
    int rows, cols;               /* vectors: rows = 1 */
    float *data;                  /* borrowed */
} gpt_tensor;
int gpt_tensor_count(const gpt *model);
gpt_tensor gpt_tensor_at(const gpt *model, int i);

/* OpenMP's threads wait by spinning, about 40 ms with libgomp, which on a busy machine takes the
 * cores from those that work. libgomp reads how long before main begins; so this, called first thing
 * in main, starts the program again with a short spin, unless the environment already says how. */
void gpt_threads_calm(char **argv);

/* ---- scoring whole windows ---- */
/* For B windows of T tokens (T <= n_ctx) in one pass:
 *   tokens     (B,T)
 *   targets    (B,T)  the id whose log-probability is asked at each position; GPT_IGNORE: none
 *   logprob    (B,T)  natural log of p(targets[b,t] | tokens[b,0..t]); 0 where ignored; NULL: not asked
 *   best       (B,T)  the most probable next id at each asked position; NULL: not asked
 * Windows shorter than T are padded behind with any id and GPT_IGNORE: nothing looks forward. */
#define GPT_IGNORE UINT32_MAX
int gpt_score(gpt *model, const uint32_t *tokens, int B, int T, const uint32_t *targets,
              float *logprob, uint32_t *best, wt_err *err);
/* Raw logits (B,T,V), for small T. */
int gpt_logits(gpt *model, const uint32_t *tokens, int B, int T, float *logits, wt_err *err);

/* ---- decoding with a key-value cache ---- */
/* Several sequences over one model; each remembers the keys and values of its tokens. */
typedef struct gpt_cache gpt_cache;
gpt_cache *gpt_cache_new(gpt *model, int n_seqs, wt_err *err);   /* the model outlives it */
void gpt_cache_free(gpt_cache *cache);
int gpt_cache_length(const gpt_cache *cache, int seq);           /* tokens it holds */
void gpt_cache_truncate(gpt_cache *cache, int seq, int n);       /* forgets all but the first n */
void gpt_cache_copy(gpt_cache *cache, int to, int from);

typedef struct {
    int seq;
    uint32_t token;
    bool want;                    /* logits after this token are asked for */
} gpt_row;
/* Appends the rows' tokens to their sequences, in order (a prompt: many rows of one sequence; a
 * decoding step: one row of each). Logits (V each) of the rows that want them go to `logits` one
 * after the other. WT_ELIMIT when a sequence would pass n_ctx. */
int gpt_decode(gpt_cache *cache, const gpt_row *rows, int n_rows, float *logits, wt_err *err);

/* ---- choosing the next token ---- */
/* In transformers' order: repetition penalty, temperature, top-k, top-p, min-p. */
typedef struct {
    float temperature;            /* 0: the most probable (the lowest id on a tie) */
    int top_k;                    /* 0: all; ties of the k-th stay */
    float top_p;                  /* 1: all; the token that crosses p stays */
    float min_p;                  /* 0: all; else keep p >= min_p * largest p */
    float repetition_penalty;     /* 1: none (Keskar et al. 2019) */
} gpt_sampling;
#define GPT_SAMPLING_DEFAULT ((gpt_sampling){1, 0, 1, 0, 1})
/* Changes logits in place. seen: ids already in the text (for the penalty), n_seen may be 0. */
uint32_t gpt_sample(float *logits, int vocab, const gpt_sampling *how, const uint32_t *seen,
                    size_t n_seen, wt_rng *rng);

/* ---- training ---- see trainer.h for runs with checkpoints, logs and shards */
/* One forward and backward pass over B windows: the mean loss; gradients stay in the model until
 * gpt_grad_zero. Averages over targets that are not GPT_IGNORE; weight scales the gradient (1/n for
 * n accumulated micro-batches). A negative or NaN return never happens; a non-finite loss may. */
int gpt_grad_add(gpt *model, const uint32_t *tokens, const uint32_t *targets, int B, int T,
                 float weight, double *loss, wt_err *err);
void gpt_grad_zero(gpt *model);
gpt_tensor gpt_grad_at(const gpt *model, int i);      /* shape and order of gpt_tensor_at */

#endif

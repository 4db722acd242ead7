/* eval_impl.h - shared by the files of the evaluation, for them only. */
#ifndef WT_TRAIN_EVAL_IMPL_H
#define WT_TRAIN_EVAL_IMPL_H

#include "common/json.h"
#include "train/eval.h"

/* Members of the result object: ,"name":value. */
void eval_put_number(wt_buf *json, const char *name, double x);
void eval_put_count(wt_buf *json, const char *name, uint64_t n);
void eval_put_string(wt_buf *json, const char *name, const char *s);

static inline bool eval_harness(const eval_options *o) { return strcmp(o->preset, "harness") == 0; }
int eval_read_data(const eval_options *o, wt_buf *out, wt_err *err);

/* Encodes into *tokens (grown; *cap its room). Returns the number of ids, -1. */
ptrdiff_t eval_encode(const eval_model *m, wt_str text, uint32_t **tokens, size_t *cap, wt_err *err);

/* Text after a prompt, up to max_tokens ids, the first of `stops` (not taken) or <|endoftext|>. A prompt that
 * is too long loses its front. logprob (may be NULL): of the chosen ids, summed. */
typedef struct {
    int max_tokens, top_k;      /* top_k 0: the most probable id, always */
    const char *const *stops;   /* ends with NULL */
    uint64_t seed, stream;
} eval_generation;
int eval_generate(const eval_model *m, wt_str prompt, const eval_generation *how, wt_buf *out,
                  double *logprob, wt_err *err);

/* Tasks by file. */
int eval_run_text(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err);
int eval_run_choice(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err);
int eval_run_generation(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err);

#endif

/* eval.h - the paper's zero-shot evaluations (Radford et al. 2019, section 3), and the same by the
 * conventions of EleutherAI's harness and the transformers documentation, which give other numbers for
 * the same model. Every result says by which convention it was made.
 *
 * Text is scored as log-probabilities of token ids in windows (eval_plan_*), summed in double in the order
 * of the text, and divided by canonical units: the words, characters or bytes of the original file, whatever
 * was scored in its place. */
#ifndef WT_TRAIN_EVAL_H
#define WT_TRAIN_EVAL_H

#include "bpe/bpe.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "train/train.h"

/* ---- who is scored ---- */
typedef struct {
    gpt *model;                 /* NULL: every id is equally probable, as a baseline */
    bpe_model *tokenizer;
    bpe_encoder *encoder;
    int n_ctx;                  /* longest window: the model's, or less */
    uint32_t vocab, eot;
    int batch_tokens;           /* positions scored in one pass */
} eval_model;

/* ---- windows: pure functions ---- */

/* Inputs are tokens first .. first + n - 1 of a text, where -1 is the prefix <|endoftext|>; the target of
 * input i is token i + 1; the last n_scored targets count. */
typedef struct {
    int64_t first;
    int n, n_scored;
} eval_window;

/* With a prefix, each token scored once. The first window scores up to ctx tokens; each later one the next
 * `stride`, with as much context as fits. stride == ctx is the harness's loglikelihood_rolling.
 * Returns the number of windows; *windows is malloc'ed. */
size_t eval_plan_rolling(size_t n_tokens, int ctx, int stride, eval_window **windows);
/* As in transformers' perplexity page: no prefix, windows begin at 0, stride, 2 stride ...; a window's own
 * first token is never scored, so that without overlap one token a window is lost. */
size_t eval_plan_stride(size_t n_tokens, int ctx, int stride, eval_window **windows);

/* ---- scoring ---- */
typedef struct {
    double logprob;             /* natural, summed */
    uint64_t n_scored;
} eval_sum;

/* Scores the windows of one text and adds to *sum. logprob_of (may be NULL): n_tokens places, that of each
 * scored token is set. */
int eval_windows_score(const eval_model *m, const uint32_t *tokens, const eval_window *windows,
                       size_t n_windows, eval_sum *sum, float *logprob_of, wt_err *err);

/* One continuation of one context. */
typedef struct {
    uint32_t *tokens;           /* context, then target; owned by the list */
    size_t n, n_context;
    double logprob;             /* of the target's tokens, summed */
    bool greedy;                /* each target token was the most probable one */
    uint32_t last_best;         /* most probable id at the place of the last target token */
} eval_item;
/* Contexts that are too long lose their front; an empty one becomes <|endoftext|>. */
int eval_items_score(const eval_model *m, eval_item *items, size_t n, wt_err *err);
/* The same for items that begin alike, as the choices of one question do: what they share goes through the
 * model once. Equal to rounding. */
int eval_choices_score(const eval_model *m, eval_item *items, size_t n, wt_err *err);
/* Ids of context and continuation as the harness makes them: blanks that end the context move to the
 * continuation, and both are encoded as one text that is cut at the length of the context's ids. */
int eval_item_encode(const eval_model *m, wt_str context, wt_str continuation, eval_item *item,
                     wt_err *err);
void eval_item_reset(eval_item *item);

/* ---- texts as they were before they were tokenised ---- */
typedef enum { EVAL_DETOK_NONE, EVAL_DETOK_WIKITEXT, EVAL_DETOK_PTB, EVAL_DETOK_1BW } eval_detok;

/* Rules with an exact inverse: eval_retokenize(eval_detokenize(x)) == x for all bytes x, so that the
 * result's probability is one of the original's. What the rules cannot tell back stays as it was, or is marked
 * with a backslash. */
void eval_detokenize(eval_detok rules, wt_str text, wt_buf *out);
void eval_retokenize(eval_detok rules, wt_str text, wt_buf *out);
/* The harness's rules for WikiText, which have no inverse. */
void eval_detokenize_harness(wt_str page, wt_buf *out);

/* ---- metrics of answers ---- */
/* CoQA's and SQuAD's normal form: lower case, no ASCII punctuation, no articles, single blanks. */
void eval_normalize_answer(wt_str s, wt_buf *out);
double eval_f1(wt_str prediction, wt_str gold);
bool eval_exact(wt_str prediction, wt_str gold);
/* CoQA with several golds: the mean over the golds of the best score against the others (one gold: against it). */
double eval_leave_one_out(wt_str answer, const wt_str *gold, int n, bool exact);
wt_str eval_coqa_turn(wt_json list, size_t turn, wt_arena *arena);   /* list[turn].input_text */
/* ROUGE F-measures: 1 and 2 grams, longest common subsequence of the whole text and by sentences (lines). */
typedef struct {
    double rouge1, rouge2, rougeL, rougeLsum;
} eval_rouge;
eval_rouge eval_rouge_of(wt_str prediction, wt_str reference, bool stem);
void eval_porter_stem(char *word);      /* in place; lower-case ASCII */
/* Corpus BLEU-4 with the 13a tokens and exponential smoothing, in percent. */
double eval_bleu(const wt_str *hypotheses, const wt_str *references, size_t n);
void eval_bleu_tokenize(wt_str s, wt_buf *out);   /* tokens joined by blanks */

/* ---- tasks ---- */
typedef struct {
    const char *task, *data, *preset;   /* preset: "paper" or "harness" */
    const char *window;                 /* "rolling" or "stride"; NULL: the preset's */
    int stride;                         /* 0: the preset's */
    uint64_t limit, bytes;              /* examples, bytes of text; 0: all */
    const char *stopwords;              /* LAMBADA: a file with a word a line */
    const char *few_shot;               /* NQ, WMT: a file to take examples from; NULL: the data's own first */
    int shots;
    int max_tokens;                     /* of a generated answer; 0: the task's */
    uint64_t seed;
    wt_out *dump;                       /* NULL, or a JSON line for each example */
} eval_options;

/* Runs one task and appends its results as the members of a JSON object, without the braces. Names:
 * text shards wikitext2 wikitext103 ptb enwik8 text8 1bw lambada cbt hellaswag winograd coqa cnndm wmt nq. */
int eval_run(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err);
extern const char EVAL_TASKS[];         /* the names, separated by '|' */

#endif

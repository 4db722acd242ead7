/* wt-sample.c - writes text with a GPT-2: tokens stream to the output as they are chosen. */
#include <stdlib.h>

#include "bpe/bpe.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/out.h"
#include "common/tool.h"
#include "common/utf8.h"
#include "train/train.h"

enum { PROMPT_MAX = 1 << 24 };

static const char *prompt, *prompt_file, *tokenizer_path;
static uint64_t n_samples = 1, max_tokens = 200, top_k;
static double temperature = 1, top_p = 1, min_p, penalty = 1;
static bool json, ignore_eot, echo = true;

static const wt_opt options[] = {
    {"prompt", 'p', WT_OPT_STRING, &prompt, "TEXT", "text to go on from", "none: a new document"},
    {"prompt-file", 0, WT_OPT_STRING, &prompt_file, "FILE", "the same from a file, - for standard input", ""},
    {"samples", 'n', WT_OPT_COUNT, &n_samples, "N", "texts, written together and one after the other"},
    {"max-tokens", 0, WT_OPT_COUNT, &max_tokens, "N", "tokens of each"},
    {"temperature", 0, WT_OPT_FLOAT, &temperature, "F", "0: always the most probable"},
    {"top-k", 0, WT_OPT_COUNT, &top_k, "N", "among the N most probable; 0: all"},
    {"top-p", 0, WT_OPT_FLOAT, &top_p, "F", "among the fewest that hold this probability"},
    {"min-p", 0, WT_OPT_FLOAT, &min_p, "F", "above this share of the most probable"},
    {"repetition-penalty", 0, WT_OPT_FLOAT, &penalty, "F", "logits of ids that were there are divided by this"},
    {"ignore-eot", 0, WT_OPT_FLAG, &ignore_eot, NULL, "go on after the end-of-text id"},
    {"echo", 0, WT_OPT_FLAG, &echo, NULL, "write the prompt too"},
    {"tokenizer", 't', WT_OPT_STRING, &tokenizer_path, "PATH", "tokenizer", "the checkpoint's own"},
    {"json", 0, WT_OPT_FLAG, &json, NULL, "one JSON object a text"},
    {0}};

static const wt_tool tool = {
    .name = "wt-sample",
    .summary = "write text with a GPT-2 checkpoint",
    .usage = "[options] CHECKPOINT",
    .description =
        "CHECKPOINT is a Hugging Face GPT-2 directory or a folder of wt-train. A text ends at the end-of-text "
        "id, at --max-tokens, or where the model's context is full. Text i depends on --seed and i alone, "
        "not on how many are written. Filters act in the order penalty, temperature, top-k, top-p, min-p.",
    .options = options,
    .example = "wt-sample run/ --prompt \"Once upon a time\" --temperature 0.8 --top-k 40 -n 3",
};

/* One text: its ids, and its bytes that are not written yet. */
typedef struct {
    uint32_t *ids;
    size_t n;
    wt_rng rng;
    wt_buf text;
    bool done;
} writer;

typedef struct {
    gpt *model;
    bpe_model *tokenizer;
    uint32_t *prompt;
    size_t n_prompt;
    wt_out *out;
    bool live;                    /* standard output: each token is shown as it comes */
} session;

static int read_prompt(session *s, wt_err *err) {
    wt_buf text = {0};
    uint32_t eot = bpe_end_of_text(s->tokenizer);
    if (prompt && prompt_file) return wt_fail(err, WT_EARG, "give --prompt or --prompt-file");
    if (prompt) wt_buf_add_str(&text, wt_str_of(prompt));
    if (prompt_file && wt_read_file(strcmp(prompt_file, "-") ? prompt_file : "/dev/stdin", PROMPT_MAX, &text, err)) return -1;
    bpe_encoder *encoder = bpe_encoder_new(s->tokenizer, 0);
    s->prompt = wt_xmalloc((BPE_ROOM(text.len) + 1) * sizeof *s->prompt);
    ptrdiff_t n = text.len ? bpe_encode(encoder, wt_buf_view(&text), BPE_SPECIAL_ALL, s->prompt, err) : 0;
    bpe_encoder_free(encoder);
    wt_buf_free(&text);
    if (n < 0) return -1;
    s->n_prompt = (size_t)n;
    if (!n && eot == BPE_NONE) return wt_fail(err, WT_EARG, "the tokenizer has no end-of-text id to begin with; give a --prompt");
    if (!n) s->prompt[s->n_prompt++] = eot;
    int room = gpt_shape_of(s->model)->n_ctx;
    if (s->n_prompt >= (size_t)room) return wt_fail(err, WT_ELIMIT, "the prompt is %zu tokens and the model's context %d", s->n_prompt, room);
    return 0;
}

/* Writes what is whole UTF-8; with `end` all of it, repaired. */
static int put(session *s, writer *w, bool end, wt_err *err) {
    wt_str text = wt_buf_view(&w->text);
    size_t whole = end ? text.len : wt_utf8_complete(text);
    wt_buf clean = {0};
    if (!whole) return 0;
    wt_utf8_repair(&clean, (wt_str){text.ptr, whole});
    int result = wt_out_str(s->out, wt_buf_view(&clean), err);
    memmove(w->text.ptr, w->text.ptr + whole, text.len - whole);
    w->text.len = text.len - whole;
    wt_buf_free(&clean);
    return result;
}

/* The text's next id from its logits, and its bytes. */
static int choose(session *s, writer *w, float *logits, wt_err *err) {
    gpt_sampling how = {(float)temperature, (int)top_k, (float)top_p, (float)min_p, (float)penalty};
    uint32_t id = gpt_sample(logits, (int)bpe_vocab_size(s->tokenizer), &how, w->ids, w->n, &w->rng);
    if (id == bpe_end_of_text(s->tokenizer) && !ignore_eot) {
        w->done = true;
        return 0;
    }
    w->ids[w->n++] = id;
    w->done = w->n - s->n_prompt >= max_tokens || (int)w->n >= gpt_shape_of(s->model)->n_ctx;
    return bpe_decode(s->tokenizer, &id, 1, &w->text, err);
}

static int finish_text(session *s, writer *w, size_t i, size_t n, wt_err *err) {
    if (!json) {
        if (put(s, w, true, err)) return -1;
        return wt_out_str(s->out, i + 1 < n ? WT_STR("\n---\n") : WT_STR("\n"), err);
    }
    wt_buf line = {0};
    wt_buf_printf(&line, "{\"sample\":%zu,\"tokens\":%zu,\"text\":", i, w->n - s->n_prompt);
    wt_json_add_string(&line, wt_buf_view(&w->text));
    wt_buf_add_str(&line, WT_STR("}\n"));
    int result = wt_out_str(s->out, wt_buf_view(&line), err);
    wt_buf_free(&line);
    return result;
}

/* Shows what can be shown: texts in order, the first unfinished one as far as it is. */
static int show(session *s, writer *w, size_t n, size_t *shown, wt_err *err) {
    for (; *shown < n; ++*shown) {
        if (!json && put(s, &w[*shown], false, err)) return -1;
        if (!w[*shown].done) break;
        if (finish_text(s, &w[*shown], *shown, n, err)) return -1;
    }
    return s->live ? wt_out_flush_member(s->out, err) : 0;
}

/* The prompt goes through the model once; each text starts from a copy of its keys and values. */
static int begin_texts(session *s, writer *w, size_t n, uint64_t seed, gpt_cache *cache, float *logits, wt_err *err) {
    size_t V = (size_t)gpt_shape_of(s->model)->vocab;
    gpt_row *rows = wt_xcalloc(s->n_prompt, sizeof *rows);
    for (size_t i = 0; i < s->n_prompt; i++) rows[i] = (gpt_row){0, s->prompt[i], i + 1 == s->n_prompt};
    int result = gpt_decode(cache, rows, (int)s->n_prompt, logits, err);
    for (size_t i = 0; result == 0 && i < n; i++) {
        wt_rng_init(&w[i].rng, seed, i);
        w[i].ids = wt_xmalloc(((size_t)gpt_shape_of(s->model)->n_ctx + 1) * sizeof *w[i].ids);
        memcpy(w[i].ids, s->prompt, s->n_prompt * sizeof *s->prompt);
        w[i].n = s->n_prompt, w[i].done = max_tokens == 0;
        if (i) gpt_cache_copy(cache, (int)i, 0), memcpy(logits + i * V, logits, V * sizeof *logits);
        if (echo && (prompt || prompt_file)) result = bpe_decode(s->tokenizer, s->prompt, s->n_prompt, &w[i].text, err);
    }
    free(rows);
    return result;
}

/* All texts grow together: one step reads the weights once for all of them. */
static int write_texts(session *s, writer *w, size_t n, uint64_t seed, gpt_cache *cache, wt_err *err) {
    size_t V = (size_t)gpt_shape_of(s->model)->vocab, shown = 0;
    float *logits = wt_xmalloc(n * V * sizeof *logits);
    gpt_row *rows = wt_xcalloc(n, sizeof *rows);
    int result = begin_texts(s, w, n, seed, cache, logits, err), n_rows = 1;
    while (result == 0 && n_rows) {
        float *row = logits;                /* one for each text that goes on, in order */
        n_rows = 0;
        for (size_t i = 0; result == 0 && i < n; i++) {
            if (w[i].done) continue;
            result = choose(s, &w[i], row, err);
            row += V;
            if (!w[i].done) rows[n_rows++] = (gpt_row){(int)i, w[i].ids[w[i].n - 1], true};
        }
        if (result == 0) result = show(s, w, n, &shown, err);
        if (result == 0 && n_rows) result = gpt_decode(cache, rows, n_rows, logits, err);
        if (result == 0 && wt_stop_requested()) result = wt_stop_error(err);
    }
    free(logits), free(rows);
    return result;
}

static int write_all(session *s, const wt_args *args, wt_err *err) {
    size_t n = (size_t)n_samples;
    writer *w = wt_xcalloc(n, sizeof *w);
    gpt_cache *cache = gpt_cache_new(s->model, (int)n, err);
    int result = cache ? 0 : -1;
    double start = wt_now();
    if (result == 0) result = write_texts(s, w, n, args->seed, cache, err);
    uint64_t tokens = 0;
    for (size_t i = 0; i < n; i++) {
        tokens += w[i].n > s->n_prompt ? w[i].n - s->n_prompt : 0;
        free(w[i].ids);
        wt_buf_free(&w[i].text);
    }
    wt_report_count("tokens", tokens);
    wt_report_number("tokens_per_s", (double)tokens / (wt_now() - start));
    free(w);
    gpt_cache_free(cache);
    return result;
}

static int check_options(const wt_args *args, wt_err *err) {
    if (args->n_inputs != 1) return wt_fail(err, WT_EARG, "give one checkpoint");
    if (args->limit) n_samples = args->limit;
    if (n_samples < 1 || n_samples > 4096) return wt_fail(err, WT_EARG, "-n is between 1 and 4096");
    if (temperature < 0 || top_p <= 0 || top_p > 1 || min_p < 0 || min_p > 1 || penalty <= 0 || top_k > INT32_MAX)
        return wt_fail(err, WT_EARG, "temperature is not below 0, top-p in (0, 1], min-p in [0, 1], the penalty above 0");
    return 0;
}

static int run(const wt_args *args, wt_err *err) {
    session s = {.live = !args->output};
    if (check_options(args, err)) return -1;
    int result = -1;
    s.model = gpt_load(args->inputs[0], args->threads, err);
    if (s.model) s.tokenizer = bpe_model_load(tokenizer_path ? tokenizer_path : gpt_dir_of(s.model), NULL, err);
    if (s.model && !s.tokenizer && !tokenizer_path) wt_context(err, "the checkpoint has no tokenizer, give one with -t");
    if (s.tokenizer && (int)bpe_vocab_size(s.tokenizer) > gpt_shape_of(s.model)->vocab)
        wt_fail(err, WT_EDATA, "the tokenizer has %u ids and the model %d: not the same tokenizer", bpe_vocab_size(s.tokenizer), gpt_shape_of(s.model)->vocab);
    else if (s.tokenizer && read_prompt(&s, err) == 0 && (s.out = wt_out_open(args->output, err))) {
        result = write_all(&s, args, err);
        if (result == 0) result = wt_out_commit(s.out, err);
        else wt_out_abort(s.out);
    }
    free(s.prompt);
    bpe_model_free(s.tokenizer);
    gpt_free(s.model);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    gpt_threads_calm(argv);
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

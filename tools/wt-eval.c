/* wt-eval.c - evaluates a checkpoint by one of the paper's tasks. */
#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/out.h"
#include "common/tool.h"
#include "train/eval.h"

static const char *task, *data, *preset = "paper", *window, *tokenizer_path, *dump_path, *stopwords, *few_shot;
static uint64_t stride, context, bytes, max_tokens, batch_tokens = 4096;
static int64_t shots = 5;
static bool json_wanted;

static const wt_opt options[] = {
    {"task", 0, WT_OPT_CHOICE, &task,
     "text|shards|wikitext2|wikitext103|ptb|enwik8|text8|1bw|lambada|cbt|hellaswag|winograd|coqa|cnndm|wmt|nq",
     "what is evaluated", ""},
    {"data", 0, WT_OPT_STRING, &data, "FILE", "the task's file; text: also a folder of JSONL; shards: a dataset of wt-shard; wmt: FILE.en or FILE.fr", ""},
    {"preset", 0, WT_OPT_CHOICE, &preset, "paper|harness", "prompts, windows and norms of the paper, or of lm-evaluation-harness"},
    {"dump", 0, WT_OPT_STRING, &dump_path, "FILE", "a JSON line for each example: log-probabilities, answers", ""},
    {"json", 0, WT_OPT_FLAG, &json_wanted, NULL, "the result as one JSON object"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Text"},
    {"window", 0, WT_OPT_CHOICE, &window, "rolling|stride",
     "rolling: <|endoftext|> before the text, each token scored once; stride: as in transformers' perplexity page", "rolling"},
    {"stride", 0, WT_OPT_COUNT, &stride, "N", "tokens that a window scores anew", "half the context; harness: all of it"},
    {"context", 0, WT_OPT_COUNT, &context, "N", "longest window", "the model's"},
    {"bytes", 0, WT_OPT_BYTES, &bytes, "N", "so much of the text, up to a line's end", "all"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Examples"},
    {"stopwords", 0, WT_OPT_STRING, &stopwords, "FILE", "lambada: words that are not an answer, one a line", ""},
    {"few-shot", 0, WT_OPT_STRING, &few_shot, "FILE", "nq, wmt: where examples for the prompt come from", "the data's first"},
    {"shots", 0, WT_OPT_INT, &shots, "N", "nq, wmt: how many"},
    {"max-tokens", 0, WT_OPT_COUNT, &max_tokens, "N", "of an answer", "the task's"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Model"},
    {"tokenizer", 't', WT_OPT_STRING, &tokenizer_path, "PATH", "tokenizer", "the checkpoint's own"},
    {"batch-tokens", 0, WT_OPT_COUNT, &batch_tokens, "N", "positions in one pass"},
    {0}};

static const wt_tool tool = {
    .name = "wt-eval",
    .summary = "evaluate a GPT-2 checkpoint as the paper did",
    .usage = "[options] --task NAME --data FILE CHECKPOINT",
    .description =
        "CHECKPOINT is a Hugging Face GPT-2 directory, a folder of wt-train, or the word 'uniform' with -t: all ids "
        "equally probable, as a floor. Perplexities are over the words, characters and bytes of the original file, "
        "as in the paper, and over tokens; the result names the windows and the detokenizer that were used, for "
        "other choices give other numbers. --limit takes the first examples.",
    .options = options,
    .example = "wt-eval run/ --task wikitext2 --data wiki.test.tokens",
};

static int tokenizer_open(const char *checkpoint, eval_model *m, wt_err *err) {
    const char *from = tokenizer_path ? tokenizer_path : m->model ? gpt_dir_of(m->model) : NULL;
    if (!from)
        return wt_fail(err, WT_EARG, "name a tokenizer with -t");
    m->tokenizer = bpe_model_load(from, NULL, err);
    if (!m->tokenizer)
        return wt_context(err, "the tokenizer of '%s'", checkpoint);
    m->encoder = bpe_encoder_new(m->tokenizer, 0);
    m->eot = bpe_end_of_text(m->tokenizer);
    if (m->eot == BPE_NONE)
        return wt_fail(err, WT_EARG, "the tokenizer has no <|endoftext|>");
    m->vocab = m->model ? (uint32_t)gpt_shape_of(m->model)->vocab : bpe_vocab_size(m->tokenizer);
    if (bpe_vocab_size(m->tokenizer) > m->vocab)
        return wt_fail(err, WT_EDATA, "the tokenizer has %u ids and the model %u", bpe_vocab_size(m->tokenizer), m->vocab);
    return 0;
}

static int model_open(const wt_args *args, eval_model *m, wt_err *err) {
    const char *checkpoint = args->inputs[0];
    int longest = 1024;
    if (strcmp(checkpoint, "uniform") != 0) {
        m->model = gpt_load(checkpoint, args->threads, err);
        if (!m->model)
            return -1;
        longest = gpt_shape_of(m->model)->n_ctx;
    }
    if (context > (uint64_t)longest || context == 1)
        return wt_fail(err, WT_EARG, "a context of %llu; 2 to %d are possible", (unsigned long long)context, longest);
    m->n_ctx = context ? (int)context : longest;
    m->batch_tokens = batch_tokens > 1 << 20 ? 1 << 20 : (int)batch_tokens;
    return tokenizer_open(checkpoint, m, err);
}

/* "name  value" a line, from the members of the result. */
static void result_print(wt_str json) {
    wt_json v, value;
    wt_json_iter it;
    wt_str name;
    if (wt_json_parse(json, &v, NULL) || wt_json_iter_init(&it, v, NULL))
        return;
    while (wt_json_next(&it, &name, &value, NULL) > 0)
        printf("%-28.*s %.*s\n", WT_FMT(name), WT_FMT(value.raw));
}

static int evaluate(const wt_args *args, const eval_model *m, wt_buf *json, wt_err *err) {
    eval_options o = {.task = task, .data = data, .preset = preset, .window = window, .stride = (int)stride,
                      .limit = args->limit, .bytes = bytes, .stopwords = stopwords, .few_shot = few_shot,
                      .shots = (int)shots, .max_tokens = (int)max_tokens, .seed = args->seed};
    if (dump_path && !(o.dump = wt_out_open(dump_path, err)))
        return -1;
    wt_buf_add_str(json, WT_STR("{\"checkpoint\":"));
    wt_json_add_string(json, wt_str_of(args->inputs[0]));
    wt_buf_add_char(json, ',');
    bool is_text = strcmp(task, "shards") == 0 || !strstr("lambada cbt hellaswag winograd coqa cnndm wmt nq", task);
    wt_progress_begin(task, is_text ? "tokens" : "examples", 0);
    int failed = eval_run(m, &o, json, err);
    wt_progress_end();
    wt_buf_add_char(json, '}');
    if (o.dump && failed)
        wt_out_abort(o.dump);
    else if (o.dump)
        failed = wt_out_commit(o.dump, err);
    return failed;
}

static int result_write(const wt_args *args, wt_buf *json, wt_err *err) {
    wt_report_json("result", wt_buf_view(json));
    wt_buf_add_char(json, '\n');
    if (args->output)
        return wt_write_file(args->output, wt_buf_view(json), err);
    if (json_wanted)
        fwrite(json->ptr, 1, json->len, stdout);
    else
        result_print((wt_str){json->ptr, json->len - 1});
    return 0;
}

/* All that decides the result. */
static void run_key(const wt_args *args, const eval_model *m, wt_buf *key) {
    const char *dir = m->model ? gpt_dir_of(m->model) : args->inputs[0];
    char *weights = wt_path_join(dir ? dir : args->inputs[0], "model.safetensors");
    wt_buf_printf(key, "{\"task\":\"%s\",\"preset\":\"%s\",\"window\":\"%s\",\"stride\":%llu,\"context\":%llu,\"bytes\":%llu,"
                       "\"shots\":%lld,\"max_tokens\":%llu,\"limit\":%llu,\"seed\":%llu,\"inputs\":[",
                  task, preset, window ? window : "", (unsigned long long)stride, (unsigned long long)context,
                  (unsigned long long)bytes, (long long)shots, (unsigned long long)max_tokens,
                  (unsigned long long)args->limit, (unsigned long long)args->seed);
    wt_run_key_input(key, weights);
    wt_run_key_input(key, data);
    if (tokenizer_path)
        wt_run_key_input(key, tokenizer_path);
    if (few_shot)
        wt_run_key_input(key, few_shot);
    if (stopwords)
        wt_run_key_input(key, stopwords);
    wt_buf_add_str(key, WT_STR("]}"));
    free(weights);
}

static int run(const wt_args *args, wt_err *err) {
    eval_model m = {0};
    wt_buf json = {0}, key = {0};
    if (args->n_inputs != 1)
        return wt_fail(err, WT_EARG, "one checkpoint at a time");
    if (!task || !data)
        return wt_fail(err, WT_EARG, "name a --task and its --data");
    if (stride > 1 << 20 || max_tokens > 1 << 20 || shots < 0 || shots > 1000)
        return wt_fail(err, WT_EARG, "--stride, --max-tokens or --shots is out of range");
    int failed = model_open(args, &m, err), state = 0;
    if (!failed) {
        run_key(args, &m, &key);
        state = wt_run_begin(args->output, false, wt_buf_view(&key), args->force, err);
        failed = state < 0 ? -1 : 0;
    }
    if (!failed && state != WT_RUN_DONE) {
        if (wt_cluster_rank() == 0)     /* under MPI one rank evaluates */
            failed = evaluate(args, &m, &json, err) || result_write(args, &json, err);
        if (!wt_cluster_any(failed))
            failed = wt_run_finish(args->output, false, wt_buf_view(&key), err);
    }
    wt_buf_free(&json);
    wt_buf_free(&key);
    bpe_encoder_free(m.encoder);
    bpe_model_free(m.tokenizer);
    gpt_free(m.model);
    return failed ? -1 : 0;
}

int main(int argc, char **argv) {
    gpt_threads_calm(argv);
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

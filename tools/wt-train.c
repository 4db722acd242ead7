/* wt-train.c - pretrains a GPT-2 on token shards. */
#include <math.h>
#include <string.h>

#include "common/tool.h"
#include "train/trainer.h"

static train_options o;
static const char *schedule = "linear", *optimizer = "auto", *recompute = "auto", *moments = "auto", *update = "auto", *sync = "step";
static uint64_t sync_every = 100;
static int64_t keep = 2, seq_len = 1024;
static bool gguf;

static const wt_opt options[] = {
    {"model", 0, WT_OPT_STRING, &o.model, "NAME", "gpt2, gpt2-medium, gpt2-large, gpt2-xl, or LAYERSxWIDTHxHEADS"},
    {"init-from", 0, WT_OPT_STRING, &o.init_from, "DIR", "start from a Hugging Face GPT-2 directory (F32, F16, BF16)"},
    {"seq-len", 0, WT_OPT_INT, &seq_len, "N", "tokens of a window, and the model's context"},
    {"batch-tokens", 0, WT_OPT_COUNT, &o.batch_tokens, "N", "tokens of one optimizer step", "about 16 x width"},
    {"micro-batch", 0, WT_OPT_COUNT, &o.micro_batch, "N", "windows of one pass", "about 1024 tokens"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "length (one of them)"},
    {"steps", 0, WT_OPT_COUNT, &o.steps, "N", "optimizer steps (of full batches)", "one epoch"},
    {"tokens", 0, WT_OPT_COUNT, &o.tokens, "N", "tokens", ""},
    {"epochs", 0, WT_OPT_FLOAT, &o.epochs, "F", "passes over the training split", ""},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "learning"},
    {"lr", 0, WT_OPT_FLOAT, &o.learning_rate, "F", "highest learning rate", "by optimizer and width"},
    {"embed-lr", 0, WT_OPT_FLOAT, &o.embed_rate, "F", "that of the token embedding, which is the head as well", "muon: 2 to 7 x --lr, by width"},
    {"final-lr", 0, WT_OPT_FLOAT, &o.final_rate, "F", "learning rate at the end, as a share of --lr"},
    {"schedule", 0, WT_OPT_CHOICE, &schedule, "cosine|wsd|linear", "after the warmup"},
    {"cooldown", 0, WT_OPT_FLOAT, &o.cooldown, "F", "wsd: share of the run in which the rate falls"},
    {"warmup", 0, WT_OPT_FLOAT, &o.warmup, "N", "steps of rising learning rate", "2 % of the run, at most 2000"},
    {"batch-ramp", 0, WT_OPT_COUNT, &o.ramp_tokens, "N", "tokens over which the batch grows from an eighth", "0: none"},
    {"optimizer", 0, WT_OPT_CHOICE, &optimizer, "auto|adamw|muon", "muon: for the layers' matrices; auto: muon for a new model where it fits"},
    {"weight-decay", 0, WT_OPT_FLOAT, &o.weight_decay, "F", "of matrices, decoupled"},
    {"beta1", 0, WT_OPT_FLOAT, &o.beta1, "F", "AdamW's memory of gradients"},
    {"beta2", 0, WT_OPT_FLOAT, &o.beta2, "F", "AdamW's memory of squares", "by its half-life"},
    {"beta2-half-life", 0, WT_OPT_COUNT, &o.beta2_half_life, "N", "tokens after which a square counts half", "1/20 of the run, at most 7M"},
    {"grad-clip", 0, WT_OPT_FLOAT, &o.grad_clip, "F", "largest gradient norm; 0: none"},
    {"document-rows", 0, WT_OPT_FLAG, &o.document_rows, NULL, "a window in which a document starts begins there"},
    {"document-mask", 0, WT_OPT_FLAG, &o.document_mask, NULL, "a token sees only its own document"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "memory"},
    {"recompute", 0, WT_OPT_CHOICE, &recompute, "auto|on|off", "compute activations again instead of keeping them"},
    {"moments", 0, WT_OPT_CHOICE, &moments, "auto|fp32|bf16|int8", "the optimizer's; auto: fp32, smaller where --memory asks"},
    {"update", 0, WT_OPT_CHOICE, &update, "auto|whole|layers", "layers: each as its gradients come, clipped by the norm before"},
    {"memory", 0, WT_OPT_BYTES, &o.memory, "BYTES", "fit into this; may use smaller moments and layer-by-layer updates", "what is free, exact modes only"},
    {"plan", 0, WT_OPT_FLAG, &o.plan_only, NULL, "print what the run would take and stop"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "several machines (mpirun)"},
    {"sync", 0, WT_OPT_CHOICE, &sync, "step|diloco", "ranks share each step; or train apart and meet, for slow networks"},
    {"sync-every", 0, WT_OPT_COUNT, &sync_every, "N", "diloco: steps between meetings"},
    {"outer-lr", 0, WT_OPT_FLOAT, &o.outer_rate, "F", "diloco: rate of the step that a meeting takes"},
    {"outer-momentum", 0, WT_OPT_FLOAT, &o.outer_momentum, "F", "diloco: its Nesterov momentum"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "along the way"},
    {"gguf", 0, WT_OPT_FLAG, &gguf, NULL, "train nothing: write the checkpoint that is given as the GGUF file -o"},
    {"eval-every", 0, WT_OPT_COUNT, &o.eval_every, "N", "steps between validation losses; 0: never"},
    {"eval-tokens", 0, WT_OPT_COUNT, &o.eval_tokens, "N", "tokens of the validation split that are used; 0: all"},
    {"save-every", 0, WT_OPT_COUNT, &o.save_every, "N", "steps between checkpoints; 0: only at the end"},
    {"keep", 0, WT_OPT_INT, &keep, "N", "checkpoints that stay, besides the best; 0: all"},
    {"sample-every", 0, WT_OPT_COUNT, &o.sample_every, "N", "steps between samples of text; 0: never"},
    {"sample-tokens", 0, WT_OPT_COUNT, &o.sample_tokens, "N", "length of a sample"},
    {"log-every", 0, WT_OPT_COUNT, &o.log_every, "N", "steps between lines of log.jsonl"},
    {0}};

static const wt_tool tool = {
    .name = "wt-train",
    .summary = "pretrain a GPT-2 on token shards",
    .usage = "[options] SHARDS -o RUN",
    .description =
        "Trains in fp32 on the processor's vector units, all cores. RUN gets log.jsonl and checkpoints that "
        "`transformers` opens as they are; RUN/latest and RUN/best point at them. The same command goes on where a "
        "stopped or killed run was, bit for bit. SIGINT and SIGTERM save and exit 3, SIGUSR1 saves.\n"
        "The learning defaults were found by experiment for CPU budgets (docs/reproduce.md). The paper's recipe, as far "
        "as it is known: --optimizer adamw --schedule cosine --final-lr 0.1 --batch-tokens 512k --lr 6e-4 --beta2 0.95.\n"
        "Under mpirun the windows of each step are shared by the ranks, and each keeps the optimizer's moments of its "
        "share; a run goes on with another number of ranks. To stop it, signal a rank, not mpirun, which kills.",
    .options = options,
    .example = "wt-train shards/ -o run/ --model 6x384x6 --seq-len 256 --tokens 20M\n"
               "wt-train --gguf run/ -o model.gguf",
};

/* A checkpoint as one file for llama.cpp. */
static int export_gguf(const wt_args *args, wt_err *err) {
    gpt *model = gpt_load(args->inputs[0], args->threads, err);
    int result = model ? gpt_export_gguf(model, args->output, gpt_dir_of(model), err) : -1;
    gpt_free(model);
    return result;
}

static int run(const wt_args *args, wt_err *err) {
    if (args->n_inputs != 1) return wt_fail(err, WT_EARG, "give one folder of %s", gguf ? "a checkpoint" : "shards");
    if (!args->output && !o.plan_only) return wt_fail(err, WT_EARG, "-o RUN is missing");
    if (gguf) return export_gguf(args, err);
    if (seq_len < 0 || seq_len > 1 << 20) return wt_fail(err, WT_EARG, "--seq-len %lld is out of range", (long long)seq_len);
    o.shards = args->inputs[0], o.output = args->output, o.threads = args->threads, o.seed = args->seed, o.force = args->force;
    o.schedule = !strcmp(schedule, "wsd") ? TRAIN_WSD : !strcmp(schedule, "linear") ? TRAIN_LINEAR : TRAIN_COSINE;
    o.optimizer = !strcmp(optimizer, "muon") ? TRAIN_MUON : !strcmp(optimizer, "adamw") ? TRAIN_ADAMW : TRAIN_OPTIMIZER_AUTO;
    o.recompute = !strcmp(recompute, "on") ? TRAIN_RECOMPUTE_ON : !strcmp(recompute, "off") ? TRAIN_RECOMPUTE_OFF : TRAIN_RECOMPUTE_AUTO;
    o.moments = !strcmp(moments, "fp32") ? 4 : !strcmp(moments, "bf16") ? 2 : !strcmp(moments, "int8") ? 1 : 0;
    o.update = !strcmp(update, "whole") ? TRAIN_UPDATE_WHOLE : !strcmp(update, "layers") ? TRAIN_UPDATE_LAYERS : TRAIN_UPDATE_AUTO;
    if (!strcmp(sync, "diloco")) {
        if (!sync_every) return wt_fail(err, WT_EARG, "--sync-every is 1 or more");
        o.sync_every = sync_every;
    }
    o.keep = (int)keep, o.seq_len = (int)seq_len;
    if (args->limit) {      /* --limit N: at most N steps */
        if (o.steps || o.tokens || o.epochs > 0) return wt_fail(err, WT_EARG, "--limit is --steps here; give one");
        o.steps = args->limit;
    }
    return train_run(&o, err);
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    gpt_threads_calm(argv);
    o = train_defaults();
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

/* trainer.c - the run: options become a plan, shards become windows, steps become checkpoints.
 *
 * Time is counted in windows of seq_len tokens ("samples"): the loader's sample i depends on (data,
 * length, seed, i) alone, so a run is where it is by one number. A step takes the next n windows, in
 * passes of micro_batch, shared by the ranks of the cluster; gradients of a layer are summed over
 * ranks when the last pass has them. The schedule runs over windows too, so that a growing batch
 * does not bend it. A step whose loss or gradient is not finite is passed over; after three in a row
 * the last checkpoint comes back with half the learning rate, and the data goes on. A checkpoint that fails
 * again before a new one was made after a good step is itself bad: it is removed, and the one before comes back. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bpe/bpe.h"
#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/tool.h"
#include "shard/shard.h"
#include "train/plan.h"
#include "train/state.h"

enum { BAD_STEPS_MAX = 3, ROLLBACKS_MAX = 5 };

typedef struct {
    train_options o;
    gpt_shape shape;
    gpt *m;
    optimizer opt;
    train_plan plan;
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
    double last_loss, last_norm, last_rate;
    double squares;                /* of the gradients so far, fused updates */
    bool bad_part, updated;        /* updated: the last step was good and changed the weights */
    const optim_step *fused_step;
    bool last_pass;
} run;

train_options train_defaults(void) {
    return (train_options){.model = "gpt2", .seq_len = 1024, .batch_tokens = 8192, .final_rate = 0.1, .schedule = TRAIN_COSINE,
                           .cooldown = 0.3, .warmup = -1, .weight_decay = 0.1, .beta1 = 0.9, .grad_clip = 1, .eval_every = 250,
                           .eval_tokens = 65536, .save_every = 1000, .sample_every = 1000, .log_every = 1, .keep = 2, .sample_tokens = 100};
}

/* ---- setting up ---- */
static int open_data(run *r, wt_err *err) {
    const train_options *o = &r->o;
    r->data = shard_set_open(o->shards, "train", err);
    if (!r->data) return -1;
    const shard_tokenizer *t = shard_set_tokenizer(r->data);
    r->shape.vocab = (int)t->vocab, r->shape.eot = (int)t->eot;
    uint64_t tokens = shard_set_tokens(r->data), need = r->windows * (uint64_t)o->seq_len + 1;
    if (tokens < need)
        return wt_fail(err, WT_EARG, "'%s' holds %llu training tokens and one step takes %llu; lower --batch-tokens or --seq-len, or shard more text",
                       o->shards, (unsigned long long)tokens, (unsigned long long)need);
    r->feed = shard_loader_new(r->data, (size_t)o->seq_len, o->seed, NULL, err);
    if (!r->feed) return -1;
    r->val = shard_set_open(o->shards, "val", err);
    if (!r->val) return -1;
    if (shard_set_tokens(r->val) > (uint64_t)o->seq_len) {
        shard_loader_options sequential = {.order = SHARD_SEQUENTIAL};
        r->val_feed = shard_loader_new(r->val, (size_t)o->seq_len, 0, &sequential, err);
        if (!r->val_feed) return -1;
    } else if (o->eval_every)
        wt_warn("the validation split of '%s' has no whole window of %d tokens: no validation loss", o->shards, o->seq_len);
    r->tokenizer_dir = wt_path_join(o->shards, SHARD_TOKENIZER_DIR);
    if (!wt_is_dir(r->tokenizer_dir)) {
        free(r->tokenizer_dir);
        r->tokenizer_dir = NULL;
        wt_warn("'%s' has no tokenizer folder: checkpoints will have no tokenizer, and there are no samples", o->shards);
        return 0;
    }
    r->tokens_of_text = bpe_model_load(r->tokenizer_dir, NULL, err);
    if (!r->tokens_of_text) return -1;
    if (memcmp(bpe_fingerprint(r->tokens_of_text), t->sha256, 32))
        return wt_fail(err, WT_EDATA, "the tokenizer in '%s' is not the one that made the shards; run wt-shard again", r->tokenizer_dir);
    return 0;
}

/* Rates that GPT-3 used for these widths (Brown et al. 2020), continued to small models. */
static double default_rate(const gpt_shape *s) {
    double rate = 6e-4 * sqrt(768.0 / s->n_embd) * 768.0 / s->n_embd;
    return rate > 4e-3 ? 4e-3 : s->n_embd > 768 ? 6e-4 * 768.0 / s->n_embd : rate;
}

static int resolve_length(run *r, wt_err *err) {
    train_options *o = &r->o;
    int given = (o->steps > 0) + (o->tokens > 0) + (o->epochs > 0);
    if (given > 1) return wt_fail(err, WT_EARG, "give one of --steps, --tokens and --epochs");
    double windows = (double)shard_loader_windows(r->feed), samples;
    if (o->steps) samples = (double)o->steps * (double)r->windows;
    else if (o->tokens) samples = (double)o->tokens / o->seq_len;
    else samples = (o->epochs > 0 ? o->epochs : 1) * windows;
    if (samples > 1e15) return wt_fail(err, WT_EARG, "a run of %g windows is too long", samples);
    uint64_t steps = (uint64_t)(samples / (double)r->windows + 0.5);
    r->total_samples = (steps ? steps : 1) * r->windows;
    r->warmup_samples = o->warmup >= 0 ? (uint64_t)(o->warmup * (double)r->windows)
                                       : (steps / 50 < 2000 ? steps / 50 : 2000) * r->windows;
    r->ramp_samples = o->ramp_tokens / (uint64_t)o->seq_len;
    /* 0.95 at batches of 0.5 M tokens (GPT-3) is a half-life of 7 M tokens; a short run needs less. */
    double run_tokens = (double)r->total_samples * o->seq_len, least = 14.0 * (double)(r->windows * (uint64_t)o->seq_len);
    r->beta2_half_life = o->beta2_half_life ? (double)o->beta2_half_life : fmin(7e6, fmax(run_tokens / 20, least));
    return 0;
}

static int check_options(run *r, wt_err *err) {
    train_options *o = &r->o;
    if (o->seq_len < 2 || o->seq_len > 1 << 16) return wt_fail(err, WT_EARG, "--seq-len %d is out of range", o->seq_len);
    if (o->learning_rate < 0 || o->weight_decay < 0 || o->grad_clip < 0 || o->final_rate < 0 || o->final_rate > 1)
        return wt_fail(err, WT_EARG, "rates, decay and clipping must not be negative, and --final-lr is a share of 0 to 1");
    if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1)) return wt_fail(err, WT_EARG, "--beta1 and --beta2 are in [0, 1)");
    r->windows = o->batch_tokens / (uint64_t)o->seq_len;
    if (!r->windows) r->windows = 1;
    if (r->windows > 1 << 20) return wt_fail(err, WT_EARG, "a step of %llu windows is out of range", (unsigned long long)r->windows);
    r->shape.n_ctx = o->seq_len, r->shape.eot = -1;
    return 0;
}

static int choose_plan(run *r, wt_err *err) {
    const train_options *o = &r->o;
    int ranks = wt_cluster_size(), mine = (int)((r->windows + (uint64_t)ranks - 1) / (uint64_t)ranks);
    int micro = o->micro_batch ? (int)o->micro_batch : 1024 / o->seq_len;
    if (micro < 1) micro = 1;
    if (micro > mine) micro = mine;
    uint64_t limit = o->memory ? o->memory : wt_memory_available();
    int recompute = o->recompute == TRAIN_RECOMPUTE_AUTO ? -1 : o->recompute == TRAIN_RECOMPUTE_ON;
    if (plan_choose(&r->plan, &r->shape, o->seq_len, micro, mine, o->muon, o->threads, limit, o->memory > 0, recompute, err)) return -1;
    if (r->plan.fused && ranks > 1) return wt_fail(err, WT_EARG, "updates layer by layer work on one machine only; allow more --memory");
    return 0;
}

/* A quick look at what the matrix product reaches here, for the share in the log. */
static double measure_gflops(int threads) {
    enum { N = 768 };
    size_t n = (size_t)N * N;
    float *a = wt_big_alloc(3 * n * sizeof *a, "a measurement", NULL);
    gemm_team *team = a ? gemm_team_new(kernels_best(), threads, NULL) : NULL;
    double best = 1e9;
    if (!team) {
        if (a) wt_big_free(a, 3 * n * sizeof *a);
        return 0;
    }
    for (size_t i = 0; i < 2 * n; i++) a[i] = (float)(i % 17) * 0.1f;
    for (int i = 0; i < 8; i++) {
        double start = wt_now();
        gemm_run(team, &(gemm_call){.M = N, .N = N, .K = N, .A = a, .B = a + n, .C = a + 2 * n, .lda = N, .ldb = N, .ldc = N});
        if (wt_now() - start < best) best = wt_now() - start;
    }
    gemm_team_free(team);
    wt_big_free(a, 3 * n * sizeof *a);
    return 2.0 * N * N * N / best * 1e-9;
}

static void run_key(const run *r, wt_buf *key) {
    const train_options *o = &r->o;
    uint8_t print[32];
    char hex[65];
    shard_set_fingerprint(r->data, print);
    wt_hex(print, 32, hex);
    wt_buf_printf(key, "{\"dataset\":\"%s\",\"layers\":%d,\"width\":%d,\"heads\":%d,\"vocab\":%d,\"seq_len\":%d,\"batch_windows\":%llu,", hex,
                  r->shape.n_layer, r->shape.n_embd, r->shape.n_head, r->shape.vocab, o->seq_len, (unsigned long long)r->windows);
    wt_buf_printf(key, "\"micro_batch\":%d,\"windows\":%llu,\"lr\":%.9g,\"final_lr\":%.9g,\"schedule\":%d,\"cooldown\":%.9g,\"warmup\":%llu,\"ramp\":%llu,",
                  r->plan.micro_batch, (unsigned long long)r->total_samples, o->learning_rate, o->final_rate, o->schedule, o->cooldown,
                  (unsigned long long)r->warmup_samples, (unsigned long long)r->ramp_samples);
    wt_buf_printf(key, "\"optimizer\":\"%s\",\"weight_decay\":%.9g,\"beta1\":%.9g,\"beta2\":%.9g,\"half_life\":%.9g,\"clip\":%.9g,", o->muon ? "muon" : "adamw",
                  o->weight_decay, o->beta1, o->beta2, r->beta2_half_life, o->grad_clip);
    wt_buf_printf(key, "\"bf16_moments\":%d,\"fused\":%d,\"document_mask\":%d,\"seed\":%llu,\"init_from\":", r->plan.bf16, r->plan.fused, o->document_mask,
                  (unsigned long long)o->seed);
    wt_json_add_string(key, wt_str_of(o->init_from ? o->init_from : ""));
    wt_buf_add_char(key, '}');
}

/* ---- checkpoints ---- */
static char *run_path(const run *r, const char *name) { return wt_path_join(r->o.output, name); }

static void step_name(uint64_t step, char out[32]) { snprintf(out, 32, "step-%08llu", (unsigned long long)step); }

/* Points the link run/NAME at a checkpoint, in one rename. */
static int set_link(const run *r, const char *name, const char *target, wt_err *err) {
    char *path = run_path(r, name);
    wt_buf part = {0};
    wt_buf_printf(&part, "%s.part", path);
    unlink(part.ptr);
    int result = symlink(target, part.ptr) || rename(part.ptr, path) ? wt_fail_errno(err, "cannot link '%s'", path) : wt_sync_dir_of(path, err);
    wt_buf_free(&part);
    free(path);
    return result;
}

enum { CHECKPOINTS_MAX = 4096 };
/* Steps of the checkpoints in the run's folder, newest first. */
static size_t list_checkpoints(const run *r, uint64_t steps[CHECKPOINTS_MAX]) {
    wt_paths list = {0};
    size_t n = 0;
    static const char *const suffix[] = {"state.wtts", NULL};
    if (wt_paths_add(&list, r->o.output, suffix, NULL) == 0)
        for (size_t i = 0; i < list.n && n < CHECKPOINTS_MAX; i++) {
            unsigned long long step;
            const char *at = strstr(list.path[i], "/step-");
            if (!at || sscanf(at, "/step-%8llu/state.wtts", &step) != 1 || strstr(at, ".part")) continue;
            size_t j = n;
            while (j > 0 && steps[j - 1] < step) j--;
            if (j > 0 && steps[j - 1] == step) continue;     /* seen once more through a link */
            memmove(steps + j + 1, steps + j, (n++ - j) * sizeof *steps);
            steps[j] = step;
        }
    wt_paths_free(&list);
    return n;
}

static int remove_checkpoint(const run *r, uint64_t step, wt_err *err) {
    char name[32];
    step_name(step, name);
    char *path = run_path(r, name);
    int result = wt_remove_tree(path, err);
    free(path);
    return result;
}

/* While a rollback is unproven the older ones stay: the newest may be bad as well. */
static int drop_old_checkpoints(const run *r, wt_err *err) {
    uint64_t steps[CHECKPOINTS_MAX];
    int result = 0;
    if (r->o.keep <= 0 || r->at.unproven) return 0;
    size_t n = list_checkpoints(r, steps), kept = 0;
    for (size_t i = 0; result == 0 && i < n; i++) {
        if (kept < (size_t)r->o.keep || steps[i] == r->at.step) kept++;
        else if (steps[i] != r->at.best_step) result = remove_checkpoint(r, steps[i], err);
    }
    return result;
}

/* Takes the checkpoint behind `latest` away, for its weights give no finite loss; `latest` becomes the one before. */
static int discard_latest(const run *r, wt_err *err) {
    uint64_t steps[CHECKPOINTS_MAX];
    unsigned long long bad;
    char target[64] = "", name[32], *path = run_path(r, "latest");
    ssize_t length = readlink(path, target, sizeof target - 1);
    free(path);
    if (length <= 0 || sscanf(target, "step-%8llu", &bad) != 1) return wt_fail(err, WT_EDATA, "'%s/latest' is not a link to a checkpoint", r->o.output);
    size_t n = list_checkpoints(r, steps), i = 0;
    while (i < n && steps[i] >= bad) i++;
    if (i == n)
        return wt_fail(err, WT_EDATA, "no finite loss from the weights of step %llu, and there is no checkpoint before it; lower --lr", bad);
    step_name(steps[i], name);
    return set_link(r, "latest", name, err) || remove_checkpoint(r, bad, err) ? -1 : 0;
}

static int save_checkpoint(run *r, wt_err *err) {
    char name[32];
    int result = 0;
    if (r->updated) r->at.unproven = false;
    if (wt_cluster_rank() == 0) {
        step_name(r->at.step, name);
        char *final = run_path(r, name), *state = NULL;
        wt_buf part = {0};
        wt_buf_printf(&part, "%s.part", final);
        r->at.weights_hash = state_hash_weights(r->m);
        result = wt_remove_tree(part.ptr, err);
        if (result == 0) result = gpt_save(r->m, part.ptr, r->tokenizer_dir, err);
        if (result == 0) {
            state = wt_path_join(part.ptr, "state.wtts");
            result = state_save(state, &r->at, &r->opt, err);
        }
        if (result == 0) result = wt_remove_tree(final, err);
        if (result == 0 && rename(part.ptr, final)) result = wt_fail_errno(err, "cannot rename '%s'", part.ptr);
        if (result == 0) result = wt_sync_dir_of(final, err);
        if (result == 0) result = set_link(r, "latest", name, err);
        if (result == 0 && r->at.best_step == r->at.step && r->at.best_loss < INFINITY) result = set_link(r, "best", name, err);
        if (result == 0) result = drop_old_checkpoints(r, err);
        if (result) wt_context(err, "saving step %llu", (unsigned long long)r->at.step);
        free(final), free(state);
        wt_buf_free(&part);
    }
    return wt_cluster_any(result != 0) ? -1 : 0;
}

/* Weights and state of run/latest into the run. */
static int load_checkpoint(run *r, wt_err *err) {
    char *dir = run_path(r, "latest"), *path = wt_path_join(dir, "state.wtts");
    int result = 0;
    gpt *saved = gpt_load(dir, 1, err);
    if (!saved) result = -1;
    else if (saved->at.total_floats != r->m->at.total_floats || memcmp(&saved->at, &r->m->at, sizeof saved->at))
        result = wt_fail(err, WT_EDATA, "'%s' has another shape than this run", dir);
    else {
        memcpy(r->m->w, saved->w, r->m->at.total_floats * sizeof(float));
        result = state_load(path, &r->at, &r->opt, err);
    }
    uint8_t print[32];
    shard_set_fingerprint(r->data, print);
    if (result == 0 && memcmp(print, r->at.dataset, 32)) result = wt_fail(err, WT_EDATA, "'%s' was trained on other shards", dir);
    if (result == 0 && state_hash_weights(r->m) != r->at.weights_hash)
        result = wt_fail(err, WT_EDATA, "'%s': the weights are not the ones that were saved with state.wtts", dir);
    gpt_free(saved);
    free(dir), free(path);
    return result;
}

/* ---- log ---- */
/* Opens log.jsonl behind the lines up to the current step: what came after was not saved and comes again. */
static int open_log(run *r, wt_err *err) {
    if (wt_cluster_rank() != 0) return 0;
    wt_buf old = {0}, kept = {0};
    r->log_path = run_path(r, "log.jsonl");
    int result = 0;
    if (wt_exists(r->log_path)) result = wt_read_file(r->log_path, (uint64_t)4 << 30, &old, err);
    for (wt_str rest = wt_buf_view(&old); result == 0 && rest.len;) {
        wt_str line = wt_str_cut(&rest, '\n');
        wt_json top;
        int64_t step;
        if (wt_json_parse(line, &top, NULL) || wt_json_i64(wt_json_get(top, "step"), &step) || (uint64_t)step > r->at.step) continue;
        wt_buf_add_str(&kept, line), wt_buf_add_char(&kept, '\n');
    }
    if (result == 0) result = wt_write_file(r->log_path, wt_buf_view(&kept), err);
    wt_buf_free(&old), wt_buf_free(&kept);
    if (result == 0 && !(r->log = fopen(r->log_path, "ae"))) result = wt_fail_errno(err, "cannot open '%s'", r->log_path);
    return result;
}

static int log_line(run *r, wt_buf *line, wt_err *err) {
    wt_buf_add_str(line, WT_STR("}\n"));
    int result = 0;
    if (r->log && (fwrite(line->ptr, 1, line->len, r->log) != line->len || fflush(r->log))) result = wt_fail_errno(err, "cannot write '%s'", r->log_path);
    wt_buf_free(line);
    return result;
}

static void log_number(wt_buf *b, const char *name, double x) {
    wt_buf_printf(b, ",\"%s\":", name);
    wt_json_add_double(b, x);
}

/* ---- one step ---- */
static double learning_rate_at(const run *r, uint64_t samples) {
    const train_options *o = &r->o;
    double rate = o->learning_rate * r->at.rate_scale, total = (double)r->total_samples, at = (double)samples, warm = (double)r->warmup_samples;
    if (at < warm) return rate * (at + (double)r->windows) / (warm + (double)r->windows);
    double share = total > warm ? fmin(1, (at - warm) / (total - warm)) : 1, left = 1;
    if (o->schedule == TRAIN_COSINE) left = 0.5 * (1 + cos(M_PI * share));
    else if (o->schedule == TRAIN_LINEAR) left = 1 - share;
    else if (at > total * (1 - o->cooldown)) left = (total - at) / (total * o->cooldown);
    return rate * (o->final_rate + (1 - o->final_rate) * left);
}

static uint64_t windows_of_step(const run *r) {
    uint64_t n = r->windows;
    if (r->at.samples < r->ramp_samples) n = (uint64_t)((double)n * (0.125 + 0.875 * (double)r->at.samples / (double)r->ramp_samples));
    if (n < 1) n = 1;
    return n < r->total_samples - r->at.samples ? n : r->total_samples - r->at.samples;
}

/* Windows first, first + 1, ... as inputs, targets and, if asked, each token's first visible key. */
static int read_windows(run *r, shard_loader *feed, shard_set *set, uint64_t first, int n, wt_err *err) {
    size_t T = (size_t)r->o.seq_len;
    for (int b = 0; b < n; b++) {
        if (shard_loader_get(feed, first + (uint64_t)b, r->window, err)) return -1;
        memcpy(r->inputs + (size_t)b * T, r->window, T * sizeof *r->window);
        memcpy(r->targets + (size_t)b * T, r->window + 1, T * sizeof *r->window);
        if (!r->o.document_mask) continue;
        size_t n_starts;
        uint32_t *starts = r->window;           /* its ids are copied; room for T + 1 */
        if (shard_set_doc_starts(set, shard_loader_first(feed, first + (uint64_t)b), T, starts, &n_starts, err)) return -1;
        int32_t from = 0;
        for (size_t t = 0, i = 0; t < T; t++) {
            if (i < n_starts && starts[i] == t) from = (int32_t)t, i++;
            r->key_start[(size_t)b * T + t] = from;
        }
    }
    return 0;
}

/* Called by the pass when a part's gradients are complete. */
static void part_done(void *ctx, int layer) {
    run *r = ctx;
    if (r->last_pass && wt_cluster_size() > 1) {
        if (layer >= 0) wt_cluster_sum_f32(gpt_grad_layer(r->m, layer), r->m->at.layer_floats);
        else {
            wt_cluster_sum_f32(r->m->grad, r->m->at.layers);
            wt_cluster_sum_f32(gpt_grad_final(r->m), r->m->at.total_floats - r->m->at.lnf_w);
        }
    }
    if (!r->fused_step) return;
    double squares = optimizer_grad_squares(r->m, layer);
    r->squares += squares;
    if (isfinite(squares) && isfinite(r->last_loss) && !r->bad_part) optimizer_update(&r->opt, layer, r->fused_step);
    else r->bad_part = true;
}

/* Forward and backward over the step's windows; this rank's part of them. r->last_loss: mean of all. */
static int add_gradients(run *r, uint64_t windows, wt_err *err) {
    uint64_t ranks = (uint64_t)wt_cluster_size(), rank = (uint64_t)wt_cluster_rank();
    uint64_t from = windows * rank / ranks, to = windows * (rank + 1) / ranks;
    double sum = 0;
    for (uint64_t i = from; i < to || i == from;) {
        uint64_t n = to - i < (uint64_t)r->plan.micro_batch ? to - i : (uint64_t)r->plan.micro_batch;
        double loss = 0;
        r->last_pass = i + n >= to;
        if (n && read_windows(r, r->feed, r->data, r->at.samples + i, (int)n, err)) return -1;
        gpt_pass pass = {.B = (int)n, .T = r->o.seq_len, .tokens = r->inputs, .targets = r->targets, .backward = true, .keep = r->plan.keep,
                         .key_start = r->o.document_mask ? r->key_start : NULL, .weight = (float)((double)n / (double)windows),
                         .part_done = part_done, .ctx = r};
        if (n && gpt_pass_run(r->m, &pass, r->fused_step ? &r->last_loss : &loss, err)) return -1;
        if (!n) { /* more ranks than windows: this one only takes part in the sums */
            if (r->m->grad_stale) gpt_grad_zero(r->m);
            for (int l = r->shape.n_layer - 1; l >= -1; l--) part_done(r, l);
        }
        sum += (r->fused_step ? r->last_loss : loss) * (double)n / (double)windows;
        if (n == 0) break;
        i += n;
    }
    wt_cluster_sum_f64(&sum, 1);
    r->last_loss = sum;
    return 0;
}

/* Returns to `latest`, or to the one before where `latest` has failed already. */
static int load_last_good(run *r, wt_err *err) {
    int failed = 0;
    if (r->at.unproven && wt_cluster_rank() == 0) failed = discard_latest(r, err);
    if (wt_cluster_any(failed != 0)) return failed ? -1 : wt_fail(err, WT_EDATA, "rank 0 found no checkpoint to return to");
    if (load_checkpoint(r, err)) return -1;
    char *best = run_path(r, "best");
    if (!wt_is_dir(best)) { /* it was the one taken away */
        r->at.best_loss = INFINITY, r->at.best_step = 0;
        if (wt_cluster_rank() == 0) unlink(best);
    }
    free(best);
    return 0;
}

/* After three bad steps in a row: the last good weights, half the rate; the data goes on. */
static int roll_back(run *r, wt_err *err) {
    train_state now = r->at;
    char *latest = run_path(r, "latest");
    bool saved = wt_is_dir(latest);
    free(latest);
    if (now.rollbacks >= ROLLBACKS_MAX)
        return wt_fail(err, WT_EDATA, "the loss is not finite even after %d returns to a checkpoint with a lower learning rate; lower --lr", ROLLBACKS_MAX);
    if (!saved) return wt_fail(err, WT_EDATA, "the loss is not finite in %d steps and no checkpoint was saved yet; lower --lr", BAD_STEPS_MAX);
    if (load_last_good(r, err)) return -1;
    wt_warn("step %llu: %d steps in a row without a finite loss; back to the weights of step %llu with half the learning rate",
            (unsigned long long)now.step, BAD_STEPS_MAX, (unsigned long long)r->at.step);
    r->at.step = now.step, r->at.samples = now.samples, r->at.tokens = now.tokens, r->at.skipped = now.skipped;
    r->at.rollbacks = now.rollbacks + 1, r->at.rate_scale = now.rate_scale / 2, r->at.skipped_in_row = 0;
    r->at.unproven = true;
    return 0;
}

static int train_step(run *r, wt_err *err) {
    const train_options *o = &r->o;
    uint64_t windows = windows_of_step(r);
    double tokens = (double)windows * o->seq_len, beta2 = o->beta2 > 0 ? o->beta2 : pow(0.5, tokens / r->beta2_half_life);
    double known_norm = r->at.previous_norm;
    optim_step step = {.step = r->at.step + 1 - r->at.skipped, .learning_rate = learning_rate_at(r, r->at.samples), .beta2 = beta2, .grad_scale = 1};
    r->fused_step = NULL, r->squares = 0, r->bad_part = false;
    if (r->plan.fused) { /* the norm of these gradients is known too late: clip by the step before */
        if (o->grad_clip > 0 && known_norm > o->grad_clip) step.grad_scale = o->grad_clip / known_norm;
        r->fused_step = &step;
    }
    if (add_gradients(r, windows, err)) return -1;
    if (!r->plan.fused)
        for (int part = r->shape.n_layer - 1; part >= -1; part--) r->squares += optimizer_grad_squares(r->m, part);
    double norm = sqrt(r->squares);
    bool good = isfinite(r->last_loss) && isfinite(norm) && !r->bad_part;
    if (!r->plan.fused && good) {
        if (o->grad_clip > 0 && norm > o->grad_clip) step.grad_scale = o->grad_clip / norm;
        for (int part = r->shape.n_layer - 1; part >= -1; part--) optimizer_update(&r->opt, part, &step);
    }
    if (!good) gpt_grad_zero(r->m);
    r->at.step++, r->at.samples += windows, r->at.tokens += windows * (uint64_t)o->seq_len;
    r->last_norm = norm, r->last_rate = step.learning_rate, r->updated = good;
    if (good) {
        r->at.previous_norm = norm, r->at.skipped_in_row = 0;
        r->at.loss_smooth = r->at.loss_smooth > 0 ? 0.95 * r->at.loss_smooth + 0.05 * r->last_loss : r->last_loss;
        return 0;
    }
    r->at.skipped++, r->at.skipped_in_row++;
    wt_warn("step %llu: loss %g, gradient norm %g: step passed over", (unsigned long long)r->at.step, r->last_loss, norm);
    return r->at.skipped_in_row >= BAD_STEPS_MAX ? roll_back(r, err) : 0;
}

/* ---- validation and samples ---- */
static int validate(run *r, double *loss, wt_err *err) {
    uint64_t windows = shard_loader_windows(r->val_feed), want = r->o.eval_tokens / (uint64_t)r->o.seq_len;
    if (want && want < windows) windows = want;
    uint64_t ranks = (uint64_t)wt_cluster_size(), from = windows * (uint64_t)wt_cluster_rank() / ranks, to = windows * ((uint64_t)wt_cluster_rank() + 1) / ranks;
    double sum = 0, one;
    for (uint64_t i = from; i < to;) {
        int n = (int)(to - i < (uint64_t)r->plan.micro_batch ? to - i : (uint64_t)r->plan.micro_batch);
        if (read_windows(r, r->val_feed, r->val, i, n, err)) return -1;
        gpt_pass pass = {.B = n, .T = r->o.seq_len, .tokens = r->inputs, .targets = r->targets, .keep = r->plan.keep,
                         .key_start = r->o.document_mask ? r->key_start : NULL};
        if (gpt_pass_run(r->m, &pass, &one, err)) return -1;
        sum += one * n;
        i += (uint64_t)n;
    }
    wt_cluster_sum_f64(&sum, 1);
    *loss = sum / (double)windows;
    return 0;
}

/* A sample of the model's own, from the end-of-text id on. */
static int sample_text(run *r, wt_buf *text, wt_err *err) {
    int V = r->shape.vocab, n = (int)r->o.sample_tokens < r->shape.n_ctx ? (int)r->o.sample_tokens : r->shape.n_ctx;
    gpt_cache *cache = gpt_cache_new(r->m, 1, err);
    if (!cache) return -1;
    float *logits = wt_xmalloc((size_t)V * sizeof *logits);
    gpt_sampling how = {.temperature = 0.8f, .top_k = 200, .top_p = 1, .repetition_penalty = 1};
    uint32_t token = (uint32_t)r->shape.eot;
    wt_rng rng;
    wt_rng_init(&rng, r->o.seed, 0x5a5a5a5a ^ r->at.step);
    int result = 0;
    for (int i = 0; result == 0 && i < n; i++) {
        result = gpt_decode(cache, &(gpt_row){0, token, true}, 1, logits, err);
        if (result) break;
        token = gpt_sample(logits, V, &how, NULL, 0, &rng);
        if (token == (uint32_t)r->shape.eot) break;
        result = bpe_decode(r->tokens_of_text, &token, 1, text, err);
    }
    free(logits);
    gpt_cache_free(cache);
    return result;
}

static bool every(uint64_t step, uint64_t n, bool last) { return n && (step % n == 0 || last); }

/* What is due after a step besides the checkpoint. */
static int after_step(run *r, double seconds, double share, double rate, bool last, wt_err *err) {
    const train_options *o = &r->o;
    wt_buf line = {0};
    double loss;
    if (every(r->at.step, o->log_every, last)) {
        wt_buf_printf(&line, "{\"step\":%llu,\"tokens\":%llu", (unsigned long long)r->at.step, (unsigned long long)r->at.tokens);
        log_number(&line, "loss", r->last_loss), log_number(&line, "loss_smooth", r->at.loss_smooth), log_number(&line, "lr", r->last_rate);
        log_number(&line, "grad_norm", r->last_norm), log_number(&line, "tokens_per_s", rate), log_number(&line, "gemm_share", share);
        log_number(&line, "seconds", seconds);
        if (r->at.skipped) wt_buf_printf(&line, ",\"skipped\":%llu", (unsigned long long)r->at.skipped);
        if (log_line(r, &line, err)) return -1;
    }
    if (r->val_feed && every(r->at.step, o->eval_every, last)) {
        if (validate(r, &loss, err)) return -1;
        if (loss < r->at.best_loss) r->at.best_loss = loss, r->at.best_step = r->at.step;
        wt_info("step %llu: validation loss %.4f, perplexity %.2f", (unsigned long long)r->at.step, loss, exp(loss));
        wt_buf_printf(&line, "{\"step\":%llu,\"tokens\":%llu", (unsigned long long)r->at.step, (unsigned long long)r->at.tokens);
        log_number(&line, "val_loss", loss);
        if (log_line(r, &line, err)) return -1;
    }
    if (r->tokens_of_text && wt_cluster_rank() == 0 && every(r->at.step, o->sample_every, last)) {
        wt_buf text = {0};
        if (sample_text(r, &text, err)) return -1;
        wt_info("step %llu: sample: %.*s", (unsigned long long)r->at.step, WT_FMT(wt_buf_view(&text)));
        wt_buf_printf(&line, "{\"step\":%llu,\"sample\":", (unsigned long long)r->at.step);
        wt_json_add_string(&line, wt_buf_view(&text));
        wt_buf_free(&text);
        if (log_line(r, &line, err)) return -1;
    }
    return 0;
}

/* ---- the loop ---- */
static int train_loop(run *r, wt_err *err) {
    const train_options *o = &r->o;
    wt_progress_begin("training", "tokens", r->total_samples * (uint64_t)o->seq_len);
    wt_progress_set(r->at.tokens);
    int result = 0;
    double cluster = wt_cluster_size(), began = wt_now();
    uint64_t tokens_here = 0;
    while (result == 0 && r->at.samples < r->total_samples) {
        uint64_t tokens = r->at.tokens;
        double start = wt_now();
        if ((result = train_step(r, err))) break;
        double seconds = wt_now() - start, rate = (double)(r->at.tokens - tokens) / seconds;
        double share = r->gflops > 0 ? rate * gpt_shape_flops(&r->shape, o->seq_len) * 1e-9 / (r->gflops * cluster) : 0;
        bool last = r->at.samples >= r->total_samples, stop = wt_cluster_any(wt_stop_requested()), save = wt_cluster_any(wt_save_requested());
        tokens_here += r->at.tokens - tokens;
        wt_progress_set(r->at.tokens);
        wt_progress_note("step %llu, loss %.4f (%.4f), lr %.2e, norm %.2f, %.0f%% of gemm", (unsigned long long)r->at.step, r->last_loss,
                         r->at.loss_smooth, r->last_rate, r->last_norm, 100 * share);
        result = after_step(r, seconds, share, rate, last, err);
        bool due = every(r->at.step, o->save_every, false) && r->updated;    /* what a rollback returns to is good */
        if (result == 0 && (last || stop || save || due)) result = save_checkpoint(r, err);
        if (result == 0 && stop && !last) result = wt_stop_error(err);
    }
    wt_progress_end();
    wt_report_number("tokens_per_s", tokens_here ? (double)tokens_here / (wt_now() - began) : 0);
    wt_report_count("steps", r->at.step);
    wt_report_count("tokens", r->at.tokens);
    wt_report_number("loss", r->at.loss_smooth);
    if (r->at.best_loss < INFINITY) wt_report_number("best validation loss", r->at.best_loss);
    if (r->at.skipped) wt_report_count("steps passed over", r->at.skipped);
    return result;
}

static int start_fresh(run *r, wt_err *err) {
    r->at = (train_state){.rate_scale = 1, .best_loss = INFINITY};
    shard_set_fingerprint(r->data, r->at.dataset);
    return open_log(r, err);
}

static int make_model(run *r, wt_err *err) {
    const train_options *o = &r->o;
    if (!o->init_from) {
        r->m = gpt_new(&r->shape, o->seed, o->threads, err);
        return r->m ? 0 : -1;
    }
    r->m = gpt_load(o->init_from, o->threads, err);
    return r->m ? 0 : -1;
}

/* The model's shape: by name, or of the model it starts from, whose context must hold a window. */
static int resolve_shape(run *r, wt_err *err) {
    if (!r->o.init_from) return gpt_shape_named(r->o.model, &r->shape, err);
    if (make_model(r, err)) return wt_context(err, "--init-from");
    int vocab = r->shape.vocab;
    r->shape = r->m->shape;
    if (r->shape.vocab != vocab)
        return wt_fail(err, WT_EDATA, "'%s' knows %d ids and the shards' tokenizer has %d: not the same tokenizer", r->o.init_from, r->shape.vocab, vocab);
    if (r->shape.n_ctx < r->o.seq_len) return wt_fail(err, WT_EARG, "'%s' has a context of %d tokens; lower --seq-len", r->o.init_from, r->shape.n_ctx);
    return 0;
}

static int allocate(run *r, wt_err *err) {
    const train_options *o = &r->o;
    size_t n = (size_t)r->plan.micro_batch * (size_t)o->seq_len;
    optim_settings set = {.kind = o->muon ? OPTIM_MUON : OPTIM_ADAMW, .bf16 = r->plan.bf16, .beta1 = o->beta1, .epsilon = 1e-8,
                          .weight_decay = o->weight_decay, .muon_momentum = 0.95};
    r->inputs = wt_xmalloc(n * sizeof *r->inputs), r->targets = wt_xmalloc(n * sizeof *r->targets);
    r->window = wt_xmalloc(((size_t)o->seq_len + 1) * sizeof *r->window);
    if (o->document_mask) r->key_start = wt_xmalloc(n * sizeof *r->key_start);
    return gpt_grad_alloc(r->m, r->plan.fused, err) || optimizer_init(&r->opt, r->m, &set, err) ? -1 : 0;
}

static void run_free(run *r) {
    if (r->log) fclose(r->log);
    optimizer_reset(&r->opt);
    gpt_free(r->m);
    shard_loader_free(r->feed), shard_loader_free(r->val_feed);
    if (r->data) shard_set_close(r->data);
    if (r->val) shard_set_close(r->val);
    bpe_model_free(r->tokens_of_text);
    free(r->inputs), free(r->targets), free(r->window), free(r->key_start), free(r->tokenizer_dir), free(r->log_path);
}

static int prepare(run *r, wt_err *err) {
    train_options *o = &r->o;
    if (check_options(r, err) || open_data(r, err) || resolve_shape(r, err) || resolve_length(r, err)) return -1;
    if (o->learning_rate == 0) o->learning_rate = default_rate(&r->shape);
    return choose_plan(r, err);
}

static int run_all(run *r, wt_err *err) {
    train_options *o = &r->o;
    if (prepare(r, err)) return -1;
    if (o->plan_only) {
        plan_print(&r->plan, &r->shape, o->seq_len, measure_gflops(o->threads));
        return 0;
    }
    wt_buf key = {0};
    run_key(r, &key);
    int state = wt_run_begin(o->output, true, wt_buf_view(&key), o->force, err), result = state < 0 ? -1 : 0;
    if (state > 0 && state != WT_RUN_DONE) {
        if (!r->m) result = make_model(r, err);
        if (result == 0) result = allocate(r, err);
        char *latest = run_path(r, "latest");
        if (result == 0) {
            r->gflops = measure_gflops(o->threads);
            plan_print(&r->plan, &r->shape, o->seq_len, r->gflops);
            if (wt_is_dir(latest)) {
                result = load_checkpoint(r, err);
                if (result == 0) result = open_log(r, err);
                if (result == 0) wt_info("continuing at step %llu, %llu tokens", (unsigned long long)r->at.step, (unsigned long long)r->at.tokens);
            } else
                result = start_fresh(r, err);
        }
        free(latest);
        if (result == 0) result = train_loop(r, err);
        if (result == 0) result = wt_run_finish(o->output, true, wt_buf_view(&key), err);
    }
    wt_buf_free(&key);
    return result;
}

int train_run(const train_options *options, wt_err *err) {
    run r = {.o = *options};
    int result = run_all(&r, err);
    run_free(&r);
    return result;
}

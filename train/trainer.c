/* trainer.c - the run: options become a plan, shards become windows, steps become checkpoints.
 *
 * Time is counted in windows of seq_len tokens ("samples"): the loader's sample i depends on (data,
 * length, seed, i) alone, so a run is where it is by one number. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/tool.h"
#include "train/run.h"

train_options train_defaults(void) {
    return (train_options){.model = "gpt2", .seq_len = 1024, .final_rate = 0, .schedule = TRAIN_LINEAR,
                           .cooldown = 0.3, .warmup = -1, .weight_decay = 0.1, .beta1 = 0.9, .grad_clip = 1, .eval_every = 250,
                           .eval_tokens = 65536, .save_every = 1000, .sample_every = 1000, .log_every = 1, .keep = 2, .sample_tokens = 100,
                           .outer_rate = 0.7, .outer_momentum = 0.9};
}

/* ---- setting up ---- */
static int open_data(run *r, wt_err *err) {
    const train_options *o = &r->o;
    r->data = shard_set_open(o->shards, "train", err);
    if (!r->data) return -1;
    const shard_tokenizer *t = shard_set_tokenizer(r->data);
    r->shape.vocab = (int)t->vocab, r->shape.eot = (int)t->eot;
    if (shard_set_tokens(r->data) <= (uint64_t)o->seq_len)
        return wt_fail(err, WT_EARG, "'%s' holds %llu training tokens and one window takes %d; lower --seq-len, or shard more text", o->shards,
                       (unsigned long long)shard_set_tokens(r->data), o->seq_len + 1);
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

/* The batch, where none is asked for. On a CPU small batches learn more from each token; what limits them is Muon, whose
 * products cost about 4 tokens a unit of width in each step, so the batch grows with the width. */
static uint64_t default_batch(const gpt_shape *s) {
    uint64_t tokens = 1024;
    while (tokens < 12 * (uint64_t)s->n_embd) tokens *= 2;
    return tokens;
}

static int resolve_batch(run *r, wt_err *err) {
    const train_options *o = &r->o;
    uint64_t tokens = shard_set_tokens(r->data), batch = o->batch_tokens;
    for (batch = batch ? batch : default_batch(&r->shape); !o->batch_tokens && batch > tokens / 64;) batch /= 2;
    r->windows = batch / (uint64_t)o->seq_len ? batch / (uint64_t)o->seq_len : 1;
    if (r->windows > 1 << 20) return wt_fail(err, WT_EARG, "a step of %llu windows is out of range", (unsigned long long)r->windows);
    uint64_t need = r->windows * (uint64_t)o->seq_len + 1;
    return tokens >= need ? 0 : wt_fail(err, WT_EARG, "'%s' holds %llu training tokens and one step takes %llu; lower --batch-tokens or --seq-len, or shard more text",
                                        o->shards, (unsigned long long)tokens, (unsigned long long)need);
}

/* Rates found by experiment for widths of 128 to 256 (docs/reproduce.md), continued by the square root of the width for
 * Muon's matrices and by the width for the embedding; at 768 these are near what others found (Jordan et al. 2024).
 * AdamW: what GPT-3 used (Brown et al. 2020); small models took no more than 1e-3 at small batches. */
static void default_rates(run *r) {
    train_options *o = &r->o;
    double C = r->shape.n_embd, muon = 1.8e-3 * sqrt(768 / C), adamw = C > 768 ? 6e-4 * 768 / C : fmin(1e-3, 6e-4 * pow(768 / C, 1.5));
    if (o->learning_rate == 0) o->learning_rate = r->muon ? muon : adamw;
    if (o->embed_rate == 0) o->embed_rate = o->learning_rate * (r->muon ? fmin(0.03, 4 / C) / muon : 1);
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
    if (o->learning_rate < 0 || o->embed_rate < 0 || o->weight_decay < 0 || o->grad_clip < 0 || o->final_rate < 0 || o->final_rate > 1)
        return wt_fail(err, WT_EARG, "rates, decay and clipping must not be negative, and --final-lr is a share of 0 to 1");
    if (!(o->beta1 >= 0 && o->beta1 < 1 && o->beta2 >= 0 && o->beta2 < 1)) return wt_fail(err, WT_EARG, "--beta1 and --beta2 are in [0, 1)");
    if (!(o->outer_rate > 0 && o->outer_momentum >= 0 && o->outer_momentum < 1)) return wt_fail(err, WT_EARG, "--outer-lr is above 0 and --outer-momentum in [0, 1)");
    r->shape.n_ctx = o->seq_len, r->shape.eot = -1;
    return 0;
}

static int choose_plan(run *r, wt_err *err) {
    const train_options *o = &r->o;
    int ranks = wt_cluster_size(), mine = (int)((r->windows + (uint64_t)ranks - 1) / (uint64_t)ranks);
    int micro = o->micro_batch ? (int)o->micro_batch : 1024 / o->seq_len;
    if (micro < 1) micro = 1;
    if (micro > mine) micro = mine;
    plan_request want = {.T = o->seq_len, .micro_batch = micro, .windows = mine, .muon = o->optimizer == TRAIN_MUON || (o->optimizer == TRAIN_OPTIMIZER_AUTO && !o->init_from), .threads = o->threads, .ranks = ranks,
                         .apart = o->sync_every > 0, .limit = o->memory ? o->memory : wt_memory_available(), .inexact = o->memory > 0,
                         .recompute = o->recompute == TRAIN_RECOMPUTE_AUTO ? -1 : o->recompute == TRAIN_RECOMPUTE_ON,
                         .fused = o->update == TRAIN_UPDATE_AUTO ? -1 : o->update == TRAIN_UPDATE_LAYERS, .moments = o->moments};
    int result = plan_choose(&r->plan, &r->shape, &want, err);
    if (result && want.muon && o->optimizer == TRAIN_OPTIMIZER_AUTO) { /* AdamW's moments can be smaller */
        want.muon = false;
        *err = (wt_err){0};
        result = plan_choose(&r->plan, &r->shape, &want, err);
    }
    r->muon = want.muon;
    return result;
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
    wt_buf_printf(key, "\"micro_batch\":%d,\"windows\":%llu,\"lr\":%.9g,\"embed_lr\":%.9g,\"final_lr\":%.9g,\"schedule\":%d,\"cooldown\":%.9g,\"warmup\":%llu,\"ramp\":%llu,",
                  o->micro_batch ? (int)o->micro_batch : 0, (unsigned long long)r->total_samples, o->learning_rate, o->embed_rate, o->final_rate, o->schedule, o->cooldown,
                  (unsigned long long)r->warmup_samples, (unsigned long long)r->ramp_samples);
    wt_buf_printf(key, "\"optimizer\":\"%s\",\"weight_decay\":%.9g,\"beta1\":%.9g,\"beta2\":%.9g,\"half_life\":%.9g,\"clip\":%.9g,", r->muon ? "muon" : "adamw",
                  o->weight_decay, o->beta1, o->beta2, r->beta2_half_life, o->grad_clip);
    wt_buf_printf(key, "\"moments\":%d,\"fused\":%d,\"document_mask\":%d,\"document_rows\":%d,\"seed\":%llu,", 8 * (int)r->plan.moments, r->plan.fused, o->document_mask, o->document_rows,
                  (unsigned long long)o->seed);
    if (run_apart(r))
        wt_buf_printf(key, "\"sync_every\":%llu,\"outer_lr\":%.9g,\"outer_momentum\":%.9g,", (unsigned long long)o->sync_every, o->outer_rate, o->outer_momentum);
    wt_buf_printf(key, "\"init_from\":");
    wt_json_add_string(key, wt_str_of(o->init_from ? o->init_from : ""));
    wt_buf_add_char(key, '}');
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
        if ((result = run_step(r, err))) break;
        double seconds = wt_now() - start, rate = (double)(r->at.tokens - tokens) / seconds;
        double share = r->gflops > 0 ? rate * gpt_shape_flops(&r->shape, o->seq_len) * 1e-9 / (r->gflops * cluster) : 0;
        bool last = r->at.samples >= r->total_samples, stop = wt_cluster_any(wt_stop_requested()), save = wt_cluster_any(wt_save_requested());
        tokens_here += r->at.tokens - tokens;
        wt_progress_set(r->at.tokens);
        wt_progress_note("step %llu, loss %.4f (%.4f), lr %.2e, norm %.2f, %.0f%% of gemm", (unsigned long long)r->at.step, r->last_loss,
                         r->at.loss_smooth, r->last_rate, r->last_norm, 100 * share);
        bool due = last || stop || save || (run_every(r->at.step, o->save_every, false) && r->updated);
        int sound = due ? run_is_sound(r, err) : 1;
        if (sound < 0) result = -1;
        else result = run_watch(r, seconds, share, rate, last && sound, err);
        if (result == 0 && due && sound) result = run_save(r, err);
        else if (result == 0 && last) result = run_diverged(r, "its weights give no sound loss", err);
        else if (result == 0 && due) wt_warn("step %llu: the weights give no sound loss: no checkpoint", (unsigned long long)r->at.step);
        if (result == 0 && stop && !last) result = wt_stop_error(err);
    }
    wt_progress_end();
    wt_report_number("tokens_per_s", tokens_here ? (double)tokens_here / (wt_now() - began) : 0);
    wt_report_count("steps", r->at.step);
    wt_report_count("tokens", r->at.tokens);
    wt_report_number("loss", r->at.loss_smooth);
    if (r->at.best_loss < INFINITY) wt_report_number("best validation loss", r->at.best_loss);
    if (r->at.skipped) wt_report_count("steps passed over", r->at.skipped);
    if (wt_cluster_size() > 1) wt_report_count("bytes sent by a rank", wt_cluster_sent_bytes());
    return result;
}

static int start_fresh(run *r, wt_err *err) {
    r->at = (train_state){.rate_scale = 1, .best_loss = INFINITY};
    shard_set_fingerprint(r->data, r->at.dataset);
    return run_open_log(r, err);
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
    r->m->shape.eot = r->shape.eot;         /* what ends a document is told by the shards; a config.json may name an id that is none */
    r->shape = r->m->shape;
    if (r->shape.vocab != vocab)
        return wt_fail(err, WT_EDATA, "'%s' knows %d ids and the shards' tokenizer has %d: not the same tokenizer", r->o.init_from, r->shape.vocab, vocab);
    if (r->shape.n_ctx < r->o.seq_len) return wt_fail(err, WT_EARG, "'%s' has a context of %d tokens; lower --seq-len", r->o.init_from, r->shape.n_ctx);
    return 0;
}

static int allocate(run *r, wt_err *err) {
    const train_options *o = &r->o;
    size_t n = (size_t)r->plan.micro_batch * (size_t)o->seq_len;
    bool apart = run_apart(r);
    optim_settings set = {.kind = r->muon ? OPTIM_MUON : OPTIM_ADAMW, .rank = apart ? 0 : wt_cluster_rank(), .ranks = apart ? 1 : wt_cluster_size(), .moments = r->plan.moments, .borrows = r->plan.borrows, .beta1 = o->beta1, .epsilon = 1e-8,
                          .weight_decay = o->weight_decay, .muon_momentum = 0.95, .embed_scale = o->learning_rate > 0 ? o->embed_rate / o->learning_rate : 0};
    r->inputs = wt_xmalloc(n * sizeof *r->inputs), r->targets = wt_xmalloc(n * sizeof *r->targets);
    r->window = wt_xmalloc(((size_t)o->seq_len + 1) * sizeof *r->window);
    if (o->document_mask) r->key_start = wt_xmalloc(n * sizeof *r->key_start);
    gpt_pass pass = {.B = r->plan.micro_batch, .T = o->seq_len, .backward = true, .again = r->plan.again};
    if (gpt_scratch_reserve(r->m, &pass, err) || gpt_grad_alloc(r->m, r->plan.fused, err) || optimizer_init(&r->opt, r->m, &set, err)) return -1;
    exchange_init(&r->x, &r->opt.share, o->threads);
    if (wt_cluster_size() == 1 && !r->plan.fused && !apart) r->behind = behind_new(&r->opt);
    return apart ? outer_init(&r->outer, r->m, err) : 0;
}

static void run_free(run *r) {
    if (r->log) fclose(r->log);
    exchange_reset(&r->x);
    outer_reset(&r->outer);
    behind_free(r->behind);
    optimizer_reset(&r->opt);
    gpt_free(r->m);
    shard_loader_free(r->feed), shard_loader_free(r->val_feed);
    if (r->data) shard_set_close(r->data);
    if (r->val) shard_set_close(r->val);
    bpe_model_free(r->tokens_of_text);
    free(r->inputs), free(r->targets), free(r->window), free(r->key_start), free(r->tokenizer_dir), free(r->log_path);
}

static int prepare(run *r, wt_err *err) {
    if (check_options(r, err) || open_data(r, err) || resolve_shape(r, err) || resolve_batch(r, err) || resolve_length(r, err)) return -1;
    if (choose_plan(r, err)) return -1;
    default_rates(r);
    return 0;
}

static int run_all(run *r, wt_err *err) {
    train_options *o = &r->o;
    if (prepare(r, err)) return -1;
    if (o->plan_only) {
        plan_print(&r->plan, &r->shape, o->seq_len, r->total_samples * (uint64_t)o->seq_len, measure_gflops(o->threads));
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
            plan_print(&r->plan, &r->shape, o->seq_len, r->total_samples * (uint64_t)o->seq_len, r->gflops);
            if (wt_is_dir(latest)) {
                result = run_load(r, err);
                if (result == 0) result = run_open_log(r, err);
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

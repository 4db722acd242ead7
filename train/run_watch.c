/* run_watch.c - what a person sees of a run: lines of the log, validation loss, samples of text. */
#include <math.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/json.h"
#include "common/tool.h"
#include "train/run.h"

static void log_number(wt_buf *b, const char *name, double x) {
    wt_buf_printf(b, ",\"%s\":", name);
    wt_json_add_double(b, x);
}

static int validate(run *r, double *loss, wt_err *err) {
    uint64_t windows = shard_loader_windows(r->val_feed), want = r->o.eval_tokens / (uint64_t)r->o.seq_len;
    if (want && want < windows) windows = want;
    uint64_t ranks = (uint64_t)wt_cluster_size(), from = windows * (uint64_t)wt_cluster_rank() / ranks, to = windows * ((uint64_t)wt_cluster_rank() + 1) / ranks;
    double sum = 0, one;
    behind_finish(r->behind);
    for (uint64_t i = from; i < to;) {
        int n = (int)(to - i < (uint64_t)r->plan.micro_batch ? to - i : (uint64_t)r->plan.micro_batch);
        if (run_read_windows(r, r->val_feed, r->val, i, n, err)) return -1;
        gpt_pass pass = {.B = n, .T = r->o.seq_len, .tokens = r->inputs, .targets = r->targets, .again = r->plan.again,
                         .key_start = r->o.document_mask ? r->key_start : NULL};
        if (gpt_pass_run(r->m, &pass, &one, err)) return -1;
        sum += one * n;
        i += (uint64_t)n;
    }
    *loss = wt_cluster_sum_f64(sum) / (double)windows;
    return 0;
}

/* A sample of the model's own, from the end-of-text id on. */
static int sample_text(run *r, wt_buf *text, wt_err *err) {
    int V = r->shape.vocab, n = (int)r->o.sample_tokens < r->shape.n_ctx ? (int)r->o.sample_tokens : r->shape.n_ctx;
    behind_finish(r->behind);
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

int run_watch(run *r, double seconds, double share, double rate, bool last, wt_err *err) {
    const train_options *o = &r->o;
    wt_buf line = {0};
    double loss;
    if (run_every(r->at.step, o->log_every, last)) {
        wt_buf_printf(&line, "{\"step\":%llu,\"tokens\":%llu", (unsigned long long)r->at.step, (unsigned long long)r->at.tokens);
        log_number(&line, "loss", r->last_loss), log_number(&line, "loss_smooth", r->at.loss_smooth), log_number(&line, "lr", r->last_rate);
        log_number(&line, "grad_norm", r->last_norm), log_number(&line, "tokens_per_s", rate), log_number(&line, "gemm_share", share);
        log_number(&line, "seconds", seconds), log_number(&line, "cpu_seconds", r->step_cpu);
        if (wt_cluster_size() > 1) {
            wt_buf_printf(&line, ",\"sent_bytes\":%llu", (unsigned long long)(wt_cluster_sent_bytes() - r->sent_bytes));
            log_number(&line, "waited_s", r->waited_s);
            r->sent_bytes = wt_cluster_sent_bytes(), r->waited_s = 0;
        }
        if (r->at.skipped) wt_buf_printf(&line, ",\"skipped\":%llu", (unsigned long long)r->at.skipped);
        if (run_log_line(r, &line, err)) return -1;
    }
    if (r->val_feed && run_every(r->at.step, o->eval_every, last)) {
        if (validate(r, &loss, err)) return -1;
        if (loss < r->at.best_loss) r->at.best_loss = loss, r->at.best_step = r->at.step;
        wt_info("step %llu: validation loss %.4f, perplexity %.2f", (unsigned long long)r->at.step, loss, exp(loss));
        wt_buf_printf(&line, "{\"step\":%llu,\"tokens\":%llu", (unsigned long long)r->at.step, (unsigned long long)r->at.tokens);
        log_number(&line, "val_loss", loss);
        if (run_log_line(r, &line, err)) return -1;
    }
    if (r->tokens_of_text && wt_cluster_rank() == 0 && run_every(r->at.step, o->sample_every, last)) {
        wt_buf text = {0};
        if (sample_text(r, &text, err)) return -1;
        wt_info("step %llu: sample: %.*s", (unsigned long long)r->at.step, WT_FMT(wt_buf_view(&text)));
        wt_buf_printf(&line, "{\"step\":%llu,\"sample\":", (unsigned long long)r->at.step);
        wt_json_add_string(&line, wt_buf_view(&text));
        wt_buf_free(&text);
        if (run_log_line(r, &line, err)) return -1;
    }
    return 0;
}

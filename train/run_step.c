/* run_step.c - one optimizer step: the next windows, shared by the ranks of the cluster, in passes of
 * micro_batch; the gradients of a layer are summed over ranks when the last pass has them. The schedule runs over
 * windows, so that a growing batch does not bend it. Ranks that train apart take the mean over their own windows
 * instead, and meet every sync_every steps. A step whose loss or gradient is not finite is passed over;
 * after three in a row, or three whose loss is far above that of guessing, the last checkpoint comes back with half the learning rate, and the data goes on. A
 * checkpoint that fails again before a new one was made after a good step is itself bad: it is removed, and the one
 * before comes back. Weights of such a loss are never saved; a run that has them at its end, or after the last
 * return, has diverged and fails. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/tool.h"
#include "train/run.h"

enum { BAD_STEPS_MAX = 3, ROLLBACKS_MAX = 5 };

/* All ids equally likely cost log(V): no healthy run, however young, comes near ten times that. False for NaN. */
static bool loss_is_sound(const run *r, double loss) { return loss < 10 * log(r->shape.vocab); }

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

/* One window into r->window. Rows of documents: a training window in which a document starts is moved forward to that start,
 * so that its tokens need no context that they cannot see; what it gives up belongs to a document that others show. */
static int read_row(run *r, shard_loader *feed, shard_set *set, uint64_t sample, uint64_t *begin, wt_err *err) {
    size_t T = (size_t)r->o.seq_len, n_starts;
    *begin = shard_loader_first(feed, sample);
    if (r->o.document_rows && feed == r->feed) {
        if (shard_set_doc_starts(set, *begin, T, r->window, &n_starts, err)) return -1;
        if (n_starts && r->window[0] && *begin + r->window[0] + T + 1 <= shard_set_tokens(set)) {
            *begin += r->window[0];
            return shard_set_read(set, *begin, T + 1, r->window, err);
        }
    }
    return shard_loader_get(feed, sample, r->window, err);
}

int run_read_windows(run *r, shard_loader *feed, shard_set *set, uint64_t first, int n, wt_err *err) {
    size_t T = (size_t)r->o.seq_len;
    for (int b = 0; b < n; b++) {
        uint64_t begin;
        if (read_row(r, feed, set, first + (uint64_t)b, &begin, err)) return -1;
        memcpy(r->inputs + (size_t)b * T, r->window, T * sizeof *r->window);
        memcpy(r->targets + (size_t)b * T, r->window + 1, T * sizeof *r->window);
        if (!r->o.document_mask) continue;
        size_t n_starts;
        uint32_t *starts = r->window;           /* its ids are copied; room for T + 1 */
        if (shard_set_doc_starts(set, begin, T, starts, &n_starts, err)) return -1;
        int32_t from = 0;
        for (size_t t = 0, i = 0; t < T; t++) {
            if (i < n_starts && starts[i] == t) from = (int32_t)t, i++;
            r->key_start[(size_t)b * T + t] = from;
        }
    }
    return 0;
}

/* The gradients of a span at their positions of the layout, also where all layers share one place. */
static float *gradients_of(const run *r, const share_span *span) {
    const gpt *m = r->m;
    if (!r->plan.fused) return m->grad;
    if (span->part >= 0) return gpt_grad_layer(m, span->part) - (m->at.layers + (size_t)span->part * m->at.layer_floats);
    return span->begin < m->at.layers ? m->grad : gpt_grad_final(m) - m->at.lnf_w;
}

static double squares_of(const run *r, int layer) {
    double squares = optimizer_grad_squares(&r->opt, layer);
    return run_apart(r) ? squares : wt_cluster_sum_f64(squares);
}

/* Span by span: the first are handed round while the last are computed. */
static void update_part(run *r, int layer, const optim_step *step) {
    for (size_t i = 0; i < r->opt.share.n_spans; i++) {
        if (r->opt.share.spans[i].part != layer) continue;
        optimizer_update_span(&r->opt, i, step);
        exchange_gather(&r->x, r->m->w, i);
    }
}

static void part_wanted(const gpt_pass *pass, int part) { behind_wanted(((run *)pass->ctx)->behind, pass, part); }

/* Called by the pass when a part's gradients are complete. */
static void part_done(void *ctx, int layer) {
    run *r = ctx;
    for (size_t i = 0; r->last_pass && i < r->opt.share.n_spans; i++)
        if (r->opt.share.spans[i].part == layer) exchange_sum(&r->x, gradients_of(r, &r->opt.share.spans[i]), i);
    if (!r->fused_step) { /* while they are in the cache */
        if (r->last_pass && wt_cluster_size() == 1) r->squares += optimizer_grad_squares(&r->opt, layer);
        return;
    }
    exchange_finish(&r->x);
    double squares = squares_of(r, layer);
    r->squares += squares;
    if (!isfinite(squares) || !isfinite(r->last_loss)) r->bad_part = true;
    if (!r->bad_part) update_part(r, layer, r->fused_step);
    exchange_finish(&r->x);
}

/* Forward and backward over the step's windows; this rank's part of them. r->last_loss: mean of all. */
static int add_gradients(run *r, uint64_t windows, wt_err *err) {
    uint64_t ranks = (uint64_t)wt_cluster_size(), rank = (uint64_t)wt_cluster_rank();
    uint64_t from = windows * rank / ranks, to = windows * (rank + 1) / ranks;
    double sum = 0, of = run_apart(r) ? (double)(to - from) : (double)windows;    /* gradients are of a mean over so many */
    r->last_loss = 0;
    for (uint64_t i = from; i < to || i == from;) {
        uint64_t n = to - i < (uint64_t)r->plan.micro_batch ? to - i : (uint64_t)r->plan.micro_batch;
        double loss = 0;
        r->last_pass = i + n >= to;
        if (n && run_read_windows(r, r->feed, r->data, r->at.samples + i, (int)n, err)) return -1;
        gpt_pass pass = {.B = (int)n, .T = r->o.seq_len, .tokens = r->inputs, .targets = r->targets, .backward = true, .again = r->plan.again,
                         .key_start = r->o.document_mask ? r->key_start : NULL, .weight = (float)((double)n / of),
                         .part_wanted = r->behind ? part_wanted : NULL, .part_done = part_done, .ctx = r};
        if (n && gpt_pass_run(r->m, &pass, r->fused_step ? &r->last_loss : &loss, err)) return -1;
        if (!n && !run_apart(r)) { /* more ranks than windows: this one only takes part in the sums */
            for (int l = r->shape.n_layer - 1; l >= -1; l--) {
                if (r->m->grad_stale || r->plan.fused) gpt_grad_zero(r->m);
                part_done(r, l);
            }
        }
        sum += (r->fused_step ? r->last_loss : loss) * (double)n / (double)windows;
        if (n == 0) break;
        i += n;
    }
    exchange_finish(&r->x);
    r->last_loss = wt_cluster_sum_f64(sum);
    r->idle = from == to;
    return 0;
}

/* The last window once more, which the weights before this step had seen: about a third of one window's work. */
int run_is_sound(run *r, wt_err *err) {
    double loss = 0;
    behind_finish(r->behind);
    gpt_pass pass = {.B = 1, .T = r->o.seq_len, .tokens = r->inputs, .targets = r->targets, .again = r->plan.again,
                     .key_start = r->o.document_mask ? r->key_start : NULL};
    int result = run_read_windows(r, r->feed, r->data, r->at.samples - 1, 1, err);
    if (result == 0) result = gpt_pass_run(r->m, &pass, &loss, err);
    if (wt_cluster_agree(result, err)) return -1;
    return !wt_cluster_any(!loss_is_sound(r, loss));
}

int run_diverged(const run *r, const char *what, wt_err *err) {
    char *latest = run_path(r, "latest"), target[64] = "";
    ssize_t length = readlink(latest, target, sizeof target - 1);
    wt_fail(err, WT_EDATA, "the run diverged at step %llu (loss %g, gradient norm %g, lr %g): %s; lower --lr or raise --warmup", (unsigned long long)r->at.step,
            r->last_loss, r->last_norm, r->last_rate, what);
    size_t n = err ? strlen(err->text) : 0;
    if (err && length > 0) snprintf(err->text + n, sizeof err->text - n, ", or go on from the last good weights with --init-from %s/%s and another -o", r->o.output, target);
    free(latest);
    return -1;
}

/* Returns to `latest`, or to the one before where `latest` has failed already. */
static int load_last_good(run *r, wt_err *err) {
    int failed = 0;
    if (r->at.unproven && wt_cluster_rank() == 0) failed = run_discard_latest(r, err);
    if (wt_cluster_any(failed != 0)) return failed ? -1 : wt_fail(err, WT_EDATA, "rank 0 found no checkpoint to return to");
    if (run_load(r, err)) return -1;
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
    if (now.rollbacks >= ROLLBACKS_MAX) return run_diverged(r, "no sound loss, also after returns to a checkpoint with half the learning rate each", err);
    if (!saved) return run_diverged(r, "no sound loss in several steps, and no checkpoint was saved yet", err);
    if (load_last_good(r, err)) return -1;
    wt_warn("step %llu: %d steps in a row without a sound loss; back to the weights of step %llu with half the learning rate",
            (unsigned long long)now.step, BAD_STEPS_MAX, (unsigned long long)r->at.step);
    r->at.step = now.step, r->at.samples = now.samples, r->at.tokens = now.tokens, r->at.skipped = now.skipped;
    r->at.rollbacks = now.rollbacks + 1, r->at.rate_scale = now.rate_scale / 2, r->at.skipped_in_row = 0;
    r->at.unproven = true;
    return 0;
}

int run_step(run *r, wt_err *err) {
    const train_options *o = &r->o;
    uint64_t windows = windows_of_step(r);
    double tokens = (double)windows * o->seq_len, beta2 = o->beta2 > 0 ? o->beta2 : pow(0.5, tokens / r->beta2_half_life);
    double known_norm = r->at.previous_norm, cpu = wt_cpu_seconds();
    optim_step step = {.step = r->at.step + 1 - r->at.skipped, .learning_rate = learning_rate_at(r, r->at.samples), .beta2 = beta2, .grad_scale = 1};
    r->fused_step = NULL, r->squares = 0, r->bad_part = false;
    if (r->plan.fused) { /* the norm of these gradients is known too late: clip by the step before */
        if (o->grad_clip > 0 && known_norm > o->grad_clip) step.grad_scale = o->grad_clip / known_norm;
        r->fused_step = &step;
    }
    if (add_gradients(r, windows, err)) return -1;
    bool takes_part = !(run_apart(r) && r->idle);
    if (!r->plan.fused && wt_cluster_size() > 1 && takes_part)
        for (int part = r->shape.n_layer - 1; part >= -1; part--) r->squares += optimizer_grad_squares(&r->opt, part);
    if (!r->plan.fused && !run_apart(r)) r->squares = wt_cluster_sum_f64(r->squares);
    double norm = sqrt(r->squares);
    bool good = !wt_cluster_any(!isfinite(r->last_loss) || !isfinite(norm) || r->bad_part);
    if (!r->plan.fused && good && takes_part) {
        if (o->grad_clip > 0 && norm > o->grad_clip) step.grad_scale = o->grad_clip / norm;
        if (r->behind) behind_update(r->behind, &step);
        for (int part = r->shape.n_layer - 1; !r->behind && part >= -1; part--) update_part(r, part, &step);
        exchange_finish(&r->x);
    }
    if (!good) gpt_grad_zero(r->m);
    r->at.step++, r->at.samples += windows, r->at.tokens += windows * (uint64_t)o->seq_len;
    if (good && run_apart(r) && (r->at.step % o->sync_every == 0 || r->at.samples >= r->total_samples)) outer_step(&r->outer, r->m, o->outer_rate, o->outer_momentum);
    bool sound = good && loss_is_sound(r, r->last_loss);
    r->last_norm = norm, r->last_rate = step.learning_rate, r->updated = sound;
    r->step_cpu = wt_cpu_seconds() - cpu;
    r->waited_s += r->x.waited_s + r->outer.x.waited_s;
    r->x.waited_s = r->outer.x.waited_s = 0;
    if (good) r->at.previous_norm = norm;
    if (sound) {
        r->at.skipped_in_row = 0;
        double fresh = fmax(0.05, 2.0 / (double)(r->at.step + 1));      /* the fast fall of the first steps is soon forgotten */
        r->at.loss_smooth = r->at.loss_smooth > 0 ? (1 - fresh) * r->at.loss_smooth + fresh * r->last_loss : r->last_loss;
        return 0;
    }
    r->at.skipped += !good, r->at.skipped_in_row++;
    wt_warn("step %llu: loss %g, gradient norm %g: %s", (unsigned long long)r->at.step, r->last_loss, norm, good ? "far above guessing" : "step passed over");
    return r->at.skipped_in_row >= BAD_STEPS_MAX ? roll_back(r, err) : 0;
}

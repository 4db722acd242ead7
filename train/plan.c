/* plan.c - see plan.h. The counts are what the allocations ask for; pages that are never touched make
 * the truth a little smaller. */
#include "train/plan.h"

#include <stdio.h>

#include "common/memory.h"
#include "common/tool.h"

/* What a step reaches of the product's rate, as measured at 124M (docs/experiments/train.md: 0.82 to 0.89). */
#define PLAN_SHARE 0.85

static double gib(uint64_t bytes) { return (double)bytes / (double)(1u << 30); }

void plan_count(train_plan *p, const gpt_shape *s, const plan_request *want) {
    gpt_layout at = gpt_layout_of(s);
    int ranks = want->ranks > 1 ? want->ranks : 1;
    p->activation_bytes = gpt_scratch_bytes(s, p->micro_batch, want->T, true, p->again, want->threads);
    p->borrows = want->muon && !p->fused && ranks == 1 && p->activation_bytes >= optimizer_work_bytes(s);     /* a rank may have no pass */
    optim_settings set = {.kind = want->muon ? OPTIM_MUON : OPTIM_ADAMW, .moments = p->moments, .ranks = want->apart ? 1 : ranks, .borrows = p->borrows};
    p->weight_bytes = at.total_floats * sizeof(float);
    p->gradient_bytes = (at.total_floats - (p->fused ? (uint64_t)(s->n_layer - 1) * at.layer_floats : 0)) * sizeof(float);
    p->moment_bytes = optimizer_bytes(s, &set);
    p->panel_bytes = (uint64_t)(46 + 7 * want->threads) << 20;      /* packed matrices; tokenizer, shards and the program by measurement */
    p->exchange_bytes = ranks == 1 ? 0 : p->weight_bytes < (64u << 20) ? p->weight_bytes : 64u << 20;     /* slices of others on their way */
    if (want->apart) p->exchange_bytes += 2 * p->weight_bytes / (uint64_t)ranks;
    p->total = p->weight_bytes + p->gradient_bytes + p->moment_bytes + p->activation_bytes + p->panel_bytes + p->exchange_bytes;
    p->flops_token = gpt_shape_flops(s, want->T);
    p->flops_token += (24.0 * s->n_embd * s->n_embd + 2.0 * (want->T + 1) * s->n_embd) * p->again;     /* their second forward pass */
    if (want->muon && want->windows > 0) /* five steps of Newton-Schulz a matrix, once a step: 300 C^3 a layer */
        p->flops_token += 300.0 * s->n_embd * s->n_embd * s->n_embd * s->n_layer / ((double)ranks * want->windows * want->T);
}

/* A mode changes what is computed only where that is allowed or asked for. */
static bool mode_allowed(const plan_request *want, bool again, optim_moments moments, bool fused) {
    if (want->recompute >= 0 && (want->recompute == 1) != again) return false;
    if (want->moments ? want->moments != (int)moments : moments != MOMENTS_FP32 && !want->inexact) return false;
    if (want->fused >= 0 ? want->fused != fused : fused && !want->inexact) return false;
    return !(want->muon && moments != MOMENTS_FP32);
}

static int too_small(const train_plan *smallest, const gpt_shape *shape, const plan_request *want, wt_err *err) {
    train_plan least = {.again = shape->n_layer - 1, .moments = MOMENTS_INT8, .fused = true, .micro_batch = 1};
    plan_request adamw = *want;
    adamw.muon = false;
    plan_count(&least, shape, &adamw);
    char cure[256];
    if (least.total <= want->limit && !want->muon)
        snprintf(cure, sizeof cure, "--memory BYTES with --batch-tokens %d, with moments of 8 bits and layer-by-layer updates, needs %.2f GiB", want->T, gib(least.total));
    else
        snprintf(cure, sizeof cure, "the smallest mode at this length (moments of 8 bits, layer-by-layer updates, one window) needs %.2f GiB; take a smaller model or --seq-len", gib(least.total));
    return wt_fail(err, WT_ENOMEM, "training this model needs %.2f GiB (weights %.2f, gradients %.2f, moments %.2f, activations %.2f) and %.2f GiB are allowed; %s",
                   gib(smallest->total), gib(smallest->weight_bytes), gib(smallest->gradient_bytes), gib(smallest->moment_bytes), gib(smallest->activation_bytes),
                   gib(want->limit), cure);
}

int plan_choose(train_plan *plan, const gpt_shape *shape, const plan_request *want, wt_err *err) {
    static const struct {
        bool again;
        optim_moments moments;
        bool fused;
    } modes[] = {{false, MOMENTS_FP32, false}, {true, MOMENTS_FP32, false}, {false, MOMENTS_FP32, true},
                 {true, MOMENTS_FP32, true}, {false, MOMENTS_BF16, false}, {true, MOMENTS_BF16, false},
                 {false, MOMENTS_BF16, true}, {true, MOMENTS_BF16, true}, {false, MOMENTS_INT8, false},
                 {true, MOMENTS_INT8, false}, {false, MOMENTS_INT8, true}, {true, MOMENTS_INT8, true}};
    train_plan smallest = {0};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (!mode_allowed(want, modes[i].again, modes[i].moments, modes[i].fused)) continue;
        *plan = (train_plan){.moments = modes[i].moments, .fused = modes[i].fused, .micro_batch = modes[i].fused ? want->windows : want->micro_batch};
        int most = modes[i].again ? shape->n_layer - 1 : 0;      /* of layers that are computed again: as few as fit */
        for (plan->again = want->recompute == 1 || most == 0 ? most : 1; plan->again <= most; plan->again++) {
            plan_count(plan, shape, want);
            if (plan->total <= want->limit) return 0;
        }
        plan->again = most;
        if (!smallest.total || plan->total < smallest.total) smallest = *plan;
    }
    if (!smallest.total) return wt_fail(err, WT_EARG, "Muon's moments are of fp32; leave --moments out, or take --optimizer adamw");
    *plan = smallest;
    return too_small(&smallest, shape, want, err);
}

/* "3.5 hours", for the unit that reads best. */
static void print_time(char out[32], double seconds) {
    if (seconds < 5400) snprintf(out, 32, "%.1f minutes", seconds / 60);
    else if (seconds < 48 * 3600) snprintf(out, 32, "%.1f hours", seconds / 3600);
    else snprintf(out, 32, "%.1f days", seconds / 86400);
}

void plan_print(const train_plan *p, const gpt_shape *s, int T, uint64_t tokens, double gflops) {
    wt_info("model       %d layers, width %d, %d heads, vocabulary %d: %.1f M parameters", s->n_layer, s->n_embd, s->n_head, s->vocab, (double)gpt_shape_params(s) * 1e-6);
    wt_info("memory      %.2f GiB: weights %.2f, gradients %.2f, moments %.2f, activations %.2f, panels %.2f", gib(p->total), gib(p->weight_bytes),
            gib(p->gradient_bytes), gib(p->moment_bytes), gib(p->activation_bytes), gib(p->panel_bytes + p->exchange_bytes));
    char again[64] = "activations kept";
    if (p->again) snprintf(again, sizeof again, "%d of %d layers computed again", p->again, s->n_layer);
    wt_info("mode        %s, moments in %s, %s, %d x %d tokens a pass", again,
            p->moments == MOMENTS_FP32 ? "fp32" : p->moments == MOMENTS_BF16 ? "bfloat16" : "8 bits", p->fused ? "each layer updated as its gradients come" : "gradients summed", p->micro_batch, T);
    if (gflops > 0) {
        double rate = PLAN_SHARE * gflops * 1e9 / p->flops_token;
        char time[32];
        print_time(time, (double)tokens / rate);
        wt_info("speed       %.2f GFLOP a token; about %.0f tokens/s (%.0f %% of the %.0f GFLOP/s that this machine's matrix products reach); %s for %.3g %s tokens", p->flops_token * 1e-9,
                rate, 100 * PLAN_SHARE, gflops, time, (double)tokens * (tokens < 1000000 ? 1e-3 : 1e-6), tokens < 1000000 ? "k" : "M");
    }
}

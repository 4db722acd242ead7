/* plan.c - see plan.h. The counts are what the allocations ask for; pages that are never touched make
 * the truth a little smaller. */
#include "train/plan.h"

#include <stdio.h>

#include "common/memory.h"
#include "common/tool.h"

static double gib(uint64_t bytes) { return (double)bytes / (double)(1u << 30); }

void plan_count(train_plan *p, const gpt_shape *s, int T, bool muon, int threads) {
    gpt_layout at = gpt_layout_of(s);
    optim_settings set = {.kind = muon ? OPTIM_MUON : OPTIM_ADAMW, .bf16 = p->bf16};
    p->weights = at.total_floats * sizeof(float);
    p->gradients = (at.total_floats - (p->fused ? (uint64_t)(s->n_layer - 1) * at.layer_floats : 0)) * sizeof(float);
    p->moments = optimizer_bytes(s, &set);
    p->activations = gpt_scratch_bytes(s, p->micro_batch, T, true, p->keep, threads);
    p->panels = (uint64_t)(16 + 4 * threads) << 20;      /* packed matrices, shards, the program */
    p->total = p->weights + p->gradients + p->moments + p->activations + p->panels;
    p->flops_token = gpt_shape_flops(s, T);
    if (p->keep == GPT_KEEP_INPUTS) /* a second forward pass of the layers but the last */
        p->flops_token += (24.0 * s->n_embd * s->n_embd + 2.0 * (T + 1) * s->n_embd) * (s->n_layer - 1);
}

int plan_choose(train_plan *plan, const gpt_shape *shape, int T, int micro_batch, int windows, bool muon, int threads,
                uint64_t limit, bool inexact, int recompute, wt_err *err) {
    static const struct {
        gpt_keep keep;
        bool bf16, fused;
    } modes[] = {{GPT_KEEP_ALL, false, false}, {GPT_KEEP_INPUTS, false, false}, {GPT_KEEP_ALL, false, true},
                 {GPT_KEEP_INPUTS, false, true}, {GPT_KEEP_ALL, true, false},
                 {GPT_KEEP_INPUTS, true, false}, {GPT_KEEP_ALL, true, true}, {GPT_KEEP_INPUTS, true, true}};
    train_plan smallest = {0};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (recompute >= 0 && (recompute == 1) != (modes[i].keep == GPT_KEEP_INPUTS)) continue;
        if ((modes[i].bf16 || modes[i].fused) && !inexact) continue;
        if (modes[i].bf16 && muon) continue;
        *plan = (train_plan){.keep = modes[i].keep, .bf16 = modes[i].bf16, .fused = modes[i].fused,
                             .micro_batch = modes[i].fused ? windows : micro_batch};
        plan_count(plan, shape, T, muon, threads);
        if (plan->total <= limit) return 0;
        if (!smallest.total || plan->total < smallest.total) smallest = *plan;
    }
    train_plan least = {.keep = GPT_KEEP_INPUTS, .bf16 = true, .fused = true, .micro_batch = 1};
    plan_count(&least, shape, T, false, threads);
    char cure[256];
    if (least.total <= limit && !muon)
        snprintf(cure, sizeof cure, "%s --batch-tokens %d, with moments in bfloat16 and layer-by-layer updates, needs %.2f GiB",
                 "--memory BYTES with", T, gib(least.total));
    else
        snprintf(cure, sizeof cure, "the smallest mode at this length (bfloat16 moments, layer-by-layer updates, one window) needs %.2f GiB; take a smaller model or --seq-len", gib(least.total));
    *plan = smallest;
    return wt_fail(err, WT_ENOMEM, "training this model needs %.2f GiB (weights %.2f, gradients %.2f, moments %.2f, activations %.2f) and %.2f GiB are allowed; %s",
                   gib(smallest.total), gib(smallest.weights), gib(smallest.gradients), gib(smallest.moments), gib(smallest.activations), gib(limit), cure);
}

void plan_print(const train_plan *p, const gpt_shape *s, int T, double gflops) {
    wt_info("model       %d layers, width %d, %d heads, vocabulary %d: %.1f M parameters", s->n_layer, s->n_embd, s->n_head, s->vocab, (double)gpt_shape_params(s) * 1e-6);
    wt_info("memory      %.2f GiB: weights %.2f, gradients %.2f, moments %.2f, activations %.2f, panels %.2f", gib(p->total), gib(p->weights),
            gib(p->gradients), gib(p->moments), gib(p->activations), gib(p->panels));
    wt_info("mode        %s, moments in %s, %s, %d x %d tokens a pass", p->keep == GPT_KEEP_ALL ? "activations kept" : "layers computed again",
            p->bf16 ? "bfloat16" : "fp32", p->fused ? "each layer updated as its gradients come" : "gradients summed", p->micro_batch, T);
    if (gflops > 0)
        wt_info("speed       %.2f GFLOP a token; at %.0f GFLOP/s of this machine's matrix products at most %.0f tokens/s", p->flops_token * 1e-9, gflops,
                gflops * 1e9 / p->flops_token);
}

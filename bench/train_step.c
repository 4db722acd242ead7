/* train_step.c - one training step (forward, backward, clipping, AdamW) with random weights and tokens: seconds
 * by part, tokens/s, GFLOP/s, peak memory. One JSON line.
 *     train_step MODEL B T THREADS STEPS [micro=N] [recompute=LAYERS] [muon] [fused] [plain] [bf16|int8]
 * micro=N: N windows a pass, gradients added up, as wt-train does. The others are the modes of wt-train --memory: layers computed again,
 * each layer updated as its gradients come (clipped by the norm of the step before), moments of 16 or 8 bits. fused needs the whole batch in one pass.
 * muon: the optimizer that wt-train takes by itself for a new model. plain: the update stands alone, where otherwise it is made behind the next forward pass, as wt-train does.
 * One thread: thread CPU time; more: wall time. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "train/behind.h"

static int threads;
static double now(void) {
    struct timespec t;
    clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int compare(const void *a, const void *b) {
    double x = *(const double *)a - *(const double *)b;
    return (x > 0) - (x < 0);
}

typedef struct {
    optimizer o;
    int again;                    /* layers */
    bool fused;
    int micro;                    /* windows of a pass */
    bool last_pass;
    double squares, norm_before;
    optim_step step;
    behind *behind;               /* NULL: the update stands alone */
} trainer;

static void part_wanted(const gpt_pass *pass, int part) { behind_wanted(((trainer *)pass->ctx)->behind, pass, part); }

static void part_done(void *ctx, int part) {
    trainer *t = ctx;
    if (t->last_pass) t->squares += optimizer_grad_squares(&t->o, part);
    if (t->fused) optimizer_update(&t->o, part, &t->step);
}

/* Returns the seconds of the passes. */
static double one_step(trainer *t, int B, int T, const uint32_t *tokens, const uint32_t *targets, double *loss, wt_err *err) {
    gpt *m = t->o.m;
    double start = now();
    t->step.step++, t->squares = 0, t->step.grad_scale = 1 / fmax(1, t->norm_before), *loss = 0;
    for (int b = 0; b < B; b += t->micro) {
        double part;
        t->last_pass = b + t->micro >= B;
        int n = B - b < t->micro ? B - b : t->micro;
        gpt_pass p = {.B = n, .T = T, .tokens = tokens + (size_t)b * (size_t)T, .targets = targets + (size_t)b * (size_t)T, .backward = true,
                      .weight = (float)n / (float)B, .again = t->again, .part_done = part_done, .part_wanted = t->behind ? part_wanted : NULL, .ctx = t};
        if (gpt_pass_run(m, &p, &part, err)) return -1;
        *loss += part * n / B;
    }
    double passed = now() - start;
    if (!t->fused) {
        t->step.grad_scale = 1 / fmax(1, sqrt(t->squares));
        if (t->behind) behind_update(t->behind, &t->step);
        for (int part = -1; !t->behind && part < m->shape.n_layer; part++) optimizer_update(&t->o, part, &t->step);
    }
    t->norm_before = sqrt(t->squares);
    return passed;
}

static bool asked(int argc, char **argv, const char *word) {
    for (int i = 6; i < argc; i++)
        if (!strcmp(argv[i], word)) return true;
    return false;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    gpt_shape shape = {.vocab = 50257, .eot = 50256};
    int B = argc > 2 ? atoi(argv[2]) : 1, T = argc > 3 ? atoi(argv[3]) : 1024, steps = argc > 5 ? atoi(argv[5]) : 3;
    trainer t = {.fused = asked(argc, argv, "fused"), .micro = B,
                 .step = {.learning_rate = 1e-4, .beta2 = 0.95}};
    char mode[256] = "";
    threads = argc > 4 ? atoi(argv[4]) : 2;
    for (int i = 6; i < argc; i++) {
        if (!strncmp(argv[i], "micro=", 6)) t.micro = atoi(argv[i] + 6);
        if (!strncmp(argv[i], "recompute=", 10)) t.again = atoi(argv[i] + 10);
        snprintf(mode + strlen(mode), sizeof mode - strlen(mode), "%s%s", i > 6 ? " " : "", argv[i]);
    }
    gpt_threads_calm(argv);
    shape.n_ctx = T < 1024 ? 1024 : T;
    if (gpt_shape_named(argc > 1 ? argv[1] : "gpt2", &shape, &err)) return fprintf(stderr, "%s\n", err.text), 2;
    if (asked(argc, argv, "recompute")) t.again = shape.n_layer - 1;
    optim_settings set = {.kind = asked(argc, argv, "muon") ? OPTIM_MUON : OPTIM_ADAMW, .muon_momentum = 0.95, .borrows = !t.fused, .moments = asked(argc, argv, "int8") ? MOMENTS_INT8 : asked(argc, argv, "bf16") ? MOMENTS_BF16 : MOMENTS_FP32, .beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1};
    gpt *m = gpt_new(&shape, 1, threads, &err);
    if (!m || gpt_grad_alloc(m, t.fused, &err) || optimizer_init(&t.o, m, &set, &err)) return fprintf(stderr, "%s\n", err.text), 1;
    if (!t.fused && !asked(argc, argv, "plain")) t.behind = behind_new(&t.o);
    uint32_t *tokens = malloc((size_t)(B * T) * 4), *targets = malloc((size_t)(B * T) * 4);
    double *seconds = calloc((size_t)steps, sizeof *seconds), *passes = calloc((size_t)steps, sizeof *passes), loss = 0;
    for (int i = 0; i < B * T; i++) tokens[i] = (uint32_t)(i * 7919 % 50257), targets[i] = (uint32_t)(i * 104729 % 50257);
    for (int s = -1; s < steps; s++) { /* the first touches the memory and is not counted */
        double start = now(), passed = one_step(&t, B, T, tokens, targets, &loss, &err);
        if (passed < 0) return fprintf(stderr, "%s\n", err.text), 1;
        if (s >= 0) seconds[s] = now() - start, passes[s] = passed;
        else behind_finish(t.behind);
    }
    qsort(seconds, (size_t)steps, sizeof *seconds, compare);
    qsort(passes, (size_t)steps, sizeof *passes, compare);
    double flops = gpt_shape_flops(&shape, T) * B * T, best = seconds[0], median = seconds[steps / 2];
    printf("{\"bench\":\"train_step\",\"trainer\":\"webtext%s%s\",\"kernels\":\"%s\",\"model\":\"%s\",\"B\":%d,\"T\":%d,\"threads\":%d,\"seconds_best\":%.4f,"
           "\"seconds_median\":%.4f,\"tokens_per_s\":%.1f,\"tokens_per_s_best\":%.1f,\"gflops_best\":%.1f,\"optimizer_share\":%.3f,\"loss\":%.5f,\"peak_mib\":%.0f}\n",
           *mode ? " " : "", mode, m->k->name, argc > 1 ? argv[1] : "gpt2", B, T, threads, best, median, B * T / median, B * T / best, flops / best * 1e-9, 1 - passes[0] / best,
           loss, (double)wt_memory_peak() / (1 << 20));
    return 0;
}

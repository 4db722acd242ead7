/* train_step.c - one training step (forward, backward, clipping, AdamW) with random weights and tokens: seconds
 * by part, tokens/s, GFLOP/s, peak memory. One JSON line.
 *     train_step MODEL B T THREADS STEPS [recompute]
 * One thread: thread CPU time; more: wall time. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/memory.h"
#include "train/model.h"
#include "train/optim.h"

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

int main(int argc, char **argv) {
    wt_err err = {0};
    gpt_shape shape = {.vocab = 50257, .eot = 50256};
    int B = argc > 2 ? atoi(argv[2]) : 1, T = argc > 3 ? atoi(argv[3]) : 1024, steps = argc > 5 ? atoi(argv[5]) : 3;
    threads = argc > 4 ? atoi(argv[4]) : 2;
    gpt_threads_calm(argv);
    shape.n_ctx = T < 1024 ? 1024 : T;
    if (gpt_shape_named(argc > 1 ? argv[1] : "gpt2", &shape, &err)) return fprintf(stderr, "%s\n", err.text), 2;
    gpt *m = gpt_new(&shape, 1, threads, &err);
    optimizer o;
    optim_settings set = {.beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1};
    if (!m || gpt_grad_alloc(m, false, &err) || optimizer_init(&o, m, &set, &err)) return fprintf(stderr, "%s\n", err.text), 1;
    uint32_t *tokens = malloc((size_t)(B * T) * 4), *targets = malloc((size_t)(B * T) * 4);
    double *seconds = calloc((size_t)steps, sizeof *seconds), *passes = calloc((size_t)steps, sizeof *passes), loss = 0;
    for (int i = 0; i < B * T; i++) tokens[i] = (uint32_t)(i * 7919 % 50257), targets[i] = (uint32_t)(i * 104729 % 50257);
    for (int s = -1; s < steps; s++) { /* the first touches the memory and is not counted */
        gpt_pass p = {.B = B, .T = T, .tokens = tokens, .targets = targets, .backward = true, .weight = 1,
                      .keep = argc > 6 ? GPT_KEEP_INPUTS : GPT_KEEP_ALL};
        double start = now(), squares = 0;
        if (gpt_pass_run(m, &p, &loss, &err)) return fprintf(stderr, "%s\n", err.text), 1;
        double passed = now();
        for (int part = -1; part < shape.n_layer; part++) squares += optimizer_grad_squares(&o, part);
        optim_step step = {.step = (uint64_t)s + 2, .learning_rate = 1e-4, .beta2 = 0.95, .grad_scale = 1 / fmax(1, sqrt(squares))};
        for (int part = -1; part < shape.n_layer; part++) optimizer_update(&o, part, &step);
        if (s >= 0) seconds[s] = now() - start, passes[s] = passed - start;
    }
    qsort(seconds, (size_t)steps, sizeof *seconds, compare);
    qsort(passes, (size_t)steps, sizeof *passes, compare);
    double flops = gpt_shape_flops(&shape, T) * B * T, best = seconds[0], median = seconds[steps / 2];
    printf("{\"bench\":\"train_step\",\"trainer\":\"webtext\",\"kernels\":\"%s\",\"model\":\"%s\",\"B\":%d,\"T\":%d,\"threads\":%d,\"seconds_best\":%.4f,"
           "\"seconds_median\":%.4f,\"tokens_per_s\":%.1f,\"tokens_per_s_best\":%.1f,\"gflops_best\":%.1f,\"optimizer_share\":%.3f,\"loss\":%.5f,\"peak_mib\":%.0f}\n",
           m->k->name, argc > 1 ? argv[1] : "gpt2", B, T, threads, best, median, B * T / median, B * T / best, flops / best * 1e-9, 1 - passes[0] / best,
           loss, (double)wt_memory_peak() / (1 << 20));
    return 0;
}

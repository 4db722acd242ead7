/* Updates that are made behind the next forward pass have the bits of updates that are made at once: for each width of
 * moments, Muon, each kernel set, one to three threads, and whether the weights are asked for by a pass, by two, or by
 * someone who wants all of them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "train/behind.h"

enum { B = 8, T = 32, STEPS = 5 };
static const gpt_shape shape = {3, 4, 64, T, 2100, 1e-5f, -1};
static uint32_t tokens[B * T], targets[B * T];

static void wanted(const gpt_pass *pass, int part) { behind_wanted(pass->ctx, pass, part); }

/* Five steps of one to three passes; the weights afterwards. behind: late updates; now and then all are asked for. */
static float *train(const optim_settings *set, int threads, bool late, double *loss) {
    gpt *m = gpt_new(&shape, 3, threads, NULL);
    optimizer o;
    assert_int_equal(gpt_grad_alloc(m, false, NULL), 0);
    assert_int_equal(optimizer_init(&o, m, set, NULL), 0);
    behind *b = late ? behind_new(&o) : NULL;
    wt_rng rng;
    wt_rng_init(&rng, 1, 1);
    for (int step = 1; step <= STEPS; step++) {
        double squares = 0;
        for (int i = 0; i < 1 + step % 3; i++) {
            int rows = step == 2 ? 1 : B;             /* a small batch: no product wakes the team */
            for (int j = 0; j < B * T; j++) tokens[j] = (uint32_t)wt_rng_below(&rng, 2100), targets[j] = (tokens[j] * 5 + 1) % 2100;
            gpt_pass pass = {.B = rows, .T = T, .tokens = tokens, .targets = targets, .backward = true, .weight = 0.5f,
                             .part_wanted = b ? wanted : NULL, .ctx = b};
            assert_int_equal(gpt_pass_run(m, &pass, loss, NULL), 0);
        }
        for (int part = -1; part < shape.n_layer; part++) squares += optimizer_grad_squares(&o, part);
        optim_step s = {.step = (uint64_t)step, .learning_rate = 1e-2, .beta2 = 0.99, .grad_scale = 0.3 / sqrt(squares)};
        if (b) behind_update(b, &s);
        for (int part = -1; !b && part < shape.n_layer; part++) optimizer_update(&o, part, &s);
        if (step == 3) behind_finish(b);
    }
    behind_finish(b);
    float *w = malloc(m->at.total_floats * sizeof *w);
    memcpy(w, m->w, m->at.total_floats * sizeof *w);
    behind_free(b);
    optimizer_reset(&o);
    gpt_free(m);
    return w;
}

static void check_same(const optim_settings *set) {
    size_t bytes = gpt_layout_of(&shape).total_floats * sizeof(float);
    double plain_loss, loss;
    float *plain = train(set, 2, false, &plain_loss);
    for (int threads = 1; threads <= 3; threads += 2) {
        float *w = train(set, threads, true, &loss);
        assert_memory_equal(w, plain, bytes);
        assert_true(loss == plain_loss);
        free(w);
    }
    free(plain);
}

static void test_same_bits(void **state) {
    static const char *const names[] = {"portable", "avx2", "avx512"};
    static const optim_moments widths[] = {MOMENTS_FP32, MOMENTS_BF16, MOMENTS_INT8};
    optim_settings set = {.beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95, .embed_scale = 2};
    setenv("WT_GEMM", "own", 1);        /* a BLAS may give other bits for other threads */
    for (int k = 0; k < 3; k++) {
        if (!kernels_named(names[k])) continue;
        setenv("WT_KERNELS", names[k], 1);
        for (int i = 0; i < (k ? 3 : 1); i++) {    /* plain C is slow */
            set.kind = OPTIM_ADAMW, set.moments = widths[i];
            check_same(&set);
        }
        set.kind = OPTIM_MUON, set.moments = MOMENTS_FP32;
        if (k) check_same(&set);
    }
    unsetenv("WT_KERNELS");
}

int main(int argc, char **argv) {
    gpt_threads_calm(argv);             /* teams of three on fewer cores would spin */
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_bits)};
    return cmocka_run_group_tests_name("train_behind", tests, NULL, NULL);
}

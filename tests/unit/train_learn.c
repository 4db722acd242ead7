/* What decides how a model learns, each against a plain twin: Muon's step on matrices of all three forms (wide, tall, three side
 * by side) equals loops in double precision, momentum and decay included; the embedding has a rate of its own and no
 * other tensor takes it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/hash.h"
#include "train/model.h"
#include "train/optim.h"

enum { C = 16, VOCAB = 40, STEPS = 3 };
static const gpt_shape shape = {1, 2, C, 12, VOCAB, 1e-5f, -1};

/* X (r,c) -> a (X) + b (X X^T X) + c (X X^T X X^T X), five times, of X over its norm (Jordan et al. 2024). */
static void newton_schulz(double *X, int r, int c) {
    double norm = 0, *A = calloc((size_t)(r * r), 8), *AX = calloc((size_t)(r * c), 8), *AAX = calloc((size_t)(r * c), 8);
    for (int i = 0; i < r * c; i++) norm += X[i] * X[i];
    for (int i = 0; i < r * c; i++) X[i] /= sqrt(norm);
    for (int step = 0; step < 5; step++) {
        for (int i = 0; i < r; i++)
            for (int j = 0; j < r; j++) {
                A[i * r + j] = 0;
                for (int k = 0; k < c; k++) A[i * r + j] += X[i * c + k] * X[j * c + k];
            }
        for (int turn = 0; turn < 2; turn++)
            for (int i = 0; i < r; i++)
                for (int j = 0; j < c; j++) {
                    double sum = 0;
                    for (int k = 0; k < r; k++) sum += A[i * r + k] * (turn ? AX : X)[k * c + j];
                    (turn ? AAX : AX)[i * c + j] = sum;
                }
        for (int i = 0; i < r * c; i++) X[i] = 3.4445 * X[i] - 4.7750 * AX[i] + 2.0315 * AAX[i];
    }
    free(A), free(AX), free(AAX);
}

/* One step of the twin on columns [from, from + c) of a matrix with `cols` columns. */
static void muon_twin(double *w, double *momentum, const float *g, int r, int cols, int from, int c, double rate, double decay, double clip) {
    double *X = malloc((size_t)(r * c) * 8);
    for (int i = 0; i < r; i++)
        for (int j = 0; j < c; j++) {
            int at = i * cols + from + j;
            double gi = (double)g[at] * clip;
            momentum[at] = 0.95 * momentum[at] + gi;
            X[i * c + j] = gi + 0.95 * momentum[at];
        }
    newton_schulz(X, r, c);
    for (int i = 0; i < r; i++)
        for (int j = 0; j < c; j++) {
            double *x = &w[i * cols + from + j];
            *x = *x * (1 - rate * decay) - rate * 0.2 * sqrt(r > c ? r : c) * X[i * c + j];
        }
    free(X);
}

static void random_gradients(gpt *m, uint64_t seed) {
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor g = gpt_grad_at(m, i);
        for (int j = 0; j < g.rows * g.cols; j++) ((float *)g.data)[j] = (float)wt_rng_normal(&rng);
    }
}

static void test_muon(void **state) {
    optim_settings set = {.kind = OPTIM_MUON, .moments = MOMENTS_FP32, .beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95};
    for (int tensor = 0; tensor < 4 + LAYER_TENSORS; tensor++) {
        gpt *m = gpt_new(&shape, 5, 2, NULL);
        optimizer o;
        assert_int_equal(gpt_grad_alloc(m, false, NULL), 0);
        assert_int_equal(optimizer_init(&o, m, &set, NULL), 0);
        gpt_tensor t = gpt_tensor_at(m, tensor), g = gpt_grad_at(m, tensor);
        int n = t.rows * t.cols, blocks = t.cols == 3 * C ? 3 : 1, c = t.cols / blocks;
        double *w = calloc((size_t)n, 8), *momentum = calloc((size_t)n, 8), worst = 0;
        for (int i = 0; i < n; i++) w[i] = ((float *)t.data)[i];
        bool muon = gpt_tensor_describe(m, tensor).layer >= 0 && t.rows > 1;
        for (int s = 0; muon && s < STEPS; s++) {
            random_gradients(m, (uint64_t)s);
            optim_step step = {.step = (uint64_t)s + 1, .learning_rate = 0.01 * (s + 1), .beta2 = 0.95, .grad_scale = 0.5};
            for (int b = 0; b < blocks; b++) muon_twin(w, momentum, g.data, t.rows, t.cols, b * c, c, step.learning_rate, 0.1, 0.5);
            for (int part = -1; part < 1; part++) optimizer_update(&o, part, &step);
        }
        for (int i = 0; muon && i < n; i++) worst = fmax(worst, fabs(w[i] - (double)((float *)t.data)[i]));
        if (!(worst < 2e-5)) fail_msg("%s: off by %.3g", t.name, worst);
        free(w), free(momentum);
        optimizer_reset(&o);
        gpt_free(m);
    }
}

/* After one step of AdamW each weight has moved by its rate, whatever the gradient. */
static void test_embedding_rate(void **state) {
    optim_settings set = {.kind = OPTIM_ADAMW, .moments = MOMENTS_FP32, .beta1 = 0.9, .epsilon = 1e-12, .embed_scale = 5};
    gpt *m = gpt_new(&shape, 5, 2, NULL), *old = gpt_new(&shape, 5, 2, NULL);
    optimizer o;
    assert_int_equal(gpt_grad_alloc(m, false, NULL), 0);
    assert_int_equal(optimizer_init(&o, m, &set, NULL), 0);
    random_gradients(m, 1);
    for (int part = -1; part < 1; part++) optimizer_update(&o, part, &(optim_step){.step = 1, .learning_rate = 0.01, .beta2 = 0.95, .grad_scale = 1});
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor a = gpt_tensor_at(m, i), b = gpt_tensor_at(old, i);
        for (int j = 0; j < a.rows * a.cols; j++) {
            double moved = fabs((double)((float *)a.data)[j] - (double)((float *)b.data)[j]), want = i ? 0.01 : 0.05;
            if (fabs(moved - want) > 1e-4) fail_msg("%s[%d] moved by %g, not %g", a.name, j, moved, want);
        }
    }
    optimizer_reset(&o);
    gpt_free(m), gpt_free(old);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_muon), cmocka_unit_test(test_embedding_rate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The fast forward and backward pass equals the plain one in double: loss, logits and every
 * parameter's gradient, for each kernel set, with recomputation, document mask, fused gradients and
 * shapes that fit no vector. Matrix products and kernels equal their plain loops. Bits do not
 * depend on the number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/str.h"
#include "train/model.h"

static const char *const kernel_names[] = {"portable", "avx2", "avx512"};

static float *random_floats(size_t n, uint64_t seed) {
    wt_rng rng;
    wt_rng_init(&rng, seed, 1);
    float *x = wt_xmalloc((n + 1) * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = (float)(2 * wt_rng_double(&rng) - 1);
    return x;
}

/* ---- matrix product ---- */
static void check_product(const kernels *k, int threads, bool ta, bool tb, int M, int N, int K, gemm_finish op, bool accumulate) {
    gemm_team *team = gemm_team_new(k, threads, NULL);
    float *A = random_floats((size_t)M * K, 1), *B = random_floats((size_t)K * N, 2), *bias = random_floats((size_t)N, 3);
    float *C[2], *aux[2];
    for (int i = 0; i < 2; i++)
        C[i] = random_floats((size_t)M * N, 4), aux[i] = random_floats((size_t)M * N, 5);
    for (int i = 0; i < 2; i++) {
        gemm_call g = {.trans_a = ta, .trans_b = tb, .M = M, .N = N, .K = K, .A = A, .B = B, .C = C[i], .lda = (size_t)(ta ? M : K),
                       .ldb = (size_t)(tb ? K : N), .ldc = (size_t)N, .accumulate = accumulate,
                       .finish = {.op = op, .bias = op == GEMM_PLAIN || op == GEMM_GELU_GRAD ? NULL : bias, .aux = aux[i],
                                  .ld_aux = (size_t)N}};
        if (i) gemm_ref(&g);
        else gemm_run(team, &g);
    }
    double worst = 0;
    for (size_t i = 0; i < (size_t)M * N; i++) {
        worst = fmax(worst, fabs((double)C[0][i] - C[1][i]));
        if (op >= GEMM_BIAS_GELU) worst = fmax(worst, fabs((double)aux[0][i] - aux[1][i]));
    }
    if (!(worst < 2e-6 * sqrt(K) + 2e-6)) fail_msg("%s %d threads %d%d %dx%dx%d op %d: off by %g", k->name, threads, ta, tb, M, N, K, op, worst);
    free(A), free(B), free(bias);
    for (int i = 0; i < 2; i++) free(C[i]), free(aux[i]);
    gemm_team_free(team);
}

static void test_products(void **state) {
    static const int sizes[][3] = {{1, 1, 1}, {3, 5, 7}, {14, 32, 8}, {17, 33, 129}, {100, 70, 500}, {130, 96, 400}, {64, 200, 777}, {257, 65, 33}};
    for (int n = 0; n < 4; n++) { /* the fourth time through the system's BLAS, where there is one */
        const kernels *k = kernels_named(kernel_names[n % 3]);
        if (!k) continue;
        setenv("WT_GEMM", n < 3 ? "own" : "blas", 1);
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            for (int form = 0; form < 4; form++)
                check_product(k, 1 + form % 3, form & 1, form >> 1, sizes[s][0], sizes[s][1], sizes[s][2], (gemm_finish)(((int)s + form) % 5), s % 2);
        for (int form = 0; form < 4; form++)         /* few rows: by panels, slices of K, a last panel that is not full */
            check_product(k, 2, form & 1, form >> 1, 45, 1101, 530, form ? GEMM_PLAIN : GEMM_BIAS_GELU, form & 1);
        if (n == 2) check_product(k, 2, false, true, 340, 3110, 510, GEMM_PLAIN, true);    /* several column strips */
        check_product(k, 2, true, false, 2200, 40, 900, GEMM_PLAIN, true);   /* several row strips, slices of K */
        check_product(k, 2, false, false, 200, 300, 100, GEMM_BIAS_GELU, false);
    }
    unsetenv("WT_GEMM");
}

/* Rows that belong to threads, whatever their number, give the same bits. */
static void test_product_same_bits(void **state) {
    enum { M = 350, N = 1110, K = 530 };
    float *A = random_floats(M * K, 1), *B = random_floats(K * N, 2), *C[5];
    setenv("WT_GEMM", "own", 1);        /* a BLAS may give other bits for other threads */
    for (int i = 0; i < 5; i++) {
        gemm_team *team = gemm_team_new(kernels_best(), i + 1, NULL);
        C[i] = random_floats(M * N, 3);
        gemm_run(team, &(gemm_call){.M = M, .N = N, .K = K, .A = A, .B = B, .C = C[i], .lda = K, .ldb = N, .ldc = N, .accumulate = true});
        gemm_team_free(team);
        assert_memory_equal(C[i], C[0], M * N * sizeof(float));
    }
    unsetenv("WT_GEMM");
    for (int i = 0; i < 5; i++) free(C[i]);
    free(A), free(B);
}

/* ---- kernels against libm ---- */
static void test_exp_error(void **state) {
    for (int n = 0; n < 3; n++) {
        const kernels *k = kernels_named(kernel_names[n]);
        if (!k) continue;
        double worst = 0;
        float x[1000], y[1000];
        for (double at = -87; at < 88; at += 0.5) {
            for (int i = 0; i < 1000; i++) y[i] = x[i] = (float)(at + i * 0.0005);
            k->exp_scaled(y, 1, 0, 1000);
            for (int i = 0; i < 1000; i++) worst = fmax(worst, fabs(y[i] / exp((double)x[i]) - 1));
        }
        if (worst > 2e-7) fail_msg("%s: exp is off by %g", k->name, worst);
        y[0] = NAN, y[1] = 1;
        assert_true(isnan(k->exp_scaled(y, 1, 0, 2)));
        for (int i = 0; i < 1000; i++) x[i] = (float)(i - 500) * 0.02f;
        k->gelu(y, x, 1000);
        for (int i = 0; i < 1000; i++) {
            double want = 0.5 * x[i] * (1 + tanh(0.7978845608028654 * (x[i] + 0.044715 * (double)x[i] * x[i] * x[i])));
            if (fabs(y[i] - want) > 5e-7 * (1 + fabs(want))) fail_msg("%s: gelu(%g) = %g, not %g", k->name, x[i], y[i], want);
        }
    }
}

/* ---- whole passes ---- */
typedef struct {
    gpt_shape shape;
    int B, T;
    bool documents, fused;
    int again;
} pass_case;

typedef struct {
    gpt *m;
    double *kept;
} fused_ctx;

/* Takes a layer's gradients away as the fused optimizer does. */
static void take_layer(void *ctx, int layer) {
    fused_ctx *f = ctx;
    if (layer < 0) return;
    float *g = gpt_grad_layer(f->m, layer);
    for (size_t i = 0; i < f->m->at.layer_floats; i++) f->kept[f->m->at.layers + (size_t)layer * f->m->at.layer_floats + i] = g[i];
    memset(g, 0, f->m->at.layer_floats * sizeof *g);
}

static void check_pass(const pass_case *c, int threads) {
    wt_err err = {0};
    gpt *m = gpt_new(&c->shape, 7, threads, &err);
    assert_non_null(m);
    wt_rng rng;
    wt_rng_init(&rng, 3, 3);
    for (size_t i = m->at.wpe; i < m->at.total_floats; i++) m->w[i] += (float)(0.1 * wt_rng_normal(&rng)); /* no zero biases */
    for (size_t i = 0; i < (size_t)c->shape.vocab * (size_t)c->shape.n_embd; i++) m->w[i] *= 5;
    int N = c->B * c->T, V = c->shape.vocab;
    uint32_t *tokens = malloc((size_t)N * 4), *targets = malloc((size_t)N * 4);
    int32_t *start = malloc((size_t)N * 4);
    for (int i = 0; i < N; i++) {
        tokens[i] = (uint32_t)wt_rng_below(&rng, (uint64_t)V), targets[i] = i % 11 == 5 ? GPT_IGNORE : (uint32_t)wt_rng_below(&rng, (uint64_t)V);
        start[i] = i % c->T == 0 ? 0 : wt_rng_below(&rng, 9) == 0 ? i % c->T : start[i - 1];
    }
    float *logits = malloc((size_t)N * V * 4), *want_logits = malloc((size_t)N * V * 4);
    double *want = calloc(m->at.total_floats, 8), *got = calloc(m->at.total_floats, 8), loss, want_loss;
    gpt_pass p = {.B = c->B, .T = c->T, .tokens = tokens, .targets = targets, .key_start = c->documents ? start : NULL,
                  .backward = true, .again = c->again, .weight = 0.5f, .logits = logits};
    fused_ctx f = {m, got};
    assert_int_equal(gpt_grad_alloc(m, c->fused, &err), 0);
    if (c->fused) p.part_done = take_layer, p.ctx = &f;
    assert_int_equal(gpt_pass_run(m, &p, &loss, &err), 0);
    gpt_pass ref = p;
    ref.logits = want_logits;
    gpt_pass_ref(m, &ref, &want_loss, want);
    if (fabs(loss / want_loss - 1) > 1e-6) fail_msg("loss %.9g, not %.9g", loss, want_loss);
    for (size_t i = 0; i < (size_t)N * V; i++)
        if (fabs((double)logits[i] - want_logits[i]) > 2e-5) fail_msg("logit %zu: %g, not %g", i, logits[i], want_logits[i]);
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        const float *g = t.layer >= 0 ? gpt_grad_layer(m, t.layer) + (t.offset - m->at.layers - (size_t)t.layer * m->at.layer_floats)
                         : t.offset < m->at.layers ? m->grad + t.offset : gpt_grad_final(m) + (t.offset - m->at.lnf_w);
        double error = 0, size = 0;
        for (size_t j = 0; j < (size_t)t.rows * (size_t)t.cols; j++) {
            double have = c->fused && t.layer >= 0 ? got[t.offset + j] : g[j], d = have - want[t.offset + j];
            error += d * d, size += want[t.offset + j] * want[t.offset + j];
        }
        if (!(sqrt(error / size) < 1e-5)) fail_msg("%s, %s: gradient off by %.3g relative", m->k->name, t.name, sqrt(error / size));
    }
    free(tokens), free(targets), free(start), free(logits), free(want_logits), free(want), free(got);
    gpt_free(m);
}

static const pass_case cases[] = {
    {{2, 2, 32, 40, 65, 1e-5f, -1}, 2, 24, false, false, 0},
    {{3, 3, 51, 40, 97, 1e-5f, -1}, 2, 17, true, false, 2},       /* no size fits a vector */
    {{4, 2, 32, 40, 65, 1e-5f, -1}, 2, 19, false, false, 2},
    {{2, 4, 64, 150, 130, 1e-5f, -1}, 1, 130, false, true, 0},       /* two blocks of queries */
    {{2, 4, 64, 260, 130, 1e-5f, -1}, 1, 250, true, true, 1},
    {{1, 1, 16, 8, 700, 1e-5f, -1}, 90, 8, false, false, 0},         /* several chunks of the head */
};

static void test_pass(void **state) {
    for (int n = 0; n < 3; n++) {
        if (!kernels_named(kernel_names[n])) continue;
        setenv("WT_KERNELS", kernel_names[n], 1);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check_pass(&cases[i], 1 + (int)i % 3);
    }
    unsetenv("WT_KERNELS");
}

static void test_threads_same_bits(void **state) {
    gpt_shape shape = {2, 4, 64, 150, 700, 1e-5f, -1};
    float *first = NULL;
    uint32_t tokens[450], targets[450];
    for (int i = 0; i < 450; i++) tokens[i] = (uint32_t)i * 7 % 700, targets[i] = (uint32_t)i * 13 % 700;
    for (int threads = 1; threads <= 5; threads += 2) {
        gpt *m = gpt_new(&shape, 1, threads, NULL);
        double loss;
        assert_int_equal(gpt_grad_add(m, tokens, targets, 3, 150, 1, &loss, NULL), 0);
        if (!first) {
            first = malloc(m->at.total_floats * 4);
            memcpy(first, m->grad, m->at.total_floats * 4);
        } else
            assert_memory_equal(first, m->grad, m->at.total_floats * 4);
        gpt_free(m);
    }
    free(first);
}

static void test_bad_arguments(void **state) {
    wt_err err = {0};
    gpt_shape shape = {1, 1, 16, 8, 50, 1e-5f, -1};
    gpt *m = gpt_new(&shape, 1, 1, &err);
    uint32_t tokens[9] = {1, 2, 50}, targets[9] = {0};
    double loss;
    assert_int_equal(gpt_grad_add(m, tokens, targets, 1, 8, 1, &loss, &err), -1);
    assert_int_equal(err.code, WT_EARG);
    assert_int_equal(gpt_score(m, targets, 1, 9, targets, NULL, NULL, &err), -1);
    gpt_free(m);
    assert_int_equal(gpt_shape_named("4x30x4", &shape, &err), -1);
    assert_int_equal(gpt_shape_named("gpt3", &shape, &err), -1);
    assert_int_equal(gpt_shape_named("gpt2", &shape, &err), 0);
    shape.n_ctx = 1024, shape.vocab = 50257;
    assert_int_equal(gpt_shape_params(&shape), 124439808);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products), cmocka_unit_test(test_product_same_bits), cmocka_unit_test(test_exp_error), cmocka_unit_test(test_pass),
                                       cmocka_unit_test(test_threads_same_bits), cmocka_unit_test(test_bad_arguments)};
    return cmocka_run_group_tests_name("train_pass", tests, NULL, NULL);
}

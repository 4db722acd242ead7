/* Shares of several ranks, seen from one process: they cover every parameter once; updates by shares have the bits of an
 * update of everything, for each width of moments and for Muon; a state file that was saved whole is taken in shares.
 * Moments of 16 bits are rounded right on average and independently, and small changes survive. Moments of 8 bits: codes are neighbours of what they stand for and right on average, training stays near fp32. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "train/state.h"

static const gpt_shape shape = {3, 4, 64, 40, 700, 1e-5f, -1};

/* A model with gradients; the same for a seed. */
static gpt *model_with_gradients(uint64_t seed) {
    gpt *m = gpt_new(&shape, 5, 2, NULL);
    assert_int_equal(gpt_grad_alloc(m, false, NULL), 0);
    wt_rng rng;
    wt_rng_init(&rng, seed, 1);
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor g = gpt_grad_at(m, i);
        for (size_t j = 0; j < (size_t)g.rows * (size_t)g.cols; j++) g.data[j] = (float)(0.01 * wt_rng_normal(&rng));
    }
    return m;
}

static void test_shares_cover(void **state) {
    for (int ranks = 1; ranks <= 7; ranks += 3)
        for (int whole = 0; whole < 2; whole++) {
            size_t pieces = 0, numbers = 0, n_pieces = 0, end = 0;
            for (int rank = 0; rank < ranks; rank++) {
                share_map s;
                share_init(&s, &shape, rank, ranks, whole);
                for (size_t p = 0; p < s.n_pieces; p++) pieces += s.pieces[p].local != SHARE_NONE;
                numbers += s.numbers, n_pieces = s.n_pieces, end = 0;
                for (size_t i = 0; i < s.n_spans; i++) {
                    assert_int_equal(s.spans[i].begin, end);
                    assert_int_equal(share_cuts(&s, i)[0], end);
                    end = s.spans[i].end;
                    assert_int_equal(share_cuts(&s, i)[ranks], end);
                }
                share_reset(&s);
            }
            assert_int_equal(pieces, n_pieces);
            assert_int_equal(numbers, end);
            assert_int_equal(end, gpt_layout_of(&shape).total_floats);
        }
}

static void take_step(gpt *m, optimizer *o, uint64_t step) {
    optim_step s = {.step = step, .learning_rate = 1e-2, .beta2 = 0.99, .grad_scale = 0.7};
    for (int part = -1; part < m->shape.n_layer; part++) optimizer_update(o, part, &s);
}

/* What rank r of n owns of b comes into a. */
static void take_share(float *a, const float *b, const share_map *s) {
    for (size_t i = 0; i < s->n_spans; i++) {
        const size_t *cuts = share_cuts(s, i) + s->rank;
        memcpy(a + cuts[0], b + cuts[0], (cuts[1] - cuts[0]) * sizeof *a);
    }
}

static void check_shares(optim_settings set, int ranks) {
    wt_err err = {0};
    gpt *whole = model_with_gradients(1);
    optimizer o;
    train_state at = {.step = 2}, read;
    assert_int_equal(optimizer_init(&o, whole, &set, &err), 0);
    double squares = optimizer_grad_squares(&o, 0), sum = 0;
    take_step(whole, &o, 1), take_step(whole, &o, 2);
    assert_int_equal(state_save("state", &at, &o, false, &err), 0);
    float *two = malloc(whole->at.total_floats * sizeof *two), *joined = calloc(whole->at.total_floats, sizeof *joined), *then = calloc(whole->at.total_floats, sizeof *then);
    memcpy(two, whole->w, whole->at.total_floats * sizeof *two);
    take_step(whole, &o, 3);
    for (int rank = 0; rank < ranks; rank++) {
        gpt *m = model_with_gradients(1);
        optimizer mine;
        set.rank = rank, set.ranks = ranks;
        assert_int_equal(optimizer_init(&mine, m, &set, &err), 0);
        sum += optimizer_grad_squares(&mine, 0);
        take_step(m, &mine, 1), take_step(m, &mine, 2);
        take_share(joined, m->w, &mine.share);
        optimizer_reset(&mine);
        assert_int_equal(optimizer_init(&mine, m, &set, &err), 0);      /* with nothing but the file */
        assert_int_equal(state_load("state", &read, &mine, false, &err), 0);
        memcpy(m->w, two, m->at.total_floats * sizeof *two);
        take_step(m, &mine, 3);
        take_share(then, m->w, &mine.share);
        optimizer_reset(&mine);
        gpt_free(m);
    }
    assert_memory_equal(joined, two, whole->at.total_floats * sizeof *two);
    assert_memory_equal(then, whole->w, whole->at.total_floats * sizeof *then);
    assert_true(fabs(sum / squares - 1) < 1e-12);
    free(two), free(joined), free(then);
    optimizer_reset(&o);
    gpt_free(whole);
}

static void test_updates_by_shares(void **state) {
    optim_settings set = {.beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95};
    static const optim_moments widths[] = {MOMENTS_FP32, MOMENTS_BF16, MOMENTS_INT8};
    for (int i = 0; i < 3; i++) {
        set.moments = widths[i];
        check_shares(set, 3);
    }
    set.moments = MOMENTS_FP32, set.kind = OPTIM_MUON;
    check_shares(set, 2);
}

/* ---- moments of 8 bits ---- */
static double fourth(double x) { return x * x * x * x; }

/* One step from empty moments: m = g, v = g^2 (beta 0), over six orders of g; 300 times with other noise. */
static void check_codes(const kernels *k) {
    enum { N = 300, TIMES = 300 };
    static float w[N], g[N], m_top[2], v_top[2];
    static double mean_m[N], mean_v[N];
    adamw_scalars s = {.epsilon = 1e-8f, .step_size = 0.1f, .root_scale = 1, .decay = 1, .grad_scale = 1};
    memset(mean_m, 0, sizeof mean_m), memset(mean_v, 0, sizeof mean_v);
    for (int i = 0; i < N; i++) g[i] = (float)((i % 3 ? 1 : -1) * pow(10, -3.0 * (i % 256) / 256)) * (i < 256 ? 0.9f : 0.003f);
    for (int t = 0; t < TIMES; t++) {
        int8_t m[N] = {0};
        uint8_t v[N] = {0};
        memset(w, 0, sizeof w), memset(m_top, 0, sizeof m_top), memset(v_top, 0, sizeof v_top);
        k->adamw_int8(w, m, v, m_top, v_top, g, &s, (uint64_t)t * 0x9e3779b97f4a7c15u, N);
        for (int i = 0; i < N; i++) {
            double top_m = m_top[i / 256], top_v = v_top[i / 256], share_m = fabs((double)g[i]) / top_m, share_v = (double)g[i] * g[i] / top_v;
            double code_m = 127 * pow(share_m, 0.25), code_v = 255 * pow(share_v, 0.25);
            if (fabs(abs(m[i]) - code_m) > 1.001 || fabs(v[i] - code_v) > 1.001 || !v[i] || (m[i] && (m[i] < 0) != (g[i] < 0)))
                fail_msg("%s: %g is coded as %d and %d, not near %.2f and %.2f", k->name, g[i], m[i], v[i], code_m, code_v);
            mean_m[i] += top_m * fourth(m[i] / 127.) * (m[i] < 0 ? -1 : 1) / TIMES;
            mean_v[i] += top_v * fourth(v[i] / 255.) / TIMES;
        }
    }
    for (int i = 0; i < N; i++) { /* half a step at random, TIMES times: five deviations of the mean */
        double top_m = m_top[i / 256], step_m = 4 / (127 * pow(fabs((double)g[i]) / top_m, 0.25)), step_v = 4 / (255 * pow((double)g[i] * g[i] / v_top[i / 256], 0.25));
        if (fabs(mean_m[i] / g[i] - 1) > 5 * 0.6 * step_m / sqrt(TIMES)) fail_msg("%s: %g is %g on average", k->name, g[i], mean_m[i]);
        if (fabs(mean_v[i] / ((double)g[i] * g[i]) - 1) > 5 * 0.6 * step_v / sqrt(TIMES)) fail_msg("%s: %g^2 is %g on average", k->name, g[i], mean_v[i]);
    }
}

static void test_codes(void **state) {
    static const char *const names[] = {"portable", "avx2", "avx512"};
    for (int i = 0; i < 3; i++)
        if (kernels_named(names[i])) check_codes(kernels_named(names[i]));
}

/* ---- moments of 16 bits ---- */
static double of_bf16(uint16_t h) {
    uint32_t bits = (uint32_t)h << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static uint16_t to_bf16(float x) {       /* of numbers that bfloat16 has */
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return (uint16_t)(bits >> 16);
}

enum { WIDE = 1 << 15, RUN = 128 };      /* one piece; neighbours that are looked at together */

/* Rounding errors of one step of a piece, in units of the last place: of m or of v. */
static void rounding_errors(const kernels *k, uint32_t noise, bool second, double *error) {
    static float w[WIDE], g[WIDE];
    static uint16_t m[WIDE], v[WIDE];
    adamw_scalars s = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .step_size = 1e-3f, .root_scale = 1, .decay = 1, .grad_scale = 1};
    for (int i = 0; i < WIDE; i++) w[i] = 0, g[i] = (i & 1 ? 1.f : -1.f) * (0.5f + (float)i / WIDE), m[i] = to_bf16(0.25f), v[i] = to_bf16(1.5f);
    k->adamw_bf16(w, m, v, g, &s, noise, WIDE);
    for (int i = 0; i < WIDE; i++) {
        double exact = second ? 0.999 * 1.5 + 0.001 * (double)g[i] * g[i] : 0.9 * 0.25 + 0.1 * (double)g[i], got = of_bf16(second ? v[i] : m[i]);
        error[i] = (got - exact) / ldexp(1, ilogb(exact) - 7);
    }
}

/* Right on average, by at most one unit, and neither neighbours nor other steps nor the other moment round alike. */
static void test_rounding(void **state) {
    static const char *const names[] = {"portable", "avx2", "avx512"};
    static double a[WIDE], b[WIDE];
    for (int n = 0; n < 3; n++)
        for (int second = 0; second < 2 && kernels_named(names[n]); second++)
            for (int with = 0; with < 2; with++) {       /* another step; the other moment in the same step */
                double sum = 0, squares = 0, both = 0, runs = 0;
                rounding_errors(kernels_named(names[n]), 12345, second, a);
                rounding_errors(kernels_named(names[n]), with ? 12345 : 987654321, with ? !second : second, b);
                for (int i = 0; i < WIDE; i += RUN) {
                    double run = 0;
                    for (int j = i; j < i + RUN; j++) {
                        assert_true(fabs(a[j]) < 1.001);
                        run += a[j], squares += a[j] * a[j], both += a[j] * b[j];
                    }
                    sum += run, runs += run * run;
                }
                double deviation = sqrt(squares / WIDE);
                if (fabs(sum / WIDE) > 5 * deviation / sqrt(WIDE)) fail_msg("%s: the mean error is %g units", names[n], sum / WIDE);
                if (fabs(both / WIDE) > 5 * 0.5 * deviation / sqrt(WIDE)) fail_msg("%s: errors go together: %g", names[n], both / WIDE);
                /* 256 sums of runs: their variance is that of RUN independent numbers, give or take five of its deviations */
                if (fabs(runs / squares - 1) > 5 * sqrt(2.0 * RUN / WIDE)) fail_msg("%s: neighbours go together: %g", names[n], runs / squares);
            }
}

/* beta2 = 0.9999: a step moves v by a fortieth of half a unit, and it arrives on average. */
static void test_small_changes_survive(void **state) {
    enum { STEPS = 300 };
    gpt *m = model_with_gradients(1);
    optimizer o;
    optim_settings set = {.moments = MOMENTS_BF16, .beta1 = 0.9, .epsilon = 1e-8};
    assert_int_equal(optimizer_init(&o, m, &set, NULL), 0);
    size_t n = m->at.wpe;                    /* the embedding */
    uint16_t *v = o.var.numbers;
    for (size_t i = 0; i < n; i++) m->grad[i] = 1, v[i] = to_bf16(2);
    for (int step = 1; step <= STEPS; step++) {
        optim_step s = {.step = (uint64_t)step, .learning_rate = 1e-3, .beta2 = 0.9999, .grad_scale = 1};
        optimizer_update(&o, -1, &s);
    }
    double mean = 0, squares = 0, exact = 1 + pow(0.9999, STEPS);
    size_t numbers = (size_t)shape.vocab * (size_t)shape.n_embd;      /* rows behind the vocabulary are not updated */
    for (size_t i = 0; i < numbers; i++) mean += of_bf16(v[i]), squares += pow(of_bf16(v[i]) - exact, 2);
    mean /= (double)numbers;
    double deviation = sqrt(squares / (double)numbers);
    if (fabs(mean - exact) > 5 * deviation / sqrt((double)numbers)) fail_msg("v is %.6f on average, not %.6f", mean, exact);
    optimizer_reset(&o);
    gpt_free(m);
}

/* Eighty steps on sequences that can be learned; the mean of the last ten losses. (Where a loss stands still before it
 * falls, rounding alone moves the fall by ten steps, so that nothing can be compared.) */
static double learn(optim_moments moments, uint64_t seed) {
    enum { B = 4, T = 32 };
    gpt *m = gpt_new(&shape, seed, 1, NULL);
    optimizer o;
    optim_settings set = {.moments = moments, .beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1};
    assert_int_equal(optimizer_init(&o, m, &set, NULL), 0);
    wt_rng rng;
    wt_rng_init(&rng, seed, 9);
    double loss, last = 0;
    for (int step = 1; step <= 80; step++) {
        uint32_t tokens[B * T], targets[B * T];
        for (int b = 0; b < B; b++) {
            uint32_t x = (uint32_t)wt_rng_below(&rng, 97);
            for (int t = 0; t < T; t++) tokens[b * T + t] = x, targets[b * T + t] = x = (x * 5 + 1) % 97;
        }
        assert_int_equal(gpt_grad_add(m, tokens, targets, B, T, 1, &loss, NULL), 0);
        optim_step s = {.step = (uint64_t)step, .learning_rate = 2e-3, .beta2 = 0.98, .grad_scale = 1};
        for (int part = -1; part < shape.n_layer; part++) optimizer_update(&o, part, &s);
        if (step > 70) last += loss / 10;
    }
    optimizer_reset(&o);
    gpt_free(m);
    return last;
}

static void test_small_moments_learn(void **state) {
    double fp32 = 0, bf16 = 0, int8 = 0;
    enum { SEEDS = 3 };
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        fp32 += learn(MOMENTS_FP32, seed) / SEEDS, bf16 += learn(MOMENTS_BF16, seed) / SEEDS, int8 += learn(MOMENTS_INT8, seed) / SEEDS;
    print_message("# loss after 80 steps: fp32 %.4f, bf16 %.4f, int8 %.4f\n", fp32, bf16, int8);
    if (!(fp32 < 1 && fabs(bf16 - fp32) < 0.01 && fabs(int8 - fp32) < 0.01)) fail_msg("fp32 %g, bf16 %g, int8 %g", fp32, bf16, int8);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shares_cover), cmocka_unit_test(test_updates_by_shares), cmocka_unit_test(test_codes),
                                       cmocka_unit_test(test_rounding), cmocka_unit_test(test_small_changes_survive),
                                       cmocka_unit_test(test_small_moments_learn)};
    return cmocka_run_group_tests_name("train_shares", tests, NULL, NULL);
}

/* The model equals PyTorch: loss, every gradient and ten AdamW steps against float64 numbers made by
 * tests/ref/gpt2_torch.py, for each kernel set; moments of 16 bits and fused updates stay close.
 * Decoding with the cache equals the full pass. Checkpoints come back bit for bit, from F32, F16 and
 * BF16, and damaged ones are refused. Sampling filters keep what they should. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "common/hash.h"
#include "train/model.h"
#include "train/optim.h"
#include "train/safetensors.h"
#include "train/state.h"

static const char *const kernel_names[] = {"portable", "avx2", "avx512"};
enum { B = 2, T = 12, V = 40 };
static const gpt_shape oracle_shape = {2, 2, 16, T, V, 1e-5f, -1};

static double *oracle(size_t *n) {
    wt_buf path = {0}, bytes = {0};
    wt_buf_printf(&path, "%s/tests/ref/gpt2_torch.bin", getenv("ROOT") ? getenv("ROOT") : ".");
    if (wt_read_file(path.ptr, 1 << 20, &bytes, NULL)) fail_msg("no %s", path.ptr);
    *n = bytes.len / 8;
    wt_buf_free(&path);
    return (double *)(void *)bytes.ptr;
}

/* The same weights and tokens as the script's. */
static gpt *oracle_model(uint32_t *tokens, uint32_t *targets, int threads) {
    gpt *m = gpt_new(&oracle_shape, 0, threads, NULL);
    for (int i = 0; i < gpt_tensor_count(m); i++) {
        gpt_tensor t = gpt_tensor_at(m, i);
        bool gain = strstr(t.name, "ln_") && strstr(t.name, "weight");
        for (size_t j = 0; j < (size_t)t.rows * (size_t)t.cols; j++) {
            double x = (double)(wt_mix64(((uint64_t)(i + 1) << 32) + j) >> 40) / 16777216 - 0.5;
            t.data[j] = (float)(gain ? 1 + 0.5 * x : 0.8 * x);
        }
    }
    for (int b = 0; b < B; b++)
        for (int t = 0; t < T; t++) {
            tokens[b * T + t] = (uint32_t)(wt_mix64((uint64_t)(b * (T + 1) + t) + 77) % V);
            targets[b * T + t] = (uint32_t)(wt_mix64((uint64_t)(b * (T + 1) + t + 1) + 77) % V);
        }
    return m;
}

static void test_gradients(void **state) {
    size_t n, at = 1;
    double *want = oracle(&n), loss;
    uint32_t tokens[B * T], targets[B * T];
    for (int k = 0; k < 3; k++) {
        if (!kernels_named(kernel_names[k])) continue;
        setenv("WT_KERNELS", kernel_names[k], 1);
        gpt *m = oracle_model(tokens, targets, 2);
        assert_int_equal(gpt_grad_add(m, tokens, targets, B, T, 1, &loss, NULL), 0);
        if (fabs(loss / want[0] - 1) > 1e-6) fail_msg("%s: loss %.9g, PyTorch says %.9g", kernel_names[k], loss, want[0]);
        at = 1;
        for (int i = 0; i < gpt_tensor_count(m); i++) {
            gpt_tensor g = gpt_grad_at(m, i);
            double error = 0, size = 0;
            for (size_t j = 0; j < (size_t)g.rows * (size_t)g.cols; j++, at++)
                error += (g.data[j] - want[at]) * (g.data[j] - want[at]), size += want[at] * want[at];
            if (!(sqrt(error / size) < 1e-5)) fail_msg("%s, %s: gradient off by %.3g relative", kernel_names[k], g.name, sqrt(error / size));
        }
        gpt_free(m);
    }
    unsetenv("WT_KERNELS");
    assert_int_equal(at + 10, n);
    free(want);
}

typedef struct {
    optimizer *o;
    const optim_step *step;
    gpt *m;
    double squares;
} fused_ctx;
static void update_part(void *ctx, int part) {
    fused_ctx *f = ctx;
    f->squares += optimizer_grad_squares(f->o, part);
    optimizer_update(f->o, part, f->step);
}

/* Ten steps; returns the worst relative difference of the losses. fused: the norm of a step is known
 * from a pass before it. */
static double ten_steps(const optim_settings *set, bool fused) {
    size_t n;
    double *want = oracle(&n), loss, worst = 0;
    uint32_t tokens[B * T], targets[B * T];
    gpt *m = oracle_model(tokens, targets, 2);
    optimizer o;
    assert_int_equal(gpt_grad_alloc(m, fused, NULL), 0);
    assert_int_equal(optimizer_init(&o, m, set, NULL), 0);
    double norm = 1;
    for (int i = 0; i < 10; i++) {
        gpt_pass p = {.B = B, .T = T, .tokens = tokens, .targets = targets, .backward = true, .weight = 1};
        optim_step s = {.step = (uint64_t)i + 1, .learning_rate = 3e-3, .beta2 = 0.95, .grad_scale = norm > 1 ? 1 / norm : 1};
        fused_ctx f = {&o, &s, m, 0};
        if (fused) p.part_done = update_part, p.ctx = &f;
        assert_int_equal(gpt_pass_run(m, &p, &loss, NULL), 0);
        if (!fused) {
            double squares = 0;
            for (int part = -1; part < 2; part++) squares += optimizer_grad_squares(&o, part);
            s.grad_scale = squares > 1 ? 1 / sqrt(squares) : 1;
            for (int part = -1; part < 2; part++) optimizer_update(&o, part, &s);
        }
        norm = sqrt(f.squares);
        worst = fmax(worst, fabs(loss / want[n - 10 + (size_t)i] - 1));
    }
    for (size_t i = (size_t)V * 16; i < m->at.wpe; i++) assert_true(m->w[i] == 0);    /* padding stays */
    optimizer_reset(&o);
    gpt_free(m);
    free(want);
    return worst;
}

static void test_adamw(void **state) {
    optim_settings set = {.beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0.1, .muon_momentum = 0.95};
    for (int k = 0; k < 3; k++) {
        if (!kernels_named(kernel_names[k])) continue;
        setenv("WT_KERNELS", kernel_names[k], 1);
        double off = ten_steps(&set, false);
        if (!(off < 1e-5)) fail_msg("%s: the losses of ten AdamW steps are off by %.3g", kernel_names[k], off);
        set.moments = MOMENTS_BF16;
        off = ten_steps(&set, false);
        if (!(off < 0.02)) fail_msg("%s: with bfloat16 moments off by %.3g", kernel_names[k], off);
        off = ten_steps(&set, true);
        if (!(off < 0.05)) fail_msg("%s: with fused updates off by %.3g", kernel_names[k], off);
        set.moments = MOMENTS_FP32;
    }
    unsetenv("WT_KERNELS");
}

static void test_muon_learns(void **state) {
    optim_settings set = {.kind = OPTIM_MUON, .beta1 = 0.9, .epsilon = 1e-8, .weight_decay = 0, .muon_momentum = 0.95};
    uint32_t tokens[B * T], targets[B * T];
    gpt *m = oracle_model(tokens, targets, 2);
    optimizer o;
    double loss, first = 0;
    assert_int_equal(gpt_grad_alloc(m, false, NULL), 0);
    assert_int_equal(optimizer_init(&o, m, &set, NULL), 0);
    for (int i = 0; i < 30; i++) {
        assert_int_equal(gpt_grad_add(m, tokens, targets, B, T, 1, &loss, NULL), 0);
        if (!i) first = loss;
        optim_step s = {.step = (uint64_t)i + 1, .learning_rate = 1e-2, .beta2 = 0.95, .grad_scale = 1};
        gpt_layer before = gpt_weights_of(m, 0);
        float *old = malloc(64 * 16 * 4);
        memcpy(old, before.out_w, 64 * 16 * 4);
        for (int part = -1; part < 2; part++) optimizer_update(&o, part, &s);
        /* The update's singular values are all near one: U^T U is near (size)^2 I. */
        double scale = 1e-2 * 0.2 * sqrt(64);
        for (int a = 0; a < 16; a++)
            for (int b = 0; b < 16; b++) {
                double dot = 0;
                for (int r = 0; r < 64; r++)
                    dot += (double)(before.out_w[r * 16 + a] - old[r * 16 + a]) * (before.out_w[r * 16 + b] - old[r * 16 + b]);
                dot /= scale * scale;
                if (fabs(dot - (a == b)) > 0.6) fail_msg("step %d: column %d . %d = %g", i, a, b, dot);
            }
        free(old);
    }
    if (!(loss < 0.5 * first)) fail_msg("loss %g after %g", loss, first);
    optimizer_reset(&o);
    gpt_free(m);
}

/* ---- decoding ---- */
static void test_cache_equals_full_pass(void **state) {
    gpt_shape shape = {3, 4, 64, 300, 701, 1e-5f, -1};
    for (int k = 0; k < 3; k++) {
        if (!kernels_named(kernel_names[k])) continue;
        setenv("WT_KERNELS", kernel_names[k], 1);
        wt_err err = {0};
        gpt *m = gpt_new(&shape, 5, 2, &err);
        for (size_t i = 0; i < m->at.total_floats; i++) m->w[i] *= 4;
        enum { N = 290 };
        uint32_t tokens[N];
        for (int i = 0; i < N; i++) tokens[i] = (uint32_t)(wt_mix64((uint64_t)i) % 701);
        float *full = malloc((size_t)N * 701 * 4), *got = malloc((size_t)N * 701 * 4);
        assert_int_equal(gpt_logits(m, tokens, 1, N, full, &err), 0);
        gpt_cache *c = gpt_cache_new(m, 3, &err);
        gpt_row rows[2 * N];
        for (int i = 0; i < N; i++) rows[i] = (gpt_row){1, tokens[i], true};
        /* A long prompt at once, one token at a time, two sequences in one step, after a copy and a cut. */
        assert_int_equal(gpt_decode(c, rows, 270, got, &err), 0);
        for (int i = 270; i < 280; i++) assert_int_equal(gpt_decode(c, rows + i, 1, got + (size_t)i * 701, &err), 0);
        gpt_cache_copy(c, 2, 1);
        gpt_cache_truncate(c, 2, 100);
        float two[2 * 701];
        for (int i = 280; i < N; i++) {
            gpt_row pair[2] = {{1, tokens[i], true}, {2, tokens[i - 180], true}};
            assert_int_equal(gpt_decode(c, pair, 2, two, &err), 0);
            memcpy(got + (size_t)i * 701, two, 701 * 4);
            for (int v = 0; v < 701; v++)
                if (fabsf(two[701 + v] - full[(size_t)(i - 180) * 701 + (size_t)v]) > 2e-4f) fail_msg("%s: copy, position %d", kernel_names[k], i);
        }
        for (size_t i = 0; i < (size_t)N * 701; i++)
            if (!(fabsf(full[i] - got[i]) < 2e-4f)) fail_msg("%s: logit %zu of position %zu: %g with the cache, %g without", kernel_names[k], i % 701, i / 701, got[i], full[i]);
        assert_int_equal(gpt_cache_length(c, 1), N);
        assert_int_equal(gpt_decode(c, rows, 11, got, &err), -1);
        assert_int_equal(err.code, WT_ELIMIT);
        gpt_cache_free(c);
        free(full), free(got);
        gpt_free(m);
    }
    unsetenv("WT_KERNELS");
}

/* ---- checkpoints ---- */
static void test_checkpoint(void **state) {
    wt_err err = {0};
    uint32_t tokens[B * T], targets[B * T];
    gpt *m = oracle_model(tokens, targets, 1);
    assert_int_equal(gpt_save(m, "ckpt", NULL, &err), 0);
    gpt *back = gpt_load("ckpt", 1, &err);
    if (!back) fail_msg("%s", err.text);
    assert_memory_equal(m->w, back->w, m->at.total_floats * 4);
    assert_int_equal(back->shape.n_ctx, T);
    gpt_free(back);
    /* Damage: cut, another shape, a missing tensor, rubbish. */
    wt_buf bytes = {0};
    assert_int_equal(wt_read_file("ckpt/model.safetensors", 1 << 20, &bytes, &err), 0);
    for (size_t cut = 0; cut < bytes.len; cut += bytes.len / 7) {
        assert_int_equal(wt_write_file("ckpt/model.safetensors", (wt_str){bytes.ptr, cut}, &err), 0);
        assert_null(gpt_load("ckpt", 1, &err));
        assert_int_equal(err.code, WT_EDATA);
    }
    char *name = memmem(bytes.ptr, bytes.len, "h.1.mlp", 7);
    name[0] = 'x';
    assert_int_equal(wt_write_file("ckpt/model.safetensors", wt_buf_view(&bytes), &err), 0);
    assert_null(gpt_load("ckpt", 1, &err));
    assert_non_null(strstr(err.text, "h.1.mlp.c_fc.weight"));
    name[0] = 'h';
    assert_int_equal(wt_write_file("ckpt/model.safetensors", wt_buf_view(&bytes), &err), 0);
    wt_buf config = {0};
    assert_int_equal(wt_read_file("ckpt/config.json", 1 << 20, &config, &err), 0);
    char *layers = strstr(config.ptr, "\"n_embd\": 16");
    layers[11] = '8';
    assert_int_equal(wt_write_file("ckpt/config.json", wt_buf_view(&config), &err), 0);
    assert_null(gpt_load("ckpt", 1, &err));
    assert_null(gpt_load("nowhere", 1, &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    wt_buf_free(&bytes), wt_buf_free(&config);
    gpt_free(m);
}

static void test_half_precision(void **state) {
    /* A file written by hand: names without prefix, F16 and BF16, __metadata__ last. */
    static const char json[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                               "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},\"__metadata__\":{}}";
    static const uint16_t data[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555, 0x3f80, 0xc2f7};
    static const float want[] = {1, -2, 0x1p-24f, 65504, -0.f, 0.333251953125f, 1, -123.5f};
    wt_buf b = {0};
    uint64_t n = sizeof json - 1;
    wt_buf_add(&b, &n, 8), wt_buf_add(&b, json, n), wt_buf_add(&b, data, sizeof data);
    wt_err err = {0};
    assert_int_equal(wt_write_file("half.safetensors", wt_buf_view(&b), &err), 0);
    st_file f;
    float out[8];
    assert_int_equal(st_open("half.safetensors", &f, &err), 0);
    assert_int_equal(st_read_f32(&f, st_find(&f, "a"), out, 6, &err), 0);
    assert_int_equal(st_read_f32(&f, st_find(&f, "b"), out + 6, 2, &err), 0);
    assert_memory_equal(out, want, sizeof want);
    assert_null(st_find(&f, "c"));
    st_close(&f);
    wt_buf_free(&b);
}

static void test_state_file(void **state) {
    wt_err err = {0};
    gpt *m = gpt_new(&oracle_shape, 0, 1, &err);
    optim_settings set = {.beta1 = 0.9};
    optimizer o, p;
    assert_int_equal(optimizer_init(&o, m, &set, &err), 0);
    assert_int_equal(optimizer_init(&p, m, &set, &err), 0);
    size_t bytes = m->at.total_floats * 4;
    for (size_t i = 0; i < bytes; i++) ((uint8_t *)o.mean.numbers)[i] = (uint8_t)(i * 7), ((uint8_t *)o.var.numbers)[i] = (uint8_t)(i * 11);
    train_state s = {.step = 3, .samples = 99, .tokens = 12345, .loss_smooth = 3.25, .best_loss = INFINITY, .rate_scale = 0.5, .weights_hash = 42}, t;
    assert_int_equal(state_save("state", &s, &o, false, &err), 0);
    assert_int_equal(state_load("state", &t, &p, false, &err), 0);
    assert_memory_equal(&s, &t, offsetof(train_state, dataset) + sizeof s.dataset);   /* padding follows */
    assert_memory_equal(o.mean.numbers, p.mean.numbers, bytes);
    assert_memory_equal(o.var.numbers, p.var.numbers, bytes);
    wt_buf b = {0};
    assert_int_equal(wt_read_file("state", 1 << 24, &b, &err), 0);
    for (size_t at = 0; at < b.len; at += b.len / 50) { /* one bit anywhere is found */
        b.ptr[at] ^= 4;
        assert_int_equal(wt_write_file("state", wt_buf_view(&b), &err), 0);
        assert_int_equal(state_load("state", &t, &p, false, &err), -1);
        b.ptr[at] ^= 4;
    }
    assert_int_equal(wt_write_file("state", (wt_str){b.ptr, b.len - 9}, &err), 0);
    assert_int_equal(state_load("state", &t, &p, false, &err), -1);
    assert_int_equal(err.code, WT_EDATA);
    wt_buf_free(&b);
    optimizer_reset(&o), optimizer_reset(&p);
    gpt_free(m);
}

/* ---- sampling ---- */
static void counts_of(const gpt_sampling *how, const uint32_t *seen, size_t n_seen, int *counts) {
    static const float logits[6] = {2, 1, 1, 0, -1, -5};
    wt_rng rng;
    wt_rng_init(&rng, 1, 1);
    memset(counts, 0, 6 * sizeof *counts);
    for (int i = 0; i < 20000; i++) {
        float z[6];
        memcpy(z, logits, sizeof z);
        counts[gpt_sample(z, 6, how, seen, n_seen, &rng)]++;
    }
}

static void test_sampling(void **state) {
    int c[6];
    gpt_sampling how = GPT_SAMPLING_DEFAULT;
    counts_of(&how, NULL, 0, c);
    double p[6] = {exp(2), exp(1), exp(1), 1, exp(-1), exp(-5)}, sum = 0;
    for (int i = 0; i < 6; i++) sum += p[i];
    for (int i = 0; i < 6; i++)
        if (fabs(c[i] / 20000.0 - p[i] / sum) > 0.012) fail_msg("id %d: %g, not %g", i, c[i] / 20000.0, p[i] / sum);
    how.top_k = 2;                       /* a tie at the second place: both stay */
    counts_of(&how, NULL, 0, c);
    assert_true(c[0] && c[1] && c[2] && !c[3] && !c[4] && !c[5]);
    how = GPT_SAMPLING_DEFAULT, how.top_p = 0.6f;   /* 0.527 + 0.194 crosses 0.6 with the second */
    counts_of(&how, NULL, 0, c);
    assert_true(c[0] && c[1] && !c[2] && !c[3]);
    how = GPT_SAMPLING_DEFAULT, how.min_p = 0.2f;   /* e^-1 = .37 stays, e^-2 = .135 goes */
    counts_of(&how, NULL, 0, c);
    assert_true(c[0] && c[1] && c[2] && !c[3]);
    how = GPT_SAMPLING_DEFAULT, how.temperature = 0;
    counts_of(&how, NULL, 0, c);
    assert_int_equal(c[0], 20000);
    how.repetition_penalty = 3;          /* 2/3 < 1: the next one wins */
    counts_of(&how, (const uint32_t[]){0, 0, 5}, 3, c);
    assert_int_equal(c[1], 20000);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_adamw), cmocka_unit_test(test_muon_learns), cmocka_unit_test(test_cache_equals_full_pass),
        cmocka_unit_test(test_checkpoint), cmocka_unit_test(test_half_precision), cmocka_unit_test(test_state_file), cmocka_unit_test(test_sampling)};
    return cmocka_run_group_tests_name("train_oracle", tests, NULL, NULL);
}

/* gpt.c - shapes, the layout of the weights, new models. Loading and saving are in checkpoint.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/memory.h"
#include "train/model.h"

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }

int gpt_shape_named(const char *name, gpt_shape *s, wt_err *err) {
    static const struct {
        const char *name;
        int L, C, H;
    } sizes[] = {{"gpt2", 12, 768, 12}, {"gpt2-medium", 24, 1024, 16}, {"gpt2-large", 36, 1280, 20}, {"gpt2-xl", 48, 1600, 25}};
    int L, C, H, used = 0;
    s->ln_eps = 1e-5f;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (!strcmp(name, sizes[i].name)) {
            s->n_layer = sizes[i].L, s->n_embd = sizes[i].C, s->n_head = sizes[i].H;
            return 0;
        }
    if (sscanf(name, "%dx%dx%d%n", &L, &C, &H, &used) == 3 && !name[used] && L > 0 && C > 0 && H > 0) {
        s->n_layer = L, s->n_embd = C, s->n_head = H;
        if (C % H) return wt_fail(err, WT_EARG, "model '%s': width %d is not a multiple of %d heads", name, C, H);
        return 0;
    }
    return wt_fail(err, WT_EARG, "unknown model '%s': gpt2, gpt2-medium, gpt2-large, gpt2-xl or LAYERSxWIDTHxHEADS such as 4x128x4", name);
}

uint64_t gpt_shape_params(const gpt_shape *s) {
    uint64_t C = (uint64_t)s->n_embd;
    return (uint64_t)s->n_layer * (12 * C * C + 13 * C) + ((uint64_t)s->vocab + (uint64_t)s->n_ctx + 2) * C;
}

double gpt_shape_flops(const gpt_shape *s, int T) {
    double C = s->n_embd, L = s->n_layer;
    return 6 * (12 * C * C * L + C * s->vocab) + 3.5 * 2 * (T + 1) * C * L;
}

int gpt_shape_check(const gpt_shape *s, wt_err *err) {
    if (s->n_layer < 1 || s->n_layer > 1000 || s->n_head < 1 || s->n_embd < 1 || s->n_embd > 65536 || s->n_embd % s->n_head)
        return wt_fail(err, WT_EARG, "a model of %d layers, width %d and %d heads is out of range", s->n_layer, s->n_embd, s->n_head);
    if (s->n_ctx < 1 || s->n_ctx > (1 << 20)) return wt_fail(err, WT_EARG, "a context of %d tokens is out of range", s->n_ctx);
    if (s->vocab < 1 || s->vocab > (1 << 24)) return wt_fail(err, WT_EARG, "a vocabulary of %d is out of range", s->vocab);
    if (!(s->ln_eps > 0)) return wt_fail(err, WT_EARG, "layer norm epsilon %g is not above 0", (double)s->ln_eps);
    return 0;
}

gpt_layout gpt_layout_of(const gpt_shape *s) {
    gpt_layout at = {0};
    size_t C = (size_t)s->n_embd;
    const size_t floats[LAYER_TENSORS] = {C, C, 3 * C * C, 3 * C, C * C, C, C, C, 4 * C * C, 4 * C, 4 * C * C, C};
    at.Vp = (int)round_up((size_t)s->vocab, 64);
    at.wpe = round_up((size_t)at.Vp * C, 16);
    at.layers = at.wpe + round_up((size_t)s->n_ctx * C, 16);
    for (int i = 0; i < LAYER_TENSORS; i++) {
        at.in_layer[i] = at.layer_floats;
        at.layer_floats += round_up(floats[i], 16);
    }
    at.lnf_w = at.layers + (size_t)s->n_layer * at.layer_floats;
    at.lnf_b = at.lnf_w + round_up(C, 16);
    at.total_floats = at.lnf_b + round_up(C, 16);
    return at;
}

gpt_layer gpt_layer_at(const gpt_layout *at, float *p) {
    const size_t *o = at->in_layer;
    return (gpt_layer){p + o[0], p + o[1], p + o[2], p + o[3], p + o[4], p + o[5],
                       p + o[6], p + o[7], p + o[8], p + o[9], p + o[10], p + o[11]};
}

/* Gradients: wte and wpe as in the weights, then the layers (or the one they share), then ln_f. */
float *gpt_grad_layer(const gpt *m, int l) { return m->grad + m->at.layers + (size_t)l * m->grad_layer_stride; }
float *gpt_grad_final(const gpt *m) { return m->grad + m->grad_floats - (m->at.total_floats - m->at.lnf_w); }

int gpt_grad_alloc(gpt *m, bool fused, wt_err *err) {
    size_t stride = fused ? 0 : m->at.layer_floats;
    size_t floats = m->at.total_floats - (fused ? (size_t)(m->shape.n_layer - 1) * m->at.layer_floats : 0);
    if (m->grad) return 0;
    m->grad = wt_big_alloc(floats * sizeof(float), "gradients", err);
    if (!m->grad) return -1;
    m->grad_layer_stride = stride, m->grad_floats = floats;
    return 0;
}

gpt_tensor_info gpt_tensor_describe(const gpt *m, int i) {
    static const char *const names[LAYER_TENSORS] = {
        "ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
        "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"};
    int C = m->shape.n_embd, L = m->shape.n_layer;
    const int rows[LAYER_TENSORS] = {1, 1, C, 1, C, 1, 1, 1, C, 1, 4 * C, 1};
    const int cols[LAYER_TENSORS] = {C, C, 3 * C, 3 * C, C, C, C, C, 4 * C, 4 * C, C, C};
    gpt_tensor_info t = {.layer = -1};
    if (i < 2) {
        snprintf(t.name, sizeof t.name, "%s", i ? "wpe.weight" : "wte.weight");
        t.rows = i ? m->shape.n_ctx : m->shape.vocab, t.cols = C, t.decays = true;
        t.offset = i ? m->at.wpe : m->at.wte;
    } else if (i < 2 + L * LAYER_TENSORS) {
        int l = (i - 2) / LAYER_TENSORS, j = (i - 2) % LAYER_TENSORS;
        snprintf(t.name, sizeof t.name, "h.%d.%s", l, names[j]);
        t.rows = rows[j], t.cols = cols[j], t.decays = rows[j] > 1, t.layer = l;
        t.offset = m->at.layers + (size_t)l * m->at.layer_floats + m->at.in_layer[j];
    } else {
        bool bias = i - 2 - L * LAYER_TENSORS == 1;
        snprintf(t.name, sizeof t.name, "%s", bias ? "ln_f.bias" : "ln_f.weight");
        t.rows = 1, t.cols = C, t.offset = bias ? m->at.lnf_b : m->at.lnf_w;
    }
    return t;
}

int gpt_tensor_count(const gpt *m) { return 4 + m->shape.n_layer * LAYER_TENSORS; }

static gpt_tensor tensor_in(const gpt *m, int i, float *base, size_t offset) {
    gpt_tensor_info t = gpt_tensor_describe(m, i);
    static _Thread_local char names[2][48];
    static _Thread_local int turn;
    char *name = names[turn ^= 1];
    memcpy(name, t.name, sizeof t.name);
    return (gpt_tensor){name, t.rows, t.cols, base ? base + offset : NULL};
}
gpt_tensor gpt_tensor_at(const gpt *m, int i) { return tensor_in(m, i, m->w, gpt_tensor_describe(m, i).offset); }
gpt_tensor gpt_grad_at(const gpt *m, int i) { return tensor_in(m, i, m->grad, gpt_tensor_describe(m, i).offset); }

void gpt_grad_zero(gpt *m) {
    if (!m->grad) return;
    m->grad_stale = false;
#pragma omp parallel for num_threads(m->threads) schedule(static)
    for (size_t i = 0; i < m->grad_floats; i += 1 << 16)
        memset(m->grad + i, 0, (m->grad_floats - i < 1 << 16 ? m->grad_floats - i : 1 << 16) * sizeof(float));
}

gpt *gpt_alloc(const gpt_shape *shape, int threads, wt_err *err) {
    if (gpt_shape_check(shape, err)) return NULL;
    gpt *m = wt_xcalloc(1, sizeof *m);
    m->shape = *shape;
    m->at = gpt_layout_of(shape);
    m->threads = threads > 0 ? threads : wt_cpu_count();
    m->k = kernels_best();
    m->team = gemm_team_new(m->k, m->threads, err);
    m->w = m->team ? wt_big_alloc(m->at.total_floats * sizeof(float), "the model's weights", err) : NULL;
    if (!m->w) {
        gpt_free(m);
        return NULL;
    }
    return m;
}

gpt *gpt_new(const gpt_shape *shape, uint64_t seed, int threads, wt_err *err) {
    gpt *m = gpt_alloc(shape, threads, err);
    if (!m) return NULL;
    int n_tensors = gpt_tensor_count(m);    /* each has its own stream of numbers */
#pragma omp parallel for num_threads(m->threads) schedule(dynamic)
    for (int i = 0; i < n_tensors; i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        float *w = m->w + t.offset;
        size_t n = (size_t)t.rows * (size_t)t.cols;
        bool residual = strstr(t.name, "c_proj.weight") != NULL;
        double deviation = residual ? 0.02 / sqrt(2.0 * shape->n_layer) : 0.02;
        wt_rng rng;
        wt_rng_init(&rng, seed, (uint64_t)i);
        if (t.rows > 1)
            for (size_t j = 0; j < n; j++) w[j] = (float)(deviation * wt_rng_normal(&rng));
        else if (strstr(t.name, "ln_") && strstr(t.name, "weight"))
            for (size_t j = 0; j < n; j++) w[j] = 1;
    }
    return m;
}

void gpt_free(gpt *m) {
    if (!m) return;
    gpt_scratch_free(m->scratch);
    gemm_team_free(m->team);
    if (m->w) wt_big_free(m->w, m->at.total_floats * sizeof(float));
    if (m->grad) wt_big_free(m->grad, m->grad_floats * sizeof(float));
    free(m->dir);
    free(m);
}

const gpt_shape *gpt_shape_of(const gpt *m) { return &m->shape; }
const char *gpt_dir_of(const gpt *m) { return m->dir; }

void gpt_threads_calm(char **argv) {
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) return;                 /* where there is no /proc, things stay as they are */
    path[n] = 0;
    setenv("GOMP_SPINCOUNT", "10000", 1);
    execv(path, argv);
}

/* ref.c - GPT-2 forward and backward in double, by plain loops with everything kept: what pass.c has
 * to equal. Slow on purpose (T x T scores, B*T x V logits). Follows Radford et al. 2019 and Vaswani
 * et al. 2017: pre-norm blocks, learned positions, tanh gelu, head tied to the token embedding. */
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"
#include "train/model.h"

/* out (N,n) = in (N,k) w (k,n) + bias */
static void linear(double *out, const double *in, const float *w, const float *bias, int N, int k, int n) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < n; j++) {
            double sum = bias ? bias[j] : 0;
            for (int p = 0; p < k; p++) sum += in[(size_t)i * k + p] * w[(size_t)p * n + j];
            out[(size_t)i * n + j] = sum;
        }
}
/* din += dout w^T; dw += in^T dout; db += column sums of dout */
static void linear_grad(double *din, double *dw, double *db, const double *dout, const double *in, const float *w,
                        int N, int k, int n) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < n; j++) {
            double g = dout[(size_t)i * n + j];
            if (db) db[j] += g;
            for (int p = 0; p < k; p++) {
                din[(size_t)i * k + p] += g * w[(size_t)p * n + j];
                dw[(size_t)p * n + j] += g * in[(size_t)i * k + p];
            }
        }
}

static void norm(double *out, const double *x, const float *w, const float *b, double eps, int N, int C) {
    for (int i = 0; i < N; i++, x += C, out += C) {
        double mean = 0, var = 0;
        for (int j = 0; j < C; j++) mean += x[j] / C;
        for (int j = 0; j < C; j++) var += (x[j] - mean) * (x[j] - mean) / C;
        for (int j = 0; j < C; j++) out[j] = (x[j] - mean) / sqrt(var + eps) * w[j] + b[j];
    }
}
static void norm_grad(double *dx, double *dw, double *db, const double *dout, const double *x, const float *w,
                      double eps, int N, int C) {
    for (int i = 0; i < N; i++, x += C, dx += C, dout += C) {
        double mean = 0, var = 0, s = 0, t = 0;
        for (int j = 0; j < C; j++) mean += x[j] / C;
        for (int j = 0; j < C; j++) var += (x[j] - mean) * (x[j] - mean) / C;
        double r = 1 / sqrt(var + eps);
        for (int j = 0; j < C; j++) {
            double n = (x[j] - mean) * r;
            s += dout[j] * w[j] / C, t += dout[j] * w[j] * n / C;
            dw[j] += dout[j] * n, db[j] += dout[j];
        }
        for (int j = 0; j < C; j++) dx[j] += r * (dout[j] * w[j] - s - (x[j] - mean) * r * t);
    }
}

static double gelu(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double gelu_grad(double x) {
    double t = tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
}

/* att (B,T,C) and the probabilities P (B,H,T,T) of qkv (B,T,3C). */
static void attention(double *att, double *P, const double *qkv, const int32_t *start, int B, int T, int C, int H) {
    int D = C / H;
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < T; i++) {
                const double *q = qkv + ((size_t)b * T + i) * 3 * C + h * D;
                double *p = P + (((size_t)b * H + h) * T + i) * T, *o = att + ((size_t)b * T + i) * C + h * D, sum = 0;
                for (int j = start ? start[b * T + i] : 0; j <= i; j++) {
                    const double *k = qkv + ((size_t)b * T + j) * 3 * C + C + h * D;
                    double s = 0;
                    for (int d = 0; d < D; d++) s += q[d] * k[d];
                    sum += p[j] = exp(s / sqrt(D));
                }
                for (int j = 0; j <= i; j++) {
                    const double *v = qkv + ((size_t)b * T + j) * 3 * C + 2 * C + h * D;
                    p[j] /= sum;
                    for (int d = 0; d < D; d++) o[d] += p[j] * v[d];
                }
            }
}
static void attention_grad(double *dqkv, const double *dout, const double *P, const double *qkv, int B, int T, int C, int H) {
    int D = C / H;
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < T; i++) {
                size_t qi = ((size_t)b * T + i) * 3 * C + h * D;
                const double *p = P + (((size_t)b * H + h) * T + i) * T, *go = dout + ((size_t)b * T + i) * C + h * D;
                double mean = 0;
                for (int pass = 0; pass < 2; pass++)
                    for (int j = 0; j <= i; j++) {
                        size_t kj = ((size_t)b * T + j) * 3 * C + C + h * D, vj = kj + C;
                        double dp = 0;
                        for (int d = 0; d < D; d++) dp += go[d] * qkv[vj + d];
                        if (pass == 0) {
                            mean += p[j] * dp;
                            for (int d = 0; d < D; d++) dqkv[vj + d] += p[j] * go[d];
                            continue;
                        }
                        double ds = p[j] * (dp - mean) / sqrt(D);
                        for (int d = 0; d < D; d++) {
                            dqkv[qi + d] += ds * qkv[kj + d];
                            dqkv[kj + d] += ds * qkv[qi + d];
                        }
                    }
            }
}

typedef struct {
    double *x, *n1, *qkv, *P, *att, *x2, *n2, *fc, *act;
} ref_layer;

void gpt_pass_ref(const gpt *m, const gpt_pass *p, double *loss, double *grad) {
    int B = p->B, T = p->T, N = B * T, C = m->shape.n_embd, H = m->shape.n_head, L = m->shape.n_layer, V = m->shape.vocab;
    size_t NC = (size_t)N * C;
    double eps = m->shape.ln_eps;
    wt_arena *arena = wt_arena_new(1 << 20);
#define NEW(n) wt_arena_zalloc(arena, (size_t)(n) * sizeof(double))
    ref_layer *a = wt_xcalloc((size_t)L, sizeof *a);
    double *x = NEW(NC), *z = NEW((size_t)N * V);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < C; j++)
            x[(size_t)i * C + j] = m->w[m->at.wte + (size_t)p->tokens[i] * C + j] + (double)m->w[m->at.wpe + (size_t)(i % T) * C + j];
    for (int l = 0; l < L; l++) {
        gpt_layer w = gpt_weights_of(m, l);
        a[l] = (ref_layer){x, NEW(NC), NEW(3 * NC), NEW((size_t)B * H * T * T), NEW(NC), NEW(NC), NEW(NC), NEW(4 * NC), NEW(4 * NC)};
        norm(a[l].n1, x, w.ln1_w, w.ln1_b, eps, N, C);
        linear(a[l].qkv, a[l].n1, w.qkv_w, w.qkv_b, N, C, 3 * C);
        attention(a[l].att, a[l].P, a[l].qkv, p->key_start, B, T, C, H);
        linear(a[l].x2, a[l].att, w.att_w, w.att_b, N, C, C);
        for (size_t i = 0; i < NC; i++) a[l].x2[i] += x[i];
        norm(a[l].n2, a[l].x2, w.ln2_w, w.ln2_b, eps, N, C);
        linear(a[l].fc, a[l].n2, w.fc_w, w.fc_b, N, C, 4 * C);
        for (size_t i = 0; i < 4 * NC; i++) a[l].act[i] = gelu(a[l].fc[i]);
        x = NEW(NC);
        linear(x, a[l].act, w.out_w, w.out_b, N, 4 * C, C);
        for (size_t i = 0; i < NC; i++) x[i] += a[l].x2[i];
    }
    double *nf = NEW(NC), *dnf = NEW(NC), total = 0;
    int asked = 0;
    norm(nf, x, m->w + m->at.lnf_w, m->w + m->at.lnf_b, eps, N, C);
    for (int i = 0; i < N; i++) asked += p->targets && p->targets[i] != GPT_IGNORE;
    for (int i = 0; i < N; i++) {
        double *zi = z + (size_t)i * V, sum = 0, max = -INFINITY;
        for (int v = 0; v < V; v++) {
            for (int j = 0; j < C; j++) zi[v] += nf[(size_t)i * C + j] * m->w[m->at.wte + (size_t)v * C + j];
            max = zi[v] > max ? zi[v] : max;
            if (p->logits) p->logits[(size_t)i * V + v] = (float)zi[v];
        }
        if (!p->targets || p->targets[i] == GPT_IGNORE) continue;
        for (int v = 0; v < V; v++) sum += exp(zi[v] - max);
        total += log(sum) + max - zi[p->targets[i]];
        if (!grad) continue;
        for (int v = 0; v < V; v++) {
            double g = (exp(zi[v] - max) / sum - (v == (int)p->targets[i])) * (double)p->weight / asked;
            for (int j = 0; j < C; j++) {
                dnf[(size_t)i * C + j] += g * m->w[m->at.wte + (size_t)v * C + j];
                grad[m->at.wte + (size_t)v * C + j] += g * nf[(size_t)i * C + j];
            }
        }
    }
    if (loss) *loss = asked ? total / asked : 0;
    if (grad) {
        double *dx = NEW(NC);
        norm_grad(dx, grad + m->at.lnf_w, grad + m->at.lnf_b, dnf, x, m->w + m->at.lnf_w, eps, N, C);
        for (int l = L - 1; l >= 0; l--) {
            gpt_layer w = gpt_weights_of(m, l);
            double *g = grad + m->at.layers + (size_t)l * m->at.layer_floats, *d4 = NEW(4 * NC), *dqkv = NEW(3 * NC);
            double *dn = NEW(NC), *datt = NEW(NC), *dn1 = NEW(NC);
            const size_t *o = m->at.in_layer;
            linear_grad(d4, g + o[10], g + o[11], dx, a[l].act, w.out_w, N, 4 * C, C);
            for (size_t i = 0; i < 4 * NC; i++) d4[i] *= gelu_grad(a[l].fc[i]);
            linear_grad(dn, g + o[8], g + o[9], d4, a[l].n2, w.fc_w, N, C, 4 * C);
            norm_grad(dx, g + o[6], g + o[7], dn, a[l].x2, w.ln2_w, eps, N, C);
            linear_grad(datt, g + o[4], g + o[5], dx, a[l].att, w.att_w, N, C, C);
            attention_grad(dqkv, datt, a[l].P, a[l].qkv, B, T, C, H);
            linear_grad(dn1, g + o[2], g + o[3], dqkv, a[l].n1, w.qkv_w, N, C, 3 * C);
            norm_grad(dx, g + o[0], g + o[1], dn1, a[l].x, w.ln1_w, eps, N, C);
        }
        for (int i = 0; i < N; i++)
            for (int j = 0; j < C; j++) {
                grad[m->at.wte + (size_t)p->tokens[i] * C + j] += dx[(size_t)i * C + j];
                grad[m->at.wpe + (size_t)(i % T) * C + j] += dx[(size_t)i * C + j];
            }
    }
    free(a);
    wt_arena_free(arena);
}

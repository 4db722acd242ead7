/* sample.c - the next token from logits: repetition penalty (Keskar et al. 2019), temperature, top-k
 * (Fan et al. 2018; ties of the k-th stay), top-p (Holtzman et al. 2020; the token that crosses p
 * stays), min-p (Nguyen et al. 2024), in transformers' order. One sort of the candidates that are
 * left; where neither top-k nor top-p is asked for, none. */
#include <math.h>
#include <stdlib.h>

#include "common/str.h"
#include "train/train.h"

typedef struct {
    float logit;
    uint32_t id;
} candidate;

static int higher_first(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->logit != y->logit) return x->logit < y->logit ? 1 : -1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static uint32_t greatest(const float *z, int n) {
    int best = 0;
    for (int i = 1; i < n; i++)
        if (z[i] > z[best]) best = i;
    return (uint32_t)best;
}

static void penalize(float *z, int vocab, float penalty, const uint32_t *seen, size_t n_seen) {
    uint8_t *done = wt_xcalloc((size_t)vocab, 1);
    for (size_t i = 0; i < n_seen; i++)
        if (seen[i] < (uint32_t)vocab && !done[seen[i]]) {
            z[seen[i]] = z[seen[i]] > 0 ? z[seen[i]] / penalty : z[seen[i]] * penalty;
            done[seen[i]] = 1;
        }
    free(done);
}

/* How many of the sorted candidates stay. */
static size_t cut(const candidate *c, size_t n, const gpt_sampling *how) {
    if (how->top_k > 0 && (size_t)how->top_k < n) {
        size_t keep = (size_t)how->top_k;
        while (keep < n && c[keep].logit == c[how->top_k - 1].logit) keep++;
        n = keep;
    }
    if (how->top_p < 1) {
        double sum = 0, mass = 0;
        for (size_t i = 0; i < n; i++) sum += exp((double)c[i].logit - c[0].logit);
        for (size_t i = 0; i < n; i++) {
            mass += exp((double)c[i].logit - c[0].logit);
            if (mass >= how->top_p * sum) n = i + 1;
        }
    }
    return n;
}

uint32_t gpt_sample(float *z, int vocab, const gpt_sampling *how, const uint32_t *seen, size_t n_seen, wt_rng *rng) {
    if (how->repetition_penalty != 1 && how->repetition_penalty > 0) penalize(z, vocab, how->repetition_penalty, seen, n_seen);
    if (how->temperature <= 0) return greatest(z, vocab);
    float max = z[greatest(z, vocab)];
    /* min-p keeps logits above a line; so does a bound under which no float of the sum would change. */
    float floor = how->min_p > 0 ? max + how->temperature * logf(how->min_p) : -INFINITY;
    candidate *c = wt_xmalloc((size_t)vocab * sizeof *c);
    size_t n = 0;
    for (int i = 0; i < vocab; i++)
        if (z[i] >= floor || z[i] == max) c[n++] = (candidate){z[i] / how->temperature, (uint32_t)i};
    if (how->top_k > 0 || how->top_p < 1) {
        /* top-p works on the whole distribution, so candidates below min-p must still count in it. */
        if (how->min_p > 0) {
            n = 0;
            for (int i = 0; i < vocab; i++) c[n++] = (candidate){z[i] / how->temperature, (uint32_t)i};
        }
        qsort(c, n, sizeof *c, higher_first);
        n = cut(c, n, how);
        while (how->min_p > 0 && n > 1 && c[n - 1].logit * how->temperature < floor) n--;
    }
    double sum = 0, at;
    float top = max / how->temperature;
    for (size_t i = 0; i < n; i++) sum += exp((double)c[i].logit - top);
    at = wt_rng_double(rng) * sum;
    uint32_t chosen = n ? c[n - 1].id : 0;
    for (size_t i = 0; i < n; i++) {
        at -= exp((double)c[i].logit - top);
        if (at < 0) {
            chosen = c[i].id;
            break;
        }
    }
    free(c);
    return chosen;
}

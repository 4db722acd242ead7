/* ranks.c - see ranks.h. Sums begin span by span while the backward pass goes on with the layers below. Slices of
 * others wait in buffers until they are added; beyond HELD_BYTES the oldest is waited for. */
#include "train/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/tool.h"

#define HELD_BYTES ((size_t)64 << 20)

void exchange_init(exchange *x, const share_map *share, int threads) {
    *x = (exchange){.share = share, .work = wt_xcalloc(share->n_spans, sizeof *x->work), .threads = threads};
}

void exchange_reset(exchange *x) {
    free(x->work);
    *x = (exchange){0};
}

static void finish_oldest(exchange *x) {
    wt_cluster_work *w = x->work[x->first];
    x->first = (x->first + 1) % x->share->n_spans, x->n--;
    x->bytes -= wt_cluster_work_bytes(w);
    double start = wt_now();
    wt_cluster_finish(w, x->threads);
    x->waited_s += wt_now() - start;
}

static void push(exchange *x, wt_cluster_work *w) {
    if (!w) return;
    if (x->n == x->share->n_spans) finish_oldest(x);
    x->work[(x->first + x->n++) % x->share->n_spans] = w;
    x->bytes += wt_cluster_work_bytes(w);
    while (x->n && (x->bytes > HELD_BYTES || wt_cluster_done(x->work[x->first]))) finish_oldest(x);
}

void exchange_sum(exchange *x, float *values, size_t span) {
    if (x->share->ranks > 1) push(x, wt_cluster_sum_start(values, share_cuts(x->share, span)));
}

void exchange_gather(exchange *x, float *weights, size_t span) {
    if (x->share->ranks > 1) push(x, wt_cluster_gather_start(weights, share_cuts(x->share, span)));
}

void exchange_finish(exchange *x) {
    while (x->n) finish_oldest(x);
}

/* ---- apart ---- */
int outer_init(outer_state *o, const gpt *m, wt_err *err) {
    *o = (outer_state){0};
    share_init(&o->share, &m->shape, wt_cluster_rank(), wt_cluster_size(), false);
    o->bytes = (o->share.numbers + 1) * sizeof(float);       /* a rank may own nothing */
    o->weights = wt_big_alloc(o->bytes, "the common weights", err);
    o->momentum = o->weights ? wt_big_alloc(o->bytes, "the outer momentum", err) : NULL;
    if (!o->momentum) {
        outer_reset(o);
        return -1;
    }
    exchange_init(&o->x, &o->share, m->threads);
    float *to = o->weights;
    for (size_t i = 0; i < o->share.n_spans; i++) {
        const size_t *cuts = share_cuts(&o->share, i) + o->share.rank;
        memcpy(to, m->w + cuts[0], (cuts[1] - cuts[0]) * sizeof *to);
        to += cuts[1] - cuts[0];
    }
    return 0;
}

void outer_reset(outer_state *o) {
    if (o->weights) wt_big_free(o->weights, o->bytes);
    if (o->momentum) wt_big_free(o->momentum, o->bytes);
    if (o->share.spans) share_reset(&o->share);
    exchange_reset(&o->x);
    *o = (outer_state){0};
}

/* d = common - mean of the ranks';  v = mu v + d;  common -= rate (d + mu v)        (Nesterov, as in SGD) */
static void outer_slice(float *w, float *common, float *v, size_t n, float ranks, float rate, float mu) {
    for (size_t i = 0; i < n; i++) {
        float d = common[i] - w[i] / ranks;
        v[i] = mu * v[i] + d;
        w[i] = common[i] -= rate * (d + mu * v[i]);
    }
}

void outer_step(outer_state *o, gpt *m, double rate, double momentum) {
    const share_map *s = &o->share;
    for (size_t i = 0; i < s->n_spans; i++) exchange_sum(&o->x, m->w, i);
    exchange_finish(&o->x);
    size_t local = 0;
    for (size_t i = 0; i < s->n_spans; i++) {
        const size_t *cuts = share_cuts(s, i) + s->rank;
        outer_slice(m->w + cuts[0], o->weights + local, o->momentum + local, cuts[1] - cuts[0], (float)s->ranks, (float)rate, (float)momentum);
        local += cuts[1] - cuts[0];
        exchange_gather(&o->x, m->w, i);
    }
    exchange_finish(&o->x);
}

/* behind.c - see behind.h. Work is cut into chunks that fit beside the product's panels in the second cache. A thread
 * takes one, has the tiles of its product ask memory for it, updates it from the cache between two tiles, and takes the
 * next when it has computed enough to be due for more. What is late when a layer is wanted is updated then.
 * Order: layer 1, some of the embedding, layer 2, ... so that each layer's products have the same load. Rows of the
 * embedding that the next pass reads come first. */
#include "train/behind.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CHUNK = 4096 };                       /* numbers: 64 KiB of weights, gradients and moments */
#define NO_CHUNK SIZE_MAX

typedef struct {
    uint32_t piece, from, n;
} chunk;

typedef struct {
    size_t at;                               /* the chunk that is fetched, or NO_CHUNK */
    gemm_ahead ahead;
    double due;                              /* numbers that this thread should have taken by now, less those it took */
    char pad[64];
} worker;

struct behind {
    optimizer *o;
    optim_rates rates;
    bool pending;
    uint32_t *at_once;                       /* pieces that do not wait */
    size_t n_at_once;
    chunk *chunks;                           /* those that do, in order */
    size_t n_chunks;
    size_t *until;                           /* (L+1): so many chunks are wanted before layer l; all at L */
    uint32_t *of_embedding;                  /* chunks by place in the embedding */
    size_t n_embedding;
    bool *early;                             /* updated before its turn: the embedding's rows */
    atomic_size_t next;
    double numbers_a_step;                   /* of k, of a tile */
    worker *workers;
};

static void update_chunk(const behind *b, size_t i) {
    const chunk *c = &b->chunks[i];
    optimizer_update_piece(b->o, &b->rates, &b->o->share.pieces[c->piece], c->from, c->n);
}

/* ---- what waits, and in which order ---- */
static bool piece_waits(const behind *b, const share_piece *p) {
    bool muons = b->o->set.kind == OPTIM_MUON && p->layer >= 0;
    return p->n >= CHUNK && !muons && (p->layer > 0 || p->at < b->o->m->at.wpe);
}

static void add_chunks(behind *b, size_t *cap, size_t piece) {
    uint32_t n = b->o->share.pieces[piece].n;
    for (uint32_t from = 0; from < n; from += CHUNK) {
        WT_GROW(b->chunks, *cap, b->n_chunks + 1);
        b->chunks[b->n_chunks++] = (chunk){(uint32_t)piece, from, n - from < CHUNK ? n - from : CHUNK};
    }
}

/* Layer l, then of the embedding what makes this the l-th of L equal parts of all that waits. */
static void order_chunks(behind *b) {
    const share_map *s = &b->o->share;
    size_t L = (size_t)b->o->m->shape.n_layer, cap = 0, total = 0, embedding = 0;
    for (size_t p = 0; p < s->n_pieces; p++)
        if (piece_waits(b, &s->pieces[p])) total += (s->pieces[p].n + CHUNK - 1) / CHUNK;
    b->until = wt_xcalloc(L + 1, sizeof *b->until);
    for (size_t l = 1; l <= L; l++) {
        for (size_t p = 0; l < L && p < s->n_pieces; p++)
            if (s->pieces[p].layer == (int)l && piece_waits(b, &s->pieces[p])) add_chunks(b, &cap, p);
        b->until[l] = b->n_chunks;
        for (; b->n_chunks < total * l / L && s->pieces[embedding].at < b->o->m->at.wpe; embedding++)
            if (piece_waits(b, &s->pieces[embedding])) add_chunks(b, &cap, embedding);
    }
    b->until[L] = b->n_chunks;
}

static void find_embedding(behind *b) {
    b->n_embedding = (b->o->m->at.wpe + CHUNK - 1) / CHUNK;
    b->of_embedding = wt_xmalloc(b->n_embedding * sizeof *b->of_embedding);
    memset(b->of_embedding, 0xff, b->n_embedding * sizeof *b->of_embedding);
    for (size_t i = 0; i < b->n_chunks; i++) {
        size_t at = b->o->share.pieces[b->chunks[i].piece].at + b->chunks[i].from;
        if (at < b->o->m->at.wpe) b->of_embedding[at / CHUNK] = (uint32_t)i;
    }
}

behind *behind_new(optimizer *o) {
    behind *b = wt_xcalloc(1, sizeof *b);
    const share_map *s = &o->share;
    b->o = o;
    b->at_once = wt_xmalloc(s->n_pieces * sizeof *b->at_once);
    for (size_t i = 0; i < s->n_spans; i++)
        for (size_t p = s->spans[i].first; p < s->spans[i].last && s->spans[i].tensor < 0; p++)
            if (!piece_waits(b, &s->pieces[p])) b->at_once[b->n_at_once++] = (uint32_t)p;
    order_chunks(b);
    find_embedding(b);
    b->early = wt_xcalloc(b->n_chunks + 1, sizeof *b->early);
    b->workers = wt_xcalloc((size_t)o->m->threads, sizeof *b->workers);
    return b;
}

void behind_free(behind *b) {
    if (!b) return;
    free(b->at_once), free(b->chunks), free(b->until), free(b->of_embedding), free(b->early), free(b->workers);
    free(b);
}

/* ---- beside the products ---- */
static size_t take_chunk(behind *b) {
    size_t i;
    do i = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
    while (i < b->n_chunks && b->early[i]);
    return i < b->n_chunks ? i : NO_CHUNK;
}

static gemm_ahead *before_tile(void *ctx, int i_thread, int steps) {
    behind *b = ctx;
    worker *x = &b->workers[i_thread];
    x->due += b->numbers_a_step * steps;
    if (x->at != NO_CHUNK) {
        if (gemm_ahead_left(&x->ahead)) return &x->ahead;
        update_chunk(b, x->at);
        x->at = NO_CHUNK;
    }
    if (x->due < 0) return NULL;
    x->at = take_chunk(b);
    if (x->at == NO_CHUNK) {
        x->due = -INFINITY;
        return NULL;
    }
    const chunk *c = &b->chunks[x->at];
    x->due -= c->n;
    optimizer_piece_memory(b->o, &b->o->share.pieces[c->piece], c->from, c->n, &x->ahead);
    return &x->ahead;
}

/* Chunks that were begun, and those up to `until`. */
static void catch_up(behind *b, size_t until) {
    int threads = b->o->m->threads;
    size_t from = atomic_load_explicit(&b->next, memory_order_relaxed), begun = 0;
    for (int t = 0; t < threads; t++) begun += b->workers[t].at != NO_CHUNK;
    if (!begun && from >= until) return;
    size_t late = until > from ? until - from : 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic) if (begun + late > 2)
    for (size_t i = 0; i < (size_t)threads + late; i++) {
        if (i >= (size_t)threads) {
            if (!b->early[from + i - (size_t)threads]) update_chunk(b, from + i - (size_t)threads);
        } else if (b->workers[i].at != NO_CHUNK) {
            update_chunk(b, b->workers[i].at);
            b->workers[i].at = NO_CHUNK;
        }
    }
    if (late) atomic_store_explicit(&b->next, until, memory_order_relaxed);
}

/* The rows of the embedding that the pass reads. */
static void update_rows(behind *b, const gpt_pass *pass) {
    size_t C = (size_t)b->o->m->shape.n_embd, rows = (size_t)pass->B * (size_t)pass->T, n = 0, cap = 0;
    uint32_t *wanted = NULL;
    for (size_t i = 0; i < rows; i++)
        for (size_t at = pass->tokens[i] * C / CHUNK; at <= ((pass->tokens[i] + 1) * C - 1) / CHUNK; at++) {
            uint32_t c = b->of_embedding[at];
            if (c == UINT32_MAX || b->early[c]) continue;
            b->early[c] = true;
            WT_GROW(wanted, cap, n + 1);
            wanted[n++] = c;
        }
#pragma omp parallel for num_threads(b->o->m->threads) schedule(dynamic) if (n > 2)
    for (size_t i = 0; i < n; i++) update_chunk(b, wanted[i]);
    free(wanted);
}

/* All that waits, spread over the steps of k that the layers' tiles of one pass take; a little faster, to be in time. */
static double pace(const behind *b, const gpt_pass *pass) {
    const gpt *m = b->o->m;
    double C = m->shape.n_embd, rows = ceil((double)pass->B * pass->T / m->k->mr), columns = 12 * C / m->k->nr;
    return 1.05 * (double)b->n_chunks * CHUNK / (rows * columns * C * m->shape.n_layer);
}

void behind_wanted(behind *b, const gpt_pass *pass, int part) {
    gpt *m = b->o->m;
    if (!b->pending) return;
    if (part < 0) {
        update_rows(b, pass);
        b->numbers_a_step = pace(b, pass);
        gemm_beside(m->team, before_tile, b);
    } else if (part < m->shape.n_layer)
        catch_up(b, b->until[part]);
    else
        behind_finish(b);
}

void behind_update(behind *b, const optim_step *step) {
    optimizer *o = b->o;
    behind_finish(b);
    b->rates = optimizer_rates(o, step);
    for (size_t i = 0; i < o->share.n_spans; i++)
        if (o->share.spans[i].tensor >= 0) optimizer_update_span(o, i, step);
#pragma omp parallel for num_threads(o->m->threads) schedule(dynamic)
    for (size_t i = 0; i < b->n_at_once; i++) {
        const share_piece *piece = &o->share.pieces[b->at_once[i]];
        optimizer_update_piece(o, &b->rates, piece, 0, piece->n);
    }
    memset(b->early, 0, b->n_chunks * sizeof *b->early);
    for (int t = 0; t < o->m->threads; t++) b->workers[t] = (worker){.at = NO_CHUNK};
    atomic_store_explicit(&b->next, 0, memory_order_relaxed);
    b->pending = true;
    o->m->grad_stale = true;
}

void behind_finish(behind *b) {
    if (!b || !b->pending) return;
    gemm_beside(b->o->m->team, NULL, NULL);
    catch_up(b, b->n_chunks);
    b->pending = false;
}

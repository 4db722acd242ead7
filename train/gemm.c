/* gemm.c - matrix products by packed panels (Goto, van de Geijn 2008), shared by one OpenMP team.
 *
 * C is cut into column strips of NC and K into slices of KC. For one slice all threads together pack
 * op(B)'s strip (KC x NC, it lives in the shared cache) and op(A)'s rows (KC x MS), wait for each
 * other, and take tiles of MC x (a part of NC) of their own rows from a counter, then of others' rows: so a
 * thread that the system disturbed does not hold up the others. The panel of A of one tile stays in
 * the second-level cache; the panel of B that the inner loop uses next (KC x NR) is asked for during the one before.
 * Where rows are few (a slice of op(A) fits into the second cache of each thread), nothing of B is shared: a thread packs
 * one panel of NR columns, whose memory was asked for while it multiplied the one before, and multiplies it with all rows.
 * Sizes were measured (docs/experiments/train.md). Cost: 2 M N K operations, packed once. */
#include "train/gemm.h"

#include <omp.h>
#include <stdatomic.h>
#include <math.h>
#include <stdlib.h>

#include "common/memory.h"
#include "train/gemm_blas.h"

/* Below so many products one thread is done before the others have woken. */
#define TOGETHER (128.0 * 128 * 128)
enum { KC = 512, MC = 112, NC = 3072, MS = 2016, ALONE_NC = 3072, PAD = 64, TILES = 80, FEW = 336 * 512 };

/* What a thread has for itself. */
typedef struct {
    atomic_int next;          /* the next tile, or part of a panel, in this thread's share, for it or who helps */
    const gemm_call *coming;  /* few rows: the panel of op(B) at slice p0, column j comes next; NULL: none, or all was asked for */
    int p0, kc, j, asked;     /* asked: of its runs of memory */
    gemm_ahead panel;         /* those that are asked for now */
    int steps;                /* of k since `before_tile` was called */
    char pad[128];
} worker;

struct gemm_team {
    const kernels *k;
    int threads;
    bool blas;                /* the system's BLAS computes */
    float *a, *b;             /* shared panels */
    float *alone;             /* per thread: a panel, then b panel */
    size_t alone_floats, bytes;
    float *memory;
    gemm_ahead *(*before_tile)(void *ctx, int i_thread, int steps);
    void *beside;
    worker *workers;
};

static size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
static int min_int(int a, int b) { return a < b ? a : b; }

gemm_team *gemm_team_new(const kernels *k, int threads, wt_err *err) {
    gemm_team *team = wt_xcalloc(1, sizeof *team);
    size_t a = round_up((size_t)(MS + 2 * k->mr) * KC + PAD, 1024);
    size_t b = round_up((size_t)(NC + 2 * k->nr) * KC + PAD, 1024);
    team->alone_floats = round_up((size_t)(MC + 2 * k->mr + ALONE_NC + 2 * k->nr) * KC + 2 * PAD, 1024);
    team->k = k, team->threads = threads, team->blas = gemm_blas_wanted(k);
    team->bytes = (a + b + (size_t)threads * team->alone_floats) * sizeof(float);
    team->memory = wt_big_alloc(team->bytes, "panels of the matrix products", err);
    if (!team->memory) {
        free(team);
        return NULL;
    }
    team->workers = wt_xcalloc((size_t)threads, sizeof *team->workers);
    team->a = team->memory, team->b = team->memory + a, team->alone = team->memory + a + b;
    return team;
}

void gemm_team_free(gemm_team *team) {
    if (!team) return;
    wt_big_free(team->memory, team->bytes);
    free(team->workers);
    free(team);
}

void gemm_beside(gemm_team *team, gemm_ahead *(*before_tile)(void *ctx, int i_thread, int steps), void *ctx) {
    team->before_tile = before_tile, team->beside = ctx;
}

int gemm_team_threads(const gemm_team *team) { return team->threads; }

/* Where row i, slice p of op(A) starts; where slice p, column j of op(B) starts. */
static const float *a_at(const gemm_call *g, int i, int p) {
    return g->trans_a ? g->A + (size_t)p * g->lda + i : g->A + (size_t)i * g->lda + p;
}
static const float *b_at(const gemm_call *g, int p, int j) {
    return g->trans_b ? g->B + (size_t)j * g->ldb + p : g->B + (size_t)p * g->ldb + j;
}

/* The next runs of memory of the panel that comes: two columns of lines, or rows if B is turned. False: all was asked for. */
static bool ask_for_panel(worker *x, int nr) {
    const gemm_call *g = x->coming;
    if (!g) return false;
    int n = g->trans_b ? min_int(nr, g->N - x->j) : nr * (int)sizeof(float) / AHEAD_LINE, line = AHEAD_LINE / (int)sizeof(float);
    x->panel = (gemm_ahead){.run = 0};
    for (int i = 0; i < AHEAD_RUNS && x->asked < n; i++, x->asked++) {
        x->panel.at[i] = (const char *)(g->trans_b ? b_at(g, x->p0, x->j + x->asked) : b_at(g, x->p0, x->j + x->asked * line));
        x->panel.lines[i] = round_up(g->trans_b ? (size_t)((x->kc + line - 1) / line) : (size_t)x->kc, 4);
        x->panel.step[i] = g->trans_b ? AHEAD_LINE : g->ldb * sizeof(float);
    }
    if (x->asked == n) x->coming = NULL;
    return true;
}

/* What thread t asks memory for during its next tile: its next panel, or what is done beside. */
static gemm_ahead *ahead_of(const gemm_team *team, int t, int kc) {
    worker *x = &team->workers[t];
    x->steps += kc;
    if (gemm_ahead_left(&x->panel) || ask_for_panel(x, team->k->nr)) return &x->panel;
    if (!team->before_tile) return NULL;
    int steps = x->steps;
    x->steps = 0;
    return team->before_tile(team->beside, t, steps);
}

/* The next tiles of thread t ask for a packed panel of op(B). */
static void ask_for_packed(const gemm_team *team, int t, const float *panel, int kc) {
    size_t lines = (size_t)team->k->nr * (size_t)kc * sizeof(float) / AHEAD_LINE / 4 * 4;
    team->workers[t].panel = (gemm_ahead){.at = {(const char *)panel}, .lines = {lines}, .step = {AHEAD_LINE}};
}

/* m x n numbers of C at (i,j) from packed panels; the last slice applies the finish. then: the panel that comes after these,
 * each of which is asked for while the one before is multiplied; NULL: they are not. */
static void tile_block(const gemm_team *team, int t, const gemm_call *g, int kc, const float *a, const float *b, int i,
                       int m, int j, int n, bool accumulate, bool last, const float *then) {
    const kernels *k = team->k;
    bool finish = last && g->finish.op != GEMM_PLAIN;
    for (int jr = 0; jr < n; jr += k->nr) {
        int cols = min_int(k->nr, n - jr);
        float *c = g->C + (size_t)i * g->ldc + j + jr;
        if (then) ask_for_packed(team, t, jr + k->nr < n ? b + (size_t)(jr + k->nr) * kc : then, kc);
        for (int ir = 0; ir < m; ir += k->mr) {
            k->gemm_tile((size_t)kc, a + (size_t)ir * kc, b + (size_t)jr * kc, c + (size_t)ir * g->ldc, g->ldc,
                         min_int(k->mr, m - ir), cols, accumulate, ahead_of(team, t, kc));
        }
        if (finish) k->finish(&g->finish, c, g->ldc, i, j + jr, m, cols);
    }
}

/* Splits n units into parts; part i starts at the returned unit. */
static int part_start(int n, int parts, int i) { return (int)((int64_t)n * i / parts); }

/* One slice of K for MS rows and NC columns, by all threads of the surrounding region. A thread packs its rows of op(A) and
 * computes them, for the caches of two processors may lie far apart; who is done helps the others. */
static void slice_shared(gemm_team *team, const gemm_call *g, int t, int threads, int i0, int ms, int j0,
                         int nc, int p0, int kc, bool pack_b) {
    const kernels *k = team->k;
    int a_panels = (ms + k->mr - 1) / k->mr, b_panels = (nc + k->nr - 1) / k->nr;
    int from = part_start(a_panels, threads, t) * k->mr, to = min_int(ms, part_start(a_panels, threads, t + 1) * k->mr);
    if (to > from) k->pack_a(g->trans_a, a_at(g, i0 + from, p0), g->lda, to - from, kc, team->a + (size_t)from * kc);
    if (pack_b) {
        from = part_start(b_panels, threads, t) * k->nr, to = min_int(nc, part_start(b_panels, threads, t + 1) * k->nr);
        if (to > from) k->pack_b(g->trans_b, b_at(g, p0, j0 + from), g->ldb, kc, to - from, team->b + (size_t)from * kc);
    }
    atomic_store_explicit(&team->workers[t].next, 0, memory_order_relaxed);
#pragma omp barrier
    for (int i = 0; i < threads; i++) {
        int owner = (t + i) % threads, first = part_start(a_panels, threads, owner), cols = 1, tile;
        int panels = part_start(a_panels, threads, owner + 1) - first, rows = (panels + MC / k->mr - 1) / (MC / k->mr);
        /* Tiles of MC rows, cut further until one is a small part of a thread's work, for the last one is waited for. */
        while (rows * cols < TILES && b_panels / (cols + 1) >= 4) cols++;
        while (rows * cols < TILES && rows < panels) rows++;
        while ((tile = atomic_fetch_add_explicit(&team->workers[owner].next, 1, memory_order_relaxed)) < rows * cols) {
            int r = tile / cols, c = tile % cols;
            int ia = (first + part_start(panels, rows, r)) * k->mr, ib = min_int(ms, (first + part_start(panels, rows, r + 1)) * k->mr);
            int ja = part_start(b_panels, cols, c) * k->nr, jb = min_int(nc, part_start(b_panels, cols, c + 1) * k->nr);
            const float *then = team->b + (size_t)(part_start(b_panels, cols, (c + 1) % cols) * k->nr) * kc;
            tile_block(team, t, g, kc, team->a + (size_t)ia * kc, team->b + (size_t)ja * kc, i0 + ia, ib - ia, j0 + ja, jb - ja,
                       p0 > 0 || g->accumulate, p0 + kc == g->K, then);
        }
    }
    team->workers[t].panel = (gemm_ahead){.run = 0};
#pragma omp barrier
}

/* A part of the rows times one panel of op(B), which is packed first if it is not the one at hand. */
static void panel_part(gemm_team *team, const gemm_call *g, int t, int p0, int kc, int panel, int end, int row0, int row1, int *packed) {
    const kernels *k = team->k;
    worker *x = &team->workers[t];
    float *b = team->alone + (size_t)t * team->alone_floats;
    int j = panel * k->nr, cols = min_int(k->nr, g->N - j);
    if (panel != *packed) {
        k->pack_b(g->trans_b, b_at(g, p0, j), g->ldb, kc, cols, b);
        *packed = panel;
        x->panel = (gemm_ahead){.run = 0};
        x->coming = panel + 1 < end ? g : NULL, x->p0 = p0, x->kc = kc, x->j = j + k->nr, x->asked = 0;
    }
    tile_block(team, t, g, kc, team->a + (size_t)row0 * kc, b, row0, row1 - row0, j, cols, p0 > 0 || g->accumulate, p0 + kc == g->K, NULL);
}

/* One slice of K where rows are few. Each thread has its run of panels, in parts of a few rows; who is done helps the others. */
static void slice_by_panels(gemm_team *team, const gemm_call *g, int t, int threads, int p0, int kc) {
    const kernels *k = team->k;
    int a_panels = (g->M + k->mr - 1) / k->mr, b_panels = (g->N + k->nr - 1) / k->nr, parts = (a_panels + 3) / 4, packed = -1;
    int from = part_start(a_panels, threads, t) * k->mr, to = min_int(g->M, part_start(a_panels, threads, t + 1) * k->mr);
    if (to > from) k->pack_a(g->trans_a, a_at(g, from, p0), g->lda, to - from, kc, team->a + (size_t)from * kc);
    atomic_store_explicit(&team->workers[t].next, part_start(b_panels, threads, t) * parts, memory_order_relaxed);
#pragma omp barrier
    for (int i = 0; i < threads; i++) {
        int owner = (t + i) % threads, end = part_start(b_panels, threads, owner + 1), unit;
        while ((unit = atomic_fetch_add_explicit(&team->workers[owner].next, 1, memory_order_relaxed)) < end * parts) {
            int part = unit % parts;
            panel_part(team, g, t, p0, kc, unit / parts, end, part_start(a_panels, parts, part) * k->mr,
                       min_int(g->M, part_start(a_panels, parts, part + 1) * k->mr), &packed);
        }
    }
    team->workers[t].panel = (gemm_ahead){.run = 0}, team->workers[t].coming = NULL;
#pragma omp barrier
}

/* Slices of K of nearly equal depth, all multiples of 8 but the last. */
static int slice_depth(int K) {
    int slices = (K + KC - 1) / KC;
    return min_int(KC, (int)round_up((size_t)((K + slices - 1) / slices), 8));
}

void gemm_run(gemm_team *team, const gemm_call *g) {
    if (g->M <= 0 || g->N <= 0 || g->K <= 0) return;
    if ((team->threads == 1 && !team->blas) || (double)g->M * g->N * g->K < TOGETHER) {
        gemm_run_alone(team, 0, g);
        return;
    }
    if (team->blas) {
        gemm_blas_run(team->k, team->threads, g);
        return;
    }
    int depth = slice_depth(g->K);
    bool by_panels = (double)g->M * depth <= FEW && g->N >= 8 * team->threads * team->k->nr;
#pragma omp parallel num_threads(team->threads)
    {
        int t = omp_get_thread_num(), threads = omp_get_num_threads();
        if (by_panels)
            for (int p = 0; p < g->K; p += depth) slice_by_panels(team, g, t, threads, p, min_int(depth, g->K - p));
        for (int j = 0; !by_panels && j < g->N; j += NC)
            for (int p = 0; p < g->K; p += depth)
                for (int i = 0; i < g->M; i += MS)
                    slice_shared(team, g, t, threads, i, min_int(MS, g->M - i), j, min_int(NC, g->N - j), p,
                                 min_int(depth, g->K - p), i == 0);
    }
}

void gemm_run_alone(gemm_team *team, int i_thread, const gemm_call *g) {
    const kernels *k = team->k;
    float *a = team->alone + (size_t)i_thread * team->alone_floats;
    float *b = a + round_up((size_t)(MC + 2 * k->mr) * KC + PAD, 16);
    int depth = slice_depth(g->K), mc = MC / k->mr * k->mr;
    for (int j = 0; j < g->N; j += ALONE_NC)
        for (int p = 0; p < g->K; p += depth) {
            int nc = min_int(ALONE_NC, g->N - j), kc = min_int(depth, g->K - p);
            k->pack_b(g->trans_b, b_at(g, p, j), g->ldb, kc, nc, b);
            for (int i = 0; i < g->M; i += mc) {
                int m = min_int(mc, g->M - i);
                k->pack_a(g->trans_a, a_at(g, i, p), g->lda, m, kc, a);
                tile_block(team, i_thread, g, kc, a, b, i, m, j, nc, p > 0 || g->accumulate, p + kc == g->K, b);
            }
        }
}

/* ---- the plain loops ---- */
static double gelu_ref(double x) { return 0.5 * x * (1 + tanh(0.7978845608028654 * (x + 0.044715 * x * x * x))); }
static double gelu_grad_ref(double x) {
    double t = tanh(0.7978845608028654 * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * 0.7978845608028654 * (1 + 3 * 0.044715 * x * x);
}

void gemm_ref(const gemm_call *g) {
    const gemm_epilogue *e = &g->finish;
    for (int i = 0; i < g->M; i++)
        for (int j = 0; j < g->N; j++) {
            float *c = g->C + (size_t)i * g->ldc + j;
            double sum = g->accumulate ? *c : 0;
            for (int p = 0; p < g->K; p++)
                sum += (double)a_at(g, i, p)[0] * (double)b_at(g, p, j)[0];
            float *aux = e->aux ? e->aux + (size_t)i * e->ld_aux + j : NULL;
            if (e->bias) sum += e->bias[j];
            if (e->op == GEMM_BIAS_ADD) sum += *aux;
            if (e->op == GEMM_BIAS_GELU) *aux = (float)gelu_ref(sum);
            if (e->op == GEMM_GELU_GRAD) {
                sum *= gelu_grad_ref(*aux);
                *aux = (float)gelu_ref(*aux);
            }
            *c = (float)sum;
        }
}

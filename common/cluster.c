/* cluster.c - MPI, or the trivial group of one. Counts above 2^31 are sent in pieces.
 *
 * MPI moves bytes only while somebody is inside of it. So that work goes on while the main thread computes, a thread
 * asks for its state every quarter of a millisecond as long as there is some; a lock lets one thread at a time into
 * MPI (MPI_THREAD_SERIALIZED). Where the library does not offer that, work moves in wt_cluster_done and _finish. */
#include "common/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/str.h"
#include "common/tool.h"

#ifdef WT_MPI
#include <mpi.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum { PIECE = 64 << 20 };      /* elements at a time */

static bool started, may_share;           /* may_share: other threads may call MPI, one at a time */
static uint64_t sent_bytes;
static int here = 1;
static pthread_mutex_t inside = PTHREAD_MUTEX_INITIALIZER;
static void enter(void) { pthread_mutex_lock(&inside); }
static void leave(void) { pthread_mutex_unlock(&inside); }

void wt_cluster_init(int *argc, char ***argv) {
    /* Without a launcher a tool is one rank of one and MPI need not wake up. */
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_RANK") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK")) return;
    int level;
    MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &level);
    started = true, may_share = level >= MPI_THREAD_SERIALIZED;
    MPI_Comm machine;
    if (MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine) != MPI_SUCCESS) return;
    MPI_Comm_size(machine, &here);
    MPI_Comm_free(&machine);
}
static void helper_end(void);
void wt_cluster_end(void) {
    if (!started) return;
    helper_end();
    MPI_Finalize();
    started = false;
}
uint64_t wt_cluster_sent_bytes(void) { return sent_bytes; }
void wt_cluster_abort(int exit_code) {
    if (started) MPI_Abort(MPI_COMM_WORLD, exit_code);
    exit(exit_code);
}
int wt_cluster_rank(void) {
    int r = 0;
    if (started) MPI_Comm_rank(MPI_COMM_WORLD, &r);
    return r;
}
int wt_cluster_size(void) {
    int n = 1;
    if (started) MPI_Comm_size(MPI_COMM_WORLD, &n);
    return n;
}
int wt_cluster_here(void) { return here; }
void wt_cluster_barrier(void) {
    if (!started) return;
    enter();
    MPI_Barrier(MPI_COMM_WORLD);
    leave();
}

static void reduce(void *x, size_t n, size_t width, MPI_Datatype type, MPI_Op op) {
    enter();
    for (size_t at = 0; started && at < n; at += PIECE) {
        int count = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Allreduce(MPI_IN_PLACE, (char *)x + at * width, count, type, op, MPI_COMM_WORLD);
        sent_bytes += (uint64_t)count * width;
    }
    leave();
}
void wt_cluster_sum_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_SUM); }
void wt_cluster_max_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_MAX); }
void wt_cluster_or_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_BOR); }

void wt_cluster_broadcast(void *bytes, size_t n, int root) {
    enter();
    for (size_t at = 0; started && at < n; at += PIECE)
        MPI_Bcast((char *)bytes + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_BYTE, root, MPI_COMM_WORLD);
    if (started && wt_cluster_rank() == root) sent_bytes += n * (uint64_t)(wt_cluster_size() - 1);
    leave();
}

void wt_cluster_exchange(void *const *parts, const size_t *send, void **out, size_t *counts) {
    int size = wt_cluster_size(), me = wt_cluster_rank();
    if (!started) {
        counts[0] = send[0];
        *out = wt_xmalloc(send[0]);
        if (send[0]) memcpy(*out, parts[0], send[0]);
        return;
    }
    uint64_t *sizes = wt_xcalloc(2 * (size_t)size, sizeof *sizes);
    for (int r = 0; r < size; r++) sizes[r] = send[r], sent_bytes += r == me ? 0 : send[r];
    enter();
    MPI_Alltoall(sizes, 1, MPI_UINT64_T, sizes + size, 1, MPI_UINT64_T, MPI_COMM_WORLD);
    size_t total = 0;
    for (int r = 0; r < size; r++) counts[r] = sizes[size + r], total += counts[r];
    char *all = wt_xmalloc(total), *at = all;
    MPI_Request *request = NULL;
    size_t n = 0, cap = 0;
    for (int r = 0; r < size; at += counts[r++]) {
        if (r == me) {
            if (send[r]) memcpy(at, parts[r], send[r]);
            continue;
        }
        for (size_t i = 0; i < counts[r]; i += PIECE) {
            WT_GROW(request, cap, n + 1);
            MPI_Irecv(at + i, (int)(counts[r] - i < PIECE ? counts[r] - i : PIECE), MPI_BYTE, r, 0, MPI_COMM_WORLD, &request[n++]);
        }
        for (size_t i = 0; i < send[r]; i += PIECE) {
            WT_GROW(request, cap, n + 1);
            MPI_Isend((char *)parts[r] + i, (int)(send[r] - i < PIECE ? send[r] - i : PIECE), MPI_BYTE, r, 0, MPI_COMM_WORLD, &request[n++]);
        }
    }
    MPI_Waitall((int)n, request, MPI_STATUSES_IGNORE);
    leave();
    free(request), free(sizes);
    *out = all;
}

bool wt_cluster_any(bool flag) {
    int x = flag;
    if (!started) return flag;
    enter();
    MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    leave();
    return x != 0;
}

void wt_cluster_move(void *bytes, size_t n, int from, int to) {
    int me = wt_cluster_rank();
    if (!started || from == to || (me != from && me != to)) return;
    enter();
    for (size_t at = 0; at < n; at += PIECE) {
        int count = (int)(n - at < PIECE ? n - at : PIECE);
        if (me == from) MPI_Send((char *)bytes + at, count, MPI_BYTE, to, 1, MPI_COMM_WORLD);
        else MPI_Recv((char *)bytes + at, count, MPI_BYTE, from, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    }
    if (me == from) sent_bytes += n;
    leave();
}

/* ---- work that travels ---- */
struct wt_cluster_work {
    MPI_Request *request;
    size_t n, cap;
    float *x, *parts;             /* sums: the others' parts of the own slice, in rank order */
    size_t own_begin, own_n;
    bool done;
    wt_cluster_work *next;
};

static struct {
    pthread_t thread;
    bool running, end;
    pthread_cond_t wake;
    wt_cluster_work *first;       /* all that is under way, in order */
} helper = {.wake = PTHREAD_COND_INITIALIZER};

/* Inside the lock. True where all is done. */
static bool helper_look(void) {
    bool all = true;
    for (wt_cluster_work *w = helper.first; w; w = w->next) {
        int flag = 1;
        if (!w->done) MPI_Testall((int)w->n, w->request, &flag, MPI_STATUSES_IGNORE);
        w->done = flag;
        all &= w->done;
    }
    return all;
}

static void *helper_run(void *unused) {
    enter();
    while (!helper.end) {
        if (helper_look()) {
            pthread_cond_wait(&helper.wake, &inside);
            continue;
        }
        leave();
        nanosleep(&(struct timespec){.tv_nsec = 250000}, NULL);
        enter();
    }
    leave();
    return NULL;
}

static void helper_start(void) {
    if (helper.running || !may_share) return;
    sigset_t all, old;            /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    helper.running = pthread_create(&helper.thread, NULL, helper_run, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void helper_end(void) {
    if (!helper.running) return;
    enter();
    helper.end = true;
    pthread_cond_signal(&helper.wake);
    leave();
    pthread_join(helper.thread, NULL);
    helper.running = false;
}

/* Inside the lock. Messages between two ranks keep their order, so all works share one tag. */
static void work_send(wt_cluster_work *w, float *x, size_t n, int to) {
    for (size_t at = 0; at < n; at += PIECE) {
        WT_GROW(w->request, w->cap, w->n + 1);
        MPI_Isend(x + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, to, 2, MPI_COMM_WORLD, &w->request[w->n++]);
    }
    sent_bytes += n * sizeof *x;
}
static void work_receive(wt_cluster_work *w, float *x, size_t n, int from) {
    for (size_t at = 0; at < n; at += PIECE) {
        WT_GROW(w->request, w->cap, w->n + 1);
        MPI_Irecv(x + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_FLOAT, from, 2, MPI_COMM_WORLD, &w->request[w->n++]);
    }
}

static void work_begin(wt_cluster_work *w) {
    helper_start();
    wt_cluster_work **end = &helper.first;
    while (*end) end = &(*end)->next;
    *end = w;
    if (helper.running) pthread_cond_signal(&helper.wake);
}

wt_cluster_work *wt_cluster_sum_start(float *x, const size_t *cuts) {
    int size = wt_cluster_size(), me = wt_cluster_rank();
    if (size == 1) return NULL;
    wt_cluster_work *w = wt_xcalloc(1, sizeof *w);
    w->x = x, w->own_begin = cuts[me], w->own_n = cuts[me + 1] - cuts[me];
    w->parts = wt_xmalloc(((size_t)(size - 1) * w->own_n + 1) * sizeof *w->parts);
    enter();
    for (int i = 1; i < size; i++) { /* each begins with the rank behind it, so that no one is everybody's first */
        int from = (me + size - i) % size, to = (me + i) % size;
        work_receive(w, w->parts + (size_t)(from - (from > me)) * w->own_n, w->own_n, from);
        work_send(w, x + cuts[to], cuts[to + 1] - cuts[to], to);
    }
    work_begin(w);
    leave();
    return w;
}

wt_cluster_work *wt_cluster_gather_start(float *x, const size_t *cuts) {
    int size = wt_cluster_size(), me = wt_cluster_rank();
    if (size == 1) return NULL;
    wt_cluster_work *w = wt_xcalloc(1, sizeof *w);
    enter();
    for (int i = 1; i < size; i++) {
        int from = (me + size - i) % size, to = (me + i) % size;
        work_receive(w, x + cuts[from], cuts[from + 1] - cuts[from], from);
        work_send(w, x + cuts[me], cuts[me + 1] - cuts[me], to);
    }
    work_begin(w);
    leave();
    return w;
}

bool wt_cluster_done(wt_cluster_work *w) {
    if (!w) return true;
    enter();
    if (!helper.running) helper_look();
    bool done = w->done;
    leave();
    return done;
}

size_t wt_cluster_work_bytes(const wt_cluster_work *w) { return w && w->parts ? (size_t)(wt_cluster_size() - 1) * w->own_n * sizeof(float) : 0; }

static void add_parts(const wt_cluster_work *w, int threads) {
    enum { STRIP = 1 << 14 };
    int size = wt_cluster_size(), me = wt_cluster_rank();
    float *own = w->x + w->own_begin;
#pragma omp parallel for num_threads(threads) schedule(static) if (w->own_n > 4 * STRIP)
    for (size_t at = 0; at < w->own_n; at += STRIP) {
        float sum[STRIP];
        size_t n = w->own_n - at < STRIP ? w->own_n - at : STRIP;
        for (int r = 0; r < size; r++) {
            const float *part = r == me ? own + at : w->parts + (size_t)(r - (r > me)) * w->own_n + at;
            if (r == 0) memcpy(sum, part, n * sizeof *sum);
            else
                for (size_t i = 0; i < n; i++) sum[i] += part[i];
        }
        memcpy(own + at, sum, n * sizeof *sum);
    }
}

void wt_cluster_finish(wt_cluster_work *w, int threads) {
    if (!w) return;
    enter();
    if (!w->done) MPI_Waitall((int)w->n, w->request, MPI_STATUSES_IGNORE);
    wt_cluster_work **at = &helper.first;
    while (*at != w) at = &(*at)->next;
    *at = w->next;
    leave();
    if (w->parts) add_parts(w, threads > 0 ? threads : 1);
    free(w->request), free(w->parts), free(w);
}

#else /* one machine */

void wt_cluster_init(int *argc, char ***argv) { (void)argc, (void)argv; }
void wt_cluster_end(void) {}
void wt_cluster_abort(int exit_code) { exit(exit_code); }
int wt_cluster_rank(void) { return 0; }
int wt_cluster_size(void) { return 1; }
int wt_cluster_here(void) { return 1; }
void wt_cluster_barrier(void) {}
void wt_cluster_sum_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_max_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_or_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_broadcast(void *bytes, size_t n, int root) { (void)bytes, (void)n, (void)root; }
void wt_cluster_exchange(void *const *parts, const size_t *send, void **out, size_t *counts) {
    counts[0] = send[0];
    *out = wt_xmalloc(send[0]);
    if (send[0]) memcpy(*out, parts[0], send[0]);
}
bool wt_cluster_any(bool flag) { return flag; }
void wt_cluster_move(void *bytes, size_t n, int from, int to) { (void)bytes, (void)n, (void)from, (void)to; }
uint64_t wt_cluster_sent_bytes(void) { return 0; }
wt_cluster_work *wt_cluster_sum_start(float *x, const size_t *cuts) { (void)x, (void)cuts; return NULL; }
wt_cluster_work *wt_cluster_gather_start(float *x, const size_t *cuts) { (void)x, (void)cuts; return NULL; }
bool wt_cluster_done(wt_cluster_work *work) { (void)work; return true; }
size_t wt_cluster_work_bytes(const wt_cluster_work *work) { (void)work; return 0; }
void wt_cluster_finish(wt_cluster_work *work, int threads) { (void)work, (void)threads; }

#endif

void wt_cluster_tell(const void *own, size_t n, void **out, size_t *counts) {
    size_t size = (size_t)wt_cluster_size(), *send = wt_xcalloc(size, sizeof *send);
    void **part = wt_xcalloc(size, sizeof *part);
    for (size_t r = 0; r < size; r++) part[r] = (void *)own, send[r] = r == (size_t)wt_cluster_rank() ? 0 : n;
    wt_cluster_exchange(part, send, out, counts);
    free(part), free(send);
}

/* Every rank gets every number and adds them in the same order. */
double wt_cluster_sum_f64(double x) {
    int size = wt_cluster_size(), rank = wt_cluster_rank();
    if (size == 1) return x;
    void *all;
    size_t *counts = wt_xcalloc((size_t)size, sizeof *counts);
    wt_cluster_tell(&x, sizeof x, &all, counts);
    const double *other = all;
    double sum = 0;
    for (int r = 0; r < size; r++) sum += r == rank ? x : *other++;
    free(all), free(counts);
    return sum;
}

int wt_cluster_agree(int result, wt_err *err) {
    uint64_t size = (uint64_t)wt_cluster_size(), rank = (uint64_t)wt_cluster_rank(), first;
    uint64_t code = result == 0 ? 0 : err && err->code ? err->code : WT_EIO;
    wt_err told = {0};
    first = code ? size - rank : 0;                   /* the larger, the earlier the rank */
    wt_cluster_max_u64(&first, 1);
    if (first == 0 || size == 1) return result;
    if (code && err) told = *err;
    wt_cluster_broadcast(&told, sizeof told, (int)(size - first));
    if (size - first == rank) return result;
    if (told.code == WT_ESTOP) return result ? result : wt_stop_error(err);
    return wt_fail(err, told.code ? told.code : WT_EIO, "%s", told.text[0] ? told.text : "another rank failed");
}

/* cluster.c - MPI, or the trivial group of one. Counts above 2^31 are sent in pieces. */
#include "common/cluster.h"

#include <stdlib.h>
#include <string.h>

#include "common/str.h"

#ifdef WT_MPI
#include <mpi.h>

enum { PIECE = 64 << 20 };      /* elements at a time */

static bool started;

void wt_cluster_init(int *argc, char ***argv) {
    /* Without a launcher a tool is one rank of one and MPI need not wake up. */
    if (!getenv("OMPI_COMM_WORLD_SIZE") && !getenv("PMI_RANK") && !getenv("PMI_SIZE") && !getenv("PMIX_RANK")) return;
    int level;
    MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &level);
    started = true;
}
void wt_cluster_end(void) {
    if (started) MPI_Finalize();
    started = false;
}
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
void wt_cluster_barrier(void) {
    if (started) MPI_Barrier(MPI_COMM_WORLD);
}

static void reduce(void *x, size_t n, size_t width, MPI_Datatype type, MPI_Op op) {
    for (size_t at = 0; started && at < n; at += PIECE) {
        int count = (int)(n - at < PIECE ? n - at : PIECE);
        MPI_Allreduce(MPI_IN_PLACE, (char *)x + at * width, count, type, op, MPI_COMM_WORLD);
    }
}
void wt_cluster_sum_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_SUM); }
void wt_cluster_max_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_MAX); }
void wt_cluster_or_u64(uint64_t *x, size_t n) { reduce(x, n, 8, MPI_UINT64_T, MPI_BOR); }

/* Sums of floats in rank order, not in the order a library likes: the same bits on every rank and in
 * every run. Each rank owns a slice, gets all others' parts of it, adds them in rank order and gives
 * the result back; the bytes moved are those of a ring. */
#define ORDERED_SUM(NAME, T)                                                                   \
    void NAME(T *x, size_t n) {                                                                \
        int size = wt_cluster_size();                                                          \
        if (size == 1) return;                                                                 \
        void **part = wt_xcalloc((size_t)size, sizeof *part);                                  \
        size_t *send = wt_xcalloc((size_t)size, sizeof *send);                                 \
        size_t *got = wt_xcalloc((size_t)size, sizeof *got);                                   \
        for (int r = 0; r < size; r++) {                                                       \
            size_t begin = n * (size_t)r / (size_t)size, end = n * (size_t)(r + 1) / (size_t)size; \
            part[r] = x + begin, send[r] = (end - begin) * sizeof *x;                          \
        }                                                                                      \
        void *all;                                                                             \
        wt_cluster_exchange(part, send, &all, got);                                            \
        int me = wt_cluster_rank();                                                            \
        size_t mine = send[me] / sizeof *x;                                                    \
        T *sum = part[me], *from = all;                                                        \
        for (size_t i = 0; i < mine; i++) {                                                    \
            T s = from[i];                                                                     \
            for (int r = 1; r < size; r++) s += from[(size_t)r * mine + i];                    \
            sum[i] = s;                                                                        \
        }                                                                                      \
        free(all);                                                                             \
        for (int r = 0; r < size; r++) wt_cluster_broadcast(part[r], send[r], r);              \
        free(part), free(send), free(got);                                                     \
    }
ORDERED_SUM(wt_cluster_sum_f32, float)
ORDERED_SUM(wt_cluster_sum_f64, double)

void wt_cluster_broadcast(void *bytes, size_t n, int root) {
    for (size_t at = 0; started && at < n; at += PIECE)
        MPI_Bcast((char *)bytes + at, (int)(n - at < PIECE ? n - at : PIECE), MPI_BYTE, root, MPI_COMM_WORLD);
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
    for (int r = 0; r < size; r++) sizes[r] = send[r];
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
    free(request), free(sizes);
    *out = all;
}

bool wt_cluster_any(bool flag) {
    int x = flag;
    if (started) MPI_Allreduce(MPI_IN_PLACE, &x, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    return x != 0;
}

#else /* one machine */

void wt_cluster_init(int *argc, char ***argv) { (void)argc, (void)argv; }
void wt_cluster_end(void) {}
void wt_cluster_abort(int exit_code) { exit(exit_code); }
int wt_cluster_rank(void) { return 0; }
int wt_cluster_size(void) { return 1; }
void wt_cluster_barrier(void) {}
void wt_cluster_sum_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_sum_f32(float *x, size_t n) { (void)x, (void)n; }
void wt_cluster_sum_f64(double *x, size_t n) { (void)x, (void)n; }
void wt_cluster_max_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_or_u64(uint64_t *x, size_t n) { (void)x, (void)n; }
void wt_cluster_broadcast(void *bytes, size_t n, int root) { (void)bytes, (void)n, (void)root; }
void wt_cluster_exchange(void *const *parts, const size_t *send, void **out, size_t *counts) {
    counts[0] = send[0];
    *out = wt_xmalloc(send[0]);
    if (send[0]) memcpy(*out, parts[0], send[0]);
}
bool wt_cluster_any(bool flag) { return flag; }

#endif

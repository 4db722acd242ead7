/* rounds.c - the turns: of n cuts a rank takes n / ranks behind each other, and reads the next batch when it has worked on
 * the one before. Behind them all tell each other how many batches they found, as lines may reach over cuts. Results travel once a round, joined to one message a pair of ranks. */
#include "dedup/rounds.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/tool.h"
#include "dedup/keyset.h"

struct rounds {
    rounds_config config;
    int size, rank;
    size_t n, n_slots;          /* batches of all ranks */
    size_t begin, n_mine;       /* mine: item[begin ..], n_mine */
    size_t end;                 /* my cuts end here */
    void **item;
    pthread_mutex_t lock;
    bool gone, none_left;       /* this rank is at its cuts; has passed them */
    bool failed;
    wt_err first_error;
};

rounds *rounds_new(const rounds_config *config) {
    rounds *x = wt_xcalloc(1, sizeof *x);
    uint64_t turns = (uint64_t)(2 * config->threads > config->turns ? 2 * config->threads : config->turns);
    wt_cluster_max_u64(&turns, 1);                    /* the same on all ranks, whatever cores they have */
    x->config = *config;
    if (x->config.threads < 1) x->config.threads = 1;
    pthread_mutex_init(&x->lock, NULL);
    x->size = wt_cluster_size(), x->rank = wt_cluster_rank();
    x->n_slots = (size_t)turns * (size_t)x->size;
    x->item = wt_xcalloc(x->n_slots, sizeof *x->item);
    for (size_t i = 0; i < x->n_slots; i++) x->item[i] = config->item_new(config->ctx);
    return x;
}

void rounds_free(rounds *x) {
    if (!x) return;
    for (size_t i = 0; i < x->n_slots; i++) x->config.item_free(x->config.ctx, x->item[i]);
    pthread_mutex_destroy(&x->lock);
    free(x->item);
    free(x);
}

size_t rounds_size(const rounds *x) { return x->n; }
void *rounds_item(const rounds *x, size_t i) { return x->item[i]; }
bool rounds_is_mine(const rounds *x, size_t i) { return i >= x->begin && i < x->begin + x->n_mine; }

static void fails(rounds *x, const wt_err *err) {
    if (!x->failed) x->first_error = *err;
    x->failed = true;
}

/* My next batch, read under the lock; false: there is none. */
static bool take(rounds *x, void **item) {
    wt_err err = {0};
    if (x->failed || x->none_left || x->begin + x->n_mine == x->end) return false;
    *item = x->item[x->begin + x->n_mine];
    int got = x->gone ? 0 : x->config.go(x->config.ctx, x->begin, x->end, &err);
    x->gone = true;
    if (got == 0) got = x->config.read(x->config.ctx, *item, &err);
    if (got < 0) fails(x, &err);
    x->none_left = got == 0;
    x->n_mine += got > 0;
    return got > 0;
}

/* A batch is worked on by who read it, from its own cache. */
static void work_turns(void *ctx, int i_thread) {
    rounds *x = ctx;
    void *item;
    for (bool got = true; got;) {
        wt_err err = {0};
        pthread_mutex_lock(&x->lock);
        got = take(x, &item);
        pthread_mutex_unlock(&x->lock);
        if (!got || x->config.work(x->config.ctx, item, i_thread, &err) == 0) continue;
        pthread_mutex_lock(&x->lock);
        fails(x, &err);
        pthread_mutex_unlock(&x->lock);
    }
}

/* Rank r has cuts from this one on. */
static size_t first_cut(const rounds *x, size_t cuts, int r) { return (cuts * (size_t)r + (size_t)x->size - 1) / (size_t)x->size; }

/* My batches go behind those of the ranks before, which may have found fewer than they had cuts. */
static void close_ranks(rounds *x) {
    uint64_t *n = wt_xcalloc((size_t)x->size, sizeof *n);
    size_t from = x->begin;
    n[x->rank] = x->n_mine;
    wt_cluster_sum_u64(n, (size_t)x->size);
    x->n = x->begin = 0;
    for (int r = 0; r < x->size; r++) x->begin += r < x->rank ? n[r] : 0, x->n += n[r];
    for (size_t i = 0; i < x->n_mine; i++) {
        void *mine = x->item[from + i];
        x->item[from + i] = x->item[x->begin + i];
        x->item[x->begin + i] = mine;
    }
    free(n);
}

int rounds_next(rounds *x, wt_err *err) {
    if (wt_cluster_any(wt_stop_requested())) return wt_stop_error(err);
    uint64_t ahead = x->config.ahead(x->config.ctx);
    size_t cuts = ahead < x->n_slots ? (size_t)ahead : x->n_slots;
    x->begin = first_cut(x, cuts, x->rank), x->end = first_cut(x, cuts, x->rank + 1);
    x->n_mine = 0;
    x->gone = x->none_left = false;
    parallel_tasks(x->config.threads, x->config.threads, work_turns, x);
    if (x->failed && err) *err = x->first_error;
    if (wt_cluster_agree(x->failed ? -1 : 0, err)) return -1;
    close_ranks(x);
    return x->n > 0;
}

static int meet(const rounds *x, wt_err *err) {
    for (size_t i = 0; i < x->n; i++)
        if (x->config.meet(x->config.ctx, x->item[i], err)) return -1;
    return 0;
}

int rounds_share(rounds *x, void (*pack)(void *, const void *, wt_buf *), void (*unpack)(void *, void *, wt_str *), wt_err *err) {
    if (x->size == 1) return meet(x, err);
    size_t size = (size_t)x->size;
    wt_buf own = {0};
    for (size_t i = 0; i < x->n; i++)
        if (rounds_is_mine(x, i)) pack(x->config.ctx, x->item[i], &own);
    void *all;
    size_t *got = wt_xcalloc(size, sizeof *got);
    wt_cluster_tell(own.ptr, own.len, &all, got);
    wt_str bytes = {all, 0};                          /* in the order of ranks, which is that of batches */
    for (size_t r = 0; r < size; r++) bytes.len += got[r];
    for (size_t i = 0; i < x->n; i++)
        if (!rounds_is_mine(x, i)) unpack(x->config.ctx, x->item[i], &bytes);
    free(all), free(got);
    wt_buf_free(&own);
    return meet(x, err);
}

void pack_bytes(wt_buf *bytes, const void *from, size_t n) {
    wt_buf_add(bytes, &n, sizeof n);
    if (n) wt_buf_add(bytes, from, n);
}

wt_str unpack_bytes(wt_str *bytes) {
    size_t n;
    memcpy(&n, bytes->ptr, sizeof n);
    wt_str here = {bytes->ptr + sizeof n, n};
    bytes->ptr += sizeof n + n, bytes->len -= sizeof n + n;
    return here;
}

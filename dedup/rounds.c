/* rounds.c - the turns: of n batches a rank takes n / ranks behind each other, and reads the next one when it has worked on
 * the one before. Results travel once a round, joined to one message a pair of ranks. */
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
    size_t n, n_slots;
    size_t n_dealt;             /* batches the round was thought to have; n where the input did not end before */
    void **item;
    pthread_mutex_t lock;
    bool full, end_of_input;    /* no more batches in this round; in any */
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
static size_t owner(const rounds *x, size_t i) { return i * (size_t)x->size / x->n_dealt; }
bool rounds_is_mine(const rounds *x, size_t i) { return owner(x, i) == (size_t)x->rank; }

static void fails(rounds *x, const wt_err *err) {
    if (!x->failed) x->first_error = *err;
    x->failed = true;
}

/* The next batch, read under the lock: 1 it is mine, 0 it is not, -1 there is none. */
static int take(rounds *x, void **item) {
    wt_err err = {0};
    bool last = false;
    if (x->failed || x->full || x->end_of_input || x->n == x->n_dealt) return -1;
    bool mine = rounds_is_mine(x, x->n);
    *item = x->item[x->n];
    int got = x->config.read(x->config.ctx, *item, mine, &last, &err);
    if (got < 0) fails(x, &err);
    x->end_of_input = got == 0;
    x->full = last;
    x->n += got > 0;
    return got > 0 ? mine : -1;
}

/* A batch is worked on by who read it, from its own cache. */
static void work_turns(void *ctx, int i_thread) {
    rounds *x = ctx;
    void *item;
    for (int mine = 0; mine >= 0;) {
        wt_err err = {0};
        pthread_mutex_lock(&x->lock);
        mine = take(x, &item);
        pthread_mutex_unlock(&x->lock);
        if (mine <= 0 || x->config.work(x->config.ctx, item, i_thread, &err) == 0) continue;
        pthread_mutex_lock(&x->lock);
        fails(x, &err);
        pthread_mutex_unlock(&x->lock);
    }
}

int rounds_next(rounds *x, wt_err *err) {
    if (wt_cluster_any(wt_stop_requested())) return wt_stop_error(err);
    uint64_t ahead = x->config.ahead(x->config.ctx);
    x->n_dealt = ahead < x->n_slots ? (size_t)ahead : x->n_slots;
    x->n = 0;
    x->full = false;
    parallel_tasks(x->config.threads, x->config.threads, work_turns, x);
    if (x->failed && err) *err = x->first_error;
    return wt_cluster_agree(x->failed ? -1 : 0, err) ? -1 : x->n > 0;
}

void rounds_share(rounds *x, void (*pack)(void *, const void *, wt_buf *), void (*unpack)(void *, void *, wt_str *)) {
    if (x->size == 1) return;
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

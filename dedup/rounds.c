/* rounds.c - the turns: batch i of a round is worked on by rank i % ranks, so any cut of a round is fair to one batch.
 * Results travel once a round, joined to one message a pair of ranks. */
#include "dedup/rounds.h"

#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/tool.h"
#include "dedup/keyset.h"

enum { TURNS = 6 };             /* batches of a rank in a round, or two a thread */

struct rounds {
    rounds_config config;
    int size, rank;
    size_t n, n_slots;
    void **item;
    bool end_of_input;
    bool failed;                /* any turn of mine */
    wt_err first_error;
};

rounds *rounds_new(const rounds_config *config) {
    rounds *x = wt_xcalloc(1, sizeof *x);
    uint64_t turns = config->threads > TURNS / 2 ? 2 * (uint64_t)config->threads : TURNS;
    wt_cluster_max_u64(&turns, 1);                    /* the same on all ranks, whatever cores they have */
    x->config = *config;
    x->size = wt_cluster_size(), x->rank = wt_cluster_rank();
    x->n_slots = (size_t)turns * (size_t)x->size;
    x->item = wt_xcalloc(x->n_slots, sizeof *x->item);
    for (size_t i = 0; i < x->n_slots; i++) x->item[i] = config->item_new(config->ctx);
    return x;
}

void rounds_free(rounds *x) {
    if (!x) return;
    for (size_t i = 0; i < x->n_slots; i++) x->config.item_free(x->config.ctx, x->item[i]);
    free(x->item);
    free(x);
}

size_t rounds_size(const rounds *x) { return x->n; }
void *rounds_item(const rounds *x, size_t i) { return x->item[i]; }
bool rounds_is_mine(const rounds *x, size_t i) { return i % (size_t)x->size == (size_t)x->rank; }

static void work_turn(void *ctx, int turn) {
    rounds *x = ctx;
    wt_err err = {0};
    if (x->config.work(x->config.ctx, x->item[turn * x->size + x->rank], 0, &err) &&
        !__atomic_exchange_n(&x->failed, true, __ATOMIC_RELAXED)) x->first_error = err;
}

static int work_turns(rounds *x, wt_err *err) {
    int turns = ((int)x->n + x->size - 1 - x->rank) / x->size;
    parallel_tasks(x->config.threads, turns, work_turn, x);
    if (x->failed && err) *err = x->first_error;
    return x->failed ? -1 : 0;
}

int rounds_next(rounds *x, wt_err *err) {
    int got = 1;
    bool last = false;
    if (wt_cluster_any(wt_stop_requested())) return wt_stop_error(err);
    for (x->n = 0; x->n < x->n_slots && !last && !x->end_of_input; x->n++) {
        got = x->config.read(x->config.ctx, x->item[x->n], rounds_is_mine(x, x->n), &last, err);
        if (got <= 0) break;
    }
    x->end_of_input |= got == 0;
    if (wt_cluster_agree(got < 0 ? -1 : work_turns(x, err), err)) return -1;
    return x->n > 0;
}

void rounds_share(rounds *x, void (*pack)(void *, const void *, wt_buf *), void (*unpack)(void *, void *, wt_str *)) {
    if (x->size == 1) return;
    size_t size = (size_t)x->size;
    wt_buf own = {0};
    for (size_t i = (size_t)x->rank; i < x->n; i += size) pack(x->config.ctx, x->item[i], &own);
    void **part = wt_xcalloc(size, sizeof *part), *all;
    size_t *send = wt_xcalloc(2 * size, sizeof *send), *got = send + size;
    for (size_t r = 0; r < size; r++) part[r] = own.ptr, send[r] = r == (size_t)x->rank ? 0 : own.len;
    wt_cluster_exchange(part, send, &all, got);
    wt_str bytes = {all, 0};
    for (size_t r = 0; r < size; r++) {
        bytes.len = got[r];
        for (size_t i = r; i < x->n && r != (size_t)x->rank; i += size) unpack(x->config.ctx, x->item[i], &bytes);
    }
    free(all), free(part), free(send);
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

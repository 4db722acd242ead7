/* pipeline.c - a ring of slots between one reader, many workers and one writer.
 * Slot i % n_slots carries item i. The caller's thread reads; each worker takes the next item that
 * is filled; a writer thread takes finished items strictly in order and gives the slot back. One lock
 * guards the counters: items are blocks of documents, so it is taken a few thousand times a second. */
#include "common/pipeline.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "common/memory.h"
#include "common/str.h"
#include "common/tool.h"

typedef enum { EMPTY, FILLED, WORKING, FINISHED } slot_state;

typedef struct {
    const wt_pipeline *p;
    void **item;
    slot_state *state;
    int n_slots;
    uint64_t n_read, n_taken, n_written;    /* items that passed each station */
    bool end_of_input, failed;
    wt_err first_error;
    pthread_mutex_t lock;
    pthread_cond_t readable, workable, writable;
} ring;

typedef struct {
    ring *r;
    int i_thread;
} worker_arg;

static void fail(ring *r, const wt_err *err) {      /* lock held */
    if (!r->failed) r->first_error = *err;
    r->failed = true;
    pthread_cond_broadcast(&r->readable);
    pthread_cond_broadcast(&r->workable);
    pthread_cond_broadcast(&r->writable);
}

static void *worker(void *argument) {
    worker_arg *a = argument;
    ring *r = a->r;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (!r->failed && r->n_taken == r->n_read && !r->end_of_input)
            pthread_cond_wait(&r->workable, &r->lock);
        if (r->failed || r->n_taken == r->n_read) break;
        int slot = (int)(r->n_taken++ % (uint64_t)r->n_slots);
        r->state[slot] = WORKING;
        pthread_mutex_unlock(&r->lock);
        wt_err err = {0};
        int result = r->p->work(r->p->ctx, r->item[slot], a->i_thread, &err);
        pthread_mutex_lock(&r->lock);
        r->state[slot] = FINISHED;
        if (result) fail(r, &err);
        pthread_cond_signal(&r->writable);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void *writer(void *argument) {
    ring *r = argument;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        int slot = (int)(r->n_written % (uint64_t)r->n_slots);
        bool more = r->n_written < r->n_read;
        if (r->failed || (!more && r->end_of_input)) break;
        if (!more || r->state[slot] != FINISHED) {
            pthread_cond_wait(&r->writable, &r->lock);
            continue;
        }
        pthread_mutex_unlock(&r->lock);
        wt_err err = {0};
        int result = r->p->write ? r->p->write(r->p->ctx, r->item[slot], &err) : 0;
        pthread_mutex_lock(&r->lock);
        r->state[slot] = EMPTY;
        r->n_written++;
        if (result) fail(r, &err);
        pthread_cond_signal(&r->readable);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* Fills slots until the input ends, something fails or the user asks to stop. */
static bool read_all(ring *r) {
    bool stopped = false;
    for (;;) {
        pthread_mutex_lock(&r->lock);
        int slot = (int)(r->n_read % (uint64_t)r->n_slots);
        while (!r->failed && r->n_read - r->n_written == (uint64_t)r->n_slots)
            pthread_cond_wait(&r->readable, &r->lock);
        bool failed = r->failed;
        pthread_mutex_unlock(&r->lock);
        if (failed) break;
        stopped = r->p->stop_on_signal && wt_stop_requested();
        wt_err err = {0};
        int got = stopped ? 0 : r->p->read(r->p->ctx, r->item[slot], &err);
        pthread_mutex_lock(&r->lock);
        if (got > 0) r->state[slot] = FILLED, r->n_read++;
        if (got < 0) fail(r, &err);
        pthread_cond_signal(&r->workable);
        pthread_mutex_unlock(&r->lock);
        if (got <= 0) break;
    }
    pthread_mutex_lock(&r->lock);
    r->end_of_input = true;
    pthread_cond_broadcast(&r->workable);
    pthread_cond_broadcast(&r->writable);
    pthread_mutex_unlock(&r->lock);
    return stopped;
}

static int run_alone(const wt_pipeline *p, wt_err *err) {
    void *item = p->item_new(p->ctx);
    int result = 0;
    while (result == 0) {
        if (p->stop_on_signal && wt_stop_requested()) {
            result = wt_stop_error(err);
            break;
        }
        int got = p->read(p->ctx, item, err);
        if (got <= 0) {
            result = got;
            break;
        }
        result = p->work(p->ctx, item, 0, err);
        if (result == 0 && p->write) result = p->write(p->ctx, item, err);
    }
    p->item_free(p->ctx, item);
    return result;
}

int wt_pipeline_run(const wt_pipeline *p, wt_err *err) {
    int n_workers = p->threads > 0 ? p->threads : wt_cpu_count();
    if (n_workers == 1) return run_alone(p, err);
    ring r = {.p = p, .n_slots = p->n_slots > 1 ? p->n_slots : 4 * n_workers};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.readable, NULL);
    pthread_cond_init(&r.workable, NULL);
    pthread_cond_init(&r.writable, NULL);
    r.item = wt_xcalloc((size_t)r.n_slots, sizeof *r.item);
    r.state = wt_xcalloc((size_t)r.n_slots, sizeof *r.state);
    for (int i = 0; i < r.n_slots; i++) r.item[i] = p->item_new(p->ctx);

    pthread_t *thread = wt_xcalloc((size_t)n_workers + 1, sizeof *thread);
    worker_arg *arg = wt_xcalloc((size_t)n_workers, sizeof *arg);
    int started = 0;
    bool writing = pthread_create(&thread[n_workers], NULL, writer, &r) == 0;
    for (; writing && started < n_workers; started++) {
        arg[started] = (worker_arg){&r, started};
        if (pthread_create(&thread[started], NULL, worker, &arg[started])) break;
    }
    bool stopped = false;
    if (started > 0) {
        stopped = read_all(&r);
    } else {
        wt_err e = {0};
        wt_fail(&e, WT_EIO, "cannot start %d threads", n_workers + 1);
        pthread_mutex_lock(&r.lock);
        fail(&r, &e);
        pthread_mutex_unlock(&r.lock);
    }
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    /* Workers are done: the writer may be waiting for an item that was just finished. */
    pthread_mutex_lock(&r.lock);
    pthread_cond_broadcast(&r.writable);
    pthread_mutex_unlock(&r.lock);
    if (writing) pthread_join(thread[n_workers], NULL);

    for (int i = 0; i < r.n_slots; i++) p->item_free(p->ctx, r.item[i]);
    free(r.item), free(r.state), free(thread), free(arg);
    pthread_mutex_destroy(&r.lock);
    pthread_cond_destroy(&r.readable);
    pthread_cond_destroy(&r.workable);
    pthread_cond_destroy(&r.writable);
    if (r.failed) {
        if (err) *err = r.first_error;
        return -1;
    }
    return stopped ? wt_stop_error(err) : 0;
}

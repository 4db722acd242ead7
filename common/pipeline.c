/* pipeline.c - a ring of slots between one reader, many workers and one writer.
 * Slot i % n_slots carries item i. The caller's thread reads; each worker takes the next item that
 * is filled; a writer thread takes finished items strictly in order and gives the slot back. One lock
 * guards the counters: items are blocks of documents, so it is taken a few thousand times a second.
 *
 * With `in_place` there are the workers and nobody else. One that is free writes the next item in order if it is
 * finished and nobody writes; else it reads an item and works on it at once, while its bytes are in this
 * core's cache. Then n threads keep n cores busy, where the other way two more wait for a core. The storage that was
 * given back last is used first, so that few items go round however many slots there are. A writer with much to do cuts
 * it into tasks, which come before all else: threads started for them would wait for a core, and the writer for them. */
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
    bool reading, writing, stopped;         /* in_place: somebody is at it; the user asked to stop */
    void **spare;                           /* in_place: storage nobody uses */
    int n_spare;
    void (*task)(void *ctx, int i);         /* in_place: of the item that is being written */
    void *task_ctx;
    int n_tasks, n_tasks_taken, n_tasks_done;
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

static void beside(ring *r) {                       /* lock held */
    if (!r->p->beside || r->failed) return;
    pthread_mutex_unlock(&r->lock);
    r->p->beside(r->p->ctx);
    pthread_mutex_lock(&r->lock);
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
        beside(r);
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

/* ---- in place: all stations in each thread; the lock is held between them ---- */

static void news(ring *r) { pthread_cond_broadcast(&r->workable); }

static void do_task(ring *r) {
    int i = r->n_tasks_taken++;
    pthread_mutex_unlock(&r->lock);
    r->task(r->task_ctx, i);
    pthread_mutex_lock(&r->lock);
    if (++r->n_tasks_done == r->n_tasks) news(r);
}

static _Thread_local ring *writing_for;               /* this thread is in its `write` */

bool wt_pipeline_tasks(int n, void (*task)(void *ctx, int i), void *ctx) {
    ring *r = writing_for;
    if (!r) return false;
    pthread_mutex_lock(&r->lock);
    r->task = task, r->task_ctx = ctx;
    r->n_tasks = n, r->n_tasks_taken = r->n_tasks_done = 0;
    news(r);
    while (r->n_tasks_taken < n) do_task(r);
    while (r->n_tasks_done < n) pthread_cond_wait(&r->workable, &r->lock);
    pthread_mutex_unlock(&r->lock);
    return true;
}

static void write_next(ring *r) {
    int slot = (int)(r->n_written % (uint64_t)r->n_slots);
    wt_err err = {0};
    r->writing = true;
    pthread_mutex_unlock(&r->lock);
    writing_for = r;
    int result = r->p->write ? r->p->write(r->p->ctx, r->item[slot], &err) : 0;
    writing_for = NULL;
    pthread_mutex_lock(&r->lock);
    r->writing = false;
    r->n_written++;
    r->state[slot] = EMPTY;
    r->spare[r->n_spare++] = r->item[slot];
    if (result) fail(r, &err);
    news(r);
}

/* Reads an item and, if there was one, works on it. */
static void read_and_work(ring *r, int i_thread) {
    wt_err err = {0};
    void *item = r->spare[--r->n_spare];
    r->reading = true;
    pthread_mutex_unlock(&r->lock);
    bool stopped = r->p->stop_on_signal && wt_stop_requested();
    int got = stopped ? 0 : r->p->read(r->p->ctx, item, &err);
    pthread_mutex_lock(&r->lock);
    r->reading = false;
    r->stopped = stopped;
    news(r);
    if (got <= 0) {
        r->spare[r->n_spare++] = item;
        r->end_of_input = true;
        if (got < 0) fail(r, &err);
        return;
    }
    int slot = (int)(r->n_read++ % (uint64_t)r->n_slots);
    r->item[slot] = item;
    r->state[slot] = WORKING;
    pthread_mutex_unlock(&r->lock);
    int result = r->p->work(r->p->ctx, item, i_thread, &err);
    pthread_mutex_lock(&r->lock);
    r->state[slot] = FINISHED;
    if (result) fail(r, &err);
    news(r);
}

static void *all_rounder(void *argument) {
    worker_arg *a = argument;
    ring *r = a->r;
    pthread_mutex_lock(&r->lock);
    while (!r->failed && !(r->end_of_input && r->n_written == r->n_read)) {
        bool finished = r->n_written < r->n_read && r->state[r->n_written % (uint64_t)r->n_slots] == FINISHED;
        if (r->n_tasks_taken < r->n_tasks) do_task(r);
        else if (finished && !r->writing) write_next(r), beside(r);
        else if (!r->reading && !r->end_of_input && r->n_spare > 0) read_and_work(r, a->i_thread);
        else pthread_cond_wait(&r->workable, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
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
        if (result == 0 && p->beside) p->beside(p->ctx);
    }
    p->item_free(p->ctx, item);
    return result;
}

/* The caller's thread is one of the workers, so that it goes on with fewer where no more can be started. Returns
 * whether the user asked to stop. */
static bool run_in_place(ring *r, int n_workers) {
    pthread_t *thread = wt_xcalloc((size_t)n_workers, sizeof *thread);
    worker_arg *arg = wt_xcalloc((size_t)n_workers, sizeof *arg);
    int started = 1;                                  /* 0 is this one */
    for (int i = 0; i < n_workers; i++) arg[i] = (worker_arg){r, i};
    while (started < n_workers && pthread_create(&thread[started], NULL, all_rounder, &arg[started]) == 0) started++;
    all_rounder(&arg[0]);
    for (int i = 1; i < started; i++) pthread_join(thread[i], NULL);
    free(thread), free(arg);
    return r->stopped;
}

/* Returns the same. */
static bool run_stations(ring *r, int n_workers) {
    pthread_t *thread = wt_xcalloc((size_t)n_workers + 1, sizeof *thread);
    worker_arg *arg = wt_xcalloc((size_t)n_workers, sizeof *arg);
    int started = 0;
    bool writing = pthread_create(&thread[n_workers], NULL, writer, r) == 0;
    for (; writing && started < n_workers; started++) {
        arg[started] = (worker_arg){r, started};
        if (pthread_create(&thread[started], NULL, worker, &arg[started])) break;
    }
    bool stopped = false;
    if (started > 0) {
        stopped = read_all(r);
    } else {
        wt_err e = {0};
        wt_fail(&e, WT_EIO, "cannot start %d threads", n_workers + 1);
        pthread_mutex_lock(&r->lock);
        fail(r, &e);
        pthread_mutex_unlock(&r->lock);
    }
    for (int i = 0; i < started; i++) pthread_join(thread[i], NULL);
    /* Workers are done: the writer may be waiting for an item that was just finished. */
    pthread_mutex_lock(&r->lock);
    pthread_cond_broadcast(&r->writable);
    pthread_mutex_unlock(&r->lock);
    if (writing) pthread_join(thread[n_workers], NULL);
    free(thread), free(arg);
    return stopped;
}

int wt_pipeline_run(const wt_pipeline *p, wt_err *err) {
    int n_workers = p->threads > 0 ? p->threads : wt_cpu_count();
    if (n_workers == 1) return run_alone(p, err);
    ring r = {.p = p, .n_slots = p->n_slots > 1 ? p->n_slots : 4 * n_workers};
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.readable, NULL);
    pthread_cond_init(&r.workable, NULL);
    pthread_cond_init(&r.writable, NULL);
    void **storage = wt_xcalloc((size_t)r.n_slots, sizeof *storage);
    r.item = wt_xcalloc((size_t)r.n_slots, sizeof *r.item);
    r.spare = wt_xcalloc((size_t)r.n_slots, sizeof *r.spare);
    r.state = wt_xcalloc((size_t)r.n_slots, sizeof *r.state);
    for (int i = 0; i < r.n_slots; i++) r.item[i] = r.spare[i] = storage[i] = p->item_new(p->ctx);
    r.n_spare = r.n_slots;

    bool stopped = p->in_place ? run_in_place(&r, n_workers) : run_stations(&r, n_workers);

    for (int i = 0; i < r.n_slots; i++) p->item_free(p->ctx, storage[i]);
    free(storage), free(r.item), free(r.spare), free(r.state);
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

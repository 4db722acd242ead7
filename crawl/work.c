/* work.c - threads with an inbox each. */
#include "crawl/work.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

typedef struct {
    work_pool *pool;
    pthread_t thread;
    pthread_mutex_t lock;
    exchange *inbox;
    bool stop, abandon, started;
    fetcher *fetcher;
    capture_writer *writer;
} worker;

struct work_pool {
    int n;
    worker *worker;
    work_done_fn done;
    void *ctx;
};

static void pack(worker *w, exchange *e) {
    e->captured = false;
    if (e->x.status > 0 && e->x.header.len > 0 &&
        (e->x.end == FETCH_OK || e->x.cut != FETCH_WHOLE)) {
        wt_err err = {0};
        if (capture_encode(w->writer, &e->x, &e->cap, &err) == 0) {
            e->captured = true;
        } else {
            e->pack_error = -1;
            e->err = wt_xmalloc(sizeof err);
            *e->err = err;
        }
    }
    if (!e->keep_body)
        wt_buf_free(&e->x.body);
    wt_buf_free(&e->x.request);
}

static void deliver(worker *w, fetch *list) {
    if (!list)
        return;
    for (fetch *x = list; x; x = x->next)
        pack(w, (exchange *)x);
    w->pool->done(w->pool->ctx, (exchange *)list);
}

static void *worker_main(void *arg) {
    worker *w = arg;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        exchange *inbox = w->inbox;
        bool stop = w->stop, abandon = w->abandon;
        w->inbox = NULL;
        w->abandon = false;
        pthread_mutex_unlock(&w->lock);
        while (inbox) {
            exchange *e = inbox;
            inbox = (exchange *)e->x.next;
            fetcher_start(w->fetcher, &e->x);
        }
        if (abandon)
            deliver(w, fetcher_abandon(w->fetcher));
        if (stop && fetcher_running(w->fetcher) == 0)
            return NULL;
        deliver(w, fetcher_wait(w->fetcher, 1.0));
    }
}

void work_submit(work_pool *p, uint32_t host, exchange *e) {
    worker *w = &p->worker[host % (uint32_t)p->n];
    pthread_mutex_lock(&w->lock);
    bool was_empty = w->inbox == NULL;
    e->x.next = (fetch *)w->inbox;
    w->inbox = e;
    pthread_mutex_unlock(&w->lock);
    if (was_empty)
        fetcher_wake(w->fetcher);
}

uint64_t work_bytes(const work_pool *p) {
    uint64_t sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += fetcher_bytes(p->worker[i].fetcher);
    return sum;
}

void work_abandon(work_pool *p) {
    for (int i = 0; i < p->n; i++) {
        pthread_mutex_lock(&p->worker[i].lock);
        p->worker[i].abandon = true;
        pthread_mutex_unlock(&p->worker[i].lock);
        fetcher_wake(p->worker[i].fetcher);
    }
}

work_pool *work_pool_new(int threads, const fetch_options *options, int level, bool keep_requests,
                         work_done_fn done, void *ctx, wt_err *err) {
    work_pool *p = wt_xcalloc(1, sizeof *p);
    p->n = threads;
    p->worker = wt_xcalloc((size_t)threads, sizeof *p->worker);
    p->done = done;
    p->ctx = ctx;
    for (int i = 0; i < threads; i++) {
        worker *w = &p->worker[i];
        uint64_t seed = 0;
        w->pool = p;
        pthread_mutex_init(&w->lock, NULL);
        bool random = getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed;   /* record ids */
        w->writer = capture_writer_new(level, keep_requests, seed);
        w->fetcher = random ? fetcher_new(options, err) : NULL;
        if (!w->fetcher || pthread_create(&w->thread, NULL, worker_main, w) != 0) {
            if (err && !err->text[0])
                wt_fail(err, WT_ENOMEM, "cannot start thread %d", i);
            work_pool_free(p);
            return NULL;
        }
        w->started = true;
    }
    return p;
}

void work_pool_free(work_pool *p) {
    if (!p)
        return;
    for (int i = 0; i < p->n; i++) {
        worker *w = &p->worker[i];
        if (w->started) {
            pthread_mutex_lock(&w->lock);
            w->stop = true;
            pthread_mutex_unlock(&w->lock);
            fetcher_wake(w->fetcher);
            pthread_join(w->thread, NULL);
        }
        fetcher_free(w->fetcher);
        capture_writer_free(w->writer);
        pthread_mutex_destroy(&w->lock);
    }
    free(p->worker);
    free(p);
}

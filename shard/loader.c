/* loader.c - windows of T + 1 tokens in a shuffled order that is a function of the sample's number.
 * Epoch e permutes all W windows by a keyed bijection of 0..W-1 (wt_permute), keyed by seed, the
 * dataset's fingerprint and e: an exact shuffle without replacement that needs no list, so that
 * resuming is going on with the next number. Threads may decode ahead the samples that the caller
 * names; they change when a window is ready, never what it holds. */
#include <pthread.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/rng.h"
#include "shard/shard.h"

typedef enum { AHEAD_FREE, AHEAD_WANTED, AHEAD_FILLING, AHEAD_READY } ahead_state;

typedef struct {
    ahead_state state;
    uint64_t i_sample;
    uint32_t *tokens;           /* T + 1; made when first used */
} ahead_window;

struct shard_loader {
    shard_set *set;
    size_t T;
    uint64_t seed, windows;
    shard_order order;
    uint8_t fingerprint[32];

    pthread_mutex_t lock;       /* of all that follows */
    pthread_cond_t work, done;
    ahead_window *ahead;        /* a ring: head is written next, tail is filled next */
    size_t n_ahead, head, tail;
    int n_threads;
    pthread_t *thread;
    bool quit;
};

uint64_t shard_loader_windows(const shard_loader *l) { return l->windows; }

uint64_t shard_loader_first(const shard_loader *l, uint64_t i_sample) {
    uint64_t epoch = i_sample / l->windows, place = i_sample % l->windows;
    if (l->order == SHARD_SHUFFLE) {
        struct {
            uint64_t seed, epoch;
            uint8_t fingerprint[32];
        } key = {l->seed, epoch, {0}};
        memcpy(key.fingerprint, l->fingerprint, 32);
        place = wt_permute(place, l->windows, wt_hash64(&key, sizeof key, 0));
    }
    return place * l->T;
}

static int window_read(shard_loader *l, uint64_t i_sample, uint32_t *tokens, wt_err *err) {
    return shard_set_read(l->set, shard_loader_first(l, i_sample), l->T + 1, tokens, err);
}

/* ---- decoding ahead ---- */
static ahead_window *ahead_next(shard_loader *l) {
    for (; l->tail != l->head; l->tail++) {
        ahead_window *w = &l->ahead[l->tail % l->n_ahead];
        if (w->state == AHEAD_WANTED) {
            l->tail++;
            return w;
        }
    }
    return NULL;
}

static void *ahead_run(void *arg) {
    shard_loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->quit) {
        ahead_window *w = ahead_next(l);
        if (!w) {
            pthread_cond_wait(&l->work, &l->lock);
            continue;
        }
        w->state = AHEAD_FILLING;
        uint64_t i_sample = w->i_sample;
        pthread_mutex_unlock(&l->lock);
        if (!w->tokens)
            w->tokens = wt_xmalloc((l->T + 1) * sizeof *w->tokens);
        /* A failure is met again, with its message, by the caller who asks for the sample. */
        int failed = window_read(l, i_sample, w->tokens, NULL);
        pthread_mutex_lock(&l->lock);
        w->state = failed ? AHEAD_FREE : AHEAD_READY;
        pthread_cond_broadcast(&l->done);
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

static ahead_window *ahead_find(shard_loader *l, uint64_t i_sample) {
    for (size_t i = 0; i < l->n_ahead; i++)
        if (l->ahead[i].state != AHEAD_FREE && l->ahead[i].i_sample == i_sample)
            return &l->ahead[i];
    return NULL;
}

void shard_loader_expect(shard_loader *l, uint64_t i_first, uint64_t stride, size_t n) {
    if (l->n_threads == 0)
        return;
    if (n > l->n_ahead)
        n = l->n_ahead;
    pthread_mutex_lock(&l->lock);
    for (size_t k = 0; k < n; k++) {
        uint64_t i_sample = i_first + k * stride;
        ahead_window *w = &l->ahead[l->head % l->n_ahead];
        if (ahead_find(l, i_sample))
            continue;
        if (w->state == AHEAD_FILLING)
            break;              /* the ring is as far ahead as it can be */
        if (l->tail + l->n_ahead == l->head)
            l->tail++;          /* the oldest wish is given up */
        w->state = AHEAD_WANTED;
        w->i_sample = i_sample;
        l->head++;
    }
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
}

/* Takes sample i from the ring if it is there or being read. */
static bool ahead_take(shard_loader *l, uint64_t i_sample, uint32_t *tokens) {
    bool taken = false;
    pthread_mutex_lock(&l->lock);
    ahead_window *w;
    while ((w = ahead_find(l, i_sample)) && w->state == AHEAD_FILLING)
        pthread_cond_wait(&l->done, &l->lock);
    if (w) {
        taken = w->state == AHEAD_READY;
        if (taken)
            memcpy(tokens, w->tokens, (l->T + 1) * sizeof *tokens);
        w->state = AHEAD_FREE;
    }
    pthread_mutex_unlock(&l->lock);
    return taken;
}

/* ---- the loader ---- */
static void threads_start(shard_loader *l, const shard_loader_options *o) {
    l->n_ahead = o->prefetch_windows ? o->prefetch_windows : 256;
    l->ahead = wt_xcalloc(l->n_ahead, sizeof *l->ahead);
    l->thread = wt_xcalloc((size_t)o->prefetch_threads, sizeof *l->thread);
    while (l->n_threads < o->prefetch_threads &&
           pthread_create(&l->thread[l->n_threads], NULL, ahead_run, l) == 0)
        l->n_threads++;
}

shard_loader *shard_loader_new(shard_set *set, size_t T, uint64_t seed,
                               const shard_loader_options *options, wt_err *err) {
    uint64_t tokens = shard_set_tokens(set);
    if (T == 0 || tokens < T + 1) {
        wt_fail(err, WT_EARG, "%llu tokens are not one window of %zu; write more documents, or use "
                              "a shorter sequence",
                (unsigned long long)tokens, T + 1);
        return NULL;
    }
    shard_loader *l = wt_xcalloc(1, sizeof *l);
    l->set = set;
    l->T = T;
    l->seed = seed;
    l->windows = (tokens - 1) / T;
    shard_set_fingerprint(set, l->fingerprint);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    if (options) {
        l->order = options->order;
        if (options->prefetch_threads > 0)
            threads_start(l, options);
    }
    return l;
}

void shard_loader_free(shard_loader *l) {
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->quit = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->n_threads; i++)
        pthread_join(l->thread[i], NULL);
    for (size_t i = 0; i < l->n_ahead; i++)
        free(l->ahead[i].tokens);
    free(l->ahead);
    free(l->thread);
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->done);
    free(l);
}

int shard_loader_get(shard_loader *l, uint64_t i_sample, uint32_t *tokens, wt_err *err) {
    if (l->n_threads && ahead_take(l, i_sample, tokens))
        return 0;
    return window_read(l, i_sample, tokens, err);
}

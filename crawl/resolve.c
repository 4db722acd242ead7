/* resolve.c - a queue of names before a few threads in getaddrinfo. Threads are started as the queue
 * needs them. At the end a thread that hangs in a question is given a second, then left behind: the
 * process is about to end, and the thread touches nothing but its own question. */
#include "crawl/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "crawl/address.h"

typedef struct question {
    struct question *next;
    void *owner;
    int pick;
    char host[256];
} question;

struct resolver {
    pthread_mutex_t lock;
    pthread_cond_t more;
    question *first, *last;
    pthread_t *thread;
    int n_threads, max_threads, n_idle;
    bool stop, allow_private;
    resolver_fn answer;
    void *ctx;
};

static void answer_question(resolver *r, question *q) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    char good[16][64], why[160] = "";
    int n = 0;
    const char *kind = NULL;
    int code = getaddrinfo(q->host, NULL, &hints, &list);
    if (code == EAI_NONAME || code == EAI_ADDRFAMILY) {  /* loopback alone does not count as configured */
        hints.ai_flags = 0;
        code = getaddrinfo(q->host, NULL, &hints, &list);
    }
    for (struct addrinfo *a = code == 0 ? list : NULL; a && n < 16; a = a->ai_next) {
        const char *special = r->allow_private ? NULL : address_special(a->ai_addr);
        if (special) {
            char ip[64];
            address_format(a->ai_addr, ip);
            snprintf(why, sizeof why, "%s is a %s address", ip, special);
            kind = special;
        } else {
            address_format(a->ai_addr, good[n]);
            n += good[n][0] != 0;
        }
    }
    if (code == 0)
        freeaddrinfo(list);
    pthread_mutex_lock(&r->lock);
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    if (stop)
        return;
    if (n > 0)
        r->answer(r->ctx, q->owner, RESOLVE_OK, good[q->pick % n], "");
    else if (kind)
        r->answer(r->ctx, q->owner, RESOLVE_PRIVATE, NULL, why);
    else
        r->answer(r->ctx, q->owner, code == EAI_NONAME ? RESOLVE_NO_NAME : RESOLVE_FAILED, NULL,
                  code ? gai_strerror(code) : "no address");
}

static void *resolver_main(void *arg) {
    resolver *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        if (!r->first) {
            r->n_idle++;
            pthread_cond_wait(&r->more, &r->lock);
            r->n_idle--;
            continue;
        }
        question *q = r->first;
        r->first = q->next;
        pthread_mutex_unlock(&r->lock);
        answer_question(r, q);
        free(q);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

resolver *resolver_new(int threads, bool allow_private, resolver_fn answer, void *ctx) {
    resolver *r = wt_xcalloc(1, sizeof *r);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->more, NULL);
    r->max_threads = threads;
    r->thread = wt_xcalloc((size_t)threads, sizeof *r->thread);
    r->allow_private = allow_private;
    r->answer = answer;
    r->ctx = ctx;
    return r;
}

void resolver_ask(resolver *r, wt_str host, int pick, void *owner) {
    question *q = wt_xmalloc(sizeof *q);
    q->next = NULL;
    q->owner = owner;
    q->pick = pick;
    snprintf(q->host, sizeof q->host, "%.*s", WT_FMT(host));
    pthread_mutex_lock(&r->lock);
    if (r->first)
        r->last->next = q;
    else
        r->first = q;
    r->last = q;
    if (r->n_idle == 0 && r->n_threads < r->max_threads &&
        pthread_create(&r->thread[r->n_threads], NULL, resolver_main, r) == 0)
        r->n_threads++;
    pthread_cond_signal(&r->more);
    pthread_mutex_unlock(&r->lock);
}

void resolver_free(resolver *r) {
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->more);
    pthread_mutex_unlock(&r->lock);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 1;
    bool all = true;
    for (int i = 0; i < r->n_threads; i++)
        all &= pthread_timedjoin_np(r->thread[i], NULL, &until) == 0;
    if (!all)
        return;                                        /* somebody still uses r */
    while (r->first) {
        question *q = r->first;
        r->first = q->next;
        free(q);
    }
    free(r->thread);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->more);
    free(r);
}

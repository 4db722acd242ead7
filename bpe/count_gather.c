/* count_gather.c - brings the words of all threads together, exactly and in bounded memory. One range of hashes after the
 * other is summed, from tables and spilled runs, so that no step needs more memory than the words of one range; a
 * range that has too many is taken in several passes by further bits of the hash. Threads take ranges, and
 * their words are appended in order, so the list is the same for any number of them. */
#include <pthread.h>
#include <stdlib.h>

#include "bpe/count_impl.h"

/* ---- one range ---- */
/* One pass over a range: the words whose hash has `bits` bits `part` behind those of the range. */
typedef struct {
    bpe_word_table sum;
    int bits;
    uint64_t part;
} range_pass;

static int add_to_pass(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    range_pass *p = ctx;
    if (p->bits && bpe_word_hash(word) << BPE_RANGE_BITS >> (64 - p->bits) != p->part)
        return 0;
    return bpe_word_table_add(&p->sum, word, count, err);
}

static int read_range(const bpe_count_worker *w, unsigned range, range_pass *pass, wt_err *err) {
    int more = 0;
    for (size_t k = 0; k < w->n_runs && more >= 0; k++) {
        bpe_reader r;
        bpe_reader_init(&r, &w->spill, w->runs[k].offset[range], w->runs[k].offset[range + 1]);
        while ((more = bpe_reader_next(&r, err)) == 1)
            if (add_to_pass(pass, r.word.text, r.word.count, err)) {
                more = -1;
                break;
            }
        bpe_reader_free(&r);
    }
    return more < 0 ? -1 : 0;
}

/* Passes over a range, in bits: so many that the words of one need no more than a thread's part of the memory. A
 * spilled word of 10 bytes takes up to 80 in a table. */
static int pass_bits(const bpe_counter *c, unsigned range) {
    uint64_t bytes = 0, room = c->share / 4;
    int bits = 0;
    for (int i = 0; i < c->threads; i++) {
        const bpe_count_worker *w = c->workers[i];
        bytes += bpe_word_table_bytes(&w->words) / BPE_RANGES;
        for (size_t k = 0; k < w->n_runs; k++)
            bytes += 8 * (w->runs[k].offset[range + 1] - w->runs[k].offset[range]);
    }
    while (bytes >> bits > room && bits < 32)
        bits++;
    return bits;
}

/* The words whose hash lies in one range, summed over all threads. */
static int gather_range(bpe_counter *c, unsigned range, bpe_words *out, wt_err *err) {
    if (c->threads == 1 && c->workers[0]->n_runs == 0)
        return bpe_word_table_visit_range(&c->workers[0]->words, range, bpe_add_to_words, out, err);
    int bits = pass_bits(c, range), result = 0;
    for (uint64_t part = 0; part >> bits == 0 && !result; part++) {
        range_pass pass = {.bits = bits, .part = part};
        bpe_word_table_init(&pass.sum, BPE_RANGE_BITS + bits);
        for (int i = 0; i < c->threads && !result; i++)
            result = bpe_word_table_visit_range(&c->workers[i]->words, range, add_to_pass, &pass, err) ||
                     read_range(c->workers[i], range, &pass, err) ? -1 : 0;
        if (!result)
            result = bpe_word_table_visit(&pass.sum, bpe_add_to_words, out, err);
        bpe_word_table_free(&pass.sum);
    }
    return result;
}
/* ---- ranges in many threads ---- */
typedef struct {
    bpe_counter *counter;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    int next, appended;             /* range that no thread has taken yet; and whose words come next */
    wt_err *err;
    bool failed;
} gathering;

static int copy_words(bpe_words *to, const bpe_words *from, wt_err *err) {
    bpe_reader r;
    int more;
    bpe_reader_init(&r, from, 0, bpe_words_end(from));
    while ((more = bpe_reader_next(&r, err)) == 1)
        if (bpe_words_add(to, r.word.text, r.word.count, err)) {
            more = -1;
            break;
        }
    bpe_reader_free(&r);
    return more;
}

/* A thread waits with its range's words until those before are there: the order is always the same, and no more
 * ranges are in memory than there are threads. */
static void append_range(gathering *g, int range, const bpe_words *words, const wt_err *error) {
    wt_err inner = {0};
    pthread_mutex_lock(&g->lock);
    while (g->appended != range)
        pthread_cond_wait(&g->turn, &g->lock);
    if (!error && !g->failed && copy_words(&g->counter->words, words, &inner))
        error = &inner;
    if (error && !g->failed && g->err)
        *g->err = *error;
    g->failed |= error != NULL;
    g->appended++;
    pthread_cond_broadcast(&g->turn);
    pthread_mutex_unlock(&g->lock);
}

static void *gather_some(void *argument) {
    gathering *g = argument;
    for (;;) {
        bpe_words words;
        wt_err error = {0};
        pthread_mutex_lock(&g->lock);
        int range = g->failed ? BPE_RANGES : g->next++;
        pthread_mutex_unlock(&g->lock);
        if (range >= BPE_RANGES)
            return NULL;
        bpe_words_init(&words, (size_t)g->counter->share / 4, g->counter->options.temp_dir);
        int result = gather_range(g->counter, (unsigned)range, &words, &error);
        append_range(g, range, &words, result ? &error : NULL);
        bpe_words_free(&words);
    }
}

static int gather_tables(bpe_counter *c, wt_err *err) {
    gathering g = {.counter = c, .err = err, .lock = PTHREAD_MUTEX_INITIALIZER, .turn = PTHREAD_COND_INITIALIZER};
    pthread_t *thread = wt_xcalloc((size_t)c->threads, sizeof *thread);
    int n = 0;
    while (n < c->threads - 1 && pthread_create(&thread[n], NULL, gather_some, &g) == 0)
        n++;
    gather_some(&g);
    while (n)
        pthread_join(thread[--n], NULL);
    free(thread);
    return g.failed ? -1 : 0;
}

static int gather_giants(bpe_counter *c, wt_err *err) {
    bpe_giants **lists = wt_xcalloc((size_t)c->threads, sizeof *lists);
    for (int i = 0; i < c->threads; i++)
        lists[i] = &c->workers[i]->giants;
    int result = bpe_giants_write(lists, (size_t)c->threads, &c->words, err);
    free(lists);
    return result;
}

int bpe_counter_gather(bpe_counter *c, wt_err *err) {
    int result = gather_tables(c, err) || gather_giants(c, err) ? -1 : 0;
    for (int i = 0; i < c->threads; i++)
        c->spilled += c->workers[i]->spill.file_bytes + c->workers[i]->giants.file.file_bytes;
    bpe_count_workers_free(c);
    return result;
}

/* count_ranks.c - words that several machines have counted. Each rank owns the words of a range of hashes: all send it
 * theirs, it adds them up as if it had counted them, and rank 0 gets the sums. They travel in rounds, so that no rank
 * holds more than the words of one round; but each word as a whole. */
#include <stdlib.h>

#include "bpe/count_impl.h"
#include "common/cluster.h"

typedef int receiver(bpe_counter *c, wt_str word, uint64_t count, wt_err *err);

static int receive_to_table(bpe_counter *c, wt_str word, uint64_t count, wt_err *err) {
    return bpe_counter_add_word(c, 0, word, count, err);
}

static int receive_to_words(bpe_counter *c, wt_str word, uint64_t count, wt_err *err) {
    return bpe_words_add(&c->words, word, count, err);
}

static int receive(bpe_counter *c, const char *bytes, size_t n, receiver *take, wt_err *err) {
    bpe_words got = {.buf = {(char *)bytes, n, n}, .file = -1};
    bpe_reader r;
    wt_buf whole = {0};
    int more;
    bpe_reader_init(&r, &got, 0, n);
    while ((more = bpe_reader_next(&r, err)) == 1) {
        bpe_word w = r.word;
        if (w.len > BPE_PART_MAX) {
            wt_buf_add_str(&whole, w.text);
            w.text = wt_buf_view(&whole);
        }
        if (!w.last)
            continue;
        if (take(c, w.text, w.count, err)) {
            more = -1;
            break;
        }
        wt_buf_clear(&whole);
    }
    bpe_reader_free(&r);
    wt_buf_free(&whole);
    return more;
}

/* Fills a round: words until one rank's part is full. 1 where more are to come, 0, -1. */
static int fill_round(bpe_reader *from, bpe_words *part, size_t n_ranks, bool to_owner, size_t part_max, wt_err *err) {
    size_t owner = 0;
    int more;
    while ((more = bpe_reader_next(from, err)) == 1) {
        const bpe_word *w = &from->word;
        if (w->at == 0) {           /* of a long word the first part decides */
            owner = to_owner ? wt_fastrange64(wt_hash64(w->text.ptr, w->text.len, 1), n_ranks) : 0;
            bpe_words_begin(&part[owner], w->len, w->count, err);
        }
        wt_buf_add_str(&part[owner].buf, w->text);
        if (w->last && part[owner].buf.len >= part_max)
            return 1;
    }
    return more;
}

static int exchange(bpe_counter *c, const bpe_words *words, bool to_owner, receiver *take, wt_err *err) {
    size_t n_ranks = (size_t)wt_cluster_size(), part_max = (size_t)c->options.memory / 16 / n_ranks;
    bpe_words *part = wt_xcalloc(n_ranks, sizeof *part);
    void **bytes = wt_xcalloc(n_ranks, sizeof *bytes), *got;
    size_t *send = wt_xcalloc(n_ranks, sizeof *send), *counts = wt_xcalloc(n_ranks, sizeof *counts);
    bpe_reader from;
    int more = 1, failed = 0;
    bpe_reader_init(&from, words, 0, bpe_words_end(words));
    for (size_t r = 0; r < n_ranks; r++)
        bpe_words_init(&part[r], SIZE_MAX, NULL);
    do {
        if (more == 1 && (more = fill_round(&from, part, n_ranks, to_owner, part_max, err)) < 0)
            failed = -1;
        size_t n = 0;
        for (size_t r = 0; r < n_ranks; r++)
            bytes[r] = part[r].buf.ptr, send[r] = part[r].buf.len;
        wt_cluster_exchange(bytes, send, &got, counts);
        for (size_t r = 0; r < n_ranks; r++) {
            n += counts[r];
            wt_buf_clear(&part[r].buf);
        }
        if (!failed && receive(c, got, n, take, err))
            failed = more = -1;
        free(got);
    } while (wt_cluster_any(more == 1));
    for (size_t r = 0; r < n_ranks; r++)
        bpe_words_free(&part[r]);
    bpe_reader_free(&from);
    free(part);
    free(bytes);
    free(send);
    free(counts);
    return failed;
}

int bpe_counter_sum_ranks(bpe_counter *c, wt_err *err) {
    if (wt_cluster_size() == 1)
        return 0;
    bpe_words own = c->words;
    bpe_words_init(&c->words, own.memory, c->options.temp_dir);
    c->threads = 1;
    c->workers[0] = bpe_count_worker_new(c);
    int result = exchange(c, &own, true, receive_to_table, err);
    bpe_words_free(&own);
    if (!result)
        result = bpe_counter_gather(c, err);
    if (wt_cluster_agree(result, err))
        return -1;
    own = c->words;
    bpe_words_init(&c->words, own.memory, c->options.temp_dir);
    result = exchange(c, &own, false, receive_to_words, err);
    bpe_words_free(&own);
    wt_cluster_sum_u64(&c->spilled, 1);
    return result;
}

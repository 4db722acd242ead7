/* bpe_records.c - words as ids, in memory and behind frames of any number, through changes and when they are written anew,
 * against an array of arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpe/records.h"
#include "common/rng.h"

enum { WORDS = 3000, IDS_MAX = 900 };

typedef struct {
    uint32_t id[IDS_MAX], n;
    uint64_t count;
} word;

static void fill(bpe_records *r, word *words, wt_rng *rng) {
    uint32_t max = r->wide ? BPE_LINK_IDS_WIDE : BPE_LINK_IDS;
    for (uint32_t w = 0; w < WORDS; w++) {
        word *x = &words[w];
        x->n = 2 + (uint32_t)wt_rng_below(rng, w % 40 ? 30 : IDS_MAX - 2);
        x->count = 1 + (wt_rng_below(rng, 1u << 20) << (w % 30));
        for (uint32_t i = 0; i < x->n; i++)
            x->id[i] = (uint32_t)wt_rng_below(rng, r->wide ? 1u << 24 : 1u << 16);
        for (uint32_t i = 0; i < x->n; i += max) {
            bool last = x->n - i <= max;
            uint8_t flags = (i ? BPE_LINK_PREVIOUS : 0) | (last ? 0 : BPE_LINK_NEXT);
            assert_int_equal(bpe_records_add(r, x->count, x->id + i, last ? x->n - i : max, flags, NULL), 0);
        }
    }
    assert_int_equal(bpe_records_seal(r, NULL), 0);
}

/* Calls for every record that holds ids, with the word it is of and where in it; empty ones are passed over. */
static void each_record(bpe_records *r, const word *words, void (*visit)(bpe_records *r, uint32_t number, const word *x, uint32_t at, wt_rng *rng),
                        wt_rng *rng) {
    uint64_t at = 0;
    uint32_t number, ids[BPE_LINK_IDS], w = 0, in_word = 0, n;
    while (bpe_records_next(r, &at, &number)) {
        if ((n = bpe_record_load(r, number, ids)) == 0)
            continue;
        assert_true(w < WORDS);
        visit(r, number, &words[w], in_word, rng);
        in_word += n;
        if (in_word == words[w].n)
            w++, in_word = 0;
    }
    assert_int_equal(w, WORDS);
}

static void is_as_it_should_be(bpe_records *r, uint32_t number, const word *x, uint32_t at, wt_rng *rng) {
    uint32_t ids[BPE_LINK_IDS + 1], n = bpe_record_load(r, number, ids), previous;
    int64_t count;
    assert_true(at + n <= x->n);
    assert_memory_equal(ids, x->id + at, n * sizeof *ids);
    assert_int_equal(bpe_record_count(bpe_record_at(r, number)), x->count);
    uint32_t with_next = bpe_record_pairs(r, number, ids, &count);
    assert_int_equal(with_next, n + (at + n < x->n));
    assert_memory_equal(ids, x->id + at, with_next * sizeof *ids);
    if (at == 0)
        return;
    assert_int_not_equal(previous = bpe_link_previous(r, number), BPE_NO_RECORD);
    n = bpe_record_load(r, previous, ids);
    assert_int_equal(ids[n - 1], x->id[at - 1]);
}

/* Some ids go, of links at times all of them; the twin is read back from the records afterwards. */
static void shorten(bpe_records *r, uint32_t number, const word *x, uint32_t at, wt_rng *rng) {
    uint32_t ids[BPE_LINK_IDS], n = bpe_record_load(r, number, ids), keep = 1 + (uint32_t)wt_rng_below(rng, n);
    bool is_link = bpe_record_at(r, number)->flags;
    bpe_record_store(r, number, ids, keep);
    while (is_link && at && n % 3 == 0 && keep--)
        bpe_link_drop_first(r, number);
}

static uint32_t read_back(bpe_records *r, word *words, uint32_t ids_least) {
    uint64_t at = 0;
    uint32_t number, ids[BPE_LINK_IDS], w = 0;
    words[0].n = 0;
    while (bpe_records_next(r, &at, &number)) {
        uint8_t flags = bpe_record_at(r, number)->flags;
        uint64_t count = bpe_record_count(bpe_record_at(r, number));
        uint32_t n = bpe_record_load(r, number, ids);
        memcpy(words[w].id + words[w].n, ids, n * sizeof *ids);
        words[w].n += n, words[w].count = count;
        if (flags & BPE_LINK_NEXT)
            continue;
        w += words[w].n >= ids_least;
        assert_true(w <= WORDS);
        words[w].n = 0;
    }
    return w;
}

static void any_memory_holds_the_same(void **state) {
    word *words = calloc(WORDS + 1, sizeof *words), *twin = calloc(WORDS + 1, sizeof *twin);
    for (int run = 0; run < 8; run++) {
        wt_rng rng;
        bpe_records r;
        bool wide = run & 1, on_disk = run >= 2, comes_back = run >= 6;
        static const size_t frames[] = {0, 0, 0, 20 * BPE_BLOCK, 60 * BPE_BLOCK, 1 << 24, 30 * BPE_BLOCK, 0};
        wt_rng_init(&rng, 7, 0);
        assert_int_equal(bpe_records_init(&r, wide, 1 << 24, on_disk ? 1 << 16 : 1 << 24, NULL, NULL), 0);
        fill(&r, words, &rng);
        assert_int_equal(r.file >= 0, on_disk);
        if (on_disk)
            assert_int_equal(bpe_records_frames(&r, frames[run], NULL), 0);
        each_record(&r, words, is_as_it_should_be, &rng);
        each_record(&r, words, shorten, &rng);
        if (on_disk)                            /* what was changed is kept when frames come and go */
            assert_int_equal(bpe_records_frames(&r, frames[(run + 3) % 8], NULL), 0);
        uint32_t n = read_back(&r, twin, 2);
        assert_in_range(n, WORDS / 2, WORDS - 1);
        if (comes_back)
            r.memory = 1 << 24;
        uint64_t before = bpe_records_bytes(&r);
        assert_int_equal(bpe_records_compact(&r, NULL), 0);
        assert_true(bpe_records_bytes(&r) < before * 3 / 4);
        assert_int_equal(r.file >= 0, on_disk && !comes_back);
        if (r.file >= 0)
            assert_int_equal(bpe_records_frames(&r, frames[run], NULL), 0);
        assert_int_equal(read_back(&r, words, 1), n);      /* words of one id are gone */
        for (uint32_t w = 0; w < n; w++) {
            assert_int_equal(words[w].n, twin[w].n);
            assert_int_equal(words[w].count, twin[w].count);
            assert_memory_equal(words[w].id, twin[w].id, twin[w].n * sizeof *twin[w].id);
        }
        assert_false(r.failed);
        bpe_records_free(&r);
    }
    free(words);
    free(twin);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_memory_holds_the_same)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* dedup_rounds.c - rounds of batches on one rank: the order of the input, each batch worked on once; and lines in batches: cut where
 * bytes say, wherever files begin and end, by one reader or dealt to several. Several ranks are in tests/cmd/dedup_ranks.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/fs.h"
#include "common/hash.h"
#include "common/rng.h"
#include "dedup/lines.h"
#include "dedup/parts.h"
#include "dedup/rounds.h"

typedef struct {
    int number, worked;
} batch;

typedef struct {
    int n_batches, read, last_every, fails_at, open, met;
    uint64_t left;              /* of the round's cuts */
} input;

static void *item_new(void *ctx) {
    ((input *)ctx)->open++;
    return calloc(1, sizeof(batch));
}
static void item_free(void *ctx, void *item) {
    ((input *)ctx)->open--;
    free(item);
}
static int item_go(void *ctx, uint64_t from, uint64_t to, wt_err *err) {
    input *in = ctx;
    assert_int_equal(from, 0);
    in->left = to;
    if (in->last_every && in->left > (uint64_t)in->last_every) in->left = (uint64_t)in->last_every;
    return 0;
}
static int item_read(void *ctx, void *item, wt_err *err) {
    input *in = ctx;
    if (in->read == in->n_batches || in->left == 0) return 0;
    in->left--;
    *(batch *)item = (batch){in->read++, 0};
    return 1;
}
static int item_meet(void *ctx, const void *item, wt_err *err) {
    assert_int_equal(((const batch *)item)->number, ((input *)ctx)->met++);
    return 0;
}
/* Of those to come at least one, seldom all. */
static uint64_t item_ahead(void *ctx) {
    const input *in = ctx;
    return in->read % 3 ? UINT64_MAX : 1 + (uint64_t)(in->n_batches - in->read) / 2;
}
static int item_work(void *ctx, void *item, int i_thread, wt_err *err) {
    batch *b = item;
    b->worked++;
    return b->number == ((input *)ctx)->fails_at ? wt_fail(err, WT_EDATA, "batch %d is bad", b->number) : 0;
}
static void never_pack(void *ctx, const void *item, wt_buf *bytes) { fail(); }
static void never_unpack(void *ctx, void *item, wt_str *bytes) { fail(); }

static void check_rounds(int n_batches, int last_every, int threads) {
    input in = {.n_batches = n_batches, .last_every = last_every, .fails_at = -1};
    rounds *x = rounds_new(&(rounds_config){.ctx = &in, .threads = threads, .turns = 6, .item_new = item_new, .item_free = item_free,
                                            .ahead = item_ahead, .go = item_go, .read = item_read, .work = item_work,
                                            .meet = item_meet});
    wt_err err = {0};
    int next = 0, got;
    while ((got = rounds_next(x, &err)) > 0) {
        assert_int_equal(rounds_share(x, never_pack, never_unpack, &err), 0);
        for (size_t i = 0; i < rounds_size(x); i++) {
            const batch *b = rounds_item(x, i);
            assert_true(rounds_is_mine(x, i));
            assert_int_equal(b->number, next++);
            assert_int_equal(b->worked, 1);
        }
        assert_true(!last_every || rounds_size(x) <= (size_t)last_every);
    }
    assert_int_equal(got, 0);
    assert_int_equal(next, n_batches);
    rounds_free(x);
    assert_int_equal(in.open, 0);
}

static void test_rounds(void **state) {
    for (int n = 0; n < 40; n++)
        for (int last = 0; last < 4; last++) check_rounds(n, last, 1 + n % 5);
}

static void test_failure(void **state) {
    input in = {.n_batches = 30, .fails_at = 17};
    rounds *x = rounds_new(&(rounds_config){.ctx = &in, .threads = 3, .turns = 6, .item_new = item_new, .item_free = item_free,
                                            .ahead = item_ahead, .go = item_go, .read = item_read, .work = item_work,
                                            .meet = item_meet});
    wt_err err = {0};
    int got;
    while ((got = rounds_next(x, &err)) > 0) {}
    assert_int_equal(got, -1);
    assert_string_equal(err.text, "batch 17 is bad");
    rounds_free(x);
}

static void test_bytes_travel(void **state) {
    wt_buf bytes = {0};
    pack_bytes(&bytes, "abc", 3);
    pack_bytes(&bytes, NULL, 0);
    pack_bytes(&bytes, "de", 2);
    wt_str view = wt_buf_view(&bytes);
    assert_true(wt_str_eq(unpack_bytes(&view), WT_STR("abc")));
    assert_int_equal(unpack_bytes(&view).len, 0);
    assert_true(wt_str_eq(unpack_bytes(&view), WT_STR("de")));
    assert_int_equal(view.len, 0);
    wt_buf_free(&bytes);
}

/* ---- lines ---- */

enum { BATCH = 5000, PART = 17000 };

static void lines_make(wt_buf *text, uint64_t seed) {
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    for (int i = 0; i < 400; i++) {
        size_t n = wt_rng_below(&rng, i % 97 == 5 ? 30000 : 700);
        for (size_t k = 0; k < n; k++) wt_buf_add_char(text, (char)('a' + wt_rng_below(&rng, 26)));
        wt_buf_add_str(text, i % 9 ? WT_STR("\n") : WT_STR(" \r\n\n"));
    }
}

/* The text in n files, cut at ends of lines; they may lack the last one. */
static wt_paths files_make(wt_str text, size_t n, bool open_end) {
    wt_paths paths = {0};
    wt_err err = {0};
    for (size_t i = 0, at = 0; i < n; i++) {
        char name[32];
        size_t end = i + 1 == n ? text.len : text.len / n * (i + 1);
        while (end > at && text.ptr[end - 1] != '\n') end--;
        snprintf(name, sizeof name, "lines-%zu%s", i, i % 2 ? ".jsonl.zst" : ".jsonl");
        bool cut = open_end && end > at + 1 && text.ptr[end - 2] != '\n';    /* else it were an end of a line, too */
        wt_out *out = wt_out_open(name, &err);
        assert_int_equal(wt_out_write(out, text.ptr + at, end - at - cut, &err), 0);
        assert_int_equal(wt_out_commit(out, &err), 0);
        assert_int_equal(wt_paths_add(&paths, name, WT_JSONL_SUFFIXES, &err), 0);
        at = end;
    }
    return paths;
}

/* The same cut by definition, byte by byte. */
static size_t batch_end(wt_str text, size_t part_at, size_t at, bool *ends_part) {
    size_t in_part = at - part_at, cut = part_at + (in_part / BATCH + 1) * BATCH;
    if (cut > part_at + PART) cut = part_at + PART;
    size_t end = cut - 1;
    while (end < text.len && text.ptr[end] != '\n') end++;
    end = end < text.len ? end + 1 : text.len;
    *ends_part = end - part_at >= PART;
    return end;
}

/* Several readers as ranks are: each takes some of a round's cuts, all meet all batches. What they take is the text cut by definition. */
static void check_lines(wt_str text, size_t n_files, bool open_end, unsigned pattern) {
    enum { RANKS_MOST = 4 };
    wt_paths paths = files_make(text, n_files, open_end);
    lines *in[RANKS_MOST];
    uint64_t n_ranks = 1 + pattern % RANKS_MOST, turns = 1 + pattern / RANKS_MOST % 4;
    lines_batch b = {0};
    lines_place part_begins = {0};
    wt_err err = {0};
    size_t at = 0, part_at = 0;
    uint64_t i_part = 0, cut_before = 0;
    for (uint64_t r = 0; r < n_ranks; r++) in[r] = lines_new(&paths, BATCH, PART);
    while (at < text.len) {
        uint64_t cuts = lines_ahead(in[0]);
        assert_true(cuts >= 1 && cuts <= PART / BATCH + 1);
        if (cuts > turns * n_ranks) cuts = turns * n_ranks;
        wt_buf met = {0};
        size_t n_met = 0;
        for (uint64_t r = 0; r < n_ranks; r++) {
            assert_true(n_ranks == 1 || lines_ahead(in[r]) == lines_ahead(in[0]));
            assert_int_equal(lines_go(in[r], cuts * r / n_ranks, cuts * (r + 1) / n_ranks, &err), 0);
            for (int got; (got = lines_next(in[r], &b, &err)) != 0; n_met++) {
                bool ends_part;
                size_t end = batch_end(text, part_at, at, &ends_part);
                if (got < 0) fail_msg("%s", err.text);
                assert_int_equal(b.n_bytes, end - at);
                assert_int_equal(b.ends_part, ends_part);
                assert_int_equal(b.i_part, i_part);
                assert_int_equal(b.in_part, at - part_at);
                assert_true(at == 0 || b.i_cut > cut_before);
                assert_int_equal(b.bytes.len, end - at);
                assert_memory_equal(b.bytes.ptr, text.ptr + at, end - at);
                lines_split(&b);
                size_t k = 0;
                for (wt_str rest = {text.ptr + at, end - at}, line; rest.len > 0;) {
                    if ((line = wt_str_trim(wt_str_cut(&rest, '\n'))).len == 0) continue;
                    assert_true(k < b.n && wt_str_eq(b.line[k], line));
                    k++;
                }
                assert_int_equal(k, b.n);
                assert_int_equal(lines_bytes(&b, b.n), end - at);
                lines_pack(&b, &met);
                cut_before = b.i_cut;
                at = end;
                if (ends_part) part_at = at, i_part++, part_begins = b.after;
            }
        }
        assert_true(n_met > 0);
        for (uint64_t r = 0; r < n_ranks; r++) {
            wt_str packed = wt_buf_view(&met);
            for (size_t i = 0; i < n_met; i++) {
                lines_unpack(&b, &packed);
                assert_int_equal(lines_meet(in[r], &b, &err), 0);
            }
        }
        wt_buf_free(&met);
        for (uint64_t r = 0; at == part_at && pattern % 2 && r < n_ranks; r++) {   /* as a rerun that begins here */
            lines_free(in[r]);
            in[r] = lines_new(&paths, BATCH, PART);
            lines_begin_at(in[r], part_begins, i_part);
        }
    }
    for (uint64_t r = 0; r < n_ranks; r++) {
        assert_int_equal(lines_go(in[r], r, r + 1, &err), 0);
        assert_int_equal(lines_next(in[r], &b, &err), 0);
        lines_free(in[r]);
    }
    lines_batch_free(&b);
    wt_paths_free(&paths);
}

/* One reader alone has no rounds. */
static void check_lines_alone(wt_str text, size_t n_files) {
    wt_paths paths = files_make(text, n_files, true);
    lines *in = lines_new(&paths, BATCH, PART);
    lines_batch b = {0};
    wt_err err = {0};
    size_t at = 0, part_at = 0;
    while (lines_next(in, &b, &err) > 0) {
        bool ends_part;
        size_t end = batch_end(text, part_at, at, &ends_part);
        assert_int_equal(b.bytes.len, end - at);
        assert_memory_equal(b.bytes.ptr, text.ptr + at, end - at);
        at = end;
        if (ends_part) part_at = at;
    }
    assert_int_equal(at, text.len);
    b.in_part++;
    assert_int_equal(lines_meet(in, &b, &err), -1);   /* nobody was there */
    lines_free(in);
    lines_batch_free(&b);
    wt_paths_free(&paths);
}

static void test_lines(void **state) {
    wt_buf text = {0};
    lines_make(&text, 4);
    for (size_t n_files = 1; n_files < 6; n_files++)
        for (unsigned pattern = 0; pattern < 32; pattern++) check_lines(wt_buf_view(&text), n_files, pattern & 2, pattern);
    for (size_t n_files = 1; n_files < 6; n_files++) check_lines_alone(wt_buf_view(&text), n_files);
    wt_buf_free(&text);
    wt_paths gone = {0};
    wt_err err = {0};
    lines_batch b = {0};
    assert_int_equal(wt_paths_add(&gone, "lines-0.jsonl", WT_JSONL_SUFFIXES, &err), 0);
    remove("lines-0.jsonl");
    lines *in = lines_new(&gone, BATCH, 0);
    assert_int_equal(lines_next(in, &b, &err), -1);
    lines_free(in);
    lines_batch_free(&b);
    wt_paths_free(&gone);
}

static void test_parts(void **state) {
    wt_press *press = wt_press_new(1);
    part_files part;
    wt_err err = {0};
    assert_int_equal(part_open(&part, "nosuch/a.zst", NULL, 3, press, 1, &err), -1);
    assert_int_equal(part_open(&part, "gone.jsonl.zst", "nosuch/b.zst", 3, press, 1, &err), -1);
    assert_false(wt_exists("gone.jsonl.zst") || wt_exists("gone.jsonl.zst.part"));
    assert_int_equal(part_open(&part, "kept.jsonl.zst", "dropped.jsonl.zst", 0, press, 1, &err), 0);
    assert_int_equal(rank_frames_write(part.kept, WT_STR("a line\n"), &err) | part_meet(&part, &err), 0);
    assert_int_equal(part_commit(&part, WT_STR("{}"), &err), 0);
    assert_true(wt_exists("kept.jsonl.zst") && wt_exists("dropped.jsonl.zst") && !part.kept && !part.dropped);
    part_abort(&part);
    wt_press_free(press);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds), cmocka_unit_test(test_failure),
                                       cmocka_unit_test(test_bytes_travel), cmocka_unit_test(test_lines), cmocka_unit_test(test_parts)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

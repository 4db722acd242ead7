/* dedup_rounds.c - rounds of batches on one rank, and frames compressed in turns: the order of the input, each batch worked on
 * once, the bytes of wt_frames. Several ranks are in tests/cmd/dedup_ranks.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/frames.h"
#include "common/fs.h"
#include "common/hash.h"
#include "dedup/rank_frames.h"
#include "dedup/rounds.h"

typedef struct {
    int number, worked;
} batch;

typedef struct {
    int n_batches, read, last_every, fails_at, open;
} input;

static void *item_new(void *ctx) {
    ((input *)ctx)->open++;
    return calloc(1, sizeof(batch));
}
static void item_free(void *ctx, void *item) {
    ((input *)ctx)->open--;
    free(item);
}
static int item_read(void *ctx, void *item, bool mine, bool *last, wt_err *err) {
    input *in = ctx;
    assert_true(mine);
    if (in->read == in->n_batches) return 0;
    *(batch *)item = (batch){in->read++, 0};
    *last = in->last_every && in->read % in->last_every == 0;
    return 1;
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
    rounds *x = rounds_new(&(rounds_config){.ctx = &in, .threads = threads, .item_new = item_new, .item_free = item_free,
                                            .read = item_read, .work = item_work});
    wt_err err = {0};
    int next = 0, got;
    while ((got = rounds_next(x, &err)) > 0) {
        rounds_share(x, never_pack, never_unpack);
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
    rounds *x = rounds_new(&(rounds_config){.ctx = &in, .threads = 3, .item_new = item_new, .item_free = item_free,
                                            .read = item_read, .work = item_work});
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

/* Lines of up to 300 KB, and one of 9 MB. */
static void line_make(wt_buf *line, uint64_t i) {
    size_t words = i == 77 ? 900000 : wt_mix64(i + 1) % 30000;
    line->len = 0;
    for (size_t w = 0; w < words; w++) wt_buf_printf(line, "%08x ", (unsigned)(wt_mix64(i * 7 + w % 900) >> 40));
    wt_buf_add_char(line, '\n');
}

static void check_frames(const char *a, const char *b, uint64_t n_lines) {
    wt_err err = {0};
    wt_press *press = wt_press_new(1);
    wt_frames *alone = wt_frames_open(a, press, &err);
    rank_frames *dealt = rank_frames_open(b, 0, 3, &err);
    wt_buf line = {0}, lines = {0}, x = {0}, y = {0};
    for (uint64_t i = 0; i < n_lines; i++) {
        line_make(&line, i);
        assert_int_equal(wt_frames_write(alone, wt_buf_view(&line), &err), 0);
        wt_buf_add_str(&lines, wt_buf_view(&line));
        if (i % 50 != 7) continue;
        assert_int_equal(rank_frames_write(dealt, wt_buf_view(&lines), &err), 0);
        assert_int_equal(rank_frames_meet(dealt, &err), 0);
        lines.len = 0;
    }
    assert_int_equal(rank_frames_write(dealt, wt_buf_view(&lines), &err), 0);
    assert_int_equal(wt_frames_commit(alone, WT_STR("{}"), &err), 0);
    assert_int_equal(rank_frames_commit(dealt, WT_STR("{}"), &err), 0);
    assert_int_equal(wt_read_file(a, 1 << 30, &x, &err) | wt_read_file(b, 1 << 30, &y, &err), 0);
    assert_true(wt_str_eq(wt_buf_view(&x), wt_buf_view(&y)));
    wt_buf_free(&line), wt_buf_free(&lines), wt_buf_free(&x), wt_buf_free(&y);
    wt_press_free(press);
}

static void test_frames(void **state) {
    check_frames("a.jsonl.zst", "b.jsonl.zst", 160);
    check_frames("none.jsonl.zst", "none2.jsonl.zst", 0);
    check_frames("a.jsonl", "b.jsonl", 9);
    wt_err err = {0};
    assert_null(rank_frames_open("nosuch/a.zst", 0, 1, &err));
    rank_frames_abort(rank_frames_open("gone.jsonl.zst", 0, 1, &err));
    assert_false(wt_exists("gone.jsonl.zst") || wt_exists("gone.jsonl.zst.part"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rounds), cmocka_unit_test(test_failure),
                                       cmocka_unit_test(test_bytes_travel), cmocka_unit_test(test_frames)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* common_pipeline.c - items come out in the order of reading for any number of threads, and what is left to
 * `beside` is done, tasks of `write` once each; the first failure of any station ends the run with its words, after a prefix of the items
 * was written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/pipeline.h"
#include "common/str.h"

typedef struct {
    uint64_t n_items, n_read, n_written, bad_order;
    uint64_t fail_read, fail_work, fail_write;       /* at this item; 0: never */
    int n_new, n_free;
    bool in_place;
    uint64_t left, n_beside;                         /* what `write` leaves to `beside` */
    uint64_t n_shared, bad_tasks;                    /* writes whose tasks were shared */
} run;

typedef struct {
    uint64_t number, value;
    uint32_t done[8];                                /* how often each task was run */
} item;

static void *item_new(void *ctx) {
    ((run *)ctx)->n_new++;
    return wt_xcalloc(1, sizeof(item));
}
static void item_free(void *ctx, void *it) {
    ((run *)ctx)->n_free++;
    free(it);
}
static int read_item(void *ctx, void *it, wt_err *err) {
    run *r = ctx;
    if (r->fail_read && r->n_read + 1 == r->fail_read) return wt_fail(err, WT_EDATA, "read broke");
    if (r->n_read == r->n_items) return 0;
    ((item *)it)->number = ++r->n_read;
    ((item *)it)->value = 0;
    return 1;
}
static int work_item(void *ctx, void *it, int i_thread, wt_err *err) {
    run *r = ctx;
    item *x = it;
    if (x->number == r->fail_work) return wt_fail(err, WT_ELIMIT, "work broke");
    uint64_t spin = wt_mix64(x->number) % 2000;          /* items take times that differ */
    for (volatile uint64_t i = 0; i < spin; i++) {}
    if (spin % 50 == 0) sched_yield();
    x->value = wt_mix64(x->number);
    return 0;
}
static void task(void *ctx, int i) {
    for (volatile uint64_t n = wt_mix64((uint64_t)i) % 500; n > 0; n--) {}
    ((item *)ctx)->done[i]++;
}

/* Up to eight tasks, none for some; twice for one item, as one rule is judged after another. */
static void write_by_tasks(run *r, item *x) {
    for (int n = (int)(x->number % 9), turn = 0; turn < 2; turn++) {
        memset(x->done, 0, sizeof x->done);
        if (!wt_pipeline_tasks(n, task, x)) continue;
        r->n_shared += turn;
        for (int i = 0; i < 8; i++) r->bad_tasks += x->done[i] != (uint32_t)(i < n);
    }
}

static int write_item(void *ctx, void *it, wt_err *err) {
    run *r = ctx;
    item *x = it;
    write_by_tasks(r, x);
    if (x->number == r->fail_write) return wt_fail(err, WT_EIO, "write broke");
    __atomic_fetch_add(&r->left, 1, __ATOMIC_RELAXED);
    r->bad_order += x->number != ++r->n_written || x->value != wt_mix64(x->number);
    return 0;
}

static void beside(void *ctx) {
    run *r = ctx;
    __atomic_fetch_add(&r->n_beside, __atomic_exchange_n(&r->left, 0, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
}

static int go(run *r, int threads, wt_err *err) {
    return wt_pipeline_run(&(wt_pipeline){.ctx = r, .threads = threads, .in_place = r->in_place,
                                          .n_slots = threads == 5 ? 3 : 0, .item_new = item_new,
                                          .item_free = item_free, .read = read_item, .work = work_item, .write = write_item, .beside = beside}, err);
}

static const int THREADS[] = {1, 2, 5};

static void order_is_that_of_reading(void **state) {
    static const uint64_t counts[] = {0, 1, 2, 7, 5000};
    for (int t = 0; t < 3; t++)
        for (int c = 0; c < 10; c++) {
            run r = {.n_items = counts[c / 2], .in_place = c % 2};
            assert_int_equal(go(&r, THREADS[t], NULL), 0);
            assert_int_equal(r.n_written, counts[c / 2]);
            assert_int_equal(r.bad_order, 0);
            assert_int_equal(r.n_beside + r.left, counts[c / 2]);
            if (r.in_place) assert_int_equal(r.left, 0);     /* each write is followed by it */
            assert_int_equal(r.n_shared, r.in_place && THREADS[t] > 1 ? counts[c / 2] : 0);
            assert_int_equal(r.bad_tasks, 0);
            assert_true(r.n_new == r.n_free && r.n_new > 0);
        }
}

static void the_first_failure_ends_the_run(void **state) {
    static const char *const words[] = {"read broke", "work broke", "write broke"};
    for (int t = 0; t < 3; t++)
        for (int station = 0; station < 3; station++)
            for (uint64_t at = 1; at <= 400; at += 57) {
                run r = {.n_items = 1000, .in_place = at % 2, .fail_read = station == 0 ? at : 0,
                         .fail_work = station == 1 ? at : 0, .fail_write = station == 2 ? at : 0};
                wt_err err = {0};
                assert_int_equal(go(&r, THREADS[t], &err), -1);
                assert_string_equal(err.text, words[station]);
                assert_true(r.n_written < at && r.bad_order == 0 && r.bad_tasks == 0);
                assert_int_equal(r.n_new, r.n_free);
            }
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_that_of_reading),
        cmocka_unit_test(the_first_failure_ends_the_run),
    };
    return cmocka_run_group_tests_name("common_pipeline", tests, NULL, NULL);
}

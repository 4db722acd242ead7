/* crawl_frontier.c - the frontier under a fake clock: nobody is asked too early, nothing is lost or
 * given twice, the largest host never stands still, busy hosts rest, dead ones are parked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/rng.h"
#include "crawl/frontier.h"

static const frontier_options polite = {.per_host = 1, .delay_s = 2, .delay_max_s = 60, .slow_factor = 3,
                                        .backoff_s = 30, .backoff_max_s = 3600, .dead_after = 5, .seed = 1};

/* Crawls n_items of hosts of very different sizes, checking each turn. */
static void simulate(const frontier_options *o, int n_hosts, int n_items, int n_conns) {
    enum { MAX = 4096 };
    frontier *f = frontier_new(o);
    wt_rng rng;
    static double ended[MAX], started[MAX];
    static int in_flight[MAX], seen[MAX * 4], host_of[MAX * 4];
    struct { uint32_t host; double end, took; } run[256];
    int n_run = 0, n_done = 0;
    double now = 100;
    memset(seen, 0, sizeof seen);
    memset(in_flight, 0, sizeof in_flight);
    wt_rng_init(&rng, 3, 0);
    for (int h = 0; h < MAX; h++)
        ended[h] = started[h] = -1e9;
    for (int i = 0; i < n_items; i++) {
        uint64_t a = wt_rng_below(&rng, (uint64_t)n_hosts), b = wt_rng_below(&rng, a + 1);
        host_of[i] = (int)b;                           /* small numbers have more */
        frontier_add(f, (uint32_t)b, (uint32_t)i);
    }
    while (frontier_pending(f) || n_run) {
        uint32_t host, item;
        while (n_run < n_conns && frontier_take(f, now, &host, &item)) {
            assert_int_equal(host_of[item], (int)host);
            assert_int_equal(seen[item]++, 0);
            assert_true(++in_flight[host] <= o->per_host);
            if (o->per_host == 1)
                assert_true(now - ended[host] >= o->delay_s - 1e-9);
            else
                assert_true(now - started[host] >= o->delay_s - 1e-9);
            started[host] = now;
            run[n_run].host = host;
            run[n_run].took = 0.05 + 0.2 * wt_rng_double(&rng);
            run[n_run].end = now + run[n_run].took;
            n_run++;
        }
        double next = n_run < n_conns ? frontier_next_time(f, now) : INFINITY;
        for (int i = 0; i < n_run; i++)
            next = run[i].end < next ? run[i].end : next;
        assert_true(isfinite(next));
        now = next > now ? next : now;
        for (int i = 0; i < n_run; i++)
            if (run[i].end <= now) {
                ended[run[i].host] = now;
                in_flight[run[i].host]--;
                frontier_done(f, run[i].host, now, FRONTIER_ANSWERED, run[i].took, -1);
                run[i--] = run[--n_run];
                n_done++;
            }
    }
    assert_int_equal(n_done, n_items);
    frontier_free(f);
}

static void manners_hold_in_a_simulated_crawl(void **state) {
    simulate(&polite, 40, 3000, 8);
    simulate(&polite, 1000, 3000, 200);
    frontier_options two = polite;
    two.per_host = 2;
    simulate(&two, 40, 3000, 8);
    frontier_options none = polite;
    none.delay_s = none.slow_factor = 0;
    simulate(&none, 40, 3000, 8);
}

/* One host with 100 items beside 100 with 3, and two connections: the crawl may not be longer than the
 * large host alone must be, for the small ones fit into its rests. */
static void the_largest_host_never_waits(void **state) {
    frontier_options o = polite;
    o.slow_factor = 0;
    frontier *f = frontier_new(&o);
    uint32_t item = 0, host;
    struct { uint32_t host; double end; } run[2];
    int n_run = 0;
    double now = 0;
    for (uint32_t h = 1; h <= 100; h++)
        for (int i = 0; i < 3; i++)
            frontier_add(f, h, item++);
    for (int i = 0; i < 100; i++)
        frontier_add(f, 0, item++);
    while (frontier_pending(f) || n_run) {
        while (n_run < 2 && frontier_take(f, now, &host, &item)) {
            run[n_run].host = host;
            run[n_run++].end = now + 0.5;
        }
        double next = n_run < 2 ? frontier_next_time(f, now) : INFINITY;
        for (int i = 0; i < n_run; i++)
            next = run[i].end < next ? run[i].end : next;
        now = next;
        for (int i = 0; i < n_run; i++)
            if (run[i].end <= now) {
                frontier_done(f, run[i].host, now, FRONTIER_ANSWERED, 0.5, -1);
                run[i--] = run[--n_run];
            }
    }
    frontier_free(f);
    assert_true(now <= 100 * 2.5 + 100 * 0.5);         /* it may wait for one transfer, never for a queue */
    assert_true(now >= 99 * 2.5);
}

static void busy_hosts_rest_as_they_ask(void **state) {
    frontier *f = frontier_new(&polite);
    uint32_t host, item;
    for (uint32_t i = 0; i < 9; i++)
        frontier_add(f, 0, i);
    double now = 0;
    assert_true(frontier_take(f, now, &host, &item));
    frontier_done(f, 0, now, FRONTIER_BUSY, 0.1, 120);          /* Retry-After: 120 */
    assert_false(frontier_take(f, 119.9, &host, &item));
    assert_true(frontier_take(f, 120.1, &host, &item));
    assert_int_equal(item, 1);
    frontier_done(f, 0, 120.1, FRONTIER_BUSY, 0.1, -1);         /* the second in a row: 60 to 90 s */
    assert_true(frontier_until(f, 0) >= 180 && frontier_until(f, 0) <= 211);
    assert_true(frontier_take(f, 300, &host, &item));
    frontier_done(f, 0, 300, FRONTIER_ANSWERED, 5, -1);         /* slow: three times as long */
    assert_true(fabs(frontier_until(f, 0) - 315) < 1e-6);
    assert_int_equal(frontier_failures(f, 0), 0);
    frontier_set_crawl_delay(f, 0, 100);
    assert_true(frontier_take(f, 320, &host, &item));
    frontier_done(f, 0, 320, FRONTIER_ANSWERED, 0.1, -1);
    assert_true(fabs(frontier_until(f, 0) - 420) < 1e-6);
    frontier_free(f);
}

static void dead_hosts_are_parked(void **state) {
    frontier *f = frontier_new(&polite);
    uint32_t host, item;
    double now = 0;
    for (uint32_t i = 0; i < 10; i++)
        frontier_add(f, 3, i);
    for (int n = 1; n <= 5; n++) {
        now = frontier_next_time(f, now);
        assert_true(frontier_take(f, now, &host, &item));
        frontier_add_front(f, host, item | 0x80000000u);
        assert_int_equal(frontier_done(f, host, now, FRONTIER_UNREACHED, 1, -1), n == 5);
    }
    assert_true(frontier_parked(f, 3));
    assert_false(frontier_take(f, now + 1e6, &host, &item));
    int n = 0;
    for (; frontier_drain(f, 3, &item); n++)
        ;
    assert_int_equal(n, 10);
    assert_int_equal(frontier_pending(f), 0);
    assert_true(isinf(frontier_next_time(f, now)));
    frontier_free(f);
}

static void held_hosts_and_fronts(void **state) {
    frontier *f = frontier_new(&polite);
    uint32_t host, item;
    frontier_add(f, 0, 5);
    frontier_add_front(f, 0, 0x80000001u);
    frontier_hold(f, 0);
    assert_false(frontier_take(f, 10, &host, &item));
    frontier_add_urgent(f, 0, 0x80000002u);
    assert_true(frontier_take(f, 10, &host, &item));            /* even while held */
    assert_int_equal(item, 0x80000002u);
    frontier_done(f, 0, 10, FRONTIER_UNASKED, 0, -1);
    assert_false(frontier_take(f, 10, &host, &item));
    frontier_release(f, 0);
    assert_true(frontier_take(f, 10, &host, &item));
    assert_int_equal(item, 0x80000001u);
    frontier_done(f, 0, 10, FRONTIER_UNASKED, 0, -1);           /* no rest is owed */
    assert_true(frontier_take(f, 10, &host, &item));
    assert_int_equal(item, 5);
    frontier_restore(f, 7, 50, 2);
    frontier_add(f, 7, 6);
    assert_false(frontier_take(f, 49, &host, &item));
    assert_true(frontier_take(f, 50, &host, &item));
    frontier_free(f);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manners_hold_in_a_simulated_crawl), cmocka_unit_test(the_largest_host_never_waits),
        cmocka_unit_test(busy_hosts_rest_as_they_ask), cmocka_unit_test(dead_hosts_are_parked),
        cmocka_unit_test(held_hosts_and_fronts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

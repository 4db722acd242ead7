/* crawl_ranks.c - the manners towards an address that many hosts share, under a fake clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "crawl/crawler_impl.h"

enum { HOSTS = 200 };

/* 200 hosts at one address, each with one page of 3 s; delay 2: a start each 0.25 s at most, 4 at once. */
static void a_shared_address_is_not_overrun(void **state) {
    crawler c = {.options = {.delay_s = 2, .per_host = 1}};
    host_info info[HOSTS] = {0};
    static job jobs[HOSTS];
    double again[HOSTS] = {0}, ends[HOSTS], last = -1, now = 0;
    bool started[HOSTS] = {0}, ended[HOSTS] = {0};
    int n_started = 0, n_running = 0, n_asked = 0;
    c.info = info;
    for (uint32_t h = 0; h < HOSTS; h++) {
        jobs[h] = (job){.host = h};
        snprintf(jobs[h].address, sizeof jobs[h].address, "198.51.100.7");
    }
    for (; n_started < HOSTS && now < 1000; now += 0.01) {
        for (int h = 0; h < HOSTS; h++) {
            if (started[h] && !ended[h] && now >= ends[h]) {
                ip_turn_end(&c, &jobs[h]);
                ended[h] = true;
                n_running--;
            }
            if (started[h] || now < again[h])
                continue;
            n_asked++;
            if (!ip_turn_begin(&c, &jobs[h], now)) {
                assert_true(info[h].ip_turn > now);
                again[h] = info[h].ip_turn;
                continue;
            }
            assert_true(now - last >= 0.25 - 0.011);
            last = now;
            started[h] = true;
            ends[h] = now + 3;
            n_started++;
            assert_true(++n_running <= 4);
        }
    }
    assert_int_equal(n_started, HOSTS);
    assert_true(now < HOSTS * 3.0 / 4 * 1.6);          /* near what four at once can do */
    assert_true(n_asked < HOSTS * HOSTS / 4);          /* promises keep the asking down */
    free(c.ip);
}

static void others_are_not_held_up(void **state) {
    crawler c = {.options = {.delay_s = 2, .per_host = 1}};
    host_info info[3] = {0};
    static job jobs[3];
    c.info = info;
    for (uint32_t h = 0; h < 3; h++) {
        jobs[h] = (job){.host = h};
        snprintf(jobs[h].address, sizeof jobs[h].address, h == 2 ? "2001:db8:1:2::%x" : "2001:db8:1:%x::1", h);
    }
    assert_true(ip_turn_begin(&c, &jobs[0], 1));
    assert_true(ip_turn_begin(&c, &jobs[1], 1));       /* another /64 */
    assert_true(ip_turn_begin(&c, &jobs[2], 1));
    jobs[0].detoured = true, jobs[0].ip = 0;
    assert_true(ip_turn_begin(&c, &jobs[0], 1));       /* --connect-to */
    c.options.delay_s = 0;
    jobs[1].ip = 0;
    assert_true(ip_turn_begin(&c, &jobs[1], 1));       /* no manners asked for */
    free(c.ip);
}

static void hosts_fall_to_ranks_evenly(void **state) {
    crawler c = {.n_ranks = 4};
    int n[4] = {0};
    for (int i = 0; i < 4000; i++) {
        char name[32];
        n[rank_of_host(&c, (wt_str){name, (size_t)snprintf(name, sizeof name, "h%d.example.com", i)})]++;
    }
    for (int r = 0; r < 4; r++)
        assert_in_range(n[r], 850, 1150);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_shared_address_is_not_overrun),
                                       cmocka_unit_test(others_are_not_held_up),
                                       cmocka_unit_test(hosts_fall_to_ranks_evenly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

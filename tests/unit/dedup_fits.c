/* dedup_fits.c - whether filters fit into the memory of a machine: on several machines each holds its ranks' share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dedup/dedup_impl.h"

/* The bytes from which on the rules fit. */
static uint64_t needed(const dedup_rules *rules, int here, int all) {
    uint64_t low = 1, high = (uint64_t)1 << 50;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (dedup_fits(rules, middle, (ranks_here){here, all}, NULL) == 0) high = middle;
        else low = middle + 1;
    }
    return low;
}

static dedup_rules rules_make(bool near, uint64_t expect) {
    dedup_rules rules = dedup_rules_default();
    wt_err err = {0};
    rules.near = near;
    rules.expect = expect;
    assert_int_equal(dedup_rules_check(&rules, &err), 0);
    return rules;
}

/* Filters of a set are 16, dealt in turns: of 3 ranks the first holds 6. */
static void each_machine_holds_its_share(void **state) {
    static const struct {
        int here, all;
        double share;
    } cases[] = {{1, 1, 1}, {2, 2, 1}, {3, 3, 1}, {1, 2, 0.5}, {2, 4, 0.5}, {1, 3, 6.0 / 16}, {2, 3, 12.0 / 16}, {1, 16, 1.0 / 16},
                 {1, 100, 1.0 / 16}, {4, 100, 4.0 / 16}};
    dedup_rules exact = rules_make(false, 1000000000), near = rules_make(true, 1000000000);
    double whole = (double)needed(&exact, 1, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double part = (double)needed(&exact, cases[i].here, cases[i].all) / whole;
        assert_true(part > cases[i].share * 0.9999 && part < cases[i].share * 1.0001);
    }
    double half = (double)needed(&near, 1, 2) / (double)needed(&near, 1, 1);
    assert_true(half >= 0.4999 && half < 0.51);
    assert_int_equal(dedup_fits(&near, 0, (ranks_here){1, 1}, NULL), 0);       /* not known how much is free */
}

static void refused_with_what_would_fit(void **state) {
    dedup_rules rules = rules_make(true, 1000000000);
    wt_err err = {0};
    uint64_t bytes_free = needed(&rules, 1, 2) - 1;
    unsigned long long expect = 0;
    assert_int_equal(dedup_fits(&rules, bytes_free, (ranks_here){1, 2}, &err), -1);
    assert_int_equal(err.code, WT_ENOMEM);
    assert_non_null(strstr(err.text, "on this machine"));
    const char *words = strstr(err.text, "; for ");
    assert_true(words && sscanf(words, "; for %llu documents they fit", &expect) == 1 && expect > 500000000);
    rules.expect = expect;
    assert_int_equal(dedup_fits(&rules, bytes_free, (ranks_here){1, 2}, &err), 0);
    assert_int_equal(dedup_fits(&rules, bytes_free, (ranks_here){2, 2}, &err), -1);
    assert_null(strstr(err.text, "on this machine"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_machine_holds_its_share), cmocka_unit_test(refused_with_what_would_fit)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

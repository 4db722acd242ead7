/* common_unicode.c - the class and case tables against the Unicode 16.0 database. The counts are
 * from tests/ref/unicode_tables.py --counts (unicodedata2 16.0.0). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/unicode.h"

static void counts_of_all_classes(void **state) {
    static const unsigned expected[9] = {968647, 1858, 2258, 31, 404, 136477, 2501, 1911, 25};
    unsigned n[16] = {0}, spaceless = 0, cased = 0;
    int64_t sum = 0;
    for (uint32_t cp = 0; cp < 0x110000; cp++) {
        n[wt_uc_class_of(cp)]++;
        spaceless += wt_uc_is_spaceless(cp);
        int64_t delta = (int64_t)wt_uc_lower(cp) - cp;
        cased += delta != 0;
        sum += cp * delta;
    }
    for (int c = 0; c < 9; c++)
        assert_int_equal(n[c], expected[c]);
    assert_int_equal(spaceless, 109167);
    assert_int_equal(cased, 1460);
    assert_true(sum == -9137676736);
}

static void white_space_is_the_25(void **state) {
    static const uint32_t not_space[] = {0x1C, 0x1F, 0x180E, 0x200B, 0x2060, 0xFEFF};
    for (int i = 0; i < 6; i++)
        assert_int_not_equal(wt_uc_class_of(not_space[i]), WT_UC_SPACE);
    static const uint32_t space[] = {9, 13, 32, 0x85, 0xA0, 0x1680, 0x2000, 0x200A, 0x2028, 0x3000};
    for (int i = 0; i < 10; i++)
        assert_int_equal(wt_uc_class_of(space[i]), WT_UC_SPACE);
}

static void letters_new_in_15_and_16(void **state) {
    assert_int_equal(wt_uc_class_of(0x1C89), WT_UC_LU);      /* 16.0: Cyrillic capital Tje */
    assert_int_equal(wt_uc_lower(0x1C89), 0x1C8A);
    assert_int_equal(wt_uc_lower(0xA7CB), 0x264);            /* to a letter that is older */
    assert_int_equal(wt_uc_lower(0x10D50), 0x10D70);         /* Garay */
    assert_int_equal(wt_uc_class_of(0x16D40), WT_UC_LM);     /* Kirat Rai */
    assert_int_equal(wt_uc_class_of(0xA7CE), WT_UC_OTHER);   /* 17.0 only */
}

static void case_and_limits(void **state) {
    assert_int_equal(wt_uc_lower('A'), 'a');
    assert_int_equal(wt_uc_lower(0x130), 'i');
    assert_int_equal(wt_uc_lower(0x1C5), 0x1C6);             /* title case */
    assert_int_equal(wt_uc_lower(0x110000), 0x110000);
    assert_int_equal(wt_uc_class_of(UINT32_MAX), WT_UC_OTHER);
    assert_int_equal(wt_uc_class_of(0xD800), WT_UC_OTHER);
}

static void spaceless_scripts(void **state) {
    static const uint32_t yes[] = {0x4E00, 0x3042, 0x30FC, 0x3005, 0xE01, 0xE81, 0x1780, 0x1000};
    for (int i = 0; i < 8; i++)
        assert_true(wt_uc_is_spaceless(yes[i]));
    static const uint32_t no[] = {'a', ' ', 0xAC00, 0x3001, 0x905};  /* Korean writes spaces */
    for (int i = 0; i < 5; i++)
        assert_false(wt_uc_is_spaceless(no[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_all_classes), cmocka_unit_test(white_space_is_the_25),
        cmocka_unit_test(letters_new_in_15_and_16), cmocka_unit_test(case_and_limits),
        cmocka_unit_test(spaceless_scripts),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

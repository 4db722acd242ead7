/* dedup_words.c - word hashes and n-gram keys: the fast tokeniser equals the plain one on text of all
 * kinds, boundaries equal those that uniseg, another implementation of UAX #29, finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "common/rng.h"
#include "dedup/words_impl.h"
#include "tests/ref/dedup_words_golden.h"

static void expect_words(words_rule rule, const char *text, const char *const *words, size_t n) {
    u64_list got = {0};
    words_hash(rule, wt_str_of(text), &got);
    if (got.n != n) fail_msg("%zu words and not %zu in '%s'", got.n, n, text);
    for (size_t i = 0; i < n; i++)
        if (got.at[i] != word_hash(words[i], strlen(words[i]))) fail_msg("word %zu of '%s' is not '%s'", i, text, words[i]);
    free(got.at);
}

static void rules_split_as_they_say(void **state) {
    expect_words(WORDS_ALNUM, "Don't stop_me now, 42nd!", (const char *[]){"don", "t", "stop", "me", "now", "42nd"}, 6);
    expect_words(WORDS_ALNUM, "Ünïcode ÉTÉ—said\xe2\x80\x9cyes\xe2\x80\x9d", (const char *[]){"ünïcode", "été", "said", "yes"}, 4);
    expect_words(WORDS_ALNUM, "漢字 and x漢", (const char *[]){"漢", "字", "and", "x", "漢"}, 5);
    expect_words(WORDS_ALNUM, "bad\xff\xfeutf8\xc3", (const char *[]){"bad", "utf8"}, 2);
    expect_words(WORDS_WHITESPACE, "  Don't\tstop\xc2\xa0it\n", (const char *[]){"Don't", "stop", "it"}, 3);
    expect_words(WORDS_CHARS, "Aé 字", (const char *[]){"a", "é", "字"}, 3);
    expect_words(WORDS_ALNUM, " .,;- ", NULL, 0);
    expect_words(WORDS_ALNUM, "", NULL, 0);
    /* longer than 16, 64 and 512 bytes */
    char word[700];
    for (size_t n = 1; n < sizeof word - 1; n += n < 70 ? 1 : 97) {
        u64_list a = {0}, b = {0};
        for (size_t i = 0; i < n; i++) word[i] = (char)('A' + i % 26);
        words_hash(WORDS_ALNUM, (wt_str){word, n}, &a);
        words_hash_plain(WORDS_ALNUM, (wt_str){word, n}, &b);
        assert_int_equal(a.n, 1);
        assert_int_equal(a.at[0], b.at[0]);
        free(a.at), free(b.at);
    }
}

static void unicode_boundaries_are_those_of_uniseg(void **state) {
    for (size_t c = 0; c < sizeof GOLDEN_WORDS / sizeof *GOLDEN_WORDS; c++) {
        const char *const *words = GOLDEN_WORDS[c].words;
        size_t n = 0;
        while (words[n]) n++;
        expect_words(WORDS_UAX29, GOLDEN_WORDS[c].text, words, n);
    }
}

static void random_text(wt_rng *rng, char *text, size_t n) {
    static const char *const pieces[] = {"the ", "of", " ", "  ", "\n", "A", "Zz", "0", "9x", "_", "-", "'", "é", "É",
                                         "\xe2\x80\x99", "\xe2\x80\x94", "漢", "ไทย", "\xcc\x81", "\xc2\xa0", "\xe3\x80\x80",
                                         "\xff", "\xc3", "\xf0\x9f\x98\x80", "Supercalifragilisticexpialidocious", "\t", "\r"};
    for (size_t at = 0; at < n;) {
        const char *p = pieces[wt_rng_below(rng, sizeof pieces / sizeof *pieces)];
        size_t len = strlen(p) < n - at ? strlen(p) : n - at;
        memcpy(text + at, p, len);
        at += len;
    }
}

static void same_lists(words_rule rule, const char *text, size_t n) {
    u64_list fast = {0}, plain = {0};
    char *copy = malloc(n + 1);                       /* so that a byte too far is a fault of ASan's */
    memcpy(copy, text, n);
    words_hash(rule, (wt_str){copy, n}, &fast);
    words_hash_plain(rule, (wt_str){copy, n}, &plain);
    assert_int_equal(fast.n, plain.n);
    if (fast.n) assert_memory_equal(fast.at, plain.at, fast.n * sizeof *fast.at);
    free(copy), free(fast.at), free(plain.at);
}

static void fast_equals_plain(void **state) {
    static char text[20000];
    wt_rng rng;
    for (int round = 0; round < 3000; round++) {
        wt_rng_init(&rng, 1, (uint64_t)round);
        size_t n = wt_rng_below(&rng, round % 10 == 0 ? sizeof text : 300);
        random_text(&rng, text, n);
        same_lists(round % 2 ? WORDS_ALNUM : WORDS_WHITESPACE, text, n);
    }
    /* runs that fill the window, and lengths around it */
    memset(text, 'x', sizeof text);
    for (size_t n = 4000; n < 4300; n++) same_lists(WORDS_ALNUM, text, n);
    for (size_t n = 8100; n < 8300; n += 7) {
        text[n / 2] = ' ';
        same_lists(WORDS_ALNUM, text, n);
        text[n / 2] = 'x';
    }
    for (int i = 0; i < 3000; i++) text[3 * i] = '\xe6', text[3 * i + 1] = '\xbc', text[3 * i + 2] = '\xa2';
    for (size_t n = 4080; n < 4200; n++) same_lists(WORDS_ALNUM, text, n);
}

static void masks_agree(void **state) {
    char block[64 * 4];
    uint64_t plain[4], fast[4];
    for (int round = 0; round < 256; round++) {
        for (int i = 0; i < 256; i++) block[i] = (char)(i * 7 + round * 31 + (i * i) / 5);
        for (int run = RUN_ALNUM; run <= RUN_WHITESPACE; run++) {
            for (int i = 0; i < 4; i++) plain[i] = run_mask_plain(block + 64 * i, run);
            if (__builtin_cpu_supports("avx2")) {
                runs_find_avx2(block, 4, run, fast);
                assert_memory_equal(fast, plain, sizeof plain);
            }
            if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) {
                runs_find_avx512(block, 4, run, fast);
                assert_memory_equal(fast, plain, sizeof plain);
            }
        }
    }
}

static void ngram_keys_are_those_of_their_words(void **state) {
    uint64_t words[200];
    wt_rng rng;
    wt_rng_init(&rng, 3, 0);
    for (int i = 0; i < 200; i++) words[i] = wt_rng_u64(&rng);
    memcpy(words + 100, words + 20, 30 * sizeof *words);       /* a repeat */
    for (int n = 1; n <= 14; n++) {
        u64_list keys = {0}, one = {0};
        words_ngrams(words, 200, n, &keys);
        assert_int_equal(keys.n, 200 - n + 1);
        for (size_t i = 0; i < keys.n; i++) {
            one.n = 0;
            words_ngrams(words + i, (size_t)n, n, &one);
            assert_int_equal(one.at[0], keys.at[i]);
        }
        assert_int_equal(keys.at[100], keys.at[20]);
        assert_int_not_equal(keys.at[99], keys.at[19]);
        words_ngrams(words, (size_t)n - 1, n, &keys);
        assert_int_equal(keys.n, 200 - n + 1);
        free(keys.at), free(one.at);
    }
    assert_int_not_equal(words_key(words, 0), words_key(words, 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_split_as_they_say), cmocka_unit_test(unicode_boundaries_are_those_of_uniseg),
        cmocka_unit_test(fast_equals_plain),       cmocka_unit_test(masks_agree),
        cmocka_unit_test(ngram_keys_are_those_of_their_words),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

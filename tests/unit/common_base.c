/* common_base.c - slices, buffers, arena, UTF-8, hashes and random numbers against published vectors,
 * naive twins and inverses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/rng.h"
#include "common/utf8.h"

static void slices(void **state) {
    wt_str s = WT_STR(" \ta,b,,c\r\n");
    wt_str t = wt_str_trim(s), rest = t;
    assert_true(wt_str_eq(t, WT_STR("a,b,,c")) && wt_str_trim(WT_STR(" \n ")).len == 0);
    static const char *const parts[] = {"a", "b", "", "c"};
    for (int i = 0; i < 4; i++) assert_true(wt_str_eq(wt_str_cut(&rest, ','), wt_str_of(parts[i])));
    assert_int_equal(rest.len, 0);
    assert_true(wt_str_eq_nocase(WT_STR("Content-TYPE"), WT_STR("content-type")) && !wt_str_eq_nocase(WT_STR("a["), WT_STR("a{")));
    assert_true(wt_str_starts_nocase(WT_STR("Text/Plain; x"), WT_STR("text/plain")) && !wt_str_starts_nocase(WT_STR("text"), WT_STR("text/plain")));
    assert_true(wt_str_holds_nocase(WT_STR("myComments-2"), WT_STR("comment")) && !wt_str_holds_nocase(WT_STR("comm"), WT_STR("comment")) && !wt_str_holds_nocase(WT_STR(""), WT_STR("a")));
    assert_true(wt_str_starts(t, WT_STR("a,")) && !wt_str_starts(WT_STR("a"), WT_STR("ab")) && wt_str_ends(t, WT_STR(",c")));
    assert_int_equal(wt_str_find(t, WT_STR(",,")), 3);
    assert_int_equal(wt_str_find(t, WT_STR("d")), -1);
    assert_int_equal(wt_str_find(t, WT_STR("")), 0);
    assert_true(wt_str_cmp(WT_STR("a"), WT_STR("ab")) < 0 && wt_str_cmp(WT_STR("\xff"), WT_STR("a")) > 0 && wt_str_cmp(t, t) == 0);
    assert_true(wt_str_eq((wt_str){NULL, 0}, WT_STR("")));
}

static void buffers_grow_and_end_in_nul(void **state) {
    wt_buf b = {0};
    for (int i = 0; i < 100000; i++) {
        wt_buf_add_char(&b, (char)('a' + i % 26));
        if (i % 1000 == 0) assert_int_equal(b.ptr[b.len], 0);
    }
    wt_buf_printf(&b, "%s-%d", "tail", 7);
    assert_int_equal(b.len, 100006);
    assert_string_equal(b.ptr + 100000, "tail-7");
    wt_buf_clear(&b);
    for (int i = 0; i < 50; i++) wt_buf_printf(&b, "%0200d", i);      /* longer than any first guess */
    assert_int_equal(b.len, 10000);
    wt_buf_free(&b);
    assert_null(b.ptr);
    wt_buf_free(&b);
}

static void replacing_goes_left_to_right(void **state) {
    wt_buf b = {0};
    wt_buf_replace(&b, "a", "b");
    assert_int_equal(b.len, 0);
    wt_buf_add(&b, "aaa b aa", 8);
    wt_buf_replace(&b, "aa", "x");
    assert_string_equal(b.ptr, "xa b x");
    wt_buf_replace(&b, "x", "xx");                 /* what was put in is not looked at again */
    assert_string_equal(b.ptr, "xxa b xx");
    wt_buf_free(&b);
}

static void arena_hands_out_memory_that_does_not_overlap(void **state) {
    enum { N = 2000 };
    wt_arena *arena = wt_arena_new(1000);
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    for (int round = 0; round < 3; round++) {
        unsigned char *p[N];
        size_t n[N];
        for (int i = 0; i < N; i++) {
            n[i] = wt_rng_below(&rng, i % 100 ? 300 : 5000);
            p[i] = i % 2 ? wt_arena_alloc(arena, n[i]) : wt_arena_zalloc(arena, n[i]);
            assert_int_equal((uintptr_t)p[i] % 16, 0);
            for (size_t k = 0; i % 2 == 0 && k < n[i]; k++) assert_int_equal(p[i][k], 0);
            memset(p[i], i & 255, n[i]);
        }
        for (int i = 0; i < N; i++)
            for (size_t k = 0; k < n[i]; k++)
                if (p[i][k] != (i & 255)) fail_msg("block %d was overwritten", i);
        assert_true(wt_arena_bytes(arena) > 0);
        wt_arena_reset(arena);
    }
    wt_str copy = wt_arena_copy(arena, WT_STR("abc"));
    assert_string_equal(copy.ptr, "abc");
    assert_string_equal(wt_arena_printf(arena, "%d %s", 5, "x"), "5 x");
    wt_arena_free(arena);
    wt_arena_free(NULL);
}

static void big_blocks_fail_with_words(void **state) {
    wt_err err = {0};
    char *p = wt_big_alloc(5 << 20, "a test table", &err);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % (2 << 20), 0);
    for (size_t i = 0; i < 5 << 20; i += 4096) assert_int_equal(p[i], 0);
    wt_big_free(p, 5 << 20);
    assert_null(wt_big_alloc((size_t)1 << 55, "a filter for 2e15 keys", &err));
    assert_int_equal(err.code, WT_ENOMEM);
    assert_non_null(strstr(err.text, "a filter for 2e15 keys"));
    assert_true(wt_memory_available() > 1 << 20 && wt_memory_peak() > 1 << 20 && wt_cpu_count() >= 1);
}

static void every_code_point_encodes_and_decodes(void **state) {
    for (uint32_t cp = 0; cp < 0x110100; cp++) {
        char bytes[4];
        uint32_t back;
        int n = wt_utf8_encode(cp, bytes);
        bool good = cp < 0x110000 && !(cp >= 0xd800 && cp < 0xe000);
        assert_int_equal(wt_utf8_decode(bytes, bytes + n, &back), n);
        assert_int_equal(back, good ? cp : 0xfffd);
        for (int cut = 1; cut < n; cut++) assert_int_equal(wt_utf8_decode(bytes, bytes + cut, &back), 0);
        assert_int_equal(wt_utf8_complete((wt_str){bytes, (size_t)n}), n);
        for (int cut = 1; cut < n; cut++) assert_int_equal(wt_utf8_complete((wt_str){bytes, (size_t)cut}), 0);
    }
}

/* Tables 3-8 to 3-11 of the Unicode Standard 16: one U+FFFD for each maximal subpart. */
static void bad_bytes_are_replaced_by_maximal_subparts(void **state) {
    assert_true(wt_utf8_valid((wt_str){NULL, 0}));
#define R "\xef\xbf\xbd"
    static const char *const cases[][2] = {
        {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A"},
        {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", R R R R R R R R "A"},
        {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", R R R R R "A" R R "B"},
        {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A"},
        {"a\xf1\x80\x80\xe1\x80\xc2" "b\x80" "c\x80\xbf" "d", "a" R R R "b" R "c" R R "d"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wt_buf out = {0};
        assert_false(wt_utf8_valid(wt_str_of(cases[i][0])));
        wt_utf8_repair(&out, wt_str_of(cases[i][0]));
        assert_string_equal(out.ptr, cases[i][1]);
        assert_true(wt_utf8_valid(wt_buf_view(&out)));
        wt_buf_free(&out);
    }
}

static void hashes_equal_their_published_vectors(void **state) {
    uint8_t digest[32];
    char text[65];
    wt_digest *d = wt_digest_new(WT_SHA1);
    wt_digest_add(d, "a", 1), wt_digest_add(d, "bc", 2);
    assert_int_equal(wt_digest_end(d, digest), 20);
    wt_hex(digest, 20, text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");       /* FIPS 180-4 */
    assert_int_equal(wt_digest_end(d, digest), 20);                                  /* ready again */
    wt_base32(digest, 20, text);
    assert_string_equal(text, "3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ");
    wt_digest_free(d);
    wt_sha256("abc", 3, digest);
    wt_hex(digest, 32, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    wt_base32((const uint8_t *)"foobar", 6, text);
    assert_string_equal(text, "MZXW6YTBOI");                                        /* RFC 4648 */
    assert_true(wt_xxh64("", 0, 0) == 0xef46db3751d8e999u && wt_xxh64("abc", 3, 0) == 0x44bc2cf5ad770999u);
    assert_true(wt_hash64("", 0, 0) == 0x2d06800538d394c2u);
    wt_hash128 h = wt_hash128_of("", 0, 0);
    assert_true(h.hi == 0x99aa06d3014798d8u && h.lo == 0x6001c324468d497fu);
}

static void random_numbers_are_xoshiro(void **state) {
    wt_rng r = {{1, 2, 3, 4}};
    static const uint64_t want[] = {11520, 0, 1509978240, 1215971899390074240};      /* Blackman, Vigna 2018 */
    for (int i = 0; i < 4; i++) assert_true(wt_rng_u64(&r) == want[i]);
    wt_rng a, b;
    wt_rng_init(&a, 5, 0), wt_rng_init(&b, 5, 1);
    assert_true(wt_rng_u64(&a) != wt_rng_u64(&b));
    unsigned count[7] = {0};
    double sum = 0, square = 0;
    for (int i = 0; i < 70000; i++) {
        count[wt_rng_below(&a, 7)]++;
        double u = wt_rng_double(&a), x = wt_rng_normal(&a);
        assert_true(u >= 0 && u < 1);
        sum += x, square += x * x;
    }
    for (int i = 0; i < 7; i++) assert_in_range(count[i], 9500, 10500);              /* 5 sigma */
    assert_true(sum / 70000 > -0.02 && sum / 70000 < 0.02 && square / 70000 > 0.97 && square / 70000 < 1.03);
}

static void permutation_is_a_bijection_with_an_inverse(void **state) {
    static const uint64_t sizes[] = {1, 2, 3, 16, 17, 97, 1000, 65536, 100003};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        uint64_t n = sizes[k], same = 0;
        char *seen = calloc(n, 1);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t x = wt_permute(i, n, 42);
            assert_true(x < n && !seen[x]);
            seen[x] = 1;
            same += x == i;
            assert_true(wt_permute_inverse(x, n, 42) == i);
        }
        free(seen);
        assert_true(n < 97 || same < 12);                                            /* about one is expected */
    }
    uint64_t huge = 9999999999999999999u;
    for (uint64_t i = 0; i < 1000; i++) assert_true(wt_permute_inverse(wt_permute(i * 7777777777u, huge, 3), huge, 3) == i * 7777777777u);
    assert_true(wt_permute(5, 1000003, 1) != wt_permute(5, 1000003, 2));
}

static void files_and_folders(void **state) {
    wt_err err = {0};
    wt_paths list = {0};
    assert_int_equal(wt_mkdirs("d/b/c", &err), 0);
    assert_int_equal(wt_mkdirs("d/b/c", &err), 0);
    static const char *const names[] = {"d/z.jsonl", "d/b/a.jsonl.zst", "d/b/c/x.jsonl.part", "d/.hidden.jsonl", "d/b/other.txt", "d/b.jsonl"};
    for (int i = 0; i < 6; i++) assert_int_equal(wt_write_file(names[i], WT_STR("x\n"), &err), 0);
    assert_int_equal(wt_paths_add(&list, "d", WT_JSONL_SUFFIXES, &err), 0);
    static const char *const want[] = {"d/b/a.jsonl.zst", "d/b.jsonl", "d/z.jsonl"};
    assert_int_equal(list.n, 3);
    for (int i = 0; i < 3; i++) {
        bool found = false;
        for (size_t k = 0; k < list.n; k++) found |= strcmp(list.path[k], want[i]) == 0;
        assert_true(found);
    }
    assert_int_equal(wt_paths_add(&list, "none", NULL, &err), -1);
    assert_int_equal(err.code, WT_ENOTFOUND);
    assert_int_equal(wt_paths_add(&list, "d/b/c", WT_JSONL_SUFFIXES, &err), -1);
    assert_int_equal(err.code, WT_ENOTFOUND);
    assert_non_null(strstr(err.text, ".jsonl .jsonl.zst"));
    assert_int_equal(symlink("nowhere", "d/b/c/gone.jsonl"), 0);       /* not passed over in silence */
    assert_int_equal(wt_paths_add(&list, "d/b/c", WT_JSONL_SUFFIXES, &err), -1);
    assert_non_null(strstr(err.text, "d/b/c/gone.jsonl"));
    assert_int_equal(unlink("d/b/c/gone.jsonl"), 0);
    assert_int_equal(wt_paths_add(&list, "-", NULL, &err), 0);
    assert_string_equal(list.path[list.n - 1], "-");
    wt_buf b = {0};
    assert_int_equal(wt_read_file("d/z.jsonl", 2, &b, &err), 0);
    assert_string_equal(b.ptr, "x\n");
    assert_int_equal(wt_read_file("d/z.jsonl", 1, &b, &err), -1);
    assert_int_equal(err.code, WT_ELIMIT);
    assert_int_equal(wt_write_file("d", WT_STR("x"), &err), -1);
    assert_int_equal(wt_file_bytes("d/z.jsonl"), 2);
    assert_int_equal(wt_file_bytes("none"), -1);
    assert_true(wt_is_dir("d") && !wt_is_dir("d/z.jsonl") && !wt_exists("none"));
    assert_int_equal(wt_remove_tree("d", &err), 0);
    assert_false(wt_exists("d"));
    wt_paths_free(&list);
    wt_buf_free(&b);
}

static void errors_gather_context(void **state) {
    wt_err err = {0};
    assert_int_equal(wt_fail(&err, WT_EDATA, "bad byte %d", 7), -1);
    assert_int_equal(wt_context(&err, "file '%s'", "a"), -1);
    assert_string_equal(err.text, "file 'a': bad byte 7");
    assert_int_equal(err.code, WT_EDATA);
    assert_int_equal(wt_fail(NULL, WT_EDATA, "x"), -1);
    assert_int_equal(wt_context(NULL, "x"), -1);
    char longer[3000];
    memset(longer, 'x', sizeof longer);
    longer[2999] = 0;
    wt_fail(&err, WT_EDATA, "%s", longer);
    for (int i = 0; i < 5; i++) wt_context(&err, "%s", longer);
    assert_true(strlen(err.text) < sizeof err.text);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices), cmocka_unit_test(buffers_grow_and_end_in_nul),
        cmocka_unit_test(replacing_goes_left_to_right),
        cmocka_unit_test(arena_hands_out_memory_that_does_not_overlap), cmocka_unit_test(big_blocks_fail_with_words),
        cmocka_unit_test(every_code_point_encodes_and_decodes), cmocka_unit_test(bad_bytes_are_replaced_by_maximal_subparts),
        cmocka_unit_test(hashes_equal_their_published_vectors), cmocka_unit_test(random_numbers_are_xoshiro),
        cmocka_unit_test(permutation_is_a_bijection_with_an_inverse), cmocka_unit_test(files_and_folders),
        cmocka_unit_test(errors_gather_context),
    };
    return cmocka_run_group_tests_name("common_base", tests, NULL, NULL);
}

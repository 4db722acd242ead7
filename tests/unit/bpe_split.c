/* bpe_split.c - the pattern machines against the regular expressions that define them (PCRE2 with
 * Unicode properties), the vector machines against the plain ones, and cuts against no cut.
 * The characters are old enough for PCRE2's own Unicode tables to agree; U+180E is left out, which PCRE2
 * alone takes for white space. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pcre2.h>

#include "bpe/split.h"
#include "common/rng.h"
#include "common/utf8.h"

static const char *const names[] = {"gpt2", "cl100k", "o200k"};

/* All 25 white space characters, near misses, contractions, marks, every kind of letter and number. */
static const char *const pieces[] = {
    "\t", "\n", "\v", "\f", "\r", " ", " ", " ", "\r\n", "\xC2\x85", "\xC2\xA0", "\xE1\x9A\x80", "\xE2\x80\x80",
    "\xE2\x80\x81", "\xE2\x80\x82", "\xE2\x80\x83", "\xE2\x80\x84", "\xE2\x80\x85", "\xE2\x80\x86", "\xE2\x80\x87",
    "\xE2\x80\x88", "\xE2\x80\x89", "\xE2\x80\x8A", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xE2\x80\xAF", "\xE2\x81\x9F",
    "\xE3\x80\x80", "\x1C", "\x1F", "\xE2\x80\x8B", "\xEF\xBB\xBF", "'", "'", "'s", "'t", "'re", "'ve",
    "'m", "'ll", "'d", "'S", "'LL", "'Re", "'\xC5\xBF", "s", "l", "e", "v", "r", "a", "b", "X", "Y", "the", "I", "1", "23",
    "456", "7890", ".", ",", "/", "-", "_", "\"", "\xC3\xA9", "\xC3\x89", "\xC3\x97", "\xC3\xB7", "\xC2\xB5", "\xC2\xBD",
    "\xC2\xB2", "\xC5\xBF", "\xC7\x85", "\xCA\xB0", "\xCC\x81", "\xCD\xAF", "\xD0\xB8", "\xD0\x98", "\xD7\xA9",
    "\xD9\x85", "\xD9\xA3", "\xE0\xA4\xA8", "\xE0\xA5\x8D", "\xE0\xA5\xA7", "\xE0\xB8\xAA", "\xE2\x85\xA7", "\xE2\x82\xAC",
    "\xE2\x80\x99", "\xE2\x80\x94", "\xE3\x81\x82", "\xE3\x82\xAB", "\xE3\x83\xBC", "\xE4\xB8\xAD", "\xE6\x96\x87",
    "\xE9\xBE\xA5", "\xE4\xB7\x80", "\xE3\x80\x82", "\xEA\xB0\x80", "\xED\x9E\xA3", "\xEF\xBC\x92", "\xF0\x9F\x98\x80",
    "\xF0\x90\x90\x80", "\xF0\x90\x90\xA8", "\xF0\xA0\x80\x80", "\xF0\x9D\x9F\x98", "\x01", "\x7F",
};
enum { PIECES = sizeof pieces / sizeof *pieces };

static const char *const invalid[] = {"\x80", "\xBF", "\xC0\xAF", "\xC3", "\xE4\xB8", "\xED\xA0\x80", "\xF0\x9F\x98",
                                      "\xF5", "\xFF", "\xE0\x80\x80", "\xF4\x90\x80\x80", "\xFE"};

typedef struct {
    uint8_t bytes[1 << 16];
    size_t n;
} text;

static void add(text *t, const char *s) {
    size_t n = strlen(s);
    memcpy(t->bytes + t->n, s, n);
    t->n += n;
}

/* A few pieces of a few kinds, so that runs and repetitions are common. */
static void random_text(text *t, wt_rng *rng, size_t n_pieces, bool with_invalid) {
    const char *some[6];
    for (int i = 0; i < 6; i++)
        some[i] = with_invalid && wt_rng_below(rng, 4) == 0 ? invalid[wt_rng_below(rng, 12)]
                                                            : pieces[wt_rng_below(rng, PIECES)];
    t->n = 0;
    for (size_t i = 0; i < n_pieces && t->n + 16 < sizeof t->bytes; i++)
        add(t, wt_rng_below(rng, 3) ? some[wt_rng_below(rng, 6)] : pieces[wt_rng_below(rng, PIECES)]);
}

/* For PCRE2: each byte that is not UTF-8 becomes a private-use character, which is "other" too. */
static size_t valid_twin(const text *t, uint8_t *out, uint32_t *origin) {
    size_t n = 0;
    const char *p = (const char *)t->bytes, *end = p + t->n;
    for (uint32_t i = 0; i < t->n;) {
        uint32_t cp;
        int length = wt_utf8_decode(p + i, end, &cp);
        for (int k = 0; k < length; k++)
            origin[n] = i + (uint32_t)k, out[n++] = t->bytes[i + (uint32_t)k];
        if (length == 0) {
            static const uint8_t private_use[3] = {0xEE, 0x80, 0x80};
            for (int k = 0; k < 3; k++)
                origin[n] = i, out[n++] = private_use[k];
        }
        i += length ? (uint32_t)length : 1;
    }
    origin[n] = (uint32_t)t->n;
    return n;
}

typedef struct {
    pcre2_code *code;
    pcre2_match_data *match;
} oracle;

static oracle oracle_new(const char *name) {
    int code;
    PCRE2_SIZE at;
    bpe_splitter *s = bpe_splitter_new(name, NULL);
    oracle o = {pcre2_compile((PCRE2_SPTR)bpe_splitter_regex(s), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL), NULL};
    assert_non_null(o.code);
    pcre2_jit_compile(o.code, PCRE2_JIT_COMPLETE);
    o.match = pcre2_match_data_create(4, NULL);
    bpe_splitter_free(s);
    return o;
}

static void oracle_free(oracle *o) {
    pcre2_match_data_free(o->match);
    pcre2_code_free(o->code);
}

static void show(const char *name, const text *t, size_t at, size_t got, size_t wanted) {
    print_message("# %s at %zu: %zu, not %zu, in", name, at, got, wanted);
    for (size_t i = 0; i < t->n; i++)
        print_message(" %02X", t->bytes[i]);
    print_message("\n");
}

static void plain_equals_expression(bpe_split_kind kind, const oracle *o, const text *t) {
    static uint8_t twin[1 << 18];
    static uint32_t origin[(1 << 18) + 1];
    size_t n = valid_twin(t, twin, origin), at = 0;
    for (size_t from = 0; from < n;) {
        assert_true(pcre2_match(o->code, twin, n, from, PCRE2_NO_UTF_CHECK, o->match, NULL) > 0);
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(o->match);
        assert_int_equal(span[0], from);
        size_t end = bpe_split_plain(kind, t->bytes, t->n, at);
        if (end != origin[span[1]]) {
            show(names[kind], t, at, end, origin[span[1]]);
            fail();
        }
        at = end, from = span[1];
    }
    assert_int_equal(at, t->n);
}

static unsigned rounds(unsigned usual) {
    return getenv("WT_LONG") ? 1000000 : usual;
}

static void plain_machines_equal_their_expressions(void **state) {
    static text t;
    for (int kind = 0; kind < 3; kind++) {
        oracle o = oracle_new(names[kind]);
        wt_rng rng;
        wt_rng_init(&rng, 1, (uint64_t)kind);
        for (unsigned i = 0; i < rounds(60000); i++) {
            random_text(&t, &rng, 1 + wt_rng_below(&rng, 14), i % 4 == 0);
            plain_equals_expression((bpe_split_kind)kind, &o, &t);
        }
        oracle_free(&o);
    }
}

/* Copies to the end of an exact allocation, so that reading behind it is seen. */
static void fast_equals_plain(const bpe_splitter *s, const text *t, size_t cap) {
    uint8_t *exact = malloc(t->n + 1);
    memcpy(exact, t->bytes, t->n);
    bpe_split_state *state = bpe_split_state_new(s);
    uint32_t ends[4096];
    for (size_t at = 0, plain = 0; at < t->n;) {
        ptrdiff_t n = bpe_split(state, exact, t->n, at, ends, cap, NULL);
        assert_true(n > 0);
        for (ptrdiff_t i = 0; i < n; i++) {
            size_t wanted = bpe_split_plain(bpe_splitter_kind(s), t->bytes, t->n, plain);
            if (at + ends[i] != wanted) {
                show(bpe_splitter_name(s), t, plain, at + ends[i], wanted);
                fail();
            }
            plain = wanted;
        }
        at += ends[n - 1];
    }
    bpe_split_state_free(state);
    free(exact);
}

/* Of the widest vectors there are, and of AVX2. */
static void vector_machines_equal_the_plain_ones(void **state) {
    static text t;
    for (int round = 0; round < 6; round++) {
        int kind = round % 3;
        if (round == 3)
            setenv("WT_BPE_VECTORS", "avx2", 1);
        bpe_splitter *s = bpe_splitter_new(names[kind], NULL);
        wt_rng rng;
        wt_rng_init(&rng, 2, (uint64_t)round);
        for (unsigned i = 0; i < rounds(20000) + 200; i++) {
            bool is_long = i < 200;
            random_text(&t, &rng, 1 + wt_rng_below(&rng, is_long ? 9000 : 200), i % 3 == 0);
            fast_equals_plain(s, &t, i % 2 ? 128 : 4096);
        }
        /* runs that cross blocks of 64 bytes at every offset */
        for (unsigned i = 0; i < 300; i++) {
            t.n = 0;
            for (int k = 0; k < 6; k++) {
                const char *piece = pieces[wt_rng_below(&rng, PIECES)];
                for (uint64_t n = wt_rng_below(&rng, 150); n; n--)
                    add(&t, piece);
            }
            fast_equals_plain(s, &t, 256);
        }
        bpe_splitter_free(s);
    }
    unsetenv("WT_BPE_VECTORS");
}

static void random_bytes_too(void **state) {
    static text t;
    wt_rng rng;
    wt_rng_init(&rng, 3, 0);
    for (int kind = 0; kind < 3; kind++) {
        bpe_splitter *s = bpe_splitter_new(names[kind], NULL);
        for (int i = 0; i < 400; i++) {
            t.n = 1 + wt_rng_below(&rng, 3000);
            for (size_t k = 0; k < t.n; k++)
                t.bytes[k] = (uint8_t)wt_rng_u64(&rng);
            fast_equals_plain(s, &t, 1024);
        }
        bpe_splitter_free(s);
    }
}

static void cutting_changes_nothing(void **state) {
    static text t;
    unsigned n_cuts = 0;
    for (int kind = 0; kind < 3; kind++) {
        bpe_splitter *s = bpe_splitter_new(names[kind], NULL);
        wt_rng rng;
        wt_rng_init(&rng, 4, (uint64_t)kind);
        for (int i = 0; i < 20000; i++) {
            random_text(&t, &rng, 1 + wt_rng_below(&rng, 20), i % 3 == 0);
            size_t cut = bpe_split_cut(s, t.bytes, t.n), at = 0, part = 0;
            n_cuts += cut > 0;
            while (at < t.n) {
                size_t part_n = part < cut ? cut : t.n;
                at = bpe_split_plain((bpe_split_kind)kind, t.bytes, t.n, at);
                size_t base = part < cut ? 0 : cut;
                part = base + bpe_split_plain((bpe_split_kind)kind, t.bytes + base, part_n - base, part - base);
                assert_int_equal(at, part);
            }
        }
        bpe_splitter_free(s);
    }
    assert_true(n_cuts > 500);
}

static void a_users_expression(void **state) {
    wt_err err = {0};
    assert_null(bpe_splitter_new("a(b", &err));
    assert_non_null(strstr(err.text, "a(b"));
    bpe_splitter *s = bpe_splitter_new("[a-z]+|x*", &err);
    bpe_split_state *split = bpe_split_state_new(s);
    uint32_t ends[128];
    /* what is not matched stands alone, empty matches do not, bad bytes never match */
    const char *t = "ab 12cd\xFF" "e";
    assert_int_equal(bpe_split(split, (const uint8_t *)t, 9, 0, ends, 128, &err), 5);
    const uint32_t wanted[] = {2, 5, 7, 8, 9};
    assert_memory_equal(ends, wanted, sizeof wanted);
    bpe_split_state_free(split);
    bpe_splitter_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_machines_equal_their_expressions),
        cmocka_unit_test(vector_machines_equal_the_plain_ones), cmocka_unit_test(random_bytes_too),
        cmocka_unit_test(cutting_changes_nothing), cmocka_unit_test(a_users_expression),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

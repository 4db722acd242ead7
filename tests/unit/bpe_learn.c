/* bpe_learn.c - learned merges against Hugging Face's (tests/ref/bpe_goldens.h) and against a naive
 * twin that counts all pairs anew before every merge; counts against every way of counting. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpe/model.h"
#include "common/rng.h"
#include "tests/ref/bpe_goldens.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static bpe_model *learn_texts(bpe_train_options o, const wt_str *texts, size_t n) {
    wt_err err = {0};
    bpe_counter *c = bpe_counter_new(&o, &err);
    if (!c)
        print_message("# %s\n", err.text);
    assert_non_null(c);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(bpe_counter_add(c, (int)(i % (o.threads ? (size_t)o.threads : 1)), texts[i], &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    if (!m)
        print_message("# %s\n", err.text);
    assert_non_null(m);
    bpe_counter_free(c);
    return m;
}

static void add_merges(wt_buf *out, const bpe_model *m) {
    for (uint32_t k = 0; k < m->n_merges; k++) {
        bpe_bytes_to_chars(out, bpe_token_bytes(m, m->merge[k].left));
        wt_buf_add_char(out, ' ');
        bpe_bytes_to_chars(out, bpe_token_bytes(m, m->merge[k].right));
        wt_buf_add_char(out, '\n');
    }
    wt_buf_add_char(out, 0);
}

/* tests/ref/bpe_goldens.py makes the same text. */
static void sentence(wt_buf *out, int n, uint64_t seed) {
    for (int i = 0; i < n; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        wt_buf_add_str(out, wt_str_of(golden_pieces[(seed >> 33) % COUNT_OF(golden_pieces)]));
    }
}

static void merges_are_hugging_faces(void **state) {
    for (size_t i = 0; i < COUNT_OF(golden_merges); i++) {
        wt_buf text = {0}, merges = {0};
        sentence(&text, golden_merges[i].n_pieces, golden_merges[i].seed);
        wt_str one = wt_buf_view(&text);
        bpe_model *m = learn_texts((bpe_train_options){.vocab_size = golden_merges[i].vocab, .threads = 1,
                                                       .pattern = golden_merges[i].pattern,
                                                       .min_frequency = golden_merges[i].min_frequency,
                                                       .max_token_bytes = golden_merges[i].max_bytes}, &one, 1);
        add_merges(&merges, m);
        assert_string_equal(merges.ptr, golden_merges[i].merges);
        bpe_model_free(m);
        wt_buf_free(&text);
        wt_buf_free(&merges);
    }
}

/* ---- the naive twin ---- */
typedef struct {
    uint32_t id[64], n;
    int64_t count;
} word;

typedef struct {
    word words[600];
    size_t n_words;
    char token[2000][64];
    uint32_t token_len[2000], n_tokens;
} twin;

static int twin_cmp(const twin *t, uint32_t a, uint32_t b) {
    return wt_str_cmp((wt_str){t->token[a], t->token_len[a]}, (wt_str){t->token[b], t->token_len[b]});
}

static bool twin_wins(const twin *t, bpe_ties ties, uint32_t l, uint32_t r, uint32_t best_l, uint32_t best_r) {
    if (ties != BPE_TIES_BYTES)
        return l != best_l ? l < best_l : r < best_r;
    int order = twin_cmp(t, l, best_l);
    return order ? order > 0 : twin_cmp(t, r, best_r) > 0;
}

static int64_t twin_count(const twin *t, uint32_t l, uint32_t r) {
    int64_t sum = 0;
    for (size_t w = 0; w < t->n_words; w++)
        for (uint32_t i = 0; i + 1 < t->words[w].n; i++)
            sum += t->words[w].id[i] == l && t->words[w].id[i + 1] == r ? t->words[w].count : 0;
    return sum;
}

/* One merge; false where no pair is left. */
static bool twin_step(twin *t, const bpe_train_options *o, uint32_t *l, uint32_t *r) {
    int64_t best = 0;
    static int64_t count[2000][2000];
    static uint32_t touched[65536][2];
    size_t n_touched = 0;
    for (size_t w = 0; w < t->n_words; w++)
        for (uint32_t i = 0; i + 1 < t->words[w].n; i++) {
            uint32_t a = t->words[w].id[i], b = t->words[w].id[i + 1];
            if (!count[a][b])
                touched[n_touched][0] = a, touched[n_touched++][1] = b;
            count[a][b] += t->words[w].count;
        }
    for (size_t k = 0; k < n_touched; k++) {
        uint32_t a = touched[k][0], b = touched[k][1];
        int64_t c = count[a][b];
        count[a][b] = 0;
        if (o->max_token_bytes && t->token_len[a] + t->token_len[b] > o->max_token_bytes)
            continue;
        if (c > best || (c == best && twin_wins(t, o->ties, a, b, *l, *r)))
            best = c, *l = a, *r = b;
    }
    if (best < 1 || best < (int64_t)o->min_frequency)
        return false;
    assert_int_equal(twin_count(t, *l, *r), best);
    uint32_t id = t->n_tokens++;
    t->token_len[id] = t->token_len[*l] + t->token_len[*r];
    memcpy(t->token[id], t->token[*l], t->token_len[*l]);
    memcpy(t->token[id] + t->token_len[*l], t->token[*r], t->token_len[*r]);
    for (size_t w = 0; w < t->n_words; w++) {
        word *x = &t->words[w];
        uint32_t out = 0;
        for (uint32_t i = 0; i < x->n; i++)
            if (i + 1 < x->n && x->id[i] == *l && x->id[i + 1] == *r)
                x->id[out++] = id, i++;
            else
                x->id[out++] = x->id[i];
        x->n = out;
    }
    return true;
}

static void equals_a_full_recount(void **state) {
    static twin t;
    wt_rng rng;
    wt_rng_init(&rng, 5, 0);
    for (int round = 0; round < 90; round++) {
        bpe_train_options o = {.vocab_size = 256 + (uint32_t)wt_rng_below(&rng, 300), .threads = 1,
                               .ties = (bpe_ties)(round % 3), .min_frequency = wt_rng_below(&rng, 4),
                               .max_token_bytes = round % 5 == 0 ? 3 + (uint32_t)wt_rng_below(&rng, 5) : 0};
        wt_err err = {0};
        bpe_counter *c = bpe_counter_new(&o, &err);
        unsigned letters = 2 + (unsigned)wt_rng_below(&rng, 6);
        t.n_words = 5 + wt_rng_below(&rng, 300);
        t.n_tokens = 256;
        for (uint32_t b = 0; b < 256; b++) {
            uint32_t id = o.ties == BPE_TIES_HF ? BPE_BYTE_RANK[b] : b;
            t.token[id][0] = (char)b, t.token_len[id] = 1;
        }
        for (size_t w = 0; w < t.n_words; w++) {
            char bytes[64];
            word *x = &t.words[w];
            x->n = 1 + (uint32_t)wt_rng_below(&rng, round % 2 ? 10 : 40);
            x->count = 1 + (int64_t)wt_rng_below(&rng, round % 4 ? 5 : 100000);
            for (uint32_t i = 0; i < x->n; i++) {
                uint8_t b = (uint8_t)(wt_rng_below(&rng, letters) * 37 + 97);
                bytes[i] = (char)b;
                x->id[i] = o.ties == BPE_TIES_HF ? BPE_BYTE_RANK[b] : b;
            }
            assert_int_equal(bpe_counter_add_word(c, 0, (wt_str){bytes, x->n}, (uint64_t)x->count, &err), 0);
        }
        assert_int_equal(bpe_counter_finish(c, &err), 0);
        bpe_model *m = bpe_learn(c, NULL, NULL, &err);
        assert_non_null(m);
        uint32_t l = 0, r = 0, k = 0;
        for (; 256 + k < o.vocab_size && twin_step(&t, &o, &l, &r); k++) {
            assert_true(k < m->n_merges);
            assert_int_equal(m->merge[k].left, l);
            assert_int_equal(m->merge[k].right, r);
        }
        assert_int_equal(m->n_merges, k);
        bpe_model_free(m);
        bpe_counter_free(c);
    }
}

/* ---- long runs ---- The learner forgets pairs below its floor and makes its arrays anew as it goes, which the small
 * texts above do not reach. Here each pair has its count, each merge goes through all ids, and the best is looked for
 * among all pairs. */
enum { LONG_WORDS = 6000, LONG_IDS = 250000, LONG_MERGES = 4000, LONG_PAIRS = 1 << 19, WORD_END = 0xFFFF };

typedef struct {
    uint64_t key;
    int64_t count;
} pair_count;

typedef struct {
    uint16_t id[LONG_IDS];          /* all words, WORD_END behind each */
    int64_t count[LONG_WORDS];
    uint32_t n, n_pairs, slot[2 * LONG_PAIRS];
    pair_count pair[LONG_PAIRS];
} long_twin;

static void long_twin_count(long_twin *t, uint32_t left, uint32_t right, int64_t change) {
    uint64_t key = (uint64_t)left << 32 | right;
    if (left == WORD_END || right == WORD_END)
        return;
    uint32_t i = (uint32_t)(key * 0x9E3779B97F4A7C15u >> 40) % (2 * LONG_PAIRS);
    while (t->slot[i] && t->pair[t->slot[i] - 1].key != key)
        i = (i + 1) % (2 * LONG_PAIRS);
    if (!t->slot[i]) {
        assert_true(t->n_pairs < LONG_PAIRS);
        t->pair[t->n_pairs++] = (pair_count){key, 0};
        t->slot[i] = t->n_pairs;
    }
    t->pair[t->slot[i] - 1].count += change;
}

static pair_count long_twin_best(const long_twin *t) {
    pair_count best = {UINT64_MAX, 0};
    for (uint32_t i = 0; i < t->n_pairs; i++)
        if (t->pair[i].count > best.count || (t->pair[i].count == best.count && t->pair[i].key < best.key))
            best = t->pair[i];
    return best;
}

static void long_twin_merge(long_twin *t, uint32_t left, uint32_t right, uint32_t fresh) {
    uint32_t out = 0, w = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        w += t->id[i] == WORD_END;
        if (t->id[i] != left || t->id[i + 1] != right) {
            t->id[out++] = t->id[i];
            continue;
        }
        uint32_t x = out ? t->id[out - 1] : WORD_END, y = t->id[i + 2];
        long_twin_count(t, x, left, -t->count[w]);
        long_twin_count(t, x, fresh, t->count[w]);
        long_twin_count(t, left, right, -t->count[w]);
        long_twin_count(t, right, y, -t->count[w]);
        long_twin_count(t, fresh, y, t->count[w]);
        t->id[out++] = (uint16_t)fresh;
        i++;
    }
    t->n = out;
}

static void long_runs_equal_exact_counts(void **state) {
    long_twin *t = calloc(1, sizeof *t);
    bpe_train_options o = {.vocab_size = 256 + LONG_MERGES, .threads = 1, .ties = BPE_TIES_RAW};
    wt_err err = {0};
    wt_rng rng;
    wt_rng_init(&rng, 11, 0);
    bpe_counter *c = bpe_counter_new(&o, &err);
    for (uint32_t w = 0; w < LONG_WORDS; w++) {
        char bytes[40];
        uint32_t n = 4 + (uint32_t)wt_rng_below(&rng, 36);
        t->count[w] = 1 + (int64_t)(1e7 / pow(w + 1, 1.5)) + (int64_t)wt_rng_below(&rng, 20);     /* steep, so that the floor is met */
        for (uint32_t i = 0; i < n; i++) {
            uint64_t letter = wt_rng_below(&rng, 24);       /* early letters are frequent */
            letter = wt_rng_below(&rng, letter + 1);
            bytes[i] = (char)('a' + letter);
            t->id[t->n++] = (uint8_t)bytes[i];
        }
        t->id[t->n++] = WORD_END;
        for (uint32_t i = t->n - n - 1; i + 2 < t->n; i++)
            long_twin_count(t, t->id[i], t->id[i + 1], t->count[w]);
        assert_int_equal(bpe_counter_add_word(c, 0, (wt_str){bytes, n}, (uint64_t)t->count[w], &err), 0);
    }
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    assert_non_null(m);
    assert_int_equal(m->n_merges, LONG_MERGES);
    for (uint32_t k = 0; k < m->n_merges; k++) {
        pair_count best = long_twin_best(t);
        assert_int_equal(best.key >> 32, m->merge[k].left);
        assert_int_equal((uint32_t)best.key, m->merge[k].right);
        long_twin_merge(t, m->merge[k].left, m->merge[k].right, m->merge[k].result);
    }
    bpe_model_free(m);
    bpe_counter_free(c);
    free(t);
}

/* ---- counting ---- */
static void same_for_any_threads_and_memory(void **state) {
    uint8_t first[32];
    wt_buf text[8] = {{0}};
    wt_str part[8];
    wt_rng rng;
    wt_rng_init(&rng, 6, 0);
    for (int i = 0; i < 8; i++) {
        for (int k = 0; k < 60000; k++) {       /* many distinct words, some long */
            for (uint64_t n = 1 + wt_rng_below(&rng, k % 50 ? 7 : 40); n; n--)
                wt_buf_add_char(&text[i], (char)('a' + wt_rng_below(&rng, 20)));
            wt_buf_add_char(&text[i], ' ');
        }
        part[i] = wt_buf_view(&text[i]);
    }
    for (int run = 0; run < 4; run++) {
        wt_err err = {0};
        bpe_train_options o = {.vocab_size = 700, .threads = run == 1 ? 5 : run == 2 ? 2 : 1,
                               .memory = run >= 2 ? 33 << 20 : 0};
        bpe_counter *c = bpe_counter_new(&o, &err);
        for (int i = 0; i < 8; i++)
            assert_int_equal(bpe_counter_add(c, i % o.threads, part[i], &err), 0);
        assert_int_equal(bpe_counter_finish(c, &err), 0);
        assert_int_equal(bpe_counter_total(c), 8 * 60000 + 8);
        assert_true(run < 2 || bpe_counter_spilled(c) > 0);
        bpe_model *m = bpe_learn(c, NULL, NULL, &err);
        if (run == 0)
            memcpy(first, bpe_fingerprint(m), 32);
        assert_memory_equal(first, bpe_fingerprint(m), 32);
        bpe_model_free(m);
        bpe_counter_free(c);
    }
    for (int i = 0; i < 8; i++)
        wt_buf_free(&text[i]);
}

/* More words than the memory holds as records, short ones and chains of which links become empty. */
static void records_on_disk_are_those_in_memory(void **state) {
    enum { WORDS = 700000, LETTERS = 8, SOLID = 400000 };
    uint8_t first[32];
    wt_buf text = {0};
    wt_rng rng;
    wt_rng_init(&rng, 12, 0);
    for (int i = 0; i < WORDS; i++) {
        for (int k = 0; k < LETTERS; k++)
            wt_buf_add_char(&text, (char)('a' + wt_rng_below(&rng, 16)));
        wt_buf_add_char(&text, '\n');
    }
    for (int i = 0; i < SOLID; i++)
        wt_buf_add_char(&text, i < SOLID / 2 ? 'a' : (char)('a' + wt_rng_below(&rng, 4)));
    wt_str one = wt_buf_view(&text);
    for (int run = 0; run < 2; run++) {
        bpe_train_options o = {.vocab_size = 296, .threads = 1, .memory = run ? 29 << 20 : 0};
        bpe_model *m = learn_texts(o, &one, 1);
        if (run == 0)
            memcpy(first, bpe_fingerprint(m), 32);
        assert_memory_equal(first, bpe_fingerprint(m), 32);
        bpe_model_free(m);
    }
    wt_buf_free(&text);
}

/* Each word goes to disk about once, however long the words are. */
static void long_words_spill_once(void **state) {
    enum { WORDS = 300000, BYTES = 40 };
    wt_err err = {0};
    wt_buf text = {0};
    bpe_train_options o = {.vocab_size = 300, .threads = 1, .memory = 29 << 20};
    bpe_counter *c = bpe_counter_new(&o, &err);
    for (int i = 0; i < WORDS; i++) {
        char letters[BYTES + 2];
        uint64_t x = (uint64_t)i * 0x9E3779B97F4A7C15u;
        for (int k = 0; k < BYTES; k++, x = x * 6364136223846793005u + 1)
            letters[k] = (char)('a' + (x >> 60));
        letters[BYTES] = ' ';
        wt_buf_add(&text, letters, BYTES + 1);
    }
    assert_int_equal(bpe_counter_add(c, 0, wt_buf_view(&text), &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    assert_true(bpe_counter_words(c) > WORDS * 9 / 10);
    assert_in_range(bpe_counter_spilled(c), text.len / 4, 2 * text.len);
    bpe_counter_free(c);
    wt_buf_free(&text);
}

typedef struct {
    uint64_t last_count, n;
    char last[64];
} visit_state;

static int check_order(void *ctx, wt_str w, uint64_t count, wt_err *err) {
    visit_state *v = ctx;
    if (v->n++)
        assert_true(count < v->last_count ||
                    (count == v->last_count && wt_str_cmp(wt_str_of(v->last), w) < 0));
    v->last_count = count;
    snprintf(v->last, sizeof v->last, "%.*s", WT_FMT(w));
    return 0;
}

static void words_come_in_order_and_specials_do_not(void **state) {
    wt_err err = {0};
    wt_str special[] = {WT_STR("<|endoftext|>"), WT_STR("<|end|>")};
    bpe_train_options o = {.vocab_size = 300, .specials = special, .n_specials = 2, .threads = 1};
    bpe_counter *c = bpe_counter_new(&o, &err);
    wt_str text = WT_STR("to be or not to be<|endoftext|>to be<|end|><|endoftext|><|endof");
    assert_int_equal(bpe_counter_add(c, 0, text, &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    /* "to" begins a text twice: it is another word than " to" */
    visit_state v = {0};
    assert_int_equal(bpe_counter_visit(c, check_order, &v, &err), 0);
    assert_int_equal(v.n, 7);               /* " be" 3, "to" 2, " to", " or", " not", "<|", "endof" */
    assert_int_equal(bpe_counter_total(c), 10);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    assert_true(bpe_vocab_size(m) < 300);
    assert_int_equal(bpe_end_of_text(m), bpe_vocab_size(m) - 2);
    assert_int_equal(bpe_token_id(m, special[1]), bpe_vocab_size(m) - 1);
    bpe_model_free(m);
    bpe_counter_free(c);
}

static void counts_are_64_bits_wide(void **state) {
    wt_err err = {0};
    bpe_train_options o = {.vocab_size = 258, .threads = 1};
    bpe_counter *c = bpe_counter_new(&o, &err);
    /* as 32-bit sums the first pair would have 2 and the second 0 */
    assert_int_equal(bpe_counter_add_word(c, 0, WT_STR("th"), (1ull << 32) + 2, &err), 0);
    assert_int_equal(bpe_counter_add_word(c, 0, WT_STR("xy"), 1ull << 40, &err), 0);
    assert_int_equal(bpe_counter_add_word(c, 0, WT_STR("xy"), 1ull << 40, &err), 0);
    assert_int_equal(bpe_counter_add_word(c, 0, WT_STR("qq"), 1000, &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    assert_int_equal(m->n_merges, 2);
    assert_true(wt_str_eq(bpe_token_bytes(m, 256), WT_STR("xy")));
    assert_true(wt_str_eq(bpe_token_bytes(m, 257), WT_STR("th")));
    bpe_model_free(m);
    bpe_counter_free(c);
    c = bpe_counter_new(&o, &err);
    assert_int_equal(bpe_counter_add_word(c, 0, WT_STR("abcd"), INT64_MAX / 2, &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    assert_null(bpe_learn(c, NULL, NULL, &err));
    assert_int_equal(err.code, WT_ELIMIT);
    bpe_counter_free(c);
}

static void prefixes_and_extensions_are_the_long_run(void **state) {
    wt_buf text = {0};
    wt_err err = {0};
    sentence(&text, 6000, 9);
    wt_str one = wt_buf_view(&text), eot = WT_STR("<|endoftext|>");
    bpe_train_options o = {.vocab_size = 600, .threads = 1};
    bpe_model *long_run = learn_texts(o, &one, 1);
    o.vocab_size = 400;
    bpe_model *short_run = learn_texts(o, &one, 1), *prefix = bpe_model_prefix(long_run, 400, &err);
    assert_memory_equal(bpe_fingerprint(short_run), bpe_fingerprint(prefix), 32);
    o = (bpe_train_options){.vocab_size = 600, .threads = 2, .extend = short_run};
    bpe_model *extended = learn_texts(o, &one, 1);
    assert_memory_equal(bpe_fingerprint(extended), bpe_fingerprint(long_run), 32);
    o = (bpe_train_options){.vocab_size = 700, .specials = &eot, .n_specials = 1, .threads = 1};
    bpe_model *with_eot = learn_texts(o, &one, 1), *cut = bpe_model_prefix(with_eot, 401, &err);
    assert_int_equal(bpe_end_of_text(cut), 400);
    assert_null(bpe_model_prefix(with_eot, 256, &err));
    assert_null(bpe_model_prefix(with_eot, 701, &err));
    /* an extension keeps every id, specials too */
    o = (bpe_train_options){.vocab_size = 800, .threads = 1, .extend = cut};
    bpe_model *more = learn_texts(o, &one, 1);
    for (uint32_t id = 0; id < bpe_vocab_size(cut); id++)
        assert_true(wt_str_eq(bpe_token_bytes(more, id), bpe_token_bytes(cut, id)));
    assert_int_equal(bpe_end_of_text(more), 400);
    assert_int_equal(bpe_vocab_size(more), 800);
    bpe_model *all[] = {long_run, short_run, prefix, extended, with_eot, cut, more};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        bpe_model_free(all[i]);
    wt_buf_free(&text);
}

static void one_long_word_is_no_trap(void **state) {
    enum { N = 1000000 };
    char *text = malloc(N);
    for (int i = 0; i < N; i++)
        text[i] = (char)('a' + (i / 3) % 3);
    wt_str one = {text, N};
    bpe_model *m = learn_texts((bpe_train_options){.vocab_size = 290, .threads = 1, .min_frequency = 2}, &one, 1);
    assert_true(m->n_merges > 10);
    bpe_model_free(m);
    free(text);
}

static void wrong_options_are_refused(void **state) {
    wt_err err = {0};
    wt_str twice[] = {WT_STR("<x>"), WT_STR("<x>")}, empty = {"", 0};
    bpe_train_options bad[] = {
        {.vocab_size = 255}, {.vocab_size = 300, .specials = twice, .n_specials = 2},
        {.vocab_size = 300, .specials = &empty, .n_specials = 1}, {.vocab_size = 300, .pattern = "(("},
        {.vocab_size = 300, .memory = 1000}, {.vocab_size = UINT32_MAX}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        err = (wt_err){0};
        assert_null(bpe_counter_new(&bad[i], &err));
        assert_int_equal(err.code, WT_EARG);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_are_hugging_faces), cmocka_unit_test(equals_a_full_recount),
        cmocka_unit_test(long_runs_equal_exact_counts),
        cmocka_unit_test(same_for_any_threads_and_memory),
        cmocka_unit_test(records_on_disk_are_those_in_memory), cmocka_unit_test(long_words_spill_once),
        cmocka_unit_test(words_come_in_order_and_specials_do_not),
        cmocka_unit_test(counts_are_64_bits_wide), cmocka_unit_test(prefixes_and_extensions_are_the_long_run),
        cmocka_unit_test(one_long_word_is_no_trap), cmocka_unit_test(wrong_options_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

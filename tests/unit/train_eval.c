/* Evaluation without a trained model: window plans against published vectors, texts that come back from their
 * natural form, metrics against published examples and naive twins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/rng.h"
#include "train/eval.h"

/* ---- windows ---- */

/* The rolling windows that the harness's own tests expect for 34 tokens and a context of 10: inputs from -1
 * (the prefix), and the targets that count. */
static void rolling_equals_the_harness(void **state) {
    eval_window *w;
    static const struct {
        int64_t first, last_target;
        int n, n_scored;
    } want[] = {{-1, 9, 10, 10}, {9, 19, 10, 10}, {19, 29, 10, 10}, {23, 33, 10, 4}};
    assert_int_equal(eval_plan_rolling(34, 10, 10, &w), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(w[i].first, want[i].first);
        assert_int_equal(w[i].n, want[i].n);
        assert_int_equal(w[i].n_scored, want[i].n_scored);
        assert_int_equal(w[i].first + w[i].n, want[i].last_target);
    }
    free(w);
}

/* Each token once, in order, never with less context than the stride promises, never beyond ctx. */
static void rolling_scores_each_token_once(void **state) {
    for (int ctx = 1; ctx < 12; ctx++)
        for (int stride = 1; stride <= ctx; stride++)
            for (size_t n = 0; n < 40; n++) {
                eval_window *w;
                size_t n_windows = eval_plan_rolling(n, ctx, stride, &w), next = 0;
                for (size_t i = 0; i < n_windows; i++) {
                    assert_true(w[i].n <= ctx && w[i].n_scored <= w[i].n && w[i].first >= -1);
                    assert_int_equal(w[i].first + w[i].n - w[i].n_scored + 1, next);
                    next += (size_t)w[i].n_scored;
                    /* context: all that came before, or at least ctx - stride tokens */
                    assert_true(w[i].first == -1 || w[i].n - w[i].n_scored >= ctx - stride);
                }
                assert_int_equal(next, n);
                free(w);
            }
}

/* The loop of transformers' perplexity page, written as there. */
static void stride_equals_transformers(void **state) {
    for (int ctx = 2; ctx < 12; ctx++)
        for (int stride = 1; stride <= ctx; stride++)
            for (int n = 0; n < 40; n++) {
                eval_window *w;
                size_t n_windows = eval_plan_stride((size_t)n, ctx, stride, &w), i = 0;
                int prev_end = 0;
                for (int begin = 0; begin < n; begin += stride) {
                    int end = begin + ctx < n ? begin + ctx : n, target = end - prev_end;
                    int labels = end - begin - 1;       /* the shift inside the model */
                    int scored = target < labels ? target : labels;
                    if (scored > 0) {
                        assert_true(i < n_windows);
                        assert_int_equal(w[i].first, begin);
                        assert_int_equal(w[i].n, labels);
                        assert_int_equal(w[i].n_scored, scored);
                        i++;
                    }
                    prev_end = end;
                    if (end == n)
                        break;
                }
                assert_int_equal(i, n_windows);
                free(w);
            }
}

/* ---- texts ---- */
static const char *view(wt_buf *b) { return b->ptr ? b->ptr : ""; }

static void natural(eval_detok rules, const char *tokens, const char *text) {
    wt_buf out = {0}, back = {0};
    eval_detokenize(rules, wt_str_of(tokens), &out);
    assert_string_equal(view(&out), text);
    eval_retokenize(rules, wt_buf_view(&out), &back);
    assert_string_equal(view(&back), tokens);
    wt_buf_free(&out);
    wt_buf_free(&back);
}

static void tokens_become_text(void **state) {
    natural(EVAL_DETOK_WIKITEXT, " = = Description = = \n", "== Description ==\n");
    natural(EVAL_DETOK_WIKITEXT, " up to 60 cm ( 24 in ) , 1 @,@ 000 @.@ 5 <unk> @-@ like . \n",
            "up to 60 cm (24 in), 1,000.5 <unk>-like.\n");
    natural(EVAL_DETOK_WIKITEXT, " only becoming \" lobster red \" on cooking . \n",
            "only becoming \"lobster red\" on cooking.\n");
    natural(EVAL_DETOK_WIKITEXT, " isn 't Weber 's in the U.S. , Mr. J. said ... \n \n",
            "isn't Weber's in the U.S., Mr. J. said...\n\n");
    natural(EVAL_DETOK_WIKITEXT, " worth $ 2 @.@ 5 million ; 50 % : yes \n", "worth $2.5 million; 50%: yes\n");
    natural(EVAL_DETOK_PTB, " mr. <unk> 's company does n't pay $ N million a year \n",
            "mr. <unk>'s company doesn't pay $N million a year\n");
    natural(EVAL_DETOK_1BW, "\" I can 't , \" said Obama 's spokeswoman , Caroline Adelman .\n",
            "\"I can't,\" said Obama's spokeswoman, Caroline Adelman.\n");
    natural(EVAL_DETOK_NONE, " as it , is ", " as it , is ");
}

static void comes_back(eval_detok rules, wt_str text) {
    wt_buf out = {0}, back = {0};
    eval_detokenize(rules, text, &out);
    eval_retokenize(rules, wt_buf_view(&out), &back);
    if (!wt_str_eq(wt_buf_view(&back), text))
        fail_msg("rules %d: '%.*s' -> '%s' -> '%s'", rules, WT_FMT(text), view(&out), view(&back));
    wt_buf_free(&out);
    wt_buf_free(&back);
}

/* Any bytes come back: pieces that the rules look at, in any order, and lines of any shape. */
static void any_text_comes_back(void **state) {
    static const char *const piece[] = {
        " ", " ", " ", " ", "\n", " \n ", "\n", "a", "word", "U.S.", ".", ",", "...", "..", "@-@", "@,@", "@.@",
        "@", "-", "--", "1", "24", "'", "\"", "'s", "'t", "n't", "don", "(", ")", "=", "= =", "\\", "\\ ",
        "\\\\", "$", "%", "<unk>", "Mr.", "J", "J.", "\xc3\xa9", "\xff", "s", "''", "1,000", "well-known", "o'clock"};
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    for (int i = 0; i < 40000; i++) {
        wt_buf text = {0};
        size_t n = wt_rng_below(&rng, 14);
        for (size_t k = 0; k < n; k++) {
            const char *p = piece[wt_rng_below(&rng, sizeof piece / sizeof *piece)];
            bool blanks = i % 2;                /* half of them well shaped: " a b \n" */
            if (blanks && (p[0] == ' ' || p[0] == '\n'))
                continue;
            wt_buf_printf(&text, blanks ? (k && text.len && text.ptr[text.len - 1] != '\n' ? "%s " : " %s ") : "%s", p);
        }
        for (int rules = EVAL_DETOK_NONE; rules <= EVAL_DETOK_1BW; rules++)
            comes_back((eval_detok)rules, (wt_str){text.ptr ? text.ptr : "", text.len});
        wt_buf_free(&text);
    }
}

static void real_texts_come_back(void **state) {
    static const struct {
        const char *name;
        eval_detok rules;
    } files[] = {{"wikitext2/wiki.valid.tokens", EVAL_DETOK_WIKITEXT},
                 {"ptb/ptb.valid.txt", EVAL_DETOK_PTB},
                 {"1bw/1bw.heldout00000.dev1000.txt", EVAL_DETOK_1BW}};
    const char *shared = getenv("WT_SHARED");
    if (!shared)
        skip();
    for (int i = 0; i < 3; i++) {
        char path[4096];
        wt_buf text = {0}, out = {0};
        snprintf(path, sizeof path, "%s/evaldata/%s", shared, files[i].name);
        if (wt_read_file(path, 1 << 28, &text, NULL))
            skip();
        comes_back(files[i].rules, wt_buf_view(&text));
        eval_detokenize(files[i].rules, wt_buf_view(&text), &out);
        size_t marks = 0;
        for (size_t k = 0; k < out.len; k++)
            marks += out.ptr[k] == '\\';
        print_message("# %s: %zu bytes become %zu, %zu marks\n", files[i].name, text.len, out.len, marks);
        assert_true(marks * 500 < out.len);
        wt_buf_free(&text);
        wt_buf_free(&out);
    }
}

/* Made by Python's re with the rules as the harness has them, on a line that meets most of them; the pair of
 * single quotes that it finds between "boys'" and "Weber 's" is the rules' own doing. */
static void harness_rules(void **state) {
    wt_buf out = {0};
    eval_detokenize_harness(WT_STR(" = = Lobsters = = \n A body ( 24 in ) , the boys ' \" red one \" is 1 @,@ 000 @-@ old : "
                                   "N times . Weber 's ; yes \n"), &out);
    assert_string_equal(out.ptr, " == Lobsters ==\nA body (24 in), the boys'\"red one\" is 1,000-old: 1 times. Weber's; yes\n");
    wt_buf_free(&out);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rolling_equals_the_harness),
        cmocka_unit_test(rolling_scores_each_token_once),
        cmocka_unit_test(stride_equals_transformers),
        cmocka_unit_test(tokens_become_text),
        cmocka_unit_test(any_text_comes_back),
        cmocka_unit_test(real_texts_come_back),
        cmocka_unit_test(harness_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Evaluation without a trained model: window plans against published vectors, texts that come back from their
 * natural form, metrics against published examples and naive twins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <math.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/rng.h"
#include "tests/ref/eval_metrics.h"
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

/* ---- scoring against the logits themselves ---- */
enum { V = 300, CTX = 16, N = 75 };

static eval_model tiny_model(void) {
    gpt_shape shape = {.n_layer = 2, .n_head = 2, .n_embd = 32, .n_ctx = CTX, .vocab = V, .ln_eps = 1e-5f, .eot = V - 1};
    wt_err err = {0};
    gpt *model = gpt_new(&shape, 3, 1, &err);
    assert_non_null(model);
    /* Larger weights, so that probabilities differ. */
    for (int i = 0; i < gpt_tensor_count(model); i++) {
        gpt_tensor t = gpt_tensor_at(model, i);
        for (long k = 0; k < (long)t.rows * t.cols; k++)
            t.data[k] *= 5;
    }
    return (eval_model){.model = model, .n_ctx = CTX, .vocab = V, .eot = V - 1, .batch_tokens = 3 * CTX};
}

/* log p(target | inputs) from raw logits, in double. */
static double naive_logprob(const eval_model *m, const uint32_t *inputs, int n, uint32_t target, uint32_t *best) {
    static float logits[CTX * V];
    wt_err err = {0};
    assert_int_equal(gpt_logits(m->model, inputs, 1, n, logits, &err), 0);
    const float *z = logits + (size_t)(n - 1) * V;
    double sum = 0;
    *best = 0;
    for (uint32_t i = 0; i < V; i++) {
        sum += exp((double)z[i]);
        *best = z[i] > z[*best] ? i : *best;
    }
    return (double)z[target] - log(sum);
}

static void random_tokens(uint32_t *tokens, size_t n, uint64_t seed) {
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    for (size_t i = 0; i < n; i++)
        tokens[i] = (uint32_t)wt_rng_below(&rng, V);
}

static void window_scores_equal_the_logits(void **state) {
    eval_model m = tiny_model();
    uint32_t tokens[N + 1] = {V - 1}, best;
    random_tokens(tokens + 1, N, 4);
    for (int stride = 1; stride <= CTX; stride += 5)
        for (int kind = 0; kind < 2; kind++) {
            eval_window *w;
            eval_sum sum = {0};
            float logprob[N];
            wt_err err = {0};
            double want = 0;
            size_t n = kind ? eval_plan_stride(N, CTX, stride, &w) : eval_plan_rolling(N, CTX, stride, &w);
            assert_int_equal(eval_windows_score(&m, tokens + 1, w, n, &sum, logprob, &err), 0);
            for (size_t i = 0; i < n; i++)
                for (int k = w[i].n - w[i].n_scored; k < w[i].n; k++) {
                    const uint32_t *inputs = tokens + 1 + w[i].first;
                    double one = naive_logprob(&m, inputs, k + 1, inputs[k + 1], &best);
                    assert_true(fabs(one - (double)logprob[w[i].first + k + 1]) < 1e-4);
                    want += one;
                }
            assert_true(fabs(want - sum.logprob) < 1e-3);
            free(w);
        }
    gpt_free(m.model);
}

static void continuations_equal_the_logits(void **state) {
    eval_model m = tiny_model();
    enum { ITEMS = 9 };
    eval_item items[ITEMS] = {0};
    wt_rng rng;
    wt_err err = {0};
    wt_rng_init(&rng, 5, 0);
    for (int i = 0; i < ITEMS; i++) {
        eval_item *it = &items[i];
        it->n_context = 1 + wt_rng_below(&rng, 25);         /* some are longer than the context */
        it->n = it->n_context + 1 + wt_rng_below(&rng, 6);
        it->tokens = wt_xmalloc(it->n * 4);
        random_tokens(it->tokens, it->n, (uint64_t)i);
        uint32_t best;                                      /* half of them greedy to the end */
        for (size_t k = it->n_context; k < it->n && i % 2; k++) {
            size_t from = it->n - 1 > CTX ? it->n - 1 - CTX : 0;
            naive_logprob(&m, it->tokens + from, (int)(k - from), 0, &best);
            it->tokens[k] = best;
        }
    }
    assert_int_equal(eval_items_score(&m, items, ITEMS, &err), 0);
    for (int i = 0; i < ITEMS; i++) {
        const eval_item *it = &items[i];
        size_t from = it->n - 1 > CTX ? it->n - 1 - CTX : 0;
        double want = 0;
        bool greedy = true;
        uint32_t best = 0;
        for (size_t k = it->n_context; k < it->n; k++) {
            want += naive_logprob(&m, it->tokens + from, (int)(k - from), it->tokens[k], &best);
            greedy = greedy && best == it->tokens[k];
        }
        assert_true(fabs(want - it->logprob) < 1e-3);
        assert_int_equal(greedy, it->greedy);
        assert_int_equal(best, it->last_best);
        if (i % 2)
            assert_true(greedy);
        eval_item_reset(&items[i]);
    }
    gpt_free(m.model);
}

/* Items that share a front give the same as each alone; so do those that share too little or are too long. */
static void choices_equal_items(void **state) {
    eval_model m = tiny_model();
    gpt_free(m.model);
    gpt_shape shape = {.n_layer = 2, .n_head = 2, .n_embd = 32, .n_ctx = 64, .vocab = V, .ln_eps = 1e-5f, .eot = V - 1};
    m.model = gpt_new(&shape, 3, 1, NULL);
    m.n_ctx = 64;
    for (size_t shared = 1; shared < 70; shared += 11) {
        eval_item a[4], b[4];
        for (int i = 0; i < 4; i++) {
            a[i] = (eval_item){.n_context = shared + (size_t)i % 2, .n = shared + 3 + (size_t)i};
            a[i].tokens = wt_xmalloc(a[i].n * 4);
            random_tokens(a[i].tokens, a[i].n, (uint64_t)i);
            random_tokens(a[i].tokens, shared, 99);
            b[i] = a[i];
        }
        assert_int_equal(eval_items_score(&m, a, 4, NULL), 0);
        assert_int_equal(eval_choices_score(&m, b, 4, NULL), 0);
        for (int i = 0; i < 4; i++) {
            assert_true(fabs(a[i].logprob - b[i].logprob) < 1e-4);
            assert_int_equal(a[i].last_best, b[i].last_best);
            assert_int_equal(a[i].greedy, b[i].greedy);
            eval_item_reset(&a[i]);
        }
    }
    gpt_free(m.model);
}

static void uniform_has_a_closed_form(void **state) {
    eval_model m = {.n_ctx = CTX, .vocab = 50257, .eot = 50256, .batch_tokens = 100};
    uint32_t tokens[N] = {0};
    eval_window *w;
    eval_sum sum = {0};
    size_t n = eval_plan_rolling(N, CTX, CTX, &w);
    assert_int_equal(eval_windows_score(&m, tokens, w, n, &sum, NULL, NULL), 0);
    assert_int_equal(sum.n_scored, N);
    assert_true(fabs(exp(-sum.logprob / N) / 50257 - 1) < 1e-6);
    free(w);
}

/* ---- metrics ---- */
static void near(double got, double want) {
    if (fabs(got - want) > 1e-9)
        fail_msg("%.12g is not %.12g", got, want);
}

static void rouge_and_bleu_equal_the_scorers(void **state) {
    enum { PAIRS = sizeof METRIC_PAIRS / sizeof *METRIC_PAIRS };
    wt_str hypothesis[PAIRS], reference[PAIRS];
    for (size_t i = 0; i < PAIRS; i++) {
        wt_buf tokens = {0};
        hypothesis[i] = wt_str_of(METRIC_PAIRS[i].prediction);
        reference[i] = wt_str_of(METRIC_PAIRS[i].reference);
        eval_rouge stemmed = eval_rouge_of(hypothesis[i], reference[i], true);
        eval_rouge plain = eval_rouge_of(hypothesis[i], reference[i], false);
        near(stemmed.rouge1, METRIC_PAIRS[i].rouge1);
        near(stemmed.rouge2, METRIC_PAIRS[i].rouge2);
        near(stemmed.rougeL, METRIC_PAIRS[i].rougeL);
        near(stemmed.rougeLsum, METRIC_PAIRS[i].rougeLsum);
        near(plain.rouge1, METRIC_PAIRS[i].plain1);
        near(plain.rougeLsum, METRIC_PAIRS[i].plainLsum);
        eval_bleu_tokenize(hypothesis[i], &tokens);
        assert_string_equal(view(&tokens), METRIC_PAIRS[i].tokens);
        wt_buf_free(&tokens);
    }
    near(eval_bleu(hypothesis, reference, PAIRS), METRIC_BLEU);
}

static void stems_equal_nltk(void **state) {
    for (size_t i = 0; i < sizeof METRIC_STEMS / sizeof *METRIC_STEMS; i++) {
        char word[64];
        snprintf(word, sizeof word, "%s", METRIC_STEMS[i][0]);
        eval_porter_stem(word);
        assert_string_equal(word, METRIC_STEMS[i][1]);
    }
}

static void answers_are_compared_in_normal_form(void **state) {
    wt_buf out = {0};
    eval_normalize_answer(WT_STR("  The cat's  (an) \"A-team\"\tis   the best. "), &out);
    assert_string_equal(out.ptr, "cats ateam is best");
    wt_buf_free(&out);
    assert_true(eval_exact(WT_STR("The Barn."), WT_STR("barn")));
    assert_false(eval_exact(WT_STR("barns"), WT_STR("barn")));
    near(eval_f1(WT_STR("the white kitten"), WT_STR("a white cat")), 0.5);
    near(eval_f1(WT_STR("in a barn near a farm"), WT_STR("barn")), 0.4);
    near(eval_f1(WT_STR(""), WT_STR("the")), 1);            /* both are empty */
    near(eval_f1(WT_STR("x"), WT_STR("the")), 0);
}

/* The official evaluator says 47.917 and 69.945 of these predictions. */
static void coqa_equals_the_official_evaluator(void **state) {
    const char *shared = getenv("WT_SHARED");
    char path[4096];
    wt_buf story_text = {0}, answers_text = {0};
    wt_json v, story, prediction, gold_list;
    wt_json_iter it, golds;
    if (!shared)
        skip();
    snprintf(path, sizeof path, "%s/evaldata/coqa/coqa-dev-1story.json", shared);
    if (wt_read_file(path, 1 << 24, &story_text, NULL))
        skip();
    snprintf(path, sizeof path, "%s/evaldata/coqa/pred_example.json", shared);
    assert_int_equal(wt_read_file(path, 1 << 24, &answers_text, NULL), 0);
    assert_int_equal(wt_json_parse(wt_buf_view(&story_text), &v, NULL), 0);
    wt_json_iter_init(&it, wt_json_get(v, "data"), NULL);
    assert_int_equal(wt_json_next(&it, NULL, &story, NULL), 1);
    wt_json_parse(wt_buf_view(&answers_text), &v, NULL);
    wt_json_iter_init(&it, v, NULL);
    wt_arena *arena = wt_arena_new(0);
    double f1 = 0, exact = 0;
    int n = 0;
    for (; wt_json_next(&it, NULL, &prediction, NULL) > 0; n++) {
        wt_str gold[8], name;
        int n_gold = 0;
        gold[n_gold++] = eval_coqa_turn(wt_json_get(story, "answers"), (size_t)n, arena);
        wt_json_iter_init(&golds, wt_json_get(story, "additional_answers"), NULL);
        while (wt_json_next(&golds, &name, &gold_list, NULL) > 0)
            gold[n_gold++] = eval_coqa_turn(gold_list, (size_t)n, arena);
        wt_str answer = wt_json_string(wt_json_get(prediction, "answer"), arena);
        f1 += eval_leave_one_out(answer, gold, n_gold, false);
        exact += eval_leave_one_out(answer, gold, n_gold, true);
    }
    assert_int_equal(n, 12);
    assert_true(fabs(100 * exact / n - 47.917) < 1e-3);
    assert_true(fabs(100 * f1 / n - 69.945) < 1e-3);
    wt_arena_free(arena);
    wt_buf_free(&story_text);
    wt_buf_free(&answers_text);
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
        cmocka_unit_test(window_scores_equal_the_logits),
        cmocka_unit_test(continuations_equal_the_logits),
        cmocka_unit_test(choices_equal_items),
        cmocka_unit_test(uniform_has_a_closed_form),
        cmocka_unit_test(rouge_and_bleu_equal_the_scorers),
        cmocka_unit_test(stems_equal_nltk),
        cmocka_unit_test(answers_are_compared_in_normal_form),
        cmocka_unit_test(coqa_equals_the_official_evaluator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

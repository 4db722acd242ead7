/* eval_generate.c - tasks that are answered in words: reading comprehension (CoQA), summaries (CNN/Daily Mail),
 * translation (WMT), open questions (Natural Questions). The paper tells little of its prompts; what is
 * chosen here is in the result, and the harness's wording is the other preset. Small models score near nothing, so counts are
 * printed beside the shares. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/tool.h"
#include "train/eval_impl.h"

/* ---- generating ---- */
static size_t stop_place(wt_str text, const char *const *stops) {
    size_t place = text.len;
    for (; stops && *stops; stops++) {
        ptrdiff_t at = wt_str_find((wt_str){text.ptr, text.len}, wt_str_of(*stops));
        if (at >= 0 && (size_t)at < place)
            place = (size_t)at;
    }
    return place;
}

static double log_softmax(const float *z, uint32_t vocab, uint32_t id) {
    double sum = 0;
    float most = z[0];
    for (uint32_t i = 1; i < vocab; i++)
        most = z[i] > most ? z[i] : most;
    for (uint32_t i = 0; i < vocab; i++)
        sum += exp((double)z[i] - most);
    return (double)z[id] - most - log(sum);
}

static int generate_from(const eval_model *m, gpt_cache *cache, const uint32_t *prompt, int n, const eval_generation *how,
                         wt_buf *out, double *logprob, wt_err *err) {
    gpt_row *rows = wt_xcalloc((size_t)n, sizeof *rows);
    float *logits = wt_xmalloc((size_t)m->vocab * sizeof *logits);
    gpt_sampling sampling = GPT_SAMPLING_DEFAULT;
    wt_rng rng;
    int failed;
    sampling.temperature = how->top_k ? 1 : 0;
    sampling.top_k = how->top_k;
    wt_rng_init(&rng, how->seed, how->stream);
    for (int i = 0; i < n; i++)
        rows[i] = (gpt_row){0, prompt[i], i + 1 == n};
    failed = gpt_decode(cache, rows, n, logits, err);
    for (int k = 0; k < how->max_tokens && !failed; k++) {
        float *copy = wt_xmalloc((size_t)m->vocab * sizeof *copy);
        memcpy(copy, logits, (size_t)m->vocab * sizeof *copy);
        uint32_t id = gpt_sample(copy, (int)m->vocab, &sampling, NULL, 0, &rng);
        free(copy);
        if (logprob)
            *logprob += log_softmax(logits, m->vocab, id);
        if (id == m->eot)
            break;
        failed = bpe_decode(m->tokenizer, &id, 1, out, err);
        size_t place = stop_place(wt_buf_view(out), how->stops);
        if (place < out->len) {
            out->len = place;
            out->ptr[place] = 0;
            break;
        }
        gpt_row next = {0, id, true};
        if (!failed && k + 1 < how->max_tokens)
            failed = gpt_decode(cache, &next, 1, logits, err);
    }
    free(rows);
    free(logits);
    return failed;
}

int eval_generate(const eval_model *m, wt_str prompt, const eval_generation *how, wt_buf *out, double *logprob,
                  wt_err *err) {
    uint32_t *tokens = NULL;
    size_t cap = 0;
    if (!m->model)
        return wt_fail(err, WT_EARG, "this task needs a checkpoint that can write");
    if (how->max_tokens >= m->n_ctx)
        return wt_fail(err, WT_EARG, "an answer of %d tokens leaves no room for a question in a context of %d",
                       how->max_tokens, m->n_ctx);
    ptrdiff_t n = eval_encode(m, prompt, &tokens, &cap, err), room = m->n_ctx - how->max_tokens;
    gpt_cache *cache = n < 0 ? NULL : gpt_cache_new(m->model, 1, err);
    int failed = cache ? 0 : -1;
    wt_buf_clear(out);
    if (n == 0)
        tokens[n++] = m->eot;
    if (!failed) {
        int take = n > room ? (int)room : (int)n;
        failed = generate_from(m, cache, tokens + n - take, take, how, out, logprob, err);
    }
    gpt_cache_free(cache);
    free(tokens);
    if (!failed && wt_stop_requested())
        failed = wt_stop_error(err);
    return failed;
}

/* ---- what the tasks share ---- */
typedef struct {
    const eval_model *m;
    const eval_options *o;
    wt_arena *arena;
    wt_buf *json;
    wt_buf answer;
    uint64_t n;
} generation_run;

static bool enough(const generation_run *r) { return r->o->limit && r->n == r->o->limit; }

static int answer_dump(generation_run *r, wt_str prompt, wt_str answer, const char *score_name, double score, wt_err *err) {
    wt_buf line = {0};
    if (!r->o->dump)
        return 0;
    wt_buf_printf(&line, "{\"example\":%llu,\"prompt_end\":", (unsigned long long)r->n);
    wt_json_add_string(&line, prompt.len > 200 ? (wt_str){prompt.ptr + prompt.len - 200, 200} : prompt);
    wt_buf_add_str(&line, WT_STR(",\"answer\":"));
    wt_json_add_string(&line, answer);
    eval_put_number(&line, score_name, score);
    wt_buf_add_str(&line, WT_STR("}\n"));
    int failed = wt_out_str(r->o->dump, wt_buf_view(&line), err);
    wt_buf_free(&line);
    return failed;
}

static wt_str first_line(wt_str s) {
    s = wt_str_trim(s);
    return wt_str_trim(wt_str_cut(&s, '\n'));
}

static int lines_of(wt_str data, wt_str **line, size_t *n) {
    size_t cap = 0;
    *n = 0;
    *line = NULL;
    while (data.len) {
        wt_str l = wt_str_trim(wt_str_cut(&data, '\n'));
        WT_GROW(*line, cap, *n + 1);
        (*line)[(*n)++] = l;
    }
    return 0;
}

/* ---- CoQA ---- */
enum { GOLDS_MAX = 16 };

double eval_leave_one_out(wt_str answer, const wt_str *gold, int n, bool exact) {
    double sum = 0;
    if (n == 1)
        return exact ? (double)eval_exact(answer, gold[0]) : eval_f1(answer, gold[0]);
    for (int out = 0; out < n; out++) {
        double best = 0;
        for (int i = 0; i < n; i++) {
            double s = i == out ? 0 : exact ? (double)eval_exact(answer, gold[i]) : eval_f1(answer, gold[i]);
            best = s > best ? s : best;
        }
        sum += best;
    }
    return sum / n;
}

static wt_json element(wt_json array, size_t i) {
    wt_json_iter it;
    wt_json v = {0};
    if (wt_json_iter_init(&it, array, NULL))
        return (wt_json){0};
    for (size_t k = 0; k <= i; k++)
        if (wt_json_next(&it, NULL, &v, NULL) <= 0)
            return (wt_json){0};
    return v;
}

wt_str eval_coqa_turn(wt_json list, size_t turn, wt_arena *arena) {
    return wt_json_string(wt_json_get(element(list, turn), "input_text"), arena);
}

typedef struct {
    double f1, exact;
} coqa_score;

static int coqa_turn(generation_run *r, wt_json story, size_t turn, const wt_buf *prompt, coqa_score *score, wt_err *err) {
    static const char *const stops[] = {"\n", NULL}, *const harness_stops[] = {"\nQ:", NULL};
    eval_generation how = {r->o->max_tokens ? r->o->max_tokens : 32, 0, eval_harness(r->o) ? harness_stops : stops,
                           r->o->seed, r->n};
    wt_str gold[GOLDS_MAX];
    int n_gold = 0;
    wt_json_iter it;
    wt_json more;
    gold[n_gold++] = eval_coqa_turn(wt_json_get(story, "answers"), turn, r->arena);
    if (wt_json_iter_init(&it, wt_json_get(story, "additional_answers"), NULL) == 0)
        while (n_gold < GOLDS_MAX && wt_json_next(&it, &(wt_str){0}, &more, NULL) > 0)
            gold[n_gold++] = eval_coqa_turn(more, turn, r->arena);
    if (eval_generate(r->m, wt_buf_view(prompt), &how, &r->answer, NULL, err))
        return -1;
    wt_str answer = first_line(wt_buf_view(&r->answer));
    double f1 = eval_leave_one_out(answer, gold, n_gold, false);
    score->f1 += f1;
    score->exact += eval_leave_one_out(answer, gold, n_gold, true);
    if (answer_dump(r, wt_buf_view(prompt), answer, "f1", f1, err))
        return -1;
    r->n++;
    wt_progress_add(1);
    return 0;
}

/* The story and the conversation so far, with the given answers; the paper asks every turn, the harness the last. */
static int coqa_story(generation_run *r, wt_json story, coqa_score *score, wt_err *err) {
    wt_buf prompt = {0};
    wt_json questions = wt_json_get(story, "questions"), answers = wt_json_get(story, "answers");
    const char *gap = eval_harness(r->o) ? "\n\n" : "\n";
    int failed = 0;
    wt_buf_add_str(&prompt, wt_json_string(wt_json_get(story, "story"), r->arena));
    wt_buf_add_str(&prompt, WT_STR("\n\n"));
    for (size_t turn = 0; !failed && !enough(r) && element(questions, turn).kind == WT_JSON_OBJECT; turn++) {
        bool last = element(questions, turn + 1).kind != WT_JSON_OBJECT;
        wt_buf_printf(&prompt, "Q: %.*s%sA:", WT_FMT(eval_coqa_turn(questions, turn, r->arena)), gap);
        if (last || !eval_harness(r->o))
            failed = coqa_turn(r, story, turn, &prompt, score, err);
        wt_buf_printf(&prompt, " %.*s%s", WT_FMT(eval_coqa_turn(answers, turn, r->arena)), gap);
    }
    wt_buf_free(&prompt);
    return failed;
}

static int run_coqa(generation_run *r, wt_str data, wt_err *err) {
    wt_json v, story;
    wt_json_iter it;
    coqa_score score = {0};
    int more;
    if (wt_json_parse(data, &v, err) || wt_json_iter_init(&it, wt_json_get(v, "data"), err))
        return wt_context(err, "'%s'", r->o->data);
    while (!enough(r) && (more = wt_json_next(&it, NULL, &story, err)) != 0) {
        wt_arena_reset(r->arena);
        if (more < 0 || coqa_story(r, story, &score, err))
            return -1;
    }
    double n = r->n ? (double)r->n : 1;
    eval_put_number(r->json, "f1", 100 * score.f1 / n);
    eval_put_number(r->json, "exact_match", 100 * score.exact / n);
    eval_put_string(r->json, "metric", "f1");
    eval_put_number(r->json, "value", 100 * score.f1 / n);
    return 0;
}

/* ---- CNN/Daily Mail ---- */

/* The first n sentences, one a line: they end at . ! ? with white space and a capital, digit or quote behind it, or
 * at a line's end. */
static void sentences_first(wt_str s, int n, wt_buf *out) {
    s = wt_str_trim(s);
    for (size_t i = 0; i < s.len && n > 0; i++) {
        char c = s.ptr[i], next = i + 1 < s.len ? s.ptr[i + 1] : 0, then = i + 2 < s.len ? s.ptr[i + 2] : 0;
        bool stop = (c == '.' || c == '!' || c == '?') && (next == ' ' || next == '\n') &&
                    ((then >= 'A' && then <= 'Z') || (then >= '0' && then <= '9') || then == '"');
        if (c == '\n' && out->len && out->ptr[out->len - 1] != '\n')
            stop = true;
        else if (c != '\n')
            wt_buf_add_char(out, c);
        if (stop && --n > 0) {
            wt_buf_add_char(out, '\n');
            while (i + 1 < s.len && (s.ptr[i + 1] == ' ' || s.ptr[i + 1] == '\n'))
                i++;
        }
    }
}

static void highlights_join(wt_json list, wt_arena *arena, wt_buf *out) {
    wt_json_iter it;
    wt_json v;
    if (wt_json_iter_init(&it, list, NULL))
        return;
    while (wt_json_next(&it, NULL, &v, NULL) > 0) {
        if (out->len)
            wt_buf_add_char(out, '\n');
        wt_buf_add_str(out, wt_json_string(v, arena));
    }
}

/* The front of the article that leaves room for hint and answer. */
static int article_fit(generation_run *r, wt_str article, const char *hint, int answer_tokens, wt_buf *prompt, wt_err *err) {
    uint32_t *tokens = NULL;
    size_t cap = 0;
    ptrdiff_t n_hint = eval_encode(r->m, wt_str_of(hint), &tokens, &cap, err);
    ptrdiff_t n = n_hint < 0 ? -1 : eval_encode(r->m, article, &tokens, &cap, err);
    ptrdiff_t room = r->m->n_ctx - answer_tokens - n_hint;
    int failed = n < 0 ? -1 : 0;
    wt_buf_clear(prompt);
    if (!failed && room < 1)
        failed = wt_fail(err, WT_EARG, "a context of %d has no room for an article and %d tokens of summary", r->m->n_ctx,
                         answer_tokens);
    if (!failed)
        failed = bpe_decode(r->m->tokenizer, tokens, (size_t)(n < room ? n : room), prompt, err);
    wt_buf_add_str(prompt, wt_str_of(hint));
    free(tokens);
    return failed;
}

static int run_cnndm(generation_run *r, wt_str data, wt_err *err) {
    const char *hint = "\nTL;DR:";
    eval_generation how = {r->o->max_tokens ? r->o->max_tokens : 100, 2, NULL, r->o->seed, 0};
    eval_rouge sum = {0};
    wt_buf prompt = {0}, summary = {0}, reference = {0};
    int failed = 0;
    while (data.len && !failed && !enough(r)) {
        wt_json v;
        wt_str line = wt_str_cut(&data, '\n');
        wt_arena_reset(r->arena);
        wt_buf_clear(&summary);
        wt_buf_clear(&reference);
        if (wt_json_parse(line, &v, NULL))
            continue;
        wt_str article = wt_json_string(wt_json_get(v, "article"), r->arena);
        highlights_join(wt_json_get(v, "highlights"), r->arena, &reference);
        if (article.len == 0 || reference.len == 0)
            continue;
        how.stream = r->n;
        failed = article_fit(r, article, hint, how.max_tokens, &prompt, err) ||
                 eval_generate(r->m, wt_buf_view(&prompt), &how, &r->answer, NULL, err);
        if (failed)
            break;
        sentences_first(wt_buf_view(&r->answer), 3, &summary);
        eval_rouge one = eval_rouge_of(wt_buf_view(&summary), wt_buf_view(&reference), true);
        sum.rouge1 += one.rouge1, sum.rouge2 += one.rouge2, sum.rougeL += one.rougeL, sum.rougeLsum += one.rougeLsum;
        failed = answer_dump(r, wt_buf_view(&prompt), wt_buf_view(&summary), "rouge1", one.rouge1, err);
        r->n++;
        wt_progress_add(1);
    }
    double n = r->n ? (double)r->n / 100 : 1;
    eval_put_string(r->json, "prompt", "article + \\nTL;DR:, top-k 2, first 3 sentences");
    eval_put_number(r->json, "rouge1", sum.rouge1 / n);
    eval_put_number(r->json, "rouge2", sum.rouge2 / n);
    eval_put_number(r->json, "rougeL", sum.rougeL / n);
    eval_put_number(r->json, "rougeLsum", sum.rougeLsum / n);
    eval_put_string(r->json, "metric", "rouge_average");
    eval_put_number(r->json, "value", (sum.rouge1 + sum.rouge2 + sum.rougeLsum) / n / 3);
    wt_buf_free(&prompt);
    wt_buf_free(&summary);
    wt_buf_free(&reference);
    return failed;
}

/* ---- WMT: FILE.en beside FILE.fr ---- */

/* Reads both sides of a pair of files from the name of one; the languages are what follows the last dots. */
static int pair_read(const char *path, wt_buf *from, wt_buf *to, bool *from_english, wt_err *err) {
    size_t n = strlen(path);
    eval_options o = {.data = path};
    if (n < 3 || (strcmp(path + n - 3, ".en") != 0 && strcmp(path + n - 3, ".fr") != 0))
        return wt_fail(err, WT_EARG, "'%s': name the source side, FILE.en or FILE.fr; the other lies beside it", path);
    *from_english = path[n - 2] == 'e';
    if (eval_read_data(&o, from, err))
        return -1;
    char *other = wt_xstrdup(path);
    memcpy(other + n - 2, *from_english ? "fr" : "en", 2);
    o.data = other;
    int failed = eval_read_data(&o, to, err);
    free(other);
    return failed;
}

static int run_wmt(generation_run *r, wt_str unused, wt_err *err) {
    static const char *const stops[] = {"\n", NULL};
    eval_generation how = {r->o->max_tokens ? r->o->max_tokens : 100, 0, stops, r->o->seed, 0};
    wt_buf from = {0}, to = {0}, shot_from = {0}, shot_to = {0}, prompt = {0};
    wt_str *source = NULL, *target = NULL, *shot_source = NULL, *shot_target = NULL, *hypothesis = NULL;
    size_t n = 0, n_target = 0, n_shot = 0, n_shot_target = 0, first = 0;
    bool english, shot_english;
    (void)unused;
    int failed = pair_read(r->o->data, &from, &to, &english, err);
    if (!failed && r->o->few_shot)
        failed = pair_read(r->o->few_shot, &shot_from, &shot_to, &shot_english, err);
    lines_of(wt_buf_view(&from), &source, &n);
    lines_of(wt_buf_view(&to), &target, &n_target);
    lines_of(wt_buf_view(r->o->few_shot ? &shot_from : &from), &shot_source, &n_shot);
    lines_of(wt_buf_view(r->o->few_shot ? &shot_to : &to), &shot_target, &n_shot_target);
    if (!failed && (n != n_target || n_shot != n_shot_target))
        failed = wt_fail(err, WT_EDATA, "'%s': the two sides have %zu and %zu lines", r->o->data, n, n_target);
    size_t shots = r->o->shots < 0 || (size_t)r->o->shots > n_shot ? n_shot : (size_t)r->o->shots;
    if (!r->o->few_shot)
        first = shots;          /* examples come from the data itself and are not asked */
    hypothesis = wt_xcalloc(n + 1, sizeof *hypothesis);
    for (size_t i = first; i < n && !failed && !enough(r); i++) {
        wt_buf_clear(&prompt);
        for (size_t k = 0; k < shots; k++)
            wt_buf_printf(&prompt, "%.*s = %.*s\n", WT_FMT(shot_source[k]), WT_FMT(shot_target[k]));
        if (eval_harness(r->o))
            wt_buf_printf(&prompt, "%s phrase: %.*s\n%s phrase:", english ? "English" : "French", WT_FMT(source[i]),
                          english ? "French" : "English");
        else
            wt_buf_printf(&prompt, "%.*s =", WT_FMT(source[i]));
        how.stream = r->n;
        failed = eval_generate(r->m, wt_buf_view(&prompt), &how, &r->answer, NULL, err);
        hypothesis[r->n] = wt_arena_copy(r->arena, wt_str_trim(wt_buf_view(&r->answer)));
        failed = failed || answer_dump(r, wt_buf_view(&prompt), hypothesis[r->n], "sentence_bleu",
                                       eval_bleu(&hypothesis[r->n], &target[i], 1), err);
        r->n++;
        wt_progress_add(1);
    }
    if (!failed) {
        double bleu = eval_bleu(hypothesis, target + first, r->n);
        eval_put_string(r->json, "direction", english ? "en-fr" : "fr-en");
        eval_put_count(r->json, "shots", shots);
        eval_put_number(r->json, "bleu", bleu);
        eval_put_string(r->json, "metric", "bleu");
        eval_put_number(r->json, "value", bleu);
    }
    free(source), free(target), free(shot_source), free(shot_target), free(hypothesis);
    wt_buf_free(&from), wt_buf_free(&to), wt_buf_free(&shot_from), wt_buf_free(&shot_to), wt_buf_free(&prompt);
    return failed;
}

/* ---- Natural Questions ---- */
static int question_parse(wt_str line, wt_arena *arena, wt_str *question, wt_str *gold, int *n_gold) {
    wt_json v, answer;
    wt_json_iter it;
    if (wt_json_parse(line, &v, NULL))
        return -1;
    *question = wt_json_string(wt_json_get(v, "question"), arena);
    *n_gold = 0;
    if (wt_json_iter_init(&it, wt_json_get(v, "answer"), NULL))
        return -1;
    while (*n_gold < GOLDS_MAX && wt_json_next(&it, NULL, &answer, NULL) > 0)
        gold[(*n_gold)++] = wt_json_string(answer, arena);
    return question->len && *n_gold ? 0 : -1;
}

typedef struct {
    double confidence;
    bool right;
} nq_answer;

static int surest_first(const void *a, const void *b) {
    double x = ((const nq_answer *)a)->confidence, y = ((const nq_answer *)b)->confidence;
    return (x < y) - (x > y);
}

/* Question and answer pairs from the front of `data`; it moves behind them. */
static size_t nq_shots(generation_run *r, wt_str *data, wt_buf *prompt) {
    size_t shots = 0;
    if (eval_harness(r->o))
        wt_buf_add_str(prompt, WT_STR("Answer these questions:\n\n"));
    while (data->len && shots < (size_t)(r->o->shots < 0 ? 0 : r->o->shots)) {
        wt_str question, gold[GOLDS_MAX];
        int n_gold;
        if (question_parse(wt_str_cut(data, '\n'), r->arena, &question, gold, &n_gold))
            continue;
        wt_buf_printf(prompt, "Q: %.*s?\nA: %.*s\n", WT_FMT(question), WT_FMT(gold[0]));
        shots++;
    }
    return shots;
}

static int run_nq(generation_run *r, wt_str data, wt_err *err) {
    static const char *const stops[] = {"\n", NULL}, *const harness_stops[] = {"\n", ".", ",", NULL};
    eval_generation how = {r->o->max_tokens ? r->o->max_tokens : 20, 0, eval_harness(r->o) ? harness_stops : stops,
                           r->o->seed, 0};
    wt_buf prompt = {0}, pool = {0};
    nq_answer *answers = NULL;
    size_t cap = 0, right = 0, sure_right = 0;
    int failed = 0;
    if (r->o->few_shot) {
        eval_options o = {.data = r->o->few_shot};
        failed = eval_read_data(&o, &pool, err);
    }
    wt_str rest = wt_buf_view(&pool);
    size_t shots = failed ? 0 : nq_shots(r, r->o->few_shot ? &rest : &data, &prompt), before = prompt.len;
    while (data.len && !failed && !enough(r)) {
        wt_str question, gold[GOLDS_MAX];
        int n_gold;
        double logprob = 0;
        wt_arena_reset(r->arena);
        if (question_parse(wt_str_cut(&data, '\n'), r->arena, &question, gold, &n_gold))
            continue;
        prompt.len = before;
        wt_buf_printf(&prompt, "Q: %.*s?\nA:", WT_FMT(question));
        how.stream = r->n;
        failed = eval_generate(r->m, wt_buf_view(&prompt), &how, &r->answer, &logprob, err);
        bool hit = false;
        wt_str answer = first_line(wt_buf_view(&r->answer));
        for (int i = 0; i < n_gold; i++)
            hit = hit || eval_exact(answer, gold[i]);
        right += hit;
        WT_GROW(answers, cap, r->n + 1);
        answers[r->n] = (nq_answer){logprob, hit};
        failed = failed || answer_dump(r, wt_buf_view(&prompt), answer, "confidence", exp(logprob), err);
        r->n++;
        wt_progress_add(1);
    }
    size_t sure = (r->n + 99) / 100;
    if (r->n)
        qsort(answers, r->n, sizeof *answers, surest_first);
    for (size_t i = 0; i < sure; i++)
        sure_right += answers[i].right;
    double n = r->n ? (double)r->n / 100 : 1;
    eval_put_count(r->json, "shots", shots);
    eval_put_count(r->json, "right", right);
    eval_put_number(r->json, "exact_match", (double)right / n);
    eval_put_number(r->json, "exact_match_surest_percent", sure ? 100.0 * (double)sure_right / (double)sure : 0);
    eval_put_string(r->json, "metric", "exact_match");
    eval_put_number(r->json, "value", (double)right / n);
    free(answers);
    wt_buf_free(&prompt);
    wt_buf_free(&pool);
    return failed;
}

int eval_run_generation(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err) {
    generation_run r = {.m = m, .o = o, .arena = wt_arena_new(0), .json = json};
    wt_buf data = {0};
    bool pair = strcmp(o->task, "wmt") == 0;
    int failed = pair ? 0 : eval_read_data(o, &data, err);
    wt_str text = wt_buf_view(&data);
    if (!failed)
        failed = pair                            ? run_wmt(&r, text, err)
                 : strcmp(o->task, "coqa") == 0  ? run_coqa(&r, text, err)
                 : strcmp(o->task, "cnndm") == 0 ? run_cnndm(&r, text, err)
                                                 : run_nq(&r, text, err);
    if (!failed && r.n == 0)
        failed = wt_fail(err, WT_EDATA, "'%s' has no example of %s", o->data, o->task);
    eval_put_count(json, "examples", r.n);
    wt_buf_free(&r.answer);
    wt_arena_free(r.arena);
    wt_buf_free(&data);
    return failed ? -1 : 0;
}

/* eval_choice.c - tasks that are answered by probabilities: LAMBADA (the last word of a passage), the Children's
 * Book Test (a word left out), HellaSwag (the right ending), the Winograd schemas (what a pronoun means). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/tool.h"
#include "train/eval_impl.h"

/* Examples are scored a few at a time: their continuations, then a verdict on each. */
enum { GROUP = 16, CHOICES_MAX = 16 };

typedef struct {
    const eval_model *m;
    const eval_options *o;
    wt_arena *arena;
    uint64_t n, n_broken;
    wt_buf *json;
} choice_run;

static int dump_line(const choice_run *r, wt_buf *line, wt_err *err) {
    if (!r->o->dump)
        return 0;
    wt_buf_add_str(line, WT_STR("}\n"));
    return wt_out_str(r->o->dump, wt_buf_view(line), err);
}

static int next_line(wt_str *rest, wt_str *line) {
    if (rest->len == 0)
        return 0;
    *line = wt_str_cut(rest, '\n');
    if (line->len && line->ptr[line->len - 1] == '\r')
        line->len--;
    return 1;
}

/* ---- LAMBADA ---- */
typedef struct {
    uint64_t words, tokens, filtered;   /* right: all of the word, its last token, with stop words left out */
    double logprob;
    char **stop;
    size_t n_stop;
    bool *is_stop;              /* by id: the token alone is a stop word */
} lambada_run;

static int stopwords_read(choice_run *r, lambada_run *l, wt_err *err) {
    wt_buf text = {0};
    eval_options o = {.data = r->o->stopwords};
    if (!r->o->stopwords)
        return 0;
    if (eval_read_data(&o, &text, err))
        return -1;
    wt_str rest = wt_buf_view(&text), line;
    size_t cap = 0;
    while (next_line(&rest, &line)) {
        line = wt_str_trim(line);
        if (line.len) {
            WT_GROW(l->stop, cap, l->n_stop + 1);
            l->stop[l->n_stop++] = wt_xstrndup(line);
        }
    }
    wt_buf_free(&text);
    l->is_stop = wt_xcalloc(r->m->vocab, 1);
    for (uint32_t id = 0; id < r->m->vocab; id++) {
        wt_str word = wt_str_trim(bpe_token_bytes(r->m->tokenizer, id));
        for (size_t i = 0; i < l->n_stop && !l->is_stop[id]; i++)
            l->is_stop[id] = wt_str_eq_nocase(word, wt_str_of(l->stop[i]));
    }
    return 0;
}

/* The most probable id at each place of the target, stop words left out: is it the target? */
static int lambada_filtered(choice_run *r, const lambada_run *l, const eval_item *item, bool *right, wt_err *err) {
    const eval_model *m = r->m;
    int n = item->n - 1 > (size_t)m->n_ctx ? m->n_ctx : (int)item->n - 1;
    int n_target = (int)(item->n - item->n_context);
    gpt_cache *cache = gpt_cache_new(m->model, 1, err);
    float *logits = wt_xmalloc((size_t)n_target * m->vocab * sizeof *logits);
    gpt_row *rows = wt_xcalloc((size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++)
        rows[i] = (gpt_row){0, item->tokens[item->n - 1 - (size_t)n + (size_t)i], i >= n - n_target};
    int failed = !cache || gpt_decode(cache, rows, n, logits, err);
    *right = true;
    for (int k = 0; k < n_target && !failed; k++) {
        const float *z = logits + (size_t)k * m->vocab;
        uint32_t best = 0;
        float most = -INFINITY;
        for (uint32_t id = 0; id < m->vocab; id++)
            if (z[id] > most && !(k == 0 && l->is_stop[id]))
                most = z[id], best = id;
        *right = *right && best == item->tokens[item->n_context + (size_t)k];
    }
    free(rows);
    free(logits);
    gpt_cache_free(cache);
    return failed ? -1 : 0;
}

static int lambada_verdict(choice_run *r, lambada_run *l, const eval_item *item, wt_err *err) {
    wt_buf line = {0};
    bool filtered = false;
    if (l->is_stop && r->m->model && lambada_filtered(r, l, item, &filtered, err))
        return -1;
    bool last = item->last_best == item->tokens[item->n - 1];
    l->words += item->greedy;
    l->tokens += last;
    l->filtered += filtered;
    l->logprob += item->logprob;
    wt_buf_printf(&line, "{\"example\":%llu,\"loglikelihood\":%.8g,\"word\":%s,\"last_token\":%s",
                  (unsigned long long)r->n, item->logprob, item->greedy ? "true" : "false", last ? "true" : "false");
    r->n++;
    int failed = dump_line(r, &line, err);
    wt_buf_free(&line);
    return failed;
}

static int lambada_items(choice_run *r, lambada_run *l, wt_str data, wt_err *err) {
    wt_str line;
    eval_item items[GROUP];
    size_t n = 0;
    bool more = true;
    int failed = 0;
    while (more && !failed) {
        more = next_line(&data, &line) && !(r->o->limit && r->n + n == r->o->limit);
        if (more) {
            wt_json v;
            wt_arena_reset(r->arena);
            wt_str text = wt_json_parse(line, &v, NULL) ? (wt_str){0}
                                                        : wt_json_string(wt_json_get(v, "text"), r->arena);
            const char *blank = text.len ? memrchr(text.ptr, ' ', text.len) : NULL;
            size_t at = blank ? (size_t)(blank - text.ptr) : 0;
            if (!blank)
                r->n_broken += line.len > 0;
            else if (eval_item_encode(r->m, (wt_str){text.ptr, at}, (wt_str){blank, text.len - at}, &items[n++], err))
                failed = -1;
        }
        if (n == GROUP || (!more && n)) {
            failed = failed || eval_items_score(r->m, items, n, err);
            for (size_t i = 0; i < n; i++) {
                failed = failed || lambada_verdict(r, l, &items[i], err);
                eval_item_reset(&items[i]);
            }
            wt_progress_add(n);
            n = 0;
            if (!failed && wt_stop_requested())
                failed = wt_stop_error(err);
        }
    }
    for (size_t i = 0; i < n; i++)
        eval_item_reset(&items[i]);
    return failed ? -1 : 0;
}

static double share(uint64_t part, uint64_t whole) { return whole ? (double)part / (double)whole : NAN; }

static int run_lambada(choice_run *r, wt_str data, wt_err *err) {
    lambada_run l = {0};
    int failed = stopwords_read(r, &l, err) || lambada_items(r, &l, data, err);
    if (!failed && r->n) {
        double ppl = exp(-l.logprob / (double)r->n);
        eval_put_count(r->json, "right_word", l.words);
        eval_put_count(r->json, "right_last_token", l.tokens);
        eval_put_number(r->json, "accuracy", share(l.words, r->n));
        eval_put_number(r->json, "accuracy_last_token", share(l.tokens, r->n));
        if (l.is_stop && r->m->model)
            eval_put_number(r->json, "accuracy_without_stopwords", share(l.filtered, r->n));
        eval_put_number(r->json, "perplexity", ppl);
        eval_put_string(r->json, "metric", "perplexity");
        eval_put_number(r->json, "value", ppl);
    }
    for (size_t i = 0; i < l.n_stop; i++)
        free(l.stop[i]);
    free(l.stop);
    free(l.is_stop);
    return failed ? -1 : 0;
}

/* ---- tasks of choices: a context and continuations, or whole texts ---- */
typedef struct {
    wt_str context[CHOICES_MAX], continuation[CHOICES_MAX];
    size_t n;
    int label;
} question;

typedef struct {
    uint64_t sum, by_token, by_character;   /* right by the log-probability, its mean a token, a character */
} choice_score;

/* Characters of a continuation without the blank that begins it. */
static uint64_t characters_of(wt_str s) {
    uint64_t n = 0;
    for (size_t i = s.len && s.ptr[0] == ' '; i < s.len; i++)
        n += ((uint8_t)s.ptr[i] & 0xc0) != 0x80;
    return n ? n : 1;
}

static int question_score(choice_run *r, const question *q, choice_score *score, wt_err *err) {
    eval_item items[CHOICES_MAX];
    size_t done = 0, best_sum = 0, best_token = 0, best_character = 0;
    double top[3] = {-INFINITY, -INFINITY, -INFINITY};
    wt_buf line = {0};
    int failed = 0;
    for (; done < q->n && !failed; done++)
        failed = eval_item_encode(r->m, q->context[done], q->continuation[done], &items[done], err);
    failed = failed || eval_choices_score(r->m, items, q->n, err);
    wt_buf_printf(&line, "{\"example\":%llu,\"label\":%d,\"loglikelihoods\":[", (unsigned long long)r->n, q->label);
    for (size_t i = 0; i < q->n && !failed; i++) {
        double sum = items[i].logprob, by_token = sum / (double)(items[i].n - items[i].n_context);
        double by_character = sum / (double)characters_of(q->continuation[i]);
        if (sum > top[0])
            top[0] = sum, best_sum = i;
        if (by_token > top[1])
            top[1] = by_token, best_token = i;
        if (by_character > top[2])
            top[2] = by_character, best_character = i;
        wt_buf_printf(&line, i ? ",%.8g" : "%.8g", sum);
    }
    for (size_t i = 0; i < done; i++)
        eval_item_reset(&items[i]);
    if (!failed) {
        score->sum += (int)best_sum == q->label;
        score->by_token += (int)best_token == q->label;
        score->by_character += (int)best_character == q->label;
        wt_buf_add_char(&line, ']');
        failed = dump_line(r, &line, err);
    }
    wt_buf_free(&line);
    if (!failed && wt_stop_requested())
        failed = wt_stop_error(err);
    return failed ? -1 : 0;
}

static bool enough(const choice_run *r) { return r->o->limit && r->n == r->o->limit; }

static void put_choice(choice_run *r, const char *prefix, uint64_t right) {
    char name[64];
    snprintf(name, sizeof name, "right%s", prefix);
    eval_put_count(r->json, name, right);
    snprintf(name, sizeof name, "accuracy%s", prefix);
    eval_put_number(r->json, name, share(right, r->n));
}

/* ---- HellaSwag ---- */

/* The harness's cleaning: "[title]" is the end of a sentence, other brackets go, single blanks. */
static wt_str hellaswag_clean(wt_str s, wt_arena *arena) {
    wt_buf out = {0};
    s = wt_str_trim(s);
    for (size_t i = 0; i < s.len; i++) {
        if (wt_str_starts((wt_str){s.ptr + i, s.len - i}, WT_STR(" [title]"))) {
            wt_buf_add_str(&out, WT_STR(". "));
            i += 7;
        } else if (s.ptr[i] == '[') {
            const char *end = memchr(s.ptr + i, ']', s.len - i);
            if (end)
                i = (size_t)(end - s.ptr);
            else
                wt_buf_add_char(&out, s.ptr[i]);
        } else {
            wt_buf_add_char(&out, s.ptr[i]);
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < out.len; i++)        /* "  " -> " ", once, as str.replace does */
        if (out.ptr[n++] = out.ptr[i], out.ptr[i] == ' ' && i + 1 < out.len && out.ptr[i + 1] == ' ')
            i++;
    wt_str copy = wt_arena_copy(arena, (wt_str){out.ptr ? out.ptr : "", n});
    wt_buf_free(&out);
    return copy;
}

static int hellaswag_parse(choice_run *r, wt_str line, question *q) {
    wt_json v, ending;
    wt_json_iter it;
    int64_t label;
    if (wt_json_parse(line, &v, NULL) || wt_json_i64(wt_json_get(v, "label"), &label) ||
        wt_json_iter_init(&it, wt_json_get(v, "endings"), NULL))
        return -1;
    wt_str context = wt_json_string(wt_json_get(v, "ctx"), r->arena);
    if (eval_harness(r->o)) {
        wt_str name = wt_json_string(wt_json_get(v, "activity_label"), r->arena);
        wt_str a = wt_json_string(wt_json_get(v, "ctx_a"), r->arena);
        wt_str b = wt_json_string(wt_json_get(v, "ctx_b"), r->arena);
        if (a.len) {                            /* query = label + ": " + ctx_a + " " + Capitalised ctx_b */
            char *joined = wt_arena_printf(r->arena, "%.*s %.*s", WT_FMT(a), WT_FMT(b));
            if (b.len && joined[a.len + 1] >= 'a' && joined[a.len + 1] <= 'z')
                joined[a.len + 1] -= 32;
            context = wt_str_of(joined);
        }
        context = wt_str_of(wt_arena_printf(r->arena, "%.*s: %.*s", WT_FMT(name), WT_FMT(context)));
        context = hellaswag_clean(context, r->arena);
    }
    for (q->n = 0; q->n < CHOICES_MAX && wt_json_next(&it, NULL, &ending, NULL) > 0; q->n++) {
        wt_str text = wt_json_string(ending, r->arena);
        if (eval_harness(r->o))
            text = hellaswag_clean(text, r->arena);
        q->context[q->n] = context;
        q->continuation[q->n] = wt_str_of(wt_arena_printf(r->arena, " %.*s", WT_FMT(text)));
    }
    q->label = (int)label;
    return q->n > 1 && label >= 0 && (uint64_t)label < q->n ? 0 : -1;
}

static int run_hellaswag(choice_run *r, wt_str data, wt_err *err) {
    choice_score score = {0};
    wt_str line;
    while (!enough(r) && next_line(&data, &line)) {
        question q;
        wt_arena_reset(r->arena);
        if (line.len == 0)
            continue;
        if (hellaswag_parse(r, line, &q)) {
            r->n_broken++;
            continue;
        }
        if (question_score(r, &q, &score, err))
            return -1;
        r->n++;
        wt_progress_add(1);
    }
    /* llm.c divides by tokens, the harness by the ending's characters. */
    uint64_t normed = eval_harness(r->o) ? score.by_character : score.by_token;
    put_choice(r, "", score.sum);
    put_choice(r, "_norm", normed);
    eval_put_string(r->json, "metric", "accuracy_norm");
    eval_put_number(r->json, "value", share(normed, r->n));
    return 0;
}

/* ---- Winograd ---- */
static int winograd_parse(choice_run *r, wt_str line, question *partial, question *full) {
    wt_json v, option;
    wt_json_iter it;
    int64_t label;
    if (wt_json_parse(line, &v, NULL) || wt_json_i64(wt_json_get(v, "label"), &label) ||
        wt_json_iter_init(&it, wt_json_get(v, "context_options"), NULL))
        return -1;
    wt_str end = wt_json_string(wt_json_get(v, "continuation"), r->arena);
    end = wt_str_of(wt_arena_printf(r->arena, " %.*s", WT_FMT(end)));
    partial->n = full->n = 0;
    while (partial->n < CHOICES_MAX && wt_json_next(&it, NULL, &option, NULL) > 0) {
        wt_str begin = wt_json_string(option, r->arena);
        partial->context[partial->n] = begin;
        partial->continuation[partial->n++] = end;
        full->context[full->n] = (wt_str){"", 0};
        full->continuation[full->n++] = wt_str_of(wt_arena_printf(r->arena, "%.*s%.*s", WT_FMT(begin), WT_FMT(end)));
    }
    partial->label = full->label = (int)label;
    return partial->n > 1 && end.len > 1 && label >= 0 && (uint64_t)label < partial->n ? 0 : -1;
}

static int run_winograd(choice_run *r, wt_str data, wt_err *err) {
    choice_score partial = {0}, full = {0};
    wt_str line;
    while (!enough(r) && next_line(&data, &line)) {
        question p, f;
        wt_arena_reset(r->arena);
        if (line.len == 0)
            continue;
        if (winograd_parse(r, line, &p, &f)) {
            r->n_broken++;
            continue;
        }
        if (question_score(r, &p, &partial, err) || question_score(r, &f, &full, err))
            return -1;
        r->n++;
        wt_progress_add(1);
    }
    put_choice(r, "_partial", partial.sum);
    put_choice(r, "_full", full.sum);
    eval_put_string(r->json, "metric", "accuracy_partial");
    eval_put_number(r->json, "value", share(partial.sum, r->n));
    return 0;
}

/* ---- Children's Book Test ---- */

/* The books' tokens as print: quotes and brackets are themselves, then 1BW's gluing, with "n't". */
static wt_str cbt_natural(wt_str s, wt_arena *arena) {
    static const char *const token[][2] = {{"``", "\""}, {"''", "\""}, {"`", "'"}, {"-LRB-", "("}, {"-RRB-", ")"},
                                           {"-LSB-", "["}, {"-RSB-", "]"}};
    wt_buf plain = {0}, out = {0};
    s = wt_str_trim(s);
    while (s.len) {
        wt_str word = wt_str_cut(&s, ' ');
        for (size_t i = 0; i < sizeof token / sizeof *token; i++)
            if (wt_str_eq(word, wt_str_of(token[i][0])))
                word = wt_str_of(token[i][1]);
        /* "n't" belongs to the word before it; the rules know "'t". */
        if (wt_str_eq(word, WT_STR("n't")) && plain.len && plain.ptr[plain.len - 1] == ' ')
            plain.len--;
        wt_buf_add_str(&plain, word);
        if (s.len)
            wt_buf_add_char(&plain, ' ');
    }
    eval_detokenize(EVAL_DETOK_1BW, wt_buf_view(&plain), &out);
    wt_str copy = wt_arena_copy(arena, (wt_str){out.ptr ? out.ptr : "", out.len});
    wt_buf_free(&plain);
    wt_buf_free(&out);
    return copy;
}

/* The text of "17 text ..." without its number. */
static wt_str numbered(wt_str line) {
    wt_str_cut(&line, ' ');
    return line;
}

static wt_str filled(wt_str query, wt_str word, wt_arena *arena) {
    ptrdiff_t at = wt_str_find(query, WT_STR("XXXXX"));
    return wt_str_of(wt_arena_printf(arena, "%.*s%.*s%.*s", (int)at, query.ptr, WT_FMT(word), (int)(query.len - (size_t)at - 5),
                                     query.ptr + at + 5));
}

/* "21 query<TAB>answer<TAB><TAB>a|b|c": the part of the natural query before the word is the same for all
 * choices, and goes to the context. */
static int cbt_parse(choice_run *r, const wt_buf *story, wt_str line, question *q) {
    wt_str rest = numbered(line), query = wt_str_cut(&rest, '\t'), answer = wt_str_cut(&rest, '\t');
    wt_str_cut(&rest, '\t');
    wt_str story_text = wt_arena_copy(r->arena, wt_buf_view(story));
    ptrdiff_t place = wt_str_find(query, WT_STR("XXXXX"));
    if (place < 0 || rest.len == 0)
        return -1;
    q->label = -1;
    for (q->n = 0; rest.len && q->n < CHOICES_MAX; q->n++) {
        wt_str choice = wt_str_cut(&rest, '|');
        wt_str whole = cbt_natural(filled(query, choice, r->arena), r->arena);
        wt_str before = cbt_natural((wt_str){query.ptr, (size_t)place}, r->arena);
        size_t same = 0;
        while (same < before.len && same < whole.len && before.ptr[same] == whole.ptr[same])
            same++;
        while (same && same < whole.len && whole.ptr[same] != ' ' && whole.ptr[same - 1] != ' ')
            same--;                             /* not inside a word */
        q->context[q->n] = wt_str_of(wt_arena_printf(r->arena, "%.*s %.*s", WT_FMT(story_text), (int)same, whole.ptr));
        q->continuation[q->n] = (wt_str){whole.ptr + same, whole.len - same};
        if (q->label < 0 && wt_str_eq(choice, answer))
            q->label = (int)q->n;
    }
    return q->n > 1 && q->label >= 0 ? 0 : -1;
}

static int run_cbt(choice_run *r, wt_str data, wt_err *err) {
    choice_score score = {0};
    wt_buf story = {0};
    wt_str line;
    int failed = 0;
    while (!failed && !enough(r) && next_line(&data, &line)) {
        question q;
        wt_arena_reset(r->arena);
        if (line.len == 0) {
            wt_buf_clear(&story);
        } else if (!memchr(line.ptr, '\t', line.len)) {
            if (story.len)
                wt_buf_add_char(&story, ' ');
            wt_buf_add_str(&story, cbt_natural(numbered(line), r->arena));
        } else if (cbt_parse(r, &story, line, &q)) {
            r->n_broken++;
        } else {
            failed = question_score(r, &q, &score, err);
            r->n++;
            wt_progress_add(1);
        }
    }
    wt_buf_free(&story);
    put_choice(r, "", score.sum);
    eval_put_string(r->json, "metric", "accuracy");
    eval_put_number(r->json, "value", share(score.sum, r->n));
    return failed;
}

int eval_run_choice(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err) {
    choice_run r = {.m = m, .o = o, .arena = wt_arena_new(0), .json = json};
    wt_buf data = {0};
    int failed = eval_read_data(o, &data, err);
    wt_str text = wt_buf_view(&data);
    if (!failed)
        failed = strcmp(o->task, "lambada") == 0     ? run_lambada(&r, text, err)
                 : strcmp(o->task, "hellaswag") == 0 ? run_hellaswag(&r, text, err)
                 : strcmp(o->task, "winograd") == 0  ? run_winograd(&r, text, err)
                                                     : run_cbt(&r, text, err);
    if (!failed && r.n == 0)
        failed = wt_fail(err, WT_EDATA, "'%s' has no example of %s", o->data, o->task);
    eval_put_count(json, "examples", r.n);
    if (r.n_broken)
        eval_put_count(json, "broken", r.n_broken);
    wt_report_drop("broken example", r.n_broken);
    wt_arena_free(r.arena);
    wt_buf_free(&data);
    return failed ? -1 : 0;
}

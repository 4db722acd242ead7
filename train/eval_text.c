/* eval_text.c - how well a text is predicted: perplexity and bits, by the paper's rule (the log-probability
 * of the whole over its canonical units) and with the windows of other conventions. What is scored is the
 * natural form of the text; what is counted are the words, characters and bytes of the file. */
#include <math.h>
#include <stdlib.h>

#include "common/doc.h"
#include "common/fs.h"
#include "common/tool.h"
#include "shard/shard.h"
#include "train/eval_impl.h"

typedef struct {
    const char *name;
    eval_detok detok;
    bool line_ends;             /* each line's end is a word (WikiText, PTB, 1BW) */
    bool by_line;               /* each line is a text of its own */
    const char *metric;         /* what the paper's table shows */
} text_task;

static const text_task TASKS[] = {
    {"text", EVAL_DETOK_NONE, false, false, "perplexity_token"},
    {"wikitext2", EVAL_DETOK_WIKITEXT, true, false, "perplexity_word"},
    {"wikitext103", EVAL_DETOK_WIKITEXT, true, false, "perplexity_word"},
    {"ptb", EVAL_DETOK_PTB, true, false, "perplexity_word"},
    {"enwik8", EVAL_DETOK_NONE, false, false, "bits_per_byte"},
    {"text8", EVAL_DETOK_NONE, false, false, "bits_per_character"},
    {"1bw", EVAL_DETOK_1BW, true, true, "perplexity_word"},
};

typedef struct {
    const eval_model *m;
    const eval_options *o;
    const text_task *task;
    bool stride_windows;
    int stride;
    uint64_t n_texts, n_tokens, words, characters, bytes;
    eval_sum sum;
    uint32_t *tokens;
    size_t cap;
    wt_buf natural;
} text_run;

/* ---- units ---- */
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static uint64_t count_words(wt_str s) {
    uint64_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < s.len; i++) {
        bool space = is_space(s.ptr[i]);
        n += !space && !inside;
        inside = !space;
    }
    return n;
}

/* len(re.split(r"\s+", s)): blanks at the front and the end make an empty word each. */
static uint64_t count_words_harness(wt_str s) {
    uint64_t n = 1;
    for (size_t i = 0; i < s.len; i++)
        n += is_space(s.ptr[i]) && (i == 0 || !is_space(s.ptr[i - 1]));
    return n;
}

static uint64_t count_char(wt_str s, char c) {
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == c;
    return n;
}

static uint64_t count_characters(wt_str s) {
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += ((uint8_t)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

static bool is_page_task(const text_run *r) {
    return eval_harness(r->o) && strncmp(r->task->name, "wikitext", 8) == 0;
}

static void units_add(text_run *r, wt_str text) {
    bool pages = is_page_task(r);
    r->words += pages ? count_words_harness(text) : count_words(text);
    if (r->task->line_ends && !pages)
        r->words += count_char(text, '\n');
    r->characters += count_characters(text);
    r->bytes += text.len;
}

/* ---- one text ---- */
static int text_add(text_run *r, wt_str text, wt_err *err) {
    const eval_model *m = r->m;
    eval_window *windows;
    eval_sum before = r->sum;
    wt_buf_clear(&r->natural);
    if (is_page_task(r))
        eval_detokenize_harness(text, &r->natural);
    else
        eval_detokenize(r->task->detok, text, &r->natural);
    ptrdiff_t n = eval_encode(m, wt_buf_view(&r->natural), &r->tokens, &r->cap, err);
    if (n < 0)
        return -1;
    size_t n_windows = r->stride_windows
                           ? eval_plan_stride((size_t)n, m->n_ctx, r->stride, &windows)
                           : eval_plan_rolling((size_t)n, m->n_ctx, r->stride, &windows);
    /* A piece at a time, so that a signal is heard. */
    int failed = 0;
    for (size_t i = 0; i < n_windows && !failed; i += 64) {
        size_t take = n_windows - i < 64 ? n_windows - i : 64;
        uint64_t scored = r->sum.n_scored;
        failed = wt_stop_requested() ? wt_stop_error(err)
                                     : eval_windows_score(m, r->tokens, windows + i, take, &r->sum, NULL, err);
        wt_progress_add(r->sum.n_scored - scored);
    }
    free(windows);
    if (failed)
        return -1;
    units_add(r, text);
    if (r->o->dump &&
        wt_out_printf(r->o->dump, err, "{\"text\":%llu,\"tokens\":%td,\"scored\":%llu,\"bytes\":%zu,\"loglikelihood\":%.10g}\n",
                      (unsigned long long)r->n_texts, n, (unsigned long long)(r->sum.n_scored - before.n_scored),
                      text.len, r->sum.logprob - before.logprob))
        return -1;
    r->n_texts++;
    r->n_tokens += (uint64_t)n;
    return 0;
}

static bool enough(const text_run *r) { return r->o->limit && r->n_texts == r->o->limit; }

/* ---- the texts of a file ---- */
static int texts_by_line(text_run *r, wt_str rest, wt_err *err) {
    while (rest.len && !enough(r)) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        size_t n = end ? (size_t)(end + 1 - rest.ptr) : rest.len;
        if (text_add(r, (wt_str){rest.ptr, n}, err))
            return -1;
        rest.ptr += n, rest.len -= n;
    }
    return 0;
}

/* " = Title = ", and not " = = Section = = ": where a page begins. */
static bool is_title(wt_str line) {
    line = wt_str_trim(line);
    return line.len > 4 && line.ptr[0] == '=' && line.ptr[1] == ' ' && line.ptr[2] != '=' &&
           line.ptr[line.len - 1] == '=' && line.ptr[line.len - 2] == ' ' && line.ptr[line.len - 3] != '=';
}

/* A title stands between empty lines; the one before it opens the page. */
static int texts_by_page(text_run *r, wt_str text, wt_err *err) {
    size_t begin = 0, previous = 0, at = 0;
    while (at < text.len && !enough(r)) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        size_t next = end ? (size_t)(end + 1 - text.ptr) : text.len;
        wt_str before = {text.ptr + previous, at - previous}, page = {text.ptr + begin, previous - begin};
        if (is_title((wt_str){text.ptr + at, next - at}) && wt_str_trim(before).len == 0) {
            if (wt_str_trim(page).len && text_add(r, page, err))
                return -1;
            begin = previous;
        }
        previous = at;
        at = next;
    }
    return enough(r) ? 0 : text_add(r, (wt_str){text.ptr + begin, text.len - begin}, err);
}

static int texts_of_jsonl(text_run *r, const char *path, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    wt_arena *arena = wt_arena_new(0);
    wt_str line;
    uint64_t too_long = 0;
    int more = in ? 1 : -1;
    while (more > 0 && !enough(r) && (more = wt_in_line(in, WT_DOC_LINE_MAX, &line, &too_long, err)) > 0) {
        wt_doc doc;
        wt_arena_reset(arena);
        if (wt_doc_parse(line, arena, &doc, NULL) || !doc.has_text)
            wt_report_drop("broken line", 1);
        else if (doc.text.len && text_add(r, doc.text, err))
            more = -1;
    }
    wt_report_drop("line too long", too_long);
    wt_arena_free(arena);
    wt_in_close(in);
    return more < 0 ? -1 : 0;
}

static bool is_jsonl(const char *path) {
    for (const char *const *s = WT_JSONL_SUFFIXES; *s; s++)
        if (wt_str_ends(wt_str_of(path), wt_str_of(*s)))
            return true;
    return wt_is_dir(path);
}

/* Documents of one file, or of all in a folder. */
static int texts_of_documents(text_run *r, wt_err *err) {
    wt_paths paths = {0};
    int failed = wt_paths_add(&paths, r->o->data, WT_JSONL_SUFFIXES, err);
    for (size_t i = 0; i < paths.n && !failed; i++)
        failed = texts_of_jsonl(r, paths.path[i], err);
    wt_paths_free(&paths);
    return failed;
}

static int texts_of_file(text_run *r, wt_err *err) {
    wt_buf data = {0};
    if (strcmp(r->task->name, "text") == 0 && is_jsonl(r->o->data))
        return texts_of_documents(r, err);
    int failed = eval_read_data(r->o, &data, err);
    wt_str text = wt_buf_view(&data);
    if (!failed)
        failed = r->task->by_line ? texts_by_line(r, text, err)
                 : is_page_task(r) ? texts_by_page(r, text, err)
                                   : text_add(r, text, err);
    wt_buf_free(&data);
    return failed;
}

/* ---- results ---- */
static double per(double logprob, uint64_t units) { return units ? exp(-logprob / (double)units) : NAN; }

static double bits(double logprob, uint64_t units) {
    return units ? -logprob / (double)units / 0.693147180559945309 : NAN;
}

static void put_sum(const eval_sum *sum, uint64_t tokens, wt_buf *json) {
    eval_put_count(json, "tokens", tokens);
    eval_put_count(json, "scored", sum->n_scored);
    eval_put_number(json, "loglikelihood", sum->logprob);
    eval_put_number(json, "loss", -sum->logprob / (double)sum->n_scored);
    eval_put_number(json, "perplexity_token", per(sum->logprob, sum->n_scored));
}

static void put_text(const text_run *r, wt_buf *json) {
    /* Tokens that no window scored count as if they were like the others. */
    double all = r->sum.logprob * ((double)r->n_tokens / (double)r->sum.n_scored);
    double word = per(all, r->words), byte = bits(all, r->bytes), character = bits(all, r->characters);
    const char *metric = r->task->metric;
    wt_buf_printf(json, ",\"window\":{\"kind\":\"%s\",\"context\":%d,\"stride\":%d}",
                  r->stride_windows ? "stride" : "rolling", r->m->n_ctx, r->stride);
    eval_put_string(json, "detokenizer", is_page_task(r)                    ? "harness"
                                         : r->task->detok == EVAL_DETOK_NONE ? "none"
                                                                             : "invertible");
    eval_put_count(json, "texts", r->n_texts);
    put_sum(&r->sum, r->n_tokens, json);
    eval_put_count(json, "words", r->words);
    eval_put_count(json, "characters", r->characters);
    eval_put_count(json, "bytes", r->bytes);
    eval_put_number(json, "perplexity_word", word);
    eval_put_number(json, "perplexity_byte", per(all, r->bytes));
    eval_put_number(json, "bits_per_character", character);
    eval_put_number(json, "bits_per_byte", byte);
    eval_put_string(json, "metric", metric);
    eval_put_number(json, "value", strcmp(metric, "perplexity_word") == 0   ? word
                                   : strcmp(metric, "bits_per_byte") == 0    ? byte
                                   : strcmp(metric, "bits_per_character") == 0 ? character
                                                                             : per(r->sum.logprob, r->sum.n_scored));
}

/* ---- shards: the validation loss of training, on all windows in order ---- */
static int shards_check(const eval_model *m, const shard_set *set, wt_err *err) {
    if (memcmp(shard_set_tokenizer(set)->sha256, bpe_fingerprint(m->tokenizer), 32) != 0)
        return wt_fail(err, WT_EDATA, "the shards were made with another tokenizer than the checkpoint's");
    return 0;
}

static int shard_windows(const eval_model *m, shard_loader *loader, uint64_t n, eval_sum *sum, uint64_t *bytes,
                         wt_err *err) {
    size_t T = (size_t)m->n_ctx;
    uint32_t *tokens = wt_xmalloc((T + 1) * 4);
    eval_window window = {0, m->n_ctx, m->n_ctx};
    int failed = 0;
    for (uint64_t i = 0; i < n && !failed; i++) {
        failed = wt_stop_requested() ? wt_stop_error(err) : shard_loader_get(loader, i, tokens, err);
        failed = failed || eval_windows_score(m, tokens, &window, 1, sum, NULL, err);
        for (size_t t = 1; t <= T; t++)
            if (tokens[t] != m->eot)
                *bytes += bpe_token_bytes(m->tokenizer, tokens[t]).len;
        wt_progress_add(T);
    }
    free(tokens);
    return failed ? -1 : 0;
}

static int run_shards(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err) {
    shard_loader_options sequential = {.order = SHARD_SEQUENTIAL};
    shard_set *set = shard_set_open(o->data, "val", err);
    shard_loader *loader = NULL;
    eval_sum sum = {0};
    uint64_t bytes = 0, n = 0;
    int failed = !set || shards_check(m, set, err);
    if (!failed) {
        loader = shard_loader_new(set, (size_t)m->n_ctx, 0, &sequential, err);
        failed = !loader;
    }
    if (!failed) {
        n = shard_loader_windows(loader);
        n = o->limit && o->limit < n ? o->limit : n;
        failed = shard_windows(m, loader, n, &sum, &bytes, err);
    }
    if (!failed) {
        wt_buf_printf(json, ",\"window\":{\"kind\":\"chunk\",\"context\":%d,\"stride\":%d}", m->n_ctx, m->n_ctx);
        put_sum(&sum, sum.n_scored, json);
        eval_put_count(json, "bytes", bytes);
        eval_put_number(json, "bits_per_byte", bits(sum.logprob, bytes));
        eval_put_string(json, "metric", "perplexity_token");
        eval_put_number(json, "value", per(sum.logprob, sum.n_scored));
    }
    shard_loader_free(loader);
    shard_set_close(set);
    return failed ? -1 : 0;
}

int eval_run_text(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err) {
    text_run r = {.m = m, .o = o, .task = TASKS};
    if (strcmp(o->task, "shards") == 0)
        return run_shards(m, o, json, err);
    while (strcmp(o->task, r.task->name) != 0)
        r.task++;
    r.stride_windows = o->window && strcmp(o->window, "stride") == 0;
    /* The paper does not tell its stride: half a window of context is kept. */
    r.stride = o->stride ? o->stride : eval_harness(o) && !r.stride_windows ? m->n_ctx : (m->n_ctx + 1) / 2;
    if (r.stride > m->n_ctx)
        return wt_fail(err, WT_EARG, "a stride of %d is above the context of %d", r.stride, m->n_ctx);
    int failed = texts_of_file(&r, err);
    if (!failed && r.sum.n_scored == 0)
        failed = wt_fail(err, WT_EDATA, "'%s' has no text to score", o->data);
    if (!failed)
        put_text(&r, json);
    free(r.tokens);
    wt_buf_free(&r.natural);
    return failed;
}

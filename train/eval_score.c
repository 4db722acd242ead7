/* eval_score.c - log-probabilities of tokens in windows and of continuations. Windows go through the model
 * several at a time, padded behind (nothing looks forward); sums are made in double, one window after the
 * other. */
#include <math.h>
#include <stdlib.h>

#include "train/eval.h"

/* A batch of rows: inputs, targets and what comes back. */
typedef struct {
    int B, T;
    uint32_t *tokens, *targets, *best;
    float *logprob;
} batch;

static void batch_init(batch *b, int B, int T) {
    size_t n = (size_t)B * (size_t)T;
    *b = (batch){B, T, wt_xcalloc(n, 4), wt_xmalloc(n * 4), wt_xcalloc(n, 4), wt_xcalloc(n, 4)};
    for (size_t i = 0; i < n; i++)
        b->targets[i] = GPT_IGNORE;
}

static void batch_reset(batch *b) {
    free(b->tokens);
    free(b->targets);
    free(b->best);
    free(b->logprob);
}

static int batch_score(const eval_model *m, batch *b, wt_err *err) {
    if (m->model)
        return gpt_score(m->model, b->tokens, b->B, b->T, b->targets, b->logprob, b->best, err);
    for (size_t i = 0; i < (size_t)b->B * (size_t)b->T; i++) {
        b->logprob[i] = b->targets[i] == GPT_IGNORE ? 0 : -logf((float)m->vocab);
        b->best[i] = 0;
    }
    return 0;
}

/* How many rows of length T go into one pass. */
static int rows_of(const eval_model *m, int T, size_t left) {
    int rows = m->batch_tokens / T;
    if (rows < 1)
        rows = 1;
    return (size_t)rows > left ? (int)left : rows;
}

int eval_windows_score(const eval_model *m, const uint32_t *tokens, const eval_window *windows,
                       size_t n_windows, eval_sum *sum, float *logprob_of, wt_err *err) {
    for (size_t i = 0; i < n_windows;) {
        int T = 0, B = rows_of(m, m->n_ctx, n_windows - i), failed;
        batch b;
        for (int r = 0; r < B; r++)
            T = windows[i + (size_t)r].n > T ? windows[i + (size_t)r].n : T;
        batch_init(&b, B, T);
        for (int r = 0; r < B; r++) {
            const eval_window *w = &windows[i + (size_t)r];
            for (int t = 0; t < w->n; t++) {
                int64_t at = w->first + t;
                b.tokens[r * T + t] = at < 0 ? m->eot : tokens[at];
                if (t >= w->n - w->n_scored)
                    b.targets[r * T + t] = tokens[at + 1];
            }
        }
        failed = batch_score(m, &b, err);
        for (int r = 0; r < B && !failed; r++, i++) {
            const eval_window *w = &windows[i];
            for (int t = w->n - w->n_scored; t < w->n; t++) {
                sum->logprob += (double)b.logprob[r * T + t];
                if (logprob_of)
                    logprob_of[w->first + t + 1] = b.logprob[r * T + t];
            }
            sum->n_scored += (uint64_t)w->n_scored;
        }
        batch_reset(&b);
        if (failed)
            return -1;
    }
    return 0;
}

/* ---- continuations ---- */

/* The inputs of an item: its last n_ctx tokens but one; the targets are one further. */
static int item_inputs(const eval_model *m, const eval_item *item) {
    size_t n = item->n - 1;
    return n > (size_t)m->n_ctx ? m->n_ctx : (int)n;
}

static void item_take(const eval_model *m, const batch *b, int r, eval_item *item) {
    int n = item_inputs(m, item), n_target = (int)(item->n - item->n_context);
    item->logprob = 0;
    item->greedy = true;
    for (int k = n_target < n ? n_target : n; k > 0; k--) {
        size_t at = (size_t)r * (size_t)b->T + (size_t)(n - k);
        item->logprob += (double)b->logprob[at];
        item->greedy = item->greedy && b->best[at] == item->tokens[item->n - (size_t)k];
        item->last_best = b->best[at];
    }
}

int eval_items_score(const eval_model *m, eval_item *items, size_t n_items, wt_err *err) {
    for (size_t i = 0; i < n_items;) {
        /* As many as fit: rows are padded to the longest. */
        int T = item_inputs(m, &items[i]), B = 1, failed;
        batch b;
        while (i + (size_t)B < n_items) {
            int n = item_inputs(m, &items[i + (size_t)B]), longest = n > T ? n : T;
            if ((B + 1) * longest > m->batch_tokens)
                break;
            T = longest, B++;
        }
        batch_init(&b, B, T);
        for (int r = 0; r < B; r++) {
            const eval_item *item = &items[i + (size_t)r];
            int n = item_inputs(m, item);
            for (int t = 0; t < n; t++) {
                size_t at = item->n - 1 - (size_t)n + (size_t)t;
                b.tokens[r * T + t] = item->tokens[at];
                if (at + 1 >= item->n_context)
                    b.targets[r * T + t] = item->tokens[at + 1];
            }
        }
        failed = batch_score(m, &b, err);
        for (int r = 0; r < B && !failed; r++, i++)
            item_take(m, &b, r, &items[i]);
        batch_reset(&b);
        if (failed)
            return -1;
    }
    return 0;
}

/* ---- choices: continuations of one context ---- */

/* Tokens that all items begin with, short of the last one of any context; 0 where one does not fit the model. */
static size_t shared_prefix(const eval_model *m, const eval_item *items, size_t n_items) {
    size_t n = items[0].n_context - 1;
    for (size_t i = 0; i < n_items; i++) {
        if (items[i].n - 1 > (size_t)m->n_ctx)
            return 0;
        n = items[i].n_context - 1 < n ? items[i].n_context - 1 : n;
        for (size_t k = 0; k < n; k++)
            if (items[i].tokens[k] != items[0].tokens[k])
                n = k;
    }
    return n;
}

static double log_softmax(const float *z, uint32_t vocab, uint32_t id, uint32_t *best) {
    double sum = 0;
    *best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        *best = z[i] > z[*best] ? i : *best;
    for (uint32_t i = 0; i < vocab; i++)
        sum += exp((double)z[i] - (double)z[*best]);
    return (double)z[id] - (double)z[*best] - log(sum);
}

/* Appends tokens from .. n - 2 of an item to the cache and scores its targets. */
static int item_continue(const eval_model *m, gpt_cache *cache, eval_item *item, size_t from, wt_err *err) {
    size_t n = item->n - 1 - from, n_target = item->n - item->n_context;
    gpt_row *rows = wt_xcalloc(n, sizeof *rows);
    float *logits = wt_xmalloc(n_target * m->vocab * sizeof *logits);
    for (size_t i = 0; i < n; i++)
        rows[i] = (gpt_row){0, item->tokens[from + i], from + i + 1 >= item->n_context};
    int failed = gpt_decode(cache, rows, (int)n, logits, err);
    item->logprob = 0;
    item->greedy = true;
    for (size_t k = 0; k < n_target && !failed; k++) {
        uint32_t target = item->tokens[item->n_context + k], best;
        item->logprob += log_softmax(logits + k * m->vocab, m->vocab, target, &best);
        item->greedy = item->greedy && best == target;
        item->last_best = best;
    }
    free(rows);
    free(logits);
    return failed;
}

int eval_choices_score(const eval_model *m, eval_item *items, size_t n_items, wt_err *err) {
    enum { WORTHWHILE = 16 };   /* tokens */
    size_t n = m->model && n_items > 1 ? shared_prefix(m, items, n_items) : 0;
    if (n < WORTHWHILE)
        return eval_items_score(m, items, n_items, err);
    gpt_cache *cache = gpt_cache_new(m->model, 1, err);
    gpt_row *rows = wt_xcalloc(n, sizeof *rows);
    for (size_t i = 0; i < n; i++)
        rows[i] = (gpt_row){0, items[0].tokens[i], false};
    int failed = !cache || gpt_decode(cache, rows, (int)n, NULL, err);
    for (size_t i = 0; i < n_items && !failed; i++) {
        failed = item_continue(m, cache, &items[i], n, err);
        gpt_cache_truncate(cache, 0, (int)n);
    }
    free(rows);
    gpt_cache_free(cache);
    return failed ? -1 : 0;
}

static bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

int eval_item_encode(const eval_model *m, wt_str context, wt_str continuation, eval_item *item,
                     wt_err *err) {
    wt_buf whole = {0};
    size_t n_context = context.len;
    while (n_context && is_blank(context.ptr[n_context - 1]))
        n_context--;
    wt_buf_add_str(&whole, context);
    wt_buf_add_str(&whole, continuation);
    *item = (eval_item){.tokens = wt_xmalloc((BPE_ROOM(whole.len) + 1) * 4)};
    ptrdiff_t n_before = 0, n;
    if (n_context)
        n_before = bpe_encode(m->encoder, (wt_str){whole.ptr, n_context}, BPE_SPECIAL_NONE,
                              item->tokens, err);
    size_t prefix = n_context ? 0 : 1;
    item->tokens[0] = m->eot;
    n = bpe_encode(m->encoder, wt_buf_view(&whole), BPE_SPECIAL_NONE, item->tokens + prefix, err);
    wt_buf_free(&whole);
    if (n_before < 0 || n < 0)
        return -1;
    if (n <= n_before)
        return wt_fail(err, WT_EDATA, "an example whose continuation has no token");
    item->n = (size_t)n + prefix;
    item->n_context = (size_t)n_before + prefix;
    return 0;
}

void eval_item_reset(eval_item *item) {
    free(item->tokens);
    *item = (eval_item){0};
}

/* train_generate.c - a GPT-2 from C: the log-probability of each id of a text, then the ids that the
 * model would write next. Build it with `make`, run it with
 *     train_generate CHECKPOINT ID ID ... */
#include <stdio.h>
#include <stdlib.h>

#include "train/train.h"

enum { WRITTEN = 20 };

static int score(gpt *model, const uint32_t *ids, int n, wt_err *err) {
    uint32_t *targets = calloc((size_t)n, sizeof *targets);
    float *logprob = calloc((size_t)n, sizeof *logprob);
    for (int i = 0; i < n; i++) targets[i] = i + 1 < n ? ids[i + 1] : GPT_IGNORE;
    int result = gpt_score(model, ids, 1, n, targets, logprob, NULL, err);
    for (int i = 0; result == 0 && i + 1 < n; i++) printf("%.7f%c", (double)logprob[i], i + 2 < n ? ' ' : '\n');
    free(targets), free(logprob);
    return result;
}

static int generate(gpt *model, const uint32_t *ids, int n, wt_err *err) {
    int vocab = gpt_shape_of(model)->vocab;
    float *logits = malloc((size_t)vocab * sizeof *logits);
    gpt_row *rows = calloc((size_t)n, sizeof *rows);
    gpt_cache *cache = gpt_cache_new(model, 1, err);
    gpt_sampling greedy = GPT_SAMPLING_DEFAULT;
    wt_rng rng;
    greedy.temperature = 0;
    wt_rng_init(&rng, 0, 0);
    for (int i = 0; i < n; i++) rows[i] = (gpt_row){.seq = 0, .token = ids[i], .want = i + 1 == n};
    int result = cache ? gpt_decode(cache, rows, n, logits, err) : -1;
    for (int i = 0; result == 0 && i < WRITTEN && gpt_cache_length(cache, 0) < gpt_shape_of(model)->n_ctx; i++) {
        uint32_t id = gpt_sample(logits, vocab, &greedy, NULL, 0, &rng);
        fprintf(stderr, "%u%c", id, i + 1 < WRITTEN ? ' ' : '\n');
        result = gpt_decode(cache, &(gpt_row){.seq = 0, .token = id, .want = true}, 1, logits, err);
    }
    gpt_cache_free(cache);
    free(rows), free(logits);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    if (argc < 3) return fprintf(stderr, "usage: train_generate CHECKPOINT ID ID ...\n"), 2;
    uint32_t *ids = calloc((size_t)argc, sizeof *ids);
    for (int i = 2; i < argc; i++) ids[i - 2] = (uint32_t)strtoul(argv[i], NULL, 10);
    gpt *model = gpt_load(argv[1], 0, &err);
    int result = model && score(model, ids, argc - 2, &err) == 0 && generate(model, ids, argc - 2, &err) == 0 ? 0 : 1;
    if (result) fprintf(stderr, "train_generate: %s\n", err.text);
    gpt_free(model);
    free(ids);
    return result;
}

/* train_eval.c - any bytes as the data of each task, under the uniform model: a result or one clear error. The first
 * byte chooses the task; texts must also come back from their natural form. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "train/eval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static eval_model model;
static char dir[64];

/* All bytes as tokens: base64 of each and its rank. */
static void model_make(void) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    wt_buf file = {0};
    char path[128];
    wt_err err = {0};
    snprintf(dir, sizeof dir, "/tmp/wt-fuzz-eval.XXXXXX");
    if (!mkdtemp(dir))
        abort();
    for (int b = 0; b < 256; b++)
        wt_buf_printf(&file, "%c%c== %d\n", digit[b >> 2], digit[(b & 3) << 4], b);
    snprintf(path, sizeof path, "%s/bytes.tiktoken", dir);
    if (wt_write_file(path, wt_buf_view(&file), &err))
        abort();
    wt_buf_free(&file);
    model.tokenizer = bpe_model_load(path, "gpt2", &err);
    if (!model.tokenizer) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    model.encoder = bpe_encoder_new(model.tokenizer, 1 << 16);
    model.vocab = 256, model.eot = 255, model.n_ctx = 32, model.batch_tokens = 256;
}

static void comes_back(wt_str text) {
    for (int rules = EVAL_DETOK_NONE; rules <= EVAL_DETOK_1BW; rules++) {
        wt_buf natural = {0}, back = {0};
        eval_detokenize((eval_detok)rules, text, &natural);
        eval_retokenize((eval_detok)rules, wt_buf_view(&natural), &back);
        if (!wt_str_eq(wt_buf_view(&back), text))
            abort();
        wt_buf_free(&natural);
        wt_buf_free(&back);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const tasks[] = {"text", "wikitext2", "ptb", "1bw", "lambada", "cbt", "hellaswag", "winograd",
                                        "coqa", "cnndm", "nq", "wmt"};
    char path[128], other[128];
    wt_err err = {0};
    wt_buf json = {0};
    if (!model.tokenizer)
        model_make();
    if (size == 0)
        return 0;
    wt_str text = {(const char *)data + 1, size - 1};
    snprintf(path, sizeof path, "%s/data.en", dir);
    snprintf(other, sizeof other, "%s/data.fr", dir);
    FILE *f = fopen(path, "wb");
    fwrite(text.ptr, 1, text.len, f);
    fclose(f);
    unlink(other);
    if (link(path, other))
        abort();
    eval_options o = {.task = tasks[(data[0] & 127) % 12], .data = path, .preset = data[0] & 128 ? "harness" : "paper",
                      .shots = 1, .max_tokens = 4};
    if (eval_run(&model, &o, &json, &err) && err.text[0] == 0)
        abort();
    wt_buf_free(&json);
    comes_back(text);
    eval_rouge_of(text, (wt_str){text.ptr, text.len / 2}, true);
    if (text.len < 2000)
        eval_f1(text, (wt_str){text.ptr, text.len / 2});
    wt_buf tokens = {0};
    eval_bleu_tokenize(text, &tokens);
    wt_buf_free(&tokens);
    return 0;
}

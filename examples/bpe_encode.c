/* bpe_encode.c - the smallest program that uses a tokenizer: reads a text from standard input and shows
 * its tokens, then proves that they are the text.
 *
 *     build/examples/bpe_encode tokenizer/ < text */
#include <stdio.h>
#include <stdlib.h>

#include "bpe/bpe.h"
#include "common/in.h"
#include "common/utf8.h"

/* Tokens come one by one, say from a model; a terminal gets whole characters only. */
static void show_as_stream(const bpe_model *model, const uint32_t *ids, size_t n) {
    wt_buf waiting = {0};
    for (size_t i = 0; i < n; i++) {
        bpe_decode(model, &ids[i], 1, &waiting, NULL);
        size_t ready = wt_utf8_complete(wt_buf_view(&waiting));
        fwrite(waiting.ptr, 1, ready, stdout);
        if (ready)
            putchar('|');
        memmove(waiting.ptr, waiting.ptr + ready, waiting.len - ready);
        waiting.len -= ready;
    }
    fwrite(waiting.ptr, 1, waiting.len, stdout);    /* a character the text itself leaves unfinished */
    putchar('\n');
    wt_buf_free(&waiting);
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_buf text = {0}, back = {0};
    bpe_model *model = argc == 2 ? bpe_model_load(argv[1], NULL, &err) : NULL;
    if (!model) {
        fprintf(stderr, "%s\n", argc == 2 ? err.text : "usage: bpe_encode TOKENIZER < TEXT");
        return 1;
    }
    wt_in *in = wt_in_open("-", &err);
    char part[4096];
    for (ptrdiff_t n; in && (n = wt_in_read(in, part, sizeof part, &err)) > 0;)
        wt_buf_add(&text, part, (size_t)n);
    wt_in_close(in);

    bpe_encoder *encoder = bpe_encoder_new(model, 0);
    uint32_t *ids = malloc(BPE_ROOM(text.len) * sizeof *ids);
    ptrdiff_t n = bpe_encode(encoder, wt_buf_view(&text), BPE_SPECIAL_NONE, ids, &err);
    if (n < 0 || bpe_decode(model, ids, (size_t)n, &back, &err) || !wt_str_eq(wt_buf_view(&back), wt_buf_view(&text))) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    show_as_stream(model, ids, (size_t)n);
    printf("%zu bytes, %td tokens\n", text.len, n);

    free(ids);
    wt_buf_free(&text);
    wt_buf_free(&back);
    bpe_encoder_free(encoder);
    bpe_model_free(model);
    return 0;
}

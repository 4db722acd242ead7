/* bpe_load.c - foreign tokenizer files: tokenizer.json, merges beside a vocabulary, .tiktoken, and files of
 * counted words. What loads must encode and decode without loss. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpe/model.h"
#include "bpe/stream.h"
#include "common/fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char dir[64];

static void write_file(const char *name, const void *bytes, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    fwrite(bytes, 1, n, f);
    fclose(f);
}

static void use(const char *name) {
    char path[128];
    wt_err err = {0};
    snprintf(path, sizeof path, "%s/%s", dir, name);
    bpe_model *m = bpe_model_load(path, NULL, &err);
    if (!m) {
        assert(err.code != WT_OK && err.text[0]);
        return;
    }
    static const char text[] = "The cat's hat. \xE4\xB8\xAD\xE6\x96\x87\xFF 123 <|endoftext|>";
    uint32_t ids[BPE_ROOM(sizeof text)];
    wt_buf back = {0};
    bpe_encoder *e = bpe_encoder_new(m, 1 << 16);
    ptrdiff_t k = bpe_encode(e, (wt_str){text, sizeof text}, BPE_SPECIAL_ALL, ids, &err);
    assert(k >= 0 || err.code == WT_ELIMIT);
    if (k >= 0) {
        assert(bpe_decode(m, ids, (size_t)k, &back, &err) == 0);
        assert(back.len == sizeof text && memcmp(back.ptr, text, sizeof text) == 0);
    }
    wt_buf_free(&back);
    bpe_encoder_free(e);
    bpe_model_free(m);
}

/* All 256 bytes, so that inputs need not spell them. */
static void write_vocab(void) {
    wt_buf out = {0};
    wt_buf_printf(&out, "{");
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        wt_buf name = {0};
        bpe_bytes_to_chars(&name, (wt_str){&c, 1});
        wt_buf_printf(&out, "\"%s%s\":%d,", b == '"' || b == '\\' ? "\\" : "", name.ptr, b);
        wt_buf_free(&name);
    }
    wt_buf_printf(&out, "\"th\":256,\"the\":257,\"\xC4\xA0" "c\":258}");
    write_file("vocab.json", out.ptr, out.len);
    wt_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    if (!dir[0]) {
        snprintf(dir, sizeof dir, "/tmp/bpe_load.%ld", (long)getpid());
        assert(wt_mkdirs(dir, NULL) == 0);
        write_vocab();
    }
    if (n == 0)
        return 0;
    static const char *const name[] = {"tokenizer.json", "merges.txt", "x.tiktoken", "tokenizer.json"};
    int kind = data[0] & 3;
    if (kind == 3) {                        /* a count file */
        bpe_train_options o = {.vocab_size = 260, .threads = 1};
        bpe_counter *c = bpe_counter_new(&o, NULL);
        char path[128];
        write_file("counts", data + 1, n - 1);
        snprintf(path, sizeof path, "%s/counts", dir);
        if (bpe_counts_read(c, path, NULL) == 0 && bpe_counter_finish(c, NULL) == 0)
            bpe_model_free(bpe_learn(c, NULL, NULL, NULL));
        bpe_counter_free(c);
        return 0;
    }
    write_file(name[kind], data + 1, n - 1);
    use(name[kind]);
    return 0;
}

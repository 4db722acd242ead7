/* bpe_split.c - any bytes through the pattern machines (vector and plain must agree, parts at a cut must be
 * the whole), and through a small learned tokenizer and back. */
#include <assert.h>
#include <stdlib.h>

#include "bpe/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void machines_agree(const bpe_splitter *s, const uint8_t *data, size_t n) {
    uint32_t ends[256];
    bpe_split_state *state = bpe_split_state_new(s);
    for (size_t at = 0, plain = 0; at < n;) {
        ptrdiff_t k = bpe_split(state, data, n, at, ends, 256, NULL);
        assert(k > 0);
        for (ptrdiff_t i = 0; i < k; i++) {
            plain = bpe_split_plain(bpe_splitter_kind(s), data, n, plain);
            assert(at + ends[i] == plain);
        }
        at = plain;
    }
    bpe_split_state_free(state);
}

static uint32_t *encode(bpe_encoder *e, const uint8_t *data, size_t n, ptrdiff_t *n_ids) {
    uint32_t *ids = malloc(BPE_ROOM(n) * sizeof *ids);
    *n_ids = bpe_encode(e, (wt_str){(const char *)data, n}, BPE_SPECIAL_ALL, ids, NULL);
    assert(*n_ids >= 0);
    return ids;
}

static void comes_back(const bpe_model *m, const uint8_t *data, size_t n) {
    bpe_encoder *e = bpe_encoder_new(m, 1 << 16);
    ptrdiff_t n_ids, n_a, n_b;
    uint32_t *ids = encode(e, data, n, &n_ids);
    wt_buf back = {0};
    assert(bpe_decode(m, ids, (size_t)n_ids, &back, NULL) == 0);
    assert(back.len == n && (n == 0 || memcmp(back.ptr, data, n) == 0));
    size_t cut = bpe_cut(m, (wt_str){(const char *)data, n}, BPE_SPECIAL_ALL);
    uint32_t *a = encode(e, data, cut, &n_a), *b = encode(e, data + cut, n - cut, &n_b);
    assert(n_a + n_b == n_ids && memcmp(ids, a, (size_t)n_a * 4) == 0 && memcmp(ids + n_a, b, (size_t)n_b * 4) == 0);
    free(ids);
    free(a);
    free(b);
    wt_buf_free(&back);
    bpe_encoder_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static const char *const name[] = {"gpt2", "cl100k", "o200k"};
    static bpe_splitter *splitter[3];
    static bpe_model *model[3];
    for (int k = 0; k < 3; k++) {
        if (!splitter[k]) {
            wt_str eot = WT_STR("<|endoftext|>");
            bpe_train_options o = {.vocab_size = 300, .pattern = name[k], .specials = &eot, .n_specials = 1, .threads = 1};
            bpe_counter *c = bpe_counter_new(&o, NULL);
            bpe_counter_add(c, 0, WT_STR("the cat's hat, the rat's mat\n\n  the   caf\xC3\xA9 \xE4\xB8\xAD\xE6\x96\x87\xE4\xB8\xAD\xE6\x96\x87 12 12"), NULL);
            bpe_counter_finish(c, NULL);
            model[k] = bpe_learn(c, NULL, NULL, NULL);
            bpe_counter_free(c);
            splitter[k] = bpe_splitter_new(name[k], NULL);
        }
        machines_agree(splitter[k], data, n);
        comes_back(model[k], data, n);
    }
    return 0;
}

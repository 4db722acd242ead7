/* encode.c - text into ids: cut out added tokens where asked, split what is between into
 * pretokens, merge each. */
#include <stdlib.h>

#include "bpe/model.h"

enum { BATCH = 1024 };

struct bpe_encoder {
    const bpe_model *model;
    bpe_split_state *split;
    uint32_t ends[BATCH];
};

bpe_encoder *bpe_encoder_new(const bpe_model *model, size_t cache_bytes) {
    bpe_encoder *e = wt_xcalloc(1, sizeof *e);
    e->model = model;
    e->split = bpe_split_state_new(model->splitter);
    return e;
}

void bpe_encoder_free(bpe_encoder *e) {
    if (!e)
        return;
    bpe_split_state_free(e->split);
    free(e);
}

/* Text without added tokens. */
static ptrdiff_t encode_text(bpe_encoder *e, const uint8_t *text, size_t n, uint32_t *ids,
                             wt_err *err) {
    size_t n_ids = 0;
    for (size_t at = 0;;) {
        ptrdiff_t n_ends = bpe_split(e->split, text, n, at, e->ends, BATCH, err);
        if (n_ends <= 0)
            return n_ends < 0 ? -1 : (ptrdiff_t)n_ids;
        uint32_t start = 0;
        for (ptrdiff_t i = 0; i < n_ends; i++) {
            n_ids += bpe_merge_piece(e->model, text + at + start, e->ends[i] - start, ids + n_ids);
            start = e->ends[i];
        }
        at += start;
    }
}

ptrdiff_t bpe_encode(bpe_encoder *e, wt_str text, bpe_special special, uint32_t *ids, wt_err *err) {
    size_t n_ids = 0;
    for (size_t at = 0; at < text.len;) {
        size_t start;
        ptrdiff_t added = bpe_added_find(&e->model->added, text, at, special, &start);
        ptrdiff_t n = encode_text(e, (const uint8_t *)text.ptr + at, start - at, ids + n_ids, err);
        if (n < 0)
            return -1;
        n_ids += (size_t)n;
        at = start;
        if (added >= 0) {
            ids[n_ids++] = e->model->added.item[added].id;
            at += e->model->added.item[added].len;
        }
    }
    return (ptrdiff_t)n_ids;
}

/* Narrowed in place of a second encoder, part by part. */
ptrdiff_t bpe_encode_u16(bpe_encoder *e, wt_str text, bpe_special special, uint16_t *ids, wt_err *err) {
    uint32_t *wide = wt_xmalloc(BPE_ROOM(text.len) * sizeof *wide);
    ptrdiff_t n = bpe_encode(e, text, special, wide, err);
    for (ptrdiff_t i = 0; i < n; i++)
        ids[i] = (uint16_t)wide[i];
    free(wide);
    return n;
}

size_t bpe_cut(const bpe_model *m, wt_str text, bpe_special special) {
    return bpe_added_cut(&m->added, m->splitter, text, special);
}

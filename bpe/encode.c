/* encode.c - text into ids: cut out added tokens where asked, split what is between into
 * pretokens, and take their ids from the cache. */
#include <stdlib.h>

#include "bpe/cache.h"
#include "bpe/model.h"

enum { BATCH = 192 };       /* more, and the slots asked for first would leave the L1 cache again */

struct bpe_encoder {
    const bpe_model *model;
    bpe_split_state *split;
    bpe_cache cache;
    uint32_t ends[BATCH];
    uint32_t place[BATCH];
    bpe_key key[BATCH];
};

bpe_encoder *bpe_encoder_new(const bpe_model *model, size_t cache_bytes) {
    bpe_encoder *e = wt_xcalloc(1, sizeof *e);
    e->model = model;
    e->split = bpe_split_state_new(model->splitter);
    bpe_cache_init(&e->cache, model, cache_bytes);
    return e;
}

bpe_encoder *bpe_encoder_share(bpe_encoder *other) {
    bpe_encoder *e = wt_xcalloc(1, sizeof *e);
    e->model = other->model;
    e->split = bpe_split_state_new(e->model->splitter);
    bpe_cache_share(&e->cache, &other->cache);
    return e;
}

void bpe_encoder_free(bpe_encoder *e) {
    if (!e)
        return;
    bpe_split_state_free(e->split);
    bpe_cache_free(&e->cache);
    free(e);
}

/* The places of the words from `from` on in a table that has changed its size. */
static void place_again(bpe_encoder *e, ptrdiff_t from, ptrdiff_t n) {
    for (ptrdiff_t i = from; i < n; i++)
        if (e->key[i].hi != UINT64_MAX)
            e->place[i] = bpe_cache_place(e->cache.bits, e->key[i]);
}

#define LOOP encode_narrow_u16
#define PARTS parts_narrow_u16
#define OUT uint16_t
#define FIELD narrow
#define SLOT_ID uint16_t
#include "bpe/encode_core.h"

#define LOOP encode_narrow_u32
#define PARTS parts_narrow_u32
#define OUT uint32_t
#define FIELD narrow
#define SLOT_ID uint16_t
#include "bpe/encode_core.h"

#define LOOP encode_wide_u32
#define PARTS parts_wide_u32
#define OUT uint32_t
#define FIELD wide
#define SLOT_ID uint32_t
#include "bpe/encode_core.h"

/* Calls the loop for each stretch between added tokens. */
#define ENCODE_ALL(loop)                                                                          \
    size_t n_ids = 0;                                                                             \
    for (size_t at = 0; at < text.len;) {                                                         \
        size_t start;                                                                             \
        ptrdiff_t added = bpe_added_find(&e->model->added, text, at, special, &start);            \
        ptrdiff_t n = loop(e, (const uint8_t *)text.ptr + at, start - at, ids + n_ids, err);      \
        if (n < 0)                                                                                \
            return -1;                                                                            \
        n_ids += (size_t)n;                                                                       \
        at = start;                                                                               \
        if (added >= 0) {                                                                         \
            *(ids + n_ids++) = (__typeof__(*ids))e->model->added.item[added].id;                      \
            at += e->model->added.item[added].len;                                                \
        }                                                                                         \
    }                                                                                             \
    return (ptrdiff_t)n_ids

static ptrdiff_t encode_wide(bpe_encoder *e, wt_str text, bpe_special special, uint32_t *ids, wt_err *err) {
    ENCODE_ALL(encode_wide_u32);
}

ptrdiff_t bpe_encode(bpe_encoder *e, wt_str text, bpe_special special, uint32_t *ids, wt_err *err) {
    if (!e->cache.narrow)
        return encode_wide(e, text, special, ids, err);
    ENCODE_ALL(encode_narrow_u32);
}

ptrdiff_t bpe_encode_u16(bpe_encoder *e, wt_str text, bpe_special special, uint16_t *ids, wt_err *err) {
    if (!e->cache.narrow)
        return wt_fail(err, WT_EARG, "ids of a vocabulary of %u need 32 bits", e->model->n_ids);
    ENCODE_ALL(encode_narrow_u16);
}

size_t bpe_cut(const bpe_model *m, wt_str text, bpe_special special) {
    return bpe_added_cut(&m->added, m->splitter, text, special);
}

/* word_table.c - two tables with open addressing: one for keys, one for words that lie beside it. */
#include <stdlib.h>

#include "bpe/word_table.h"
#include "common/memory.h"

enum { SHORT_BITS_MIN = 12, LONG_BITS_MIN = 8 };

/* ---- memory ---- */
/* Huge pages for huge tables only: clearing one costs as much as filling a small table. */
static bpe_short_slot *slots_alloc(int bits, wt_err *err) {
    size_t bytes = sizeof(bpe_short_slot) << bits;
    return bytes < 1 << 21 ? wt_xcalloc(1, bytes) : wt_big_alloc(bytes, "a word table", err);
}

static void slots_free(bpe_short_slot *slot, int bits) {
    size_t bytes = sizeof(bpe_short_slot) << bits;
    if (bytes < 1 << 21)
        free(slot);
    else
        wt_big_free(slot, bytes);
}

void bpe_word_table_init(bpe_word_table *t, int skip) {
    *t = (bpe_word_table){.bits = SHORT_BITS_MIN, .long_bits = LONG_BITS_MIN, .skip = skip};
    t->slot = slots_alloc(t->bits, NULL);
    t->long_words = wt_xcalloc((size_t)1 << t->long_bits, sizeof(bpe_long_slot));
}

void bpe_word_table_free(bpe_word_table *t) {
    slots_free(t->slot, t->bits);
    free(t->long_words);
    wt_buf_free(&t->bytes);
    *t = (bpe_word_table){0};
}

uint64_t bpe_word_table_bytes(const bpe_word_table *t) {
    return (sizeof(bpe_short_slot) << t->bits) + (sizeof(bpe_long_slot) << t->long_bits) + t->bytes.len;
}

int bpe_word_table_grow(bpe_word_table *t, wt_err *err) {
    bpe_word_table old = *t;
    t->bits++;
    t->slot = slots_alloc(t->bits, err);
    if (!t->slot) {
        *t = old;
        return -1;
    }
    for (size_t i = 0; i < (size_t)1 << old.bits; i++)
        if (old.slot[i].count)
            *bpe_short_find(t, old.slot[i].key, bpe_key_hash(old.slot[i].key)) = old.slot[i];
    slots_free(old.slot, old.bits);
    return 0;
}

static int short_add(bpe_word_table *t, bpe_key key, uint64_t count, wt_err *err) {
    bpe_short_slot *s = bpe_short_find(t, key, bpe_key_hash(key));
    if (!s->count) {
        if (bpe_short_tight(t, 0)) {
            if (bpe_word_table_grow(t, err))
                return -1;
            s = bpe_short_find(t, key, bpe_key_hash(key));
        }
        s->key = key;
        t->n++;
    }
    s->count += count;
    return 0;
}

static bpe_long_slot *long_find(const bpe_word_table *t, wt_str word, uint64_t hash) {
    size_t mask = ((size_t)1 << t->long_bits) - 1, i = hash << t->skip >> (64 - t->long_bits);
    for (;; i = (i + 1) & mask) {
        bpe_long_slot *s = &t->long_words[i];
        if (!s->count || (s->hash == hash && s->len == word.len &&
                          memcmp(t->bytes.ptr + s->at, word.ptr, word.len) == 0))
            return s;
    }
}

static void long_grow(bpe_word_table *t) {
    bpe_long_slot *old = t->long_words;
    size_t n = (size_t)1 << t->long_bits++, mask = 2 * n - 1;
    t->long_words = wt_xcalloc(2 * n, sizeof *old);
    for (size_t k = 0; k < n; k++)
        if (old[k].count) {
            size_t i = old[k].hash << t->skip >> (64 - t->long_bits);
            while (t->long_words[i].count)
                i = (i + 1) & mask;
            t->long_words[i] = old[k];
        }
    free(old);
}

void bpe_word_table_add_long(bpe_word_table *t, wt_str word, uint64_t count) {
    uint64_t hash = wt_hash64(word.ptr, word.len, 0);
    bpe_long_slot *s = long_find(t, word, hash);
    if (!s->count) {
        if (bpe_long_tight(t, 0)) {
            long_grow(t);
            s = long_find(t, word, hash);
        }
        *s = (bpe_long_slot){.hash = hash, .at = t->bytes.len, .len = (uint32_t)word.len};
        wt_buf_add_str(&t->bytes, word);
        t->n_long++;
    }
    s->count += count;
}

int bpe_word_table_add(bpe_word_table *t, wt_str word, uint64_t count, wt_err *err) {
    if (word.len <= BPE_KEY_MAX)
        return short_add(t, bpe_key_copy((const uint8_t *)word.ptr, word.len), count, err);
    bpe_word_table_add_long(t, word, count);
    return 0;
}

/* ---- walking a table in order of hash ---- A word may stand behind its place, never before it,
 * but for those that went over the end of the table to its start. So ranges are told by hash. */
static unsigned range_of(uint64_t hash) { return (unsigned)(hash >> (64 - BPE_RANGE_BITS)); }

static int visit_short(const bpe_short_slot *s, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    uint8_t bytes[16];
    memcpy(bytes, &s->key, 16);
    return visit(ctx, (wt_str){(char *)bytes, bpe_key_len(s->key)}, s->count, err);
}

static int visit_long(const bpe_word_table *t, const bpe_long_slot *s, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    return visit(ctx, (wt_str){t->bytes.ptr + s->at, s->len}, s->count, err);
}

int bpe_word_table_visit(const bpe_word_table *t, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    for (size_t k = 0; k < (size_t)1 << t->bits; k++)
        if (t->slot[k].count && visit_short(&t->slot[k], visit, ctx, err))
            return -1;
    for (size_t k = 0; k < (size_t)1 << t->long_bits; k++)
        if (t->long_words[k].count && visit_long(t, &t->long_words[k], visit, ctx, err))
            return -1;
    return 0;
}

int bpe_word_table_visit_range(const bpe_word_table *t, unsigned range, bpe_word_visitor *visit, void *ctx, wt_err *err) {
    size_t n = (size_t)1 << t->bits, per = n >> BPE_RANGE_BITS;
    for (size_t k = range * per;; k++) {
        const bpe_short_slot *s = &t->slot[k & (n - 1)];
        if (k >= (range + 1) * per && (!s->count || k >= range * per + n))
            break;
        if (s->count && range_of(bpe_key_hash(s->key)) == range && visit_short(s, visit, ctx, err))
            return -1;
    }
    n = (size_t)1 << t->long_bits, per = n >> BPE_RANGE_BITS;
    for (size_t k = range * per;; k++) {
        const bpe_long_slot *s = &t->long_words[k & (n - 1)];
        if (k >= (range + 1) * per && (!s->count || k >= range * per + n))
            break;
        if (s->count && range_of(s->hash) == range && visit_long(t, s, visit, ctx, err))
            return -1;
    }
    return 0;
}

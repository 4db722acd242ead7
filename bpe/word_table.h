/* word_table.h - distinct words with their counts, in memory: what each thread that counts has, and each range of hashes
 * when the threads' words are brought together. Inside bpe/.
 *
 * Words of up to 15 bytes are 16-byte keys (key.h) in slots of 24 bytes; longer ones have a second table beside their
 * bytes. A slot's place is the top bits of its word's hash, so a table read from start to end is in order of hash, and
 * the words of one range of hashes (range r: those whose first BPE_RANGE_BITS bits are r) stand together. */
#ifndef WT_BPE_WORD_TABLE_H
#define WT_BPE_WORD_TABLE_H

#include "bpe/key.h"
#include "bpe/words.h"
#include "common/hash.h"

enum { BPE_RANGE_BITS = 8, BPE_RANGES = 1 << BPE_RANGE_BITS };

typedef struct {
    bpe_key key;
    uint64_t count;                 /* 0: empty */
} bpe_short_slot;

typedef struct {
    uint64_t hash, count;           /* count 0: empty */
    uint64_t at;                    /* in bytes */
    uint32_t len;
} bpe_long_slot;

typedef struct {
    bpe_short_slot *slot;
    int bits;                       /* of the number of slots */
    int skip;                       /* leading bits of a hash that do not count: all words of a range share them */
    size_t n;
    bpe_long_slot *long_words;
    int long_bits;
    size_t n_long;
    wt_buf bytes;                   /* of long words */
} bpe_word_table;

void bpe_word_table_init(bpe_word_table *table, int skip);
void bpe_word_table_free(bpe_word_table *table);
uint64_t bpe_word_table_bytes(const bpe_word_table *table);

/* Fails where there is no memory for twice the slots (WT_ENOMEM), and then nothing has changed. */
int bpe_word_table_add(bpe_word_table *table, wt_str word, uint64_t count, wt_err *err);

/* ---- adding many, for those who know their lengths ---- */
void bpe_word_table_add_long(bpe_word_table *table, wt_str word, uint64_t count);   /* above BPE_KEY_MAX bytes */
int bpe_word_table_grow(bpe_word_table *table, wt_err *err);                        /* twice the slots for short words */
/* Whether n more distinct words would be too many for the slots there are: five of eight. */
static inline bool bpe_short_tight(const bpe_word_table *t, size_t n) { return t->n + n >= (size_t)5 << (t->bits - 3); }
static inline bool bpe_long_tight(const bpe_word_table *t, size_t n) { return t->n_long + n >= (size_t)5 << (t->long_bits - 3); }
/* The slot of a key, or the empty one where it would be. */
static inline bpe_short_slot *bpe_short_find(const bpe_word_table *t, bpe_key key, uint64_t hash) {
    size_t mask = ((size_t)1 << t->bits) - 1, i = hash << t->skip >> (64 - t->bits);
    while (t->slot[i].count && !bpe_key_equal(t->slot[i].key, key))
        i = (i + 1) & mask;
    return &t->slot[i];
}
/* The hash that decides a word's place, and its range. */
static inline uint64_t bpe_word_hash(wt_str word) {
    return word.len <= BPE_KEY_MAX ? bpe_key_hash(bpe_key_copy((const uint8_t *)word.ptr, word.len))
                                   : wt_hash64(word.ptr, word.len, 0);
}

/* ---- reading ---- visit is called for each word, short ones first, each kind in about the order of hashes. Stops with
 * -1 where it says so. */
int bpe_word_table_visit(const bpe_word_table *table, bpe_word_visitor *visit, void *ctx, wt_err *err);
/* The words of one range; skip must be 0. */
int bpe_word_table_visit_range(const bpe_word_table *table, unsigned range, bpe_word_visitor *visit, void *ctx, wt_err *err);

#endif

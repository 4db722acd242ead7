/* cache.h - one thread's memory of words and their ids. Inside bpe/.
 *
 * Nine of ten words of a text are one token, and nearly all were seen before. So a word of up to 15
 * bytes is a 16-byte key (key.h) in a table of 32-byte slots that hold its ids themselves: 7 of 16
 * bits, or 3 of 32 where the vocabulary is larger. A hit is one compare, one 16-byte store and
 * one addition. Two slots are a line of the processor's cache; a word's place is the first of two, and
 * nearly always it is one of them. Longer words, and those of more ids, are in a second table. Both are
 * emptied when they have reached their share of the memory. A new cache begins with the
 * vocabulary's own words. */
#ifndef WT_BPE_CACHE_H
#define WT_BPE_CACHE_H

#include "bpe/key.h"
#include "bpe/model.h"

typedef struct {
    bpe_key key;                    /* length 0: empty */
    union {
        uint16_t narrow[8];         /* ids, their number last */
        uint32_t wide[4];
    };
} bpe_cache_slot;
enum { BPE_NARROW_MAX = 7, BPE_WIDE_MAX = 3 };

typedef struct {
    uint64_t hash;                  /* 0: empty */
    uint64_t bytes_at, ids_at;      /* in bytes and ids */
    uint32_t len, n;
} bpe_cache_long;

typedef struct {
    bpe_cache_slot *slot;
    int bits, bits_max;
    size_t n;
    bpe_cache_long *long_slot;
    size_t long_mask, n_long;
    wt_buf bytes;
    uint32_t *ids;
    size_t n_ids, cap_ids;
    size_t long_bytes_max;
    bool narrow;
    const bpe_model *model;
} bpe_cache;

void bpe_cache_init(bpe_cache *c, const bpe_model *model, size_t bytes);
void bpe_cache_free(bpe_cache *c);
/* Where to look for a word of up to 15 bytes first: the first of two slots. */
static inline uint32_t bpe_cache_place(int bits, bpe_key key) {
    return (uint32_t)(bpe_key_hash(key) >> (64 - bits)) & ~1u;
}

/* The slot of such a word, made if need be (and then the table may be another); NULL: it has more ids than a
 * slot holds. */
const bpe_cache_slot *bpe_cache_short(bpe_cache *c, const uint8_t *word, bpe_key key);
/* Ids of any word, from the tables or by merging; borrowed until the next call. */
const uint32_t *bpe_cache_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids);

/* The slots a new cache begins with: each plain token of up to 15 bytes that merges to itself. */
bpe_cache_slot *bpe_cache_seed(const bpe_model *model, int *bits);

#endif

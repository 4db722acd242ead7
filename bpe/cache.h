/* cache.h - the memory of words and their ids, which all encoders of a text share. Inside bpe/.
 *
 * Nine of ten words of a text are one token, and nearly all were seen before. So a word of up to 15
 * bytes is a 16-byte key (key.h) in a table of 32-byte slots that hold its ids themselves: 7 of 16
 * bits, or 3 of 32 where the vocabulary is larger. A hit is one compare, one 16-byte store and
 * one addition. Two slots are a line of the processor's cache; a word's place is the first of two, and
 * nearly always it is one of them. Longer words, and those of more ids, are records that a second table
 * points to. A new table begins with the vocabulary's own words.
 *
 * Threads share a table, so that a word is merged once and not once a thread, and two cores do not fill
 * the cache between them with the same words twice. No lock is taken to look a word up or to add one: a
 * slot is written once, its key's upper half last (release), and a word's ids are a function
 * of the word, so it does not matter who was first. Where a table has reached its share of the memory
 * it gives way to a larger one, or to one with the vocabulary's words only; each encoder goes over when it
 * begins its next batch, and the last to leave frees the old one. */
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

typedef struct bpe_cache_table bpe_cache_table;
typedef struct bpe_cache_words bpe_cache_words;             /* what the encoders share */

/* One encoder's view. */
typedef struct {
    const bpe_cache_slot *slot;     /* of the table it uses */
    int bits;
    bool narrow;
    bpe_cache_table *table;
    bpe_cache_words *words;
    size_t n_new;                   /* slots taken that the table's count lacks */
    bpe_cache_slot spare;           /* for a word that finds no room */
    uint32_t *ids;                  /* scratch */
    size_t cap_ids;
} bpe_cache;

void bpe_cache_init(bpe_cache *c, const bpe_model *model, size_t bytes);
void bpe_cache_share(bpe_cache *c, const bpe_cache *other);
void bpe_cache_free(bpe_cache *c);
/* Goes over to the newest table; borrowed slots and ids are void after it. */
void bpe_cache_renew(bpe_cache *c);

/* Where to look for a word of up to 15 bytes first: the first of two slots. */
static inline uint32_t bpe_cache_place(int bits, bpe_key key) {
    return (uint32_t)(bpe_key_hash(key) >> (64 - bits)) & ~1u;
}

/* Whether the slot is the key's; if so, its ids may be read. */
static inline bool bpe_cache_is(const bpe_cache_slot *s, bpe_key key) {
    uint64_t hi = __atomic_load_n(&s->key.hi, __ATOMIC_ACQUIRE);
    return !((__atomic_load_n(&s->key.lo, __ATOMIC_RELAXED) ^ key.lo) | (hi ^ key.hi));
}

/* The slot of such a word, made if need be (and then the table may be another); borrowed until the next call.
 * NULL: it has more ids than a slot holds. */
const bpe_cache_slot *bpe_cache_short(bpe_cache *c, const uint8_t *word, bpe_key key);
/* Ids of any word, from the tables or by merging; borrowed until the next call. */
const uint32_t *bpe_cache_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids);

/* The slots a new table begins with: each plain token of up to 15 bytes that merges to itself. */
bpe_cache_slot *bpe_cache_seed(const bpe_model *model, int *bits);

#endif

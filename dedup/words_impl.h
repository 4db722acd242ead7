/* words_impl.h - what the files of the word hashes share; nobody else includes it. */
#ifndef WT_DEDUP_WORDS_IMPL_H
#define WT_DEDUP_WORDS_IMPL_H

#include "dedup/words.h"

#define GOLDEN 0x9e3779b97f4a7c15u
#define NGRAM_BASE 0xd1342543de82ef95u                /* odd; a good multiplier (Steele, Vigna 2022) */

enum { RUN_ALNUM = 1, RUN_WHITESPACE = 2 };

/* Masks of n_blocks blocks of 64 bytes: a bit for each byte that belongs to the kind of run. */
void runs_find_avx2(const char *text, size_t n_blocks, int run, uint64_t *masks);
void runs_find_avx512(const char *text, size_t n_blocks, int run, uint64_t *masks);
uint64_t run_mask_plain(const char *block, int run);

/* A word that is put together character by character. */
typedef struct {
    char bytes[512];            /* the word so far, lower-cased */
    size_t n;
    uint64_t long_state;        /* of what did not fit */
    u64_list *out;
} word_buf;
void word_end(word_buf *w);                           /* hashes it, if it is one, and begins anew */
void word_add_lower(word_buf *w, uint32_t cp);

void words_chars(words_rule rule, wt_str text, u64_list *out);
void words_uax29(wt_str text, u64_list *out);

static inline uint64_t word_start(size_t n) { return n * GOLDEN ^ 0x2d358dccaa6c78a5u; }
static inline uint64_t word_step(uint64_t state, uint64_t low, uint64_t high) {
    unsigned __int128 p = (unsigned __int128)(low ^ state) * (high ^ 0x8bb84b93962eacc9u);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}

static inline void list_room(u64_list *list, size_t extra) {
    WT_GROW(list->at, list->cap, list->n + extra);
}
static inline void list_add(u64_list *list, uint64_t x) {
    if (list->n == list->cap) list_room(list, list->n ? list->n : 1024);
    list->at[list->n++] = x;
}

#endif

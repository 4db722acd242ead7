/* words.h - a text as a sequence of 64-bit word hashes, and those as n-gram keys. No strings are
 * built: a word is lower-cased and hashed where it stands.
 *   alnum        runs of letters, marks and digits (Unicode), lower-cased; a character of a script
 *                written without spaces (Han, Thai, ...) is a word of its own. GPT-2's overlap rule
 *   uax29        segments between Unicode word boundaries, white space left out, punctuation kept,
 *                lower-cased (what bff and Dolma count)
 *   whitespace   runs of what is not white space, as they are
 *   chars        every character but white space, lower-cased: n-grams of characters
 * Bytes that are not UTF-8 are taken one by one as something that is no word (alnum, uax29) or as
 * themselves. The hashes are part of the file formats: they never change within a format version. */
#ifndef WT_DEDUP_WORDS_H
#define WT_DEDUP_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

typedef enum { WORDS_ALNUM, WORDS_UAX29, WORDS_WHITESPACE, WORDS_CHARS } words_rule;

/* -1 for an unknown name. */
int words_rule_named(const char *name);
const char *words_rule_name(words_rule rule);

typedef struct {
    uint64_t *at;
    size_t n, cap;
} u64_list;

/* Appends the hash of each word of the text to the list. */
void words_hash(words_rule rule, wt_str text, u64_list *out);
/* The same in plain steps: the twin that the fast one is tested against. */
void words_hash_plain(words_rule rule, wt_str text, u64_list *out);
/* The hash of one word of bytes, lower-cased already. */
uint64_t word_hash(const char *bytes, size_t n);

/* One key for a whole sequence; 0 words have one too. */
uint64_t words_key(const uint64_t *words, size_t n_words);
/* Appends the key of each n-gram, n_words - n + 1 of them (none when there are fewer words). */
void words_ngrams(const uint64_t *words, size_t n_words, int n, u64_list *out);

#endif

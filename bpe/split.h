/* split.h - cuts text into pretokens ("words"), the pieces that merges never cross. Inside bpe/. */
#ifndef WT_BPE_SPLIT_H
#define WT_BPE_SPLIT_H

#include "bpe/bpe.h"

typedef enum { BPE_SPLIT_GPT2, BPE_SPLIT_CL100K, BPE_SPLIT_O200K, BPE_SPLIT_REGEX } bpe_split_kind;

typedef struct bpe_splitter bpe_splitter;             /* read-only, shared by threads */
typedef struct bpe_split_state bpe_split_state;       /* one thread's scratch */

/* name: "gpt2", "cl100k", "o200k", one of their expressions (known spellings are recognised), or
 * any expression in PCRE2's syntax. WT_EARG names what is wrong with it, and where. */
bpe_splitter *bpe_splitter_new(const char *name, wt_err *err);
void bpe_splitter_free(bpe_splitter *splitter);
bpe_split_kind bpe_splitter_kind(const bpe_splitter *splitter);
const char *bpe_splitter_name(const bpe_splitter *splitter);   /* short name, or the expression */
const char *bpe_splitter_regex(const bpe_splitter *splitter);  /* the expression for tokenizer.json */

bpe_split_state *bpe_split_state_new(const bpe_splitter *splitter);
void bpe_split_state_free(bpe_split_state *state);

/* Writes the ends of the next pretokens, at most cap (>= 128) of them, counted from text + at,
 * where a pretoken must start; n - at may be at most BPE_SPLIT_MAX. The last end written is where
 * to go on. Returns how many; 0 at the end of the text; -1 with WT_ELIMIT. */
#define BPE_SPLIT_MAX ((size_t)UINT32_MAX - 64)
ptrdiff_t bpe_split(bpe_split_state *state, const uint8_t *text, size_t n, size_t at,
                    uint32_t *ends, size_t cap, wt_err *err);

/* The end of the pretoken that starts at `at` < n: one code point at a time, the plain machines. */
size_t bpe_split_plain(bpe_split_kind kind, const uint8_t *text, size_t n, size_t at);

/* The last position in (0, n) where the text may be cut, 0 where none is known. */
size_t bpe_split_cut(const bpe_splitter *splitter, const uint8_t *text, size_t n);

/* A vector machine: as bpe_split. class_of: wt_uc_class of the basic plane's code points. */
typedef size_t bpe_split_fast(const uint8_t *class_of, const uint8_t *text, size_t n, size_t at,
                              uint32_t *ends, size_t cap);
bpe_split_fast bpe_split_gpt2_avx512, bpe_split_cl100k_avx512, bpe_split_o200k_avx512;
bpe_split_fast bpe_split_gpt2_avx2, bpe_split_cl100k_avx2, bpe_split_o200k_avx2;

#endif

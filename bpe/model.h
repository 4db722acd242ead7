/* model.h - what a tokenizer is in memory, and how files build one. Inside bpe/. */
#ifndef WT_BPE_MODEL_H
#define WT_BPE_MODEL_H

#include "bpe/bpe.h"
#include "bpe/pairs.h"
#include "bpe/split.h"

typedef struct {
    uint32_t left, right, result;
    uint32_t rank;      /* lower merges first; equal ranks (of one result): leftmost first */
} bpe_merge;

typedef struct {
    char *text;
    uint32_t len, id;
    bool special;       /* false: an added token that is part of the text proper, always cut out */
} bpe_added;

/* Strings that are cut out of a text before it is split. */
typedef struct {
    bpe_added *item;                /* by id; text is borrowed */
    size_t n;
    uint64_t first_plain[4];        /* sets of bytes: those that non-special ones start with */
    uint64_t first_all[4];          /* ... and that any starts with */
    uint32_t len_max;
} bpe_added_set;

void bpe_added_index(bpe_added_set *set);              /* fills first_* and len_max from item */
static inline bool bpe_added_any(const bpe_added_set *set, bpe_special special) {
    const uint64_t *f = special == BPE_SPECIAL_ALL ? set->first_all : set->first_plain;
    return f[0] | f[1] | f[2] | f[3];
}
/* The next one in text[at, n): its position in *start, its index; -1 with *start = n. */
ptrdiff_t bpe_added_find(const bpe_added_set *set, wt_str text, size_t at, bpe_special special,
                         size_t *start);
/* bpe_cut for a splitter and a set. */
size_t bpe_added_cut(const bpe_added_set *set, const bpe_splitter *splitter, wt_str text,
                     bpe_special special);

enum { BPE_TOKEN_NONE, BPE_TOKEN_PLAIN, BPE_TOKEN_ADDED };

/* What a file says of a token that is being built. */
typedef enum {
    BPE_ADDED_NOT,                  /* plain: a byte, or what a merge makes */
    BPE_ADDED_SPECIAL,
    BPE_ADDED_TEXT,                 /* added, and not special */
    BPE_ADDED_UNKNOWN               /* its name is not of the byte alphabet: it has to be an added one, too */
} bpe_added_kind;

struct bpe_model {
    bpe_splitter *splitter;
    uint32_t n_ids;                 /* highest id + 1; ids without a token have kind NONE */
    uint32_t *offset;               /* n_ids + 1 positions in blob */
    char *blob;                     /* 16 readable bytes behind the end */
    uint8_t *kind;
    uint32_t token_max;             /* longest token, bytes */
    bpe_merge *merge;               /* in order of rank */
    uint32_t n_merges;
    bpe_added_set added;
    uint32_t end_of_text;
    uint32_t byte_id[256];
    bool whole_first;               /* a pretoken that is a token is that token, merged or not */
    bool avx512;                    /* merging may use it */
    bool ordered;                   /* ids rise with the ranks of their merges, and are kept as ranks */
    bpe_pairs *pairs;               /* of an ordered model whose ids fit 16 bits; else NULL */
    struct { uint64_t pair; uint32_t rank, result; } *pair_slot;    /* else; open addressing */
    uint32_t pair_mask;
    uint32_t *byte_pair_rank;       /* of an ordered model: of bytes a and b at a << 8 | b */
    uint32_t *token_slot, token_mask;                               /* bytes -> id, same */
    uint8_t fingerprint[32];
    uint32_t joined[2048];          /* bit a << 8 | b: some token holds byte a before byte b */
    struct { uint16_t id[3], n; } *three;   /* ids of each three bytes E0..EF 80..BF 80..BF, where ids fit */
    void *seed;                     /* what encoders' caches begin with (cache.h) */
    int seed_bits;
};

/* ---- building ---- Give it tokens and merges in any order, then finish. */
typedef struct {
    struct bpe_build_token { uint32_t id, len; uint64_t at; bpe_added_kind added; uint32_t line; bool in_config; } *token;
    size_t n_tokens, cap_tokens;
    uint32_t line;                  /* in which the next token or merge stands, for refusals; 0 unknown */
    bool in_config;                 /* ... of tokenizer_config.json, not of the vocabulary's file */
    wt_buf blob;
    bpe_merge *merge;
    uint32_t *merge_line;           /* in order of their coming */
    const char *merges_path;        /* of the file those lines are of; NULL: the vocabulary's. Borrowed */
    size_t n_merges, cap_merges, cap_merge_lines;
    bool whole_first;
    bool gaps_allowed;              /* between plain tokens; added ones may always leave gaps */
} bpe_build;

enum { BPE_ID_MAX = 1 << 24 };      /* ids from files are below */

void bpe_build_token(bpe_build *build, uint32_t id, wt_str bytes, bpe_added_kind added);
void bpe_build_merge(bpe_build *build, uint32_t left, uint32_t right, uint32_t result,
                     uint32_t rank);
/* Takes over the splitter (frees it on failure); frees the build. */
bpe_model *bpe_build_finish(bpe_build *build, bpe_splitter *splitter, wt_err *err);
void bpe_build_free(bpe_build *build);

/* The rank of the merge of (left, right), UINT32_MAX where there is none; *result is what it makes. */
static inline uint32_t bpe_pair_rank(const bpe_model *m, uint32_t left, uint32_t right, uint32_t *result) {
    if (m->pairs)
        return *result = bpe_pairs_find(m->pairs, left, right);
    uint64_t pair = (uint64_t)left << 32 | right;
    uint32_t i = (uint32_t)((pair * 0x9E3779B97F4A7C15u) >> 32) & m->pair_mask;
    while (m->pair_slot[i].pair != pair && m->pair_slot[i].pair != UINT64_MAX)
        i = (i + 1) & m->pair_mask;
    *result = m->pair_slot[i].result;
    return m->pair_slot[i].rank;
}

/* Whether a merge may reach over the place between bytes a and b. */
static inline bool bpe_joined(const bpe_model *m, uint8_t a, uint8_t b) {
    return m->joined[a << 3 | b >> 5] >> (b & 31) & 1;
}
static inline size_t bpe_three_index(const uint8_t *p) {
    return (size_t)(p[0] & 15) << 12 | (size_t)(p[1] & 63) << 6 | (p[2] & 63);
}
static inline bool bpe_is_three(const uint8_t *p) {
    return p[0] >> 4 == 14 && p[1] >> 6 == 2 && p[2] >> 6 == 2;
}

/* One pretoken by its merges alone; ids has room for n. Returns how many. */
size_t bpe_merge_piece(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids);
/* The same for an ordered model and 2 to 16 bytes, in registers; writes n or fewer. */
size_t bpe_merge_word_avx512(const bpe_model *m, const uint8_t *bytes, size_t n, uint32_t *ids);

/* GPT-2's printable stand-ins for bytes: rank of byte b in the vocabulary, the characters, and back. */
extern const uint8_t BPE_BYTE_RANK[256];
void bpe_bytes_to_chars(wt_buf *out, wt_str bytes);                /* appends */
int bpe_chars_to_bytes(wt_buf *out, wt_str chars);                 /* -1: not of that alphabet */

#endif

/* content.h - the main text of a page. The page is cut into blocks (runs of text with no block
 * element's border inside); each gets one row of features, among them where the classic
 * heuristics would look (the densest container, semantic elements, repeated siblings, JSON-LD's
 * own copy); two rounds of boosted trees give its chance to be content, the second seeing the
 * first's opinion of its surroundings; the set kept is the one with the best expected F1. */
#ifndef WT_EXTRACT_CONTENT_H
#define WT_EXTRACT_CONTENT_H

#include "extract/meta.h"
#include "extract/model.h"
#include "extract/tree.h"

typedef enum {
#define FEATURE(name) F_##name,
#include "extract/features.def"
#undef FEATURE
    N_FEATURES,
    /* round 2 sees these behind the others */
    F2_own = N_FEATURES, F2_prev, F2_next, F2_prev2, F2_next2, F2_window3, F2_window8,
    F2_up1, F2_up2, F2_up3, F2_kind, F2_kind_up1, F2_page_mean, F2_page_kept, F2_rank, F2_before,
    F2_after, F2_run, F2_copy, F2_heading, F2_section, F2_card, F2_row, N_FEATURES2
} content_feature;

enum {                      /* what a block stands in */
    IN_LINK = 1, IN_LI = 2, IN_CELL = 4, IN_TH = 8, IN_PRE = 16, IN_QUOTE = 32, IN_CAPTION = 64,
    IN_FORM = 128, IN_LABEL = 256, IN_BUTTON = 512, IN_NAV = 1 << 10, IN_HEADER = 1 << 11,
    IN_FOOTER = 1 << 12, IN_ASIDE = 1 << 13, IN_ARTICLE = 1 << 14, IN_MAIN = 1 << 15,
    IN_BODY_PROP = 1 << 16, IN_HIDDEN = 1 << 17, IN_DL = 1 << 18, IN_TIME = 1 << 19,
    IN_ADDRESS = 1 << 20, IN_BOLD = 1 << 21, IN_P = 1 << 22, IN_CODE = 1 << 23, IN_COMMENT = 1 << 24,
    IN_DIALOG = 1 << 26, IN_SIGNATURE = 1 << 27,
    IN_NUMBERS = 1 << 25            /* named like the line numbers beside code; not handed down */
};

typedef struct {
    uint32_t text, text_len;        /* in content.text: folded white space, '\n' for <br> */
    uint32_t element;               /* the block element it belongs to */
    uint32_t first, last;           /* its first and last text node */
    uint32_t row, cell, item;       /* nearest tr, td/th and li (or dt, dd) above; 0 none */
    uint32_t flags;                 /* IN_... */
    uint32_t len, words, link_len, bold_len, n_links, commas, ends, digits, uppers, cjk, odd, breaks;
    uint32_t section;               /* the heading it stands under, or itself, as index + 1; 0 none */
    uint32_t copy_of;               /* the first block of the same text, as index + 1; 0: it is the first */
    uint32_t card;                  /* nearest element above that stands in a row of like siblings; 0 none */
    uint8_t heading;                /* 1..6, or 0 */
    uint8_t repeats;                /* times its text stands on the page, at most 20 */
    uint8_t n_looked_at, title_hits, title_cover, description_hits;     /* words of its start in the title, words of the title in it */
    uint8_t why;                    /* content_why: which step decided */
    bool starts_upper, ends_sentence, keep;
    float word_sum, word_first;
    float score, chance;            /* log-odds of the round in work; probability of the last one */
    float first_chance;             /* of round 1 */
} content_block;

typedef enum { WHY_UNDECIDED, WHY_LIKELY, WHY_UNLIKELY, WHY_COMPLETES, WHY_BESIDE } content_why;
extern const char *const content_why_text[];

typedef struct {                    /* of an element that holds a block */
    uint32_t len, link_len, good_len, n_blocks;
    uint32_t first_block, end_block;
    uint32_t up;                    /* nearest ancestor with more text */
    uint32_t flags, kind;
    uint32_t row;                   /* the row of like siblings it stands in, as index + 1; 0 none */
    float own, path, path_min, path_max;
    uint16_t depth;
    uint8_t list_depth, table_depth, article_depth;
    uint16_t order;                 /* its place in that row */
    float top_score;
} content_element;

typedef struct {                    /* the words of the title or the description */
    uint32_t word[64];
    int n, cap;
    uint64_t filter[4];             /* a bit for each word: most others miss it */
} content_words;

typedef struct {
    const content_model *model;
    const html_tree *tree;
    const page_meta *meta;
    wt_buf text;
    content_block *block;
    size_t n_blocks, blocks_cap;
    content_element *element;       /* element[0] stands for every node that holds no block */
    size_t n_elements, elements_cap;
    uint32_t *element_of;           /* by node number; see content_at() */
    size_t nodes_cap;
    content_words title_words, description_words;
    struct page_facts *facts;       /* what the features need to know of the whole page */
    float *row;                     /* rows of N_FEATURES2, of one batch of blocks */
    size_t rows_cap;
    struct element_memo *memo;      /* what class names and the like said of earlier elements */
    uint32_t *kind_slot;            /* hash table: kind, count */
    uint32_t n_kinds, kinds_mask;
    uint32_t title_block;           /* UINT32_MAX: none found */
    uint32_t top;                   /* the densest container; 0: none */
    bool with_noscript;
    bool want_rows;                 /* for training: one batch, so that row holds all blocks', round 2's columns too */
} content;

static inline content_element *content_at(const content *c, uint32_t node) { return &c->element[c->element_of[node]]; }

/* Is an element, with all below it, never text: scripts, forms' choices, embedded media, readings beside ideographs? */
bool content_skips(const content *c, const html_node *e);
/* The length of an invisible character that pages sprinkle at p (n > 0 bytes): soft hyphen, zero-width space, direction marks, word joiner,
 * byte order mark, private-use icons; else 0. The joiners that scripts and emoji need are no such. */
size_t content_invisible(const unsigned char *p, size_t n);

void content_init(content *c, const content_model *model);
void content_free(content *c);

/* A date among the visible blocks near the title or the text's beginning, for pages that name none in
 * their metadata: "YYYY-MM-DD..." in out, or false. */
bool content_find_date(const content *c, char out[40]);
/* The name in "By Jane Doe" there; empty where none. */
wt_str content_find_author(const content *c);

/* Cuts into blocks, scores, marks block.keep. What a huge page needed is given back before the next. */
void content_find(content *c, const html_tree *t, const page_meta *meta);
/* The steps of content_find, for training and `explain`. */
void content_cut(content *c, const html_tree *t, const page_meta *meta);
void content_look(content *c);
void content_free_facts(content *c);
void content_fill_features(content *c, size_t first, size_t end);      /* in order, from 0 on */
void content_look_round2(content *c);
void content_fill_round2(content *c, size_t first, size_t end);
void content_end_round2(content *c);
void content_choose(content *c);

enum { CONTENT_SECTION_WORDS = 24 };        /* as many words of a heading say what stands under it */
extern const char *const content_feature_names[];
/* Calls token(ctx, hash, text) for each class, id, role and tag token of one element. */
void content_path_tokens(const html_tree *t, uint32_t element,
                         void (*token)(void *ctx, uint32_t hash, wt_str text), void *ctx);
/* The same for the words of a text. */
void content_word_tokens(wt_str text, void (*token)(void *ctx, uint32_t hash, wt_str text), void *ctx);

#endif

/* dedup_impl.h - what the files behind dedup.h share; nobody else includes it. */
#ifndef WT_DEDUP_DEDUP_IMPL_H
#define WT_DEDUP_DEDUP_IMPL_H

#include "dedup/dedup.h"
#include "dedup/keyset.h"
#include "dedup/near.h"

enum { PARAGRAPH_COUNT_MAX = 8, READ_ONLY_MAX = 16 };

struct dedup {
    dedup_rules rules;
    keyset url, exact, shorts, ngram, paragraph;
    keyset counted[PARAGRAPH_COUNT_MAX];    /* [i]: paragraphs found in more than i documents */
    near_set near;
    void *scratch;                          /* of one judgement, kept from batch to batch */
    size_t scratch_bytes;
    /* Which keys a document needs: by these rules, or by a read-only set. */
    dedup_rules wanted;
    dedup *read_only[READ_ONLY_MAX];
    int n_read_only;
    dedup_read_only_counts read_only_counts;
};

/* Keys [key_at, key_at + n_keys) of the list stand for bytes [start, end) of the text. */
typedef struct {
    size_t start, end, key_at, n_keys;
} key_unit;

typedef enum { NEAR_NONE, NEAR_SKETCH, NEAR_SHORT } near_kind;

typedef struct {
    dedup_cause cause, rule;
    double score;
    int votes;
    bool has_url;
    near_kind near;
    uint64_t url, exact, short_key;
    size_t near_at;                         /* of its band keys */
    size_t ngram_at, n_ngrams;              /* units */
    size_t paragraph_at, n_paragraphs;      /* units */
    size_t removed_at, n_removed;
} doc_keys;

typedef struct {
    key_unit *at;
    size_t n, cap;
} unit_list;

struct dedup_batch {
    doc_keys *doc;
    size_t n_docs, docs_cap;
    u64_list near_keys, ngram_keys, paragraph_keys;
    unit_list ngram_units, paragraph_units;
    dedup_span *removed;
    size_t n_removed, removed_cap;
    u64_list words, blank_words, shingles;  /* scratch */
};

/* keys.c */
void keys_of_document(const dedup *d, dedup_batch *batch, doc_keys *doc, wt_str text, wt_str url);

/* dedup.c: makes the filters, or only the places for them. */
dedup *dedup_alloc(const dedup_rules *rules, wt_err *err);
/* Whether the filters that the ranks on this machine will own fit into so many bytes (0: not known); else WT_ENOMEM with the
 * nearest number of documents for which they do. */
typedef struct {
    int here, all;
} ranks_here;
int dedup_fits(const dedup_rules *rules, uint64_t bytes_free, ranks_here ranks, wt_err *err);
/* All filters in the order of the state file; returns how many. slots may be NULL. */
typedef struct {
    bloom **filter;
    bool mine;                              /* its bits are this rank's: shards and bands are dealt one by one */
} filter_slot;
size_t dedup_slots(dedup *d, filter_slot *slots);

#endif

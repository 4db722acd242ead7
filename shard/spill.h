/* spill.h - tokenised documents on disk between the two passes of shard_write (build.c): a shuffle of a whole corpus in
 * little memory, and what a killed run left to go on from. Inside shard/.
 *
 * A document goes to one of up to 256 files by the top bits of its key; without shuffle to the last of a row of files. A
 * journal beside them says how much of each file counts, and how far the inputs were read when that was so: after a
 * kill, files are cut back to it. Read back, one file after the other is sorted by key, at the price of 24 bytes
 * of memory a document of 1/256 of all. */
#ifndef WT_SHARD_SPILL_H
#define WT_SHARD_SPILL_H

#include "common/fs.h"
#include "shard/format.h"

/* What has been done; all of it is in the journal. */
typedef struct {
    uint64_t i_input, n_lines;          /* inputs finished; lines read of the next */
    uint64_t n_records, n_tokens;       /* documents and tokens spilled */
    uint64_t broken, no_text, empty, too_long;
    uint64_t finished;                  /* 1: the first pass is over */
    uint8_t chain[32];                  /* SHA-256 chained over the hashes of ids and texts */
    uint64_t *input_docs;               /* documents taken from each input */
    uint64_t *bucket_bytes;
    size_t n_buckets, cap_buckets;
} shard_spill_state;

typedef struct {
    int fd;                             /* -1: not open */
    wt_buf pending;
} shard_spill_bucket;

typedef struct {
    int width;                          /* bytes a token */
    bool shuffle;
    int bucket_bits;                    /* of the key choose the file; the order is the same for any */
    size_t n_inputs;
    char key[65];                       /* of all settings and inputs that the spill depends on */
    char *dir, *journal_path;           /* own; from here on shard_spill_begin fills it */
    shard_spill_state state;
    shard_spill_bucket *bucket;
    uint64_t since_journal;             /* bytes */
} shard_spill;

typedef struct {
    uint64_t order_hash, id_hash, text_hash;
    uint64_t n_tokens;                  /* with the end-of-text id */
    uint64_t at;                        /* of its tokens in the block they are in, bytes */
    int split;
} shard_spill_doc;

/* The settings (all before `dir`) are filled; dir: of the dataset. Takes up an earlier run's spill of the same key where there
 * is one, else starts an empty one. To be freed also where it failed. */
int shard_spill_begin(shard_spill *spill, const char *dir, wt_err *err);
/* The next document in the order of reading. */
int shard_spill_add(shard_spill *spill, const shard_spill_doc *doc, const char *tokens, wt_err *err);
/* Makes what was added durable, and with it the state, in which the caller counts what it read. */
int shard_spill_save(shard_spill *spill, wt_err *err);
bool shard_spill_save_due(const shard_spill *spill);     /* enough was added since */
void shard_spill_free(shard_spill *spill);              /* the files stay */
int shard_spill_remove(shard_spill *spill, wt_err *err);

/* ---- reading back ---- */
typedef struct {
    uint64_t key, i_record, at;
} shard_spill_row;

typedef struct {
    const shard_spill *spill;
    size_t i_bucket;                    /* next to open */
    const uint8_t *bytes;               /* mapped */
    size_t n_bytes;
    shard_spill_row *row;
    size_t n_rows, cap_rows, i_row;
} shard_spill_reader;

int shard_spill_next(void *reader, shard_input_doc *doc, wt_err *err);  /* a shard_next_doc: 1, 0 at the end, -1 */
void shard_spill_reader_free(shard_spill_reader *reader);

#endif

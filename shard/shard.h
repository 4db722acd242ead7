/* shard.h - a corpus as token ids on disk, and its samples in an order that one number restarts.
 *
 * A dataset is a folder: train-NNNNN.wts.zst, val-NNNNN.wts.zst, and index.json, written last, so
 * that a folder without it is unfinished. A shard is a file of zstd frames that `zstd -dc` turns
 * into the flat little-endian token stream; skippable frames around them hold a header, the table
 * of documents, checksums and the seek table, so that any window of tokens costs the decoding of
 * one or two frames (docs/formats/shard.md). Each document is followed by the end-of-text id and
 * never crosses from one shard into the next; the stream of a split is its shards in order.
 *
 * Reading:   set = shard_set_open("shards", "train", &err)
 *            loader = shard_loader_new(set, T, seed, NULL, &err)
 *            shard_loader_get(loader, i, tokens, &err)        i = 0, 1, 2, ...; T + 1 tokens each
 * Sample i depends on (dataset, T, seed, i) alone, not on threads, ranks or history: rank r of P with
 * a global batch of B at step s takes i = s * B + r, s * B + r + P, ...; to resume is to go on with
 * the next i. Within an epoch each window comes exactly once, in a new order each epoch.
 *
 * A set and a loader may be used by many threads at once. What is read is checked: a frame whose
 * 64-bit hash is not the index's is WT_EDATA with the file and the frame, never wrong tokens. */
#ifndef WT_SHARD_SHARD_H
#define WT_SHARD_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/fs.h"
#include "common/str.h"

#define SHARD_FRAME_TOKENS 32768u           /* tokens a frame; the last of a shard has fewer */
#define SHARD_INDEX_NAME "index.json"
#define SHARD_TOKENIZER_DIR "tokenizer"     /* wt-shard keeps the tokenizer's files in here */

/* Which tokenizer made the ids. The fingerprint is the tokenizer library's (SHA-256 over what decides
 * its output); equal fingerprints mean equal ids for equal text. */
typedef struct {
    char name[64];              /* for people; may be empty */
    uint8_t sha256[32];
    uint32_t vocab;             /* ids are below this */
    uint32_t eot;               /* the end-of-text id */
} shard_tokenizer;

/* ---- a split of a dataset, opened for reading ---- */
typedef struct shard_set shard_set;

/* Opens the shards of one split ("train" or "val") of the dataset in dir: reads index.json and the
 * header and tables of each shard, and checks that they agree. A split without documents opens with
 * 0 tokens. WT_EDATA names the file that is damaged, missing or another's; WT_ENOTFOUND where
 * there is no index.json. */
shard_set *shard_set_open(const char *dir, const char *split, wt_err *err);
void shard_set_close(shard_set *set);

uint64_t shard_set_tokens(const shard_set *set);
uint64_t shard_set_docs(const shard_set *set);
const shard_tokenizer *shard_set_tokenizer(const shard_set *set);
/* SHA-256 over the tokenizer's fingerprint and the shards' content: changes if any token does, stays if
 * only the compression does. A checkpoint keeps it, so that a resumed run sees the same samples. */
void shard_set_fingerprint(const shard_set *set, uint8_t out[32]);
/* Memory for decoded frames [64 MiB]; call before other threads use the set. */
void shard_set_cache(shard_set *set, size_t bytes);

/* Tokens first .. first + n - 1 of the split's stream. */
int shard_set_read(shard_set *set, uint64_t first, size_t n, uint32_t *tokens, wt_err *err);

/* Where documents start inside the window first .. first + n - 1: offsets from `first`, ascending;
 * `offsets` has room for n. A window that begins inside a document does not list offset 0. */
int shard_set_doc_starts(shard_set *set, uint64_t first, size_t n, uint32_t *offsets,
                         size_t *n_offsets, wt_err *err);

typedef struct {
    uint64_t first, n_tokens;   /* in the split's stream; with the end-of-text id */
    uint64_t id_hash;           /* XXH3 of the document's "id" */
    uint64_t i_record;          /* its number among the input's documents */
} shard_doc;
int shard_set_doc(shard_set *set, uint64_t i_doc, shard_doc *doc, wt_err *err);

/* ---- samples for training ---- */
typedef enum {
    SHARD_SHUFFLE,              /* all windows of the split permuted, anew each epoch */
    SHARD_SEQUENTIAL            /* window i: for validation */
} shard_order;

typedef struct {
    shard_order order;
    int prefetch_threads;       /* for shard_loader_expect; 0: none, expect does nothing */
    size_t prefetch_windows;    /* decoded ahead at most; 0: 256 */
} shard_loader_options;

typedef struct shard_loader shard_loader;

/* Windows of T + 1 tokens: T inputs, and the targets one further; neighbours share one token. The
 * set stays the caller's and must outlive the loader. options may be NULL: shuffle, no prefetch.
 * WT_EARG where the split has fewer than T + 1 tokens. */
shard_loader *shard_loader_new(shard_set *set, size_t T, uint64_t seed,
                               const shard_loader_options *options, wt_err *err);
void shard_loader_free(shard_loader *loader);
uint64_t shard_loader_windows(const shard_loader *loader);   /* an epoch: (tokens - 1) / T */

/* Sample i, any i: epoch i / windows, place i % windows. tokens: T + 1 ids. */
int shard_loader_get(shard_loader *loader, uint64_t i_sample, uint32_t *tokens, wt_err *err);
/* Says that samples i_first, i_first + stride, ... (n of them) are wanted next: threads decode them. */
void shard_loader_expect(shard_loader *loader, uint64_t i_first, uint64_t stride, size_t n);
/* Where sample i starts in the split's stream, for shard_set_doc_starts. */
uint64_t shard_loader_first(const shard_loader *loader, uint64_t i_sample);

/* ---- writing a dataset ---- */
typedef struct {
    shard_tokenizer tokenizer;
    /* Turns one document's text into ids, without the end-of-text id: sets *tokens (a block the
     * callback may grow with realloc; *cap is its room in ids) and *n. Runs in many threads at
     * once, each with its own i_thread below `threads`. */
    int (*encode)(void *ctx, int i_thread, wt_str text, uint32_t **tokens, size_t *n, size_t *cap,
                  wt_err *err);
    void *ctx;
    double val_fraction;        /* documents whose id hashes below this go to "val" */
    uint64_t shard_tokens;      /* a shard ends before the document that would pass this */
    int level;                  /* zstd effort, 1..22; 0: the default */
    int token_bytes;            /* 2, 3 or 4; 0: 2 up to 65,536 ids, else 4 */
    bool shuffle;               /* documents in the order of a keyed hash of their ids; else as read */
    uint64_t seed;              /* of that order */
    uint64_t limit;             /* documents read at most; 0: all */
    int threads;
} shard_write_options;

/* Tokenises the JSONL documents of `inputs` into the folder dir and writes index.json last. Work
 * that a killed call left there (finished shards, and spilled tokens under dir/spill) is taken up
 * again; the bytes depend on documents, tokenizer and options, not on threads or interruptions.
 * Memory is bounded by the pipeline's blocks and 32 bytes a document of 1/256 of the corpus. Counts
 * go to the run report. */
int shard_write(const char *dir, const wt_paths *inputs, const shard_write_options *options,
                wt_err *err);

/* ---- other programs' formats ---- */
/* "nanogpt": train.bin, val.bin; "llmc": train_NNNNNN.bin, val_NNNNNN.bin of file_tokens tokens;
 * "megatron": train.bin + train.idx, val.bin + val.idx. */
int shard_export(const char *dir, const char *format, uint64_t file_tokens, const char *out_dir,
                 wt_err *err);
/* Takes such files; "val" in a file's name makes it validation data, else it is training data.
 * Documents are told by options->tokenizer.eot (Megatron: by its index). encode is not used. */
int shard_import(const char *dir, const char *format, const wt_paths *inputs,
                 const shard_write_options *options, wt_err *err);

/* ---- looking after a dataset ---- */
/* Appends a JSON object with what the dataset is. */
int shard_info(const char *dir, wt_buf *json, wt_err *err);
/* Reads every byte of one shard file and checks every checksum and table in it; `sha256` (may be
 * NULL) receives the file's. */
int shard_verify_file(const char *path, uint8_t sha256[32], wt_err *err);
/* All shards of a dataset, and that they are the ones index.json names. */
int shard_verify(const char *dir, int threads, wt_err *err);

#endif

/* format.h - the bytes of one shard file, for the files of this folder only. docs/formats/shard.md is
 * the table; the numbers here follow it line by line. */
#ifndef WT_SHARD_FORMAT_H
#define WT_SHARD_FORMAT_H

#include <zstd.h>

#include "common/hash.h"
#include "shard/shard.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tokens are copied as they lie");

#define SHARD_VERSION 1u
#define SHARD_HEADER_BYTES 4096u
#define SHARD_MAGIC_HEADER 0x184D2A50u
#define SHARD_MAGIC_DOCS 0x184D2A51u
#define SHARD_MAGIC_INDEX 0x184D2A52u
#define SHARD_MAGIC_SEEK 0x184D2A5Eu
#define SHARD_MAGIC_SEEK_END 0x8F92EAB1u
#define SHARD_SEEK_FRAMES_MAX 0x8000000u
#define SHARD_FRAME_TOKENS_MAX (1u << 20)
#define SHARD_SPLITS 2
extern const char *const SHARD_SPLIT_NAME[SHARD_SPLITS];      /* train, val */

enum { SHARD_CODEC_RAW = 0 };
enum { SHARD_BOUNDARY_NONE = 0, SHARD_BOUNDARY_EOT_BEFORE = 1, SHARD_BOUNDARY_EOT_AFTER = 2 };

static inline void put_u32(uint8_t *p, uint32_t x) { memcpy(p, &x, 4); }
static inline void put_u64(uint8_t *p, uint64_t x) { memcpy(p, &x, 8); }
static inline uint32_t get_u32(const uint8_t *p) {
    uint32_t x;
    memcpy(&x, p, 4);
    return x;
}
static inline uint64_t get_u64(const uint8_t *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

typedef struct {
    uint8_t token_bytes, codec, boundary, split;
    uint32_t vocab, eot, frame_tokens, shard_no, n_frames;
    uint64_t first_token, n_tokens, n_docs;
    uint8_t tokenizer_sha256[32], dataset_uuid[16], input_sha256[32];
} shard_header;

/* The header as a whole skippable frame. */
void shard_header_encode(const shard_header *header, uint8_t out[SHARD_HEADER_BYTES]);
int shard_header_decode(const uint8_t bytes[SHARD_HEADER_BYTES], shard_header *header,
                        wt_err *err);

/* What is known of a shard's documents: start[i] is the first token of document i in the shard, and
 * start[n] the number of tokens. */
typedef struct {
    uint64_t n, cap;
    uint64_t *start;            /* n + 1 */
    uint64_t *id_hash, *i_record;
} shard_docs;
void shard_docs_add(shard_docs *docs, uint64_t n_tokens, uint64_t id_hash, uint64_t i_record);
void shard_docs_free(shard_docs *docs);
/* The document table as a whole skippable frame, appended to out. */
int shard_docs_encode(const shard_docs *docs, const shard_header *header, wt_buf *out,
                      wt_err *err);
int shard_docs_decode(wt_str frame, const shard_header *header, shard_docs *docs, wt_err *err);

/* Packs ids into little-endian tokens of 2, 3 or 4 bytes, and back. */
void shard_pack(uint8_t *out, const uint32_t *tokens, size_t n, int token_bytes);
void shard_unpack(uint32_t *out, const uint8_t *tokens, size_t n, int token_bytes);

/* Continues a SHA-256 with packed tokens as u32 LE: the content root. */
void shard_digest_tokens(wt_digest *digest, const uint8_t *tokens, size_t n, int token_bytes);

/* ---- one open shard ---- */
typedef struct {
    char *path;
    int fd;                     /* -1: resting */
    uint64_t bytes;
    shard_header header;
    uint64_t *frame_offset;     /* n_frames + 1: of the stored frames in the file */
    uint64_t *frame_hash;       /* n_frames: XXH64 of the decoded bytes */
    uint64_t stored_hash;       /* chained XXH64 of the stored frames and the document table */
    uint64_t docs_offset, docs_bytes;
    uint8_t content_root[32];
} shard_file;

/* Reads header, index and seek table and checks them against each other and the file's size. */
int shard_file_open(shard_file *file, const char *path, wt_err *err);
void shard_file_close(shard_file *file);
/* Closes the descriptor; each later read opens the file anew. */
void shard_file_rest(shard_file *file);
uint32_t shard_file_frame_tokens(const shard_file *file, uint32_t i_frame);
/* Reads frame i as stored into `stored` and decodes it into `out` (frame_tokens * token_bytes). */
int shard_file_frame(const shard_file *file, uint32_t i_frame, ZSTD_DCtx *dctx, wt_buf *stored,
                     uint8_t *out, wt_err *err);
int shard_file_docs(const shard_file *file, shard_docs *docs, wt_err *err);
int shard_file_sha256(const char *path, uint8_t out[32], wt_err *err);

/* ---- index.json ---- */
typedef struct {
    char *name;                 /* file name in the dataset's folder */
    int split;
    uint64_t bytes, tokens, docs, frames, first_token;
    uint8_t sha256[32], content_root[32];
} shard_entry;

typedef struct {
    shard_tokenizer tokenizer;
    int token_bytes, boundary;
    uint32_t frame_tokens;
    uint64_t shard_tokens, seed;
    double val_fraction;
    bool shuffle;
    int level;
    uint8_t dataset_uuid[16], input_sha256[32];
    wt_buf origin;              /* JSON: what it was made from */
    shard_entry *entry;
    size_t n, cap;
} shard_manifest;

void shard_manifest_free(shard_manifest *manifest);
shard_entry *shard_manifest_add(shard_manifest *manifest, const char *name);
void shard_manifest_json(const shard_manifest *manifest, wt_buf *out);
int shard_manifest_read(shard_manifest *manifest, const char *dir, wt_err *err);
void shard_manifest_totals(const shard_manifest *manifest, int split, shard_entry *totals);
/* See shard_set_fingerprint. */
void shard_manifest_fingerprint(const shard_manifest *manifest, int split, uint8_t out[32]);

/* Sets dataset_uuid from all that decides the bytes. */
void shard_manifest_name(shard_manifest *manifest);
/* Adds the totals to the run report. */
void shard_manifest_report(const shard_manifest *manifest);
/* Refuses what no dataset can be made with, and says the bytes a token. */
int shard_options_check(const shard_write_options *options, int *token_bytes, wt_err *err);

/* ---- writing shards from a sequence of documents ---- */
typedef struct {
    int split;
    uint64_t id_hash, i_record;
    const uint8_t *tokens;      /* packed, with the end-of-text id; borrowed until the next call */
    uint64_t n;
} shard_input_doc;

/* Gives the next document; 1, 0 at the end, -1. */
typedef int shard_next_doc(void *ctx, shard_input_doc *doc, wt_err *err);

/* Cuts the documents into shards, compresses frames in parallel and writes them in order; keeps the
 * finished shards that an earlier call with the same dataset_uuid left, and writes index.json. The
 * manifest comes with its settings filled and its entries empty. */
int shard_write_docs(const char *dir, shard_manifest *manifest, int threads, uint64_t n_tokens,
                     shard_next_doc *next, void *ctx, wt_err *err);

#define SHARD_LEVEL_DEFAULT 6
/* A compression context for frames of tokens: zstd's level with 4-byte matches (two tokens), and a
 * checksum, which ZSTD_compress leaves out. */
ZSTD_CCtx *shard_cctx_new(int level);

#endif

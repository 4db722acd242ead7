/* bpe.h - byte-level byte pair encoding: learn it, load it from any of the usual files, encode,
 * decode. What GPT-2's tokenizer is (Radford et al. 2019, section 2.2; Sennrich et al. 2016).
 *
 *     bpe_model *model = bpe_model_load("tokenizer/", NULL, &err);        // read-only from here on
 *     bpe_encoder *encoder = bpe_encoder_new(model, 0);                   // one a thread
 *     uint32_t *ids = malloc(BPE_ROOM(text.len) * sizeof *ids);
 *     ptrdiff_t n = bpe_encode(encoder, text, BPE_SPECIAL_NONE, ids, &err);
 *     bpe_decode(model, ids, n, &bytes, &err);                            // the same bytes again
 *
 * Text is bytes: what is not UTF-8 counts as "other" characters and comes back exactly. A model is
 * never changed after loading and may be used by any number of threads; an encoder is one thread's,
 * and several may share their memory of words. There is no global state. */
#ifndef WT_BPE_BPE_H
#define WT_BPE_BPE_H

#include "common/err.h"
#include "common/str.h"

#define BPE_NONE UINT32_MAX             /* no such token */
#define BPE_ROOM(n) ((n) + 16)          /* ids that n bytes of text may need: never more than n, and
                                           some room for stores that are wider than the result */

/* ---- models ---- */
typedef struct bpe_model bpe_model;

/* Reads a tokenizer: a folder, or any of its files. Told apart by content:
 *   tokenizer.json                     Hugging Face, byte-level BPE
 *   vocab.json + merges.txt            GPT-2; also as encoder.json + vocab.bpe
 *   *.tiktoken                         base64 and rank a line
 * pattern: NULL, or "gpt2", "cl100k", "o200k" or a regular expression that is used in place of
 * what the file says (.tiktoken and merges.txt say nothing: then tokenizer_config.json beside them
 * is asked, then the vocabulary's size, then it is gpt2).
 * Returns NULL with WT_EDATA (damaged; file, line and reason), WT_ENOTFOUND, WT_EIO. */
bpe_model *bpe_model_load(const char *path, const char *pattern, wt_err *err);
void bpe_model_free(bpe_model *model);

/* Writes tokenizer.json, vocab.json, merges.txt, tokenizer.tiktoken and tokenizer_config.json into
 * a folder that is made if need be. *skipped (may be NULL) tells why a file could not be
 * written in its format ("tokenizer.tiktoken: ids do not follow the merges"), else "". */
int bpe_model_save(const bpe_model *model, const char *dir, const char **skipped, wt_err *err);

uint32_t bpe_vocab_size(const bpe_model *model);             /* highest id + 1 */
uint32_t bpe_end_of_text(const bpe_model *model);            /* "<|endoftext|>", or BPE_NONE */
wt_str bpe_token_bytes(const bpe_model *model, uint32_t id); /* {NULL, 0} where there is none */
uint32_t bpe_token_id(const bpe_model *model, wt_str bytes); /* BPE_NONE where there is none */
bool bpe_token_is_special(const bpe_model *model, uint32_t id);
const char *bpe_pattern(const bpe_model *model);             /* "gpt2" ... or the expression */
uint32_t bpe_merge_count(const bpe_model *model);
/* 32 bytes: SHA-256 over pattern, tokens with ids, merges and specials; the same for the same
 * tokenizer whichever file it was read from. */
const uint8_t *bpe_fingerprint(const bpe_model *model);

/* ---- encoding ---- */
typedef struct bpe_encoder bpe_encoder;
typedef enum {
    BPE_SPECIAL_NONE,   /* "<|endoftext|>" in a text is text */
    BPE_SPECIAL_ALL     /* ... is the token: leftmost first, then longest */
} bpe_special;

/* cache_bytes bounds the memory of seen words; 0: 64 MiB. (While they move to a larger table, the smaller one is
 * there too; encoders that share it leave it when they next encode.) */
bpe_encoder *bpe_encoder_new(const bpe_model *model, size_t cache_bytes);
/* One more, for another thread, with the same memory of words: what one has met all know, and it is there once. The
 * ids are the same. Made while none of them encodes; freed each by itself, at any time and in any order. */
bpe_encoder *bpe_encoder_share(bpe_encoder *other);
void bpe_encoder_free(bpe_encoder *encoder);

/* Encodes one document into ids[0 .. BPE_ROOM(text.len) - 1]. Returns the number of ids; -1 with
 * WT_ELIMIT only where a user's expression exceeds PCRE2's limits. */
ptrdiff_t bpe_encode(bpe_encoder *encoder, wt_str text, bpe_special special, uint32_t *ids,
                     wt_err *err);
/* The same for vocabularies of at most 65,536 ids; half the memory. */
ptrdiff_t bpe_encode_u16(bpe_encoder *encoder, wt_str text, bpe_special special, uint16_t *ids,
                         wt_err *err);

/* Where a long document may be cut so that its parts encode to the same ids as the whole: the
 * last such position in text that is above 0 and below text.len, 0 where none is known (always
 * with a user's expression). */
size_t bpe_cut(const bpe_model *model, wt_str text, bpe_special special);

/* ---- decoding ---- */
/* Appends the bytes of n ids. WT_EDATA names the position of an id that is not in the vocabulary;
 * what came before it is in out. */
int bpe_decode(const bpe_model *model, const uint32_t *ids, size_t n, wt_buf *out, wt_err *err);

/* ---- learning ---- */
typedef enum {
    BPE_TIES_HF,        /* smallest (left id, right id), bytes in GPT-2's order: Hugging Face */
    BPE_TIES_RAW,       /* the same with id = byte value: rustbpe, minbpe's descendants */
    BPE_TIES_BYTES      /* greatest (left bytes, right bytes): Stanford CS336 */
} bpe_ties;

typedef struct {
    uint32_t vocab_size;            /* bytes, merges and specials together */
    const char *pattern;            /* as for bpe_model_load; NULL: gpt2 */
    const wt_str *specials;         /* cut the text, are never counted; get the last ids */
    size_t n_specials;
    bpe_ties ties;
    uint64_t min_frequency;         /* a pair seen less often is not merged; 0 counts as 1 */
    uint32_t max_token_bytes;       /* 0: no limit */
    uint64_t memory;                /* bytes; 0: 512 MiB. See bpe_memory_least */
    const char *temp_dir;           /* for them; NULL: $TMPDIR, /tmp */
    int threads;                    /* below 1: all cores */
    const bpe_model *extend;        /* NULL, or a model whose tokens and merges come first */
} bpe_train_options;

/* Memory: all that counting and learning hold in this process stays below options.memory, for any number of documents
 * and words; what is beyond goes to temporary files. Threads share it. The least that works is returned here: 24 MiB,
 * 4 MiB a thread and half a KiB an id (57 MiB for 50,257 ids and 2 threads). Not in it: the document that the caller
 * gives, a model to extend, and a single word (a text that cannot be cut) where words are exchanged between ranks,
 * visited, or begin with a model's ids. */
uint64_t bpe_memory_least(const bpe_train_options *options);

/* Counts words (pretokens). */
typedef struct bpe_counter bpe_counter;
bpe_counter *bpe_counter_new(const bpe_train_options *options, wt_err *err);
void bpe_counter_free(bpe_counter *counter);
/* Counts one document. Threads 0..threads-1 may call at the same time, each with its number. */
int bpe_counter_add(bpe_counter *counter, int i_thread, wt_str document, wt_err *err);
/* One word that was seen `count` times, taken as it is. */
int bpe_counter_add_word(bpe_counter *counter, int i_thread, wt_str word, uint64_t count,
                         wt_err *err);
/* bpe_cut for the counter's pattern and specials: where a long document may be given in parts. */
size_t bpe_counter_cut(const bpe_counter *counter, wt_str text);
/* Brings threads and spilled parts together; no adding after it. Collective under MPI: all ranks'
 * words are summed, and rank 0 has them. */
int bpe_counter_finish(bpe_counter *counter, wt_err *err);
uint64_t bpe_counter_words(const bpe_counter *counter);      /* distinct; after finish */
uint64_t bpe_counter_total(const bpe_counter *counter);      /* occurrences; after finish */
uint64_t bpe_counter_spilled(const bpe_counter *counter);    /* bytes that went to disk */
/* Calls visit for each word, most frequent first, then in byte order (of words that are the same for 64 KiB the
 * shorter first). */
int bpe_counter_visit(const bpe_counter *counter,
                      int (*visit)(void *ctx, wt_str word, uint64_t count, wt_err *err), void *ctx,
                      wt_err *err);

/* Learns the merges (fewer where no pair is frequent enough). The counter's words are used up. WT_ELIMIT where tokens
 * would be longer together than a tenth of options.memory: of one letter repeated for megabytes, without max_token_bytes.
 * progress (may be NULL) is told the number of merges done; non-zero from it stops (WT_ESTOP). */
bpe_model *bpe_learn(bpe_counter *counter, int (*progress)(void *ctx, uint32_t merges), void *ctx,
                     wt_err *err);
/* The same model with fewer merges: as if it had been trained for that vocabulary size. */
bpe_model *bpe_model_prefix(const bpe_model *model, uint32_t vocab_size, wt_err *err);

#endif

/* words.h - counted words one behind the other, in memory as long as that is little, then in a temporary file, and
 * their reader. So learning, sorting and exchanging hold a window of them and not all. Inside bpe/.
 *
 * A word is: length, count (both in base 128, least digits first), bytes. What a reader gives is a whole word, but
 * for words above BPE_PART_MAX bytes, which come in parts: a text without any place to cut is one word. */
#ifndef WT_BPE_WORDS_H
#define WT_BPE_WORDS_H

#include <stdint.h>

#include "common/err.h"
#include "common/str.h"

enum { BPE_PART_MAX = 64 << 10 };

/* Called for one word after the other; they end with -1 where it says so. */
typedef int bpe_word_visitor(void *ctx, wt_str word, uint64_t count, wt_err *err);

typedef struct {
    wt_buf buf;                     /* what is not yet in the file; all where there is none */
    int file;                       /* -1: none yet */
    uint64_t file_bytes;
    size_t memory;                  /* bytes of buf at which they go to the file */
    const char *temp_dir;           /* borrowed; NULL: $TMPDIR, /tmp */
    uint64_t n, n_bytes, total;     /* words, their bytes, the sum of their counts */
} bpe_words;

void bpe_words_init(bpe_words *words, size_t memory, const char *temp_dir);
void bpe_words_free(bpe_words *words);
int bpe_words_add(bpe_words *words, wt_str word, uint64_t count, wt_err *err);
/* The same for a word that comes in parts: begin, then parts that make up `len` bytes. */
int bpe_words_begin(bpe_words *words, uint64_t len, uint64_t count, wt_err *err);
int bpe_words_part(bpe_words *words, wt_str part, wt_err *err);
/* Where the next word will be. */
static inline uint64_t bpe_words_end(const bpe_words *w) { return w->file_bytes + w->buf.len; }
int bpe_words_flush(bpe_words *words, wt_err *err);             /* all to the file */
/* Bytes [at, at + n) as they are stored, of words that were flushed. */
int bpe_words_bytes(const bpe_words *words, uint64_t at, char *bytes, size_t n, wt_err *err);

typedef struct {
    wt_str text;                    /* borrowed until the next call */
    uint64_t count, len;            /* len: of the whole word */
    uint64_t at;                    /* of text's first byte in the word */
    bool last;                      /* it ends here */
} bpe_word;

typedef struct {
    const bpe_words *words;
    uint64_t at, end;               /* what is not yet in the window */
    char *window;                   /* own where it is of a file */
    size_t pos, len;
    bpe_word word;
    uint64_t rest;                  /* of a word that comes in parts */
} bpe_reader;

/* Reads the words in [from, to); while it does, none may be added. */
void bpe_reader_init(bpe_reader *reader, const bpe_words *words, uint64_t from, uint64_t to);
void bpe_reader_free(bpe_reader *reader);
/* 1 with reader->word, 0 at the end, -1. */
int bpe_reader_next(bpe_reader *reader, wt_err *err);

int bpe_temp_file(const char *dir, wt_err *err);        /* unlinked; -1 */
int bpe_file_write(int file, uint64_t at, const void *bytes, size_t n, wt_err *err);
int bpe_file_read(int file, uint64_t at, void *bytes, size_t n, wt_err *err);

#endif

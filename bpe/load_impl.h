/* load_impl.h - what the parts of loading share: load.c (which file is it?), load_vocab.c (vocabulary and merges by name),
 * load_json.c (tokenizer.json, tokenizer_config.json), load_tiktoken.c. Each adds tokens and merges to the
 * file's build; load.c makes the model of it. */
#ifndef WT_BPE_LOAD_IMPL_H
#define WT_BPE_LOAD_IMPL_H

#include "bpe/model.h"
#include "common/json.h"
#include "common/memory.h"

typedef struct {
    const char *path;
    wt_buf bytes;
    wt_arena *arena;
    bpe_build build;
    char *merges_path;              /* of a vocabulary: the file of its merges */
    wt_buf scratch;
} bpe_load_file;

/* ---- load.c ---- */
int bpe_load_open(bpe_load_file *file, const char *path, wt_err *err);         /* close it also where this failed */
void bpe_load_close(bpe_load_file *file);
static inline wt_str bpe_load_text(const bpe_load_file *f) { return (wt_str){f->bytes.ptr, f->bytes.len}; }
unsigned long bpe_load_line_of(const bpe_load_file *file, const char *at);
/* WT_EDATA, naming the line of `at`. */
int bpe_load_refuse(const bpe_load_file *file, const char *at, wt_err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool bpe_load_id(wt_str digits, uint64_t *id);             /* decimal digits below BPE_ID_MAX and nothing else */
/* The path of `name` in the same folder; free() it. */
char *bpe_load_beside(const char *path, const char *name);

static inline wt_str bpe_load_string(bpe_load_file *f, wt_json v) {            /* NULL where it is none */
    return v.kind == WT_JSON_STRING ? wt_json_string(v, f->arena) : (wt_str){NULL, 0};
}
static inline wt_str bpe_build_text(const bpe_build *b, uint32_t i) {
    return (wt_str){b->blob.ptr + b->token[i].at, b->token[i].len};
}

/* ---- load_vocab.c ---- */
int bpe_load_vocab(bpe_load_file *file, wt_json vocab, wt_err *err);
int bpe_load_merges(bpe_load_file *file, wt_json list, wt_err *err);
/* To be called behind both and the added tokens: tokens of kind UNKNOWN must be among those. */
int bpe_load_settle(bpe_load_file *file, wt_err *err);

/* ---- the kinds of files ---- *regex (malloc) becomes the pattern that the file names, where it names one. */
int bpe_load_pair(bpe_load_file *file, wt_json root, char **regex, wt_err *err);       /* merges_path is set */
int bpe_load_tokenizer_json(bpe_load_file *file, wt_json root, char **regex, wt_err *err);
int bpe_load_tiktoken(bpe_load_file *file, char **regex, wt_err *err);
/* tokenizer_config.json beside the file, if any; *found tells whether it spoke of special tokens. */
int bpe_load_config(bpe_load_file *file, char **regex, bool *found, wt_err *err);

#endif

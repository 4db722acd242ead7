/* load.c - tokenizer files into a model. Every refusal names file, line and reason; nothing is
 * guessed that would change ids. What a file can say and we cannot do (normalizers, prefixes, byte
 * fallback ...) is refused too, for ids that are almost right are worse than none. */
#include <stdio.h>
#include <stdlib.h>

#include "bpe/load_impl.h"
#include "common/fs.h"

#define FILE_BYTES_MAX ((uint64_t)1 << 30)

/* ---- a file that is being read ---- */
unsigned long bpe_load_line_of(const bpe_load_file *s, const char *at) {
    unsigned long line = 1;
    for (const char *p = s->bytes.ptr; p < at; p++)
        line += *p == '\n';
    return line;
}

int bpe_load_refuse(const bpe_load_file *s, const char *at, wt_err *err, const char *format, ...) {
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return wt_fail(err, WT_EDATA, "line %lu: %s", bpe_load_line_of(s, at), text);
}

int bpe_load_open(bpe_load_file *s, const char *path, wt_err *err) {
    *s = (bpe_load_file){.path = path};
    if (wt_read_file(path, FILE_BYTES_MAX, &s->bytes, err))
        return -1;
    wt_buf_reserve(&s->bytes, 1);
    s->arena = wt_arena_new(0);
    return 0;
}

void bpe_load_close(bpe_load_file *s) {
    wt_buf_free(&s->bytes);
    wt_buf_free(&s->scratch);
    free(s->merges_path);
    bpe_build_free(&s->build);
    if (s->arena)
        wt_arena_free(s->arena);
}

/* Decimal digits below BPE_ID_MAX and nothing else. */
bool bpe_load_id(wt_str digits, uint64_t *id) {
    *id = 0;
    for (size_t i = 0; i < digits.len && *id < BPE_ID_MAX; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        *id = 10 * *id + (uint64_t)(digits.ptr[i] - '0');
    }
    return digits.len && *id < BPE_ID_MAX;
}

char *bpe_load_beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? wt_xstrndup((wt_str){path, (size_t)(slash - path)}) : wt_xstrdup(".");
    char *joined = wt_path_join(*dir ? dir : "/", name);
    free(dir);
    return joined;
}

/* ---- which file is it? ---- */
/* The vocabulary's partner: known pairs of names in the same folder. */
static char *partner(const char *path) {
    static const char *const pair[][2] = {{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(name, pair[i][k]) == 0)
                return bpe_load_beside(path, pair[i][!k]);
    char *merges = bpe_load_beside(path, "merges.txt");
    if (!wt_exists(merges)) {
        free(merges);
        merges = bpe_load_beside(path, "vocab.bpe");
    }
    return merges;
}

/* A folder's best file: the one that says most. */
static char *file_in(const char *dir, wt_err *err) {
    static const char *const name[] = {"tokenizer.json", "vocab.json", "encoder.json",
                                       "tokenizer.tiktoken"};
    for (int i = 0; i < 4; i++) {
        char *path = wt_path_join(dir, name[i]);
        if (wt_exists(path))
            return path;
        free(path);
    }
    wt_fail(err, WT_ENOTFOUND, "folder '%s' holds none of tokenizer.json, vocab.json + merges.txt, "
            "encoder.json + vocab.bpe, tokenizer.tiktoken", dir);
    return NULL;
}

static bool looks_like_merges(wt_str text) {
    if (wt_str_starts(text, WT_STR("#version")))
        return true;
    wt_str first = wt_str_cut(&text, '\n');
    return first.len && first.ptr[0] != '{' && memchr(first.ptr, ' ', first.len) &&
           !(first.ptr[first.len - 1] >= '0' && first.ptr[first.len - 1] <= '9');
}

static int parse_any(bpe_load_file *s, char **regex, wt_err *err) {
    wt_json root;
    wt_str text = wt_str_trim(bpe_load_text(s));
    if (text.len == 0)
        return wt_fail(err, WT_EDATA, "the file is empty");
    if (text.ptr[0] != '{')
        return bpe_load_tiktoken(s, regex, err);
    if (wt_json_check(bpe_load_text(s), err) || wt_json_parse(bpe_load_text(s), &root, err))
        return -1;
    if (wt_json_get(root, "model").kind == WT_JSON_OBJECT)
        return bpe_load_tokenizer_json(s, root, regex, err);
    s->build.merges_path = s->merges_path = partner(s->path);
    return wt_exists(s->merges_path) ? bpe_load_pair(s, root, regex, err)
                                     : wt_fail(err, WT_ENOTFOUND, "a vocabulary needs its merges, but there is no '%s'", s->merges_path);
}

static bpe_model *load_file(const char *path, const char *pattern, wt_err *err);

/* A merges file: its vocabulary is loaded instead, which then reads the merges. */
static bpe_model *load_by_merges(const char *path, const char *pattern, wt_err *err) {
    char *vocab = partner(path);
    wt_buf start = {0};
    bpe_model *model = NULL;
    if (!wt_exists(vocab) || wt_read_file(vocab, FILE_BYTES_MAX, &start, err) ||
        wt_str_trim(wt_buf_view(&start)).len == 0 || wt_str_trim(wt_buf_view(&start)).ptr[0] != '{')
        wt_fail(err, WT_ENOTFOUND, "%s: merges need their vocabulary, and '%s' is none", path, vocab);
    else
        model = load_file(vocab, pattern, err);
    wt_buf_free(&start);
    free(vocab);
    return model;
}

static bpe_model *load_file(const char *path, const char *pattern, wt_err *err) {
    bpe_load_file s;
    char *regex = NULL;
    bpe_model *model = NULL;
    bpe_splitter *splitter = NULL;
    int bad = bpe_load_open(&s, path, err);
    if (!bad && looks_like_merges(bpe_load_text(&s))) {
        bpe_load_close(&s);
        return load_by_merges(path, pattern, err);
    }
    if (!bad && parse_any(&s, &regex, err) == 0 &&
        (splitter = bpe_splitter_new(pattern ? pattern : regex ? regex : "gpt2", err)))
        model = bpe_build_finish(&s.build, splitter, err);
    if (!model)
        wt_context(err, "%s", path);
    free(regex);
    bpe_load_close(&s);
    return model;
}

bpe_model *bpe_model_load(const char *path, const char *pattern, wt_err *err) {
    if (!wt_is_dir(path))
        return load_file(path, pattern, err);
    char *file = file_in(path, err);
    bpe_model *model = file ? load_file(file, pattern, err) : NULL;
    free(file);
    return model;
}

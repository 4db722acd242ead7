/* overlap_docs.c - documents of any kind into keys. A file whose first line begins with a brace is JSON lines, a document a
 * line; another is plain text, a document a line where the job says so, else one document however long. */
#include <stdlib.h>

#include "common/doc.h"
#include "common/json.h"
#include "dedup/overlap_impl.h"

static bool is_one_document(const overlap_source *s) { return !s->json && !s->lines; }

int overlap_block_read(overlap_source *s, overlap_block *b, wt_err *err) {
    enum { BLOCK = 4 << 20 };
    b->bytes.len = b->end.n = 0;
    while (b->end.n == 0) {
        if (!s->in) {
            if (s->i_path == s->paths->n) return 0;
            if (!(s->in = wt_in_open(s->paths->path[s->i_path], err))) return -1;
            s->json = false;
        }
        wt_str line;
        int got = 1;
        bool first = wt_in_offset(s->in) == 0;
        while ((b->bytes.len < BLOCK || is_one_document(s)) &&
               (got = wt_in_line(s->in, WT_DOC_LINE_MAX, &line, &s->too_long, err)) > 0) {
            wt_str trimmed = wt_str_trim(line);
            if (first && trimmed.len) s->json = trimmed.ptr[0] == '{', first = false;
            wt_buf_add_str(&b->bytes, line);
            wt_buf_add_char(&b->bytes, '\n');
            if (!is_one_document(s)) list_add(&b->end, b->bytes.len);
        }
        if (got < 0) return -1;
        if (b->end.n == 0 && b->bytes.len > 0) list_add(&b->end, b->bytes.len);
        b->json = s->json;
        if (got == 0) {
            wt_in_close(s->in);
            s->in = NULL;
            s->i_path++;
        }
    }
    return 1;
}

static void string_keys(const overlap_job *job, wt_str text, overlap_keys *k) {
    k->words.n = 0;
    words_hash(job->words, text, &k->words);
    k->n_words += k->words.n;
    size_t before = k->keys.n;
    words_ngrams(k->words.at, k->words.n, job->ngram, &k->keys);
    if (k->keys.n > before) list_add(&k->runs, k->keys.n);
}

/* All strings of a value, each for itself: test sets keep their text under many names. */
static void value_keys(const overlap_job *job, wt_json value, overlap_keys *k, int depth) {
    if (value.kind == WT_JSON_STRING) {
        string_keys(job, wt_json_string(value, k->arena), k);
        return;
    }
    wt_json_iter it;
    wt_json inner;
    wt_str key;
    if ((value.kind != WT_JSON_ARRAY && value.kind != WT_JSON_OBJECT) || depth > 16 ||
        wt_json_iter_init(&it, value, NULL))
        return;
    while (wt_json_next(&it, &key, &inner, NULL) > 0)
        if (value.kind == WT_JSON_ARRAY || !wt_str_eq(key, WT_STR("id"))) value_keys(job, inner, k, depth + 1);
}

bool overlap_document_keys(const overlap_job *job, wt_str document, bool json, overlap_keys *k) {
    static const wt_str fields[2] = {{"text", 4}, {"id", 2}};
    wt_json value[2], whole;
    wt_arena_reset(k->arena);
    k->keys.n = k->runs.n = 0;
    k->n_words = 0;
    k->id = (wt_str){0};
    if (!json) {
        string_keys(job, document, k);
        return true;
    }
    document = wt_str_trim(document);
    if (document.len == 0) return true;
    if (wt_json_pick(document, fields, 2, value, NULL)) return false;
    k->id = value[1].kind == WT_JSON_STRING ? wt_json_string(value[1], k->arena) : value[1].raw;
    if (value[0].kind == WT_JSON_STRING) string_keys(job, wt_json_string(value[0], k->arena), k);
    else if (wt_json_parse(document, &whole, NULL) == 0) value_keys(job, whole, k, 0);
    return true;
}

void overlap_keys_free(overlap_keys *k) {
    free(k->words.at), free(k->keys.at), free(k->runs.at);
    wt_arena_free(k->arena);
}

/* load_vocab.c - a vocabulary and its merges as GPT-2 writes them: tokens and pairs of tokens by their names in the byte
 * alphabet (bpe_bytes_to_chars), from vocab.json + merges.txt or from inside tokenizer.json. */
#include <stdlib.h>

#include "bpe/load_impl.h"
#include "common/hash.h"

/* Of what is read front to back: where `at` is. *counted starts at the bytes' beginning, *line at 1. */
static void count_lines(const char **counted, const char *at, uint32_t *line) {
    for (; *counted < at; ++*counted)
        *line += **counted == '\n';
}

/* ---- the vocabulary {"token": id, ...} ---- */
int bpe_load_vocab(bpe_load_file *s, wt_json vocab, wt_err *err) {
    wt_json_iter it;
    wt_str key;
    wt_json value;
    int more;
    const char *counted = s->bytes.ptr;
    s->build.line = 1;
    if (vocab.kind != WT_JSON_OBJECT || wt_json_iter_init(&it, vocab, err))
        return bpe_load_refuse(s, vocab.raw.ptr ? vocab.raw.ptr : s->bytes.ptr, err,
                               "the vocabulary is not an object");
    while ((more = wt_json_next(&it, &key, &value, err)) == 1) {
        int64_t id;
        wt_str name = wt_json_unescape(key, s->arena);
        count_lines(&counted, key.ptr, &s->build.line);
        if (value.kind != WT_JSON_NUMBER || wt_json_i64(value, &id) || id < 0 || id >= BPE_ID_MAX)
            return bpe_load_refuse(s, key.ptr, err, "token '%.*s' has no id from 0 to %d", WT_FMT(name),
                                   BPE_ID_MAX - 1);
        wt_buf_clear(&s->scratch);
        if (bpe_chars_to_bytes(&s->scratch, name)) {
            /* specials stand as they are; they must be named as such by the file or be GPT-2's */
            bpe_build_token(&s->build, (uint32_t)id, name, BPE_ADDED_UNKNOWN);
            continue;
        }
        bpe_build_token(&s->build, (uint32_t)id, wt_buf_view(&s->scratch), BPE_ADDED_NOT);
    }
    s->build.line = 0;
    return more;
}

/* Tokens of the vocabulary that are not of the byte alphabet must be among the added ones. */
int bpe_load_settle(bpe_load_file *s, wt_err *err) {
    bpe_build *b = &s->build;
    size_t kept = 0;
    uint32_t id_max = 0;
    int result = 0;
    for (size_t i = 0; i < b->n_tokens; i++)
        id_max = b->token[i].id > id_max ? b->token[i].id : id_max;
    uint8_t *added = wt_xcalloc((size_t)id_max + 1, 1);
    for (size_t i = 0; i < b->n_tokens; i++)
        added[b->token[i].id] |= b->token[i].added == BPE_ADDED_SPECIAL || b->token[i].added == BPE_ADDED_TEXT;
    for (size_t i = 0; i < b->n_tokens && !result; i++) {
        if (b->token[i].added != BPE_ADDED_UNKNOWN)
            b->token[kept++] = b->token[i];
        else if (!added[b->token[i].id])
            result = wt_fail(err, WT_EDATA, "line %u: token %u '%.*s' is not of GPT-2's byte alphabet, nor an added "
                             "token", b->token[i].line, b->token[i].id, WT_FMT(bpe_build_text(b, (uint32_t)i)));
    }
    if (!result)
        b->n_tokens = kept;
    free(added);
    return result;
}

/* ---- merges ---- */
/* Names of tokens as written in merges, to ids. Lives while the build's tokens do not move. */
typedef struct {
    const bpe_build *build;
    uint32_t *slot, mask;
} names;

static uint32_t hash_bytes(wt_str s) { return (uint32_t)wt_hash64(s.ptr, s.len, 0); }

static void names_init(names *n, const bpe_build *b) {
    *n = (names){.build = b, .mask = 63};
    while (n->mask < 2 * b->n_tokens)
        n->mask = 2 * n->mask + 1;
    n->slot = wt_xmalloc(((size_t)n->mask + 1) * sizeof *n->slot);
    memset(n->slot, 0xFF, ((size_t)n->mask + 1) * sizeof *n->slot);
    for (uint32_t k = 0; k < b->n_tokens; k++) {
        uint32_t i = hash_bytes(bpe_build_text(b, k)) & n->mask;
        while (n->slot[i] != BPE_NONE)
            i = (i + 1) & n->mask;
        n->slot[i] = k;
    }
}

/* The id of a plain token, BPE_NONE where there is none. */
static uint32_t names_find(const names *n, wt_str bytes) {
    for (uint32_t i = hash_bytes(bytes) & n->mask; n->slot[i] != BPE_NONE; i = (i + 1) & n->mask) {
        const struct bpe_build_token *t = &n->build->token[n->slot[i]];
        if (!t->added && wt_str_eq(bpe_build_text(n->build, n->slot[i]), bytes))
            return t->id;
    }
    return BPE_NONE;
}

/* One merge of two names, which stands at `at` of s, into a build. */
static int add_merge(bpe_load_file *s, const names *names_of, bpe_build *build, wt_str left, wt_str right, const char *at,
                     wt_err *err) {
    wt_buf *b = &s->scratch;
    wt_buf_clear(b);
    if (left.len == 0 || right.len == 0)
        return bpe_load_refuse(s, at, err, "merge %zu does not name two tokens", build->n_merges + 1);
    if (bpe_chars_to_bytes(b, left))
        return bpe_load_refuse(s, at, err, "merge %zu names '%.*s', which is not of GPT-2's byte alphabet",
                               build->n_merges + 1, WT_FMT(left));
    size_t cut = b->len;
    if (bpe_chars_to_bytes(b, right))
        return bpe_load_refuse(s, at, err, "merge %zu names '%.*s', which is not of GPT-2's byte alphabet",
                               build->n_merges + 1, WT_FMT(right));
    uint32_t l = names_find(names_of, (wt_str){b->ptr, cut}),
             r = names_find(names_of, (wt_str){b->ptr + cut, b->len - cut}),
             t = names_find(names_of, wt_buf_view(b));
    if (l == BPE_NONE || r == BPE_NONE || t == BPE_NONE)
        return bpe_load_refuse(s, at, err, "merge %zu '%.*s %.*s': %s is not in the vocabulary",
                               build->n_merges + 1, WT_FMT(left), WT_FMT(right),
                               l == BPE_NONE ? "the first" : r == BPE_NONE ? "the second" : "their joint");
    bpe_build_merge(build, l, r, t, (uint32_t)build->n_merges);
    return 0;
}

/* A merge is "left right" or ["left", "right"]. Neither: empty names. */
static void names_of_merge(bpe_load_file *s, wt_json merge, wt_str *left, wt_str *right) {
    wt_json_iter it;
    wt_json l = {0}, r = {0}, extra;
    if (merge.kind == WT_JSON_STRING) {
        *right = wt_json_string(merge, s->arena);
        *left = wt_str_cut(right, ' ');
        return;
    }
    if (merge.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, merge, NULL) || wt_json_next(&it, NULL, &l, NULL) != 1 ||
        wt_json_next(&it, NULL, &r, NULL) != 1 || wt_json_next(&it, NULL, &extra, NULL) != 0)
        l.kind = WT_JSON_NONE;
    *left = bpe_load_string(s, l), *right = bpe_load_string(s, r);
}

int bpe_load_merges(bpe_load_file *s, wt_json list, wt_err *err) {
    wt_json_iter it;
    wt_json one;
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return bpe_load_refuse(s, list.raw.ptr ? list.raw.ptr : s->bytes.ptr, err, "the model has no list of merges");
    names n;
    names_init(&n, &s->build);
    int more, bad = 0;
    const char *counted = s->bytes.ptr;
    s->build.line = 1;
    while (!bad && (more = wt_json_next(&it, NULL, &one, err)) == 1) {
        wt_str left, right;
        count_lines(&counted, one.raw.ptr, &s->build.line);
        names_of_merge(s, one, &left, &right);
        bad = add_merge(s, &n, &s->build, left, right, one.raw.ptr, err);
    }
    s->build.line = 0;
    free(n.slot);
    return bad ? -1 : more;
}

/* ---- vocab.json + merges.txt ---- */
/* GPT-2's own encoder.json ends in "<|endoftext|>" and no file says that it is special. */
static void mark_gpt2_specials(bpe_load_file *s) {
    bpe_build *b = &s->build;
    for (size_t i = 0; i < b->n_tokens; i++) {
        wt_str t = bpe_build_text(b, (uint32_t)i);
        if (t.len > 4 && wt_str_starts(t, WT_STR("<|")) && wt_str_ends(t, WT_STR("|>")))
            b->token[i].added = BPE_ADDED_SPECIAL;
    }
}

static int parse_merges_txt(bpe_load_file *s, bpe_load_file *merges, wt_err *err) {
    wt_str rest = bpe_load_text(merges);
    names n;
    names_init(&n, &s->build);
    int bad = 0;
    for (s->build.line = 1; !bad && rest.len; s->build.line++) {
        wt_str line = wt_str_cut(&rest, '\n'), right = line;
        if (line.len && line.ptr[line.len - 1] == '\r')
            right.len = line.len -= 1;
        if (s->build.line == 1 && wt_str_starts(line, WT_STR("#version")))
            continue;
        if (line.len == 0 && rest.len == 0)
            break;
        wt_str left = wt_str_cut(&right, ' ');
        bad = memchr(right.ptr, ' ', right.len)
                  ? bpe_load_refuse(merges, line.ptr, err, "more than two tokens in a merge")
                  : add_merge(merges, &n, &s->build, left, right, line.ptr, err);
    }
    s->build.line = 0;
    free(n.slot);
    return bad;
}

int bpe_load_pair(bpe_load_file *s, wt_json root, char **regex, wt_err *err) {
    bpe_load_file merges;
    bool found = false;
    if (bpe_load_vocab(s, root, err))
        return -1;
    int result = bpe_load_open(&merges, s->merges_path, err);
    if (!result && (result = parse_merges_txt(s, &merges, err)))
        wt_context(err, "%s", s->merges_path);
    bpe_load_close(&merges);
    if (result || bpe_load_config(s, regex, &found, err))
        return -1;
    if (!found)
        mark_gpt2_specials(s);
    return bpe_load_settle(s, err);
}

/* load.c - tokenizer files into a model. Every refusal names file, line and reason; nothing is
 * guessed that would change ids. What a file can say and we cannot do (normalizers, prefixes, byte
 * fallback ...) is refused too, for ids that are almost right are worse than none. */
#include <stdio.h>
#include <stdlib.h>

#include "bpe/model.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/memory.h"

#define FILE_BYTES_MAX ((uint64_t)1 << 30)

typedef struct {
    const char *path;
    wt_buf bytes;
    wt_arena *arena;
    bpe_build build;
    char *merges_path;              /* of a vocabulary: the file of its merges */
    wt_buf scratch;
} source;

static unsigned long line_of(const source *s, const char *at) {
    unsigned long line = 1;
    for (const char *p = s->bytes.ptr; p < at; p++)
        line += *p == '\n';
    return line;
}

static int refuse(const source *s, const char *at, wt_err *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int refuse(const source *s, const char *at, wt_err *err, const char *format, ...) {
    char text[700];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return wt_fail(err, WT_EDATA, "line %lu: %s", line_of(s, at), text);
}

static int source_open(source *s, const char *path, wt_err *err) {
    *s = (source){.path = path};
    if (wt_read_file(path, FILE_BYTES_MAX, &s->bytes, err))
        return -1;
    wt_buf_reserve(&s->bytes, 1);
    s->arena = wt_arena_new(0);
    return 0;
}

static void source_close(source *s) {
    wt_buf_free(&s->bytes);
    wt_buf_free(&s->scratch);
    free(s->merges_path);
    bpe_build_free(&s->build);
    if (s->arena)
        wt_arena_free(s->arena);
}

static wt_str source_text(const source *s) { return (wt_str){s->bytes.ptr, s->bytes.len}; }

/* Of what is read front to back: where `at` is. *counted starts at the bytes' beginning, *line at 1. */
static void count_lines(const char **counted, const char *at, uint32_t *line) {
    for (; *counted < at; ++*counted)
        *line += **counted == '\n';
}

/* Decimal digits below BPE_ID_MAX and nothing else. */
static bool parse_id(wt_str digits, uint64_t *id) {
    *id = 0;
    for (size_t i = 0; i < digits.len && *id < BPE_ID_MAX; i++) {
        if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
            return false;
        *id = 10 * *id + (uint64_t)(digits.ptr[i] - '0');
    }
    return digits.len && *id < BPE_ID_MAX;
}

/* ---- a vocabulary object {"token": id, ...} ---- */
static int read_vocab(source *s, wt_json vocab, wt_err *err) {
    wt_json_iter it;
    wt_str key;
    wt_json value;
    int more;
    const char *counted = s->bytes.ptr;
    s->build.line = 1;
    if (vocab.kind != WT_JSON_OBJECT || wt_json_iter_init(&it, vocab, err))
        return refuse(s, vocab.raw.ptr ? vocab.raw.ptr : s->bytes.ptr, err,
                      "the vocabulary is not an object");
    while ((more = wt_json_next(&it, &key, &value, err)) == 1) {
        int64_t id;
        wt_str name = wt_json_unescape(key, s->arena);
        count_lines(&counted, key.ptr, &s->build.line);
        if (value.kind != WT_JSON_NUMBER || wt_json_i64(value, &id) || id < 0 || id >= BPE_ID_MAX)
            return refuse(s, key.ptr, err, "token '%.*s' has no id from 0 to %d", WT_FMT(name),
                          BPE_ID_MAX - 1);
        wt_buf_clear(&s->scratch);
        if (bpe_chars_to_bytes(&s->scratch, name)) {
            /* specials stand as they are; they must be named as such by the file or be GPT-2's */
            bpe_build_token(&s->build, (uint32_t)id, name, 3);
            s->build.token[s->build.n_tokens - 1].added = 3;
            continue;
        }
        bpe_build_token(&s->build, (uint32_t)id, wt_buf_view(&s->scratch), 0);
    }
    s->build.line = 0;
    return more;
}

/* Names of tokens as written in merges, to ids. Lives while the build's tokens do not move. */
typedef struct {
    const bpe_build *build;
    uint32_t *slot, mask;
} names;

static uint32_t hash_bytes(wt_str s) {
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < s.len; i++)
        h = (h ^ (uint8_t)s.ptr[i]) * 0x100000001b3u;
    return (uint32_t)(h ^ h >> 32);
}

static wt_str build_text(const bpe_build *b, uint32_t i) {
    return (wt_str){b->blob.ptr + b->token[i].at, b->token[i].len};
}

static void names_init(names *n, const bpe_build *b) {
    *n = (names){.build = b, .mask = 63};
    while (n->mask < 2 * b->n_tokens)
        n->mask = 2 * n->mask + 1;
    n->slot = wt_xmalloc(((size_t)n->mask + 1) * sizeof *n->slot);
    memset(n->slot, 0xFF, ((size_t)n->mask + 1) * sizeof *n->slot);
    for (uint32_t k = 0; k < b->n_tokens; k++) {
        uint32_t i = hash_bytes(build_text(b, k)) & n->mask;
        while (n->slot[i] != BPE_NONE)
            i = (i + 1) & n->mask;
        n->slot[i] = k;
    }
}

/* The id of a plain token, BPE_NONE where there is none. */
static uint32_t names_find(const names *n, wt_str bytes) {
    for (uint32_t i = hash_bytes(bytes) & n->mask; n->slot[i] != BPE_NONE; i = (i + 1) & n->mask) {
        const struct bpe_build_token *t = &n->build->token[n->slot[i]];
        if (!t->added && wt_str_eq(build_text(n->build, n->slot[i]), bytes))
            return t->id;
    }
    return BPE_NONE;
}

/* One merge of two names in the byte alphabet, which stands at `at` of s, into a build. */
static int add_merge(source *s, const names *names_of, bpe_build *build, wt_str left, wt_str right, const char *at,
                     wt_err *err) {
    wt_buf *b = &s->scratch;
    wt_buf_clear(b);
    if (left.len == 0 || right.len == 0)
        return refuse(s, at, err, "merge %zu does not name two tokens", build->n_merges + 1);
    if (bpe_chars_to_bytes(b, left))
        return refuse(s, at, err, "merge %zu names '%.*s', which is not of GPT-2's byte alphabet",
                      build->n_merges + 1, WT_FMT(left));
    size_t cut = b->len;
    if (bpe_chars_to_bytes(b, right))
        return refuse(s, at, err, "merge %zu names '%.*s', which is not of GPT-2's byte alphabet",
                      build->n_merges + 1, WT_FMT(right));
    uint32_t l = names_find(names_of, (wt_str){b->ptr, cut}),
             r = names_find(names_of, (wt_str){b->ptr + cut, b->len - cut}),
             t = names_find(names_of, wt_buf_view(b));
    if (l == BPE_NONE || r == BPE_NONE || t == BPE_NONE)
        return refuse(s, at, err, "merge %zu '%.*s %.*s': %s is not in the vocabulary",
                      build->n_merges + 1, WT_FMT(left), WT_FMT(right),
                      l == BPE_NONE ? "the first" : r == BPE_NONE ? "the second" : "their joint");
    bpe_build_merge(build, l, r, t, (uint32_t)build->n_merges);
    return 0;
}

/* ---- tokenizer.json ---- */
static wt_str string_of(source *s, wt_json v) {
    return v.kind == WT_JSON_STRING ? wt_json_string(v, s->arena) : (wt_str){NULL, 0};
}

static bool is_set(wt_json v) { return v.kind != WT_JSON_NONE && v.kind != WT_JSON_NULL; }

/* A pattern that a file names; one that cannot be used is the file's fault and not the user's. */
static int take_pattern(source *s, wt_json value, char **regex, wt_err *err) {
    wt_err why = {0};
    *regex = wt_xstrndup(string_of(s, value));
    bpe_splitter *splitter = bpe_splitter_new(*regex, &why);
    bpe_splitter_free(splitter);
    return splitter ? 0 : refuse(s, value.raw.ptr, err, "%s", why.text);
}

/* ByteLevel's or Split's share of the pre-tokenizer. *regex stays NULL where it does not split. */
static int read_one_pretokenizer(source *s, wt_json pre, char **regex, wt_err *err) {
    wt_str type = string_of(s, wt_json_get(pre, "type"));
    if (wt_str_eq(type, WT_STR("ByteLevel"))) {
        if (wt_json_true(wt_json_get(pre, "add_prefix_space")))
            return refuse(s, pre.raw.ptr, err, "add_prefix_space is not supported");
        wt_json use = wt_json_get(pre, "use_regex");
        if (use.kind != WT_JSON_FALSE && !*regex)
            *regex = wt_xstrdup("gpt2");
        else if (use.kind != WT_JSON_FALSE)
            return refuse(s, pre.raw.ptr, err, "a pre-tokenizer that splits twice is not supported");
        return 0;
    }
    if (!wt_str_eq(type, WT_STR("Split")))
        return refuse(s, pre.raw.ptr, err, "pre-tokenizer '%.*s' is unknown; ByteLevel and Split are"
                      " supported", WT_FMT(type));
    wt_str pattern = string_of(s, wt_json_get(wt_json_get(pre, "pattern"), "Regex"));
    wt_str behavior = string_of(s, wt_json_get(pre, "behavior"));
    bool invert = wt_json_true(wt_json_get(pre, "invert"));
    if (!pattern.ptr || *regex)
        return refuse(s, pre.raw.ptr, err, *regex ? "a pre-tokenizer that splits twice is not supported"
                                                  : "Split needs a pattern of kind Regex");
    if (take_pattern(s, wt_json_get(wt_json_get(pre, "pattern"), "Regex"), regex, err))
        return -1;
    if (wt_str_eq(behavior, WT_STR("Isolated")) && !invert)
        return 0;
    bpe_splitter *known = bpe_splitter_new(*regex, NULL);
    bool covers = known && bpe_splitter_kind(known) != BPE_SPLIT_REGEX;
    bpe_splitter_free(known);
    /* The known patterns match every character, so that removing the rest is isolating. */
    if (covers && wt_str_eq(behavior, WT_STR("Removed")) && invert)
        return 0;
    return refuse(s, pre.raw.ptr, err, "Split with behavior '%.*s' is not supported", WT_FMT(behavior));
}

static int read_pretokenizer(source *s, wt_json pre, char **regex, wt_err *err) {
    if (!is_set(pre))
        return refuse(s, s->bytes.ptr, err, "it has no pre-tokenizer; ByteLevel is needed");
    if (!wt_str_eq(string_of(s, wt_json_get(pre, "type")), WT_STR("Sequence")))
        return read_one_pretokenizer(s, pre, regex, err);
    wt_json_iter it;
    wt_json one, list = wt_json_get(pre, "pretokenizers");
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return refuse(s, pre.raw.ptr, err, "Sequence needs a list of pretokenizers");
    int more;
    bool byte_level = false;
    while ((more = wt_json_next(&it, NULL, &one, err)) == 1) {
        byte_level |= wt_str_eq(string_of(s, wt_json_get(one, "type")), WT_STR("ByteLevel"));
        if (read_one_pretokenizer(s, one, regex, err))
            return -1;
    }
    if (more == 0 && !byte_level)
        return refuse(s, pre.raw.ptr, err, "the pre-tokenizer lacks ByteLevel");
    return more;
}

static int read_added(source *s, wt_json list, wt_err *err) {
    wt_json_iter it;
    wt_json one;
    if (!is_set(list))
        return 0;
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return refuse(s, list.raw.ptr, err, "added_tokens is not a list");
    int more;
    while ((more = wt_json_next(&it, NULL, &one, err)) == 1) {
        int64_t id;
        wt_str content = string_of(s, wt_json_get(one, "content"));
        if (!content.len || wt_json_i64(wt_json_get(one, "id"), &id) || id < 0 || id >= BPE_ID_MAX)
            return refuse(s, one.raw.ptr, err, "an added token needs content and an id");
        static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
        for (int i = 0; i < 3; i++)
            if (wt_json_true(wt_json_get(one, unsupported[i])))
                return refuse(s, one.raw.ptr, err, "added token '%.*s': %s is not supported",
                              WT_FMT(content), unsupported[i]);
        s->build.line = (uint32_t)line_of(s, one.raw.ptr);
        bpe_build_token(&s->build, (uint32_t)id, content,
                        wt_json_true(wt_json_get(one, "special")) ? 1 : 2);
    }
    s->build.line = 0;
    return more;
}

static int read_merges(source *s, wt_json list, wt_err *err) {
    wt_json_iter it;
    wt_json one;
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return refuse(s, list.raw.ptr ? list.raw.ptr : s->bytes.ptr, err, "the model has no list of merges");
    names n;
    names_init(&n, &s->build);
    int more, bad = 0;
    const char *counted = s->bytes.ptr;
    s->build.line = 1;
    while (!bad && (more = wt_json_next(&it, NULL, &one, err)) == 1) {
        wt_str left, right;
        count_lines(&counted, one.raw.ptr, &s->build.line);
        if (one.kind == WT_JSON_STRING) {
            right = wt_json_string(one, s->arena);
            left = wt_str_cut(&right, ' ');
        } else {
            wt_json_iter pair;
            wt_json l = {0}, r = {0}, extra;
            if (one.kind != WT_JSON_ARRAY || wt_json_iter_init(&pair, one, err) ||
                wt_json_next(&pair, NULL, &l, err) != 1 || wt_json_next(&pair, NULL, &r, err) != 1 ||
                wt_json_next(&pair, NULL, &extra, err) != 0)
                l.kind = WT_JSON_NONE;
            left = string_of(s, l), right = string_of(s, r);
        }
        bad = add_merge(s, &n, &s->build, left, right, one.raw.ptr, err);
    }
    s->build.line = 0;
    free(n.slot);
    return bad ? -1 : more;
}

/* What a model may say that would change the ids. */
static int check_model(source *s, wt_json root, wt_json model, wt_err *err) {
    wt_str type = string_of(s, wt_json_get(model, "type"));
    if (type.ptr && !wt_str_eq(type, WT_STR("BPE")))
        return refuse(s, model.raw.ptr, err, "model type '%.*s' is not BPE", WT_FMT(type));
    if (is_set(wt_json_get(root, "normalizer")))
        return refuse(s, wt_json_get(root, "normalizer").raw.ptr, err, "a normalizer is not supported");
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 3; i++) {
        wt_json v = wt_json_get(model, off[i]);
        if (is_set(v) && !(v.kind == WT_JSON_STRING && v.raw.len == 0))
            return refuse(s, v.raw.ptr, err, "%s is not supported", off[i]);
    }
    if (wt_json_true(wt_json_get(model, "byte_fallback")))
        return refuse(s, model.raw.ptr, err, "byte_fallback is not supported");
    s->build.whole_first = wt_json_true(wt_json_get(model, "ignore_merges"));
    return 0;
}

/* Tokens of the vocabulary that are not of the byte alphabet must be among the added ones. */
static int settle_odd_tokens(source *s, wt_err *err) {
    bpe_build *b = &s->build;
    size_t kept = 0;
    uint32_t id_max = 0;
    int result = 0;
    for (size_t i = 0; i < b->n_tokens; i++)
        id_max = b->token[i].id > id_max ? b->token[i].id : id_max;
    uint8_t *added = wt_xcalloc((size_t)id_max + 1, 1);
    for (size_t i = 0; i < b->n_tokens; i++)
        added[b->token[i].id] |= b->token[i].added == 1 || b->token[i].added == 2;
    for (size_t i = 0; i < b->n_tokens && !result; i++) {
        if (b->token[i].added != 3)
            b->token[kept++] = b->token[i];
        else if (!added[b->token[i].id])
            result = wt_fail(err, WT_EDATA, "line %u: token %u '%.*s' is not of GPT-2's byte alphabet, nor an added "
                             "token", b->token[i].line, b->token[i].id, WT_FMT(build_text(b, (uint32_t)i)));
    }
    if (!result)
        b->n_tokens = kept;
    free(added);
    return result;
}

static int parse_tokenizer_json(source *s, wt_json root, char **regex, wt_err *err) {
    wt_json model = wt_json_get(root, "model");
    return check_model(s, root, model, err) ||
           read_pretokenizer(s, wt_json_get(root, "pre_tokenizer"), regex, err) ||
           read_vocab(s, wt_json_get(model, "vocab"), err) ||
           read_merges(s, wt_json_get(model, "merges"), err) ||
           read_added(s, wt_json_get(root, "added_tokens"), err) || settle_odd_tokens(s, err) ? -1 : 0;
}

/* ---- tokenizer_config.json beside a file that says neither pattern nor specials ---- */
static char *beside(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    char *dir = slash ? wt_xstrndup((wt_str){path, (size_t)(slash - path)}) : wt_xstrdup(".");
    char *joined = wt_path_join(*dir ? dir : "/", name);
    free(dir);
    return joined;
}

static int read_config_token(source *s, source *config, wt_str key, wt_json token, wt_err *err) {
    wt_str content = string_of(config, wt_json_get(token, "content"));
    uint64_t id = BPE_ID_MAX;
    if (!parse_id(key, &id) || !content.len)
        return refuse(config, key.ptr, err, "added_tokens_decoder: '%.*s' is not an id below %d with content", WT_FMT(key), BPE_ID_MAX);
    s->build.line = (uint32_t)line_of(config, key.ptr);
    bpe_build_token(&s->build, (uint32_t)id, content, wt_json_get(token, "special").kind == WT_JSON_FALSE ? 2 : 1);
    return 0;
}

static int read_config(source *s, source *config, char **regex, bool *found, wt_err *err) {
    wt_json root, one;
    wt_json_iter it;
    wt_str key;
    int more = 0;
    if (wt_json_check(source_text(config), err) || wt_json_parse(source_text(config), &root, err))
        return -1;
    wt_json pattern = wt_json_get(root, "pretokenizer_pattern");
    if (string_of(config, pattern).len && take_pattern(config, pattern, regex, err))
        return -1;
    wt_json tokens = wt_json_get(root, "added_tokens_decoder");
    *found = tokens.kind == WT_JSON_OBJECT && !wt_json_iter_init(&it, tokens, err);
    while (*found && (more = wt_json_next(&it, &key, &one, err)) == 1)
        if (read_config_token(s, config, key, one, err))
            return -1;
    return more;
}

/* Fills *regex and adds specials; *found tells whether the file spoke of specials. */
static int read_config_beside(source *s, char **regex, bool *found, wt_err *err) {
    char *path = beside(s->path, "tokenizer_config.json");
    source config = {0};
    int result = 0;
    s->build.in_config = true;
    if (wt_exists(path) && (source_open(&config, path, err) || read_config(s, &config, regex, found, err)))
        result = wt_context(err, "%s", path);
    s->build.in_config = false, s->build.line = 0;
    source_close(&config);
    free(path);
    return result;
}

/* ---- vocab.json + merges.txt ---- */
/* GPT-2's own encoder.json ends in "<|endoftext|>" and no file says that it is special. */
static void mark_gpt2_specials(source *s) {
    bpe_build *b = &s->build;
    for (size_t i = 0; i < b->n_tokens; i++) {
        wt_str t = build_text(b, (uint32_t)i);
        if (t.len > 4 && wt_str_starts(t, WT_STR("<|")) && wt_str_ends(t, WT_STR("|>")))
            b->token[i].added = 1;
    }
}

static int parse_merges_txt(source *s, source *merges, wt_err *err) {
    wt_str rest = source_text(merges);
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
                  ? refuse(merges, line.ptr, err, "more than two tokens in a merge")
                  : add_merge(merges, &n, &s->build, left, right, line.ptr, err);
    }
    s->build.line = 0;
    free(n.slot);
    return bad;
}

static int parse_pair(source *s, wt_json root, char **regex, wt_err *err) {
    source merges;
    bool found = false;
    if (read_vocab(s, root, err))
        return -1;
    int result = source_open(&merges, s->merges_path, err);
    if (!result && (result = parse_merges_txt(s, &merges, err)))
        wt_context(err, "%s", s->merges_path);
    source_close(&merges);
    if (result || read_config_beside(s, regex, &found, err))
        return -1;
    if (!found)
        mark_gpt2_specials(s);
    return settle_odd_tokens(s, err);
}

/* ---- .tiktoken ---- */
static int base64_value(char c) {
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26
         : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int base64_decode(wt_buf *out, wt_str text) {
    wt_buf_clear(out);
    if (text.len == 0 || text.len % 4)
        return -1;
    size_t padding = text.ptr[text.len - 1] == '=' ? 1 + (text.ptr[text.len - 2] == '=') : 0;
    for (size_t i = 0; i < text.len; i += 4) {
        uint32_t bits = 0;
        for (size_t k = i; k < i + 4; k++) {
            int v = k >= text.len - padding ? 0 : base64_value(text.ptr[k]);
            if (v < 0)
                return -1;
            bits = bits << 6 | (uint32_t)v;
        }
        for (int k = 2; k >= 0; k--)
            wt_buf_add_char(out, (char)(bits >> 8 * k));
    }
    out->len -= padding;
    return 0;
}

/* Splits token t into the tokens that merges below its own rank make of it. Two: that is the merge
 * that made it. More (some published vocabularies): every split into two tokens counts, for
 * tiktoken joins any neighbours whose joint has a rank, and the token is also taken whole. */
static void derive_merges(bpe_model *plain, bpe_build *b) {
    for (uint32_t id = 0; id < plain->n_ids; id++) {
        wt_str t = bpe_token_bytes(plain, id);
        if (plain->kind[id] != BPE_TOKEN_PLAIN || t.len < 2)
            continue;
        uint32_t *parts = wt_xmalloc(t.len * sizeof *parts);
        size_t n = 0;
        for (; n < t.len; n++)
            parts[n] = plain->byte_id[(uint8_t)t.ptr[n]];
        while (n > 1) {
            uint32_t best = id, best_at = 0;
            const char *p = t.ptr;
            for (uint32_t i = 0; i + 1 < n; i++) {
                size_t l = bpe_token_bytes(plain, parts[i]).len,
                       r = bpe_token_bytes(plain, parts[i + 1]).len;
                uint32_t joint = bpe_token_id(plain, (wt_str){p, l + r});
                if (joint < best && plain->kind[joint] == BPE_TOKEN_PLAIN)
                    best = joint, best_at = i;
                p += l;
            }
            if (best == id)
                break;
            parts[best_at] = best;
            memmove(parts + best_at + 1, parts + best_at + 2, (n - best_at - 2) * sizeof *parts);
            n--;
        }
        if (n == 2) {
            bpe_build_merge(b, parts[0], parts[1], id, id);
        } else {
            b->whole_first = true;
            for (size_t cut = 1; cut < t.len; cut++) {
                uint32_t l = bpe_token_id(plain, (wt_str){t.ptr, cut}),
                         r = bpe_token_id(plain, (wt_str){t.ptr + cut, t.len - cut});
                if (l != BPE_NONE && r != BPE_NONE && plain->kind[l] == BPE_TOKEN_PLAIN &&
                    plain->kind[r] == BPE_TOKEN_PLAIN)
                    bpe_build_merge(b, l, r, id, id);
            }
        }
        free(parts);
    }
}

static void build_copy_tokens(bpe_build *to, const bpe_build *from) {
    for (size_t i = 0; i < from->n_tokens; i++) {
        to->line = from->token[i].line, to->in_config = from->token[i].in_config;
        bpe_build_token(to, from->token[i].id, build_text(from, (uint32_t)i), (int)from->token[i].added);
    }
}

/* The specials and patterns of OpenAI's published files, told by how many ranks they have. */
static const struct {
    size_t n_ranks;
    const char *pattern;
    struct { const char *text; uint32_t id; } special[6];
} published[] = {
    {50256, "gpt2", {{"<|endoftext|>", 50256}}},
    {100256, "cl100k", {{"<|endoftext|>", 100257}, {"<|fim_prefix|>", 100258},
     {"<|fim_middle|>", 100259}, {"<|fim_suffix|>", 100260}, {"<|endofprompt|>", 100276}}},
    {199998, "o200k", {{"<|endoftext|>", 199999}, {"<|endofprompt|>", 200018}}},
};

static int parse_tiktoken(source *s, char **regex, wt_err *err) {
    wt_str rest = source_text(s);
    while (rest.len) {
        wt_str line = wt_str_cut(&rest, '\n'), number = wt_str_trim(line);
        s->build.line++;
        if (number.len == 0)
            continue;
        wt_str code = wt_str_cut(&number, ' ');
        uint64_t id;
        if (!parse_id(number, &id))
            return refuse(s, line.ptr, err, "no rank below %d behind the token", BPE_ID_MAX);
        if (base64_decode(&s->scratch, code))
            return refuse(s, line.ptr, err, "the token is not base64");
        bpe_build_token(&s->build, (uint32_t)id, wt_buf_view(&s->scratch), 0);
    }
    s->build.line = 0;
    size_t n_ranks = s->build.n_tokens;
    bool found = false;
    if (read_config_beside(s, regex, &found, err))
        return -1;
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        if (found || published[i].n_ranks != n_ranks)
            continue;
        if (!*regex)
            *regex = wt_xstrdup(published[i].pattern);
        for (int k = 0; k < 6 && published[i].special[k].text; k++)
            bpe_build_token(&s->build, published[i].special[k].id,
                            wt_str_of(published[i].special[k].text), 1);
    }
    bpe_build copy = {0};
    build_copy_tokens(&copy, &s->build);
    bpe_model *plain = bpe_build_finish(&copy, bpe_splitter_new("gpt2", NULL), err);
    if (!plain)
        return -1;
    derive_merges(plain, &s->build);
    bpe_model_free(plain);
    return 0;
}

/* ---- which file is it? ---- */
/* The vocabulary's partner: known pairs of names in the same folder. */
static char *partner(const char *path) {
    static const char *const pair[][2] = {{"vocab.json", "merges.txt"}, {"encoder.json", "vocab.bpe"}};
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++)
            if (strcmp(name, pair[i][k]) == 0)
                return beside(path, pair[i][!k]);
    char *merges = beside(path, "merges.txt");
    if (!wt_exists(merges)) {
        free(merges);
        merges = beside(path, "vocab.bpe");
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

static int parse_any(source *s, char **regex, wt_err *err) {
    wt_json root;
    wt_str text = wt_str_trim(source_text(s));
    if (text.len == 0)
        return wt_fail(err, WT_EDATA, "the file is empty");
    if (text.ptr[0] != '{')
        return parse_tiktoken(s, regex, err);
    if (wt_json_check(source_text(s), err) || wt_json_parse(source_text(s), &root, err))
        return -1;
    if (is_set(wt_json_get(root, "model")) && wt_json_get(root, "model").kind == WT_JSON_OBJECT)
        return parse_tokenizer_json(s, root, regex, err);
    s->build.merges_path = s->merges_path = partner(s->path);
    return wt_exists(s->merges_path) ? parse_pair(s, root, regex, err)
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
    source s;
    char *regex = NULL;
    bpe_model *model = NULL;
    bpe_splitter *splitter = NULL;
    int bad = source_open(&s, path, err);
    if (!bad && looks_like_merges(source_text(&s))) {
        source_close(&s);
        return load_by_merges(path, pattern, err);
    }
    if (!bad && parse_any(&s, &regex, err) == 0 &&
        (splitter = bpe_splitter_new(pattern ? pattern : regex ? regex : "gpt2", err)))
        model = bpe_build_finish(&s.build, splitter, err);
    if (!model)
        wt_context(err, "%s", path);
    free(regex);
    source_close(&s);
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

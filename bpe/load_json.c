/* load_json.c - tokenizer.json, and tokenizer_config.json beside files that say neither pattern nor special tokens. What
 * they can say and we cannot do is refused. */
#include <stdlib.h>

#include "bpe/load_impl.h"
#include "common/fs.h"

static bool is_set(wt_json v) { return v.kind != WT_JSON_NONE && v.kind != WT_JSON_NULL; }

/* A pattern that a file names; one that cannot be used is the file's fault and not the user's. */
static int take_pattern(bpe_load_file *s, wt_json value, char **regex, wt_err *err) {
    wt_err why = {0};
    *regex = wt_xstrndup(bpe_load_string(s, value));
    bpe_splitter *splitter = bpe_splitter_new(*regex, &why);
    bpe_splitter_free(splitter);
    return splitter ? 0 : bpe_load_refuse(s, value.raw.ptr, err, "%s", why.text);
}

/* ByteLevel's or Split's share of the pre-tokenizer. *regex stays NULL where it does not split. */
static int read_one_pretokenizer(bpe_load_file *s, wt_json pre, char **regex, wt_err *err) {
    wt_str type = bpe_load_string(s, wt_json_get(pre, "type"));
    if (wt_str_eq(type, WT_STR("ByteLevel"))) {
        if (wt_json_true(wt_json_get(pre, "add_prefix_space")))
            return bpe_load_refuse(s, pre.raw.ptr, err, "add_prefix_space is not supported");
        wt_json use = wt_json_get(pre, "use_regex");
        if (use.kind != WT_JSON_FALSE && !*regex)
            *regex = wt_xstrdup("gpt2");
        else if (use.kind != WT_JSON_FALSE)
            return bpe_load_refuse(s, pre.raw.ptr, err, "a pre-tokenizer that splits twice is not supported");
        return 0;
    }
    if (!wt_str_eq(type, WT_STR("Split")))
        return bpe_load_refuse(s, pre.raw.ptr, err, "pre-tokenizer '%.*s' is unknown; ByteLevel and Split are"
                               " supported", WT_FMT(type));
    wt_str pattern = bpe_load_string(s, wt_json_get(wt_json_get(pre, "pattern"), "Regex"));
    wt_str behavior = bpe_load_string(s, wt_json_get(pre, "behavior"));
    bool invert = wt_json_true(wt_json_get(pre, "invert"));
    if (!pattern.ptr || *regex)
        return bpe_load_refuse(s, pre.raw.ptr, err, *regex ? "a pre-tokenizer that splits twice is not supported"
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
    return bpe_load_refuse(s, pre.raw.ptr, err, "Split with behavior '%.*s' is not supported", WT_FMT(behavior));
}

static int read_pretokenizer(bpe_load_file *s, wt_json pre, char **regex, wt_err *err) {
    if (!is_set(pre))
        return bpe_load_refuse(s, s->bytes.ptr, err, "it has no pre-tokenizer; ByteLevel is needed");
    if (!wt_str_eq(bpe_load_string(s, wt_json_get(pre, "type")), WT_STR("Sequence")))
        return read_one_pretokenizer(s, pre, regex, err);
    wt_json_iter it;
    wt_json one, list = wt_json_get(pre, "pretokenizers");
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return bpe_load_refuse(s, pre.raw.ptr, err, "Sequence needs a list of pretokenizers");
    int more;
    bool byte_level = false;
    while ((more = wt_json_next(&it, NULL, &one, err)) == 1) {
        byte_level |= wt_str_eq(bpe_load_string(s, wt_json_get(one, "type")), WT_STR("ByteLevel"));
        if (read_one_pretokenizer(s, one, regex, err))
            return -1;
    }
    if (more == 0 && !byte_level)
        return bpe_load_refuse(s, pre.raw.ptr, err, "the pre-tokenizer lacks ByteLevel");
    return more;
}

static int read_added(bpe_load_file *s, wt_json list, wt_err *err) {
    wt_json_iter it;
    wt_json one;
    if (!is_set(list))
        return 0;
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err))
        return bpe_load_refuse(s, list.raw.ptr, err, "added_tokens is not a list");
    int more;
    while ((more = wt_json_next(&it, NULL, &one, err)) == 1) {
        int64_t id;
        wt_str content = bpe_load_string(s, wt_json_get(one, "content"));
        if (!content.len || wt_json_i64(wt_json_get(one, "id"), &id) || id < 0 || id >= BPE_ID_MAX)
            return bpe_load_refuse(s, one.raw.ptr, err, "an added token needs content and an id");
        static const char *const unsupported[] = {"single_word", "lstrip", "rstrip"};
        for (int i = 0; i < 3; i++)
            if (wt_json_true(wt_json_get(one, unsupported[i])))
                return bpe_load_refuse(s, one.raw.ptr, err, "added token '%.*s': %s is not supported",
                                       WT_FMT(content), unsupported[i]);
        s->build.line = (uint32_t)bpe_load_line_of(s, one.raw.ptr);
        bpe_build_token(&s->build, (uint32_t)id, content,
                        wt_json_true(wt_json_get(one, "special")) ? BPE_ADDED_SPECIAL : BPE_ADDED_TEXT);
    }
    s->build.line = 0;
    return more;
}

/* What a model may say that would change the ids. */
static int check_model(bpe_load_file *s, wt_json root, wt_json model, wt_err *err) {
    wt_str type = bpe_load_string(s, wt_json_get(model, "type"));
    if (type.ptr && !wt_str_eq(type, WT_STR("BPE")))
        return bpe_load_refuse(s, model.raw.ptr, err, "model type '%.*s' is not BPE", WT_FMT(type));
    if (is_set(wt_json_get(root, "normalizer")))
        return bpe_load_refuse(s, wt_json_get(root, "normalizer").raw.ptr, err, "a normalizer is not supported");
    static const char *const off[] = {"dropout", "continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 3; i++) {
        wt_json v = wt_json_get(model, off[i]);
        if (is_set(v) && !(v.kind == WT_JSON_STRING && v.raw.len == 0))
            return bpe_load_refuse(s, v.raw.ptr, err, "%s is not supported", off[i]);
    }
    if (wt_json_true(wt_json_get(model, "byte_fallback")))
        return bpe_load_refuse(s, model.raw.ptr, err, "byte_fallback is not supported");
    s->build.whole_first = wt_json_true(wt_json_get(model, "ignore_merges"));
    return 0;
}

int bpe_load_tokenizer_json(bpe_load_file *s, wt_json root, char **regex, wt_err *err) {
    wt_json model = wt_json_get(root, "model");
    return check_model(s, root, model, err) ||
           read_pretokenizer(s, wt_json_get(root, "pre_tokenizer"), regex, err) ||
           bpe_load_vocab(s, wt_json_get(model, "vocab"), err) ||
           bpe_load_merges(s, wt_json_get(model, "merges"), err) ||
           read_added(s, wt_json_get(root, "added_tokens"), err) || bpe_load_settle(s, err) ? -1 : 0;
}

/* ---- tokenizer_config.json ---- */
static int read_config_token(bpe_load_file *s, bpe_load_file *config, wt_str key, wt_json token, wt_err *err) {
    wt_str content = bpe_load_string(config, wt_json_get(token, "content"));
    uint64_t id = BPE_ID_MAX;
    if (!bpe_load_id(key, &id) || !content.len)
        return bpe_load_refuse(config, key.ptr, err, "added_tokens_decoder: '%.*s' is not an id below %d with content", WT_FMT(key), BPE_ID_MAX);
    s->build.line = (uint32_t)bpe_load_line_of(config, key.ptr);
    bpe_build_token(&s->build, (uint32_t)id, content, wt_json_get(token, "special").kind == WT_JSON_FALSE ? BPE_ADDED_TEXT : BPE_ADDED_SPECIAL);
    return 0;
}

static int read_config(bpe_load_file *s, bpe_load_file *config, char **regex, bool *found, wt_err *err) {
    wt_json root, one;
    wt_json_iter it;
    wt_str key;
    int more = 0;
    if (wt_json_check(bpe_load_text(config), err) || wt_json_parse(bpe_load_text(config), &root, err))
        return -1;
    wt_json pattern = wt_json_get(root, "pretokenizer_pattern");
    if (bpe_load_string(config, pattern).len && take_pattern(config, pattern, regex, err))
        return -1;
    wt_json tokens = wt_json_get(root, "added_tokens_decoder");
    *found = tokens.kind == WT_JSON_OBJECT && !wt_json_iter_init(&it, tokens, err);
    while (*found && (more = wt_json_next(&it, &key, &one, err)) == 1)
        if (read_config_token(s, config, key, one, err))
            return -1;
    return more;
}

/* Fills *regex and adds specials; *found tells whether the file spoke of specials. */
int bpe_load_config(bpe_load_file *s, char **regex, bool *found, wt_err *err) {
    char *path = bpe_load_beside(s->path, "tokenizer_config.json");
    bpe_load_file config = {0};
    int result = 0;
    s->build.in_config = true;
    if (wt_exists(path) && (bpe_load_open(&config, path, err) || read_config(s, &config, regex, found, err)))
        result = wt_context(err, "%s", path);
    s->build.in_config = false, s->build.line = 0;
    bpe_load_close(&config);
    free(path);
    return result;
}

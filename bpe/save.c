/* save.c - a model into the files that Hugging Face, GPT-2's own code and tiktoken read. Tokens are
 * written in order of their ids, merges in order of rank, so the files depend on the model alone. */
#include <stdio.h>
#include <stdlib.h>

#include "bpe/model.h"
#include "common/fs.h"
#include "common/json.h"

/* A token as GPT-2 writes it: bytes as printable characters; added tokens as they are. */
static void add_name(wt_buf *out, const bpe_model *m, uint32_t id) {
    wt_buf name = {0};
    if (m->kind[id] == BPE_TOKEN_ADDED)
        wt_buf_add_str(&name, bpe_token_bytes(m, id));
    else
        bpe_bytes_to_chars(&name, bpe_token_bytes(m, id));
    wt_json_add_string(out, wt_buf_view(&name));
    wt_buf_free(&name);
}

static void add_vocab(wt_buf *out, const bpe_model *m, bool with_added) {
    bool first = true;
    wt_buf_add_char(out, '{');
    for (uint32_t id = 0; id < m->n_ids; id++) {
        if (m->kind[id] == BPE_TOKEN_NONE || (m->kind[id] == BPE_TOKEN_ADDED && !with_added))
            continue;
        if (!first)
            wt_buf_add_char(out, ',');
        first = false;
        add_name(out, m, id);
        wt_buf_printf(out, ":%u", id);
    }
    wt_buf_add_char(out, '}');
}

static void add_added_fields(wt_buf *out, const bpe_added *a) {
    wt_buf_printf(out, "\"content\":");
    wt_json_add_string(out, (wt_str){a->text, a->len});
    wt_buf_printf(out, ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                       "\"normalized\":false,\"special\":%s", a->special ? "true" : "false");
}

static void add_pretokenizer(wt_buf *out, const bpe_model *m) {
    static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,"
                                     "\"trim_offsets\":true,\"use_regex\":%s}";
    if (bpe_splitter_kind(m->splitter) == BPE_SPLIT_GPT2) {
        wt_buf_printf(out, byte_level, "true");
        return;
    }
    wt_buf_printf(out, "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":"
                       "{\"Regex\":");
    wt_json_add_string(out, wt_str_of(bpe_splitter_regex(m->splitter)));
    wt_buf_printf(out, "},\"behavior\":\"Isolated\",\"invert\":false},");
    wt_buf_printf(out, byte_level, "false");
    wt_buf_printf(out, "]}");
}

static void write_tokenizer_json(wt_buf *out, const bpe_model *m) {
    wt_buf_printf(out, "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":[");
    for (size_t i = 0; i < m->added.n; i++) {
        wt_buf_printf(out, "%s{\"id\":%u,", i ? "," : "", m->added.item[i].id);
        add_added_fields(out, &m->added.item[i]);
        wt_buf_add_char(out, '}');
    }
    wt_buf_printf(out, "],\"normalizer\":null,\"pre_tokenizer\":");
    add_pretokenizer(out, m);
    static const char byte_level[] = "{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                                     "\"trim_offsets\":%s,\"use_regex\":true}";
    wt_buf_printf(out, ",\"post_processor\":");
    wt_buf_printf(out, byte_level, "false");
    wt_buf_printf(out, ",\"decoder\":");
    wt_buf_printf(out, byte_level, "true");
    wt_buf_printf(out, ",\"model\":{\"type\":\"BPE\",\"dropout\":null,\"unk_token\":null,"
                       "\"continuing_subword_prefix\":null,\"end_of_word_suffix\":null,"
                       "\"fuse_unk\":false,\"byte_fallback\":false,\"ignore_merges\":%s,\"vocab\":",
                  m->whole_first ? "true" : "false");
    add_vocab(out, m, true);
    wt_buf_printf(out, ",\"merges\":[");
    for (uint32_t k = 0; k < m->n_merges; k++) {
        wt_buf_printf(out, k ? ",[" : "[");
        add_name(out, m, m->merge[k].left);
        wt_buf_add_char(out, ',');
        add_name(out, m, m->merge[k].right);
        wt_buf_add_char(out, ']');
    }
    wt_buf_printf(out, "]}}\n");
}

static void write_vocab_json(wt_buf *out, const bpe_model *m) {
    add_vocab(out, m, true);
    wt_buf_add_char(out, '\n');
}

static void write_merges_txt(wt_buf *out, const bpe_model *m) {
    wt_buf_printf(out, "#version: 0.2\n");
    for (uint32_t k = 0; k < m->n_merges; k++) {
        bpe_bytes_to_chars(out, bpe_token_bytes(m, m->merge[k].left));
        wt_buf_add_char(out, ' ');
        bpe_bytes_to_chars(out, bpe_token_bytes(m, m->merge[k].right));
        wt_buf_add_char(out, '\n');
    }
}

static void base64_add(wt_buf *out, wt_str s) {
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.len; i += 3) {
        size_t n = s.len - i < 3 ? s.len - i : 3;
        uint32_t bits = 0;
        for (size_t k = 0; k < 3; k++)
            bits = bits << 8 | (k < n ? (uint8_t)s.ptr[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            wt_buf_add_char(out, k > n ? '=' : digit[bits >> (18 - 6 * k) & 63]);
    }
}

static void write_tiktoken(wt_buf *out, const bpe_model *m) {
    for (uint32_t id = 0; id < m->n_ids; id++)
        if (m->kind[id] == BPE_TOKEN_PLAIN) {
            base64_add(out, bpe_token_bytes(m, id));
            wt_buf_printf(out, " %u\n", id);
        }
}

/* Hugging Face's keys, and one of ours, "pretokenizer_pattern", because merges.txt and .tiktoken
 * do not tell how text is split. */
static void write_config(wt_buf *out, const bpe_model *m) {
    wt_buf_printf(out, "{\"tokenizer_class\":\"PreTrainedTokenizerFast\",\"model_max_length\":1024,"
                       "\"clean_up_tokenization_spaces\":false,\"added_tokens_decoder\":{");
    for (size_t i = 0; i < m->added.n; i++) {
        wt_buf_printf(out, "%s\"%u\":{", i ? "," : "", m->added.item[i].id);
        add_added_fields(out, &m->added.item[i]);
        wt_buf_add_char(out, '}');
    }
    wt_buf_add_char(out, '}');
    if (m->end_of_text != BPE_NONE)
        wt_buf_printf(out, ",\"bos_token\":\"<|endoftext|>\",\"eos_token\":\"<|endoftext|>\","
                           "\"unk_token\":\"<|endoftext|>\"");
    wt_buf_printf(out, ",\"pretokenizer_pattern\":");
    wt_json_add_string(out, wt_str_of(bpe_splitter_name(m->splitter)));
    wt_buf_printf(out, ",\"pretokenizer_unicode\":\"16.0\"}\n");
}

/* tiktoken's one number is both id and rank, so merges must be numbered as they were learned, and
 * each token must come from one merge, or tiktoken would read other merges out of the file. */
static bool ids_follow_merges(const bpe_model *m) {
    for (uint32_t k = 1; k < m->n_merges; k++)
        if (m->merge[k].result < m->merge[k - 1].result ||
            (m->merge[k].result == m->merge[k - 1].result && !m->whole_first))
            return false;
    for (uint32_t k = 0, id = 0; id < m->n_ids; id++) {
        if (m->kind[id] != BPE_TOKEN_PLAIN || bpe_token_bytes(m, id).len == 1 || m->whole_first)
            continue;
        if (k == m->n_merges || m->merge[k++].result != id)
            return false;       /* a token no merge makes: tiktoken would use it */
    }
    return true;
}

int bpe_model_save(const bpe_model *m, const char *dir, const char **skipped, wt_err *err) {
    static const struct {
        const char *name;
        void (*write)(wt_buf *out, const bpe_model *m);
    } file[] = {
        {"vocab.json", write_vocab_json}, {"merges.txt", write_merges_txt},
        {"tokenizer.tiktoken", write_tiktoken}, {"tokenizer_config.json", write_config},
        {"tokenizer.json", write_tokenizer_json},
    };
    const char *why = "";
    if (wt_mkdirs(dir, err))
        return -1;
    for (size_t i = 0; i < sizeof file / sizeof *file; i++) {
        if (file[i].write == write_tiktoken && !ids_follow_merges(m)) {
            why = "tokenizer.tiktoken: ids do not follow the merges";
            continue;
        }
        if (file[i].write == write_merges_txt && m->whole_first) {
            why = "merges.txt: it cannot say that whole words come first";
            continue;
        }
        wt_buf out = {0};
        char *path = wt_path_join(dir, file[i].name);
        file[i].write(&out, m);
        int result = wt_write_file(path, wt_buf_view(&out), err);
        wt_buf_free(&out);
        free(path);
        if (result)
            return -1;
    }
    if (skipped)
        *skipped = why;
    return 0;
}

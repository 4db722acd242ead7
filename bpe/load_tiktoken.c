/* load_tiktoken.c - a .tiktoken file: a line is a token in base64 and its rank. Merges are not written there, and are found
 * out. */
#include <stdlib.h>

#include "bpe/load_impl.h"

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

/* ---- merges ---- */
static bool is_plain(const bpe_model *m, uint32_t id) { return id != BPE_NONE && m->kind[id] == BPE_TOKEN_PLAIN; }

/* Splits the bytes of a token into the tokens that merges below its own rank make of them; parts has room for as many as
 * bytes. Returns how many. */
static size_t split_below(const bpe_model *plain, wt_str t, uint32_t rank, uint32_t *parts) {
    size_t n = 0;
    for (; n < t.len; n++)
        parts[n] = plain->byte_id[(uint8_t)t.ptr[n]];
    while (n > 1) {
        uint32_t best = rank, best_at = 0;
        const char *p = t.ptr;
        for (uint32_t i = 0; i + 1 < n; i++) {
            size_t left = bpe_token_bytes(plain, parts[i]).len, right = bpe_token_bytes(plain, parts[i + 1]).len;
            uint32_t joint = bpe_token_id(plain, (wt_str){p, left + right});
            if (joint < best && is_plain(plain, joint))
                best = joint, best_at = i;
            p += left;
        }
        if (best == rank)
            break;
        parts[best_at] = best;
        memmove(parts + best_at + 1, parts + best_at + 2, (n - best_at - 2) * sizeof *parts);
        n--;
    }
    return n;
}

/* Two parts: that is the merge that made the token. More (some published vocabularies): every split into two tokens
 * counts, for tiktoken joins any neighbours whose joint has a rank, and the token is also taken whole. */
static void derive_merges(const bpe_model *plain, bpe_build *b) {
    uint32_t *parts = wt_xmalloc((plain->token_max + 1) * sizeof *parts);
    for (uint32_t id = 0; id < plain->n_ids; id++) {
        wt_str t = bpe_token_bytes(plain, id);
        if (!is_plain(plain, id) || t.len < 2)
            continue;
        if (split_below(plain, t, id, parts) == 2) {
            bpe_build_merge(b, parts[0], parts[1], id, id);
            continue;
        }
        b->whole_first = true;
        for (size_t cut = 1; cut < t.len; cut++) {
            uint32_t left = bpe_token_id(plain, (wt_str){t.ptr, cut}),
                     right = bpe_token_id(plain, (wt_str){t.ptr + cut, t.len - cut});
            if (is_plain(plain, left) && is_plain(plain, right))
                bpe_build_merge(b, left, right, id, id);
        }
    }
    free(parts);
}

static void build_copy_tokens(bpe_build *to, const bpe_build *from) {
    for (size_t i = 0; i < from->n_tokens; i++) {
        to->line = from->token[i].line, to->in_config = from->token[i].in_config;
        bpe_build_token(to, from->token[i].id, bpe_build_text(from, (uint32_t)i), from->token[i].added);
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

static void add_published(bpe_load_file *s, size_t n_ranks, char **regex) {
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        if (published[i].n_ranks != n_ranks)
            continue;
        if (!*regex)
            *regex = wt_xstrdup(published[i].pattern);
        for (int k = 0; k < 6 && published[i].special[k].text; k++)
            bpe_build_token(&s->build, published[i].special[k].id, wt_str_of(published[i].special[k].text),
                            BPE_ADDED_SPECIAL);
    }
}

static int read_ranks(bpe_load_file *s, wt_err *err) {
    wt_str rest = bpe_load_text(s);
    while (rest.len) {
        wt_str line = wt_str_cut(&rest, '\n'), number = wt_str_trim(line);
        s->build.line++;
        if (number.len == 0)
            continue;
        wt_str code = wt_str_cut(&number, ' ');
        uint64_t id;
        if (!bpe_load_id(number, &id))
            return bpe_load_refuse(s, line.ptr, err, "no rank below %d behind the token", BPE_ID_MAX);
        if (base64_decode(&s->scratch, code))
            return bpe_load_refuse(s, line.ptr, err, "the token is not base64");
        bpe_build_token(&s->build, (uint32_t)id, wt_buf_view(&s->scratch), BPE_ADDED_NOT);
    }
    s->build.line = 0;
    return 0;
}

int bpe_load_tiktoken(bpe_load_file *s, char **regex, wt_err *err) {
    if (read_ranks(s, err))
        return -1;
    size_t n_ranks = s->build.n_tokens;
    bool found = false;
    if (bpe_load_config(s, regex, &found, err))
        return -1;
    if (!found)
        add_published(s, n_ranks, regex);
    bpe_build copy = {0};
    build_copy_tokens(&copy, &s->build);
    bpe_model *plain = bpe_build_finish(&copy, bpe_splitter_new("gpt2", NULL), err);
    if (!plain)
        return -1;
    derive_merges(plain, &s->build);
    bpe_model_free(plain);
    return 0;
}

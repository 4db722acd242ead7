/* gguf.c - writes a model as GGUF version 3, architecture gpt2, all F32, as llama.cpp reads it
 * (github.com/ggml-org/ggml, docs/gguf.md): key-value pairs, tensor table, data on multiples of 32.
 * Matrices are stored (out,in), so ours are turned; the head is written as a copy
 * of token_embd, for llama.cpp before 2025 asks for it by name. */
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "train/model.h"

enum { ALIGN = 32, U32 = 4, I32 = 5, F32 = 6, STRING = 8, ARRAY = 9, TOKEN_NORMAL = 1, TOKEN_CONTROL = 3, TOKEN_UNUSED = 5 };

/* ---- key-value pairs: a growing buffer and their number ---- */
typedef struct {
    wt_buf bytes;
    uint64_t n;
} pairs;

static void put(wt_buf *b, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++) wt_buf_add_char(b, (char)(x >> 8 * i));
}
static void put_string(wt_buf *b, wt_str s) {
    put(b, s.len, 8);
    wt_buf_add_str(b, s);
}
static void add_key(pairs *p, const char *key, uint32_t type) {
    put_string(&p->bytes, wt_str_of(key));
    put(&p->bytes, type, 4);
    p->n++;
}
static void add_u32(pairs *p, const char *key, uint32_t x) {
    add_key(p, key, U32);
    put(&p->bytes, x, 4);
}
static void add_f32(pairs *p, const char *key, float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    add_key(p, key, F32);
    put(&p->bytes, bits, 4);
}
static void add_text(pairs *p, const char *key, const char *value) {
    add_key(p, key, STRING);
    put_string(&p->bytes, wt_str_of(value));
}
static void add_array(pairs *p, const char *key, uint32_t type, uint64_t n) {
    add_key(p, key, ARRAY);
    put(&p->bytes, type, 4);
    put(&p->bytes, n, 8);
}

/* ---- the tokenizer: vocab.json's names by id, merges.txt's lines ---- */
static int add_tokens(pairs *p, const gpt_shape *shape, const char *dir, wt_err *err) {
    char *path = wt_path_join(dir, "vocab.json");
    wt_buf text = {0};
    wt_json top, value;
    wt_json_iter it;
    wt_str key;
    wt_arena *arena = wt_arena_new(0);
    wt_str *name = wt_xcalloc((size_t)shape->vocab, sizeof *name);
    int result = wt_read_file(path, 256 << 20, &text, err), more = 0;
    if (result == 0 && (wt_json_parse(wt_buf_view(&text), &top, err) || wt_json_iter_init(&it, top, err))) result = wt_context(err, "'%s'", path);
    while (result == 0 && (more = wt_json_next(&it, &key, &value, err)) > 0) {
        int64_t id;
        if (wt_json_i64(value, &id) || id < 0 || id >= shape->vocab) result = wt_fail(err, WT_EDATA, "'%s': an id that the model does not have", path);
        else name[id] = wt_json_unescape(key, arena);
    }
    if (more < 0) result = wt_context(err, "'%s'", path);
    if (result == 0) {
        add_array(p, "tokenizer.ggml.tokens", STRING, (uint64_t)shape->vocab);
        for (int i = 0; i < shape->vocab; i++) put_string(&p->bytes, name[i].len ? name[i] : i == shape->eot ? WT_STR("<|endoftext|>") : WT_STR("[unused]"));
        add_array(p, "tokenizer.ggml.token_type", I32, (uint64_t)shape->vocab);
        for (int i = 0; i < shape->vocab; i++) put(&p->bytes, i == shape->eot ? TOKEN_CONTROL : name[i].len ? TOKEN_NORMAL : TOKEN_UNUSED, 4);
    }
    free(name), free(path);
    wt_buf_free(&text);
    wt_arena_free(arena);
    return result;
}

static bool next_merge(wt_str *rest, wt_str *line) {
    while (rest->len) {
        *line = wt_str_cut(rest, '\n');
        if (line->len && line->ptr[line->len - 1] == '\r') line->len--;
        if (line->len && !wt_str_starts(*line, WT_STR("#version"))) return true;
    }
    return false;
}

static int add_merges(pairs *p, const char *dir, wt_err *err) {
    char *path = wt_path_join(dir, "merges.txt");
    wt_buf text = {0};
    wt_str rest, line;
    uint64_t n = 0;
    int result = wt_read_file(path, 256 << 20, &text, err);
    if (result == 0) {
        for (rest = wt_buf_view(&text); next_merge(&rest, &line);) n++;
        add_array(p, "tokenizer.ggml.merges", STRING, n);
        for (rest = wt_buf_view(&text); next_merge(&rest, &line);) put_string(&p->bytes, line);
    }
    wt_buf_free(&text);
    free(path);
    return result;
}

static int describe(pairs *p, const gpt_shape *s, const char *tokenizer_dir, wt_err *err) {
    add_text(p, "general.architecture", "gpt2");
    add_text(p, "general.name", "gpt2");
    add_u32(p, "general.file_type", 0);
    add_u32(p, "general.quantization_version", 2);
    add_u32(p, "general.alignment", ALIGN);
    add_u32(p, "gpt2.context_length", (uint32_t)s->n_ctx);
    add_u32(p, "gpt2.embedding_length", (uint32_t)s->n_embd);
    add_u32(p, "gpt2.block_count", (uint32_t)s->n_layer);
    add_u32(p, "gpt2.feed_forward_length", 4 * (uint32_t)s->n_embd);
    add_u32(p, "gpt2.attention.head_count", (uint32_t)s->n_head);
    add_f32(p, "gpt2.attention.layer_norm_epsilon", s->ln_eps);
    add_text(p, "tokenizer.ggml.model", "gpt2");
    add_text(p, "tokenizer.ggml.pre", "gpt-2");
    if (s->eot >= 0) add_u32(p, "tokenizer.ggml.bos_token_id", (uint32_t)s->eot), add_u32(p, "tokenizer.ggml.eos_token_id", (uint32_t)s->eot);
    return add_tokens(p, s, tokenizer_dir, err) || add_merges(p, tokenizer_dir, err) ? -1 : 0;
}

/* ---- tensors ---- */
static void tensor_name(const gpt_tensor_info *t, char *out, size_t n) {
    static const struct {
        const char *ours, *theirs;
    } map[] = {{"ln_1.", "attn_norm."}, {"attn.c_attn.", "attn_qkv."}, {"attn.c_proj.", "attn_output."},
               {"ln_2.", "ffn_norm."}, {"mlp.c_fc.", "ffn_up."}, {"mlp.c_proj.", "ffn_down."}};
    const char *kind = strstr(t->name, "bias") ? "bias" : "weight";
    if (t->layer < 0) snprintf(out, n, "%s.%s", t->name[0] == 'l' ? "output_norm" : t->name[1] == 't' ? "token_embd" : "position_embd", kind);
    for (size_t i = 0; t->layer >= 0 && i < sizeof map / sizeof *map; i++)
        if (strstr(t->name, map[i].ours)) snprintf(out, n, "blk.%d.%s%s", t->layer, map[i].theirs, kind);
}

/* Those of the model, and the head behind them, which is the first again. */
static int gguf_count(const gpt *m) { return gpt_tensor_count(m) + 1; }
static gpt_tensor_info gguf_tensor(const gpt *m, int i) { return gpt_tensor_describe(m, i < gpt_tensor_count(m) ? i : 0); }
static bool gguf_turned(const gpt *m, int i) { return i >= 2 && i < gpt_tensor_count(m); }

static uint64_t padded(uint64_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

static void tensor_table(const gpt *m, wt_buf *b) {
    uint64_t at = 0;
    for (int i = 0; i < gguf_count(m); i++) {
        gpt_tensor_info t = gguf_tensor(m, i);
        bool turned = gguf_turned(m, i), vector = turned && t.rows == 1;
        char name[64] = "output.weight";
        if (i < gpt_tensor_count(m)) tensor_name(&t, name, sizeof name);
        put_string(b, wt_str_of(name));
        put(b, vector ? 1 : 2, 4);
        put(b, (uint64_t)(turned && !vector ? t.rows : t.cols), 8);       /* the fastest dimension first */
        if (!vector) put(b, (uint64_t)(turned ? t.cols : t.rows), 8);
        put(b, 0, 4);                                                     /* F32 */
        put(b, at, 8);
        at += padded((uint64_t)t.rows * (uint64_t)t.cols * 4);
    }
}

static int write_data(const gpt *m, wt_out *out, wt_err *err) {
    static const char zeros[ALIGN];
    int result = 0;
    for (int i = 0; result == 0 && i < gguf_count(m); i++) {
        gpt_tensor_info t = gguf_tensor(m, i);
        size_t R = (size_t)t.rows, K = (size_t)t.cols, bytes = R * K * 4;
        const float *w = m->w + t.offset;
        if (!gguf_turned(m, i) || R == 1) result = wt_out_write(out, w, bytes, err);
        else {
            float *turned = wt_xmalloc(bytes);
            for (size_t c = 0; c < K; c++)
                for (size_t r = 0; r < R; r++) turned[c * R + r] = w[r * K + c];
            result = wt_out_write(out, turned, bytes, err);
            free(turned);
        }
        if (result == 0) result = wt_out_write(out, zeros, padded(bytes) - bytes, err);
    }
    return result;
}

int gpt_export_gguf(const gpt *m, const char *path, const char *tokenizer_dir, wt_err *err) {
    pairs p = {0};
    wt_buf head = {0};
    if (describe(&p, &m->shape, tokenizer_dir, err)) {
        wt_buf_free(&p.bytes);
        return -1;
    }
    wt_buf_add_str(&head, WT_STR("GGUF"));
    put(&head, 3, 4), put(&head, (uint64_t)gguf_count(m), 8), put(&head, p.n, 8);
    wt_buf_add_str(&head, wt_buf_view(&p.bytes));
    tensor_table(m, &head);
    while (head.len % ALIGN) wt_buf_add_char(&head, 0);
    wt_out *out = wt_out_open(path, err);
    int result = out ? wt_out_str(out, wt_buf_view(&head), err) : -1;
    if (result == 0) result = write_data(m, out, err);
    wt_buf_free(&p.bytes), wt_buf_free(&head);
    if (result == 0) return wt_out_commit(out, err);
    if (out) wt_out_abort(out);
    return -1;
}

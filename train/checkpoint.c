/* checkpoint.c - a model as a Hugging Face directory, read and written. What our model cannot do
 * (another activation, cross attention, an untied head) is refused by name, never ignored. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/json.h"
#include "train/model.h"
#include "train/safetensors.h"

enum { CONFIG_MAX = 1 << 20, INDEX_MAX = 64 << 20 };

static const char *const tokenizer_files[] = {"tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt",
                                              "special_tokens_map.json", "added_tokens.json", "tokenizer.tiktoken",
                                              "encoder.json", "vocab.bpe"};

/* ---- writing ---- */
static int write_text(const char *dir, const char *name, wt_buf *text, wt_err *err) {
    char *path = wt_path_join(dir, name);
    int result = wt_write_file(path, wt_buf_view(text), err);
    free(path);
    wt_buf_clear(text);
    return result;
}

static void config_json(const gpt_shape *s, wt_buf *b) {
    wt_buf_printf(b,
                  "{\n  \"activation_function\": \"gelu_new\",\n  \"architectures\": [\"GPT2LMHeadModel\"],\n"
                  "  \"attn_pdrop\": 0.0,\n  \"embd_pdrop\": 0.0,\n  \"resid_pdrop\": 0.0,\n"
                  "  \"initializer_range\": 0.02,\n  \"layer_norm_epsilon\": %.9g,\n  \"model_type\": \"gpt2\",\n"
                  "  \"n_ctx\": %d,\n  \"n_embd\": %d,\n  \"n_head\": %d,\n  \"n_inner\": null,\n  \"n_layer\": %d,\n"
                  "  \"n_positions\": %d,\n  \"vocab_size\": %d,\n",
                  (double)s->ln_eps, s->n_ctx, s->n_embd, s->n_head, s->n_layer, s->n_ctx, s->vocab);
    if (s->eot >= 0) wt_buf_printf(b, "  \"bos_token_id\": %d,\n  \"eos_token_id\": %d,\n", s->eot, s->eot);
    else wt_buf_printf(b, "  \"bos_token_id\": null,\n  \"eos_token_id\": null,\n");
    wt_buf_printf(b, "  \"tie_word_embeddings\": true,\n  \"torch_dtype\": \"float32\",\n  \"use_cache\": true\n}\n");
}

static int copy_tokenizer(const char *from, const char *to, wt_err *err) {
    wt_buf bytes = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof tokenizer_files / sizeof *tokenizer_files; i++) {
        char *path = wt_path_join(from, tokenizer_files[i]);
        if (wt_exists(path)) {
            wt_buf_clear(&bytes);
            result = wt_read_file(path, 1 << 30, &bytes, err);
            if (result == 0) result = write_text(to, tokenizer_files[i], &bytes, err);
        }
        free(path);
    }
    wt_buf_free(&bytes);
    return result;
}

static int write_weights(const gpt *m, const char *dir, wt_err *err) {
    int n = gpt_tensor_count(m);
    st_out *list = wt_xcalloc((size_t)n, sizeof *list);
    for (int i = 0; i < n; i++) {
        gpt_tensor_info t = gpt_tensor_describe(m, i);
        snprintf(list[i].name, sizeof list[i].name, "transformer.%s", t.name);
        list[i].rows = t.rows > 1 || i < 2 ? (uint64_t)t.rows : 0, list[i].cols = (uint64_t)t.cols;
        list[i].data = m->w + t.offset;
    }
    char *path = wt_path_join(dir, "model.safetensors");
    int result = st_write(path, list, (size_t)n, err);
    free(path);
    free(list);
    return result;
}

int gpt_save(const gpt *m, const char *dir, const char *tokenizer_dir, wt_err *err) {
    wt_buf b = {0};
    int result = wt_mkdirs(dir, err);
    config_json(&m->shape, &b);
    if (result == 0) result = write_text(dir, "config.json", &b, err);
    wt_buf_clear(&b);
    if (m->shape.eot >= 0)
        wt_buf_printf(&b, "{\n  \"bos_token_id\": %d,\n  \"eos_token_id\": %d,\n  \"pad_token_id\": %d\n}\n", m->shape.eot, m->shape.eot, m->shape.eot);
    else
        wt_buf_printf(&b, "{}\n");
    if (result == 0) result = write_text(dir, "generation_config.json", &b, err);
    if (result == 0 && tokenizer_dir) result = copy_tokenizer(tokenizer_dir, dir, err);
    if (result == 0) result = write_weights(m, dir, err);
    wt_buf_free(&b);
    return result;
}

/* ---- reading ---- */
static int config_int(wt_json config, const char *key, int fallback, int *out, wt_err *err) {
    wt_json v = wt_json_get(config, key);
    int64_t x;
    if (v.kind == WT_JSON_NONE || v.kind == WT_JSON_NULL) {
        if (fallback == INT32_MIN) return wt_fail(err, WT_EDATA, "config.json has no \"%s\"", key);
        *out = fallback;
        return 0;
    }
    if (v.kind != WT_JSON_NUMBER || wt_json_i64(v, &x) || x < 0 || x > INT32_MAX) return wt_fail(err, WT_EDATA, "config.json: \"%s\" is not a count", key);
    *out = (int)x;
    return 0;
}

static int parse_config(wt_str text, gpt_shape *s, wt_err *err) {
    wt_json config;
    wt_arena *arena = wt_arena_new(0);
    if (wt_json_parse(text, &config, err) || config.kind != WT_JSON_OBJECT) {
        wt_arena_free(arena);
        return wt_fail(err, WT_EDATA, "config.json is not a JSON object");
    }
    wt_str type = wt_json_string(wt_json_get(config, "model_type"), arena), act = wt_json_string(wt_json_get(config, "activation_function"), arena);
    double eps = 1e-5;
    int inner = 0, result = 0;
    wt_json_double(wt_json_get(config, "layer_norm_epsilon"), &eps);
    *s = (gpt_shape){.ln_eps = (float)eps};
    if (!wt_str_eq(type, WT_STR("gpt2"))) result = wt_fail(err, WT_EDATA, "config.json: the model type is '%.*s', not 'gpt2'", WT_FMT(type));
    else if (act.len && !wt_str_eq(act, WT_STR("gelu_new")) && !wt_str_eq(act, WT_STR("gelu_pytorch_tanh")))
        result = wt_fail(err, WT_EDATA, "config.json: activation '%.*s' is not GPT-2's gelu_new", WT_FMT(act));
    else if (wt_json_true(wt_json_get(config, "scale_attn_by_inverse_layer_idx")) || wt_json_true(wt_json_get(config, "add_cross_attention")) ||
             wt_json_get(config, "scale_attn_weights").kind == WT_JSON_FALSE || wt_json_get(config, "tie_word_embeddings").kind == WT_JSON_FALSE)
        result = wt_fail(err, WT_EDATA, "config.json asks for attention scaling, cross attention or an untied head that GPT-2 does not have");
    else if (config_int(config, "n_layer", INT32_MIN, &s->n_layer, err) || config_int(config, "n_head", INT32_MIN, &s->n_head, err) ||
             config_int(config, "n_embd", INT32_MIN, &s->n_embd, err) || config_int(config, "vocab_size", INT32_MIN, &s->vocab, err) ||
             config_int(config, "n_ctx", 1024, &s->n_ctx, err) || config_int(config, "n_positions", s->n_ctx, &s->n_ctx, err) ||
             config_int(config, "eos_token_id", -1, &s->eot, err) || config_int(config, "n_inner", 4 * s->n_embd, &inner, err))
        result = -1;
    else if (inner != 4 * s->n_embd)
        result = wt_fail(err, WT_EDATA, "config.json: an inner width of %d is not 4 times %d", inner, s->n_embd);
    else if (gpt_shape_check(s, err)) {
        if (err) err->code = WT_EDATA;
        result = -1;
    }
    wt_arena_free(arena);
    return result;
}

static int read_tensor(gpt *m, const st_file *f, const st_tensor *t, const gpt_tensor_info *want, wt_err *err) {
    bool vector = want->rows == 1 && want->layer >= -1 && want->offset >= m->at.layers;
    bool fits = vector ? t->n_dims == 1 && t->dims[0] == (uint64_t)want->cols
                       : t->n_dims == 2 && t->dims[0] == (uint64_t)want->rows && t->dims[1] == (uint64_t)want->cols;
    if (!fits)
        return wt_fail(err, WT_EDATA, "'%s': tensor '%s' has shape (%llu,%llu) and config.json says (%d,%d)", f->path, want->name,
                       (unsigned long long)t->dims[0], (unsigned long long)(t->n_dims > 1 ? t->dims[1] : 0), want->rows, want->cols);
    return st_read_f32(f, t, m->w + want->offset, (uint64_t)want->rows * (uint64_t)want->cols, err);
}

/* Takes what one file has; *missing counts down. */
static int read_weights(gpt *m, const char *path, bool *have, wt_err *err) {
    st_file f;
    if (st_open(path, &f, err)) return -1;
    int result = 0;
    for (int i = 0; result == 0 && i < gpt_tensor_count(m); i++) {
        gpt_tensor_info want = gpt_tensor_describe(m, i);
        char name[80];
        snprintf(name, sizeof name, "transformer.%s", want.name);
        const st_tensor *t = st_find(&f, name);
        if (!t) t = st_find(&f, want.name);
        if (!t) continue;
        result = read_tensor(m, &f, t, &want, err);
        have[i] = true;
    }
    st_close(&f);
    return result;
}

/* The files of a sharded checkpoint, by its index. */
static int read_sharded(gpt *m, const char *dir, const char *index_path, bool *have, wt_err *err) {
    wt_buf text = {0};
    wt_json top, map, value;
    wt_json_iter it;
    wt_str last = {0};
    wt_arena *arena = wt_arena_new(0);
    int result = wt_read_file(index_path, INDEX_MAX, &text, err), more = 0;
    if (result == 0 && wt_json_parse(wt_buf_view(&text), &top, err)) result = wt_context(err, "'%s'", index_path);
    if (result == 0) {
        map = wt_json_get(top, "weight_map");
        if (map.kind != WT_JSON_OBJECT || wt_json_iter_init(&it, map, err)) result = wt_fail(err, WT_EDATA, "'%s' has no weight_map", index_path);
    }
    while (result == 0 && (more = wt_json_next(&it, NULL, &value, err)) > 0) {
        wt_str name = wt_json_string(value, arena);
        if (wt_str_eq(name, last)) continue;         /* neighbours share a file; a second visit only costs time */
        last = name;
        if (memchr(name.ptr, '/', name.len)) result = wt_fail(err, WT_EDATA, "'%s' names a file outside of the folder", index_path);
        else {
            char *plain = wt_xstrndup(name), *path = wt_path_join(dir, plain);
            result = read_weights(m, path, have, err);
            free(plain), free(path);
        }
    }
    if (more < 0) result = -1;
    wt_arena_free(arena);
    wt_buf_free(&text);
    return result;
}

static int load_weights(gpt *m, const char *dir, wt_err *err) {
    char *one = wt_path_join(dir, "model.safetensors"), *index = wt_path_join(dir, "model.safetensors.index.json");
    bool *have = wt_xcalloc((size_t)gpt_tensor_count(m), 1);
    int result;
    if (wt_exists(one)) result = read_weights(m, one, have, err);
    else if (wt_exists(index)) result = read_sharded(m, dir, index, have, err);
    else result = wt_fail(err, WT_ENOTFOUND, "'%s' has no model.safetensors; save it from transformers with safe_serialization=True", dir);
    for (int i = 0; result == 0 && i < gpt_tensor_count(m); i++)
        if (!have[i]) result = wt_fail(err, WT_EDATA, "'%s': tensor '%s' is missing", dir, gpt_tensor_describe(m, i).name);
    free(one), free(index), free(have);
    return result;
}

static gpt *load_dir(const char *dir, int threads, wt_err *err) {
    char *path = wt_path_join(dir, "config.json");
    wt_buf text = {0};
    gpt_shape shape;
    gpt *m = NULL;
    if (wt_read_file(path, CONFIG_MAX, &text, err) == 0 && (parse_config(wt_buf_view(&text), &shape, err) == 0 || wt_context(err, "'%s'", dir) == 0))
        m = gpt_alloc(&shape, threads, err);
    if (m && load_weights(m, dir, err)) {
        gpt_free(m);
        m = NULL;
    }
    if (m) m->dir = wt_xstrdup(dir);
    wt_buf_free(&text);
    free(path);
    return m;
}

gpt *gpt_load(const char *dir, int threads, wt_err *err) {
    char *config = wt_path_join(dir, "config.json"), *latest = wt_path_join(dir, "latest");
    gpt *m = NULL;
    if (!wt_exists(dir)) wt_fail(err, WT_ENOTFOUND, "no checkpoint '%s'", dir);
    else if (!wt_exists(config) && wt_is_dir(latest)) m = load_dir(latest, threads, err);
    else if (!wt_exists(config)) wt_fail(err, WT_ENOTFOUND, "'%s' has no config.json: not a checkpoint, and not a run that has saved one", dir);
    else m = load_dir(dir, threads, err);
    free(config), free(latest);
    return m;
}

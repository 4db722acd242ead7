/* wt-shard - joins documents, tokenizer and shards on the command line. */
#include <inttypes.h>
#include <stdlib.h>

#include "bpe/bpe.h"
#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/out.h"
#include "common/tool.h"
#include "shard/shard.h"

static const char *tokenizer_path, *split = "train", *ids = "text", *format;
static double val_fraction = 0.005;
static uint64_t shard_tokens = 100000000, file_tokens = 100000000, first_doc, vocab;
static int64_t level, token_bytes, eot = -1;
static bool shuffle = true, decode, json_wanted;

/* ---- the tokenizer as the shard library wants it ---- */
typedef struct {
    bpe_model *model;
    bpe_encoder **encoder;      /* one a thread, with one memory of words */
    int threads;
} tokenizing;

/* A long document goes through in parts that encode to the ids of the whole: room for ids is then that of the
 * ids and a part, not of one id a byte. */
static int encode(void *ctx, int i_thread, wt_str text, uint32_t **tokens, size_t *n, size_t *cap,
                  wt_err *err) {
    enum { PART = 1 << 20 };
    tokenizing *t = ctx;
    *n = 0;
    while (text.len) {
        wt_str part = {text.ptr, text.len < PART ? text.len : PART};
        size_t cut = part.len < text.len ? bpe_cut(t->model, part, BPE_SPECIAL_NONE) : 0;
        part.len = cut ? cut : text.len;
        WT_GROW(*tokens, *cap, *n + BPE_ROOM(part.len));
        ptrdiff_t got = bpe_encode(t->encoder[i_thread], part, BPE_SPECIAL_NONE, *tokens + *n, err);
        if (got < 0)
            return -1;
        *n += (size_t)got;
        text.ptr += part.len, text.len -= part.len;
    }
    return 0;
}

static int tokenizing_init(tokenizing *t, const char *path, int threads, wt_err *err) {
    t->model = bpe_model_load(path, NULL, err);
    if (!t->model)
        return wt_context(err, "tokenizer");
    t->threads = threads;
    t->encoder = wt_xcalloc((size_t)threads, sizeof *t->encoder);
    for (int i = 0; i < threads; i++)
        t->encoder[i] = i ? bpe_encoder_share(t->encoder[0]) : bpe_encoder_new(t->model, 0);
    return 0;
}

static void tokenizing_reset(tokenizing *t) {
    for (int i = 0; i < t->threads; i++)
        bpe_encoder_free(t->encoder[i]);
    free(t->encoder);
    bpe_model_free(t->model);
}

static int describe(const bpe_model *model, shard_tokenizer *out, wt_err *err) {
    *out = (shard_tokenizer){.vocab = bpe_vocab_size(model), .eot = bpe_end_of_text(model)};
    snprintf(out->name, sizeof out->name, "%s", bpe_pattern(model));
    memcpy(out->sha256, bpe_fingerprint(model), 32);
    if (out->eot == BPE_NONE && eot >= 0)
        out->eot = (uint32_t)eot;
    if (out->eot == BPE_NONE)
        return wt_fail(err, WT_EARG, "the tokenizer has no <|endoftext|>; name the id that ends a "
                                     "document with --eot");
    return 0;
}

static int keep_tokenizer(const bpe_model *model, const char *dir, wt_err *err) {
    const char *skipped = "";
    char *path = wt_path_join(dir, SHARD_TOKENIZER_DIR);
    int failed = bpe_model_save(model, path, &skipped, err);
    if (!failed && skipped && *skipped)
        wt_info("%s", skipped);
    free(path);
    return failed;
}

/* ---- write and import ---- */
static void run_key(wt_buf *key, const char *command, const shard_write_options *o,
                    const wt_paths *inputs) {
    char hex[65];
    wt_hex(o->tokenizer.sha256, 32, hex);
    wt_buf_printf(key, "{\"command\":\"%s\",\"tokenizer\":\"%s\",\"vocab\":%u,\"eot\":%u,"
                       "\"val_fraction\":",
                  command, hex, o->tokenizer.vocab, o->tokenizer.eot);
    wt_json_add_double(key, o->val_fraction);
    wt_buf_printf(key, ",\"shard_tokens\":%" PRIu64 ",\"level\":%d,\"token_bytes\":%d,"
                       "\"shuffle\":%s,\"seed\":%" PRIu64 ",\"limit\":%" PRIu64 ",\"inputs\":[",
                  o->shard_tokens, o->level, o->token_bytes, o->shuffle ? "true" : "false",
                  o->seed, o->limit);
    for (size_t i = 0; i < inputs->n; i++)
        wt_run_key_input(key, inputs->path[i]);
    wt_buf_add_str(key, WT_STR("]}"));
}

static int need_output(const wt_args *args, wt_err *err) {
    return args->output ? 0 : wt_fail(err, WT_EARG, "name the folder of the result with -o");
}

static shard_write_options options_from(const wt_args *args) {
    return (shard_write_options){.val_fraction = val_fraction, .shard_tokens = shard_tokens,
                                 .level = (int)level, .token_bytes = (int)token_bytes,
                                 .shuffle = shuffle, .seed = args->seed, .limit = args->limit,
                                 .threads = args->threads};
}

/* Finds whether there is work to do; does it; marks it done. */
static int make_dataset(const wt_args *args, const char *command, const wt_paths *inputs,
                        const shard_write_options *o, const bpe_model *model, wt_err *err) {
    wt_buf key = {0};
    run_key(&key, command, o, inputs);
    int state = wt_run_begin(args->output, true, wt_buf_view(&key), args->force, err);
    int failed = state < 0 ? -1 : 0;
    if (state == WT_RUN_FRESH || state == WT_RUN_CONTINUE) {
        if (wt_cluster_rank() == 0) {
            failed = model ? keep_tokenizer(model, args->output, err) : 0;
            if (!failed)
                failed = o->encode ? shard_write(args->output, inputs, o, err)
                                   : shard_import(args->output, format, inputs, o, err);
        }
        if (!wt_cluster_any(failed))
            failed = wt_run_finish(args->output, true, wt_buf_view(&key), err);
    }
    wt_buf_free(&key);
    return failed ? -1 : 0;
}

static int paths_of(const wt_args *args, const char *const *suffixes, wt_paths *paths,
                    wt_err *err) {
    for (int i = 0; i < args->n_inputs; i++)
        if (wt_paths_add(paths, args->inputs[i], suffixes, err))
            return -1;
    return 0;
}

static int run_write(const wt_args *args, wt_err *err) {
    wt_paths inputs = {0};
    tokenizing t = {0};
    shard_write_options o = options_from(args);
    if (need_output(args, err))
        return -1;
    if (!tokenizer_path)
        return wt_fail(err, WT_EARG, "name the tokenizer with -t");
    int failed = paths_of(args, WT_JSONL_SUFFIXES, &inputs, err) ||
                 tokenizing_init(&t, tokenizer_path, args->threads, err) ||
                 describe(t.model, &o.tokenizer, err);
    o.encode = encode;
    o.ctx = &t;
    failed = failed || make_dataset(args, "write", &inputs, &o, t.model, err);
    tokenizing_reset(&t);
    wt_paths_free(&inputs);
    return failed ? -1 : 0;
}

static int run_import(const wt_args *args, wt_err *err) {
    static const char *const bin[] = {".bin", NULL}, *const idx[] = {".idx", NULL};
    wt_paths inputs = {0};
    bpe_model *model = NULL;
    shard_write_options o = options_from(args);
    o.val_fraction = 0;
    o.shuffle = false;
    if (need_output(args, err))
        return -1;
    if (!format)
        return wt_fail(err, WT_EARG, "name the files' format with --format");
    if (!tokenizer_path && (eot < 0 || vocab == 0))
        return wt_fail(err, WT_EARG, "name the tokenizer with -t, or give --vocab and --eot");
    if (args->limit)
        return wt_fail(err, WT_EARG, "--limit is for write; an import takes all tokens");
    int failed = paths_of(args, strcmp(format, "megatron") == 0 ? idx : bin, &inputs, err);
    if (!failed && tokenizer_path) {
        model = bpe_model_load(tokenizer_path, NULL, err);
        failed = !model || describe(model, &o.tokenizer, err);
    } else if (!failed) {
        o.tokenizer.vocab = vocab > UINT32_MAX ? UINT32_MAX : (uint32_t)vocab;
        o.tokenizer.eot = (uint32_t)eot;
    }
    failed = failed || make_dataset(args, "import", &inputs, &o, model, err);
    bpe_model_free(model);
    wt_paths_free(&inputs);
    return failed ? -1 : 0;
}

/* ---- export ---- */
static int run_export(const wt_args *args, wt_err *err) {
    wt_buf key = {0};
    uint8_t sha[32];
    char hex[65];
    if (need_output(args, err))
        return -1;
    if (!format)
        return wt_fail(err, WT_EARG, "name the wanted format with --format");
    wt_buf_printf(&key, "{\"command\":\"export\",\"format\":\"%s\",\"file_tokens\":%" PRIu64, format,
                  file_tokens);
    const char *const splits[] = {"train", "val"};
    for (int i = 0; i < 2; i++) {
        shard_set *set = shard_set_open(args->inputs[0], splits[i], err);
        if (!set)
            return -1;
        shard_set_fingerprint(set, sha);
        wt_hex(sha, 32, hex);
        wt_buf_printf(&key, ",\"%s\":\"%s\"", splits[i], hex);
        shard_set_close(set);
    }
    wt_buf_add_char(&key, '}');
    int state = wt_run_begin(args->output, true, wt_buf_view(&key), args->force, err);
    int failed = state < 0;
    if (state == WT_RUN_FRESH || state == WT_RUN_CONTINUE) {
        if (wt_cluster_rank() == 0)
            failed = shard_export(args->inputs[0], format, file_tokens, args->output, err);
        if (!wt_cluster_any(failed))
            failed = wt_run_finish(args->output, true, wt_buf_view(&key), err);
    }
    wt_buf_free(&key);
    return failed ? -1 : 0;
}

/* ---- cat ---- */
static bpe_model *tokenizer_of(const char *dir, wt_err *err) {
    char *kept = wt_path_join(dir, SHARD_TOKENIZER_DIR);
    bpe_model *model = bpe_model_load(tokenizer_path ? tokenizer_path : kept, NULL, err);
    free(kept);
    return model;
}

static int tokenizer_check(const shard_set *set, const bpe_model *model, wt_err *err) {
    if (memcmp(shard_set_tokenizer(set)->sha256, bpe_fingerprint(model), 32) != 0)
        return wt_fail(err, WT_EDATA, "the shards were made with another tokenizer");
    return 0;
}

static int doc_print(const shard_set *set, uint32_t *tokens, size_t n, const bpe_model *model,
                     wt_buf *text, wt_out *out, wt_err *err) {
    uint32_t end = shard_set_tokenizer(set)->eot;
    if (strcmp(ids, "text") != 0) {
        if (strcmp(ids, "u32") == 0)
            return wt_out_write(out, tokens, n * 4, err);
        uint16_t *narrow = (uint16_t *)tokens;      /* in place, from the front */
        for (size_t i = 0; i < n; i++)
            narrow[i] = (uint16_t)tokens[i];
        return wt_out_write(out, narrow, n * 2, err);
    }
    if (n && tokens[n - 1] == end)
        n--;
    else if (n && tokens[0] == end)
        tokens++, n--;
    wt_buf_clear(text);
    if (decode && bpe_decode(model, tokens, n, text, err))
        return -1;
    for (size_t i = 0; i < n && !decode; i++)
        wt_buf_printf(text, i ? " %u" : "%u", tokens[i]);
    wt_buf_add_char(text, '\n');
    return wt_out_str(out, wt_buf_view(text), err);
}

static int docs_print(const wt_args *args, shard_set *set, const bpe_model *model, wt_out *out,
                      wt_err *err) {
    uint64_t n_docs = shard_set_docs(set), end = n_docs;
    uint32_t *tokens = NULL;
    size_t cap = 0;
    wt_buf text = {0};
    int failed = 0;
    if (args->limit && first_doc < n_docs && args->limit < n_docs - first_doc)
        end = first_doc + args->limit;
    for (uint64_t i = first_doc; i < end && !failed; i++) {
        shard_doc d;
        failed = shard_set_doc(set, i, &d, err);
        if (failed)
            break;
        WT_GROW(tokens, cap, d.n_tokens);
        failed = shard_set_read(set, d.first, d.n_tokens, tokens, err) ||
                 doc_print(set, tokens, d.n_tokens, model, &text, out, err);
    }
    free(tokens);
    wt_buf_free(&text);
    return failed ? -1 : 0;
}

static int run_cat(const wt_args *args, wt_err *err) {
    shard_set *set = shard_set_open(args->inputs[0], split, err);
    bpe_model *model = NULL;
    if (!set)
        return -1;
    int failed = 0;
    if (strcmp(ids, "u16") == 0 && shard_set_tokenizer(set)->vocab > 65536)
        failed = wt_fail(err, WT_EARG, "ids of a vocabulary of %u need --ids u32",
                         shard_set_tokenizer(set)->vocab);
    if (!failed && decode) {
        model = tokenizer_of(args->inputs[0], err);
        failed = !model || tokenizer_check(set, model, err);
    }
    wt_out *out = failed ? NULL : wt_out_open(args->output, err);
    if (out && docs_print(args, set, model, out, err))
        wt_out_abort(out), failed = -1;
    else if (out)
        failed = wt_out_commit(out, err);
    else
        failed = -1;
    bpe_model_free(model);
    shard_set_close(set);
    return failed;
}

/* ---- verify and info ---- */
static int run_verify(const wt_args *args, wt_err *err) {
    for (int i = 0; i < args->n_inputs; i++) {
        const char *path = args->inputs[i];
        if (!wt_is_dir(path)) {
            if (wt_exists(path) ? shard_verify_file(path, NULL, err)
                                : wt_fail(err, WT_ENOTFOUND, "there is no '%s'", path))
                return -1;
            continue;
        }
        if (shard_verify(path, args->threads, err))
            return -1;
        if (tokenizer_path) {
            bpe_model *model = bpe_model_load(tokenizer_path, NULL, err);
            shard_set *set = model ? shard_set_open(path, "train", err) : NULL;
            int failed = !set || tokenizer_check(set, model, err);
            shard_set_close(set);
            bpe_model_free(model);
            if (failed)
                return wt_context(err, "'%s'", path);
        }
    }
    return 0;
}

static void print_split(wt_json splits, const char *name) {
    wt_json s = wt_json_get(splits, name);
    int64_t n = 0, tokens = 0, docs = 0, bytes = 0;
    wt_json_i64(wt_json_get(s, "shards"), &n);
    wt_json_i64(wt_json_get(s, "tokens"), &tokens);
    wt_json_i64(wt_json_get(s, "documents"), &docs);
    wt_json_i64(wt_json_get(s, "bytes"), &bytes);
    printf("%-6s %6" PRId64 " shards %12" PRId64 " documents %14" PRId64 " tokens %14" PRId64
           " bytes  %6.3f bits/token\n",
           name, n, docs, tokens, bytes, tokens ? 8.0 * (double)bytes / (double)tokens : 0);
    printf("       fingerprint %.*s\n", WT_FMT(wt_json_get(s, "fingerprint").raw));
}

static int run_info(const wt_args *args, wt_err *err) {
    wt_buf text = {0};
    wt_json v;
    if (shard_info(args->inputs[0], &text, err))
        return -1;
    if (json_wanted) {
        fwrite(text.ptr, 1, text.len, stdout);
    } else if (wt_json_parse(wt_buf_view(&text), &v, err) == 0) {
        wt_json t = wt_json_get(v, "tokenizer");
        printf("tokenizer %.*s, %.*s ids, end of text %.*s\n       fingerprint %.*s\n",
               WT_FMT(wt_json_get(t, "name").raw), WT_FMT(wt_json_get(t, "vocab").raw),
               WT_FMT(wt_json_get(t, "eot").raw), WT_FMT(wt_json_get(t, "sha256").raw));
        printf("stored as %.*s bytes a token, frames of %.*s tokens, level %.*s, shuffled: %.*s, "
               "seed %.*s\n",
               WT_FMT(wt_json_get(v, "token_bytes").raw), WT_FMT(wt_json_get(v, "frame_tokens").raw),
               WT_FMT(wt_json_get(v, "level").raw), WT_FMT(wt_json_get(v, "shuffle").raw),
               WT_FMT(wt_json_get(v, "seed").raw));
        print_split(wt_json_get(v, "splits"), "train");
        print_split(wt_json_get(v, "splits"), "val");
    }
    wt_buf_free(&text);
    return 0;
}

/* ---- the command line ---- */
#define TOKENIZER_OPTION                                                                      \
    {"tokenizer", 't', WT_OPT_STRING, &tokenizer_path, "TOKENIZER",                            \
     "a tokenizer's folder, or any of its files", NULL}
#define STORE_OPTIONS                                                                         \
    {"shard-tokens", 0, WT_OPT_COUNT, &shard_tokens, "N",                                      \
     "a shard ends before the document that would pass N tokens", "100M"},                     \
    {"level", 0, WT_OPT_INT, &level, "N", "zstd effort, 1 to 22", "6"},                        \
    {"token-bytes", 0, WT_OPT_INT, &token_bytes, "N", "2, 3 or 4 bytes a token",               \
     "2 up to 65,536 ids, else 4"},                                                            \
    {"eot", 0, WT_OPT_INT, &eot, "ID", "the id that ends a document",                          \
     "the tokenizer's <|endoftext|>"}

static const wt_opt write_options[] = {
    TOKENIZER_OPTION,
    {"val-fraction", 0, WT_OPT_FLOAT, &val_fraction, "F",
     "share of documents kept for validation, by hash of their ids", NULL},
    {"shuffle", 0, WT_OPT_FLAG, &shuffle, NULL,
     "order documents by a hash of id and --seed; --no-shuffle keeps the input's", NULL},
    STORE_OPTIONS, {0}};
static const wt_opt import_options[] = {
    {"format", 0, WT_OPT_CHOICE, &format, "nanogpt|llmc|megatron", "what the files are", ""},
    TOKENIZER_OPTION,
    {"vocab", 0, WT_OPT_COUNT, &vocab, "N", "number of ids, where no tokenizer is given", ""},
    STORE_OPTIONS, {0}};
static const wt_opt export_options[] = {
    {"format", 0, WT_OPT_CHOICE, &format, "nanogpt|llmc|megatron", "what to write", ""},
    {"file-tokens", 0, WT_OPT_COUNT, &file_tokens, "N", "tokens in a file of llmc", "100M"}, {0}};
static const wt_opt cat_options[] = {
    {"split", 0, WT_OPT_CHOICE, &split, "train|val", "which part", NULL},
    {"ids", 0, WT_OPT_CHOICE, &ids, "text|u16|u32",
     "decimal ids, a line a document; or the flat stream", NULL},
    {"decode", 0, WT_OPT_FLAG, &decode, NULL, "print the documents' text", NULL},
    {"first", 0, WT_OPT_COUNT, &first_doc, "N", "number of the first document", NULL},
    TOKENIZER_OPTION, {0}};
static const wt_opt verify_options[] = {TOKENIZER_OPTION, {0}};
static const wt_opt info_options[] = {
    {"json", 0, WT_OPT_FLAG, &json_wanted, NULL, "print index.json", NULL}, {0}};

static const wt_command commands[] = {
    {"write", "tokenise documents into shards", "-t TOKENIZER DOCS... -o shards/",
     "DOCS are JSON lines with \"id\" and \"text\", in any compression, or folders of such files. "
     "Text goes through the tokenizer as text: \"<|endoftext|>\" in it is not the token. The result "
     "depends on documents, tokenizer and options alone. A killed run goes on where it was.",
     write_options, "wt-shard write -t tokenizer/ corpus/ -o shards/"},
    {"info", "say what a dataset is", "shards/", NULL, info_options, "wt-shard info shards/"},
    {"verify", "check every byte of datasets or shard files", "shards/...",
     "Exit 1 and a line for each damaged shard. With -t also that they are this tokenizer's.",
     verify_options, "wt-shard verify shards/"},
    {"cat", "print documents", "shards/ [-o FILE]", NULL, cat_options,
     "wt-shard cat shards/ --split val --decode --limit 3"},
    {"export", "write another program's token files", "--format F shards/ -o DIR",
     "nanogpt: train.bin, val.bin (16 bits). llmc: val_000000.bin, train_000001.bin ... "
     "megatron: train.bin + train.idx, one sequence a document.",
     export_options, "wt-shard export --format nanogpt shards/ -o nanogpt/"},
    {"import", "take another program's token files", "--format F FILE... -o shards/",
     "Files with \"val\" in their name are validation data. megatron: name the .idx files.",
     import_options, "wt-shard import --format nanogpt -t tokenizer/ train.bin val.bin -o shards/"},
    {0}};

static const wt_tool tool = {
    .name = "wt-shard",
    .summary = "token datasets: compressed, checked, shuffled, with random access",
    .usage = "COMMAND ...",
    .description = "A dataset is a folder of shards that `zstd -dc` turns into flat token ids, with "
                   "tables that let a trainer read any window and see that nothing was damaged.",
    .example = "wt-shard write -t tokenizer/ corpus/ -o shards/",
    .commands = commands};

static int run(const wt_args *args, wt_err *err) {
    static const struct {
        const char *name;
        int (*run)(const wt_args *args, wt_err *err);
    } table[] = {{"write", run_write}, {"info", run_info}, {"verify", run_verify},
                 {"cat", run_cat}, {"export", run_export}, {"import", run_import}};
    /* Under MPI rank 0 works with all its threads; the others take part in what is collective. */
    bool writes = strcmp(args->command, "write") == 0 || strcmp(args->command, "import") == 0 ||
                  strcmp(args->command, "export") == 0;
    if (wt_cluster_rank() != 0 && !writes)
        return 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(args->command, table[i].name) == 0)
            return table[i].run(args, err);
    return -1;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

/* wt-bpe.c - the tokenizer's command line: train, encode, decode, stats, convert. */
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <unistd.h>

#include "bpe/source.h"
#include "bpe/stats.h"
#include "bpe/stream.h"
#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/tool.h"

static const char *pattern, *ties = "hf", *vocab_sizes, *extend, *counts_out, *temp_dir;
static const char *ids_kind = "text", *special_tokens = "none", *offsets;
static uint64_t vocab_size = 50257, min_frequency = 2, max_token_bytes, memory = 512 << 20;
static uint64_t cache = 64 << 20;
static wt_list specials, from_counts, tokenizers;
static bool text_input, lines_input, jsonl_input, as_json;
enum { SIZES_MAX = 64 };                /* of --vocab-sizes */

#define OPT_PATTERN {"pattern", 0, WT_OPT_STRING, &pattern, "NAME", "how text is split: gpt2, cl100k, o200k, or a regular expression"
#define OPT_TOKENIZER {"tokenizer", 't', WT_OPT_LIST, &tokenizers, "PATH", "a tokenizer's folder or one of its files"}
#define OPT_INPUT                                                                                 \
    {"text", 0, WT_OPT_FLAG, &text_input, NULL, "inputs are plain text, a document a file"},      \
    {"lines", 0, WT_OPT_FLAG, &lines_input, NULL, "inputs are plain text, a document a line"}

static const wt_opt train_options[] = {
    {"", 0, WT_OPT_GROUP, NULL, NULL, "What is learned"},
    {"vocab-size", 0, WT_OPT_COUNT, &vocab_size, "N", "bytes, merges and special tokens together"},
    {"vocab-sizes", 0, WT_OPT_STRING, &vocab_sizes, "N,N,...", "several from one run; the largest is OUT itself, others OUT/N"},
    OPT_PATTERN, "gpt2"},
    {"special", 0, WT_OPT_LIST, &specials, "STR", "a special token; cuts the text, is never counted", "<|endoftext|>"},
    {"min-frequency", 0, WT_OPT_COUNT, &min_frequency, "N", "pairs seen less often are not merged"},
    {"max-token-bytes", 0, WT_OPT_COUNT, &max_token_bytes, "N", "no longer tokens", "no limit"},
    {"ties", 0, WT_OPT_CHOICE, &ties, "hf|raw|bytes", "which pair wins among equals: as Hugging Face, smallest byte values, greatest bytes"},
    {"extend", 0, WT_OPT_STRING, &extend, "TOKENIZER", "keep its tokens and ids, learn more behind them"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "From what"},
    OPT_INPUT,
    {"from-counts", 0, WT_OPT_LIST, &from_counts, "FILE", "words already counted (--counts-out), besides the inputs"},
    {"counts-out", 0, WT_OPT_STRING, &counts_out, "FILE", "write the words with their counts, most frequent first"},
    {"memory", 0, WT_OPT_BYTES, &memory, "SIZE", "that training holds, all threads together; more goes to temporary files (at least 57 MiB for 50,257 ids on 2 threads)"},
    {"temp-dir", 0, WT_OPT_STRING, &temp_dir, "DIR", "for them", "$TMPDIR, /tmp"},
    {0},
};
static const wt_opt encode_options[] = {
    OPT_TOKENIZER,
    OPT_PATTERN, "what the tokenizer says"},
    {"ids", 0, WT_OPT_CHOICE, &ids_kind, "text|u16|u32", "decimal numbers, a document a line; or little-endian binary"},
    {"special-tokens", 0, WT_OPT_CHOICE, &special_tokens, "none|all", "whether special tokens in the text are text or tokens"},
    {"jsonl", 0, WT_OPT_FLAG, &jsonl_input, NULL, "inputs are JSON lines, a document a line, its \"text\""},
    {"lines", 0, WT_OPT_FLAG, &lines_input, NULL, "inputs are plain text, a document a line"},
    {"offsets", 0, WT_OPT_STRING, &offsets, "FILE", "where each document starts, in ids: 64-bit little-endian, and the end"},
    {"cache", 0, WT_OPT_BYTES, &cache, "SIZE", "memory for words seen, all threads together"},
    {0},
};
static const wt_opt decode_options[] = {
    OPT_TOKENIZER,
    {"ids", 0, WT_OPT_CHOICE, &ids_kind, "text|u16|u32", "what the inputs hold"},
    {0},
};
static const wt_opt stats_options[] = {
    OPT_TOKENIZER,
    OPT_PATTERN, "what each tokenizer says"},
    OPT_INPUT,
    {"memory", 0, WT_OPT_BYTES, &memory, "SIZE", "for counting; more goes to temporary files"},
    {"json", 0, WT_OPT_FLAG, &as_json, NULL, "print JSON"},
    {0},
};
static const wt_opt convert_options[] = {
    OPT_TOKENIZER,
    OPT_PATTERN, "what the tokenizer says"},
    {0},
};

static const wt_command commands[] = {
    {"train", "learn a vocabulary", "INPUT... -o tokenizer/",
     "Counts the words (pretokens) of all documents, then learns merges: the same, in the same order, as Hugging "
     "Face's trainer. Writes tokenizer.json, vocab.json, merges.txt, tokenizer.tiktoken and "
     "tokenizer_config.json.\n\n"
     "An INPUT is a file, a folder of them, or - for standard input, plain or compressed: JSON lines, a document a line, its "
     "\"text\", unless --text or --lines. Started by mpirun, each rank counts its share of the inputs and holds what --memory "
     "says; with --limit one rank looks for the place in plain files, and of compressed ones each reads all up to it.",
     train_options, "wt-bpe train corpus/ -o tokenizer/\n"
                    "wt-bpe train --text book.txt -o tokenizer/ --vocab-sizes 1k,8k --pattern o200k"},
    {"encode", "text to ids", "-t TOKENIZER [INPUT...] [-o FILE]",
     "Each input is one document of plain text (bytes; UTF-8 is not required), unless --jsonl or --lines.",
     encode_options, "wt-bpe encode -t tokenizer/ --ids u16 book.txt -o book.u16"},
    {"decode", "ids to text", "-t TOKENIZER [INPUT...] [-o FILE]",
     "The exact inverse of encode: the bytes of the documents, one behind the other.",
     decode_options, "wt-bpe encode -t tokenizer/ book.txt | wt-bpe decode -t tokenizer/"},
    {"stats", "how tokenizers do on a text", "-t TOKENIZER [-t TOKENIZER...] INPUT...",
     "Bytes a token, words that are one token, tokens never used, longest tokens; several tokenizers stand "
     "side by side. Inputs are JSON lines, a document a line, its \"text\", unless --text or --lines.", stats_options, "wt-bpe stats -t tokenizer/ -t gpt2/ corpus/"},
    {"convert", "between the formats of tokenizer files", "-t TOKENIZER -o DIR",
     "Reads any of tokenizer.json, vocab.json + merges.txt, encoder.json + vocab.bpe, .tiktoken, and writes "
     "all of them.", convert_options, "wt-bpe convert -t gpt2/encoder.json -o gpt2-hf/"},
    {0},
};

static const wt_tool tool = {
    .name = "wt-bpe",
    .summary = "byte-level BPE tokenizers: learn, encode, decode, compare, convert",
    .usage = "train|encode|decode|stats|convert ...",
    .commands = commands,
    .inputs_optional = true,
};

/* ---- what commands share ---- */
static bpe_model *load_tokenizer(wt_err *err) {
    if (tokenizers.n != 1) {
        wt_fail(err, WT_EARG, "one tokenizer is needed: -t PATH");
        return NULL;
    }
    return bpe_model_load(tokenizers.item[0], pattern, err);
}

static int input_kind(bpe_input other, bpe_input *kind, wt_err *err) {
    if (text_input + lines_input + jsonl_input > 1)
        return wt_fail(err, WT_EARG, "--text, --lines and --jsonl exclude each other");
    *kind = text_input ? BPE_INPUT_TEXT : lines_input ? BPE_INPUT_LINES : jsonl_input ? BPE_INPUT_JSONL : other;
    return 0;
}

static int list_inputs(const wt_args *args, bpe_input kind, wt_paths *paths, wt_err *err) {
    for (int i = 0; i < args->n_inputs; i++)
        if (wt_paths_add(paths, args->inputs[i], kind == BPE_INPUT_JSONL ? WT_JSONL_SUFFIXES : NULL, err))
            return -1;
    return 0;
}

static uint64_t total_bytes(const wt_paths *paths) {
    uint64_t total = 0;
    for (size_t i = 0; i < paths->n; i++) {
        int64_t bytes = wt_file_bytes(paths->path[i]);
        if (bytes < 0)
            return 0;
        total += (uint64_t)bytes;
    }
    return total;
}

static void report_facts(const bpe_piece_facts *f, uint64_t too_long) {
    wt_report_count("documents", f->documents);
    wt_report_count("bytes of text", f->bytes);
    if (f->not_json)
        wt_report_drop("not a JSON object", f->not_json);
    if (f->no_text)
        wt_report_drop("no text", f->no_text);
    if (too_long)
        wt_report_drop("line too long", too_long);
}

/* Where there is not one document the inputs are not what they were taken for. */
static int check_documents(const bpe_piece_facts *f, bpe_input kind, wt_err *err) {
    if (f->documents)
        return 0;
    if (kind == BPE_INPUT_JSONL && f->not_json)
        return wt_fail(err, WT_EDATA, "the inputs hold no document: none of %llu lines is JSON; plain text needs --text or --lines",
                       (unsigned long long)f->not_json);
    if (kind == BPE_INPUT_JSONL && f->no_text)
        return wt_fail(err, WT_EDATA, "the inputs hold no document: none of %llu lines has a \"text\"", (unsigned long long)f->no_text);
    return wt_fail(err, WT_EDATA, "the inputs hold no document");
}

/* report: not for files that were counted before. */
static int count_files(bpe_counter *counter, const wt_paths *paths, bpe_input kind, uint64_t limit, bool report,
                       bpe_piece_facts *facts, wt_err *err) {
    uint64_t too_long;
    int result = bpe_count_files(counter, paths, kind, limit, facts, &too_long, err);
    if (report)
        report_facts(facts, too_long);
    return result ? result : check_documents(facts, kind, err);
}

/* ---- train ---- */
static int learn_progress(void *ctx, uint32_t merges) {
    if (merges % 64 == 0)
        wt_progress_set(merges);
    return merges % 1024 == 0 && wt_stop_requested();
}

static void add_key_string(wt_buf *key, const char *name, const char *value) {
    wt_buf_printf(key, ",\"%s\":", name);
    wt_json_add_string(key, wt_str_of(value ? value : "none"));
}

/* All that decides the merges. */
static void train_key(wt_buf *key, const bpe_train_options *o, const wt_paths *paths, const wt_args *args,
                      bpe_input kind) {
    wt_buf_printf(key, "{\"command\":\"train\",\"vocab_size\":%u,\"min_frequency\":%lu,"
                       "\"max_token_bytes\":%u,\"limit\":%lu",
                  o->vocab_size, (unsigned long)o->min_frequency, o->max_token_bytes, (unsigned long)args->limit);
    add_key_string(key, "input", kind == BPE_INPUT_TEXT ? "text" : kind == BPE_INPUT_LINES ? "lines" : "JSON lines");
    add_key_string(key, "pattern", pattern ? pattern : extend ? "the extended one's" : "gpt2");
    add_key_string(key, "ties", ties);
    add_key_string(key, "vocab_sizes", vocab_sizes);
    wt_buf_printf(key, ",\"specials\":[");
    for (size_t i = 0; i < o->n_specials; i++) {
        wt_buf_printf(key, i ? "," : "");
        wt_json_add_string(key, o->specials[i]);
    }
    wt_buf_printf(key, "],\"extend\":\"");
    char hex[65] = "";
    if (o->extend)
        wt_hex(bpe_fingerprint(o->extend), 32, hex);
    wt_buf_printf(key, "%s\",\"inputs\":[", hex);
    for (size_t i = 0; i < paths->n; i++)
        wt_run_key_input(key, paths->path[i]);
    for (size_t i = 0; i < from_counts.n; i++)
        wt_run_key_input(key, from_counts.item[i]);
    wt_buf_printf(key, "]}");
}

static int parse_sizes(uint32_t *size, size_t *n, wt_err *err) {
    wt_str rest = wt_str_of(vocab_sizes ? vocab_sizes : "");
    *n = 0;
    while (rest.len) {
        char *one = wt_xstrndup(wt_str_trim(wt_str_cut(&rest, ',')));
        uint64_t value;
        int bad = wt_parse_count(one, &value, err);
        free(one);
        if (bad || value > UINT32_MAX || *n == SIZES_MAX)
            return bad ? wt_context(err, "--vocab-sizes") : wt_fail(err, WT_EARG, "--vocab-sizes: too large or too many");
        size[(*n)++] = (uint32_t)value;
    }
    return 0;
}

/* Before anything is counted: smaller vocabularies are cut out of the largest. */
static int check_sizes(const uint32_t *size, size_t n, const bpe_train_options *o, wt_err *err) {
    const bpe_model *base = o->extend;
    size_t least = (base ? bpe_vocab_size(base) : 256) + o->n_specials;
    for (size_t i = 0; i < n; i++)
        if (size[i] < least)
            return wt_fail(err, WT_EARG, "--vocab-sizes: %u is too small: %zu bytes, tokens and special tokens come first", size[i], least);
    bool has_added = false;
    for (uint32_t id = 0; base && id < bpe_vocab_size(base); id++)
        has_added |= bpe_token_is_special(base, id);
    return n > 1 && has_added ? wt_fail(err, WT_EARG, "--vocab-sizes: smaller vocabularies cannot be cut out of an extension of a "
                                        "tokenizer with special tokens; extend it once for each size") : 0;
}

static int save(const bpe_model *model, const char *dir, wt_err *err) {
    const char *skipped;
    if (bpe_model_save(model, dir, &skipped, err))
        return -1;
    if (*skipped)
        wt_warn("not written: %s", skipped);
    return 0;
}

static int save_sizes(const bpe_model *model, const uint32_t *size, size_t n, const char *dir, wt_err *err) {
    for (size_t i = 0; i < n; i++) {
        if (size[i] >= bpe_vocab_size(model))
            continue;
        char name[16];
        snprintf(name, sizeof name, "%u", size[i]);
        char *path = wt_path_join(dir, name);
        bpe_model *part = bpe_model_prefix(model, size[i], err);
        int result = part ? save(part, path, err) : -1;
        bpe_model_free(part);
        free(path);
        if (result)
            return -1;
    }
    return save(model, dir, err);
}

static int fill_counter(bpe_counter *counter, const wt_paths *paths, bpe_input kind, const wt_args *args,
                        wt_err *err) {
    bpe_piece_facts facts;
    if (paths->n && count_files(counter, paths, kind, args->limit, true, &facts, err))
        return -1;
    int bad = 0;
    for (size_t i = 0; i < from_counts.n && wt_cluster_rank() == 0 && !bad; i++)
        bad = bpe_counts_read(counter, from_counts.item[i], err);
    if (wt_cluster_agree(bad, err))
        return -1;
    if (bpe_counter_finish(counter, err))
        return -1;
    wt_report_count("words", bpe_counter_total(counter));
    wt_report_count("distinct words", bpe_counter_words(counter));
    if (bpe_counter_spilled(counter))
        wt_report_count("bytes spilled to disk", bpe_counter_spilled(counter));
    return counts_out && wt_cluster_rank() == 0 ? bpe_counts_write(counter, counts_out, err) : 0;
}

static int learn_and_save(bpe_counter *counter, const bpe_train_options *o, const uint32_t *size, size_t n_sizes,
                          const char *dir, wt_err *err) {
    if (wt_cluster_rank() != 0)
        return 0;
    wt_progress_begin("learning", "merges", o->vocab_size - (o->extend ? bpe_vocab_size(o->extend) : 256) - o->n_specials);
    bpe_model *model = bpe_learn(counter, learn_progress, NULL, err);
    wt_progress_end();
    int result = model ? save_sizes(model, size, n_sizes, dir, err) : -1;
    if (model) {
        wt_report_count("merges", bpe_merge_count(model));
        if (bpe_vocab_size(model) < o->vocab_size)
            wt_info("%u ids instead of %u: no other pair was seen %lu times", bpe_vocab_size(model),
                    o->vocab_size, (unsigned long)o->min_frequency);
    }
    bpe_model_free(model);
    return result;
}

/* The report tells what rank 0 held; --memory is for each. */
static void report_ranks(void) {
    uint64_t peak = wt_memory_peak();
    wt_cluster_max_u64(&peak, 1);
    if (wt_cluster_size() > 1)
        wt_report_count("peak bytes of any rank", peak);
}

/* A run that found no documents leaves no trace, so that the same output can be given with the right options. */
static void forget_run(const char *dir) {
    char *path = wt_path_join(dir, "run.json");
    if (wt_cluster_rank() == 0) {
        remove(path);
        rmdir(dir);                 /* where it is empty */
    }
    free(path);
}

/* What a training is told to do. */
typedef struct {
    bpe_input input;
    wt_paths paths;
    bpe_train_options options;
    wt_str *special;
    bpe_model *base;                /* that it extends; NULL: none */
    uint32_t size[SIZES_MAX];       /* of vocabularies besides the largest */
    size_t n_sizes;
} train_job;

static void train_job_free(train_job *j) {
    bpe_model_free(j->base);
    wt_paths_free(&j->paths);
    free(j->special);
}

static uint32_t to_u32(uint64_t x) { return x < UINT32_MAX ? (uint32_t)x : UINT32_MAX; }

static void train_job_options(train_job *j, const wt_args *args) {
    size_t n_specials = specials.n;
    j->special = wt_xcalloc(specials.n + 1, sizeof *j->special);
    for (size_t i = 0; i < specials.n; i++)
        j->special[i] = wt_str_of(specials.item[i]);
    if (n_specials == 0 && !(j->base && bpe_end_of_text(j->base) != BPE_NONE))
        j->special[n_specials++] = WT_STR("<|endoftext|>");
    for (size_t i = 0; i < j->n_sizes; i++)
        vocab_size = i == 0 || j->size[i] > vocab_size ? j->size[i] : vocab_size;
    j->options = (bpe_train_options){
        .vocab_size = to_u32(vocab_size), .pattern = pattern, .specials = j->special, .n_specials = n_specials,
        .min_frequency = min_frequency, .max_token_bytes = to_u32(max_token_bytes), .memory = memory,
        .temp_dir = temp_dir, .threads = args->threads, .extend = j->base,
        .ties = strcmp(ties, "raw") == 0 ? BPE_TIES_RAW : strcmp(ties, "bytes") == 0 ? BPE_TIES_BYTES : BPE_TIES_HF};
}

static int train_job_init(train_job *j, const wt_args *args, wt_err *err) {
    if (!args->output)
        return wt_fail(err, WT_EARG, "train needs -o FOLDER");
    if (args->n_inputs == 0 && from_counts.n == 0)
        return wt_fail(err, WT_EARG, "train needs inputs");
    if (input_kind(BPE_INPUT_JSONL, &j->input, err) || parse_sizes(j->size, &j->n_sizes, err) ||
        list_inputs(args, j->input, &j->paths, err) || (extend && !(j->base = bpe_model_load(extend, NULL, err))))
        return -1;
    train_job_options(j, args);
    return check_sizes(j->size, j->n_sizes, &j->options, err);
}

static int train_run(const train_job *j, const wt_args *args, bpe_counter *counter, wt_err *err) {
    wt_buf key = {0};
    train_key(&key, &j->options, &j->paths, args, j->input);
    int state = wt_run_begin(args->output, true, wt_buf_view(&key), args->force, err), result = state < 0 ? -1 : 0;
    if (state == WT_RUN_FRESH || state == WT_RUN_CONTINUE) {
        result = wt_cluster_agree(fill_counter(counter, &j->paths, j->input, args, err), err) ||
                 wt_cluster_agree(learn_and_save(counter, &j->options, j->size, j->n_sizes, args->output, err), err) ||
                 wt_run_finish(args->output, true, wt_buf_view(&key), err) ? -1 : 0;
        report_ranks();
        if (result && state == WT_RUN_FRESH && wt_report_get("documents") + wt_report_get("words") == 0)
            forget_run(args->output);
    }
    wt_buf_free(&key);
    return result;
}

static int train(const wt_args *args, wt_err *err) {
    train_job job = {0};
    bpe_counter *counter = train_job_init(&job, args, err) ? NULL : bpe_counter_new(&job.options, err);
    int result = counter ? train_run(&job, args, counter, err) : -1;
    bpe_counter_free(counter);
    train_job_free(&job);
    return result;
}

/* ---- encode, decode ---- */
static bpe_ids ids_format(void) {
    return strcmp(ids_kind, "u16") == 0 ? BPE_IDS_U16 : strcmp(ids_kind, "u32") == 0 ? BPE_IDS_U32 : BPE_IDS_TEXT;
}

static int standard_input(const wt_args *args, wt_paths *paths, wt_err *err) {
    return args->n_inputs == 0 ? wt_paths_add(paths, "-", NULL, err) : 0;
}

static int file_run(const wt_args *args, const char *command, const bpe_model *model, const wt_paths *paths,
                    bpe_input kind, wt_buf *key, wt_err *err) {
    char hex[65];
    wt_hex(bpe_fingerprint(model), 32, hex);
    wt_buf_printf(key, "{\"command\":\"%s\",\"tokenizer\":\"%s\",\"ids\":\"%s\",\"specials\":\"%s\","
                       "\"input\":%d,\"limit\":%lu,\"inputs\":[", command, hex, ids_kind, special_tokens, kind,
                  (unsigned long)args->limit);
    for (size_t i = 0; i < paths->n; i++)
        wt_run_key_input(key, paths->path[i]);
    wt_buf_printf(key, "]}");
    const char *output = args->output && strcmp(args->output, "-") ? args->output : NULL;
    return wt_run_begin(output, false, wt_buf_view(key), args->force, err);
}

static int recode(const wt_args *args, bool decode, wt_err *err) {
    wt_paths paths = {0};
    wt_buf key = {0};
    bpe_input kind;
    bpe_piece_facts facts = {0};
    bpe_model *model = load_tokenizer(err);
    int result = !model || input_kind(BPE_INPUT_TEXT, &kind, err) || standard_input(args, &paths, err) ||
                 list_inputs(args, kind, &paths, err) ? -1 : 0;
    if (!result)
        result = file_run(args, decode ? "decode" : "encode", model, &paths, kind, &key, err);
    if (result > 0 && result != WT_RUN_DONE) {
        bpe_stream s = {.model = model, .path = paths.path, .n_paths = paths.n, .input = kind,
                        .ids = ids_format(), .special = strcmp(special_tokens, "all") ? BPE_SPECIAL_NONE : BPE_SPECIAL_ALL,
                        .output = args->output, .offsets = offsets, .threads = args->threads,
                        .limit = args->limit, .cache_bytes = cache};
        wt_progress_begin(decode ? "decoding" : "encoding", "B", total_bytes(&paths));
        result = decode ? bpe_stream_decode(&s, err) : bpe_stream_encode(&s, &facts, err);
        wt_progress_end();
        if (!decode)
            report_facts(&facts, s.too_long);
        wt_report_count("ids", s.n_ids);
        if (!result)
            result = wt_run_finish(args->output && strcmp(args->output, "-") ? args->output : NULL, false,
                                   wt_buf_view(&key), err);
    }
    bpe_model_free(model);
    wt_paths_free(&paths);
    wt_buf_free(&key);
    return result > 0 ? 0 : result;
}

/* ---- stats ---- */
static int stats_of(const wt_paths *paths, bpe_input kind, const wt_args *args, const char *path, bool first,
                    bpe_stats *stats, bpe_model **model, wt_err *err) {
    if (!(*model = bpe_model_load(path, pattern, err)))
        return -1;
    bpe_train_options o = {.vocab_size = bpe_vocab_size(*model) > 256 ? bpe_vocab_size(*model) : 256,
                           .pattern = bpe_pattern(*model), .memory = memory, .threads = args->threads};
    bpe_counter *counter = bpe_counter_new(&o, err);
    bpe_piece_facts facts;
    int result = !counter || count_files(counter, paths, kind, args->limit, first, &facts, err) ||
                 bpe_counter_finish(counter, err) || bpe_stats_fill(stats, *model, counter, facts.bytes, err) ? -1 : 0;
    bpe_counter_free(counter);
    return result;
}

static int stats(const wt_args *args, wt_err *err) {
    bpe_input kind;
    wt_paths paths = {0};
    size_t n = tokenizers.n;
    if (n == 0 || args->n_inputs == 0)
        return wt_fail(err, WT_EARG, "stats needs -t TOKENIZER and inputs");
    int result = input_kind(BPE_INPUT_JSONL, &kind, err) || list_inputs(args, kind, &paths, err) ? -1 : 0;
    bpe_stats *all = wt_xcalloc(n, sizeof *all);
    bpe_model **models = wt_xcalloc(n, sizeof *models);
    for (size_t i = 0; i < n && !result; i++)
        result = stats_of(&paths, kind, args, tokenizers.item[i], i == 0, &all[i], &models[i], err);
    if (!result) {
        wt_buf out = {0};
        bpe_stats_print(&out, tokenizers.item, models, all, n, as_json);
        result = wt_out_whole(args->output, wt_buf_view(&out), err);
        wt_buf_free(&out);
    }
    for (size_t i = 0; i < n; i++) {
        bpe_stats_free(&all[i]);
        bpe_model_free(models[i]);
    }
    free(all);
    free(models);
    wt_paths_free(&paths);
    return result;
}

static int convert(const wt_args *args, wt_err *err) {
    if (!args->output)
        return wt_fail(err, WT_EARG, "convert needs -o FOLDER");
    if (args->n_inputs)
        return wt_fail(err, WT_EARG, "convert takes its tokenizer by -t");
    bpe_model *model = load_tokenizer(err);
    int result = model ? 0 : -1;
    wt_buf key = {0};
    if (!result) {
        char hex[65];
        wt_hex(bpe_fingerprint(model), 32, hex);
        wt_buf_printf(&key, "{\"command\":\"convert\",\"tokenizer\":\"%s\"}", hex);
        result = wt_run_begin(args->output, true, wt_buf_view(&key), args->force, err);
    }
    if (result > 0 && result != WT_RUN_DONE) {
        wt_report_string("pattern", bpe_pattern(model));
        wt_report_count("ids", bpe_vocab_size(model));
        wt_report_count("merges", bpe_merge_count(model));
        result = save(model, args->output, err) || wt_run_finish(args->output, true, wt_buf_view(&key), err) ? -1 : 0;
    }
    bpe_model_free(model);
    wt_buf_free(&key);
    return result > 0 ? 0 : result;
}

static int run(const wt_args *args, wt_err *err) {
    if (strcmp(args->command, "train") == 0)
        return train(args, err);
    if (strcmp(args->command, "encode") == 0)
        return recode(args, false, err);
    if (strcmp(args->command, "decode") == 0)
        return recode(args, true, err);
    if (strcmp(args->command, "stats") == 0)
        return stats(args, err);
    return convert(args, err);
}

int main(int argc, char **argv) {
    wt_err err = {0};
#ifdef __GLIBC__
    /* What is freed goes back to the system at once: large blocks never come from the heap, where a hole would stay. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 1 << 20);
#endif
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

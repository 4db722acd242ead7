/* wt-dedup.c - drops documents that were seen before; `overlap` measures how much of one set another
 * holds. The work is in dedup/. */
#include <stdlib.h>
#include <string.h>

#include "common/cluster.h"
#include "common/tool.h"
#include "dedup/corpus.h"
#include "dedup/index.h"
#include "dedup/overlap.h"

static dedup_rules rules;
static struct {
    bool exact, near, paragraphs, urls, mark, attributes, curve, index;
    int64_t ngram, shingle, paragraph_count, bands, rows, votes;
    uint64_t expect, part_bytes, index_memory;
    double threshold, overlap, fp_rate, bytes_per_doc;
    const char *words, *unit, *state, *keep;
    wt_list read_only;
} opt = {.shingle = 5, .threshold = 0.8, .overlap = 0.8, .bytes_per_doc = 35, .words = "alnum",
         .unit = "document", .part_bytes = 256u << 20, .index_memory = 1u << 30};

static const wt_opt options[] = {
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Rules (none named: --exact --near)"},
    {"exact", 0, WT_OPT_FLAG, &opt.exact, NULL, "drop documents whose text, white space aside, was seen", NULL},
    {"near", 0, WT_OPT_FLAG, &opt.near, NULL, "drop documents similar to one that was kept", NULL},
    {"urls", 0, WT_OPT_FLAG, &opt.urls, NULL, "drop documents whose metadata.url was seen", NULL},
    {"ngram", 0, WT_OPT_INT, &opt.ngram, "N", "drop documents whose n-grams of N words were mostly seen", "off; 13 is usual"},
    {"paragraphs", 0, WT_OPT_FLAG, &opt.paragraphs, NULL, "cut paragraphs that were seen", NULL},
    {"index", 0, WT_OPT_FLAG, &opt.index, NULL, "near, in two passes without filters: keep the best of similar documents, name it", NULL},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "How they judge"},
    {"threshold", 0, WT_OPT_FLOAT, &opt.threshold, "F", "near: similarity (Jaccard, of shingles) from which documents count", NULL},
    {"shingle", 0, WT_OPT_INT, &opt.shingle, "N", "near: words in a shingle", NULL},
    {"bytes-per-doc", 0, WT_OPT_FLOAT, &opt.bytes_per_doc, "F", "near: filter bytes a document (12 or more)", NULL},
    {"bands", 0, WT_OPT_INT, &opt.bands, "N", "near: bands, with --rows and --votes instead of the solver", "solved"},
    {"rows", 0, WT_OPT_INT, &opt.rows, "N", "near: sketch bins in a band", "solved"},
    {"votes", 0, WT_OPT_INT, &opt.votes, "N", "near: bands that must have been seen", "solved"},
    {"curve", 0, WT_OPT_FLAG, &opt.curve, NULL, "near: print the chance to be called duplicate by similarity, and end", NULL},
    {"overlap", 0, WT_OPT_FLOAT, &opt.overlap, "F", "ngram: share of n-grams seen from which it drops", NULL},
    {"ngram-unit", 0, WT_OPT_CHOICE, &opt.unit, "document|paragraph|both", "ngram: what is judged and cut", NULL},
    {"paragraph-count", 0, WT_OPT_INT, &opt.paragraph_count, "N", "paragraphs: cut all that N documents or more have (2 passes)", "0: keep the first"},
    {"words", 0, WT_OPT_CHOICE, &opt.words, "alnum|uax29|whitespace|chars", "what a word is, for near and ngram", NULL},
    {"keep", 0, WT_OPT_STRING, &opt.keep, "longest|first|FIELD", "index: which to keep; FIELD: largest number in metadata.FIELD", "longest"},
    {"index-memory", 0, WT_OPT_BYTES, &opt.index_memory, "N", "index: memory for sorting, beside 52 bytes a document", NULL},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Filters"},
    {"fpr", 0, WT_OPT_FLOAT, &opt.fp_rate, "F", "false-positive rate", "1e-6 a key; 1e-4 a document for near; 0.01 an n-gram"},
    {"expect", 0, WT_OPT_COUNT, &opt.expect, "N", "documents to make room for", "filters grow"},
    {"state", 0, WT_OPT_STRING, &opt.state, "FILE", "begin with what FILE holds, save what was seen to it", NULL},
    {"read-only", 0, WT_OPT_LIST, &opt.read_only, "FILE", "drop what the state FILE holds, add nothing to it (repeatable)", NULL},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Output"},
    {"mark", 0, WT_OPT_FLAG, &opt.mark, NULL, "drop nothing: write all documents with Dolma attributes", NULL},
    {"attributes", 0, WT_OPT_FLAG, &opt.attributes, NULL, "as --mark, but write only ids and attributes", NULL},
    {"part-bytes", 0, WT_OPT_BYTES, &opt.part_bytes, "N", "input bytes covered by one file of the output", NULL},
    {0}};

static struct {
    wt_list train, test;
    int64_t ngram;
    double fp_rate;
    uint64_t expect, probes, min_hits;
    const char *mode, *words, *examples, *contaminated, *clean;
    bool json, lines;
} over = {.ngram = 8, .fp_rate = 1e-8, .probes = 10000000, .min_hits = 1, .mode = "bloom", .words = "alnum"};

static const wt_opt overlap_options[] = {
    {"train", 0, WT_OPT_LIST, &over.train, "DOCS...", "training documents; NAME=PATH makes a row of that name", NULL},
    {"test", 0, WT_OPT_LIST, &over.test, "DOCS...", "test sets, one a path; NAME=PATH names it", NULL},
    {"ngram", 0, WT_OPT_INT, &over.ngram, "N", "words in an n-gram", NULL},
    {"fpr", 0, WT_OPT_FLOAT, &over.fp_rate, "F", "false-positive rate of the filter", NULL},
    {"mode", 0, WT_OPT_CHOICE, &over.mode, "bloom|inverted|both",
     "filter of the training n-grams; exact table of the test n-grams; both, compared", NULL},
    {"expect", 0, WT_OPT_COUNT, &over.expect, "N", "distinct training n-grams", "counted first"},
    {"probes", 0, WT_OPT_COUNT, &over.probes, "N", "random strings that verify the rate", NULL},
    {"words", 0, WT_OPT_CHOICE, &over.words, "alnum|uax29|whitespace|chars", "what a word is", NULL},
    {"lines", 0, WT_OPT_FLAG, &over.lines, NULL, "plain text: each line is a document", NULL},
    {"examples", 0, WT_OPT_STRING, &over.examples, "FILE", "write one line of JSON for each test example", NULL},
    {"contaminated", 0, WT_OPT_STRING, &over.contaminated, "FILE", "list training documents that hold test n-grams", NULL},
    {"clean", 0, WT_OPT_STRING, &over.clean, "FILE", "write the training documents without those", NULL},
    {"min-hits", 0, WT_OPT_COUNT, &over.min_hits, "N", "test n-grams that make a document contaminated", NULL},
    {"json", 0, WT_OPT_FLAG, &over.json, NULL, "print JSON", NULL},
    {0}};

static const wt_command commands[] = {
    {"overlap", "how much of a test set a training set holds", "--train DOCS... --test DOCS...",
     "The share of the test sets' n-grams of lower-cased alphanumeric words that occur in the training "
     "documents, over all positions and over distinct n-grams (Radford et al. 2019, section 4). DOCS are JSON "
     "lines (their text; without one, every string) or plain text (a file is a document, or a line with --lines).",
     overlap_options,
     "wt-dedup overlap --train corpus/ --test lambada.jsonl wikitext=wiki.test.tokens --ngram 8 --fpr 1e-8\n"
     "wt-dedup overlap --train corpus/ --test eval/*.jsonl --mode inverted --clean clean.jsonl.zst"},
    {0}};

static const wt_tool tool = {
    .name = "wt-dedup",
    .summary = "drop documents that were seen before",
    .usage = "[options] DOCS... -o corpus/",
    .description =
        "Reads documents (JSON lines in Dolma's shape) and writes those that are new, in order, to "
        "corpus/part-NNNNN.jsonl.zst; the others go to corpus/dropped.jsonl.zst with the rule that dropped "
        "them. -o may also name a .jsonl[.zst] file; without it the kept documents go to standard output.\n"
        "What was seen is kept in Bloom filters, a few bytes a document. The output is the same for any "
        "number of threads and any cut of the same documents into files. A killed run goes on when the same "
        "command is given again.\n"
        "With --index every document is compared with all others that could be similar, on disk (1.4 KB a "
        "document at 0.8). Taken best first, one that is similar to a kept one is dropped, and dropped.jsonl.zst "
        "says to which (kept_id) and how much (score): clusters are stars, never chains.\n"
        "Under mpirun all ranks share the work and give the same output; they need the output's folder in common.",
    .options = options,
    .commands = commands,
    .inputs_optional = true,
    .example = "wt-dedup docs/ -o corpus/\n"
               "wt-dedup docs/ -o corpus/ --near --threshold 0.7 --state seen.bloom\n"
               "wt-dedup docs/ -o corpus/ --index --keep score"};

static int rules_from_options(const wt_args *args, wt_err *err) {
    rules = dedup_rules_default();
    bool named = opt.exact || opt.near || opt.urls || opt.ngram || opt.paragraphs || opt.paragraph_count;
    rules.exact = named ? opt.exact : true;
    rules.near = named ? opt.near : true;
    if (!named && opt.read_only.n > 0) rules.near = rules.exact = true;
    rules.urls = opt.urls;
    rules.paragraphs = opt.paragraphs || opt.paragraph_count;
    rules.ngram = (int)opt.ngram;
    rules.shingle = (int)opt.shingle;
    rules.paragraph_count = (int)opt.paragraph_count;
    rules.threshold = opt.threshold;
    rules.overlap = opt.overlap;
    rules.fp_rate = opt.fp_rate;
    rules.bytes_per_doc = opt.bytes_per_doc;
    rules.expect = opt.expect;
    rules.seed = args->seed;
    rules.words = (words_rule)words_rule_named(opt.words);
    rules.unit = opt.unit[0] == 'd' ? NGRAM_DOCUMENT : opt.unit[0] == 'p' ? NGRAM_PARAGRAPH : NGRAM_BOTH;
    rules.plan = (sketch_plan){(int)opt.bands, (int)opt.rows, (int)opt.votes, 0};
    if ((opt.bands || opt.rows || opt.votes) && (opt.bands < 1 || opt.rows < 1 || opt.votes < 1))
        return wt_fail(err, WT_EARG, "--bands, --rows and --votes go together");
    return dedup_rules_check(&rules, err);
}

static int print_curve(const wt_args *args, wt_err *err) {
    wt_buf text = {0};
    if (!rules.near) return wt_fail(err, WT_EARG, "--curve is about --near");
    sketch_print_curve(&rules.plan, rules.threshold, &text);
    int result = wt_out_whole(args->output, wt_buf_view(&text), err);
    wt_buf_free(&text);
    return result;
}

/* An index judges near-duplicates alone, and has no filters. */
static int check_index(wt_err *err) {
    const struct {
        bool given;
        const char *name;
    } other[] = {{opt.urls, "urls"}, {opt.ngram, "ngram"}, {opt.paragraphs, "paragraphs"},
                 {opt.paragraph_count, "paragraph-count"}, {opt.curve, "curve"},
                 {opt.bands || opt.rows || opt.votes, "bands, --rows or --votes"},
                 {opt.state != NULL, "state"}, {opt.read_only.n, "read-only"}, {opt.fp_rate != 0, "fpr"},
                 {opt.expect > 0, "expect"}, {opt.bytes_per_doc != 35, "bytes-per-doc"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (other[i].given)
            return wt_fail(err, WT_EARG, "--index and --%s do not go together; make it two runs", other[i].name);
    return 0;
}

static int add_inputs(const wt_args *args, wt_paths *inputs, wt_err *err) {
    for (int i = 0; i < args->n_inputs; i++)
        if (wt_paths_add(inputs, args->inputs[i], WT_JSONL_SUFFIXES, err)) return -1;
    return inputs->n ? 0 : wt_fail(err, WT_EARG, "no documents given");
}

static dedup_job job_from_options(const wt_args *args, const dedup_rules *r, const wt_paths *inputs) {
    return (dedup_job){.inputs = inputs, .output = args->output, .rules = *r, .part_bytes = opt.part_bytes,
                       .limit = args->limit, .threads = args->threads, .force = args->force};
}

static corpus_mode mode_from_options(void) {
    return opt.attributes ? CORPUS_ATTRIBUTES : opt.mark ? CORPUS_MARK : CORPUS_DROP;
}

static int run_index(const wt_args *args, const wt_paths *inputs, wt_buf *key, wt_err *err) {
    dedup_rules r = dedup_rules_default();
    r.threshold = opt.threshold;
    r.shingle = (int)opt.shingle;
    r.seed = args->seed;
    r.words = (words_rule)words_rule_named(opt.words);
    index_job job = {.all = job_from_options(args, &r, inputs), .keep = opt.keep ? opt.keep : "longest",
                     .memory = opt.index_memory, .mode = mode_from_options()};
    index_key(&job, key);
    job.all.key = wt_buf_view(key);
    return index_run(&job, err);
}

static int run_corpus(const wt_args *args, const wt_paths *inputs, wt_buf *key, wt_err *err) {
    corpus_job job = {.all = job_from_options(args, &rules, inputs), .state = opt.state,
                      .mode = mode_from_options(),
                      .read_only = opt.read_only.item, .n_read_only = opt.read_only.n};
    corpus_key(&job, key);
    job.all.key = wt_buf_view(key);
    return corpus_run(&job, err);
}

static int run(const wt_args *args, wt_err *err) {
    wt_paths inputs = {0};
    wt_buf key = {0};
    if (!opt.index && opt.keep) return wt_fail(err, WT_EARG, "--keep is about --index");
    if (opt.index ? check_index(err) : rules_from_options(args, err)) return -1;
    if (!opt.index && opt.curve) return print_curve(args, err);
    int result = add_inputs(args, &inputs, err);
    if (!result) result = (opt.index ? run_index : run_corpus)(args, &inputs, &key, err);
    wt_buf_free(&key);
    wt_paths_free(&inputs);
    return result;
}

/* ---- overlap ---- */

static const char *const ANY_SUFFIXES[] = {".jsonl", ".jsonl.zst", ".jsonl.gz", ".jsonl.xz", ".jsonl.bz2", ".json",
                                           ".json.zst", ".json.gz", ".txt", ".txt.zst", ".txt.gz", ".tokens", NULL};

/* The file's name without folder and endings. */
static char *stem(const char *path) {
    const char *slash = strrchr(path, '/');
    wt_str name = wt_str_of(slash && slash[1] ? slash + 1 : path);
    size_t n = 0;
    while (n < name.len && name.ptr[n] != '.' && name.ptr[n] != '/') n++;
    return wt_xstrndup((wt_str){name.ptr, n ? n : name.len});
}

/* "NAME=PATH", or a path. */
static char *set_name(const char *item, const char *fallback, const char **path) {
    const char *equals = strchr(item, '=');
    *path = item;
    if (!equals || equals == item || wt_exists(item)) return fallback ? wt_xstrdup(fallback) : stem(item);
    *path = equals + 1;
    return wt_xstrndup((wt_str){item, (size_t)(equals - item)});
}

/* Items of one name make one set. */
static int sets_from(const wt_list *list, const char *fallback, overlap_set **sets, size_t *n, wt_err *err) {
    *sets = wt_xcalloc(list->n + 1, sizeof **sets);
    for (size_t i = 0; i < list->n; i++) {
        const char *path;
        char *name = set_name(list->item[i], fallback, &path);
        size_t s = 0;
        while (s < *n && strcmp((*sets)[s].name, name) != 0) s++;
        if (s == *n) (*sets)[(*n)++].name = wt_xstrdup(name);
        free(name);
        if (wt_paths_add(&(*sets)[s].paths, path, ANY_SUFFIXES, err)) return -1;
    }
    return 0;
}

static void sets_free(overlap_set *sets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        free(sets[i].name);
        wt_paths_free(&sets[i].paths);
    }
    free(sets);
}

static int run_overlap(const wt_args *args, wt_err *err) {
    overlap_job job = {.ngram = (int)over.ngram, .words = (words_rule)words_rule_named(over.words),
                       .fp_rate = over.fp_rate, .expect = over.expect, .probes = over.probes, .lines = over.lines,
                       .threads = args->threads, .json = over.json, .output = args->output, .seed = args->seed,
                       .examples = over.examples, .contaminated = over.contaminated, .clean = over.clean,
                       .min_hits = over.min_hits,
                       .mode = over.mode[1] == 'l' ? OVERLAP_BLOOM : over.mode[0] == 'i' ? OVERLAP_INVERTED : OVERLAP_BOTH};
    int result = args->n_inputs > 0
                     ? wt_fail(err, WT_EARG, "'%s' stands neither behind --train nor behind --test", args->inputs[0])
                     : 0;
    if (!result) result = sets_from(&over.train, "train", &job.train, &job.n_trains, err);
    if (!result) result = sets_from(&over.test, NULL, &job.test, &job.n_tests, err);
    if (!result) result = overlap_run(&job, err);
    sets_free(job.train, job.n_trains);
    sets_free(job.test, job.n_tests);
    return result;
}

/* A shell turns `--train a*.jsonl` into one option and many words: each word behind --train or --test
 * gets the option's name in front. */
static char **spread_lists(int *argc, char **argv) {
    char **out = wt_xcalloc(2 * (size_t)*argc + 1, sizeof *out);
    char *list = NULL;
    int n = 0;
    for (int i = 0; i < *argc; i++) {
        bool option = argv[i][0] == '-' && argv[i][1];
        bool named = strcmp(argv[i], "--train") == 0 || strcmp(argv[i], "--test") == 0;
        if (!option && list && i > 0 && strcmp(argv[i - 1], list) != 0) out[n++] = list;
        if (option) list = named ? argv[i] : NULL;
        out[n++] = argv[i];
    }
    *argc = n;
    return out;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    bool overlap = argc > 1 && strcmp(argv[1], "overlap") == 0;
    char **words = overlap ? spread_lists(&argc, argv) : argv;
    wt_tool_start(&tool, argc, words, &args);
    int code = wt_tool_end(&tool, overlap ? run_overlap(&args, &err) : run(&args, &err), &err);
    if (overlap) free(words);
    return code;
}

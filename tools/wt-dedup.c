/* wt-dedup.c - drops documents that were seen before; `overlap` measures how much of one set another
 * holds. The work is in dedup/. */
#include <stdlib.h>

#include "common/tool.h"
#include "dedup/corpus.h"

static dedup_rules rules;
static struct {
    bool exact, near, paragraphs, urls, mark, attributes;
    int64_t ngram, shingle, paragraph_count, bands, rows, votes;
    uint64_t expect, part_bytes;
    double threshold, overlap, fp_rate, bytes_per_doc;
    const char *words, *unit, *state;
    wt_list read_only;
} opt = {.shingle = 5, .threshold = 0.8, .overlap = 0.8, .bytes_per_doc = 35, .words = "alnum",
         .unit = "document", .part_bytes = 256u << 20};

static const wt_opt options[] = {
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Rules (none named: --exact --near)"},
    {"exact", 0, WT_OPT_FLAG, &opt.exact, NULL, "drop documents whose text, white space aside, was seen", NULL},
    {"near", 0, WT_OPT_FLAG, &opt.near, NULL, "drop documents similar to one that was kept", NULL},
    {"urls", 0, WT_OPT_FLAG, &opt.urls, NULL, "drop documents whose metadata.url was seen", NULL},
    {"ngram", 0, WT_OPT_INT, &opt.ngram, "N", "drop documents whose n-grams of N words were mostly seen", "off; 13 is usual"},
    {"paragraphs", 0, WT_OPT_FLAG, &opt.paragraphs, NULL, "cut paragraphs that were seen", NULL},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "How they judge"},
    {"threshold", 0, WT_OPT_FLOAT, &opt.threshold, "F", "near: similarity (Jaccard, of shingles) from which documents count", NULL},
    {"shingle", 0, WT_OPT_INT, &opt.shingle, "N", "near: words in a shingle", NULL},
    {"bytes-per-doc", 0, WT_OPT_FLOAT, &opt.bytes_per_doc, "F", "near: filter bytes a document (12 or more)", NULL},
    {"bands", 0, WT_OPT_INT, &opt.bands, "N", "near: bands, with --rows and --votes instead of the solver", "solved"},
    {"rows", 0, WT_OPT_INT, &opt.rows, "N", "near: sketch bins in a band", "solved"},
    {"votes", 0, WT_OPT_INT, &opt.votes, "N", "near: bands that must have been seen", "solved"},
    {"overlap", 0, WT_OPT_FLOAT, &opt.overlap, "F", "ngram: share of n-grams seen from which it drops", NULL},
    {"ngram-unit", 0, WT_OPT_CHOICE, &opt.unit, "document|paragraph|both", "ngram: what is judged and cut", NULL},
    {"paragraph-count", 0, WT_OPT_INT, &opt.paragraph_count, "N", "paragraphs: cut all that N documents or more have (2 passes)", "0: keep the first"},
    {"words", 0, WT_OPT_CHOICE, &opt.words, "alnum|uax29|whitespace|chars", "what a word is, for near and ngram", NULL},
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
        "command is given again.",
    .options = options,
    .example = "wt-dedup docs/ -o corpus/\n"
               "wt-dedup docs/ -o corpus/ --near --threshold 0.7 --state seen.bloom"};

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

static int run(const wt_args *args, wt_err *err) {
    wt_paths inputs = {0};
    wt_buf key = {0};
    int result = rules_from_options(args, err);
    for (int i = 0; i < args->n_inputs && !result; i++)
        result = wt_paths_add(&inputs, args->inputs[i], WT_JSONL_SUFFIXES, err);
    if (!result && inputs.n == 0) result = wt_fail(err, WT_EARG, "no documents given");
    if (!result) {
        corpus_job job = {.inputs = &inputs, .output = args->output, .rules = rules, .state = opt.state,
                          .mode = opt.attributes ? CORPUS_ATTRIBUTES : opt.mark ? CORPUS_MARK : CORPUS_DROP,
                          .read_only = opt.read_only.item, .n_read_only = opt.read_only.n,
                          .part_bytes = opt.part_bytes, .limit = args->limit, .threads = args->threads,
                          .force = args->force};
        corpus_key(&job, &key);
        job.key = wt_buf_view(&key);
        result = corpus_run(&job, err);
    }
    wt_buf_free(&key);
    wt_paths_free(&inputs);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

/* wt-extract.c - the command line of extract/pages.h, and `explain`. */
#include "common/cluster.h"
#include "common/in.h"
#include "common/out.h"
#include "common/tool.h"
#include "extract/guard.h"
#include "extract/lang.h"
#include "extract/pages.h"

static const char *format = "jsonl", *url_option, *lang = "en", *filter_name = "webtext", *parser = "auto";
static const char *source = "webtext", *filter_report, *model_path;
static uint64_t max_page = 64 << 20, page_memory = 1 << 30, min_text = 1;
static bool site_boilerplate, guarded = true;
static uint64_t page_seconds = 60;

static const wt_opt options[] = {
    {"", 0, WT_OPT_GROUP, NULL, NULL, "What comes out"},
    {"format", 0, WT_OPT_CHOICE, &format, "jsonl|txt|md|tei", "documents as JSON lines, or each page's text"},
    {"source", 0, WT_OPT_STRING, &source, "NAME", "the documents' \"source\""},
    {"url", 0, WT_OPT_STRING, &url_option, "URL", "where the page came from, for a page given as a file", "none"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "Which documents"},
    {"lang", 0, WT_OPT_STRING, &lang, "CODE", "keep texts in this language (en, de ...), or any"},
    {"filter", 0, WT_OPT_CHOICE, &filter_name, "webtext|c4|gopher|fineweb|none", "the corpus whose rules drop documents"},
    {"min-text", 0, WT_OPT_COUNT, &min_text, "N", "drop texts of fewer bytes"},
    {"site-boilerplate", 0, WT_OPT_FLAG, &site_boilerplate, NULL, "second pass: cut lines that many pages of one site share"},
    {"filter-report", 0, WT_OPT_STRING, &filter_report, "FILE", "write examples of what each rule dropped, as JSON", "none"},
    {"", 0, WT_OPT_GROUP, NULL, NULL, "How"},
    {"parser", 0, WT_OPT_CHOICE, &parser, "auto|fast|gumbo", "HTML parser; auto takes libxml2 for feeds and XML. Pages that gumbo or libxml2 refuse are read by fast, and counted"},
    {"max-page", 0, WT_OPT_BYTES, &max_page, "SIZE", "longer pages are dropped"},
    {"page-memory", 0, WT_OPT_BYTES, &page_memory, "SIZE", "a page whose elements and texts can need more is dropped"},
    {"page-seconds", 0, WT_OPT_COUNT, &page_seconds, "N", "a page that takes longer is dropped, and the run goes on"},
    {"guard", 0, WT_OPT_FLAG, &guarded, NULL, "with -o: work in a child process, so that a crash loses one page"},
    {"model", 0, WT_OPT_STRING, &model_path, "FILE", "other tables for the block classifier", "built in"},
    {0},
};

static const wt_tool tool = {
    .name = "wt-extract",
    .summary = "web pages to clean text with title, author, date and language",
    .usage = "INPUT... -o docs/",
    .description =
        "An INPUT is a WARC file (.warc, .warc.gz, .warc.zst), a page (HTML, XHTML, a feed, plain text; any charset), or a folder of these. "
        "Writes documents in Dolma's shape to docs/NNNNN.jsonl.zst: {\"id\",\"text\",\"source\",\"created\",\"added\","
        "\"metadata\"}. Navigation, related links, advertisements and the like are left out; headings, lists, tables, "
        "quotes and code are kept. Every page that gives no document is counted under one reason. "
        "Without -o the output goes to standard output; without INPUT the page comes from standard input. "
        "`wt-extract explain PAGE` writes a page for a browser: what was kept, what was dropped and why, and what each filter says.",
    .options = options,
    .example = "wt-extract crawl/ -o docs/\n"
               "wt-extract --format txt --filter none --lang any < page.html\n"
               "wt-extract explain page.html -o why.html",
    .inputs_optional = true,
};

static int explain(const wt_args *args, wt_err *err) {
    wt_buf page = {0}, html = {0};
    extract_options o = {.model_path = model_path};
    extract_page p;
    extractor *x = extractor_new(&o, err);
    wt_in *in = x ? wt_in_open(args->n_inputs > 1 ? args->inputs[1] : "-", err) : NULL;
    int result = in ? 0 : -1;
    for (ptrdiff_t n = 1; in && n > 0 && page.len <= max_page;) {
        wt_buf_reserve(&page, 1 << 16);
        n = wt_in_read(in, page.ptr + page.len, 1 << 16, err);
        if (n < 0) result = -1;
        else page.len += (size_t)n;
    }
    wt_in_close(in);
    if (result == 0) result = extract_run(x, wt_buf_view(&page), wt_str_of(url_option ? url_option : ""), WT_STR(""), &p, err);
    if (result == 0) {
        extract_explain(x, &html);
        result = wt_out_whole(args->output, wt_buf_view(&html), err);
    }
    extractor_free(x);
    wt_buf_free(&page);
    wt_buf_free(&html);
    return result;
}

/* A language nobody knows would drop every page. */
static int check_lang(wt_err *err) {
    if (strcmp(lang, "any") == 0) return 0;
    const char *code = lang_code_of(lang);
    if (!code) return wt_fail(err, WT_EARG, "--lang: no language '%s' is known; give a code such as en, de or zh, or any", lang);
    lang = code;
    return 0;
}

static int run_all(const wt_args *args, wt_err *err) {
    if (check_lang(err)) return -1;
    if (args->n_inputs && strcmp(args->inputs[0], "explain") == 0) return explain(args, err);
    wt_paths inputs = {0};
    int result = 0;
    for (int i = 0; i < args->n_inputs && result == 0; i++) result = wt_paths_add(&inputs, args->inputs[i], pages_suffixes, err);
    if (result == 0 && inputs.n == 0) result = wt_paths_add(&inputs, "-", NULL, err);
    pages_options o = {.inputs = &inputs, .output = args->output, .format = format, .source = source, .url = url_option, .lang = lang, .filter = filter_name,
                       .parser = parser, .filter_report = filter_report, .model_path = model_path, .max_page = max_page, .page_memory = page_memory,
                       .min_text = min_text, .limit = args->limit, .site_boilerplate = site_boilerplate, .force = args->force, .threads = args->threads};
    if (result == 0) result = pages_run(&o, err);
    wt_paths_free(&inputs);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    if (guarded && args.output && strcmp(args.output, "-") != 0 && wt_cluster_size() == 1 && guard_start(page_seconds) > 0)
        args.force = false;             /* what an earlier child finished is this run's */
    return wt_tool_end(&tool, run_all(&args, &err), &err);
}

/* wt-report.c - one HTML page from whatever the line left behind. The page is made in report/; the crawl's
 * state is read by the crawl stage, and this file joins the two. */
#include "common/out.h"
#include "common/tool.h"
#include "crawl/state.h"
#include "report/report.h"

static const char *title = "webtext";
static uint64_t documents_max = 200000;

static const wt_opt options[] = {
    {"title", 0, WT_OPT_STRING, &title, "TEXT", "heading of the page"},
    {"max-docs", 0, WT_OPT_COUNT, &documents_max, "N", "documents read of each folder for lengths, languages, hosts; 0: all"},
    {0},
};

static const wt_tool tool = {
    .name = "wt-report",
    .summary = "one HTML page about links, crawl, corpus, tokenizer, shards and training",
    .usage = "PATH... -o report.html",
    .description =
        "PATH is anything the line makes, in any mix: the list of links, crawl/, docs/, corpus/, tokenizer/, shards/, run/, "
        "what wt-eval wrote, and reports written with --report. What a path is, is told by what lies in it. Reports of the "
        "runs (FILE.report.json, FOLDER/report.json) are found by themselves. The page is one file without scripts and "
        "without anything from elsewhere; it can be mailed and opened years later.",
    .options = options,
    .example = "wt-report links.jsonl.zst crawl/ docs/ corpus/ tokenizer/ shards/ run/ -o report.html",
};

static int run(const wt_args *args, wt_err *err) {
    report *r = report_new(&(report_options){.title = title, .documents_max = documents_max, .crawl = crawl_state_report});
    wt_buf html = {0};
    int result = 0;
    for (int i = 0; i < args->n_inputs && result == 0; i++) result = report_add(r, args->inputs[i], err);
    if (result == 0) {
        report_write(r, &html);
        result = wt_out_whole(args->output, wt_buf_view(&html), err);
    }
    if (result == 0) wt_report_count("sections", (uint64_t)args->n_inputs), wt_report_count("bytes of HTML", html.len);
    wt_buf_free(&html);
    report_free(r);
    return result;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, run(&args, &err), &err);
}

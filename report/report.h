/* report.h - one page about a corpus and the model trained on it. Give it what the tools left behind -
 * the list of links, folders of crawl, documents, tokenizer, shards, run, reports in JSON, in any mix - and
 * it finds out what each is, reads what it needs, and draws. Sections come in the order of the line.
 *
 *     report *r = report_new(&(report_options){.title = "webtext"});
 *     if (report_add(r, "run/", &err) == 0) report_write(r, &html);
 *     report_free(r);                                                                              */
#ifndef WT_REPORT_REPORT_H
#define WT_REPORT_REPORT_H

#include "common/err.h"
#include "common/str.h"

typedef struct report report;

typedef struct {
    const char *title;          /* borrowed as long as the report lives */
    uint64_t documents_max;     /* read of each folder of documents; 0: all */
    /* Appends what a crawl's state file says as JSON (crawl_state_report does). NULL: crawls are not known. */
    int (*crawl)(const char *dir, wt_buf *json, wt_err *err);
} report_options;

report *report_new(const report_options *options);    /* options are copied; report_free() it */
void report_free(report *r);
/* Reads what lies at path, now; a folder of rank-000, rank-001 ... is all of these. -1 with WT_EDATA where it is nothing the
 * line makes, or damaged, WT_EARG for a crawl where options.crawl is NULL, and the codes of reading; then only free the report. */
int report_add(report *r, const char *path, wt_err *err);
/* Appends the whole page, to html, which the caller frees. */
void report_write(const report *r, wt_buf *html);

#endif

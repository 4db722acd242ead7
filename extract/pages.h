/* pages.h - what wt-extract does: WARC files and HTML pages to documents. Inputs are cut into units (a WARC file, or up
 * to 4,096 page files); a unit becomes one output file, written whole or not at all, so a killed run goes on with
 * the units it had not finished. Within a unit pages are read in one thread, extracted in many, written in the
 * order of reading. Files: pages_read.c, pages_work.c, pages_notes.c (counts), pages_site.c (boilerplate of
 * sites), pages.c (units, the run). */
#ifndef WT_EXTRACT_PAGES_H
#define WT_EXTRACT_PAGES_H

#include "common/fs.h"
#include "extract/extract.h"

typedef struct {
    const wt_paths *inputs;
    const char *output;             /* a folder; NULL or "-": standard output */
    const char *format;             /* jsonl, txt, md, tei */
    const char *source, *url, *lang, *filter, *parser;
    const char *filter_report, *model_path;     /* files; NULL: none, built in */
    uint64_t max_page, page_memory, min_text;
    uint64_t limit;                 /* pages; 0: all */
    bool site_boilerplate, force;
    int threads;
} pages_options;

extern const char *const pages_suffixes[];      /* of the files that a folder is searched for */

/* Runs, or goes on with, the work. 0, or -1 with *err. */
int pages_run(const pages_options *o, wt_err *err);

#endif

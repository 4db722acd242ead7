/* report_impl.h - what the sections share. Inside the stage only. */
#ifndef WT_REPORT_REPORT_IMPL_H
#define WT_REPORT_REPORT_IMPL_H

#include "common/json.h"
#include "common/tally.h"
#include "report/page.h"
#include "report/report.h"

typedef enum {
    KIND_LINKS, KIND_CRAWL, KIND_DOCUMENTS, KIND_CORPUS, KIND_TOKENIZER, KIND_SHARDS, KIND_RUN,
    KIND_EVAL, KIND_FACTS, KIND_UNKNOWN
} report_kind;

/* What path is, by what lies in it; KIND_UNKNOWN with *err set. */
report_kind report_kind_of(const char *path, wt_err *err);

/* The report that a run left beside its output ("X.report.json", "X/report.json", or X itself). The
 * text goes to *text, which the value lies in; kind NONE where there is none. */
wt_json report_facts_of(const char *path, wt_buf *text);
/* Tiles of times and, if asked for, counts; bars of what was dropped and why. */
void report_add_facts(wt_buf *out, wt_json facts, bool counts);

/* How much text and how many tokens a part holds, where it is known to the last document; else 0. */
typedef struct {
    uint64_t documents, text_bytes, tokens;
} report_extent;

/* Sections; each appends to out. */
int report_links(wt_buf *out, const char *path, wt_json facts, wt_err *err);
int report_crawl(wt_buf *out, wt_json state, wt_err *err);
int report_documents(wt_buf *out, const char *path, uint64_t documents_max, report_extent *extent, wt_err *err);
int report_tokenizer(wt_buf *out, const char *path, wt_err *err);
int report_shards(wt_buf *out, const char *path, report_extent *extent, wt_err *err);
int report_run(wt_buf *out, const char *path, wt_err *err);

/* ---- small helpers ---- */
double report_number(wt_json object, const char *key);          /* NaN where there is none */
/* Bars of an object {"name":n,...} or an array [["name",n],...], at most `most` of them. whole: what shares
 * are shares of; 0: no shares; below 0: the sum of all. */
void report_bars(wt_buf *out, const char *heading, wt_json counts, size_t most, double whole);
void report_tally_bars(wt_buf *out, const char *heading, const wt_tally *t, size_t most);
void report_tile(wt_buf *out, const char *label, double x, void (*format)(wt_buf *, double));

#endif

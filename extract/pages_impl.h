/* pages_impl.h - what the files of pages.h share. */
#ifndef WT_EXTRACT_PAGES_IMPL_H
#define WT_EXTRACT_PAGES_IMPL_H

#include "common/frames.h"
#include "common/in.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/tool.h"
#include "common/warc.h"
#include "extract/pages.h"

/* One page on its way. */
typedef struct {
    wt_buf url, date, type, body, encoding;     /* body: the block of a response, or a page's bytes */
    bool is_http;                               /* body starts with a status line */
    uint64_t key;                               /* of the guard */
    const char *drop;                           /* why there is no document; NULL: there is one */
    bool other_parser;                          /* the wanted one refused the page */
    char drop_text[48];
    wt_buf out, id, example;
} page_item;

typedef struct {
    extractor *x;
    wt_buf http, decoded, scratch, text, meta;
    wt_arena *arena;
} worker;

typedef struct {
    const char *name;
    uint64_t n;
    int n_examples;
    wt_buf examples;
} rule_count;

typedef struct {
    const pages_options *o;
    worker *workers;
    int n_workers;
    extract_filter filter;
    /* the unit being read */
    size_t next_input, end_input;
    wt_in *in;
    wt_warc_reader *warc;
    wt_err read_error;
    /* the unit being written */
    wt_press *press;            /* compresses documents, beside all else */
    wt_frames *documents;       /* of a unit in a folder, where they are JSON lines */
    wt_out *out;                /* standard output */
    const char *dir;
    uint64_t n_in, n_documents, n_text_bytes, n_records, n_other_parser;
    rule_count *rules;
    size_t n_rules, rules_cap;
    uint64_t limit_left;
    bool limited;
} run;

/* The sum of all units, from their notes. */
typedef struct {
    uint64_t records, pages, documents, bytes, other_parser;
    rule_count *rules;
    size_t n_rules, cap;
} totals;

/* ---- pages_read.c, pages_work.c: the pipeline's ends ---- */
int pages_read(void *ctx, void *p, wt_err *err);
void pages_input_close(run *r);
int pages_work(void *ctx, void *p, int i_thread, wt_err *err);
void pages_set(wt_buf *b, wt_str s);

/* ---- pages_notes.c: what was read, written and dropped ---- */
void pages_count_drop(run *r, const char *rule, const wt_buf *example);
void pages_reset_counts(run *r);
void pages_counts_write(const run *r, wt_buf *json);
void pages_totals_add(totals *t, wt_str json);
/* To the run's report, and the examples to --filter-report. */
int pages_report(totals *t, const pages_options *o, wt_err *err);

/* "dir/00012.jsonl.zst" */
char *pages_unit_path(const char *dir, size_t i_unit, const char *prefix, const char *suffix);
/* ---- pages_site.c ---- */
int pages_cut_sites(const char *raw, const char *dir, size_t n_units, uint64_t min_text, wt_press *press, wt_str key, wt_err *err);
/* With the provenance of a run of this key; frees the file, also where result is a failure, which is then returned. */
int pages_close_documents(wt_frames *documents, int result, wt_str key, wt_err *err);

#endif

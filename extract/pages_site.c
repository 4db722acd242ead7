/* pages_site.c - the second pass of --site-boilerplate: lines are counted over all documents, then cut from each. */
#include <stdlib.h>

#include "common/doc.h"
#include "extract/pages_impl.h"

static int for_each_document(const char *path, int (*each)(void *, const wt_doc *, wt_arena *, wt_err *), void *ctx, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    if (!in) return -1;
    wt_arena *arena = wt_arena_new(0);
    wt_str line;
    int got;
    while ((got = wt_in_line(in, WT_DOC_LINE_MAX, &line, NULL, err)) == 1) {
        wt_doc doc;
        wt_arena_reset(arena);
        if (wt_doc_parse(line, arena, &doc, err) || each(ctx, &doc, arena, err)) {
            got = -1;
            break;
        }
    }
    wt_arena_free(arena);
    wt_in_close(in);
    return got;
}

static int count_lines(void *ctx, const wt_doc *doc, wt_arena *arena, wt_err *err) {
    site_lines_count(ctx, wt_doc_meta(doc, "url", arena), doc->text);
    return 0;
}

typedef struct {
    const site_lines *lines;
    wt_frames *out;
    wt_buf text, line;
    uint64_t min_text, n_lines, n_empty;
} cutter;

static int cut_lines(void *ctx, const wt_doc *doc, wt_arena *arena, wt_err *err) {
    cutter *c = ctx;
    wt_buf_clear(&c->text);
    c->n_lines += site_lines_cut(c->lines, wt_doc_meta(doc, "url", arena), doc->text, &c->text);
    wt_doc shorter = *doc;
    shorter.text = wt_buf_view(&c->text);
    if (shorter.text.len < c->min_text) {
        c->n_empty++;
        return 0;
    }
    wt_buf_clear(&c->line);
    wt_doc_write(&c->line, &shorter);
    return wt_frames_write(c->out, wt_buf_view(&c->line), err);
}

/* The units' files are in `raw`; lines are counted over all of them, then each is written to `dir`. */
int pages_cut_sites(const char *raw, const char *dir, size_t n_units, uint64_t min_text, wt_press *press, wt_str key, wt_err *err) {
    site_lines *lines = site_lines_new();
    cutter c = {.lines = lines, .min_text = min_text};
    int result = 0;
    for (size_t i = 0; i < n_units && result == 0; i++) {
        char *path = pages_unit_path(raw, i, "", ".jsonl.zst");
        result = for_each_document(path, count_lines, lines, err);
        free(path);
    }
    for (size_t i = 0; i < n_units && result == 0; i++) {
        if (wt_stop_requested()) result = wt_stop_error(err);
        char *from = pages_unit_path(raw, i, "", ".jsonl.zst"), *to = pages_unit_path(dir, i, "", ".jsonl.zst");
        c.out = result == 0 ? wt_frames_open(to, press, err) : NULL;
        if (!c.out) result = -1;
        if (result == 0) result = for_each_document(from, cut_lines, &c, err);
        result = pages_close_documents(c.out, result, key, err);
        free(from);
        free(to);
    }
    wt_report_count("boilerplate lines cut", c.n_lines);
    wt_report_drop("nothing but site boilerplate", c.n_empty);
    wt_buf_free(&c.text);
    wt_buf_free(&c.line);
    site_lines_free(lines);
    return result;
}

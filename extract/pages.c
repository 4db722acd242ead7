/* pages.c - see pages.h: units, their output files, the run as a whole. */
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/pipeline.h"
#include "extract/pages_impl.h"

enum { PAGES_A_UNIT = 4096 };

/* ---- writing ---- */
static const char *extension(const run *r) { return strcmp(r->o->format, "tei") == 0 ? "xml" : r->o->format; }

static int write_page_file(run *r, const page_item *it, wt_err *err) {
    wt_hash128 h = wt_hash128_of(it->id.ptr, it->id.len, 0);
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/%016llx%016llx.%s", r->dir, (unsigned long long)h.hi, (unsigned long long)h.lo, extension(r));
    int result = wt_write_file(path.ptr, wt_buf_view(&it->out), err);
    wt_buf_free(&path);
    return result;
}

static int write_item(void *ctx, void *p, wt_err *err) {
    run *r = ctx;
    page_item *it = p;
    wt_progress_add(1);
    r->n_other_parser += it->other_parser;
    if (it->drop) {
        pages_count_drop(r, it->drop, &it->example);
        return 0;
    }
    bool first = r->n_documents++ == 0;
    r->n_text_bytes += it->out.len;
    if (r->documents) return wt_frames_write(r->documents, wt_buf_view(&it->out), err);
    if (r->dir) return write_page_file(r, it, err);
    if (!first && strcmp(r->o->format, "jsonl") != 0 && wt_out_str(r->out, WT_STR("\f\n"), err)) return -1;
    return wt_out_str(r->out, wt_buf_view(&it->out), err);
}

/* ---- units ---- */
typedef struct {
    size_t first, end;          /* inputs */
} unit;

const char *const pages_suffixes[] = {
    ".warc", ".warc.gz", ".warc.zst", ".html", ".htm", ".xhtml", ".html.gz", ".htm.gz", ".html.zst", ".html.xz", ".html.bz2", NULL};

static bool is_warc_name(const char *path) {
    for (int i = 0; WT_WARC_SUFFIXES[i]; i++)
        if (wt_str_ends(wt_str_of(path), wt_str_of(WT_WARC_SUFFIXES[i]))) return true;
    return false;
}

static unit *make_units(const wt_paths *inputs, size_t *n_units) {
    unit *units = NULL;
    size_t cap = 0;
    *n_units = 0;
    for (size_t i = 0; i < inputs->n;) {
        size_t end = i + 1;
        if (!is_warc_name(inputs->path[i]))
            while (end < inputs->n && end - i < PAGES_A_UNIT && !is_warc_name(inputs->path[end])) end++;
        WT_GROW(units, cap, *n_units + 1);
        units[(*n_units)++] = (unit){i, end};
        i = end;
    }
    return units;
}

char *pages_unit_path(const char *dir, size_t i_unit, const char *prefix, const char *suffix) {
    wt_buf b = {0};
    wt_buf_printf(&b, "%s/%s%05zu%s", dir, prefix, i_unit, suffix);
    return b.ptr;
}

static void *item_new(void *ctx) { return wt_xcalloc(1, sizeof(page_item)); }

static void item_free(void *ctx, void *p) {
    page_item *it = p;
    wt_buf *all[] = {&it->url, &it->date, &it->type, &it->body, &it->encoding, &it->out, &it->id, &it->example};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) wt_buf_free(all[i]);
    free(it);
}

static void compress(void *ctx) { wt_press_work(((run *)ctx)->press); }

/* Runs one unit's pages through the pipeline into r->documents, single files or r->out. */
static int run_pages(run *r, const unit *u, wt_err *err) {
    r->next_input = u->first;
    r->end_input = u->end;
    wt_pipeline pipeline = {.ctx = r, .threads = r->n_workers, .n_slots = 16 * r->n_workers, .stop_on_signal = true,
                            .item_new = item_new, .item_free = item_free, .read = pages_read, .work = pages_work,
                            .write = write_item, .beside = compress};
    int result = wt_pipeline_run(&pipeline, err);
    pages_input_close(r);
    return result;
}

int pages_close_documents(wt_frames *documents, int result, wt_str key, wt_err *err) {
    if (!documents || result) {
        wt_frames_abort(documents);
        return result;
    }
    wt_buf note = {0};
    wt_provenance(&note, key);
    result = wt_frames_commit(documents, wt_buf_view(&note), err);
    wt_buf_free(&note);
    return result;
}

static int run_unit(run *r, size_t i_unit, const unit *u, wt_str key, wt_err *err) {
    char *done = pages_unit_path(r->dir, i_unit, ".", ".done"), *path = pages_unit_path(r->dir, i_unit, "", ".jsonl.zst");
    wt_buf note = {0};
    int result = 0;
    pages_reset_counts(r);
    if (strcmp(r->o->format, "jsonl") == 0 && !(r->documents = wt_frames_open(path, r->press, err))) result = -1;
    if (result == 0) result = run_pages(r, u, err);
    result = pages_close_documents(r->documents, result, key, err);
    r->documents = NULL;
    pages_counts_write(r, &note);
    if (result == 0) result = wt_write_file(done, wt_buf_view(&note), err);
    wt_buf_free(&note);
    free(done);
    free(path);
    return result;
}

/* ---- the run ---- */
static void describe(wt_buf *key, const pages_options *o) {
    wt_buf_printf(key, "{\"version\":\"%s\",\"format\":\"%s\",\"lang\":", WT_VERSION, o->format);
    wt_json_add_string(key, wt_str_of(o->lang));
    wt_buf_printf(key, ",\"filter\":\"%s\",\"parser\":\"%s\",\"max_page\":%llu,\"page_memory\":%llu,\"min_text\":%llu,\"limit\":%llu,\"site_boilerplate\":%s,\"source\":",
                  o->filter, o->parser, (unsigned long long)o->max_page, (unsigned long long)o->page_memory, (unsigned long long)o->min_text, (unsigned long long)o->limit,
                  o->site_boilerplate ? "true" : "false");
    wt_json_add_string(key, wt_str_of(o->source));
    wt_buf_add_str(key, WT_STR(",\"url\":"));
    wt_json_add_string(key, wt_str_of(o->url ? o->url : ""));
    wt_buf_add_str(key, WT_STR(",\"model\":"));
    wt_json_add_string(key, wt_str_of(o->model_path ? o->model_path : "built in"));
    wt_buf_add_str(key, WT_STR(",\"inputs\":["));
    for (size_t i = 0; i < o->inputs->n; i++) wt_run_key_input(key, o->inputs->path[i]);
    wt_buf_add_str(key, WT_STR("]}"));
}

static extract_filter filter_of(const char *name) {
    static const char *const names[] = {"none", "webtext", "c4", "gopher", "fineweb"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) return (extract_filter)i;
    return FILTER_NONE;
}

static int open_workers(run *r, wt_err *err) {
    extract_options o = {.page_bytes_max = r->o->max_page, .page_memory_max = r->o->page_memory, .model_path = r->o->model_path};
    o.parser = strcmp(r->o->parser, "gumbo") == 0 ? EXTRACT_PARSER_GUMBO : strcmp(r->o->parser, "fast") == 0 ? EXTRACT_PARSER_FAST : EXTRACT_PARSER_AUTO;
    o.format = strcmp(r->o->format, "md") == 0 ? EXTRACT_MARKDOWN : strcmp(r->o->format, "tei") == 0 ? EXTRACT_TEI : EXTRACT_TEXT;
    r->workers = wt_xcalloc((size_t)r->n_workers, sizeof *r->workers);
    for (int i = 0; i < r->n_workers; i++)
        if (!(r->workers[i].x = extractor_new(&o, err))) return -1;
    return 0;
}

static void close_workers(run *r) {
    for (int i = 0; i < r->n_workers && r->workers; i++) {
        worker *w = &r->workers[i];
        extractor_free(w->x);
        wt_buf *all[] = {&w->http, &w->decoded, &w->scratch, &w->text, &w->meta};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) wt_buf_free(all[k]);
    }
    free(r->workers);
}

static int to_stdout(run *r, wt_err *err) {
    totals t = {0};
    wt_buf counts = {0};
    r->out = wt_out_open(NULL, err);
    if (!r->out) return -1;
    unit all = {0, r->o->inputs->n};
    int result = run_pages(r, &all, err);
    if (result == 0) result = wt_out_commit(r->out, err);
    else wt_out_abort(r->out);
    pages_counts_write(r, &counts);
    pages_totals_add(&t, wt_buf_view(&counts));
    wt_buf_free(&counts);
    return pages_report(&t, r->o, err) || result ? -1 : 0;
}

/* All units of this rank; then the notes of all. */
static int to_folder(run *r, wt_str key, wt_err *err) {
    size_t n_units;
    unit *units = make_units(r->o->inputs, &n_units);
    char *raw = r->o->site_boilerplate ? wt_path_join(r->o->output, ".raw") : wt_xstrdup(r->o->output);
    r->dir = raw;
    int result = wt_mkdirs(raw, err);
    wt_progress_begin("extract", "pages", 0);
    for (size_t i = 0; i < n_units && result == 0; i++) {
        if ((int)(i % (size_t)wt_cluster_size()) != wt_cluster_rank()) continue;
        char *done = pages_unit_path(raw, i, ".", ".done");
        wt_buf note = {0};
        if (!wt_exists(done)) result = run_unit(r, i, &units[i], key, err);
        else if (r->limited && wt_read_file(done, 64 << 20, &note, NULL) == 0) {
            totals t = {0};
            pages_totals_add(&t, wt_buf_view(&note));
            r->limit_left -= t.pages < r->limit_left ? t.pages : r->limit_left;
        }
        wt_buf_free(&note);
        free(done);
    }
    wt_progress_end();
    free(units);
    result = wt_cluster_agree(result, err);
    if (result == 0 && r->o->site_boilerplate && wt_cluster_rank() == 0) result = pages_cut_sites(raw, r->o->output, n_units, r->o->min_text, r->press, key, err);
    totals t = {0};
    for (size_t i = 0; i < n_units && result == 0; i++) {
        char *done = pages_unit_path(raw, i, ".", ".done");
        wt_buf note = {0};
        result = wt_read_file(done, 64 << 20, &note, err);
        pages_totals_add(&t, wt_buf_view(&note));
        wt_buf_free(&note);
        free(done);
    }
    if (result == 0) result = pages_report(&t, r->o, err);
    if (result == 0) result = wt_run_finish(r->o->output, true, key, err);
    if (result == 0 && r->o->site_boilerplate && wt_cluster_rank() == 0) result = wt_remove_tree(raw, err);
    free(raw);
    return result;
}

int pages_run(const pages_options *o, wt_err *err) {
    if (o->site_boilerplate && (!o->output || strcmp(o->format, "jsonl") != 0)) return wt_fail(err, WT_EARG, "--site-boilerplate needs -o and --format jsonl");
    if (o->limit && wt_cluster_size() > 1) return wt_fail(err, WT_EARG, "--limit counts on one machine only; run without mpirun");
    run r = {.o = o, .n_workers = o->threads, .filter = filter_of(o->filter), .limited = o->limit > 0, .limit_left = o->limit};
    bool folder = o->output && strcmp(o->output, "-") != 0;
    wt_buf key = {0};
    describe(&key, o);
    int state = wt_run_begin(folder ? o->output : NULL, true, wt_buf_view(&key), o->force, err), result = state < 0 ? -1 : 0;
    if (state == WT_RUN_FRESH || state == WT_RUN_CONTINUE) {
        r.press = wt_press_new(o->threads);
        result = open_workers(&r, err);
        if (result == 0) result = folder ? to_folder(&r, wt_buf_view(&key), err) : to_stdout(&r, err);
        close_workers(&r);
        wt_press_free(r.press);
    }
    pages_reset_counts(&r);
    free(r.rules);
    wt_buf_free(&key);
    return result;
}

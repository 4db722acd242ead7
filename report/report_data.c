/* report_data.c - sections about links, crawls and documents. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/doc.h"
#include "common/fs.h"
#include "common/in.h"
#include "report/report_impl.h"

/* ---- links ---- */
/* The scores and months that the run counted, all link posts of the dumps. */
static void add_scan(wt_buf *out, wt_json scan) {
    wt_json_iter it;
    wt_json v;
    wt_str key;
    page_bar bar[32], *month = NULL;
    double *reaching = NULL;
    size_t n = 0, n_months = 0, cap = 0;
    if (wt_json_iter_init(&it, wt_json_get(scan, "scores"), NULL)) return;
    while (n < 32 && wt_json_next(&it, &key, &v, NULL) == 1) bar[n++] = (page_bar){key, report_number(v, NULL)};
    page_columns(out, "Link posts in the dumps by score", bar, NULL, n, NULL, NULL);
    n = 0;
    if (wt_json_iter_init(&it, wt_json_get(scan, "months"), NULL) == 0)
        while (wt_json_next(&it, &key, &v, NULL) == 1) {
            WT_GROW(month, cap, n_months + 1);
            reaching = wt_xrealloc(reaching, cap * sizeof *reaching);
            month[n_months] = (page_bar){key, report_number(v, "links")};
            reaching[n_months++] = report_number(v, "reaching");
        }
    if (n_months > 1)
        page_columns(out, "Link posts by month", month, reaching, n_months, "all", "of these, score at or above the minimum");
    free(month), free(reaching);
}

static wt_str host_in(wt_str url) {
    ptrdiff_t scheme = wt_str_find(url, WT_STR("://"));
    if (scheme < 0) return (wt_str){0};
    url.ptr += scheme + 3, url.len -= (size_t)scheme + 3;
    size_t end = 0;
    while (end < url.len && !strchr("/?#:", url.ptr[end])) end++;
    url.len = end;
    if (wt_str_starts(url, WT_STR("www."))) url.ptr += 4, url.len -= 4;
    return url;
}

/* Without the run's report the list itself is read. */
static int scan_links(wt_buf *out, const char *path, wt_err *err) {
    static const int64_t from[] = {0, 1, 2, 3, 5, 10, 20, 50, 100, 500, 1000, 5000};
    static const char *const label[] = {"below 0", "0", "1", "2", "3-4", "5-9", "10-19", "20-49", "50-99", "100-499", "500-999",
                                        "1000-4999", "5000+"};
    static const wt_str keys[] = {{"url", 3}, {"score", 5}};
    double count[13] = {0};
    wt_json v[2];
    wt_str line;
    wt_in *in = wt_in_open(path, err);
    if (!in) return -1;
    wt_arena *arena = wt_arena_new(0);
    wt_tally *hosts = wt_tally_new();
    uint64_t n = 0;
    int got;
    while ((got = wt_in_line(in, WT_DOC_LINE_MAX, &line, NULL, err)) > 0) {
        int64_t score;
        wt_arena_reset(arena);
        if (wt_json_pick(line, keys, 2, v, NULL) || wt_json_i64(v[1], &score)) continue;
        int bin = 0;
        while (bin < 12 && score >= from[bin]) bin++;
        count[bin]++, n++;
        wt_tally_add(hosts, host_in(wt_json_string(v[0], arena)), 1);
    }
    page_bar bar[13];
    for (int i = 0; i < 13; i++) bar[i] = (page_bar){wt_str_of(label[i]), count[i]};
    page_tiles(out);
    report_tile(out, "links", (double)n, page_number);
    report_tile(out, "hosts", (double)wt_tally_names(hosts), page_number);
    page_tiles_end(out);
    page_columns(out, "Links by score", bar, NULL, 13, NULL, NULL);
    report_tally_bars(out, "Most linked hosts", hosts, 20);
    wt_tally_free(hosts);
    wt_arena_free(arena);
    wt_in_close(in);
    return got < 0 ? -1 : 0;
}

static void add_files(wt_buf *out, wt_json files) {
    static const char *const headings[] = {"dump", ">records", ">bytes of JSON", ">taken"};
    wt_json_iter it;
    wt_json v;
    if (wt_json_iter_init(&it, files, NULL)) return;
    wt_arena *arena = wt_arena_new(0);
    page_heading(out, "Dumps");
    page_table(out, headings, 4);
    while (wt_json_next(&it, NULL, &v, NULL) == 1) {
        wt_json counts = wt_json_get(v, "counts");
        page_cell(out, wt_json_string(wt_json_get(v, "name"), arena));
        page_cell_number(out, report_number(counts, "records"));
        page_cell_number(out, report_number(counts, "bytes"));
        page_cell_number(out, report_number(wt_json_get(counts, "verdicts"), "taken"));
        page_row_end(out);
    }
    page_table_end(out);
    wt_arena_free(arena);
}

int report_links(wt_buf *out, const char *path, wt_json facts, wt_err *err) {
    wt_json more = wt_json_get(facts, "more"), scan = wt_json_get(more, "scan");
    if (scan.kind != WT_JSON_OBJECT) return scan_links(out, path, err);
    add_scan(out, scan);
    report_bars(out, "Most linked domains", wt_json_get(more, "top_domains"), 25, 0);
    add_files(out, wt_json_get(more, "files"));
    return 0;
}

/* ---- crawl ---- */
static const char *status_text(int status) {
    static const struct { int status; const char *text; } list[] = {
        {200, "OK"}, {204, "No Content"}, {206, "Partial Content"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
        {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"}, {400, "Bad Request"}, {401, "Unauthorized"},
        {402, "Payment Required"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
        {408, "Request Timeout"}, {410, "Gone"}, {418, "I'm a teapot"}, {421, "Misdirected Request"}, {429, "Too Many Requests"},
        {451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
        {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {520, "Unknown Error"}, {521, "Web Server Is Down"}, {522, "Connection Timed Out"},
        {523, "Origin Is Unreachable"}, {525, "SSL Handshake Failed"}, {526, "Invalid SSL Certificate"}, {530, "Site Frozen"},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        if (list[i].status == status) return list[i].text;
    return "";
}

static void add_statuses(wt_buf *out, wt_json statuses) {
    static const char *const headings[] = {"status", "", ">answers", ">share"};
    wt_json_iter it;
    wt_json v;
    wt_str key;
    double sum = 0;
    if (wt_json_iter_init(&it, statuses, NULL)) return;
    while (wt_json_next(&it, NULL, &v, NULL) == 1) sum += report_number(v, NULL);
    if (sum <= 0 || wt_json_iter_init(&it, statuses, NULL)) return;
    page_heading(out, "HTTP status");
    page_table(out, headings, 4);
    while (wt_json_next(&it, &key, &v, NULL) == 1) {
        page_cell(out, key);
        page_cell(out, wt_str_of(status_text(atoi(key.ptr))));
        page_cell_number(out, report_number(v, NULL));
        wt_buf_printf(out, "<td class=\"r\">%.1f %%</td>", 100 * report_number(v, NULL) / sum);
        page_row_end(out);
    }
    page_table_end(out);
}

static void add_failures(wt_buf *out, wt_json failures) {
    static const char *const headings[] = {"outcome", "why", ">addresses"};
    wt_json_iter it, row;
    wt_json v, cell;
    wt_arena *arena = wt_arena_new(0);
    bool any = false;
    if (wt_json_iter_init(&it, failures, NULL) == 0)
        while (wt_json_next(&it, NULL, &v, NULL) == 1 && wt_json_iter_init(&row, v, NULL) == 0) {
            if (!any) page_heading(out, "Failures"), page_table(out, headings, 3);
            any = true;
            while (wt_json_next(&row, NULL, &cell, NULL) == 1) {
                if (cell.kind == WT_JSON_NUMBER) page_cell_number(out, report_number(cell, NULL));
                else page_cell(out, wt_json_string(cell, arena));
            }
            page_row_end(out);
        }
    if (any) page_table_end(out);
    wt_arena_free(arena);
}

/* [[from, n], ...] as columns. */
static void add_histogram(wt_buf *out, const char *title, wt_json rows, void (*format)(wt_buf *, double)) {
    wt_json_iter it, row;
    wt_json v, from, count;
    page_bar bar[64];
    wt_buf label[64] = {0};
    size_t n = 0;
    double sum = 0;
    if (wt_json_iter_init(&it, rows, NULL)) return;
    while (n < 64 && wt_json_next(&it, NULL, &v, NULL) == 1) {
        if (wt_json_iter_init(&row, v, NULL) || wt_json_next(&row, NULL, &from, NULL) != 1 ||
            wt_json_next(&row, NULL, &count, NULL) != 1)
            continue;
        format(&label[n], report_number(from, NULL));
        bar[n] = (page_bar){wt_buf_view(&label[n]), report_number(count, NULL)};
        sum += bar[n++].value;
    }
    if (sum > 0) page_columns(out, title, bar, NULL, n, NULL, NULL);
    for (size_t i = 0; i < n; i++) wt_buf_free(&label[i]);
}

static void milliseconds(wt_buf *out, double ms) {
    if (ms < 1000) wt_buf_printf(out, "%.0f ms", ms);
    else wt_buf_printf(out, "%.1f s", ms / 1000);
}

static void add_progress(wt_buf *out, wt_json rows) {
    wt_json_iter it, row;
    wt_json v, cell;
    double at[256] = {0}, pages[256] = {0}, all[256] = {0};
    size_t n = 1;
    if (wt_json_iter_init(&it, rows, NULL)) return;
    while (n < 256 && wt_json_next(&it, NULL, &v, NULL) == 1 && wt_json_iter_init(&row, v, NULL) == 0) {
        double x[3] = {0};
        for (int k = 0; k < 3 && wt_json_next(&row, NULL, &cell, NULL) == 1; k++) x[k] = report_number(cell, NULL);
        at[n] = x[0], pages[n] = pages[n - 1] + x[1], all[n] = all[n - 1] + x[2];
        n++;
    }
    if (n < 3 || at[n - 1] <= 0) return;
    const page_series series[] = {{.name = "pages", .x = at, .y = pages, .n = n}, {.name = "addresses done", .x = at, .y = all, .n = n}};
    page_lines(out, &(page_axes){.title = "Progress", .x_label = "seconds since the first request", .from_zero = true}, series, 2);
}

int report_crawl(wt_buf *out, wt_json state, wt_err *err) {
    wt_json warc = wt_json_get(state, "warc"), hosts = wt_json_get(state, "hosts");
    page_tiles(out);
    report_tile(out, "addresses", report_number(state, "urls"), page_number);
    report_tile(out, "of these by redirects", report_number(state, "from_redirects"), page_number);
    report_tile(out, "pages", report_number(state, "pages"), page_number);
    report_tile(out, "still to do", report_number(state, "pending"), page_number);
    report_tile(out, "hosts", report_number(hosts, "known"), page_number);
    report_tile(out, "hosts given up", report_number(hosts, "parked"), page_number);
    report_tile(out, "WARC files", report_number(warc, "files"), page_number);
    report_tile(out, "in them", report_number(warc, "bytes"), page_bytes);
    page_tiles_end(out);
    report_bars(out, "What became of the addresses", wt_json_get(state, "outcomes"), 20, -1);
    add_statuses(out, wt_json_get(state, "statuses"));
    add_failures(out, wt_json_get(state, "failures"));
    add_progress(out, wt_json_get(state, "progress"));
    add_histogram(out, "Pages by size of the body (from ... to twice that)", wt_json_get(state, "sizes"), page_bytes);
    add_histogram(out, "Answers by time taken (from ... to twice that)", wt_json_get(state, "times"), milliseconds);
    report_bars(out, "Pages by type", wt_json_get(state, "types"), 12, -1);
    report_bars(out, "Hosts with most pages", wt_json_get(state, "top_hosts"), 15, 0);
    report_bars(out, "robots.txt", wt_json_get(state, "robots"), 10, -1);
    return 0;
}

/* ---- documents ---- */
enum { N_LENGTHS = 13 };
static const double length_from[N_LENGTHS] = {0, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000};

typedef struct {
    wt_arena *arena;
    wt_tally *langs, *hosts, *years;
    double length[N_LENGTHS];
    uint64_t n, bytes, no_text;
} survey;

static void survey_document(survey *s, wt_str line) {
    wt_doc doc;
    wt_arena_reset(s->arena);
    if (wt_doc_parse(line, s->arena, &doc, NULL) || !doc.has_text) {
        s->no_text++;
        return;
    }
    int bin = N_LENGTHS - 1;
    while (bin && (double)doc.text.len < length_from[bin]) bin--;
    s->length[bin]++, s->n++, s->bytes += doc.text.len;
    wt_str lang = wt_doc_meta(&doc, "lang", s->arena), url = wt_doc_meta(&doc, "url", s->arena);
    wt_str date = wt_doc_meta(&doc, "date", s->arena);
    if (lang.len) wt_tally_add(s->langs, lang, 1);
    if (host_in(url).len) wt_tally_add(s->hosts, host_in(url), 1);
    if (date.len >= 4 && date.ptr[0] >= '1' && date.ptr[0] <= '2') wt_tally_add(s->years, (wt_str){date.ptr, 4}, 1);
}

static int survey_file(survey *s, const char *path, uint64_t most, wt_err *err) {
    wt_str line;
    int got = 1;
    wt_in *in = wt_in_open(path, err);
    if (!in) return -1;
    while ((!most || s->n < most) && (got = wt_in_line(in, WT_DOC_LINE_MAX, &line, NULL, err)) > 0) survey_document(s, line);
    wt_in_close(in);
    return got < 0 ? -1 : 0;
}

static int year_order(const void *a, const void *b) {
    const wt_tally_entry *x = a, *y = b;
    return wt_str_cmp(x->name, y->name);
}

static void add_survey(wt_buf *out, const survey *s, bool partial, uint64_t most) {
    wt_buf label[N_LENGTHS] = {0};
    page_bar bar[N_LENGTHS];
    page_tiles(out);
    report_tile(out, partial ? "documents read here" : "documents", (double)s->n, page_number);
    report_tile(out, "of text", (double)s->bytes, page_bytes);
    report_tile(out, "mean length", s->n ? (double)s->bytes / (double)s->n : 0, page_bytes);
    report_tile(out, "hosts", (double)wt_tally_names(s->hosts), page_number);
    page_tiles_end(out);
    if (partial) page_note(out, "What follows is from the first %llu documents.", (unsigned long long)most);
    if (s->no_text) page_note(out, "%llu lines hold no document.", (unsigned long long)s->no_text);
    for (int i = 0; i < N_LENGTHS; i++) {
        page_short(&label[i], length_from[i]);
        bar[i] = (page_bar){wt_buf_view(&label[i]), s->length[i]};
    }
    if (s->n) page_columns(out, "Documents by length of the text (from ... bytes)", bar, NULL, N_LENGTHS, NULL, NULL);
    for (int i = 0; i < N_LENGTHS; i++) wt_buf_free(&label[i]);
    report_tally_bars(out, "Languages", s->langs, 12);
    report_tally_bars(out, "Hosts with most documents", s->hosts, 15);
    size_t n_years;
    wt_tally_entry *year = wt_tally_sorted(s->years, &n_years);
    page_bar *years = wt_xmalloc((n_years + 1) * sizeof *years);
    if (n_years) qsort(year, n_years, sizeof *year, year_order);
    for (size_t i = 0; i < n_years; i++) years[i] = (page_bar){year[i].name, (double)year[i].n};
    if (n_years > 1) page_columns(out, "Documents by the year they carry", years, NULL, n_years, NULL, NULL);
    free(years), free(year);
}

int report_documents(wt_buf *out, const char *path, uint64_t documents_max, report_extent *extent, wt_err *err) {
    wt_paths files = {0};
    if (wt_paths_add(&files, path, WT_JSONL_SUFFIXES, err)) return -1;
    survey s = {.arena = wt_arena_new(0), .langs = wt_tally_new(), .hosts = wt_tally_new(), .years = wt_tally_new()};
    int result = 0;
    for (size_t i = 0; i < files.n && result == 0; i++) {
        const char *slash = strrchr(files.path[i], '/'), *name = slash ? slash + 1 : files.path[i];
        bool document = strncmp(name, "dropped", 7) != 0 && !strstr(name, "run.json") && !strstr(name, "report.json");
        if (document && (!documents_max || s.n < documents_max)) result = survey_file(&s, files.path[i], documents_max, err);
    }
    bool partial = documents_max && s.n >= documents_max;
    if (result == 0) add_survey(out, &s, partial, documents_max);
    if (!partial) *extent = (report_extent){.documents = s.n, .text_bytes = s.bytes};
    wt_tally_free(s.langs), wt_tally_free(s.hosts), wt_tally_free(s.years);
    wt_arena_free(s.arena);
    wt_paths_free(&files);
    return result;
}

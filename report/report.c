/* report.c - finds out what each path is, and joins the sections to a page. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/in.h"
#include "report/report_impl.h"

typedef struct {
    report_kind kind;
    char *name, *path;
    wt_buf html, facts_text;
    wt_json facts;              /* lies in facts_text */
    report_extent extent;
} part;

struct report {
    report_options options;
    part *part;
    size_t n, cap;
};

static const char *const title_of[] = {
    "Links", "Crawl", "Documents", "Corpus", "Tokenizer", "Shards", "Training", "Evaluation", "Run",
};

report *report_new(const report_options *options) {
    report *r = wt_xcalloc(1, sizeof *r);
    r->options = *options;
    return r;
}

void report_free(report *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->part[i].name), free(r->part[i].path);
        wt_buf_free(&r->part[i].html), wt_buf_free(&r->part[i].facts_text);
    }
    free(r->part);
    free(r);
}

/* ---- what is it? ---- */
static bool has(const char *dir, const char *name) {
    char *path = wt_path_join(dir, name);
    bool there = wt_exists(path);
    free(path);
    return there;
}

static report_kind kind_of_dir(const char *path) {
    if (has(path, "state.sqlite")) return KIND_CRAWL;
    if (has(path, "log.jsonl")) return KIND_RUN;
    if (has(path, "index.json")) return KIND_SHARDS;
    if (has(path, "tokenizer.json") || has(path, "vocab.json")) return KIND_TOKENIZER;
    wt_buf text = {0};
    wt_paths files = {0};
    wt_json facts = report_facts_of(path, &text);
    bool corpus = has(path, "dropped.jsonl.zst") || wt_str_eq(wt_json_get(facts, "tool").raw, WT_STR("wt-dedup"));
    report_kind kind = wt_paths_add(&files, path, WT_JSONL_SUFFIXES, NULL) ? KIND_UNKNOWN
                       : corpus                                           ? KIND_CORPUS
                                                                          : KIND_DOCUMENTS;
    if (kind == KIND_DOCUMENTS && !files.n) kind = KIND_UNKNOWN;
    wt_paths_free(&files);
    wt_buf_free(&text);
    return kind;
}

/* By the first line, or the whole file where that is one object over several lines. */
static report_kind kind_of_object(wt_json v) {
    if (wt_json_get(v, "tool").kind == WT_JSON_STRING && wt_json_get(v, "counts").kind) return KIND_FACTS;
    if (wt_json_get(v, "task").kind == WT_JSON_STRING || wt_json_get(v, "tasks").kind) return KIND_EVAL;
    if (wt_json_get(v, "text").kind == WT_JSON_STRING) return KIND_DOCUMENTS;
    if (wt_json_get(v, "url").kind == WT_JSON_STRING && wt_json_get(v, "score").kind) return KIND_LINKS;
    if (wt_json_get(v, "step").kind == WT_JSON_NUMBER) return KIND_RUN;
    if (wt_json_get(v, "shards").kind == WT_JSON_ARRAY && wt_json_get(v, "splits").kind) return KIND_SHARDS;
    if (wt_json_get(wt_json_get(v, "model"), "vocab").kind) return KIND_TOKENIZER;
    return KIND_UNKNOWN;
}

static int kind_of_file(const char *path, report_kind *kind, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    wt_str line;
    wt_json v;
    wt_buf text = {0};
    *kind = KIND_UNKNOWN;
    if (!in) return -1;
    int got = wt_in_line(in, (size_t)256 << 20, &line, NULL, err);
    bool one_line = got > 0 && wt_json_parse(line, &v, NULL) == 0;
    if (one_line) *kind = kind_of_object(v);
    wt_in_close(in);
    if (got > 0 && !one_line && wt_file_bytes(path) < 256 << 20 && wt_read_file(path, 256 << 20, &text, NULL) == 0 &&
        wt_json_parse(wt_buf_view(&text), &v, NULL) == 0)
        *kind = kind_of_object(v);
    wt_buf_free(&text);
    /* An empty list of links is one all the same when its run says so. */
    if (got == 0 && *kind == KIND_UNKNOWN) {
        wt_json facts = report_facts_of(path, &text);
        if (wt_str_eq(wt_json_get(facts, "tool").raw, WT_STR("wt-links"))) *kind = KIND_LINKS;
        wt_buf_free(&text);
    }
    return got < 0 ? -1 : 0;
}

report_kind report_kind_of(const char *path, wt_err *err) {
    report_kind kind = KIND_UNKNOWN;
    if (!wt_exists(path)) {
        wt_fail(err, WT_ENOTFOUND, "there is no '%s'", path);
        return KIND_UNKNOWN;
    }
    if (wt_is_dir(path)) kind = kind_of_dir(path);
    else if (kind_of_file(path, &kind, err)) return KIND_UNKNOWN;
    if (kind == KIND_UNKNOWN)
        wt_fail(err, WT_EDATA, "'%s' is nothing the line makes; a report is made of links, crawl/, docs/, corpus/, tokenizer/, "
                "shards/, run/, and what --report wrote", path);
    return kind;
}

/* ---- facts ---- */
wt_json report_facts_of(const char *path, wt_buf *text) {
    wt_json facts = {0};
    wt_buf name = {0};
    wt_buf_printf(&name, wt_is_dir(path) ? "%s/report.json" : "%s.report.json", path);
    wt_buf_clear(text);
    if (wt_exists(name.ptr) && (wt_read_file(name.ptr, 256 << 20, text, NULL) || wt_json_parse(wt_buf_view(text), &facts, NULL)))
        facts = (wt_json){0};
    wt_buf_free(&name);
    return facts;
}

double report_number(wt_json object, const char *key) {
    double x;
    wt_json v = key ? wt_json_get(object, key) : object;
    return v.kind == WT_JSON_NUMBER && wt_json_double(v, &x) == 0 ? x : NAN;
}

void report_tile(wt_buf *out, const char *label, double x, void (*format)(wt_buf *, double)) {
    wt_buf value = {0};
    if (!isfinite(x)) return;
    format(&value, x);
    page_tile(out, label, wt_buf_view(&value));
    wt_buf_free(&value);
}

/* ---- bars of counts in JSON ---- */
static size_t read_counts(wt_json counts, wt_arena *arena, page_bar **bars) {
    wt_json_iter it, inner;
    wt_json v, first, second;
    wt_str key;
    size_t n = 0, cap = 0;
    *bars = NULL;
    if (wt_json_iter_init(&it, counts, NULL)) return 0;
    while (wt_json_next(&it, &key, &v, NULL) == 1) {
        page_bar bar = {wt_json_unescape(key, arena), report_number(v, NULL)};
        if (v.kind == WT_JSON_ARRAY) {
            if (wt_json_iter_init(&inner, v, NULL) || wt_json_next(&inner, NULL, &first, NULL) != 1 ||
                wt_json_next(&inner, NULL, &second, NULL) != 1)
                continue;
            bar.name = first.kind == WT_JSON_STRING ? wt_json_string(first, arena) : first.raw;
            bar.value = report_number(second, NULL);
        }
        if (!isfinite(bar.value)) continue;
        WT_GROW(*bars, cap, n + 1);
        (*bars)[n++] = bar;
    }
    return n;
}

static int greatest_first(const void *a, const void *b) {
    const page_bar *x = a, *y = b;
    return x->value != y->value ? (x->value < y->value) - (x->value > y->value) : wt_str_cmp(x->name, y->name);
}

void report_bars(wt_buf *out, const char *heading, wt_json counts, size_t most, double whole) {
    wt_arena *arena = wt_arena_new(0);
    page_bar *bars;
    size_t n = read_counts(counts, arena, &bars), shown = 0;
    if (n) qsort(bars, n, sizeof *bars, greatest_first);
    double sum = 0;
    while (shown < n && bars[shown].value > 0) sum += bars[shown++].value;
    if (shown) {
        if (heading) page_heading(out, heading);
        page_bars(out, bars, shown < most ? shown : most, whole < 0 ? sum : whole);
        if (shown > most && counts.kind == WT_JSON_OBJECT) page_note(out, "and %zu more", shown - most);
    }
    free(bars);
    wt_arena_free(arena);
}

void report_tally_bars(wt_buf *out, const char *heading, const wt_tally *t, size_t most) {
    size_t n;
    double sum = 0;
    wt_tally_entry *list = wt_tally_sorted(t, &n);
    page_bar *bars = wt_xmalloc((n + 1) * sizeof *bars);
    for (size_t i = 0; i < n; i++) {
        bars[i] = (page_bar){list[i].name, (double)list[i].n};
        sum += bars[i].value;
    }
    if (n) {
        page_heading(out, heading);
        page_bars(out, bars, n < most ? n : most, sum);
        if (n > most) page_note(out, "and %zu more", n - most);
    }
    free(bars), free(list);
}

static bool is_bytes(wt_str name) { return wt_str_find(name, WT_STR("bytes")) >= 0; }

void report_add_facts(wt_buf *out, wt_json facts, bool counts) {
    wt_json_iter it;
    wt_json v;
    wt_str key;
    if (facts.kind != WT_JSON_OBJECT) return;
    if (counts) page_tiles(out);
    static const char *const groups[] = {"counts", "numbers"};
    for (int g = 0; counts && g < 2; g++) {
        if (wt_json_iter_init(&it, wt_json_get(facts, groups[g]), NULL)) continue;
        while (wt_json_next(&it, &key, &v, NULL) == 1) {
            char *label = wt_xstrndup(key);
            double x = report_number(v, NULL);
            report_tile(out, label, x, is_bytes(key) ? page_bytes : x >= 1e7 ? page_short : page_number);
            free(label);
        }
    }
    if (counts) page_tiles_end(out);
    page_tiles(out);
    report_tile(out, "wall time", report_number(facts, "wall_s"), page_seconds);
    report_tile(out, "CPU time", report_number(facts, "cpu_s"), page_seconds);
    report_tile(out, "peak memory", report_number(facts, "peak_bytes"), page_bytes);
    report_tile(out, "threads", report_number(facts, "threads"), page_number);
    if (report_number(facts, "ranks") > 1) report_tile(out, "ranks", report_number(facts, "ranks"), page_number);
    page_tiles_end(out);
    report_bars(out, "Left out, and why", wt_json_get(facts, "dropped"), 30, -1);
    wt_json error = wt_json_get(facts, "error");
    if (error.kind == WT_JSON_STRING) page_note(out, "The run ended with: %.*s", WT_FMT(error.raw));
}

/* Everything of a small object, nested members as "a / b". */
static void add_members(wt_buf *out, wt_json object, const char *prefix, int depth) {
    wt_json_iter it;
    wt_json v;
    wt_str key;
    wt_arena *arena = wt_arena_new(0);
    if (wt_json_iter_init(&it, object, NULL) == 0)
        while (wt_json_next(&it, &key, &v, NULL) == 1) {
            char *name = wt_arena_printf(arena, "%s%s%.*s", prefix, *prefix && key.len ? " / " : "", WT_FMT(key));
            if ((v.kind == WT_JSON_OBJECT || v.kind == WT_JSON_ARRAY) && depth < 3) {
                add_members(out, v, name, depth + 1);
            } else if (v.raw.len < 500 && v.kind != WT_JSON_OBJECT && v.kind != WT_JSON_ARRAY) {
                page_cell(out, wt_str_of(name));
                if (v.kind == WT_JSON_NUMBER) page_cell_number(out, report_number(v, NULL));
                else page_cell(out, v.kind == WT_JSON_STRING ? wt_json_string(v, arena) : v.raw);
                page_row_end(out);
            }
        }
    wt_arena_free(arena);
}

static int report_eval(wt_buf *out, const char *path, wt_err *err) {
    static const char *const headings[] = {"measure", ">value"};
    wt_buf text = {0};
    wt_json v;
    int result = wt_read_file(path, 256 << 20, &text, err) || wt_json_parse(wt_buf_view(&text), &v, err);
    if (result == 0) {
        page_table(out, headings, 2);
        add_members(out, v, "", 0);
        page_table_end(out);
    }
    wt_buf_free(&text);
    return result ? -1 : 0;
}

/* ---- sections ---- */
static int fill(const report *r, part *p, wt_err *err) {
    wt_buf json = {0};
    wt_json state;
    int result = 0;
    if (p->kind == KIND_FACTS) {
        if (wt_read_file(p->path, 256 << 20, &p->facts_text, err) || wt_json_parse(wt_buf_view(&p->facts_text), &p->facts, err))
            return -1;
    } else {
        p->facts = report_facts_of(p->path, &p->facts_text);
    }
    /* These sections count for themselves. */
    bool counts = p->kind != KIND_CRAWL && p->kind != KIND_SHARDS && p->kind != KIND_RUN;
    report_add_facts(&p->html, p->facts, counts);
    switch (p->kind) {
    case KIND_LINKS: return report_links(&p->html, p->path, p->facts, err);
    case KIND_DOCUMENTS: case KIND_CORPUS: return report_documents(&p->html, p->path, r->options.documents_max, &p->extent, err);
    case KIND_TOKENIZER: return report_tokenizer(&p->html, p->path, err);
    case KIND_SHARDS: return report_shards(&p->html, p->path, &p->extent, err);
    case KIND_RUN: return report_run(&p->html, p->path, err);
    case KIND_EVAL: return report_eval(&p->html, p->path, err);
    case KIND_CRAWL:
        result = r->options.crawl ? r->options.crawl(p->path, &json, err) : wt_fail(err, WT_EARG, "crawls are not known here");
        if (result == 0) result = wt_json_parse(wt_buf_view(&json), &state, err);
        if (result == 0) result = report_crawl(&p->html, state, err);
        wt_buf_free(&json);
        return result;
    default: return 0;
    }
}

/* A crawl of several ranks is a folder for each of them. 1: was one, 0: is none, -1 */
static int add_ranks(report *r, const char *path, wt_err *err) {
    char name[32];
    int n = 0, result = 0;
    for (; result == 0; n++) {
        snprintf(name, sizeof name, "rank-%03d", n);
        char *rank = wt_path_join(path, name);
        bool there = has(rank, "state.sqlite");
        if (there) result = report_add(r, rank, err);
        free(rank);
        if (!there) break;
    }
    return result ? -1 : n > 0;
}

int report_add(report *r, const char *path, wt_err *err) {
    int ranks = wt_is_dir(path) ? add_ranks(r, path, err) : 0;
    if (ranks) return ranks < 0 ? -1 : 0;
    report_kind kind = report_kind_of(path, err);
    if (kind == KIND_UNKNOWN) return -1;
    WT_GROW(r->part, r->cap, r->n + 1);
    part *p = &r->part[r->n++];
    *p = (part){.kind = kind, .path = wt_xstrdup(path)};
    if (fill(r, p, err)) return wt_context(err, "'%s'", path);
    wt_json tool = wt_json_get(p->facts, "tool");
    p->name = kind == KIND_FACTS && tool.kind == WT_JSON_STRING ? wt_xstrndup(tool.raw) : wt_xstrdup(title_of[kind]);
    return 0;
}

/* Parts in the order of the line, equals as they were given. free() the list. */
static const part **in_order(const report *r) {
    const part **list = wt_xmalloc((r->n + 1) * sizeof *list);
    size_t n = 0;
    for (int kind = 0; kind < KIND_UNKNOWN; kind++)
        for (size_t i = 0; i < r->n; i++)
            if ((int)r->part[i].kind == kind) list[n++] = &r->part[i];
    return list;
}

/* Where shards hold exactly the documents of a folder, we know how many bytes a token stands for. */
static void add_ratio(const part *const *list, size_t n, wt_buf *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            const report_extent *text = &list[i]->extent, *ids = &list[k]->extent;
            if (!text->text_bytes || !ids->tokens || text->documents != ids->documents) continue;
            /* Each document ends in a token of its own. */
            page_note(out, "%.3f bytes of text a token, over all %llu documents.",
                      (double)text->text_bytes / (double)(ids->tokens - ids->documents), (unsigned long long)ids->documents);
            return;
        }
}

/* One row a run: what went in, what came out, what it took. */
static void add_overview(const part *const *list, size_t n_parts, wt_buf *out) {
    static const char *const headings[] = {"stage", "in", "out", ">left out", ">wall", ">CPU", ">peak memory"};
    static const struct { const char *tool, *in, *out; } flow[] = {
        {"wt-links", "records", "links written"}, {"wt-crawl", "addresses", "pages"}, {"wt-extract", "pages", "documents"},
        {"wt-dedup", "documents in", "documents out"}, {"wt-bpe", "documents", "merges"},
        {"wt-shard", "documents in", "train tokens"}, {"wt-train", "tokens", "steps"},
    };
    bool any = false;
    for (size_t i = 0; i < n_parts; i++) any |= list[i]->facts.kind == WT_JSON_OBJECT;
    if (!any) return;
    page_section(out, "line", "The line", NULL);
    page_table(out, headings, 7);
    for (size_t i = 0; i < n_parts; i++) {
        wt_json facts = list[i]->facts, tool = wt_json_get(facts, "tool"), v;
        wt_json_iter it;
        double dropped = 0;
        if (facts.kind != WT_JSON_OBJECT) continue;
        if (wt_json_iter_init(&it, wt_json_get(facts, "dropped"), NULL) == 0)
            while (wt_json_next(&it, NULL, &v, NULL) == 1) dropped += report_number(v, NULL);
        page_cell(out, wt_str_of(list[i]->name));
        for (int side = 0; side < 2; side++) {
            wt_buf cell = {0};
            for (size_t k = 0; k < sizeof flow / sizeof *flow; k++) {
                const char *name = side ? flow[k].out : flow[k].in;
                double n = report_number(wt_json_get(facts, "counts"), name);
                if (!wt_str_eq(tool.raw, wt_str_of(flow[k].tool)) || !isfinite(n)) continue;
                page_number(&cell, n);
                wt_buf_printf(&cell, " %s", name);
            }
            page_cell(out, wt_buf_view(&cell));
            wt_buf_free(&cell);
        }
        page_cell_number(out, dropped);
        static void (*const format[])(wt_buf *, double) = {page_seconds, page_seconds, page_bytes};
        static const char *const measure[] = {"wall_s", "cpu_s", "peak_bytes"};
        for (int k = 0; k < 3; k++) {
            double x = report_number(facts, measure[k]);
            wt_buf_add_str(out, WT_STR("<td class=\"r\">"));
            if (isfinite(x)) format[k](out, x);
            wt_buf_add_str(out, WT_STR("</td>"));
        }
        page_row_end(out);
    }
    page_table_end(out);
    add_ratio(list, n_parts, out);
    page_section_end(out);
}

/* Two runs, say: their links are told apart by the last name of their paths. */
static bool has_twin(const part **list, size_t n, size_t i) {
    return (i > 0 && strcmp(list[i - 1]->name, list[i]->name) == 0) || (i + 1 < n && strcmp(list[i + 1]->name, list[i]->name) == 0);
}

static wt_str last_name(const char *path) {
    wt_str s = wt_str_of(path);
    while (s.len > 1 && s.ptr[s.len - 1] == '/') s.len--;
    const char *slash = memrchr(s.ptr, '/', s.len);
    return slash && s.len > 1 ? (wt_str){slash + 1, (size_t)(s.ptr + s.len - slash) - 1} : s;
}

void report_write(const report *r, wt_buf *html) {
    const part **list = in_order(r);
    page_begin(html, r->options.title);
    wt_buf_add_str(html, WT_STR("<nav>"));
    for (size_t i = 0; i < r->n; i++) {
        wt_buf_printf(html, "<a href=\"#part%zu\">", i + 1);
        page_text(html, wt_str_of(list[i]->name));
        if (has_twin(list, r->n, i)) {
            wt_buf_add_char(html, ' ');
            page_text(html, last_name(list[i]->path));
        }
        wt_buf_add_str(html, WT_STR("</a>"));
    }
    wt_buf_add_str(html, WT_STR("</nav>\n"));
    add_overview(list, r->n, html);
    for (size_t i = 0; i < r->n; i++) {
        char id[32];
        snprintf(id, sizeof id, "part%zu", i + 1);
        page_section(html, id, list[i]->name, list[i]->path);
        wt_buf_add_str(html, wt_buf_view(&list[i]->html));
        page_section_end(html);
    }
    page_end(html);
    free(list);
}

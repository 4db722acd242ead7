/* wt-extract.c - WARC files and HTML pages to documents. Inputs are cut into units (a WARC file, or
 * up to 4,096 page files); a unit becomes one output file, written whole or not at all, so a killed
 * run goes on with the units it had not finished. Within a unit pages are read in one thread,
 * extracted in many, written in the order of reading. */
#include <signal.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/doc.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "common/warc.h"
#include "extract/extract.h"
#include "extract/lang.h"
#include "extract/guard.h"

enum { PAGES_A_UNIT = 4096, EXAMPLES_A_RULE = 5, EXAMPLE_BYTES = 300 };

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
        "An INPUT is a WARC file (.warc, .warc.gz, .warc.zst), an HTML page (any charset), or a folder of these. "
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

/* ---- one page on its way ---- */
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
    const wt_args *args;
    const wt_paths *inputs;
    worker *workers;
    int n_workers;
    extract_filter filter;
    /* the unit being read */
    size_t next_input, end_input;
    wt_in *in;
    wt_warc_reader *warc;
    wt_err read_error;
    /* the unit being written */
    wt_out *out;
    const char *dir;
    uint64_t n_in, n_documents, n_text_bytes, n_records, n_other_parser;
    rule_count *rules;
    size_t n_rules, rules_cap;
    uint64_t limit_left;
    bool limited;
} run;

static void *item_new(void *ctx) { return wt_xcalloc(1, sizeof(page_item)); }
static void item_free(void *ctx, void *p) {
    page_item *it = p;
    wt_buf *all[] = {&it->url, &it->date, &it->type, &it->body, &it->encoding, &it->out, &it->id, &it->example};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) wt_buf_free(all[i]);
    free(it);
}

static void set(wt_buf *b, wt_str s) {
    wt_buf_clear(b);
    wt_buf_add_str(b, s);
}

/* ---- reading ---- */
static void count_drop(run *r, const char *rule, const wt_buf *example) {
    size_t i = 0;
    while (i < r->n_rules && strcmp(r->rules[i].name, rule) != 0) i++;
    if (i == r->n_rules) {
        WT_GROW(r->rules, r->rules_cap, r->n_rules + 1);
        r->rules[r->n_rules++] = (rule_count){.name = wt_xstrdup(rule)};
    }
    r->rules[i].n++;
    if (!example || !example->len || r->rules[i].n_examples >= EXAMPLES_A_RULE) return;
    wt_buf_add_str(&r->rules[i].examples, r->rules[i].n_examples++ ? WT_STR(",") : WT_STR(""));
    wt_buf_add_str(&r->rules[i].examples, wt_buf_view(example));
}

static void input_close(run *r) {
    wt_warc_reader_free(r->warc);
    wt_in_close(r->in);
    r->warc = NULL;
    r->in = NULL;
}

/* A page file, whole. A byte more than the limit is read, so that extract_run sees it is too long. */
static int read_page_file(run *r, page_item *it, wt_err *err) {
    wt_buf_clear(&it->body);
    for (ptrdiff_t n = 1; n > 0 && it->body.len <= max_page;) {
        wt_buf_reserve(&it->body, 1 << 16);
        n = wt_in_read(r->in, it->body.ptr + it->body.len, 1 << 16, err);
        if (n < 0) return -1;
        it->body.len += (size_t)n;
    }
    it->is_http = false;
    set(&it->url, url_option ? wt_str_of(url_option) : WT_STR(""));
    set(&it->id, url_option ? wt_str_of(url_option) : wt_str_of(wt_in_name(r->in)));
    wt_buf_clear(&it->date);
    wt_buf_clear(&it->type);
    return 0;
}

/* Opens the next input and says what it is: 1 a page in *it, 2 a WARC now open, 0 no more, -1. */
static int open_next(run *r, page_item *it, wt_err *err) {
    if (r->next_input == r->end_input) return 0;
    r->in = wt_in_open(r->inputs->path[r->next_input++], err);
    if (!r->in) return -1;
    int is_warc = wt_in_starts_with(r->in, WT_STR("WARC/"), err);
    if (is_warc < 0) return -1;
    if (is_warc) {
        r->warc = wt_warc_reader_new(r->in, max_page + (1 << 20));
        return 2;
    }
    int result = read_page_file(r, it, err);
    input_close(r);
    return result ? -1 : 1;
}

/* The next response of the open WARC: 1, 0 at its end, -1. Records that can be no page are counted
 * here, without copying them. */
static int next_record(run *r, page_item *it, wt_err *err) {
    wt_warc_record rec;
    int got;
    while ((got = wt_warc_next(r->warc, &rec, err)) != 0) {
        if (got < 0) {                       /* a damaged record costs itself; the reader finds the next one */
            wt_warn("%s: %s", wt_in_name(r->in), err->text);
            count_drop(r, "damaged WARC record", NULL);
            *err = (wt_err){0};
            continue;
        }
        r->n_records++;
        bool response = wt_str_eq_nocase(rec.type, WT_STR("response"));
        bool resource = wt_str_eq_nocase(rec.type, WT_STR("resource"));
        if (wt_str_eq_nocase(rec.type, WT_STR("revisit"))) count_drop(r, "revisit of an earlier page", NULL);
        if (!response && !resource) continue;
        if (!wt_str_starts(rec.target_uri, WT_STR("http"))) continue;      /* dns: and the like */
        it->is_http = response;
        set(&it->url, rec.target_uri);
        set(&it->id, rec.target_uri);
        set(&it->date, rec.date);
        set(&it->type, resource ? rec.content_type : WT_STR(""));
        set(&it->body, rec.block);
        return 1;
    }
    return 0;
}

static int read_item(void *ctx, void *p, wt_err *err) {
    run *r = ctx;
    page_item *it = p;
    if (r->limited && r->limit_left == 0) return 0;
    for (;;) {
        int got = r->warc ? next_record(r, it, err) : open_next(r, it, err);
        if (got == 0 && r->warc) {
            input_close(r);
            continue;
        }
        if (got == 2) continue;
        if (got == 1) {
            it->key = wt_hash64(it->id.ptr, it->id.len, r->next_input << 32 | r->n_in) | 1;
            r->n_in++;
            r->limit_left -= r->limited;
        }
        return got;
    }
}

/* ---- working ---- */
static bool is_page_type(wt_str type, wt_str body) {
    if (type.len == 0) {
        /* no header: what looks like markup */
        return memchr(body.ptr, '<', body.len < 65536 ? body.len : 65536) != NULL;
    }
    static const char *const good[] = {"text/html", "application/xhtml", "text/xml", "application/xml", "application/rss",
                                       "application/atom", "text/plain"};
    for (size_t k = 0; k < sizeof good / sizeof *good; k++)
        if (type.len >= strlen(good[k]) && wt_str_eq_nocase((wt_str){type.ptr, strlen(good[k])}, wt_str_of(good[k]))) return true;
    return false;
}

/* The page's bytes out of an HTTP message. */
static int open_http(worker *w, page_item *it, wt_str *body, wt_err *err) {
    wt_http_message m;
    if (wt_http_parse(wt_buf_view(&it->body), &w->http, &m, err)) {
        it->drop = "not an HTTP message";
        return -1;
    }
    if (m.status < 200 || m.status > 299) {
        snprintf(it->drop_text, sizeof it->drop_text, "HTTP status %d", m.status);
        it->drop = it->drop_text;
        return -1;
    }
    set(&it->type, m.content_type);
    *body = m.body;
    if (m.content_encoding.len) {
        wt_buf_clear(&w->decoded);
        if (wt_decode_body(m.body, m.content_encoding, max_page, &w->decoded, err) && w->decoded.len < 1024) {
            it->drop = "damaged content coding";
            return -1;
        }
        *body = wt_buf_view(&w->decoded);       /* a cut stream still gives its beginning */
    }
    return 0;
}

static void put(wt_buf *b, const char *name, wt_str value) {
    if (!value.len) return;
    wt_buf_printf(b, "%s\"%s\":", b->len > 1 ? "," : "", name);
    wt_json_add_string(b, value);
}

static void write_document(worker *w, page_item *it, const extract_page *p, wt_str text) {
    wt_str date = wt_buf_view(&it->date), url = wt_buf_view(&it->url);
    if (strcmp(format, "jsonl") != 0) {
        set(&it->out, text);
        return;
    }
    wt_hash128 h = wt_hash128_of(it->id.ptr, it->id.len, 0);
    char id[40];
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo);
    wt_buf *m = &w->meta;
    set(m, WT_STR("{"));
    put(m, "url", url.len ? url : p->url);
    put(m, "title", p->title);
    put(m, "author", p->author);
    put(m, "date", p->date);
    put(m, "modified", p->modified);
    put(m, "site", p->site);
    put(m, "description", p->description);
    put(m, "canonical", p->url);
    put(m, "license", p->license);
    put(m, "lang", p->lang);
    put(m, "declared_lang", p->declared_lang);
    put(m, "charset", wt_str_of(p->charset));
    put(m, "fetched", date);
    if (p->parser_refused) put(m, "parser", wt_str_of(p->parser)), put(m, "parser_refused", wt_str_of(p->parser_refused));
    wt_buf_printf(m, "%s\"lang_share\":%.2f,\"lang_reliable\":%s,\"words\":%zu}", m->len > 1 ? "," : "", p->lang_share,
                  p->lang_reliable ? "true" : "false", p->n_words);
    wt_doc doc = {.id = wt_str_of(id), .text = text, .source = wt_str_of(source), .created = p->date.len ? p->date : date,
                  .added = date, .metadata = {WT_JSON_OBJECT, wt_buf_view(m)}};
    wt_buf_clear(&it->out);
    wt_doc_write(&it->out, &doc);
}

static void keep_example(page_item *it, wt_str text) {
    wt_buf_clear(&it->example);
    if (!filter_report) return;
    wt_buf_add_str(&it->example, WT_STR("{\"url\":"));
    wt_json_add_string(&it->example, wt_buf_view(&it->id));
    wt_buf_add_str(&it->example, WT_STR(",\"text\":"));
    wt_json_add_string(&it->example, text.len > EXAMPLE_BYTES ? (wt_str){text.ptr, EXAMPLE_BYTES} : text);
    wt_buf_add_char(&it->example, '}');
}

/* The rule that drops the page, or NULL. c4 and fineweb may take lines out of *text; they cannot out of Markdown or TEI. */
static const char *judge(const run *r, worker *w, const page_item *it, const extract_page *p, wt_str *text) {
    const bool is_plain = strcmp(format, "md") != 0 && strcmp(format, "tei") != 0;
    wt_str plain = p->plain;
    if (plain.len < min_text) return "no text";
    if (strcmp(lang, "any") != 0 && (!wt_str_eq_nocase(p->lang, wt_str_of(lang)) || p->lang_share < 0.5)) return "another language";
    const char *rule = extract_filter_run(r->filter, &plain, wt_buf_view(&it->url), &w->scratch);
    *text = is_plain ? plain : p->text;
    return rule;
}

static int work_page(run *r, page_item *it, worker *w) {
    wt_str body = wt_buf_view(&it->body);
    wt_err why = {0};
    if (it->is_http && open_http(w, it, &body, &why)) return 0;
    if (body.len == 0) return it->drop = "empty body", 0;
    if (!is_page_type(wt_buf_view(&it->type), body)) return it->drop = "not a web page", 0;
    extract_page page;
    if (extract_run(w->x, body, wt_buf_view(&it->url), wt_buf_view(&it->type), &page, &why))
        return it->drop = why.code == WT_ENOMEM ? "page needs too much memory" : "page too big", 0;
    it->other_parser = page.parser_refused != NULL;
    wt_str text = page.plain;
    it->drop = judge(r, w, it, &page, &text);
    if (it->drop) keep_example(it, text);
    else write_document(w, it, &page, text);
    return 0;
}

/* For tests of the guard: WT_EXTRACT_FAULT=KIND:PART makes pages whose id holds PART go wrong. */
static void fault_for_tests(const page_item *it) {
    const char *fault = getenv("WT_EXTRACT_FAULT"), *part = fault ? strchr(fault, ':') : NULL;
    if (!part || wt_str_find(wt_buf_view(&it->id), wt_str_of(part + 1)) < 0) return;
    wt_str kind = {fault, (size_t)(part - fault)};
    if (wt_str_eq(kind, WT_STR("abort"))) abort();
    if (wt_str_eq(kind, WT_STR("kill"))) raise(SIGKILL);
    if (wt_str_eq(kind, WT_STR("memory"))) wt_xmalloc((size_t)1 << 60);
    if (wt_str_eq(kind, WT_STR("stack"))) guard_overflow_for_tests(1);
    while (wt_str_eq(kind, WT_STR("hang"))) wt_now();
}

static int work_item(void *ctx, void *p, int i_thread, wt_err *err) {
    run *r = ctx;
    page_item *it = p;
    wt_buf_clear(&it->example);
    it->other_parser = false;
    it->drop = guard_enter(i_thread, it->key);
    if (it->drop) return 0;
    fault_for_tests(it);
    int result = work_page(r, it, &r->workers[i_thread]);
    guard_leave(i_thread);
    return result;
}

/* ---- writing ---- */
static const char *extension(void) { return strcmp(format, "tei") == 0 ? "xml" : format; }

static int write_page_file(run *r, const page_item *it, wt_err *err) {
    wt_hash128 h = wt_hash128_of(it->id.ptr, it->id.len, 0);
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/%016llx%016llx.%s", r->dir, (unsigned long long)h.hi, (unsigned long long)h.lo, extension());
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
        count_drop(r, it->drop, &it->example);
        return 0;
    }
    bool first = r->n_documents++ == 0;
    r->n_text_bytes += it->out.len;
    if (r->dir && strcmp(format, "jsonl") != 0) return write_page_file(r, it, err);
    if (!first && strcmp(format, "jsonl") != 0 && wt_out_str(r->out, WT_STR("\f\n"), err)) return -1;
    return wt_out_str(r->out, wt_buf_view(&it->out), err);
}

/* ---- units ---- */
typedef struct {
    size_t first, end;          /* inputs */
} unit;

static const char *const input_suffixes[] = {
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

static void reset_counts(run *r) {
    for (size_t i = 0; i < r->n_rules; i++) {
        free((char *)r->rules[i].name);
        wt_buf_free(&r->rules[i].examples);
    }
    r->n_rules = 0;
    r->n_in = r->n_documents = r->n_text_bytes = r->n_records = r->n_other_parser = 0;
}

static void counts_write(const run *r, wt_buf *json) {
    wt_buf_printf(json, "{\"records\":%llu,\"pages\":%llu,\"documents\":%llu,\"bytes\":%llu,\"other_parser\":%llu,\"dropped\":{",
                  (unsigned long long)r->n_records, (unsigned long long)r->n_in, (unsigned long long)r->n_documents,
                  (unsigned long long)r->n_text_bytes, (unsigned long long)r->n_other_parser);
    for (size_t i = 0; i < r->n_rules; i++) {
        wt_buf_add_str(json, i ? WT_STR(",") : WT_STR(""));
        wt_json_add_string(json, wt_str_of(r->rules[i].name));
        wt_buf_printf(json, ":{\"n\":%llu,\"examples\":[", (unsigned long long)r->rules[i].n);
        wt_buf_add_str(json, r->rules[i].examples.len ? wt_buf_view(&r->rules[i].examples) : WT_STR(""));
        wt_buf_add_str(json, WT_STR("]}"));
    }
    wt_buf_add_str(json, WT_STR("}}\n"));
}

static char *unit_path(const char *dir, size_t i_unit, const char *prefix, const char *suffix) {
    wt_buf b = {0};
    wt_buf_printf(&b, "%s/%s%05zu%s", dir, prefix, i_unit, suffix);
    return b.ptr;
}

/* Runs one unit's pages through the pipeline into r->out (or single files). */
static int run_pages(run *r, const unit *u, wt_err *err) {
    r->next_input = u->first;
    r->end_input = u->end;
    wt_pipeline pipeline = {.ctx = r, .threads = r->n_workers, .n_slots = 16 * r->n_workers, .stop_on_signal = true,
                            .item_new = item_new, .item_free = item_free, .read = read_item, .work = work_item,
                            .write = write_item};
    int result = wt_pipeline_run(&pipeline, err);
    input_close(r);
    return result;
}

static int run_unit(run *r, size_t i_unit, const unit *u, wt_str key, wt_err *err) {
    char *done = unit_path(r->dir, i_unit, ".", ".done"), *path = unit_path(r->dir, i_unit, "", ".jsonl.zst");
    wt_buf note = {0};
    int result = 0;
    bool jsonl = strcmp(format, "jsonl") == 0;
    reset_counts(r);
    if (jsonl && !(r->out = wt_out_open(path, err))) result = -1;
    if (result == 0) result = run_pages(r, u, err);
    if (result == 0 && jsonl) {
        wt_provenance(&note, key);
        result = wt_out_provenance(r->out, wt_buf_view(&note), err);
    }
    if (jsonl && r->out) {
        if (result == 0) result = wt_out_commit(r->out, err);
        else wt_out_abort(r->out);
    }
    r->out = NULL;
    wt_buf_clear(&note);
    counts_write(r, &note);
    if (result == 0) result = wt_write_file(done, wt_buf_view(&note), err);
    wt_buf_free(&note);
    free(done);
    free(path);
    return result;
}

/* ---- the sum of all units, from their notes ---- */
typedef struct {
    uint64_t records, pages, documents, bytes, other_parser;
    rule_count *rules;
    size_t n_rules, cap;
} totals;

static uint64_t member(wt_json object, const char *name) {
    int64_t v = 0;
    return wt_json_i64(wt_json_get(object, name), &v) ? 0 : (uint64_t)v;
}

static void totals_add(totals *t, wt_str json) {
    wt_json o, value;
    wt_json_iter it;
    wt_str name;
    if (wt_json_parse(json, &o, NULL)) return;
    t->records += member(o, "records");
    t->pages += member(o, "pages");
    t->documents += member(o, "documents");
    t->bytes += member(o, "bytes");
    t->other_parser += member(o, "other_parser");
    if (wt_json_iter_init(&it, wt_json_get(o, "dropped"), NULL)) return;
    while (wt_json_next(&it, &name, &value, NULL) == 1) {
        size_t i = 0;
        while (i < t->n_rules && !wt_str_eq(wt_str_of(t->rules[i].name), name)) i++;
        if (i == t->n_rules) {
            WT_GROW(t->rules, t->cap, t->n_rules + 1);
            t->rules[t->n_rules++] = (rule_count){.name = wt_xstrndup(name)};
        }
        t->rules[i].n += member(value, "n");
        wt_str examples = wt_json_get(value, "examples").raw;
        if (examples.len <= 2 || t->rules[i].n_examples >= EXAMPLES_A_RULE) continue;
        t->rules[i].n_examples += 1;
        wt_buf_add_str(&t->rules[i].examples, t->rules[i].examples.len ? WT_STR(",") : WT_STR(""));
        wt_buf_add(&t->rules[i].examples, examples.ptr + 1, examples.len - 2);
    }
}

static int write_filter_report(const totals *t, wt_err *err) {
    wt_buf b = {0};
    wt_buf_add_str(&b, WT_STR("{\"filter\":"));
    wt_json_add_string(&b, wt_str_of(filter_name));
    wt_buf_printf(&b, ",\"pages\":%llu,\"documents\":%llu,\"rules\":[", (unsigned long long)t->pages, (unsigned long long)t->documents);
    for (size_t i = 0; i < t->n_rules; i++) {
        wt_buf_add_str(&b, i ? WT_STR(",\n{\"rule\":") : WT_STR("\n{\"rule\":"));
        wt_json_add_string(&b, wt_str_of(t->rules[i].name));
        wt_buf_printf(&b, ",\"dropped\":%llu,\"examples\":[%.*s]}", (unsigned long long)t->rules[i].n, WT_FMT(t->rules[i].examples));
    }
    wt_buf_add_str(&b, WT_STR("\n]}\n"));
    int result = wt_write_file(filter_report, wt_buf_view(&b), err);
    wt_buf_free(&b);
    return result;
}

static int report(totals *t, wt_err *err) {
    wt_report_count("records", t->records);
    wt_report_count("pages", t->pages);
    wt_report_count("documents", t->documents);
    wt_report_count("bytes of documents", t->bytes);
    if (t->other_parser) wt_report_count("pages refused by their parser, read by our own", t->other_parser);
    for (size_t i = 0; i < t->n_rules; i++) wt_report_drop(t->rules[i].name, t->rules[i].n);
    int result = filter_report && wt_cluster_rank() == 0 ? write_filter_report(t, err) : 0;
    for (size_t i = 0; i < t->n_rules; i++) {
        free((char *)t->rules[i].name);
        wt_buf_free(&t->rules[i].examples);
    }
    free(t->rules);
    return result;
}

/* ---- boilerplate of sites ---- */
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
    wt_out *out;
    wt_buf text, line;
    uint64_t n_lines, n_empty;
} cutter;

static int cut_lines(void *ctx, const wt_doc *doc, wt_arena *arena, wt_err *err) {
    cutter *c = ctx;
    wt_buf_clear(&c->text);
    c->n_lines += site_lines_cut(c->lines, wt_doc_meta(doc, "url", arena), doc->text, &c->text);
    wt_doc shorter = *doc;
    shorter.text = wt_buf_view(&c->text);
    if (shorter.text.len < min_text) {
        c->n_empty++;
        return 0;
    }
    wt_buf_clear(&c->line);
    wt_doc_write(&c->line, &shorter);
    return wt_out_str(c->out, wt_buf_view(&c->line), err);
}

/* The units' files are in `raw`; lines are counted over all of them, then each is written to `dir`. */
static int second_pass(const char *raw, const char *dir, size_t n_units, wt_str key, wt_err *err) {
    site_lines *lines = site_lines_new();
    cutter c = {.lines = lines};
    int result = 0;
    for (size_t i = 0; i < n_units && result == 0; i++) {
        char *path = unit_path(raw, i, "", ".jsonl.zst");
        result = for_each_document(path, count_lines, lines, err);
        free(path);
    }
    for (size_t i = 0; i < n_units && result == 0; i++) {
        if (wt_stop_requested()) result = wt_stop_error(err);
        char *from = unit_path(raw, i, "", ".jsonl.zst"), *to = unit_path(dir, i, "", ".jsonl.zst");
        c.out = result == 0 ? wt_out_open(to, err) : NULL;
        if (!c.out) result = -1;
        if (result == 0) result = for_each_document(from, cut_lines, &c, err);
        if (result == 0) {
            wt_buf_clear(&c.line);
            wt_provenance(&c.line, key);
            result = wt_out_provenance(c.out, wt_buf_view(&c.line), err);
        }
        if (c.out && result == 0) result = wt_out_commit(c.out, err);
        else if (c.out) wt_out_abort(c.out);
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

/* ---- the run ---- */
static void describe(wt_buf *key, const wt_args *args, const wt_paths *inputs) {
    wt_buf_printf(key, "{\"version\":\"%s\",\"format\":\"%s\",\"lang\":", WT_VERSION, format);
    wt_json_add_string(key, wt_str_of(lang));
    wt_buf_printf(key, ",\"filter\":\"%s\",\"parser\":\"%s\",\"max_page\":%llu,\"page_memory\":%llu,\"min_text\":%llu,\"limit\":%llu,\"site_boilerplate\":%s,\"source\":",
                  filter_name, parser, (unsigned long long)max_page, (unsigned long long)page_memory, (unsigned long long)min_text, (unsigned long long)args->limit,
                  site_boilerplate ? "true" : "false");
    wt_json_add_string(key, wt_str_of(source));
    wt_buf_add_str(key, WT_STR(",\"url\":"));
    wt_json_add_string(key, wt_str_of(url_option ? url_option : ""));
    wt_buf_add_str(key, WT_STR(",\"model\":"));
    wt_json_add_string(key, wt_str_of(model_path ? model_path : "built in"));
    wt_buf_add_str(key, WT_STR(",\"inputs\":["));
    for (size_t i = 0; i < inputs->n; i++) wt_run_key_input(key, inputs->path[i]);
    wt_buf_add_str(key, WT_STR("]}"));
}

static extract_filter filter_of(const char *name) {
    static const char *const names[] = {"none", "webtext", "c4", "gopher", "fineweb"};
    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) return (extract_filter)i;
    return FILTER_NONE;
}

static int open_workers(run *r, wt_err *err) {
    extract_options o = {.page_bytes_max = max_page, .page_memory_max = page_memory, .model_path = model_path};
    o.parser = strcmp(parser, "gumbo") == 0 ? EXTRACT_PARSER_GUMBO : strcmp(parser, "fast") == 0 ? EXTRACT_PARSER_FAST : EXTRACT_PARSER_AUTO;
    o.format = strcmp(format, "md") == 0 ? EXTRACT_MARKDOWN : strcmp(format, "tei") == 0 ? EXTRACT_TEI : EXTRACT_TEXT;
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

static int to_stdout(run *r, const wt_paths *inputs, wt_err *err) {
    totals t = {0};
    wt_buf counts = {0};
    r->out = wt_out_open(NULL, err);
    if (!r->out) return -1;
    unit all = {0, inputs->n};
    int result = run_pages(r, &all, err);
    if (result == 0) result = wt_out_commit(r->out, err);
    else wt_out_abort(r->out);
    counts_write(r, &counts);
    totals_add(&t, wt_buf_view(&counts));
    wt_buf_free(&counts);
    return report(&t, err) || result ? -1 : 0;
}

/* All units of this rank; then the notes of all. */
static int to_folder(run *r, const wt_paths *inputs, wt_str key, wt_err *err) {
    size_t n_units;
    unit *units = make_units(inputs, &n_units);
    char *raw = site_boilerplate ? wt_path_join(r->args->output, ".raw") : wt_xstrdup(r->args->output);
    r->dir = raw;
    int result = wt_mkdirs(raw, err);
    wt_progress_begin("extract", "pages", 0);
    for (size_t i = 0; i < n_units && result == 0; i++) {
        if ((int)(i % (size_t)wt_cluster_size()) != wt_cluster_rank()) continue;
        char *done = unit_path(raw, i, ".", ".done");
        wt_buf note = {0};
        if (!wt_exists(done)) result = run_unit(r, i, &units[i], key, err);
        else if (r->limited && wt_read_file(done, 64 << 20, &note, NULL) == 0) {
            totals t = {0};
            totals_add(&t, wt_buf_view(&note));
            r->limit_left -= t.pages < r->limit_left ? t.pages : r->limit_left;
        }
        wt_buf_free(&note);
        free(done);
    }
    wt_progress_end();
    free(units);
    bool failed = wt_cluster_any(result != 0);
    if (result == 0 && failed) result = wt_fail(err, WT_ESTOP, "another rank stopped");
    if (result == 0 && site_boilerplate && wt_cluster_rank() == 0) result = second_pass(raw, r->args->output, n_units, key, err);
    totals t = {0};
    for (size_t i = 0; i < n_units && result == 0; i++) {
        char *done = unit_path(raw, i, ".", ".done");
        wt_buf note = {0};
        result = wt_read_file(done, 64 << 20, &note, err);
        totals_add(&t, wt_buf_view(&note));
        wt_buf_free(&note);
        free(done);
    }
    if (result == 0) result = report(&t, err);
    if (result == 0) result = wt_run_finish(r->args->output, true, key, err);
    if (result == 0 && site_boilerplate && wt_cluster_rank() == 0) result = wt_remove_tree(raw, err);
    free(raw);
    return result;
}

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
        wt_out *out = wt_out_open(args->output, err);
        result = out ? wt_out_str(out, wt_buf_view(&html), err) : -1;
        if (out && result == 0) result = wt_out_commit(out, err);
        else if (out) wt_out_abort(out);
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
    for (int i = 0; i < args->n_inputs && result == 0; i++) result = wt_paths_add(&inputs, args->inputs[i], input_suffixes, err);
    if (result == 0 && inputs.n == 0) result = wt_paths_add(&inputs, "-", NULL, err);
    if (result == 0 && site_boilerplate && (!args->output || strcmp(format, "jsonl") != 0))
        result = wt_fail(err, WT_EARG, "--site-boilerplate needs -o and --format jsonl");
    if (result == 0 && args->limit && wt_cluster_size() > 1)
        result = wt_fail(err, WT_EARG, "--limit counts on one machine only; run without mpirun");
    run r = {.args = args, .inputs = &inputs, .n_workers = args->threads, .filter = filter_of(filter_name),
             .limited = args->limit > 0, .limit_left = args->limit};
    bool folder = args->output && strcmp(args->output, "-") != 0;
    wt_buf key = {0};
    describe(&key, args, &inputs);
    int state = result ? -1 : wt_run_begin(folder ? args->output : NULL, true, wt_buf_view(&key), args->force, err);
    if (state < 0) result = -1;
    if (state == WT_RUN_FRESH || state == WT_RUN_CONTINUE) {
        result = open_workers(&r, err);
        if (result == 0) result = folder ? to_folder(&r, &inputs, wt_buf_view(&key), err) : to_stdout(&r, &inputs, err);
        close_workers(&r);
    }
    reset_counts(&r);
    free(r.rules);
    wt_buf_free(&key);
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

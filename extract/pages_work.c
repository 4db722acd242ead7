/* pages_work.c - one page to its document, or to the reason why there is none. */
#include <signal.h>
#include <stdlib.h>

#include "common/doc.h"
#include "common/hash.h"
#include "extract/guard.h"
#include "extract/pages_impl.h"

enum { EXAMPLE_BYTES = 300 };

static bool is_page_type(wt_str type, wt_str body) {
    if (type.len == 0) {
        /* no header: what looks like markup */
        return memchr(body.ptr, '<', body.len < 65536 ? body.len : 65536) != NULL;
    }
    static const char *const good[] = {"text/html", "application/xhtml", "text/xml", "application/xml", "application/rss",
                                       "application/atom", "text/plain"};
    for (size_t k = 0; k < sizeof good / sizeof *good; k++)
        if (wt_str_starts_nocase(type, wt_str_of(good[k]))) return true;
    return false;
}

/* By the MIME Sniffing standard (section 7.2): bytes that no text holds, in the first 1,445. */
static bool is_binary(wt_str body) {
    const unsigned char *p = (const unsigned char *)body.ptr;
    if (body.len >= 2 && ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0xff && p[1] == 0xfe))) return false;
    for (size_t i = 0; i < body.len && i < 1445; i++)
        if (p[i] <= 0x08 || p[i] == 0x0b || (p[i] >= 0x0e && p[i] <= 0x1a) || (p[i] >= 0x1c && p[i] <= 0x1f)) return true;
    return false;
}

/* The page's bytes out of an HTTP message. */
static int open_http(const run *r, worker *w, page_item *it, wt_str *body, wt_err *err) {
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
    pages_set(&it->type, m.content_type);
    *body = m.body;
    if (m.content_encoding.len) {
        wt_buf_clear(&w->decoded);
        if (wt_decode_body(m.body, m.content_encoding, r->o->max_page, &w->decoded, err) && w->decoded.len < 1024) {
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

static void write_document(const run *r, worker *w, page_item *it, const extract_page *p, wt_str text) {
    wt_str date = wt_buf_view(&it->date), url = wt_buf_view(&it->url);
    if (strcmp(r->o->format, "jsonl") != 0) {
        pages_set(&it->out, text);
        return;
    }
    wt_hash128 h = wt_hash128_of(it->id.ptr, it->id.len, 0);
    char id[40];
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo);
    wt_buf *m = &w->meta;
    pages_set(m, WT_STR("{"));
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
    wt_doc doc = {.id = wt_str_of(id), .text = text, .source = wt_str_of(r->o->source), .created = p->date.len ? p->date : date,
                  .added = date, .metadata = {WT_JSON_OBJECT, wt_buf_view(m)}};
    wt_buf_clear(&it->out);
    wt_doc_write(&it->out, &doc);
}

static void keep_example(const run *r, page_item *it, wt_str text) {
    wt_buf_clear(&it->example);
    if (!r->o->filter_report) return;
    wt_buf_add_str(&it->example, WT_STR("{\"url\":"));
    wt_json_add_string(&it->example, wt_buf_view(&it->id));
    wt_buf_add_str(&it->example, WT_STR(",\"text\":"));
    wt_json_add_string(&it->example, text.len > EXAMPLE_BYTES ? (wt_str){text.ptr, EXAMPLE_BYTES} : text);
    wt_buf_add_char(&it->example, '}');
}

/* The rule that drops the page, or NULL. c4 and fineweb may take lines out of *text; they cannot out of Markdown or TEI. */
static const char *judge(const run *r, worker *w, const page_item *it, const extract_page *p, wt_str *text) {
    const bool is_plain = strcmp(r->o->format, "md") != 0 && strcmp(r->o->format, "tei") != 0;
    wt_str plain = p->plain;
    if (plain.len < r->o->min_text) return "no text";
    if (strcmp(r->o->lang, "any") != 0 && (!wt_str_eq_nocase(p->lang, wt_str_of(r->o->lang)) || p->lang_share < 0.5)) return "another language";
    const char *rule = extract_filter_run(r->filter, &plain, wt_buf_view(&it->url), &w->scratch);
    *text = is_plain ? plain : p->text;
    return rule;
}

static int work_page(run *r, page_item *it, worker *w) {
    wt_str body = wt_buf_view(&it->body);
    wt_err why = {0};
    if (it->is_http && open_http(r, w, it, &body, &why)) return 0;
    if (body.len == 0) return it->drop = "empty body", 0;
    if (!is_page_type(wt_buf_view(&it->type), body)) return it->drop = "not a web page", 0;
    if (wt_str_starts_nocase(wt_buf_view(&it->type), WT_STR("text/plain")) && is_binary(body)) return it->drop = "binary data", 0;
    extract_page page;
    if (extract_run(w->x, body, wt_buf_view(&it->url), wt_buf_view(&it->type), &page, &why))
        return it->drop = why.code == WT_ENOMEM ? "page needs too much memory" : "page too big", 0;
    it->other_parser = page.parser_refused != NULL;
    wt_str text = page.plain;
    it->drop = judge(r, w, it, &page, &text);
    if (it->drop) keep_example(r, it, text);
    else write_document(r, w, it, &page, text);
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

int pages_work(void *ctx, void *p, int i_thread, wt_err *err) {
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

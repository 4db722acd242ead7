/* extract.c - bytes to a page's text: charset, parser, metadata, content, language, in this order. */
#include "extract/extract.h"

#include <stdlib.h>

#include "common/fs.h"
#include "extract/charset.h"
#include "extract/content.h"
#include "extract/explain.h"
#include "extract/formulas.h"
#include "extract/lang.h"
#include "extract/render.h"
#include "extract/tidy.h"

enum { PAGE_BYTES_MAX = 64 << 20, PAGE_MEMORY_MAX = 1 << 30, KEPT_BYTES = 64 << 20 };

struct extractor {
    extract_options options;
    html_tree tree;
    content content;
    page_meta meta;
    wt_arena *arena;
    wt_buf utf8, text, formatted;       /* formatted: Markdown or TEI */
    content_model own_model;
    wt_buf model_bytes;
    lang_guess lang;
    wt_err parser_error;
    extract_page page;                  /* what the last run found */
};

extractor *extractor_new(const extract_options *options, wt_err *err) {
    extractor *x = wt_xcalloc(1, sizeof *x);
    x->options = *options;
    const content_model *model = model_builtin();
    if (options->model_path) {
        if (wt_read_file(options->model_path, 256 << 20, &x->model_bytes, err) ||
            model_open(&x->own_model, (const uint32_t *)(const void *)x->model_bytes.ptr, x->model_bytes.len / 4, err)) {
            wt_context(err, "model '%s'", options->model_path);
            wt_buf_free(&x->model_bytes);
            free(x);
            return NULL;
        }
        model = &x->own_model;
    }
    html_tree_init(&x->tree);
    content_init(&x->content, model);
    x->arena = wt_arena_new(0);
    return x;
}

void extractor_free(extractor *x) {
    if (!x) return;
    html_tree_free(&x->tree);
    content_free(&x->content);
    wt_arena_free(x->arena);
    wt_buf_free(&x->utf8);
    wt_buf_free(&x->text);
    wt_buf_free(&x->formatted);
    model_close(&x->own_model);
    wt_buf_free(&x->model_bytes);
    free(x);
}

/* Past white space, processing instructions, comments and the doctype, to the name of the first element; empty where none
 * begins within 4 kB. */
static wt_str root_name(wt_str page) {
    static const char *const skipped[][2] = {{"<?", "?>"}, {"<!--", "-->"}, {"<!", ">"}};
    wt_str s = {page.ptr, page.len < 4096 ? page.len : 4096};
    for (size_t k = 0; k < 3;) {
        s = wt_str_trim(s);
        for (k = 0; k < 3 && !wt_str_starts(s, wt_str_of(skipped[k][0])); k++) {}
        if (k == 3) break;
        ptrdiff_t end = wt_str_find(s, wt_str_of(skipped[k][1]));
        if (end < 0) return WT_STR("");
        size_t past = (size_t)end + strlen(skipped[k][1]);
        s = (wt_str){s.ptr + past, s.len - past};
    }
    if (!wt_str_starts(s, WT_STR("<"))) return WT_STR("");
    size_t n = 1;
    while (n < s.len && (unsigned char)s.ptr[n] > ' ' && s.ptr[n] != '>' && s.ptr[n] != '/') n++;
    return (wt_str){s.ptr + 1, n - 1};
}

/* XHTML sent as HTML is HTML; feeds and TEI are XML whatever they are sent as, and other XML where it says so twice. */
static bool is_xml(wt_str page, wt_str content_type) {
    static const char *const roots[] = {"rss", "feed", "atom:feed", "rdf:RDF", "TEI", "TEI.2"};
    wt_str root = root_name(page);
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (wt_str_eq(root, wt_str_of(roots[i]))) return true;
    bool sent_as_xml = wt_str_find(content_type, WT_STR("/xml")) >= 0 || wt_str_find(content_type, WT_STR("+xml")) >= 0;
    return sent_as_xml && wt_str_starts(wt_str_trim(page), WT_STR("<?xml"));
}

/* Text is what is sent as such, but for pages under a wrong name. */
static bool is_plain_text(wt_str page, wt_str content_type) {
    return wt_str_starts_nocase(content_type, WT_STR("text/plain")) && !wt_str_eq_nocase(root_name(page), WT_STR("html"));
}

/* Plain text as it stands: no white space at the ends of lines, no more than one empty line in a row, no page breaks. */
static void add_plain_text(wt_str s, wt_buf *out) {
    size_t n_empty = 0;
    while (s.len) {
        const char *end = s.ptr;
        while (end < s.ptr + s.len && *end != '\n' && *end != '\r' && *end != '\f') end++;
        wt_str line = {s.ptr, (size_t)(end - s.ptr)};
        size_t past = line.len + (line.len < s.len) + (line.len + 1 < s.len && end[0] == '\r' && end[1] == '\n');
        s = (wt_str){s.ptr + past, s.len - past};
        while (line.len && (unsigned char)line.ptr[line.len - 1] <= ' ') line.len--;
        if (line.len && n_empty && out->len) wt_buf_add_char(out, '\n');
        n_empty = line.len ? 0 : n_empty + 1;
        if (!line.len) continue;
        wt_buf_add_str(out, line);
        wt_buf_add_char(out, '\n');
    }
}

/* The parser that took the page. Where another was wanted, x->parser_error says why it did not. */
static const char *parse(extractor *x, wt_str page, wt_str content_type) {
    x->parser_error = (wt_err){0};
    html_tree_clear(&x->tree);
    if (x->options.parser == EXTRACT_PARSER_GUMBO) {
        if (html_parse_gumbo(&x->tree, page, &x->parser_error) == 0) return "gumbo";
        html_tree_clear(&x->tree);
    }
    if (x->options.parser == EXTRACT_PARSER_AUTO && is_xml(page, content_type)) {
        if (html_parse_xml(&x->tree, page, &x->parser_error) == 0) return "xml";
        html_tree_clear(&x->tree);
    }
    html_parse(&x->tree, page);
    return "fast";
}

static size_t count_words(wt_str s) {
    size_t n = 0;
    bool space = true;
    for (size_t i = 0; i < s.len; i++) {
        bool now = (unsigned char)s.ptr[i] <= ' ';
        n += space && !now;
        space = now;
    }
    return n;
}

/* A page whose tree holds next to no text may carry its article in JSON-LD (script-only pages). */
static bool use_json_body(const extractor *x) {
    return x->meta.json_body.len > 400 && x->text.len * 4 < x->meta.json_body.len;
}

/* What a run leaves of the one before: huge buffers are given back. */
static void begin(extractor *x) {
    wt_buf *bufs[] = {&x->utf8, &x->text, &x->formatted};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        if (bufs[i]->cap > KEPT_BYTES) wt_buf_free(bufs[i]);
        wt_buf_clear(bufs[i]);
    }
    x->content.n_blocks = 0, x->content.meta = NULL;        /* a page that is refused has none */
    x->tree.memory_max = x->options.page_memory_max ? x->options.page_memory_max : PAGE_MEMORY_MAX;
    wt_arena_reset(x->arena);
}

static int check_cost(extractor *x, size_t page_bytes, wt_err *err) {
    if (!x->tree.over && html_tree_cost(&x->tree) <= x->tree.memory_max) return 0;
    wt_fail(err, WT_ENOMEM, "page of %zu bytes may need more than %zu MiB: %u elements and texts or more", page_bytes,
            x->tree.memory_max >> 20, x->tree.n_nodes);
    html_tree_clear(&x->tree);
    return -1;
}

/* What the page does not say of itself in its head may stand in its text. */
static void complete_meta(extractor *x) {
    char date[40];
    page_meta *m = &x->meta;
    if (!m->date.len && content_find_date(&x->content, date)) m->date = wt_arena_copy(x->arena, wt_str_of(date));
    if (!m->date.len) m->date = m->modified;
    if (m->author.len && !wt_str_eq_nocase(m->author, m->site)) return;
    wt_str author = content_find_author(&x->content);
    if (author.len) m->author = author;
}

/* The text, in x->text and as the format wants it in x->formatted. whole: what stands for the blocks; empty: they do. */
static void write_text(extractor *x, wt_str whole, wt_str url) {
    if (whole.len && whole.ptr != x->text.ptr) {
        wt_buf_clear(&x->text);
        wt_buf_add_str(&x->text, whole);
        wt_buf_add_char(&x->text, '\n');
    }
    if (x->options.format == EXTRACT_TEI) render_tei(&x->content, &x->meta, whole, &x->formatted);
    if (x->options.format == EXTRACT_MARKDOWN && !whole.len) render_markdown(&x->content, url, &x->formatted);
}

static void describe(extractor *x, extract_page *page) {
    page->plain = page->text = wt_buf_view(&x->text);
    if (x->formatted.len) page->text = wt_buf_view(&x->formatted);
    page->n_words = count_words(page->plain);
    x->lang = (lang_guess){.code = "un"};
    if (!x->options.no_language && x->text.len) lang_identify(x->text.ptr, x->text.len, &x->lang);
    page->lang = wt_str_of(x->lang.code);
    page->lang_share = x->lang.share;
    page->lang_reliable = x->lang.reliable;
    page->n_blocks = x->content.n_blocks;
    for (size_t i = 0; i < x->content.n_blocks; i++) page->n_kept += x->content.block[i].keep;
    page->title = x->meta.title, page->author = x->meta.author, page->date = x->meta.date;
    page->modified = x->meta.modified, page->site = x->meta.site, page->url = x->meta.url;
    page->description = x->meta.description, page->license = x->meta.license;
    page->declared_lang = x->meta.lang;
}

int extract_run(extractor *x, wt_str bytes, wt_str url, wt_str content_type, extract_page *page, wt_err *err) {
    size_t limit = x->options.page_bytes_max ? x->options.page_bytes_max : PAGE_BYTES_MAX;
    *page = (extract_page){0};
    begin(x);
    if (bytes.len > limit) return wt_fail(err, WT_ELIMIT, "page of %zu bytes is over the limit of %zu", bytes.len, limit);
    charset_choice charset;
    wt_str utf8 = charset_decode(bytes, content_type, &x->utf8, &charset), whole = WT_STR("");
    page->charset = charset.name;
    page->charset_how = charset.how;
    const bool is_plain = is_plain_text(utf8, content_type);
    page->parser = is_plain ? "none" : parse(x, utf8, content_type);
    if (is_plain) html_tree_clear(&x->tree);
    if (check_cost(x, bytes.len, err)) return -1;
    page->parser_refused = !is_plain && x->parser_error.code ? x->parser_error.text : NULL;
    formulas_to_tex(&x->tree);
    tidy_tree(&x->tree);
    meta_read(&x->tree, url, x->arena, &x->meta);
    content_find(&x->content, &x->tree, &x->meta);
    complete_meta(x);
    if (is_plain) add_plain_text(utf8, &x->text);
    else render_text(&x->content, &x->text);
    if (is_plain) whole = wt_buf_view(&x->text);
    else if (use_json_body(x)) whole = x->meta.json_body;
    write_text(x, whole, url);
    describe(x, page);
    x->page = *page;
    return 0;
}

void extract_explain(extractor *x, wt_buf *html) { explain_page(&x->content, &x->page, html); }

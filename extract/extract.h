/* extract.h - web pages to clean text with metadata.
 *
 *     extractor *x = extractor_new(&(extract_options){0});
 *     extract_page page;
 *     if (extract_run(x, html, url, content_type, &page, &err) == 0)
 *         fwrite(page.text.ptr, 1, page.text.len, stdout);
 *     extractor_free(x);
 *
 * An extractor holds the memory of one page at a time; use one a thread. What a run returns is
 * borrowed until the next run. Any bytes are survived: a page in an unknown charset, cut in the
 * middle, nested a million deep or of random bytes gives some text, or none, in bounded time. */
#ifndef WT_EXTRACT_EXTRACT_H
#define WT_EXTRACT_EXTRACT_H

#include "common/err.h"
#include "common/str.h"

typedef enum { EXTRACT_PARSER_AUTO, EXTRACT_PARSER_FAST, EXTRACT_PARSER_GUMBO } extract_parser;
typedef enum { EXTRACT_TEXT, EXTRACT_MARKDOWN, EXTRACT_TEI } extract_format;

typedef struct {
    extract_parser parser;          /* auto: our own; gumbo where asked; libxml2 for XML */
    extract_format format;          /* of page.text */
    size_t page_bytes_max;          /* longer pages are WT_ELIMIT; 0: 64 MiB */
    size_t page_memory_max;         /* pages whose tree and blocks can need more are WT_ENOMEM; 0: 1 GiB */
    bool no_language;               /* skip language identification */
    const char *model_path;         /* a model file instead of the built-in one; NULL: built-in */
} extract_options;

typedef struct {
    wt_str text;                    /* in the format asked for */
    wt_str plain;                   /* plain text, for filters, whatever the format */
    wt_str title, author, date, modified, site, url, description, license;
    wt_str lang;                    /* identified from the text: "en"; "un" where unknown */
    wt_str declared_lang;           /* what the page says */
    double lang_share;              /* share of the text in that language, 0..1 */
    bool lang_reliable;
    const char *charset, *charset_how, *parser;
    const char *parser_refused;     /* why the parser that was asked for did not take the page; NULL: it did */
    size_t n_blocks, n_kept, n_words;
} extract_page;

typedef struct extractor extractor;

/* NULL with *err set where a model file cannot be read. */
extractor *extractor_new(const extract_options *options, wt_err *err);
void extractor_free(extractor *x);

/* Extracts one page.
 *   bytes          the body as it came over the wire, content codings undone
 *   url            where from; may be empty
 *   content_type   the HTTP header's value; may be empty
 * Returns 0, or -1 with WT_ELIMIT or WT_ENOMEM where the page is over a stated limit. */
int extract_run(extractor *x, wt_str bytes, wt_str url, wt_str content_type, extract_page *page, wt_err *err);

/* The page of the last run as HTML for a browser: each block coloured by its fate, with its chance and
 * the features that weighed most. */
void extract_explain(extractor *x, wt_buf *html);

/* ---- quality filters, on finished documents ---- */
typedef enum { FILTER_NONE, FILTER_WEBTEXT, FILTER_C4, FILTER_GOPHER, FILTER_FINEWEB } extract_filter;
/* Decides on a text; C4 also removes lines, so the text may shrink into *scratch. Returns NULL to keep
 * the document, else the name of the rule that drops it. */
const char *extract_filter_run(extract_filter filter, wt_str *text, wt_str url, wt_buf *scratch);

/* Lines that stand on at least min_pages of a site's pages, and on a fifth of them, are its
 * boilerplate. Count all documents of a site first, then cut each. Not thread-safe. */
typedef struct site_lines site_lines;
site_lines *site_lines_new(void);
void site_lines_free(site_lines *s);
void site_lines_count(site_lines *s, wt_str url, wt_str text);
/* Writes text without its site's boilerplate lines to out. Returns how many lines went. */
size_t site_lines_cut(const site_lines *s, wt_str url, wt_str text, wt_buf *out);

#endif

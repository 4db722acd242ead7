/* render_tei.c - kept blocks as a TEI P5 document (tei-c.org): a header with the page's metadata, and a
 * body of div elements that begin with a head, with p, list/item, quote, code (in ab, for it is no block
 * of TEI's), table/row/cell. Written through libxml2, which escapes. */
#include <libxml/xmlwriter.h>
#include <stdlib.h>

#include "common/utf8.h"
#include "extract/render.h"

typedef struct {
    xmlTextWriterPtr x;
    wt_buf scratch;
} writer;

static void start(writer *w, const char *name) { xmlTextWriterStartElement(w->x, BAD_CAST name); }
static void end(writer *w) { xmlTextWriterEndElement(w->x); }

/* XML has no place for most control characters. */
static void text(writer *w, wt_str s) {
    wt_buf_clear(&w->scratch);
    wt_utf8_repair(&w->scratch, s);
    for (size_t i = 0; i < w->scratch.len; i++) {
        unsigned char c = (unsigned char)w->scratch.ptr[i];
        if (c < ' ' && c != '\n' && c != '\t') w->scratch.ptr[i] = ' ';
        if (c == 0xef && i + 2 < w->scratch.len && (unsigned char)w->scratch.ptr[i + 1] == 0xbf && (unsigned char)w->scratch.ptr[i + 2] >= 0xbe)
            w->scratch.ptr[i + 2] = (char)0xbd;          /* U+FFFE, U+FFFF */
    }
    if (w->scratch.len) xmlTextWriterWriteString(w->x, BAD_CAST w->scratch.ptr);
}

static void element(writer *w, const char *name, wt_str value) {
    if (!value.len) return;
    start(w, name);
    text(w, value);
    end(w);
}

/* xsd:language: "en", "de-AT". Pages also say "id, en" or "lang=". */
static bool is_language(const char *s) {
    size_t n = 0, parts = 0;
    for (;; s++) {
        bool letter = (*s | 32) >= 'a' && (*s | 32) <= 'z';
        if (letter || (parts && *s >= '0' && *s <= '9')) {
            if (++n > 8) return false;
        } else if (n && (*s == '-' || *s == 0)) {
            if (*s == 0) return true;
            n = 0, parts++;
        } else return false;
    }
}

static void profile(writer *w, const page_meta *m) {
    wt_buf_clear(&w->scratch);
    wt_utf8_repair(&w->scratch, m->lang);
    for (size_t i = 0; i < w->scratch.len; i++)
        if (w->scratch.ptr[i] == '_') w->scratch.ptr[i] = '-';      /* en_US, as Open Graph writes it */
    bool has_language = w->scratch.len && is_language(w->scratch.ptr);
    if (!m->description.len && !has_language) return;
    char *language = has_language ? wt_xstrndup(wt_buf_view(&w->scratch)) : NULL;
    start(w, "profileDesc");
    if (m->description.len) {
        start(w, "abstract");
        element(w, "p", m->description);
        end(w);
    }
    if (language) {
        start(w, "langUsage");
        start(w, "language");
        xmlTextWriterWriteAttribute(w->x, BAD_CAST "ident", BAD_CAST language);
        end(w);
        end(w);
    }
    end(w);
    free(language);
}

static void header(writer *w, const page_meta *m) {
    start(w, "teiHeader");
    start(w, "fileDesc");
    start(w, "titleStmt");
    element(w, "title", m->title.len ? m->title : WT_STR("untitled"));
    element(w, "author", m->author);
    end(w);
    start(w, "publicationStmt");
    element(w, "publisher", m->site.len ? m->site : WT_STR("unknown"));
    if (m->license.len) {
        start(w, "availability");
        element(w, "licence", m->license);
        end(w);
    }
    element(w, "date", m->date);
    end(w);
    start(w, "sourceDesc");
    start(w, "bibl");
    element(w, "title", m->title);
    element(w, "ptr", (wt_str){NULL, 0});
    element(w, "idno", m->url);
    end(w);
    end(w);
    end(w);
    profile(w, m);
    end(w);
}

typedef enum { NOTHING, LIST, TABLE } container;

/* The kept blocks in divs. */
static void body(writer *w, const content *c) {
    container in = NOTHING;
    uint32_t row = 0;
    bool has_text = false;              /* of the div: a head behind text begins a new one */
    start(w, "div");
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (!b->keep) continue;
        wt_str s = {c->text.ptr + b->text, b->text_len};
        container want = render_is_table_cell(c, b) ? TABLE : b->item && !b->heading && !(b->flags & IN_PRE) ? LIST : NOTHING;
        if (in == TABLE && (want != TABLE || b->row != row)) end(w);
        if (in != NOTHING && want != in) end(w);
        if (want != NOTHING && want != in) start(w, want == TABLE ? "table" : "list");
        if (want == TABLE && (in != TABLE || b->row != row)) start(w, "row");
        in = want;
        row = b->row;
        if (b->heading && want == NOTHING && has_text) {
            end(w);
            start(w, "div");
        }
        has_text = want != NOTHING || !b->heading;
        if (want == TABLE) element(w, "cell", s);
        else if (want == LIST) element(w, "item", s);
        else if (b->heading) element(w, "head", s);
        else if (b->flags & IN_PRE) {
            start(w, "ab");
            element(w, "code", s);
            end(w);
        } else element(w, b->flags & IN_QUOTE ? "quote" : "p", s);
    }
}

/* Paragraphs of a text without blocks: parted by empty lines where there are any, else each line is one. */
static void body_of_text(writer *w, wt_str s) {
    const wt_str gap = wt_str_find(s, WT_STR("\n\n")) >= 0 ? WT_STR("\n\n") : WT_STR("\n");
    start(w, "div");
    while (s.len) {
        ptrdiff_t at = wt_str_find(s, gap);
        size_t n = at >= 0 ? (size_t)at : s.len, past = at >= 0 ? n + gap.len : n;
        element(w, "p", wt_str_trim((wt_str){s.ptr, n}));
        s = (wt_str){s.ptr + past, s.len - past};
    }
}

void render_tei(const content *c, const page_meta *meta, wt_str instead, wt_buf *out) {
    xmlBufferPtr buffer = xmlBufferCreate();
    writer w = {.x = buffer ? xmlNewTextWriterMemory(buffer, 0) : NULL};
    if (!w.x) {
        if (buffer) xmlBufferFree(buffer);
        return;
    }
    xmlTextWriterSetIndent(w.x, 1);
    xmlTextWriterStartDocument(w.x, NULL, "UTF-8", NULL);
    start(&w, "TEI");
    xmlTextWriterWriteAttribute(w.x, BAD_CAST "xmlns", BAD_CAST "http://www.tei-c.org/ns/1.0");
    header(&w, meta);
    start(&w, "text");
    start(&w, "body");
    if (instead.len) body_of_text(&w, instead);
    else body(&w, c);
    xmlTextWriterEndDocument(w.x);      /* ends what is open */
    xmlFreeTextWriter(w.x);
    wt_buf_add(out, xmlBufferContent(buffer), (size_t)xmlBufferLength(buffer));
    xmlBufferFree(buffer);
    wt_buf_free(&w.scratch);
}

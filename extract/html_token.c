/* html_token.c - see html_token.h. Most of a page is text, quoted values and scripts: those are
 * passed in 16-byte steps (SSE2, which every x86-64 has) or by memchr; the rest goes by the byte. */
#include "extract/html_token.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/utf8.h"
#include "extract/html_entities.h"

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '\r'; }
static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }
static bool is_alnum(char c) { return is_letter(c) || (c >= '0' && c <= '9'); }

/* The first of '<', '&' and NUL in [p, end), or end. */
static const char *scan_text(const char *p, const char *end) {
#ifdef __SSE2__
    const __m128i lt = _mm_set1_epi8('<'), amp = _mm_set1_epi8('&'), zero = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, lt), _mm_cmpeq_epi8(x, amp)), _mm_cmpeq_epi8(x, zero));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != '<' && *p != '&' && *p) p++;
    return p;
}

/* The first of quote, '&' and NUL. */
static const char *scan_value(const char *p, const char *end, char quote) {
#ifdef __SSE2__
    const __m128i q = _mm_set1_epi8(quote), amp = _mm_set1_epi8('&'), zero = _mm_setzero_si128();
    for (; end - p >= 16; p += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, q), _mm_cmpeq_epi8(x, amp)), _mm_cmpeq_epi8(x, zero));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask) return p + __builtin_ctz(mask);
    }
#endif
    while (p < end && *p != quote && *p != '&' && *p) p++;
    return p;
}

/* ---- character references ---- */
enum { N_ENTITIES = sizeof html_entities / sizeof *html_entities, LEGACY_MAX = 6, NAME_MAX_BYTES = 33 };

static const char *entity_find(const char *name, size_t n) {
    size_t lo = 0, hi = N_ENTITIES;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = strncmp(html_entities[mid].name, name, n);
        if (c == 0 && html_entities[mid].name[n]) c = 1;
        if (c == 0) return html_entities[mid].text;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return NULL;
}

static size_t numeric_reference(const char *p, const char *end, char out[16], size_t *n) {
    static const uint16_t windows[32] = {
        0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d, 0x8f,
        0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d, 0x17e, 0x178};
    const char *start = p;
    p += 2;
    bool hex = p < end && (*p | 32) == 'x', any = false;
    p += hex;
    uint32_t v = 0;
    for (; p < end; p++) {
        char c = *p;
        uint32_t d = c >= '0' && c <= '9' ? (uint32_t)(c - '0') : hex && (c | 32) >= 'a' && (c | 32) <= 'f' ? (uint32_t)((c | 32) - 'a' + 10) : 99;
        if (d == 99) break;
        any = true;
        if (v < 0x110000) v = v * (hex ? 16 : 10) + d;
    }
    if (!any) return 0;
    if (p < end && *p == ';') p++;
    if (v >= 0x80 && v < 0xa0) v = windows[v - 0x80];
    if (v == 0 || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) v = 0xfffd;
    *n = (size_t)wt_utf8_encode(v, out);
    return (size_t)(p - start);
}

size_t html_reference(const char *p, const char *end, bool in_attribute, char out[16], size_t *n) {
    if (end - p < 2) return 0;
    if (p[1] == '#') return numeric_reference(p, end, out, n);
    const char *name = p + 1;
    size_t len = 0, left = (size_t)(end - name);
    while (len < left && len < NAME_MAX_BYTES && is_alnum(name[len])) len++;
    if (len == 0) return 0;
    const char *text = NULL;
    if (len < left && name[len] == ';') text = entity_find(name, ++len);
    if (!text) {
        size_t most = len < LEGACY_MAX ? len : LEGACY_MAX;
        for (len = most; len >= 2 && !text; len--) text = entity_find(name, len);
        if (!text) return 0;
        len++;
        if (in_attribute && len < left && (name[len] == '=' || is_alnum(name[len]))) return 0;
    }
    *n = strlen(text);
    memcpy(out, text, *n);
    return len + 1;
}

/* ---- text into the tail of the bytes ---- */
/* Copies [from, to) of the page to the tail, references decoded, NUL dropped or replaced. */
static void decode(tokenizer *z, uint32_t from, uint32_t to, bool references, bool in_attribute, bool drop_nul, uint32_t *off, uint32_t *len) {
    wt_buf *b = &z->t->bytes;
    size_t start = b->len;
    wt_buf_reserve(b, (size_t)(to - from) + 64);
    uint32_t i = from;
    while (i < to) {
        const char *base = b->ptr, *p = base + i, *end = base + to;
        const char *stop = in_attribute ? scan_value(p, end, 0) : scan_text(p, end);
        if (!in_attribute)
            while (stop < end && *stop == '<') stop = scan_text(stop + 1, end);
        size_t plain = (size_t)(stop - p);
        wt_buf_reserve(b, plain + 32);
        memcpy(b->ptr + b->len, b->ptr + i, plain);
        b->len += plain;
        i += (uint32_t)plain;
        if (i >= to) break;
        base = b->ptr;
        if (base[i] == 0) {
            if (!drop_nul) wt_buf_add_str(b, WT_STR("\xef\xbf\xbd"));
            i++;
            continue;
        }
        char out[16];
        size_t n = 0, took = references ? html_reference(base + i, base + to, in_attribute, out, &n) : 0;
        if (took) wt_buf_add(b, out, n);
        else wt_buf_add_char(b, '&');
        i += took ? (uint32_t)took : 1;
    }
    *off = (uint32_t)start;
    *len = (uint32_t)(b->len - start);
}

void tokenizer_init(tokenizer *z, html_tree *t, wt_str page) {
    *z = (tokenizer){.t = t};
    wt_buf_clear(&t->bytes);
    wt_buf_reserve(&t->bytes, page.len + page.len / 4 + 4096);
    const char *p = page.ptr, *end = page.ptr + page.len;
    while (p < end) {
        const char *cr = memchr(p, '\r', (size_t)(end - p));
        if (!cr) cr = end;
        memcpy(t->bytes.ptr + t->bytes.len, p, (size_t)(cr - p));
        t->bytes.len += (size_t)(cr - p);
        if (cr == end) break;
        t->bytes.ptr[t->bytes.len++] = '\n';
        p = cr + 1 + (cr + 1 < end && cr[1] == '\n');
    }
    z->end = (uint32_t)t->bytes.len;
    t->bytes.ptr[t->bytes.len] = 0;
}

static const char *at(const tokenizer *z, uint32_t i) { return z->t->bytes.ptr + i; }

/* ---- tags ---- */
static html_tag read_name(tokenizer *z, html_token *token) {
    const char *p = at(z, z->at), *end = at(z, z->end), *start = p;
    char lower[16] = {0};
    size_t n = 0;
    for (; p < end && !is_space(*p) && *p != '/' && *p != '>'; p++, n++)
        if (n < sizeof lower) lower[n] = (char)(*p >= 'A' && *p <= 'Z' ? *p | 32 : *p);
    z->at = (uint32_t)(p - z->t->bytes.ptr);
    html_tag tag = n <= sizeof lower ? html_tag_of(lower, n) : HTML_TAG_UNKNOWN;
    if (tag == HTML_TAG_UNKNOWN) {
        wt_buf *b = &z->t->bytes;
        uint32_t from = (uint32_t)(start - b->ptr);
        token->off = (uint32_t)b->len;
        token->len = (uint32_t)n;
        wt_buf_reserve(b, 3 * n + 1);
        for (size_t i = 0; i < n; i++) {
            char c = b->ptr[from + i];
            if (c == 0) wt_buf_add_str(b, WT_STR("\xef\xbf\xbd"));
            else b->ptr[b->len++] = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
        }
        b->ptr[b->len++] = 0;
    }
    return tag;
}

static bool same_name(const html_tree *t, const html_attr *a, const html_attr *b) {
    if (a->id || b->id) return a->id == b->id;
    return a->name_len == b->name_len && memcmp(t->bytes.ptr + a->name, t->bytes.ptr + b->name, a->name_len) == 0;
}

static void read_attr_name(tokenizer *z, html_attr *a) {
    const char *base = z->t->bytes.ptr, *p = base + z->at, *end = base + z->end, *start = p;
    bool change = false;
    if (p < end && *p == '=') p++;                  /* "=x" is a name */
    for (; p < end && !is_space(*p) && *p != '/' && *p != '>' && *p != '='; p++)
        change |= (*p >= 'A' && *p <= 'Z') || *p == 0;
    size_t n = (size_t)(p - start);
    z->at = (uint32_t)(p - base);
    a->name = (uint32_t)(start - base);
    if (change) {
        wt_buf *b = &z->t->bytes;
        uint32_t from = a->name;
        a->name = (uint32_t)b->len;
        wt_buf_reserve(b, 3 * n + 1);
        for (size_t i = 0; i < n; i++) {
            char c = b->ptr[from + i];
            if (c == 0) wt_buf_add_str(b, WT_STR("\xef\xbf\xbd"));
            else b->ptr[b->len++] = (char)(c >= 'A' && c <= 'Z' ? c | 32 : c);
        }
        n = b->len - a->name;
    }
    a->name_len = (uint16_t)(n < 0xffff ? n : 0xffff);
    a->id = (uint16_t)html_attr_of(z->t->bytes.ptr + a->name, a->name_len);
}

/* The value behind '='. False where the page ends in it. */
static bool read_attr_value(tokenizer *z, html_attr *a) {
    const char *base = z->t->bytes.ptr, *p = base + z->at, *end = base + z->end;
    while (p < end && is_space(*p)) p++;
    if (p == end) return false;
    const char *start = p;
    bool change = false;
    if (*p == '"' || *p == '\'') {
        char quote = *p;
        start = ++p;
        for (p = scan_value(p, end, quote); p < end && *p != quote; p = scan_value(p + 1, end, quote)) change = true;
        if (p == end) return false;
        z->at = (uint32_t)(p + 1 - base);
    } else {
        for (; p < end && !is_space(*p) && *p != '>'; p++) change |= *p == '&' || *p == 0;
        if (p == end) return false;
        z->at = (uint32_t)(p - base);
    }
    a->value = (uint32_t)(start - base);
    a->value_len = (uint32_t)(p - start);
    if (change) {
        uint32_t off, len;
        decode(z, a->value, a->value + a->value_len, true, true, false, &off, &len);
        a->value = off;
        a->value_len = len;
    }
    return true;
}

/* Attributes and the '>' of a tag whose name was read. False where the page ends before it. */
static bool read_attrs(tokenizer *z, html_token *token) {
    html_tree *t = z->t;
    token->first_attr = t->n_attrs;
    token->n_attrs = 0;
    token->self_closing = false;
    for (;;) {
        const char *base = t->bytes.ptr, *p = base + z->at, *end = base + z->end;
        while (p < end && (is_space(*p) || *p == '/')) {
            token->self_closing = *p == '/' && p + 1 < end && p[1] == '>';
            p++;
        }
        z->at = (uint32_t)(p - base);
        if (p == end) return false;
        if (*p == '>') {
            z->at++;
            return true;
        }
        token->self_closing = false;
        html_attr a = {0};
        read_attr_name(z, &a);
        base = t->bytes.ptr, p = base + z->at, end = base + z->end;
        while (p < end && is_space(*p)) p++;
        if (p < end && *p == '=') {
            z->at = (uint32_t)(p + 1 - base);
            const char *q = p + 1;
            while (q < end && is_space(*q)) q++;
            if (q < end && *q == '>') z->at = (uint32_t)(q - base);      /* <a href=> */
            else if (!read_attr_value(z, &a)) return false;
        }
        if (token->kind != TOKEN_START || token->n_attrs >= HTML_ATTRS_MAX) continue;
        bool twice = false;
        for (uint32_t i = 0; i < token->n_attrs && !twice; i++) twice = same_name(t, &t->attr[token->first_attr + i], &a);
        if (twice) continue;
        WT_GROW(t->attr, t->attrs_cap, t->n_attrs + 1 < 1024 ? 1024 : t->n_attrs + 1);
        t->attr[t->n_attrs++] = a;
        token->n_attrs++;
    }
}

static bool read_tag(tokenizer *z, html_token *token, bool end_tag) {
    *token = (html_token){.kind = end_tag ? TOKEN_END : TOKEN_START};
    z->at += end_tag ? 2 : 1;
    token->tag = read_name(z, token);
    if (read_attrs(z, token)) return true;
    z->at = z->end;
    token->kind = TOKEN_EOF;                        /* a cut tag is dropped */
    return true;
}

/* ---- <! and <? ---- */
static void set_comment(tokenizer *z, html_token *token, uint32_t from, uint32_t to) {
    *token = (html_token){.kind = TOKEN_COMMENT, .off = from, .len = to - from};
    if (memchr(at(z, from), 0, to - from)) decode(z, from, to, false, true, false, &token->off, &token->len);
}

static void read_comment(tokenizer *z, html_token *token) {
    uint32_t from = z->at + 4;
    const char *base = z->t->bytes.ptr, *p = base + from, *end = base + z->end;
    if (p < end && *p == '>') {
        z->at = from + 1;
        set_comment(z, token, from, from);
        return;
    }
    if (p + 1 < end && p[0] == '-' && p[1] == '>') {
        z->at = from + 2;
        set_comment(z, token, from, from);
        return;
    }
    while (p < end && (p = memchr(p, '-', (size_t)(end - p)))) {
        if (p + 1 < end && p[1] == '-') {
            const char *q = p + 2;
            if (q < end && *q == '>') {
                z->at = (uint32_t)(q + 1 - base);
                set_comment(z, token, from, (uint32_t)(p - base));
                return;
            }
            if (q + 1 < end && q[0] == '!' && q[1] == '>') {
                z->at = (uint32_t)(q + 2 - base);
                set_comment(z, token, from, (uint32_t)(p - base));
                return;
            }
        }
        p++;
    }
    uint32_t to = z->end;                           /* the page ends in it, perhaps behind "--" or "--!" */
    z->at = z->end;
    if (to - from >= 3 && memcmp(base + to - 3, "--!", 3) == 0) to -= 3;
    else if (to - from >= 2 && memcmp(base + to - 2, "--", 2) == 0) to -= 2;
    else if (to - from >= 1 && base[to - 1] == '-') to -= 1;
    set_comment(z, token, from, to);
}

static void read_bogus(tokenizer *z, html_token *token, uint32_t from) {
    const char *base = z->t->bytes.ptr, *gt = memchr(base + from, '>', z->end - from);
    uint32_t to = gt ? (uint32_t)(gt - base) : z->end;
    z->at = gt ? to + 1 : z->end;
    set_comment(z, token, from, to);
}

static bool starts_nocase(const char *p, const char *end, const char *lower) {
    for (; *lower; p++, lower++)
        if (p >= end || (*p >= 'A' && *p <= 'Z' ? *p | 32 : *p) != *lower) return false;
    return true;
}

static wt_str quoted(const char **p, const char *end) {
    while (*p < end && is_space(**p)) (*p)++;
    if (*p >= end || (**p != '"' && **p != '\'')) return (wt_str){NULL, 0};
    char quote = *(*p)++;
    const char *start = *p;
    while (*p < end && **p != quote) (*p)++;
    wt_str s = {start, (size_t)(*p - start)};
    *p += *p < end;
    return s;
}

/* Does this doctype ask for quirks mode? */
static bool doctype_quirks(const char *p, const char *end) {
    static const char *const prefixes[] = {
        "+//silmaril//dtd html pro v0r11 19970101//", "-//as//dtd html 3.0 aswedit + extensions//",
        "-//advasoft ltd//dtd html 3.0 aswedit + extensions//", "-//ietf//dtd html", "-//metrius//dtd metrius presentational//",
        "-//microsoft//dtd internet explorer", "-//netscape comm. corp.//dtd", "-//o'reilly and associates//dtd html",
        "-//sq//dtd html 2.0 hotmetal + extensions//", "-//softquad", "-//spyglass//dtd html 2.0 extended//",
        "-//sun microsystems corp.//dtd hotjava", "-//w3c//dtd html 3", "-//w3c//dtd html 4.0 frameset//",
        "-//w3c//dtd html 4.0 transitional//", "-//w3c//dtd html experimental", "-//w3c//dtd w3 html//", "-//w3o//dtd w3 html",
        "-//webtechs//dtd mozilla html", "-/w3c/dtd html 4.0 transitional/en", "-/w3d/dtd html 4.0 transitional/en"};
    while (p < end && is_space(*p)) p++;
    if (!starts_nocase(p, end, "html") || (p + 4 < end && !is_space(p[4]))) return true;
    p += 4;
    while (p < end && is_space(*p)) p++;
    wt_str public_id = {NULL, 0}, system_id = {NULL, 0};
    if (starts_nocase(p, end, "public")) {
        p += 6;
        public_id = quoted(&p, end);
        if (!public_id.ptr) return true;
        system_id = quoted(&p, end);
    } else if (starts_nocase(p, end, "system")) {
        p += 6;
        system_id = quoted(&p, end);
        if (!system_id.ptr) return true;
    } else if (p < end) {
        return true;
    }
    if (wt_str_eq_nocase(system_id, WT_STR("http://www.ibm.com/data/dtd/v11/ibmxhtml1-transitional.dtd"))) return true;
    if (!public_id.ptr) return false;
    if (wt_str_eq_nocase(public_id, WT_STR("html"))) return true;
    const char *pe = public_id.ptr + public_id.len;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (starts_nocase(public_id.ptr, pe, prefixes[i])) return true;
    return !system_id.ptr && (starts_nocase(public_id.ptr, pe, "-//w3c//dtd html 4.01 frameset//") ||
                              starts_nocase(public_id.ptr, pe, "-//w3c//dtd html 4.01 transitional//"));
}

static void read_declaration(tokenizer *z, html_token *token) {
    const char *base = z->t->bytes.ptr, *p = base + z->at, *end = base + z->end;
    if (end - p >= 4 && p[2] == '-' && p[3] == '-') {
        read_comment(z, token);
    } else if (starts_nocase(p + 2, end, "doctype")) {
        const char *gt = memchr(p, '>', (size_t)(end - p));
        if (!gt) gt = end;
        *token = (html_token){.kind = TOKEN_DOCTYPE, .quirks = doctype_quirks(p + 9, gt)};
        z->at = (uint32_t)(gt - base) + (gt < end);
    } else if (z->cdata && end - p >= 9 && memcmp(p + 2, "[CDATA[", 7) == 0) {
        uint32_t from = z->at + 9;
        wt_str rest = {base + from, z->end - from};
        ptrdiff_t close = wt_str_find(rest, WT_STR("]]>"));
        uint32_t to = close < 0 ? z->end : from + (uint32_t)close;
        z->at = close < 0 ? z->end : to + 3;
        *token = (html_token){.kind = TOKEN_TEXT, .off = from, .len = to - from};
        if (memchr(base + from, 0, to - from)) decode(z, from, to, false, true, false, &token->off, &token->len);
    } else {
        read_bogus(z, token, z->at + 2);
    }
}

/* ---- raw text ---- */
/* Is "</tag" at p, followed by what ends a name? */
static bool is_end_of(const char *p, const char *end, const char *name) {
    size_t n = strlen(name);
    return (size_t)(end - p) > n + 2 && p[0] == '<' && p[1] == '/' && starts_nocase(p + 2, end, name) &&
           (is_space(p[n + 2]) || p[n + 2] == '/' || p[n + 2] == '>');
}

static const char *script_end(const char *p, const char *end) {
    bool escaped = false, twice = false;
    while (p < end) {
        if (!escaped) {
            p = memchr(p, '<', (size_t)(end - p));
            if (!p) return end;
        }
        if (*p == '<') {
            if (is_end_of(p, end, "script")) {
                if (!twice) return p;
                twice = false;
            } else if (!escaped && end - p >= 4 && memcmp(p, "<!--", 4) == 0) {
                escaped = true;
                p += 2;
                continue;
            } else if (escaped && !twice && starts_nocase(p + 1, end, "script") && end - p > 7 &&
                       (is_space(p[7]) || p[7] == '/' || p[7] == '>')) {
                twice = true;
            }
            p++;
        } else {                                    /* escaped: only '<' and "-->" matter */
            if (*p == '-' && end - p >= 3 && p[1] == '-' && p[2] == '>') escaped = twice = false;
            p++;
            while (escaped && p < end && *p != '<' && *p != '-') p++;
        }
    }
    return end;
}

static const char *raw_end(const char *p, const char *end, const char *name) {
    while (p < end && (p = memchr(p, '<', (size_t)(end - p)))) {
        if (is_end_of(p, end, name)) return p;
        p++;
    }
    return end;
}

static bool read_raw(tokenizer *z, html_token *token) {
    const char *base = z->t->bytes.ptr, *p = base + z->at, *end = base + z->end, *stop;
    const char *name = html_tag_name(z->raw_tag);
    raw_kind kind = z->raw;
    stop = kind == RAW_PLAINTEXT ? end : kind == RAW_SCRIPT ? script_end(p, end) : raw_end(p, end, name);
    uint32_t from = z->at, to = (uint32_t)(stop - base);
    z->at = to;
    if (kind != RAW_PLAINTEXT) z->raw = RAW_NONE;
    if (to == from) return false;
    *token = (html_token){.kind = TOKEN_TEXT, .off = from, .len = to - from};
    if (memchr(base + from, 0, to - from) || (kind == RAW_RCDATA && memchr(base + from, '&', to - from)))
        decode(z, from, to, kind == RAW_RCDATA, false, false, &token->off, &token->len);
    return true;
}

/* ---- text between tags ---- */
static bool read_text(tokenizer *z, html_token *token) {
    const char *base = z->t->bytes.ptr, *p = base + z->at, *end = base + z->end;
    bool change = false;
    for (;;) {
        p = scan_text(p, end);
        if (p == end) break;
        if (*p == '<') {
            char next = p + 1 < end ? p[1] : 0;
            if (is_letter(next) || next == '!' || next == '?' || (next == '/' && p + 2 < end)) break;
        } else {
            change = true;
        }
        p++;
    }
    uint32_t from = z->at, to = (uint32_t)(p - base);
    z->at = to;
    if (to == from) return false;
    *token = (html_token){.kind = TOKEN_TEXT, .off = from, .len = to - from};
    if (change) decode(z, from, to, true, false, !z->cdata, &token->off, &token->len);
    return token->len > 0;
}

void tokenizer_next(tokenizer *z, html_token *token) {
    if (z->raw != RAW_NONE && read_raw(z, token)) return;
    while (z->at < z->end) {
        if (read_text(z, token)) return;
        if (z->at >= z->end) break;
        const char *p = at(z, z->at);
        if (*p != '<') continue;                    /* the text was all NUL */
        char next = z->at + 1 < z->end ? p[1] : 0;
        if (is_letter(next)) {
            read_tag(z, token, false);
            return;
        }
        if (next == '!') {
            read_declaration(z, token);
            return;
        }
        if (next == '?') {
            read_bogus(z, token, z->at + 1);
            return;
        }
        if (is_letter(p[2])) {                      /* next is '/' and something follows */
            read_tag(z, token, true);
            return;
        }
        if (p[2] == '>') {
            z->at += 3;
            continue;
        }
        read_bogus(z, token, z->at + 2);
        return;
    }
    *token = (html_token){.kind = TOKEN_EOF};
}

/* charset.c - which encoding a page is in; see charset.h for the order. charset_convert.c knows the encodings. */
#include "extract/charset_convert.h"

#include <ctype.h>
#include <stdlib.h>
#include <uchardet/uchardet.h>

#include "common/utf8.h"

enum { PRESCAN_BYTES = 1024, LATE_META_BYTES = 256 << 10, GUESS_BYTES = 64 << 10 };

static bool is_utf16(int e) { return strncmp(encoding_name(e), "utf-16", 6) == 0; }

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v'); }

static ptrdiff_t find_nocase(wt_str s, const char *lower, size_t from) {
    size_t n = strlen(lower);
    for (size_t i = from; i + n <= s.len; i++) {
        size_t k = 0;
        while (k < n && tolower((unsigned char)s.ptr[i + k]) == lower[k]) k++;
        if (k == n) return (ptrdiff_t)i;
    }
    return -1;
}

/* "algorithm for extracting a character encoding from a meta element" of the HTML standard */
wt_str charset_in_content_type(wt_str s) {
    for (size_t from = 0;;) {
        ptrdiff_t at = find_nocase(s, "charset", from);
        if (at < 0) return (wt_str){NULL, 0};
        size_t i = from = (size_t)at + 7;
        while (i < s.len && is_space(s.ptr[i])) i++;
        if (i >= s.len || s.ptr[i] != '=') continue;
        for (i++; i < s.len && is_space(s.ptr[i]);) i++;
        char quote = i < s.len && (s.ptr[i] == '"' || s.ptr[i] == '\'') ? s.ptr[i++] : 0;
        size_t start = i;
        while (i < s.len && (quote ? s.ptr[i] != quote : !is_space(s.ptr[i]) && s.ptr[i] != ';')) i++;
        return (wt_str){s.ptr + start, i - start};
    }
}

/* ---- <meta> ---- */
/* The next attribute of a tag at *at (the standard's "get an attribute"); false at its end. */
static bool next_attr(wt_str s, size_t *at, wt_str *name, wt_str *value) {
    size_t i = *at;
    while (i < s.len && (is_space(s.ptr[i]) || s.ptr[i] == '/')) i++;
    size_t start = i;
    while (i < s.len && s.ptr[i] != '=' && s.ptr[i] != '>' && s.ptr[i] != '/' && !is_space(s.ptr[i])) i++;
    *name = (wt_str){s.ptr + start, i - start};
    *value = (wt_str){s.ptr + i, 0};
    if (i == start && (i >= s.len || s.ptr[i] != '=')) {
        *at = i;
        return false;
    }
    while (i < s.len && is_space(s.ptr[i])) i++;
    if (i < s.len && s.ptr[i] == '=') {
        for (i++; i < s.len && is_space(s.ptr[i]);) i++;
        char quote = i < s.len && (s.ptr[i] == '"' || s.ptr[i] == '\'') ? s.ptr[i++] : 0;
        start = i;
        while (i < s.len && (quote ? s.ptr[i] != quote : !is_space(s.ptr[i]) && s.ptr[i] != '>')) i++;
        *value = (wt_str){s.ptr + start, i - start};
        i += quote && i < s.len;
    }
    *at = i;
    return true;
}

/* One <meta ...> tag: the encoding it declares, or -1. */
static int meta_encoding(wt_str s, size_t at) {
    bool pragma = false;
    int from_charset = -1, from_content = -1;
    wt_str name, value;
    while (next_attr(s, &at, &name, &value)) {
        if (wt_str_eq_nocase(name, WT_STR("http-equiv")))
            pragma = wt_str_eq_nocase(value, WT_STR("content-type"));
        else if (wt_str_eq_nocase(name, WT_STR("charset")))
            from_charset = encoding_of_label(value);
        else if (wt_str_eq_nocase(name, WT_STR("content")))
            from_content = encoding_of_label(charset_in_content_type(value));
    }
    int e = from_charset >= 0 ? from_charset : pragma ? from_content : -1;
    /* A page that could be read this far in bytes is not UTF-16. */
    if (e >= 0 && is_utf16(e)) e = 0;
    return e;
}

/* Finds a declaration among the tags that start in [from, to), passing over comments. */
static int prescan(wt_str s, size_t from, size_t to) {
    if (to > s.len) to = s.len;
    for (size_t i = from; i < to;) {
        const char *lt = memchr(s.ptr + i, '<', to - i);
        if (!lt) return -1;
        i = (size_t)(lt - s.ptr);
        wt_str rest = {lt, s.len - i};
        if (wt_str_starts(rest, WT_STR("<!--"))) {
            ptrdiff_t close = wt_str_find((wt_str){rest.ptr + 2, rest.len - 2}, WT_STR("-->"));
            if (close < 0) return -1;
            i += 2 + (size_t)close + 3;
            continue;
        }
        if (rest.len > 6 && wt_str_eq_nocase((wt_str){lt + 1, 4}, WT_STR("meta")) &&
            (is_space(lt[5]) || lt[5] == '/')) {
            int e = meta_encoding(s, i + 6);
            if (e >= 0) return e;
        }
        i++;
    }
    return -1;
}

/* ---- guessing ---- */
/* uchardet sees only text between tags that has bytes above ASCII in it: markup and English
 * navigation would drown a page's own letters. */
static int guess_encoding(wt_str page) {
    uchardet_t detector = uchardet_new();
    size_t fed = 0;
    const char *p = page.ptr, *end = p + page.len;
    while (p < end && fed < GUESS_BYTES) {
        const char *lt = memchr(p, '<', (size_t)(end - p));
        if (!lt) lt = end;
        bool high = false;
        for (const char *q = p; q < lt && !high; q++) high = (unsigned char)*q >= 0x80;
        if (high) {
            size_t n = (size_t)(lt - p) < GUESS_BYTES - fed ? (size_t)(lt - p) : GUESS_BYTES - fed;
            uchardet_handle_data(detector, p, n);
            fed += n;
        }
        const char *gt = lt < end ? memchr(lt, '>', (size_t)(end - lt)) : NULL;
        p = gt ? gt + 1 : end;
    }
    uchardet_data_end(detector);
    int e = fed ? encoding_of_label(wt_str_of(uchardet_get_charset(detector))) : -1;
    uchardet_delete(detector);
    return e;
}

/* ---- deciding ---- */
/* Counts sequences above ASCII that are good and bad UTF-8. */
static void utf8_count(wt_str s, size_t *n_good, size_t *n_bad) {
    *n_good = *n_bad = 0;
    const char *p = s.ptr, *end = s.ptr + s.len;
    while (p < end) {
        if ((unsigned char)*p < 0x80) {
            p++;
            continue;
        }
        uint32_t cp;
        int n = wt_utf8_decode(p, end, &cp);
        *n_good += n > 0;
        *n_bad += n == 0;
        p += n ? n : 1;
    }
}

static bool has_high_byte(wt_str s) {
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t w;
        memcpy(&w, s.ptr + i, 8);
        if (w & 0x8080808080808080u) return true;
    }
    for (; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80) return true;
    return false;
}

/* ISO-2022-JP, whatever is declared: nothing else switches to kanji. */
static bool has_kanji_escape(wt_str page) {
    return memchr(page.ptr, 27, page.len) && (wt_str_find(page, WT_STR("\33$B")) >= 0 || wt_str_find(page, WT_STR("\33$@")) >= 0);
}

static int declared(wt_str page, wt_str content_type, const char **how) {
    int e = encoding_of_label(charset_in_content_type(content_type));
    *how = "http";
    if (e >= 0) return e;
    *how = "meta";
    e = prescan(page, 0, PRESCAN_BYTES);
    if (e >= 0) return e;
    *how = "late-meta";
    return prescan(page, PRESCAN_BYTES, LATE_META_BYTES);
}

static int choose(wt_str page, wt_str content_type, const char **how) {
    int e = declared(page, content_type, how);
    if (e >= 0 && is_utf16(e)) {
        /* Only a header gets here; believe it where every other byte is mostly NUL. */
        size_t n_nul = 0, n = page.len < 4096 ? page.len : 4096;
        for (size_t i = 0; i < n; i++) n_nul += page.ptr[i] == 0;
        if (n_nul * 8 > n) return e;
        e = -1;
    }
    if (e >= 0 && strcmp(encoding_name(e), "iso-2022-jp") == 0 && memchr(page.ptr, 27, page.len))
        return e;
    if (!has_high_byte(page)) {
        if (has_kanji_escape(page)) return *how = "guess", encoding_of_label(WT_STR("iso-2022-jp"));
        if (e < 0) *how = "default";
        return 0;
    }
    if (wt_utf8_valid(page)) {
        if (e != 0) *how = "valid";
        return 0;
    }
    if (e > 0) return e;
    size_t n_good, n_bad;
    utf8_count(page, &n_good, &n_bad);
    if (n_bad * 10 < n_good) {                  /* UTF-8 with a few wounds, declared or not */
        if (e < 0) *how = "valid";
        return 0;
    }
    *how = "guess";
    e = guess_encoding(page);
    if (e > 0) return e;
    *how = "default";
    return encoding_of_label(WT_STR("windows-1252"));
}

wt_str charset_decode(wt_str page, wt_str content_type, wt_buf *out, charset_choice *choice) {
    const unsigned char *b = (const unsigned char *)page.ptr;
    int e = -1;
    size_t bom = 0;
    *choice = (charset_choice){"utf-8", "default", 0};
    wt_buf_clear(out);
    if (page.len == 0) return page;
    if (page.len >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf) e = 0, bom = 3;
    else if (page.len >= 2 && b[0] == 0xfe && b[1] == 0xff) e = encoding_of_label(WT_STR("utf-16be")), bom = 2;
    else if (page.len >= 2 && b[0] == 0xff && b[1] == 0xfe) e = encoding_of_label(WT_STR("utf-16le")), bom = 2;
    if (e >= 0) {
        choice->how = "bom";
        page.ptr += bom, page.len -= bom;
    } else if (page.len >= 4 && b[1] == 0 && b[3] == 0 && b[0] && b[2]) {
        e = encoding_of_label(WT_STR("utf-16le")), choice->how = "utf-16";
    } else if (page.len >= 4 && b[0] == 0 && b[2] == 0 && b[1] && b[3]) {
        e = encoding_of_label(WT_STR("utf-16be")), choice->how = "utf-16";
    } else {
        e = choose(page, content_type, &choice->how);
    }
    choice->name = encoding_name(e);
    if (e != 0) {
        encoding_convert(page, e, out, &choice->n_bad);
        return wt_buf_view(out);
    }
    if (!has_high_byte(page) || wt_utf8_valid(page)) return page;
    size_t n_good;
    utf8_count(page, &n_good, &choice->n_bad);
    wt_utf8_repair(out, page);
    return wt_buf_view(out);
}

/* charset.c - see charset.h. glibc's iconv knows the encodings; the WHATWG table says which one a
 * label means on the web (iso-8859-1 is windows-1252, gb2312 is gb18030, euc-kr is cp949). */
#include "extract/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <uchardet/uchardet.h>

#include "common/utf8.h"

enum { PRESCAN_BYTES = 1024, LATE_META_BYTES = 256 << 10, GUESS_BYTES = 64 << 10 };

static const struct {
    const char *name, *iconv, *labels;      /* labels between spaces */
} encodings[] = {
    {"utf-8", "UTF-8", " unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 "},
    {"ibm866", "IBM866", " 866 cp866 csibm866 ibm866 "},
    {"iso-8859-2", "ISO-8859-2", " csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 "},
    {"iso-8859-3", "ISO-8859-3", " csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3 "},
    {"iso-8859-4", "ISO-8859-4", " csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4 "},
    {"iso-8859-5", "ISO-8859-5", " csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 "},
    {"iso-8859-6", "ISO-8859-6", " arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 "},
    {"iso-8859-7", "ISO-8859-7", " csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek "},
    {"iso-8859-8", "ISO-8859-8", " csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical "},
    {"iso-8859-10", "ISO-8859-10", " csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6 "},
    {"iso-8859-13", "ISO-8859-13", " iso-8859-13 iso8859-13 iso885913 "},
    {"iso-8859-14", "ISO-8859-14", " iso-8859-14 iso8859-14 iso885914 "},
    {"iso-8859-15", "ISO-8859-15", " csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 "},
    {"iso-8859-16", "ISO-8859-16", " iso-8859-16 "},
    {"koi8-r", "KOI8-R", " cskoi8r koi koi8 koi8-r koi8_r "},
    {"koi8-u", "KOI8-U", " koi8-ru koi8-u "},
    {"macintosh", "MACINTOSH", " csmacintosh mac macintosh x-mac-roman "},
    {"windows-874", "CP874", " dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 "},
    {"windows-1250", "CP1250", " cp1250 windows-1250 x-cp1250 "},
    {"windows-1251", "CP1251", " cp1251 windows-1251 x-cp1251 "},
    {"windows-1252", "CP1252", " ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 "},
    {"windows-1253", "CP1253", " cp1253 windows-1253 x-cp1253 "},
    {"windows-1254", "CP1254", " cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254 "},
    {"windows-1255", "CP1255", " cp1255 windows-1255 x-cp1255 "},
    {"windows-1256", "CP1256", " cp1256 windows-1256 x-cp1256 "},
    {"windows-1257", "CP1257", " cp1257 windows-1257 x-cp1257 "},
    {"windows-1258", "CP1258", " cp1258 windows-1258 x-cp1258 "},
    {"x-mac-cyrillic", "MAC-UK", " x-mac-cyrillic x-mac-ukrainian "},
    {"gbk", "GB18030", " chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk "},
    {"gb18030", "GB18030", " gb18030 "},
    {"big5", "BIG5-HKSCS", " big5 big5-hkscs cn-big5 csbig5 x-x-big5 "},
    {"euc-jp", "EUC-JP", " cseucpkdfmtjapanese euc-jp x-euc-jp "},
    {"iso-2022-jp", "ISO-2022-JP", " csiso2022jp iso-2022-jp "},
    {"shift_jis", "CP932", " csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis "},
    {"euc-kr", "CP949", " cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 "},
    {"utf-16be", "UTF-16BE", " unicodefffe utf-16be "},
    {"utf-16le", "UTF-16LE", " csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le "},
    {"x-user-defined", "CP1252", " x-user-defined "},
};
enum { N_ENCODINGS = sizeof encodings / sizeof *encodings };

static int encoding_of_label(wt_str label) {
    label = wt_str_trim(label);
    char key[40];
    if (label.len == 0 || label.len > sizeof key - 3) return -1;
    key[0] = ' ';
    for (size_t i = 0; i < label.len; i++) {
        if (label.ptr[i] == ' ' || label.ptr[i] == 0) return -1;
        key[i + 1] = (char)tolower((unsigned char)label.ptr[i]);
    }
    key[label.len + 1] = ' ';
    key[label.len + 2] = 0;
    for (int i = 0; i < N_ENCODINGS; i++)
        if (strstr(encodings[i].labels, key)) return i;
    return -1;
}

const char *charset_of_label(wt_str label) {
    int i = encoding_of_label(label);
    return i < 0 ? NULL : encodings[i].name;
}

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
    if (e >= 0 && strncmp(encodings[e].name, "utf-16", 6) == 0) e = 0;
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
    if (e >= 0 && strncmp(encodings[e].name, "utf-16", 6) == 0) {
        /* Only a header gets here; believe it where every other byte is mostly NUL. */
        size_t n_nul = 0, n = page.len < 4096 ? page.len : 4096;
        for (size_t i = 0; i < n; i++) n_nul += page.ptr[i] == 0;
        if (n_nul * 8 > n) return e;
        e = -1;
    }
    if (e >= 0 && strcmp(encodings[e].name, "iso-2022-jp") == 0 && memchr(page.ptr, 27, page.len))
        return e;
    if (!has_high_byte(page)) {
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

/* ---- converting ---- */
static void convert(wt_str page, int e, wt_buf *out, size_t *n_bad) {
    iconv_t cd = iconv_open("UTF-8", encodings[e].iconv);
    if (cd == (iconv_t)-1) {
        wt_utf8_repair(out, page);
        return;
    }
    char *in = (char *)page.ptr;
    size_t left = page.len;
    bool wide = strncmp(encodings[e].name, "utf-16", 6) == 0;
    while (left) {
        wt_buf_reserve(out, left * 2 + 64);
        char *to = out->ptr + out->len;
        size_t room = out->cap - out->len - 1, had = room;
        size_t r = iconv(cd, &in, &left, &to, &room);
        out->len += had - room;
        if (r != (size_t)-1 || errno == E2BIG) continue;
        /* windows-125x leave some bytes of 0x80..0x9f open; the web takes them as C1 controls. */
        unsigned char bad = (unsigned char)*in;
        char utf8[4];
        bool c1 = bad >= 0x80 && bad < 0xa0 && strncmp(encodings[e].name, "windows-", 8) == 0;
        wt_buf_add(out, utf8, (size_t)wt_utf8_encode(c1 ? bad : 0xfffd, utf8));
        *n_bad += !c1;
        size_t step = wide && left > 1 ? 2 : 1;
        in += step;
        left -= step;
    }
    iconv_close(cd);
    wt_buf_reserve(out, 1);
    out->ptr[out->len] = 0;
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
    choice->name = encodings[e].name;
    if (e != 0) {
        convert(page, e, out, &choice->n_bad);
        return wt_buf_view(out);
    }
    if (!has_high_byte(page) || wt_utf8_valid(page)) return page;
    size_t n_good;
    utf8_count(page, &n_good, &choice->n_bad);
    wt_utf8_repair(out, page);
    return wt_buf_view(out);
}

/* charset_convert.c - see charset_convert.h. glibc's iconv holds the tables. The WHATWG table says which one a label means on
 * the web (iso-8859-1 is windows-1252, gb2312 is gb18030, euc-kr is cp949); where iconv's table is not the web's it is
 * amended. EUC-JP and ISO-2022-JP hold the same kanji as Shift_JIS in other bytes and are rewritten as Shift_JIS:
 * iconv's CP932 has all characters that pages use, its EUC-JP lacks circled digits, company signs and rarer kanji of names. */
#include "extract/charset_convert.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>

#include "common/utf8.h"

/* What a character is written in, and so how many bytes a bad one takes along. */
typedef enum { ONE_BYTE, TWO_BYTES, SHIFT_JIS, KANJI, EUC_JP, ISO_2022_JP, THREE_BYTES, WIDE } code_shape;

typedef struct {
    const char *name, *iconv;
    code_shape shape;
    const char *labels;             /* between spaces */
} encoding;

static const encoding encodings[] = {
    {"utf-8", "UTF-8", ONE_BYTE, " unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 "},
    {"ibm866", "IBM866", ONE_BYTE, " 866 cp866 csibm866 ibm866 "},
    {"iso-8859-2", "ISO-8859-2", ONE_BYTE, " csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2 "},
    {"iso-8859-3", "ISO-8859-3", ONE_BYTE, " csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3 "},
    {"iso-8859-4", "ISO-8859-4", ONE_BYTE, " csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4 "},
    {"iso-8859-5", "ISO-8859-5", ONE_BYTE, " csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988 "},
    {"iso-8859-6", "ISO-8859-6", ONE_BYTE, " arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987 "},
    {"iso-8859-7", "ISO-8859-7", ONE_BYTE, " csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek "},
    {"iso-8859-8", "ISO-8859-8", ONE_BYTE, " csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical "},
    {"iso-8859-10", "ISO-8859-10", ONE_BYTE, " csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6 "},
    {"iso-8859-13", "ISO-8859-13", ONE_BYTE, " iso-8859-13 iso8859-13 iso885913 "},
    {"iso-8859-14", "ISO-8859-14", ONE_BYTE, " iso-8859-14 iso8859-14 iso885914 "},
    {"iso-8859-15", "ISO-8859-15", ONE_BYTE, " csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9 "},
    {"iso-8859-16", "ISO-8859-16", ONE_BYTE, " iso-8859-16 "},
    {"koi8-r", "KOI8-R", ONE_BYTE, " cskoi8r koi koi8 koi8-r koi8_r "},
    {"koi8-u", "KOI8-U", ONE_BYTE, " koi8-ru koi8-u "},
    {"macintosh", "MACINTOSH", ONE_BYTE, " csmacintosh mac macintosh x-mac-roman "},
    {"windows-874", "CP874", ONE_BYTE, " dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874 "},
    {"windows-1250", "CP1250", ONE_BYTE, " cp1250 windows-1250 x-cp1250 "},
    {"windows-1251", "CP1251", ONE_BYTE, " cp1251 windows-1251 x-cp1251 "},
    {"windows-1252", "CP1252", ONE_BYTE, " ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252 "},
    {"windows-1253", "CP1253", ONE_BYTE, " cp1253 windows-1253 x-cp1253 "},
    {"windows-1254", "CP1254", ONE_BYTE, " cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254 "},
    {"windows-1255", "CP1255", ONE_BYTE, " cp1255 windows-1255 x-cp1255 "},
    {"windows-1256", "CP1256", ONE_BYTE, " cp1256 windows-1256 x-cp1256 "},
    {"windows-1257", "CP1257", ONE_BYTE, " cp1257 windows-1257 x-cp1257 "},
    {"windows-1258", "CP1258", ONE_BYTE, " cp1258 windows-1258 x-cp1258 "},
    {"x-mac-cyrillic", "MAC-UK", ONE_BYTE, " x-mac-cyrillic x-mac-ukrainian "},
    {"gbk", "GB18030", TWO_BYTES, " chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk "},
    {"gb18030", "GB18030", TWO_BYTES, " gb18030 "},
    {"big5", "BIG5-HKSCS", TWO_BYTES, " big5 big5-hkscs cn-big5 csbig5 x-x-big5 "},
    {"euc-jp", "CP932", EUC_JP, " cseucpkdfmtjapanese euc-jp x-euc-jp "},
    {"iso-2022-jp", "CP932", ISO_2022_JP, " csiso2022jp iso-2022-jp "},
    {"shift_jis", "CP932", SHIFT_JIS, " csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis "},
    {"euc-kr", "CP949", TWO_BYTES, " cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 "},
    {"utf-16be", "UTF-16BE", WIDE, " unicodefffe utf-16be "},
    {"utf-16le", "UTF-16LE", WIDE, " csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le "},
    {"x-user-defined", "CP1252", ONE_BYTE, " x-user-defined "},
};
enum { N_ENCODINGS = sizeof encodings / sizeof *encodings };

int encoding_of_label(wt_str label) {
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

const char *encoding_name(int e) { return encodings[e].name; }

/* ---- where iconv's tables are not the web's ---- */
/* A byte that iconv leaves open: windows-125x have C1 controls there. 0: it is bad. */
static uint32_t open_byte(const encoding *e, unsigned char byte) {
    static const struct {
        const char *name;
        unsigned char byte;
        uint32_t cp;
    } open[] = {{"windows-1255", 0xca, 0x5ba}, {"gbk", 0x80, 0x20ac}, {"gb18030", 0x80, 0x20ac}, {"shift_jis", 0x80, 0x80}};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (open[i].byte == byte && strcmp(open[i].name, e->name) == 0) return open[i].cp;
    return byte >= 0x80 && byte < 0xa0 && strncmp(e->name, "windows-", 8) == 0 ? byte : 0;
}

/* Characters that iconv gives in an encoding for one sequence only, and the web gives another for it. */
static void amend(const encoding *e, wt_buf *out) {
    static const struct {
        const char *name, *from, *to;
    } other[] = {
        {"big5", "\u2022", "\u2027"}, {"big5", "\uff64", "\ufe51"}, {"big5", "\u203e", "\u00af"}, {"big5", "\u223c", "\uff5e"},
        {"big5", "\u2641", "\u2295"}, {"big5", "\u2609", "\u2299"}, {"big5", "\u00a5", "\uffe5"}, {"big5", "\u00a2", "\uffe0"},
        {"big5", "\u00a3", "\uffe1"}, {"koi8-u", "\u255d", "\u045e"}, {"koi8-u", "\u256c", "\u040e"}, {"macintosh", "\u0394", "\u2206"},
        {"x-mac-cyrillic", "\u00a4", "\u20ac"}, {"gbk", "\ue5e5", "\u3000"}, {"gb18030", "\ue5e5", "\u3000"},
    };
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (strcmp(other[i].name, e->name) == 0) wt_buf_replace(out, other[i].from, other[i].to);
}

/* ---- through iconv ---- */
/* Bytes that one U+FFFD stands for: a lead byte takes its trail byte along, but never an ASCII one, which may be markup
 * (KANJI were rewritten here, so there is none). */
static size_t bad_bytes(code_shape shape, const unsigned char *s, size_t left) {
    if (shape == THREE_BYTES) return left;
    if (shape == WIDE) return left < 2 ? left : 2;
    bool lead = s[0] > 0x80 && s[0] < 0xff;
    if (shape == SHIFT_JIS || shape == KANJI) lead = lead && s[0] < 0xfd && (s[0] < 0xa0 || s[0] > 0xdf);
    if (shape == ONE_BYTE || !lead || left < 2) return 1;
    return s[1] >= 0x80 || shape == KANJI ? 2 : 1;
}

/* The letter that CP1255 and CP1258 hold back for an accent to come. */
static void give_back(iconv_t cd, wt_buf *out) {
    wt_buf_reserve(out, 64);
    char *to = out->ptr + out->len;
    size_t room = out->cap - out->len - 1, had = room;
    iconv(cd, NULL, NULL, &to, &room);
    out->len += had - room;
}

/* glibc's CP949 refuses a2 e8 only when it has stepped over it, be it the last of the page. */
static bool steps_over(const encoding *e) { return strcmp(e->iconv, "CP949") == 0; }

static void convert_bytes(iconv_t cd, const encoding *e, wt_str bytes, wt_buf *out, size_t *n_bad) {
    if (cd == (iconv_t)-1) {            /* an iconv without this table */
        wt_utf8_repair(out, bytes);
        return;
    }
    char *in = (char *)bytes.ptr;
    size_t left = bytes.len;
    while (left) {
        wt_buf_reserve(out, left * 2 + 64);
        char *to = out->ptr + out->len, *began = in;
        size_t room = out->cap - out->len - 1, had = room;
        size_t r = iconv(cd, &in, &left, &to, &room);
        out->len += had - room;
        if (r != (size_t)-1 || errno == E2BIG) continue;
        bool passed = steps_over(e) && in - began >= 2 && memcmp(in - 2, "\xa2\xe8", 2) == 0;
        uint32_t cp = passed ? 0 : open_byte(e, (unsigned char)*in);
        size_t step = passed ? 0 : cp ? 1 : bad_bytes(e->shape, (const unsigned char *)in, left);
        char utf8[4];
        give_back(cd, out);
        wt_buf_add(out, utf8, (size_t)wt_utf8_encode(cp ? cp : 0xfffd, utf8));
        *n_bad += !cp;
        in += step;
        left -= step;
    }
    give_back(cd, out);
}

static void close_table(iconv_t cd) {
    if (cd != (iconv_t)-1) iconv_close(cd);
}

/* ---- EUC-JP and ISO-2022-JP ---- */
typedef struct {
    iconv_t shift_jis, rare;
    wt_buf waiting;                 /* in Shift_JIS */
    wt_buf *out;
    size_t *n_bad;
} japanese;

static const encoding as_shift_jis = {"shift_jis", "CP932", KANJI, ""}, as_rare = {"euc-jp", "EUC-JP", THREE_BYTES, ""};
enum { NO_SHIFT_JIS = 0xa0, KANJI_ROWS = 94 };

static void put_waiting(japanese *j) {
    convert_bytes(j->shift_jis, &as_shift_jis, wt_buf_view(&j->waiting), j->out, j->n_bad);
    wt_buf_clear(&j->waiting);
}

static void put_byte(japanese *j, unsigned c) { wt_buf_add_char(&j->waiting, (char)c); }

static void put_kanji(japanese *j, unsigned row, unsigned cell) {       /* from 0 on */
    char c[2] = {(char)(row / 2 + (row < 62 ? 0x81 : 0xc1)), (char)(row % 2 ? cell + 0x9f : cell + 0x40 + (cell >= 63))};
    wt_buf_add(&j->waiting, c, 2);
}

/* One character, or what ASCII there is up to the next; returns its bytes. */
static size_t put_euc(japanese *j, const unsigned char *s, size_t left) {
    size_t n_ascii = 0;
    while (n_ascii < left && s[n_ascii] < 0x80) n_ascii++;
    if (n_ascii) return wt_buf_add(&j->waiting, s, n_ascii), n_ascii;
    unsigned row = s[0] - 0xa1u, trail = left > 1 ? s[1] : 0, cell = trail - 0xa1u;
    if (row < KANJI_ROWS && cell < KANJI_ROWS) return put_kanji(j, row, cell), 2;
    if (s[0] == 0x8e && trail >= 0xa1 && trail <= 0xdf) return put_byte(j, trail), 2;
    if (s[0] == 0x8f && cell < KANJI_ROWS && left > 2 && s[2] >= 0xa1) {          /* JIS X 0212, which Shift_JIS does not hold */
        put_waiting(j);
        convert_bytes(j->rare, &as_rare, (wt_str){(const char *)s, 3}, j->out, j->n_bad);
        return 3;
    }
    put_byte(j, NO_SHIFT_JIS);
    return trail >= 0x80 && (row < KANJI_ROWS || s[0] == 0x8e || s[0] == 0x8f) ? 2 : 1;
}

/* What an escape sequence at s switches to: its last byte, or 0 where it is none. */
static int iso_2022_switch(const unsigned char *s, size_t left) {
    if (left < 3 || s[0] != 27) return 0;
    bool to_kanji = s[1] == '$' && (s[2] == '@' || s[2] == 'B'), to_bytes = s[1] == '(' && (s[2] == 'B' || s[2] == 'I' || s[2] == 'J');
    return to_kanji ? '$' : to_bytes ? s[2] : 0;
}

static size_t put_iso_2022(japanese *j, const unsigned char *s, size_t left, int *set) {
    int other = iso_2022_switch(s, left);
    if (other) return *set = other, 3;
    unsigned row = s[0] - 0x21u, cell = left > 1 ? s[1] - 0x21u : KANJI_ROWS;
    if (s[0] <= ' ' && s[0] != 27 && s[0] != 14 && s[0] != 15) return put_byte(j, s[0]), 1;
    if (*set == '$' && row < KANJI_ROWS && cell < KANJI_ROWS) return put_kanji(j, row, cell), 2;
    if (*set == 'J' && (s[0] == '\\' || s[0] == '~')) {
        put_waiting(j);
        wt_buf_add_str(j->out, s[0] == '~' ? WT_STR("\u203e") : WT_STR("\u00a5"));
    } else if (*set == 'I' && row < 0x3f) {
        put_byte(j, s[0] + 0x80u);
    } else {
        bool ascii = (*set == 'B' || *set == 'J') && s[0] > ' ' && s[0] < 0x80;
        put_byte(j, ascii ? s[0] : NO_SHIFT_JIS);
    }
    return 1;
}

static void convert_japanese(const encoding *e, wt_str page, wt_buf *out, size_t *n_bad) {
    japanese j = {.shift_jis = iconv_open("UTF-8", as_shift_jis.iconv), .rare = iconv_open("UTF-8", as_rare.iconv), .out = out, .n_bad = n_bad};
    int set = 'B';
    const unsigned char *s = (const unsigned char *)page.ptr;
    for (size_t i = 0; i < page.len;)
        i += e->shape == EUC_JP ? put_euc(&j, s + i, page.len - i) : put_iso_2022(&j, s + i, page.len - i, &set);
    put_waiting(&j);
    wt_buf_free(&j.waiting);
    close_table(j.shift_jis);
    close_table(j.rare);
}

void encoding_convert(wt_str page, int i_encoding, wt_buf *out, size_t *n_bad) {
    const encoding *e = &encodings[i_encoding];
    if (e->shape == EUC_JP || e->shape == ISO_2022_JP) {
        convert_japanese(e, page, out, n_bad);
        return;
    }
    iconv_t cd = iconv_open("UTF-8", e->iconv);
    convert_bytes(cd, e, page, out, n_bad);
    close_table(cd);
    amend(e, out);
}

/* filter_words.c - see filter_words.h. Text is cut at white space; from each piece signs are taken off in front and behind,
 * and what is left is parted at hyphens and the like between letters. */
#include "extract/filter_words.h"

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return is_lower(c) || is_upper(c) || (unsigned char)c >= 0x80; }

static void add(slices *out, const char *from, const char *to) {
    if (from == to) return;
    WT_GROW(out->item, out->cap, out->n + 1);
    out->item[out->n++] = (wt_str){from, (size_t)(to - from)};
}

/* Bytes of the sign at p that is a word of its own at a word's edge: 0 where there is none. */
static size_t sign_at(const char *p, const char *end) {
    const unsigned char *u = (const unsigned char *)p;
    size_t left = (size_t)(end - p);
    if (u[0] < 0x80) return strchr(",:;!?()[]{}<>_#*&\"'`=+~%$", *p) && *p ? 1 : 0;
    if (left >= 2 && u[0] == 0xc2) return u[1] == 0xa1 || u[1] == 0xa3 || u[1] == 0xa5 || u[1] == 0xa7 || u[1] == 0xab || u[1] == 0xb4 || u[1] == 0xb7 || u[1] == 0xbb || u[1] == 0xbf ? 2 : 0;
    if (left < 3) return 0;
    if (u[0] == 0xe2 && u[1] == 0x80) return (u[2] >= 0x93 && u[2] <= 0x9f) || u[2] == 0xa2 || u[2] == 0xa6 ? 3 : 0;
    if (u[0] == 0xe2) return (u[1] == 0x82 && u[2] == 0xac) || (u[1] >= 0x86 && u[1] <= 0x9e) ? 3 : 0;      /* the euro, arrows, figures */
    if (u[0] == 0xe3) return u[1] == 0x80 && (u[2] == 0x81 || u[2] == 0x82) ? 3 : 0;
    return u[0] == 0xef && u[1] == 0xbc && (u[2] == 0x81 || u[2] == 0x8c || u[2] == 0x9a || u[2] == 0x9b || u[2] == 0x9f) ? 3 : 0;
}

/* Dots in a row in front. */
static size_t dots_at(const char *p, const char *end) {
    size_t n = 0;
    while (p + n < end && p[n] == '.') n++;
    return n > 1 ? n : 0;
}

/* "Mr", "e.g", "U.S", "J": the full stop behind it belongs to it. More than ten letters are no abbreviation. */
static bool is_abbreviation(const char *p, const char *end) {
    static const char *const list[] = {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "vs", "inc", "ltd", "co", "corp", "gov", "gen", "sen", "rep", "rev",
                                       "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "ph.d", "messrs"};
    wt_str s = {p, (size_t)(end - p)};
    if (s.len > 2 * 10) return false;
    if (s.len == 1) return is_letter(*p);
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (wt_str_eq_nocase(s, wt_str_of(list[k]))) return true;
    for (size_t i = 0; i < s.len; i++)
        if (i % 2 ? p[i] != '.' : !is_letter(p[i])) return false;
    return s.len % 2;
}

/* Bytes of "'s", "'re", "n't" and their like behind, with either apostrophe. */
static size_t contraction_behind(const char *p, const char *end) {
    static const char *const list[] = {"'s", "'S", "'m", "'d", "'re", "'ve", "'ll", "n't", "\xe2\x80\x99s", "\xe2\x80\x99S", "\xe2\x80\x99m", "\xe2\x80\x99" "d",
                                       "\xe2\x80\x99re", "\xe2\x80\x99ve", "\xe2\x80\x99ll", "n\xe2\x80\x99t"};
    for (size_t k = 0; k < sizeof list / sizeof *list; k++)
        if (wt_str_ends((wt_str){p, (size_t)(end - p)}, wt_str_of(list[k])) && (size_t)(end - p) > strlen(list[k])) return strlen(list[k]);
    return 0;
}

/* Bytes that are taken off behind; 0: the word ends here. */
static size_t part_behind(const char *p, const char *end) {
    size_t dots = 0;
    while (end - dots > p && end[-1 - (ptrdiff_t)dots] == '.') dots++;
    if (dots > 1) return dots;
    if (dots == 1) {
        char before = end - p > 1 ? end[-2] : 0;
        bool two_upper = end - p > 2 && is_upper(before) && is_upper(end[-3]);
        bool parted = is_lower(before) || is_digit(before) || two_upper || (before && strchr("%)]\"'", before)) || (unsigned char)before >= 0x80;
        return parted && !is_abbreviation(p, end - 1) ? 1 : 0;
    }
    const char *last = end - 1;
    while (last > p && ((unsigned char)*last & 0xc0) == 0x80) last--;
    size_t n = sign_at(last, end);
    return n == (size_t)(end - last) ? n : contraction_behind(p, end);
}

/* Bytes of what parts a word at p, inside it. */
static size_t infix_at(const char *start, const char *p, const char *end) {
    if (p == start || p + 1 == end) return 0;
    char before = p[-1], after = p[1];
    size_t dots = dots_at(p, end);
    if (dots) return dots;
    if (*p == '-' || *p == ',' || *p == '~') return is_letter(before) && is_letter(after) ? 1 : 0;
    if (*p == '.') return is_lower(before) && is_upper(after) ? 1 : 0;
    if (*p == '/' || *p == ':' || *p == '=' || *p == '<' || *p == '>') return (is_letter(before) || is_digit(before)) && is_letter(after) ? 1 : 0;
    if (memcmp(p, "\xe2\x80", 2) == 0 && end - p > 3 && (p[2] == '\x93' || p[2] == '\x94' || p[2] == '\xa6')) return 3;
    return 0;
}

static bool is_address(const char *p, const char *end) {
    wt_str s = {p, (size_t)(end - p)};
    return wt_str_find(s, WT_STR("://")) > 0 || (s.len > 4 && memcmp(p, "www.", 4) == 0);
}

static void part_piece(const char *p, const char *end, slices *out) {
    enum { BEHIND_MAX = 64 };
    wt_str behind[BEHIND_MAX];
    size_t n, n_behind = 0;
    while (p < end && ((n = dots_at(p, end)) || (n = sign_at(p, end)))) add(out, p, p + n), p += n;
    while (p < end && n_behind < BEHIND_MAX && (n = part_behind(p, end))) {
        end -= n;
        behind[n_behind++] = (wt_str){end, n};
    }
    const char *start = p;
    bool whole = is_address(start, end);
    for (const char *q = p; q < end && !whole;) {
        if (!(n = infix_at(start, q, end))) {
            q++;
            continue;
        }
        add(out, p, q);
        add(out, q, q + n);
        p = q += n;
    }
    add(out, p, end);
    while (n_behind) n_behind--, add(out, behind[n_behind].ptr, behind[n_behind].ptr + behind[n_behind].len);
}

void filter_words(wt_str text, slices *out) {
    const char *p = text.ptr, *end = p + text.len;
    out->n = 0;
    while (p < end) {
        while (p < end && is_space(*p)) p++;
        const char *start = p;
        while (p < end && !is_space(*p)) p++;
        if (p > start) part_piece(start, p, out);
    }
}

size_t filter_sentences(wt_str s) {
    size_t n = 1, word = 0;                     /* where the word that i is in begins */
    for (size_t i = 0; i < s.len; i++) {
        if (is_space(s.ptr[i])) word = i + 1;
        if (s.ptr[i] != '.' && s.ptr[i] != '!' && s.ptr[i] != '?') continue;
        size_t k = i + 1;
        while (k < s.len && strchr("\"')]", s.ptr[k])) k++;
        if (s.ptr[i] == '.' && is_abbreviation(s.ptr + word, s.ptr + i)) continue;
        n += k + 1 < s.len && is_space(s.ptr[k]);
    }
    return n;
}

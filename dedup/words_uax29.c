/* words_uax29.c - words between Unicode's default word boundaries (UAX #29, rules WB1 to WB999, Unicode
 * of word_break_table.h). One pass: a rule looks at most at two characters behind and one ahead,
 * marks that attach to a character (WB4) left out. Segments of white space alone are no words; every
 * punctuation mark is one. */
#include <stdlib.h>

#include "common/unicode.h"
#include "common/utf8.h"
#include "dedup/words_impl.h"

enum {
    WB_OTHER, WB_CR, WB_LF, WB_NEWLINE, WB_EXTEND, WB_ZWJ, WB_REGIONAL_INDICATOR, WB_FORMAT, WB_KATAKANA,
    WB_HEBREW_LETTER, WB_ALETTER, WB_SINGLE_QUOTE, WB_DOUBLE_QUOTE, WB_MIDNUMLET, WB_MIDLETTER, WB_MIDNUM,
    WB_NUMERIC, WB_EXTENDNUMLET, WB_WSEGSPACE, WB_PICTURE = 64
};
typedef struct {
    uint32_t first, last;
    uint8_t class;
} word_break_range;

#include "dedup/word_break_table.h"

static int by_range(const void *key, const void *range) {
    uint32_t cp = *(const uint32_t *)key;
    const word_break_range *r = range;
    return cp < r->first ? -1 : cp > r->last;
}

static int break_class(uint32_t cp) {
    const word_break_range *r = bsearch(&cp, WORD_BREAK_RANGES, sizeof WORD_BREAK_RANGES / sizeof *r, sizeof *r, by_range);
    return r ? r->class : WB_OTHER;
}

static bool is_newline(int c) { return c == WB_CR || c == WB_LF || c == WB_NEWLINE; }
static bool attaches(int c) { return c == WB_EXTEND || c == WB_FORMAT || c == WB_ZWJ; }
static bool is_letter(int c) { return c == WB_ALETTER || c == WB_HEBREW_LETTER; }
static bool is_mid_quote(int c) { return c == WB_MIDNUMLET || c == WB_SINGLE_QUOTE; }
static bool is_mid_letter(int c) { return c == WB_MIDLETTER || is_mid_quote(c); }
static bool is_mid_number(int c) { return c == WB_MIDNUM || is_mid_quote(c); }
static bool is_word(int c) { return is_letter(c) || c == WB_NUMERIC || c == WB_KATAKANA; }

/* The class of the next character that does not attach. */
static int class_ahead(const char *p, const char *end) {
    uint32_t cp;
    for (int n; p < end && (n = wt_utf8_decode(p, end, &cp)) > 0; p += n) {
        int c = break_class(cp) & 63;
        if (!attaches(c)) return c;
    }
    return WB_OTHER;
}

typedef struct {
    int before, last;           /* classes of the last two characters, attached ones left out */
    int last_raw;               /* of the very last one */
    int indicators;             /* regional indicators in a row */
} break_state;

/* WB5 to WB16: do the words of `s` and a character of class c belong together? */
static bool joins(const break_state *s, int c, const char *next, const char *end) {
    int last = s->last, before = s->before;
    if (is_letter(last) && is_letter(c)) return true;
    if (is_letter(last) && is_mid_letter(c) && is_letter(class_ahead(next, end))) return true;
    if (is_letter(before) && is_mid_letter(last) && is_letter(c)) return true;
    if (last == WB_HEBREW_LETTER && c == WB_SINGLE_QUOTE) return true;
    if (last == WB_HEBREW_LETTER && c == WB_DOUBLE_QUOTE && class_ahead(next, end) == WB_HEBREW_LETTER) return true;
    if (before == WB_HEBREW_LETTER && last == WB_DOUBLE_QUOTE && c == WB_HEBREW_LETTER) return true;
    if (c == WB_NUMERIC && (last == WB_NUMERIC || is_letter(last))) return true;
    if (last == WB_NUMERIC && is_letter(c)) return true;
    if (before == WB_NUMERIC && is_mid_number(last) && c == WB_NUMERIC) return true;
    if (last == WB_NUMERIC && is_mid_number(c) && class_ahead(next, end) == WB_NUMERIC) return true;
    if (last == WB_KATAKANA && c == WB_KATAKANA) return true;
    if (c == WB_EXTENDNUMLET && (is_word(last) || last == WB_EXTENDNUMLET)) return true;
    if (last == WB_EXTENDNUMLET && is_word(c)) return true;
    return last == WB_REGIONAL_INDICATOR && c == WB_REGIONAL_INDICATOR && s->indicators % 2 == 1;
}

static bool no_boundary(const break_state *s, int class, const char *next, const char *end) {
    int c = class & 63, raw = s->last_raw & 63;
    if (raw == WB_CR && c == WB_LF) return true;
    if (is_newline(raw) || is_newline(c)) return false;
    if (raw == WB_ZWJ && class & WB_PICTURE) return true;
    if (raw == WB_WSEGSPACE && c == WB_WSEGSPACE) return true;
    return attaches(c) || joins(s, c, next, end);
}

static void advance(break_state *s, int class, bool begins) {
    int c = class & 63;
    s->last_raw = class;
    if (attaches(c) && !begins) return;
    s->before = begins ? WB_OTHER : s->last;
    s->last = c;
    s->indicators = c == WB_REGIONAL_INDICATOR ? (begins ? 1 : s->indicators + 1) : 0;
}

/* A segment that is nothing but white space is no word. */
static void segment_end(word_buf *w, bool blank) {
    if (blank) w->n = 0, w->long_state = 0;
    word_end(w);
}

void words_uax29(wt_str text, u64_list *out) {
    word_buf w = {.out = out};
    break_state s = {0};
    bool inside = false, blank = true;
    const char *p = text.ptr, *end = p + text.len;
    while (p < end) {
        uint32_t cp;
        int n = wt_utf8_decode(p, end, &cp);
        if (n == 0) {                                 /* no character: an end to the word */
            segment_end(&w, blank);
            inside = false;
            p++;
            continue;
        }
        int class = break_class(cp);
        bool goes_on = inside && no_boundary(&s, class, p + n, end);
        if (!goes_on) {
            segment_end(&w, blank);
            blank = true;
        }
        blank &= wt_uc_class_of(cp) == WT_UC_SPACE;
        word_add_lower(&w, cp);
        advance(&s, class, !goes_on);
        inside = true;
        p += n;
    }
    segment_end(&w, blank);
}

/* split_plain.c - the three known patterns as plain machines, one code point at a time. They
 * explain, and the vector machines are tested against them; tests hold them against the regular
 * expressions themselves. Bytes that are not UTF-8 are "other" characters, one each.
 *
 *   gpt2    '(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   cl100k  (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 *           | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   o200k   [^\r\n\p{L}\p{N}]?U*W+C?|[^\r\n\p{L}\p{N}]?U+W*C?|\p{N}{1,3}
 *           | ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *           U = [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}], W = [\p{Ll}\p{Lm}\p{Lo}\p{M}], C = a contraction */
#include "bpe/split.h"
#include "common/unicode.h"
#include "common/utf8.h"

typedef struct {
    const uint8_t *text;
    size_t n;
} source;

/* Of the first 128; the rest are WT_UC_OTHER, which is 0. */
static const uint8_t ascii_class[128] = {
    ['\t' ... '\r'] = WT_UC_SPACE, [' '] = WT_UC_SPACE, ['0' ... '9'] = WT_UC_NUMBER,
    ['A' ... 'Z'] = WT_UC_LU, ['a' ... 'z'] = WT_UC_LL};

/* Class of the character at i < n, its length in *length. */
static inline wt_uc_class class_at(const source *s, size_t i, int *length) {
    uint32_t cp;
    if (s->text[i] < 128) {
        *length = 1;
        return (wt_uc_class)ascii_class[s->text[i]];
    }
    *length = wt_utf8_decode((const char *)s->text + i, (const char *)s->text + s->n, &cp);
    if (*length == 0) {
        *length = 1;
        return WT_UC_OTHER;
    }
    return wt_uc_class_of(cp);
}

enum { L = 1 << WT_UC_LU | 1 << WT_UC_LL | 1 << WT_UC_LT | 1 << WT_UC_LM | 1 << WT_UC_LO,
       N = 1 << WT_UC_NUMBER,
       S = 1 << WT_UC_SPACE,
       O = 1 << WT_UC_OTHER | 1 << WT_UC_MARK,
       U = 1 << WT_UC_LU | 1 << WT_UC_LT | 1 << WT_UC_LM | 1 << WT_UC_LO | 1 << WT_UC_MARK,
       W = 1 << WT_UC_LL | 1 << WT_UC_LM | 1 << WT_UC_LO | 1 << WT_UC_MARK };

static inline bool is_in(const source *s, size_t i, int set) {
    int length;
    return i < s->n && set >> class_at(s, i, &length) & 1;
}

/* End of the run of characters in `set` from i on, at most max of them. */
static inline size_t run_end(const source *s, size_t i, int set, size_t max) {
    int length;
    for (; i < s->n && max && set >> class_at(s, i, &length) & 1; i += (size_t)length, max--)
        ;
    return i;
}

/* Length of a contraction at i, or 0. `fold`: letters in any case, and U+017F counts as s. */
static size_t contraction(const source *s, size_t i, bool fold) {
    if (i + 1 >= s->n || s->text[i] != '\'')
        return 0;
    uint8_t a = s->text[i + 1], b = i + 2 < s->n ? s->text[i + 2] : 0;
    if (fold && a == 0xC5 && b == 0xBF)
        return 3;
    if (fold && a < 128)
        a |= 0x20;
    if (fold && b < 128)
        b |= 0x20;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'l' && b == 'l') || (a == 'v' && b == 'e') || (a == 'r' && b == 'e') ? 3 : 0;
}

/* \s+(?!\S)|\s+ : the run but for its last character, which the next word may take. */
static size_t space_end(const source *s, size_t at) {
    size_t i = at, last = at;
    int length;
    while (i < s->n && class_at(s, i, &length) == WT_UC_SPACE)
        last = i, i += (size_t)length;
    return i == s->n || last == at ? i : last;
}

static size_t gpt2_end(const source *s, size_t at) {
    size_t length = contraction(s, at, false);
    if (length)
        return at + length;
    size_t i = at + (s->text[at] == ' ' && at + 1 < s->n && !is_in(s, at + 1, S));
    int bytes, set = 1 << class_at(s, i, &bytes);
    if (set & S)
        return space_end(s, at);
    return run_end(s, i, set & L ? L : set & N ? N : O, SIZE_MAX);
}

static bool is_newline(const source *s, size_t i) {
    return i < s->n && (s->text[i] == '\n' || s->text[i] == '\r');
}

/* What cl100k and o200k share: numbers, other characters, white space. */
static size_t modern_rest(const source *s, size_t at, bool slash) {
    if (is_in(s, at, N))
        return run_end(s, at, N, 3);
    size_t i = at + (s->text[at] == ' '), end = run_end(s, i, O, SIZE_MAX);
    if (end > i) {
        while (is_newline(s, end) || (slash && end < s->n && s->text[end] == '/'))
            end++;
        return end;
    }
    size_t newline_end = at;
    int length;
    for (i = at; i < s->n && class_at(s, i, &length) == WT_UC_SPACE; i += (size_t)length)
        if (is_newline(s, i))
            newline_end = i + 1;
    return newline_end > at ? newline_end : space_end(s, at);
}

/* Bytes of a character at `at` that may stand before a word: [^\r\n\p{L}\p{N}]?, or 0. */
static size_t prefix_bytes(const source *s, size_t at) {
    int length;
    int set = 1 << class_at(s, at, &length);
    return is_newline(s, at) || set & (L | N) ? 0 : (size_t)length;
}

static size_t cl100k_end(const source *s, size_t at) {
    size_t length = contraction(s, at, true);
    if (length)
        return at + length;
    size_t i = at + prefix_bytes(s, at), end = run_end(s, i, L, SIZE_MAX);
    return end > i ? end : modern_rest(s, at, false);
}

/* U*W+ from i. The expression backs off from the greedy U* to the last character that is also in
 * W; so does this. 0 where it does not match. */
static size_t lower_word(const source *s, size_t i) {
    size_t after_w = 0;
    int length;
    for (; i < s->n; i += (size_t)length) {
        int set = 1 << class_at(s, i, &length);
        if (!(set & U))
            return set & W ? run_end(s, i, W, SIZE_MAX) : after_w;
        if (set & W)
            after_w = i + (size_t)length;
    }
    return after_w;
}

/* U+W* from i where U*W+ did not match: then nothing of W follows. */
static size_t upper_word(const source *s, size_t i) {
    size_t end = run_end(s, i, U, SIZE_MAX);
    return end > i ? run_end(s, end, W, SIZE_MAX) : 0;
}

static size_t o200k_end(const source *s, size_t at) {
    size_t prefix = prefix_bytes(s, at), end = prefix ? lower_word(s, at + prefix) : 0;
    if (!end)
        end = lower_word(s, at);
    if (!end && prefix)
        end = upper_word(s, at + prefix);
    if (!end)
        end = upper_word(s, at);
    return end ? end + contraction(s, end, true) : modern_rest(s, at, true);
}

size_t bpe_split_plain(bpe_split_kind kind, const uint8_t *text, size_t n, size_t at) {
    source s = {text, n};
    switch (kind) {
    case BPE_SPLIT_CL100K: return cl100k_end(&s, at);
    case BPE_SPLIT_O200K: return o200k_end(&s, at);
    default: return gpt2_end(&s, at);
    }
}

/* filter.c - the published corpus filters, by name, with their thresholds.
 *   webtext  Radford et al. 2019 and OpenWebText: at least 128 tokens, no Wikipedia (English by --lang)
 *   c4       Raffel et al. 2019, as in their code and datatrove's: rules for lines; a page goes by what its good lines hold
 *   gopher   Rae et al. 2021, table A1: quality and repetition
 *   fineweb  Penedo et al. 2024: gopher (repetition first), c4 without the line-end rule, and their own four
 * Words are filter_words.h's; webtext's tokens are counted as GPT-2's pre-tokenizer parts them, which never says more than
 * its tokens. Empty lines count nowhere: our texts part paragraphs by one. Hashes stand for words, lines and n-grams. */
#include <stdlib.h>

#include "common/hash.h"
#include "common/unicode.h"
#include "common/utf8.h"
#include "extract/extract.h"
#include "extract/filter_words.h"

typedef struct {
    uint64_t *key;
    uint32_t *count;
    size_t mask;
} counter;

static void counter_init(counter *c, size_t n) {
    size_t size = 16;
    while (size < 2 * n + 2) size *= 2;
    c->key = wt_xcalloc(size, sizeof *c->key);
    c->count = wt_xcalloc(size, sizeof *c->count);
    c->mask = size - 1;
}
static void counter_free(counter *c) {
    free(c->key);
    free(c->count);
}
static uint32_t counter_add(counter *c, uint64_t key) {
    key += key == 0;
    size_t i = key & c->mask;
    while (c->key[i] && c->key[i] != key) i = (i + 1) & c->mask;
    c->key[i] = key;
    return ++c->count[i];
}
static uint32_t counter_get(const counter *c, uint64_t key) {
    key += key == 0;
    size_t i = key & c->mask;
    while (c->key[i] && c->key[i] != key) i = (i + 1) & c->mask;
    return c->count[i];
}

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* Pieces between runs of at least n_breaks line ends. */
static void split_lines(wt_str s, size_t n_breaks, slices *out) {
    out->n = 0;
    for (size_t i = 0, start = 0; i <= s.len;) {
        size_t k = i;
        while (k < s.len && s.ptr[k] == '\n') k++;
        if (i == s.len || k - i >= n_breaks) {
            wt_str piece = wt_str_trim((wt_str){s.ptr + start, i - start});
            if (piece.len) {
                WT_GROW(out->item, out->cap, out->n + 1);
                out->item[out->n++] = piece;
            }
            if (i == s.len) break;
            start = i = k;
        } else i = k > i ? k : i + 1;
    }
}

static size_t count_chars(wt_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += ((unsigned char)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* GPT-2's pre-tokens: runs of letters, of digits, of other signs, each with a space before it. */
static size_t count_tokens(wt_str s) {
    size_t n = 0;
    int before = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        int kind = is_space((char)c) ? 0 : c >= 0x80 || ((c | 32) >= 'a' && (c | 32) <= 'z') ? 1 : c >= '0' && c <= '9' ? 2 : 3;
        n += kind && kind != before;
        before = kind;
    }
    return n;
}

/* ---- gopher ---- */
static bool has_letter(wt_str w) {
    uint32_t cp;
    for (const char *p = w.ptr, *end = p + w.len; p < end;) {
        int n = wt_utf8_decode(p, end, &cp);
        if (n > 0 && wt_uc_is_letter(cp)) return true;
        p += n > 0 ? n : 1;
    }
    return false;
}

/* A word, not a sign: it has a letter, a digit or anything beyond ASCII's and typography's signs. */
static bool is_word(wt_str w) {
    uint32_t cp;
    for (const char *p = w.ptr, *end = p + w.len; p < end;) {
        int n = wt_utf8_decode(p, end, &cp);
        bool sign = n <= 0 || (cp < 0x80 ? !((cp | 32) >= 'a' && (cp | 32) <= 'z') && !(cp >= '0' && cp <= '9') && cp != '\''
                                         : cp < 0xa0 || cp == 0xab || cp == 0xb4 || cp == 0xb7 || cp == 0xbb || (cp >= 0x2010 && cp <= 0x203a) ||
                                           (cp >= 0x3001 && cp <= 0x3011) || (cp >= 0xff01 && cp <= 0xff1f));
        if (!sign) return true;
        p += n > 0 ? n : 1;
    }
    return false;
}

static const char *gopher_quality(wt_str text, const slices *words, const slices *lines) {
    static const char *const stop[] = {"the", "be", "to", "of", "and", "that", "have", "with"};
    size_t n_real = 0, chars = 0, n_letter = 0, n_hash = 0, n_dots = 0;
    unsigned seen = 0;
    for (size_t i = 0; i < words->n; i++) {
        wt_str w = words->item[i];
        if (is_word(w)) n_real++, chars += count_chars(w);
        n_letter += has_letter(w);
        for (int k = 0; k < 8; k++)
            if (wt_str_eq(w, wt_str_of(stop[k]))) seen |= 1u << k;
    }
    for (size_t i = 0; i < text.len; i++) {
        n_hash += text.ptr[i] == '#';
        bool dots = i + 3 <= text.len && (memcmp(text.ptr + i, "...", 3) == 0 || memcmp(text.ptr + i, "\xe2\x80\xa6", 3) == 0);
        n_dots += dots;
        i += dots ? 2 : 0;
    }
    double n = words->n ? (double)words->n : 1, mean = n_real ? (double)chars / (double)n_real : 0;
    if (n_real < 50) return "gopher: under 50 words";
    if (n_real > 100000) return "gopher: over 100000 words";
    if (mean < 3 || mean > 10) return "gopher: mean word length";
    if ((double)n_hash / n > 0.1) return "gopher: hash signs";
    if ((double)n_dots / n > 0.1) return "gopher: ellipses";
    size_t n_bullets = 0, n_ellipsis = 0;
    for (size_t i = 0; i < lines->n; i++) {
        wt_str l = lines->item[i];
        n_bullets += wt_str_starts(l, WT_STR("\xe2\x80\xa2")) || *l.ptr == '-';
        n_ellipsis += wt_str_ends(l, WT_STR("...")) || wt_str_ends(l, WT_STR("\xe2\x80\xa6"));
    }
    double n_lines = lines->n ? (double)lines->n : 1;
    if ((double)n_bullets / n_lines > 0.9) return "gopher: bullet lines";
    if ((double)n_ellipsis / n_lines > 0.3) return "gopher: lines end in ellipsis";
    if ((double)n_letter / n < 0.8) return "gopher: words without letters";
    if (__builtin_popcount(seen) < 2) return "gopher: stop words";
    return NULL;
}

static void duplicates(const slices *s, size_t *n_dup, size_t *chars_dup) {
    counter c;
    counter_init(&c, s->n);
    *n_dup = *chars_dup = 0;
    for (size_t i = 0; i < s->n; i++)
        if (counter_add(&c, wt_hash64(s->item[i].ptr, s->item[i].len, 0)) > 1) *n_dup += 1, *chars_dup += count_chars(s->item[i]);
    counter_free(&c);
}

static uint64_t gram_hash(const uint64_t *word, int n) { return wt_hash64(word, (size_t)n * sizeof *word, 1); }

static const char *gopher_repetition(wt_str text, const slices *words, const slices *lines, const slices *paragraphs) {
    static const double top_max[] = {0.20, 0.18, 0.16}, dup_max[] = {0.15, 0.14, 0.13, 0.12, 0.11, 0.10};
    size_t n_dup, chars_dup;
    double chars = (double)count_chars(text) + 1e-9;
    duplicates(paragraphs, &n_dup, &chars_dup);
    if (paragraphs->n && (double)n_dup / (double)paragraphs->n > 0.30) return "gopher: duplicate paragraphs";
    if ((double)chars_dup / chars > 0.20) return "gopher: characters in duplicate paragraphs";
    duplicates(lines, &n_dup, &chars_dup);
    if (lines->n && (double)n_dup / (double)lines->n > 0.30) return "gopher: duplicate lines";
    if ((double)chars_dup / chars > 0.20) return "gopher: characters in duplicate lines";
    uint64_t *hash = wt_xmalloc((words->n + 1) * sizeof *hash);
    size_t *len = wt_xmalloc((words->n + 1) * sizeof *len);
    for (size_t i = 0; i < words->n; i++) {
        hash[i] = wt_hash64(words->item[i].ptr, words->item[i].len, 0);
        len[i] = count_chars(words->item[i]);
    }
    const char *rule = NULL;
    for (int n = 2; n <= 4 && !rule; n++) {
        if (words->n < (size_t)n) break;
        counter c;
        counter_init(&c, words->n);
        size_t best = 0, best_at = 0;
        for (size_t i = 0; i + (size_t)n <= words->n; i++) {
            uint32_t k = counter_add(&c, gram_hash(hash + i, n));
            if (k > best) best = k;
        }
        while (counter_get(&c, gram_hash(hash + best_at, n)) < best) best_at++;         /* of equals, the first */
        size_t gram = (size_t)n - 1;
        for (int k = 0; k < n; k++) gram += len[best_at + (size_t)k];
        if ((double)(gram * best) / chars > top_max[n - 2])
            rule = n == 2 ? "gopher: top 2-gram" : n == 3 ? "gopher: top 3-gram" : "gopher: top 4-gram";
        counter_free(&c);
    }
    for (int n = 5; n <= 10 && !rule; n++) {
        static const char *const names[] = {"gopher: duplicate 5-grams", "gopher: duplicate 6-grams", "gopher: duplicate 7-grams",
                                            "gopher: duplicate 8-grams", "gopher: duplicate 9-grams", "gopher: duplicate 10-grams"};
        counter c;
        counter_init(&c, words->n);
        size_t repeated = 0;
        for (size_t i = 0; i + (size_t)n <= words->n;) {
            if (counter_add(&c, gram_hash(hash + i, n)) > 1) {
                for (int k = 0; k < n; k++) repeated += len[i + (size_t)k];
                i += (size_t)n;
            } else i++;
        }
        if ((double)repeated / chars > dup_max[n - 5]) rule = names[n - 5];
        counter_free(&c);
    }
    free(hash);
    free(len);
    return rule;
}

/* ---- c4 ---- */
static bool has_nocase(wt_str s, const char *lower) {
    size_t n = strlen(lower);
    for (size_t i = 0; i + n <= s.len; i++) {
        size_t k = 0;
        while (k < n && (s.ptr[i + k] >= 'A' && s.ptr[i + k] <= 'Z' ? s.ptr[i + k] | 32 : s.ptr[i + k]) == lower[k]) k++;
        if (k == n) return true;
    }
    return false;
}

/* Appends line without "[1]", "[]", "[edit]", "[citation needed]". */
static void add_without_citations(wt_buf *out, wt_str line) {
    for (size_t i = 0; i < line.len; i++) {
        if (line.ptr[i] == '[') {
            wt_str rest = {line.ptr + i, line.len - i};
            size_t digits = 1;
            while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9') digits++;
            size_t skip = digits < rest.len && rest.ptr[digits] == ']' ? digits + 1
                          : wt_str_starts(rest, WT_STR("[edit]")) ? 6 : wt_str_starts(rest, WT_STR("[citation needed]")) ? 17 : 0;
            if (skip) {
                i += skip - 1;
                continue;
            }
        }
        wt_buf_add_char(out, line.ptr[i]);
    }
}

/* Runs of bytes that are no white space; false where one is over 1,000 characters. */
static bool count_pieces(wt_str s, size_t *n) {
    *n = 0;
    for (size_t i = 0; i < s.len;) {
        while (i < s.len && is_space(s.ptr[i])) i++;
        size_t start = i;
        while (i < s.len && !is_space(s.ptr[i])) i++;
        *n += i > start;
        if (i - start > 1000 && count_chars((wt_str){s.ptr + start, i - start}) > 1000) return false;
    }
    return true;
}

typedef enum { LINE_GOES, LINE_STAYS, LINE_LOREM, LINE_BRACKET } line_fate;

/* `line` had n words before its citations went. */
static line_fate c4_line(wt_str line, size_t n_words, bool need_end) {
    static const char *const policies[] = {"terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies"};
    if (need_end && (!line.len || !strchr(".!?\"'", line.ptr[line.len - 1]) || wt_str_ends(line, WT_STR("...")))) return LINE_GOES;
    if (n_words < 3) return LINE_GOES;
    if (has_nocase(line, "lorem ipsum")) return LINE_LOREM;
    if (has_nocase(line, "javascript")) return LINE_GOES;
    if (line.len && memchr(line.ptr, '{', line.len)) return LINE_BRACKET;
    for (size_t k = 0; k < sizeof policies / sizeof *policies; k++)
        if (has_nocase(line, policies[k])) return LINE_GOES;
    return LINE_STAYS;
}

static const char *c4(wt_str *text, wt_buf *out, bool need_end) {
    slices lines = {0};
    wt_buf line = {0};
    size_t n_sentences = 0, n_words;
    line_fate fate = LINE_GOES;
    wt_buf_clear(out);
    split_lines(*text, 1, &lines);
    for (size_t i = 0; i < lines.n && fate < LINE_LOREM; i++) {
        if (!count_pieces(lines.item[i], &n_words)) continue;
        wt_buf_clear(&line);
        add_without_citations(&line, lines.item[i]);
        fate = c4_line(wt_buf_view(&line), n_words, need_end);
        if (fate != LINE_STAYS) continue;
        n_sentences += filter_sentences(wt_buf_view(&line));
        if (out->len) wt_buf_add_char(out, '\n');
        wt_buf_add_str(out, wt_str_trim(wt_buf_view(&line)));
    }
    wt_buf_free(&line);
    free(lines.item);
    if (fate == LINE_LOREM) return "c4: lorem ipsum";
    if (fate == LINE_BRACKET) return "c4: curly bracket";
    if (n_sentences < 5) return "c4: under 5 sentences";
    wt_buf_add_char(out, '\n');
    *text = wt_buf_view(out);
    return NULL;
}

/* ---- fineweb ---- */
static bool ends_with_a_mark(wt_str line) {
    static const char *const marks[] = {".", "!", "?", "\xe3\x80\x82", "\xef\xbc\x81", "\xef\xbc\x9f", "\xef\xbc\x8e", "\xe2\x80\xbc", "\xe2\x80\xbd", "\xd8\x9f", "\xdb\x94", "\xe0\xa5\xa4"};
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
        if (wt_str_ends(line, wt_str_of(marks[k]))) return true;
    return false;
}

static const char *fineweb_quality(const slices *words, const slices *lines) {
    size_t n_end = 0, n_short = 0, chars = 0, n_dup, chars_dup;
    for (size_t i = 0; i < lines->n; i++) {
        size_t n = count_chars(lines->item[i]);
        n_end += ends_with_a_mark(lines->item[i]);
        n_short += n <= 30;
        chars += n;
    }
    double n = lines->n ? (double)lines->n : 1;
    if ((double)n_end / n < 0.12) return "fineweb: lines end without punctuation";
    if ((double)n_short / n > 0.67) return "fineweb: short lines";
    duplicates(lines, &n_dup, &chars_dup);
    if ((double)chars_dup / ((double)chars + 1e-9) > 0.01) return "fineweb: characters in duplicate lines";
    if (words->n && (double)(lines->n - 1) / (double)words->n > 0.3) return "fineweb: line ends per word";
    return NULL;
}

static wt_str host_of(wt_str url) {
    ptrdiff_t at = wt_str_find(url, WT_STR("://"));
    wt_str rest = at < 0 ? url : (wt_str){url.ptr + at + 3, url.len - (size_t)at - 3};
    return wt_str_cut(&rest, '/');
}

static bool is_wikipedia(wt_str url) {
    wt_str host = host_of(url);
    return wt_str_ends(host, WT_STR("wikipedia.org"));
}

const char *extract_filter_run(extract_filter filter, wt_str *text, wt_str url, wt_buf *scratch) {
    if (filter == FILTER_NONE) return NULL;
    if (!text->len) *text = WT_STR("");         /* not NULL: it is summed with */
    if (filter == FILTER_WEBTEXT)
        return is_wikipedia(url) ? "webtext: wikipedia" : count_tokens(*text) < 128 ? "webtext: under 128 tokens" : NULL;
    if (filter == FILTER_C4) return c4(text, scratch, true);
    slices words = {0}, lines = {0}, paragraphs = {0};
    wt_str body = wt_str_trim(*text);
    filter_words(body, &words);
    split_lines(body, 1, &lines);
    split_lines(body, 2, &paragraphs);
    const char *rule = NULL;
    if (filter == FILTER_FINEWEB) {
        rule = gopher_repetition(body, &words, &lines, &paragraphs);
        if (!rule) rule = gopher_quality(body, &words, &lines);
        if (!rule) rule = c4(text, scratch, false);
        if (!rule) {
            filter_words(*text, &words);
            split_lines(*text, 1, &lines);
            rule = fineweb_quality(&words, &lines);
        }
    } else {
        rule = gopher_quality(body, &words, &lines);
        if (!rule) rule = gopher_repetition(body, &words, &lines, &paragraphs);
    }
    free(words.item);
    free(lines.item);
    free(paragraphs.item);
    return rule;
}

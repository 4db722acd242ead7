/* keys.c - from a document's text to the keys that the rules ask for. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/hash.h"
#include "dedup/dedup_impl.h"
#include "dedup/words_impl.h"

/* ---- URLs: http and https, "www.", default ports, fragments, utm_* parameters and a slash at the
 * end make no other page. The host is lower-cased, the path is not. ---- */

static bool is_one_of(char c, const char stops[4]) { return c == stops[0] || c == stops[1] || c == stops[2] || c == stops[3]; }

#ifdef __SSE2__
/* Which of the 16 bytes at p are one of the stops. */
static inline unsigned stops_at(const char *p, const char stops[4]) {
    __m128i x = _mm_loadu_si128((const __m128i *)p), found = _mm_cmpeq_epi8(x, _mm_set1_epi8(stops[0]));
    for (int i = 1; i < 4; i++) found = _mm_or_si128(found, _mm_cmpeq_epi8(x, _mm_set1_epi8(stops[i])));
    return (unsigned)_mm_movemask_epi8(found);
}
#endif

/* Where from `at` on the first of the stops is, or the end. */
static inline size_t find_stop(wt_str s, size_t at, const char stops[4]) {
#ifdef __SSE2__
    unsigned found;
    for (; at + 16 <= s.len; at += 16)
        if ((found = stops_at(s.ptr + at, stops)) != 0) return at + (size_t)__builtin_ctz(found);
    if (s.len >= 16) {
        found = at < s.len ? stops_at(s.ptr + s.len - 16, stops) >> (at + 16 - s.len) : 0;
        return found ? at + (size_t)__builtin_ctz(found) : s.len;
    }
#endif
    while (at < s.len && !is_one_of(s.ptr[at], stops)) at++;
    return at;
}

/* Behind "https://" or any other scheme of up to nine characters. */
static size_t scheme_len(wt_str url) {
    size_t n = 0;
    if (url.len >= 8 && memcmp(url.ptr, "https://", 8) == 0) return 8;
    while (n < 10 && n < url.len && url.ptr[n] != ':') n++;
    return n < 10 && url.len - n >= 3 && memcmp(url.ptr + n, "://", 3) == 0 ? n + 3 : 0;
}

static wt_str host_trim(wt_str host) {
    if (host.len > 4 && (host.ptr[0] | 0x20) == 'w' && (host.ptr[1] | 0x20) == 'w' && (host.ptr[2] | 0x20) == 'w' &&
        host.ptr[3] == '.')
        host.ptr += 4, host.len -= 4;
    const char *end = host.ptr + host.len;
    if (host.len >= 3 && memcmp(end - 3, ":80", 3) == 0) host.len -= 3;
    else if (host.len >= 4 && memcmp(end - 4, ":443", 4) == 0) host.len -= 4;
    return host;
}

static uint64_t host_hash(wt_str host) {
    uint64_t hash = 0;
    do {
        char lower[256];
        lower[0] = 0;
        size_t n = host.len < sizeof lower ? host.len : sizeof lower;
        for (size_t i = 0; i < n; i++) {
            char c = host.ptr[i];
            lower[i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        }
        hash = wt_hash64(lower, n, hash);
        host = (wt_str){host.ptr + n, host.len - n};
    } while (host.len > 0);
    return hash;
}

static uint64_t url_key(wt_str url) {
    static const char host_stops[4] = {'/', '?', '#', '#'}, path_stops[4] = {'?', '#', '#', '#'}, query_stops[4] = {'&', '#', '#', '#'};
    bool tight = url.len > 0 && url.ptr[0] > ' ' && url.ptr[url.len - 1] > ' ';
    if (!tight) url = wt_str_trim(url);
    size_t host_at = scheme_len(url), path_at = find_stop(url, host_at, host_stops), query_at = find_stop(url, path_at, path_stops);
    uint64_t hash = host_hash(host_trim((wt_str){url.ptr + host_at, path_at - host_at}));
    wt_str path = {url.ptr + path_at, query_at - path_at};
    while (path.len > 0 && path.ptr[path.len - 1] == '/') path.len--;
    hash ^= wt_hash64(path.ptr, path.len, 1);
    for (size_t at = query_at; at < url.len && url.ptr[at] != '#';) {      /* each time at '?' or '&' */
        size_t end = find_stop(url, ++at, query_stops);
        wt_str pair = {url.ptr + at, end - at};
        at = end;
        if (pair.len == 0 || (pair.len >= 4 && memcmp(pair.ptr, "utm_", 4) == 0)) continue;
        hash = wt_mix64(hash ^ wt_hash64(pair.ptr, pair.len, 2)) + GOLDEN;
    }
    return wt_mix64(hash);
}

/* ---- lists ---- */

static key_unit *unit_add(unit_list *list) {
    WT_GROW(list->at, list->cap, list->n + 1);
    return &list->at[list->n++];
}

static void hash_words(words_rule rule, wt_str text, u64_list *out) {
    out->n = 0;
    words_hash(rule, text, out);
}

/* The next paragraph: up to and with its newline. */
static bool next_paragraph(wt_str text, size_t *at, size_t *start) {
    if (*at >= text.len) return false;
    *start = *at;
    const char *newline = memchr(text.ptr + *at, '\n', text.len - *at);
    *at = newline ? (size_t)(newline - text.ptr) + 1 : text.len;
    return true;
}

static void paragraph_keys(dedup_batch *b, doc_keys *doc, wt_str text) {
    doc->paragraph_at = b->paragraph_units.n;
    for (size_t at = 0, start; next_paragraph(text, &at, &start);) {
        hash_words(WORDS_WHITESPACE, (wt_str){text.ptr + start, at - start}, &b->blank_words);
        if (b->blank_words.n == 0) continue;
        *unit_add(&b->paragraph_units) = (key_unit){start, at, b->paragraph_keys.n, 1};
        list_add(&b->paragraph_keys, words_key(b->blank_words.at, b->blank_words.n));
    }
    doc->n_paragraphs = b->paragraph_units.n - doc->paragraph_at;
}

/* One unit: its n-grams, or one key for all of it when it has fewer words. */
static void ngram_unit_keys(dedup_batch *b, const u64_list *words, int n, size_t start, size_t end) {
    size_t key_at = b->ngram_keys.n;
    if (words->n == 0) return;
    if (words->n < (size_t)n) list_add(&b->ngram_keys, words_key(words->at, words->n));
    else words_ngrams(words->at, words->n, n, &b->ngram_keys);
    *unit_add(&b->ngram_units) = (key_unit){start, end, key_at, b->ngram_keys.n - key_at};
}

static void ngram_keys(const dedup_rules *r, dedup_batch *b, doc_keys *doc, wt_str text) {
    doc->ngram_at = b->ngram_units.n;
    if (r->unit == NGRAM_DOCUMENT) {
        ngram_unit_keys(b, &b->words, r->ngram, 0, text.len);
    } else {
        for (size_t at = 0, start; next_paragraph(text, &at, &start);) {
            hash_words(r->words, (wt_str){text.ptr + start, at - start}, &b->words);
            ngram_unit_keys(b, &b->words, r->ngram, start, at);
        }
    }
    doc->n_ngrams = b->ngram_units.n - doc->ngram_at;
}

static void near_keys(const dedup_rules *r, dedup_batch *b, doc_keys *doc) {
    if (b->words.n < (size_t)r->shingle) {
        doc->near = NEAR_SHORT;
        doc->short_key = words_key(b->words.at, b->words.n);
        return;
    }
    uint32_t bins[SKETCH_BINS_MAX];
    b->shingles.n = 0;
    words_ngrams(b->words.at, b->words.n, r->shingle, &b->shingles);
    if (r->seed)
        for (size_t i = 0; i < b->shingles.n; i++)
            b->shingles.at[i] = wt_mix64(b->shingles.at[i] ^ r->seed * GOLDEN);
    sketch_make(b->shingles.at, b->shingles.n, r->plan.bands * r->plan.rows, bins);
    list_room(&b->near_keys, (size_t)r->plan.bands);
    doc->near = NEAR_SKETCH;
    doc->near_at = b->near_keys.n;
    sketch_bands(bins, &r->plan, b->near_keys.at + b->near_keys.n);
    b->near_keys.n += (size_t)r->plan.bands;
}

void keys_of_document(const dedup *d, dedup_batch *b, doc_keys *doc, wt_str text, wt_str url) {
    const dedup_rules *r = &d->wanted;
    if (r->urls && url.len > 0) {
        doc->has_url = true;
        doc->url = url_key(url);
    }
    if (r->exact) {
        hash_words(WORDS_WHITESPACE, text, &b->blank_words);
        doc->exact = words_key(b->blank_words.at, b->blank_words.n);
    }
    if (r->near || (r->ngram && r->unit == NGRAM_DOCUMENT)) hash_words(r->words, text, &b->words);
    if (r->near) near_keys(r, b, doc);
    if (r->ngram) ngram_keys(r, b, doc, text);
    if (r->paragraphs) paragraph_keys(b, doc, text);
}

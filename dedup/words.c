/* words.c - texts as word hashes.
 *
 * A word's hash folds 16 bytes a step: (low ^ state) * (high ^ constant), both halves of the 128-bit
 * product joined. Most English words take one step. An n-gram's key is a polynomial in its words'
 * hashes, rolled from one position to the next with two multiplications whatever n is, then mixed.
 *
 * alnum and whitespace run over blocks of 64 bytes: a vector comparison makes a mask of the bytes
 * that belong to words, the mask's edges are the words' ends (words_avx2.c, words_avx512.c, and a
 * table here). Bytes from 0x80 on are taken into the runs, and only a run that holds one is decoded
 * character by character. */
#include "dedup/words.h"

#include <stdlib.h>
#include <string.h>

#include "common/hash.h"
#include "common/unicode.h"
#include "common/utf8.h"
#include "dedup/words_impl.h"

static const char *const NAMES[] = {"alnum", "uax29", "whitespace", "chars"};

int words_rule_named(const char *name) {
    for (int i = 0; i < 4; i++)
        if (strcmp(name, NAMES[i]) == 0) return i;
    return -1;
}
const char *words_rule_name(words_rule rule) { return NAMES[rule]; }

uint64_t word_hash(const char *bytes, size_t n) {
    uint64_t state = word_start(n);
    for (; n > 16; n -= 16, bytes += 16) {
        uint64_t low, high;
        memcpy(&low, bytes, 8);
        memcpy(&high, bytes + 8, 8);
        state = word_step(state, low, high);
    }
    char last[16] = {0};
    uint64_t low, high;
    memcpy(last, bytes, n);
    memcpy(&low, last, 8);
    memcpy(&high, last + 8, 8);
    return word_step(state, low, high);
}

/* ---- characters: the plain way, also for runs with bytes from 0x80 on ---- */

void word_end(word_buf *w) {
    if (w->n == 0 && w->long_state == 0) return;
    uint64_t hash = word_hash(w->bytes, w->n);
    list_add(w->out, w->long_state ? wt_mix64(hash ^ w->long_state) : hash);
    w->n = 0;
    w->long_state = 0;
}

static void word_add(word_buf *w, const char *bytes, size_t n) {
    if (w->n + n > sizeof w->bytes) {                 /* a word this long is folded as it comes */
        w->long_state = wt_mix64(word_hash(w->bytes, w->n) ^ w->long_state) | 1;
        w->n = 0;
    }
    memcpy(w->bytes + w->n, bytes, n);
    w->n += n;
}

void word_add_lower(word_buf *w, uint32_t cp) {
    char utf8[4];
    word_add(w, utf8, (size_t)wt_utf8_encode(wt_uc_lower(cp), utf8));
}

static void alnum_char(word_buf *w, uint32_t cp) {
    wt_uc_class class = wt_uc_class_of(cp);
    if (class == WT_UC_OTHER || class == WT_UC_SPACE) {
        word_end(w);
        return;
    }
    bool alone = wt_uc_is_spaceless(cp);
    if (alone) word_end(w);
    word_add_lower(w, cp);
    if (alone) word_end(w);
}

static void rule_char(words_rule rule, word_buf *w, const char *bytes, int n, uint32_t cp) {
    bool space = n > 0 && wt_uc_class_of(cp) == WT_UC_SPACE;
    if (rule == WORDS_ALNUM) {
        if (n > 0) alnum_char(w, cp);
        else word_end(w);
        return;
    }
    if (space || rule == WORDS_CHARS) word_end(w);
    if (space) return;
    if (n == 0) word_add(w, bytes, 1);
    else if (rule == WORDS_CHARS) word_add_lower(w, cp);
    else word_add(w, bytes, (size_t)n);
}

void words_chars(words_rule rule, wt_str text, u64_list *out) {
    word_buf w = {.out = out};
    const char *p = text.ptr, *end = p + text.len;
    while (p < end) {
        uint32_t cp = 0;
        int n = wt_utf8_decode(p, end, &cp);
        rule_char(rule, &w, p, n, cp);
        p += n > 0 ? n : 1;
    }
    word_end(&w);
}

void words_hash_plain(words_rule rule, wt_str text, u64_list *out) {
    if (rule == WORDS_UAX29) words_uax29(text, out);
    else words_chars(rule, text, out);
}

/* ---- runs of bytes: alnum and whitespace ---- */

/* What runs a byte may be in: letters, digits and bytes of other alphabets in both, white space in none, the rest
 * in those between white space. */
enum { BOTH = RUN_ALNUM | RUN_WHITESPACE };
static const uint8_t CLASS[256] = {
    [0 ... 8] = RUN_WHITESPACE, [14 ... 31] = RUN_WHITESPACE, [33 ... 47] = RUN_WHITESPACE, ['0' ... '9'] = BOTH,
    [58 ... 64] = RUN_WHITESPACE, ['A' ... 'Z'] = BOTH, [91 ... 96] = RUN_WHITESPACE, ['a' ... 'z'] = BOTH,
    [123 ... 127] = RUN_WHITESPACE, [128 ... 255] = BOTH};

uint64_t run_mask_plain(const char *block, int run) {
    uint64_t mask = 0;
    for (int i = 0; i < 64; i++) mask |= (uint64_t)((CLASS[(uint8_t)block[i]] & run) != 0) << i;
    return mask;
}

typedef void (*runs_find)(const char *text, size_t n_blocks, int run, uint64_t *masks);

static void runs_find_plain(const char *text, size_t n_blocks, int run, uint64_t *masks) {
    for (size_t i = 0; i < n_blocks; i++) masks[i] = run_mask_plain(text + 64 * i, run);
}

static runs_find runs_finder(void) {
    if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")) return runs_find_avx512;
    if (__builtin_cpu_supports("avx2")) return runs_find_avx2;
    return runs_find_plain;
}

/* A run of word bytes; at least 16 bytes behind its end can be read, and the list has room. */
static inline void run_hash(words_rule rule, const char *bytes, size_t n, u64_list *out) {
    /* Behind 16 - n of these stand n bytes of ones, then zeros. */
    static const uint8_t ones[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t low, high, keep_low, keep_high, any = 0, lower = rule == WORDS_ALNUM ? 0x2020202020202020u : 0;
    uint64_t state = word_start(n);
    size_t left = n;
    const char *p = bytes;
    /* Letters and digits alone: setting 0x20 makes lower case and leaves digits. */
    for (; __builtin_expect(left > 16, 0); p += 16, left -= 16) {
        memcpy(&low, p, 8);
        memcpy(&high, p + 8, 8);
        any |= low | high;
        state = word_step(state, low | lower, high | lower);
    }
    memcpy(&low, p, 8);
    memcpy(&high, p + 8, 8);
    memcpy(&keep_low, ones + 16 - left, 8);
    memcpy(&keep_high, ones + 24 - left, 8);
    low = (low | lower) & keep_low;
    high = (high | lower) & keep_high;
    any |= low | high;
    if (__builtin_expect((any & 0x8080808080808080u) || n > 512, 0)) words_chars(rule, (wt_str){bytes, n}, out);
    else out->at[out->n++] = word_step(state, low, high);
}

enum { WINDOW_BLOCKS = 64, WINDOW = WINDOW_BLOCKS * 64 };

/* Hashes all runs that end in text[0, n), for which the list has room; returns where an unfinished run at the end begins (n where
 * none). `last`: an end of text ends the run. 16 bytes behind n can be read. */
static size_t window_hash(words_rule rule, const char *text, size_t n, bool last, runs_find find,
                          u64_list *out) {
    uint64_t masks[WINDOW_BLOCKS + 1];
    size_t n_blocks = n / 64, begin = n;
    bool inside = false;
    int run = rule == WORDS_ALNUM ? RUN_ALNUM : RUN_WHITESPACE;
    find(text, n_blocks, run, masks);
    if (n % 64) {
        char tail[64];
        memset(tail, ' ', 64);
        memcpy(tail, text + 64 * n_blocks, n % 64);
        masks[n_blocks++] = run_mask_plain(tail, run);
    }
    for (size_t i = 0; i < n_blocks; i++) {
        uint64_t mask = masks[i], before = mask << 1 | inside, starts = mask & ~before, ends = ~mask & before;
        const char *block = text + 64 * i;
        if (inside && ends) {
            run_hash(rule, text + begin, 64 * i + (size_t)__builtin_ctzll(ends) - begin, out);
            ends &= ends - 1;
        }
        for (; ends; starts &= starts - 1, ends &= ends - 1) {
            int start = __builtin_ctzll(starts);
            run_hash(rule, block + start, (size_t)(__builtin_ctzll(ends) - start), out);
        }
        if (starts) begin = 64 * i + (size_t)__builtin_ctzll(starts);
        inside = mask >> 63;
    }
    if (!inside) return n;
    if (!last) return begin;
    run_hash(rule, text + begin, n - begin, out);
    return n;
}

static void words_runs(words_rule rule, wt_str text, u64_list *out) {
    runs_find find = runs_finder();
    size_t at = 0;
    /* The last bytes go through a buffer, so that reading 16 bytes at a word's start stays inside. */
    while (text.len - at > WINDOW + 16) {
        list_room(out, WINDOW);
        size_t done = window_hash(rule, text.ptr + at, WINDOW, false, find, out);
        if (done == 0) {                              /* one run fills the window: look for its end */
            size_t n = WINDOW;
            int run = rule == WORDS_ALNUM ? RUN_ALNUM : RUN_WHITESPACE;
            while (at + n < text.len && CLASS[(uint8_t)text.ptr[at + n]] & run) n++;
            words_chars(rule, (wt_str){text.ptr + at, n}, out);
            done = n;
        }
        at += done;
    }
    char last[WINDOW + 16 + 64];
    size_t n = text.len - at;
    if (n == 0) return;
    memcpy(last, text.ptr + at, n);
    memset(last + n, ' ', 32);
    list_room(out, n);
    size_t done = 0;
    for (size_t part = n < WINDOW ? n : WINDOW; done < n; part = n - done < WINDOW ? n - done : WINDOW) {
        size_t got = window_hash(rule, last + done, part, done + part == n, find, out);
        if (got == 0) {
            words_chars(rule, (wt_str){last + done, n - done}, out);
            break;
        }
        done += got;
    }
}

void words_hash(words_rule rule, wt_str text, u64_list *out) {
    if (rule == WORDS_ALNUM || rule == WORDS_WHITESPACE) words_runs(rule, text, out);
    else words_hash_plain(rule, text, out);
}

/* ---- keys ---- */

uint64_t words_key(const uint64_t *words, size_t n_words) {
    const uint64_t base = NGRAM_BASE, base2 = base * base;
    uint64_t sum = 0;
    size_t i = 0;
    /* Horner's rule with four words a turn: the same sum, a fourth of the chain. */
    for (; i + 4 <= n_words; i += 4)
        sum = sum * (base2 * base2) + (words[i] * base + words[i + 1]) * base2 + (words[i + 2] * base + words[i + 3]);
    for (; i < n_words; i++) sum = sum * base + words[i];
    return wt_mix64(sum ^ (n_words * GOLDEN));
}

void words_ngrams(const uint64_t *words, size_t n_words, int n, u64_list *out) {
    if (n_words < (size_t)n) return;
    list_room(out, n_words);
    uint64_t sum = 0, base_n = 1, *key = out->at + out->n;
    for (int i = 0; i < n; i++) {
        sum = sum * NGRAM_BASE + words[i];
        base_n *= NGRAM_BASE;
    }
    *key++ = wt_mix64(sum);
    for (size_t i = (size_t)n; i < n_words; i++) {
        sum = sum * NGRAM_BASE + words[i] - words[i - (size_t)n] * base_n;
        *key++ = wt_mix64(sum);
    }
    out->n = (size_t)(key - out->at);
}

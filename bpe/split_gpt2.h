/* split_gpt2.h - the gpt2 pattern on 64 bytes at once, for any width of vectors. Included by the
 * files that know how to load 64 bytes and tell letters, digits and white space among them.
 *
 * Every boundary of this pattern is decided by the classes of the characters beside it. With one bit
 * a byte and one mask a class (a character's bytes all carry its class), they are a few shifts:
 *
 *   a pretoken starts where the class changes, but for what follows a U+0020, which takes it along;
 *   and at the last white space before something else, which leaves its run behind;
 *   a contraction takes its letters from the word behind it.
 *
 * A block always begins where a pretoken starts, and only starts are kept that do not depend on bytes
 * behind the block; the next block begins at the last of them. So nothing is carried from block to
 * block. A pretoken of 64 bytes or more goes through the plain machine. */
#ifndef WT_BPE_SPLIT_GPT2_H
#define WT_BPE_SPLIT_GPT2_H

#include "bpe/split.h"
#include "common/unicode.h"
#include "common/utf8.h"

typedef struct {
    uint64_t letter, number, space;     /* classes; the rest is "other" */
    uint64_t blank, quote;              /* U+0020; the apostrophe */
    uint64_t wide;                      /* bytes from 0x80 up, not yet classified */
    uint64_t inner;                     /* bytes of a character behind its first */
    uint64_t newline, slash;            /* for the other patterns (split_modern.h): \n and \r; / */
    uint64_t upper, lower, mark;        /* Lu and Lt; Ll; M, which is "other" too */
} block_masks;

/* Class and length of the character at p, from 0x80 up; bytes that are not UTF-8 are "other". */
static inline wt_uc_class wide_class(const uint8_t *class_of, const uint8_t *p, const uint8_t *end, int *length) {
    uint32_t a = p[0];
    if (a >= 0xC2 && a < 0xE0 && end - p >= 2 && (p[1] & 0xC0) == 0x80) {
        *length = 2;
        return (wt_uc_class)class_of[(a & 31) << 6 | (p[1] & 63)];
    }
    if (a >= 0xE1 && a < 0xF0 && a != 0xED && end - p >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        *length = 3;
        return (wt_uc_class)class_of[(a & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63)];
    }
    uint32_t cp;
    *length = wt_utf8_decode((const char *)p, (const char *)end, &cp);
    if (*length == 0) {
        *length = 1;
        return WT_UC_OTHER;
    }
    return wt_uc_class_of(cp);
}

/* Classifies what the vectors left as wide. */
static inline void classify_wide(block_masks *m, const uint8_t *class_of, const uint8_t *p, const uint8_t *end) {
    for (uint64_t left = m->wide; left;) {
        int at = __builtin_ctzll(left), length;
        wt_uc_class c = wide_class(class_of, p + at, end, &length);
        uint64_t bits = ((UINT64_C(1) << length) - 1) << at;
        left &= ~bits;
        m->inner |= bits & (bits << 1);
        m->letter |= c >= WT_UC_LU && c <= WT_UC_LO ? bits : 0;
        m->number |= c == WT_UC_NUMBER ? bits : 0;
        m->space |= c == WT_UC_SPACE ? bits : 0;
        m->upper |= c == WT_UC_LU || c == WT_UC_LT ? bits : 0;
        m->lower |= c == WT_UC_LL ? bits : 0;
        m->mark |= c == WT_UC_MARK ? bits : 0;
    }
}

static inline unsigned contraction_bytes(const uint8_t *p, const uint8_t *end) {
    if (end - p < 2)
        return 0;
    if (p[1] == 's' || p[1] == 't' || p[1] == 'm' || p[1] == 'd')
        return 2;
    if (end - p < 3)
        return 0;
    return (p[1] == 'l' && p[2] == 'l') || (p[1] == 'v' && p[2] == 'e') || (p[1] == 'r' && p[2] == 'e') ? 3 : 0;
}

/* Bits where pretokens start in text[p, p + 64), of which `valid` bytes are text; bit 0 is a start. */
static inline uint64_t gpt2_starts(const block_masks *m, uint64_t valid, const uint8_t *p, const uint8_t *end) {
    uint64_t letter = m->letter & valid, number = m->number & valid, space = m->space & valid;
    uint64_t other = valid & ~(letter | number | space);
    uint64_t same = (letter & letter << 1) | (number & number << 1) | (other & other << 1) | (space & space << 1);
    uint64_t taken = ~space & m->blank << 1;
    uint64_t starts = valid & ~same & ~taken;
    uint64_t last_space = space & ~space >> 1 & valid >> 1;     /* its next byte is known and is not space */
    while (last_space & m->inner)
        last_space = (last_space & ~m->inner) | (last_space & m->inner) >> 1;
    starts |= last_space;
    uint64_t quotes = m->quote & ~(other << 1) & ~(m->blank << 1);
    for (; quotes; quotes &= quotes - 1) {
        int at = __builtin_ctzll(quotes);
        unsigned n = contraction_bytes(p + at, end);
        if (n == 0)
            continue;
        starts &= ~(UINT64_C(2) << at);
        starts |= at + n < 64 ? UINT64_C(1) << (at + n) : 0;
    }
    return (starts | 1) & valid;
}

#endif

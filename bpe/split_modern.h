/* split_modern.h - the cl100k and o200k patterns on 64 bytes at once, beside split_gpt2.h, from which the
 * masks and the rules of blocks come: a block begins where a pretoken starts, and what is known of it are the
 * starts that do not depend on bytes behind it.
 *
 * What these two add to gpt2's rules, as masks:
 *   a word takes one character before it that is neither letter, number nor newline: the last white space of a run,
 *     or a lone other character that no blank took;
 *   numbers are cut in threes;
 *   newlines behind other characters (and with o200k the slashes among them) belong to those;
 *   white space up to the last newline of its run is one pretoken.
 * o200k cuts a word where upper case follows lower case, and its contractions are ends of words. Letters that are
 * neither case before an upper one, and marks, make it look far ahead: the plain machine takes those words. */
#ifndef WT_BPE_SPLIT_MODERN_H
#define WT_BPE_SPLIT_MODERN_H

#include "bpe/split_gpt2.h"

/* The bits of `in` from those of `from` upwards without a gap. */
static inline uint64_t flood_up(uint64_t from, uint64_t in) {
    from &= in;
    for (int step = 1; step < 64; step *= 2) {
        from |= in & from << step;
        in &= in << step;
    }
    return from;
}

/* First bytes in place of the characters' other bytes. */
static inline uint64_t first_bytes(uint64_t bits, uint64_t inner) {
    while (bits & inner)
        bits = (bits & ~inner) | (bits & inner) >> 1;
    return bits;
}

/* Length of a contraction at p, any case, U+017F for s; or 0. */
static inline unsigned folded_contraction_bytes(const uint8_t *p, const uint8_t *end) {
    uint8_t folded[3] = {'\''};
    if (end - p >= 3 && p[1] == 0xC5 && p[2] == 0xBF)
        return 3;
    for (int i = 1; i < 3; i++)
        folded[i] = i < end - p ? (p[i] >= 'A' && p[i] <= 'Z' ? p[i] | 0x20 : p[i]) : 0;
    return contraction_bytes(folded, folded + (end - p < 3 ? end - p : 3));
}

/* Every third character of a run of numbers. */
static inline uint64_t number_starts(uint64_t number, uint64_t inner) {
    uint64_t starts = number & ~(number << 1), chars = number & ~inner;
    if (!(number & number << 1 & number << 2 & number << 3))
        return starts;
    uint64_t thirds = starts;
    for (; starts; starts &= starts - 1) {
        uint64_t run = chars & flood_up(starts & -starts, number);
        while (run) {
            thirds |= run & -run;
            for (int i = 0; i < 3; i++)
                run &= run - 1;
        }
    }
    return thirds;
}

/* White space behind a newline starts anew where no newline follows in its run. What reaches the end of the block
 * is known only at the text's end. */
static inline uint64_t starts_behind_newlines(uint64_t space, uint64_t newline, uint64_t valid, bool text_ends) {
    uint64_t plain = space & ~newline, starts = 0;
    for (uint64_t s = plain & newline << 1; s; s &= s - 1) {
        uint64_t first = s & -s, behind = flood_up(first, plain) << 1 & ~plain;
        bool known = text_ends || (behind & valid);
        starts |= known && !(behind & newline) ? first : 0;
    }
    return starts;
}

/* As gpt2_starts; *all is set to false where starts behind the last one were left to the plain machine. */
static inline uint64_t modern_starts(const block_masks *m, uint64_t valid, const uint8_t *p, const uint8_t *end, bool o200k,
                                     bool *all) {
    uint64_t letter = m->letter & valid, number = m->number & valid, space = m->space & valid;
    uint64_t other = valid & ~(letter | number | space), newline = m->newline & valid, plain_space = space & ~newline;
    uint64_t taken = newline & other << 1;              /* by the other characters before */
    if (taken) {
        taken = flood_up(taken, newline | (o200k ? m->slash & valid : 0));
        other &= ~taken;
    }
    uint64_t other_start = other & ~(other << 1);
    uint64_t not_alone = (other & ~m->inner & other << 1) | (other_start & m->blank << 1);
    for (int i = 0; m->inner && i < 3; i++)
        not_alone |= not_alone << 1 & m->inner;
    uint64_t before_word = plain_space | (other & ~not_alone);

    uint64_t starts = (letter & ~(letter << 1) & ~(before_word << 1)) | number_starts(number, m->inner);
    starts |= (other_start & ~(m->blank << 1)) | (space & ~(space << 1) & ~taken) | (plain_space & taken << 1);
    starts |= first_bytes(plain_space & ~(space >> 1) & valid >> 1, m->inner);
    if (plain_space & newline << 1)
        starts |= starts_behind_newlines(space, newline, valid, end - p <= 64);
    if (o200k)
        starts |= m->upper & m->lower << 1;

    uint64_t quotes = m->quote & valid & (o200k ? letter << 1 : starts | 1);
    for (unsigned from = 0; quotes; quotes &= quotes - 1) {
        unsigned at = (unsigned)__builtin_ctzll(quotes), n = folded_contraction_bytes(p + at, end);
        if (n == 0 || (o200k && at == from))            /* a contraction's end: this quote is before a word */
            continue;
        from = at + n;
        uint64_t behind = from < 64 ? ~UINT64_C(0) << from : 0;
        starts &= (o200k ? (UINT64_C(1) << at) - 1 : (UINT64_C(2) << at) - 1) | behind;
        starts |= behind & -behind;
    }
    if (o200k) {
        uint64_t either = letter & ~m->upper & ~m->lower, hard = (m->mark & valid) | (m->upper & either << 1);
        starts &= hard ? (hard & -hard) - 1 : ~UINT64_C(0);
        *all = !hard;
    }
    return (starts | 1) & valid;
}

#endif

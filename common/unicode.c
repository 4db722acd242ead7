/* unicode.c - classes and simple lower case from two-stage tables: the high bits of a code point
 * choose a block of 128 entries, the low bits the entry; equal blocks are stored once. The tables
 * are 44 KiB; two dependent loads a code point. tests/ref/unicode_tables.py makes them. */
#include "common/unicode.h"

#include "common/unicode_tables.h"

#define CODE_POINTS 0x110000u

static inline uint8_t class_byte(uint32_t cp) {
    return cp < CODE_POINTS ? uc_class_value[uc_class_block[cp >> 7] << 7 | (cp & 127)] : 0;
}

wt_uc_class wt_uc_class_of(uint32_t cp) { return (wt_uc_class)(class_byte(cp) & 15); }

bool wt_uc_is_spaceless(uint32_t cp) { return class_byte(cp) >> 4; }

uint32_t wt_uc_lower(uint32_t cp) {
    if (cp >= CODE_POINTS)
        return cp;
    return cp + (uint32_t)uc_lower_delta[uc_lower_index[uc_lower_block[cp >> 7] << 7 | (cp & 127)]];
}

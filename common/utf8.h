/* utf8.h - UTF-8 by the book (Unicode 16, table 3-7): no overlongs, no surrogates, at most U+10FFFF. */
#ifndef WT_COMMON_UTF8_H
#define WT_COMMON_UTF8_H

#include "common/str.h"

/* Decodes one code point at p < end. Returns its length 1..4, or 0 where the bytes are invalid (then
 * take one byte as "other"). */
int wt_utf8_decode(const char *p, const char *end, uint32_t *cp);
int wt_utf8_encode(uint32_t cp, char out[4]);         /* length 1..4; bad values: U+FFFD */
bool wt_utf8_valid(wt_str s);
/* Length of the longest prefix of s that is not in the middle of a sequence (for streams). */
size_t wt_utf8_complete(wt_str s);
void wt_utf8_repair(wt_buf *out, wt_str s);           /* appends s, each maximal bad part = U+FFFD */

#endif

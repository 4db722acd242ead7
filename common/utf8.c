/* utf8.c - one decoder that follows table 3-7 of the Unicode Standard; all else is built on it. */
#include "common/utf8.h"

int wt_utf8_decode(const char *text, const char *end, uint32_t *cp) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n = (size_t)(end - text);
    unsigned c = p[0];
    if (c < 0x80) {
        *cp = c;
        return 1;
    }
    if (c < 0xc2 || c > 0xf4) return 0;
    int len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (n < (size_t)len) return 0;
    /* The second byte's range keeps out overlongs, surrogates and values above U+10FFFF. */
    unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    uint32_t value = c & (0x7fu >> len);
    for (int i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        value = value << 6 | (p[i] & 0x3f);
    }
    *cp = value;
    return len;
}

int wt_utf8_encode(uint32_t cp, char out[4]) {
    if (cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000)) cp = 0xfffd;
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    int len = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (int i = len - 1; i > 0; i--, cp >>= 6) out[i] = (char)(0x80 | (cp & 0x3f));
    out[0] = (char)((0xf00 >> len & 0xff) | cp);
    return len;
}

/* Position of the first byte that does not continue valid UTF-8, s.len where there is none. */
static size_t valid_prefix(wt_str s) {
    if (s.len == 0) return 0;                /* its pointer may be null */
    const char *p = s.ptr, *end = s.ptr + s.len;
    while (p < end) {
        uint64_t word;
        while (end - p >= 8 && (memcpy(&word, p, 8), !(word & 0x8080808080808080u))) p += 8;
        if (p == end) break;
        uint32_t cp;
        int len = wt_utf8_decode(p, end, &cp);
        if (len == 0) break;
        p += len;
    }
    return (size_t)(p - s.ptr);
}

bool wt_utf8_valid(wt_str s) { return valid_prefix(s) == s.len; }

size_t wt_utf8_complete(wt_str s) {
    /* At most three bytes can be the beginning of a sequence that goes on. */
    for (size_t back = 1; back <= 3 && back <= s.len; back++) {
        unsigned char c = (unsigned char)s.ptr[s.len - back];
        if ((c & 0xc0) == 0x80) continue;
        if (c < 0xc2 || c > 0xf4) return s.len;
        size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (back >= len) return s.len;
        /* Pad with a valid tail: if even that cannot be decoded, the bytes are bad, not partial. */
        char probe[4] = {0};
        memcpy(probe, s.ptr + s.len - back, back);
        for (size_t i = back; i < len; i++) probe[i] = (char)0x80;
        if (back == 1 && (c == 0xe0 || c == 0xf0)) probe[1] = (char)0xbf;
        if (back == 1 && c == 0xf0) probe[1] = (char)0x90;
        uint32_t cp;
        return wt_utf8_decode(probe, probe + len, &cp) ? s.len - back : s.len;
    }
    return s.len;
}

/* Length of the maximal subpart of an ill-formed sequence (Unicode 16, section 3.9, U+FFFD
 * substitution of maximal subparts): the bytes that could have begun a valid sequence. */
static size_t bad_length(const char *p, const char *end) {
    size_t n = (size_t)(end - p);
    for (size_t len = n < 3 ? n : 3; len > 1; len--)
        if (wt_utf8_complete((wt_str){p, len}) == 0) return len;
    return 1;
}

void wt_utf8_repair(wt_buf *out, wt_str s) {
    while (s.len) {
        size_t good = valid_prefix(s);
        wt_buf_add(out, s.ptr, good);
        s.ptr += good, s.len -= good;
        if (s.len == 0) break;
        size_t bad = bad_length(s.ptr, s.ptr + s.len);
        wt_buf_add(out, "\xef\xbf\xbd", 3);
        s.ptr += bad, s.len -= bad;
    }
}

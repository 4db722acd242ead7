/* json_impl.h - between json.c, its fast twins and the tests that hold them together. */
#ifndef WT_COMMON_JSON_IMPL_H
#define WT_COMMON_JSON_IMPL_H

#include <stdbool.h>

#include "common/json.h"

/* Names that are looked for. A bit of `filter` stands for some lengths with some first and last bytes:
 * nearly all other names miss it and are never compared. */
typedef struct {
    const wt_str *name;
    int n;
    uint64_t filter;
} wt_json_keys;

static inline uint64_t wt_json_key_bit(const char *p, size_t n) {
    return n ? (uint64_t)1 << ((n * 11 + (unsigned char)p[0] * 3u + (unsigned char)p[n - 1]) & 63) : 1;
}
void wt_json_keys_init(wt_json_keys *keys, const wt_str *name, int n);
int wt_json_key_find_escaped(const wt_json_keys *keys, wt_str key);

/* Index of the name, or -1. */
static inline int wt_json_key_find(const wt_json_keys *keys, wt_str key, bool escaped) {
    if (__builtin_expect(escaped, 0)) return wt_json_key_find_escaped(keys, key);
    if (!(keys->filter & wt_json_key_bit(key.ptr, key.len))) return -1;
    for (int i = 0; i < keys->n; i++)
        if (wt_str_eq(key, keys->name[i])) return i;
    return -1;
}

/* pick() by every scanner. The fast ones need their instructions and answer 0 only where the plain one would,
 * with the same values (which have to be clear before). */
int wt_json_pick_plain(wt_str line, const wt_json_keys *keys, wt_json *values, bool first, wt_err *err);
int wt_json_pick_avx2(wt_str line, const wt_json_keys *keys, wt_json *values, bool first);
int wt_json_pick_avx512(wt_str line, const wt_json_keys *keys, wt_json *values, bool first);

/* 64 bytes of text as bit sets. */
typedef struct {
    uint64_t quote, backslash, control;
} wt_json_masks;

#endif

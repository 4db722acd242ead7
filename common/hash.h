/* hash.h - hashes by name: XXH3 for tables and fingerprints, SHA-1/SHA-256 for files that others
 * check. All are stable across machines and versions, so they may be written into files. */
#ifndef WT_COMMON_HASH_H
#define WT_COMMON_HASH_H

#include "common/str.h"

typedef struct {
    uint64_t lo, hi;
} wt_hash128;

uint64_t wt_hash64(const void *bytes, size_t n, uint64_t seed);          /* XXH3, 64 bits */
wt_hash128 wt_hash128_of(const void *bytes, size_t n, uint64_t seed);    /* XXH3, 128 bits */
uint64_t wt_xxh64(const void *bytes, size_t n, uint64_t seed);           /* XXH64 (zstd, Parquet) */

/* A bijection of 64 bits with good avalanche (splitmix64's finaliser, Steele et al. 2014). */
static inline uint64_t wt_mix64(uint64_t x) {
    x ^= x >> 30, x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27, x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}
/* Maps a 64-bit hash to 0..n-1 without a division (Lemire 2019). */
static inline uint64_t wt_fastrange64(uint64_t hash, uint64_t n) {
    return (uint64_t)(((unsigned __int128)hash * n) >> 64);
}

typedef struct wt_digest wt_digest;                   /* incremental SHA */
typedef enum { WT_SHA1, WT_SHA256 } wt_digest_kind;
wt_digest *wt_digest_new(wt_digest_kind kind);
void wt_digest_add(wt_digest *d, const void *bytes, size_t n);
size_t wt_digest_end(wt_digest *d, uint8_t out[32]);  /* 20 or 32 bytes; ready for a new one */
void wt_digest_free(wt_digest *d);

void wt_sha256(const void *bytes, size_t n, uint8_t out[32]);
void wt_hex(const uint8_t *bytes, size_t n, char *out);       /* 2n characters and a NUL */
size_t wt_base32(const uint8_t *bytes, size_t n, char *out);  /* RFC 4648, no padding, NUL */

#endif

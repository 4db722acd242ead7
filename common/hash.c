/* hash.c - xxHash and OpenSSL's SHA behind names of ours, and two text codings. */
#include "common/hash.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <xxhash.h>

uint64_t wt_hash64(const void *bytes, size_t n, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes, n, seed);
}

wt_hash128 wt_hash128_of(const void *bytes, size_t n, uint64_t seed) {
    XXH128_hash_t h = XXH3_128bits_withSeed(bytes, n, seed);
    return (wt_hash128){h.low64, h.high64};
}

uint64_t wt_xxh64(const void *bytes, size_t n, uint64_t seed) { return XXH64(bytes, n, seed); }

struct wt_digest {
    EVP_MD_CTX *ctx;
    const EVP_MD *md;
};

wt_digest *wt_digest_new(wt_digest_kind kind) {
    wt_digest *d = wt_xcalloc(1, sizeof *d);
    d->md = kind == WT_SHA1 ? EVP_sha1() : EVP_sha256();
    d->ctx = EVP_MD_CTX_new();
    EVP_DigestInit_ex(d->ctx, d->md, NULL);
    return d;
}

void wt_digest_add(wt_digest *d, const void *bytes, size_t n) { EVP_DigestUpdate(d->ctx, bytes, n); }

size_t wt_digest_end(wt_digest *d, uint8_t out[32]) {
    unsigned n = 0;
    EVP_DigestFinal_ex(d->ctx, out, &n);
    EVP_DigestInit_ex(d->ctx, d->md, NULL);
    return n;
}

void wt_digest_free(wt_digest *d) {
    if (!d) return;
    EVP_MD_CTX_free(d->ctx);
    free(d);
}

void wt_sha256(const void *bytes, size_t n, uint8_t out[32]) {
    EVP_Digest(bytes, n, out, NULL, EVP_sha256(), NULL);
}

void wt_hex(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

size_t wt_base32(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    size_t len = 0;
    uint32_t acc = 0;
    int bits = 0;
    for (size_t i = 0; i < n; i++) {
        acc = acc << 8 | bytes[i], bits += 8;
        for (; bits >= 5; bits -= 5) out[len++] = digits[acc >> (bits - 5) & 31];
    }
    if (bits) out[len++] = digits[acc << (5 - bits) & 31];
    out[len] = 0;
    return len;
}

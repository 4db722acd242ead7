/* key.h - a pretoken of up to 15 bytes as one 16-byte value: its bytes, zeros, and its length in the
 * last byte. Two of them are equal exactly if the pretokens are, and comparing, hashing and
 * storing one takes no loop. Longer pretokens (about 1 in 1,000 of prose) go other ways. */
#ifndef WT_BPE_KEY_H
#define WT_BPE_KEY_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { BPE_KEY_MAX = 15 };

typedef struct {
    uint64_t lo, hi;
} bpe_key;

/* 16 times 0xFF, 16 times 0. */
static const uint8_t BPE_KEY_MASK[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

/* n <= 15; 16 bytes must be readable at p. */
static inline bpe_key bpe_key_load(const uint8_t *p, size_t n) {
    bpe_key k, mask;
    memcpy(&k, p, 16);
    memcpy(&mask, BPE_KEY_MASK + 16 - n, 16);
    return (bpe_key){k.lo & mask.lo, (k.hi & mask.hi) | (uint64_t)n << 56};
}

/* The same where fewer than 16 bytes may be readable. */
static inline bpe_key bpe_key_copy(const uint8_t *p, size_t n) {
    uint8_t bytes[16] = {0};
    memcpy(bytes, p, n);
    return bpe_key_load(bytes, n);
}

static inline bool bpe_key_equal(bpe_key a, bpe_key b) { return !((a.lo ^ b.lo) | (a.hi ^ b.hi)); }
static inline size_t bpe_key_len(bpe_key k) { return k.hi >> 56; }

static inline uint64_t bpe_key_hash(bpe_key k) {
    unsigned __int128 x = (unsigned __int128)(k.lo ^ 0x9E3779B97F4A7C15u) * (k.hi ^ 0xC2B2AE3D27D4EB4Fu);
    return (uint64_t)x ^ (uint64_t)(x >> 64);
}

#endif

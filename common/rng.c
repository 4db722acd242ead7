/* rng.c - xoshiro256** and a small-domain keyed permutation.
 * The permutation works on 2k-bit numbers, the smallest even width that holds n, as a balanced
 * Feistel network: any round function gives a bijection of 0..2^2k-1. Values at or above n are sent
 * through again until they fall below n (cycle walking, Black and Rogaway 2002), fewer than 4 times
 * on average because 2^2k < 4n. */
#include "common/rng.h"

#include <math.h>

#include "common/hash.h"

static uint64_t rotl(uint64_t x, int k) { return x << k | x >> (64 - k); }

void wt_rng_init(wt_rng *rng, uint64_t seed, uint64_t stream) {
    uint64_t x = seed ^ wt_mix64(stream + 0x9e3779b97f4a7c15u);
    for (int i = 0; i < 4; i++) {
        x += 0x9e3779b97f4a7c15u;
        rng->s[i] = wt_mix64(x);
    }
}

uint64_t wt_rng_u64(wt_rng *rng) {
    uint64_t *s = rng->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t wt_rng_below(wt_rng *rng, uint64_t n) {
    unsigned __int128 m = (unsigned __int128)wt_rng_u64(rng) * n;
    if ((uint64_t)m < n) {                              /* Lemire 2019, algorithm 5 */
        uint64_t threshold = -n % n;
        while ((uint64_t)m < threshold) m = (unsigned __int128)wt_rng_u64(rng) * n;
    }
    return (uint64_t)(m >> 64);
}

double wt_rng_double(wt_rng *rng) { return (double)(wt_rng_u64(rng) >> 11) * 0x1p-53; }

double wt_rng_normal(wt_rng *rng) {
    double u = 1.0 - wt_rng_double(rng), v = wt_rng_double(rng);    /* u in (0, 1] */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

enum { ROUNDS = 6 };

static int half_bits(uint64_t n) {
    int bits = n > 1 ? 64 - __builtin_clzll(n - 1) : 1;
    return (bits + 1) / 2;
}

static uint64_t round_value(uint64_t right, uint64_t key, int round, uint64_t mask) {
    return wt_mix64(right + key * 0x9e3779b97f4a7c15u + (uint64_t)(round + 1) * 0xd1342543de82ef95u) &
           mask;
}

uint64_t wt_permute(uint64_t index, uint64_t n, uint64_t key) {
    int h = half_bits(n);
    uint64_t mask = h == 64 ? ~0ull : (1ull << h) - 1, x = index;
    key = wt_mix64(key ^ n);
    do {
        uint64_t left = x >> h, right = x & mask;
        for (int r = 0; r < ROUNDS; r++) {
            uint64_t next = left ^ round_value(right, key, r, mask);
            left = right, right = next;
        }
        x = left << h | right;
    } while (x >= n);
    return x;
}

uint64_t wt_permute_inverse(uint64_t value, uint64_t n, uint64_t key) {
    int h = half_bits(n);
    uint64_t mask = h == 64 ? ~0ull : (1ull << h) - 1, x = value;
    key = wt_mix64(key ^ n);
    do {
        uint64_t left = x >> h, right = x & mask;
        for (int r = ROUNDS - 1; r >= 0; r--) {
            uint64_t before = right ^ round_value(left, key, r, mask);
            right = left, left = before;
        }
        x = left << h | right;
    } while (x >= n);
    return x;
}

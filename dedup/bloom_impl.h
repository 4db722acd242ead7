/* bloom_impl.h - what the files of the Bloom filter share; nobody else includes it. */
#ifndef WT_DEDUP_BLOOM_IMPL_H
#define WT_DEDUP_BLOOM_IMPL_H

#include "common/hash.h"
#include "dedup/bloom.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "filters are mapped as they lie in the file, which is little-endian"
#endif

enum { LAYERS_MAX = 32, LINE_WORDS = 8, SPLIT_WORDS = 4, KEYS_TEXT_MAX = 255 };

typedef struct {
    bloom_plan plan;
    uint64_t capacity, n_added;
    uint64_t *words;            /* plan.bytes of them, 64-byte aligned */
    bool claimed;               /* its pages are there to be written */
} bloom_layer;

struct bloom {
    int n_layers;
    bool grow;
    uint64_t seed, capacity;
    double fp_rate;
    bloom_layer layer[LAYERS_MAX];
    char keys[KEYS_TEXT_MAX + 1];
    void *map;                  /* the whole file where mapped, else NULL */
    size_t map_bytes;
};

/* The eight odd constants of Parquet's split-block filter. */
extern const uint32_t SPLIT_SALT[8];

static inline uint64_t key_of(const bloom *b, uint64_t key) {
    return b->seed ? wt_mix64(key ^ b->seed) : key;
}
/* Parquet takes the block from the upper 32 bits. From 2^26 blocks (2 GiB, where Parquet ends) on
 * those would leave some blocks out more than others, so all 64 are used. */
static inline uint64_t split_block(uint64_t key, uint64_t n_blocks) {
    return n_blocks < (1u << 26) ? ((key >> 32) * n_blocks) >> 32 : wt_fastrange64(key, n_blocks);
}

/* Bits inside a line: 9-bit pieces of wt_mix64(hash), seven a word, the next word from hash + this. */
#define BLOOM_PIECES_STEP 0x9e3779b97f4a7c15u

static inline uint64_t two_line_hash(uint64_t key, int half) {
    return wt_mix64(key + (half ? 0xa0761d6478bd642fu : 0xd6e8feb86659fd93u));
}

bloom *bloom_alloc(const bloom_config *config, wt_err *err);   /* without layers */
int bloom_layer_add(bloom *b, const bloom_plan *plan, uint64_t capacity, wt_err *err);

/* The layer with a plan that was made already (filters of one size share it). */
bloom *bloom_new_planned(const bloom_config *config, const bloom_plan *plan, wt_err *err);
/* Asks for the lines of these keys ahead of the verbs. */
void bloom_prefetch(const bloom *b, const uint64_t *keys, size_t n);

/* The chance of a false "seen", summed over blocks, and the bits that are set: here once, and compiled
 * a second time with the instruction that counts bits. */
static inline double split_rate_sum(const uint64_t *words, uint64_t n_blocks, uint64_t *bits_set) {
    double sum = 0;
    uint64_t set = 0;
    for (uint64_t i = 0; i < n_blocks; i++) {
        const uint64_t *w = words + i * SPLIT_WORDS;
        double chance = 1;
        for (int j = 0; j < SPLIT_WORDS; j++) {
            int low = __builtin_popcount((uint32_t)w[j]), high = __builtin_popcount(w[j] >> 32);
            chance *= low * high / 1024.0;
            set += (uint64_t)(low + high);
        }
        sum += chance;
    }
    *bits_set += set;
    return sum;
}
/* power[x]: the chance in a line of x bits set. */
static inline double line_rate_sum(const uint64_t *words, uint64_t n_lines, const double *power, uint64_t *bits_set) {
    double sum = 0;
    uint64_t set = 0;
    for (uint64_t i = 0; i < n_lines; i++) {
        int bits = 0;
        for (int j = 0; j < LINE_WORDS; j++) bits += __builtin_popcountll(words[i * LINE_WORDS + (uint64_t)j]);
        sum += power[bits];
        set += (uint64_t)bits;
    }
    *bits_set += set;
    return sum;
}
double split_rate_avx2(const uint64_t *words, uint64_t n_blocks, uint64_t *bits_set);
double line_rate_avx2(const uint64_t *words, uint64_t n_lines, const double *power, uint64_t *bits_set);

/* split256 with AVX2; same results as the plain ones in bloom.c. `keys` already seeded. */
void split_add_avx2(uint64_t *words, uint64_t n_blocks, const uint64_t *keys, size_t n,
                    uint8_t *seen);
void split_test_avx2(const uint64_t *words, uint64_t n_blocks, const uint64_t *keys, size_t n,
                     uint8_t *seen);
/* block512 and two-line with AVX-512, the same way. */
void line_add_avx512(const bloom_layer *l, const uint64_t *keys, size_t n, uint8_t *seen);
void line_test_avx512(const bloom_layer *l, const uint64_t *keys, size_t n, uint8_t *seen);

#endif

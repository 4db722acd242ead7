/* bloom.h - a set of 64-bit keys that never forgets and sometimes imagines: it may report a key that
 * was not added, and never misses one that was (Bloom 1970). Keys are hashes: 64 well mixed bits.
 *
 * Four layouts, all with the same verbs:
 *   split256   8 words of 32 bits, one bit in each: one cache line, Parquet's layout (Putze et al.
 *              2007; Apache Parquet BloomFilter). Smallest cost, best down to a rate of 3e-3
 *   block512   k bits anywhere in one cache line: fewer bits a key below that
 *   two-line   k bits in one line of each half of the filter: the product of two small rates, so
 *              1e-8 costs 44 bits a key and two cache misses (classic: 38 bits, 27 misses)
 *   classic    k bits anywhere: the reference that the others are measured against
 * BLOOM_AUTO takes split256, block512 (below 3e-3, and above 2e-2 where 8 bits a key are too many) or
 * two-line (1e-4 and below).
 *
 * Sizes come from the exact rate: block loads are Poisson, the bits set in a block follow the
 * occupancy law; tests hold the measured rate against it. A filter whose count is not known can grow:
 * bloom_reserve() adds layers of twice the size and half the rate, so that the sum stays below the
 * target.
 *
 * Threads: bloom_add and bloom_add_batch want the filter for themselves; the _shared verbs set bits
 * by atomic or and may run in any number of threads at once, beside tests: no key is ever lost, but two threads that add the same new key in the same moment may both be told "new".
 * bloom_reserve, _save, _or and _stats want the filter for themselves. */
#ifndef WT_DEDUP_BLOOM_H
#define WT_DEDUP_BLOOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/out.h"
#include "common/str.h"

typedef enum {
    BLOOM_AUTO, BLOOM_SPLIT256, BLOOM_BLOCK512, BLOOM_TWO_LINE, BLOOM_CLASSIC
} bloom_variant;

typedef struct bloom bloom;                           /* opaque: fields live in bloom.c */

/* ---- sizes and rates ---- */
typedef struct {
    bloom_variant variant;
    int k;                      /* bits a key (two-line: in each of its two lines) */
    uint64_t n_blocks;          /* split256, block512: blocks; two-line: lines in each half;
                                   classic: bits */
    uint64_t bytes;
    double fp_rate;             /* by the formula, with `capacity` keys in it */
    double bits_per_key;
} bloom_plan;

/* The smallest filter of a layout that holds `capacity` keys (above 0) at `fp_rate`, in
 * [1e-12, 0.5]. WT_EARG when out of range. Makes no memory. */
int bloom_plan_make(bloom_variant variant, uint64_t capacity, double fp_rate, bloom_plan *plan,
                    wt_err *err);
/* The rate this plan has with n_keys distinct keys in it. */
double bloom_plan_rate(const bloom_plan *plan, double n_keys);
const char *bloom_variant_name(bloom_variant variant);  /* "auto", "split256", ... */

/* ---- life ---- */
typedef struct {
    uint64_t capacity;          /* keys expected, above 0 */
    double fp_rate;             /* chance of a false "seen" once full */
    bloom_variant variant;      /* BLOOM_AUTO: by the rate */
    uint64_t seed;              /* 0: keys are used as they are (needed for Parquet) */
    bool grow;                  /* bloom_reserve may add layers */
    const char *keys;           /* what the keys are, up to 255 bytes: kept in the file, and filters
                                   whose words differ are never mixed; NULL: "" */
} bloom_config;

/* Returns a filter that the caller frees; NULL with *err set: WT_EARG, or WT_ENOMEM where the message
 * names the bytes needed, the bytes free and the nearest setting that fits. */
bloom *bloom_new(uint64_t capacity, double fp_rate, wt_err *err);
bloom *bloom_new_with(const bloom_config *config, wt_err *err);
void bloom_free(bloom *b);

/* ---- the set ---- */
bool bloom_test(const bloom *b, uint64_t key);        /* true: added before (or imagined) */
bool bloom_add(bloom *b, uint64_t key);               /* adds; true: was there before */
bool bloom_add_shared(bloom *b, uint64_t key);        /* the same from many threads */
/* As n single calls in order (equal keys inside a batch see each other), with the cache lines
 * fetched ahead. seen[i] becomes 0 or 1; may be NULL. */
void bloom_test_batch(const bloom *b, const uint64_t *keys, size_t n, uint8_t *seen);
void bloom_add_batch(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen);
void bloom_add_batch_shared(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen);

/* Makes room for n more keys: a growing filter whose newest layer would pass its capacity gets
 * another. Nothing else ever grows, so when layers appear is the caller's (deterministic) choice.
 * Does nothing for a filter that does not grow. WT_ENOMEM as bloom_new. */
int bloom_reserve(bloom *b, uint64_t n, wt_err *err);

/* ---- what it is ---- */
typedef struct {
    bloom_variant variant;      /* of the newest layer */
    int k, n_layers;
    uint64_t bytes, capacity, seed;
    double fp_rate;             /* as asked for */
    uint64_t n_added;           /* adds that were told "new" */
    double fill;                /* share of bits set, all layers */
    double n_estimate;          /* distinct keys, judged from the fill */
    double fp_now;              /* chance of a false "seen" right now, from the bits themselves */
    double fp_formula;          /* the same from the formula and n_estimate */
} bloom_stats;
void bloom_stats_read(const bloom *b, bloom_stats *stats);   /* reads all bits: one pass of memory */
uint64_t bloom_n_added(const bloom *b);
uint64_t bloom_bytes(const bloom *b);
double bloom_fp_expected(const bloom *b);             /* from n_added alone: no pass */
double bloom_fp_quick(const bloom *b);                /* the same by the shortcut formula, some per cent low */
/* True once the expected rate is past 1.5 times the target. */
bool bloom_overfull(const bloom *b);

/* ---- files (docs/formats/dedup.md) ---- */
int bloom_save(const bloom *b, const char *path, wt_err *err);      /* whole or not at all */
/* Into memory, every chunk checked. WT_EDATA names the damaged chunk and its offset. */
bloom *bloom_load(const char *path, wt_err *err);
/* Read-only from the page cache. `verify` reads and checks all; without it damage goes unseen. */
bloom *bloom_map(const char *path, bool verify, wt_err *err);
/* Several filters in one file: bloom_write_at puts bloom_file_bytes() bytes, a multiple of 4096, at offset `at` of an open
 * file; bloom_load_at reads the filter there, and bloom_file_bytes() of it finds the next. bloom_load_empty_at makes
 * one of the same layers without their bits, where somebody else has them. */
int bloom_write_at(const bloom *b, int file, uint64_t at, wt_err *err);
uint64_t bloom_file_bytes(const bloom *b);
bloom *bloom_load_at(const char *path, uint64_t at, wt_err *err);
bloom *bloom_load_empty_at(const char *path, uint64_t at, wt_err *err);
/* 0 when b has these keys, seed and rate; else -1 with WT_EARG naming both values. */
int bloom_check_same(const bloom *b, const bloom_config *want, wt_err *err);

/* into |= from: exactly the filter of both key sets. Same layers, seed and keys are needed. */
int bloom_or(bloom *into, const bloom *from, wt_err *err);
/* The bytes of a Parquet file's bloom filter (header and bitset): one split256 layer, seed 0, below
 * 2 GiB. Readers find in it the values whose XXH64 (seed 0) was added. */
int bloom_export_parquet(const bloom *b, wt_buf *out, wt_err *err);

#endif

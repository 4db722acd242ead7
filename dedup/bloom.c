/* bloom.c - the verbs of the Bloom filter: test, add, in batches, from many threads; growth; union.
 *
 * Cost is cache misses: split256 and block512 have one a key, two-line two, classic up to k. Batches
 * compute the addresses of 32 keys and fetch their lines before the first is looked at, and the
 * memory lies on huge pages (common/memory.h), which spares a miss in the page tables.
 *
 * Bits inside a line come from a second mix of the key, seven 9-bit pieces a 64-bit word, so that
 * they do not depend on the bits that chose the line. */
#include "dedup/bloom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/memory.h"
#include "dedup/bloom_impl.h"

const uint32_t SPLIT_SALT[8] = {0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};

enum { GROUP = 32 };                                  /* keys whose lines are fetched ahead */

/* ---- where a key's bits are ---- */

/* Hands out 9-bit pieces of a key's hash, as many as wanted. */
typedef struct {
    uint64_t seed, word;
    int left;
} pieces;

static inline pieces pieces_of(uint64_t hash) { return (pieces){hash, wt_mix64(hash), 7}; }

static inline unsigned pieces_next(pieces *p) {
    if (p->left == 0) {
        p->seed += BLOOM_PIECES_STEP;
        p->word = wt_mix64(p->seed);
        p->left = 7;
    }
    unsigned bit = p->word & 511;
    p->word >>= 9;
    p->left--;
    return bit;
}

static inline void split_mask(uint64_t mask[SPLIT_WORDS], uint64_t key) {
    for (int i = 0; i < SPLIT_WORDS; i++) {
        uint32_t low = ((uint32_t)key * SPLIT_SALT[2 * i]) >> 27;
        uint32_t high = ((uint32_t)key * SPLIT_SALT[2 * i + 1]) >> 27;
        mask[i] = (uint64_t)1 << low | (uint64_t)1 << (32 + high);
    }
}

/* ---- one layer, one key. All return true when the key's bits were all set. ---- */

static inline bool words_test(const uint64_t *words, const uint64_t *mask, int n) {
    uint64_t missing = 0;
    for (int i = 0; i < n; i++)
        missing |= ~__atomic_load_n(words + i, __ATOMIC_RELAXED) & mask[i];
    return missing == 0;
}

static inline bool words_add(uint64_t *words, const uint64_t *mask, int n, bool shared) {
    uint64_t missing = 0;
    for (int i = 0; i < n; i++) {
        uint64_t old = __atomic_load_n(words + i, __ATOMIC_RELAXED);
        if (!shared) {
            missing |= ~old & mask[i];
            __atomic_store_n(words + i, old | mask[i], __ATOMIC_RELAXED);
        } else if ((old & mask[i]) != mask[i]) {      /* the locked or only where it is needed */
            old = __atomic_fetch_or(words + i, mask[i], __ATOMIC_RELAXED);
            missing |= ~old & mask[i];
        }
    }
    return missing == 0;
}

typedef enum { TEST, ADD, ADD_SHARED } verb;

static inline bool words_do(uint64_t *words, const uint64_t *mask, int n, verb v) {
    return v == TEST ? words_test(words, mask, n) : words_add(words, mask, n, v == ADD_SHARED);
}

/* One line of 512 bits, bit by bit: a mask of eight words gathered first would cost a stall when it is
 * read back as a vector. Threads gather it all the same, to lock each word once. */
static inline bool line_do(uint64_t *line, uint64_t hash, int k, verb v) {
    pieces p = pieces_of(hash);
    if (v == ADD_SHARED) {
        uint64_t mask[LINE_WORDS] = {0};
        for (int i = 0; i < k; i++) {
            unsigned bit = pieces_next(&p);
            mask[bit >> 6] |= (uint64_t)1 << (bit & 63);
        }
        return words_add(line, mask, LINE_WORDS, true);
    }
    uint64_t all = 1;
    for (int i = 0; i < k; i++) {
        unsigned bit = pieces_next(&p);
        uint64_t *word = line + (bit >> 6), old = __atomic_load_n(word, __ATOMIC_RELAXED);
        all &= old >> (bit & 63);
        if (v == ADD) __atomic_store_n(word, old | (uint64_t)1 << (bit & 63), __ATOMIC_RELAXED);
    }
    return all & 1;
}

static bool classic_do(const bloom_layer *l, uint64_t key, verb v) {
    uint64_t hash = two_line_hash(key, 0), step = two_line_hash(key, 1) | 1;
    bool seen = true;
    for (int i = 0; i < l->plan.k; i++, hash += step) {      /* Kirsch, Mitzenmacher 2006 */
        uint64_t bit = wt_fastrange64(hash, l->plan.n_blocks), mask = (uint64_t)1 << (bit & 63);
        seen &= words_do(l->words + (bit >> 6), &mask, 1, v);
        if (v == TEST && !seen) return false;
    }
    return seen;
}

static inline bool layer_do(const bloom_layer *l, uint64_t key, verb v) {
    uint64_t mask[SPLIT_WORDS], n = l->plan.n_blocks;
    switch (l->plan.variant) {
    case BLOOM_SPLIT256:
        split_mask(mask, key);
        return words_do(l->words + split_block(key, n) * SPLIT_WORDS, mask, SPLIT_WORDS, v);
    case BLOOM_BLOCK512:
        return line_do(l->words + wt_fastrange64(key, n) * LINE_WORDS, key, l->plan.k, v);
    case BLOOM_TWO_LINE: {
        bool seen = true;
        for (int half = 0; half < 2; half++) {
            uint64_t hash = two_line_hash(key, half);
            uint64_t line = wt_fastrange64(hash, n) + (half ? n : 0);
            seen &= line_do(l->words + line * LINE_WORDS, hash, l->plan.k, v);
            if (v == TEST && !seen) return false;
        }
        return seen;
    }
    default:
        return classic_do(l, key, v);
    }
}

static inline void layer_prefetch(const bloom_layer *l, uint64_t key) {
    uint64_t n = l->plan.n_blocks;
    /* Without this gcc finds that the function changes nothing and leaves its calls out. */
    __asm__ volatile("");
    switch (l->plan.variant) {
    case BLOOM_SPLIT256:
        __builtin_prefetch(l->words + split_block(key, n) * SPLIT_WORDS, 1);
        break;
    case BLOOM_BLOCK512:
        __builtin_prefetch(l->words + wt_fastrange64(key, n) * LINE_WORDS, 1);
        break;
    case BLOOM_TWO_LINE:
        for (int half = 0; half < 2; half++) {
            uint64_t line = wt_fastrange64(two_line_hash(key, half), n) + (half ? n : 0);
            __builtin_prefetch(l->words + line * LINE_WORDS, 1);
        }
        break;
    default: {                                        /* the reference stays plain */
        uint64_t bit = wt_fastrange64(two_line_hash(key, 0), n);
        __builtin_prefetch(l->words + (bit >> 6), 1);
    }
    }
}

/* ---- the whole filter, one key (already seeded) ---- */

/* Old layers are asked first; only a key that none of them holds goes into the newest. */
static inline bool filter_do(bloom *b, uint64_t key, verb v) {
    int last = b->n_layers - 1;
    for (int i = 0; i < last; i++)
        if (layer_do(&b->layer[i], key, TEST)) return true;
    return layer_do(&b->layer[last], key, v);
}

static inline void count_new(bloom *b, uint64_t n, verb v) {
    uint64_t *n_added = &b->layer[b->n_layers - 1].n_added;
    if (v == ADD) *n_added += n;
    if (v == ADD_SHARED && n) __atomic_fetch_add(n_added, n, __ATOMIC_RELAXED);
}

bool bloom_test(const bloom *b, uint64_t key) {
    return filter_do((bloom *)b, key_of(b, key), TEST);
}
bool bloom_add(bloom *b, uint64_t key) {
    bool seen = filter_do(b, key_of(b, key), ADD);
    count_new(b, !seen, ADD);
    return seen;
}
bool bloom_add_shared(bloom *b, uint64_t key) {
    bool seen = filter_do(b, key_of(b, key), ADD_SHARED);
    count_new(b, !seen, ADD_SHARED);
    return seen;
}

/* ---- batches ---- */

/* The keys of a group in one layer, by the instructions there are. */
static void layer_group(const bloom_layer *l, const uint64_t *keys, size_t n, uint8_t *seen, verb v) {
    bool split = l->plan.variant == BLOOM_SPLIT256 && __builtin_cpu_supports("avx2");
    bool line = (l->plan.variant == BLOOM_BLOCK512 || l->plan.variant == BLOOM_TWO_LINE) && __builtin_cpu_supports("avx512dq");
    if (v == ADD_SHARED || !(split || line))
        for (size_t i = 0; i < n; i++) seen[i] = layer_do(l, keys[i], v);
    else if (line) (v == TEST ? line_test_avx512 : line_add_avx512)(l, keys, n, seen);
    else if (v == TEST) split_test_avx2(l->words, l->plan.n_blocks, keys, n, seen);
    else split_add_avx2(l->words, l->plan.n_blocks, keys, n, seen);
}

/* As filter_do() for each of up to GROUP keys. Old layers do not change, so they are asked first. */
static void group_do(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen, verb v) {
    uint64_t left[GROUP];
    uint8_t found[GROUP];
    size_t whose[GROUP], n_left = n, n_new = 0;
    int last = b->n_layers - 1;
    memset(seen, 0, n);
    for (int i = 0; i < last; i++) {
        layer_group(&b->layer[i], keys, n, found, TEST);
        for (size_t j = 0; j < n; j++) seen[j] |= found[j];
    }
    if (last > 0) {
        n_left = 0;
        for (size_t j = 0; j < n; j++)
            if (!seen[j]) left[n_left] = keys[j], whose[n_left++] = j;
    }
    layer_group(&b->layer[last], last > 0 ? left : keys, n_left, last > 0 ? found : seen, v);
    for (size_t j = 0; j < n_left; j++) {
        if (last > 0) seen[whose[j]] = found[j];
        n_new += !seen[last > 0 ? whose[j] : j];
    }
    count_new(b, n_new, v);
}

static void batch_do(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen, verb v) {
    uint64_t mixed[2][GROUP];
    uint8_t out[GROUP];
    size_t ahead = n < GROUP ? n : GROUP;
    for (size_t i = 0; i < ahead; i++) {
        mixed[0][i] = key_of(b, keys[i]);
        for (int l = 0; l < b->n_layers; l++) layer_prefetch(&b->layer[l], mixed[0][i]);
    }
    for (size_t at = 0, turn = 0; at < n; turn ^= 1) {
        size_t now = ahead, next = n - at - now < GROUP ? n - at - now : GROUP;
        for (size_t i = 0; i < next; i++) {
            uint64_t key = mixed[turn ^ 1][i] = key_of(b, keys[at + now + i]);
            for (int l = 0; l < b->n_layers; l++) layer_prefetch(&b->layer[l], key);
        }
        group_do(b, mixed[turn], now, seen ? seen + at : out, v);
        at += now;
        ahead = next;
    }
}

void bloom_prefetch(const bloom *b, const uint64_t *keys, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint64_t key = key_of(b, keys[i]);
        for (int l = 0; l < b->n_layers; l++) layer_prefetch(&b->layer[l], key);
    }
}

void bloom_test_batch(const bloom *b, const uint64_t *keys, size_t n, uint8_t *seen) {
    batch_do((bloom *)b, keys, n, seen, TEST);
}
void bloom_add_batch(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen) {
    batch_do(b, keys, n, seen, ADD);
}
void bloom_add_batch_shared(bloom *b, const uint64_t *keys, size_t n, uint8_t *seen) {
    batch_do(b, keys, n, seen, ADD_SHARED);
}

/* ---- life ---- */

bloom *bloom_alloc(const bloom_config *config, wt_err *err) {
    const char *keys = config->keys ? config->keys : "";
    if (strlen(keys) > KEYS_TEXT_MAX) {
        wt_fail(err, WT_EARG, "what a filter's keys are has to be said in %d bytes", KEYS_TEXT_MAX);
        return NULL;
    }
    bloom *b = wt_xcalloc(1, sizeof *b);
    b->grow = config->grow;
    b->seed = config->seed;
    b->capacity = config->capacity;
    b->fp_rate = config->fp_rate;
    strcpy(b->keys, keys);
    return b;
}

/* The rate at which these keys would fit into the memory there is; 0: none does. */
static double rate_that_fits(bloom_variant variant, uint64_t capacity, uint64_t bytes_free) {
    for (double rate = 1e-11; rate <= 0.5; rate *= 10) {
        bloom_plan plan;
        if (!bloom_plan_make(variant, capacity, rate, &plan, NULL) && plan.bytes < bytes_free)
            return rate;
    }
    return 0;
}

static int refuse_size(const bloom_plan *plan, uint64_t capacity, uint64_t bytes_free,
                       wt_err *err) {
    const double GiB = 1024.0 * 1024 * 1024;
    double rate = rate_that_fits(BLOOM_AUTO, capacity, bytes_free);
    uint64_t keys_that_fit = (uint64_t)((double)bytes_free * 8 / plan->bits_per_key);
    char hint[160];
    if (rate > 0)
        snprintf(hint, sizeof hint, "at rate %.0e it fits; at this rate %llu keys do", rate,
                 (unsigned long long)keys_that_fit);
    else
        snprintf(hint, sizeof hint, "at this rate %llu keys fit", (unsigned long long)keys_that_fit);
    return wt_fail(err, WT_ENOMEM,
                   "a filter for %llu keys at rate %.3g needs %llu bytes (%.2f GiB) and %llu "
                   "(%.2f GiB) are free; %s",
                   (unsigned long long)capacity, plan->fp_rate, (unsigned long long)plan->bytes,
                   plan->bytes / GiB, (unsigned long long)bytes_free, bytes_free / GiB, hint);
}

int bloom_layer_add(bloom *b, const bloom_plan *plan, uint64_t capacity, wt_err *err) {
    if (b->n_layers == LAYERS_MAX)
        return wt_fail(err, WT_ELIMIT, "a filter has at most %d layers", LAYERS_MAX);
    uint64_t bytes_free = plan->bytes < 1 << 20 ? 0 : wt_memory_available();   /* asking has its price */
    if (bytes_free > 0 && plan->bytes > bytes_free) return refuse_size(plan, capacity, bytes_free, err);
    void *words = wt_big_alloc(plan->bytes, "a Bloom filter", err);
    if (!words) return -1;
    b->layer[b->n_layers++] = (bloom_layer){.plan = *plan, .capacity = capacity, .words = words};
    return 0;
}

/* Layer i of a growing filter has 2^i times the capacity and 2^-(i+1) of the rate. */
static int next_layer(bloom *b, bloom_variant variant, wt_err *err) {
    int i = b->n_layers;
    double rate = b->grow ? ldexp(b->fp_rate, -(i + 1)) : b->fp_rate;
    uint64_t capacity = b->capacity << (i < 24 ? i : 24);
    bloom_plan plan;
    if (rate < 1e-12) rate = 1e-12;
    if (bloom_plan_make(variant, capacity, rate, &plan, err)) return -1;
    return bloom_layer_add(b, &plan, capacity, err);
}

bloom *bloom_new_with(const bloom_config *config, wt_err *err) {
    bloom *b = bloom_alloc(config, err);
    if (b && next_layer(b, config->variant, err)) {
        bloom_free(b);
        return NULL;
    }
    return b;
}

bloom *bloom_new_planned(const bloom_config *config, const bloom_plan *plan, wt_err *err) {
    bloom *b = bloom_alloc(config, err);
    if (b && bloom_layer_add(b, plan, config->capacity, err)) {
        bloom_free(b);
        return NULL;
    }
    return b;
}

bloom *bloom_new(uint64_t capacity, double fp_rate, wt_err *err) {
    return bloom_new_with(&(bloom_config){.capacity = capacity, .fp_rate = fp_rate}, err);
}

void bloom_free(bloom *b) {
    if (!b) return;
    if (b->map) munmap(b->map, b->map_bytes);
    else
        for (int i = 0; i < b->n_layers; i++) wt_big_free(b->layer[i].words, b->layer[i].plan.bytes);
    free(b);
}

/* A page that is read first is the kernel's page of zeros, and its first write then has to tell all other cores: that
 * was a third of the kernel's time with two threads. So pages are claimed in one go once n more keys touch most of
 * them. Huge pages are few enough. */
static void claim_pages(const bloom *b, bloom_layer *l, uint64_t n) {
    enum { PAGE = 4096, HUGE_FROM = 1 << 20 };
    if (l->claimed || b->map || l->plan.bytes >= HUGE_FROM || (l->n_added + n) * PAGE < l->plan.bytes) return;
    l->claimed = true;
#ifdef MADV_POPULATE_WRITE
    madvise(l->words, l->plan.bytes, MADV_POPULATE_WRITE);   /* a hint: older kernels refuse it */
#endif
}

int bloom_reserve(bloom *b, uint64_t n, wt_err *err) {
    const bloom_layer *last = &b->layer[b->n_layers - 1];
    bool full = last->n_added + n > last->capacity && last->n_added > 0;
    if (b->grow && full && next_layer(b, BLOOM_AUTO, err)) return -1;
    claim_pages(b, &b->layer[b->n_layers - 1], n);
    return 0;
}

/* ---- what it is ---- */

static uint64_t popcount_words(const uint64_t *w, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += (uint64_t)__builtin_popcountll(w[i]);
    return sum;
}

/* The chance of a false "seen" in this layer, from the bits: the mean over blocks of the chance in
 * each. *bits_set gets the number of bits that are set. */
static double layer_rate_now(const bloom_layer *l, uint64_t *bits_set) {
    uint64_t n = l->plan.n_blocks;
    bool fast = __builtin_cpu_supports("avx2");
    *bits_set = 0;
    if (l->plan.variant == BLOOM_CLASSIC) {
        *bits_set = popcount_words(l->words, n / 64);
        return pow((double)*bits_set / (double)n, l->plan.k);
    }
    if (l->plan.variant == BLOOM_SPLIT256)
        return (fast ? split_rate_avx2 : split_rate_sum)(l->words, n, bits_set) / (double)n;
    double power[513], rate = 1;
    for (int x = 0; x <= 512; x++) power[x] = pow(x / 512.0, l->plan.k);
    int halves = l->plan.variant == BLOOM_TWO_LINE ? 2 : 1;
    for (uint64_t half = 0; half < (uint64_t)halves; half++)
        rate *= (fast ? line_rate_avx2 : line_rate_sum)(l->words + half * n * LINE_WORDS, n, power, bits_set) / (double)n;
    return rate;
}

/* Distinct keys from the share of bits set: each key throws `bits` balls into `per_block` bins of
 * its block, whose load is Poisson: share = 1 - exp(-n/blocks * (1 - (1 - 1/B)^bits)). */
static double layer_estimate(const bloom_layer *l, double share) {
    if (share >= 1) return INFINITY;
    double log_empty = -log1p(-share), n = (double)l->plan.n_blocks;
    switch (l->plan.variant) {
    case BLOOM_CLASSIC: return log_empty * n / l->plan.k;
    case BLOOM_SPLIT256: return log_empty * n * 32;
    default: return log_empty * n / -expm1(l->plan.k * log1p(-1.0 / 512));
    }
}

void bloom_stats_read(const bloom *b, bloom_stats *s) {
    const bloom_layer *last = &b->layer[b->n_layers - 1];
    memset(s, 0, sizeof *s);
    s->variant = last->plan.variant;
    s->k = last->plan.k;
    s->n_layers = b->n_layers;
    s->seed = b->seed;
    s->fp_rate = b->fp_rate;
    double miss_now = 1, miss_formula = 1, set_total = 0;
    for (int i = 0; i < b->n_layers; i++) {
        const bloom_layer *l = &b->layer[i];
        uint64_t set = 0;
        miss_now *= 1 - layer_rate_now(l, &set);
        double n = layer_estimate(l, set / (l->plan.bytes * 8.0));
        miss_formula *= 1 - bloom_plan_rate(&l->plan, n);
        s->n_estimate += n;
        s->n_added += l->n_added;
        s->capacity += l->capacity;
        s->bytes += l->plan.bytes;
        set_total += (double)set;
    }
    s->fill = set_total / (s->bytes * 8.0);
    s->fp_now = 1 - miss_now;
    s->fp_formula = 1 - miss_formula;
}

uint64_t bloom_n_added(const bloom *b) {
    uint64_t n = 0;
    for (int i = 0; i < b->n_layers; i++) n += b->layer[i].n_added;
    return n;
}

uint64_t bloom_bytes(const bloom *b) {
    uint64_t n = 0;
    for (int i = 0; i < b->n_layers; i++) n += b->layer[i].plan.bytes;
    return n;
}

double bloom_fp_expected(const bloom *b) {
    double rate = 0;
    for (int i = 0; i < b->n_layers; i++)
        rate += bloom_plan_rate(&b->layer[i].plan, (double)b->layer[i].n_added);
    return rate < 1 ? rate : 1;
}

double bloom_fp_quick(const bloom *b) {
    double rate = 0;
    for (int i = 0; i < b->n_layers; i++) {
        const bloom_layer *l = &b->layer[i];
        int k = l->plan.k * (l->plan.variant == BLOOM_TWO_LINE ? 2 : 1);
        rate += pow(-expm1(-k * (double)l->n_added / ((double)l->plan.bytes * 8)), k);
    }
    return rate < 1 ? rate : 1;
}

bool bloom_overfull(const bloom *b) { return bloom_fp_expected(b) > 1.5 * b->fp_rate; }

/* ---- union ---- */

int bloom_check_same(const bloom *b, const bloom_config *want, wt_err *err) {
    const char *keys = want->keys ? want->keys : "";
    if (strcmp(b->keys, keys) != 0)
        return wt_fail(err, WT_EARG, "the filter's keys are '%s', wanted are '%s'", b->keys, keys);
    if (b->seed != want->seed)
        return wt_fail(err, WT_EARG, "the filter's seed is %llu, wanted is %llu",
                       (unsigned long long)b->seed, (unsigned long long)want->seed);
    if (want->variant != BLOOM_AUTO && b->layer[0].plan.variant != want->variant)
        return wt_fail(err, WT_EARG, "the filter's layout is %s, wanted is %s",
                       bloom_variant_name(b->layer[0].plan.variant),
                       bloom_variant_name(want->variant));
    if (want->fp_rate > 0 && b->fp_rate != want->fp_rate)
        return wt_fail(err, WT_EARG, "the filter's rate is %g, wanted is %g", b->fp_rate,
                       want->fp_rate);
    return 0;
}

int bloom_or(bloom *into, const bloom *from, wt_err *err) {
    bloom_config want = {.keys = from->keys, .seed = from->seed, .fp_rate = from->fp_rate,
                         .variant = from->layer[0].plan.variant};
    if (bloom_check_same(into, &want, err)) return -1;
    if (into->map) return wt_fail(err, WT_EARG, "a mapped filter cannot be changed");
    if (into->n_layers != from->n_layers)
        return wt_fail(err, WT_EARG, "filters of %d and %d layers do not merge", into->n_layers,
                       from->n_layers);
    for (int i = 0; i < into->n_layers; i++)
        if (into->layer[i].plan.n_blocks != from->layer[i].plan.n_blocks ||
            into->layer[i].plan.k != from->layer[i].plan.k ||
            into->layer[i].plan.variant != from->layer[i].plan.variant)
            return wt_fail(err, WT_EARG,
                           "filters of %llu and %llu bytes do not merge; make both with the same "
                           "count and rate",
                           (unsigned long long)into->layer[i].plan.bytes,
                           (unsigned long long)from->layer[i].plan.bytes);
    for (int i = 0; i < into->n_layers; i++) {
        bloom_layer *l = &into->layer[i];
        for (uint64_t w = 0; w < l->plan.bytes / 8; w++) l->words[w] |= from->layer[i].words[w];
        l->n_added += from->layer[i].n_added;         /* an upper bound: both may hold a key */
    }
    return 0;
}

/* bloom_size.c - how large a Bloom filter has to be, exactly.
 *
 * A block of B bits meets a Poisson number of keys with mean load (Putze, Sanders, Singler 2007).
 * Given i keys of k bits each, X of its bits are set, and a new key is imagined with chance
 * E[(X/B)^k]. The usual shortcut (1-(1-1/B)^(ik))^k puts the power outside of the mean, which is 4 %
 * too low at k = 12; we carry the distribution of X ball by ball instead (B states, a multiply-add
 * each). For split256 the words are independent, one bit a key, so (1-(31/32)^i)^8 is exact. The
 * two lines of two-line are independent: the square. classic is asymptotic: (1-e^(-kn/m))^k. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dedup/bloom_impl.h"

enum { K_MAX = 24, LOAD_MAX = 4096 };                 /* keys in one block that are still counted */

/* rate[i] = chance that a new key finds its k bits set in a block of B bits that i keys met. */
static void block_rates(double *rate, int n, int B, int k) {
    double p[513] = {1.0}, power[513];
    int low = 0, high = 0;                            /* where p is above nothing */
    for (int x = 0; x <= B; x++) power[x] = pow((double)x / B, k);
    for (int i = 0; i < n; i++) {
        double sum = 0;
        for (int x = low; x <= high; x++) sum += p[x] * power[x];
        rate[i] = sum;
        for (int ball = 0; ball < k; ball++) {
            if (high < B) p[++high] = 0;
            for (int x = high; x > low; x--)
                p[x] = p[x] * x / B + p[x - 1] * (B - x + 1) / B;
            p[low] = p[low] * low / B;
            while (low < high && p[low] < 1e-30) low++;
        }
    }
}

/* lgamma() sets a global; bands are sized in many threads. */
static double log_factorial(int n) {
    int sign;
    return lgamma_r(n + 1.0, &sign);
}

/* Mean over a Poisson load. */
static double poisson_mean(const double *rate, int n, double load) {
    double sum = 0;
    int i_min = (int)(load - 12 * sqrt(load) - 20), i_max = (int)(load + 12 * sqrt(load) + 40);
    if (i_min < 0) i_min = 0;
    for (int i = i_min; i <= i_max; i++)
        sum += exp(i * log(load) - load - log_factorial(i)) * (i < n ? rate[i] : 1.0);
    return sum < 1 ? sum : 1;
}

static int loads_needed(double load) {
    double n = load + 12 * sqrt(load) + 41;
    return n < LOAD_MAX ? (int)n : LOAD_MAX;
}

static double classic_rate(double bits_per_key, int k) {
    return pow(-expm1(-k / bits_per_key), k);
}

/* A table for one layout and k, good up to n loads. */
static double *rates_table(bloom_variant variant, int k, int n) {
    double *rate = wt_xmalloc((size_t)n * sizeof *rate);
    if (variant == BLOOM_SPLIT256)
        for (int i = 0; i < n; i++) rate[i] = pow(1 - pow(31.0 / 32, i), 8);
    else
        block_rates(rate, n, 512, k);
    return rate;
}

static double rate_from(const double *table, int n, bloom_variant variant, double load) {
    double one = load > 0 ? poisson_mean(table, n, load) : 0;
    return variant == BLOOM_TWO_LINE ? one * one : one;
}

double bloom_plan_rate(const bloom_plan *plan, double n_keys) {
    if (n_keys <= 0) return 0;
    if (plan->variant == BLOOM_CLASSIC) return classic_rate(plan->n_blocks / n_keys, plan->k);
    double load = n_keys / (double)plan->n_blocks;
    if (load > LOAD_MAX / 2) return 1;
    int n = loads_needed(load);
    double *table = rates_table(plan->variant, plan->k, n);
    double rate = rate_from(table, n, plan->variant, load);
    free(table);
    return rate;
}

/* Largest load a block of this layout bears at the rate; by bisection, as the rate only rises. */
static double load_for(bloom_variant variant, int k, double fp_rate) {
    double low = 0.01, high = 512.0 * 2 / k;
    int n = loads_needed(high);
    double *table = rates_table(variant, k, n);
    for (int step = 0; step < 60; step++) {
        double mid = 0.5 * (low + high);
        if (rate_from(table, n, variant, mid) <= fp_rate) low = mid;
        else high = mid;
    }
    free(table);
    return low;
}

/* The k that needs fewest bits, by the shortcut formula: the exact one is dearer. It lies below the classic
 * filter's -log2(rate), the further the smaller the rate. */
static int best_k_512(double line_rate) {
    int best = 1, high_k = (int)fmin(K_MAX, ceil(-log2(line_rate)) + 1);
    double best_load = 0;
    for (int k = high_k * 3 / 5 > 1 ? high_k * 3 / 5 : 1; k <= high_k; k++) {
        double low = 0.01, high = 512.0 * 2 / k;
        for (int step = 0; step < 40; step++) {
            double mid = 0.5 * (low + high), sum = 0;
            int i_max = (int)(mid + 8 * sqrt(mid) + 12);
            double poisson = exp(-mid);
            for (int i = 0; i <= i_max; i++, poisson *= mid / i)
                sum += poisson * pow(-expm1(i * k * log1p(-1.0 / 512)), k);
            if (sum <= line_rate) low = mid;
            else high = mid;
        }
        if (low > best_load) best_load = low, best = k;
    }
    return best;
}

static void plan_classic(uint64_t capacity, double fp_rate, bloom_plan *plan) {
    int k = (int)lround(-log2(fp_rate));
    if (k < 1) k = 1;
    /* The size from this k, not from the k that cannot be had: rounding k alone breaks the bound. */
    double bits = ceil(-(double)k * (double)capacity / log1p(-pow(fp_rate, 1.0 / k)));
    plan->k = k;
    plan->n_blocks = ((uint64_t)bits + 63) & ~(uint64_t)63;
    plan->bytes = plan->n_blocks / 8;
}

static bloom_variant variant_for(double fp_rate) {
    if (fp_rate > 0.02) return BLOOM_BLOCK512;            /* eight bits a key would be too many */
    return fp_rate >= 3e-3 ? BLOOM_SPLIT256 : fp_rate > 1e-4 ? BLOOM_BLOCK512 : BLOOM_TWO_LINE;
}

int bloom_plan_make(bloom_variant variant, uint64_t capacity, double fp_rate, bloom_plan *plan,
                    wt_err *err) {
    if (capacity == 0 || capacity > (uint64_t)1 << 48)
        return wt_fail(err, WT_EARG, "a filter for %llu keys: give 1 to 2^48",
                       (unsigned long long)capacity);
    if (!(fp_rate >= 1e-12 && fp_rate <= 0.5))
        return wt_fail(err, WT_EARG, "false-positive rate %g is not in 1e-12..0.5", fp_rate);
    if (variant == BLOOM_AUTO) variant = variant_for(fp_rate);
    memset(plan, 0, sizeof *plan);
    plan->variant = variant;
    if (variant == BLOOM_CLASSIC) {
        plan_classic(capacity, fp_rate, plan);
    } else {
        double line_rate = variant == BLOOM_TWO_LINE ? sqrt(fp_rate) : fp_rate;
        plan->k = variant == BLOOM_SPLIT256 ? 8 : best_k_512(line_rate);
        double load = load_for(variant, plan->k, fp_rate);
        plan->n_blocks = (uint64_t)ceil((double)capacity / load);
        plan->bytes = plan->n_blocks * (variant == BLOOM_SPLIT256 ? 32 : variant == BLOOM_TWO_LINE ? 128 : 64);
    }
    plan->bits_per_key = plan->bytes * 8.0 / (double)capacity;
    plan->fp_rate = bloom_plan_rate(plan, (double)capacity);
    return 0;
}

const char *bloom_variant_name(bloom_variant variant) {
    static const char *const names[] = {"auto", "split256", "block512", "two-line", "classic"};
    return (unsigned)variant < 5 ? names[variant] : "unknown";
}

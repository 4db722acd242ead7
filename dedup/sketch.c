/* sketch.c - Fast Similarity Sketching, band keys, and the choice of bands, rows and votes. */
#include "dedup/sketch.h"

#include <math.h>
#include <string.h>

#include "common/hash.h"
#include "dedup/bloom.h"

#define GOLDEN 0x9e3779b97f4a7c15u
#define EMPTY UINT32_MAX

/* ---- the sketch ----
 * A value is (round, 32 hash bits); as rounds come in order and a later round only fills bins that
 * earlier ones left empty, the hash bits alone are kept, 2^32 - 1 meaning empty. */

static inline uint64_t round_hash(uint64_t key, uint32_t round) {
    return round == 0 ? key : wt_mix64(key + round * GOLDEN);
}
static inline uint32_t bin_of(uint64_t hash, uint32_t n_bins) {
    return (uint32_t)(((hash >> 32) * n_bins) >> 32);
}
static inline uint32_t value_of(uint64_t hash) {
    return (uint32_t)hash == EMPTY ? EMPTY - 1 : (uint32_t)hash;
}

void sketch_make_plain(const uint64_t *keys, size_t n, int n_bins, uint32_t *bins) {
    uint32_t t = (uint32_t)n_bins;
    for (uint32_t bin = 0; bin < t; bin++) {
        bins[bin] = EMPTY;
        for (uint32_t round = 0; round < 2 * t && bins[bin] == EMPTY; round++)
            for (size_t i = 0; i < n; i++) {
                uint64_t hash = round_hash(keys[i], round);
                uint32_t to = round < t ? bin_of(hash, t) : round - t;
                if (to == bin && value_of(hash) < bins[bin]) bins[bin] = value_of(hash);
            }
    }
}

/* A round beyond the first: only bins that are empty now may take values. */
static int fill_empty(const uint64_t *keys, size_t n, uint32_t t, uint32_t round, uint32_t *bins,
                      uint8_t *open) {
    int filled = 0;
    for (uint32_t bin = 0; bin < t; bin++) open[bin] = bins[bin] == EMPTY;
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = round_hash(keys[i], round);
        uint32_t bin = round < t ? bin_of(hash, t) : round - t, value = value_of(hash);
        if (!open[bin] || value >= bins[bin]) continue;
        filled += bins[bin] == EMPTY;
        bins[bin] = value;
    }
    return filled;
}

void sketch_make(const uint64_t *keys, size_t n, int n_bins, uint32_t *bins) {
    uint32_t t = (uint32_t)n_bins;
    uint8_t open[SKETCH_BINS_MAX];
    memset(bins, 0xff, t * sizeof *bins);
    for (size_t i = 0; i < n; i++) {
        uint32_t bin = bin_of(keys[i], t), value = value_of(keys[i]);
        if (value < bins[bin]) bins[bin] = value;
    }
    int empty = 0;
    for (uint32_t bin = 0; bin < t; bin++) empty += bins[bin] == EMPTY;
    for (uint32_t round = 1; empty > 0; round++) empty -= fill_empty(keys, n, t, round, bins, open);
}

void sketch_bands(const uint32_t *bins, const sketch_plan *plan, uint64_t *band_keys) {
    for (int band = 0; band < plan->bands; band++) {
        uint64_t hash = (uint64_t)(band + 1) * GOLDEN;
        /* Minima of long documents are small numbers: mixed, never summed. */
        for (int row = 0; row < plan->rows; row++)
            hash = wt_mix64(hash ^ bins[band * plan->rows + row]) + GOLDEN;
        band_keys[band] = wt_mix64(hash);
    }
}

/* ---- the curve ---- */

static double log_factorial(int n) {
    int sign;
    return lgamma_r(n + 1.0, &sign);                  /* lgamma() sets a global */
}

/* P[Binomial(n, p) >= c] */
static double binomial_tail(int n, double p, int c) {
    if (p >= 1) return 1;
    if (p <= 0) return c <= 0;
    double ratio = p / (1 - p), sum = 0;
    double term = exp(log_factorial(n) - log_factorial(c) - log_factorial(n - c) + c * log(p) + (n - c) * log1p(-p));
    for (int i = c; i <= n; i++) {
        sum += term;
        term *= ratio * (n - i) / (i + 1);
    }
    return sum < 1 ? sum : 1;
}

double sketch_recall(const sketch_plan *plan, double J) {
    double p = pow(J, plan->rows);
    return binomial_tail(plan->bands, p + (1 - p) * plan->band_fp_rate, plan->votes);
}

void sketch_plan_rate(sketch_plan *plan, double fp_rate) {
    double low = 1e-12, high = 0.2;
    for (int step = 0; step < 36; step++) {
        double mid = sqrt(low * high);
        if (binomial_tail(plan->bands, mid, plan->votes) <= fp_rate) low = mid;
        else high = mid;
    }
    plan->band_fp_rate = low;
}

double sketch_bytes_per_doc(const sketch_plan *plan) {
    bloom_plan filter;
    if (bloom_plan_make(BLOOM_SPLIT256, 1000000, plan->band_fp_rate, &filter, NULL)) return INFINITY;
    return plan->bands * filter.bits_per_key / 8;
}

double sketch_similarity(const sketch_plan *plan, int votes) {
    return pow((double)votes / plan->bands, 1.0 / plan->rows);
}

/* ---- the choice ---- */

/* Bits a key of split256 as a function of the rate: a few points of bloom_plan_make, interpolated in
 * the logarithm, as the search asks thousands of times. */
typedef struct {
    double log_rate[24], bits[24];
} bits_table;

static void bits_table_make(bits_table *t) {
    for (int i = 0; i < 24; i++) {
        bloom_plan plan;
        double rate = 0.25 * pow(0.6, i);
        bloom_plan_make(BLOOM_SPLIT256, 1000000, rate, &plan, NULL);
        t->log_rate[i] = log(rate);
        t->bits[i] = plan.bits_per_key;
    }
}
static double bits_at(const bits_table *t, double rate) {
    double x = log(rate);
    int i = 0;
    while (i < 22 && t->log_rate[i + 1] > x) i++;
    double part = (x - t->log_rate[i]) / (t->log_rate[i + 1] - t->log_rate[i]);
    return t->bits[i] + part * (t->bits[i + 1] - t->bits[i]);
}

/* P[Binomial(n, p) >= c], fast: terms by recurrence from the mode's side that matters. */
static double tail_quick(int n, double p, int c) {
    if (p > 0.999999) return 1;
    double q = 1 - p, term = exp(n * log(q)), below = 0;
    if (term < 1e-280) return binomial_tail(n, p, c);
    for (int i = 0; i < c; i++) {
        below += term;
        term *= p / q * (n - i) / (i + 1);
    }
    return below < 1 ? 1 - below : 0;
}

/* How far a plan is from the ideal step at the threshold: the mean over similarities within 0.25 of
 * it. Below the threshold a document may have met several half-similar ones (pages of one template),
 * whose votes add up: that is counted as well, with CROWD of them, or few rows and many bands would
 * look better than they are. Pairs pile up towards similarity 1, so a miss counts more than a false
 * alarm. The weights were chosen on bench/dedup_quality.py, see docs/experiments/dedup.md. */
#define CROWD_WEIGHT 0.3
#define MISS_WEIGHT 2.4
static double distance_from_step(const sketch_plan *plan, double threshold) {
    enum { POINTS = 20, CROWD = 3 };
    double low = threshold - 0.25 > 0 ? threshold - 0.25 : 0, sum = 0;
    double high = threshold + 0.25 < 1 ? threshold + 0.25 : 1;
    for (int i = 0; i < POINTS; i++) {
        double J = low + (high - low) * (i + 0.5) / POINTS, hit = pow(J, plan->rows);
        double miss_one = (1 - hit) * (1 - plan->band_fp_rate);
        double miss_crowd = pow(1 - hit, CROWD) * (1 - plan->band_fp_rate);
        double one = tail_quick(plan->bands, 1 - miss_one, plan->votes);
        if (J >= threshold) sum += MISS_WEIGHT * (1 - one);
        else if (J > threshold - 0.1) sum += one;
        else sum += (1 - CROWD_WEIGHT) * one + CROWD_WEIGHT * tail_quick(plan->bands, 1 - miss_crowd, plan->votes);
    }
    return sum / POINTS;
}

int sketch_solve(double threshold, double bytes_per_doc, double fp_rate, sketch_plan *plan,
                 wt_err *err) {
    enum { BANDS_MAX = 128, ROWS_MAX = 16, BINS_WANTED_MAX = 512 };
    if (!(threshold >= 0.3 && threshold <= 0.99))
        return wt_fail(err, WT_EARG, "similarity threshold %g is not in 0.3..0.99", threshold);
    if (!(fp_rate >= 1e-12 && fp_rate <= 0.1))
        return wt_fail(err, WT_EARG, "false-positive rate %g is not in 1e-12..0.1", fp_rate);
    bits_table bits;
    bits_table_make(&bits);
    double best = INFINITY;
    for (int b = 2; b <= BANDS_MAX; b += b < 24 ? 1 : 4)
        for (int c = 1; c <= b; c++) {
            sketch_plan p = {b, 1, c, 0};
            sketch_plan_rate(&p, fp_rate);
            if (p.band_fp_rate < 1e-7 || b * bits_at(&bits, p.band_fp_rate) / 8 > bytes_per_doc) continue;
            double before = INFINITY;
            for (; p.rows <= ROWS_MAX && b * p.rows <= BINS_WANTED_MAX; p.rows++) {
                double distance = distance_from_step(&p, threshold);
                if (distance < best) {
                    best = distance;
                    *plan = p;
                }
                if (distance > before) break;         /* more rows only move the step further */
                before = distance;
            }
        }
    if (best == INFINITY)
        return wt_fail(err, WT_EARG, "no bands fit into %g bytes a document; give at least 12", bytes_per_doc);
    return 0;
}

void sketch_print_curve(const sketch_plan *plan, double threshold, wt_buf *out) {
    wt_buf_printf(out, "%d of %d bands of %d rows, %d hashes, filters at %.3f, %.1f bytes a document\n",
                  plan->votes, plan->bands, plan->rows, plan->bands * plan->rows, plan->band_fp_rate,
                  sketch_bytes_per_doc(plan));
    wt_buf_printf(out, "similarity  called duplicate\n");
    for (int percent = 40; percent <= 100; percent += 5) {
        double chance = sketch_recall(plan, percent / 100.0);
        wt_buf_printf(out, "      %.2f  %.4f %.*s%s\n", percent / 100.0, chance, (int)(chance * 50 + 0.5),
                      "##################################################",
                      fabs(percent / 100.0 - threshold) < 0.025 ? "  <- threshold" : "");
    }
}

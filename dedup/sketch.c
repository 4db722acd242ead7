/* sketch.c - Fast Similarity Sketching, band keys, and the choice of bands, rows and votes. */
#include "dedup/sketch.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "common/hash.h"
#include "dedup/bloom.h"
#include "dedup/sketch_impl.h"

#define GOLDEN SKETCH_GOLDEN
#define EMPTY SKETCH_EMPTY

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

static bool empty_plain(const uint32_t *bins, uint32_t t, uint32_t *empty) {
    bool any = false;
    memset(empty, 0, SKETCH_EMPTY_WORDS * sizeof *empty);
    for (uint32_t bin = 0; bin < t; bin++)
        if (bins[bin] == EMPTY) empty[bin / 32] |= 1u << bin % 32, any = true;
    return any;
}

static void round_plain(const uint64_t *keys, size_t n, uint32_t t, uint32_t round, const uint32_t *empty, uint32_t *bins) {
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = round_hash(keys[i], round);
        uint32_t bin = round < t ? bin_of(hash, t) : round - t, value = value_of(hash);
        if ((empty[bin / 32] >> bin % 32 & 1) && value < bins[bin]) bins[bin] = value;
    }
}

/* Rounds beyond the first, in which only bins that are empty may take values. */
static void fill_empty(const uint64_t *keys, size_t n, uint32_t t, uint32_t *bins) {
    bool fast = __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    uint32_t empty[SKETCH_EMPTY_WORDS];
    for (uint32_t round = 1; (fast ? sketch_empty_avx512 : empty_plain)(bins, t, empty); round++)
        (fast && round < t ? sketch_round_avx512 : round_plain)(keys, n, t, round, empty, bins);
}

void sketch_make(const uint64_t *keys, size_t n, int n_bins, uint32_t *bins) {
    uint32_t t = (uint32_t)n_bins;
    memset(bins, 0xff, t * sizeof *bins);
    for (size_t i = 0; i < n; i++) {
        uint32_t bin = bin_of(keys[i], t), value = value_of(keys[i]), old = bins[bin];
        bins[bin] = value < old ? value : old;        /* without a branch, which short documents guess wrong */
    }
    fill_empty(keys, n, t, bins);
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

int sketch_votes(const sketch_plan *plan, double rate_now) {
    if (!plan->votes_full) return plan->votes;
    int more = (int)lround((plan->votes_full - plan->votes) * rate_now / plan->band_fp_rate);
    return plan->votes + more < plan->bands ? plan->votes + more : plan->bands;
}

double sketch_recall(const sketch_plan *plan, double J, double rate_now) {
    double p = pow(J, plan->rows);
    return binomial_tail(plan->bands, p + (1 - p) * rate_now, sketch_votes(plan, rate_now));
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
    if (bloom_plan_make(BLOOM_AUTO, 1000000, plan->band_fp_rate, &filter, NULL)) return INFINITY;
    return plan->bands * filter.bits_per_key / 8;
}

double sketch_similarity(const sketch_plan *plan, int votes, double rate_now) {
    double hit = ((double)votes / plan->bands - rate_now) / (1 - rate_now);
    return hit > 0 ? pow(hit, 1.0 / plan->rows) : 0;
}

/* ---- the choice ----
 * What a number of bands, rows and votes is worth is its expected F1 over a run. Three things are
 * assumed, and nothing is fitted to a corpus:
 *   - related documents have similarities of density 3 J^2: near-misses are common, copies more so
 *   - a run begins with empty filters and ends with full ones: mean over fills. The votes asked for
 *     rise by those that the filters add to a document at the threshold
 *   - in CROWD_WEIGHT of the cases a document below the threshold has met not one relative but CROWD
 *     (pages of one template), whose votes add up. Few rows and many bands would lose there
 * Of documents without relatives, a share of at most fp_rate may be dropped, at any fill. */
enum { BANDS_MAX = 192, ROWS_MAX = 64, BINS_WANTED_MAX = 768, FILLS = 3, BELOW = 16, ABOVE = 12 };
#define PRIOR_POWER 2
#define CROWD 2
#define CROWD_WEIGHT 0.05
#define PRICE 1e-4              /* of a band, or ten bins, in F1: 40 of them cost a microsecond a document */
#define REACH 0.45              /* similarities further below the threshold make no votes to speak of */

/* Bits a key of a filter of BLOOM_AUTO by its rate; a test holds them to bloom_plan_make(), which is too
 * slow to ask in a search. */
static const struct {
    double rate, bits;
} BITS_OF_RATE[] = {
    {0.25, 2.890}, {0.2, 3.381}, {0.16, 3.847}, {0.128, 4.299}, {0.1024, 4.783}, {0.0819, 5.270},
    {0.0655, 5.730}, {0.0524, 6.214}, {0.0419, 6.719}, {0.0336, 7.183}, {0.0268, 7.678}, {0.0215, 8.183},
    {0.0201, 8.339}, {0.0199, 9.028}, {0.0137, 9.824}, {0.0088, 10.825}, {0.0056, 11.918}, {0.0032, 13.382},
};
enum { N_BITS = sizeof BITS_OF_RATE / sizeof *BITS_OF_RATE };

double sketch_rate_of_bits(double bits) {
    int i = 1;
    if (bits < BITS_OF_RATE[0].bits) return 1;
    while (i < N_BITS - 1 && BITS_OF_RATE[i].bits < bits) i++;
    double step = (bits - BITS_OF_RATE[i - 1].bits) / (BITS_OF_RATE[i].bits - BITS_OF_RATE[i - 1].bits);
    double low = log(BITS_OF_RATE[i - 1].rate), high = log(BITS_OF_RATE[i].rate);
    return exp(low + (step < 1 ? step : 1) * (high - low));
}

static double bits_of_rate(double rate) {
    int i = 1;
    while (i < N_BITS - 1 && BITS_OF_RATE[i].rate > rate) i++;
    double low = log(BITS_OF_RATE[i - 1].rate), high = log(BITS_OF_RATE[i].rate);
    return BITS_OF_RATE[i - 1].bits + (log(rate) - low) / (high - low) * (BITS_OF_RATE[i].bits - BITS_OF_RATE[i - 1].bits);
}

/* The plan's filters' rate at a share of the keys they are made for. */
static double rate_at_fill(const sketch_plan *plan, double fill) {
    double bits = bits_of_rate(plan->band_fp_rate), k = fmax(1, round(bits * M_LN2));
    return plan->band_fp_rate * pow(expm1(-k * fill / bits) / expm1(-k / bits), k);
}

/* tail[c] += weight * P[Binomial(n, p) >= c + more], for c = 0..n: terms outwards from the mode as long as
 * they matter, then sums. 0 < p < 1. */
static void tails_add(double *tail, int n, double p, int more, double weight) {
    double term[SKETCH_BINS_MAX + 1], odds = p / (1 - p), sum = 0;
    int mode = (int)((n + 1) * p), high = mode, low = mode, i;
    term[mode] = weight * exp(log_factorial(n) - log_factorial(mode) - log_factorial(n - mode) +
                              mode * log(p) + (n - mode) * log1p(-p));
    double least = 1e-9 * term[mode];
    for (; high < n && term[high] > least; high++) term[high + 1] = term[high] * odds * (n - high) / (high + 1);
    for (; low > 0 && term[low] > least; low--) term[low - 1] = term[low] * low / (odds * (n - low + 1));
    for (i = high; i >= low && i >= more; i--) tail[i - more] += sum += term[i];
    for (; i >= more; i--) tail[i - more] += sum;
}

/* By the number of votes asked of empty filters, from 0 to the bands: how many related documents are called duplicates
 * and are, or are not; `all` are. */
typedef struct {
    double hit[SKETCH_BINS_MAX + 1], alarm[SKETCH_BINS_MAX + 1], all;
} outcome;

/* `more`: the votes that full filters ask for beyond that. */
static void expect_outcome(const sketch_plan *plan, int more, double threshold, outcome *o) {
    static const double fill[FILLS] = {0.1127, 0.5, 0.8873}, share[FILLS] = {5 / 18.0, 8 / 18.0, 5 / 18.0};   /* Gauss */
    double low = fmax(0, threshold - REACH);
    memset(o, 0, sizeof *o);
    for (int f = 0; f < FILLS; f++) {
        double rate = rate_at_fill(plan, fill[f]), blank = 1 - rate;
        int more_now = (int)lround(more * rate / plan->band_fp_rate);
        for (int i = 0; i < BELOW + ABOVE; i++) {
            bool duplicate = i >= BELOW;
            double step = duplicate ? (1 - threshold) / ABOVE : (threshold - low) / BELOW;
            double J = duplicate ? threshold + (i - BELOW + 0.5) * step : low + (i + 0.5) * step;
            double weight = share[f] * step * pow(J, PRIOR_POWER), miss = 1 - pow(J, plan->rows);
            if (duplicate) {
                tails_add(o->hit, plan->bands, 1 - miss * blank, more_now, weight);
                o->all += weight;
            } else {
                tails_add(o->alarm, plan->bands, 1 - miss * blank, more_now, weight * (1 - CROWD_WEIGHT));
                tails_add(o->alarm, plan->bands, 1 - pow(miss, CROWD) * blank, more_now, weight * CROWD_WEIGHT);
            }
        }
    }
}

/* The fewest votes asked of empty filters that keep unrelated documents below fp_rate at each fill. */
static int votes_least(const sketch_plan *plan, int more, double fp_rate) {
    enum { STEPS = 8 };
    int least = 1;
    for (int i = 1; i <= STEPS; i++) {
        double tail[SKETCH_BINS_MAX + 1] = {0}, rate = rate_at_fill(plan, (double)i / STEPS);
        tails_add(tail, plan->bands, rate, (int)lround(more * rate / plan->band_fp_rate), 1);
        while (least <= plan->bands && tail[least] > fp_rate) least++;
    }
    return least;
}

/* The best number of votes for these bands and rows, and the F1 that is expected of it; below 0: none. */
static double best_votes(sketch_plan *plan, double threshold, double fp_rate) {
    outcome o;
    double best = -1;
    int more = (int)lround((1 - pow(threshold, plan->rows)) * plan->bands * plan->band_fp_rate);
    expect_outcome(plan, more, threshold, &o);
    for (int c = votes_least(plan, more, fp_rate); c + more <= plan->bands; c++) {
        double f1 = 2 * o.hit[c] / (o.hit[c] + o.alarm[c] + o.all);
        if (f1 > best) best = f1, plan->votes = c, plan->votes_full = c + more;
    }
    return best;
}

int sketch_solve(double threshold, double bytes_per_doc, double fp_rate, sketch_plan *plan,
                 wt_err *err) {
    if (!(threshold >= 0.3 && threshold <= 0.99))
        return wt_fail(err, WT_EARG, "similarity threshold %g is not in 0.3..0.99", threshold);
    if (!(fp_rate >= 1e-12 && fp_rate <= 0.1))
        return wt_fail(err, WT_EARG, "false-positive rate %g is not in 1e-12..0.1", fp_rate);
    double best = 0;
    int rows_from = 1, rows_to = ROWS_MAX;            /* around the best of the number of bands before */
    for (int b = 4; b <= BANDS_MAX; b += b < 24 ? 1 : b / 16) {
        double rate = sketch_rate_of_bits(8 * bytes_per_doc / b), best_here = 0;
        if (rate > BITS_OF_RATE[0].rate) break;
        /* Whole parts of 1e-5: the rate is written into states, and libraries differ in last digits. */
        sketch_plan p = {b, rows_from, 0, ceil(rate * 1e5) / 1e5, 0};
        int best_rows = 0;
        for (; p.rows <= rows_to && b * p.rows <= BINS_WANTED_MAX; p.rows++) {
            double one = pow(threshold, p.rows);
            if (one > 0.6 || one < 0.05) continue;
            double f1 = best_votes(&p, threshold, fp_rate) - PRICE * (b + b * p.rows / 10.0);
            if (f1 > best_here) best_here = f1, best_rows = p.rows;
            if (f1 > best) best = f1, *plan = p;
        }
        if (best_rows) rows_from = best_rows > 1 ? best_rows - 1 : 1, rows_to = best_rows + 1;
    }
    if (best == 0)
        return wt_fail(err, WT_EARG, "no bands fit into %g bytes a document; give at least 12", bytes_per_doc);
    return 0;
}

void sketch_print_curve(const sketch_plan *plan, double threshold, wt_buf *out) {
    double half = rate_at_fill(plan, 0.5), full = plan->band_fp_rate;
    int c = plan->votes, votes_full = sketch_votes(plan, full);
    outcome o;
    expect_outcome(plan, votes_full - c, threshold, &o);
    wt_buf_printf(out, "%d of %d bands of %d rows (%d of %d when the filters are full), %d hashes, filters at %.3f, %.1f bytes a document\n",
                  c, plan->bands, plan->rows, votes_full, plan->bands, plan->bands * plan->rows, full, sketch_bytes_per_doc(plan));
    wt_buf_printf(out, "expected over a run: precision %.3f, recall %.3f, F1 %.3f; of unrelated documents %.1e are dropped by full filters\n",
                  o.hit[c] / (o.hit[c] + o.alarm[c]), o.hit[c] / o.all, 2 * o.hit[c] / (o.hit[c] + o.alarm[c] + o.all),
                  sketch_recall(plan, 0, full));
    wt_buf_printf(out, "similarity  called duplicate by half full filters\n");
    for (int percent = 40; percent <= 100; percent += 5) {
        double chance = sketch_recall(plan, percent / 100.0, half);
        wt_buf_printf(out, "      %.2f  %.4f %.*s%s\n", percent / 100.0, chance, (int)(chance * 50 + 0.5),
                      "##################################################",
                      fabs(percent / 100.0 - threshold) < 0.025 ? "  <- threshold" : "");
    }
}

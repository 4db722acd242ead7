/* dedup_fill.c - the false-positive rate of each layout while it fills: asked with random keys, beside the
 * formula. Prints one JSON line a point; with a name, draws docs/plots/dedup_fill.svg's picture there.
 *     dedup_fill [FILE.svg] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/rng.h"
#include "dedup/bloom.h"

enum { N = 200000, STEPS = 12, BATCH = 4096 };
static const struct { bloom_variant v; double rate; const char *color; } LAYOUTS[] = {
    {BLOOM_SPLIT256, 0.01, "#1b6ca8"}, {BLOOM_BLOCK512, 1e-3, "#c0392b"}, {BLOOM_TWO_LINE, 1e-4, "#2e8b57"},
    {BLOOM_CLASSIC, 1e-3, "#8e44ad"}};

static double measure(const bloom *b, double expected, uint64_t stream) {
    static uint64_t keys[BATCH];
    static uint8_t seen[BATCH];
    wt_rng rng;
    wt_rng_init(&rng, 77, stream);
    uint64_t hits = 0, n = 0, want = (uint64_t)fmin(4e7, 4000 / expected) + BATCH;
    while (n < want) {
        for (int i = 0; i < BATCH; i++) keys[i] = wt_rng_u64(&rng);
        bloom_test_batch(b, keys, BATCH, seen);
        for (int i = 0; i < BATCH; i++) hits += seen[i];
        n += BATCH;
    }
    return (double)hits / (double)n;
}

static double at_x(double load) { return 60 + load / 2 * 500; }
static double at_y(double rate) { return -75 * log10(rate); }            /* 1 at the top, 1e-4 at 300 */

int main(int argc, char **argv) {
    FILE *svg = argc > 1 ? fopen(argv[1], "w") : NULL;
    if (svg) {
        fprintf(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"620\" height=\"400\" "
                "font-family=\"sans-serif\" font-size=\"12\"><rect width=\"620\" height=\"400\" fill=\"white\"/>\n");
        fprintf(svg, "<g transform=\"translate(0,40)\">\n");
        for (int e = 0; e >= -4; e--)
            fprintf(svg, "<line x1=\"60\" y1=\"%.0f\" x2=\"560\" y2=\"%.0f\" stroke=\"#ddd\"/><text x=\"52\" y=\"%.0f\" "
                    "text-anchor=\"end\">1e%d</text>\n", at_y(pow(10, e)), at_y(pow(10, e)), at_y(pow(10, e)) + 4, e);
        for (int i = 0; i <= 4; i++)
            fprintf(svg, "<text x=\"%.0f\" y=\"322\" text-anchor=\"middle\">%.1f</text>\n", at_x(i * 0.5), i * 0.5);
        fprintf(svg, "<text x=\"310\" y=\"345\" text-anchor=\"middle\">keys over capacity</text>"
                "<text x=\"60\" y=\"-20\">false-positive rate: dots measured, lines by the formula</text>\n");
    }
    for (int l = 0; l < 4; l++) {
        bloom *b = bloom_new_with(&(bloom_config){.capacity = N, .fp_rate = LAYOUTS[l].rate, .variant = LAYOUTS[l].v}, NULL);
        bloom_plan plan;
        bloom_plan_make(LAYOUTS[l].v, N, LAYOUTS[l].rate, &plan, NULL);
        wt_rng rng;
        wt_rng_init(&rng, 1, (uint64_t)l);
        if (svg) fprintf(svg, "<polyline fill=\"none\" stroke=\"%s\" points=\"", LAYOUTS[l].color);
        for (int i = 2; svg && i <= 80; i++) {
            double rate = bloom_plan_rate(&plan, N * i / 40.0);
            if (rate >= 1e-4) fprintf(svg, "%.1f,%.1f ", at_x(i / 40.0), at_y(rate));
        }
        if (svg) fprintf(svg, "\"/><text x=\"75\" y=\"%d\" fill=\"%s\">%s, made for %g</text>\n", 15 + 16 * l, LAYOUTS[l].color,
                         bloom_variant_name(LAYOUTS[l].v), LAYOUTS[l].rate);
        for (int s = 1; s <= STEPS; s++) {
            for (int i = 0; i < 2 * N / STEPS; i++) bloom_add(b, wt_rng_u64(&rng));
            double load = 2.0 * s / STEPS, formula = bloom_plan_rate(&plan, load * N);
            if (formula < 2e-5) continue;
            double rate = measure(b, formula, (uint64_t)s);
            printf("{\"bench\":\"dedup_fill\",\"layout\":\"%s\",\"made_for\":%g,\"load\":%.3f,\"measured\":%.4g,\"formula\":%.4g,"
                   "\"ratio\":%.4f}\n", bloom_variant_name(LAYOUTS[l].v), LAYOUTS[l].rate, load, rate, formula, rate / formula);
            if (svg && rate >= 1e-4)
                fprintf(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", at_x(load), at_y(rate), LAYOUTS[l].color);
        }
        bloom_free(b);
    }
    if (svg) fprintf(svg, "</g></svg>\n"), fclose(svg);
    return 0;
}

/* dedup_sketch.c - ns a shingle of the sketch: documents of different lengths whose shingles are all distinct, sketches
 * of the sizes that 18, 35 and 60 bytes a document solve to and of 256 bins; CPU time, best of 5. `rolled` adds the
 * making of the 5-gram keys from word hashes. One JSON line each. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/rng.h"
#include "dedup/sketch.h"
#include "dedup/words.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(void) {
    enum { TOTAL = 4000000 };
    static const size_t lengths[] = {200, 400, 1000, 3000, 20000};
    static const int sizes[] = {240, 256, 444, 522};
    uint64_t *words = malloc(TOTAL * sizeof *words);
    u64_list keys = {0};
    wt_rng rng;
    wt_rng_init(&rng, 1, 0);
    for (size_t i = 0; i < TOTAL; i++) words[i] = wt_rng_u64(&rng);
    for (int l = 0; l < 5; l++)
        for (int s = 0; s < 4; s++) {
            double sketch = 1e18, rolled = 1e18;
            uint32_t bins[SKETCH_BINS_MAX], sum = 0;
            size_t n = lengths[l], n_docs = TOTAL / 4 / n;
            for (int round = 0; round < 5; round++) {
                double start = now();
                for (size_t d = 0; d < n_docs; d++) {
                    sketch_make(words + d * n, n, sizes[s], bins);      /* mixed 64-bit numbers: as good as keys */
                    sum += bins[d % (size_t)sizes[s]];
                }
                double middle = now();
                for (size_t d = 0; d < n_docs; d++) {
                    keys.n = 0;
                    words_ngrams(words + d * n, n, 5, &keys);
                    sketch_make(keys.at, keys.n, sizes[s], bins);
                    sum += bins[d % (size_t)sizes[s]];
                }
                double end = now(), per = 1.0 / (double)(n * n_docs);
                if ((middle - start) * per < sketch) sketch = (middle - start) * per;
                if ((end - middle) * per < rolled) rolled = (end - middle) * per;
            }
            printf("{\"bench\":\"dedup_sketch\",\"shingles\":%zu,\"bins\":%d,\"ns_a_shingle\":%.2f,\"ns_rolled\":%.2f,\"sum\":%u}\n",
                   n, sizes[s], sketch, rolled, sum);
        }
    free(words), free(keys.at);
    return 0;
}

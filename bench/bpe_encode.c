/* bpe_encode.c - how fast a file is encoded and decoded in memory. Prints a JSON line for each
 * measure: cold is a fresh encoder, warm the same encoder again; CPU seconds of the process.
 *
 *     build/bench/bpe_encode TOKENIZER FILE [REPEATS [THREADS [IDS-OUT]]]
 *
 * bench/bpe_encode.py runs it beside other projects' encoders. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bpe/bpe.h"
#include "common/fs.h"
#include "common/hash.h"
#include "common/memory.h"
#include "common/tool.h"

typedef struct {
    const bpe_model *model;
    bpe_encoder *encoder;
    wt_str text;
    uint32_t *ids;
    uint16_t *narrow;
    ptrdiff_t n;
} job;

static void *run(void *argument) {
    job *j = argument;
    wt_err err = {0};
    if (!j->encoder)
        j->encoder = bpe_encoder_new(j->model, 0);
    j->n = j->narrow ? bpe_encode_u16(j->encoder, j->text, BPE_SPECIAL_NONE, j->narrow, &err)
                     : bpe_encode(j->encoder, j->text, BPE_SPECIAL_NONE, j->ids, &err);
    return NULL;
}

static void report(const char *what, int width, size_t bytes, ptrdiff_t n, double cpu, double wall) {
    printf("{\"tool\":\"webtext\",\"measure\":\"%s\",\"width\":%d,\"MB_per_cpu_s\":%.1f,\"MB_per_s\":%.1f,"
           "\"ids\":%td,\"cpu_s\":%.4f,\"wall_s\":%.4f,\"peak_MiB\":%.1f}\n", what, width, (double)bytes / cpu / 1e6,
           (double)bytes / wall / 1e6, n, cpu, wall, (double)wt_memory_peak() / 1048576);
    fflush(stdout);
}

static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_buf file = {0};
    int repeats = argc > 3 ? atoi(argv[3]) : 3, threads = argc > 4 ? atoi(argv[4]) : 1;
    double start = wt_now(), cpu = cpu_now();
    bpe_model *m = argc > 2 ? bpe_model_load(argv[1], NULL, &err) : NULL;
    if (!m || wt_read_file(argv[2], (uint64_t)1 << 36, &file, &err) || threads > 64) {
        fprintf(stderr, "bpe_encode: %s\n", argc > 2 ? err.text : "TOKENIZER FILE [REPEATS [THREADS [IDS-OUT]]]");
        return 1;
    }
    printf("{\"tool\":\"webtext\",\"measure\":\"load\",\"cpu_s\":%.4f,\"wall_s\":%.4f}\n", cpu_now() - cpu, wt_now() - start);
    job part[64] = {{0}};
    pthread_t thread[64];
    for (int width = bpe_vocab_size(m) > 65536 ? 4 : 2; width <= 4; width += 2)
        for (int r = 0; r < 2 * repeats; r++) {
            size_t at = 0;
            cpu = cpu_now(), start = wt_now();
            ptrdiff_t n = 0;
            for (int t = 0; t < threads; t++) {
                wt_str rest = {file.ptr + at, file.len - at};
                if (t + 1 < threads) {
                    rest.len = file.len / (size_t)threads;
                    rest.len = bpe_cut(m, rest, BPE_SPECIAL_NONE);
                }
                part[t].model = m, part[t].text = rest;
                if (r % 2 == 0) {
                    part[t].ids = width == 4 ? malloc(BPE_ROOM(rest.len) * sizeof(uint32_t)) : NULL;
                    part[t].narrow = width == 2 ? malloc(BPE_ROOM(rest.len) * sizeof(uint16_t)) : NULL;
                }
                at += rest.len;
                pthread_create(&thread[t], NULL, run, &part[t]);
            }
            for (int t = 0; t < threads; t++) {
                pthread_join(thread[t], NULL);
                n += part[t].n;
            }
            report(r % 2 ? "warm" : "cold", width, file.len, n, cpu_now() - cpu, wt_now() - start);
            if (r + 1 == 2 * repeats && width == 4 && threads == 1) {
                wt_buf out = {0};
                wt_buf_reserve(&out, file.len + 64);
                for (int k = 0; k < 2 * repeats; k++) {
                    wt_buf_clear(&out);
                    cpu = cpu_now(), start = wt_now();
                    bpe_decode(m, part[0].ids, (size_t)n, &out, &err);
                    report(k ? "decode warm" : "decode cold", 4, file.len, n, cpu_now() - cpu, wt_now() - start);
                }
                if (out.len != file.len || memcmp(out.ptr, file.ptr, out.len))
                    return fprintf(stderr, "bpe_encode: decode is not the inverse\n"), 1;
                wt_buf_free(&out);
                if (argc > 5 && wt_write_file(argv[5], (wt_str){(char *)part[0].ids, 4 * (size_t)n}, &err))
                    return fprintf(stderr, "bpe_encode: %s\n", err.text), 1;
                printf("{\"tool\":\"webtext\",\"measure\":\"ids\",\"xxh3\":\"%016llx\"}\n",
                       (unsigned long long)wt_hash64(part[0].ids, 4 * (size_t)n, 0));
            }
            for (int t = 0; t < threads && r % 2; t++) {
                bpe_encoder_free(part[t].encoder);
                free(part[t].ids);
                free(part[t].narrow);
                part[t] = (job){0};
            }
        }
    wt_buf_free(&file);
    bpe_model_free(m);
    return 0;
}

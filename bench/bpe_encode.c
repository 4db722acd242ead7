/* bpe_encode.c - how fast a file is encoded and decoded in memory. Prints a JSON line for each
 * measure: cold is a fresh encoder, warm the same encoder again; CPU seconds of the process. Several threads
 * take pieces of 1 MB in turn, each with its encoder.
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
    wt_str text;
    size_t piece_bytes;             /* 0: all at once */
    uint32_t *ids;                  /* those of a piece lie at its place, 16 more for each piece before it */
    uint16_t *narrow;
    pthread_mutex_t lock;
    size_t at, n_pieces;            /* taken so far */
    ptrdiff_t n;
} job;

typedef struct {
    job *j;
    bpe_encoder *encoder;
} worker;

/* The next piece; its ids belong at *place. */
static wt_str take(job *j, size_t *place) {
    pthread_mutex_lock(&j->lock);
    wt_str piece = {j->text.ptr + j->at, j->text.len - j->at};
    if (j->piece_bytes && piece.len > j->piece_bytes) {
        size_t cut = bpe_cut(j->model, (wt_str){piece.ptr, j->piece_bytes}, BPE_SPECIAL_NONE);
        piece.len = cut ? cut : piece.len;
    }
    *place = j->at + 16 * j->n_pieces;
    j->at += piece.len, j->n_pieces++;
    pthread_mutex_unlock(&j->lock);
    return piece;
}

static void *run(void *argument) {
    worker *w = argument;
    job *j = w->j;
    wt_err err = {0};
    wt_str piece;
    ptrdiff_t n = 0;
    for (size_t place; (piece = take(j, &place)).len;)
        n += j->narrow ? bpe_encode_u16(w->encoder, piece, BPE_SPECIAL_NONE, j->narrow + place, &err)
                       : bpe_encode(w->encoder, piece, BPE_SPECIAL_NONE, j->ids + place, &err);
    pthread_mutex_lock(&j->lock);
    j->n += n;
    pthread_mutex_unlock(&j->lock);
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
    worker part[64] = {{0}};
    pthread_t thread[64];
    for (int width = bpe_vocab_size(m) > 65536 ? 4 : 2; width <= 4; width += 2) {
        job j = {.model = m, .text = wt_buf_view(&file), .piece_bytes = threads > 1 ? 1 << 20 : 0, .lock = PTHREAD_MUTEX_INITIALIZER};
        size_t room = (BPE_ROOM(file.len) + (threads > 1 ? 32 * (file.len >> 20) + 1024 : 0)) * (size_t)width;
        for (int r = 0; r < 2 * repeats; r++) {
            cpu = cpu_now(), start = wt_now();
            if (r % 2 == 0) {
                void *ids = malloc(room);
                j.ids = width == 4 ? ids : NULL, j.narrow = width == 2 ? ids : NULL;
            }
            j.at = j.n_pieces = 0, j.n = 0;
            for (int t = 0; t < threads; t++) {
                part[t].j = &j;
                if (!part[t].encoder)
                    part[t].encoder = t ? bpe_encoder_share(part[0].encoder) : bpe_encoder_new(m, 0);
                pthread_create(&thread[t], NULL, run, &part[t]);
            }
            for (int t = 0; t < threads; t++)
                pthread_join(thread[t], NULL);
            ptrdiff_t n = j.n;
            report(r % 2 ? "warm" : "cold", width, file.len, n, cpu_now() - cpu, wt_now() - start);
            if (r + 1 == 2 * repeats && width == 4 && threads == 1) {
                wt_buf out = {0};
                wt_buf_reserve(&out, file.len + 64);
                for (int k = 0; k < 2 * repeats; k++) {
                    wt_buf_clear(&out);
                    cpu = cpu_now(), start = wt_now();
                    bpe_decode(m, j.ids, (size_t)n, &out, &err);
                    report(k ? "decode warm" : "decode cold", 4, file.len, n, cpu_now() - cpu, wt_now() - start);
                }
                if (out.len != file.len || memcmp(out.ptr, file.ptr, out.len))
                    return fprintf(stderr, "bpe_encode: decode is not the inverse\n"), 1;
                wt_buf_free(&out);
                if (argc > 5 && wt_write_file(argv[5], (wt_str){(char *)j.ids, 4 * (size_t)n}, &err))
                    return fprintf(stderr, "bpe_encode: %s\n", err.text), 1;
                printf("{\"tool\":\"webtext\",\"measure\":\"ids\",\"xxh3\":\"%016llx\"}\n",
                       (unsigned long long)wt_hash64(j.ids, 4 * (size_t)n, 0));
            }
            for (int t = 0; t < threads && r % 2; t++) {
                bpe_encoder_free(part[t].encoder);
                part[t] = (worker){0};
            }
            if (r % 2) {
                free(j.ids);
                free(j.narrow);
            }
        }
    }
    wt_buf_free(&file);
    bpe_model_free(m);
    return 0;
}

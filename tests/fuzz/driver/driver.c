/* driver.c - stands in for libFuzzer where there is no clang: runs a target's LLVMFuzzerTestOneInput on the
 * seeds and on random changes of them, without knowing what code they reach. Takes libFuzzer's options
 * that run.sh uses: -max_total_time=S -max_len=N -seed=N -artifact_prefix=P, then folders or files. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/rng.h"
#include "common/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static wt_buf *seeds;
static size_t n_seeds, seeds_cap;
static const char *prefix = "";
static const uint8_t *current;
static size_t current_bytes;

static void save_current(void) {
    char path[4096];
    snprintf(path, sizeof path, "%scrash-%016llx", prefix, (unsigned long long)getpid());
    FILE *f = fopen(path, "w");
    if (f) fwrite(current, 1, current_bytes, f), fclose(f);
    fprintf(stderr, "the input is in %s\n", path);
}

void __asan_on_error(void);
void __asan_on_error(void) { save_current(); }
static void on_signal(int number) {
    save_current();
    signal(number, SIG_DFL);
    raise(number);
}

static void seed_add(wt_str bytes) {
    WT_GROW(seeds, seeds_cap, n_seeds + 1);
    seeds[n_seeds] = (wt_buf){0};
    wt_buf_add_str(&seeds[n_seeds++], bytes);
}

static void mutate(wt_rng *r, wt_buf *b, size_t max_len) {
    static const char *const tokens[] = {"{", "}", "[", "]", "\"", "\\u", ":", ",", "\r\n", "\r\n\r\n", "\0\0\0\0", "\xff\xff\xff\xff", "<", ">", "0", "-1",
                                         "18446744073709551616", "WARC/1.0\r\n", "HTTP/1.1 200\r\n", "Content-Length: ", "\x28\xb5\x2f\xfd", "\x1f\x8b\x08"};
    for (uint64_t n = 1 + wt_rng_below(r, 6); n > 0; n--) {
        size_t at = b->len ? wt_rng_below(r, b->len) : 0;
        const char *token = tokens[wt_rng_below(r, sizeof tokens / sizeof *tokens)];
        size_t bytes = strlen(token) ? strlen(token) : 4;
        switch (wt_rng_below(r, 6)) {
        case 0: if (b->len) b->ptr[at] = (char)(b->ptr[at] ^ 1 << wt_rng_below(r, 8)); break;
        case 1: if (b->len) b->ptr[at] = (char)wt_rng_u64(r); break;
        case 2: b->len = at; break;
        case 3:                              /* a token goes in */
            wt_buf_reserve(b, bytes);
            memmove(b->ptr + at + bytes, b->ptr + at, b->len - at);
            memcpy(b->ptr + at, token, bytes), b->len += bytes;
            break;
        case 4: {                            /* a piece comes out */
            size_t cut = wt_rng_below(r, 16) < b->len - at ? wt_rng_below(r, b->len - at + 1) : b->len - at;
            memmove(b->ptr + at, b->ptr + at + cut, b->len - at - cut), b->len -= cut;
            break;
        }
        default: {                           /* the tail of another seed */
            const wt_buf *other = &seeds[wt_rng_below(r, n_seeds)];
            size_t from = other->len ? wt_rng_below(r, other->len) : 0;
            wt_buf copy = {0};
            wt_buf_add(&copy, other->len ? other->ptr + from : "", other->len - from);
            b->len = at;
            wt_buf_add(b, copy.ptr ? copy.ptr : "", copy.len);
            wt_buf_free(&copy);
        }
        }
    }
    if (b->len > max_len) b->len = max_len;
}

static void run(const wt_buf *b) {
    uint8_t *exact = malloc(b->len ? b->len : 1);    /* so that reads behind the end are seen */
    if (b->len) memcpy(exact, b->ptr, b->len);
    current = exact, current_bytes = b->len;
    LLVMFuzzerTestOneInput(exact, b->len);
    free(exact);
}

int main(int argc, char **argv) {
    double seconds = 30;
    size_t max_len = 65536;
    uint64_t seed = 1;
    wt_paths files = {0};
    for (int i = 1; i < argc; i++) {
        if (sscanf(argv[i], "-max_total_time=%lf", &seconds) == 1 || sscanf(argv[i], "-max_len=%zu", &max_len) == 1 ||
            sscanf(argv[i], "-seed=%lu", &seed) == 1) continue;
        if (strncmp(argv[i], "-artifact_prefix=", 17) == 0) prefix = argv[i] + 17;
        else if (argv[i][0] != '-') wt_paths_add(&files, argv[i], NULL, NULL);
    }
    signal(SIGSEGV, on_signal), signal(SIGABRT, on_signal);
    seed_add(WT_STR(""));
    seed_add(WT_STR("{\"a\":[1,\"b\"]}"));
    for (size_t i = 0; i < files.n; i++) {
        wt_buf bytes = {0};
        if (wt_read_file(files.path[i], 1 << 20, &bytes, NULL) == 0) seed_add(wt_buf_view(&bytes));
        wt_buf_free(&bytes);
    }
    for (size_t i = 0; i < n_seeds; i++) run(&seeds[i]);
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    uint64_t n_runs = 0;
    for (double end = wt_now() + seconds; wt_now() < end; n_runs++) {
        wt_buf b = {0};
        wt_buf_add_str(&b, wt_buf_view(&seeds[wt_rng_below(&rng, n_seeds)]));
        mutate(&rng, &b, max_len);
        run(&b);
        wt_buf_free(&b);
    }
    fprintf(stderr, "Done %llu runs in %.0f second(s)\n", (unsigned long long)n_runs, seconds);
    wt_paths_free(&files);
    return 0;
}

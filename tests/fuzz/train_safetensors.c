/* train_safetensors.c - any bytes as a safetensors file: tensors whose bytes lie in the file, or one clear error.
 * Odd inputs are the header alone; even ones a whole file, read through st_open to the last number. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "train/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tensors(const st_tensor *tensors, size_t n, uint64_t data_bytes) {
    for (size_t i = 0; i < n; i++) {
        if (tensors[i].begin > tensors[i].end || tensors[i].end > data_bytes || tensors[i].n_dims > 8) abort();
    }
}

static void read_file(const uint8_t *data, size_t size) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    char path[64];
    wt_err err = {0};
    st_file f;
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (st_open(path, &f, &err) == 0) {
        check_tensors(f.tensors, f.n_tensors, size);
        for (size_t i = 0; i < f.n_tensors; i++) {
            const st_tensor *t = &f.tensors[i];
            uint64_t n = t->dtype == ST_OTHER ? 1 : (t->end - t->begin) / (t->dtype == ST_F32 ? 4 : 2);
            float *out = wt_xmalloc((size_t)(n + 1) * sizeof *out);
            if (st_read_f32(&f, t, out, n, &err) && !err.text[0]) abort();
            free(out);
        }
        st_close(&f);
    } else if (!err.text[0])
        abort();
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] % 2 == 0) {
        read_file(data + 1, size - 1);
        return 0;
    }
    wt_arena *arena = wt_arena_new(0);
    wt_err err = {0};
    st_tensor *tensors;
    ptrdiff_t n = st_parse_header((wt_str){(const char *)data + 1, size - 1}, 1000, arena, &tensors, &err);
    if (n < 0 && !err.text[0]) abort();
    if (n > 0) check_tensors(tensors, (size_t)n, 1000);
    wt_arena_free(arena);
    return 0;
}

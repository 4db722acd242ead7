/* safetensors.h - tensors by name in one file: u64 header length, a JSON header, the data. Reads files
 * of others (every length and offset is checked against the file before use) and writes our own.
 * Limits: header 64 MiB, 100,000 tensors, 8 dimensions. */
#ifndef WT_TRAIN_SAFETENSORS_H
#define WT_TRAIN_SAFETENSORS_H

#include "common/err.h"
#include "common/memory.h"
#include "common/str.h"

typedef enum { ST_F32, ST_F16, ST_BF16, ST_OTHER } st_dtype;

typedef struct {
    wt_str name;
    st_dtype dtype;
    int n_dims;
    uint64_t dims[8];
    uint64_t begin, end;          /* bytes in the data part */
} st_tensor;

/* The tensors of a header (without its length), in file order, in the arena. data_bytes: size of the
 * data part. Returns their number; -1 with WT_EDATA or WT_ELIMIT. */
ptrdiff_t st_parse_header(wt_str json, uint64_t data_bytes, wt_arena *arena, st_tensor **tensors, wt_err *err);

typedef struct {
    char *path;
    int fd;
    uint64_t data_at;             /* file offset of the data part */
    wt_arena *arena;
    st_tensor *tensors;
    size_t n_tensors;
} st_file;
int st_open(const char *path, st_file *file, wt_err *err);
void st_close(st_file *file);
const st_tensor *st_find(const st_file *file, const char *name);
/* Numbers as fp32; n must be the tensor's. */
int st_read_f32(const st_file *file, const st_tensor *tensor, float *out, uint64_t n, wt_err *err);

/* Writing: names, shapes and data in file order, all F32. Whole or not at all. */
typedef struct {
    char name[80];
    uint64_t rows, cols;          /* rows 0: a vector of cols */
    const float *data;
} st_out;
int st_write(const char *path, const st_out *tensors, size_t n, wt_err *err);

#endif

/* safetensors.c - see safetensors.h. The format: https://huggingface.co/docs/safetensors */
#include "train/safetensors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/out.h"

enum { HEADER_MAX = 64 << 20, TENSORS_MAX = 100000 };

static int parse_u64_list(wt_json list, uint64_t *out, int cap, int *n, wt_err *err) {
    wt_json_iter it;
    wt_json item;
    int more;
    *n = 0;
    if (list.kind != WT_JSON_ARRAY || wt_json_iter_init(&it, list, err)) return wt_fail(err, WT_EDATA, "a list of numbers is missing");
    while ((more = wt_json_next(&it, NULL, &item, err)) > 0) {
        int64_t x;
        if (*n == cap) return wt_fail(err, WT_ELIMIT, "more than %d numbers in a list", cap);
        if (item.kind != WT_JSON_NUMBER || wt_json_i64(item, &x) || x < 0) return wt_fail(err, WT_EDATA, "a number that is not whole");
        out[(*n)++] = (uint64_t)x;
    }
    return more;
}

static int parse_tensor(wt_json value, uint64_t data_bytes, wt_arena *arena, st_tensor *t, wt_err *err) {
    uint64_t offsets[2], bytes = 1;
    int n_offsets;
    if (value.kind != WT_JSON_OBJECT) return wt_fail(err, WT_EDATA, "not an object");
    wt_str dtype = wt_json_string(wt_json_get(value, "dtype"), arena);
    t->dtype = wt_str_eq(dtype, WT_STR("F32")) ? ST_F32 : wt_str_eq(dtype, WT_STR("F16")) ? ST_F16
               : wt_str_eq(dtype, WT_STR("BF16")) ? ST_BF16 : ST_OTHER;
    if (parse_u64_list(wt_json_get(value, "shape"), t->dims, 8, &t->n_dims, err)) return wt_context(err, "shape");
    if (parse_u64_list(wt_json_get(value, "data_offsets"), offsets, 2, &n_offsets, err)) return wt_context(err, "data_offsets");
    t->begin = offsets[0], t->end = offsets[1];
    if (n_offsets != 2 || t->begin > t->end || t->end > data_bytes)
        return wt_fail(err, WT_EDATA, "its bytes lie outside of the file (cut short?)");
    for (int i = 0; i < t->n_dims; i++)
        if (__builtin_mul_overflow(bytes, t->dims[i], &bytes)) return wt_fail(err, WT_EDATA, "its shape overflows");
    if (t->dtype != ST_OTHER && (bytes > UINT64_MAX / 4 || bytes * (t->dtype == ST_F32 ? 4 : 2) != t->end - t->begin))
        return wt_fail(err, WT_EDATA, "its shape and its bytes disagree");
    return 0;
}

ptrdiff_t st_parse_header(wt_str json, uint64_t data_bytes, wt_arena *arena, st_tensor **tensors, wt_err *err) {
    wt_json top, value;
    wt_json_iter it;
    wt_str key;
    size_t n = 0, cap = 0;
    st_tensor *list = NULL;
    int more;
    *tensors = NULL;
    if (wt_json_parse(wt_str_trim(json), &top, err) || wt_json_iter_init(&it, top, err) || top.kind != WT_JSON_OBJECT)
        return wt_fail(err, WT_EDATA, "the header is not a JSON object");
    while ((more = wt_json_next(&it, &key, &value, err)) > 0) {
        wt_str name = wt_json_unescape(key, arena);
        if (wt_str_eq(name, WT_STR("__metadata__"))) continue;
        if (n == TENSORS_MAX) more = wt_fail(err, WT_ELIMIT, "more than %d tensors", TENSORS_MAX);
        if (more < 0) break;
        WT_GROW(list, cap, n + 1);
        list[n] = (st_tensor){.name = name};
        if (parse_tensor(value, data_bytes, arena, &list[n], err)) {
            more = wt_context(err, "tensor '%.*s'", (int)(name.len < 100 ? name.len : 100), name.ptr);
            break;
        }
        n++;
    }
    if (more == 0) {
        *tensors = wt_arena_alloc(arena, (n + 1) * sizeof *list);
        if (n) memcpy(*tensors, list, n * sizeof *list);
    }
    free(list);
    return more < 0 ? -1 : (ptrdiff_t)n;
}

static int read_at(int fd, void *out, uint64_t n, uint64_t at, wt_err *err) {
    for (char *p = out; n;) {
        ssize_t got = pread(fd, p, n < 1 << 30 ? n : 1 << 30, (off_t)at);
        if (got < 0) return wt_fail_errno(err, "cannot read");
        if (got == 0) return wt_fail(err, WT_EDATA, "the file ends in the middle");
        p += got, at += (uint64_t)got, n -= (uint64_t)got;
    }
    return 0;
}

static int open_header(st_file *f, wt_err *err) {
    struct stat s;
    uint8_t length[8];
    uint64_t n = 0;
    if (fstat(f->fd, &s)) return wt_fail_errno(err, "cannot stat");
    if (s.st_size < 8) return wt_fail(err, WT_EDATA, "too short for a safetensors file");
    if (read_at(f->fd, length, 8, 0, err)) return -1;
    for (int i = 7; i >= 0; i--) n = n << 8 | length[i];
    if (n > HEADER_MAX || n > (uint64_t)s.st_size - 8) return wt_fail(err, WT_EDATA, "a header of %llu bytes: not a safetensors file", (unsigned long long)n);
    char *json = wt_arena_alloc(f->arena, n + 1);
    if (read_at(f->fd, json, n, 8, err)) return -1;
    f->data_at = 8 + n;
    ptrdiff_t count = st_parse_header((wt_str){json, n}, (uint64_t)s.st_size - f->data_at, f->arena, &f->tensors, err);
    f->n_tensors = count > 0 ? (size_t)count : 0;
    return count < 0 ? -1 : 0;
}

int st_open(const char *path, st_file *f, wt_err *err) {
    *f = (st_file){.path = wt_xstrdup(path), .arena = wt_arena_new(0)};
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) {
        wt_fail_errno(err, "cannot open '%s'", path);
    } else if (open_header(f, err) == 0)
        return 0;
    else
        wt_context(err, "'%s'", path);
    st_close(f);
    return -1;
}

void st_close(st_file *f) {
    if (f->fd >= 0) close(f->fd);
    wt_arena_free(f->arena);
    free(f->path);
    *f = (st_file){.fd = -1};
}

const st_tensor *st_find(const st_file *f, const char *name) {
    for (size_t i = 0; i < f->n_tensors; i++)
        if (wt_str_eq(f->tensors[i].name, wt_str_of(name))) return &f->tensors[i];
    return NULL;
}

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}
static float from_half(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    if (exponent == 31) return from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float tiny = (float)fraction * 0x1p-24f;
    return sign ? -tiny : tiny;
}

int st_read_f32(const st_file *f, const st_tensor *t, float *out, uint64_t n, wt_err *err) {
    uint64_t size = t->dtype == ST_F32 ? 4 : 2;
    if (t->dtype == ST_OTHER) return wt_fail(err, WT_EDATA, "'%s': tensor '%.*s' is not F32, F16 or BF16", f->path, WT_FMT(t->name));
    if (n * size != t->end - t->begin) return wt_fail(err, WT_EDATA, "'%s': tensor '%.*s' has another size", f->path, WT_FMT(t->name));
    /* Half-width numbers go to the upper half of the output, then grow from the front. */
    char *raw = (char *)out + (4 - size) * n;
    if (read_at(f->fd, raw, n * size, f->data_at + t->begin, err)) return wt_context(err, "'%s'", f->path);
    for (uint64_t i = 0; size == 2 && i < n; i++) {
        uint16_t h;
        memcpy(&h, raw + 2 * i, 2);
        out[i] = t->dtype == ST_BF16 ? from_bits((uint32_t)h << 16) : from_half(h);
    }
    return 0;
}

int st_write(const char *path, const st_out *tensors, size_t n, wt_err *err) {
    wt_buf json = {0};
    uint64_t at = 0;
    wt_buf_printf(&json, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < n; i++) {
        const st_out *t = &tensors[i];
        uint64_t bytes = (t->rows ? t->rows : 1) * t->cols * 4;
        wt_buf_printf(&json, ",\"%s\":{\"dtype\":\"F32\",\"shape\":[", t->name);
        if (t->rows) wt_buf_printf(&json, "%llu,", (unsigned long long)t->rows);
        wt_buf_printf(&json, "%llu],\"data_offsets\":[%llu,%llu]}", (unsigned long long)t->cols, (unsigned long long)at, (unsigned long long)(at + bytes));
        at += bytes;
    }
    wt_buf_add_char(&json, '}');
    while ((json.len + 8) % 64) wt_buf_add_char(&json, ' ');   /* data on a cache line, for those who map it */
    wt_out *out = wt_out_open(path, err);
    uint8_t length[8];
    for (int i = 0; i < 8; i++) length[i] = (uint8_t)((uint64_t)json.len >> 8 * i);
    int failed = !out || wt_out_write(out, length, 8, err) || wt_out_str(out, wt_buf_view(&json), err);
    for (size_t i = 0; !failed && i < n; i++)
        failed = wt_out_write(out, tensors[i].data, (size_t)((tensors[i].rows ? tensors[i].rows : 1) * tensors[i].cols * 4), err);
    wt_buf_free(&json);
    if (failed) {
        if (out) wt_out_abort(out);
        return -1;
    }
    return wt_out_commit(out, err);
}

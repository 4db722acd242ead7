/* eval.c - one task by its name, and what the tasks share. */
#include "train/eval.h"

#include <stdlib.h>

#include "common/in.h"
#include "common/tool.h"
#include "train/eval_impl.h"

#define DATA_BYTES_MAX ((uint64_t)4 << 30)

const char EVAL_TASKS[] = "text|shards|wikitext2|wikitext103|ptb|enwik8|text8|1bw|lambada|cbt|hellaswag|winograd|"
                          "coqa|cnndm|wmt|nq";

void eval_put_number(wt_buf *json, const char *name, double x) {
    wt_buf_printf(json, ",\"%s\":", name);
    wt_json_add_double(json, x);
}

void eval_put_count(wt_buf *json, const char *name, uint64_t n) {
    wt_buf_printf(json, ",\"%s\":%llu", name, (unsigned long long)n);
}

void eval_put_string(wt_buf *json, const char *name, const char *s) {
    wt_buf_printf(json, ",\"%s\":", name);
    wt_json_add_string(json, wt_str_of(s));
}

/* The whole file, decompressed where it is; at most --bytes of it, up to the end of a line. */
int eval_read_data(const eval_options *o, wt_buf *out, wt_err *err) {
    wt_in *in = wt_in_open(o->data, err);
    ptrdiff_t n = 0;
    uint64_t limit = o->bytes ? o->bytes : DATA_BYTES_MAX;
    if (!in)
        return -1;
    while (out->len <= limit) {
        wt_buf_reserve(out, 1 << 20);
        n = wt_in_read(in, out->ptr + out->len, 1 << 20, err);
        if (n <= 0)
            break;
        out->len += (size_t)n;
    }
    wt_in_close(in);
    if (n < 0)
        return -1;
    if (out->len > limit) {
        if (!o->bytes)
            return wt_fail(err, WT_ELIMIT, "'%s' is larger than 4 GiB; take a part with --bytes", o->data);
        const char *line = memrchr(out->ptr, '\n', limit);
        out->len = line ? (size_t)(line + 1 - out->ptr) : limit;
    }
    wt_buf_reserve(out, 1);
    out->ptr[out->len] = 0;
    return out->len ? 0 : wt_fail(err, WT_EDATA, "'%s' is empty", o->data);
}

ptrdiff_t eval_encode(const eval_model *m, wt_str text, uint32_t **tokens, size_t *cap, wt_err *err) {
    WT_GROW(*tokens, *cap, BPE_ROOM(text.len));
    return bpe_encode(m->encoder, text, BPE_SPECIAL_NONE, *tokens, err);
}

static const struct {
    const char *name;
    int (*run)(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err);
} TASKS[] = {
    {"text", eval_run_text},         {"shards", eval_run_text},
    {"wikitext2", eval_run_text},    {"wikitext103", eval_run_text},
    {"ptb", eval_run_text},          {"enwik8", eval_run_text},
    {"text8", eval_run_text},        {"1bw", eval_run_text},
    {"lambada", eval_run_choice},    {"cbt", eval_run_choice},
    {"hellaswag", eval_run_choice},  {"winograd", eval_run_choice},
    {"coqa", eval_run_generation},   {"cnndm", eval_run_generation},
    {"wmt", eval_run_generation},    {"nq", eval_run_generation}};

int eval_run(const eval_model *m, const eval_options *o, wt_buf *json, wt_err *err) {
    wt_buf_printf(json, "\"task\":\"%s\",\"preset\":\"%s\"", o->task, o->preset);
    for (size_t i = 0; i < sizeof TASKS / sizeof *TASKS; i++)
        if (strcmp(o->task, TASKS[i].name) == 0)
            return TASKS[i].run(m, o, json, err);
    return wt_fail(err, WT_EARG, "no task '%s': %s", o->task, EVAL_TASKS);
}

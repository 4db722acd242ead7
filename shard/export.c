/* export.c - a dataset as nanoGPT, llm.c or Megatron-LM read it. They differ in where the end-of-text id
 * stands (behind a document, or before it in llm.c), so documents are copied one by one by the table,
 * which no id inside a text can mislead; a dataset whose boundaries are not known is copied as it is. */
#include <stdio.h>
#include <stdlib.h>

#include "common/out.h"
#include "common/tool.h"
#include "shard/convert.h"
#include "shard/format.h"

enum { CHUNK = 1 << 16 };       /* tokens copied at a time */

typedef struct {
    shard_set *set;
    int boundary, wanted;       /* where the end-of-text id is, and where it shall be */
    uint32_t eot;
    int width;                  /* bytes a token in the output */
    /* Takes n packed tokens. */
    int (*put)(void *ctx, const uint8_t *tokens, size_t n, wt_err *err);
    void *ctx;
    uint32_t *ids;              /* CHUNK */
    uint8_t *packed;            /* CHUNK * 4 */
} exporter;

static int put_ids(exporter *x, const uint32_t *ids, size_t n, wt_err *err) {
    shard_pack(x->packed, ids, n, x->width);
    return x->put(x->ctx, x->packed, n, err);
}

static int put_range(exporter *x, uint64_t first, uint64_t n, wt_err *err) {
    while (n > 0) {
        size_t take = n < CHUNK ? n : CHUNK;
        if (shard_set_read(x->set, first, take, x->ids, err) || put_ids(x, x->ids, take, err))
            return -1;
        first += take, n -= take;
        wt_progress_add(take);
    }
    return 0;
}

static int put_split(exporter *x, wt_err *err) {
    if (x->boundary == x->wanted || x->boundary == SHARD_BOUNDARY_NONE)
        return put_range(x, 0, shard_set_tokens(x->set), err);
    for (uint64_t i = 0; i < shard_set_docs(x->set); i++) {
        shard_doc d;
        bool before = x->wanted == SHARD_BOUNDARY_EOT_BEFORE;
        if (shard_set_doc(x->set, i, &d, err) || (before && put_ids(x, &x->eot, 1, err)) ||
            put_range(x, d.first + !before, d.n_tokens - 1, err) ||
            (!before && put_ids(x, &x->eot, 1, err)))
            return -1;
    }
    return 0;
}

/* ---- one flat file, or files of a fixed number of tokens with llm.c's header ---- */
typedef struct {
    const char *dir, *split;
    wt_out *out;
    int width;
    bool llmc;
    uint64_t file_tokens, left_in_file, left;   /* left: of the split */
    unsigned *i_file;
} flat_files;

static int llmc_header(flat_files *f, wt_err *err) {
    int32_t header[256] = {0};
    header[0] = f->width == 2 ? LLMC_MAGIC_U16 : LLMC_MAGIC_U32;
    header[1] = f->width == 2 ? LLMC_VERSION_U16 : LLMC_VERSION_U32;
    header[2] = (int32_t)f->left_in_file;
    return wt_out_write(f->out, header, sizeof header, err);
}

static int flat_open(flat_files *f, wt_err *err) {
    char name[64];
    if (f->llmc)
        snprintf(name, sizeof name, "%s_%06u.bin", f->split, (*f->i_file)++);
    else
        snprintf(name, sizeof name, "%s.bin", f->split);
    char *path = wt_path_join(f->dir, name);
    f->out = wt_out_open(path, err);
    free(path);
    f->left_in_file = f->llmc && f->file_tokens < f->left ? f->file_tokens : f->left;
    if (!f->out)
        return -1;
    return f->llmc ? llmc_header(f, err) : 0;
}

static int flat_commit(flat_files *f, wt_err *err) {
    wt_out *out = f->out;
    f->out = NULL;
    return wt_out_commit(out, err);
}

static int flat_put(void *ctx, const uint8_t *tokens, size_t n, wt_err *err) {
    flat_files *f = ctx;
    while (n > 0) {
        if (!f->out && flat_open(f, err))
            return -1;
        size_t take = n < f->left_in_file ? n : f->left_in_file;
        if (wt_out_write(f->out, tokens, take * (size_t)f->width, err))
            return -1;
        tokens += take * (size_t)f->width;
        n -= take, f->left -= take, f->left_in_file -= take;
        if (f->left_in_file == 0 && flat_commit(f, err))
            return -1;
    }
    return 0;
}

/* ---- Megatron's index ---- */
static int idx_numbers(wt_out *out, shard_set *set, int column, int width, wt_err *err) {
    uint64_t n = shard_set_docs(set), at = 0;
    for (uint64_t i = 0; i < n; i++) {
        shard_doc d;
        if (shard_set_doc(set, i, &d, err))
            return -1;
        if (d.n_tokens > INT32_MAX)
            return wt_fail(err, WT_ELIMIT, "a document of %llu tokens is too long for Megatron",
                           (unsigned long long)d.n_tokens);
        int32_t length = (int32_t)d.n_tokens;
        int failed = column == 0 ? wt_out_write(out, &length, 4, err)
                                 : wt_out_write(out, &at, 8, err);
        if (failed)
            return -1;
        at += d.n_tokens * (uint64_t)width;
    }
    return 0;
}

/* Each document is one sequence; the last list counts documents from 0 to n. */
static int idx_body(wt_out *out, shard_set *set, int width, wt_err *err) {
    uint64_t n = shard_set_docs(set), version = 1, n_doc_indices = n + 1;
    uint8_t code = width == 2 ? MEGATRON_U16 : MEGATRON_I32;
    if (wt_out_write(out, MEGATRON_MAGIC, MEGATRON_MAGIC_BYTES, err) ||
        wt_out_write(out, &version, 8, err) || wt_out_write(out, &code, 1, err) ||
        wt_out_write(out, &n, 8, err) || wt_out_write(out, &n_doc_indices, 8, err) ||
        idx_numbers(out, set, 0, width, err) || idx_numbers(out, set, 1, width, err))
        return -1;
    for (uint64_t i = 0; i <= n; i++)
        if (wt_out_write(out, &i, 8, err))
            return -1;
    return 0;
}

static int idx_write(shard_set *set, const char *dir, const char *split, int width, wt_err *err) {
    char name[64];
    snprintf(name, sizeof name, "%s.idx", split);
    char *path = wt_path_join(dir, name);
    wt_out *out = wt_out_open(path, err);
    free(path);
    if (!out)
        return -1;
    if (idx_body(out, set, width, err)) {
        wt_out_abort(out);
        return -1;
    }
    return wt_out_commit(out, err);
}

/* ---- a split ---- */
static int width_for(shard_format format, uint32_t vocab, wt_err *err) {
    if (format == SHARD_MEGATRON)
        return vocab < MEGATRON_U16_BELOW ? 2 : 4;
    if (vocab <= 65536)
        return 2;
    if (format == SHARD_LLMC)
        return 4;
    return wt_fail(err, WT_EARG, "nanogpt's 16-bit files cannot hold %u ids", vocab);
}

static int export_split(const char *dir, int split, int boundary, shard_format format,
                        uint64_t file_tokens, unsigned *i_file, const char *out_dir, wt_err *err) {
    shard_set *set = shard_set_open(dir, SHARD_SPLIT_NAME[split], err);
    if (!set)
        return -1;
    int width = width_for(format, shard_set_tokenizer(set)->vocab, err);
    flat_files files = {.dir = out_dir, .split = SHARD_SPLIT_NAME[split], .width = width,
                        .llmc = format == SHARD_LLMC, .file_tokens = file_tokens,
                        .left = shard_set_tokens(set), .i_file = i_file};
    exporter x = {.set = set, .boundary = boundary,
                  .wanted = format == SHARD_LLMC ? SHARD_BOUNDARY_EOT_BEFORE
                                                 : SHARD_BOUNDARY_EOT_AFTER,
                  .eot = shard_set_tokenizer(set)->eot, .width = width, .put = flat_put,
                  .ctx = &files, .ids = wt_xmalloc(CHUNK * 4), .packed = wt_xmalloc(CHUNK * 4)};
    int failed = width < 0;
    if (!failed && shard_set_tokens(set) > 0) {
        failed = put_split(&x, err);
        if (!failed && format == SHARD_MEGATRON)
            failed = idx_write(set, out_dir, SHARD_SPLIT_NAME[split], width, err);
    }
    if (files.out)
        wt_out_abort(files.out);
    wt_report_count("tokens", shard_set_tokens(set));
    free(x.ids);
    free(x.packed);
    shard_set_close(set);
    return failed ? -1 : 0;
}

int shard_format_named(const char *name, shard_format *format, wt_err *err) {
    static const char *const names[] = {"nanogpt", "llmc", "megatron"};
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            *format = (shard_format)i;
            return 0;
        }
    return wt_fail(err, WT_EARG, "no format '%s': nanogpt, llmc or megatron", name);
}

int shard_export(const char *dir, const char *format_name, uint64_t file_tokens,
                 const char *out_dir, wt_err *err) {
    shard_format format = SHARD_NANOGPT;
    shard_manifest m;
    unsigned i_file = 0;
    if (shard_format_named(format_name, &format, err))
        return -1;
    if (file_tokens == 0 || file_tokens > INT32_MAX)
        return wt_fail(err, WT_EARG, "files of %llu tokens; llm.c counts in 32 bits",
                       (unsigned long long)file_tokens);
    if (shard_manifest_read(&m, dir, err))
        return -1;
    uint64_t total = 0;
    for (size_t i = 0; i < m.n; i++)
        total += m.entry[i].tokens;
    int boundary = m.boundary, failed = wt_mkdirs(out_dir, err);
    shard_manifest_free(&m);
    wt_progress_begin("exporting", "tokens", total);
    /* llm.c's scripts number the validation file first. */
    for (int split = SHARD_SPLITS - 1; split >= 0 && !failed; split--)
        failed = export_split(dir, split, boundary, format, file_tokens, &i_file, out_dir, err);
    wt_progress_end();
    return failed;
}

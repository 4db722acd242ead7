/* import.c - token files of nanoGPT, llm.c and Megatron-LM as a dataset, token for token. Documents of
 * the first two are told by the end-of-text id, and may go on in the next file; Megatron lists them.
 * Where the ids do not stand as the format wants it (a file cut in the middle of a document), the
 * dataset says that its boundaries are not known, and the tokens stay as they are. */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/tool.h"
#include "shard/convert.h"
#include "shard/format.h"

#define DOC_TOKENS_MAX ((uint64_t)1 << 30)
enum { CHUNK = 1 << 16 };

typedef struct {
    char *path;                 /* of the tokens */
    int split, width;
    uint64_t offset, n_tokens;
    uint32_t *doc_tokens;       /* Megatron: length of each document */
    uint64_t n_docs;
} import_file;

typedef struct {
    shard_format format;
    const shard_tokenizer *tokenizer;
    int width, boundary;
    import_file *file;
    size_t n_files;
    /* where reading stands */
    size_t i_file;
    FILE *stream;
    uint64_t left, i_doc;       /* tokens left in the file; its next document */
    uint32_t *chunk;
    size_t chunk_at, chunk_n;
    uint8_t *raw;
    wt_buf doc;                 /* packed */
    uint64_t doc_n, i_record;
} importer;

/* ---- what a file holds ---- */
static int llmc_describe(import_file *f, FILE *stream, uint64_t bytes, wt_err *err) {
    int32_t h[256];
    if (fread(h, 1, sizeof h, stream) != sizeof h)
        return wt_fail(err, WT_EDATA, "'%s' is not an llm.c file: too short", f->path);
    if (h[0] == LLMC_MAGIC_U16 && h[1] == LLMC_VERSION_U16)
        f->width = 2;
    else if (h[0] == LLMC_MAGIC_U32 && h[1] == LLMC_VERSION_U32)
        f->width = 4;
    else
        return wt_fail(err, WT_EDATA, "'%s' is not an llm.c file: magic %d, version %d", f->path,
                       h[0], h[1]);
    f->offset = LLMC_HEADER_BYTES;
    f->n_tokens = (uint32_t)h[2];
    if (bytes != f->offset + f->n_tokens * (uint64_t)f->width)
        return wt_fail(err, WT_EDATA, "'%s' has %llu bytes and says it holds %u tokens", f->path,
                       (unsigned long long)bytes, (uint32_t)h[2]);
    return 0;
}

static int nanogpt_describe(import_file *f, uint64_t bytes, wt_err *err) {
    f->width = 2;
    f->n_tokens = bytes / 2;
    if (bytes % 2)
        return wt_fail(err, WT_EDATA, "'%s' has an odd number of bytes", f->path);
    return 0;
}

/* Lengths of documents from lists of sequences; sequences lie one behind the other. */
static int megatron_docs(import_file *f, const uint8_t *p, uint64_t n_seq, uint64_t n_doc,
                         uint64_t bin_bytes, wt_err *err) {
    const uint8_t *length = p + MEGATRON_HEADER_BYTES, *offset = length + 4 * n_seq;
    const uint8_t *first = offset + 8 * n_seq;
    uint64_t at = 0, seq = 0;
    f->doc_tokens = wt_xcalloc(n_doc, 4);
    for (uint64_t d = 0; d + 1 < n_doc; d++) {
        uint64_t end = get_u64(first + 8 * (d + 1)), n = 0;
        if (get_u64(first + 8 * d) != seq || end < seq || end > n_seq)
            return wt_fail(err, WT_EDATA, "'%s': document %llu is not in order", f->path,
                           (unsigned long long)d);
        for (; seq < end; seq++) {
            if (get_u64(offset + 8 * seq) != at * (uint64_t)f->width ||
                get_u32(length + 4 * seq) > INT32_MAX)
                return wt_fail(err, WT_EDATA, "'%s': sequence %llu is not behind the one before",
                               f->path, (unsigned long long)seq);
            n += get_u32(length + 4 * seq);
            at += get_u32(length + 4 * seq);
        }
        if (n > UINT32_MAX)
            return wt_fail(err, WT_ELIMIT, "'%s': a document of %llu tokens", f->path,
                           (unsigned long long)n);
        if (n)
            f->doc_tokens[f->n_docs++] = (uint32_t)n;
    }
    f->n_tokens = at;
    if (seq != n_seq || bin_bytes != at * (uint64_t)f->width)
        return wt_fail(err, WT_EDATA, "'%s': the .bin file has %llu bytes, the index says %llu",
                       f->path, (unsigned long long)bin_bytes,
                       (unsigned long long)(at * (uint64_t)f->width));
    return 0;
}

static int megatron_describe(import_file *f, wt_err *err) {
    wt_buf idx = {0};
    if (wt_read_file(f->path, (uint64_t)1 << 36, &idx, err))
        return -1;
    const uint8_t *p = (const uint8_t *)idx.ptr;
    size_t len = strlen(f->path);
    int failed = 0;
    if (idx.len < MEGATRON_HEADER_BYTES || memcmp(p, MEGATRON_MAGIC, MEGATRON_MAGIC_BYTES) != 0 ||
        get_u64(p + 9) != 1)
        failed = wt_fail(err, WT_EDATA, "'%s' is not a Megatron index", f->path);
    else if (p[17] != MEGATRON_U16 && p[17] != MEGATRON_I32)
        failed = wt_fail(err, WT_EDATA, "'%s': element type %d is not u16 or i32", f->path, p[17]);
    if (!failed) {
        uint64_t n_seq = get_u64(p + 18), n_doc = get_u64(p + 26), rest = idx.len - MEGATRON_HEADER_BYTES;
        f->width = p[17] == MEGATRON_U16 ? 2 : 4;
        /* An optional list of modes, one byte a sequence, may follow. */
        if (n_seq > rest / 12 || n_doc == 0 || n_doc > rest / 8 ||
            (rest != 12 * n_seq + 8 * n_doc && rest != 13 * n_seq + 8 * n_doc))
            failed = wt_fail(err, WT_EDATA, "'%s' is cut short", f->path);
        else if (len < 4 || strcmp(f->path + len - 4, ".idx") != 0)
            failed = wt_fail(err, WT_EARG, "'%s': name the .idx file; the .bin lies beside it",
                             f->path);
        else {
            memcpy(f->path + len - 4, ".bin", 4);
            int64_t bin_bytes = wt_file_bytes(f->path);
            failed = bin_bytes < 0 ? wt_fail(err, WT_ENOTFOUND, "there is no '%s'", f->path)
                                   : megatron_docs(f, p, n_seq, n_doc, (uint64_t)bin_bytes, err);
        }
    }
    wt_buf_free(&idx);
    return failed;
}

static int file_describe(importer *m, import_file *f, wt_err *err) {
    if (m->format == SHARD_MEGATRON)
        return megatron_describe(f, err);
    int64_t bytes = wt_file_bytes(f->path);
    if (bytes < 0)
        return wt_fail(err, WT_ENOTFOUND, "there is no '%s'", f->path);
    if (m->format == SHARD_NANOGPT)
        return nanogpt_describe(f, (uint64_t)bytes, err);
    FILE *stream = fopen(f->path, "rb");
    if (!stream)
        return wt_fail_errno(err, "cannot open '%s'", f->path);
    int failed = llmc_describe(f, stream, (uint64_t)bytes, err);
    fclose(stream);
    return failed;
}

/* ---- tokens one after the other ---- */
static int chunk_read(importer *m, wt_err *err) {
    import_file *f = &m->file[m->i_file];
    if (!m->stream) {
        m->stream = fopen(f->path, "rb");
        if (!m->stream || fseeko(m->stream, (off_t)f->offset, SEEK_SET))
            return wt_fail_errno(err, "cannot open '%s'", f->path);
        m->left = f->n_tokens;
        m->i_doc = 0;
    }
    size_t n = m->left < CHUNK ? m->left : CHUNK;
    if (fread(m->raw, (size_t)f->width, n, m->stream) != n)
        return wt_fail(err, WT_EIO, "cannot read '%s'", f->path);
    shard_unpack(m->chunk, m->raw, n, f->width);
    for (size_t i = 0; i < n; i++)
        if (m->chunk[i] >= m->tokenizer->vocab)
            return wt_fail(err, WT_EDATA, "'%s': token %llu is id %u, above the vocabulary of %u",
                           f->path, (unsigned long long)(f->n_tokens - m->left + i), m->chunk[i],
                           m->tokenizer->vocab);
    m->left -= n;
    m->chunk_at = 0;
    m->chunk_n = n;
    return 0;
}

static void file_end(importer *m) {
    if (m->stream)
        fclose(m->stream);
    m->stream = NULL;
    m->i_file++;
}

/* Makes chunk hold tokens. 1; 0 at the end of this split's files; -1. */
static int chunk_more(importer *m, int split, wt_err *err) {
    while (m->chunk_at == m->chunk_n) {
        if (m->i_file == m->n_files || m->file[m->i_file].split != split)
            return 0;
        if (m->stream && m->left == 0) {
            file_end(m);
            continue;
        }
        if (chunk_read(m, err))
            return -1;
    }
    return 1;
}

static int doc_add(importer *m, size_t n, wt_err *err) {
    if (m->doc_n + n > DOC_TOKENS_MAX)
        return wt_fail(err, WT_ELIMIT, "more than %llu tokens without an end-of-text id %u",
                       (unsigned long long)DOC_TOKENS_MAX, m->tokenizer->eot);
    wt_buf_reserve(&m->doc, n * (size_t)m->width);
    shard_pack((uint8_t *)m->doc.ptr + m->doc.len, m->chunk + m->chunk_at, n, m->width);
    m->doc.len += n * (size_t)m->width;
    m->doc_n += n;
    m->chunk_at += n;
    return 0;
}

/* Takes tokens of the chunk up to a boundary; true where the document is whole. */
static int doc_take_by_eot(importer *m, bool *whole, wt_err *err) {
    size_t i = m->chunk_at;
    bool before = m->boundary == SHARD_BOUNDARY_EOT_BEFORE;
    if (before && m->doc_n == 0)
        i++;
    while (i < m->chunk_n && m->chunk[i] != m->tokenizer->eot)
        i++;
    *whole = i < m->chunk_n;
    return doc_add(m, i - m->chunk_at + (*whole && !before), err);
}

static int doc_take_by_index(importer *m, bool *whole, wt_err *err) {
    uint64_t want = m->file[m->i_file].doc_tokens[m->i_doc] - m->doc_n;
    size_t have = m->chunk_n - m->chunk_at;
    *whole = want <= have;
    m->i_doc += *whole;
    return doc_add(m, *whole ? want : have, err);
}

static int import_next(void *ctx, shard_input_doc *doc, wt_err *err) {
    importer *m = ctx;
    m->doc_n = 0;
    wt_buf_clear(&m->doc);
    for (;;) {
        if (m->chunk_at == m->chunk_n && m->stream && m->left == 0)
            file_end(m);
        if (m->i_file == m->n_files)
            return 0;
        int split = m->file[m->i_file].split, more;
        bool whole = false;
        while (!whole && (more = chunk_more(m, split, err)) != 0)
            if (more < 0 || (m->format == SHARD_MEGATRON ? doc_take_by_index(m, &whole, err)
                                                         : doc_take_by_eot(m, &whole, err)))
                return -1;
        if (m->doc_n == 0)
            continue;           /* a file without tokens, or the end of a split's last */
        *doc = (shard_input_doc){.split = split, .i_record = m->i_record++, .n = m->doc_n,
                                 .tokens = (const uint8_t *)m->doc.ptr,
                                 .id_hash = wt_hash64(m->doc.ptr, m->doc.len, 0)};
        return 1;
    }
}

static void import_rewind(importer *m) {
    if (m->stream)
        fclose(m->stream);
    m->stream = NULL;
    m->i_file = 0;
    m->chunk_at = m->chunk_n = 0;
    m->left = m->i_record = 0;
}

/* ---- where the end-of-text ids stand ---- */

/* Reads everything once with documents cut behind the id, or before it where the first token is it
 * in llm.c's format; if all documents have it in that place, the boundary is known. */
static int boundary_find(importer *m, uint64_t *n_tokens, wt_err *err) {
    int more, guess = m->format == SHARD_LLMC ? SHARD_BOUNDARY_EOT_BEFORE : SHARD_BOUNDARY_EOT_AFTER;
    bool holds = true;
    shard_input_doc d;
    m->boundary = guess;
    import_rewind(m);
    while ((more = import_next(m, &d, err)) > 0) {
        uint32_t edge;
        size_t place = guess == SHARD_BOUNDARY_EOT_AFTER ? d.n - 1 : 0;
        shard_unpack(&edge, d.tokens + place * (size_t)m->width, 1, m->width);
        holds = holds && edge == m->tokenizer->eot;
        *n_tokens += d.n;
    }
    if (!holds)
        m->boundary = SHARD_BOUNDARY_NONE;
    import_rewind(m);
    return more;
}

static int files_add(importer *m, const wt_paths *inputs, uint8_t sha256[32], wt_err *err) {
    wt_digest *digest = wt_digest_new(WT_SHA256);
    int failed = 0;
    m->file = wt_xcalloc(inputs->n + 1, sizeof *m->file);
    for (int split = 0; split < SHARD_SPLITS && !failed; split++)
        for (size_t i = 0; i < inputs->n && !failed; i++) {
            const char *path = inputs->path[i], *slash = strrchr(path, '/');
            if ((strstr(slash ? slash + 1 : path, "val") != NULL) != (split == 1))
                continue;
            import_file *f = &m->file[m->n_files++];
            uint8_t of_file[32];
            f->path = wt_xstrdup(path);
            f->split = split;
            failed = file_describe(m, f, err) || shard_file_sha256(f->path, of_file, err);
            wt_digest_add(digest, of_file, failed ? 0 : 32);
            wt_digest_add(digest, f->doc_tokens, 4 * f->n_docs);
        }
    wt_digest_end(digest, sha256);
    wt_digest_free(digest);
    return failed ? -1 : 0;
}

static void origin_json(const importer *m, const char *format, wt_buf *out) {
    wt_buf_printf(out, "{\"format\": \"%s\", \"inputs\": [", format);
    for (size_t i = 0; i < m->n_files; i++) {
        const char *path = m->file[i].path, *slash = strrchr(path, '/');
        wt_buf_printf(out, i ? ", {\"name\": " : "{\"name\": ");
        wt_json_add_string(out, wt_str_of(slash ? slash + 1 : path));
        wt_buf_printf(out, ", \"tokens\": %llu}", (unsigned long long)m->file[i].n_tokens);
    }
    wt_buf_add_str(out, WT_STR("]}"));
}

static void importer_free(importer *m) {
    import_rewind(m);
    for (size_t i = 0; i < m->n_files; i++) {
        free(m->file[i].path);
        free(m->file[i].doc_tokens);
    }
    free(m->file);
    free(m->chunk);
    free(m->raw);
    wt_buf_free(&m->doc);
}

int shard_import(const char *dir, const char *format, const wt_paths *inputs,
                 const shard_write_options *options, wt_err *err) {
    importer m = {.tokenizer = &options->tokenizer, .chunk = wt_xmalloc(CHUNK * 4),
                  .raw = wt_xmalloc(CHUNK * 4)};
    shard_manifest manifest = {.tokenizer = options->tokenizer,
                               .frame_tokens = SHARD_FRAME_TOKENS,
                               .shard_tokens = options->shard_tokens,
                               .level = options->level ? options->level : SHARD_LEVEL_DEFAULT};
    uint64_t n_tokens = 0;
    int failed = shard_format_named(format, &m.format, err) ||
                 shard_options_check(options, &m.width, err) || wt_mkdirs(dir, err) ||
                 files_add(&m, inputs, manifest.input_sha256, err) ||
                 boundary_find(&m, &n_tokens, err);
    if (!failed && n_tokens == 0)
        failed = wt_fail(err, WT_EDATA, "no tokens in the input");
    if (!failed) {
        manifest.token_bytes = m.width;
        manifest.boundary = m.boundary;
        origin_json(&m, format, &manifest.origin);
        shard_manifest_name(&manifest);
        failed = shard_write_docs(dir, &manifest, options->threads, n_tokens, import_next, &m, err);
    }
    if (!failed)
        shard_manifest_report(&manifest);
    shard_manifest_free(&manifest);
    importer_free(&m);
    return failed ? -1 : 0;
}

/* stream.c - files through the tokenizer: a reader cuts them into pieces, workers encode, a writer
 * joins the results in order. */
#include "bpe/stream.h"

#include <stdlib.h>

#include "bpe/model.h"
#include "common/out.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "common/utf8.h"

typedef struct {
    bpe_stream *s;
    bpe_source source;
    bpe_encoder **encoder;
    wt_arena **arena;
    wt_out *out, *offsets;
    bpe_piece_facts facts;
    uint64_t n_documents;
    bool line_begun;                /* text: the document on this line has ids already */
} job;

typedef struct {
    bpe_piece piece;
    bpe_piece_facts facts;
    wt_buf out;                     /* ids in the form that is written */
    uint64_t *doc_ids;              /* ids of each document in it, or of the part of one */
    size_t n_docs, cap_docs;
    void *ids;
    size_t cap_ids;                 /* bytes */
} item;

typedef struct {
    job *j;
    item *it;
    int i_thread;
} take_ctx;

static void *item_new(void *ctx) { return wt_xcalloc(1, sizeof(item)); }
static void item_free(void *ctx, void *it_) {
    item *it = it_;
    wt_buf_free(&it->piece.bytes);
    wt_buf_free(&it->out);
    free(it->doc_ids);
    free(it->ids);
    free(it);
}

static int encode_read(void *ctx, void *it, wt_err *err) {
    job *j = ctx;
    int more = bpe_source_read(&j->source, &((item *)it)->piece, err);
    wt_progress_set(bpe_source_position(&j->source));
    return more;
}

/* Decimal numbers with a space before each but the first. */
static void add_decimal(wt_buf *out, const uint32_t *ids, size_t n) {
    wt_buf_reserve(out, 11 * n);
    char *p = out->ptr + out->len;
    for (size_t i = 0; i < n; i++) {
        char digits[10];
        int k = 0;
        uint32_t x = ids[i];
        if (i)
            *p++ = ' ';
        do
            digits[k++] = (char)('0' + x % 10);
        while (x /= 10);
        while (k)
            *p++ = digits[--k];
    }
    out->len = (size_t)(p - out->ptr);
    *p = 0;
}

static int encode_take(void *ctx, wt_str text, wt_err *err) {
    take_ctx *t = ctx;
    item *it = t->it;
    const bpe_stream *s = t->j->s;
    size_t width = s->ids == BPE_IDS_U16 ? 2 : 4, need = BPE_ROOM(text.len) * width;
    void *ids;
    if (s->ids == BPE_IDS_TEXT) {
        if (need > it->cap_ids)
            it->ids = wt_xrealloc(it->ids, it->cap_ids = need);
        ids = it->ids;
    } else {
        wt_buf_reserve(&it->out, need);
        ids = it->out.ptr + it->out.len;
    }
    ptrdiff_t n = width == 2 ? bpe_encode_u16(t->j->encoder[t->i_thread], text, s->special, ids, err)
                             : bpe_encode(t->j->encoder[t->i_thread], text, s->special, ids, err);
    if (n < 0)
        return -1;
    if (s->ids == BPE_IDS_TEXT)
        add_decimal(&it->out, ids, (size_t)n);
    else
        it->out.len += (size_t)n * width;
    if (s->ids == BPE_IDS_TEXT && s->input != BPE_INPUT_TEXT)
        wt_buf_add_char(&it->out, '\n');
    WT_GROW(it->doc_ids, it->cap_docs, it->n_docs + 1);
    it->doc_ids[it->n_docs++] = (uint64_t)n;
    return 0;
}

static int encode_work(void *ctx, void *it_, int i_thread, wt_err *err) {
    job *j = ctx;
    item *it = it_;
    take_ctx take = {j, it, i_thread};
    if (!j->arena[i_thread])
        j->arena[i_thread] = wt_arena_new(1 << 20);
    it->facts = (bpe_piece_facts){0};
    it->n_docs = 0;
    wt_buf_clear(&it->out);
    return bpe_piece_each(&j->source, &it->piece, j->arena[i_thread], encode_take, &take, &it->facts, err);
}

static int write_offset(job *j, wt_err *err) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(j->s->n_ids >> 8 * i);
    return j->offsets ? wt_out_write(j->offsets, bytes, 8, err) : 0;
}

static int encode_write(void *ctx, void *it_, wt_err *err) {
    job *j = ctx;
    item *it = it_;
    bool whole_texts = j->s->input == BPE_INPUT_TEXT;
    for (size_t i = 0; i < it->n_docs; i++) {
        if (!j->line_begun && write_offset(j, err))
            return -1;
        j->s->n_ids += it->doc_ids[i];
        if (whole_texts && j->s->ids == BPE_IDS_TEXT && j->line_begun && it->doc_ids[i] &&
            wt_out_write(j->out, " ", 1, err))
            return -1;
        /* a part without ids does not begin a line; offsets are only written for its start */
        j->line_begun = whole_texts && !it->piece.ends_document && (j->line_begun || it->doc_ids[i]);
    }
    j->facts.documents += it->facts.documents, j->facts.bytes += it->facts.bytes;
    j->facts.not_json += it->facts.not_json, j->facts.no_text += it->facts.no_text;
    if (wt_out_write(j->out, it->out.ptr, it->out.len, err))
        return -1;
    if (whole_texts && it->piece.ends_document && j->s->ids == BPE_IDS_TEXT)
        return wt_out_write(j->out, "\n", 1, err);
    return 0;
}

static size_t model_cut(const void *ctx, wt_str text) {
    const bpe_stream *s = ctx;
    return bpe_cut(s->model, text, s->special);
}

static int run_encode(job *j, wt_err *err) {
    wt_pipeline pipeline = {.ctx = j, .threads = j->s->threads, .stop_on_signal = true, .item_new = item_new,
                            .item_free = item_free, .read = encode_read, .work = encode_work,
                            .write = encode_write};
    if (!(j->out = wt_out_open(j->s->output, err)) ||
        (j->s->offsets && !(j->offsets = wt_out_open(j->s->offsets, err))) ||
        wt_pipeline_run(&pipeline, err) || write_offset(j, err))
        return -1;
    wt_out *out = j->out, *off = j->offsets;
    j->out = j->offsets = NULL;
    int result = off ? wt_out_commit(off, err) : 0;
    if (result)
        wt_out_abort(out);
    return result ? -1 : wt_out_commit(out, err);
}

int bpe_stream_encode(bpe_stream *s, bpe_piece_facts *facts, wt_err *err) {
    if (s->ids == BPE_IDS_U16 && bpe_vocab_size(s->model) > 65536)
        return wt_fail(err, WT_EARG, "--ids u16 cannot hold a vocabulary of %u; use u32", bpe_vocab_size(s->model));
    size_t threads = (size_t)s->threads;
    job j = {.s = s, .encoder = wt_xcalloc(threads, sizeof *j.encoder), .arena = wt_xcalloc(threads, sizeof *j.arena),
             .source = {.path = s->path, .n_paths = s->n_paths, .input = s->input, .limit = s->limit,
                        .piece_bytes = 1 << 20, .cut = model_cut, .cut_ctx = s}};
    for (size_t i = 0; i < threads; i++)
        j.encoder[i] = i ? bpe_encoder_share(j.encoder[0]) : bpe_encoder_new(s->model, s->cache_bytes);
    int result = run_encode(&j, err);
    if (j.out)
        wt_out_abort(j.out);
    if (j.offsets)
        wt_out_abort(j.offsets);
    for (size_t i = 0; i < threads; i++) {
        bpe_encoder_free(j.encoder[i]);
        if (j.arena[i])
            wt_arena_free(j.arena[i]);
    }
    free(j.encoder);
    free(j.arena);
    bpe_source_close(&j.source);
    *facts = j.facts;
    s->too_long = j.source.too_long;
    return result;
}

/* ---- decoding ---- */
typedef struct {
    const bpe_stream *s;
    wt_out *out;
    wt_buf text;
    uint32_t *ids;
    size_t n_ids;
    uint64_t position;              /* of ids[0] in the input */
} decoder;

enum { DECODE_IDS = 1 << 16 };

/* Writes what was decoded. What is cut in the middle of a character waits for its rest, so that a
 * terminal never shows half of one; at the end it is written as it is. */
static int decode_flush(decoder *d, bool end, wt_err *err) {
    wt_err inner = {0};
    if (bpe_decode(d->s->model, d->ids, d->n_ids, &d->text, &inner)) {
        size_t at = 0;
        while (bpe_token_bytes(d->s->model, d->ids[at]).ptr)
            at++;
        return wt_fail(err, WT_EDATA, "id %u at position %llu is not in the vocabulary of %u", d->ids[at],
                       (unsigned long long)(d->position + at), bpe_vocab_size(d->s->model));
    }
    d->position += d->n_ids;
    d->n_ids = 0;
    size_t ready = end ? d->text.len : wt_utf8_complete(wt_buf_view(&d->text));
    if (wt_out_write(d->out, d->text.ptr, ready, err))
        return -1;
    if (ready < d->text.len)
        memmove(d->text.ptr, d->text.ptr + ready, d->text.len - ready);
    d->text.len -= ready;
    return 0;
}

static int decode_id(decoder *d, uint32_t id, wt_err *err) {
    d->ids[d->n_ids++] = id;
    return d->n_ids == DECODE_IDS ? decode_flush(d, false, err) : 0;
}

static int decode_text(decoder *d, wt_in *in, wt_err *err) {
    uint64_t id = 0;
    bool digits = false;
    char buf[65536];
    for (;;) {
        uint64_t offset = wt_in_offset(in);
        ptrdiff_t n = wt_in_read(in, buf, sizeof buf, err);
        if (n <= 0)
            return n < 0 ? -1 : digits ? decode_id(d, (uint32_t)id, err) : 0;
        for (ptrdiff_t i = 0; i < n; i++) {
            char c = buf[i];
            bool space = c == ' ' || c == '\n' || c == '\r' || c == '\t';
            if (c >= '0' && c <= '9') {
                id = 10 * id + (uint64_t)(c - '0');
                digits = true;
            } else if (!space) {
                return wt_fail(err, WT_EDATA, "%s: byte %llu is neither digit nor white space", wt_in_name(in),
                               (unsigned long long)(offset + (uint64_t)i));
            }
            if (id > UINT32_MAX)
                return wt_fail(err, WT_EDATA, "%s: the number at byte %llu is no id", wt_in_name(in),
                               (unsigned long long)(offset + (uint64_t)i));
            if (space && digits) {
                if (decode_id(d, (uint32_t)id, err))
                    return wt_context(err, "%s", wt_in_name(in));
                id = 0, digits = false;
            }
        }
    }
}

static int decode_binary(decoder *d, wt_in *in, size_t width, wt_err *err) {
    uint8_t buf[65536];
    size_t have = 0;
    for (;;) {
        ptrdiff_t n = wt_in_read(in, buf + have, sizeof buf - have, err);
        if (n < 0)
            return -1;
        if (n == 0)
            return have ? wt_fail(err, WT_EDATA, "%s: the file ends in the middle of an id", wt_in_name(in)) : 0;
        have += (size_t)n;
        size_t i = 0;
        for (; i + width <= have; i += width) {
            uint32_t id = (uint32_t)buf[i] | (uint32_t)buf[i + 1] << 8;
            if (width == 4)
                id |= (uint32_t)buf[i + 2] << 16 | (uint32_t)buf[i + 3] << 24;
            if (decode_id(d, id, err))
                return wt_context(err, "%s", wt_in_name(in));
        }
        memmove(buf, buf + i, have - i);
        have -= i;
        if (wt_stop_requested())
            return wt_stop_error(err);
    }
}

static int decode_file(decoder *d, const char *path, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    if (!in)
        return -1;
    d->position = 0;
    int result = d->s->ids == BPE_IDS_TEXT ? decode_text(d, in, err)
                                           : decode_binary(d, in, d->s->ids == BPE_IDS_U16 ? 2 : 4, err);
    if (!result && (result = decode_flush(d, true, err)))
        wt_context(err, "%s", path);
    wt_in_close(in);
    return result;
}

int bpe_stream_decode(bpe_stream *s, wt_err *err) {
    decoder d = {.s = s, .ids = wt_xmalloc(DECODE_IDS * sizeof *d.ids)};
    int result = (d.out = wt_out_open(s->output, err)) ? 0 : -1;
    for (size_t i = 0; i < s->n_paths && !result; i++) {
        result = decode_file(&d, s->path[i], err);
        s->n_ids += d.position;
    }
    if (!result)
        result = wt_out_commit(d.out, err);
    else if (d.out)
        wt_out_abort(d.out);
    wt_buf_free(&d.text);
    free(d.ids);
    return result;
}

/* ---- files of words ---- */
static int write_word(void *ctx, wt_str word, uint64_t count, wt_err *err) {
    void **both = ctx;
    wt_buf *line = both[1];
    wt_buf_clear(line);
    wt_buf_printf(line, "%llu ", (unsigned long long)count);
    bpe_bytes_to_chars(line, word);
    wt_buf_add_char(line, '\n');
    return wt_out_str(both[0], wt_buf_view(line), err);
}

int bpe_counts_write(const bpe_counter *counter, const char *path, wt_err *err) {
    wt_buf line = {0};
    wt_out *out = wt_out_open(path, err);
    if (!out)
        return -1;
    int result = bpe_counter_visit(counter, write_word, (void *[]){out, &line}, err);
    wt_buf_free(&line);
    if (result)
        wt_out_abort(out);
    return result ? -1 : wt_out_commit(out, err);
}

static int read_word(bpe_counter *counter, wt_str line, wt_buf *word, wt_err *err) {
    wt_str number = wt_str_cut(&line, ' ');
    uint64_t count = 0;
    bool ok = number.len > 0 && number.len <= 19 && line.len > 0;
    for (size_t i = 0; ok && i < number.len; i++) {
        ok = number.ptr[i] >= '0' && number.ptr[i] <= '9';
        count = 10 * count + (uint64_t)(number.ptr[i] - '0');
    }
    if (!ok || count == 0 || count > INT64_MAX)
        return wt_fail(err, WT_EDATA, "no count and word");
    wt_buf_clear(word);
    if (bpe_chars_to_bytes(word, line))
        return wt_fail(err, WT_EDATA, "'%.*s' is not of GPT-2's byte alphabet", WT_FMT(line));
    return bpe_counter_add_word(counter, 0, wt_buf_view(word), count, err);
}

int bpe_counts_read(bpe_counter *counter, const char *path, wt_err *err) {
    wt_in *in = wt_in_open(path, err);
    wt_buf word = {0};
    wt_str line;
    uint64_t too_long = 0;
    int more = in ? 0 : -1;
    for (unsigned long n = 1; in && (more = wt_in_line(in, (size_t)1 << 30, &line, &too_long, err)) == 1; n++)
        if (read_word(counter, line, &word, err)) {
            more = wt_context(err, "%s: line %lu", path, n);
            break;
        }
    wt_buf_free(&word);
    if (in)
        wt_in_close(in);
    return more;
}

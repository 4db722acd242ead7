/* build.c - shard_write: from JSON lines to a dataset, in two passes.
 *
 * The first reads documents in blocks of lines, tokenises them in parallel and spills them to disk (spill.h) under a key:
 * a hash of the document's id under the seed, or its number where no shuffle is wanted. The second reads them
 * back in order of keys and hands them to shard_write_docs. So the whole corpus is shuffled, at the price of
 * writing the tokens twice; and a killed run goes on behind the lines that the spill's journal counts. */
#include <stdlib.h>

#include "common/doc.h"
#include "common/memory.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "shard/spill.h"

#define BLOCK_BYTES ((size_t)1 << 20)           /* of lines, a piece of work */
#define INPUT_BYTES_A_BUCKET ((int64_t)16 << 20)    /* as stored; text may be five times as much */
enum { BUCKET_BITS_MAX = 8 };
enum { SEED_SPLIT = 0x5711, SEED_ORDER = 0x0dde };

typedef struct {
    wt_buf lines;
    size_t i_input;
    bool input_ends;                    /* after these lines */
    uint64_t n_lines, broken, no_text, empty, too_long;
    shard_spill_doc *doc;
    size_t n_docs, cap_docs;
    wt_buf tokens;                      /* packed, each document's with its end-of-text id */
} block_item;

typedef struct {
    wt_arena *arena;
    uint32_t *tokens;
    size_t cap;
} worker_scratch;

typedef struct {
    const wt_paths *inputs;
    const shard_write_options *o;
    int threads;
    shard_spill spill;
    bool limit_reached;
    wt_in *in;                          /* reading side: the open input and its number */
    size_t i_input;
    uint64_t raw_before;
    worker_scratch *scratch;
} building;

/* Small inputs need few files: each costs a sync. */
static int bucket_bits_for(const wt_paths *inputs) {
    int64_t total = 0;
    int bits = 0;
    for (size_t i = 0; i < inputs->n; i++) {
        int64_t bytes = strcmp(inputs->path[i], "-") ? wt_file_bytes(inputs->path[i]) : -1;
        if (bytes < 0)
            return BUCKET_BITS_MAX;     /* a stream: of any size */
        total += bytes;
    }
    while (bits < BUCKET_BITS_MAX && total >> bits > INPUT_BYTES_A_BUCKET)
        bits++;
    return bits;
}

/* All that the spill depends on. */
static void spill_key(building *b) {
    const shard_write_options *o = b->o;
    wt_buf text = {0};
    char hex[65];
    wt_hex(o->tokenizer.sha256, 32, hex);
    wt_buf_printf(&text, "%s %u %d %d %d %llu %.17g %llu", hex, o->tokenizer.eot, b->spill.width, b->spill.bucket_bits, o->shuffle,
                  (unsigned long long)o->seed, o->val_fraction, (unsigned long long)o->limit);
    for (size_t i = 0; i < b->inputs->n; i++)
        wt_buf_printf(&text, "\n%s %lld", b->inputs->path[i],
                      (long long)wt_file_bytes(b->inputs->path[i]));
    uint8_t sha[32];
    wt_sha256(text.ptr, text.len, sha);
    wt_hex(sha, 32, b->spill.key);
    wt_buf_free(&text);
}

/* ---- first pass: reading ---- */
static int lines_skip(building *b, wt_err *err) {
    wt_str line;
    uint64_t too_long = 0;      /* these are in the journal's counts */
    for (uint64_t i = 0; i < b->spill.state.n_lines; i++) {
        int more = wt_in_line(b->in, WT_DOC_LINE_MAX, &line, &too_long, err);
        if (more < 0)
            return -1;
        if (more == 0)
            return wt_fail(err, WT_EDATA, "'%s' has fewer lines than when the run began",
                           b->inputs->path[b->i_input]);
    }
    return 0;
}

static int block_read(void *ctx, void *p, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    if (__atomic_load_n(&b->limit_reached, __ATOMIC_RELAXED) || b->i_input == b->inputs->n)
        return 0;
    if (!b->in) {
        b->in = wt_in_open(b->inputs->path[b->i_input], err);
        if (!b->in || (b->i_input == b->spill.state.i_input && lines_skip(b, err)))
            return -1;
    }
    item->i_input = b->i_input;
    item->too_long = 0;
    int more = wt_in_block(b->in, BLOCK_BYTES, WT_DOC_LINE_MAX, &item->lines, &item->too_long, err);
    if (more < 0)
        return -1;
    wt_progress_set(b->raw_before + wt_in_raw_offset(b->in));
    item->input_ends = more == 0;
    if (more == 0) {
        wt_buf_clear(&item->lines);
        b->raw_before += wt_in_raw_offset(b->in);
        wt_in_close(b->in);
        b->in = NULL;
        b->i_input++;
    }
    return 1;
}

/* ---- first pass: tokenising ---- */
static int doc_tokens(building *b, int i_thread, block_item *item, const wt_doc *d, wt_err *err) {
    worker_scratch *s = &b->scratch[i_thread];
    const shard_write_options *o = b->o;
    size_t n = 0;
    wt_str id = d->id.len ? d->id : d->text;
    if (o->encode(o->ctx, i_thread, d->text, &s->tokens, &n, &s->cap, err))
        return wt_context(err, "document '%.*s'", (int)(id.len < 80 ? id.len : 80), id.ptr);
    for (size_t i = 0; i < n; i++)
        if (s->tokens[i] >= o->tokenizer.vocab)
            return wt_fail(err, WT_EDATA, "id %u is above the tokenizer's %u", s->tokens[i],
                           o->tokenizer.vocab);
    WT_GROW(item->doc, item->cap_docs, item->n_docs + 1);
    item->doc[item->n_docs++] = (shard_spill_doc){
        .order_hash = wt_hash64(id.ptr, id.len, wt_mix64(o->seed + SEED_ORDER)),
        .id_hash = wt_hash64(id.ptr, id.len, 0),
        .text_hash = wt_hash64(d->text.ptr, d->text.len, 0),
        .n_tokens = n + 1,
        .at = item->tokens.len,
        .split = (double)wt_hash64(id.ptr, id.len, SEED_SPLIT) < o->val_fraction * 0x1p64};
    wt_buf_reserve(&item->tokens, (n + 1) * (size_t)b->spill.width);
    uint8_t *out = (uint8_t *)item->tokens.ptr + item->tokens.len;
    shard_pack(out, s->tokens, n, b->spill.width);
    shard_pack(out + n * (size_t)b->spill.width, &o->tokenizer.eot, 1, b->spill.width);
    item->tokens.len += (n + 1) * (size_t)b->spill.width;
    return 0;
}

static int block_work(void *ctx, void *p, int i_thread, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    wt_arena *arena = b->scratch[i_thread].arena;
    wt_str rest = wt_buf_view(&item->lines);
    item->n_docs = item->n_lines = item->broken = item->no_text = item->empty = 0;
    wt_buf_clear(&item->tokens);
    while (rest.len) {
        wt_str line = wt_str_trim(wt_str_cut(&rest, '\n'));
        wt_doc doc;
        item->n_lines++;
        if (line.len == 0)
            continue;
        wt_arena_reset(arena);
        if (wt_doc_parse(line, arena, &doc, NULL))
            item->broken++;
        else if (!doc.has_text)
            item->no_text++;
        else if (doc.text.len == 0)
            item->empty++;
        else if (doc_tokens(b, i_thread, item, &doc, err))
            return wt_context(err, "'%s'", b->inputs->path[item->i_input]);
    }
    return 0;
}

/* ---- first pass: spilling, in the order of reading ---- */
static int block_write(void *ctx, void *p, wt_err *err) {
    building *b = ctx;
    block_item *item = p;
    shard_spill_state *s = &b->spill.state;
    if (b->limit_reached)
        return 0;
    for (size_t i = 0; i < item->n_docs; i++) {
        if (b->o->limit && s->n_records == b->o->limit) {
            __atomic_store_n(&b->limit_reached, true, __ATOMIC_RELAXED);
            return 0;
        }
        if (shard_spill_add(&b->spill, &item->doc[i], item->tokens.ptr + item->doc[i].at, err))
            return -1;
        s->input_docs[item->i_input]++;
    }
    s->broken += item->broken, s->no_text += item->no_text, s->empty += item->empty;
    s->too_long += item->too_long;
    s->n_lines += item->n_lines;
    if (item->input_ends)
        s->i_input = item->i_input + 1, s->n_lines = 0;
    return shard_spill_save_due(&b->spill) ? shard_spill_save(&b->spill, err) : 0;
}

static void *block_new(void *ctx) { return wt_xcalloc(1, sizeof(block_item)); }

static void block_free(void *ctx, void *p) {
    block_item *item = p;
    wt_buf_free(&item->lines);
    wt_buf_free(&item->tokens);
    free(item->doc);
    free(item);
}

static int spill_all(building *b, wt_err *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < b->inputs->n; i++) {
        int64_t bytes = wt_file_bytes(b->inputs->path[i]);
        total += bytes > 0 ? (uint64_t)bytes : 0;
        if (i < b->spill.state.i_input)
            b->raw_before += bytes > 0 ? (uint64_t)bytes : 0;
    }
    b->i_input = b->spill.state.i_input;
    b->scratch = wt_xcalloc((size_t)b->threads, sizeof *b->scratch);
    for (int i = 0; i < b->threads; i++)
        b->scratch[i].arena = wt_arena_new(0);
    wt_pipeline pipeline = {.ctx = b, .threads = b->threads, .stop_on_signal = true,
                            .item_new = block_new, .item_free = block_free, .read = block_read,
                            .work = block_work, .write = block_write};
    wt_progress_begin("tokenising", "bytes", total);
    int failed = wt_pipeline_run(&pipeline, err);
    wt_progress_end();
    for (int i = 0; i < b->threads; i++) {
        wt_arena_free(b->scratch[i].arena);
        free(b->scratch[i].tokens);
    }
    free(b->scratch);
    wt_in_close(b->in);
    if (failed && err && err->code == WT_ESTOP)
        shard_spill_save(&b->spill, NULL);
    if (failed)
        return -1;
    b->spill.state.finished = 1;
    return shard_spill_save(&b->spill, err);
}

/* ---- the dataset's description ---- */
static void origin_json(const building *b, wt_buf *out) {
    const shard_spill_state *s = &b->spill.state;
    wt_buf_printf(out, "{\"documents\": %llu, \"broken\": %llu, \"no_text\": %llu, \"empty\": %llu, "
                       "\"too_long\": %llu, \"inputs\": [",
                  (unsigned long long)s->n_records, (unsigned long long)s->broken,
                  (unsigned long long)s->no_text, (unsigned long long)s->empty,
                  (unsigned long long)s->too_long);
    for (size_t i = 0; i < b->inputs->n; i++) {
        const char *path = b->inputs->path[i], *slash = strrchr(path, '/');
        wt_buf_printf(out, i ? ", {\"name\": " : "{\"name\": ");
        wt_json_add_string(out, wt_str_of(slash ? slash + 1 : path));
        wt_buf_printf(out, ", \"documents\": %llu}", (unsigned long long)s->input_docs[i]);
    }
    wt_buf_add_str(out, WT_STR("]}"));
}

static int shards_from_spill(const building *b, const char *dir, wt_err *err) {
    const shard_write_options *o = b->o;
    shard_manifest m = {.tokenizer = o->tokenizer, .token_bytes = b->spill.width,
                        .boundary = SHARD_BOUNDARY_EOT_AFTER, .frame_tokens = SHARD_FRAME_TOKENS,
                        .shard_tokens = o->shard_tokens, .seed = o->shuffle ? o->seed : 0,
                        .val_fraction = o->val_fraction, .shuffle = o->shuffle,
                        .level = o->level ? o->level : SHARD_LEVEL_DEFAULT};
    memcpy(m.input_sha256, b->spill.state.chain, 32);
    shard_manifest_name(&m);
    origin_json(b, &m.origin);
    shard_spill_reader reader = {.spill = &b->spill};
    int failed = shard_write_docs(dir, &m, b->threads, b->spill.state.n_tokens, shard_spill_next, &reader, err);
    shard_spill_reader_free(&reader);
    if (!failed)
        shard_manifest_report(&m);
    shard_manifest_free(&m);
    return failed;
}

int shard_options_check(const shard_write_options *o, int *width, wt_err *err) {
    *width = o->token_bytes ? o->token_bytes : o->tokenizer.vocab <= 65536 ? 2 : 4;
    if (*width < 2 || *width > 4 || o->tokenizer.vocab > (uint64_t)1 << (8 * *width))
        return wt_fail(err, WT_EARG, "%u ids do not fit into %d bytes a token", o->tokenizer.vocab,
                       *width);
    if (o->tokenizer.eot >= o->tokenizer.vocab)
        return wt_fail(err, WT_EARG, "the tokenizer has no end-of-text token");
    if (!(o->val_fraction >= 0 && o->val_fraction < 1))
        return wt_fail(err, WT_EARG, "a validation fraction of %g is not in [0, 1)",
                       o->val_fraction);
    if (o->shard_tokens == 0 || o->shard_tokens > (uint64_t)1 << 36)
        return wt_fail(err, WT_EARG, "shards of %llu tokens; 1 to 68 G are possible",
                       (unsigned long long)o->shard_tokens);
    if (o->level < 0 || o->level > 22)
        return wt_fail(err, WT_EARG, "level %d is not in 1..22", o->level);
    return 0;
}

int shard_write(const char *dir, const wt_paths *inputs, const shard_write_options *options,
                wt_err *err) {
    building b = {.inputs = inputs, .o = options,
                  .threads = options->threads < 1 ? wt_cpu_count() : options->threads};
    if (shard_options_check(options, &b.spill.width, err) || wt_mkdirs(dir, err))
        return -1;
    b.spill.shuffle = options->shuffle;
    b.spill.bucket_bits = bucket_bits_for(inputs);
    b.spill.n_inputs = inputs->n;
    spill_key(&b);
    const shard_spill_state *s = &b.spill.state;
    int failed = shard_spill_begin(&b.spill, dir, err) || (!s->finished && spill_all(&b, err));
    if (!failed && s->n_records == 0)
        failed = wt_fail(err, WT_EDATA, "no document with text in the input");
    failed = failed || shards_from_spill(&b, dir, err) || shard_spill_remove(&b.spill, err);
    if (!failed) {
        wt_report_count("documents in", s->n_records + s->broken + s->no_text + s->empty + s->too_long);
        wt_report_drop("broken line", s->broken);
        wt_report_drop("no text", s->no_text);
        wt_report_drop("empty text", s->empty);
        wt_report_drop("line too long", s->too_long);
    }
    shard_spill_free(&b.spill);
    return failed ? -1 : 0;
}

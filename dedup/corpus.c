/* corpus.c - the run over files.
 *
 * The input is cut into batches of lines, wherever files begin and end. Each thread reads a batch, parses
 * it and makes its keys; whoever is free then judges the batches that are next in order and writes their lines as
 * they came. Parts of the output end where part_bytes of input have gone by, which no decision moves.
 *
 * To survive a kill: at the end of a part its files are committed, then (when enough was done since
 * the last time to be worth it) the filters, the counters and the place in the input are saved as one
 * file. A rerun loads it and decides again from there, on the same filters and the same lines, so it
 * writes again what was there. Nothing that was decided but not saved can leave a trace in a filter.
 * The state of --state is replaced at the very end and carries this run's name, so that a rerun after
 * that sees that all is done, and does not take the corpus for a copy of itself. */
#include "dedup/corpus.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/doc.h"
#include "common/frames.h"
#include "common/hash.h"
#include "common/in.h"
#include "common/json.h"
#include "common/out.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "dedup/parts.h"
#include "dedup/rank_frames.h"
#include "dedup/rounds.h"

enum { BATCH_DOCS = 1024, BATCH_BYTES = 4 << 20 };

/* A place in the input: this many lines of file i were taken. */
typedef struct {
    uint64_t i_file, line;
} place;

/* Counters, in the order they have in the saved note. */
enum { N_IN, N_KEPT, BYTES_IN, BYTES_KEPT, N_PARAGRAPHS, N_TOO_LONG, N_MARKED, N_CAUSE, N_COUNTERS = N_CAUSE + DEDUP_N_CAUSES };

typedef struct {
    wt_lines lines;             /* of another rank: only counted */
    wt_str *id;                 /* of each, as it may be written; NULL: not plain, or not worked on by this rank */
    size_t id_cap;
    dedup_batch *keys;
    place after;
    bool ends_part;
    uint64_t too_long;
    wt_arena *arena;
    /* several ranks: what its rank made of it */
    wt_buf kept, dropped;
    uint64_t count[N_COUNTERS];
} batch;

typedef struct {
    const corpus_job *job;
    dedup *d;
    bool counting;              /* the first pass of paragraph_count */
    bool to_folder;
    char *work_dir;             /* OUT/.state; NULL where nothing can be continued */
    /* reading */
    wt_in *in;
    place at;
    uint64_t part_bytes, docs_read;
    /* writing */
    wt_press *press;
    wt_frames *kept, *dropped;
    rank_frames *all_kept, *all_dropped;    /* instead, where there are several ranks */
    batch *into;                /* lines go into its buffers, not to the files */
    uint64_t i_part, bytes_since_save;
    place written;
    uint64_t counter[N_COUNTERS];
    wt_arena *arena;
    wt_buf scratch;
    char run_name[20];
} run;

/* ---- reading ---- */

static int open_next(run *r, wt_err *err) {
    const wt_paths *inputs = r->job->all.inputs;
    while (!r->in && r->at.i_file < inputs->n) {
        r->in = wt_in_open(inputs->path[r->at.i_file], err);
        if (!r->in) return -1;
        wt_str line;
        uint64_t too_long = 0;                        /* counted when it was first read */
        for (uint64_t i = 0; i < r->at.line; i++) {
            int got = wt_in_line(r->in, WT_DOC_LINE_MAX, &line, &too_long, err);
            if (got < 0) return -1;
            if (got == 0) break;
        }
    }
    return 0;
}

/* Batches and parts are cut by what was read, wherever files begin and end. */
static int batch_fill(run *r, batch *b, bool mine, wt_err *err) {
    const corpus_job *job = r->job;
    wt_lines *lines = &b->lines;
    uint64_t most = BATCH_DOCS, bytes = BATCH_BYTES, part_left = job->all.part_bytes - r->part_bytes;
    if (job->all.limit && job->all.limit - r->docs_read < most) most = job->all.limit - r->docs_read;
    if (r->to_folder && part_left < bytes) bytes = part_left ? part_left : 1;
    wt_lines_clear(lines);
    lines->pass = !mine;
    b->too_long = 0;
    for (int full = most == 0; !full;) {
        if (open_next(r, err)) return -1;
        if (!r->in) break;
        uint64_t before = lines->n + lines->n_blank;
        if ((full = wt_in_lines(r->in, lines, most, bytes, WT_DOC_LINE_MAX, &b->too_long, err)) < 0) return -1;
        r->at.line += lines->n + lines->n_blank - before;
        if (full) break;
        wt_in_close(r->in);
        r->in = NULL;
        r->at = (place){r->at.i_file + 1, 0};
    }
    r->docs_read += lines->n;
    r->part_bytes += lines->n_bytes;
    b->ends_part = r->to_folder && r->part_bytes >= job->all.part_bytes;
    if (b->ends_part) r->part_bytes = 0;
    b->after = r->at;
    WT_GROW(b->id, b->id_cap, lines->n);
    if (lines->n) memset(b->id, 0, lines->n * sizeof *b->id);
    return lines->n > 0 || b->too_long > 0;
}

static int batch_read(void *ctx, void *item, wt_err *err) { return batch_fill(ctx, item, true, err); }

/* ---- working ---- */

static void *batch_new(void *ctx) {
    batch *b = wt_xcalloc(1, sizeof *b);
    b->keys = dedup_batch_new();
    b->arena = wt_arena_new(1 << 20);
    if (wt_cluster_size() == 1)                       /* growing would move pages, which all cores hear of */
        wt_buf_reserve(&b->lines.bytes, BATCH_BYTES + (64 << 10));
    return b;
}
static void batch_free(void *ctx, void *item) {
    batch *b = item;
    dedup_batch_free(b->keys);
    wt_arena_free(b->arena);
    wt_lines_free(&b->lines);
    wt_buf_free(&b->kept);
    wt_buf_free(&b->dropped);
    free(b->id);
    free(b);
}

enum { F_ID, F_TEXT, F_URL, F_METADATA, N_FIELDS };
static const wt_str FIELDS[N_FIELDS] = {{"id", 2}, {"text", 4}, {"url", 3}, {"metadata", 8}};

static uint64_t eight_bytes(const char *p) {
    uint64_t x;
    memcpy(&x, p, 8);
    return x;
}

/* A string of JSON that is written as it was read: ASCII without escapes; control bytes were refused. */
static bool is_plain(wt_json value) {
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    const char *p = value.raw.ptr;
    size_t n = value.raw.len;
    uint64_t odd = 0;
    if (value.kind != WT_JSON_STRING) return false;
    if (n < 8) {
        for (size_t i = 0; i < n; i++) odd |= (uint64_t)((uint8_t)p[i] >= 0x80) | (uint64_t)(p[i] == '\\');
        return !odd;
    }
    for (size_t i = 0; i < n; i += 8) {               /* the last eight may be looked at twice */
        uint64_t x = eight_bytes(p + (i + 8 <= n ? i : n - 8)), slash = x ^ ones * '\\';
        odd |= x | (slash - ones);                    /* a byte that is 0 in `slash` borrows; wrong only where x is odd */
    }
    return !(odd & high);
}

static wt_str url_of(const wt_json *field, wt_arena *arena) {
    wt_json url = field[F_METADATA].kind == WT_JSON_OBJECT ? wt_json_get(field[F_METADATA], "url")
                                                           : (wt_json){0};
    if (url.kind != WT_JSON_STRING) url = field[F_URL];
    return is_plain(url) ? url.raw : url.kind == WT_JSON_STRING ? wt_json_string(url, arena) : (wt_str){0};
}

/* A text with anything in it, which need not be decoded for that. */
static bool has_text(wt_json text) {
    return text.kind == WT_JSON_STRING && text.raw.len > 0 && (uint8_t)text.raw.ptr[0] > ' ' && text.raw.ptr[0] != '\\';
}

static int batch_work(void *ctx, void *item, int i_thread, wt_err *err) {
    run *r = ctx;
    batch *b = item;
    bool want_url = r->job->all.rules.urls || r->job->n_read_only > 0, want_text = dedup_wants_text(r->d);
    dedup_batch_clear(b->keys);
    for (size_t i = 0; i < b->lines.n; i++) {
        wt_json field[N_FIELDS];
        wt_arena_reset(b->arena);
        if (wt_json_pick(wt_lines_at(&b->lines, i), FIELDS, N_FIELDS, field, NULL)) {
            dedup_batch_skip(b->keys, DEDUP_NOT_JSON);
            continue;
        }
        if (is_plain(field[F_ID])) b->id[i] = field[F_ID].raw;
        wt_str text = field[F_TEXT].kind != WT_JSON_STRING ? (wt_str){0}
                      : !want_text && has_text(field[F_TEXT]) ? field[F_TEXT].raw
                                                              : wt_json_string(field[F_TEXT], b->arena);
        if (wt_str_trim(text).len == 0) dedup_batch_skip(b->keys, DEDUP_NO_TEXT);
        else dedup_batch_add(r->d, b->keys, text, want_url ? url_of(field, b->arena) : (wt_str){0});
    }
    return 0;
}

/* ---- writing ---- */

static char *part_path(const run *r, bool dropped) {
    wt_buf b = {0};
    if (!r->job->all.output) return NULL;
    if (r->to_folder) return dropped ? parts_dropped_path(r->work_dir, r->i_part) : parts_kept_path(r->job->all.output, r->i_part);
    wt_buf_printf(&b, "%s%s", r->job->all.output, dropped ? ".dropped.jsonl.zst" : "");
    return b.ptr;
}

/* Ranks take turns at the parts. */
static int open_part(run *r, wt_err *err) {
    char *kept = part_path(r, false), *dropped = part_path(r, true);
    int writer = (int)(r->i_part % (uint64_t)wt_cluster_size()), threads = r->job->all.threads;
    bool alone = wt_cluster_size() == 1, good;
    if (alone) {
        r->kept = wt_frames_open(kept, r->press, err);
        if (r->kept && dropped) r->dropped = wt_frames_open(dropped, r->press, err);
        good = r->kept && (r->dropped || !dropped);
    } else {
        r->all_kept = rank_frames_open(kept, writer, threads, err);
        if (r->all_kept && dropped) r->all_dropped = rank_frames_open(dropped, writer, threads, err);
        good = r->all_kept && (r->all_dropped || !dropped);
    }
    free(kept);
    free(dropped);
    return good ? 0 : -1;
}

static void note_write(const run *r, wt_buf *out) {
    wt_buf_printf(out, "{\"run\":\"%s\",\"file\":%llu,\"line\":%llu,\"part\":%llu,\"counters\":[", r->run_name,
                  (unsigned long long)r->written.i_file, (unsigned long long)r->written.line,
                  (unsigned long long)r->i_part);
    for (int i = 0; i < N_COUNTERS; i++) wt_buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)r->counter[i]);
    wt_buf_printf(out, "]}");
}

static int save(const run *r, const char *path, wt_err *err) {
    wt_buf note = {0};
    note_write(r, &note);
    int result = dedup_save(r->d, path, wt_buf_view(&note), err);
    wt_buf_free(&note);
    return result;
}

static int commit_alone(run *r, wt_str provenance, wt_err *err) {
    wt_frames *kept = r->kept, *dropped = r->dropped;
    r->kept = r->dropped = NULL;
    int result = wt_frames_commit(kept, provenance, err);
    if (result) wt_frames_abort(dropped);
    else if (dropped) result = wt_frames_commit(dropped, (wt_str){0}, err);
    return result;
}

static int commit_all(run *r, wt_str provenance, wt_err *err) {
    rank_frames *kept = r->all_kept, *dropped = r->all_dropped;
    r->all_kept = r->all_dropped = NULL;
    int result = rank_frames_commit(kept, provenance, err);
    if (result) rank_frames_abort(dropped);
    else if (dropped) result = rank_frames_commit(dropped, (wt_str){0}, err);
    return result;
}

static int close_part(run *r, wt_err *err) {
    wt_buf provenance = {0};
    r->i_part++;
    if (r->job->all.output) wt_provenance(&provenance, r->job->all.key);
    int result = r->all_kept ? commit_all(r, wt_buf_view(&provenance), err) : commit_alone(r, wt_buf_view(&provenance), err);
    wt_buf_free(&provenance);
    return result;
}

/* Saving costs a write of all filters, about what judging two or three times their bytes costs. */
enum { SAVE_AFTER = 16 };

static int end_part(run *r, wt_err *err) {
    if (close_part(r, err)) return -1;
    if (r->bytes_since_save >= SAVE_AFTER * dedup_bytes(r->d)) {
        char *path = wt_path_join(r->work_dir, "saved");
        int result = save(r, path, err);
        free(path);
        r->bytes_since_save = 0;
        if (result) return -1;
    }
    return open_part(r, err);
}

static int put_kept(run *r, wt_str s, wt_err *err) {
    if (!r->into) return wt_frames_write(r->kept, s, err);
    wt_buf_add_str(&r->into->kept, s);
    return 0;
}

static int put_dropped(run *r, wt_str s, wt_err *err) {
    if (!r->into) return wt_frames_write(r->dropped, s, err);
    wt_buf_add_str(&r->into->dropped, s);
    return 0;
}

/* The line of a document with nothing to say about. */
static int write_unmarked(run *r, wt_str plain_id, wt_err *err) {
    static const char before[] = "{\"id\":\"", behind[] = "\",\"attributes\":{}}\n";
    enum { N_BEFORE = sizeof before - 1, N_BEHIND = sizeof behind - 1 };
    wt_buf *out = &r->scratch;
    out->len = 0;
    wt_buf_reserve(out, N_BEFORE + plain_id.len + N_BEHIND);
    memcpy(out->ptr, before, N_BEFORE);
    memcpy(out->ptr + N_BEFORE, plain_id.ptr, plain_id.len);
    memcpy(out->ptr + N_BEFORE + plain_id.len, behind, N_BEHIND);
    return put_kept(r, (wt_str){out->ptr, N_BEFORE + plain_id.len + N_BEHIND}, err);
}

static int write_marked(run *r, wt_str line, wt_str plain_id, const dedup_verdict *v, wt_err *err) {
    wt_doc doc;
    wt_buf attributes = {0};
    if (r->job->mode == CORPUS_ATTRIBUTES && v->cause == DEDUP_KEEP && !v->n_removed && plain_id.ptr)
        return write_unmarked(r, plain_id, err);
    if (wt_doc_parse(line, r->arena, &doc, err)) return -1;
    marks_attributes(&attributes, v, doc.text);
    r->scratch.len = 0;
    marks_document(&r->scratch, r->job->mode, &doc, wt_buf_view(&attributes), r->arena);
    wt_buf_free(&attributes);
    return put_kept(r, wt_buf_view(&r->scratch), err);
}

/* One line a dropped document, or a kept one that lost paragraphs. The document is a member, not
 * the line itself, so that no tool takes this file for documents. */
static int write_dropped(run *r, wt_str line, const dedup_verdict *v, wt_str removed, wt_err *err) {
    static const wt_str id_key[1] = {{"id", 2}};
    wt_json id = {0};
    wt_buf *out = &r->scratch;
    if (!r->job->all.output) return 0;
    out->len = 0;
    if (v->cause != DEDUP_NOT_JSON) wt_json_pick(line, id_key, 1, &id, NULL);
    wt_buf_printf(out, "{\"id\":");
    if (id.kind == WT_JSON_STRING) wt_json_add_string(out, wt_json_string(id, r->arena));
    else if (id.kind == WT_JSON_NUMBER) wt_buf_add_str(out, id.raw);
    else wt_buf_printf(out, "null");
    wt_buf_printf(out, ",\"cause\":\"%s\"", dedup_cause_name(v->cause == DEDUP_KEEP ? DEDUP_PARAGRAPHS : v->cause));
    if (v->cause == DEDUP_READ_ONLY) wt_buf_printf(out, ",\"rule\":\"%s\"", dedup_cause_name(v->rule));
    if (v->cause >= DEDUP_READ_ONLY) wt_buf_printf(out, ",\"score\":%.4g", v->score);
    if (v->votes > 0) wt_buf_printf(out, ",\"votes\":%d", v->votes);
    if (v->cause == DEDUP_KEEP) {
        wt_buf_printf(out, ",\"kept\":true,\"removed\":[%.*s]}\n", WT_FMT(removed));
    } else if (v->cause == DEDUP_NOT_JSON) {
        wt_buf_printf(out, ",\"line\":");
        wt_json_add_string(out, line);
        wt_buf_printf(out, "}\n");
    } else {
        wt_buf_printf(out, ",\"document\":%.*s}\n", WT_FMT(line));
    }
    return put_dropped(r, wt_buf_view(out), err);
}

/* The document without the paragraphs that were seen. */
static int write_cut(run *r, wt_str line, const dedup_verdict *v, wt_err *err) {
    wt_doc doc;
    if (wt_doc_parse(line, r->arena, &doc, err)) return -1;
    wt_buf text = {0}, removed = {0};
    size_t at = 0;
    for (size_t i = 0; i < v->n_removed; i++) {
        const dedup_span *s = &v->removed[i];
        wt_buf_add(&text, doc.text.ptr + at, s->start - at);
        if (i) wt_buf_add_char(&removed, ',');
        wt_json_add_string(&removed, (wt_str){doc.text.ptr + s->start, s->end - s->start});
        at = s->end;
    }
    wt_buf_add(&text, doc.text.ptr + at, doc.text.len - at);
    doc.text = wt_buf_view(&text);
    int result = write_dropped(r, line, v, wt_buf_view(&removed), err);
    r->scratch.len = 0;
    wt_doc_write(&r->scratch, &doc);
    if (!result) result = put_kept(r, wt_buf_view(&r->scratch), err);
    wt_buf_free(&text);
    wt_buf_free(&removed);
    return result;
}

static int write_document(run *r, wt_str line, wt_str plain_id, const dedup_verdict *v, wt_err *err) {
    bool mark = r->job->mode != CORPUS_DROP && v->cause != DEDUP_NOT_JSON;
    wt_arena_reset(r->arena);
    r->counter[N_CAUSE + v->cause]++;
    if (mark && (v->cause != DEDUP_KEEP || v->n_removed)) r->counter[N_MARKED]++;
    bool keep = v->cause == DEDUP_KEEP || mark;
    r->counter[N_KEPT] += keep;
    r->counter[BYTES_KEPT] += keep ? line.len + 1 : 0;
    if (keep && !mark) r->counter[N_PARAGRAPHS] += v->n_removed;
    if (!keep) return write_dropped(r, line, v, (wt_str){0}, err);
    if (mark) return write_marked(r, line, plain_id, v, err);
    if (v->n_removed) return write_cut(r, line, v, err);
    return put_kept(r, line, err) || put_kept(r, WT_STR("\n"), err) ? -1 : 0;
}

static int batch_judge(run *r, batch *b, wt_err *err) {
    int threads = r->job->all.threads;                /* those between two batches help with the filters */
    return r->counting ? dedup_count_paragraphs(r->d, b->keys, threads, err) : dedup_judge(r->d, b->keys, threads, err);
}

static int write_lines(run *r, const batch *b, wt_err *err) {
    for (size_t i = 0; i < b->lines.n; i++) {
        dedup_verdict v = dedup_batch_verdict(b->keys, i);
        if (write_document(r, wt_lines_at(&b->lines, i), b->id[i], &v, err)) return -1;
    }
    r->counter[N_IN] += b->lines.n;
    r->counter[BYTES_IN] += b->lines.n_bytes;
    r->counter[N_TOO_LONG] += b->too_long;
    return 0;
}

static int batch_end(run *r, const batch *b, wt_err *err) {
    r->bytes_since_save += b->lines.n_bytes;
    r->written = b->after;
    wt_progress_set(r->counter[N_IN]);
    return b->ends_part ? end_part(r, err) : 0;
}

static int batch_write(void *ctx, void *item, wt_err *err) {
    run *r = ctx;
    batch *b = item;
    if (batch_judge(r, b, err)) return -1;
    return r->counting ? 0 : write_lines(r, b, err) || batch_end(r, b, err) ? -1 : 0;
}

/* ---- several ranks: each makes the keys of its batches, all judge every batch in order, each with the filters
 * it owns, and each makes the lines of its batches; those come to all, who compress them in turns. ---- */

/* A round ends with a part, as the filters are saved there. */
static int rank_read(void *ctx, void *item, bool mine, bool *last, wt_err *err) {
    batch *b = item;
    int got = batch_fill(ctx, b, mine, err);
    *last = b->ends_part;
    return got;
}

static void keys_pack(void *ctx, const void *item, wt_buf *bytes) { dedup_batch_pack(((const batch *)item)->keys, bytes); }
static void keys_unpack(void *ctx, void *item, wt_str *bytes) { dedup_batch_unpack(((batch *)item)->keys, bytes); }

/* The lines of a batch and what they add to the counters, beside the batch. */
static int lines_make(run *r, batch *b, wt_err *err) {
    uint64_t before[N_COUNTERS];
    memcpy(before, r->counter, sizeof before);
    memset(r->counter, 0, sizeof before);
    b->kept.len = b->dropped.len = 0;
    r->into = b;
    int result = write_lines(r, b, err);
    r->into = NULL;
    memcpy(b->count, r->counter, sizeof before);
    memcpy(r->counter, before, sizeof before);
    return result;
}

static void lines_pack(void *ctx, const void *item, wt_buf *bytes) {
    const batch *b = item;
    pack_bytes(bytes, b->count, sizeof b->count);
    pack_bytes(bytes, b->kept.ptr, b->kept.len);
    pack_bytes(bytes, b->dropped.ptr, b->dropped.len);
}

static void lines_unpack(void *ctx, void *item, wt_str *bytes) {
    batch *b = item;
    b->kept.len = b->dropped.len = 0;
    memcpy(b->count, unpack_bytes(bytes).ptr, sizeof b->count);
    wt_buf_add_str(&b->kept, unpack_bytes(bytes));
    wt_buf_add_str(&b->dropped, unpack_bytes(bytes));
}

static int rank_write(run *r, const batch *b, wt_err *err) {
    for (int i = 0; i < N_COUNTERS; i++) r->counter[i] += b->count[i];
    if (rank_frames_write(r->all_kept, wt_buf_view(&b->kept), err)) return -1;
    return r->all_dropped ? rank_frames_write(r->all_dropped, wt_buf_view(&b->dropped), err) : 0;
}

static int ranks_round(run *r, rounds *x, wt_err *err) {
    size_t n = rounds_size(x);
    int result = 0;
    rounds_share(x, keys_pack, keys_unpack);
    for (size_t i = 0; i < n; i++)
        if (batch_judge(r, rounds_item(x, i), err)) return -1;
    if (r->counting) return 0;
    for (size_t i = 0; i < n && !result; i++)
        if (rounds_is_mine(x, i)) result = lines_make(r, rounds_item(x, i), err);
    if (wt_cluster_agree(result, err)) return -1;
    rounds_share(x, lines_pack, lines_unpack);
    for (size_t i = 0; i < n && !result; i++) result = rank_write(r, rounds_item(x, i), err);
    if (wt_cluster_agree(result, err) || rank_frames_meet(r->all_kept, err) ||
        (r->all_dropped && rank_frames_meet(r->all_dropped, err))) return -1;
    for (size_t i = 0; i < n; i++)
        if (batch_end(r, rounds_item(x, i), err)) return -1;
    return 0;
}

static int ranks_run(run *r, wt_err *err) {
    rounds *x = rounds_new(&(rounds_config){.ctx = r, .threads = r->job->all.threads, .item_new = batch_new,
                                            .item_free = batch_free, .read = rank_read, .work = batch_work});
    int got;
    while ((got = rounds_next(x, err)) > 0 && (got = ranks_round(r, x, err)) == 0) {}
    rounds_free(x);
    return got;
}

static void batch_beside(void *ctx) { wt_press_work(((run *)ctx)->press); }

static int pipeline_run(run *r, wt_err *err) {
    wt_pipeline p = {.ctx = r, .threads = r->job->all.threads, .stop_on_signal = true, .in_place = true, .item_new = batch_new,
                     .item_free = batch_free, .read = batch_read, .work = batch_work, .write = batch_write,
                     .beside = batch_beside};
    int result = wt_cluster_size() > 1 ? ranks_run(r, err) : wt_pipeline_run(&p, err);
    wt_in_close(r->in);
    r->in = NULL;
    return result;
}

/* ---- begin and end ---- */

static int note_read(run *r, wt_str note, wt_err *err) {
    wt_json json, value;
    wt_json_iter it;
    int64_t file, line, part, n = 0;
    if (wt_json_parse(note, &json, err) || wt_json_i64(wt_json_get(json, "file"), &file) ||
        wt_json_i64(wt_json_get(json, "line"), &line) || wt_json_i64(wt_json_get(json, "part"), &part) ||
        wt_json_iter_init(&it, wt_json_get(json, "counters"), err))
        return wt_fail(err, WT_EDATA, "the saved run's note is damaged");
    while (n < N_COUNTERS && wt_json_next(&it, NULL, &value, err) > 0) {
        int64_t x = 0;
        wt_json_i64(value, &x);
        r->counter[n++] = (uint64_t)x;
    }
    r->at = r->written = (place){(uint64_t)file, (uint64_t)line};
    r->i_part = (uint64_t)part;
    r->docs_read = r->counter[N_IN];
    return 0;
}

static bool note_is_ours(const run *r, wt_str note) {
    wt_json json;
    return wt_json_parse(note, &json, NULL) == 0 &&
           wt_str_eq(wt_json_get(json, "run").raw, wt_str_of(r->run_name));
}

/* Sets r->d from the saved run, from --state, or new. *done: the state holds this run already. */
static int load_or_make(run *r, bool *done, wt_err *err) {
    const corpus_job *job = r->job;
    char *saved = r->work_dir ? wt_path_join(r->work_dir, "saved") : NULL;
    wt_buf note = {0};
    int result = 0;
    *done = false;
    if (saved && wt_exists(saved)) {
        r->d = dedup_load(saved, &job->all.rules, &note, err);
        if (!r->d || note_read(r, wt_buf_view(&note), err)) result = -1;
        else wt_info("continuing behind document %llu", (unsigned long long)r->counter[N_IN]);
    } else if (job->state && wt_exists(job->state)) {
        r->d = dedup_load(job->state, &job->all.rules, &note, err);
        if (!r->d) result = -1;
        else if (note_is_ours(r, wt_buf_view(&note))) {
            *done = true;
            result = note_read(r, wt_buf_view(&note), err);
        }
    } else if (!(r->d = dedup_new(&job->all.rules, err))) {
        result = -1;
    }
    free(saved);
    wt_buf_free(&note);
    return result;
}

static int publish(run *r, wt_err *err) {
    if (close_part(r, err)) return -1;
    int result = r->to_folder && wt_cluster_rank() == 0 ? parts_join_dropped(r->job->all.output, r->work_dir, r->i_part, (wt_str){0}, err) : 0;
    if (wt_cluster_agree(result, err)) return -1;
    return r->job->state ? save(r, r->job->state, err) : 0;
}

static void report(run *r) {
    static const char *const names[N_CAUSE] = {"documents in", "documents out", "bytes in", "bytes out",
                                               "paragraphs removed", "lines too long", "documents marked"};
    for (int i = 0; i < N_CAUSE; i++)
        if (r->counter[i] || i < N_PARAGRAPHS) wt_report_count(names[i], r->counter[i]);
    bool marks = r->job->mode != CORPUS_DROP;
    for (int i = DEDUP_NOT_JSON; i < DEDUP_N_CAUSES; i++)
        if (r->counter[N_CAUSE + i]) {
            char name[64];
            snprintf(name, sizeof name, "marked %s", dedup_cause_name((dedup_cause)i));
            if (marks && i != DEDUP_NOT_JSON) wt_report_count(name, r->counter[N_CAUSE + i]);
            else wt_report_drop(dedup_cause_name((dedup_cause)i), r->counter[N_CAUSE + i]);
        }
    if (r->counter[N_TOO_LONG]) wt_report_drop("line too long", r->counter[N_TOO_LONG]);
    wt_buf json = {0}, warnings = {0};
    dedup_describe(r->d, r->job->all.threads, &json, &warnings);
    wt_report_json("filters", wt_buf_view(&json));
    wt_str rest = wt_buf_view(&warnings);
    while (rest.len > 0) {
        wt_str line = wt_str_cut(&rest, '\n');
        wt_warn("%.*s", WT_FMT(line));
    }
    wt_buf_free(&json);
    wt_buf_free(&warnings);
}

static int check_read_only(const run *r, wt_err *err) {
    if (r->job->n_read_only == 0) return 0;
    dedup_read_only_counts c = dedup_read_only_stats(r->d);
    wt_report_count("read-only keys loaded", c.keys_loaded);
    wt_report_count("read-only keys tested", c.keys_tested);
    wt_report_count("read-only keys hit", c.keys_hit);
    if (c.keys_loaded && (c.keys_tested || r->counter[N_IN] == 0)) return 0;
    return wt_fail(err, WT_EDATA, "the read-only sets did nothing: %llu keys loaded, %llu tested",
                   (unsigned long long)c.keys_loaded, (unsigned long long)c.keys_tested);
}

static int run_passes(run *r, wt_err *err) {
    if (r->job->all.rules.paragraphs && r->job->all.rules.paragraph_count && r->counter[N_IN] == 0) {
        r->counting = true;
        wt_progress_begin("counting paragraphs", "documents", 0);
        int result = pipeline_run(r, err);
        wt_progress_end();
        if (result) return -1;
        r->counting = false;
        r->at = (place){0};
        r->part_bytes = r->docs_read = 0;
    }
    if (open_part(r, err)) return -1;
    wt_progress_begin("judging", "documents", 0);
    int result = pipeline_run(r, err);
    wt_progress_end();
    return result;
}

static int run_all(run *r, wt_err *err) {
    bool done = false;
    int result = load_or_make(r, &done, err);
    for (size_t i = 0; i < r->job->n_read_only && !result; i++)
        result = dedup_read_only(r->d, r->job->read_only[i], err);
    if (wt_cluster_agree(result, err)) return -1;
    if (!done && (run_passes(r, err) || publish(r, err))) return -1;
    report(r);
    return done ? 0 : check_read_only(r, err);
}

static bool is_file_name(const char *output) {
    wt_str s = wt_str_of(output);
    for (int i = 0; WT_JSONL_SUFFIXES[i]; i++)
        if (wt_str_ends(s, wt_str_of(WT_JSONL_SUFFIXES[i]))) return !wt_is_dir(output);
    return strcmp(output, "-") == 0 || (wt_exists(output) && !wt_is_dir(output));
}

static void run_free(run *r) {
    wt_frames_abort(r->kept);
    wt_frames_abort(r->dropped);
    rank_frames_abort(r->all_kept);
    rank_frames_abort(r->all_dropped);
    wt_press_free(r->press);
    wt_in_close(r->in);
    dedup_free(r->d);
    wt_arena_free(r->arena);
    wt_buf_free(&r->scratch);
    free(r->work_dir);
}

/* A state that holds this very run is good for continuing it, not for a fresh start. */
static int check_state_is_before(run *r, int begin, wt_err *err) {
    wt_buf note = {0};
    if (begin != WT_RUN_FRESH || !r->job->state || !wt_exists(r->job->state)) return 0;
    int result = dedup_load_note(r->job->state, &note, err);
    if (!result && note_is_ours(r, wt_buf_view(&note)))
        result = wt_fail(err, WT_EEXIST, "state '%s' holds the documents of this very run already; give it as "
                         "it was before, or another name", r->job->state);
    wt_buf_free(&note);
    return result;
}

int corpus_run(const corpus_job *job, wt_err *err) {
    wt_str state = wt_str_of(job->state);             /* refused now, not when all is done */
    if (wt_str_ends(state, WT_STR(".zst")) || wt_str_ends(state, WT_STR(".gz")))
        return wt_fail(err, WT_EARG, "state '%s': filters do not compress; choose a name without .zst or .gz", job->state);
    run r = {.job = job, .arena = wt_arena_new(0), .press = wt_press_new(job->all.threads)};
    r.to_folder = job->all.output && !is_file_name(job->all.output);
    wt_str output = wt_str_of(job->all.output ? job->all.output : "-");
    snprintf(r.run_name, sizeof r.run_name, "%016llx",
             (unsigned long long)wt_hash64(job->all.key.ptr, job->all.key.len, wt_hash64(output.ptr, output.len, 0)));
    bool stdout_only = !job->all.output || strcmp(job->all.output, "-") == 0;
    int begin = wt_run_begin(stdout_only ? NULL : job->all.output, r.to_folder, job->all.key, job->all.force, err);
    int result = begin < 0 ? -1 : 0;
    if (!result && begin != WT_RUN_DONE && !(result = check_state_is_before(&r, begin, err))) {
        if (r.to_folder) {
            r.work_dir = wt_path_join(job->all.output, ".state");
            result = wt_mkdirs(r.work_dir, err);
        }
        if (!result) result = run_all(&r, err);
        if (!result && r.work_dir && wt_cluster_rank() == 0) result = wt_remove_tree(r.work_dir, err);
        if (!result && !stdout_only) result = wt_run_finish(job->all.output, r.to_folder, job->all.key, err);
    }
    run_free(&r);
    return result;
}

void corpus_key(const corpus_job *job, wt_buf *key) {
    wt_buf_printf(key, "{\"rules\":");
    dedup_rules_write(&job->all.rules, key);
    wt_buf_printf(key, ",\"threshold\":%.17g,\"bytes_per_doc\":%.17g,\"overlap\":%.17g,\"rate\":%.17g,"
                  "\"expect\":%llu,\"mode\":%d,\"part_bytes\":%llu,\"limit\":%llu,\"state\":",
                  job->all.rules.threshold, job->all.rules.bytes_per_doc, job->all.rules.overlap, job->all.rules.fp_rate,
                  (unsigned long long)job->all.rules.expect, (int)job->mode,
                  (unsigned long long)job->all.part_bytes, (unsigned long long)job->all.limit);
    wt_json_add_string(key, wt_str_of(job->state ? job->state : ""));
    wt_buf_printf(key, ",\"read_only\":[");
    for (size_t i = 0; i < job->n_read_only; i++) wt_run_key_input(key, job->read_only[i]);
    wt_buf_printf(key, "],\"inputs\":[");
    for (size_t i = 0; i < job->all.inputs->n; i++) wt_run_key_input(key, job->all.inputs->path[i]);
    wt_buf_printf(key, "]}");
}

/* corpus.c - the run over files.
 *
 * The input is cut into batches of lines, wherever files begin and end (lines.h). Each thread reads a batch, parses
 * it and makes its keys; whoever is free then judges the batches that are next in order and writes their lines as
 * they came (fates.h). Parts of the output end where part_bytes of input have gone by, which no decision moves.
 * On several ranks a batch is read and parsed, and its lines are written, by one of them; all judge every batch, each
 * with the filters it owns (rounds.h, rank_frames.h).
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
#include "common/hash.h"
#include "common/json.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "dedup/fates.h"
#include "dedup/lines.h"
#include "dedup/rounds.h"

enum { BATCH_BYTES = 4 << 20, BATCHES_IN_ROUND = 4 };

/* Counters, in the order they have in the saved note. */
enum { N_IN, N_KEPT, BYTES_IN, BYTES_KEPT, N_PARAGRAPHS, N_TOO_LONG, N_MARKED, N_CAUSE, N_COUNTERS = N_CAUSE + DEDUP_N_CAUSES };

typedef struct {
    lines_batch lines;          /* of another rank: where it lies */
    wt_str *id;                 /* of each, as it may be written; NULL: not plain */
    size_t id_cap;
    dedup_batch **keys;         /* of judge_docs documents each */
    size_t n_keys, keys_cap;    /* keys_cap of them were made */
    wt_arena *arena;
} batch;

typedef struct {
    const corpus_job *job;
    dedup *d;
    bool counting;              /* the first pass of paragraph_count */
    bool to_folder;
    bool limit_reached;
    size_t judge_docs;
    uint64_t docs_judged;
    char *work_dir;             /* OUT/.state; NULL where nothing can be continued */
    lines *in;
    wt_press *press;
    part_files part;
    fates fates;
    uint64_t i_part, bytes_since_save;
    lines_place written;
    uint64_t counter[N_COUNTERS];   /* of this rank: their sum counts */
    char run_name[20];
} run;

/* ---- reading and working ---- */

static int batch_read(void *ctx, void *item, wt_err *err) {
    run *r = ctx;
    if (__atomic_load_n(&r->limit_reached, __ATOMIC_RELAXED)) return 0;
    return lines_next(r->in, &((batch *)item)->lines, err);
}

static void *batch_new(void *ctx) {
    batch *b = wt_xcalloc(1, sizeof *b);
    b->arena = wt_arena_new(1 << 20);
    return b;
}
static void batch_free(void *ctx, void *item) {
    batch *b = item;
    for (size_t i = 0; i < b->keys_cap; i++) dedup_batch_free(b->keys[i]);
    wt_arena_free(b->arena);
    lines_batch_free(&b->lines);
    free(b->keys), free(b->id);
    free(b);
}

/* The next keys, empty. */
static dedup_batch *keys_begin(batch *b) {
    size_t made = b->keys_cap;
    WT_GROW(b->keys, b->keys_cap, b->n_keys + 1);
    for (; made < b->keys_cap; made++) b->keys[made] = dedup_batch_new();
    dedup_batch_clear(b->keys[b->n_keys]);
    return b->keys[b->n_keys++];
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

static void document_keys(const run *r, batch *b, dedup_batch *keys, size_t i) {
    bool want_url = r->job->all.rules.urls || r->job->n_read_only > 0, want_text = dedup_wants_text(r->d);
    wt_json field[N_FIELDS];
    wt_arena_reset(b->arena);
    b->id[i] = (wt_str){0};
    if (wt_json_pick(b->lines.line[i], FIELDS, N_FIELDS, field, NULL)) {
        dedup_batch_skip(keys, DEDUP_NOT_JSON);
        return;
    }
    if (is_plain(field[F_ID])) b->id[i] = field[F_ID].raw;
    wt_str text = field[F_TEXT].kind != WT_JSON_STRING ? (wt_str){0}
                  : !want_text && has_text(field[F_TEXT]) ? field[F_TEXT].raw
                                                          : wt_json_string(field[F_TEXT], b->arena);
    if (wt_str_trim(text).len == 0) dedup_batch_skip(keys, DEDUP_NO_TEXT);
    else dedup_batch_add(r->d, keys, text, want_url ? url_of(field, b->arena) : (wt_str){0});
}

static int batch_work(void *ctx, void *item, int i_thread, wt_err *err) {
    const run *r = ctx;
    batch *b = item;
    dedup_batch *keys = NULL;
    lines_split(&b->lines);
    WT_GROW(b->id, b->id_cap, b->lines.n);
    b->n_keys = 0;
    for (size_t i = 0; i < b->lines.n; i++) {
        if (i % r->judge_docs == 0) keys = keys_begin(b);
        document_keys(r, b, keys, i);
    }
    return 0;
}

/* ---- parts ---- */

static char *part_path(const run *r, bool dropped) {
    wt_buf b = {0};
    if (!r->job->all.output) return NULL;
    if (r->to_folder) return dropped ? parts_dropped_path(r->work_dir, r->i_part) : parts_kept_path(r->job->all.output, r->i_part);
    wt_buf_printf(&b, "%s%s", r->job->all.output, dropped ? ".dropped.jsonl.zst" : "");
    return b.ptr;
}

static int open_part(run *r, wt_err *err) {
    char *kept = part_path(r, false), *dropped = part_path(r, true);
    int result = part_open(&r->part, kept, dropped, r->i_part, r->press, r->job->all.threads, err);
    free(kept);
    free(dropped);
    return result;
}

static int close_part(run *r, wt_err *err) {
    wt_buf provenance = {0};
    r->i_part++;
    if (r->job->all.output) wt_provenance(&provenance, r->job->all.key);
    int result = part_commit(&r->part, wt_buf_view(&provenance), err);
    wt_buf_free(&provenance);
    return result;
}

/* Of all ranks. */
static void count_all(const run *r, uint64_t count[N_COUNTERS]) {
    memcpy(count, r->counter, sizeof r->counter);
    wt_cluster_sum_u64(count, N_COUNTERS);
}

static void note_write(const run *r, wt_buf *out) {
    uint64_t count[N_COUNTERS];
    count_all(r, count);
    wt_buf_printf(out, "{\"run\":\"%s\",\"file\":%llu,\"byte\":%llu,\"part\":%llu,\"counters\":[", r->run_name,
                  (unsigned long long)r->written.i_file, (unsigned long long)r->written.byte,
                  (unsigned long long)r->i_part);
    for (int i = 0; i < N_COUNTERS; i++) wt_buf_printf(out, "%s%llu", i ? "," : "", (unsigned long long)count[i]);
    wt_buf_printf(out, "]}");
}

static int save(const run *r, const char *path, wt_err *err) {
    wt_buf note = {0};
    note_write(r, &note);
    int result = dedup_save(r->d, path, wt_buf_view(&note), err);
    wt_buf_free(&note);
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

/* ---- judging and writing ---- */

static void document_count(run *r, wt_str line, const dedup_verdict *v) {
    corpus_mode mode = r->job->mode;
    bool keep = fate_keeps(mode, v);
    r->counter[N_CAUSE + v->cause]++;
    r->counter[N_MARKED] += fate_marks(mode, v);
    r->counter[N_KEPT] += keep;
    r->counter[BYTES_KEPT] += keep ? line.len + 1 : 0;
    if (keep && mode == CORPUS_DROP) r->counter[N_PARAGRAPHS] += v->n_removed;
}

static int write_lines(run *r, const batch *b, wt_err *err) {
    size_t n = 0;
    for (size_t k = 0; k < b->n_keys; k++)
        for (size_t i = 0; i < dedup_batch_size(b->keys[k]); i++, n++) {
            dedup_verdict v = dedup_batch_verdict(b->keys[k], i);
            document_count(r, b->lines.line[n], &v);
            if (fate_write(&r->fates, b->lines.line[n], b->id[n], &v, err)) return -1;
        }
    r->counter[N_IN] += n;
    r->counter[BYTES_IN] += lines_bytes(&b->lines, n);
    r->counter[N_TOO_LONG] += b->lines.n_too_long;
    return 0;
}

/* Behind the limit there are no documents. */
static int batch_judge(run *r, batch *b, wt_err *err) {
    int threads = r->job->all.threads;                /* those between two batches help with the filters */
    for (size_t k = 0; k < b->n_keys; k++) {
        dedup_batch *keys = b->keys[k];
        size_t n = dedup_batch_size(keys);
        uint64_t left = r->job->all.limit ? r->job->all.limit - r->docs_judged : UINT64_MAX;
        if (n >= left) {
            dedup_batch_cut(keys, n = (size_t)left);
            __atomic_store_n(&r->limit_reached, true, __ATOMIC_RELAXED);
        }
        r->docs_judged += n;
        if (r->counting ? dedup_count_paragraphs(r->d, keys, threads, err) : dedup_judge(r->d, keys, threads, err)) return -1;
    }
    wt_progress_set(r->docs_judged);
    return 0;
}

static int batch_end(run *r, const batch *b, wt_err *err) {
    r->bytes_since_save += b->lines.n_bytes;
    r->written = b->lines.after;
    return b->lines.ends_part && !r->limit_reached ? end_part(r, err) : 0;
}

static int batch_write(void *ctx, void *item, wt_err *err) {
    run *r = ctx;
    batch *b = item;
    if (r->limit_reached) return 0;
    if (batch_judge(r, b, err)) return -1;
    return r->counting ? 0 : write_lines(r, b, err) || batch_end(r, b, err) ? -1 : 0;
}

/* ---- several ranks ---- */

/* A round ends with a part, as the filters are saved there. */
static uint64_t rank_ahead(void *ctx) { return lines_ahead(((const run *)ctx)->in); }
static int rank_go(void *ctx, uint64_t from, uint64_t to, wt_err *err) { return lines_go(((const run *)ctx)->in, from, to, err); }
static int rank_meet(void *ctx, const void *item, wt_err *err) { return lines_meet(((const run *)ctx)->in, &((const batch *)item)->lines, err); }

static void keys_pack(void *ctx, const void *item, wt_buf *bytes) {
    const run *r = ctx;
    const batch *b = item;
    lines_pack(&b->lines, bytes);
    pack_bytes(bytes, &b->n_keys, sizeof b->n_keys);
    for (size_t k = 0; k < b->n_keys; k++) dedup_batch_pack(r->d, b->keys[k], bytes);
}

static void keys_unpack(void *ctx, void *item, wt_str *bytes) {
    const run *r = ctx;
    batch *b = item;
    size_t n;
    lines_unpack(&b->lines, bytes);
    memcpy(&n, unpack_bytes(bytes).ptr, sizeof n);
    for (b->n_keys = 0; b->n_keys < n;) dedup_batch_unpack(r->d, keys_begin(b), bytes);
}

static int ranks_round(run *r, rounds *x, wt_err *err) {
    size_t n = 0;
    int result = 0;
    if (rounds_share(x, keys_pack, keys_unpack, err)) return -1;
    for (; n < rounds_size(x) && !r->limit_reached; n++)
        if (batch_judge(r, rounds_item(x, n), err)) return -1;
    if (r->counting) return 0;
    for (size_t i = 0; i < n && !result; i++)
        if (rounds_is_mine(x, i)) result = write_lines(r, rounds_item(x, i), err);
    if (wt_cluster_agree(result, err) || part_meet(&r->part, err)) return -1;
    for (size_t i = 0; i < n; i++)
        if (batch_end(r, rounds_item(x, i), err)) return -1;
    return 0;
}

static int ranks_run(run *r, wt_err *err) {
    rounds *x = rounds_new(&(rounds_config){.ctx = r, .threads = r->job->all.threads, .turns = BATCHES_IN_ROUND,
                                            .item_new = batch_new, .item_free = batch_free, .ahead = rank_ahead,
                                            .go = rank_go, .read = batch_read, .work = batch_work, .meet = rank_meet});
    int got;
    while ((got = rounds_next(x, err)) > 0 && (got = ranks_round(r, x, err)) == 0) {}
    rounds_free(x);
    return got;
}

static void batch_beside(void *ctx) { wt_press_work(((run *)ctx)->press); }

/* All of the input, from the place on that was reached. */
static int pass(run *r, wt_err *err) {
    wt_pipeline p = {.ctx = r, .threads = r->job->all.threads, .stop_on_signal = true, .in_place = true, .item_new = batch_new,
                     .item_free = batch_free, .read = batch_read, .work = batch_work, .write = batch_write,
                     .beside = batch_beside};
    r->in = lines_new(r->job->all.inputs, BATCH_BYTES, r->to_folder ? r->job->all.part_bytes : 0);
    lines_begin_at(r->in, r->written, r->i_part);
    r->limit_reached = r->job->all.limit && r->docs_judged >= r->job->all.limit;
    int result = wt_cluster_size() > 1 ? ranks_run(r, err) : wt_pipeline_run(&p, err);
    lines_free(r->in);
    r->in = NULL;
    return result;
}

/* ---- begin and end ---- */

static int note_read(run *r, wt_str note, wt_err *err) {
    wt_json json, value;
    wt_json_iter it;
    int64_t file, byte, part, n = 0;
    if (wt_json_parse(note, &json, err) || wt_json_i64(wt_json_get(json, "file"), &file) ||
        wt_json_i64(wt_json_get(json, "byte"), &byte) || wt_json_i64(wt_json_get(json, "part"), &part) ||
        wt_json_iter_init(&it, wt_json_get(json, "counters"), err))
        return wt_fail(err, WT_EDATA, "the saved run's note is damaged");
    while (n < N_COUNTERS && wt_json_next(&it, NULL, &value, err) > 0) {
        int64_t x = 0;
        wt_json_i64(value, &x);
        r->counter[n++] = (uint64_t)x;
    }
    r->written = (lines_place){(uint64_t)file, (uint64_t)byte};
    r->i_part = (uint64_t)part;
    r->docs_judged = r->counter[N_IN];
    if (wt_cluster_rank() > 0) memset(r->counter, 0, sizeof r->counter);
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
        else wt_info("continuing behind document %llu", (unsigned long long)r->docs_judged);
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

static void report(const run *r) {
    static const char *const names[N_CAUSE] = {"documents in", "documents out", "bytes in", "bytes out",
                                               "paragraphs removed", "lines too long", "documents marked"};
    uint64_t count[N_COUNTERS];
    count_all(r, count);
    for (int i = 0; i < N_CAUSE; i++)
        if (count[i] || i < N_PARAGRAPHS) wt_report_count(names[i], count[i]);
    bool marks = r->job->mode != CORPUS_DROP;
    for (int i = DEDUP_NOT_JSON; i < DEDUP_N_CAUSES; i++)
        if (count[N_CAUSE + i]) {
            char name[64];
            snprintf(name, sizeof name, "marked %s", dedup_cause_name((dedup_cause)i));
            if (marks && i != DEDUP_NOT_JSON) wt_report_count(name, count[N_CAUSE + i]);
            else wt_report_drop(dedup_cause_name((dedup_cause)i), count[N_CAUSE + i]);
        }
    if (count[N_TOO_LONG]) wt_report_drop("line too long", count[N_TOO_LONG]);
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
    if (c.keys_loaded && (c.keys_tested || r->docs_judged == 0)) return 0;
    return wt_fail(err, WT_EDATA, "the read-only sets did nothing: %llu keys loaded, %llu tested",
                   (unsigned long long)c.keys_loaded, (unsigned long long)c.keys_tested);
}

static int run_passes(run *r, wt_err *err) {
    if (r->job->all.rules.paragraphs && r->job->all.rules.paragraph_count && r->docs_judged == 0) {
        r->counting = true;
        wt_progress_begin("counting paragraphs", "documents", 0);
        int result = pass(r, err);
        wt_progress_end();
        if (result) return -1;
        r->counting = false;
        r->docs_judged = 0;
    }
    if (open_part(r, err)) return -1;
    wt_progress_begin("judging", "documents", 0);
    int result = pass(r, err);
    wt_progress_end();
    return result;
}

static int run_all(run *r, wt_err *err) {
    bool done = false;
    int result = load_or_make(r, &done, err);
    for (size_t i = 0; i < r->job->n_read_only && !result; i++)
        result = dedup_read_only(r->d, r->job->read_only[i], err);
    if (wt_cluster_agree(result, err)) return -1;
    r->judge_docs = dedup_batch_docs(r->d);
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
    part_abort(&r->part);
    wt_press_free(r->press);
    dedup_free(r->d);
    wt_arena_free(r->fates.arena);
    wt_buf_free(&r->fates.scratch);
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
    run r = {.job = job, .press = wt_press_new(job->all.threads)};
    r.fates = (fates){.mode = job->mode, .part = &r.part, .arena = wt_arena_new(0)};
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

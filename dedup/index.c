/* index.c - the index over files: pass 1 and pass 2, see index.h. In OUT/.state lie
 *   sketches   INDEX_BINS x 2 bytes a document
 *   documents  index_doc records
 *   ids        JSON, one behind the other
 *   batches    number of the first document behind each cut of the lines (lines.h), and of all
 *   bands-R-N  sorted runs of (band key, document); range R of the keys
 *   sketched   JSON; its presence says that the files above are complete
 *   decisions  index_decision records; its presence says that they are
 *   dropped-N  the dropped documents of part N, until all parts are written
 * Each pass reads the input in batches of lines, cut alike for any number of threads and ranks. On several ranks
 * (rounds.h) the folder is one that all of them see. In pass 1 each sketches its batches and writes them to
 * their places in the files; band keys go to the rank that owns their range. In pass 2 each makes the lines of its batches,
 * which knows by then how many documents lie before it. */
#include "dedup/index.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/doc.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/out.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "dedup/index_impl.h"
#include "dedup/lines.h"
#include "dedup/parts.h"
#include "dedup/rounds.h"
#include "dedup/words_impl.h"

/* Small batches, as a kilobyte for each of their documents is needed; many a round, as a round has frames to compress. */
enum { BATCH_BYTES = 1 << 20, BATCHES_IN_ROUND = 16 };
enum { BINS_BYTES = INDEX_BINS * sizeof(uint16_t) };

typedef struct {
    uint64_t docs_in, docs_out, bytes_in, bytes_out, too_long, dropped[DEDUP_N_CAUSES], marked[DEDUP_N_CAUSES];
} counters;

typedef struct {
    lines_batch lines;
    size_t n;                   /* documents; also of another rank's batch */
    uint64_t first;             /* number of the first of them */
    counters count;
    wt_arena *arena;
    /* pass 1 */
    index_doc *doc;
    uint16_t (*bins)[INDEX_BINS];
    uint64_t *band_keys;        /* n x n_bands */
    size_t doc_cap, bins_cap, keys_cap;
    wt_buf ids;
    uint64_t id_bytes;          /* ids.len, also of another rank's batch */
    u64_list words, shingles;
    /* pass 2 */
    wt_buf kept, dropped, attributes;
} batch;

typedef struct {
    const void *bytes;
    size_t n;
} mapped;

typedef struct {
    const index_job *job;
    char *dir;
    int min_matches, n_bands, n_ranges, *n_runs;
    uint64_t n_docs;
    counters count;
    /* reading */
    lines *in;
    bool limit_reached;
    /* pass 1 */
    u64_list firsts;            /* what goes to the file of batches */
    int sketches, documents, ids;   /* open files, or -1 */
    spill *bands;
    uint64_t id_at;
    /* pass 2 */
    mapped m_sketches, m_documents, m_ids, m_batches, m_decisions;
    wt_press *press;
    part_files part;
    uint64_t i_part;
} run;

static int my_rank(void) { return wt_cluster_rank(); }
static int n_ranks(void) { return wt_cluster_size(); }

/* ---- reading ---- */

/* In pass 2 there are as many batches as there were in pass 1. */
static int batch_read(void *ctx, void *item, wt_err *err) {
    run *r = ctx;
    batch *b = item;
    if (__atomic_load_n(&r->limit_reached, __ATOMIC_RELAXED)) return 0;
    b->count = (counters){0};
    int got = lines_next(r->in, &b->lines, err);
    return got > 0 && r->m_batches.bytes && b->lines.i_cut + 1 >= r->m_batches.n / sizeof(uint64_t) ? 0 : got;
}

static uint64_t turn_ahead(void *ctx) { return lines_ahead(((const run *)ctx)->in); }
static int turn_go(void *ctx, uint64_t from, uint64_t to, wt_err *err) { return lines_go(((const run *)ctx)->in, from, to, err); }
static int turn_meet(void *ctx, const void *item, wt_err *err) { return lines_meet(((const run *)ctx)->in, &((const batch *)item)->lines, err); }

static void *batch_new(void *ctx) {
    batch *b = wt_xcalloc(1, sizeof *b);
    b->arena = wt_arena_new(1 << 20);
    return b;
}

static void batch_free(void *ctx, void *item) {
    batch *b = item;
    wt_arena_free(b->arena);
    wt_buf *bufs[] = {&b->ids, &b->kept, &b->dropped, &b->attributes};
    for (int i = 0; i < 4; i++) wt_buf_free(bufs[i]);
    lines_batch_free(&b->lines);
    free(b->doc), free(b->bins), free(b->band_keys), free(b->words.at), free(b->shingles.at);
    free(b);
}

/* One pass over the input: pipeline on one rank, rounds on several. */
typedef struct {
    int (*work)(void *ctx, void *item, int i_thread, wt_err *err);
    int (*write)(void *ctx, void *item, wt_err *err);
    int (*round)(run *r, rounds *x, wt_err *err);
} stage;

static int rounds_run(run *r, const stage *s, wt_err *err) {
    rounds *x = rounds_new(&(rounds_config){.ctx = r, .threads = r->job->all.threads, .turns = BATCHES_IN_ROUND,
                                            .item_new = batch_new, .item_free = batch_free, .ahead = turn_ahead,
                                            .go = turn_go, .read = batch_read, .work = s->work, .meet = turn_meet});
    int got;
    while ((got = rounds_next(x, err)) > 0 && (got = s->round(r, x, err)) == 0) {}
    rounds_free(x);
    return got;
}

static int read_all(run *r, const char *label, const stage *s, wt_err *err) {
    wt_pipeline p = {.ctx = r, .threads = r->job->all.threads, .stop_on_signal = true, .item_new = batch_new,
                     .item_free = batch_free, .read = batch_read, .work = s->work, .write = s->write};
    r->in = lines_new(r->job->all.inputs, BATCH_BYTES, r->job->all.part_bytes);
    r->limit_reached = false;
    wt_progress_begin(label, "documents", r->n_docs);
    int result = n_ranks() > 1 ? rounds_run(r, s, err) : wt_pipeline_run(&p, err);
    wt_progress_end();
    lines_free(r->in);
    r->in = NULL;
    return result;
}

/* ---- sketches ---- */

void index_sketch(const dedup_rules *rules, wt_str text, u64_list *words, u64_list *shingles,
                  uint16_t bins[INDEX_BINS]) {
    uint32_t full[INDEX_BINS];
    words->n = shingles->n = 0;
    words_hash(rules->words, text, words);
    if (words->n >= (size_t)rules->shingle) {
        words_ngrams(words->at, words->n, rules->shingle, shingles);
    } else {
        bool none = words->n == 0;
        if (none) words_hash(WORDS_WHITESPACE, text, words);
        list_add(shingles, wt_mix64(words_key(words->at, words->n) + none));
    }
    for (size_t i = 0; rules->seed && i < shingles->n; i++)
        shingles->at[i] = wt_mix64(shingles->at[i] ^ wt_mix64(rules->seed));
    sketch_make(shingles->at, shingles->n, INDEX_BINS, full);
    /* Minima are small numbers: 16 of their bits say more once mixed. */
    for (int i = 0; i < INDEX_BINS; i++) bins[i] = (uint16_t)(wt_mix64(full[i] + UINT64_C(1)) >> 48);
}

enum { F_TEXT, F_ID, F_METADATA, N_FIELDS };
static const wt_str FIELDS[N_FIELDS] = {{"text", 4}, {"id", 2}, {"metadata", 8}};

/* Fields of a line, its text, and its id as JSON at the end of `id`. */
static dedup_cause line_look(wt_str line, wt_arena *arena, wt_json *field, wt_str *text, wt_buf *id) {
    wt_arena_reset(arena);
    bool broken = wt_json_pick(line, FIELDS, N_FIELDS, field, NULL) != 0;
    if (!broken && field[F_ID].kind == WT_JSON_STRING) wt_json_add_string(id, wt_json_string(field[F_ID], arena));
    else if (!broken && field[F_ID].kind == WT_JSON_NUMBER) wt_buf_add_str(id, field[F_ID].raw);
    else wt_buf_printf(id, "null");
    if (broken) return DEDUP_NOT_JSON;
    *text = field[F_TEXT].kind == WT_JSON_STRING ? wt_json_string(field[F_TEXT], arena) : (wt_str){0};
    return wt_str_trim(*text).len == 0 ? DEDUP_NO_TEXT : DEDUP_KEEP;
}

static double score_of(const index_job *job, const wt_json *field, wt_str text) {
    double score;
    if (strcmp(job->keep, "first") == 0) return 0;
    if (strcmp(job->keep, "longest") == 0) return (double)text.len;
    wt_json value = field[F_METADATA].kind == WT_JSON_OBJECT ? wt_json_get(field[F_METADATA], job->keep) : (wt_json){0};
    return wt_json_double(value, &score) || isnan(score) ? -INFINITY : score;
}

static void sketch_document(const run *r, batch *b, size_t i, wt_str text) {
    uint64_t *keys = b->band_keys + i * (size_t)r->n_bands;
    index_sketch(&r->job->all.rules, text, &b->words, &b->shingles, b->bins[i]);
    b->doc[i].sketch_hash = wt_hash64(b->bins[i], sizeof b->bins[i], 0);
    for (int band = 0; band < r->n_bands; band++) keys[band] = index_band_key(b->bins[i], band, r->n_bands);
}

static int sketch_work(void *ctx, void *item, int i_thread, wt_err *err) {
    const run *r = ctx;
    batch *b = item;
    lines_split(&b->lines);
    b->n = b->lines.n;
    b->ids.len = 0;
    WT_GROW(b->doc, b->doc_cap, b->n);
    WT_GROW(b->bins, b->bins_cap, b->n);
    WT_GROW(b->band_keys, b->keys_cap, b->n * (size_t)r->n_bands);
    if (b->n) memset(b->doc, 0, b->n * sizeof *b->doc), memset(b->bins, 0, b->n * sizeof *b->bins);
    for (size_t i = 0; i < b->n; i++) {
        wt_json field[N_FIELDS];
        wt_str text;
        size_t id_at = b->ids.len;
        dedup_cause cause = line_look(b->lines.line[i], b->arena, field, &text, &b->ids);
        b->doc[i].id_at = id_at;
        b->doc[i].id_bytes = (uint32_t)(b->ids.len - id_at);
        b->doc[i].cause = cause;
        if (cause != DEDUP_KEEP) continue;
        b->doc[i].score = score_of(r->job, field, text);
        sketch_document(r, b, i, text);
    }
    b->id_bytes = b->ids.len;
    return 0;
}

static int put(int file, const void *bytes, size_t n, uint64_t at, wt_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t wrote = pwrite(file, (const char *)bytes + done, n - done, (off_t)(at + done));
        if (wrote < 0) return wt_fail_errno(err, "cannot write the index");
        done += (size_t)wrote;
    }
    return 0;
}

/* The batch's place among the documents, which those before it tell; behind the limit there are none. */
static int batch_place(run *r, batch *b, wt_err *err) {
    uint64_t left = r->job->all.limit ? r->job->all.limit - r->n_docs : UINT64_MAX;
    if (b->n >= left) {
        b->n = (size_t)left;
        __atomic_store_n(&r->limit_reached, true, __ATOMIC_RELAXED);
    }
    b->first = r->n_docs;
    if (r->n_docs + b->n >= UINT32_MAX) return wt_fail(err, WT_ELIMIT, "an index holds up to 2^32 - 2 documents");
    while (r->firsts.n <= b->lines.i_cut) list_add(&r->firsts, b->first);
    r->n_docs += b->n;
    wt_progress_set(r->n_docs);
    return 0;
}

/* Its records go where its first document's place is, its ids behind those of the batches before. */
static int batch_store(const run *r, batch *b, wt_err *err) {
    for (size_t i = 0; i < b->n; i++) b->doc[i].id_at += r->id_at;
    return put(r->sketches, b->bins, b->n * BINS_BYTES, b->first * BINS_BYTES, err) ||
           put(r->documents, b->doc, b->n * sizeof b->doc[0], b->first * sizeof b->doc[0], err) ||
           put(r->ids, b->ids.ptr, b->ids.len, r->id_at, err) ? -1 : 0;
}

static spill_record band_record(const run *r, const batch *b, size_t i, int band) {
    return (spill_record){b->band_keys[i * (size_t)r->n_bands + (size_t)band], b->first + i};
}

static int sketch_write(void *ctx, void *item, wt_err *err) {
    run *r = ctx;
    batch *b = item;
    if (r->limit_reached) return 0;
    if (batch_place(r, b, err)) return -1;
    for (size_t i = 0; i < b->n; i++)
        for (int band = 0; b->doc[i].cause == DEDUP_KEEP && band < r->n_bands; band++) {
            spill_record record = band_record(r, b, i, band);
            if (spill_add(r->bands, record.key, record.value, err)) return -1;
        }
    if (batch_store(r, b, err)) return -1;
    r->id_at += b->id_bytes;
    return 0;
}

/* ---- sketches, several ranks ---- */

static void sizes_pack(void *ctx, const void *item, wt_buf *bytes) {
    const batch *b = item;
    uint64_t sizes[2] = {b->n, b->id_bytes};
    lines_pack(&b->lines, bytes);
    pack_bytes(bytes, sizes, sizeof sizes);
}
static void sizes_unpack(void *ctx, void *item, wt_str *bytes) {
    batch *b = item;
    uint64_t sizes[2];
    lines_unpack(&b->lines, bytes);
    memcpy(sizes, unpack_bytes(bytes).ptr, sizeof sizes);
    b->n = sizes[0], b->id_bytes = sizes[1];
}

/* Range i of n has the keys from 2^64 / n * i on. */
static int range_of(uint64_t key, int n_ranges) { return (int)((unsigned __int128)key * (unsigned)n_ranges >> 64); }

/* My band keys of the first n batches go to their owners, those of my range come here. */
static int bands_exchange(run *r, const rounds *x, size_t n_batches, wt_err *err) {
    int size = n_ranks(), result = 0;
    wt_buf *to = wt_xcalloc((size_t)size, sizeof *to);
    for (size_t k = 0; k < n_batches; k++) {
        const batch *b = rounds_item(x, k);
        for (size_t i = 0; rounds_is_mine(x, k) && i < b->n; i++)
            for (int band = 0; b->doc[i].cause == DEDUP_KEEP && band < r->n_bands; band++) {
                spill_record record = band_record(r, b, i, band);
                wt_buf_add(&to[range_of(record.key, size)], &record, sizeof record);
            }
    }
    void **part = wt_xcalloc((size_t)size, sizeof *part), *all;
    size_t *send = wt_xcalloc(2 * (size_t)size, sizeof *send), n = 0;
    for (int i = 0; i < size; i++) part[i] = to[i].ptr, send[i] = to[i].len;
    wt_cluster_exchange(part, send, &all, send + size);
    for (int i = 0; i < size; i++) n += send[size + i] / sizeof(spill_record);
    const spill_record *record = all;
    for (size_t i = 0; i < n && !result; i++) result = spill_add(r->bands, record[i].key, record[i].value, err);
    for (int i = 0; i < size; i++) wt_buf_free(&to[i]);
    free(to), free(part), free(send), free(all);
    return result;
}

static int sketch_round(run *r, rounds *x, wt_err *err) {
    size_t n = 0;
    if (rounds_share(x, sizes_pack, sizes_unpack, err)) return -1;
    for (; n < rounds_size(x) && !r->limit_reached; n++)
        if (batch_place(r, rounds_item(x, n), err)) return -1;
    int result = bands_exchange(r, x, n, err);
    for (size_t i = 0; i < n && !result; i++) {
        batch *b = rounds_item(x, i);
        if (rounds_is_mine(x, i)) result = batch_store(r, b, err);
        r->id_at += b->id_bytes;
    }
    return wt_cluster_agree(result, err);
}

static const stage SKETCHING = {sketch_work, sketch_write, sketch_round};

/* ---- the files of the index ---- */

static int file_open(const run *r, const char *name, int flags, int *file, wt_err *err) {
    char *path = wt_path_join(r->dir, name);
    *file = open(path, O_WRONLY | O_CLOEXEC | flags, 0666);
    int result = *file < 0 ? wt_fail_errno(err, "cannot write '%s'", path) : 0;
    free(path);
    return result;
}

/* Empty files, by one rank; then open on all. */
static int files_open(run *r, wt_err *err) {
    const char *name[] = {"sketches", "documents", "ids"};
    int *file[] = {&r->sketches, &r->documents, &r->ids}, result = 0;
    for (int i = 0; i < 3 && my_rank() == 0 && !result; i++) result = file_open(r, name[i], O_CREAT | O_TRUNC, file[i], err);
    if (wt_cluster_agree(result, err)) return -1;
    for (int i = 0; i < 3 && my_rank() > 0 && !result; i++) result = file_open(r, name[i], 0, file[i], err);
    return result;
}

static int files_close(run *r, wt_err *err) {
    int *file[] = {&r->sketches, &r->documents, &r->ids}, result = 0;
    for (int i = 0; i < 3; i++) {
        if (fsync(*file[i]) && !result) result = wt_fail_errno(err, "cannot write the index");
        close(*file[i]);
        *file[i] = -1;
    }
    return result;
}

static int map_file(const run *r, const char *name, size_t bytes_wanted, mapped *m, wt_err *err) {
    char *path = wt_path_join(r->dir, name);
    int64_t bytes = wt_file_bytes(path);
    int file = open(path, O_RDONLY | O_CLOEXEC), result = 0;
    if (file < 0) result = wt_fail_errno(err, "cannot read '%s'", path);
    else if (bytes_wanted && (uint64_t)bytes != bytes_wanted)
        result = wt_fail(err, WT_EDATA, "'%s' has %lld bytes, not %zu; remove its folder", path, (long long)bytes, bytes_wanted);
    else if (bytes > 0 && (m->bytes = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, file, 0)) == MAP_FAILED) {
        m->bytes = NULL;
        result = wt_fail_errno(err, "cannot map '%s'", path);
    } else m->n = (size_t)bytes;
    if (file >= 0) close(file);
    free(path);
    return result;
}

static void unmap(mapped *m) {
    if (m->bytes) munmap((void *)m->bytes, m->n);
    *m = (mapped){0};
}

/* How many runs each range has, from its rank to all. */
static void tell_runs(run *r, int n_mine) {
    uint64_t *told = wt_xcalloc((size_t)n_ranks(), sizeof *told);
    told[my_rank()] = (uint64_t)n_mine;
    wt_cluster_sum_u64(told, (size_t)n_ranks());
    r->n_ranges = n_ranks();
    r->n_runs = wt_xcalloc((size_t)r->n_ranges, sizeof *r->n_runs);
    for (int i = 0; i < r->n_ranges; i++) r->n_runs[i] = (int)told[i];
    free(told);
}

static int mark_sketched(const run *r, const char *path, wt_err *err) {
    wt_buf json = {0};
    wt_buf_printf(&json, "{\"documents\":%llu,\"runs\":[", (unsigned long long)r->n_docs);
    for (int i = 0; i < r->n_ranges; i++) wt_buf_printf(&json, "%s%d", i ? "," : "", r->n_runs[i]);
    wt_buf_printf(&json, "]}\n");
    int result = wt_write_file(path, wt_buf_view(&json), err);
    wt_buf_free(&json);
    return result;
}

static int batches_write(run *r, wt_err *err) {
    char *path = wt_path_join(r->dir, "batches");
    list_add(&r->firsts, r->n_docs);
    int result = wt_write_file(path, (wt_str){(const char *)r->firsts.at, r->firsts.n * sizeof *r->firsts.at}, err);
    free(path);
    return result;
}

static int index_build(run *r, const char *path, wt_err *err) {
    int n_runs = 0, result = files_open(r, err);
    if (!result && !(r->bands = spill_new(r->dir, "bands", my_rank(), r->job->memory, err))) result = -1;
    if (wt_cluster_agree(result, err) || read_all(r, "sketching", &SKETCHING, err)) return -1;
    if ((n_runs = spill_end(r->bands, err)) < 0) result = -1;
    spill_free(r->bands);
    r->bands = NULL;
    if (!result) result = files_close(r, err);
    if (wt_cluster_agree(result, err)) return -1;
    tell_runs(r, n_runs);
    if (my_rank() == 0) result = batches_write(r, err);
    return wt_cluster_agree(result || my_rank() > 0 ? result : mark_sketched(r, path, err), err);
}

/* What mark_sketched() wrote: the ranges are as many as ranks there were then. */
static int index_load(run *r, const char *path, wt_err *err) {
    wt_buf text = {0};
    wt_json json, value;
    wt_json_iter it;
    int64_t docs, runs;
    int result = wt_read_file(path, 1 << 20, &text, err), got = 0;
    size_t cap = 0;
    if (!result && (wt_json_parse(wt_buf_view(&text), &json, err) || wt_json_i64(wt_json_get(json, "documents"), &docs) ||
                    wt_json_iter_init(&it, wt_json_get(json, "runs"), err))) result = -1;
    while (!result && (got = wt_json_next(&it, NULL, &value, err)) > 0) {
        if (wt_json_i64(value, &runs) || runs < 0 || runs > INT32_MAX) result = -1;
        WT_GROW(r->n_runs, cap, (size_t)r->n_ranges + 1);
        r->n_runs[r->n_ranges++] = (int)runs;
    }
    wt_buf_free(&text);
    if (result || got < 0) return wt_fail(err, WT_EDATA, "'%s' is damaged; remove its folder", path);
    r->n_docs = (uint64_t)docs;
    wt_info("the sketches of %llu documents are there", (unsigned long long)r->n_docs);
    return 0;
}

/* Files may appear while a slower rank looks: one looks for all. */
static bool is_there(const char *path) {
    bool there = my_rank() == 0 && wt_exists(path);
    return wt_cluster_any(there);
}

static int index_map(run *r, wt_err *err) {
    return map_file(r, "sketches", r->n_docs * INDEX_BINS * sizeof(uint16_t), &r->m_sketches, err) ||
           map_file(r, "documents", r->n_docs * sizeof(index_doc), &r->m_documents, err) ||
           map_file(r, "ids", 0, &r->m_ids, err) || map_file(r, "batches", 0, &r->m_batches, err) ? -1 : 0;
}

static int decide(run *r, const char *path, wt_err *err) {
    index_set set = {.dir = r->dir, .doc = r->m_documents.bytes, .bins = r->m_sketches.bytes, .n = r->n_docs,
                     .min_matches = r->min_matches, .n_ranges = r->n_ranges, .n_runs = r->n_runs, .threads = r->job->all.threads,
                     .memory = r->job->memory};
    bool writes = my_rank() == 0;
    size_t bytes = (r->n_docs + 1) * sizeof(index_decision);
    index_decision *decision = writes ? wt_big_alloc(bytes, "decisions", err) : NULL;
    if (wt_cluster_agree(writes && !decision, err)) return -1;
    wt_progress_begin("comparing", "band keys", 0);
    int result = index_decide(&set, decision, err);
    wt_progress_end();
    if (writes && !result) result = wt_write_file(path, (wt_str){(char *)decision, r->n_docs * sizeof *decision}, err);
    if (decision) wt_big_free(decision, bytes);
    return wt_cluster_agree(result, err);
}

/* ---- pass 2 ---- */

static wt_str id_of(const run *r, uint64_t number) {
    const index_doc *doc = (const index_doc *)r->m_documents.bytes + number;
    return (wt_str){(const char *)r->m_ids.bytes + doc->id_at, doc->id_bytes};
}

static void write_dropped(const run *r, batch *b, wt_str line, dedup_cause cause, wt_str id, index_decision d) {
    wt_buf *out = &b->dropped;
    b->count.dropped[cause]++;
    wt_buf_printf(out, "{\"id\":%.*s,\"cause\":\"%s\"", WT_FMT(id), dedup_cause_name(cause));
    if (cause == DEDUP_NEAR) {
        wt_str kept = id_of(r, d.kept);
        wt_buf_printf(out, ",\"score\":%.4g,\"kept_id\":%.*s,\"kept_number\":%u", (double)d.matches / INDEX_BINS,
                      WT_FMT(kept), d.kept);
    }
    wt_buf_printf(out, cause == DEDUP_NOT_JSON ? ",\"line\":" : ",\"document\":");
    if (cause == DEDUP_NOT_JSON) wt_json_add_string(out, line);
    else wt_buf_add_str(out, line);
    wt_buf_printf(out, "}\n");
}

/* Attributes, with the number of the kept document as the score of dedup__near_kept. */
static int write_marked(const run *r, batch *b, wt_str line, dedup_cause cause, index_decision d, wt_err *err) {
    wt_doc doc;
    wt_buf *attributes = &b->attributes;
    dedup_verdict v = {.cause = cause, .score = cause == DEDUP_NEAR ? (double)d.matches / INDEX_BINS : 0};
    if (wt_doc_parse(line, b->arena, &doc, err)) return -1;
    attributes->len = 0;
    marks_attributes(attributes, &v, doc.text);
    if (cause == DEDUP_NEAR) {
        attributes->len--;
        wt_buf_printf(attributes, ",\"dedup__near_kept\":[[0,%zu,%u]]}", marks_count_chars(doc.text), d.kept);
    }
    if (cause != DEDUP_KEEP) b->count.marked[cause]++;
    marks_document(&b->kept, r->job->mode, &doc, wt_buf_view(attributes), b->arena);
    return 0;
}

/* Documents of the batch as pass 1 found them. */
static int batch_again(const run *r, batch *b, wt_err *err) {
    const uint64_t *first = (const uint64_t *)r->m_batches.bytes + b->lines.i_cut;
    b->first = first[0];
    b->n = (size_t)(first[1] - first[0]);
    bool last = b->lines.i_cut + 2 == r->m_batches.n / sizeof *first;
    if (b->n == b->lines.n || (b->n < b->lines.n && last && r->job->all.limit)) return 0;
    return wt_fail(err, WT_EDATA, "%zu documents where there were %zu in the first pass; rerun with --force", b->lines.n, b->n);
}

static int write_work(void *ctx, void *item, int i_thread, wt_err *err) {
    const run *r = ctx;
    batch *b = item;
    lines_split(&b->lines);
    if (batch_again(r, b, err)) return -1;
    b->kept.len = b->dropped.len = 0;
    b->count.docs_in = b->n;
    b->count.bytes_in = lines_bytes(&b->lines, b->n);
    b->count.too_long = b->lines.n_too_long;
    for (size_t i = 0; i < b->n; i++) {
        wt_json field[N_FIELDS];
        wt_str text, line = b->lines.line[i];
        uint64_t number = b->first + i;
        b->ids.len = 0;
        dedup_cause cause = line_look(line, b->arena, field, &text, &b->ids);
        if (!wt_str_eq(wt_buf_view(&b->ids), id_of(r, number)))
            return wt_fail(err, WT_EDATA, "document %llu is not what it was in the first pass; rerun with --force",
                           (unsigned long long)number);
        index_decision d = ((const index_decision *)r->m_decisions.bytes)[number];
        if (cause == DEDUP_KEEP && d.kept != number) cause = DEDUP_NEAR;
        bool mark = r->job->mode != CORPUS_DROP && cause != DEDUP_NOT_JSON;
        if (cause != DEDUP_KEEP && !mark) {
            write_dropped(r, b, line, cause, wt_buf_view(&b->ids), d);
            continue;
        }
        b->count.docs_out++;
        b->count.bytes_out += line.len + 1;
        if (mark) {
            if (write_marked(r, b, line, cause, d, err)) return -1;
            continue;
        }
        wt_buf_add_str(&b->kept, line);
        wt_buf_add_char(&b->kept, '\n');
    }
    return 0;
}

static int open_part(run *r, wt_err *err) {
    char *kept = parts_kept_path(r->job->all.output, r->i_part), *dropped = parts_dropped_path(r->dir, r->i_part);
    int result = part_open(&r->part, kept, dropped, r->i_part, r->press, r->job->all.threads, err);
    free(kept), free(dropped);
    return result;
}

static int close_part(run *r, wt_err *err) {
    wt_buf json = {0};
    wt_provenance(&json, r->job->all.key);
    r->i_part++;
    int result = part_commit(&r->part, wt_buf_view(&json), err);
    wt_buf_free(&json);
    return result;
}

static void count_add(counters *to, const counters *from) {
    to->docs_in += from->docs_in, to->docs_out += from->docs_out, to->bytes_out += from->bytes_out;
    to->bytes_in += from->bytes_in, to->too_long += from->too_long;
    for (int i = 0; i < DEDUP_N_CAUSES; i++) to->dropped[i] += from->dropped[i], to->marked[i] += from->marked[i];
}

/* One by one, as frames end at lines. */
static int write_lines(rank_frames *f, wt_str all, wt_err *err) {
    while (all.len > 0) {
        size_t n = (size_t)((const char *)memchr(all.ptr, '\n', all.len) + 1 - all.ptr);
        if (rank_frames_write(f, (wt_str){all.ptr, n}, err)) return -1;
        all.ptr += n, all.len -= n;
    }
    return 0;
}

static int batch_put(run *r, const batch *b, wt_err *err) {
    count_add(&r->count, &b->count);
    return write_lines(r->part.kept, wt_buf_view(&b->kept), err) || write_lines(r->part.dropped, wt_buf_view(&b->dropped), err) ? -1 : 0;
}

static int batch_end(run *r, const batch *b, wt_err *err) {
    wt_progress_set(((const uint64_t *)r->m_batches.bytes)[b->lines.i_cut + 1]);
    return b->lines.ends_part && (close_part(r, err) || open_part(r, err)) ? -1 : 0;
}

static int write_batch(void *ctx, void *item, wt_err *err) { return batch_put(ctx, item, err) || batch_end(ctx, item, err) ? -1 : 0; }

static void place_pack(void *ctx, const void *item, wt_buf *bytes) { lines_pack(&((const batch *)item)->lines, bytes); }
static void place_unpack(void *ctx, void *item, wt_str *bytes) { lines_unpack(&((batch *)item)->lines, bytes); }

static int write_round(run *r, rounds *x, wt_err *err) {
    int result = 0;
    if (rounds_share(x, place_pack, place_unpack, err)) return -1;
    for (size_t i = 0; i < rounds_size(x) && !result; i++)
        if (rounds_is_mine(x, i)) result = batch_put(r, rounds_item(x, i), err);
    if (wt_cluster_agree(result, err) || part_meet(&r->part, err)) return -1;
    for (size_t i = 0; i < rounds_size(x); i++)
        if (batch_end(r, rounds_item(x, i), err)) return -1;
    return 0;
}

static const stage WRITING = {write_work, write_batch, write_round};

static int join_dropped(const run *r, wt_err *err) {
    wt_buf json = {0};
    wt_provenance(&json, r->job->all.key);
    int result = parts_join_dropped(r->job->all.output, r->dir, r->i_part, wt_buf_view(&json), err);
    wt_buf_free(&json);
    return result;
}

static int write_corpus(run *r, wt_err *err) {
    if (open_part(r, err) || read_all(r, "writing", &WRITING, err) || close_part(r, err)) return -1;
    wt_cluster_sum_u64((uint64_t *)&r->count, sizeof r->count / sizeof(uint64_t));
    if (r->count.docs_in != r->n_docs)
        return wt_fail(err, WT_EDATA, "%llu documents in the first pass and %llu in the second; rerun with --force",
                       (unsigned long long)r->n_docs, (unsigned long long)r->count.docs_in);
    return wt_cluster_agree(my_rank() == 0 ? join_dropped(r, err) : 0, err);
}

/* ---- the run ---- */

static void report(const run *r) {
    const counters *c = &r->count;
    wt_report_count("documents in", c->docs_in);
    wt_report_count("documents out", c->docs_out);
    wt_report_count("bytes in", c->bytes_in);
    wt_report_count("bytes out", c->bytes_out);
    wt_report_count("bands", (uint64_t)r->n_bands);
    for (int i = 1; i < DEDUP_N_CAUSES; i++)
        if (c->dropped[i]) wt_report_drop(dedup_cause_name((dedup_cause)i), c->dropped[i]);
    for (int i = 1; i < DEDUP_N_CAUSES; i++)
        if (c->marked[i]) {
            char name[64];
            snprintf(name, sizeof name, "marked %s", dedup_cause_name((dedup_cause)i));
            wt_report_count(name, c->marked[i]);
        }
    if (c->too_long) wt_report_drop("line too long", c->too_long);
}

static int run_all(run *r, wt_err *err) {
    char *sketched = wt_path_join(r->dir, "sketched"), *decided = wt_path_join(r->dir, "decisions");
    bool found = is_there(sketched), all_found = is_there(decided) && found;
    int result = found ? index_load(r, sketched, err) : index_build(r, sketched, err);
    if (!result) result = index_map(r, err);
    result = wt_cluster_agree(result, err);
    if (!result && !all_found) result = decide(r, decided, err);
    if (!result && my_rank() == 0) spill_remove(r->dir, "bands", r->n_ranges, r->n_runs);
    if (!result) result = wt_cluster_agree(map_file(r, "decisions", r->n_docs * sizeof(index_decision), &r->m_decisions, err), err);
    if (!result) result = write_corpus(r, err);
    if (!result) report(r);
    free(sketched), free(decided);
    return result;
}

static void run_free(run *r) {
    int files[] = {r->sketches, r->documents, r->ids};
    for (int i = 0; i < 3; i++)
        if (files[i] >= 0) close(files[i]);
    part_abort(&r->part);
    wt_press_free(r->press);
    spill_free(r->bands);
    mapped *maps[] = {&r->m_sketches, &r->m_documents, &r->m_ids, &r->m_batches, &r->m_decisions};
    for (int i = 0; i < 5; i++) unmap(maps[i]);
    free(r->firsts.at);
    free(r->n_runs);
    free(r->dir);
}

/* One rank makes the folder of the work, and one takes it away. */
static int work_dir_make(const run *r, bool fresh, wt_err *err) {
    int result = 0;
    if (my_rank() == 0 && fresh && wt_exists(r->dir)) result = wt_remove_tree(r->dir, err);
    if (my_rank() == 0 && !result) result = wt_mkdirs(r->dir, err);
    return wt_cluster_agree(result, err);
}

static int job_check(const index_job *job, wt_err *err) {
    if (!(job->all.rules.threshold >= 0.3 && job->all.rules.threshold <= 1))
        return wt_fail(err, WT_EARG, "similarity threshold %g is not in 0.3..1", job->all.rules.threshold);
    if (job->all.rules.shingle < 1 || job->all.rules.shingle > 1000)
        return wt_fail(err, WT_EARG, "shingles of %d words: give 1 to 1000", job->all.rules.shingle);
    for (size_t i = 0; i < job->all.inputs->n; i++)
        if (strcmp(job->all.inputs->path[i], "-") == 0)
            return wt_fail(err, WT_EARG, "an index reads its input twice: give files, not standard input");
    wt_str output = wt_str_of(job->all.output ? job->all.output : "-");
    bool file = wt_str_eq(output, WT_STR("-")) || (wt_exists(output.ptr) && !wt_is_dir(output.ptr));
    for (int i = 0; !file && WT_JSONL_SUFFIXES[i]; i++) file = wt_str_ends(output, wt_str_of(WT_JSONL_SUFFIXES[i]));
    return file ? wt_fail(err, WT_EARG, "an index writes into a folder: give -o FOLDER") : 0;
}

int index_run(const index_job *job, wt_err *err) {
    run r = {.job = job, .min_matches = index_matches_needed(job->all.rules.threshold), .sketches = -1, .documents = -1,
             .ids = -1};
    r.n_bands = index_bands(r.min_matches);
    if (job_check(job, err)) return -1;
    r.press = wt_press_new(job->all.threads);
    int begin = wt_run_begin(job->all.output, true, job->all.key, job->all.force, err), result = begin < 0 ? -1 : 0;
    if (!result && begin != WT_RUN_DONE) {
        r.dir = wt_path_join(job->all.output, ".state");
        result = work_dir_make(&r, begin == WT_RUN_FRESH, err);
        if (!result) result = run_all(&r, err);
        if (!result) result = wt_cluster_agree(my_rank() == 0 ? wt_remove_tree(r.dir, err) : 0, err);
        if (!result) result = wt_run_finish(job->all.output, true, job->all.key, err);
    }
    run_free(&r);
    return result;
}

void index_key(const index_job *job, wt_buf *key) {
    wt_buf_printf(key, "{\"index\":1,\"words\":\"%s\",\"shingle\":%d,\"threshold\":%.17g,\"seed\":%llu,\"keep\":",
                  words_rule_name(job->all.rules.words), job->all.rules.shingle, job->all.rules.threshold,
                  (unsigned long long)job->all.rules.seed);
    wt_json_add_string(key, wt_str_of(job->keep));
    if (job->mode != CORPUS_DROP) wt_buf_printf(key, ",\"mode\":%d", (int)job->mode);
    wt_buf_printf(key, ",\"part_bytes\":%llu,\"limit\":%llu,\"inputs\":[", (unsigned long long)job->all.part_bytes,
                  (unsigned long long)job->all.limit);
    for (size_t i = 0; i < job->all.inputs->n; i++) wt_run_key_input(key, job->all.inputs->path[i]);
    wt_buf_printf(key, "]}");
}

/* count_files.c - the words of whole files: a reader cuts them into pieces, workers count. On several ranks each counts its
 * share of the files, and facts are of all. */
#include <stdlib.h>

#include "bpe/count_impl.h"
#include "bpe/stream.h"
#include "common/cluster.h"
#include "common/pipeline.h"
#include "common/tool.h"

typedef struct {
    bpe_source source;
    bpe_counter *counter;
    wt_arena **arena;               /* of each thread */
    bpe_piece_facts facts;
} count_job;

typedef struct {
    bpe_piece piece;
    bpe_piece_facts facts;
} count_item;

typedef struct {
    bpe_counter *counter;
    int i_thread;
    bool mapped;
} take_ctx;

static void *count_item_new(void *ctx) { return wt_xcalloc(1, sizeof(count_item)); }
static void count_item_free(void *ctx, void *item) {
    bpe_piece_reset(&((count_item *)item)->piece);
    wt_buf_free(&((count_item *)item)->piece.bytes);
    free(item);
}

static int count_read(void *ctx, void *item, wt_err *err) {
    count_job *job = ctx;
    int more = bpe_source_read(&job->source, &((count_item *)item)->piece, err);
    wt_progress_set(bpe_source_position(&job->source));
    return more;
}

static int count_take(void *ctx, wt_str text, wt_err *err) {
    take_ctx *t = ctx;
    return t->mapped ? bpe_counter_add_mapped(t->counter, t->i_thread, text, err)
                     : bpe_counter_add(t->counter, t->i_thread, text, err);
}

static int count_work(void *ctx, void *item, int i_thread, wt_err *err) {
    count_job *job = ctx;
    count_item *it = item;
    take_ctx take = {job->counter, i_thread, it->piece.mapped.ptr != NULL};
    it->facts = (bpe_piece_facts){0};
    return bpe_piece_each(&job->source, &it->piece, job->arena[i_thread], count_take, &take, &it->facts, err);
}

static int count_write(void *ctx, void *item, wt_err *err) {
    count_job *job = ctx;
    const bpe_piece_facts *f = &((count_item *)item)->facts;
    job->facts.documents += f->documents, job->facts.bytes += f->bytes;
    job->facts.not_json += f->not_json, job->facts.no_text += f->no_text;
    return 0;
}

/* Rank 0 finds where the limit is, so that the others need not read what is theirs not. */
static int share_limit(bpe_source *source, wt_err *err) {
    bool can = false;
    uint64_t found[3] = {0};        /* can be, files, bytes of the last */
    int result = 0;
    if (!source->limit || source->n_ranks == 1)
        return 0;
    if (source->rank == 0)
        result = bpe_source_find_limit(source, &can, &found[1], &found[2], err);
    found[0] = can && result == 0;
    wt_cluster_broadcast(found, sizeof found, 0);
    if (found[0])
        source->limit = 0, source->n_paths = (size_t)found[1], source->last_bytes = found[2];
    return result;
}

/* The pipeline holds four pieces a thread, which should be little beside the words. */
static size_t piece_bytes(uint64_t memory) {
    size_t least = 256 << 10, most = 4 << 20, part = (size_t)memory / 128;
    return part < least ? least : part < most ? part : most;
}

static size_t counter_cut(const void *ctx, wt_str text) { return bpe_counter_cut(ctx, text); }

static int count_source(count_job *job, int threads, wt_err *err) {
    wt_pipeline pipeline = {.ctx = job, .threads = threads, .stop_on_signal = true,
                            .item_new = count_item_new, .item_free = count_item_free, .read = count_read,
                            .work = count_work, .write = count_write};
    int result = wt_cluster_agree(share_limit(&job->source, err), err);
    if (!result)
        result = bpe_source_plan(&job->source, err);
    wt_progress_begin("counting", "B", job->source.share_bytes);
    if (!result)
        result = wt_pipeline_run(&pipeline, err);
    wt_progress_end();
    return wt_cluster_agree(result, err);
}

int bpe_count_files(bpe_counter *c, const wt_paths *paths, bpe_input input, uint64_t limit, bpe_piece_facts *facts,
                    uint64_t *too_long, wt_err *err) {
    count_job job = {.counter = c, .arena = wt_xcalloc((size_t)c->threads, sizeof *job.arena)};
    for (int i = 0; i < c->threads; i++)
        job.arena[i] = wt_arena_new(1 << 20);
    job.source = (bpe_source){.path = paths->path, .n_paths = paths->n, .input = input, .limit = limit,
                              .piece_bytes = piece_bytes(c->options.memory), .cut = counter_cut, .cut_ctx = c,
                              .long_to_file = true, .temp_dir = c->options.temp_dir,
                              .rank = (size_t)wt_cluster_rank(), .n_ranks = (size_t)wt_cluster_size()};
    int result = count_source(&job, c->threads, err);
    uint64_t sums[] = {job.facts.documents, job.facts.bytes, job.facts.not_json, job.facts.no_text};
    wt_cluster_sum_u64(sums, 4);
    *facts = (bpe_piece_facts){sums[0], sums[1], sums[2], sums[3]};
    *too_long = job.source.too_long;
    bpe_source_close(&job.source);
    for (int i = 0; i < c->threads; i++)
        wt_arena_free(job.arena[i]);
    free(job.arena);
    return result;
}

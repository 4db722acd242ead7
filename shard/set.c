/* set.c - the shards of a split as one stream of tokens. Frames are decoded into a cache of least
 * recently used ones that all threads share: a thread that misses claims a slot, decodes without the
 * lock, and wakes those who wait for the same frame; a slot being copied from is pinned. A random
 * window of 1,025 tokens costs one frame (0.1 ms) or none. Document tables are read when first asked
 * for. */
#include <pthread.h>
#include <stdlib.h>

#include "shard/format.h"

enum { NO_SLOT = -1 };
enum { OPEN_FILES = 128 };      /* descriptors kept; the files beyond are opened for each read */
#define CACHE_BYTES_DEFAULT ((size_t)64 << 20)

typedef enum { SLOT_EMPTY, SLOT_LOADING, SLOT_READY } slot_state;

typedef struct {
    slot_state state;
    uint64_t frame;             /* of the set */
    int pins;                   /* readers copying from it */
    int newer, older;           /* list by last use */
    uint8_t *tokens;            /* packed; made when first used */
} cache_slot;

typedef struct decoder {
    ZSTD_DCtx *dctx;
    wt_buf stored;
    struct decoder *next;
} decoder;

struct shard_set {
    shard_manifest manifest;
    int split;
    size_t n_files;
    shard_file *file;
    uint64_t *first_token, *first_frame, *first_doc;    /* n_files + 1 each */
    size_t frame_bytes;

    pthread_mutex_t lock;       /* of all that follows */
    pthread_cond_t changed;
    cache_slot *slot;
    int n_slots, newest, oldest;
    int *slot_of_frame;
    decoder *decoders;          /* idle ones */
    shard_docs *docs;           /* n is 0 until read */
};

/* ---- opening ---- */
static int entry_check(const shard_manifest *m, const shard_entry *e, const shard_file *f,
                       uint32_t shard_no, wt_err *err) {
    const shard_header *h = &f->header;
    if (memcmp(h->tokenizer_sha256, m->tokenizer.sha256, 32) != 0)
        return wt_fail(err, WT_EDATA, "shard '%s' was made with another tokenizer", f->path);
    if (memcmp(h->dataset_uuid, m->dataset_uuid, 16) != 0)
        return wt_fail(err, WT_EDATA, "shard '%s' belongs to another dataset", f->path);
    if (memcmp(f->content_root, e->content_root, 32) != 0 || f->bytes != e->bytes ||
        h->n_tokens != e->tokens || h->n_docs != e->docs || h->n_frames != e->frames ||
        h->first_token != e->first_token || h->split != e->split || h->shard_no != shard_no)
        return wt_fail(err, WT_EDATA, "shard '%s' is not the one that " SHARD_INDEX_NAME " names",
                       f->path);
    if (h->token_bytes != m->token_bytes || h->frame_tokens != m->frame_tokens ||
        h->boundary != m->boundary || h->vocab != m->tokenizer.vocab ||
        h->eot != m->tokenizer.eot)
        return wt_fail(err, WT_EDATA, "shard '%s' and " SHARD_INDEX_NAME " disagree on the format",
                       f->path);
    return 0;
}

static int files_open(shard_set *s, const char *dir, wt_err *err) {
    const shard_manifest *m = &s->manifest;
    for (size_t i = 0; i < m->n; i++) {
        const shard_entry *e = &m->entry[i];
        if (e->split != s->split)
            continue;
        char *path = wt_path_join(dir, e->name);
        size_t k = s->n_files;
        int failed = shard_file_open(&s->file[k], path, err);
        free(path);
        if (failed)
            return -1;
        s->n_files++;
        const shard_header *h = &s->file[k].header;
        if (entry_check(m, e, &s->file[k], (uint32_t)k, err))
            return -1;
        if (h->first_token != s->first_token[k])
            return wt_fail(err, WT_EDATA, "shard '%s' does not follow the one before it",
                           s->file[k].path);
        if (k >= OPEN_FILES)
            shard_file_rest(&s->file[k]);
        s->first_token[k + 1] = s->first_token[k] + h->n_tokens;
        s->first_frame[k + 1] = s->first_frame[k] + h->n_frames;
        s->first_doc[k + 1] = s->first_doc[k] + h->n_docs;
    }
    return 0;
}

static void cache_free(shard_set *s) {
    for (int i = 0; i < s->n_slots; i++)
        free(s->slot[i].tokens);
    free(s->slot);
    free(s->slot_of_frame);
}

static void cache_make(shard_set *s, size_t bytes) {
    uint64_t frames = s->first_frame[s->n_files], slots = s->frame_bytes ? bytes / s->frame_bytes : 0;
    if (slots < 4)
        slots = 4;
    if (slots > frames + 1)
        slots = frames + 1;
    if (slots > 1 << 20)
        slots = 1 << 20;
    s->n_slots = (int)slots;
    s->slot = wt_xcalloc(slots, sizeof *s->slot);
    for (int i = 0; i < s->n_slots; i++)
        s->slot[i].newer = i - 1, s->slot[i].older = i + 1;
    s->newest = 0, s->oldest = s->n_slots - 1;
    s->slot_of_frame = wt_xmalloc((frames + 1) * sizeof *s->slot_of_frame);
    for (uint64_t i = 0; i <= frames; i++)
        s->slot_of_frame[i] = NO_SLOT;
}

shard_set *shard_set_open(const char *dir, const char *split, wt_err *err) {
    shard_set *s = wt_xcalloc(1, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    for (s->split = 0; s->split < SHARD_SPLITS; s->split++)
        if (strcmp(split, SHARD_SPLIT_NAME[s->split]) == 0)
            break;
    int failed = 0;
    if (s->split == SHARD_SPLITS)
        failed = wt_fail(err, WT_EARG, "no split '%s': train or val", split);
    else
        failed = shard_manifest_read(&s->manifest, dir, err);
    size_t n = s->manifest.n;
    s->file = wt_xcalloc(n + 1, sizeof *s->file);
    s->first_token = wt_xcalloc(n + 1, 8);
    s->first_frame = wt_xcalloc(n + 1, 8);
    s->first_doc = wt_xcalloc(n + 1, 8);
    s->docs = wt_xcalloc(n + 1, sizeof *s->docs);
    if (failed || files_open(s, dir, err)) {
        shard_set_close(s);
        return NULL;
    }
    s->frame_bytes = (size_t)s->manifest.frame_tokens * (size_t)s->manifest.token_bytes;
    cache_make(s, CACHE_BYTES_DEFAULT);
    return s;
}

void shard_set_close(shard_set *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->n_files; i++) {
        shard_file_close(&s->file[i]);
        shard_docs_free(&s->docs[i]);
    }
    cache_free(s);
    while (s->decoders) {
        decoder *d = s->decoders;
        s->decoders = d->next;
        ZSTD_freeDCtx(d->dctx);
        wt_buf_free(&d->stored);
        free(d);
    }
    free(s->file);
    free(s->first_token);
    free(s->first_frame);
    free(s->first_doc);
    free(s->docs);
    shard_manifest_free(&s->manifest);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

uint64_t shard_set_tokens(const shard_set *s) { return s->first_token[s->n_files]; }
uint64_t shard_set_docs(const shard_set *s) { return s->first_doc[s->n_files]; }
const shard_tokenizer *shard_set_tokenizer(const shard_set *s) { return &s->manifest.tokenizer; }

void shard_set_fingerprint(const shard_set *s, uint8_t out[32]) {
    shard_manifest_fingerprint(&s->manifest, s->split, out);
}

void shard_set_cache(shard_set *s, size_t bytes) {
    cache_free(s);
    cache_make(s, bytes);
}

/* The file among first[0..n] whose range holds x < first[n]. */
static size_t range_of(const uint64_t *first, size_t n, uint64_t x) {
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (first[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* ---- cache; all of these hold the lock ---- */
static void slot_unlink(shard_set *s, int i) {
    cache_slot *slot = &s->slot[i];
    *(slot->newer >= 0 ? &s->slot[slot->newer].older : &s->newest) = slot->older;
    *(slot->older < s->n_slots ? &s->slot[slot->older].newer : &s->oldest) = slot->newer;
}

static void slot_touch(shard_set *s, int i) {
    if (s->newest == i)
        return;
    slot_unlink(s, i);
    s->slot[i].newer = -1;
    s->slot[i].older = s->newest;
    s->slot[s->newest].newer = i;
    s->newest = i;
}

/* The slot used longest ago that nobody is busy with, emptied; NO_SLOT if all are. */
static int slot_reclaim(shard_set *s) {
    int i = s->oldest;
    while (i >= 0 && (s->slot[i].state == SLOT_LOADING || s->slot[i].pins))
        i = s->slot[i].newer;
    if (i >= 0 && s->slot[i].state == SLOT_READY)
        s->slot_of_frame[s->slot[i].frame] = NO_SLOT;
    return i;
}

static decoder *decoder_take(shard_set *s) {
    decoder *d = s->decoders;
    if (d)
        s->decoders = d->next;
    else {
        d = wt_xcalloc(1, sizeof *d);
        d->dctx = ZSTD_createDCtx();
    }
    return d;
}

static void decoder_give(shard_set *s, decoder *d) {
    d->next = s->decoders;
    s->decoders = d;
}

/* Decodes a frame into slot i; the lock is released meanwhile. */
static int slot_load(shard_set *s, int i, uint64_t frame, wt_err *err) {
    cache_slot *slot = &s->slot[i];
    size_t k = range_of(s->first_frame, s->n_files, frame);
    decoder *d = decoder_take(s);
    slot->state = SLOT_LOADING;
    slot->frame = frame;
    s->slot_of_frame[frame] = i;
    slot_touch(s, i);
    pthread_mutex_unlock(&s->lock);
    if (!slot->tokens)
        slot->tokens = wt_xmalloc(s->frame_bytes);
    int failed = shard_file_frame(&s->file[k], (uint32_t)(frame - s->first_frame[k]), d->dctx,
                                  &d->stored, slot->tokens, err);
    pthread_mutex_lock(&s->lock);
    decoder_give(s, d);
    slot->state = failed ? SLOT_EMPTY : SLOT_READY;
    if (failed)
        s->slot_of_frame[frame] = NO_SLOT;
    pthread_cond_broadcast(&s->changed);
    return failed;
}

/* The slot that holds a frame, pinned; NO_SLOT on failure. */
static int frame_pin(shard_set *s, uint64_t frame, wt_err *err) {
    pthread_mutex_lock(&s->lock);
    int i;
    for (;;) {
        i = s->slot_of_frame[frame];
        if (i != NO_SLOT && s->slot[i].state == SLOT_READY)
            break;
        if (i == NO_SLOT && (i = slot_reclaim(s)) != NO_SLOT) {
            if (slot_load(s, i, frame, err)) {
                i = NO_SLOT;
                break;
            }
        } else {
            pthread_cond_wait(&s->changed, &s->lock);
        }
    }
    if (i != NO_SLOT) {
        s->slot[i].pins++;
        slot_touch(s, i);
    }
    pthread_mutex_unlock(&s->lock);
    return i;
}

static void frame_unpin(shard_set *s, int i) {
    pthread_mutex_lock(&s->lock);
    if (--s->slot[i].pins == 0)
        pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- reading ---- */
static int range_check(const shard_set *s, uint64_t first, size_t n, wt_err *err) {
    uint64_t total = shard_set_tokens(s);
    if (first > total || n > total - first)
        return wt_fail(err, WT_EARG, "tokens %llu to %llu were asked of %llu",
                       (unsigned long long)first, (unsigned long long)(first + n),
                       (unsigned long long)total);
    return 0;
}

int shard_set_read(shard_set *s, uint64_t first, size_t n, uint32_t *tokens, wt_err *err) {
    if (range_check(s, first, n, err))
        return -1;
    uint32_t frame_tokens = s->manifest.frame_tokens;
    int width = s->manifest.token_bytes;
    while (n > 0) {
        size_t k = range_of(s->first_token, s->n_files, first);
        uint64_t inside = first - s->first_token[k];
        uint32_t i_frame = (uint32_t)(inside / frame_tokens);
        size_t skip = inside % frame_tokens;
        size_t take = shard_file_frame_tokens(&s->file[k], i_frame) - skip;
        if (take > n)
            take = n;
        int i = frame_pin(s, s->first_frame[k] + i_frame, err);
        if (i == NO_SLOT)
            return -1;
        shard_unpack(tokens, s->slot[i].tokens + skip * (size_t)width, take, width);
        frame_unpin(s, i);
        tokens += take, first += take, n -= take;
    }
    return 0;
}

/* The documents of file k, read on first use. */
static const shard_docs *docs_of(shard_set *s, size_t k, wt_err *err) {
    pthread_mutex_lock(&s->lock);
    int failed = s->docs[k].n ? 0 : shard_file_docs(&s->file[k], &s->docs[k], err);
    pthread_mutex_unlock(&s->lock);
    return failed ? NULL : &s->docs[k];
}

int shard_set_doc_starts(shard_set *s, uint64_t first, size_t n, uint32_t *offsets,
                         size_t *n_offsets, wt_err *err) {
    *n_offsets = 0;
    if (range_check(s, first, n, err))
        return -1;
    uint64_t end = first + n;
    for (size_t k = n ? range_of(s->first_token, s->n_files, first) : s->n_files;
         k < s->n_files && s->first_token[k] < end; k++) {
        const shard_docs *d = docs_of(s, k, err);
        if (!d)
            return -1;
        uint64_t base = s->first_token[k], from = first > base ? first - base : 0;
        size_t i = range_of(d->start, d->n, from);
        if (d->start[i] < from)
            i++;
        for (; i < d->n && base + d->start[i] < end; i++)
            offsets[(*n_offsets)++] = (uint32_t)(base + d->start[i] - first);
    }
    return 0;
}

int shard_set_doc(shard_set *s, uint64_t i_doc, shard_doc *doc, wt_err *err) {
    if (i_doc >= shard_set_docs(s))
        return wt_fail(err, WT_EARG, "document %llu was asked of %llu", (unsigned long long)i_doc,
                       (unsigned long long)shard_set_docs(s));
    size_t k = range_of(s->first_doc, s->n_files, i_doc);
    const shard_docs *d = docs_of(s, k, err);
    if (!d)
        return -1;
    uint64_t i = i_doc - s->first_doc[k];
    *doc = (shard_doc){.first = s->first_token[k] + d->start[i],
                       .n_tokens = d->start[i + 1] - d->start[i],
                       .id_hash = d->id_hash[i],
                       .i_record = d->i_record[i]};
    return 0;
}

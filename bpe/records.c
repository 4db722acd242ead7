/* records.c - words as ids, in memory or behind frames of which each holds a block of a file. */
#include "bpe/records.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "bpe/words.h"

enum { HEAD = sizeof(bpe_record), TAIL = 1 << 20, SMALLEST = 16, SHARED_FRAMES = 16 };

int bpe_records_init(bpe_records *r, bool wide, uint64_t room, size_t memory, const char *temp_dir, wt_err *err) {
    *r = (bpe_records){.wide = wide, .unit_bits = 2, .memory = memory, .file = -1, .temp_dir = temp_dir};
    while (r->unit_bits < 4 && room >> r->unit_bits > UINT32_MAX - 1)
        r->unit_bits++;
    if (room >> r->unit_bits > UINT32_MAX - 1)
        return wt_fail(err, WT_ELIMIT, "the distinct words need %llu GiB as ids, and 64 is the most",
                       (unsigned long long)(room >> 30));
    return 0;
}

static void frames_free(bpe_records *r);

void bpe_records_free(bpe_records *r) {
    free(r->bytes);
    frames_free(r);
    if (r->file >= 0)
        close(r->file);
    *r = (bpe_records){.file = -1};
}

/* ---- filling ---- */
static size_t record_bytes(const bpe_records *r, uint32_t cap) {
    size_t unit = (size_t)1 << r->unit_bits, n = HEAD + (size_t)cap * (r->wide ? 4 : 2);
    return (n + unit - 1) / unit * unit;
}

static int to_file(bpe_records *r, wt_err *err) {
    if (r->file < 0 && (r->file = bpe_temp_file(r->temp_dir, err)) < 0)
        return -1;
    posix_fadvise(r->file, 0, 0, POSIX_FADV_RANDOM);
    /* Block by block: kernels that keep a large write as one large folio walk all of it at each small write. */
    for (size_t at = 0; at < r->len; at += BPE_BLOCK)
        if (bpe_file_write(r->file, r->stored + at, r->bytes + at, r->len - at < BPE_BLOCK ? r->len - at : BPE_BLOCK, err))
            return -1;
    r->stored += r->len;
    r->len = 0;
    if (r->cap > 2 * TAIL) {
        free(r->bytes);
        r->bytes = NULL, r->cap = 0;
    }
    return 0;
}

static bpe_record *append(bpe_records *r, uint32_t cap, uint8_t flags) {
    size_t bytes = record_bytes(r, cap);
    WT_GROW(r->bytes, r->cap, r->len + bytes);
    bpe_record *record = (bpe_record *)(r->bytes + r->len);
    memset(record, 0, bytes);
    record->cap = (uint8_t)cap, record->flags = flags;
    r->len += bytes;
    return record;
}

/* Records that hold nothing, up to a multiple of `to` bytes. */
static void pad(bpe_records *r, size_t to) {
    size_t gap = (to - bpe_records_bytes(r) % to) % to;
    bool block_ends = bpe_records_bytes(r) % BPE_BLOCK + gap == BPE_BLOCK;
    if (gap && gap < SMALLEST && block_ends) {      /* too little for a head: readers pass over it */
        WT_GROW(r->bytes, r->cap, r->len + gap);
        memset(r->bytes + r->len, 0, gap);
        r->len += gap;
        return;
    }
    if (gap && gap < SMALLEST)
        gap += to;
    while (gap) {
        size_t bytes = gap > BPE_RECORD_BYTES ? BPE_RECORD_BYTES / 2 : gap;
        append(r, (uint32_t)((bytes - HEAD) / (r->wide ? 4 : 2)), 0);
        gap -= bytes;
    }
}

int bpe_records_add(bpe_records *r, uint64_t count, const uint32_t *ids, uint32_t n, uint8_t flags, wt_err *err) {
    uint32_t cap = flags ? (r->wide ? BPE_LINK_IDS_WIDE : BPE_LINK_IDS) : n;
    if (flags && !(flags & BPE_LINK_PREVIOUS))
        pad(r, BPE_RECORD_BYTES);
    if (bpe_records_bytes(r) % BPE_BLOCK + record_bytes(r, cap) > BPE_BLOCK)
        pad(r, BPE_BLOCK);
    bpe_record *record = append(r, cap, flags);
    record->count[0] = (uint32_t)count, record->count[1] = (uint32_t)(count >> 32);
    record->n = (uint8_t)n;
    for (uint32_t i = 0; i < n; i++)
        if (r->wide)
            ((uint32_t *)bpe_record_ids(record))[i] = ids[i];
        else
            ((uint16_t *)bpe_record_ids(record))[i] = (uint16_t)ids[i];
    return r->len > (r->file < 0 ? r->memory : TAIL) ? to_file(r, err) : 0;
}

int bpe_records_seal(bpe_records *r, wt_err *err) {
    if (r->file < 0)
        return 0;
    pad(r, BPE_BLOCK);              /* whole blocks, so that each read is of one */
    if (to_file(r, err))
        return -1;
    free(r->bytes);
    r->bytes = NULL, r->cap = 0;
    return 0;
}

/* ---- frames ---- */
static int frame_save(bpe_records *r, size_t f, wt_err *err) {
    if (r->changed[f] && bpe_file_write(r->file, (r->in_frame[f] - 1) * BPE_BLOCK, r->frames + f * BPE_BLOCK, BPE_BLOCK, err))
        return -1;
    r->changed[f] = false;
    return 0;
}

static void frames_free(bpe_records *r) {
    free(r->frames);
    free(r->in_frame);
    free(r->changed);
    r->frames = NULL, r->in_frame = NULL, r->changed = NULL;
    r->n_resident = r->n_shared = 0;
}

int bpe_records_frames(bpe_records *r, size_t bytes, wt_err *err) {
    for (size_t f = 0; f < r->n_resident + r->n_shared; f++)
        if (frame_save(r, f, err))
            return -1;
    frames_free(r);
    uint64_t n_blocks = r->stored / BPE_BLOCK, n = bytes / BPE_BLOCK;
    r->n_shared = SHARED_FRAMES;
    r->n_resident = n < SHARED_FRAMES ? 0 : n - SHARED_FRAMES < n_blocks ? n - SHARED_FRAMES : n_blocks;
    n = r->n_resident + r->n_shared;
    r->frames = wt_xmalloc(n * BPE_BLOCK);
    r->in_frame = wt_xcalloc(n, sizeof *r->in_frame);
    r->changed = wt_xcalloc(n, sizeof *r->changed);
    return 0;
}

/* ---- reading ---- */
void bpe_records_fetch(bpe_records *r, uint64_t block) {
    size_t f = bpe_frame_of(r, block);
    uint8_t *frame = r->frames + f * BPE_BLOCK;
    if (frame_save(r, f, &r->err))
        r->failed = true;
    r->in_frame[f] = block + 1;
    if (bpe_file_read(r->file, block * BPE_BLOCK, frame, BPE_BLOCK, &r->err)) {
        r->failed = true;
        memset(frame, 0, BPE_BLOCK);
    }
}

bool bpe_records_next(bpe_records *r, uint64_t *at, uint32_t *number) {
    if (BPE_BLOCK - *at % BPE_BLOCK < SMALLEST)
        *at += BPE_BLOCK - *at % BPE_BLOCK;
    if (*at >= bpe_records_bytes(r))
        return false;
    *number = (uint32_t)(*at >> r->unit_bits);
    *at += record_bytes(r, bpe_record_at(r, *number)->cap);
    return true;
}

uint32_t bpe_record_load(bpe_records *r, uint32_t number, uint32_t ids[BPE_LINK_IDS]) {
    bpe_record *record = bpe_record_at(r, number);
    if (r->wide) {
        memcpy(ids, bpe_record_ids(record), record->n * sizeof *ids);
    } else {
        const uint16_t *narrow = bpe_record_ids(record);
        for (uint32_t i = 0; i < record->n; i++)
            ids[i] = narrow[i];
    }
    return record->n;
}

void bpe_record_store(bpe_records *r, uint32_t number, const uint32_t *ids, uint32_t n) {
    bpe_record *record = bpe_record_at(r, number);
    bpe_record_changed(r, number);
    record->n = (uint8_t)n;
    if (r->wide) {
        memcpy(bpe_record_ids(record), ids, n * sizeof *ids);
    } else {
        uint16_t *narrow = bpe_record_ids(record);
        for (uint32_t i = 0; i < n; i++)
            narrow[i] = (uint16_t)ids[i];
    }
}

uint32_t bpe_record_pairs(bpe_records *r, uint32_t number, uint32_t id[BPE_LINK_IDS + 1], int64_t *count) {
    bpe_record *record = bpe_record_at(r, number);
    *count = (int64_t)bpe_record_count(record);
    bool goes_on = record->flags & BPE_LINK_NEXT;
    uint32_t n = bpe_record_load(r, number, id), next;
    if (goes_on && n && (next = bpe_link_next(r, number)) != BPE_NO_RECORD) {
        uint32_t behind[BPE_LINK_IDS];
        bpe_record_load(r, next, behind);
        id[n++] = behind[0];
    }
    return n;
}

/* ---- chains ---- An empty link's ids hold, where it is the first of a run of empty ones, the run's length in the first
 * 4 bytes, and where it is the last, in the next 4. */
static uint32_t step_of(const bpe_records *r) { return BPE_RECORD_BYTES >> r->unit_bits; }

static uint32_t *run_lengths(bpe_records *r, uint32_t number) {
    return bpe_record_ids(bpe_record_at(r, number));
}

uint32_t bpe_link_next(bpe_records *r, uint32_t number) {
    if (!(bpe_record_at(r, number)->flags & BPE_LINK_NEXT))
        return BPE_NO_RECORD;
    number += step_of(r);
    if (bpe_record_at(r, number)->n)
        return number;
    number += (run_lengths(r, number)[0] - 1) * step_of(r);
    return bpe_record_at(r, number)->flags & BPE_LINK_NEXT ? number + step_of(r) : BPE_NO_RECORD;
}

uint32_t bpe_link_previous(bpe_records *r, uint32_t number) {
    if (!(bpe_record_at(r, number)->flags & BPE_LINK_PREVIOUS))
        return BPE_NO_RECORD;
    number -= step_of(r);
    if (bpe_record_at(r, number)->n)
        return number;
    number -= (run_lengths(r, number)[1] - 1) * step_of(r);
    return bpe_record_at(r, number)->flags & BPE_LINK_PREVIOUS ? number - step_of(r) : BPE_NO_RECORD;
}

static void join_empty_run(bpe_records *r, uint32_t number) {
    uint32_t first = number, last = number, step = step_of(r);
    uint8_t flags = bpe_record_at(r, number)->flags;
    if (flags & BPE_LINK_PREVIOUS && bpe_record_at(r, number - step)->n == 0)
        first = number - run_lengths(r, number - step)[1] * step;
    if (flags & BPE_LINK_NEXT && bpe_record_at(r, number + step)->n == 0)
        last = number + run_lengths(r, number + step)[0] * step;
    uint32_t length = (last - first) / step + 1;
    run_lengths(r, first)[0] = length;
    bpe_record_changed(r, first);
    run_lengths(r, last)[1] = length;
    bpe_record_changed(r, last);
}

void bpe_link_drop_first(bpe_records *r, uint32_t number) {
    uint32_t ids[BPE_LINK_IDS], n = bpe_record_load(r, number, ids);
    bpe_record_store(r, number, ids + 1, n - 1);
    if (n == 1)
        join_empty_run(r, number);
}

/* ---- shorter ---- */
/* Ids of a chain that are not in a new link yet. */
typedef struct {
    uint32_t ids[2 * BPE_LINK_IDS], n;
    bool begun;                     /* a link of the chain has been written */
} chain;

static int chain_write(bpe_records *fresh, chain *c, uint64_t count, bool ends, wt_err *err) {
    uint32_t max = fresh->wide ? BPE_LINK_IDS_WIDE : BPE_LINK_IDS;
    while (c->n > max || (ends && c->n)) {
        uint32_t n = c->n < max ? c->n : max;
        bool last = ends && n == c->n;
        uint8_t flags = (c->begun ? BPE_LINK_PREVIOUS : 0) | (last ? 0 : BPE_LINK_NEXT);
        if ((flags || n > 1) && bpe_records_add(fresh, count, c->ids, n, flags, err))
            return -1;
        memmove(c->ids, c->ids + n, (c->n - n) * sizeof *c->ids);
        c->n -= n, c->begun = !last;
    }
    return 0;
}

/* Those of r that hold a pair, behind those of fresh. */
static int write_anew(bpe_records *r, bpe_records *fresh, wt_err *err) {
    chain c = {.n = 0};
    uint64_t at = 0;
    uint32_t number;
    while (bpe_records_next(r, &at, &number)) {
        const bpe_record *record = bpe_record_at(r, number);
        uint64_t count = bpe_record_count(record);
        bool is_link = record->flags, ends = !(record->flags & BPE_LINK_NEXT);
        uint32_t n = bpe_record_load(r, number, c.ids + c.n);
        if (is_link) {
            c.n += n;
            if (chain_write(fresh, &c, count, ends, err))
                return -1;
        } else if (n > 1 && bpe_records_add(fresh, count, c.ids, n, 0, err)) {
            return -1;
        }
    }
    if (r->failed && err)
        *err = r->err;
    return r->failed ? -1 : 0;
}

/* All of the file, which is closed. */
static int from_file(bpe_records *r, wt_err *err) {
    r->bytes = wt_xmalloc(r->stored);
    r->len = r->cap = r->stored;
    if (bpe_file_read(r->file, 0, (char *)r->bytes, r->len, err))
        return -1;
    close(r->file);
    r->file = -1, r->stored = 0;
    return 0;
}

int bpe_records_compact(bpe_records *r, wt_err *err) {
    bpe_records fresh = {.wide = r->wide, .unit_bits = r->unit_bits, .file = -1, .temp_dir = r->temp_dir};
    if (write_anew(r, &fresh, err) || to_file(&fresh, err) || bpe_records_seal(&fresh, err)) {
        bpe_records_free(&fresh);
        return -1;
    }
    fresh.memory = r->memory;
    bpe_records_free(r);
    *r = fresh;
    return bpe_records_bytes(r) <= r->memory ? from_file(r, err) : 0;
}

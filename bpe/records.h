/* records.h - the words that are learned from, as ids: all in memory, or in a temporary file of which a fixed number
 * of blocks is in memory. Inside bpe/.
 *
 * A record is a head of 12 bytes and its ids, of 2 bytes where the vocabulary has at most 65,536 ids, else 4. It
 * has room for as many ids as it began with; merges only make it shorter. No record lies across the end of a block, so
 * that the pointer to one reaches all of it. A word of more ids than BPE_RECORD_BYTES hold is a chain of such
 * records side by side: a merge then visits the links that hold its pair, not a whole text that nothing divides.
 *
 * On disk the first blocks have a frame of memory each and stay; the others share a few. Visits of a merge go from the
 * first record to the last, and at that keeping what was used last would keep nothing. Records that have become shorter are
 * written anew from time to time (bpe_records_compact), until they fit the memory.
 *
 * Links may become empty. Their neighbours find over a run of empty ones by its length, which is kept in its first and
 * its last link. */
#ifndef WT_BPE_RECORDS_H
#define WT_BPE_RECORDS_H

#include "common/err.h"
#include "common/str.h"

enum { BPE_BLOCK = 8192, BPE_RECORD_BYTES = 512, BPE_LINK_IDS = 250, BPE_LINK_IDS_WIDE = 125 };
enum { BPE_LINK_NEXT = 1, BPE_LINK_PREVIOUS = 2 };

typedef struct {
    uint32_t count[2];              /* low half first */
    uint8_t n, cap, flags, unused;
} bpe_record;

typedef struct {
    bool wide;                      /* ids of 4 bytes */
    int unit_bits;                  /* a record's number is its position in units of so many bits of bytes */
    size_t memory;                  /* bytes: more goes to the file */
    uint8_t *bytes;                 /* all of them, or what is not in the file yet */
    size_t len, cap;
    uint64_t stored;                /* bytes that are in the file */
    int file;                       /* -1: none */
    const char *temp_dir;
    uint8_t *frames;
    uint64_t *in_frame;             /* block + 1; 0: none */
    bool *changed;
    size_t n_resident, n_shared;    /* frames of the first blocks, and behind them those of all others */
    bool failed;                    /* reading or writing the file did, and what is read is wrong */
    wt_err err;
} bpe_records;

/* room: about how many bytes may come at most; they decide unit_bits. */
int bpe_records_init(bpe_records *records, bool wide, uint64_t room, size_t memory, const char *temp_dir, wt_err *err);
void bpe_records_free(bpe_records *records);
int bpe_records_add(bpe_records *records, uint64_t count, const uint32_t *ids, uint32_t n, uint8_t flags, wt_err *err);
int bpe_records_seal(bpe_records *records, wt_err *err);        /* behind the last */
/* Frames of about so many bytes for records on disk, before any is read; also later, for more or less. */
int bpe_records_frames(bpe_records *records, size_t bytes, wt_err *err);
/* Writes the records anew, as long as they are now and without those that hold no pair: to a file, and from there back into
 * memory if they fit. Their numbers change, and those on disk have no frames. */
int bpe_records_compact(bpe_records *records, wt_err *err);
static inline uint64_t bpe_records_bytes(const bpe_records *r) { return r->stored + r->len; }

static inline size_t bpe_frame_of(const bpe_records *r, uint64_t block) {
    return block < r->n_resident ? block : r->n_resident + block % r->n_shared;
}
void bpe_records_fetch(bpe_records *records, uint64_t block);
/* Valid until another is asked for. */
static inline bpe_record *bpe_record_at(bpe_records *r, uint32_t number) {
    uint64_t at = (uint64_t)number << r->unit_bits, block = at / BPE_BLOCK;
    if (r->file < 0)
        return (bpe_record *)(r->bytes + at);
    size_t frame = bpe_frame_of(r, block);
    if (r->in_frame[frame] != block + 1)
        bpe_records_fetch(r, block);
    return (bpe_record *)(r->frames + frame * BPE_BLOCK + at % BPE_BLOCK);
}
/* It has been or will be changed, and is the one that was asked for last. */
static inline void bpe_record_changed(bpe_records *r, uint32_t number) {
    if (r->file >= 0)
        r->changed[bpe_frame_of(r, ((uint64_t)number << r->unit_bits) / BPE_BLOCK)] = true;
}
static inline uint64_t bpe_record_count(const bpe_record *r) { return (uint64_t)r->count[1] << 32 | r->count[0]; }
static inline void *bpe_record_ids(bpe_record *r) { return r + 1; }

/* All of them, one after the other, from *at = 0 on; some hold nothing. False at the end. */
bool bpe_records_next(bpe_records *records, uint64_t *at, uint32_t *number);
/* A record's ids; returns how many. */
uint32_t bpe_record_load(bpe_records *records, uint32_t number, uint32_t ids[BPE_LINK_IDS]);
/* The same with the first id of the link behind it: all pairs that begin in the record. *count is its own. */
uint32_t bpe_record_pairs(bpe_records *records, uint32_t number, uint32_t ids[BPE_LINK_IDS + 1], int64_t *count);
void bpe_record_store(bpe_records *records, uint32_t number, const uint32_t *ids, uint32_t n);

/* ---- chains ---- BPE_NO_RECORD where there is none. */
#define BPE_NO_RECORD UINT32_MAX
uint32_t bpe_link_next(bpe_records *records, uint32_t number);          /* that is not empty */
uint32_t bpe_link_previous(bpe_records *records, uint32_t number);
void bpe_link_drop_first(bpe_records *records, uint32_t number);        /* its first id */

#endif

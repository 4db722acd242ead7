/* cache.c - tables of words seen, and what happens when a word was not. */
#include "bpe/cache.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

enum { LONG_WORD_MAX = 512 };       /* longer words are merged anew each time */

/* A short word of too many ids has a slot with this bit and no ids. */
#define IS_LONG (UINT64_C(1) << 63)

/* The word's slot, or the empty one that it may have. */
static bpe_cache_slot *find(bpe_cache_slot *slot, int bits, bpe_key key) {
    size_t mask = ((size_t)1 << bits) - 1, i;
    key.hi &= ~IS_LONG;
    for (i = bpe_cache_place(bits, key); slot[i].key.hi; i = (i + 1) & mask)
        if (slot[i].key.lo == key.lo && (slot[i].key.hi & ~IS_LONG) == key.hi)
            break;
    return &slot[i];
}

static size_t slot_bytes(int bits) { return sizeof(bpe_cache_slot) << bits; }

bpe_cache_slot *bpe_cache_seed(const bpe_model *m, int *bits) {
    uint32_t ids[BPE_KEY_MAX + 1];
    *bits = 10;
    while (((size_t)1 << *bits) < 2 * (size_t)m->n_ids)
        ++*bits;
    bpe_cache_slot *slot = wt_big_alloc(slot_bytes(*bits), "a table of words", NULL);
    for (uint32_t id = 0; slot && id < m->n_ids; id++) {
        wt_str t = bpe_token_bytes(m, id);
        if (m->kind[id] != BPE_TOKEN_PLAIN || t.len > BPE_KEY_MAX)
            continue;
        size_t n = bpe_merge_piece(m, (const uint8_t *)t.ptr, t.len, ids);
        if (n != 1 || ids[0] != id)
            continue;
        bpe_key key = bpe_key_copy((const uint8_t *)t.ptr, t.len);
        bpe_cache_slot *s = find(slot, *bits, key);
        if (s->key.hi)
            continue;
        s->key = key;
        if (m->n_ids <= 65536)
            s->narrow[0] = (uint16_t)id, s->narrow[BPE_NARROW_MAX] = 1;
        else
            s->wide[0] = id, s->wide[BPE_WIDE_MAX] = 1;
    }
    return slot;
}

static void long_clear(bpe_cache *c) {
    if (c->n_long)
        memset(c->long_slot, 0, (c->long_mask + 1) * sizeof *c->long_slot);
    c->n_long = c->n_ids = 0;
    wt_buf_clear(&c->bytes);
}

/* As many slots as the seed needs even where the memory asked for is less. */
static void start_over(bpe_cache *c) {
    const bpe_model *m = c->model;
    size_t n = 0;
    memcpy(c->slot, m->seed, slot_bytes(m->seed_bits));
    for (size_t i = 0; i < (size_t)1 << m->seed_bits; i++)
        n += c->slot[i].key.hi != 0;
    c->bits = m->seed_bits;
    c->n = n;
}

void bpe_cache_init(bpe_cache *c, const bpe_model *model, size_t bytes) {
    bytes = bytes ? bytes : (size_t)64 << 20;
    *c = (bpe_cache){.model = model, .narrow = model->n_ids <= 65536, .long_mask = 1023};
    c->long_bytes_max = bytes / 4;
    c->bits_max = model->seed_bits;
    while (slot_bytes(c->bits_max + 1) <= bytes / 4 * 3)
        c->bits_max++;
    c->slot = wt_big_alloc(slot_bytes(model->seed_bits), "a table of words", NULL);
    start_over(c);
    c->long_slot = wt_xcalloc(c->long_mask + 1, sizeof *c->long_slot);
}

void bpe_cache_free(bpe_cache *c) {
    wt_big_free(c->slot, slot_bytes(c->bits));
    free(c->long_slot);
    wt_buf_free(&c->bytes);
    free(c->ids);
}

/* Four times the slots (fresh pages cost more than empty slots do); or, where there may be no more,
 * the seed again. */
static void make_room(bpe_cache *c) {
    bpe_cache_slot *old = c->slot, *fresh = NULL;
    int bits = c->bits, more = c->bits_max - bits < 2 ? c->bits_max - bits : 2;
    bool grow = more > 0;
    if (grow)
        fresh = wt_big_alloc(slot_bytes(bits + more), "a table of words", NULL);
    if (!fresh && bits > c->model->seed_bits)
        fresh = wt_big_alloc(slot_bytes(c->model->seed_bits), "a table of words", NULL), grow = false;
    if (fresh)
        c->slot = fresh;
    if (!grow || !fresh) {
        start_over(c);
    } else {
        c->bits += more;
        for (size_t i = 0; i < (size_t)1 << bits; i++)
            if (old[i].key.hi)
                *find(c->slot, c->bits, old[i].key) = old[i];
    }
    if (fresh)
        wt_big_free(old, slot_bytes(bits));
}

static bpe_cache_long *long_find(bpe_cache *c, const uint8_t *word, size_t n, uint64_t hash) {
    for (size_t i = hash & c->long_mask;; i = (i + 1) & c->long_mask) {
        bpe_cache_long *s = &c->long_slot[i];
        if (!s->hash || (s->hash == hash && s->len == n && memcmp(c->bytes.ptr + s->bytes_at, word, n) == 0))
            return s;
    }
}

static void long_grow(bpe_cache *c) {
    bpe_cache_long *old = c->long_slot;
    size_t n = c->long_mask + 1;
    c->long_mask = 2 * n - 1;
    c->long_slot = wt_xcalloc(2 * n, sizeof *old);
    for (size_t k = 0; k < n; k++) {
        size_t i = old[k].hash & c->long_mask;
        while (old[k].hash && c->long_slot[i].hash)
            i = (i + 1) & c->long_mask;
        if (old[k].hash)
            c->long_slot[i] = old[k];
    }
    free(old);
}

/* Room for n more ids behind those that are kept; the ids of the word at hand are made there. */
static uint32_t *ids_room(bpe_cache *c, size_t n) {
    WT_GROW(c->ids, c->cap_ids, c->n_ids + BPE_ROOM(n));
    return c->ids + c->n_ids;
}

/* The word's ids made and kept with the long ones. */
static const uint32_t *keep_long(bpe_cache *c, bpe_cache_long *s, uint64_t hash, const uint8_t *word, size_t n,
                                 uint32_t *ids, size_t n_ids) {
    size_t held = c->bytes.len + c->n_ids * sizeof *c->ids + 2 * c->n_long * sizeof *s;
    if (held > c->long_bytes_max) {
        size_t at = c->n_ids;
        long_clear(c);
        memmove(c->ids, c->ids + at, n_ids * sizeof *ids);
        ids = c->ids;
        s = long_find(c, word, n, hash);
    } else if (2 * c->n_long >= c->long_mask) {
        long_grow(c);
        s = long_find(c, word, n, hash);
    }
    *s = (bpe_cache_long){hash, c->bytes.len, c->n_ids, (uint32_t)n, (uint32_t)n_ids};
    wt_buf_add(&c->bytes, word, n);
    c->n_ids += n_ids;
    c->n_long++;
    return ids;
}

static const uint32_t *long_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids) {
    uint64_t hash = wt_hash64(word, n, 0) | 1;
    bpe_cache_long *s = long_find(c, word, n, hash);
    if (s->hash) {
        *n_ids = s->n;
        return c->ids + s->ids_at;
    }
    uint32_t *ids = ids_room(c, n);
    *n_ids = bpe_merge_piece(c->model, word, n, ids);
    return keep_long(c, s, hash, word, n, ids, *n_ids);
}

static void fill_slot(const bpe_cache *c, bpe_cache_slot *s, bpe_key key, const uint32_t *ids, size_t n) {
    s->key = key;
    if (n > (c->narrow ? BPE_NARROW_MAX : BPE_WIDE_MAX)) {
        s->key.hi |= IS_LONG;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (c->narrow)
            s->narrow[i] = (uint16_t)ids[i];
        else
            s->wide[i] = ids[i];
    }
    if (c->narrow)
        s->narrow[BPE_NARROW_MAX] = (uint16_t)n;
    else
        s->wide[BPE_WIDE_MAX] = (uint32_t)n;
}

/* A word found far from its place changes with what is in the second slot there, so that words
 * that come often are among the first two. All slots between are taken, so both are still found. */
static bpe_cache_slot *bring_near(bpe_cache *c, bpe_cache_slot *s) {
    bpe_cache_slot *near = &c->slot[bpe_cache_place(c->bits, s->key) + 1], far = *s;
    if (near == s || near == s + 1)
        return s;
    *s = *near;
    *near = far;
    return near;
}

const bpe_cache_slot *bpe_cache_short(bpe_cache *c, const uint8_t *word, bpe_key key) {
    uint32_t ids[BPE_KEY_MAX];
    bpe_cache_slot *s = find(c->slot, c->bits, key);
    if (s->key.hi & IS_LONG)
        return NULL;
    if (s->key.hi)
        return bring_near(c, s);
    size_t n = bpe_merge_piece(c->model, word, bpe_key_len(key), ids);
    if (c->n >= (size_t)1 << (c->bits - 1)) {
        make_room(c);
        s = find(c->slot, c->bits, key);
    }
    fill_slot(c, s, key, ids, n);
    c->n++;
    return s->key.hi & IS_LONG ? NULL : s;
}

const uint32_t *bpe_cache_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids) {
    const bpe_cache_slot *s = n > BPE_KEY_MAX ? NULL : bpe_cache_short(c, word, bpe_key_copy(word, n));
    if (!s && n <= LONG_WORD_MAX)
        return long_ids(c, word, n, n_ids);
    uint32_t *ids = ids_room(c, n);
    if (!s) {
        *n_ids = bpe_merge_piece(c->model, word, n, ids);
        return ids;
    }
    *n_ids = c->narrow ? s->narrow[BPE_NARROW_MAX] : s->wide[BPE_WIDE_MAX];
    for (size_t i = 0; i < *n_ids; i++)
        ids[i] = c->narrow ? s->narrow[i] : s->wide[i];
    return ids;
}

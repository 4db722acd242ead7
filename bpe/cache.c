/* cache.c - tables of words seen, and what happens when a word was not. */
#include "bpe/cache.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/memory.h"

enum {
    LONG_WORD_MAX = 512,            /* longer words are merged anew each time */
    PROBES_MAX = 64,                /* slots looked at; who finds no room there is not kept */
    COUNT_EVERY = 64                /* slots taken before the table's count is told: it is a line all threads write */
};

/* A short word of too many ids has a slot with this bit and no ids. */
#define IS_LONG (UINT64_C(1) << 63)
/* In place of the key's upper half while the slot is written: no word's. */
#define IN_WORK (UINT64_C(1) << 62)

/* A long word: its ids, and behind them its bytes. */
typedef struct {
    uint64_t hash;
    uint32_t len, n;
    uint32_t ids[];
} record;

/* Long words; memory that is not used is never touched. Tables that grow out of each other have one in common. */
typedef struct {
    uint64_t *place;                /* of records: hash << 32 | 8-byte units from the start, plus 1; 0: empty */
    size_t mask;
    uint64_t *records;
    size_t n, cap;                  /* in such units; n may pass the end */
    int n_tables;                   /* that have it; guarded by the words' lock */
} long_words;

struct bpe_cache_table {
    bpe_cache_slot *slot;
    int bits;
    size_t n, n_max;                /* slots in use, about; and how many may be */
    long_words *longs;
    int n_users;                    /* encoders that look into it; guarded by the words' lock */
};

struct bpe_cache_words {
    pthread_mutex_t lock;
    const bpe_model *model;
    bpe_cache_table *current;             /* written under the lock; read without */
    int n_encoders;
    bool shared;                    /* there was a second encoder: set while none encodes */
    int bits_max;
    bool growing;                   /* somebody is at it */
};

static size_t slot_bytes(int bits) { return sizeof(bpe_cache_slot) << bits; }
/* Beside a table of that many slots: a place for 4 of them, and a record of 32 bytes. */
static size_t places_of(int bits) { return (size_t)1 << (bits - 2); }
static size_t units_of(int bits) { return places_of(bits) * 4; }
static size_t table_bytes(int bits) { return slot_bytes(bits) + (places_of(bits) + units_of(bits)) * sizeof(uint64_t); }

/* ---- slots ---- */

/* The word's slot; or the empty one that it may have; NULL where there is no room near its place. */
static bpe_cache_slot *find(bpe_cache_slot *slot, int bits, bpe_key key) {
    size_t mask = ((size_t)1 << bits) - 1, at = bpe_cache_place(bits, key);
    key.hi &= ~IS_LONG;
    for (size_t i = at; i < at + PROBES_MAX; i++) {
        bpe_cache_slot *s = &slot[i & mask];
        uint64_t hi = __atomic_load_n(&s->key.hi, __ATOMIC_ACQUIRE);
        if (!hi || ((hi & ~IS_LONG) == key.hi && __atomic_load_n(&s->key.lo, __ATOMIC_RELAXED) == key.lo))
            return s;
    }
    return NULL;
}

bpe_cache_slot *bpe_cache_seed(const bpe_model *m, int *bits) {
    uint32_t ids[BPE_KEY_MAX + 1];
    *bits = 10;
    while (((size_t)1 << *bits) < (size_t)m->n_ids * 9 / 4)     /* room for some words besides */
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
        if (!s || s->key.hi)
            continue;
        s->key = key;
        if (m->n_ids <= 65536)
            s->narrow[0] = (uint16_t)id, s->narrow[BPE_NARROW_MAX] = 1;
        else
            s->wide[0] = id, s->wide[BPE_WIDE_MAX] = 1;
    }
    return slot;
}

/* The ids that a slot of key holds; the key itself is not written. */
static void fill_ids(bpe_cache_slot *s, bool narrow, const uint32_t *ids, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (narrow)
            s->narrow[i] = (uint16_t)ids[i];
        else
            s->wide[i] = ids[i];
    }
    if (narrow)
        s->narrow[BPE_NARROW_MAX] = (uint16_t)n;
    else
        s->wide[BPE_WIDE_MAX] = (uint32_t)n;
}

/* Takes an empty slot for the word. Whoever else takes one at the same time goes on to the next, so that
 * a word may come to have two: they are the same. */
static const bpe_cache_slot *put(bpe_cache *c, bpe_key key, const uint32_t *ids, size_t n) {
    size_t mask = ((size_t)1 << c->bits) - 1, at = bpe_cache_place(c->bits, key);
    bool is_long = n > (c->narrow ? BPE_NARROW_MAX : BPE_WIDE_MAX);
    bpe_cache_slot *s = NULL;
    for (size_t i = at; i < at + PROBES_MAX && !s; i++) {
        uint64_t empty = 0;
        bpe_cache_slot *here = &c->table->slot[i & mask];
        if (__atomic_compare_exchange_n(&here->key.hi, &empty, IN_WORK, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            s = here;
    }
    if (s)
        c->n_new++;
    else
        s = &c->spare;
    if (!is_long)
        fill_ids(s, c->narrow, ids, n);
    __atomic_store_n(&s->key.lo, key.lo, __ATOMIC_RELAXED);
    __atomic_store_n(&s->key.hi, is_long ? key.hi | IS_LONG : key.hi, __ATOMIC_RELEASE);
    return is_long ? NULL : s;
}

/* ---- long words ---- */
static long_words *longs_new(int bits) {
    long_words *l = wt_xcalloc(1, sizeof *l);
    l->mask = places_of(bits) - 1, l->cap = units_of(bits);
    l->place = wt_xcalloc(l->mask + 1, sizeof *l->place);
    l->records = wt_xmalloc(l->cap * sizeof *l->records);
    return l;
}

static void longs_leave(long_words *l) {
    if (--l->n_tables)
        return;
    free(l->place);
    free(l->records);
    free(l);
}

static const record *longs_find(const long_words *l, uint64_t hash, const uint8_t *word, size_t n) {
    for (size_t i = 0; i < PROBES_MAX; i++) {
        uint64_t at = __atomic_load_n(&l->place[(hash + i) & l->mask], __ATOMIC_ACQUIRE);
        if (!at)
            return NULL;
        const record *r = (const record *)(l->records + (uint32_t)at - 1);
        if (at >> 32 == hash >> 32 && r->hash == hash && r->len == n && memcmp(r->ids + r->n, word, n) == 0)
            return r;
    }
    return NULL;
}

/* False where the records have reached their share. */
static bool longs_add(long_words *l, uint64_t hash, const uint8_t *word, size_t n, const uint32_t *ids, size_t n_ids) {
    size_t units = (sizeof(record) + n_ids * sizeof *ids + n + 7) / 8;
    size_t at = __atomic_fetch_add(&l->n, units, __ATOMIC_RELAXED);
    if (at + units > l->cap)
        return false;
    record *r = (record *)(l->records + at);
    *r = (record){hash, (uint32_t)n, (uint32_t)n_ids};
    memcpy(r->ids, ids, n_ids * sizeof *ids);
    memcpy(r->ids + n_ids, word, n);
    uint64_t empty = 0, place = hash >> 32 << 32 | (at + 1);
    for (size_t i = 0; i < PROBES_MAX; i++, empty = 0)
        if (__atomic_compare_exchange_n(&l->place[(hash + i) & l->mask], &empty, place, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            break;
    return true;
}

/* ---- tables ---- */
static void table_free(bpe_cache_table *t) {
    longs_leave(t->longs);
    wt_big_free(t->slot, slot_bytes(t->bits));
    free(t);
}

/* NULL where there is no memory. */
static bpe_cache_table *table_new(int bits, long_words *longs) {
    bpe_cache_slot *slot = wt_big_alloc(slot_bytes(bits), "a table of words", NULL);
    if (!slot)
        return NULL;
    bpe_cache_table *t = wt_xcalloc(1, sizeof *t);
    *t = (bpe_cache_table){.slot = slot, .bits = bits, .n_max = (size_t)1 << (bits - 1), .longs = longs};
    return t;
}

/* As many slots as the seed needs even where the memory asked for is less. */
static bpe_cache_table *table_of_seed(const bpe_cache_words *w) {
    const bpe_model *m = w->model;
    bpe_cache_table *t = table_new(m->seed_bits, longs_new(w->bits_max));
    if (!t)
        abort();                    /* as wt_xmalloc does */
    memcpy(t->slot, m->seed, slot_bytes(t->bits));
    for (size_t i = 0; i < (size_t)1 << t->bits; i++)
        t->n += t->slot[i].key.hi != 0;
    return t;
}

/* What the old table holds, but for what others add to it meanwhile. */
static bpe_cache_table *table_grown(const bpe_cache_table *old, int bits, bool shared) {
    bpe_cache_table *t = table_new(bits, old->longs);
    if (!t)
        return NULL;
    /* The pages first, for they are most of the time, so that others add little meanwhile. */
    for (size_t i = 0; shared && i < (size_t)1 << bits; i += 4096 / sizeof *t->slot)
        *(volatile uint64_t *)&t->slot[i].key.hi = 0;
    for (size_t i = 0; i < (size_t)1 << old->bits; i++) {
        const bpe_cache_slot *from = &old->slot[i];
        bpe_key key = {.hi = __atomic_load_n(&from->key.hi, __ATOMIC_ACQUIRE)};
        if (!key.hi || key.hi == IN_WORK)
            continue;
        key.lo = __atomic_load_n(&from->key.lo, __ATOMIC_RELAXED);
        bpe_cache_slot *to = find(t->slot, bits, key);
        if (to && !to->key.hi) {
            *to = (bpe_cache_slot){.key = key};
            memcpy(to->narrow, from->narrow, sizeof to->narrow);
            t->n++;
        }
    }
    return t;
}

/* ---- an encoder's view ---- */

/* Under the lock, but for the first encoder. */
static void use(bpe_cache *c, bpe_cache_table *t) {
    bpe_cache_table *old = c->table;
    if (t)
        t->n_users++;
    if (old && --old->n_users == 0 && old != c->words->current)
        table_free(old);
    c->table = t, c->n_new = 0;
    c->slot = t ? t->slot : NULL, c->bits = t ? t->bits : 0;
}

void bpe_cache_init(bpe_cache *c, const bpe_model *model, size_t bytes) {
    bpe_cache_words *w = wt_xcalloc(1, sizeof *w);
    *w = (bpe_cache_words){.model = model, .bits_max = model->seed_bits, .n_encoders = 1};
    pthread_mutex_init(&w->lock, NULL);
    bytes = bytes ? bytes : (size_t)64 << 20;
    while (table_bytes(w->bits_max + 1) <= bytes)
        w->bits_max++;
    w->current = table_of_seed(w);
    w->current->longs->n_tables = 1;
    *c = (bpe_cache){.words = w, .narrow = model->n_ids <= 65536};
    use(c, w->current);
}

void bpe_cache_share(bpe_cache *c, const bpe_cache *other) {
    bpe_cache_words *w = other->words;
    *c = (bpe_cache){.words = w, .narrow = other->narrow};
    pthread_mutex_lock(&w->lock);
    w->n_encoders++;
    w->shared = true;
    use(c, w->current);
    pthread_mutex_unlock(&w->lock);
}

void bpe_cache_free(bpe_cache *c) {
    bpe_cache_words *w = c->words;
    pthread_mutex_lock(&w->lock);
    use(c, NULL);
    bool last = --w->n_encoders == 0;
    pthread_mutex_unlock(&w->lock);
    if (last) {
        table_free(w->current);
        pthread_mutex_destroy(&w->lock);
        free(w);
    }
    free(c->ids);
}

void bpe_cache_renew(bpe_cache *c) {
    bpe_cache_words *w = c->words;
    if (__builtin_expect(__atomic_load_n(&w->current, __ATOMIC_RELAXED) == c->table, 1))
        return;
    pthread_mutex_lock(&w->lock);
    use(c, w->current);
    pthread_mutex_unlock(&w->lock);
}

/* A table of four times the slots (fresh pages cost more than empty slots do); or, where there may be no more
 * or long words have reached their share, one that begins anew. Others go on with the old one meanwhile. */
static void make_room(bpe_cache *c, bool for_longs) {
    bpe_cache_words *w = c->words;
    pthread_mutex_lock(&w->lock);
    bool mine = w->current == c->table && !w->growing;
    w->growing |= mine;
    pthread_mutex_unlock(&w->lock);
    if (!mine)
        return;
    int bits = c->bits + 2 < w->bits_max ? c->bits + 2 : w->bits_max;
    bpe_cache_table *t = bits == c->bits || for_longs ? table_of_seed(w) : table_grown(c->table, bits, w->shared);
    pthread_mutex_lock(&w->lock);
    w->growing = false;
    if (t) {
        t->longs->n_tables++;
        __atomic_store_n(&w->current, t, __ATOMIC_RELAXED);
        use(c, t);
    } else {                        /* no memory: words find no room any more, and are merged anew */
        __atomic_store_n(&c->table->n_max, SIZE_MAX, __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- words ---- */

/* A word found far from its place changes with what is in the second slot there, so that words
 * that come often are among the first two. All slots between are taken, so both are still found. Only where nobody
 * else looks. */
static const bpe_cache_slot *bring_near(bpe_cache *c, bpe_cache_slot *s, bpe_key key) {
    bpe_cache_slot *near = &c->table->slot[bpe_cache_place(c->bits, key) + 1];
    if (near == s || near == s + 1 || c->words->shared)
        return s;
    bpe_cache_slot far = *s;
    *s = *near;
    *near = far;
    return near;
}

const bpe_cache_slot *bpe_cache_short(bpe_cache *c, const uint8_t *word, bpe_key key) {
    uint32_t ids[BPE_KEY_MAX];
    bpe_cache_slot *s = find(c->table->slot, c->bits, key);
    /* asked again in full, for what was empty may be somebody's by now */
    uint64_t hi = s ? __atomic_load_n(&s->key.hi, __ATOMIC_ACQUIRE) : 0;
    if ((hi & ~IS_LONG) == key.hi && __atomic_load_n(&s->key.lo, __ATOMIC_RELAXED) == key.lo)
        return hi & IS_LONG ? NULL : bring_near(c, s, key);
    size_t n = bpe_merge_piece(c->words->model, word, bpe_key_len(key), ids);
    if (c->n_new >= COUNT_EVERY || c->bits < 16) {
        size_t held = __atomic_add_fetch(&c->table->n, c->n_new, __ATOMIC_RELAXED);
        c->n_new = 0;
        if (held >= __atomic_load_n(&c->table->n_max, __ATOMIC_RELAXED))
            make_room(c, false);
    }
    return put(c, key, ids, n);
}

static uint32_t *ids_room(bpe_cache *c, size_t n) {
    WT_GROW(c->ids, c->cap_ids, BPE_ROOM(n));
    return c->ids;
}

static const uint32_t *long_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids) {
    uint64_t hash = wt_hash64(word, n, 0);
    const record *known = longs_find(c->table->longs, hash, word, n);
    if (known) {
        *n_ids = known->n;
        return known->ids;
    }
    uint32_t *ids = ids_room(c, n);
    *n_ids = bpe_merge_piece(c->words->model, word, n, ids);
    if (!longs_add(c->table->longs, hash, word, n, ids, *n_ids))
        make_room(c, true);
    return ids;
}

const uint32_t *bpe_cache_ids(bpe_cache *c, const uint8_t *word, size_t n, size_t *n_ids) {
    const bpe_cache_slot *s = n > BPE_KEY_MAX ? NULL : bpe_cache_short(c, word, bpe_key_copy(word, n));
    if (!s && n <= LONG_WORD_MAX)
        return long_ids(c, word, n, n_ids);
    uint32_t *ids = ids_room(c, n);
    if (!s) {
        *n_ids = bpe_merge_piece(c->words->model, word, n, ids);
        return ids;
    }
    *n_ids = c->narrow ? s->narrow[BPE_NARROW_MAX] : s->wide[BPE_WIDE_MAX];
    for (size_t i = 0; i < *n_ids; i++)
        ids[i] = c->narrow ? s->narrow[i] : s->wide[i];
    return ids;
}

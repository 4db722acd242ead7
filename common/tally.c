/* tally.c - an open-addressing table of counts; names lie in an arena. */
#include "common/tally.h"

#include <stdlib.h>

#include "common/hash.h"
#include "common/json.h"
#include "common/memory.h"

struct wt_tally {
    wt_tally_entry *slot;
    size_t n, cap;                  /* cap: a power of two */
    wt_arena *arena;
};

wt_tally *wt_tally_new(void) {
    wt_tally *t = wt_xcalloc(1, sizeof *t);
    t->cap = 1024;
    t->slot = wt_xcalloc(t->cap, sizeof *t->slot);
    t->arena = wt_arena_new(1 << 20);
    return t;
}

void wt_tally_free(wt_tally *t) {
    if (!t) return;
    wt_arena_free(t->arena);
    free(t->slot);
    free(t);
}

size_t wt_tally_names(const wt_tally *t) { return t->n; }

static wt_tally_entry *find(wt_tally_entry *slot, size_t cap, wt_str name) {
    size_t i = wt_hash64(name.ptr, name.len, 0) & (cap - 1);
    while (slot[i].name.ptr && !wt_str_eq(slot[i].name, name)) i = (i + 1) & (cap - 1);
    return &slot[i];
}

void wt_tally_add(wt_tally *t, wt_str name, uint64_t n) {
    if (2 * (t->n + 1) > t->cap) {
        wt_tally_entry *slot = wt_xcalloc(2 * t->cap, sizeof *slot);
        for (size_t i = 0; i < t->cap; i++)
            if (t->slot[i].name.ptr) *find(slot, 2 * t->cap, t->slot[i].name) = t->slot[i];
        free(t->slot);
        t->slot = slot, t->cap *= 2;
    }
    wt_tally_entry *e = find(t->slot, t->cap, name);
    if (!e->name.ptr) e->name = wt_arena_copy(t->arena, name), t->n++;
    e->n += n;
}

static int greatest_first(const void *a, const void *b) {
    const wt_tally_entry *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : wt_str_cmp(x->name, y->name);
}

wt_tally_entry *wt_tally_sorted(const wt_tally *t, size_t *n) {
    wt_tally_entry *list = wt_xmalloc((t->n + 1) * sizeof *list);
    *n = 0;
    for (size_t i = 0; i < t->cap; i++)
        if (t->slot[i].name.ptr) list[(*n)++] = t->slot[i];
    qsort(list, *n, sizeof *list, greatest_first);
    return list;
}

void wt_tally_write_top(const wt_tally *t, size_t most, wt_buf *json) {
    size_t n;
    wt_tally_entry *list = wt_tally_sorted(t, &n);
    wt_buf_add_char(json, '[');
    for (size_t i = 0; i < n && i < most; i++) {
        wt_buf_add_str(json, i ? WT_STR(",[") : WT_STR("["));
        wt_json_add_string(json, list[i].name);
        wt_buf_printf(json, ",%lu]", (unsigned long)list[i].n);
    }
    wt_buf_add_char(json, ']');
    free(list);
}

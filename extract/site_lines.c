/* site_lines.c - boilerplate that no page gives away alone: a line that stands on many pages of one site.
 * One table counts (site, line) pairs and another the pages of a site; both keep hashes only. A line
 * counts once a page. It is boilerplate on at least 5 pages and a fifth of the site's pages. */
#include <stdlib.h>

#include "common/hash.h"
#include "extract/extract.h"

enum { PAGES_MIN = 5, SHARE = 5 };

typedef struct {
    uint64_t key;
    uint32_t count, last_page;
} pair;

struct site_lines {
    pair *slot;
    size_t n, cap;
    uint32_t n_pages;
};

static pair *find(const site_lines *s, uint64_t key) {
    size_t i = key & (s->cap - 1);
    while (s->slot[i].key && s->slot[i].key != key) i = (i + 1) & (s->cap - 1);
    return &s->slot[i];
}

static pair *find_or_add(site_lines *s, uint64_t key) {
    if (2 * (s->n + 1) > s->cap) {
        site_lines bigger = {wt_xcalloc(2 * s->cap, sizeof(pair)), s->n, 2 * s->cap, s->n_pages};
        for (size_t i = 0; i < s->cap; i++)
            if (s->slot[i].key) *find(&bigger, s->slot[i].key) = s->slot[i];
        free(s->slot);
        *s = bigger;
    }
    pair *p = find(s, key);
    if (!p->key) p->key = key, s->n++;
    return p;
}

static wt_str site_of(wt_str url) {
    ptrdiff_t at = wt_str_find(url, WT_STR("://"));
    wt_str rest = at < 0 ? url : (wt_str){url.ptr + at + 3, url.len - (size_t)at - 3};
    wt_str host = wt_str_cut(&rest, '/');
    if (wt_str_starts(host, WT_STR("www."))) host.ptr += 4, host.len -= 4;
    return host;
}

static uint64_t site_key(wt_str url) {
    wt_str site = site_of(url);
    return wt_hash64(site.ptr, site.len, 1) | 1;
}
static uint64_t line_key(uint64_t site, wt_str line) { return wt_hash64(line.ptr, line.len, site) | 1; }

site_lines *site_lines_new(void) {
    site_lines *s = wt_xcalloc(1, sizeof *s);
    s->cap = 1 << 12;
    s->slot = wt_xcalloc(s->cap, sizeof *s->slot);
    return s;
}

void site_lines_free(site_lines *s) {
    if (!s) return;
    free(s->slot);
    free(s);
}

void site_lines_count(site_lines *s, wt_str url, wt_str text) {
    uint64_t site = site_key(url);
    s->n_pages++;
    find_or_add(s, site)->count++;
    while (text.len) {
        wt_str line = wt_str_trim(wt_str_cut(&text, '\n'));
        if (!line.len) continue;
        pair *p = find_or_add(s, line_key(site, line));
        if (p->last_page == s->n_pages) continue;
        p->last_page = s->n_pages;
        p->count++;
    }
}

size_t site_lines_cut(const site_lines *s, wt_str url, wt_str text, wt_buf *out) {
    uint64_t site = site_key(url);
    uint32_t n_pages = find(s, site)->count;
    size_t n_cut = 0, start = out->len;
    bool gap = false;
    while (text.len) {
        wt_str line = wt_str_cut(&text, '\n'), trimmed = wt_str_trim(line);
        if (!trimmed.len) {
            gap = true;
            continue;
        }
        uint32_t n = find(s, line_key(site, trimmed))->count;
        if (n >= PAGES_MIN && n * SHARE >= n_pages) {
            n_cut++;
            continue;
        }
        if (out->len > start) wt_buf_add_str(out, gap ? WT_STR("\n\n") : WT_STR("\n"));
        gap = false;
        wt_buf_add_str(out, line);
    }
    if (out->len > start) wt_buf_add_char(out, '\n');
    return n_cut;
}

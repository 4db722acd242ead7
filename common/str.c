/* str.c - slices, growing buffers, and the allocator that ends the program with a word. */
#include "common/str.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned char lower(unsigned char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

bool wt_str_eq_nocase(wt_str a, wt_str b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower((unsigned char)a.ptr[i]) != lower((unsigned char)b.ptr[i])) return false;
    return true;
}

bool wt_str_starts(wt_str s, wt_str prefix) {
    return s.len >= prefix.len && wt_str_eq((wt_str){s.ptr, prefix.len}, prefix);
}

bool wt_str_starts_nocase(wt_str s, wt_str prefix) {
    return s.len >= prefix.len && wt_str_eq_nocase((wt_str){s.ptr, prefix.len}, prefix);
}

bool wt_str_ends(wt_str s, wt_str suffix) {
    return s.len >= suffix.len &&
           wt_str_eq((wt_str){s.ptr + (s.len - suffix.len), suffix.len}, suffix);
}

static bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

wt_str wt_str_trim(wt_str s) {
    while (s.len && is_blank(s.ptr[0])) s.ptr++, s.len--;
    while (s.len && is_blank(s.ptr[s.len - 1])) s.len--;
    return s;
}

wt_str wt_str_cut(wt_str *rest, char separator) {
    wt_str head = *rest;
    const char *at = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    if (!at) {
        if (rest->len) rest->ptr += rest->len, rest->len = 0;       /* NULL + 0 is not allowed */
        return head;
    }
    head.len = (size_t)(at - head.ptr);
    rest->ptr = at + 1, rest->len -= head.len + 1;
    return head;
}

ptrdiff_t wt_str_find(wt_str s, wt_str needle) {
    if (needle.len == 0) return 0;
    if (needle.len > s.len) return -1;
    const char *at = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return at ? at - s.ptr : -1;
}

int wt_str_cmp(wt_str a, wt_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static void *or_die(void *p, size_t n) {
    if (p || n == 0) return p;
    fprintf(stderr, "out of memory: %zu bytes were needed\n", n);
    abort();
}

void *wt_xmalloc(size_t n) { return or_die(malloc(n ? n : 1), n); }
void *wt_xrealloc(void *p, size_t n) { return or_die(realloc(p, n ? n : 1), n); }
void *wt_xcalloc(size_t n, size_t size) { return or_die(calloc(n ? n : 1, size ? size : 1), n * size); }
char *wt_xstrdup(const char *s) { return wt_xstrndup(wt_str_of(s)); }

char *wt_xstrndup(wt_str s) {
    char *copy = wt_xmalloc(s.len + 1);
    if (s.len) memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    return copy;
}

void wt_buf_reserve(wt_buf *b, size_t extra) {
    size_t need = b->len + extra + 1;
    if (need <= b->cap) return;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need) cap += cap / 2 + 64;
    b->ptr = wt_xrealloc(b->ptr, cap);
    b->cap = cap;
}

void wt_buf_add(wt_buf *b, const void *bytes, size_t n) {
    wt_buf_reserve(b, n);
    if (n) memcpy(b->ptr + b->len, bytes, n);
    b->len += n;
    b->ptr[b->len] = 0;
}

void wt_buf_add_str(wt_buf *b, wt_str s) { wt_buf_add(b, s.ptr, s.len); }
void wt_buf_add_char(wt_buf *b, char c) { wt_buf_add(b, &c, 1); }

void wt_buf_vprintf(wt_buf *b, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0) {
        wt_buf_reserve(b, (size_t)n);
        vsnprintf(b->ptr + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void wt_buf_printf(wt_buf *b, const char *format, ...) {
    va_list args;
    va_start(args, format);
    wt_buf_vprintf(b, format, args);
    va_end(args);
}

void wt_buf_replace(wt_buf *b, const char *from, const char *to) {
    wt_buf out = {0};
    wt_str rest = wt_buf_view(b), needle = wt_str_of(from);
    ptrdiff_t at;
    while ((at = wt_str_find(rest, needle)) >= 0) {
        wt_buf_add(&out, rest.ptr, (size_t)at);
        wt_buf_add_str(&out, wt_str_of(to));
        rest.ptr += (size_t)at + needle.len, rest.len -= (size_t)at + needle.len;
    }
    wt_buf_add_str(&out, rest);
    wt_buf_free(b);
    *b = out;
}

void wt_buf_clear(wt_buf *b) {
    b->len = 0;
    if (b->ptr) b->ptr[0] = 0;
}

void wt_buf_free(wt_buf *b) {
    free(b->ptr);
    *b = (wt_buf){0};
}

/* str.h - byte slices and growing buffers. Pages hold NUL and broken UTF-8, so bytes travel with
 * their length. A wt_str borrows; a wt_buf owns. Memory of sizes we chose: running out of it ends
 * the program with a word (wt_xmalloc). Sizes the user chose go through wt_big_alloc (memory.h). */
#ifndef WT_COMMON_STR_H
#define WT_COMMON_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const char *ptr;
    size_t len;
} wt_str;

/* A slice of a literal, for initialisers and expressions. */
#define WT_STR(literal) ((wt_str){("" literal), sizeof(literal) - 1})
/* For printf("%.*s", WT_FMT(s)). */
#define WT_FMT(s) (int)(s).len, (s).ptr

static inline wt_str wt_str_of(const char *c_string) {
    return (wt_str){c_string, c_string ? strlen(c_string) : 0};
}
static inline bool wt_str_eq(wt_str a, wt_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
bool wt_str_eq_nocase(wt_str a, wt_str b);            /* ASCII letters only */
bool wt_str_starts(wt_str s, wt_str prefix);
bool wt_str_starts_nocase(wt_str s, wt_str prefix);   /* ASCII letters only */
bool wt_str_ends(wt_str s, wt_str suffix);
wt_str wt_str_trim(wt_str s);                         /* ASCII white space at both ends */
wt_str wt_str_cut(wt_str *rest, char separator);      /* up to the separator; *rest moves past it */
ptrdiff_t wt_str_find(wt_str s, wt_str needle);       /* first position, or -1 */
/* Does s hold `lower` (ASCII, its letters lower case) in letters of either case? For short s, in place of a copy. */
static inline bool wt_str_holds_nocase(wt_str s, wt_str lower) {
    for (size_t i = 0; i + lower.len <= s.len; i++) {
        size_t k = 0;
        while (k < lower.len && (s.ptr[i + k] | 32) == lower.ptr[k]) k++;
        if (k == lower.len) return true;
    }
    return false;
}
int wt_str_cmp(wt_str a, wt_str b);                   /* byte order, shorter first on a tie */

typedef struct {
    char *ptr;      /* NUL-terminated whenever not NULL */
    size_t len, cap;
} wt_buf;

static inline wt_str wt_buf_view(const wt_buf *b) { return (wt_str){b->ptr, b->len}; }
void wt_buf_reserve(wt_buf *b, size_t extra);         /* room for `extra` more bytes and a NUL */
void wt_buf_add(wt_buf *b, const void *bytes, size_t n);
void wt_buf_add_str(wt_buf *b, wt_str s);
void wt_buf_add_char(wt_buf *b, char c);
void wt_buf_printf(wt_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void wt_buf_vprintf(wt_buf *b, const char *format, va_list args);
/* Every `from` (not empty), left to right, becomes `to`. */
void wt_buf_replace(wt_buf *b, const char *from, const char *to);
void wt_buf_clear(wt_buf *b);                         /* len = 0, memory kept */
void wt_buf_free(wt_buf *b);                          /* empty again, ready for use */

void *wt_xmalloc(size_t n);
void *wt_xcalloc(size_t n, size_t size);
void *wt_xrealloc(void *p, size_t n);
char *wt_xstrdup(const char *s);
char *wt_xstrndup(wt_str s);                          /* NUL-terminated copy; free() it */

/* Grows an array by doubling so that index `need - 1` exists: WT_GROW(list, cap, n + 1). */
#define WT_GROW(array, cap, need)                                                         \
    do {                                                                                  \
        if ((size_t)(need) > (size_t)(cap)) {                                             \
            (cap) = (size_t)(need) > 2 * (size_t)(cap) ? (need) : 2 * (cap);              \
            (array) = wt_xrealloc((array), (size_t)(cap) * sizeof *(array));              \
        }                                                                                 \
    } while (0)

#endif

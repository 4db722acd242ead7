/* in_lines.c - lines of an input: one at a time, blocks of whole lines, lists of lines. All of them take what is decoded span
 * by span and search it with memchr; a line that is too long is passed over whole, whichever spans it lies in. */
#include <stdlib.h>

#include "common/in_impl.h"

static wt_str without_cr(const char *p, size_t n) {
    return (wt_str){p, n > 0 && p[n - 1] == '\r' ? n - 1 : n};
}

int wt_in_line(wt_in *in, size_t max_bytes, wt_str *line, uint64_t *too_long, wt_err *err) {
    bool skipping = false, any = false;
    wt_buf_clear(&in->line);
    for (;;) {
        int more = wt_in_span(in, err);
        if (more < 0) return -1;
        if (more == 0) {
            if (skipping && too_long) ++*too_long;
            if (skipping || !any) return 0;
            *line = without_cr(in->line.ptr, in->line.len);
            return 1;
        }
        const uint8_t *p = in->at, *stop = memchr(p, '\n', (size_t)(in->end - p));
        size_t n = (size_t)((stop ? stop : in->end) - p);
        in->at = stop ? stop + 1 : in->end;
        in->offset += n + (stop != NULL);
        any = true;
        if (!skipping && n > max_bytes - in->line.len) skipping = true;
        if (!skipping && stop && in->line.len == 0) {
            *line = without_cr((const char *)p, n);
            return 1;
        }
        if (!skipping) wt_buf_add(&in->line, p, n);
        if (!stop) continue;
        if (!skipping) {
            *line = without_cr(in->line.ptr, in->line.len);
            return 1;
        }
        if (too_long) ++*too_long;
        skipping = any = false;
        wt_buf_clear(&in->line);
    }
}

/* How much of a span to put behind `held` bytes of a block: through the first line's end at or behind `want`,
 * else all of it. *full tells which. */
static size_t block_part(const uint8_t *span, size_t n, size_t held, size_t want, bool *full) {
    size_t from = want > held + 1 ? want - held - 1 : 0;
    const uint8_t *stop = from < n ? memchr(span + from, '\n', n - from) : NULL;
    *full = stop != NULL;
    return stop ? (size_t)(stop + 1 - span) : n;
}

/* Spans are taken as a whole: only their first line can be too long (it began before), and only the place of
 * the last line's beginning must be known. */
int wt_in_block(wt_in *in, size_t want, size_t max_line, wt_buf *block, uint64_t *too_long,
                wt_err *err) {
    wt_buf_clear(block);
    size_t line_start = 0;                   /* in block: where the line begun last begins */
    bool skipping = false, full = false;
    for (;;) {
        int more = wt_in_span(in, err);
        if (more < 0) return -1;
        if (more == 0) break;
        const uint8_t *p = in->at;
        size_t n = (size_t)(in->end - p);
        if (n > max_line) n = max_line ? max_line : 1;      /* so that no line lies in the middle of it */
        const uint8_t *stop = memchr(p, '\n', n);
        size_t first = stop ? (size_t)(stop + 1 - p) : n;   /* of the span's first line, or all */
        if (skipping || block->len - line_start + first - (stop != NULL) > max_line) {
            block->len = line_start;
            skipping = !stop;
            if (stop && too_long) ++*too_long;
            n = first;
        } else {
            n = block_part(p, n, block->len, want, &full);
            wt_buf_add(block, p, n);
            const uint8_t *last = memrchr(p, '\n', n);
            if (last) line_start = block->len - (size_t)(p + n - last - 1);
        }
        in->offset += n;
        in->at = p + n;
        if (full) return 1;
    }
    if (skipping && too_long) ++*too_long;
    if (block->len > line_start) wt_buf_add_char(block, '\n');
    return block->len > 0;
}

static bool is_blank(const uint8_t *p, const uint8_t *end) {
    if (p < end && *p > ' ') return false;
    return wt_str_trim((wt_str){(const char *)p, (size_t)(end - p)}).len == 0;
}

/* What is known of a line whose beginning was taken and whose end was not. */
typedef struct {
    size_t start;                            /* in the lines' bytes */
    bool text, skipping;                     /* not white space alone; too long */
} begun_line;

/* Takes lines from n bytes of the span that hold no line's beginning and a too long rest of it; *full: no more are
 * wanted. Returns how many bytes. */
static size_t lines_take(wt_lines *lines, begun_line *begun, const uint8_t *p, size_t n, size_t max_lines, size_t max_bytes,
                         bool *full) {
    const uint8_t *from = p, *end = p + n, *stop;
    while (!*full && (stop = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        size_t next = lines->n_bytes + (size_t)(stop + 1 - from);
        if (!begun->text && is_blank(p, stop)) {
            lines->n_blank++;
        } else {
            if (!lines->pass) {
                WT_GROW(lines->end, lines->cap, lines->n + 1);
                lines->end[lines->n] = next;
            }
            lines->n++;
        }
        *begun = (begun_line){.start = next};
        p = stop + 1;
        *full = lines->n >= max_lines || next >= max_bytes;
    }
    if (!*full && p < end) begun->text |= !is_blank(p, end), p = end;
    if (!lines->pass) wt_buf_add(&lines->bytes, from, (size_t)(p - from));
    lines->n_bytes += (size_t)(p - from);
    return (size_t)(p - from);
}

/* The line begun last goes, from the beginning on. */
static void lines_cut(wt_lines *lines, const begun_line *begun) {
    lines->n_bytes = begun->start;
    if (!lines->pass) lines->bytes.len = begun->start;
}

/* As in wt_in_block, at most max_line bytes are looked at, so that only their first line can be too long. */
int wt_in_lines(wt_in *in, wt_lines *lines, size_t max_lines, size_t max_bytes, size_t max_line, uint64_t *too_long,
                wt_err *err) {
    begun_line begun = {.start = lines->n_bytes};
    bool full = lines->n >= max_lines || lines->n_bytes >= max_bytes;
    while (!full) {
        int more = wt_in_span(in, err);
        if (more < 0) return lines_cut(lines, &begun), -1;
        if (more == 0) break;
        const uint8_t *p = in->at;
        size_t n = (size_t)(in->end - p), before = lines->n_bytes - begun.start;
        if (n > max_line) n = max_line ? max_line : 1;
        const uint8_t *stop = begun.skipping || before + n > max_line ? memchr(p, '\n', n) : NULL;
        size_t first = stop ? (size_t)(stop - p) : n;
        if (begun.skipping || before + first > max_line) {
            lines_cut(lines, &begun);
            if (stop && too_long) ++*too_long;
            begun = (begun_line){.start = begun.start, .skipping = !stop};
            n = first + (stop != NULL);
        } else {
            n = lines_take(lines, &begun, p, n, max_lines, max_bytes, &full);
        }
        in->offset += n;
        in->at = p + n;
    }
    if (full) return 1;
    if (begun.skipping && too_long) ++*too_long;
    if (begun.text) lines_take(lines, &begun, (const uint8_t *)"\n", 1, max_lines, max_bytes, &full);
    else lines_cut(lines, &begun);
    return 0;
}

void wt_lines_clear(wt_lines *lines) { lines->bytes.len = lines->n = lines->n_bytes = lines->n_blank = 0; }

void wt_lines_free(wt_lines *lines) {
    wt_buf_free(&lines->bytes);
    free(lines->end);
    *lines = (wt_lines){0};
}

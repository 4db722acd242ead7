/* in_lines.c - lines of an input: one at a time, and blocks of whole lines. Both take what is decoded span
 * by span and search it with memchr; a line that is too long is passed over whole, whichever spans it lies in. */
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

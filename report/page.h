/* page.h - one self-contained HTML page: sections, tables, tiles of numbers, charts as inline SVG. No
 * script, no font, no address of anything outside the file; colours follow the reader's light or dark
 * setting. Everything appends to a buffer; text is escaped here and nowhere else. */
#ifndef WT_REPORT_PAGE_H
#define WT_REPORT_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/str.h"

void page_begin(wt_buf *out, const char *title);
void page_end(wt_buf *out);
void page_text(wt_buf *out, wt_str text);               /* escaped; control bytes and bad UTF-8 as U+FFFD */
void page_section(wt_buf *out, const char *id, const char *title, const char *path);
void page_section_end(wt_buf *out);
void page_heading(wt_buf *out, const char *text);
void page_note(wt_buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* "1,234,567"; "1.23 M"; "4.5 GiB"; "3m 20s". */
void page_number(wt_buf *out, double x);
void page_short(wt_buf *out, double x);
void page_bytes(wt_buf *out, double bytes);
void page_seconds(wt_buf *out, double s);

/* A row of tiles: page_tiles, page_tile..., page_tiles_end. */
void page_tiles(wt_buf *out);
void page_tile(wt_buf *out, const char *label, wt_str value);
void page_tiles_end(wt_buf *out);

/* A table of cells; columns whose heading begins with '>' are right-aligned numbers. */
void page_table(wt_buf *out, const char *const *headings, int n_columns);
void page_cell(wt_buf *out, wt_str text);
void page_cell_number(wt_buf *out, double x);
void page_row_end(wt_buf *out);
void page_table_end(wt_buf *out);

/* ---- names with numbers: one bar each, and with a `whole` above 0 its share of that ---- */
typedef struct {
    wt_str name;
    double value;
} page_bar;
void page_bars(wt_buf *out, const page_bar *bar, size_t n, double whole);

/* ---- charts ---- */
typedef struct {
    const char *name;
    const double *x, *y;        /* n of each, x ascending; NaN breaks the line */
    size_t n;
    bool points;                /* dots and a line between them; else a line */
    bool faint;                 /* noise behind another series */
} page_series;
typedef struct {
    const char *title, *x_label;
    bool log_x, log_y, from_zero;
} page_axes;
void page_lines(wt_buf *out, const page_axes *axes, const page_series *series, int n_series);

/* Columns side by side (a histogram); second (may be NULL) is the part of each that is special. */
void page_columns(wt_buf *out, const char *title, const page_bar *bar, const double *second, size_t n,
                  const char *name, const char *second_name);

#endif

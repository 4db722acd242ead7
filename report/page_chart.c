/* page_chart.c - line charts and columns as inline SVG. The drawing is 1000 units wide and scales with
 * the page. Long series are thinned to the mean of what falls on each two units, so that a run of a
 * million steps makes a page of some kilobytes and still shows its shape. */
#include <math.h>
#include <stdio.h>

#include "report/page.h"

enum { WIDTH = 1000, HEIGHT = 300, LEFT = 62, RIGHT = 14, TOP = 10, BOTTOM = 38, TICKS = 6 };

typedef struct {
    double low, high;
    bool log;
    double from, to;        /* on the drawing */
} scale;

static double place(const scale *s, double v) {
    double t = s->log ? (log(v) - log(s->low)) / (log(s->high) - log(s->low)) : (v - s->low) / (s->high - s->low);
    return s->from + t * (s->to - s->from);
}

/* 1, 2 or 5 times a power of ten, so that about n steps cover the range. */
static double nice_step(double range, int n) {
    double raw = range / n, power = pow(10, floor(log10(raw))), f = raw / power;
    return power * (f < 1.4 ? 1 : f < 3 ? 2 : f < 7 ? 5 : 10);
}

static void widen(scale *s, double v) {
    if (!isfinite(v) || (s->log && v <= 0)) return;
    s->low = fmin(s->low, v), s->high = fmax(s->high, v);
}

/* Never an empty range. */
static void settle(scale *s) {
    if (s->low > s->high) s->low = s->log ? 1 : 0, s->high = s->log ? 10 : 1;
    if (s->low == s->high) {
        double d = s->low != 0 ? fabs(s->low) * 0.1 : 1;
        if (s->log) s->low /= 2, s->high *= 2;
        else s->low -= d, s->high += d;
    }
}

static void tick_text(wt_buf *out, double v, double step) {
    if (fabs(v) >= 10000 || (v != 0 && fabs(v) < 1e-3)) {
        if (fabs(v) < 1e-3) wt_buf_printf(out, "%.3g", v);
        else page_short(out, v);
        return;
    }
    int digits = step > 0 && step < 1 ? (int)ceil(-log10(step) - 1e-9) : 0;
    wt_buf_printf(out, "%.*f", digits, v);
}

static void one_tick(wt_buf *out, const scale *s, double v, double step, bool vertical) {
    double at = place(s, v);
    if (vertical)
        wt_buf_printf(out, "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                      LEFT, WIDTH - RIGHT, at, at, LEFT - 8, at + 4);
    else
        wt_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", at, HEIGHT - BOTTOM + 17);
    tick_text(out, v, step);
    wt_buf_add_str(out, WT_STR("</text>"));
}

static void ticks(wt_buf *out, const scale *s, bool vertical) {
    if (s->log) {
        /* Powers of ten; with few of them also twice and five times these. */
        int decades = (int)(log10(s->high / s->low) + 1), every = decades > 8 ? decades / 6 + 1 : 1;
        for (int e = (int)floor(log10(s->low)); pow(10, e) <= s->high * 1.0001; e += every)
            for (int m = 1; m <= (decades <= 3 ? 5 : 1); m = m == 1 ? 2 : m + 3) {
                double v = m * pow(10, e);
                if (v >= s->low * 0.9999 && v <= s->high * 1.0001) one_tick(out, s, v, pow(10, e), vertical);
            }
        return;
    }
    double step = nice_step(s->high - s->low, TICKS);
    for (double v = ceil(s->low / step - 1e-9) * step; v <= s->high + step * 1e-6; v += step)
        one_tick(out, s, fabs(v) < step * 1e-6 ? 0 : v, step, vertical);
}

static void legend(wt_buf *out, const char *const *names, int n) {
    wt_buf_add_str(out, WT_STR("<div class=\"key\">"));
    for (int i = 0; i < n; i++) {
        if (!names[i]) continue;
        wt_buf_printf(out, "<i style=\"background:var(--c%d)\"></i>", i + 1);
        page_text(out, wt_str_of(names[i]));
    }
    wt_buf_add_str(out, WT_STR("</div>"));
}

static void open_svg(wt_buf *out, const char *title) {
    wt_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    page_text(out, wt_str_of(title));
    wt_buf_add_str(out, WT_STR("\">"));
}

/* The points of a series, thinned to one for each two units of the drawing. */
static void draw_series(wt_buf *out, const page_series *s, int i_series, const scale *x, const scale *y) {
    int style = i_series % 3;
    bool pen_down = false;
    wt_buf dots = {0};
    wt_buf_printf(out, "<path class=\"s s%d%s\" d=\"", style, s->faint ? " f" : "");
    for (size_t i = 0; i < s->n;) {
        double at = place(x, s->x[i]), sum_x = 0, sum_y = 0;
        size_t n = 0;
        for (; i < s->n && (n == 0 || place(x, s->x[i]) < at + 2); i++) {
            if (!isfinite(s->y[i]) || (y->log && s->y[i] <= 0) || (x->log && s->x[i] <= 0)) {
                pen_down = pen_down && n > 0;
                i++;
                break;
            }
            sum_x += s->x[i], sum_y += s->y[i], n++;
        }
        if (!n) continue;
        double px = place(x, sum_x / (double)n), py = place(y, sum_y / (double)n);
        wt_buf_printf(out, "%c%.1f %.1f", pen_down ? 'L' : 'M', px, py);
        pen_down = true;
        if (s->points) {
            wt_buf_printf(&dots, "<circle class=\"p%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"><title>", style, px, py);
            page_text(&dots, wt_str_of(s->name));
            wt_buf_printf(&dots, " %.5g at %.6g</title></circle>", sum_y / (double)n, sum_x / (double)n);
        }
    }
    wt_buf_add_str(out, WT_STR("\"/>"));
    wt_buf_add_str(out, wt_buf_view(&dots));
    wt_buf_free(&dots);
}

void page_lines(wt_buf *out, const page_axes *axes, const page_series *series, int n_series) {
    scale x = {INFINITY, -INFINITY, axes->log_x, LEFT, WIDTH - RIGHT};
    scale y = {INFINITY, -INFINITY, axes->log_y, HEIGHT - BOTTOM, TOP};
    const char *names[8] = {0};
    if (axes->from_zero && !axes->log_y) widen(&y, 0);
    for (int k = 0; k < n_series; k++) {
        names[k] = series[k].n ? series[k].name : NULL;
        for (size_t i = 0; i < series[k].n; i++) widen(&x, series[k].x[i]), widen(&y, series[k].y[i]);
    }
    settle(&x), settle(&y);
    wt_buf_add_str(out, WT_STR("<figure><figcaption>"));
    page_text(out, wt_str_of(axes->title));
    wt_buf_add_str(out, WT_STR("</figcaption>"));
    if (n_series > 1) legend(out, names, n_series);
    open_svg(out, axes->title);
    ticks(out, &y, true);
    ticks(out, &x, false);
    wt_buf_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>", LEFT, WIDTH - RIGHT, HEIGHT - BOTTOM,
                  HEIGHT - BOTTOM);
    wt_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDTH - RIGHT, HEIGHT - 4);
    page_text(out, wt_str_of(axes->x_label));
    wt_buf_add_str(out, WT_STR("</text>"));
    for (int k = 0; k < n_series; k++)
        if (series[k].n) draw_series(out, &series[k], k, &x, &y);
    wt_buf_add_str(out, WT_STR("</svg></figure>\n"));
}

static void one_column(wt_buf *out, const page_bar *bar, double second, double x, double width, const scale *y, bool label) {
    double top = place(y, bar->value), base = HEIGHT - BOTTOM;
    wt_buf_printf(out, "<g><title>");
    page_text(out, bar->name);
    wt_buf_add_str(out, WT_STR(": "));
    page_number(out, bar->value);
    wt_buf_printf(out, "</title><rect class=\"p0\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\"/>", x, top, width, base - top);
    if (second > 0) wt_buf_printf(out, "<rect class=\"p1\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"1.5\"/>", x,
                                  place(y, second), width, base - place(y, second));
    wt_buf_add_str(out, WT_STR("</g>"));
    if (!label) return;
    wt_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x + width / 2, HEIGHT - BOTTOM + 17);
    page_text(out, bar->name);
    wt_buf_add_str(out, WT_STR("</text>"));
}

void page_columns(wt_buf *out, const char *title, const page_bar *bar, const double *second, size_t n, const char *name,
                  const char *second_name) {
    scale y = {0, 0, false, HEIGHT - BOTTOM, TOP};
    size_t longest = 1;
    for (size_t i = 0; i < n; i++) {
        widen(&y, bar[i].value);
        longest = bar[i].name.len > longest ? bar[i].name.len : longest;
    }
    if (y.high <= 0) y.high = 1;
    wt_buf_add_str(out, WT_STR("<figure><figcaption>"));
    page_text(out, wt_str_of(title));
    wt_buf_add_str(out, WT_STR("</figcaption>"));
    if (second) legend(out, (const char *const[]){name, second_name}, 2);
    open_svg(out, title);
    ticks(out, &y, true);
    double pitch = (double)(WIDTH - LEFT - RIGHT) / (double)(n ? n : 1), width = fmax(pitch - 2, pitch * 0.7);
    size_t every = (size_t)ceil(((double)longest * 7 + 8) / pitch);
    for (size_t i = 0; i < n; i++)
        one_column(out, &bar[i], second ? second[i] : 0, LEFT + pitch * (double)i + (pitch - width) / 2, width, &y, i % every == 0);
    wt_buf_printf(out, "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/></svg></figure>\n", LEFT, WIDTH - RIGHT,
                  HEIGHT - BOTTOM, HEIGHT - BOTTOM);
}

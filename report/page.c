/* page.c - the page's frame, its words and tables. Charts are in page_chart.c. */
#include "report/page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/utf8.h"

static const char style[] =
    ":root{color-scheme:light dark;--page:#f7f7f5;--card:#fff;--ink:#15171a;--soft:#5c6168;--line:#e2e2de;"
    "--c1:#2a6fd0;--c2:#d9622b;--c3:#1d9a6c;--bar:#bcd3f2;--bad:#e9b49a}"
    "@media(prefers-color-scheme:dark){:root{--page:#15171a;--card:#1d2024;--ink:#e9eaec;--soft:#9aa0a8;--line:#31353b;"
    "--c1:#6ea8f7;--c2:#f08f5c;--c3:#4cc894;--bar:#2b4a75;--bad:#7a4128}}"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"
    "'Segoe UI',Roboto,'Noto Sans',sans-serif}main{max-width:1060px;margin:0 auto;padding:24px 20px 60px}"
    "h1{font-size:27px;line-height:1.2;margin:8px 0 2px;letter-spacing:-.01em}h2{font-size:20px;margin:0}"
    "h3{font-size:15px;margin:26px 0 8px}p{margin:6px 0}.soft,.path{color:var(--soft)}.path{font:13px ui-monospace,Menlo,"
    "Consolas,monospace;overflow-wrap:anywhere}section{background:var(--card);border:1px solid var(--line);border-radius:10px;"
    "padding:20px 22px;margin:18px 0}.tiles{display:flex;flex-wrap:wrap;gap:8px 30px;margin:14px 0 4px}.tile b{display:block;"
    "font-size:22px;line-height:1.25;font-weight:600}.tile span{color:var(--soft);font-size:13px}"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}"
    "th{text-align:left;font-weight:600;color:var(--soft);font-size:12.5px}th,td{padding:4px 14px 4px 0;border-bottom:1px solid "
    "var(--line);vertical-align:top}td{overflow-wrap:break-word;max-width:36em}tr:last-child td{border-bottom:0}.r{text-align:right;white-space:nowrap}"
    ".bars td{padding:2px 12px 2px 0;border:0}.bars td:first-child{width:34%;overflow-wrap:anywhere;min-width:8.5em}.bars .b{width:46%;padding-right:12px;min-width:90px}"
    ".b i{display:block;height:15px;border-radius:2px;background:var(--c1);min-width:1px}.bars .r{width:10%}"
    "figure{margin:18px 0 6px}figcaption{font-weight:600;font-size:14px;margin-bottom:2px}.key{font-size:13px;color:var(--soft)}"
    ".key i{display:inline-block;width:11px;height:11px;border-radius:2px;margin:0 5px 0 14px;vertical-align:-1px}"
    "svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font-size:12px;font-family:inherit}"
    ".grid{stroke:var(--line);stroke-width:1}.axis{stroke:var(--soft);stroke-width:1}.s{fill:none;stroke-width:2;"
    "stroke-linejoin:round}.s0{stroke:var(--c1)}.s1{stroke:var(--c2)}.s2{stroke:var(--c3)}.f{opacity:.35;stroke-width:1}"
    ".p0{fill:var(--c1)}.p1{fill:var(--c2)}.p2{fill:var(--c3)}pre{white-space:pre-wrap;overflow-wrap:anywhere;"
    "background:var(--page);border:1px solid var(--line);border-radius:8px;padding:10px 14px;font:13px/1.5 ui-monospace,Menlo,"
    "Consolas,monospace;margin:8px 0;max-height:22em;overflow:auto}code{font:13px ui-monospace,Menlo,Consolas,monospace;"
    "background:var(--page);border:1px solid var(--line);border-radius:4px;padding:0 4px;white-space:pre}"
    "nav{margin:10px 0 0;display:flex;flex-wrap:wrap;gap:2px 16px}nav a{color:var(--c1);text-decoration:none}nav a:hover{text-decoration:underline}"
    /* A chart keeps the size of its words on a narrow screen and is moved sideways there, as wide tables are. */
    "@media(max-width:700px){main{padding:16px 10px 40px}section{padding:16px 14px}figure{overflow-x:auto}svg{min-width:680px}"
    ".bars td:first-child{width:auto;overflow-wrap:break-word}.bars .b{width:30%}}"
    "@media print{section{break-inside:avoid}}";

void page_text(wt_buf *out, wt_str text) {
    wt_buf repaired = {0};
    if (!wt_utf8_valid(text)) {
        wt_utf8_repair(&repaired, text);
        text = wt_buf_view(&repaired);
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '&') wt_buf_add_str(out, WT_STR("&amp;"));
        else if (c == '<') wt_buf_add_str(out, WT_STR("&lt;"));
        else if (c == '>') wt_buf_add_str(out, WT_STR("&gt;"));
        else if (c == '"') wt_buf_add_str(out, WT_STR("&quot;"));
        else if ((c < ' ' && c != '\n' && c != '\t') || c == 127) wt_buf_add_str(out, WT_STR("\xef\xbf\xbd"));
        else wt_buf_add_char(out, (char)c);
    }
    wt_buf_free(&repaired);
}

static void text_of(wt_buf *out, const char *text) { page_text(out, wt_str_of(text)); }

void page_begin(wt_buf *out, const char *title) {
    wt_buf_add_str(out, WT_STR("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                               "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>"));
    text_of(out, title);
    wt_buf_add_str(out, WT_STR("</title>\n<style>"));
    wt_buf_add(out, style, sizeof style - 1);
    wt_buf_add_str(out, WT_STR("</style></head>\n<body><main>\n<h1>"));
    text_of(out, title);
    wt_buf_add_str(out, WT_STR("</h1>\n"));
}

void page_end(wt_buf *out) { wt_buf_add_str(out, WT_STR("</main></body></html>\n")); }

void page_section(wt_buf *out, const char *id, const char *title, const char *path) {
    wt_buf_printf(out, "<section id=\"%s\"><h2>", id);
    text_of(out, title);
    wt_buf_add_str(out, WT_STR("</h2>\n"));
    if (path) {
        wt_buf_add_str(out, WT_STR("<p class=\"path\">"));
        text_of(out, path);
        wt_buf_add_str(out, WT_STR("</p>\n"));
    }
}
void page_section_end(wt_buf *out) { wt_buf_add_str(out, WT_STR("</section>\n")); }

void page_heading(wt_buf *out, const char *text) {
    wt_buf_add_str(out, WT_STR("<h3>"));
    text_of(out, text);
    wt_buf_add_str(out, WT_STR("</h3>\n"));
}

void page_note(wt_buf *out, const char *format, ...) {
    wt_buf text = {0};
    va_list args;
    va_start(args, format);
    wt_buf_vprintf(&text, format, args);
    va_end(args);
    wt_buf_add_str(out, WT_STR("<p class=\"soft\">"));
    page_text(out, wt_buf_view(&text));
    wt_buf_add_str(out, WT_STR("</p>\n"));
    wt_buf_free(&text);
}

/* ---- numbers ---- */
void page_number(wt_buf *out, double x) {
    char digits[40];
    if (!isfinite(x)) {
        wt_buf_add_str(out, WT_STR("-"));
    } else if ((x != floor(x) && fabs(x) < 1000) || fabs(x) >= 1e15) {
        wt_buf_printf(out, "%.4g", x);
    } else {
        int n = snprintf(digits, sizeof digits, "%.0f", fabs(x));
        if (x < 0) wt_buf_add_char(out, '-');
        for (int i = 0; i < n; i++) {
            if (i && (n - i) % 3 == 0) wt_buf_add_char(out, ',');
            wt_buf_add_char(out, digits[i]);
        }
    }
}

static void scaled(wt_buf *out, double x, double step, const char *const *unit, int n_units) {
    int i = 0;
    while (fabs(x) >= 0.9995 * step && i < n_units - 1) x /= step, i++;
    wt_buf_printf(out, i == 0 && x == floor(x) ? "%.0f" : fabs(x) < 9.995 ? "%.2f" : fabs(x) < 99.95 ? "%.1f" : "%.0f", x);
    if (*unit[i]) wt_buf_printf(out, " %s", unit[i]);
}

void page_short(wt_buf *out, double x) {
    static const char *const unit[] = {"", "k", "M", "G", "T", "P"};
    if (fabs(x) < 1 && x != 0) wt_buf_printf(out, "%.3g", x);
    else scaled(out, x, 1000, unit, 6);
}

void page_bytes(wt_buf *out, double bytes) {
    static const char *const unit[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    scaled(out, bytes, 1024, unit, 6);
}

void page_seconds(wt_buf *out, double s) {
    if (s < 10) wt_buf_printf(out, "%.2f s", s);
    else if (s < 60) wt_buf_printf(out, "%.0f s", s);
    else if (s < 3600) wt_buf_printf(out, "%.0f min %02.0f s", floor(s / 60), fmod(s, 60));
    else wt_buf_printf(out, "%.0f h %02.0f min", floor(s / 3600), floor(fmod(s, 3600) / 60));
}

/* ---- tiles and tables ---- */
void page_tiles(wt_buf *out) { wt_buf_add_str(out, WT_STR("<div class=\"tiles\">")); }
void page_tiles_end(wt_buf *out) { wt_buf_add_str(out, WT_STR("</div>\n")); }

void page_tile(wt_buf *out, const char *label, wt_str value) {
    wt_buf_add_str(out, WT_STR("<div class=\"tile\"><b>"));
    page_text(out, value);
    wt_buf_add_str(out, WT_STR("</b><span>"));
    text_of(out, label);
    wt_buf_add_str(out, WT_STR("</span></div>"));
}

void page_table(wt_buf *out, const char *const *headings, int n_columns) {
    wt_buf_add_str(out, WT_STR("<div class=\"scroll\"><table><tr>"));
    for (int i = 0; i < n_columns; i++) {
        bool right = headings[i][0] == '>';
        wt_buf_printf(out, "<th%s>", right ? " class=\"r\"" : "");
        text_of(out, headings[i] + right);
        wt_buf_add_str(out, WT_STR("</th>"));
    }
    wt_buf_add_str(out, WT_STR("</tr>\n<tr>"));
}
void page_cell(wt_buf *out, wt_str text) {
    wt_buf_add_str(out, WT_STR("<td>"));
    page_text(out, text);
    wt_buf_add_str(out, WT_STR("</td>"));
}
void page_cell_number(wt_buf *out, double x) {
    wt_buf_add_str(out, WT_STR("<td class=\"r\">"));
    page_number(out, x);
    wt_buf_add_str(out, WT_STR("</td>"));
}
void page_row_end(wt_buf *out) { wt_buf_add_str(out, WT_STR("</tr>\n<tr>")); }
void page_table_end(wt_buf *out) {
    if (wt_str_ends(wt_buf_view(out), WT_STR("<tr>"))) out->len -= 4;      /* the row that did not come */
    wt_buf_add_str(out, WT_STR("</table></div>\n"));
}

void page_bars(wt_buf *out, const page_bar *bar, size_t n, double whole) {
    double most = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, bar[i].value);
    wt_buf_add_str(out, WT_STR("<div class=\"scroll\"><table class=\"bars\">"));
    for (size_t i = 0; i < n; i++) {
        wt_buf_add_str(out, WT_STR("<tr>"));
        page_cell(out, bar[i].name);
        page_cell_number(out, bar[i].value);
        if (whole > 0) wt_buf_printf(out, "<td class=\"r soft\">%.1f %%</td>", 100 * bar[i].value / whole);
        wt_buf_printf(out, "<td class=\"b\"><i style=\"width:%.2f%%\"></i></td></tr>\n", most > 0 ? 100 * bar[i].value / most : 0);
    }
    wt_buf_add_str(out, WT_STR("</table></div>\n"));
}

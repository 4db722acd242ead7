/* extract_pages.c - extracts the pages of a list and prints {"id","text","title","author","date"} lines
 * for score.py; with a repeat count it measures: the pages are held in memory, already inflated.
 * usage: extract_pages LIST [MODEL|-] [auto|fast|gumbo] [REPEAT]
 * LIST: id TAB path TAB url TAB content-type */
#include <stdio.h>
#include <stdlib.h>

#include "common/in.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/tool.h"
#include "extract/extract.h"

typedef struct {
    char *id, *url, *type;
    wt_buf bytes;
} item;

static void put_field(wt_buf *line, const char *name, wt_str value) {
    wt_buf_printf(line, ",\"%s\":", name);
    wt_json_add_string(line, value);
}

int main(int argc, char **argv) {
    wt_err err = {0};
    if (argc < 2) return fprintf(stderr, "usage: extract_pages LIST [MODEL|-] [auto|fast|gumbo] [REPEAT]\n"), 2;
    extract_options options = {.model_path = argc > 2 && strcmp(argv[2], "-") ? argv[2] : NULL};
    if (argc > 3) options.parser = !strcmp(argv[3], "gumbo") ? EXTRACT_PARSER_GUMBO : !strcmp(argv[3], "fast") ? EXTRACT_PARSER_FAST : EXTRACT_PARSER_AUTO;
    int repeat = argc > 4 ? atoi(argv[4]) : 0;
    extractor *x = extractor_new(&options, &err);
    wt_in *list = x ? wt_in_open(argv[1], &err) : NULL;
    if (!list) return fprintf(stderr, "extract_pages: %s\n", err.text), 1;
    item *items = NULL;
    size_t n = 0, cap = 0, bytes = 0;
    wt_str line;
    while (wt_in_line(list, 1 << 20, &line, NULL, &err) == 1) {
        WT_GROW(items, cap, n + 1);
        item *p = &items[n++];
        p->id = wt_xstrndup(wt_str_cut(&line, '\t'));
        char *path = wt_xstrndup(wt_str_cut(&line, '\t'));
        p->url = wt_xstrndup(wt_str_cut(&line, '\t'));
        p->type = wt_xstrndup(wt_str_cut(&line, '\t'));
        p->bytes = (wt_buf){0};
        wt_in *in = wt_in_open(path, &err);
        if (!in) return fprintf(stderr, "extract_pages: %s\n", err.text), 1;
        for (ptrdiff_t got = 1; got > 0;) {
            wt_buf_reserve(&p->bytes, 1 << 16);
            got = wt_in_read(in, p->bytes.ptr + p->bytes.len, 1 << 16, &err);
            if (got > 0) p->bytes.len += (size_t)got;
        }
        wt_in_close(in);
        free(path);
        bytes += p->bytes.len;
    }
    wt_in_close(list);
    wt_buf out = {0};
    double start = wt_cpu_seconds();
    for (int r = 0; r < (repeat ? repeat : 1); r++)
        for (size_t i = 0; i < n; i++) {
            extract_page page;
            if (extract_run(x, wt_buf_view(&items[i].bytes), wt_str_of(items[i].url), wt_str_of(items[i].type), &page, &err))
                fprintf(stderr, "%s: %s\n", items[i].id, err.text);
            if (repeat) continue;
            wt_buf_clear(&out);
            wt_buf_add_str(&out, WT_STR("{\"id\":"));
            wt_json_add_string(&out, wt_str_of(items[i].id));
            put_field(&out, "text", page.text);
            put_field(&out, "title", page.title);
            put_field(&out, "author", page.author);
            put_field(&out, "date", page.date);
            wt_buf_add_str(&out, WT_STR("}\n"));
            fwrite(out.ptr, 1, out.len, stdout);
        }
    double s = wt_cpu_seconds() - start;
    if (repeat)
        printf("{\"pages\":%zu,\"bytes\":%zu,\"cpu_s\":%.3f,\"pages_per_s\":%.1f,\"mb_per_s\":%.1f,\"peak_bytes\":%llu}\n", n * (size_t)repeat,
               bytes * (size_t)repeat, s, (double)n * repeat / s, (double)bytes * repeat / s / 1e6, (unsigned long long)wt_memory_peak());
    extractor_free(x);
    return 0;
}

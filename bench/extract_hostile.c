/* extract_hostile.c - is the time of a page linear in its size? Each page of tests/hostile_pages.h at 1, 2 and 4 times BYTES, CPU
 * time of each step; one JSON line a page and step that is slow (over 200 ns a byte) or grows faster than its page
 * (4 times the bytes take over 6 times as long), then one that counts them. With -v a line for every page and step.
 * usage: extract_hostile [-v] [BYTES, 500000] [PART OF A PAGE'S NAME] */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/tool.h"
#include "extract/extract.h"
#include "tests/hostile_pages.h"

enum { STEPS = 8 };
static const char *const step_names[STEPS] = {"text", "markdown", "tei", "gumbo", "explain", "c4", "gopher", "fineweb"};
static const extract_filter filters[] = {FILTER_C4, FILTER_GOPHER, FILTER_FINEWEB};

static double run_step(int step, extractor **x, wt_str page) {
    wt_err err = {0};
    extract_page p = {0};
    wt_buf out = {0};
    double start = wt_cpu_seconds();
    if (step < 4) {
        extract_run(x[step], page, WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err);
        return wt_cpu_seconds() - start;
    }
    extract_run(x[0], page, WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err);
    start = wt_cpu_seconds();
    if (step == 4) extract_explain(x[0], &out);
    else extract_filter_run(filters[step - 5], &p.text, WT_STR("http://x.org/"), &out);
    start = wt_cpu_seconds() - start;
    wt_buf_free(&out);
    return start;
}

int main(int argc, char **argv) {
    bool verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    argc -= verbose, argv += verbose;
    size_t bytes = argc > 1 ? strtoull(argv[1], NULL, 10) : 500000, n_slow = 0, n_steep = 0;
    wt_err err = {0};
    extractor *x[4];
    for (int f = 0; f < 3; f++) x[f] = extractor_new(&(extract_options){.format = (extract_format)f}, &err);
    x[3] = extractor_new(&(extract_options){.parser = EXTRACT_PARSER_GUMBO}, &err);
    for (int i = 0; i < N_HOSTILE_PAGES; i++) {
        const hostile_page *h = &hostile_pages[i];
        if (argc > 2 && !strstr(h->name, argv[2])) continue;
        for (int step = 0; step < STEPS; step++) {
            double s[3] = {0};
            bool slow = false, steep = false;
            if (step == 3) continue;            /* gumbo's own times are not ours to mend */
            for (int k = 0; k < 3 && s[k ? k - 1 : 0] < 20; k++) {
                wt_buf page = {0};
                hostile_make(h, bytes << k, &page);
                s[k] = run_step(step, x, wt_buf_view(&page));
                slow = slow || s[k] * 1e9 / (double)page.len > 200;
                steep = k == 2 && s[2] > 0.02 && s[2] > 6 * s[0];
                wt_buf_free(&page);
            }
            n_slow += slow, n_steep += steep;
            if (slow || steep || verbose)
                printf("{\"page\":\"%s\",\"step\":\"%s\",\"bytes\":%zu,\"s\":[%.3f,%.3f,%.3f],\"growth\":%.1f,\"slow\":%s,\"steep\":%s}\n", h->name, step_names[step],
                       bytes, s[0], s[1], s[2], s[2] / (s[0] + 1e-9), slow ? "true" : "false", steep ? "true" : "false");
            fflush(stdout);
        }
    }
    printf("{\"pages\":%d,\"slow\":%zu,\"steep\":%zu}\n", N_HOSTILE_PAGES, n_slow, n_steep);
    for (int f = 0; f < 4; f++) extractor_free(x[f]);
    return 0;
}

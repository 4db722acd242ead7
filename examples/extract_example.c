/* extract_example.c - the smallest program that uses the extractor: a page from standard input, its title,
 * author, date and language as a header, its text as Markdown behind it.
 *
 *     curl -s https://example.org/ | build/examples/extract_example https://example.org/ */
#include <stdio.h>

#include "common/in.h"
#include "extract/extract.h"

static void show(const char *name, wt_str value) {
    if (value.len) printf("%s: %.*s\n", name, WT_FMT(value));
}

int main(int argc, char **argv) {
    wt_err err = {0};
    wt_buf bytes = {0};
    wt_in *in = wt_in_open("-", &err);
    for (ptrdiff_t n = 1; in && n > 0;) {
        wt_buf_reserve(&bytes, 1 << 16);
        n = wt_in_read(in, bytes.ptr + bytes.len, 1 << 16, &err);
        if (n > 0) bytes.len += (size_t)n;
    }
    wt_in_close(in);
    extractor *x = extractor_new(&(extract_options){.format = EXTRACT_MARKDOWN}, &err);
    extract_page page;
    if (!x || extract_run(x, wt_buf_view(&bytes), wt_str_of(argc > 1 ? argv[1] : ""), WT_STR(""), &page, &err)) {
        fprintf(stderr, "extract_example: %s\n", err.text);
        return 1;
    }
    show("title", page.title);
    show("author", page.author);
    show("date", page.date);
    show("language", page.lang);
    printf("charset: %s (%s); %zu of %zu blocks kept\n\n%.*s", page.charset, page.charset_how, page.n_kept, page.n_blocks, WT_FMT(page.text));
    extractor_free(x);
    wt_buf_free(&bytes);
    return 0;
}

/* extract_memory.c - what one page costs at the most: time, and memory over the page's bytes. The memory of a page is the
 * highest resident size while it is extracted, above that of a process that holds the page and has extracted a small one
 * ("base_bytes": the program and the arrays' first pages are there once), without what was mapped from files meanwhile
 * (tables of languages and encodings, shared by all). One process a page. One JSON line each.
 * usage: extract_memory shapes [MARKUP-FILE]     hostile pages of 1, 10 and 50 MB; this page again and again
 *        extract_memory pages LIST               each page of the list (id TAB path ...), then quantiles by size of page */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/in.h"
#include "common/tool.h"
#include "extract/extract.h"

typedef struct {
    const char *name, *start, *piece, *end;
} shape;
static const shape shapes[] = {
    {"paragraphs", "<!DOCTYPE html><title>t</title>", "<div class=\"entry\"><p>Some words of a paragraph, with <a href=\"/link\">a link</a> in the middle of "
     "it and an ending that makes it long enough to be one.</p></div>\n", ""},
    {"nested tags", "<!DOCTYPE html>", "<div>", "text"},
    {"nested formatting", "<!DOCTYPE html>", "<b><i>x", ""},
    {"empty elements", "<!DOCTYPE html>", "<i></i>", ""},
    {"line breaks", "<!DOCTYPE html><p>", "a<br>", ""},
    {"one tag's attributes", "<!DOCTYPE html><p ", "a b=1 ", ">text"},
    {"attributes of many tags", "<!DOCTYPE html>", "<p id=a class=b c d e=f g h i j k l m n o p q>x", ""},
    {"cells", "<!DOCTYPE html><table>", "<tr><td>1<td>2", ""},
    {"open links", "<!DOCTYPE html>", "<a href=x>y<p>", ""},
    {"unfinished references", "<!DOCTYPE html><p>", "&am&#x&#12;&#", ""},
    {"NUL bytes", "<!DOCTYPE html><p>", "a\1", ""},         /* 1 becomes 0 */
    {"script", "<!DOCTYPE html><script>", "var x = '<p>not text</p>';\n", ""},
    {"JSON-LD", "<!DOCTYPE html><script type=\"application/ld+json\">[", "{\"@type\":\"Article\",\"articleBody\":\"words\"},", "{}]</script>"},
    {"random bytes", "", NULL, ""},
};

static void page_make(const shape *s, size_t bytes, wt_str file, wt_buf *page) {
    wt_buf_add_str(page, wt_str_of(s->start));
    wt_buf_reserve(page, bytes + 4096 + file.len);
    uint64_t random = 1;
    while (page->len < bytes) {
        if (file.len) wt_buf_add_str(page, file);
        else if (s->piece) wt_buf_add_str(page, wt_str_of(s->piece));
        else random = random * 6364136223846793005u + 1, wt_buf_add(page, (char *)&random + 3, 4);
    }
    for (size_t i = 0; s->piece && i < page->len; i++)
        if (page->ptr[i] == 1) page->ptr[i] = 0;
    wt_buf_add_str(page, wt_str_of(s->end));
}

/* A line of /proc/self/status in bytes: VmRSS now, VmHWM its peak. */
static double status_bytes(const char *name) {
    char line[256], format[32];
    double kib = 0;
    snprintf(format, sizeof format, "%s: %%lf", name);
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, format, &kib);
    if (f) fclose(f);
    return kib * 1024;
}
static void peak_forget(void) {
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f) fputs("5", f), fclose(f);
}

typedef struct {
    double bytes, base_bytes, peak_bytes, held_bytes, cpu_s;
    size_t n_blocks, text_bytes;
} cost;

/* In a process of its own. */
static cost page_cost(wt_str page, const char *name) {
    wt_err err = {0};
    cost k = {.bytes = (double)page.len};
    extract_page p;
    extractor *x = extractor_new(&(extract_options){.page_bytes_max = (size_t)256 << 20}, &err);
    wt_str small = WT_STR("<!DOCTYPE html><title>t</title><p>The words of a small page in the language that most pages are in.</p>");
    if (!x || extract_run(x, small, WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err))
        fprintf(stderr, "extract_memory: %s\n", err.text), _exit(1);
    k.base_bytes = status_bytes("VmRSS");
    double files = status_bytes("RssFile");
    peak_forget();
    double start = wt_cpu_seconds();
    if (extract_run(x, page, WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err)) fprintf(stderr, "%s: %s\n", name, err.text);
    k.cpu_s = wt_cpu_seconds() - start;
    files = status_bytes("RssFile") - files;
    k.peak_bytes = status_bytes("VmHWM") - k.base_bytes - files;
    k.held_bytes = status_bytes("VmRSS") - k.base_bytes - files;
    k.base_bytes -= k.bytes;
    k.n_blocks = p.n_blocks, k.text_bytes = p.text.len;
    return k;
}

/* The cost of a page that make() writes in the new process. Where that ends badly, bytes is 0. */
static cost cost_apart(const char *name, void (*make)(const void *ctx, wt_buf *page), const void *ctx) {
    cost k = {0};
    int ends[2], status = 0;
    fflush(stdout);
    if (pipe(ends)) return k;
    pid_t child = fork();
    if (child == 0) {
        wt_buf page = {0};
        make(ctx, &page);
        k = page_cost(wt_buf_view(&page), name);
        _exit(write(ends[1], &k, sizeof k) != (ssize_t)sizeof k);
    }
    close(ends[1]);
    if (read(ends[0], &k, sizeof k) != (ssize_t)sizeof k) k = (cost){0};
    close(ends[0]);
    waitpid(child, &status, 0);
    if (status) printf("{\"page\":\"%s\",\"ended\":%d}\n", name, status), k.bytes = 0;
    else
        printf("{\"page\":\"%s\",\"bytes\":%.0f,\"cpu_s\":%.3f,\"peak_over_page\":%.1f,\"held_over_page\":%.1f,\"base_bytes\":%.0f,\"blocks\":%zu,\"text\":%zu}\n",
               name, k.bytes, k.cpu_s, k.peak_bytes / k.bytes, k.held_bytes / k.bytes, k.base_bytes, k.n_blocks, k.text_bytes);
    return k;
}

/* ---- shapes ---- */
typedef struct {
    const shape *shape;
    size_t bytes;
    wt_str file;
} wanted;
static void make_shape(const void *ctx, wt_buf *page) {
    const wanted *w = ctx;
    page_make(w->shape, w->bytes, w->file, page);
}

static int run_shapes(const char *path) {
    static const size_t sizes[] = {1000000, 10000000, 50000000};
    wt_buf file = {0};
    wt_err err = {0};
    if (path && wt_read_file(path, 1 << 30, &file, &err)) return fprintf(stderr, "%s\n", err.text), 1;
    for (size_t k = 0; k < 3; k++) {
        if (file.len) cost_apart("the given page", make_shape, &(wanted){&shapes[0], sizes[k], wt_buf_view(&file)});
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) cost_apart(shapes[i].name, make_shape, &(wanted){&shapes[i], sizes[k], {0}});
    }
    wt_buf_free(&file);
    return 0;
}

/* ---- pages of a list ---- */
static void read_page(const void *path, wt_buf *page) {
    wt_err err = {0};
    wt_in *in = wt_in_open(path, &err);
    for (ptrdiff_t got = 1; in && got > 0; page->len += (size_t)got) {
        wt_buf_reserve(page, 1 << 16);
        if ((got = wt_in_read(in, page->ptr + page->len, 1 << 16, &err)) < 0) break;
    }
    if (err.code) fprintf(stderr, "extract_memory: %s\n", err.text), _exit(1);
    wt_in_close(in);
}

static int cmp_ratio(const void *a, const void *b) {
    const cost *x = a, *y = b;
    double p = x->peak_bytes / x->bytes, q = y->peak_bytes / y->bytes;
    return (p > q) - (p < q);
}

static int run_pages(const char *list_path) {
    wt_err err = {0};
    cost *list = NULL;
    size_t n = 0, cap = 0;
    wt_str line;
    wt_in *in = wt_in_open(list_path, &err);
    if (!in) return fprintf(stderr, "extract_memory: %s\n", err.text), 1;
    while (wt_in_line(in, 1 << 20, &line, NULL, &err) == 1) {
        char *id = wt_xstrndup(wt_str_cut(&line, '\t')), *path = wt_xstrndup(wt_str_cut(&line, '\t'));
        WT_GROW(list, cap, n + 1);
        list[n] = cost_apart(id, read_page, path);
        n += list[n].bytes > 0;
        free(id), free(path);
    }
    wt_in_close(in);
    qsort(list, n, sizeof *list, cmp_ratio);
    static const size_t from[] = {0, 20000, 50000, 100000, 200000, 500000};
    for (size_t k = 0; k < sizeof from / sizeof *from; k++) {
        double *ratio = wt_xmalloc((n + 1) * sizeof *ratio);
        size_t m = 0;
        for (size_t i = 0; i < n; i++)
            if (list[i].bytes >= (double)from[k]) ratio[m++] = list[i].peak_bytes / list[i].bytes;
        if (m) printf("{\"pages_of_at_least\":%zu,\"n\":%zu,\"median\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}\n", from[k], m, ratio[m / 2],
                      ratio[m * 9 / 10], ratio[m * 99 / 100], ratio[m - 1]);
        free(ratio);
    }
    free(list);
    return 0;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "shapes") == 0) return run_shapes(argc > 2 ? argv[2] : NULL);
    if (argc > 2 && strcmp(argv[1], "pages") == 0) return run_pages(argv[2]);
    return fprintf(stderr, "usage: extract_memory shapes [MARKUP-FILE] | extract_memory pages LIST\n"), 2;
}

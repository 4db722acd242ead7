/* extract_memory.c - what one page costs at the most: time and the peak of this process's own memory (RssAnon)
 * over the page's bytes, for ordinary and for hostile pages of 1, 10 and 50 MB. One process a page. One JSON
 * line each. usage: extract_memory [MARKUP-FILE]     ordinary markup: this page again and again */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/memory.h"
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

static double anonymous_bytes(void) {
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f)) sscanf(line, "RssAnon: %lf", &kib);
    if (f) fclose(f);
    return kib * 1024;
}

static void measure(const char *name, const shape *s, size_t bytes, wt_str file) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        wt_err err = {0};
        wt_buf page = {0};
        page_make(s, bytes, file, &page);
        double start_bytes = anonymous_bytes(), start = wt_cpu_seconds();
        extractor *x = extractor_new(&(extract_options){.page_bytes_max = (size_t)256 << 20}, &err);
        extract_page p;
        if (!x || extract_run(x, wt_buf_view(&page), WT_STR("http://x.org/"), WT_STR("text/html"), &p, &err))
            fprintf(stderr, "extract_memory: %s\n", err.text), _exit(1);
        double s_used = wt_cpu_seconds() - start, held = anonymous_bytes(), peak = (double)wt_memory_peak();
        printf("{\"page\":\"%s\",\"bytes\":%zu,\"cpu_s\":%.2f,\"peak_over_page\":%.1f,\"held_over_page\":%.1f,\"blocks\":%zu,\"text\":%zu}\n", name, page.len,
               s_used, (peak - start_bytes) / (double)page.len, (held - start_bytes) / (double)page.len, p.n_blocks, p.text.len);
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (status) printf("{\"page\":\"%s\",\"bytes\":%zu,\"ended\":%d}\n", name, bytes, status);
    fflush(stdout);
}

int main(int argc, char **argv) {
    static const size_t sizes[] = {1000000, 10000000, 50000000};
    wt_buf file = {0};
    wt_err err = {0};
    if (argc > 1 && wt_read_file(argv[1], 1 << 30, &file, &err)) return fprintf(stderr, "%s\n", err.text), 1;
    for (size_t k = 0; k < 3; k++) {
        if (file.len) measure("the given page", &shapes[0], sizes[k], wt_buf_view(&file));
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(shapes[i].name, &shapes[i], sizes[k], (wt_str){0});
    }
    return 0;
}

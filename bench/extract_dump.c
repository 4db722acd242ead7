/* extract_dump.c - what the block classifier is trained on, as flat arrays for numpy.
 * usage: extract_dump LIST OUTDIR [MODEL] [gumbo]
 * LIST has one page a line: id TAB path TAB url TAB content-type. Written to OUTDIR:
 *   pages.tsv     id, first block, number of blocks
 *   rows.f32      blocks x N_FEATURES2 (round 2's columns only with a MODEL that has round 1)
 *   len.u32       a block's length as the chooser weighs it
 *   path.u32, path.off   hashes of tags and class names on the way down, offsets a block
 *   word.u32, word.off   hashes of the block's words
 *   section.u32, section.off   hashes of the words of the heading it stands under
 *   text.bin, text.off   the block's text
 *   features.txt  names of the columns */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/in.h"
#include "extract/charset.h"
#include "extract/content.h"
#include "extract/formulas.h"

typedef struct {
    FILE *pages, *rows, *len, *path, *path_off, *word, *word_off, *text, *text_off, *section, *section_off;
    uint64_t n_blocks, n_path, n_word, n_text, n_section;
    int n_of_heading;
} dump;

static FILE *open_in(const char *dir, const char *name) {
    char *path = wt_path_join(dir, name);
    FILE *f = fopen(path, "wb");
    if (!f) perror(path), exit(1);
    free(path);
    return f;
}

static void put_path(void *ctx, uint32_t hash, wt_str text) {
    dump *d = ctx;
    fwrite(&hash, 4, 1, d->path);
    d->n_path++;
}
static void put_word(void *ctx, uint32_t hash, wt_str text) {
    dump *d = ctx;
    fwrite(&hash, 4, 1, d->word);
    d->n_word++;
}

static void put_section_word(void *ctx, uint32_t hash, wt_str text) {
    dump *d = ctx;
    if (d->n_of_heading++ >= CONTENT_SECTION_WORDS) return;
    fwrite(&hash, 4, 1, d->section);
    d->n_section++;
}

static void put_page(dump *d, const content *c, const char *id) {
    fprintf(d->pages, "%s\t%llu\t%zu\n", id, (unsigned long long)d->n_blocks, c->n_blocks);
    fwrite(c->row, sizeof(float) * N_FEATURES2, c->n_blocks, d->rows);
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        fwrite(&b->len, 4, 1, d->len);
        for (uint32_t e = b->element; e; e = c->tree->node[e].parent) content_path_tokens(c->tree, e, put_path, d);
        fwrite(&d->n_path, 8, 1, d->path_off);
        content_word_tokens((wt_str){c->text.ptr + b->text, b->text_len}, put_word, d);
        fwrite(&d->n_word, 8, 1, d->word_off);
        if (b->section) {
            const content_block *h = &c->block[b->section - 1];
            d->n_of_heading = 0;
            content_word_tokens((wt_str){c->text.ptr + h->text, h->text_len}, put_section_word, d);
        }
        fwrite(&d->n_section, 8, 1, d->section_off);
        fwrite(c->text.ptr + b->text, 1, b->text_len, d->text);
        d->n_text += b->text_len;
        fwrite(&d->n_text, 8, 1, d->text_off);
    }
    d->n_blocks += c->n_blocks;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    if (argc < 3) return fprintf(stderr, "usage: extract_dump LIST OUTDIR [MODEL] [gumbo]\n"), 2;
    content_model model = *model_builtin();
    wt_buf model_bytes = {0};
    bool gumbo = strcmp(argv[argc - 1], "gumbo") == 0;
    if (argc > 3 && strcmp(argv[3], "gumbo") != 0 && strcmp(argv[3], "-") != 0 &&
        (wt_read_file(argv[3], 1 << 30, &model_bytes, &err) ||
         model_open(&model, (const uint32_t *)(const void *)model_bytes.ptr, model_bytes.len / 4, &err)))
        return fprintf(stderr, "%s\n", err.text), 1;
    if (wt_mkdirs(argv[2], &err)) return fprintf(stderr, "%s\n", err.text), 1;
    dump d = {open_in(argv[2], "pages.tsv"), open_in(argv[2], "rows.f32"), open_in(argv[2], "len.u32"),
              open_in(argv[2], "path.u32"), open_in(argv[2], "path.off"), open_in(argv[2], "word.u32"),
              open_in(argv[2], "word.off"), open_in(argv[2], "text.bin"), open_in(argv[2], "text.off"),
              open_in(argv[2], "section.u32"), open_in(argv[2], "section.off"), 0, 0, 0, 0, 0, 0};
    FILE *names = open_in(argv[2], "features.txt");
    for (int i = 0; i < N_FEATURES2; i++) fprintf(names, "%s\n", content_feature_names[i]);
    fclose(names);
    wt_in *list = wt_in_open(argv[1], &err);
    if (!list) return fprintf(stderr, "%s\n", err.text), 1;
    html_tree tree;
    html_tree_init(&tree);
    content c;
    content_init(&c, &model);
    c.want_rows = true;
    wt_arena *arena = wt_arena_new(0);
    wt_buf page = {0}, utf8 = {0};
    wt_str line;
    while (wt_in_line(list, 1 << 20, &line, NULL, &err) == 1) {
        char *id = wt_xstrndup(wt_str_cut(&line, '\t')), *path = wt_xstrndup(wt_str_cut(&line, '\t'));
        char *url = wt_xstrndup(wt_str_cut(&line, '\t')), *type = wt_xstrndup(wt_str_cut(&line, '\t'));
        wt_in *in = wt_in_open(path, &err);
        if (!in) return fprintf(stderr, "%s\n", err.text), 1;
        wt_buf_clear(&page);
        for (ptrdiff_t n = 1; n > 0;) {
            wt_buf_reserve(&page, 1 << 16);
            n = wt_in_read(in, page.ptr + page.len, 1 << 16, &err);
            if (n > 0) page.len += (size_t)n;
        }
        wt_in_close(in);
        charset_choice choice;
        wt_str text = charset_decode(wt_buf_view(&page), wt_str_of(type), &utf8, &choice);
        html_tree_clear(&tree);
        if (!gumbo || html_parse_gumbo(&tree, text, &err)) html_tree_clear(&tree), html_parse(&tree, text);
        formulas_to_tex(&tree);
        wt_arena_reset(arena);
        page_meta meta;
        meta_read(&tree, wt_str_of(url), arena, &meta);
        content_find(&c, &tree, &meta);
        put_page(&d, &c, id);
        free(id), free(path), free(url), free(type);
    }
    wt_in_close(list);
    FILE *all[] = {d.pages, d.rows, d.len, d.path, d.path_off, d.word, d.word_off, d.text, d.text_off, d.section, d.section_off};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (fclose(all[i])) return perror("extract_dump"), 1;
    html_tree_free(&tree);
    content_free(&c);
    wt_arena_free(arena);
    wt_buf_free(&page), wt_buf_free(&utf8), wt_buf_free(&model_bytes);
    return 0;
}

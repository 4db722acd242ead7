/* render.c - kept blocks as plain text. Paragraphs are parted by an empty line; items of a list and
 * rows of a table by a line end, cells by a tab; pre-formatted text keeps its own lines. */
#include "extract/render.h"

/* A cell of data is short and the only block of its cell; layout tables hold paragraphs. */
bool render_is_table_cell(const content *c, const content_block *b) {
    return b->cell && b->row && !(b->flags & IN_PRE) && b->len <= 400 && content_at(c, b->cell)->n_blocks == 1;
}

static uint32_t parent(const content *c, uint32_t n) { return n ? c->tree->node[n].parent : 0; }

wt_str render_gap(const content *c, const content_block *a, const content_block *b) {
    if (render_is_table_cell(c, a) && render_is_table_cell(c, b)) {
        if (a->row == b->row) return a->cell == b->cell ? WT_STR("\n") : WT_STR("\t");
        if (parent(c, a->row) == parent(c, b->row) || parent(c, parent(c, a->row)) == parent(c, parent(c, b->row)))
            return WT_STR("\n");
    }
    if (a->item && b->item && !a->heading && !b->heading &&
        (a->item == b->item || parent(c, a->item) == parent(c, b->item) || parent(c, parent(c, b->item)) == a->item ||
         parent(c, parent(c, a->item)) == b->item || parent(c, parent(c, parent(c, a->item))) == parent(c, b->item)))
        return WT_STR("\n");
    return WT_STR("\n\n");
}

void render_text(const content *c, wt_buf *out) {
    const content_block *before = NULL;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (!b->keep) continue;
        if (before) wt_buf_add_str(out, render_gap(c, before, b));
        wt_buf_add(out, c->text.ptr + b->text, b->text_len);
        before = b;
    }
    if (out->len) wt_buf_add_char(out, '\n');
}

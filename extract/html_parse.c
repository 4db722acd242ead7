/* html_parse.c - our HTML parser: the HTML standard's tree construction (13.2.6) on an arena.
 * It follows the standard step by step, adoption agency and foster parenting included, with scripting
 * off. What it leaves out: the tree of <template> is kept as ordinary children, doctypes keep no
 * name, the customisable <select> of 2025 is not in. What it adds, for pages built to hurt: at most
 * 512 elements are open at once (a deeper start tag closes the one before it, its text is kept), and
 * formatting elements are reopened only so often. Nothing recurses; time is linear but for these
 * bounded stacks. Source: html.spec.whatwg.org, sections 13.2.4 and 13.2.6. This file holds foreign content and the
 * loop over the tokens; html_build.h names the others. */
#include <stdlib.h>

#include "extract/html_build.h"

/* ---- SVG and MathML ---- */
static bool is_math_text_point(const html_node *e) {
    return e->ns == HTML_NS_MATH && (e->tag == TAG(mi) || e->tag == TAG(mo) || e->tag == TAG(mn) || e->tag == TAG(ms) || e->tag == TAG(mtext));
}
static bool is_html_point(const builder *b, const html_node *e, uint32_t n) {
    if (e->ns == HTML_NS_SVG) return e->tag == TAG(foreignobject) || e->tag == TAG(desc) || e->tag == TAG(title);
    if (e->ns != HTML_NS_MATH || e->tag != TAG(annotation_xml)) return false;
    wt_str v = html_attr_get(b->t, n, HTML_ATTR_encoding);
    return wt_str_eq_nocase(v, WT_STR("text/html")) || wt_str_eq_nocase(v, WT_STR("application/xhtml+xml"));
}

static bool is_foreign_token(const builder *b, const token *k) {
    uint32_t n = current(b);
    const html_node *e = node(b, n);
    if (b->n_open == 0 || e->ns == HTML_NS_HTML || k->kind == TOKEN_EOF) return false;
    if (is_math_text_point(e) && (k->kind == TOKEN_TEXT || (k->kind == TOKEN_START && k->tag != TAG(mglyph) && k->tag != TAG(malignmark))))
        return false;
    if (e->ns == HTML_NS_MATH && e->tag == TAG(annotation_xml) && is_start(k, TAG(svg))) return false;
    if (is_html_point(b, e, n) && (k->kind == TOKEN_TEXT || k->kind == TOKEN_START)) return false;
    return true;
}

static bool breaks_out(const builder *b, const token *k) {
    switch (k->tag) {
    case TAG(b): case TAG(big): case TAG(blockquote): case TAG(body): case TAG(br): case TAG(center): case TAG(code): case TAG(dd):
    case TAG(div): case TAG(dl): case TAG(dt): case TAG(em): case TAG(embed): case TAG(h1): case TAG(h2): case TAG(h3):
    case TAG(h4): case TAG(h5): case TAG(h6): case TAG(head): case TAG(hr): case TAG(i): case TAG(img): case TAG(li):
    case TAG(listing): case TAG(menu): case TAG(meta): case TAG(nobr): case TAG(ol): case TAG(p): case TAG(pre): case TAG(ruby):
    case TAG(s): case TAG(small): case TAG(span): case TAG(strong): case TAG(strike): case TAG(sub): case TAG(sup):
    case TAG(table): case TAG(tt): case TAG(u): case TAG(ul): case TAG(var):
        return true;
    case TAG(font):
        for (uint32_t i = 0; i < k->n_attrs; i++) {
            uint16_t id = b->t->attr[k->first_attr + i].id;
            if (id == HTML_ATTR_color || id == HTML_ATTR_face || id == HTML_ATTR_size) return true;
        }
        return false;
    default: return false;
    }
}

static bool in_foreign(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: {
        token rest = *k, space;
        if (build_cut_space(b, &rest, &space)) b->frameset_ok = false;
        build_insert_text(b, k->off, k->len);
        return false;
    }
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: case TOKEN_EOF: return false;
    case TOKEN_START:
        if (breaks_out(b, k)) {
            while (b->n_open > 1) {
                const html_node *e = node(b, current(b));
                if (e->ns == HTML_NS_HTML || is_math_text_point(e) || is_html_point(b, e, current(b))) break;
                b->n_open--;
            }
            return true;
        }
        build_insert_foreign(b, k, node(b, current(b))->ns);
        if (k->self_closing) pop(b);
        return false;
    case TOKEN_END:
        if (k->tag == TAG(br) || k->tag == TAG(p)) {
            while (b->n_open > 1 && node(b, current(b))->ns != HTML_NS_HTML) b->n_open--;
            return true;
        }
        for (int i = b->n_open - 1; i > 0; i--) {
            if (build_same_tag(b, b->open[i], k)) {
                b->n_open = i;
                return false;
            }
            if (node(b, b->open[i - 1])->ns == HTML_NS_HTML) break;
        }
        /* by the rules of the mode: the element may be of HTML further up */
        for (int i = b->n_open - 1; i > 0; i--) {
            if (node(b, b->open[i])->ns == HTML_NS_HTML) {
                insertion_mode mode = b->mode;
                return mode == IN_BODY ? mode_body_end(b, k) : mode_process(b, k);
            }
        }
        return false;
    }
    return false;
}

/* ---- dispatch ---- */
static bool in_text(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) {
        build_insert_text(b, k->off, k->len);
        return false;
    }
    pop(b);
    b->mode = b->original_mode;
    return k->kind == TOKEN_EOF;
}

bool mode_process(builder *b, token *k) {
    static bool (*const modes[])(builder *, token *) = {
        mode_initial, mode_before_html, mode_before_head, mode_in_head, mode_in_head_noscript, mode_after_head,
        mode_in_body, in_text, mode_in_table, mode_in_table_text, mode_in_caption, mode_in_column_group,
        mode_in_table_body, mode_in_row, mode_in_cell, mode_in_select, mode_in_select_in_table, mode_in_template,
        mode_after_body, mode_in_frameset, mode_after_frameset, mode_after_after_body, mode_after_after_frameset};
    return modes[b->mode](b, k);
}

void html_parse(html_tree *t, wt_str page) {
    builder *b = wt_xcalloc(1, sizeof *b);
    b->t = t;
    b->frameset_ok = true;
    b->reopen_budget = 20000 + page.len / 4;
    b->move_budget = 65536 + 2 * page.len;
    tokenizer_init(&b->z, t, page);
    token k;
    do {
        t->over = t->over || (t->memory_max && html_tree_cost(t) > t->memory_max);
        if (t->over) b->z.at = b->z.end;        /* the tree ends as at the page's end */
        b->z.cdata = b->n_open && node(b, current(b))->ns != HTML_NS_HTML;
        tokenizer_next(&b->z, &k);
        if (b->skip_newline) {
            b->skip_newline = false;
            if (k.kind == TOKEN_TEXT && t->bytes.ptr[k.off] == '\n') {
                k.off++;
                if (--k.len == 0) continue;
            }
        }
        for (int again = 0; again < 64; again++) {
            bool repeat = is_foreign_token(b, &k) ? in_foreign(b, &k) : mode_process(b, &k);
            if (!repeat) break;
        }
    } while (k.kind != TOKEN_EOF);
    free(b);
}

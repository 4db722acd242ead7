/* html_table.c - the insertion modes of tables, from "in table" to "in cell". */
#include "extract/html_build.h"

/* ---- tables ---- */
static void clear_to(builder *b, html_tag one, html_tag two, html_tag three) {
    while (b->n_open > 1) {
        html_tag tag = node(b, current(b))->ns == HTML_NS_HTML ? node(b, current(b))->tag : HTML_TAG_UNKNOWN;
        if (tag == one || tag == two || tag == three || tag == TAG(template) || tag == TAG(html)) return;
        b->n_open--;
    }
}
static void clear_to_table(builder *b) { clear_to(b, TAG(table), TAG(table), TAG(table)); }
static void clear_to_body(builder *b) { clear_to(b, TAG(tbody), TAG(tfoot), TAG(thead)); }
static void clear_to_row(builder *b) { clear_to(b, TAG(tr), TAG(tr), TAG(tr)); }

static bool in_body_fostered(builder *b, token *k) {
    b->foster = true;
    bool again = mode_in_body(b, k);
    b->foster = false;
    return again;
}

bool mode_in_table(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT:
        if (build_is_table_part(node(b, current(b))->tag) && node(b, current(b))->ns == HTML_NS_HTML) {
            b->n_pending = 0;
            b->original_mode = b->mode;
            b->mode = IN_TABLE_TEXT;
            return true;
        }
        return in_body_fostered(b, k);
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return mode_in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(caption):
            clear_to_table(b);
            build_formatting_marker(b);
            build_insert(b, k);
            b->mode = IN_CAPTION;
            return false;
        case TAG(colgroup):
            clear_to_table(b);
            build_insert(b, k);
            b->mode = IN_COLUMN_GROUP;
            return false;
        case TAG(col):
            clear_to_table(b);
            build_insert_tag(b, TAG(colgroup));
            b->mode = IN_COLUMN_GROUP;
            return true;
        case TAG(tbody): case TAG(tfoot): case TAG(thead):
            clear_to_table(b);
            build_insert(b, k);
            b->mode = IN_TABLE_BODY;
            return false;
        case TAG(td): case TAG(th): case TAG(tr):
            clear_to_table(b);
            build_insert_tag(b, TAG(tbody));
            b->mode = IN_TABLE_BODY;
            return true;
        case TAG(table):
            if (!in_table_scope(b, TAG(table))) return false;
            build_pop_until(b, TAG(table));
            build_reset_mode(b);
            return true;
        case TAG(style): case TAG(script): case TAG(template): mode_head_tags(b, k); return false;
        case TAG(input):
            if (!build_is_hidden_input(b, k)) return in_body_fostered(b, k);
            build_insert_void(b, k);
            return false;
        case TAG(form):
            if (build_has_open(b, TAG(template)) || b->form) return false;
            b->form = build_insert(b, k);
            pop(b);
            return false;
        default: return in_body_fostered(b, k);
        }
    case TOKEN_END:
        switch (k->tag) {
        case TAG(table):
            if (!in_table_scope(b, TAG(table))) return false;
            build_pop_until(b, TAG(table));
            build_reset_mode(b);
            return false;
        case TAG(body): case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(html): case TAG(tbody): case TAG(td):
        case TAG(tfoot): case TAG(th): case TAG(thead): case TAG(tr):
            return false;
        case TAG(template): mode_head_tags(b, k); return false;
        default: return in_body_fostered(b, k);
        }
    }
    return false;
}

static void flush_table_text(builder *b) {
    bool text = false;
    for (int i = 0; i < b->n_pending && !text; i++) {
        token copy = b->pending[i], space;
        text = build_cut_space(b, &copy, &space);
    }
    for (int i = 0; i < b->n_pending; i++) {
        if (text) in_body_fostered(b, &b->pending[i]);
        else build_insert_text(b, b->pending[i].off, b->pending[i].len);
    }
    b->n_pending = 0;
}

bool mode_in_table_text(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT && b->n_pending < PENDING_MAX) {
        b->pending[b->n_pending++] = *k;
        return false;
    }
    flush_table_text(b);
    b->mode = b->original_mode;
    return true;
}

static bool end_caption(builder *b) {
    if (!in_table_scope(b, TAG(caption))) return false;
    build_imply_ends(b, HTML_N_TAGS);
    build_pop_until(b, TAG(caption));
    build_formatting_clear(b);
    b->mode = IN_TABLE;
    return true;
}

bool mode_in_caption(builder *b, token *k) {
    if (is_end(k, TAG(caption))) return end_caption(b), false;
    bool table_start = k->kind == TOKEN_START &&
                       (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) || k->tag == TAG(tbody) ||
                        k->tag == TAG(td) || k->tag == TAG(tfoot) || k->tag == TAG(th) || k->tag == TAG(thead) || k->tag == TAG(tr));
    if (table_start || is_end(k, TAG(table))) return end_caption(b);
    if (k->kind == TOKEN_END &&
        (k->tag == TAG(body) || k->tag == TAG(col) || k->tag == TAG(colgroup) || k->tag == TAG(html) || k->tag == TAG(tbody) ||
         k->tag == TAG(td) || k->tag == TAG(tfoot) || k->tag == TAG(th) || k->tag == TAG(thead) || k->tag == TAG(tr)))
        return false;
    return mode_in_body(b, k);
}

bool mode_in_column_group(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT:
        if (!build_insert_space(b, k)) return false;
        break;
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return mode_in_body(b, k);
    case TOKEN_START:
        if (k->tag == TAG(html)) return mode_in_body(b, k);
        if (k->tag == TAG(col)) {
            build_insert_void(b, k);
            return false;
        }
        if (k->tag == TAG(template)) return mode_head_tags(b, k), false;
        break;
    case TOKEN_END:
        if (k->tag == TAG(col)) return false;
        if (k->tag == TAG(template)) return mode_head_tags(b, k), false;
        if (k->tag == TAG(colgroup)) {
            if (!current_is(b, TAG(colgroup))) return false;
            pop(b);
            b->mode = IN_TABLE;
            return false;
        }
        break;
    }
    if (!current_is(b, TAG(colgroup))) return false;
    pop(b);
    b->mode = IN_TABLE;
    return true;
}

bool mode_in_table_body(builder *b, token *k) {
    if (is_start(k, TAG(tr))) {
        clear_to_body(b);
        build_insert(b, k);
        b->mode = IN_ROW;
        return false;
    }
    if (is_start(k, TAG(th)) || is_start(k, TAG(td))) {
        clear_to_body(b);
        build_insert_tag(b, TAG(tr));
        b->mode = IN_ROW;
        return true;
    }
    if (k->kind == TOKEN_END && (k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead))) {
        if (!in_table_scope(b, k->tag)) return false;
        clear_to_body(b);
        pop(b);
        b->mode = IN_TABLE;
        return false;
    }
    bool part = k->kind == TOKEN_START && (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                           k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead));
    if (part || is_end(k, TAG(table))) {
        if (!in_table_scope(b, TAG(tbody)) && !in_table_scope(b, TAG(thead)) && !in_table_scope(b, TAG(tfoot))) return false;
        clear_to_body(b);
        pop(b);
        b->mode = IN_TABLE;
        return true;
    }
    if (k->kind == TOKEN_END && (k->tag == TAG(body) || k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                 k->tag == TAG(html) || k->tag == TAG(td) || k->tag == TAG(th) || k->tag == TAG(tr)))
        return false;
    return mode_in_table(b, k);
}

static bool end_row(builder *b) {
    if (!in_table_scope(b, TAG(tr))) return false;
    clear_to_row(b);
    pop(b);
    b->mode = IN_TABLE_BODY;
    return true;
}

bool mode_in_row(builder *b, token *k) {
    if (is_start(k, TAG(th)) || is_start(k, TAG(td))) {
        clear_to_row(b);
        build_insert(b, k);
        b->mode = IN_CELL;
        build_formatting_marker(b);
        return false;
    }
    if (is_end(k, TAG(tr))) return end_row(b), false;
    bool part = k->kind == TOKEN_START && (k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                           k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead) || k->tag == TAG(tr));
    if (part || is_end(k, TAG(table))) return end_row(b);
    if (k->kind == TOKEN_END && (k->tag == TAG(tbody) || k->tag == TAG(tfoot) || k->tag == TAG(thead)))
        return in_table_scope(b, k->tag) && end_row(b);
    if (k->kind == TOKEN_END && (k->tag == TAG(body) || k->tag == TAG(caption) || k->tag == TAG(col) || k->tag == TAG(colgroup) ||
                                 k->tag == TAG(html) || k->tag == TAG(td) || k->tag == TAG(th)))
        return false;
    return mode_in_table(b, k);
}

static void close_cell(builder *b) {
    build_imply_ends(b, HTML_N_TAGS);
    while (b->n_open > 1) {
        const html_node *e = node(b, current(b));
        bool last = e->ns == HTML_NS_HTML && (e->tag == TAG(td) || e->tag == TAG(th));
        b->n_open--;
        if (last) break;
    }
    build_formatting_clear(b);
    b->mode = IN_ROW;
}

bool mode_in_cell(builder *b, token *k) {
    if (k->kind == TOKEN_END) {
        switch (k->tag) {
        case TAG(td): case TAG(th):
            if (!in_table_scope(b, k->tag)) return false;
            build_imply_ends(b, HTML_N_TAGS);
            build_pop_until(b, k->tag);
            build_formatting_clear(b);
            b->mode = IN_ROW;
            return false;
        case TAG(body): case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(html): return false;
        case TAG(table): case TAG(tbody): case TAG(tfoot): case TAG(thead): case TAG(tr):
            if (!in_table_scope(b, k->tag)) return false;
            close_cell(b);
            return true;
        default: return mode_in_body(b, k);
        }
    }
    if (k->kind == TOKEN_START) {
        switch (k->tag) {
        case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(tbody): case TAG(td): case TAG(tfoot): case TAG(th):
        case TAG(thead): case TAG(tr):
            if (!in_table_scope(b, TAG(td)) && !in_table_scope(b, TAG(th))) return false;
            close_cell(b);
            return true;
        default: break;
        }
    }
    return mode_in_body(b, k);
}

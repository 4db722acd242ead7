/* html_modes.c - the insertion modes around the body: before it, select, template, framesets, and after it. */
#include "extract/html_build.h"

/* ---- modes before the body: each returns true to have the token processed again ---- */
bool mode_initial(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_TEXT && !build_cut_space(b, k, &space)) return false;
    if (k->kind == TOKEN_COMMENT) {
        build_insert_comment(b, k, (place){0, 0});
        return false;
    }
    b->mode = BEFORE_HTML;
    if (k->kind == TOKEN_DOCTYPE) {
        html_tree_append(b->t, 0, html_tree_add(b->t, HTML_DOCTYPE));
        b->t->quirks = k->quirks;
        return false;
    }
    b->t->quirks = true;
    return true;
}

static void open_html(builder *b, const token *k) {
    uint32_t n = build_make_element(b, k, HTML_NS_HTML);
    html_tree_append(b->t, 0, n);
    b->open[0] = n;
    b->n_open = 1;
    b->mode = BEFORE_HEAD;
}

bool mode_before_html(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (k->kind == TOKEN_COMMENT) {
        build_insert_comment(b, k, (place){0, 0});
        return false;
    }
    if (k->kind == TOKEN_TEXT && !build_cut_space(b, k, &space)) return false;
    if (is_start(k, TAG(html))) {
        open_html(b, k);
        return false;
    }
    if (k->kind == TOKEN_END && k->tag != TAG(head) && k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
    open_html(b, &(token){.kind = TOKEN_START, .tag = TAG(html)});
    return true;
}

bool mode_before_head(builder *b, token *k) {
    token space;
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (k->kind == TOKEN_COMMENT) {
        build_insert_comment_here(b, k);
        return false;
    }
    if (k->kind == TOKEN_TEXT && !build_cut_space(b, k, &space)) return false;
    if (is_start(k, TAG(html))) return mode_in_body(b, k);
    if (is_start(k, TAG(head))) {
        b->head = build_insert(b, k);
        b->mode = IN_HEAD;
        return false;
    }
    if (k->kind == TOKEN_END && k->tag != TAG(head) && k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
    b->head = build_insert_tag(b, TAG(head));
    b->mode = IN_HEAD;
    return true;
}

void mode_end_template(builder *b) {
    if (!build_has_open(b, TAG(template))) return;
    build_imply_all_ends(b);
    build_pop_until(b, TAG(template));
    build_formatting_clear(b);
    if (b->n_templates) b->n_templates--;
    build_reset_mode(b);
}

/* Start and end tags that the head knows. 0: not one; 1: done; 2: process again. */
int mode_head_tags(builder *b, token *k) {
    if (k->kind == TOKEN_END) {
        if (k->tag != TAG(template)) return 0;
        mode_end_template(b);
        return 1;
    }
    switch (k->tag) {
    case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta):
        build_insert_void(b, k);
        return 1;
    case TAG(title): build_raw_text(b, k, RAW_RCDATA); return 1;
    case TAG(noframes): case TAG(style): build_raw_text(b, k, RAW_TEXT); return 1;
    case TAG(script): build_raw_text(b, k, RAW_SCRIPT); return 1;
    case TAG(template):
        build_insert(b, k);
        build_formatting_marker(b);
        b->frameset_ok = false;
        b->mode = IN_TEMPLATE;
        if (b->n_templates < TEMPLATES_MAX) b->template_mode[b->n_templates++] = IN_TEMPLATE;
        else b->template_mode[TEMPLATES_MAX - 1] = IN_TEMPLATE;
        return 1;
    default: return 0;
    }
}

bool mode_in_head(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT:
        if (!build_insert_space(b, k)) return false;
        break;
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START:
        if (k->tag == TAG(html)) return mode_in_body(b, k);
        if (k->tag == TAG(head)) return false;
        if (k->tag == TAG(noscript)) {
            build_insert(b, k);
            b->mode = IN_HEAD_NOSCRIPT;
            return false;
        }
        if (mode_head_tags(b, k)) return false;
        break;
    case TOKEN_END:
        if (k->tag == TAG(head)) {
            pop(b);
            b->mode = AFTER_HEAD;
            return false;
        }
        if (mode_head_tags(b, k)) return false;
        if (k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
        break;
    case TOKEN_EOF: break;
    }
    pop(b);
    b->mode = AFTER_HEAD;
    return true;
}

bool mode_in_head_noscript(builder *b, token *k) {
    if (k->kind == TOKEN_DOCTYPE) return false;
    if (is_start(k, TAG(html))) return mode_in_body(b, k);
    if (is_end(k, TAG(noscript))) {
        pop(b);
        b->mode = IN_HEAD;
        return false;
    }
    if (k->kind == TOKEN_COMMENT) return mode_in_head(b, k);
    if (k->kind == TOKEN_TEXT && !build_insert_space(b, k)) return false;
    if (k->kind == TOKEN_START) {
        switch (k->tag) {
        case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes): case TAG(style):
            return mode_in_head(b, k);
        case TAG(head): case TAG(noscript): return false;
        default: break;
        }
    }
    if (k->kind == TOKEN_END && k->tag != TAG(br)) return false;
    pop(b);
    b->mode = IN_HEAD;
    return true;
}

bool mode_after_head(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT:
        if (!build_insert_space(b, k)) return false;
        break;
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START:
        switch (k->tag) {
        case TAG(html): return mode_in_body(b, k);
        case TAG(body):
            build_insert(b, k);
            b->frameset_ok = false;
            b->mode = IN_BODY;
            return false;
        case TAG(frameset):
            build_insert(b, k);
            b->mode = IN_FRAMESET;
            return false;
        case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes):
        case TAG(script): case TAG(style): case TAG(template): case TAG(title):
            push(b, b->head);
            mode_in_head(b, k);
            build_remove_open(b, b->head);
            return false;
        case TAG(head): return false;
        default: break;
        }
        break;
    case TOKEN_END:
        if (k->tag == TAG(template)) return mode_in_head(b, k);
        if (k->tag != TAG(body) && k->tag != TAG(html) && k->tag != TAG(br)) return false;
        break;
    case TOKEN_EOF: break;
    }
    build_insert_tag(b, TAG(body));
    b->mode = IN_BODY;
    return true;
}

/* ---- select, template, the end ---- */
bool mode_in_select(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: build_insert_text(b, k->off, k->len); return false;
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_EOF: return mode_in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(html): return mode_in_body(b, k);
        case TAG(option):
            if (current_is(b, TAG(option))) pop(b);
            build_insert(b, k);
            return false;
        case TAG(optgroup):
            if (current_is(b, TAG(option))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            build_insert(b, k);
            return false;
        case TAG(hr):
            if (current_is(b, TAG(option))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            build_insert_void(b, k);
            return false;
        case TAG(select): case TAG(input): case TAG(keygen): case TAG(textarea):
            if (!build_in_scope_kind(b, TAG(select), SCOPE_SELECT)) return false;
            build_pop_until(b, TAG(select));
            build_reset_mode(b);
            return k->tag != TAG(select);
        case TAG(script): case TAG(template): mode_head_tags(b, k); return false;
        default: return false;
        }
    case TOKEN_END:
        switch (k->tag) {
        case TAG(optgroup):
            if (current_is(b, TAG(option)) && b->n_open > 1 && is_html(b, b->open[b->n_open - 2], TAG(optgroup))) pop(b);
            if (current_is(b, TAG(optgroup))) pop(b);
            return false;
        case TAG(option):
            if (current_is(b, TAG(option))) pop(b);
            return false;
        case TAG(select):
            if (!build_in_scope_kind(b, TAG(select), SCOPE_SELECT)) return false;
            build_pop_until(b, TAG(select));
            build_reset_mode(b);
            return false;
        case TAG(template): mode_head_tags(b, k); return false;
        default: return false;
        }
    }
    return false;
}

bool mode_in_select_in_table(builder *b, token *k) {
    bool part = (k->kind == TOKEN_START || k->kind == TOKEN_END) &&
                (k->tag == TAG(caption) || k->tag == TAG(table) || k->tag == TAG(tbody) || k->tag == TAG(tfoot) ||
                 k->tag == TAG(thead) || k->tag == TAG(tr) || k->tag == TAG(td) || k->tag == TAG(th));
    if (!part) return mode_in_select(b, k);
    if (k->kind == TOKEN_END && !in_table_scope(b, k->tag)) return false;
    build_pop_until(b, TAG(select));
    build_reset_mode(b);
    return true;
}

static bool template_again(builder *b, insertion_mode mode) {
    if (b->n_templates) b->template_mode[b->n_templates - 1] = mode;
    b->mode = mode;
    return true;
}

bool mode_in_template(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: case TOKEN_COMMENT: case TOKEN_DOCTYPE: return mode_in_body(b, k);
    case TOKEN_START:
        switch (k->tag) {
        case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes):
        case TAG(script): case TAG(style): case TAG(template): case TAG(title):
            mode_head_tags(b, k);
            return false;
        case TAG(caption): case TAG(colgroup): case TAG(tbody): case TAG(tfoot): case TAG(thead): return template_again(b, IN_TABLE);
        case TAG(col): return template_again(b, IN_COLUMN_GROUP);
        case TAG(tr): return template_again(b, IN_TABLE_BODY);
        case TAG(td): case TAG(th): return template_again(b, IN_ROW);
        default: return template_again(b, IN_BODY);
        }
    case TOKEN_END:
        if (k->tag == TAG(template)) mode_head_tags(b, k);
        return false;
    case TOKEN_EOF:
        if (!build_has_open(b, TAG(template))) return false;
        build_pop_until(b, TAG(template));
        build_formatting_clear(b);
        if (b->n_templates) b->n_templates--;
        build_reset_mode(b);
        return b->n_open > 1;
    }
    return false;
}

bool mode_after_body(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_TEXT && !build_cut_space(b, &copy, &space)) return mode_in_body(b, k);
    if (k->kind == TOKEN_COMMENT) {
        build_insert_comment(b, k, (place){b->open[0], 0});
        return false;
    }
    if (k->kind == TOKEN_DOCTYPE || k->kind == TOKEN_EOF) return false;
    if (is_start(k, TAG(html))) return mode_in_body(b, k);
    if (is_end(k, TAG(html))) {
        b->mode = AFTER_AFTER_BODY;
        return false;
    }
    b->mode = IN_BODY;
    return true;
}

bool mode_after_after_body(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_COMMENT) {
        build_insert_comment(b, k, (place){0, 0});
        return false;
    }
    if (k->kind == TOKEN_DOCTYPE || is_start(k, TAG(html)) || (k->kind == TOKEN_TEXT && !build_cut_space(b, &copy, &space)))
        return mode_in_body(b, k);
    if (k->kind == TOKEN_EOF) return false;
    b->mode = IN_BODY;
    return true;
}

static void insert_spaces(builder *b, const token *k) {
    for (uint32_t i = 0; i < k->len; i++) {
        char c = b->t->bytes.ptr[k->off + i];
        if (c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '\r') build_insert_text(b, k->off + i, 1);
    }
}

bool mode_in_frameset(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) insert_spaces(b, k);
    else if (k->kind == TOKEN_COMMENT) build_insert_comment_here(b, k);
    else if (is_start(k, TAG(html))) return mode_in_body(b, k);
    else if (is_start(k, TAG(frameset))) build_insert(b, k);
    else if (is_end(k, TAG(frameset))) {
        pop(b);
        if (!current_is(b, TAG(frameset))) b->mode = AFTER_FRAMESET;
    } else if (is_start(k, TAG(frame))) build_insert_void(b, k);
    else if (is_start(k, TAG(noframes))) mode_head_tags(b, k);
    return false;
}

bool mode_after_frameset(builder *b, token *k) {
    if (k->kind == TOKEN_TEXT) insert_spaces(b, k);
    else if (k->kind == TOKEN_COMMENT) build_insert_comment_here(b, k);
    else if (is_start(k, TAG(html))) return mode_in_body(b, k);
    else if (is_end(k, TAG(html))) b->mode = AFTER_AFTER_FRAMESET;
    else if (is_start(k, TAG(noframes))) mode_head_tags(b, k);
    return false;
}

bool mode_after_after_frameset(builder *b, token *k) {
    token copy = *k, space;
    if (k->kind == TOKEN_COMMENT) build_insert_comment(b, k, (place){0, 0});
    else if (k->kind == TOKEN_DOCTYPE || is_start(k, TAG(html)) || (k->kind == TOKEN_TEXT && !build_cut_space(b, &copy, &space)))
        return mode_in_body(b, k);
    else if (is_start(k, TAG(noframes))) mode_head_tags(b, k);
    return false;
}

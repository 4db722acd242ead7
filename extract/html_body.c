/* html_body.c - the insertion mode "in body": most of every page. */
#include "extract/html_build.h"

/* ---- the body ---- */
static void body_text(builder *b, token *k) {
    build_reconstruct(b);
    token rest = *k, space;
    if (b->frameset_ok && build_cut_space(b, &rest, &space)) b->frameset_ok = false;
    build_insert_text(b, k->off, k->len);
}

static void start_li(builder *b, const token *k, html_tag one, html_tag two) {
    b->frameset_ok = false;
    for (int i = b->n_open - 1; i > 0; i--) {
        const html_node *e = node(b, b->open[i]);
        if (e->ns == HTML_NS_HTML && (e->tag == one || e->tag == two)) {
            html_tag tag = e->tag;
            build_imply_ends(b, tag);
            build_pop_until(b, tag);
            break;
        }
        if (build_is_special(e) && e->tag != TAG(address) && e->tag != TAG(div) && e->tag != TAG(p)) break;
    }
    build_close_p_in_scope(b);
    build_insert(b, k);
}

static void start_frameset_in_body(builder *b, const token *k) {
    if (b->n_open < 2 || !is_html(b, b->open[1], TAG(body)) || !b->frameset_ok) return;
    html_tree_unlink(b->t, b->open[1]);
    b->n_open = 1;
    build_insert(b, k);
    b->mode = IN_FRAMESET;
}

static bool body_start(builder *b, token *k) {
    switch (k->tag) {
    case TAG(html):
        if (!build_has_open(b, TAG(template))) build_merge_attrs(b, b->open[0], k);
        return false;
    case TAG(base): case TAG(basefont): case TAG(bgsound): case TAG(link): case TAG(meta): case TAG(noframes): case TAG(script):
    case TAG(style): case TAG(template): case TAG(title):
        mode_head_tags(b, k);
        return false;
    case TAG(body):
        if (b->n_open < 2 || !is_html(b, b->open[1], TAG(body)) || build_has_open(b, TAG(template))) return false;
        b->frameset_ok = false;
        build_merge_attrs(b, b->open[1], k);
        return false;
    case TAG(frameset): start_frameset_in_body(b, k); return false;
    case TAG(address): case TAG(article): case TAG(aside): case TAG(blockquote): case TAG(center): case TAG(details):
    case TAG(dialog): case TAG(dir): case TAG(div): case TAG(dl): case TAG(fieldset): case TAG(figcaption): case TAG(figure):
    case TAG(footer): case TAG(header): case TAG(hgroup): case TAG(main): case TAG(menu): case TAG(nav): case TAG(ol):
    case TAG(p): case TAG(section): case TAG(summary): case TAG(ul):
        build_close_p_in_scope(b);
        build_insert(b, k);
        return false;
    case TAG(h1): case TAG(h2): case TAG(h3): case TAG(h4): case TAG(h5): case TAG(h6):
        build_close_p_in_scope(b);
        if (node(b, current(b))->ns == HTML_NS_HTML && is_heading(node(b, current(b))->tag)) pop(b);
        build_insert(b, k);
        return false;
    case TAG(pre): case TAG(listing):
        build_close_p_in_scope(b);
        build_insert(b, k);
        b->skip_newline = true;
        b->frameset_ok = false;
        return false;
    case TAG(form): {
        bool in_template = build_has_open(b, TAG(template));
        if (b->form && !in_template) return false;
        build_close_p_in_scope(b);
        uint32_t n = build_insert(b, k);
        if (!in_template) b->form = n;
        return false;
    }
    case TAG(li): start_li(b, k, TAG(li), TAG(li)); return false;
    case TAG(dd): case TAG(dt): start_li(b, k, TAG(dd), TAG(dt)); return false;
    case TAG(plaintext):
        build_close_p_in_scope(b);
        build_insert(b, k);
        b->z.raw = RAW_PLAINTEXT;
        return false;
    case TAG(button):
        if (in_scope(b, TAG(button))) {
            build_imply_ends(b, HTML_N_TAGS);
            build_pop_until(b, TAG(button));
        }
        build_reconstruct(b);
        build_insert(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(a):
        for (int i = b->n_formatting - 1; i >= 0 && b->formatting[i] != MARKER; i--) {
            uint32_t n = b->formatting[i];
            if (node(b, n)->tag != TAG(a)) continue;
            build_adopt(b, k);
            int j = build_formatting_index(b, n);
            if (j >= 0) build_formatting_remove_at(b, j);
            build_remove_open(b, n);
            break;
        }
        build_reconstruct(b);
        build_formatting_push(b, build_insert(b, k));
        return false;
    case TAG(b): case TAG(big): case TAG(code): case TAG(em): case TAG(font): case TAG(i): case TAG(s): case TAG(small):
    case TAG(strike): case TAG(strong): case TAG(tt): case TAG(u):
        build_reconstruct(b);
        build_formatting_push(b, build_insert(b, k));
        return false;
    case TAG(nobr):
        build_reconstruct(b);
        if (in_scope(b, TAG(nobr))) {
            build_adopt(b, k);
            build_reconstruct(b);
        }
        build_formatting_push(b, build_insert(b, k));
        return false;
    case TAG(applet): case TAG(marquee): case TAG(object):
        build_reconstruct(b);
        build_insert(b, k);
        build_formatting_marker(b);
        b->frameset_ok = false;
        return false;
    case TAG(table):
        if (!b->t->quirks) build_close_p_in_scope(b);
        build_insert(b, k);
        b->frameset_ok = false;
        b->mode = IN_TABLE;
        return false;
    case TAG(image):
        k->tag = TAG(img);
        /* fall through */
    case TAG(area): case TAG(br): case TAG(embed): case TAG(img): case TAG(keygen): case TAG(wbr):
        build_reconstruct(b);
        build_insert_void(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(input):
        build_reconstruct(b);
        build_insert_void(b, k);
        if (!build_is_hidden_input(b, k)) b->frameset_ok = false;
        return false;
    case TAG(param): case TAG(source): case TAG(track): build_insert_void(b, k); return false;
    case TAG(hr):
        build_close_p_in_scope(b);
        build_insert_void(b, k);
        b->frameset_ok = false;
        return false;
    case TAG(textarea):
        build_raw_text(b, k, RAW_RCDATA);
        b->skip_newline = true;
        b->frameset_ok = false;
        return false;
    case TAG(xmp):
        build_close_p_in_scope(b);
        build_reconstruct(b);
        b->frameset_ok = false;
        build_raw_text(b, k, RAW_TEXT);
        return false;
    case TAG(iframe):
        b->frameset_ok = false;
        build_raw_text(b, k, RAW_TEXT);
        return false;
    case TAG(noembed): build_raw_text(b, k, RAW_TEXT); return false;
    case TAG(select):
        build_reconstruct(b);
        build_insert(b, k);
        b->frameset_ok = false;
        b->mode = b->mode == IN_TABLE || b->mode == IN_CAPTION || b->mode == IN_TABLE_BODY || b->mode == IN_ROW || b->mode == IN_CELL
                      ? IN_SELECT_IN_TABLE : IN_SELECT;
        return false;
    case TAG(optgroup): case TAG(option):
        if (current_is(b, TAG(option))) pop(b);
        build_reconstruct(b);
        build_insert(b, k);
        return false;
    case TAG(rb): case TAG(rtc):
        if (in_scope(b, TAG(ruby))) build_imply_ends(b, HTML_N_TAGS);
        build_insert(b, k);
        return false;
    case TAG(rp): case TAG(rt):
        if (in_scope(b, TAG(ruby))) build_imply_ends(b, TAG(rtc));
        build_insert(b, k);
        return false;
    case TAG(math): case TAG(svg):
        build_reconstruct(b);
        build_insert_foreign(b, k, k->tag == TAG(svg) ? HTML_NS_SVG : HTML_NS_MATH);
        if (k->self_closing) pop(b);
        return false;
    case TAG(caption): case TAG(col): case TAG(colgroup): case TAG(frame): case TAG(head): case TAG(tbody): case TAG(td):
    case TAG(tfoot): case TAG(th): case TAG(thead): case TAG(tr):
        return false;
    default:
        build_reconstruct(b);
        build_insert(b, k);
        return false;
    }
}

bool mode_body_end(builder *b, token *k) {
    switch (k->tag) {
    case TAG(template): mode_end_template(b); return false;
    case TAG(body): case TAG(html):
        if (!in_scope(b, TAG(body))) return false;
        b->mode = AFTER_BODY;
        return k->tag == TAG(html);
    case TAG(address): case TAG(article): case TAG(aside): case TAG(blockquote): case TAG(button): case TAG(center):
    case TAG(details): case TAG(dialog): case TAG(dir): case TAG(div): case TAG(dl): case TAG(fieldset): case TAG(figcaption):
    case TAG(figure): case TAG(footer): case TAG(header): case TAG(hgroup): case TAG(listing): case TAG(main): case TAG(menu):
    case TAG(nav): case TAG(ol): case TAG(pre): case TAG(section): case TAG(summary): case TAG(ul):
        if (!in_scope(b, k->tag)) return false;
        build_imply_ends(b, HTML_N_TAGS);
        build_pop_until(b, k->tag);
        return false;
    case TAG(form):
        if (build_has_open(b, TAG(template))) {
            if (!in_scope(b, TAG(form))) return false;
            build_imply_ends(b, HTML_N_TAGS);
            build_pop_until(b, TAG(form));
        } else {
            uint32_t n = b->form;
            b->form = 0;
            if (!n || !build_node_in_scope(b, n)) return false;
            build_imply_ends(b, HTML_N_TAGS);
            build_remove_open(b, n);
        }
        return false;
    case TAG(p):
        if (!in_button_scope(b, TAG(p))) build_insert_tag(b, TAG(p));
        build_close_p(b);
        return false;
    case TAG(li):
        if (!build_in_scope_kind(b, TAG(li), SCOPE_LIST)) return false;
        build_imply_ends(b, TAG(li));
        build_pop_until(b, TAG(li));
        return false;
    case TAG(dd): case TAG(dt):
        if (!in_scope(b, k->tag)) return false;
        build_imply_ends(b, k->tag);
        build_pop_until(b, k->tag);
        return false;
    case TAG(h1): case TAG(h2): case TAG(h3): case TAG(h4): case TAG(h5): case TAG(h6):
        if (!build_heading_in_scope(b)) return false;
        build_imply_ends(b, HTML_N_TAGS);
        while (b->n_open > 1) {
            const html_node *e = node(b, current(b));
            bool last = e->ns == HTML_NS_HTML && is_heading(e->tag);
            b->n_open--;
            if (last) break;
        }
        return false;
    case TAG(a): case TAG(b): case TAG(big): case TAG(code): case TAG(em): case TAG(font): case TAG(i): case TAG(nobr):
    case TAG(s): case TAG(small): case TAG(strike): case TAG(strong): case TAG(tt): case TAG(u):
        build_adopt(b, k);
        return false;
    case TAG(applet): case TAG(marquee): case TAG(object):
        if (!in_scope(b, k->tag)) return false;
        build_imply_ends(b, HTML_N_TAGS);
        build_pop_until(b, k->tag);
        build_formatting_clear(b);
        return false;
    case TAG(br): {
        token br = {.kind = TOKEN_START, .tag = TAG(br)};
        return body_start(b, &br);
    }
    default: build_any_other_end(b, k); return false;
    }
}

bool mode_in_body(builder *b, token *k) {
    switch (k->kind) {
    case TOKEN_TEXT: body_text(b, k); return false;
    case TOKEN_COMMENT: build_insert_comment_here(b, k); return false;
    case TOKEN_DOCTYPE: return false;
    case TOKEN_START: return body_start(b, k);
    case TOKEN_END: return mode_body_end(b, k);
    case TOKEN_EOF: return b->n_templates ? mode_in_template(b, k) : false;
    }
    return false;
}

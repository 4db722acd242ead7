/* explain.c - what was kept of a page and why, as a page for a browser. It shows the page's text in its order and
 * nothing else of it: no style, script, picture or address of the page gets in, so that nothing is covered by
 * a banner, nothing runs and nothing is loaded (a policy in the head forbids it as well). Kept text is blue with a solid
 * edge, dropped text orange with a dashed one: colours that the colour-blind tell apart, and a sign beside each. The
 * reasons are what the features say of a block, in words; they are read off it, the trees weigh many more. */
#include "extract/explain.h"

#include "extract/render.h"

static const char head[] =
    "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    "<meta name=\"referrer\" content=\"no-referrer\"><meta name=\"viewport\" content=\"width=device-width\"><title>wt-extract explain</title><style>"
    ":root{--k:#0072b2;--kb:#eef6fb;--d:#c04f00;--db:#fdf4ee;--t:#1c1c1c;--m:#5f5f5f;--l:#d9d9d9;--bg:#fff}"
    "@media(prefers-color-scheme:dark){:root{--k:#56b4e9;--kb:#10222d;--d:#f0924c;--db:#2a1b10;--t:#e6e6e6;--m:#a9a9a9;--l:#444;--bg:#161616}}"
    "*{box-sizing:border-box}body{font:16px/1.5 system-ui,sans-serif;max-width:70em;margin:0 auto;padding:1.5em 1em 6em;color:var(--t);background:var(--bg)}"
    "h1{font-size:1.7em;line-height:1.2;margin:.2em 0 .5em}.from{color:var(--m);margin:0;overflow-wrap:anywhere}"
    "table.f{border-spacing:0;margin:.5em 0}.f th{text-align:left;vertical-align:top;padding:.1em 1.2em .1em 0;color:var(--m);font-weight:normal;white-space:nowrap}"
    ".v{display:inline-block;border:1px solid;border-radius:1em;padding:0 .7em;margin:0 .4em .3em 0;font-size:.9em}.v.k{color:var(--k)}.v.d{color:var(--d);border-style:dashed}"
    ".bar{position:sticky;top:0;background:var(--bg);padding:.6em 0 .4em;border-bottom:1px solid var(--l);margin-bottom:1em;z-index:1}"
    ".map{display:flex;height:1.1em;border-radius:3px;overflow:hidden}.map a{min-width:1px}.map .k{background:var(--k)}"
    ".map .d{background:repeating-linear-gradient(135deg,var(--d) 0 2px,var(--db) 2px 5px)}"
    ".bar p{margin:.4em 0 0;font-size:.9em}.bar label{margin-left:1.2em;cursor:pointer}.key{padding:0 .5em;margin-right:.8em;border-left:5px solid}"
    ".key.k{border-color:var(--k);background:var(--kb)}.key.d{border-left-style:dashed;border-color:var(--d);background:var(--db);color:var(--m)}"
    ".r{display:grid;grid-template-columns:minmax(0,1fr) 17em;gap:0 1em;margin:3px 0}"
    ".b{white-space:pre-wrap;overflow-wrap:anywhere;padding:.25rem .8rem;border-left:5px solid var(--k);background:var(--kb)}"
    ".b.d{border-left:5px dashed var(--d);background:var(--db);color:var(--m);font-size:.85em}"
    ".b.h{font-weight:bold}.b.h1{font-size:1.5em}.b.h2{font-size:1.25em}.b.code{font:13px/1.45 ui-monospace,monospace}.b.li:before{content:\"\\2022\\a0\"}.b.q{font-style:italic}"
    ".s{display:flex;flex-wrap:wrap;gap:2px;margin:3px 0}.s .b{padding:.05rem .5rem;border-left-width:3px;max-width:100%}.s .h{font-size:.95em}"
    ".w{font-size:.75em;line-height:1.35;color:var(--m);overflow-wrap:anywhere;overflow:hidden;align-self:center;display:-webkit-box;-webkit-box-orient:vertical;-webkit-line-clamp:2}"
    ".w b{color:var(--k)}.d+.w b{color:var(--d)}"
    ":target{outline:3px solid var(--k)}body:has(#why:not(:checked)) .w{display:none}body:has(#why:not(:checked)) .r{display:block}body:has(#only:checked) :is(.b.d,.r.x){display:none}"
    "@media(max-width:50em){.r{display:block}.w{margin:0 0 .5em 1em;-webkit-line-clamp:9}}@media print{.bar{position:static}}</style>\n";

static void add(wt_buf *out, const char *text) { wt_buf_add_str(out, wt_str_of(text)); }

static void add_escaped(wt_buf *out, wt_str s) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '<') add(out, "&lt;");
        else if (c == '&') add(out, "&amp;");
        else if (c == '"') add(out, "&quot;");
        else wt_buf_add_char(out, c);
    }
}

/* ---- the summary ---- */
static void add_row(wt_buf *out, const char *name, wt_str value) {
    wt_buf_printf(out, "<tr><th>%s<td>", name);
    if (value.len) add_escaped(out, value);
    else add(out, "<span class=\"from\">none found</span>");
}

static void add_verdict(wt_buf *out, const char *name, const char *rule) {
    wt_buf_printf(out, "<span class=\"v %s\">%s %s", rule ? "d" : "k", rule ? "&#10005;" : "&#10003;", name);
    if (rule) add(out, " drops it: "), add_escaped(out, wt_str_of(strchr(rule, ':') ? strchr(rule, ':') + 2 : rule));
    add(out, "</span>");
}

static void add_filters(wt_buf *out, const extract_page *p) {
    static const struct {
        const char *name;
        extract_filter filter;
    } filters[] = {{"webtext", FILTER_WEBTEXT}, {"c4", FILTER_C4}, {"gopher", FILTER_GOPHER}, {"fineweb", FILTER_FINEWEB}};
    wt_buf scratch = {0};
    add(out, "<tr><th>filters<td>");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        wt_str text = p->plain;
        wt_buf_clear(&scratch);
        add_verdict(out, filters[i].name, text.len ? extract_filter_run(filters[i].filter, &text, p->url, &scratch) : "no text");
    }
    wt_buf_free(&scratch);
}

static void add_summary(wt_buf *out, const content *c, const extract_page *p) {
    add(out, "<p class=\"from\">What wt-extract kept of ");
    add_escaped(out, c->meta->address.len ? c->meta->address : WT_STR("this page"));
    add(out, "</p><h1>");
    add_escaped(out, p->title.len ? p->title : WT_STR("A page without a title"));
    add(out, "</h1><table class=\"f\">");
    add_row(out, "author", p->author), add_row(out, "date", p->date);
    if (p->modified.len) add_row(out, "modified", p->modified);
    if (p->site.len) add_row(out, "site", p->site);
    if (p->url.len) add_row(out, "canonical", p->url);
    if (p->description.len) add_row(out, "description", p->description);
    if (p->license.len) add_row(out, "license", p->license);
    wt_buf_printf(out, "<tr><th>language<td>%.*s, %.0f %% of the text, %s", WT_FMT(p->lang), 100 * p->lang_share, p->lang_reliable ? "sure" : "not sure");
    if (p->declared_lang.len) add(out, "; the page says "), add_escaped(out, p->declared_lang);
    wt_buf_printf(out, "<tr><th>read as<td>%s (%s), parser %s", p->charset ? p->charset : "?", p->charset_how ? p->charset_how : "?", p->parser ? p->parser : "?");
    wt_buf_printf(out, "<tr><th>words<td>%zu", p->n_words);
    add_filters(out, p);
    add(out, "</table>\n");
}

/* ---- the map: a strip of the page, as wide as its letters ---- */
static void add_map(wt_buf *out, const content *c) {
    size_t len = 0, len_kept = 0, n_kept = 0;
    add(out, "<div class=\"bar\"><div class=\"map\">");
    for (size_t i = 0, end; i < c->n_blocks; i = end) {
        size_t here = 0;
        for (end = i; end < c->n_blocks && c->block[end].keep == c->block[i].keep; end++) here += c->block[end].len + 1;
        len += here;
        if (c->block[i].keep) len_kept += here, n_kept += end - i;
        wt_buf_printf(out, "<a class=\"%s\" href=\"#b%zu\" title=\"%zu block%s %s, %zu letters\" style=\"flex:%zu\"></a>", c->block[i].keep ? "k" : "d", i,
                      end - i, end - i == 1 ? "" : "s", c->block[i].keep ? "kept" : "dropped", here, here);
    }
    wt_buf_printf(out, "</div><p><span class=\"key k\">&#10003; kept: %zu blocks, %.0f %% of the letters</span><span class=\"key d\">&#10005; dropped: %zu blocks</span>"
                       "<label><input type=\"checkbox\" id=\"why\" checked> why</label><label><input type=\"checkbox\" id=\"only\"> kept text alone</label></div>\n",
                  n_kept, len ? 100.0 * (double)len_kept / (double)len : 0, c->n_blocks - n_kept);
}

/* ---- why ---- */
/* "article > div.content > p": where the block stands. */
static void add_place(wt_buf *out, const html_tree *t, uint32_t element) {
    uint32_t path[4];
    int n = 0;
    for (uint32_t e = element; e && n < 4; e = t->node[e].parent) path[n++] = e;
    while (n-- > 0) {
        add_escaped(out, wt_str_of(html_node_name(t, path[n])));
        wt_str id = html_attr_get(t, path[n], HTML_ATTR_id), class = html_attr_get(t, path[n], HTML_ATTR_class);
        if (id.len) wt_buf_add_char(out, '#'), add_escaped(out, id.len > 30 ? (wt_str){id.ptr, 30} : id);
        if (class.len) wt_buf_add_char(out, '.'), add_escaped(out, class.len > 40 ? (wt_str){class.ptr, 40} : class);
        if (n) add(out, " &gt; ");
    }
}

static void add_reasons(wt_buf *out, const content *c, size_t i) {
    static const struct {
        uint32_t flag;
        const char *text;
    } places[] = {{IN_HIDDEN, "hidden"}, {IN_DIALOG, "in a dialog"}, {IN_NAV, "in navigation"}, {IN_FOOTER, "in a footer"}, {IN_ASIDE, "in an aside"},
                  {IN_SIGNATURE, "in a signature"}, {IN_COMMENT, "among comments"}, {IN_FORM, "in a form"}, {IN_CAPTION, "a caption"}, {IN_HEADER, "in a header"},
                  {IN_ARTICLE, "in an article"}, {IN_MAIN, "in the main part"}, {IN_BODY_PROP, "marked as the article's body"}};
    const content_block *b = &c->block[i];
    const content_element *e = content_at(c, b->element), *top = content_at(c, c->top);
    wt_buf_printf(out, "%u letters", b->len);
    if (b->link_len * 5 > b->len) wt_buf_printf(out, ", %.0f %% in links", 100.0 * b->link_len / (b->len ? b->len : 1));
    for (size_t k = 0; k < sizeof places / sizeof *places; k++)
        if (b->flags & places[k].flag) add(out, ", "), add(out, places[k].text);
    if (c->top) add(out, i >= top->first_block && i < top->end_block ? ", in the densest container" : ", outside the densest container");
    if (e->path > 1 || e->path < -1) wt_buf_printf(out, ", class names speak %s it (%+.1f)", e->path > 0 ? "for" : "against", e->path);
    if (b->word_sum > 1 || b->word_sum < -1) wt_buf_printf(out, ", words %s (%+.1f)", b->word_sum > 0 ? "for" : "against", b->word_sum);
    if (b->repeats > 1) wt_buf_printf(out, ", stands %u times on the page", b->repeats);
    if (b->first_chance - b->chance > 0.15f || b->chance - b->first_chance > 0.15f)
        wt_buf_printf(out, ", its surroundings %s it from %.0f %%", b->chance > b->first_chance ? "raise" : "lower", 100 * b->first_chance);
}

/* ---- the blocks ---- */
static void add_block(wt_buf *out, const content *c, size_t i) {
    const content_block *b = &c->block[i];
    wt_buf_printf(out, "<div id=\"b%zu\" class=\"b %s", i, b->keep ? "k" : "d");
    if (b->heading) wt_buf_printf(out, " h h%u", b->heading);
    else if (b->flags & IN_PRE) add(out, " code");
    else if (b->item && c->tree->node[b->item].tag == HTML_TAG_li) add(out, " li");
    else if (b->flags & IN_QUOTE) add(out, " q");
    wt_buf_printf(out, "\" title=\"%.0f %%, %s: ", 100 * b->chance, content_why_text[b->why]);
    add_reasons(out, c, i);
    add(out, "; stands in ");
    add_place(out, c->tree, b->element);
    add(out, "\">");
    add_escaped(out, (wt_str){c->text.ptr + b->text, b->text_len});
    add(out, "</div>");
}

static bool is_small(const content *c, const content_block *b) { return b->len < 60 && (!b->keep || render_is_table_cell(c, b)); }

/* Small blocks of one fate stand side by side (menus, cells of a row) with the reasons on hover; others have them beside, too. */
static void add_blocks(wt_buf *out, const content *c) {
    for (size_t i = 0; i < c->n_blocks;) {
        const content_block *b = &c->block[i];
        if (!is_small(c, b)) {
            wt_buf_printf(out, "<div class=\"r%s\">", b->keep ? "" : " x");
            add_block(out, c, i);
            wt_buf_printf(out, "<div class=\"w\"><b>%.0f %%</b> %s: ", 100 * b->chance, content_why_text[b->why]);
            add_reasons(out, c, i);
            add(out, "</div></div>\n");
            i++;
            continue;
        }
        add(out, "<div class=\"s\">");
        for (; i < c->n_blocks && is_small(c, &c->block[i]) && c->block[i].keep == b->keep && (!b->keep || c->block[i].row == b->row); i++) add_block(out, c, i);
        add(out, "</div>\n");
    }
}

void explain_page(const content *c, const extract_page *page, wt_buf *out) {
    add(out, head);
    if (!c->meta) {
        add(out, "<p>No page was read, or it was refused.");
        return;
    }
    add_summary(out, c, page);
    add_map(out, c);
    add_blocks(out, c);
    if (c->n_blocks == 0) add(out, "<p>The page holds no text.");
}

/* formulas.c - see formulas.h. */
#include "extract/formulas.h"

enum { FORMULA_MAX = 20000, WRAPPERS_MAX = 8, LOOKS_A_NODE = 4 };

static bool holds(wt_str s, const char *word) { return s.len && memmem(s.ptr, s.len, word, strlen(word)); }

static wt_str class_of(const html_tree *t, uint32_t n) { return html_attr_get(t, n, HTML_ATTR_class); }

/* Is one of the names in a class attribute this one? */
static bool has_class(const html_tree *t, uint32_t n, const char *name) {
    wt_str rest = class_of(t, n);
    while (rest.len)
        if (wt_str_eq_nocase(wt_str_cut(&rest, ' '), wt_str_of(name))) return true;
    return false;
}

/* Elements that renderers put around a formula, or draw it with. */
static bool is_wrapper(const html_tree *t, uint32_t n) {
    if (!html_is_element(t, n)) return false;
    if (t->node[n].tag == HTML_TAG_UNKNOWN) return strncmp(html_node_name(t, n), "mjx-", 4) == 0;
    wt_str class = class_of(t, n);
    return (t->node[n].tag == HTML_TAG_span || t->node[n].tag == HTML_TAG_div) &&
           (holds(class, "katex") || holds(class, "mwe-math") || holds(class, "MathJax"));
}

/* The TeX without white space, delimiters, kramdown's comments and MediaWiki's {\displaystyle ...} around it. */
static wt_str bare(wt_str s) {
    static const char *const around[][2] = {{"% <![CDATA[", "%]]>"}, {"{\\displaystyle", "}"}, {"{\\textstyle", "}"}, {"\\displaystyle", ""}, {"$$", "$$"}, {"$", "$"},
                                            {"\\(", "\\)"}, {"\\[", "\\]"}};
    s = wt_str_trim(s);
    for (size_t k = 0; k < sizeof around / sizeof *around; k++) {
        wt_str open = wt_str_of(around[k][0]), close = wt_str_of(around[k][1]);
        if (s.len <= open.len + close.len || !wt_str_starts(s, open) || !wt_str_ends(s, close)) continue;
        s = wt_str_trim((wt_str){s.ptr + open.len, s.len - open.len - close.len});
    }
    return s;
}

/* Takes the place of `old`, and of what stands around it for its sake. The slices may lie in the tree's bytes. */
static void replace(html_tree *t, uint32_t old, wt_str tex, bool display) {
    uint32_t math = html_tree_add(t, HTML_TAG_math);
    const char *sign = display ? "$$" : "$";
    wt_buf formula = {0};
    wt_buf_printf(&formula, "%s%.*s%s", sign, WT_FMT(tex), sign);
    html_tree_add_text(t, math, wt_buf_view(&formula));
    wt_buf_free(&formula);
    html_tree_insert(t, math, old);
    html_tree_unlink(t, old);
}

/* The TeX in an <annotation> below n. *looks: nodes that may still be looked at, against <math> in <math>. */
static wt_str annotation(const html_tree *t, uint32_t n, size_t *looks) {
    for (uint32_t x = html_next(t, n, n); x && *looks; x = html_next(t, x, n), --*looks) {
        if (t->node[x].tag != HTML_TAG_UNKNOWN || strcmp(html_node_name(t, x), "annotation") != 0) continue;
        wt_str encoding = html_attr_get(t, x, HTML_ATTR_encoding);
        uint32_t text = t->node[x].first;
        if ((holds(encoding, "tex") || holds(encoding, "TeX")) && text && t->node[text].tag == HTML_TEXT) return html_text_of(t, text);
    }
    return WT_STR("");
}

static void try_math(html_tree *t, uint32_t n, size_t *looks) {
    wt_str tex = annotation(t, n, looks);
    bool display = false;
    for (uint32_t i = 0; i < t->node[n].n_attrs; i++) {
        const html_attr *a = &t->attr[t->node[n].off + i];
        wt_str name = {t->bytes.ptr + a->name, a->name_len}, value = {t->bytes.ptr + a->value, a->value_len};
        display = display || (wt_str_eq(name, WT_STR("display")) && wt_str_eq(value, WT_STR("block")));
        if (!tex.len && wt_str_eq(name, WT_STR("alttext"))) tex = value;
    }
    uint32_t top = n;
    for (int k = 0; k < WRAPPERS_MAX && is_wrapper(t, t->node[top].parent); k++) {
        top = t->node[top].parent;
        display = display || holds(class_of(t, top), "display");
    }
    tex = bare(tex);
    if (tex.len && tex.len <= FORMULA_MAX && t->node[top].parent) replace(t, top, tex, display);
}

static void try_script(html_tree *t, uint32_t n) {
    wt_str type = html_attr_get(t, n, HTML_ATTR_type);
    if (!wt_str_starts(type, WT_STR("math/")) || !holds(type, "tex") || !t->node[n].first) return;
    wt_str tex = bare(html_text_of(t, t->node[n].first));
    if (!tex.len || tex.len > FORMULA_MAX) return;
    while (t->node[n].prev && is_wrapper(t, t->node[n].prev)) html_tree_unlink(t, t->node[n].prev);     /* as MathJax drew it */
    replace(t, n, tex, holds(type, "display"));
}

static void try_image(html_tree *t, uint32_t n) {
    wt_str alt = html_attr_get(t, n, HTML_ATTR_alt), src = html_attr_get(t, n, HTML_ATTR_src);
    if (!alt.len || alt.len > FORMULA_MAX) return;
    if (!(has_class(t, n, "latex") || has_class(t, n, "tex") || holds(src, "latex.codecogs.com/") || holds(src, "/latex.php?"))) return;
    wt_str tex = bare(alt);
    if (tex.len) replace(t, n, tex, false);
}

void formulas_to_tex(html_tree *t) {
    const uint32_t n_nodes = t->n_nodes;
    size_t looks = LOOKS_A_NODE * (size_t)n_nodes;
    for (uint32_t n = 1; n < n_nodes; n++) {
        uint16_t tag = t->node[n].tag;
        if (tag != HTML_TAG_math && tag != HTML_TAG_script && tag != HTML_TAG_img) continue;
        if (!t->node[n].parent) continue;
        if (tag == HTML_TAG_math) try_math(t, n, &looks);
        else if (tag == HTML_TAG_script) try_script(t, n);
        else try_image(t, n);
    }
}

bool formulas_is_one(const html_tree *t, uint32_t text_node) {
    uint32_t parent = t->node[text_node].parent;
    return t->node[parent].tag == HTML_TAG_math && t->node[text_node].len > 2 && t->bytes.ptr[t->node[text_node].off] == '$';
}

/* content_cut.c - a page becomes blocks: one walk over the tree, counting as it goes. A block ends
 * where a block element begins or ends, and at two <br> in a row (how old pages write paragraphs).
 * What never is text (scripts, forms' choices, embedded media) is passed over; hidden elements are
 * kept with a mark, for pages hide their text until a script shows it. */
#include <stdlib.h>

#include "common/hash.h"
#include "extract/content.h"

typedef struct {
    content *c;
    content_block *open;            /* NULL: none */
    uint32_t link_depth, bold_depth, pre_depth, code_depth;
    bool space;                     /* white space waits for the next letter */
    int breaks;                     /* <br> waiting */
} cutter;

/* ---- class names and words ---- */
static bool is_word_byte(unsigned char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch >= 0x80;
}

/* Splits "postBody entry-content2" into post, body, postbody; entry, content, entrycontent. */
static void tokens_of_name(wt_str s, void (*token)(void *, uint32_t, wt_str), void *ctx) {
    size_t i = 0;
    while (i < s.len) {
        while (i < s.len && !is_word_byte((unsigned char)s.ptr[i])) {
            i++;
        }
        uint32_t whole = MODEL_HASH_SEED;
        int parts = 0;
        size_t start_whole = i;
        while (i < s.len && (unsigned char)s.ptr[i] > ' ') {
            size_t start = i;
            uint32_t h = MODEL_HASH_SEED;
            while (i < s.len && is_word_byte((unsigned char)s.ptr[i])) {
                unsigned char ch = (unsigned char)s.ptr[i];
                bool upper = ch >= 'A' && ch <= 'Z';
                if (upper && i > start && s.ptr[i - 1] >= 'a' && s.ptr[i - 1] <= 'z') break;
                h = model_hash_add(h, upper ? ch | 32 : ch);
                whole = model_hash_add(whole, upper ? ch | 32 : ch);
                i++;
            }
            if (i > start) {
                parts++;
                if (i - start > 1) token(ctx, model_hash_end(h), (wt_str){s.ptr + start, i - start});
            }
            while (i < s.len && (unsigned char)s.ptr[i] > ' ' && !is_word_byte((unsigned char)s.ptr[i])) i++;
        }
        if (parts > 1) token(ctx, model_hash_end(whole), (wt_str){s.ptr + start_whole, i - start_whole});
    }
}

static uint32_t tag_hash(uint16_t tag) { return model_hash_end(MODEL_HASH_SEED ^ 0x7461u ^ (uint32_t)tag << 16); }

void content_path_tokens(const html_tree *t, uint32_t n,
                         void (*token)(void *, uint32_t, wt_str), void *ctx) {
    const html_node *e = &t->node[n];
    token(ctx, tag_hash(e->tag), wt_str_of(html_tag_name(e->tag)));
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        if (a->id != HTML_ATTR_class && a->id != HTML_ATTR_id && a->id != HTML_ATTR_role &&
            a->id != HTML_ATTR_itemprop) continue;
        wt_str value = {t->bytes.ptr + a->value, a->value_len < 256 ? a->value_len : 256};
        tokens_of_name(value, token, ctx);
    }
}

/* The bytes of the character at p that belong to a word; 0 where it is none. Letters only: digits,
 * punctuation of all scripts and ideographs part words. */
static size_t word_char(const unsigned char *p, size_t left) {
    unsigned char ch = *p;
    if (ch < 0x80) return (ch | 32) >= 'a' && (ch | 32) <= 'z';
    if (ch < 0xc3) return 0;
    if (ch < 0xe0) return left > 1 ? 2 : 0;
    if (ch == 0xe0 || ch == 0xe1 || (ch >= 0xea && ch <= 0xed)) return left > 2 ? 3 : 0;
    return 0;
}

static inline __attribute__((always_inline)) void word_tokens(wt_str s, void (*token)(void *, uint32_t, wt_str), void *ctx) {
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len;
    while (p < end) {
        size_t n = word_char(p, (size_t)(end - p));
        if (n == 0) {
            p++;
            continue;
        }
        const unsigned char *start = p;
        uint32_t h = MODEL_HASH_SEED;
        while (p < end && (n = word_char(p, (size_t)(end - p)))) {
            if (n == 1) h = model_hash_add(h, *p++ | 32);
            else
                while (n--) h = model_hash_add(h, *p++);
        }
        token(ctx, model_hash_end(h), (wt_str){(const char *)start, (size_t)(p - start)});
    }
}
void content_word_tokens(wt_str s, void (*token)(void *, uint32_t, wt_str), void *ctx) { word_tokens(s, token, ctx); }

/* ---- words in common with the title and the description ---- */
static void collect_word(void *ctx, uint32_t hash, wt_str text) {
    content_words *s = ctx;
    if (s->n == s->cap) return;
    s->word[s->n++] = hash;
    s->filter[hash >> 6 & 3] |= (uint64_t)1 << (hash & 63);
}

static void collect_words(content_words *s, int cap, wt_str text) {
    *s = (content_words){.cap = cap};
    if (text.len) content_word_tokens(text, collect_word, s);
}

/* Where a word stands in the set, or -1. */
static int place_in(const content_words *s, uint32_t hash) {
    if (!(s->filter[hash >> 6 & 3] >> (hash & 63) & 1)) return -1;
    for (int i = 0; i < s->n; i++)
        if (s->word[i] == hash) return i;
    return -1;
}

/* ---- a block's words ---- */
enum { LOOKED_AT_BYTES = 400, WORDS_AT_ONCE = 64 };
typedef struct {
    const content *c;
    content_block *b;
    uint64_t seen_of_title;             /* a bit for each of the title's words */
    uint32_t n;
    uint32_t hash[WORDS_AT_ONCE];
    int n_waiting;
} word_reader;

static void look_word(void *ctx, uint32_t hash, wt_str text) {
    word_reader *r = ctx;
    int at = place_in(&r->c->title_words, hash);
    r->b->n_looked_at++;                /* at most one a two bytes */
    if (at >= 0) r->b->title_hits++, r->seen_of_title |= (uint64_t)1 << at;
    r->b->description_hits += place_in(&r->c->description_words, hash) >= 0;
}

/* Hashes first, then weights: so the table's cache lines come in side by side. */
static void weigh_waiting(word_reader *r) {
    content_block *b = r->b;
    for (int i = 0; i < r->n_waiting; i++) {
        b->word_sum += model_weight(&r->c->model->word, r->hash[i]);
        if (++r->n == 3) b->word_first = b->word_sum;
    }
    if (b->text_len <= LOOKED_AT_BYTES)
        for (int i = 0; i < r->n_waiting; i++) look_word(r, r->hash[i], (wt_str){0});
    r->n_waiting = 0;
}
static void keep_word(void *ctx, uint32_t hash, wt_str text) {
    word_reader *r = ctx;
    r->hash[r->n_waiting++] = hash;
    if (r->n_waiting == WORDS_AT_ONCE) weigh_waiting(r);
}

static void read_words(const content *c, content_block *b) {
    wt_str text = {c->text.ptr + b->text, b->text_len};
    word_reader r = {.c = c, .b = b};
    word_tokens(text, keep_word, &r);
    weigh_waiting(&r);
    if (text.len > LOOKED_AT_BYTES) content_word_tokens((wt_str){text.ptr, LOOKED_AT_BYTES}, look_word, &r);
    b->title_cover = (uint8_t)__builtin_popcountll(r.seen_of_title);
    if (r.n < 3) b->word_first = b->word_sum;
    b->words = r.n + b->cjk / 2;
}

struct weigher {
    const model_weights *w;
    float sum;
};
static void weigh_token(void *ctx, uint32_t hash, wt_str text) {
    struct weigher *x = ctx;
    x->sum += model_weight(x->w, hash);
}

/* ---- elements ---- */
bool content_skips(const content *c, const html_node *e) {
    switch (e->tag) {
    case HTML_TAG_script: case HTML_TAG_style: case HTML_TAG_template: case HTML_TAG_svg:
    case HTML_TAG_head: case HTML_TAG_iframe: case HTML_TAG_select: case HTML_TAG_textarea:
    case HTML_TAG_audio: case HTML_TAG_video: case HTML_TAG_canvas: case HTML_TAG_noframes:
    case HTML_TAG_noembed: case HTML_TAG_rp: case HTML_TAG_rt: case HTML_TAG_option: case HTML_TAG_frameset:
    case HTML_TAG_applet: case HTML_TAG_progress: case HTML_TAG_meter:
        return true;
    case HTML_TAG_noscript:
        return !c->with_noscript;
    default:
        return e->ns == HTML_NS_SVG;
    }
}

static const uint32_t flags_of_tag[HTML_N_TAGS] = {
    [HTML_TAG_a] = IN_LINK, [HTML_TAG_li] = IN_LI, [HTML_TAG_td] = IN_CELL, [HTML_TAG_th] = IN_CELL | IN_TH,
    [HTML_TAG_pre] = IN_PRE, [HTML_TAG_listing] = IN_PRE, [HTML_TAG_xmp] = IN_PRE, [HTML_TAG_plaintext] = IN_PRE,
    [HTML_TAG_code] = IN_CODE, [HTML_TAG_samp] = IN_CODE, [HTML_TAG_kbd] = IN_CODE, [HTML_TAG_tt] = IN_CODE,
    [HTML_TAG_blockquote] = IN_QUOTE, [HTML_TAG_figcaption] = IN_CAPTION, [HTML_TAG_caption] = IN_CAPTION,
    [HTML_TAG_form] = IN_FORM, [HTML_TAG_label] = IN_LABEL, [HTML_TAG_button] = IN_BUTTON, [HTML_TAG_nav] = IN_NAV,
    [HTML_TAG_header] = IN_HEADER, [HTML_TAG_footer] = IN_FOOTER, [HTML_TAG_aside] = IN_ASIDE,
    [HTML_TAG_article] = IN_ARTICLE, [HTML_TAG_main] = IN_MAIN, [HTML_TAG_dl] = IN_DL, [HTML_TAG_time] = IN_TIME,
    [HTML_TAG_address] = IN_ADDRESS, [HTML_TAG_b] = IN_BOLD, [HTML_TAG_strong] = IN_BOLD, [HTML_TAG_p] = IN_P, [HTML_TAG_dialog] = IN_DIALOG,
};

static bool is_hidden_style(wt_str s) {
    const char *colon = s.ptr;
    while ((colon = memchr(colon, ':', (size_t)(s.ptr + s.len - colon)))) {
        size_t before = (size_t)(colon - s.ptr);
        colon++;
        wt_str value = {colon, (size_t)(s.ptr + s.len - colon)};
        while (value.len && *value.ptr == ' ') value.ptr++, value.len--;
        wt_str name = wt_str_trim((wt_str){s.ptr, before});
        if (name.len >= 7 && wt_str_eq_nocase((wt_str){name.ptr + name.len - 7, 7}, WT_STR("display")) &&
            value.len >= 4 && wt_str_eq_nocase((wt_str){value.ptr, 4}, WT_STR("none"))) return true;
        if (name.len >= 10 && wt_str_eq_nocase((wt_str){name.ptr + name.len - 10, 10}, WT_STR("visibility")) &&
            value.len >= 6 && wt_str_eq_nocase((wt_str){value.ptr, 6}, WT_STR("hidden"))) return true;
    }
    return false;
}

/* Code written as one table row or one element a line, without <pre>; and the line numbers beside code. */
static uint32_t flags_of_code_names(uint16_t tag, wt_str class) {
    static const char *const rows[] = {"syntaxhighlighter", "js-file-line-container", "hljs-ln", "crayon-table"};
    static const char *const numbers[] = {"lineno", "linenum", "line-num", "line_num", "gutter", "blob-num", "ln-num", "crayon-num"};
    uint32_t flags = 0;
    if (class.len > 200) return 0;
    if (tag == HTML_TAG_table || tag == HTML_TAG_div)
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) flags |= wt_str_holds_nocase(class, wt_str_of(rows[k])) ? IN_PRE : 0;
    if (tag == HTML_TAG_td || tag == HTML_TAG_th || tag == HTML_TAG_span || tag == HTML_TAG_div || tag == HTML_TAG_pre || tag == HTML_TAG_a)
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) flags |= wt_str_holds_nocase(class, wt_str_of(numbers[k])) ? IN_NUMBERS : 0;
    return flags;
}

/* Names of a forum member's signature: "signature", "post-signature", "msg_12_signature"; not javadoc's "member-signature" of a method. */
static bool names_signature(uint16_t tag, wt_str names) {
    static const char *const owners[] = {"post", "poster", "message", "msg", "user", "forum"};
    if (tag != HTML_TAG_div && tag != HTML_TAG_td && tag != HTML_TAG_tr && tag != HTML_TAG_aside) return false;
    while (names.len) {
        wt_str name = wt_str_cut(&names, ' ');
        const char *at = memmem(name.ptr, name.len, "ignature", 8);
        if (!at || at == name.ptr || (at[-1] | 32) != 's') continue;
        wt_str owner = {name.ptr, (size_t)(at - name.ptr) - 1};
        while (owner.len && !((owner.ptr[owner.len - 1] | 32) >= 'a' && (owner.ptr[owner.len - 1] | 32) <= 'z')) owner.len--;
        if (!owner.len) return true;
        for (size_t k = 0; k < sizeof owners / sizeof *owners; k++)
            if (wt_str_ends(owner, wt_str_of(owners[k]))) return true;
    }
    return false;
}

static uint32_t flags_of_names(const html_tree *t, const html_node *e) {
    uint32_t flags = 0;
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        wt_str v = {t->bytes.ptr + a->value, a->value_len};
        switch (a->id) {
        case HTML_ATTR_itemprop:
            flags |= wt_str_holds_nocase(v, WT_STR("articlebody")) ? IN_BODY_PROP : 0;
            flags |= wt_str_holds_nocase(v, WT_STR("comment")) ? IN_COMMENT : 0;
            break;
        case HTML_ATTR_role:
            if (wt_str_eq_nocase(v, WT_STR("main"))) flags |= IN_MAIN;
            else if (wt_str_eq_nocase(v, WT_STR("navigation"))) flags |= IN_NAV;
            else if (wt_str_eq_nocase(v, WT_STR("banner"))) flags |= IN_HEADER;
            else if (wt_str_eq_nocase(v, WT_STR("contentinfo"))) flags |= IN_FOOTER;
            else if (wt_str_eq_nocase(v, WT_STR("complementary"))) flags |= IN_ASIDE;
            else if (wt_str_eq_nocase(v, WT_STR("article"))) flags |= IN_ARTICLE;
            else if (wt_str_eq_nocase(v, WT_STR("dialog")) || wt_str_eq_nocase(v, WT_STR("alertdialog"))) flags |= IN_DIALOG;
            break;
        case HTML_ATTR_class: flags |= flags_of_code_names(e->tag, v);  /* fall through */
        case HTML_ATTR_id:
            if (a->value_len >= 200) break;
            flags |= wt_str_holds_nocase(v, WT_STR("comment")) ? IN_COMMENT : 0;
            flags |= names_signature(e->tag, v) ? IN_SIGNATURE : 0;
            break;
        default: break;
        }
    }
    return flags;
}

/* Which elements are of one kind: same tag, same class words (numbers in them do not count). */
static uint32_t kind_of(const html_tree *t, uint32_t n) {
    const html_node *e = &t->node[n];
    uint32_t h = MODEL_HASH_SEED ^ (uint32_t)e->tag * 0x9e3779b1u;
    wt_str v = html_attr_get(t, n, HTML_ATTR_class);
    for (size_t i = 0; i < v.len && i < 128; i++)
        if (v.ptr[i] < '0' || v.ptr[i] > '9') h = model_hash_add(h, (unsigned char)v.ptr[i]);
    return model_hash_end(h);
}

/* Elements of the same tag, class, id, role and itemprop come again and again on a page. What follows from these
 * alone is kept under their hash. */
struct element_memo {
    uint64_t key;               /* 0: empty */
    float own;
    uint32_t flags, kind;
};
enum { MEMO_SLOTS = 1024 };

static void memo_fill(const content *c, uint32_t n, struct element_memo *m) {
    struct weigher w = {&c->model->path, 0};
    content_path_tokens(c->tree, n, weigh_token, &w);
    m->own = w.sum;
    m->flags = flags_of_names(c->tree, &c->tree->node[n]);
    m->kind = kind_of(c->tree, n);
}

/* What the attributes say of element n; *flags gets those that are not in the memo. */
static const struct element_memo *memo_of(content *c, uint32_t n, uint32_t *flags) {
    const html_tree *t = c->tree;
    const html_node *e = &t->node[n];
    uint64_t key = wt_mix64(e->tag + 1u);
    for (uint32_t i = 0; i < e->n_attrs; i++) {
        const html_attr *a = &t->attr[e->off + i];
        wt_str v = {t->bytes.ptr + a->value, a->value_len};
        switch (a->id) {
        case HTML_ATTR_class: case HTML_ATTR_id: case HTML_ATTR_role: case HTML_ATTR_itemprop:
            key = wt_hash64(v.ptr, v.len, key + a->id);
            break;
        case HTML_ATTR_hidden: *flags |= IN_HIDDEN; break;
        case HTML_ATTR_aria_hidden: *flags |= wt_str_eq_nocase(v, WT_STR("true")) ? IN_HIDDEN : 0; break;
        case HTML_ATTR_style: *flags |= v.len && is_hidden_style(v) ? IN_HIDDEN : 0; break;
        default: break;
        }
    }
    struct element_memo *m = &c->memo[key % MEMO_SLOTS];
    if (m->key == key && key) return m;
    memo_fill(c, n, m);
    m->key = key;
    return m;
}

enum { KINDS_MIN = 256 };

static uint32_t *kind_slot(const content *c, uint32_t kind) {
    uint32_t i = kind & c->kinds_mask;
    while (c->kind_slot[2 * (size_t)i] && c->kind_slot[2 * (size_t)i] != kind) i = (i + 1) & c->kinds_mask;
    return c->kind_slot + 2 * (size_t)i;
}

static void kinds_clear(content *c) {
    if (c->kinds_mask != KINDS_MIN - 1) {
        free(c->kind_slot);
        c->kind_slot = wt_xmalloc(KINDS_MIN * 2 * sizeof *c->kind_slot);
    }
    memset(c->kind_slot, 0, KINDS_MIN * 2 * sizeof *c->kind_slot);
    c->kinds_mask = KINDS_MIN - 1;
    c->n_kinds = 0;
}

static void kinds_grow(content *c) {
    uint32_t *old = c->kind_slot, n_old = c->kinds_mask + 1;
    c->kind_slot = wt_xcalloc((size_t)n_old * 2, 2 * sizeof *c->kind_slot);
    c->kinds_mask = 2 * n_old - 1;
    for (uint32_t i = 0; i < n_old; i++)
        if (old[2 * (size_t)i]) memcpy(kind_slot(c, old[2 * (size_t)i]), old + 2 * (size_t)i, 2 * sizeof *old);
    free(old);
}

static void kind_count(content *c, uint32_t kind) {
    if (2 * c->n_kinds > c->kinds_mask) kinds_grow(c);
    uint32_t *slot = kind_slot(c, kind);
    c->n_kinds += slot[0] == 0;
    slot[0] = kind;
    slot[1]++;
}

/* The outermost element of pre-formatted text. */
static bool is_pre_root(const content *c, uint32_t n) {
    return content_at(c, n)->flags & IN_PRE && !(content_at(c, c->tree->node[n].parent)->flags & IN_PRE);
}

static bool holds_digits_only(const html_tree *t, uint32_t n) {
    for (uint32_t x = t->node[n].first; x; x = html_next(t, x, n)) {
        if (t->node[x].tag != HTML_TEXT) continue;
        wt_str s = html_text_of(t, x);
        for (size_t i = 0; i < s.len; i++)
            if ((unsigned char)s.ptr[i] > ' ' && (s.ptr[i] < '0' || s.ptr[i] > '9')) return false;
    }
    return true;
}

static void enter_element(cutter *k, uint32_t n) {
    content *c = k->c;
    const html_tree *t = c->tree;
    const html_node *e = &t->node[n];
    WT_GROW(c->element, c->elements_cap, c->n_elements + 1 < 256 ? 256 : c->n_elements + 1);
    c->element_of[n] = (uint32_t)c->n_elements++;
    content_element *x = content_at(c, n), *p = content_at(c, e->parent);
    uint32_t flags = 0;
    const struct element_memo *m = memo_of(c, n, &flags);
    const float own = m->own;
    *x = (content_element){.flags = (p->flags & ~(uint32_t)(IN_P | IN_NUMBERS)) | flags_of_tag[e->tag] | m->flags | flags};
    if (e->tag != HTML_TAG_p && !(html_tag_flags[e->tag] & HTML_F_BLOCK)) x->flags |= p->flags & IN_P;
    x->own = own;
    x->path = p->path + own;
    x->path_min = own < p->path_min ? own : p->path_min;
    x->path_max = own > p->path_max ? own : p->path_max;
    x->depth = (uint16_t)(p->depth + 1);
    x->list_depth = (uint8_t)(p->list_depth + (e->tag == HTML_TAG_ul || e->tag == HTML_TAG_ol));
    x->table_depth = (uint8_t)(p->table_depth + (e->tag == HTML_TAG_table));
    x->article_depth = (uint8_t)(p->article_depth + (e->tag == HTML_TAG_article));
    x->first_block = (uint32_t)c->n_blocks;
    x->kind = m->kind;
    kind_count(c, x->kind);
    k->link_depth += e->tag == HTML_TAG_a;
    k->bold_depth += e->tag == HTML_TAG_b || e->tag == HTML_TAG_strong;
    k->pre_depth += is_pre_root(c, n);
    k->code_depth += (flags_of_tag[e->tag] & IN_CODE) != 0;
    if (e->tag == HTML_TAG_a && k->open) k->open->n_links++;
}

static void leave_element(cutter *k, uint32_t n) {
    content *c = k->c;
    uint16_t tag = c->tree->node[n].tag;
    k->link_depth -= tag == HTML_TAG_a;
    k->bold_depth -= tag == HTML_TAG_b || tag == HTML_TAG_strong;
    k->pre_depth -= is_pre_root(c, n);
    k->code_depth -= (flags_of_tag[tag] & IN_CODE) != 0;
    content_element *x = content_at(c, n), *above = content_at(c, c->tree->node[n].parent);
    if (x->n_blocks == 0) {                     /* nor have those below it: it is the last one */
        c->n_elements--;
        c->element_of[n] = 0;
        return;
    }
    x->end_block = (uint32_t)c->n_blocks;
    if (above == c->element) return;            /* the document itself counts nothing */
    above->len += x->len;
    above->link_len += x->link_len;
    above->good_len += x->good_len;
    above->n_blocks += x->n_blocks;
}

/* ---- text ---- */
static void block_close(cutter *k) {
    content *c = k->c;
    content_block *b = k->open;
    k->space = false;
    k->breaks = 0;
    if (!b) return;
    k->open = NULL;
    while (c->text.len > b->text && (c->text.ptr[c->text.len - 1] == '\n' || c->text.ptr[c->text.len - 1] == ' '))
        c->text.len--;
    b->text_len = (uint32_t)(c->text.len - b->text);
    if (b->text_len == 0) return;
    wt_buf_add_char(&c->text, '\n');
    read_words(c, b);
    const char *s = c->text.ptr + b->text;
    size_t n = b->text_len;
    while (n && strchr("\"')]", s[n - 1])) n--;
    unsigned char last = n ? (unsigned char)s[n - 1] : 0;
    b->ends_sentence = last == '.' || last == '!' || last == '?' || last == ':' || last == ';' ||
                       (n >= 3 && (memcmp(s + n - 3, "\xe2\x80\x9d", 3) == 0 || memcmp(s + n - 3, "\xe3\x80\x82", 3) == 0 ||
                                   memcmp(s + n - 3, "\xe2\x80\xa6", 3) == 0 || memcmp(s + n - 3, "\xef\xbc\x81", 3) == 0 ||
                                   memcmp(s + n - 3, "\xef\xbc\x9f", 3) == 0));
    b->starts_upper = *s >= 'A' && *s <= 'Z';
    if (b->element) {                           /* leave_element() hands it on to the elements above */
        content_element *x = content_at(c, b->element);
        x->len += b->len;
        x->link_len += b->link_len;
        x->n_blocks++;
        if (b->len >= 80 && b->link_len * 4 < b->len) x->good_len += b->len;
    }
    c->n_blocks++;
}

static void block_open(cutter *k, uint32_t text_node) {
    content *c = k->c;
    const html_tree *t = c->tree;
    WT_GROW(c->block, c->blocks_cap, c->n_blocks + 1 < 256 ? 256 : c->n_blocks + 1);
    content_block *b = k->open = &c->block[c->n_blocks];
    *b = (content_block){.text = (uint32_t)c->text.len, .first = text_node, .last = text_node};
    uint32_t e = t->node[text_node].parent;
    b->flags = content_at(c, e)->flags;
    while (e && !(html_tag_flags[t->node[e].tag] & HTML_F_BLOCK)) e = t->node[e].parent;
    if (k->pre_depth)                   /* its lines may be elements of their own */
        for (uint32_t a = e; a; a = t->node[a].parent)
            if (is_pre_root(c, a)) e = a;
    b->element = e;
    for (uint32_t a = e; a; a = t->node[a].parent) {
        uint16_t tag = t->node[a].tag;
        if (!b->item && (tag == HTML_TAG_li || tag == HTML_TAG_dt || tag == HTML_TAG_dd)) b->item = a;
        if (!b->cell && (tag == HTML_TAG_td || tag == HTML_TAG_th)) b->cell = a;
        if (!b->row && tag == HTML_TAG_tr) b->row = a;
        if (!b->heading && tag >= HTML_TAG_h1 && tag <= HTML_TAG_h6) b->heading = (uint8_t)(tag - HTML_TAG_h1 + 1);
    }
    b->n_links = k->link_depth > 0;
}

size_t content_invisible(const unsigned char *p, size_t n) {
    if (p[0] == 0xc2 && n > 1 && p[1] == 0xad) return 2;
    if (n < 3) return 0;
    if (p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0x8b || p[2] == 0x8e || p[2] == 0x8f)) return 3;
    if (p[0] == 0xe2 && p[1] == 0x81 && p[2] == 0xa0) return 3;
    if (p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf) return 3;
    if (p[0] == 0xee || (p[0] == 0xef && p[1] < 0xa4)) return 3;
    return 0;
}

/* One character of visible text. */
static void count_char(cutter *k, const unsigned char *p, size_t n) {
    content_block *b = k->open;
    unsigned char ch = *p;
    uint32_t weight = 1;
    if (ch < 0x80) {
        b->uppers += ch >= 'A' && ch <= 'Z';
        b->digits += ch >= '0' && ch <= '9';
        b->commas += ch == ',';
        b->ends += ch == '.' || ch == '!' || ch == '?';
        b->odd += ch == '|' || ch == '>' || ch == '<' || ch == '/' || ch == '#' || ch == '@' || ch == '+' || ch == '*';
    } else if (n == 3 && ch >= 0xe3 && ch <= 0xe9) {
        if (ch == 0xe3 && p[1] == 0x80) {
            b->commas += p[2] == 0x81;
            b->ends += p[2] == 0x82;
        } else {
            weight = 2;             /* an ideograph says as much as two letters at least */
            b->cjk++;
        }
    } else if (n == 3 && ch == 0xef && p[1] == 0xbc) {
        b->commas += p[2] == 0x8c;
        b->ends += p[2] == 0x81 || p[2] == 0x9f;
    } else if (n == 3 && ch == 0xe2 && (p[1] == 0x80 || p[1] >= 0x86)) {
        b->odd += p[1] != 0x80 || p[2] == 0xa2 || p[2] == 0xba;
    } else if (n == 2 && ch == 0xc2) {
        b->odd += p[1] == 0xa9 || p[1] == 0xbb || p[1] == 0xab || p[1] == 0xb7;
    }
    b->len += weight;
    if (k->link_depth) b->link_len += weight;
    if (k->bold_depth) b->bold_len += weight;
}

static size_t char_len(unsigned char c) { return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4; }

static void put_waiting(cutter *k) {
    wt_buf *text = &k->c->text;
    if (text->len > k->open->text) {
        if (k->breaks) wt_buf_add_char(text, '\n'), k->open->breaks++;
        else if (k->space) wt_buf_add_char(text, ' ');
    }
    k->breaks = 0;
    k->space = false;
}

/* Pre-formatted text keeps its lines and indentation. */
static void add_pre(cutter *k, uint32_t n) {
    wt_str s = html_text_of(k->c->tree, n);
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len;
    wt_buf *text = &k->c->text;
    uint16_t parent = k->c->tree->node[k->c->tree->node[n].parent].tag;
    if (parent == HTML_TAG_table || parent == HTML_TAG_tbody || parent == HTML_TAG_tr) return;    /* white space of the markup */
    if (parent == HTML_TAG_td && wt_str_eq(s, WT_STR("\n"))) return;          /* an empty line: its row ends it */
    if (!k->open) {
        while (p < end && (*p == '\n' || *p == '\r')) p++;
        if (p == end) return;
        block_open(k, n);
    }
    k->open->last = n;
    for (; k->breaks > 0; k->breaks--) wt_buf_add_char(text, '\n');
    k->space = false;
    wt_buf_reserve(text, (size_t)(end - p));
    while (p < end) {
        size_t len = char_len(*p);
        if (len > (size_t)(end - p)) break;
        size_t skip = *p >= 0xc2 ? content_invisible(p, len) : 0;
        if (*p <= ' ') {
            if (*p == '\n') k->open->breaks++;
            wt_buf_add_char(text, *p == '\n' || *p == '\t' ? (char)*p : ' ');
        } else if (len == 2 && *p == 0xc2 && p[1] == 0xa0) {
            wt_buf_add_char(text, ' ');
        } else if (!skip) {
            wt_buf_add(text, p, len);
            count_char(k, p, len);
        }
        p += len;
    }
}

/* What one character adds to a block's counts, five counts of 12 bits in one word. */
#define COUNT(place) ((uint64_t)1 << 12 * (place))
enum { AT_UPPERS, AT_DIGITS, AT_COMMAS, AT_ENDS, AT_ODD, RUN_MAX = 4000 };
static uint64_t ascii_counts[128];
__attribute__((constructor)) static void ascii_counts_fill(void) {
    for (int ch = 'A'; ch <= 'Z'; ch++) ascii_counts[ch] = COUNT(AT_UPPERS);
    for (int ch = '0'; ch <= '9'; ch++) ascii_counts[ch] = COUNT(AT_DIGITS);
    ascii_counts[','] = COUNT(AT_COMMAS);
    ascii_counts['.'] = ascii_counts['!'] = ascii_counts['?'] = COUNT(AT_ENDS);
    for (const char *ch = "|></#@+*"; *ch; ch++) ascii_counts[(int)*ch] = COUNT(AT_ODD);
}

/* Most text: letters of ASCII and white space, without a branch a letter. Goes on in the open block, which
 * waits for no line break and has room; ends at another byte or after RUN_MAX. Returns where. */
static const unsigned char *add_ascii(cutter *k, const unsigned char *p, const unsigned char *end) {
    content_block *b = k->open;
    char *out = k->c->text.ptr + k->c->text.len;
    unsigned space = k->space && k->c->text.len > b->text;
    uint64_t counts = 0;
    uint32_t n = 0;
    if (end - p > RUN_MAX) end = p + RUN_MAX;
    for (; p < end && *p < 0x80; p++) {
        unsigned letter = *p > ' ';
        *out = ' ';
        out += letter & space;
        *out = (char)*p;
        out += letter;
        space = !letter;
        n += letter;
        counts += ascii_counts[*p];
    }
    k->space = space;
    k->c->text.len = (size_t)(out - k->c->text.ptr);
    b->uppers += counts >> 12 * AT_UPPERS & 4095;
    b->digits += counts >> 12 * AT_DIGITS & 4095;
    b->commas += counts >> 12 * AT_COMMAS & 4095;
    b->ends += counts >> 12 * AT_ENDS & 4095;
    b->odd += counts >> 12 * AT_ODD & 4095;
    b->len += n;
    if (k->link_depth) b->link_len += n;
    if (k->bold_depth) b->bold_len += n;
    return p;
}

static void add_text(cutter *k, uint32_t n) {
    if (k->pre_depth) {
        add_pre(k, n);
        return;
    }
    wt_str s = html_text_of(k->c->tree, n);
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len;
    wt_buf *text = &k->c->text;
    while (p < end) {
        size_t left = (size_t)(end - p);
        if (*p <= ' ') {
            k->space = true;
            p++;
            continue;
        }
        if (*p == 0xc2 && left > 1 && p[1] == 0xa0) {
            k->space = true;
            p += 2;
            continue;
        }
        size_t skip = *p >= 0xc2 ? content_invisible(p, left) : 0;
        if (skip) {
            p += skip;
            continue;
        }
        size_t len = char_len(*p);
        if (len > left) break;
        if (!k->open) block_open(k, n);
        if (k->space || k->breaks) put_waiting(k);
        k->open->last = n;
        if (text->cap < text->len + left + 8) wt_buf_reserve(text, left + 8);
        if (len == 1) {
            p = add_ascii(k, p, end);
            continue;
        }
        for (size_t i = 0; i < len; i++) text->ptr[text->len++] = (char)p[i];
        count_char(k, p, len);
        p += len;
    }
}

static void line_break(cutter *k) {
    k->breaks++;
    if (k->pre_depth) {
        k->breaks = 0;
        if (k->open) wt_buf_add_char(&k->c->text, '\n');
    } else if (k->breaks >= 2) block_close(k);
}

/* Where a block element begins or ends: a border between blocks, but inside pre-formatted text the end of a line. */
static void border(cutter *k, uint32_t n, bool leaves) {
    const html_tree *t = k->c->tree;
    if (!(html_tag_flags[t->node[n].tag] & HTML_F_BLOCK)) return;
    if (!k->pre_depth || (leaves && is_pre_root(k->c, n))) {
        block_close(k);
        return;
    }
    wt_buf *text = &k->c->text;
    uint16_t tag = t->node[n].tag;
    if (!k->open || (tag != HTML_TAG_div && tag != HTML_TAG_p && tag != HTML_TAG_li && tag != HTML_TAG_tr)) return;
    uint32_t first = t->node[n].first;
    while (first && t->node[first].tag == HTML_TEXT) first = t->node[first].next;
    bool holds_blocks = first && html_tag_flags[t->node[first].tag] & HTML_F_BLOCK;
    if (leaves && first && t->node[first].tag == HTML_TAG_br) return;          /* the break ended the line already */
    if (leaves ? !holds_blocks || tag == HTML_TAG_tr : text->ptr[text->len - 1] != '\n' && tag != HTML_TAG_tr) wt_buf_add_char(text, '\n');
}

/* ---- the walk ---- */
static void cut_walk(content *c) {
    const html_tree *t = c->tree;
    cutter k = {.c = c};
    uint32_t n = t->node[0].first;
    while (n) {
        const html_node *e = &t->node[n];
        bool down = false;
        if (e->tag == HTML_TEXT) add_text(&k, n);
        else if (e->tag == HTML_TAG_br) line_break(&k);
        else if (e->tag < HTML_N_TAGS && !content_skips(c, e)) {
            border(&k, n, false);
            enter_element(&k, n);
            down = e->first && !(content_at(c, n)->flags & IN_NUMBERS && holds_digits_only(t, n));
            if (!down) leave_element(&k, n);
        } else if (e->tag < HTML_N_TAGS) {
            k.space = k.space || (e->tag != HTML_TAG_script && e->tag != HTML_TAG_style && e->tag != HTML_TAG_rp && e->tag != HTML_TAG_rt);
        }
        if (down) {
            n = e->first;
            continue;
        }
        while (n && !t->node[n].next) {
            n = t->node[n].parent;
            if (!n) break;
            border(&k, n, true);
            leave_element(&k, n);
        }
        if (n) n = t->node[n].next;
    }
    block_close(&k);
}

void content_cut(content *c, const html_tree *t, const page_meta *meta) {
    c->tree = t;
    c->meta = meta;
    if (!c->memo) c->memo = wt_xmalloc(MEMO_SLOTS * sizeof *c->memo);
    memset(c->memo, 0, MEMO_SLOTS * sizeof *c->memo);
    collect_words(&c->title_words, 32, meta->title.len ? meta->title : meta->head_title);
    collect_words(&c->description_words, 64, meta->description);
    WT_GROW(c->element, c->elements_cap, 256);
    WT_GROW(c->element_of, c->nodes_cap, t->n_nodes);
    for (int attempt = 0; attempt < 2; attempt++) {
        c->with_noscript = attempt == 1;
        memset(c->element_of, 0, t->n_nodes * sizeof *c->element_of);
        c->element[0] = (content_element){0};
        c->n_elements = 1;
        kinds_clear(c);
        c->n_blocks = 0;
        wt_buf_clear(&c->text);
        cut_walk(c);
        if (c->n_blocks > 3 || c->text.len > 200) break;
    }
}

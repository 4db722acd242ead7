/* content_features.c - one row of numbers a block. The classic extractors are in here as columns:
 * Readability's scored container (top_*), the semantic elements (semantic_*), the container whose
 * class names speak loudest for content (body_*), repeated siblings as on listings (list_*), and
 * JSON-LD's copy of the text. None of them decides; the trees weigh them per page. */
#include <math.h>
#include <stdlib.h>

#include "common/hash.h"
#include "extract/content.h"

const char *const content_feature_names[N_FEATURES2] = {
#define FEATURE(name) #name,
#include "extract/features.def"
#undef FEATURE
    "r2_own", "r2_prev", "r2_next", "r2_prev2", "r2_next2", "r2_window3", "r2_window8", "r2_up1",
    "r2_up2", "r2_up3", "r2_kind", "r2_kind_up1", "r2_page_mean", "r2_page_kept", "r2_rank",
    "r2_before", "r2_after", "r2_run", "r2_copy", "r2_heading", "r2_section", "r2_card", "r2_row",
};

typedef struct page_facts {
    uint32_t top, semantic, body, list;     /* candidate containers; 0 none */
    float top_score;
    uint32_t title_block, first_good, last_good;
    uint64_t page_len, page_links, page_good;
    uint32_t n_prices, n_good, n_articles, n_items, n_cells, n_code, n_cjk, n_repeat, n_thread;
    bool has_main, has_title_block;
    float page_row[N_FEATURES2];            /* the columns that are the same for all blocks */
    /* before the next row */
    uint64_t len_before;
    uint32_t last_heading, good_near;
    uint32_t section;                       /* the last heading, as index + 1 */
    float section_sum, section_top;         /* what its words weigh, and those of the last h1 or h2 */
    struct card_row *row;
    size_t n_rows, rows_cap;
    /* round 2 */
    struct mass *mass, *section_mass;
    float *kind_chance[2];
    double total, kept, before, run;
} page_facts;

static float log1(double x) { return (float)log2(1.0 + x); }
/* The same of counts, most of which are small. */
enum { LOGS = 2048 };
static float log_of[LOGS];
__attribute__((constructor)) static void logs_fill(void) {
    for (int i = 0; i < LOGS; i++) log_of[i] = log1(i);
}
static float log1_of(uint64_t n) { return n < LOGS ? log_of[n] : log1((double)n); }
static float share(double part, double whole) { return whole > 0 ? (float)(part / whole) : 0; }

static bool is_good(const content_block *b) { return b->len >= 80 && b->link_len * 4 < b->len; }

/* ---- candidates ---- */
static bool inside(const content *c, uint32_t i_block, uint32_t e) {
    return e && i_block >= content_at(c, e)->first_block && i_block < content_at(c, e)->end_block;
}

/* Readability's idea: good text gives points to its ancestors, fewer the higher they stand. */
static void find_top(content *c, page_facts *f) {
    const html_tree *t = c->tree;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (b->len < 25 || b->link_len * 2 > b->len) continue;
        float points = 1 + (float)b->commas + (b->len < 300 ? (float)b->len / 100 : 3);
        uint32_t e = t->node[b->element].tag == HTML_TAG_p || b->heading ? t->node[b->element].parent : b->element;
        for (int level = 0; e && level < 5; level++, e = t->node[e].parent) {
            content_at(c, e)->top_score += points / (level == 0 ? 1.0f : level == 1 ? 2.0f : 3.0f * (float)level);
        }
    }
    for (size_t i = 0; i < c->n_blocks; i++) {
        uint32_t e = c->block[i].element;
        for (int level = 0; e && level < 6; level++, e = t->node[e].parent) {
            const content_element *x = content_at(c, e);
            float s = x->top_score * (1 - share(x->link_len, x->len));
            if (s > f->top_score) f->top_score = s, f->top = e;
        }
    }
}

static void find_candidates(content *c, page_facts *f) {
    const html_tree *t = c->tree;
    uint64_t semantic_best = 0;
    double body_best = 0, list_best = 0;
    for (uint32_t n = 1; n < t->n_nodes; n++) {
        if (!c->element_of[n]) continue;
        const content_element *x = content_at(c, n);
        uint32_t own_flags = x->flags & ~content_at(c, t->node[n].parent)->flags;
        if (own_flags & (IN_ARTICLE | IN_MAIN | IN_BODY_PROP)) {
            uint64_t s = (uint64_t)x->good_len * (own_flags & IN_BODY_PROP ? 3 : own_flags & IN_ARTICLE ? 2 : 1);
            if (s > semantic_best) semantic_best = s, f->semantic = n;
        }
        f->has_main = f->has_main || own_flags & IN_MAIN;
        f->n_articles += t->node[n].tag == HTML_TAG_article;
        if (x->own > 0.5f) {
            double s = x->own * (x->good_len + 1.0);
            if (s > body_best) body_best = s, f->body = n;
        }
        /* a parent of repeated siblings: its children of the commonest kind that have words */
        uint32_t first = t->node[n].first, kind = 0, run = 0;
        uint64_t run_len = 0;
        for (uint32_t k = first; k; k = t->node[k].next) {
            if (content_at(c, k)->len < 60) continue;
            const content_element *y = content_at(c, k);
            if (t->node[k].tag == HTML_TAG_p) continue;
            if (y->kind != kind && run < 3) kind = y->kind, run = 0, run_len = 0;
            if (y->kind == kind) run++, run_len += y->len - y->link_len;
        }
        if (run >= 3 && (double)run_len > list_best) list_best = (double)run_len, f->list = n;
        f->n_thread += run >= 3 && run_len > 600;
    }
}

/* A number with a currency's sign, in a short text. */
static bool has_price(const content *c, const content_block *b) {
    if (!b->digits || b->text_len > 80) return false;
    const char *s = c->text.ptr + b->text;
    for (size_t i = 0; i < b->text_len; i++)
        if (s[i] == '$' || (i + 1 < b->text_len && memcmp(s + i, "\xc2\xa3", 2) == 0) ||
            (i + 2 < b->text_len && (memcmp(s + i, "\xe2\x82\xac", 3) == 0 || memcmp(s + i, "\xef\xbf\xa5", 3) == 0)))
            return true;
    return false;
}

/* ---- cards: rows of like siblings ---- */
typedef struct card_row {
    uint32_t n, len, link_len;
    float chance_len, chance_kept;  /* round 2 */
} card_row;

/* n siblings of one kind that hold text, from first on: a row if they are three or more. */
static void row_end(content *c, page_facts *f, uint32_t first, uint32_t n) {
    const html_tree *t = c->tree;
    if (n < 3 || t->node[first].tag == HTML_TAG_p) return;
    WT_GROW(f->row, f->rows_cap, f->n_rows + 1);
    card_row *r = &f->row[f->n_rows++];
    *r = (card_row){0};
    uint32_t kind = content_at(c, first)->kind;
    for (uint32_t k = first; r->n < n; k = t->node[k].next) {
        content_element *x = content_at(c, k);
        if (x->len == 0 || x->kind != kind) continue;
        x->row = (uint32_t)f->n_rows;
        x->order = (uint16_t)(r->n < UINT16_MAX ? r->n : UINT16_MAX);
        r->n++;
        r->len += x->len;
        r->link_len += x->link_len;
    }
}

static void find_rows(content *c, page_facts *f) {
    const html_tree *t = c->tree;
    f->n_rows = 0;
    for (uint32_t n = 1; n < t->n_nodes; n++) {
        if (content_at(c, n)->n_blocks < 3) continue;
        uint32_t first = 0, run = 0;
        for (uint32_t k = t->node[n].first; k; k = t->node[k].next) {
            if (content_at(c, k)->len == 0) continue;
            if (run && content_at(c, first)->kind == content_at(c, k)->kind) {
                run++;
                continue;
            }
            if (run) row_end(c, f, first, run);
            first = k, run = 1;
        }
        if (run) row_end(c, f, first, run);
    }
}

/* ---- the page ---- */
static int cmp_key(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void page_look(content *c, page_facts *f) {
    const html_tree *t = c->tree;
    f->first_good = UINT32_MAX;
    double best_title = 0.5;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        f->page_len += b->len;
        f->page_links += b->link_len;
        f->n_items += (b->flags & IN_LI) != 0;
        f->n_cells += (b->flags & IN_CELL) != 0;
        f->n_code += (b->flags & IN_PRE) != 0;
        f->n_prices += has_price(c, b);
        f->n_cjk += b->cjk;
        if (is_good(b)) {
            f->page_good += b->len;
            f->n_good++;
            if (f->first_good == UINT32_MAX) f->first_good = (uint32_t)i;
            f->last_good = (uint32_t)i;
        }
        if (b->words <= 40 && (b->heading || b->words < 25) && c->title_words.n) {
            double cover = (double)b->title_cover / c->title_words.n, hits = share(b->title_hits, b->n_looked_at);
            double s = 2 * cover * hits / (cover + hits + 1e-9);
            s += b->heading == 1 ? 0.5 : b->heading ? 0.3 : 0;
            s -= 0.0005 * (double)i;
            if (s > best_title) best_title = s, f->title_block = (uint32_t)i, f->has_title_block = true;
        }
    }
    /* up: the next ancestor that holds more text; parents have smaller numbers but for adopted
     * nodes, for which two steps are close enough */
    for (uint32_t n = 1; n < t->n_nodes; n++) {
        if (!c->element_of[n]) continue;
        uint32_t p = t->node[n].parent;
        content_at(c, n)->up = p && content_at(c, p)->len > content_at(c, n)->len ? p : p ? content_at(c, p)->up : 0;
    }
}

/* Marks texts that stand more than once on the page. */
static void find_repeats(content *c, page_facts *f) {
    if (c->n_blocks == 0) return;
    uint64_t *key = wt_xmalloc(c->n_blocks * sizeof *key);          /* hash of the text, number of the block */
    for (size_t i = 0; i < c->n_blocks; i++)
        key[i] = wt_hash64(c->text.ptr + c->block[i].text, c->block[i].text_len, 0) << 32 | i;
    qsort(key, c->n_blocks, sizeof *key, cmp_key);
    for (size_t i = 0, end; i < c->n_blocks; i = end) {
        for (end = i + 1; end < c->n_blocks && key[end] >> 32 == key[i] >> 32;) end++;
        for (size_t k = i; k < end; k++) {
            content_block *b = &c->block[(uint32_t)key[k]];
            b->repeats = (uint8_t)(end - i < 20 ? end - i : 20);
            b->copy_of = k > i ? (uint32_t)key[i] + 1 : 0;
        }
        f->n_repeat += end - i > 1 ? (uint32_t)(end - i) : 0;
    }
    free(key);
}

/* ---- rows ---- */
static int tag_class(const content *c, const content_block *b) {
    switch (c->tree->node[b->element].tag) {
    case HTML_TAG_p: return 1;
    case HTML_TAG_li: return 2;
    case HTML_TAG_td: return 3;
    case HTML_TAG_div: return 4;
    case HTML_TAG_pre: return 5;
    case HTML_TAG_blockquote: return 6;
    case HTML_TAG_dd: case HTML_TAG_dt: return 7;
    case HTML_TAG_th: return 8;
    case HTML_TAG_section: case HTML_TAG_article: case HTML_TAG_main: return 9;
    case HTML_TAG_body: return 10;
    case HTML_TAG_button: case HTML_TAG_form: case HTML_TAG_fieldset: return 11;
    case HTML_TAG_figcaption: case HTML_TAG_figure: case HTML_TAG_caption: return 12;
    default: return b->heading ? 13 : 0;
    }
}

/* Does JSON-LD's text hold the beginning of block i: 1 or -1; 0 where one of them is too short to tell, or where so many
 * blocks have looked through so long a text (128 MiB in all) that no page of the web is meant. */
static float stands_in(wt_str json, size_t least, const content *c, size_t i) {
    const content_block *b = &c->block[i];
    if (json.len <= least || b->text_len < 20 || (uint64_t)json.len * i > (uint64_t)128 << 20) return 0;
    return memmem(json.ptr, json.len, c->text.ptr + b->text, b->text_len < 40 ? b->text_len : 40) ? 1 : -1;
}

static void fill_text(const content *c, size_t i, float *x) {
    const content_block *b = &c->block[i];
    double len = b->len ? b->len : 1;
    x[F_log_len] = log1_of(b->len);
    x[F_log_words] = log1_of(b->words);
    x[F_link_density] = share(b->link_len, len);
    x[F_n_links] = b->n_links < 50 ? (float)b->n_links : 50;
    x[F_word_len] = b->words ? (float)(len / b->words) : 20;
    x[F_commas] = share(b->commas * 100.0, len);
    x[F_sentence_ends] = share(b->ends * 100.0, len);
    x[F_ends_sentence] = b->ends_sentence;
    x[F_starts_upper] = b->starts_upper;
    x[F_upper_share] = share(b->uppers, len);
    x[F_digit_share] = share(b->digits, len);
    x[F_cjk_share] = share(2.0 * b->cjk, len);
    x[F_odd_share] = share(b->odd, len);
    x[F_bold_share] = share(b->bold_len, len);
    x[F_repeats] = b->repeats;
    x[F_n_breaks] = b->breaks < 30 ? (float)b->breaks : 30;
    x[F_title_overlap] = share(b->title_hits, b->n_looked_at);
    x[F_title_cover] = share(b->title_cover, c->title_words.n);
    x[F_description_overlap] = share(b->description_hits, b->n_looked_at);
    x[F_in_json_body] = stands_in(c->meta->json_body, 100, c, i);
    x[F_copy_distance] = b->copy_of ? log1_of(i + 1 - b->copy_of) : 0;
    x[F_in_json_text] = stands_in(c->meta->json_text, 60, c, i);
    x[F_word_sum] = b->word_sum;
    x[F_word_mean] = share(b->word_sum, b->words);
    x[F_word_first] = b->word_first;
}

static void fill_element(const content *c, size_t i, float *x) {
    const content_block *b = &c->block[i];
    const content_element *e = content_at(c, b->element);
    static const struct {
        int feature;
        uint32_t flag;
    } map[] = {
        {F_in_li, IN_LI}, {F_in_cell, IN_CELL}, {F_in_th, IN_TH}, {F_in_pre, IN_PRE}, {F_in_quote, IN_QUOTE},
        {F_in_caption, IN_CAPTION}, {F_in_form, IN_FORM}, {F_in_label, IN_LABEL}, {F_in_button, IN_BUTTON},
        {F_in_nav, IN_NAV}, {F_in_header, IN_HEADER}, {F_in_footer, IN_FOOTER}, {F_in_aside, IN_ASIDE},
        {F_in_article, IN_ARTICLE}, {F_in_main, IN_MAIN}, {F_in_body_prop, IN_BODY_PROP},
        {F_in_hidden, IN_HIDDEN}, {F_in_dialog, IN_DIALOG}, {F_in_dl, IN_DL}, {F_in_time, IN_TIME}, {F_in_address, IN_ADDRESS},
        {F_is_p, IN_P},
    };
    for (size_t k = 0; k < sizeof map / sizeof *map; k++) x[map[k].feature] = (b->flags & map[k].flag) != 0;
    x[F_tag] = (float)tag_class(c, b);
    x[F_heading] = b->heading;
    x[F_depth] = e->depth < 60 ? (float)e->depth : 60;
    x[F_list_depth] = e->list_depth;
    x[F_table_depth] = e->table_depth;
    x[F_n_articles_above] = e->article_depth;
    x[F_path_sum] = e->path;
    x[F_path_min] = e->path_min;
    x[F_path_max] = e->path_max;
    x[F_path_own] = e->own;
    uint32_t p = c->tree->node[b->element].parent;
    x[F_path_up1] = content_at(c, p)->own;
    p = c->tree->node[p].parent;
    x[F_path_up2] = content_at(c, p)->own;
    p = c->tree->node[p].parent;
    x[F_path_up3] = content_at(c, p)->own;
}

static uint32_t kind_lookup(const content *c, uint32_t kind) {
    for (uint32_t i = kind & c->kinds_mask;; i = (i + 1) & c->kinds_mask) {
        const uint32_t *slot = c->kind_slot + 2 * (size_t)i;
        if (slot[0] == kind) return slot[1];
        if (slot[0] == 0) return 0;
    }
}

static void fill_containers(const content *c, const page_facts *f, size_t i, float *x) {
    const content_block *b = &c->block[i];
    uint32_t e = content_at(c, b->element)->len > b->len ? b->element : content_at(c, b->element)->up;
    x[F_same_kind] = log1_of(kind_lookup(c, content_at(c, b->element)->kind));
    x[F_same_kind_up1] = log1_of(kind_lookup(c, content_at(c, c->tree->node[b->element].parent)->kind));
    static const int first[] = {F_up1_share, F_up2_share, F_up3_share};
    int good_level = 0;
    uint32_t at = e;
    for (int level = 0; level < 6; level++) {
        const content_element *u = content_at(c, at);
        if (level < 3) {
            x[first[level]] = share(u->len, (double)f->page_len);
            x[first[level] + 1] = share(u->link_len, u->len);
            x[first[level] + 2] = log1(share(u->len, u->n_blocks));
            x[first[level] + 3] = share(u->good_len, u->len);
        }
        if (level == 1) x[F_same_kind_up2] = log1_of(kind_lookup(c, u->kind));
        if (level == 4) {
            x[F_up5_share] = share(u->len, (double)f->page_len);
            x[F_up5_links] = share(u->link_len, u->len);
            x[F_up5_good] = share(u->good_len, u->len);
        }
        if (!good_level && u->good_len > b->len) good_level = level + 1;
        if (at) at = u->up ? u->up : at;
    }
    x[F_good_level] = (float)(good_level ? good_level : 8);
}

static void fill_card(content *c, const page_facts *f, size_t i, float *x) {
    enum { LEVELS = 9 };
    content_block *b = &c->block[i];
    uint32_t e = b->element;
    int level = 0;
    while (e && !content_at(c, e)->row && level < LEVELS) e = c->tree->node[e].parent, level++;
    bool found = e && level < LEVELS;
    b->card = found ? e : 0;
    const content_element *u = content_at(c, e);
    const card_row none = {0}, *row = found ? &f->row[u->row - 1] : &none;
    x[F_card_n] = log1_of(row->n);
    x[F_card_level] = found ? (float)level : -1;
    x[F_card_mean] = found ? log1(share(row->len, row->n)) : -1;
    x[F_card_links] = found ? share(row->link_len, row->len) : -1;
    x[F_card_share] = share(row->len, (double)f->page_len);
    x[F_card_place] = found ? (float)(i - u->first_block < 20 ? i - u->first_block : 20) : -1;
    x[F_card_order] = found ? log1_of(u->order) : -1;
}

/* What the words of the headings in force weigh: of the last one of any rank, and of the last h1 or h2. */
struct section_reader {
    const model_weights *weights;
    float sum;
    int n;
};
static void add_section_word(void *ctx, uint32_t hash, wt_str text) {
    struct section_reader *r = ctx;
    if (r->n++ < CONTENT_SECTION_WORDS) r->sum += model_weight(r->weights, hash);
}

static void fill_section(content *c, page_facts *f, size_t i, float *x) {
    content_block *b = &c->block[i];
    if (b->heading) {
        struct section_reader r = {&c->model->section, 0, 0};
        content_word_tokens((wt_str){c->text.ptr + b->text, b->text_len}, add_section_word, &r);
        f->section = (uint32_t)i + 1;
        f->section_sum = r.sum;
        if (b->heading <= 2) f->section_top = r.sum;
    }
    b->section = f->section;
    x[F_section] = f->section_sum;
    x[F_section_top] = f->section_top;
}

/* How many parts the address's path has and how long the last one is: front pages and sections have few
 * and short ones. */
static void fill_address(wt_str url, float *depth, float *last) {
    ptrdiff_t at = wt_str_find(url, WT_STR("://"));
    *depth = *last = -1;
    if (at < 0) return;
    wt_str path = {url.ptr + at + 3, url.len - (size_t)at - 3};
    wt_str_cut(&path, '/');
    size_t end = 0;
    while (end < path.len && path.ptr[end] != '?' && path.ptr[end] != '#') end++;
    path.len = end;
    *depth = *last = 0;
    while (path.len) {
        wt_str part = wt_str_cut(&path, '/');
        if (!part.len) continue;
        *depth += 1;
        *last = (float)(part.len < 60 ? part.len : 60);
    }
    if (*depth > 6) *depth = 6;
}

static void fill_candidates(const content *c, const page_facts *f, size_t i, float *x) {
    const content_block *b = &c->block[i];
    x[F_top_inside] = inside(c, (uint32_t)i, f->top);
    int distance = 0;
    for (uint32_t e = f->top; e && !inside(c, (uint32_t)i, e) && distance < 20; e = c->tree->node[e].parent) distance++;
    x[F_top_distance] = (float)distance;
    x[F_top_share] = share(content_at(c, f->top)->len, (double)f->page_len);
    float best = 0;
    uint32_t e = b->element;
    for (int level = 0; e && level < 5; level++, e = c->tree->node[e].parent)
        if (content_at(c, e)->top_score > best) best = content_at(c, e)->top_score;
    x[F_top_score_up] = share(best, f->top_score);
    const struct {
        uint32_t element;
        int feature;
    } candidates[] = {{f->semantic, F_semantic_inside}, {f->body, F_body_inside}, {f->list, F_list_inside}};
    for (int k = 0; k < 3; k++) {
        uint32_t n = candidates[k].element;
        x[candidates[k].feature] = n ? inside(c, (uint32_t)i, n) : -1;
        x[candidates[k].feature + 1] = n ? share(content_at(c, n)->len, (double)f->page_len) : 0;
    }
}

/* Of the distance from b to a, in blocks. */
static float signed_log(size_t a, size_t b) { return a < b ? -log1_of(b - a) : log1_of(a - b); }

static void fill_place(const content *c, const page_facts *f, size_t i, uint64_t len_before,
                       uint32_t last_heading, uint32_t good_near, float *x) {
    x[F_position] = share((double)i, (double)c->n_blocks);
    x[F_text_position] = share((double)len_before, (double)f->page_len);
    x[F_index] = log1_of(i);
    x[F_index_from_end] = log1_of(c->n_blocks - i);
    x[F_after_title] = f->has_title_block ? (i > f->title_block ? 1 : i == f->title_block ? 0 : -1) : -2;
    x[F_title_distance] = f->has_title_block ? signed_log(i, f->title_block) : -20;
    x[F_before_first_good] = f->n_good ? signed_log(f->first_good, i) : 20;
    x[F_after_last_good] = f->n_good ? signed_log(i, f->last_good) : 20;
    x[F_heading_distance] = last_heading ? log1_of(i + 1 - last_heading) : 12;
    x[F_good_near] = (float)good_near;
}

static const content_block *neighbour(const content *c, size_t i, int d) {
    ptrdiff_t k = (ptrdiff_t)i + d;
    return k >= 0 && k < (ptrdiff_t)c->n_blocks ? &c->block[k] : NULL;
}

static bool same_parent(const content *c, const content_block *a, const content_block *b) {
    uint32_t pa = c->tree->node[a->element].parent, pb = c->tree->node[b->element].parent;
    return a->element == b->element || pa == pb;
}

static void fill_neighbours(const content *c, size_t i, float *x) {
    const content_block *b = &c->block[i];
    static const int first[] = {F_prev_len, F_next_len};
    for (int side = 0; side < 2; side++) {
        const content_block *o = neighbour(c, i, side ? 1 : -1);
        float *y = x + first[side];
        y[0] = o ? log1_of(o->len) : -1;
        y[1] = o ? share(o->link_len, o->len) : -1;
        y[2] = o ? same_parent(c, b, o) : -1;
        y[3] = o ? is_good(o) : -1;
        y[4] = o ? content_at(c, o->element)->path - content_at(c, b->element)->path : 0;
        y[5] = o ? share(o->word_sum, o->words) : 0;
        y[6] = o ? o->heading : -1;
        o = neighbour(c, i, side ? 2 : -2);
        y = x + (side ? F_next2_len : F_prev2_len);
        y[0] = o ? log1_of(o->len) : -1;
        y[1] = o ? share(o->link_len, o->len) : -1;
        y[2] = o ? same_parent(c, b, o) : -1;
    }
    double len = 0, links = 0, path = 0, n = 0;
    for (int d = -4; d <= 4; d++) {
        const content_block *o = neighbour(c, i, d);
        if (!o) continue;
        len += o->len, links += o->link_len, path += content_at(c, o->element)->path, n++;
    }
    x[F_window_len] = log1(len / n);
    x[F_window_links] = share(links, len);
    x[F_window_path] = (float)(path / n);
}

static void fill_page(const content *c, const page_facts *f, float *x) {
    double n = c->n_blocks ? (double)c->n_blocks : 1;
    x[F_page_blocks] = log1(n);
    x[F_page_len] = log1((double)f->page_len);
    x[F_page_links] = share((double)f->page_links, (double)f->page_len);
    x[F_page_good] = log1_of(f->n_good);
    x[F_page_good_share] = share((double)f->page_good, (double)f->page_len);
    x[F_page_articles] = f->n_articles < 20 ? (float)f->n_articles : 20;
    x[F_page_main] = f->has_main;
    x[F_page_kind] = (float)c->meta->kind;
    x[F_page_modern] = (float)((c->meta->has_viewport ? 1 : 0) + (c->meta->og_title.len ? 2 : 0));
    x[F_page_items] = (float)(f->n_items / n);
    x[F_page_cells] = (float)(f->n_cells / n);
    x[F_page_code] = (float)(f->n_code / n);
    x[F_page_cjk] = share(2.0 * f->n_cjk, (double)f->page_len);
    x[F_page_repeat] = (float)(f->n_repeat / n);
    x[F_page_thread] = log1_of(f->n_thread);
    x[F_page_prices] = (float)(f->n_prices / n);
    fill_address(c->meta->address, &x[F_page_url_depth], &x[F_page_url_last]);
}

void content_look(content *c) {
    if (!c->facts) c->facts = wt_xcalloc(1, sizeof *c->facts);
    page_facts *f = c->facts;
    *f = (page_facts){.row = f->row, .rows_cap = f->rows_cap};
    page_look(c, f);
    c->title_block = f->has_title_block ? f->title_block : UINT32_MAX;
    find_top(c, f);
    c->top = f->top;
    find_candidates(c, f);
    find_repeats(c, f);
    find_rows(c, f);
    fill_page(c, f, f->page_row);
}

void content_free_facts(content *c) {
    if (c->facts) free(c->facts->row);
    free(c->facts);
    c->facts = NULL;
}

void content_fill_features(content *c, size_t first, size_t end) {
    page_facts *f = c->facts;
    if (first == 0) f->len_before = 0, f->last_heading = f->good_near = f->section = 0, f->section_sum = f->section_top = 0;
    WT_GROW(c->row, c->rows_cap, (end - first + 1) * N_FEATURES2);
    for (size_t i = first; i < end; i++) {
        float *x = c->row + (i - first) * N_FEATURES2;
        /* good blocks among the 5 before and the 5 behind, as a sliding count */
        if (i == 0)
            for (size_t k = 0; k < 6 && k < c->n_blocks; k++) f->good_near += is_good(&c->block[k]);
        else {
            if (i + 5 < c->n_blocks) f->good_near += is_good(&c->block[i + 5]);
            if (i >= 6) f->good_near -= is_good(&c->block[i - 6]);
        }
        memcpy(x + F_page_blocks, f->page_row + F_page_blocks, sizeof(float) * (N_FEATURES - F_page_blocks));
        fill_text(c, i, x);
        fill_element(c, i, x);
        fill_containers(c, f, i, x);
        fill_candidates(c, f, i, x);
        fill_place(c, f, i, f->len_before, f->last_heading, f->good_near, x);
        fill_neighbours(c, i, x);
        fill_card(c, f, i, x);
        fill_section(c, f, i, x);
        x[F_has_price] = has_price(c, &c->block[i]);
        f->len_before += c->block[i].len;
        if (c->block[i].heading) f->last_heading = (uint32_t)i + 1;
    }
}

/* ---- round 2: what round 1 thinks of the surroundings ---- */
typedef struct mass {
    float len, kept;                /* text, and text times chance */
} mass;

static void add_mass(const content *c, mass *m) {
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        uint32_t e = b->element;
        for (int k = 0; e && k < 24; k++, e = c->tree->node[e].parent) {
            mass *of = &m[c->element_of[e]];
            of->len += (float)b->len;
            of->kept += (float)b->len * b->chance;
        }
    }
}

static float mass_share(const mass *m, float own_len, float own_kept) {
    float len = m->len - own_len;
    return len > 0.5f ? (m->kept - own_kept) / len : -1;
}

static float window_chance(const content *c, size_t i, int d) {
    double kept = 0, len = 0;
    for (int k = -d; k <= d; k++) {
        const content_block *o = k ? neighbour(c, i, k) : NULL;
        if (!o) continue;
        kept += c->block[(size_t)((ptrdiff_t)i + k)].chance * o->len;
        len += o->len;
    }
    return len > 0 ? (float)(kept / len) : -1;
}

/* The mean chance of blocks of one kind elsewhere on the page, by a small hash table. */
typedef struct {
    uint32_t kind;
    float n, sum;
} kind_mean;

typedef struct {
    kind_mean *slot;
    uint32_t n, mask;
} kind_table;

static kind_mean *kind_slot(const kind_table *t, uint32_t kind) {
    uint32_t i = kind & t->mask;
    while (t->slot[i].kind && t->slot[i].kind != kind) i = (i + 1) & t->mask;
    return &t->slot[i];
}

static void kind_add(kind_table *t, uint32_t kind, float chance) {
    if (2 * (t->n + 1) > t->mask) {
        kind_table bigger = {wt_xcalloc(2 * (size_t)(t->mask + 1), sizeof *t->slot), t->n, 2 * t->mask + 1};
        for (uint32_t i = 0; i <= t->mask; i++)
            if (t->slot[i].kind) *kind_slot(&bigger, t->slot[i].kind) = t->slot[i];
        free(t->slot);
        *t = bigger;
    }
    kind_mean *k = kind_slot(t, kind);
    t->n += k->kind == 0;
    k->kind = kind;
    k->n++, k->sum += chance;
}

static uint32_t kind_pair(const content *c, const content_block *b) {
    uint32_t p = c->tree->node[b->element].parent;
    return (content_at(c, b->element)->kind * 31 + content_at(c, p)->kind) | 1;
}

static uint32_t kind_near(const content *c, const content_block *b, int up) {
    return up ? kind_pair(c, b) : content_at(c, b->element)->kind | 1;
}

static void mean_kinds(content *c, float *const mean[2]) {
    for (int up = 0; up < 2; up++) {
        kind_table table = {wt_xcalloc(64, sizeof *table.slot), 0, 63};
        for (size_t i = 0; i < c->n_blocks; i++) kind_add(&table, kind_near(c, &c->block[i], up), c->block[i].chance);
        for (size_t i = 0; i < c->n_blocks; i++) {
            const kind_mean *k = kind_slot(&table, kind_near(c, &c->block[i], up));
            mean[up][i] = k->n > 1 ? (k->sum - c->block[i].chance) / (k->n - 1) : -1;
        }
        free(table.slot);
    }
}

void content_look_round2(content *c) {
    page_facts *f = c->facts;
    f->mass = wt_xcalloc(c->n_elements, sizeof *f->mass);
    for (int up = 0; up < 2; up++) f->kind_chance[up] = wt_xmalloc((c->n_blocks + 1) * sizeof(float));
    add_mass(c, f->mass);
    mean_kinds(c, f->kind_chance);
    f->total = f->kept = f->before = f->run = 0;
    f->section_mass = wt_xcalloc(c->n_blocks + 1, sizeof *f->section_mass);
    for (size_t i = 0; i < f->n_rows; i++) f->row[i].chance_len = f->row[i].chance_kept = 0;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        float len = (float)b->len, kept = len * b->chance;
        f->total += len, f->kept += kept;
        f->section_mass[b->section].len += len;
        f->section_mass[b->section].kept += kept;
        if (!b->card) continue;
        card_row *r = &f->row[content_at(c, b->card)->row - 1];
        r->chance_len += len, r->chance_kept += kept;
    }
}

void content_end_round2(content *c) {
    page_facts *f = c->facts;
    free(f->section_mass), free(f->mass), free(f->kind_chance[0]), free(f->kind_chance[1]);
    f->section_mass = f->mass = NULL, f->kind_chance[0] = f->kind_chance[1] = NULL;
}

void content_fill_round2(content *c, size_t first, size_t end) {
    page_facts *f = c->facts;
    for (size_t i = first; i < end; i++) {
        const content_block *b = &c->block[i];
        float *x = c->row + (i - first) * N_FEATURES2, own = (float)b->len, own_kept = own * c->block[i].chance;
        x[F2_own] = c->block[i].chance;
        x[F2_prev] = i ? c->block[i - 1].chance : -1;
        x[F2_next] = i + 1 < c->n_blocks ? c->block[i + 1].chance : -1;
        x[F2_prev2] = i > 1 ? c->block[i - 2].chance : -1;
        x[F2_next2] = i + 2 < c->n_blocks ? c->block[i + 2].chance : -1;
        x[F2_window3] = window_chance(c, i, 3);
        x[F2_window8] = window_chance(c, i, 8);
        uint32_t e = content_at(c, b->element)->len > b->len ? b->element : content_at(c, b->element)->up;
        x[F2_up1] = mass_share(&f->mass[c->element_of[e]], own, own_kept);
        e = content_at(c, e)->up;
        x[F2_up2] = mass_share(&f->mass[c->element_of[e]], own, own_kept);
        e = content_at(c, e)->up;
        x[F2_up3] = mass_share(&f->mass[c->element_of[e]], own, own_kept);
        x[F2_kind] = f->kind_chance[0][i];
        x[F2_kind_up1] = f->kind_chance[1][i];
        x[F2_page_mean] = share(f->kept, f->total);
        x[F2_page_kept] = log1(f->kept);
        x[F2_before] = share(f->before, f->kept);
        f->before += own_kept;
        x[F2_after] = share(f->kept - f->before, f->kept);
        f->run = c->block[i].chance > 0.5f ? f->run + 1 : 0;
        x[F2_run] = log1(f->run);
        x[F2_rank] = share(own_kept, f->kept);
        x[F2_copy] = b->copy_of ? c->block[b->copy_of - 1].chance : -1;
        x[F2_heading] = b->section ? c->block[b->section - 1].chance : -1;
        x[F2_section] = mass_share(&f->section_mass[b->section], own, own_kept);
        x[F2_card] = x[F2_row] = -1;
        if (!b->card) continue;
        const card_row *r = &f->row[content_at(c, b->card)->row - 1];
        const mass *m = &f->mass[c->element_of[b->card]];
        const mass others = {r->chance_len - m->len, r->chance_kept - m->kept};
        x[F2_card] = mass_share(m, own, own_kept);
        x[F2_row] = mass_share(&others, 0, 0);
    }
}

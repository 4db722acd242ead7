/* html_build.h - the tree under construction, shared by the files of our HTML parser: html_build.c (the steps that the
 * insertion modes are made of), html_body.c, html_table.c and html_modes.c (the modes), html_parse.c (foreign
 * content, dispatch). Names are those of the HTML standard, section 13.2. */
#ifndef WT_EXTRACT_HTML_BUILD_H
#define WT_EXTRACT_HTML_BUILD_H

#include "extract/html_token.h"

typedef enum {
    INITIAL, BEFORE_HTML, BEFORE_HEAD, IN_HEAD, IN_HEAD_NOSCRIPT, AFTER_HEAD, IN_BODY, IN_TEXT, IN_TABLE,
    IN_TABLE_TEXT, IN_CAPTION, IN_COLUMN_GROUP, IN_TABLE_BODY, IN_ROW, IN_CELL, IN_SELECT, IN_SELECT_IN_TABLE,
    IN_TEMPLATE, AFTER_BODY, IN_FRAMESET, AFTER_FRAMESET, AFTER_AFTER_BODY, AFTER_AFTER_FRAMESET
} insertion_mode;

enum { FORMATTING_MAX = 256, TEMPLATES_MAX = 64, PENDING_MAX = 64, MARKER = 0 };

typedef struct {
    html_tree *t;
    tokenizer z;
    insertion_mode mode, original_mode;
    uint32_t open[HTML_DEPTH_MAX + 8];
    int n_open;
    uint32_t formatting[FORMATTING_MAX];            /* MARKER: a marker */
    int n_formatting;
    insertion_mode template_mode[TEMPLATES_MAX];
    int n_templates;
    uint32_t head, form;
    bool frameset_ok, foster, skip_newline;
    html_token pending[PENDING_MAX];                /* text in a table */
    int n_pending;
    uint64_t reopen_budget;
    uint64_t move_budget;                           /* bytes of text that may move, to join what comes behind a foreign tag */
} builder;

typedef html_token token;
typedef struct {
    uint32_t parent, before;        /* before 0: as last child */
} place;
#define TAG(name) HTML_TAG_##name

/* ---- the stack of open elements ---- */
static inline html_node *node(const builder *b, uint32_t n) { return &b->t->node[n]; }
static inline uint32_t current(const builder *b) { return b->n_open ? b->open[b->n_open - 1] : 0; }
static inline bool is_html(const builder *b, uint32_t n, html_tag tag) {
    return node(b, n)->tag == tag && node(b, n)->ns == HTML_NS_HTML;
}
static inline bool current_is(const builder *b, html_tag tag) { return is_html(b, current(b), tag); }
static inline void pop(builder *b) {
    if (b->n_open > 1) b->n_open--;
}
static inline void push(builder *b, uint32_t n) { b->open[b->n_open++] = n; }
void build_remove_open(builder *b, uint32_t n);
bool build_has_open(const builder *b, html_tag tag);
void build_pop_until(builder *b, html_tag tag);

/* ---- scopes ---- */
typedef enum { SCOPE, SCOPE_LIST, SCOPE_BUTTON, SCOPE_TABLE, SCOPE_SELECT } scope_kind;
bool build_in_scope_kind(const builder *b, html_tag tag, scope_kind kind);
static inline bool in_scope(const builder *b, html_tag tag) { return build_in_scope_kind(b, tag, SCOPE); }
static inline bool in_button_scope(const builder *b, html_tag tag) { return build_in_scope_kind(b, tag, SCOPE_BUTTON); }
static inline bool in_table_scope(const builder *b, html_tag tag) { return build_in_scope_kind(b, tag, SCOPE_TABLE); }
bool build_heading_in_scope(const builder *b);
bool build_node_in_scope(const builder *b, uint32_t n);

/* ---- kinds of tags and elements ---- */
static inline bool is_heading(html_tag tag) { return tag >= TAG(h1) && tag <= TAG(h6); }
static inline bool is_start(const token *k, html_tag tag) { return k->kind == TOKEN_START && k->tag == tag; }
static inline bool is_end(const token *k, html_tag tag) { return k->kind == TOKEN_END && k->tag == tag; }
bool build_is_table_part(html_tag tag);
bool build_is_special(const html_node *e);
bool build_same_tag(const builder *b, uint32_t n, const token *k);
bool build_is_hidden_input(const builder *b, const token *k);

/* ---- inserting, where the standard says: foster parents, too ---- */
uint32_t build_make_element(builder *b, const token *k, int ns);
uint32_t build_insert_foreign(builder *b, const token *k, int ns);
uint32_t build_insert(builder *b, const token *k);
uint32_t build_insert_tag(builder *b, html_tag tag);
void build_insert_void(builder *b, const token *k);
void build_insert_text(builder *b, uint32_t off, uint32_t len);
void build_insert_comment(builder *b, const token *k, place p);
void build_insert_comment_here(builder *b, const token *k);

/* ---- formatting elements, the adoption agency ---- */
void build_formatting_remove_at(builder *b, int i);
void build_formatting_push(builder *b, uint32_t n);
void build_formatting_marker(builder *b);
void build_formatting_clear(builder *b);
int build_formatting_index(const builder *b, uint32_t n);
void build_reconstruct(builder *b);
void build_adopt(builder *b, const token *k);
void build_any_other_end(builder *b, const token *k);

/* ---- implied ends ---- */
void build_imply_ends(builder *b, html_tag except);
void build_imply_all_ends(builder *b);
void build_close_p(builder *b);
void build_close_p_in_scope(builder *b);

/* ---- steps that several modes share ---- */
void build_merge_attrs(builder *b, uint32_t n, const token *k);
void build_raw_text(builder *b, const token *k, raw_kind kind);
void build_reset_mode(builder *b);
/* Splits leading white space off a text token; true where something else is left in *k. */
bool build_cut_space(const builder *b, token *k, token *space);
bool build_insert_space(builder *b, token *k);        /* the same, and the white space goes into the tree */
void mode_end_template(builder *b);
/* Start and end tags that the head knows. 0: not one; 1: done; 2: process again. */
int mode_head_tags(builder *b, token *k);
bool mode_body_end(builder *b, token *k);

/* ---- the modes: each takes a token and returns true to have it processed again, in another one ---- */
bool mode_initial(builder *b, token *k);
bool mode_before_html(builder *b, token *k);
bool mode_before_head(builder *b, token *k);
bool mode_in_head(builder *b, token *k);
bool mode_in_head_noscript(builder *b, token *k);
bool mode_after_head(builder *b, token *k);
bool mode_in_select(builder *b, token *k);
bool mode_in_select_in_table(builder *b, token *k);
bool mode_in_template(builder *b, token *k);
bool mode_after_body(builder *b, token *k);
bool mode_after_after_body(builder *b, token *k);
bool mode_in_frameset(builder *b, token *k);
bool mode_after_frameset(builder *b, token *k);
bool mode_after_after_frameset(builder *b, token *k);
bool mode_in_body(builder *b, token *k);
bool mode_in_table(builder *b, token *k);
bool mode_in_table_text(builder *b, token *k);
bool mode_in_caption(builder *b, token *k);
bool mode_in_column_group(builder *b, token *k);
bool mode_in_table_body(builder *b, token *k);
bool mode_in_row(builder *b, token *k);
bool mode_in_cell(builder *b, token *k);
bool mode_process(builder *b, token *k);

#endif

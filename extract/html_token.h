/* html_token.h - the tokenizer of our HTML parser: bytes to tags, text and comments (HTML standard,
 * 13.2.5). Text and attribute values are slices of the page where nothing had to be decoded. The
 * tree builder steers it: raw says that text runs to one end tag. */
#ifndef WT_EXTRACT_HTML_TOKEN_H
#define WT_EXTRACT_HTML_TOKEN_H

#include "extract/tree.h"

typedef enum { TOKEN_EOF, TOKEN_TEXT, TOKEN_START, TOKEN_END, TOKEN_COMMENT, TOKEN_DOCTYPE } token_kind;
typedef enum { RAW_NONE, RAW_TEXT, RAW_RCDATA, RAW_SCRIPT, RAW_PLAINTEXT } raw_kind;

typedef struct {
    token_kind kind;
    html_tag tag;
    uint32_t off, len;          /* text, comment: slice of tree bytes; tag: where an unknown name is */
    uint32_t first_attr;
    uint8_t n_attrs;
    bool self_closing;
    bool quirks;                /* doctype */
} html_token;

typedef struct {
    html_tree *t;
    uint32_t at, end;           /* in t->bytes */
    raw_kind raw;
    html_tag raw_tag;
    bool cdata;                 /* <![CDATA[ is text: the current node is foreign */
} tokenizer;

/* Copies the page into t->bytes, line ends normalised. */
void tokenizer_init(tokenizer *z, html_tree *t, wt_str page);
void tokenizer_next(tokenizer *z, html_token *token);
/* Decodes the character reference at p ('&'); writes UTF-8 to out (at most 8 bytes). Returns how many
 * bytes of p it took, 0 where it is none; *n is set to the bytes written. */
size_t html_reference(const char *p, const char *end, bool in_attribute, char out[16], size_t *n);

#endif

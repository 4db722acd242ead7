/* charset.h - a page's bytes as UTF-8, whatever they were (WHATWG Encoding, HTML 13.2.3).
 * The order: byte order mark; UTF-16 without one; the HTTP header; <meta> in the first 1,024 bytes;
 * a later <meta>; a guess by uchardet on the text without its tags; windows-1252. One rule stands
 * above header and meta: bytes that are valid UTF-8 and not plain ASCII are UTF-8. Plain ASCII that switches to
 * kanji by escape sequences is ISO-2022-JP. */
#ifndef WT_EXTRACT_CHARSET_H
#define WT_EXTRACT_CHARSET_H

#include "common/str.h"

typedef struct {
    const char *name;   /* the encoding's WHATWG name in lower case, e.g. "windows-1252" */
    const char *how;    /* "bom", "utf-16", "http", "meta", "late-meta", "valid", "guess", "default" */
    size_t n_bad;       /* sequences that became U+FFFD */
} charset_choice;

/* Returns the page in UTF-8: a slice of page where nothing had to change, else *out's bytes.
 *   content_type   the HTTP header's value; empty where unknown */
wt_str charset_decode(wt_str page, wt_str content_type, wt_buf *out, charset_choice *choice);

/* The WHATWG name for a label ("latin1" -> "windows-1252"); NULL where there is none. */
const char *charset_of_label(wt_str label);
/* The label in "text/html; charset=LABEL", or in a <meta> content value; empty where none. */
wt_str charset_in_content_type(wt_str content_type);

#endif

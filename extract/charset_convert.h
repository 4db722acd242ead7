/* charset_convert.h - the encodings of the web by number (0: UTF-8), and their bytes as UTF-8. For charset.c. */
#ifndef WT_EXTRACT_CHARSET_CONVERT_H
#define WT_EXTRACT_CHARSET_CONVERT_H

#include "extract/charset.h"

int encoding_of_label(wt_str label);                /* -1: there is none of that name */
const char *encoding_name(int encoding);
/* Appends the page in UTF-8 to an empty buffer. Each bad sequence becomes U+FFFD and adds to *n_bad. */
void encoding_convert(wt_str page, int encoding, wt_buf *out, size_t *n_bad);

#endif

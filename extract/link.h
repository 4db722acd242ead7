/* link.h - the address that a link means (RFC 3986, section 5.2). */
#ifndef WT_EXTRACT_LINK_H
#define WT_EXTRACT_LINK_H

#include "common/str.h"

/* Appends href as seen from base, without "." and ".." in its path. Where base is no absolute address of a server
 * (http://host/...), or href names its scheme, href as it is. */
void link_resolve(wt_str base, wt_str href, wt_buf *out);
/* Has it a scheme ("mailto:", "https:")? Empty where not. */
wt_str link_scheme(wt_str href);

#endif

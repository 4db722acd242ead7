/* tidy.h - what generators of pages put beside the text for the reader's mouse, and code drawn without <pre>:
 *   marks that link a heading, a term or a note to itself or back ("¶", "#", "§", "◆", "↩")
 *   buttons and links that copy ("Copy", "Copy item path"), and MediaWiki's "[edit]"
 *   code whose lines are <div class="line"> (Doxygen) becomes <pre>, without the numbers
 *   of its lines and the tips that stand on its names
 * It is done to the tree, so that title, text and Markdown see the same page. */
#ifndef WT_EXTRACT_TIDY_H
#define WT_EXTRACT_TIDY_H

#include "extract/tree.h"

/* Changes the tree in place. */
void tidy_tree(html_tree *t);

#endif

/* formulas.h - formulas of a page as TeX, once each. Pages carry one formula two or three times: as MathML for
 * readers aloud, drawn in a hundred spans or as an image for eyes, and as the TeX it was written in. Where the
 * TeX is there, "$...$" ("$$...$$" on a line of its own) in a <math> takes the place of all of them:
 *   MathML with an <annotation> in TeX or alttext (KaTeX, MathJax, MediaWiki, LaTeXML)
 *   <script type="math/tex"> (MathJax 2, kramdown), with what MathJax drew before it
 *   images by WordPress, CodeCogs and old MediaWiki, whose alt is the TeX
 * Formulas that the page writes between delimiters in its text, and MathML alone, stay as they are. */
#ifndef WT_EXTRACT_FORMULAS_H
#define WT_EXTRACT_FORMULAS_H

#include "extract/tree.h"

/* Changes the tree in place. */
void formulas_to_tex(html_tree *t);
/* Is this text node a formula made by it? */
bool formulas_is_one(const html_tree *t, uint32_t text_node);

#endif

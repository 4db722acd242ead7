/* filter_words.h - words as the corpora that publish their thresholds count them: their tool parts text by spaCy's English
 * rules, where a comma, a quote, the 's of a name and both halves of a hyphenated word are words of their own. These
 * are the rules that matter for counting, not all of spaCy's: its lists of abbreviations, units and faces are longer. */
#ifndef WT_EXTRACT_FILTER_WORDS_H
#define WT_EXTRACT_FILTER_WORDS_H

#include "common/str.h"

typedef struct {
    wt_str *item;
    size_t n, cap;
} slices;

/* out->item is reused; free it in the end. */
void filter_words(wt_str text, slices *out);
/* Sentences of one line, at least one: a full stop, question or exclamation mark with white space behind it parts two. */
size_t filter_sentences(wt_str line);

#endif

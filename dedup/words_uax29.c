#include "dedup/words_impl.h"
void words_uax29(wt_str text, u64_list *out) { words_chars(WORDS_ALNUM, text, out); }

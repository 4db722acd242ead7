/* lang_cld2.cc - the one file that knows CLD2. */
#include "extract/lang.h"

#include <stdio.h>

#include <cld2/public/compact_lang_det.h>
#include <string.h>

extern "C" void lang_identify(const char *text, size_t n, lang_guess *guess) {
    bool reliable = false;
    int text_bytes = 0, percent[3] = {0, 0, 0};
    CLD2::Language best[3];
    int length = n > (1u << 20) ? 1 << 20 : (int)n;     /* enough to know, and CLD2 takes an int */
    CLD2::DetectLanguageSummary(text, length, true, best, percent, &text_bytes, &reliable);
    strncpy(guess->code, CLD2::LanguageCode(best[0]), sizeof guess->code - 1);
    guess->code[sizeof guess->code - 1] = 0;
    guess->share = percent[0] / 100.0;
    guess->reliable = reliable;
}

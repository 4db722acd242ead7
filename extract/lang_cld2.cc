/* lang_cld2.cc - the one file that knows CLD2. It reads a megabyte in 80 ms, but after some kilobytes it only
 * confirms itself: longer texts are judged by pieces from all over them. On the development pages the language
 * is the same as by the whole text on every page, and its share differs by more than 5 points on two. */
#include "extract/lang.h"

#include <stdio.h>

#include <cld2/internal/lang_script.h>
#include <cld2/public/compact_lang_det.h>
#include <string.h>

enum { PIECES = 8, PIECE_BYTES = 512, WORD_BYTES_MAX = 64, SAMPLE_BYTES = PIECES * (PIECE_BYTES + WORD_BYTES_MAX + 1) };

/* The next beginning of a word from `at` on; of a character where none is near. */
static size_t word_start(const char *text, size_t n, size_t at) {
    if (at == 0) return 0;
    while (at < n && ((unsigned char)text[at] & 0xc0) == 0x80) at++;
    for (size_t i = at; i < n && i < at + WORD_BYTES_MAX - 4; i++)
        if (text[i] == ' ' || text[i] == '\n') return i;
    return at;
}

static size_t sample_take(const char *text, size_t n, char *sample) {
    size_t used = 0;
    for (size_t k = 0; k < PIECES; k++) {
        size_t from = (n - PIECE_BYTES) / (PIECES - 1) * k;
        size_t start = word_start(text, n, from), end = word_start(text, n, from + PIECE_BYTES);
        if (start >= end) continue;
        memcpy(sample + used, text + start, end - start);
        used += end - start;
        sample[used++] = '\n';
    }
    return used;
}

extern "C" void lang_identify(const char *text, size_t n, lang_guess *guess) {
    char sample[SAMPLE_BYTES];
    bool reliable = false;
    int text_bytes = 0, percent[3] = {0, 0, 0};
    CLD2::Language best[3];
    if (n > SAMPLE_BYTES) n = sample_take(text, n, sample), text = sample;
    CLD2::DetectLanguageSummary(text, (int)n, true, best, percent, &text_bytes, &reliable);
    strncpy(guess->code, CLD2::LanguageCode(best[0]), sizeof guess->code - 1);
    guess->code[sizeof guess->code - 1] = 0;
    guess->share = percent[0] / 100.0;
    guess->reliable = reliable;
}

extern "C" const char *lang_code_of(const char *name) {
    CLD2::Language language = CLD2::GetLanguageFromName(name);
    return language == CLD2::UNKNOWN_LANGUAGE ? NULL : CLD2::LanguageCode(language);
}

/* lang.h - which language is a text in, by CLD2. */
#ifndef WT_EXTRACT_LANG_H
#define WT_EXTRACT_LANG_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif
typedef struct {
    char code[16];          /* "en", "zh", "zh-Hant"; "un" where unknown */
    double share;           /* of the text's bytes, 0..1 */
    bool reliable;
} lang_guess;
/* text: valid UTF-8. */
void lang_identify(const char *text, size_t n, lang_guess *guess);
/* The code of the language that CODE, or an alias of it such as zh-CN, names; NULL where none is known. */
const char *lang_code_of(const char *code);
#ifdef __cplusplus
}
#endif
#endif

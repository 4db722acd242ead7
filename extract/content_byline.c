/* content_byline.c - the date and author a reader sees, for pages that name none in their metadata.
 * The date: the best of the short blocks that hold one. A block behind the title or just before the
 * text counts most, words like "published" help, words like "updated" or a copyright sign hurt.
 * The author: "By Jane Doe" in a short block near these places. */
#include "extract/content.h"
#include "extract/meta_date.h"

static bool has_word(wt_str s, const char *lower) {
    size_t n = strlen(lower);
    for (size_t i = 0; i + n <= s.len; i++) {
        size_t k = 0;
        while (k < n && (s.ptr[i + k] >= 'A' && s.ptr[i + k] <= 'Z' ? s.ptr[i + k] | 32 : s.ptr[i + k]) == lower[k]) k++;
        if (k == n) return true;
    }
    return false;
}

static double words_score(wt_str s) {
    static const char *const good[] = {"publish", "posted", "ver\xc3\xb6" "ffentlicht", "erstellt", "datum", "date", "stand:", "publi\xc3\xa9",
                                       "publicado", "written", "created", "\xe5\x8f\x91\xe5\xb8\x83", "\xe5\x8f\x91\xe8\xa1\xa8"};
    static const char *const changed[] = {"updated", "modified", "aktualisiert", "edited"};
    static const char *const bad[] = {"\xc2\xa9", "copyright", "joined", "expires", "event", "termin", "seit ", "since "};
    double score = 0;
    for (size_t k = 0; k < sizeof good / sizeof *good; k++)
        if (has_word(s, good[k])) score = 2;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++)
        if (has_word(s, bad[k])) score -= 2;
    for (size_t k = 0; k < sizeof changed / sizeof *changed; k++)
        if (has_word(s, changed[k])) score -= 0.4;
    return score;
}

bool content_find_date(const content *c, char out[40]) {
    double best = 0;
    size_t first_kept = c->n_blocks;
    for (size_t i = c->n_blocks; i-- > 0;)
        if (c->block[i].keep) first_kept = i;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        char date[40];
        wt_str s = {c->text.ptr + b->text, b->text_len < 160 ? b->text_len : 160};
        bool short_block = b->text_len <= 160;
        if (!short_block && (i < first_kept || i > first_kept + 8)) continue;     /* a long one only as the text's first lines */
        size_t probe = short_block ? s.len : i == first_kept ? 80 : 24;
        if (!short_block && i > first_kept && (*s.ptr < '0' || *s.ptr > '9')) continue;
        if (!b->digits || !date_find((wt_str){s.ptr, probe}, c->meta->day_first, date)) continue;
        double score = 1.5 + words_score(s) - (b->len > 60 ? 0.5 : 0) - (b->link_len * 2 > b->len ? 1 : 0);
        if (c->title_block != UINT32_MAX) {
            double d = (double)i - (double)c->title_block;
            score += d >= 0 && d <= 8 ? 3 - 0.2 * d : d < 0 && d >= -4 ? 2 + 0.3 * d : 0;
        }
        double d = (double)first_kept - (double)i;
        score += d >= 0 && d <= 6 ? 1.5 - 0.15 * d : 0;
        if (b->keep) score += 0.5;
        if (b->flags & (IN_FOOTER | IN_ASIDE | IN_NAV | IN_COMMENT)) score -= 2;
        if (i * 3 > 2 * c->n_blocks) score -= 0.5;
        if (score <= best) continue;
        best = score;
        memcpy(out, date, sizeof date);
    }
    return best > 0.4;
}

/* How many bytes of "by ", "Written by: " ... stand at the start of s. */
static size_t byline_prefix(wt_str s) {
    static const char *const prefixes[] = {"written by", "posted by", "published by", "story by", "words by", "text by", "article by",
        "reviewed by", "by", "von", "author", "autor", "autorin", "text", "por", "par", "di", "door", "geschrieben von",
        "ver\xc3\xb6" "ffentlicht von", "beitrag von", "ein beitrag von", "started by", "created by", "\xe4\xbd\x9c\xe8\x80\x85"};
    size_t best = 0;
    for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++) {
        size_t n = strlen(prefixes[k]);
        if (s.len <= n + 1 || !wt_str_eq_nocase((wt_str){s.ptr, n}, wt_str_of(prefixes[k]))) continue;
        size_t after = n;
        bool colon = s.ptr[after] == ':' || (after + 3 <= s.len && memcmp(s.ptr + after, "\xef\xbc\x9a", 3) == 0);
        bool noun = prefixes[k][0] == 'a' || strcmp(prefixes[k], "text") == 0 || (unsigned char)prefixes[k][0] >= 0x80;
        if (noun && !colon && strcmp(prefixes[k], "article by") != 0) continue;
        bool glued = strcmp(prefixes[k], "by") == 0 && s.ptr[0] == 'B' && s.ptr[after] >= 'A' && s.ptr[after] <= 'Z';     /* two elements: "ByJane Doe" */
        if (colon) after += s.ptr[after] == ':' ? 1 : 3;
        else if (glued) return after;
        else if (s.ptr[after] != ' ' && s.ptr[after] != '\n') continue;
        while (after < s.len && (s.ptr[after] == ' ' || s.ptr[after] == '\n')) after++;
        if (after > best && after < s.len) best = after;
    }
    return best;
}

static bool is_name_start(unsigned char c) { return (c >= 'A' && c <= 'Z') || c >= 0xc3; }

/* The name at the start of s: up to five words, until a sign that ends it. */
static wt_str name_of(wt_str s) {
    size_t i = 0, end = 0;
    for (int words = 0; i < s.len && words < 5; words++) {
        size_t start = i;
        while (i < s.len && s.ptr[i] != ' ' && s.ptr[i] != '\n' && s.ptr[i] != ',' && s.ptr[i] != '|' && s.ptr[i] != '(') i++;
        wt_str word = {s.ptr + start, i - start};
        static const char *const small[] = {"and", "und", "&", "de", "van", "von", "der", "la", "et", "y", "e"};
        bool joins = false;
        for (size_t k = 0; k < sizeof small / sizeof *small; k++) joins = joins || wt_str_eq(word, wt_str_of(small[k]));
        if (!word.len || (!is_name_start((unsigned char)*word.ptr) && !joins)) break;
        if (!joins) end = i;
        if (i < s.len && s.ptr[i] != ' ') break;
        i++;
    }
    return (wt_str){s.ptr, end};
}

wt_str content_find_author(const content *c) {
    wt_str best = {NULL, 0};
    double best_score = 0;
    size_t first_kept = c->n_blocks;
    for (size_t i = c->n_blocks; i-- > 0;)
        if (c->block[i].keep) first_kept = i;
    for (size_t i = 0; i < c->n_blocks; i++) {
        const content_block *b = &c->block[i];
        if (b->text_len > 160 || b->flags & (IN_FOOTER | IN_ASIDE | IN_NAV | IN_COMMENT)) continue;
        wt_str s = {c->text.ptr + b->text, b->text_len};
        size_t n = byline_prefix(s);
        if (!n) continue;
        wt_str rest = {s.ptr + n, s.len - n}, name = name_of(rest);
        if (!name.len && !memchr(rest.ptr, ' ', rest.len)) name = rest;          /* "by jane1982" */
        if (name.len < 3 || name.len > 60) continue;
        double score = 1;
        if (c->title_block != UINT32_MAX) {
            double d = (double)i - (double)c->title_block;
            score += d >= 0 && d <= 10 ? 3 - 0.2 * d : 0;
        }
        double d = (double)first_kept - (double)i;
        score += d >= -2 && d <= 6 ? 1.5 : 0;
        if (score > best_score) best_score = score, best = name;
    }
    return best;
}

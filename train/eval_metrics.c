/* eval_metrics.c - how answers are compared with references, as the official scorers do: CoQA's and SQuAD's
 * normal form, exact match and word F1; ROUGE of google-research (Lin 2004) with Porter's stemmer (1980); BLEU
 * (Papineni et al. 2002) as sacrebleu computes it (Post 2018). */
#include <math.h>
#include <stdlib.h>

#include "train/eval.h"

typedef struct {
    wt_str *word;
    size_t n, cap;
} words;

static void words_add(words *w, wt_str s) {
    WT_GROW(w->word, w->cap, w->n + 1);
    w->word[w->n++] = s;
}

static void words_split(words *w, wt_str s) {
    w->n = 0;
    while (s.len) {
        wt_str word = wt_str_cut(&s, ' ');
        if (word.len)
            words_add(w, word);
    }
}

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }
static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* ---- exact match and F1 ---- */
static bool is_punctuation(char c) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

void eval_normalize_answer(wt_str s, wt_buf *out) {
    wt_buf plain = {0};
    for (size_t i = 0; i < s.len; i++)
        if (!is_punctuation(s.ptr[i]))
            wt_buf_add_char(&plain, is_space(s.ptr[i]) ? ' ' : lower(s.ptr[i]));
    wt_str rest = wt_buf_view(&plain);
    bool first = true;
    while (rest.len) {
        wt_str word = wt_str_cut(&rest, ' ');
        if (word.len == 0 || wt_str_eq(word, WT_STR("a")) || wt_str_eq(word, WT_STR("an")) ||
            wt_str_eq(word, WT_STR("the")))
            continue;
        if (!first)
            wt_buf_add_char(out, ' ');
        wt_buf_add_str(out, word);
        first = false;
    }
    wt_buf_free(&plain);
}

static int str_order(const void *a, const void *b) { return wt_str_cmp(*(const wt_str *)a, *(const wt_str *)b); }

/* Words in common, as often as both have them. Sorts both. */
static size_t overlap(words *a, words *b) {
    size_t i = 0, k = 0, common = 0;
    if (a->n)
        qsort(a->word, a->n, sizeof *a->word, str_order);
    if (b->n)
        qsort(b->word, b->n, sizeof *b->word, str_order);
    while (i < a->n && k < b->n) {
        int order = wt_str_cmp(a->word[i], b->word[k]);
        common += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    return common;
}

static double f_measure(size_t common, size_t n_a, size_t n_b) {
    if (common == 0)
        return 0;
    double p = (double)common / (double)n_a, r = (double)common / (double)n_b;
    return 2 * p * r / (p + r);
}

double eval_f1(wt_str prediction, wt_str gold) {
    wt_buf p = {0}, g = {0};
    words a = {0}, b = {0};
    eval_normalize_answer(prediction, &p);
    eval_normalize_answer(gold, &g);
    words_split(&a, wt_buf_view(&p));
    words_split(&b, wt_buf_view(&g));
    double f1 = a.n == 0 || b.n == 0 ? a.n == b.n : f_measure(overlap(&a, &b), a.n, b.n);
    free(a.word);
    free(b.word);
    wt_buf_free(&p);
    wt_buf_free(&g);
    return f1;
}

bool eval_exact(wt_str prediction, wt_str gold) {
    wt_buf p = {0}, g = {0};
    eval_normalize_answer(prediction, &p);
    eval_normalize_answer(gold, &g);
    bool same = wt_str_eq(wt_buf_view(&p), wt_buf_view(&g));
    wt_buf_free(&p);
    wt_buf_free(&g);
    return same;
}

/* ---- Porter's stemmer, with the extensions of NLTK that rouge-score uses ---- */
static bool is_consonant(const char *w, int i) {
    switch (w[i]) {
    case 'a': case 'e': case 'i': case 'o': case 'u': return false;
    case 'y': return i == 0 || !is_consonant(w, i - 1);
    default: return true;
    }
}

/* m of [C](VC)^m[V] for the first n letters. */
static int measure(const char *w, int n) {
    int m = 0;
    for (int i = 1; i < n; i++)
        m += is_consonant(w, i) && !is_consonant(w, i - 1);
    return m;
}

static bool has_vowel(const char *w, int n) {
    for (int i = 0; i < n; i++)
        if (!is_consonant(w, i))
            return true;
    return false;
}

static bool ends(const char *w, const char *suffix) {
    size_t n = strlen(w), k = strlen(suffix);
    return n >= k && memcmp(w + n - k, suffix, k) == 0;
}

static bool double_consonant(const char *w, int n) { return n >= 2 && w[n - 1] == w[n - 2] && is_consonant(w, n - 1); }

/* consonant-vowel-consonant, the last not w, x or y; or, as NLTK, a word of vowel-consonant. */
static bool cvc(const char *w, int n) {
    if (n == 2)
        return !is_consonant(w, 0) && is_consonant(w, 1);
    return n >= 3 && is_consonant(w, n - 3) && !is_consonant(w, n - 2) && is_consonant(w, n - 1) && !strchr("wxy", w[n - 1]);
}

static void cut(char *w, size_t suffix, const char *with) { strcpy(w + strlen(w) - suffix, with); }

typedef struct {
    const char *suffix, *with;
} rule;

/* The first rule whose suffix matches decides; it acts where the stem's measure is above m_min. */
static bool apply(char *w, const rule *rules, int m_min) {
    for (; rules->suffix; rules++)
        if (ends(w, rules->suffix)) {
            int stem = (int)(strlen(w) - strlen(rules->suffix));
            if (measure(w, stem) > m_min)
                cut(w, strlen(rules->suffix), rules->with);
            return true;
        }
    return false;
}

static void step_1a(char *w) {
    if (ends(w, "ies") && strlen(w) == 4)
        cut(w, 3, "ie");
    else if (ends(w, "sses"))
        cut(w, 2, "");
    else if (ends(w, "ies"))
        cut(w, 3, "i");
    else if (ends(w, "s") && !ends(w, "ss"))
        cut(w, 1, "");
}

static void step_1b(char *w) {
    int n = (int)strlen(w);
    if (ends(w, "ied")) {
        cut(w, 3, n == 4 ? "ie" : "i");
        return;
    }
    if (ends(w, "eed")) {
        if (measure(w, n - 3) > 0)
            cut(w, 1, "");
        return;
    }
    int stem = ends(w, "ed") ? n - 2 : ends(w, "ing") ? n - 3 : 0;
    if (stem <= 0 || !has_vowel(w, stem))
        return;
    w[stem] = 0;
    if (ends(w, "at") || ends(w, "bl") || ends(w, "iz"))
        strcat(w, "e");
    else if (double_consonant(w, stem) && !strchr("lsz", w[stem - 1]))
        w[stem - 1] = 0;
    else if (measure(w, stem) == 1 && cvc(w, stem))
        strcat(w, "e");
}

static void step_2(char *w) {
    static const rule rules[] = {
        {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"}, {"bli", "ble"},
        {"alli", "al"}, {"entli", "ent"}, {"eli", "e"}, {"ousli", "ous"}, {"ization", "ize"}, {"ation", "ate"},
        {"ator", "ate"}, {"alism", "al"}, {"iveness", "ive"}, {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},
        {"iviti", "ive"}, {"biliti", "ble"}, {"fulli", "ful"}, {NULL, NULL}};
    int n = (int)strlen(w);
    if (ends(w, "alli") && measure(w, n - 4) > 0) {
        cut(w, 4, "al");
        step_2(w);
        return;
    }
    if (!apply(w, rules, 0) && ends(w, "logi") && measure(w, n - 3) > 0)
        cut(w, 1, "");
}

static void step_3(char *w) {
    static const rule rules[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                 {"ical", "ic"}, {"ful", ""}, {"ness", ""}, {NULL, NULL}};
    apply(w, rules, 0);
}

static void step_4(char *w) {
    static const rule first[] = {{"al", ""}, {"ance", ""}, {"ence", ""}, {"er", ""}, {"ic", ""}, {"able", ""}, {"ible", ""},
                                 {"ant", ""}, {"ement", ""}, {"ment", ""}, {"ent", ""}, {NULL, NULL}};
    static const rule last[] = {{"ou", ""}, {"ism", ""}, {"ate", ""}, {"iti", ""}, {"ous", ""}, {"ive", ""},
                                {"ize", ""}, {NULL, NULL}};
    int n = (int)strlen(w);
    if (apply(w, first, 1))
        return;
    if (ends(w, "ion")) {
        if (n > 3 && (w[n - 4] == 's' || w[n - 4] == 't') && measure(w, n - 3) > 1)
            cut(w, 3, "");
        return;
    }
    apply(w, last, 1);
}

static void step_5(char *w) {
    int n = (int)strlen(w);
    if (ends(w, "e") && (measure(w, n - 1) > 1 || (measure(w, n - 1) == 1 && !cvc(w, n - 1))))
        w[--n] = 0;
    if (n > 1 && w[n - 1] == 'l' && w[n - 2] == 'l' && measure(w, n - 1) > 1)
        w[n - 1] = 0;
}

void eval_porter_stem(char *w) {
    static const rule irregular[] = {
        {"skies", "sky"}, {"sky", "sky"}, {"dying", "die"}, {"lying", "lie"}, {"tying", "tie"}, {"news", "news"},
        {"innings", "inning"}, {"inning", "inning"}, {"outings", "outing"}, {"outing", "outing"},
        {"cannings", "canning"}, {"canning", "canning"}, {"howe", "howe"}, {"proceed", "proceed"},
        {"exceed", "exceed"}, {"succeed", "succeed"}, {NULL, NULL}};
    for (const rule *r = irregular; r->suffix; r++)
        if (strcmp(w, r->suffix) == 0) {
            strcpy(w, r->with);
            return;
        }
    if (strlen(w) <= 2)
        return;
    step_1a(w);
    step_1b(w);
    int n = (int)strlen(w);
    /* y after a consonant that is not the word's first letter */
    if (n > 2 && w[n - 1] == 'y' && is_consonant(w, n - 2))
        w[n - 1] = 'i';
    step_2(w);
    step_3(w);
    step_4(w);
    step_5(w);
}

/* ---- ROUGE ---- */

/* Lower-case runs of letters and digits; those of more than three are stemmed. */
static void rouge_words(wt_str s, bool stem, wt_arena *arena, words *out) {
    out->n = 0;
    for (size_t i = 0; i < s.len;) {
        char c = lower(s.ptr[i]);
        size_t begin = i;
        while (i < s.len && (c = lower(s.ptr[i]), (c >= 'a' && c <= 'z') || is_digit(c)))
            i++;
        if (i == begin) {
            i++;
            continue;
        }
        char *word = wt_arena_alloc(arena, i - begin + 2);      /* a stem may be one letter longer before it ends */
        for (size_t k = begin; k < i; k++)
            word[k - begin] = lower(s.ptr[k]);
        word[i - begin] = 0;
        if (stem && i - begin > 3)
            eval_porter_stem(word);
        words_add(out, wt_str_of(word));
    }
}

static double rouge_n(const words *p, const words *r, size_t n, wt_arena *arena) {
    words a = {0}, b = {0};
    for (int side = 0; side < 2; side++) {
        const words *from = side ? r : p;
        for (size_t i = 0; i + n <= from->n; i++) {
            wt_buf gram = {0};
            for (size_t k = 0; k < n; k++) {
                wt_buf_add_str(&gram, from->word[i + k]);
                wt_buf_add_char(&gram, ' ');
            }
            words_add(side ? &b : &a, wt_arena_copy(arena, wt_buf_view(&gram)));
            wt_buf_free(&gram);
        }
    }
    double f = f_measure(overlap(&a, &b), a.n, b.n);
    free(a.word);
    free(b.word);
    return f;
}

/* table[i][k]: longest common subsequence of the first i words of a and the first k of b. */
static uint32_t *lcs_table(const words *a, const words *b) {
    size_t width = b->n + 1;
    uint32_t *t = wt_xcalloc((a->n + 1) * width, sizeof *t);
    for (size_t i = 1; i <= a->n; i++)
        for (size_t k = 1; k <= b->n; k++) {
            uint32_t up = t[(i - 1) * width + k], left = t[i * width + k - 1];
            t[i * width + k] = wt_str_eq(a->word[i - 1], b->word[k - 1]) ? t[(i - 1) * width + k - 1] + 1
                               : up > left                               ? up
                                                                         : left;
        }
    return t;
}

static double rouge_l(const words *p, const words *r) {
    uint32_t *t = lcs_table(r, p);
    double f = f_measure(t[(r->n + 1) * (p->n + 1) - 1], p->n, r->n);
    free(t);
    return f;
}

/* Marks the words of reference sentence r that one longest common subsequence with p takes. */
static void lcs_mark(const words *r, const words *p, bool *hit) {
    uint32_t *t = lcs_table(r, p);
    size_t i = r->n, k = p->n, width = p->n + 1;
    while (i > 0 && k > 0) {
        if (wt_str_eq(r->word[i - 1], p->word[k - 1]))
            hit[i - 1] = true, i--, k--;
        else if (t[i * width + k - 1] > t[(i - 1) * width + k])
            k--;
        else
            i--;
    }
    free(t);
}

typedef struct {
    words *sentence;
    size_t n, cap, n_words;
} sentences;

static void sentences_split(sentences *s, wt_str text, bool stem, wt_arena *arena) {
    while (text.len) {
        wt_str line = wt_str_cut(&text, '\n');
        WT_GROW(s->sentence, s->cap, s->n + 1);
        s->sentence[s->n] = (words){0};
        rouge_words(line, stem, arena, &s->sentence[s->n]);
        s->n_words += s->sentence[s->n++].n;
    }
}

static void sentences_free(sentences *s) {
    for (size_t i = 0; i < s->n; i++)
        free(s->sentence[i].word);
    free(s->sentence);
}

static void all_words(const sentences *s, words *out) {
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->sentence[i].n; k++)
            words_add(out, s->sentence[i].word[k]);
}

/* Each reference sentence's union of subsequences with all predicted sentences; a word counts no more often than
 * both texts have it. */
static double rouge_lsum(wt_str prediction, wt_str reference, bool stem, wt_arena *arena) {
    sentences p = {0}, r = {0};
    words hits = {0}, pool = {0};
    sentences_split(&p, prediction, stem, arena);
    sentences_split(&r, reference, stem, arena);
    all_words(&p, &pool);
    for (size_t i = 0; i < r.n; i++) {
        const words *s = &r.sentence[i];
        bool *hit = wt_xcalloc(s->n + 1, 1);
        for (size_t k = 0; k < p.n; k++)
            lcs_mark(s, &p.sentence[k], hit);
        for (size_t k = 0; k < s->n; k++)
            if (hit[k])
                words_add(&hits, s->word[k]);
        free(hit);
    }
    /* Hits come from the reference, so only the prediction can have a word less often. */
    double f = f_measure(overlap(&hits, &pool), p.n_words, r.n_words);
    free(hits.word);
    free(pool.word);
    sentences_free(&p);
    sentences_free(&r);
    return f;
}

eval_rouge eval_rouge_of(wt_str prediction, wt_str reference, bool stem) {
    wt_arena *arena = wt_arena_new(0);
    words p = {0}, r = {0};
    rouge_words(prediction, stem, arena, &p);
    rouge_words(reference, stem, arena, &r);
    eval_rouge out = {.rouge1 = rouge_n(&p, &r, 1, arena), .rouge2 = rouge_n(&p, &r, 2, arena),
                      .rougeL = rouge_l(&p, &r), .rougeLsum = rouge_lsum(prediction, reference, stem, arena)};
    free(p.word);
    free(r.word);
    wt_arena_free(arena);
    return out;
}

/* ---- BLEU ---- */
/* Every ASCII sign but ' , - . stands alone. */
static bool splits(char c) { return c == '&' || (is_punctuation(c) && !strchr("&',-.", c)); }

/* One pass of mteval-v13a over bytes: `left` and `right` say what stands beside the sign. */
static void pass_signs(wt_buf *text) {
    wt_buf out = {0};
    for (size_t i = 0; i < text->len; i++) {
        char c = text->ptr[i];
        if (splits(c))
            wt_buf_printf(&out, " %c ", c);
        else
            wt_buf_add_char(&out, c);
    }
    wt_buf_free(text);
    *text = out;
}

/* ([^0-9])([.,]) -> "\1 \2 ", not overlapping, as a regular expression substitutes. */
static void pass_before(wt_buf *text) {
    wt_buf out = {0};
    for (size_t i = 0; i < text->len; i++) {
        char c = text->ptr[i], next = i + 1 < text->len ? text->ptr[i + 1] : 0;
        wt_buf_add_char(&out, c);
        if (!is_digit(c) && (next == '.' || next == ',')) {
            wt_buf_printf(&out, " %c ", next);
            i++;
        }
    }
    wt_buf_free(text);
    *text = out;
}

/* ([.,])([^0-9]) -> " \1 \2" */
static void pass_after(wt_buf *text) {
    wt_buf out = {0};
    for (size_t i = 0; i < text->len; i++) {
        char c = text->ptr[i];
        if ((c == '.' || c == ',') && i + 1 < text->len && !is_digit(text->ptr[i + 1])) {
            wt_buf_printf(&out, " %c ", c);
            wt_buf_add_char(&out, text->ptr[++i]);
        } else {
            wt_buf_add_char(&out, c);
        }
    }
    wt_buf_free(text);
    *text = out;
}

/* ([0-9])(-) -> "\1 \2 " */
static void pass_dash(wt_buf *text) {
    wt_buf out = {0};
    for (size_t i = 0; i < text->len; i++) {
        wt_buf_add_char(&out, text->ptr[i]);
        if (is_digit(text->ptr[i]) && i + 1 < text->len && text->ptr[i + 1] == '-')
            wt_buf_add_str(&out, WT_STR(" - ")), i++;
    }
    wt_buf_free(text);
    *text = out;
}

/* Length of the white space at p, 0 if none: what Python's split() takes, in UTF-8. */
static size_t space_at(const char *p, const char *end) {
    const uint8_t *u = (const uint8_t *)p;
    size_t left = (size_t)(end - p);
    if (is_space(*p) || (u[0] >= 0x1c && u[0] <= 0x1f))
        return 1;
    if (left >= 2 && u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0))
        return 2;
    if (left >= 3 && ((u[0] == 0xe1 && u[1] == 0x9a && u[2] == 0x80) ||
                      (u[0] == 0xe2 && u[1] == 0x80 && (u[2] <= 0x8a || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf)) ||
                      (u[0] == 0xe2 && u[1] == 0x81 && u[2] == 0x9f) || (u[0] == 0xe3 && u[1] == 0x80 && u[2] == 0x80)))
        return 3;
    return 0;
}

void eval_bleu_tokenize(wt_str s, wt_buf *out) {
    wt_buf text = {0};
    while (s.len && is_space(s.ptr[s.len - 1]))
        s.len--;
    wt_buf_add_str(&text, s);
    wt_buf_replace(&text, "<skipped>", "");
    wt_buf_replace(&text, "-\n", "");
    wt_buf_replace(&text, "\n", " ");
    wt_buf_replace(&text, "&quot;", "\"");
    wt_buf_replace(&text, "&amp;", "&");
    wt_buf_replace(&text, "&lt;", "<");
    wt_buf_replace(&text, "&gt;", ">");
    wt_buf padded = {0};
    wt_buf_printf(&padded, " %.*s ", WT_FMT(wt_buf_view(&text)));
    pass_signs(&padded);
    pass_before(&padded);
    pass_after(&padded);
    pass_dash(&padded);
    bool first = true;
    for (const char *p = padded.ptr, *end = padded.ptr + padded.len; p < end;) {
        size_t n = space_at(p, end);
        const char *begin = p;
        if (n) {
            p += n;
            continue;
        }
        while (p < end && space_at(p, end) == 0)
            p++;
        if (!first)
            wt_buf_add_char(out, ' ');
        wt_buf_add(out, begin, (size_t)(p - begin));
        first = false;
    }
    wt_buf_free(&padded);
    wt_buf_free(&text);
}

typedef struct {
    uint64_t match[4], total[4], hypothesis, reference;
} bleu_counts;

static void bleu_add(bleu_counts *c, wt_str hypothesis, wt_str reference) {
    wt_buf h = {0}, r = {0};
    words hw = {0}, rw = {0};
    wt_arena *arena = wt_arena_new(0);
    eval_bleu_tokenize(hypothesis, &h);
    eval_bleu_tokenize(reference, &r);
    words_split(&hw, wt_buf_view(&h));
    words_split(&rw, wt_buf_view(&r));
    c->hypothesis += hw.n;
    c->reference += rw.n;
    for (size_t n = 1; n <= 4; n++) {
        words a = {0}, b = {0};
        /* Words are joined by single blanks, so an n-gram is a slice of the text. */
        for (size_t i = 0; i + n <= hw.n; i++)
            words_add(&a, (wt_str){hw.word[i].ptr, (size_t)(hw.word[i + n - 1].ptr + hw.word[i + n - 1].len - hw.word[i].ptr)});
        for (size_t i = 0; i + n <= rw.n; i++)
            words_add(&b, (wt_str){rw.word[i].ptr, (size_t)(rw.word[i + n - 1].ptr + rw.word[i + n - 1].len - rw.word[i].ptr)});
        c->match[n - 1] += overlap(&a, &b);
        c->total[n - 1] += a.n;
        free(a.word);
        free(b.word);
    }
    free(hw.word);
    free(rw.word);
    wt_buf_free(&h);
    wt_buf_free(&r);
    wt_arena_free(arena);
}

double eval_bleu(const wt_str *hypotheses, const wt_str *references, size_t n) {
    bleu_counts c = {0};
    double sum = 0, zeros = 1;
    for (size_t i = 0; i < n; i++)
        bleu_add(&c, hypotheses[i], references[i]);
    if (c.match[0] + c.match[1] + c.match[2] + c.match[3] == 0)
        return 0;
    for (int k = 0; k < 4; k++) {
        if (c.total[k] == 0)
            return 0;
        double precision = 100.0 * (double)c.match[k] / (double)c.total[k];
        if (c.match[k] == 0)
            zeros *= 2, precision = 100.0 / (zeros * (double)c.total[k]);
        sum += log(precision);
    }
    double brevity = c.hypothesis < c.reference ? exp(1 - (double)c.reference / (double)c.hypothesis) : 1;
    return brevity * exp(sum / 4);
}

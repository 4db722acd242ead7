/* eval_detok.c - the benchmarks' texts come as tokens between blanks ("did n't", "1 @,@ 000", " = Title = ");
 * a model of real text must see them as they were written. The paper used "invertible de-tokenizers", so that
 * the probability of the result is one of the original; they were never published. Ours:
 *
 * A line's tokens are glued into chunks ("word" "," -> "word,") wherever chunk_split(), the inverse on one
 * chunk, gives back exactly the same tokens; else they stay apart. A token that the inverse would split by
 * itself is marked with a backslash before it; a line that is not " token token " (or, in 1BW, "token token")
 * is kept whole behind "\ ". So the inverse is exact by construction, and the rules only decide how natural
 * the text looks. */
#include <stdlib.h>

#include "train/eval.h"

enum { TOKENS_MAX = 4096 };     /* of a chunk; longer runs stay apart */

typedef struct {
    bool padded;                /* lines are " a b " */
    bool infix;                 /* @-@ @,@ @.@ stand for - , . inside words and numbers */
    bool nt;                    /* "n't" is a token; else "'t" is */
    const char *open, *close;   /* one-character tokens that stand at a word's front and end */
    bool full_stop;             /* "." is a token of its own at a sentence's end */
} detok_rules;

static const detok_rules RULES[] = {
    [EVAL_DETOK_NONE] = {0},
    [EVAL_DETOK_WIKITEXT] = {true, true, false, "([{\"'$", ",;:!?)]}\"'%", true},
    [EVAL_DETOK_PTB] = {true, false, true, "$#", ",;:!?%'", false},
    [EVAL_DETOK_1BW] = {false, false, false, "([{\"'$", ",;:!?)]}\"'%", true},
};

/* ---- the inverse, one chunk ---- */
typedef struct {
    wt_str token[TOKENS_MAX];
    size_t n;
} token_list;

static bool list_add(token_list *l, wt_str s) {
    if (l->n == TOKENS_MAX)
        return false;
    l->token[l->n++] = s;
    return true;
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

/* "U.S", "Mr", "J": what a full stop belongs to. */
static bool abbreviation(wt_str s) {
    static const char *const words[] = {"Mr", "Mrs", "Ms", "Dr", "St", "No", "Jr", "Sr", "Gov", "Gen",
                                        "Sen", "Rep", "Capt", "Lt", "Col", "Sgt", "Bros", "Co", "Corp",
                                        "Inc", "Ltd", "vs", "var", "Ft", "Mt", "Sept", "Oct", "Nov",
                                        "Dec", "Jan", "Feb", "Aug", "Prof", "Rev"};
    if (s.len == 1)
        return s.ptr[0] >= 'A' && s.ptr[0] <= 'Z';
    if (memchr(s.ptr, '.', s.len))
        return true;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (wt_str_eq(s, wt_str_of(words[i])))
            return true;
    return false;
}

static bool all_of(wt_str s, char c) {
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] != c)
            return false;
    return s.len > 0;
}

/* Length of a contraction at the end of s that has `before` bytes or more before it; 0 if none. */
static size_t contraction(const detok_rules *r, wt_str s, size_t before) {
    static const char *const ends[] = {"'s", "'m", "'d", "'re", "'ve", "'ll", "'t"};
    if (r->nt && s.len >= 3 + before && memcmp(s.ptr + s.len - 3, "n't", 3) == 0)
        return 3;
    for (size_t i = 0; i < sizeof ends / sizeof *ends - (r->nt ? 1 : 0); i++) {
        size_t n = strlen(ends[i]);
        if (s.len >= n + before && memcmp(s.ptr + s.len - n, ends[i], n) == 0)
            return n;
    }
    return 0;
}

/* A place in s where an infix sign was glued; 0 if none. */
static size_t infix_place(wt_str s) {
    for (size_t i = 1; i + 1 < s.len; i++) {
        char before = s.ptr[i - 1], at = s.ptr[i], after = s.ptr[i + 1];
        if ((at == '-' && before != '-' && after != '-') ||
            ((at == ',' || at == '.') && is_digit(before) && is_digit(after)))
            return i;
    }
    return 0;
}

static bool core_split(const detok_rules *r, wt_str s, token_list *out) {
    size_t place;
    while (r->infix && (place = infix_place(s)) > 0) {
        if (!core_split(r, (wt_str){s.ptr, place}, out) ||
            !list_add(out, s.ptr[place] == '-'   ? WT_STR("@-@")
                           : s.ptr[place] == ',' ? WT_STR("@,@")
                                                 : WT_STR("@.@")))
            return false;
        s.ptr += place + 1, s.len -= place + 1;
    }
    size_t end = contraction(r, s, 1);
    if (end) {
        wt_str tail = {s.ptr + s.len - end, end};
        return core_split(r, (wt_str){s.ptr, s.len - end}, out) && list_add(out, tail);
    }
    return list_add(out, s);
}

/* Signs at the end of s, from the last: how many bytes, 0 if none. */
static size_t closing(const detok_rules *r, wt_str s) {
    char last = s.ptr[s.len - 1];
    if (last == '.' && r->full_stop) {
        if (s.len > 3 && memcmp(s.ptr + s.len - 3, "...", 3) == 0)
            return 3;
        return abbreviation((wt_str){s.ptr, s.len - 1}) ? 0 : 1;
    }
    return last && strchr(r->close, last) ? 1 : 0;
}

static bool chunk_split(const detok_rules *r, wt_str s, token_list *out) {
    wt_str tail[64];
    size_t n_tail = 0, n;
    out->n = 0;
    if (s.len && s.ptr[0] == '\\')
        return list_add(out, (wt_str){s.ptr + 1, s.len - 1});
    if (r->infix && s.len > 1 && all_of(s, '=')) {          /* == Heading == */
        for (size_t i = 0; i < s.len; i++)
            if (!list_add(out, WT_STR("=")))
                return false;
        return true;
    }
    while (s.len > 1 && strchr(r->open, s.ptr[0]) && s.ptr[0]) {
        if (s.ptr[0] == '\'' && contraction(r, s, 0) == s.len)
            break;                                          /* 's by itself */
        if (!list_add(out, (wt_str){s.ptr, 1}))
            return false;
        s.ptr++, s.len--;
    }
    while (s.len > 1 && n_tail < 64 && (n = closing(r, s)) > 0) {
        s.len -= n;
        tail[n_tail++] = (wt_str){s.ptr + s.len, n};
    }
    if (s.len && !core_split(r, s, out))
        return false;
    while (n_tail)
        if (!list_add(out, tail[--n_tail]))
            return false;
    return true;
}

/* ---- gluing ---- */
typedef struct {
    const detok_rules *rules;
    wt_buf chunk;
    const wt_str *token;        /* of the line */
    size_t first;               /* token of the line that the chunk begins with */
    token_list split;
} gluing;

/* True if the chunk's text gives back tokens first .. end - 1 of the line. */
static bool chunk_holds(gluing *g, size_t end) {
    if (!chunk_split(g->rules, wt_buf_view(&g->chunk), &g->split) || g->split.n != end - g->first)
        return false;
    for (size_t i = 0; i < g->split.n; i++)
        if (!wt_str_eq(g->split.token[i], g->token[g->first + i]))
            return false;
    return true;
}

static wt_str surface(const detok_rules *r, wt_str token) {
    if (r->infix && token.len == 3 && token.ptr[0] == '@' && token.ptr[2] == '@')
        return (wt_str){token.ptr + 1, 1};
    return token;
}

static bool is_infix(const detok_rules *r, wt_str t) {
    return r->infix && (wt_str_eq(t, WT_STR("@-@")) || wt_str_eq(t, WT_STR("@,@")) ||
                        wt_str_eq(t, WT_STR("@.@")));
}

static bool one_of(wt_str t, const char *signs) {
    return t.len == 1 && t.ptr[0] && strchr(signs, t.ptr[0]);
}

/* Whether token i wants to stand directly behind the one before it, as far as looks go. */
static bool wants_glue(const detok_rules *r, const wt_str *t, size_t i, bool quote_open,
                       bool opened) {
    if (opened)                                             /* behind an opening sign */
        return true;
    if (one_of(t[i], "\"") && strchr(r->close, '"'))
        return quote_open;
    if (one_of(t[i], "'"))                                  /* boys ' */
        return t[i - 1].len > 1 && t[i - 1].ptr[t[i - 1].len - 1] == 's';
    if (r->infix && all_of(t[i], '=') && all_of(t[i - 1], '='))
        return true;
    if (r->full_stop && (wt_str_eq(t[i], WT_STR(".")) || wt_str_eq(t[i], WT_STR("..."))))
        return true;
    if (one_of(t[i], r->close) && !one_of(t[i], "'\""))
        return true;
    char last = t[i - 1].ptr[t[i - 1].len - 1];             /* a contraction behind a word */
    return contraction(r, t[i], 0) == t[i].len && (is_letter(last) || is_digit(last) || last == '>');
}

static void chunk_begin(gluing *g, size_t i) {
    g->first = i;
    wt_buf_clear(&g->chunk);
    wt_buf_add_str(&g->chunk, g->token[i]);
    if (!chunk_holds(g, i + 1)) {
        wt_buf_clear(&g->chunk);
        wt_buf_add_char(&g->chunk, '\\');
        wt_buf_add_str(&g->chunk, g->token[i]);
    }
}

/* Lengthens the chunk by tokens i .. i + n - 1 if the inverse allows it. */
static bool chunk_extend(gluing *g, size_t i, size_t n) {
    size_t before = g->chunk.len;
    for (size_t k = 0; k < n; k++)
        wt_buf_add_str(&g->chunk, surface(g->rules, g->token[i + k]));
    if (g->chunk.ptr[0] != '\\' && chunk_holds(g, i + n))
        return true;
    g->chunk.len = before;
    g->chunk.ptr[before] = 0;
    return false;
}

static void line_glue(gluing *g, size_t n, wt_buf *out) {
    const detok_rules *r = g->rules;
    bool quote_open = false, opened = false;
    for (size_t i = 0; i < n;) {
        wt_str t = g->token[i];
        bool opens = (one_of(t, r->open) && !one_of(t, "\"'")) ||
                     (one_of(t, "\"") && *r->open && strchr(r->open, '"') && !quote_open);
        size_t take = 1;
        if (i == 0) {
            chunk_begin(g, i);
        } else if (is_infix(r, t) && i + 1 < n && chunk_extend(g, i, 2)) {
            take = 2;
        } else if (is_infix(r, t) || !wants_glue(r, g->token, i, quote_open, opened) ||
                   !chunk_extend(g, i, 1)) {
            wt_buf_add_str(out, wt_buf_view(&g->chunk));
            wt_buf_add_char(out, ' ');
            chunk_begin(g, i);
        }
        if (one_of(t, "\""))
            quote_open = !quote_open;
        opened = opens;
        i += take;
    }
    if (n)
        wt_buf_add_str(out, wt_buf_view(&g->chunk));
}

/* ---- lines ---- */

/* Cuts a line into its tokens; -1 where it is not of the shape that the rules expect. */
static ptrdiff_t line_tokens(const detok_rules *r, wt_str line, wt_str **token, size_t *cap) {
    size_t n = 0;
    if (r->padded) {
        if (line.len < 1 || line.ptr[0] != ' ')
            return -1;
        line.ptr++, line.len--;
        if (line.len == 0)
            return 0;
        if (line.ptr[line.len - 1] != ' ')
            return -1;
        line.len--;
    } else if (line.len == 0) {
        return 0;
    }
    for (const char *p = line.ptr, *end = line.ptr + line.len;;) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        const char *stop = blank ? blank : end;
        if (stop == p)
            return -1;
        WT_GROW(*token, *cap, n + 1);
        (*token)[n++] = (wt_str){p, (size_t)(stop - p)};
        if (!blank)
            return (ptrdiff_t)n;
        p = blank + 1;
    }
}

void eval_detokenize(eval_detok rules, wt_str text, wt_buf *out) {
    wt_str *token = NULL;
    size_t cap = 0;
    gluing *g = wt_xcalloc(1, sizeof *g);
    if (rules == EVAL_DETOK_NONE)
        wt_buf_add_str(out, text);
    g->rules = &RULES[rules];
    for (size_t at = 0; rules != EVAL_DETOK_NONE && at < text.len;) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        wt_str line = {text.ptr + at, end ? (size_t)(end - text.ptr) - at : text.len - at};
        bool last = end == NULL;
        ptrdiff_t n = line_tokens(g->rules, line, &token, &cap);
        if (n < 0) {
            wt_buf_add_str(out, WT_STR("\\ "));
            wt_buf_add_str(out, line);
        } else {
            g->token = token;
            line_glue(g, (size_t)n, out);
            /* A padded text that ends in an empty line without '\n' would leave no trace. */
            if (last && n == 0)
                wt_buf_add_str(out, WT_STR("\\  "));
        }
        if (last)
            break;
        wt_buf_add_char(out, '\n');
        at += line.len + 1;
    }
    wt_buf_free(&g->chunk);
    free(g);
    free(token);
}

static void line_retokenize(const detok_rules *r, wt_str line, token_list *list, wt_buf *out) {
    if (wt_str_starts(line, WT_STR("\\ "))) {
        wt_buf_add(out, line.ptr + 2, line.len - 2);
        return;
    }
    if (r->padded)
        wt_buf_add_char(out, ' ');
    for (const char *p = line.ptr, *end = line.ptr + line.len; line.len;) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        chunk_split(r, (wt_str){p, (size_t)((blank ? blank : end) - p)}, list);
        for (size_t i = 0; i < list->n; i++) {
            if (i || p != line.ptr)
                wt_buf_add_char(out, ' ');
            wt_buf_add_str(out, list->token[i]);
        }
        if (!blank)
            break;
        p = blank + 1;
    }
    if (r->padded && line.len)
        wt_buf_add_char(out, ' ');
}

void eval_retokenize(eval_detok rules, wt_str text, wt_buf *out) {
    token_list *list = wt_xmalloc(sizeof *list);
    if (rules == EVAL_DETOK_NONE)
        wt_buf_add_str(out, text);
    for (size_t at = 0; rules != EVAL_DETOK_NONE && at < text.len;) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        wt_str line = {text.ptr + at, end ? (size_t)(end - text.ptr) - at : text.len - at};
        line_retokenize(&RULES[rules], line, list, out);
        if (!end)
            break;
        wt_buf_add_char(out, '\n');
        at += line.len + 1;
    }
    free(list);
}

/* ---- the harness's WikiText rules ---- */
/* Trims blanks inside each pair of signs: "( 24 in )" -> "(24 in)". */
static void pairs_trim(wt_buf *text, char open, char close) {
    wt_buf out = {0};
    wt_str rest = wt_buf_view(text);
    const char *first, *last;
    while (rest.len && (first = memchr(rest.ptr, open, rest.len)) &&
           (last = memchr(first + 1, close, (size_t)(rest.ptr + rest.len - first) - 1))) {
        wt_str inside = wt_str_trim((wt_str){first + 1, (size_t)(last - first) - 1});
        wt_buf_add(&out, rest.ptr, (size_t)(first - rest.ptr) + 1);
        wt_buf_add_str(&out, inside);
        wt_buf_add_char(&out, close);
        rest.len -= (size_t)(last + 1 - rest.ptr);
        rest.ptr = last + 1;
    }
    wt_buf_add_str(&out, rest);
    wt_buf_free(text);
    *text = out;
}

void eval_detokenize_harness(wt_str page, wt_buf *out) {
    static const char *const before[][2] = {
        {"s '", "s'"}, {" @-@ ", "-"}, {" @,@ ", ","}, {" @.@ ", "."}, {" : ", ": "}, {" ; ", "; "},
        {" . ", ". "}, {" ! ", "! "}, {" ? ", "? "}, {" , ", ", "}};
    static const char *const after[][2] = {
        {"= = = =", "===="}, {"= = =", "==="}, {"= =", "=="}, {" \xc2\xb0 ", "\xc2\xb0"},
        {" \n", "\n"}, {"\n ", "\n"}, {" N ", " 1 "}, {" 's", "'s"}};
    wt_buf text = {0};
    wt_buf_add_str(&text, page);
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        wt_buf_replace(&text, before[i][0], before[i][1]);
    pairs_trim(&text, '(', ')');
    pairs_trim(&text, '[', ']');
    pairs_trim(&text, '{', '}');
    pairs_trim(&text, '"', '"');
    pairs_trim(&text, '\'', '\'');
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        wt_buf_replace(&text, after[i][0], after[i][1]);
    wt_buf_add_str(out, wt_buf_view(&text));
    wt_buf_free(&text);
}

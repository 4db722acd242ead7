/* split.c - patterns by name, by their known expressions, or through PCRE2; and the choice of the
 * machine that runs. A user's expression is compiled with PCRE2's own Unicode tables (UCP) and
 * matched over the whole document; text between matches is a pretoken of its own, as in Hugging
 * Face's "Isolated" behaviour, and bytes that are not UTF-8 never match. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#include "bpe/split.h"
#include "common/unicode.h"
#include "common/utf8.h"

struct bpe_splitter {
    bpe_split_kind kind;
    char *regex;                    /* as the user or the file wrote it */
    pcre2_code *code;               /* REGEX only */
    uint8_t class_of[65536];        /* of the basic plane, for the vector machines */
    bpe_split_fast *fast;           /* NULL: the plain machine */
};

struct bpe_split_state {
    const bpe_splitter *splitter;
    pcre2_match_data *match;
    pcre2_jit_stack *stack;
    pcre2_match_context *context;
};

#define GPT2_REGEX "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define CL100K_REGEX                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"                      \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define O200K_UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K_LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define O200K_CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define O200K_REGEX                                                                               \
    "[^\\r\\n\\p{L}\\p{N}]?" O200K_UPPER "*" O200K_LOWER "+" O200K_CONTRACTION                    \
    "|[^\\r\\n\\p{L}\\p{N}]?" O200K_UPPER "+" O200K_LOWER "*" O200K_CONTRACTION                   \
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const struct {
    const char *name;
    bpe_split_kind kind;
} known[] = {
    {"gpt2", BPE_SPLIT_GPT2}, {GPT2_REGEX, BPE_SPLIT_GPT2},
    {"cl100k", BPE_SPLIT_CL100K}, {CL100K_REGEX, BPE_SPLIT_CL100K},
    {"o200k", BPE_SPLIT_O200K}, {O200K_REGEX, BPE_SPLIT_O200K},
    /* Other spellings that split all texts the same way: GPT-2's first release and tiktoken's, and
     * the possessive form of nanochat and minbpe. tiktoken's newer cl100k has \s++$ and cuts the
     * end of some texts otherwise; it goes through PCRE2. */
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", BPE_SPLIT_GPT2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", BPE_SPLIT_GPT2},
};

static const char *const kind_name[] = {"gpt2", "cl100k", "o200k"};
static const char *const kind_regex[] = {GPT2_REGEX, CL100K_REGEX, O200K_REGEX};

/* "gpt4" or "cl100k_base" would be an expression that matches itself alone; a name was meant. */
static bool is_bare_word(const char *name) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t n = strlen(name);
    return n > 1 && strcspn(name, letters) == 0 && strspn(name, "0123456789_-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static int compile(bpe_splitter *s, wt_err *err) {
    int code;
    PCRE2_SIZE offset;
    if (is_bare_word(s->regex))
        return wt_fail(err, WT_EARG, "pattern '%s' is unknown: gpt2, cl100k, o200k or a regular expression", s->regex);
    uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    s->code = pcre2_compile((PCRE2_SPTR)s->regex, PCRE2_ZERO_TERMINATED, options, &code, &offset,
                            NULL);
    if (!s->code) {
        PCRE2_UCHAR text[200] = "";
        pcre2_get_error_message(code, text, sizeof text);
        return wt_fail(err, WT_EARG, "pattern '%s': %s at offset %zu", s->regex, (char *)text,
                       (size_t)offset);
    }
    pcre2_jit_compile(s->code, PCRE2_JIT_COMPLETE);   /* without a JIT the interpreter runs */
    return 0;
}

static void choose_fast(bpe_splitter *s) {
    for (uint32_t cp = 0; cp < 65536; cp++)
        s->class_of[cp] = (uint8_t)wt_uc_class_of(cp);
    const char *most = getenv("WT_BPE_VECTORS");        /* "avx2", "none": for tests */
#if defined __x86_64__
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") && !most;
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && (!most || !strcmp(most, "avx2"));
    static bpe_split_fast *const with_avx512[] = {bpe_split_gpt2_avx512, bpe_split_cl100k_avx512, bpe_split_o200k_avx512};
    static bpe_split_fast *const with_avx2[] = {bpe_split_gpt2_avx2, bpe_split_cl100k_avx2, bpe_split_o200k_avx2};
    s->fast = avx512 ? with_avx512[s->kind] : avx2 ? with_avx2[s->kind] : NULL;
#endif
}

bpe_splitter *bpe_splitter_new(const char *name, wt_err *err) {
    bpe_splitter *s = wt_xcalloc(1, sizeof *s);
    s->kind = BPE_SPLIT_REGEX;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0)
            s->kind = known[i].kind;
    s->regex = wt_xstrdup(s->kind == BPE_SPLIT_REGEX ? name : kind_regex[s->kind]);
    if (s->kind != BPE_SPLIT_REGEX) {
        choose_fast(s);
    } else if (compile(s, err)) {
        bpe_splitter_free(s);
        return NULL;
    }
    return s;
}

void bpe_splitter_free(bpe_splitter *s) {
    if (!s)
        return;
    pcre2_code_free(s->code);
    free(s->regex);
    free(s);
}

bpe_split_kind bpe_splitter_kind(const bpe_splitter *s) { return s->kind; }
const char *bpe_splitter_regex(const bpe_splitter *s) { return s->regex; }
const char *bpe_splitter_name(const bpe_splitter *s) {
    return s->kind == BPE_SPLIT_REGEX ? s->regex : kind_name[s->kind];
}

bpe_split_state *bpe_split_state_new(const bpe_splitter *splitter) {
    bpe_split_state *state = wt_xcalloc(1, sizeof *state);
    state->splitter = splitter;
    if (splitter->code) {
        state->match = pcre2_match_data_create_from_pattern(splitter->code, NULL);
        state->context = pcre2_match_context_create(NULL);
        state->stack = pcre2_jit_stack_create(64 << 10, 64 << 20, NULL);
        pcre2_jit_stack_assign(state->context, NULL, state->stack);
    }
    return state;
}

void bpe_split_state_free(bpe_split_state *state) {
    if (!state)
        return;
    pcre2_match_data_free(state->match);
    pcre2_match_context_free(state->context);
    pcre2_jit_stack_free(state->stack);
    free(state);
}

/* The next match at or after `at`; an empty one is passed over, for a pretoken is never empty. */
static int regex_next(bpe_split_state *state, const uint8_t *text, size_t n, size_t at,
                      size_t *start, size_t *end, wt_err *err) {
    *start = *end = n;
    for (size_t from = at; from < n; from++) {
        int found = pcre2_match(state->splitter->code, text, n, from, 0, state->match,
                                state->context);
        if (found == PCRE2_ERROR_NOMATCH)
            break;
        if (found < 0) {
            PCRE2_UCHAR message[200] = "";
            pcre2_get_error_message(found, message, sizeof message);
            return wt_fail(err, WT_ELIMIT, "pattern '%s' at byte %zu of a text: %s",
                           state->splitter->regex, from, (char *)message);
        }
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(state->match);
        *start = span[0], *end = span[1];
        if (*end > *start)
            return 0;
        from = *end;
    }
    *start = *end = n;
    return 0;
}

static ptrdiff_t split_regex(bpe_split_state *state, const uint8_t *text, size_t n, size_t at,
                             uint32_t *ends, size_t cap, wt_err *err) {
    size_t n_ends = 0, from = at;
    while (from < n && n_ends + 2 <= cap) {
        size_t start = n, end = n;
        if (regex_next(state, text, n, from, &start, &end, err))
            return -1;
        if (start > from)
            ends[n_ends++] = (uint32_t)(start - at);
        if (end > start)
            ends[n_ends++] = (uint32_t)(end - at);
        from = end;
    }
    return (ptrdiff_t)n_ends;
}

static size_t split_plain(bpe_split_kind kind, const uint8_t *text, size_t n, size_t at,
                          uint32_t *ends, size_t cap) {
    size_t n_ends = 0;
    for (size_t i = at; i < n && n_ends < cap;) {
        i = bpe_split_plain(kind, text, n, i);
        ends[n_ends++] = (uint32_t)(i - at);
    }
    return n_ends;
}

ptrdiff_t bpe_split(bpe_split_state *state, const uint8_t *text, size_t n, size_t at,
                    uint32_t *ends, size_t cap, wt_err *err) {
    const bpe_splitter *s = state->splitter;
    if (at >= n)
        return 0;
    if (s->kind == BPE_SPLIT_REGEX)
        return split_regex(state, text, n, at, ends, cap, err);
    if (s->fast)
        return (ptrdiff_t)s->fast(s->class_of, text, n, at, ends, cap);
    return (ptrdiff_t)split_plain(s->kind, text, n, at, ends, cap);
}

/* The class of the whole character that ends before, or begins at, text[i]; false where there is none. */
static bool class_before(const uint8_t *text, size_t i, wt_uc_class *class) {
    size_t from = i - 1;
    uint32_t cp;
    while (from && i - from < 4 && (text[from] & 0xC0) == 0x80)
        from--;
    int length = wt_utf8_decode((const char *)text + from, (const char *)text + i, &cp);
    *class = length ? wt_uc_class_of(cp) : WT_UC_OTHER;
    return length && from + (size_t)length == i;
}

static bool class_at(const uint8_t *text, size_t n, size_t i, wt_uc_class *class) {
    uint32_t cp;
    int length = wt_utf8_decode((const char *)text + i, (const char *)text + n, &cp);
    *class = length ? wt_uc_class_of(cp) : WT_UC_OTHER;
    return length > 0;
}

/* All three patterns end a pretoken before a space that follows a visible character, and before an other
 * character that follows a letter or number (but marks and contractions may belong to a word); gpt2 before a newline too,
 * which in the others punctuation may take along. What follows such a place does not look back. */
size_t bpe_split_cut(const bpe_splitter *s, const uint8_t *text, size_t n) {
    if (s->kind == BPE_SPLIT_REGEX)
        return 0;
    for (size_t i = n; i-- > 1;) {
        wt_uc_class before, at;
        if ((text[i] & 0xC0) == 0x80 || !class_at(text, n, i, &at) || (at != WT_UC_SPACE && at != WT_UC_OTHER))
            continue;
        if (!class_before(text, i, &before) || before == WT_UC_SPACE)
            continue;
        bool word = (before >= WT_UC_LU && before <= WT_UC_LO) || before == WT_UC_NUMBER;
        if (text[i] == ' ' || (text[i] == '\n' && (word || s->kind == BPE_SPLIT_GPT2)) ||
            (word && at == WT_UC_OTHER && text[i] != '\''))
            return i;
    }
    return 0;
}

/* json.c - JSON as slices of its own text (RFC 8259). A value is found by where it ends: strings by
 * their closing quote, containers by counting brackets outside strings, numbers and literals by the
 * grammar. Nothing is built, so a line costs one pass and no memory. Most bytes of most JSON lie in
 * strings: these are passed over 16 bytes a step where the processor has SSE2 (all of x86-64), by bytes
 * elsewhere and near the end of the text; a test holds both to a twin. */
#include "common/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/json_impl.h"
#include "common/utf8.h"

#define DEPTH_MAX 512

static bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static inline const char *skip_space(const char *p, const char *end) {
    while (p < end && (unsigned char)*p <= ' ' && is_space(*p)) p++;
    return p;
}

/* Names the line, too, where the text has several. */
static int broken(wt_err *err, wt_str text, const char *at, const char *what) {
    size_t line = 1;
    for (const char *p = text.ptr; p < at; p++) line += *p == '\n';
    char where[32] = "";
    if (line > 1) snprintf(where, sizeof where, ", line %zu", line);
    return wt_fail(err, WT_EDATA, "bad JSON at byte %zu%s: %s", (size_t)(at - text.ptr), where, what);
}

/* ---- where values end ----
 * Each takes p at the value and returns the byte behind it; NULL with *at and *what set. */

typedef struct {
    const char *at, *what;
} problem;

static const char *bad(problem *why, const char *at, const char *what) {
    why->at = at;
    why->what = what;
    return NULL;
}

static int hex4(const char *p) {
    int x = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int digit = is_digit(c) ? c - '0'
                  : c >= 'a' && c <= 'f' ? c - 'a' + 10
                  : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
        if (digit < 0) return -1;
        x = x << 4 | digit;
    }
    return x;
}

/* Behind the escape whose backslash is at p. */
static const char *escape_end(const char *p, const char *end, problem *why) {
    if (++p == end) return bad(why, end, "a string without end");
    if (*p == 'u') return end - p < 5 || hex4(p + 1) < 0 ? bad(why, p, "a bad \\u escape") : p + 5;
    bool known = *p == '"' || *p == '\\' || *p == '/' || *p == 'n' || *p == 't' || *p == 'r' || *p == 'b' || *p == 'f';
    return known ? p + 1 : bad(why, p, "a bad escape");
}

/* The rest of a string by single bytes; p is inside. */
static const char *string_rest(const char *p, const char *end, problem *why) {
    while (p < end) {
        if (*p == '"') return p + 1;
        if ((unsigned char)*p < 0x20) return bad(why, p, "a control byte in a string");
        if (*p != '\\') p++;
        else if (!(p = escape_end(p, end, why))) return NULL;
    }
    return bad(why, end, "a string without end");
}

/* p at the opening quote. */
static inline const char *string_end(const char *p, const char *end, problem *why) {
    p++;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)p);
        __m128i special = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)),
                                       _mm_cmpeq_epi8(_mm_min_epu8(x, control), x));
        unsigned mask = (unsigned)_mm_movemask_epi8(special);
        if (!mask) {
            p += 16;
            continue;
        }
        p += __builtin_ctz(mask);
        if (*p == '"') return p + 1;
        if (*p != '\\') return bad(why, p, "a control byte in a string");
        if (!(p = escape_end(p, end, why))) return NULL;
    }
#endif
    return string_rest(p, end, why);
}

static const char *number_end(const char *p, const char *end, problem *why) {
    const char *start = p;
    if (p < end && *p == '-') p++;
    if (p < end && *p == '0') p++;
    else if (p < end && is_digit(*p)) while (p < end && is_digit(*p)) p++;
    else return bad(why, start, "not a value");
    if (p < end && *p == '.') {
        if (++p == end || !is_digit(*p)) return bad(why, p, "a number without digits");
        while (p < end && is_digit(*p)) p++;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        if (p == end || !is_digit(*p)) return bad(why, p, "a number without digits");
        while (p < end && is_digit(*p)) p++;
    }
    return p;
}

static inline const char *literal_end(const char *p, const char *end, const char *word, problem *why) {
    size_t n = strlen(word);
    if ((size_t)(end - p) < n || memcmp(p, word, n) != 0) return bad(why, p, "not a value");
    return p + n;
}

/* The container's end, by the whole grammar. `what is allowed now` is one of four states. */
static const char *container_end(const char *p, const char *end, problem *why) {
    enum { VALUE, VALUE_OR_END, KEY, KEY_OR_END, AFTER } next;
    uint64_t is_object[DEPTH_MAX / 64] = {0};
    int depth = 0;
    next = VALUE;
    for (;; p = skip_space(p, end)) {
        if (p == end) return bad(why, p, "a container without end");
        bool in_object = depth > 0 && (is_object[(depth - 1) >> 6] >> ((depth - 1) & 63) & 1);
        bool may_end = next == AFTER || next == (in_object ? KEY_OR_END : VALUE_OR_END);
        if (*p == '}' || *p == ']') {
            if (!may_end || (*p == '}') != in_object) return bad(why, p, "a bracket out of place");
            p++;
            if (--depth == 0) return p;
            next = AFTER;
        } else if (next == AFTER) {
            if (*p != ',') return bad(why, p, "no comma between members");
            p++;
            next = in_object ? KEY : VALUE;
        } else if (next == KEY || next == KEY_OR_END) {
            if (*p != '"') return bad(why, p, "a member without name");
            if (!(p = string_end(p, end, why))) return NULL;
            p = skip_space(p, end);
            if (p == end || *p != ':') return bad(why, p, "no colon behind a name");
            p++;
            next = VALUE;
        } else if (*p == '{' || *p == '[') {
            if (depth == DEPTH_MAX) return bad(why, p, "nested too deep");
            uint64_t bit = (uint64_t)1 << (depth & 63);
            if (*p == '{') is_object[depth >> 6] |= bit;
            else is_object[depth >> 6] &= ~bit;
            next = *p == '{' ? KEY_OR_END : VALUE_OR_END;
            depth++;
            p++;
        } else {
            p = *p == '"' ? string_end(p, end, why)
              : *p == 't' ? literal_end(p, end, "true", why)
              : *p == 'f' ? literal_end(p, end, "false", why)
              : *p == 'n' ? literal_end(p, end, "null", why)
                          : number_end(p, end, why);
            if (!p) return NULL;
            next = AFTER;
        }
    }
}

/* The value at p, no white space before it. Returns the byte behind it. */
static const char *value_at(const char *p, const char *end, wt_json *value, problem *why) {
    if (p == end) return bad(why, p, "no value");
    const char *stop;
    switch (*p) {
    case '"':
        if (!(stop = string_end(p, end, why))) return NULL;
        *value = (wt_json){WT_JSON_STRING, {p + 1, (size_t)(stop - p) - 2}};
        return stop;
    case '{': case '[':
        stop = container_end(p, end, why);
        value->kind = *p == '{' ? WT_JSON_OBJECT : WT_JSON_ARRAY;
        break;
    case 't': stop = literal_end(p, end, "true", why), value->kind = WT_JSON_TRUE; break;
    case 'f': stop = literal_end(p, end, "false", why), value->kind = WT_JSON_FALSE; break;
    case 'n': stop = literal_end(p, end, "null", why), value->kind = WT_JSON_NULL; break;
    default: stop = number_end(p, end, why), value->kind = WT_JSON_NUMBER; break;
    }
    if (stop) value->raw = (wt_str){p, (size_t)(stop - p)};
    return stop;
}

/* The text, whose pointer may be null where it is empty: null moves nowhere. */
static wt_str not_null(wt_str text) { return text.ptr ? text : WT_STR(""); }

int wt_json_parse(wt_str text, wt_json *value, wt_err *err) {
    problem why;
    text = not_null(text);
    const char *end = text.ptr + text.len;
    const char *p = value_at(skip_space(text.ptr, end), end, value, &why);
    if (!p) return broken(err, text, why.at, why.what);
    p = skip_space(p, end);
    return p == end ? 0 : broken(err, text, p, "bytes behind the value");
}

int wt_json_check(wt_str text, wt_err *err) {
    wt_json value;
    if (wt_json_parse(text, &value, err)) return -1;
    if (wt_utf8_valid(text)) return 0;
    const char *p = text.ptr, *end = text.ptr + text.len;
    uint32_t cp;
    for (int n; p < end && (n = wt_utf8_decode(p, end, &cp)) > 0;) p += n;
    return broken(err, text, p, "not UTF-8");
}

/* ---- walking ---- */

int wt_json_iter_init(wt_json_iter *it, wt_json container, wt_err *err) {
    if (container.kind != WT_JSON_OBJECT && container.kind != WT_JSON_ARRAY)
        return wt_fail(err, WT_EDATA, "not a JSON object or array");
    *it = (wt_json_iter){container.raw.ptr + 1, container.raw.ptr + container.raw.len - 1, false};
    return 0;
}

int wt_json_next(wt_json_iter *it, wt_str *key, wt_json *value, wt_err *err) {
    problem why;
    wt_str text = {it->at, (size_t)(it->end - it->at)};
    bool in_object = *it->end == '}';
    const char *p = skip_space(it->at, it->end);
    if (key) *key = (wt_str){0};
    if (p == it->end) return 0;
    if (it->started) {
        if (*p != ',') return broken(err, text, p, "no comma between members");
        p = skip_space(p + 1, it->end);
    }
    it->started = true;
    if (in_object) {
        if (p == it->end || *p != '"') return broken(err, text, p, "a member without name");
        const char *stop = string_end(p, it->end, &why);
        if (!stop) return broken(err, text, why.at, why.what);
        if (key) *key = (wt_str){p + 1, (size_t)(stop - p) - 2};
        p = skip_space(stop, it->end);
        if (p == it->end || *p != ':') return broken(err, text, p, "no colon behind a name");
        p = skip_space(p + 1, it->end);
    }
    const char *stop = value_at(p, it->end, value, &why);
    if (!stop) return broken(err, text, why.at, why.what);
    it->at = stop;
    return 1;
}

static bool key_is(wt_str key, wt_str name) {
    if (!memchr(key.ptr, '\\', key.len)) return wt_str_eq(key, name);
    wt_arena *arena = wt_arena_new(0);       /* rare: a name written with escapes */
    bool same = wt_str_eq(wt_json_unescape(key, arena), name);
    wt_arena_free(arena);
    return same;
}

wt_json wt_json_get(wt_json object, const char *key) {
    wt_json_iter it;
    wt_json value;
    wt_str name;
    if (object.kind != WT_JSON_OBJECT || wt_json_iter_init(&it, object, NULL)) return (wt_json){0};
    while (wt_json_next(&it, &name, &value, NULL) == 1)
        if (key_is(name, wt_str_of(key))) return value;
    return (wt_json){0};
}

void wt_json_keys_init(wt_json_keys *keys, const wt_str *name, int n) {
    *keys = (wt_json_keys){name, n, 0};
    for (int i = 0; i < n; i++) keys->filter |= wt_json_key_bit(name[i].ptr, name[i].len);
}

int wt_json_key_find_escaped(const wt_json_keys *keys, wt_str key) {
    for (int i = 0; i < keys->n; i++)
        if (key_is(key, keys->name[i])) return i;
    return -1;
}

int wt_json_pick_plain(wt_str line, const wt_json_keys *keys, wt_json *values, bool first, wt_err *err) {
    problem why;
    line = not_null(line);
    const char *end = line.ptr + line.len, *p = skip_space(line.ptr, end);
    int n_left = keys->n;
    memset(values, 0, (size_t)keys->n * sizeof *values);
    if (p == end || *p != '{') return broken(err, line, p, "not an object");
    p = skip_space(p + 1, end);
    bool started = false;
    while (!(p < end && *p == '}' && !started)) {
        if (p == end || *p != '"') return broken(err, line, p, "a member without name");
        const char *stop = string_end(p, end, &why);
        if (!stop) return broken(err, line, why.at, why.what);
        wt_str key = {p + 1, (size_t)(stop - p) - 2};
        p = skip_space(stop, end);
        if (p == end || *p != ':') return broken(err, line, p, "no colon behind a name");
        wt_json value;
        p = value_at(skip_space(p + 1, end), end, &value, &why);
        if (!p) return broken(err, line, why.at, why.what);
        int i = wt_json_key_find(keys, key, memchr(key.ptr, '\\', key.len) != NULL);
        if (i >= 0 && !(first && values[i].kind)) {
            values[i] = value;
            if (--n_left == 0 && first) return 0;
        }
        p = skip_space(p, end);
        started = true;
        if (p < end && *p == '}') break;
        if (p == end || *p != ',') return broken(err, line, p, "no comma between members");
        p = skip_space(p + 1, end);
    }
    p = skip_space(p + 1, end);
    return p == end ? 0 : broken(err, line, p, "bytes behind the object");
}

/* What this processor can run: 0 plain, 1 AVX2, 2 AVX-512. */
static int scanner(void) {
    static int known = -1;                   /* all threads would write the same */
    int level = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (level < 0) {
        level = 0;
#if defined(__x86_64__)
        if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) level = 1;
        if (level == 1 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) level = 2;
#endif
        __atomic_store_n(&known, level, __ATOMIC_RELAXED);
    }
    return level;
}

static int pick(wt_str line, const wt_str *names, int n, wt_json *values, bool first, wt_err *err) {
    wt_json_keys keys;
    wt_json_keys_init(&keys, names, n);
#if defined(__x86_64__)
    int level = scanner();
    if (level > 0) {
        memset(values, 0, (size_t)n * sizeof *values);
        int result = level == 2 ? wt_json_pick_avx512(line, &keys, values, first) : wt_json_pick_avx2(line, &keys, values, first);
        if (result == 0) return 0;
    }
#endif
    /* The plain one also says where a line is broken, and why. */
    return wt_json_pick_plain(line, &keys, values, first, err);
}

int wt_json_pick(wt_str line, const wt_str *keys, int n_keys, wt_json *values, wt_err *err) {
    return pick(line, keys, n_keys, values, false, err);
}

int wt_json_pick_first(wt_str line, const wt_str *keys, int n_keys, wt_json *values, wt_err *err) {
    return pick(line, keys, n_keys, values, true, err);
}

/* ---- values ---- */

/* Decodes one escape behind the backslash at p; *cp gets the code point. Returns the byte behind. */
static const char *unescape_one(const char *p, const char *end, uint32_t *cp) {
    static const char simple[256] = {['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f',
                                     ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    *cp = 0xFFFD;
    if (++p == end) return p;
    if (simple[(uint8_t)*p]) {
        *cp = (uint32_t)simple[(uint8_t)*p];
        return p + 1;
    }
    int unit = *p == 'u' && end - p >= 5 ? hex4(p + 1) : -1;
    if (unit < 0) return p;                  /* not an escape: the backslash becomes U+FFFD */
    p += 5;
    if (unit < 0xD800 || unit > 0xDFFF) {
        *cp = (uint32_t)unit;
    } else if (unit < 0xDC00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        int low = hex4(p + 2);
        if (low >= 0xDC00 && low <= 0xDFFF) {
            *cp = 0x10000 + ((uint32_t)(unit - 0xD800) << 10) + (uint32_t)(low - 0xDC00);
            p += 6;
        }
    }
    return p;
}

/* raw is UTF-8, so the result is no longer than raw: escapes of 2, 6 or 12 bytes become 1 to 4; only a broken
 * escape of one byte (the backslash) becomes three, and then the other way is taken. */
static bool unescape_in_place(wt_str raw, char *out, size_t *n) {
    const char *p = raw.ptr, *end = p + raw.len;
    char *to = out;
    for (;;) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        size_t run = (size_t)((stop ? stop : end) - p);
        memcpy(to, p, run);
        to += run;
        if (!stop) break;
        uint32_t cp;
        p = unescape_one(stop, end, &cp);
        if (p - stop < 2) return false;
        if (cp < 0x80) *to++ = (char)cp;
        else to += wt_utf8_encode(cp, to);
    }
    *to = 0;
    *n = (size_t)(to - out);
    return true;
}

wt_str wt_json_unescape(wt_str raw, wt_arena *arena) {
    if (raw.len == 0) return raw;
    bool valid = wt_utf8_valid(raw);
    if (valid && !memchr(raw.ptr, '\\', raw.len)) return raw;
    if (valid) {
        size_t n;
        char *out = wt_arena_alloc(arena, raw.len + 1);
        if (unescape_in_place(raw, out, &n)) return (wt_str){out, n};
    }
    wt_buf b = {0};
    const char *p = raw.ptr, *end = p + raw.len;
    wt_buf_reserve(&b, raw.len);
    while (p < end) {
        const char *stop = memchr(p, '\\', (size_t)(end - p));
        if (!stop) stop = end;
        wt_utf8_repair(&b, (wt_str){p, (size_t)(stop - p)});
        p = stop;
        if (p == end) break;
        uint32_t cp;
        char bytes[4];
        p = unescape_one(p, end, &cp);
        wt_buf_add(&b, bytes, (size_t)wt_utf8_encode(cp, bytes));
    }
    wt_str copy = wt_arena_copy(arena, wt_buf_view(&b));
    wt_buf_free(&b);
    return copy;
}

wt_str wt_json_string(wt_json value, wt_arena *arena) {
    return value.kind == WT_JSON_STRING ? wt_json_unescape(value.raw, arena) : (wt_str){0};
}

bool wt_json_true(wt_json value) { return value.kind == WT_JSON_TRUE; }

int wt_json_double(wt_json value, double *out) {
    problem why;
    wt_str raw = value.raw;
    if (value.kind != WT_JSON_NUMBER && value.kind != WT_JSON_STRING) return -1;
    if (raw.len == 0 || number_end(raw.ptr, raw.ptr + raw.len, &why) != raw.ptr + raw.len) return -1;
    char small[64];
    char *text = raw.len < sizeof small ? small : wt_xmalloc(raw.len + 1);
    memcpy(text, raw.ptr, raw.len);
    text[raw.len] = 0;
    *out = strtod(text, NULL);
    if (text != small) free(text);
    return 0;
}

int wt_json_i64(wt_json value, int64_t *out) {
    wt_str raw = value.raw;
    if (value.kind != WT_JSON_NUMBER && value.kind != WT_JSON_STRING) return -1;
    bool negative = raw.len > 0 && raw.ptr[0] == '-';
    size_t i = negative;
    int64_t x = 0;
    while (i < raw.len && is_digit(raw.ptr[i])) {
        int digit = raw.ptr[i++] - '0';
        if (__builtin_mul_overflow(x, 10, &x) || __builtin_sub_overflow(x, digit, &x)) return -1;
    }
    if (i == raw.len && i > (size_t)negative) {      /* gathered below zero: it reaches further */
        if (!negative && x == INT64_MIN) return -1;
        *out = negative ? x : -x;
        return 0;
    }
    double d;                                        /* 1.0 and 1e3 */
    if (wt_json_double(value, &d) || d != floor(d) || fabs(d) >= 9007199254740992.0) return -1;
    *out = (int64_t)d;
    return 0;
}

/* ---- writing ---- */

void wt_json_add_string(wt_buf *out, wt_str s) {
    wt_buf repaired = {0};
    if (!wt_utf8_valid(s)) {
        wt_utf8_repair(&repaired, s);
        s = wt_buf_view(&repaired);
    }
    wt_buf_reserve(out, s.len + 2);
    wt_buf_add_char(out, '"');
    s = not_null(s);
    const char *run = s.ptr, *end = s.ptr + s.len;
    for (const char *p = run; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        wt_buf_add(out, run, (size_t)(p - run));
        run = p + 1;
        const char *name = c == '"' ? "\\\"" : c == '\\' ? "\\\\" : c == '\n' ? "\\n"
                         : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (name) wt_buf_add(out, name, 2);
        else wt_buf_printf(out, "\\u%04x", c);
    }
    if (run < end) wt_buf_add(out, run, (size_t)(end - run));
    wt_buf_add_char(out, '"');
    wt_buf_free(&repaired);
}

void wt_json_add_double(wt_buf *out, double x) {
    if (!isfinite(x)) {
        wt_buf_add_str(out, WT_STR("null"));
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    wt_buf_add_str(out, wt_str_of(text));
}

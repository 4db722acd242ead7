/* json_scan.h - the fast twin of pick() in json.c, compiled once for AVX2 and once for AVX-512 (the files that
 * include it give BLOCK_MASKS, SIMPLE_ESCAPES and PICK). Half of the bytes of a record lie in strings, and where a string ends
 * is the one question that a byte-wise scanner answers slowly and with mispredicted branches. So the quotes are
 * found ahead, 64 bytes at a time, as bits (the first stage of Langdale and Lemire 2019, "Parsing gigabytes of
 * JSON per second"): a carry-less product of the quotes with ones tells what lies inside, control bytes there
 * are seen in the same step, escapes are checked where there are any. The walk over the grammar then jumps from
 * quote to quote and looks at every byte between strings itself; a stage of tokens for operators and scalars,
 * as there, was slower (docs/experiments/common.md). A window is 2 KiB on the stack: lines of any length
 * need no memory, and stopping early costs little.
 * It says only whether a line is good. For a bad one the caller asks the plain scanner where and why. */
#include <string.h>

enum { WINDOW = 2048, DEPTH_MAX = 512 };

typedef struct {
    const char *base;                        /* text of this window */
    const char *next, *end;                  /* text not yet scanned */
    uint64_t in_string, escaped;             /* carried over: all ones or 0; 0 or 1 */
    const char *bad_at;                      /* first control byte or wrong escape in a string */
    int i, n;
    uint64_t backslash[WINDOW / 64];
    uint16_t quote[WINDOW + 8];              /* offsets from base */
} scan;

static inline bool is_hex(char c) { return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f'); }

/* Which bytes of the block stand behind a backslash that counts; checks that they may. */
static uint64_t escapes(scan *s, uint64_t backslash, const char *block, size_t n) {
    uint64_t escaped;
    if (__builtin_expect(backslash & (backslash << 1 | s->escaped), 0)) {    /* two in a row: one by one */
        uint64_t left = backslash & ~s->escaped;
        for (escaped = s->escaped, s->escaped = 0; left; left &= left - 1) {
            uint64_t behind = (left & -left) << 1;
            if (!behind) s->escaped = 1;
            escaped |= behind;
            left &= ~behind;
        }
    } else {
        escaped = backslash << 1 | s->escaped;
        s->escaped = backslash >> 63;
    }
    for (uint64_t left = escaped & ~SIMPLE_ESCAPES(block, n); left; left &= left - 1) {
        const char *c = block + __builtin_ctzll(left);
        if (c >= s->end) break;              /* the string has no end: that is told elsewhere */
        bool good = *c == 'u' && s->end - c > 4 && is_hex(c[1]) && is_hex(c[2]) && is_hex(c[3]) && is_hex(c[4]);
        if (!good && c < s->bad_at) s->bad_at = c;
    }
    return escaped;
}

static inline uint64_t prefix_xor(uint64_t x) {
    __m128i product = _mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)x), _mm_set1_epi8(-1), 0);
    return (uint64_t)_mm_cvtsi128_si64(product);
}

/* The quotes of a block of up to 64 bytes go to out; returns how many. */
static inline int scan_block(scan *s, const char *block, size_t n_bytes, int offset, uint16_t *out) {
    wt_json_masks m = BLOCK_MASKS(block, n_bytes);
    s->backslash[offset / 64] = m.backslash;
    uint64_t escaped = m.backslash | s->escaped ? escapes(s, m.backslash, block, n_bytes) : 0;
    uint64_t quote = m.quote & ~escaped;
    uint64_t inside = prefix_xor(quote) ^ s->in_string;      /* with the opening quote, without the closing one */
    s->in_string = (uint64_t)((int64_t)inside >> 63);
    if (__builtin_expect((m.control & inside) != 0, 0)) {
        const char *at = block + __builtin_ctzll(m.control & inside);
        if (at < s->bad_at) s->bad_at = at;
    }
    int n = __builtin_popcountll(quote);
    /* Four at a time without asking: the places behind the last are written over later. */
    for (int k = 0; k < n; k += 4)
        for (int j = 0; j < 4; j++, quote &= quote - 1) out[k + j] = (uint16_t)(offset + (int)_tzcnt_u64(quote));
    return n;
}

/* The next window that holds a quote. */
static __attribute__((noinline)) bool refill(scan *s) {
    s->i = s->n = 0;
    while (s->n == 0) {
        if (s->next >= s->end) return false;
        s->base = s->next;
        int offset = 0;
        for (; offset < WINDOW && s->end - s->next >= 64; offset += 64, s->next += 64)
            s->n += scan_block(s, s->next, 64, offset, s->quote + s->n);
        if (offset < WINDOW && s->next < s->end) {
            s->n += scan_block(s, s->next, (size_t)(s->end - s->next), offset, s->quote + s->n);
            s->next = s->end;
        }
    }
    return true;
}

static inline const char *next_quote(scan *s) {
    if (__builtin_expect(s->i == s->n, 0) && !refill(s)) return NULL;
    return s->base + s->quote[s->i++];
}

/* The closing quote of the string that opens at p. All quotes before p were taken, so p is the next. */
static inline const char *string_close(scan *s) { return next_quote(s) ? next_quote(s) : NULL; }

/* Is there a backslash in the n bytes at p, just behind the last quote taken? Mostly they lie in one window. */
static inline bool has_backslash(const scan *s, const char *p, size_t n) {
    if (p < s->base || n > 64) return memchr(p, '\\', n) != NULL;
    size_t at = (size_t)(p - s->base), block = at / 64, shift = at % 64;
    uint64_t bits = s->backslash[block] >> shift;
    if (shift + n > 64) bits |= s->backslash[block + 1] << 1 << (63 - shift);
    return n && bits << (64 - n);
}

static inline const char *space(const char *p, const char *end) {
    while (p < end && (unsigned char)*p <= ' ' && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
    return p;
}

/* Behind c, before which there may be space; NULL where something else stands. */
static inline const char *expect(const char *p, const char *end, char c) {
    if (__builtin_expect(p < end && *p == c, 1)) return p + 1;
    p = space(p, end);
    return p < end && *p == c ? p + 1 : NULL;
}

static inline const char *digits(const char *p, const char *end) {
    while (p < end && (unsigned char)(*p - '0') < 10) p++;
    return p;
}

/* A number or word and its end; NULL where it is none. */
static inline const char *scalar_end(const char *p, const char *end, wt_json_kind *kind) {
    uint32_t four = 0;
    if (end - p >= 4) memcpy(&four, p, 4);                   /* x86: little-endian */
    if (four == 0x6c6c756e) return *kind = WT_JSON_NULL, p + 4;                             /* "null" */
    if (four == 0x65757274) return *kind = WT_JSON_TRUE, p + 4;                             /* "true" */
    if (four == 0x736c6166) return *kind = WT_JSON_FALSE, end - p >= 5 && p[4] == 'e' ? p + 5 : NULL;
    *kind = WT_JSON_NUMBER;
    if (p < end && *p == '-') p++;
    const char *first = p;
    p = digits(p, end);
    if (p == first || (*first == '0' && p - first > 1)) return NULL;
    if (p < end && *p == '.') {
        const char *point = ++p;
        if ((p = digits(p, end)) == point) return NULL;
    }
    if (p < end && (*p | 32) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        const char *power = p;
        if ((p = digits(p, end)) == power) return NULL;
    }
    return p;
}

/* p is at the opening bracket. The byte behind the closing one, or NULL. */
static const char *container_end_fast(scan *s, const char *p) {
    const char *end = s->end;
    uint64_t objects[DEPTH_MAX / 64] = {0};
    int depth = 0;
    bool in_object;
    wt_json_kind kind;
open:
    if (depth == DEPTH_MAX) return NULL;
    in_object = *p == '{';
    objects[depth >> 6] = (objects[depth >> 6] & ~((uint64_t)1 << (depth & 63))) | (uint64_t)in_object << (depth & 63);
    depth++;
    if ((p = space(p + 1, end)) == end) return NULL;
    if (*p == (in_object ? '}' : ']')) goto close;
    if (!in_object) goto value;
key:
    if (!expect(p, end, '"') || !(p = string_close(s)) || !(p = expect(p + 1, end, ':'))) return NULL;
    p = space(p, end);
value:
    if (p == end) return NULL;
    if (*p == '"') {
        if (!(p = string_close(s))) return NULL;
        p++;
    } else if (*p == '{' || *p == '[') {
        goto open;
    } else if (!(p = scalar_end(p, end, &kind))) {
        return NULL;
    }
after:
    if ((p = space(p, end)) == end) return NULL;
    if (*p == ',') {
        p++;
        if (in_object) goto key;
        p = space(p, end);
        goto value;
    }
    if (*p != (in_object ? '}' : ']')) return NULL;
close:
    p++;
    if (--depth == 0) return p;
    in_object = objects[(depth - 1) >> 6] >> ((depth - 1) & 63) & 1;
    goto after;
}

/* The value at p; returns the byte behind it. */
static inline const char *value_fast(scan *s, const char *p, wt_json *value) {
    const char *stop;
    if (p == s->end) return NULL;
    if (*p == '"') {
        if (!(stop = string_close(s))) return NULL;
        *value = (wt_json){WT_JSON_STRING, {p + 1, (size_t)(stop - p) - 1}};
        return stop + 1;
    }
    if (*p == '{' || *p == '[') {
        value->kind = *p == '{' ? WT_JSON_OBJECT : WT_JSON_ARRAY;
        stop = container_end_fast(s, p);
    } else {
        stop = scalar_end(p, s->end, &value->kind);
    }
    if (stop) value->raw = (wt_str){p, (size_t)(stop - p)};
    return stop;
}

int PICK(wt_str line, const wt_json_keys *keys, wt_json *values, bool first) {
    scan s;
    const char *end = s.base = s.next = line.ptr;
    end = s.end = s.bad_at = line.ptr + line.len;
    s.in_string = s.escaped = 0;
    s.i = s.n = 0;
    int n_left = keys->n;
    const char *p = space(line.ptr, end);
    if (p == end || *p != '{') return -1;
    p = space(p + 1, end);
    bool empty = p < end && *p == '}';
    while (!empty) {
        const char *stop;
        wt_json value;
        if (!(p = expect(p, end, '"')) || !(stop = string_close(&s))) return -1;
        wt_str key = {p, (size_t)(stop - p)};
        bool escaped = has_backslash(&s, key.ptr, key.len);
        if (!(p = expect(stop + 1, end, ':')) || !(p = value_fast(&s, space(p, end), &value))) return -1;
        int i = wt_json_key_find(keys, key, escaped);
        if (i >= 0 && !(first && values[i].kind)) {
            values[i] = value;
            if (--n_left == 0 && first) return s.bad_at < p ? -1 : 0;
        }
        if ((p = space(p, end)) == end) return -1;
        if (*p == '}') break;
        if (*p++ != ',') return -1;
    }
    return space(p + 1, end) != end || s.bad_at < end ? -1 : 0;
}

/* robots.c - parsing and matching of robots.txt (RFC 9309).
 *
 * Paths and patterns are compared in one normal form (RFC 9309, 2.2.2): octets outside ASCII are
 * percent-encoded with upper-case digits; percent-encoded octets are decoded where that loses
 * nothing, so "%7Eann" and "~ann", "%3A" and ":" are the same. '/', '?', '#', '%', and the two
 * characters with a meaning here, '*' and '$', stay encoded; "%2F" behind a '?' is decoded, for
 * there it separates nothing. A literal '*' or '$' in a path becomes "%2A" or "%24".
 *
 * A pattern becomes literal pieces between its stars. The first must stand at the start of the path;
 * each next one is taken at its first occurrence behind the one before. Taking the first is safe: a
 * later one leaves less to search. With '$' the last piece must stand at the very end.
 *
 * Rules lie sorted: longer pattern first, "allow" before "disallow" among equals; the first that
 * matches decides (RFC 9309, 2.2.2: most octets, allow wins a tie). */
#include "crawl/robots.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    uint32_t start, len;        /* of the pattern in robots.text, after normalisation */
    uint32_t order;             /* in the file */
    bool allow;
} rule;

struct robots {
    rule *rule;
    size_t n_rules, cap_rules;
    wt_buf text;                /* all patterns */
    double crawl_delay;
    bool allow_all, forbid_all;
};

/* ---- normal form ---- */
static int hex_value(unsigned char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static void add_encoded(wt_buf *out, unsigned char c) {
    static const char digits[] = "0123456789ABCDEF";
    char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
    wt_buf_add(out, escape, 3);
}

static bool must_stay_encoded(unsigned char c, bool in_query) {
    return c <= ' ' || c >= 0x7f || c == '%' || c == '*' || c == '$' || c == '?' || c == '#' ||
           (c == '/' && !in_query);
}

/* Characters that stand for themselves in a path, wherever they are: the usual case. */
static size_t plain_length(wt_str s) {
    size_t n = 0;
    while (n < s.len && (unsigned char)s.ptr[n] > ' ' && (unsigned char)s.ptr[n] < 0x7f && s.ptr[n] != '%' &&
           s.ptr[n] != '*' && s.ptr[n] != '$' && s.ptr[n] != '?')
        n++;
    return n;
}

/* is_pattern: '*' is a wildcard and a '$' at the end an anchor; they stay bare. */
static void normalise(wt_buf *out, wt_str s, bool is_pattern) {
    bool in_query = false;
    size_t n_plain = plain_length(s);
    wt_buf_add(out, s.ptr, n_plain);
    for (size_t i = n_plain; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '%' && i + 2 < s.len && hex_value((unsigned char)s.ptr[i + 1]) >= 0 &&
            hex_value((unsigned char)s.ptr[i + 2]) >= 0) {
            unsigned char d = (unsigned char)(hex_value((unsigned char)s.ptr[i + 1]) * 16 +
                                              hex_value((unsigned char)s.ptr[i + 2]));
            if (must_stay_encoded(d, in_query))
                add_encoded(out, d);
            else
                wt_buf_add_char(out, (char)d);
            i += 2;
            continue;
        }
        if (c == '?')
            in_query = true;
        bool bare_special = is_pattern && (c == '*' || (c == '$' && i + 1 == s.len));
        if (!bare_special && (c <= ' ' || c >= 0x7f || c == '*' || c == '$'))
            add_encoded(out, c);
        else
            wt_buf_add_char(out, (char)c);
    }
}

/* ---- matching ---- */
static bool pattern_matches(wt_str pattern, wt_str path) {
    bool anchored = pattern.len > 0 && pattern.ptr[pattern.len - 1] == '$';
    if (anchored)
        pattern.len--;
    const char *at = path.ptr, *end = path.ptr + path.len;
    const char *p = pattern.ptr, *p_end = pattern.ptr + pattern.len;
    bool first = true;
    for (;;) {
        const char *star = memchr(p, '*', (size_t)(p_end - p));
        size_t n = (size_t)((star ? star : p_end) - p);
        bool last = star == NULL;
        if (first) {
            if ((size_t)(end - at) < n || memcmp(at, p, n) != 0)
                return false;
            at += n;
            if (last)
                return !anchored || at == end;
        } else if (last && anchored) {
            return (size_t)(end - at) >= n && memcmp(end - n, p, n) == 0;
        } else if (n > 0) {
            at = memmem(at, (size_t)(end - at), p, n);
            if (!at)
                return false;
            at += n;
        }
        if (last)
            return true;
        first = false;
        p = star + 1;
    }
}

static wt_str rule_pattern(const robots *r, const rule *x) {
    return (wt_str){r->text.ptr + x->start, x->len};
}

static const rule *deciding_rule(const robots *r, wt_str target) {
    if (r->n_rules == 0)
        return NULL;
    char small[2048];
    wt_buf path = {0};
    wt_str normal;
    bool plain = target.len < sizeof small;
    for (size_t i = 0; plain && i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        plain = c > ' ' && c < 0x7f && c != '%' && c != '*' && c != '$';
    }
    if (plain) {
        normal = target;                               /* already in normal form: the usual case */
    } else {
        normalise(&path, target, false);
        normal = wt_buf_view(&path);
    }
    const rule *found = NULL;
    for (size_t i = 0; i < r->n_rules && !found; i++)
        if (pattern_matches(rule_pattern(r, &r->rule[i]), normal))
            found = &r->rule[i];
    wt_buf_free(&path);
    return found;
}

bool robots_allowed(const robots *r, wt_str target) {
    wt_str path = target;
    path = wt_str_cut(&path, '?');
    if (wt_str_eq(path, WT_STR("/robots.txt")) || r->allow_all)
        return true;
    if (r->forbid_all)
        return false;
    const rule *x = deciding_rule(r, target);
    return !x || x->allow;
}

void robots_reason(const robots *r, wt_str target, char *out, size_t out_bytes) {
    const rule *x = deciding_rule(r, target);
    out[0] = 0;
    if (r->forbid_all)
        snprintf(out, out_bytes, "robots.txt unreachable");
    else if (x)
        snprintf(out, out_bytes, "%s %.*s", x->allow ? "allow" : "disallow",
                 (int)(x->len < 4096 ? x->len : 4096), r->text.ptr + x->start);
}

double robots_crawl_delay(const robots *r) { return r->crawl_delay; }
int robots_rule_count(const robots *r) { return (int)r->n_rules; }

/* ---- parsing ---- */
static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f'; }

static wt_str trim_blanks(wt_str s) {
    while (s.len && is_blank(s.ptr[0]))
        s.ptr++, s.len--;
    while (s.len && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/* Takes one line, ended by LF, CR LF or CR. */
static wt_str next_line(wt_str *rest) {
    size_t n = 0;
    while (n < rest->len && rest->ptr[n] != '\n' && rest->ptr[n] != '\r')
        n++;
    wt_str line = {rest->ptr, n};
    size_t skip = n < rest->len ? 1 : 0;
    if (skip && rest->ptr[n] == '\r' && n + 1 < rest->len && rest->ptr[n + 1] == '\n')
        skip = 2;
    rest->ptr += n + skip, rest->len -= n + skip;
    return line;
}

/* "key: value # comment"; also "key value" where the colon was forgotten. */
static bool split_line(wt_str line, wt_str *key, wt_str *value) {
    const char *hash = memchr(line.ptr, '#', line.len);
    if (hash)
        line.len = (size_t)(hash - line.ptr);
    line = trim_blanks(line);
    const char *colon = memchr(line.ptr, ':', line.len);
    size_t n;
    if (colon) {
        n = (size_t)(colon - line.ptr);
    } else {
        for (n = 0; n < line.len && !is_blank(line.ptr[n]);)
            n++;
        wt_str rest = trim_blanks((wt_str){line.ptr + n, line.len - n});
        for (size_t i = 0; i < rest.len; i++)
            if (is_blank(rest.ptr[i]))
                return false;                          /* three words are prose */
        if (rest.len == 0)
            return false;
    }
    *key = trim_blanks((wt_str){line.ptr, n});
    *value = (wt_str){line.ptr + n, line.len - n};
    if (colon)
        value->ptr++, value->len--;
    *value = trim_blanks(*value);
    return key->len > 0;
}

typedef enum { KEY_OTHER, KEY_AGENT, KEY_ALLOW, KEY_DISALLOW, KEY_DELAY } key_kind;

static key_kind key_of(wt_str key) {
    static const struct {
        const char *name;
        key_kind kind;
    } names[] = {
        {"user-agent", KEY_AGENT},   {"useragent", KEY_AGENT},    {"user agent", KEY_AGENT},
        {"allow", KEY_ALLOW},        {"disallow", KEY_DISALLOW},  {"dissallow", KEY_DISALLOW},
        {"dissalow", KEY_DISALLOW},  {"disalow", KEY_DISALLOW},   {"diasllow", KEY_DISALLOW},
        {"disallaw", KEY_DISALLOW},  {"crawl-delay", KEY_DELAY},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wt_str_eq_nocase(key, wt_str_of(names[i].name)))
            return names[i].kind;
    return KEY_OTHER;
}

static bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/* What a user-agent line says about us. "Foo/1.2 (...)" names Foo: the token ends where its
 * alphabet ends. */
static void note_agent(wt_str value, wt_str token, bool *everyone, bool *us) {
    if (value.len && value.ptr[0] == '*' && (value.len == 1 || is_blank(value.ptr[1]))) {
        *everyone = true;
        return;
    }
    size_t n = 0;
    while (n < value.len && is_token_char(value.ptr[n]))
        n++;
    if (n > 0 && wt_str_eq_nocase((wt_str){value.ptr, n}, token))
        *us = true;
}

static void add_rule(robots *r, wt_str pattern, bool allow) {
    if (pattern.len == 0)
        return;                                        /* "Disallow:" forbids nothing */
    size_t start = r->text.len;
    normalise(&r->text, pattern, true);
    WT_GROW(r->rule, r->cap_rules, r->n_rules + 1);
    r->rule[r->n_rules] = (rule){(uint32_t)start, (uint32_t)(r->text.len - start),
                                 (uint32_t)r->n_rules, allow};
    r->n_rules++;
}

static int rule_order(const void *a, const void *b) {
    const rule *x = a, *y = b;
    if (x->len != y->len)
        return x->len > y->len ? -1 : 1;
    if (x->allow != y->allow)
        return x->allow ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static void note_delay(robots *r, wt_str value) {
    char number[32];
    if (value.len == 0 || value.len >= sizeof number)
        return;
    memcpy(number, value.ptr, value.len);
    number[value.len] = 0;
    char *end;
    double s = strtod(number, &end);
    if (end != number && isfinite(s) && s >= 0 && s > r->crawl_delay)
        r->crawl_delay = s;
}

static robots *robots_new(void) {
    robots *r = wt_xcalloc(1, sizeof *r);
    r->crawl_delay = -1;
    return r;
}

/* One pass collects both sets; the "*" set is used where no group names us. */
robots *robots_parse(wt_str body, wt_str token) {
    robots *ours = robots_new(), *general = robots_new();
    bool everyone = false, us = false, named = false, in_rules = false;
    if (body.len > ROBOTS_BYTES_MAX)
        body.len = ROBOTS_BYTES_MAX;
    for (const char *bom = "\xef\xbb\xbf"; *bom && body.len && body.ptr[0] == *bom; bom++)
        body.ptr++, body.len--;
    while (body.len) {
        wt_str key, value;
        if (!split_line(next_line(&body), &key, &value))
            continue;
        key_kind kind = key_of(key);
        if (kind == KEY_AGENT) {
            if (in_rules)
                everyone = us = in_rules = false;      /* a new group starts */
            note_agent(value, token, &everyone, &us);
            named |= us;
        } else if (kind == KEY_ALLOW || kind == KEY_DISALLOW) {
            in_rules = true;
            if (us)
                add_rule(ours, value, kind == KEY_ALLOW);
            if (everyone)
                add_rule(general, value, kind == KEY_ALLOW);
        } else if (kind == KEY_DELAY) {
            if (us)
                note_delay(ours, value);
            if (everyone)
                note_delay(general, value);
        }
    }
    robots *kept = named ? ours : general;
    robots_free(named ? general : ours);
    if (kept->n_rules > 1)
        qsort(kept->rule, kept->n_rules, sizeof *kept->rule, rule_order);
    return kept;
}

robots *robots_constant(bool allow) {
    robots *r = robots_new();
    *(allow ? &r->allow_all : &r->forbid_all) = true;
    return r;
}

void robots_free(robots *r) {
    if (!r)
        return;
    free(r->rule);
    wt_buf_free(&r->text);
    free(r);
}

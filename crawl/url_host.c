/* url_host.c - hosts in normal form, their registered domain, and sets of domains.
 * A name is percent-decoded, mapped to lower-case A-labels (UTS 46, by libidn2), and then looks like an
 * IPv4 address or not: "0x7f.1", "2130706433" and full-width digits all become 127.0.0.1, as in every
 * browser, so that nobody hides an address behind its spelling. IPv6 is written as RFC 5952 says.
 * Names libidn2 refuses because IDNA2008 has no symbols (hearts, arrows, emoji: registered and linked
 * all the same) are encoded as they stand after case folding. */
#include "crawl/url_host.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <libpsl.h>
#include <stdlib.h>

#include "common/hash.h"
#include "common/unicode.h"
#include "common/utf8.h"
#include "crawl/url.h"

#define NAME_MAX_BYTES 253
#define LABEL_MAX_BYTES 63

/* ---- IPv4 and IPv6 ---- */
/* One part of an IPv4 address: decimal, 0octal or 0xhex. -1: not a number; values above 2^32 stay
 * above it. */
static int64_t ipv4_part(wt_str s) {
    int base = 10;
    if (!s.len) return -1;
    if (s.len >= 2 && s.ptr[0] == '0' && (s.ptr[1] | 0x20) == 'x') {
        base = 16;
        s.ptr += 2, s.len -= 2;
    } else if (s.len >= 2 && s.ptr[0] == '0') {
        base = 8;
    }
    int64_t value = 0;
    for (size_t i = 0; i < s.len; i++) {
        int c = s.ptr[i], digit = c >= '0' && c <= '9' ? c - '0' : 99;
        if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') digit = (c | 0x20) - 'a' + 10;
        if (digit >= base) return -1;
        if (value <= UINT32_MAX) value = value * base + digit;
    }
    return value;
}

/* A name whose last label is a number is an IPv4 address or nothing. */
static bool ends_in_number(wt_str name) {
    size_t i = name.len;
    while (i && name.ptr[i - 1] != '.') i--;
    wt_str last = {name.ptr + i, name.len - i};
    bool digits = last.len > 0;
    for (size_t k = 0; k < last.len; k++) digits = digits && last.ptr[k] >= '0' && last.ptr[k] <= '9';
    return digits || (last.len >= 2 && ipv4_part(last) >= 0);
}

static int ipv4_write(wt_str name, char *out) {
    int64_t part[4];
    int n = 0;
    for (wt_str rest = name; n < 4;) {
        bool more = memchr(rest.ptr, '.', rest.len) != NULL;
        part[n] = ipv4_part(wt_str_cut(&rest, '.'));
        if (part[n++] < 0) return 0;
        if (!more) break;
        if (n == 4) return 0;
    }
    uint64_t address = 0;
    for (int i = 0; i < n - 1; i++) {
        if (part[i] > 255) return 0;
        address |= (uint64_t)part[i] << (24 - 8 * i);
    }
    if ((uint64_t)part[n - 1] >= (uint64_t)1 << (8 * (5 - n))) return 0;
    address |= (uint64_t)part[n - 1];
    uint32_t network = htonl((uint32_t)address);
    return inet_ntop(AF_INET, &network, out, CRAWL_HOST_MAX) ? (int)strlen(out) : 0;
}

static int ipv6_write(wt_str inside, char *out) {
    char text[64];
    struct in6_addr address;
    if (inside.len >= sizeof text) return 0;
    memcpy(text, inside.ptr, inside.len);
    text[inside.len] = 0;
    if (strlen(text) != inside.len || inet_pton(AF_INET6, text, &address) != 1) return 0;
    out[0] = '[';
    if (!inet_ntop(AF_INET6, &address, out + 1, CRAWL_HOST_MAX - 2)) return 0;
    size_t n = strlen(out);
    out[n] = ']';
    return (int)n + 1;
}

/* ---- names ---- */
static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes into out (room for limit bytes and a NUL); -1 where too long. */
static int decode(wt_str raw, char *out, int limit) {
    int n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '%' && i + 2 < raw.len && hex_digit(raw.ptr[i + 1]) >= 0 &&
            hex_digit(raw.ptr[i + 2]) >= 0) {
            c = (char)(hex_digit(raw.ptr[i + 1]) << 4 | hex_digit(raw.ptr[i + 2]));
            i += 2;
        }
        if (n == limit) return -1;
        out[n++] = c;
    }
    out[n] = 0;
    return n;
}

/* Punycode of one label (RFC 3492, section 6.3). Returns the length, 0 where it does not fit. */
static int punycode(const uint32_t *cp, int n, char *out, int room) {
    uint32_t code = 128, delta = 0, bias = 72;
    int basic = 0, len = 0;
    for (int i = 0; i < n; i++)
        if (cp[i] < 128 && len < room) out[len++] = (char)cp[i], basic++;
    if (basic && len < room) out[len++] = '-';
    for (int done = basic; done < n; delta++, code++) {
        uint32_t next = UINT32_MAX;
        for (int i = 0; i < n; i++)
            if (cp[i] >= code && cp[i] < next) next = cp[i];
        delta += (next - code) * (uint32_t)(done + 1);
        code = next;
        for (int i = 0; i < n; i++) {
            if (cp[i] < code) delta++;
            if (cp[i] != code) continue;
            uint32_t q = delta;
            for (uint32_t k = 36;; k += 36) {
                uint32_t t = k <= bias ? 1 : k >= bias + 26 ? 26 : k - bias;
                if (q < t || len >= room) break;
                uint32_t d = t + (q - t) % (36 - t);
                out[len++] = (char)(d < 26 ? 'a' + d : '0' + d - 26);
                q = (q - t) / (36 - t);
            }
            if (len >= room) return 0;
            out[len++] = (char)(q < 26 ? 'a' + q : '0' + q - 26);
            delta = done == basic ? delta / 700 : delta / 2;
            delta += delta / (uint32_t)(done + 1);
            bias = 0;
            for (; delta > 455; bias += 36) delta /= 35;
            bias += 36 * delta / (delta + 38);
            delta = 0;
            done++;
        }
    }
    return len;
}

/* The symbols people register: letters beside them, arrows, dingbats, emoji. */
static bool is_symbol(uint32_t cp) {
    return (cp >= 0x2100 && cp <= 0x2BFF) || (cp >= 0x1F000 && cp <= 0x1FAFF) || cp == 0xA9 || cp == 0xAE;
}

/* Names with symbols: lower case and punycode, label by label. Returns the length or 0. */
static int encode_symbols(const char *name, int n, char *out) {
    const char *end = name + n;
    int len = 0;
    for (const char *p = name; p < end;) {
        uint32_t cp[LABEL_MAX_BYTES];
        int k = 0;
        bool ascii = true;
        for (; p < end && *p != '.'; k++) {
            int step = k < LABEL_MAX_BYTES ? wt_utf8_decode(p, end, &cp[k]) : 0;
            if (!step) return 0;
            p += step;
            cp[k] = wt_uc_lower(cp[k]);
            ascii = ascii && cp[k] < 128;
            if (cp[k] == 0xFE0F) k--;                   /* asks for a coloured picture: ignored */
            else if (cp[k] >= 128 && !is_symbol(cp[k]) && !wt_uc_is_letter(cp[k])) return 0;
        }
        if (len + LABEL_MAX_BYTES + 2 > NAME_MAX_BYTES) return 0;
        if (ascii) {
            for (int i = 0; i < k; i++) out[len++] = (char)cp[i];
        } else {
            memcpy(out + len, "xn--", 4);
            int m = punycode(cp, k, out + len + 4, LABEL_MAX_BYTES - 4);
            if (!m) return 0;
            len += 4 + m;
        }
        if (p < end) out[len++] = '.', p++;
    }
    return len;
}

/* A-labels of a name beyond ASCII, in place. */
static int to_ascii(char *name, int n) {
    char *ascii = NULL;
    int result = idn2_to_ascii_8z(name, &ascii, IDN2_NONTRANSITIONAL | IDN2_NFC_INPUT);
    if (result != IDN2_OK) {
        char out[NAME_MAX_BYTES + 1];
        int len = result == IDN2_DISALLOWED ? encode_symbols(name, n, out) : 0;
        memcpy(name, out, (size_t)len);
        name[len] = 0;
        return len;
    }
    size_t len = strlen(ascii);
    if (len <= NAME_MAX_BYTES + 1) memcpy(name, ascii, len + 1);
    idn2_free(ascii);
    return len <= NAME_MAX_BYTES + 1 ? (int)len : 0;
}

/* Lower case in place; false where a byte or a label cannot be part of a host. */
static bool name_check(char *name, int n) {
    static const char forbidden[] = "#/:<>?@[\\]^|%\"`{}";
    int label = 0;
    for (int i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c <= ' ' || c >= 127 || strchr(forbidden, c)) return false;
        if (c >= 'A' && c <= 'Z') name[i] = (char)(c | 0x20);
        label = c == '.' ? 0 : label + 1;
        if (label > LABEL_MAX_BYTES || (c == '.' && (i == 0 || name[i - 1] == '.'))) return false;
    }
    return true;
}

int crawl_host_write(wt_str raw, char *out, bool *is_ip) {
    *is_ip = false;
    if (raw.len >= 2 && raw.ptr[0] == '[' && raw.ptr[raw.len - 1] == ']') {
        *is_ip = true;
        return ipv6_write((wt_str){raw.ptr + 1, raw.len - 2}, out);
    }
    char name[4 * CRAWL_HOST_MAX];
    int n = decode(raw, name, (int)sizeof name - 1);
    if (n <= 0 || memchr(name, 0, (size_t)n)) return 0;
    bool ascii = true;
    for (int i = 0; i < n; i++) ascii = ascii && (unsigned char)name[i] < 128;
    if (!ascii && (n = to_ascii(name, n)) == 0) return 0;
    if (n > 1 && name[n - 1] == '.') n--;
    if (n > NAME_MAX_BYTES || name[0] == '.' || name[n - 1] == '.' || !name_check(name, n)) return 0;
    if (ends_in_number((wt_str){name, (size_t)n})) {
        *is_ip = true;
        return ipv4_write((wt_str){name, (size_t)n}, out);
    }
    memcpy(out, name, (size_t)n);
    return n;
}

bool crawl_host_normalize(wt_str host, wt_arena *arena, wt_str *out) {
    char text[CRAWL_HOST_MAX];
    bool is_ip;
    host = wt_str_trim(host);
    ptrdiff_t scheme = wt_str_find(host, WT_STR("://"));
    if (scheme >= 0) host.ptr += scheme + 3, host.len -= (size_t)scheme + 3;
    if (host.len && host.ptr[0] != '[') host = wt_str_cut(&(wt_str){host.ptr, host.len}, '/');
    if (wt_str_starts(host, WT_STR("*."))) host.ptr += 2, host.len -= 2;
    if (host.len && host.ptr[0] == '.') host.ptr++, host.len--;
    int n = host.len ? crawl_host_write(host, text, &is_ip) : 0;
    if (n > 0) *out = wt_arena_copy(arena, (wt_str){text, (size_t)n});
    return n > 0;
}

wt_str crawl_host_site(wt_str host) {
    char text[CRAWL_HOST_MAX];
    if (!host.len || host.len >= sizeof text || host.ptr[0] == '[' || ends_in_number(host)) return host;
    memcpy(text, host.ptr, host.len);
    text[host.len] = 0;
    const char *site = psl_registrable_domain(psl_builtin(), text);
    if (!site) return host;
    size_t skip = (size_t)(site - text);
    return (wt_str){host.ptr + skip, host.len - skip};
}

/* ---- sets of domains: open addressing over the names ---- */
struct crawl_domains {
    wt_str *slot;
    size_t n, cap;              /* cap: a power of two */
    wt_arena *arena;
};

crawl_domains *crawl_domains_new(void) {
    crawl_domains *set = wt_xcalloc(1, sizeof *set);
    set->cap = 256;
    set->slot = wt_xcalloc(set->cap, sizeof *set->slot);
    set->arena = wt_arena_new(0);
    return set;
}

void crawl_domains_free(crawl_domains *set) {
    if (!set) return;
    wt_arena_free(set->arena);
    free(set->slot);
    free(set);
}

size_t crawl_domains_count(const crawl_domains *set) { return set->n; }

uint64_t crawl_domains_hash(const crawl_domains *set) {
    uint64_t sum = 0;
    for (size_t i = 0; i < set->cap; i++)
        if (set->slot[i].ptr) sum += wt_mix64(wt_hash64(set->slot[i].ptr, set->slot[i].len, 1));
    return sum;
}

static wt_str *find(const crawl_domains *set, wt_str name) {
    size_t i = wt_hash64(name.ptr, name.len, 0) & (set->cap - 1);
    while (set->slot[i].ptr && !wt_str_eq(set->slot[i], name)) i = (i + 1) & (set->cap - 1);
    return &set->slot[i];
}

bool crawl_domains_add(crawl_domains *set, wt_str domain) {
    wt_str name;
    if (!crawl_host_normalize(domain, set->arena, &name)) return false;
    if (2 * (set->n + 1) > set->cap) {
        crawl_domains bigger = {.cap = 2 * set->cap};
        bigger.slot = wt_xcalloc(bigger.cap, sizeof *bigger.slot);
        for (size_t i = 0; i < set->cap; i++)
            if (set->slot[i].ptr) *find(&bigger, set->slot[i]) = set->slot[i];
        free(set->slot);
        set->slot = bigger.slot, set->cap = bigger.cap;
    }
    wt_str *slot = find(set, name);
    if (!slot->ptr) *slot = name, set->n++;
    return true;
}

bool crawl_domains_cover(const crawl_domains *set, wt_str host) {
    if (!set || !set->n) return false;
    for (;;) {
        if (find(set, host)->ptr) return true;
        const char *dot = memchr(host.ptr, '.', host.len);
        if (!dot) return false;
        size_t skip = (size_t)(dot + 1 - host.ptr);
        host.ptr += skip, host.len -= skip;
    }
}

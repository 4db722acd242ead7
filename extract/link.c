/* link.c - see link.h. The base is parted into origin, path and query by looking for the first sign of each; dot segments go
 * while the path is written, so that no address costs more than its length. */
#include "extract/link.h"

wt_str link_scheme(wt_str s) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == ':') return (wt_str){s.ptr, i};
        bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'))) break;
    }
    return WT_STR("");
}

/* Up to the first of the signs. */
static wt_str up_to(wt_str s, const char *signs) {
    size_t n = 0;
    while (n < s.len && !strchr(signs, s.ptr[n])) n++;
    return (wt_str){s.ptr, n};
}

/* One segment of a path behind what stands from `root` on, which ends in "/". */
static void add_segment(wt_buf *out, size_t root, wt_str segment, bool is_last) {
    if (wt_str_eq(segment, WT_STR(".."))) {
        if (out->len > root + 1) out->len--;
        while (out->len > root + 1 && out->ptr[out->len - 1] != '/') out->len--;
    } else if (!wt_str_eq(segment, WT_STR("."))) {
        wt_buf_add_str(out, segment);
        if (!is_last) wt_buf_add_char(out, '/');
    }
}

static void add_path(wt_buf *out, size_t root, wt_str path) {
    while (path.len) {
        wt_str segment = up_to(path, "/");
        bool is_last = segment.len == path.len;
        add_segment(out, root, segment, is_last);
        path.ptr += segment.len + !is_last, path.len -= segment.len + !is_last;
    }
}

void link_resolve(wt_str base, wt_str href, wt_buf *out) {
    href = wt_str_trim(href);
    wt_str scheme = link_scheme(base);
    size_t host = scheme.len + 3;
    bool usable = scheme.len && base.len > host && memcmp(base.ptr + scheme.len, "://", 3) == 0;
    if (!usable || link_scheme(href).len) {
        wt_buf_add_str(out, href);
        return;
    }
    wt_str rest = {base.ptr + host, base.len - host};
    size_t origin = host + up_to(rest, "/?#").len;
    rest = (wt_str){base.ptr + origin, base.len - origin};
    wt_str path = up_to(rest, "?#"), with_query = up_to(rest, "#"), given = up_to(href, "?#");
    if (wt_str_starts(href, WT_STR("//"))) {
        wt_buf_add(out, base.ptr, scheme.len + 1);
        wt_buf_add_str(out, href);
        return;
    }
    wt_buf_add(out, base.ptr, origin);
    size_t root = out->len;
    if (given.len) {
        wt_buf_add_char(out, '/');
        size_t folder = path.len;
        while (folder && path.ptr[folder - 1] != '/') folder--;
        if (*href.ptr == '/') given.ptr++, given.len--, href.ptr++, href.len--;
        else if (folder) add_path(out, root, (wt_str){path.ptr + 1, folder - 1});
        add_path(out, root, given);
    } else {
        wt_buf_add_str(out, href.len && *href.ptr == '?' ? path : with_query);
    }
    wt_buf_add(out, href.ptr + given.len, href.len - given.len);
}

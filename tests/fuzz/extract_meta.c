/* Any bytes as a page whose metadata is read: what comes out is one line each, and a date is a date. */
#include <stdlib.h>

#include "extract/meta.h"

static void check_line(wt_str s) {
    if (s.len && (memchr(s.ptr, '\n', s.len) || (unsigned char)s.ptr[0] <= ' ')) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static html_tree t;
    static wt_arena *arena;
    if (!arena) {
        arena = wt_arena_new(0);
        html_tree_init(&t);
    }
    page_meta m;
    html_tree_clear(&t);
    wt_arena_reset(arena);
    html_parse(&t, (wt_str){(const char *)data, size});
    meta_read(&t, WT_STR("https://www.x.org/2019/05/06/a"), arena, &m);
    check_line(m.title), check_line(m.site), check_line(m.description), check_line(m.date);
    if (m.date.len && (m.date.len < 10 || m.date.ptr[4] != '-')) abort();
    return 0;
}

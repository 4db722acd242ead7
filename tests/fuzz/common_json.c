/* Any bytes as JSON: check, pick, walk and decode agree with each other, and documents survive a rewrite. */
#include <stdlib.h>

#include "common/doc.h"
#include "common/json.h"

static void walk(wt_json value, wt_arena *arena, int depth) {
    wt_json_iter it;
    wt_json member;
    wt_str key;
    int64_t i;
    double d;
    if (value.kind == WT_JSON_STRING || value.kind == WT_JSON_NUMBER) {
        wt_json_string(value, arena);
        wt_json_i64(value, &i);
        wt_json_double(value, &d);
    } else if (depth > 0 && value.kind >= WT_JSON_ARRAY) {
        if (wt_json_iter_init(&it, value, NULL)) abort();
        int more;
        while ((more = wt_json_next(&it, &key, &member, NULL)) == 1) walk(member, arena, depth - 1);
        if (more) abort();                   /* the container was found whole: so are its members */
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const wt_str keys[] = {{"id", 2}, {"url", 3}, {"score", 5}, {"text", 4}};
    wt_str line = {(const char *)data, size};
    wt_json value = {0}, picked[4], first[4];
    wt_doc doc, again;
    wt_arena *arena = wt_arena_new(0);
    bool good = wt_json_parse(line, &value, NULL) == 0;
    bool object = good && value.kind == WT_JSON_OBJECT;
    if (wt_json_check(line, NULL) == 0 && !good) abort();
    if ((wt_json_pick(line, keys, 4, picked, NULL) == 0) != object) abort();
    if (wt_json_pick_first(line, keys, 4, first, NULL) != 0 && object) abort();
    if (good) walk(value, arena, 6);
    for (int i = 0; object && i < 4; i++)
        if (picked[i].kind == WT_JSON_NONE && first[i].kind != WT_JSON_NONE) abort();
    bool is_doc = wt_doc_parse(line, arena, &doc, NULL) == 0;
    if (object && !is_doc) abort();
    if (is_doc) {
        wt_buf out = {0};
        wt_doc_write(&out, &doc);
        wt_err err = {0};
        if (wt_doc_parse(wt_buf_view(&out), arena, &again, &err) || !wt_str_eq(doc.text, again.text)) abort();
        wt_buf_free(&out);
    }
    wt_arena_free(arena);
    return 0;
}

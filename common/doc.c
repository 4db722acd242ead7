/* doc.c - documents as JSON lines. One walk over the members takes the known ones; those of other
 * tools are kept as they stand, so that a document that passes through loses nothing. */
#include "common/doc.h"

#include "common/json.h"

static int is_key(wt_str key, const char *name) { return wt_str_eq(key, wt_str_of(name)); }

/* Puts "key":value behind the members kept so far. */
static void keep_member(wt_doc *doc, wt_arena *arena, wt_str key, wt_json value) {
    size_t quotes = value.kind == WT_JSON_STRING ? 2 : 0;
    size_t n = doc->rest.len + (doc->rest.len > 0) + key.len + 3 + value.raw.len + quotes;
    char *all = wt_arena_alloc(arena, n), *p = all;
    if (doc->rest.len > 0) {
        memcpy(p, doc->rest.ptr, doc->rest.len);
        p += doc->rest.len;
        *p++ = ',';
    }
    *p++ = '"';
    memcpy(p, key.ptr, key.len);
    p += key.len;
    *p++ = '"';
    *p++ = ':';
    memcpy(p, value.raw.ptr - quotes / 2, value.raw.len + quotes);
    doc->rest = (wt_str){all, n};
}

int wt_doc_parse(wt_str line, wt_arena *arena, wt_doc *doc, wt_err *err) {
    memset(doc, 0, sizeof *doc);
    wt_json_iter it;
    line = wt_str_trim(line);
    bool braces = line.len >= 2 && line.ptr[0] == '{' && line.ptr[line.len - 1] == '}';
    if (!braces) return wt_fail(err, WT_EDATA, "not a JSON object");
    if (wt_json_iter_init(&it, (wt_json){WT_JSON_OBJECT, line}, err)) return -1;
    wt_str key;
    wt_json value;
    int more;
    while ((more = wt_json_next(&it, &key, &value, err)) == 1) {
        wt_str *field = is_key(key, "id") ? &doc->id
                      : is_key(key, "text") ? &doc->text
                      : is_key(key, "source") ? &doc->source
                      : is_key(key, "created") ? &doc->created
                      : is_key(key, "added") ? &doc->added : NULL;
        if (field && value.kind == WT_JSON_STRING) {
            *field = wt_json_string(value, arena);
            if (field == &doc->text) doc->has_text = true;
        } else if (is_key(key, "metadata") && value.kind == WT_JSON_OBJECT) {
            doc->metadata = value;
        } else if (field == &doc->id && value.kind == WT_JSON_NUMBER) {
            doc->id = value.raw;             /* other people's ids are numbers now and then */
        } else if (value.kind != WT_JSON_NULL || !field) {
            keep_member(doc, arena, key, value);
        }
    }
    return more;
}

static void add_member(wt_buf *out, const char *name, wt_str value) {
    if (out->len > 0 && out->ptr[out->len - 1] != '{') wt_buf_add_char(out, ',');
    wt_buf_add_char(out, '"');
    wt_buf_add_str(out, wt_str_of(name));
    wt_buf_add(out, "\":", 2);
    wt_json_add_string(out, value);
}

void wt_doc_write(wt_buf *out, const wt_doc *doc) {
    wt_buf_add_char(out, '{');
    add_member(out, "id", doc->id);
    add_member(out, "text", doc->text);
    if (doc->source.len) add_member(out, "source", doc->source);
    if (doc->created.len) add_member(out, "created", doc->created);
    if (doc->added.len) add_member(out, "added", doc->added);
    if (doc->metadata.kind == WT_JSON_OBJECT) {
        wt_buf_add_str(out, WT_STR(",\"metadata\":"));
        wt_buf_add_str(out, doc->metadata.raw);
    }
    if (doc->rest.len) {
        wt_buf_add_char(out, ',');
        wt_buf_add_str(out, doc->rest);
    }
    wt_buf_add(out, "}\n", 2);
}

wt_str wt_doc_meta(const wt_doc *doc, const char *key, wt_arena *arena) {
    if (doc->metadata.kind != WT_JSON_OBJECT) return (wt_str){0};
    return wt_json_string(wt_json_get(doc->metadata, key), arena);
}

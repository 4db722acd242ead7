/* marks.c - see marks.h. */
#include "dedup/marks.h"

size_t marks_count_chars(wt_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) n += ((uint8_t)s.ptr[i] & 0xc0) != 0x80;
    return n;
}

/* Dolma's attributes: lists of [start, end, score] in characters of the text. */
void marks_attributes(wt_buf *out, const dedup_verdict *v, wt_str text) {
    wt_buf_add_char(out, '{');
    if (v->cause != DEDUP_KEEP) {
        const char *name = dedup_cause_name(v->cause == DEDUP_READ_ONLY ? v->rule : v->cause);
        wt_buf_printf(out, "\"dedup__%s%s\":[[0,%zu,%.4g]]", v->cause == DEDUP_READ_ONLY ? "read_only_" : "",
                      v->cause == DEDUP_NO_TEXT ? "no_text" : name, marks_count_chars(text), v->score);
    } else if (v->n_removed) {
        size_t at_byte = 0, at_char = 0;
        wt_buf_printf(out, "\"dedup__paragraphs\":[");
        for (size_t i = 0; i < v->n_removed; i++) {
            const dedup_span *s = &v->removed[i];
            size_t start = at_char + marks_count_chars((wt_str){text.ptr + at_byte, s->start - at_byte});
            size_t end = start + marks_count_chars((wt_str){text.ptr + s->start, s->end - s->start});
            wt_buf_printf(out, "%s[%zu,%zu,%.4g]", i ? "," : "", start, end, s->score);
            at_byte = s->end, at_char = end;
        }
        wt_buf_add_char(out, ']');
    }
    wt_buf_add_char(out, '}');
}

/* Attributes that are there already stay in front of ours. */
static void add_attributes(wt_buf *out, wt_doc *doc, wt_str attributes, wt_arena *arena) {
    wt_buf rest = {0}, object = {0};
    wt_buf_printf(&object, "{%.*s}", WT_FMT(doc->rest));
    wt_json_iter it;
    wt_str key, old = {0};
    wt_json value;
    if (wt_json_iter_init(&it, (wt_json){WT_JSON_OBJECT, wt_buf_view(&object)}, NULL) == 0)
        while (wt_json_next(&it, &key, &value, NULL) > 0) {
            if (wt_str_eq(key, WT_STR("attributes")) && value.kind == WT_JSON_OBJECT) {
                old = wt_str_trim((wt_str){value.raw.ptr + 1, value.raw.len - 2});
                continue;
            }
            bool quoted = value.kind == WT_JSON_STRING;
            wt_buf_printf(&rest, "\"%.*s\":%s%.*s%s,", WT_FMT(key), quoted ? "\"" : "", WT_FMT(value.raw),
                          quoted ? "\"" : "");
        }
    wt_buf_printf(&rest, "\"attributes\":{%.*s%s%.*s", WT_FMT(old), old.len && attributes.len > 2 ? "," : "",
                  (int)attributes.len - 1, attributes.ptr + 1);
    doc->rest = wt_arena_copy(arena, wt_buf_view(&rest));
    wt_doc_write(out, doc);
    wt_buf_free(&rest);
    wt_buf_free(&object);
}

void marks_document(wt_buf *out, corpus_mode mode, wt_doc *doc, wt_str attributes, wt_arena *arena) {
    if (mode == CORPUS_MARK) {
        add_attributes(out, doc, attributes, arena);
        return;
    }
    wt_buf_printf(out, "{\"id\":");
    wt_json_add_string(out, doc->id);
    wt_buf_printf(out, ",\"attributes\":%.*s}\n", WT_FMT(attributes));
}

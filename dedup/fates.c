/* fates.c - see fates.h. */
#include "dedup/fates.h"

#include "common/json.h"

/* The line of a document with nothing to say about. */
static int write_unmarked(fates *f, wt_str plain_id, wt_err *err) {
    static const char before[] = "{\"id\":\"", behind[] = "\",\"attributes\":{}}\n";
    enum { N_BEFORE = sizeof before - 1, N_BEHIND = sizeof behind - 1 };
    wt_buf *out = &f->scratch;
    out->len = 0;
    wt_buf_reserve(out, N_BEFORE + plain_id.len + N_BEHIND);
    memcpy(out->ptr, before, N_BEFORE);
    memcpy(out->ptr + N_BEFORE, plain_id.ptr, plain_id.len);
    memcpy(out->ptr + N_BEFORE + plain_id.len, behind, N_BEHIND);
    return rank_frames_write(f->part->kept, (wt_str){out->ptr, N_BEFORE + plain_id.len + N_BEHIND}, err);
}

static int write_marked(fates *f, wt_str line, wt_str plain_id, const dedup_verdict *v, wt_err *err) {
    wt_doc doc;
    wt_buf attributes = {0};
    if (f->mode == CORPUS_ATTRIBUTES && v->cause == DEDUP_KEEP && !v->n_removed && plain_id.ptr)
        return write_unmarked(f, plain_id, err);
    if (wt_doc_parse(line, f->arena, &doc, err)) return -1;
    marks_attributes(&attributes, v, doc.text);
    f->scratch.len = 0;
    marks_document(&f->scratch, f->mode, &doc, wt_buf_view(&attributes), f->arena);
    wt_buf_free(&attributes);
    return rank_frames_write(f->part->kept, wt_buf_view(&f->scratch), err);
}

/* One line a dropped document, or a kept one that lost paragraphs. The document is a member, not
 * the line itself, so that no tool takes this file for documents. */
static int write_dropped(fates *f, wt_str line, const dedup_verdict *v, wt_str removed, wt_err *err) {
    static const wt_str id_key[1] = {{"id", 2}};
    wt_json id = {0};
    wt_buf *out = &f->scratch;
    if (!f->part->dropped) return 0;
    out->len = 0;
    if (v->cause != DEDUP_NOT_JSON) wt_json_pick(line, id_key, 1, &id, NULL);
    wt_buf_printf(out, "{\"id\":");
    if (id.kind == WT_JSON_STRING) wt_json_add_string(out, wt_json_string(id, f->arena));
    else if (id.kind == WT_JSON_NUMBER) wt_buf_add_str(out, id.raw);
    else wt_buf_printf(out, "null");
    wt_buf_printf(out, ",\"cause\":\"%s\"", dedup_cause_name(v->cause == DEDUP_KEEP ? DEDUP_PARAGRAPHS : v->cause));
    if (v->cause == DEDUP_READ_ONLY) wt_buf_printf(out, ",\"rule\":\"%s\"", dedup_cause_name(v->rule));
    if (v->cause >= DEDUP_READ_ONLY) wt_buf_printf(out, ",\"score\":%.4g", v->score);
    if (v->votes > 0) wt_buf_printf(out, ",\"votes\":%d", v->votes);
    if (v->cause == DEDUP_KEEP) {
        wt_buf_printf(out, ",\"kept\":true,\"removed\":[%.*s]}\n", WT_FMT(removed));
    } else if (v->cause == DEDUP_NOT_JSON) {
        wt_buf_printf(out, ",\"line\":");
        wt_json_add_string(out, line);
        wt_buf_printf(out, "}\n");
    } else {
        wt_buf_printf(out, ",\"document\":%.*s}\n", WT_FMT(line));
    }
    return rank_frames_write(f->part->dropped, wt_buf_view(out), err);
}

/* The document without the paragraphs that were seen. */
static int write_cut(fates *f, wt_str line, const dedup_verdict *v, wt_err *err) {
    wt_doc doc;
    if (wt_doc_parse(line, f->arena, &doc, err)) return -1;
    wt_buf text = {0}, removed = {0};
    size_t at = 0;
    for (size_t i = 0; i < v->n_removed; i++) {
        const dedup_span *s = &v->removed[i];
        wt_buf_add(&text, doc.text.ptr + at, s->start - at);
        if (i) wt_buf_add_char(&removed, ',');
        wt_json_add_string(&removed, (wt_str){doc.text.ptr + s->start, s->end - s->start});
        at = s->end;
    }
    wt_buf_add(&text, doc.text.ptr + at, doc.text.len - at);
    doc.text = wt_buf_view(&text);
    int result = write_dropped(f, line, v, wt_buf_view(&removed), err);
    f->scratch.len = 0;
    wt_doc_write(&f->scratch, &doc);
    if (!result) result = rank_frames_write(f->part->kept, wt_buf_view(&f->scratch), err);
    wt_buf_free(&text);
    wt_buf_free(&removed);
    return result;
}

bool fate_marks(corpus_mode mode, const dedup_verdict *v) {
    return mode != CORPUS_DROP && v->cause != DEDUP_NOT_JSON && (v->cause != DEDUP_KEEP || v->n_removed > 0);
}

bool fate_keeps(corpus_mode mode, const dedup_verdict *v) {
    return v->cause == DEDUP_KEEP || (mode != CORPUS_DROP && v->cause != DEDUP_NOT_JSON);
}

int fate_write(fates *f, wt_str line, wt_str plain_id, const dedup_verdict *v, wt_err *err) {
    wt_arena_reset(f->arena);
    if (!fate_keeps(f->mode, v)) return write_dropped(f, line, v, (wt_str){0}, err);
    if (f->mode != CORPUS_DROP) return write_marked(f, line, plain_id, v, err);
    if (v->n_removed) return write_cut(f, line, v, err);
    return rank_frames_write(f->part->kept, line, err) || rank_frames_write(f->part->kept, WT_STR("\n"), err) ? -1 : 0;
}

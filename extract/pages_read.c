/* pages_read.c - the next page: a file, whole, or the next response of a WARC. */
#include "common/hash.h"
#include "extract/pages_impl.h"

void pages_set(wt_buf *b, wt_str s) {
    wt_buf_clear(b);
    wt_buf_add_str(b, s);
}

void pages_input_close(run *r) {
    wt_warc_reader_free(r->warc);
    wt_in_close(r->in);
    r->warc = NULL;
    r->in = NULL;
}

/* What a file's name says that its bytes do not. */
static wt_str type_of_name(wt_str name) {
    if (wt_str_ends(name, WT_STR(".txt"))) return WT_STR("text/plain");
    return wt_str_ends(name, WT_STR(".xhtml")) ? WT_STR("application/xhtml+xml") : WT_STR("");
}

/* A page file, whole. A byte more than the limit is read, so that extract_run sees it is too long. */
static int read_page_file(run *r, page_item *it, wt_err *err) {
    wt_buf_clear(&it->body);
    for (ptrdiff_t n = 1; n > 0 && it->body.len <= r->o->max_page;) {
        wt_buf_reserve(&it->body, 1 << 16);
        n = wt_in_read(r->in, it->body.ptr + it->body.len, 1 << 16, err);
        if (n < 0) return -1;
        it->body.len += (size_t)n;
    }
    it->is_http = false;
    pages_set(&it->url, r->o->url ? wt_str_of(r->o->url) : WT_STR(""));
    pages_set(&it->id, r->o->url ? wt_str_of(r->o->url) : wt_str_of(wt_in_name(r->in)));
    wt_buf_clear(&it->date);
    pages_set(&it->type, type_of_name(wt_str_of(wt_in_name(r->in))));
    return 0;
}

/* Opens the next input and says what it is: 1 a page in *it, 2 a WARC now open, 0 no more, -1. */
static int open_next(run *r, page_item *it, wt_err *err) {
    if (r->next_input == r->end_input) return 0;
    r->in = wt_in_open(r->o->inputs->path[r->next_input++], err);
    if (!r->in) return -1;
    int is_warc = wt_in_starts_with(r->in, WT_STR("WARC/"), err);
    if (is_warc < 0) return -1;
    if (is_warc) {
        r->warc = wt_warc_reader_new(r->in, r->o->max_page + (1 << 20));
        return 2;
    }
    int result = read_page_file(r, it, err);
    pages_input_close(r);
    return result ? -1 : 1;
}

/* The next response of the open WARC: 1, 0 at its end, -1. Records that can be no page are counted
 * here, without copying them. */
static int next_record(run *r, page_item *it, wt_err *err) {
    wt_warc_record rec;
    int got;
    while ((got = wt_warc_next(r->warc, &rec, err)) != 0) {
        if (got < 0) {                       /* a damaged record costs itself; the reader finds the next one */
            wt_warn("%s: %s", wt_in_name(r->in), err->text);
            pages_count_drop(r, "damaged WARC record", NULL);
            *err = (wt_err){0};
            continue;
        }
        r->n_records++;
        bool response = wt_str_eq_nocase(rec.type, WT_STR("response"));
        bool resource = wt_str_eq_nocase(rec.type, WT_STR("resource"));
        if (wt_str_eq_nocase(rec.type, WT_STR("revisit"))) pages_count_drop(r, "revisit of an earlier page", NULL);
        if (!response && !resource) continue;
        if (!wt_str_starts(rec.target_uri, WT_STR("http"))) continue;      /* dns: and the like */
        it->is_http = response;
        pages_set(&it->url, rec.target_uri);
        pages_set(&it->id, rec.target_uri);
        pages_set(&it->date, rec.date);
        pages_set(&it->type, resource ? rec.content_type : WT_STR(""));
        pages_set(&it->body, rec.block);
        return 1;
    }
    return 0;
}

int pages_read(void *ctx, void *p, wt_err *err) {
    run *r = ctx;
    page_item *it = p;
    if (r->limited && r->limit_left == 0) return 0;
    for (;;) {
        int got = r->warc ? next_record(r, it, err) : open_next(r, it, err);
        if (got == 0 && r->warc) {
            pages_input_close(r);
            continue;
        }
        if (got == 2) continue;
        if (got == 1) {
            it->key = wt_hash64(it->id.ptr, it->id.len, r->next_input << 32 | r->n_in) | 1;
            r->n_in++;
            r->limit_left -= r->limited;
        }
        return got;
    }
}

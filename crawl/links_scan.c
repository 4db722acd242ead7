/* links_scan.c - one dump file into posts. A thread decodes blocks of whole lines, workers judge them,
 * posts leave in the order of the file (common/pipeline.h).
 *
 * Most files are one record a line, but people also keep API answers and exports: an array on one line,
 * an array with a record a line, pretty-printed JSON, {"data":[...]}, listings of {"kind":"t3","data":
 * {...}}. The first lines tell whether lines can be judged one by one; if not, the whole file is one
 * document, up to LINKS_DOCUMENT_MAX bytes. Lines that are no object are looked at again: crashed
 * writers leave two records on a line, or runs of NUL bytes at an end. */
#include <stdlib.h>

#include "common/in.h"
#include "common/json.h"
#include "common/pipeline.h"
#include "common/tool.h"
#include "crawl/links.h"

#define BLOCK_BYTES ((size_t)4 << 20)
#define WRAP_MAX 6              /* how deep records may lie in listings */

typedef struct {
    wt_buf text;                /* whole lines, or the whole document */
    bool is_document;
    uint64_t too_long;
    wt_arena *arena;
    links_post *post;
    size_t n, cap;
    links_stats stats;
} block;

typedef struct {
    const links_rules *rules;
    wt_in *in;
    bool started;
    uint64_t raw_seen;
    links_post_fn each;
    void *ctx;
    links_stats *total;
} scan;

/* ---- reading ---- */
static wt_str trim(wt_str s) {          /* white space, NUL, and a byte order mark at the start */
    if (wt_str_starts(s, WT_STR("\xef\xbb\xbf"))) s.ptr += 3, s.len -= 3;
    while (s.len && (unsigned char)s.ptr[0] <= ' ') s.ptr++, s.len--;
    while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ') s.len--;
    return s;
}

/* True where the lines of this file are not records. */
static bool is_document(wt_str head) {
    wt_str rest = trim(head);
    wt_str first = trim(wt_str_cut(&rest, '\n')), second = trim(wt_str_cut(&rest, '\n'));
    if (wt_str_eq(first, WT_STR("{"))) return true;
    if (!wt_str_starts(first, WT_STR("["))) return false;
    wt_json array;
    if (first.len > 1) return !wt_str_ends(first, WT_STR("},")) && wt_json_parse(first, &array, NULL);
    return second.len <= 1 || second.ptr[0] != '{';
}

/* Joins the rest of the file to the first block. */
static int read_document(scan *s, block *b, wt_err *err) {
    wt_buf more = {0};
    int got;
    while ((got = wt_in_block(s->in, BLOCK_BYTES, LINKS_DOCUMENT_MAX, &more, &b->too_long, err)) > 0) {
        wt_buf_add_str(&b->text, wt_buf_view(&more));
        if (b->text.len > LINKS_DOCUMENT_MAX) break;
    }
    wt_buf_free(&more);
    if (got < 0) return -1;
    if (b->too_long || got > 0)
        return wt_fail(err, WT_ELIMIT, "'%s' is one JSON document of more than %zu MiB; give one record a line",
                       wt_in_name(s->in), LINKS_DOCUMENT_MAX >> 20);
    b->is_document = true;
    return 1;
}

static int read_block(void *ctx, void *item, wt_err *err) {
    scan *s = ctx;
    block *b = item;
    b->too_long = 0;
    b->is_document = false;
    /* The first line may be a whole document; judge_line holds records to their own limit. */
    size_t line_max = s->started ? LINKS_LINE_MAX : LINKS_DOCUMENT_MAX;
    int more = wt_in_block(s->in, BLOCK_BYTES, line_max, &b->text, &b->too_long, err);
    if (more > 0 && !s->started && is_document(wt_buf_view(&b->text))) more = read_document(s, b, err);
    s->started = true;
    uint64_t raw = wt_in_raw_offset(s->in);
    wt_progress_add(raw - s->raw_seen);
    s->raw_seen = raw;
    return more;
}

/* ---- judging ---- */
static void judge_value(const links_rules *rules, wt_json value, int depth, block *b);

static void judge_each(const links_rules *rules, wt_json array, int depth, block *b) {
    wt_json_iter it;
    wt_json element;
    if (wt_json_iter_init(&it, array, NULL)) return;
    int more;
    while ((more = wt_json_next(&it, NULL, &element, NULL)) == 1) judge_value(rules, element, depth + 1, b);
    if (more < 0) b->stats.verdict[LINKS_BROKEN]++;
}

/* A listing, or one thing of it: {"kind":..., "data":{...}}, {"data":[...]}. False: a plain record. */
static bool judge_wrapped(const links_rules *rules, wt_str object, int depth, block *b) {
    wt_json data = wt_json_get((wt_json){WT_JSON_OBJECT, object}, "data");
    if (depth >= WRAP_MAX || (data.kind != WT_JSON_OBJECT && data.kind != WT_JSON_ARRAY)) return false;
    wt_json children = wt_json_get(data, "children");
    judge_value(rules, children.kind == WT_JSON_ARRAY ? children : data, depth + 1, b);
    return true;
}

static links_verdict judge_record(const links_rules *rules, wt_str record, int depth, block *b) {
    WT_GROW(b->post, b->cap, b->n + 1);
    links_verdict verdict = links_judge(rules, record, b->arena, &b->post[b->n], &b->stats);
    if (verdict == LINKS_TAKEN) b->n++;
    if (verdict == LINKS_NO_URL && judge_wrapped(rules, record, depth, b)) b->stats.verdict[LINKS_NO_URL]--;
    return verdict;
}

static void judge_value(const links_rules *rules, wt_json value, int depth, block *b) {
    if (value.kind == WT_JSON_OBJECT) judge_record(rules, value.raw, depth, b);
    else if (value.kind == WT_JSON_ARRAY && depth < WRAP_MAX) judge_each(rules, value, depth, b);
    else b->stats.verdict[LINKS_BROKEN]++;
}

/* The end of the object at the start of s by its brackets; 0 where it has none. */
static size_t object_end(wt_str s) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if ((c == '}' || c == ']') && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* Objects without a newline between them. What is left over is one broken record. */
static void judge_glued(const links_rules *rules, wt_str line, block *b) {
    while (line.len && line.ptr[0] == '{') {
        size_t end = object_end(line);
        if (!end) break;
        judge_record(rules, (wt_str){line.ptr, end}, 0, b);
        line = trim((wt_str){line.ptr + end, line.len - end});
    }
    if (line.len) b->stats.verdict[LINKS_BROKEN]++;
}

static void judge_line(const links_rules *rules, wt_str line, block *b) {
    line = trim(line);
    if (line.len > LINKS_LINE_MAX && line.ptr[0] != '[') {
        b->stats.verdict[LINKS_TOO_LONG]++;
        return;
    }
    if (line.len && line.ptr[0] == '[') {
        wt_json array;
        if (wt_json_parse(line, &array, NULL) == 0) {
            judge_value(rules, array, 0, b);
            return;
        }
        line = trim((wt_str){line.ptr + 1, line.len - 1});
    }
    /* An array with a record a line: its commas and its end. */
    while (line.len && strchr(",] \t", line.ptr[line.len - 1])) line.len--;
    if (!line.len) return;
    if (judge_record(rules, line, 0, b) != LINKS_BROKEN || line.ptr[0] != '{') return;
    size_t end = object_end(line);
    if (!end || end == line.len) return;
    b->stats.verdict[LINKS_BROKEN]--;
    judge_glued(rules, line, b);
}

static int judge_block(void *ctx, void *item, int i_thread, wt_err *err) {
    const scan *s = ctx;
    block *b = item;
    memset(&b->stats, 0, sizeof b->stats);
    wt_arena_reset(b->arena);
    b->n = 0;
    b->stats.bytes = b->text.len;
    b->stats.verdict[LINKS_TOO_LONG] = b->too_long;
    wt_str rest = wt_buf_view(&b->text);
    if (b->is_document) {
        wt_json value;
        if (wt_json_parse(trim(rest), &value, err))
            return wt_context(err, "'%s' (one JSON document)", wt_in_name(s->in));
        judge_value(s->rules, value, 0, b);
        return 0;
    }
    while (rest.len) judge_line(s->rules, wt_str_cut(&rest, '\n'), b);
    return 0;
}

/* ---- handing over ---- */
static int write_block(void *ctx, void *item, wt_err *err) {
    scan *s = ctx;
    const block *b = item;
    links_stats_add(s->total, &b->stats);
    for (size_t i = 0; i < b->n; i++)
        if (s->each(s->ctx, &b->post[i], err)) return -1;
    return 0;
}

static void *block_new(void *ctx) {
    block *b = wt_xcalloc(1, sizeof *b);
    b->arena = wt_arena_new(256 << 10);
    return b;
}

static void block_free(void *ctx, void *item) {
    block *b = item;
    wt_buf_free(&b->text);
    wt_arena_free(b->arena);
    free(b->post);
    free(b);
}

int links_scan_file(const char *path, const links_rules *rules, int threads, links_post_fn each, void *ctx,
                    links_stats *stats, wt_err *err) {
    memset(stats, 0, sizeof *stats);
    scan s = {.rules = rules, .each = each, .ctx = ctx, .total = stats, .in = wt_in_open(path, err)};
    if (!s.in) return -1;
    wt_pipeline pipeline = {
        .ctx = &s, .threads = threads, .n_slots = 2 * threads + 2, .stop_on_signal = true,
        .item_new = block_new, .item_free = block_free,
        .read = read_block, .work = judge_block, .write = write_block,
    };
    int result = wt_pipeline_run(&pipeline, err);
    wt_in_close(s.in);
    return result;
}

/* source.c - texts out of files in pieces. */
#include "bpe/source.h"

#include "common/doc.h"
#include "common/json.h"

#define PIECE_BYTES ((size_t)4 << 20)
#define DOCUMENT_BYTES_MAX ((size_t)1 << 30)    /* of a text that cannot be cut */

/* Keeps the first `limit - documents so far` lines. */
static void keep_limit(bpe_source *s, wt_buf *bytes) {
    size_t at = 0;
    while (at < bytes->len && s->n_documents < s->limit) {
        const char *end = memchr(bytes->ptr + at, '\n', bytes->len - at);
        at = (size_t)(end - bytes->ptr) + 1;
        s->n_documents++;
    }
    bytes->len = at;
}

static int read_lines(bpe_source *s, bpe_piece *piece, wt_err *err) {
    size_t want = s->piece_bytes ? s->piece_bytes : PIECE_BYTES;
    int more = wt_in_block(s->in, want, WT_DOC_LINE_MAX, &piece->bytes, &s->too_long, err);
    if (more == 1 && s->limit) {
        keep_limit(s, &piece->bytes);
        return piece->bytes.len > 0;
    }
    return more;
}

/* Fills the piece from what the last one left over and from the file, then leaves over what lies
 * behind the last cut. A text without any cut so far is read on. */
static int read_text(bpe_source *s, bpe_piece *piece, wt_err *err) {
    size_t want = s->piece_bytes ? s->piece_bytes : PIECE_BYTES;
    wt_buf_clear(&piece->bytes);
    wt_buf_add(&piece->bytes, s->carry.ptr, s->carry.len);
    wt_buf_clear(&s->carry);
    piece->ends_document = false;
    for (;;) {
        size_t before = piece->bytes.len;
        wt_buf_reserve(&piece->bytes, want);
        while (piece->bytes.len < before + want) {
            ptrdiff_t n = wt_in_read(s->in, piece->bytes.ptr + piece->bytes.len,
                                     before + want - piece->bytes.len, err);
            if (n < 0)
                return -1;
            if (n == 0) {
                piece->ends_document = true;
                return 1;           /* also where it is empty: the document ends */
            }
            piece->bytes.len += (size_t)n;
        }
        size_t cut = s->cut ? s->cut(s->cut_ctx, (wt_str){piece->bytes.ptr, piece->bytes.len}) : 0;
        if (cut) {
            wt_buf_add(&s->carry, piece->bytes.ptr + cut, piece->bytes.len - cut);
            piece->bytes.len = cut;
            return 1;
        }
        if (piece->bytes.len > DOCUMENT_BYTES_MAX)
            return wt_fail(err, WT_ELIMIT, "%s: no place to cut in %zu bytes; give it by lines or as "
                           "documents", s->path[s->i_path], piece->bytes.len);
        want = piece->bytes.len;
    }
}

static int read_any(bpe_source *s, bpe_piece *piece, wt_err *err) {
    while (s->i_path < s->n_paths) {
        if (s->limit && s->n_documents >= s->limit)
            return 0;
        if (!s->in && !(s->in = wt_in_open(s->path[s->i_path], err)))
            return -1;
        int more = s->input == BPE_INPUT_TEXT ? read_text(s, piece, err) : read_lines(s, piece, err);
        if (more < 0)
            return -1;
        bool ended = more == 0 || (s->input == BPE_INPUT_TEXT && piece->ends_document);
        if (s->input == BPE_INPUT_TEXT)
            s->n_documents += ended;
        if (ended) {
            s->bytes_done += wt_in_raw_offset(s->in);
            wt_in_close(s->in);
            s->in = NULL;
            s->i_path++;
        }
        if (more)
            return 1;
    }
    return 0;
}

int bpe_source_read(bpe_source *s, bpe_piece *piece, wt_err *err) {
    int more;
    do
        more = read_any(s, piece, err);
    while (more == 1 && s->n_ranks > 1 && s->n_pieces++ % s->n_ranks != s->rank);
    return more;
}

void bpe_source_close(bpe_source *s) {
    if (s->in)
        wt_in_close(s->in);
    s->in = NULL;
    wt_buf_free(&s->carry);
}

uint64_t bpe_source_position(const bpe_source *s) {
    return s->bytes_done + (s->in ? wt_in_raw_offset(s->in) : 0);
}

static int each_line(const bpe_source *s, wt_str line, wt_arena *arena,
                     int (*take)(void *ctx, wt_str text, wt_err *err), void *ctx,
                     bpe_piece_facts *facts, wt_err *err) {
    if (line.len && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (s->input == BPE_INPUT_LINES) {
        facts->documents++, facts->bytes += line.len;
        return take(ctx, line, err);
    }
    wt_json text;
    wt_str key = WT_STR("text");
    if (wt_str_trim(line).len == 0)
        return 0;
    wt_arena_reset(arena);
    if (wt_json_pick(line, &key, 1, &text, NULL)) {
        facts->not_json++;
        return 0;
    }
    if (text.kind != WT_JSON_STRING) {
        facts->no_text++;
        return 0;
    }
    wt_str decoded = wt_json_string(text, arena);
    facts->documents++, facts->bytes += decoded.len;
    return take(ctx, decoded, err);
}

int bpe_piece_each(const bpe_source *s, const bpe_piece *piece, wt_arena *arena,
                   int (*take)(void *ctx, wt_str text, wt_err *err), void *ctx,
                   bpe_piece_facts *facts, wt_err *err) {
    wt_str rest = wt_buf_view(&piece->bytes);
    if (s->input == BPE_INPUT_TEXT) {
        facts->bytes += rest.len, facts->documents += piece->ends_document;
        return take(ctx, rest, err);
    }
    while (rest.len) {
        wt_str line = wt_str_cut(&rest, '\n');
        if (each_line(s, line, arena, take, ctx, facts, err))
            return -1;
    }
    return 0;
}

/* source.c - texts out of files in pieces. What is too long for memory, a text without a place to cut or a line, goes to
 * temporary files that are mapped: their pages are the kernel's to take back. */
#include "bpe/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpe/split.h"
#include "bpe/words.h"
#include "common/doc.h"
#include "common/fs.h"
#include "common/json.h"

#define PIECE_BYTES ((size_t)4 << 20)
#define DOCUMENT_BYTES_MAX ((size_t)1 << 30)    /* of a text that cannot be cut, in memory */
#define SHARE_BYTES_MIN ((uint64_t)32 << 10)    /* of a file for each rank, or one takes all */
#define MAP_ROOM 4096                           /* bytes behind a mapped text that vector code may look at */
#define LINE_PIECES 4                           /* pieces that a line in memory may have */
#define STRING_PART ((size_t)256 << 10)         /* of a long string, decoded at a time */
#define OVERLAP ((size_t)64 << 10)              /* text before a place, to see whether it can be cut there */

static size_t piece_bytes(const bpe_source *s) { return s->piece_bytes ? s->piece_bytes : PIECE_BYTES; }

/* ---- mapped temporary files ---- */
/* The first n bytes of a file. */
static int map(wt_str *text, int file, uint64_t n, wt_err *err) {
    if (ftruncate(file, (off_t)(n + MAP_ROOM)))
        return wt_fail_errno(err, "cannot enlarge a temporary file");
    void *p = mmap(NULL, n + MAP_ROOM, PROT_READ, MAP_SHARED, file, 0);
    if (p == MAP_FAILED)
        return wt_fail_errno(err, "cannot map %llu bytes of a temporary file", (unsigned long long)n);
    *text = (wt_str){p, n};
    return 0;
}

static void unmap(wt_str *text) {
    if (text->ptr)
        munmap((char *)text->ptr, text->len + MAP_ROOM);
    *text = (wt_str){0};
}

void bpe_piece_reset(bpe_piece *piece) {
    unmap(&piece->mapped);
    wt_buf_clear(&piece->bytes);
}

/* ---- shares ---- */
static void add_span(bpe_source *s, size_t i_path, uint64_t from, uint64_t to, bool ends) {
    WT_GROW(s->span, s->cap_spans, s->n_spans + 1);
    s->span[s->n_spans++] = (bpe_span){i_path, from, to, ends};
}

static void add_whole(bpe_source *s, size_t i_path) {
    add_span(s, i_path, 0, i_path + 1 == s->n_paths ? s->last_bytes : 0, true);
}

/* Where the first line begins that begins at `at` or behind. */
static int line_boundary(int file, uint64_t at, uint64_t size, uint64_t *found, wt_err *err) {
    char buf[1 << 16];
    for (uint64_t from = at - 1; from < size; from += sizeof buf) {
        size_t n = size - from < sizeof buf ? (size_t)(size - from) : sizeof buf;
        if (bpe_file_read(file, from, buf, n, err))
            return -1;
        const char *end = memchr(buf, '\n', n);
        if (end) {
            *found = from + (uint64_t)(end - buf) + 1;
            return 0;
        }
    }
    *found = size;
    return 0;
}

/* The last place before `at` where the text can be cut, looked for in up to 16 MiB; 0 where there is none. */
static int text_boundary(const bpe_source *s, int file, uint64_t at, uint64_t *found, wt_err *err) {
    wt_buf text = {0};
    int result = 0;
    *found = 0;
    for (size_t window = OVERLAP; !*found && !result; window *= 4) {
        uint64_t from = at > window ? at - window : 0;
        wt_buf_clear(&text);
        wt_buf_reserve(&text, window);
        text.len = (size_t)(at - from);
        result = bpe_file_read(file, from, text.ptr, text.len, err);
        size_t cut = result ? 0 : s->cut(s->cut_ctx, wt_buf_view(&text));
        if (cut >= OVERLAP / 2 || (cut && from == 0))     /* what is near the window's beginning lacks its left side */
            *found = from + cut;
        if (from == 0 || window >= (size_t)16 << 20)
            break;
    }
    wt_buf_free(&text);
    return result;
}

static int add_range(bpe_source *s, size_t i_path, uint64_t size, wt_err *err) {
    int file = open(s->path[i_path], O_RDONLY | O_CLOEXEC), result = 0;
    uint64_t from = 0, to = 0;
    if (file < 0)
        return wt_fail_errno(err, "cannot open '%s'", s->path[i_path]);
    for (size_t r = 0; r <= s->rank && !result; r++) {
        uint64_t at = (uint64_t)((unsigned __int128)size * (r + 1) / s->n_ranks), found = size;
        if (r + 1 < s->n_ranks)
            result = s->input == BPE_INPUT_TEXT ? text_boundary(s, file, at, &found, err)
                                                : line_boundary(file, at, size, &found, err);
        from = to;
        to = found > from ? found : from;
    }
    close(file);
    if (!result && to > from)
        add_span(s, i_path, from, to, s->rank + 1 == s->n_ranks);
    return result ? wt_context(err, "%s", s->path[i_path]) : 0;
}

typedef struct {
    size_t i_path;
    uint64_t bytes;
} whole_file;

static int by_size(const void *a, const void *b) {
    const whole_file *x = a, *y = b;
    return x->bytes != y->bytes ? (x->bytes > y->bytes ? -1 : 1) : (x->i_path > y->i_path) - (x->i_path < y->i_path);
}

static void share_whole_files(bpe_source *s, whole_file *file, size_t n) {
    uint64_t *load = wt_xcalloc(s->n_ranks, sizeof *load);
    qsort(file, n, sizeof *file, by_size);
    for (size_t i = 0; i < n; i++) {
        size_t least = 0;
        for (size_t r = 1; r < s->n_ranks; r++)
            least = load[r] < load[least] ? r : least;
        load[least] += file[i].bytes + 1;
        if (least == s->rank)
            add_whole(s, file[i].i_path);
    }
    free(load);
}

static int is_plain(const char *path, bool *plain, wt_err *err) {
    *plain = false;
    if (strcmp(path, "-") == 0)
        return 0;
    wt_in *in = wt_in_open(path, err);
    if (!in)
        return -1;
    *plain = wt_in_is_plain(in);
    wt_in_close(in);
    return 0;
}

static int can_be_shared(const bpe_source *s, const char *path, int64_t bytes, bool *can, wt_err *err) {
    *can = false;
    if (bytes < (int64_t)(SHARE_BYTES_MIN * s->n_ranks) || (s->input == BPE_INPUT_TEXT && !s->cut))
        return 0;
    return is_plain(path, can, err);
}

/* Bytes of a file as far as they are of the input. */
static int64_t bytes_of(const bpe_source *s, size_t i_path) {
    int64_t bytes = wt_file_bytes(s->path[i_path]);
    bool ends = s->last_bytes && i_path + 1 == s->n_paths && bytes > (int64_t)s->last_bytes;
    return ends ? (int64_t)s->last_bytes : bytes;
}

/* Where line *left of a plain file ends, with *left 0; else the file's end, with those that are yet to come. */
static int find_line_end(const char *path, uint64_t *left, uint64_t *end, wt_err *err) {
    char buf[1 << 16], last = '\n';
    wt_in *in = wt_in_open(path, err);
    ptrdiff_t n = in ? 0 : -1;
    *end = 0;
    while (in && *left && (n = wt_in_read(in, buf, sizeof buf, err)) > 0) {
        const char *p = buf, *newline;
        for (; *left && (newline = memchr(p, '\n', (size_t)(buf + n - p))) != NULL; p = newline + 1)
            --*left;
        last = buf[n - 1];
        *end += *left ? (uint64_t)n : (uint64_t)(p - buf);
    }
    *left -= n == 0 && *left && last != '\n';       /* a last line without its end */
    wt_in_close(in);
    return n < 0 ? -1 : 0;
}

int bpe_source_find_limit(const bpe_source *s, bool *can, uint64_t *n_paths, uint64_t *last_bytes, wt_err *err) {
    uint64_t left = s->limit;
    *last_bytes = 0, *n_paths = s->n_paths < left ? s->n_paths : left;
    *can = true;
    if (s->input == BPE_INPUT_TEXT)         /* a document a file */
        return 0;
    *n_paths = 0;
    while (left && *n_paths < s->n_paths) {
        const char *path = s->path[(*n_paths)++];
        if (is_plain(path, can, err) || (*can && find_line_end(path, &left, last_bytes, err)))
            return -1;
        if (!*can)
            return 0;
    }
    if (left)
        *last_bytes = 0;
    return 0;
}

static int plan_ranks(bpe_source *s, wt_err *err) {
    whole_file *whole = wt_xcalloc(s->n_paths + 1, sizeof *whole);
    size_t n_whole = 0;
    int result = 0;
    for (size_t i = 0; i < s->n_paths && !result; i++) {
        int64_t bytes = bytes_of(s, i);
        bool can;
        if (strcmp(s->path[i], "-") == 0) {
            if (s->rank == 0)
                add_span(s, i, 0, 0, true);
        } else if ((result = can_be_shared(s, s->path[i], bytes, &can, err)) == 0) {
            if (can)
                result = add_range(s, i, (uint64_t)bytes, err);
            else
                whole[n_whole++] = (whole_file){i, bytes > 0 ? (uint64_t)bytes : 0};
        }
    }
    if (!result)
        share_whole_files(s, whole, n_whole);
    free(whole);
    return result;
}

int bpe_source_plan(bpe_source *s, wt_err *err) {
    if (s->span)
        return 0;
    add_span(s, 0, 0, 0, true);     /* so that there is an array, also of none */
    s->n_spans = 0;
    if (s->n_ranks > 1 && !s->limit) {
        if (plan_ranks(s, err))
            return -1;
    } else {
        for (size_t i = 0; i < s->n_paths; i++)
            add_whole(s, i);
    }
    for (size_t i = 0; i < s->n_spans; i++) {
        int64_t bytes = s->span[i].to ? (int64_t)(s->span[i].to - s->span[i].from) : wt_file_bytes(s->path[s->span[i].i_path]);
        s->share_bytes += bytes > 0 ? (uint64_t)bytes : 0;
    }
    return 0;
}

/* ---- pieces ---- */

static wt_str piece_text(const bpe_piece *piece) { return piece->mapped.ptr ? piece->mapped : wt_buf_view(&piece->bytes); }

/* Keeps the first `limit - documents so far` lines. */
static void keep_limit(bpe_source *s, bpe_piece *piece) {
    wt_str text = piece_text(piece);
    size_t at = 0;
    for (; at < text.len && s->n_documents < s->limit; s->n_documents++) {
        const char *end = memchr(text.ptr + at, '\n', text.len - at);
        at = end ? (size_t)(end - text.ptr) + 1 : text.len;
    }
    piece->n_kept = at;
}

/* Reads n bytes behind those of a buffer; fewer at the file's end. */
static ptrdiff_t read_behind(bpe_source *s, wt_buf *bytes, size_t n, wt_err *err) {
    size_t before = bytes->len;
    wt_buf_reserve(bytes, n);
    while (bytes->len < before + n) {
        ptrdiff_t got = wt_in_read(s->in, bytes->ptr + bytes->len, before + n - bytes->len, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        bytes->len += (size_t)got;
    }
    return (ptrdiff_t)(bytes->len - before);
}

/* The last place where pieces may be divided: between lines, or where no token crosses; 0 where there is none. */
static size_t last_cut(const bpe_source *s, const wt_buf *b) {
    if (s->input == BPE_INPUT_TEXT)
        return s->cut ? s->cut(s->cut_ctx, wt_buf_view(b)) : 0;
    const char *end = b->len ? memrchr(b->ptr, '\n', b->len) : NULL;
    return end ? (size_t)(end + 1 - b->ptr) : 0;
}

/* Goes on with a text that has no cut in what was read: it goes to a file, up to its first cut or its end. */
static int read_long_to(bpe_source *s, bpe_piece *piece, int file, uint64_t *n, bool *ended, wt_err *err) {
    wt_buf *b = &piece->bytes;
    size_t overlap = 0;             /* bytes of the buffer that are in the file already */
    for (size_t cut = 0; !cut && !*ended;) {
        if (bpe_file_write(file, *n, b->ptr + overlap, b->len - overlap, err))
            return -1;
        *n += b->len - overlap;
        if (*n > BPE_SPLIT_MAX - OVERLAP)
            return wt_fail(err, WT_ELIMIT, "%s: no place to cut in %llu bytes; give it by lines or as documents",
                           s->path[s->span[s->i_span].i_path], (unsigned long long)*n);
        overlap = b->len < OVERLAP ? b->len : OVERLAP;
        memmove(b->ptr, b->ptr + b->len - overlap, overlap);
        b->len = overlap;
        ptrdiff_t got = read_behind(s, b, piece_bytes(s), err);
        if (got < 0)
            return -1;
        *ended = got == 0;
        cut = last_cut(s, b);
        if (cut < overlap / 2)
            cut = 0;
        if (cut) {
            *n -= overlap;          /* the cut may lie in what is in the file */
            wt_buf_add(&s->carry, b->ptr + cut, b->len - cut);
            if (bpe_file_write(file, *n, b->ptr, cut, err))
                return -1;
            *n += cut;
        }
    }
    return 0;
}

static int read_long(bpe_source *s, bpe_piece *piece, bool *ended, wt_err *err) {
    uint64_t n = 0;
    int file = bpe_temp_file(s->temp_dir, err);
    if (file < 0)
        return -1;
    int result = read_long_to(s, piece, file, &n, ended, err) || map(&piece->mapped, file, n, err) ? -1 : 0;
    wt_buf_clear(&piece->bytes);
    close(file);
    return result ? -1 : 1;
}

/* Fills the piece from what the last one left over and from the file, then leaves over what lies
 * behind the last cut. A text without any cut so far is read on. */
static int read_text(bpe_source *s, bpe_piece *piece, bool *ended, wt_err *err) {
    wt_buf *b = &piece->bytes;
    wt_buf_add(b, s->carry.ptr, s->carry.len);
    wt_buf_clear(&s->carry);
    for (size_t want = piece_bytes(s);; want = b->len) {
        ptrdiff_t got = read_behind(s, b, want, err);
        if (got < 0)
            return -1;
        if ((size_t)got < want) {
            *ended = true;
            return 1;               /* also where it is empty: the document ends */
        }
        size_t cut = last_cut(s, b);
        if (cut) {
            wt_buf_add(&s->carry, b->ptr + cut, b->len - cut);
            b->len = cut;
            return 1;
        }
        if (s->long_to_file && b->len > 2 * piece_bytes(s))
            return read_long(s, piece, ended, err);
        if (b->len > DOCUMENT_BYTES_MAX)
            return wt_fail(err, WT_ELIMIT, "%s: no place to cut in %zu bytes; give it by lines or as "
                           "documents", s->path[s->span[s->i_span].i_path], b->len);
    }
}

/* Whole lines. Those that are too long are passed over, unless they may go to a file. */
static int read_lines(bpe_source *s, bpe_piece *piece, bool *ended, wt_err *err) {
    int more = s->long_to_file ? read_text(s, piece, ended, err)
                               : wt_in_block(s->in, piece_bytes(s), WT_DOC_LINE_MAX, &piece->bytes, &s->too_long, err);
    piece->n_kept = piece_text(piece).len;
    if (more == 1 && s->limit)
        keep_limit(s, piece);
    return more == 1 && s->limit ? piece->n_kept > 0 : more;
}

static int open_span(bpe_source *s, wt_err *err) {
    const bpe_span *span = &s->span[s->i_span];
    s->in = span->to ? wt_in_open_range(s->path[span->i_path], span->from, span->to, err)
                     : wt_in_open(s->path[span->i_path], err);
    return s->in ? 0 : -1;
}

static int read_any(bpe_source *s, bpe_piece *piece, wt_err *err) {
    while (s->i_span < s->n_spans) {
        bool ended = false;
        if (s->limit && s->n_documents >= s->limit)
            return 0;
        if (!s->in && open_span(s, err))
            return -1;
        bpe_piece_reset(piece);
        int more = s->input == BPE_INPUT_TEXT ? read_text(s, piece, &ended, err) : read_lines(s, piece, &ended, err);
        if (more < 0)
            return -1;
        ended |= more == 0;
        piece->ends_document = ended && s->span[s->i_span].ends;
        if (ended) {
            s->n_documents += s->input == BPE_INPUT_TEXT;
            s->bytes_done += wt_in_raw_offset(s->in) - s->span[s->i_span].from;
            wt_in_close(s->in);
            s->in = NULL;
            s->i_span++;
        }
        if (more)
            return 1;
    }
    return 0;
}

int bpe_source_read(bpe_source *s, bpe_piece *piece, wt_err *err) {
    if (bpe_source_plan(s, err))
        return -1;
    int more;
    do
        more = read_any(s, piece, err);
    while (more == 1 && s->limit && s->n_ranks > 1 && s->n_pieces++ % s->n_ranks != s->rank);
    return more;
}

void bpe_source_close(bpe_source *s) {
    if (s->in)
        wt_in_close(s->in);
    s->in = NULL;
    free(s->span);
    s->span = NULL;
    wt_buf_free(&s->carry);
}

uint64_t bpe_source_position(const bpe_source *s) {
    return s->bytes_done + (s->in ? wt_in_raw_offset(s->in) - s->span[s->i_span].from : 0);
}

/* ---- documents of a piece ---- */
typedef int taker(void *ctx, wt_str text, wt_err *err);

static bool is_surrogate(const char *p, const char *third) {
    return p[0] == '\\' && p[1] == 'u' && (p[2] | 32) == 'd' && memchr(third, p[3], 6);
}

/* How much of a JSON string, still escaped, can be decoded alone: about STRING_PART, and no escape or character divided. */
static size_t string_part(wt_str raw) {
    size_t at = 0;
    while (at < raw.len && at < STRING_PART) {
        const char *p = memchr(raw.ptr + at, '\\', (raw.len < STRING_PART ? raw.len : STRING_PART) - at);
        if (!p) {
            at = raw.len < STRING_PART ? raw.len : STRING_PART;
            break;
        }
        at = (size_t)(p - raw.ptr) + (raw.len - (size_t)(p - raw.ptr) > 1 && p[1] == 'u' ? 6 : 2);
        at += at + 6 <= raw.len && is_surrogate(p, "89abAB") && is_surrogate(raw.ptr + at, "cdefCDEF") ? 6 : 0;
    }
    while (at < raw.len && ((uint8_t)raw.ptr[at] & 0xC0) == 0x80)
        at++;
    return at < raw.len ? at : raw.len;
}

/* A string that is too long for memory, decoded into a temporary file. */
static int take_long_string(const bpe_source *s, wt_str raw, wt_arena *arena, taker *take, void *ctx, bpe_piece_facts *facts, wt_err *err) {
    uint64_t n = 0;
    wt_str text = {0};
    int file = bpe_temp_file(s->temp_dir, err), result = file < 0 ? -1 : 0;
    while (raw.len && !result) {
        size_t k = string_part(raw);
        wt_str part = wt_json_unescape((wt_str){raw.ptr, k}, arena);
        result = bpe_file_write(file, n, part.ptr, part.len, err);
        n += part.len;
        raw.ptr += k, raw.len -= k;
        wt_arena_reset(arena);
    }
    if (!result)
        result = map(&text, file, n, err);
    if (file >= 0)
        close(file);
    if (!result) {
        facts->documents++, facts->bytes += n;
        result = take(ctx, text, err);
    }
    unmap(&text);
    return result;
}

static int each_line(const bpe_source *s, wt_str line, wt_arena *arena, taker *take, void *ctx, bpe_piece_facts *facts, wt_err *err) {
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
    if (s->long_to_file && text.raw.len > LINE_PIECES * piece_bytes(s))
        return take_long_string(s, text.raw, arena, take, ctx, facts, err);
    wt_str decoded = wt_json_string(text, arena);
    facts->documents++, facts->bytes += decoded.len;
    return take(ctx, decoded, err);
}

int bpe_piece_each(const bpe_source *s, const bpe_piece *piece, wt_arena *arena,
                   int (*take)(void *ctx, wt_str text, wt_err *err), void *ctx,
                   bpe_piece_facts *facts, wt_err *err) {
    wt_str rest = piece_text(piece);
    if (s->input == BPE_INPUT_TEXT) {
        facts->bytes += rest.len, facts->documents += piece->ends_document;
        return take(ctx, rest, err);
    }
    rest.len = piece->n_kept;
    while (rest.len) {
        wt_str line = wt_str_cut(&rest, '\n');
        if (each_line(s, line, arena, take, ctx, facts, err))
            return -1;
    }
    return 0;
}

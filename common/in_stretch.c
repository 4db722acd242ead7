/* in_stretch.c - lines of an input by their bytes alone, see wt_in_stretch: what is not wanted is not looked at, where the file allows
 * that. A plain file is left out by seeking; zstd frames by their headers and those of their blocks (RFC 8878), where a frame
 * tells its decoded size and another one that does follows, as the last byte of all has to be seen. */
#include <unistd.h>

#include "common/in_impl.h"

/* Whether there is another place to read from than the one behind what was read. */
static bool can_seek(const wt_in *in) { return in->fd < 0 || (in->own_fd && in->raw_bytes > 0); }

/* Passes over up to n bytes of a plain file, not over its last one. */
static uint64_t plain_jump(wt_in *in, uint64_t n) {
    uint64_t here = in->raw_base + in->raw_at, end = in->raw_stop < in->raw_bytes ? in->raw_stop : in->raw_bytes;
    if (end <= here + 1) return 0;
    if (n > end - here - 1) n = end - here - 1;
    wt_in_raw_seek(in, here + n);
    return n;
}

/* Bytes of the file at `at`, as they are stored; nothing is taken. How many there are of n. */
static size_t look(const wt_in *in, uint64_t at, uint8_t *bytes, size_t n) {
    if (at >= in->raw_base && at <= in->raw_base + in->raw_len) {
        size_t from = (size_t)(at - in->raw_base), left = in->raw_len - from;
        if (left >= n || in->fd < 0) {
            if (left < n) n = left;
            if (n) memcpy(bytes, in->raw + from, n);
            return n;
        }
    }
    ssize_t got = in->fd < 0 ? 0 : pread(in->fd, bytes, n, (off_t)at);
    return got > 0 ? (size_t)got : 0;
}

typedef struct {
    uint64_t size, blocks;           /* decoded bytes, above 0; where in the file its blocks begin */
    bool has_checksum;
} zstd_frame;

/* False: no frame begins at `at`, or it does not tell its size. */
static bool zstd_frame_look(const wt_in *in, uint64_t at, zstd_frame *f) {
    enum { HEADER_MAX = 18 };
    uint8_t b[HEADER_MAX];
    static const uint8_t dictionary_bytes[] = {0, 1, 2, 4}, size_bytes[] = {0, 2, 4, 8};
    if (look(in, at, b, HEADER_MAX) < HEADER_MAX || memcmp(b, "\x28\xb5\x2f\xfd", 4) != 0) return false;
    bool single = b[4] >> 5 & 1;
    unsigned long long n = ZSTD_getFrameContentSize(b, HEADER_MAX);
    f->blocks = at + 5 + !single + dictionary_bytes[b[4] & 3] + (b[4] >> 6 ? size_bytes[b[4] >> 6] : single);
    f->has_checksum = b[4] >> 2 & 1;
    f->size = n;
    return n != 0 && n != ZSTD_CONTENTSIZE_UNKNOWN && n != ZSTD_CONTENTSIZE_ERROR;
}

/* Where the frame ends, by the heads of its blocks (RFC 8878, section 3.1.1.2). */
static bool zstd_frame_end(const wt_in *in, const zstd_frame *f, uint64_t *end) {
    *end = f->blocks;
    for (bool last = false; !last;) {
        uint8_t b[3];
        if (look(in, *end, b, 3) < 3) return false;
        uint32_t head = b[0] | b[1] << 8 | (uint32_t)b[2] << 16;
        bool repeated = (head >> 1 & 3) == 1;
        last = head & 1;
        *end += 3 + (repeated ? 1 : head >> 3);
    }
    *end += f->has_checksum ? 4 : 0;
    return true;
}

/* Passes over the rest of a frame and whole ones, up to n bytes together, where they tell their sizes and another one
 * follows. Who leaves a frame in its middle never knows whether its checksum is right: who reads its end does. */
static uint64_t zstd_jump(wt_in *in, uint64_t n) {
    uint64_t used = in->in_member || in->at < in->end ? in->member_made - (uint64_t)(in->end - in->at) : 0;
    uint64_t here = in->in_member || in->at < in->end ? in->member_at : in->raw_base + in->raw_at, done = 0, end;
    zstd_frame f, behind;
    if (in->done && in->at == in->end) return 0;
    for (bool there = zstd_frame_look(in, here, &f); there && f.size >= used && f.size - used <= n - done; f = behind) {
        if (!zstd_frame_end(in, &f, &end) || !zstd_frame_look(in, end, &behind)) break;
        done += f.size - used;
        here = end;
        used = 0;
    }
    if (done == 0) return 0;
    wt_in_raw_seek(in, here);
    ZSTD_DCtx_reset(in->zstd, ZSTD_reset_session_only);
    in->at = in->end = NULL;
    in->in_member = in->done = false;
    return done;
}

/* What can be passed over of the next n bytes without looking at them; one byte is left at the least. */
static uint64_t jump(wt_in *in, uint64_t n) {
    wt_in_learn(in);
    if (in->failed || !can_seek(in)) return 0;
    uint64_t done = in->kind == KIND_ZSTD ? zstd_jump(in, n) : in->kind == KIND_PLAIN && in->at == in->end ? plain_jump(in, n) : 0;
    in->offset += done;
    return done;
}

/* Reads bytes of a plain file to where they shall be; false: wt_in_span() is the way. */
static bool read_directly(wt_in *in, uint64_t n, wt_buf *bytes, uint8_t *last, uint64_t *done) {
    bool nothing_held = in->at == in->end && wt_in_raw_left(in) == 0;
    if (in->kind != KIND_PLAIN || in->failed || !nothing_held || in->fd < 0 || in->raw_end || n < WT_IN_CHUNK) return false;
    uint64_t here = in->raw_base + in->raw_len;
    if (n > in->raw_stop - here) n = in->raw_stop - here;
    wt_buf_reserve(bytes, n);
    ssize_t got = read(in->fd, bytes->ptr + bytes->len, n);
    if (got <= 0) return false;
    bytes->len += (size_t)got;
    *last = (uint8_t)bytes->ptr[bytes->len - 1];
    *done += (uint64_t)got, in->offset += (uint64_t)got;
    in->raw_base = here + (uint64_t)got;
    in->raw_at = in->raw_len = 0;
    return true;
}

/* Of a line that goes on behind the wanted bytes, no more is kept than shows that it is too long. */
static void stretch_add(wt_buf *bytes, size_t line_start, size_t max_line, const uint8_t *p, size_t n, bool ends) {
    size_t most = line_start + max_line + 1, room = bytes->len < most ? most - bytes->len : 0;
    wt_buf_add(bytes, p, n - ends < room ? n - ends : room);
    if (ends) wt_buf_add_char(bytes, '\n');
}

int wt_in_stretch(wt_in *in, uint64_t want, size_t max_line, wt_buf *bytes, uint64_t *passed, wt_err *err) {
    uint64_t done = 0;
    size_t line_start = SIZE_MAX;            /* of the line that goes on behind the wanted bytes */
    uint8_t last = '\n';
    int more;
    for (;;) {
        if (!bytes && done + 1 < want) done += jump(in, want - 1 - done);
        if (bytes && done < want && read_directly(in, want - done, bytes, &last, &done)) continue;
        if (done >= want && done > 0 && last == '\n') {
            more = 1;
            break;
        }
        if ((more = wt_in_span(in, err)) <= 0) break;
        const uint8_t *p = in->at;
        size_t n = (size_t)(in->end - p), from = want > done + 1 ? (size_t)(want - done - 1 < n ? want - done - 1 : n) : 0;
        const uint8_t *stop = from < n ? memchr(p + from, '\n', n - from) : NULL;
        if (stop) n = (size_t)(stop + 1 - p);
        if (bytes && done < want) {
            wt_buf_add(bytes, p, n);
        } else if (bytes) {
            if (line_start == SIZE_MAX) {
                const char *newline = bytes->len ? memrchr(bytes->ptr, '\n', bytes->len) : NULL;
                line_start = newline ? (size_t)(newline + 1 - bytes->ptr) : 0;
            }
            stretch_add(bytes, line_start, max_line, p, n, stop != NULL);
        }
        last = p[n - 1];
        done += n, in->offset += n;
        in->at = p + n;
    }
    if (more == 0 && last != '\n') {         /* a last line without its end */
        if (bytes) wt_buf_add_char(bytes, '\n');
        done++;
    }
    *passed += done;
    return more;
}

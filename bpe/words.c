/* words.c - counted words in memory or in an unlinked temporary file. */
#include "bpe/words.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { WINDOW = 256 << 10, FLUSH = 256 << 10, HEAD_MAX = 20 };

/* ---- files ---- */
int bpe_temp_file(const char *dir, wt_err *err) {
    dir = dir ? dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/wt-bpe-XXXXXX", dir);
    int file = mkstemp(path.ptr);
    if (file < 0)
        wt_fail_errno(err, "cannot make a temporary file in '%s'", dir);
    else
        unlink(path.ptr);           /* gone with the process, however that ends */
    wt_buf_free(&path);
    return file;
}

int bpe_file_write(int file, uint64_t at, const void *bytes, size_t n, wt_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pwrite(file, (const char *)bytes + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return wt_fail_errno(err, "cannot write the temporary file of words");
        done += (size_t)k;
    }
    return 0;
}

int bpe_file_read(int file, uint64_t at, void *bytes, size_t n, wt_err *err) {
    for (size_t done = 0; done < n;) {
        ssize_t k = pread(file, (char *)bytes + done, n - done, (off_t)(at + done));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return wt_fail_errno(err, "cannot read the temporary file of words");
        if (k == 0)
            return wt_fail(err, WT_EIO, "the temporary file of words ends before byte %llu",
                           (unsigned long long)(at + n));
        done += (size_t)k;
    }
    return 0;
}

/* ---- writing ---- */
void bpe_words_init(bpe_words *w, size_t memory, const char *temp_dir) {
    *w = (bpe_words){.file = -1, .memory = memory, .temp_dir = temp_dir};
}

void bpe_words_free(bpe_words *w) {
    wt_buf_free(&w->buf);
    if (w->file >= 0)
        close(w->file);
    *w = (bpe_words){.file = -1};
}

int bpe_words_flush(bpe_words *w, wt_err *err) {
    if (w->file < 0 && (w->file = bpe_temp_file(w->temp_dir, err)) < 0)
        return -1;
    if (bpe_file_write(w->file, w->file_bytes, w->buf.ptr, w->buf.len, err))
        return -1;
    w->file_bytes += w->buf.len;
    if (w->buf.cap > 2 * FLUSH)
        wt_buf_free(&w->buf);
    wt_buf_clear(&w->buf);
    return 0;
}

static int made_longer(bpe_words *w, wt_err *err) {
    bool full = w->file < 0 ? w->buf.len > w->memory : w->buf.len > FLUSH;
    return full ? bpe_words_flush(w, err) : 0;
}

static void add_varint(wt_buf *b, uint64_t x) {
    for (; x >= 128; x >>= 7)
        wt_buf_add_char(b, (char)(x | 128));
    wt_buf_add_char(b, (char)x);
}

int bpe_words_begin(bpe_words *w, uint64_t len, uint64_t count, wt_err *err) {
    add_varint(&w->buf, len);
    add_varint(&w->buf, count);
    w->n++, w->n_bytes += len, w->total += count;
    return 0;
}

int bpe_words_part(bpe_words *w, wt_str part, wt_err *err) {
    wt_buf_add_str(&w->buf, part);
    return made_longer(w, err);
}

int bpe_words_add(bpe_words *w, wt_str word, uint64_t count, wt_err *err) {
    bpe_words_begin(w, word.len, count, err);
    while (word.len > BPE_PART_MAX) {
        if (bpe_words_part(w, (wt_str){word.ptr, BPE_PART_MAX}, err))
            return -1;
        word.ptr += BPE_PART_MAX, word.len -= BPE_PART_MAX;
    }
    return bpe_words_part(w, word, err);
}

int bpe_words_bytes(const bpe_words *w, uint64_t at, char *bytes, size_t n, wt_err *err) {
    return bpe_file_read(w->file, at, bytes, n, err);
}

/* ---- reading ---- */
void bpe_reader_init(bpe_reader *r, const bpe_words *words, uint64_t from, uint64_t to) {
    *r = (bpe_reader){.words = words};
    if (words->file < 0)
        r->window = words->buf.ptr, r->pos = (size_t)from, r->len = (size_t)to;
    else
        r->window = wt_xmalloc(WINDOW), r->at = from, r->end = to;
}

void bpe_reader_free(bpe_reader *r) {
    if (r->words && r->words->file >= 0)
        free(r->window);
    *r = (bpe_reader){0};
}

/* Brings n bytes, or what is left, into the window. What lies behind the file's end is still in the buffer. */
static int want(bpe_reader *r, size_t n, wt_err *err) {
    if (r->len - r->pos >= n || r->at == r->end)
        return 0;
    memmove(r->window, r->window + r->pos, r->len - r->pos);
    r->len -= r->pos, r->pos = 0;
    while (r->len < n && r->at < r->end) {
        const bpe_words *w = r->words;
        uint64_t left = r->end - r->at, stored = w->file_bytes > r->at ? w->file_bytes - r->at : 0;
        size_t k = left < WINDOW - r->len ? (size_t)left : WINDOW - r->len;
        if (stored) {
            k = stored < k ? (size_t)stored : k;
            if (bpe_file_read(w->file, r->at, r->window + r->len, k, err))
                return -1;
        } else {
            memcpy(r->window + r->len, w->buf.ptr + (r->at - w->file_bytes), k);
        }
        r->len += k, r->at += k;
    }
    return 0;
}

static uint64_t take_varint(bpe_reader *r) {
    uint64_t x = 0;
    for (int shift = 0; r->pos < r->len; shift += 7) {
        uint8_t byte = (uint8_t)r->window[r->pos++];
        x |= (uint64_t)(byte & 127) << (shift & 63);
        if (byte < 128)
            break;
    }
    return x;
}

int bpe_reader_next(bpe_reader *r, wt_err *err) {
    bpe_word *w = &r->word;
    if (!r->rest) {
        if (want(r, HEAD_MAX, err))
            return -1;
        if (r->pos == r->len)
            return 0;
        w->len = r->rest = take_varint(r);
        w->count = take_varint(r);
        w->at = 0;
    } else {
        w->at += w->text.len;
    }
    size_t n = r->rest < BPE_PART_MAX ? (size_t)r->rest : BPE_PART_MAX;
    if (want(r, n, err))
        return -1;
    w->text = (wt_str){r->window + r->pos, n};
    r->pos += n;
    r->rest -= n;
    w->last = r->rest == 0;
    return 1;
}

/* common_in.c - reading in every compression equals the bytes that were packed: whole, in members, in
 * pieces of any size, from memory and files; lines and blocks equal a naive split; damage is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <brotli/encode.h>
#include <bzlib.h>
#include <cmocka.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "common/fs.h"
#include "common/in.h"
#include "common/rng.h"

enum { PLAIN, GZIP, ZSTD, XZ, BZIP2, N_CODINGS };

/* Appends one member that holds s. */
static void pack(wt_buf *out, int coding, wt_str s) {
    wt_buf_reserve(out, s.len * 2 + 4096);
    char *dst = out->ptr + out->len;
    size_t room = out->cap - out->len, n = 0;
    if (coding == PLAIN) {
        wt_buf_add_str(out, s);
        return;
    } else if (coding == GZIP) {
        z_stream z = {.next_in = (Bytef *)s.ptr, .avail_in = (uInt)s.len,
                      .next_out = (Bytef *)dst, .avail_out = (uInt)room};
        deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        n = z.total_out;
        deflateEnd(&z);
    } else if (coding == ZSTD) {
        ZSTD_CCtx *c = ZSTD_createCCtx();
        ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
        n = ZSTD_compress2(c, dst, room, s.ptr, s.len);
        assert_false(ZSTD_isError(n));
        ZSTD_freeCCtx(c);
    } else if (coding == XZ) {
        assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, (const uint8_t *)s.ptr,
                                                 s.len, (uint8_t *)dst, &n, room), LZMA_OK);
    } else {
        unsigned bytes = (unsigned)room;
        assert_int_equal(BZ2_bzBuffToBuffCompress(dst, &bytes, (char *)s.ptr, (unsigned)s.len, 1, 0, 0),
                         BZ_OK);
        n = bytes;
    }
    out->len += n;
}

/* Text of about n bytes in lines of 0 to 300 bytes, that packs about as well as prose. */
static void make_text(wt_buf *out, size_t n, uint64_t seed) {
    wt_rng rng;
    wt_rng_init(&rng, seed, 0);
    while (out->len < n) {
        size_t words = wt_rng_below(&rng, 60);
        for (size_t i = 0; i < words; i++)
            wt_buf_printf(out, "%llx ", (unsigned long long)wt_rng_below(&rng, 5000));
        wt_buf_add_str(out, wt_rng_below(&rng, 5) ? WT_STR("\n") : WT_STR("\r\n"));
    }
}

static void read_all(wt_in *in, size_t piece, wt_buf *out) {
    wt_err err = {0};
    ptrdiff_t n;
    do {
        wt_buf_reserve(out, piece);
        n = wt_in_read(in, out->ptr + out->len, piece, &err);
        if (n < 0) fail_msg("%s", err.text);
        out->len += (size_t)n;
    } while (n > 0);
    assert_int_equal(wt_in_offset(in), out->len);
}

static void assert_same(wt_str got, wt_str want) {
    assert_int_equal(got.len, want.len);
    if (want.len) assert_memory_equal(got.ptr, want.ptr, want.len);
}

static void round_trip_in_every_coding(void **state) {
    static const size_t sizes[] = {1, 100, 262143, 262144, 262145, 1500000};
    for (int coding = 0; coding < N_CODINGS; coding++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            wt_buf text = {0}, packed = {0}, got = {0};
            make_text(&text, sizes[i], i);
            text.len = sizes[i];
            pack(&packed, coding, wt_buf_view(&text));
            wt_in *in = wt_in_memory(wt_buf_view(&packed), "memory");
            read_all(in, i % 2 ? 1 << 20 : 777, &got);
            assert_same(wt_buf_view(&got), wt_buf_view(&text));
            wt_in_close(in);
            wt_buf_free(&text), wt_buf_free(&packed), wt_buf_free(&got);
        }
}

static void members_are_read_through_and_told_apart(void **state) {
    for (int coding = GZIP; coding < N_CODINGS; coding++) {
        wt_buf packed = {0}, want = {0};
        uint64_t starts[20], ends[20];
        for (int i = 0; i < 20; i++) {
            wt_buf text = {0};
            make_text(&text, (size_t)(1 + i * i * 900), (uint64_t)i);
            starts[i] = packed.len;
            pack(&packed, coding, wt_buf_view(&text));
            if (coding == ZSTD && i % 3 == 0) wt_buf_add(&packed, "\x53\x2a\x4d\x18\3\0\0\0abc", 11);
            wt_buf_add_str(&want, wt_buf_view(&text));
            ends[i] = want.len;
            wt_buf_free(&text);
        }
        if (coding == GZIP || coding == BZIP2)
            for (int i = 0; i < 1000; i++) wt_buf_add_char(&packed, 0);   /* padding is allowed */
        wt_buf got = {0};
        wt_in *in = wt_in_memory(wt_buf_view(&packed), "memory");
        read_all(in, 1 << 20, &got);
        assert_same(wt_buf_view(&got), wt_buf_view(&want));
        wt_in_close(in);
        /* From file, with the offset of each member as its first byte comes up. */
        assert_int_equal(wt_write_file("members", wt_buf_view(&packed), NULL), 0);
        in = wt_in_open("members", NULL);
        for (int i = 0; i < 20 && (coding == GZIP || coding == ZSTD); i++) {
            uint64_t at = wt_in_member_offset(in), left = ends[i] - wt_in_offset(in);
            assert_int_equal(at, starts[i]);
            wt_buf_clear(&got);
            wt_buf_reserve(&got, left);
            assert_int_equal(wt_in_read(in, got.ptr, left, NULL), left);
        }
        assert_int_equal(wt_in_raw_bytes(in), packed.len);
        wt_in_close(in);
        wt_buf_free(&packed), wt_buf_free(&want), wt_buf_free(&got);
    }
}

static void empty_inputs_end_at_once(void **state) {
    char byte;
    for (int coding = 0; coding < N_CODINGS; coding++) {
        wt_buf packed = {0};
        pack(&packed, coding, WT_STR(""));
        wt_in *in = wt_in_memory(wt_buf_view(&packed), "memory");
        assert_int_equal(wt_in_read(in, &byte, 1, NULL), 0);
        assert_int_equal(wt_in_read(in, &byte, 1, NULL), 0);
        wt_in_close(in);
        wt_buf_free(&packed);
    }
}

/* Every cut of a packed stream gives a prefix of the text and then an error, but for cuts between
 * members; every damaged byte an error or the same text. Nothing crashes, nothing loops. */
static void cuts_and_damage_are_told(void **state) {
    wt_buf text = {0};
    make_text(&text, 3000, 5);
    for (int coding = GZIP; coding < N_CODINGS; coding++) {
        wt_buf packed = {0};
        pack(&packed, coding, wt_buf_view(&text));
        for (size_t n = 12; n < packed.len; n += 1 + n / 64) {
            wt_err err = {0};
            wt_buf got = {0};
            wt_in *in = wt_in_memory((wt_str){packed.ptr, n}, "cut file");
            wt_buf_reserve(&got, text.len + 1);
            ptrdiff_t k;
            while ((k = wt_in_read(in, got.ptr + got.len, text.len - got.len + 1, &err)) > 0)
                got.len += (size_t)k;
            if (k != -1) fail_msg("coding %d cut at %zu of %zu: no error", coding, n, packed.len);
            assert_int_equal(err.code, WT_EDATA);
            assert_non_null(strstr(err.text, "cut file"));
            assert_true(got.len <= text.len && memcmp(got.ptr, text.ptr, got.len) == 0);
            assert_int_equal(wt_in_read(in, got.ptr, 1, &err), -1);      /* and stays so */
            wt_in_close(in);
            wt_buf_free(&got);
        }
        int silent = 0;
        for (size_t i = 0; i < packed.len; i++) {
            wt_buf bad = {0};
            wt_buf_add_str(&bad, wt_buf_view(&packed));
            bad.ptr[i] ^= 0x10;
            wt_in *in = wt_in_memory(wt_buf_view(&bad), "damaged file");
            char *got = malloc(1 << 20);   /* a flip may make it longer */
            size_t got_bytes = 0;
            ptrdiff_t k;
            while ((k = wt_in_read(in, got + got_bytes, (1 << 20) - got_bytes, NULL)) > 0)
                got_bytes += (size_t)k;
            bool same = got_bytes == text.len && memcmp(got, text.ptr, text.len) == 0;
            bool taken_as_plain = got_bytes == packed.len && i < 10;
            silent += k == 0 && !same && !taken_as_plain;
            free(got);
            wt_in_close(in);
            wt_buf_free(&bad);
        }
        assert_int_equal(silent, 0);
        wt_buf_free(&packed);
    }
    wt_buf_free(&text);
}

static void windows_of_2_gib_are_read(void **state) {
    /* A frame header that asks for windowLog 31, with little in it: as in Reddit's dumps. */
    wt_buf text = {0}, packed = {0}, got = {0};
    make_text(&text, 400000, 9);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 31);
    ZSTD_CCtx_setParameter(c, ZSTD_c_hashLog, 12);
    ZSTD_CCtx_setParameter(c, ZSTD_c_chainLog, 12);
    wt_buf_reserve(&packed, text.len + 4096);
    ZSTD_inBuffer src = {text.ptr, text.len, 0};
    ZSTD_outBuffer dst = {packed.ptr, packed.cap, 0};
    size_t left = ZSTD_compressStream2(c, &dst, &src, ZSTD_e_continue);   /* size not known ahead */
    if (ZSTD_isError(left)) {                /* no 2 GiB here for the writer */
        ZSTD_freeCCtx(c);
        skip();
    }
    while ((left = ZSTD_compressStream2(c, &dst, &src, ZSTD_e_end)) != 0) assert_false(ZSTD_isError(left));
    ZSTD_freeCCtx(c);
    packed.len = dst.pos;
    assert_int_equal((uint8_t)packed.ptr[5] >> 3, 31 - 10);               /* the window descriptor */
    wt_in *in = wt_in_memory(wt_buf_view(&packed), "dump");
    read_all(in, 1 << 20, &got);
    assert_same(wt_buf_view(&got), wt_buf_view(&text));
    wt_in_close(in);
    wt_buf_free(&text), wt_buf_free(&packed), wt_buf_free(&got);
}

/* ---- lines and blocks against a naive split ---- */

/* The lines that are kept, each with '\n' behind it and without '\r' before. */
static uint64_t split(wt_str text, size_t max, wt_buf *out, bool keep_cr) {
    uint64_t too_long = 0;
    while (text.len) {
        wt_str line = wt_str_cut(&text, '\n');
        if (line.len > max) {
            too_long++;
            continue;
        }
        if (!keep_cr && line.len && line.ptr[line.len - 1] == '\r') line.len--;
        wt_buf_add_str(out, line);
        wt_buf_add_char(out, '\n');
    }
    return too_long;
}

static void lines_and_blocks_equal_a_naive_split(void **state) {
    static const size_t limits[] = {0, 1, 10, 50, 200, 100000, (size_t)1 << 30};
    static const size_t sizes[] = {0, 1, 5000, 700000};
    for (size_t i_size = 0; i_size < 4; i_size++)
        for (int variant = 0; variant < 4; variant++) {
            wt_buf text = {0}, packed = {0};
            if (sizes[i_size]) make_text(&text, sizes[i_size], (uint64_t)variant);
            if (variant == 1) wt_buf_add_str(&text, WT_STR("no end of line"));
            if (variant == 2) {                       /* a line longer than any buffer */
                for (int i = 0; i < 300000; i++) wt_buf_add_str(&text, WT_STR("long"));
                wt_buf_add_str(&text, WT_STR("\nlast\n\n"));
            }
            pack(&packed, variant == 3 ? GZIP : PLAIN, wt_buf_view(&text));
            for (size_t i_limit = 0; i_limit < sizeof limits / sizeof *limits; i_limit++) {
                wt_buf want = {0}, got = {0}, block = {0};
                uint64_t want_long = split(wt_buf_view(&text), limits[i_limit], &want, false), n_long = 0;
                wt_str line;
                wt_in *in = wt_in_memory(wt_buf_view(&packed), "memory");
                while (wt_in_line(in, limits[i_limit], &line, &n_long, NULL) == 1) {
                    wt_buf_add_str(&got, line);
                    wt_buf_add_char(&got, '\n');
                }
                assert_same(wt_buf_view(&got), wt_buf_view(&want));
                assert_int_equal(n_long, want_long);
                assert_int_equal(wt_in_offset(in), text.len);
                wt_in_close(in);

                static const size_t wants[] = {0, 100, 65536, 4 << 20};
                for (int i = 0; i < 4; i++) {
                    wt_buf_clear(&want), wt_buf_clear(&got);
                    want_long = split(wt_buf_view(&text), limits[i_limit], &want, true);
                    n_long = 0;
                    in = wt_in_memory(wt_buf_view(&packed), "memory");
                    while (wt_in_block(in, wants[i], limits[i_limit], &block, &n_long, NULL) == 1) {
                        assert_true(block.len > 0 && block.ptr[block.len - 1] == '\n');
                        wt_buf_add_str(&got, wt_buf_view(&block));
                    }
                    assert_same(wt_buf_view(&got), wt_buf_view(&want));
                    assert_int_equal(n_long, want_long);
                    wt_in_close(in);
                }
                wt_buf_free(&want), wt_buf_free(&got), wt_buf_free(&block);
            }
            wt_buf_free(&text), wt_buf_free(&packed);
        }
}

/* Where a stretch of `want` bytes that begins at `at` ends: behind the first end of a line there. */
static size_t stretch_end(wt_str text, size_t at, size_t want) {
    size_t i = at + (want ? want - 1 : 0);
    while (i < text.len && text.ptr[i] != '\n') i++;
    return i < text.len ? i + 1 : text.len;
}

/* What a stretch keeps: a line that goes on behind `want` is cut where it is seen to be too long. At least so much, and
 * otherwise the same. */
static void stretch_is(wt_str got, wt_str whole, size_t want, size_t max_line) {
    size_t same = 0, most = want + max_line + (600 << 10);
    while (same < got.len && same < whole.len && got.ptr[same] == whole.ptr[same]) same++;
    if (got.len == whole.len && same == got.len) return;
    const char *line = memrchr(whole.ptr, '\n', whole.len - 1);
    size_t line_at = line ? (size_t)(line + 1 - whole.ptr) : 0;
    assert_true(whole.len - line_at - 1 > max_line && got.len <= most);
    assert_true(same >= line_at && got.len - line_at - 1 > max_line);
    assert_int_equal(got.ptr[got.len - 1], '\n');
    assert_true(same + 1 >= got.len);
}

/* Stretches of `want` bytes, of which each in the pattern's turn is read and the others are passed over. */
static void check_stretches(wt_in *in, wt_str text, size_t want, unsigned pattern, size_t max_line) {
    wt_err err = {0};
    wt_buf bytes = {0};
    uint64_t at = 0;
    bool open_end = text.len > 0 && text.ptr[text.len - 1] != '\n';
    for (unsigned i = 0, more = 1; more; i++) {
        bool mine = pattern >> i % 5 & 1;
        uint64_t before = at;
        bytes.len = 0;
        size_t end = stretch_end(text, at, want);
        int got = wt_in_stretch(in, want, max_line, mine ? &bytes : NULL, &at, &err);
        if (got < 0) fail_msg("%s", err.text);
        more = got == 1;
        bool added = end == text.len && open_end && end > before;
        assert_int_equal(at, end + added);
        if (more) assert_true(at - before >= want);
        if (!mine) continue;
        wt_buf whole = {0};
        wt_buf_add(&whole, text.ptr + before, end - before);
        if (added) wt_buf_add_char(&whole, '\n');
        if (whole.len) stretch_is(wt_buf_view(&bytes), wt_buf_view(&whole), want, max_line);
        else assert_int_equal(bytes.len, 0);
        wt_buf_free(&whole);
    }
    assert_int_equal(wt_in_stretch(in, want, max_line, NULL, &at, &err), 0);
    wt_buf_free(&bytes);
    wt_in_close(in);
}

static void write_whole(const char *path, wt_str bytes) {
    wt_err err = {0};
    if (wt_write_file(path, bytes, &err)) fail_msg("%s", err.text);
}

/* Frames of many sizes; some do not tell theirs, some are skippable, some are empty. */
static void pack_frames(wt_buf *packed, wt_str text) {
    wt_rng rng;
    wt_rng_init(&rng, 5, 0);
    for (size_t at = 0, i = 0; at < text.len; i++) {
        size_t n = wt_rng_below(&rng, 90000) + 1;
        if (n > text.len - at) n = text.len - at;
        size_t from = packed->len;
        pack(packed, ZSTD, (wt_str){text.ptr + at, n});
        if (i % 7 == 3) {
            packed->len = from;
            size_t room = n * 2 + 1000;
            wt_buf_reserve(packed, room);
            ZSTD_CCtx *c = ZSTD_createCCtx();
            ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
            packed->len += ZSTD_compress2(c, packed->ptr + from, room, text.ptr + at, n);
            ZSTD_freeCCtx(c);
        }
        if (i % 5 == 2) wt_buf_add(packed, "\x53\x2a\x4d\x18\3\0\0\0abc", 11);
        if (i % 11 == 2) pack(packed, ZSTD, (wt_str){"", 0});
        at += n;
    }
}

static void stretches_end_at_lines_read_or_not(void **state) {
    static const size_t wants[] = {1, 1000, 65536, 300000, 700000, 1 << 30};
    for (int variant = 0; variant < 5; variant++) {
        wt_buf text = {0};
        if (variant < 4) make_text(&text, 800000, 7 + (uint64_t)variant);
        if (variant == 1) wt_buf_add_str(&text, WT_STR("\n \t\n  no end of line "));
        if (variant == 2) {
            for (int i = 0; i < 200000; i++) wt_buf_add_str(&text, WT_STR("long"));
            wt_buf_add_str(&text, WT_STR("\n  last\n\n \n "));
            make_text(&text, 1900000, 3);
        }
        for (int coding = PLAIN; coding <= ZSTD; coding++) {
            wt_buf packed = {0};
            if (coding == ZSTD) pack_frames(&packed, wt_buf_view(&text));
            else pack(&packed, coding, wt_buf_view(&text));
            write_whole("stretch", wt_buf_view(&packed));
            for (size_t i = variant == 2 ? 2 : 0; i < sizeof wants / sizeof *wants; i++)
                for (unsigned pattern = 0; pattern < 32; pattern += wants[i] < 1000 ? 13 : 3) {
                    size_t max_line = pattern % 2 ? 1 << 20 : 5000;
                    if (wants[i] == 1 && pattern != 13) continue;
                    check_stretches(wt_in_memory(wt_buf_view(&packed), "memory"), wt_buf_view(&text), wants[i], pattern, max_line);
                    check_stretches(wt_in_open("stretch", NULL), wt_buf_view(&text), wants[i], pattern, max_line);
                }
            wt_buf_free(&packed);
        }
        wt_buf_free(&text);
    }
    remove("stretch");
}

/* What is passed over is not decoded: damage in it goes unseen, damage behind it is found, and neither loops. */
static void damaged_frames_are_passed_over_or_told(void **state) {
    wt_buf text = {0}, packed = {0};
    make_text(&text, 600000, 9);
    pack_frames(&packed, wt_buf_view(&text));
    for (size_t at = 0; at < packed.len; at += 997) {
        wt_err err = {0};
        uint64_t passed = 0;
        packed.ptr[at] ^= 0x55;
        wt_in *in = wt_in_memory(wt_buf_view(&packed), "memory");
        int got = 1;
        for (int i = 0; got > 0 && i < 100; i++) got = wt_in_stretch(in, 100000, 1 << 20, NULL, &passed, &err);
        assert_true(got <= 0);
        wt_in_close(in);
        packed.ptr[at] ^= 0x55;
    }
    wt_buf_free(&text), wt_buf_free(&packed);
}

static void missing_files_and_folders_are_named(void **state) {
    wt_err err = {0};
    assert_null(wt_in_open("no-such-file", &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    assert_non_null(strstr(err.text, "no-such-file"));
    assert_null(wt_in_open(".", &err));
    assert_int_equal(err.code, WT_EIO);
}

/* Reads a range in pieces of `step` bytes; its raw offset ends where the range does. */
static void range_is(const char *path, uint64_t from, uint64_t to, wt_str want, size_t step) {
    wt_err err = {0};
    wt_in *in = wt_in_open_range(path, from, to, &err);
    char got[1024];
    size_t n = 0;
    assert_non_null(in);
    assert_true(wt_in_is_plain(in));
    for (ptrdiff_t k; (k = wt_in_read(in, got + n, step, &err)) != 0; n += (size_t)k) assert_true(k > 0);
    assert_int_equal(n, want.len);
    assert_memory_equal(got, want.ptr, n);
    assert_int_equal(wt_in_raw_offset(in), from + n);
    wt_in_close(in);
}

static void every_range_of_a_file_is_its_bytes(void **state) {
    static const char text[] = "one\n\ntwo\r\nthree without an end, and a little longer\n\n\nlast";
    enum { N = sizeof text - 1 };
    wt_str all = {text, N};
    write_whole("range.txt", all);
    for (uint64_t from = 0; from <= N + 2; from++)
        for (uint64_t to = 0; to <= N + 2; to++) {
            uint64_t end = to < N ? to : N, n = end > from ? end - from : 0;
            range_is("range.txt", from, to, (wt_str){text + (n ? from : 0), (size_t)n}, 1 + (from + to) % 70);
        }
    /* By lines: those of the text between, its first and last perhaps in part. */
    for (uint64_t from = 0; from <= N; from++)
        for (uint64_t to = from; to <= N; to++) {
            wt_in *range = wt_in_open_range("range.txt", from, to, NULL), *twin = wt_in_memory((wt_str){text + from, (size_t)(to - from)}, "twin");
            wt_str a, b;
            int more;
            uint64_t too_long = 0;
            while ((more = wt_in_line(twin, 1 << 20, &b, &too_long, NULL)) == 1) {
                assert_int_equal(wt_in_line(range, 1 << 20, &a, &too_long, NULL), 1);
                assert_true(wt_str_eq(a, b));
            }
            assert_int_equal(wt_in_line(range, 1 << 20, &a, &too_long, NULL), more);
            wt_in_close(range);
            wt_in_close(twin);
        }
    remove("range.txt");
}

static void ranges_of_packed_files_are_as_stored(void **state) {
    for (int coding = GZIP; coding < N_CODINGS; coding++) {
        wt_buf packed = {0};
        pack(&packed, coding, WT_STR("text that is packed, and packed once more, and packed\n"));
        write_whole("range.packed", wt_buf_view(&packed));
        for (uint64_t from = 0; from < packed.len; from += 7)
            range_is("range.packed", from, packed.len, (wt_str){packed.ptr + from, packed.len - (size_t)from}, 64);
        wt_buf_free(&packed);
    }
    remove("range.packed");
}

static void ranges_of_what_is_no_file_are_refused(void **state) {
    wt_err err = {0};
    int pipe_of[2];
    assert_null(wt_in_open_range("no/such/file", 0, 1, &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    assert_null(wt_in_open_range(".", 0, 1, &err));
    assert_int_equal(pipe(pipe_of), 0);
    int kept = dup(STDIN_FILENO);
    dup2(pipe_of[0], STDIN_FILENO);
    assert_null(wt_in_open_range("-", 0, 1, &err));
    assert_non_null(strstr(err.text, "from byte 0 on"));
    if (kept >= 0) dup2(kept, STDIN_FILENO), close(kept);
    close(pipe_of[0]), close(pipe_of[1]);
}

static void text_that_looks_like_a_magic_is_text(void **state) {
    static const char *const texts[] = {"BZh9 is how a bzip2 file begins", "P", "\x1f", "\x28\xb5", "(", "BZh"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        wt_buf got = {0};
        wt_in *in = wt_in_memory(wt_str_of(texts[i]), "memory");
        read_all(in, 100, &got);
        assert_same(wt_buf_view(&got), wt_str_of(texts[i]));
        wt_in_close(in);
        wt_buf_free(&got);
    }
}

/* ---- HTTP bodies ---- */

static void deflate_to(wt_buf *out, wt_str s, int window_bits) {
    wt_buf_reserve(out, s.len + 4096);
    z_stream z = {.next_in = (Bytef *)s.ptr, .avail_in = (uInt)s.len,
                  .next_out = (Bytef *)out->ptr + out->len, .avail_out = (uInt)(out->cap - out->len)};
    deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
    deflate(&z, Z_FINISH);
    out->len += z.total_out;
    deflateEnd(&z);
}

static void brotli_to(wt_buf *out, wt_str s) {
    wt_buf_reserve(out, s.len + 4096);
    size_t n = out->cap - out->len;
    BrotliEncoderCompress(5, 22, BROTLI_DEFAULT_MODE, s.len, (const uint8_t *)s.ptr, &n,
                          (uint8_t *)out->ptr + out->len);
    out->len += n;
}

static void bodies_decode(void **state) {
    wt_buf text = {0};
    make_text(&text, 300000, 3);
    wt_str want = wt_buf_view(&text);
    const char *names[] = {"gzip", "X-GZIP", "deflate", "deflate", "br", "zstd", "", "identity"};
    for (int i = 0; i < 8; i++) {
        wt_buf packed = {0}, got = {0};
        if (i < 2) pack(&packed, GZIP, want);
        else if (i < 4) deflate_to(&packed, want, i == 2 ? 15 : -15);
        else if (i == 4) brotli_to(&packed, want);
        else if (i == 5) pack(&packed, ZSTD, want);
        else wt_buf_add_str(&packed, want);
        wt_err err = {0};
        if (wt_decode_body(wt_buf_view(&packed), wt_str_of(names[i]), want.len, &got, &err))
            fail_msg("%s: %s", names[i], err.text);
        assert_same(wt_buf_view(&got), want);
        wt_buf_clear(&got);                  /* one byte less than it needs */
        assert_int_equal(wt_decode_body(wt_buf_view(&packed), wt_str_of(names[i]), want.len - 1, &got, &err), -1);
        assert_int_equal(err.code, WT_ELIMIT);
        assert_same(wt_buf_view(&got), (wt_str){want.ptr, want.len - 1});
        if (i < 6) {                         /* cut: what came before stays */
            wt_buf_clear(&got);
            wt_str half = {packed.ptr, packed.len / 2};
            assert_int_equal(wt_decode_body(half, wt_str_of(names[i]), want.len, &got, &err), -1);
            assert_int_equal(err.code, WT_EDATA);
            assert_true(got.len > 0 && memcmp(got.ptr, want.ptr, got.len) == 0);
        }
        wt_buf_free(&packed), wt_buf_free(&got);
    }
    wt_buf once = {0}, twice = {0}, got = {0};
    deflate_to(&once, want, 15 + 16);
    brotli_to(&twice, wt_buf_view(&once));
    assert_int_equal(wt_decode_body(wt_buf_view(&twice), WT_STR(" gzip , br"), want.len, &got, NULL), 0);
    assert_same(wt_buf_view(&got), want);
    wt_err err = {0};
    assert_int_equal(wt_decode_body(want, WT_STR("compress"), 100, &got, &err), -1);
    assert_int_equal(err.code, WT_EDATA);
    assert_int_equal(wt_decode_body(want, WT_STR("br,br,br,br,br,br"), 100, &got, &err), -1);
    assert_int_equal(err.code, WT_ELIMIT);
    wt_buf_free(&once), wt_buf_free(&twice), wt_buf_free(&got), wt_buf_free(&text);
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_in_every_coding),
        cmocka_unit_test(members_are_read_through_and_told_apart),
        cmocka_unit_test(empty_inputs_end_at_once),
        cmocka_unit_test(cuts_and_damage_are_told),
        cmocka_unit_test(windows_of_2_gib_are_read),
        cmocka_unit_test(lines_and_blocks_equal_a_naive_split),
        cmocka_unit_test(stretches_end_at_lines_read_or_not), cmocka_unit_test(damaged_frames_are_passed_over_or_told),
        cmocka_unit_test(missing_files_and_folders_are_named),
        cmocka_unit_test(every_range_of_a_file_is_its_bytes),
        cmocka_unit_test(ranges_of_packed_files_are_as_stored),
        cmocka_unit_test(ranges_of_what_is_no_file_are_refused),
        cmocka_unit_test(text_that_looks_like_a_magic_is_text),
        cmocka_unit_test(bodies_decode),
    };
    return cmocka_run_group_tests_name("common_in", tests, NULL, NULL);
}

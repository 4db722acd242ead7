/* bpe_source.c - the shares of 1 to 7 ranks together are the documents of one, each once: lines,
 * JSON lines and texts, plain and compressed, with and without a limit, in memory and through temporary files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpe/source.h"
#include "common/fs.h"
#include "common/out.h"
#include "common/rng.h"

enum { FILES = 4, RANKS_MAX = 7 };

static char *paths[] = {"a.jsonl", "b.jsonl.gz", "c.jsonl", "d.jsonl"};

/* Each document is its number and letters; the third file's last line has no end, the fourth file is small. */
static uint64_t make_files(void) {
    wt_rng rng;
    uint64_t n = 0;
    wt_rng_init(&rng, 3, 0);
    for (int f = 0; f < FILES; f++) {
        wt_err err = {0};
        wt_buf all = {0};
        for (size_t bytes = f == 3 ? 2000 : 300000; all.len < bytes; n++) {
            wt_buf_printf(&all, "{\"text\":\"%llu ", (unsigned long long)n);
            for (uint64_t k = wt_rng_below(&rng, n % 50 ? 200 : 40000); k; k--)
                wt_buf_add_char(&all, (char)('a' + k % 26));
            wt_buf_printf(&all, "\"}\n");
        }
        all.len -= f == 2;
        wt_out *out = wt_out_open(paths[f], &err);
        assert_non_null(out);
        assert_int_equal(wt_out_str(out, wt_buf_view(&all), &err), 0);
        assert_int_equal(wt_out_commit(out, &err), 0);
        wt_buf_free(&all);
    }
    return n;
}

typedef struct {
    uint8_t *seen;                  /* by number of document */
} sighting;

static int see(void *ctx, wt_str text, wt_err *err) {
    sighting *s = ctx;
    wt_str json = wt_str_starts(text, WT_STR("{")) ? (wt_str){text.ptr + 9, text.len - 9} : text;
    uint64_t number = strtoull(json.ptr, NULL, 10);
    s->seen[number]++;
    return 0;
}

static size_t cut_at_line(const void *ctx, wt_str text) {
    const char *end = memrchr(text.ptr, '\n', text.len ? text.len - 1 : 0);
    return end ? (size_t)(end + 1 - text.ptr) : 0;
}

static uint64_t read_share(bpe_source source, sighting *s, bpe_piece_facts *facts) {
    wt_err err = {0};
    bpe_piece piece = {{0}};
    wt_arena *arena = wt_arena_new(0);
    int more;
    while ((more = bpe_source_read(&source, &piece, &err)) == 1)
        assert_int_equal(bpe_piece_each(&source, &piece, arena, see, s, facts, &err), 0);
    if (more < 0)
        print_message("# %s\n", err.text);
    assert_int_equal(more, 0);
    uint64_t position = bpe_source_position(&source);
    bpe_piece_reset(&piece);
    wt_buf_free(&piece.bytes);
    bpe_source_close(&source);
    wt_arena_free(arena);
    return position;
}

static void ranks_read_each_document_once(void **state) {
    uint64_t n = make_files();
    sighting s = {.seen = calloc(n + 1, 1)};
    uint64_t limits[] = {0, 1, 50, n / 2, n - 1, n, n + 5};
    for (int kind = 0; kind < 2; kind++)
        for (size_t l = 0; l < sizeof limits / sizeof *limits; l++)
            for (size_t ranks = 1; ranks <= RANKS_MAX; ranks++) {
                bpe_piece_facts facts = {0};
                uint64_t want = limits[l] && limits[l] < n ? limits[l] : n;
                memset(s.seen, 0, n + 1);
                for (size_t r = 0; r < ranks; r++)
                    read_share((bpe_source){.path = paths, .n_paths = FILES, .input = kind ? BPE_INPUT_LINES : BPE_INPUT_JSONL, .piece_bytes = 4096,
                                            .limit = limits[l], .rank = r, .n_ranks = ranks, .long_to_file = l % 2}, &s, &facts);
                assert_int_equal(facts.documents, want);
                for (uint64_t i = 0; i < n; i++)
                    assert_int_equal(s.seen[i], i < want);
            }
    free(s.seen);
}

/* Where no file is compressed, ranks read no more than their share of what is within the limit. */
static void a_limit_is_shared(void **state) {
    uint64_t n = make_files();
    char *plain[] = {paths[0], paths[2], paths[3]};
    sighting s = {.seen = calloc(n + 1, 1)};
    uint64_t one = 0, first = 0;
    bpe_piece_facts whole = {0};
    for (uint64_t limit = 1; limit < n + 50; limit += 1 + limit / 3)
        for (int ranks = 1; ranks <= RANKS_MAX; ranks++) {
            bpe_source source = {.path = plain, .n_paths = 3, .input = BPE_INPUT_JSONL, .piece_bytes = 4096, .limit = limit, .n_ranks = (size_t)ranks};
            uint64_t n_paths, read = 0;
            bool can;
            wt_err err = {0};
            bpe_piece_facts facts = {0};
            memset(s.seen, 0, n + 1);
            assert_int_equal(bpe_source_find_limit(&source, &can, &n_paths, &source.last_bytes, &err), 0);
            assert_true(can);
            source.limit = 0, source.n_paths = (size_t)n_paths;
            for (source.rank = 0; source.rank < source.n_ranks; source.rank++)
                read += read_share(source, &s, &facts);
            if (ranks == 1) {
                one = 0, first = facts.documents;
                for (size_t i = 0; i + 1 < n_paths; i++)
                    one += (uint64_t)wt_file_bytes(plain[i]);
                one += source.last_bytes ? source.last_bytes : (uint64_t)wt_file_bytes(plain[n_paths - 1]);
            }
            assert_int_equal(read, one);
            assert_int_equal(facts.documents, first);
            assert_true(facts.documents == limit || (facts.documents < limit && n_paths == 3 && !source.last_bytes));
            for (uint64_t i = 0; i < n; i++)
                assert_true(s.seen[i] <= 1);
            whole = facts;
        }
    assert_true(whole.documents > n / 2);
    bool can;
    uint64_t n_paths, last;
    bpe_source packed = {.path = paths, .n_paths = FILES, .input = BPE_INPUT_LINES, .limit = n - 2, .n_ranks = 2};
    assert_int_equal(bpe_source_find_limit(&packed, &can, &n_paths, &last, NULL), 0);
    assert_false(can);
    packed.input = BPE_INPUT_TEXT, packed.limit = 2;
    assert_int_equal(bpe_source_find_limit(&packed, &can, &n_paths, &last, NULL), 0);
    assert_true(can && n_paths == 2 && last == 0);
    free(s.seen);
}

static int gather(void *ctx, wt_str text, wt_err *err) {
    wt_buf_add_str(ctx, text);
    return 0;
}

static void texts_in_shares_are_the_whole(void **state) {
    make_files();
    wt_buf whole = {0};
    wt_err err = {0};
    assert_int_equal(wt_read_file(paths[0], 1 << 24, &whole, &err), 0);
    for (size_t ranks = 1; ranks <= RANKS_MAX; ranks++) {
        wt_buf all = {0};
        bpe_piece_facts facts = {0};
        wt_arena *arena = wt_arena_new(0);
        for (size_t r = 0; r < ranks; r++) {
            bpe_piece piece = {{0}};
            bpe_source source = {.path = paths, .n_paths = 1, .input = BPE_INPUT_TEXT, .piece_bytes = 4096, .cut = cut_at_line, .rank = r, .n_ranks = ranks, .long_to_file = ranks % 2};
            while (bpe_source_read(&source, &piece, &err) == 1)
                assert_int_equal(bpe_piece_each(&source, &piece, arena, gather, &all, &facts, &err), 0);
            bpe_piece_reset(&piece);
            wt_buf_free(&piece.bytes);
            bpe_source_close(&source);
        }
        assert_int_equal(all.len, whole.len);
        assert_memory_equal(all.ptr, whole.ptr, whole.len);
        assert_int_equal(facts.documents, 1);
        wt_arena_free(arena);
        wt_buf_free(&all);
    }
    wt_buf_free(&whole);
}

/* A long string is decoded in parts; wherever these end, the text is that of the whole. */
static void long_strings_are_decoded_as_short_ones(void **state) {
    static const char *const piece_of[] = {"\\n", "\\\"", "\\\\", "\\u4e2d", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\ud83d\\ud83d\\ude00", "\xE4\xB8\xAD",
                                           "\xF0\x9F\x98\x80", "\xFF", "\xF0\x9F", "\x80", "a", " bc", "\\/"};
    for (int run = 0; run < 12; run++) {
        wt_rng rng;
        wt_buf line = {0}, parts = {0}, whole = {0};
        wt_err err = {0};
        bpe_piece_facts facts = {0};
        wt_rng_init(&rng, 20 + (uint64_t)run, 0);
        wt_buf_printf(&line, "{\"text\":\"");
        size_t first = run % 4 == 3 ? 0 : (size_t)wt_rng_below(&rng, 16), some = 1 + (size_t)wt_rng_below(&rng, 16);
        while (line.len < 1200000)
            wt_buf_add_str(&line, wt_str_of(piece_of[(first + wt_rng_below(&rng, some)) % 16]));
        wt_buf_printf(&line, "\"}\n");
        if (wt_write_file("long.jsonl", wt_buf_view(&line), &err))
            fail_msg("%s", err.text);
        for (int to_file = 0; to_file < 2; to_file++) {
            char *path = "long.jsonl";
            bpe_piece piece = {{0}};
            wt_arena *arena = wt_arena_new(0);
            bpe_source source = {.path = &path, .n_paths = 1, .input = BPE_INPUT_JSONL, .piece_bytes = 4096, .n_ranks = 1, .long_to_file = to_file};
            bool mapped = false;
            while (bpe_source_read(&source, &piece, &err) == 1) {
                mapped |= piece.mapped.ptr != NULL;
                assert_int_equal(bpe_piece_each(&source, &piece, arena, gather, to_file ? &parts : &whole, &facts, &err), 0);
            }
            assert_int_equal(mapped, to_file);
            bpe_piece_reset(&piece);
            wt_buf_free(&piece.bytes);
            bpe_source_close(&source);
            wt_arena_free(arena);
        }
        assert_int_equal(facts.documents, 2);
        assert_int_equal(parts.len, whole.len);
        assert_memory_equal(parts.ptr, whole.ptr, whole.len);
        wt_buf_free(&line);
        wt_buf_free(&parts);
        wt_buf_free(&whole);
    }
}

static int remove_files(void **state) {
    for (int f = 0; f < FILES; f++)
        remove(paths[f]);
    return remove("long.jsonl");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_read_each_document_once), cmocka_unit_test(a_limit_is_shared),
        cmocka_unit_test(texts_in_shares_are_the_whole), cmocka_unit_test(long_strings_are_decoded_as_short_ones),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, remove_files);
}

/* common_frames.c - files of frames: the same bytes for any threads, with and without others that compress, and
 * with several files at once; the lines come back, every frame begins with a line; a full disk is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "common/hash.h"
#include "common/in.h"
#include "common/frames.h"

enum { N_LINES = 20000 };

static uint64_t random_word(uint64_t i) { return wt_mix64(i * 0x9e3779b97f4a7c15u + 1); }

/* Line i: about 700 bytes, one of 6 MB. */
static void line_make(wt_buf *line, uint64_t i) {
    size_t words = i == 777 ? 350000 : 40;
    line->len = 0;
    for (size_t w = 0; w < words; w++) wt_buf_printf(line, "%016llx ", (unsigned long long)random_word(i * 1000 + w % 500));
}

typedef struct {
    wt_press *press;
    bool stop;
} helper;

static void *help(void *arg) {
    helper *h = arg;
    while (!__atomic_load_n(&h->stop, __ATOMIC_ACQUIRE)) {
        wt_press_work(h->press);
        usleep(300);
    }
    return NULL;
}

/* The file, and the same lines in another order in a second one at the same time. */
static void file_make(const char *path, int threads, int helpers, bool whole, wt_str provenance) {
    wt_buf line = {0};
    wt_err err = {0};
    helper h = {.press = wt_press_new(threads)};
    pthread_t thread[4];
    for (int i = 0; i < helpers; i++) assert_int_equal(pthread_create(&thread[i], NULL, help, &h), 0);
    wt_frames *f = wt_frames_open(path, h.press, &err), *second = wt_frames_open("second.zst", h.press, &err);
    assert_non_null(f);
    for (uint64_t i = 0; i < N_LINES; i++) {
        line_make(&line, i);
        if (whole) wt_buf_add_char(&line, '\n');
        assert_int_equal(wt_frames_write(f, wt_buf_view(&line), &err), 0);
        if (!whole) assert_int_equal(wt_frames_write(f, WT_STR("\n"), &err), 0);
        if (i % 3 == 0) assert_int_equal(wt_frames_write(second, wt_buf_view(&line), &err), 0);
    }
    if (helpers % 2) wt_frames_abort(second);
    else assert_int_equal(wt_frames_commit(second, (wt_str){0}, &err), 0);
    assert_int_equal(access("second.zst", F_OK), helpers % 2 ? -1 : 0);
    assert_int_equal(wt_frames_commit(f, provenance, &err), 0);
    __atomic_store_n(&h.stop, true, __ATOMIC_RELEASE);
    for (int i = 0; i < helpers; i++) pthread_join(thread[i], NULL);
    wt_press_free(h.press);
    wt_buf_free(&line);
    unlink("second.zst");
}

static char *file_read(const char *path, size_t *n) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    char *bytes = malloc(*n + 1);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

static void assert_lines(const char *path) {
    wt_buf want = {0};
    wt_str line;
    uint64_t too_long = 0, frame = UINT64_MAX;
    int n_frames = 0;
    wt_in *in = wt_in_open(path, NULL);
    for (uint64_t i = 0; i < N_LINES; i++) {
        line_make(&want, i);
        assert_int_equal(wt_in_line(in, 64 << 20, &line, &too_long, NULL), 1);
        assert_true(wt_str_eq(line, wt_buf_view(&want)));
        uint64_t now = wt_in_member_offset(in);
        if (now != frame) frame = now, n_frames++;
    }
    assert_int_equal(wt_in_line(in, 64 << 20, &line, &too_long, NULL), 0);
    assert_int_equal(too_long, 0);
    assert_in_range(n_frames, 3, 8);
    wt_in_close(in);
    wt_buf_free(&want);
}

static void test_threads(void **state) {
    (void)state;
    size_t n, n_other;
    wt_str facts = WT_STR("{\"made\":\"by a test\"}");
    file_make("one.jsonl.zst", 1, 0, true, facts);
    assert_lines("one.jsonl.zst");
    char *one = file_read("one.jsonl.zst", &n);
    static const int threads[] = {2, 3, 100, 2, 100}, helpers[] = {0, 0, 0, 1, 4};
    for (int i = 0; i < 5; i++) {
        file_make("other.jsonl.zst", threads[i], helpers[i], i % 2, facts);
        char *other = file_read("other.jsonl.zst", &n_other);
        assert_int_equal(n, n_other);
        assert_memory_equal(one, other, n);
        free(other);
    }
    free(one);
    wt_buf json = {0};
    assert_int_equal(wt_in_provenance("other.jsonl.zst", &json, NULL), 1);
    assert_true(wt_str_eq(wt_buf_view(&json), facts));
    wt_buf_free(&json);
    unlink("one.jsonl.zst"), unlink("other.jsonl.zst");
}

static void test_empty_and_abort(void **state) {
    (void)state;
    wt_str line;
    uint64_t too_long = 0;
    wt_press *press = wt_press_new(2);
    wt_frames *f = wt_frames_open("empty.jsonl.zst", press, NULL);
    assert_int_equal(wt_frames_commit(f, (wt_str){0}, NULL), 0);
    wt_in *in = wt_in_open("empty.jsonl.zst", NULL);
    assert_int_equal(wt_in_line(in, 100, &line, &too_long, NULL), 0);
    wt_in_close(in);
    f = wt_frames_open("gone.jsonl.zst", press, NULL);
    assert_int_equal(wt_frames_write(f, WT_STR("x\n"), NULL), 0);
    wt_frames_abort(f);
    wt_frames_abort(NULL);
    assert_int_not_equal(access("gone.jsonl.zst", F_OK), 0);
    assert_int_not_equal(access("gone.jsonl.zst.part", F_OK), 0);
    assert_null(wt_frames_open("no/such/folder/x.zst", press, NULL));
    unlink("empty.jsonl.zst");
    wt_press_free(press);
    wt_press_free(NULL);
}

static void test_other_endings(void **state) {
    (void)state;
    size_t n;
    wt_press *press = wt_press_new(2);
    wt_frames *f = wt_frames_open("plain.jsonl", press, NULL);
    assert_int_equal(wt_frames_write(f, WT_STR("a"), NULL), 0);
    assert_int_equal(wt_frames_write(f, WT_STR("\n"), NULL), 0);
    assert_int_equal(wt_frames_commit(f, (wt_str){0}, NULL), 0);
    char *bytes = file_read("plain.jsonl", &n);
    assert_int_equal(n, 2);
    assert_memory_equal(bytes, "a\n", 2);
    free(bytes);
    unlink("plain.jsonl");
    wt_press_free(press);
}

/* Noticed when a frame is appended, told by a later write or by the commit. */
static void test_full_disk(void **state) {
    (void)state;
    if (symlink("/dev/full", "full.zst")) return;
    wt_buf line = {0};
    line_make(&line, 1);
    wt_buf_add_char(&line, '\n');
    for (int threads = 1; threads <= 3; threads++)
        for (int n = 20; n <= 20000; n *= 1000) {
            wt_press *press = wt_press_new(threads);
            wt_err err = {0};
            wt_frames *f = wt_frames_open("full.zst", press, &err);
            int result = 0;
            for (int i = 0; i < n && !result; i++) result = wt_frames_write(f, wt_buf_view(&line), &err);
            if (result) wt_frames_abort(f);
            else result = wt_frames_commit(f, (wt_str){0}, &err);
            assert_int_equal(result, -1);
            assert_int_equal(err.code, WT_EIO);
            assert_non_null(strstr(err.text, "full.zst"));
            wt_press_free(press);
        }
    wt_buf_free(&line);
    unlink("full.zst");
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_empty_and_abort),
        cmocka_unit_test(test_other_endings),
        cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* bpe_files.c - tokenizer files: what is written reads back as the same tokenizer from each of its
 * forms; what is damaged is refused with line and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpe/model.h"
#include "common/fs.h"

static char dir[] = "bpe_files.XXXXXX";

static bpe_model *learned(const char *pattern, bpe_ties ties) {
    wt_err err = {0};
    wt_str special[] = {WT_STR("<|endoftext|>"), WT_STR("<|\xC3\xA9 \"x\"|>")};
    bpe_train_options o = {.vocab_size = 330, .pattern = pattern, .threads = 1, .ties = ties, .specials = special,
                           .n_specials = 2};
    bpe_counter *c = bpe_counter_new(&o, &err);
    assert_non_null(c);
    wt_str text = WT_STR("the cat sat on the mat; the rat ate the cat's hat. \xE4\xB8\xAD\xE6\x96\x87 \xE4\xB8\xAD\xE6\x96\x87 \"quotes\" \\ back\n\n\tthat");
    for (int i = 0; i < 3; i++)
        assert_int_equal(bpe_counter_add(c, 0, text, &err), 0);
    assert_int_equal(bpe_counter_finish(c, &err), 0);
    bpe_model *m = bpe_learn(c, NULL, NULL, &err);
    bpe_counter_free(c);
    assert_non_null(m);
    return m;
}

static void every_form_is_the_same_tokenizer(void **state) {
    static const char *const pattern[] = {"gpt2", "cl100k", "o200k", "\\p{L}+|[^\\p{L}]"};
    static const char *const file[] = {"", "tokenizer.json", "vocab.json", "merges.txt", "tokenizer.tiktoken"};
    for (int p = 0; p < 4; p++)
        for (int ties = 0; ties < 3; ties++) {
            wt_err err = {0};
            const char *skipped;
            bpe_model *m = learned(pattern[p], (bpe_ties)ties);
            assert_int_equal(bpe_model_save(m, dir, &skipped, &err), 0);
            assert_string_equal(skipped, "");
            for (int f = 0; f < 5; f++) {
                char *path = wt_path_join(dir, file[f]);
                bpe_model *back = bpe_model_load(path, NULL, &err);
                if (!back)
                    print_message("# %s\n", err.text);
                assert_non_null(back);
                assert_memory_equal(bpe_fingerprint(back), bpe_fingerprint(m), 32);
                assert_string_equal(bpe_pattern(back), pattern[p]);
                assert_int_equal(bpe_end_of_text(back), bpe_end_of_text(m));
                bpe_model_free(back);
                free(path);
            }
            bpe_model_free(m);
        }
}

static void gpt2_converts_without_loss(void **state) {
    const char *shared = getenv("WT_SHARED") ? getenv("WT_SHARED") : "../shared";
    char *path = wt_path_join(shared, "gpt2");
    wt_err err = {0};
    if (!wt_exists(path)) {
        print_message("# skipped: no GPT-2 vocabulary at %s\n", path);
        free(path);
        return;
    }
    bpe_model *m = bpe_model_load(path, NULL, &err);
    assert_non_null(m);
    assert_int_equal(bpe_merge_count(m), 50000);
    assert_int_equal(bpe_model_save(m, dir, NULL, &err), 0);
    for (int f = 0; f < 2; f++) {
        char *file = wt_path_join(dir, f ? "tokenizer.tiktoken" : "tokenizer.json");
        bpe_model *back = bpe_model_load(file, NULL, &err);
        assert_non_null(back);
        assert_memory_equal(bpe_fingerprint(back), bpe_fingerprint(m), 32);
        bpe_model_free(back);
        free(file);
    }
    /* GPT-2's own file but for its first line's form */
    wt_buf ours = {0}, theirs = {0};
    char *a = wt_path_join(dir, "merges.txt"), *b = wt_path_join(path, "vocab.bpe");
    assert_int_equal(wt_read_file(a, 1 << 24, &ours, &err), 0);
    assert_int_equal(wt_read_file(b, 1 << 24, &theirs, &err), 0);
    assert_true(wt_str_eq(wt_buf_view(&ours), wt_buf_view(&theirs)));
    wt_buf_free(&ours);
    wt_buf_free(&theirs);
    free(a);
    free(b);
    free(path);
    bpe_model_free(m);
}

/* ---- damage ---- */
/* The 256 bytes as JSON members, then more. */
static void vocab_with(wt_buf *out, const char *more) {
    wt_buf_clear(out);
    wt_buf_printf(out, "{");
    for (int b = 0; b < 256; b++) {
        char c = (char)b;
        wt_buf name = {0};
        bpe_bytes_to_chars(&name, (wt_str){&c, 1});
        bool quote = b == '"' || b == '\\';
        wt_buf_printf(out, "\"%s%s\":%d,\n", quote ? "\\" : "", name.ptr, b);
        wt_buf_free(&name);
    }
    wt_buf_printf(out, "%s}", more);
}

static void refuses(const char *name, const char *what) {
    wt_err err = {0};
    char *path = wt_path_join(dir, name);
    bpe_model *m = bpe_model_load(path, NULL, &err);
    if (m || !strstr(err.text, what) || !strstr(err.text, dir)) {
        print_message("# '%s' is not in '%s'\n", what, err.text);
        fail();
    }
    free(path);
}

static void write_file(const char *name, wt_str bytes) {
    wt_err err = {0};
    char *path = wt_path_join(dir, name);
    assert_int_equal(wt_write_file(path, bytes, &err), 0);
    free(path);
}

static void tokenizer_json(wt_buf *out, const char *vocab_more, const char *merges, const char *fields) {
    wt_buf vocab = {0};
    vocab_with(&vocab, vocab_more);
    wt_buf_clear(out);
    wt_buf_printf(out, "{%s\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s}}", fields, vocab.ptr, merges);
    wt_buf_free(&vocab);
}

#define BYTE_LEVEL "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},"

static void damaged_json_is_refused(void **state) {
    static const struct {
        const char *vocab, *merges, *fields, *what;
    } bad[] = {
        {"\"ab\":256", "[[\"a\",\"b\"],[\"a\",\"c\"]]", BYTE_LEVEL, "line 257: merge 2 'a c': their joint is not in the vocabulary"},
        {"\"ab\":256", "[[\"a\",\"b\"],[\"zz\",\"c\"]]", BYTE_LEVEL, "the first is not in the vocabulary"},
        {"\"ab\":256", "[[\"a\",\"b\"],\n[\"a\",\"b\"]]", BYTE_LEVEL, "merge 2 is there twice"},
        {"\"ab\":256", "[[\"a\"]]", BYTE_LEVEL, "does not name two tokens"},
        {"\"ab\":256", "[\"ab\"]", BYTE_LEVEL, "does not name two tokens"},
        {"\"ab\":256", "[\"a b c\"]", BYTE_LEVEL, "not of GPT-2's byte alphabet"},
        {"\"ab\":255", "[]", BYTE_LEVEL, "line 256 and line 257: id 255 is given twice"},
        {"\"ab\":256,\n\"ab\":257", "[]", BYTE_LEVEL, "line 257 and line 258: ids 256 and 257 are the same bytes"},
        {"\"ab\":258", "[]", BYTE_LEVEL, "line 257: 'ab' has id 258, but no token has id 256"},
        {"\"ab\":-1", "[]", BYTE_LEVEL, "has no id"},
        {"\"ab\":\"256\"", "[]", BYTE_LEVEL, "has no id"},
        {"\"ab\":99999999999", "[]", BYTE_LEVEL, "has no id"},
        {"\"\xE4\xB8\xAD\":256", "[]", BYTE_LEVEL, "not of GPT-2's byte alphabet, nor an added token"},
        {"\"\":256", "[]", BYTE_LEVEL, "is empty"},
        {"\"ab\":256", "{}", BYTE_LEVEL, "no list of merges"},
        {"\"ab\":256", "[]", "", "no pre-tokenizer"},
        {"\"ab\":256", "[]", "\"pre_tokenizer\":{\"type\":\"Metaspace\"},", "pre-tokenizer 'Metaspace' is unknown"},
        {"\"ab\":256", "[]", "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true},", "add_prefix_space"},
        {"\"ab\":256", "[]", "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
         "\"pattern\":{\"Regex\":\"((\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\",\"use_regex\":false}]},", "pattern '(('"},
        {"\"ab\":256", "[]", BYTE_LEVEL "\"normalizer\":{\"type\":\"NFC\"},", "a normalizer is not supported"},
        {"\"ab\":256", "[]", BYTE_LEVEL "\"added_tokens\":[{\"id\":255,\"content\":\"<x>\"}],", "id 255 is given twice"},
        {"\"ab\":256", "[]", BYTE_LEVEL "\"added_tokens\":[{\"id\":257,\"content\":\"<x>\",\"lstrip\":true}],", "lstrip"},
        {"\"ab\":256", "[]", BYTE_LEVEL "\"added_tokens\":[{\"content\":\"<x>\"}],", "needs content and an id"},
        {"\"ab\":256", "[]", BYTE_LEVEL "\"version\":1.0.0,", "JSON"},
    };
    wt_buf file = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tokenizer_json(&file, bad[i].vocab, bad[i].merges, bad[i].fields);
        write_file("tokenizer.json", wt_buf_view(&file));
        refuses("tokenizer.json", bad[i].what);
    }
    tokenizer_json(&file, "\"ab\":256", "[[\"a\",\"b\"]]", BYTE_LEVEL "\"added_tokens\":[{\"id\":300,\"content\":\"<x>\",\"special\":true}],");
    write_file("tokenizer.json", wt_buf_view(&file));
    wt_err err = {0};
    char *path = wt_path_join(dir, "tokenizer.json");
    bpe_model *m = bpe_model_load(path, NULL, &err);
    assert_non_null(m);                     /* the same without damage; added ids may leave gaps */
    assert_int_equal(bpe_vocab_size(m), 301);
    assert_null(bpe_token_bytes(m, 299).ptr);
    bpe_model_free(m);
    free(path);
    file.len -= 40;                         /* cut in the middle */
    write_file("tokenizer.json", wt_buf_view(&file));
    refuses("tokenizer.json", "JSON");
    write_file("tokenizer.json", WT_STR(""));
    refuses("tokenizer.json", "empty");
    wt_buf_free(&file);
}

static void damaged_merges_are_refused(void **state) {
    wt_buf vocab = {0};
    wt_err err = {0};
    char *config = wt_path_join(dir, "tokenizer_config.json"), *merges = wt_path_join(dir, "merges.txt");
    remove(config);
    remove(merges);
    vocab_with(&vocab, "\"ab\":256,\"abc\":257");
    write_file("vocab.json", wt_buf_view(&vocab));
    refuses("vocab.json", "needs its merges");
    write_file("merges.txt", WT_STR("#version: 0.2\na b\nab c\n"));
    bpe_model *m = bpe_model_load(merges, NULL, &err);
    assert_non_null(m);
    assert_int_equal(bpe_merge_count(m), 2);
    bpe_model_free(m);
    write_file("merges.txt", WT_STR("#version: 0.2\na b\nab d\n"));
    refuses("vocab.json", "line 3: merge 2 'ab d': their joint is not in the vocabulary");
    refuses("merges.txt", "merges.txt: line 3");
    write_file("merges.txt", WT_STR("#version: 0.2\na b\n\nab c\n"));
    refuses("merges.txt", "line 3");
    write_file("merges.txt", WT_STR("#version: 0.2\na b c\n"));
    refuses("merges.txt", "line 2: more than two tokens");
    write_file("merges.txt", WT_STR("#version: 0.2\nab\n"));
    refuses("merges.txt", "line 2: merge 1 does not name two tokens");
    write_file("merges.txt", WT_STR("#version: 0.2\n\xFF b\n"));
    refuses("merges.txt", "byte alphabet");
    write_file("vocab.json", WT_STR("a b\n"));
    refuses("merges.txt", "need their vocabulary");
    wt_buf_free(&vocab);
    free(config);
    free(merges);
}

static void damaged_tiktoken_is_refused(void **state) {
    bpe_model *m = learned("gpt2", BPE_TIES_RAW);
    wt_err err = {0};
    wt_buf file = {0}, bad = {0};
    char *path = wt_path_join(dir, "tokenizer.tiktoken");
    assert_int_equal(bpe_model_save(m, dir, NULL, &err), 0);
    assert_int_equal(wt_read_file(path, 1 << 20, &file, &err), 0);
    char *config = wt_path_join(dir, "tokenizer_config.json");
    remove(config);
    free(config);
    static const char *const tail[][2] = {
        {"YWFhYQ== 3000", "no token has id"}, {"YWFhYQ==", "no rank"}, {"YWFhYQ= 3000", "not base64"},
        {"YWF*YQ== 3000", "not base64"}, {"YQ== NEXT", "same bytes"}, {"YWFhYQ== 12", "line 13 and line "},
        {"YWFhYQ== 99999999999", "no rank"}, {"YWFhYQ== -1", "no rank"}};
    for (size_t i = 0; i < sizeof tail / sizeof *tail; i++) {
        wt_buf_clear(&bad);
        wt_buf_add_str(&bad, wt_buf_view(&file));
        char next[32];
        const char *mark = strstr(tail[i][0], "NEXT");
        snprintf(next, sizeof next, "%.5s%u", tail[i][0], bpe_vocab_size(m) - 2);
        wt_buf_printf(&bad, "%s\n", mark ? next : tail[i][0]);
        write_file("tokenizer.tiktoken", wt_buf_view(&bad));
        refuses("tokenizer.tiktoken", tail[i][1]);
    }
    file.len /= 2;                          /* half a file: still lines, but bytes or ids are missing */
    file.len -= 3;
    write_file("tokenizer.tiktoken", wt_buf_view(&file));
    bpe_model *half = bpe_model_load(path, NULL, &err);
    assert_null(half);
    wt_buf_free(&file);
    wt_buf_free(&bad);
    free(path);
    bpe_model_free(m);
}

static void missing_files_are_named(void **state) {
    wt_err err = {0};
    assert_null(bpe_model_load("no/such/tokenizer", NULL, &err));
    assert_non_null(strstr(err.text, "no/such/tokenizer"));
    assert_int_equal(wt_mkdirs("empty.dir", &err), 0);
    assert_null(bpe_model_load("empty.dir", NULL, &err));
    assert_int_equal(err.code, WT_ENOTFOUND);
    wt_remove_tree("empty.dir", &err);
}

static int make_dir(void **state) { return mkdtemp(dir) ? 0 : -1; }
static int remove_dir(void **state) { return wt_remove_tree(dir, NULL); }

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_the_same_tokenizer), cmocka_unit_test(gpt2_converts_without_loss),
        cmocka_unit_test(damaged_json_is_refused), cmocka_unit_test(damaged_merges_are_refused),
        cmocka_unit_test(damaged_tiktoken_is_refused), cmocka_unit_test(missing_files_are_named),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

/* Damage: no flipped bit, cut, swapped frame or foreign shard is read as if it were sound, and the
 * header and tables come back as they were written. */
#include "shard_data.h"

#include <sys/stat.h>

#define SHARD "sound/train-00000.wts.zst"
static wt_buf sound_bytes, index_bytes;

static int sound_setup(void **state) {
    documents d = documents_new(120, 3000, 6);
    shard_write_options o = byte_options(&narrow);
    o.shard_tokens = 1000000;
    documents_write(&d, "sound.jsonl");
    wt_remove_tree("sound", NULL);
    dataset_write("sound", "sound.jsonl", &o);
    documents_free(&d);
    wt_err err = {0};
    must(wt_read_file(SHARD, 1 << 30, &sound_bytes, &err), &err);
    must(wt_read_file("sound/" SHARD_INDEX_NAME, 1 << 30, &index_bytes, &err), &err);
    must(shard_verify("sound", 1, &err), &err);
    return 0;
}

static int sound_teardown(void **state) {
    wt_buf_free(&sound_bytes);
    wt_buf_free(&index_bytes);
    return 0;
}

static void put_file(const char *path, const void *bytes, size_t n) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* Reads all tokens of a file; 0 and the tokens, or -1. */
static int tokens_of(const char *path, wt_buf *out) {
    shard_file f;
    shard_docs docs;
    wt_err err = {0};
    wt_buf_clear(out);
    if (shard_file_open(&f, path, &err))
        return -1;
    ZSTD_DCtx *dctx = ZSTD_createDCtx();
    wt_buf stored = {0};
    int failed = shard_file_docs(&f, &docs, &err);
    if (!failed)
        shard_docs_free(&docs);
    for (uint32_t i = 0; i < f.header.n_frames && !failed; i++) {
        size_t n = (size_t)shard_file_frame_tokens(&f, i) * f.header.token_bytes;
        wt_buf_reserve(out, n);
        failed = shard_file_frame(&f, i, dctx, &stored, (uint8_t *)out->ptr + out->len, &err);
        out->len += failed ? 0 : n;
    }
    if (failed)
        assert_true(strlen(err.text) > 10 && strstr(err.text, path));
    ZSTD_freeDCtx(dctx);
    wt_buf_free(&stored);
    shard_file_close(&f);
    return failed;
}

/* A flip anywhere is found by verify; a reader refuses or gives the very same tokens. */
static void every_flipped_bit_is_found(void **state) {
    wt_buf want = {0}, got = {0};
    wt_rng rng;
    assert_int_equal(tokens_of(SHARD, &want), 0);
    wt_rng_init(&rng, 8, 0);
    size_t n = sound_bytes.len;
    put_file("flipped", sound_bytes.ptr, n);
    FILE *f = fopen("flipped", "r+b");
    for (int i = 0; i < 1500; i++) {
        /* all of the header's fields and of the tables at the end, then places anywhere */
        size_t at = i < 300 ? (size_t)i : i < 700 ? n - 1 - (size_t)(i - 300) : wt_rng_below(&rng, n);
        char flipped = (char)(sound_bytes.ptr[at] ^ (1 << wt_rng_below(&rng, 8)));
        pwrite(fileno(f), &flipped, 1, (off_t)at);
        wt_err err = {0};
        if (shard_verify_file("flipped", NULL, &err) == 0)
            fail_msg("a flip in byte %zu of %zu was not found", at, n);
        assert_non_null(strstr(err.text, "flipped"));
        if (tokens_of("flipped", &got) == 0) {
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.ptr, want.ptr, got.len);
        }
        pwrite(fileno(f), &sound_bytes.ptr[at], 1, (off_t)at);
    }
    fclose(f);
    wt_err err = {0};
    must(shard_verify_file("flipped", NULL, &err), &err);
    wt_buf_free(&want);
    wt_buf_free(&got);
}

static void every_cut_is_found(void **state) {
    for (size_t n = 0; n < sound_bytes.len; n += n < 5000 ? 61 : 997) {
        wt_err err = {0};
        put_file("cut", sound_bytes.ptr, n);
        assert_int_equal(shard_verify_file("cut", NULL, &err), -1);
        assert_int_equal(err.code, WT_EDATA);
    }
    /* Bytes behind the end are not the file that was written either. */
    wt_buf longer = {0};
    wt_buf_add(&longer, sound_bytes.ptr, sound_bytes.len);
    wt_buf_add(&longer, sound_bytes.ptr, 100);
    put_file("cut", longer.ptr, longer.len);
    assert_int_equal(shard_verify_file("cut", NULL, NULL), -1);
    wt_buf_free(&longer);
}

/* Two whole frames change places: each is sound by its own checksum. */
static void swapped_frames_are_found(void **state) {
    shard_file f;
    wt_err err = {0};
    must(shard_file_open(&f, SHARD, &err), &err);
    assert_true(f.header.n_frames >= 3);
    wt_buf swapped = {0}, got = {0};
    const uint64_t *at = f.frame_offset;
    wt_buf_add(&swapped, sound_bytes.ptr, at[0]);
    wt_buf_add(&swapped, sound_bytes.ptr + at[1], at[2] - at[1]);
    wt_buf_add(&swapped, sound_bytes.ptr + at[0], at[1] - at[0]);
    wt_buf_add(&swapped, sound_bytes.ptr + at[2], sound_bytes.len - at[2]);
    put_file("swapped", swapped.ptr, swapped.len);
    assert_int_equal(shard_verify_file("swapped", NULL, &err), -1);
    assert_int_equal(tokens_of("swapped", &got), -1);
    wt_buf_free(&swapped);
    wt_buf_free(&got);
    shard_file_close(&f);
}

/* The dataset "sound" with one of its files replaced must not open. */
static void refused_with(const char *name, wt_str bytes, const char *word) {
    wt_err err = {0};
    char path[300];
    wt_buf before = {0};
    snprintf(path, sizeof path, "sound/%s", name);
    must(wt_read_file(path, 1 << 30, &before, &err), &err);
    put_file(path, bytes.ptr, bytes.len);
    assert_null(shard_set_open("sound", "train", &err));
    assert_int_equal(err.code, WT_EDATA);
    if (!strstr(err.text, word))
        fail_msg("'%s' is not in '%s'", word, err.text);
    assert_int_equal(shard_verify("sound", 1, NULL), -1);
    put_file(path, before.ptr, before.len);
    wt_buf_free(&before);
    must(shard_verify("sound", 1, &err), &err);
}

static void another_shard_of(const char *dir, const shard_write_options *o, const char *word) {
    wt_buf bytes = {0};
    char path[300];
    wt_remove_tree(dir, NULL);
    dataset_write(dir, "sound.jsonl", o);
    snprintf(path, sizeof path, "%s/train-00000.wts.zst", dir);
    assert_int_equal(wt_read_file(path, 1 << 30, &bytes, NULL), 0);
    refused_with("train-00000.wts.zst", wt_buf_view(&bytes), word);
    wt_buf_free(&bytes);
}

static void another_dataset_is_refused(void **state) {
    shard_write_options o = byte_options(&narrow);
    o.shard_tokens = 1000000;
    o.seed = 5;                                 /* the same documents in another order */
    another_shard_of("other_order", &o, "another dataset");
    o.seed = 0;
    o.tokenizer.sha256[0] ^= 1;
    another_shard_of("other_tokenizer", &o, "another tokenizer");
}

static void a_missing_shard_is_named(void **state) {
    wt_err err = {0};
    assert_int_equal(rename(SHARD, "away"), 0);
    assert_null(shard_set_open("sound", "train", &err));
    assert_non_null(strstr(err.text, SHARD));
    assert_int_equal(rename("away", SHARD), 0);
}

/* index.json: cut anywhere, or a digit of it changed. */
static void a_damaged_index_is_refused(void **state) {
    wt_str whole = wt_buf_view(&index_bytes);
    for (size_t n = 0; n + 4 < whole.len; n += 37)
        refused_with(SHARD_INDEX_NAME, (wt_str){whole.ptr, n}, "");
    static const char *const fields[] = {"\"tokens\": ", "\"content_root\": \"", "\"first_token\": ",
                                         "\"bytes\": ", "\"documents\": ", "\"vocab\": "};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        char *copy = wt_xstrndup(whole), *list = strstr(copy, i == 5 ? "tokenizer" : "\"shards\": [");
        char *digit = strstr(list, fields[i]) + strlen(fields[i]);
        *digit = *digit == '1' ? '2' : '1';
        refused_with(SHARD_INDEX_NAME, wt_str_of(copy), "");
        free(copy);
    }
    char *copy = wt_xstrndup(whole), *name = strstr(copy, "train-00000");
    memcpy(name, "../sound/..", 11);            /* a way out of the folder */
    refused_with(SHARD_INDEX_NAME, wt_str_of(copy), "not described");
    free(copy);
}

/* ---- encoders and decoders alone ---- */
static void headers_come_back(void **state) {
    wt_rng rng;
    wt_rng_init(&rng, 9, 0);
    for (int i = 0; i < 200; i++) {
        shard_header h = {.token_bytes = (uint8_t)(2 + wt_rng_below(&rng, 3)), .boundary = 2,
                          .split = (uint8_t)wt_rng_below(&rng, 2), .vocab = 1 + (uint32_t)wt_rng_below(&rng, 65536),
                          .eot = (uint32_t)wt_rng_below(&rng, 100), .frame_tokens = 1u << wt_rng_below(&rng, 21),
                          .shard_no = (uint32_t)wt_rng_below(&rng, 1000), .first_token = wt_rng_u64(&rng),
                          .n_tokens = 1 + wt_rng_below(&rng, 100000)}, back;
        uint8_t bytes[SHARD_HEADER_BYTES];
        wt_err err = {0};
        h.n_docs = 1 + wt_rng_below(&rng, h.n_tokens);
        h.n_frames = (uint32_t)((h.n_tokens + h.frame_tokens - 1) / h.frame_tokens);
        memset(h.tokenizer_sha256, i, 32);
        memset(h.dataset_uuid, i + 1, 16);
        memset(h.input_sha256, i + 2, 32);
        shard_header_encode(&h, bytes);
        must(shard_header_decode(bytes, &back, &err), &err);
        assert_memory_equal(&h, &back, sizeof h);
    }
}

static void document_tables_come_back(void **state) {
    wt_rng rng;
    wt_rng_init(&rng, 10, 0);
    for (int i = 0; i < 50; i++) {
        shard_docs d = {0}, back;
        wt_buf frame = {0};
        wt_err err = {0};
        size_t n = 1 + wt_rng_below(&rng, 300);
        for (size_t k = 0; k < n; k++)
            shard_docs_add(&d, 1 + wt_rng_below(&rng, 1 + wt_rng_below(&rng, 1000000)), wt_rng_u64(&rng),
                           wt_rng_u64(&rng) >> wt_rng_below(&rng, 64));
        shard_header h = {.n_docs = n, .n_tokens = d.start[n], .frame_tokens = 4096};
        h.n_frames = (uint32_t)((h.n_tokens + 4095) / 4096);
        must(shard_docs_encode(&d, &h, &frame, &err), &err);
        must(shard_docs_decode(wt_buf_view(&frame), &h, &back, &err), &err);
        assert_int_equal(back.n, n);
        assert_memory_equal(back.start, d.start, 8 * (n + 1));
        assert_memory_equal(back.id_hash, d.id_hash, 8 * n);
        assert_memory_equal(back.i_record, d.i_record, 8 * n);
        shard_docs_free(&back);
        h.n_tokens++;
        assert_int_equal(shard_docs_decode(wt_buf_view(&frame), &h, &back, &err), -1);
        shard_docs_free(&d);
        wt_buf_free(&frame);
    }
}

static void tokens_come_back(void **state) {
    uint32_t tokens[1000], back[1000];
    uint8_t packed[4000];
    wt_rng rng;
    wt_rng_init(&rng, 11, 0);
    for (int width = 2; width <= 4; width++) {
        for (int i = 0; i < 1000; i++)
            tokens[i] = (uint32_t)wt_rng_u64(&rng) >> (32 - 8 * width);
        shard_pack(packed, tokens, 1000, width);
        for (int i = 0; i < 1000; i++)
            for (int k = 0; k < width; k++)
                assert_int_equal(packed[i * width + k], tokens[i] >> (8 * k) & 255);
        shard_unpack(back, packed, 1000, width);
        assert_memory_equal(tokens, back, sizeof tokens);
    }
}

int main(void) {
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_come_back),
        cmocka_unit_test(document_tables_come_back),
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(swapped_frames_are_found),
        cmocka_unit_test(another_dataset_is_refused),
        cmocka_unit_test(a_missing_shard_is_named),
        cmocka_unit_test(a_damaged_index_is_refused),
    };
    return cmocka_run_group_tests(tests, sound_setup, sound_teardown);
}

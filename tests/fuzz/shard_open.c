/* Any bytes as a shard file: opened, verified and read to the end, or refused. Three quarters of the
 * inputs are a sound shard with bytes of the input laid over it, and its three hashes made right again, so that
 * the numbers behind the checksums are reached. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/fs.h"
#include "shard/format.h"

static wt_buf sound;

static int next_doc(void *ctx, shard_input_doc *doc, wt_err *err) {
    static uint8_t tokens[3000];
    int *left = ctx;
    if (*left == 0)
        return 0;
    for (size_t i = 0; i < sizeof tokens; i += 2)
        tokens[i] = (uint8_t)(i * (size_t)*left), tokens[i + 1] = 0;
    *doc = (shard_input_doc){.id_hash = (uint64_t)*left, .i_record = 1, .tokens = tokens, .n = 1500};
    --*left;
    return 1;
}

static void sound_make(void) {
    char dir[] = "/tmp/wt-fuzz-shard.XXXXXX", path[100];
    shard_manifest m = {.tokenizer = {.vocab = 300, .eot = 299}, .token_bytes = 2,
                        .frame_tokens = 4096, .shard_tokens = 1000000};
    wt_err err = {0};
    int left = 9;
    if (!mkdtemp(dir) || shard_write_docs(dir, &m, 1, 0, next_doc, &left, &err))
        abort();
    snprintf(path, sizeof path, "%s/train-00000.wts.zst", dir);
    if (wt_read_file(path, 1 << 24, &sound, &err) || wt_remove_tree(dir, &err))
        abort();
    shard_manifest_free(&m);
}

/* Overlays (place, byte) triples and repairs header, document table and index hashes. */
static void overlay(wt_buf *b, const uint8_t *data, size_t size) {
    wt_buf_add(b, sound.ptr, sound.len);
    uint8_t *p = (uint8_t *)b->ptr;
    for (size_t i = 0; i + 4 <= size; i += 4)
        p[get_u32(data + i) % 0x1000000 % b->len] = data[i + 3];
    uint32_t n = get_u32((uint8_t *)sound.ptr + 44);
    size_t seek = 8 + 12 * ((size_t)n + 3) + 9, index = 80 + 8 * (size_t)n + 8;
    size_t index_at = b->len - seek - index, docs_at = get_u64((uint8_t *)sound.ptr + index_at + 64);
    put_u64(p + SHARD_HEADER_BYTES - 8, wt_xxh64(p, SHARD_HEADER_BYTES - 8, 0));
    put_u64(p + index_at - 8, wt_xxh64(p + docs_at, index_at - docs_at - 8, 0));
    put_u64(p + index_at + index - 8, wt_xxh64(p + index_at, index - 8, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_buf b = {0};
    char path[64];
    wt_err err = {0};
    if (!sound.len)
        sound_make();
    if (size && data[0] % 4)
        overlay(&b, data + 1, size - 1);
    else
        wt_buf_add(&b, data, size);
    int fd = memfd_create("shard", 0);
    if (fd < 0 || write(fd, b.ptr ? b.ptr : "", b.len) != (ssize_t)b.len)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (shard_verify_file(path, NULL, &err) && err.text[0] == 0)
        abort();
    close(fd);
    wt_buf_free(&b);
    return 0;
}

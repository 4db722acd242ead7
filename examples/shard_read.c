/* shard_read.c - draws training samples from a dataset that wt-shard wrote, and shows that sample i can
 * be asked for at any time: `shard_read shards/ 1024 5` prints the first ids of five samples of 1,024
 * tokens, then where documents start in the first of them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "shard/shard.h"

static int samples_print(shard_set *set, size_t T, uint64_t n, wt_err *err) {
    shard_loader_options options = {.prefetch_threads = 1};
    shard_loader *loader = shard_loader_new(set, T, 1337, &options, err);
    uint32_t *tokens = malloc((T + 1) * sizeof *tokens);
    size_t n_starts = 0;
    int failed = !loader || !tokens;
    if (!failed)
        shard_loader_expect(loader, 0, 1, n);
    for (uint64_t i = 0; i < n && !failed; i++) {
        failed = shard_loader_get(loader, i, tokens, err);
        if (!failed)
            printf("sample %" PRIu64 ": %u %u %u ... %u\n", i, tokens[0], tokens[1], tokens[2],
                   tokens[T]);
    }
    if (!failed)
        failed = shard_set_doc_starts(set, shard_loader_first(loader, 0), T, tokens, &n_starts, err);
    for (size_t i = 0; i < n_starts; i++)
        printf("a document starts at %u\n", tokens[i]);
    free(tokens);
    shard_loader_free(loader);
    return failed ? -1 : 0;
}

int main(int argc, char **argv) {
    wt_err err = {0};
    if (argc < 2) {
        fprintf(stderr, "usage: shard_read SHARDS [T] [SAMPLES]\n");
        return 2;
    }
    shard_set *set = shard_set_open(argv[1], "train", &err);
    int failed = !set;
    if (set) {
        printf("%" PRIu64 " tokens, %" PRIu64 " documents, %u ids\n", shard_set_tokens(set),
               shard_set_docs(set), shard_set_tokenizer(set)->vocab);
        failed = samples_print(set, argc > 2 ? strtoul(argv[2], NULL, 10) : 1024,
                               argc > 3 ? strtoul(argv[3], NULL, 10) : 5, &err);
    }
    if (failed)
        fprintf(stderr, "shard_read: %s\n", err.text);
    shard_set_close(set);
    return failed ? 1 : 0;
}

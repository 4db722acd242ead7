/* Any bytes as a JSON-LD script, and as a date. */
#include "extract/meta_date.h"
#include "extract/meta_jsonld.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_arena *arena = wt_arena_new(0);
    jsonld ld = {0};
    char out[40];
    wt_str s = {(const char *)data, size};
    jsonld_read(s, arena, &ld);
    date_find(s, size % 2, out);
    date_in_url(s, out);
    wt_arena_free(arena);
    return 0;
}

/* Any bytes as a file of any compression, read in lines, blocks and pieces, and as an HTTP body. */
#include <stdlib.h>

#include "common/in.h"

enum { MOST = 4 << 20 };                     /* decoded bytes looked at: bombs are for the limits to stop */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char *const codings[] = {"gzip", "deflate", "br", "zstd", "br, gzip", "identity"};
    if (size == 0) return 0;
    wt_str bytes = {(const char *)data + 1, size - 1};
    wt_err err = {0};
    wt_str line;
    wt_buf block = {0};
    uint64_t too_long = 0, n = 0;
    char piece[777];
    if (data[0] & 1) {
        wt_decode_body(bytes, wt_str_of(codings[data[0] % 6]), 1 << 16, &block, &err);
        if (block.len > 1 << 16) abort();
    } else {
        wt_in *in = wt_in_memory(bytes, "fuzz");
        int how = data[0] >> 1 & 3;
        while (wt_in_offset(in) < MOST) {
            block.len = 0;
            n += wt_in_member_offset(in);
            if (how == 0 && wt_in_line(in, 100, &line, &too_long, &err) <= 0) break;
            if (how == 1 && wt_in_block(in, 5000, 1000, &block, &too_long, &err) <= 0) break;
            if (how == 2 && wt_in_stretch(in, n % 2 ? 3000 : 20000, 1000, n % 3 ? &block : NULL, &n, &err) <= 0) break;
            if (how == 3 && wt_in_read(in, piece, sizeof piece, &err) <= 0) break;
            if (how == 0 && line.len > 100) abort();
        }
        wt_in_close(in);
    }
    wt_buf_free(&block);
    return n == 1;
}

/* Any bytes and any header: what comes out is valid UTF-8. */
#include <stdlib.h>

#include "common/utf8.h"
#include "extract/charset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t n = size ? data[0] % 40 : 0;
    if (size < n + 1) return 0;
    wt_str type = {(const char *)data + 1, n}, page = {(const char *)data + 1 + n, size - n - 1};
    wt_buf out = {0};
    charset_choice choice;
    wt_str utf8 = charset_decode(page, type, &out, &choice);
    if (!wt_utf8_valid(utf8)) abort();
    wt_buf_free(&out);
    return 0;
}

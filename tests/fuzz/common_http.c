/* Any bytes as an HTTP response: its parts lie inside it or in scratch, and fields are found safely. */
#include <stdlib.h>

#include "common/warc.h"

static bool inside(wt_str part, wt_str whole) {
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_str block = {(const char *)data, size};
    wt_buf scratch = {0};
    wt_http_message m;
    if (wt_http_parse(block, &scratch, &m, NULL) == 0) {
        if (!inside(m.header, block) || !inside(m.content_type, m.header)) abort();
        if (!inside(m.body, block) && !inside(m.body, wt_buf_view(&scratch))) abort();
        if (m.status < 0 || m.status > 999 || m.body.len > size) abort();
    }
    wt_http_field(block, "Location");
    wt_buf_free(&scratch);
    return 0;
}

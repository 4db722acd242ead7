/* Any bytes as a WARC file; what records hold as HTTP messages. */
#include <stdlib.h>

#include "common/warc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    wt_in *in = wt_in_memory((wt_str){(const char *)data, size}, "fuzz");
    wt_warc_reader *reader = wt_warc_reader_new(in, 10000);
    wt_warc_record record;
    wt_http_message message;
    wt_buf scratch = {0};
    for (int n_bad = 0, n = 0; n_bad < 20 && n < 1000; n++) {
        wt_err err = {0};
        int more = wt_warc_next(reader, &record, &err);
        if (more == 0) break;
        n_bad += more < 0;
        if (more < 0 && err.code == WT_OK) abort();
        if (more == 1 && record.block.len > 10000) abort();
        if (more == 1) wt_http_parse(record.block, &scratch, &message, &err);
    }
    wt_warc_reader_free(reader);
    wt_in_close(in);
    wt_buf_free(&scratch);
    return 0;
}

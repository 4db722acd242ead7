/* Any bytes, as a page: charset, parser, metadata, content, every output format. The first byte chooses. */
#include <stdlib.h>

#include "extract/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static extractor *x[3];
    static const char *const types[] = {"", "text/html; charset=utf-8", "text/html; charset=gb2312", "application/xhtml+xml; charset=utf-16"};
    if (size == 0) return 0;
    int format = data[0] % 3;
    if (!x[format]) x[format] = extractor_new(&(extract_options){.format = (extract_format)format}, NULL);
    extract_page page;
    wt_str bytes = {(const char *)data + 1, size - 1};
    wt_buf html = {0}, scratch = {0};
    if (extract_run(x[format], bytes, wt_str_of("http://x.org/2019/05/06/a"), wt_str_of(types[data[0] / 3 % 4]), &page, NULL) == 0) {
        extract_explain(x[format], &html);
        wt_str text = page.text;
        extract_filter_run((extract_filter)(data[0] % 5), &text, page.url, &scratch);
    }
    wt_buf_free(&html);
    wt_buf_free(&scratch);
    return 0;
}

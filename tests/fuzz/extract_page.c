/* Any bytes, as a page: charset, parsers, metadata, content, every output format, filters. The first byte chooses. */
#include <stdlib.h>

#include "extract/extract.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static extractor *extractors[2][3];
    static const char *const types[] = {"", "text/html; charset=utf-8", "text/html; charset=gb2312", "application/xhtml+xml; charset=utf-16"};
    if (size == 0) return 0;
    extract_format format = (extract_format)(data[0] % 3);
    bool gumbo = data[0] / 12 % 4 == 1;
    extractor **slot = &extractors[gumbo][format], *x;
    if (!*slot) *slot = extractor_new(&(extract_options){.format = format, .parser = gumbo ? EXTRACT_PARSER_GUMBO : EXTRACT_PARSER_AUTO}, NULL);
    x = *slot;
    extract_page page;
    wt_str bytes = {(const char *)data + 1, size - 1};
    wt_buf html = {0}, scratch = {0};
    if (extract_run(x, bytes, wt_str_of("http://x.org/2019/05/06/a"), wt_str_of(data[0] >= 240 ? "text/plain" : types[data[0] / 3 % 4]), &page, NULL) == 0) {
        extract_explain(x, &html);
        wt_str text = page.text;
        extract_filter_run((extract_filter)(data[0] % 5), &text, page.url, &scratch);
    }
    wt_buf_free(&html);
    wt_buf_free(&scratch);
    return 0;
}

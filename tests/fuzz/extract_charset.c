/* Any bytes in any encoding: what comes out is valid UTF-8. The first byte is the length of a header of any bytes, or from 128 on
 * the number of an encoding: behind a label written out, what goes wrong in one table is hardly ever found. */
#include <stdlib.h>

#include "common/utf8.h"
#include "extract/charset.h"

static const char *const labels[] = {
    "gbk", "gb18030", "big5", "euc-jp", "iso-2022-jp", "shift_jis", "euc-kr", "utf-16le", "utf-16be", "utf-8", "windows-1255", "windows-1258", "windows-1252",
    "windows-1251", "windows-874", "koi8-r", "koi8-u", "macintosh", "x-mac-cyrillic", "ibm866", "iso-8859-2", "iso-8859-8", "x-user-defined"};
enum { N_LABELS = sizeof labels / sizeof *labels, FIRST_LABEL = 128 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    bool by_label = data[0] >= FIRST_LABEL;
    size_t n = by_label ? 0 : data[0] % 40;
    if (size < n + 1) return 0;
    wt_buf out = {0}, type = {0};
    if (by_label) wt_buf_printf(&type, "text/html; charset=%s", labels[(data[0] - FIRST_LABEL) % N_LABELS]);
    else wt_buf_add(&type, data + 1, n);
    charset_choice choice;
    wt_str utf8 = charset_decode((wt_str){(const char *)data + 1 + n, size - n - 1}, wt_buf_view(&type), &out, &choice);
    if (!wt_utf8_valid(utf8)) abort();
    wt_buf_free(&out);
    wt_buf_free(&type);
    return 0;
}

/* err.c - messages made where the facts are, with context put in front on the way up. */
#include "common/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int wt_fail(wt_err *err, wt_code code, const char *format, ...) {
    if (!err) return -1;
    char text[sizeof err->text];    /* an argument may point into the message that is there */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err->code = code;
    memcpy(err->text, text, sizeof text);
    return -1;
}

static wt_code code_of_errno(int e) {
    switch (e) {
    case ENOENT: return WT_ENOTFOUND;
    case ENOMEM: return WT_ENOMEM;
    case EEXIST: return WT_EEXIST;
    default: return WT_EIO;
    }
}

int wt_fail_errno(wt_err *err, const char *format, ...) {
    int e = errno;
    if (!err) return -1;
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    char reason[128];
    const char *why = strerror_r(e, reason, sizeof reason);   /* the GNU form */
    if (e == ENOENT) why = "no such file or folder";
    return wt_fail(err, code_of_errno(e), "%s: %s", text, why);
}

int wt_context(wt_err *err, const char *format, ...) {
    if (!err) return -1;
    char context[512];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof context, format, args);
    va_end(args);
    return wt_fail(err, err->code, "%s: %s", context, err->text);
}

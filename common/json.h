/* json.h - JSON as slices of its own text: nothing is built. A value is a wt_json: its kind and its
 * raw bytes. Objects and arrays are walked with an iterator; strings are decoded when asked for.
 * The scanner is strict on what it walks (grammar of RFC 8259, depth at most 512); a value that is
 * skipped is checked for balance and string ends, and fully with wt_json_check. Raw newlines never
 * occur inside JSON strings, so JSONL splits at '\n' first. UTF-8 is not checked in skipped
 * strings; decoding repairs it (U+FFFD for bad bytes and lone surrogates). */
#ifndef WT_COMMON_JSON_H
#define WT_COMMON_JSON_H

#include "common/err.h"
#include "common/memory.h"
#include "common/str.h"

typedef enum {
    WT_JSON_NONE,   /* absent */
    WT_JSON_NULL, WT_JSON_TRUE, WT_JSON_FALSE, WT_JSON_NUMBER, WT_JSON_STRING,
    WT_JSON_ARRAY, WT_JSON_OBJECT
} wt_json_kind;

typedef struct {
    wt_json_kind kind;
    wt_str raw;      /* string: between the quotes, still escaped; array, object: with brackets */
} wt_json;

/* The value that starts at text (white space around it allowed, nothing else behind it). */
int wt_json_parse(wt_str text, wt_json *value, wt_err *err);
int wt_json_check(wt_str text, wt_err *err);          /* the whole text, strictly, with UTF-8 */

/* The hot path: finds the named members of one object, at depth 1 only, in one pass.
 *   line      one object, e.g. a line of a dump
 *   keys      n_keys names without escapes, n_keys <= 64
 *   values    filled in the order of keys; kind WT_JSON_NONE where absent; the last of equal
 *             names wins; strict about everything it walks over
 * Returns 0; -1 with WT_EDATA (offset in the message). */
int wt_json_pick(wt_str line, const wt_str *keys, int n_keys, wt_json *values, wt_err *err);
/* As above but stops once each key was seen (first of equal names wins; the rest of the line is not
 * looked at): for records known to be well formed. */
int wt_json_pick_first(wt_str line, const wt_str *keys, int n_keys, wt_json *values, wt_err *err);

typedef struct {
    const char *at, *end;
    bool started;
} wt_json_iter;
int wt_json_iter_init(wt_json_iter *it, wt_json container, wt_err *err);
/* Next member or element. 1, 0 at the end, -1. key (may be NULL for arrays) is still escaped. */
int wt_json_next(wt_json_iter *it, wt_str *key, wt_json *value, wt_err *err);
wt_json wt_json_get(wt_json object, const char *key); /* kind WT_JSON_NONE where absent or broken */

/* Decoded string; a slice of raw where nothing is escaped, else in the arena. */
wt_str wt_json_string(wt_json value, wt_arena *arena);
wt_str wt_json_unescape(wt_str raw, wt_arena *arena);
int wt_json_i64(wt_json value, int64_t *out);         /* numbers and strings of digits; "1.0" = 1; -1 else */
int wt_json_double(wt_json value, double *out);
bool wt_json_true(wt_json value);

/* Writing: appends to a buffer. Bad UTF-8 becomes U+FFFD; control bytes are escaped. */
void wt_json_add_string(wt_buf *out, wt_str s);       /* with quotes */
void wt_json_add_double(wt_buf *out, double x);       /* shortest that reads back; NaN, inf: null */

#endif

/* parts.c - see parts.h. */
#include "dedup/parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/fs.h"
#include "common/out.h"

static char *numbered(const char *dir, const char *name, uint64_t i_part) {
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/%s-%05llu.jsonl.zst", dir, name, (unsigned long long)i_part);
    return path.ptr;
}

char *parts_kept_path(const char *output, uint64_t i_part) { return numbered(output, "part", i_part); }
char *parts_dropped_path(const char *work_dir, uint64_t i_part) { return numbered(work_dir, "dropped", i_part); }

static int append_file(wt_out *out, const char *path, wt_err *err) {
    enum { BLOCK = 1 << 20 };
    FILE *in = fopen(path, "rbe");
    if (!in) return wt_fail_errno(err, "cannot read '%s'", path);
    char *block = wt_xmalloc(BLOCK);
    int result = 0;
    for (size_t n; !result && (n = fread(block, 1, BLOCK, in)) > 0;) result = wt_out_packed(out, block, n, err);
    if (!result && ferror(in)) result = wt_fail_errno(err, "cannot read '%s'", path);
    free(block);
    fclose(in);
    return result;
}

int parts_join_dropped(const char *output, const char *work_dir, uint64_t n, wt_str provenance, wt_err *err) {
    char *path = wt_path_join(output, "dropped.jsonl.zst");
    wt_out *out = wt_out_open(path, err);
    int result = out ? 0 : -1;
    for (uint64_t i = 0; i < n && !result; i++) {
        char *from = parts_dropped_path(work_dir, i);
        result = append_file(out, from, err);
        free(from);
    }
    if (!result) result = wt_out_provenance(out, provenance, err);
    if (out && result) wt_out_abort(out);
    else if (out) result = wt_out_commit(out, err);
    free(path);
    return result;
}

/* parts.c - see parts.h. */
#include "dedup/parts.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/out.h"

static char *numbered(const char *dir, const char *name, uint64_t i_part) {
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/%s-%05llu.jsonl.zst", dir, name, (unsigned long long)i_part);
    return path.ptr;
}

char *parts_kept_path(const char *output, uint64_t i_part) { return numbered(output, "part", i_part); }
char *parts_dropped_path(const char *work_dir, uint64_t i_part) { return numbered(work_dir, "dropped", i_part); }

int part_open(part_files *part, const char *kept_path, const char *dropped_path, uint64_t i_part, wt_press *press, int threads,
              wt_err *err) {
    int writer = (int)(i_part % (uint64_t)wt_cluster_size());
    *part = (part_files){.kept = rank_frames_open(kept_path, writer, press, threads, err)};
    if (part->kept && dropped_path) part->dropped = rank_frames_open(dropped_path, writer, press, threads, err);
    if (part->kept && (part->dropped || !dropped_path)) return 0;
    part_abort(part);
    return -1;
}

int part_meet(part_files *part, wt_err *err) {
    return rank_frames_meet(part->kept, err) || (part->dropped && rank_frames_meet(part->dropped, err)) ? -1 : 0;
}

int part_commit(part_files *part, wt_str provenance, wt_err *err) {
    part_files p = *part;
    *part = (part_files){0};
    int result = rank_frames_commit(p.kept, provenance, err);
    if (result) rank_frames_abort(p.dropped);
    else if (p.dropped) result = rank_frames_commit(p.dropped, (wt_str){0}, err);
    return result;
}

void part_abort(part_files *part) {
    rank_frames_abort(part->kept);
    rank_frames_abort(part->dropped);
    *part = (part_files){0};
}

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

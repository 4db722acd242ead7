/* eval_windows.c - which tokens are scored with which context: plain arithmetic, apart from models, so that
 * it can be held against the published vectors of each convention. */
#include <assert.h>
#include <stdlib.h>

#include "train/eval.h"

static void add(eval_window **list, size_t *n, size_t *cap, eval_window w) {
    WT_GROW(*list, *cap, *n + 1);
    (*list)[(*n)++] = w;
}

size_t eval_plan_rolling(size_t n_tokens, int ctx, int stride, eval_window **windows) {
    size_t n = 0, cap = 0, done;
    assert(ctx > 0 && stride > 0 && stride <= ctx);
    *windows = NULL;
    if (n_tokens == 0)
        return 0;
    int first = n_tokens < (size_t)ctx ? (int)n_tokens : ctx;
    add(windows, &n, &cap, (eval_window){-1, first, first});
    for (done = (size_t)first; done < n_tokens;) {
        int scored = n_tokens - done < (size_t)stride ? (int)(n_tokens - done) : stride;
        done += (size_t)scored;
        add(windows, &n, &cap, (eval_window){(int64_t)done - ctx - 1, ctx, scored});
    }
    return n;
}

size_t eval_plan_stride(size_t n_tokens, int ctx, int stride, eval_window **windows) {
    size_t n = 0, cap = 0, before = 0;
    assert(ctx > 0 && stride > 0 && stride <= ctx);
    *windows = NULL;
    for (size_t begin = 0; begin < n_tokens; begin += (size_t)stride) {
        size_t end = n_tokens - begin < (size_t)ctx ? n_tokens : begin + (size_t)ctx;
        int inputs = (int)(end - begin) - 1, scored = (int)(end - before);
        if (scored > inputs)
            scored = inputs;
        if (scored > 0)
            add(windows, &n, &cap, (eval_window){(int64_t)begin, inputs, scored});
        before = end;
        if (end == n_tokens)
            break;
    }
    return n;
}

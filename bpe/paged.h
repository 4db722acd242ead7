/* paged.h - large arrays that grow, in memory or in temporary files. Inside bpe/.
 *
 * On disk an array is a shared mapping of an unlinked file: its pages are the kernel's to write back and to drop whenever
 * memory is wanted for something else, or a cgroup is at its limit. While nothing else wants it they stay resident, and
 * count in the process' resident size as any mapped file does; what the process itself holds (RssAnon) is without them.
 *
 * A full disk is no crash: files get their blocks before they are used. Where that fails the array goes on in
 * memory and `failed` is set, so that the caller can stop at a place where it can. */
#ifndef WT_BPE_PAGED_H
#define WT_BPE_PAGED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum { BPE_PAGED_MAX = 16 };            /* arrays */

typedef struct {
    struct { void *ptr; size_t bytes; int file; } map[BPE_PAGED_MAX];
    int n_maps;
    bool on_disk, failed;
    const char *temp_dir;               /* borrowed; NULL: $TMPDIR, /tmp */
    wt_err err;                         /* why it failed */
} bpe_paged;

void bpe_paged_init(bpe_paged *p, bool on_disk, const char *temp_dir);
/* NULL and 0 to begin with; 0 at the end frees. What is new is zero on disk, undefined in memory. */
void *bpe_paged_resize(bpe_paged *p, void *array, size_t bytes);

/* WT_GROW for such arrays. */
#define BPE_PAGED_GROW(p, array, cap, need)                                                          \
    do {                                                                                             \
        if ((size_t)(need) > (size_t)(cap)) {                                                        \
            (cap) = (size_t)(need) > 2 * (size_t)(cap) ? (need) : 2 * (cap);                         \
            (array) = bpe_paged_resize((p), (array), (size_t)(cap) * sizeof *(array));               \
        }                                                                                            \
    } while (0)

int bpe_temp_file(const char *dir, wt_err *err);        /* unlinked; -1 */

#endif

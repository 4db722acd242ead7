/* paged.c - arrays in unlinked temporary files, mapped. */
#include "bpe/paged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/str.h"

enum { PAGE = 4096 };

int bpe_temp_file(const char *dir, wt_err *err) {
    dir = dir ? dir : getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    wt_buf path = {0};
    wt_buf_printf(&path, "%s/wt-bpe-XXXXXX", dir);
    int file = mkstemp(path.ptr);
    if (file < 0)
        wt_fail_errno(err, "cannot make a temporary file in '%s'", dir);
    else
        unlink(path.ptr);           /* gone with the process, however that ends */
    wt_buf_free(&path);
    return file;
}

void bpe_paged_init(bpe_paged *p, bool on_disk, const char *temp_dir) {
    *p = (bpe_paged){.on_disk = on_disk, .temp_dir = temp_dir};
}

static void *move_to_memory(bpe_paged *p, int i, size_t bytes) {
    void *memory = wt_xmalloc(bytes);
    size_t old = p->map[i].bytes;
    if (old) {
        memcpy(memory, p->map[i].ptr, old < bytes ? old : bytes);
        munmap(p->map[i].ptr, old);
    }
    if (p->map[i].file >= 0)
        close(p->map[i].file);
    p->failed = true;
    memmove(&p->map[i], &p->map[i + 1], (size_t)(--p->n_maps - i) * sizeof p->map[0]);
    return memory;
}

/* Makes array i `bytes` large. */
static void *map_resize(bpe_paged *p, int i, size_t bytes) {
    size_t old = p->map[i].bytes;
    bytes = (bytes + PAGE - 1) / PAGE * PAGE;
    int code = bytes <= old ? 0 : posix_fallocate(p->map[i].file, (off_t)old, (off_t)(bytes - old));
    if (code) {
        errno = code;
        wt_fail_errno(&p->err, "cannot enlarge a temporary file to %zu bytes", bytes);
        return move_to_memory(p, i, bytes);
    }
    void *ptr = old ? mremap(p->map[i].ptr, old, bytes, MREMAP_MAYMOVE)
                    : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->map[i].file, 0);
    if (ptr == MAP_FAILED) {
        wt_fail_errno(&p->err, "cannot map %zu bytes of a temporary file", bytes);
        return move_to_memory(p, i, bytes);
    }
    p->map[i].ptr = ptr, p->map[i].bytes = bytes;
    return ptr;
}

void *bpe_paged_resize(bpe_paged *p, void *array, size_t bytes) {
    int i = 0;
    while (i < p->n_maps && p->map[i].ptr != array)
        i++;
    bool mapped = array && i < p->n_maps;
    if (bytes == 0) {
        if (mapped) {
            munmap(array, p->map[i].bytes);
            close(p->map[i].file);
            memmove(&p->map[i], &p->map[i + 1], (size_t)(--p->n_maps - i) * sizeof p->map[0]);
        } else {
            free(array);
        }
        return NULL;
    }
    if (!mapped && (!p->on_disk || p->failed || array || p->n_maps == BPE_PAGED_MAX))
        return wt_xrealloc(array, bytes);
    if (!mapped) {
        int file = bpe_temp_file(p->temp_dir, &p->err);
        if (file < 0) {
            p->failed = true;
            return wt_xmalloc(bytes);
        }
        i = p->n_maps++;
        p->map[i].ptr = NULL, p->map[i].bytes = 0, p->map[i].file = file;
    }
    return map_resize(p, i, bytes);
}

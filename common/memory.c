/* memory.c - a chain of blocks as an arena; large blocks by mmap, on huge pages (a random access to
 * a table of gigabytes costs half with 2 MiB pages: one TLB entry instead of 512). */
#include "common/memory.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { ALIGN = 16 };

typedef struct block {
    struct block *next;
    size_t bytes;                   /* usable, behind this header */
    _Alignas(ALIGN) char data[];
} block;

struct wt_arena {
    block *first, *current;         /* blocks are kept on reset and used again in order */
    size_t used;                    /* in current */
    size_t block_bytes;
};

wt_arena *wt_arena_new(size_t block_bytes) {
    wt_arena *a = wt_xcalloc(1, sizeof *a);
    a->block_bytes = block_bytes ? block_bytes : 64 << 10;
    return a;
}

void wt_arena_free(wt_arena *a) {
    if (!a) return;
    for (block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

void wt_arena_reset(wt_arena *a) {
    /* One page of 50 MB must not make every later page hold 50 MB: keep at most 64 blocks' worth. */
    size_t kept = 0, limit = 64 * a->block_bytes;
    for (block **link = &a->first; *link;) {
        block *b = *link;
        if (kept + b->bytes > limit && b != a->first) {
            *link = b->next;
            free(b);
        } else {
            kept += b->bytes;
            link = &b->next;
        }
    }
    a->current = a->first;
    a->used = 0;
}

static void *take(wt_arena *a, size_t n) {
    void *p = a->current->data + a->used;
    a->used += n;
    return p;
}

void *wt_arena_alloc(wt_arena *a, size_t n) {
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (a->current && a->used + n <= a->current->bytes) return take(a, n);
    for (block *b = a->current ? a->current->next : a->first; b; b = b->next) {
        if (b->bytes < n) continue;
        a->current = b, a->used = 0;
        return take(a, n);
    }
    size_t bytes = n > a->block_bytes ? n : a->block_bytes;
    block *b = wt_xmalloc(sizeof *b + bytes);
    b->bytes = bytes;
    b->next = NULL;
    block **tail = a->current ? &a->current->next : &a->first;
    while (*tail) tail = &(*tail)->next;
    *tail = b;
    a->current = b, a->used = 0;
    return take(a, n);
}

void *wt_arena_zalloc(wt_arena *a, size_t n) {
    void *p = wt_arena_alloc(a, n);
    return memset(p, 0, n);
}

wt_str wt_arena_copy(wt_arena *a, wt_str s) {
    char *p = wt_arena_alloc(a, s.len + 1);
    if (s.len) memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return (wt_str){p, s.len};
}

char *wt_arena_printf(wt_arena *a, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *p = wt_arena_alloc(a, (size_t)(n < 0 ? 0 : n) + 1);
    vsnprintf(p, (size_t)(n < 0 ? 0 : n) + 1, format, again);
    va_end(again);
    va_end(args);
    return p;
}

size_t wt_arena_bytes(const wt_arena *a) {
    size_t sum = 0;
    for (const block *b = a->first; b; b = b->next) sum += sizeof *b + b->bytes;
    return sum;
}

/* ---- large blocks ---- */
#define HUGE_PAGE ((size_t)2 << 20)

static size_t round_up(size_t n) { return (n + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1); }

void *wt_big_alloc(size_t bytes, const char *what, wt_err *err) {
    /* Asking costs several files of /proc and /sys: not for what any machine has. */
    uint64_t free_bytes = bytes < HUGE_PAGE ? HUGE_PAGE : wt_memory_available();
    if (bytes > free_bytes || bytes > SIZE_MAX / 2) {
        wt_fail(err, WT_ENOMEM, "%s needs %.1f GiB and %.1f GiB are free", what,
                (double)bytes / (1u << 30), (double)free_bytes / (1u << 30));
        return NULL;
    }
    size_t size = round_up(bytes ? bytes : 1);
    /* One huge page more than needed, so that an aligned part exists; the ends are given back. */
    char *p = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) {
        wt_fail_errno(err, "%s needs %zu bytes", what, bytes);
        return NULL;
    }
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (before) munmap(p, before);
    if (HUGE_PAGE - before) munmap(p + before + size, HUGE_PAGE - before);
    p += before;
    if (size >= HUGE_PAGE && bytes >= HUGE_PAGE / 2) madvise(p, size, MADV_HUGEPAGE);
    return p;
}

void wt_big_free(void *p, size_t bytes) {
    if (p) munmap(p, round_up(bytes ? bytes : 1));
}

static uint64_t number_in(const char *path, const char *key) {
    FILE *f = fopen(path, "re");
    if (!f) return UINT64_MAX;
    char line[256];
    uint64_t found = UINT64_MAX;
    size_t n = strlen(key);
    while (found == UINT64_MAX && fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0 && sscanf(line + n, "%lu", &found) != 1) found = UINT64_MAX;
    fclose(f);
    return found;
}

uint64_t wt_memory_available(void) {
    uint64_t kib = number_in("/proc/meminfo", "MemAvailable:");
    uint64_t bytes = kib == UINT64_MAX ? UINT64_MAX : kib * 1024;
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "");     /* "max" is no number */
    uint64_t used = number_in("/sys/fs/cgroup/memory.current", "");
    if (limit != UINT64_MAX && used != UINT64_MAX) {
        uint64_t left = limit > used ? limit - used : 0;
        if (left < bytes) bytes = left;
    }
    return bytes;
}

uint64_t wt_memory_peak(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024;
}

int wt_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
    return 1;
}

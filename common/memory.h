/* memory.h - an arena for scratch, and large blocks on huge pages.
 * An arena hands out memory that is freed all at once: reset it for each document. Not shared
 * between threads. Large blocks are for tables whose size the user chose: they fail with words. */
#ifndef WT_COMMON_MEMORY_H
#define WT_COMMON_MEMORY_H

#include "common/err.h"
#include "common/str.h"

typedef struct wt_arena wt_arena;

wt_arena *wt_arena_new(size_t block_bytes);           /* 0: 64 KiB blocks */
void wt_arena_free(wt_arena *arena);
void wt_arena_reset(wt_arena *arena);                 /* everything handed out is gone */
void *wt_arena_alloc(wt_arena *arena, size_t n);      /* 16-byte aligned, not zeroed */
void *wt_arena_zalloc(wt_arena *arena, size_t n);     /* zeroed */
wt_str wt_arena_copy(wt_arena *arena, wt_str s);      /* NUL behind the copy */
char *wt_arena_printf(wt_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t wt_arena_bytes(const wt_arena *arena);         /* held from the system */

/* Zeroed memory, 2 MiB aligned, on transparent huge pages where the system has them; `what` names
 * it in the error: "a filter for 2e9 keys". Returns NULL with WT_ENOMEM when more than the free
 * memory is asked for. Free with wt_big_free(p, bytes). */
void *wt_big_alloc(size_t bytes, const char *what, wt_err *err);
void wt_big_free(void *p, size_t bytes);
uint64_t wt_memory_available(void);                   /* bytes: MemAvailable and the cgroup limit */
uint64_t wt_memory_peak(void);                        /* peak resident bytes of this process */
int wt_cpu_count(void);                               /* usable by this process */

#endif

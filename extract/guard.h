/* guard.h - a run that no page can end. The work is done in a child; what each of its threads is at stands in memory
 * shared with the parent: the page's key and when it began. Where a page crashes the child, eats all memory or
 * takes too long, the parent notes its key and starts the child again, which goes on with what is not finished
 * and passes over the noted page. A child that was killed from outside (by the kernel, out of memory) may have had
 * several pages in work: those are tried one at a time, and the one that kills again is the one. */
#ifndef WT_EXTRACT_GUARD_H
#define WT_EXTRACT_GUARD_H

#include <stdint.h>

/* Becomes the parent of a child that does the work; returns in the child only: which one it is, 0 for the first.
 * page_seconds: a page may take so long; 0: any time. Without a child to be had, goes on without a guard. */
int guard_start(uint64_t page_seconds);

/* Around the work on a page. key: not 0, the same for the same page of the same run. Answers NULL, or why this
 * page is not to be touched: then guard_leave() is not called. */
const char *guard_enter(int i_thread, uint64_t key);
void guard_leave(int i_thread);

/* Recurses until the stack ends. */
int guard_overflow_for_tests(int depth);

#endif

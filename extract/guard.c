/* guard.c - see guard.h. Time is the child's processor time as well as the clock's, so that a machine that was
 * suspended or is overloaded drops no page; a page that waits for nothing (no processor time at all) gets ten
 * times as long. */
#include "extract/guard.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/str.h"
#include "common/tool.h"

enum { GUARDED_THREADS = 256, SKIPS_MAX = 1000, STARTS_MAX = 3000, SIGNAL_STACK_BYTES = 64 << 10, POLL_NS = 2000000 };

typedef struct {
    uint64_t key;
    double since, cpu_since;        /* since 0: between pages */
} guard_slot;

typedef struct {
    guard_slot slot[GUARDED_THREADS];
    uint64_t culprit;               /* set by the signal handler of the thread that crashed */
    uint64_t alone;                 /* the suspect in work */
    uint32_t n_suspects, n_skips;
    uint64_t suspect[GUARDED_THREADS], skip[SKIPS_MAX];
    bool skip_slow[SKIPS_MAX];
} guard_memory;

static guard_memory *guard;
static clockid_t child_clock;       /* the child's own; the parent's name for it is another */
static pthread_mutex_t one_suspect = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local uint64_t current_key;
static _Thread_local bool holds_suspect;

static double seconds_of(clockid_t clock) {
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A crash may be the end of the stack: the handler needs another. */
static void signal_stack(void) {
    static _Thread_local bool done;
    if (done) return;
    done = true;
    static _Thread_local _Alignas(16) char bytes[SIGNAL_STACK_BYTES];
    stack_t s = {.ss_sp = bytes, .ss_size = sizeof bytes}, there;
    if (sigaltstack(NULL, &there) == 0 && there.ss_flags & SS_DISABLE) sigaltstack(&s, NULL);   /* sanitizers have set one */
}

const char *guard_enter(int i_thread, uint64_t key) {
    if (!guard || i_thread >= GUARDED_THREADS) return NULL;
    for (uint32_t i = 0; i < guard->n_skips; i++)
        if (guard->skip[i] == key) return guard->skip_slow[i] ? "took too long" : "crashed";
    signal_stack();
    for (uint32_t i = 0; i < guard->n_suspects && !holds_suspect; i++) {
        if (guard->suspect[i] != key) continue;
        pthread_mutex_lock(&one_suspect);
        holds_suspect = true;
        guard->alone = key;
    }
    current_key = key;
    guard_slot *s = &guard->slot[i_thread];
    s->key = key;
    s->cpu_since = seconds_of(child_clock);
    double now = seconds_of(CLOCK_MONOTONIC);
    __atomic_store(&s->since, &now, __ATOMIC_RELEASE);
    return NULL;
}

void guard_leave(int i_thread) {
    if (!guard || i_thread >= GUARDED_THREADS) return;
    double none = 0;
    current_key = 0;
    __atomic_store(&guard->slot[i_thread].since, &none, __ATOMIC_RELEASE);
    if (!holds_suspect) return;
    guard->alone = 0;
    holds_suspect = false;
    pthread_mutex_unlock(&one_suspect);
}

static void on_crash(int signal_number) {
    guard->culprit = current_key;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void become_child(void) {
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK};
    prctl(PR_SET_PDEATHSIG, SIGKILL);           /* killed with its parent, it must not write on */
    if (getppid() == 1) _exit(1);
    child_clock = CLOCK_PROCESS_CPUTIME_ID;
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++) sigaction(crashes[i], &action, NULL);
}

/* The key of a page that is over its time, or 0. */
static uint64_t slow_page(double limit) {
    double now = seconds_of(CLOCK_MONOTONIC), cpu_now = seconds_of(child_clock);
    for (int i = 0; i < GUARDED_THREADS; i++) {
        double since;
        __atomic_load(&guard->slot[i].since, &since, __ATOMIC_ACQUIRE);
        if (since == 0 || now - since < limit) continue;
        if (cpu_now - guard->slot[i].cpu_since >= limit || now - since >= 10 * limit) return guard->slot[i].key;
    }
    return 0;
}

/* Waits for the child; kills it where a page takes too long. Returns its status. */
static int watch(pid_t child, uint64_t page_seconds, uint64_t *slow_key) {
    int status;
    bool told = false;
    if (clock_getcpuclockid(child, &child_clock)) child_clock = CLOCK_MONOTONIC;
    for (;;) {
        pid_t got = waitpid(child, &status, WNOHANG);
        if (got == child) return status;
        if (got < 0 && errno != EINTR) return 0;
        if (wt_stop_requested() && !told) {
            told = true;
            kill(child, SIGTERM);
        }
        if (page_seconds && !*slow_key && (*slow_key = slow_page((double)page_seconds))) kill(child, SIGKILL);
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    }
}

/* Notes what the dead child's end teaches. False where it teaches nothing. */
static bool learn(uint64_t slow_key) {
    uint64_t key = slow_key ? slow_key : guard->culprit ? guard->culprit : guard->alone;
    if (key && guard->n_skips < SKIPS_MAX) {
        wt_warn("a page %s; going on without it", slow_key ? "took too long" : "crashed the extractor");
        guard->skip_slow[guard->n_skips] = slow_key != 0;
        guard->skip[guard->n_skips++] = key;
        return true;
    }
    guard->n_suspects = 0;
    for (int i = 0; i < GUARDED_THREADS; i++)
        if (guard->slot[i].since != 0) guard->suspect[guard->n_suspects++] = guard->slot[i].key;
    if (!key && guard->n_suspects) wt_warn("the extractor was killed; going on, and looking at %u pages one by one", guard->n_suspects);
    return !key && guard->n_suspects;
}

int guard_start(uint64_t page_seconds) {
    guard = mmap(NULL, sizeof *guard, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (guard == MAP_FAILED) {
        guard = NULL;
        return 0;
    }
    for (int n = 0;; n++) {
        guard->culprit = guard->alone = 0;
        memset(guard->slot, 0, sizeof guard->slot);
        pid_t child = fork();
        if (child < 0) {
            wt_warn("no child process for the guard; going on without one");
            guard = NULL;
            return n;
        }
        if (child == 0) {
            become_child();
            return n;
        }
        uint64_t slow_key = 0;
        int status = watch(child, page_seconds, &slow_key);
        if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
        if (wt_stop_requested() || n == STARTS_MAX || !learn(slow_key)) {
            fprintf(stderr, "wt-extract: ended by signal %d; the same command goes on\n", WTERMSIG(status));
            _exit(1);
        }
    }
}

int guard_overflow_for_tests(int depth) {
    volatile char page[4096];
    page[0] = (char)depth;
    return depth ? guard_overflow_for_tests(depth + 1) + page[0] : 0;
}

/* tool_progress.c - words on standard error and the one live line. On a terminal the line is
 * rewritten ten times a second; in a log a line is written once a minute. Counting is an atomic add;
 * the clock is looked at only when enough was counted, so a hot loop may call wt_progress_add. */
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/tool_impl.h"

static struct {
    pthread_mutex_t lock;
    bool active, on_terminal, line_shown;
    char label[64], unit[32], note[160];
    uint64_t total;
    double start_s, last_s;
} line = {.lock = PTHREAD_MUTEX_INITIALIZER};
static _Atomic uint64_t done_count;

static bool silent(void) { return (wt_this.args && wt_this.args->quiet) || wt_cluster_rank() != 0; }

static void clear_line(void) {
    if (line.line_shown) fputs("\r\033[K", stderr);
    line.line_shown = false;
}

void wt_stderr_lock(void) {
    pthread_mutex_lock(&line.lock);
    clear_line();
}
void wt_stderr_unlock(void) { pthread_mutex_unlock(&line.lock); }

static void say(const char *kind, const char *format, va_list args) {
    wt_stderr_lock();
    fprintf(stderr, "%s: %s", wt_this.tool ? wt_this.tool->name : "webtext", kind);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    wt_stderr_unlock();
}

#define SAY(kind)                   \
    do {                            \
        va_list args;               \
        va_start(args, format);     \
        say(kind, format, args);    \
        va_end(args);               \
    } while (0)

void wt_info(const char *format, ...) {
    if (!silent()) SAY("");
}
void wt_warn(const char *format, ...) { SAY("warning: "); }
void wt_debug(const char *format, ...) {
    if (wt_this.args && wt_this.args->verbose) SAY("");
}

static void human(double x, char *out, size_t n) {
    static const char *const prefix[] = {"", "k", "M", "G", "T"};
    int i = 0;
    while (x >= 1000 && i < 4) x /= 1000, i++;
    snprintf(out, n, i && x < 100 ? "%.1f%s" : "%.0f%s", x, prefix[i]);
}

static void span(double s, char *out, size_t n) {
    long t = (long)(s + 0.5);
    if (t < 60) snprintf(out, n, "%lds", t);
    else if (t < 3600) snprintf(out, n, "%ldm%02lds", t / 60, t % 60);
    else snprintf(out, n, "%ldh%02ldm", t / 3600, t / 60 % 60);
}

static void print_line(double now) {            /* lock held */
    uint64_t done = atomic_load_explicit(&done_count, memory_order_relaxed);
    double seconds = now - line.start_s, rate = seconds > 0 ? (double)done / seconds : 0;
    char a[24], b[24], c[24], left[24];
    human((double)done, a, sizeof a);
    human((double)line.total, b, sizeof b);
    human(rate, c, sizeof c);
    if (line.on_terminal) fputs("\r\033[K", stderr);
    fprintf(stderr, "%s: %s", line.label, a);
    if (line.total) fprintf(stderr, "/%s", b);
    fprintf(stderr, " %s", line.unit);
    if (line.total) fprintf(stderr, " %.0f%%", 100.0 * (double)done / (double)line.total);
    fprintf(stderr, ", %s/s", c);
    if (line.total > done && rate > 0) {
        span((double)(line.total - done) / rate, left, sizeof left);
        fprintf(stderr, ", %s left", left);
    }
    if (line.note[0]) fprintf(stderr, ", %s", line.note);
    if (!line.on_terminal) fputc('\n', stderr);
    line.line_shown = line.on_terminal;
    fflush(stderr);
}

static void tick(void) {
    if (pthread_mutex_trylock(&line.lock)) return;
    double now = wt_now();
    if (line.active && now - line.last_s >= (line.on_terminal ? 0.1 : 60.0)) {
        line.last_s = now;
        print_line(now);
    }
    pthread_mutex_unlock(&line.lock);
}

void wt_progress_begin(const char *label, const char *unit, uint64_t total) {
    if (silent()) return;
    pthread_mutex_lock(&line.lock);
    snprintf(line.label, sizeof line.label, "%s", label);
    snprintf(line.unit, sizeof line.unit, "%s", unit);
    line.note[0] = 0;
    line.total = total;
    line.start_s = line.last_s = wt_now();
    line.on_terminal = isatty(STDERR_FILENO);
    line.active = true;
    atomic_store(&done_count, 0);
    pthread_mutex_unlock(&line.lock);
}

void wt_progress_set(uint64_t done) {
    atomic_store_explicit(&done_count, done, memory_order_relaxed);
    tick();
}

void wt_progress_add(uint64_t n) {
    uint64_t before = atomic_fetch_add_explicit(&done_count, n, memory_order_relaxed);
    if ((before >> 4) != ((before + n) >> 4)) tick();
}

void wt_progress_note(const char *format, ...) {
    va_list args;
    va_start(args, format);
    pthread_mutex_lock(&line.lock);
    vsnprintf(line.note, sizeof line.note, format, args);
    pthread_mutex_unlock(&line.lock);
    va_end(args);
}

void wt_progress_end(void) {
    pthread_mutex_lock(&line.lock);
    clear_line();
    line.active = false;
    pthread_mutex_unlock(&line.lock);
}

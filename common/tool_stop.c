/* tool_stop.c - signals that ask, and clocks. */
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "common/tool.h"

static volatile sig_atomic_t stop_flag;
static atomic_bool save_flag;

static void on_stop(int signal_number) {
    if (stop_flag && signal_number == SIGINT) _exit(130);
    stop_flag = 1;
}

static void on_save(int signal_number) { atomic_store(&save_flag, true); }

void wt_stop_install(void) {
    struct sigaction stop = {.sa_handler = on_stop}, save = {.sa_handler = on_save}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    save.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &save, NULL);
    sigaction(SIGPIPE, &ignore, NULL);      /* a closed pipe is a failed write with a message */
}

bool wt_stop_requested(void) { return stop_flag != 0; }
bool wt_save_requested(void) { return atomic_exchange(&save_flag, false); }

int wt_stop_error(wt_err *err) {
    return wt_fail(err, WT_ESTOP, "stopped; what was done is saved, and the same command goes on");
}

double wt_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double wt_cpu_seconds(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void wt_iso_time(int64_t unix_s, char out[32]) {
    time_t t = (time_t)unix_s;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

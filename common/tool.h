/* tool.h - what all tools share: option tables that parse, print help, man page and shell
 * completion; the common options; progress; counters; the run's last words and its report; output
 * identity (fresh, continue, done, another's); stopping on signals.
 *
 * A tool:
 *     static wt_tool tool = { .name = "wt-links", .summary = "...", .usage = "DUMP... -o FILE",
 *                             .options = options, .example = "wt-links RS_2017-01.zst -o l.jsonl.zst" };
 *     int main(int argc, char **argv) {
 *         wt_err err = {0};
 *         wt_args args;
 *         wt_tool_start(&tool, argc, argv, &args);   // exits for --help, --version, wrong usage
 *         return wt_tool_end(&tool, run(&args, &err), &err);
 *     }                                              // prints the error, writes --report
 */
#ifndef WT_COMMON_TOOL_H
#define WT_COMMON_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"
#include "common/str.h"

#define WT_VERSION "0.1.0"

/* ---- options ---- */
typedef enum {
    WT_OPT_FLAG,    /* bool *          sets true; --no-NAME sets false */
    WT_OPT_STRING,  /* const char **   */
    WT_OPT_INT,     /* int64_t *       as a count, may be negative */
    WT_OPT_COUNT,   /* uint64_t *      k M G = thousands ... */
    WT_OPT_BYTES,   /* uint64_t *      KiB MiB GiB or K M G = 1024 ... */
    WT_OPT_FLOAT,   /* double *        */
    WT_OPT_CHOICE,  /* const char **   `arg` lists them: "hf|raw|bytes" */
    WT_OPT_LIST,    /* wt_list *       may be given again and again */
    WT_OPT_GROUP    /* a heading in the help: `help` is its text */
} wt_opt_type;

typedef struct {
    const char **item;
    size_t n, cap;
} wt_list;

typedef struct {
    const char *name;       /* without "--"; an underscore-free long name */
    char letter;            /* short form, or 0 */
    wt_opt_type type;
    void *target;           /* where the value goes; holds the default when parsing starts */
    const char *arg;        /* placeholder or choices: "N", "FILE" */
    const char *help;       /* one line; the default is printed behind it */
    const char *shown;      /* default as shown in help; NULL: printed from *target */
} wt_opt;
/* Tables end with {0}. */

typedef struct {
    const char *output;     /* -o; NULL: standard output */
    int threads;            /* -j; already resolved to >= 1 */
    uint64_t seed, limit;   /* --seed (0), --limit (0: none) */
    bool force, quiet, verbose;
    const char *report;     /* --report FILE */
    char **inputs;          /* positional arguments */
    int n_inputs;
    const char *command;    /* the sub-command, or NULL */
} wt_args;

typedef struct {
    const char *name, *summary, *usage;
    const char *description;    /* paragraphs for help and man page */
    const wt_opt *options;
    const char *example;        /* one or more lines that can be pasted */
} wt_command;

typedef struct {
    const char *name, *summary, *usage, *description;
    const wt_opt *options;      /* options of a tool without sub-commands */
    const char *example;
    const wt_command *commands; /* ends with {0}; NULL: none. `wt-bpe train ...` */
    bool inputs_optional;       /* no input means standard input, or nothing is needed */
} wt_tool;

/* Parses; exits 0 after --help, --version, --man, --completion; exits 2 with one line on wrong
 * usage. Also installs the stop handler (stop.h) and starts the clocks. */
void wt_tool_start(const wt_tool *tool, int argc, char **argv, wt_args *args);
/* Prints the error if failed (-1), the run's last words if not, writes the report file; returns the
 * exit code of the contract: 0, 1, 2 (WT_EARG), 3 (WT_ESTOP). */
int wt_tool_end(const wt_tool *tool, int result, const wt_err *err);

/* Parsers of the values, also for configuration files. 0 or -1 with WT_EARG. */
int wt_parse_count(const char *text, uint64_t *out, wt_err *err);
int wt_parse_bytes(const char *text, uint64_t *out, wt_err *err);
int wt_parse_time(const char *text, int64_t *unix_s, wt_err *err);   /* 2017-12-31[THH:MM:SS[Z]] */
int wt_opt_set(const wt_opt *option, const char *value, wt_err *err);

/* ---- words on standard error ---- */
void wt_info(const char *format, ...) __attribute__((format(printf, 1, 2)));   /* not with -q */
void wt_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void wt_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));  /* with -v */

/* ---- progress: one live line ---- */
void wt_progress_begin(const char *label, const char *unit, uint64_t total);   /* total 0: unknown */
void wt_progress_set(uint64_t done);                  /* from any thread; cheap */
void wt_progress_add(uint64_t n);
void wt_progress_note(const char *format, ...) __attribute__((format(printf, 1, 2))); /* behind the rate */
void wt_progress_end(void);

/* ---- the run's facts: printed at the end, written by --report as JSON ---- */
void wt_report_count(const char *name, uint64_t n);       /* adds: "documents in" */
void wt_report_drop(const char *reason, uint64_t n);      /* adds under "dropped" */
void wt_report_number(const char *name, double x);
void wt_report_string(const char *name, const char *s);
void wt_report_json(const char *name, wt_str raw_json);   /* anything else */
uint64_t wt_report_get(const char *name);                 /* a count so far; 0 where none */
void wt_report_write(wt_buf *out);                        /* the whole report as JSON */

/* ---- whose output is this? ----
 * The key (JSON) names all that decides the bytes: settings and inputs. It is kept in OUT.run.json
 * for files and OUT/run.json for folders, with the state "running" or "complete".
 * wt_run_begin returns WT_RUN_FRESH (nothing there; any leftovers of a --force are removed),
 * WT_RUN_CONTINUE (an unfinished output of the same key), WT_RUN_DONE (finished, same key: the
 * tool says so and exits 0), or -1 with WT_EEXIST (another run's; the message says what differs
 * and names --force; or being written by another process now). An unfinished run that has written
 * nothing yet stands in nobody's way. For output NULL (standard output): always FRESH. */
enum { WT_RUN_FRESH = 1, WT_RUN_CONTINUE = 2, WT_RUN_DONE = 3 };
int wt_run_begin(const char *output, bool is_dir, wt_str key, bool force, wt_err *err);
int wt_run_finish(const char *output, bool is_dir, wt_str key, wt_err *err);
/* Adds to a key an input's identity: name, size, and XXH3 of its first and last 64 KiB. */
void wt_run_key_input(wt_buf *key, const char *path);
/* The provenance object of an artifact: tool, version, arguments, seed, key. */
void wt_provenance(wt_buf *json, wt_str key);

/* ---- stopping ---- SIGINT and SIGTERM set a flag; a second SIGINT ends at once. */
void wt_stop_install(void);
bool wt_stop_requested(void);
int wt_stop_error(wt_err *err);                       /* WT_ESTOP, "stopped; rerun to continue" */
/* SIGUSR1: true once after each signal. */
bool wt_save_requested(void);

/* ---- clocks ---- */
double wt_now(void);                                  /* monotonic seconds */
double wt_cpu_seconds(void);                          /* of the whole process */
void wt_iso_time(int64_t unix_s, char out[32]);       /* 2017-12-31T23:59:59Z */

#endif

/* tool_report.c - the run's facts, in the order they were first told. Printed at the end for people,
 * written as JSON for programs; wt-report reads them back. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/json.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/tool_impl.h"

typedef enum { COUNT, DROP, NUMBER, STRING, JSON } fact_kind;

typedef struct {
    fact_kind kind;
    char *name;
    uint64_t n;
    double x;
    wt_buf text;
} fact;

static struct {
    pthread_mutex_t lock;
    fact *fact;
    size_t n, cap;
    char verdict[16];
    char error[1024];
} facts = {.lock = PTHREAD_MUTEX_INITIALIZER};

static fact *find(fact_kind kind, const char *name) {       /* lock held */
    for (size_t i = 0; i < facts.n; i++)
        if (facts.fact[i].kind == kind && strcmp(facts.fact[i].name, name) == 0) return &facts.fact[i];
    return NULL;
}

static fact *find_or_add(fact_kind kind, const char *name) {
    fact *f = find(kind, name);
    if (f) return f;
    WT_GROW(facts.fact, facts.cap, facts.n + 1);
    f = &facts.fact[facts.n++];
    *f = (fact){.kind = kind, .name = wt_xstrdup(name)};
    return f;
}

static void add(fact_kind kind, const char *name, uint64_t n) {
    pthread_mutex_lock(&facts.lock);
    find_or_add(kind, name)->n += n;
    pthread_mutex_unlock(&facts.lock);
}

void wt_report_count(const char *name, uint64_t n) { add(COUNT, name, n); }
void wt_report_drop(const char *reason, uint64_t n) {
    if (n) add(DROP, reason, n);
}

void wt_report_number(const char *name, double x) {
    pthread_mutex_lock(&facts.lock);
    find_or_add(NUMBER, name)->x = x;
    pthread_mutex_unlock(&facts.lock);
}

static void set_text(fact_kind kind, const char *name, wt_str s) {
    pthread_mutex_lock(&facts.lock);
    fact *f = find_or_add(kind, name);
    wt_buf_clear(&f->text);
    wt_buf_add_str(&f->text, s);
    pthread_mutex_unlock(&facts.lock);
}

void wt_report_string(const char *name, const char *s) { set_text(STRING, name, wt_str_of(s)); }
void wt_report_json(const char *name, wt_str raw) { set_text(JSON, name, raw); }

uint64_t wt_report_get(const char *name) {
    pthread_mutex_lock(&facts.lock);
    const fact *f = find(COUNT, name);
    if (!f) f = find(DROP, name);
    uint64_t n = f ? f->n : 0;
    pthread_mutex_unlock(&facts.lock);
    return n;
}

/* A folder that is not there yet may be the output's own. */
static bool lies_in_output(const wt_args *args) {
    size_t n = args->output ? strlen(args->output) : 0;
    while (n > 1 && args->output[n - 1] == '/') n--;
    return n > 0 && strncmp(args->report, args->output, n) == 0 && args->report[n] == '/';
}

int wt_report_check(const wt_args *args, wt_err *err) {
    struct stat st;
    if (!args->report) return 0;
    if (wt_is_dir(args->report)) return wt_fail(err, WT_EIO, "'%s' is a folder", args->report);
    if (stat(args->report, &st) == 0 && !S_ISREG(st.st_mode))      /* who reads a pipe would take this for the end */
        return access(args->report, W_OK) ? wt_fail_errno(err, "cannot write '%s'", args->report) : 0;
    wt_out *out = wt_out_open(args->report, err);      /* as it will be written; nothing is kept */
    if (out) {
        wt_out_abort(out);
        return 0;
    }
    return err->code == WT_ENOTFOUND && lies_in_output(args) ? 0 : -1;
}

void wt_report_result(const char *verdict, const wt_err *err) {
    pthread_mutex_lock(&facts.lock);
    snprintf(facts.verdict, sizeof facts.verdict, "%s", verdict);
    snprintf(facts.error, sizeof facts.error, "%s", err ? err->text : "");
    pthread_mutex_unlock(&facts.lock);
}

/* 1234567 as "1,234,567". */
static void grouped(uint64_t n, char out[32]) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%lu", (unsigned long)n), at = 0;
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
}

static uint64_t total_dropped(void) {
    uint64_t sum = 0;
    for (size_t i = 0; i < facts.n; i++) sum += facts.fact[i].kind == DROP ? facts.fact[i].n : 0;
    return sum;
}

void wt_report_print(FILE *f, const char *verdict) {
    wt_stderr_lock();
    pthread_mutex_lock(&facts.lock);
    fprintf(f, "%s %s in %.2f s (%.2f s CPU, peak memory %.1f MiB)\n", wt_this.tool->name, verdict,
            wt_now() - wt_this.start_s, wt_cpu_seconds(), (double)wt_memory_peak() / (1 << 20));
    char number[32];
    uint64_t dropped = total_dropped();
    for (size_t i = 0; i < facts.n; i++) {
        const fact *x = &facts.fact[i];
        if (x->kind == COUNT) grouped(x->n, number), fprintf(f, "  %-32s %16s\n", x->name, number);
        if (x->kind == NUMBER) fprintf(f, "  %-32s %16.6g\n", x->name, x->x);
        if (x->kind == STRING) fprintf(f, "  %-32s %16s\n", x->name, x->text.ptr ? x->text.ptr : "");
    }
    if (dropped) grouped(dropped, number), fprintf(f, "  %-32s %16s\n", "dropped", number);
    for (size_t i = 0; i < facts.n; i++) {
        const fact *x = &facts.fact[i];
        if (x->kind == DROP) grouped(x->n, number), fprintf(f, "    %-30s %16s\n", x->name, number);
    }
    pthread_mutex_unlock(&facts.lock);
    wt_stderr_unlock();
}

static void write_kind(wt_buf *out, fact_kind kind) {
    bool first = true;
    for (size_t i = 0; i < facts.n; i++) {
        const fact *x = &facts.fact[i];
        if (x->kind != kind) continue;
        if (!first) wt_buf_add_char(out, ',');
        first = false;
        wt_json_add_string(out, wt_str_of(x->name));
        wt_buf_add_char(out, ':');
        if (kind == COUNT || kind == DROP) wt_buf_printf(out, "%lu", (unsigned long)x->n);
        if (kind == NUMBER) wt_json_add_double(out, x->x);
        if (kind == STRING) wt_json_add_string(out, wt_buf_view(&x->text));
        if (kind == JSON) wt_buf_add_str(out, wt_buf_view(&x->text));
    }
}

void wt_report_write(wt_buf *out) {
    pthread_mutex_lock(&facts.lock);
    wt_buf_printf(out, "{\"tool\":\"%s\",\"version\":\"%s\",", wt_this.tool->name, WT_VERSION);
    if (wt_this.command) wt_buf_printf(out, "\"command\":\"%s\",", wt_this.command->name);
    wt_add_args(out);
    if (wt_this.args)
        wt_buf_printf(out, ",\"seed\":%lu,\"threads\":%d", (unsigned long)wt_this.args->seed, wt_this.args->threads);
    wt_buf_printf(out, ",\"ranks\":%d,\"result\":\"%s\"", wt_cluster_size(), facts.verdict[0] ? facts.verdict : "running");
    if (facts.error[0]) {
        wt_buf_printf(out, ",\"error\":");
        wt_json_add_string(out, wt_str_of(facts.error));
    }
    wt_buf_printf(out, ",\"wall_s\":%.3f,\"cpu_s\":%.3f,\"peak_bytes\":%lu,\"counts\":{",
                  wt_now() - wt_this.start_s, wt_cpu_seconds(), (unsigned long)wt_memory_peak());
    write_kind(out, COUNT);
    wt_buf_printf(out, "},\"dropped\":{");
    write_kind(out, DROP);
    wt_buf_printf(out, "},\"numbers\":{");
    write_kind(out, NUMBER);
    wt_buf_printf(out, "},\"strings\":{");
    write_kind(out, STRING);
    wt_buf_printf(out, "},\"more\":{");
    write_kind(out, JSON);
    wt_buf_printf(out, "}}\n");
    pthread_mutex_unlock(&facts.lock);
}

void wt_add_args(wt_buf *json) {
    wt_buf_printf(json, "\"args\":[");
    for (int i = 1; i < wt_this.argc; i++) {
        if (i > 1) wt_buf_add_char(json, ',');
        wt_json_add_string(json, wt_str_of(wt_this.argv[i]));
    }
    wt_buf_add_char(json, ']');
}

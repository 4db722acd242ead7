/* tool.c - the life of a tool: parse, run, last words, exit code. And the parsers of values. */
#include "common/tool.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/cluster.h"
#include "common/fs.h"
#include "common/memory.h"
#include "common/out.h"
#include "common/tool_impl.h"

wt_this_run wt_this;

/* ---- values ---- */
static int scaled(const char *text, double unit, uint64_t *out, wt_err *err) {
    char *end;
    errno = 0;
    double x = strtod(text, &end);
    bool decimal = strspn(text, "0123456789.") > 0 && text[1] != 'x' && text[1] != 'X';
    if (end == text || !decimal || x < 0 || !isfinite(x)) return wt_fail(err, WT_EARG, "'%s' is not a number", text);
    static const char prefixes[] = "kMGT";
    const char *at = *end ? strchr(prefixes, *end == 'K' ? 'k' : *end) : NULL;
    double scale = 1;
    if (at) {
        scale = pow(unit, (double)(at - prefixes + 1));
        end++;
        if (unit == 1024 && end[0] == 'i') end++;
    }
    if (unit == 1024 && end[0] == 'B') end++;
    if (*end) return wt_fail(err, WT_EARG, "'%s' is not a number with k, M, G or T", text);
    if (x * scale >= 0x1p64) return wt_fail(err, WT_EARG, "'%s' is too large", text);
    if (unit == 1000 && fabs(x * scale - round(x * scale)) > 1e-3) return wt_fail(err, WT_EARG, "'%s' is not a whole number", text);
    /* Whole numbers above 2^53 must not go through a double. */
    char *whole_end;
    uint64_t whole = strtoull(text, &whole_end, 10);
    *out = scale == 1 && *whole_end == 0 ? whole : (uint64_t)(x * scale + 0.5);
    return 0;
}

int wt_parse_count(const char *text, uint64_t *out, wt_err *err) { return scaled(text, 1000, out, err); }

static int parse_int(const char *text, int64_t *out, wt_err *err) {
    bool negative = text[0] == '-';
    uint64_t n;
    if (wt_parse_count(text + negative, &n, err)) return -1;
    if (n > INT64_MAX) return wt_fail(err, WT_EARG, "'%s' is too large", text);
    *out = negative ? -(int64_t)n : (int64_t)n;
    return 0;
}

int wt_parse_bytes(const char *text, uint64_t *out, wt_err *err) { return scaled(text, 1024, out, err); }

int wt_parse_time(const char *text, int64_t *unix_s, wt_err *err) {
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    if (end && *end == 'T') end = strptime(end, "T%H:%M:%S", &tm);
    if (end && *end == 'Z') end++;
    if (!end || *end) return wt_fail(err, WT_EARG, "'%s' is not a date like 2017-12-31 or 2017-12-31T23:59:59Z", text);
    *unix_s = (int64_t)timegm(&tm);
    return 0;
}

static bool is_choice(const char *choices, const char *value) {
    wt_str rest = wt_str_of(choices);
    while (rest.len)
        if (wt_str_eq(wt_str_cut(&rest, '|'), wt_str_of(value))) return true;
    return false;
}

int wt_opt_set(const wt_opt *o, const char *value, wt_err *err) {
    char *end;
    int result = 0;
    switch (o->type) {
    case WT_OPT_FLAG:
        if (!is_choice("true|false|yes|no|1|0", value))
            return wt_fail(err, WT_EARG, "--%s: '%s' is not true or false", o->name, value);
        *(bool *)o->target = is_choice("true|yes|1", value);
        break;
    case WT_OPT_STRING: *(const char **)o->target = value; break;
    case WT_OPT_INT: result = parse_int(value, o->target, err); break;
    case WT_OPT_COUNT: result = wt_parse_count(value, o->target, err); break;
    case WT_OPT_BYTES: result = wt_parse_bytes(value, o->target, err); break;
    case WT_OPT_FLOAT:
        *(double *)o->target = strtod(value, &end);
        if (end == value || *end || !isfinite(*(double *)o->target))
            result = wt_fail(err, WT_EARG, "'%s' is not a number", value);
        break;
    case WT_OPT_CHOICE:
        if (!is_choice(o->arg, value)) result = wt_fail(err, WT_EARG, "'%s' is not one of %s", value, o->arg);
        else *(const char **)o->target = value;
        break;
    case WT_OPT_LIST: {
        wt_list *list = o->target;
        WT_GROW(list->item, list->cap, list->n + 1);
        list->item[list->n++] = value;
        break;
    }
    case WT_OPT_GROUP: break;
    }
    return result ? wt_context(err, "--%s", o->name) : 0;
}

/* ---- parsing the command line ---- */
typedef struct {
    const wt_opt *own, *common;
} tables;

static const wt_opt *find_option(tables t, wt_str name, char letter) {
    for (int k = 0; k < 2; k++)
        for (const wt_opt *o = k ? t.common : t.own; o && (o->name || o->type == WT_OPT_GROUP); o++) {
            if (o->type == WT_OPT_GROUP) continue;
            if (letter ? o->letter == letter : wt_str_eq(wt_str_of(o->name), name)) return o;
        }
    return NULL;
}

static void usage_error(const wt_tool *tool, const wt_command *command, const wt_err *err) {
    fprintf(stderr, "%s: %s; see '%s%s%s --help'\n", tool->name, err->text, tool->name,
            command ? " " : "", command ? command->name : "");
    exit(2);
}

/* Reads one option at argv[*i]; moves *i over a value that stands apart. */
static int parse_option(tables t, int argc, char **argv, int *i, wt_err *err) {
    const char *word = argv[*i];
    const char *value = NULL;
    const wt_opt *o;
    bool negated = false;
    if (word[1] == '-') {
        wt_str rest = wt_str_of(word + 2), name = wt_str_cut(&rest, '=');
        if (strchr(word, '=')) value = rest.ptr;
        o = find_option(t, name, 0);
        if (!o && wt_str_starts(name, WT_STR("no-"))) {
            o = find_option(t, (wt_str){name.ptr + 3, name.len - 3}, 0);
            negated = o && o->type == WT_OPT_FLAG;
            if (!negated) o = NULL;
        }
        if (!o) return wt_fail(err, WT_EARG, "unknown option '--%.*s'", WT_FMT(name));
    } else {
        o = find_option(t, (wt_str){0}, word[1]);
        if (!o) return wt_fail(err, WT_EARG, "unknown option '-%c'", word[1]);
        if (word[2]) value = word + 2;
        if (o->type == WT_OPT_FLAG && word[2]) {        /* -qv */
            if (wt_opt_set(o, "true", err)) return -1;
            static char next[3] = "-";
            for (const char *p = word + 2; *p; p++) {
                next[1] = *p;
                const wt_opt *f = find_option(t, (wt_str){0}, *p);
                if (!f || f->type != WT_OPT_FLAG) return wt_fail(err, WT_EARG, "unknown option '%s'", next);
                if (wt_opt_set(f, "true", err)) return -1;
            }
            return 0;
        }
    }
    if (o->type == WT_OPT_FLAG && !value) return wt_opt_set(o, negated ? "false" : "true", err);
    if (!value) {
        if (*i + 1 >= argc) return wt_fail(err, WT_EARG, "option '%s' needs a value", word);
        value = argv[++*i];
    }
    return wt_opt_set(o, value, err);
}

static const wt_command *find_command(const wt_tool *tool, const char *name) {
    for (const wt_command *c = tool->commands; c && c->name; c++)
        if (strcmp(c->name, name) == 0) return c;
    return NULL;
}

static bool has_flag(int argc, char **argv, const char *flag) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], flag) == 0) return true;
    return false;
}

static void answer_and_exit(const wt_tool *tool, const wt_command *command, const wt_opt *common,
                            int argc, char **argv) {
    if (has_flag(argc, argv, "--help") || has_flag(argc, argv, "-h")) {
        wt_print_help(stdout, tool, command, common);
    } else if (has_flag(argc, argv, "--version")) {
        printf("%s (webtext) %s\n", tool->name, WT_VERSION);
    } else if (argc == 2 && strcmp(argv[1], "--man") == 0) {
        wt_print_man(stdout, tool, common);
    } else if (argc == 2 && strcmp(argv[1], "--completion") == 0) {
        wt_print_completion(stdout, tool, common);
    } else if (argc == 2 && strcmp(argv[1], "--completion=zsh") == 0) {
        wt_print_completion_zsh(stdout, tool, common);
    } else if (argc == 2 && strcmp(argv[1], "--completion=fish") == 0) {
        wt_print_completion_fish(stdout, tool, common);
    } else {
        return;
    }
    exit(fflush(stdout) ? 1 : 0);
}

void wt_tool_start(const wt_tool *tool, int argc, char **argv, wt_args *args) {
    wt_cluster_init(&argc, &argv);
    *args = (wt_args){0};
    static int64_t threads;
    static wt_opt common[12];
    wt_common_options(args, common);
    common[1].target = &threads;                        /* -j: resolved below */
    wt_this = (wt_this_run){.tool = tool, .args = args, .argv = argv, .argc = argc, .start_s = wt_now()};
    wt_stop_install();

    int first = 1;
    const wt_command *command = NULL;
    if (tool->commands && argc > 1 && argv[1][0] != '-') {
        command = find_command(tool, argv[1]);
        if (command) args->command = command->name, first = 2;
    }
    wt_this.command = command;
    answer_and_exit(tool, command, common, argc, argv);
    wt_err err = {0};
    if (tool->commands && !command && !tool->options) {
        wt_fail(&err, WT_EARG, argc > 1 ? "no command '%s'" : "a command is needed", argc > 1 ? argv[1] : "");
        usage_error(tool, NULL, &err);
    }
    tables t = {command ? command->options : tool->options, common};
    static char **volatile inputs;           /* lives as long as the process: leak checkers see it here */
    args->inputs = inputs = wt_xcalloc((size_t)argc + 1, sizeof *args->inputs);
    bool only_inputs = false;
    for (int i = first; i < argc; i++) {
        if (only_inputs || argv[i][0] != '-' || argv[i][1] == 0) {
            args->inputs[args->n_inputs++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_inputs = true;
        } else if (parse_option(t, argc, argv, &i, &err)) {
            usage_error(tool, command, &err);
        }
    }
    if (threads < 0 || threads > 4096) {
        wt_fail(&err, WT_EARG, "--threads: %ld is not in 1..4096", (long)threads);
        usage_error(tool, command, &err);
    }
    if (wt_cluster_rank() == 0 && wt_report_check(args, &err)) {
        fprintf(stderr, "%s: --report: %s\n", tool->name, err.text);
        if (wt_cluster_size() > 1) wt_cluster_abort(1);
        exit(1);
    }
    err = (wt_err){0};
    args->threads = threads ? (int)threads : wt_cpu_count();
    if (args->n_inputs == 0 && !tool->inputs_optional) {
        wt_fail(&err, WT_EARG, "an input is needed ('-' is standard input)");
        usage_error(tool, command, &err);
    }
    if (args->output && strcmp(args->output, "-") == 0) args->output = NULL;
}

int wt_tool_end(const wt_tool *tool, int result, const wt_err *err) {
    wt_progress_end();
    int code = 0;
    const char *verdict = "done";
    if (result) {
        code = err->code == WT_EARG ? 2 : err->code == WT_ESTOP ? 3 : 1;
        verdict = code == 3 ? "stopped" : "failed";
        fprintf(stderr, "%s: %s\n", tool->name, err->code ? err->text : "failed without a reason");
    }
    if (fflush(stdout) && code == 0) {
        fprintf(stderr, "%s: cannot write standard output: %s\n", tool->name, strerror(errno));
        code = 1;
    }
    wt_report_result(verdict, result ? err : NULL);
    if (wt_cluster_rank() == 0 && wt_this.args) {
        if (!wt_this.args->quiet && (code == 0 || code == 3)) wt_report_print(stderr, verdict);
        if (wt_this.args->report) {
            wt_buf json = {0};
            wt_err report_err = {0};
            wt_report_write(&json);
            if (wt_out_whole(wt_this.args->report, wt_buf_view(&json), &report_err)) {
                fprintf(stderr, "%s: %s\n", tool->name, report_err.text);
                if (code == 0) code = 1;
            }
            wt_buf_free(&json);
        }
    }
    if (code == 1 && wt_cluster_size() > 1) wt_cluster_abort(1);
    wt_cluster_end();
    return code;
}

/* webtext.c - the whole line from one configuration file, and a front door to the single tools.
 *
 * `webtext NAME ...` runs wt-NAME. `webtext build CONFIG` runs the stages that CONFIG names, in the
 * order of the line, each as its own process with the output of the one before as its input. A stage
 * that is complete says so itself and costs nothing; an interrupted one goes on where it stopped.
 *
 * CONFIG has sections and settings: [links], then `min-score = 3` becomes `--min-score 3`; `key = true`
 * gives `--key`, false `--no-key`; a key may stand again and again; `input =` and `output =` replace the
 * defaults; ${NAME} is taken from the environment; '#' begins a comment. [build] has `dir =`. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/hash.h"
#include "common/json.h"
#include "common/tool.h"

enum { STAGE_MAX = 10, CONFIG_MAX = 1 << 20 };

typedef struct {
    const char *name;       /* section in the configuration */
    const char *tool;
    const char *command;    /* sub-command, or NULL */
    const char *input[9];   /* outputs of these stages (by section name) are the inputs */
    const char *output;     /* below the build folder */
    bool is_dir;
    bool resumes;           /* the tool keeps run.json itself; else this program remembers */
} stage;

static const stage line[STAGE_MAX] = {
    {"links", "wt-links", NULL, {NULL}, "links.jsonl.zst", false, true},
    {"crawl", "wt-crawl", NULL, {"links"}, "crawl", true, true},
    {"extract", "wt-extract", NULL, {"crawl"}, "docs", true, true},
    {"dedup", "wt-dedup", NULL, {"extract"}, "corpus", true, true},
    {"bpe", "wt-bpe", "train", {"dedup"}, "tokenizer", true, true},
    {"shard", "wt-shard", "write", {"dedup"}, "shards", true, true},
    {"train", "wt-train", NULL, {"shard"}, "run", true, true},
    {"sample", "wt-sample", NULL, {"train"}, "sample.txt", false, false},
    {"eval", "wt-eval", NULL, {"train"}, "eval.json", false, false},
    {"report", "wt-report", NULL,
     {"links", "crawl", "extract", "dedup", "bpe", "shard", "train"}, "report.html", false, false},
};

typedef struct {
    char *key, *value;
} setting;

typedef struct {
    bool named;             /* the section is in the file */
    setting *set;
    size_t n, cap;
} section;

typedef struct {
    char *dir;
    section of[STAGE_MAX];
} config;

static int find_stage(wt_str name) {
    for (int i = 0; i < STAGE_MAX; i++)
        if (wt_str_eq(name, wt_str_of(line[i].name))) return i;
    return -1;
}

/* ---- the configuration ---- */

/* Copies s with ${NAME} replaced from the environment. */
static char *expand(wt_str s, wt_err *err) {
    wt_buf out = {0};
    wt_buf_reserve(&out, s.len);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] != '$' || i + 1 >= s.len || s.ptr[i + 1] != '{') {
            wt_buf_add_char(&out, s.ptr[i]);
            continue;
        }
        wt_str rest = {s.ptr + i + 2, s.len - i - 2};
        wt_str name = wt_str_cut(&rest, '}');
        char *key = wt_xstrndup(name);
        const char *value = getenv(key);
        if (!value) wt_fail(err, WT_EARG, "${%s} is not set in the environment", key);
        free(key);
        if (!value) return wt_buf_free(&out), NULL;
        wt_buf_add_str(&out, wt_str_of(value));
        i += name.len + 2;
    }
    wt_buf_add(&out, "", 0);
    return out.ptr;
}

static int add_setting(config *c, int i_section, wt_str text, wt_err *err) {
    wt_str value = text, key = wt_str_trim(wt_str_cut(&value, '='));
    if (!memchr(text.ptr, '=', text.len)) value = WT_STR("true");
    char *expanded = expand(wt_str_trim(value), err);
    if (!expanded) return -1;
    if (i_section == STAGE_MAX) {                       /* [build] */
        if (!wt_str_eq(key, WT_STR("dir"))) {
            free(expanded);
            return wt_fail(err, WT_EARG, "[build] knows 'dir', not '%.*s'", WT_FMT(key));
        }
        free(c->dir);
        c->dir = expanded;
        return 0;
    }
    section *s = &c->of[i_section];
    WT_GROW(s->set, s->cap, s->n + 1);
    s->set[s->n++] = (setting){wt_xstrndup(key), expanded};
    return 0;
}

static int parse_line(config *c, wt_str text, int *i_section, wt_err *err) {
    text = wt_str_trim(text);
    if (text.len == 0 || text.ptr[0] == '#') return 0;
    if (text.ptr[0] != '[') {
        if (*i_section < 0) return wt_fail(err, WT_EARG, "a setting stands before the first [section]");
        return add_setting(c, *i_section, text, err);
    }
    if (text.ptr[text.len - 1] != ']') return wt_fail(err, WT_EARG, "a section is written [name]");
    wt_str name = wt_str_trim((wt_str){text.ptr + 1, text.len - 2});
    *i_section = wt_str_eq(name, WT_STR("build")) ? STAGE_MAX : find_stage(name);
    if (*i_section < 0)
        return wt_fail(err, WT_EARG, "no stage is called '%.*s'; there are build, links, crawl, extract, dedup, "
                       "bpe, shard, train, sample, eval, report", WT_FMT(name));
    if (*i_section < STAGE_MAX) c->of[*i_section].named = true;
    return 0;
}

static int config_read(config *c, const char *path, wt_err *err) {
    wt_buf text = {0};
    if (wt_read_file(path, CONFIG_MAX, &text, err)) return -1;
    int i_section = -1, number = 0, result = 0;
    for (wt_str rest = wt_buf_view(&text); rest.len && result == 0;) {
        number++;
        if (parse_line(c, wt_str_cut(&rest, '\n'), &i_section, err))
            result = wt_context(err, "'%s' line %d", path, number);
    }
    wt_buf_free(&text);
    bool any = false;
    for (int i = 0; i < STAGE_MAX; i++) any |= c->of[i].named;
    if (result == 0 && !any) return wt_fail(err, WT_EARG, "'%s' names no stage", path);
    if (!c->dir) c->dir = wt_xstrdup("webtext-build");
    return result;
}

static void config_free(config *c) {
    for (int i = 0; i < STAGE_MAX; i++) {
        for (size_t k = 0; k < c->of[i].n; k++) free(c->of[i].set[k].key), free(c->of[i].set[k].value);
        free(c->of[i].set);
    }
    free(c->dir);
}

static const char *setting_of(const section *s, const char *key) {
    for (size_t k = 0; k < s->n; k++)
        if (strcmp(s->set[k].key, key) == 0) return s->set[k].value;
    return NULL;
}

/* ---- one stage as a command line ---- */
typedef struct {
    char **word;
    size_t n, cap;
} words;

static void words_add(words *w, const char *text) {
    WT_GROW(w->word, w->cap, w->n + 2);
    w->word[w->n++] = wt_xstrdup(text);
    w->word[w->n] = NULL;
}

static void words_free(words *w) {
    for (size_t i = 0; i < w->n; i++) free(w->word[i]);
    free(w->word);
}

static char *output_of(const config *c, int i) {
    const char *given = setting_of(&c->of[i], "output");
    return given ? wt_xstrdup(given) : wt_path_join(c->dir, line[i].output);
}

/* The tool beside this program, else by PATH. */
static char *tool_path(const char *name) {
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = 0;
        *strrchr(self, '/') = 0;
        char *path = wt_path_join(self, name);
        if (access(path, X_OK) == 0) return path;
        free(path);
    }
    return wt_xstrdup(name);
}

static void add_options(words *w, const section *s) {
    for (size_t k = 0; k < s->n; k++) {
        const char *key = s->set[k].key, *value = s->set[k].value;
        if (strcmp(key, "input") == 0 || strcmp(key, "output") == 0) continue;
        wt_buf option = {0};
        bool off = strcmp(value, "false") == 0, on = strcmp(value, "true") == 0;
        wt_buf_printf(&option, "--%s%s", off ? "no-" : "", key);
        words_add(w, option.ptr);
        if (!on && !off) words_add(w, value);
        wt_buf_free(&option);
    }
}

/* Without --report, --force and -j, which do not decide the result. */
static void stage_command(const config *c, int i, words *w) {
    const stage *s = &line[i];
    char *tool = tool_path(s->tool), *out = output_of(c, i);
    words_add(w, tool);
    if (s->command) words_add(w, s->command);
    free(tool);
    const section *own = &c->of[i];
    bool given = false;
    for (size_t k = 0; k < own->n; k++)
        if (strcmp(own->set[k].key, "input") == 0) words_add(w, own->set[k].value), given = true;
    for (int k = 0; !given && s->input[k]; k++) {
        char *path = output_of(c, find_stage(wt_str_of(s->input[k])));
        /* The report shows what there is; every other stage must have its input. */
        if (strcmp(s->name, "report") != 0 || wt_exists(path)) words_add(w, path);
        free(path);
    }
    if (strcmp(s->name, "shard") == 0 && !setting_of(own, "tokenizer")) {
        char *tokenizer = output_of(c, find_stage(WT_STR("bpe")));
        words_add(w, "-t"), words_add(w, tokenizer);
        free(tokenizer);
    }
    words_add(w, "-o"), words_add(w, out);
    add_options(w, own);
    free(out);
}

static void print_command(const words *w) {
    wt_buf text = {0};
    for (size_t i = 0; i < w->n; i++) {
        const char *base = i == 0 && strrchr(w->word[0], '/') ? strrchr(w->word[0], '/') + 1 : w->word[i];
        bool quote = base[0] == 0 || strpbrk(base, " '\"$&|;<>()*?[]{}\\\n#") != NULL;
        wt_buf_printf(&text, "%s%s%s%s", i ? " " : "", quote ? "'" : "", base, quote ? "'" : "");
    }
    printf("%s\n", text.ptr);
    fflush(stdout);
    wt_buf_free(&text);
}

/* Runs a command to its end. Returns its exit code, or -1 with *err. */
static int run_words(const words *w, wt_err *err) {
    pid_t pid = fork();
    if (pid < 0) return wt_fail_errno(err, "cannot start '%s'", w->word[0]);
    if (pid == 0) {
        execvp(w->word[0], w->word);
        fprintf(stderr, "webtext: cannot run '%s': %s\n", w->word[0], strerror(errno));
        _exit(127);
    }
    int status;
    bool passed_on = false;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) return wt_fail_errno(err, "cannot wait for '%s'", w->word[0]);
        /* A SIGTERM reaches only this process; a second one from a terminal's ^C does no harm. */
        if (wt_stop_requested() && !passed_on) kill(pid, SIGTERM), passed_on = true;
    }
    if (WIFSIGNALED(status)) return wt_fail(err, WT_EIO, "'%s' was ended by signal %d", w->word[0], WTERMSIG(status));
    return WEXITSTATUS(status);
}

/* ---- remembering for the tools that do not ---- */

/* A hash of the command and of the run files and sizes of its inputs. */
static void stamp_of(const config *c, int i, const words *w, char out[40]) {
    wt_buf all = {0};
    for (size_t k = 0; k < w->n; k++) wt_buf_add(&all, w->word[k], strlen(w->word[k]) + 1);
    for (int k = 0; line[i].input[k]; k++) {
        char *path = output_of(c, find_stage(wt_str_of(line[i].input[k])));
        char *log = wt_path_join(path, "log.jsonl");
        char *run = wt_path_join(path, "run.json");
        wt_buf_printf(&all, "%s %ld %ld ", path, (long)wt_file_bytes(path), (long)wt_file_bytes(log));
        wt_read_file(run, 64 << 20, &all, NULL);
        free(run), free(log), free(path);
    }
    snprintf(out, 40, "%016lx", (unsigned long)wt_hash64(all.ptr, all.len, 0));
    wt_buf_free(&all);
}

static char *hidden(const config *c, const char *name, const char *ending) {
    wt_buf b = {0};
    wt_buf_printf(&b, "%s/.build/%s%s", c->dir, name, ending);
    return b.ptr;
}

/* Keeps the report of the run that did the work: one that found nothing to do has no counts. */
static void keep_report(const config *c, int i, const char *fresh) {
    wt_buf json = {0};
    wt_json all;
    if (wt_read_file(fresh, 64 << 20, &json, NULL) == 0 && wt_json_parse(wt_buf_view(&json), &all, NULL) == 0 &&
        !wt_str_eq(wt_json_get(all, "counts").raw, WT_STR("{}"))) {
        char *out = output_of(c, i);
        wt_buf path = {0};
        wt_buf_printf(&path, line[i].is_dir ? "%s/report.json" : "%s.report.json", out);
        wt_write_file(path.ptr, wt_buf_view(&json), NULL);
        wt_buf_free(&path);
        free(out);
    }
    wt_buf_free(&json);
}

typedef struct {
    bool force, dry_run;
    const wt_args *args;
} manner;

static int run_stage(const config *c, int i, manner how, wt_err *err) {
    words w = {0};
    char stamp[40];
    stage_command(c, i, &w);
    if (how.dry_run) {
        print_command(&w);
        words_free(&w);
        return 0;
    }
    stamp_of(c, i, &w, stamp);
    char *stamp_file = hidden(c, line[i].name, ".done"), *report = hidden(c, line[i].name, ".report.json");
    char *out = output_of(c, i);
    wt_buf old = {0};
    bool same = !line[i].resumes && !how.force && wt_exists(out) && wt_read_file(stamp_file, 64, &old, NULL) == 0 &&
                wt_str_eq(wt_buf_view(&old), wt_str_of(stamp));
    int code = 0;
    if (same) {
        wt_info("'%s' is complete already; nothing to do", out);
    } else {
        if (!how.args->quiet) print_command(&w);
        if (how.force || !line[i].resumes) words_add(&w, "--force");
        if (how.args->quiet) words_add(&w, "--quiet");
        words_add(&w, "--report"), words_add(&w, report);
        unlink(report);
        code = run_words(&w, err);
        if (code == 0) keep_report(c, i, report);
        if (code == 0 && !line[i].resumes) wt_write_file(stamp_file, wt_str_of(stamp), NULL);
    }
    wt_buf_free(&old);
    free(out), free(stamp_file), free(report);
    words_free(&w);
    if (code == 0) return 0;
    if (code == 3) return wt_stop_error(err);
    if (code > 0) wt_fail(err, code == 2 ? WT_EARG : WT_EIO, "stage '%s' failed with exit code %d; mend the cause and give "
            "the same command again%s", line[i].name, code, how.force ? "" : ", or --from STAGE to make a stage and all behind it anew");
    return wt_context(err, "build");
}

static const char *from_stage, *until_stage;
static bool dry_run;

static int stage_named(const char *name, int otherwise, wt_err *err) {
    if (!name) return otherwise;
    int i = find_stage(wt_str_of(name));
    return i >= 0 ? i : wt_fail(err, WT_EARG, "no stage is called '%s'", name);
}

static int build(const wt_args *args, wt_err *err) {
    if (args->n_inputs != 1) return wt_fail(err, WT_EARG, "one configuration file is needed");
    int from = stage_named(from_stage, STAGE_MAX, err), until = stage_named(until_stage, STAGE_MAX - 1, err);
    if (from < 0 || until < 0) return -1;
    config c = {0};
    int result = config_read(&c, args->inputs[0], err);
    char *own = NULL;
    if (result == 0 && !dry_run) {
        own = hidden(&c, "", "");
        result = wt_mkdirs(own, err);
    }
    for (int i = 0; i <= until && result == 0; i++) {
        if (!c.of[i].named) continue;
        if (wt_stop_requested()) {
            result = wt_stop_error(err);
            break;
        }
        double start = wt_now();
        result = run_stage(&c, i, (manner){args->force || i >= from, dry_run, args}, err);
        wt_buf name = {0};
        wt_buf_printf(&name, "%s, seconds", line[i].name);
        if (!dry_run) wt_report_number(name.ptr, wt_now() - start);
        wt_buf_free(&name);
    }
    free(own);
    config_free(&c);
    return result;
}

static const wt_opt build_options[] = {
    {"from", 0, WT_OPT_STRING, &from_stage, "STAGE", "make this stage and all behind it anew", ""},
    {"until", 0, WT_OPT_STRING, &until_stage, "STAGE", "stop behind this stage", ""},
    {"dry-run", 0, WT_OPT_FLAG, &dry_run, NULL, "print the commands and run nothing", NULL},
    {0}};

static const wt_command commands[] = {
    {.name = "build", .usage = "CONFIG [options]", .summary = "run the stages that CONFIG names, and go on where they stopped",
     .description = "CONFIG has a section for each stage: [links] [crawl] [extract] [dedup] [bpe] [shard] [train] [sample] "
                    "[eval] [report]. Its settings are the options of the tool: 'min-score = 3' is '--min-score 3'. 'input =' "
                    "names the input where it is not the output of the stage before. [build] has 'dir =', where all goes. "
                    "${NAME} is taken from the environment.",
     .options = build_options, .example = "webtext build webtext.conf\nwebtext build webtext.conf --from dedup"},
    {0}};

static const wt_tool tool = {
    .name = "webtext", .usage = "build CONFIG | NAME [options]", .commands = commands,
    .summary = "from Reddit dumps to a trained GPT-2",
    .description = "NAME is one of links, crawl, extract, dedup, bpe, shard, train, sample, eval, report: 'webtext links ...' "
                   "is 'wt-links ...'.",
    .example = "webtext build webtext.conf\nwebtext links RS_2017-01.zst -o links.jsonl.zst"};

int main(int argc, char **argv) {
    if (argc > 1 && find_stage(wt_str_of(argv[1])) >= 0) {
        char *path = tool_path(line[find_stage(wt_str_of(argv[1]))].tool);
        argv[1] = path;
        execvp(path, argv + 1);
        fprintf(stderr, "webtext: cannot run '%s': %s\n", path, strerror(errno));
        return 1;
    }
    wt_err err = {0};
    wt_args args;
    wt_tool_start(&tool, argc, argv, &args);
    return wt_tool_end(&tool, build(&args, &err), &err);
}

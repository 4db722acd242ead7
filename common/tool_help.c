/* tool_help.c - help text, man page (roff) and bash completion from the same option tables, so that
 * none of them can disagree with what is parsed. */
#include <ctype.h>
#include <sys/ioctl.h>

#include "common/tool_impl.h"

void wt_common_options(wt_args *a, wt_opt out[12]) {
    wt_opt table[12] = {
        {"output", 'o', WT_OPT_STRING, &a->output, "PATH", "where the result goes", "standard output"},
        {"threads", 'j', WT_OPT_INT, NULL, "N", "threads", "all cores"},
        {"seed", 0, WT_OPT_COUNT, &a->seed, "N", "seed of all that is random", "0"},
        {"limit", 0, WT_OPT_COUNT, &a->limit, "N", "stop after N items of input", "none"},
        {"force", 0, WT_OPT_FLAG, &a->force, NULL, "replace an output of another run", NULL},
        {"report", 0, WT_OPT_STRING, &a->report, "FILE", "write the run's facts as JSON", ""},
        {"quiet", 'q', WT_OPT_FLAG, &a->quiet, NULL, "only errors", NULL},
        {"verbose", 'v', WT_OPT_FLAG, &a->verbose, NULL, "say which files are read and written", NULL},
        {0}};
    memcpy(out, table, sizeof table);
}

/* The default as text, "" where there is none to show. */
static void default_text(const wt_opt *o, char *out, size_t n) {
    out[0] = 0;
    if (o->shown) {
        snprintf(out, n, "%s", o->shown);
        return;
    }
    switch (o->type) {
    case WT_OPT_STRING:
    case WT_OPT_CHOICE:
        if (*(const char **)o->target) snprintf(out, n, "%s", *(const char **)o->target);
        break;
    case WT_OPT_INT: snprintf(out, n, "%ld", (long)*(int64_t *)o->target); break;
    case WT_OPT_COUNT: {
        uint64_t x = *(uint64_t *)o->target;
        if (x && x % 1000000 == 0) snprintf(out, n, "%luM", (unsigned long)(x / 1000000));
        else snprintf(out, n, "%lu", (unsigned long)x);
        break;
    }
    case WT_OPT_BYTES: {
        uint64_t x = *(uint64_t *)o->target;
        static const char *const unit[] = {"", "KiB", "MiB", "GiB"};
        int u = 0;
        while (u < 3 && x && x % 1024 == 0) x /= 1024, u++;
        snprintf(out, n, "%lu%s", (unsigned long)x, unit[u]);
        break;
    }
    case WT_OPT_FLOAT: snprintf(out, n, "%g", *(double *)o->target); break;
    case WT_OPT_FLAG:
        if (*(bool *)o->target) snprintf(out, n, "on; --no-%s turns it off", o->name);
        break;
    default: break;
    }
}

enum { HELP_COLUMN = 28, LONGEST_CHOICE = 60, LEAST_WIDTH = 60, WIDTH = 100 };

/* The columns of a terminal as far as lines stay readable; WIDTH where f is none. */
static int width_of(FILE *f) {
    struct winsize size;
    if (ioctl(fileno(f), TIOCGWINSZ, &size) || size.ws_col == 0 || size.ws_col > WIDTH) return WIDTH;
    return size.ws_col < LEAST_WIDTH ? LEAST_WIDTH : size.ws_col;
}

/* Prints words from column `indent`, broken before the width; '\n' begins a line. The cursor stands at `column`. */
static void print_wrapped(FILE *f, const char *text, int indent, int column) {
    int width = width_of(f);
    for (bool first = true; *text; first = false) {
        int word = (int)strcspn(text, " \n");
        if (column > indent && !first && column + 1 + word > width) fprintf(f, "\n%*s", indent, ""), column = indent;
        else if (!first && column > indent) fputc(' ', f), column++;
        fprintf(f, "%.*s", word, text);
        column += word, text += word;
        if (*text == '\n') fprintf(f, "\n%*s", indent, ""), column = indent;
        text += *text != 0;
    }
    fputc('\n', f);
}

/* An option's words, what it may be where that does not fit beside its name, and its default. */
static void option_text(wt_buf *text, const wt_opt *o, bool with_choices) {
    char value[128];
    default_text(o, value, sizeof value);
    wt_buf_printf(text, "%s", o->help);
    if (with_choices) {
        size_t from = text->len;
        wt_buf_printf(text, ": %s", o->arg);
        for (size_t i = from; i < text->len; i++)
            if (text->ptr[i] == '|') text->ptr[i] = ' ';
    }
    if (value[0]) wt_buf_printf(text, " [%s]", value);
}

static void print_option(FILE *f, const wt_opt *o) {
    if (o->type == WT_OPT_GROUP) {
        fprintf(f, "\n%s:\n", o->help);
        return;
    }
    bool long_choice = o->type == WT_OPT_CHOICE && strlen(o->arg) > LONGEST_CHOICE;
    const char *arg = long_choice ? "NAME" : o->arg;
    int column = fprintf(f, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
                         o->letter ? "," : " ", o->name, arg ? " " : "", arg ? arg : "");
    if (column >= HELP_COLUMN) fprintf(f, "\n"), column = 0;
    fprintf(f, "%*s", HELP_COLUMN - column, "");
    wt_buf text = {0};
    option_text(&text, o, long_choice);
    print_wrapped(f, text.ptr, HELP_COLUMN, HELP_COLUMN);
    wt_buf_free(&text);
}

static void print_options(FILE *f, const wt_opt *own, const wt_opt *common) {
    if (own && own->name) fprintf(f, "\noptions:\n");
    for (const wt_opt *o = own; o && (o->name || o->type == WT_OPT_GROUP); o++) print_option(f, o);
    fprintf(f, "\nof every tool:\n");
    for (const wt_opt *o = common; o->name; o++) print_option(f, o);
    fprintf(f, "  -h, --help                this text\n      --version             version\n");
}

static void print_examples(FILE *f, const char *example) {
    if (!example) return;
    fprintf(f, "\nexample:\n");
    for (wt_str rest = wt_str_of(example); rest.len;) {
        wt_str line = wt_str_cut(&rest, '\n');
        fprintf(f, "  %.*s\n", WT_FMT(line));
    }
}

void wt_print_help(FILE *f, const wt_tool *tool, const wt_command *c, const wt_opt *common) {
    if (c) {
        fprintf(f, "usage: %s %s %s\n\n", tool->name, c->name, c->usage);
        print_wrapped(f, c->summary, 0, 0);
        if (c->description) fputc('\n', f), print_wrapped(f, c->description, 0, 0);
        print_options(f, c->options, common);
        print_examples(f, c->example);
        return;
    }
    fprintf(f, "usage: %s %s\n\n", tool->name, tool->usage);
    print_wrapped(f, tool->summary, 0, 0);
    if (tool->description) fputc('\n', f), print_wrapped(f, tool->description, 0, 0);
    if (tool->commands) {
        fprintf(f, "\ncommands:\n");
        for (c = tool->commands; c->name; c++) {
            int column = fprintf(f, "  %-12s ", c->name);
            print_wrapped(f, c->summary, 15, column);
        }
        fprintf(f, "'%s COMMAND --help' tells more of each.\n", tool->name);
    }
    if (tool->options || !tool->commands) print_options(f, tool->options, common);
    print_examples(f, tool->example);
}

/* ---- man page ---- */
static void roff_lines(FILE *f, const char *text, const char *line_end) {
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", f);
        if (*p == '-') fputs("\\-", f);
        else if (*p == '\\') fputs("\\e", f);
        else if (*p == '\n') fputs(line_end, f);
        else fputc(*p, f);
        line_start = *p == '\n';
    }
}
static void roff(FILE *f, const char *text) { roff_lines(f, text, "\n"); }

static void roff_description(FILE *f, const char *text) {
    if (text) roff_lines(f, text, "\n.PP\n"), fputc('\n', f);
}

static void roff_options(FILE *f, const wt_opt *table) {
    for (const wt_opt *o = table; o && (o->name || o->type == WT_OPT_GROUP); o++) {
        if (o->type == WT_OPT_GROUP) {
            fputs(".SS \"", f), roff(f, o->help), fputs("\"\n", f);
            continue;
        }
        char value[128];
        default_text(o, value, sizeof value);
        fputs(".TP\n\\fB", f);
        if (o->letter) fprintf(f, "\\-%c\\fR, \\fB", o->letter);
        fputs("\\-\\-", f), roff(f, o->name), fputs("\\fR", f);
        if (o->arg) fputs(" \\fI", f), roff(f, o->arg), fputs("\\fR", f);
        fputc('\n', f), roff(f, o->help);
        if (value[0]) fputs(" [", f), roff(f, value), fputc(']', f);
        fputc('\n', f);
    }
}

static void roff_example(FILE *f, const char *example) {
    if (example) fputs(".SH EXAMPLES\n.nf\n", f), roff(f, example), fputs("\n.fi\n", f);
}

void wt_print_man(FILE *f, const wt_tool *tool, const wt_opt *common) {
    char upper[64];
    size_t n = 0;
    for (; tool->name[n] && n < sizeof upper - 1; n++) upper[n] = (char)toupper((unsigned char)tool->name[n]);
    upper[n] = 0;
    fprintf(f, ".TH %s 1 \"\" \"webtext %s\"\n.SH NAME\n", upper, WT_VERSION);
    roff(f, tool->name), fputs(" \\- ", f), roff(f, tool->summary);
    fputs("\n.SH SYNOPSIS\n.B ", f), roff(f, tool->name), fputc(' ', f), roff(f, tool->usage), fputc('\n', f);
    if (tool->description) fputs(".SH DESCRIPTION\n", f);
    roff_description(f, tool->description);
    if (tool->options) fputs(".SH OPTIONS\n", f), roff_options(f, tool->options);
    for (const wt_command *c = tool->commands; c && c->name; c++) {
        fputs(".SH \"", f), roff(f, tool->name), fprintf(f, " %s\"\n", c->name);
        fputs(".B ", f), roff(f, tool->name), fprintf(f, " %s ", c->name), roff(f, c->usage);
        fputs("\n.PP\n", f), roff(f, c->summary), fputc('\n', f);
        if (c->description) fputs(".PP\n", f);
        roff_description(f, c->description);
        roff_options(f, c->options);
        if (c->example) fputs(".PP\n.nf\n", f), roff(f, c->example), fputs("\n.fi\n", f);
    }
    fputs(".SH \"OPTIONS OF EVERY TOOL\"\n", f), roff_options(f, common);
    fputs(".SH \"EXIT STATUS\"\n0 done, 1 failed, 2 wrong usage, 3 stopped early with the state saved: "
          "the same command goes on.\n", f);
    roff_example(f, tool->example);
}

/* ---- bash completion ---- */
static void completion_words(FILE *f, const wt_opt *table) {
    for (const wt_opt *o = table; o && (o->name || o->type == WT_OPT_GROUP); o++)
        if (o->type != WT_OPT_GROUP) fprintf(f, " --%s", o->name);
}

/* Behind an option with a value come its choices, or files. */
static void completion_values(FILE *f, const wt_opt *table) {
    for (const wt_opt *o = table; o && (o->name || o->type == WT_OPT_GROUP); o++) {
        if (o->type == WT_OPT_GROUP || o->type == WT_OPT_FLAG) continue;
        fprintf(f, "        --%s", o->name);
        if (o->letter) fprintf(f, " | -%c", o->letter);
        fputs(") words=", f);
        if (o->type == WT_OPT_CHOICE) {
            fputc('\'', f);
            for (const char *p = o->arg; *p; p++) fputc(*p == '|' ? ' ' : *p, f);
            fputs("' files=", f);
        }
        fputs(" ;;\n", f);
    }
}

static void completion_branch(FILE *f, const wt_tool *tool, const wt_command *c, const wt_opt *common) {
    fprintf(f, "    %s) words='", c ? c->name : "*");
    for (const wt_command *k = c ? NULL : tool->commands; k && k->name; k++) fprintf(f, " %s", k->name);
    completion_words(f, c ? c->options : tool->options), completion_words(f, common);
    fputs(" --help --version'\n        case $before in\n", f);
    completion_values(f, c ? c->options : tool->options), completion_values(f, common);
    fputs("        esac ;;\n", f);
}

void wt_print_completion(FILE *f, const wt_tool *tool, const wt_opt *common) {
    char name[64];
    snprintf(name, sizeof name, "_%s", tool->name);
    for (char *p = name; *p; p++)
        if (*p == '-') *p = '_';
    fprintf(f, "%s() {\n    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words= files=1\n"
               "    case ${COMP_WORDS[1]} in\n", name);
    for (const wt_command *c = tool->commands; c && c->name; c++) completion_branch(f, tool, c, common);
    completion_branch(f, tool, NULL, common);
    fprintf(f, "    esac\n"
               "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
               "    if [[ $files && $word != -* ]]; then\n"
               "        [[ $word ]] || COMPREPLY=()\n"          /* all options beside all files would hide the files */
               "        [[ $word || $COMP_CWORD -gt 1 ]] || COMPREPLY=($(compgen -W \"${words%%%%--*}\"))\n"
               "        local IFS=$'\\n'\n"
               "        COMPREPLY+=($(compgen -f -- \"$word\"))\n"
               "    fi\n}\n"
               "complete -o filenames -F %s %s\n", name, tool->name);
}

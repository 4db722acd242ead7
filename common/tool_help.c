/* tool_help.c - help text, man page (roff) and bash completion from the same option tables, so that
 * none of them can disagree with what is parsed. */
#include <ctype.h>

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
        {"verbose", 'v', WT_OPT_FLAG, &a->verbose, NULL, "say more", NULL},
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

enum { HELP_COLUMN = 28, WIDTH = 100 };

/* Prints words from column `indent`, broken before WIDTH; the cursor stands at `column`. */
static void print_wrapped(FILE *f, const char *text, int indent, int column) {
    while (*text) {
        int word = 0;
        while (text[word] && text[word] != ' ' && text[word] != '\n') word++;
        if (column > indent && column + word > WIDTH) fprintf(f, "\n%*s", indent, ""), column = indent;
        fprintf(f, "%.*s", word, text);
        column += word, text += word;
        if (*text == '\n') fprintf(f, "\n%*s", indent, ""), column = indent, text++;
        else if (*text == ' ') {
            if (column < WIDTH) fputc(' ', f);
            column++, text++;
        }
    }
    fputc('\n', f);
}

static void print_option(FILE *f, const wt_opt *o) {
    if (o->type == WT_OPT_GROUP) {
        fprintf(f, "\n%s:\n", o->help);
        return;
    }
    char left[128], value[128], text[768];
    snprintf(left, sizeof left, "  %c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
             o->letter ? "," : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    default_text(o, value, sizeof value);
    snprintf(text, sizeof text, "%s%s%s%s", o->help, value[0] ? " [" : "", value, value[0] ? "]" : "");
    int column = fprintf(f, "%s", left);
    if (column >= HELP_COLUMN) fprintf(f, "\n"), column = 0;
    fprintf(f, "%*s", HELP_COLUMN - column, "");
    print_wrapped(f, text, HELP_COLUMN, HELP_COLUMN);
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
static void roff(FILE *f, const char *text) {
    bool line_start = true;
    for (const char *p = text; *p; p++) {
        if (line_start && (*p == '.' || *p == '\'')) fputs("\\&", f);
        if (*p == '-') fputs("\\-", f);
        else if (*p == '\\') fputs("\\e", f);
        else fputc(*p, f);
        line_start = *p == '\n';
    }
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
    if (tool->description) fputs(".SH DESCRIPTION\n", f), roff(f, tool->description), fputc('\n', f);
    if (tool->options) fputs(".SH OPTIONS\n", f), roff_options(f, tool->options);
    for (const wt_command *c = tool->commands; c && c->name; c++) {
        fputs(".SH \"", f), roff(f, tool->name), fprintf(f, " %s\"\n", c->name);
        fputs(".B ", f), roff(f, tool->name), fprintf(f, " %s ", c->name), roff(f, c->usage);
        fputs("\n.PP\n", f), roff(f, c->summary), fputc('\n', f);
        if (c->description) fputs(".PP\n", f), roff(f, c->description), fputc('\n', f);
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
        if (o->name) fprintf(f, " --%s", o->name);
}

void wt_print_completion(FILE *f, const wt_tool *tool, const wt_opt *common) {
    char name[64];
    snprintf(name, sizeof name, "_%s", tool->name);
    for (char *p = name; *p; p++)
        if (*p == '-') *p = '_';
    fprintf(f, "%s() {\n    local word=${COMP_WORDS[COMP_CWORD]} words\n    case ${COMP_WORDS[1]} in\n", name);
    for (const wt_command *c = tool->commands; c && c->name; c++) {
        fprintf(f, "    %s) words=\"", c->name);
        completion_words(f, c->options), completion_words(f, common);
        fputs(" --help\" ;;\n", f);
    }
    fputs("    *) words=\"", f);
    for (const wt_command *c = tool->commands; c && c->name; c++) fprintf(f, " %s", c->name);
    completion_words(f, tool->options), completion_words(f, common);
    fprintf(f, " --help --version\" ;;\n    esac\n"
               "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
               "    [[ $word == -* ]] || COMPREPLY+=($(compgen -f -- \"$word\"))\n}\n"
               "complete -o filenames -F %s %s\n", name, tool->name);
}

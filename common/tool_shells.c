/* tool_shells.c - completion for zsh and fish, from the same option tables as help, man page and bash's (tool_help.c). Both
 * shells show what an option means beside it. */
#include "common/tool_impl.h"

/* Text within the single quotes of a shell script: `special` characters of what reads it next get a backslash. */
static void quoted(FILE *f, const char *text, const char *special, const char *quote) {
    for (const char *p = text; *p; p++) {
        if (*p == '\'') fputs(quote, f);
        else if (strchr(special, *p)) fprintf(f, "\\%c", *p);
        else fputc(*p == '\n' ? ' ' : *p, f);
    }
}

static void choices(FILE *f, const wt_opt *o) {
    for (const char *p = o->arg; *p; p++) fputc(*p == '|' ? ' ' : *p, f);
}

static const wt_opt standard[] = {
    {"help", 'h', WT_OPT_FLAG, NULL, NULL, "help"},
    {"version", 0, WT_OPT_FLAG, NULL, NULL, "version"},
    {0}};

/* ---- zsh: specifications for _arguments ---- */
static void zsh_option(FILE *f, const wt_opt *o, const char *name) {
    bool value = o->type != WT_OPT_FLAG, is_long = name[1] == '-';
    fprintf(f, "        '%s%s%s[", o->type == WT_OPT_LIST ? "*" : "", name, !value ? "" : is_long ? "=" : "+");
    quoted(f, o->help, "[]:\\", "'\\''");
    fputc(']', f);
    if (value) {
        fputc(':', f), quoted(f, o->type == WT_OPT_CHOICE || !o->arg ? "value" : o->arg, "[]:\\", "'\\''"), fputc(':', f);
        if (o->type == WT_OPT_CHOICE) fputc('(', f), choices(f, o), fputc(')', f);
        else fputs("_files", f);
    }
    fputs("'\n", f);
}

static void zsh_options(FILE *f, const wt_opt *table) {
    for (const wt_opt *o = table; o && (o->name || o->type == WT_OPT_GROUP); o++) {
        char name[80];
        if (o->type == WT_OPT_GROUP) continue;
        snprintf(name, sizeof name, "--%s", o->name);
        zsh_option(f, o, name);
        snprintf(name, sizeof name, "-%c", o->letter);
        if (o->letter) zsh_option(f, o, name);
    }
}

static void zsh_arguments(FILE *f, const wt_opt *own, const wt_opt *common) {
    fputs("    specs=(\n", f);
    zsh_options(f, own), zsh_options(f, common), zsh_options(f, standard);
    fputs("    )\n", f);
}

void wt_print_completion_zsh(FILE *f, const wt_tool *tool, const wt_opt *common) {
    fprintf(f, "#compdef %s\nlocal -a specs\ncase $((CURRENT > 2)):${words[2]} in\n", tool->name);
    for (const wt_command *c = tool->commands; c && c->name; c++) {
        fprintf(f, "1:%s)\n    shift words\n    (( CURRENT-- ))\n", c->name);
        zsh_arguments(f, c->options, common);
        fputs("    specs+=('*:file:_files') ;;\n", f);
    }
    fputs("*)\n", f);
    zsh_arguments(f, tool->options, common);
    if (tool->commands) {
        fputs("    specs+=('1:command:((", f);
        for (const wt_command *c = tool->commands; c->name; c++) {
            fprintf(f, "%s%s\\:\"", c == tool->commands ? "" : " ", c->name);
            quoted(f, c->summary, "\"\\:$`()", "'\\''");
            fputc('"', f);
        }
        fputs("))')\n", f);
    }
    fputs("    specs+=('*:file:_files') ;;\nesac\n_arguments -s -S : $specs\n", f);
}

/* ---- fish ---- */
static void fish_options(FILE *f, const char *tool, const char *when, const wt_opt *table) {
    for (const wt_opt *o = table; o && (o->name || o->type == WT_OPT_GROUP); o++) {
        if (o->type == WT_OPT_GROUP) continue;
        fprintf(f, "complete -c %s%s -l %s", tool, when, o->name);
        if (o->letter) fprintf(f, " -s %c", o->letter);
        if (o->type == WT_OPT_CHOICE) fputs(" -x -a '", f), choices(f, o), fputc('\'', f);
        else if (o->type != WT_OPT_FLAG) fputs(" -r", f);
        fputs(" -d '", f), quoted(f, o->help, "\\", "\\'"), fputs("'\n", f);
    }
}

void wt_print_completion_fish(FILE *f, const wt_tool *tool, const wt_opt *common) {
    wt_buf all = {0};
    for (const wt_command *c = tool->commands; c && c->name; c++) {
        char when[128];
        fprintf(f, "complete -c %s -n __fish_use_subcommand%s -a %s -d '", tool->name, tool->options ? "" : " -f", c->name);
        quoted(f, c->summary, "\\", "\\'"), fputs("'\n", f);
        snprintf(when, sizeof when, " -n '__fish_seen_subcommand_from %s'", c->name);
        fish_options(f, tool->name, when, c->options);
        wt_buf_printf(&all, " %s", c->name);
    }
    wt_buf none = {0};
    if (all.len) wt_buf_printf(&none, " -n 'not __fish_seen_subcommand_from%s'", all.ptr);
    fish_options(f, tool->name, none.len ? none.ptr : "", tool->options);
    fish_options(f, tool->name, "", common);
    fish_options(f, tool->name, "", standard);
    wt_buf_free(&all), wt_buf_free(&none);
}

/* tool_impl.h - what the parts of tool.h share among themselves: the state of this run. Not for
 * stages or tools. */
#ifndef WT_COMMON_TOOL_IMPL_H
#define WT_COMMON_TOOL_IMPL_H

#include "common/tool.h"

typedef struct {
    const wt_tool *tool;
    const wt_command *command;      /* NULL: a tool without sub-commands */
    const wt_args *args;
    char **argv;
    int argc;
    double start_s;
} wt_this_run;

extern wt_this_run wt_this;         /* written once, by wt_tool_start */

/* The options every tool has; their targets lie in *args. Ends with {0}. */
void wt_common_options(wt_args *args, wt_opt out[12]);
void wt_print_help(FILE *f, const wt_tool *tool, const wt_command *command, const wt_opt *common);
void wt_print_man(FILE *f, const wt_tool *tool, const wt_opt *common);
void wt_print_completion(FILE *f, const wt_tool *tool, const wt_opt *common);        /* of bash */
void wt_print_completion_zsh(FILE *f, const wt_tool *tool, const wt_opt *common);
void wt_print_completion_fish(FILE *f, const wt_tool *tool, const wt_opt *common);
void wt_stderr_lock(void);          /* clears the live line; words then go out whole */
void wt_stderr_unlock(void);
void wt_report_print(FILE *f, const char *verdict);
/* Fails where --report could not be written: before the work, not behind it. */
int wt_report_check(const wt_args *args, wt_err *err);
void wt_report_result(const char *verdict, const wt_err *err);
void wt_add_args(wt_buf *json);     /* "args":["..."] of this run */

#endif

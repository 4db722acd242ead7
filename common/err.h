/* err.h - errors as values. A function that can fail returns 0 or a pointer on success and -1 or
 * NULL on failure, and puts the reason into the wt_err that its caller gave. The message is made
 * where the facts are; callers add what they know with wt_context(); only a tool's main prints.
 * A wt_err may be NULL where the caller does not want to know. No memory is owned. */
#ifndef WT_COMMON_ERR_H
#define WT_COMMON_ERR_H

typedef enum {
    WT_OK = 0,
    WT_EARG,      /* an argument or option is out of range: exit code 2 */
    WT_ENOMEM,    /* memory the user asked for is not to be had */
    WT_EIO,       /* the operating system said no */
    WT_ENOTFOUND, /* a named thing does not exist */
    WT_EEXIST,    /* an output exists and is somebody else's */
    WT_EDATA,     /* foreign bytes are damaged or not what they claim to be */
    WT_ELIMIT,    /* foreign bytes exceed a stated limit */
    WT_ESTOP      /* the user asked to stop; the state is saved: exit code 3 */
} wt_code;

typedef struct {
    wt_code code;
    char text[1024];
} wt_err;

/* Sets *err and returns -1, so that `return wt_fail(err, ...)` reads well. */
int wt_fail(wt_err *err, wt_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As wt_fail, with ": " and the text of errno behind the message; the code follows errno. */
int wt_fail_errno(wt_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "CONTEXT: " before the message that is there. Returns -1. */
int wt_context(wt_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

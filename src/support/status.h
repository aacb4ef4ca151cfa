/* Status codes and the message that goes with a failure. The public part is in pare.h. */
#ifndef PARE_SUPPORT_STATUS_H
#define PARE_SUPPORT_STATUS_H

#include "../../include/pare.h"

/* Records the message of this thread and returns `status`. A message is one clear sentence that names the file,
 * the value, and what to do; no trailing newline. A failure's trace begins here. */
#define pare_fail(...) pare_fail_at(__FILE__, __LINE__, __VA_ARGS__)
pare_status pare_fail_at(const char *file, int line, pare_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a line to the trace (pare_trace), where one is kept. */
void pare_trace_add(const char *file, int line, const char *expression);

/* Returns from the calling function with the status of `expression` unless it is PARE_OK. */
#define PARE_TRY(expression)                                                                                           \
    do {                                                                                                               \
        pare_status pare_try_status = (expression);                                                                    \
        if (pare_try_status != PARE_OK) {                                                                              \
            pare_trace_add(__FILE__, __LINE__, #expression);                                                           \
            return pare_try_status;                                                                                    \
        }                                                                                                              \
    } while (0)

/* Jumps to `label` with `status` set unless it is PARE_OK: for functions that have something to release. */
#define PARE_TRY_GOTO(status, expression, label)                                                                       \
    do {                                                                                                               \
        (status) = (expression);                                                                                       \
        if ((status) != PARE_OK) {                                                                                     \
            pare_trace_add(__FILE__, __LINE__, #expression);                                                           \
            goto label;                                                                                                \
        }                                                                                                              \
    } while (0)

/* What makes a text or a name returns NULL without memory, and notes it with pare_lost, so that it cannot be
 * overlooked: pare_whole fails then, and whatever else fails meanwhile fails with its sentence; once one of them has
 * told, the note is gone. Whatever delivers or places a result asks first, and so does pare_interrupted. The same holds
 * of a member of a document (support/json_build.h). */
void pare_lost(void);
pare_status pare_whole(void);

/* PARE_INTERRUPTED once pare_interrupt() was called, else pare_whole(). Long loops ask at every step. */
pare_status pare_interrupted(void);

/* The folder where this thread's work keeps its progress, so that an interruption says so where it exists; it must live
 * until the next call. NULL: the work keeps none. */
void pare_interrupted_keeps(const char *folder);

/* Refuses an options struct that another version of the header has laid out. */
#define PARE_OPTIONS_CHECK(type, options) pare_options_check(#type, (options)->size, sizeof(type))
pare_status pare_options_check(const char *type, size_t size, size_t expected);

/* Whether a number where zero means something was given: neither negative nor zero in a struct that was zeroed, size
 * included (pare.h). NaN was given. */
bool pare_option_given(size_t size, double value);

#endif

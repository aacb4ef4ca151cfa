#include "support/status.h"
#include "support/controls.h"
#include "support/json_build.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Thread_local char message[1024];
static volatile sig_atomic_t interrupt_requested;
static _Thread_local bool lost;
static _Thread_local const char *kept;

/* The chain of calls that handed up this thread's last failure; what does not fit is left out. */
static _Thread_local struct {
    size_t bytes;
    char text[4096];
} trace;

static bool tracing(void) {
    static atomic_int known; /* 1: no, 2: yes */
    int answer = atomic_load(&known);
    if (answer) return answer == 2;
    const char *asked = getenv("PARE_TRACE");
#ifdef NDEBUG
    bool wanted = asked && strcmp(asked, "1") == 0;
#else
    bool wanted = !asked || strcmp(asked, "0") != 0;
#endif
    atomic_store(&known, wanted ? 2 : 1);
    return wanted;
}

void pare_trace_add(const char *file, int line, const char *expression) {
    if (!tracing()) return;
    const char *inside = strstr(file, "src/");
    for (const char *more = inside; more; more = strstr(more + 1, "src/"))
        inside = more; /* whatever folder the compiler ran in */
    size_t room = sizeof trace.text - trace.bytes;
    int length = snprintf(trace.text + trace.bytes, room, "%s:%d: %s\n", inside ? inside : file, line, expression);
    if (length >= 0 && (size_t)length < room)
        trace.bytes += (size_t)length;
    else
        trace.text[trace.bytes] = 0;
}

const char *pare_trace(void) {
    return trace.text;
}

pare_status pare_fail_at(const char *file, int line, pare_status status, const char *format, ...) {
    va_list arguments;
    if ((lost || pare_json_missing()) && status != PARE_OUT_OF_MEMORY) return pare_whole();
    trace.bytes = 0;
    trace.text[0] = 0;
    pare_trace_add(file, line, "failed");
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    pare_controls_hide(message, "");
    if (status == PARE_OUT_OF_MEMORY) {
        lost = false;
        pare_json_missing_forget();
    }
    return status;
}

void pare_lost(void) {
    lost = true;
}

pare_status pare_whole(void) {
    const char *member = pare_json_missing();
    if (member)
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the member %s of a report; end other programs",
                         member);
    if (!lost) return PARE_OK;
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a name or a sentence; end other programs");
}

const char *pare_message(void) {
    return message;
}

const char *pare_version(void) {
    return PARE_VERSION;
}

void pare_interrupt(void) {
    interrupt_requested = 1;
}

void pare_interrupt_clear(void) {
    interrupt_requested = 0;
}

void pare_interrupted_keeps(const char *folder) {
    kept = folder;
}

pare_status pare_interrupted(void) {
    if (!interrupt_requested) return pare_whole();
    if (kept && access(kept, F_OK) == 0)
        return pare_fail(PARE_INTERRUPTED,
                         "interrupted: the progress is kept in %s: run the same command again to go on, or delete that "
                         "folder",
                         kept);
    return pare_fail(PARE_INTERRUPTED, "interrupted: the work was stopped and nothing was left behind");
}

pare_status pare_options_check(const char *type, size_t size, size_t expected) {
    if (!size || size == expected) return PARE_OK;
    return pare_fail(
        PARE_BAD_ARGUMENT,
        "%s of %zu bytes, where libpare %s has %zu: begin with its _INIT, and build with the pare.h of the "
        "library",
        type, size, PARE_VERSION, expected);
}

bool pare_option_given(size_t size, double value) {
    return !(value < 0.0) && (size || value != 0.0);
}

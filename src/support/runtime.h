/* What a pare_runtime (pare.h) means where it leaves something open. */
#ifndef PARE_SUPPORT_RUNTIME_H
#define PARE_SUPPORT_RUNTIME_H

#include "support/status.h"

/* Refuses one that another version of the header has laid out. runtime may be NULL, here and below. */
pare_status pare_runtime_check(const pare_runtime *runtime);

/* Bytes of anonymous memory that the call may hold: the runtime's limit, or 80 % of what is available now; 0 where that
 * is unknown. */
uint64_t pare_runtime_limit(const pare_runtime *runtime);

/* What bytes that are taken leave of such a limit: 1 where that is nothing, as 0 is no limit, and stays it. */
uint64_t pare_limit_beside(uint64_t limit, uint64_t taken);
/* True if state of so many bytes is kept in a scratch file: in memory it would take more than half of the limit. */
static inline bool pare_limit_wants_file(uint64_t limit, uint64_t bytes) {
    return limit && bytes > limit / 2;
}

/* Where that limit comes from. */
pare_limit_origin pare_runtime_limit_origin(const pare_runtime *runtime);

/* The folder for state that does not fit: the runtime's, $TMPDIR or /tmp. */
const char *pare_runtime_scratch(const pare_runtime *runtime);

/* A note that `what` was left out for the reason of the last failure, which takes no memory. */
void pare_runtime_left_out(const pare_runtime *runtime, const char *what);

/* Hands a note over, if there is one and the runtime takes any. sentence may be NULL. */
void pare_runtime_note(const pare_runtime *runtime, const char *sentence);

#endif

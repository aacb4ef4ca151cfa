/* Progress reports from long loops to whoever runs the library (see pare_runtime in pare.h). */
#ifndef PARE_SUPPORT_PROGRESS_H
#define PARE_SUPPORT_PROGRESS_H

#include "support/status.h"

/* Tells the caller's callback that `done` of `total` units of `stage` are finished; also answers an interrupt:
 * returns PARE_INTERRUPTED if one was asked for. */
pare_status pare_progress_report(const pare_runtime *runtime, const char *stage, uint64_t done, uint64_t total);

/* Seconds of a monotonic clock. */
double pare_clock(void);
/* Seconds of processor time of the calling thread: those that work beside it do not count, nor does what others run. */
double pare_clock_of_thread(void);

#endif

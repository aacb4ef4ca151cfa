#include "support/progress.h"

#include "support/usage.h"

#include <time.h>

pare_status pare_progress_report(const pare_runtime *runtime, const char *stage, uint64_t done, uint64_t total) {
    pare_resident_look();
    if (runtime && runtime->progress) runtime->progress(runtime->progress_user, stage, done, total);
    return pare_interrupted();
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double pare_clock(void) {
    return seconds_of(CLOCK_MONOTONIC);
}

double pare_clock_of_thread(void) {
    return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

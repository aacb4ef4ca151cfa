#include "support/progress.h"

#include "support/usage.h"

#include <time.h>

pare_status pare_progress_report(const pare_runtime *runtime, const char *stage, uint64_t done, uint64_t total) {
    pare_resident_look();
    if (runtime && runtime->progress) runtime->progress(runtime->progress_user, stage, done, total);
    return pare_interrupted();
}

double pare_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

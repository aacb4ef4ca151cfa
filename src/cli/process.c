#include "process.h"

#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

void pare_process_prepare(char **arguments) {
    static const char short_spin[] = "1000"; /* tens of microseconds */
    enum { LARGE = 1 << 30 };
    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") && setenv("GOMP_SPINCOUNT", short_spin, 1) == 0)
        execv("/proc/self/exe", arguments);
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, LARGE);
}

#include "process.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* Whether the OpenMP runtime has bound this thread to one CPU, which a new start would take for all there are. */
static bool is_bound(void) {
    return getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY");
}

void pare_process_prepare(char **arguments) {
    static const char short_spin[] = "1000"; /* rounds of waiting for another thread before a core is given up */
    enum { LARGE = 1 << 30 };
    if (!is_bound() && !getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY") &&
        setenv("GOMP_SPINCOUNT", short_spin, 1) == 0)
        execv("/proc/self/exe", arguments);
    mallopt(M_MMAP_THRESHOLD, LARGE);
    mallopt(M_TRIM_THRESHOLD, LARGE);
}

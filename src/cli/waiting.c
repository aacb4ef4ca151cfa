#include "waiting.h"

#include <stdlib.h>
#include <unistd.h>

void pare_waiting_set(char **arguments) {
    static const char short_spin[] = "10000"; /* some microseconds */
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;
    if (setenv("GOMP_SPINCOUNT", short_spin, 1) == 0) execv("/proc/self/exe", arguments);
}

#include "support/usage.h"
#include "support/kernel_file.h"

#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static struct { _Atomic uint64_t anonymous, mapped; } peaks[PARE_RESIDENT_SPANS];

pare_usage pare_usage_now(void) {
    pare_usage usage = {0};
    struct timespec time;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) == 0)
        usage.processor_seconds = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
    if (!pare_kernel_field("", "proc/self/io", "read_bytes:", &usage.read)) usage.read = 0;
    if (!pare_kernel_field("", "proc/self/io", "write_bytes:", &usage.written)) usage.written = 0;
    return usage;
}

/* /proc/self/statm: size, resident and shared (of files) in pages. */
pare_resident pare_resident_now(void) {
    uint64_t pages[3] = {0}, page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (pare_kernel_numbers("/proc/self", "statm", pages, 3) < 3 || pages[1] < pages[2]) return (pare_resident){0};
    return (pare_resident){.anonymous = (pages[1] - pages[2]) * page, .mapped = pages[2] * page};
}

static void lift(_Atomic uint64_t *peak, uint64_t now) {
    uint64_t before = atomic_load(peak);
    while (now > before && !atomic_compare_exchange_weak(peak, &before, now)) {
    }
}

void pare_resident_look(void) {
    pare_resident now = pare_resident_now();
    for (int span = 0; span < PARE_RESIDENT_SPANS; span++) {
        lift(&peaks[span].anonymous, now.anonymous);
        lift(&peaks[span].mapped, now.mapped);
    }
}

pare_resident pare_resident_peak(pare_resident_span span) {
    return (pare_resident){.anonymous = atomic_load(&peaks[span].anonymous),
                           .mapped = atomic_load(&peaks[span].mapped)};
}

void pare_resident_reset(pare_resident_span span) {
    atomic_store(&peaks[span].anonymous, 0);
    atomic_store(&peaks[span].mapped, 0);
    pare_resident_look();
}

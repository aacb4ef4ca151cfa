/* What this process has taken of the machine, as the kernel counts it. */
#ifndef PARE_SUPPORT_USAGE_H
#define PARE_SUPPORT_USAGE_H

#include <stdint.h>

/* Since the process began, of all threads; 0 where the kernel does not say. */
typedef struct pare_usage {
    double processor_seconds;
    uint64_t read, written; /* bytes from and to storage: not what the system had in memory */
} pare_usage;

pare_usage pare_usage_now(void);

/* Bytes resident in memory: the process's own, and of files that are mapped. */
typedef struct pare_resident {
    uint64_t anonymous, mapped;
} pare_resident;

pare_resident pare_resident_now(void);

/* Whose peak. */
typedef enum pare_resident_span { PARE_RESIDENT_STAGE, PARE_RESIDENT_RUN, PARE_RESIDENT_SPANS } pare_resident_span;

/* The most of each at any pare_resident_look since pare_resident_reset. pare_free looks before it gives back a large
 * block, and progress reports do, so that what is held for long is seen. */
void pare_resident_look(void);
pare_resident pare_resident_peak(pare_resident_span span);
void pare_resident_reset(pare_resident_span span);

#endif

/* Every fault at every point of a command: a call of the kernel, or an allocation. */
#ifndef PARE_TESTS_FAULT_SWEEP_H
#define PARE_TESTS_FAULT_SWEEP_H

#include "fault_trial.h"

#include <stdio.h>

typedef struct fault_tally {
    long calls;  /* that the command makes, or places it allocates from */
    long points; /* faults that were tried */
    long verdicts[FAULT_VERDICTS];
} fault_tally;

typedef struct fault_wish {
    long most;               /* points of a command at most, evenly; 0: all */
    const char *kind, *path; /* only calls of this kind on paths that hold this; NULL: all */
    FILE *wrong;             /* gets a paragraph for each FAULT_WRONG */
} fault_wish;

/* False: the command does not run by itself. Adds to the tally. */
bool fault_sweep_calls(const fault_scene *scene, const fault_command *command, bool old, fault_wish wish,
                       fault_tally *tally);
bool fault_sweep_memory(const fault_scene *scene, const fault_command *command, bool old, fault_wish wish,
                        fault_tally *tally);

#endif

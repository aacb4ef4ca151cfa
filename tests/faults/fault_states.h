/* What may be where a command writes, at any moment: what was there, what is to be there, or nothing where nothing was.
 */
#ifndef PARE_TESTS_FAULT_STATES_H
#define PARE_TESTS_FAULT_STATES_H

#include "fault_trial.h"

enum { FAULT_TARGETS = 8 };

typedef struct fault_states {
    char *old[FAULT_TARGETS], *new[FAULT_TARGETS]; /* of each target, as fault_tree has it */
    char *rows[FAULT_TARGETS];                     /* the text of one that grows, its numbers left out; else NULL */
} fault_states;

typedef struct fault_counts {
    long runs, stopped; /* runs; those that did not come to their end */
    long old, new, absent, leftovers, wrong;
} fault_counts;

/* Of an open trial, whose scene is left as it is when all is well. */
void fault_states_learn(fault_states *states, const fault_trial *trial);
void fault_states_free(fault_states *states);

/* Looks at every target in the run folder and counts. NULL if all are well; else what is wrong, to be freed. */
char *fault_states_check(const fault_states *states, const fault_trial *trial, fault_counts *counts);

/* Runs the command once more as it is: it must do what it does, and leave nothing else behind. NULL or what is wrong.
 */
char *fault_states_again(const fault_trial *trial);

#endif

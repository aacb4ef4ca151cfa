/* One command, with or without older targets, that is run many times: what it leaves when nothing fails, and a
 * judgement of what it leaves when something does. */
#ifndef PARE_TESTS_FAULT_TRIAL_H
#define PARE_TESTS_FAULT_TRIAL_H

#include "fault_scene.h"

typedef struct fault_trial {
    const fault_scene *scene;
    const fault_command *command;
    bool old;
    char *before, *after; /* of the run folder: as it is at first, and when all is well */
    char *out;            /* what it prints then, as fault_text has it */
    char *log;            /* what the library for LD_PRELOAD wrote when it was to fail nothing */
    long microseconds;    /* that it took */
} fault_trial;

typedef enum fault_verdict {
    FAULT_WHOLE, /* exit code 0, and all that there is without a fault */
    FAULT_SAID,  /* one sentence, another exit code, and the folder is as it was */
    FAULT_LATE,  /* one sentence and another exit code, but the new targets are there, and it says so */
    FAULT_SWEPT, /* one of these, but for what could not be removed, which the next run does; or rows to go on from */
    FAULT_WRONG, /* anything else */
    FAULT_VERDICTS
} fault_verdict;

/* Runs it with `preload` (fault_scene_preload's name, or NULL). False, after a line on standard error, if it fails by
 * itself or does not do the same twice. */
bool fault_trial_open(fault_trial *trial, const fault_scene *scene, const fault_command *command, bool old,
                      const char *preload);
void fault_trial_close(fault_trial *trial);

/* why: of FAULT_WRONG, to be freed; else NULL. */
fault_verdict fault_trial_judge(const fault_trial *trial, const fault_result *result, char **why);

/* Whether a run that was judged wrong, but has ended as it should, has left nothing that the next one does not remove,
 * or go on from. */
bool fault_trial_goes_on(const fault_trial *trial, const fault_result *result);

/* One line that begins with the program's name. */
bool fault_is_sentence(const char *text);

#endif

/* A command that is killed (SIGKILL) at random moments, and the cut of power, of which a replay of what it asked of the
 * disk is made. */
#ifndef PARE_TESTS_FAULT_KILL_H
#define PARE_TESTS_FAULT_KILL_H

#include "fault_states.h"

#include <stdio.h>

/* Kills it `times`: by turns before a call of the kernel and after a time, both drawn from the seed. Each time the
 * command runs again. False: it does not run by itself. */
bool fault_kill(const fault_scene *scene, const fault_command *command, bool old, long times, unsigned long long seed,
                FILE *wrong, fault_counts *counts);

/* Cuts the power behind every `step`-th change of the disk, four times each: what was not synced is lost, or names
 * alone are kept, or contents alone, or what a draw says. Behind every `again`-th cut the command runs again. */
bool fault_power(const fault_scene *scene, const fault_command *command, bool old, long step, long again, FILE *wrong,
                 fault_counts *counts);

#endif

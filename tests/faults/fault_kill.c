#include "fault_kill.h"
#include "tiny_model.h"

#include <signal.h>

static long count_lines(const char *text) {
    long lines = 0;
    for (; (text = strchr(text, '\n')); text++)
        lines++;
    return lines;
}

static void tell(const fault_trial *trial, const char *when, const char *why, FILE *wrong) {
    fprintf(wrong, "%s%s\n  killed %s\n  %s\n\n", trial->command->name, trial->old ? ", old targets" : "", when, why);
    fflush(wrong);
}

static void kill_once(const fault_trial *trial, const fault_states *states, bool by_call, uint64_t draw, FILE *wrong,
                      fault_counts *counts) {
    long calls = count_lines(trial->log), number = (long)(draw % (uint64_t)calls) + 1;
    long microseconds = (long)(draw % (uint64_t)trial->microseconds) + 1;
    char *library = fault_scene_preload(trial->scene, "calls"), *setting = pare_format("PARE_FAULT_KILL=%ld", number);
    char *when =
        by_call ? pare_format("before call %ld of %ld", number, calls) : pare_format("after %ld us", microseconds);
    fault_scene_reset(trial->scene, trial->command, trial->old);
    fault_result result =
        fault_scene_run(trial->scene, trial->command, by_call ? (const char *const[]){library, setting, NULL} : NULL,
                        by_call ? 0 : microseconds);
    counts->runs++;
    counts->stopped += result.code == 128 + SIGKILL;
    char *why = result.code == 0 || result.code == 128 + SIGKILL
                    ? fault_states_check(states, trial, counts)
                    : pare_format("exit code %d, %s", result.code, result.err);
    if (!why) why = fault_states_again(trial);
    if (why) tell(trial, when, why, wrong);
    counts->wrong += why != NULL;
    fault_result_free(&result);
    free(why);
    free(when);
    free(setting);
    free(library);
}

bool fault_kill(const fault_scene *scene, const fault_command *command, bool old, long times, unsigned long long seed,
                FILE *wrong, fault_counts *counts) {
    fault_trial trial;
    fault_states states;
    uint64_t state = seed;
    if (!fault_trial_open(&trial, scene, command, old, "calls")) return false;
    fault_states_learn(&states, &trial);
    for (long i = 0; i < times; i++)
        kill_once(&trial, &states, i % 2 == 0, tiny_random(&state) >> 8, wrong, counts);
    fault_states_free(&states);
    fault_trial_close(&trial);
    return true;
}

/* The place where commands run: ROOT/in with what they read, ROOT/run in which they run, ROOT/tmp for what is not to
 * last. */
#ifndef PARE_TESTS_FAULT_SCENE_H
#define PARE_TESTS_FAULT_SCENE_H

#include "fault_command.h"

typedef struct fault_scene {
    char *root, *in, *run, *tmp;
    const char *program, *shims; /* the program, and the folder with the libraries for LD_PRELOAD */
} fault_scene;

typedef struct fault_result {
    int code; /* exit code, 128 + signal, or FAULT_HANGS */
    char *out, *err;
} fault_result;

enum { FAULT_HANGS = 1000, FAULT_CANNOT = 76 };

/* Makes everything in a new folder of `base`. The program must be able to prepare what commands read. */
void fault_scene_open(fault_scene *scene, const char *base, const char *program, const char *shims);
void fault_scene_close(fault_scene *scene);

/* An empty run folder; with old: older targets of the command in it. */
void fault_scene_reset(const fault_scene *scene, const fault_command *command, bool old);

/* Runs it (with --force where old targets may be there) with more in its environment ("NAME=VALUE", NULL after the
 * last), killed after some microseconds if these are given. A run that could not be trapped is tried again. */
fault_result fault_scene_run(const fault_scene *scene, const fault_command *command, const char *const *environment,
                             long microseconds);
void fault_result_free(fault_result *result);

/* Calls visit with the path of every target. */
void fault_scene_targets(const fault_scene *scene, const fault_command *command,
                         void (*visit)(const char *path, const char *name, void *context), void *context);

/* Whether calls of the kernel can be trapped here. */
bool fault_scene_traps(const fault_scene *scene);

/* LD_PRELOAD of the library, for the environment; freed with free(). name: "calls" or "memory". */
char *fault_scene_preload(const fault_scene *scene, const char *name);

#endif

#include "fault_sweep.h"
#include "tiny_model.h"

#include <errno.h>

enum { SETTINGS = 3, HALF = 0 };

/* A fault, as the environment of a run. */
typedef struct point {
    bool unlinks, removing; /* what fails is, or may be, the removal of something */
    char settings[SETTINGS][48];
    char what[400];
} point;

typedef struct points {
    point *list;
    size_t count, room;
} points;

static point *add_point(points *all) {
    if (all->count == all->room) {
        all->room = all->room ? 2 * all->room : 256;
        all->list = realloc(all->list, all->room * sizeof *all->list);
        tiny_check(all->list != NULL, "realloc");
    }
    all->list[all->count] = (point){0};
    return &all->list[all->count++];
}

/* What can befall a call. */
static const struct {
    const char *kind;
    int errors[4]; /* HALF: a short count; -1 after the last */
} faults[] = {
    {"open", {EIO, EINTR, -1}},
    {"read", {EIO, EINTR, HALF, -1}},
    {"pread", {EIO, EINTR, HALF, -1}},
    {"mmap", {ENOMEM, EIO, -1}},
    {"write", {ENOSPC, EIO, EINTR, HALF}},
    {"pwrite", {ENOSPC, EIO, EINTR, HALF}},
    {"fsync", {ENOSPC, EIO, EINTR, -1}},
    {"rename", {ENOSPC, EIO, -1}},
    {"ftruncate", {EIO, EINTR, -1}},
    {"fallocate", {ENOSPC, EIO, EINTR, -1}},
    {"link", {ENOSPC, EIO, -1}},
    {"mkdir", {ENOSPC, EIO, -1}},
    {"stat", {EIO, -1}},
    {"unlink", {EIO, -1}},
    {"list", {EIO, -1}},
    {"lock", {ENOLCK, EINTR, -1}},
    {"io_uring", {ENOSYS, EIO, EINTR, -1}},
};

static void add_fault(points *all, long number, int error, bool full, const char *kind, const char *path) {
    point *p = add_point(all);
    bool temporary = strstr(path, ".pare-") || strstr(path, "/out.progress");
    p->removing = strcmp(kind, "unlink") == 0 ||
                  (temporary && (strcmp(kind, "open") == 0 || strcmp(kind, "list") == 0 || strcmp(kind, "stat") == 0));
    snprintf(p->settings[0], sizeof p->settings[0], "PARE_FAULT_AT=%ld", number);
    snprintf(p->settings[1], sizeof p->settings[1], "PARE_FAULT_ERROR=%d", error);
    snprintf(p->settings[2], sizeof p->settings[2], "PARE_FAULT_FULL=%d", full);
    snprintf(p->what, sizeof p->what, "call %ld, %s %s: %s%s", number, kind, path,
             error == HALF ? "half of it" : strerrorname_np(error), full ? " from there on" : "");
}

/* Of the machine rather than of the job. */
static bool is_of_machine(const char *path) {
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0 || strncmp(path, "/dev/", 5) == 0 ||
           strncmp(path, "/etc/", 5) == 0 || strncmp(path, "/usr/", 5) == 0;
}

static void add_call(points *all, long number, const char *kind, char flag, const char *path) {
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (strcmp(faults[i].kind, kind) != 0) continue;
        for (int e = 0; e < 4 && faults[i].errors[e] >= 0; e++)
            if (!is_of_machine(path) || e == 0) add_fault(all, number, faults[i].errors[e], false, kind, path);
    }
    if (flag == 'c') add_fault(all, number, ENOSPC, false, kind, path);
    if (flag != '-' && strcmp(kind, "fsync") != 0) add_fault(all, number, ENOSPC, true, kind, path);
}

static bool is_wanted(fault_wish wish, const char *kind, const char *path) {
    return (!wish.kind || strcmp(wish.kind, kind) == 0) && (!wish.path || strstr(path, wish.path));
}

/* From the library's log, "NUMBER KIND FLAG PATH". */
static long add_calls(points *all, char *log, fault_wish wish) {
    long calls = 0;
    for (char *line; (line = strsep(&log, "\n")) && *line; calls++) {
        long number;
        char kind[16], flag, path[300];
        tiny_check(sscanf(line, "%ld %15s %c %299[^\n]", &number, kind, &flag, path) >= 3, line);
        const char *about = strchr(line, '/') ? path : "";
        if (is_wanted(wish, kind, about)) add_call(all, number, kind, flag, about);
    }
    return calls;
}

static long add_allocations(points *all, char *log, fault_wish wish) {
    long places = 0;
    (void)wish;
    for (char *line; (line = strsep(&log, "\n")) && *line; places++) {
        for (int starved = 0; starved < 2; starved++) {
            point *p = add_point(all);
            snprintf(p->settings[0], sizeof p->settings[0], "PARE_FAULT_ALLOCATION=%s", line);
            snprintf(p->settings[1], sizeof p->settings[1], "PARE_FAULT_STARVED=%d", starved);
            snprintf(p->what, sizeof p->what, "allocation %s%s", line, starved ? ", and all that follow" : "");
        }
    }
    return places;
}

static void try_point(const fault_trial *trial, const point *p, const char *library, fault_wish wish,
                      fault_tally *tally) {
    const char *environment[SETTINGS + 2] = {library};
    size_t count = 1;
    for (size_t i = 0; i < SETTINGS; i++)
        if (p->settings[i][0]) environment[count++] = p->settings[i];
    char *why;
    fault_scene_reset(trial->scene, trial->command, trial->old);
    fault_result result = fault_scene_run(trial->scene, trial->command, environment, 0);
    fault_verdict verdict = fault_trial_judge(trial, &result, &why);
    bool done = result.code == 0 || strstr(result.err, "is complete");
    bool excused = p->unlinks || (p->removing && done) || trial->command->grows;
    if (verdict == FAULT_WRONG && excused && fault_trial_goes_on(trial, &result)) verdict = FAULT_SWEPT;
    tally->points++;
    tally->verdicts[verdict]++;
    if (verdict == FAULT_WRONG) {
        fprintf(wish.wrong, "%s%s\n  %s\n  %s\n  exit code %d, %.700s\n", trial->command->name,
                trial->old ? ", old targets" : "", p->what, why, result.code, result.err);
        fflush(wish.wrong);
    }
    free(why);
    fault_result_free(&result);
}

static bool sweep(const fault_scene *scene, const fault_command *command, bool old, fault_wish wish, fault_tally *tally,
                  const char *preload, long (*add)(points *all, char *log, fault_wish wish)) {
    fault_trial trial;
    points all = {0};
    if (!fault_trial_open(&trial, scene, command, old, preload)) return false;
    tally->calls += add(&all, trial.log, wish);
    size_t step =
        wish.most && all.count > (size_t)wish.most ? (all.count + (size_t)wish.most - 1) / (size_t)wish.most : 1;
    step |= 1; /* faults come in groups, and none is to be passed over for good */
    char *library = fault_scene_preload(scene, preload);
    for (size_t i = 0; i < all.count; i += step)
        try_point(&trial, &all.list[i], library, wish, tally);
    free(library);
    free(all.list);
    fault_trial_close(&trial);
    return true;
}

bool fault_sweep_calls(const fault_scene *scene, const fault_command *command, bool old, fault_wish wish,
                       fault_tally *tally) {
    return sweep(scene, command, old, wish, tally, "calls", add_calls);
}

bool fault_sweep_memory(const fault_scene *scene, const fault_command *command, bool old, fault_wish wish,
                        fault_tally *tally) {
    return sweep(scene, command, old, wish, tally, "memory", add_allocations);
}

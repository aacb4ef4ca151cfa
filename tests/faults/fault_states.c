#include "fault_states.h"
#include "fault_tree.h"
#include "tiny_model.h"

#include <ctype.h>

typedef struct walk {
    fault_states *states;
    const fault_trial *trial;
    fault_counts *counts;
    size_t at;
    char *why;
} walk;

static void learn_old(const char *path, const char *name, void *context) {
    walk *w = context;
    (void)name;
    tiny_check(w->at < FAULT_TARGETS, "the number of targets");
    w->states->old[w->at++] = fault_tree(path, NULL);
}

/* Without numbers, and without what closes a list. */
static char *read_rows(const char *path) {
    size_t bytes, kept = 0;
    char *text = fault_read(path, &bytes);
    for (size_t i = 0; text && i < bytes; i++)
        if (!isdigit((unsigned char)text[i]) && !strchr(".e-+", text[i])) text[kept++] = text[i];
    while (kept && strchr("]} \n", text[kept - 1]))
        kept--;
    if (text) text[kept] = 0;
    return text;
}

static void learn_new(const char *path, const char *name, void *context) {
    walk *w = context;
    (void)name;
    if (w->trial->command->grows) w->states->rows[w->at] = read_rows(path);
    w->states->new[w->at++] = fault_tree(path, NULL);
}

void fault_states_learn(fault_states *states, const fault_trial *trial) {
    *states = (fault_states){0};
    walk w = {states, trial, NULL, 0, NULL};
    fault_scene_targets(trial->scene, trial->command, learn_new, &w);
    w.at = 0;
    fault_scene_reset(trial->scene, trial->command, trial->old);
    fault_scene_targets(trial->scene, trial->command, learn_old, &w);
}

void fault_states_free(fault_states *states) {
    for (size_t i = 0; i < FAULT_TARGETS; i++) {
        free(states->old[i]);
        free(states->new[i]);
        free(states->rows[i]);
    }
}

static bool is_beginning(const char *whole, const char *path) {
    char *rows = read_rows(path);
    bool begins = rows && strncmp(whole, rows, strlen(rows)) == 0;
    free(rows);
    return begins;
}

static void check(const char *path, const char *name, void *context) {
    walk *w = context;
    char *now = fault_tree(path, NULL);
    size_t at = w->at++;
    if (strcmp(now, w->states->new[at]) == 0)
        w->counts->new ++;
    else if (strcmp(now, w->states->old[at]) == 0)
        *(*now ? &w->counts->old : &w->counts->absent) += 1;
    else if (w->states->rows[at] && is_beginning(w->states->rows[at], path))
        w->counts->old++;
    else if (!w->why) {
        char *line = fault_difference(w->states->new[at], now);
        w->why = pare_format("%s is neither old nor new: %s", name, line);
        free(line);
    }
    free(now);
}

char *fault_states_check(const fault_states *states, const fault_trial *trial, fault_counts *counts) {
    walk w = {(fault_states *)(uintptr_t)states, trial, counts, 0, NULL};
    fault_scene_targets(trial->scene, trial->command, check, &w);
    char *tree = fault_tree(trial->scene->run, NULL), *left = fault_tree(trial->scene->tmp, NULL);
    counts->leftovers += strstr(tree, ".pare-") || *left;
    free(tree);
    free(left);
    return w.why;
}

char *fault_states_again(const fault_trial *trial) {
    char *why = NULL;
    fault_result result = fault_scene_run(trial->scene, trial->command, NULL, 0);
    fault_verdict verdict = fault_trial_judge(trial, &result, &why);
    if (verdict != FAULT_WHOLE && !why) why = pare_format("exit code %d, %s", result.code, result.err);
    char *said = why ? pare_format("the next run: %s", why) : NULL;
    fault_result_free(&result);
    free(why);
    return said;
}

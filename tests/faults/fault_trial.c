#include "fault_trial.h"
#include "fault_tree.h"
#include "tiny_model.h"

#include <time.h>

bool fault_is_sentence(const char *text) {
    const char *end = strchr(text, '\n');
    return end && !end[1] && end - text > 12 && end - text < 800 && strncmp(text, "pare", 4) == 0 &&
           !strstr(text, "(null)");
}

static const char *passed(const fault_trial *trial) {
    return trial->command->keeps ? "out.progress" : NULL;
}

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static fault_result run_whole(fault_trial *trial, const char *preload, const char *log) {
    char *library = preload ? fault_scene_preload(trial->scene, preload) : NULL,
         *file = pare_format("PARE_FAULT_LOG=%s", log);
    fault_scene_reset(trial->scene, trial->command, trial->old);
    trial->before = fault_tree(trial->scene->run, NULL);
    long start = now();
    fault_result result = fault_scene_run(trial->scene, trial->command, (const char *const[]){library, file, NULL}, 0);
    trial->microseconds = now() - start;
    free(library);
    free(file);
    return result;
}

bool fault_trial_open(fault_trial *trial, const fault_scene *scene, const fault_command *command, bool old,
                      const char *preload) {
    *trial = (fault_trial){.scene = scene, .command = command, .old = old};
    char *log = pare_path_join(scene->root, "log"), *why = NULL;
    size_t bytes;
    fault_result result = run_whole(trial, preload, log);
    if (preload) trial->log = fault_read(log, &bytes);
    trial->after = fault_tree(scene->run, NULL);
    trial->out = fault_text(result.out);
    bool fine = result.code == 0 && (!preload || trial->log);
    if (!fine) fprintf(stderr, "%s: exit code %d, %s\n", command->name, result.code, result.err);
    fault_result_free(&result);
    if (fine) {
        free(trial->before);
        result = run_whole(trial, NULL, log);
        fine = fault_trial_judge(trial, &result, &why) == FAULT_WHOLE;
        if (!fine) fprintf(stderr, "%s: not the same twice: %s\n", command->name, why ? why : result.err);
        fault_result_free(&result);
    }
    free(why);
    free(log);
    if (!fine) fault_trial_close(trial);
    return fine;
}

void fault_trial_close(fault_trial *trial) {
    free(trial->before);
    free(trial->after);
    free(trial->out);
    free(trial->log);
    *trial = (fault_trial){0};
}

/* What a run could not do and has told of: a page or a card that was left out, or what could not be removed. */
typedef struct told {
    bool left_out, stays;
} told;

static told told_of(const char *err) {
    return (told){strstr(err, "was left out") || strstr(err, "its page is not") || strstr(err, "on standard output"),
                  strstr(err, "could not be removed") || strstr(err, "cannot be removed")};
}

static bool is_told(const char *line, told t) {
    static const char *const pages[] = {"out/report.html", "out/README.md", "figures", "e.html"};
    size_t length = strcspn(line, "\n");
    for (size_t i = 0; t.left_out && i < sizeof pages / sizeof *pages; i++)
        if (strncmp(line, pages[i], strlen(pages[i])) == 0) return true;
    const char *temporary = strstr(line, ".pare-");
    return t.stays && ((temporary && temporary < line + length) || strncmp(line, "out.progress", 12) == 0);
}

static char *without_told(const char *tree, told t) {
    char *text = pare_format("%s", tree), *kept = text;
    for (char *rest = text, *line; *rest; rest = line) {
        line = strchr(rest, '\n') + 1;
        if (is_told(rest, t)) continue;
        memmove(kept, rest, (size_t)(line - rest));
        kept += line - rest;
    }
    *kept = 0;
    return text;
}

static bool same_tree(const char *expected, const char *found, told t, char **why) {
    char *a = without_told(expected, t), *b = without_told(found, t);
    bool same = strcmp(a, b) == 0;
    free(*why);
    *why = same ? NULL : fault_difference(a, b);
    free(a);
    free(b);
    return same;
}

static fault_verdict judge_success(const fault_trial *trial, const fault_result *result, const char *tree, char **why) {
    char *out = fault_text(result->out);
    bool same = same_tree(trial->after, tree, told_of(result->err), why);
    /* pare inspect shows what there is, and why the rest cannot be read. */
    bool named = strstr(result->out, "not prunable  cannot ") || strstr(result->out, "none that can be used: cannot ");
    if (same && !named && strcmp(out, trial->out) != 0) {
        same = false;
        *why = pare_format("standard output is another: %.300s", result->out);
    }
    free(out);
    return same ? FAULT_WHOLE : FAULT_WRONG;
}

/* What follows the notes. */
static const char *behind_notes(const char *err) {
    static const char note[] = "pare: note: ";
    while (strncmp(err, note, sizeof note - 1) == 0 && strchr(err, '\n'))
        err = strchr(err, '\n') + 1;
    return err;
}

static fault_verdict judge_failure(const fault_trial *trial, const fault_result *result, const char *tree, char **why) {
    const char *said = behind_notes(result->err);
    if (!fault_is_sentence(said)) {
        *why = pare_format("exit code %d without a sentence: %.600s", result->code, result->err);
        return FAULT_WRONG;
    }
    told t = {.stays = told_of(said).stays};
    char *before = fault_tree(trial->scene->run, passed(trial)), *late = NULL;
    bool unchanged = same_tree(trial->before, before, t, why);
    free(before);
    bool complete = strstr(said, "is complete") || strstr(said, "standard output");
    if (unchanged || !complete || !same_tree(trial->after, tree, told_of(result->err), &late)) {
        free(late);
        return unchanged ? FAULT_SAID : FAULT_WRONG;
    }
    free(*why);
    *why = NULL;
    return FAULT_LATE;
}

static fault_verdict judge(const fault_trial *trial, const fault_result *result, char **why) {
    char *tree = fault_tree(trial->scene->run, NULL), *left = fault_tree(trial->scene->tmp, NULL);
    fault_verdict verdict = FAULT_WRONG;
    if (result->code == FAULT_HANGS)
        *why = pare_format("it hangs");
    else if (result->code >= 128)
        *why = pare_format("signal %d: %.600s", result->code - 128, result->err);
    else if (*left)
        *why = pare_format("left in the scratch folder: %s", left);
    else if (result->code == 0)
        verdict = judge_success(trial, result, tree, why);
    else
        verdict = judge_failure(trial, result, tree, why);
    free(tree);
    free(left);
    return verdict;
}

fault_verdict fault_trial_judge(const fault_trial *trial, const fault_result *result, char **why) {
    *why = NULL;
    return judge(trial, result, why);
}

bool fault_trial_goes_on(const fault_trial *trial, const fault_result *result) {
    char *why = NULL;
    bool ended = result->code == 0 || (result->code < 128 && fault_is_sentence(behind_notes(result->err)));
    if (!ended) return false;
    fault_result again = fault_scene_run(trial->scene, trial->command, NULL, 0);
    bool whole = judge(trial, &again, &why) == FAULT_WHOLE;
    fault_result_free(&again);
    free(why);
    return whole;
}

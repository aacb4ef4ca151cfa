/* Where a task's file is looked for, first to last:
 *   FOLDER/TITLED, FOLDER/NAME   for each of the task's own folders below DIR
 *   SHARED/TITLED                for a folder that several tasks share
 *   DIR/TITLED, and DIR/NAME if no other task is wanted
 * each with .jsonl, .json, .ndjson, and the same with .gz behind. */
#include "evaluate/task_file.h"
#include "support/file.h"
#include "support/path.h"

#include <stdlib.h>
#include <sys/stat.h>

/* The first of folder/NAME.jsonl and so on that exists, freed with free(); or NULL. */
static char *find_in(const char *folder, const char *const *names) {
    static const char *const endings[] = {"jsonl", "json", "ndjson", "jsonl.gz", "json.gz", "ndjson.gz"};
    for (size_t i = 0; names[i]; i++)
        for (size_t e = 0; e < sizeof endings / sizeof *endings; e++) {
            char *name = pare_format("%s.%s", names[i], endings[e]), *path = pare_path_join(folder, name);
            free(name);
            if (pare_file_exists(path)) return path;
            free(path);
        }
    return NULL;
}

static char *find_below(const pare_task *task, const char *data, const char *folder, bool own) {
    char *path = pare_path_join(data, folder), *found = find_in(path, task->titled);
    if (!found && own) found = find_in(path, task->names);
    free(path);
    return found;
}

static void append(char **list, const char *folder, const char *const *names) {
    for (size_t i = 0; names[i]; i++) {
        char *longer = pare_format("%s%s%s%s", *list, **list ? ", " : "", folder, names[i]);
        free(*list);
        *list = longer;
    }
}

static pare_status refuse_missing(const pare_task *task, const char *data, bool alone) {
    char *list = pare_format("%s", ""), *folder = pare_format("%s/", task->folders[0]);
    append(&list, folder, task->names);
    append(&list, "", task->titled);
    if (alone) append(&list, "", task->names);
    pare_status status = pare_fail(PARE_FILE_ERROR,
                                   "there is no file for %s in %s; looked for (with .jsonl or .json) %s: put it there, "
                                   "or name the file itself with --data and this task alone",
                                   task->name, data, list);
    free(list);
    free(folder);
    return status;
}

pare_status pare_task_file_find(const pare_task *task, const char *data, bool alone, char **path) {
    *path = NULL;
    if (!pare_path_is_folder(data)) {
        if (!alone)
            return pare_fail(PARE_BAD_ARGUMENT, "%s is no folder with the tasks' files in it; name one with --data",
                             data);
        *path = pare_format("%s", data);
        return PARE_OK;
    }
    for (size_t i = 0; task->folders[i] && !*path; i++)
        *path = find_below(task, data, task->folders[i], true);
    if (!*path && task->shared_folder) *path = find_below(task, data, task->shared_folder, false);
    if (!*path) *path = find_in(data, task->titled);
    if (!*path && alone) *path = find_in(data, task->names);
    return *path ? PARE_OK : refuse_missing(task, data, alone);
}

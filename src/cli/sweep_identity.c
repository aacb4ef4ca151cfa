#include "sweep_identity.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static long long modified(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode) ? (long long)status.st_mtime : 0;
}

/* Of the newest file in the model's folder. */
static long long model_modified(const char *folder) {
    long long newest = 0;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) continue;
        long long own = modified(path);
        newest = own > newest ? own : newest;
        free(path);
    }
    if (directory) closedir(directory);
    return newest;
}

/* How a run is carried out and where its rows go change nothing in them; axes may gain values. */
static bool matters(const pare_option *option) {
    static const char *const others[] = {"over",   "csv",     "json-file",        "json",   "quiet",     "threads",
                                         "memory", "scratch", "keep-activations", "report", "no-report", "figures",
                                         "plot",   "markdown"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(option->name, others[i]) == 0) return false;
    return true;
}

/* The value, and for a file when it was changed. */
static json_t *option_json(const pare_given *given) {
    bool file = given->option->kind == PARE_VALUE_TEXT || given->option->kind == PARE_VALUE_LIST;
    long long time = file ? modified(given->text) : 0;
    json_t *text = pare_json_name(given->text);
    return time ? pare_json_list_of(text, json_integer(time)) : text;
}

json_t *pare_sweep_identity(const pare_arguments *a, const pare_sweep_axes *axes, const pare_model *model) {
    json_t *options = json_object(), *over = json_array();
    for (size_t i = 0; i < a->given.count; i++) {
        const pare_given *given = &a->given.list[i];
        if (!matters(given->option)) continue;
        json_t *list = json_object_get(options, given->option->name);
        if (!list) pare_json_put(options, given->option->name, list = json_array());
        pare_json_append(list, option_json(given));
    }
    for (size_t i = 0; i < axes->count; i++)
        pare_json_append(over, pare_json_string(axes->list[i].option->name));
    return pare_json_of({"pare", pare_json_string(pare_version())},
                        {"model", pare_json_of({"folder", pare_json_name(a->model)},
                                               {"parameters", pare_json_count(pare_model_parameters(model))},
                                               {"bytes", pare_json_count(pare_model_bytes(model))},
                                               {"modified", json_integer(model_modified(a->model))})},
                        {"options", options}, {"over", over});
}

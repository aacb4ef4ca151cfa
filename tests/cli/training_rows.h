/* Rows to train on, and numbers of reports. */
#ifndef PARE_TESTS_CLI_TRAINING_ROWS_H
#define PARE_TESTS_CLI_TRAINING_ROWS_H

#include "cli/workplace.h"

#include <jansson.h>

enum { ROWS = 40 };

/* The path of a file of ROWS texts in the workplace, to be freed. */
static inline char *write_rows(const workplace *place) {
    char *path = pare_path_join(place->folder, "rows.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < ROWS; i++)
        fprintf(file, "%s{\"text\": \"once upon a time there was a little girl. she had a red ball number %d.\"}",
                i ? ",\n" : "[", i % 3);
    fputs("]\n", file);
    fclose(file);
    return path;
}

/* path: members and places of lists, "texts.0.after.perplexity". */
static inline double at(const json_t *json, const char *path) {
    char copy[128], *rest = copy;
    snprintf(copy, sizeof copy, "%s", path);
    for (char *key; (key = strsep(&rest, "."));)
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key)) : json_object_get(json, key);
    if (!json_is_number(json)) fail_msg("no number at %s", path);
    return json_number_value(json);
}

#endif

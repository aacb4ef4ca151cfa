/* Rows to train on, and numbers of reports. */
#ifndef PARE_TESTS_CLI_TRAINING_ROWS_H
#define PARE_TESTS_CLI_TRAINING_ROWS_H

#include "cli/workplace.h"

#include <jansson.h>

enum { ROWS = 40 };

/* The path of a file of such rows in the workplace, to be freed. */
static inline char *write_rows_of(const workplace *place, int count, void (*row)(FILE *file, int i)) {
    char *path = pare_path_join(place->folder, "rows.json");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < count; i++) {
        fputs(i ? ",\n" : "[", file);
        row(file, i);
    }
    fputs("]\n", file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline void write_story(FILE *file, int i) {
    fprintf(file, "{\"text\": \"once upon a time there was a little girl. she had a red ball number %d.\"}", i % 3);
}

/* ROWS texts. */
static inline char *write_rows(const workplace *place) {
    return write_rows_of(place, ROWS, write_story);
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

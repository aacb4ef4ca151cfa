#include "run/inside.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The list of files as it is with one more among them. */
static void name_file(json_t *report, const char *inside, size_t bytes) {
    json_t *output = json_object_get(report, "output"), *files = json_object_get(output, "files"), *file;
    json_t *list = json_array();
    size_t i;
    bool named = false;
    json_array_foreach(files, i, file) {
        const char *name = json_string_value(file);
        if (!named && name && strcmp(name, inside) > 0) pare_json_append(list, pare_json_string(inside));
        named |= name && strcmp(name, inside) > 0;
        pare_json_append(list, pare_json_same(file));
    }
    if (!named) pare_json_append(list, pare_json_string(inside));
    json_int_t before = json_integer_value(json_object_get(output, "bytes"));
    pare_json_put(output, "files", list);
    pare_json_put(output, "bytes", json_integer(before + (json_int_t)bytes));
}

pare_status pare_run_put_inside(pare_run *run, const char *name, const char *text, json_t *report) {
    PARE_TRY(pare_output_write_text(run->output, name, text));
    name_file(report, name, strlen(text));
    return PARE_OK;
}

void pare_run_drop_inside(const pare_run *run, const char *name) {
    char *path = run->output ? pare_path_join(pare_output_path(run->output), name) : NULL;
    if (path) unlink(path);
    free(path);
}

pare_status pare_run_change_report(char **report, pare_status (*change)(json_t *report, void *context), void *context) {
    char *text = NULL;
    json_t *json = json_loads(*report, 0, NULL);
    if (!json) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the report");
    pare_status status = change(json, context);
    if (status == PARE_OK) status = pare_json_text(pare_json_same(json), &text);
    json_decref(json);
    if (status != PARE_OK) return status;
    pare_free(*report);
    *report = text;
    return PARE_OK;
}

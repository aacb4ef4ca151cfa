/* Files of tasks in a fresh folder, and what is read from them. */
#ifndef PARE_TESTS_TASK_FILES_H
#define PARE_TESTS_TASK_FILES_H

#include "evaluate/task_file.h"
#include "golden.h"
#include "tiny_model.h"

/* Writes folder/name, making the folder that name may begin with. */
static inline void task_file_write(const char *folder, const char *name, const char *text) {
    const char *slash = strchr(name, '/');
    if (slash) {
        char *inner = pare_format("%s/%.*s", folder, (int)(slash - name), name);
        mkdir(inner, 0755);
        free(inner);
    }
    tiny_write_text(folder, name, text);
}

/* The task's file in `data`, which must be sound. */
static inline pare_task_file task_file_read(const char *task, const char *data) {
    const pare_task_file_request request = {.data = data, .alone = true};
    pare_task_file file;
    pare_status status = pare_task_file_open(pare_task_find(task), &request, &file);
    if (status != PARE_OK) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    return file;
}

#endif

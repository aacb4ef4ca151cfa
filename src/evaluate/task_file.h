/* The documents of one task's file. */
#ifndef PARE_EVALUATE_TASK_FILE_H
#define PARE_EVALUATE_TASK_FILE_H

#include "evaluate/task.h"
#include "support/digest.h"

/* How requests are made (docs/methods.md): as lm-evaluation-harness does now, or as it did in 2023. */
typedef enum pare_task_protocol { PARE_TASK_CURRENT, PARE_TASK_4D21AB6B } pare_task_protocol;

typedef struct pare_task_file {
    const pare_task *task;
    char *path;
    char digest[PARE_DIGEST_TEXT];
    pare_task_document *documents; /* [count], in the order in which they are taken */
    uint32_t count, room;
    uint32_t rows; /* of the file */
} pare_task_file;

typedef struct pare_task_file_request {
    const char *data; /* a folder, or the task's file itself */
    bool alone;       /* no other task is looked for in that folder: files with general names count there, too */
    pare_task_protocol protocol;
    uint32_t limit; /* documents; 0: all */
} pare_task_file_request;

/* Finds and reads the task's file. A file of labels beside it (dev.jsonl: dev-labels.lst, one label a line) is read
 * where there is one; labels in rows go before it. Under a limit the current protocol takes the first rows, the other
 * those that random.Random(42).shuffle brings to the front. Fails, naming all places that were looked at, if there is
 * no file, or naming file and row. Free with pare_task_file_close. */
pare_status pare_task_file_open(const pare_task *task, const pare_task_file_request *request, pare_task_file *out);
void pare_task_file_close(pare_task_file *file);

/* *path: where the file is (freed with free()); part of pare_task_file_open. */
pare_status pare_task_file_find(const pare_task *task, const char *data, bool alone, char **path);

#endif

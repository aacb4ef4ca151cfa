#include "evaluate/tasks.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>

static const char *const protocols[] = {[PARE_TASK_CURRENT] = "current", [PARE_TASK_4D21AB6B] = "4d21ab6b"};

const char *pare_task_protocol_name(size_t index) {
    return index < sizeof protocols / sizeof *protocols ? protocols[index] : NULL;
}

static pare_status find_protocol(const char *name, pare_task_protocol *out) {
    *out = PARE_TASK_CURRENT;
    for (size_t i = 0; name && pare_task_protocol_name(i); i++) {
        if (strcmp(protocols[i], name) != 0) continue;
        *out = (pare_task_protocol)i;
        return PARE_OK;
    }
    if (!name) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "there is no protocol '%.40s' for tasks; there are %s and %s", name,
                     protocols[0], protocols[1]);
}

static pare_status refuse_name(const char *name) {
    char *list = pare_format("%s", pare_task_name(0));
    for (size_t i = 1; pare_task_name(i); i++) {
        char *longer = pare_format("%s, %s", list, pare_task_name(i));
        free(list);
        list = longer;
    }
    pare_status status =
        pare_fail(PARE_BAD_ARGUMENT, "there is no task '%.40s'; there are %s (or all of them: all)", name, list);
    free(list);
    return status;
}

static pare_status open_files(const pare_tasks_options *options, size_t count, pare_tasks *tasks) {
    pare_task_file_request request = {
        .data = options->data, .alone = count == 1, .protocol = tasks->protocol, .limit = options->limit};
    for (size_t i = 0; i < count; i++) {
        const char *name = options->name_count ? options->names[i] : pare_task_name(i);
        const pare_task *task = pare_task_find(name);
        if (!task) return refuse_name(name);
        for (size_t j = 0; j < tasks->count; j++)
            if (tasks->files[j].task == task) return pare_fail(PARE_BAD_ARGUMENT, "the task %s is given twice", name);
        PARE_TRY(pare_task_file_open(task, &request, &tasks->files[tasks->count]));
        tasks->count++;
    }
    return PARE_OK;
}

pare_status pare_tasks_open(const pare_tasks_options *options, pare_tasks **out) {
    size_t count = options->name_count;
    pare_tasks *tasks;
    *out = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_tasks_options, options));
    while (!options->name_count && pare_task_name(count))
        count++;
    if (!options->data) return pare_fail(PARE_BAD_ARGUMENT, "tasks need --data: the folder with their files");
    PARE_TRY(pare_alloc(&tasks, 1, sizeof *tasks, "the tasks"));
    pare_status status = pare_alloc(&tasks->files, count, sizeof *tasks->files, "the tasks");
    if (status == PARE_OK) status = find_protocol(options->protocol, &tasks->protocol);
    if (status == PARE_OK) status = open_files(options, count, tasks);
    if (status == PARE_OK)
        *out = tasks;
    else
        pare_tasks_close(tasks);
    return status;
}

void pare_tasks_close(pare_tasks *tasks) {
    if (!tasks) return;
    for (size_t i = 0; i < tasks->count; i++)
        pare_task_file_close(&tasks->files[i]);
    pare_free(tasks->files);
    pare_free(tasks);
}

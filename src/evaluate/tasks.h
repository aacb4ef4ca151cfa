/* The task files of a pare_tasks. */
#ifndef PARE_EVALUATE_TASKS_H
#define PARE_EVALUATE_TASKS_H

#include "evaluate/task_file.h"

struct pare_tasks {
    pare_task_file *files; /* [count] */
    size_t count;
    pare_task_protocol protocol;
};

#endif

/* From the scores of a task to its results. */
#ifndef PARE_EVALUATE_ZERO_SHOT_RESULT_H
#define PARE_EVALUATE_ZERO_SHOT_RESULT_H

#include "evaluate/zero_shot.h"
#include "report/task.h"

/* Borrows the file's names. */
pare_task_result pare_zero_shot_result(const pare_task_file *file, const pare_zero_shot_scores *scores);

/* A line of JSON for every document (report/task.h). */
pare_status pare_zero_shot_items(const pare_task_file *file, const pare_zero_shot_scores *scores, FILE *out);

#endif

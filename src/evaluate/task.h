/* The seven zero-shot tasks: files of questions with answers to choose from, as the requests that lm-evaluation-harness
 * makes of them. A request is a context and a continuation; the choice whose continuation is likeliest (or likeliest
 * per character) is the model's answer. */
#ifndef PARE_EVALUATE_TASK_H
#define PARE_EVALUATE_TASK_H

#include "evaluate/task_row.h"

typedef struct pare_task {
    const char *name, *title;   /* "arc_easy", "ARC-e" */
    double versions[2];         /* of the harness's task, by protocol */
    bool normalised;            /* the harness gives acc_norm, too */
    bool chosen_norm;           /* and papers print that one */
    pare_task_row_reader read;  /* a row to a document */
    const char *const *folders; /* below DIR, that hold this task alone; NULL after the last */
    const char *shared_folder;  /* below DIR, that may hold others, too; or NULL */
    const char *const *names;   /* of files in its own folders, without ending; NULL after the last */
    const char *const *titled;  /* of files anywhere, since their names say whose they are */
} pare_task;

/* In the order of the papers' tables; NULL after the last. */
const pare_task *pare_task_at(size_t index);
const pare_task *pare_task_find(const char *name);

#endif

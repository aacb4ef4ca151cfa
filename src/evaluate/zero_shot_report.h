/* What the scores of tasks come to. */
#ifndef PARE_EVALUATE_ZERO_SHOT_REPORT_H
#define PARE_EVALUATE_ZERO_SHOT_REPORT_H

#include "checkpoint/durable.h"
#include "evaluate/zero_shot.h"

#include <jansson.h>

/* A share of n documents and its standard error, sqrt(p (1 - p) / (n - 1)); NaN for n = 1. */
typedef struct pare_share {
    double value, error;
} pare_share;

pare_share pare_share_of(uint64_t right, uint64_t n);

/* *out: the task's entry of the report; *chosen: the accuracy that papers print. */
pare_status pare_zero_shot_entry(const pare_task_file *file, const pare_zero_shot_scores *scores, json_t **out,
                                 double *chosen);

/* A file of items that appears under `path` when it is finished, in place of one that is there. */
typedef struct pare_items {
    const char *path; /* the caller's; NULL: none is wanted, and nothing is done */
    char *temporary;
    bool locked;
    int lock; /* on it */
    pare_durable file;
} pare_items;

/* Refuses a folder that cannot be written to now rather than at the end. */
pare_status pare_items_open(const char *path, pare_items *out);
/* A line for every document:
 *   {"task": NAME, "doc": row of the file, from 0, "gold": index,
 *    "choices": [{"ll": nats, "tokens": scored ones, "chars": code points}, ..], "pred": index, "pred_norm": index} */
pare_status pare_items_add(pare_items *items, const pare_task_file *file, const pare_zero_shot_scores *scores);
pare_status pare_items_finish(pare_items *items);
/* Deletes what is not finished. */
void pare_items_drop(pare_items *items);

#endif

/* What the scores of a zero-shot task come to: its entry of the report, and a line for every document. */
#ifndef PARE_REPORT_TASK_H
#define PARE_REPORT_TASK_H

#include "support/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A share of n documents and its standard error, sqrt(p (1 - p) / (n - 1)); NaN for n = 1. */
typedef struct pare_share {
    double value, error;
} pare_share;

pare_share pare_share_of(uint64_t right, uint64_t n);

/* Strings are borrowed. */
typedef struct pare_task_result {
    const char *task, *file, *digest;
    double version;   /* of the harness's task */
    const char *note; /* what is to be known of the file; or NULL */
    uint64_t documents, rows, requests, truncated, cut;
    uint64_t request_tokens, computed_tokens, padded_tokens, batches;
    double seconds;
    pare_share plain, norm; /* of right answers, by likelihood, and by likelihood per character */
    bool has_norm;          /* the task is measured by both */
    bool chosen_norm;       /* and papers print the second */
} pare_task_result;

/* The accuracy that papers print. */
double pare_task_chosen(const pare_task_result *result);
json_t *pare_report_task(const pare_task_result *result);

/* An answer that could be chosen. */
typedef struct pare_item_choice {
    double likelihood; /* in nats */
    uint64_t tokens, characters;
} pare_item_choice;

typedef struct pare_item {
    const char *task;
    uint64_t document; /* row of the file, from 0 */
    uint64_t gold, predicted, predicted_norm;
    const pare_item_choice *choices;
    size_t count;
} pare_item;

/* {"task": NAME, "doc", "gold", "choices": [{"ll", "tokens", "chars"}, ..], "pred", "pred_norm"} */
json_t *pare_report_item(const pare_item *item);

#endif

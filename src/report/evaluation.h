/* What an evaluation found. Strings are borrowed. */
#ifndef PARE_REPORT_EVALUATION_H
#define PARE_REPORT_EVALUATION_H

#include "report/continuations.h"
#include "report/pictures.h"
#include "report/ranks.h"
#include "report/stages.h"
#include "report/task.h"
#include "support/digest.h"

typedef struct pare_text_result {
    const char *file;
    double nll;                                      /* mean negative log-likelihood */
    double kl, top1;                                 /* against another model */
    pare_continuation_scores continuations, against; /* of the model, and of that other one */
    uint64_t tokens, windows;
    char digest[PARE_DIGEST_TEXT];
    char *note; /* of what was skipped in the file; or NULL; owned by whoever fills this in */
} pare_text_result;

typedef struct pare_evaluation_results {
    const char *model, *compute;
    const char *against, *adapter; /* or NULL */
    uint64_t parameters, seed;
    uint32_t window;
    const pare_text_result *texts;
    size_t text_count;
    const char *protocol; /* of tasks; NULL: there were none */
    const pare_task_result *tasks;
    size_t task_count;
    const pare_picture_scores *pictures; /* of texts[0]; NULL: there were texts */
    bool all_tasks;                      /* the average of all seven has a name of its own, since papers call it so */
    double seconds;
    const pare_stage_cost *stages;
    size_t stage_count;
    const pare_rank_cost *ranks; /* [rank_count] that shared the work */
    size_t rank_count;           /* 0: it was one process */
} pare_evaluation_results;

/* results: pare_evaluation_results. */
json_t *pare_report_evaluation(const void *results);

#endif

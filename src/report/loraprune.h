/* A model that was pruned while it was trained. */
#ifndef PARE_REPORT_LORAPRUNE_H
#define PARE_REPORT_LORAPRUNE_H

#include "support/json.h"

typedef struct pare_step_value {
    uint64_t step;
    double value;
} pare_step_value;

typedef struct pare_loraprune_results {
    uint64_t steps, examples, shortened, left_out, parameters;
    uint64_t scores_skipped;       /* steps whose scores were not finite */
    const pare_step_value *ratios; /* [ratio_count] when more units went, and what share of them was gone then */
    size_t ratio_count;
    const pare_step_value *losses; /* [loss_count]; NULL: nothing was trained yet */
    size_t loss_count;
} pare_loraprune_results;

json_t *pare_report_loraprune(const pare_loraprune_results *results);

#endif

/* An adapter that was merged into a model. Strings are borrowed. */
#ifndef PARE_REPORT_MERGE_H
#define PARE_REPORT_MERGE_H

#include "report/parts.h"

typedef struct pare_merge_results {
    const char *model, *digest; /* what was merged into */
    uint64_t parameters, bytes;
    const char *adapter;
    uint32_t rank;
    double alpha;
    const char *const *targets; /* [target_count], modules with factors */
    size_t target_count;
    uint64_t adapter_parameters;
    uint64_t tensors, changed;
    pare_written written;
    const pare_stage_cost *times;
    size_t time_count;
    double zeros_lost; /* share of the weights that were zeros and are not any more */
} pare_merge_results;

/* results: pare_merge_results. */
json_t *pare_report_merge(const void *results);

#endif
